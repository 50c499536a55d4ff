//! The rules on what the devices show now, and the writes of the safety class (semantics.md 22):
//! outside every transaction, never undone, and not kept back by a lock, a prompt, a missing or
//! useless plan, or a journal that fails.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant as Moment, sleep};

use super::prepare::entry;
use super::{Accepted, Field, Options};
use crate::calendar::{Calendar, Instant};
use crate::diag::{Code, Diagnostic, Severity, codes};
use crate::eval::{Decision, Evaluator, Note};
use crate::inputs::Reads;
use crate::ir::{Attr, Control, Device, Model, SAFETY, Site};
use crate::quantity::Rat;
use crate::runtime::change::{Change, Known, Span, change};
use crate::runtime::endpoint::Priority;
use crate::runtime::execute::{Done, Work, write};
use crate::runtime::journal::{Journal, Outcome, Past, Record, Standing};
use crate::runtime::load::Papers;
use crate::runtime::memory::Memory;
use crate::runtime::probe::{Excluded, Probed, Ready, Subject, probe};
use crate::runtime::reading::{Loss, Sources, readers};
use crate::runtime::report::Report;
use crate::runtime::safety::{Command, Demanded, Demands, command, demands};

/// How long a device that does not answer is asked again for what safety commands of it.
const PATIENCE: Duration = Duration::from_secs(10);
/// Pause between two tries.
const PAUSE: Duration = Duration::from_millis(250);

/// What the rules say now, and what was done for the safety class.
#[derive(Debug, Default)]
pub(super) struct Live {
    /// `None`: no rule was evaluated
    pub(super) decision: Option<Decision>,
    /// what the safety class asks, by device
    pub(super) demanded: BTreeMap<String, Demanded>,
    /// devices that were asked and not written
    pub(super) probed: Probed,
    /// devices that the safety class has written
    pub(super) wrote: BTreeSet<String>,
    /// a safety write is not known to be in effect
    pub(super) failed: bool,
    /// something that the safety class asks of a commanded device cannot be written
    pub(super) unmet: bool,
}

impl Live {
    /// The site with what the rules now leave of its grid connections.
    pub(super) fn narrowed<'s>(&self, site: &'s Site) -> Cow<'s, Site> {
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
struct Watch<'a, 'j> {
    papers: &'a Papers,
    field: &'a Field,
    journal: &'a mut Option<Journal<'j>>,
    at: Instant,
    dry_run: bool,
    report: &'a mut Report,
    live: Live,
    /// commands that stood before
    standing: BTreeMap<String, Vec<Standing>>,
    patience: Moment,
}

/// Evaluates the rules and writes what the safety class commands. Without an accepted plan only the
/// safety class is looked at.
#[expect(clippy::too_many_arguments, reason = "the one place where documents, field and memory meet")]
pub(super) async fn watch(
    papers: &Papers,
    field: &Field,
    journal: &mut Option<Journal<'_>>,
    past: &Past,
    accepted: Option<&Accepted<'_>>,
    at: Instant,
    options: &Options,
    report: &mut Report,
) -> Live {
    let site = &papers.bundle.site;
    let safety = Reads::of_class(site, SAFETY);
    let has_safety = site.rules.iter().any(|rule| rule.class == SAFETY);
    if site.rules.is_empty() || (accepted.is_none() && !has_safety) {
        return Live::default();
    }
    let calendar = match Calendar::new(site) {
        Ok(calendar) => calendar,
        Err(finding) => {
            report.findings.push(finding);
            return Live { unmet: true, ..Live::default() };
        }
    };
    let reads = if accepted.is_some() { Reads::of(site) } else { safety.clone() };
    let asked = readers(site, &reads);
    let readers: Vec<Subject> =
        field.subjects.iter().filter(|subject| asked.contains(&subject.device)).cloned().collect();
    let probed = probe(&readers, &field.endpoints, &field.admission).await;
    let given = accepted.map(|accepted| (&accepted.given, accepted.step));
    let sources = Sources { site, subjects: &field.subjects, probed: &probed, given };
    let (mut env, lost) = sources.environment(&reads, at);
    let from_plan = || accepted.map(|accepted| Memory::of_state(&accepted.plan.state));
    let memory = past.memory.clone().or_else(from_plan).unwrap_or_default();
    memory.recall(site, &mut env);
    let evaluator = Evaluator::new(site, &calendar);
    let decision = evaluator.evaluate(&env);
    let after = memory.after(site, &evaluator, &env, &BTreeSet::new());
    let mut watch = Watch {
        papers,
        field,
        journal,
        at,
        dry_run: options.dry_run,
        report,
        live: Live { probed, ..Live::default() },
        standing: past.standing.clone(),
        patience: Moment::now() + PATIENCE,
    };
    watch.tell_lost(&lost, &safety, &decision);
    let mut demands = demands(site, &decision);
    watch.ask_members(&demands).await;
    demands.shed(site, |device| watch.present(device));
    watch.live.decision = Some(decision);
    watch.obey(demands).await;
    if past.memory.as_ref().map_or(after != Memory::default(), |before| *before != after) {
        watch.remember(vec![Record::Memory { site: site.name.clone(), memory: after }]);
    }
    watch.live
}

impl Watch<'_, '_> {
    fn site(&self) -> &Site {
        &self.papers.bundle.site
    }

    fn remember(&mut self, records: Vec<Record>) {
        if self.dry_run {
            return;
        }
        if let Some(journal) = self.journal
            && let Err(fault) = journal.append(self.at, records)
        {
            // nothing keeps a safety write from being made
            self.report.findings.push(fault);
        }
    }

    /// Says which readings are lost and what the rules make of it.
    fn tell_lost(&mut self, lost: &[Loss], safety: &Reads, decision: &Decision) {
        let site = self.site();
        let name = |reference| crate::bundle::signal_name(site, reference);
        let watched: BTreeSet<String> =
            safety.readings.iter().chain(&safety.decided).filter_map(name).collect();
        let counted: Vec<String> = decision
            .notes
            .iter()
            .filter_map(|note| match note {
                Note::Loss { instance, active } => {
                    let rule = site.rule(instance.rule).filter(|rule| rule.class == SAFETY)?;
                    Some(format!("`{}` counts as {}", rule.name, if *active { "active" } else { "inactive" }))
                }
                _ => None,
            })
            .collect();
        for loss in lost.iter().filter(|loss| watched.contains(&loss.signal)) {
            let message = format!("`{}` cannot be read: {}", loss.signal, loss.why);
            let mut finding = Diagnostic::nowhere(codes::LOST_READING, Severity::Warning, message);
            for words in &counted {
                finding = finding.because(words.clone());
            }
            self.report.findings.push(finding);
        }
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
        while !rest.is_empty() {
            self.ask(&rest).await;
            rest = self.round(&rest).await;
            if rest.is_empty() || self.dry_run || Moment::now() >= self.patience {
                break;
            }
            sleep(PAUSE).await;
            for device in &rest {
                let name = self.site().device_name(*device);
                self.live.probed.remove(&name);
            }
        }
        for device in rest {
            let name = self.site().device_name(device);
            let why = match self.live.probed.get(&name) {
                Some(Err(excluded)) => excluded.reason.clone(),
                _ => "it does not answer".to_owned(),
            };
            let because = self.live.demanded.get(&name).map(|d| d.because.clone()).unwrap_or_default();
            self.cannot(codes::STATE_UNKNOWN, Severity::Error, &name, &because, &why);
            self.live.failed |= !self.dry_run;
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
        let span = Span { now: self.at, end: None };
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
        while let Some(done) = tasks.join_next().await {
            all.extend(done.unwrap_or_default());
        }
        let mut outcomes = BTreeMap::new();
        let mut standing = BTreeMap::new();
        for (_, _, change) in &changes {
            let done = all.get(&change.device);
            let outcome = done.map_or(Outcome::Unknown, |done| done.outcome);
            let words = done.map_or("the session ended unexpectedly", |done| done.words.as_str());
            outcomes.insert(change.device.clone(), outcome);
            if outcome == Outcome::Done {
                standing.insert(change.device.clone(), change.standing.clone());
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
