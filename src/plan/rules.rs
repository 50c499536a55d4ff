//! Totals of groups and means over the clock.

use super::model::{Aff, Builder, Wish};
use super::scene::Total;

pub(super) fn add(b: &mut Builder<'_, '_>) {
    let scene = b.scene;
    for total in &scene.totals {
        let sum = mean(b, total);
        let wish = match (total.preference, total.price) {
            (false, _) => Wish::No,
            (true, None) => Wish::Free,
            (true, Some(price)) => Wish::Priced(price * total.hours),
        };
        let weight = total.hours / total.width.max(1e-9);
        let step = total.steps.first().map(|(t, _)| *t);
        let when = b.taken(total.when.as_ref());
        b.ask_when(when.as_ref(), total.owner, &sum, (total.lo, total.hi), weight, step, wish);
    }
}

/// The mean of a group's sum over a window.
pub(super) fn mean(b: &Builder<'_, '_>, total: &Total) -> Aff {
    let mut sum = Aff::fixed(total.known);
    let Some(group) = b.scene.groups.get(total.group) else { return sum };
    for (t, share) in &total.steps {
        for (device, attr) in group {
            if let Some(power) = b.attr(*device, attr, *t) {
                sum.add(&power, *share);
            }
        }
    }
    sum
}
