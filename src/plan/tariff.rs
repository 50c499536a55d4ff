//! Demand charges: paid on what a month's greatest interval mean exceeds what is paid anyway, and
//! minimum bills: what a month comes to less is paid all the same (planner.md 11).

use super::model::{Aff, Builder, Part};
use super::scene::LeastBill;
use super::solver::Col;
use crate::ir::Attr;

pub(super) fn add(b: &mut Builder<'_, '_>) {
    let scene = b.scene;
    let mut above = Vec::with_capacity(scene.charges.len());
    for charge in &scene.charges {
        let mut means = Vec::new();
        let mut most = 0.0_f64;
        for (steps, known) in &charge.intervals {
            let mut mean = Aff::fixed(*known);
            for (t, share) in steps {
                if let Some(import) = b.attr(charge.grid, &Attr::Import, *t) {
                    mean.add(&import, *share);
                }
            }
            most = most.max(b.range(&mean).1);
            means.push(mean);
        }
        let room = (most - charge.known).max(0.0);
        if room <= 0.0 {
            above.push(None);
            continue;
        }
        let excess = b.program.col(0.0, room);
        for mean in means {
            if b.range(&mean).1 > charge.known {
                let terms = mean.terms.iter().copied().chain([(excess, -1.0)]);
                b.program.at_most(terms, charge.known - mean.constant);
            }
        }
        b.money.push((Part::Demand, excess, charge.price));
        above.push(Some(excess));
    }
    for bill in &scene.least_bills {
        least(b, bill, &above);
    }
}

/// What the month comes to less than its minimum, as a column: `added >= least - bill`.
fn least(b: &mut Builder<'_, '_>, month: &LeastBill, above: &[Option<Col>]) {
    let scene = b.scene;
    let Some(prices) = scene.prices.get(&month.tariff) else { return };
    let mut bill = Aff::fixed(month.before);
    for t in month.steps.clone() {
        let hours = scene.hours(t);
        for (side, price, sign) in [(Attr::Import, &prices.import, 1.0), (Attr::Export, &prices.export, -1.0)]
        {
            let price = price.get(t).copied().unwrap_or(0.0);
            if let Some(power) = b.attr(month.grid, &side, t).filter(|_| price != 0.0) {
                bill.add(&power, sign * hours * price);
            }
        }
    }
    for place in &month.charges {
        let excess = above.get(*place).copied().flatten();
        if let (Some(charge), Some(excess)) = (scene.charges.get(*place), excess) {
            bill.add(&Aff::of(excess), charge.price);
        }
    }
    let most = month.least - b.range(&bill).0;
    if most <= 0.0 {
        return;
    }
    let added = b.program.col(0.0, most);
    let terms = bill.terms.iter().copied().chain([(added, 1.0)]);
    b.program.at_least(terms, month.least - bill.constant);
    b.money.push((Part::Minimum, added, 1.0));
}
