//! Thermal zones and their comfort.

use super::Compiler;
use super::collect::{Declared, Owned};
use super::network::named;
use super::props::{Args, Props};
use crate::ast::{ArgKind, Declaration};
use crate::diag::codes;
use crate::ir::{ComfortBand, Sched, ZoneId};
use crate::quantity::{Rat, Type};

impl<'a> Compiler<'a> {
    /// Reads all zones; devices and the weather are known.
    pub(super) fn zone_statements(&mut self, declared: &Declared<'a>) {
        for (at, owned) in declared.zones.iter().enumerate() {
            self.read_zone(owned, ZoneId::at(at));
        }
    }

    fn read_zone(&mut self, owned: &Owned<'a, Declaration>, id: ZoneId) {
        let node = owned.node;
        let (name, span) = named(node);
        let mut props = Props::new(format!("the zone `{name}`"), span, node.complete, &node.properties);
        let heat_capacity =
            self.need(&mut props, "heat_capacity", "heat_capacity 40 kWh/K").and_then(|args| {
                let at = args.here();
                self.amount(args, Type::HeatCapacity).and_then(|v| self.positive(v, at))
            });
        let heat_loss = self.need(&mut props, "heat_loss", "heat_loss 6 kW/K").and_then(|args| {
            let at = args.here();
            self.amount(args, Type::HeatTransfer).and_then(|v| self.positive(v, at))
        });
        let mut gains = None;
        if let Some(mut args) = self.take(&mut props, "gains") {
            let at = args.here();
            if let Some(name) = Self::peek_feed(&args) {
                args.next();
                if let Some(feed) = self.feed_reference(name) {
                    gains = self.feed_signal(feed, Some(Type::Power), None, at);
                }
            } else {
                self.bad_value(&args, "a feed: `gains feed.office_gains`");
                args.next();
            }
            self.end(&args);
        }
        let mut outdoor = self.weather.get("temperature").copied();
        if let Some(mut args) = self.take(&mut props, "outdoor") {
            let at = args.here();
            if let Some(name) = Self::peek_feed(&args) {
                args.next();
                if let Some(feed) = self.feed_reference(name) {
                    outdoor = self.feed_signal(feed, Some(Type::Temperature), None, at);
                }
            } else {
                self.bad_value(&args, "a feed: `outdoor feed.air`");
                args.next();
            }
            self.end(&args);
        }
        if let Some(mut args) = self.take(&mut props, "range") {
            if let Some(range) = self.arg_range(&mut args, Type::Temperature)
                && let Some(zone) = self.site.zones.get_mut(id.index())
            {
                zone.range = range;
            }
            self.end(&args);
        }
        let (mut comfort, mut class) = (Vec::new(), None);
        if let Some(args) = self.take(&mut props, "temperature") {
            class = self.comfort(args, &mut comfort);
        }
        self.finish(props);
        if let Some(zone) = self.site.zones.get_mut(id.index()) {
            zone.heat_capacity = heat_capacity.unwrap_or(Rat::ONE);
            zone.heat_loss = heat_loss.unwrap_or(Rat::ONE);
            zone.gains = gains;
            zone.outdoor = outdoor;
            zone.comfort = comfort;
            zone.class = class;
        }
    }

    /// `20 degC .. 26 degC during open_hours else 16 degC .. 30 degC in comfort`.
    fn comfort(&mut self, mut args: Args<'a>, bands: &mut Vec<ComfortBand>) -> Option<crate::ir::ClassId> {
        let whole = args.span();
        let mut open = true;
        loop {
            let span = args.here();
            let (lo, hi) = self.arg_range(&mut args, Type::Temperature)?;
            let during = match args.peek().map(|a| &a.kind) {
                Some(ArgKind::During(schedule)) => {
                    args.next();
                    self.sched(schedule)
                }
                _ => {
                    if !open {
                        self.error_help(
                            codes::OUT_OF_RANGE,
                            span,
                            "this band is never reached".to_owned(),
                            "remove it, or say with `during` when the band before it holds",
                        );
                    }
                    open = false;
                    Some(Sched::Always)
                }
            };
            bands.push(ComfortBand { during: during?, lo, hi, span });
            if !(args.eat("else") || args.eat("otherwise")) {
                break;
            }
        }
        let class = if args.eat("in") {
            let word = args.word();
            let place = word.map_or(whole, |w| w.span);
            self.class(word, "this comfort band", place)
        } else {
            self.class(None, "this comfort band", whole)
        };
        self.end(&args);
        class
    }
}
