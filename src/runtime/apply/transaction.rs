//! Phases 6 to 11: the writes in waves, what came of them, the way back, and what stands.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use tokio::task::JoinSet;

use super::Run;
use crate::calendar::Instant;
use crate::diag::registry::{Class, class};
use crate::diag::{Diagnostic, ExitCode, Severity, codes};
use crate::runtime::change::Change;
use crate::runtime::claim::{Claim, Powers};
use crate::runtime::endpoint::{Endpoint, Priority};
use crate::runtime::execute::{Cause, Done, GAVE_WAY, NOT_BEGUN, Work, write};
use crate::runtime::journal::{DeviceChange, Outcome, Record, Standing};
use crate::runtime::order::{Move, Way};
use crate::runtime::probe::{Ready, Subject};
use crate::runtime::report::Report;
use crate::runtime::undo::undo;

impl Run<'_> {
    fn at(&self) -> Instant {
        // steps and leases are timed monotonically from the instant that was trusted at the start
        let passed = self.base.system.monotonic().saturating_sub(self.base.started).as_secs();
        self.now.plus(i64::try_from(passed).unwrap_or(i64::MAX))
    }

    /// Works of some changes, by gateway.
    fn works(&self, changes: &[&Change]) -> BTreeMap<String, Vec<Work>> {
        let mut works: BTreeMap<String, Vec<Work>> = BTreeMap::new();
        for change in changes {
            let (Some(subject), Some(ready)) = (self.subject(&change.device), self.ready.get(&change.device))
            else {
                continue;
            };
            works.entry(change.gateway.clone()).or_default().extend(Work::of(subject, ready, change));
        }
        works.retain(|_, works| !works.is_empty());
        works
    }

    /// Writes gateways side by side, with intent before and result after in the journal.
    async fn write_wave(
        &mut self,
        works: BTreeMap<String, Vec<Work>>,
        report: &mut Report,
    ) -> Result<BTreeMap<String, BTreeMap<String, Done>>, Box<Diagnostic>> {
        let intents = works
            .iter()
            .map(|(gateway, works)| Record::Intent {
                gateway: gateway.clone(),
                devices: works.iter().map(|work| work.change.clone()).collect(),
            })
            .collect();
        self.journal.begin(self.at(), intents).map_err(Box::new)?;
        let mut tasks = JoinSet::new();
        let mut expected: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (gateway, works) in works {
            let names = works.iter().map(|work| work.subject.name.clone()).collect();
            expected.insert(gateway.clone(), names);
            tasks.spawn(async move { (gateway, write(works, Priority::Ordinary).await) });
        }
        let mut all: BTreeMap<String, BTreeMap<String, Done>> = BTreeMap::new();
        while let Some(result) = tasks.join_next().await {
            if let Ok((gateway, done)) = result {
                all.insert(gateway, done);
            }
        }
        for (gateway, names) in expected {
            let done = all.entry(gateway).or_default();
            for name in names {
                done.entry(name)
                    .or_insert_with(|| Done::new(Outcome::Unknown, "the session ended unexpectedly"));
            }
        }
        let records = all.iter().map(|(gateway, done)| result_record(gateway, done)).collect();
        self.record(records, report);
        for done in all.values() {
            tell(done, report);
        }
        Ok(all)
    }

    /// Appends records after frames were sent: a failing journal no longer stops anything.
    fn record(&mut self, records: Vec<Record>, report: &mut Report) {
        if let Err(fault) = self.journal.append(self.at(), records) {
            report.findings.push(fault);
        }
    }

    pub(super) async fn execute(mut self, mut report: Report) -> Report {
        let live = self.base.live;
        let writes = self.changes.iter().any(Change::writes);
        if self.base.stop.asked() {
            return report.refused(interrupted(false));
        }
        if let Err(fault) = self.journal.begin(self.at(), vec![self.begin.clone()]) {
            return report.refused(fault);
        }
        let unknown = self.lost || live.failed;
        let mut tally = Tally { unknown, kept: !live.wrote.is_empty(), ..Tally::default() };
        self.write_waves(&mut report, &mut tally).await;
        self.commit(&mut report, &mut tally);
        let exit = tally.exit(!report.excluded.is_empty() || live.unmet);
        report.exit = exit.number();
        if !writes {
            report.note(match report.excluded.is_empty() {
                true => "nothing to write: every device already holds its command",
                false => "nothing to write: every device that takes part already holds its command",
            });
        }
        if matches!(exit, ExitCode::Undone | ExitCode::Partial | ExitCode::Unknown)
            && (tally.unknown || !tally.undone.is_empty())
        {
            report.safe_command = Some("evl release --all".to_owned());
        }
        self.record(vec![Record::End { exit: exit.number() }], &mut report);
        report
    }

    fn subject(&self, name: &str) -> Option<&Subject> {
        self.base.field.subjects.iter().find(|subject| subject.name == name)
    }

    async fn write_waves(&mut self, report: &mut Report, tally: &mut Tally) {
        let mut state = self.found.clone();
        let mut waves: VecDeque<Vec<usize>> = std::mem::take(&mut self.waves).into();
        let mut touched: Vec<Vec<usize>> = Vec::new();
        while let Some(wave) = waves.pop_front() {
            if self.base.stop.asked() {
                report.findings.push(interrupted(!touched.is_empty()));
                tally.refused = true;
                if !touched.is_empty() {
                    let begun = touched.iter().flatten().filter_map(|index| self.changes.get(*index));
                    let all: BTreeSet<String> = begun.map(|change| change.gateway.clone()).collect();
                    self.undo_gateways(&all, &touched, report, tally).await;
                }
                return;
            }
            let moves: Vec<Move> = wave.iter().filter_map(|index| self.moves.get(*index)).cloned().collect();
            let indices: Vec<usize> = moves.iter().map(|m| m.change).collect();
            let changes: Vec<Change> =
                indices.iter().filter_map(|index| self.changes.get(*index)).cloned().collect();
            let works = self.works(&changes.iter().collect::<Vec<_>>());
            let result = self.write_wave(works, report).await;
            for all in result.iter().flat_map(BTreeMap::values) {
                indices.iter().for_each(|index| self.hold(*index, all));
            }
            let failed: BTreeSet<String> = match &result {
                Ok(all) => {
                    let good = |change: &Change| {
                        let done = all.get(&change.gateway).and_then(|done| done.get(&change.device));
                        done.is_some_and(|done| done.outcome == Outcome::Done)
                    };
                    let done = indices.iter().zip(&changes).filter(|(_, change)| good(change));
                    tally.done.extend(done.map(|(index, _)| *index));
                    let idle = indices.iter().zip(&changes).filter(|(_, change)| {
                        let done = all.get(&change.gateway).and_then(|done| done.get(&change.device));
                        done.is_some_and(|done| done.cause == Cause::NotBegun)
                    });
                    tally.idle.extend(idle.map(|(index, _)| *index));
                    touched.push(indices);
                    let bad = changes.iter().filter(|change| !good(change));
                    bad.map(|change| change.gateway.clone()).collect()
                }
                Err(fault) => {
                    tally.refused = true;
                    tally.failure = class(fault.code) == Class::Failure;
                    report.findings.push((**fault).clone());
                    if touched.is_empty() {
                        return;
                    }
                    BTreeSet::new()
                }
            };
            for m in &moves {
                state.extend(m.done());
            }
            if failed.is_empty() && result.is_ok() {
                continue;
            }
            self.name_failures(&result, report);
            let group = self.together(failed);
            if self.may_go_alone(&state, &group) && result.is_ok() {
                self.undo_gateways(&group, &touched, report, tally).await;
                for (name, before) in self.befores(&group) {
                    state.insert(name, before);
                }
                waves = self.rest(&waves, &state, &group, report);
            } else {
                report.note(match &result {
                    Ok(_) => "what was written is undone as a whole: no limit allows less",
                    Err(_) => "what was written is undone as a whole, because nothing more can be recorded",
                });
                let begun = touched.iter().flatten().filter_map(|index| self.changes.get(*index));
                let all: BTreeSet<String> = begun.map(|change| change.gateway.clone()).chain(group).collect();
                self.undo_gateways(&all, &touched, report, tally).await;
                return;
            }
        }
    }

    /// What a device made of what was written is known as ours: an undo brings it back, and it is what
    /// stands where it is near enough.
    fn hold(&mut self, index: usize, all: &BTreeMap<String, Done>) {
        let Some(change) = self.changes.get_mut(index) else { return };
        let Some(done) = all.get(&change.device) else { return };
        for cell in change.writing.iter_mut().flat_map(|part| &mut part.cells) {
            cell.via.extend(done.held.get(&cell.point));
        }
        done.stands(&mut change.standing);
    }

    /// Where the devices of some gateways stood before anything was written.
    fn befores(&self, group: &BTreeSet<String>) -> BTreeMap<String, Claim> {
        let mine = self.changes.iter().filter(|change| group.contains(&change.gateway));
        let powered = mine.flat_map(|change| change.step.legs.iter().map(|leg| &leg.device));
        powered.filter_map(|device| Some((device.clone(), self.found.get(device)?.clone()))).collect()
    }

    fn name_failures(
        &self,
        result: &Result<BTreeMap<String, BTreeMap<String, Done>>, Box<Diagnostic>>,
        report: &mut Report,
    ) {
        for (gateway, all) in result.iter().flatten() {
            for (name, done) in all {
                match (done.cause, done.outcome) {
                    // the lines of the devices say so, and the one that failed is named
                    (Cause::Other | Cause::NotBegun, _) => {}
                    (Cause::Silence, _) => self.silent(gateway, name, done, report),
                    (_, Outcome::Unknown) => {
                        report.find(codes::STATE_UNKNOWN, format!("`{name}`: {}", done.words));
                    }
                    (_, Outcome::Failed) => {
                        report.find(codes::NOT_IN_EFFECT, format!("`{name}`: {}", done.words));
                    }
                    (_, Outcome::Done | Outcome::Undone | Outcome::Left) => {}
                }
            }
        }
    }

    fn silent(&self, gateway: &str, device: &str, done: &Done, report: &mut Report) {
        let place = self.base.field.endpoints.get(gateway).map_or("", Endpoint::place);
        let how = done.words.strip_prefix("no answer: ").unwrap_or(&done.words);
        let why = format!("at {place} does not answer any more: {how}");
        report.silences.unknown(gateway, &why, device);
    }

    /// The gateways that are undone with these.
    fn together(&self, mut group: BTreeSet<String>) -> BTreeSet<String> {
        let site = &self.base.papers.bundle.site;
        for gateway in &site.gateways {
            let set: Vec<&str> = std::iter::once(gateway.name.as_str())
                .chain(
                    gateway
                        .together
                        .iter()
                        .filter_map(|id| Some(site.gateways.get(id.index())?.name.as_str())),
                )
                .collect();
            if set.len() > 1 && set.iter().any(|name| group.contains(*name)) {
                group.extend(set.into_iter().map(str::to_owned));
            }
        }
        group
    }

    /// Whether a group of gateways can go back while the others stay.
    fn may_go_alone(&self, state: &Powers, group: &BTreeSet<String>) -> bool {
        let way = Way::new(self.base.judge, &self.found, &self.planned);
        let (mut during, mut after) = (state.clone(), state.clone());
        for (name, before) in self.befores(group) {
            let legs = self.changes.iter().flat_map(|change| &change.step.legs);
            let own = legs.filter(|leg| leg.device == name);
            let passed = own.fold(before.clone(), |passed, leg| passed.or(&leg.under_way));
            during.insert(name.clone(), passed);
            after.insert(name, before);
        }
        way.objections(&during).is_empty() && way.objections(&after).is_empty()
    }

    /// The waves that are left after some gateways were given up.
    fn rest(
        &self,
        waves: &VecDeque<Vec<usize>>,
        state: &Powers,
        group: &BTreeSet<String>,
        report: &mut Report,
    ) -> VecDeque<Vec<usize>> {
        let of = |m: &Move| self.changes.get(m.change);
        let given_up = |m: &Move| of(m).is_none_or(|change| group.contains(&change.gateway));
        let indices: Vec<usize> = waves
            .iter()
            .flatten()
            .copied()
            .filter(|index| self.moves.get(*index).is_some_and(|m| !given_up(m)))
            .collect();
        let moves: Vec<Move> = indices.iter().filter_map(|index| self.moves.get(*index)).cloned().collect();
        let way = Way::new(self.base.judge, &self.found, &self.planned);
        match way.waves(state, &moves) {
            Ok(waves) => waves
                .into_iter()
                .map(|wave| wave.into_iter().filter_map(|place| indices.get(place).copied()).collect())
                .collect(),
            Err(none) => {
                report.note(format!("not begun after the undo: {}", none.devices.join(", ")));
                VecDeque::new()
            }
        }
    }

    /// Brings gateways back, wave by wave and the last one first, as it was proved.
    async fn undo_gateways(
        &mut self,
        group: &BTreeSet<String>,
        touched: &[Vec<usize>],
        report: &mut Report,
        tally: &mut Tally,
    ) {
        let records = group.iter().map(|gateway| Record::Undo { gateway: gateway.clone() }).collect();
        self.record(records, report);
        for (number, wave) in touched.iter().enumerate().rev() {
            let mut parts: BTreeMap<String, Vec<(Subject, Ready, DeviceChange)>> = BTreeMap::new();
            let mut all: BTreeMap<String, BTreeMap<String, Done>> = BTreeMap::new();
            for index in wave.iter().rev() {
                let Some(change) = self.changes.get(*index) else { continue };
                if group.contains(&change.gateway) && tally.idle.contains(index) {
                    let nothing = Done::new(Outcome::Undone, "nothing was sent to it");
                    all.entry(change.gateway.clone()).or_default().insert(change.device.clone(), nothing);
                    continue;
                }
                if let (true, Some(subject), Some(ready), Some(part)) = (
                    group.contains(&change.gateway),
                    self.subject(&change.device),
                    self.ready.get(&change.device),
                    &change.writing,
                ) {
                    let part = (subject.clone(), ready.clone(), part.clone());
                    parts.entry(change.gateway.clone()).or_default().push(part);
                }
            }
            let mut tasks = JoinSet::new();
            for (gateway, parts) in parts {
                tasks.spawn(async move {
                    let mut done = BTreeMap::new();
                    for (subject, ready, part) in parts {
                        let result = undo(&subject, &ready, &part).await;
                        done.insert(subject.name.clone(), result);
                    }
                    (gateway, done)
                });
            }
            while let Some(result) = tasks.join_next().await {
                match result {
                    Ok((gateway, done)) => all.entry(gateway).or_default().extend(done),
                    Err(_) => tally.unknown = true,
                }
            }
            let mut records = Vec::new();
            for (gateway, mut done) in all {
                for (name, done) in &done {
                    if done.outcome == Outcome::Unknown {
                        tally.unknown = true;
                        if done.cause == Cause::Silence {
                            self.silent(&gateway, name, done, report);
                            continue;
                        }
                        report.find(
                            codes::STATE_UNKNOWN,
                            format!("`{name}` could not be undone: {}", done.words),
                        );
                    }
                }
                tell_undone(&done, report);
                for name in done.keys().filter(|name| self.base.live.demanded.contains_key(*name)) {
                    report.note(format!("{name}: what the safety class commands stands"));
                }
                // a device that came here in two steps is back only when the first is undone too
                let earlier = touched.get(..number).unwrap_or_default();
                let pending = |name: &String| {
                    let changes = earlier.iter().flatten().filter_map(|index| self.changes.get(*index));
                    changes.into_iter().any(|change| change.device == *name)
                };
                done.retain(|name, done| done.outcome != Outcome::Undone || !pending(name));
                records.push(result_record(&gateway, &done));
            }
            self.record(records, report);
        }
        tally.undone.extend(group.iter().cloned());
    }

    /// Phase 9: what stands, stands.
    fn commit(&mut self, report: &mut Report, tally: &mut Tally) {
        let mut standing: BTreeMap<String, BTreeMap<String, Vec<Standing>>> = BTreeMap::new();
        for (index, change) in self.changes.iter().enumerate() {
            let legs = |other: &(usize, &Change)| other.1.device == change.device;
            let mut all = self.changes.iter().enumerate().filter(legs);
            let last = all.clone().next_back().map(|(place, _)| place);
            let written = all.all(|(place, leg)| !leg.writes() || tally.done.contains(&place));
            if last != Some(index) || !written || tally.undone.contains(&change.gateway) {
                continue;
            }
            tally.kept |= change.writes();
            let devices = standing.entry(change.gateway.clone()).or_default();
            devices.insert(change.device.clone(), change.standing.clone());
        }
        let records =
            standing.into_iter().map(|(gateway, standing)| Record::Commit { gateway, standing }).collect();
        self.record(records, report);
    }
}

fn interrupted(begun: bool) -> Diagnostic {
    let words = "the apply was asked to end before everything was written";
    Diagnostic::nowhere(codes::INTERRUPTED, Severity::Error, words)
        .because(match begun {
            true => "what was under way was finished, and what the plan had written was undone",
            false => "nothing of the plan was written",
        })
        .help("apply again when it suits; the next apply begins from what it finds")
}

fn result_record(gateway: &str, done: &BTreeMap<String, Done>) -> Record {
    let devices = done.iter().map(|(name, done)| (name.clone(), done.outcome)).collect();
    let held = done.iter().filter(|(_, done)| !done.held.is_empty());
    let held = held.map(|(name, done)| (name.clone(), done.held.clone())).collect();
    Record::Result { gateway: gateway.to_owned(), devices, held }
}

fn tell(done: &BTreeMap<String, Done>, report: &mut Report) {
    for (name, done) in done {
        report.registers_written += done.registers;
        if let Some(device) = report.device(name) {
            device.outcome = Some(done.outcome);
            device.detail.clone_from(&done.words);
        }
    }
}

fn tell_undone(done: &BTreeMap<String, Done>, report: &mut Report) {
    for (name, done) in done {
        if let Some(device) = report.device(name) {
            let why = std::mem::take(&mut device.detail);
            let stood = device.outcome.replace(done.outcome) == Some(Outcome::Done);
            device.detail = match (why.is_empty() || why == done.words, done.outcome) {
                (false, Outcome::Undone) if why == NOT_BEGUN => why,
                (false, Outcome::Undone) if stood || why == GAVE_WAY => {
                    "because another device of its gateway failed".to_owned()
                }
                (false, Outcome::Undone) => format!("because {why}"),
                (false, _) => format!("{why}; {}", done.words),
                (true, _) => done.words.clone(),
            };
        }
    }
}

/// What decides the exit code.
#[derive(Debug, Default)]
struct Tally {
    undone: BTreeSet<String>,
    /// changes that are in effect
    done: BTreeSet<usize>,
    /// changes of which nothing was sent
    idle: BTreeSet<usize>,
    unknown: bool,
    /// something was not begun, because the journal failed or the run was asked to end
    refused: bool,
    /// the journal is at fault for that
    failure: bool,
    /// something that was written stands
    kept: bool,
}

impl Tally {
    fn exit(&self, excluded: bool) -> ExitCode {
        if self.unknown {
            ExitCode::Unknown
        } else if self.refused && self.undone.is_empty() && !self.kept {
            if self.failure { ExitCode::Failure } else { ExitCode::Findings }
        } else if excluded || ((self.refused || !self.undone.is_empty()) && self.kept) {
            ExitCode::Partial
        } else if !self.undone.is_empty() {
            ExitCode::Undone
        } else {
            ExitCode::Success
        }
    }
}
