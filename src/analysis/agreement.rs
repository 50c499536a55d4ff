//! Encoder and evaluator agree on random policies and environments, and what the analysis finds is
//! what trying every environment of a grid finds.

use std::collections::{BTreeMap, BTreeSet};

use super::ask::Asker;
use super::encode::World;
use super::formula::{Bit, Formula, Num};
use super::testkit::*;
use super::witness::Situation;
use super::witness::replay::{conflict_of, effect_ref, environment};
use super::*;
use crate::calendar::Instant;
use crate::eval::{Clash, Environment, Evaluator, Instance, Reading, Refusal};
use crate::ir::*;
use crate::quantity::{Rat, Type};

/// A small generator of numbers, the same on every run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 20) % sides
    }

    fn chance(&mut self, percent: u64) -> bool {
        self.roll(100) < percent
    }

    fn pick<T: Clone>(&mut self, of: &[T]) -> T {
        of[usize::try_from(self.roll(of.len() as u64)).unwrap()].clone()
    }
}

/// A random policy. With `grid` it is one whose every environment lies on a small grid.
fn policy(dice: &mut Dice, grid: bool) -> Site {
    let mut make = Make::new();
    let day = |day| CivilDate { year: 2026, month: 3, day };
    make.site.timezone = "Europe/Berlin".into();
    // a weekend, the spring clock change among its days
    make.site.valid = if grid { (day(29), day(29)) } else { (day(27), day(31)) };
    let a = make.number("a", "0", "3");
    let b = make.number("b", "0", "3");
    make.lossy(b);
    let sched = |dice: &mut Dice| {
        let (from, to) = (dice.roll(24) as i32, 1 + dice.roll(24) as i32);
        if from == to { hours(from, to % 24 + 1) } else { hours(from, to) }
    };
    let tariff = TariffId(0);
    let price = make.signal(
        "price.import",
        Type::EnergyPrice,
        Domain::Interval { lo: rat("0"), hi: rat("3") },
        SignalSource::ImportPrice(tariff),
    );
    let peak = sched(dice);
    make.site.tariffs.push(Tariff {
        id: tariff,
        name: "t".into(),
        import: Price::Periods {
            periods: vec![PricePeriod { during: peak, price: rat("2"), span: span(1) }],
            otherwise: Some(rat("1")),
            span: span(1),
        },
        export: None,
        demand: Vec::new(),
        interval_s: 900,
        fixed: Vec::new(),
        minimum: None,
        import_signal: Some(price),
        export_signal: None,
        span: span(1),
    });
    let mut numbers = vec![a, b, price];
    if !grid {
        for (op, of, name) in [(AggregateOp::Max, price, "max(price)"), (AggregateOp::Min, a, "min(a)")] {
            let source = SignalSource::Aggregate { op, of, over_s: 7200 };
            let domain = Domain::Interval { lo: rat("0"), hi: rat("3") };
            numbers.push(make.signal(name, Type::Number, domain, source));
        }
    }
    let alarm = make.signal("alarm", Type::Bool, Domain::Bool, SignalSource::Weather);
    make.lossy(alarm);
    let words = vec!["low".into(), "mid".into(), "high".into()];
    let level = make.signal("level", Type::Symbol, Domain::Symbols(words), SignalSource::Event);
    let devices = [
        make.consumer("plain", &[("0", "10")]),
        make.consumer("gap", &[("0", "0"), ("4", "10")]),
        make.store("pack", "10"),
    ];
    if dice.chance(30) {
        make.site.principals.push(Principal {
            id: PrincipalId(1),
            name: "acme".into(),
            kind: PrincipalKind::Tenant,
            classes: vec![ClassId(1), ClassId(2)],
            active_until: None,
            key: None,
            span: span(2),
        });
        make.site.permits.push(Permit {
            forbid: false,
            who: Some(PrincipalId(1)),
            any_kind: None,
            verb: None,
            target: PermitTarget::Target(one(devices[0])),
            attr: None,
            lo: Some(rat("2")),
            hi: Some(rat("8")),
            during: sched(dice),
            emergency: false,
            text: "permit".into(),
            span: span(3),
        });
    }
    let rules = if grid { 4 } else { 2 + dice.roll(3) };
    for n in 0..rules {
        let class = dice.roll(if grid { 2 } else { 3 }) as u32;
        let when = guard(dice, &mut make, &numbers, alarm, level, 2, grid);
        let rule = make.rule(&format!("r{n}"), class, when);
        if dice.chance(30) {
            let until = guard(dice, &mut make, &numbers, alarm, level, 1, grid);
            make.until(rule, until);
        }
        make.site.rules[rule.index()].on_loss =
            dice.pick(&[OnLoss::Active, OnLoss::Inactive, OnLoss::Inactive]);
        if make.site.principals.len() > 1 && class > 0 && dice.chance(50) {
            make.site.rules[rule.index()].owner = PrincipalId(1);
        }
        for _ in 0..if grid { 2 } else { 1 + dice.roll(2) } {
            effect(dice, &mut make, rule, &devices, a, b, grid);
        }
    }
    make.site
}

fn guard(
    dice: &mut Dice,
    make: &mut Make,
    numbers: &[SignalId],
    alarm: SignalId,
    level: SignalId,
    depth: u32,
    grid: bool,
) -> Guard {
    let inner = |dice: &mut Dice, make: &mut Make| guard(dice, make, numbers, alarm, level, depth - 1, grid);
    match dice.roll(if depth == 0 { 5 } else { 9 }) {
        0 | 1 => {
            let op = dice.pick(&[Cmp::Lt, Cmp::Le, Cmp::Gt, Cmp::Ge, Cmp::Eq, Cmp::Ne]);
            let bound = dice.roll(4).to_string();
            let mut compared = compare(dice.pick(numbers), op, &bound);
            if !grid
                && dice.chance(30)
                && let Guard::Compare { lin, .. } = &mut compared
            {
                let second = SigRef::Only(dice.pick(numbers));
                if lin.terms.iter().all(|(_, of)| *of != second) {
                    lin.terms.push((rat("-1"), second));
                }
            }
            compared
        }
        2 => {
            let (from, length) = (dice.roll(20) as i32, 1 + dice.roll(4) as i32);
            Guard::During(hours(from, from + length))
        }
        3 => Guard::Is(SigRef::Only(alarm)),
        4 => Guard::Equals(SigRef::Only(level), dice.roll(3) as u32),
        5 => Guard::Not(Box::new(inner(dice, make))),
        6 => Guard::All(vec![inner(dice, make), inner(dice, make)]),
        7 => Guard::Any(vec![inner(dice, make), inner(dice, make)]),
        _ if grid => Guard::Not(Box::new(inner(dice, make))),
        _ => {
            let id = HeldId::at(make.site.held.len());
            make.site.held.push(Held { id, name: format!("h{id}"), for_s: 5400, span: span(5) });
            Guard::Held(id, Box::new(inner(dice, make)))
        }
    }
}

fn effect(
    dice: &mut Dice,
    make: &mut Make,
    rule: RuleId,
    devices: &[FamilyId; 3],
    a: SignalId,
    b: SignalId,
    grid: bool,
) {
    let device = dice.pick(devices);
    let attr = if device == devices[2] {
        dice.pick(&[Attr::Charge, Attr::Discharge, Attr::Power])
    } else {
        Attr::Power
    };
    match dice.roll(6) {
        0 => make.switch(rule, device, true),
        1 => make.switch(rule, device, false),
        2 => {
            let connect = dice.chance(30);
            make.effect(rule, one(device), Verb::Connect, EffectKind::Connect(connect), "connect");
        }
        3 if !grid => {
            // a bound that is linear in signals
            let mut lin = Lin::of(SigRef::Only(dice.pick(&[a, b])));
            lin.constant = Rat::int(dice.roll(8) as i64);
            let upper = dice.chance(50);
            let (lo, hi) = if upper { (None, Some(lin)) } else { (Some(lin), None) };
            let kind = EffectKind::Bound { attr, lo, hi, share: Share::Each, averaged_s: None };
            make.effect(rule, one(device), Verb::Limit, kind, "linear");
        }
        4 => {
            let least = dice.roll(12).to_string();
            make.bound(rule, device, attr, Some(&least), None);
        }
        _ => {
            let most = dice.roll(11).to_string();
            make.bound(rule, device, attr, None, Some(&most));
        }
    }
}

/// A random situation: any instant of `valid`, any values, any bits.
fn situation(dice: &mut Dice, site: &Site, calendar: &Calendar) -> Situation {
    let (from, to) = calendar.valid();
    let minutes = u64::try_from((to.0 - from.0) / 60).unwrap();
    let at = Instant(from.0 + 60 * i64::try_from(dice.roll(minutes)).unwrap());
    let mut situation = Situation { at, nums: BTreeMap::new(), bits: BTreeMap::new() };
    for signal in &site.signals {
        match &signal.domain {
            Domain::Interval { .. } => {
                let value = Rat::ratio(i128::from(dice.roll(7)), 2).unwrap();
                situation.nums.insert(Num::Signal(signal.id, 0), value);
            }
            Domain::Bool => {
                situation.bits.insert(Bit::Truth(signal.id, 0), dice.chance(50));
            }
            Domain::Symbols(words) => {
                let chosen = dice.roll(words.len() as u64) as u32;
                for word in 0..words.len() as u32 {
                    situation.bits.insert(Bit::Symbol(signal.id, 0, word), word == chosen);
                }
            }
        }
        if signal.reading.is_some() {
            situation.bits.insert(Bit::Known(signal.id, 0), dice.chance(70));
        }
    }
    for latch in &site.latches {
        situation.bits.insert(Bit::Latch(latch.id), dice.chance(50));
    }
    for held in &site.held {
        situation.bits.insert(Bit::Held(held.id), dice.chance(70));
    }
    situation
}

/// Fills in what the instant fixes: atoms, and prices as the evaluator sees them.
fn complete(ground: &ask::Ground, situation: &mut Situation) {
    let env = environment(ground.site, situation);
    for signal in &ground.site.signals {
        if let Some(value) = ground.evaluator.number(&Lin::of(SigRef::Only(signal.id)), None, &env) {
            situation.nums.insert(Num::Signal(signal.id, 0), value);
        }
    }
    for atom in 0..ground.atoms.len() {
        let holds = ground.atoms.pieces(atom).iter().any(|(a, b)| (*a..*b).contains(&situation.at.0));
        situation.bits.insert(Bit::Atom(atom), holds);
    }
}

#[test]
fn encoder_and_evaluator_agree() {
    let mut dice = Dice(0x5eed_2026_0001);
    let (policies, each) = (200, 50);
    let (mut pairs, mut clashes, mut asked) = (0, 0, 0);
    for _ in 0..policies {
        let site = policy(&mut dice, false);
        let calendar = Calendar::new(&site).unwrap();
        let policy = prepare(&site, World::new(&site, &calendar), &CheckInputs::default());
        assert!(policy.refused.is_empty());
        let ground = &policy.ground;
        let mut asker = Asker::new(ground);
        for _ in 0..each {
            let mut situation = situation(&mut dice, &site, &calendar);
            complete(ground, &mut situation);
            let decision = ground.evaluator.evaluate(&environment(&site, &situation));
            let holds = |formula: &Formula| formula.holds(&situation.nums, &situation.bits);
            for ((rule, member), instance) in &policy.index.instances {
                let active = decision.active.contains(&Instance { rule: *rule, member: *member });
                assert_eq!(
                    holds(&instance.active),
                    active,
                    "{:#?} in {situation:?}\n{:?}",
                    site.rules[rule.index()].when,
                    site.held
                );
            }
            for command in &policy.index.commands {
                let refused = decision.denials.iter().any(|d| {
                    d.effect.instance.rule == command.rule
                        && d.effect.index == command.effect
                        && !matches!(d.why, Refusal::AccountEnded | Refusal::LifeSafety)
                });
                let wanted =
                    holds(&command.active) && holds(&command.effective) && !holds(&command.permitted);
                assert_eq!(wanted, refused, "{command:?} in {situation:?}\n{site:#?}");
            }
            for dossier in &policy.index.dossiers {
                let acts: Vec<_> = dossier.acts.iter().filter_map(|a| a.shape().map(|s| (a, s))).collect();
                for (i, (a, shape_a)) in acts.iter().enumerate() {
                    let alone = holds(&a.acts()) && holds(&dossier.body.empty(&[shape_a]));
                    let beyond = decision
                        .conflicts
                        .iter()
                        .any(|c| c.clash == Clash::BeyondDevice && c.effects == [effect_ref(a)]);
                    assert_eq!(alone, beyond, "{a:?} in {situation:?}\n{site:#?}");
                    for (b, shape_b) in acts.iter().skip(i + 1).filter(|(b, _)| b.class == a.class) {
                        let one = |s| holds(&dossier.body.empty(&[s]));
                        let both = holds(&a.acts()) && holds(&b.acts());
                        let clash = both
                            && !one(shape_a)
                            && !one(shape_b)
                            && holds(&dossier.body.empty(&[shape_a, shape_b]));
                        // within one statement pair the evaluator reports the pair wherever it clashes
                        let reported = conflict_of(&decision, &[a, b]).is_some_and(|c| {
                            c.units.iter().any(|unit| super::witness::replay::is_on(unit, dossier.subject))
                        });
                        assert_eq!(clash, reported, "{a:?}\n{b:?}\nin {situation:?}\n{site:#?}");
                        clashes += u32::from(clash);
                    }
                }
            }
            pairs += 1;
            // and the solver, given the same values, says the same
            if pairs % 20 == 0 {
                asked += solver_agrees(&policy, &mut asker, &situation);
            }
        }
    }
    assert_eq!(pairs, 10_000);
    assert!(clashes > 100 && asked > 500, "the policies are too tame: {clashes} clashes, {asked} questions");
}

fn solver_agrees(policy: &Prepared, asker: &mut Asker, situation: &Situation) -> u32 {
    let mut asked = 0;
    let pinned: Vec<Formula> =
        situation
            .nums
            .iter()
            .map(|(num, value)| {
                let value = super::formula::Linear::constant(value.clone());
                Formula::zero(super::formula::Linear::num(*num).minus(&value))
            })
            .chain(
                situation.bits.iter().map(|(bit, value)| {
                    if *value { Formula::Bit(*bit) } else { Formula::Bit(*bit).negate() }
                }),
            )
            .collect();
    for instance in policy.index.instances.values() {
        let active = instance.active.holds(&situation.nums, &situation.bits);
        asker.enter();
        pinned.iter().for_each(|formula| asker.solver.assert(formula));
        let wanted = asker.solver.literal(&instance.active);
        let answer = asker.solver.ask(&[wanted]);
        asker.leave();
        assert_eq!(answer == smt::Answer::Sat, active);
        asked += 1;
    }
    asked
}

/// Every environment of a grid policy: hours, half values, losses, words, and every latch vector
/// that the evaluator reaches.
fn all_environments(site: &Site, evaluator: &Evaluator, calendar: &Calendar) -> Vec<Environment> {
    let (from, to) = calendar.valid();
    let mut all = Vec::new();
    let halves: Vec<Rat> = (0..=6).map(|n| Rat::ratio(n, 2).unwrap()).collect();
    let number = |r: &Rat| Reading::Known(Value::Number(r.clone()));
    let id = |name: &str| SigRef::Only(site.signals.iter().find(|s| s.name == name).unwrap().id);
    // what no rule reads changes nothing
    let text = format!("{:?}", site.rules);
    let alarms = if text.contains("Is(") { 3 } else { 1 };
    let words = if text.contains("Equals(") { 3 } else { 1 };
    let states = [Reading::Known(Value::Bool(true)), Reading::Known(Value::Bool(false)), Reading::Unknown];
    let mut at = from.0;
    while at < to.0 {
        for a in &halves {
            for b in halves.iter().map(number).chain([Reading::Unknown]) {
                for alarm in states.iter().take(alarms) {
                    for word in 0..words {
                        let mut env = Environment::new(Instant(at));
                        env.values.insert(id("a"), number(a));
                        env.values.insert(id("b"), b.clone());
                        env.values.insert(id("alarm"), alarm.clone());
                        env.values.insert(id("level"), Reading::Known(Value::Symbol(word)));
                        all.push(env);
                    }
                }
            }
        }
        at += 3600;
    }
    if site.latches.is_empty() {
        return all;
    }
    let mut vectors: BTreeSet<BTreeSet<LatchId>> = BTreeSet::from([BTreeSet::new()]);
    let mut open: Vec<BTreeSet<LatchId>> = vec![BTreeSet::new()];
    while let Some(vector) = open.pop() {
        for env in &all {
            let env = Environment { latches: vector.clone(), ..env.clone() };
            let next = evaluator.step_latches(&env, &BTreeSet::new());
            if vectors.insert(next.clone()) {
                open.push(next);
            }
        }
    }
    let with = |vector: &BTreeSet<LatchId>| {
        let vector = vector.clone();
        all.iter().map(move |env| Environment { latches: vector.clone(), ..env.clone() }).collect::<Vec<_>>()
    };
    vectors.iter().flat_map(with).collect()
}

#[test]
fn trying_every_environment_finds_the_same() {
    let mut dice = Dice(0x0dac_1e00_0007);
    let mut clashing = 0;
    for _ in 0..10 {
        let site = policy(&mut dice, true);
        let calendar = Calendar::new(&site).unwrap();
        let evaluator = Evaluator::new(&site, &calendar);
        let (mut pairs, mut alive) = (BTreeSet::new(), BTreeSet::new());
        for env in all_environments(&site, &evaluator, &calendar) {
            let decision = evaluator.evaluate(&env);
            alive.extend(decision.active.iter().map(|instance| instance.rule));
            for conflict in decision.conflicts.iter().filter(|c| c.clash != Clash::JointMiss) {
                let effects: Vec<(u32, u32)> =
                    conflict.effects.iter().map(|e| (e.instance.rule.0, e.index)).collect();
                pairs.insert(effects);
            }
        }
        let policy = prepare(&site, World::new(&site, &calendar), &CheckInputs::default());
        let mut found = BTreeSet::new();
        for dossier in &policy.index.dossiers {
            let mut asker = Asker::new(&policy.ground);
            let clashes = questions::contradiction::ask(&policy.ground, dossier, &mut asker)
                .into_iter()
                .chain(questions::beyond_device::ask(&policy.ground, dossier, &mut asker));
            for clash in clashes {
                assert_ne!(clash.finding.code, codes::OPEN_QUESTION);
                assert_ne!(clash.finding.code, codes::INTERNAL, "{:?}\n{site:#?}", clash.finding);
                found.insert(clash.effects);
            }
        }
        assert_eq!(found, pairs, "{site:#?}");
        let mut asker = Asker::new(&policy.ground);
        let dead = questions::dead_rule::ask(&policy.ground, &policy.index, 0..site.rules.len(), &mut asker);
        let dead: Vec<_> = dead.iter().filter(|f| f.message.ends_with("can never act")).collect();
        assert_eq!(dead.len(), site.rules.len() - alive.len(), "{site:#?}");
        clashing += usize::from(!pairs.is_empty());
    }
    assert!(clashing > 4, "the policies are too tame: {clashing}");
}
