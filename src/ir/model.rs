//! What devices can do and cost, by their kind.

use serde::{Deserialize, Serialize};

use super::{ClassId, FeedId, SignalId, TariffId, ZoneId};
use crate::quantity::Rat;

/// What a device can do and costs, by its kind.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "is")]
pub enum Model {
    /// The utility.
    Grid {
        /// Greatest import, kW.
        import: Rat,
        /// Greatest export, kW.
        export: Rat,
        /// Tariff.
        tariff: Option<TariffId>,
        /// kg/kWh at the meter when imported: a constant ...
        carbon: Option<Rat>,
        /// ... or a feed.
        carbon_feed: Option<SignalId>,
    },
    /// PV, wind or hydro: what is available comes from a signal.
    Renewable {
        /// Rated power, kW.
        rated: Rat,
        /// Availability signal, kW.
        output: Option<SignalId>,
        /// Not curtailable.
        must_take: bool,
    },
    /// Fuel cell or generator.
    Generator {
        /// Rated power, kW.
        rated: Rat,
        /// Least power while running, kW.
        minimum: Rat,
        /// Fuel, currency/kWh.
        fuel_cost: Rat,
        /// Currency per start.
        start_cost: Rat,
        /// kW/h, up and down.
        ramp: Option<Rat>,
        /// s.
        min_up_s: i64,
        /// s.
        min_down_s: i64,
        /// kg/kWh.
        carbon: Rat,
        /// May balance an island.
        grid_forming: bool,
    },
    /// Battery.
    Store(Box<Store>),
    /// A consumer.
    Consumer(Box<Consumer>),
    /// A control device.
    Control {
        /// The zone it controls (a thermostat).
        zone: Option<ZoneId>,
    },
    /// A place for modules.
    Slot {
        /// Device functions accepted.
        accepts: Vec<String>,
    },
}

/// A battery (planner.md 3, 13).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Store {
    /// kWh.
    pub capacity: Rat,
    /// Greatest charging power at the terminal, kW.
    pub charge: Rat,
    /// Greatest discharging power at the terminal, kW.
    pub discharge: Rat,
    /// One-way efficiency terminal -> cell, in (0, 1].
    pub efficiency_charge: Rat,
    /// One-way efficiency cell -> terminal, in (0, 1].
    pub efficiency_discharge: Rat,
    /// Least level, ratio.
    pub level_min: Rat,
    /// Greatest level, ratio.
    pub level_max: Rat,
    /// Share lost per hour.
    pub self_discharge: Rat,
    /// Currency per kWh discharged at the terminal.
    pub wear: Rat,
    /// Currency per kWh charged at the terminal; usually zero.
    pub wear_charge: Rat,
    /// Level at the horizon's end.
    pub end: End,
    /// May balance an island.
    pub grid_forming: bool,
}

impl Store {
    /// A store without losses and wear, all of its level usable.
    #[must_use]
    pub fn new(capacity: Rat, charge: Rat, discharge: Rat) -> Self {
        Self {
            capacity,
            charge,
            discharge,
            efficiency_charge: Rat::ONE,
            efficiency_discharge: Rat::ONE,
            level_min: Rat::ZERO,
            level_max: Rat::ONE,
            self_discharge: Rat::ZERO,
            wear: Rat::ZERO,
            wear_charge: Rat::ZERO,
            end: End::Default,
            grid_forming: false,
        }
    }
}

/// What must be in a store at the horizon's end (planner.md 13).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum End {
    /// Default: at least the level at the start, elastic, priced.
    Default,
    /// Exactly this level.
    Exactly(Rat),
    /// Exactly the level at the start.
    ExactlyStart,
    /// At least this level.
    AtLeast(Rat),
    /// Each kWh left is worth this, currency/kWh.
    Worth(Rat),
    /// Nothing is asked.
    Free,
}

/// A consumer (planner.md 1).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Consumer {
    /// Need.
    pub need: Need,
    /// A need that may be shed: in this class ...
    pub shed_class: Option<ClassId>,
    /// ... or at this price, currency/kWh.
    pub shed_price: Option<Rat>,
    /// Heats this zone.
    pub heats: Option<ZoneId>,
    /// Cools this zone.
    pub cools: Option<ZoneId>,
    /// Thermal over electrical power, by outdoor temperature (K), piecewise linear; one row: constant.
    pub cop: Vec<(Rat, Rat)>,
    /// Greatest electrical power by outdoor temperature, likewise; empty: the range.
    pub capacity: Vec<(Rat, Rat)>,
    /// Only on at full power or off.
    pub on_off: bool,
    /// s.
    pub min_up_s: i64,
    /// s.
    pub min_down_s: i64,
    /// Vehicle sessions (EV chargers).
    pub sessions: Option<FeedId>,
    /// State outside plans, from profile or declaration.
    pub default_power: Option<Rat>,
}

impl Default for Consumer {
    /// A consumer that needs nothing.
    fn default() -> Self {
        Self {
            need: Need::None,
            shed_class: None,
            shed_price: None,
            heats: None,
            cools: None,
            cop: Vec::new(),
            capacity: Vec::new(),
            on_off: false,
            min_up_s: 0,
            min_down_s: 0,
            sessions: None,
            default_power: None,
        }
    }
}

/// What a consumer needs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Need {
    /// None declared: stays at its default state.
    None,
    /// Served exactly: power from a signal.
    Load(SignalId),
    /// Served: power from a signal.
    Needs(SignalId),
    /// A constant power that is served, kW.
    Constant(Rat),
}
