//! The analysis against brute force: random small policies, written as text, in every environment
//! of a grid on which every threshold of theirs is told apart, judged by the evaluator alone.
//!
//! What the evaluator reports anywhere on the grid must be found; what is found must show
//! somewhere on the grid. A question that is left open is neither, and must stay rare.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;

use super::encode::World;
use super::{CheckInputs, prepare, run};
use crate::calendar::{Calendar, Instant};
use crate::diag::{Severity, codes};
use crate::eval::{Clash, Environment, Evaluator, Instance, Reading};
use crate::ir::{Domain, HeldId, LatchId, OnLoss, SigRef, Site, Value};
use crate::quantity::Rat;
use crate::repo::Repository;
use crate::sema;
use crate::system::MemorySystem;

/// A small generator of numbers, the same on every run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 20).unwrap() % sides
    }

    fn chance(&mut self, percent: usize) -> bool {
        self.roll(100) < percent
    }

    fn pick<'t>(&mut self, of: &[&'t str]) -> &'t str {
        of[self.roll(of.len())]
    }
}

const SITE: &str = r#"edition 2026
site s { timezone "Europe/Berlin", location 52.5 N 13.4 E, currency EUR, step 15 min, horizon 24 h, valid 2026-03-03 .. 2026-03-03, signatures none }
priorities safety > contract > tenant > economy
bus main { ac 400 V, 3 phase }
bus side { ac 400 V, 3 phase }
link cable { main <-> side, capacity 500 kW, efficiency 96 % }
producer grid : grid { on main, import up to 300 kW, export up to 100 kW, tariff flat }
producer solar : pv { on side, rated 20 kW, output feed.sun }
tariff flat { import 0.30 EUR/kWh }
storage pack : battery { on main, capacity 100 kWh, charge up to 10 kW, discharge up to 10 kW, efficiency 95 % / 95 %, charge_level 10 % .. 90 % }
consumer pump : pump { on side, demand 0 kW .. 10 kW }
consumer fan : fan { on main, demand one of { 0 kW, 2 kW, 4 kW .. 5 kW, 8 kW } }
consumer charger[1..3] : ev_charger { on main, demand one of { 0 kW, 1.4 kW .. 11 kW } }
consumer heater : heater { on main, demand one of { 0 kW, 5 kW }, heats rooms, cop 1 }
consumer cooler : hvac { on main, demand one of { 0 kW, 5 kW }, cools rooms, cop 3 }
control smoke : smoke_sensor { reads ppm 0 .. 3, poll 2 s, max_age 6 s }
control lobby : thermostat { controls rooms, poll 30 s, max_age 2 min }
zone rooms { heat_capacity 40 kWh/K, heat_loss 1 kW/K, temperature 18 degC .. 28 degC in economy }
group evs = consumer where kind = ev_charger
group thermal = heater, cooler
weather { temperature 0 degC .. 3 degC, irradiance 0 .. 3 W/m2 }
feed sun { live, max_age 10 min, fallback 0 kW, unit kW, range 0 kW .. 20 kW }
tenant acme { classes tenant, economy, account active until 2027-01-01 }
"#;

/// A random condition. Windows begin and end at 06:00, 12:00 and 18:00, thresholds are 1 and 2.
fn guard(dice: &mut Dice, depth: usize) -> String {
    let op = dice.pick(&[">", ">=", "<", "<=", "="]);
    let bound = dice.pick(&["1", "2"]);
    match dice.roll(if depth == 0 { 4 } else { 7 }) {
        0 => format!("weather.temperature {op} {bound} degC"),
        1 => format!("weather.irradiance {op} {bound} W/m2"),
        2 => format!("smoke.ppm {op} {bound}"),
        3 => format!(
            "during daily {}",
            dice.pick(&["06:00..12:00", "06:00..18:00", "12:00..06:00", "18:00..12:00"])
        ),
        4 => format!("not ({})", guard(dice, depth - 1)),
        5 => format!("({} and {})", guard(dice, depth - 1), guard(dice, depth - 1)),
        _ => format!("({} or {})", guard(dice, depth - 1), guard(dice, depth - 1)),
    }
}

/// A random effect on the devices that a policy is about.
fn effect(dice: &mut Dice, about: usize) -> String {
    let n = dice.roll(11);
    let bound = |dice: &mut Dice, what: &str| {
        if dice.chance(50) {
            format!("limit {what} to {n} kW")
        } else {
            format!("set {what} to at least {n} kW")
        }
    };
    let values = [
        "{ 0 kW, 2 kW }",
        "{ 2 kW, 8 kW }",
        "{ 0 kW, 4 kW .. 5 kW }",
        "{ 2 kW, 4 kW }",
        "{ 0 kW, 8 kW }",
        "{ 4 kW, 8 kW }",
    ];
    match about {
        0 => match dice.roll(6) {
            0 => bound(dice, "fan"),
            1 => format!("turn {} fan", dice.pick(&["on", "off"])),
            2 => format!("{} fan", dice.pick(&["connect", "disconnect"])),
            _ => format!("set fan to one of {}", dice.pick(&values)),
        },
        1 => match dice.roll(6) {
            0 | 1 => bound(dice, "pump"),
            2 => format!("turn {} pump", dice.pick(&["on", "off"])),
            3 => format!("set pump to one of {}", dice.pick(&values)),
            4 => format!(
                "supply pump from {}",
                dice.pick(&["solar, pack", "pack, grid", "grid, solar", "grid", "pack"])
            ),
            _ => format!("never supply pump from {}", dice.pick(&["grid, pack", "solar", "grid", "pack"])),
        },
        2 => match dice.roll(7) {
            0 => format!("limit evs to {} kW together", 3 * n),
            1 => format!("set evs to at least {} kW together", 3 * n + 1),
            2 => bound(dice, "charger[2]"),
            3 => format!("limit charger[1..2] to {} kW together", 2 * n),
            4 => format!("turn {} charger[{}]", dice.pick(&["on", "off"]), 1 + dice.roll(3)),
            _ => format!("{} each", bound(dice, "evs")),
        },
        3 => match dice.roll(6) {
            0 => format!("turn {} heater", dice.pick(&["on", "off"])),
            1 => format!("turn {} cooler", dice.pick(&["on", "off"])),
            2 => format!("set lobby.setpoint to {} degC", 20 + n % 4),
            3 => format!("set rooms.setpoint to at least {} degC", 20 + n % 4),
            4 => format!("hold rooms.temperature at most {} degC", 20 + n % 4),
            _ => format!("turn {} thermal", dice.pick(&["on", "off"])),
        },
        _ => match dice.roll(5) {
            0 => bound(dice, "pack.charge"),
            1 => bound(dice, "pack.discharge"),
            2 => format!("turn {} pack", dice.pick(&["on", "off"])),
            3 => format!("{} pack", dice.pick(&["connect", "disconnect"])),
            _ => format!("set pack.charge to one of {}", dice.pick(&values)),
        },
    }
}

fn rule(dice: &mut Dice, name: &str, class: &str, about: usize) -> String {
    let mut text = format!("rule {name} in {class} {{ ");
    let mut when = String::new();
    if dice.chance(75) {
        when = guard(dice, 1);
        let _ = write!(text, "when {when}");
        if dice.chance(10) {
            text.push_str(" for 1 h");
        }
        if dice.chance(20) {
            let _ = write!(text, " until {}", guard(dice, 0));
        }
    }
    if when.contains("smoke") && dice.chance(60) {
        let _ = write!(text, " on loss {}", dice.pick(&["active", "inactive", "hold 5 min", "hold 5 min"]));
    }
    text.push_str(" then ");
    if about == 2 && dice.chance(20) {
        let (n, verb) = (dice.roll(11), dice.pick(&["limit c to", "set c to at least"]));
        return format!(
            "rule {name} in {class} {{ for each c in evs {}",
            &text[text.find('{').unwrap() + 1..]
        ) + &format!("{verb} {n} kW }}\n");
    }
    text.push_str(&effect(dice, about));
    if dice.chance(15) {
        let _ = write!(text, ", {}", effect(dice, about));
    }
    text.push_str(" }\n");
    text
}

/// Texts of the site's and the tenant's file.
fn policy(dice: &mut Dice) -> (String, String) {
    let (mut site, mut tenant) = (SITE.to_owned(), String::new());
    let (mut about, mixed) = (dice.roll(5), dice.chance(25));
    for n in 0..3 + dice.roll(3) {
        if mixed {
            about = dice.roll(5);
        }
        if dice.chance(15) {
            let class = dice.pick(&["tenant", "economy"]);
            tenant += &rule(dice, &format!("t{n}"), class, about);
        } else {
            let class = dice.pick(&["safety", "contract", "economy", "economy"]);
            site += &rule(dice, &format!("r{n}"), class, about);
        }
    }
    if !tenant.is_empty() {
        let window = dice.pick(&["", " during daily 06:00..18:00"]);
        for what in ["set", "limit", "turn on", "turn off", "connect", "disconnect", "supply"] {
            if dice.chance(80) {
                let _ = writeln!(site, "permit tenant acme to {what} any device{window}");
            }
        }
        site += "permit tenant acme to read smoke.*\n";
    }
    (site, tenant)
}

/// The compiled policy; `None` where the random text means nothing (an effect that its target has
/// not, a tenant in a class that is not its own).
fn compile((site, tenant): &(String, String)) -> Option<Site> {
    let mut system = MemorySystem::new().file("site/policy.evl", site);
    if !tenant.is_empty() {
        system = system.file("site/tenants/acme/rules.evl", tenant);
    }
    let repository = Repository::open(&system, Path::new("site")).unwrap();
    let compiled = sema::compile(&repository);
    let errors: Vec<_> = compiled.findings.iter().filter(|f| f.severity == Severity::Error).collect();
    let syntax = errors.iter().find(|f| f.code.to_string().starts_with("EVL00"));
    assert!(syntax.is_none(), "{syntax:#?}\n{site}{tenant}");
    compiled.site
}

/// Every environment of the grid, with the memory that the evaluator reaches.
fn environments(site: &Site, evaluator: &Evaluator, calendar: &Calendar) -> Vec<Environment> {
    let read = format!("{:?}", site.rules);
    let (from, _) = calendar.valid();
    let mut all: Vec<Environment> =
        (0..4).map(|quarter| Environment::new(Instant(from.0 + quarter * 6 * 3600 + 3 * 3600))).collect();
    for signal in &site.signals {
        let of = SigRef::Only(signal.id);
        let is_read = read.contains(&format!("{of:?}"));
        let Domain::Interval { lo, .. } = &signal.domain else { continue };
        let mut values: Vec<Reading> = (0..if is_read { 5 } else { 1 })
            .map(|at| Rat::ratio([0, 2, 3, 4, 6][at], 2).unwrap())
            .map(|offset| Reading::Known(Value::Number(lo + &offset)))
            .collect();
        if is_read && signal.reading.is_some() {
            values.push(Reading::Unknown);
        }
        all = all
            .iter()
            .flat_map(|env| values.iter().map(|v| (env.clone(), v.clone())))
            .map(|(mut env, value)| {
                env.values.insert(of.clone(), value);
                env
            })
            .collect();
    }
    let held: Vec<HeldId> = site.held.iter().map(|held| held.id).collect();
    for bit in held {
        let with = all.iter().cloned().map(|mut env| {
            env.held.insert(bit);
            env
        });
        let with: Vec<Environment> = with.collect();
        all.extend(with);
    }
    for rule in site.rules.iter().filter(|rule| matches!(rule.on_loss, OnLoss::Hold(_))) {
        let members = rule.for_each.and_then(|group| site.group(group));
        let members: Vec<_> = members.map_or(vec![None], |group| group.devices().map(Some).collect());
        for member in members {
            let instance = Instance { rule: rule.id, member };
            let both = |env: &Environment| {
                [false, true].map(|last| {
                    let mut env = env.clone();
                    env.last_known.insert(instance, last);
                    env
                })
            };
            all = all.iter().flat_map(both).collect();
        }
    }
    let mut vectors: BTreeSet<BTreeSet<LatchId>> = BTreeSet::from([BTreeSet::new()]);
    let mut open: Vec<BTreeSet<LatchId>> = vectors.iter().cloned().collect();
    while let Some(vector) = open.pop().filter(|_| !site.latches.is_empty()) {
        for env in &all {
            let env = Environment { latches: vector.clone(), ..env.clone() };
            let next = evaluator.step_latches(&env, &BTreeSet::new());
            if vectors.insert(next.clone()) {
                open.push(next);
            }
        }
    }
    let with = |vector: &BTreeSet<LatchId>| -> Vec<Environment> {
        all.iter().map(|env| Environment { latches: vector.clone(), ..env.clone() }).collect()
    };
    vectors.iter().flat_map(with).collect()
}

/// A clash as both sides name it: its code, rules and effects.
type Named = (String, BTreeSet<(u32, u32)>);

/// Every clash that the evaluator reports on the grid, and of those that must be found an
/// environment.
fn by_brute_force(
    site: &Site,
    evaluator: &Evaluator,
    calendar: &Calendar,
) -> (BTreeSet<Named>, BTreeMap<Named, Environment>) {
    let (mut all, mut must) = (BTreeSet::new(), BTreeMap::new());
    for env in environments(site, evaluator, calendar) {
        let decision = evaluator.evaluate(&env);
        for conflict in &decision.conflicts {
            let code = match conflict.clash {
                Clash::BeyondDevice => codes::BEYOND_DEVICE,
                Clash::Opposed => codes::OPPOSED_EFFECTS,
                Clash::Contradiction | Clash::JointMiss => codes::CONTRADICTION,
            };
            // a clash that stands only because of another one that is reported with it may be gone
            // once that is mended
            let first = decision.conflicts.iter().position(|c| c.class == conflict.class);
            let is_first = first.is_some_and(|at| std::ptr::eq(&decision.conflicts[at], conflict));
            let above = decision.conflicts.iter().any(|c| c.class < conflict.class);
            let effects = conflict.effects.iter().map(|e| (e.instance.rule.0, e.index)).collect();
            let named: Named = (code.to_string(), effects);
            if !above && (is_first || conflict.clash != Clash::JointMiss) {
                must.entry(named.clone()).or_insert_with(|| env.clone());
            }
            all.insert(named);
        }
    }
    (all, must)
}

fn agrees(text: &(String, String), wrong: &mut Vec<String>) -> Option<(usize, usize)> {
    let site = compile(text)?;
    let calendar = Calendar::new(&site).unwrap();
    let policy = prepare(&site, World::new(&site, &calendar), &CheckInputs::default());
    assert!(policy.refused.is_empty());
    let (_, answers, _) = run::answers(&policy.ground, &policy.index);
    let mut found: BTreeSet<Named> = BTreeSet::new();
    let mut open = 0;
    let shown = |what: &str| format!("{what}\n{}{}", &text.0[SITE.len()..], text.1);
    for one in answers {
        let code = one.finding.code;
        if code == codes::INTERNAL {
            wrong.push(shown(&format!("{} {:?} {:?}", one.finding.message, one.finding.notes, one.effects)));
        } else if code == codes::OPEN_QUESTION {
            open += 1;
        } else {
            found.insert((code.to_string(), one.effects.into_iter().collect()));
        }
    }
    let (grid, must) = by_brute_force(&site, &policy.ground.evaluator, &calendar);
    for (named, env) in &must {
        if open == 0 && !found.contains(named) {
            wrong.push(shown(&format!("missed {named:?} in {env:?}, found {found:?}")));
        }
    }
    for named in &found {
        if !grid.contains(named) {
            wrong.push(shown(&format!("no such clash {named:?}; on the grid {grid:?}")));
        }
    }
    Some((grid.len(), open))
}

#[test]
fn brute_force_finds_the_same() {
    let wanted = option_env!("EVL_ORACLE").and_then(|n| n.parse().ok()).unwrap_or(60);
    let mut dice = Dice(0x0dac_1e00_2026);
    let (mut tried, mut meaningless, mut clashes, mut open) = (0, 0, 0, 0);
    let mut wrong = Vec::new();
    while tried < wanted && wrong.len() < 5 {
        let text = policy(&mut dice);
        let Some((found, undecided)) = agrees(&text, &mut wrong) else {
            meaningless += 1;
            assert!(meaningless < 10 + 4 * tried, "{}{}", text.0, text.1);
            continue;
        };
        tried += 1;
        clashes += found;
        open += undecided;
    }
    assert!(wrong.is_empty(), "{} of {tried} policies: {}", wrong.len(), wrong.join("\n====\n"));
    assert!(clashes > wanted / 2, "the policies are too tame: {clashes}");
    assert!(open * 20 <= wanted, "too much is left open: {open}");
}
