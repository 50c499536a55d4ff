//! What the evaluator answers.

use std::collections::{BTreeMap, BTreeSet};

use super::device::{Demand, DeviceSet, physical_family, physical_zone};
use super::env::{Instance, Truth};
use crate::calendar::Instant;
use crate::ir::{Attr, ClassId, Device, MemberRange, Meter, SigRef, Site, Value, ZoneId};
use crate::quantity::Rat;

/// One effect of one rule instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EffectRef {
    /// Whose.
    pub instance: Instance,
    /// Its place among the rule's effects.
    pub index: u32,
}

/// What effects are resolved on: equal members of a family that every statement treats alike, or a
/// zone. A member range of one for single devices.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Unit {
    /// Devices.
    Devices(MemberRange),
    /// A zone, with its thermostats' setpoint.
    Zone(ZoneId),
}

impl Unit {
    /// How many devices (1 for a zone).
    #[must_use]
    pub const fn len(&self) -> u64 {
        match self {
            Self::Devices(range) => range.last.saturating_sub(range.first) as u64 + 1,
            Self::Zone(_) => 1,
        }
    }

    /// Never: a unit has at least one device.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        false
    }

    /// What is left of it without these devices.
    fn without(&self, devices: &BTreeSet<Device>) -> Vec<Self> {
        let Self::Devices(range) = self else { return vec![*self] };
        let (mut left, mut first) = (Vec::new(), range.first);
        let within = |device: &&Device| range.contains(**device);
        for device in devices.iter().filter(within) {
            if first < device.index {
                left.push(Self::Devices(MemberRange { first, last: device.index - 1, ..*range }));
            }
            first = device.index.saturating_add(1);
        }
        if first <= range.last {
            left.push(Self::Devices(MemberRange { first, ..*range }));
        }
        left
    }

    /// Whether the device is in it.
    #[must_use]
    pub fn contains(&self, device: Device) -> bool {
        matches!(self, Self::Devices(range) if range.contains(device))
    }
}

/// What has become of an active effect on one unit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Status {
    /// It binds.
    InForce,
    /// It misses what these effects of higher classes left (semantics.md 13).
    Overridden {
        /// A least set of them.
        by: Vec<EffectRef>,
    },
    /// It was dropped with the conflict of this place in [`Decision::conflicts`].
    Dropped(usize),
}

/// An active, permitted effect on one unit, with its bounds evaluated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// Which effect.
    pub effect: EffectRef,
    /// Its class.
    pub class: ClassId,
    /// On what.
    pub unit: Unit,
    /// What it asks.
    pub demand: Demand,
    /// `averaged over` this many s: it binds the mean, not the instant, and is no part of the
    /// resolved set.
    pub averaged_s: Option<i64>,
    /// What has become of it.
    pub status: Status,
}

/// A bound on the total of an attribute over devices.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Total {
    /// Which effect.
    pub effect: EffectRef,
    /// Its class.
    pub class: ClassId,
    /// Over which devices.
    pub members: Vec<MemberRange>,
    /// Of what.
    pub attr: Attr,
    /// Least.
    pub lo: Option<Rat>,
    /// Greatest.
    pub hi: Option<Rat>,
    /// Mean over this many s; `None`: at every instant.
    pub averaged_s: Option<i64>,
    /// What has become of it.
    pub status: Status,
}

/// An effect with its evaluated amounts that is returned rather than intersected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Asked {
    /// A bound, choice, switch or connection (preferences only).
    Demand(Demand),
    /// A bound on a total (preferences only).
    Total {
        /// Of what.
        attr: Attr,
        /// Least.
        lo: Option<Rat>,
        /// Greatest.
        hi: Option<Rat>,
    },
    /// At least this energy, kWh.
    Deliver(Rat),
    /// Run for this long, s.
    Run {
        /// s.
        for_s: i64,
        /// Without interruption.
        uninterrupted: bool,
    },
    /// Origins (preferences only).
    Supply {
        /// Named sources.
        from: Vec<MemberRange>,
        /// They are removed rather than required.
        never: bool,
    },
    /// Tracking (preferences only).
    Follow(Meter, Rat),
}

/// A `deliver` or `run` of an active rule (semantics.md 17). Its guard counts at the instant at
/// which a window opens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Obligation {
    /// Which effect.
    pub effect: EffectRef,
    /// Its class.
    pub class: ClassId,
    /// For which devices; each owes it.
    pub members: Vec<MemberRange>,
    /// What is owed in each window.
    pub asked: Asked,
    /// The windows that are open at the instant.
    pub open: Vec<(Instant, Instant)>,
}

/// A `preferably` of an active rule (semantics.md 19).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Preference {
    /// Which effect.
    pub effect: EffectRef,
    /// Its class.
    pub class: ClassId,
    /// On what; for a total all units together.
    pub units: Vec<Unit>,
    /// What is preferred.
    pub asked: Asked,
    /// Of a mean over so many seconds; `None`: at each instant.
    pub averaged_s: Option<i64>,
    /// Price of the breach; `None`: minimised in its class's turn.
    pub price: Option<Rat>,
}

/// Sources that may feed a unit (semantics.md 18). Units that no `supply` names may be fed by all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origins {
    /// What is fed (for a store: what fills it).
    pub unit: Unit,
    /// Allowed sources; empty forces power 0.
    pub allowed: Vec<MemberRange>,
    /// Every restriction is `by accounting`: the host does not follow the source.
    pub by_accounting: bool,
    /// The effects that restrict it.
    pub by: Vec<EffectRef>,
}

/// A unit that keeps a meter at a target (semantics.md 25).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Following {
    /// Which effect.
    pub effect: EffectRef,
    /// Its class.
    pub class: ClassId,
    /// Who tracks.
    pub unit: Unit,
    /// The meter.
    pub meter: Meter,
    /// What it shall show, kW.
    pub target: Rat,
}

/// A message of an active rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// Which effect.
    pub effect: EffectRef,
    /// Vendor, tenant or role.
    pub to: String,
    /// Text.
    pub text: String,
}

/// How effects clash.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Clash {
    /// One effect alone asks what the device cannot do (EVL0302).
    BeyondDevice,
    /// Effects of one class cannot hold together (EVL0301).
    Contradiction,
    /// Both directions of a store, grid or zone are forced above 0 (EVL0303).
    Opposed,
    /// Effects of one class, none of which misses what the higher classes left, jointly do (EVL0301).
    JointMiss,
}

/// Effects of one class that cannot hold together (semantics.md 12, 13).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conflict {
    /// How they clash.
    pub clash: Clash,
    /// Their class.
    pub class: ClassId,
    /// On what; several units for totals and zones.
    pub units: Vec<Unit>,
    /// A least set that clashes, in source order.
    pub effects: Vec<EffectRef>,
    /// The effects of higher classes on which a joint miss rests.
    pub against: Vec<EffectRef>,
    /// Whether the set was dropped here. A further pair among effects that another conflict has
    /// dropped is reported too, so that another rule never hides a contradiction.
    pub dropped: bool,
}

/// Why an effect has no force (semantics.md 20-22).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Refusal {
    /// The principal's account has ended.
    AccountEnded,
    /// The principal may not speak in this class.
    Class,
    /// No permit covers attribute, verb and instant.
    NotPermitted,
    /// The permit at this place of the site's list covers it, but allows a smaller range.
    OutsideRange(usize),
    /// The `forbid` at this place of the site's list covers it.
    Forbidden(usize),
    /// The guard, or the effect's own amount, reads what no `read` permit covers.
    MayNotRead,
    /// It would move a `life_safety` device away from its safe state.
    LifeSafety,
}

/// An effect without force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Denial {
    /// Which effect.
    pub effect: EffectRef,
    /// On what.
    pub unit: Unit,
    /// Why.
    pub why: Refusal,
}

/// Something worth logging.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Note {
    /// A reading outside its declared range was taken at the nearest end.
    Clamped {
        /// Which signal.
        signal: SigRef,
        /// What it read.
        read: Value,
    },
    /// The rule's guard is unknown and counts as its `on loss` says.
    Loss {
        /// Which rule.
        instance: Instance,
        /// What it counts as.
        active: bool,
    },
    /// A bound or amount reads a lost signal. The effect has no force, or, where its rule is
    /// active on loss, holds at the strictest value over the declared ranges.
    LostBound {
        /// Which effect.
        effect: EffectRef,
        /// It holds at the strictest value.
        strict: bool,
    },
}

/// The meaning of a policy in one environment.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Decision {
    /// Active rules in source order, those by loss included.
    pub active: Vec<Instance>,
    /// What each unit may do that an effect touches, closed under the device law, sorted by unit.
    /// Everything else may do what it physically can: see [`Decision::device`].
    pub resolved: BTreeMap<Unit, DeviceSet>,
    /// Every active, permitted effect that is intersected, class by class, with its fate.
    pub outcomes: Vec<Outcome>,
    /// Bounds on totals, class by class, with their fate.
    pub totals: Vec<Total>,
    /// Effects that cannot hold together.
    pub conflicts: Vec<Conflict>,
    /// Effects without force.
    pub denials: Vec<Denial>,
    /// `deliver` and `run`.
    pub obligations: Vec<Obligation>,
    /// `preferably`.
    pub preferences: Vec<Preference>,
    /// Restricted origins, sorted by unit.
    pub origins: Vec<Origins>,
    /// `supply` and `follow` effects that higher classes override, and by whom.
    pub displaced: Vec<(EffectRef, Unit, Vec<EffectRef>)>,
    /// `follow`.
    pub following: Vec<Following>,
    /// Messages.
    pub notices: Vec<Notice>,
    /// What is worth logging.
    pub notes: Vec<Note>,
    /// Whether the site's emergency holds.
    pub emergency: Option<Truth>,
}

impl Decision {
    /// The highest class of the effects in force that ask something of a zone's setpoint.
    pub fn setpoint_class(&self, zone: ZoneId) -> Option<ClassId> {
        let asks = |outcome: &&Outcome| {
            outcome.status == Status::InForce
                && outcome.unit == Unit::Zone(zone)
                && matches!(
                    outcome.demand,
                    Demand::Bound { attr: Attr::Setpoint, .. } | Demand::Choice { attr: Attr::Setpoint, .. }
                )
        };
        self.outcomes.iter().filter(asks).map(|outcome| outcome.class).min()
    }

    /// What a device may do: resolved, or physical where no effect touches it.
    #[must_use]
    pub fn device(&self, site: &Site, device: Device) -> Option<DeviceSet> {
        let range = MemberRange { family: device.family, first: device.index, last: u32::MAX };
        let before = self.resolved.range(..=Unit::Devices(range)).next_back();
        match before {
            Some((unit, set)) if unit.contains(device) => Some(set.clone()),
            _ => {
                let family = site.family(device.family)?;
                (1..=family.len()).contains(&device.index).then(|| physical_family(family))
            }
        }
    }

    /// What a zone may be: resolved, or physical where no effect touches it.
    #[must_use]
    pub fn zone(&self, site: &Site, zone: ZoneId) -> Option<DeviceSet> {
        self.resolved.get(&Unit::Zone(zone)).cloned().or_else(|| physical_zone(site, zone))
    }

    /// The same where nobody commands these devices: effects on them alone bind nothing. Totals keep
    /// them, and obligations are told to be void by whoever asks for them.
    #[must_use]
    pub fn without(mut self, devices: &BTreeSet<Device>) -> Self {
        if devices.is_empty() {
            return self;
        }
        self.resolved = (self.resolved.into_iter())
            .flat_map(|(unit, set)| unit.without(devices).into_iter().map(move |unit| (unit, set.clone())))
            .collect();
        self.outcomes = (self.outcomes.into_iter())
            .flat_map(|outcome| {
                let left = outcome.unit.without(devices);
                left.into_iter().map(move |unit| Outcome { unit, ..outcome.clone() })
            })
            .collect();
        for wish in &mut self.preferences {
            if let Asked::Demand(_) | Asked::Supply { .. } = wish.asked {
                wish.units = wish.units.iter().flat_map(|unit| unit.without(devices)).collect();
            }
        }
        self.origins = (self.origins.into_iter())
            .flat_map(|origins| {
                let left = origins.unit.without(devices);
                left.into_iter().map(move |unit| Origins { unit, ..origins.clone() })
            })
            .collect();
        self.following = (self.following.into_iter())
            .flat_map(|following| {
                let left = following.unit.without(devices);
                left.into_iter().map(move |unit| Following { unit, ..following.clone() })
            })
            .collect();
        self
    }

    /// Whether the rule (any member of it) is active.
    #[must_use]
    pub fn is_active(&self, rule: crate::ir::RuleId) -> bool {
        self.active.iter().any(|instance| instance.rule == rule)
    }

    /// The effects that a higher class overrides, on any unit, in source order.
    #[must_use]
    pub fn overridden(&self) -> Vec<EffectRef> {
        let is = |status: &Status| matches!(status, Status::Overridden { .. });
        let units = self.outcomes.iter().filter(|outcome| is(&outcome.status)).map(|outcome| outcome.effect);
        let totals = self.totals.iter().filter(|total| is(&total.status)).map(|total| total.effect);
        let origins = self.displaced.iter().map(|(effect, ..)| *effect);
        let mut all: Vec<EffectRef> = units.chain(totals).chain(origins).collect();
        all.sort_unstable();
        all.dedup();
        all
    }

    /// Whether two or more effects cannot hold together somewhere.
    #[must_use]
    pub fn contradicts(&self) -> bool {
        self.conflicts.iter().any(|conflict| conflict.clash != Clash::BeyondDevice)
    }

    /// The bounds on totals that are in force.
    pub fn totals_in_force(&self) -> impl Iterator<Item = &Total> {
        self.totals.iter().filter(|total| total.status == Status::InForce)
    }

    /// The effects in force on a device that bind a mean rather than the instant.
    pub fn means(&self, device: Device) -> impl Iterator<Item = &Outcome> {
        self.outcomes.iter().filter(move |outcome| {
            outcome.averaged_s.is_some() && outcome.status == Status::InForce && outcome.unit.contains(device)
        })
    }
}
