//! Every construct once: it reads, and its canonical form is what stands here.

use super::{formatted, parse, show};

/// Texts that are already in canonical form.
fn canonical(text: &str) {
    let (_, findings) = parse(text);
    assert_eq!(show(text, &findings), "", "{text}");
    assert_eq!(formatted(text), text);
}

/// A text and its canonical form.
fn becomes(text: &str, form: &str) {
    let (_, findings) = parse(text);
    assert_eq!(show(text, &findings), "", "{text}");
    assert_eq!(formatted(text), form);
    canonical(form);
}

#[test]
fn declarations() {
    for text in [
        "edition 2026\n",
        "site a { step 5 x 1 min, 11 x 5 min, 46 x 30 min, control observe, signatures none }\n",
        "bus main { ac 480 V, 3 phase, phase 2, limit 400 kW }\n",
        "link l { main -> riser, capacity 50 kW }\n",
        "gateway roof\n",
        "producer fuel : fuel_cell { on main, minimum load 10 kW, start cost 3 USD, ramp 10 kW/min }\n",
        "producer wind : wind { on main, output feed.wind, must_take, minimum up time 30 min }\n",
        "storage s : battery { on riser, end worth 0.2 USD/kWh, may shed at 2 USD/kWh }\n",
        "storage s : battery { end free }\n",
        "storage s : battery { end exactly 50 % }\n",
        "consumer a : load { needs feed.a, may shed in comfort, interlock \"relay K7\" }\n",
        "consumer heat : heat_pump { heats offices, cop { -10 degC: 2.1, 7 degC: 3.2 } }\n",
        "consumer v[1..2] : fan { fail_safe off by none }\n",
        "feed p { file \"p.csv\", time offset +01:00, step uneven }\n",
        "tariff t { import { 0.30 USD/kWh up to 500 kWh, 0.40 USD/kWh otherwise } }\n",
        "tariff t { import { feed.spot * 1.1 + 0.02 USD/kWh during peak } }\n",
        "mode season: heating | cooling\n",
        "role a\n",
        "decide offices.setpoint, pack.power\n",
        "group g = charger[1..4], wallbox\n",
        "import std.comfort\n",
        "use std.shaving\n",
        "use std.shaving(limit: 80 kW, fleet: evs) as night in economy\n",
        "module shaving(limit: Power, fleet: group of ev_charger = evs) {\n  rule a in b { turn on x }\n}\n",
    ] {
        canonical(text);
    }
}

#[test]
fn rules() {
    for text in [
        "rule a in b { for each c in evs when c.power > 3 kW then limit c to 3 kW }\n",
        "rule a in b { during open_hours except holidays then turn on x }\n",
        "rule a in b { during peak or night for 5 min then turn on x }\n",
        "rule a in b { when x > 3 for 1 h until x < 2 for 5 min on loss hold 10 min then turn off y }\n",
        "rule a in b { when x > 3 on loss inactive at most every 1 d then notify c \"look\" }\n",
        "rule a in b { when x > 3 on loss active interlock \"relay K7\" then connect y }\n",
        "rule a in b { preferably hold z.temperature at 21 degC priced at 0.3 USD/h }\n",
        "rule a in b { preferably keep pack.charge_level at least 60 % }\n",
        "rule a in b { set valve to one of { 0 %, 50 %, 100 % } }\n",
        "rule a in b { set lobby.setpoint between 19 degC and 25 degC }\n",
        "rule a in b { limit pack.charge to 5 kW, limit pack.discharge at least 1 kW }\n",
        "rule a in b { follow utility.import at 0 kW with pack }\n",
        "rule a in b { supply evs from solar via pack by accounting }\n",
        "rule a in b { never supply evs from utility }\n",
        "rule a in b { deliver 4 kWh to c between 2026-07-14 08:00 and 2026-07-15 17:00 }\n",
        "rule a in b { run w for 2 h between 22:00 and 06:00 on weekdays except holidays }\n",
        "rule a in b { when any evs.power > 3 kW and not all evs.connected then turn on x }\n",
        "rule a in b { when count(evs.power > 1 kW) >= 3 or sum(evs.power) > 20 kW then turn on x }\n",
        "rule a in b { when dr in { high, moderate } and x between 2 and 3 then turn on y }\n",
        "rule a in b { when x > 3 kW averaged over 15 min then turn on y }\n",
        "rule a in b { when mean(price.import, last 24 h) < 2 * (price.import - 0.1 USD/kWh) then turn on y }\n",
        "rule a in b { when (x or y) and (z or not w) then turn on v }\n",
    ] {
        canonical(text);
    }
    becomes(
        "rule a in b { when x > 3\n during peak\n turn on y\n turn off z }",
        "rule a in b { when during peak and x > 3 then turn on y, turn off z }\n",
    );
    becomes(
        "rule a in b { latch until reset by c until y when x then turn on z }",
        "rule a in b { when x until y latch until reset by c then turn on z }\n",
    );
    becomes(
        "rule a in b { limit x up to 3kW , hold z to 21 degC }",
        "rule a in b { limit x to 3 kW, hold z at 21 degC }\n",
    );
}

#[test]
fn schedules() {
    for days in [
        "always",
        "daily",
        "weekdays 22:00..06:00",
        "Mon..Fri 08:00..12:00",
        "Mon, Wed, Fri",
        "weekends",
        "holidays 10:00..14:00",
        "Jun 1 .. Sep 30",
        "Dec 25",
        "Jun .. Sep",
        "Jul",
        "2026-07-04",
        "2026-07-01 .. 2026-07-14 08:00..24:00",
        "2026-07-14 08:00 .. 2026-07-15 12:00",
        "daily sunset..sunrise",
        "daily sunset - 30 min..sunrise + 1 h",
        "summer and weekdays 16:00..21:00",
        "(a or b) and not c",
        "a except b except (c and d)",
        "open_days 08:00..12:00",
        "2026-11-01 01:30 second .. 2026-11-01 03:00 -05:00",
        "08:00..09:00",
    ] {
        canonical(&format!("schedule s = {days}\n"));
    }
}

#[test]
fn authority_and_tests() {
    for text in [
        "permit tenant acme to set lobby.setpoint between 19 degC and 25 degC during open_hours\n",
        "permit role admin to set or turn on chiller.* at most 3 kW when emergency\n",
        "forbid vendor coolco to disconnect any device\n",
        "admit { allow serial in \"data/serials.csv\" }\n",
        "prove always { evs.power < 60 kW } during peak\n",
        "conform to \"corporate/baseline.evl\" with fleet = evs, most = 60 kW\n",
        "test \"a\" {\n  given 2026-11-01 01:30 second, latched co, not held f, unknown g.ppm, known h, emergency, dr high\n  expect conflict a, b, overridden c, inactive d, e, no conflict, boiler disconnected, fan on\n}\n",
        "test \"a\" {\n  given x between 2 kW and 3 kW, y = -3 degC\n  expect x exactly 3 kW, y between 1 kW and 2 kW together averaged over 15 min\n}\n",
        "budget b in c { cost of site at most 500 USD per month during summer }\n",
        "objective maximise self_use within 1 %, then minimise cost\n",
    ] {
        canonical(text);
    }
}

#[test]
fn comments_and_blank_lines_stay_where_they_are() {
    canonical(
        "// head\n\nedition 2026 // which\n\n// about a\nbus a { // open\n  // about ac\n  ac 480 V // volts\n\n  limit 3 kW\n  // at the end\n}\n// tail\n",
    );
    becomes(
        "bus a { ac 480 V, // volts\n limit 3 kW }\n\n\n\nrole b,\n  // inside\n  c\n",
        "bus a {\n  ac 480 V // volts\n  limit 3 kW\n}\n\n// inside\nrole b, c\n",
    );
    canonical(
        "rule a in b {\n  // when hot\n  when x > 3 // or so\n  then turn on y, // first\n       turn off z\n}\n",
    );
}

#[test]
fn statements_that_cannot_be_read_stay_byte_for_byte() {
    let text = "role   a\nrule  x in  c { when ==  }\nbus b {  ac   480 V,\n limit: 3 }   // odd\nrole  c\n";
    let form = "role a\nrule  x in  c { when ==  }\nbus b {  ac   480 V,\n limit: 3 } // odd\nrole c\n";
    let done = evl::syntax::format(evl::diag::SourceId(0), text);
    assert_eq!(done.text, form);
    assert_eq!(done.findings.len(), 2);
}

#[test]
fn long_statements_stand_on_several_lines() {
    insta::assert_snapshot!(formatted(
        "rule a in b { when x > 3 kW and y > 4 kW and during open_hours then limit charger[1] to 3.6 kW, limit charger[2] to 3.6 kW, limit charger[3] to 3.6 kW, turn on exhaust_fan }
consumer a : b { on main, ports { first { ac 480 V, 3 phase, rated 125 A, enable, limit 100 kW, other 3 kW }, second { ac 480 V } }, by x, demand 0 kW .. 90 kW, tags { a: b } }"
    ));
}
