//! Guards on quantities that the plan decides, as formulas over those quantities, step by step.
//!
//! What is known of a step is put in; memory (latches, `for d`) becomes a reference to the same
//! condition in earlier steps.

use std::collections::BTreeMap;

use super::measured::{Read, read};
use super::prepare::Known;
use super::scene::Owner;
use crate::diag::{Diagnostic, Diagnostics, Span, codes};
use crate::eval::{Environment, Evaluator, Instance};
use crate::ir::{
    Attr, Cmp, Device, Effect, EffectKind, Guard, HeldId, Lin, Memory, Model, OnLoss, Quantifier, Rule,
    SAFETY, SigRef, Site, Statement, Target,
};
use crate::quantity::Rat;

/// Greatest magnitude of a decided quantity in a switching condition (planner.md 7).
const MOST: f64 = 1e6;
/// Most members over which a guard on decided quantities quantifies.
const MEMBERS: u64 = 2_000;

/// A comparison of decided quantities with zero.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Atom {
    /// Step.
    pub(super) at: usize,
    /// Terms.
    pub(super) terms: Vec<(f64, Read)>,
    /// Constant.
    pub(super) constant: f64,
    /// `sum op 0`.
    pub(super) op: Cmp,
    /// Strict comparisons need this much more.
    pub(super) step: f64,
}

/// A formula in negation normal form.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Form {
    /// Settled.
    Const(bool),
    /// A comparison, or its negation.
    Atom(Atom, bool),
    /// A condition of its own, or its negation.
    Holds(usize, bool),
    /// All hold.
    All(Vec<Self>),
    /// One holds.
    Any(Vec<Self>),
    /// How many hold.
    Count(Vec<Self>, Cmp, i64),
}

impl Form {
    fn all(parts: impl IntoIterator<Item = Self>) -> Self {
        let mut open = Vec::new();
        for part in parts {
            match part {
                Self::Const(true) => {}
                Self::Const(false) => return Self::Const(false),
                part => open.push(part),
            }
        }
        match (open.len(), open.pop()) {
            (_, None) => Self::Const(true),
            (1, Some(only)) => only,
            (_, Some(last)) => Self::All(open.into_iter().chain([last]).collect()),
        }
    }

    fn any(parts: impl IntoIterator<Item = Self>) -> Self {
        match Self::all(parts.into_iter().map(Self::negated)) {
            Self::All(parts) => Self::Any(parts.into_iter().map(Self::negated).collect()),
            other => other.negated(),
        }
    }

    fn negated(self) -> Self {
        match self {
            Self::Const(value) => Self::Const(!value),
            Self::Atom(atom, holds) => Self::Atom(atom, !holds),
            Self::Holds(at, holds) => Self::Holds(at, !holds),
            Self::All(parts) => Self::Any(parts.into_iter().map(Self::negated).collect()),
            Self::Any(parts) => Self::All(parts.into_iter().map(Self::negated).collect()),
            Self::Count(parts, op, n) => Self::Count(parts, opposite(op), n),
        }
    }

    /// Its value, where conditions of their own hold as `holds` says and nothing else is open.
    pub(super) fn settled(&self, holds: &dyn Fn(usize) -> bool) -> bool {
        match self {
            Self::Const(value) => *value,
            Self::Holds(at, positive) => holds(*at) == *positive,
            _ => false,
        }
    }
}

const fn opposite(op: Cmp) -> Cmp {
    match op {
        Cmp::Lt => Cmp::Ge,
        Cmp::Le => Cmp::Gt,
        Cmp::Gt => Cmp::Le,
        Cmp::Ge => Cmp::Lt,
        Cmp::Eq => Cmp::Ne,
        Cmp::Ne => Cmp::Eq,
    }
}

/// A condition that the plan decides in one step.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Indicator {
    /// What it is worth.
    pub(super) form: Form,
    /// The rule that reads it.
    pub(super) owner: Owner,
}

/// An instance of a rule, with its place among the rule's instances.
type Open<'s> = (&'s Rule, Option<Device>, usize);

/// The instances of rules whose guards read what the plan decides.
///
/// # Errors
/// EVL1001 where such a rule asks what cannot depend on a decision; EVL1011 where rules of one step
/// depend on what they command themselves.
pub(super) fn open_rules(site: &Site) -> Result<Vec<Open<'_>>, Diagnostics> {
    let mut findings = Diagnostics::new();
    let mut refuse = |span: Span, what: &str, rule: &Rule| {
        findings.push(
            Diagnostic::error(codes::NOT_PLANNED_YET, span, format!("understood, not planned yet: {what}"))
                .because(format!("whether rule `{}` holds depends on what is planned", rule.name)),
        );
    };
    let mut found = Vec::new();
    for rule in &site.rules {
        let acts = rule.effects.iter().any(|e| !matches!(e.kind, EffectKind::Notify { .. }));
        let guards = || std::iter::once(&rule.when).chain(rule.until.as_ref());
        if !acts || !guards().any(|guard| reads(site, guard)) {
            continue;
        }
        if rule.for_each.is_some() && guards().any(holds_for) {
            refuse(rule.when_span, "`for` a time in a guard of each member", rule);
        }
        for effect in &rule.effects {
            match &effect.kind {
                EffectKind::Follow { .. } => {
                    refuse(effect.span, "`follow` under a guard that the plan decides", rule);
                }
                EffectKind::Run { .. } if rule.at_most_every_s.is_some() => {
                    refuse(effect.span, "`at most every` under a guard that the plan decides", rule);
                }
                _ => {}
            }
        }
        match rule.for_each.and_then(|g| site.group(g)) {
            Some(group) => found.extend(group.devices().enumerate().map(|(n, d)| (rule, Some(d), n))),
            None => found.push((rule, None, 0)),
        }
    }
    if !findings.is_empty() {
        return Err(findings);
    }
    super::cycle::refuse(site, &found)?;
    Ok(found)
}

/// Whether a guard reads what the plan decides.
fn reads(site: &Site, guard: &Guard) -> bool {
    let decided = |signal: &SigRef| match signal {
        SigRef::Bound(attr) => {
            matches!(
                attr,
                Attr::ChargeLevel
                    | Attr::Charge
                    | Attr::Discharge
                    | Attr::Import
                    | Attr::Export
                    | Attr::Power
                    | Attr::On
                    | Attr::Temperature
            )
        }
        other => read(site, other).is_some(),
    };
    match guard {
        Guard::Compare { lin, .. } => reads_lin(site, lin),
        Guard::Is(signal) | Guard::Equals(signal, _) => decided(signal),
        Guard::Not(inner) | Guard::Held(_, inner) | Guard::Quantified { body: inner, .. } => {
            reads(site, inner)
        }
        Guard::All(parts) | Guard::Any(parts) => parts.iter().any(|part| reads(site, part)),
        Guard::Emergency => site.emergency.as_ref().is_some_and(|g| reads(site, g)),
        Guard::Const(_) | Guard::During(_) => false,
    }
}

/// Whether a linear expression reads what the plan decides.
pub(super) fn reads_lin(site: &Site, lin: &Lin) -> bool {
    let attr = |attr: &Attr| !matches!(attr, Attr::Available | Attr::Connected | Attr::Point(_));
    lin.sums.iter().any(|(_, term)| attr(&term.attr))
        || lin.terms.iter().any(|(_, signal)| match signal {
            SigRef::Bound(of) => attr(of),
            other => read(site, other).is_some(),
        })
}

fn holds_for(guard: &Guard) -> bool {
    match guard {
        Guard::Held(..) => true,
        Guard::Not(inner) | Guard::Quantified { body: inner, .. } => holds_for(inner),
        Guard::All(parts) | Guard::Any(parts) => parts.iter().any(holds_for),
        _ => false,
    }
}

/// Bounds and amounts that read what the plan decides: their meaning is settled, but no column bounds
/// another yet.
///
/// # Errors
/// EVL1001 at each.
pub(super) fn refuse_bounds(site: &Site) -> Result<(), Diagnostics> {
    let mut findings = Diagnostics::new();
    for rule in &site.rules {
        for effect in &rule.effects {
            let open = match &effect.kind {
                EffectKind::Bound { lo, hi, .. } => {
                    lo.iter().chain(hi.iter()).any(|lin| reads_lin(site, lin))
                }
                EffectKind::Deliver { energy: amount, .. } | EffectKind::Follow { target: amount, .. } => {
                    reads_lin(site, amount)
                }
                _ => false,
            };
            if open {
                findings.push(
                    Diagnostic::error(
                        codes::NOT_PLANNED_YET,
                        effect.span,
                        "understood, not planned yet: an amount that the plan itself decides",
                    )
                    .because(format!("rule `{}` asks `{}`", rule.name, effect.text)),
                );
            }
        }
    }
    if let Some(emergency) = &site.emergency
        && reads(site, emergency)
    {
        findings.push(Diagnostic::error(
            codes::NOT_PLANNED_YET,
            site.span,
            "understood, not planned yet: an emergency that depends on what is planned",
        ));
    }
    if findings.is_empty() { Ok(()) } else { Err(findings) }
}

/// What became of the rules that read decided quantities.
type Finished = (Vec<Indicator>, BTreeMap<(Instance, usize), Form>);

/// Makes formulas out of guards.
pub(super) struct Forms<'f, 'k> {
    known: &'f Known<'k>,
    evaluator: &'f Evaluator<'k>,
    envs: &'f [Environment],
    indicators: Vec<Indicator>,
    active: BTreeMap<(Instance, usize), Form>,
    /// Guards inside `for d`, by step.
    inner: BTreeMap<(HeldId, usize), Form>,
    findings: BTreeMap<Span, Diagnostic>,
}

/// Where a guard is read.
#[derive(Clone, Copy)]
struct Place<'r> {
    rule: &'r Rule,
    member: Option<Device>,
    t: usize,
    /// What an unknown reading counts as.
    loss: bool,
}

impl<'f, 'k> Forms<'f, 'k> {
    pub(super) fn new(known: &'f Known<'k>, evaluator: &'f Evaluator<'k>, envs: &'f [Environment]) -> Self {
        Self {
            known,
            evaluator,
            envs,
            indicators: Vec::new(),
            active: BTreeMap::new(),
            inner: BTreeMap::new(),
            findings: BTreeMap::new(),
        }
    }

    pub(super) fn finish(self) -> Result<Finished, Diagnostics> {
        if self.findings.is_empty() {
            Ok((self.indicators, self.active))
        } else {
            Err(self.findings.into_values().collect())
        }
    }

    /// Whether an instance of a rule is active in step `t`; asked step after step.
    pub(super) fn activity(&mut self, rule: &Rule, member: Option<Device>, nth: usize, t: usize) {
        let instance = Instance { rule: rule.id, member };
        let loss = match rule.on_loss {
            OnLoss::Active => true,
            OnLoss::Inactive => false,
            OnLoss::Hold(_) => rule.class == SAFETY,
        };
        let place = Place { rule, member, t, loss };
        let latched = |bit: &crate::ir::LatchId| self.envs.first().is_some_and(|e| e.latches.contains(bit));
        let before = match t.checked_sub(1) {
            None => Form::Const(rule.latches.get(nth).is_some_and(latched)),
            Some(before) => self.active.get(&(instance, before)).cloned().unwrap_or(Form::Const(false)),
        };
        let when = self.guard(&rule.when, member, true, place);
        let form = match &rule.memory {
            Memory::None => when,
            Memory::Until => {
                let until = rule
                    .until
                    .as_ref()
                    .map_or(Form::Const(true), |until| self.guard(until, member, false, place));
                Form::any([when, Form::all([before, until])])
            }
            Memory::Reset { .. } => Form::any([when, before]),
        };
        let form = self.named(form, rule);
        self.active.insert((instance, t), form);
    }

    /// A formula as a condition of its own, so that others may refer to it.
    fn named(&mut self, form: Form, rule: &Rule) -> Form {
        if let Form::Const(_) | Form::Holds(_, true) = form {
            return form;
        }
        let index = rule.effects.first().map_or(0, |e| e.index);
        let owner = Owner { statement: Statement::Effect(rule.id, index), class: Some(rule.class) };
        self.indicators.push(Indicator { form, owner });
        Form::Holds(self.indicators.len() - 1, true)
    }

    fn guard(&mut self, guard: &Guard, bound: Option<Device>, positive: bool, place: Place<'_>) -> Form {
        match guard {
            Guard::Not(inner) => self.guard(inner, bound, !positive, place),
            Guard::All(parts) | Guard::Any(parts) => {
                let parts: Vec<Form> =
                    parts.iter().map(|part| self.guard(part, bound, positive, place)).collect();
                if matches!(guard, Guard::All(_)) == positive { Form::all(parts) } else { Form::any(parts) }
            }
            Guard::Held(id, inner) => self.held(*id, inner, positive, place),
            Guard::Quantified { quantifier, group, body } => {
                let group = self.known.site.group(*group);
                if group.is_some_and(|g| g.len() > MEMBERS) {
                    return self.refuse(place, "a guard over thousands of members that the plan decides");
                }
                let members: Vec<Device> = group.map(|g| g.devices().collect()).unwrap_or_default();
                let sign = positive || matches!(quantifier, Quantifier::Count(..));
                let parts: Vec<Form> =
                    members.iter().map(|d| self.guard(body, Some(*d), sign, place)).collect();
                match (quantifier, positive) {
                    (Quantifier::Any, true) | (Quantifier::Every, false) => Form::any(parts),
                    (Quantifier::Any, false) | (Quantifier::Every, true) => Form::all(parts),
                    (Quantifier::Count(op, n), _) => {
                        counted(parts, if positive { *op } else { opposite(*op) }, *n)
                    }
                }
            }
            leaf => self.leaf(leaf, bound, positive, place),
        }
    }

    /// A guard without parts: what the evaluator leaves of it.
    fn leaf(&mut self, guard: &Guard, bound: Option<Device>, positive: bool, place: Place<'_>) -> Form {
        let Some(env) = self.envs.get(place.t) else { return Form::Const(false) };
        let left = self.evaluator.residual(guard, bound, positive, place.loss, env);
        let (left, holds) = match left {
            Guard::Not(inner) => (*inner, false),
            other => (other, true),
        };
        match left {
            Guard::Const(value) => Form::Const(value == holds),
            Guard::Is(signal) => match read(self.known.site, &signal) {
                Some(on @ Read::On(_)) => {
                    let terms = vec![(1.0, on)];
                    Form::Atom(Atom { at: place.t, terms, constant: 0.0, op: Cmp::Gt, step: 0.0 }, holds)
                }
                _ => self.refuse(place, "a guard on such a quantity"),
            },
            Guard::Compare { lin, op, step } => {
                if matches!(op, Cmp::Eq | Cmp::Ne) {
                    return self.refuse(place, "a guard on the exact value of what the plan decides");
                }
                self.compare(&lin, op, &step, place).map_or_else(
                    || self.refuse(place, "a guard on such a quantity"),
                    |atom| Form::Atom(atom, holds),
                )
            }
            _ => self.refuse(place, "a guard on such a quantity"),
        }
    }

    fn compare(&mut self, lin: &Lin, op: Cmp, step: &Rat, place: Place<'_>) -> Option<Atom> {
        let site = self.known.site;
        let mut terms = Vec::with_capacity(lin.terms.len());
        for (factor, signal) in &lin.terms {
            let read = read(site, signal)?;
            self.bounded(&read, place);
            terms.push((factor.to_f64(), read));
        }
        Some(Atom { at: place.t, terms, constant: lin.constant.to_f64(), op, step: step.to_f64() })
    }

    /// A switching condition needs bounds that are proven and near enough to be computed with.
    fn bounded(&mut self, read: &Read, place: Place<'_>) {
        let Read::Flow(device, attr) = read else { return };
        let Some(family) = self.known.site.family(device.family) else { return };
        let hulls: Vec<_> = match (&family.model, attr) {
            (Model::Store(_), Attr::Power) => vec![family.hull(&Attr::Charge), family.hull(&Attr::Discharge)],
            (Model::Grid { .. }, Attr::Power) => vec![family.hull(&Attr::Import), family.hull(&Attr::Export)],
            _ => vec![family.hull(attr)],
        };
        let near = |(lo, hi): &(Rat, Rat)| lo.to_f64().abs() <= MOST && hi.to_f64().abs() <= MOST;
        if hulls.iter().all(|hull| hull.as_ref().is_some_and(near)) {
            return;
        }
        let finding = Diagnostic::error(
            codes::UNBOUNDED,
            family.span,
            format!("`{}` has no limit below 1000000 kW, and a rule is switched by it", family.name),
        )
        .label(place.rule.when_span, format!("rule `{}` reads it here", place.rule.name))
        .help(format!("declare what `{}` can do at most", family.name));
        self.findings.entry(family.span).or_insert(finding);
    }

    /// `for d`: the guard has held at every step's beginning for so long.
    fn held(&mut self, id: HeldId, inner: &Guard, positive: bool, place: Place<'_>) -> Form {
        let steps = &self.known.steps;
        let (Some(held), Some(now)) = (self.known.site.held.get(id.index()), steps.get(place.t)) else {
            return Form::Const(!positive);
        };
        if !reads(self.known.site, inner) {
            let guard = Guard::Held(id, Box::new(inner.clone()));
            return self.leaf(&guard, place.member, positive, place);
        }
        let since = now.start.plus(-held.for_s);
        let first = match steps.partition_point(|s| s.start <= since).checked_sub(1) {
            Some(first) => first,
            // before the plan the state has to know it
            None => match self.known.state.held.get(&held.name) {
                Some(begun) if *begun <= since => 0,
                _ => return Form::Const(!positive),
            },
        };
        let mut parts = Vec::new();
        for t in first..=place.t {
            let part = match self.inner.get(&(id, t)) {
                Some(part) => part.clone(),
                None => {
                    let form = self.guard(inner, place.member, true, Place { t, ..place });
                    let form = self.named(form, place.rule);
                    self.inner.insert((id, t), form.clone());
                    form
                }
            };
            parts.push(part);
        }
        let all = Form::all(parts);
        if positive { all } else { all.negated() }
    }

    fn refuse(&mut self, place: Place<'_>, what: &str) -> Form {
        let finding = Diagnostic::error(
            codes::NOT_PLANNED_YET,
            place.rule.when_span,
            format!("understood, not planned yet: {what}"),
        )
        .because(format!("whether rule `{}` holds depends on what is planned", place.rule.name));
        self.findings.entry(place.rule.when_span).or_insert(finding);
        Form::Const(false)
    }
}

/// How many of the parts hold, those that are settled put in.
fn counted(parts: Vec<Form>, op: Cmp, n: i64) -> Form {
    let mut left = n;
    let mut open = Vec::new();
    for part in parts {
        match part {
            Form::Const(true) => left -= 1,
            Form::Const(false) => {}
            part => open.push(part),
        }
    }
    if open.is_empty() {
        let order = 0.cmp(&left);
        return Form::Const(match op {
            Cmp::Lt => order.is_lt(),
            Cmp::Le => order.is_le(),
            Cmp::Gt => order.is_gt(),
            Cmp::Ge => order.is_ge(),
            Cmp::Eq => order.is_eq(),
            Cmp::Ne => order.is_ne(),
        });
    }
    Form::Count(open, op, left)
}

/// Devices and zones that an effect of an instance moves.
pub(super) fn moved(site: &Site, effect: &Effect, member: Option<Device>) -> Vec<crate::ir::MemberRange> {
    let machines = |zone: crate::ir::ZoneId| {
        let moves = move |f: &&crate::ir::Family| matches!(&f.model, Model::Consumer(c) if c.heats == Some(zone) || c.cools == Some(zone));
        site.families.iter().filter(moves).map(crate::ir::Family::all).collect()
    };
    match (&effect.target, member) {
        (Target::Bound, Some(d)) => {
            vec![crate::ir::MemberRange { family: d.family, first: d.index, last: d.index }]
        }
        (Target::Zone(zone), _) => machines(*zone),
        (target, _) => site.target_members(target),
    }
}
