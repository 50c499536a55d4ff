//! The state document: what is known of the site at one instant. `evl snapshot` writes it, people
//! may write it too; `docs/schema/state.json` describes it.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::canon::{Hash, parse};
use super::document::Names;
use super::profile::Quantity;
use crate::calendar::Instant;
use crate::diag::{Code, Diagnostic, Diagnostics, Severity, codes};
use crate::ir::{
    Attr, Budget, BudgetQuantity, Control, Device, Domain, FamilyId, SigRef, Signal, SignalSource, Site,
    Steered, Value, ZoneId,
};
use crate::quantity::{Rat, Type, Unit};

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

fn fault(message: String) -> Diagnostic {
    Diagnostic::nowhere(codes::BAD_STATE, Severity::Error, message)
}

fn missing(message: String, help: String) -> Diagnostic {
    let code: Code = codes::MISSING_STATE;
    Diagnostic::nowhere(code, Severity::Error, message).help(help)
}

/// Names that the state may use, with the word for their kind.
struct Known<'a> {
    kind: &'static str,
    names: Vec<&'a str>,
}

impl<'a> Known<'a> {
    fn new(kind: &'static str, names: impl Iterator<Item = &'a str>) -> Self {
        Self { kind, names: names.collect() }
    }

    fn refuse(&self, name: &str, out: &mut Diagnostics) {
        let near = self
            .names
            .iter()
            .map(|known| (strsim::damerau_levenshtein(name, known), *known))
            .filter(|(distance, known)| *distance <= known.len().div_ceil(3))
            .min();
        let finding =
            fault(format!("the state names `{}`, which is no {} of this site", shown(name), self.kind));
        out.push(match near {
            Some((_, known)) => finding.help(format!("did you mean `{known}`?")),
            None => finding,
        });
    }

    fn check<'n>(&self, used: impl Iterator<Item = &'n String>, out: &mut Diagnostics) {
        for name in used.filter(|name| !self.names.contains(&name.as_str())) {
            self.refuse(name, out);
        }
    }
}

/// A name as it may be repeated in a message: bounded, and without control characters.
fn shown(name: &str) -> String {
    name.chars().take(80).map(|c| if c.is_control() { '?' } else { c }).collect()
}

impl State {
    /// Every name and value that the site does not have or that cannot be.
    #[must_use]
    pub fn check(&self, site: &Site) -> Diagnostics {
        let mut out = Diagnostics::new();
        if self.site != site.name {
            out.push(fault(format!(
                "the state is of site `{}`, the policy of `{}`",
                shown(&self.site),
                site.name
            )));
        }
        self.check_devices(site, &mut out);
        Known::new("zone", site.zones.iter().map(|z| z.name.as_str()))
            .check(self.temperatures.keys(), &mut out);
        Known::new("rule", site.rules.iter().map(|r| r.name.as_str())).check(self.done.keys(), &mut out);
        let tariffs = Known::new("tariff", site.tariffs.iter().map(|t| t.name.as_str()));
        tariffs.check(self.peaks.keys().chain(self.interval.keys()).chain(self.energy_cost.keys()), &mut out);
        for tariff in &site.tariffs {
            if let Some(peaks) = self.peaks.get(&tariff.name) {
                Known::new("demand charge", tariff.demand.iter().map(|d| d.name.as_str()))
                    .check(peaks.keys(), &mut out);
            }
        }
        Known::new("budget", site.budgets.iter().map(|b| b.name.as_str())).check(self.used.keys(), &mut out);
        Known::new("latch", site.latches.iter().map(|l| l.name.as_str()))
            .check(self.latches.iter(), &mut out);
        Known::new("`for` guard", site.held.iter().map(|h| h.name.as_str()))
            .check(self.held.keys(), &mut out);
        self.check_units(&mut out);
        self.check_extent(&mut out);
        for budget in &site.budgets {
            if let Some(text) = self.used.get(&budget.name)
                && used_value(text, budget.quantity, &site.currency).is_none()
            {
                let unit = used_unit(budget.quantity, &site.currency);
                let (name, text) = (shown(&budget.name), shown(text));
                out.push(fault(format!("`used` of `{name}` is no number of {unit}: `{text}`")));
            }
        }
        for (tariff, text) in &self.energy_cost {
            if used_value(text, BudgetQuantity::Cost, &site.currency).is_none() {
                let (tariff, text) = (shown(tariff), shown(text));
                let currency = &site.currency;
                out.push(fault(format!("`energy_cost` of `{tariff}` is no number of {currency}: `{text}`")));
            }
        }
        self.check_signals(site, &mut out);
        out
    }

    fn check_devices(&self, site: &Site, out: &mut Diagnostics) {
        let names = Names::new(site);
        let known = Known::new("device", site.families.iter().map(|f| f.name.as_str()));
        let zones = Known::new("device or zone", site.zones.iter().map(|z| z.name.as_str()));
        let done = self.done.values().flat_map(BTreeMap::keys);
        let used = self.levels.keys().chain(self.on.keys()).chain(done).chain(self.charged.keys());
        let used = used.chain(self.excluded.iter());
        for name in used.filter(|name| names.device(name).is_none()) {
            known.refuse(name, out);
        }
        for name in
            self.commands.keys().filter(|name| names.device(name).is_none() && names.zone(name).is_none())
        {
            zones.refuse(name, out);
        }
        for (name, level) in &self.levels {
            let store = names.device(name).and_then(|d| store_of(site, d));
            let Some(store) = store else {
                if names.device(name).is_some() {
                    out.push(fault(format!("`{name}` has a level in the state, but is no store")));
                }
                continue;
            };
            let content = content(level, &store.capacity);
            if content.is_some_and(|kwh| kwh.is_negative() || kwh > store.capacity) {
                out.push(fault(format!("the level of `{name}`, {level}, is not between 0 and its capacity")));
            }
        }
        for name in self.charged.keys() {
            let device = names.device(name);
            if device.is_some_and(|device| !takes_vehicles(site, device)) {
                out.push(fault(format!("the state says what a vehicle got at `{name}`, where none comes")));
            }
        }
        for (name, attrs) in &self.commands {
            for attr in attrs.keys().filter(|attr| command_attr(attr).is_none()) {
                out.push(
                    fault(format!(
                        "`{}` is no attribute that is commanded (of `{}`)",
                        shown(attr),
                        shown(name)
                    ))
                    .help("expected `power`, `charge`, `discharge` or `setpoint`"),
                );
            }
        }
    }

    fn check_units(&self, out: &mut Diagnostics) {
        let mut expect = |what: String, found: &Quantity, types: &[Type]| {
            if !types.contains(&found.ty) {
                let wanted: Vec<&str> = types.iter().map(|ty| ty.name()).collect();
                out.push(fault(format!("{what} is {found}, expected {}", wanted.join(" or "))));
            }
        };
        for (name, level) in &self.levels {
            expect(format!("the level of `{}`", shown(name)), level, &[Type::Energy, Type::Ratio]);
        }
        for (name, value) in &self.temperatures {
            expect(format!("the temperature of `{}`", shown(name)), value, &[Type::Temperature]);
        }
        for (rule, devices) in &self.done {
            for done in devices.values() {
                if let Some(energy) = &done.energy {
                    expect(format!("the energy done for `{}`", shown(rule)), energy, &[Type::Energy]);
                }
                if let Some(ran) = &done.ran {
                    expect(format!("the time done for `{}`", shown(rule)), ran, &[Type::Duration]);
                }
            }
        }
        for (name, energy) in &self.charged {
            expect(format!("what the vehicle at `{}` got", shown(name)), energy, &[Type::Energy]);
        }
        for (name, attrs) in &self.commands {
            for (attr, value) in attrs {
                let ty = if attr == "setpoint" { Type::Temperature } else { Type::Power };
                expect(format!("the command `{}.{}`", shown(name), shown(attr)), value, &[ty]);
            }
        }
        for (tariff, peaks) in &self.peaks {
            for peak in peaks.values() {
                expect(format!("the peak of `{}`", shown(tariff)), peak, &[Type::Power]);
            }
        }
        for (tariff, energy) in &self.interval {
            expect(format!("the open interval of `{}`", shown(tariff)), energy, &[Type::Energy]);
        }
    }

    /// What no building can have, whatever its policy says; temperatures are in kelvins here.
    fn check_extent(&self, out: &mut Diagnostics) {
        if self.sequence == u64::MAX {
            out.push(fault("the state's `sequence` leaves no number for the plan that follows".to_owned()));
        }
        for (name, found) in &self.temperatures {
            if found.ty == Type::Temperature
                && (found.value < Rat::from(183_i64) || found.value > Rat::from(424_i64))
            {
                let name = shown(name);
                out.push(
                    fault(format!("the temperature of `{name}`, {found}, is none that a building has"))
                        .help("temperatures are between -90 degC and 150 degC: look at the sensor"),
                );
            }
        }
        let peaks = self.peaks.iter().flat_map(|(tariff, peaks)| {
            peaks.values().map(move |peak| (format!("the peak of `{}`", shown(tariff)), peak))
        });
        let done = self.done.iter().flat_map(|(rule, devices)| {
            let parts = devices.values().flat_map(|done| done.energy.iter().chain(&done.ran));
            parts.map(move |part| (format!("what is done for `{}`", shown(rule)), part))
        });
        let charged = self.charged.iter();
        let charged = charged.map(|(name, kwh)| (format!("what the vehicle at `{}` got", shown(name)), kwh));
        let interval = self.interval.iter();
        let interval = interval.map(|(name, kwh)| (format!("the open interval of `{}`", shown(name)), kwh));
        for (what, found) in
            peaks.chain(done).chain(charged).chain(interval).filter(|(_, found)| found.value.is_negative())
        {
            out.push(fault(format!("{what}, {found}, is below zero")));
        }
    }

    fn check_signals(&self, site: &Site, out: &mut Diagnostics) {
        let mut taken: BTreeMap<String, &Signal> = BTreeMap::new();
        for signal in &site.signals {
            for key in signal_names(site, signal).take(100_000) {
                taken.insert(key, signal);
            }
        }
        let known = Known::new("signal", site.signals.iter().map(|s| s.name.as_str()));
        for (name, given) in &self.signals {
            let Some(signal) = taken.get(name) else {
                known.refuse(name, out);
                continue;
            };
            if let Some(given) = given
                && signal_value(site, signal, given).is_none()
            {
                let finding =
                    fault(format!("the state's value of `{name}` cannot be read as {}", signal.ty.name()));
                out.push(match &signal.domain {
                    Domain::Symbols(words) => finding.help(format!("expected one of {}", words.join(", "))),
                    Domain::Bool => finding.help("expected true or false"),
                    Domain::Interval { .. } => {
                        let unit = signal.ty.shown_unit(&site.currency);
                        finding.help(format!(
                            "expected text with its unit, such as `\"{}\"`",
                            format!("12.5 {unit}").trim_end()
                        ))
                    }
                });
            }
        }
    }

    /// Energy content of a store, kWh.
    ///
    /// # Errors
    /// EVL1003 where the state does not give it.
    pub fn level(&self, site: &Site, device: Device) -> Result<Rat, Diagnostic> {
        let name = site.device_name(device);
        let found = self.levels.get(&name).zip(store_of(site, device));
        found.and_then(|(level, store)| content(level, &store.capacity)).ok_or_else(|| {
            missing(
                format!("the state lacks the level of `{name}`"),
                format!("add `\"levels\": {{\"{name}\": \"50 %\"}}`, or its content in kWh"),
            )
        })
    }

    /// Temperature of a zone, K.
    ///
    /// # Errors
    /// EVL1003 where the state does not give it.
    pub fn temperature(&self, site: &Site, zone: ZoneId) -> Result<Rat, Diagnostic> {
        let name = site.zone(zone).map_or("", |z| z.name.as_str());
        self.temperatures.get(name).map(|t| t.value.clone()).ok_or_else(|| {
            missing(
                format!("the state lacks the temperature of `{name}`"),
                format!("add `\"temperatures\": {{\"{name}\": \"21 degC\"}}`"),
            )
        })
    }

    /// Whether a device is on, and since when.
    ///
    /// # Errors
    /// EVL1003 where the state does not give it.
    pub fn switched(&self, site: &Site, device: Device) -> Result<Switched, Diagnostic> {
        let name = site.device_name(device);
        self.on.get(&name).copied().ok_or_else(|| {
            missing(
                format!("the state does not say whether `{name}` is on"),
                format!("add `\"on\": {{\"{name}\": {{\"on\": false, \"since\": \"{}\"}}}}`", self.at),
            )
        })
    }

    /// Given to the vehicle at a charger since it came, kWh.
    ///
    /// # Errors
    /// EVL1003 where the state does not give it.
    pub fn charged(&self, site: &Site, device: Device) -> Result<Rat, Diagnostic> {
        let name = site.device_name(device);
        self.charged.get(&name).map(|kwh| kwh.value.clone()).ok_or_else(|| {
            missing(
                format!("the state does not say how much the vehicle at `{name}` got since it came"),
                format!("add `\"charged\": {{\"{name}\": \"0 kWh\"}}`"),
            )
        })
    }

    /// Energy delivered for a rule in its open window, kWh.
    ///
    /// # Errors
    /// EVL1003 where the state does not give it.
    pub fn delivered(&self, site: &Site, rule: crate::ir::RuleId, device: Device) -> Result<Rat, Diagnostic> {
        let done = self.done(site, rule, device).energy;
        done.map(|kwh| kwh.value).ok_or_else(|| self.not_done(site, (rule, device), ("energy", "0 kWh")))
    }

    /// How long a device ran for a rule in its open window, s.
    ///
    /// # Errors
    /// EVL1003 where the state does not give it.
    pub fn ran(&self, site: &Site, rule: crate::ir::RuleId, device: Device) -> Result<Rat, Diagnostic> {
        let done = self.done(site, rule, device).ran;
        done.map(|time| time.value).ok_or_else(|| self.not_done(site, (rule, device), ("ran", "0 min")))
    }

    fn not_done(
        &self,
        site: &Site,
        (rule, device): (crate::ir::RuleId, Device),
        (part, none): (&str, &str),
    ) -> Diagnostic {
        let rule = site.rule(rule).map_or("", |r| r.name.as_str());
        let name = site.device_name(device);
        missing(
            format!(
                "the state does not say how much of rule `{rule}` is done at `{name}` in the open window"
            ),
            format!("add `\"done\": {{\"{rule}\": {{\"{name}\": {{\"{part}\": \"{none}\"}}}}}}`"),
        )
    }

    /// What is done for an obligation in its open window; nothing where the state says nothing.
    #[must_use]
    pub fn done(&self, site: &Site, rule: crate::ir::RuleId, device: Device) -> Done {
        let rule = site.rule(rule).map_or("", |r| r.name.as_str());
        self.done.get(rule).and_then(|by| by.get(&site.device_name(device))).cloned().unwrap_or_default()
    }

    /// Present command of a device's attribute, canonical unit.
    #[must_use]
    pub fn command(&self, site: &Site, device: Device, attr: &Attr) -> Option<Rat> {
        let by = self.commands.get(&site.device_name(device))?;
        by.get(attr.name()).map(|q| q.value.clone())
    }

    /// Present power of a device, kW: none where it is off, else what it is commanded.
    ///
    /// # Errors
    /// EVL1003 where the state does not give it.
    pub fn power(&self, site: &Site, device: Device) -> Result<Rat, Diagnostic> {
        let name = site.device_name(device);
        if self.on.get(&name).is_some_and(|switched| !switched.on) {
            return Ok(Rat::ZERO);
        }
        self.command(site, device, &Attr::Power).ok_or_else(|| {
            missing(
                format!("the state lacks the present power of `{name}`, from which it ramps"),
                format!("add `\"commands\": {{\"{name}\": {{\"power\": \"0 kW\"}}}}`, or that it is off"),
            )
        })
    }

    /// What a `life_safety` device does now, kW: what it is commanded, all that it can where it is only said
    /// to be on; `None` where nothing is said of one that is only observed.
    ///
    /// # Errors
    /// EVL1003 where the state says nothing of one that evl advises or commands.
    pub fn now(&self, site: &Site, device: Device) -> Result<Option<Rat>, Diagnostic> {
        let name = site.device_name(device);
        let family = site.family(device.family);
        let switched = self.on.get(&name).map(|switched| switched.on);
        if switched == Some(false) {
            return Ok(Some(Rat::ZERO));
        }
        if let Some(power) = self.command(site, device, &Attr::Power) {
            return Ok(Some(power));
        }
        if switched == Some(true) {
            return Ok(family.and_then(|family| family.hull(&Attr::Power)).map(|(_, most)| most));
        }
        if family.is_none_or(|family| family.control == Control::Observe) {
            return Ok(None);
        }
        Err(missing(
            format!("the state does not say what `{name}` does, which is declared `life_safety`"),
            format!("add `\"commands\": {{\"{name}\": {{\"power\": \"0 kW\"}}}}`, or whether it is on"),
        ))
    }

    /// This month's peak so far under a demand charge, kW.
    ///
    /// # Errors
    /// EVL1003 where the state does not give it.
    pub fn peak(&self, tariff: &str, charge: &str) -> Result<Rat, Diagnostic> {
        let found = self.peaks.get(tariff).and_then(|by| by.get(charge));
        found.map(|q| q.value.clone()).ok_or_else(|| {
            missing(
                format!("the state lacks this month's peak so far under `{charge}` of tariff `{tariff}`"),
                format!("add `\"peaks\": {{\"{tariff}\": {{\"{charge}\": \"0 kW\"}}}}` (0 kW at a month's beginning)"),
            )
        })
    }

    /// Imported so far in the demand interval that is open, kWh.
    ///
    /// # Errors
    /// EVL1003 where the state does not give it.
    pub fn interval_energy(&self, tariff: &str) -> Result<Rat, Diagnostic> {
        self.interval.get(tariff).map(|q| q.value.clone()).ok_or_else(|| {
            missing(
                format!("the state lacks what was imported in the open demand interval of tariff `{tariff}`"),
                format!("add `\"interval\": {{\"{tariff}\": \"0 kWh\"}}`"),
            )
        })
    }

    /// What the energy of the open month has cost so far under a tariff, less what export earned, currency.
    ///
    /// # Errors
    /// EVL1003 where the state does not give it.
    pub fn energy_cost(&self, tariff: &str, currency: &str) -> Result<Rat, Diagnostic> {
        let text = self.energy_cost.get(tariff);
        text.and_then(|text| used_value(text, BudgetQuantity::Cost, currency)).ok_or_else(|| {
            missing(
                format!(
                    "the state does not say what this month's energy has cost so far under tariff `{tariff}`, whose minimum bill ends within the plan"
                ),
                format!("add `\"energy_cost\": {{\"{tariff}\": \"0 {currency}\"}}`, less what export earned"),
            )
        })
    }

    /// Used so far of a budget in its open period: kWh, kg or currency.
    ///
    /// # Errors
    /// EVL1003 where the state does not give it.
    pub fn used(&self, site: &Site, budget: &Budget) -> Result<Rat, Diagnostic> {
        let text = self.used.get(&budget.name);
        text.and_then(|text| used_value(text, budget.quantity, &site.currency)).ok_or_else(|| {
            let (name, unit) = (&budget.name, used_unit(budget.quantity, &site.currency));
            missing(
                format!("the state does not say how much of budget `{name}` is used in the open period"),
                format!("add `\"used\": {{\"{name}\": \"0 {unit}\"}}`"),
            )
        })
    }

    /// Whether a latch is set.
    #[must_use]
    pub fn latched(&self, name: &str) -> bool {
        self.latches.iter().any(|set| set == name)
    }

    /// Present value of a signal: `None` where the state says nothing, `Some(None)` where it says
    /// that it is unknown.
    #[must_use]
    pub fn signal(&self, site: &Site, signal: &SigRef) -> Option<Option<Value>> {
        let (SigRef::Only(id) | SigRef::Member(id, _)) = signal else { return None };
        let declared = site.signal(*id)?;
        let given = self.signals.get(&signal_name(site, signal)?)?;
        Some(given.as_ref().and_then(|given| signal_value(site, declared, given)))
    }

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

fn command_attr(word: &str) -> Option<Attr> {
    [Attr::Power, Attr::Charge, Attr::Discharge, Attr::Setpoint].into_iter().find(|attr| attr.name() == word)
}

fn store_of(site: &Site, device: Device) -> Option<&crate::ir::Store> {
    match &site.family(device.family)?.model {
        crate::ir::Model::Store(store) => Some(store),
        _ => None,
    }
}

fn takes_vehicles(site: &Site, device: Device) -> bool {
    let model = site.family(device.family).map(|family| &family.model);
    matches!(model, Some(crate::ir::Model::Consumer(consumer)) if consumer.sessions.is_some())
}

fn content(level: &Quantity, capacity: &Rat) -> Option<Rat> {
    match level.ty {
        Type::Energy => Some(level.value.clone()),
        Type::Ratio => Some(&level.value * capacity),
        _ => None,
    }
}

fn used_unit(quantity: BudgetQuantity, currency: &str) -> &str {
    match quantity {
        BudgetQuantity::Emissions => "kg",
        BudgetQuantity::Cost => currency,
        BudgetQuantity::Consumption | BudgetQuantity::Import | BudgetQuantity::Export => "kWh",
    }
}

/// What is used of a budget, in the unit that it counts in.
fn used_value(text: &str, quantity: BudgetQuantity, currency: &str) -> Option<Rat> {
    if let Ok(plain) = text.parse::<Rat>() {
        return Some(plain);
    }
    let wanted = match quantity {
        BudgetQuantity::Emissions => Type::Mass,
        BudgetQuantity::Cost => Type::Money,
        BudgetQuantity::Consumption | BudgetQuantity::Import | BudgetQuantity::Export => Type::Energy,
    };
    if wanted == Type::Money {
        return text.strip_suffix(currency)?.trim_end().parse().ok();
    }
    let found: Quantity = text.parse().ok()?;
    (found.ty == wanted).then_some(found.value)
}

/// The name by which documents call a signal: of an array's member with its index,
/// `charger[3].temperature`.
#[must_use]
pub fn signal_name(site: &Site, signal: &SigRef) -> Option<String> {
    match signal {
        SigRef::Only(id) => Some(site.signal(*id)?.name.clone()),
        SigRef::Member(id, index) => Some(member_name(site, site.signal(*id)?, *index)),
        SigRef::Bound(_) => None,
    }
}

fn member_name(site: &Site, signal: &Signal, index: u32) -> String {
    let family = match &signal.source {
        SignalSource::Sensor(family, _) | SignalSource::Measured(family, _) => site.family(*family),
        _ => None,
    };
    match family.and_then(|f| signal.name.strip_prefix(f.name.as_str()).map(|rest| (f, rest))) {
        Some((family, rest)) => format!("{}[{index}]{rest}", family.name),
        None => format!("{}[{index}]", signal.name),
    }
}

fn signal_names<'a>(site: &'a Site, signal: &'a Signal) -> Box<dyn Iterator<Item = String> + 'a> {
    match signal.count {
        None => Box::new(std::iter::once(signal.name.clone())),
        Some(n) => Box::new((1..=n).map(move |index| member_name(site, signal, index))),
    }
}

/// A written value as a value of the signal; `None` where it cannot be one.
fn signal_value(site: &Site, signal: &Signal, given: &Given) -> Option<Value> {
    match (&signal.domain, given) {
        (Domain::Bool, Given::Bool(b)) => Some(Value::Bool(*b)),
        (Domain::Symbols(words), Given::Text(word)) => {
            let at = words.iter().position(|w| w == word)?;
            u32::try_from(at).ok().map(Value::Symbol)
        }
        (Domain::Interval { .. }, Given::Text(text)) => {
            number(text, signal.ty, &site.currency).map(Value::Number)
        }
        _ => None,
    }
}

fn number(text: &str, ty: Type, currency: &str) -> Option<Rat> {
    let Some((number, unit)) = text.trim().split_once(' ') else {
        return if ty == Type::Number { text.trim().parse().ok() } else { None };
    };
    let (value, unit): (Rat, _) = (number.parse().ok()?, unit.trim());
    let unit = if ty == Type::Temperature && unit == "K" {
        Unit::absolute_kelvin()
    } else {
        Unit::lookup(unit, currency)?
    };
    (unit.ty == ty).then(|| unit.canonical(&value))
}

/// A value as the state writes it: `12.5 kW`, `true`, `island`.
#[must_use]
pub fn written(site: &Site, signal: &Signal, value: &Value) -> String {
    match (value, &signal.domain) {
        (Value::Bool(b), _) => b.to_string(),
        (Value::Symbol(at), Domain::Symbols(words)) => words.get(*at as usize).cloned().unwrap_or_default(),
        (Value::Symbol(at), _) => at.to_string(),
        (Value::Number(n), _) => {
            let unit = signal.ty.shown_unit(&site.currency);
            let shown = match Unit::lookup(&unit, &site.currency) {
                Some(u) => n.checked_div(&u.factor).unwrap_or_default() - &u.offset,
                None => n.clone(),
            };
            if unit.is_empty() { shown.to_string() } else { format!("{shown} {unit}") }
        }
    }
}
