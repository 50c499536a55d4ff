//! Names and runs for documents and messages.

use super::infeasible::Member;
use super::prepare::Known;
use crate::bundle::StatementRef;
use crate::diag::Span;
use crate::eval::Unit;
use crate::ir::{Attr, EffectKind, Site, Statement};

/// A statement as documents name it.
pub(super) fn statement(site: &Site, statement: Statement) -> StatementRef {
    let (name, text, span) = facts(site, statement);
    let file = site.files.get(span.source.0 as usize).map_or("", |f| f.path.as_str());
    StatementRef { statement, name, text, at: format!("{file}:0:0") }
}

/// Name, text and place of a statement.
pub(super) fn facts(site: &Site, statement: Statement) -> (String, String, Span) {
    let nothing = (String::new(), String::new(), site.span);
    match statement {
        Statement::Effect(rule, index) => site.rule(rule).map_or(nothing, |r| {
            let effect = r.effects.iter().find(|e| e.index == index);
            let (text, span) = effect.map_or((String::new(), r.span), |e| (e.text.clone(), e.span));
            (r.name.clone(), text, span)
        }),
        Statement::Budget(id) => {
            site.budgets.get(id.index()).map_or(nothing, |b| (b.name.clone(), b.text.clone(), b.span))
        }
        Statement::Comfort(id) => site.zone(id).map_or(nothing, |z| {
            let span = z.comfort.first().map_or(z.span, |b| b.span);
            (z.name.clone(), format!("comfort of {}", z.name), span)
        }),
        Statement::Device(id) => {
            site.family(id).map_or(nothing, |f| (f.name.clone(), format!("{} as declared", f.name), f.span))
        }
        Statement::Bus(id) => site
            .buses
            .get(id.index())
            .map_or(nothing, |b| (b.name.clone(), format!("limit of {}", b.name), b.span)),
        Statement::Link(id) => site
            .links
            .get(id.index())
            .map_or(nothing, |l| (l.name.clone(), format!("capacity of {}", l.name), l.span)),
        Statement::Tariff(id) => site
            .tariffs
            .get(id.index())
            .map_or(nothing, |t| (t.name.clone(), format!("tariff {}", t.name), t.span)),
    }
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
fn measure(site: &Site, statement: Statement) -> (&'static str, &'static str) {
    match statement {
        Statement::Comfort(_) => ("K", "K h"),
        Statement::Budget(_) => ("", ""),
        Statement::Effect(rule, index) => {
            let effect = site.rule(rule).and_then(|r| r.effects.iter().find(|e| e.index == index));
            match effect.map(|e| &e.kind) {
                Some(EffectKind::Deliver { .. }) => ("kWh", "kWh"),
                Some(EffectKind::Run { .. }) => ("h", "h"),
                Some(EffectKind::Bound { attr: Attr::Temperature | Attr::Setpoint, .. }) => ("K", "K h"),
                Some(EffectKind::Bound { attr: Attr::ChargeLevel, .. }) => ("of its level", "h"),
                _ => ("kW", "kWh"),
            }
        }
        Statement::Bus(_) | Statement::Link(_) | Statement::Device(_) | Statement::Tariff(_) => ("kW", "kWh"),
    }
}

/// What a member of a conflict would have to give up alone.
pub(super) fn gives_way(known: &Known<'_>, member: &Member) -> String {
    let site = known.site;
    let (name, _, _) = facts(site, member.owner.statement);
    let (unit, total) = measure(site, member.owner.statement);
    let when = member
        .step
        .and_then(|t| known.steps.get(t))
        .map(|s| format!(", first at {}", known.calendar.show(s.start)))
        .unwrap_or_default();
    if member.step.is_none() {
        return format!("`{name}` alone would have to give up {} {unit}", short(member.most));
    }
    format!(
        "`{name}` alone would have to give way by up to {} {unit} ({} {total} in all){when}",
        short(member.most),
        short(member.amount)
    )
}

/// The same as a proposal.
pub(super) fn relax(known: &Known<'_>, member: &Member) -> String {
    let site = known.site;
    let (name, _, _) = facts(site, member.owner.statement);
    let (unit, _) = measure(site, member.owner.statement);
    let amount = short(member.most);
    let owed = matches!(member.owner.statement, Statement::Effect(rule, index)
    if site.rule(rule).and_then(|r| r.effects.iter().find(|e| e.index == index)).is_some_and(|e| {
        matches!(e.kind, EffectKind::Deliver { .. } | EffectKind::Run { .. })
    }));
    if owed {
        format!("ask {amount} {unit} less by `{name}`")
    } else {
        format!("allow `{name}` {amount} {unit} more")
    }
}

/// A number for people: three decimals at most, rounded up so that the proposal suffices.
fn short(x: f64) -> String {
    let text = format!("{:.3}", (x * 1000.0 - 1e-6).ceil() / 1000.0);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}
