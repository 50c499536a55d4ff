//! The law of guards on what the plan decides: whatever rules read - flows, levels, temperatures, with
//! thresholds that nothing reaches or nothing misses, memory and `for` - no choice of commands on a
//! coarse grid that obeys them does better than the plan, class by class. What commands come to is
//! worked out here anew, in a few lines.

use evl::ir::Attr;
use evl::system::MemorySystem;
use proptest::prelude::*;

const SITE: &str = r#"
edition 2026
site corner {
  timezone "UTC", currency EUR, step 60 min, horizon 3 h, valid 2026-01-01 .. 2026-12-31, signatures none
}
priorities safety > contract > comfort > economy
bus main { ac 400 V, 3 phase }
producer utility : grid { on main, import up to IMPORT kW, export up to 5 kW, tariff flat }
consumer house : load { on main, load 1 kW }
consumer car : ev_charger { on main, demand CAR }
consumer fan : load { on main, demand 0 kW .. 4 kW }
consumer heater : boiler { on main, demand HEATER, heats den, cop 1 }
storage pack : battery {
  on main, capacity 10 kWh, charge up to 5 kW, discharge up to 5 kW, efficiency 90 % / 90 %, end free
}
zone den { heat_capacity 4 kWh/K, heat_loss 0.2 kW/K, temperature 19 degC .. 24 degC in comfort }
weather { temperature OUT degC .. OUT degC }
tariff flat {
  import { P0 EUR/kWh during daily 00:00..01:00, P1 EUR/kWh during daily 01:00..02:00, P2 EUR/kWh otherwise }
  export EX EUR/kWh
}
rule trip in economy { deliver TRIP kWh to car between 00:00 and 03:00 daily }
rule wish in economy { preferably limit car to WISH kW }
"#;

/// A battery whose registers count in 0.1 kW.
const COARSE_PACK: &str = "profile: coarse/pack\nclass: storage\nfunction: battery\nidentity: none\npoints:\n  \
    charge: { at: holding 0, type: uint16, unit: kW, scale: 0.1, write: true, range: 0 .. 50 }\n  \
    discharge: { at: holding 1, type: uint16, unit: kW, scale: 0.1, write: true, range: 0 .. 50 }\ncommands:\n  \
    - { do: charge, forms: [fixed], set: [discharge = 0, charge = value], stays: true }\n  \
    - { do: idle, set: [discharge = 0, charge = 0], stays: true }\n  \
    - { do: discharge, forms: [fixed], set: [charge = 0, discharge = value], stays: true }\n";

/// A machine whose register counts in 0.1 kW.
fn coarse(name: &str) -> String {
    let function = if name == "car" { "ev_charger" } else { "boiler" };
    format!(
        "profile: coarse/{name}\nclass: consumer\nfunction: {function}\nidentity: none\npoints:\n  \
         power: {{ at: holding 0, type: uint16, unit: kW, scale: 0.1, write: true, range: 0 .. 100 }}\ncommands:\n  \
         - {{ do: power, forms: [fixed], set: [power = value], stays: true }}\n"
    )
}

/// What a guard compares.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Of {
    Import,
    Export,
    Charge,
    Discharge,
    Car,
    Heater,
    Level,
    Warmth,
}

const ALL: [Of; 8] =
    [Of::Import, Of::Export, Of::Charge, Of::Discharge, Of::Car, Of::Heater, Of::Level, Of::Warmth];

/// A comparison with a threshold.
#[derive(Debug, Clone, Copy)]
struct Test {
    of: Of,
    op: &'static str,
    /// As a share of 12 in the quantity's range and a little beyond it.
    at: u32,
}

impl Test {
    /// The threshold in kW, kWh or K above 19 degC.
    fn threshold(self) -> f64 {
        let at = f64::from(self.at);
        match self.of {
            Of::Level => at / 1.2,
            Of::Warmth => at / 2.0,
            _ => at,
        }
    }

    fn text(self) -> String {
        let (op, at) = (self.op, self.at);
        match self.of {
            Of::Import => format!("utility.import {op} {at} kW"),
            Of::Export => format!("utility.export {op} {at} kW"),
            Of::Charge => format!("pack.charge {op} {at} kW"),
            Of::Discharge => format!("pack.discharge {op} {at} kW"),
            Of::Car => format!("car.power {op} {at} kW"),
            Of::Heater => format!("heater.power {op} {at} kW"),
            Of::Level => format!("pack.charge_level {op} {} %", rational(at * 1000, 120)),
            Of::Warmth => format!("den.temperature {op} {} degC", rational(38 + at, 2)),
        }
    }

    /// Whether it holds; `None` so near the threshold that registers decide.
    fn holds(self, now: &Now) -> Option<bool> {
        let (value, near): (f64, f64) = match self.of {
            Of::Import => (now.net.max(0.0), 0.004),
            Of::Export => ((-now.net).max(0.0), 0.004),
            Of::Charge => (now.pack.max(0.0), 0.004),
            Of::Discharge => ((-now.pack).max(0.0), 0.004),
            Of::Car => (now.car, 0.004),
            Of::Heater => (now.heater, 0.004),
            Of::Level => (now.level, 0.04),
            Of::Warmth => (now.warmth, 0.2),
        };
        let near = if now.coarse { 30.0 * near.min(0.02) } else { near };
        let beyond = value - self.threshold();
        // what follows from commands meets its threshold only where it is nothing at all
        let follows = matches!(self.of, Of::Import | Of::Export | Of::Level | Of::Warmth);
        let touches = beyond.abs() < 1e-9 && !(follows && value > 0.0);
        if !touches && beyond.abs() < near {
            return None;
        }
        Some(match self.op {
            ">" => beyond > 0.0 && !touches,
            ">=" => beyond > 0.0 || touches,
            "<" => beyond < 0.0 && !touches,
            _ => beyond < 0.0 || touches,
        })
    }
}

/// `over / under` in decimals that are exact here or near enough.
fn rational(over: u32, under: u32) -> String {
    format!("{:.6}", f64::from(over) / f64::from(under))
        .trim_end_matches('0')
        .trim_end_matches('.')
        .to_owned()
}

/// How two comparisons make a guard.
#[derive(Debug, Clone, Copy)]
enum Join {
    One,
    Both,
    Either,
    Not,
}

/// What a rule does.
#[derive(Debug, Clone, Copy)]
enum Act {
    Car(u32),
    NoCar,
    Charge(u32),
    Discharge(u32),
    NoHeater,
    Fan,
}

#[derive(Debug, Clone)]
struct Rule {
    tests: [Test; 2],
    join: Join,
    /// Hours for which the guard has to have held.
    held: usize,
    until: Option<Test>,
    act: Act,
}

impl Rule {
    fn text(&self, name: &str) -> String {
        let [a, b] = self.tests.map(Test::text);
        let guard = match self.join {
            Join::One => a,
            Join::Both => format!("{a} and {b}"),
            Join::Either => format!("{a} or {b}"),
            Join::Not => format!("not ({a})"),
        };
        let held = if self.held > 0 { format!(" for {} h", self.held) } else { String::new() };
        let until = self.until.map_or(String::new(), |test| format!(" until {}", test.text()));
        let act = match self.act {
            Act::Car(to) => format!("limit car to {to} kW"),
            Act::NoCar => "turn off car".to_owned(),
            Act::Charge(to) => format!("limit pack.charge to {to} kW"),
            Act::Discharge(to) => format!("limit pack.discharge to {to} kW"),
            Act::NoHeater => "turn off heater".to_owned(),
            Act::Fan => "limit fan at least 2 kW".to_owned(),
        };
        format!("rule {name} in contract {{ when {guard}{held}{until} then {act} }}\n")
    }

    fn guard(&self, now: &Now) -> Option<bool> {
        let (a, b) = (self.tests[0].holds(now), self.tests[1].holds(now));
        match self.join {
            Join::One => a,
            Join::Not => a.map(|a| !a),
            Join::Both if a == Some(false) || b == Some(false) => Some(false),
            Join::Either if a == Some(true) || b == Some(true) => Some(true),
            Join::Both | Join::Either => a.and(b),
        }
    }
}

/// A random case.
#[derive(Debug, Clone)]
struct Case {
    import: u32,
    prices: [i32; 3],
    export: i32,
    level: u32,
    warmth: u32,
    outside: u32,
    whole: bool,
    switched: bool,
    trip: u32,
    wish: u32,
    /// Registers count in 0.1 kW.
    coarse: bool,
    rules: Vec<Rule>,
}

fn tests() -> impl Strategy<Value = Test> {
    let ops = prop::sample::select(vec![">", ">=", "<", "<="]);
    (prop::sample::select(ALL.to_vec()), ops, 0_u32..=13).prop_map(|(of, op, at)| {
        // a level lies within the store, and nobody writes a flow of less than nothing
        let at = if of == Of::Level { at.min(12) } else { at };
        Test { of, op, at }
    })
}

fn rules() -> impl Strategy<Value = Rule> {
    let join = prop_oneof![
        4 => Just(Join::One), 1 => Just(Join::Both), 1 => Just(Join::Either), 1 => Just(Join::Not)
    ];
    let act = prop_oneof![
        (0_u32..6).prop_map(Act::Car),
        Just(Act::NoCar),
        (0_u32..4).prop_map(Act::Charge),
        (0_u32..4).prop_map(Act::Discharge),
        Just(Act::NoHeater),
        Just(Act::Fan),
    ];
    let until = prop_oneof![2 => Just(None), 1 => tests().prop_map(Some)];
    let held = prop_oneof![3 => Just(0_usize), 1 => 1_usize..=2];
    ((tests(), tests()), join, held, until, act).prop_map(|((a, b), join, held, until, act)| Rule {
        tests: [a, b],
        join,
        held,
        until,
        act,
    })
}

fn cases() -> impl Strategy<Value = Case> {
    let prices = prop::array::uniform3(-10_i32..50);
    let rules = prop::collection::vec(rules(), 1..=3);
    // outside as warm as the band's edge, a zone at it stays there but for the last digit
    let present = ((0_u32..=20), (0_u32..=10), (0_u32..=18));
    let forms = (any::<bool>(), any::<bool>(), any::<bool>());
    ((8_u32..20, prices, -5_i32..30), present, forms, (2_u32..28, 2_u32..10), rules).prop_map(
        |(
            (import, prices, export),
            (level, warmth, outside),
            (whole, switched, coarse),
            (trip, wish),
            rules,
        )| Case {
            import,
            prices,
            export,
            level,
            warmth,
            outside,
            whole,
            switched,
            trip: trip.min(3 * (import - 3)),
            wish,
            coarse,
            rules,
        },
    )
}

fn cents(value: i32) -> String {
    format!("{}{}.{:02}", if value < 0 { "-" } else { "" }, value.abs() / 100, value.abs() % 100)
}

fn policy(case: &Case) -> String {
    let mut text = SITE
        .replace("IMPORT", &case.import.to_string())
        .replace("CAR", if case.whole { "one of { 0 kW, 3 kW .. 10 kW }" } else { "0 kW .. 10 kW" })
        .replace("HEATER", if case.switched { "one of { 0 kW, 4 kW }" } else { "0 kW .. 4 kW" })
        .replace("OUT", &case.outside.to_string())
        .replace("P0", &cents(case.prices[0]))
        .replace("P1", &cents(case.prices[1]))
        .replace("P2", &cents(case.prices[2]))
        .replace("EX EUR", &format!("{} EUR", cents(case.export)))
        .replace("TRIP", &case.trip.to_string())
        .replace("WISH", &case.wish.to_string());
    if case.coarse {
        for (kind, profile) in [("battery", "pack"), ("boiler", "boiler"), ("ev_charger", "car")] {
            let register = format!(": {kind} {{ gateway plant, profile \"coarse/{profile}\",");
            text = text.replace(&format!(": {kind} {{"), &register);
        }
        text += "gateway plant\n";
    }
    for (n, rule) in case.rules.iter().enumerate() {
        text += &rule.text(&format!("guarded_{n}"));
    }
    text
}

/// A step as guards see it: states at its beginning, flows in it.
#[derive(Debug, Clone, Copy)]
struct Now {
    net: f64,
    pack: f64,
    car: f64,
    heater: f64,
    /// kWh.
    level: f64,
    /// K above 19 degC.
    warmth: f64,
    /// Registers count in 0.1 kW.
    coarse: bool,
}

/// What commands come to: K h outside the band, kWh not delivered, kWh above the wish, money.
#[derive(Debug, Clone, Copy, Default)]
struct Score {
    cold: f64,
    missing: f64,
    above: f64,
    money: f64,
}

impl Score {
    /// Better by more than rounding to registers and the optimiser's gap can explain.
    fn beats(self, other: Self, coarse: bool) -> bool {
        let (rounded, paid) = if coarse { (0.5, 0.3) } else { (0.1, 0.05) };
        let tiers = [
            (self.cold, other.cold, rounded / 10.0),
            (self.missing, other.missing, rounded),
            (self.above, other.above, rounded),
        ];
        for (ours, theirs, near) in tiers {
            if ours > theirs + 1e-9 || ours < theirs - near {
                return ours < theirs;
            }
        }
        self.money < other.money - paid
    }
}

/// Commands of one step, kW: net power of the pack, car, heater, fan.
type Commands = [f64; 4];

/// The states between two steps, with what has come together so far.
#[derive(Debug, Clone)]
struct Path {
    level: f64,
    warmth: f64,
    score: Score,
    got: f64,
    coarse: bool,
    /// By rule: whether it was active, and since when its guard has held.
    memory: Vec<(bool, usize)>,
}

impl Path {
    fn new(case: &Case) -> Self {
        Self {
            level: f64::from(case.level) / 2.0,
            warmth: f64::from(case.warmth) / 2.0,
            score: Score::default(),
            got: 0.0,
            coarse: case.coarse,
            memory: vec![(false, 0); case.rules.len()],
        }
    }

    fn now(&self, [pack, car, heater, fan]: Commands) -> Now {
        Now {
            net: 1.0 + car + pack + heater + fan,
            pack,
            car,
            heater,
            level: self.level,
            warmth: self.warmth,
            coarse: self.coarse,
        }
    }

    /// Which rules are active in a step; `None` where registers would decide.
    fn rules(&mut self, case: &Case, now: &Now) -> Option<Vec<bool>> {
        let mut active = Vec::new();
        for (rule, (before, since)) in case.rules.iter().zip(&mut self.memory) {
            // the guard has held at so many beginnings before this one
            let holds = rule.guard(now)?;
            let long = holds && *since >= rule.held;
            *since = if holds { *since + 1 } else { 0 };
            let latched = match &rule.until {
                Some(until) if *before && !long => !until.holds(now)?,
                _ => false,
            };
            *before = long || latched;
            active.push(*before);
        }
        Some(active)
    }

    /// The next step; `None` where physics does not allow it.
    fn step(&mut self, case: &Case, t: usize, commands: Commands) -> Option<()> {
        let [pack, car, ..] = commands;
        let now = self.now(commands);
        self.level += if pack >= 0.0 { pack * 0.9 } else { pack / 0.9 };
        let fits = (-1e-6..=10.0 + 1e-6).contains(&self.level)
            && now.net <= f64::from(case.import) + 1e-6
            && now.net >= -5.0 - 1e-6;
        if !fits {
            return None;
        }
        let keeps = (-0.2_f64 / 4.0).exp();
        let rest = f64::from(case.outside) - 19.0 + now.heater / 0.2;
        self.warmth = keeps * self.warmth + (1.0 - keeps) * rest;
        let price = if now.net >= 0.0 { case.prices[t] } else { case.export };
        self.score.money += now.net * f64::from(price) / 100.0;
        self.score.cold += (-self.warmth).max(self.warmth - 5.0).max(0.0);
        self.score.above += (car - f64::from(case.wish)).max(0.0);
        self.got += car;
        self.score.missing = (f64::from(case.trip) - self.got).max(0.0);
        Some(())
    }

    /// Whether active rules allow the commands; a fan that no rule asks for stands still.
    fn allowed(case: &Case, active: &[bool], [pack, car, heater, fan]: Commands) -> bool {
        let mut blown = false;
        let kept =
            (case.rules.iter().zip(active)).filter(|(_, active)| **active).all(|(rule, _)| match rule.act {
                Act::Car(to) => car <= f64::from(to),
                Act::NoCar => car == 0.0,
                Act::Charge(to) => pack <= f64::from(to),
                Act::Discharge(to) => -pack <= f64::from(to),
                Act::NoHeater => heater == 0.0,
                Act::Fan => {
                    blown = true;
                    fan == 2.0
                }
            });
        kept && (blown || fan == 0.0)
    }
}

/// The best commands of the grid from a path on that beat `planned`.
fn better(
    case: &Case,
    path: &Path,
    options: &[Commands],
    so_far: &mut Vec<Commands>,
    planned: Score,
) -> Option<Score> {
    let t = so_far.len();
    if t == 3 {
        return path.score.beats(planned, case.coarse).then_some(path.score);
    }
    for commands in options {
        let mut next = path.clone();
        let now = next.now(*commands);
        let Some(active) = next.rules(case, &now) else { continue };
        if !Path::allowed(case, &active, *commands) || next.step(case, t, *commands).is_none() {
            continue;
        }
        // within the last digit of the band's edge a zone counts as outside it
        if next.warmth.abs() < 1e-9 || (next.warmth - 5.0).abs() < 1e-9 {
            continue;
        }
        so_far.push(*commands);
        if let Some(found) = better(case, &next, options, so_far, planned) {
            return Some(found);
        }
        so_far.pop();
    }
    None
}

/// That no choice of commands on the grid is better than the plan.
fn unbeaten(case: &Case) -> Result<(), TestCaseError> {
    let system = MemorySystem::new()
        .file("site/site.evl", policy(case).as_str())
        .file("site/profiles/coarse/pack.yaml", COARSE_PACK)
        .file("site/profiles/coarse/boiler.yaml", coarse("boiler"))
        .file("site/profiles/coarse/car.yaml", coarse("car"))
        .file("site/evl.yaml", "site: corner\n");
    let state = format!(
        r#"{{"schema": "evl.state/1", "site": "corner", "at": "2026-03-02T00:00:00Z",
             "levels": {{"pack": "{} %"}}, "temperatures": {{"den": "{} degC"}},
             "signals": {{"weather.temperature": "{} degC"}}}}"#,
        case.level * 5,
        rational(38 + case.warmth, 2),
        case.outside
    );
    let made = super::try_planned(&system, "2026-03-02T00:00:00Z", &state);
    let plan = match made {
        Ok(plan) => plan,
        // what reads what it commands itself has no meaning to hold a plan against
        Err(failure) if super::words(&failure.findings).starts_with("EVL1011") => return Ok(()),
        Err(failure) => {
            let words = super::words(&failure.findings);
            return Err(TestCaseError::fail(format!("{words}\n{}\n{state}", policy(case))));
        }
    };
    let power = |device: &str, attr: Attr, t: usize| {
        plan.command(device, &attr).and_then(|series| series.value(t)).map_or(0.0, |v| v.to_f64())
    };
    let mut path = Path::new(case);
    for t in 0..3 {
        let pack = power("pack", Attr::Charge, t) - power("pack", Attr::Discharge, t);
        let car = power("car", Attr::Power, t);
        // what is on or off is commanded so, unless its register takes a power
        let heater = match plan.command("heater", &Attr::On) {
            Some(_) => 4.0 * power("heater", Attr::On, t),
            None => power("heater", Attr::Power, t),
        };
        let commands = [pack, car, heater, power("fan", Attr::Power, t)];
        prop_assert!(path.step(case, t, commands).is_some(), "the plan is no plan: {commands:?}");
    }
    // what the plan as a whole leaves no room for is a breach too
    let kept =
        plan.breaches.iter().all(|b| b.class != "contract") && plan.overrides.iter().all(|o| o.by.is_empty());
    let planned = if kept { path.score } else { Score { cold: f64::INFINITY, ..path.score } };
    let cars: &[f64] = &[0.0, f64::from(case.wish).max(3.0), 3.0, 5.0, 10.0];
    let heaters: &[f64] = if case.switched { &[0.0, 4.0] } else { &[0.0, 2.0, 4.0] };
    let mut options: Vec<Commands> = Vec::new();
    for pack in [-5.0, -2.5, -1.0, 0.0, 2.5, 5.0] {
        for car in cars {
            for heater in heaters {
                options.extend([0.0, 2.0].map(|fan| [pack, *car, *heater, fan]));
            }
        }
    }
    let mut commands = Vec::new();
    if let Some(score) = better(case, &Path::new(case), &options, &mut commands, planned) {
        prop_assert!(false, "{score:?} by {commands:?} beats {planned:?}\n{}", policy(case));
    }
    Ok(())
}

fn test(of: Of, op: &'static str, at: u32) -> Test {
    Test { of, op, at }
}

fn rule(join: Join, tests: [Test; 2], act: Act) -> Rule {
    Rule { tests, join, held: 0, until: None, act }
}

fn one(only: Test, act: Act) -> Rule {
    rule(Join::One, [only, only], act)
}

fn not(only: Test, act: Act) -> Rule {
    rule(Join::Not, [only, only], act)
}

/// Cases that were found once.
#[test]
fn found_before() {
    let base = Case {
        import: 18,
        prices: [1, 43, 39],
        export: 27,
        level: 6,
        warmth: 3,
        outside: 7,
        whole: true,
        switched: false,
        trip: 27,
        wish: 9,
        coarse: false,
        rules: Vec::new(),
    };
    let found = [
        // what nothing needs was held at rest against its own rule where another gave way
        Case {
            rules: vec![
                one(test(Of::Warmth, "<=", 12), Act::Fan),
                one(test(Of::Warmth, "<=", 10), Act::Car(3)),
            ],
            ..base.clone()
        },
        // a search that called its start the best
        Case {
            import: 16,
            prices: [46, 29, 47],
            export: 18,
            level: 1,
            warmth: 1,
            outside: 14,
            whole: false,
            switched: true,
            trip: 8,
            wish: 3,
            coarse: false,
            rules: vec![
                not(test(Of::Warmth, ">=", 7), Act::Car(2)),
                one(test(Of::Warmth, ">=", 10), Act::Charge(3)),
                rule(Join::Either, [test(Of::Warmth, "<", 8), test(Of::Export, ">=", 10)], Act::Car(3)),
            ],
        },
        // a machine kept on, rounded to off on the way down
        Case {
            import: 17,
            prices: [7, 39, 45],
            export: 18,
            level: 12,
            warmth: 10,
            outside: 15,
            switched: true,
            trip: 17,
            rules: vec![one(test(Of::Heater, "<=", 1), Act::NoCar)],
            ..base.clone()
        },
        // a discharge a hair beyond what counts as none, given up again by rounding
        Case {
            prices: [-10, 26, 11],
            export: 2,
            level: 19,
            warmth: 2,
            outside: 3,
            switched: true,
            trip: 8,
            wish: 2,
            rules: vec![
                Rule {
                    until: Some(test(Of::Heater, "<=", 4)),
                    ..rule(
                        Join::Either,
                        [test(Of::Discharge, ">=", 3), test(Of::Discharge, "<=", 1)],
                        Act::NoCar,
                    )
                },
                one(test(Of::Level, ">", 4), Act::Discharge(1)),
            ],
            ..base.clone()
        },
        // a car a hair below its threshold, which no register can hold
        Case {
            import: 8,
            prices: [43, 0, 7],
            export: 26,
            level: 16,
            warmth: 9,
            outside: 15,
            switched: true,
            trip: 15,
            wish: 8,
            rules: vec![Rule {
                held: 1,
                until: Some(test(Of::Warmth, ">=", 4)),
                ..one(test(Of::Car, ">=", 7), Act::NoHeater)
            }],
            ..base.clone()
        },
        // a meter kept on its side of a threshold, whose other direction ran all the same
        Case {
            import: 10,
            prices: [0, 14, 0],
            export: 1,
            level: 9,
            warmth: 0,
            outside: 13,
            whole: false,
            switched: true,
            trip: 5,
            wish: 2,
            coarse: false,
            rules: vec![one(test(Of::Import, "<", 1), Act::NoCar)],
        },
        // a store that has to charge in full, likewise
        Case {
            import: 8,
            prices: [0, 0, 0],
            export: 0,
            level: 0,
            warmth: 0,
            outside: 0,
            whole: false,
            switched: true,
            trip: 7,
            wish: 2,
            coarse: false,
            rules: vec![
                one(test(Of::Charge, "<", 5), Act::Car(0)),
                Rule {
                    until: Some(test(Of::Export, "<=", 7)),
                    ..rule(
                        Join::Both,
                        [test(Of::Import, "<=", 11), test(Of::Discharge, "<=", 12)],
                        Act::NoHeater,
                    )
                },
            ],
        },
        // a level exactly full, which rounding cannot meet
        Case {
            import: 16,
            prices: [34, -8, 0],
            export: 4,
            level: 14,
            warmth: 7,
            outside: 5,
            whole: false,
            trip: 23,
            wish: 3,
            coarse: false,
            rules: vec![
                one(test(Of::Heater, "<=", 9), Act::Discharge(0)),
                one(test(Of::Level, ">=", 12), Act::Charge(2)),
            ],
            ..base
        },
        // a discharge that has to run in full, beside which the pack charged
        Case {
            import: 9,
            prices: [34, 6, 32],
            export: 28,
            level: 2,
            warmth: 3,
            outside: 17,
            whole: false,
            switched: true,
            trip: 6,
            wish: 4,
            coarse: false,
            rules: vec![not(test(Of::Discharge, ">=", 5), Act::Car(2))],
        },
        // a guard at the edge of the band, from which only a breach of the band keeps away
        Case {
            import: 17,
            prices: [41, 14, 35],
            export: 14,
            level: 19,
            warmth: 0,
            outside: 16,
            whole: true,
            switched: false,
            trip: 6,
            wish: 6,
            coarse: false,
            rules: vec![
                one(test(Of::Discharge, ">=", 13), Act::NoCar),
                one(test(Of::Warmth, "<=", 0), Act::Fan),
                one(test(Of::Discharge, "<", 12), Act::Fan),
            ],
        },
        // rounding that gave up a part of what is owed for a wish
        Case {
            import: 14,
            prices: [3, 12, 13],
            export: 13,
            level: 4,
            warmth: 1,
            outside: 15,
            whole: false,
            switched: false,
            trip: 12,
            wish: 8,
            coarse: true,
            rules: vec![
                rule(Join::Both, [test(Of::Level, "<", 4), test(Of::Import, "<=", 1)], Act::Discharge(0)),
                Rule { held: 1, ..one(test(Of::Charge, "<=", 9), Act::NoCar) },
            ],
        },
        // a level that no register step meets, for which the rest was bought in vain
        Case {
            import: 12,
            prices: [8, 39, 15],
            export: 24,
            level: 4,
            warmth: 4,
            outside: 18,
            whole: true,
            switched: true,
            trip: 24,
            wish: 7,
            coarse: false,
            rules: vec![
                one(test(Of::Level, "<", 12), Act::NoCar),
                Rule {
                    until: Some(test(Of::Import, "<", 3)),
                    ..one(test(Of::Heater, "<=", 10), Act::Discharge(1))
                },
            ],
        },
        // an empty store, which coarse register steps only pass by
        Case {
            import: 8,
            prices: [26, -7, 36],
            export: 9,
            level: 19,
            warmth: 1,
            outside: 1,
            whole: false,
            switched: true,
            trip: 15,
            wish: 8,
            coarse: true,
            rules: vec![
                Rule {
                    until: Some(test(Of::Discharge, ">=", 0)),
                    ..rule(Join::Either, [test(Of::Import, ">", 7), test(Of::Level, ">", 0)], Act::Car(0))
                },
                one(test(Of::Charge, ">=", 2), Act::Car(3)),
            ],
        },
        // no export at all, which only an import keeps through rounding
        Case {
            import: 10,
            prices: [18, 0, 0],
            export: 0,
            level: 0,
            warmth: 0,
            outside: 0,
            whole: false,
            switched: false,
            trip: 8,
            wish: 2,
            coarse: false,
            rules: vec![one(test(Of::Export, ">", 0), Act::Car(0))],
        },
    ];
    for case in &found {
        unbeaten(case).unwrap();
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 16,
        // the same cases in every run: what is found once stands by itself
        rng_seed: proptest::test_runner::RngSeed::Fixed(20260304),
        max_shrink_iters: 60,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn no_grid_of_commands_beats_a_plan_under_open_guards(case in cases()) {
        unbeaten(&case)?;
    }
}
