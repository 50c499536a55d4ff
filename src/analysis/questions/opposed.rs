//! EVL0303 in a zone: active effects of one class force a device that heats it and a device that
//! cools it above zero at once. The two directions of one store or grid are asked with EVL0301.

use std::collections::BTreeSet;

use super::contradiction::{Found, MOST_COUNTED};
use super::{MAX_FINDINGS, least, mismatch, open, says, span_of, with_witness};
use crate::analysis::ask::{Asker, Ground};
use crate::analysis::encode::Subject;
use crate::analysis::formula::Formula;
use crate::analysis::index::{Act, Dossier, Index};
use crate::analysis::smt::Answer;
use crate::analysis::witness::replay::{self, effect_ref};
use crate::diag::{Diagnostic, codes};
use crate::eval::{Clash, Conflict, EffectRef};
use crate::ir::{Attr, FamilyId, Model, Site, Zone};

/// Families that heat and families that cool a zone, but not both.
fn thermal(site: &Site, zone: &Zone) -> (BTreeSet<FamilyId>, BTreeSet<FamilyId>) {
    let (mut heaters, mut coolers) = (BTreeSet::new(), BTreeSet::new());
    for family in &site.families {
        let Model::Consumer(consumer) = &family.model else { continue };
        if consumer.heats == consumer.cools {
            continue;
        }
        if consumer.heats == Some(zone.id) {
            heaters.insert(family.id);
        }
        if consumer.cools == Some(zone.id) {
            coolers.insert(family.id);
        }
    }
    (heaters, coolers)
}

/// Effects that force a device of these families above zero, with where they do.
fn forcing<'i>(index: &'i Index, families: &BTreeSet<FamilyId>) -> Vec<(&'i Act, Formula, &'i Dossier)> {
    let mut all = Vec::new();
    for dossier in &index.dossiers {
        let Subject::Device(device) = dossier.subject else { continue };
        if !families.contains(&device.family) {
            continue;
        }
        for act in &dossier.acts {
            let Some(shape) = act.shape() else { continue };
            let forces = dossier.body.forces(shape, &Attr::Power);
            if forces != Formula::FALSE {
                all.push((act, forces, dossier));
            }
        }
    }
    all
}

/// Asks the question of every zone.
pub(crate) fn ask(ground: &Ground, index: &Index, asker: &mut Asker) -> Vec<Found> {
    let mut found = Vec::new();
    for zone in &ground.site.zones {
        let (heaters, coolers) = thermal(ground.site, zone);
        let (heating, cooling) = (forcing(index, &heaters), forcing(index, &coolers));
        let before = found.len();
        'zone: for (heat, heats, _) in &heating {
            for (cool, cools, _) in &cooling {
                if heat.class != cool.class {
                    continue;
                }
                let statements = [heat.acts(), heats.clone(), cool.acts(), cools.clone()];
                let of_zone = found.len() - before;
                let mut counted = false;
                let finding = match asker.together(&statements) {
                    Answer::Unsat => continue,
                    // so many are shown: the rest needs no situation each
                    Answer::Sat if of_zone >= MAX_FINDINGS + MOST_COUNTED => break 'zone,
                    Answer::Sat if of_zone >= MAX_FINDINGS => {
                        counted = true;
                        let span = span_of(ground.site, heat);
                        Diagnostic::error(codes::OPPOSED_EFFECTS, span, "one of many clashes")
                    }
                    Answer::Unknown => open(
                        span_of(ground.site, heat),
                        &format!("heating against cooling of `{}`", zone.name),
                    ),
                    Answer::Sat => {
                        let devices = heating.iter().chain(&cooling).flat_map(|(.., dossier)| &dossier.acts);
                        let mut others: Vec<Formula> = devices
                            .filter(|act| ![heat.rule, cool.rule].contains(&act.rule))
                            .map(|act| act.active.clone())
                            .collect();
                        others.sort();
                        others.dedup();
                        match report(ground, zone, (heat, cool), &statements, &others, asker) {
                            Some(finding) => finding,
                            None => continue,
                        }
                    }
                };
                let mut effects = vec![(heat.rule.0, heat.effect), (cool.rule.0, cool.effect)];
                effects.sort_unstable();
                effects.dedup();
                let one = Found::new(effects, Subject::Zone(zone.id), finding);
                found.push(Found { counted, ..one });
            }
        }
    }
    found
}

/// The finding about a pair; `None` where the evaluator names another pair in every situation.
fn report(
    ground: &Ground,
    zone: &Zone,
    (heat, cool): (&Act, &Act),
    statements: &[Formula],
    others: &[Formula],
    asker: &mut Asker,
) -> Option<Diagnostic> {
    let site = ground.site;
    let span = span_of(site, heat);
    let situation = match least(asker, statements, others, codes::OPPOSED_EFFECTS, span) {
        Ok(situation) => situation,
        Err(open) => return Some(*open),
    };
    let decision = ground.evaluator.evaluate(&replay::environment(site, &situation));
    let own: BTreeSet<EffectRef> = [effect_ref(heat), effect_ref(cool)].into();
    if let [one] = own.iter().collect::<Vec<_>>().as_slice() {
        let alone = |c: &Conflict| c.clash == Clash::BeyondDevice && c.effects == [**one];
        if !decision.conflicts.iter().any(alone) {
            let hidden = replay::is_hidden(&decision, &[heat]);
            return (!hidden).then(|| mismatch(ground, span, codes::BEYOND_DEVICE, &situation));
        }
        let message = format!("this heats and cools `{}` at once", zone.name);
        let finding = Diagnostic::error(codes::BEYOND_DEVICE, span, message)
            .says(says(site, heat))
            .help("leave what heats the zone, or what cools it, out of the group");
        let rule = site.rule(heat.rule).map_or("", |rule| rule.name.as_str());
        let (title, expect) = (format!("{rule} in {}", zone.name), format!("conflict {rule}"));
        return Some(with_witness(ground, finding, &situation, statements, &title, &expect));
    }
    if replay::conflict_of(&decision, &[heat, cool]).is_none() {
        // another effect that always acts forces one of the sides, too
        let hidden = replay::is_hidden(&decision, &[heat, cool]);
        return (!hidden).then(|| mismatch(ground, span, codes::OPPOSED_EFFECTS, &situation));
    }
    let class = site.class(heat.class).map_or("", |class| class.name.as_str());
    let name = |act: &Act| site.rule(act.rule).map(|rule| rule.name.clone()).unwrap_or_default();
    let finding = Diagnostic::error(
        codes::OPPOSED_EFFECTS,
        span,
        format!("rules of class `{class}` heat and cool `{}` at once", zone.name),
    )
    .says(says(site, heat))
    .label(span_of(site, cool), says(site, cool))
    .help("keep a dead band between their thresholds, or give one of them a higher class");
    let mut names = vec![name(heat), name(cool)];
    names.dedup();
    let title = format!("{} in {}", names.join(" against "), zone.name);
    let expect = format!("conflict {}", names.join(", "));
    Some(with_witness(ground, finding, &situation, statements, &title, &expect))
}
