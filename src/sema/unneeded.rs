//! EVL0608: a consumer that evl may move and that nothing needs.
//!
//! A need is a load or `needs`, a zone, a session, or a rule that may ask for power: a delivery, a run,
//! `turn on`, a lower bound. Whether the rule's guard ever holds is another question (EVL0401).

use std::collections::BTreeMap;

use super::Compiler;
use crate::diag::{Diagnostic, codes};
use crate::ir::{Attr, Control, EffectKind, Family, FamilyId, Lin, MemberRange, Model, Need, Target};
use crate::quantity::Rat;

impl Compiler<'_> {
    /// Warns of each declaration with members that nothing needs, once all rules are read.
    pub(super) fn unneeded(&mut self) {
        // where a statement is broken, the need may stand in it
        if self.findings.has_errors() || self.has_unread_statements() {
            return;
        }
        let mut asked = self.asked_for();
        let mut found = Vec::new();
        for family in self.site.families.iter().filter(|family| wants_a_need(family)) {
            let mut ranges = asked.remove(&family.id).unwrap_or_default();
            ranges.sort_unstable();
            let mut first = 1;
            for (from, to) in ranges {
                if from > first {
                    break;
                }
                first = first.max(to.saturating_add(1));
            }
            if first > family.len() {
                continue;
            }
            let name = match first {
                1 => family.name.clone(),
                index => format!("{}[{index}]", family.name),
            };
            let finding = Diagnostic::warning(
                codes::UNNEEDED,
                family.span,
                format!("nothing needs `{name}`"),
            )
            .says("no load, zone, session or rule asks that it take anything")
            .because("a plan never moves it for the sake of cost: it stays at its default")
            .help(
                "give it `load`, `needs`, `heats`, `cools` or `sessions`, or a rule that delivers to it, \
                         runs it or turns it on; or declare `control observe` if evl is not to move it",
            );
            found.push(finding);
        }
        for finding in found {
            self.push(finding);
        }
    }

    /// Members of each declaration of which a rule may ask that they take power.
    fn asked_for(&self) -> BTreeMap<FamilyId, Vec<(u32, u32)>> {
        let mut asked: BTreeMap<FamilyId, Vec<(u32, u32)>> = BTreeMap::new();
        for rule in &self.site.rules {
            for effect in rule.effects.iter().filter(|effect| asks(&effect.kind)) {
                let members: Vec<MemberRange> =
                    match (&effect.target, rule.for_each.and_then(|group| self.site.group(group))) {
                        (Target::Bound, Some(group)) => group.members.clone(),
                        (target, _) => self.site.target_members(target),
                    };
                for range in members {
                    asked.entry(range.family).or_default().push((range.first, range.last));
                }
            }
        }
        asked
    }
}

/// Whether evl may move it, and nothing in its declaration says what for. What saves lives is moved by
/// safety rules and by people.
fn wants_a_need(family: &Family) -> bool {
    let Model::Consumer(consumer) = &family.model else { return false };
    let moved = family.control != Control::Observe && family.life_safety.is_none();
    let served = consumer.need != Need::None || consumer.heats.is_some() || consumer.cools.is_some();
    let takes = family.hull(&Attr::Power).is_some_and(|(_, most)| most.is_positive());
    moved && takes && !served && consumer.sessions.is_none()
}

fn asks(kind: &EffectKind) -> bool {
    let positive = |lin: &Lin| lin.as_constant().is_none_or(Rat::is_positive);
    match kind {
        EffectKind::Bound { lo, .. } => lo.as_ref().is_some_and(positive),
        EffectKind::Choice { pieces, .. } => pieces.first().is_some_and(|(lo, _)| lo.is_positive()),
        EffectKind::Switch(on) => *on,
        EffectKind::Deliver { .. } | EffectKind::Run { .. } | EffectKind::Follow { .. } => true,
        EffectKind::Connect(_) | EffectKind::Supply { .. } | EffectKind::Notify { .. } => false,
    }
}
