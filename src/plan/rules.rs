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
        let (down, up) = beyond(b, total);
        let bounds = (total.lo - down, total.hi - up);
        b.ask_when(when.as_ref(), total.owner, &sum, bounds, weight, step, wish);
    }
}

/// How far excluded members may take a total beyond what is presumed of them: down, and up. What is
/// only preferred takes them as presumed.
fn beyond(b: &Builder<'_, '_>, total: &Total) -> (f64, f64) {
    let (mut down, mut up) = (0.0, 0.0);
    if b.scene.excluded.is_empty() || total.preference {
        return (down, up);
    }
    for (device, attr) in b.scene.groups.get(total.group).into_iter().flatten() {
        for (t, share) in &total.steps {
            let (less, more) = super::excluded::beyond(b.scene, *device, attr, *t);
            down += less * share;
            up += more * share;
        }
    }
    (down, up)
}

/// The mean of a group's sum over a window.
pub(super) fn mean(b: &Builder<'_, '_>, total: &Total) -> Aff {
    let mut mean = Aff::fixed(total.known);
    for (t, share) in &total.steps {
        mean.add(&sum(b, total.group, *t), *share);
    }
    mean
}

/// What a group has in step `t`.
pub(super) fn sum(b: &Builder<'_, '_>, group: usize, t: usize) -> Aff {
    let mut sum = Aff::default();
    for (device, attr) in b.scene.groups.get(group).into_iter().flatten() {
        if let Some(power) = b.attr(*device, attr, t) {
            sum.add(&power, 1.0);
        }
    }
    sum
}
