//! Phase 6, before the first frame: every state on the way there and back passes the limits.

use std::collections::BTreeMap;

use crate::bundle::profile::{Form, Found, PowerFound, Verb};
use crate::bundle::{Names, PlanDocument, Quantity};
use crate::diag::{Diagnostic, Severity, codes};
use crate::ir::{Attr, Control, Device, FamilyId, Role, Site, Steered};
use crate::quantity::Rat;
use crate::runtime::change::Change;
use crate::runtime::claim::{Claim, Powers, Verifier, worse};
use crate::runtime::judge::Judge;
use crate::runtime::load::Papers;
use crate::runtime::order::{Leg, Move, Way};
use crate::runtime::probe::Subject;
use crate::runtime::report::Report;
use crate::runtime::want::{Setting, Wants};

/// Everything from which the states at both ends of the writes are known.
pub(super) struct Ends<'a> {
    pub(super) papers: &'a Papers,
    pub(super) plan: &'a PlanDocument,
    pub(super) step: usize,
    pub(super) wants: &'a Wants,
    pub(super) changes: &'a [Change],
    pub(super) subjects: &'a [Subject],
    /// devices that are not written and stay as they are
    pub(super) stays: &'a BTreeMap<String, Claim>,
}

impl Ends<'_> {
    /// Powers before and after, with everything that is not written taken as the plan expects it, and
    /// excluded devices at their worst.
    pub(super) fn powers(
        &self,
        judge: &Judge<'_>,
        report: &Report,
    ) -> Result<(Powers, Powers), Box<Diagnostic>> {
        let site = &self.papers.bundle.site;
        let expected = expected(self.plan, self.step, self.papers);
        let excluded = self.plan.state.excluded(site);
        let mut base = Powers::new();
        for device in site.devices() {
            let name = site.device_name(device);
            let subject = self.subjects.iter().find(|s| s.device == device);
            let claim = match (expected.get(&name), subject) {
                (_, Some(subject)) if excluded.contains(&device) => subject.widest(),
                (..) if excluded.contains(&device) => widest(site, device),
                (Some(power), _) => Claim::exactly(power.clone()),
                (None, Some(subject)) => subject.widest(),
                (None, None) => Claim::exactly(Rat::ZERO),
            };
            base.insert(name, claim);
        }
        let (mut found, mut planned, mut likely) = (base.clone(), base.clone(), base);
        for change in self.changes {
            for Leg { device, before, after, .. } in &change.step.legs {
                found.insert(device.clone(), before.clone());
                planned.insert(device.clone(), after.clone());
                // what the plan expects, as far as the command still allows it
                let claim = match expected.get(device) {
                    Some(power) => Claim::exactly(Rat::max_of(&after.lo, &Rat::min_of(power, &after.hi))),
                    None => after.clone(),
                };
                likely.insert(device.clone(), claim);
            }
        }
        let mut nominal = planned.clone();
        for excluded in &report.excluded {
            let Some(subject) = self.subjects.iter().find(|s| s.name == excluded.device) else { continue };
            // what follows its setpoint is then anywhere
            let followers = followers(site, subject);
            if !followers.is_empty() {
                for (machine, widest) in followers {
                    let asked = expected.get(&machine).cloned().map(Claim::exactly);
                    for state in [&mut found, &mut planned, &mut likely] {
                        state.insert(machine.clone(), widest.clone());
                    }
                    nominal.insert(machine, asked.unwrap_or(widest));
                }
                continue;
            }
            let claim = self.stays.get(&excluded.device).cloned().unwrap_or_else(|| subject.widest());
            for state in [&mut found, &mut planned, &mut likely] {
                state.insert(excluded.device.clone(), claim.clone());
            }
            if let Some(settings) = self.wants.devices.get(&excluded.device) {
                nominal.insert(excluded.device.clone(), asked_claim(subject, settings));
            }
        }
        // what keeps a meter may be driven to anything while others change, and where some never do
        let writes = self.changes.iter().any(Change::writes) || !report.excluded.is_empty();
        let at_end = if writes { judge.breaches(&planned) } else { judge.of(&planned) };
        let before = judge.of(&found);
        let objections = worse(&at_end, &before, &judge.of(&nominal));
        if !objections.is_empty() {
            let message = if report.excluded.is_empty() {
                "the plan's step breaks a limit"
            } else {
                "with the excluded devices at their worst case the rest of the plan breaks a limit"
            };
            return Err(Box::new(
                Diagnostic::nowhere(codes::NO_SAFE_ORDER, Severity::Error, message)
                    .because(objections.join("; "))
                    .help("bring the excluded devices back, or plan again without them"),
            ));
        }
        let now = worse(&judge.live(judge.of(&likely)), &before, &before);
        if now.is_empty() {
            return Ok((found, planned));
        }
        Err(Box::new(
            Diagnostic::nowhere(
                codes::LIVE_RULE,
                Severity::Error,
                "the plan does not keep what the rules ask now",
            )
            .because(now.join("; "))
            .help("plan again from a fresh snapshot of the state"),
        ))
    }
}

/// Everything that a device of another host can do, kW into its bus.
fn widest(site: &Site, device: Device) -> Claim {
    let most = |attr: Attr| site.family(device.family).and_then(|f| f.hull(&attr)).map(|(_, most)| most);
    let role = site.family(device.family).map(|family| family.role);
    let (taken, given) = match role {
        Some(Role::Storage) => (most(Attr::Charge), most(Attr::Discharge)),
        Some(Role::Consumer) => (most(Attr::Power), None),
        Some(Role::Producer) => (None, most(Attr::Power)),
        Some(Role::Control | Role::Slot) | None => (None, None),
    };
    Claim { lo: -&taken.unwrap_or_default(), hi: given.unwrap_or_default() }
}

/// The devices that are told to keep a meter in this step, each with everything that it can do.
pub(super) fn keepers(site: &Site, plan: &PlanDocument, step: usize) -> Powers {
    let names = Names::new(site);
    let told = plan.following.iter().filter(|series| series.target(step).is_some());
    let told = told.filter_map(|series| names.device(&series.device));
    let commanded = |device: &Device| {
        let family = site.family(device.family);
        family.is_some_and(|family| family.control == Control::Command && family.profile.is_some())
    };
    told.filter(commanded).map(|device| (site.device_name(device), widest(site, device))).collect()
}

/// The machines that follow the setpoint which a device holds, each with everything that it can do.
fn followers(site: &Site, subject: &Subject) -> Vec<(String, Claim)> {
    let steered = site.steered().into_iter().find(|steered| steered.holder == subject.family.id);
    let machines: Vec<FamilyId> = steered.iter().flat_map(Steered::machines).collect();
    let claim = |family: FamilyId| {
        let most = site.family(family)?.hull(&Attr::Power).map_or(Rat::ZERO, |(_, most)| most);
        let machine = Device { family, index: 1 };
        Some((site.device_name(machine), Claim { lo: -&most, hi: Rat::ZERO }))
    };
    machines.into_iter().filter_map(claim).collect()
}

/// A setpoint moves the machines that follow it: until it is written and read back they may do anything
/// they can, and then they do what the plan expects.
pub(super) fn follow(
    papers: &Papers,
    plan: &PlanDocument,
    step: usize,
    subject: &Subject,
    change: &mut Change,
) {
    let followers = followers(&papers.bundle.site, subject);
    if followers.is_empty() {
        return;
    }
    let (mut expected, settled) = (expected(plan, step, papers), !change.writes());
    let leg = |(device, widest): (String, Claim)| {
        let after = expected.remove(&device).map_or_else(|| widest.clone(), Claim::exactly);
        let before = if settled { after.clone() } else { widest.clone() };
        let under_way = if settled { after.clone() } else { widest };
        Leg { device, before, after, under_way }
    };
    change.step.legs = followers.into_iter().map(leg).collect();
}

/// A device that is told to keep a meter may do anything it can while it is told so, and then does what the
/// plan expects.
pub(super) fn keeps(
    papers: &Papers,
    plan: &PlanDocument,
    step: usize,
    settings: &[Setting],
    change: &mut Change,
) {
    if !settings.iter().any(|setting| setting.verb == Verb::Follow) {
        return;
    }
    let (mut expected, settled) = (expected(plan, step, papers), !change.writes());
    for leg in &mut change.step.legs {
        let Some(after) = expected.remove(&leg.device).map(Claim::exactly) else { continue };
        if settled {
            leg.before = after.clone();
            leg.under_way = after.clone();
        }
        leg.after = after;
    }
}

fn asked_claim(subject: &Subject, settings: &[Setting]) -> Claim {
    let verb = |wanted: Verb| settings.iter().any(|setting| setting.verb == wanted);
    let power = settings.iter().find_map(|setting| {
        let value = setting.value.clone().or((setting.verb == Verb::Idle).then_some(Rat::ZERO))?;
        Some(PowerFound::Commanded { verb: setting.verb, form: setting.form.unwrap_or(Form::Fixed), value })
    });
    let found = Found {
        connected: verb(Verb::Disconnect).then_some(false),
        on: verb(Verb::Off).then_some(false),
        power: power.unwrap_or(PowerFound::Unknown),
        setpoint: None,
    };
    subject.claim(&found, None)
}

/// Signed powers that the plan expects of devices in this step.
fn expected(plan: &PlanDocument, step: usize, papers: &Papers) -> BTreeMap<String, Rat> {
    let names = Names::new(&papers.bundle.site);
    let mut powers: BTreeMap<String, Rat> = BTreeMap::new();
    for series in plan.given.iter().chain(&plan.derived) {
        let Some(value) = series.values.get(step) else { continue };
        let Some(family) = names.device(&series.of).and_then(|d| papers.bundle.site.family(d.family)) else {
            continue;
        };
        let signed = match (series.quantity, family.role) {
            (Quantity::Power, Role::Consumer) | (Quantity::Charge, _) => -value,
            (Quantity::Power, Role::Producer | Role::Storage) | (Quantity::Discharge, _) => value.clone(),
            _ => continue,
        };
        *powers.entry(series.of.clone()).or_default() += &signed;
    }
    powers
}

/// What moves, and in which waves.
pub(super) type Ordered = (Vec<Move>, Vec<Vec<usize>>);

/// Most orders that are tried with a device going in two steps.
const MOST_TRIES: usize = 64;

/// How far two devices go first, in eighths of their ways.
const PAIRS: [(i64, i64); 4] = [(3, 5), (2, 5), (3, 6), (2, 6)];

/// The changes with one device in two steps; `None`: it has no way between.
fn split_one(
    changes: &[Change],
    device: &str,
    eighths: i64,
    split: &impl Fn(&Change, i64) -> Option<(Change, Change)>,
) -> Option<Vec<Change>> {
    let place = changes.iter().position(|change| change.device == device)?;
    let (first, second) = split(changes.get(place)?, eighths)?;
    let mut with = changes.to_vec();
    *with.get_mut(place)? = first;
    with.push(second);
    Some(with)
}

/// A start is large if it takes more than this share of the greatest import.
const LARGE: i64 = 10;

/// Phase 6, before the first frame: the order there, which is also the order back. Where none keeps
/// every limit, a device goes in two steps: `split` gives the changes to and from an intermediate
/// value, which is the share of its way in eighths.
pub(super) fn order(
    site: &Site,
    judge: &Judge<'_>,
    found: &Powers,
    planned: &Powers,
    changes: &mut Vec<Change>,
    split: impl Fn(&Change, i64) -> Option<(Change, Change)>,
) -> Result<Ordered, Box<Diagnostic>> {
    let import = site.families.iter().filter_map(|family| family.hull(&Attr::Import)).map(|(_, hi)| hi).max();
    let large = |change: &Change| {
        let legs = &change.step.legs;
        let rise: Rat = legs.iter().map(|leg| -&leg.after.lo).sum();
        let still = legs.iter().all(|leg| !leg.before.lo.is_negative());
        still && import.as_ref().is_some_and(|import| &rise * &Rat::int(LARGE) > *import)
    };
    let moves_of = |changes: &[Change]| -> Vec<Move> {
        let writing = changes.iter().enumerate().filter(|(_, change)| change.writes());
        let step = |(place, change): (usize, &Change)| Move {
            change: place,
            large: large(change),
            ..change.step.clone()
        };
        writing.map(step).collect()
    };
    let way = Way::new(judge, found, planned);
    let moves = moves_of(changes);
    let stuck = match way.waves(found, &moves) {
        Ok(waves) => return Ok((moves, waves)),
        Err(stuck) => stuck,
    };
    let mut tries = 0;
    // half the way first, then shorter and longer first steps
    for eighths in [4, 2, 6, 1, 7] {
        for name in &stuck.devices {
            tries += 1;
            let Some(with) = split_one(changes, name, eighths, &split) else { continue };
            let moves = moves_of(&with);
            if let Ok(waves) = way.waves(found, &moves) {
                *changes = with;
                return Ok((moves, waves));
            }
            if tries >= MOST_TRIES {
                break;
            }
        }
    }
    // two of them in turn: one goes a little way, the other most of its own, and both then the rest
    let mut tries = 0;
    for (little, most) in PAIRS {
        for one in &stuck.devices {
            for other in stuck.devices.iter().filter(|other| *other != one) {
                tries += 1;
                if tries > MOST_TRIES {
                    break;
                }
                let Some(with) = split_one(changes, one, little, &split)
                    .and_then(|with| split_one(&with, other, most, &split))
                else {
                    continue;
                };
                let moves = moves_of(&with);
                if let Ok(waves) = way.waves(found, &moves) {
                    *changes = with;
                    return Ok((moves, waves));
                }
            }
        }
    }
    let devices: Vec<String> = stuck.devices.iter().map(|device| format!("`{device}`")).collect();
    Err(Box::new(
        Diagnostic::nowhere(
            codes::NO_SAFE_ORDER,
            Severity::Error,
            format!("{} cannot be written in any order that keeps every limit", devices.join(", ")),
        )
        .because(stuck.limits.join("; "))
        .help("plan again from the present state"),
    ))
}
