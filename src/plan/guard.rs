//! Guards that the plan decides, as columns and rows (planner.md 7): a binary for each comparison,
//! what a rule's condition is worth, and the patterns in which rules that meet can be active.
//!
//! The plan is made twice: first with the guards open, to find which of them hold in the best plan;
//! then with the rules as they are [settled](super::settled).

use super::form::{Atom, Form, Indicator};
use super::measured::Read;
use super::model::{Aff, Builder, Mode};
use super::reach::reach;
use super::scene::{Keep, Owner, Pieces, Scene, What};
use super::settled::{kept, place};
use crate::bundle::register_step;
use crate::ir::{Attr, Cmp, Device, Model};

/// By how much a comparison has to hold beyond its threshold where touching it does not count, in the
/// unit of its quantity. Far above what the optimiser tolerates, far below a register step.
const BEYOND: f64 = 1e-6;
/// The same for a power, kW: what a register step is where nothing else is known.
const STEP: f64 = 1e-3;

/// What a comparison asks of its sum.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Side {
    /// It holds from the first value up; the other is the greatest at which it does not.
    Above(f64, f64),
    /// It holds from the first value down; the other is the least at which it does not.
    Below(f64, f64),
}

pub(super) fn side(scene: &Scene<'_>, atom: &Atom) -> Side {
    if let [(_, Read::On(device))] = atom.terms.as_slice() {
        let step = scene.site.family(device.family).map_or(BEYOND, |family| {
            let attr = if matches!(family.model, Model::Store(_)) { Attr::Charge } else { Attr::Power };
            register_step(family, &attr).to_f64()
        });
        return Side::Above(step.max(BEYOND), 0.0);
    }
    if let Some(side) = on_registers(scene, atom) {
        return side;
    }
    // a flow that follows from commands moves by register steps; less would only pretend to cross
    let flow = atom.terms.iter().any(|(_, read)| matches!(read, Read::Flow(..)));
    let least = if flow { atom.step.max(STEP) } else { BEYOND };
    let margin = if scene.open_margin > 0.0 { scene.open_margin * reach(scene, atom) } else { 0.0 };
    match atom.op {
        Cmp::Gt => Side::Above(atom.step + least + margin, atom.step - margin),
        Cmp::Lt => Side::Below(-atom.step - least - margin, -atom.step + margin),
        Cmp::Le => Side::Below(-margin, least + margin),
        Cmp::Ge | Cmp::Eq | Cmp::Ne => Side::Above(margin, -least - margin),
    }
}

/// The sides of a comparison of one commanded power, which holds whole register steps alone: the last
/// on one side of the threshold and the first on the other.
fn on_registers(scene: &Scene<'_>, atom: &Atom) -> Option<Side> {
    let [(factor, Read::Flow(..))] = atom.terms.as_slice() else { return None };
    let (device, attr, _) = place(scene, atom)?;
    let step = register_step(scene.site.family(device.family)?, &attr).to_f64();
    let whole = |x: f64| (x / step - (x / step).round()).abs() < 1e-9;
    let pieces = scene.physical(device, &attr);
    if step <= 0.0 || pieces.iter().any(|(lo, hi)| lo == hi && !whole(*lo)) {
        return None;
    }
    let (apart, from) = (factor.abs() * step, atom.constant);
    let up = |x: f64| from + apart * ((x - from) / apart - 1e-9).ceil();
    let down = |x: f64| from + apart * ((x - from) / apart + 1e-9).floor();
    Some(match atom.op {
        Cmp::Gt => Side::Above(down(atom.step) + apart, down(atom.step)),
        Cmp::Ge | Cmp::Eq | Cmp::Ne => Side::Above(up(0.0), up(0.0) - apart),
        Cmp::Lt => Side::Below(up(-atom.step) - apart, up(-atom.step)),
        Cmp::Le => Side::Below(down(0.0), down(0.0) + apart),
    })
}

/// What a comparison is worth wherever its sum may lie; `None` where that is decided.
fn settled_by((least, most): (f64, f64), atom: &Atom) -> Option<bool> {
    const NEAR: f64 = 1e-9;
    match atom.op {
        _ if matches!(atom.terms.as_slice(), [(_, Read::On(_))]) => (most <= 0.0).then_some(false),
        Cmp::Gt if least > atom.step + NEAR => Some(true),
        Cmp::Gt if most <= atom.step => Some(false),
        Cmp::Ge if least >= 0.0 => Some(true),
        Cmp::Ge if most < -NEAR => Some(false),
        Cmp::Lt if most < -atom.step - NEAR => Some(true),
        Cmp::Lt if least >= -atom.step => Some(false),
        Cmp::Le if most <= 0.0 => Some(true),
        Cmp::Le if least > NEAR => Some(false),
        _ => None,
    }
}

/// All comparisons of a formula.
pub(super) fn atoms(form: &Form) -> Vec<&Atom> {
    match form {
        Form::Const(_) | Form::Holds(..) => Vec::new(),
        Form::Atom(atom, _) => vec![atom],
        Form::All(parts) | Form::Any(parts) | Form::Count(parts, ..) => {
            parts.iter().flat_map(atoms).collect()
        }
    }
}

/// The columns of conditions and patterns, before anything depends on them.
pub(super) fn open(b: &mut Builder<'_, '_>) {
    for _ in &b.scene.indicators {
        let col = b.program.integer(0.0, 1.0);
        b.holds.push(col);
    }
    for fork in &b.scene.forks {
        let conditions: Vec<Aff> =
            fork.indicators.iter().filter_map(|i| b.holds.get(*i)).map(|col| Aff::of(*col)).collect();
        let patterns = match conditions.as_slice() {
            [only] => vec![other(only), only.clone()],
            _ => {
                let cols: Vec<Aff> = fork.patterns.iter().map(|_| Aff::of(b.program.col(0.0, 1.0))).collect();
                equal(b, &sum(cols.iter()), &Aff::fixed(1.0));
                for (n, condition) in conditions.iter().enumerate() {
                    let with = (cols.iter().zip(&fork.patterns))
                        .filter(|(_, pattern)| **pattern >> n & 1 == 1)
                        .map(|(col, _)| col);
                    equal(b, &sum(with), condition);
                }
                cols
            }
        };
        b.patterns.push(patterns);
    }
}

/// The rows that tie conditions to what they read, after everything else has its columns.
pub(super) fn close(b: &mut Builder<'_, '_>) {
    for (place, Indicator { form, owner }) in b.scene.indicators.iter().enumerate() {
        let truth = express(b, form, *owner);
        if let Some(col) = b.holds.get(place).copied() {
            equal(b, &Aff::of(col), &truth);
        }
    }
    for keep in &b.scene.keeps {
        hold(b, keep);
    }
}

/// The row of a comparison that stays on its side.
fn hold(b: &mut Builder<'_, '_>, keep: &Keep) {
    let Some(sum) = value(b, &keep.atom) else { return };
    let margin = if keep.margin > 0.0 { keep.margin * reach(b.scene, &keep.atom) } else { 0.0 };
    let (least, most) = b.range(&sum);
    let (lo, hi) = (keep.lo + margin, keep.hi - margin);
    match net(b, &keep.atom, &sum) {
        Some(net) if hi < least || lo > most => b.hold(keep.owner, &net, lo, hi),
        // there is no room between the threshold and what is possible at all
        _ => b.hold(keep.owner, &sum, lo.min(most.max(keep.lo)), hi.max(least.min(keep.hi))),
    }
}

fn other(truth: &Aff) -> Aff {
    let mut not = truth.clone().times(-1.0);
    not.constant += 1.0;
    not
}

fn sum<'a>(parts: impl Iterator<Item = &'a Aff>) -> Aff {
    let mut total = Aff::default();
    parts.for_each(|part| total.add(part, 1.0));
    total
}

fn equal(b: &mut Builder<'_, '_>, left: &Aff, right: &Aff) {
    let mut row = left.clone();
    row.add(right, -1.0);
    b.program.equal(row.terms, -row.constant);
}

/// `left <= right`.
fn at_most(b: &mut Builder<'_, '_>, left: &Aff, right: &Aff) {
    let mut row = left.clone();
    row.add(right, -1.0);
    b.program.at_most(row.terms, -row.constant);
}

/// What a formula is worth, 0 or 1.
fn express(b: &mut Builder<'_, '_>, form: &Form, owner: Owner) -> Aff {
    match form {
        Form::Const(value) => Aff::fixed(f64::from(u8::from(*value))),
        Form::Holds(at, positive) => {
            let truth = b.holds.get(*at).map(|col| Aff::of(*col)).unwrap_or_default();
            if *positive { truth } else { other(&truth) }
        }
        Form::Atom(atom, positive) => {
            let truth = compared(b, atom, owner);
            if *positive { truth } else { other(&truth) }
        }
        Form::All(parts) => {
            let parts: Vec<Aff> = parts.iter().map(|part| express(b, part, owner)).collect();
            both(b, &parts)
        }
        Form::Any(parts) => {
            let parts: Vec<Aff> = parts.iter().map(|part| other(&express(b, part, owner))).collect();
            other(&both(b, &parts))
        }
        Form::Count(parts, op, n) => {
            let parts: Vec<Aff> = parts.iter().map(|part| express(b, part, owner)).collect();
            let count = sum(parts.iter());
            let next = n.saturating_add(1);
            match op {
                Cmp::Ge => reaches(b, &count, *n),
                Cmp::Gt => reaches(b, &count, next),
                Cmp::Lt => other(&reaches(b, &count, *n)),
                Cmp::Le => other(&reaches(b, &count, next)),
                Cmp::Eq | Cmp::Ne => {
                    let (low, high) = (reaches(b, &count, *n), other(&reaches(b, &count, next)));
                    let exactly = both(b, &[low, high]);
                    if *op == Cmp::Eq { exactly } else { other(&exactly) }
                }
            }
        }
    }
}

/// 1 where all parts are.
fn both(b: &mut Builder<'_, '_>, parts: &[Aff]) -> Aff {
    if let [only] = parts {
        return only.clone();
    }
    let all = Aff::of(b.program.col(0.0, 1.0));
    let mut least = Aff::fixed(1.0);
    for part in parts {
        at_most(b, &all, part);
        least.add(part, 1.0);
        least.constant -= 1.0;
    }
    at_most(b, &least, &all);
    all
}

/// 1 where a count reaches `n`.
#[expect(clippy::cast_precision_loss, reason = "far fewer than 2^53 members")]
fn reaches(b: &mut Builder<'_, '_>, count: &Aff, n: i64) -> Aff {
    let (least, most) = b.range(count);
    let n = n as f64;
    if least >= n {
        return Aff::fixed(1.0);
    }
    if most < n {
        return Aff::fixed(0.0);
    }
    let truth = Aff::of(b.program.integer(0.0, 1.0));
    // least + (n - least) y <= count <= n - 1 + (most - n + 1) y
    let mut floor = truth.clone().times(n - least);
    floor.constant += least;
    at_most(b, &floor, count);
    let mut ceiling = truth.clone().times(most - n + 1.0);
    ceiling.constant += n - 1.0;
    at_most(b, count, &ceiling);
    truth
}

/// The binary of a comparison; its bounds are those of the columns, never a guess.
fn compared(b: &mut Builder<'_, '_>, atom: &Atom, owner: Owner) -> Aff {
    let Some(sum) = value(b, atom) else { return Aff::fixed(0.0) };
    let (least, most) = b.range(&sum);
    if let Some(holds) = settled_by((least, most), atom) {
        return Aff::fixed(f64::from(u8::from(holds)));
    }
    if let Some((_, holds)) = b.scene.sides.iter().find(|(side, _)| side == atom) {
        hold(b, &kept(b.scene, owner, atom, *holds));
        let truth = Aff::fixed(f64::from(u8::from(*holds)));
        b.literals.push((owner, atom.clone(), truth.clone()));
        return truth;
    }
    let truth = Aff::of(b.program.integer(0.0, 1.0));
    let (holds, fails) = (truth.clone(), other(&truth));
    let (from, to, above, below) = match side(b.scene, atom) {
        Side::Above(from, to) => (from, to, &holds, &fails),
        Side::Below(to, from) => (from, to, &fails, &holds),
    };
    // a margin may lie beyond what a direction can be: then the other one has to run
    let net = net(b, atom, &sum).filter(|_| to < least || from > most);
    let beyond = |out: bool| net.as_ref().filter(|_| out).unwrap_or(&sum).clone();
    let (floor, ceiling) = (beyond(from > most), beyond(to < least));
    let (floor_least, ceiling_most) = (b.range(&floor).0, b.range(&ceiling).1);
    from_on(b, &floor, (floor_least, from), above);
    up_to(b, &ceiling, (to, ceiling_most), below);
    b.literals.push((owner, atom.clone(), truth.clone()));
    truth
}

/// `sum >= from` where `truth` is 1; `sum` is never below `least`.
fn from_on(b: &mut Builder<'_, '_>, sum: &Aff, (least, from): (f64, f64), truth: &Aff) {
    if from > least {
        let mut floor = truth.clone().times(from - least);
        floor.constant += least;
        at_most(b, &floor, sum);
    }
}

/// `sum <= to` where `truth` is 1; `sum` is never above `most`.
fn up_to(b: &mut Builder<'_, '_>, sum: &Aff, (to, most): (f64, f64), truth: &Aff) {
    if to < most {
        let mut ceiling = truth.clone().times(to - most);
        ceiling.constant += most;
        at_most(b, sum, &ceiling);
    }
}

/// The sum that a comparison compares with zero.
fn value(b: &Builder<'_, '_>, atom: &Atom) -> Option<Aff> {
    let before = atom.at.checked_sub(1);
    let mut sum = Aff::fixed(atom.constant);
    for (factor, read) in &atom.terms {
        let part = match read {
            Read::Level(device) => b.attr(*device, &Attr::ChargeLevel, before?)?,
            Read::Temperature(zone) => b.temperatures.get(zone)?.get(before?)?.clone(),
            Read::Flow(device, attr) => b.attr(*device, attr, atom.at)?,
            Read::On(device) => {
                let of = |attr| b.attr(*device, &attr, atom.at);
                match (of(Attr::Charge), of(Attr::Discharge)) {
                    (Some(charge), Some(discharge)) => sum_of(&charge, &discharge),
                    _ => match (of(Attr::Import), of(Attr::Export)) {
                        (Some(import), Some(export)) => sum_of(&import, &export),
                        _ => of(Attr::Power)?,
                    },
                }
            }
        };
        sum.add(&part, *factor);
    }
    Some(sum)
}

/// The sum of a comparison that reads one direction of a flow alone, with the other direction against
/// it: far enough from a threshold of zero is only a flow the other way.
fn net(b: &Builder<'_, '_>, atom: &Atom, sum: &Aff) -> Option<Aff> {
    let [(factor, Read::Flow(device, attr))] = atom.terms.as_slice() else { return None };
    let against = match attr {
        Attr::Import => Attr::Export,
        Attr::Export => Attr::Import,
        Attr::Charge => Attr::Discharge,
        Attr::Discharge => Attr::Charge,
        _ => return None,
    };
    let mut net = sum.clone();
    net.add(&b.attr(*device, &against, atom.at)?, -factor);
    Some(net)
}

fn sum_of(a: &Aff, b: &Aff) -> Aff {
    sum([a, b].into_iter())
}

impl Builder<'_, '_> {
    /// What is left of an attribute in step `t`, with the share of each alternative; they add up to 1.
    pub(super) fn alternatives(&self, device: Device, attr: &Attr, t: usize) -> Vec<(Aff, Pieces)> {
        match self.mode {
            Mode::Hard => self.left(device, attr, t),
            _ => vec![(Aff::fixed(1.0), self.pieces(device, attr, t))],
        }
    }

    /// The same as the rules leave it, also where statements give way.
    pub(super) fn left(&self, device: Device, attr: &Attr, t: usize) -> Vec<(Aff, Pieces)> {
        let what = What::Device(device, attr.clone());
        match self.scene.forked.get(&what).and_then(|by| by.get(&t)) {
            Some((fork, pieces)) => {
                let patterns = self.patterns.get(*fork).cloned().unwrap_or_default();
                patterns.into_iter().zip(pieces.iter().cloned()).collect()
            }
            None => vec![(Aff::fixed(1.0), self.scene.set(device, attr, t))],
        }
    }

    /// `aff` between the bounds of the alternative that is taken.
    pub(super) fn within(&mut self, owner: Owner, aff: &Aff, alternatives: &[(Aff, (f64, f64))]) {
        if let [(_, (lo, hi))] = alternatives {
            self.hold(owner, aff, *lo, *hi);
            return;
        }
        let (least, most) = self.range(aff);
        let (mut floor, mut ceiling) = (Aff::default(), Aff::default());
        for (share, (lo, hi)) in alternatives {
            floor.add(share, lo.max(least));
            ceiling.add(share, hi.min(most));
        }
        at_most(self, &floor, aff);
        at_most(self, aff, &ceiling);
    }

    /// Whether what rules leave of something in step `t` hangs on conditions that the plan decides.
    pub(super) fn forks_on(&self, what: &What, t: usize) -> bool {
        self.scene.forked.get(what).is_some_and(|by| by.contains_key(&t))
    }

    /// A state within what the rules leave of it at the end of step `t`; where it begins outside, each
    /// rule asks for itself, so that what is missing until it is back has its owner.
    pub(super) fn within_sets(
        &mut self,
        owner: Owner,
        (what, aff, begin): (&What, &Aff, f64),
        weight: f64,
        t: usize,
    ) {
        if self.mode != Mode::Hard {
            return;
        }
        let scene = self.scene;
        if let Some((fork, sets)) = scene.forked.get(what).and_then(|by| by.get(&t)) {
            let (least, most) = self.range(aff);
            let patterns = self.patterns.get(*fork).cloned().unwrap_or_default();
            for (share, set) in patterns.iter().zip(sets) {
                match super::renewable::hull(set) {
                    Some((lo, hi)) => {
                        if lo > least {
                            let eased = eased(aff, share, lo - least);
                            self.ask_state(owner, (what, &eased, begin), (lo, f64::INFINITY), weight, t);
                        }
                        if hi < most {
                            let eased = eased(aff, share, hi - most);
                            self.ask_state(owner, (what, &eased, begin), (f64::NEG_INFINITY, hi), weight, t);
                        }
                    }
                    None => equal(self, share, &Aff::default()),
                }
            }
            return;
        }
        if let Some(set) = scene.sets.get(what).and_then(|s| s.get(t)) {
            match super::renewable::hull(set) {
                Some((lo, hi)) if (lo - 1e-9..=hi + 1e-9).contains(&begin) => {
                    self.ask(owner, aff, (lo, hi), weight, Some(t), super::model::Wish::No);
                }
                Some(_) => {}
                None => self.program.contradict(),
            }
        }
    }

    /// As [`ask`](Self::ask), only where `when` is 1.
    #[expect(clippy::too_many_arguments, reason = "as `ask`, and when")]
    pub(super) fn ask_when(
        &mut self,
        when: Option<&Aff>,
        owner: Owner,
        aff: &Aff,
        (lo, hi): (f64, f64),
        weight: f64,
        step: Option<usize>,
        wish: super::model::Wish,
    ) {
        let Some(when) = when else {
            self.ask(owner, aff, (lo, hi), weight, step, wish);
            return;
        };
        let (least, most) = self.range(aff);
        if lo > least {
            let eased = eased(aff, when, lo - least);
            self.ask(owner, &eased, (lo, f64::INFINITY), weight, step, wish);
        }
        if hi < most {
            let eased = eased(aff, when, hi - most);
            self.ask(owner, &eased, (f64::NEG_INFINITY, hi), weight, step, wish);
        }
    }

    /// 1 where the patterns are taken under which something is asked.
    pub(super) fn taken(&self, when: Option<&super::forks::When>) -> Option<Aff> {
        let when = when?;
        let patterns = self.patterns.get(when.fork)?;
        Some(sum(patterns.iter().zip(&when.mask).filter(|(_, asked)| **asked).map(|(share, _)| share)))
    }

    /// 1 where a condition holds.
    pub(super) fn condition(&self, place: Option<usize>) -> Option<Aff> {
        Some(Aff::of(*self.holds.get(place?)?))
    }
}

/// `aff + by (1 - when)`.
fn eased(aff: &Aff, when: &Aff, by: f64) -> Aff {
    let mut eased = aff.clone();
    eased.add(when, -by);
    eased.constant += by;
    eased
}
