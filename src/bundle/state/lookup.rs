//! What a plan asks of a state: each quantity with its own complaint where the state does not give it.

use super::amounts::{content, store_of, used_unit, used_value};
use super::{Done, State, Switched};
use crate::diag::{Code, Diagnostic, Severity, codes};
use crate::ir::{Attr, Budget, BudgetQuantity, Control, Device, Site, ZoneId};
use crate::quantity::Rat;

fn missing(message: String, help: String) -> Diagnostic {
    let code: Code = codes::MISSING_STATE;
    Diagnostic::nowhere(code, Severity::Error, message).help(help)
}

impl State {
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
}
