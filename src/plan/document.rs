//! The plan document: commands, what follows from them by exact simulation, money, reasons, and
//! everything that must be said beside them.

use std::collections::BTreeMap;

use super::effects::Told;
use super::entry::{gap, parts};
use super::goals::{FIRST_SHARE, Gaps, Kind};
use super::prepare::Known;
use super::rounding::Command;
use super::scene::Scene;
use super::solve::Solved;
use super::{breaches, flows, money, reasons};
use crate::bundle::profile::Identity;
use crate::bundle::{
    Bundle, CommandSeries, Document, Expectation, ExpectedLevel, FollowingSeries, Gap, GroupSeries, Hash,
    Money, PlanDocument, Session, Split, Status, Unmanaged, register_step, tool,
};
use crate::calendar::Instant;
use crate::ir::{Attr, Device, Family, Goal, Model, Need, Site, Statement};
use crate::quantity::Rat;
use crate::verify::{self, Case, Miss, Trajectory, simulate};

/// Everything that a document is made from.
#[derive(Clone, Copy)]
pub(super) struct Facts<'f, 'k, 's, 'a> {
    pub(super) bundle: &'f Bundle,
    pub(super) known: &'f Known<'k>,
    pub(super) solved: &'f Solved<'s, 'a>,
    pub(super) commands: &'f [Command],
    pub(super) told: &'f Told,
    pub(super) gaps: Gaps,
    pub(super) study: bool,
    pub(super) expires: Option<Instant>,
}

/// The document, verified.
///
/// # Errors
/// What the verifier finds wrong with the rounded plan.
pub(super) fn assemble(facts: &Facts<'_, '_, '_, '_>) -> Result<PlanDocument, Vec<Miss>> {
    let known = facts.known;
    let sessions = stays(known);
    let (commands, groups, following) = series(facts, &sessions);
    let trajectory = follows(facts, (&commands, &groups, &following), &sessions)?;
    let derived = trajectory.series(known.site, &following);
    let mut sums = money::of(known, &trajectory);
    money::close(&mut sums);
    sums.model_cost = model_cost(facts.solved);
    sums.least_cost = least_cost(facts.solved);
    let gap_money = gap(facts.solved);
    let gap = Gap::of(Rat::from_f64_snapped(gap_money, 9).unwrap_or_default(), &sums);
    let open = first_is_open(facts.solved);
    let status = |money: &Money| status(gap_money, open, money, (known.site, facts.gaps));
    let (until, said) = (known.until(), status(&sums));
    let document = PlanDocument {
        schema: PlanDocument::SCHEMA.to_owned(),
        tool: tool(),
        site: known.site.name.clone(),
        timezone: known.site.timezone.clone(),
        valid: known.site.valid,
        bundle: facts.bundle.id.clone(),
        inputs: known.inputs.files().to_vec(),
        from: known.from(),
        expires: facts.expires.unwrap_or(until).min(until),
        sequence: known.state.sequence.saturating_add(1),
        follows: known.state.follows.clone(),
        expect: expectations(facts, &commands),
        steps: known.steps.clone(),
        commands,
        groups,
        following,
        state: known.state.clone(),
        given: known.on.series(known.site),
        sessions,
        derived,
        flows: flows::of(facts.solved, &trajectory),
        money: sums,
        reasons: reasons::of(facts),
        presumes: known.on.presumes().to_vec(),
        assumptions: Vec::new(),
        overrides: facts.told.overrides.clone(),
        breaches: breaches::granted(facts),
        void: facts.told.void.clone(),
        status: said,
        gap,
        reproducible: !facts.solved.climb.stopped,
        study: facts.study,
        id: Hash::default(),
    }
    .seal();
    let verdict = verify::draft(facts.bundle, &document);
    if verdict.misses.iter().any(|miss| !miss.said) {
        return Err(verdict.misses);
    }
    let measured = !verdict.holds();
    let document = told(document, verdict.told.clone(), measured);
    let document = PlanDocument { status: status(&document.money), ..document }.seal();
    // a draft that held lacked only what is put in now
    let misses = if measured {
        verify::verify(facts.bundle, &document).misses
    } else {
        verify::completed(&document, &verdict.told)
    };
    if misses.is_empty() { Ok(document) } else { Err(misses) }
}

/// What the commands come to; `None` where they fit nothing.
pub(super) fn trajectory(facts: &Facts<'_, '_, '_, '_>) -> Option<Trajectory> {
    let sessions = stays(facts.known);
    let (commands, groups, following) = series(facts, &sessions);
    follows(facts, (&commands, &groups, &following), &sessions).ok()
}

/// Commands of single devices and of sets, and who keeps a meter.
type Series<'t> = (&'t [CommandSeries], &'t [GroupSeries], &'t [FollowingSeries]);

fn follows(
    facts: &Facts<'_, '_, '_, '_>,
    series: Series<'_>,
    sessions: &[Session],
) -> Result<Trajectory, Vec<Miss>> {
    simulate(&case(facts, series, sessions))
}

fn case<'c>(
    facts: &'c Facts<'_, '_, '_, '_>,
    (commands, groups, following): Series<'c>,
    sessions: &'c [Session],
) -> Case<'c> {
    let known = facts.known;
    let (site, steps, given, state) = (known.site, &known.steps, &known.on, known.state);
    let (steered, excluded) = (&facts.solved.model.scene.steered, &facts.solved.model.scene.excluded);
    Case { site, steps, given, state, sessions, commands, groups, following, steered, excluded }
}

/// The document with what the verifier says of it: what it takes for granted and what nobody deciding
/// costs; where rounding changed them, its breaches and reasons as `measured`.
fn told(mut document: PlanDocument, told: verify::Told, measured: bool) -> PlanDocument {
    document.assumptions = told.assumptions;
    document.money.unmanaged = told.unmanaged.as_ref().map(Unmanaged::cost);
    document.money.unmanaged_parts = told.unmanaged;
    if !measured {
        return document;
    }
    document.money.breach = told.breaches.iter().filter_map(|b| b.money.clone()).sum();
    money::close(&mut document.money);
    PlanDocument {
        breaches: told.breaches,
        overrides: told.overrides,
        void: told.void,
        reasons: told.reasons,
        ..document
    }
}

/// The optimum's own cost, unrounded, currency.
pub(super) fn model_cost(solved: &Solved<'_, '_>) -> Option<Rat> {
    Rat::from_f64_snapped(parts(solved).values().sum(), 9)
}

/// The cost of the cheapest plan, where goals after money may spend some of it, currency.
pub(super) fn least_cost(solved: &Solved<'_, '_>) -> Option<Rat> {
    solved.model.scene.site.objective.spent(Goal::Cost)?;
    let constant: f64 = solved.model.constant.values().sum();
    Rat::from_f64_snapped(solved.level(Kind::Money)?.optimum + constant, 9)
}

/// Whether the search for the site's first goal, where that is not money, ended before it was as near to the
/// best as it has to be.
pub(super) fn first_is_open(solved: &Solved<'_, '_>) -> bool {
    let first = solved.model.scene.site.objective.first();
    let level = Some(Kind::Goal(first)).filter(|_| first != Goal::Cost).and_then(|kind| solved.level(kind));
    level.is_some_and(|level| level.gap() > FIRST_SHARE * level.optimum.abs() + 1e-6)
}

/// What a plan may be called whose money lies `gap` currency above the best, unless the search for another first
/// goal is `open`, or rounding spent more than goals after money may.
pub(super) fn status(gap: f64, open: bool, money: &Money, (site, gaps): (&Site, Gaps)) -> Status {
    let beyond = money.beyond(site.objective.spent(Goal::Cost)).to_f64();
    if !open && gap.max(beyond) <= gaps.money + 1e-6 { Status::Optimal } else { Status::Feasible }
}

/// The vehicles' stays that meet the plan.
fn stays(known: &Known<'_>) -> Vec<Session> {
    let meets = |s: &&Session| s.arrival < known.until() && s.departure > known.from();
    known.inputs.sessions().iter().filter(meets).cloned().collect()
}

/// Who keeps a meter at a target.
fn following(facts: &Facts<'_, '_, '_, '_>) -> Vec<FollowingSeries> {
    let site = facts.known.site;
    let series = |following: super::rounding::Following| {
        let family = site.family(following.device.family)?;
        Some(FollowingSeries {
            device: site.device_name(following.device),
            grid: site.device_name(following.grid),
            unit: "kW".to_owned(),
            step: register_step(family, &Attr::Import),
            targets: following.targets,
        })
    };
    super::rounding::following(facts.solved).into_iter().filter_map(series).collect()
}

/// Commands as series, and who keeps a meter: told what still fits where links and buses on the way are full.
fn series(
    facts: &Facts<'_, '_, '_, '_>,
    sessions: &[Session],
) -> (Vec<CommandSeries>, Vec<GroupSeries>, Vec<FollowingSeries>) {
    let (mut commands, groups) = commanded(facts);
    let following = following(facts);
    // commands that fit nothing are refused where they are simulated
    let less = verify::narrowed(&case(facts, (&commands, &groups, &following), sessions)).unwrap_or_default();
    for verify::Less { device, attr, step, count } in less {
        let name = facts.known.site.device_name(device);
        let series = commands.iter_mut().find(|series| series.device == name && series.attr == attr);
        if let Some(slot) = series.and_then(|series| series.counts.get_mut(step)) {
            *slot = count;
        }
    }
    (commands, groups, following)
}

/// Commands as series: single devices one by one, equal ones as a set.
fn commanded(facts: &Facts<'_, '_, '_, '_>) -> (Vec<CommandSeries>, Vec<GroupSeries>) {
    let site = facts.known.site;
    let (mut single, mut groups) = (Vec::new(), Vec::new());
    let steered = &facts.solved.model.scene.steered;
    for command in facts.commands {
        let members =
            facts.solved.model.units.get(command.unit).map(|u| u.members.as_slice()).unwrap_or_default();
        let unit = if command.attr == Attr::On { "" } else { "kW" }.to_owned();
        let one = |device: Device, counts: Vec<i64>| CommandSeries {
            device: site.device_name(device),
            attr: command.attr.clone(),
            form: command.form,
            unit: unit.clone(),
            step: command.step.clone(),
            counts,
        };
        let Some(first) = members.first().copied() else { continue };
        let Some(family) = site.family(first.family) else { continue };
        if command.attr == Attr::Setpoint {
            let zone = steered.iter().find(|steered| steered.moves(family.id));
            let name = zone.and_then(|steered| site.zone(steered.zone)).map(|zone| zone.name.clone());
            single.extend(name.map(|device| CommandSeries {
                device,
                unit: "degC".to_owned(),
                ..one(first, command.counts.clone())
            }));
            continue;
        }
        let decided = matches!(&family.model, Model::Consumer(c) if c.need == Need::None);
        if members.len() == 1 {
            single.push(one(first, command.counts.clone()));
        } else if decided {
            groups.push(GroupSeries {
                family: family.name.clone(),
                members: ranges(members),
                attr: command.attr.clone(),
                form: command.form,
                unit,
                step: command.step.clone(),
                running: running(command),
                totals: command.counts.clone(),
                split: Split::First,
            });
        } else {
            // equal producers and equal needs share evenly, what remains goes to the first
            let n = i64::try_from(members.len()).unwrap_or(i64::MAX);
            for (place, device) in members.iter().enumerate() {
                let place = i64::try_from(place).unwrap_or(i64::MAX);
                let share = |total: &i64| total.div_euclid(n) + i64::from(place < total.rem_euclid(n));
                single.push(one(*device, command.counts.iter().map(share).collect()));
            }
        }
    }
    (single, groups)
}

/// Members that run; none where nothing flows.
fn running(command: &Command) -> Vec<u32> {
    command.counts.iter().zip(&command.running).map(|(total, n)| if *total == 0 { 0 } else { *n }).collect()
}

/// Consecutive members as ranges.
fn ranges(members: &[Device]) -> Vec<(u32, u32)> {
    let mut found: Vec<(u32, u32)> = Vec::new();
    for device in members {
        match found.last_mut() {
            Some((_, last)) if last.checked_add(1) == Some(device.index) => *last = device.index,
            _ => found.push((device.index, device.index)),
        }
    }
    found
}

/// What must be found in the field before anything is written.
fn expectations(facts: &Facts<'_, '_, '_, '_>, commands: &[CommandSeries]) -> Vec<Expectation> {
    let known = facts.known;
    let site = known.site;
    let steered = &facts.solved.model.scene.steered;
    let mut found = Vec::new();
    for device in site.devices() {
        let name = site.device_name(device);
        let Some(family) = site.family(device.family) else { continue };
        let holds = steered.iter().any(|steered| steered.holder == family.id);
        let commanded = holds || commands.iter().any(|c| c.device == name) || in_group(facts, family, device);
        let Some(profile) = family.profile.as_ref().filter(|_| commanded) else { continue };
        let found_profile = facts.bundle.profiles.get(profile);
        let level = match &family.model {
            Model::Store(store) => known.state.level(site, device).ok().map(|level| ExpectedLevel {
                level,
                // a twentieth of what it holds: beyond that the plan no longer fits
                tolerance: &store.capacity * &Rat::ratio(1, 20).unwrap_or_default(),
            }),
            _ => None,
        };
        found.push(Expectation {
            device: name,
            profile: Some(profile.clone()),
            profile_hash: found_profile.and_then(|p| Hash::parse(&p.hash())),
            identity: found_profile
                .map(|p| match p.identity {
                    Identity::None => "none".to_owned(),
                    Identity::Points(_) => "registers".to_owned(),
                })
                .unwrap_or_default(),
            control: family.control,
            level,
        });
    }
    found
}

fn in_group(facts: &Facts<'_, '_, '_, '_>, family: &Family, device: Device) -> bool {
    facts.commands.iter().any(|c| {
        let unit = facts.solved.model.units.get(c.unit);
        unit.is_some_and(|u| u.members.len() > 1 && u.members.contains(&device)) && device.family == family.id
    })
}

/// Margins after these misses (planner.md 20): each statement is tightened by what it missed. One that
/// misses again although it was tightened, or whose miss is no number, is kept a few default register
/// steps tighter as well: less than a register step moves no command.
pub(super) fn tighter(misses: &[Miss], margins: &BTreeMap<Statement, f64>) -> BTreeMap<Statement, f64> {
    let mut missed: BTreeMap<Statement, f64> = BTreeMap::new();
    // what only following leads to is mended by not following
    for miss in misses.iter().filter(|miss| miss.follower.is_none()) {
        let beyond = miss.beyond.as_ref().map_or(0.0, Rat::to_f64).max(0.0);
        if let Some(statement) = miss.statement {
            let most = missed.entry(statement).or_default();
            *most = most.max(beyond);
        }
    }
    let mut next = margins.clone();
    for (statement, beyond) in missed {
        let margin = next.entry(statement).or_insert(0.0);
        let least = match *margin {
            0.0 if beyond > 0.0 => 0.0,
            0.0 => FEW_STEPS,
            before => (3.0 * before).max(FEW_STEPS),
        };
        *margin += beyond.max(least);
    }
    next
}

/// Two default register steps.
const FEW_STEPS: f64 = 0.002;

/// What the fixed needs would cost from the grid, currency.
pub(super) fn gross_needs(scene: &Scene<'_>) -> f64 {
    let price =
        |t: usize| scene.prices.values().filter_map(|p| p.import.get(t).copied()).fold(0.0_f64, f64::max);
    let mut sum = 0.0;
    for family in &scene.site.families {
        let Model::Consumer(consumer) = &family.model else { continue };
        for device in family.all().devices() {
            for t in 0..scene.len() {
                let power = match &consumer.need {
                    Need::Load(s) | Need::Needs(s) => scene.signal(*s, device.index, t),
                    Need::Constant(p) => p.to_f64(),
                    Need::None => 0.0,
                };
                sum += power * scene.hours(t) * price(t);
            }
        }
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ir::BudgetId;

    fn miss(budget: u32, beyond: Option<&str>) -> Miss {
        Miss {
            code: crate::diag::codes::PLAN_VIOLATES,
            step: Some(0),
            steps: 1,
            of: String::new(),
            message: String::new(),
            statement: Some(Statement::Budget(BudgetId(budget))),
            class: None,
            span: None,
            said: false,
            beyond: beyond.map(|text| text.parse().unwrap()),
            follower: None,
        }
    }

    #[test]
    fn a_statement_is_tightened_by_what_it_missed() {
        let of = |margins: &BTreeMap<Statement, f64>, n: u32| {
            margins.get(&Statement::Budget(BudgetId(n))).copied()
        };
        let first = tighter(
            &[miss(0, Some("1.5")), miss(0, Some("0.25")), miss(1, Some("0.0000004")), miss(2, None)],
            &BTreeMap::new(),
        );
        assert_eq!([0, 1, 2, 3].map(|n| of(&first, n)), [Some(1.5), Some(4e-7), Some(0.002), None]);
        // what misses again by as little is kept some register steps away
        let second = tighter(&[miss(1, Some("0.0000004")), miss(2, None)], &first);
        assert_eq!(of(&second, 0), Some(1.5));
        assert!((of(&second, 1).unwrap() - 0.0020004).abs() < 1e-12);
        assert!((of(&second, 2).unwrap() - 0.008).abs() < 1e-12);
        // and what misses by much goes by that much
        let third = tighter(&[miss(1, Some("7"))], &second);
        assert!((of(&third, 1).unwrap() - 7.0020004).abs() < 1e-12);
    }
}
