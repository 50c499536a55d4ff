//! The rules on what the devices show now, and the writes of the safety class (semantics.md 22):
//! outside every transaction, never undone, and not kept back by a lock, a prompt, a missing or
//! useless plan, or a journal that fails.
//!
//! A safety write is tried until it reads back. A run that ends bounds that: a device that has
//! answered is tried for [`SAFETY_PATIENCE`], and one that does not answer is asked again beside the
//! rest of the apply for as long as that lasts, but at least for the first second ([`Watch::late`]).
//! A run in which nothing else is to be done therefore names a dead gateway within a second. What is
//! not in effect then ends the run with exit code 6 and the command that tries again.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::{Instant as Moment, sleep, timeout, timeout_at};

use super::prepare::entry;
use super::{Accepted, Field};
use crate::calendar::{Calendar, Instant};
use crate::diag::{Code, Diagnostic, Severity, codes};
use crate::eval::{Decision, Evaluator, Note};
use crate::inputs::Reads;
use crate::ir::{Attr, Control, Device, Model, SAFETY, SigRef, Site};
use crate::quantity::Rat;
use crate::runtime::change::{Change, Known, Span, change};
use crate::runtime::endpoint::Priority;
use crate::runtime::execute::{Done, SAFETY_PATIENCE, Work, write};
use crate::runtime::journal::{Journal, Outcome, Past, Record, Standing};
use crate::runtime::load::Papers;
use crate::runtime::memory::Memory;
use crate::runtime::noted::{Clamped, clamped, notices};
use crate::runtime::patience::FIRST;
use crate::runtime::probe::{Excluded, Probed, Ready, Subject, probe};
use crate::runtime::reading::{Loss, Sources, readers};
use crate::runtime::report::Report;
use crate::runtime::safety::{Command, Demanded, Demands, command, demands};
use crate::system::{Stream, System};

/// Pause between two tries of a device that does not answer.
const PAUSE: Duration = Duration::from_millis(200);
/// How long words are held back about a write that takes its time.
const HUSH: Duration = Duration::from_secs(1);

/// What the rules say now, and what was done for the safety class.
#[derive(Debug, Default)]
pub(in crate::runtime) struct Live {
    /// `None`: no rule was evaluated
    pub(in crate::runtime) decision: Option<Decision>,
    /// what the safety class asks, by device
    pub(in crate::runtime) demanded: BTreeMap<String, Demanded>,
    /// devices that were asked and not written
    pub(in crate::runtime) probed: Probed,
    /// devices that the safety class has written
    pub(in crate::runtime) wrote: BTreeSet<String>,
    /// a safety write is not known to be in effect
    pub(in crate::runtime) failed: bool,
    /// something that the safety class asks of a commanded device cannot be written
    pub(in crate::runtime) unmet: bool,
}

impl Live {
    /// The site with what the rules now leave of its grid connections.
    pub(in crate::runtime) fn narrowed<'s>(&self, site: &'s Site) -> Cow<'s, Site> {
        let Some(decision) = &self.decision else { return Cow::Borrowed(site) };
        let mut narrowed = Cow::Borrowed(site);
        for family in site.families.iter().filter(|family| matches!(family.model, Model::Grid { .. })) {
            let Some(set) = decision.device(site, Device { family: family.id, index: 1 }) else { continue };
            for attr in [Attr::Import, Attr::Export] {
                let left = set.numbers.get(&attr).and_then(|set| set.hull());
                if let (Some(left), Some(whole)) = (left, family.hull(&attr))
                    && left != whole
                    && let Some(family) = narrowed.to_mut().families.get_mut(family.id.index())
                {
                    family.ranges.insert(attr, vec![left]);
                }
            }
        }
        narrowed
    }
}

/// Everything that the look at the rules needs.
pub(in crate::runtime) struct Watch<'a> {
    system: &'a dyn System,
    papers: &'a Papers,
    field: &'a Field,
    journal: Option<Journal<'a>>,
    at: Instant,
    dry_run: bool,
    began: Moment,
    report: Report,
    live: Live,
    /// commands that stood before
    standing: BTreeMap<String, Vec<Standing>>,
    /// devices that the safety class commands and that do not answer
    rest: BTreeSet<Device>,
    /// readings whose loss makes a rule of the safety class active, by rule
    lost: BTreeMap<String, Vec<String>>,
}

/// The papers, the field and the memory that a look at the rules begins with.
pub(in crate::runtime) struct Start<'a> {
    pub(in crate::runtime) system: &'a dyn System,
    pub(in crate::runtime) papers: &'a Papers,
    pub(in crate::runtime) field: &'a Field,
    pub(in crate::runtime) journal: Option<Journal<'a>>,
    pub(in crate::runtime) past: &'a Past,
    pub(in crate::runtime) at: Instant,
    pub(in crate::runtime) dry_run: bool,
}

impl<'a> Watch<'a> {
    /// Evaluates the rules and writes what the safety class commands. Without an accepted plan only the
    /// safety class is looked at.
    pub(in crate::runtime) async fn begin(start: Start<'a>, accepted: Option<&Accepted<'_>>) -> Self {
        let Start { system, papers, field, journal, past, at, dry_run } = start;
        let site = &papers.bundle.site;
        let mut watch = Self {
            system,
            papers,
            field,
            journal,
            at,
            dry_run,
            began: Moment::now(),
            report: Report::new("evl.apply/1", &site.name, &site.timezone),
            live: Live::default(),
            standing: past.standing.clone(),
            rest: BTreeSet::new(),
            lost: BTreeMap::new(),
        };
        let has_safety = site.rules.iter().any(|rule| rule.class == SAFETY);
        if !site.rules.is_empty() && (accepted.is_some() || has_safety) {
            watch.look(past, accepted).await;
        }
        watch
    }

    async fn look(&mut self, past: &Past, accepted: Option<&Accepted<'_>>) {
        let (papers, field, at) = (self.papers, self.field, self.at);
        let site = &papers.bundle.site;
        let safety = Reads::of_class(site, SAFETY);
        let calendar = match Calendar::new(site) {
            Ok(calendar) => calendar,
            Err(finding) => {
                self.report.findings.push(finding);
                self.live.unmet = true;
                return;
            }
        };
        let reads = if accepted.is_some() { Reads::of(site) } else { safety.clone() };
        let asked = readers(site, &reads);
        let (readers, others): (Vec<&Subject>, Vec<&Subject>) =
            field.subjects.iter().partition(|subject| asked.contains(&subject.device));
        let readers: Vec<Subject> = readers.into_iter().cloned().collect();
        // everybody else is asked meanwhile, so that no gateway has its first second later
        let others = others.into_iter().filter(|subject| subject.family.control == Control::Command);
        let others: Vec<Subject> = others.cloned().collect();
        let mut meanwhile = JoinSet::new();
        let (endpoints, admission) = (field.endpoints.clone(), field.admission.clone());
        meanwhile.spawn(async move { probe(&others, &endpoints, &admission).await });
        self.live.probed = probe(&readers, &field.endpoints, &field.admission).await;
        let given = accepted.map(|accepted| (&accepted.given, accepted.step));
        let sources = Sources { site, subjects: &field.subjects, probed: &self.live.probed, given };
        let (mut env, lost) = sources.environment(&reads, at);
        let from_plan = || accepted.map(|accepted| Memory::of_state(&accepted.plan.state));
        let memory = past.memory.clone().or_else(from_plan).unwrap_or_default();
        let evaluator = Evaluator::new(site, &calendar);
        memory.recall(site, &evaluator, &mut env);
        let decision = evaluator.evaluate(&env);
        let after = memory.after(site, &evaluator, &env, &BTreeSet::new());
        self.tell_lost(&lost, &safety, &decision);
        self.tell_clamped(past, &decision, accepted.is_some());
        self.tell_notices(past, &decision, accepted.is_some());
        let mut demands = demands(site, &decision);
        self.ask_members(&demands).await;
        demands.shed(site, |device| self.present(device));
        self.live.decision = Some(decision);
        self.obey(demands).await;
        if past.memory.as_ref().map_or(after != Memory::default(), |before| *before != after) {
            self.remember(vec![Record::Memory { site: site.name.clone(), memory: after }]);
        }
        while let Some(early) = meanwhile.join_next().await {
            for (name, result) in early.unwrap_or_default() {
                if !self.live.wrote.contains(&name) {
                    self.live.probed.entry(name).or_insert(result);
                }
            }
        }
    }

    /// What is known so far. What is still tried keeps what it needs.
    pub(in crate::runtime) fn so_far(&mut self) -> (Live, Report) {
        let live = std::mem::take(&mut self.live);
        self.live.demanded.clone_from(&live.demanded);
        for device in &self.rest {
            let name = self.papers.bundle.site.device_name(*device);
            if let Some(result) = live.probed.get(&name) {
                self.live.probed.insert(name, result.clone());
            }
        }
        let report = Report::new(self.report.schema, &self.report.site, &self.report.timezone);
        (live, std::mem::replace(&mut self.report, report))
    }

    /// Whether something that the safety class commands waits for an answer.
    pub(in crate::runtime) fn waits(&self) -> bool {
        !self.rest.is_empty()
    }

    /// Asks those again that do not answer and writes to them, until the rest of the apply is over.
    /// Gives what came of it.
    pub(in crate::runtime) async fn late(mut self, over: &Notify) -> (Live, Report) {
        let least = self.began + FIRST;
        let mut ends = false;
        while !self.rest.is_empty() && !self.dry_run && (!ends || Moment::now() + PAUSE < least) {
            tokio::select! {
                () = over.notified(), if !ends => ends = true,
                () = sleep(PAUSE) => {
                    let rest = std::mem::take(&mut self.rest);
                    let mut gateways = BTreeSet::new();
                    let before = self.live.probed.clone();
                    for device in &rest {
                        let name = self.site().device_name(*device);
                        gateways.extend(self.subject(*device).map(|subject| subject.gateway.clone()));
                        self.live.probed.remove(&name);
                    }
                    for endpoint in gateways.iter().filter_map(|name| self.field.endpoints.get(name)) {
                        endpoint.again().await;
                    }
                    // reading can be broken off at any time, writing not
                    let asked = match ends {
                        true => timeout_at(least, self.ask(&rest)).await.is_ok(),
                        false => {
                            self.ask(&rest).await;
                            true
                        }
                    };
                    if asked {
                        self.rest = self.round(&rest).await;
                    } else {
                        self.rest = rest;
                        self.live.probed = before;
                    }
                }
            }
        }
        for device in std::mem::take(&mut self.rest) {
            let name = self.site().device_name(device);
            let rules = self.live.demanded.get(&name).map(|demanded| demanded.because.join("`, `"));
            let rules = rules.unwrap_or_default();
            let excluded = self.live.probed.get(&name).and_then(|result| result.as_ref().err()).cloned();
            let gateway = self.subject(device).map(|subject| subject.gateway.clone());
            match (excluded, gateway) {
                (Some(excluded), Some(gateway)) if excluded.code == codes::DEAD_GATEWAY => {
                    let rules = format!("`{rules}`");
                    self.report.silences.safety(&gateway, &excluded.reason, &rules, &name);
                    self.live.unmet = true;
                }
                (excluded, _) => {
                    let why = excluded.map_or_else(|| "it does not answer".to_owned(), |e| e.reason);
                    self.cannot(codes::STATE_UNKNOWN, Severity::Error, &name, &[rules], &why);
                }
            }
            self.live.failed |= !self.dry_run;
        }
        (self.live, self.report)
    }
}

impl Watch<'_> {
    fn site(&self) -> &Site {
        &self.papers.bundle.site
    }

    fn remember(&mut self, records: Vec<Record>) {
        if self.dry_run {
            return;
        }
        if let Some(journal) = &self.journal
            && let Err(fault) = journal.append(self.at, records)
        {
            // nothing keeps a safety write from being made
            self.report.findings.push(fault);
        }
    }

    /// Says which readings are outside their declared ranges, which the rules do not see. Without an accepted
    /// plan only those of the safety class were looked at, and what is known of others stays.
    fn tell_clamped(&mut self, past: &Past, decision: &Decision, all: bool) {
        let mut readings = clamped(self.site(), decision);
        self.report.findings.extend(readings.iter().map(Clamped::finding));
        let before = past.clamped.iter().flat_map(|(_, readings)| readings);
        readings.extend(before.filter(|reading| !all && reading.rules.is_empty()).cloned());
        if !readings.is_empty() || past.clamped.is_some() {
            self.remember(vec![Record::Clamped { site: self.site().name.clone(), readings }]);
        }
    }

    /// Says what active rules have to tell. Without an accepted plan only the safety class was looked at.
    fn tell_notices(&mut self, past: &Past, decision: &Decision, all: bool) {
        let notices = notices(self.site(), decision, all, &past.notified, self.at);
        if !notices.is_empty() {
            self.report.notices.extend(notices.iter().cloned());
            self.remember(vec![Record::Notified { site: self.site().name.clone(), notices }]);
        }
    }

    /// The rules that command a device, in words, with the readings whose loss makes them active: not with
    /// those of another member of the group that a rule is for.
    fn reasons(&self, device: &str) -> Vec<String> {
        let site = self.site();
        let rules = self.live.demanded.get(device).map(|demanded| demanded.because.as_slice());
        let of_another = |rule: &str, signal: &str| {
            let group = site.rules.iter().find(|of| of.name == rule).and_then(|of| of.for_each);
            let members =
                group.and_then(|group| site.group(group)).into_iter().flat_map(|group| &group.members);
            let names = members.flat_map(|range| range.devices()).map(|member| site.device_name(member));
            let names: BTreeSet<String> = names.collect();
            let whose = signal.rsplit_once('.').map_or(signal, |(whose, _)| whose);
            whose != device && names.contains(device) && names.contains(whose)
        };
        let say = |rule: &String| {
            let lost = self.lost.get(rule).into_iter().flatten().filter(|signal| !of_another(rule, signal));
            let lost: Vec<String> = lost.map(|signal| format!("`{signal}`")).collect();
            match lost.is_empty() {
                true => format!("`{rule}`"),
                false => format!("`{rule}`, because {} cannot be read", lost.join(", ")),
            }
        };
        rules.unwrap_or_default().iter().map(say).collect()
    }

    /// Says which readings are lost and what the rules make of it.
    fn tell_lost(&mut self, lost: &[Loss], safety: &Reads, decision: &Decision) {
        let site = self.site();
        let name = |reference: &SigRef| crate::bundle::signal_name(site, reference);
        let watched: BTreeSet<String> =
            safety.readings.iter().chain(&safety.decided).filter_map(name).collect();
        let mut because: BTreeMap<String, Vec<String>> = BTreeMap::new();
        let counts: Vec<(BTreeSet<String>, String)> = decision
            .notes
            .iter()
            .filter_map(|note| match note {
                Note::Loss { instance, active } => {
                    let rule = site.rule(instance.rule).filter(|rule| rule.class == SAFETY)?;
                    let reads = Reads::of_rule(site, rule);
                    let reads: BTreeSet<String> =
                        reads.readings.iter().chain(&reads.decided).filter_map(name).collect();
                    if *active {
                        let mine = lost.iter().filter(|loss| reads.contains(&loss.signal));
                        because.insert(rule.name.clone(), mine.map(|loss| loss.signal.clone()).collect());
                    }
                    let active = if *active { "active" } else { "inactive" };
                    Some((reads, format!("`{}` counts as {active}", rule.name)))
                }
                _ => None,
            })
            .collect();
        for loss in lost.iter().filter(|loss| watched.contains(&loss.signal)) {
            let reading = counts.iter().filter(|(reads, _)| reads.contains(&loss.signal));
            let counted: Vec<String> = reading.map(|(_, words)| words.clone()).collect();
            if let Some(gateway) = &loss.gateway {
                let counts =
                    if counted.is_empty() { String::new() } else { format!(": {}", counted.join(", ")) };
                let words = format!("`{}` cannot be read{counts}", loss.signal);
                self.report.silences.follows(gateway, &loss.why, words);
                continue;
            }
            let message = format!("`{}` cannot be read: {}", loss.signal, loss.why);
            let mut finding = Diagnostic::nowhere(codes::LOST_READING, Severity::Warning, message);
            for words in &counted {
                finding = finding.because(words.clone());
            }
            self.report.findings.push(finding);
        }
        self.lost = because;
    }

    fn subject(&self, device: Device) -> Option<&Subject> {
        self.field.subjects.iter().find(|subject| subject.device == device)
    }

    /// Asks the members of totals, whose present powers decide who gives way.
    async fn ask_members(&mut self, demands: &Demands) {
        let devices: BTreeSet<Device> = demands
            .totals
            .iter()
            .flat_map(|total| &total.members)
            .flat_map(|range| range.devices())
            .collect();
        self.ask(&devices).await;
    }

    async fn ask(&mut self, devices: &BTreeSet<Device>) {
        let unknown = |subject: &&Subject| {
            devices.contains(&subject.device) && !self.live.probed.contains_key(&subject.name)
        };
        let subjects: Vec<Subject> = self.field.subjects.iter().filter(unknown).cloned().collect();
        if !subjects.is_empty() {
            let probed = probe(&subjects, &self.field.endpoints, &self.field.admission).await;
            self.live.probed.extend(probed);
        }
    }

    /// The greatest power that a device may have now, kW, in the direction of its role.
    fn present(&self, device: Device) -> Option<Rat> {
        let family = self.site().family(device.family)?;
        let whole = family.hull(&Attr::Power).map(|(_, most)| most);
        let Some(subject) = self.subject(device) else { return whole };
        match self.live.probed.get(&subject.name) {
            Some(Ok(ready)) => {
                let claim = subject.claim(&ready.found, None);
                Some(Rat::max_of(&claim.lo.abs(), &claim.hi.abs()))
            }
            _ => whole,
        }
    }

    fn cannot(&mut self, code: Code, severity: Severity, name: &str, because: &[String], why: &str) {
        let rules: Vec<String> = because.iter().map(|rule| format!("`{rule}`")).collect();
        let message = format!("{} commands `{name}`, and it cannot be written: {why}", rules.join(", "));
        self.report.findings.push(Diagnostic::nowhere(code, severity, message));
        self.live.unmet |= severity == Severity::Error;
    }

    /// Brings every device to what the safety class asks of it.
    async fn obey(&mut self, demands: Demands) {
        for (name, what, rule) in &demands.unsaid {
            let why = format!("no command of a device says {what}");
            self.cannot(codes::SAFETY_UNWRITTEN, Severity::Warning, name, std::slice::from_ref(rule), &why);
        }
        let mut rest: BTreeSet<Device> = BTreeSet::new();
        for (device, demanded) in demands.devices {
            let name = self.site().device_name(device);
            let why = match (self.subject(device), self.papers.inventory.devices.get(&name)) {
                (Some(subject), _) if subject.family.control == Control::Command => None,
                (Some(_), _) => Some("evl does not command it".to_owned()),
                (None, Some(entry)) if !self.field.gateways.contains(&entry.gateway) => {
                    Some(format!("another host writes `{}`", entry.gateway))
                }
                (None, Some(_)) => Some("it has no profile".to_owned()),
                (None, None) => Some("it is not in the inventory".to_owned()),
            };
            match why {
                Some(why) => {
                    let because = demanded.because.clone();
                    self.cannot(codes::SAFETY_UNWRITTEN, Severity::Warning, &name, &because, &why);
                }
                None => {
                    rest.insert(device);
                    self.live.demanded.insert(name, demanded);
                }
            }
        }
        self.ask(&rest).await;
        self.rest = self.round(&rest).await;
        if self.waits() && !self.dry_run && self.system.is_terminal(Stream::Err) {
            let names: Vec<String> =
                self.rest.iter().map(|device| format!("`{}`", self.site().device_name(*device))).collect();
            self.system.say(&format!(
                "safety: {} must be written and does not answer; it is asked again while the rest goes on\n",
                names.join(", ")
            ));
        }
    }

    /// Writes the devices that answer; gives those that are to be asked again.
    async fn round(&mut self, devices: &BTreeSet<Device>) -> BTreeSet<Device> {
        let (mut again, mut changes) = (BTreeSet::new(), Vec::new());
        for device in devices {
            let Some(subject) = self.subject(*device).cloned() else { continue };
            let Some(demanded) = self.live.demanded.get(&subject.name).cloned() else { continue };
            let ready = match self.live.probed.get(&subject.name).cloned() {
                Some(result) => result.and_then(Ready::commandable),
                None => continue,
            };
            match ready.and_then(|ready| self.change(&subject, &ready, &demanded).map(|c| (ready, c))) {
                Ok((ready, Some(change))) => changes.push((subject, ready, change)),
                Ok((_, None)) => {
                    self.report.note(format!(
                        "safety: {} already does what `{}` asks",
                        subject.name,
                        demanded.because.join("`, `")
                    ));
                }
                Err(excluded) if matches!(excluded.code, codes::DEAD_GATEWAY | codes::STATE_UNKNOWN) => {
                    again.insert(*device);
                }
                Err(Excluded { code, reason }) => {
                    self.cannot(code, Severity::Error, &subject.name, &demanded.because, &reason);
                }
            }
        }
        self.write(changes).await;
        again
    }

    /// What is to be written for the safety class; `None`: nothing.
    fn change(
        &self,
        subject: &Subject,
        ready: &Ready,
        demanded: &Demanded,
    ) -> Result<Option<Change>, Excluded> {
        let settings = match command(subject, ready, demanded) {
            Command::Holds => return Ok(None),
            Command::Cannot(reason) => return Err(Excluded { code: codes::SAFETY_UNWRITTEN, reason }),
            Command::Write(settings) => settings,
        };
        // where the device falls back by itself must be allowed too
        let mut subject = subject.clone();
        let most = demanded.set.numbers.get(&Attr::Power).and_then(|set| set.max().cloned());
        subject.fail_safe =
            most.map_or(subject.fail_safe.clone(), |most| Rat::min_of(&most, &subject.fail_safe));
        let span = Span { now: self.at, end: None, safety: true };
        let standing = self.standing.get(&subject.name).cloned().unwrap_or_default();
        let known = Known { standing, ..Known::default() };
        let change = change(&subject, ready, &settings, span, &known)?;
        Ok(change.writes().then_some(change))
    }

    async fn write(&mut self, changes: Vec<(Subject, Ready, Change)>) {
        if changes.is_empty() {
            return;
        }
        for (_, ready, change) in &changes {
            let mut entry = entry(change, ready);
            entry.safety = true;
            let because = self.live.demanded.get(&change.device).map(|d| d.because.join("`, `"));
            entry.notes.push(format!("commanded by `{}`", because.unwrap_or_default()));
            self.report.safety.push(entry);
        }
        if self.dry_run {
            return;
        }
        let devices = changes.iter().filter_map(|(_, _, change)| change.writing.clone()).collect();
        self.remember(vec![Record::Safety { site: self.site().name.clone(), devices }]);
        let mut works: BTreeMap<String, Vec<Work>> = BTreeMap::new();
        for (subject, ready, change) in &changes {
            works.entry(change.gateway.clone()).or_default().extend(Work::of(subject, ready, change));
            self.live.wrote.insert(change.device.clone());
            self.live.probed.remove(&change.device);
        }
        let mut tasks = JoinSet::new();
        for works in works.into_values() {
            tasks.spawn(write(works, Priority::Safety));
        }
        let mut all: BTreeMap<String, Done> = BTreeMap::new();
        let mut told = !self.system.is_terminal(Stream::Err);
        loop {
            let next = match told {
                true => Ok(tasks.join_next().await),
                false => timeout(HUSH, tasks.join_next()).await,
            };
            match next {
                Ok(Some(done)) => all.extend(done.unwrap_or_default()),
                Ok(None) => break,
                Err(_) => {
                    told = true;
                    let most = SAFETY_PATIENCE.as_secs();
                    self.system.say(&format!(
                        "safety: waiting for what was written to read back, {most} s at most\n"
                    ));
                }
            }
        }
        let mut outcomes = BTreeMap::new();
        let mut standing = BTreeMap::new();
        for (_, _, change) in &changes {
            let done = all.get(&change.device);
            let outcome = done.map_or(Outcome::Unknown, |done| done.outcome);
            let words = done.map_or("the session ended unexpectedly", |done| done.words.as_str());
            outcomes.insert(change.device.clone(), outcome);
            if outcome == Outcome::Done {
                let mut stands = change.standing.clone();
                done.into_iter().for_each(|done| done.stands(&mut stands));
                let because = self.reasons(&change.device);
                for fresh in stands.iter_mut().filter(|stands| stands.because.is_empty()) {
                    fresh.because.clone_from(&because);
                }
                standing.insert(change.device.clone(), stands);
            } else {
                self.live.failed = true;
                let message =
                    format!("the safety write to `{}` is not known to be in effect: {words}", change.device);
                self.report.find(codes::STATE_UNKNOWN, message);
            }
            self.report.registers_written += done.map_or(0, |done| done.registers);
            if let Some(entry) = self.report.safety.iter_mut().find(|entry| entry.device == change.device) {
                entry.outcome = Some(outcome);
                words.clone_into(&mut entry.detail);
            }
        }
        self.remember(vec![Record::Secured { devices: outcomes, standing }]);
    }
}
