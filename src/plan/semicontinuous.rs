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
            (power, Some(on))
        }
    }
}

fn power_of(b: &mut Builder<'_, '_>, on: super::solver::Col, lo: f64, hi: f64, count: f64) -> Aff {
    if lo == hi {
        return Aff { terms: if hi == 0.0 { Vec::new() } else { vec![(on, hi)] }, constant: 0.0 };
    }
    let power = b.program.col(lo.min(0.0), hi * count);
    b.program.at_most([(power, 1.0), (on, -hi)], 0.0);
    b.program.at_least([(power, 1.0), (on, -lo)], 0.0);
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
