//! What follows from gateways that do not answer, told once for each gateway.

use std::collections::{BTreeMap, BTreeSet};

use crate::diag::{Diagnostic, Severity, codes};

/// Most names that one line lists.
const MOST: usize = 12;

/// All that was found out about silent gateways in one run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Silences(BTreeMap<String, Silence>);

#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Silence {
    /// in words that follow the gateway's name: `at 192.0.2.7:502 is not reached: connection refused`
    why: String,
    /// devices that take no part
    absent: BTreeSet<String>,
    /// devices that were written, and what they hold now is not known
    unknown: BTreeSet<String>,
    /// what else follows
    follows: Vec<String>,
    /// what rules of the safety class command: devices by rules
    safety: BTreeMap<String, BTreeSet<String>>,
}

fn names(devices: &BTreeSet<String>) -> String {
    let shown: Vec<String> = devices.iter().take(MOST).map(|name| format!("`{name}`")).collect();
    let more = devices.len().saturating_sub(MOST);
    let more = if more == 0 { String::new() } else { format!(" and {more} more") };
    format!("{}{more}", shown.join(", "))
}

impl Silences {
    fn of(&mut self, gateway: &str, why: &str) -> &mut Silence {
        let silence = self.0.entry(gateway.to_owned()).or_default();
        if silence.why.is_empty() {
            // reasons of devices begin with `its gateway`
            why.strip_prefix("its gateway ").unwrap_or(why).clone_into(&mut silence.why);
        }
        silence
    }

    /// A device behind `gateway` takes no part, because `why`.
    pub fn absent(&mut self, gateway: &str, why: &str, device: &str) {
        self.of(gateway, why).absent.insert(device.to_owned());
    }

    /// A device behind `gateway` was written, and does not say what came of it.
    pub fn unknown(&mut self, gateway: &str, why: &str, device: &str) {
        self.of(gateway, why).unknown.insert(device.to_owned());
    }

    /// Something else follows.
    pub fn follows(&mut self, gateway: &str, why: &str, words: String) {
        let follows = &mut self.of(gateway, why).follows;
        if !follows.contains(&words) {
            follows.push(words);
        }
    }

    /// Rules of the safety class, named with backticks, ask something of a device behind `gateway`.
    pub fn safety(&mut self, gateway: &str, why: &str, rules: &str, device: &str) {
        let devices = self.of(gateway, why).safety.entry(rules.to_owned()).or_default();
        devices.insert(device.to_owned());
    }

    /// Takes in what another part of the run found out.
    pub fn absorb(&mut self, other: Self) {
        for (gateway, more) in other.0 {
            let silence = self.of(&gateway, &more.why);
            silence.absent.extend(more.absent);
            silence.unknown.extend(more.unknown);
            for (rules, devices) in more.safety {
                silence.safety.entry(rules).or_default().extend(devices);
            }
            for words in more.follows {
                if !silence.follows.contains(&words) {
                    silence.follows.push(words);
                }
            }
        }
    }

    /// One finding for each gateway.
    pub fn findings(self) -> impl Iterator<Item = Diagnostic> {
        self.0.into_iter().map(|(gateway, silence)| silence.finding(&gateway))
    }
}

impl Silence {
    fn finding(self, gateway: &str) -> Diagnostic {
        let Self { why, absent, unknown, follows, safety } = self;
        let code = if unknown.is_empty() { codes::DEAD_GATEWAY } else { codes::STATE_UNKNOWN };
        let mut finding =
            Diagnostic::nowhere(code, Severity::Error, format!("the gateway `{gateway}` {why}"));
        if !unknown.is_empty() {
            let hold = if unknown.len() == 1 { "holds" } else { "hold" };
            finding = finding.because(format!("what {} {hold} now is not known", names(&unknown)));
        }
        if !absent.is_empty() {
            let take = if absent.len() == 1 { "takes" } else { "take" };
            finding = finding.because(format!("{} {take} no part", names(&absent)));
        }
        for words in follows {
            finding = finding.because(words);
        }
        let urgent = !safety.is_empty();
        for (rules, devices) in safety {
            let are = if devices.len() == 1 { "is" } else { "are" };
            let words = format!("{rules} commands {}, which {are} not known to obey", names(&devices));
            finding = finding.because(words);
        }
        finding.help(if urgent {
            "bring it back and apply again at once: what the safety class asks is tried first, whatever else holds"
        } else {
            "see that it is on and can be reached; `timeout` in the inventory grants a slow one more time"
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_gateway_is_one_finding() {
        let mut silences = Silences::default();
        let why = "its gateway at 127.0.0.1:1 is not reached: connection refused";
        for device in ["b", "a"] {
            silences.absent("roof", why, device);
        }
        for device in ["b", "a", "a"] {
            silences.safety("roof", why, "`co`", device);
        }
        let findings: Vec<Diagnostic> = silences.findings().collect();
        assert_eq!(findings.len(), 1);
        assert_eq!(
            findings[0].message,
            "the gateway `roof` at 127.0.0.1:1 is not reached: connection refused"
        );
        let obey = "`co` commands `a`, `b`, which are not known to obey";
        assert_eq!(findings[0].notes, ["`a`, `b` take no part", obey]);
    }

    #[test]
    fn one_device_holds_and_several_hold() {
        let mut silences = Silences::default();
        silences.unknown("roof", "at 127.0.0.1:1 does not answer any more", "a");
        for device in ["b", "c"] {
            silences.unknown("plant", "at 127.0.0.1:2 does not answer any more", device);
        }
        let notes: Vec<Vec<String>> = silences.findings().map(|finding| finding.notes).collect();
        assert_eq!(
            notes,
            [["what `b`, `c` hold now is not known"], ["what `a` holds now is not known"]]
                .map(|n| n.map(str::to_owned).to_vec())
        );
    }
}
