//! Which zones are steered by a setpoint: their machine's power follows from it and is commanded by
//! nobody (planner.md 5).

use super::{Attr, Control, Family, FamilyId, MemberRange, Model, Need, SignalSource, Site, ZoneId};
use crate::diag::Span;
use crate::quantity::Rat;

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

/// A zone with one setpoint that machines follow: those that heat it run below the setpoint's dead band,
/// those that cool it above.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Steered {
    /// The zone.
    pub zone: ZoneId,
    /// Whose register holds the setpoint.
    pub holder: FamilyId,
    /// Whose power follows from it and heats the zone; several run together, each at the same share of
    /// what it can.
    pub heaters: Vec<FamilyId>,
    /// As the heaters, but cooling.
    pub coolers: Vec<FamilyId>,
    /// How far below the setpoint it is heated to, and how far above cooled to: half the dead band, K.
    pub half: Rat,
}

impl Steered {
    /// All that follow the setpoint: what heats first.
    pub fn machines(&self) -> impl Iterator<Item = FamilyId> + '_ {
        self.heaters.iter().chain(&self.coolers).copied()
    }

    /// Whether this machine follows it.
    #[must_use]
    pub fn moves(&self, machine: FamilyId) -> bool {
        self.machines().any(|other| other == machine)
    }
}

/// Something of the setpoints that nobody can plan or verify.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unsteerable {
    /// Where.
    pub span: Span,
    /// What, in words.
    pub what: String,
    /// What would help.
    pub help: &'static str,
}

/// Where a machine could be commanded, or the thermostat be left alone.
const TOLD: &str = "command the machine's power by its own profile, or leave the thermostat to itself with `control observe`";
/// Where heating and cooling touch.
const BETWEEN: &str =
    "a profile says how far heating and cooling are apart: `{ do: setpoint, .., dead_band: 1 K }`";

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
    /// What heats or cools a zone.
    pub fn machines(&self, zone: ZoneId) -> impl Iterator<Item = MemberRange> + '_ {
        let serves = move |model: &Model| matches!(model, Model::Consumer(c) if c.heats == Some(zone) || c.cools == Some(zone));
        self.families.iter().filter(move |family| serves(&family.model)).map(Family::all)
    }

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

    /// Those of them that have one setpoint, each after those whose machines move it as well.
    #[must_use]
    pub fn steered(&self) -> Vec<Steered> {
        let mut rest: Vec<Steered> =
            self.steerings().iter().filter_map(|steering| self.settled(steering)).collect();
        let mut ordered = Vec::with_capacity(rest.len());
        while !rest.is_empty() {
            let before = |at: usize| {
                let zone = rest.get(at)?.zone;
                rest.iter().position(|other| self.reaches(other, zone))
            };
            // where none is free they go in a circle, which is refused: any of it
            let free = (0..rest.len()).find(|at| before(*at).is_none());
            let next = free.unwrap_or_else(|| (0..rest.len()).fold(0, |at, _| before(at).unwrap_or(at)));
            ordered.push(rest.remove(next));
        }
        ordered
    }

    /// A steering with one setpoint, by what its machines do to the zone.
    fn settled(&self, steering: &Steering) -> Option<Steered> {
        let [holder] = steering.holders.as_slice() else { return None };
        let heats = |id: &FamilyId| match self.family(*id).map(|family| &family.model) {
            Some(Model::Consumer(consumer)) => consumer.heats == Some(steering.zone),
            _ => false,
        };
        let (heaters, coolers) = steering.machines.iter().partition(|id| heats(id));
        let band = self.family(*holder).and_then(|family| family.dead_band.clone()).unwrap_or_default();
        let half = band.checked_div(&Rat::int(2)).unwrap_or_default();
        Some(Steered { zone: steering.zone, holder: *holder, heaters, coolers, half })
    }

    /// Whether the machines of a zone act on another one too.
    fn reaches(&self, steered: &Steered, zone: ZoneId) -> bool {
        steered.zone != zone && steered.machines().any(|machine| self.acts(machine, zone))
    }

    fn acts(&self, machine: FamilyId, zone: ZoneId) -> bool {
        matches!(self.family(machine).map(|family| &family.model),
            Some(Model::Consumer(consumer)) if consumer.heats == Some(zone) || consumer.cools == Some(zone))
    }

    /// What of the setpoints nobody can plan or verify yet.
    #[must_use]
    pub fn unsteerable(&self) -> Vec<Unsteerable> {
        let mut found = Vec::new();
        let steerings = self.steerings();
        for signal in &self.signals {
            if let SignalSource::ZoneState(zone, Attr::Setpoint) = &signal.source
                && steerings.iter().any(|steering| steering.zone == *zone)
            {
                let what = format!("reading `{}`, which plans command", signal.name);
                found.push(Unsteerable { span: signal.span, what, help: TOLD });
            }
        }
        for steering in &steerings {
            self.unsteerable_zone(steering, &mut found);
            for machine in steering.machines.iter().filter_map(|id| self.family(*id)) {
                let what = Self::unfollowing(machine).map(|what| format!("`{}` {what}", machine.name));
                found.extend(what.map(|what| Unsteerable { span: machine.span, what, help: TOLD }));
            }
        }
        self.unsteerable_circle(&mut found);
        found
    }

    fn unsteerable_zone(&self, steering: &Steering, found: &mut Vec<Unsteerable>) {
        let zone = self.zone(steering.zone).map_or("", |zone| zone.name.as_str());
        let last = |ids: &[FamilyId]| ids.last().and_then(|id| self.family(*id)).map(|f| f.span);
        if let (true, Some(span)) = (steering.holders.len() > 1, last(&steering.holders)) {
            let what = format!("two setpoints of zone `{zone}`, of {}", self.named(&steering.holders));
            found.push(Unsteerable { span, what, help: TOLD });
        }
        let Some(steered) = self.settled(steering) else { return };
        let Some(holder) = self.family(steered.holder) else { return };
        let step = holder.command_step.get(&Attr::Setpoint).cloned().unwrap_or_default();
        let both = !steered.heaters.is_empty() && !steered.coolers.is_empty();
        // narrower, and a room that floats between has no whole step around it
        if both && steered.half < step {
            let what = format!(
                "{} heat and cool zone `{zone}` by one setpoint, and the profile of `{}` says no dead band of at \
                 least two of its register steps",
                self.named(&steered.machines().collect::<Vec<_>>()),
                holder.name
            );
            found.push(Unsteerable { span: holder.span, what, help: BETWEEN });
        }
    }

    fn named(&self, ids: &[FamilyId]) -> String {
        let names = ids.iter().filter_map(|id| self.family(*id)).map(|f| format!("`{}`", f.name));
        names.collect::<Vec<_>>().join(" and ")
    }

    /// Why a machine cannot follow a setpoint in a plan.
    fn unfollowing(machine: &Family) -> Option<&'static str> {
        let Model::Consumer(consumer) = &machine.model else { return None };
        let whole = machine
            .ranges
            .get(&Attr::Power)
            .is_some_and(|pieces| matches!(pieces.as_slice(), [(least, _)] if least.is_zero()));
        if machine.count.is_some() {
            Some("are several behind one setpoint that nothing tells apart: declare each by its own name")
        } else if consumer.on_off || !whole {
            Some(
                "is on or off, or has a least power, behind a setpoint: its thermostat switches it within a \
                 step, and no limit of power would see that",
            )
        } else if consumer.min_up_s > 0 || consumer.min_down_s > 0 {
            Some("has least times of running and standing still behind a setpoint")
        } else if consumer.sessions.is_some() {
            Some("has sessions behind a setpoint")
        } else {
            None
        }
    }

    /// Zones whose setpoints each ask for what the other one's machine does.
    fn unsteerable_circle(&self, found: &mut Vec<Unsteerable>) {
        let steered = self.steered();
        for (place, one) in steered.iter().enumerate() {
            let Some(other) = steered.iter().skip(place + 1).find(|other| self.reaches(other, one.zone))
            else {
                continue;
            };
            let name = |zone: ZoneId| self.zone(zone).map_or("", |zone| zone.name.as_str());
            let machine = other.machines().find(|machine| self.acts(*machine, one.zone));
            let Some(machine) = machine.and_then(|id| self.family(id)) else { continue };
            let what = format!(
                "`{}` follows the setpoint of `{}` and moves `{}`, and what follows the setpoint there leads \
                 back to it",
                machine.name,
                name(other.zone),
                name(one.zone)
            );
            found.push(Unsteerable { span: machine.span, what, help: TOLD });
        }
    }
}
