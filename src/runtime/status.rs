//! `evl status`: is the field as the last apply left it?

use std::collections::BTreeSet;
use std::path::Path;

use super::admission::Admission;
use super::change::{amount, setting_words, words};
use super::journal::{Journal, Outcome, Past, Standing};
use super::load::Papers;
use super::probe::{Ready, Subject, endpoints, probe};
use super::release::out_of_reach;
use super::report::{DeviceReport, Report, STATUS};
use crate::bundle::profile::{Form, LeaseKind, PowerFound, Verb};
use crate::calendar::Instant;
use crate::diag::{Code, Diagnostic, ExitCode, Severity, codes};
use crate::ir::Control;
use crate::system::{Kind, System};

/// Longest text of a lock's holder, bytes.
const HOLDER_CAP: u64 = 1024;

/// Reads every device that this host commands, the value in effect first, and compares it with what
/// the journal says should stand. Writes nothing and takes no lock.
pub async fn status(
    system: &dyn System,
    papers: &Papers,
    state_dir: &Path,
    host: Option<&str>,
    now: Option<Instant>,
) -> Report {
    let mut report = Report::new(STATUS, &papers.bundle.site.name, &papers.bundle.site.timezone);
    match look(system, papers, state_dir, host, now, &mut report).await {
        Ok(()) => report.closed(),
        Err(finding) => report.refused(*finding),
    }
}

async fn look(
    system: &dyn System,
    papers: &Papers,
    state_dir: &Path,
    host: Option<&str>,
    now: Option<Instant>,
    report: &mut Report,
) -> Result<(), Box<Diagnostic>> {
    let gateways = papers.gateways(host)?;
    if now.is_some() {
        papers.all_here(&gateways)?;
    }
    let present = now.unwrap_or_else(|| Instant(system.now().as_second()));
    let journal = Journal::read(system, state_dir, &papers.bundle.site.name).map_err(Box::new)?;
    let past = journal.past();
    report.now = Some(present);
    report.now_given = now.is_some();
    match &past.accepted {
        Some((plan, sequence)) => {
            report.plan = Some(plan.to_string());
            report.sequence = Some(*sequence);
        }
        None => {
            report.note(format!("no plan was ever applied with the state folder `{}`", state_dir.display()))
        }
    }
    let mut troubled = papers.edited;
    if papers.edited {
        report.findings.push(papers.edited_since("devices are read where it says now"));
    }
    if let Some(left) = &past.unfinished {
        troubled = true;
        let (plan, since) = (left.plan.short(), papers.show(left.since));
        let words = format!("an apply of plan {plan} that began at {since} did not end");
        report.findings.push(Diagnostic::nowhere(codes::STATE_UNKNOWN, Severity::Error, words).help(
            "apply a plan, which resumes or undoes it, or hand everything back with `evl release --all`",
        ));
        for (gateway, devices) in &left.open {
            for device in devices {
                report.note(format!("open on `{gateway}`: {} ({})", device.device, device.words));
            }
        }
        let lock = state_dir.join("lock");
        let own = system.kind(&lock) == Some(Kind::File);
        if let Some(Ok(holder)) = own.then(|| system.read_text(&lock, HOLDER_CAP)) {
            report.note(format!("unless it is still under way: it was begun by {}", holder.trim()));
        }
        report.note("the next apply resumes it if its plan and step are the same, and undoes it otherwise");
        report.safe_command = Some("evl release --all".to_owned());
    }
    let planned = |commands: &Vec<Standing>| commands.iter().any(|command| !command.safety);
    if let Some(end) = past.until.filter(|end| *end <= present && past.standing.values().any(planned)) {
        troubled = true;
        let words =
            format!("the step that was written ended at {}, and none was written since", papers.show(end));
        report.find(codes::STALE, words);
    }
    if let Some((at, readings)) = &past.clamped {
        let at = papers.show(*at);
        report.findings.extend(readings.iter().map(|reading| reading.earlier(&at)));
    }
    let subjects = Subject::all(&papers.bundle, &papers.inventory, &gateways);
    let commanded: Vec<Subject> = subjects
        .into_iter()
        .filter(|subject| {
            let known = past.concerns(&subject.name) || past.asked.contains_key(&subject.name);
            known || subject.family.control == Control::Command
        })
        .collect();
    let reached: BTreeSet<String> = commanded.iter().map(|subject| subject.name.clone()).collect();
    let before = report.excluded.len();
    let what = "cannot be read, and what evl wrote to it may stand";
    out_of_reach(papers, &reached, &gateways, &past, what, report);
    troubled |= report.excluded.len() > before;
    for (name, asked) in
        past.asked.iter().filter(|(name, _)| !reached.contains(*name) && !past.concerns(name))
    {
        troubled = true;
        let why = asked.instead.as_deref().unwrap_or("this host reaches no such device");
        let plan = asked.commands.join(", ");
        report.find(codes::INVENTORY, format!("`{name}`: the plan's `{plan}` was not written: {why}"));
    }
    let endpoints = endpoints(&papers.inventory, &gateways);
    let mut probed = probe(&commanded, &endpoints, &Admission::of(&papers.bundle)).await;
    let none = Vec::new();
    for subject in &commanded {
        let standing = past.standing.get(&subject.name).unwrap_or(&none);
        match probed.remove(&subject.name).map(|result| result.and_then(Ready::commandable)) {
            Some(Ok(ready)) => {
                let (mut entry, drifted) = compare(papers, subject, &ready, standing, present);
                for words in &drifted {
                    report.find(codes::DRIFTED, format!("`{}`: {words}", subject.name));
                }
                for alarm in &ready.alarms {
                    report.note(format!("{} raises {alarm}", subject.name));
                }
                troubled |= !drifted.is_empty();
                if let Some(since) = past.unknown.get(&subject.name) {
                    troubled = true;
                    let since = papers.show(*since);
                    let words =
                        format!("what was written at {since} is not known to be in effect or brought back");
                    report.find(codes::STATE_UNKNOWN, format!("`{}`: {words}", subject.name));
                    entry.outcome = Some(Outcome::Unknown);
                    entry.detail = words;
                } else if let Some(at) = past.undone.get(&subject.name).filter(|_| standing.is_empty()) {
                    troubled = true;
                    let at = papers.show(*at);
                    let words = format!("what the plan asks of it was undone at {at} and does not stand");
                    report.find(codes::DRIFTED, format!("`{}`: {words}", subject.name));
                    entry.detail = words;
                } else if drifted.is_empty() && past.is_open(&subject.name) {
                    entry.outcome = Some(Outcome::Unknown);
                    entry.detail = "the apply that was to write it did not end".to_owned();
                } else if let Some((code, words)) =
                    displaced(papers, &past, subject, standing).filter(|_| drifted.is_empty())
                {
                    troubled = true;
                    let message = format!("`{}`: {words}", subject.name);
                    let finding = Diagnostic::nowhere(code, Severity::Error, message);
                    report.findings.push(finding.help(AGAIN));
                    entry.outcome = Some(Outcome::Failed);
                    entry.detail = words;
                }
                report.devices.push(entry);
            }
            Some(Err(excluded)) => {
                troubled = true;
                report.exclude(subject, excluded, "cannot be compared with what was written", None);
                let asked: Vec<String> =
                    standing.iter().map(|command| format!("`{}`", command.words)).collect();
                if let Some(since) = past.unknown.get(&subject.name) {
                    let since = papers.show(*since);
                    let words =
                        format!("what was written at {since} is not known to be in effect or brought back");
                    report.note(format!("{}: {words}", subject.name));
                } else if !asked.is_empty() {
                    let words = "was written before, and whether it stands cannot be seen";
                    report.note(format!("{}: {} {words}", subject.name, asked.join(", ")));
                }
            }
            None => {}
        }
    }
    report.exit = if troubled { ExitCode::Findings } else { ExitCode::Success }.number();
    Ok(())
}

/// What to do where something else stands than the plan asks.
const AGAIN: &str = "apply a plan again once what is in its way is over, or plan again from a fresh snapshot";

/// What stands on a device instead of what the plan asks of it, and why; `None`: that stands.
fn displaced(
    papers: &Papers,
    past: &Past,
    subject: &Subject,
    standing: &[Standing],
) -> Option<(Code, String)> {
    if let Some(at) = past.unreleased.get(&subject.name).filter(|_| !standing.is_empty()) {
        let at = papers.show(*at);
        let left: Vec<&str> = standing.iter().map(|command| command.words.as_str()).collect();
        let words =
            format!("`evl release --all` did not hand it back at {at}, and `{}` stands", left.join(", "));
        return Some((codes::DRIFTED, words));
    }
    // what an apply that did not end left is told as such
    let asked = past.asked.get(&subject.name).filter(|_| past.unfinished.is_none())?;
    let asks = |words: &str| asked.commands.iter().any(|command| command == words);
    let plan = asked.commands.join(", ");
    // off its bus or switched off it does nothing of what else its registers say
    let still = |command: &Standing| is_still(command) && !asks(&command.words);
    let safety: Vec<&Standing> = standing.iter().filter(|command| command.safety).collect();
    let planned = standing.iter().any(|command| !command.safety);
    let above = safety.iter().copied().find(|command| still(command));
    let above = above.or_else(|| safety.first().copied().filter(|command| !planned && !asks(&command.words)));
    if let Some(above) = above {
        let rules = match above.because.as_slice() {
            [] => "the safety class".to_owned(),
            rules => rules.join("; "),
        };
        let words = format!("`{}` stands instead of the plan's `{plan}`, commanded by {rules}", above.words);
        return Some((codes::LIVE_RULE, words));
    }
    if let Some(at) = past.released.get(&subject.name).filter(|_| standing.is_empty()) {
        let at = papers.show(*at);
        return Some((
            codes::DRIFTED,
            format!("it was handed back by `evl release` at {at}, and the plan's `{plan}` does not stand"),
        ));
    }
    let stands = |words: &String| standing.iter().any(|command| command.words == *words);
    if let Some(at) = past.undone.get(&subject.name).filter(|_| !asked.commands.iter().all(stands)) {
        let (at, before) = (papers.show(*at), standing.iter().map(|command| command.words.as_str()));
        let before = before.collect::<Vec<_>>().join(", ");
        let words =
            format!("the plan's `{plan}` was undone at {at}, and `{before}` of an earlier one stands");
        return Some((codes::DRIFTED, words));
    }
    let words = match (&asked.instead, planned || !safety.is_empty()) {
        (Some(why), true) => format!("it does not do all of the plan's `{plan}`: {why}"),
        (Some(why), false) => format!("the plan's `{plan}` was not written: {why}"),
        (None, true) => return None,
        (None, false) => format!("nothing of the plan's `{plan}` stands"),
    };
    Some((codes::DRIFTED, words))
}

/// Whether a command takes its device off its bus or switches it off.
fn is_still(command: &Standing) -> bool {
    let verbs = [Verb::Disconnect, Verb::Off];
    verbs.iter().any(|verb| command.words == setting_words(*verb, None, None))
}

/// What stands on a device against what should.
fn compare(
    papers: &Papers,
    subject: &Subject,
    ready: &Ready,
    standing: &[Standing],
    now: Instant,
) -> (DeviceReport, Vec<String>) {
    let mut drifted = Vec::new();
    for command in standing {
        let over = command.until.filter(|until| *until <= now);
        let lapsed = |what: String| match over {
            Some(until) => {
                format!("{what}: `{}` lapsed, it stood until {}", command.words, papers.show(until))
            }
            None => format!("{what} instead of `{}`", command.words),
        };
        if let Some(until) = over.filter(|_| subject.profile.lease.kind == LeaseKind::Heartbeat) {
            let until = papers.show(until);
            drifted.push(format!("nobody keeps its heartbeat since {until}, and `{}` lapses", command.words));
            continue;
        }
        let other = command.cells.iter().find(|(point, raw)| ready.raws.get(point) != Some(raw));
        if other.is_some() {
            drifted.push(lapsed(format!("it is {}", words(&ready.found))));
            continue;
        }
        let form = match &ready.found.power {
            PowerFound::Commanded { form, .. } => *form,
            PowerFound::Released | PowerFound::Unknown => Form::Fixed,
        };
        if let Some((point, value)) = &command.value
            && let Some(Err(shown)) =
                subject.profile.in_effect(point, form, value, &ready.raws, &ready.context)
        {
            let verb = match &ready.found.setpoint {
                Some(held) if held == value => Verb::Setpoint,
                _ => Verb::Power,
            };
            let shown = amount(verb, &shown);
            drifted.push(lapsed(format!("{shown} is in effect although its register still reads right")));
        }
    }
    // a device that is off for ever is not back when a limit beside that lapses
    let until = match standing.iter().find(|command| is_still(command)) {
        Some(off) => off.until,
        None => standing.iter().filter_map(|command| command.until).min(),
    };
    let asked: Vec<&str> = standing.iter().map(|command| command.words.as_str()).collect();
    let mut safety: Vec<&str> =
        standing.iter().filter(|s| s.safety).flat_map(|s| &s.because).map(String::as_str).collect();
    safety.dedup();
    let detail = if standing.is_empty() {
        "nothing stands from evl".to_owned()
    } else if drifted.is_empty() && standing.iter().all(|command| command.safety) {
        match safety.as_slice() {
            [] => "as the safety class commands".to_owned(),
            rules => format!("commanded by {}", rules.join("; ")),
        }
    } else if drifted.is_empty() {
        "as planned".to_owned()
    } else {
        drifted.join("; ")
    };
    let entry = DeviceReport {
        device: subject.name.clone(),
        gateway: subject.gateway.clone(),
        identity: ready.shown.clone(),
        before: words(&ready.found),
        after: if drifted.is_empty() { String::new() } else { asked.join(", ") },
        until,
        registers: Vec::new(),
        outcome: (!drifted.is_empty()).then_some(Outcome::Failed),
        detail,
        safety: standing.iter().any(|command| command.safety),
        notes: ready.remarks.clone(),
    };
    (entry, drifted)
}
