//! Everything that parses and type-checks but cannot be planned yet is refused by EVL1001 at its own
//! words: nothing of a policy is ever left out in silence.

use evl::system::MemorySystem;

const SITE: &str = r#"
edition 2026
site corner {
  timezone "UTC", currency EUR, step 60 min, horizon 6 h, valid 2026-01-01 .. 2026-12-31, signatures noneSETTING
}
priorities safety > contract > comfort > economy
bus main { ac 400 V, 3 phase }
producer utility : grid { on main, import up to 20 kW, export up to 5 kW, tariff flat }
consumer house : load { on main, load 2 kW }
consumer car[1..2] : ev_charger { on main, demand 0 kW .. 11 kW }
consumer fan : load { on main, demand one of { 0 kW, 2 kW } }
storage pack : battery {
  on main, capacity 10 kWh, charge up to 5 kW, discharge up to 5 kW, efficiency 90 % / 90 %, end free
}
group cars = consumer where kind = ev_charger
rule calm in comfort { limit fan to 2 kW }
weather { temperature -20 degC .. 42 degC }
tariff flat {
  import 0.20 EUR/kWh
  TARIFF
}
"#;

const STATE: &str = r#"{"schema": "evl.state/1", "site": "corner", "at": "2026-03-02T00:00:00Z",
  "levels": {"pack": "5 kWh"}, "signals": {"weather.temperature": "10 degC"}}"#;

/// Where a statement stands.
#[derive(Debug, Clone, Copy, PartialEq)]
enum In {
    /// Among the policy's statements.
    Policy,
    /// In the tariff.
    Tariff,
    /// In the site's settings.
    Setting,
}

/// The statement, what the refusal calls it, and words that it points at.
const REFUSED: &[(In, &str, &str, &str)] = &[
    (
        In::Policy,
        "rule r in economy { follow utility.import at 0 kW with fan }",
        "`fan` keeping a meter",
        "follow utility",
    ),
    (
        In::Policy,
        "rule r in economy { keep pack.charge_level one of { 20 %, 50 % } }",
        "a choice",
        "one of { 20 %, 50 % }",
    ),
    (
        In::Policy,
        "rule r in economy { limit car[1] to pack.discharge }",
        "an amount that the plan itself decides",
        "limit car[1] to pack.discharge",
    ),
    (In::Setting, ", emergency when pack.charge_level < 5 %", "an emergency that depends", "corner"),
    (
        In::Policy,
        "rule r in economy { when pack.charge_level > 50 % then run fan for 1 h between 00:00 and 06:00 daily at most every 6 h }",
        "`at most every` under a guard that the plan decides",
        "run fan for 1 h",
    ),
    (
        In::Policy,
        "rule r in economy { for each c in cars when c.power > 5 kW for 1 h then limit pack.charge to 1 kW }",
        "`for` a time in a rule for each member",
        "c.power > 5 kW",
    ),
    (
        In::Policy,
        "rule r in economy { when pack.charge_level = 50 % then turn off fan }",
        "a guard on the exact value of what the plan decides",
        "pack.charge_level = 50 %",
    ),
    (
        In::Policy,
        "rule r1 in economy { when pack.charge_level < 10 % then limit car[1] to 1 kW }\n\
         rule r2 in economy { when pack.charge_level < 15 % then limit car[1] to 2 kW }\n\
         rule r3 in economy { when pack.charge_level < 20 % then limit car[1] to 3 kW }\n\
         rule r4 in economy { when pack.charge_level < 25 % then limit car[1] to 4 kW }\n\
         rule r5 in economy { when pack.charge_level < 30 % then limit car[1] to 5 kW }\n\
         rule r6 in economy { when pack.charge_level < 35 % then limit car[1] to 6 kW }\n\
         rule r7 in economy { when pack.charge_level < 40 % then limit car[1] to 7 kW }",
        "more than 6 rules on the same devices",
        "pack.charge_level < 10 %",
    ),
    (
        In::Policy,
        "producer spare : grid { on main, import up to 5 kW, tariff flat }",
        "`spare` beside `utility` on connected buses",
        "spare",
    ),
    (In::Tariff, "minimum 20 EUR per year", "a minimum bill per year", "20 EUR"),
    (In::Tariff, "ratchet 80 %", "`ratchet 80 %` in the tariff", "80 %"),
    (In::Tariff, "demand yearly { 10 EUR/kW on any }", "a yearly demand charge", "yearly"),
    (
        In::Policy,
        "budget b in economy { consumption of site at most 10 kWh per day during daily 08:00..12:00 }",
        "a budget that counts only at times",
        "daily 08:00..12:00",
    ),
    (
        In::Policy,
        "rule r in economy { when car[1].power > 5 kW averaged over 60 min then turn off fan }",
        "a guard on a mean",
        "averaged over 60 min",
    ),
    (
        In::Policy,
        "slot bay[1..2] : storage { on main, accepts function battery, charge up to 5 kW, discharge up to 5 kW }",
        "modules that fill it",
        "bay",
    ),
    (
        In::Policy,
        "rule r in economy { when max(weather.temperature, last 3 h) > 30 degC then turn off fan }",
        "an aggregate over the past",
        "last 3 h",
    ),
    (
        In::Policy,
        "rule r in economy { supply fan from utility via pack }",
        "tracking what a store contains",
        "pack",
    ),
];

#[test]
fn what_cannot_be_planned_yet_is_refused_at_its_own_words() {
    let mut wrong = Vec::new();
    for (place, statement, called, words) in REFUSED {
        let fill = |at: In| if at == *place { *statement } else { "" };
        let policy = SITE.replace("SETTING", fill(In::Setting)).replace("TARIFF", fill(In::Tariff))
            + fill(In::Policy)
            + "\n";
        let findings = refused(&policy, STATE);
        let found = findings.iter().find(|f| f.code.to_string() == "EVL1001" && f.message.contains(called));
        let span = found.and_then(|f| f.primary.as_ref()).map(|label| label.span);
        let at = span.map_or("", |span| &policy[span.start as usize..span.end as usize]);
        if at.is_empty() || !at.contains(words) && !words.contains(at) {
            wrong.push(format!("`{statement}`, at `{at}`:\n{}", super::words(&findings)));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn refused(policy: &str, state: &str) -> evl::diag::Diagnostics {
    let system = MemorySystem::new().file("site/site.evl", policy).file("site/evl.yaml", "site: corner\n");
    match super::try_planned(&system, "2026-03-02T00:00:00Z", state) {
        Ok(_) => evl::diag::Diagnostics::new(),
        Err(failure) => failure.findings,
    }
}
