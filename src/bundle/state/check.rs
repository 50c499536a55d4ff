//! Whether a state can be of its site: names, units and extents, and the values of its signals.

use std::collections::BTreeMap;

use super::State;
use super::amounts::{content, store_of, used_unit, used_value};
use super::signals::{signal_names, signal_value};
use crate::bundle::document::Names;
use crate::bundle::profile::Quantity;
use crate::diag::{Diagnostic, Diagnostics, Severity, codes};
use crate::ir::{Attr, BudgetQuantity, Device, Domain, Signal, Site};
use crate::quantity::{Rat, Type};

fn fault(message: String) -> Diagnostic {
    Diagnostic::nowhere(codes::BAD_STATE, Severity::Error, message)
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
}

fn command_attr(word: &str) -> Option<Attr> {
    [Attr::Power, Attr::Charge, Attr::Discharge, Attr::Setpoint].into_iter().find(|attr| attr.name() == word)
}

fn takes_vehicles(site: &Site, device: Device) -> bool {
    let model = site.family(device.family).map(|family| &family.model);
    matches!(model, Some(crate::ir::Model::Consumer(consumer)) if consumer.sessions.is_some())
}
