//! The state document: what is known of the site at one instant. `evl snapshot` writes it, people
//! may write it too; `docs/schema/state.json` describes it.

mod amounts;
mod check;
mod excluded;
mod lookup;
mod signals;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::canon::{Hash, parse};
use super::profile::Quantity;
use crate::calendar::Instant;
use crate::diag::{Diagnostic, Diagnostics};
use crate::ir::Site;

pub use signals::{signal_name, written};

/// What is known of a site at one instant.
///
/// Physical values are text with their unit (`"5 kWh"`, `"50 %"`, `"21.5 degC"`), so that no reader
/// guesses. Everything is optional; what a plan needs and does not find is an error that names it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct State {
    /// `evl.state/1`.
    pub schema: String,
    /// The site's name.
    pub site: String,
    /// When all this was so.
    pub at: Instant,
    /// Sequence of the last plan that a host accepted; 0 for none.
    #[serde(default)]
    pub sequence: u64,
    /// Id of that plan.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub follows: Option<Hash>,
    /// Stores: energy content (`kWh`) or charge level (`%`).
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub levels: BTreeMap<String, Quantity>,
    /// Zones: temperature.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub temperatures: BTreeMap<String, Quantity>,
    /// Devices: on or off, and since when.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub on: BTreeMap<String, Switched>,
    /// Obligations by rule, then by device: what is done in the window that is open.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub done: BTreeMap<String, BTreeMap<String, Done>>,
    /// Chargers: given to the vehicle that is there since it came, at the terminals.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub charged: BTreeMap<String, Quantity>,
    /// Present commands by device, then by attribute (`power`, `charge`, `discharge`, `setpoint`).
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub commands: BTreeMap<String, BTreeMap<String, Quantity>>,
    /// Demand by tariff, then by the charge's name: this month's peak so far.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub peaks: BTreeMap<String, BTreeMap<String, Quantity>>,
    /// Energy imported in the demand interval that is open, by tariff.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub interval: BTreeMap<String, Quantity>,
    /// What the energy of this month has cost so far by tariff, what export earned taken off, demand and
    /// fixed charges left out: the site's currency, or money without its unit. Below zero where export
    /// earned more.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub energy_cost: BTreeMap<String, String>,
    /// Used so far in the open period, by budget: `kWh`, `kg` or the site's currency (`"12.5 USD"`, or
    /// money without its unit: `"12.5"`).
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub used: BTreeMap<String, String>,
    /// Latches that are set.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub latches: Vec<String>,
    /// `for d` guards that hold now, and since when.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub held: BTreeMap<String, Instant>,
    /// Present values of signals: `true`, a word, or text with a unit; `null`: unknown.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub signals: BTreeMap<String, Option<Given>>,
    /// Devices that no plan may count on (locked out, not admitted, absent).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub excluded: Vec<String>,
}

/// On or off, and since when.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Switched {
    /// On.
    pub on: bool,
    /// Since.
    pub since: Instant,
}

/// What is done for an obligation in its open window.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Done {
    /// Delivered at the terminals.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub energy: Option<Quantity>,
    /// Ran.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ran: Option<Quantity>,
    /// Whether the guard held when the window opened.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owed: Option<bool>,
    /// When the last window opened in which it was owed, for `at most every`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fired: Option<Instant>,
}

/// A signal's value as it is written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Given {
    /// A truth value.
    Bool(bool),
    /// A word, or a number with its unit.
    Text(String),
}

impl State {
    /// Name and version of its schema.
    pub const SCHEMA: &'static str = "evl.state/1";

    /// A state that knows nothing but where and when it is.
    #[must_use]
    pub fn new(site: &str, at: Instant) -> Self {
        Self {
            schema: Self::SCHEMA.to_owned(),
            site: site.to_owned(),
            at,
            sequence: 0,
            follows: None,
            levels: BTreeMap::new(),
            temperatures: BTreeMap::new(),
            on: BTreeMap::new(),
            done: BTreeMap::new(),
            charged: BTreeMap::new(),
            commands: BTreeMap::new(),
            peaks: BTreeMap::new(),
            interval: BTreeMap::new(),
            energy_cost: BTreeMap::new(),
            used: BTreeMap::new(),
            latches: Vec::new(),
            held: BTreeMap::new(),
            signals: BTreeMap::new(),
            excluded: Vec::new(),
        }
    }

    /// Reads a state and checks every name and value in it against the site.
    ///
    /// # Errors
    /// EVL1101, EVL1107 for what is no state; EVL1004 for each name that the site does not have and
    /// each value that cannot be.
    pub fn load(bytes: &[u8], site: &Site) -> Result<Self, Diagnostics> {
        let state: Self = parse(bytes, "state", Self::SCHEMA).map_err(one)?;
        let findings = state.check(site);
        if findings.is_empty() { Ok(state) } else { Err(findings) }
    }

    /// Its canonical bytes.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        let mut bytes = serde_json::to_vec(self).unwrap_or_default();
        bytes.push(b'\n');
        bytes
    }
}

fn one(finding: Diagnostic) -> Diagnostics {
    std::iter::once(finding).collect()
}
