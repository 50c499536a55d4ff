//! EVL0601: a budget that what must be served exceeds.
//!
//! The mandatory minimum of a period is a sum over the groups of instants that the rules' atoms
//! tell apart: in each, the least power that active lower bounds, `turn on` and constant needs
//! force, times the group's hours in that period; obligations count once for each window. A served
//! load counts with the least of its declared range. If no choice of weather, prices and readings
//! keeps the sum below the cap it is an error, if some choice does not, a warning.

use std::collections::{BTreeMap, BTreeSet};

use super::{rests_on_assumptions, span_of};
use crate::analysis::ask::{Asker, Ground};
use crate::analysis::encode::Subject;
use crate::analysis::formula::Formula;
use crate::analysis::index::{Act, Index};
use crate::analysis::smt::Answer;
use crate::analysis::time::sweep;
use crate::calendar::Instant;
use crate::diag::{Diagnostic, codes};
use crate::ir::{
    Attr, Budget, BudgetQuantity, Domain, EffectKind, Family, FamilyId, MemberRange, Model, Need, Role, Site,
    Target,
};
use crate::quantity::{Rat, Type, show};

/// Most lower bounds of one budget whose combinations are told apart.
const MAX_ACTS: usize = 10;
/// Most combinations.
const MAX_COMBINATIONS: usize = 1024;

/// A lower bound that may be active on members of the scope.
struct Forced<'i> {
    act: &'i Act,
    /// The members as one key: bounds on the same members do not add up.
    on: Subject,
    count: u32,
    /// kW of one member.
    least: Rat,
}

/// Asks the question of every budget.
pub(crate) fn ask(ground: &Ground, index: &Index, asker: &mut Asker) -> Vec<Diagnostic> {
    ground.site.budgets.iter().filter_map(|budget| of_budget(ground, index, budget, asker)).collect()
}

fn scope(site: &Site, budget: &Budget) -> Vec<MemberRange> {
    let imported = matches!(budget.quantity, BudgetQuantity::Import | BudgetQuantity::Emissions);
    match &budget.scope {
        Target::Site => site.families.iter().map(Family::all).collect(),
        _ if imported => site.families.iter().map(Family::all).collect(),
        target => site.target_members(target),
    }
}

fn of_budget(ground: &Ground, index: &Index, budget: &Budget, asker: &mut Asker) -> Option<Diagnostic> {
    let site = ground.site;
    // what a kW of mandatory consumption costs the budget in an hour, and what others may give
    let (rate, others) = match budget.quantity {
        BudgetQuantity::Consumption => (Rat::ONE, Rat::ZERO),
        BudgetQuantity::Import => (Rat::ONE, own_production(site)),
        BudgetQuantity::Emissions => (least_carbon(site)?, own_production(site)),
        // nothing must be exported, and what must be paid depends on the plan
        BudgetQuantity::Export | BudgetQuantity::Cost => return None,
    };
    let scope = scope(site, budget);
    let base: Rat = scope.iter().map(|range| constant_need(site, *range)).sum();
    let forced = forced_in(index, site, &scope);
    let (atoms, groups) = levels(ground, &forced, asker, &base, &others);
    let obligations = obligations(ground, &scope, budget);

    let calendar = ground.atoms.calendar();
    let mut sums: BTreeMap<Instant, (Rat, Rat)> = BTreeMap::new();
    sweep(&ground.atoms, &atoms, |start, end, holds| {
        let (least, most) = groups.get(holds).cloned().unwrap_or_default();
        let mut at = start;
        while at < end {
            let (first, next) = calendar.period(budget.per, Instant(at));
            let until = end.min(next.0);
            let hours = Rat::ratio(i128::from(until - at), 3600).unwrap_or_default();
            let sum = sums.entry(first).or_default();
            sum.0 += &(&(&least * &hours) * &rate);
            sum.1 += &(&(&most * &hours) * &rate);
            at = until;
        }
    });
    if others.is_zero() {
        for (first, (always, sometimes)) in obligations {
            let sum = sums.entry(first).or_default();
            sum.0 += &(&always * &rate);
            sum.1 += &(&sometimes * &rate);
        }
    }
    let always = sums.iter().find(|(_, (least, _))| *least > budget.cap);
    let sometimes = sums.iter().find(|(_, (_, most))| *most > budget.cap);
    let (period, needed, every) = match (always, sometimes) {
        (Some((first, (least, _))), _) => (*first, least.clone(), true),
        (None, Some((first, (_, most)))) => (*first, most.clone(), false),
        (None, None) => return None,
    };
    Some(report(ground, budget, period, &needed, every, &forced))
}

fn report(
    ground: &Ground,
    budget: &Budget,
    period: Instant,
    needed: &Rat,
    every: bool,
    forced: &[Forced],
) -> Diagnostic {
    let ty = if budget.quantity == BudgetQuantity::Emissions { Type::Mass } else { Type::Energy };
    let amount = |value: &Rat| show(value, ty, &ground.site.currency);
    let message = if every {
        format!("budget `{}` cannot be kept", budget.name)
    } else {
        format!("budget `{}` cannot be kept in some situations", budget.name)
    };
    let new = if every { Diagnostic::error } else { Diagnostic::warning };
    let mut finding = new(codes::BUDGET_INFEASIBLE, budget.span, message)
        .says(format!("{} must be served, {} are allowed", amount(needed), amount(&budget.cap)))
        .help("raise the cap, or lower what rules and declarations force");
    let mut seen = BTreeSet::new();
    for part in forced {
        if seen.insert((part.act.rule, part.act.effect)) && seen.len() <= 5 {
            let text = part.act.effect(ground.site).map_or(String::new(), |effect| effect.text.clone());
            finding = finding.label(span_of(ground.site, part.act), format!("forces: {text}"));
        }
    }
    let formulas: Vec<Formula> = forced.iter().map(|part| part.act.acts()).collect();
    let per = budget.per.word();
    let when = format!("the {per} from {}", ground.atoms.calendar().show(period));
    rests_on_assumptions(ground, finding.witness(when, ""), &formulas)
}

/// What must be served in each group of instants: at least in every situation, and at most in
/// some.
#[expect(clippy::type_complexity, reason = "least and greatest by group, used once")]
fn levels(
    ground: &Ground,
    forced: &[Forced],
    asker: &mut Asker,
    base: &Rat,
    others: &Rat,
) -> (Vec<u32>, BTreeMap<Vec<bool>, (Rat, Rat)>) {
    let acts: Vec<Formula> = forced.iter().map(|part| part.act.acts()).collect();
    let prepared = asker.prepare(&acts);
    let moments = &prepared.moments;
    let beyond = |power: Rat| Rat::max_of(&(&(base + &power) - others), &Rat::ZERO);
    let sum = |active: &dyn Fn(usize) -> bool| -> Rat {
        let mut by_subject: BTreeMap<Subject, Rat> = BTreeMap::new();
        for (i, part) in forced.iter().enumerate().filter(|(i, _)| active(*i)) {
            let _ = i;
            let power = &part.least * &Rat::int(i64::from(part.count));
            let slot = by_subject.entry(part.on).or_default();
            *slot = Rat::max_of(slot, &power);
        }
        by_subject.values().sum()
    };
    let mut groups = BTreeMap::new();
    for group in &moments.groups {
        asker.enter();
        let now = asker.solver.literal(&moments.is(group));
        let mut assumed = prepared.literals.clone();
        assumed.push(now);
        let (least, most) = if forced.len() <= MAX_ACTS && prepared.complete {
            match asker.solver.enumerate(&acts, &assumed, MAX_COMBINATIONS) {
                Some(all) => {
                    let sums: Vec<Rat> =
                        all.iter().map(|active| sum(&|i| active.get(i).copied().unwrap_or(false))).collect();
                    (
                        sums.iter().min().cloned().unwrap_or_default(),
                        sums.iter().max().cloned().unwrap_or_default(),
                    )
                }
                None => (Rat::ZERO, Rat::ZERO),
            }
        } else {
            let mut must = Vec::new();
            for act in &acts {
                let idle = asker.solver.literal(&act.clone().negate());
                let mut with = assumed.clone();
                with.push(idle);
                must.push(asker.solver.ask(&with) == Answer::Unsat);
            }
            let least = sum(&|i| must.get(i).copied().unwrap_or(false));
            (least.clone(), least)
        };
        asker.leave();
        groups.insert(group.holds.clone(), (beyond(least), beyond(most)));
    }
    let _ = ground;
    (moments.atoms.clone(), groups)
}

/// Effects that force members of the scope above zero by a constant.
fn forced_in<'i>(index: &'i Index, site: &Site, scope: &[MemberRange]) -> Vec<Forced<'i>> {
    let mut all = Vec::new();
    for dossier in &index.dossiers {
        let Subject::Device(device) = dossier.subject else { continue };
        let consumes =
            site.family(device.family).is_some_and(|f| matches!(f.role, Role::Consumer | Role::Storage));
        if !consumes || !scope.iter().any(|range| range.contains(device)) {
            continue;
        }
        for act in &dossier.acts {
            let Some(shape) = act.shape() else { continue };
            let bounds = [Attr::Power, Attr::Charge].into_iter().filter_map(|attr| {
                let intervals = shape.numbers.get(&attr)?;
                intervals
                    .iter()
                    .map(|i| i.lo.as_ref().and_then(|lo| lo.as_constant().cloned()))
                    .min()
                    .flatten()
            });
            let switched = (shape.on == Some(true)).then(|| dossier.body.least_on(&Attr::Power)).flatten();
            if let Some(least) = bounds.chain(switched).max().filter(Rat::is_positive) {
                all.push(Forced { act, on: dossier.subject, count: dossier.count, least });
            }
        }
    }
    all
}

/// kW that members of a range must always be served: constant needs, and the least of a load's
/// declared range.
fn constant_need(site: &Site, range: MemberRange) -> Rat {
    let Some(Model::Consumer(consumer)) = site.family(range.family).map(|f| &f.model) else {
        return Rat::ZERO;
    };
    if consumer.shed_class.is_some() || consumer.shed_price.is_some() {
        return Rat::ZERO;
    }
    let each = match &consumer.need {
        Need::Constant(power) => power.clone(),
        Need::Load(signal) | Need::Needs(signal) => match site.signal(*signal).map(|s| &s.domain) {
            Some(Domain::Interval { lo, .. }) => Rat::max_of(lo, &Rat::ZERO),
            _ => Rat::ZERO,
        },
        Need::None => Rat::ZERO,
    };
    &each * &Rat::int(i64::from(range.last.saturating_sub(range.first)) + 1)
}

/// The most that everything but grids can give, kW.
fn own_production(site: &Site) -> Rat {
    site.families
        .iter()
        .filter(|f| !matches!(f.model, Model::Grid { .. }))
        .filter(|f| matches!(f.role, Role::Producer | Role::Storage))
        .map(|f| {
            let most =
                [Attr::Power, Attr::Discharge].iter().filter_map(|attr| f.hull(attr)).map(|h| h.1).max();
            &most.unwrap_or_default() * &Rat::int(i64::from(f.len()))
        })
        .sum()
}

/// The least carbon intensity of any grid, kg/kWh; `None` where one comes from a feed.
fn least_carbon(site: &Site) -> Option<Rat> {
    let mut least: Option<Rat> = None;
    for family in &site.families {
        if let Model::Grid { carbon, carbon_feed, .. } = &family.model {
            if carbon_feed.is_some() {
                return None;
            }
            let carbon = carbon.clone().unwrap_or_default();
            least = Some(least.map_or(carbon.clone(), |l| Rat::min_of(&l, &carbon)));
        }
    }
    least
}

/// Energy owed in each period by obligations: by rules that are always active, and by any.
fn obligations(ground: &Ground, scope: &[MemberRange], budget: &Budget) -> BTreeMap<Instant, (Rat, Rat)> {
    let calendar = ground.atoms.calendar();
    let (from, to) = calendar.valid();
    let mut owed: BTreeMap<Instant, (Rat, Rat)> = BTreeMap::new();
    for rule in &ground.site.rules {
        let always = rule.when == crate::ir::Guard::Const(true);
        for effect in rule.effects.iter().filter(|effect| !effect.preferably) {
            let targets = match (&effect.target, rule.for_each) {
                (Target::Bound, Some(group)) => ground.site.target_members(&Target::Group(group)),
                (target, _) => ground.site.target_members(target),
            };
            let (window, energy) = match &effect.kind {
                EffectKind::Deliver { energy, window } => (window, energy.as_constant().cloned()),
                EffectKind::Run { for_s, window, .. } => {
                    let on = targets.first().and_then(|range| running_power(ground.site, range.family));
                    let hours = Rat::ratio(i128::from(*for_s), 3600);
                    (window, on.zip(hours).map(|(on, hours)| &on * &hours))
                }
                _ => continue,
            };
            let Some(energy) = energy else { continue };
            let in_scope = targets.iter().flat_map(|range| range.devices().take(4096));
            let members = in_scope.filter(|d| scope.iter().any(|range| range.contains(*d))).count();
            let amount = &energy * &Rat::int(i64::try_from(members).unwrap_or(0));
            if amount.is_zero() {
                continue;
            }
            for (start, end) in calendar.obligation_windows(window, from, to) {
                let (first, next) = calendar.period(budget.per, start);
                if end <= next {
                    let slot = owed.entry(first).or_default();
                    if always {
                        slot.0 += &amount;
                    }
                    slot.1 += &amount;
                }
            }
        }
    }
    owed
}

fn running_power(site: &Site, family: FamilyId) -> Option<Rat> {
    let family = site.family(family)?;
    let pieces = family.ranges.get(&Attr::Power)?;
    pieces.iter().map(|piece| &piece.0).find(|least| least.is_positive()).cloned()
}
