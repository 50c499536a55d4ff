//! States: the content of stores and the temperature of zones (planner.md 3 and 5).

use std::collections::BTreeMap;

use super::Case;
use super::fix::{Interval, ONE, TooLarge};
use super::miss::Miss;
use super::simulate::Run;
use crate::bundle::{Step, store_decay, thermal_decay};
use crate::ir::{Attr, Consumer, FamilyId, Model, SigRef, SignalSource, Store, Zone, ZoneId};
use crate::quantity::Rat;

/// 0 degC, K.
pub(super) fn freezing() -> Rat {
    Rat::ratio(27_315, 100).unwrap_or_default()
}

/// Finest unit that keeps a year of steps inside 127 bits.
const MOST_PARTS: i128 = 100_000_000_000;

/// The content of a store at each step's end.
///
/// It is counted in parts of 10^-12 kWh so fine that efficiencies of few digits divide exactly: a
/// store without self-discharge then has no rounding at all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Content {
    /// Parts in 10^-12 kWh.
    parts: i128,
    /// Bounds in parts, the beginning first.
    values: Vec<(i128, i128)>,
}

fn small(value: &Rat) -> Result<(i128, i128), TooLarge> {
    value.small_parts().map(|(n, d)| (i128::from(n), i128::from(d))).ok_or(TooLarge)
}

fn floor_div(a: i128, b: i128) -> i128 {
    a.div_euclid(b)
}

fn ceil_div(a: i128, b: i128) -> i128 {
    -((-a).div_euclid(b))
}

impl Content {
    /// level' = level (1 - s)^h + efficiency x charge x h - discharge x h / efficiency.
    pub(super) fn run(
        store: &Store,
        start: &Rat,
        steps: &[Step],
        powers: impl Fn(usize) -> (Interval, Interval),
    ) -> Result<Self, TooLarge> {
        let mut filling = Filling::new(store, start)?;
        for (place, step) in steps.iter().enumerate() {
            filling.rest(*step)?;
            filling.take(*step, powers(place), None)?;
        }
        Ok(filling.done())
    }

    fn pair(&self, place: usize) -> Option<(i128, i128)> {
        self.values.get(place).copied()
    }

    /// Content at the end of a step, kWh.
    #[must_use]
    pub fn after(&self, step: usize) -> Option<Interval> {
        self.outward(self.pair(step + 1)?)
    }

    /// Content at the beginning of a step, kWh.
    #[must_use]
    pub fn before(&self, step: usize) -> Option<Interval> {
        self.outward(self.pair(step)?)
    }

    fn outward(&self, (lo, hi): (i128, i128)) -> Option<Interval> {
        Interval::new(floor_div(lo, self.parts), ceil_div(hi, self.parts)).ok()
    }

    /// Whether the content at the end of a step is surely at least `bound` kWh.
    #[must_use]
    pub fn at_least(&self, step: usize, bound: &Rat) -> bool {
        let Some((lo, _)) = self.pair(step + 1) else { return false };
        self.exact(lo).is_some_and(|lo| lo >= *bound)
    }

    /// Whether the content at the end of a step is surely at most `bound` kWh.
    #[must_use]
    pub fn at_most(&self, step: usize, bound: &Rat) -> bool {
        let Some((_, hi)) = self.pair(step + 1) else { return false };
        self.exact(hi).is_some_and(|hi| hi <= *bound)
    }

    fn exact(&self, parts: i128) -> Option<Rat> {
        Rat::ratio(parts, ONE)?.checked_div(&Rat::ratio(self.parts, 1)?)
    }

    /// The first step, from `from` on, after which the content may leave `[lo, hi]` kWh, and how many
    /// there are. A bound in parts is rounded inward, so that no violation is missed.
    pub(super) fn outside(&self, lo: &Rat, hi: &Rat) -> Result<Vec<usize>, TooLarge> {
        let unit = ONE.checked_mul(self.parts).ok_or(TooLarge)?;
        let (ln, ld) = small(lo)?;
        let (hn, hd) = small(hi)?;
        let least = ceil_div(ln.checked_mul(unit).ok_or(TooLarge)?, ld);
        let most = floor_div(hn.checked_mul(unit).ok_or(TooLarge)?, hd);
        let after = self.values.iter().skip(1).enumerate();
        Ok(after.filter(|(_, (lo, hi))| *lo < least || *hi > most).map(|(step, _)| step).collect())
    }

    /// What documents record: contents at each step's end, kWh, to 9 decimals.
    #[must_use]
    pub fn recorded(&self) -> Vec<Rat> {
        (0..self.values.len().saturating_sub(1))
            .map(|step| self.after(step).unwrap_or_default().recorded())
            .collect()
    }
}

/// A store on its way through the steps.
pub(super) struct Filling<'s> {
    store: &'s Store,
    parts: i128,
    /// parts x cn / (3600 cd) for what is charged, whole where the parts are fine enough.
    into: (i128, i128),
    /// parts x dd / (3600 dn) for what is discharged, likewise.
    out: (i128, i128),
    /// Bounds in parts.
    now: (i128, i128),
    values: Vec<(i128, i128)>,
    /// What self-discharge leaves, in units of 10^-12, by length of step.
    decays: BTreeMap<i64, i128>,
}

impl<'s> Filling<'s> {
    /// Before the first step.
    pub(super) fn new(store: &'s Store, start: &Rat) -> Result<Self, TooLarge> {
        // charge x seconds x cn / (3600 cd), discharge x seconds x dd / (3600 dn)
        let (cn, cd) = small(&store.efficiency_charge)?;
        let (dn, dd) = small(&store.efficiency_discharge)?;
        let exact = 3600_i128.checked_mul(cd).and_then(|p| p.checked_mul(dn)).filter(|p| *p <= MOST_PARTS);
        let parts = exact.unwrap_or(3600);
        let into = (parts.checked_mul(cn).ok_or(TooLarge)?, 3600_i128.checked_mul(cd).ok_or(TooLarge)?);
        let out = (parts.checked_mul(dd).ok_or(TooLarge)?, 3600_i128.checked_mul(dn).ok_or(TooLarge)?);
        let unit = ONE.checked_mul(parts).ok_or(TooLarge)?;
        let (sn, sd) = small(start)?;
        let first = sn.checked_mul(unit).ok_or(TooLarge)?;
        let now = (floor_div(first, sd), ceil_div(first, sd));
        Ok(Self { store, parts, into, out, now, values: vec![now], decays: BTreeMap::new() })
    }

    /// What stays of the content over a step in which nothing else happens.
    pub(super) fn rest(&mut self, step: Step) -> Result<(), TooLarge> {
        if !self.store.self_discharge.is_positive() {
            return Ok(());
        }
        let keeps = match self.decays.get(&step.seconds()) {
            Some(keeps) => *keeps,
            None => {
                let keeps = Interval::of(&store_decay(&self.store.self_discharge, step.seconds()))?.raw().0;
                self.decays.insert(step.seconds(), keeps);
                keeps
            }
        };
        let keep = |level: i128| mul_div(level, keeps, ONE);
        self.now = (keep(self.now.0)?.0, keep(self.now.1)?.1);
        Ok(())
    }

    /// The content as it is now, kWh.
    pub(super) fn content(&self) -> Result<Interval, TooLarge> {
        Interval::new(floor_div(self.now.0, self.parts), ceil_div(self.now.1, self.parts))
    }

    /// Charges and discharges for a step. `held`: the device itself stays within these, kWh, by no more
    /// than where it is already.
    pub(super) fn take(
        &mut self,
        step: Step,
        (charge, discharge): (Interval, Interval),
        held: Option<(&Rat, &Rat)>,
    ) -> Result<(), TooLarge> {
        let seconds = i128::from(step.seconds());
        let scaled = |power: i128, (n, d): (i128, i128)| -> Result<(i128, i128), TooLarge> {
            // reduced first: n / d is whole where the parts are fine enough
            let (n, d) = if n % d == 0 { (n / d, 1) } else { (n, d) };
            let product = power.checked_mul(seconds).and_then(|p| p.checked_mul(n)).ok_or(TooLarge)?;
            Ok((floor_div(product, d), ceil_div(product, d)))
        };
        let ((c_lo, c_hi), (d_lo, d_hi)) = (charge.raw(), discharge.raw());
        let add =
            |a: i128, b: i128, c: i128| a.checked_add(b).and_then(|sum| sum.checked_sub(c)).ok_or(TooLarge);
        let before = self.now;
        self.now = (
            add(before.0, scaled(c_lo, self.into)?.0, scaled(d_hi, self.out)?.1)?,
            add(before.1, scaled(c_hi, self.into)?.1, scaled(d_lo, self.out)?.0)?,
        );
        if let Some((least, most)) = held {
            let unit = ONE.checked_mul(self.parts).ok_or(TooLarge)?;
            let (ln, ld) = small(least)?;
            let (hn, hd) = small(most)?;
            let least = floor_div(ln.checked_mul(unit).ok_or(TooLarge)?, ld).min(before.0);
            let most = ceil_div(hn.checked_mul(unit).ok_or(TooLarge)?, hd).max(before.1);
            self.now = (self.now.0.max(least), self.now.1.min(most));
        }
        self.values.push(self.now);
        Ok(())
    }

    /// What it held all the way.
    pub(super) fn done(self) -> Content {
        Content { parts: self.parts, values: self.values }
    }
}

/// `a x b / c`, rounded down and up.
fn mul_div(a: i128, b: i128, c: i128) -> Result<(i128, i128), TooLarge> {
    let (q, r) = (a.div_euclid(c), a.rem_euclid(c));
    let whole = q.checked_mul(b).ok_or(TooLarge)?;
    let rest = r.checked_mul(b).ok_or(TooLarge)?;
    let sum = |part: i128| whole.checked_add(part).ok_or(TooLarge);
    Ok((sum(floor_div(rest, c))?, sum(ceil_div(rest, c))?))
}

/// T' = a T + (1 - a) (outdoor + (heat - cool + gains) / UA), a = exp(-UA h / C). `settled`: the zones
/// that a setpoint steers.
pub(super) fn temperatures(
    case: &Case<'_>,
    runs: &[Run],
    settled: BTreeMap<ZoneId, Vec<Interval>>,
) -> Result<BTreeMap<ZoneId, Vec<Interval>>, Vec<Miss>> {
    let mut out = settled;
    for zone in &case.site.zones {
        if out.contains_key(&zone.id) {
            continue;
        }
        // a zone that nothing heats or cools, nobody holds and nobody asks after is no part of a plan
        let serves = |run: &Run| machine(case, zone, run).is_some();
        let reads = |source: &SignalSource| matches!(source, SignalSource::ZoneState(id, Attr::Temperature) if *id == zone.id);
        let asked = case.site.signals.iter().any(|signal| reads(&signal.source));
        if !runs.iter().any(serves) && zone.class.is_none() && !asked {
            continue;
        }
        let thermal = thermal(case, zone, runs, &[]).map_err(|miss| vec![miss])?;
        let values = thermal.trajectory(case, zone).map_err(|_| {
            vec![Miss::plan(zone.name.clone(), format!("zone `{}` has values beyond 10^15", zone.name))]
        })?;
        out.insert(zone.id, values);
    }
    Ok(out)
}

/// Whether a run heats (or cools) a zone, with its model.
fn machine<'c>(case: &Case<'c>, zone: &Zone, run: &Run) -> Option<(&'c Consumer, bool)> {
    match &case.site.family(run.unit.family)?.model {
        Model::Consumer(c) if c.heats == Some(zone.id) => Some((c, true)),
        Model::Consumer(c) if c.cools == Some(zone.id) => Some((c, false)),
        _ => None,
    }
}

/// What acts on a zone.
pub(super) struct Thermal<'r> {
    machines: Vec<(&'r Run, &'r Consumer, bool)>,
    outdoor: &'r [Rat],
    gains: &'r [Rat],
    /// Temperature at the beginning, K.
    pub(super) start: Rat,
    /// Share kept of the distance to the outdoors, in units of 10^-12, by length of step.
    decays: BTreeMap<i64, i128>,
}

/// What acts on a zone, without the machines `but`.
pub(super) fn thermal<'r>(
    case: &Case<'r>,
    zone: &Zone,
    runs: &'r [Run],
    but: &[FamilyId],
) -> Result<Thermal<'r>, Miss> {
    let others = runs.iter().filter(|run| !but.contains(&run.unit.family));
    let machines = others
        .filter_map(|run| machine(case, zone, run).map(|(consumer, heats)| (run, consumer, heats)))
        .collect();
    let Some(outdoor) = zone.outdoor.and_then(|id| case.given.means(&SigRef::Only(id))) else {
        let message = format!("zone `{}` has no outdoor temperature", zone.name);
        return Err(Miss::unverified(zone.span, zone.name.clone(), message));
    };
    let start = case
        .state
        .temperature(case.site, zone.id)
        .map_err(|finding| Miss::plan(zone.name.clone(), finding.message))?;
    let gains = zone.gains.and_then(|id| case.given.means(&SigRef::Only(id))).unwrap_or_default();
    let mut decays = BTreeMap::new();
    for step in case.steps {
        decays.entry(step.seconds()).or_insert_with(|| {
            let decay = thermal_decay(&zone.heat_loss, &zone.heat_capacity, step.seconds());
            // twelve decimals are a whole number of units
            Interval::of(&decay).map_or(ONE, |keeps| keeps.raw().0)
        });
    }
    Ok(Thermal { machines, outdoor, gains, start, decays })
}

impl Thermal<'_> {
    /// Outdoor temperature in a step, K.
    pub(super) fn outside(&self, step: usize) -> Rat {
        self.outdoor.get(step).cloned().unwrap_or_default()
    }

    fn keeps(&self, case: &Case<'_>, step: usize) -> i128 {
        case.steps.get(step).and_then(|step| self.decays.get(&step.seconds())).copied().unwrap_or(ONE)
    }

    /// K at a step's end for each kW of heat in it.
    pub(super) fn gain(&self, case: &Case<'_>, zone: &Zone, step: usize) -> Rat {
        if zone.heat_loss.is_zero() {
            let hours = case.steps.get(step).map(|step| step.hours()).unwrap_or_default();
            return hours.checked_div(&zone.heat_capacity).unwrap_or_default();
        }
        let loses = Rat::ratio(ONE - self.keeps(case, step), ONE).unwrap_or_default();
        loses.checked_div(&zone.heat_loss).unwrap_or_default()
    }

    /// The temperature at a step's end of a zone that begins it at `now`.
    pub(super) fn after(
        &self,
        case: &Case<'_>,
        zone: &Zone,
        step: usize,
        now: Interval,
    ) -> Result<Interval, TooLarge> {
        let outside = self.outside(step);
        let mut heat = self.gains.get(step).map_or(Ok(Interval::ZERO), Interval::of)?;
        for (run, consumer, heats) in &self.machines {
            let factor = table(&consumer.cop, &outside).unwrap_or(Rat::ONE);
            let power = run.power(&Attr::Power, step).times(&factor)?;
            heat = if *heats { heat.plus(power)? } else { heat.minus(power)? };
        }
        if zone.heat_loss.is_zero() {
            // nothing is lost: the heat stays in the mass
            let hours = case.steps.get(step).map(|step| step.hours()).unwrap_or_default();
            return now.plus(heat.times(&hours)?.divided(&zone.heat_capacity)?);
        }
        let rest = Interval::of(&outside)?.plus(heat.divided(&zone.heat_loss)?)?;
        let keeps = self.keeps(case, step);
        now.scaled(keeps, ONE)?.plus(rest.scaled(ONE - keeps, ONE)?)
    }

    fn trajectory(&self, case: &Case<'_>, zone: &Zone) -> Result<Vec<Interval>, TooLarge> {
        let mut now = Interval::of(&self.start)?;
        let mut values = Vec::with_capacity(case.steps.len());
        for step in 0..case.steps.len() {
            now = self.after(case, zone, step, now)?;
            values.push(now);
        }
        Ok(values)
    }
}

/// A table of values by outdoor temperature, linear between its rows and constant beyond them;
/// `None` where it is empty.
pub(super) fn table(rows: &[(Rat, Rat)], at: &Rat) -> Option<Rat> {
    let (first, last) = (rows.first()?, rows.last()?);
    if *at <= first.0 {
        return Some(first.1.clone());
    }
    if *at >= last.0 {
        return Some(last.1.clone());
    }
    rows.windows(2).find_map(|pair| match pair {
        [(x0, y0), (x1, y1)] if x0 <= at && at <= x1 => {
            let share = (at - x0).checked_div(&(x1 - x0))?;
            Some(y0 + &(share * (y1 - y0)))
        }
        _ => None,
    })
}
