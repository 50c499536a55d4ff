//! Rules that would have to know, in the same step, what they bring about themselves
//! (planner.md 7): a guard on a flow reads the step in which it acts.

use crate::diag::{Diagnostic, Diagnostics, codes};
use crate::ir::{Attr, Device, Guard, Lin, MemberRange, Rule, SigRef, SignalSource, Site};

/// Refuses rules whose guards on flows depend on each other in a circle.
///
/// # Errors
/// EVL1011 at the first rule of each circle.
pub(super) fn refuse(site: &Site, open: &[(&Rule, Option<Device>, usize)]) -> Result<(), Diagnostics> {
    let read: Vec<Vec<MemberRange>> =
        open.iter().map(|(rule, member, _)| flows(site, rule, *member)).collect();
    let moved: Vec<Vec<MemberRange>> = (open.iter())
        .map(|(rule, member, _)| {
            rule.effects.iter().flat_map(|effect| super::form::moved(site, effect, *member)).collect()
        })
        .collect();
    let leads = |from: usize, to: usize| -> bool {
        let (Some(moved), Some(read)) = (moved.get(from), read.get(to)) else { return false };
        moved.iter().any(|m| read.iter().any(|r| overlap(m, r)))
    };
    let mut findings = Diagnostics::new();
    let mut done = vec![false; open.len()];
    for start in 0..open.len() {
        if done.get(start).copied().unwrap_or(true) {
            continue;
        }
        // what leads from `start` back to it, shortest first
        let mut from: Vec<Option<usize>> = vec![None; open.len()];
        let mut line = vec![start];
        let mut next = 0;
        let mut back = None;
        while let Some(at) = line.get(next).copied() {
            next += 1;
            if leads(at, start) {
                back = Some(at);
                break;
            }
            for to in 0..open.len() {
                if to != start && from.get(to).is_some_and(Option::is_none) && leads(at, to) {
                    if let Some(slot) = from.get_mut(to) {
                        *slot = Some(at);
                    }
                    line.push(to);
                }
            }
        }
        let Some(mut at) = back else { continue };
        let mut circle = vec![at];
        while at != start {
            let Some(Some(before)) = from.get(at).copied() else { break };
            circle.push(before);
            at = before;
        }
        circle.reverse();
        for place in &circle {
            if let Some(slot) = done.get_mut(*place) {
                *slot = true;
            }
        }
        findings.push(finding(open, &circle));
    }
    if findings.is_empty() { Ok(()) } else { Err(findings) }
}

fn finding(open: &[(&Rule, Option<Device>, usize)], circle: &[usize]) -> Diagnostic {
    let rules: Vec<&Rule> =
        circle.iter().filter_map(|place| open.get(*place)).map(|(rule, ..)| *rule).collect();
    let (first, others) = match rules.split_first() {
        Some((first, others)) => (*first, others),
        None => return Diagnostic::nowhere(codes::GUARD_CYCLE, crate::diag::Severity::Error, ""),
    };
    let message = if others.is_empty() {
        format!("whether rule `{}` holds depends on what it does itself in the same step", first.name)
    } else {
        format!("whether rule `{}` holds depends in a circle on itself in the same step", first.name)
    };
    let mut finding = Diagnostic::error(codes::GUARD_CYCLE, first.when_span, message);
    for rule in others.iter().filter(|rule| rule.id != first.id) {
        finding = finding.label(rule.when_span, format!("by way of rule `{}`", rule.name));
    }
    finding.help(
        "read a state (a charge level, a temperature), or the power of a device that these rules do not command",
    )
}

fn overlap(a: &MemberRange, b: &MemberRange) -> bool {
    a.family == b.family && a.first <= b.last && b.first <= a.last
}

/// The devices whose flows an instance's guards read.
fn flows(site: &Site, rule: &Rule, member: Option<Device>) -> Vec<MemberRange> {
    let mut out = Vec::new();
    let bound: Vec<MemberRange> =
        member.iter().map(|d| MemberRange { family: d.family, first: d.index, last: d.index }).collect();
    for guard in std::iter::once(&rule.when).chain(rule.until.as_ref()) {
        of_guard(site, guard, &bound, &mut out);
    }
    out
}

const fn is_flow(attr: &Attr) -> bool {
    matches!(attr, Attr::Power | Attr::Charge | Attr::Discharge | Attr::Import | Attr::Export | Attr::On)
}

fn of_guard(site: &Site, guard: &Guard, bound: &[MemberRange], out: &mut Vec<MemberRange>) {
    match guard {
        Guard::Compare { lin, .. } => of_lin(site, lin, bound, out),
        Guard::Is(signal) | Guard::Equals(signal, _) => of_signal(site, signal, bound, out),
        Guard::Not(inner) | Guard::Held(_, inner) => of_guard(site, inner, bound, out),
        Guard::All(parts) | Guard::Any(parts) => {
            parts.iter().for_each(|part| of_guard(site, part, bound, out));
        }
        Guard::Quantified { group, body, .. } => {
            let members = site.group(*group).map(|g| g.members.clone()).unwrap_or_default();
            of_guard(site, body, &members, out);
        }
        Guard::Const(_) | Guard::During(_) | Guard::Emergency => {}
    }
}

fn of_lin(site: &Site, lin: &Lin, bound: &[MemberRange], out: &mut Vec<MemberRange>) {
    for (_, signal) in &lin.terms {
        of_signal(site, signal, bound, out);
    }
    for (_, term) in lin.sums.iter().filter(|(_, term)| is_flow(&term.attr)) {
        out.extend(site.group(term.group).into_iter().flat_map(|g| g.members.iter().copied()));
    }
}

fn of_signal(site: &Site, signal: &SigRef, bound: &[MemberRange], out: &mut Vec<MemberRange>) {
    let (id, index) = match signal {
        SigRef::Bound(attr) => {
            if is_flow(attr) {
                out.extend_from_slice(bound);
            }
            return;
        }
        SigRef::Only(id) => (*id, 1),
        SigRef::Member(id, index) => (*id, *index),
    };
    if let Some(SignalSource::Measured(family, attr)) = site.signal(id).map(|s| &s.source)
        && is_flow(attr)
    {
        out.push(MemberRange { family: *family, first: index, last: index });
    }
}
