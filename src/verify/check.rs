//! The whole verification of a plan document.

use std::collections::{BTreeMap, BTreeSet};

use super::fix::TooLarge;
use super::limits::{Limits, Power};
use super::miss::{Miss, Misses};
use super::money;
use super::network::Network;
use super::physical;
use super::rules::Told;
use super::simulate::{Trajectory, balancing, run};
use super::units::{commands, units};
use super::{Case, carried, claims, cuts, failsafe, follow, rules, steered, told};
use crate::bundle::profile::Identity;
use crate::bundle::{Bundle, Document, Names, PlanDocument, Series};
use crate::calendar::{Calendar, Instant};
use crate::diag::codes;
use crate::inputs::OnSteps;
use crate::ir::{Device, Model};
use crate::quantity::Rat;

/// Horizons above this are studies, s.
const STUDY_S: i64 = 7 * 86_400;

/// What a verification came to.
#[derive(Debug, Clone, Default)]
pub struct Verdict {
    /// Everything that does not hold; none: the plan obeys its policy.
    pub misses: Vec<Miss>,
    /// The simulation, where the plan could be simulated at all.
    pub trajectory: Option<Trajectory>,
    /// What the plan has to say of what it does not meet.
    pub told: Told,
    /// Questions asked: steps, devices, statements.
    pub asked: Asked,
}

/// How much was asked.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Asked {
    /// Steps simulated.
    pub steps: usize,
    /// Devices simulated.
    pub devices: u64,
    /// Active effects, totals, obligations and budgets compared with what the plan does.
    pub statements: usize,
}

impl Verdict {
    fn failed(misses: Vec<Miss>) -> Self {
        Self { misses, ..Self::default() }
    }

    /// Whether the plan obeys its policy.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.misses.is_empty()
    }
}

/// Verifies a plan document exactly against the bundle from which it was made. The document's state
/// and given values are taken as they stand in it; whether they are those of the files is asked by
/// [`same_inputs`](super::same_inputs).
#[must_use]
pub fn verify(bundle: &Bundle, plan: &PlanDocument) -> Verdict {
    whole(bundle, plan, false)
}

/// Verifies a plan that does not say yet what it takes for granted and what nobody deciding costs:
/// both are only told.
#[must_use]
pub fn draft(bundle: &Bundle, plan: &PlanDocument) -> Verdict {
    whole(bundle, plan, true)
}

/// What a plan says wrongly of that which its draft did not say yet. Where the draft held, and nothing
/// else was changed since, the plan holds if this finds nothing.
#[must_use]
pub fn completed(plan: &PlanDocument, told: &Told) -> Vec<Miss> {
    let mut out = Misses::default();
    rules::compare(told, plan, &mut out);
    out.into_list()
}

fn whole(bundle: &Bundle, plan: &PlanDocument, draft: bool) -> Verdict {
    let site = &bundle.site;
    let document = document(bundle, plan);
    if !document.is_empty() {
        return Verdict::failed(document);
    }
    let calendar = match Calendar::new(site) {
        Ok(calendar) => calendar,
        Err(finding) => return Verdict::failed(vec![Miss::plan(&site.name, finding.message)]),
    };
    let given = match OnSteps::from_plan(site, plan) {
        Ok(given) => given,
        Err(finding) => return Verdict::failed(vec![Miss::plan("plan", finding.message)]),
    };
    let untrue = given.against_presumptions(site, &plan.state);
    if !untrue.is_empty() {
        let message =
            |name: &String| format!("the plan does not presume of `{name}` what its state and policy say");
        return Verdict::failed(untrue.iter().map(|name| Miss::plan(name, message(name))).collect());
    }
    let (steered, excluded) = (plan.state.steered(site), plan.state.excluded(site));
    let case = Case {
        site,
        steps: &plan.steps,
        given: &given,
        state: &plan.state,
        sessions: &plan.sessions,
        commands: &plan.commands,
        groups: &plan.groups,
        following: &plan.following,
        steered: &steered,
        excluded: &excluded,
    };
    examine(bundle, (plan, draft), &case, &calendar)
}

fn examine(
    bundle: &Bundle,
    (plan, draft): (&PlanDocument, bool),
    case: &Case<'_>,
    calendar: &Calendar,
) -> Verdict {
    let found =
        commands(case).and_then(|commands| run(case, &commands).map(|trajectory| (commands, trajectory)));
    let (commands, trajectory) = match found {
        Ok(found) => found,
        Err(misses) => return Verdict::failed(misses),
    };
    let mut out = Misses::default();
    cuts::check(case, calendar, &mut out);
    carried::intervals(case, calendar, &mut out);
    carried::months(case, calendar, &mut out);
    physical::check(case, &commands, &trajectory, &mut out);
    steered::check(case, &commands, &mut out);
    let units = units(case, &commands);
    let balancing = balancing(case, &commands, &units);
    let roots: Vec<_> = balancing.iter().map(|(_, bus)| *bus).collect();
    let places: Vec<usize> = balancing.iter().map(|(place, _)| *place).collect();
    super::safe_state::check(case, &commands, &trajectory, &places, &mut out);
    for unit in balancing.iter().filter_map(|(place, _)| units.get(*place)) {
        if super::excluded::is(case, unit.first()) {
            let name = case.site.device_name(unit.first());
            let message = format!("`{name}` balances its bus, and the state excludes it");
            out.push("balance", Miss::plan(name, message));
        }
    }
    let by_family =
        balancing.iter().filter_map(|(place, bus)| Some((units.get(*place)?.family, *bus))).collect();
    let mut full = BTreeSet::new();
    match Network::new(case.site, &roots) {
        Err(misses) => misses.into_iter().for_each(|miss| out.push("network", miss)),
        Ok(network) => {
            let limits = Limits::new(case.site, network, by_family).visited(case.sessions);
            if limits_hold(case, &limits, (&trajectory, &places), &mut full, &mut out).is_err()
                || failsafe::check(bundle, case, &limits, &trajectory, &places, &mut out).is_err()
            {
                out.push("range", Miss::plan("plan", "values beyond 10^15 cannot be computed exactly"));
            }
        }
    }
    derived(&trajectory.series(case.site, case.following), &plan.derived, &mut out);
    money::shared_meters(case.site).into_iter().for_each(|miss| out.push("shared meters", miss));
    match money::account(case, calendar, &trajectory) {
        Ok(account) => {
            let priced: Rat = plan.breaches.iter().filter_map(|breach| breach.money.as_ref()).sum();
            for (part, said, computed) in money::differences(&account, &plan.money, priced) {
                let message = format!("the plan says {said} for `{part}` of its money, it is {computed}");
                out.push(&part, Miss::plan("money", message));
            }
        }
        Err(TooLarge) => {
            out.push("money", Miss::plan("money", "money beyond 10^15 cannot be computed exactly"))
        }
    }
    claims::check(case, calendar, &trajectory, plan, &mut out);
    let (statements, told) = rules::check(case, calendar, (plan, draft), (&trajectory, &full), &mut out);
    let devices = trajectory.runs.iter().map(|run| run.unit.count).sum();
    let asked = Asked { steps: case.steps.len(), devices, statements };
    Verdict { misses: out.into_list(), trajectory: Some(trajectory), told, asked }
}

/// Everything about the document itself.
fn document(bundle: &Bundle, plan: &PlanDocument) -> Vec<Miss> {
    let site = &bundle.site;
    let mut out = Vec::new();
    let foreign = |message: String| Miss { code: codes::FOREIGN, ..Miss::plan("plan", message) };
    let wrong = |message: &str| Miss::plan("plan", message);
    if plan.site != site.name {
        out.push(foreign(format!("the plan is for site `{}`, the bundle for `{}`", plan.site, site.name)));
    }
    if plan.bundle != bundle.id {
        out.push(foreign(format!(
            "the plan was made from bundle `{}`, this is bundle `{}`",
            plan.bundle.short(),
            bundle.id().short()
        )));
    }
    if !out.is_empty() {
        return out;
    }
    if plan.state.schema != crate::bundle::State::SCHEMA {
        out.push(wrong("the plan's state is of another schema"));
    }
    for finding in &plan.state.check(site).into_iter().collect::<Vec<_>>() {
        out.push(wrong(&finding.message));
    }
    if plan.timezone != site.timezone {
        out.push(wrong("the plan states another time zone than its policy"));
    }
    if plan.valid != site.valid {
        out.push(wrong("the plan states another validity than its policy"));
    }
    let Some((first, last)) = plan.steps.first().zip(plan.steps.last()) else {
        out.push(wrong("the plan has no steps"));
        return out;
    };
    let joined = plan.steps.windows(2).all(|pair| matches!(pair, [a, b] if a.end == b.start));
    if !joined || plan.steps.iter().any(|step| step.end <= step.start) || first.start != plan.from {
        out.push(wrong("the plan's steps do not follow each other from its beginning"));
        return out;
    }
    if plan.expires > last.end || plan.expires <= plan.from {
        out.push(wrong("the plan expires outside its horizon"));
    }
    if plan.state.at > plan.from {
        out.push(wrong("the plan's state is of an instant after its beginning"));
    }
    if plan.sequence != plan.state.sequence.saturating_add(1) {
        out.push(wrong("the plan's sequence is not one more than the state's"));
    }
    if plan.follows != plan.state.follows {
        out.push(wrong("the plan follows another plan than its state says"));
    }
    if (last.end.since(first.start) > STUDY_S) != plan.study {
        out.push(wrong("plans over more than 7 days are studies, shorter ones are not"));
    }
    if plan.money.currency != site.currency {
        out.push(wrong("the plan's money is in another currency than its policy's"));
    }
    if plan.gap.money.is_negative() || plan.gap.ratio.is_negative() {
        out.push(wrong("the plan states a gap below 0"));
    }
    if !is_tool(&plan.tool) {
        out.push(wrong("the plan does not say which evl made it"));
    }
    inputs(site, plan, &mut out);
    expectations(bundle, plan, &mut out);
    validity(bundle, first.start, last.end, &mut out);
    out
}

/// `evl` with a version of up to three numbers and a word.
fn is_tool(tool: &str) -> bool {
    let Some(version) = tool.strip_prefix("evl ").filter(|version| version.len() <= 40) else { return false };
    let (numbers, word) = version.split_once('-').map_or((version, "x"), |(numbers, word)| (numbers, word));
    let whole = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b".-".contains(&byte);
    numbers.split('.').count() == 3 && numbers.split('.').all(whole) && word.bytes().all(plain)
}

/// Every input is a feed of the policy, and named once.
fn inputs(site: &crate::ir::Site, plan: &PlanDocument, out: &mut Vec<Miss>) {
    let mut known: BTreeSet<String> = site.feeds.iter().map(|feed| format!("feed {}", feed.name)).collect();
    for input in &plan.inputs {
        if !known.remove(&input.name) {
            let message = format!("the plan names an input `{}` that its policy does not have", input.name);
            out.push(Miss::plan(&input.name, message));
        }
    }
}

fn validity(bundle: &Bundle, from: Instant, until: Instant, out: &mut Vec<Miss>) {
    if let Ok(calendar) = Calendar::new(&bundle.site) {
        let (first, end) = calendar.valid();
        if from < first || until > end {
            let message = "the plan reaches beyond the validity of its policy".to_owned();
            out.push(Miss { code: codes::STALE, ..Miss::plan("plan", message) });
        }
    }
}

/// What the plan expects to find is what it was made for, and it expects something of every device that
/// it commands by a profile.
fn expectations(bundle: &Bundle, plan: &PlanDocument, out: &mut Vec<Miss>) {
    let site = &bundle.site;
    let names = Names::new(site);
    let mut met: BTreeSet<Device> = BTreeSet::new();
    for expected in &plan.expect {
        let wrong = |what: &str| {
            Miss::plan(&expected.device, format!("the plan expects {what} of `{}`", expected.device))
        };
        let Some(device) = names.device(&expected.device).filter(|device| met.insert(*device)) else {
            out.push(wrong("something"));
            continue;
        };
        let Some(family) = site.family(device.family) else { continue };
        if expected.profile != family.profile || expected.control != family.control {
            out.push(wrong("another profile or control mode than the policy's"));
        }
        let profile = family.profile.as_ref().and_then(|name| bundle.profiles.get(name));
        let hash = profile.and_then(|p| crate::bundle::Hash::parse(&p.hash()));
        if expected.profile_hash != hash {
            out.push(wrong("another profile than the bundle's"));
        }
        let identity = profile.map(|profile| match profile.identity {
            Identity::None => "none",
            Identity::Points(_) => "registers",
        });
        if expected.identity != identity.unwrap_or("none") {
            out.push(wrong("another proof of identity than its profile's"));
        }
        match (&expected.level, &family.model) {
            (Some(level), Model::Store(store)) => {
                if plan.state.level(site, device).ok().as_ref() != Some(&level.level) {
                    out.push(wrong("another level than its state's"));
                }
                let most = store.capacity.checked_div(&Rat::int(20)).unwrap_or_default();
                if level.tolerance.is_negative() || level.tolerance > most {
                    out.push(wrong("a level within another tolerance than a twentieth of its capacity"));
                }
            }
            (Some(_), _) => out.push(wrong("a level")),
            (None, Model::Store(_)) if family.profile.is_some() => out.push(wrong("no level")),
            (None, _) => {}
        }
    }
    for name in unexpected(bundle, plan, &names, &met) {
        let message = format!("the plan commands `{name}` and does not say what it expects to find there");
        out.push(Miss::plan(name, message));
    }
}

/// Commanded devices with a profile of which nothing is expected.
fn unexpected(bundle: &Bundle, plan: &PlanDocument, names: &Names, met: &BTreeSet<Device>) -> Vec<String> {
    let site = &bundle.site;
    let single = plan.commands.iter().filter_map(|series| names.device(&series.device));
    let groups = plan.groups.iter().filter_map(|series| Some((names.family(&series.family)?, series)));
    let grouped = groups.filter(|(family, _)| family.profile.is_some()).flat_map(|(family, series)| {
        let ranges = series.members.iter().map(|(first, last)| (*first, (*last).min(family.len())));
        ranges.flat_map(|(first, last)| first..=last).map(|index| Device { family: family.id, index })
    });
    let told = plan.commands.iter().filter_map(|series| names.zone(&series.device));
    let steered = site.steered();
    let holders = told.filter_map(|zone| steered.iter().find(|s| s.zone == zone));
    let holders = holders.map(|steered| Device { family: steered.holder, index: 1 });
    let commanded: BTreeSet<Device> = single.chain(grouped).chain(holders).collect();
    let profiled = |device: &&Device| site.family(device.family).is_some_and(|f| f.profile.is_some());
    let missing = commanded.iter().filter(profiled).filter(|device| !met.contains(device));
    missing.map(|device| site.device_name(*device)).collect()
}

/// The planned steps obey every limit of the network. Where those that follow leave no more room is noted.
fn limits_hold(
    case: &Case<'_>,
    limits: &Limits<'_>,
    (trajectory, balancing): (&Trajectory, &[usize]),
    full: &mut told::Full,
    out: &mut Misses,
) -> Result<(), TooLarge> {
    let mut powers = Vec::new();
    for step in 0..case.steps.len() {
        planned(case, limits, trajectory, (balancing, step), &mut powers);
        told::full(case, limits, trajectory, (step, &powers), full)?;
        // where nobody knows what some do, those that follow make it good
        let (apart, kept) = match case.excluded.is_empty() {
            true => (Vec::new(), trajectory.kept_at(step)),
            false => (follow::moved(case, limits, trajectory, step, &powers)?, BTreeMap::new()),
        };
        for excess in limits.check(&powers, &kept)? {
            let miss = Miss::at(step, &excess.of, excess.words())
                .by(excess.statement, excess.span)
                .beyond(excess.by());
            out.push(&excess.what, miss);
        }
        for (follower, excess) in apart {
            out.push(
                &format!("follower {step} {}", excess.what),
                follow::too_far(case, follower, step, &excess),
            );
        }
    }
    Ok(())
}

/// What everything but the balancing devices does in a step.
pub(super) fn planned(
    case: &Case<'_>,
    limits: &Limits<'_>,
    trajectory: &Trajectory,
    (balancing, step): (&[usize], usize),
    out: &mut Vec<Power>,
) {
    out.clear();
    let Some(length) = case.steps.get(step) else { return };
    for (place, run) in trajectory.runs.iter().enumerate() {
        if balancing.contains(&place) {
            continue;
        }
        // members of a unit need not share its power evenly: one on one phase may take all of it
        let single = limits.on_one_phase(&run.unit.members, length.start, length.end);
        let one_phase = (single.min(1), 1);
        if super::excluded::is(case, run.unit.first())
            && let Some(family) = case.site.family(run.unit.family)
        {
            let anywhere = super::excluded::anywhere(family, run, step);
            let power = |(attr, power)| Power { family: family.id, attr, power, one_phase };
            out.extend(anywhere.into_iter().map(power));
            continue;
        }
        for attr in run.powers.keys() {
            let (family, power) = (run.unit.family, run.power(attr, step));
            out.push(Power { family, attr: attr.clone(), power, one_phase });
        }
    }
}

/// The recorded derived values are those of the simulation.
fn derived(computed: &[Series], said: &[Series], out: &mut Misses) {
    for series in computed {
        let found = said.iter().filter(|s| s.of == series.of && s.quantity == series.quantity);
        let mut found = found.peekable();
        let Some(first) = found.next() else {
            out.push(
                "derived",
                Miss::plan(&series.of, format!("the plan does not say what `{}` does", series.of)),
            );
            continue;
        };
        if found.peek().is_some() || first.unit != series.unit || first.values.len() != series.values.len() {
            out.push(
                "derived",
                Miss::plan(&series.of, format!("the plan says wrongly what `{}` does", series.of)),
            );
            continue;
        }
        for (step, (said, computed)) in first.values.iter().zip(&series.values).enumerate() {
            // a value in the middle between two ninth decimals may be recorded as either
            let off = (said - computed).abs();
            if off > Rat::ratio(1, 1_000_000_000).unwrap_or_default() {
                let what = serde_json::to_string(&series.quantity).unwrap_or_default();
                let message = format!(
                    "the plan says {said} {unit} for {} of `{}`, it is {computed} {unit}",
                    what.trim_matches('"'),
                    series.of,
                    unit = series.unit
                );
                out.push(&format!("derived {what}"), Miss::at(step, &series.of, message));
            }
        }
    }
    for series in said {
        if !computed.iter().any(|s| s.of == series.of && s.quantity == series.quantity) {
            let message = format!("the plan says of `{}` what does not follow from it", series.of);
            out.push("derived", Miss::plan(&series.of, message));
        }
    }
}
