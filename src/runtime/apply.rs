//! `evl apply`: phases 2 to 11 around one step of a plan.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use tokio::task::JoinSet;

use super::admission::Admission;
use super::change::{Change, Span, change};
use super::endpoint::Priority;
use super::execute::{Done, Work, undo, write};
use super::journal::{DeviceChange, Journal, Outcome, Record, Standing, Unfinished};
use super::limits::{Claim, Limits, Powers, Verifier, worse};
use super::load::{Papers, error};
use super::order::{Move, Way};
use super::probe::{Probed, Ready, Subject, endpoints, probe};
use super::report::{DeviceReport, ExcludedReport, Register, Report};
use super::want::{Setting, Wants, wants};
use crate::bundle::profile::{Form, Found, PowerFound};
use crate::bundle::{Document, PlanDocument, Quantity};
use crate::calendar::Instant;
use crate::diag::{Diagnostic, ExitCode, Severity, codes};
use crate::ir::Role;
use crate::quantity::Rat;
use crate::system::{Access, Lock, Stream, System};

/// How an apply is run.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// folder of lock, journal and sequence
    pub state_dir: PathBuf,
    /// which of the inventory's hosts this is, where it has several
    pub host: Option<String>,
    /// stop before anything is written
    pub dry_run: bool,
    /// do not ask
    pub yes: bool,
    /// write values that lapse before the step ends
    pub once: bool,
    /// the present instant, for gateways on this computer
    pub now: Option<Instant>,
}

/// Takes the lock of a state folder.
pub(super) fn lock(
    system: &dyn System,
    folder: &std::path::Path,
    what: &str,
) -> Result<Lock, Box<Diagnostic>> {
    system.create_folder(folder, Access::Private).map_err(|fault| fault.writing())?;
    let since = Instant(system.now().as_second());
    let holder = format!("process {}, {what}, since {since}", system.process_id());
    match system.lock(&folder.join("lock"), &holder).map_err(|fault| fault.writing())? {
        Ok(lock) => Ok(lock),
        Err(holder) => Err(Box::new(
            Diagnostic::nowhere(codes::LOCKED, Severity::Error, "another evl writes on this host")
                .because(format!("the lock is held by {}", holder.trim()))
                .help("wait until it has ended; only one writes at a time"),
        )),
    }
}

/// Applies the plan's present step.
pub async fn apply(system: &dyn System, papers: &Papers, plan: &PlanDocument, options: &Options) -> Report {
    let mut report = Report::new("evl.apply/1", &papers.bundle.site.name);
    report.plan = Some(plan.id().to_string());
    report.sequence = Some(plan.sequence);
    report.dry_run = options.dry_run;
    match prepare(system, papers, plan, options, &mut report).await {
        Err(finding) => report.refused(*finding),
        Ok(None) => report,
        Ok(Some(run)) => run.execute(system, report).await,
    }
}

/// Everything that is known before the first frame that writes.
struct Run<'a> {
    journal: Journal<'a>,
    _lock: Option<Lock>,
    papers: &'a Papers,
    subjects: BTreeMap<String, Subject>,
    ready: BTreeMap<String, Ready>,
    changes: Vec<Change>,
    now: Instant,
    started: std::time::Duration,
    begin: Record,
    limits: Limits,
    found: Powers,
    planned: Powers,
    waves: Vec<Vec<usize>>,
    moves: Vec<Move>,
    /// something that an interrupted apply left could not be brought back
    lost: bool,
}

async fn prepare<'a>(
    system: &'a dyn System,
    papers: &'a Papers,
    plan: &PlanDocument,
    options: &Options,
    report: &mut Report,
) -> Result<Option<Run<'a>>, Box<Diagnostic>> {
    let started = system.monotonic();
    let site = &papers.bundle.site;
    if let Some(statement) = site.unhonoured.iter().find(|statement| statement.plan) {
        return Err(error(
            codes::NOT_PLANNED_YET,
            format!("`{}` is understood, not planned yet", statement.what),
        ));
    }
    let gateways = papers.gateways(options.host.as_deref())?;
    let held = if options.dry_run {
        None
    } else {
        Some(lock(system, &options.state_dir, &format!("plan {}", plan.id().short()))?)
    };
    let journal = if options.dry_run {
        Journal::read(system, &options.state_dir, &site.name)
    } else {
        Journal::open(system, &options.state_dir, &site.name)
    };
    let mut journal = journal.map_err(Box::new)?;
    let now = papers.clock(system, options.now, &gateways, journal.past())?;
    report.now = Some(now);
    report.now_given = options.now.is_some();
    let step = papers.accept(plan, now, journal.past())?;
    let span =
        plan.steps.get(step).copied().ok_or_else(|| error(codes::STALE, "the plan has no such step"))?;
    report.step = Some(step + 1);
    report.span = Some((span.start, span.end));
    let wants = wants(site, &papers.bundle.profiles, plan, step)?;
    report.unwritten.clone_from(&wants.unwritten);

    let subjects = Subject::all(&papers.bundle, &papers.inventory, &gateways);
    let endpoints = endpoints(&papers.inventory, &gateways);
    let admission = Admission::of(&papers.bundle);
    let asked: Vec<Subject> =
        subjects.iter().filter(|s| wants.devices.contains_key(&s.name)).cloned().collect();
    let resumed = journal.past().unfinished.clone();
    let first = with_leftovers(&asked, &subjects, resumed.as_ref());
    let mut probed = probe(&first, &endpoints, &admission).await;

    let same = |left: &Unfinished| left.plan == *plan.id() && usize::try_from(left.step) == Ok(step);
    let mut originals: BTreeMap<String, BTreeMap<String, i64>> = BTreeMap::new();
    let mut lost = false;
    if let Some(left) = &resumed {
        if same(left) {
            report.note(format!("resumes what was interrupted after {}", left.since));
            for device in left.open.iter().flat_map(|(_, devices)| devices) {
                let cells = device.cells.iter().map(|cell| (cell.point.clone(), cell.old));
                originals.entry(device.device.clone()).or_default().extend(cells);
            }
        } else if options.dry_run {
            report.note(format!(
                "an apply of plan {} was interrupted; it will first be undone",
                left.plan.short()
            ));
        } else {
            lost = undo_leftovers(&mut journal, now, left, &subjects, &probed, report).await?;
            probed = probe(&asked, &endpoints, &admission).await;
        }
    }

    let mut changes = Vec::new();
    let mut ready_ones = BTreeMap::new();
    for subject in &asked {
        let Some(settings) = wants.devices.get(&subject.name) else { continue };
        let none = Vec::new();
        let standing = journal.past().standing.get(&subject.name).unwrap_or(&none);
        let no_originals = BTreeMap::new();
        let original = originals.get(&subject.name).unwrap_or(&no_originals);
        let span = Span { now, end: span.end };
        let result = match probed.remove(&subject.name) {
            Some(Ok(ready)) => {
                change(subject, &ready, settings, span, standing, original).map(|c| (ready, c))
            }
            Some(Err(excluded)) => Err(excluded),
            None => continue,
        };
        match result {
            Ok((ready, change)) => {
                report.devices.push(entry(&change, &ready));
                for alarm in &ready.alarms {
                    report.note(format!("{} raises {alarm}", subject.name));
                }
                changes.push(change);
                ready_ones.insert(subject.name.clone(), ready);
            }
            Err(excluded) => {
                let message = format!("`{}` is excluded: {}", subject.name, excluded.reason);
                report.findings.push(Diagnostic::nowhere(excluded.code, Severity::Error, message));
                report.excluded.push(ExcludedReport {
                    device: subject.name.clone(),
                    code: excluded.code,
                    reason: excluded.reason,
                });
            }
        }
    }
    unplaced(&wants, &subjects, &gateways, papers, report);
    if changes.is_empty() && !wants.devices.is_empty() {
        report.exit = if lost { ExitCode::Unknown } else { ExitCode::Findings }.number();
        report.note("nothing was written: no device takes part");
        return Ok(None);
    }
    too_short(&changes, span.end, options.once, report)?;

    let limits = Limits::of(site);
    let (found, planned) = powers(papers, plan, step, &wants, &changes, &subjects, report, &limits)?;
    let (moves, waves) = order(&limits, &found, &planned, &changes)?;

    let writes = changes.iter().any(Change::writes);
    if options.dry_run {
        report.note(if writes { "dry run: nothing was written" } else { "nothing to write" });
        return Ok(None);
    }
    if writes && !options.yes {
        consent(system, report)?;
    }
    let begin = Record::Begin {
        site: site.name.clone(),
        plan: plan.id().clone(),
        sequence: plan.sequence,
        step: u32::try_from(step).unwrap_or(u32::MAX),
        until: span.end,
    };
    Ok(Some(Run {
        journal,
        _lock: held,
        papers,
        subjects: subjects.into_iter().map(|subject| (subject.name.clone(), subject)).collect(),
        ready: ready_ones,
        changes,
        now,
        started,
        begin,
        limits,
        found,
        planned,
        waves,
        moves,
        lost,
    }))
}

/// Devices of the plan that the inventory does not place, or that another host writes.
fn unplaced(
    wants: &Wants,
    subjects: &[Subject],
    gateways: &BTreeSet<String>,
    papers: &Papers,
    report: &mut Report,
) {
    for name in wants.devices.keys().filter(|name| !subjects.iter().any(|s| s.name == **name)) {
        match papers.inventory.devices.get(name) {
            Some(entry) if !gateways.contains(&entry.gateway) => {
                report.unwritten.insert(name.clone(), format!("another host writes `{}`", entry.gateway));
            }
            _ => {
                let reason = "it is not in the inventory".to_owned();
                report.find(codes::INVENTORY, format!("`{name}` is excluded: {reason}"));
                report.excluded.push(ExcludedReport { device: name.clone(), code: codes::INVENTORY, reason });
            }
        }
    }
}

fn entry(change: &Change, ready: &Ready) -> DeviceReport {
    let parts = [&change.urgent, &change.ordinary].into_iter().flatten();
    let registers = parts
        .flat_map(|part| &part.cells)
        .map(|cell| Register {
            point: cell.point.clone(),
            old: ready.raws.get(&cell.point).copied().unwrap_or(cell.old),
            new: cell.new,
        })
        .collect();
    DeviceReport {
        device: change.device.clone(),
        gateway: change.gateway.clone(),
        identity: ready.shown.clone(),
        before: change.before_words.clone(),
        after: change.after_words.clone(),
        until: change.stands_until(),
        registers,
        outcome: None,
        detail: String::new(),
        safety: change.urgent.is_some(),
        notes: change.notes.clone(),
    }
}

/// Phase 4: until when each value stands.
fn too_short(
    changes: &[Change],
    end: Instant,
    once: bool,
    report: &mut Report,
) -> Result<(), Box<Diagnostic>> {
    let short: Vec<(&str, Instant)> = changes
        .iter()
        .filter_map(|change| {
            Some((change.device.as_str(), change.stands_until().filter(|until| *until < end)?))
        })
        .collect();
    if short.is_empty() {
        return Ok(());
    }
    let words: Vec<String> =
        short.iter().map(|(device, until)| format!("`{device}` until {until}")).collect();
    if once {
        report.note(format!(
            "lapses before the step ends at {end}, and nobody renews it: {}",
            words.join(", ")
        ));
        return Ok(());
    }
    Err(Box::new(
        Diagnostic::nowhere(
            codes::LEASE_TOO_SHORT,
            Severity::Error,
            format!("a value would lapse before the step ends at {end}: {}", words.join(", ")),
        )
        .help("`--once` writes it nevertheless; `evl status` tells when it has lapsed"),
    ))
}

/// Powers before and after, with everything that is not written taken as the plan expects it, and
/// excluded devices at their worst.
#[expect(clippy::too_many_arguments, reason = "one place where plan, field and limits meet")]
fn powers(
    papers: &Papers,
    plan: &PlanDocument,
    step: usize,
    wants: &Wants,
    changes: &[Change],
    subjects: &[Subject],
    report: &mut Report,
    limits: &Limits,
) -> Result<(Powers, Powers), Box<Diagnostic>> {
    let site = &papers.bundle.site;
    let expected = expected(plan, step, papers);
    let mut base = Powers::new();
    for device in site.devices() {
        let name = site.device_name(device);
        let claim = match expected.get(&name) {
            Some(power) => Claim::exactly(power.clone()),
            None => subjects
                .iter()
                .find(|s| s.name == name)
                .map_or_else(|| Claim::exactly(Rat::ZERO), Subject::widest),
        };
        base.insert(name, claim);
    }
    let (mut found, mut planned) = (base.clone(), base);
    for change in changes {
        found.insert(change.device.clone(), change.step.before.clone());
        planned.insert(change.device.clone(), change.step.after.clone());
    }
    let mut nominal = planned.clone();
    for excluded in &report.excluded {
        let Some(subject) = subjects.iter().find(|s| s.name == excluded.device) else { continue };
        found.insert(excluded.device.clone(), subject.widest());
        planned.insert(excluded.device.clone(), subject.widest());
        if let Some(settings) = wants.devices.get(&excluded.device) {
            nominal.insert(excluded.device.clone(), asked_claim(subject, settings));
        }
    }
    let objections = worse(&limits.breaches(&planned), &limits.breaches(&found), &limits.breaches(&nominal));
    if objections.is_empty() {
        return Ok((found, planned));
    }
    Err(Box::new(
        Diagnostic::nowhere(
            codes::NO_SAFE_ORDER,
            Severity::Error,
            "with the excluded devices at their worst case the rest of the plan breaks a limit",
        )
        .because(objections.join("; "))
        .help("bring the excluded devices back, or plan again without them"),
    ))
}

fn asked_claim(subject: &Subject, settings: &[Setting]) -> Claim {
    use crate::bundle::profile::Verb;
    let verb = |wanted: Verb| settings.iter().any(|setting| setting.verb == wanted);
    let power = settings.iter().find_map(|setting| {
        let value = setting.value.clone().or((setting.verb == Verb::Idle).then_some(Rat::ZERO))?;
        Some(PowerFound::Commanded { verb: setting.verb, form: setting.form.unwrap_or(Form::Fixed), value })
    });
    let found = Found {
        connected: verb(Verb::Disconnect).then_some(false),
        on: verb(Verb::Off).then_some(false),
        power: power.unwrap_or(PowerFound::Unknown),
    };
    subject.claim(&found, None)
}

/// Signed powers that the plan expects of devices in this step.
fn expected(plan: &PlanDocument, step: usize, papers: &Papers) -> BTreeMap<String, Rat> {
    let names = crate::bundle::Names::new(&papers.bundle.site);
    let mut powers: BTreeMap<String, Rat> = BTreeMap::new();
    for series in plan.given.iter().chain(&plan.derived) {
        let Some(value) = series.values.get(step) else { continue };
        let Some(family) = names.device(&series.of).and_then(|d| papers.bundle.site.family(d.family)) else {
            continue;
        };
        let signed = match (series.quantity, family.role) {
            (Quantity::Power, Role::Consumer) | (Quantity::Charge, _) => -value,
            (Quantity::Power, Role::Producer | Role::Storage) | (Quantity::Discharge, _) => value.clone(),
            _ => continue,
        };
        *powers.entry(series.of.clone()).or_default() += &signed;
    }
    powers
}

/// Phase 6, before the first frame: the order there, which is also the order back.
fn order(
    limits: &Limits,
    found: &Powers,
    planned: &Powers,
    changes: &[Change],
) -> Result<(Vec<Move>, Vec<Vec<usize>>), Box<Diagnostic>> {
    let moves: Vec<Move> =
        changes.iter().filter(|change| change.ordinary.is_some()).map(|change| change.step.clone()).collect();
    let waves = Way::new(limits, found, planned).waves(found, &moves).map_err(|none| {
        let devices: Vec<String> = none.devices.iter().map(|device| format!("`{device}`")).collect();
        Box::new(
            Diagnostic::nowhere(
                codes::NO_SAFE_ORDER,
                Severity::Error,
                format!("{} cannot be written in any order that keeps every limit", devices.join(", ")),
            )
            .because(none.limits.join("; "))
            .help("plan again from the present state"),
        )
    })?;
    Ok((moves, waves))
}

fn consent(system: &dyn System, report: &Report) -> Result<(), Box<Diagnostic>> {
    if system.is_terminal(Stream::In) && system.is_terminal(Stream::Err) {
        system.say(&report.words());
        system.say("write this? [y/N] ");
        let answer = system.ask().unwrap_or_default();
        if matches!(answer.trim(), "y" | "Y" | "yes") {
            return Ok(());
        }
    }
    Err(Box::new(
        Diagnostic::nowhere(codes::NEEDS_CONSENT, Severity::Error, "nothing was written without consent")
            .help("answer `y` on a terminal, or give `--yes`; `--dry-run` shows what would be written"),
    ))
}

/// Brings back what an interrupted apply of another plan or step left behind.
async fn undo_leftovers(
    journal: &mut Journal<'_>,
    now: Instant,
    left: &Unfinished,
    subjects: &[Subject],
    probed: &Probed,
    report: &mut Report,
) -> Result<bool, Box<Diagnostic>> {
    let mut lost = false;
    report.note(format!(
        "an apply of plan {} was interrupted after {}: it is undone first",
        left.plan.short(),
        left.since
    ));
    for (gateway, devices) in left.open.iter().rev() {
        journal.append(now, vec![Record::Undo { gateway: gateway.clone() }])?;
        let mut outcomes = BTreeMap::new();
        for device in devices.iter().rev().filter(|device| !device.safety) {
            let subject = subjects.iter().find(|subject| subject.name == device.device);
            let ready = probed.get(&device.device).and_then(|probed| probed.as_ref().ok());
            let done = match (subject, ready) {
                (Some(subject), Some(ready)) => undo(subject, ready, device).await,
                _ => {
                    Done { outcome: Outcome::Unknown, words: "it takes no part now".to_owned(), registers: 0 }
                }
            };
            if done.outcome == Outcome::Unknown {
                lost = true;
                report.find(
                    codes::STATE_UNKNOWN,
                    format!("`{}` could not be undone: {}", device.device, done.words),
                );
            }
            report.note(format!("{}: {}", device.device, done.words));
            report.registers_written += done.registers;
            outcomes.insert(device.device.clone(), done.outcome);
        }
        journal.append(now, vec![Record::Result { gateway: gateway.clone(), devices: outcomes }])?;
    }
    journal.append(now, vec![Record::End { exit: ExitCode::Undone.number() }])?;
    Ok(lost)
}

/// The devices to be asked: those of the plan, and those that an interrupted apply left open.
fn with_leftovers(asked: &[Subject], all: &[Subject], left: Option<&Unfinished>) -> Vec<Subject> {
    let open: BTreeSet<&str> = left
        .iter()
        .flat_map(|left| &left.open)
        .flat_map(|(_, devices)| devices)
        .map(|device| device.device.as_str())
        .collect();
    let known = |name: &str| asked.iter().any(|subject| subject.name == name);
    let more = all.iter().filter(|subject| open.contains(subject.name.as_str()) && !known(&subject.name));
    asked.iter().chain(more).cloned().collect()
}

impl Run<'_> {
    fn at(&self, system: &dyn System) -> Instant {
        // steps and leases are timed monotonically from the instant that was trusted at the start
        let passed = system.monotonic().saturating_sub(self.started).as_secs();
        self.now.plus(i64::try_from(passed).unwrap_or(i64::MAX))
    }

    /// Works of some changes, by gateway.
    fn works(&self, changes: &[&Change], safety: bool) -> BTreeMap<String, Vec<Work>> {
        let mut works: BTreeMap<String, Vec<Work>> = BTreeMap::new();
        for change in changes {
            let (Some(subject), Some(ready)) =
                (self.subjects.get(&change.device), self.ready.get(&change.device))
            else {
                continue;
            };
            works.entry(change.gateway.clone()).or_default().extend(Work::of(subject, ready, change, safety));
        }
        works.retain(|_, works| !works.is_empty());
        works
    }

    /// Writes gateways side by side, with intent before and result after in the journal.
    async fn write_wave(
        &mut self,
        system: &dyn System,
        works: BTreeMap<String, Vec<Work>>,
        priority: Priority,
        report: &mut Report,
    ) -> Result<BTreeMap<String, BTreeMap<String, Done>>, Box<Diagnostic>> {
        let intents = works
            .iter()
            .map(|(gateway, works)| Record::Intent {
                gateway: gateway.clone(),
                devices: works.iter().map(|work| work.change.clone()).collect(),
            })
            .collect();
        if let Err(fault) = self.journal.append(self.at(system), intents) {
            // nothing keeps a safety write from being made
            if priority != Priority::Safety {
                return Err(Box::new(fault));
            }
            report.findings.push(fault);
        }
        let mut tasks = JoinSet::new();
        let mut expected: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (gateway, works) in works {
            let names = works.iter().map(|work| work.subject.name.clone()).collect();
            expected.insert(gateway.clone(), names);
            tasks.spawn(async move { (gateway, write(works, priority).await) });
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
                done.entry(name).or_insert_with(|| Done {
                    outcome: Outcome::Unknown,
                    words: "the session ended unexpectedly".to_owned(),
                    registers: 0,
                });
            }
        }
        let records = all.iter().map(|(gateway, done)| result_record(gateway, done)).collect();
        self.record(system, records, report);
        for done in all.values() {
            tell(done, report);
        }
        Ok(all)
    }

    /// Appends records after frames were sent: a failing journal no longer stops anything.
    fn record(&mut self, system: &dyn System, records: Vec<Record>, report: &mut Report) {
        if let Err(fault) = self.journal.append(self.at(system), records) {
            report.findings.push(fault);
        }
    }

    async fn execute(mut self, system: &dyn System, mut report: Report) -> Report {
        let writes = self.changes.iter().any(Change::writes);
        if let Err(fault) = self.journal.append(self.at(system), vec![self.begin.clone()])
            && !self.changes.iter().any(|change| change.urgent.is_some())
        {
            return report.refused(fault);
        }
        let mut tally = Tally { unknown: self.lost, ..Tally::default() };
        self.write_safety(system, &mut report, &mut tally).await;
        self.write_waves(system, &mut report, &mut tally).await;
        self.commit(system, &mut report, &mut tally);
        let exit = tally.exit(!report.excluded.is_empty());
        report.exit = exit.number();
        if !writes {
            report.note("nothing to write: every device already holds its command");
        }
        if matches!(exit, ExitCode::Undone | ExitCode::Partial | ExitCode::Unknown)
            && (tally.unknown || !tally.undone.is_empty())
        {
            report.safe_command = Some("evl release --all".to_owned());
        }
        self.record(system, vec![Record::End { exit: exit.number() }], &mut report);
        report
    }

    /// Writes of the safety class: first, outside every transaction, tried until they read back.
    async fn write_safety(&mut self, system: &dyn System, report: &mut Report, tally: &mut Tally) {
        let urgent: Vec<Change> =
            self.changes.iter().filter(|change| change.urgent.is_some()).cloned().collect();
        if urgent.is_empty() {
            return;
        }
        let works = self.works(&urgent.iter().collect::<Vec<_>>(), true);
        let all = self.write_wave(system, works, Priority::Safety, report).await.unwrap_or_default();
        for (name, done) in all.values().flatten() {
            if done.outcome == Outcome::Done {
                tally.safe.insert(name.clone());
            } else {
                tally.unknown = true;
                report.find(
                    codes::STATE_UNKNOWN,
                    format!("the safety write to `{name}` failed: {}", done.words),
                );
            }
        }
        for change in urgent.iter().filter(|change| tally.safe.contains(&change.device)) {
            let standing: Vec<Standing> = change.standing.iter().filter(|s| s.safety).cloned().collect();
            let standing = BTreeMap::from([(change.device.clone(), standing)]);
            self.record(system, vec![Record::Commit { gateway: change.gateway.clone(), standing }], report);
            // from here on the device is where safety put it, or on its way from there
            let claim = if change.ordinary.is_some() { &change.step.under_way } else { &change.step.after };
            self.found.insert(change.device.clone(), claim.clone());
        }
    }

    async fn write_waves(&mut self, system: &dyn System, report: &mut Report, tally: &mut Tally) {
        let mut state = self.found.clone();
        let mut waves: std::collections::VecDeque<Vec<usize>> = std::mem::take(&mut self.waves).into();
        let mut touched: Vec<Vec<String>> = Vec::new();
        while let Some(wave) = waves.pop_front() {
            let moves: Vec<Move> = wave.iter().filter_map(|index| self.moves.get(*index)).cloned().collect();
            let names: BTreeSet<String> = moves.iter().map(|m| m.device.clone()).collect();
            let changes: Vec<Change> =
                self.changes.iter().filter(|change| names.contains(&change.device)).cloned().collect();
            let works = self.works(&changes.iter().collect::<Vec<_>>(), false);
            let result = self.write_wave(system, works, Priority::Ordinary, report).await;
            let failed: BTreeSet<String> = match &result {
                Ok(all) => {
                    touched.push(all.keys().cloned().collect());
                    let bad =
                        |done: &BTreeMap<String, Done>| done.values().any(|d| d.outcome != Outcome::Done);
                    all.iter().filter(|(_, done)| bad(done)).map(|(gateway, _)| gateway.clone()).collect()
                }
                Err(fault) => {
                    tally.refused = true;
                    report.findings.push((**fault).clone());
                    changes.iter().map(|change| change.gateway.clone()).collect()
                }
            };
            for m in &moves {
                state.insert(m.device.clone(), m.after.clone());
            }
            if failed.is_empty() {
                continue;
            }
            self.name_failures(&result, report);
            let group = self.together(failed);
            if self.may_go_alone(&state, &group) && result.is_ok() {
                self.undo_gateways(system, &group, &touched, report, tally).await;
                for change in self.changes.iter().filter(|change| group.contains(&change.gateway)) {
                    state.insert(change.device.clone(), change.step.before.clone());
                }
                waves = self.rest(&waves, &state, &group, report);
            } else {
                report.note("what was written is undone as a whole: no limit allows less");
                let all: BTreeSet<String> = touched.iter().flatten().cloned().chain(group).collect();
                self.undo_gateways(system, &all, &touched, report, tally).await;
                return;
            }
        }
    }

    fn name_failures(
        &self,
        result: &Result<BTreeMap<String, BTreeMap<String, Done>>, Box<Diagnostic>>,
        report: &mut Report,
    ) {
        for (name, done) in result.iter().flat_map(BTreeMap::values).flatten() {
            match done.outcome {
                Outcome::Unknown => report.find(codes::STATE_UNKNOWN, format!("`{name}`: {}", done.words)),
                Outcome::Failed => report.find(codes::NOT_IN_EFFECT, format!("`{name}`: {}", done.words)),
                Outcome::Done | Outcome::Undone | Outcome::Left => {}
            }
        }
    }

    /// The gateways that are undone with these.
    fn together(&self, mut group: BTreeSet<String>) -> BTreeSet<String> {
        let site = &self.papers.bundle.site;
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
        let way = Way::new(&self.limits, &self.found, &self.planned);
        let (mut during, mut after) = (state.clone(), state.clone());
        for change in self.changes.iter().filter(|change| group.contains(&change.gateway)) {
            during.insert(change.device.clone(), change.step.under_way.clone());
            after.insert(change.device.clone(), change.step.before.clone());
        }
        way.objections(&during).is_empty() && way.objections(&after).is_empty()
    }

    /// The waves that are left after some gateways were given up.
    fn rest(
        &self,
        waves: &std::collections::VecDeque<Vec<usize>>,
        state: &Powers,
        group: &BTreeSet<String>,
        report: &mut Report,
    ) -> std::collections::VecDeque<Vec<usize>> {
        let of = |device: &str| self.changes.iter().find(|change| change.device == device);
        let given_up = |m: &Move| of(&m.device).is_none_or(|change| group.contains(&change.gateway));
        let indices: Vec<usize> = waves
            .iter()
            .flatten()
            .copied()
            .filter(|index| self.moves.get(*index).is_some_and(|m| !given_up(m)))
            .collect();
        let moves: Vec<Move> = indices.iter().filter_map(|index| self.moves.get(*index)).cloned().collect();
        let way = Way::new(&self.limits, &self.found, &self.planned);
        match way.waves(state, &moves) {
            Ok(waves) => waves
                .into_iter()
                .map(|wave| wave.into_iter().filter_map(|place| indices.get(place).copied()).collect())
                .collect(),
            Err(none) => {
                report.note(format!("not begun after the undo: {}", none.devices.join(", ")));
                std::collections::VecDeque::new()
            }
        }
    }

    /// Brings gateways back, the last wave first.
    async fn undo_gateways(
        &mut self,
        system: &dyn System,
        group: &BTreeSet<String>,
        touched: &[Vec<String>],
        report: &mut Report,
        tally: &mut Tally,
    ) {
        let mut left = group.clone();
        for wave in touched.iter().rev() {
            let now: Vec<String> = wave.iter().filter(|gateway| left.remove(*gateway)).cloned().collect();
            let records = now.iter().map(|gateway| Record::Undo { gateway: gateway.clone() }).collect();
            self.record(system, records, report);
            let mut tasks = JoinSet::new();
            for gateway in now {
                let mut parts: Vec<(Subject, Ready, DeviceChange)> = Vec::new();
                for change in self.changes.iter().rev().filter(|change| change.gateway == gateway) {
                    if let (Some(subject), Some(ready), Some(part)) =
                        (self.subjects.get(&change.device), self.ready.get(&change.device), &change.ordinary)
                    {
                        parts.push((subject.clone(), ready.clone(), part.clone()));
                    }
                }
                tasks.spawn(async move {
                    let mut done = BTreeMap::new();
                    for (subject, ready, part) in parts {
                        let result = undo(&subject, &ready, &part).await;
                        done.insert(subject.name.clone(), result);
                    }
                    (gateway, done)
                });
            }
            let mut records = Vec::new();
            while let Some(result) = tasks.join_next().await {
                let Ok((gateway, done)) = result else {
                    tally.unknown = true;
                    continue;
                };
                for (name, done) in &done {
                    if done.outcome == Outcome::Unknown {
                        tally.unknown = true;
                        report.find(
                            codes::STATE_UNKNOWN,
                            format!("`{name}` could not be undone: {}", done.words),
                        );
                    }
                }
                tell_undone(&done, report);
                for name in done.keys().filter(|name| tally.safe.contains(*name)) {
                    report.note(format!("{name}: what the safety class commands stands"));
                }
                records.push(result_record(&gateway, &done));
                tally.undone.insert(gateway);
            }
            self.record(system, records, report);
        }
    }

    /// Phase 9: what stands, stands.
    fn commit(&mut self, system: &dyn System, report: &mut Report, tally: &mut Tally) {
        let mut standing: BTreeMap<String, BTreeMap<String, Vec<Standing>>> = BTreeMap::new();
        for change in &self.changes {
            let written = report.device(&change.device).and_then(|device| device.outcome);
            if tally.undone.contains(&change.gateway) || !matches!(written, None | Some(Outcome::Done)) {
                continue;
            }
            if written.is_none() && change.writes() {
                continue;
            }
            tally.kept |= change.writes();
            let devices = standing.entry(change.gateway.clone()).or_default();
            devices.insert(change.device.clone(), change.standing.clone());
        }
        let records =
            standing.into_iter().map(|(gateway, standing)| Record::Commit { gateway, standing }).collect();
        self.record(system, records, report);
    }
}

fn result_record(gateway: &str, done: &BTreeMap<String, Done>) -> Record {
    let devices = done.iter().map(|(name, done)| (name.clone(), done.outcome)).collect();
    Record::Result { gateway: gateway.to_owned(), devices }
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
            device.outcome = Some(done.outcome);
            device.detail = match (why.is_empty(), done.outcome) {
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
    safe: BTreeSet<String>,
    unknown: bool,
    /// something was not begun, because the journal failed
    refused: bool,
    /// something that was written stands
    kept: bool,
}

impl Tally {
    fn exit(&self, excluded: bool) -> ExitCode {
        let stands = self.kept || !self.safe.is_empty();
        if self.unknown {
            ExitCode::Unknown
        } else if excluded || ((self.refused || !self.undone.is_empty()) && stands) {
            ExitCode::Partial
        } else if !self.undone.is_empty() {
            ExitCode::Undone
        } else if self.refused {
            ExitCode::Findings
        } else {
            ExitCode::Success
        }
    }
}
