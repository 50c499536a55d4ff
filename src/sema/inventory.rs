//! The inventory against the policy: entries that stand for nothing declared, and commanded devices
//! that nobody has tried out.

use super::Compiler;
use super::names::Entity;
use crate::bundle::inventory;
use crate::diag::{Diagnostic, Severity, Span, codes};
use crate::ir::{Control, Family};

/// Entries for nothing declared that are shown; the others are counted.
const MOST_UNDECLARED: usize = 50;

/// Findings of one kind for one declaration; the rest is counted.
#[derive(Default)]
struct Found {
    first: Option<Diagnostic>,
    more: usize,
}

impl Found {
    fn add(&mut self, finding: impl FnOnce() -> Diagnostic) {
        match self.first {
            Some(_) => self.more += 1,
            None => self.first = Some(finding()),
        }
    }

    fn end(self) -> Option<Diagnostic> {
        let finding = self.first?;
        Some(match self.more {
            0 => finding,
            1 => finding.because("the same holds for one more of them"),
            more => finding.because(format!("the same holds for {more} more of them")),
        })
    }
}

impl Compiler<'_> {
    /// Compares every entry with what the policy declares.
    pub(super) fn inventory_entries(&mut self) {
        let repository = self.repository;
        let inventory = &repository.inventory;
        if inventory.devices.is_empty() && inventory.gateways.is_empty() {
            return;
        }
        let places = repository.inventory_places();
        let whole = repository.inventory_sources.first().map(|source| Span::file(*source));
        let place = |name: &str| places.get(name).copied().or(whole);
        // what seems to be missing may be what could not be read
        let complete = !self.names.has_broken() && !self.has_unread_statements();
        let mut undeclared = 0;
        for name in inventory.gateways.keys() {
            if complete && !matches!(self.names.get(name), Some(Entity::Gateway(_))) {
                self.undeclared("gateway", name, place(name), &mut undeclared);
            }
        }
        let mut found: Vec<(Found, Found)> = Vec::new();
        found.resize_with(self.site.families.len(), Default::default);
        for (name, entry) in &inventory.devices {
            let Some((at, family)) = self.listed(name) else {
                if complete && !self.is_declared(name) {
                    self.undeclared("device", name, place(name), &mut undeclared);
                }
                continue;
            };
            let Some((elsewhere, untried)) = found.get_mut(at) else { continue };
            let here = || at_place(place(name));
            if let Some(gateway) = family.gateway.and_then(|id| self.site.gateways.get(id.index()))
                && gateway.name != entry.gateway
            {
                elsewhere.add(|| {
                    here()(codes::INVENTORY, format!("`{name}` is behind `{}` here", entry.gateway))
                        .label(family.span, format!("and behind `{}` in the policy", gateway.name))
                        .help("name the same gateway in both")
                });
            }
            if family.control == Control::Command
                && let Some(words) = self.untried(family, entry)
            {
                untried.add(|| {
                    here()(codes::NOT_COMMISSIONED, format!("`{name}` is commanded, but {words}"))
                        .label(family.span, "`control command` is declared here")
                        .help(format!(
                            "try it out and record it: `commissioned: {{ serial: .., profile: \"{}\", on: .., by: .. }}`; \
                             until then declare `control advise`",
                            self.profile_hash(family).unwrap_or_default(),
                        ))
                });
            }
        }
        if undeclared > MOST_UNDECLARED {
            let words = format!(
                "the inventory has {} more entries that the policy does not declare",
                undeclared - MOST_UNDECLARED
            );
            self.push(at_place(whole)(codes::INVENTORY, words).help("declare them, or remove them"));
        }
        for (elsewhere, untried) in found {
            self.findings.extend(elsewhere.end());
            self.findings.extend(untried.end());
        }
    }

    /// Why the entry's record does not cover the device as it is declared now.
    fn untried(&self, family: &Family, entry: &inventory::Device) -> Option<String> {
        let Some(record) = &entry.commissioned else {
            return Some("its entry has no commissioning record".to_owned());
        };
        // a device without identity is recorded as `none`
        if let Some(serial) = &entry.serial
            && record.serial != *serial
            && record.serial != "none"
        {
            return Some(format!("its record is of `{}`, not of `{serial}`", record.serial));
        }
        let hash = self.profile_hash(family)?;
        (record.profile != hash).then(|| "it was commissioned with another version of its profile".to_owned())
    }

    fn profile_hash(&self, family: &Family) -> Option<String> {
        let loaded = self.repository.profiles.get(family.profile.as_ref()?)?;
        Some(loaded.profile.hash())
    }

    /// The declaration of `charger[3]` or `pack`, with its position.
    fn listed(&self, name: &str) -> Option<(usize, &Family)> {
        let (head, index) = split(name);
        let Some(Entity::Family(id)) = self.names.get(head) else { return None };
        let family = self.site.families.get(id.index())?;
        let fits = match (index, family.count) {
            (None, None) => true,
            (Some(index), Some(_)) => (1..=family.len()).contains(&index),
            _ => false,
        };
        fits.then_some((id.index(), family))
    }

    /// Whether a word that is no device's stands for something that the inventory may place.
    fn is_declared(&self, name: &str) -> bool {
        matches!(self.names.get(split(name).0), Some(Entity::Broken))
    }

    fn undeclared(&mut self, what: &str, name: &str, place: Option<Span>, count: &mut usize) {
        *count += 1;
        if *count > MOST_UNDECLARED {
            return;
        }
        let finding = at_place(place)(codes::INVENTORY, format!("the policy declares no {what} `{name}`"));
        let (head, index) = split(name);
        let near = if self.suggestions < 100 {
            self.suggestions += 1;
            self.names.near(head).map(str::to_owned)
        } else {
            None
        };
        let help = match near {
            Some(near) if near == head && index.is_some() => {
                format!("`{head}` has no element with this index")
            }
            Some(near) if near == head => format!("`{head}` is declared as something else, or as an array"),
            Some(near) => format!("did you mean `{near}`?"),
            None => "declare it, or remove the entry".to_owned(),
        };
        self.push(finding.help(help));
    }
}

/// Builds errors at a place, or nowhere where the entry is not found in the text.
fn at_place(place: Option<Span>) -> impl Fn(crate::diag::Code, String) -> Diagnostic {
    move |code, message| match place {
        Some(span) => Diagnostic::error(code, span, message),
        None => Diagnostic::nowhere(code, Severity::Error, message),
    }
}

/// `charger[3]` as its name and its index.
fn split(name: &str) -> (&str, Option<u32>) {
    let parts = name.strip_suffix(']').and_then(|name| name.split_once('['));
    match parts.map(|(head, index)| (head, index.parse())) {
        Some((head, Ok(index))) => (head, Some(index)),
        _ => (name, None),
    }
}
