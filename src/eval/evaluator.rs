//! The evaluator: which rules are active, and what follows.

use std::collections::{BTreeMap, BTreeSet};

use super::authority::Authority;
use super::decision::{Decision, EffectRef, Note};
use super::env::{Environment, Instance, Truth};
use super::gather::Gathering;
use super::layout::Layout;
use super::resolve::Resolution;
use super::tied::Tied;
use super::world::World;
use crate::calendar::{Calendar, Instant};
use crate::ir::{Device, Guard, Lin, Memory, OnLoss, Rule, SAFETY, Site};
use crate::quantity::Rat;

/// The evaluator of one site, with what it works out once.
pub struct Evaluator<'a> {
    pub(super) site: &'a Site,
    pub(super) cal: &'a Calendar,
    pub(super) layout: Layout,
    pub(super) authority: Authority,
    pub(super) tied: Tied,
}

impl<'a> Evaluator<'a> {
    /// Prepares a site. `cal` is that site's calendar.
    #[must_use]
    pub fn new(site: &'a Site, cal: &'a Calendar) -> Self {
        Self { site, cal, layout: Layout::new(site), authority: Authority::new(site), tied: Tied::new(site) }
    }

    pub(super) fn world<'b>(&'b self, env: &'b Environment) -> World<'b> {
        World::new(self.site, self.cal, env, &self.tied)
    }

    /// The meaning in one environment. Total: contradictions are dropped and reported.
    #[must_use]
    pub fn evaluate(&self, env: &Environment) -> Decision {
        self.evaluate_as(env, &BTreeMap::new())
    }

    /// The same, where somebody else has settled whether some rules are active.
    #[must_use]
    pub fn evaluate_as(&self, env: &Environment, settled: &BTreeMap<Instance, bool>) -> Decision {
        let world = self.world(env);
        let gathering = self.gather(&world, settled);
        let mut decision = Resolution::new(self, gathering).resolve();
        decision.emergency = self.site.emergency.as_ref().map(|_| world.emergency());
        let clamped = world.clamped.into_inner();
        decision.notes.extend(clamped.into_iter().map(|(signal, read)| Note::Clamped { signal, read }));
        decision
    }

    /// Whether an effect of the first kind and one of the second are active on one device, store or
    /// zone, in one class, and leave it nothing although each does alone (semantics.md 12): asked of
    /// pairs that a decision does not list where very many effects clash.
    #[must_use]
    pub fn clashes(
        &self,
        env: &Environment,
        first: &dyn Fn(EffectRef) -> bool,
        second: &dyn Fn(EffectRef) -> bool,
    ) -> bool {
        let world = self.world(env);
        let gathering = self.gather(&world, &BTreeMap::new());
        Resolution::new(self, gathering).has_clash(first, second)
    }

    /// The active rules and their effects.
    fn gather(&self, world: &World<'_>, settled: &BTreeMap<Instance, bool>) -> Gathering {
        let env = world.env;
        let mut gathering = Gathering::default();
        for (rule, plan) in self.site.rules.iter().zip(&self.layout.rules) {
            for (nth, member) in plan.members.iter().enumerate() {
                let instance = Instance { rule: rule.id, member: *member };
                let active = settled.get(&instance).copied().unwrap_or_else(|| {
                    let truth = self.rule_truth(world, rule, nth, *member);
                    truth.known().unwrap_or_else(|| {
                        let active = counts_as(rule, env, instance);
                        gathering.decision.notes.push(Note::Loss { instance, active });
                        active
                    })
                });
                if active {
                    gathering.decision.active.push(instance);
                    gathering.rule(self, world, rule, plan, instance);
                }
            }
        }
        gathering
    }

    /// Kleene's value of a rule's whole guard, its memory included (semantics.md 8).
    pub(super) fn rule_truth(
        &self,
        world: &World<'_>,
        rule: &Rule,
        nth: usize,
        member: Option<Device>,
    ) -> Truth {
        let when = world.truth(&rule.when, member);
        let latched = rule.latches.get(nth).is_some_and(|bit| world.env.latches.contains(bit));
        match &rule.memory {
            Memory::None => when,
            _ if when == Truth::True || !latched => when,
            Memory::Until => {
                let until = rule.until.as_ref().map_or(Truth::False, |until| world.truth(until, member));
                when.or(until.negated())
            }
            Memory::Reset { .. } => Truth::True,
        }
    }

    /// Instants after `from` and before `to` at which what the instant alone fixes of the policy may
    /// change (semantics.md 7): schedules in guards and permits, prices in guards and bounds, ends of
    /// accounts.
    #[must_use]
    pub fn moments(&self, from: Instant, to: Instant) -> BTreeSet<Instant> {
        let (site, cal) = (self.site, self.cal);
        let mut found = BTreeSet::new();
        let guards = site.rules.iter().flat_map(|rule| std::iter::once(&rule.when).chain(&rule.until));
        for guard in guards.chain(&site.emergency) {
            found.extend(self.tied.moments(site, cal, guard, from, to));
        }
        for effect in site.rules.iter().flat_map(|rule| &rule.effects) {
            for lin in effect.kind.amounts() {
                found.extend(self.tied.moments_of(site, cal, lin, from, to));
            }
        }
        for permit in &site.permits {
            found.extend(cal.boundaries(&permit.during, from.plus(1), to));
        }
        found.extend(
            site.principals.iter().filter_map(|who| who.active_until).map(|last| cal.day_after(last)),
        );
        found.retain(|at| from < *at && *at < to);
        found
    }

    /// The value of a guard in an environment, as Kleene has it.
    #[must_use]
    pub fn truth(&self, guard: &Guard, member: Option<Device>, env: &Environment) -> Truth {
        self.world(env).truth(guard, member)
    }

    /// The value of a linear expression in an environment; `None` where a signal of it is not known.
    #[must_use]
    pub fn number(&self, lin: &Lin, member: Option<Device>, env: &Environment) -> Option<Rat> {
        self.world(env).lin(lin, member)
    }
}

/// What an unknown guard counts as (semantics.md 4).
pub(super) fn counts_as(rule: &Rule, env: &Environment, instance: Instance) -> bool {
    match rule.on_loss {
        OnLoss::Active => true,
        OnLoss::Inactive => false,
        OnLoss::Hold(_) => env.last_known.get(&instance).copied().unwrap_or(rule.class == SAFETY),
    }
}
