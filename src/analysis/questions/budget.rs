//! EVL0601: a budget that what must be served exceeds.
//!
//! The mandatory minimum of a period is a sum over the groups of instants that the rules' atoms
//! tell apart: in each, the least power that active lower bounds, `turn on` and constant needs
//! force, times the group's hours in that period; obligations count once for each window. A served
//! load counts with the least of its declared range: how much it takes over a period its feed
//! says. Of import and cost only what no own production can cover counts, of export only what
//! nothing can take; money adds fixed and demand charges and takes off what export could earn. A
//! budget `during` a schedule counts only the hours in it, an obligation only where its whole window
//! lies there, and no charge that is of no hour. If
//! no choice of weather, prices and readings keeps the sum below the cap it is an error, if some
//! choice does not, a warning; where combinations are too many to tell, the question is left open.

use std::collections::{BTreeMap, BTreeSet};

use super::money::Money;
use super::{open, rests_on_assumptions, span_of};
use crate::analysis::ask::{Asker, Ground};
use crate::analysis::encode::Subject;
use crate::analysis::formula::{Formula, Linear, Num};
use crate::analysis::index::{Act, Index};
use crate::analysis::smt::Answer;
use crate::analysis::time::sweep;
use crate::calendar::{Calendar, Instant};
use crate::diag::{Diagnostic, codes};
use crate::ir::{
    Attr, Budget, BudgetQuantity, Domain, EffectKind, Family, FamilyId, Lin, MemberRange, Model, Need, Role,
    Sched, SigRef, Site, Target,
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
    /// kW of one member, at least and at most over the declared ranges.
    least: Rat,
    most: Rat,
    /// At the meter, rather than of a device behind it.
    metered: bool,
}

/// What a budget weighs against each other, kW.
struct Weighed<'i> {
    forced: Vec<Forced<'i>>,
    /// What is forced at every instant.
    base: Rat,
    /// What others may cover (or take, of export).
    others: Rat,
}

/// What must be served in one group of instants: in every situation, and in some.
#[derive(Debug, Clone, Default)]
struct Level {
    least: Rat,
    most: Rat,
}

/// The hours that a budget counts.
struct Counted(Vec<(Instant, Instant)>);

impl Counted {
    fn of(calendar: &Calendar, budget: &Budget) -> Self {
        let (from, to) = calendar.valid();
        Self(calendar.windows(&budget.during, from, to))
    }

    /// The first piece that ends after an instant.
    fn piece(&self, at: i64) -> Option<&(Instant, Instant)> {
        self.0.get(self.0.partition_point(|(_, end)| end.0 <= at))
    }

    /// The first instant that counts, from one on.
    fn from(&self, at: i64) -> i64 {
        self.piece(at).map_or(i64::MAX, |(start, _)| start.0.max(at))
    }

    /// How long an instant's piece lasts, at most until another.
    fn until(&self, at: i64, most: i64) -> i64 {
        self.piece(at).map_or(most, |(_, end)| end.0.min(most))
    }

    /// Whether a whole window counts.
    fn holds(&self, start: Instant, end: Instant) -> bool {
        self.piece(start.0).is_some_and(|piece| piece.0 <= start && end <= piece.1)
    }
}

/// Asks the question of every budget.
pub(crate) fn ask(ground: &Ground, index: &Index, asker: &mut Asker) -> Vec<Diagnostic> {
    ground.site.budgets.iter().filter_map(|budget| of_budget(ground, index, budget, asker)).collect()
}

fn weighed<'i>(site: &Site, index: &'i Index, budget: &Budget) -> Weighed<'i> {
    let everything: Vec<MemberRange> = site.families.iter().map(Family::all).collect();
    let consumes = |f: &Family| matches!(f.role, Role::Consumer | Role::Storage);
    let gives = |f: &Family| {
        !matches!(f.model, Model::Grid { .. }) && matches!(f.role, Role::Producer | Role::Storage)
    };
    match budget.quantity {
        BudgetQuantity::Consumption => {
            let scope = match &budget.scope {
                Target::Site => everything,
                target => site.target_members(target),
            };
            let base = scope.iter().map(|range| constant_need(site, *range)).sum();
            let forced = forced_in(index, site, &scope, &consumes, &[Attr::Power, Attr::Charge], None);
            Weighed { forced, base, others: Rat::ZERO }
        }
        BudgetQuantity::Import | BudgetQuantity::Emissions | BudgetQuantity::Cost => {
            let base = everything.iter().map(|range| constant_need(site, *range)).sum();
            let attrs = [Attr::Power, Attr::Charge];
            let forced = forced_in(index, site, &everything, &consumes, &attrs, Some(&Attr::Import));
            Weighed { forced, base, others: greatest(site, &gives, &[Attr::Power, Attr::Discharge]) }
        }
        BudgetQuantity::Export => {
            let base = site.families.iter().map(|family| must_take(site, family)).sum();
            let attrs = [Attr::Power, Attr::Discharge];
            let forced = forced_in(index, site, &everything, &gives, &attrs, Some(&Attr::Export));
            Weighed { forced, base, others: greatest(site, &consumes, &[Attr::Power, Attr::Charge]) }
        }
    }
}

fn of_budget(ground: &Ground, index: &Index, budget: &Budget, asker: &mut Asker) -> Option<Diagnostic> {
    let site = ground.site;
    let weighed = weighed(site, index, budget);
    let (atoms, groups, exact) = levels(&weighed, asker);
    let (obligations, all_known) = match budget.quantity {
        BudgetQuantity::Export => (BTreeMap::new(), true),
        BudgetQuantity::Consumption => obligations(ground, budget),
        _ if weighed.others.is_zero() => obligations(ground, budget),
        _ => (BTreeMap::new(), true),
    };
    let money = Money::of(ground, budget.quantity);
    let calendar = ground.atoms.calendar();
    let mut sums: BTreeMap<Instant, (Rat, Rat)> = BTreeMap::new();
    let mut peaks = money.peaks();
    let spare = |level: &Rat| Rat::max_of(&(&weighed.others - level), &Rat::ZERO);
    let counted = Counted::of(calendar, budget);
    sweep(&ground.atoms, &atoms, |start, end, holds| {
        let level = groups.get(holds).cloned().unwrap_or_default();
        let mut at = counted.from(start);
        while at < end {
            let (first, next) = calendar.period(budget.per, Instant(at));
            let until = counted.until(at, money.cut(at, end.min(next.0)));
            let hours = Rat::ratio(i128::from(until - at), 3600).unwrap_or_default();
            let sum = sums.entry(first).or_default();
            let free = spare(&(&weighed.base + &level.least));
            sum.0 += &(&money.rate(at, &level.least, &free, true) * &hours);
            sum.1 += &(&money.rate(at, &level.most, &free, false) * &hours);
            peaks.note(at, &level.least, &level.most);
            at = counted.from(until);
        }
    });
    for (first, (always, sometimes)) in obligations {
        let sum = sums.entry(first).or_default();
        sum.0 += &money.energy(&always, true);
        sum.1 += &money.energy(&sometimes, false);
    }
    let charges = if budget.during == Sched::Always { money.charges(peaks, budget.per) } else { Vec::new() };
    for (at, least, most) in charges {
        let sum = sums.entry(calendar.period(budget.per, at).0).or_default();
        sum.0 += &least;
        sum.1 += &most;
    }
    let always = sums.iter().find(|(_, (least, _))| *least > budget.cap);
    let sometimes = sums.iter().find(|(_, (_, most))| *most > budget.cap);
    let undecided =
        || Some(open(budget.span, &format!("whether budget `{}` can always be kept", budget.name)));
    let (period, needed, every) = match (always, sometimes) {
        (Some((first, (least, _))), _) => (*first, least.clone(), true),
        (None, Some(_)) if !exact => return undecided(),
        (None, Some((first, (_, most)))) => (*first, most.clone(), false),
        (None, None) if !all_known => return undecided(),
        (None, None) => return None,
    };
    Some(report(ground, budget, period, &needed, every, &weighed.forced))
}

fn report(
    ground: &Ground,
    budget: &Budget,
    period: Instant,
    needed: &Rat,
    every: bool,
    forced: &[Forced],
) -> Diagnostic {
    let ty = match budget.quantity {
        BudgetQuantity::Emissions => Type::Mass,
        BudgetQuantity::Cost => Type::Money,
        _ => Type::Energy,
    };
    let amount = |value: &Rat| show(value, ty, &ground.site.currency);
    let message = if every {
        format!("budget `{}` cannot be kept", budget.name)
    } else {
        format!("budget `{}` cannot be kept in some situations", budget.name)
    };
    let new = if every { Diagnostic::error } else { Diagnostic::warning };
    let mut finding = new(codes::BUDGET_INFEASIBLE, budget.span, message)
        .says(match budget.quantity {
            BudgetQuantity::Cost => {
                format!("{} must be paid, {} are allowed", amount(needed), amount(&budget.cap))
            }
            BudgetQuantity::Export => {
                format!("{} must be exported, {} are allowed", amount(needed), amount(&budget.cap))
            }
            _ => format!("{} must be served, {} are allowed", amount(needed), amount(&budget.cap)),
        })
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

/// What must be served in each group of instants, and whether that is exact in some situations,
/// too.
fn levels(weighed: &Weighed, asker: &mut Asker) -> (Vec<u32>, BTreeMap<Vec<bool>, Level>, bool) {
    let forced = &weighed.forced;
    let acts: Vec<Formula> = forced.iter().map(|part| part.act.acts()).collect();
    let prepared = asker.prepare(&acts);
    let moments = &prepared.moments;
    let sum = |active: &dyn Fn(usize) -> bool, most: bool| -> Rat {
        let mut by_subject: BTreeMap<(bool, Subject), Rat> = BTreeMap::new();
        for (_, part) in forced.iter().enumerate().filter(|(i, _)| active(*i)) {
            let each = if most { &part.most } else { &part.least };
            let power = each * &Rat::int(i64::from(part.count));
            let slot = by_subject.entry((part.metered, part.on)).or_default();
            *slot = Rat::max_of(slot, &power);
        }
        let of = |metered: bool| -> Rat {
            by_subject.iter().filter(|((m, _), _)| *m == metered).map(|(_, power)| power).sum()
        };
        let behind = &(&weighed.base + &of(false)) - &weighed.others;
        Rat::max_of(&Rat::max_of(&behind, &of(true)), &Rat::ZERO)
    };
    let mut exact = forced.iter().all(|part| part.least == part.most);
    let mut groups = BTreeMap::new();
    for group in &moments.groups {
        asker.enter();
        let now = asker.solver.literal(&moments.is(group));
        let mut assumed = prepared.literals.clone();
        assumed.push(now);
        let all = if forced.len() <= MAX_ACTS && prepared.complete {
            asker.solver.enumerate(&acts, &assumed, MAX_COMBINATIONS)
        } else {
            None
        };
        let level = match all {
            Some(all) => {
                let active =
                    |pattern: &Vec<bool>, most| sum(&|i| pattern.get(i).copied().unwrap_or(false), most);
                Level {
                    least: all.iter().map(|pattern| active(pattern, false)).min().unwrap_or_default(),
                    most: all.iter().map(|pattern| active(pattern, true)).max().unwrap_or_default(),
                }
            }
            None => {
                exact = false;
                let mut must = Vec::new();
                for act in &acts {
                    let idle = asker.solver.literal(&act.clone().negate());
                    let mut with = assumed.clone();
                    with.push(idle);
                    must.push(asker.solver.ask(&with) == Answer::Unsat);
                }
                Level {
                    least: sum(&|i| must.get(i).copied().unwrap_or(false), false),
                    most: sum(&|_| true, true),
                }
            }
        };
        asker.leave();
        groups.insert(group.holds.clone(), level);
    }
    (moments.atoms.clone(), groups, exact)
}

/// Effects that force members of the scope above zero: of devices that count, by these attributes;
/// of grids, by what is metered.
fn forced_in<'i>(
    index: &'i Index,
    site: &Site,
    scope: &[MemberRange],
    counts: &dyn Fn(&Family) -> bool,
    attrs: &[Attr],
    metered: Option<&Attr>,
) -> Vec<Forced<'i>> {
    let mut all = Vec::new();
    for dossier in &index.dossiers {
        let Subject::Device(device) = dossier.subject else { continue };
        let Some(family) = site.family(device.family) else { continue };
        let at_meter = metered.filter(|_| matches!(family.model, Model::Grid { .. }));
        if (at_meter.is_none() && !counts(family)) || !scope.iter().any(|range| range.contains(device)) {
            continue;
        }
        let attrs = at_meter.map_or(attrs, std::slice::from_ref);
        for act in &dossier.acts {
            let Some(shape) = act.shape() else { continue };
            let bounds = attrs.iter().filter_map(|attr| {
                // of alternatives the lowest is what must be; what is lost decides which of them there are
                let mut cases: BTreeMap<&Formula, (Rat, Rat)> = BTreeMap::new();
                for interval in shape.numbers.get(attr)? {
                    let lo = &interval.lo;
                    let ends = lo.as_ref().map_or((Rat::ZERO, Rat::ZERO), |lo| range(site, lo));
                    let known = cases.entry(&interval.when).or_insert_with(|| ends.clone());
                    *known = (Rat::min_of(&known.0, &ends.0), Rat::min_of(&known.1, &ends.1));
                }
                let (least, most): (Vec<Rat>, Vec<Rat>) = cases.into_values().unzip();
                Some((least.into_iter().min()?, most.into_iter().max()?))
            });
            let on = if at_meter.is_none() && shape.on == Some(true) {
                dossier.body.least_on(&Attr::Power)
            } else {
                None
            };
            let forced = bounds.chain(on.map(|on| (on.clone(), on)));
            if let Some((least, most)) =
                forced.max_by(|a, b| a.1.cmp(&b.1)).filter(|(_, most)| most.is_positive())
            {
                let least = Rat::max_of(&least, &Rat::ZERO);
                let (on, metered) = (dossier.subject, at_meter.is_some());
                all.push(Forced { act, on, count: dossier.count, least, most, metered });
            }
        }
    }
    all
}

/// Least and greatest value of a bound over the declared ranges of what it reads.
fn range(site: &Site, linear: &Linear) -> (Rat, Rat) {
    let (mut least, mut most) = (linear.constant.clone(), linear.constant.clone());
    for (num, coef) in &linear.terms {
        if let Num::Signal(signal, _) = num
            && let Some(Domain::Interval { lo, hi }) = site.signal(*signal).map(|s| &s.domain)
        {
            let (a, b) = (coef * lo, coef * hi);
            least += &Rat::min_of(&a, &b);
            most += &Rat::max_of(&a, &b);
        }
    }
    (least, most)
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

/// The most that these devices can take or give, kW.
fn greatest(site: &Site, counts: &dyn Fn(&Family) -> bool, attrs: &[Attr]) -> Rat {
    site.families
        .iter()
        .filter(|family| counts(family))
        .map(|family| {
            let most = attrs.iter().filter_map(|attr| family.hull(attr)).map(|h| h.1).max();
            &most.unwrap_or_default() * &Rat::int(i64::from(family.len()))
        })
        .sum()
}

/// kW that a source gives whether or not anything takes it.
fn must_take(site: &Site, family: &Family) -> Rat {
    let Model::Renewable { output: Some(signal), must_take: true, .. } = &family.model else {
        return Rat::ZERO;
    };
    match site.signal(*signal).map(|s| &s.domain) {
        Some(Domain::Interval { lo, .. }) => {
            &Rat::max_of(lo, &Rat::ZERO) * &Rat::int(i64::from(family.len()))
        }
        _ => Rat::ZERO,
    }
}

/// Devices that a range and a scope have in common.
fn common(range: MemberRange, scope: &[MemberRange]) -> i64 {
    let both = scope.iter().filter(|other| other.family == range.family).map(|other| {
        let (first, last) = (range.first.max(other.first), range.last.min(other.last));
        i64::from(last) - i64::from(first) + 1
    });
    both.filter(|count| *count > 0).sum()
}

/// Energy owed in each period by obligations: by rules that are always active, and by any; and
/// whether all amounts are known.
fn obligations(ground: &Ground, budget: &Budget) -> (BTreeMap<Instant, (Rat, Rat)>, bool) {
    let site = ground.site;
    let scope: Vec<MemberRange> = match (&budget.scope, budget.quantity) {
        (Target::Site, _) => site.families.iter().map(Family::all).collect(),
        (target, BudgetQuantity::Consumption) => site.target_members(target),
        _ => site.families.iter().map(Family::all).collect(),
    };
    let calendar = ground.atoms.calendar();
    let (from, to) = calendar.valid();
    let counted = Counted::of(calendar, budget);
    let mut owed: BTreeMap<Instant, (Rat, Rat)> = BTreeMap::new();
    let mut all_known = true;
    for rule in &site.rules {
        let always = rule.when == crate::ir::Guard::Const(true);
        for effect in rule.effects.iter().filter(|effect| !effect.preferably) {
            let targets = match (&effect.target, rule.for_each) {
                (Target::Bound, Some(group)) => site.target_members(&Target::Group(group)),
                (target, _) => site.target_members(target),
            };
            let members: i64 = targets.iter().map(|range| common(*range, &scope)).sum();
            let (window, energy) = match &effect.kind {
                EffectKind::Deliver { energy, window } => (window, amount(site, energy)),
                EffectKind::Run { for_s, window, .. } => {
                    let on = targets.first().and_then(|range| running_power(site, range.family));
                    let hours = Rat::ratio(i128::from(*for_s), 3600).unwrap_or_default();
                    let energy = &on.unwrap_or_default() * &hours;
                    (window, Some((energy.clone(), energy)))
                }
                _ => continue,
            };
            if members == 0 {
                continue;
            }
            let Some((least, most)) = energy else {
                all_known = false;
                continue;
            };
            let members = Rat::int(members);
            for (start, end) in calendar.obligation_windows(window, from, to) {
                let (first, next) = calendar.period(budget.per, start);
                if end <= next && (budget.during == Sched::Always || counted.holds(start, end)) {
                    let slot = owed.entry(first).or_default();
                    if always {
                        slot.0 += &(&least * &members);
                    }
                    slot.1 += &(&most * &members);
                }
            }
        }
    }
    (owed, all_known)
}

/// Least and greatest value over the declared ranges; `None` where it sums over a group.
fn amount(site: &Site, lin: &Lin) -> Option<(Rat, Rat)> {
    if !lin.sums.is_empty() {
        return None;
    }
    let (mut least, mut most) = (lin.constant.clone(), lin.constant.clone());
    for (coef, of) in &lin.terms {
        let (SigRef::Only(signal) | SigRef::Member(signal, _)) = of else { return None };
        let Domain::Interval { lo, hi } = &site.signal(*signal)?.domain else { return None };
        let (a, b) = (coef * lo, coef * hi);
        least += &Rat::min_of(&a, &b);
        most += &Rat::max_of(&a, &b);
    }
    Some((least, most))
}

fn running_power(site: &Site, family: FamilyId) -> Option<Rat> {
    let family = site.family(family)?;
    let pieces = family.ranges.get(&Attr::Power)?;
    pieces.iter().map(|piece| &piece.0).find(|least| least.is_positive()).cloned()
}
