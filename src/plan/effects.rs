//! What the rules ask in each step: the evaluator's answers as sets, totals, obligations, wishes and
//! origins of the scene.

use std::collections::{BTreeMap, BTreeSet};

use super::demands::{choice, interval, parts, zone_hull};
use super::forks::{Overlay, Overlays, When};
use super::means::Of;
use super::prepare::Known;
use super::scene::{Ask, Origins, Owner, Pieces, Scene, Total, What};
use crate::bundle::{Override, Void};
use crate::diag::{Diagnostic, Diagnostics, codes};
use crate::eval::{Asked, Decision, Demand, DeviceSet, EffectRef, Status, Unit};
use crate::ir::{Attr, ClassId, Device, EffectKind, MemberRange, Model, Site, Statement, ZoneId};
use crate::quantity::Rat;

/// What the rules leave to say beside the scene.
#[derive(Debug, Default)]
pub(super) struct Told {
    /// Effects that a higher class leaves no room for.
    pub(super) overrides: Vec<Override>,
    /// Obligations that ask nothing.
    pub(super) void: Vec<Void>,
    /// What the state does not say of obligations whose windows are open.
    pub(super) missing: Diagnostics,
}

/// Puts the decisions of all steps into the scene, with what depends on guards that the plan decides.
///
/// # Errors
/// EVL1003 for what the state does not say of obligations whose windows are open.
pub(super) fn apply(
    known: &Known<'_>,
    scene: &mut Scene<'_>,
    decisions: &[Decision],
    overlays: &Overlays,
) -> Result<Told, Diagnostics> {
    let mut told = Told::default();
    let mut work = Work { known, scene, overridden: BTreeMap::new() };
    let nothing = Overlay::default();
    for (t, decision) in decisions.iter().enumerate() {
        let overlay = overlays.steps.get(&t).unwrap_or(&nothing);
        work.sets(t, decision);
        work.forked(t, overlay);
        work.single(t, decision, overlay);
        work.wishes(t, decision, overlay);
        work.origins(t, decision, overlay);
        work.scene.follows.extend(super::follow::gather(known.site, t, decision)?);
    }
    super::means::gather(known, work.scene, decisions, overlays, Of::Devices);
    let from = work.totals(decisions, overlays);
    super::means::gather(known, work.scene, decisions, overlays, Of::Groups);
    if let Some(totals) = work.scene.totals.get_mut(from..) {
        totals.sort_by_key(|total| total.owner.statement);
    }
    told.overrides = work.overrides();
    super::dues::add(known, decisions, overlays, scene, &mut told);
    if told.missing.is_empty() { Ok(told) } else { Err(told.missing) }
}

/// Statements whose meaning is settled but which no plan honours yet.
///
/// # Errors
/// EVL1001 at each of them.
pub(super) fn refuse(site: &Site) -> Result<(), Diagnostics> {
    let mut findings = Diagnostics::new();
    for rule in &site.rules {
        for effect in &rule.effects {
            let what = match &effect.kind {
                EffectKind::Choice { attr, pieces } if is_state(attr) && pieces.len() > 1 => {
                    "a choice between values of a state"
                }
                _ => continue,
            };
            findings.push(
                Diagnostic::error(
                    codes::NOT_PLANNED_YET,
                    effect.span,
                    format!("understood, not planned yet: {what}"),
                )
                .because(format!("rule `{}` asks `{}`", rule.name, effect.text)),
            );
        }
    }
    if findings.is_empty() { super::follow::refuse(site) } else { Err(findings) }
}

/// Whether an attribute is a state, which no command sets at once.
const fn is_state(attr: &Attr) -> bool {
    matches!(attr, Attr::ChargeLevel | Attr::Temperature | Attr::Setpoint)
}

/// Everything that can give energy.
fn givers(site: &Site) -> impl Iterator<Item = Device> + '_ {
    let gives = |model: &Model| {
        matches!(
            model,
            Model::Grid { .. } | Model::Renewable { .. } | Model::Generator { .. } | Model::Store(_)
        )
    };
    site.families.iter().filter(move |f| gives(&f.model)).flat_map(|f| f.all().devices())
}

/// The members of a unit of devices.
pub(super) const fn devices(unit: &Unit) -> Option<MemberRange> {
    match unit {
        Unit::Devices(range) => Some(*range),
        Unit::Zone(_) => None,
    }
}

/// Class, what stood in the way, and the steps.
type Overridden = (ClassId, Vec<EffectRef>, Vec<usize>);
/// Class and bounds by step.
type Bounds = (ClassId, BTreeMap<usize, (Option<f64>, Option<f64>)>);
/// A window of the clock with the steps that fill it.
type Window = (Vec<(usize, f64)>, f64);

struct Work<'w, 'k, 'a> {
    known: &'w Known<'k>,
    scene: &'w mut Scene<'a>,
    /// Steps in which an effect is overridden on a unit, and by whom.
    overridden: BTreeMap<(EffectRef, Unit), Overridden>,
}

impl Work<'_, '_, '_> {
    fn site(&self) -> &Site {
        self.known.site
    }

    fn owner(&self, effect: EffectRef, class: ClassId) -> Owner {
        Owner { statement: Statement::Effect(effect.instance.rule, effect.index), class: Some(class) }
    }

    /// Resolved sets, where they are narrower than physics.
    fn sets(&mut self, t: usize, decision: &Decision) {
        let steps = self.scene.len();
        for (unit, set) in &decision.resolved {
            self.setpoints(t, *unit, set, decision);
            for (what, here) in self.left(*unit, set) {
                let physical = self.physical(&what);
                if here == physical && !self.scene.sets.contains_key(&what) {
                    continue;
                }
                let series = self.scene.sets.entry(what).or_insert_with(|| vec![physical; steps]);
                if let Some(slot) = series.get_mut(t) {
                    *slot = here;
                }
            }
        }
    }

    /// How far from its setpoint a thermostat keeps a zone, K.
    fn half(&self, zone: ZoneId) -> f64 {
        let steered = self.scene.steered.iter().find(|steered| steered.zone == zone);
        steered.map_or(0.0, |steered| steered.half.to_f64())
    }

    /// What a set leaves of the setpoint of a zone that it steers.
    fn setpoints(&mut self, t: usize, unit: Unit, set: &DeviceSet, decision: &Decision) {
        let Unit::Zone(zone) = unit else { return };
        let steered = self.scene.steered.iter().any(|steered| steered.zone == zone);
        let Some(declared) = self.site().zone(zone).filter(|_| steered) else { return };
        let physical = (declared.range.0.to_f64(), declared.range.1.to_f64());
        let Some((lo, hi)) = set.numbers.get(&Attr::Setpoint).and_then(crate::eval::IntervalSet::hull) else {
            return;
        };
        if decision.setpoint_class(zone).is_some_and(|class| declared.class.is_none_or(|band| class <= band))
        {
            self.scene.firm.insert((zone, t));
        }
        let steps = self.scene.len();
        let series = self.scene.setpoints.entry(zone).or_insert_with(|| vec![physical; steps]);
        if let Some(slot) = series.get_mut(t) {
            *slot = (lo.to_f64().max(physical.0), hi.to_f64().min(physical.1));
        }
    }

    /// What a set leaves of each attribute of a unit.
    fn left(&self, unit: Unit, set: &DeviceSet) -> Vec<(What, Pieces)> {
        match unit {
            Unit::Zone(zone) => {
                let (lo, hi) = zone_hull(set, self.half(zone));
                let Some(declared) = self.site().zone(zone) else { return Vec::new() };
                let physical = (declared.range.0.to_f64(), declared.range.1.to_f64());
                vec![(What::Zone(zone), vec![(lo.max(physical.0), hi.min(physical.1))])]
            }
            Unit::Devices(range) => {
                let mut found = Vec::new();
                for (attr, numbers) in &set.numbers {
                    let here: Pieces =
                        numbers.pieces().iter().map(|(lo, hi)| (lo.to_f64(), hi.to_f64())).collect();
                    let all = range.devices();
                    found.extend(all.map(|d| (What::Device(d, attr.clone()), here.clone())));
                }
                found
            }
        }
    }

    fn physical(&self, what: &What) -> Pieces {
        match what {
            What::Device(device, attr) => self.scene.physical(*device, attr),
            What::Zone(zone) => (self.site().zone(*zone))
                .map(|z| vec![(z.range.0.to_f64(), z.range.1.to_f64())])
                .unwrap_or_default(),
        }
    }

    /// What is left under each pattern of a fork.
    fn forked(&mut self, t: usize, overlay: &Overlay) {
        for (fork, unit, sets) in &overlay.sets {
            let by: Vec<BTreeMap<What, Pieces>> = (sets.iter())
                .map(|set| set.as_ref().map(|set| self.left(*unit, set)).unwrap_or_default())
                .map(|left| left.into_iter().collect())
                .collect();
            let whats: BTreeSet<&What> = by.iter().flat_map(BTreeMap::keys).collect();
            for what in whats {
                let physical = self.physical(what);
                let pieces: Vec<Pieces> = by
                    .iter()
                    .map(|left| left.get(what).cloned().unwrap_or_else(|| physical.clone()))
                    .collect();
                if pieces.windows(2).any(|pair| matches!(pair, [a, b] if a != b)) {
                    self.scene.forked.entry(what.clone()).or_default().insert(t, (*fork, pieces));
                }
            }
        }
    }

    /// Every effect in force by itself, for when something has to give way, and for reasons.
    fn single(&mut self, t: usize, decision: &Decision, overlay: &Overlay) {
        for (outcome, when) in overlay.outcomes.iter().filter(|(o, _)| o.averaged_s.is_none()) {
            let owner = self.owner(outcome.effect, outcome.class);
            self.asks(t, owner, outcome.unit, &outcome.demand, None, Some(when));
        }
        for outcome in &decision.outcomes {
            match &outcome.status {
                Status::InForce => {}
                Status::Overridden { by } => {
                    let key = (outcome.effect, outcome.unit);
                    let entry =
                        self.overridden.entry(key).or_insert_with(|| (outcome.class, by.clone(), Vec::new()));
                    entry.2.push(t);
                    continue;
                }
                Status::Dropped(_) => continue,
            }
            if outcome.averaged_s.is_some() || overlay.outcomes.iter().any(|(o, _)| o == outcome) {
                continue;
            }
            let owner = self.owner(outcome.effect, outcome.class);
            self.asks(t, owner, outcome.unit, &outcome.demand, None, None);
        }
    }

    fn asks(
        &mut self,
        t: usize,
        owner: Owner,
        unit: Unit,
        demand: &Demand,
        wish: Option<Option<f64>>,
        when: Option<&When>,
    ) {
        let mut made = Vec::new();
        match unit {
            Unit::Zone(zone) => {
                let Some(declared) = self.site().zone(zone) else { return };
                let physical = (declared.range.0.to_f64(), declared.range.1.to_f64());
                if let Some((lo, hi)) = interval(demand, physical, self.half(zone)) {
                    made.push((What::Zone(zone), lo, hi, physical.1 - physical.0, Pieces::new()));
                }
            }
            Unit::Devices(range) => {
                for device in range.devices() {
                    let Some(family) = self.known.site.family(device.family) else { continue };
                    for (attr, lo, hi) in parts(family, demand) {
                        let width = family.hull(&attr).map_or(1.0, |(l, h)| h.to_f64() - l.to_f64());
                        let pieces = choice(demand, &attr);
                        made.push((What::Device(device, attr), lo, hi, width, pieces));
                    }
                }
            }
        }
        for (what, lo, hi, width, pieces) in made {
            self.scene.asks.push(Ask {
                owner,
                what,
                step: t,
                lo,
                hi,
                width,
                pieces,
                preference: wish.is_some(),
                price: wish.flatten(),
                when: when.cloned(),
            });
        }
    }

    fn wishes(&mut self, t: usize, decision: &Decision, overlay: &Overlay) {
        let sometimes = overlay.preferences.iter().map(|(wish, when)| (wish, Some(when)));
        let always = (decision.preferences.iter())
            .filter(|wish| !overlay.preferences.iter().any(|(other, _)| other == *wish))
            .map(|wish| (wish, None));
        for (wish, when) in always.chain(sometimes).filter(|(wish, _)| wish.averaged_s.is_none()) {
            let owner = self.owner(wish.effect, wish.class);
            let price = wish.price.as_ref().map(Rat::to_f64);
            match &wish.asked {
                Asked::Demand(demand) => {
                    for unit in &wish.units {
                        self.asks(t, owner, *unit, demand, Some(price), when);
                    }
                }
                Asked::Total { attr, lo, hi } => {
                    let ranges: Vec<MemberRange> = wish.units.iter().filter_map(devices).collect();
                    let bounds = (lo.as_ref().map(Rat::to_f64), hi.as_ref().map(Rat::to_f64));
                    let hours = self.scene.hours(t);
                    let window = (vec![(t, 1.0)], hours);
                    self.total(owner, &ranges, attr, bounds, (window, when), Some(price));
                }
                Asked::Supply { from, never } => {
                    let named: Vec<Device> = from.iter().flat_map(|r| r.devices()).collect();
                    let from: Vec<Device> =
                        givers(self.known.site).filter(|d| named.contains(d) != *never).collect();
                    for device in wish.units.iter().filter_map(devices).flat_map(|r| r.devices()) {
                        let (step, wish, from) = (t, Some(price), from.clone());
                        let when = when.cloned();
                        self.scene.origins.push(Origins { owner, device, step, from, wish, when });
                    }
                }
                // obligations are taken up where their windows open; `follow` is no preference
                Asked::Deliver(_) | Asked::Run { .. } | Asked::Follow(..) => {}
            }
        }
    }

    fn origins(&mut self, t: usize, decision: &Decision, overlay: &Overlay) {
        let sometimes = overlay.origins.iter().map(|(origins, when)| (origins, Some(when)));
        let always = (decision.origins.iter())
            .filter(|origins| !overlay.origins.iter().any(|(other, _)| other == *origins))
            .map(|origins| (origins, None));
        for (origins, when) in always.chain(sometimes) {
            let Unit::Devices(range) = origins.unit else { continue };
            let Some(first) = origins.by.first() else { continue };
            let class = self.site().rule(first.instance.rule).map_or(crate::ir::SAFETY, |r| r.class);
            let owner = self.owner(*first, class);
            let from: Vec<Device> = origins.allowed.iter().flat_map(|r| r.devices()).collect();
            for device in range.devices() {
                let (step, from, wish, when) = (t, from.clone(), None, when.cloned());
                self.scene.origins.push(Origins { owner, device, step, from, wish, when });
            }
        }
    }

    /// Totals at each instant; the place from which on those stand that hold whatever the plan does.
    fn totals(&mut self, decisions: &[Decision], overlays: &Overlays) -> usize {
        for (t, overlay) in &overlays.steps {
            for (total, when) in overlay.totals.iter().filter(|(total, _)| total.averaged_s.is_none()) {
                let owner = self.owner(total.effect, total.class);
                let window = (vec![(*t, 1.0)], self.scene.hours(*t));
                let bounds = (total.lo.as_ref().map(Rat::to_f64), total.hi.as_ref().map(Rat::to_f64));
                self.total(owner, &total.members, &total.attr, bounds, (window, Some(when)), None);
            }
        }
        let from = self.scene.totals.len();
        let mut by: BTreeMap<(EffectRef, Vec<MemberRange>, Attr), Bounds> = BTreeMap::new();
        for (t, decision) in decisions.iter().enumerate() {
            let open = overlays.steps.get(&t).map(|overlay| overlay.totals.as_slice()).unwrap_or_default();
            let always = |total: &&crate::eval::Total| {
                total.averaged_s.is_none() && !open.iter().any(|(other, _)| other == *total)
            };
            for total in decision.totals_in_force().filter(always) {
                let bounds = (total.lo.as_ref().map(Rat::to_f64), total.hi.as_ref().map(Rat::to_f64));
                let key = (total.effect, total.members.clone(), total.attr.clone());
                by.entry(key).or_insert_with(|| (total.class, BTreeMap::new())).1.insert(t, bounds);
            }
        }
        for ((effect, members, attr), (class, bounds)) in by {
            let owner = self.owner(effect, class);
            for (t, bounds) in bounds {
                let window = (vec![(t, 1.0)], self.scene.hours(t));
                self.total(owner, &members, &attr, bounds, (window, None), None);
            }
        }
        from
    }

    fn total(
        &mut self,
        owner: Owner,
        members: &[MemberRange],
        attr: &Attr,
        (lo, hi): (Option<f64>, Option<f64>),
        ((steps, hours), when): (Window, Option<&When>),
        wish: Option<Option<f64>>,
    ) {
        let (place, width) = super::means::group(self.scene, self.known.site, members, attr);
        self.scene.totals.push(Total {
            owner,
            group: place,
            steps,
            known: 0.0,
            lo: lo.unwrap_or(f64::NEG_INFINITY),
            hi: hi.unwrap_or(f64::INFINITY),
            width,
            hours,
            preference: wish.is_some(),
            price: wish.flatten(),
            when: when.cloned(),
        });
    }

    /// Overridden effects as runs of steps.
    fn overrides(&self) -> Vec<Override> {
        let site = self.known.site;
        let mut found = Vec::new();
        for ((effect, unit), (class, by, steps)) in &self.overridden {
            for (first, last) in super::words::runs(steps) {
                found.push(Override {
                    statement: super::words::statement(
                        site,
                        Statement::Effect(effect.instance.rule, effect.index),
                    ),
                    class: site.class(*class).map(|c| c.name.clone()).unwrap_or_default(),
                    by: (by.iter())
                        .map(|b| super::words::statement(site, Statement::Effect(b.instance.rule, b.index)))
                        .collect(),
                    of: super::words::unit(site, *unit),
                    first,
                    last,
                });
            }
        }
        found
    }
}
