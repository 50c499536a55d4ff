//! Whole documents: what holds, and what is noticed when a field is changed.

use std::collections::BTreeMap;

use super::tests::{Setup, command};
use super::*;
use crate::bundle::inventory::Inventory;
use crate::bundle::{
    CommandForm, DemandMoney, Document, Expectation, ExpectedLevel, Gap, Hash, Money, Quantity, Series,
    Status, tool,
};
use crate::diag::codes::NOT_PLANNED_YET;
use crate::ir::testkit::{rat, span};
use crate::ir::*;
use crate::quantity::{Rat, Type};

/// The document that a faultless planner would write for a setup.
pub(super) fn document(s: &Setup) -> (Bundle, PlanDocument) {
    let bundle = Bundle::new(s.site.clone(), BTreeMap::new(), &Inventory::default(), BTreeMap::new());
    let trajectory = simulate(&s.case()).unwrap();
    let calendar = Calendar::new(&s.site).unwrap();
    let account = money::account(&s.case(), &calendar, &trajectory).unwrap();
    let mut sums = Money { currency: "USD".into(), ..Money::default() };
    sums.energy = account.energy.lo.clone();
    sums.export = account.export.lo.clone();
    sums.fixed = account.fixed.clone();
    sums.fuel = account.fuel.lo.clone();
    sums.wear = account.wear.lo.clone();
    sums.end_value = account.end_value.lo.clone();
    let (mut decided, mut incurred) = (&sums.energy - &sums.export, Rat::ZERO);
    for ((tariff, charge, month), (known, peak, price)) in &account.demand {
        let above = Rat::max_of(&(&peak.lo - known), &Rat::ZERO);
        let part = DemandMoney {
            tariff: tariff.clone(),
            charge: charge.clone(),
            month: month.clone(),
            known: known.clone(),
            peak: peak.lo.clone(),
            price: price.clone(),
            decided: price * &above,
            incurred: price * known,
        };
        decided += &part.decided;
        incurred += &part.incurred;
        sums.demand.push(part);
    }
    sums.bill = &(&decided + &incurred) + &sums.fixed;
    sums.plan_cost = &(&(&decided + &sums.fuel) + &sums.wear) - &sums.end_value;
    sums.decided = decided;
    let plan = PlanDocument {
        schema: PlanDocument::SCHEMA.into(),
        tool: tool(),
        site: s.site.name.clone(),
        timezone: s.site.timezone.clone(),
        valid: s.site.valid,
        bundle: bundle.id.clone(),
        inputs: Vec::new(),
        from: s.steps[0].start,
        expires: s.steps.last().unwrap().end,
        sequence: s.state.sequence + 1,
        follows: None,
        expect: vec![Expectation {
            device: "pack".into(),
            profile: None,
            profile_hash: None,
            identity: "none".into(),
            control: Control::Observe,
            level: None,
        }],
        steps: s.steps.clone(),
        commands: s.commands.clone(),
        groups: s.groups.clone(),
        following: s.following.clone(),
        state: s.state.clone(),
        given: s.given.series(&s.site),
        sessions: Vec::new(),
        derived: trajectory.series(&s.site, &s.following),
        flows: Vec::new(),
        money: sums,
        reasons: Vec::new(),
        presumes: Vec::new(),
        assumptions: Vec::new(),
        overrides: Vec::new(),
        breaches: Vec::new(),
        void: Vec::new(),
        status: Status::Optimal,
        gap: Gap::default(),
        reproducible: true,
        study: false,
        id: Hash::default(),
    };
    let plan = told(&bundle, plan);
    (bundle, plan)
}

/// The document with what only the verifier says of it.
pub(super) fn told(bundle: &Bundle, mut plan: PlanDocument) -> PlanDocument {
    let told = draft(bundle, &plan.clone().seal()).told;
    plan.assumptions = told.assumptions;
    plan.reasons = told.reasons;
    plan.money.unmanaged = told.unmanaged.as_ref().map(crate::bundle::Unmanaged::cost);
    plan.money.unmanaged_parts = told.unmanaged;
    plan.seal()
}

/// The small example as documents.
pub(super) fn example() -> (Bundle, PlanDocument) {
    document(&small())
}

/// A grid with a tariff, sun, a load and a battery over an hour.
pub(super) fn small() -> Setup {
    let mut s = Setup::new(4, 900);
    let load = s.given("feed.load", Type::Power, &["4", "4", "6", "5"]);
    let sun = s.given("feed.pv", Type::Power, &["0", "9", "2", "1"]);
    s.site.tariffs.push(Tariff {
        id: TariffId(0),
        name: "b19".into(),
        import: Price::Periods { periods: Vec::new(), otherwise: Some(rat("0.2")), span: span(1) },
        export: Some(Price::Periods { periods: Vec::new(), otherwise: Some(rat("0.07")), span: span(1) }),
        demand: vec![DemandCharge {
            name: "any".into(),
            during: Sched::Always,
            price: rat("19.5"),
            expect: None,
            span: span(2),
        }],
        interval_s: 900,
        fixed: vec![FixedCharge { amount: rat("155"), per: Period::Month, span: span(3) }],
        minimum: None,
        import_signal: None,
        export_signal: None,
        span: span(4),
    });
    fixture::grid(&mut s.site, "100", "100", Some(TariffId(0)));
    fixture::pv(&mut s.site, "8", sun);
    fixture::load(&mut s.site, load);
    fixture::battery(&mut s.site, "pack", "10", "5");
    s.state.levels.insert("pack".into(), "50 %".parse().unwrap());
    let peaks = BTreeMap::from([("any".to_owned(), "3.5 kW".parse().unwrap())]);
    s.state.peaks.insert("b19".into(), peaks);
    s.commands = vec![
        command("pack", Attr::Charge, CommandForm::Fixed, &[0, 2000, 0, 0]),
        command("pack", Attr::Discharge, CommandForm::Fixed, &[0, 0, 1000, 0]),
        command("solar", Attr::Power, CommandForm::AtMost, &[8000, 8000, 8000, 8000]),
    ];
    s
}

pub(super) fn words(verdict: &Verdict) -> String {
    verdict.misses.iter().map(|m| m.message.clone()).collect::<Vec<_>>().join("\n")
}

#[test]
fn a_right_plan_holds_and_costs_what_arithmetic_says() {
    let (bundle, plan) = document(&small());
    let verdict = verify(&bundle, &plan);
    assert_eq!(words(&verdict), "");
    // imports 4, 0, 3, 4 kW and exports 0, 2, 0, 0 kW for a quarter of an hour each
    assert_eq!(plan.money.energy, rat("0.55"));
    assert_eq!(plan.money.export, rat("0.035"));
    // the peak is 4 kW, 3.5 kW were metered before
    assert_eq!(plan.money.demand[0].decided, rat("9.75"));
    assert_eq!(plan.money.demand[0].incurred, rat("68.25"));
    // an hour of the 31 days of July, and 0.25 kWh discharged at 0.03
    assert_eq!(plan.money.fixed, Rat::ratio(155, 31 * 24).unwrap());
    assert_eq!(plan.money.wear, rat("0.0075"));
    assert_eq!(plan.money.plan_cost, rat("10.2725"));
    // with nobody deciding 4, 0, 4 and 4 kW are imported and 4 kW exported in one quarter: the inverter
    // gives 8 kW of the 9 kW of sun; the peak is the same
    assert_eq!(plan.money.unmanaged, Some(rat("10.28")));
    assert_eq!(verdict.asked.steps, 4);
}

/// A capacity below 0 outdoors is none, also where nobody decides: no machine gives back electricity.
#[test]
fn with_nobody_deciding_a_machine_without_capacity_rests() {
    let costs = |most: &str| {
        let mut s = small();
        let outdoor = s.given("weather.temperature", Type::Temperature, &["263.15"; 4]);
        let heater = fixture::consumer(&mut s.site, "boiler", Need::None, &[("0", "20")]);
        fixture::zone(&mut s.site, "offices", "1", "1", outdoor);
        let Model::Consumer(consumer) = &mut s.site.families[heater.index()].model else { panic!() };
        consumer.heats = Some(ZoneId(0));
        consumer.capacity = vec![(rat("263.15"), rat(most))];
        s.state.temperatures.insert("offices".into(), "1 degC".parse().unwrap());
        s.commands.push(command("boiler", Attr::Power, CommandForm::Fixed, &[0; 4]));
        document(&s).1.money.unmanaged.unwrap()
    };
    assert_eq!(costs("-3"), rat("10.28"));
    assert_eq!(costs("0"), rat("10.28"));
    // it is cold there: what it can, it does
    assert!(costs("1") > rat("10.28"));
}

#[test]
fn charges_of_one_tariff_at_several_meters_are_not_verified() {
    let found = |change: &dyn Fn(&mut Site)| {
        let mut s = small();
        let bus = fixture::bus(&mut s.site, "yard", None);
        let second = fixture::grid(&mut s.site, "50", "50", Some(TariffId(0)));
        let family = &mut s.site.families[second.index()];
        (family.name, family.bus) = ("annex".into(), Some(bus));
        let at = family.span;
        change(&mut s.site);
        // the state knows no peak of a charge that is not there
        s.state.peaks.retain(|_, _| !s.site.tariffs[0].demand.is_empty());
        let (bundle, plan) = document(&s);
        let verdict = verify(&bundle, &plan);
        assert!(verdict.trajectory.is_some(), "{}", words(&verdict));
        let misses = verdict.misses;
        let shared = misses.into_iter().filter(|miss| miss.message.contains("at several meters"));
        let shared: Vec<Miss> = shared.collect();
        assert!(
            shared.iter().all(|miss| miss.code == NOT_PLANNED_YET && miss.span == Some(at) && !miss.said)
        );
        shared.into_iter().map(|miss| miss.message).collect::<Vec<_>>()
    };
    let bill = MinimumBill { amount: rat("500"), span: span(5) };
    assert_eq!(found(&|_| {}), ["demand charges of `b19` at several meters: understood, not planned yet"]);
    let minimum = |site: &mut Site| {
        site.tariffs[0].demand.clear();
        site.tariffs[0].minimum = Some(bill.clone());
    };
    assert_eq!(found(&minimum), ["the minimum bill of `b19` at several meters: understood, not planned yet"]);
    // energy alone is each meter's own
    assert!(found(&|site| site.tariffs[0].demand.clear()).is_empty());
    // and with a tariff of its own each meter's bill is as well
    let own = |site: &mut Site| {
        minimum(site);
        let other = Tariff { id: TariffId(1), name: "b20".into(), ..site.tariffs[0].clone() };
        site.tariffs.push(other);
        let Model::Grid { tariff, .. } = &mut site.families.last_mut().unwrap().model else { panic!() };
        *tariff = Some(TariffId(1));
    };
    assert!(found(&own).is_empty());
}

/// What a draft does not say yet is judged as soon as it is put in, by its own words alone.
#[test]
fn what_completes_a_draft_is_judged() {
    let (bundle, plan) = document(&small());
    let told = draft(&bundle, &plan).told;
    assert_eq!(completed(&plan, &told), []);
    let found = |change: &dyn Fn(&mut PlanDocument)| {
        let mut changed = plan.clone();
        change(&mut changed);
        let misses = completed(&changed, &told);
        assert_eq!(misses, verify(&bundle, &changed.seal()).misses);
        misses.iter().map(|miss| miss.message.clone()).collect::<Vec<_>>().join("\n")
    };
    let words = found(&|plan| plan.assumptions.push("the sun shines".into()));
    assert_eq!(words, "the plan assumes what does not follow from its policy: the sun shines");
    let words = found(&|plan| plan.money.unmanaged = Some(rat("10.29")));
    assert_eq!(words, "the plan says that nobody deciding costs 10.29 for `all`, it would be 10.28");
    let words = found(&|plan| plan.money.unmanaged_parts = None);
    assert!(words.contains("nobody deciding costs something for `all`"), "{words}");
}

#[test]
fn bytes_read_back_and_any_edit_is_noticed() {
    let (bundle, plan) = document(&small());
    let bytes = plan.bytes();
    assert_eq!(bytes.last(), Some(&b'\n'));
    assert_eq!(PlanDocument::read(&bytes).unwrap(), plan);
    assert_eq!(Bundle::load(&bundle.bytes()).unwrap(), bundle);
    let text = String::from_utf8(bytes).unwrap();
    let edited = text.replace("2000", "2001");
    assert_eq!(PlanDocument::read(edited.as_bytes()).unwrap_err().code, crate::diag::codes::TAMPERED);
    let unknown = text.replacen("{\"schema\"", "{\"colour\":1,\"schema\"", 1);
    let finding = PlanDocument::read(unknown.as_bytes()).unwrap_err();
    assert_eq!(finding.code, crate::diag::codes::NOT_A_DOCUMENT);
    assert_eq!(finding.message, "the plan is damaged: line 1, column 9: unknown field `colour`");
    let newer = text.replace("evl.plan/1", "evl.plan/2");
    assert_eq!(PlanDocument::read(newer.as_bytes()).unwrap_err().code, crate::diag::codes::SCHEMA_VERSION);
    for wrong in ["", "{}", "[", "null", "{\"schema\":\"evl.bundle/1\"}", "{\"schema\":7}"] {
        assert_eq!(
            PlanDocument::read(wrong.as_bytes()).unwrap_err().code,
            crate::diag::codes::NOT_A_DOCUMENT
        );
    }
}

#[test]
fn one_spelling_of_a_document_is_accepted() {
    let (bundle, plan) = document(&small());
    let text = String::from_utf8(plan.bytes()).unwrap();
    let value: serde_json::Value = serde_json::from_str(&text).unwrap();
    let key = |name: &str| {
        let at = text.find(&format!("\"{name}\":")).unwrap();
        (text[..at].to_owned(), text[at..].to_owned())
    };
    let (before, after) = key("study");
    let (tool, rest) = key("tool");
    let spellings = [
        serde_json::to_string_pretty(&value).unwrap(),
        // sorted by key
        value.to_string(),
        text.trim_end().to_owned(),
        text.replace('\n', "\r\n"),
        format!(" {text}"),
        format!("{text}\n"),
        text.replacen("\"study\":", "\"study\" :", 1),
        text.replacen("evl.plan/1", "evl.plan\\u002f1", 1),
        // a signed zero, and a ratio that is not reduced
        format!("{before}{}", after.replacen("\"0\"", "\"-0\"", 1)),
        format!("{tool}{}", rest.replacen("\"1/2\"", "\"2/4\"", 1)),
    ];
    for spelling in spellings.iter().filter(|spelling| **spelling != text) {
        let finding = PlanDocument::read(spelling.as_bytes()).unwrap_err();
        assert_eq!(finding.code, crate::diag::codes::TAMPERED, "{spelling:.100}");
        assert!(
            finding.message.contains("the plan was written again"),
            "{spelling:.100}: {}",
            finding.message
        );
    }
    // what evl does not know in a policy is nothing to it, and something to whoever reads the bundle
    let text = String::from_utf8(bundle.bytes()).unwrap();
    let more = text.replacen("\"timezone\":", "\"remark\":\"approved\",\"timezone\":", 1);
    assert!(more != text);
    assert_eq!(Bundle::load(more.as_bytes()).unwrap_err().code, crate::diag::codes::TAMPERED);
}

/// Every leaf of a document with another value, with its path.
fn mutants(value: &serde_json::Value) -> Vec<(String, serde_json::Value)> {
    use serde_json::Value as V;
    match value {
        V::Object(map) => map
            .iter()
            .flat_map(|(key, inner)| {
                mutants(inner).into_iter().map(move |(path, changed)| {
                    let mut copy = map.clone();
                    copy.insert(key.clone(), changed);
                    (format!("{key}.{path}"), V::Object(copy))
                })
            })
            .collect(),
        V::Array(items) => items
            .iter()
            .enumerate()
            .flat_map(|(at, inner)| {
                mutants(inner).into_iter().map(move |(path, changed)| {
                    let mut copy = items.clone();
                    copy[at] = changed;
                    (format!("{at}.{path}"), V::Array(copy))
                })
            })
            .collect(),
        V::Number(n) => vec![(String::new(), V::from(n.as_i64().unwrap() + 1))],
        V::Bool(b) => vec![(String::new(), V::Bool(!b))],
        V::String(text) => {
            let changed = match text.parse::<Rat>() {
                Ok(n) => (n + rat("0.5")).to_string(),
                Err(_) => match text.parse::<crate::calendar::Instant>() {
                    Ok(at) => at.plus(7).to_string(),
                    Err(_) => format!("{text}x"),
                },
            };
            vec![(String::new(), V::String(changed))]
        }
        V::Null => Vec::new(),
    }
}

#[test]
fn a_changed_field_with_a_new_hash_is_noticed_by_the_check() {
    let (bundle, plan) = document(&small());
    let json: serde_json::Value = serde_json::from_slice(&plan.bytes()).unwrap();
    let mut unnoticed = Vec::new();
    let mut asked = 0;
    for (path, mutant) in mutants(&json) {
        let Ok(changed) = serde_json::from_value::<PlanDocument>(mutant) else { continue };
        asked += 1;
        if PlanDocument::read(&changed.clone().seal().bytes()).is_ok()
            && verify(&bundle, &changed.seal()).holds()
        {
            unnoticed.push(path.trim_end_matches('.').to_owned());
        }
    }
    assert!(asked > 80, "{asked}");
    // what no computation can decide: whether a clock limited the search; the sun above what the
    // inverter gives
    insta::assert_snapshot!(unnoticed.join("\n"), @r"
    given.1.values.1
    reproducible
    ");
}

pub(super) fn rule(
    site: &mut Site,
    class: u32,
    when: Guard,
    kind: EffectKind,
    target: Target,
    text: &str,
) -> RuleId {
    let id = RuleId::at(site.rules.len());
    site.rules.push(Rule {
        id,
        name: format!("rule{}", id.0),
        class: ClassId(class),
        owner: OWNER,
        span: span(600 + id.0),
        for_each: None,
        when,
        when_span: span(600 + id.0),
        until: None,
        memory: Memory::None,
        latches: Vec::new(),
        on_loss: OnLoss::Inactive,
        at_most_every_s: None,
        effects: vec![Effect {
            index: 0,
            verb: Verb::Limit,
            target,
            kind,
            preferably: false,
            price: None,
            span: span(700 + id.0),
            text: text.into(),
        }],
    });
    id
}

#[test]
fn presumed_values_follow_from_state_and_policy() {
    let mut s = small();
    let alarm = fixture::signal(&mut s.site, "panel.smoke", Type::Number, "0", "9");
    s.given.put_readings(SigRef::Only(alarm), vec![Some(Value::Number(rat("2"))); 4]);
    s.state.signals.insert("panel.smoke".into(), Some(crate::bundle::Given::Text("2".into())));
    let mut lin = Lin::of(SigRef::Only(alarm));
    lin.constant = rat("-5");
    let smoke = Guard::Compare { lin, op: Cmp::Gt, step: Rat::ZERO };
    rule(&mut s.site, 0, smoke, bound(Attr::Charge, None, Some("1")), member(3), "limit");
    let (bundle, mut plan) = document(&s);
    let wrong = "the plan does not presume of `panel.smoke` what its state and policy say";
    assert_eq!(words(&verify(&bundle, &plan.clone().seal())), wrong);
    let of = |n: &str| crate::bundle::Presumption {
        signal: "panel.smoke".into(),
        first: n.into(),
        then: n.into(),
    };
    plan.presumes = vec![of("2")];
    plan = told(&bundle, plan);
    assert_eq!(words(&verify(&bundle, &plan)), "");
    plan.presumes = vec![of("1")];
    assert_eq!(words(&verify(&bundle, &plan.clone().seal())), wrong);
    plan.presumes = vec![of("2")];
    let given = plan.given.iter_mut().find(|series| series.of == "panel.smoke").unwrap();
    given.values[3] = rat("1");
    assert_eq!(words(&verify(&bundle, &plan.seal())), wrong);
}

#[test]
fn something_is_expected_of_every_device_with_a_profile() {
    let mut s = small();
    s.site.families[3].profile = Some("sunspec/battery".into());
    let (bundle, mut plan) = document(&s);
    plan.expect[0].profile = Some("sunspec/battery".into());
    plan.expect[0].level = Some(ExpectedLevel { level: rat("5"), tolerance: rat("0.5") });
    let plan = told(&bundle, plan);
    let with = |change: &dyn Fn(&mut Vec<Expectation>)| {
        let mut plan = plan.clone();
        change(&mut plan.expect);
        words(&verify(&bundle, &plan.seal()))
    };
    assert_eq!(with(&|_| {}), "");
    assert_eq!(
        with(&|expect| expect.clear()),
        "the plan commands `pack` and does not say what it expects to find there"
    );
    assert_eq!(with(&|expect| expect[0].level = None), "the plan expects no level of `pack`");
    assert!(
        with(&|expect| expect[0].level.as_mut().unwrap().tolerance = rat("5")).contains("another tolerance")
    );
    let twice = |expect: &mut Vec<Expectation>| expect.extend(expect.clone());
    assert!(with(&twice).contains("expects something of `pack`"));
}

pub(super) fn member(family: u32) -> Target {
    Target::Members(vec![MemberRange { family: FamilyId(family), first: 1, last: 1 }])
}

pub(super) fn bound(attr: Attr, lo: Option<&str>, hi: Option<&str>) -> EffectKind {
    let lin = |text: &str| Lin::constant(rat(text));
    EffectKind::Bound { attr, lo: lo.map(lin), hi: hi.map(lin), share: Share::Each, averaged_s: None }
}

#[test]
fn foreign_and_unlike_documents_are_told_apart() {
    let (bundle, plan) = document(&small());
    let mut other = small();
    other.site.name = "elsewhere".into();
    other.state.site = "elsewhere".into();
    let (elsewhere, _) = document(&other);
    let verdict = verify(&elsewhere, &plan);
    assert!(
        verdict.misses.iter().all(|m| m.code == crate::diag::codes::FOREIGN) && verdict.misses.len() == 2
    );
    let mut state = plan.state.clone();
    assert_eq!(same_inputs(&bundle, &plan, None, Some(&state)), []);
    state.sequence = 7;
    assert_eq!(same_inputs(&bundle, &plan, None, Some(&state)).len(), 1);
}

#[test]
fn derived_series_that_say_nothing_true_are_noticed() {
    let (bundle, mut plan) = document(&small());
    plan.derived.push(Series {
        of: "pack".into(),
        quantity: Quantity::Power,
        unit: "kW".into(),
        values: vec![Rat::ZERO; 4],
    });
    assert_eq!(words(&verify(&bundle, &plan.seal())), "the plan says of `pack` what does not follow from it");
}
