//! Buses, links and gateways.

use super::Compiler;
use super::collect::{Declared, Owned};
use super::props::{Args, Props};
use crate::ast::{ArgKind, Declaration, Expr, ExprKind};
use crate::diag::{Diagnostic, codes};
use crate::ir::{Bus, BusId, Gateway, GatewayId, Link, LinkId, PortRange, Supply};
use crate::quantity::{Rat, Type};

impl<'a> Compiler<'a> {
    /// Reads all buses, links and gateways.
    pub(super) fn networks(&mut self, declared: &Declared<'a>) {
        for owned in &declared.buses {
            let id = BusId::at(self.site.buses.len());
            let bus = self.read_bus(owned, id);
            self.site.buses.push(bus);
        }
        for owned in &declared.links {
            let id = LinkId::at(self.site.links.len());
            let link = self.read_link(owned, id);
            self.site.links.push(link);
        }
        for owned in &declared.gateways {
            let id = GatewayId::at(self.site.gateways.len());
            let gateway = self.read_gateway(owned, id);
            self.site.gateways.push(gateway);
        }
    }

    fn read_bus(&mut self, owned: &Owned<'a, Declaration>, id: BusId) -> Bus {
        let node = owned.node;
        let (name, span) = named(node);
        let mut props = Props::new(format!("the bus `{name}`"), span, node.complete, &node.properties);
        let supply = self.supply(&mut props);
        let mut bus = Bus { id, name, supply, limit: None, phase_limit: None, span };
        for args in props.all("limit") {
            self.bus_limit(args, &mut bus);
        }
        self.finish(props);
        bus
    }

    /// `limit 400 kW`, `limit 63 A per phase`; of direct current also `limit 1200 A`, which is a power.
    fn bus_limit(&mut self, mut args: Args<'a>, bus: &mut Bus) {
        let whole = args.span();
        let span = args.here();
        let Some(ArgKind::Value(expr)) = args.peek().map(|a| &a.kind) else {
            self.bad_value(&args, "a power, or a current per phase");
            return;
        };
        args.next();
        let Some(num) = self.constant_expr(expr) else { return };
        let Some(value) = self.positive(num.lin.constant.clone(), span) else { return };
        let per_phase = match args.peek().map(|a| &a.kind) {
            Some(ArgKind::Per(word)) if word.text == "phase" => {
                args.next();
                true
            }
            _ => false,
        };
        self.end(&args);
        let direct = bus.supply.as_ref().filter(|supply| !supply.ac).and_then(|supply| supply.volts.as_ref());
        let (ty, value) = match (num.ty, direct) {
            (Type::Current, Some(volts)) if !per_phase => {
                (Type::Power, (&value * volts).checked_div(&Rat::int(1000)).unwrap_or(value))
            }
            (ty, _) => (ty, value),
        };
        let slot = match (ty, per_phase) {
            (Type::Power, false) => &mut bus.limit,
            (Type::Current, true) => &mut bus.phase_limit,
            (Type::Current, false) => {
                let finding = Diagnostic::error(
                    codes::TYPE_MISMATCH,
                    span,
                    "a current limit of a bus is per phase".to_owned(),
                );
                self.push(finding.help("write `limit 63 A per phase`, or the limit in kW"));
                return;
            }
            (ty, _) => {
                self.mismatch(ty, Type::Power, span);
                return;
            }
        };
        if slot.is_some() {
            let message = format!("the bus `{}` has two such limits", bus.name);
            self.error(codes::DUPLICATE_PROPERTY, whole, message);
            return;
        }
        *slot = Some(value);
    }

    /// `ac 480 V, 3 phase` or `dc 48 V`.
    pub(super) fn supply(&mut self, props: &mut Props<'a>) -> Option<Supply> {
        let ac = self.take(props, "ac");
        let dc = self.take(props, "dc");
        let phases = self.take(props, "phases").and_then(|args| self.phase_count(args));
        if let (Some(_), Some(dc)) = (&ac, &dc) {
            let finding = Diagnostic::error(
                codes::DUPLICATE_PROPERTY,
                dc.span(),
                "this is either `ac` or `dc`, not both".to_owned(),
            );
            self.push(finding);
        }
        let (is_ac, args) = match (ac, dc) {
            (Some(args), _) => (true, args),
            (None, Some(args)) => (false, args),
            (None, None) => return None,
        };
        let volts = if args.is_done() {
            None
        } else {
            let span = args.here();
            self.amount(args, Type::Voltage).and_then(|v| self.positive(v, span))
        };
        Some(Supply { ac: is_ac, volts, phases: if is_ac { phases.unwrap_or(1) } else { 1 } })
    }

    /// `3 phase`, `1 phase`.
    pub(super) fn phase_count(&mut self, mut args: Args<'a>) -> Option<u8> {
        let span = args.here();
        let value = self.arg_const(&mut args, Type::Number)?;
        self.end(&args);
        match value.to_i64() {
            Some(1) => Some(1),
            Some(3) => Some(3),
            _ => {
                self.error_help(
                    codes::IMPOSSIBLE_LITERAL,
                    span,
                    "there is one phase or there are three".to_owned(),
                    "write `1 phase` or `3 phase`",
                );
                None
            }
        }
    }

    fn read_link(&mut self, owned: &Owned<'a, Declaration>, id: LinkId) -> Link {
        let node = owned.node;
        let (name, span) = named(node);
        let mut props = Props::new(format!("the link `{name}`"), span, node.complete, &node.properties);
        let mut link = Link {
            id,
            name: name.clone(),
            from: BusId(0),
            to: BusId(0),
            both: true,
            capacity: Rat::ZERO,
            capacity_back: Rat::ZERO,
            efficiency: Rat::ONE,
            wear: (Rat::ZERO, Rat::ZERO),
            span,
        };
        let mut ends = 0;
        for mut args in props.rows() {
            let Some(ArgKind::Link(from, to, both)) = args.peek().map(|a| &a.kind) else {
                let row = args.span();
                self.error_help(
                    codes::UNKNOWN_PROPERTY,
                    row,
                    format!("the link `{name}` has no such row"),
                    "a link has one row such as `main <-> dc` and properties such as `capacity 60 kW`",
                );
                continue;
            };
            let place = args.here();
            args.next();
            self.end(&args);
            ends += 1;
            if ends > 1 {
                self.error_help(
                    codes::DUPLICATE_PROPERTY,
                    place,
                    format!("the link `{name}` names its two ends twice"),
                    "declare a second link for the second pair of buses",
                );
                continue;
            }
            let (a, b) = (self.bus(from), self.bus(to));
            if let (Some(a), Some(b)) = (a, b) {
                if a == b {
                    self.error_help(
                        codes::OUT_OF_RANGE,
                        place,
                        "both ends are the same bus".to_owned(),
                        "name another bus at one of the ends",
                    );
                }
                (link.from, link.to, link.both) = (a, b, *both);
            }
        }
        if ends == 0 && node.complete {
            let finding = Diagnostic::error(
                codes::MISSING_PROPERTY,
                span,
                format!("the link `{name}` does not name its two ends"),
            );
            self.push(finding.help("add, for example, `main <-> riser`"));
        }
        if let Some(args) = self.need(&mut props, "capacity", "capacity 50 kW") {
            let (there, back) = self.two_ways(args, Type::Power);
            link.capacity = there.unwrap_or(Rat::ONE);
            link.capacity_back = back.unwrap_or_else(|| link.capacity.clone());
        }
        if let Some(args) = self.take(&mut props, "efficiency") {
            let at = args.here();
            if let Some(value) = self.amount(args, Type::Ratio)
                && let Some(value) = self.share(value, at)
                && let Some(value) = self.positive(value, at)
            {
                link.efficiency = value;
            }
        }
        if let Some(args) = self.take(&mut props, "wear") {
            let (there, back) = self.two_ways(args, Type::EnergyPrice);
            let there = there.unwrap_or(Rat::ZERO);
            link.wear = (there.clone(), back.unwrap_or(there));
        }
        self.finish(props);
        link
    }

    /// `50 kW`, or `50 kW / 30 kW` for there and back.
    fn two_ways(&mut self, mut args: Args<'a>, want: Type) -> (Option<Rat>, Option<Rat>) {
        if let Some(ArgKind::Pair(there, back)) = args.peek().map(|a| &a.kind) {
            args.next();
            self.end(&args);
            let first = self.quantity_of(there, want).and_then(|v| self.not_negative(v, there.span));
            let second = self.quantity_of(back, want).and_then(|v| self.not_negative(v, back.span));
            return (first, second);
        }
        let value = self.up_to(&mut args, want);
        self.end(&args);
        (value, None)
    }

    fn read_gateway(&mut self, owned: &Owned<'a, Declaration>, id: GatewayId) -> Gateway {
        let node = owned.node;
        let (name, span) = named(node);
        let mut props = Props::new(format!("the gateway `{name}`"), span, node.complete, &node.properties);
        let mut gateway = Gateway { id, name: name.clone(), ports: Vec::new(), together: Vec::new(), span };
        for args in props.all("port") {
            if let Some(ports) = self.read_port(args, &name) {
                let clash = gateway.ports.iter().find(|p| p.first <= ports.last && ports.first <= p.last);
                if let Some(clash) = clash {
                    let finding = Diagnostic::error(
                        codes::DUPLICATE_PROPERTY,
                        ports.span,
                        format!("a port of the gateway `{name}` is declared twice"),
                    )
                    .label(clash.span, "first here");
                    self.push(finding);
                } else {
                    gateway.ports.push(ports);
                }
            }
        }
        gateway.ports.sort_by_key(|p| p.first);
        for mut args in props.all("together") {
            args.eat("with");
            while let Some(other) = args.name() {
                if let Some(other) = self.gateway(other) {
                    gateway.together.push(other);
                }
            }
            self.end(&args);
        }
        self.finish(props);
        gateway
    }

    fn read_port(&mut self, mut args: Args<'a>, gateway: &str) -> Option<PortRange> {
        let span = args.span();
        let (first, last) = self.port_numbers(&mut args)?;
        let mut ports =
            PortRange { first, last, supply: None, rated: None, enable: false, essential: false, span };
        if let Some(ArgKind::Block(properties)) = args.peek().map(|a| &a.kind) {
            args.next();
            let what = if first == last {
                format!("port {first} of the gateway `{gateway}`")
            } else {
                format!("ports {first} to {last} of the gateway `{gateway}`")
            };
            let mut props = Props::new(what, span, true, properties);
            ports.supply = self.supply(&mut props);
            if let Some(args) = self.take(&mut props, "rated") {
                let at = args.here();
                ports.rated = self.amount(args, Type::Current).and_then(|v| self.positive(v, at));
            }
            ports.enable = self.port_flag(&mut props, "enable");
            ports.essential = self.port_flag(&mut props, "essential");
            self.finish(props);
        }
        self.end(&args);
        Some(ports)
    }

    /// A word about a port that says what may be done with it. Ports are not switched yet.
    fn port_flag(&mut self, props: &mut Props<'a>, key: &'static str) -> bool {
        let Some(args) = self.take(props, key) else { return false };
        let span = args.span();
        let set = self.flag_value(args);
        if set {
            self.unhonoured(format!("`{key}` of a port"), span, true, true);
        }
        set
    }

    /// `6` or `1..4`.
    pub(super) fn port_numbers(&mut self, args: &mut Args<'a>) -> Option<(u32, u32)> {
        let span = args.here();
        let one = |cx: &mut Self, expr: &Expr| match &expr.kind {
            ExprKind::Quantity(q) if q.unit.is_none() => cx.whole(&q.number, 65_535),
            _ => {
                cx.error(codes::TYPE_MISMATCH, expr.span, "a port is a number from 1".to_owned());
                None
            }
        };
        let (first, last) = match args.peek().map(|a| &a.kind) {
            Some(ArgKind::Value(expr)) => {
                args.next();
                let n = one(self, expr)?;
                (n, n)
            }
            Some(ArgKind::Range(a, b)) => {
                args.next();
                let (a, b) = (one(self, a), one(self, b));
                (a?, b?)
            }
            _ => {
                self.bad_value(args, "a port number, or two: `1..4`");
                return None;
            }
        };
        if first < 1 {
            self.error_help(
                codes::IMPOSSIBLE_LITERAL,
                span,
                "ports are counted from 1".to_owned(),
                "write, for example, `port 1`",
            );
            return None;
        }
        if first > last {
            self.error_help(
                codes::REVERSED_RANGE,
                span,
                "the range of ports is reversed".to_owned(),
                "write the lower port first",
            );
            return None;
        }
        Some((first, last))
    }
}

/// A declaration's name and where it stands.
pub(super) fn named(node: &Declaration) -> (String, crate::diag::Span) {
    node.name.as_ref().map_or_else(|| (String::new(), node.keyword_span), |n| (n.text.clone(), n.span))
}
