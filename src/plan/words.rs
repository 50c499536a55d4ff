//! Names and runs for documents and messages.

use super::infeasible::Member;
use super::prepare::Known;
use crate::bundle::StatementRef;
pub(super) use crate::bundle::facts;
use crate::eval::Unit;
use crate::ir::{Attr, BudgetQuantity, EffectKind, Model, Need, Site, Statement};

/// A statement as documents name it.
pub(super) fn statement(site: &Site, statement: Statement) -> StatementRef {
    StatementRef::of(site, statement)
}

/// A unit as people name it.
pub(super) fn unit(site: &Site, unit: Unit) -> String {
    match unit {
        Unit::Zone(zone) => site.zone(zone).map(|z| z.name.clone()).unwrap_or_default(),
        Unit::Devices(range) if range.first == range.last => {
            site.device_name(crate::ir::Device { family: range.family, index: range.first })
        }
        Unit::Devices(range) => {
            let name = site.family(range.family).map_or("", |f| f.name.as_str());
            format!("{name}[{}..{}]", range.first, range.last)
        }
    }
}

/// Maximal runs of consecutive numbers, first and last included.
pub(super) fn runs(steps: &[usize]) -> Vec<(u32, u32)> {
    let mut found: Vec<(u32, u32)> = Vec::new();
    for step in steps {
        let step = u32::try_from(*step).unwrap_or(u32::MAX);
        match found.last_mut() {
            Some((_, last)) if last.checked_add(1) == Some(step) => *last = step,
            _ => found.push((step, step)),
        }
    }
    found
}

/// Unit of a statement's breach amount, with and without time.
fn measure(site: &Site, statement: Statement) -> (&str, &str) {
    match statement {
        Statement::Comfort(_) => ("K", "K h"),
        Statement::Budget(id) => match site.budgets.get(id.index()).map(|b| b.quantity) {
            Some(BudgetQuantity::Emissions) => ("kg", "kg"),
            Some(BudgetQuantity::Cost) => (&site.currency, &site.currency),
            _ => ("kWh", "kWh"),
        },
        Statement::Effect(..) => match asked(site, statement) {
            Some(EffectKind::Deliver { .. }) => ("kWh", "kWh"),
            Some(EffectKind::Run { .. } | EffectKind::Follow { .. }) => ("h", "h"),
            Some(EffectKind::Bound { attr: Attr::Temperature | Attr::Setpoint, .. }) => ("K", "K h"),
            Some(EffectKind::Bound { attr: Attr::ChargeLevel, .. }) => ("of its level", "h"),
            _ => ("kW", "kWh"),
        },
        Statement::Device(_) | Statement::Tariff(_) | Statement::Bus(_) | Statement::Link(_) => ("kW", "kWh"),
    }
}

/// What an effect of a rule asks; `None` for other statements.
fn asked(site: &Site, statement: Statement) -> Option<&EffectKind> {
    let Statement::Effect(rule, index) = statement else { return None };
    let effect = site.rule(rule).and_then(|r| r.effects.iter().find(|e| e.index == index));
    effect.map(|e| &e.kind)
}

/// Whether a level is meant, whose amounts are shares.
fn is_share(site: &Site, statement: Statement) -> bool {
    matches!(asked(site, statement), Some(EffectKind::Bound { attr: Attr::ChargeLevel, .. }))
}

/// Whether it is followed or not, step by step: what gives way is time, not power. Where parts of a step
/// count, that is less than whole steps come to.
fn follows(site: &Site, statement: Statement) -> bool {
    matches!(asked(site, statement), Some(EffectKind::Follow { .. }))
}

/// An amount in any one step, or of the whole where it has no steps.
fn amount(site: &Site, member: &Member) -> String {
    if is_share(site, member.owner.statement) {
        return format!("{} %", short(member.most * 100.0));
    }
    let (unit, total) = measure(site, member.owner.statement);
    if follows(site, member.owner.statement) {
        return format!("{} {total}", short(member.amount));
    }
    format!("{} {}", short(member.most), if member.step.is_some() { unit } else { total })
}

/// What a member of a conflict would have to give up alone.
pub(super) fn gives_way(known: &Known<'_>, member: &Member) -> String {
    let site = known.site;
    let (name, text, _) = facts(site, member.owner.statement);
    let statement = if text.is_empty() { format!("`{name}`") } else { format!("`{name}` ({text})") };
    let how_far = how_far(site, member);
    let whose = if is_given(site, member) { ", which nobody commands" } else { "" };
    let from = match member.step.and_then(|t| known.steps.get(t)) {
        Some(step) => format!(", from {} on", known.calendar.show(step.start)),
        None => String::new(),
    };
    format!("if only {statement} gives way{whose}: {how_far}{from}{}", costs(known, member))
}

/// Whether it is a load that is served as it comes: nobody can make it give way. What may be shed has a class.
pub(super) fn is_given(site: &Site, member: &Member) -> bool {
    let Statement::Device(id) = member.owner.statement else { return false };
    let need = |model: &Model| matches!(model, Model::Consumer(consumer) if consumer.need != Need::None);
    member.owner.class.is_none() && site.family(id).is_some_and(|family| need(&family.model))
}

/// By how much in any one step and in all, or for how long.
fn how_far(site: &Site, member: &Member) -> String {
    let amount = amount(site, member);
    let (_, total) = measure(site, member.owner.statement);
    if follows(site, member.owner.statement) {
        format!("for at least {amount} in all")
    } else if member.step.is_none() {
        format!("by {amount}")
    } else if is_share(site, member.owner.statement) {
        // a share of a level for an hour says nothing more
        format!("by up to {amount}")
    } else {
        format!("by up to {amount}, {} {total} in all", short(member.amount))
    }
}

/// What the plan would then cost.
fn costs(known: &Known<'_>, member: &Member) -> String {
    match member.cost {
        Some(cost) => format!("; the plan then costs {cost:.2} {}", known.site.currency),
        None => "; others still stand in each other's way".to_owned(),
    }
}

/// The same as a proposal.
pub(super) fn relax(site: &Site, member: &Member) -> String {
    let (name, _, _) = facts(site, member.owner.statement);
    let amount = amount(site, member);
    match asked(site, member.owner.statement) {
        Some(EffectKind::Deliver { .. }) => format!("let `{name}` deliver {amount} less"),
        Some(EffectKind::Run { .. }) => format!("let `{name}` run {amount} less"),
        Some(EffectKind::Follow { .. }) => format!("let `{name}` not follow for at least {amount}"),
        Some(_) => format!("ease `{name}` by {amount}"),
        None => match (member.owner.statement, member.owner.class) {
            (Statement::Comfort(_), _) => format!("widen the band of `{name}` by {amount}"),
            (Statement::Budget(_), _) => format!("allow the budget `{name}` {amount} more"),
            (Statement::Device(_), Some(_)) => format!("ask {amount} less of `{name}`"),
            (Statement::Device(id), None)
                if site.family(id).is_some_and(|f| f.role == crate::ir::Role::Consumer) =>
            {
                format!("let `{name}` shed {amount}")
            }
            _ => format!("allow `{name}` {amount} more"),
        },
    }
}

/// A number for people: three decimals at most, rounded up so that the proposal suffices.
fn short(x: f64) -> String {
    let text = format!("{:.3}", (x * 1000.0 - 1e-3).ceil() / 1000.0);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::super::scene::Owner;
    use super::*;
    use crate::ir::testkit::{bound, consumer, device, members, rule, site};
    use crate::ir::{ClassId, FollowWhat, Lin, Meter, RuleId, Share, Target, Verb};

    /// How far the only effect of a rule gives way, and what is proposed.
    fn told(verb: Verb, kind: EffectKind, member: &dyn Fn(Owner) -> Member) -> (String, String) {
        let mut site = site();
        let pack = consumer(&mut site, "pack", &[("0", "5")]);
        rule(&mut site, "own_use", 1, verb, Target::Members(vec![members(pack, 1, 1)]), kind);
        let owner = Owner { statement: Statement::Effect(RuleId::at(0), 0), class: Some(ClassId(1)) };
        let member = member(owner);
        (how_far(&site, &member), relax(&site, &member))
    }

    #[test]
    fn what_gives_way_is_told_in_its_own_unit() {
        // in half-hour steps: one of them in full and half of another, 0.75 h, whose greatest is 1
        let follow = |owner| Member { owner, amount: 0.75, most: 1.0, step: Some(2), cost: None };
        let meter = Meter { grid: device(crate::ir::FamilyId::at(0)), what: FollowWhat::Import };
        let target = Lin::constant(crate::quantity::Rat::ZERO);
        let (far, way_out) = told(Verb::Follow, EffectKind::Follow { meter, target }, &follow);
        assert_eq!(far, "for at least 0.75 h in all");
        assert_eq!(way_out, "let `own_use` not follow for at least 0.75 h");
        // a power by step, with the energy that it comes to
        let bound = |attr| bound(attr, None, Some("1"), Share::Each);
        let power = |owner| Member { owner, amount: 5.0, most: 3.0, step: Some(0), cost: None };
        let (far, way_out) = told(Verb::Limit, bound(Attr::Charge), &power);
        assert_eq!(
            (far.as_str(), way_out.as_str()),
            ("by up to 3 kW, 5 kWh in all", "ease `own_use` by 3 kW")
        );
        let share = |owner| Member { owner, amount: 0.5, most: 0.24, step: Some(0), cost: None };
        let (far, way_out) = told(Verb::Keep, bound(Attr::ChargeLevel), &share);
        assert_eq!((far.as_str(), way_out.as_str()), ("by up to 24 %", "ease `own_use` by 24 %"));
        // of a whole window
        let whole = |owner| Member { owner, amount: 5.0, most: 5.0, step: None, cost: None };
        let (far, _) = told(Verb::Limit, bound(Attr::Charge), &whole);
        assert_eq!(far, "by 5 kWh");
    }
}
