//! What no plan may count on as a state stands, and which zones are still steered.

use std::collections::BTreeSet;

use super::State;
use crate::bundle::document::Names;
use crate::ir::{Device, FamilyId, Site, Steered};

impl State {
    /// The devices that plans may not count on: those that are excluded, and the machines that follow a
    /// setpoint which one of them holds.
    #[must_use]
    pub fn excluded(&self, site: &Site) -> BTreeSet<Device> {
        if self.excluded.is_empty() {
            return BTreeSet::new();
        }
        let names = Names::new(site);
        let named: BTreeSet<Device> = self.excluded.iter().filter_map(|name| names.device(name)).collect();
        let out = |family| named.contains(&Device { family, index: 1 });
        let declared = site.steered();
        let follow = declared.iter().filter(|steered| out(steered.holder));
        let machines: Vec<Device> =
            follow.flat_map(Steered::machines).map(|family| Device { family, index: 1 }).collect();
        named.into_iter().chain(machines).collect()
    }

    /// The zones that a setpoint steers as things stand, each with the machines that are not excluded: not
    /// those of which all are, by themselves or with the device that holds the setpoint.
    #[must_use]
    pub fn steered(&self, site: &Site) -> Vec<Steered> {
        let mut steered = site.steered();
        let out = self.excluded(site);
        if out.is_empty() {
            return steered;
        }
        for steered in &mut steered {
            let there = |family: &FamilyId| !out.contains(&Device { family: *family, index: 1 });
            steered.heaters.retain(there);
            steered.coolers.retain(there);
        }
        steered.retain(|steered| steered.machines().next().is_some());
        steered
    }
}
