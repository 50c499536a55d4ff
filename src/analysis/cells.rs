//! Cells: runs of members of one array that no statement tells apart. Questions are asked once a
//! cell, of its first member, never once a member.

use std::collections::{BTreeMap, BTreeSet};

use crate::ir::{
    Device, EffectKind, ExpectWhat, FamilyId, GivenWhat, Guard, Lin, MemberRange, PermitTarget, Share,
    SigRef, SignalSource, Site, Target,
};

/// The cells of a site.
#[derive(Debug)]
pub(crate) struct Cells {
    /// First members, by family, sorted.
    starts: BTreeMap<FamilyId, Vec<u32>>,
    lens: BTreeMap<FamilyId, u32>,
    coarse: BTreeSet<FamilyId>,
}

/// Most members of an array that are taken one by one.
const MAX_SINGLE: u32 = 64;

impl Cells {
    /// Cuts every family wherever a statement begins or ends to speak of its members.
    pub(crate) fn of(site: &Site) -> Self {
        let mut cuts = Cuts { site, starts: BTreeMap::new() };
        for family in &site.families {
            cuts.starts.entry(family.id).or_default().insert(1);
        }
        for group in &site.groups {
            cuts.ranges(&group.members);
        }
        for rule in &site.rules {
            cuts.guard(&rule.when);
            rule.until.iter().for_each(|guard| cuts.guard(guard));
            for effect in &rule.effects {
                cuts.target(&effect.target);
                match &effect.kind {
                    EffectKind::Bound { lo, hi, .. } => {
                        lo.iter().chain(hi.iter()).for_each(|lin| cuts.lin(lin));
                    }
                    EffectKind::Supply { from, .. } => cuts.ranges(from),
                    EffectKind::Deliver { energy, .. } => cuts.lin(energy),
                    EffectKind::Follow { target, .. } => cuts.lin(target),
                    _ => {}
                }
            }
        }
        site.emergency.iter().for_each(|guard| cuts.guard(guard));
        site.assumptions.iter().for_each(|assumption| cuts.guard(&assumption.guard));
        for permit in &site.permits {
            if let PermitTarget::Target(target) = &permit.target {
                cuts.target(target);
            }
        }
        site.budgets.iter().for_each(|budget| cuts.target(&budget.scope));
        for given in site.tests.iter().flat_map(|test| &test.given) {
            if let GivenWhat::Signal(of, _) | GivenWhat::Between(of, ..) | GivenWhat::Known(of, _) =
                &given.what
            {
                cuts.reference(of);
            }
        }
        for expect in site.tests.iter().flat_map(|test| &test.expect) {
            if let ExpectWhat::Within { target, .. }
            | ExpectWhat::Switch(target, _)
            | ExpectWhat::Connect(target, _) = &expect.what
            {
                cuts.target(target);
            }
        }
        let coarse = cuts.singles();
        let lens = site.families.iter().map(|f| (f.id, f.len())).collect();
        let starts = cuts.starts.into_iter().map(|(f, s)| (f, s.into_iter().collect())).collect();
        Self { starts, lens, coarse }
    }

    /// Members of the family count in a total and have rules of their own, and are too many to be
    /// taken one by one.
    pub(crate) fn are_coarse(&self, family: FamilyId) -> bool {
        self.coarse.contains(&family)
    }

    /// The cells of one family: first member and number of members.
    pub(crate) fn of_family(&self, family: FamilyId) -> Vec<(Device, u32)> {
        self.of_range(MemberRange { family, first: 1, last: self.lens.get(&family).copied().unwrap_or(0) })
    }

    /// The cells inside a range that statements speak of.
    pub(crate) fn of_range(&self, range: MemberRange) -> Vec<(Device, u32)> {
        let len = self.lens.get(&range.family).copied().unwrap_or(0);
        let last = range.last.min(len);
        let Some(starts) = self.starts.get(&range.family) else { return Vec::new() };
        let from = starts.partition_point(|start| *start < range.first);
        let mut cells = Vec::new();
        for (i, start) in starts.iter().enumerate().skip(from) {
            if *start > last {
                break;
            }
            let end = starts.get(i + 1).map_or(len, |next| next - 1).min(last);
            cells.push((Device { family: range.family, index: *start }, end - start + 1));
        }
        cells
    }

    /// The cells of several ranges.
    pub(crate) fn of_ranges(&self, ranges: &[MemberRange]) -> Vec<(Device, u32)> {
        ranges.iter().flat_map(|range| self.of_range(*range)).collect()
    }
}

struct Cuts<'a> {
    site: &'a Site,
    starts: BTreeMap<FamilyId, BTreeSet<u32>>,
}

impl Cuts<'_> {
    fn range(&mut self, range: MemberRange) {
        let len = self.site.family(range.family).map_or(0, crate::ir::Family::len);
        let starts = self.starts.entry(range.family).or_default();
        for start in [range.first, range.last.saturating_add(1)] {
            if (1..=len).contains(&start) {
                starts.insert(start);
            }
        }
    }

    /// Takes members one by one where they count in a total and a rule speaks `for each` of them:
    /// each may then add something else. Returns the families with too many.
    fn singles(&mut self) -> BTreeSet<FamilyId> {
        let site = self.site;
        let mut counted: BTreeSet<FamilyId> = BTreeSet::new();
        for effect in site.rules.iter().flat_map(|rule| &rule.effects) {
            if let EffectKind::Bound { share: Share::Together, .. } = &effect.kind {
                counted.extend(site.target_members(&effect.target).iter().map(|range| range.family));
            }
        }
        let mut coarse = BTreeSet::new();
        let groups = site.rules.iter().filter_map(|rule| rule.for_each).filter_map(|group| site.group(group));
        let ranges: Vec<MemberRange> = groups.flat_map(|group| group.members.iter().copied()).collect();
        for range in ranges.into_iter().filter(|range| counted.contains(&range.family)) {
            if range.last.saturating_sub(range.first) >= MAX_SINGLE {
                coarse.insert(range.family);
                continue;
            }
            for index in range.first..=range.last {
                self.range(MemberRange { first: index, last: index, ..range });
            }
        }
        coarse
    }

    fn ranges(&mut self, ranges: &[MemberRange]) {
        ranges.iter().for_each(|range| self.range(*range));
    }

    fn target(&mut self, target: &Target) {
        if let Target::Members(ranges) = target {
            self.ranges(ranges);
        }
    }

    fn reference(&mut self, of: &SigRef) {
        if let SigRef::Member(signal, member) = of
            && let Some(signal) = self.site.signal(*signal)
            && let SignalSource::Sensor(family, _) | SignalSource::Measured(family, _) = &signal.source
        {
            self.range(MemberRange { family: *family, first: *member, last: *member });
        }
    }

    fn lin(&mut self, lin: &Lin) {
        lin.terms.iter().for_each(|(_, of)| self.reference(of));
    }

    fn guard(&mut self, guard: &Guard) {
        match guard {
            Guard::Not(inner) | Guard::Held(_, inner) => self.guard(inner),
            Guard::All(parts) | Guard::Any(parts) => parts.iter().for_each(|part| self.guard(part)),
            Guard::Compare { lin, .. } => self.lin(lin),
            Guard::Is(of) | Guard::Equals(of, _) => self.reference(of),
            Guard::Quantified { body, .. } => self.guard(body),
            Guard::Const(_) | Guard::During(_) | Guard::Emergency => {}
        }
    }
}
