//! Plans that were made and then changed, with right hashes: the verifier notices what is no longer
//! true.

use std::collections::BTreeMap;

use evl::bundle::{Document, PlanDocument, StatementRef};
use evl::calendar::Instant;
use evl::ir::{RuleId, Statement};
use evl::quantity::Rat;
use evl::verify::{same_inputs, verify};
use serde_json::Value;

use super::Built;

fn rat(text: &str) -> Rat {
    text.parse().unwrap()
}

impl Built {
    /// Whether a document passes: alone, and beside the files from which it says that it was made.
    fn passes(&self, plan: &PlanDocument) -> bool {
        verify(&self.bundle, plan).holds()
            && same_inputs(&self.bundle, plan, Some(&self.inputs), Some(&self.state)).is_empty()
    }
}

/// Words of documents that stand for each other.
const WORDS: &[&str] = &[
    "optimal",
    "feasible",
    "fixed",
    "at_most",
    "power",
    "available",
    "import",
    "export",
    "charge",
    "discharge",
    "level",
    "temperature",
    "mean",
    "reading",
    "known",
    "on",
    "command",
    "observe",
    "kW",
    "kWh",
    "degC",
];

/// Other values of the same kind.
fn others(leaf: &Value) -> Vec<Value> {
    match leaf {
        Value::Number(n) => n.as_i64().map(|n| Value::from(n + 1)).into_iter().collect(),
        Value::Bool(b) => vec![Value::from(!b)],
        Value::String(text) => match (text.parse::<Rat>(), text.parse::<Instant>()) {
            (Ok(n), _) => vec![Value::from((&n + &rat("0.001")).to_string())],
            (_, Ok(at)) => vec![Value::from(at.plus(7).to_string())],
            _ => {
                let words =
                    WORDS.iter().filter(|_| WORDS.contains(&text.as_str())).filter(|word| *word != text);
                words.map(|word| Value::from(*word)).chain([Value::from(format!("{text}x"))]).collect()
            }
        },
        _ => Vec::new(),
    }
}

/// The places of all leaves, with numbers of places in lists apart.
fn leaves(value: &Value, path: &str, out: &mut Vec<String>) {
    match value {
        Value::Object(map) => {
            map.iter().for_each(|(key, inner)| leaves(inner, &format!("{path}/{key}"), out));
        }
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(at, inner)| leaves(inner, &format!("{path}/{at}"), out));
        }
        Value::Null => {}
        _ => out.push(path.to_owned()),
    }
}

/// A path with every number in it left out: which field, of whatever.
fn field(path: &str) -> String {
    let part = |part: &str| if part.parse::<u32>().is_ok() { "*".to_owned() } else { part.to_owned() };
    path.split('/').map(part).collect::<Vec<_>>().join("/")
}

/// Fields of a document that may be changed unnoticed.
fn unnoticed(built: &Built, plan: &PlanDocument, samples: usize) -> Vec<String> {
    let json: Value = serde_json::from_slice(&plan.bytes()).unwrap();
    let mut paths = Vec::new();
    leaves(&json, "", &mut paths);
    let mut fields: BTreeMap<String, Vec<String>> = BTreeMap::new();
    paths.into_iter().for_each(|path| fields.entry(field(&path)).or_default().push(path));
    let mut found = Vec::new();
    for (field, paths) in fields {
        // the middle first: ends are often idle
        let places = (0..samples).map(|n| (paths.len() / 2 + n * paths.len() / samples) % paths.len());
        let passed = places.into_iter().any(|place| {
            let values = others(json.pointer(&paths[place]).unwrap());
            values.into_iter().any(|value| {
                let mut changed = json.clone();
                *changed.pointer_mut(&paths[place]).unwrap() = value;
                let Ok(changed) = serde_json::from_value::<PlanDocument>(changed) else { return false };
                let sealed = changed.seal();
                sealed.id != plan.id && PlanDocument::read(&sealed.bytes()).is_ok() && built.passes(&sealed)
            })
        });
        if passed {
            found.push(field);
        }
    }
    found
}

type Change<'c> = (&'c str, &'c dyn Fn(&mut PlanDocument));

/// Changes that look right by themselves: sums agree, hashes are right.
fn forgeries(built: &Built, plan: &PlanDocument) -> Vec<String> {
    let cheaper = |plan: &mut PlanDocument, by: &Rat| {
        plan.money.bill = &plan.money.bill - by;
        plan.money.decided = &plan.money.decided - by;
        plan.money.plan_cost = &plan.money.plan_cost - by;
    };
    let anywhere = |plan: &PlanDocument| plan.steps.len() / 2;
    let list: &[Change<'_>] = &[
        ("energy is cheaper", &|plan| {
            plan.money.energy = &plan.money.energy - &rat("0.01");
            cheaper(plan, &rat("0.01"));
        }),
        ("export earns more", &|plan| {
            plan.money.export = &plan.money.export + &rat("0.01");
            cheaper(plan, &rat("0.01"));
        }),
        ("nobody deciding costs more", &|plan| {
            if let Some(unmanaged) = &mut plan.money.unmanaged {
                *unmanaged = &*unmanaged + &rat("10");
            }
        }),
        ("nobody deciding costs more in every part", &|plan| {
            let parts = plan.money.unmanaged_parts.as_mut().unwrap();
            parts.energy = &parts.energy + &rat("10");
            plan.money.unmanaged = Some(parts.cost());
        }),
        ("nobody deciding has another peak", &|plan| {
            let parts = plan.money.unmanaged_parts.as_mut().unwrap();
            match parts.demand.first_mut() {
                Some(charge) => {
                    charge.peak = &charge.peak + &rat("50");
                    charge.decided = &charge.price * &(&charge.peak - &charge.known);
                    plan.money.unmanaged = Some(parts.cost());
                }
                None => plan.sequence += 1,
            }
        }),
        ("nobody says what nobody deciding costs", &|plan| {
            plan.money.unmanaged = None;
            plan.money.unmanaged_parts = None;
        }),
        ("another optimiser", &|plan| plan.tool = "emhass 0.9.0".into()),
        ("an input more", &|plan| {
            let sha256 = plan.bundle.clone();
            let (name, path) = ("feed other".to_owned(), "data/other.csv".to_owned());
            plan.inputs.push(evl::bundle::InputHash { name, path, sha256 });
        }),
        ("one device gives no reasons", &|plan| {
            let first = plan.reasons[0].device.clone();
            plan.reasons.retain(|reason| reason.device != first);
        }),
        ("the last reasons are left out", &|plan| drop(plan.reasons.pop())),
        ("two takers change their sources", &|plan| {
            let pair = (1..plan.flows.len()).find(|at| plan.flows[*at].to != plan.flows[0].to);
            // who feeds one taker alone cannot be mistaken for another's
            let Some(at) = pair else { return plan.sequence += 1 };
            let to = plan.flows[at].to.clone();
            plan.flows[at].to = std::mem::replace(&mut plan.flows[0].to, to);
        }),
        ("something feeds itself", &|plan| plan.flows[0].from = plan.flows[0].to.clone()),
        ("steps swap", &|plan| {
            for series in &mut plan.commands {
                let last = series.counts.len() - 1;
                let differs = |at: &usize| series.counts[*at] != series.counts[at + 1];
                if let Some(at) = (0..last).find(differs) {
                    series.counts.swap(at, at + 1);
                    return;
                }
            }
            plan.sequence += 1;
        }),
        ("a command series is dropped", &|plan| drop(plan.commands.pop())),
        ("a command series is told twice", &|plan| plan.commands.push(plan.commands[0].clone())),
        ("finer registers", &|plan| {
            let series = &mut plan.commands[0];
            series.step = &series.step * &rat("0.5");
            series.counts.iter_mut().for_each(|count| *count *= 2);
        }),
        ("another form", &|plan| {
            use evl::bundle::CommandForm::{AtLeast, Fixed};
            let form = &mut plan.commands[0].form;
            *form = if *form == Fixed { AtLeast } else { Fixed };
        }),
        ("longer in force", &|plan| plan.expires = plan.expires.plus(3600)),
        ("longer valid", &|plan| plan.valid.1.year += 1),
        ("a step more", &|plan| {
            let last = *plan.steps.last().unwrap();
            plan.steps.push(evl::bundle::Step { start: last.end, end: last.end.plus(last.seconds()) });
        }),
        ("a longer last step", &|plan| {
            let last = plan.steps.last_mut().unwrap();
            last.end = last.end.plus(900);
        }),
        ("two steps are one", &|plan| {
            let gone = plan.steps.remove(1);
            plan.steps[0].end = gone.end;
        }),
        ("nothing is presumed", &|plan| match plan.presumes.is_empty() {
            true => plan.presumes.push(evl::bundle::Presumption {
                signal: "nothing".into(),
                first: "1".into(),
                then: "1".into(),
            }),
            false => plan.presumes.clear(),
        }),
        ("nothing is expected", &|plan| match plan.expect.pop() {
            Some(_) => {}
            None => plan.sequence += 1,
        }),
        ("nothing is assumed", &|plan| match plan.assumptions.pop() {
            Some(_) => {}
            None => plan.assumptions.push("the sun shines".into()),
        }),
        ("something else is assumed", &|plan| plan.assumptions.push("the sun shines".into())),
        ("a reason of another rule", &|plan| {
            let rule = RuleId(u32::MAX);
            let reason = plan.reasons.last_mut().unwrap();
            let statement = Statement::Effect(rule, 0);
            reason.statements =
                vec![StatementRef { statement, name: "a".into(), text: "b".into(), at: "c".into() }];
            reason.text = "`a` decides".into();
        }),
        ("a reason of every rule", &|plan| {
            let site = &built.bundle.site;
            let all = site.rules.iter().map(|r| StatementRef::of(site, Statement::Effect(r.id, 0)));
            let budget = StatementRef {
                name: "x".into(),
                ..StatementRef::of(site, Statement::Budget(evl::ir::BudgetId(77)))
            };
            let reason = plan.reasons.last_mut().unwrap();
            reason.statements = all.chain([budget]).collect();
            let names: Vec<String> = reason.statements.iter().map(|s| format!("`{}`", s.name)).collect();
            reason.text = format!("{} decides", names.join(", "));
        }),
        ("a reason in other words", &|plan| plan.reasons[0].text = "it is written".into()),
        ("a reason twice", &|plan| plan.reasons.push(plan.reasons[0].clone())),
        ("no reasons", &|plan| plan.reasons.clear()),
        ("no flows", &|plan| plan.flows.clear()),
        ("flows from elsewhere", &|plan| {
            let (a, b) = (plan.flows[0].from.clone(), plan.flows[0].to.clone());
            (plan.flows[0].from, plan.flows[0].to) = (b, a);
        }),
        ("a flow is dropped", &|plan| drop(plan.flows.pop())),
        ("flows swap", &|plan| {
            let at = anywhere(plan);
            plan.flows[0].values[at] += &rat("0.5");
        }),
        ("a derived series is dropped", &|plan| drop(plan.derived.pop())),
        ("a given series is dropped", &|plan| drop(plan.given.pop())),
        ("a given series is told twice", &|plan| plan.given.push(plan.given[0].clone())),
        ("a study", &|plan| plan.study = !plan.study),
        ("another input", &|plan| plan.inputs[0].sha256 = plan.bundle.clone()),
        ("inputs are not named", &|plan| plan.inputs.clear()),
        ("another bundle", &|plan| plan.bundle = evl::bundle::Hash::of(b"other")),
        ("a demand charge is dropped", &|plan| match plan.money.demand.pop() {
            Some(charge) => cheaper(plan, &charge.decided),
            None => plan.sequence += 1,
        }),
        ("a vehicle leaves later", &|plan| match plan.sessions.first_mut() {
            Some(stay) => stay.departure = stay.departure.plus(900),
            None => plan.sequence += 1,
        }),
        ("a vehicle never came", &|plan| match plan.sessions.pop() {
            Some(_) => {}
            None => plan.sequence += 1,
        }),
        ("a larger gap is optimal", &|plan| {
            plan.gap.money = rat("1000000");
            plan.gap.ratio = rat("1000000");
        }),
    ];
    let mut passed = Vec::new();
    for (name, change) in list {
        let mut forged = plan.clone();
        change(&mut forged);
        let forged = forged.seal();
        assert_ne!(forged.id, plan.id, "{name} changes nothing");
        if built.passes(&forged) {
            passed.push((*name).to_owned());
        }
    }
    passed
}

/// A morning of the harbor: long enough for everything that it has to be at work.
fn morning() -> (Built, PlanDocument) {
    let built = super::examples::harbor_from("2026-07-22T15:30:00Z");
    let plan = built.plan_over(4 * 3600).map_err(|f| super::words(&f.findings)).unwrap();
    assert!(built.passes(&plan));
    (built, plan)
}

/// What a plan may leave out or say otherwise unnoticed, and why.
const FREE: &[(&str, &str)] = &[
    ("/money/model_cost", "the optimiser's own unrounded cost: no plan tells it"),
    ("/money/least_cost", "the same of the cheapest plan, of which later goals spend a share"),
    ("/reproducible", "whether a clock ended the search: nothing of it is left in the plan"),
    ("no flows", "who feeds whom is attribution: where no rule asks for it, it may be left out whole"),
    ("another version", "who made a plan is vouched for by its signature"),
    (
        "a smaller gap",
        "that nothing better exists is told by no plan: at most the target while it is optimal",
    ),
];

/// What passes, all of it free.
fn only_free(passed: &[String]) {
    for name in passed {
        assert!(FREE.iter().any(|(free, _)| free == name), "`{name}` passes: {passed:?}");
    }
}

#[test]
fn forged_plans_of_the_harbor_are_refused() {
    let (built, plan) = morning();
    assert_eq!(forgeries(&built, &plan), ["no flows"]);
}

#[test]
fn of_setpoints_and_what_follows_from_them_nothing_changes_unnoticed() {
    let (built, plan) = super::setpoints::winter();
    assert!(built.passes(&plan));
    // it has one flow: to drop it is to say nothing of flows
    assert_eq!(forgeries(&built, &plan), ["no flows", "a flow is dropped"]);
    let passed = unnoticed(&built, &plan, 4);
    let decided =
        |field: &&String| ["/commands", "/derived", "/expect"].iter().any(|of| field.starts_with(of));
    assert_eq!(passed.iter().filter(decided).collect::<Vec<_>>(), Vec::<&String>::new());
}

#[test]
fn only_what_nothing_decides_changes_unnoticed() {
    let (built, plan) = morning();
    let passed = unnoticed(&built, &plan, 1);
    only_free(&passed);
    // `model_cost` is held to what goals after money may spend
    assert_eq!(passed, ["/money/least_cost", "/reproducible"]);
}

#[test]
fn what_is_free_passes_together_as_well() {
    let (built, plan) = morning();
    let mut other = plan.clone();
    other.tool = "evl 99.0.1-rc.1".into();
    other.gap = evl::bundle::Gap::of(rat("0.005"), &other.money);
    other.reproducible = !plan.reproducible;
    other.flows.clear();
    let other = other.seal();
    assert_ne!(other.id, plan.id);
    assert!(built.passes(&other));
}

/// Two buses and a lossy link, sun on both, export, a zone, vehicles with and without sessions, equal
/// devices, a need that may be shed, a demand charge, and a rule on origins.
const YARD: &str = r#"
edition 2026
site yard {
  timezone "UTC", currency EUR, step 60 min, horizon 6 h, valid 2026-01-01 .. 2026-12-31, signatures none
}
priorities safety > contract > comfort > economy
bus main { ac 400 V, 3 phase }
bus riser { dc 48 V }
link rectifier { main <-> riser, capacity 20 kW, efficiency 80 % }
producer utility : grid { on main, import up to 60 kW, export up to 20 kW, tariff busy, carbon 500 g/kWh }
producer roof : pv { on main, rated 9 kW, output feed.sun }
producer wall : pv { on riser, rated 4 kW }
storage pack : battery {
  on riser, capacity 10 kWh, charge up to 5 kW, discharge up to 5 kW, efficiency 90 % / 90 %
}
consumer house : load { on main, load 1 kW }
consumer lamp : load { on riser, load 1 kW }
consumer laundry : load { on main, demand 0 kW .. 3 kW, needs 2 kW, may shed at 0.30 EUR/kWh }
consumer car : ev_charger { on riser, demand 0 kW .. 11 kW }
consumer ev : ev_charger { on main, demand 0 kW .. 11 kW, sessions feed.charging }
consumer bike[1..4] : ev_charger { on main, demand one of { 0 kW, 1 kW .. 2 kW } }
consumer fan : fan { on main, demand 1 kW .. 3 kW }
consumer heater : boiler { on main, demand 0 kW .. 8 kW, heats hall, cop 2 }
zone hall { heat_capacity 10 kWh/K, heat_loss 0.5 kW/K, temperature 19 degC .. 24 degC in comfort }
weather { temperature 5 degC .. 5 degC }
feed sun { file "data/sun.csv", step 1 h, unit kW, range 0 kW .. 20 kW }
feed charging { file "data/charging.csv", time civil, sessions }
group bikes = bike[1], bike[2], bike[3], bike[4]
rule trip in contract { deliver 5 kWh to car between 08:00 and 14:00 daily }
rule green in contract { supply car from roof, wall, pack }
rule bikes_full in economy { for each b in bikes deliver 3 kWh to b between 08:00 and 14:00 daily }
tariff busy {
  import { 0.40 EUR/kWh during daily 10:00..12:00, 0.20 EUR/kWh otherwise }
  export 0.05 EUR/kWh
  interval 60 min
  demand monthly { 2 EUR/kW on any }
}
"#;

/// The yard's morning.
fn yard() -> (Built, PlanDocument) {
    let sun = ["08", "09", "10", "11", "12", "13", "14"].iter().zip([2, 4, 8, 12, 6, 3, 3]);
    let sun: String = sun.map(|(hour, kw)| format!("2026-03-02 {hour}:00,{kw}\n")).collect();
    let system = evl::system::MemorySystem::new()
        .file("site/site.evl", YARD)
        .file("site/evl.yaml", "site: yard\n")
        .file("site/data/sun.csv", format!("time,sun\n{sun}"))
        .file(
            "site/data/charging.csv",
            "device,arrival,departure,energy,maximum_power,phases\n\
             ev,2026-03-02 09:00,2026-03-02 18:00,12 kWh,7 kW,3\n",
        );
    let state = r#"{"schema": "evl.state/1", "site": "yard", "at": "2026-03-02T08:00:00Z",
        "levels": {"pack": "40 %"}, "temperatures": {"hall": "20 degC"}, "peaks": {"busy": {"any": "9 kW"}},
        "signals": {"weather.temperature": "5 degC"}}"#;
    let built = Built::new(&system, "2026-03-02T08:00:00Z", state);
    let plan = built.plan().map_err(|f| super::words(&f.findings)).unwrap();
    assert!(built.passes(&plan));
    (built, plan)
}

#[test]
fn forged_plans_of_two_buses_are_refused() {
    let (built, plan) = yard();
    let crossing = |flow: &&evl::bundle::Flow| flow.from == "wall" && flow.to != "lamp" && flow.to != "pack";
    assert!(plan.flows.iter().any(|flow| crossing(&flow) || flow.from == "utility"), "{:#?}", plan.flows);
    // a rule asks who feeds the car
    assert_eq!(forgeries(&built, &plan), Vec::<String>::new());
    let passed = unnoticed(&built, &plan, 2);
    only_free(&passed);
    assert_eq!(passed, ["/money/model_cost", "/reproducible"]);
}
