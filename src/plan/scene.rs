//! What is to be planned, in floats and by step: the site's declarations beside the inputs, the
//! state and the rules as they stand in each step. The constraint families read nothing else.

use std::collections::{BTreeMap, BTreeSet};

use super::forks::{Fork, When};
use super::form::{Atom, Indicator};
use super::steps::Step;
use crate::ir::{
    Attr, BudgetQuantity, ClassId, Device, FamilyId, SigRef, SignalId, Site, Statement, Steered, TariffId,
    ZoneId,
};

/// Who asks something, and how strongly.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Owner {
    /// The statement to be named.
    pub(super) statement: Statement,
    /// `None`: physics and ratings, hard for all.
    pub(super) class: Option<ClassId>,
}

/// A set of numbers: closed pieces, sorted, disjoint.
pub(super) type Pieces = Vec<(f64, f64)>;

/// A decided attribute.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum What {
    /// Of a device.
    Device(Device, Attr),
    /// Temperature of a zone at a step's end.
    Zone(ZoneId),
}

impl What {
    /// What follows from all that was before, and not from one step alone.
    pub(super) fn is_state(&self) -> bool {
        matches!(self, Self::Zone(_) | Self::Device(_, Attr::ChargeLevel))
    }
}

/// One effect's interval on one attribute in one step.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Ask {
    /// Whose.
    pub(super) owner: Owner,
    /// Of what.
    pub(super) what: What,
    /// In which step.
    pub(super) step: usize,
    /// Least.
    pub(super) lo: f64,
    /// Greatest.
    pub(super) hi: f64,
    /// Width of the physical range, by which a breach is measured.
    pub(super) width: f64,
    /// Of a choice: the values between `lo` and `hi` that it allows; empty: all.
    pub(super) pieces: Pieces,
    /// A preference: never hard.
    pub(super) preference: bool,
    /// Currency per unit and hour of breach of a priced preference.
    pub(super) price: Option<f64>,
    /// Asked only where the plan lets its guard hold.
    pub(super) when: Option<When>,
}

/// A bound on a weighted sum of powers over one window: a group's total, a mean over the clock.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Total {
    /// Whose.
    pub(super) owner: Owner,
    /// Place in [`Scene::groups`].
    pub(super) group: usize,
    /// Steps with the share of the window that each fills.
    pub(super) steps: Vec<(usize, f64)>,
    /// What the realised part of the window adds to the mean.
    pub(super) known: f64,
    /// Least.
    pub(super) lo: f64,
    /// Greatest.
    pub(super) hi: f64,
    /// Width of the physical range of the sum.
    pub(super) width: f64,
    /// Length of the window, h.
    pub(super) hours: f64,
    /// A preference: never hard.
    pub(super) preference: bool,
    /// Currency per kW and hour of breach of a priced preference.
    pub(super) price: Option<f64>,
    /// Asked only where the plan lets its guard hold.
    pub(super) when: Option<When>,
}

/// A bound on a group's mean over one window, in whose steps it holds or not as the plan lets its guard.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Mean {
    /// Whose.
    pub(super) owner: Owner,
    /// Place in [`Scene::groups`].
    pub(super) group: usize,
    /// Its steps.
    pub(super) steps: Vec<MeanStep>,
    /// Width of the physical range of the sum.
    pub(super) width: f64,
    /// A preference, with its price in currency per kWh where it has one; `None`: owed.
    pub(super) wish: Option<Option<f64>>,
}

/// A step of a mean's window.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct MeanStep {
    /// Which.
    pub(super) at: usize,
    /// h of the window that it fills.
    pub(super) hours: f64,
    /// Least.
    pub(super) lo: f64,
    /// Greatest.
    pub(super) hi: f64,
    /// When they hold; `None`: always.
    pub(super) when: Option<When>,
}

/// What an obligation asks.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum DueKind {
    /// This much energy at the terminals is still owed, kWh.
    Deliver(f64),
    /// It still has to run for this long, h.
    Run {
        /// h still owed.
        hours: f64,
        /// In one piece.
        uninterrupted: bool,
        /// It is running now as part of this piece.
        begun: bool,
    },
}

/// One obligation in one window.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Due {
    /// Whose.
    pub(super) owner: Owner,
    /// On which device.
    pub(super) device: Device,
    /// What.
    pub(super) kind: DueKind,
    /// Steps that lie in the window.
    pub(super) steps: std::ops::Range<usize>,
    /// h of the window that lie beyond the horizon.
    pub(super) beyond: f64,
    /// What the whole window asks, by which a missing share is measured.
    pub(super) whole: f64,
    /// A preference, with its price in currency per missing kWh where it has one; `None`: owed.
    pub(super) wish: Option<Option<f64>>,
    /// The condition under which it is owed, where the plan decides that.
    pub(super) when: Option<usize>,
}

/// What stays of vehicles are too short for.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Short {
    /// Whose.
    pub(super) owner: Owner,
    /// kWh.
    pub(super) missing: f64,
    /// kWh that are asked in all.
    pub(super) whole: f64,
}

/// A budget over the part of one of its periods that lies in the horizon.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Allowance {
    /// Whose.
    pub(super) owner: Owner,
    /// Which quantity.
    pub(super) quantity: BudgetQuantity,
    /// Whose quantity: place in [`Scene::groups`]; for import, export, emissions and cost the grids.
    pub(super) group: usize,
    /// Steps of the period.
    pub(super) steps: std::ops::Range<usize>,
    /// What is left of the cap.
    pub(super) left: f64,
    /// The cap.
    pub(super) cap: f64,
    /// The part of `left` that keeps pace with the period; `None` where the horizon reaches its end.
    pub(super) pace: Option<f64>,
}

impl Allowance {
    /// Whether nothing is left of it before anything is planned.
    pub(super) fn is_overdrawn(&self) -> bool {
        self.left < -1e-9
    }
}

/// What an obligation still asks after the plan, where its window is open then.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Open {
    /// Whose.
    pub(super) owner: Owner,
    /// On which device.
    pub(super) device: Device,
    /// What it asks from the plan's beginning on, kWh.
    pub(super) energy: f64,
    /// Steps that lie in the window.
    pub(super) steps: std::ops::Range<usize>,
    /// When the window closes.
    pub(super) closes: crate::calendar::Instant,
}

/// kWh of a window that is open at the plan's end, and its steps within the plan.
pub(super) type OpenWindow = (f64, std::ops::Range<usize>);

/// What one device certainly adds to a budget after the plan: the most that one statement asks.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Ahead {
    /// Place in [`Scene::allowances`].
    pub(super) allowance: usize,
    /// On which device.
    pub(super) device: Device,
    /// What the budget counts for each kWh.
    pub(super) factor: f64,
    /// By statement: kWh of windows after the plan; kWh of one that is open at its end, less what the
    /// plan gives in these steps.
    pub(super) by: Vec<(f64, Option<OpenWindow>)>,
}

/// A demand charge in one billing month.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct PeakCharge {
    /// Tariff.
    pub(super) tariff: TariffId,
    /// Place among the tariff's charges.
    pub(super) charge: usize,
    /// Place of its month among those that meet the plan.
    pub(super) month: usize,
    /// Meter.
    pub(super) grid: Device,
    /// Currency/kW.
    pub(super) price: f64,
    /// Peak that is paid anyway, kW.
    pub(super) known: f64,
    /// Intervals: steps with their share of the interval, and what the realised part adds to the mean.
    pub(super) intervals: Vec<(Vec<(usize, f64)>, f64)>,
}

/// The minimum bill of a month that ends within the plan.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct LeastBill {
    /// Tariff.
    pub(super) tariff: TariffId,
    /// Meter.
    pub(super) grid: Device,
    /// Least bill, currency.
    pub(super) least: f64,
    /// What the month comes to whatever is planned: energy so far, fixed charges, demand that is paid
    /// anyway.
    pub(super) before: f64,
    /// Steps of the month.
    pub(super) steps: std::ops::Range<usize>,
    /// Its demand charges, by place in [`Scene::charges`].
    pub(super) charges: Vec<usize>,
}

/// The stay of a vehicle.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Stay {
    /// Share of each step for which it is there, steps `from..`.
    pub(super) steps: std::ops::Range<usize>,
    /// Greatest power, kW.
    pub(super) power: f64,
    /// Room left in the vehicle, kWh at the terminals.
    pub(super) room: f64,
    /// Whether it charges on one phase alone.
    pub(super) one_phase: bool,
}

/// Prices by step, currency/kWh.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Prices {
    /// Of import.
    pub(super) import: Vec<f64>,
    /// Of export.
    pub(super) export: Vec<f64>,
}

/// Whether a device runs now, and for how long it has been so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Running {
    /// On.
    pub(super) on: bool,
    /// s since it last changed.
    pub(super) for_s: i64,
}

/// Origins allowed to a consumer in one step (semantics.md 18).
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Origins {
    /// Whose.
    pub(super) owner: Owner,
    /// On which device.
    pub(super) device: Device,
    /// In which step.
    pub(super) step: usize,
    /// Sources that may feed it, sorted.
    pub(super) from: Vec<Device>,
    /// A preference, with its price in currency per kWh from elsewhere where it has one; `None`: hard.
    pub(super) wish: Option<Option<f64>>,
    /// Asked only where the plan lets its guard hold.
    pub(super) when: Option<When>,
}

/// What is left of an attribute by step: the fork on which that depends, and the set by pattern.
pub(super) type Forked = BTreeMap<usize, (usize, Vec<Pieces>)>;

/// A comparison, and whether it holds.
pub(super) type Side = (Atom, bool);

/// A comparison that has to stay as it was settled.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Keep {
    /// Whose guard it is part of.
    pub(super) owner: Owner,
    /// What is compared.
    pub(super) atom: Atom,
    /// Whether it holds.
    pub(super) truth: bool,
    /// Least value of its sum.
    pub(super) lo: f64,
    /// Greatest value of its sum.
    pub(super) hi: f64,
    /// How far it stays from its threshold, as a multiple of what rounding moves it by.
    pub(super) margin: f64,
}

/// A step in which a device keeps a grid's meter at a target.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Follow {
    /// Who asks for it.
    pub(super) owner: Owner,
    /// Who follows.
    pub(super) device: Device,
    /// Whose meter.
    pub(super) grid: Device,
    /// When.
    pub(super) step: usize,
    /// Import less export at the meter, in register steps.
    pub(super) count: i64,
    /// The same in kW.
    pub(super) net: f64,
    /// What the device may at most have of each attribute meanwhile: register steps, and kW of each.
    pub(super) told: Vec<(Attr, i64, f64)>,
}

/// Everything the model is made from.
#[derive(Debug, Clone)]
pub(super) struct Scene<'a> {
    /// Declarations.
    pub(super) site: &'a Site,
    /// Steps.
    pub(super) steps: Vec<Step>,
    /// Their lengths, h.
    pub(super) hours: Vec<f64>,
    /// Step means of signals, canonical units.
    pub(super) series: BTreeMap<SigRef, Vec<f64>>,
    /// Prices by tariff.
    pub(super) prices: BTreeMap<TariffId, Prices>,
    /// Energy in each store now, kWh.
    pub(super) levels: BTreeMap<Device, f64>,
    /// Temperature of each zone now, K.
    pub(super) temperatures: BTreeMap<ZoneId, f64>,
    /// Devices with memory of being on.
    pub(super) running: BTreeMap<Device, Running>,
    /// Present power of devices that ramp, kW.
    pub(super) powers: BTreeMap<Device, f64>,
    /// Comfort by zone and step, with its owner.
    pub(super) bands: BTreeMap<ZoneId, Vec<Option<(f64, f64)>>>,
    /// The zones that a setpoint steers as things stand.
    pub(super) steered: Vec<Steered>,
    /// The least and the greatest setpoint that the rules leave a zone by step, K.
    pub(super) setpoints: BTreeMap<ZoneId, Vec<(f64, f64)>>,
    /// Where these rules are of the class of the zone's band or above.
    pub(super) firm: BTreeSet<(ZoneId, usize)>,
    /// What the rules leave of each attribute by step; absent: the physical range.
    pub(super) sets: BTreeMap<What, Vec<Pieces>>,
    /// Every effect by itself.
    pub(super) asks: Vec<Ask>,
    /// Sets of attributes that totals and budgets add up.
    pub(super) groups: Vec<Vec<(Device, Attr)>>,
    /// Totals and means.
    pub(super) totals: Vec<Total>,
    /// Means under guards that the plan decides.
    pub(super) means: Vec<Mean>,
    /// Obligations.
    pub(super) dues: Vec<Due>,
    /// What stays are too short for.
    pub(super) shorts: Vec<Short>,
    /// Budgets.
    pub(super) allowances: Vec<Allowance>,
    /// Obligations that go on after the plan.
    pub(super) open: Vec<Open>,
    /// What they add to budgets.
    pub(super) ahead: Vec<Ahead>,
    /// Demand charges.
    pub(super) charges: Vec<PeakCharge>,
    /// Minimum bills.
    pub(super) least_bills: Vec<LeastBill>,
    /// Vehicles; a charger that is here has power only during a stay.
    pub(super) stays: BTreeMap<Device, Vec<Stay>>,
    /// Restricted origins.
    pub(super) origins: Vec<Origins>,
    /// Who keeps a meter at a target.
    pub(super) follows: Vec<Follow>,
    /// Who may not follow after all, in which steps: where others did something else it would move too far.
    pub(super) barred: BTreeSet<(Device, usize)>,
    /// Devices that stay at this power, kW, because nothing asks anything of them.
    pub(super) resting: BTreeMap<Device, f64>,
    /// What `life_safety` devices do now, kW.
    pub(super) now: BTreeMap<Device, f64>,
    /// Devices that nobody commands, because the state excludes them.
    pub(super) excluded: BTreeSet<Device>,
    /// The commanded devices of each host, which all limits must bear at their fail-safe values.
    pub(super) hosts: Vec<Vec<crate::ir::FamilyId>>,
    /// By how much a statement's limit is tightened, in its own unit, so that it still holds after
    /// rounding to registers.
    pub(super) margins: BTreeMap<Statement, f64>,
    /// Conditions that the plan decides.
    pub(super) indicators: Vec<Indicator>,
    /// Rules that meet under such conditions.
    pub(super) forks: Vec<Fork>,
    /// What the rules leave where that depends on a fork.
    pub(super) forked: BTreeMap<What, Forked>,
    /// Comparisons of decided quantities that are settled.
    pub(super) keeps: Vec<Keep>,
    /// Comparisons that the search among the conditions finds on one side.
    pub(super) sides: Vec<Side>,
    /// How far comparisons that rounding may move stay from their threshold while the plan decides their
    /// side, as a multiple of what it moves them by.
    pub(super) open_margin: f64,
    /// Whether what is commanded is planned in whole register steps.
    pub(super) whole: bool,
}

impl<'a> Scene<'a> {
    /// A scene of declarations alone.
    pub(super) fn bare(site: &'a Site, steps: Vec<Step>) -> Self {
        let hours = steps.iter().map(super::steps::hours).collect();
        Self {
            site,
            steps,
            hours,
            series: BTreeMap::new(),
            prices: BTreeMap::new(),
            levels: BTreeMap::new(),
            temperatures: BTreeMap::new(),
            running: BTreeMap::new(),
            powers: BTreeMap::new(),
            bands: BTreeMap::new(),
            steered: Vec::new(),
            setpoints: BTreeMap::new(),
            firm: BTreeSet::new(),
            sets: BTreeMap::new(),
            asks: Vec::new(),
            groups: Vec::new(),
            totals: Vec::new(),
            means: Vec::new(),
            dues: Vec::new(),
            shorts: Vec::new(),
            allowances: Vec::new(),
            open: Vec::new(),
            ahead: Vec::new(),
            charges: Vec::new(),
            least_bills: Vec::new(),
            stays: BTreeMap::new(),
            origins: Vec::new(),
            follows: Vec::new(),
            barred: BTreeSet::new(),
            resting: BTreeMap::new(),
            now: BTreeMap::new(),
            excluded: BTreeSet::new(),
            hosts: Vec::new(),
            margins: BTreeMap::new(),
            indicators: Vec::new(),
            forks: Vec::new(),
            forked: BTreeMap::new(),
            keeps: Vec::new(),
            sides: Vec::new(),
            open_margin: 0.0,
            whole: false,
        }
    }

    /// Number of steps.
    pub(super) fn len(&self) -> usize {
        self.steps.len()
    }

    /// Whether the vehicle at a charger charges on one phase alone.
    pub(super) fn one_phase(&self, device: Device, t: usize) -> bool {
        let mut stays = self.stays.get(&device).into_iter().flatten();
        stays.any(|stay| stay.one_phase && stay.steps.contains(&t))
    }

    /// How many of a family's vehicles charge on one phase alone.
    pub(super) fn one_phases(&self, family: FamilyId, t: usize) -> u32 {
        let chargers = self.stays.keys().filter(|device| device.family == family);
        u32::try_from(chargers.filter(|device| self.one_phase(**device, t)).count()).unwrap_or(u32::MAX)
    }

    /// Length of step `t`, h.
    pub(super) fn hours(&self, t: usize) -> f64 {
        self.hours.get(t).copied().unwrap_or(0.0)
    }

    /// Mean of a signal over step `t`; of an array, the member's.
    pub(super) fn signal(&self, id: SignalId, member: u32, t: usize) -> f64 {
        let series =
            (self.series.get(&SigRef::Member(id, member))).or_else(|| self.series.get(&SigRef::Only(id)));
        series.and_then(|s| s.get(t)).copied().unwrap_or(0.0)
    }

    /// How much tighter a statement's limit is kept than it says.
    pub(super) fn margin(&self, statement: Statement) -> f64 {
        self.margins.get(&statement).copied().unwrap_or(0.0)
    }

    /// What the rules leave of a device's attribute in step `t`; the physical range where none speaks.
    pub(super) fn set(&self, device: Device, attr: &Attr, t: usize) -> Pieces {
        match self.sets.get(&What::Device(device, attr.clone())).and_then(|s| s.get(t)) {
            Some(pieces) => pieces.clone(),
            None => self.physical(device, attr),
        }
    }

    /// The physical range of an attribute.
    pub(super) fn physical(&self, device: Device, attr: &Attr) -> Pieces {
        (self.site.family(device.family))
            .and_then(|f| f.ranges.get(attr))
            .map(|pieces| pieces.iter().map(|(lo, hi)| (lo.to_f64(), hi.to_f64())).collect())
            .unwrap_or_default()
    }
}
