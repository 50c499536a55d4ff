//! What an effect, permit, budget or expectation is about.

use super::Compiler;
use super::guard::head_text;
use super::names::Entity;
use crate::ast::{self, Index, Name};
use crate::diag::{Diagnostic, Span, codes};
use crate::ir::{Attr, FamilyId, MemberRange, Model, Target};

/// A target with the attribute that is meant.
#[derive(Debug, Clone)]
pub(super) struct Goal {
    pub(super) target: Target,
    pub(super) attr: Attr,
    /// whether it stands for several devices, so that `each` or `together` is needed
    pub(super) many: bool,
}

/// A target without an attribute.
#[derive(Debug, Clone)]
pub(super) struct Subject {
    pub(super) target: Target,
    pub(super) many: bool,
    /// parts of the path that it took
    pub(super) parts: usize,
}

impl Compiler<'_> {
    /// The devices, group or zone at the beginning of a path.
    pub(super) fn subject(&mut self, name: &Name) -> Option<Subject> {
        let head = name.parts.first()?;
        if let Some((variable, _)) = &self.scope.variable
            && head.ident.text == *variable
        {
            return Some(Subject { target: Target::Bound, many: false, parts: 1 });
        }
        match self.names.find(name) {
            Some((Entity::Family(family), parts)) => {
                let range = self.family_members(family, name, parts)?;
                let one = matches!(
                    name.parts.get(parts.saturating_sub(1)).and_then(|p| p.index.as_ref()),
                    Some(Index::One(_))
                );
                let array = self.site.families.get(family.index()).is_some_and(|f| f.count.is_some());
                Some(Subject { target: Target::Members(vec![range]), many: array && !one, parts })
            }
            Some((Entity::Group(group), parts)) => {
                self.indexed_members(name, parts)?;
                Some(Subject { target: Target::Group(group), many: true, parts })
            }
            Some((Entity::Zone(zone), parts)) => {
                Some(Subject { target: Target::Zone(zone), many: false, parts })
            }
            Some((Entity::Broken, _)) => None,
            Some((other, _)) => {
                self.wrong_kind(name, other, "a device, group or zone");
                None
            }
            None => {
                let word = head_text(name, 1);
                self.unknown(&word, head.ident.span, "the device, group or zone");
                None
            }
        }
    }

    /// Devices that a path names, without an attribute.
    pub(super) fn devices_named(&mut self, name: &Name) -> Option<Subject> {
        let subject = self.subject(name)?;
        if let Some(part) = name.parts.get(subject.parts) {
            let head = head_text(name, subject.parts);
            let finding = Diagnostic::error(
                codes::WRONG_KIND,
                part.ident.span,
                "a device is meant here, not one of its attributes".to_owned(),
            );
            self.push(finding.help(format!("write `{head}`")));
            return None;
        }
        if let Target::Zone(_) = subject.target {
            self.error_help(
                codes::WRONG_KIND,
                name.span,
                format!("`{}` is a zone, and a device or group is needed here", name.text()),
                "name what heats or cools the zone",
            );
            return None;
        }
        Some(subject)
    }

    /// The members that a target stands for; those of the loop's group for its variable.
    pub(super) fn members_of(&self, target: &Target) -> Vec<MemberRange> {
        match target {
            Target::Bound => match &self.scope.variable {
                Some((_, group)) => {
                    self.site.groups.get(group.index()).map(|g| g.members.clone()).unwrap_or_default()
                }
                None => Vec::new(),
            },
            other => self.site.target_members(other),
        }
    }

    /// A path to an attribute, or to devices whose power is meant.
    pub(super) fn goal(&mut self, name: &Name) -> Option<Goal> {
        let subject = self.subject(name)?;
        let part = name.parts.get(subject.parts);
        if let Some(extra) = name.parts.get(subject.parts + 1) {
            self.error(
                codes::UNKNOWN_NAME,
                extra.ident.span,
                format!("an attribute has nothing named `{}`", extra.ident.text),
            );
            return None;
        }
        if let Target::Zone(zone) = subject.target {
            let attr = self.zone_attribute(zone, name, subject.parts)?;
            return Some(Goal { target: subject.target, attr, many: false });
        }
        let attr = match part {
            Some(part) => self.named_attribute(&subject, part, name),
            None => self.default_attribute(&subject, name),
        }?;
        if matches!(attr, Attr::Setpoint | Attr::Temperature)
            && let Some(zone) = self.thermostat_zone(&subject.target)
        {
            return Some(Goal { target: Target::Zone(zone), attr, many: false });
        }
        Some(Goal { target: subject.target, attr, many: subject.many })
    }

    fn thermostat_zone(&self, target: &Target) -> Option<crate::ir::ZoneId> {
        match target {
            Target::Members(ranges) => match ranges.as_slice() {
                [range] => self.controlled_zone(range.family),
                _ => None,
            },
            _ => None,
        }
    }

    fn named_attribute(&mut self, subject: &Subject, part: &ast::Part, name: &Name) -> Option<Attr> {
        let word = part.ident.text.as_str();
        let mut found: Option<Attr> = None;
        let members = self.members_of(&subject.target);
        let mut last: Option<FamilyId> = None;
        for range in &members {
            if last == Some(range.family) {
                continue;
            }
            last = Some(range.family);
            let thermostat = self.controlled_zone(range.family).is_some() && members.len() == 1;
            let attr = match word {
                "setpoint" if thermostat => Some(Attr::Setpoint),
                "temperature" if thermostat => Some(Attr::Temperature),
                _ => self.attribute(range.family, word),
            };
            match attr {
                Some(attr) => found = Some(attr),
                None => {
                    self.no_attribute(range.family, word, part.ident.span);
                    return None;
                }
            }
        }
        found.or_else(|| match super::reference::plain_attribute(word) {
            Some(attr) => Some(attr),
            None => {
                self.error(
                    codes::UNKNOWN_NAME,
                    part.ident.span,
                    format!("`{}` has no attribute `{word}`", head_text(name, subject.parts)),
                );
                None
            }
        })
    }

    /// Devices stand for their power where that has one direction.
    fn default_attribute(&mut self, subject: &Subject, name: &Name) -> Option<Attr> {
        for range in self.members_of(&subject.target) {
            let Some(family) = self.site.families.get(range.family.index()) else { continue };
            let written = head_text(name, subject.parts);
            let (what, help) = match &family.model {
                Model::Grid { .. } => ("grid", format!("`{written}.import` or `{written}.export`")),
                Model::Store(_) => ("store", format!("`{written}.charge` or `{written}.discharge`")),
                Model::Slot { .. } => ("slot", format!("`{written}.charge` or `{written}.discharge`")),
                Model::Control { .. } if self.controlled_zone(range.family).is_some() => {
                    ("thermostat", format!("`{written}.setpoint`"))
                }
                Model::Control { .. } => {
                    self.error_help(
                        codes::WRONG_KIND,
                        name.span,
                        format!("`{written}` is a control device and has no power"),
                        "name the devices that it controls",
                    );
                    return None;
                }
                _ => continue,
            };
            let finding = Diagnostic::error(
                codes::WRONG_KIND,
                name.span,
                format!("`{written}` is a {what}: the direction is not settled"),
            )
            .label(family.span, "declared here");
            self.push(finding.help(format!("write {help}")));
            return None;
        }
        Some(Attr::Power)
    }

    /// A power of a store or grid must name a direction where it is bounded (semantics.md 10).
    pub(super) fn directed(&mut self, goal: &Goal, span: Span) -> Option<()> {
        if goal.attr != Attr::Power {
            return Some(());
        }
        for range in self.members_of(&goal.target) {
            let Some(family) = self.site.families.get(range.family.index()) else { continue };
            let help = match family.model {
                Model::Grid { .. } => "`.import` or `.export`",
                Model::Store(_) | Model::Slot { .. } => "`.charge` or `.discharge`",
                _ => continue,
            };
            let finding = Diagnostic::error(
                codes::WRONG_KIND,
                span,
                format!("`{}` gives and takes: a bound names a direction", family.name),
            )
            .label(family.span, "declared here");
            self.push(finding.help(format!("write {help}")));
            return None;
        }
        Some(())
    }
}
