//! `evl.yaml`: the manifest of a policy repository.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::diag::{Code, Diagnostic, SourceId, Span, codes};
use crate::ir::{CivilDate, LintLevel, Settings};
use crate::quantity::Rat;

use super::yaml;

/// Name of the manifest.
pub const MANIFEST: &str = "evl.yaml";

/// The manifest as understood. A repository without one has the default.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Manifest {
    /// Where it stands, if there is one.
    pub source: Option<SourceId>,
    /// The site it is for; checked against the `site` declaration.
    pub site: Option<(String, Span)>,
    /// Patterns of the files that belong to it; empty: every `.evl` file of the repository.
    pub members: Vec<(String, Span)>,
    /// Owner by pattern, in declared order; the last that matches wins.
    pub owners: Vec<(String, String, Span)>,
    /// Findings accepted until a day.
    pub waivers: Vec<Waiver>,
    /// Feed name -> file, in place of what the policy names.
    pub inputs: BTreeMap<String, (String, Span)>,
    /// What plans depend on.
    pub settings: Settings,
    /// Greatest change of any one command from plan to plan, kW.
    pub max_change: Option<(Rat, Span)>,
}

/// A finding accepted until a day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiver {
    /// Code.
    pub code: Code,
    /// Name of the rule, schedule, group or device whose statement it concerns; `None`: any.
    pub statement: Option<String>,
    /// Last civil day.
    pub until: CivilDate,
    /// Why.
    pub reason: String,
    /// Where.
    pub span: Span,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    site: Option<serde_yaml::Spanned<String>>,
    #[serde(default)]
    members: Vec<serde_yaml::Spanned<String>>,
    #[serde(default)]
    owners: BTreeMap<String, serde_yaml::Spanned<String>>,
    #[serde(default)]
    lints: BTreeMap<String, serde_yaml::Spanned<String>>,
    #[serde(default)]
    waivers: Vec<serde_yaml::Spanned<RawWaiver>>,
    #[serde(default)]
    inputs: BTreeMap<String, serde_yaml::Spanned<String>>,
    max_gap: Option<serde_yaml::Spanned<String>>,
    max_change: Option<serde_yaml::Spanned<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawWaiver {
    code: String,
    statement: Option<String>,
    until: String,
    reason: String,
}

/// Reads a manifest; faults are reported and the rest is used.
pub(super) fn read(source: SourceId, text: &str, findings: &mut Vec<Diagnostic>) -> Manifest {
    let mut manifest = Manifest { source: Some(source), ..Manifest::default() };
    if text.trim().is_empty() {
        return manifest;
    }
    let raw: Raw = match yaml::read(source, text) {
        Ok(raw) => raw,
        Err(fault) => {
            findings.push(*fault);
            return manifest;
        }
    };
    let at = |l: serde_yaml::Location| yaml::span(source, l);
    manifest.site = raw.site.map(|s| (s.value, at(s.referenced)));
    manifest.members = raw.members.into_iter().map(|m| (m.value, at(m.referenced))).collect();
    manifest.owners = raw.owners.into_iter().map(|(p, o)| (p, o.value, at(o.referenced))).collect();
    for (pattern, span) in
        manifest.members.iter().map(|(p, s)| (p, s)).chain(manifest.owners.iter().map(|(p, _, s)| (p, s)))
    {
        if pattern.starts_with('/') || pattern.split('/').any(|part| part == "..") {
            findings.push(
                Diagnostic::error(
                    codes::PATH_ESCAPE,
                    *span,
                    format!("the pattern `{pattern}` leads out of the repository"),
                )
                .help("write a pattern relative to the repository's top folder, such as `tenants/acme/**`"),
            );
        }
    }
    manifest.inputs = raw.inputs.into_iter().map(|(f, p)| (f, (p.value, at(p.referenced)))).collect();
    for (code, level) in raw.lints {
        let span = at(level.referenced);
        let known = code.parse::<Code>().ok().filter(|c| crate::diag::registry::entry(*c).is_some());
        if known.is_none() {
            findings.push(
                Diagnostic::error(codes::YAML_VALUE, span, format!("`{code}` is not a code of evl"))
                    .help("`evl explain` lists the codes"),
            );
            continue;
        }
        let level = match level.value.as_str() {
            "allow" => LintLevel::Allow,
            "warn" => LintLevel::Warn,
            "deny" => LintLevel::Deny,
            other => {
                findings.push(
                    Diagnostic::error(codes::YAML_VALUE, span, format!("`{other}` is no lint level"))
                        .help("write `allow`, `warn` or `deny`"),
                );
                continue;
            }
        };
        manifest.settings.lints.insert(code, level);
    }
    for waiver in raw.waivers {
        let span = at(waiver.referenced);
        let raw = waiver.value;
        let Some(code) = raw.code.parse::<Code>().ok().filter(|c| crate::diag::registry::entry(*c).is_some())
        else {
            findings.push(
                Diagnostic::error(codes::WAIVER, span, format!("`{}` is not a code of evl", raw.code))
                    .help("`evl explain` lists the codes"),
            );
            continue;
        };
        let Some(until) = date(&raw.until) else {
            findings.push(
                Diagnostic::error(codes::WAIVER, span, format!("`{}` is no date", raw.until))
                    .help("write the last day as `2026-12-31`"),
            );
            continue;
        };
        manifest.waivers.push(Waiver { code, statement: raw.statement, until, reason: raw.reason, span });
    }
    if let Some(gap) = raw.max_gap {
        let span = at(gap.referenced);
        match amount(&gap.value) {
            Some((n, "%")) if !n.is_negative() => {
                manifest.settings.max_gap_ratio = n.checked_div(&Rat::int(100));
            }
            Some((n, unit)) if !n.is_negative() && unit.len() == 3 => {
                manifest.settings.max_gap_money = Some(n);
            }
            _ => findings.push(
                Diagnostic::error(codes::YAML_VALUE, span, format!("`{}` is no gap", gap.value))
                    .help("write an amount of money or a share: `0.05 USD` or `0.01 %`"),
            ),
        }
    }
    if let Some(change) = raw.max_change {
        let span = at(change.referenced);
        match amount(&change.value) {
            Some((n, "kW")) if n.is_positive() => manifest.max_change = Some((n, span)),
            _ => findings.push(
                Diagnostic::error(codes::YAML_VALUE, span, format!("`{}` is no power", change.value))
                    .help("write a power above zero: `50 kW`"),
            ),
        }
    }
    manifest
}

fn amount(text: &str) -> Option<(Rat, &str)> {
    let text = text.trim();
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.' && c != '-').unwrap_or(text.len());
    let (number, unit) = text.split_at_checked(end)?;
    Some((number.parse().ok()?, unit.trim()))
}

/// `2026-12-31`, a day that exists.
#[must_use]
pub fn date(text: &str) -> Option<CivilDate> {
    let d: jiff::civil::Date = text.parse().ok()?;
    (text.len() == 10).then(|| CivilDate { year: d.year(), month: d.month(), day: d.day() })
}

/// Whether a path matches a pattern: `*` within one part, `**` across parts.
#[must_use]
pub(super) fn matches(pattern: &str, path: &str) -> bool {
    fn part(p: &[u8], t: &[u8]) -> bool {
        // one `*` at a time, greedily from the left: linear in both
        let (mut i, mut j, mut star, mut mark) = (0, 0, None, 0);
        while j < t.len() {
            match p.get(i) {
                Some(b'*') => {
                    star = Some(i);
                    mark = j;
                    i += 1;
                }
                Some(c) if Some(c) == t.get(j) => {
                    i += 1;
                    j += 1;
                }
                _ => match star {
                    Some(s) => {
                        i = s + 1;
                        mark += 1;
                        j = mark;
                    }
                    None => return false,
                },
            }
        }
        p.iter().skip(i).all(|c| *c == b'*')
    }
    fn parts(p: &[&str], t: &[&str]) -> bool {
        match (p.split_first(), t.split_first()) {
            (None, None) => true,
            (Some((&"**", rest)), _) => (0..=t.len()).any(|n| t.get(n..).is_some_and(|t| parts(rest, t))),
            (Some((head, rest)), Some((first, tail))) => {
                part(head.as_bytes(), first.as_bytes()) && parts(rest, tail)
            }
            _ => false,
        }
    }
    let p: Vec<&str> = pattern.split('/').collect();
    let t: Vec<&str> = path.split('/').collect();
    // each `**` multiplies the work; nobody needs more than a few
    p.iter().filter(|s| **s == "**").count() <= 3 && parts(&p, &t)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns() {
        for (p, t, yes) in [
            ("*.evl", "site.evl", true),
            ("*.evl", "rules/a.evl", false),
            ("**/*.evl", "site.evl", true),
            ("**/*.evl", "a/b/c.evl", true),
            ("tenants/*/**", "tenants/acme/x.evl", true),
            ("tenants/acme/**", "tenants/acne/x.evl", false),
            ("r*s/*", "rules/a", true),
            ("*a*a*a*b", "aaaaaaaaaaaaaaaaaaaaaaaa", false),
        ] {
            assert_eq!(matches(p, t), yes, "{p} {t}");
        }
    }

    #[test]
    fn reads_a_whole_manifest() {
        let text = "site: harbor_office\nmembers: ['*.evl']\nowners: { 'tenants/acme/**': acme }\n\
                    lints: { EVL0401: deny }\nmax_gap: 0.05 USD\nmax_change: 50 kW\n\
                    waivers:\n  - { code: EVL0502, statement: summer, until: 2026-12-31, reason: known }\n";
        let mut findings = Vec::new();
        let m = read(SourceId(0), text, &mut findings);
        assert_eq!(findings, Vec::new());
        assert_eq!(m.settings.max_gap_money, "0.05".parse().ok());
        assert_eq!(m.max_change.map(|(kw, _)| kw), Some(Rat::int(50)));
        assert_eq!(m.waivers.len(), 1);
        assert_eq!(m.settings.lints.get("EVL0401"), Some(&LintLevel::Deny));
    }

    #[test]
    fn every_mistake_is_reported() {
        let text = "lints: { EVL9999: deny, EVL0401: loud }\nmax_gap: lots\nmax_change: 3 kWh\n\
                    waivers:\n  - { code: nope, until: 2026-12-31, reason: x }\n  - { code: EVL0401, until: 2026-02-30, reason: x }\n";
        let mut findings = Vec::new();
        read(SourceId(0), text, &mut findings);
        let all: Vec<String> = findings.iter().map(|d| format!("{} {}", d.code, d.message)).collect();
        insta::assert_snapshot!(all.join("\n"), @r"
        EVL0903 `loud` is no lint level
        EVL0903 `EVL9999` is not a code of evl
        EVL0909 `nope` is not a code of evl
        EVL0909 `2026-02-30` is no date
        EVL0903 `lots` is no gap
        EVL0903 `3 kWh` is no power
        ");
    }
}
