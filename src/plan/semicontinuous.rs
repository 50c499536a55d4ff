//! Powers that are zero or within a piece, on/off machines, starts, minimum up and down times
//! (planner.md 7). Equal machines without memory are counted, not listed (planner.md 22).

use super::model::{Aff, Builder};

/// A column within a set, `count` equal machines together. Returns the power, and how many are on
/// where the set makes that a decision.
pub(super) fn column(b: &mut Builder<'_, '_>, pieces: &[(f64, f64)], count: f64) -> (Aff, Option<Aff>) {
    match pieces {
        [] => {
            b.program.contradict();
            (Aff::fixed(0.0), None)
        }
        [(lo, hi)] if lo == hi => (Aff::fixed(lo * count), None),
        [(lo, hi)] => (Aff::of(b.program.col(lo * count, hi * count)), None),
        [(off, same), (lo, hi)] if *off == 0.0 && *same == 0.0 => {
            let on = b.program.integer(0.0, count);
            (power_of(b, on, *lo, *hi, count), Some(Aff::of(on)))
        }
        many => {
            let most = many.iter().map(|(_, hi)| *hi).fold(0.0, f64::max);
            let mut power = Aff::default();
            let mut on = Aff::default();
            let mut chosen = Vec::new();
            for (lo, hi) in many {
                let here = b.program.integer(0.0, count);
                power.add(&power_of(b, here, *lo, *hi, count), 1.0);
                if *hi > 0.0 {
                    on.add(&Aff::of(here), 1.0);
                }
                chosen.push((here, 1.0));
            }
            b.program.equal(chosen, count);
            (one(b, power, most * count), Some(on))
        }
    }
}

/// A sum as one column, so that other directions may exclude it.
pub(super) fn as_column(b: &mut Builder<'_, '_>, sum: Aff) -> Aff {
    let (_, most) = b.range(&sum);
    one(b, sum, most)
}

fn one(b: &mut Builder<'_, '_>, sum: Aff, most: f64) -> Aff {
    let (least, _) = b.range(&sum);
    let col = b.program.col(least.min(0.0), most);
    let row = sum.terms.into_iter().map(|(c, v)| (c, -v)).chain([(col, 1.0)]);
    b.program.equal(row, sum.constant);
    Aff::of(col)
}

/// A column within the set of the alternative that is taken: the convex hull of all of them, exact
/// wherever their shares are 0 or 1.
pub(super) fn among(
    b: &mut Builder<'_, '_>,
    alternatives: &[(Aff, Vec<(f64, f64)>)],
    count: f64,
) -> (Aff, Option<Aff>) {
    let (_, first) = match alternatives {
        [] => return column(b, &[], count),
        [first, ..] => first,
    };
    if alternatives.iter().all(|(_, pieces)| pieces == first) {
        return column(b, first, count);
    }
    let (mut power, mut on) = (Aff::default(), Aff::default());
    let mut most = 0.0_f64;
    for (share, pieces) in alternatives {
        let mut chosen = share.clone().times(-count);
        if pieces.is_empty() {
            b.program.equal(chosen.terms, -chosen.constant);
            continue;
        }
        for (lo, hi) in pieces {
            most = most.max(*hi);
            let here = match pieces.as_slice() {
                [_] => share.clone().times(count),
                _ => Aff::of(b.program.integer(0.0, count)),
            };
            if pieces.len() > 1 {
                chosen.add(&here, 1.0);
            }
            if lo == hi {
                power.add(&here, *hi);
            } else {
                let part = Aff::of(b.program.col(lo.min(0.0) * count, hi.max(0.0) * count));
                let row = |bound: f64| part.terms.iter().copied().chain(here.clone().times(-bound).terms);
                b.program.at_most(row(*hi), here.constant * hi);
                b.program.at_least(row(*lo), here.constant * lo);
                power.add(&part, 1.0);
            }
            if *hi > 0.0 && (pieces.len() > 1 || *lo > 0.0) {
                on.add(&here, 1.0);
            }
        }
        if pieces.len() > 1 {
            b.program.equal(chosen.terms, -chosen.constant);
        }
    }
    (one(b, power, most * count), Some(on))
}

fn power_of(b: &mut Builder<'_, '_>, on: super::solver::Col, lo: f64, hi: f64, count: f64) -> Aff {
    if lo == hi {
        return Aff { terms: if hi == 0.0 { Vec::new() } else { vec![(on, hi)] }, constant: 0.0 };
    }
    let power = b.program.col(lo.min(0.0), hi * count);
    b.program.semi(power, on, lo, hi);
    Aff::of(power)
}

/// Starts of a machine by step: `start >= on - on before`, each at least zero.
pub(super) fn starts(b: &mut Builder<'_, '_>, on: &[Aff], was_on: f64) -> Vec<Aff> {
    changes(b, on, was_on, 1.0)
}

/// Stops of a machine by step.
pub(super) fn stops(b: &mut Builder<'_, '_>, on: &[Aff], was_on: f64) -> Vec<Aff> {
    changes(b, on, was_on, -1.0)
}

fn changes(b: &mut Builder<'_, '_>, on: &[Aff], was_on: f64, sign: f64) -> Vec<Aff> {
    let mut before = Aff::fixed(was_on);
    on.iter()
        .map(|now| {
            let mut step = now.clone().times(sign);
            step.add(&before, -sign);
            before = now.clone();
            let (least, most) = b.range(&step);
            if most <= 0.0 {
                return Aff::fixed(0.0);
            }
            if least >= 0.0 {
                return step;
            }
            let change = b.program.col(0.0, most);
            b.program
                .at_least(step.terms.iter().map(|(c, v)| (*c, -v)).chain([(change, 1.0)]), step.constant);
            Aff::of(change)
        })
        .collect()
}

/// Once started, on for `up_s`; once stopped, off for `down_s`; `held_s` is how long the present
/// state has already lasted. A rule of these counts starts in a sliding window.
pub(super) fn dwell(
    b: &mut Builder<'_, '_>,
    on: &[Aff],
    (was_on, held_s): (bool, i64),
    (up_s, down_s): (i64, i64),
) {
    let seconds: Vec<i64> = b.scene.steps.iter().map(|s| s.seconds()).collect();
    let was = if was_on { 1.0 } else { 0.0 };
    // the rest of a dwell that began before the horizon
    let owed = if was_on { up_s } else { down_s } - held_s;
    let mut passed = 0;
    for (state, length) in on.iter().zip(&seconds) {
        if passed >= owed {
            break;
        }
        passed += length;
        let (terms, constant) = (state.terms.clone(), state.constant);
        b.program.equal(terms, was - constant);
    }
    for (dwell_s, is_start) in [(up_s, true), (down_s, false)] {
        if dwell_s <= 0 {
            continue;
        }
        let events = if is_start { starts(b, on, was) } else { stops(b, on, was) };
        for t in 0..on.len() {
            // every start less than `dwell_s` before the end of step t still binds in it
            let mut sum = Aff::default();
            let mut back = 0;
            for k in (0..=t).rev() {
                if let Some(event) = events.get(k) {
                    sum.add(event, 1.0);
                }
                back += seconds.get(k.wrapping_sub(1)).copied().unwrap_or(0);
                if back >= dwell_s {
                    break;
                }
            }
            let Some(state) = on.get(t) else { continue };
            // starts <= on, or stops <= 1 - on
            sum.add(state, if is_start { -1.0 } else { 1.0 });
            let most = if is_start { 0.0 } else { 1.0 };
            if b.range(&sum).1 > most {
                b.program.at_most(sum.terms, most - sum.constant);
            }
        }
    }
}
