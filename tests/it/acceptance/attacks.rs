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

/// Another value of the same kind.
fn other(leaf: &Value) -> Option<Value> {
    match leaf {
        Value::Number(n) => n.as_i64().map(|n| Value::from(n + 1)),
        Value::Bool(b) => Some(Value::from(!b)),
        Value::String(text) => Some(Value::from(match text.parse::<Rat>() {
            Ok(n) => (&n + &rat("0.001")).to_string(),
            Err(_) => match text.parse::<Instant>() {
                Ok(at) => at.plus(7).to_string(),
                Err(_) => format!("{text}x"),
            },
        })),
        _ => None,
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
            let mut changed = json.clone();
            let leaf = changed.pointer_mut(&paths[place]).unwrap();
            let Some(value) = other(leaf) else { return false };
            *leaf = value;
            let Ok(changed) = serde_json::from_value::<PlanDocument>(changed) else { return false };
            let sealed = changed.seal();
            PlanDocument::read(&sealed.bytes()).is_ok() && built.passes(&sealed)
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

#[test]
fn forged_plans_of_the_harbor_are_refused() {
    let (built, plan) = morning();
    // a plan may leave its reasons out, and who feeds whom where no rule asks it
    assert_eq!(forgeries(&built, &plan), ["no reasons", "no flows"]);
}

#[test]
fn of_setpoints_and_what_follows_from_them_nothing_changes_unnoticed() {
    let (built, plan) = super::setpoints::winter();
    assert!(built.passes(&plan));
    // it has one flow: to drop it is to say nothing of flows
    assert_eq!(forgeries(&built, &plan), ["no reasons", "no flows", "a flow is dropped"]);
    let passed = unnoticed(&built, &plan, 4);
    let decided =
        |field: &&String| ["/commands", "/derived", "/expect"].iter().any(|of| field.starts_with(of));
    assert_eq!(passed.iter().filter(decided).collect::<Vec<_>>(), Vec::<&String>::new());
}

/// What no computation decides: who made it, how good it is, and what others would have done; the
/// name of a file whose hash is right.
#[test]
fn only_what_nothing_decides_changes_unnoticed() {
    let (built, plan) = morning();
    insta::assert_snapshot!(unnoticed(&built, &plan, 1).join("\n"), @r"
    /gap/money
    /gap/ratio
    /inputs/*/path
    /money/model_cost
    /reproducible
    /tool
    ");
}
