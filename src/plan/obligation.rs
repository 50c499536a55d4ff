//! Deliveries and runs inside their windows (semantics.md 17).

use super::model::{Aff, Breach, Builder, Wish};
use super::scene::{Due, DueKind};
use crate::ir::Attr;

pub(super) fn add(b: &mut Builder<'_, '_>) {
    let scene = b.scene;
    for due in &scene.dues {
        let before = b.breaches.len();
        match due.kind {
            DueKind::Deliver(energy) => deliver(b, due, energy),
            DueKind::Run { hours, uninterrupted, begun } => run(b, due, hours, uninterrupted, begun),
        }
        b.final_with(due.steps.end.saturating_sub(1), before);
    }
    super::vehicle::shorts(b);
}

fn deliver(b: &mut Builder<'_, '_>, due: &Due, energy: f64) {
    let mut sum = Aff::default();
    for t in due.steps.clone() {
        if let Some(power) = b.attr(due.device, &Attr::Power, t) {
            sum.add(&power, b.scene.hours(t));
        }
    }
    // what the window's rest beyond the horizon can still bring need not come now
    let most = b.scene.physical(due.device, &Attr::Power).last().map_or(0.0, |p| p.1);
    let now = energy - due.beyond * most;
    if now > 0.0 {
        let wish = wish(due, 1.0);
        let when = b.condition(due.when);
        let weight = 1.0 / due.whole.max(1e-9);
        b.ask_when(when.as_ref(), due.owner, &sum, (now, f64::INFINITY), weight, None, wish);
    }
}

/// What missing one unit costs, `energy` kWh being one unit; by missing share where it has no price.
fn wish(due: &Due, energy: f64) -> Wish {
    match due.wish {
        None => Wish::No,
        Some(None) => Wish::Free,
        Some(Some(price)) => Wish::Priced(price * energy),
    }
}

fn run(b: &mut Builder<'_, '_>, due: &Due, hours: f64, uninterrupted: bool, begun: bool) {
    if hours <= 0.0 {
        return;
    }
    // a price is of the energy that does not flow
    let power = b.scene.physical(due.device, &Attr::Power).last().map_or(0.0, |p| p.1);
    if !uninterrupted {
        let mut sum = Aff::default();
        for t in due.steps.clone() {
            if let Some(on) = b.attr(due.device, &Attr::On, t) {
                sum.add(&on, b.scene.hours(t));
            }
        }
        let now = hours - due.beyond;
        if now > 0.0 {
            let weight = 1.0 / due.whole.max(1e-9);
            let when = b.condition(due.when);
            b.ask_when(when.as_ref(), due.owner, &sum, (now, f64::INFINITY), weight, None, wish(due, power));
        }
        return;
    }
    // one start, and on for the whole run after it
    let mut chosen = Aff::default();
    for t in due.steps.clone() {
        let (end, fits) = reach(b, due, t, hours);
        if !fits || (begun && t != due.steps.start) {
            continue;
        }
        let start = b.program.integer(0.0, 1.0);
        chosen.add(&Aff::of(start), 1.0);
        for k in t..end {
            if let Some(on) = b.attr(due.device, &Attr::On, k) {
                let terms = on.terms.iter().copied().chain([(start, -1.0)]);
                b.program.at_least(terms, -on.constant);
            }
        }
    }
    if due.beyond >= hours && !begun {
        return; // it can still run wholly after the horizon
    }
    // several starts would only ask for more
    if chosen.terms.len() > 1 {
        b.program.at_most(chosen.terms.iter().copied(), 1.0);
    }
    let when = b.condition(due.when);
    if chosen.terms.is_empty() && when.is_none() {
        missed(b, due, hours, power);
        return;
    }
    let owed = (hours, f64::INFINITY);
    let runs = chosen.times(hours);
    b.ask_when(when.as_ref(), due.owner, &runs, owed, 1.0 / hours, None, wish(due, power));
}

/// A run of `hours` that no start fits: a breach, a price, or no plan.
fn missed(b: &mut Builder<'_, '_>, due: &Due, hours: f64, power: f64) {
    let owner = due.owner;
    let wish = wish(due, power);
    match wish {
        Wish::No if !b.gives(owner) => b.program.contradict(),
        Wish::No | Wish::Free => {
            let (col, weight) = (b.program.col(0.0, hours), 1.0 / hours);
            b.program.at_least([(col, 1.0)], hours);
            let preference = wish == Wish::Free;
            b.breaches.push(Breach { col, weight, owner, step: None, preference, initial: false });
        }
        Wish::Priced(price) => {
            let col = b.program.col(hours, hours);
            b.money.push((super::model::Part::Breach, col, price));
        }
    }
}

/// The step after the last one that a run begun in step `t` needs, and whether it fits the window.
fn reach(b: &Builder<'_, '_>, due: &Due, t: usize, hours: f64) -> (usize, bool) {
    let mut left = hours;
    for k in t..due.steps.end {
        left -= b.scene.hours(k);
        if left <= 1e-9 {
            return (k + 1, true);
        }
    }
    (due.steps.end, left <= due.beyond + 1e-9)
}
