//! Phase 1: the documents, the host, the clock. Everything here is decided before anything is asked
//! of the field.

use std::collections::BTreeSet;

use crate::bundle::inventory::{Clock as Vouching, Inventory};
use crate::bundle::{Bundle, Hash, PlanDocument};
use crate::calendar::{Clock, Instant};
use crate::diag::{Code, Diagnostic, Severity, codes};
use crate::ir::Signatures;
use crate::system::System;
use crate::verify::verify;

use super::endpoint::is_loopback;
use super::journal::Past;

/// Most further reasons that are told about a plan that does not hold.
const MOST_MISSES: usize = 5;

/// What the runtime reads beside a plan.
#[derive(Debug, Clone)]
pub struct Papers {
    /// what is allowed
    pub bundle: Bundle,
    /// where everything is
    pub inventory: Inventory,
    /// the inventory is not the one that the bundle was built for
    pub edited: bool,
}

pub(super) fn error(code: Code, message: impl Into<String>) -> Box<Diagnostic> {
    Box::new(Diagnostic::nowhere(code, Severity::Error, message))
}

/// An instant by the clock of a time zone; in UTC where there is no such zone.
pub(super) fn shown(timezone: &str, at: Instant) -> String {
    Clock::new(timezone, at, at).map_or_else(|| at.to_string(), |clock| clock.show(at))
}

/// Most names that one line lists.
const MOST_NAMES: usize = 12;

/// A name on the command line that nothing has: the nearest that there is, or all of them.
pub(super) fn unknown<'n>(
    message: String,
    word: &str,
    names: impl Iterator<Item = &'n str> + Clone,
) -> Box<Diagnostic> {
    let finding = Diagnostic::nowhere(codes::USAGE, Severity::Error, message);
    let near = names.clone().map(|name| (strsim::damerau_levenshtein(word, name), name)).min();
    let close = |distance: usize| distance <= 1.max(word.chars().count() / 3);
    if let Some((_, name)) = near.filter(|(distance, _)| close(*distance)) {
        return Box::new(finding.help(format!("did you mean `{name}`?")));
    }
    let all: Vec<String> = names.clone().take(MOST_NAMES).map(|name| format!("`{name}`")).collect();
    let more = names.count().saturating_sub(MOST_NAMES);
    let more = if more == 0 { String::new() } else { format!(" and {more} more") };
    Box::new(match all.is_empty() {
        true => finding.help("there is none"),
        false => finding.help(format!("there are {}{more}", all.join(", "))),
    })
}

impl Papers {
    /// An instant as people of the site read it.
    #[must_use]
    pub fn show(&self, at: Instant) -> String {
        shown(&self.bundle.site.timezone, at)
    }

    /// Puts a bundle and the inventory at hand together.
    ///
    /// # Errors
    /// They do not belong together, the inventory contradicts itself, or the site needs signatures.
    pub fn new(bundle: Bundle, inventory: Inventory) -> Result<Self, Box<Diagnostic>> {
        Self::together(bundle, inventory, false)
    }

    /// As [`Papers::new`], for what commands nothing: an inventory that was edited since the bundle was
    /// built is taken as it stands.
    ///
    /// # Errors
    /// The inventory contradicts itself, or the site needs signatures.
    pub fn as_they_stand(bundle: Bundle, inventory: Inventory) -> Result<Self, Box<Diagnostic>> {
        Self::together(bundle, inventory, true)
    }

    fn together(bundle: Bundle, inventory: Inventory, edited_too: bool) -> Result<Self, Box<Diagnostic>> {
        if let Some(first) = inventory.problems().first() {
            return Err(error(
                codes::INVENTORY,
                format!("{} (`{}` in the inventory)", first.message, first.at),
            ));
        }
        let edited = inventory.hash() != bundle.inventory.as_str();
        if edited && !edited_too {
            return Err(Box::new(
                Diagnostic::nowhere(
                    codes::FOREIGN,
                    Severity::Error,
                    "the bundle was built for another inventory than the one at hand",
                )
                .because(format!(
                    "it names inventory `{}`, this is `{}`",
                    bundle.inventory.short(),
                    Hash::parse(&inventory.hash()).unwrap_or_default().short()
                ))
                .help("build the bundle again with `evl build`, or bring the inventory that belongs to it"),
            ));
        }
        if bundle.site.signatures != Signatures::None {
            return Err(Box::new(
                Diagnostic::nowhere(
                    codes::UNSIGNED,
                    Severity::Error,
                    format!("the site `{}` requires signed documents", bundle.site.name),
                )
                .because("this version of evl cannot check signatures, so it writes nothing there")
                .help("declare `signatures none` in the site only where nobody else can place a bundle"),
            ));
        }
        Ok(Self { bundle, inventory, edited })
    }

    /// The warning that the inventory is another than the bundle's, and what follows from it.
    #[must_use]
    pub(super) fn edited_since(&self, therefore: &str) -> Diagnostic {
        let words = "the inventory was edited since the bundle was built";
        Diagnostic::nowhere(codes::FOREIGN, Severity::Warning, words)
            .because(therefore)
            .help("build the bundle again with `evl build`: until then no plan can be applied")
    }

    /// The gateways that this host alone writes. Without `name` the inventory must have one host, or
    /// none, in which case all gateways are this host's.
    ///
    /// # Errors
    /// EVL0001: no such host, or which one was not said.
    pub fn gateways(&self, name: Option<&str>) -> Result<BTreeSet<String>, Box<Diagnostic>> {
        let hosts = &self.inventory.hosts;
        let known = || hosts.keys().map(|host| format!("`{host}`")).collect::<Vec<_>>().join(", ");
        let host = match (name, hosts.len()) {
            (Some(name), _) => Some(hosts.get(name).ok_or_else(|| {
                unknown(format!("the inventory has no host `{name}`"), name, hosts.keys().map(String::as_str))
            })?),
            (None, 0) => None,
            (None, 1) => hosts.values().next(),
            (None, _) => {
                return Err(Box::new(
                    Diagnostic::nowhere(
                        codes::USAGE,
                        Severity::Error,
                        "the inventory has several hosts, and each writes its own gateways only",
                    )
                    .help(format!("say which one this is: `--host NAME`, one of {}", known())),
                ));
            }
        };
        Ok(host.map_or_else(
            || self.inventory.gateways.keys().cloned().collect(),
            |host| host.gateways.iter().cloned().collect(),
        ))
    }

    /// Whether all these gateways are on this computer: only then may the present instant be given.
    ///
    /// # Errors
    /// EVL1207.
    pub fn all_here(&self, gateways: &BTreeSet<String>) -> Result<(), Box<Diagnostic>> {
        let far = gateways
            .iter()
            .filter_map(|name| Some((name, self.inventory.gateways.get(name)?)))
            .find(|(_, gateway)| !is_loopback(&gateway.host));
        let Some((name, gateway)) = far else { return Ok(()) };
        let host = &gateway.host;
        let message = format!("`--now` is for gateways on this computer, and `{name}` is at `{host}`");
        Err(Box::new(Diagnostic::nowhere(codes::CLOCK, Severity::Error, message).help("leave `--now` away")))
    }

    /// The present instant, if it can be trusted.
    ///
    /// # Errors
    /// EVL1207.
    pub fn clock(
        &self,
        system: &dyn System,
        given: Option<Instant>,
        gateways: &BTreeSet<String>,
        past: &Past,
    ) -> Result<Instant, Box<Diagnostic>> {
        if let Some(now) = given {
            return self.all_here(gateways).map(|()| now);
        }
        let now = Instant(system.now().as_second());
        let vouched = self.inventory.hosts.values().any(|host| {
            host.clock == Some(Vouching::Vouched)
                && host.gateways.iter().any(|gateway| gateways.contains(gateway))
        });
        let why = match system.clock_synchronised() {
            Some(false) => Some("the operating system says that its clock is not synchronised".to_owned()),
            None if !vouched => Some("nothing says whether this computer's clock is synchronised".to_owned()),
            _ => past.last.filter(|last| *last > now).map(|last| {
                let (now, last) = (self.show(now), self.show(last));
                format!("it is {now}, but the last record in the journal is of {last}")
            }),
        };
        why.map_or(Ok(now), |why| {
            Err(Box::new(
                Diagnostic::nowhere(codes::CLOCK, Severity::Error, "the clock cannot be trusted").because(why).help(
                    "synchronise the clock, or let facility staff vouch for it with `clock: vouched` at the host \
                     in the inventory; `--now T` serves for gateways on this computer",
                ),
            ))
        })
    }

    /// Whether this version can honour every statement of the policy.
    ///
    /// # Errors
    /// EVL1001 with the first that it cannot.
    pub fn honours_all(&self) -> Result<(), Box<Diagnostic>> {
        match self.bundle.site.unhonoured.iter().find(|statement| statement.plan) {
            None => Ok(()),
            Some(statement) => Err(error(
                codes::NOT_PLANNED_YET,
                format!("`{}` is understood, not planned yet", statement.what),
            )),
        }
    }

    /// Whether the plan is this site's, for now, and not overtaken. Gives the step that is written.
    ///
    /// # Errors
    /// EVL1103 to EVL1105.
    pub fn accept(&self, plan: &PlanDocument, now: Instant, past: &Past) -> Result<usize, Box<Diagnostic>> {
        if plan.site != self.bundle.site.name || plan.bundle != self.bundle.id {
            let because = if plan.site == self.bundle.site.name {
                format!(
                    "it was made from bundle `{}`, this is `{}`",
                    plan.bundle.short(),
                    self.bundle.id.short()
                )
            } else {
                format!("it is for the site `{}`, this is `{}`", plan.site, self.bundle.site.name)
            };
            return Err(Box::new(
                Diagnostic::nowhere(codes::FOREIGN, Severity::Error, "the plan belongs to another bundle")
                    .because(because)
                    .help("make a plan from this bundle with `evl plan`"),
            ));
        }
        for expected in &plan.expect {
            let (Some(name), Some(hash)) = (&expected.profile, &expected.profile_hash) else { continue };
            let ours = self.bundle.profiles.get(name).map(|profile| profile.hash());
            if ours.as_deref() != Some(hash.as_str()) {
                return Err(error(
                    codes::FOREIGN,
                    format!("the plan speaks to `{}` by another version of `{name}`", expected.device),
                ));
            }
        }
        if plan.study {
            return Err(error(codes::STALE, "the plan is a study, which is never applied"));
        }
        let stale = |message: String| {
            Box::new(
                Diagnostic::nowhere(codes::STALE, Severity::Error, message)
                    .help("make a new plan with `evl plan`, or look at the clock"),
            )
        };
        if now >= plan.expires {
            let (expired, now) = (self.show(plan.expires), self.show(now));
            return Err(stale(format!("the plan expired at {expired}, and it is {now}")));
        }
        let step = plan.step_at(now).ok_or_else(|| {
            let (from, until) = (self.show(plan.from), self.show(plan.until()));
            stale(format!("the plan is for {from} to {until}, and it is {}", self.show(now)))
        })?;
        if let Some((id, sequence)) = &past.accepted
            && *id != plan.id
            && plan.sequence <= *sequence
        {
            return Err(Box::new(
                Diagnostic::nowhere(
                    codes::OLD_SEQUENCE,
                    Severity::Error,
                    format!("the plan has sequence {}, and this host accepted {sequence}", plan.sequence),
                )
                .because("an overtaken plan is refused, however valid it is otherwise")
                .help("plan again from a fresh snapshot of the state"),
            ));
        }
        Ok(step)
    }

    /// Verifies the plan exactly against the bundle: whoever made it can only have chosen among what the
    /// policy allows.
    ///
    /// # Errors
    /// EVL1106 with what does not hold, or EVL1001.
    pub fn obeys(&self, plan: &PlanDocument) -> Result<(), Box<Diagnostic>> {
        let verdict = verify(&self.bundle, plan);
        let findings: Vec<Diagnostic> =
            verdict.misses.iter().map(|miss| miss.finding(&plan.steps, |at| self.show(at))).collect();
        let Some(first) = findings.first() else { return Ok(()) };
        // the texts of the policy are not at hand here, so nothing can be drawn over them
        let mut finding = Diagnostic::nowhere(first.code, Severity::Error, first.message.clone());
        for other in findings.iter().skip(1).take(MOST_MISSES) {
            finding = finding.because(format!("also {}: {}", other.code, other.message));
        }
        if let Some(rest) = findings.len().checked_sub(1 + MOST_MISSES).filter(|rest| *rest > 0) {
            finding = finding.because(format!("and {rest} more"));
        }
        Err(Box::new(finding.help("`evl verify` shows everything; make the plan again with `evl plan`")))
    }
}
