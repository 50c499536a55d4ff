//! What an apply, a status or a release did and found, as JSON (schema in `docs/schema/field.json`) and
//! as words.

use std::collections::BTreeMap;
use std::fmt::Write;

use serde::{Serialize, Serializer};

use super::journal::Outcome;
use super::load::shown;
use super::noted::Notice;
use super::probe::{Excluded, Subject};
use super::silence::Silences;
use crate::calendar::Instant;
use crate::diag::registry::{Class, class};
use crate::diag::{Code, Diagnostic, ExitCode, Severity, codes};

/// One register of a change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Register {
    /// point of the profile
    pub point: String,
    /// raw value before
    pub old: i64,
    /// raw value written
    pub new: i64,
}

/// One device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DeviceReport {
    /// its name
    pub device: String,
    /// its gateway
    pub gateway: String,
    /// what it showed of itself
    pub identity: String,
    /// what stood
    pub before: String,
    /// what is asked
    pub after: String,
    /// until when that stands unattended; nothing: for ever
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<Instant>,
    /// registers to be written; none where nothing changes
    pub registers: Vec<Register>,
    /// what came of it; nothing before writing, or where nothing was written
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outcome: Option<Outcome>,
    /// why, or what was seen
    #[serde(skip_serializing_if = "String::is_empty")]
    pub detail: String,
    /// commanded by a rule of the safety class
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub safety: bool,
    /// remarks
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

/// A device that takes no part.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ExcludedReport {
    /// its name
    pub device: String,
    /// permanent code
    pub code: Code,
    /// why
    pub reason: String,
}

/// The report of one run.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// `evl.apply/1`, `evl.status/1`, `evl.release/1`
    pub schema: &'static str,
    /// the site
    pub site: String,
    /// the site's time zone, for people; in JSON instants are UTC
    #[serde(skip)]
    pub timezone: String,
    /// id of the plan
    #[serde(skip_serializing_if = "Option::is_none")]
    pub plan: Option<String>,
    /// its sequence
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sequence: Option<u64>,
    /// the step, from 1
    #[serde(skip_serializing_if = "Option::is_none")]
    pub step: Option<usize>,
    /// first instant of the step, and first after it
    #[serde(skip_serializing_if = "Option::is_none")]
    pub span: Option<(Instant, Instant)>,
    /// the instant that counted as the present one
    #[serde(skip_serializing_if = "Option::is_none")]
    pub now: Option<Instant>,
    /// whether that instant was given and is not the clock's
    pub now_given: bool,
    /// `none`: the site declares that its documents need no signatures
    pub signatures: &'static str,
    /// nothing was to be written
    pub dry_run: bool,
    /// devices that the safety class commands, apart from what the plan asks of them
    pub safety: Vec<DeviceReport>,
    /// devices that take part
    pub devices: Vec<DeviceReport>,
    /// devices that do not
    pub excluded: Vec<ExcludedReport>,
    /// commands of the plan that nobody writes, with the reason
    pub unwritten: BTreeMap<String, String>,
    /// messages of active rules: whoever runs evl sees them, and nobody else is told
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notices: Vec<Notice>,
    /// what else happened, in order
    pub notes: Vec<String>,
    /// findings
    #[serde(serialize_with = "briefly")]
    pub findings: Vec<Diagnostic>,
    /// what gateways do not answer, until it is told as findings
    #[serde(skip)]
    pub(super) silences: Silences,
    /// registers that were written and confirmed
    pub registers_written: u32,
    /// a person has said yes to what is shown
    #[serde(skip)]
    pub(super) consented: bool,
    /// the one command that makes things safe, after a failure
    #[serde(skip_serializing_if = "Option::is_none")]
    pub safe_command: Option<String>,
    /// exit code
    pub exit: u8,
}

/// The schema of a status.
pub(super) const STATUS: &str = "evl.status/1";

/// How the line of the safe command begins.
pub const SAFE: &str = "to make things safe: ";

/// A finding that lies in no file, as reports carry it.
#[derive(Serialize)]
struct Brief<'a> {
    code: Code,
    severity: Severity,
    message: &'a str,
    notes: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    help: Option<&'a str>,
}

fn briefly<S: Serializer>(findings: &[Diagnostic], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(findings.iter().map(|finding| Brief {
        code: finding.code,
        severity: finding.severity,
        message: &finding.message,
        notes: &finding.notes,
        help: finding.help.as_deref(),
    }))
}

/// What mends what was found out about a device.
const fn remedy(code: Code) -> Option<&'static str> {
    Some(match code {
        codes::WRONG_DEVICE => {
            "see which device answers there; one that was replaced is commissioned anew and its `serial` put into the inventory"
        }
        codes::LOCAL_CONTROL => {
            "whoever switched it to local control must switch it back, at the device itself"
        }
        codes::NOT_IN_EFFECT => {
            "look at the device's own display and alarms, and whether another master writes to it"
        }
        codes::STATE_UNKNOWN => {
            "look at the device itself; `evl release DEVICE` hands it back, `evl status` reads it again"
        }
        codes::DRIFTED => "apply a plan again, or hand the device back with `evl release DEVICE`",
        codes::STALE => "apply the plan again for its present step, or make a new one with `evl plan`",
        codes::NOT_ADMITTED => {
            "commission the device and build the bundle again with the record, or leave it to its own control"
        }
        codes::PROFILE_MISMATCH => {
            "bring the declaration and the profile together, then build the bundle again"
        }
        codes::STAYS_FOR_EVER => {
            "mark the command `stays: true` in the profile, or declare `fail_safe .. by none`"
        }
        codes::WRITE_BUDGET => "wait until a day has passed since its writes, or plan with fewer changes",
        codes::LIFE_SAFETY => {
            "plan again without it; the other direction is for a person at the device itself"
        }
        codes::INVENTORY => {
            "put it into the inventory with its gateway and unit, then build the bundle again"
        }
        _ => return None,
    })
}

impl Report {
    /// An empty report.
    #[must_use]
    pub fn new(schema: &'static str, site: &str, timezone: &str) -> Self {
        Self {
            schema,
            site: site.to_owned(),
            timezone: timezone.to_owned(),
            plan: None,
            sequence: None,
            step: None,
            span: None,
            now: None,
            now_given: false,
            signatures: "none",
            dry_run: false,
            safety: Vec::new(),
            devices: Vec::new(),
            excluded: Vec::new(),
            unwritten: BTreeMap::new(),
            notices: Vec::new(),
            notes: Vec::new(),
            findings: Vec::new(),
            silences: Silences::default(),
            registers_written: 0,
            consented: false,
            safe_command: None,
            exit: ExitCode::Success.number(),
        }
    }

    /// The exit code.
    #[must_use]
    pub fn exit_code(&self) -> ExitCode {
        ExitCode::ALL.into_iter().find(|code| code.number() == self.exit).unwrap_or(ExitCode::Failure)
    }

    /// Ends the run with a finding; nothing was written.
    #[must_use]
    pub fn refused(mut self, finding: Diagnostic) -> Self {
        let exit = if class(finding.code) == Class::Failure { ExitCode::Failure } else { ExitCode::Findings };
        self.exit = exit.number();
        self.findings.push(finding);
        self
    }

    pub(super) fn note(&mut self, words: impl Into<String>) {
        self.notes.push(words.into());
    }

    pub(super) fn find(&mut self, code: Code, message: impl Into<String>) {
        let finding = Diagnostic::nowhere(code, Severity::Error, message);
        self.findings.push(match remedy(code) {
            Some(help) => finding.help(help),
            None => finding,
        });
    }

    /// A device takes no part. What a silent gateway keeps away is told once for the gateway.
    pub(super) fn exclude(&mut self, subject: &Subject, excluded: Excluded, what: &str, help: Option<&str>) {
        let Excluded { code, reason } = excluded;
        if code == codes::DEAD_GATEWAY {
            self.silences.absent(&subject.gateway, &reason, &subject.name);
        } else {
            let message = format!("`{}` {what}: {reason}", subject.name);
            let finding = Diagnostic::nowhere(code, Severity::Error, message);
            self.findings.push(match help.or(remedy(code)) {
                Some(help) => finding.help(help),
                None => finding,
            });
        }
        self.excluded.push(ExcludedReport { device: subject.name.clone(), code, reason });
    }

    /// Whether the same would be written as another look had shown.
    pub(super) fn shows_the_same(&self, shown: &Self) -> bool {
        let mine = self.devices.iter().map(|d| (&d.device, &d.before, &d.after, &d.registers));
        let theirs = shown.devices.iter().map(|d| (&d.device, &d.before, &d.after, &d.registers));
        // a gateway that keeps silent words its silence differently each time
        let out = |report: &Self| -> Vec<(String, Code)> {
            report.excluded.iter().map(|out| (out.device.clone(), out.code)).collect()
        };
        self.step == shown.step && mine.eq(theirs) && out(self) == out(shown)
    }

    /// The report of a second look, and what the first had already done.
    #[must_use]
    pub(super) fn after(mut self, first: Self) -> Self {
        let unknown = ExitCode::Unknown.number();
        let refused = matches!(self.exit_code(), ExitCode::Findings | ExitCode::Failure);
        if first.exit == unknown || (refused && first.exit != ExitCode::Success.number()) {
            self.exit = first.exit;
            self.safe_command = self.safe_command.or(first.safe_command);
        }
        // what the first look wrote stands in the second, which has nothing to write there
        let wrote = |device: &DeviceReport| !device.registers.is_empty();
        self.safety.retain(|now| {
            wrote(now) || !first.safety.iter().any(|then| then.device == now.device && wrote(then))
        });
        let untold =
            |then: &DeviceReport| wrote(then) || !self.safety.iter().any(|now| now.device == then.device);
        let earlier: Vec<DeviceReport> = first.safety.into_iter().filter(untold).collect();
        self.safety.splice(0..0, earlier);
        self.registers_written += first.registers_written;
        self.silences.absorb(first.silences);
        let untold = first.notices.into_iter().filter(|notice| !self.notices.contains(notice));
        let untold: Vec<Notice> = untold.collect();
        self.notices.splice(0..0, untold);
        let fresh: Vec<String> = first.notes.into_iter().filter(|note| !self.notes.contains(note)).collect();
        self.notes.splice(0..0, fresh);
        let mut both = self.closed();
        let known = |then: &Diagnostic| {
            both.findings.iter().any(|now| (now.code, &now.message) == (then.code, &then.message))
        };
        let earlier: Vec<Diagnostic> = first.findings.into_iter().filter(|then| !known(then)).collect();
        both.findings.splice(0..0, earlier);
        both.closed()
    }

    /// Takes in what another part of the same run has to tell.
    pub(super) fn absorb(&mut self, part: Self) {
        self.safety.extend(part.safety);
        self.findings.extend(part.findings);
        self.notices.extend(part.notices);
        self.notes.extend(part.notes);
        self.silences.absorb(part.silences);
        self.registers_written += part.registers_written;
    }

    /// Tells of each silent gateway, once and first.
    #[must_use]
    pub(super) fn closed(mut self) -> Self {
        let silences: Vec<Diagnostic> = std::mem::take(&mut self.silences).findings().collect();
        self.findings.splice(0..0, silences);
        // what fails again and again is told once
        let mut told: Vec<Diagnostic> = Vec::new();
        for finding in std::mem::take(&mut self.findings) {
            if !told.contains(&finding) {
                told.push(finding);
            }
        }
        self.findings = told;
        self
    }

    pub(super) fn device(&mut self, name: &str) -> Option<&mut DeviceReport> {
        self.devices.iter_mut().find(|device| device.device == name)
    }

    /// Canonical JSON with a newline at its end.
    #[must_use]
    pub fn json(&self) -> String {
        // the type holds nothing that JSON cannot say
        serde_json::to_string_pretty(self).unwrap_or_default() + "\n"
    }

    fn show(&self, at: Instant) -> String {
        shown(&self.timezone, at)
    }

    /// The report for people, without its findings.
    #[must_use]
    pub fn words(&self) -> String {
        let mut out = String::new();
        // writing into a string cannot fail
        let _ = self.write_words(&mut out);
        out
    }

    fn write_words(&self, out: &mut String) -> std::fmt::Result {
        write!(out, "{}", self.site)?;
        if let (Some(plan), Some(sequence)) = (&self.plan, self.sequence) {
            let short = plan.strip_prefix("sha256:").and_then(|hex| hex.get(..12)).unwrap_or(plan);
            write!(out, ": plan {short}, sequence {sequence}")?;
        }
        if let (Some(step), Some((start, end))) = (self.step, self.span) {
            write!(out, ", step {step}, {} to {} ({})", self.show(start), self.show(end), self.timezone)?;
        }
        out.push('\n');
        if let (Some(now), true) = (self.now, self.now_given) {
            writeln!(out, "  the present instant was given: {}", self.show(now))?;
        }
        if self.signatures == "none" {
            writeln!(out, "  documents are not signed: the site declares `signatures none`")?;
        }
        self.write_devices(out, &self.safety)?;
        self.write_devices(out, &self.devices)?;
        let mut told: Vec<&ExcludedReport> = Vec::new();
        for excluded in &self.excluded {
            // one reason, one line: a gateway keeps all its devices away
            let same =
                |other: &&ExcludedReport| other.code == excluded.code && other.reason == excluded.reason;
            if told.iter().any(same) {
                continue;
            }
            told.push(excluded);
            let devices: Vec<&str> =
                self.excluded.iter().filter(same).map(|other| other.device.as_str()).collect();
            writeln!(out, "  excluded: {} [{}]: {}", devices.join(", "), excluded.code, excluded.reason)?;
        }
        for (device, reason) in &self.unwritten {
            writeln!(out, "  not written: {device}: {reason}")?;
        }
        for Notice { rule, to, text } in &self.notices {
            writeln!(out, "  `{rule}` to {to}: {text:?}")?;
        }
        for note in &self.notes {
            writeln!(out, "  {note}")?;
        }
        if let Some(command) = &self.safe_command {
            writeln!(out, "  {SAFE}{command}")?;
        }
        Ok(())
    }
}

impl Report {
    fn write_devices(&self, out: &mut String, devices: &[DeviceReport]) -> std::fmt::Result {
        let width = devices.iter().map(|device| device.device.chars().count()).max().unwrap_or(0);
        let mut gateway = "";
        for device in devices {
            if device.gateway != gateway {
                gateway = &device.gateway;
                writeln!(out, "  {gateway}")?;
            }
            // whoever only looks changes nothing, and what does not stand has no end
            let looks = self.schema == STATUS;
            let idle = device.registers.is_empty() && device.outcome.is_none();
            let same = device.before == device.after || device.after.is_empty();
            let change = if same || looks || idle {
                device.before.clone()
            } else {
                format!("{} -> {}", device.before, device.after)
            };
            write!(out, "    {:width$}  {change}", device.device)?;
            if let Some(until) = device.until.filter(|_| !looks || device.outcome.is_none()) {
                let stands = if self.now.is_some_and(|now| until <= now) { "stood" } else { "stands" };
                write!(out, ", {stands} until {}", self.show(until))?;
            }
            if device.safety {
                write!(out, " (safety)")?;
            }
            let outcome = match device.outcome {
                None if device.registers.is_empty() => "",
                None if self.dry_run => "would be written",
                None => "not written",
                Some(Outcome::Done) => "done",
                Some(Outcome::Failed) if looks => "NOT AS PLANNED",
                Some(Outcome::Failed) => "FAILED",
                Some(Outcome::Unknown) => "UNKNOWN",
                Some(Outcome::Undone) => "undone",
                Some(Outcome::Left) => "left as found",
            };
            let tail: Vec<&str> =
                [outcome, device.detail.as_str()].into_iter().filter(|words| !words.is_empty()).collect();
            if !tail.is_empty() {
                write!(out, ": {}", tail.join(", "))?;
            }
            writeln!(out, " [{}]", device.identity)?;
            for note in &device.notes {
                writeln!(out, "    {:width$}  note: {note}", "")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(value: &serde_json::Value) -> Vec<&str> {
        value.as_object().unwrap().keys().map(String::as_str).collect()
    }

    fn excluding(code: Code, reason: &str) -> Report {
        let mut report = Report::new("evl.apply/1", "yard", "UTC");
        report.excluded.push(ExcludedReport { device: "pack".to_owned(), code, reason: reason.to_owned() });
        report
    }

    #[test]
    fn who_keeps_silent_otherwise_keeps_silent_still() {
        let shown = excluding(codes::DEAD_GATEWAY, "its gateway is not reached: connection refused");
        let again = excluding(codes::DEAD_GATEWAY, "its gateway is not reached: timed out");
        assert!(again.shows_the_same(&shown));
        // another reason to stay away is another thing than was shown, and so is another device
        assert!(!excluding(codes::LOCAL_CONTROL, "LOCAL").shows_the_same(&shown));
        let mut other = again.clone();
        other.excluded[0].device = "solar".to_owned();
        assert!(!other.shows_the_same(&shown));
        assert!(!Report::new("evl.apply/1", "yard", "UTC").shows_the_same(&shown));
    }

    fn safe(device: &str, registers: Vec<Register>, detail: &str) -> DeviceReport {
        DeviceReport {
            device: device.to_owned(),
            gateway: "roof".to_owned(),
            identity: "bound to unit 1".to_owned(),
            before: "on".to_owned(),
            after: "off".to_owned(),
            until: None,
            registers,
            outcome: None,
            detail: detail.to_owned(),
            safety: true,
            notes: Vec::new(),
        }
    }

    /// A second look finds much of what the first has told, and tells it no second time.
    #[test]
    fn two_looks_tell_each_thing_once() {
        let register = || vec![Register { point: "limit".to_owned(), old: 1, new: 0 }];
        let (mut first, mut second) =
            (Report::new("evl.apply/1", "yard", "UTC"), Report::new("evl.apply/1", "yard", "UTC"));
        first.safety =
            vec![safe("a", register(), "written"), safe("b", vec![], "stands"), safe("c", vec![], "stood")];
        second.safety = vec![
            safe("a", vec![], "stands"),
            safe("b", vec![], "stands still"),
            safe("c", register(), "written"),
        ];
        first.registers_written = 1;
        first.find(codes::LOCAL_CONTROL, "`d` is switched to local control");
        first.find(codes::DRIFTED, "`e` drifted");
        second.findings.push(
            Diagnostic::nowhere(codes::LOCAL_CONTROL, Severity::Error, "`d` is switched to local control")
                .because("seen again"),
        );
        first.silences.absent("roof", "its gateway at 127.0.0.1:1 is not reached: refused", "f");
        second.silences.absent("roof", "its gateway at 127.0.0.1:1 is not reached: timed out", "g");
        let both = second.after(first);
        let told: Vec<_> = both.safety.iter().map(|d| (d.device.as_str(), d.detail.as_str())).collect();
        assert_eq!(told, [("a", "written"), ("b", "stands still"), ("c", "written")]);
        assert_eq!(both.registers_written, 1);
        let told: Vec<&str> = both.findings.iter().map(|finding| finding.message.as_str()).collect();
        assert_eq!(
            told,
            [
                "`e` drifted",
                "the gateway `roof` at 127.0.0.1:1 is not reached: timed out",
                "`d` is switched to local control"
            ]
        );
        assert_eq!(both.findings[1].notes, ["`f`, `g` take no part"]);
        assert_eq!(both.findings[2].notes, ["seen again"]);
    }

    /// Every key that a report can carry is in the published schema, and every key of the schema can be
    /// carried.
    #[test]
    fn the_schema_is_the_published_one() {
        let schema: serde_json::Value =
            serde_json::from_str(include_str!("../../docs/schema/field.json")).unwrap();
        let mut report = Report::new("evl.apply/1", "yard", "UTC");
        report.plan = Some("sha256:00".to_owned());
        report.sequence = Some(1);
        report.step = Some(1);
        report.span = Some((Instant(0), Instant(900)));
        report.now = Some(Instant(1));
        report.safe_command = Some("evl release --all".to_owned());
        report
            .findings
            .push(Diagnostic::nowhere(codes::LOCKED, Severity::Error, "m").because("because").help("help"));
        report.devices.push(DeviceReport {
            device: "solar".to_owned(),
            gateway: "roof".to_owned(),
            identity: "claimed serial 1".to_owned(),
            before: "unknown".to_owned(),
            after: "off".to_owned(),
            until: Some(Instant(900)),
            registers: vec![Register { point: "limit".to_owned(), old: 1, new: 2 }],
            outcome: Some(Outcome::Done),
            detail: "verified".to_owned(),
            safety: true,
            notes: vec!["note".to_owned()],
        });
        report.notices.push(Notice {
            rule: "filter".to_owned(),
            to: "coolco".to_owned(),
            text: "replace the filter".to_owned(),
        });
        let reason = "LOCAL".to_owned();
        report.excluded.push(ExcludedReport {
            device: "pack".to_owned(),
            code: codes::LOCAL_CONTROL,
            reason,
        });
        let json: serde_json::Value = serde_json::from_str(&report.json()).unwrap();
        let of = |value: &serde_json::Value, place: &serde_json::Value| {
            let (mut carried, mut published) = (keys(value), keys(&place["properties"]));
            carried.sort_unstable();
            published.sort_unstable();
            assert_eq!(carried, published);
        };
        of(&json, &schema);
        of(&json["devices"][0], &schema["$defs"]["device"]);
        of(&json["devices"][0]["registers"][0], &schema["$defs"]["register"]);
        of(&json["notices"][0], &schema["$defs"]["notice"]);
        of(&json["excluded"][0], &schema["$defs"]["excluded"]);
        of(&json["findings"][0], &schema["$defs"]["finding"]);
    }
}
