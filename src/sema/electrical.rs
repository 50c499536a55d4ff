//! Volts, amperes and phases.

use super::Compiler;
use super::props::Props;
use crate::ast::ArgKind;
use crate::diag::{Diagnostic, Span, codes};
use crate::ir::Family;
use crate::quantity::{Rat, Type};

impl<'a> Compiler<'a> {
    /// `3 phase`, `phase 2`, `power_factor 0.95`, `voltage 230 V`, `current 16 A`.
    pub(super) fn electrical(&mut self, props: &mut Props<'a>, family: &mut Family) {
        let supply =
            family.bus.and_then(|bus| self.site.buses.get(bus.index())).and_then(|b| b.supply.clone());
        family.electrical.phases = supply.as_ref().map_or(3, |s| s.phases);
        if let Some(args) = self.take(props, "phases")
            && let Some(count) = self.phase_count(args)
        {
            family.electrical.phases = count;
        }
        if let Some(mut args) = self.take(props, "phase") {
            let at = args.here();
            let Some(value) = self.arg_const(&mut args, Type::Number) else { return };
            self.end(&args);
            match value.to_i64().and_then(|n| u8::try_from(n).ok()).filter(|n| (1..=3).contains(n)) {
                Some(phase) => {
                    family.electrical.phase = Some(phase);
                    family.electrical.phases = 1;
                }
                None => self.error_help(
                    codes::IMPOSSIBLE_LITERAL,
                    at,
                    "the phases are 1, 2 and 3".to_owned(),
                    "write, for example, `phase 2`",
                ),
            }
        }
        if let Some(mut args) = self.take(props, "power_factor") {
            let at = args.here();
            if let Some(ArgKind::Value(expr)) = args.peek().map(|a| &a.kind) {
                args.next();
                if let Some(num) = self.constant_expr(expr) {
                    if !matches!(num.ty, Type::Number | Type::Ratio) {
                        self.mismatch(num.ty, Type::Ratio, at);
                    } else if let Some(value) = self.share(num.lin.constant, at)
                        && let Some(value) = self.positive(value, at)
                    {
                        family.electrical.power_factor = value;
                    }
                }
                self.end(&args);
            } else {
                self.bad_value(&args, "a number between 0 and 1");
            }
        }
        if let Some(args) = self.take(props, "voltage") {
            let at = args.here();
            family.electrical.rated_voltage =
                self.amount(args, Type::Voltage).and_then(|v| self.positive(v, at));
        }
        if let Some(args) = self.take(props, "current") {
            let at = args.here();
            family.electrical.rated_current =
                self.amount(args, Type::Current).and_then(|v| self.positive(v, at));
        }
    }

    /// kW for each ampere of a device: k V pf / 1000, where k is 1.732 (rounded down) for three
    /// phases and 1 else, and V the line voltage (planner.md 8).
    pub(super) fn kilowatts_per_ampere(&mut self, family: &Family, span: Span) -> Option<Rat> {
        let bus = family.bus.and_then(|bus| self.site.buses.get(bus.index()));
        let supply = bus.and_then(|b| b.supply.as_ref());
        let volts = family.electrical.rated_voltage.clone().or_else(|| {
            let supply = supply?;
            // one phase of three: the voltage to neutral is not the line voltage
            (supply.phases == family.electrical.phases).then(|| supply.volts.clone()).flatten()
        });
        let Some(volts) = volts else {
            // a broken bus has been reported
            family.bus?;
            let finding = Diagnostic::error(
                codes::TYPE_MISMATCH,
                span,
                format!("a current becomes a power only with a voltage, and `{}` has none", family.name),
            )
            .label(family.span, "declared here");
            self.push(finding.help(
                "declare the `voltage` of the device, or of its bus (`ac 480 V, 3 phase`), or write kW",
            ));
            return None;
        };
        let ac = supply.is_none_or(|s| s.ac);
        let watts =
            if family.electrical.phases == 3 && ac { &volts * &Rat::ratio(1732, 1000)? } else { volts };
        let kilowatts = &watts * &Rat::ratio(1, 1000)?;
        Some(if ac { &kilowatts * &family.electrical.power_factor } else { kilowatts })
    }
}
