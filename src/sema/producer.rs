//! Grids, renewables and generators.

use super::Compiler;
use super::profile::{Profile, rated};
use super::props::Props;
use crate::diag::{Diagnostic, codes};
use crate::ir::{Attr, Family, Model};
use crate::quantity::{Rat, Type};

/// Kinds of producers.
const KINDS: [&str; 11] = [
    "grid",
    "pv",
    "wind",
    "hydro",
    "solar_thermal",
    "fuel_cell",
    "generator",
    "chp",
    "turbine",
    "engine",
    "diesel",
];

impl<'a> Compiler<'a> {
    /// What a producer adds.
    pub(super) fn read_producer(
        &mut self,
        props: &mut Props<'a>,
        family: &mut Family,
        profile: Option<&'a Profile>,
    ) {
        match family.kind.as_str() {
            "grid" => self.read_grid(props, family),
            "pv" | "wind" | "hydro" | "solar_thermal" => self.read_renewable(props, family, profile),
            "fuel_cell" | "generator" | "chp" | "turbine" | "engine" | "diesel" => {
                self.read_generator(props, family, profile);
            }
            "" => self.read_renewable(props, family, profile),
            other => {
                let finding = Diagnostic::error(
                    codes::OUT_OF_RANGE,
                    family.span,
                    format!("`{other}` is no kind of producer"),
                );
                self.push(match crate::diag::nearest(other, KINDS) {
                    Some(near) => finding.help(format!("did you mean `{near}`?")),
                    None => finding.help(format!("producers are {}", super::props::listed(&KINDS))),
                });
                self.read_renewable(props, family, profile);
            }
        }
    }

    fn read_grid(&mut self, props: &mut Props<'a>, family: &mut Family) {
        let import = match self.need(props, "import", "import up to 100 kW") {
            Some(mut args) => {
                let value = self.up_to(&mut args, Type::Power);
                self.end(&args);
                value.unwrap_or(Rat::ONE)
            }
            None => Rat::ONE,
        };
        let export = match self.take(props, "export") {
            Some(mut args) => {
                let value = self.up_to(&mut args, Type::Power);
                self.end(&args);
                value.unwrap_or(Rat::ZERO)
            }
            None => Rat::ZERO,
        };
        let mut tariff = None;
        if let Some(mut args) = self.take(props, "tariff")
            && let Some(name) = self.arg_name(&mut args, "the name of a tariff")
        {
            self.end(&args);
            tariff = self.tariff(name);
        }
        let (mut carbon, mut carbon_feed) = (None, None);
        if let Some(mut args) = self.take(props, "carbon") {
            if let Some(name) = Self::peek_feed(&args) {
                let span = args.here();
                args.next();
                if let Some(feed) = self.feed_reference(name) {
                    carbon_feed = self.feed_signal(feed, Some(Type::CarbonIntensity), None, span);
                }
                self.end(&args);
            } else {
                carbon = self.amount(args, Type::CarbonIntensity);
            }
        }
        family.ranges.insert(Attr::Import, vec![(Rat::ZERO, import.clone())]);
        family.ranges.insert(Attr::Export, vec![(Rat::ZERO, export.clone())]);
        family.ranges.insert(Attr::Power, vec![(-&export, import.clone())]);
        family.model = Model::Grid { import, export, tariff, carbon, carbon_feed };
    }

    fn read_renewable(&mut self, props: &mut Props<'a>, family: &mut Family, profile: Option<&'a Profile>) {
        let rated = match self.take(props, "rated") {
            Some(mut args) => {
                let span = args.here();
                let value = self.power_arg(&mut args, family).and_then(|v| self.positive(v, span));
                self.end(&args);
                value.unwrap_or(Rat::ONE)
            }
            None => match rated(profile, "power") {
                Some(value) => value,
                None => {
                    self.need(props, "rated", "rated 120 kW");
                    Rat::ONE
                }
            },
        };
        let mut output = None;
        if let Some(mut args) = self.take(props, "output") {
            let span = args.here();
            if let Some(name) = Self::peek_feed(&args) {
                args.next();
                if let Some(feed) = self.feed_reference(name) {
                    output =
                        self.feed_signal(feed, Some(Type::Power), Some((Rat::ZERO, rated.clone())), span);
                }
            } else {
                self.bad_value(&args, "a feed: `output feed.pv`");
                args.next();
            }
            self.end(&args);
        }
        let must_take = self.flag(props, "must_take");
        family.ranges.insert(Attr::Power, vec![(Rat::ZERO, rated.clone())]);
        family.ranges.insert(Attr::Available, vec![(Rat::ZERO, rated.clone())]);
        if let Some(signal) = output {
            family.readings.insert(Attr::Available, signal);
        }
        family.model = Model::Renewable { rated, output, must_take };
    }

    fn read_generator(&mut self, props: &mut Props<'a>, family: &mut Family, profile: Option<&'a Profile>) {
        let rated = match self.take(props, "rated") {
            Some(mut args) => {
                let span = args.here();
                let value = self.power_arg(&mut args, family).and_then(|v| self.positive(v, span));
                self.end(&args);
                value.unwrap_or(Rat::ONE)
            }
            None => match rated(profile, "power") {
                Some(value) => value,
                None => {
                    self.need(props, "rated", "rated 30 kW");
                    Rat::ONE
                }
            },
        };
        let mut minimum = Rat::ZERO;
        for key in ["minimum", "minimum_load"] {
            if let Some(mut args) = self.take(props, key) {
                args.eat("load");
                let span = args.here();
                let value = self.power_arg(&mut args, family).and_then(|v| self.not_negative(v, span));
                self.end(&args);
                if let Some(value) = value {
                    if value > rated {
                        self.error_help(
                            codes::REVERSED_RANGE,
                            span,
                            "the least load is above the rated power".to_owned(),
                            "make `minimum load` at most `rated`",
                        );
                    } else {
                        minimum = value;
                    }
                }
            }
        }
        let mut generator = (Rat::ZERO, Rat::ZERO, None, Rat::ZERO);
        if let Some(mut args) = self.take(props, "fuel") {
            args.eat("cost");
            generator.0 = self.amount(args, Type::EnergyPrice).unwrap_or(Rat::ZERO);
        }
        if let Some(args) = self.take(props, "fuel_cost") {
            generator.0 = self.amount(args, Type::EnergyPrice).unwrap_or(Rat::ZERO);
        }
        if let Some(args) = self.take(props, "start_cost") {
            generator.1 = self.amount(args, Type::Money).unwrap_or(Rat::ZERO);
        }
        if let Some(mut args) = self.take(props, "start") {
            args.eat("cost");
            generator.1 = self.amount(args, Type::Money).unwrap_or(Rat::ZERO);
        }
        if let Some(args) = self.take(props, "ramp") {
            let span = args.here();
            generator.2 = self.amount(args, Type::Ramp).and_then(|v| self.positive(v, span));
        }
        if let Some(args) = self.take(props, "carbon") {
            generator.3 = self.amount(args, Type::CarbonIntensity).unwrap_or(Rat::ZERO);
        }
        let min_up_s = self.take(props, "min_up").and_then(|args| self.duration(args)).unwrap_or(0);
        let min_down_s = self.take(props, "min_down").and_then(|args| self.duration(args)).unwrap_or(0);
        let grid_forming = self.flag(props, "grid_forming");
        let pieces = if minimum.is_positive() {
            vec![(Rat::ZERO, Rat::ZERO), (minimum.clone(), rated.clone())]
        } else {
            vec![(Rat::ZERO, rated.clone())]
        };
        family.ranges.insert(Attr::Power, pieces);
        let (fuel_cost, start_cost, ramp, carbon) = generator;
        family.model = Model::Generator {
            rated,
            minimum,
            fuel_cost,
            start_cost,
            ramp,
            min_up_s,
            min_down_s,
            carbon,
            grid_forming,
        };
    }
}
