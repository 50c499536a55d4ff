//! Which zones are steered by a setpoint: their machine's power follows from it and is commanded by
//! nobody (planner.md 5).

use super::{Attr, Control, Family, FamilyId, Model, Need, SignalSource, Site, ZoneId};
use crate::diag::Span;

/// A zone whose setpoint is commanded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Steering {
    /// The zone.
    pub zone: ZoneId,
    /// Whose registers hold its setpoint: its thermostats, or else its machines themselves.
    pub holders: Vec<FamilyId>,
    /// The machines that follow it.
    pub machines: Vec<FamilyId>,
}

/// A zone with one setpoint that one machine follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Steered {
    /// The zone.
    pub zone: ZoneId,
    /// Whose register holds the setpoint.
    pub holder: FamilyId,
    /// Whose power follows from it.
    pub machine: FamilyId,
    /// Whether that heats the zone, and does not cool it.
    pub heats: bool,
}

impl Family {
    /// Whether plans write a setpoint to it.
    #[must_use]
    pub fn takes_setpoint(&self) -> bool {
        self.control == Control::Command && self.command_step.contains_key(&Attr::Setpoint)
    }

    /// Whether its profile commands its power. Who may be told a power is told it, and nothing of it is
    /// left to a thermostat.
    fn takes_power(&self) -> bool {
        self.control == Control::Command && self.command_step.contains_key(&Attr::Power)
    }

    /// The zone that it heats or cools by decision.
    fn serves(&self) -> Option<ZoneId> {
        match &self.model {
            Model::Consumer(consumer) if consumer.need == Need::None => consumer.heats.or(consumer.cools),
            _ => None,
        }
    }
}

impl Site {
    /// The zones that are steered by a setpoint, in declaration order.
    ///
    /// A machine whose power its own profile commands is told that power. The others follow the zone's
    /// thermostat, where that takes a setpoint; without one, a machine that takes a setpoint itself
    /// follows its own.
    #[must_use]
    pub fn steerings(&self) -> Vec<Steering> {
        self.zones.iter().filter_map(|zone| self.steering(zone.id)).collect()
    }

    fn steering(&self, zone: ZoneId) -> Option<Steering> {
        let follow = |family: &&Family| family.serves() == Some(zone) && !family.takes_power();
        let ids = |families: Vec<&Family>| families.iter().map(|family| family.id).collect::<Vec<_>>();
        let thermostats = self.zone(zone)?.thermostats.iter().filter_map(|id| self.family(*id));
        let holders = ids(thermostats.filter(|family| family.takes_setpoint()).collect());
        let machines: Vec<&Family> = self.families.iter().filter(follow).collect();
        let own: Vec<&Family> = machines.iter().copied().filter(|family| family.takes_setpoint()).collect();
        let steering = match (holders.is_empty(), own.is_empty()) {
            (true, true) => return None,
            (true, false) => Steering { zone, holders: ids(own.clone()), machines: ids(own) },
            (false, true) => Steering { zone, holders, machines: ids(machines) },
            // a machine that holds a setpoint of its own beside the thermostat's
            (false, false) => Steering {
                zone,
                holders: holders.into_iter().chain(ids(own)).collect(),
                machines: ids(machines),
            },
        };
        (!steering.machines.is_empty()).then_some(steering)
    }

    /// Those of them that have one setpoint and one machine.
    #[must_use]
    pub fn steered(&self) -> Vec<Steered> {
        let one = |steering: &Steering| match (steering.holders.as_slice(), steering.machines.as_slice()) {
            ([holder], [machine]) => Some((*holder, *machine)),
            _ => None,
        };
        let steered = self.steerings().into_iter().filter_map(|steering| {
            let (holder, machine) = one(&steering)?;
            let Model::Consumer(consumer) = &self.family(machine)?.model else { return None };
            Some(Steered {
                zone: steering.zone,
                holder,
                machine,
                heats: consumer.heats == Some(steering.zone),
            })
        });
        steered.collect()
    }

    /// What of the setpoints nobody can plan or verify yet: where, and in words.
    #[must_use]
    pub fn unsteerable(&self) -> Vec<(Span, String)> {
        let mut found = Vec::new();
        let steerings = self.steerings();
        for signal in &self.signals {
            if let SignalSource::ZoneState(zone, Attr::Setpoint) = &signal.source
                && steerings.iter().any(|steering| steering.zone == *zone)
            {
                found.push((signal.span, format!("reading `{}`, which plans command", signal.name)));
            }
        }
        for steering in steerings {
            let zone = self.zone(steering.zone).map_or("", |zone| zone.name.as_str());
            let named = |ids: &[FamilyId]| {
                let names = ids.iter().filter_map(|id| self.family(*id)).map(|f| format!("`{}`", f.name));
                names.collect::<Vec<_>>().join(" and ")
            };
            let last = |ids: &[FamilyId]| ids.last().and_then(|id| self.family(*id)).map(|f| f.span);
            if let (true, Some(span)) = (steering.holders.len() > 1, last(&steering.holders)) {
                found
                    .push((span, format!("two setpoints of zone `{zone}`, of {}", named(&steering.holders))));
            }
            if let (true, Some(span)) = (steering.machines.len() > 1, last(&steering.machines)) {
                found.push((
                    span,
                    format!("{} behind the one setpoint of zone `{zone}`", named(&steering.machines)),
                ));
            }
            for machine in steering.machines.iter().filter_map(|id| self.family(*id)) {
                let Model::Consumer(consumer) = &machine.model else { continue };
                let whole = machine
                    .ranges
                    .get(&Attr::Power)
                    .is_some_and(|pieces| matches!(pieces.as_slice(), [(least, _)] if least.is_zero()));
                let what = if machine.count.is_some() {
                    "are several behind one setpoint"
                } else if consumer.on_off || !whole {
                    "is on or off, or has a least power, behind a setpoint"
                } else if consumer.min_up_s > 0 || consumer.min_down_s > 0 {
                    "has least times of running and standing still behind a setpoint"
                } else if consumer.sessions.is_some() {
                    "has sessions behind a setpoint"
                } else {
                    continue;
                };
                found.push((machine.span, format!("`{}` {what}", machine.name)));
            }
        }
        found
    }
}
