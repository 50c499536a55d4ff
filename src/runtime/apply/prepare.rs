//! Phases 3 to 5: probe, difference, consent. Nothing here writes to a device, except the undoing of
//! what an interrupted apply left.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::mpsc::TryRecvError;
use std::time::Duration;

use tokio::time::sleep;

use super::leftovers::{undo_leftovers, with_leftovers};
use super::live::allowed;
use super::proof::{Ends, follow, keeps, order};
use super::watch::Live;
use super::{Accepted, Base, Field, Options, Run};
use crate::bundle::profile::{Aspect, Form, Verb};
use crate::bundle::{Document, PlanDocument};
use crate::calendar::Instant;
use crate::diag::{Diagnostic, ExitCode, Severity, codes};
use crate::ir::Role;
use crate::quantity::Rat;
use crate::runtime::change::{Change, Known, Span, change, rejoin, setting_words};
use crate::runtime::claim::Claim;
use crate::runtime::journal::{self, Journal, Record, Unfinished};
use crate::runtime::load::{Papers, error};
use crate::runtime::probe::{Probed, Ready, Subject, probe};
use crate::runtime::report::{DeviceReport, ExcludedReport, Register, Report};
use crate::runtime::safety::binds_power;
use crate::runtime::stop::Stop;
use crate::runtime::want::{Setting, Wants, wants};
use crate::system::{Stream, System};

/// Pause between two looks at whether a person has answered.
const GLANCE: Duration = Duration::from_millis(50);

/// Decides everything before the first frame of the plan; `None`: there is nothing to be done. `left`
/// becomes whether anything of an interrupted apply is lost, if that was brought back.
///
/// # Errors
/// Nothing of the plan is written.
pub(super) async fn prepare<'a>(
    base: Base<'a>,
    accepted: Accepted<'a>,
    journal: Journal<'a>,
    (options, shown): (&Options, Option<&Report>),
    left: &mut Option<bool>,
    report: &mut Report,
) -> Result<Option<Run<'a>>, Box<Diagnostic>> {
    let Base { system, papers, field, live, judge, .. } = base;
    let Accepted { plan, step, now, .. } = accepted;
    let site = &papers.bundle.site;
    let span =
        plan.steps.get(step).copied().ok_or_else(|| error(codes::STALE, "the plan has no such step"))?;
    report.step = Some(step + 1);
    report.span = Some((span.start, span.end));
    let wants = wants(site, &papers.bundle.profiles, plan, step)?;
    report.unwritten.clone_from(&wants.unwritten);

    let subjects = &field.subjects;
    let asked: Vec<Subject> =
        subjects.iter().filter(|s| wants.devices.contains_key(&s.name)).cloned().collect();
    let past = journal.past();
    let resumed = past.unfinished.clone();
    let first = with_leftovers(&asked, subjects, resumed.as_ref());
    let mut probed = field.probe(&first, live).await;

    let same = |left: &Unfinished| left.plan == *plan.id() && usize::try_from(left.step) == Ok(step);
    let mut originals: BTreeMap<String, BTreeMap<String, i64>> = BTreeMap::new();
    if let Some(open) = &resumed {
        if same(open) {
            report.note(format!("resumes what was interrupted after {}", papers.show(open.since)));
            for device in open.open.iter().flat_map(|(_, devices)| devices) {
                // what safety has commanded since is never brought back to what was before
                if live.demanded.contains_key(&device.device) {
                    continue;
                }
                let cells = device.cells.iter().map(|cell| (cell.point.clone(), cell.old));
                originals.entry(device.device.clone()).or_default().extend(cells);
            }
        } else if options.dry_run {
            report.note(format!(
                "an apply of plan {} was interrupted; it will first be undone",
                open.plan.short()
            ));
        } else {
            report.note(format!(
                "an apply of plan {} was interrupted after {}: it is undone first",
                open.plan.short(),
                papers.show(open.since)
            ));
            let before = report.registers_written;
            let undone = undo_leftovers(&journal, now, open, subjects, &probed, live, report).await;
            *left = undone.inspect_err(|_| {
                *left = (report.registers_written > before).then_some(false);
            })?;
            probed = probe(&asked, &field.endpoints, &field.admission).await;
        }
    }
    let past = journal.past();

    let mut changes = Vec::new();
    let mut ready_ones = BTreeMap::new();
    let mut stays = BTreeMap::new();
    let mut asked_of: BTreeMap<String, Asked> = BTreeMap::new();
    let mut asks_of: BTreeMap<String, journal::Asked> = BTreeMap::new();
    for subject in &asked {
        let Some(settings) = wants.devices.get(&subject.name) else { continue };
        let known = Known {
            standing: past.standing.get(&subject.name).cloned().unwrap_or_default(),
            originals: originals.remove(&subject.name).unwrap_or_default(),
            writes: past.writes(&subject.name, now),
        };
        // what safety bounds must not come back with the end of a lease
        let bound = live.demanded.get(&subject.name).is_some_and(binds_power);
        let span = Span { now, end: (!bound).then_some(span.end), safety: false };
        let Some(result) = probed.remove(&subject.name) else { continue };
        let mut asks = journal::Asked { commands: spoken(settings), instead: None };
        let result = result.and_then(Ready::commandable).and_then(|ready| {
            let (mut settings, warning) = match &live.decision {
                Some(decision) => allowed(site, decision, subject, settings).inspect_err(|_| {
                    stays.insert(subject.name.clone(), subject.claim(&ready.found, None));
                })?,
                None => (settings.clone(), None),
            };
            rejoin(&mut settings, subject, &ready, &known.standing);
            let own = within_its_own(&mut settings, subject, &ready);
            let mut change = change(subject, &ready, &settings, span, &known)?;
            follow(papers, plan, step, subject, &mut change);
            keeps(papers, plan, step, &settings, &mut change);
            asked_of.insert(subject.name.clone(), Asked { settings, span, known });
            Ok((ready, change, warning.into_iter().chain(own)))
        });
        match result {
            Ok((ready, change, warning)) => {
                let warning: Vec<Diagnostic> = warning.collect();
                asks.instead = warning.first().map(|warning| warning.message.clone());
                report.findings.extend(warning);
                report.devices.push(entry(&change, &ready));
                for alarm in &ready.alarms {
                    report.note(format!("{} raises {alarm}", subject.name));
                }
                changes.push(change);
                ready_ones.insert(subject.name.clone(), ready);
            }
            Err(excluded) => {
                asks.instead = Some(excluded.reason.clone());
                if past.is_open(&subject.name) {
                    let words = "what the interrupted apply did to it is not known";
                    report.note(format!("{}: {words}", subject.name));
                }
                let again = "plan again from a fresh snapshot of the state";
                let help = (excluded.code == codes::LIVE_RULE).then_some(again);
                report.exclude(subject, excluded, "is excluded", help);
            }
        }
        asks_of.insert(subject.name.clone(), asks);
    }
    if step == 0 {
        levels(plan, &asked, &ready_ones, report);
    }
    unplaced(&wants, subjects, &field.gateways, papers, report);
    for out in report.excluded.iter().filter(|out| out.code == codes::INVENTORY) {
        if let Some(settings) = wants.devices.get(&out.device) {
            let asks = journal::Asked { commands: spoken(settings), instead: Some(out.reason.clone()) };
            asks_of.entry(out.device.clone()).or_insert(asks);
        }
    }
    let lost = *left == Some(true);
    if changes.is_empty() && !wants.devices.is_empty() {
        report.exit = match *left {
            Some(true) => ExitCode::Unknown,
            Some(false) => ExitCode::Undone,
            None => ExitCode::Findings,
        }
        .number();
        report.note("nothing of the plan was written: no device takes part");
        return Ok(None);
    }
    too_short(papers, &changes, span.end, options.once, report)?;

    let ends = Ends { papers, plan, step, wants: &wants, changes: &changes, subjects, stays: &stays };
    let (found, planned) = ends.powers(judge, report)?;
    let split = |whole: &Change, eighths: i64| {
        let subject = subjects.iter().find(|subject| subject.name == whole.device)?;
        halves(subject, ready_ones.get(&whole.device)?, asked_of.get(&whole.device)?, whole, eighths)
    };
    let (moves, waves) = order(site, judge, &found, &planned, &mut changes, split)?;
    let twice = moves.len().saturating_sub(report.devices.iter().filter(|d| !d.registers.is_empty()).count());
    match twice {
        0 => {}
        1 => report.note("one device goes in two steps, because no limit allows one"),
        _ => report.note(format!("{twice} devices go in two steps, because no limit allows one")),
    }

    let writes = changes.iter().any(Change::writes);
    if options.dry_run {
        report.note(if writes { "dry run: nothing was written" } else { "nothing to write" });
        return Ok(None);
    }
    match shown {
        None if writes && !options.yes => {
            consent(system, report, &options.stop).await?;
            report.consented = true;
            return Ok(None);
        }
        Some(shown) if !report.shows_the_same(shown) => return Err(Box::new(changed())),
        _ => {}
    }
    let begin = Record::Begin {
        site: site.name.clone(),
        plan: plan.id().clone(),
        sequence: plan.sequence,
        step: u32::try_from(step).unwrap_or(u32::MAX),
        until: span.end,
        asks: asks_of,
    };
    Ok(Some(Run {
        base,
        journal,
        ready: ready_ones,
        changes,
        now,
        begin,
        found,
        planned,
        waves,
        moves,
        lost,
    }))
}

/// Commands in words.
fn spoken(settings: &[Setting]) -> Vec<String> {
    let say = |setting: &Setting| setting_words(setting.verb, setting.form, setting.value.as_ref());
    settings.iter().map(say).collect()
}

/// Brings powers down to what the device itself says that it can: a limit found on the device is only
/// ever tightened.
fn within_its_own(settings: &mut [Setting], subject: &Subject, ready: &Ready) -> Option<Diagnostic> {
    let mut told = None;
    for setting in settings.iter_mut().filter(|setting| setting.verb.aspect() == Aspect::Power) {
        let most = subject.profile.command_range(setting.verb, &ready.context);
        let most = most.and_then(|pieces| Some(pieces.last()?.1.clone()));
        let (Some(most), Some(value)) = (most, &setting.value) else { continue };
        // where the register's meaning is the inventory's own, what it cannot take is refused
        if *value <= most || ready.remarks.is_empty() {
            continue;
        }
        let asked = setting_words(setting.verb, setting.form, Some(value));
        let given = setting_words(setting.verb, setting.form, Some(&most));
        let message = format!(
            "`{}` gets `{given}` instead of the plan's `{asked}`: it can do no more by what it says itself",
            subject.name
        );
        let finding = Diagnostic::nowhere(codes::DRIFTED, Severity::Warning, message);
        told = Some(finding.help("correct its `ratings` in the inventory, and plan again"));
        setting.value = Some(most);
    }
    told
}

/// What is asked of a device, and what is known of it.
struct Asked {
    settings: Vec<Setting>,
    span: Span,
    known: Known,
}

/// A change in two steps, the first some eighths of the way; `None`: it has no way between.
fn halves(
    subject: &Subject,
    ready: &Ready,
    asked: &Asked,
    whole: &Change,
    eighths: i64,
) -> Option<(Change, Change)> {
    let middle = |claim: &Claim| if claim.lo.is_negative() { claim.lo.clone() } else { claim.hi.clone() };
    let leg = whole.step.legs.first()?;
    let (from, to) = (middle(&leg.before), middle(&leg.after));
    let share = Rat::ratio(i128::from(eighths), 8)?;
    let between = &from + &(&(&to - &from) * &share);
    let mut settings = asked.settings.clone();
    let power = settings.iter_mut().find(|setting| setting.verb.aspect() == Aspect::Power)?;
    *power = match (subject.family.role, between.is_negative(), between.is_zero()) {
        (Role::Storage, _, true) => Setting { verb: Verb::Idle, form: None, value: None },
        (Role::Storage, taking, false) => Setting {
            verb: if taking { Verb::Charge } else { Verb::Discharge },
            form: Some(Form::Fixed),
            value: Some(between.abs()),
        },
        _ => Setting { verb: Verb::Power, form: power.form, value: Some(between.abs()) },
    };
    let first = change(subject, ready, &settings, asked.span, &asked.known).ok()?;
    let mut there = ready.clone();
    for cell in &first.writing.as_ref()?.cells {
        there.raws.insert(cell.point.clone(), cell.new);
    }
    there.found = subject.profile.decode(&there.raws, &there.context);
    let known = Known { standing: Vec::new(), originals: BTreeMap::new(), ..asked.known.clone() };
    let second = change(subject, &there, &asked.settings, asked.span, &known).ok()?;
    let (reached, left) = (first.step.legs.first()?, second.step.legs.first()?);
    (second.writes() && left.before == reached.after).then_some((first, second))
}

impl Field {
    /// Asks devices that were not just asked already.
    pub(in crate::runtime) async fn probe(&self, subjects: &[Subject], live: &Live) -> Probed {
        let known = |subject: &&Subject| live.probed.contains_key(&subject.name);
        let (fresh, old): (Vec<&Subject>, Vec<&Subject>) = subjects.iter().partition(|s| !known(s));
        let fresh: Vec<Subject> = fresh.into_iter().cloned().collect();
        let mut probed = if fresh.is_empty() {
            Probed::new()
        } else {
            probe(&fresh, &self.endpoints, &self.admission).await
        };
        for subject in old {
            if let Some(result) = live.probed.get(&subject.name) {
                probed.insert(subject.name.clone(), result.clone());
            }
        }
        probed
    }
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

pub(super) fn entry(change: &Change, ready: &Ready) -> DeviceReport {
    let registers = change
        .writing
        .iter()
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
        safety: false,
        notes: ready.remarks.iter().chain(&change.notes).cloned().collect(),
    }
}

/// Phase 4: until when each value stands.
fn too_short(
    papers: &Papers,
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
        short.iter().map(|(device, until)| format!("`{device}` until {}", papers.show(*until))).collect();
    let end = papers.show(end);
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

fn changed() -> Diagnostic {
    let words = "nothing was written: the field changed while you were asked";
    Diagnostic::nowhere(codes::NEEDS_CONSENT, Severity::Error, words)
        .because("what would be written now is not what you said yes to")
        .help("apply again and look at what is shown")
}

/// Asks the person at the terminal. What safety still tries goes on meanwhile, and a wish to end counts
/// as a no.
async fn consent(system: &dyn System, report: &Report, stop: &Stop) -> Result<(), Box<Diagnostic>> {
    if system.is_terminal(Stream::In) && system.is_terminal(Stream::Err) {
        // nothing is refused yet, so the words are those of what would be done
        system.say(&Report { dry_run: true, ..report.clone() }.words());
        system.say("write this? [y/N] ");
        let line = system.ask_beside();
        let answer = loop {
            match line.try_recv() {
                Err(TryRecvError::Empty) if !stop.asked() => sleep(GLANCE).await,
                answer => break answer.ok().flatten().unwrap_or_default(),
            }
        };
        if matches!(answer.trim(), "y" | "Y" | "yes") {
            return Ok(());
        }
    }
    Err(Box::new(
        Diagnostic::nowhere(codes::NEEDS_CONSENT, Severity::Error, "nothing was written without consent")
            .help("answer `y` on a terminal, or give `--yes`; `--dry-run` shows what would be written"),
    ))
}
