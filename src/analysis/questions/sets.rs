//! EVL0301 beyond pairs on one device: sets of three and more effects of one class that leave
//! nothing although every smaller part of them leaves something. Only a range or a choice with
//! gaps makes such sets; closed intervals clash in pairs.
//!
//! One truth value for each effect says whether it is looked at. The solver is asked for a
//! situation in which those looked at act and leave nothing; effects are put aside in source order
//! as long as that stays possible, what remains is one least set, and the next question excludes
//! it. What is found depends on yes and no alone, never on a value that the solver chose.

use crate::analysis::ask::Asker;
use crate::analysis::formula::{Bit, Formula};
use crate::analysis::index::Act;
use crate::analysis::shape::{Body, Shape};
use crate::analysis::smt::Answer;

/// Most sets of one class on one device that are listed.
const MAX_SETS: usize = 64;

/// Where the search for sets ended.
pub(super) enum End {
    /// All are listed.
    Complete,
    /// There are more than were listed.
    More,
    /// The solver gave up.
    GaveUp,
}

/// Whether sets of more than two of these effects can leave nothing although each pair does not.
pub(super) fn possible(body: &Body, acts: &[(&Act, &Shape)]) -> bool {
    let pieces = |shape: &Shape| shape.numbers.values().any(|intervals| intervals.len() > 1);
    acts.len() > 2 && (body.has_gaps() || acts.iter().any(|(_, shape)| pieces(shape)))
}

/// The least sets of three and more, as places in the list, with how the search ended.
pub(super) fn beyond_pairs(
    body: &Body,
    acts: &[(&Act, &Shape)],
    asker: &mut Asker,
) -> (Vec<Vec<usize>>, End) {
    if !possible(body, acts) {
        return (Vec::new(), End::Complete);
    }
    let chosen: Vec<Formula> =
        (0..acts.len()).filter_map(|i| u32::try_from(i).ok()).map(|i| Formula::Bit(Bit::Fresh(i))).collect();
    let looked_at: Vec<(Formula, &Shape)> =
        chosen.iter().cloned().zip(acts.iter().map(|(_, shape)| *shape)).collect();
    let mut rules: Vec<Formula> = vec![body.dead_when(&looked_at)];
    for (bit, (act, shape)) in chosen.iter().zip(acts) {
        let stands = Formula::all([act.acts(), body.empty(&[shape]).negate()]);
        rules.push(Formula::implies(bit.clone(), stands));
    }
    for (i, (_, a)) in acts.iter().enumerate() {
        for (j, (_, b)) in acts.iter().enumerate().skip(i + 1) {
            let pair = [chosen.get(i), chosen.get(j)].into_iter().flatten().cloned();
            rules.push(Formula::all(pair.chain([body.empty(&[a, b])])).negate());
        }
    }
    if rules.contains(&Formula::FALSE) {
        return (Vec::new(), End::Complete);
    }
    let prepared = asker.prepare(&rules);
    asker.enter();
    rules.iter().for_each(|rule| asker.solver.assert(rule));
    let found = search(body, acts, &chosen, &prepared.literals, asker);
    asker.leave();
    match found {
        (sets, End::Complete) if !sets.is_empty() && !prepared.complete => (Vec::new(), End::GaveUp),
        found => found,
    }
}

fn search(
    body: &Body,
    acts: &[(&Act, &Shape)],
    chosen: &[Formula],
    fixed: &[crate::analysis::smt::Literal],
    asker: &mut Asker,
) -> (Vec<Vec<usize>>, End) {
    let mut sets: Vec<Vec<usize>> = Vec::new();
    loop {
        match asker.solver.ask(fixed) {
            Answer::Unsat => return (sets, End::Complete),
            Answer::Unknown => return (sets, End::GaveUp),
            Answer::Sat if sets.len() >= MAX_SETS => return (sets, End::More),
            Answer::Sat => {}
        }
        let mut assumed = fixed.to_vec();
        let mut set = Vec::new();
        for (at, bit) in chosen.iter().enumerate() {
            let aside = asker.solver.literal(&bit.clone().negate());
            assumed.push(aside);
            match asker.solver.ask(&assumed) {
                Answer::Sat => {}
                Answer::Unsat => {
                    assumed.pop();
                    assumed.push(asker.solver.literal(bit));
                    set.push(at);
                }
                Answer::Unknown => return (sets, End::GaveUp),
            }
        }
        let shapes: Vec<&Shape> =
            set.iter().filter_map(|at| acts.get(*at)).map(|(_, shape)| *shape).collect();
        let together = set.iter().filter_map(|at| chosen.get(*at)).cloned();
        let again = Formula::all(together.chain([body.empty(&shapes)]));
        asker.solver.assert(&again.negate());
        sets.push(set);
    }
}

/// The condition under which the set, and no part of it, leaves nothing.
pub(super) fn least_empty(body: &Body, shapes: &[&Shape]) -> Formula {
    let parts = (0..shapes.len()).map(|out| {
        let part: Vec<&Shape> =
            shapes.iter().enumerate().filter(|(at, _)| *at != out).map(|(_, shape)| *shape).collect();
        body.empty(&part).negate()
    });
    Formula::all(std::iter::once(body.empty(shapes)).chain(parts))
}
