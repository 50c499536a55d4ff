//! The plan document: the chosen allocation with its reasons (planner.md, "The documents").
//!
//! Values are in the unit that their series names. *Given* values are exact. A *derived* value is the
//! exact one rounded to [`PLACES`] decimals, halves away from zero; the exact one follows from the
//! bundle, the state, the given values and the commands, which all stand here or are named by hash.

use serde::{Deserialize, Serialize};

use super::canon::{Document, Hash};
use super::state::State;
use crate::calendar::Instant;
use crate::ir::{Attr, CivilDate, Control, Statement};
use crate::quantity::Rat;

/// Decimals of derived values.
pub const PLACES: u32 = 9;

/// A plan. JSON by `docs/schema/plan.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlanDocument {
    /// [`Document::SCHEMA`].
    pub schema: String,
    /// Name and version of the evl that made it.
    pub tool: String,
    /// The site's name.
    pub site: String,
    /// The time zone whose clock its people read.
    pub timezone: String,
    /// First and last civil day on which its policy is valid.
    pub valid: (CivilDate, CivilDate),
    /// Id of the bundle that it obeys.
    pub bundle: Hash,
    /// Everything else that it was made from.
    pub inputs: Vec<InputHash>,
    /// First instant of the first step: what was known then is what the plan knows.
    pub from: Instant,
    /// Accepted by no host from here on; the horizon's end unless told otherwise.
    pub expires: Instant,
    /// One more than the state's last; a host accepts only higher ones than it has accepted.
    pub sequence: u64,
    /// Id of the plan in force when it was made.
    pub follows: Option<Hash>,
    /// What must be found in the field before anything is written.
    pub expect: Vec<Expectation>,
    /// Steps in order, each beginning where the last one ends.
    pub steps: Vec<Step>,
    /// What is commanded.
    pub commands: Vec<CommandSeries>,
    /// What is commanded to sets of equal devices.
    pub groups: Vec<GroupSeries>,
    /// Who keeps which meter at what, in the steps in which somebody does.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub following: Vec<FollowingSeries>,
    /// What was known of the site when it was made.
    pub state: State,
    /// Inputs as they count in each step: exact means, and readings at its beginning.
    pub given: Vec<Series>,
    /// Vehicles that come and go.
    pub sessions: Vec<Session>,
    /// What follows from commands and inputs by exact simulation.
    pub derived: Vec<Series>,
    /// Who feeds whom: attribution (planner.md 21).
    pub flows: Vec<Flow>,
    /// What it costs.
    pub money: Money,
    /// What decided the values.
    pub reasons: Vec<Reason>,
    /// Values taken for granted where no feed gives them; the plan is made again when one ceases to
    /// hold.
    pub presumes: Vec<Presumption>,
    /// What else was assumed, in words (a default end of a store and its price).
    pub assumptions: Vec<String>,
    /// Effects that a higher class left no room for.
    pub overrides: Vec<Override>,
    /// Obligations and limits that are not met in full.
    pub breaches: Vec<Breach>,
    /// Obligations that ask nothing in this plan, with the reason (no session).
    pub void: Vec<Void>,
    /// How good it is.
    pub status: Status,
    /// Distance to the best bound.
    pub gap: Gap,
    /// Same inputs and release give the same bytes; false where a clock limited the search.
    pub reproducible: bool,
    /// Made to look at, never applied (horizons above 7 days).
    pub study: bool,
    /// Hash of the canonical bytes with this left empty.
    pub id: Hash,
}

impl Document for PlanDocument {
    const WHAT: &'static str = "plan";
    const SCHEMA: &'static str = "evl.plan/1";
    const MADE_BY: &'static str = "evl plan SITE --from T -o plan.json";

    fn schema(&self) -> &str {
        &self.schema
    }

    fn id(&self) -> &Hash {
        &self.id
    }

    fn id_mut(&mut self) -> &mut Hash {
        &mut self.id
    }
}

impl PlanDocument {
    /// End of the last step; the beginning where there is none.
    #[must_use]
    pub fn until(&self) -> Instant {
        self.steps.last().map_or(self.from, |step| step.end)
    }

    /// The step that contains an instant.
    #[must_use]
    pub fn step_at(&self, at: Instant) -> Option<usize> {
        let after = self.steps.partition_point(|step| step.start <= at);
        let index = after.checked_sub(1)?;
        self.steps.get(index).filter(|step| at < step.end).map(|_| index)
    }

    /// The command series of an attribute of a device.
    #[must_use]
    pub fn command(&self, device: &str, attr: &Attr) -> Option<&CommandSeries> {
        self.commands.iter().find(|series| series.device == device && series.attr == *attr)
    }
}

/// A file from which a plan was made.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InputHash {
    /// What it is to the plan: `feed weather`, `state`.
    pub name: String,
    /// Its path as the policy or the command line gave it.
    pub path: String,
    /// Hash of its bytes.
    pub sha256: Hash,
}

/// One step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// First instant.
    pub start: Instant,
    /// First instant after it.
    pub end: Instant,
}

impl Step {
    /// Length, s.
    #[must_use]
    pub const fn seconds(self) -> i64 {
        self.end.since(self.start)
    }

    /// Length, h.
    #[must_use]
    pub fn hours(self) -> Rat {
        Rat::ratio(i128::from(self.seconds()), 3600).unwrap_or_default()
    }
}

/// What must be found in the field; never measured or self-changing values.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expectation {
    /// The device.
    pub device: String,
    /// Profile by which it is spoken to.
    pub profile: Option<String>,
    /// Hash of that profile.
    pub profile_hash: Option<Hash>,
    /// How sure one can be who it is: `none` for profiles without identity.
    pub identity: String,
    /// Who commands it.
    pub control: Control,
    /// Level of a store at the beginning.
    pub level: Option<ExpectedLevel>,
}

/// A store's level with its tolerance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExpectedLevel {
    /// kWh.
    pub level: Rat,
    /// kWh, either way.
    pub tolerance: Rat,
}

/// What a commanded value means to the device (planner.md 2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CommandForm {
    /// Exactly this.
    Fixed,
    /// No more than this.
    AtMost,
    /// No less than this.
    AtLeast,
}

/// The commands of one attribute of one device: one a step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CommandSeries {
    /// The device, or the zone of a setpoint.
    pub device: String,
    /// `power`, `charge`, `discharge`, `on`, `connected`, `setpoint`.
    pub attr: Attr,
    /// What the values mean to the device.
    pub form: CommandForm,
    /// `kW`, `degC`; empty for `on` and `connected` (1 is on).
    pub unit: String,
    /// One step of the register, in this unit.
    pub step: Rat,
    /// Whole register steps, one a plan step; the value is `step` times this.
    pub counts: Vec<i64>,
}

impl CommandSeries {
    /// The commanded value in the series' unit.
    #[must_use]
    pub fn value(&self, step: usize) -> Option<Rat> {
        Some(&self.step * &Rat::int(*self.counts.get(step)?))
    }
}

/// A device that keeps the meter of a grid at a target, in some steps. There its power follows from all
/// the rest, and its [`CommandSeries`] are the most that it may take and give meanwhile.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FollowingSeries {
    /// Who follows.
    pub device: String,
    /// Whose meter.
    pub grid: String,
    /// `kW`.
    pub unit: String,
    /// One step of the register, in this unit.
    pub step: Rat,
    /// Import less export at the meter in whole register steps, one a plan step; `null` where the device
    /// does not follow and its commands mean what their form says.
    pub targets: Vec<Option<i64>>,
}

impl FollowingSeries {
    /// Import less export at the meter in a step, kW; `None` where the device does not follow.
    #[must_use]
    pub fn target(&self, step: usize) -> Option<Rat> {
        let count = self.targets.get(step).copied().flatten()?;
        Some(&self.step * &Rat::int(count))
    }
}

/// How a total is dealt to the members of a set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Split {
    /// The first `running` members run. The total's register steps are dealt to them evenly; what
    /// remains goes one each to the first of them. The others stand at 0.
    First,
}

/// The commands of one attribute of a set of devices that are equal in everything (planner.md 22).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GroupSeries {
    /// Name of the declaration: `charger`.
    pub family: String,
    /// First and last member, both included, 1-based.
    pub members: Vec<(u32, u32)>,
    /// As in [`CommandSeries`].
    pub attr: Attr,
    /// As in [`CommandSeries`].
    pub form: CommandForm,
    /// As in [`CommandSeries`].
    pub unit: String,
    /// As in [`CommandSeries`].
    pub step: Rat,
    /// Members that run in each plan step.
    pub running: Vec<u32>,
    /// Sum over the members in register steps, one a plan step.
    pub totals: Vec<i64>,
    /// How the total is dealt out.
    pub split: Split,
}

impl GroupSeries {
    /// Number of members.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.members.iter().map(|(first, last)| u64::from(last.saturating_sub(*first)) + 1).sum()
    }

    /// Whether it has none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// The register steps of the member at this place (from 0) in a plan step.
    #[must_use]
    pub fn count(&self, place: u64, step: usize) -> Option<i64> {
        let (running, total) = (i64::from(*self.running.get(step)?), *self.totals.get(step)?);
        let place = i64::try_from(place).ok()?;
        if running == 0 || place >= running {
            return Some(0);
        }
        let each = total.div_euclid(running);
        Some(each + i64::from(place < total.rem_euclid(running)))
    }
}

/// A value a step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Series {
    /// The device, link, zone or signal.
    pub of: String,
    /// Which quantity of it.
    pub quantity: Quantity,
    /// Unit of the values.
    pub unit: String,
    /// One a step: means over the step; levels and temperatures at its end.
    pub values: Vec<Rat>,
}

/// Quantities of series.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Quantity {
    /// Mean of a signal over the step.
    Mean,
    /// A signal at the step's beginning, as guards and bounds read it; 1 is true, a word is its place
    /// in the signal's list.
    Reading,
    /// Whether the reading is known, 0 or 1; left out where it always is.
    Known,
    /// Power taken or given at the terminal, kW.
    Power,
    /// Power that a producer could give, kW.
    Available,
    /// Import at the meter, kW.
    Import,
    /// Export at the meter, kW.
    Export,
    /// Charging power at the terminal, kW.
    Charge,
    /// Discharging power at the terminal, kW.
    Discharge,
    /// Content of a store at the step's end, kWh.
    Level,
    /// Temperature of a zone at the step's end, degC.
    Temperature,
    /// Sent over a link from its first to its second bus, at the sending end, kW.
    Sent,
    /// Sent over a link from its second to its first bus, at the sending end, kW.
    SentBack,
}

/// A vehicle's stay at a charger.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Session {
    /// The charger.
    pub device: String,
    /// First instant of presence.
    pub arrival: Instant,
    /// First instant of absence.
    pub departure: Instant,
    /// Energy wanted at the terminals by departure, kWh.
    pub energy: Rat,
    /// Greatest power that the vehicle takes, kW.
    pub power: Option<Rat>,
    /// Phases that it uses.
    pub phases: Option<u8>,
    /// Most that fits into it on arrival, kWh.
    pub room: Option<Rat>,
}

/// Power of one origin that reaches one taker, kW a step, at the taker's terminal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Flow {
    /// Producer, store or grid.
    pub from: String,
    /// Consumer, store or grid.
    pub to: String,
    /// One a step.
    pub values: Vec<Rat>,
}

/// Money by part, in the site's currency, exact unless said otherwise (planner.md 11-14).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Money {
    /// The site's currency.
    pub currency: String,
    /// Imported energy at its price.
    pub energy: Rat,
    /// Earned by export.
    pub export: Rat,
    /// Demand charges by charge and month.
    pub demand: Vec<DemandMoney>,
    /// Fixed charges, by the share of each period that the plan covers.
    pub fixed: Rat,
    /// Minimum bills of the months that end within the plan.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub minimum: Vec<MinimumMoney>,
    /// Fuel and starts of generators.
    pub fuel: Rat,
    /// Wear of stores and links.
    pub wear: Rat,
    /// Priced breaches: shed needs, preferences, an end level that is missed.
    pub breach: Rat,
    /// Worth of what is left in stores that declare one.
    pub end_value: Rat,
    /// `energy - export + demand on whole peaks + fixed + what minimum bills add`.
    pub bill: Rat,
    /// The bill less what no decision changes: less `fixed` and the demand already incurred.
    pub decided: Rat,
    /// What the same horizon costs with nobody deciding; `None` where it was not computed.
    pub unmanaged: Option<Rat>,
    /// What that is made of; `None` where it was not computed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unmanaged_parts: Option<Unmanaged>,
    /// `decided + fuel + wear + breach - end_value`.
    pub plan_cost: Rat,
    /// The same in the optimiser's own, unrounded solution, to 9 decimals; what known answers are
    /// compared with.
    pub model_cost: Option<Rat>,
    /// The same of the cheapest plan, where goals after money may spend a share of it: what `model_cost` was
    /// before they did. The planner's word.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub least_cost: Option<Rat>,
}

impl Money {
    /// The most that the plan may cost where goals after money may spend `within` of the least.
    #[must_use]
    pub fn allowed(&self, within: Option<&Rat>) -> Option<Rat> {
        let (within, least) = (within?, self.least_cost.as_ref()?);
        Some(least + &(within * &least.abs()))
    }

    /// How far the plan's cost lies above that.
    #[must_use]
    pub fn beyond(&self, within: Option<&Rat>) -> Rat {
        let beyond = self.allowed(within).map(|most| &self.plan_cost - &most);
        beyond.filter(Rat::is_positive).unwrap_or_default()
    }
}

/// The cost with nobody deciding, by part.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Unmanaged {
    /// Imported energy at its price.
    pub energy: Rat,
    /// Earned by export.
    pub export: Rat,
    /// Demand charges above what is paid anyway.
    pub demand: Vec<DemandMoney>,
    /// Minimum bills of the months that end within the plan.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub minimum: Vec<MinimumMoney>,
}

/// The minimum bill of one month.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MinimumMoney {
    /// The tariff.
    pub tariff: String,
    /// The month, `2026-07`.
    pub month: String,
    /// The least that its bill comes to.
    pub minimum: Rat,
    /// Energy less export from the month's beginning to the plan's: what the state says.
    pub before: Rat,
    /// What the whole month comes to without a minimum: energy, demand and fixed charges, less export.
    pub bill: Rat,
    /// `max(0, minimum - bill)`.
    pub added: Rat,
}

impl Unmanaged {
    /// The sum of the parts.
    #[must_use]
    pub fn cost(&self) -> Rat {
        let demand: Rat = self.demand.iter().map(|charge| &charge.decided).sum();
        let minimum: Rat = self.minimum.iter().map(|month| &month.added).sum();
        &(&self.energy - &self.export) + &(&demand + &minimum)
    }
}

/// One demand charge in one month.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DemandMoney {
    /// The tariff.
    pub tariff: String,
    /// The charge's name in the tariff.
    pub charge: String,
    /// The month, `2026-07`.
    pub month: String,
    /// Peak known before the plan, kW: metered so far, or expected anyway.
    pub known: Rat,
    /// Greatest interval mean of the plan, kW.
    pub peak: Rat,
    /// Currency/kW.
    pub price: Rat,
    /// `price x max(0, peak - known)`.
    pub decided: Rat,
    /// `price x known`: what no decision changes.
    pub incurred: Rat,
}

/// What decided a run of values.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reason {
    /// The device or zone.
    pub device: String,
    /// The attribute.
    pub attr: Attr,
    /// First step.
    pub first: u32,
    /// Last step, included.
    pub last: u32,
    /// Statements that decided; none where only money did.
    pub statements: Vec<StatementRef>,
    /// In words.
    pub text: String,
}

/// A statement of the policy, with its place.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StatementRef {
    /// Which.
    pub statement: Statement,
    /// Name of the rule, budget, zone, device, bus, link or tariff.
    pub name: String,
    /// As written.
    pub text: String,
    /// `rules/comfort.evl:12:3`; line 0 where the bundle, of an earlier evl, does not say.
    pub at: String,
}

/// A value taken for granted.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Presumption {
    /// The signal, an array's member with its index.
    pub signal: String,
    /// In the first step; as [`State`](crate::inputs::State) writes it.
    pub first: String,
    /// In all later ones.
    pub then: String,
}

/// An effect that a higher class left no room for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Override {
    /// The effect.
    pub statement: StatementRef,
    /// Its class.
    pub class: String,
    /// What stood in its way; empty where it is no statement by itself but the plan as a whole, with all that
    /// is owed in its class and above, that leaves it no room.
    pub by: Vec<StatementRef>,
    /// The device, zone or group.
    pub of: String,
    /// First step.
    pub first: u32,
    /// Last step, included.
    pub last: u32,
}

impl Override {
    /// In words what leaves it no room where that is no statement by itself; `None` where `by` names them.
    #[must_use]
    pub fn by_the_whole(&self) -> Option<String> {
        let class = &self.class;
        self.by.is_empty().then(|| {
            format!("no single statement, but what is owed in class `{class}` and above, together, with what the devices can do")
        })
    }
}

/// A statement that is not met in full.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Breach {
    /// The statement.
    pub statement: StatementRef,
    /// Its class; empty where a need may be shed at a price.
    pub class: String,
    /// The device, zone or group.
    pub of: String,
    /// First step.
    pub first: u32,
    /// Last step, included.
    pub last: u32,
    /// By how much, summed over these steps: the distance to what is asked, measured by the verifier,
    /// to 9 decimals.
    pub amount: Rat,
    /// `kWh` for powers and energy, `K h` for temperatures, `h` for runs and for shares of a level,
    /// `kg` or the currency for budgets.
    pub unit: String,
    /// What it costs, where it is priced.
    pub money: Option<Rat>,
}

/// An obligation that asks nothing here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Void {
    /// The obligation.
    pub statement: StatementRef,
    /// The device.
    pub device: String,
    /// Why.
    pub because: String,
}

/// How good a plan is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Within the target gap of the best.
    Optimal,
    /// Verified, with a larger gap.
    Feasible,
}

/// Distance to the best bound.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Gap {
    /// Currency.
    pub money: Rat,
    /// As a share of `energy`, the gross import cost, to 9 decimals; 0 where that is 0.
    pub ratio: Rat,
}

impl Gap {
    /// A gap in currency beside the money of its plan.
    #[must_use]
    pub fn of(money: Rat, sums: &Money) -> Self {
        let ratio = money.checked_div(&sums.energy.abs()).unwrap_or_default().rounded(PLACES);
        Self { money, ratio }
    }
}
