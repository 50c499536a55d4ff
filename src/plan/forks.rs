//! What rules would do under guards that the plan decides: for every step the patterns in which such
//! rules can be active, and what each pattern leaves of what they touch. Rules that touch different
//! things are looked at apart.

use std::collections::{BTreeMap, BTreeSet};

use super::decisions::Rules;
use super::form::moved;
use super::prepare::Known;
use crate::diag::{Diagnostic, Diagnostics, codes};
use crate::eval::{Decision, DeviceSet, Instance, Origins, Outcome, Preference, Status, Total, Unit};
use crate::ir::{EffectKind, MemberRange, Share, Site, Target, ZoneId};

/// Most rules that meet under guards which the plan decides.
const MEETING: usize = 6;

/// Rules of one step that meet, and the patterns in which they can be active.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Fork {
    /// Their conditions.
    pub(super) indicators: Vec<usize>,
    /// Bit `n` set: the `n`th of them holds. The first pattern is that none does.
    pub(super) patterns: Vec<u64>,
}

/// Under which patterns of which fork something is asked.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct When {
    /// Place of the fork.
    pub(super) fork: usize,
    /// By pattern.
    pub(super) mask: Vec<bool>,
}

/// What depends on a fork in one step.
#[derive(Debug, Default)]
pub(super) struct Overlay {
    /// What is left of a unit, by pattern; `None`: what it physically can.
    pub(super) sets: Vec<(usize, Unit, Vec<Option<DeviceSet>>)>,
    /// Effects in force under some patterns only.
    pub(super) outcomes: Vec<(Outcome, When)>,
    /// Preferences, likewise.
    pub(super) preferences: Vec<(Preference, When)>,
    /// Totals, likewise.
    pub(super) totals: Vec<(Total, When)>,
    /// Restricted origins, likewise.
    pub(super) origins: Vec<(Origins, When)>,
}

/// The same for all steps.
#[derive(Debug, Default)]
pub(super) struct Overlays {
    /// All forks.
    pub(super) forks: Vec<Fork>,
    /// By step.
    pub(super) steps: BTreeMap<usize, Overlay>,
    /// Decisions of steps with open conditions as if all of them held, for obligations.
    pub(super) all: BTreeMap<usize, Decision>,
    /// The condition of an instance in a step.
    pub(super) open: BTreeMap<(Instance, usize), usize>,
}

/// What depends on guards that the plan decides.
///
/// # Errors
/// EVL1001 where too many such rules meet.
pub(super) fn overlays(known: &Known<'_>, rules: &Rules<'_>) -> Result<Overlays, Diagnostics> {
    let site = known.site;
    let mut found = Overlays::default();
    let links = links(site);
    for t in 0..known.steps.len() {
        let open = rules.open(t);
        if open.is_empty() {
            continue;
        }
        found.open.extend(open.iter().map(|(instance, indicator)| ((*instance, t), *indicator)));
        found.all.insert(t, rules.decide(t, &|_| true));
        let none = rules.decide(t, &|_| false);
        for cluster in clusters(site, &links, &open) {
            if cluster.len() > MEETING {
                return Err(too_many(site, &cluster));
            }
            let indicators: Vec<usize> = cluster.iter().map(|(_, indicator)| *indicator).collect();
            let patterns: Vec<u64> = (0..1_u64 << indicators.len()).collect();
            let decisions: Vec<Decision> = (patterns.iter())
                .map(|pattern| {
                    let holds = |i: usize| {
                        indicators.iter().position(|at| *at == i).is_some_and(|n| pattern >> n & 1 == 1)
                    };
                    if *pattern == 0 { none.clone() } else { rules.decide(t, &holds) }
                })
                .collect();
            let place = found.forks.len();
            found.forks.push(Fork { indicators, patterns });
            found.steps.entry(t).or_default().add(place, &decisions);
        }
    }
    Ok(found)
}

impl Overlay {
    fn add(&mut self, fork: usize, decisions: &[Decision]) {
        let units: BTreeSet<Unit> = decisions.iter().flat_map(|d| d.resolved.keys().copied()).collect();
        for unit in units {
            let sets: Vec<Option<DeviceSet>> =
                decisions.iter().map(|d| d.resolved.get(&unit).cloned()).collect();
            if sets.windows(2).any(|pair| matches!(pair, [a, b] if a != b)) {
                self.sets.push((fork, unit, sets));
            }
        }
        let in_force = |d: &Decision| -> Vec<Outcome> {
            d.outcomes.iter().filter(|o| o.status == Status::InForce).cloned().collect()
        };
        self.outcomes.extend(partial(fork, decisions, in_force));
        self.preferences.extend(partial(fork, decisions, |d| d.preferences.clone()));
        self.totals.extend(partial(fork, decisions, |d| d.totals_in_force().cloned().collect()));
        self.origins.extend(partial(fork, decisions, |d| d.origins.clone()));
    }
}

/// What stands in some of the decisions and not in all.
fn partial<T: PartialEq>(
    fork: usize,
    decisions: &[Decision],
    of: impl Fn(&Decision) -> Vec<T>,
) -> Vec<(T, When)> {
    let mut found: Vec<(T, When)> = Vec::new();
    for (place, decision) in decisions.iter().enumerate() {
        for item in of(decision) {
            let at = match found.iter().position(|(known, _)| *known == item) {
                Some(at) => at,
                None => {
                    found.push((item, When { fork, mask: vec![false; decisions.len()] }));
                    found.len() - 1
                }
            };
            if let Some(slot) = found.get_mut(at).and_then(|(_, when)| when.mask.get_mut(place)) {
                *slot = true;
            }
        }
    }
    found.retain(|(_, when)| when.mask.contains(&false));
    found
}

/// Devices that something ties together: totals, and the machines of a zone.
fn links(site: &Site) -> Vec<Vec<MemberRange>> {
    let mut found: Vec<Vec<MemberRange>> = Vec::new();
    for effect in site.rules.iter().flat_map(|rule| &rule.effects) {
        if matches!(effect.kind, EffectKind::Bound { share: Share::Together, .. }) {
            found.push(site.target_members(&effect.target));
        }
    }
    found.extend(site.zones.iter().map(|zone| site.machines(zone.id).collect()));
    found
}

fn overlap(a: &[MemberRange], b: &[MemberRange]) -> bool {
    a.iter().any(|x| b.iter().any(|y| x.family == y.family && x.first <= y.last && y.first <= x.last))
}

/// Open instances that touch the same things, each cluster in their order.
fn clusters(
    site: &Site,
    links: &[Vec<MemberRange>],
    open: &[(Instance, usize)],
) -> Vec<Vec<(Instance, usize)>> {
    let touched: Vec<(Vec<MemberRange>, Vec<ZoneId>)> = (open.iter())
        .map(|(instance, _)| {
            let effects = site.rule(instance.rule).map(|r| r.effects.as_slice()).unwrap_or_default();
            let mut ranges: Vec<MemberRange> =
                effects.iter().flat_map(|e| moved(site, e, instance.member)).collect();
            let linked: Vec<MemberRange> =
                links.iter().filter(|link| overlap(link, &ranges)).flatten().copied().collect();
            ranges.extend(linked);
            let zones = effects.iter().filter_map(|e| match &e.target {
                Target::Zone(zone) => Some(*zone),
                _ => None,
            });
            (ranges, zones.collect())
        })
        .collect();
    let mut group: Vec<usize> = (0..open.len()).collect();
    for (i, (ranges, zones)) in touched.iter().enumerate() {
        for (k, (others, their)) in touched.iter().enumerate().skip(i + 1) {
            if overlap(ranges, others) || zones.iter().any(|zone| their.contains(zone)) {
                let (keep, gone) = (group.get(i).copied(), group.get(k).copied());
                if let (Some(keep), Some(gone)) = (keep, gone) {
                    group.iter_mut().filter(|g| **g == gone).for_each(|g| *g = keep);
                }
            }
        }
    }
    let mut by: BTreeMap<usize, Vec<(Instance, usize)>> = BTreeMap::new();
    for (g, of) in group.into_iter().zip(open) {
        by.entry(g).or_default().push(*of);
    }
    by.into_values().collect()
}

fn too_many(site: &Site, cluster: &[(Instance, usize)]) -> Diagnostics {
    let mut rules = cluster.iter().filter_map(|(instance, _)| site.rule(instance.rule));
    let Some(first) = rules.next() else { return Diagnostics::new() };
    let mut finding = Diagnostic::error(
        codes::NOT_PLANNED_YET,
        first.when_span,
        format!(
            "understood, not planned yet: more than {MEETING} rules on the same devices whose guards the plan decides"
        ),
    );
    let mut seen = BTreeSet::from([first.id]);
    for rule in rules {
        if seen.insert(rule.id) {
            finding = finding.label(rule.when_span, format!("rule `{}` is one of them", rule.name));
        }
    }
    std::iter::once(finding).collect()
}
