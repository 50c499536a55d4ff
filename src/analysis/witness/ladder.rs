//! The ladder of round numbers on which a witness' values are sought.

use crate::ir::{Signal, Value};
use crate::quantity::{Rat, Type};

/// Most values of one rung; finer ones are left to what the constraints determine.
const MAX_RUNG: usize = 4000;
/// Most rungs.
const MAX_RUNGS: u32 = 14;

/// An open stretch between two neighbouring values of a rung, in shown units.
#[derive(Debug, Clone)]
pub(crate) struct Gap {
    from: Rat,
    step: Rat,
}

/// Round values of one signal, coarse ones first, in the unit that people are shown.
#[derive(Debug)]
pub(crate) struct Ladder {
    lo: Rat,
    hi: Rat,
    normal: Option<Rat>,
    /// shown = canonical x factor - offset
    factor: Rat,
    offset: Rat,
}

impl Ladder {
    /// The ladder of a signal with this range (canonical).
    pub(crate) fn new(signal: &Signal, lo: &Rat, hi: &Rat) -> Self {
        let (factor, offset) = match signal.ty {
            Type::Ratio => (Rat::int(100), Rat::ZERO),
            Type::CarbonIntensity => (Rat::int(1000), Rat::ZERO),
            Type::Temperature => (Rat::ONE, Rat::ratio(27315, 100).unwrap_or(Rat::ZERO)),
            _ => (Rat::ONE, Rat::ZERO),
        };
        let normal = match &signal.normal {
            Some(Value::Number(value)) => Some(value.clone()),
            _ => None,
        };
        let shown = |value: &Rat| &(value * &factor) - &offset;
        Self { lo: shown(lo), hi: shown(hi), normal, factor, offset }
    }

    fn canonical(&self, shown: &Rat) -> Rat {
        (shown + &self.offset).checked_div(&self.factor).unwrap_or_else(|| shown.clone())
    }

    /// The greatest power of ten that is no wider than the range.
    fn coarsest(&self) -> Rat {
        let width = &self.hi - &self.lo;
        let ten = Rat::int(10);
        let mut step = Rat::ONE;
        for _ in 0..30 {
            if step <= width || width.is_zero() {
                break;
            }
            step = step.checked_div(&ten).unwrap_or(Rat::ONE);
        }
        for _ in 0..30 {
            let next = &step * &ten;
            if next > width {
                break;
            }
            step = next;
        }
        step
    }

    /// Values by rung, canonical: the declared normal value; then multiples of ever smaller round
    /// steps, those nearest to zero first.
    pub(crate) fn rungs(&self) -> impl Iterator<Item = Vec<Rat>> + '_ {
        let mut step = self.coarsest();
        let normal = self.normal.clone().into_iter().collect::<Vec<_>>();
        let mut coarser: Option<Rat> = None;
        let mut rung = 0;
        let steps = std::iter::from_fn(move || {
            rung += 1;
            if rung > MAX_RUNGS {
                return None;
            }
            let this = step.clone();
            // 100, 50, 10, 5, 1, ...
            let divisor = if rung % 2 == 1 { 2 } else { 5 };
            step = step.checked_div(&Rat::int(divisor))?;
            let before = coarser.replace(this.clone());
            Some((this, before))
        });
        let rungs = steps.map_while(move |(step, coarser)| self.multiples(&step, coarser.as_ref()));
        std::iter::once(normal).chain(rungs)
    }

    /// The step of the finest rung, in shown units, where finer ones have too many values.
    fn finest(&self) -> Option<Rat> {
        let mut finest = None;
        let mut step = self.coarsest();
        for rung in 1..=MAX_RUNGS {
            if self.multiples(&step, None).is_none() {
                break;
            }
            finest = Some(step.clone());
            step = step.checked_div(&Rat::int(if rung % 2 == 1 { 2 } else { 5 }))?;
        }
        finest
    }

    /// The gaps between the values of the finest rung, canonical, those nearest to zero first.
    pub(crate) fn gaps(&self) -> Vec<Gap> {
        let Some(step) = self.finest() else { return Vec::new() };
        let index = |value: &Rat, up: bool| {
            let at = value.checked_div(&step)?;
            (if up { at.ceil() } else { at.floor() }).to_i64()
        };
        let (Some(first), Some(last)) = (index(&self.lo, false), index(&self.hi, true)) else {
            return Vec::new();
        };
        let mut all: Vec<i64> = (first..last).collect();
        all.sort_by_key(|k| (k.abs(), *k));
        let gap = |k: i64| Gap { from: &Rat::int(k) * &step, step: step.clone() };
        all.into_iter().map(gap).collect()
    }

    /// Its ends, canonical.
    pub(crate) fn ends(&self, gap: &Gap) -> (Rat, Rat) {
        (self.canonical(&gap.from), self.canonical(&(&gap.from + &gap.step)))
    }

    /// Ten parts of a gap, and the values between them, canonical.
    pub(crate) fn tenths(&self, gap: &Gap) -> (Vec<Gap>, Vec<Rat>) {
        let Some(step) = gap.step.checked_div(&Rat::int(10)) else { return (Vec::new(), Vec::new()) };
        let at = |k: i64| &gap.from + &(&Rat::int(k) * &step);
        let parts = (0..10).map(|k| Gap { from: at(k), step: step.clone() }).collect();
        (parts, (1..10).map(|k| self.canonical(&at(k))).collect())
    }

    /// Multiples of a step inside the range that are no multiples of the coarser one.
    fn multiples(&self, step: &Rat, coarser: Option<&Rat>) -> Option<Vec<Rat>> {
        let first = self.lo.checked_div(step)?.ceil().to_i64()?;
        let last = self.hi.checked_div(step)?.floor().to_i64()?;
        if usize::try_from(last.saturating_sub(first)).unwrap_or(0) > MAX_RUNG {
            return None;
        }
        let mut all: Vec<Rat> = (first..=last)
            .map(|k| &Rat::int(k) * step)
            .filter(|value| coarser.is_none_or(|c| value.checked_div(c).is_none_or(|q| q.to_i64().is_none())))
            .collect();
        all.sort_by_key(|value| (value.abs(), value.is_negative()));
        Some(all.iter().map(|value| self.canonical(value)).collect())
    }
}
