//! `evl release`: hands devices back to their declared local state. Needs no plan. What an active rule
//! of the safety class commands stays so, or is brought to it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use tokio::sync::Notify;
use tokio::task::JoinSet;

use super::apply::watch::{Live, Start, Watch};
use super::apply::{Field, lock};
use super::change::{rejoin, setting_words, towards_safety, words};
use super::endpoint::Priority;
use super::execute::{Done, Work, write};
use super::journal::{Cell, DeviceChange, Journal, Outcome, Past, Record, Standing};
use super::load::{Papers, unknown};
use super::probe::{Excluded, Ready, Subject};
use super::report::{DeviceReport, ExcludedReport, Register, Report};
use super::stop::{Stop, nothing_written};
use crate::bundle::profile::{Form, LowerError, Lowered, Verb};
use crate::calendar::Instant;
use crate::diag::{Diagnostic, ExitCode, Severity, codes};
use crate::ir::Site;
use crate::system::System;

/// What is released, and where.
#[derive(Debug, Clone)]
pub struct Wish<'a> {
    /// folder of lock, journal and sequence
    pub state_dir: &'a Path,
    /// which of the inventory's hosts this is, where it has several
    pub host: Option<&'a str>,
    /// the devices; none: all that this host commands
    pub devices: &'a [String],
    /// asks the run to end
    pub stop: Stop,
}

/// Releases the named devices, or all that this host commands where none is named.
///
/// An inventory that was edited since the bundle was built is no obstacle: its addresses count as they
/// stand, and a device must show the serial number that it names.
pub async fn release(system: &dyn System, papers: &Papers, wish: &Wish<'_>) -> Report {
    let mut report = Report::new("evl.release/1", &papers.bundle.site.name, &papers.bundle.site.timezone);
    match run(system, papers, wish, &mut report).await {
        Ok(()) => report.closed(),
        Err(finding) => report.refused(*finding),
    }
}

async fn run(
    system: &dyn System,
    papers: &Papers,
    wish: &Wish<'_>,
    report: &mut Report,
) -> Result<(), Box<Diagnostic>> {
    let Wish { state_dir, host, devices, stop } = wish;
    let site = &papers.bundle.site;
    let gateways = papers.gateways(*host)?;
    let subjects = Subject::all(&papers.bundle, &papers.inventory, &gateways);
    if let Some(other) = devices.iter().find(|name| !subjects.iter().any(|s| s.name == **name)) {
        let names = subjects.iter().map(|subject| subject.name.as_str());
        return Err(unknown(format!("this host has no device `{other}`"), other, names));
    }
    let reached: BTreeSet<String> = subjects.iter().map(|subject| subject.name.clone()).collect();
    let chosen: Vec<Subject> = subjects
        .into_iter()
        .filter(|subject| subject.profile.commandable())
        .filter(|subject| devices.is_empty() || devices.contains(&subject.name))
        .collect();
    if papers.edited {
        report.findings.push(papers.edited_since("addresses are taken as it stands now, and a device that shows another serial number than it names is left alone"));
    }
    if system.kind(state_dir).is_none() {
        report.note(format!(
            "there was no state folder `{}`: what evl wrote before is not known, and devices are handed back as they are found",
            state_dir.display()
        ));
    }
    // what hands control back is never kept from it by its own records: a damaged journal, a full disk
    let held = match lock(system, papers, state_dir, "release") {
        Err(fault) if fault.code == codes::LOCKED => return Err(fault),
        held => held.map_err(|fault| report.findings.push(unrecorded(*fault))).ok(),
    };
    let journal = Journal::open(system, state_dir, &site.name);
    let journal = journal.map_err(|fault| report.findings.push(unrecorded(fault))).ok();
    let past = journal.as_ref().map(Journal::past).unwrap_or_default();
    let now = Instant(system.now().as_second()).max(past.last.unwrap_or(Instant(i64::MIN)));
    report.now = Some(now);
    if devices.is_empty() {
        let what = "was not released, and what evl wrote to it stands";
        out_of_reach(papers, &reached, &gateways, &past, what, report);
    }
    let field = Field::new(papers, gateways, stop);
    let journalled = journal.clone();
    let start =
        Start { system, papers, field: &field, journal: journalled, past: &past, at: now, dry_run: false };
    // what an active rule of the safety class commands is not handed back, but done
    let mut watch = Watch::begin(start, None).await;
    let (live, told) = watch.so_far();
    report.absorb(told);
    if stop.asked() && !stop.wrote() {
        return Err(Box::new(nothing_written()));
    }
    let over = Notify::new();
    let rest = async {
        let records = Records {
            journal: journal.as_ref(),
            past: &past,
            now,
            edited: papers.edited,
            all: devices.is_empty(),
        };
        let again = match devices.is_empty() {
            true => "evl release --all".to_owned(),
            false => format!("evl release {}", devices.join(" ")),
        };
        hand_back(site, &field, &chosen, &live, &records, report, again).await;
        over.notify_one();
    };
    let mut failed = live.failed;
    if watch.waits() {
        let ((), (late, told)) = tokio::join!(rest, watch.late(&over));
        report.absorb(told);
        failed |= late.failed;
    } else {
        rest.await;
    }
    if failed {
        report.exit = ExitCode::Unknown.number();
        report.safe_command.get_or_insert_with(|| "evl release --all".to_owned());
    }
    drop(held);
    Ok(())
}

/// What a release knows of before, and where it is recorded.
struct Records<'a> {
    journal: Option<&'a Journal<'a>>,
    past: &'a Past,
    now: Instant,
    /// the inventory is another than the one by which it was written
    edited: bool,
    /// nobody named devices
    all: bool,
}

/// Releases the devices that no rule of the safety class commands. `again` is the command that tries
/// once more.
async fn hand_back(
    site: &Site,
    field: &Field,
    chosen: &[Subject],
    live: &Live,
    records: &Records<'_>,
    report: &mut Report,
    again: String,
) {
    let Records { journal, past, now, edited, all: whole } = *records;
    let (kept, chosen): (Vec<&Subject>, Vec<&Subject>) =
        chosen.iter().partition(|subject| live.demanded.contains_key(&subject.name));
    for subject in kept {
        let rules = live.demanded.get(&subject.name).map(|demanded| demanded.because.join("`, `"));
        let reason = format!("`{}` of the safety class holds it, and it stays so", rules.unwrap_or_default());
        let help = "it can be released once the rule no longer holds";
        let excluded = Excluded { code: codes::LIVE_RULE, reason };
        report.exclude(subject, excluded, "is not released", Some(help));
    }
    let chosen: Vec<Subject> = chosen.into_iter().cloned().collect();
    let mut probed = field.probe(&chosen, live).await;

    let mut works: BTreeMap<String, Vec<Work>> = BTreeMap::new();
    for subject in &chosen {
        let result = probed.remove(&subject.name);
        match result.map(|result| result.and_then(|ready| handable(subject, ready, past, edited))) {
            Some(Ok((ready, lapsed))) => match change(subject, &ready, past.standing.get(&subject.name)) {
                Ok((change, asked, notes)) => {
                    let mut entry = entry(subject, &ready, change.as_ref(), asked);
                    entry.notes = lapsed.into_iter().chain(notes).collect();
                    report.devices.push(entry);
                    if let Some(change) = change {
                        let work =
                            Work { subject: subject.clone(), ready, change, commanded: None, dead: false };
                        works.entry(subject.gateway.clone()).or_default().push(work);
                    }
                }
                Err(excluded) => left(subject, excluded, past, report),
            },
            Some(Err(excluded)) => left(subject, excluded, past, report),
            None => {}
        }
    }
    let all: Vec<DeviceChange> = works.values().flatten().map(|work| work.change.clone()).collect();
    // devices that need no write are released too: nothing stands on them from now on
    let written: BTreeSet<String> = all.iter().map(|change| change.device.clone()).collect();
    let idle = report.devices.iter().filter(|device| !written.contains(&device.device));
    let idle: Vec<DeviceChange> = idle
        .map(|device| DeviceChange {
            device: device.device.clone(),
            cells: Vec::new(),
            words: "released".to_owned(),
        })
        .collect();
    let devices = all.into_iter().chain(idle.clone()).collect();
    record(journal, now, Record::Release { site: site.name.clone(), devices, all: whole }, report);
    let mut tasks = JoinSet::new();
    for works in works.into_values() {
        tasks.spawn(write(works, Priority::Safety));
    }
    let mut outcomes: BTreeMap<String, Outcome> =
        idle.into_iter().map(|change| (change.device, Outcome::Done)).collect();
    let mut unknown = false;
    while let Some(result) = tasks.join_next().await {
        for (name, done) in result.unwrap_or_default() {
            unknown |= done.outcome != Outcome::Done;
            tell(report, &name, &done);
            outcomes.insert(name, done.outcome);
        }
    }
    record(journal, now, Record::Released { devices: outcomes }, report);
    // whoever only kept silent may be handed back by trying again
    let silent = |code| matches!(code, codes::DEAD_GATEWAY | codes::STATE_UNKNOWN);
    let mut out = report.excluded.iter();
    if unknown || out.any(|excluded| silent(excluded.code) && past.concerns(&excluded.device)) {
        report.safe_command = Some(again);
    }
    let exit = match (unknown, report.excluded.is_empty()) {
        (true, _) => ExitCode::Unknown,
        (false, false) => ExitCode::Partial,
        (false, true) => ExitCode::Success,
    };
    report.exit = exit.number();
}

/// Whether a device may be handed back, with a remark where it is no longer admitted: one that evl has
/// written goes back to its own control all the same, as long as it shows that it is the same.
fn handable(
    subject: &Subject,
    ready: Ready,
    past: &Past,
    edited: bool,
) -> Result<(Ready, Option<String>), Excluded> {
    // what shows no serial number is known by its place alone, and that may be edited
    if edited && ready.serial.is_none() {
        let written = past.standing.get(&subject.name).into_iter().flatten();
        let mut cells = written.flat_map(|command| &command.cells);
        if let Some((point, raw)) = cells.find(|(point, raw)| ready.raws.get(point) != Some(raw)) {
            let reason = format!(
                "it shows no identity, the inventory was edited, and `{point}` does not hold the {raw} that evl wrote: it may be another device"
            );
            return Err(Excluded { code: codes::WRONG_DEVICE, reason });
        }
    }
    let named = |serial: &String| {
        let record = subject.entry.commissioned.as_ref();
        subject.entry.serial.as_ref() == Some(serial) || record.is_some_and(|r| r.serial == *serial)
    };
    match &ready.barred {
        Some(barred)
            if matches!(barred.code, codes::NOT_ADMITTED | codes::SIGNATURE)
                && past.concerns(&subject.name)
                && ready.serial.as_ref().is_none_or(named) =>
        {
            let lapsed =
                format!("it may not be commanded any more ({}), so it is handed back", barred.reason);
            Ok((Ready { barred: None, ..ready }, Some(lapsed)))
        }
        _ => ready.commandable().map(|ready| (ready, None)),
    }
}

/// A device is not released; if something of evl stands on it, that is said.
fn left(subject: &Subject, excluded: Excluded, past: &Past, report: &mut Report) {
    report.exclude(subject, excluded, "was not released", None);
    if past.concerns(&subject.name) {
        report.note(format!("{}: what evl wrote to it may still stand", subject.name));
    }
}

/// Devices on which something of evl stands and that it has no way to, as the inventory is now.
pub(super) fn out_of_reach(
    papers: &Papers,
    reached: &BTreeSet<String>,
    gateways: &BTreeSet<String>,
    past: &Past,
    what: &str,
    report: &mut Report,
) {
    for name in past.concerned().filter(|name| !reached.contains(*name)) {
        let (reason, help) = match papers.inventory.devices.get(name) {
            Some(entry) if !gateways.contains(&entry.gateway) => (
                format!("this host does not write its gateway `{}`", entry.gateway),
                "turn to the host that does",
            ),
            Some(_) => {
                ("the bundle knows no such device".to_owned(), "name the bundle that does with `--bundle`")
            }
            None => (
                "it is not in the inventory any more".to_owned(),
                "put it into the inventory again, or hand it back at the device itself",
            ),
        };
        let message = format!("`{name}` {what}: {reason}");
        report.findings.push(Diagnostic::nowhere(codes::INVENTORY, Severity::Error, message).help(help));
        report.excluded.push(ExcludedReport { device: name.clone(), code: codes::INVENTORY, reason });
    }
}

/// Records where it can be recorded; what cannot is told.
fn record(journal: Option<&Journal<'_>>, now: Instant, record: Record, report: &mut Report) {
    if let Some(Err(fault)) = journal.map(|journal| journal.append(now, vec![record])) {
        report.findings.push(unrecorded(fault));
    }
}

fn unrecorded(mut fault: Diagnostic) -> Diagnostic {
    fault.severity = Severity::Warning;
    fault.because("devices are released nevertheless, and not all of it is recorded")
}

fn tell(report: &mut Report, name: &str, done: &Done) {
    report.registers_written += done.registers;
    if done.outcome != Outcome::Done {
        report.find(codes::STATE_UNKNOWN, format!("`{name}`: {}", done.words));
    }
    if let Some(device) = report.device(name) {
        device.outcome = Some(done.outcome);
        device.detail.clone_from(&done.words);
    }
}

/// The device's own control, or where it has none to be handed to, its fail-safe power.
fn local(subject: &Subject, ready: &Ready) -> Result<(Lowered, String), LowerError> {
    let (profile, context) = (&subject.profile, &ready.context);
    match profile.lower(Verb::Release, None, None, 0, context) {
        Ok(lowered) => Ok((lowered, setting_words(Verb::Release, None, None))),
        Err(LowerError::NoCommand(_)) => {
            let lowered =
                profile.lower(Verb::Power, Some(Form::AtMost), Some(&subject.fail_safe), 0, context)?;
            let words = setting_words(Verb::Power, Some(Form::AtMost), lowered.value.as_ref());
            Ok((lowered, words))
        }
        Err(fault) => Err(fault),
    }
}

/// What is written to hand a device back, what it is then, and remarks.
fn change(
    subject: &Subject,
    ready: &Ready,
    standing: Option<&Vec<Standing>>,
) -> Result<(Option<DeviceChange>, String, Vec<String>), Excluded> {
    let fault = |fault: LowerError| Excluded { code: codes::STATE_UNKNOWN, reason: fault.to_string() };
    let (mut lowered, mut asked) = local(subject, ready).map_err(fault)?;
    // what the safety class had taken off is handed back too, now that no rule asks it any more
    let mut joining = Vec::new();
    rejoin(&mut joining, subject, ready, standing.map_or(&[], Vec::as_slice));
    for setting in &joining {
        let join = subject.profile.lower(setting.verb, None, None, 0, &ready.context).map_err(fault)?;
        lowered.writes.extend(join.writes);
        asked = format!("{}, {asked}", setting_words(setting.verb, None, None));
    }
    let cells: Vec<Cell> = lowered
        .writes
        .iter()
        .map(|write| Cell {
            point: write.point.clone(),
            old: ready.raws.get(&write.point).copied().unwrap_or(write.raw),
            new: write.raw,
            via: Vec::new(),
            guard: false,
        })
        .collect();
    let mut then = ready.raws.clone();
    then.extend(cells.iter().map(|cell| (cell.point.clone(), cell.new)));
    let then = subject.profile.decode(&then, &ready.context);
    towards_safety(subject, &ready.found, &then)?;
    let mut notes = Vec::new();
    if then.connected == Some(false) || then.on == Some(false) {
        asked = words(&then);
        notes.push("evl has no record of having done that, and leaves it so".to_owned());
    }
    let same = cells.iter().all(|cell| ready.raws.get(&cell.point) == Some(&cell.new));
    let words = format!("{} -> {asked}", words(&ready.found));
    let change = DeviceChange { device: subject.name.clone(), cells, words };
    Ok(((!same).then_some(change), asked, notes))
}

fn entry(subject: &Subject, ready: &Ready, change: Option<&DeviceChange>, asked: String) -> DeviceReport {
    let registers = change
        .iter()
        .flat_map(|change| &change.cells)
        .map(|cell| Register { point: cell.point.clone(), old: cell.old, new: cell.new })
        .collect();
    DeviceReport {
        device: subject.name.clone(),
        gateway: subject.gateway.clone(),
        identity: ready.shown.clone(),
        before: words(&ready.found),
        after: asked,
        until: None,
        registers,
        outcome: None,
        detail: String::new(),
        safety: false,
        notes: Vec::new(),
    }
}
