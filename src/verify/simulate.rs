//! The exact forward simulation of a plan: everything that follows from commands and inputs.

use std::collections::BTreeMap;

use super::Case;
use super::fix::{Interval, ONE, TooLarge};
use super::miss::Miss;
use super::network::Network;
use super::state::{Content, freezing, temperatures};
use super::units::{Commands, Unit, commands, signal_of, units};
use super::{follow, steered};
use crate::bundle::{CommandForm, FollowingSeries, Quantity, Series};
use crate::ir::{Attr, BusId, Device, Family, Model, Need, SignalId, Site, ZoneId};
use crate::quantity::Rat;

/// What one unit does.
#[derive(Debug, Clone)]
pub struct Run {
    /// Which.
    pub unit: Unit,
    /// Sum over its members in the named direction, kW, one a step.
    pub powers: BTreeMap<Attr, Vec<Interval>>,
    /// Power that a renewable could give, sum over its members, kW.
    pub available: Option<Vec<Interval>>,
}

impl Run {
    /// Sum over the members in one step; 0 for a direction that it does not have.
    #[must_use]
    pub fn power(&self, attr: &Attr, step: usize) -> Interval {
        self.powers.get(attr).and_then(|values| values.get(step)).copied().unwrap_or_default()
    }
}

/// The whole simulation.
#[derive(Debug, Clone, Default)]
pub struct Trajectory {
    /// What every unit does.
    pub runs: Vec<Run>,
    /// Content of each store.
    pub contents: BTreeMap<Device, Content>,
    /// Temperature of each zone at each step's end, K.
    pub temperatures: BTreeMap<ZoneId, Vec<Interval>>,
    /// The same where the machine brings the zone to its setpoint: that is it without any rounding, K.
    pub at_setpoint: BTreeMap<ZoneId, Vec<Option<Rat>>>,
    /// What is commanded of each zone that a setpoint steers, by step, K.
    pub setpoints: BTreeMap<ZoneId, Vec<Rat>>,
    /// Over each link at the sending end: forward, back; kW, by step.
    pub links: Vec<(Vec<Interval>, Vec<Interval>)>,
    /// Sum of inflows of each bus, kW, by step.
    pub inflows: Vec<Vec<Interval>>,
    /// What the bus of a grid is left with where somebody surely keeps its meter, kW: bus, step.
    pub kept: BTreeMap<(usize, usize), Interval>,
    /// Power that has nowhere to go (above 0) or to come from, kW: bus, step.
    pub stuck: Vec<(BusId, usize, Interval)>,
}

impl Trajectory {
    /// What buses are surely kept at in a step, kW left over.
    pub(super) fn kept_at(&self, step: usize) -> BTreeMap<usize, Interval> {
        let here = self.kept.iter().filter(|((_, at), _)| *at == step);
        here.map(|((bus, _), left)| (*bus, *left)).collect()
    }

    /// Power of one device, or of the unit that holds it, in a direction.
    #[must_use]
    pub fn run_of(&self, device: Device) -> Option<&Run> {
        self.runs.iter().find(|run| run.unit.contains(device))
    }

    /// As the document's *derived* series: what no command and no input says.
    #[must_use]
    pub fn series(&self, site: &Site, following: &[FollowingSeries]) -> Vec<Series> {
        let mut out = Vec::new();
        let recorded = |values: &[Interval]| values.iter().map(|v| v.recorded()).collect();
        let mut put = |of: &str, quantity, unit: &str, values| {
            out.push(Series { of: of.to_owned(), quantity, unit: unit.to_owned(), values });
        };
        let steered = site.steered();
        for run in &self.runs {
            let Some(family) = site.family(run.unit.family) else { continue };
            let name = site.device_name(run.unit.first());
            let follows = steered.iter().any(|steered| steered.moves(family.id))
                || following.iter().any(|series| series.device == name);
            for (attr, values) in &run.powers {
                let quantity = match (attr, &family.model) {
                    (Attr::Import, _) => Quantity::Import,
                    (Attr::Export, _) => Quantity::Export,
                    (Attr::Power, Model::Renewable { .. }) => Quantity::Power,
                    (Attr::Power, Model::Consumer(_) | Model::Generator { .. }) if follows => Quantity::Power,
                    (Attr::Power, Model::Generator { grid_forming: true, .. }) => Quantity::Power,
                    (Attr::Charge, Model::Store(store)) if store.grid_forming || follows => Quantity::Charge,
                    (Attr::Discharge, Model::Store(store)) if store.grid_forming || follows => {
                        Quantity::Discharge
                    }
                    _ => continue,
                };
                put(&name, quantity, "kW", recorded(values));
            }
        }
        for (device, content) in &self.contents {
            put(&site.device_name(*device), Quantity::Level, "kWh", content.recorded());
        }
        let zero = freezing();
        for (zone, values) in &self.temperatures {
            let name = site.zone(*zone).map_or("", |z| z.name.as_str());
            let celsius = values.iter().map(|v| v.recorded() - &zero).collect();
            put(name, Quantity::Temperature, "degC", celsius);
        }
        for (link, (forward, back)) in site.links.iter().zip(&self.links) {
            put(&link.name, Quantity::Sent, "kW", recorded(forward));
            if back.iter().any(|v| *v != Interval::ZERO) {
                put(&link.name, Quantity::SentBack, "kW", recorded(back));
            }
        }
        out
    }
}

fn too_large(of: &str) -> Miss {
    Miss::plan(of, format!("`{of}` has values beyond 10^15, which cannot be computed exactly"))
}

/// Simulates a plan. This is the meaning of its derived values; whether it may do what it does is
/// another question.
///
/// # Errors
/// What cannot be simulated: commands that fit nothing, networks with loops, states that are missing.
pub fn simulate(case: &Case<'_>) -> Result<Trajectory, Vec<Miss>> {
    let commands = commands(case)?;
    run(case, &commands)
}

pub(super) fn run(case: &Case<'_>, commands: &Commands<'_>) -> Result<Trajectory, Vec<Miss>> {
    let units = units(case, commands);
    let balancing = balancing(case, commands, &units);
    let roots: Vec<BusId> = balancing.iter().map(|(_, bus)| *bus).collect();
    let network = Network::new(case.site, &roots)?;
    let mut trajectory = Trajectory {
        links: vec![(Vec::new(), Vec::new()); case.site.links.len()],
        inflows: vec![Vec::with_capacity(case.steps.len()); case.site.buses.len()],
        ..Trajectory::default()
    };
    let name = |unit: &Unit| case.site.device_name(unit.first());
    for (place, unit) in units.iter().enumerate() {
        let balances = balancing.iter().any(|(other, _)| *other == place);
        let run = if balances {
            Ok(Run { unit: unit.clone(), powers: BTreeMap::new(), available: None })
        } else {
            decided(case, commands, unit)
        };
        trajectory.runs.push(run.map_err(|_| vec![too_large(&name(unit))])?);
    }
    let settled = steered::settle(case, commands, &mut trajectory.runs)?;
    trajectory.at_setpoint = settled.exact;
    trajectory.setpoints = settled.setpoints;
    let followed = follow::settle(case, commands, &network, &balancing, &mut trajectory.runs)?;
    balance(case, &network, (&balancing, &followed), &mut trajectory)
        .map_err(|_| vec![too_large("the network")])?;
    trajectory.kept = followed.meters;
    for run in &trajectory.runs {
        let Some(Model::Store(store)) = case.site.family(run.unit.family).map(|f| &f.model) else { continue };
        let device = run.unit.first();
        if let Some(content) = followed.contents.get(&device) {
            trajectory.contents.insert(device, content.clone());
            continue;
        }
        let start =
            case.state.level(case.site, device).map_err(|d| vec![Miss::plan(name(&run.unit), d.message)])?;
        let content = Content::run(store, &start, case.steps, |step| {
            (run.power(&Attr::Charge, step), run.power(&Attr::Discharge, step))
        })
        .map_err(|_| vec![too_large(&name(&run.unit))])?;
        trajectory.contents.insert(device, content);
    }
    trajectory.temperatures = temperatures(case, &trajectory.runs, settled.temperatures)?;
    Ok(trajectory)
}

/// The balancing device of each island, by its place among the units, with its bus: an uncommanded
/// grid, else an uncommanded grid-forming store or generator.
pub(super) fn balancing(case: &Case<'_>, commands: &Commands<'_>, units: &[Unit]) -> Vec<(usize, BusId)> {
    let islands = Islands::new(case.site);
    let free = |unit: &Unit| !commands.all().any(|(device, _)| unit.contains(device));
    let kind = |family: &Family| match &family.model {
        Model::Grid { .. } => Some(0),
        Model::Store(store) if store.grid_forming => Some(1),
        Model::Generator { grid_forming: true, .. } => Some(1),
        _ => None,
    };
    let mut found: Vec<(usize, BusId)> = Vec::new();
    for wanted in [0, 1] {
        for (place, unit) in units.iter().enumerate() {
            let Some(family) = case.site.family(unit.family) else { continue };
            let Some(bus) = family.bus.filter(|_| kind(family) == Some(wanted) && free(unit)) else {
                continue;
            };
            let island = islands.of(bus);
            if found.iter().all(|(_, other)| islands.of(*other) != island) {
                found.push((place, bus));
            }
        }
    }
    found
}

/// Which buses hang together.
pub(super) struct Islands(Vec<usize>);

impl Islands {
    pub(super) fn new(site: &Site) -> Self {
        let mut mark: Vec<usize> = (0..site.buses.len()).collect();
        // as often as there are buses is enough for the marks to settle
        for _ in 0..site.buses.len() {
            let before = mark.clone();
            for link in &site.links {
                let (a, b) = (link.from.index(), link.to.index());
                let least = before.get(a).copied().unwrap_or(a).min(before.get(b).copied().unwrap_or(b));
                for bus in [a, b] {
                    if let Some(m) = mark.get_mut(bus) {
                        *m = (*m).min(least);
                    }
                }
            }
            if mark == before {
                break;
            }
        }
        Self(mark)
    }

    pub(super) fn of(&self, bus: BusId) -> usize {
        self.0.get(bus.index()).copied().unwrap_or(usize::MAX)
    }
}

fn means(case: &Case<'_>, signal: SignalId, unit: &Unit) -> Result<Vec<Interval>, TooLarge> {
    let values = case.given.means(&signal_of(case, signal, unit)).unwrap_or_default();
    let mut out = values.iter().map(Interval::of).collect::<Result<Vec<_>, _>>()?;
    out.resize(case.steps.len(), Interval::ZERO);
    Ok(out)
}

fn commanded(
    case: &Case<'_>,
    commands: &Commands<'_>,
    device: Device,
    attr: &Attr,
) -> Result<Option<(CommandForm, Vec<Interval>)>, TooLarge> {
    let Some(series) = commands.of(device, attr) else { return Ok(None) };
    debug_assert_eq!(series.counts.len(), case.steps.len());
    let values = series.counts.iter().map(|count| Interval::steps(&series.step, *count));
    Ok(Some((series.form, values.collect::<Result<Vec<_>, _>>()?)))
}

/// What a unit does that balances nothing.
fn decided(case: &Case<'_>, commands: &Commands<'_>, unit: &Unit) -> Result<Run, TooLarge> {
    let (device, steps) = (unit.first(), case.steps.len());
    let mut run = Run { unit: unit.clone(), powers: BTreeMap::new(), available: None };
    let Some(family) = case.site.family(unit.family) else { return Ok(run) };
    let count = Rat::ratio(i128::from(unit.count), 1).unwrap_or_default();
    let mut direct = |attr: Attr| -> Result<(), TooLarge> {
        let values = commanded(case, commands, device, &attr)?;
        run.powers.insert(attr, values.map_or_else(|| vec![Interval::ZERO; steps], |(_, values)| values));
        Ok(())
    };
    match &family.model {
        Model::Grid { .. } => {
            direct(Attr::Import)?;
            direct(Attr::Export)?;
        }
        Model::Store(_) => {
            direct(Attr::Charge)?;
            direct(Attr::Discharge)?;
        }
        Model::Generator { .. } => direct(Attr::Power)?,
        Model::Renewable { rated, output, .. } => {
            let rated = Interval::of(rated)?;
            let mut available = match output {
                Some(signal) => {
                    means(case, *signal, unit)?.into_iter().map(|v| v.positive().min(rated)).collect()
                }
                None => vec![rated; steps],
            };
            let mut values: Vec<Interval> = match commanded(case, commands, device, &Attr::Power)? {
                Some((_, values)) => values.iter().zip(&available).map(|(c, a)| c.min(*a)).collect(),
                None => available.clone(),
            };
            switch_off(case, commands, device, &mut values);
            scale(&mut values, &count)?;
            scale(&mut available, &count)?;
            run.powers.insert(Attr::Power, values);
            run.available = Some(available);
        }
        Model::Consumer(consumer) => {
            let mut values = match (
                unit.group.and_then(|g| commands.group(g)),
                commanded(case, commands, device, &Attr::Power)?,
            ) {
                (Some(group), _) => {
                    let totals = group.totals.iter().map(|total| Interval::steps(&group.step, *total));
                    totals.collect::<Result<Vec<_>, _>>()?
                }
                (None, Some((_, values))) => values,
                (None, None) => {
                    let mut values = rest(case, commands, unit, family, consumer)?;
                    scale(&mut values, &count)?;
                    values
                }
            };
            switch_off(case, commands, device, &mut values);
            run.powers.insert(Attr::Power, values);
        }
        Model::Control { .. } | Model::Slot { .. } => {}
    }
    Ok(run)
}

/// What a consumer takes that has no power command: full power while on, its need, or its default.
fn rest(
    case: &Case<'_>,
    commands: &Commands<'_>,
    unit: &Unit,
    family: &Family,
    consumer: &crate::ir::Consumer,
) -> Result<Vec<Interval>, TooLarge> {
    let steps = case.steps.len();
    if let Some(series) = commands.of(unit.first(), &Attr::On).filter(|_| consumer.on_off) {
        let full = Interval::of(&family.hull(&Attr::Power).map_or(Rat::ZERO, |(_, hi)| hi))?;
        return Ok(series.counts.iter().map(|on| if *on == 1 { full } else { Interval::ZERO }).collect());
    }
    match &consumer.need {
        Need::Load(signal) | Need::Needs(signal) => means(case, *signal, unit),
        Need::Constant(power) => Ok(vec![Interval::of(power)?; steps]),
        Need::None if super::excluded::is(case, unit.first()) => {
            let power = super::excluded::resting(family, consumer.default_power.as_ref());
            Ok(vec![Interval::of(&power)?; steps])
        }
        Need::None => {
            let power = consumer.default_power.as_ref().map_or(Ok(Interval::ZERO), Interval::of)?;
            Ok(vec![power; steps])
        }
    }
}

/// A device that is off or not connected has power 0 (semantics.md 9).
fn switch_off(case: &Case<'_>, commands: &Commands<'_>, device: Device, values: &mut [Interval]) {
    debug_assert_eq!(values.len(), case.steps.len());
    for attr in [Attr::On, Attr::Connected] {
        // a power command above 0 beside it is a miss of its own
        let Some(series) = commands.of(device, &attr).filter(|_| commands.of(device, &Attr::Power).is_none())
        else {
            continue;
        };
        for (value, on) in values.iter_mut().zip(&series.counts) {
            if *on == 0 {
                *value = Interval::ZERO;
            }
        }
    }
}

fn scale(values: &mut [Interval], count: &Rat) -> Result<(), TooLarge> {
    if *count != Rat::ONE {
        for value in values {
            *value = value.times(count)?;
        }
    }
    Ok(())
}

/// Gives balancing devices what is left, links what they must carry.
fn balance(
    case: &Case<'_>,
    network: &Network,
    (balancing, followed): (&[(usize, BusId)], &follow::Settled),
    trajectory: &mut Trajectory,
) -> Result<(), TooLarge> {
    let site = case.site;
    let mut derived: BTreeMap<(usize, Attr), Vec<Interval>> = BTreeMap::new();
    // powers by bus and direction, so that a step reads plain vectors
    let sides: Vec<(usize, bool, &Vec<Interval>)> = trajectory
        .runs
        .iter()
        .filter_map(|run| Some((site.family(run.unit.family)?, run)))
        .filter_map(|(family, run)| Some((family.bus?.index(), family, run)))
        .flat_map(|(bus, family, run)| {
            run.powers.iter().map(move |(attr, values)| (bus, gives(family, attr), values))
        })
        .collect();
    let mut net = vec![Interval::ZERO; site.buses.len()];
    let mut produced = net.clone();
    for step in 0..case.steps.len() {
        net.fill(Interval::ZERO);
        produced.fill(Interval::ZERO);
        for (bus, gives, values) in &sides {
            let power = values.get(step).copied().unwrap_or_default();
            let Some(sum) = net.get_mut(*bus) else { continue };
            *sum = if *gives { sum.plus(power)? } else { sum.minus(power)? };
            if *gives && let Some(sum) = produced.get_mut(*bus) {
                *sum = sum.plus(power)?;
            }
        }
        let flow = network.flow(&net)?;
        for ((forward, back), (f, b)) in trajectory.links.iter_mut().zip(&flow.links) {
            forward.push(*f);
            back.push(*b);
        }
        for (bus, left) in &flow.stuck {
            trajectory.stuck.push((BusId::at(*bus), step, *left));
        }
        for (bus, left) in &flow.roots {
            // a meter that somebody keeps shows its target without any rounding
            let left = followed.meters.get(&(*bus, step)).unwrap_or(left);
            let (surplus, need) = (left.positive(), left.negated().positive());
            let Some((place, _)) = balancing.iter().find(|(_, root)| root.index() == *bus) else {
                if left.is_positive() || left.negated().is_positive() {
                    trajectory.stuck.push((BusId::at(*bus), step, *left));
                }
                continue;
            };
            let family = trajectory.runs.get(*place).and_then(|run| site.family(run.unit.family));
            let (takes, gives) = match family.map(|f| &f.model) {
                Some(Model::Grid { .. }) => (Some(Attr::Export), Attr::Import),
                Some(Model::Store(_)) => (Some(Attr::Charge), Attr::Discharge),
                _ => (None, Attr::Power),
            };
            match takes {
                Some(takes) => derived.entry((*place, takes)).or_default().push(surplus),
                None if surplus.is_positive() => trajectory.stuck.push((BusId::at(*bus), step, *left)),
                None => {}
            }
            derived.entry((*place, gives)).or_default().push(need);
            if let Some(sum) = produced.get_mut(*bus) {
                *sum = sum.plus(need)?;
            }
        }
        for (bus, inflow) in trajectory.inflows.iter_mut().enumerate() {
            let own = produced.get(bus).copied().unwrap_or_default();
            inflow.push(own.plus(flow.received.get(bus).copied().unwrap_or_default())?);
        }
    }
    drop(sides);
    for ((place, attr), values) in derived {
        if let Some(run) = trajectory.runs.get_mut(place) {
            run.powers.insert(attr, values);
        }
    }
    Ok(())
}

/// Whether a direction brings power to the bus.
pub(super) fn gives(family: &Family, attr: &Attr) -> bool {
    match attr {
        Attr::Import | Attr::Discharge => true,
        Attr::Export | Attr::Charge => false,
        _ => matches!(family.model, Model::Renewable { .. } | Model::Generator { .. }),
    }
}

/// Units of 10^-12 in one, for code that compares exactly.
pub(super) const UNITS: i128 = ONE;
