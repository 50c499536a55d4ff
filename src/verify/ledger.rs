//! What a plan does not meet, measured, beside what it says of that.
//!
//! The amount of a breach is its distance to what is asked, summed over the hours (semantics.md 19):
//! kWh for powers, K h for temperatures, hours for shares of a level; what is missing of a delivery or
//! a run; what a budget is overdrawn by. A document lists it to the ninth decimal, and that rounding is
//! all that may lie between.

use std::collections::{BTreeMap, BTreeSet};

use super::miss::{Miss, Misses};
use super::money::Amount;
use super::rules::members_name;
use crate::bundle::{Breach, PLACES, PlanDocument, StatementRef};
use crate::diag::Span;
use crate::eval::EffectRef;
use crate::ir::{Attr, BudgetQuantity, ClassId, Rule, SAFETY, Site, Statement, Target};
use crate::quantity::Rat;

/// What a breach means to the plan that has it.
#[derive(Debug, Clone)]
pub(super) enum Duty {
    /// It was owed in its class: never broken in the safety class, and elsewhere only where the plan
    /// says so.
    Owed(ClassId),
    /// It was owed in its class, and what nobody states (how long a vehicle stays, that a run was
    /// interrupted) keeps it from being met: no class overrides it.
    Unable(ClassId),
    /// A state that was outside at the plan's beginning and is on its way back, of any class.
    Initial(ClassId),
    /// Nobody was owed it: a preference, or a need that may be shed; at its price, where it has one.
    Wished(Option<ClassId>, Option<Rat>),
}

impl Duty {
    /// What is owed and cannot be met whatever anybody asks.
    pub(super) fn unable(self) -> Self {
        match self {
            Self::Owed(class) => Self::Unable(class),
            other => other,
        }
    }
}

/// When a breach is.
#[derive(Debug, Clone, Copy)]
pub(super) enum When {
    /// In these steps; what follows without a gap is one breach.
    Steps(usize, usize),
    /// Of a period or window that has these steps, each by itself.
    Whole(usize, usize),
}

impl When {
    pub(super) const fn at(step: usize) -> Self {
        Self::Steps(step, step)
    }

    const fn first(self) -> usize {
        match self {
            Self::Steps(first, _) | Self::Whole(first, _) => first,
        }
    }
}

/// A statement that is not met, by how much.
pub(super) struct Breached {
    pub(super) statement: Statement,
    pub(super) duty: Duty,
    /// The device, zone or group.
    pub(super) of: String,
    pub(super) when: When,
    pub(super) words: String,
    pub(super) amount: Amount,
    pub(super) unit: &'static str,
}

/// Whose breaches add up: statement, class, on what, in which unit.
type Key = (Statement, Option<ClassId>, String, &'static str);
/// One breach: whose, from which step to which.
type Entry = (Key, u32, u32);

/// Measures what breaks statements and compares it with what the plan says it breaks.
pub(super) struct Ledger<'a> {
    pub(super) site: &'a Site,
    plan: &'a PlanDocument,
    /// Amounts by step, to be joined.
    steps: BTreeMap<Key, (Option<Rat>, BTreeMap<usize, Amount>)>,
    /// Amounts of whole periods and windows.
    whole: BTreeMap<Entry, (Option<Rat>, Amount)>,
    /// Statements that are broken where the plan does not say so at all.
    refused: BTreeSet<Statement>,
    /// Statements that were owed and give way, with the first step of each breach.
    gave_way: BTreeSet<(Statement, u32)>,
}

impl<'a> Ledger<'a> {
    pub(super) fn new(site: &'a Site, plan: &'a PlanDocument) -> Self {
        Self {
            site,
            plan,
            steps: BTreeMap::new(),
            whole: BTreeMap::new(),
            refused: BTreeSet::new(),
            gave_way: BTreeSet::new(),
        }
    }

    /// A statement that does not hold: a miss unless nobody is owed it, or it is below the safety class
    /// and the plan says so.
    pub(super) fn breach(&mut self, found: Breached, out: &mut Misses) {
        let (class, price) = match &found.duty {
            Duty::Owed(class) | Duty::Unable(class) | Duty::Initial(class) => (Some(*class), None),
            Duty::Wished(class, price) => (*class, price.clone()),
        };
        match found.duty {
            Duty::Owed(class) | Duty::Unable(class) | Duty::Initial(class) => {
                let listed = self.lists(found.statement, found.when.first());
                let bears = class != SAFETY || matches!(found.duty, Duty::Initial(_));
                if !(listed && bears) {
                    self.refused.insert(found.statement);
                    let (name, text, span) = facts(self.site, found.statement);
                    let words = match text.as_str() {
                        "" if found.words.contains(&name) => found.words.clone(),
                        "" => format!("{}, against `{name}`", found.words),
                        text => format!("{}, against `{name}`: {text}", found.words),
                    };
                    let miss = Miss::at(found.when.first(), found.of.clone(), words);
                    let miss = miss.beyond(self.beyond(&found));
                    out.push(
                        if listed { "safety" } else { "rule" },
                        miss.by(found.statement, span).class(class),
                    );
                }
            }
            // less than a document can say
            Duty::Wished(..) if found.amount.recorded().is_zero() => return,
            Duty::Wished(..) => {}
        }
        let place = |step: usize| u32::try_from(step).unwrap_or(u32::MAX);
        if matches!(found.duty, Duty::Owed(_)) {
            self.gave_way.insert((found.statement, place(found.when.first())));
        }
        match found.when {
            When::Steps(first, last) => {
                let key = (found.statement, class, subject(self.site, found.statement, found.of), found.unit);
                let (known, by) = self.steps.entry(key).or_default();
                *known = price;
                by.entry(first).or_default().plus(&found.amount);
                for step in first..=last {
                    by.entry(step).or_default();
                }
            }
            When::Whole(first, last) => {
                let key = (found.statement, class, found.of, found.unit);
                let entry = self.whole.entry((key, place(first), place(last))).or_default();
                entry.0 = price;
                entry.1.plus(&found.amount);
            }
        }
    }

    /// Statements that were owed and give way, with the first step of each breach.
    pub(super) fn gave_way(&self) -> BTreeSet<(Statement, u32)> {
        self.gave_way.clone()
    }

    /// By how much a statement is missed in its own unit: of a power, a temperature or a level in any
    /// hour; of a whole window or period, what is missing or too much.
    fn beyond(&self, found: &Breached) -> Rat {
        match found.when {
            When::Whole(..) => found.amount.hi.clone(),
            When::Steps(first, last) => {
                let steps = self.plan.steps.get(first..=last).unwrap_or_default();
                let hours: Rat = steps.iter().map(|step| step.hours()).sum();
                found.amount.hi.checked_div(&hours).unwrap_or_default()
            }
        }
    }

    fn lists(&self, statement: Statement, step: usize) -> bool {
        let step = u32::try_from(step).unwrap_or(u32::MAX);
        let here = |breach: &&Breach| breach.statement.statement == statement;
        self.plan.breaches.iter().filter(here).any(|b| (b.first..=b.last).contains(&step))
    }

    /// Every breach, joined to runs of steps.
    fn joined(&self) -> BTreeMap<Entry, (Option<Rat>, Amount)> {
        let mut found = self.whole.clone();
        for (key, (price, by)) in &self.steps {
            let mut run: Option<(usize, usize, Amount)> = None;
            let mut close = |run: Option<(usize, usize, Amount)>| {
                if let Some((first, last, amount)) = run {
                    let place = |step: usize| u32::try_from(step).unwrap_or(u32::MAX);
                    let entry = found.entry((key.clone(), place(first), place(last))).or_default();
                    entry.0.clone_from(price);
                    entry.1.plus(&amount);
                }
            };
            for (step, amount) in by {
                match &mut run {
                    Some((_, last, sum)) if *last + 1 == *step => {
                        *last = *step;
                        sum.plus(amount);
                    }
                    _ => close(run.replace((*step, *step, amount.clone()))),
                }
            }
            close(run);
        }
        found
    }

    /// Compares the whole list; returns it as it should be.
    pub(super) fn close(self, out: &mut Misses) -> Vec<Breach> {
        let site = self.site;
        let measured: Vec<(Breach, Option<Rat>, Amount)> = (self.joined().into_iter())
            .map(|(((statement, class, of, unit), first, last), (price, amount))| {
                let breach = Breach {
                    statement: StatementRef::of(site, statement),
                    class: class.and_then(|c| site.class(c)).map(|c| c.name.clone()).unwrap_or_default(),
                    of,
                    first,
                    last,
                    amount: amount.recorded(),
                    unit: if unit == MONEY { site.currency.clone() } else { unit.to_owned() },
                    money: price.as_ref().map(|price| amount.at(price).recorded()),
                };
                (breach, price, amount)
            })
            .collect();
        let key = |b: &Breach| {
            (b.statement.statement, b.class.clone(), b.of.clone(), b.unit.clone(), b.first, b.last)
        };
        let mut missing: BTreeMap<_, _> = measured.iter().map(|found| (key(&found.0), found)).collect();
        // what is refused is refused, however it is told
        let refused = |b: &Breach| self.refused.contains(&b.statement.statement);
        for said in &self.plan.breaches {
            match missing.remove(&key(said)) {
                Some((right, price, amount)) => differs(said, right, price.as_ref(), amount, out),
                None if refused(said) => {}
                None => {
                    let message = format!("the plan says that it breaks {}, and it does not", words(said));
                    out.push("listed", Miss::said(&said.of, message));
                }
            }
        }
        for (right, ..) in missing.into_values().filter(|(right, ..)| !refused(right)) {
            let message = format!("the plan does not say that it breaks {}", words(right));
            out.push("unlisted", Miss::said(&right.of, message));
        }
        measured.into_iter().map(|(breach, ..)| breach).collect()
    }
}

fn words(breach: &Breach) -> String {
    let Breach { statement, of, class, amount, unit, first, last, .. } = breach;
    format!(
        "`{}` on `{of}` by {amount} {unit} in class `{class}` from step {first} to {last}",
        statement.name
    )
}

/// A listed breach that happens, against its measure.
fn differs(said: &Breach, right: &Breach, price: Option<&Rat>, amount: &Amount, out: &mut Misses) {
    let name = &right.statement.name;
    if said.statement != right.statement {
        let message = format!("the plan names a breach of `{name}` otherwise than its policy");
        out.push("listed", Miss::said(&said.of, message));
    }
    if !amount.rounds_to(&said.amount) {
        let message = format!(
            "the plan says that it breaks `{name}` by {} {}, it is {} {}",
            said.amount, said.unit, right.amount, right.unit
        );
        out.push("listed", Miss::said(&said.of, message));
    }
    let priced = match (price, &said.money) {
        (Some(price), Some(money)) => amount.at(price).rounds_to(money),
        (None, None) => true,
        _ => false,
    };
    if !priced {
        let shown = |money: &Option<Rat>| money.as_ref().map_or("nothing".to_owned(), Rat::to_string);
        let message = format!(
            "the plan says that its breach of `{name}` costs {}, it is {}",
            shown(&said.money),
            shown(&right.money)
        );
        out.push("listed", Miss::said(&said.of, message));
    }
}

/// Stands for the site's currency.
const MONEY: &str = "money";

impl Amount {
    pub(super) fn plus(&mut self, other: &Self) {
        self.lo += &other.lo;
        self.hi += &other.hi;
    }

    /// At a price for each unit.
    pub(super) fn at(&self, price: &Rat) -> Self {
        let (a, b) = (&self.lo * price, &self.hi * price);
        Self { lo: Rat::min_of(&a, &b), hi: Rat::max_of(&a, &b) }
    }

    /// The middle, as documents record it.
    pub(super) fn recorded(&self) -> Rat {
        (&(&self.lo + &self.hi) * &Rat::ratio(1, 2).unwrap_or_default()).rounded(PLACES)
    }

    /// Whether a listed amount is the rounding of one inside.
    fn rounds_to(&self, said: &Rat) -> bool {
        let half = Rat::ratio(1, 2_000_000_000).unwrap_or_default();
        *said >= &self.lo - &half && *said <= &self.hi + &half
    }
}

/// What the breaches of a statement add up over: the device, zone or group that it speaks of.
fn subject(site: &Site, statement: Statement, of: String) -> String {
    match statement {
        Statement::Effect(rule, index) => {
            let rule = site.rule(rule);
            let effect = rule.and_then(|r| r.effects.iter().find(|e| e.index == index));
            let named = effect.zip(rule).map(|(effect, rule)| target(site, rule, &effect.target));
            named.unwrap_or(of)
        }
        other => crate::bundle::facts(site, other).0,
    }
}

fn target(site: &Site, rule: &Rule, target: &Target) -> String {
    let group = |id| site.group(id).map(|g| g.name.clone()).unwrap_or_default();
    match target {
        Target::Group(id) => group(*id),
        Target::Zone(id) => site.zone(*id).map(|z| z.name.clone()).unwrap_or_default(),
        Target::Members(members) => members_name(site, members),
        Target::Bound => rule.for_each.map(group).unwrap_or_default(),
        Target::Site => site.name.clone(),
    }
}

/// In what a breach of an effect on power or a state is counted.
pub(super) fn unit(attr: &Attr) -> &'static str {
    match attr {
        Attr::Temperature | Attr::Setpoint => "K h",
        Attr::ChargeLevel => "h",
        _ => "kWh",
    }
}

/// In what a budget is counted.
pub(super) const fn budget_unit(quantity: BudgetQuantity) -> &'static str {
    match quantity {
        BudgetQuantity::Emissions => "kg",
        BudgetQuantity::Cost => MONEY,
        _ => "kWh",
    }
}

/// Name, words and place of a statement.
pub(super) fn facts(site: &Site, statement: Statement) -> (String, String, Span) {
    let found = match statement {
        Statement::Effect(rule, index) => site.rule(rule).map(|r| {
            let effect = r.effects.get(index as usize);
            (
                r.name.clone(),
                effect.map_or(String::new(), |e| e.text.clone()),
                effect.map_or(r.span, |e| e.span),
            )
        }),
        Statement::Budget(id) => {
            site.budgets.get(id.index()).map(|b| (b.name.clone(), b.text.clone(), b.span))
        }
        Statement::Comfort(id) => site.zone(id).map(|z| (z.name.clone(), "its comfort".to_owned(), z.span)),
        Statement::Device(id) => site.family(id).map(|f| (f.name.clone(), String::new(), f.span)),
        Statement::Bus(id) => site.buses.get(id.index()).map(|b| (b.name.clone(), String::new(), b.span)),
        Statement::Link(id) => site.links.get(id.index()).map(|l| (l.name.clone(), String::new(), l.span)),
        Statement::Tariff(id) => {
            site.tariffs.get(id.index()).map(|t| (t.name.clone(), String::new(), t.span))
        }
    };
    found.unwrap_or_else(|| (String::new(), String::new(), site.span))
}

/// The statement of an effect.
pub(super) fn effect(effect: EffectRef) -> Statement {
    Statement::Effect(effect.instance.rule, effect.index)
}
