//! Money, computed again from the simulated meters (planner.md 11-14).

use std::collections::BTreeMap;

use super::Case;
use super::fix::{Interval, TooLarge};
use super::miss::Miss;
use super::simulate::Trajectory;
use crate::bundle::Money;
use crate::calendar::{Calendar, Instant};
use crate::inputs::price_pieces;
use crate::ir::{Attr, DemandCharge, Device, End, Family, Model, Period, Price, SigRef, Site, Tariff};
use crate::quantity::Rat;

/// How far a recorded amount may lie from the exact one where all powers are exact: half a unit of
/// the ninth decimal.
fn near() -> Rat {
    Rat::ratio(1, 2_000_000_000).unwrap_or_default()
}

/// An amount: exact, or between two bounds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Amount {
    pub(super) lo: Rat,
    pub(super) hi: Rat,
}

impl Amount {
    fn add(&mut self, power: Interval, factor: &Rat) {
        let (a, b) = (&power.lo() * factor, &power.hi() * factor);
        self.lo += &Rat::min_of(&a, &b);
        self.hi += &Rat::max_of(&a, &b);
    }

    pub(super) fn exact(value: Rat) -> Self {
        Self { lo: value.clone(), hi: value }
    }

    /// Whether a recorded amount is this, to the ninth decimal; where powers were no decimals
    /// themselves, to the sum of their ninth decimals.
    pub(super) fn records(&self, recorded: &Rat) -> bool {
        let slack = if self.lo == self.hi { near() } else { Rat::ratio(1, 1_000_000).unwrap_or_default() };
        *recorded >= &self.lo - &slack && *recorded <= &self.hi + &slack
    }

    pub(super) fn shown(&self) -> String {
        self.lo.to_decimal(6)
    }
}

/// A demand charge is paid on one meter's peak and a minimum bill is one meter's: of several meters that
/// share one, nobody says who pays what.
pub(super) fn shared_meters(site: &Site) -> Vec<Miss> {
    let mut found = Vec::new();
    for tariff in &site.tariffs {
        let what = match (tariff.demand.is_empty(), &tariff.minimum) {
            (false, _) => "demand charges",
            (true, Some(_)) => "the minimum bill",
            (true, None) => continue,
        };
        let here = |family: &&Family| matches!(family.model, Model::Grid { tariff: Some(id), .. } if id == tariff.id);
        let mut meters = site.families.iter().filter(here).flat_map(|family| family.all().devices());
        if let (Some(_), Some(second)) = (meters.next(), meters.next()) {
            let span = site.family(second.family).map_or(tariff.span, |family| family.span);
            let message =
                format!("{what} of `{}` at several meters: understood, not planned yet", tariff.name);
            found.push(Miss::unverified(span, tariff.name.clone(), message));
        }
    }
    found
}

/// Everything that meters and devices cost.
#[derive(Debug, Clone, Default)]
pub(super) struct Account {
    pub(super) energy: Amount,
    pub(super) export: Amount,
    /// By tariff, charge and month: known peak, planned peak, price.
    pub(super) demand: BTreeMap<(String, String, String), (Rat, Amount, Rat)>,
    pub(super) fixed: Rat,
    /// By tariff and month that ends within the plan: least bill, energy before the plan, the month's bill.
    pub(super) minimum: BTreeMap<(String, String), (Rat, Rat, Amount)>,
    pub(super) fuel: Amount,
    pub(super) wear: Amount,
    pub(super) end_value: Amount,
}

/// Energy that passes at one price is summed first: a year has few prices.
#[derive(Default)]
struct ByPrice(BTreeMap<Rat, (i128, i128)>);

impl ByPrice {
    fn add(&mut self, price: &Rat, power: Interval, seconds: i64) -> Result<(), TooLarge> {
        let (lo, hi) = power.raw();
        if (lo, hi) == (0, 0) {
            return Ok(());
        }
        let sum = match self.0.get_mut(price) {
            Some(sum) => sum,
            None => self.0.entry(price.clone()).or_default(),
        };
        let part = |x: i128| x.checked_mul(i128::from(seconds)).ok_or(TooLarge);
        sum.0 = sum.0.checked_add(part(lo)?).ok_or(TooLarge)?;
        sum.1 = sum.1.checked_add(part(hi)?).ok_or(TooLarge)?;
        Ok(())
    }

    fn amount(self) -> Amount {
        let mut total = Amount::default();
        let unit = super::simulate::UNITS * 3600;
        for (price, (lo, hi)) in self.0 {
            let (a, b) = (Rat::ratio(lo, unit).unwrap_or_default(), Rat::ratio(hi, unit).unwrap_or_default());
            let (a, b) = (&a * &price, &b * &price);
            total.lo += &Rat::min_of(&a, &b);
            total.hi += &Rat::max_of(&a, &b);
        }
        total
    }
}

/// The whole account of a plan.
pub(super) fn account(
    case: &Case<'_>,
    calendar: &Calendar,
    trajectory: &Trajectory,
) -> Result<Account, TooLarge> {
    let mut account = Account::default();
    let (Some(first), Some(last)) = (case.steps.first(), case.steps.last()) else { return Ok(account) };
    let (from, until) = (first.start, last.end);
    let (mut energy, mut export) = (ByPrice::default(), ByPrice::default());
    let (mut fuel, mut wear) = (ByPrice::default(), ByPrice::default());
    for run in &trajectory.runs {
        let Some(family) = case.site.family(run.unit.family) else { continue };
        match &family.model {
            Model::Grid { tariff: Some(tariff), .. } => {
                let Some(tariff) = case.site.tariffs.get(tariff.index()) else { continue };
                let series = |attr| run.powers.get(attr).map(Vec::as_slice).unwrap_or_default();
                let imports = series(&Attr::Import);
                priced(case, calendar, tariff, false, imports, &mut energy)?;
                priced(case, calendar, tariff, true, series(&Attr::Export), &mut export)?;
                demand(case, calendar, tariff, imports, &mut account)?;
                minimum(case, calendar, tariff, (imports, series(&Attr::Export)), &mut account)?;
                account.fixed += &fixed(calendar, tariff, from, until);
            }
            Model::Generator { fuel_cost, start_cost, .. } => {
                let mut on = case.state.switched(case.site, run.unit.first()).is_ok_and(|s| s.on);
                let mut starts = 0_i64;
                for (power, step) in run.powers.get(&Attr::Power).into_iter().flatten().zip(case.steps) {
                    fuel.add(fuel_cost, *power, step.seconds())?;
                    let now = power.may_be_positive();
                    starts += i64::from(now && !on);
                    on = now;
                }
                let paid = start_cost * &Rat::int(starts);
                account.fuel.lo += &paid;
                account.fuel.hi += &paid;
            }
            Model::Store(store) => {
                for (attr, price) in [(Attr::Discharge, &store.wear), (Attr::Charge, &store.wear_charge)] {
                    for (power, step) in run.powers.get(&attr).into_iter().flatten().zip(case.steps) {
                        wear.add(price, *power, step.seconds())?;
                    }
                }
                if let End::Worth(price) = &store.end
                    && let Some(left) = end_content(trajectory, run.unit.first(), case.steps.len())
                {
                    account.end_value.add(left, price);
                }
            }
            _ => {}
        }
    }
    for (link, (forward, back)) in case.site.links.iter().zip(&trajectory.links) {
        for (step, (there, here)) in case.steps.iter().zip(forward.iter().zip(back)) {
            wear.add(&link.wear.0, *there, step.seconds())?;
            wear.add(&link.wear.1, *here, step.seconds())?;
        }
    }
    account.energy = energy.amount();
    account.export = export.amount();
    account.wear = wear.amount();
    let burnt = fuel.amount();
    account.fuel.lo += &burnt.lo;
    account.fuel.hi += &burnt.hi;
    Ok(account)
}

/// What one meter costs by its tariff: energy in, energy out, and demand.
pub(super) fn metered(
    case: &Case<'_>,
    calendar: &Calendar,
    tariff: &Tariff,
    (imports, exports): (&[Interval], &[Interval]),
) -> Result<Account, TooLarge> {
    let mut account = Account::default();
    let (mut energy, mut export) = (ByPrice::default(), ByPrice::default());
    priced(case, calendar, tariff, false, imports, &mut energy)?;
    priced(case, calendar, tariff, true, exports, &mut export)?;
    demand(case, calendar, tariff, imports, &mut account)?;
    minimum(case, calendar, tariff, (imports, exports), &mut account)?;
    account.energy = energy.amount();
    account.export = export.amount();
    Ok(account)
}

fn end_content(trajectory: &Trajectory, device: Device, steps: usize) -> Option<Interval> {
    trajectory.contents.get(&device)?.after(steps.checked_sub(1)?)
}

fn priced(
    case: &Case<'_>,
    calendar: &Calendar,
    tariff: &Tariff,
    export: bool,
    powers: &[Interval],
    out: &mut ByPrice,
) -> Result<(), TooLarge> {
    let price = if export { tariff.export.as_ref() } else { Some(&tariff.import) };
    match price {
        None => {}
        Some(Price::Feed(signal, _)) => {
            let means = case.given.means(&SigRef::Only(*signal)).unwrap_or_default();
            for ((power, step), price) in powers.iter().zip(case.steps).zip(means) {
                out.add(price, *power, step.seconds())?;
            }
        }
        Some(Price::Periods { .. }) => {
            let (Some(first), Some(last)) = (case.steps.first(), case.steps.last()) else { return Ok(()) };
            let Some(pieces) = price_pieces(calendar, tariff, export, first.start, last.end) else {
                return Ok(());
            };
            for (power, step) in powers.iter().zip(case.steps) {
                // a step may still hold several prices where somebody else cut it
                let inside = pieces.values.iter().filter(|(at, _)| *at > step.start && *at < step.end);
                let mut begin = step.start;
                for (at, _) in inside.clone() {
                    if let Some(price) = pieces.at(begin) {
                        out.add(price, *power, at.since(begin))?;
                    }
                    begin = *at;
                }
                if let Some(price) = pieces.at(begin) {
                    out.add(price, *power, step.end.since(begin))?;
                }
            }
        }
    }
    Ok(())
}

/// The demand charges of one tariff, by calendar month.
fn demand(
    case: &Case<'_>,
    calendar: &Calendar,
    tariff: &Tariff,
    imports: &[Interval],
    out: &mut Account,
) -> Result<(), TooLarge> {
    let (Some(first), Some(last)) = (case.steps.first(), case.steps.last()) else { return Ok(()) };
    if imports.is_empty() || tariff.demand.is_empty() {
        return Ok(());
    }
    let means = intervals(case, calendar, tariff, imports)?;
    let mut month = calendar.period(Period::Month, first.start);
    while month.0 < last.end {
        let (date, _, _) = calendar.civil(month.0);
        for charge in &tariff.demand {
            let begun = month.0 < first.start;
            let known = known(case, tariff, charge, begun);
            let mut peak = Amount::default();
            for (begin, mean) in means.iter().filter(|(begin, _)| month.0 <= *begin && *begin < month.1) {
                if calendar.contains(&charge.during, *begin) {
                    peak.lo = Rat::max_of(&peak.lo, &mean.lo);
                    peak.hi = Rat::max_of(&peak.hi, &mean.hi);
                }
            }
            let key =
                (tariff.name.clone(), charge.name.clone(), format!("{:04}-{:02}", date.year, date.month));
            out.demand.insert(key, (known, peak, charge.price.clone()));
        }
        let next = calendar.period(Period::Month, month.1);
        if next.0 <= month.0 {
            break;
        }
        month = next;
    }
    Ok(())
}

/// The minimum bills of one tariff, for the calendar months that end within the plan.
fn minimum(
    case: &Case<'_>,
    calendar: &Calendar,
    tariff: &Tariff,
    (imports, exports): (&[Interval], &[Interval]),
    out: &mut Account,
) -> Result<(), TooLarge> {
    let Some(minimum) = &tariff.minimum else { return Ok(()) };
    let (Some(first), Some(last)) = (case.steps.first(), case.steps.last()) else { return Ok(()) };
    let mut month = calendar.period(Period::Month, first.start);
    while month.1 <= last.end && month.0 < month.1 {
        let before = if month.0 < first.start {
            case.state.energy_cost(&tariff.name, &case.site.currency).unwrap_or_default()
        } else {
            Rat::ZERO
        };
        let (date, _, _) = calendar.civil(month.0);
        let name = format!("{:04}-{:02}", date.year, date.month);
        let mut bill = Amount::exact(&before + &fixed(calendar, tariff, month.0, month.1));
        for (powers, export) in [(imports, false), (exports, true)] {
            let inside = |(power, step): (&Interval, &crate::bundle::Step)| {
                if month.0 <= step.start && step.start < month.1 { *power } else { Interval::ZERO }
            };
            let powers: Vec<Interval> = powers.iter().zip(case.steps).map(inside).collect();
            let mut energy = ByPrice::default();
            priced(case, calendar, tariff, export, &powers, &mut energy)?;
            let energy = energy.amount();
            if export {
                bill.lo = &bill.lo - &energy.hi;
                bill.hi = &bill.hi - &energy.lo;
            } else {
                bill.lo += &energy.lo;
                bill.hi += &energy.hi;
            }
        }
        for ((of, _, at), (known, peak, price)) in &out.demand {
            if *of == tariff.name && *at == name {
                bill.lo += &(price * &Rat::max_of(known, &peak.lo));
                bill.hi += &(price * &Rat::max_of(known, &peak.hi));
            }
        }
        out.minimum.insert((tariff.name.clone(), name), (minimum.amount.clone(), before, bill));
        month = calendar.period(Period::Month, month.1);
    }
    Ok(())
}

fn known(case: &Case<'_>, tariff: &Tariff, charge: &DemandCharge, begun: bool) -> Rat {
    let metered =
        if begun { case.state.peak(&tariff.name, &charge.name).unwrap_or_default() } else { Rat::ZERO };
    charge.expect.as_ref().map_or(metered.clone(), |expected| Rat::max_of(expected, &metered))
}

/// Mean import of each demand interval on the clock: of the first with its metered part.
fn intervals(
    case: &Case<'_>,
    calendar: &Calendar,
    tariff: &Tariff,
    imports: &[Interval],
) -> Result<Vec<(Instant, Amount)>, TooLarge> {
    let length = tariff.interval_s.max(1);
    let begin_of = |at: Instant| {
        let reading = at.0 + i64::from(calendar.offset(at));
        at.plus(-reading.rem_euclid(length))
    };
    let mut energy: BTreeMap<Instant, (i128, i128)> = BTreeMap::new();
    for (power, step) in imports.iter().zip(case.steps) {
        let mut at = step.start;
        while at < step.end {
            let begin = begin_of(at);
            let until = begin.plus(length).min(step.end);
            let sum = energy.entry(begin).or_default();
            let (lo, hi) = power.raw();
            let part = |x: i128| x.checked_mul(i128::from(until.since(at))).ok_or(TooLarge);
            sum.0 = sum.0.checked_add(part(lo)?).ok_or(TooLarge)?;
            sum.1 = sum.1.checked_add(part(hi)?).ok_or(TooLarge)?;
            at = until;
        }
    }
    let from = case.steps.first().map_or(Instant(0), |s| s.start);
    let hours = Rat::ratio(i128::from(length), 3600).unwrap_or(Rat::ONE);
    let unit = super::simulate::UNITS * i128::from(length);
    Ok(energy
        .into_iter()
        .map(|(begin, (lo, hi))| {
            let mut mean = Amount {
                lo: Rat::ratio(lo, unit).unwrap_or_default(),
                hi: Rat::ratio(hi, unit).unwrap_or_default(),
            };
            if begin < from {
                let metered = case.state.interval_energy(&tariff.name).unwrap_or_default();
                let metered = metered.checked_div(&hours).unwrap_or_default();
                mean.lo += &metered;
                mean.hi += &metered;
            }
            (begin, mean)
        })
        .collect())
}

/// Fixed charges, by the share of each period that the plan covers.
fn fixed(calendar: &Calendar, tariff: &Tariff, from: Instant, until: Instant) -> Rat {
    let mut sum = Rat::ZERO;
    for charge in &tariff.fixed {
        let mut at = from;
        while at < until {
            let (begin, end) = calendar.period(charge.per, at);
            let inside = end.min(until).since(at);
            if inside <= 0 {
                break;
            }
            let share = Rat::ratio(i128::from(inside), i128::from(end.since(begin))).unwrap_or_default();
            sum += &(&charge.amount * &share);
            at = end;
        }
    }
    sum
}

/// What the document says that does not follow from the account, or from the `priced` breaches that it
/// lists: part, said, computed.
pub(super) fn differences(account: &Account, money: &Money, priced: Rat) -> Vec<(String, String, String)> {
    let mut out = Vec::new();
    let mut compare = |part: &str, said: &Rat, computed: &Amount| {
        if !computed.records(said) {
            out.push((part.to_owned(), said.to_decimal(9), computed.shown()));
        }
    };
    compare("energy", &money.energy, &account.energy);
    compare("export", &money.export, &account.export);
    compare("fixed", &money.fixed, &Amount::exact(account.fixed.clone()));
    compare("fuel", &money.fuel, &account.fuel);
    compare("wear", &money.wear, &account.wear);
    compare("end_value", &money.end_value, &account.end_value);
    compare("breach", &money.breach, &Amount::exact(priced));
    let mut charges: BTreeMap<(String, String, String), usize> = BTreeMap::new();
    let (mut decided, mut incurred) = (Rat::ZERO, Rat::ZERO);
    for said in &money.demand {
        let key = (said.tariff.clone(), said.charge.clone(), said.month.clone());
        *charges.entry(key.clone()).or_default() += 1;
        let Some((known, peak, price)) = account.demand.get(&key) else {
            compare(&format!("demand `{}` of {}", said.charge, said.month), &Rat::ONE, &Amount::default());
            continue;
        };
        let of = |part: &str| format!("demand `{}` of {}: {part}", said.charge, said.month);
        compare(&of("known"), &said.known, &Amount::exact(known.clone()));
        compare(&of("price"), &said.price, &Amount::exact(price.clone()));
        compare(&of("peak"), &said.peak, peak);
        let above = Rat::max_of(&(&said.peak - known), &Rat::ZERO);
        compare(&of("decided"), &said.decided, &Amount::exact(price * &above));
        compare(&of("incurred"), &said.incurred, &Amount::exact(price * known));
        decided += &said.decided;
        incurred += &said.incurred;
    }
    for key in account.demand.keys().filter(|key| charges.get(*key) != Some(&1)) {
        compare(&format!("demand `{}` of {}", key.1, key.2), &Rat::ONE, &Amount::default());
    }
    let mut months: BTreeMap<(String, String), usize> = BTreeMap::new();
    for said in &money.minimum {
        let key = (said.tariff.clone(), said.month.clone());
        *months.entry(key.clone()).or_default() += 1;
        let of = |part: &str| format!("minimum bill of {}: {part}", said.month);
        let Some((minimum, before, bill)) = account.minimum.get(&key) else {
            compare(&of("bill"), &Rat::ONE, &Amount::default());
            continue;
        };
        compare(&of("minimum"), &said.minimum, &Amount::exact(minimum.clone()));
        compare(&of("before"), &said.before, &Amount::exact(before.clone()));
        compare(&of("bill"), &said.bill, bill);
        let added = Rat::max_of(&(minimum - &said.bill), &Rat::ZERO);
        compare(&of("added"), &said.added, &Amount::exact(added));
        decided += &said.added;
    }
    for key in account.minimum.keys().filter(|key| months.get(*key) != Some(&1)) {
        compare(&format!("minimum bill of {}", key.1), &Rat::ONE, &Amount::default());
    }
    let net = &(&money.energy - &money.export) + &decided;
    compare("decided", &money.decided, &Amount::exact(net.clone()));
    compare("bill", &money.bill, &Amount::exact(&(&net + &incurred) + &money.fixed));
    let cost = &(&(&net + &money.fuel) + &money.wear) + &(&money.breach - &money.end_value);
    compare("plan_cost", &money.plan_cost, &Amount::exact(cost));
    out
}

/// Largest gap with which a plan is optimal (planner.md 14): the policy's, else a cent or a ten
/// thousandth of what the fixed needs would cost from the grid.
pub(super) fn largest_gap(case: &Case<'_>, calendar: &Calendar, trajectory: &Trajectory) -> Rat {
    let settings = &case.site.settings;
    let money = settings.max_gap_money.clone().or_else(|| Rat::ratio(1, 100)).unwrap_or_default();
    let ratio = match (&settings.max_gap_ratio, &settings.max_gap_money) {
        (Some(ratio), _) => ratio.clone(),
        (None, Some(_)) => return money,
        (None, None) => Rat::ratio(1, 10_000).unwrap_or_default(),
    };
    let prices: Vec<Vec<Rat>> =
        case.site.tariffs.iter().map(|t| super::declared::import_prices(case, calendar, t)).collect();
    let mut gross = Rat::ZERO;
    for run in &trajectory.runs {
        let Some(Model::Consumer(consumer)) = case.site.family(run.unit.family).map(|f| &f.model) else {
            continue;
        };
        let count = Rat::ratio(i128::from(run.unit.count), 1).unwrap_or_default();
        let needs = super::physical::needs(case, run, consumer).unwrap_or_default();
        for (step, (need, length)) in needs.iter().zip(case.steps).enumerate() {
            let most = prices.iter().filter_map(|prices| prices.get(step)).max().cloned().unwrap_or_default();
            let price = Rat::max_of(&most, &Rat::ZERO);
            gross += &(&(&need.recorded() * &length.hours()) * &(&price * &count));
        }
    }
    Rat::max_of(&money, &(&ratio * &gross))
}
