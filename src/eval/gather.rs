//! From active rules to demands on units: bounds are evaluated, and what its author may not
//! command is left out.

use super::authority::{Act, about, leaves_safe_state};
use super::decision::{
    Asked, Decision, Denial, EffectRef, Note, Notice, Obligation, Outcome, Preference, Refusal, Status,
    Total, Unit,
};
use super::device::Demand;
use super::env::Instance;
use super::evaluator::Evaluator;
use super::interval::IntervalSet;
use super::layout::{Aim, EffectPlan, Named, RulePlan};
use super::world::World;
use crate::ir::{
    ClassId, Device, Effect, EffectKind, Lin, MemberRange, Meter, OnLoss, Rule, SAFETY, Target, Verb,
};
use crate::quantity::Rat;

/// A demand on a unit.
pub(super) struct Item {
    pub(super) unit: usize,
    pub(super) outcome: Outcome,
}

/// A bound on a total.
pub(super) struct TotalItem {
    pub(super) key: usize,
    pub(super) total: Total,
}

/// A `supply` on a unit.
pub(super) struct SupplyItem {
    pub(super) unit: usize,
    pub(super) effect: EffectRef,
    pub(super) class: ClassId,
    pub(super) from: Vec<MemberRange>,
    pub(super) never: bool,
    pub(super) by_accounting: bool,
}

/// A `follow` on a unit.
pub(super) struct FollowItem {
    pub(super) unit: usize,
    pub(super) effect: EffectRef,
    pub(super) class: ClassId,
    pub(super) meter: Meter,
    pub(super) target: Rat,
}

/// Everything that active rules ask, before classes are weighed.
#[derive(Default)]
pub(super) struct Gathering {
    pub(super) decision: Decision,
    pub(super) items: Vec<Item>,
    pub(super) totals: Vec<TotalItem>,
    pub(super) supplies: Vec<SupplyItem>,
    pub(super) follows: Vec<FollowItem>,
}

/// A bound or amount, evaluated.
enum Amount {
    Is(Rat),
    /// Reads a lost signal, and its rule is not active on loss.
    Lost,
}

/// One rule's effects under one instance.
struct Asking<'b> {
    evaluator: &'b Evaluator<'b>,
    world: &'b World<'b>,
    rule: &'b Rule,
    instance: Instance,
}

impl Gathering {
    /// Adds the effects of an active rule.
    pub(super) fn rule(
        &mut self,
        evaluator: &Evaluator<'_>,
        world: &World<'_>,
        rule: &Rule,
        plan: &RulePlan,
        instance: Instance,
    ) {
        let refused = evaluator.authority.rule_refusal(world, &evaluator.layout, rule, instance.member);
        let asking = Asking { evaluator, world, rule, instance };
        for (effect, plan) in rule.effects.iter().zip(&plan.effects) {
            let aims = asking.aims(effect, plan);
            match refused {
                Some(why) if !matches!(effect.kind, EffectKind::Notify { .. }) => {
                    let effect = asking.effect_ref(effect);
                    self.deny(evaluator, effect, &aims, why);
                }
                _ => self.effect(&asking, effect, plan, aims),
            }
        }
    }

    fn deny(&mut self, evaluator: &Evaluator<'_>, effect: EffectRef, aims: &[Aim], why: Refusal) {
        for aim in aims {
            if let Some(info) = evaluator.layout.units.get(aim.unit) {
                self.decision.denials.push(Denial { effect, unit: info.unit, why });
            }
        }
    }

    fn effect(&mut self, asking: &Asking<'_>, effect: &Effect, plan: &EffectPlan, mut aims: Vec<Aim>) {
        let at = asking.effect_ref(effect);
        if let EffectKind::Notify { to, text } = &effect.kind {
            self.decision.notices.push(Notice { effect: at, to: to.clone(), text: text.clone() });
            return;
        }
        let Some((asked, strict)) = asking.asked(effect) else {
            self.decision.notes.push(Note::LostBound { effect: at, strict: false });
            return;
        };
        if strict {
            self.decision.notes.push(Note::LostBound { effect: at, strict: true });
        }
        let named = aims.len();
        aims.retain(|aim| match asking.refusal(effect, &asked, *aim) {
            Some(why) => {
                self.deny(asking.evaluator, at, &[*aim], why);
                false
            }
            None => true,
        });
        // a total over devices of which some may not be commanded has no force at all
        if aims.is_empty() || (plan.total.is_some() && aims.len() < named) {
            return;
        }
        if effect.preferably {
            let units = aims.iter().filter_map(|aim| asking.unit(aim.unit)).collect();
            let averaged_s = match &asked {
                Gathered::Demand(_, averaged_s) => *averaged_s,
                _ => None,
            };
            let preference = Preference {
                effect: at,
                class: asking.rule.class,
                units,
                averaged_s,
                asked: asked.preferred(plan.total.is_some()),
                price: effect.price.clone(),
            };
            self.decision.preferences.push(preference);
            return;
        }
        self.push(asking, effect, plan, &aims, asked);
    }

    fn push(
        &mut self,
        asking: &Asking<'_>,
        effect: &Effect,
        plan: &EffectPlan,
        aims: &[Aim],
        asked: Gathered,
    ) {
        let (at, class) = (asking.effect_ref(effect), asking.rule.class);
        match asked {
            Gathered::Demand(demand, averaged_s) => {
                if let (Some(key), Demand::Bound { attr, lo, hi }) = (plan.total, &demand) {
                    let members = asking.evaluator.layout.keys.get(key).map(|key| key.members.clone());
                    let total = Total {
                        effect: at,
                        class,
                        members: members.unwrap_or_default(),
                        attr: attr.clone(),
                        lo: lo.clone(),
                        hi: hi.clone(),
                        averaged_s,
                        status: Status::InForce,
                    };
                    self.totals.push(TotalItem { key, total });
                    return;
                }
                for aim in aims {
                    let Some(unit) = asking.unit(aim.unit) else { continue };
                    let demand = demand.clone();
                    let outcome =
                        Outcome { effect: at, class, unit, demand, averaged_s, status: Status::InForce };
                    self.items.push(Item { unit: aim.unit, outcome });
                }
            }
            Gathered::Supply { from, never, by_accounting } => {
                self.supplies.extend(aims.iter().map(|aim| SupplyItem {
                    unit: aim.unit,
                    effect: at,
                    class,
                    from: from.clone(),
                    never,
                    by_accounting,
                }));
            }
            Gathered::Follow(meter, target) => {
                self.follows.extend(aims.iter().map(|aim| FollowItem {
                    unit: aim.unit,
                    effect: at,
                    class,
                    meter,
                    target: target.clone(),
                }));
            }
            Gathered::Obligation(owed) => {
                let window = match &effect.kind {
                    EffectKind::Deliver { window, .. } | EffectKind::Run { window, .. } => window,
                    _ => return,
                };
                let now = asking.world.env.at;
                let members = aims.iter().filter_map(|aim| match asking.unit(aim.unit) {
                    Some(Unit::Devices(range)) => Some(range),
                    _ => None,
                });
                self.decision.obligations.push(Obligation {
                    effect: at,
                    class,
                    members: members.collect(),
                    asked: owed,
                    open: asking.world.cal.obligation_windows(window, now, now.plus(1)),
                });
            }
        }
    }
}

/// An effect with its amounts evaluated.
enum Gathered {
    Demand(Demand, Option<i64>),
    Supply { from: Vec<MemberRange>, never: bool, by_accounting: bool },
    Follow(Meter, Rat),
    Obligation(Asked),
}

impl Gathered {
    fn preferred(self, total: bool) -> Asked {
        match self {
            Self::Demand(Demand::Bound { attr, lo, hi }, _) if total => Asked::Total { attr, lo, hi },
            Self::Demand(demand, _) => Asked::Demand(demand),
            Self::Supply { from, never, .. } => Asked::Supply { from, never },
            Self::Follow(meter, target) => Asked::Follow(meter, target),
            Self::Obligation(asked) => asked,
        }
    }

    /// The least and greatest value that the author names.
    fn bounds(&self) -> (Option<Rat>, Option<Rat>) {
        match self {
            Self::Demand(Demand::Bound { lo, hi, .. }, _) => (lo.clone(), hi.clone()),
            Self::Demand(Demand::Choice { set, .. }, _) => (set.min().cloned(), set.max().cloned()),
            Self::Obligation(Asked::Deliver(value)) => (Some(value.clone()), Some(value.clone())),
            _ => (None, None),
        }
    }
}

impl Asking<'_> {
    fn effect_ref(&self, effect: &Effect) -> EffectRef {
        EffectRef { instance: self.instance, index: effect.index }
    }

    fn unit(&self, at: usize) -> Option<Unit> {
        self.evaluator.layout.units.get(at).map(|info| info.unit)
    }

    fn aims(&self, effect: &Effect, plan: &EffectPlan) -> Vec<Aim> {
        match (&effect.target, self.instance.member) {
            (Target::Bound, Some(device)) => {
                let range = MemberRange { family: device.family, first: device.index, last: device.index };
                let mut aims = self.evaluator.layout.aims(self.evaluator.site, effect, range);
                for aim in &mut aims {
                    aim.named = Named::Device(device);
                }
                aims
            }
            _ => plan.aims.clone(),
        }
    }

    fn refusal(&self, effect: &Effect, asked: &Gathered, aim: Aim) -> Option<Refusal> {
        let info = self.evaluator.layout.units.get(aim.unit)?;
        let leaves = match asked {
            Gathered::Demand(demand, _) => leaves_safe_state(info, demand),
            // what may feed it, or what it tracks, can leave it without power
            Gathered::Supply { .. } | Gathered::Follow(..) => info.life_safety == Some(true),
            Gathered::Obligation(_) => info.life_safety == Some(false),
        };
        // whoever asks; but who may not ask at all is told that first
        let safety = leaves.then_some(Refusal::LifeSafety);
        if self.evaluator.authority.is_free(self.rule.owner) {
            return safety;
        }
        let Evaluator { authority, layout, .. } = self.evaluator;
        if !authority.may_read_amounts(self.world, layout, self.rule, self.instance.member, effect.index) {
            return Some(Refusal::MayNotRead);
        }
        let (attr, is_named) = about(effect);
        // what is asked of a device that keeps a meter is all that the meter may drive it to
        let driven = match (asked, aim.named) {
            (Gathered::Follow(..), Named::Device(device)) => self.evaluator.site.family(device.family),
            _ => None,
        };
        let bounds = match driven.map(crate::ir::Family::driven_between) {
            Some((least, most)) => (Some(least), Some(most)),
            None => asked.bounds(),
        };
        let act = Act { verb: effect.verb, attr, is_named, bounds };
        self.evaluator.authority.refusal(self.world, self.rule.owner, aim.named, &act).or(safety)
    }

    /// The effect with its amounts evaluated, and whether a lost one was taken at its strictest;
    /// `None` where a lost amount leaves it without force.
    fn asked(&self, effect: &Effect) -> Option<(Gathered, bool)> {
        let mut strict = false;
        let mut amount = |lin: &Lin, greatest: bool| -> Option<Rat> {
            match self.amount(lin, greatest, &mut strict) {
                Amount::Is(value) => Some(value),
                Amount::Lost => None,
            }
        };
        let gathered = match &effect.kind {
            EffectKind::Bound { attr, lo, hi, averaged_s, .. } => {
                let lo = lo.as_ref().map(|lo| amount(lo, true)).map_or(Some(None), |lo| lo.map(Some))?;
                let hi = hi.as_ref().map(|hi| amount(hi, false)).map_or(Some(None), |hi| hi.map(Some))?;
                Gathered::Demand(Demand::Bound { attr: attr.clone(), lo, hi }, *averaged_s)
            }
            EffectKind::Choice { attr, pieces } => {
                let set = IntervalSet::new(pieces.clone());
                Gathered::Demand(Demand::Choice { attr: attr.clone(), set }, None)
            }
            EffectKind::Switch(on) => Gathered::Demand(Demand::Switch(*on), None),
            EffectKind::Connect(connected) => Gathered::Demand(Demand::Connect(*connected), None),
            EffectKind::Supply { from, never, by_accounting } => {
                let never = *never || effect.verb == Verb::NeverSupply;
                Gathered::Supply { from: from.clone(), never, by_accounting: *by_accounting }
            }
            EffectKind::Follow { meter, target } => Gathered::Follow(*meter, amount(target, false)?),
            EffectKind::Deliver { energy, .. } => Gathered::Obligation(Asked::Deliver(amount(energy, true)?)),
            EffectKind::Run { for_s, uninterrupted, .. } => {
                Gathered::Obligation(Asked::Run { for_s: *for_s, uninterrupted: *uninterrupted })
            }
            EffectKind::Notify { .. } => return None,
        };
        Some((gathered, strict))
    }

    fn amount(&self, lin: &Lin, greatest: bool, strict: &mut bool) -> Amount {
        if let Some(value) = lin.as_constant() {
            return Amount::Is(value.clone());
        }
        let member: Option<Device> = self.instance.member;
        if let Some(value) = self.world.lin(lin, member) {
            return Amount::Is(value);
        }
        let active = match self.rule.on_loss {
            OnLoss::Active => true,
            OnLoss::Inactive => false,
            OnLoss::Hold(_) => self.rule.class == SAFETY,
        };
        match self.world.lin_range(lin, member) {
            Some((least, most)) if active => {
                *strict = true;
                Amount::Is(if greatest { most } else { least })
            }
            _ => Amount::Lost,
        }
    }
}
