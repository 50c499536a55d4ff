//! Aggregates over the coming or past hours: `max(weather.temperature, next 3 h)`.

use super::Compiler;
use super::expr::Val;
use super::signal::{Key, Made};
use crate::ast::{self, WindowSide};
use crate::diag::{Diagnostic, Span, codes};
use crate::ir::{AggregateOp, Domain, SigRef, SignalSource};
use crate::quantity::{Rat, Type};

impl Compiler<'_> {
    /// `max(weather.temperature, next 3 h)`.
    pub(super) fn window(
        &mut self,
        call: &ast::Call,
        side: WindowSide,
        length: &ast::Quantity,
        span: Span,
    ) -> Option<Val> {
        let op = match call.function.text.as_str() {
            "max" => AggregateOp::Max,
            "min" => AggregateOp::Min,
            "mean" => AggregateOp::Mean,
            "sum" => AggregateOp::Sum,
            other => {
                self.error(
                    codes::UNKNOWN_NAME,
                    call.function.span,
                    format!("`{other}` does not go over a time; `max`, `min`, `mean` and `sum` do"),
                );
                return None;
            }
        };
        let seconds = self.seconds(length);
        let [arg] = call.args.as_slice() else {
            self.error_help(
                codes::TYPE_MISMATCH,
                span,
                format!("`{}` over a time takes one signal", call.function.text),
                "write, for example, `max(weather.temperature, next 3 h)`",
            );
            return None;
        };
        let num = self.number_of(arg)?;
        let over_s = seconds?;
        let (of, reference) = match num.lin.terms.as_slice() {
            [(one, reference)]
                if *one == Rat::ONE && num.lin.constant.is_zero() && num.lin.sums.is_empty() =>
            {
                match reference {
                    SigRef::Only(id) => (*id, reference),
                    SigRef::Member(..) | SigRef::Bound(_) => {
                        self.unhonoured("a window over a reading of one member", span, true, true);
                        return Some(Val::Num(num));
                    }
                }
            }
            _ => {
                self.error_help(
                    codes::TYPE_MISMATCH,
                    arg.span,
                    "an aggregate over a time is taken of one signal".to_owned(),
                    "name a single signal; declare a sum or difference as a feed",
                );
                return None;
            }
        };
        let _ = reference;
        let signal = self.site.signals.get(of.index())?;
        let fixed = matches!(signal.source, SignalSource::ImportPrice(_) | SignalSource::ExportPrice(_))
            && signal.feed.is_none();
        let (ty, domain, inner) = (signal.ty, signal.domain.clone(), signal.name.clone());
        let (feed, reading, step) = (signal.feed, signal.reading.clone(), signal.strict_step.clone());
        if fixed && matches!(op, AggregateOp::Mean | AggregateOp::Sum) {
            let finding = Diagnostic::error(
                codes::AGGREGATE,
                span,
                format!("`{}` over hours of what the instant fixes is refused in guards", call.function.text),
            )
            .because("it would need one group of instants for every minute");
            self.push(finding.help("use `max` or `min`, or a schedule"));
            return None;
        }
        if side == WindowSide::Last {
            let text = self.text(span);
            self.unhonoured(format!("an aggregate over the past (`{text}`)"), span, false, true);
        }
        let (ty, domain) = if op == AggregateOp::Sum {
            if ty != Type::Power {
                self.error_help(
                    codes::AGGREGATE,
                    span,
                    format!("a sum over a time is taken of a power, and `{inner}` is {}", ty.a()),
                    "write `mean`, `max` or `min` of it",
                );
                return None;
            }
            let hours = Rat::int(over_s).checked_div(&Rat::int(3600))?;
            let domain = match domain {
                Domain::Interval { lo, hi } => Domain::Interval { lo: &lo * &hours, hi: &hi * &hours },
                other => other,
            };
            (Type::Energy, domain)
        } else {
            (ty, domain)
        };
        let window = self.text(length.span);
        let (word, over_s) = if side == WindowSide::Next { ("next", over_s) } else { ("last", -over_s) };
        let made = Made {
            name: format!("{}({inner}, {word} {window})", call.function.text),
            ty,
            domain,
            source: SignalSource::Aggregate { op, of, over_s },
            span,
        };
        let id = self.signal(Key::Aggregate(op, of, over_s), made);
        if let Some(s) = self.site.signals.get_mut(id.index()) {
            s.feed = feed;
            s.reading = reading;
            s.strict_step = step;
        }
        self.plain(id)
    }
}
