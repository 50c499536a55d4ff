//! What a look at the rules has to tell beside what it does: readings outside their declared ranges, and
//! the messages of active rules.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::bundle::{signal_name, written};
use crate::calendar::Instant;
use crate::diag::{Diagnostic, Severity, codes};
use crate::eval::{Decision, Note};
use crate::inputs::Reads;
use crate::ir::{Domain, SAFETY, Site, Value};

/// A good reading outside its declared range (semantics.md 4), in the words and units of the policy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Clamped {
    /// the signal
    pub signal: String,
    /// what was read
    pub read: String,
    /// the end of the range that it counts as
    pub counts_as: String,
    /// the declared range: `0 ppm .. 60 ppm`
    pub range: String,
    /// rules of the safety class that read it
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rules: Vec<String>,
}

/// The readings that a decision clamped.
#[must_use]
pub fn clamped(site: &Site, decision: &Decision) -> Vec<Clamped> {
    let one = |note: &Note| {
        let Note::Clamped { signal: reference, read } = note else { return None };
        let name = signal_name(site, reference)?;
        let signal = site.signals.iter().find(|signal| {
            use crate::ir::SigRef::{Member, Only};
            matches!(reference, Only(id) | Member(id, _) if *id == signal.id)
        })?;
        let (Domain::Interval { lo, hi }, Value::Number(number)) = (&signal.domain, read) else {
            return None;
        };
        let say = |value: &Value| written(site, signal, value);
        let (least, greatest) = (say(&Value::Number(lo.clone())), say(&Value::Number(hi.clone())));
        let reads = |rule: &&crate::ir::Rule| {
            let reads = Reads::of_rule(site, rule);
            rule.class == SAFETY && reads.readings.iter().chain(&reads.decided).any(|of| of == reference)
        };
        Some(Clamped {
            signal: name,
            read: say(read),
            range: format!("{least} .. {greatest}"),
            counts_as: if number < lo { least } else { greatest },
            rules: site.rules.iter().filter(reads).map(|rule| rule.name.clone()).collect(),
        })
    };
    decision.notes.iter().filter_map(one).collect()
}

impl Clamped {
    /// What is told of it.
    #[must_use]
    pub fn finding(&self) -> Diagnostic {
        self.told(format!("`{}` reads {}", self.signal, self.read), "counts")
    }

    /// What is told of it later; `at` is when it was read, in words.
    #[must_use]
    pub fn earlier(&self, at: &str) -> Diagnostic {
        self.told(format!("`{}` read {} at {at}", self.signal, self.read), "counted")
    }

    fn told(&self, read: String, counts: &str) -> Diagnostic {
        let Self { range, counts_as, rules, .. } = self;
        let message = format!("{read}, outside its declared range {range}, and {counts} as {counts_as}");
        let mut finding = Diagnostic::nowhere(codes::CLAMPED_READING, Severity::Warning, message);
        for rule in rules {
            finding =
                finding.because(format!("`{rule}` of the safety class sees {counts_as}, whatever is there"));
        }
        finding.help(
            "see whether the device is right; if it is, declare the range that it can show, and build and plan again",
        )
    }
}

/// A message that an active rule has for somebody.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Notice {
    /// the rule, with the member for `for each` rules
    pub rule: String,
    /// vendor, tenant or role
    pub to: String,
    /// the text
    pub text: String,
}

impl Notice {
    /// By what it is known again.
    #[must_use]
    pub fn key(&self) -> String {
        format!("{} to {}: {}", self.rule, self.to, self.text)
    }
}

/// The messages of active rules, without those that were told less than their `at most every` ago.
/// `all`: those of every class, and not only of the safety class.
#[must_use]
pub fn notices(
    site: &Site,
    decision: &Decision,
    all: bool,
    told: &BTreeMap<String, Instant>,
    at: Instant,
) -> Vec<Notice> {
    let one = |notice: &crate::eval::Notice| {
        let instance = notice.effect.instance;
        let rule = site.rule(instance.rule).filter(|rule| all || rule.class == SAFETY)?;
        let name = match instance.member {
            None => rule.name.clone(),
            Some(device) => format!("{} of {}", rule.name, site.device_name(device)),
        };
        let new = Notice { rule: name, to: notice.to.clone(), text: notice.text.clone() };
        let since = told.get(&new.key()).map(|last| at.since(*last));
        let due = match (rule.at_most_every_s, since) {
            (Some(every), Some(since)) => since >= every,
            _ => true,
        };
        due.then_some(new)
    };
    decision.notices.iter().filter_map(one).collect()
}
