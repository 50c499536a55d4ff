//! What a plan carries on: vehicles that are there, windows, runs, intervals and budgets that were
//! begun before it.

use evl::bundle::PlanDocument;
use evl::diag::codes;
use evl::ir::Attr;
use evl::plan::PlanFailure;
use evl::system::MemorySystem;

use super::{Built, try_planned, words};

const SITE: &str = r#"
edition 2026
site s {
  timezone "UTC", currency EUR, step 1 h, horizon HORIZON, valid 2026-01-01 .. 2026-12-31, signatures none
}
priorities safety > contract > comfort > economy
bus main { ac 400 V, 3 phase }
producer utility : grid { on main, import up to 40 kW, export up to 10 kW, tariff t }
"#;

/// A site that is planned from an instant of Monday, 5 January 2026, on.
struct Garage {
    policy: String,
    stays: &'static str,
    from: &'static str,
}

impl Garage {
    fn new(horizon: &str, rest: &str) -> Self {
        let policy = SITE.replace("HORIZON", horizon) + rest;
        let policy = if policy.contains("tariff t {") {
            policy
        } else {
            policy
                + "tariff t { import { 0.2 EUR/kWh during daily 00:00..06:00, 0.3 EUR/kWh otherwise }, export 0.02 EUR/kWh }\n"
        };
        Self { policy, stays: "", from: "2026-01-05T00:00:00Z" }
    }

    fn system(&self) -> MemorySystem {
        let system = MemorySystem::new()
            .file("site/site.evl", self.policy.as_str())
            .file("site/evl.yaml", "site: s\n");
        system.file("site/data/s.csv", self.stays)
    }

    fn state(&self, inner: &str) -> String {
        let comma = if inner.is_empty() { "" } else { ", " };
        format!(r#"{{"schema": "evl.state/1", "site": "s", "at": "{}"{comma}{inner}}}"#, self.from)
    }

    fn try_plan(&self, state: &str) -> Result<PlanDocument, PlanFailure> {
        try_planned(&self.system(), self.from, &self.state(state))
    }

    fn plan(&self, state: &str) -> PlanDocument {
        self.try_plan(state).map_err(|f| words(&f.findings)).unwrap()
    }

    /// What the verifier says of a plan under this policy.
    fn verdict(&self, plan: &PlanDocument) -> Vec<String> {
        let built = Built::new(&self.system(), self.from, &self.state(""));
        let verdict = evl::verify::verify(&built.bundle, plan);
        verdict.misses.into_iter().map(|miss| miss.message).collect()
    }

    /// The state is asked for these words, and a plan that was made without them is refused.
    fn lacks(&self, given: &str, missing: &str) {
        let failure = self.try_plan("").unwrap_err();
        let found: Vec<_> = failure.findings.iter().map(|f| (f.code, f.message.as_str())).collect();
        assert_eq!(found, [(codes::MISSING_STATE, missing)]);
        let mut plan = self.plan(given);
        assert_eq!(self.verdict(&plan), Vec::<String>::new());
        plan.state = evl::bundle::State::new("s", plan.state.at);
        let refused = self.verdict(&plan);
        assert!(refused.iter().any(|message| message == missing), "{refused:?}");
    }
}

/// kWh of a device in all steps.
fn energy(plan: &PlanDocument, device: &str) -> f64 {
    powers(plan, device).iter().zip(&plan.steps).map(|(kw, step)| kw * step.hours().to_f64()).sum()
}

fn powers(plan: &PlanDocument, device: &str) -> Vec<f64> {
    let Some(series) = plan.command(device, &Attr::Power) else {
        // what is switched has 2 kW
        let on = plan.command(device, &Attr::On).unwrap();
        return on.counts.iter().map(|on| 2.0 * f64::from(u8::try_from(*on).unwrap())).collect();
    };
    (0..plan.steps.len()).map(|t| series.value(t).unwrap().to_f64()).collect()
}

/// Name, class and amount of each breach.
fn breaches(plan: &PlanDocument) -> Vec<(String, String, f64)> {
    let one = |b: &evl::bundle::Breach| (b.statement.name.clone(), b.class.clone(), b.amount.to_f64());
    let mut found: Vec<_> = plan.breaches.iter().map(one).collect();
    found.sort_by(|a, b| a.0.cmp(&b.0));
    found
}

const CHARGER: &str = "consumer c : ev_charger { on main, demand 0 kW .. 11 kW, sessions feed.ch }
feed ch { file \"data/s.csv\", time civil, sessions }
";
const THERE: &str = "device,arrival,departure,energy,maximum_power,phases,capacity
c,2026-01-04 20:00,2026-01-05 02:00,40 kWh,11 kW,3,42 kWh
";
const OPEN: &str = "device,arrival,departure,energy
c,2026-01-04 20:00,2026-01-05 20:00,20 kWh
";

#[test]
fn what_a_vehicle_got_is_taken_off_what_it_wants_and_off_its_room() {
    let garage = Garage { stays: THERE, ..Garage::new("12 h", CHARGER) };
    let plan = garage.plan(r#""charged": {"c": "25 kWh"}"#);
    assert_eq!(energy(&plan, "c"), 15.0);
    assert!(plan.breaches.is_empty() && plan.assumptions.is_empty(), "{:?}", plan.assumptions);
    // what is paid for taking energy ends with the room
    let paid = format!("{CHARGER}tariff t {{ import -0.1 EUR/kWh, export -0.2 EUR/kWh }}\n");
    let garage = Garage { stays: THERE, ..Garage::new("12 h", &paid) };
    assert_eq!(energy(&garage.plan(r#""charged": {"c": "25 kWh"}"#), "c"), 17.0);
    garage.lacks(
        r#""charged": {"c": "25 kWh"}"#,
        "the state does not say how much the vehicle at `c` got since it came",
    );
    // the rule's window is open too
    let rule =
        format!("{CHARGER}rule r in contract {{ deliver 40 kWh to c between 19:00 and 03:00 daily }}\n");
    let garage = Garage { stays: THERE, ..Garage::new("12 h", &rule) };
    let done = r#""done": {"r": {"c": {"energy": "25 kWh"}}}, "charged": {"c": "25 kWh"}"#;
    let plan = garage.plan(done);
    assert_eq!(energy(&plan, "c"), 15.0);
    assert!(plan.breaches.is_empty(), "{:?}", plan.breaches);
    let lacking = garage.try_plan(r#""charged": {"c": "25 kWh"}"#).unwrap_err();
    assert!(words(&lacking.findings).starts_with(
        "EVL1003 the state does not say how much of rule `r` is done at `c` in the open window"
    ));
}

#[test]
fn a_vehicle_of_unknown_room_gets_no_more_than_is_asked_for_it() {
    let paid = format!("{CHARGER}tariff t {{ import -0.1 EUR/kWh, export -0.2 EUR/kWh }}\n");
    let garage = Garage { stays: OPEN, ..Garage::new("24 h", &paid) };
    let got = |plan: &PlanDocument| energy(plan, "c");
    let plan = garage.plan(r#""charged": {"c": "0 kWh"}"#);
    assert!((20.0..=20.0011).contains(&got(&plan)), "{}", got(&plan));
    assert!(
        plan.assumptions.iter().any(|said| said.contains("fits into vehicles at `c`")),
        "{:?}",
        plan.assumptions
    );
    let some = garage.plan(r#""charged": {"c": "8 kWh"}"#);
    assert!((12.0..=12.0011).contains(&got(&some)), "{}", got(&some));
    // the verifier finds what is beyond it
    let mut told = plan.clone();
    told.state.charged.insert("c".into(), "8 kWh".parse().unwrap());
    let refused = garage.verdict(&told);
    assert!(refused.iter().any(|m| m.contains("of which only 12 kWh are asked")), "{refused:?}");
    // a rule delivers more
    let rule = format!("{paid}rule r in contract {{ deliver 30 kWh to c between 06:00 and 18:00 daily }}\n");
    let garage = Garage { stays: OPEN, ..Garage::new("24 h", &rule) };
    let plan = garage.plan(r#""charged": {"c": "0 kWh"}"#);
    assert!((30.0..=30.0011).contains(&got(&plan)), "{}", got(&plan));
    assert_eq!(garage.verdict(&plan), Vec::<String>::new());
}

#[test]
fn what_was_begun_and_is_not_told_is_asked_for() {
    let wash = "consumer w : washer { on main, demand one of { 0 kW, 2 kW } }
rule r in contract { run w for 3 h between 22:00 and 08:00 daily }\n";
    let garage = Garage::new("12 h", wash);
    garage.lacks(
        r#""done": {"r": {"w": {"ran": "1 h"}}}"#,
        "the state does not say how much of rule `r` is done at `w` in the open window",
    );
    let ramp = "producer g : fuel_cell { on main, rated 6 kW, fuel cost 0.1 EUR/kWh, ramp 2 kW/h }
consumer a : load { on main, load 5 kW }\n";
    let garage = Garage::new("3 h", ramp);
    garage.lacks(
        r#""commands": {"g": {"power": "4 kW"}}"#,
        "the state lacks the present power of `g`, from which it ramps",
    );
    // off is at no power, and the ramp begins there
    let off = r#""on": {"g": {"on": false, "since": "2026-01-01T00:00:00Z"}}"#;
    assert_eq!(powers(&garage.plan(off), "g"), [2.0, 4.0, 5.0]);
    let on =
        r#""on": {"g": {"on": true, "since": "2026-01-01T00:00:00Z"}}, "commands": {"g": {"power": "4 kW"}}"#;
    assert_eq!(powers(&garage.plan(on), "g"), [5.0, 5.0, 5.0]);
    let mut told = garage.plan(on);
    told.state.commands.clear();
    told.state.on.get_mut("g").unwrap().on = false;
    assert!(garage.verdict(&told).iter().any(|m| m.contains("its ramp is 2 kW/h")));
    let demand = "consumer a : load { on main, load 5 kW }
tariff t { import 0.3 EUR/kWh, interval 60 min, demand monthly { 2 EUR/kW on any } }\n";
    let garage = Garage { from: "2026-02-01T00:20:00Z", ..Garage::new("2 h", demand) };
    let missing = "the state lacks what was imported in the open demand interval of tariff `t`";
    let peak = r#""peaks": {"t": {"any": "1 kW"}}"#;
    let failure = garage.try_plan(peak).unwrap_err();
    assert!(words(&failure.findings).contains(missing), "{}", words(&failure.findings));
    let mut plan = garage.plan(&format!(r#"{peak}, "interval": {{"t": "3 kWh"}}"#));
    // 3 kWh in 20 min and 5 kW for the rest of the hour
    assert!((plan.money.demand[0].peak.to_f64() - 6.333_333_333).abs() < 1e-8);
    plan.state.interval.clear();
    assert!(garage.verdict(&plan).iter().any(|message| message == missing));
    // on the interval's edge there is nothing to know
    let garage = Garage { from: "2026-02-01T01:00:00Z", ..garage };
    garage.plan(peak);
}

#[test]
fn a_run_that_was_interrupted_is_run_anew() {
    let wash = "consumer w : washer { on main, demand one of { 0 kW, 2 kW } }
rule r in contract { run w for 3 h without interruption between 09:00 and 16:00 daily }\n";
    let garage = Garage { from: "2026-01-05T11:00:00Z", ..Garage::new("8 h", wash) };
    let state = |on: bool, since: &str| {
        format!(
            r#""done": {{"r": {{"w": {{"ran": "1 h"}}}}}}, "on": {{"w": {{"on": {on}, "since": "2026-01-05T{since}:00Z"}}}}"#
        )
    };
    assert_eq!(energy(&garage.plan(&state(true, "10:00")), "w"), 4.0);
    let anew = garage.plan(&state(false, "10:30"));
    assert_eq!(energy(&anew, "w"), 6.0);
    assert!(anew.breaches.is_empty());
    // half an hour of it was lost
    let half = garage.plan(&state(true, "10:30"));
    assert_eq!(powers(&half, "w")[..2], [2.0, 2.0]);
    assert!(half.breaches.is_empty() && energy(&half, "w") >= 5.0);
    // going on with what was interrupted is no whole run
    let mut told = garage.plan(&state(true, "10:00"));
    told.state = anew.state.clone();
    assert!(garage.verdict(&told).iter().any(|m| m.contains("`w` runs for 7200 s of the 10800 s")));
    let unknown = garage.try_plan(r#""done": {"r": {"w": {"ran": "1 h"}}}"#).unwrap_err();
    assert!(words(&unknown.findings).starts_with("EVL1003 the state does not say whether `w` is on"));
    // two hours are left
    let late = Garage { from: "2026-01-05T14:00:00Z", ..Garage::new("8 h", wash) };
    let plan = late.plan(&state(false, "13:30"));
    assert_eq!(breaches(&plan), [("r".to_owned(), "contract".to_owned(), 3.0)]);
    assert_eq!(late.verdict(&plan), Vec::<String>::new());
}

#[test]
fn what_nothing_needs_and_cannot_be_at_nothing_is_said_to_take_its_least() {
    let fans = "consumer h : load { on main, load 0.5 kW }
consumer f : fan { on main, demand 1 kW .. 3 kW }
consumer f2 : fan { on main, demand 0 kW .. 3 kW, default 2 kW }\n";
    let plan = Garage::new("4 h", fans).plan("");
    assert_eq!(powers(&plan, "f"), [1.0; 4]);
    assert_eq!(powers(&plan, "f2"), [2.0; 4]);
    let said =
        |name: &str, kw: u32| format!("nothing needs `{name}`: it stays at {kw} kW unless a rule moves it");
    assert_eq!(plan.assumptions, [said("f", 1), said("f2", 2)]);
    // with nobody deciding it takes the same
    assert_eq!(plan.money.unmanaged, Some(plan.money.plan_cost.clone()));
}

const TWO: &str = "consumer h : load { on main, load 0.5 kW }
consumer e1 : ev_charger { on main, demand 0 kW .. 7 kW }
consumer e2 : ev_charger { on main, demand 0 kW .. 7 kW }
group evs = e1, e2
";

#[test]
fn a_budget_that_is_overspent_is_spent_from_as_little_as_can_be() {
    let rules = |class: &str, other: &str| {
        format!(
            "{TWO}rule r in {other} {{ deliver 20 kWh to e1 between 18:00 and 23:00 daily }}
budget bb in {class} {{ consumption of evs at most 30 kWh per day }}\n"
        )
    };
    let evening = |text: &str| Garage { from: "2026-01-05T12:00:00Z", ..Garage::new("12 h", text) };
    let used = r#""used": {"bb": "35 kWh"}"#;
    let found = |name: &str, class: &str, amount: f64| (name.to_owned(), class.to_owned(), amount);
    // it goes before what is below it
    let garage = evening(&rules("contract", "comfort"));
    let plan = garage.plan(used);
    assert_eq!(energy(&plan, "e1") + energy(&plan, "e2"), 0.0);
    assert_eq!(breaches(&plan), [found("bb", "contract", 5.0), found("r", "comfort", 20.0)]);
    assert_eq!(garage.verdict(&plan), Vec::<String>::new());
    let overridden: Vec<_> = plan.overrides.iter().map(|o| (o.statement.name.as_str(), o.by.len())).collect();
    assert_eq!(overridden, [("r", 0)], "what was outside at the beginning overrides nobody's statement");
    // and yields to what is above it
    let plan = evening(&rules("economy", "comfort")).plan(used);
    assert_eq!(energy(&plan, "e1"), 20.0);
    assert_eq!(breaches(&plan), [found("bb", "economy", 25.0)]);
    // of its own class it comes first
    let plan = evening(&rules("contract", "contract")).plan(used);
    assert_eq!(breaches(&plan), [found("bb", "contract", 5.0), found("r", "contract", 20.0)]);
    // on the next day all is as ever
    let garage =
        Garage { from: "2026-01-06T00:00:00Z", ..Garage::new("24 h", &rules("contract", "comfort")) };
    assert!(garage.plan(used).breaches.is_empty());
}

#[test]
fn a_budget_keeps_what_its_period_still_asks_after_the_plan() {
    let rules = |rule: &str, of: &str| {
        format!(
            "{TWO}rule r in {rule} {{ deliver 25 kWh to e1 between 18:00 and 23:00 daily }}
rule q in comfort {{ deliver 20 kWh to e2 between 00:00 and 12:00 daily }}
budget bb in contract {{ {of} per day }}\n"
        )
    };
    let consumption = "consumption of evs at most 30 kWh";
    let used = r#""used": {"bb": "0 kWh"}"#;
    let given = |text: &str, used: &str| {
        let garage = Garage::new("12 h", text);
        let plan = garage.plan(used);
        assert_eq!(garage.verdict(&plan), Vec::<String>::new());
        (energy(&plan, "e2"), plan)
    };
    let (kwh, plan) = given(&rules("contract", consumption), used);
    assert!((4.99..=5.0).contains(&kwh), "{kwh}");
    assert!(plan.breaches.iter().all(|b| b.statement.name == "q" && b.amount.to_f64() >= 15.0));
    // the verifier finds what a plan leaves too little for
    let mut told = given(&rules("comfort", consumption), used).1;
    assert_eq!(energy(&told, "e2"), 20.0);
    let garage = Garage::new("12 h", &rules("contract", consumption));
    told.bundle = Built::new(&garage.system(), garage.from, &garage.state("")).bundle.id.clone();
    let refused = garage.verdict(&told);
    assert!(refused.iter().any(|m| m.contains("are used with what is still to come")), "{refused:?}");
    // what a meter counts where one grid gives everything: 12 h of 0.5 kW are to come too
    let (kwh, _) = given(&rules("contract", "import of site at most 45 kWh"), used);
    assert!((7.99..=8.0).contains(&kwh), "{kwh}");
    // a window that is open when the plan ends: 4 h of 7 kW are left of the day, 12 h in all
    let night = format!(
        "{TWO}rule r in contract {{ deliver 25 kWh to e1 between 10:00 and 24:00 daily }}
rule q in comfort {{ deliver 20 kWh to e2 between 00:00 and 12:00 daily }}
budget bb in contract {{ consumption of evs at most 30 kWh per day }}\n"
    );
    let (kwh, plan) = given(&night, used);
    assert!((4.99..=5.0).contains(&kwh), "{kwh}");
    assert_eq!(plan.breaches.len(), 1);
}

#[test]
fn what_gives_way_to_a_higher_class_is_an_override() {
    let rules = "consumer ev : ev_charger { on main, demand 0 kW .. 7 kW }
rule lo in economy { limit ev to 2 kW }
rule hi in contract { deliver 30 kWh to ev between 02:00 and 10:00 daily }\n";
    let garage = Garage::new("24 h", rules);
    let plan = garage.plan("");
    let names: Vec<_> = plan.breaches.iter().map(|b| (b.statement.name.as_str(), b.first, b.last)).collect();
    let overridden: Vec<_> =
        (plan.overrides.iter()).map(|o| (o.statement.name.as_str(), o.first, o.last)).collect();
    assert!(!names.is_empty());
    assert_eq!(overridden, names);
    let mut told = plan.clone();
    told.overrides[0].statement = told.overrides[0].statement.clone();
    told.overrides[0].last += 1;
    assert!(
        garage
            .verdict(&told)
            .iter()
            .any(|m| m.contains("is overridden on `ev` by no single statement, but what is owed in class `"))
    );
    let mut twice = plan.clone();
    twice.overrides.push(plan.overrides[0].clone());
    assert!(!garage.verdict(&twice).is_empty());
}
