//! The program under construction: columns and rows with the statements that own them, the bus
//! balances, and everything that some level minimises.

use std::collections::{BTreeMap, BTreeSet};

use super::exclusive::Pair;
use super::form::Atom;
use super::scene::{Owner, Pieces, Scene, What};
use super::solver::{Col, Program};
use crate::ir::{Attr, BusId, ClassId, Device, SAFETY};

/// An affine function of columns.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Aff {
    /// Terms.
    pub(super) terms: Vec<(Col, f64)>,
    /// Constant.
    pub(super) constant: f64,
}

impl Aff {
    /// A constant.
    pub(super) fn fixed(constant: f64) -> Self {
        Self { terms: Vec::new(), constant }
    }

    /// One column.
    pub(super) fn of(col: Col) -> Self {
        Self { terms: vec![(col, 1.0)], constant: 0.0 }
    }

    /// `factor x self`.
    pub(super) fn times(mut self, factor: f64) -> Self {
        self.terms.iter_mut().for_each(|(_, v)| *v *= factor);
        self.constant *= factor;
        self
    }

    /// Adds `factor x other`.
    pub(super) fn add(&mut self, other: &Self, factor: f64) {
        self.terms.extend(other.terms.iter().map(|(c, v)| (*c, v * factor)));
        self.constant += other.constant * factor;
    }

    /// The column, where it is exactly one.
    pub(super) fn column(&self) -> Option<Col> {
        match self.terms.as_slice() {
            [(col, 1.0)] if self.constant == 0.0 => Some(*col),
            _ => None,
        }
    }

    /// Its value at a point.
    pub(super) fn value(&self, x: &[f64]) -> f64 {
        self.constant
            + self.terms.iter().map(|(c, v)| x.get(c.index()).copied().unwrap_or(0.0) * v).sum::<f64>()
    }
}

/// How much gives way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    /// Nothing: the first attempt, small and nearly always enough.
    Hard,
    /// All statements below the safety class.
    Elastic,
    /// All statements of any class: whether one class could hold with physics alone.
    Alone,
    /// Everything that a statement sets, ratings included: to name what stands in the way.
    Bare,
}

/// Parts of the money.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Part {
    /// Energy bought.
    Import,
    /// Energy sold (negative).
    Export,
    /// Demand charges above what is paid anyway.
    Demand,
    /// What minimum bills add.
    Minimum,
    /// Fuel and starts.
    Fuel,
    /// Wear of stores and links.
    Wear,
    /// Priced breaches and shedding.
    Breach,
    /// Value of what is left in stores, and the price of what is missing.
    End,
}

/// A breach that some level minimises.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Breach {
    /// Amount, in the statement's own unit.
    pub(super) col: Col,
    /// What one unit weighs.
    pub(super) weight: f64,
    /// Whose.
    pub(super) owner: Owner,
    /// Step, where it has one.
    pub(super) step: Option<usize>,
    /// Of a preference, minimised after the obligations of all classes.
    pub(super) preference: bool,
    /// Caused by a state outside its band at the start: first within its class.
    pub(super) initial: bool,
}

/// Powers of one device (or of equal ones together) by step.
#[derive(Debug, Clone, Default)]
pub(super) struct Unit {
    /// Who: more than one only for equal devices without memory.
    pub(super) members: Vec<Device>,
}

/// The builder.
pub(super) struct Builder<'s, 'a> {
    /// What is planned.
    pub(super) scene: &'s Scene<'a>,
    /// How much gives way.
    pub(super) mode: Mode,
    /// The program.
    pub(super) program: Program,
    /// Devices planned together.
    pub(super) units: Vec<Unit>,
    /// Each device's unit.
    pub(super) unit_of: BTreeMap<Device, usize>,
    /// Totals of a unit's attribute by step.
    pub(super) attrs: BTreeMap<(usize, Attr), Vec<Aff>>,
    /// Temperatures at step ends.
    pub(super) temperatures: BTreeMap<crate::ir::ZoneId, Vec<Aff>>,
    /// Sum of what enters minus what leaves, by bus and step.
    balance: Vec<Vec<Aff>>,
    /// What enters each bus, by step; kept where something reads it.
    pub(super) inflow: Vec<Vec<Aff>>,
    /// Money by part.
    pub(super) money: Vec<(Part, Col, f64)>,
    /// Money that no decision changes.
    pub(super) constant: BTreeMap<Part, f64>,
    /// Unpriced breaches.
    pub(super) breaches: Vec<Breach>,
    /// kg.
    pub(super) emissions: Vec<(Col, f64)>,
    /// kWh imported.
    pub(super) imported: Vec<(Col, f64)>,
    /// Directions that exclude each other.
    pub(super) pairs: Vec<Pair>,
    /// Throughput and deviation from default, for the tie-break.
    pub(super) idle: Vec<(Col, f64)>,
    /// Columns whose bounds a statement set, for reasons.
    pub(super) limits: Vec<(Col, Owner)>,
    /// Link flows by step: at the sending end forward, and back.
    pub(super) links: Vec<(Vec<Aff>, Vec<Aff>)>,
    /// What one member of a unit may take or give in each step, where the model narrowed it.
    pub(super) allowed: BTreeMap<(usize, Attr), Vec<Pieces>>,
    /// What commands hold, where the model has whole registers.
    pub(super) registers: super::registers::Registers,
    /// Flows by origin.
    pub(super) tagged: super::supply::Tagged,
    /// Units and steps in which they keep a meter at a target.
    following: BTreeSet<(usize, usize)>,
    /// Devices that keep a meter at a target, by step.
    pub(super) followed: BTreeMap<(Device, usize), super::follow::Followed>,
    /// Columns of conditions that the plan decides.
    pub(super) holds: Vec<Col>,
    /// Share of each pattern, by fork; they add up to 1.
    pub(super) patterns: Vec<Vec<Aff>>,
    /// The step with which a breach without one is final.
    pub(super) finals: BTreeMap<Col, usize>,
    /// Comparisons of decided quantities, each with its truth.
    pub(super) literals: Vec<(Owner, Atom, Aff)>,
    /// For states that began outside what an owner asks: the step up to which they still may be.
    outside: BTreeMap<(Owner, What), usize>,
}

/// What breaching a preference costs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Wish {
    /// No preference: hard or owed in its class.
    No,
    /// Minimised after all obligations.
    Free,
    /// Money per unit of breach.
    Priced(f64),
}

impl<'s, 'a> Builder<'s, 'a> {
    /// An empty program over a scene.
    pub(super) fn new(scene: &'s Scene<'a>, mode: Mode, units: Vec<Unit>) -> Self {
        let unit_of: BTreeMap<Device, usize> = (units.iter().enumerate())
            .flat_map(|(u, unit)| unit.members.iter().map(move |device| (*device, u)))
            .collect();
        let unit = |follow: &super::scene::Follow| Some((*unit_of.get(&follow.device)?, follow.step));
        let following = scene.follows.iter().filter_map(unit).collect();
        // a site without buses has one that needs no name
        let buses = scene.site.buses.len().max(1);
        let empty = vec![vec![Aff::default(); scene.len()]; buses];
        Self {
            scene,
            mode,
            program: Program::default(),
            units,
            unit_of,
            attrs: BTreeMap::new(),
            temperatures: BTreeMap::new(),
            balance: empty.clone(),
            inflow: empty,
            money: Vec::new(),
            constant: BTreeMap::new(),
            breaches: Vec::new(),
            emissions: Vec::new(),
            imported: Vec::new(),
            pairs: Vec::new(),
            idle: Vec::new(),
            limits: Vec::new(),
            links: Vec::new(),
            allowed: BTreeMap::new(),
            registers: super::registers::Registers::default(),
            tagged: super::supply::Tagged::default(),
            following,
            followed: BTreeMap::new(),
            holds: Vec::new(),
            patterns: Vec::new(),
            finals: BTreeMap::new(),
            literals: Vec::new(),
            outside: BTreeMap::new(),
        }
    }

    /// Number of members of a unit.
    #[expect(clippy::cast_precision_loss, reason = "far fewer than 2^53 devices")]
    pub(super) fn count(&self, unit: usize) -> f64 {
        self.units.get(unit).map_or(1.0, |u| u.members.len() as f64)
    }

    /// Whether a statement gives way in this mode.
    pub(super) fn gives(&self, owner: Owner) -> bool {
        match self.mode {
            Mode::Hard => false,
            Mode::Elastic => owner.class.is_some_and(|class| class != SAFETY),
            Mode::Alone => owner.class.is_some(),
            Mode::Bare => true,
        }
    }

    /// What bounds an attribute in step `t` before any elastic statement speaks.
    pub(super) fn pieces(&self, device: Device, attr: &Attr, t: usize) -> Pieces {
        match self.mode {
            Mode::Hard => self.scene.set(device, attr, t),
            Mode::Elastic | Mode::Alone | Mode::Bare => self.scene.physical(device, attr),
        }
    }

    /// Energy enters a bus.
    pub(super) fn inject(&mut self, bus: Option<BusId>, t: usize, power: &Aff) {
        let b = bus.map_or(0, BusId::index);
        if let Some(sum) = self.balance.get_mut(b).and_then(|s| s.get_mut(t)) {
            sum.add(power, 1.0);
        }
        if let Some(sum) = self.inflow.get_mut(b).and_then(|s| s.get_mut(t)) {
            sum.add(power, 1.0);
        }
    }

    /// Energy leaves a bus.
    pub(super) fn draw(&mut self, bus: Option<BusId>, t: usize, power: &Aff) {
        if let Some(sum) = self.balance.get_mut(bus.map_or(0, BusId::index)).and_then(|s| s.get_mut(t)) {
            sum.add(power, -1.0);
        }
    }

    /// Writes the balance rows.
    pub(super) fn close_balances(&mut self) {
        for sum in std::mem::take(&mut self.balance).into_iter().flatten() {
            if !sum.terms.is_empty() || sum.constant.abs() > 1e-12 {
                self.program.equal(sum.terms, -sum.constant);
            }
        }
    }

    /// Registers a unit's attribute.
    pub(super) fn put(&mut self, unit: usize, attr: Attr, values: Vec<Aff>) {
        self.attrs.insert((unit, attr), values);
    }

    /// One device's attribute in step `t`: its share of its unit.
    pub(super) fn attr(&self, device: Device, attr: &Attr, t: usize) -> Option<Aff> {
        let unit = *self.unit_of.get(&device)?;
        let share = 1.0 / self.count(unit);
        let direct = |attr: Attr| self.attrs.get(&(unit, attr)).and_then(|v| v.get(t)).cloned();
        let value = match attr {
            Attr::Power => direct(Attr::Power).or_else(|| {
                let (plus, minus) = match (direct(Attr::Discharge), direct(Attr::Charge)) {
                    (Some(d), Some(c)) => (d, c),
                    _ => (direct(Attr::Import)?, direct(Attr::Export)?),
                };
                let mut net = plus;
                net.add(&minus, -1.0);
                Some(net)
            }),
            other => direct(other.clone()),
        }?;
        Some(value.times(share))
    }

    /// Least and greatest value of an affine function within the columns' bounds.
    pub(super) fn range(&self, aff: &Aff) -> (f64, f64) {
        aff.terms.iter().fold((aff.constant, aff.constant), |(lo, hi), (col, v)| {
            let (l, u) = self.program.bounds(*col);
            if *v >= 0.0 { (lo + v * l, hi + v * u) } else { (lo + v * u, hi + v * l) }
        })
    }

    /// `lo <= aff <= hi`, asked by `owner`; a breach weighs `weight` for each unit. Returns the
    /// columns of what is missing and of what is too much, where the statement gives way.
    pub(super) fn ask(
        &mut self,
        owner: Owner,
        aff: &Aff,
        (lo, hi): (f64, f64),
        weight: f64,
        step: Option<usize>,
        wish: Wish,
    ) -> (Option<Col>, Option<Col>) {
        let (lo, hi) = self.tightened(owner, lo, hi);
        let (least, most) = self.range(aff);
        if wish == Wish::No && !self.gives(owner) {
            self.hold(owner, aff, lo, hi);
            return (None, None);
        }
        let missing = (lo > least).then(|| {
            let gap = self.program.col(0.0, lo - least);
            let terms = aff.terms.iter().copied().chain([(gap, 1.0)]);
            self.program.at_least(terms, lo - aff.constant);
            gap
        });
        let excess = (hi < most).then(|| {
            let gap = self.program.col(0.0, most - hi);
            let terms = aff.terms.iter().copied().chain([(gap, -1.0)]);
            self.program.at_most(terms, hi - aff.constant);
            gap
        });
        for col in [missing, excess].into_iter().flatten() {
            match wish {
                Wish::Priced(price) => {
                    self.money.push((Part::Breach, col, price));
                }
                Wish::No | Wish::Free => {
                    self.breaches.push(Breach {
                        col,
                        weight,
                        owner,
                        step,
                        preference: wish == Wish::Free,
                        initial: false,
                    });
                }
            }
        }
        (missing, excess)
    }

    /// Says of the breaches since the first `before` ones that they are final with the end of step
    /// `last`.
    pub(super) fn final_with(&mut self, last: usize, before: usize) {
        let cols = self.breaches.iter().skip(before).filter(|b| b.step.is_none()).map(|b| (b.col, last));
        self.finals.extend(cols);
    }

    /// An interval narrowed by its statement's margin, never to nothing.
    fn tightened(&self, owner: Owner, lo: f64, hi: f64) -> (f64, f64) {
        let margin = self.scene.margin(owner.statement);
        if margin <= 0.0 || hi - lo <= 2.0 * margin { (lo, hi) } else { (lo + margin, hi - margin) }
    }

    /// `lo <= aff <= hi` with no way out.
    pub(super) fn hold(&mut self, owner: Owner, aff: &Aff, lo: f64, hi: f64) {
        match aff.terms.as_slice() {
            [] => {
                if aff.constant < lo - 1e-9 || aff.constant > hi + 1e-9 {
                    self.program.contradict();
                }
            }
            [(col, v)] => {
                let (a, b) = ((lo - aff.constant) / v, (hi - aff.constant) / v);
                self.program.narrow(*col, a.min(b), a.max(b));
                self.limits.push((*col, owner));
            }
            _ => {
                let (least, most) = self.range(aff);
                // a row that nothing can break costs time and tells nothing
                if least < lo - 1e-12 || most > hi + 1e-12 {
                    let slack =
                        self.program.between(aff.terms.iter().copied(), lo - aff.constant, hi - aff.constant);
                    self.limits.push((slack, owner));
                }
            }
        }
    }

    /// A declared rating as a column: `0..most`, and beyond it in the mode that asks what would have
    /// to give way.
    pub(super) fn rated(&mut self, owner: Owner, lo: f64, most: f64, step: usize) -> Aff {
        let col = self.program.col(lo, (most - self.scene.margin(owner.statement)).max(lo));
        let mut aff = Aff::of(col);
        if self.mode == Mode::Bare {
            let beyond = self.program.col(0.0, BEYOND);
            let weight = self.scene.hours(step) / most.max(1.0);
            self.breaches.push(Breach {
                col: beyond,
                weight,
                owner,
                step: Some(step),
                preference: false,
                initial: false,
            });
            aff.add(&Aff::of(beyond), 1.0);
        }
        aff
    }

    /// Throughput that the tie-break keeps small: later and later-declared weighs more, so that one
    /// plan is chosen among equals.
    #[expect(clippy::cast_precision_loss, reason = "far fewer than 2^53 steps and devices")]
    pub(super) fn calm(&mut self, unit: usize, t: usize, power: &Aff, sign: f64) {
        if self.following.contains(&(unit, t)) {
            return; // what it does is nobody's choice, and nothing is curtailed to spare it
        }
        let (units, steps) = (self.units.len().max(1) as f64, self.scene.len().max(1) as f64);
        let rank = 1.0 + (t as f64 * units + unit as f64) / (steps * units);
        let weight = sign * rank * self.scene.hours(t);
        self.idle.extend(power.terms.iter().map(|(col, v)| (*col, v * weight)));
    }

    /// Adds money for each unit of an affine function.
    pub(super) fn pay(&mut self, part: Part, aff: &Aff, price: f64) {
        self.money.extend(aff.terms.iter().map(|(col, v)| (part, *col, v * price)));
        *self.constant.entry(part).or_default() += aff.constant * price;
    }

    /// As [`ask`](Self::ask) on a state, which begins at `begin`: where it starts outside, what is
    /// missing until it is back inside is minimised first of all and blames nobody.
    pub(super) fn ask_state(
        &mut self,
        owner: Owner,
        (what, aff, begin): (&What, &Aff, f64),
        (lo, hi): (f64, f64),
        weight: f64,
        t: usize,
    ) {
        let outside = begin < lo - 1e-9 || begin > hi + 1e-9;
        let next = self.outside.entry((owner, what.clone())).or_default();
        if !outside || *next != t {
            self.ask(owner, aff, (lo, hi), weight, Some(t), Wish::No);
            return;
        }
        *next = t + 1;
        let mode = std::mem::replace(&mut self.mode, Mode::Bare);
        let before = self.breaches.len();
        self.ask(owner, aff, (lo, hi), weight, Some(t), Wish::No);
        self.breaches.iter_mut().skip(before).for_each(|b| b.initial = true);
        self.mode = mode;
    }

    /// Applies the elastic statements on an attribute in step `t`; `begin` for states.
    pub(super) fn ask_of(
        &mut self,
        asks: &BTreeMap<(&What, usize), Vec<&super::scene::Ask>>,
        what: &What,
        t: usize,
        aff: &Aff,
        begin: Option<f64>,
    ) {
        let Some(list) = asks.get(&(what, t)) else { return };
        for ask in list {
            let resolved = begin.is_none() || self.forks_on(what, t);
            if self.mode == Mode::Hard && !ask.preference && resolved {
                continue; // the resolved sets already hold it
            }
            let when = self.taken(ask.when.as_ref());
            if let (Some(begin), false, None) = (begin, ask.preference, &when) {
                let weight = self.scene.hours(t) / ask.width.max(1e-9);
                self.ask_state(ask.owner, (what, aff, begin), (ask.lo, ask.hi), weight, t);
                continue;
            }
            let hours = self.scene.hours(t);
            let wish = match (ask.preference, ask.price) {
                (false, _) => Wish::No,
                (true, None) => Wish::Free,
                (true, Some(price)) => Wish::Priced(price * hours),
            };
            let width = if ask.width > 0.0 { ask.width } else { 1.0 };
            if ask.pieces.len() > 1 {
                self.ask_choice(ask, aff, hours / width, t, wish);
            } else {
                let bounds = (ask.lo, ask.hi);
                self.ask_when(when.as_ref(), ask.owner, aff, bounds, hours / width, Some(t), wish);
            }
        }
    }

    /// `aff` within the pieces of a choice; a breach is the distance to the nearest.
    fn ask_choice(&mut self, ask: &super::scene::Ask, aff: &Aff, weight: f64, t: usize, wish: Wish) {
        let (chosen, _) = super::semicontinuous::column(self, &ask.pieces, 1.0);
        let mut beyond = aff.clone();
        beyond.add(&chosen, -1.0);
        let when = self.taken(ask.when.as_ref());
        self.ask_when(when.as_ref(), ask.owner, &beyond, (0.0, 0.0), weight, Some(t), wish);
    }

    /// The classes that have breaches, from the top.
    pub(super) fn classes(&self) -> Vec<ClassId> {
        let set: std::collections::BTreeSet<ClassId> =
            self.breaches.iter().map(|b| b.owner.class.unwrap_or(SAFETY)).collect();
        set.into_iter().collect()
    }
}

/// How far a rating may be exceeded when asking what would have to give way, kW.
pub(super) const BEYOND: f64 = 1e5;
