//! What a guarded statement means besides its words (semantics.md 20): which devices it speaks of by their
//! tags, kinds, arrays and zones, which serials and holidays its lists hold, and how what it reads is declared.
//! A change of these is a change of it.

use std::collections::{BTreeMap, BTreeSet};

use super::group::{Indices, normal, without};
use super::guarded::{Changes, EMERGENCY, FIRST_CLASS, Found, GROUP, Key, SCHEDULE, line, told};
use super::reads::{self, Declared, Fact};
use crate::diag::{Diagnostic, SourceMap, Span};
use crate::ir::{
    AdmissionCondition, Attr, Days, EffectKind, GroupId, Guard, Lin, MemberRange, ObligationWindow,
    PermitTarget, PrincipalKind, Rule, SAFETY, Sched, SigRef, SignalId, SignalSource, Site, Tag, Target,
    ZoneId,
};
use crate::repo::LoadedProfile;

/// Differences of one sort that are named; the others are counted.
const MOST_NAMED: usize = 5;

/// What one statement rests on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Rests {
    /// Indices by the declaration's name and whether it is an array.
    devices: BTreeMap<(String, bool), Indices>,
    serials: BTreeSet<String>,
    holidays: BTreeSet<String>,
    /// What is declared of the signals that it reads, by their names.
    reads: BTreeMap<String, BTreeSet<Fact>>,
}

/// A policy as it was compiled.
#[derive(Debug, Clone, Copy)]
pub struct Compiled<'c> {
    /// What it says.
    pub site: &'c Site,
    /// Its texts.
    pub sources: &'c SourceMap,
    /// The profiles of its devices, by name.
    pub profiles: &'c BTreeMap<String, LoadedProfile>,
}

/// The guarded statements of one revision, compiled.
#[derive(Debug, Default)]
struct Meanings {
    by: BTreeMap<Key, Rests>,
    /// Places of those that no file of the repository holds: of the library's modules.
    elsewhere: BTreeMap<Key, Span>,
    /// Rules that are left out of a policy with errors, for they have some or rest on what has.
    left_out: BTreeSet<Key>,
}

/// Every guarded statement that reads as at the revision and means something else.
#[must_use]
pub fn changes(
    revision: &str,
    listed: &Changes,
    old: Option<Compiled<'_>>,
    new: Compiled<'_>,
) -> Vec<Diagnostic> {
    let Some(old) = old else { return Vec::new() };
    let (before, after) = (meanings(old, &listed.before), meanings(new, &listed.after));
    let mut found = Vec::new();
    // of what has errors these are told, and nobody knows what it will mean
    for (key, means) in after.by.iter().filter(|(key, _)| !after.left_out.contains(*key)) {
        let (span, shown) = match (listed.before.get(key), listed.after.get(key)) {
            (Some(old), Some(new)) if old.text == new.text => (new.span, line(&new.text)),
            (None, None) if before.by.contains_key(key) => {
                let Some(span) = after.elsewhere.get(key) else { continue };
                (*span, key.1.clone())
            }
            // what is new, or reads otherwise, is listed for that
            _ => continue,
        };
        // one that could not be compiled there meant nothing
        let meant = before.by.get(key).filter(|_| !before.left_out.contains(key));
        let read = readings(meant.map(|meant| &meant.reads), &means.reads);
        let meant = meant.cloned().unwrap_or_default();
        let what = key.0;
        let because = [
            ("speaks of other devices than", members(&meant.devices, &means.devices)),
            ("lists other serials than", beyond(&meant.serials, &means.serials, quoted)),
            ("keeps other holidays than", beyond(&meant.holidays, &means.holidays, quoted)),
            ("reads otherwise than", read),
        ];
        for (how, differences) in because {
            if let Some(differences) = differences {
                let finding = told(span, format!("{what} {how} in `{revision}`: `{shown}`"));
                found.push(finding.because(differences));
            }
        }
    }
    found.extend(belongings(revision, old.site, new.site));
    found
}

/// The tenants and vendors to whom other devices belong: what is theirs they may ration.
fn belongings(revision: &str, old: &Site, new: &Site) -> Vec<Diagnostic> {
    let granted = |site: &Site, name: &str| {
        let mut all = site.principals.iter();
        all.any(|who| who.name == name && matches!(who.kind, PrincipalKind::Tenant | PrincipalKind::Vendor))
    };
    let of = |site: &Site, name: &str| {
        let own = |tag: &Tag| matches!(tag, Tag::Text(owner) if owner == name);
        let families = site.families.iter().filter(|family| family.tags.get("tenant").is_some_and(own));
        by_name(site, families.map(crate::ir::Family::all).collect())
    };
    let both = new.principals.iter().filter(|who| granted(new, &who.name) && granted(old, &who.name));
    let listed = both.filter_map(|who| {
        let differences = members(&of(old, &who.name), &of(new, &who.name))?;
        let message =
            format!("other devices belong to tenant `{}` by their tags than in `{revision}`", who.name);
        Some(told(who.span, message).because(differences))
    });
    listed.collect()
}

/// Ranges of devices by the names of their declarations.
fn by_name(site: &Site, ranges: Vec<MemberRange>) -> BTreeMap<(String, bool), Indices> {
    let mut found: BTreeMap<(String, bool), Indices> = BTreeMap::new();
    for range in normal(ranges) {
        if let Some(family) = site.family(range.family) {
            let key = (family.name.clone(), family.count.is_some());
            found.entry(key).or_default().push((range.first, range.last));
        }
    }
    found
}

/// In words which devices are spoken of no more, and which now; `None` where they are the same.
fn members(
    old: &BTreeMap<(String, bool), Indices>,
    new: &BTreeMap<(String, bool), Indices>,
) -> Option<String> {
    let beyond = |these: &BTreeMap<(String, bool), Indices>, those: &BTreeMap<(String, bool), Indices>| {
        let mut found = Vec::new();
        for (key, indices) in these {
            let rest = without(indices, those.get(key).unwrap_or(&Vec::new()));
            found.extend(rest.into_iter().map(|(first, last)| match key {
                (name, false) => format!("`{name}`"),
                (name, true) if first == last => format!("`{name}[{first}]`"),
                (name, true) => format!("`{name}[{first}..{last}]`"),
            }));
        }
        found
    };
    differences(&beyond(old, new), &beyond(new, old))
}

/// The same of what a statement lists or reads.
fn beyond<T: Ord>(old: &BTreeSet<T>, new: &BTreeSet<T>, shown: fn(&T) -> String) -> Option<String> {
    let beyond = |these: &BTreeSet<T>, those: &BTreeSet<T>| -> Vec<String> {
        these.difference(those).map(shown).collect()
    };
    differences(&beyond(old, new), &beyond(new, old))
}

/// The same of how what it reads is declared. The words being the same, other signals are read only where
/// other devices are spoken of, which is told as that; but where it `meant` nothing, all are new.
fn readings(
    meant: Option<&BTreeMap<String, BTreeSet<Fact>>>,
    means: &BTreeMap<String, BTreeSet<Fact>>,
) -> Option<String> {
    let facts = |of: &BTreeMap<String, BTreeSet<Fact>>, beside: Option<&BTreeMap<String, BTreeSet<Fact>>>| {
        let counted = of.iter().filter(|(name, _)| beside.is_none_or(|beside| beside.contains_key(*name)));
        counted.flat_map(|(_, facts)| facts.iter().cloned()).collect::<BTreeSet<_>>()
    };
    let old = meant.map(|meant| facts(meant, Some(means))).unwrap_or_default();
    beyond(&old, &facts(means, meant), |fact| fact.shown.clone())
}

fn quoted(word: &String) -> String {
    format!("`{word}`")
}

fn differences(gone: &[String], fresh: &[String]) -> Option<String> {
    let some = |words: &[String], how: &str| {
        let mut text: Vec<String> = words.iter().take(MOST_NAMED).cloned().collect();
        if words.len() > MOST_NAMED {
            text.push(format!("{} more", words.len() - MOST_NAMED));
        }
        format!("{} {how}", text.join(", "))
    };
    match (gone, fresh) {
        ([], []) => None,
        (gone, []) => Some(some(gone, "no more")),
        ([], fresh) => Some(some(fresh, "now")),
        (gone, fresh) => Some(format!("{}, {}", some(gone, "no more"), some(fresh, "now"))),
    }
}

/// What every guarded statement rests on.
fn meanings(compiled: Compiled<'_>, found: &Found) -> Meanings {
    let Compiled { site, sources, profiles } = compiled;
    let declared = Declared { site, profiles };
    let starts = found.iter().map(|(key, guarded)| {
        let place = (guarded.path.as_str(), guarded.span.start);
        (place, (key, guarded.span.end))
    });
    let places = Places { sources, found, starts: starts.collect() };
    let mut all = Meanings::default();
    let mut put = |key: Option<&Key>, reach: Reach| {
        let Some(key) = key else { return };
        let rests = all.by.entry(key.clone()).or_default();
        for (device, mut indices) in by_name(site, reach.members) {
            let known = rests.devices.entry(device).or_default();
            // two instances of a module's rule are one statement
            known.append(&mut indices);
            *known = super::group::union(std::mem::take(known));
        }
        rests.serials.extend(reach.serials);
        for id in reach.signals {
            let name = site.signal(id).map(|signal| signal.name.clone()).unwrap_or_default();
            rests.reads.entry(name).or_default().extend(reads::facts(declared, id));
        }
        if reach.holidays {
            rests.holidays.extend(site.holidays.iter().map(ToString::to_string));
        }
    };
    let reach = || Reach::new(site, &places);
    for permit in &site.permits {
        let mut reach = reach();
        if let PermitTarget::Target(target) = &permit.target {
            reach.target(target);
        }
        reach.sched(&permit.during);
        put(places.at(permit.span), reach);
    }
    for assumption in &site.assumptions {
        let mut reach = reach();
        reach.guard(&assumption.guard);
        reach.sched(&assumption.during);
        put(places.at(assumption.span), reach);
    }
    for admission in &site.admissions {
        let mut reach = reach();
        for condition in &admission.conditions {
            if let AdmissionCondition::SerialIn(serials) = condition {
                reach.serials.extend(serials.iter().cloned());
            }
        }
        put(places.at(admission.span), reach);
    }
    for budget in site.budgets.iter().filter(|budget| budget.class == SAFETY) {
        let mut reach = reach();
        reach.target(&budget.scope);
        reach.sched(&budget.during);
        put(places.at(budget.span), reach);
    }
    for group in &site.groups {
        let mut reach = reach();
        reach.members.clone_from(&group.members);
        put(places.named(GROUP, &group.name, group.span), reach);
    }
    for schedule in &site.schedules {
        let mut reach = reach();
        reach.sched(&schedule.sched);
        put(places.named(SCHEDULE, &schedule.name, schedule.span), reach);
    }
    if let Some(emergency) = &site.emergency {
        let mut reach = reach();
        reach.guard(emergency);
        put(found.keys().find(|(what, _)| *what == EMERGENCY), reach);
    }
    let (mut elsewhere, mut left_out) = (BTreeMap::new(), BTreeSet::new());
    for rule in site.rules.iter().filter(|rule| rule.class == SAFETY) {
        let mut reach = reach();
        reach.rule(rule);
        let found = places.at(rule.span);
        let key = found.cloned().unwrap_or_else(|| (FIRST_CLASS, rule.name.clone()));
        put(Some(&key), reach);
        if found.is_none() {
            elsewhere.insert(key.clone(), rule.span);
        }
        if rule.effects.is_empty() {
            left_out.insert(key);
        }
    }
    Meanings { elsewhere, left_out, ..all }
}

/// Where guarded statements stand.
struct Places<'p> {
    sources: &'p SourceMap,
    found: &'p Found,
    /// Path and start of each, with its end.
    starts: BTreeMap<(&'p str, u32), (&'p Key, u32)>,
}

impl<'p> Places<'p> {
    /// The guarded statement that holds a place.
    fn at(&self, span: Span) -> Option<&'p Key> {
        let path = self.sources.path(span.source);
        let ((found, _), (key, end)) = self.starts.range(..=(path, span.start)).next_back()?;
        (*found == path && span.end <= *end).then_some(*key)
    }

    /// The group or schedule of this name that is declared at a place.
    fn named(&self, what: &'static str, name: &str, span: Span) -> Option<&'p Key> {
        self.at(span).filter(|key| key.0 == what && key.1 == name && self.found.contains_key(*key))
    }
}

/// What a statement reaches by itself; what it names is looked at where it is declared.
struct Reach<'r> {
    site: &'r Site,
    places: &'r Places<'r>,
    members: Vec<MemberRange>,
    serials: BTreeSet<String>,
    holidays: bool,
    signals: BTreeSet<SignalId>,
    /// The groups whose member `for each` and quantifiers bind, innermost last.
    bound: Vec<GroupId>,
}

impl<'r> Reach<'r> {
    fn new(site: &'r Site, places: &'r Places<'r>) -> Self {
        Self {
            site,
            places,
            members: Vec::new(),
            serials: BTreeSet::new(),
            holidays: false,
            signals: BTreeSet::new(),
            bound: Vec::new(),
        }
    }

    fn group(&mut self, id: GroupId) {
        let Some(group) = self.site.group(id) else { return };
        if self.places.named(GROUP, &group.name, group.span).is_none() {
            self.members.extend(&group.members);
        }
    }

    fn target(&mut self, target: &Target) {
        match target {
            Target::Members(members) => self.members.extend(members),
            Target::Group(group) => self.group(*group),
            Target::Zone(zone) => {
                self.thermostats(*zone);
                self.members.extend(self.site.machines(*zone));
            }
            // the member is one of the group of `for each`
            Target::Bound | Target::Site => {}
        }
    }

    /// What tells the temperature of a zone, and holds its setpoint.
    fn thermostats(&mut self, zone: ZoneId) {
        let site = self.site;
        let holders = site.zone(zone).into_iter().flat_map(|zone| &zone.thermostats);
        self.members.extend(holders.filter_map(|id| site.family(*id)).map(crate::ir::Family::all));
    }

    fn signal(&mut self, id: SignalId) {
        match self.site.signal(id).map(|signal| &signal.source) {
            Some(SignalSource::Aggregate { of, .. }) => return self.signal(*of),
            Some(SignalSource::ZoneState(zone, _)) => self.thermostats(*zone),
            _ => {}
        }
        self.signals.insert(id);
    }

    /// An attribute of each member of a group.
    fn of_members(&mut self, group: GroupId, attr: &Attr) {
        let site = self.site;
        let members = site.group(group).into_iter().flat_map(|group| &group.members);
        members.filter_map(|range| site.measured(range.family, attr)).for_each(|id| self.signal(id));
    }

    fn reference(&mut self, reference: &SigRef) {
        match reference {
            SigRef::Only(id) | SigRef::Member(id, _) => self.signal(*id),
            SigRef::Bound(attr) => {
                if let Some(group) = self.bound.last() {
                    self.of_members(*group, attr);
                }
            }
        }
    }

    fn amount(&mut self, amount: &Lin) {
        amount.terms.iter().for_each(|(_, reference)| self.reference(reference));
        for (_, term) in &amount.sums {
            self.group(term.group);
            self.of_members(term.group, &term.attr);
        }
    }

    fn guard(&mut self, guard: &Guard) {
        match guard {
            Guard::Not(inner) | Guard::Held(_, inner) => self.guard(inner),
            Guard::All(parts) | Guard::Any(parts) => parts.iter().for_each(|part| self.guard(part)),
            Guard::Compare { lin, .. } => self.amount(lin),
            Guard::During(sched) => self.sched(sched),
            Guard::Quantified { group, body, .. } => {
                self.group(*group);
                self.bound.push(*group);
                self.guard(body);
                self.bound.pop();
            }
            Guard::Is(reference) | Guard::Equals(reference, _) => self.reference(reference),
            Guard::Const(_) | Guard::Emergency => {}
        }
    }

    fn sched(&mut self, sched: &Sched) {
        match sched {
            Sched::Days(days) | Sched::Window { days, .. } => self.holidays |= *days == Days::Holidays,
            Sched::And(parts) | Sched::Or(parts) => parts.iter().for_each(|part| self.sched(part)),
            Sched::Except(of, without) => {
                self.sched(of);
                self.sched(without);
            }
            Sched::Not(inner) => self.sched(inner),
            Sched::Always | Sched::Dated(..) | Sched::Named(_) => {}
        }
    }

    fn rule(&mut self, rule: &Rule) {
        rule.for_each.into_iter().for_each(|group| self.group(group));
        self.bound.extend(rule.for_each);
        self.guard(&rule.when);
        rule.until.iter().for_each(|until| self.guard(until));
        for effect in &rule.effects {
            self.target(&effect.target);
            effect.kind.amounts().for_each(|amount| self.amount(amount));
            match &effect.kind {
                EffectKind::Supply { from, .. } => self.members.extend(from),
                EffectKind::Deliver { window: ObligationWindow::Recurring(sched), .. }
                | EffectKind::Run { window: ObligationWindow::Recurring(sched), .. } => self.sched(sched),
                _ => {}
            }
        }
    }
}
