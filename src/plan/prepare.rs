//! From bundle, inputs and state to the scene that is planned.

use std::collections::BTreeSet;

use super::scene::{
    Allowance, Due, DueKind, LeastBill, Open, Owner, PeakCharge, Prices, Running, Scene, Short, Stay,
};
use super::steps::{self, Step};
use crate::bundle::State;
use crate::calendar::{Calendar, Instant};
use crate::diag::{Diagnostic, Diagnostics, codes};
use crate::inputs::{Inputs, OnSteps, price_pieces};
use crate::ir::{
    Attr, BudgetQuantity, ClassId, Device, Family, Model, Need, Price, SigRef, Site, Statement, Target,
};

/// Everything a plan is made from, on its steps.
pub(super) struct Known<'a> {
    pub(super) site: &'a Site,
    pub(super) calendar: &'a Calendar,
    pub(super) inputs: &'a Inputs,
    pub(super) state: &'a State,
    pub(super) steps: Vec<Step>,
    pub(super) on: OnSteps,
}

impl Known<'_> {
    /// First instant.
    pub(super) fn from(&self) -> Instant {
        self.steps.first().map_or(Instant(0), |s| s.start)
    }

    /// First instant after the last step.
    pub(super) fn until(&self) -> Instant {
        self.steps.last().map_or(Instant(0), |s| s.end)
    }

    /// The steps that lie in `[start, end)`; everything that can begin or end cuts them.
    pub(super) fn within(&self, start: Instant, end: Instant) -> std::ops::Range<usize> {
        let first = self.steps.partition_point(|s| s.start < start);
        let last = self.steps.partition_point(|s| s.end <= end);
        first..last.max(first)
    }
}

/// The scene without its rules.
///
/// # Errors
/// EVL1003 for each present value that the model reads and the state does not give.
pub(super) fn scene<'a>(known: &Known<'a>) -> Result<Scene<'a>, Diagnostics> {
    let mut scene = Scene::bare(known.site, known.steps.clone());
    scene.steered = known.state.steered(known.site);
    let mut findings = Diagnostics::new();
    super::excluded::find(known, &mut scene, &mut findings);
    series(known, &mut scene);
    prices(known, &mut scene);
    present(known, &mut scene, &mut findings);
    super::safe_state::present(known, &mut scene, &mut findings);
    bands(known, &mut scene);
    stays(known, &mut scene, &mut findings);
    charges(known, &mut scene, &mut findings);
    least_bills(known, &mut scene, &mut findings);
    budgets(known, &mut scene, &mut findings);
    super::islands::check(known.site, &mut findings);
    outdoors(known.site, &mut findings);
    reversible(known.site, &mut findings);
    shared_meters(known.site, &mut findings);
    if findings.is_empty() { Ok(scene) } else { Err(findings) }
}

/// A zone loses heat to somewhere.
fn outdoors(site: &Site, findings: &mut Diagnostics) {
    for zone in site.zones.iter().filter(|zone| zone.outdoor.is_none()) {
        findings.push(
            Diagnostic::error(
                codes::MISSING_INPUT,
                zone.span,
                format!("nothing says how cold it is outside zone `{}`", zone.name),
            )
            .help("declare `weather { source feed.weather, temperature -20 degC .. 42 degC }` and its feed"),
        );
    }
}

/// One power cannot heat and cool the same zone.
fn reversible(site: &Site, findings: &mut Diagnostics) {
    for family in &site.families {
        let Model::Consumer(consumer) = &family.model else { continue };
        let Some(zone) = consumer.heats.filter(|zone| consumer.cools == Some(*zone)) else { continue };
        let zone = site.zone(zone).map_or("", |zone| zone.name.as_str());
        findings.push(
            Diagnostic::error(
                codes::NOT_PLANNED_YET,
                family.span,
                format!("understood, not planned yet: `{}` both heats and cools `{zone}`", family.name),
            )
            .help("declare two consumers, one that heats and one that cools"),
        );
    }
}

/// A demand charge is paid on one meter's peak, and the state knows one peak for each charge; a minimum
/// bill is one meter's as well.
fn shared_meters(site: &Site, findings: &mut Diagnostics) {
    for tariff in &site.tariffs {
        let what = match (&tariff.minimum, tariff.demand.is_empty()) {
            (_, false) => "demand charges",
            (Some(_), true) => "the minimum bill",
            (None, true) => continue,
        };
        let metered = |family: &&Family| matches!(family.model, Model::Grid { tariff: Some(id), .. } if id == tariff.id);
        let mut grids = site.families.iter().filter(metered);
        let first = grids.next();
        let second = first.filter(|family| family.len() > 1).or_else(|| grids.next());
        if let (Some(first), Some(second)) = (first, second) {
            findings.push(
                Diagnostic::error(
                    codes::NOT_PLANNED_YET,
                    second.span,
                    format!(
                        "understood, not planned yet: {what} of `{}` at the meters of `{}` and `{}`",
                        tariff.name, first.name, second.name
                    ),
                )
                .help("give each grid a tariff of its own"),
            );
        }
    }
}

fn series(known: &Known<'_>, scene: &mut Scene<'_>) {
    for signal in crate::inputs::Reads::of(known.site).means {
        if let Some(values) = known.on.means(&signal) {
            let floats = values.iter().map(crate::quantity::Rat::to_f64).collect();
            scene.series.insert(signal, floats);
        }
    }
}

fn prices(known: &Known<'_>, scene: &mut Scene<'_>) {
    for tariff in &known.site.tariffs {
        let side = |export: bool| -> Vec<f64> {
            let price = if export { tariff.export.as_ref() } else { Some(&tariff.import) };
            match price {
                None => vec![0.0; known.steps.len()],
                Some(Price::Feed(signal, _)) => (0..known.steps.len())
                    .map(|t| {
                        known.on.mean(&SigRef::Only(*signal), t).map_or(0.0, crate::quantity::Rat::to_f64)
                    })
                    .collect(),
                Some(Price::Periods { .. }) => {
                    let pieces = price_pieces(known.calendar, tariff, export, known.from(), known.until());
                    (known.steps.iter())
                        .map(|s| {
                            pieces
                                .as_ref()
                                .and_then(|p| p.at(s.start))
                                .map_or(0.0, crate::quantity::Rat::to_f64)
                        })
                        .collect()
                }
            }
        };
        scene.prices.insert(tariff.id, Prices { import: side(false), export: side(true) });
    }
}

/// Levels, temperatures, what runs, what ramps.
fn present(known: &Known<'_>, scene: &mut Scene<'_>, findings: &mut Diagnostics) {
    let site = known.site;
    let mut note = |found: Result<(), crate::diag::Diagnostic>| {
        if let Err(finding) = found {
            findings.push(finding);
        }
    };
    for family in &site.families {
        for device in family.all().devices() {
            let (dwells, ramps) = match &family.model {
                Model::Store(_) => {
                    let level = known.state.level(site, device);
                    note(level.map(|kwh| {
                        scene.levels.insert(device, kwh.to_f64());
                    }));
                    (false, false)
                }
                Model::Generator { min_up_s, min_down_s, start_cost, ramp, .. } => {
                    (*min_up_s > 0 || *min_down_s > 0 || start_cost.is_positive(), ramp.is_some())
                }
                Model::Consumer(c) => (c.min_up_s > 0 || c.min_down_s > 0, false),
                _ => (false, false),
            };
            if scene.excluded.contains(&device) {
                continue;
            }
            if dwells {
                let switched = known.state.switched(site, device);
                note(switched.map(|s| {
                    let running = Running { on: s.on, for_s: known.from().since(s.since) };
                    scene.running.insert(device, running);
                }));
            }
            if ramps {
                let power = known.state.power(site, device);
                note(power.map(|power| {
                    scene.powers.insert(device, power.to_f64());
                }));
            }
        }
    }
    for zone in super::measured::drifting(site) {
        note(known.state.temperature(site, zone.id).map(|_| ()));
    }
    for zone in &site.zones {
        // nothing moves some, and somebody asks after their band all the same
        if super::measured::is_moved(site, zone.id) || zone.class.is_some() {
            let found = known.state.temperature(site, zone.id);
            note(found.map(|kelvin| {
                scene.temperatures.insert(zone.id, kelvin.to_f64());
            }));
        }
    }
}

fn bands(known: &Known<'_>, scene: &mut Scene<'_>) {
    for zone in known.site.zones.iter().filter(|z| !z.comfort.is_empty()) {
        let bands = (known.steps.iter())
            .map(|step| {
                let band = zone.comfort.iter().find(|b| known.calendar.contains(&b.during, step.start))?;
                Some((band.lo.to_f64(), band.hi.to_f64()))
            })
            .collect();
        scene.bands.insert(zone.id, bands);
    }
}

/// Vehicles: a stay bounds presence and power; the energy wanted is owed in the lowest class, as far
/// as the stay allows it.
///
/// What a vehicle got since it came is taken off both what it wants and its room.
fn stays(known: &Known<'_>, scene: &mut Scene<'_>, findings: &mut Diagnostics) {
    let site = known.site;
    let lowest = ClassId::at(site.classes.len().saturating_sub(1));
    for family in &site.families {
        let Model::Consumer(consumer) = &family.model else { continue };
        if consumer.sessions.is_none() {
            continue;
        }
        let most = family.hull(&Attr::Power).map_or(0.0, |(_, hi)| hi.to_f64());
        for device in family.all().devices() {
            let name = site.device_name(device);
            let mut list = Vec::new();
            let excluded = scene.excluded.contains(&device);
            for session in known.inputs.sessions_of(&name) {
                let inside = known.within(session.arrival, session.departure);
                if inside.is_empty() {
                    continue;
                }
                let power = session.power.as_ref().map_or(most, |p| p.to_f64().min(most));
                let mut given = crate::quantity::Rat::ZERO;
                if session.arrival < known.from() && !excluded {
                    match known.state.charged(site, device) {
                        Ok(kwh) => given = kwh,
                        Err(finding) => findings.push(finding),
                    }
                }
                let left = |kwh: &crate::quantity::Rat| (kwh - &given).to_f64().max(0.0);
                let room = session.room.as_ref().map_or(f64::INFINITY, left);
                let beyond = session.departure.since(known.until()).max(0);
                let here: f64 = inside.clone().map(|t| scene.hours(t)).sum();
                #[expect(clippy::cast_precision_loss, reason = "stays are far shorter than 2^53 s")]
                let beyond = beyond as f64 / 3600.0;
                // hours at the charger's full power that the vehicle's own power is worth
                let later = if most > 0.0 { beyond * power / most } else { 0.0 };
                // nobody can give it anything
                let wanted = if excluded { 0.0 } else { left(&session.energy).min(room) };
                let whole = session.energy.to_f64();
                let possible = super::vehicle::greatest(family, power) * here + power * beyond;
                if wanted > possible + 1e-6 {
                    scene.shorts.push(Short {
                        owner: Owner { statement: Statement::Device(family.id), class: Some(lowest) },
                        missing: wanted - possible,
                        whole,
                    });
                }
                if wanted > 0.0 && session.departure > known.until() {
                    scene.open.push(Open {
                        owner: Owner { statement: Statement::Device(family.id), class: Some(lowest) },
                        device,
                        energy: wanted.min(possible),
                        steps: inside.clone(),
                        closes: session.departure,
                    });
                }
                if wanted > 0.0 {
                    scene.dues.push(Due {
                        owner: Owner { statement: Statement::Device(family.id), class: Some(lowest) },
                        device,
                        kind: DueKind::Deliver(wanted.min(possible)),
                        steps: inside.clone(),
                        beyond: later,
                        whole,
                        wish: None,
                        when: None,
                    });
                }
                list.push(Stay { steps: inside, power, room, one_phase: session.phases == Some(1) });
            }
            scene.stays.insert(device, list);
        }
    }
}

fn charges(known: &Known<'_>, scene: &mut Scene<'_>, findings: &mut Diagnostics) {
    let site = known.site;
    let (from, until) = (known.from(), known.until());
    let mut unknown = BTreeSet::new();
    for (grid, tariff) in grids(site) {
        for (place, charge) in tariff.demand.iter().enumerate() {
            for (month, (start, end)) in
                steps::periods(known.calendar, crate::ir::Period::Month, from, until).into_iter().enumerate()
            {
                let metered = if month == 0 && start < from {
                    match known.state.peak(&tariff.name, &charge.name) {
                        Ok(peak) => peak.to_f64(),
                        Err(finding) => {
                            findings.push(finding);
                            0.0
                        }
                    }
                } else {
                    0.0
                };
                let known_peak = charge.expect.as_ref().map_or(metered, |e| e.to_f64().max(metered));
                let (first, last) = (start.max(from), end.min(until));
                let mut intervals = Vec::new();
                for (begin, finish) in steps::intervals(known.calendar, tariff.interval_s, first, last) {
                    if !known.calendar.contains(&charge.during, begin) {
                        continue;
                    }
                    #[expect(clippy::cast_precision_loss, reason = "intervals are far shorter than 2^53 s")]
                    let length = finish.since(begin) as f64 / 3600.0;
                    let inside = known.within(begin, finish);
                    let steps: Vec<_> = inside.map(|t| (t, scene.hours(t) / length)).collect();
                    let mut realised = 0.0;
                    if begin < from {
                        match known.state.interval_energy(&tariff.name) {
                            Ok(kwh) => realised = kwh.to_f64() / length,
                            // one for all its charges
                            Err(finding) if !unknown.contains(&tariff.id) => {
                                unknown.insert(tariff.id);
                                findings.push(finding);
                            }
                            Err(_) => {}
                        }
                    }
                    if !steps.is_empty() {
                        intervals.push((steps, realised));
                    }
                }
                scene.charges.push(PeakCharge {
                    tariff: tariff.id,
                    charge: place,
                    month,
                    grid,
                    price: charge.price.to_f64(),
                    known: known_peak,
                    intervals,
                });
            }
        }
    }
}

/// Minimum bills of the months that end within the plan; of others it is said that no plan minds them.
fn least_bills(known: &Known<'_>, scene: &mut Scene<'_>, findings: &mut Diagnostics) {
    let site = known.site;
    for (grid, tariff) in grids(site) {
        let Some(minimum) = &tariff.minimum else { continue };
        for (nth, month) in super::money::months(known).into_iter().enumerate() {
            if month.end > known.until() {
                continue;
            }
            let mut before = super::money::fixed_in(known, tariff, month.start, month.end).to_f64();
            if month.start < known.from() {
                match known.state.energy_cost(&tariff.name, &site.currency) {
                    Ok(cost) => before += cost.to_f64(),
                    Err(finding) => findings.push(finding),
                }
            }
            let of_grid = scene.charges.iter().enumerate().filter(|(_, charge)| charge.grid == grid);
            let of_month = of_grid.filter(|(_, charge)| charge.month == nth);
            let charges: Vec<usize> = of_month.map(|(place, _)| place).collect();
            before += charges
                .iter()
                .filter_map(|place| scene.charges.get(*place))
                .map(|charge| charge.price * charge.known)
                .sum::<f64>();
            scene.least_bills.push(LeastBill {
                tariff: tariff.id,
                grid,
                least: minimum.amount.to_f64(),
                before,
                steps: known.within(month.start.max(known.from()), month.end),
                charges,
            });
        }
    }
}

/// Every grid with its tariff.
pub(super) fn grids(site: &Site) -> Vec<(Device, &crate::ir::Tariff)> {
    (site.families.iter())
        .filter_map(|family| {
            let Model::Grid { tariff: Some(tariff), .. } = &family.model else { return None };
            Some((Device { family: family.id, index: 1 }, site.tariffs.get(tariff.index())?))
        })
        .collect()
}

fn budgets(known: &Known<'_>, scene: &mut Scene<'_>, findings: &mut Diagnostics) {
    let site = known.site;
    let (from, until) = (known.from(), known.until());
    for budget in &site.budgets {
        let members = members(site, &budget.scope, budget.quantity);
        let group = scene.groups.len();
        scene.groups.push(members.clone());
        for (start, end) in steps::periods(known.calendar, budget.per, from, until) {
            let used = if start < from {
                match known.state.used(site, budget) {
                    Ok(used) => used.to_f64(),
                    Err(finding) => {
                        findings.push(finding);
                        0.0
                    }
                }
            } else {
                0.0
            };
            let cap = budget.cap.to_f64();
            let inside = known.within(start.max(from), end.min(until));
            let rest = if budget.quantity == BudgetQuantity::Consumption && end > until {
                mandatory(known, &members, until, end)
            } else {
                0.0
            };
            let left = cap - used - rest;
            let pace = (end > until).then(|| {
                #[expect(clippy::cast_precision_loss, reason = "periods are far shorter than 2^53 s")]
                let share = until.since(from.max(start)) as f64 / end.since(from.max(start)).max(1) as f64;
                ((cap - used) * share).min(left)
            });
            scene.allowances.push(Allowance {
                owner: Owner { statement: Statement::Budget(budget.id), class: Some(budget.class) },
                quantity: budget.quantity,
                group,
                steps: inside,
                left,
                cap,
                pace,
            });
        }
    }
}

/// What loads of a budget that may not be shed will certainly use between two instants, as far as
/// their feeds reach.
pub(super) fn mandatory(known: &Known<'_>, members: &[(Device, Attr)], from: Instant, to: Instant) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "periods are far shorter than 2^53 s")]
    let hours = |to: Instant| to.since(from).max(0) as f64 / 3600.0;
    (members.iter())
        .filter_map(|(device, _)| {
            let family = known.site.family(device.family)?;
            let Model::Consumer(consumer) = &family.model else { return None };
            if consumer.shed_class.is_some() || consumer.shed_price.is_some() {
                return None;
            }
            match &consumer.need {
                Need::Load(s) | Need::Needs(s) => {
                    let track = known.inputs.track(&SigRef::Member(*s, device.index))?;
                    let to = to.min(track.covers().1);
                    Some(track.mean(from, to)?.to_f64() * hours(to))
                }
                Need::Constant(power) => Some(power.to_f64() * hours(to)),
                Need::None => None,
            }
        })
        .sum()
}

/// Whose quantity a budget counts.
fn members(site: &Site, scope: &Target, quantity: BudgetQuantity) -> Vec<(Device, Attr)> {
    let in_scope = |family: &Family, device: Device| match scope {
        Target::Site => true,
        _ => site.target_members(scope).iter().any(|m| m.family == family.id && m.contains(device)),
    };
    let mut found = BTreeSet::new();
    for family in &site.families {
        for device in family.all().devices().filter(|d| in_scope(family, *d)) {
            match (&family.model, quantity) {
                (Model::Consumer(_), BudgetQuantity::Consumption) => found.insert((device, Attr::Power)),
                (Model::Generator { .. }, BudgetQuantity::Emissions) => found.insert((device, Attr::Power)),
                (Model::Grid { .. }, BudgetQuantity::Export) => found.insert((device, Attr::Export)),
                (Model::Grid { .. }, q) if q != BudgetQuantity::Consumption => {
                    found.insert((device, Attr::Import))
                }
                _ => false,
            };
        }
    }
    found.into_iter().collect()
}
