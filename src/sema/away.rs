//! Effects that would move a `life_safety` device away from its safe state: nobody can ask that (semantics.md
//! 22), so they never act. What is always so is told where it stands.

use super::Compiler;
use crate::diag::{Diagnostic, codes};
use crate::ir::{Attr, Effect, EffectKind, Family, Share};

impl Compiler<'_> {
    /// Tells the effects that never act on some device that they name.
    pub(super) fn away(&mut self) {
        let mut found = Vec::new();
        for rule in &self.site.rules {
            for effect in &rule.effects {
                let members = self.site.target_members(&effect.target);
                let families = members.iter().filter_map(|range| self.site.family(range.family));
                let Some(family) = families.into_iter().find(|family| leaves(family, effect)) else {
                    continue;
                };
                let safe = if family.life_safety == Some(true) { "on" } else { "off" };
                found.push(
                    Diagnostic::warning(
                        codes::BEYOND_DEVICE,
                        effect.span,
                        format!(
                            "this never acts on `{}`, which is declared `life_safety {safe}`",
                            family.name
                        ),
                    )
                    .label(family.span, format!("`{}` is declared here", family.name))
                    .because("such a device moves only towards its safe state, whoever asks")
                    .help("leave the device out of the rule, or the mark off the device"),
                );
            }
        }
        found.into_iter().for_each(|finding| self.push(finding));
    }
}

/// Whether an effect moves a device away from its safe state whatever the readings are.
fn leaves(family: &Family, effect: &Effect) -> bool {
    let Some(safe_on) = family.life_safety else { return false };
    match &effect.kind {
        EffectKind::Switch(on) => *on != safe_on,
        EffectKind::Connect(connected) => safe_on && !connected,
        EffectKind::Bound { attr: Attr::Power, lo, hi, share: Share::Each, .. } => {
            let most = family.hull(&Attr::Power).map(|(_, most)| most);
            let below =
                hi.as_ref().and_then(|hi| hi.as_constant()).is_some_and(|hi| Some(hi) < most.as_ref());
            let above = lo.as_ref().and_then(|lo| lo.as_constant()).is_some_and(|lo| lo.is_positive());
            if safe_on { below } else { above }
        }
        EffectKind::Supply { .. } | EffectKind::Follow { .. } => safe_on,
        EffectKind::Deliver { .. } | EffectKind::Run { .. } => !safe_on,
        _ => false,
    }
}
