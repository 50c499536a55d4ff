//! The index of effects: which statements speak of which device, store, zone or total.

use std::collections::{BTreeMap, BTreeSet};

use super::cells::Cells;
use super::encode::{Footprint, Instance, Scope, Subject, World, commanded};
use super::formula::{Bit, Formula, Linear, Num};
use super::shape::{Body, Case, Shape};
use crate::diag::Span;
use crate::ir::{
    Attr, ClassId, Device, Domain, Effect, EffectKind, FamilyId, Lin, MemberRange, Meter, Model, OnLoss,
    Rule, RuleId, SAFETY, Share, Site, Target, Verb,
};
use crate::quantity::Rat;

/// Most members of one cell for which a rule is written out: no least set of clashing effects of
/// one device is expected to need more.
const MAX_WRITTEN: u32 = 16;

/// Most readings of one bound whose loss is told apart.
const MAX_LOST: usize = 8;

/// One effect of one rule (instance) on one subject.
#[derive(Debug, Clone)]
pub(crate) struct Act {
    /// The rule.
    pub(crate) rule: RuleId,
    /// Which of its effects.
    pub(crate) effect: u32,
    /// The member, for `for each` rules.
    pub(crate) member: Option<Device>,
    /// Its class.
    pub(crate) class: ClassId,
    /// The rule is active.
    pub(crate) active: Formula,
    /// Its author may command this.
    pub(crate) permitted: Formula,
    /// Its author's account is active, its bounds are known, and it moves no `life_safety` device
    /// away from its safe state.
    pub(crate) effective: Formula,
    /// What it asks.
    pub(crate) ask: Ask,
}

/// What an effect asks.
#[derive(Debug, Clone)]
pub(crate) enum Ask {
    /// States and numbers of the subject itself.
    Shape(Shape),
    /// The sum over members lies in a shape of the attribute.
    Total(Shape),
    /// Origins of its power.
    Origins {
        /// Allowed, or removed.
        from: Vec<MemberRange>,
        /// Removes.
        never: bool,
    },
    /// It tracks a target.
    Follow(Meter, Linear),
}

impl Act {
    /// It is active and has force.
    pub(crate) fn acts(&self) -> Formula {
        Formula::all([self.active.clone(), self.permitted.clone(), self.effective.clone()])
    }

    /// Its shape, for effects on the subject itself.
    pub(crate) fn shape(&self) -> Option<&Shape> {
        if let Ask::Shape(shape) = &self.ask { Some(shape) } else { None }
    }

    /// The effect in the policy.
    pub(crate) fn effect<'s>(&self, site: &'s Site) -> Option<&'s Effect> {
        site.rule(self.rule)?.effects.iter().find(|effect| effect.index == self.effect)
    }
}

/// Everything that is asked of one device (the first of its cell) or zone.
#[derive(Debug, Clone)]
pub(crate) struct Dossier {
    /// Which.
    pub(crate) subject: Subject,
    /// Members of the cell.
    pub(crate) count: u32,
    /// What it can do.
    pub(crate) body: Body,
    /// Effects on it, in source order.
    pub(crate) acts: Vec<Act>,
}

/// A total over members.
#[derive(Debug, Clone)]
pub(crate) struct TotalDossier {
    /// The cells of its members.
    pub(crate) members: Vec<(Device, u32)>,
    /// The attribute.
    pub(crate) attr: Attr,
    /// Effects on the total, in source order.
    pub(crate) acts: Vec<Act>,
    /// Its members have rules of their own and are too many to be told apart.
    pub(crate) coarse: bool,
}

/// An effect whose author needs a permit.
#[derive(Debug, Clone)]
pub(crate) struct Command {
    /// The rule.
    pub(crate) rule: RuleId,
    /// Which of its effects.
    pub(crate) effect: u32,
    /// The member, for `for each` rules.
    pub(crate) member: Option<Device>,
    /// What it names.
    pub(crate) subject: Subject,
    /// The rule is active.
    pub(crate) active: Formula,
    /// Its author may command this.
    pub(crate) permitted: Formula,
    /// See [`Act::effective`].
    pub(crate) effective: Formula,
}

/// All effects, by what they are about.
#[derive(Debug, Default)]
pub(crate) struct Index {
    /// Effects whose author needs a permit, also obligations and preferences.
    pub(crate) commands: Vec<Command>,
    /// What members of each family can do.
    pub(crate) bodies: BTreeMap<FamilyId, Body>,
    /// Devices and zones on which something acts.
    pub(crate) dossiers: Vec<Dossier>,
    /// Totals.
    pub(crate) totals: Vec<TotalDossier>,
    /// Every instance of every rule, with the formulas that say when it is active.
    pub(crate) instances: BTreeMap<(RuleId, Option<Device>), Instance>,
    /// Where each subject's dossier is.
    places: BTreeMap<Subject, usize>,
}

impl Index {
    /// What is asked of a device or zone, if anything is.
    pub(crate) fn dossier(&self, subject: Subject) -> Option<&Dossier> {
        self.places.get(&subject).and_then(|at| self.dossiers.get(*at))
    }
}

/// The subjects with all devices that share a total or a zone with them, transitively.
pub(crate) fn linked(site: &Site, index: &Index, subjects: BTreeSet<Subject>) -> BTreeSet<Subject> {
    let mut wanted = subjects;
    let zones = |subject: &Subject| -> Vec<u32> {
        let Subject::Device(device) = subject else { return Vec::new() };
        match site.family(device.family).map(|f| &f.model) {
            Some(Model::Consumer(c)) => c.heats.iter().chain(c.cools.iter()).map(|z| z.0).collect(),
            _ => Vec::new(),
        }
    };
    loop {
        let before = wanted.len();
        for total in &index.totals {
            let members = total.members.iter().map(|(device, _)| Subject::Device(*device));
            if members.clone().any(|member| wanted.contains(&member)) {
                wanted.extend(members);
            }
        }
        let near: BTreeSet<u32> = wanted.iter().flat_map(zones).collect();
        if !near.is_empty() {
            let all = index.dossiers.iter().map(|dossier| dossier.subject);
            wanted.extend(all.filter(|subject| zones(subject).iter().any(|zone| near.contains(zone))));
        }
        if wanted.len() == before {
            return wanted;
        }
    }
}

/// Builds the index of a site.
pub(crate) fn index(world: &mut World, cells: &Cells) -> Index {
    let site = world.site;
    let mut all = Builder { world, cells, index: Index::default(), sharing: 0 };
    all.index.bodies = site.families.iter().map(|f| (f.id, Body::of_family(f))).collect();
    all.sharing = all.sharing();
    for rule in &site.rules {
        for member in all.members(rule) {
            let instance = all.world.instance(rule, member);
            for effect in &rule.effects {
                all.effect(rule, member, &instance, effect);
            }
            all.index.instances.insert((rule.id, member), instance);
        }
    }
    all.index
}

struct Builder<'w, 'a> {
    world: &'w mut World<'a>,
    cells: &'w Cells,
    index: Index,
    /// Rules with `for each` whose members act on something shared.
    sharing: usize,
}

impl Builder<'_, '_> {
    /// The members for which a rule is written out: one of each cell where each acts on itself
    /// alone. Where they act on something shared (a thermostat's setpoint is its zone's), as many
    /// as there are such rules, and two at least, so that each can be active through another member.
    fn members(&self, rule: &Rule) -> Vec<Option<Device>> {
        let site = self.world.site;
        let Some(group) = rule.for_each else { return vec![None] };
        let group = site.group(group).map(|g| g.members.clone()).unwrap_or_default();
        let shared = self.acts_on_shared(rule);
        let written = u32::try_from(self.sharing).unwrap_or(u32::MAX).clamp(2, MAX_WRITTEN);
        self.cells
            .of_ranges(&group)
            .into_iter()
            .flat_map(|(first, count)| {
                let written = if shared { count.min(written) } else { 1 };
                (0..written).map(move |i| Some(Device { index: first.index + i, ..first }))
            })
            .collect()
    }

    /// How many rules with `for each` can clash through as many members: only gaps make sets of
    /// more than two.
    fn sharing(&self) -> usize {
        let sharing = || self.world.site.rules.iter().filter(|rule| self.acts_on_shared(rule));
        let mut effects = sharing().flat_map(|rule| &rule.effects);
        let gaps = effects.any(|effect| matches!(effect.kind, EffectKind::Choice { .. }))
            || self.index.bodies.values().any(Body::has_gaps);
        if gaps { sharing().count() } else { 0 }
    }

    fn acts_on_shared(&self, rule: &Rule) -> bool {
        let thermostats = || {
            let group = rule.for_each.and_then(|group| self.world.site.group(group));
            let families = group.into_iter().flat_map(|group| &group.members).map(|range| range.family);
            families
                .filter_map(|id| self.world.site.family(id))
                .any(|f| matches!(f.model, Model::Control { .. }))
        };
        rule.for_each.is_some()
            && rule.effects.iter().any(|effect| {
                if matches!(effect.kind, EffectKind::Notify { .. }) {
                    return false;
                }
                effect.target != Target::Bound
                    || (commanded(effect).0 == Some(Attr::Setpoint) && thermostats())
            })
    }

    fn effect(&mut self, rule: &Rule, member: Option<Device>, instance: &Instance, effect: &Effect) {
        let site = self.world.site;
        let named: Vec<(Subject, u32)> = match &effect.target {
            Target::Zone(zone) => vec![(Subject::Zone(*zone), 1)],
            Target::Bound => member.map(|m| (Subject::Device(m), self.cell_size(m))).into_iter().collect(),
            Target::Site => Vec::new(),
            target => {
                let members = site.target_members(target);
                self.cells.of_ranges(&members).into_iter().map(|(d, n)| (Subject::Device(d), n)).collect()
            }
        };
        let (cases, known) = self.cases(rule, member, effect);
        let account = self.world.account(rule);
        let speaks = self.world.may_speak(rule, member);
        if !matches!(effect.kind, EffectKind::Notify { .. }) {
            for (subject, _) in &named {
                let permitted = self.world.permitted(rule, effect, *subject, &cases);
                let permitted = Formula::all([speaks.clone(), permitted]);
                if permitted != Formula::TRUE {
                    self.index.commands.push(Command {
                        rule: rule.id,
                        effect: effect.index,
                        member,
                        subject: *subject,
                        active: instance.active.clone(),
                        permitted,
                        effective: Formula::all([account.clone(), known.clone()]),
                    });
                }
            }
        }
        if effect.preferably {
            return;
        }
        let act = |permitted: Formula, effective: Formula, ask: Ask| Act {
            rule: rule.id,
            effect: effect.index,
            member,
            class: rule.class,
            active: instance.active.clone(),
            permitted: Formula::all([speaks.clone(), permitted]),
            effective: Formula::all([account.clone(), known.clone(), effective]),
            ask,
        };
        if let EffectKind::Bound { attr, share: Share::Together, .. } = &effect.kind
            && named.iter().map(|(_, n)| u64::from(*n)).sum::<u64>() > 1
        {
            let mut permitted = Vec::new();
            let mut effective = Vec::new();
            for (subject, _) in &named {
                permitted.push(self.world.permitted(rule, effect, *subject, &cases));
                effective.push(self.safe(*subject, effect, &cases));
            }
            let shape = Shape { numbers: BTreeMap::from([(attr.clone(), cases)]), ..Shape::default() };
            let act = act(Formula::all(permitted), Formula::all(effective), Ask::Total(shape));
            let members: Vec<(Device, u32)> = named
                .into_iter()
                .filter_map(|(s, n)| if let Subject::Device(d) = s { Some((d, n)) } else { None })
                .collect();
            match self.index.totals.iter_mut().find(|t| t.members == members && t.attr == *attr) {
                Some(total) => total.acts.push(act),
                None => {
                    let coarse = members.iter().any(|(device, _)| self.cells.are_coarse(device.family));
                    let attr = attr.clone();
                    self.index.totals.push(TotalDossier { members, attr, acts: vec![act], coarse });
                }
            }
            return;
        }
        for (subject, count) in named {
            let acted_on = self.zone_of(subject, effect);
            let Some(at) = self.dossier(acted_on, count) else { continue };
            let Some(body) = self.index.dossiers.get(at).map(|d| d.body.clone()) else { continue };
            let Some(ask) = self.ask(&body, effect, member, &cases) else { continue };
            let permitted = self.world.permitted(rule, effect, subject, &cases);
            let safe = self.safe(acted_on, effect, &cases);
            let act = act(permitted, safe, ask);
            if let Some(dossier) = self.index.dossiers.get_mut(at) {
                dossier.acts.push(act);
            }
        }
    }

    /// A thermostat's setpoint is that of the zone it controls.
    fn zone_of(&self, named: Subject, effect: &Effect) -> Subject {
        if let Subject::Device(device) = named
            && commanded(effect).0 == Some(Attr::Setpoint)
            && let Some(Model::Control { zone: Some(zone) }) =
                self.world.site.family(device.family).map(|f| &f.model)
        {
            return Subject::Zone(*zone);
        }
        named
    }

    /// The bounds of an effect by which of their readings are known, and where it has force for
    /// all that: a lost bound counts at its strictest where the rule is active on loss.
    fn cases(&mut self, rule: &Rule, member: Option<Device>, effect: &Effect) -> (Vec<Case>, Formula) {
        let constant = |lo: &Rat, hi: &Rat| (vec![Case::constant(lo, hi)], Formula::TRUE);
        let (lo, hi) = match &effect.kind {
            EffectKind::Bound { lo, hi, .. } => (lo, hi),
            EffectKind::Choice { pieces, .. } => {
                return match (pieces.first(), pieces.last()) {
                    (Some(first), Some(last)) => constant(&first.0, &last.1),
                    _ => (Vec::new(), Formula::TRUE),
                };
            }
            EffectKind::Follow { target: amount, .. } | EffectKind::Deliver { energy: amount, .. } => {
                let scope = Scope { bound: member, quality: true, span: effect.span };
                let (value, known) = self.world.linear(amount, scope);
                let case = Case { lo: Some(value.clone()), hi: Some(value), when: Formula::TRUE };
                return (vec![case], known);
            }
            _ => return (Vec::new(), Formula::TRUE),
        };
        let scope = Scope { bound: member, quality: true, span: effect.span };
        let mut end = |lin: &Option<Lin>| lin.as_ref().map(|lin| self.world.linear(lin, scope));
        let (lo, hi) = (end(lo), end(hi));
        let known = Formula::all(lo.iter().chain(hi.iter()).map(|(_, known)| known.clone()));
        let plain = Case {
            lo: lo.as_ref().map(|(l, _)| l.clone()),
            hi: hi.as_ref().map(|(l, _)| l.clone()),
            when: known.clone(),
        };
        let strict = match &rule.on_loss {
            OnLoss::Active => true,
            OnLoss::Inactive => false,
            OnLoss::Hold(_) => rule.class == SAFETY,
        };
        if known == Formula::TRUE || !strict {
            return (vec![Case { when: Formula::TRUE, ..plain }], known);
        }
        let ends = [(lo, true), (hi, false)];
        (self.strictest(&ends, effect.span), Formula::TRUE)
    }

    /// One case for each combination of known and lost readings.
    fn strictest(&mut self, ends: &[(Option<(Linear, Formula)>, bool)], span: Span) -> Vec<Case> {
        let mut readings: Vec<Bit> = Vec::new();
        for (_, known) in ends.iter().filter_map(|(end, _)| end.as_ref()) {
            readings.extend(Footprint::of(known).bits);
        }
        readings.sort_unstable();
        readings.dedup();
        if readings.len() > MAX_LOST {
            let count = readings.len();
            let what = format!(
                "this bound reads {count} values that can be lost; at most {MAX_LOST} can be checked"
            );
            self.world.refuse(span, what);
            return Vec::new();
        }
        (0..1_u32 << readings.len())
            .map(|mask| {
                let lost =
                    |bit: &Bit| readings.iter().position(|r| r == bit).is_some_and(|i| mask >> i & 1 == 0);
                let when = Formula::all(readings.iter().enumerate().map(|(i, bit)| {
                    let bit = Formula::Bit(*bit);
                    if mask >> i & 1 == 1 { bit } else { bit.negate() }
                }));
                let end = |(end, greatest): &(Option<(Linear, Formula)>, bool)| {
                    end.as_ref().map(|(linear, _)| self.with_lost(linear, &lost, *greatest))
                };
                Case { lo: ends.first().and_then(end), hi: ends.get(1).and_then(end), when }
            })
            .collect()
    }

    /// A linear bound with lost readings at the end of their range that makes it greatest, or
    /// least.
    fn with_lost(&self, linear: &Linear, lost: &impl Fn(&Bit) -> bool, greatest: bool) -> Linear {
        let mut value = Linear::constant(linear.constant.clone());
        for (num, coef) in &linear.terms {
            if let Num::Signal(signal, member) = num
                && lost(&Bit::Known(*signal, *member))
                && let Some(Domain::Interval { lo, hi }) = self.world.site.signal(*signal).map(|s| &s.domain)
            {
                let (a, b) = (coef * lo, coef * hi);
                let end = if greatest { Rat::max_of(&a, &b) } else { Rat::min_of(&a, &b) };
                value.constant += &end;
            } else {
                value.add_term(coef, *num);
            }
        }
        value
    }

    /// The effect does not move a `life_safety` device away from its safe state.
    fn safe(&self, subject: Subject, effect: &Effect, cases: &[Case]) -> Formula {
        let Subject::Device(device) = subject else { return Formula::TRUE };
        let Some(family) = self.world.site.family(device.family) else { return Formula::TRUE };
        let Some(safe_on) = family.life_safety else { return Formula::TRUE };
        let (attr, _) = commanded(effect);
        let any = |leaves: &dyn Fn(&Case) -> Formula| {
            Formula::any(cases.iter().map(|case| Formula::all([case.when.clone(), leaves(case)])))
        };
        let below = |most: &Rat| {
            any(&|case| {
                case.hi
                    .as_ref()
                    .map_or(Formula::FALSE, |hi| Formula::less(hi, &Linear::constant(most.clone())))
            })
        };
        let above_zero =
            any(&|case| case.lo.as_ref().map_or(Formula::FALSE, |lo| Formula::less(&Linear::default(), lo)));
        let flow = |attr: &Attr| {
            matches!(attr, Attr::Power | Attr::Charge | Attr::Discharge | Attr::Import | Attr::Export)
        };
        let leaves = match (&effect.kind, attr) {
            (EffectKind::Switch(on), _) => Formula::Const(*on != safe_on),
            (EffectKind::Connect(connected), _) => Formula::Const(safe_on && !connected),
            (EffectKind::Bound { .. }, Some(Attr::On)) if safe_on => below(&Rat::ONE),
            (EffectKind::Bound { .. } | EffectKind::Choice { .. }, Some(attr))
                if flow(&attr) || attr == Attr::On =>
            {
                if safe_on {
                    Body::of_family(family).hull(&attr).map_or(Formula::FALSE, |(_, most)| below(&most))
                } else {
                    above_zero
                }
            }
            (EffectKind::Supply { .. } | EffectKind::Follow { .. }, _) => Formula::Const(safe_on),
            (EffectKind::Deliver { .. } | EffectKind::Run { .. }, _) => Formula::Const(!safe_on),
            _ => Formula::FALSE,
        };
        leaves.negate()
    }

    /// What an effect asks of one subject; nothing for obligations and messages.
    fn ask(&mut self, body: &Body, effect: &Effect, member: Option<Device>, cases: &[Case]) -> Option<Ask> {
        Some(match &effect.kind {
            EffectKind::Bound { attr, .. } => Ask::Shape(body.bound(attr, cases)),
            EffectKind::Choice { attr, pieces } => Ask::Shape(body.choice(attr, pieces)),
            EffectKind::Switch(on) => Ask::Shape(Shape { on: Some(*on), ..Shape::default() }),
            EffectKind::Connect(connected) => {
                Ask::Shape(Shape { connected: Some(*connected), ..Shape::default() })
            }
            EffectKind::Supply { from, never, .. } => {
                Ask::Origins { from: from.clone(), never: *never || effect.verb == Verb::NeverSupply }
            }
            EffectKind::Follow { meter, target } => {
                let scope = Scope { bound: member, quality: false, span: effect.span };
                Ask::Follow(*meter, self.world.linear(target, scope).0)
            }
            EffectKind::Deliver { .. } | EffectKind::Run { .. } | EffectKind::Notify { .. } => return None,
        })
    }

    fn cell_size(&self, member: Device) -> u32 {
        self.cells.of_family(member.family).iter().find(|(d, _)| *d == member).map_or(1, |(_, n)| *n)
    }

    /// The place of a subject's dossier, opened where it is new.
    fn dossier(&mut self, subject: Subject, count: u32) -> Option<usize> {
        if let Some(at) = self.index.places.get(&subject) {
            return Some(*at);
        }
        let site = self.world.site;
        let body = match subject {
            Subject::Device(device) => Body::of_family(site.family(device.family)?),
            Subject::Zone(zone) => Body::of_zone(site.zone(zone)?),
        };
        let at = self.index.dossiers.len();
        self.index.dossiers.push(Dossier { subject, count, body, acts: Vec::new() });
        self.index.places.insert(subject, at);
        Some(at)
    }
}

/// What the effect commands, for messages: `pack.charge`, `offices.setpoint`, `boiler`.
pub(crate) fn named(site: &Site, subject: Subject, effect: Option<&Effect>) -> String {
    let of = match subject {
        Subject::Device(device) => site.device_name(device),
        Subject::Zone(zone) => site.zone(zone).map(|z| z.name.clone()).unwrap_or_default(),
    };
    match effect.map(commanded) {
        Some((Some(attr), true)) => format!("{of}.{}", attr.name()),
        _ => of,
    }
}
