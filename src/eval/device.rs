//! What a device, store or zone may do: a product of small sets, closed under the device law
//! (semantics.md 9-11).

use std::collections::BTreeMap;

use super::interval::IntervalSet;
use crate::ir::{Attr, Device, Family, Model, Site, ZoneId};
use crate::quantity::Rat;

/// A set of truth values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BoolSet {
    /// `false` is allowed.
    pub no: bool,
    /// `true` is allowed.
    pub yes: bool,
}

impl BoolSet {
    /// Both.
    pub const ANY: Self = Self { no: true, yes: true };

    /// One.
    #[must_use]
    pub const fn just(value: bool) -> Self {
        Self { no: !value, yes: value }
    }

    /// What is in both sets.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self { no: self.no && other.no, yes: self.yes && other.yes }
    }

    /// Whether nothing is left.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        !self.no && !self.yes
    }

    /// The value, where only one is left.
    #[must_use]
    pub const fn decided(self) -> Option<bool> {
        match (self.no, self.yes) {
            (true, false) => Some(false),
            (false, true) => Some(true),
            _ => None,
        }
    }

    /// Whether every value is in `other`.
    #[must_use]
    pub const fn is_subset(self, other: Self) -> bool {
        (!self.no || other.no) && (!self.yes || other.yes)
    }
}

/// Which law ties the parts of a [`DeviceSet`] together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Law {
    /// One power. With `gap`, on means above the gap at zero.
    OneWay {
        /// Zero is apart from the rest of the physical range.
        gap: bool,
    },
    /// Two directions of which one is zero: `(positive, negative)` of the signed power.
    TwoWay {
        /// Export and import rather than charge and discharge.
        grid: bool,
    },
    /// A zone: temperature and setpoint.
    Zone,
    /// No power of its own.
    Passive,
}

/// What an effect asks of one device, store or zone, with its bounds evaluated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Demand {
    /// The attribute lies in a closed interval; `None` is unbounded.
    Bound {
        /// Attribute.
        attr: Attr,
        /// Least.
        lo: Option<Rat>,
        /// Greatest.
        hi: Option<Rat>,
    },
    /// The attribute is in a set.
    Choice {
        /// Attribute.
        attr: Attr,
        /// The set.
        set: IntervalSet,
    },
    /// On or off.
    Switch(bool),
    /// Connected or not.
    Connect(bool),
}

/// What a device, store or zone may do: every combination of its parts that obeys the device law.
///
/// The law joins the parts: not connected => off; off => every power 0; a power above 0 => on;
/// one direction of a store or grid above 0 => the other 0; on => the part above the gap, where
/// the physical range has a gap at zero. [`close`](Self::close) narrows each part to the values
/// that occur in some such combination, so that the whole is empty iff a part is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceSet {
    /// Connected to its port.
    pub connected: BoolSet,
    /// Switched on.
    pub on: BoolSet,
    /// Numeric attributes: `power`, or `charge` and `discharge` and `charge_level`, or `import` and
    /// `export`, or a zone's `temperature` and `setpoint`, and every other attribute that an effect
    /// has named.
    pub numbers: BTreeMap<Attr, IntervalSet>,
    /// How they hang together.
    pub law: Law,
}

/// Stands for no bound where an attribute has no declared range.
fn unbounded() -> IntervalSet {
    IntervalSet::between(Rat::int(-1_000_000_000_000), Rat::int(1_000_000_000_000))
}

impl DeviceSet {
    /// The two directions of a store or grid: positive and negative part of its signed power.
    #[must_use]
    pub const fn directions(&self) -> Option<(Attr, Attr)> {
        match self.law {
            Law::TwoWay { grid: false } => Some((Attr::Discharge, Attr::Charge)),
            Law::TwoWay { grid: true } => Some((Attr::Import, Attr::Export)),
            _ => None,
        }
    }

    /// The values of an attribute; signed power of a store or grid as its hull.
    #[must_use]
    pub fn number(&self, attr: &Attr) -> Option<IntervalSet> {
        match self.numbers.get(attr) {
            Some(set) => Some(set.clone()),
            None => self.hull(attr).map(|(lo, hi)| IntervalSet::between(lo, hi)),
        }
    }

    /// Least and greatest value of an attribute. A store's power is discharge - charge, a grid's
    /// import - export, of which one is zero. `None` where the device has no such attribute or
    /// nothing is left.
    #[must_use]
    pub fn hull(&self, attr: &Attr) -> Option<(Rat, Rat)> {
        if let Some(set) = self.numbers.get(attr) {
            return set.hull();
        }
        if *attr != Attr::Power {
            return None;
        }
        let (positive, negative) = self.directions()?;
        let (positive, negative) = (self.numbers.get(&positive)?, self.numbers.get(&negative)?);
        let ahead = if negative.contains(&Rat::ZERO) { positive.hull() } else { None };
        let back = if positive.contains(&Rat::ZERO) { negative.hull() } else { None };
        match (ahead, back.map(|(lo, hi)| (-hi, -lo))) {
            (Some(a), Some(b)) => Some((Rat::min_of(&a.0, &b.0), Rat::max_of(&a.1, &b.1))),
            (a, b) => a.or(b),
        }
    }

    /// Whether nothing is left: one of its parts is empty. Meaningful once closed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.connected.is_empty() || self.on.is_empty() || self.numbers.values().any(IntervalSet::is_empty)
    }

    /// Whether each part lies inside the other's; what is empty lies inside everything.
    #[must_use]
    pub fn is_subset(&self, other: &Self) -> bool {
        if self.is_empty() {
            return true;
        }
        self.connected.is_subset(other.connected)
            && self.on.is_subset(other.on)
            && other
                .numbers
                .iter()
                .all(|(attr, set)| self.numbers.get(attr).is_some_and(|s| s.is_subset(set)))
    }

    /// Whether it must take or give power.
    #[must_use]
    pub fn is_forced(&self) -> bool {
        let flows = [Attr::Power, Attr::Charge, Attr::Discharge, Attr::Import, Attr::Export];
        flows.iter().any(|attr| self.numbers.get(attr).is_some_and(IntervalSet::is_positive))
    }

    /// Keeps what the demand allows; call [`close`](Self::close) afterwards.
    pub fn narrow(&mut self, demand: &Demand) {
        match demand {
            Demand::Switch(on) => self.on = self.on.and(BoolSet::just(*on)),
            Demand::Connect(connected) => self.connected = self.connected.and(BoolSet::just(*connected)),
            Demand::Bound { attr, lo, hi } => self.clip(attr, lo.as_ref(), hi.as_ref()),
            Demand::Choice { attr, set } => self.choose(attr, set),
        }
        // a temperature that is held binds the setpoint too (semantics.md 9)
        if let (Law::Zone, Demand::Bound { attr: Attr::Temperature, lo, hi }) = (self.law, demand) {
            self.clip(&Attr::Setpoint, lo.as_ref(), hi.as_ref());
        }
        if let (Law::Zone, Demand::Choice { attr: Attr::Temperature, set }) = (self.law, demand) {
            self.choose(&Attr::Setpoint, set);
        }
    }

    fn clip(&mut self, attr: &Attr, lo: Option<&Rat>, hi: Option<&Rat>) {
        if let (Attr::Power, Some((positive, negative))) = (attr, self.directions()) {
            // signed: v = positive - negative, of which one is zero
            let above = |bound: &Rat| Rat::max_of(bound, &Rat::ZERO);
            let below = |bound: &Rat| Rat::max_of(&-bound, &Rat::ZERO);
            self.clip(&positive, lo.map(above).as_ref(), hi.map(above).as_ref());
            self.clip(&negative, hi.map(below).as_ref(), lo.map(below).as_ref());
            return;
        }
        if let Some(truth) = self.truth_of(attr) {
            let holds = |value: Rat| lo.is_none_or(|lo| *lo <= value) && hi.is_none_or(|hi| value <= *hi);
            *truth = truth.and(BoolSet { no: holds(Rat::ZERO), yes: holds(Rat::ONE) });
            return;
        }
        self.numbers.entry(attr.clone()).or_insert_with(unbounded).clip(lo, hi);
    }

    fn choose(&mut self, attr: &Attr, set: &IntervalSet) {
        if let (Attr::Power, Some((positive, negative))) = (attr, self.directions()) {
            let part = |sign: &Rat| {
                let pieces = set.pieces().iter().map(|(lo, hi)| {
                    let (a, b) = (lo * sign, hi * sign);
                    let (lo, hi) = (Rat::min_of(&a, &b), Rat::max_of(&a, &b));
                    (Rat::max_of(&lo, &Rat::ZERO), Rat::max_of(&hi, &Rat::ZERO))
                });
                IntervalSet::new(pieces.collect())
            };
            self.choose(&positive, &part(&Rat::ONE));
            self.choose(&negative, &part(&Rat::int(-1)));
            return;
        }
        if let Some(truth) = self.truth_of(attr) {
            *truth = truth.and(BoolSet { no: set.contains(&Rat::ZERO), yes: set.contains(&Rat::ONE) });
            return;
        }
        let numbers = self.numbers.entry(attr.clone()).or_insert_with(unbounded);
        *numbers = numbers.intersection(set);
    }

    fn truth_of(&mut self, attr: &Attr) -> Option<&mut BoolSet> {
        match attr {
            Attr::On => Some(&mut self.on),
            Attr::Connected => Some(&mut self.connected),
            _ => None,
        }
    }

    /// Applies the device law until nothing changes. Idempotent and monotone; at most four rounds,
    /// since each rule only ever passes on what another part has become.
    pub fn close(&mut self) {
        loop {
            let before = (self.connected, self.on);
            if self.connected.decided() == Some(false) {
                self.on = self.on.and(BoolSet::just(false));
            }
            match self.law {
                Law::OneWay { gap } => self.close_power(gap),
                Law::TwoWay { .. } => self.close_directions(),
                Law::Zone | Law::Passive => {}
            }
            if self.on.decided() == Some(true) {
                self.connected = self.connected.and(BoolSet::just(true));
            }
            if before == (self.connected, self.on) {
                return;
            }
        }
    }

    fn close_power(&mut self, gap: bool) {
        let Some(power) = self.numbers.get_mut(&Attr::Power) else { return };
        match self.on.decided() {
            Some(false) => power.clip(Some(&Rat::ZERO), Some(&Rat::ZERO)),
            Some(true) if gap => power.drop_isolated_zero(),
            _ => {}
        }
        if power.is_positive() {
            self.on = self.on.and(BoolSet::just(true));
        } else if gap && power.is_zero() {
            self.on = self.on.and(BoolSet::just(false));
        }
    }

    fn close_directions(&mut self) {
        let Some((a, b)) = self.directions() else { return };
        let forced = |set: &Self, attr: &Attr| set.numbers.get(attr).is_some_and(IntervalSet::is_positive);
        let off = self.on.decided() == Some(false);
        let (a_forced, b_forced) = (forced(self, &a), forced(self, &b));
        for (attr, zero) in [(&a, off || b_forced), (&b, off || a_forced)] {
            if zero && let Some(set) = self.numbers.get_mut(attr) {
                set.clip(Some(&Rat::ZERO), Some(&Rat::ZERO));
            }
        }
        if a_forced || b_forced {
            self.on = self.on.and(BoolSet::just(true));
        }
    }
}

/// What a device can do by its declaration and profile, before any rule; no rule widens it.
///
/// A range that does not hold zero is what the device takes while it is on; off and disconnected
/// devices take zero all the same. `None`: no such device.
#[must_use]
pub fn physical(site: &Site, device: Device) -> Option<DeviceSet> {
    let family = site.family(device.family)?;
    (1..=family.len()).contains(&device.index).then(|| physical_family(family))
}

/// As [`physical`], for any member of a family.
#[must_use]
pub fn physical_family(family: &Family) -> DeviceSet {
    let mut numbers = BTreeMap::new();
    let mut range = |attr: Attr, otherwise: &dyn Fn() -> IntervalSet| {
        let declared = family.ranges.get(&attr).filter(|pieces| !pieces.is_empty());
        let set = declared.map_or_else(otherwise, |pieces| IntervalSet::new(pieces.clone()));
        numbers.insert(attr, set);
    };
    let upto = |most: &Rat| IntervalSet::between(Rat::ZERO, most.clone());
    match &family.model {
        Model::Grid { import, export, .. } => {
            range(Attr::Import, &|| upto(import));
            range(Attr::Export, &|| upto(export));
        }
        Model::Store(store) => {
            range(Attr::Charge, &|| upto(&store.charge));
            range(Attr::Discharge, &|| upto(&store.discharge));
            let levels = IntervalSet::between(store.level_min.clone(), store.level_max.clone());
            range(Attr::ChargeLevel, &|| levels.clone());
        }
        Model::Renewable { rated, .. } => range(Attr::Power, &|| upto(rated)),
        Model::Generator { rated, minimum, .. } => range(Attr::Power, &|| {
            IntervalSet::new(vec![(Rat::ZERO, Rat::ZERO), (minimum.clone(), rated.clone())])
        }),
        Model::Consumer(_) => range(Attr::Power, &|| {
            let mut set = unbounded();
            set.clip(Some(&Rat::ZERO), None);
            set
        }),
        Model::Control { .. } | Model::Slot { .. } => {
            for attr in family.ranges.keys() {
                range(attr.clone(), &unbounded);
            }
        }
    }
    for (attr, pieces) in &family.ranges {
        numbers.entry(attr.clone()).or_insert_with(|| IntervalSet::new(pieces.clone()));
    }
    let law = if numbers.contains_key(&Attr::Import) && numbers.contains_key(&Attr::Export) {
        Law::TwoWay { grid: true }
    } else if numbers.contains_key(&Attr::Charge) && numbers.contains_key(&Attr::Discharge) {
        Law::TwoWay { grid: false }
    } else if let Some(power) = numbers.get_mut(&Attr::Power) {
        if !power.contains(&Rat::ZERO) {
            let mut pieces = power.pieces().to_vec();
            pieces.push((Rat::ZERO, Rat::ZERO));
            *power = IntervalSet::new(pieces);
        }
        let first = power.pieces().first();
        let apart = first.is_some_and(|(lo, hi)| lo.is_zero() && hi.is_zero());
        Law::OneWay { gap: apart && power.pieces().len() > 1 }
    } else {
        Law::Passive
    };
    DeviceSet { connected: BoolSet::ANY, on: BoolSet::ANY, numbers, law }
}

/// What a zone can be by its declaration: temperature and setpoint in its physical range.
#[must_use]
pub fn physical_zone(site: &Site, zone: ZoneId) -> Option<DeviceSet> {
    let (lo, hi) = site.zone(zone)?.range.clone();
    let range = IntervalSet::between(lo, hi);
    let numbers = BTreeMap::from([(Attr::Temperature, range.clone()), (Attr::Setpoint, range)]);
    Some(DeviceSet { connected: BoolSet::ANY, on: BoolSet::ANY, numbers, law: Law::Zone })
}
