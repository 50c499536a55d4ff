//! The index of effects: which statements speak of which device, store, zone or total.

use std::collections::BTreeMap;

use super::cells::Cells;
use super::encode::{Instance, Scope, Subject, World, commanded};
use super::formula::Formula;
use super::shape::{Body, Shape};
use crate::ir::{Attr, ClassId, Device, Effect, EffectKind, MemberRange, Rule, RuleId, Share, Site, Target};

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
    pub(crate) force: Formula,
    /// What it asks.
    pub(crate) ask: Ask,
}

/// What an effect asks.
#[derive(Debug, Clone)]
pub(crate) enum Ask {
    /// States and numbers of the subject itself.
    Shape(Shape),
    /// The sum over members lies in a shape of the attribute.
    Total(Attr, Shape),
    /// Origins of its power.
    Origins {
        /// Allowed, or removed.
        from: Vec<MemberRange>,
        /// Removes.
        never: bool,
    },
}

impl Act {
    /// It is active and has force.
    pub(crate) fn acts(&self) -> Formula {
        Formula::all([self.active.clone(), self.force.clone()])
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
}

/// All effects, by what they are about.
#[derive(Debug, Default)]
pub(crate) struct Index {
    /// Devices and zones on which something acts.
    pub(crate) dossiers: Vec<Dossier>,
    /// Totals.
    pub(crate) totals: Vec<TotalDossier>,
    /// Every instance of every rule, with the formulas that say when it is active.
    pub(crate) instances: BTreeMap<(RuleId, Option<Device>), Instance>,
}

/// Builds the index of a site.
pub(crate) fn index(world: &mut World, cells: &Cells) -> Index {
    let site = world.site;
    let mut all = Builder { world, cells, index: Index::default(), subjects: BTreeMap::new() };
    for rule in &site.rules {
        for member in all.members(rule) {
            let instance = all.world.instance(rule, member);
            for effect in rule.effects.iter().filter(|effect| !effect.preferably) {
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
    subjects: BTreeMap<Subject, usize>,
}

impl Builder<'_, '_> {
    /// The members for which a rule is written out: two of each cell, so that members can also
    /// clash with one another.
    fn members(&self, rule: &Rule) -> Vec<Option<Device>> {
        let Some(group) = rule.for_each else { return vec![None] };
        let group = self.world.site.group(group).map(|g| g.members.clone()).unwrap_or_default();
        let shared = rule.effects.iter().any(|effect| effect.target != Target::Bound);
        self.cells
            .of_ranges(&group)
            .into_iter()
            .flat_map(|(first, count)| {
                let written = if shared { count.min(2) } else { 1 };
                (0..written).map(move |i| Some(Device { index: first.index + i, ..first }))
            })
            .collect()
    }

    fn effect(&mut self, rule: &Rule, member: Option<Device>, instance: &Instance, effect: &Effect) {
        let subjects: Vec<(Subject, u32)> = match &effect.target {
            Target::Zone(zone) => vec![(Subject::Zone(*zone), 1)],
            Target::Bound => member.map(|m| (Subject::Device(m), self.cell_size(m))).into_iter().collect(),
            Target::Site => Vec::new(),
            target => {
                let members = self.world.site.target_members(target);
                self.cells.of_ranges(&members).into_iter().map(|(d, n)| (Subject::Device(d), n)).collect()
            }
        };
        if let EffectKind::Bound { attr, lo, hi, share: Share::Together, .. } = &effect.kind {
            let scope = Scope { bound: member, quality: true, span: effect.span };
            let mut known = Vec::new();
            let mut end = |world: &mut World, lin: &Option<crate::ir::Lin>| {
                lin.as_ref().map(|lin| {
                    let (linear, is_known) = world.linear(lin, scope);
                    known.push(is_known);
                    linear
                })
            };
            let (lo, hi) = (end(self.world, lo), end(self.world, hi));
            let shape = Shape {
                numbers: BTreeMap::from([(
                    attr.clone(),
                    vec![super::shape::Interval { lo, hi, when: Formula::TRUE }],
                )]),
                ..Shape::default()
            };
            let members: Vec<(Device, u32)> = subjects
                .into_iter()
                .filter_map(|(s, n)| if let Subject::Device(d) = s { Some((d, n)) } else { None })
                .collect();
            let force = Formula::all(
                members.iter().map(|(d, _)| self.world.force(rule, effect, Subject::Device(*d), member)),
            );
            let active = Formula::all(known.into_iter().chain([instance.active.clone()]));
            let act = Act {
                rule: rule.id,
                effect: effect.index,
                member,
                class: rule.class,
                active,
                force,
                ask: Ask::Total(attr.clone(), shape),
            };
            match self.index.totals.iter_mut().find(|t| t.members == members && t.attr == *attr) {
                Some(total) => total.acts.push(act),
                None => {
                    self.index.totals.push(TotalDossier { members, attr: attr.clone(), acts: vec![act] });
                }
            }
            return;
        }
        for (subject, count) in subjects {
            let Some(at) = self.dossier(subject, count) else { continue };
            let Some(body) = self.index.dossiers.get(at).map(|d| d.body.clone()) else { continue };
            let Some((ask, known)) = self.ask(&body, effect, member) else { continue };
            let force = self.world.force(rule, effect, subject, member);
            let act = Act {
                rule: rule.id,
                effect: effect.index,
                member,
                class: rule.class,
                active: Formula::all([instance.active.clone(), known]),
                force,
                ask,
            };
            if let Some(dossier) = self.index.dossiers.get_mut(at) {
                dossier.acts.push(act);
            }
        }
    }

    fn cell_size(&self, member: Device) -> u32 {
        self.cells.of_family(member.family).iter().find(|(d, _)| *d == member).map_or(1, |(_, n)| *n)
    }

    /// The place of a subject's dossier, opened where it is new.
    fn dossier(&mut self, subject: Subject, count: u32) -> Option<usize> {
        if let Some(at) = self.subjects.get(&subject) {
            return Some(*at);
        }
        let site = self.world.site;
        let body = match subject {
            Subject::Device(device) => Body::of_family(site.family(device.family)?),
            Subject::Zone(zone) => Body::of_zone(site.zone(zone)?),
        };
        let at = self.index.dossiers.len();
        self.index.dossiers.push(Dossier { subject, count, body, acts: Vec::new() });
        self.subjects.insert(subject, at);
        Some(at)
    }

    /// What an effect asks of one subject, and where its bounds are known.
    fn ask(&mut self, body: &Body, effect: &Effect, member: Option<Device>) -> Option<(Ask, Formula)> {
        let plain = |shape: Shape| Some((Ask::Shape(shape), Formula::TRUE));
        match &effect.kind {
            EffectKind::Bound { attr, lo, hi, .. } => {
                let scope = Scope { bound: member, quality: true, span: effect.span };
                let mut known = Vec::new();
                let mut end = |lin: &Option<crate::ir::Lin>| {
                    lin.as_ref().map(|lin| {
                        let (linear, is_known) = self.world.linear(lin, scope);
                        known.push(is_known);
                        linear
                    })
                };
                let (lo, hi) = (end(lo), end(hi));
                Some((Ask::Shape(body.bound(attr, lo, hi)), Formula::all(known)))
            }
            EffectKind::Choice { attr, pieces } => plain(body.choice(attr, pieces)),
            EffectKind::Switch(on) => plain(Shape { on: Some(*on), ..Shape::default() }),
            EffectKind::Connect(connected) => {
                plain(Shape { connected: Some(*connected), ..Shape::default() })
            }
            EffectKind::Supply { from, never, .. } => {
                Some((Ask::Origins { from: from.clone(), never: *never }, Formula::TRUE))
            }
            EffectKind::Deliver { .. }
            | EffectKind::Run { .. }
            | EffectKind::Notify { .. }
            | EffectKind::Follow { .. } => None,
        }
    }
}

/// What the effect commands, for messages: `pack.charge`, `offices.setpoint`, `boiler`.
pub(crate) fn named(site: &Site, subject: Subject, effect: Option<&Effect>) -> String {
    let of = match subject {
        Subject::Device(device) => site.device_name(device),
        Subject::Zone(zone) => site.zone(zone).map(|z| z.name.clone()).unwrap_or_default(),
    };
    match effect.map(commanded) {
        Some(attr @ (Attr::On | Attr::Connected)) => {
            let _ = attr;
            of
        }
        Some(attr) => format!("{of}.{}", attr.name()),
        None => of,
    }
}
