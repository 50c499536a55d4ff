//! Phases 2 to 5: lock, probe, difference, consent. Nothing here writes to a device, except the undoing
//! of what an interrupted apply left.

use std::collections::{BTreeMap, BTreeSet};

use super::leftovers::{undo_leftovers, with_leftovers};
use super::proof::{order, powers};
use super::{Options, Run, lock};
use crate::bundle::{Document, PlanDocument};
use crate::calendar::Instant;
use crate::diag::{Diagnostic, ExitCode, Severity, codes};
use crate::runtime::admission::Admission;
use crate::runtime::change::{Change, Span, change};
use crate::runtime::journal::{Journal, Record, Unfinished};
use crate::runtime::limits::Limits;
use crate::runtime::load::{Papers, error};
use crate::runtime::probe::{Ready, Subject, endpoints, probe};
use crate::runtime::report::{DeviceReport, ExcludedReport, Register, Report};
use crate::runtime::want::{Wants, wants};
use crate::system::{Stream, System};

pub(super) async fn prepare<'a>(
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
    papers.obeys(plan)?;
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
    if step == 0 {
        levels(plan, &asked, &ready_ones, report);
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

/// The plan expects stores at certain levels when it begins. Where one is elsewhere its commands are
/// still within every limit, but no longer the best ones.
fn levels(plan: &PlanDocument, subjects: &[Subject], ready: &BTreeMap<String, Ready>, report: &mut Report) {
    for expected in &plan.expect {
        let Some(level) = &expected.level else { continue };
        let subject = subjects.iter().find(|subject| subject.name == expected.device);
        let found = subject.zip(ready.get(&expected.device)).and_then(|(subject, ready)| {
            let point = &subject.profile.measures.get("charge_level")?.point;
            let share = subject.profile.value_of(point, *ready.raws.get(point)?, &ready.context).ok()?;
            Some(&share * subject.ratings.get("capacity")?)
        });
        if let Some(found) = found
            && (&found - &level.level).abs() > level.tolerance
        {
            let message = format!(
                "`{}` holds {} kWh, and the plan was made for {} kWh",
                expected.device,
                found.to_decimal(2),
                level.level.to_decimal(2)
            );
            let finding = Diagnostic::nowhere(codes::DRIFTED, Severity::Warning, message);
            report.findings.push(finding.help("plan again from a fresh snapshot of the state"));
        }
    }
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
