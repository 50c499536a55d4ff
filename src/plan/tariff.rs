//! Demand charges: paid on what a month's greatest interval mean exceeds what is paid anyway
//! (planner.md 11).

use super::model::{Aff, Builder, Part};
use crate::ir::Attr;

pub(super) fn add(b: &mut Builder<'_, '_>) {
    let scene = b.scene;
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
        let above = (most - charge.known).max(0.0);
        if above <= 0.0 {
            continue;
        }
        let excess = b.program.col(0.0, above);
        for mean in means {
            if b.range(&mean).1 > charge.known {
                let terms = mean.terms.iter().copied().chain([(excess, -1.0)]);
                b.program.at_most(terms, charge.known - mean.constant);
            }
        }
        b.money.push((Part::Demand, excess, charge.price));
    }
}
