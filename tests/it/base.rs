//! `evl check --base REV`: a change is judged by what it cannot change itself.

use std::ffi::OsString;
use std::path::Path;
use std::process::Command;

use evl::cli;
use evl::system::{MemorySystem, RealSystem, System};

const SITE: &str = r#"
edition 2026
site shop { timezone "UTC", currency EUR, step 60 min, horizon 4 h, valid 2026-01-01 .. 2026-12-31, signatures none }
priorities safety > tenant > comfort
bus main { ac 400 V, 3 phase }
producer utility : grid { on main, import up to 30 kW, export up to 30 kW, tariff flat }
consumer lamp : lighting { on main, demand 0 kW .. 2 kW, life_safety on, fail_safe 2 kW by watchdog }
consumer oven : load { on main, demand 0 kW .. 8 kW }
tariff flat { import 0.20 EUR/kWh, export 0.05 EUR/kWh }
tenant bakery { classes comfort }
vendor helpers { key "ed25519:AAAA" }
permit tenant bakery to limit oven
rule smoke in safety { limit oven to 6 kW }
assume price.import >= 0 EUR/kWh
"#;

const RULE: &str = "rule small in comfort { limit oven to 4 kW }\n";
const MANIFEST: &str = "site: shop\nlints: { EVL0401: warn }\n";

/// A folder as it is, and as it was at the revision `main`.
struct Change {
    files: Vec<(&'static str, String)>,
    before: Vec<(&'static str, String)>,
}

impl Change {
    fn none() -> Self {
        let files = [("site.evl", SITE), ("tenants/bakery/oven.evl", RULE), ("evl.yaml", MANIFEST)];
        let files: Vec<_> = files.into_iter().map(|(name, text)| (name, text.to_owned())).collect();
        Self { before: files.clone(), files }
    }

    fn with(mut self, name: &'static str, from: &str, to: &str) -> Self {
        let (_, text) = self.files.iter_mut().find(|(of, _)| *of == name).unwrap();
        assert!(text.contains(from), "{from}");
        *text = text.replace(from, to);
        self
    }

    fn added(mut self, name: &'static str, text: &str) -> Self {
        self.files.push((name, text.to_owned()));
        self
    }

    fn see(&self, line: &str) -> (u8, String) {
        let mut system = MemorySystem::new();
        for (name, text) in &self.files {
            system = system.file(format!("shop/{name}"), text);
        }
        for (name, text) in &self.before {
            system = system.file_at("main", format!("shop/{name}"), text);
        }
        let exit = cli::run(line.split_whitespace().map(OsString::from), &system);
        (exit.number(), system.printed() + &system.said())
    }

    fn judged(&self) -> (u8, String) {
        self.see("evl check shop --base main")
    }
}

#[test]
fn nothing_changed_needs_nobody() {
    let (exit, out) = Change::none().judged();
    assert_eq!(exit, 0, "{out}");
    assert!(!out.contains("EVL0706"), "{out}");
    // layout and comments are no change
    let (exit, out) = Change::none()
        .with(
            "site.evl",
            "rule smoke in safety { limit oven to 6 kW }",
            "// why\nrule smoke in safety {\n limit oven to 6 kW\n}",
        )
        .judged();
    assert_eq!((exit, out.contains("EVL0706")), (0, false), "{out}");
}

#[test]
fn everything_that_needs_the_owner_is_listed() {
    for (from, to, said) in [
        ("permit tenant bakery to limit oven", "permit tenant bakery to limit oven, lamp.power", "a permit"),
        (
            "permit tenant bakery to limit oven",
            "permit tenant bakery to limit oven\nforbid any vendor to set any device",
            "a forbid",
        ),
        ("limit oven to 6 kW", "limit oven to 7 kW", "a rule of the first class"),
        ("rule smoke in safety", "rule smoke in tenant", "a rule of the first class"),
        ("assume price.import >= 0 EUR/kWh", "", "an assumption"),
        ("safety > tenant > comfort", "safety > comfort > tenant", "the order of priorities"),
        ("ed25519:AAAA", "ed25519:BBBB", "a vendor's grant or key"),
        (
            "tenant bakery { classes comfort }",
            "tenant bakery { classes comfort, tenant }",
            "a tenant's grant",
        ),
        ("life_safety on, ", "", "a `life_safety` mark"),
        ("fail_safe 2 kW by watchdog", "fail_safe 1 kW by watchdog", "a fail-safe value"),
    ] {
        let (_, out) = Change::none().with("site.evl", from, to).judged();
        assert!(out.contains("EVL0706") && out.contains(said), "{to}: {out}");
    }
    let (_, out) = Change::none().added("admission.evl", "admit { deny function door_lock }\n").judged();
    assert!(out.contains("EVL0706") && out.contains("an admission"), "{out}");
    let (_, out) = Change::none().with("evl.yaml", "EVL0401: warn", "EVL0401: allow").judged();
    assert!(out.contains("EVL0706") && out.contains("lint levels"), "{out}");
    // a rule of another class needs nobody
    let (_, out) = Change::none().with("tenants/bakery/oven.evl", "4 kW", "3 kW").judged();
    assert!(!out.contains("EVL0706"), "{out}");
}

const MODULE: &str = "module guard(what: group of load, most: Power) { rule cap { limit what to most each } }\n\
    group hot = oven\nschedule open_hours = daily 08:00..18:00\n\
    use guard(what: hot, most: 7 kW) in safety\n\
    permit tenant bakery to turn off oven during open_hours\n\
    budget most in safety { consumption of hot at most 90 kWh per day }\n";

#[test]
fn what_a_guarded_statement_rests_on_is_guarded_too() {
    for (from, to, said) in [
        ("limit what to most each", "limit what to 2 * most each", "a rule of the first class"),
        (
            "group hot = oven",
            "group hot = consumer where kind = load",
            "a group that a guarded statement names",
        ),
        ("daily 08:00..18:00", "daily 00:00..24:00", "a schedule that a guarded statement names"),
        ("90 kWh", "95 kWh", "a budget of the first class"),
    ] {
        let mut change = Change::none().added("more.evl", MODULE);
        change.before = change.files.clone();
        assert!(!change.judged().1.contains("EVL0706"), "{}", change.judged().1);
        let (_, out) = change.with("more.evl", from, to).judged();
        assert!(out.contains("EVL0706") && out.contains(said), "{to}: {out}");
    }
    // a tenant declares what a permit of its names
    let own = "group mine = oven\n";
    let mut change = Change::none()
        .added("tenants/bakery/mine.evl", own)
        .added("more.evl", "permit tenant bakery to turn off mine\n");
    change.before = change.files.clone();
    let (_, out) = change.with("tenants/bakery/mine.evl", "= oven", "= oven, lamp").judged();
    assert!(out.contains("a group that a guarded statement names is another"), "{out}");
    let (_, out) = Change::none().with("site.evl", "signatures none", "signatures required").judged();
    assert!(out.contains("whether documents are signed"), "{out}");
    // a file that the change takes out of the site
    let mut change = Change::none().added("rules/house.evl", "rule big in comfort { limit oven to 7 kW }\n");
    change.before = change.files.clone();
    let (_, out) = change.added("rules/evl.yaml", "site: other\n").judged();
    assert!(out.contains("`rules/house.evl` of `main` is no policy file of the site any more"), "{out}");
    let mut change = Change::none().with("evl.yaml", "lints:", "members: ['site.evl', 'tenants/**']\nlints:");
    change.before = Change::none().files;
    assert!(change.judged().1.contains("members differ"), "{}", change.judged().1);
    // where a device falls back to may stand in its profile
    let profile = |kw: u8| {
        format!(
            "profile: own/heater\nclass: consumer\nfunction: heater\nidentity: none\npoints:\n  \
             limit: {{ at: holding 0, type: uint16, unit: kW, scale: 0.1, write: true }}\ncommands:\n  \
             - {{ do: power, forms: [at_most], set: [limit = value], stays: true }}\n\
             fail_safe: {{ power: {kw} kW, by: watchdog }}\n"
        )
    };
    let heater = "gateway box\nconsumer heater : load { on main, demand 0 kW .. 6 kW, gateway box, profile \"own/heater\" }\n";
    let mut change = Change::none().added("heater.evl", heater).added("profiles/heater.yaml", &profile(0));
    change.before = change.files.clone();
    let (_, out) = change.judged();
    assert!(!out.contains("EVL0706"), "{out}");
    change.files.last_mut().unwrap().1 = profile(5);
    let (_, out) = change.judged();
    assert!(out.contains("what `heater` falls back to is another"), "{out}");
}

/// The site with more in it, at both revisions.
fn settled(files: &[(&'static str, &str)]) -> Change {
    let mut change = Change::none();
    for (name, text) in files {
        change = change.added(name, text);
    }
    change.before = change.files.clone();
    let (exit, out) = change.judged();
    assert!(exit == 0 && !out.contains("EVL0706"), "{exit} {out}");
    change
}

/// What is said of the change, each finding that needs the owner with its reasons.
fn listed(change: &Change) -> Vec<String> {
    let (_, out) = change.judged();
    let findings = out.split("\n\n").filter(|finding| finding.contains("EVL0706"));
    findings.map(|finding| finding.split_whitespace().collect::<Vec<_>>().join(" ")).collect()
}

const TAGGED: &str = "consumer mixer[1..4] : mixer { on main, demand 0 kW .. 3 kW, poll 2 s, max_age 6 s, tags { hall: north, floor: 0 } }\n\
    consumer press : load { on main, demand 0 kW .. 3 kW, poll 2 s, max_age 6 s, tags { floor: 1 } }\n\
    group below = consumer where floor = 0\n";

#[test]
fn whom_a_guarded_statement_speaks_of_is_guarded() {
    // the text of no guarded statement changes in any of these
    let rule = "rule quiet in safety { limit below to 2 kW each }\n";
    for (guarded, from, to, said) in [
        (rule, "floor: 0", "floor: 2", "`mixer[1..4]` no more"),
        (rule, "floor: 1", "floor: 0", "`press` now"),
        (rule, "mixer[1..4]", "mixer[1..6]", "`mixer[5..6]` now"),
        (
            "rule apiece in safety { for each c in below limit c to 2 kW }\n",
            "floor: 0",
            "floor: 2",
            "no more",
        ),
        (
            "rule heavy in safety { when sum(below.power) > 5 kW then turn off oven }\n",
            "floor: 0",
            "floor: 2",
            "no more",
        ),
        (
            "rule busy in safety { when any below.power > 2 kW then turn off oven }\n",
            "floor: 0",
            "floor: 2",
            "no more",
        ),
        (
            "use std.peak_shaving(limit: 9 kW, fleet: below, above: 0.30 USD/kWh) in safety\n",
            "floor: 0",
            "floor: 2",
            "no more",
        ),
        (
            "budget daily_most in safety { consumption of below at most 90 kWh per day }\n",
            "floor: 0",
            "floor: 2",
            "no more",
        ),
        ("assume sum(below.power) <= 12 kW\n", "floor: 0", "floor: 2", "no more"),
        ("permit tenant bakery to turn off below\n", "floor: 1", "floor: 0", "`press` now"),
        ("forbid any tenant to turn off any load\n", "press : load", "press : mixer", "`press` no more"),
        ("permit tenant bakery to limit any mixer\n", "press : load", "press : mixer", "`press` now"),
    ] {
        let guarded = guarded.replace("USD", "EUR");
        let mut change = Change::none()
            .with("site.evl", "tenant > comfort", "tenant > comfort > economy")
            .added("more.evl", TAGGED)
            .added("guarded.evl", &guarded);
        change.before = change.files.clone();
        assert_eq!(listed(&change), [""; 0]);
        let found = listed(&change.with("more.evl", from, to));
        assert!(found.iter().any(|finding| finding.contains(said)), "{guarded}{from} {to}: {found:#?}");
        assert!(found.len() == 1, "{guarded}{from} {to}: {found:#?}");
    }
    // what no guarded statement speaks of needs nobody, and no more does the order of tags
    let free = settled(&[
        ("more.evl", TAGGED),
        ("guarded.evl", "rule soft in comfort { limit below to 2 kW each }\n"),
    ]);
    assert_eq!(listed(&free.with("more.evl", "floor: 1", "floor: 0")), [""; 0]);
    let kept = settled(&[("more.evl", TAGGED), ("guarded.evl", rule)]);
    let kept = kept.with("more.evl", "hall: north, floor: 0", "floor: 0, hall: north");
    assert_eq!(listed(&kept), [""; 0]);
}

#[test]
fn what_belongs_to_a_tenant_is_guarded() {
    // by its tag a tenant may ration a device
    let change =
        settled(&[("more.evl", TAGGED)]).with("more.evl", "{ floor: 1 }", "{ floor: 1, tenant: bakery }");
    let found = listed(&change);
    assert!(
        found.len() == 1 && found[0].contains("tenant `bakery`") && found[0].contains("`press` now"),
        "{found:#?}"
    );
}

const LIST: &str = "serial,note\nA1,old\nB2,old\n";

#[test]
fn the_lists_that_a_guarded_statement_reads_are_guarded() {
    let admit = "admit { allow serial in \"data/serials.csv\" }\n";
    let listing = || settled(&[("data/serials.csv", LIST), ("admit.evl", admit)]);
    let found = listed(&listing().with("data/serials.csv", "B2,old\n", "B2,old\nC3,mine\n"));
    assert!(found.len() == 1 && found[0].contains("an admission"), "{found:#?}");
    assert!(found[0].contains("`C3` now") && found[0].contains("data/serials.csv"), "{found:#?}");
    let found = listed(&listing().with("data/serials.csv", "A1,old\n", ""));
    assert!(found.len() == 1 && found[0].contains("`A1` no more"), "{found:#?}");
    // remarks and the order of rows admit nobody
    let same = listing().with("data/serials.csv", "A1,old\nB2,old", "# two\nB2,new\nA1,new");
    assert_eq!(listed(&same), [""; 0]);
    // the key by which modules are known
    let signed = "admit { allow maker \"SynCells\" with signature \"keys/one.pub\" }\n";
    let signed = settled(&[("keys/one.pub", "AAAA\n"), ("admit.evl", signed)]);
    let found = listed(&signed.with("keys/one.pub", "AAAA", "BBBB"));
    assert!(found.len() == 1 && found[0].contains("keys/one.pub"), "{found:#?}");
}

#[test]
fn the_days_and_the_clock_of_a_guarded_statement_are_guarded() {
    let days = "schedule work = weekdays 08:00..18:00 except holidays\n\
        permit tenant bakery to turn off oven during work\n";
    let holiday = || {
        let mut change = Change::none()
            .with("site.evl", "signatures none", "signatures none, holidays \"data/days.csv\"")
            .added("data/days.csv", "2026-05-01\n")
            .added("more.evl", days);
        change.before = change.files.clone();
        change
    };
    assert_eq!(listed(&holiday()), [""; 0]);
    let found = listed(&holiday().with("data/days.csv", "2026-05-01\n", "2026-05-01\n2026-12-24\n"));
    assert!(found.len() == 1 && found[0].contains("`2026-12-24` now"), "{found:#?}");
    let found = listed(&holiday().with("site.evl", "\"UTC\"", "\"Asia/Tokyo\""));
    assert!(found.len() == 1 && found[0].contains("the time zone is another"), "{found:#?}");
}

const OUTSIDE: &str = "weather { source feed.sky, temperature -5 degC .. 42 degC }\n\
    feed sky { file \"data/sky.csv\", time utc, stamp start, step 1 h, column temperature \"t\" degC }\n\
    feed spare { file \"data/sky.csv\", time utc, stamp start, step 1 h, unit kW, column \"u\", range 0 kW .. 60 kW }\n";
const FROST: &str =
    "rule frost in safety { when max(weather.temperature, next 2 h) < 0 degC then limit oven to 3 kW }\n";

/// Two columns of an hour each through the year of the site.
fn sky() -> String {
    let days = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let mut rows = "time,t,u\n".to_owned();
    for (month, days) in (1..).zip(days) {
        for (day, hour) in (1..=days).flat_map(|day| (0..24).map(move |hour| (day, hour))) {
            rows += &format!("2026-{month:02}-{day:02}T{hour:02}:00:00Z,4,5\n");
        }
    }
    rows + "2027-01-01T00:00:00Z,4,5\n"
}

/// A site with weather and a statement on it.
fn outside(guarded: &str) -> Change {
    let sky = sky();
    settled(&[
        ("data/sky.csv", &sky),
        ("data/more.csv", &sky),
        ("more.evl", OUTSIDE),
        ("guarded.evl", guarded),
    ])
}

#[test]
fn the_feed_that_a_guarded_statement_reads_is_guarded() {
    for (from, to, said) in [
        ("column temperature \"t\"", "column temperature \"u\"", "column `u` plus 273.15 of `data/sky.csv`"),
        ("\"t\" degC", "\"t\" K", "column `t`"),
        (
            "time utc, stamp start, step 1 h, column t",
            "time utc, stamp end, step 1 h, column t",
            "stamps end",
        ),
        ("time utc, stamp start, step 1 h, column t", "time civil, stamp start, step 1 h, column t", "civil"),
        (
            "sky { file \"data/sky.csv\"",
            "sky { file \"data/more.csv\"",
            "column `t` plus 273.15 of `data/more.csv`",
        ),
    ] {
        let found = listed(&outside(FROST).with("more.evl", from, to));
        assert!(found.len() == 1 && found[0].contains(said), "{from} {to}: {found:#?}");
        assert!(found[0].contains("a rule of the first class reads otherwise than"), "{found:#?}");
        assert!(found[0].contains("rule frost"), "{found:#?}");
    }
}

/// What a statement with errors will mean, nobody knows yet.
#[test]
fn what_has_errors_is_no_change_of_meaning() {
    // nothing gives the temperature any more
    let change = outside(FROST).with("more.evl", "source feed.sky, temperature", "temperature");
    let (exit, out) = change.judged();
    assert!(exit == 1 && out.contains("error[EVL0210]"), "{out}");
    assert_eq!(listed(&change), [""; 0]);
    // but where it had them before, it means something now
    let mended = Change { before: change.files, files: change.before };
    let found = listed(&mended);
    assert!(found.iter().any(|finding| finding.contains("`oven` now")), "{found:#?}");
}

#[test]
fn the_range_on_which_a_guarded_statement_is_judged_is_guarded() {
    for guarded in [
        FROST,
        "assume weather.temperature >= 0 degC\n",
        "rule dear in safety { limit oven to 5 kW + 0.01 kW/K * (weather.temperature - 0 degC) }\n",
        "use cold(least: 0 degC) in safety\n\
         module cold(least: Temperature) { rule c { when weather.temperature < least then limit oven to 3 kW } }\n",
    ] {
        let change = outside("");
        let change = change.added("own.evl", guarded);
        let change = Change { before: change.files.clone(), ..change };
        let (exit, out) = change.judged();
        assert_eq!(exit, 0, "{guarded}: {out}");
        let found = listed(&change.with("more.evl", "-5 degC .. 42 degC", "-1 degC .. 30 degC"));
        assert!(found.len() == 1, "{guarded}: {found:#?}");
        assert!(found[0].contains("`weather.temperature` from -1 degC to 30 degC"), "{found:#?}");
    }
}

#[test]
fn the_machines_of_a_zone_are_those_of_a_guarded_statement() {
    let zones = "zone hall { heat_capacity 40 kWh/K, heat_loss 1 kW/K, temperature 18 degC .. 28 degC in comfort }\n\
        zone store { heat_capacity 40 kWh/K, heat_loss 1 kW/K, temperature 18 degC .. 28 degC in comfort }\n\
        consumer heater : heater { on main, demand one of { 0 kW, 5 kW }, heats hall, cop 1 }\n\
        consumer cooler : hvac { on main, demand one of { 0 kW, 5 kW }, cools hall, cop 3 }\n\
        control dial : thermostat { controls hall, poll 2 s, max_age 6 s }\n\
        group dials = control where kind = thermostat\n";
    let mut all = OUTSIDE.to_owned();
    all += zones;
    for (guarded, from, to, said) in [
        ("permit tenant bakery to set hall.setpoint\n", "heats hall", "heats store", "`heater` no more"),
        ("permit tenant bakery to set store.setpoint\n", "heats hall", "heats store", "`heater` now"),
        ("permit tenant bakery to set hall.setpoint\n", "cools hall", "cools store", "`cooler` no more"),
        ("permit tenant bakery to set hall.setpoint\n", "controls hall", "controls store", "`dial` no more"),
        (
            "rule mild in safety { set hall.setpoint to 21 degC }\n",
            "heats hall",
            "heats store",
            "`heater` no more",
        ),
        (
            "rule mild in safety { set dial.setpoint to 21 degC }\n",
            "heats hall",
            "heats store",
            "`heater` no more",
        ),
        ("permit tenant bakery to set dial.setpoint\n", "heats hall", "heats store", "`heater` no more"),
    ] {
        let change = settled(&[("data/sky.csv", &sky()), ("more.evl", &all), ("guarded.evl", guarded)]);
        let found = listed(&change.with("more.evl", from, to));
        assert!(found.len() == 1 && found[0].contains(said), "{guarded}{from} {to}: {found:#?}");
    }
}

#[test]
fn how_a_guarded_statement_measures_is_guarded() {
    let profile = "profile: own/co\nclass: control\nfunction: co_sensor\nidentity: none\npoints:\n  \
        air: { at: input 5, type: uint16, unit: ppm, scale: 1 }\n  \
        spare: { at: input 6, type: uint16, unit: ppm, scale: 1 }\n\
        measures:\n  ppm: { point: air }\n";
    let sensors = "gateway box\n\
        control co : co_sensor { gateway box, profile \"own/co\", reads ppm 0 ppm .. 500 ppm, poll 5 s, max_age 15 s }\n\
        consumer fan : fan { on main, demand 0 kW .. 2 kW, poll 2 s, max_age 6 s }\n";
    let guarded = "rule air in safety { when co.ppm > 60 ppm or fan.power > 1 kW then limit oven to 3 kW }\n";
    let site = || settled(&[("profiles/co.yaml", profile), ("more.evl", sensors), ("guarded.evl", guarded)]);
    for (file, from, to, said) in [
        ("profiles/co.yaml", "point: air", "point: spare", "`co.ppm` at `input 6` in `own/co`"),
        ("profiles/co.yaml", "input 5", "input 9", "`co.ppm` at `input 9` in `own/co`"),
        (
            "profiles/co.yaml",
            "unit: ppm, scale: 1 }\n  spare",
            "unit: ppm, scale: 0.1 }\n  spare",
            "in 0.1 ppm",
        ),
        ("more.evl", "0 ppm .. 500 ppm", "0 ppm .. 400 ppm", "`co.ppm` from 0 ppm to 400 ppm"),
        ("more.evl", "max_age 15 s", "max_age 15 h", "`co.ppm` polled every 5 s, stale after 54000 s"),
        ("more.evl", "max_age 6 s", "max_age 6 h", "`fan.power` polled every 2 s, stale after 21600 s"),
    ] {
        let found = listed(&site().with(file, from, to));
        assert!(found.len() == 1 && found[0].contains(said), "{from} {to}: {found:#?}");
    }
    // what it does not read
    assert_eq!(listed(&site().with("profiles/co.yaml", "input 6", "input 7")), [""; 0]);
    assert_eq!(listed(&site().with("more.evl", "0 kW .. 2 kW", "0 kW .. 3 kW")), [""; 0]);
}

const TWICE: &str = "group mine = oven\nschedule morning = daily 05:00..08:00\n";

#[test]
fn what_is_declared_twice_is_an_error_and_no_change() {
    let site = || {
        settled(&[
            ("tenants/bakery/mine.evl", TWICE),
            ("more.evl", "permit tenant bakery to turn off mine during morning\n"),
        ])
    };
    let first = "group mine = oven\n";
    for again in [
        "group mine = lamp\n",
        "schedule morning = daily 05:00..09:00\n",
        "rule smoke in safety { limit oven to 7 kW }\n",
        "tenant bakery { classes comfort, safety }\n",
        "consumer lamp : lighting { on main, demand 0 kW .. 2 kW, fail_safe 1 kW by watchdog }\n",
    ] {
        let change = site().with("tenants/bakery/mine.evl", TWICE, &format!("{TWICE}{again}"));
        let (exit, out) = change.judged();
        assert!(
            exit == 1 && (out.contains("declared twice") || out.contains("may not hold")),
            "{again}: {out}"
        );
        assert_eq!(listed(&change), [""; 0], "{again}");
    }
    // where the first of them is new, it is what counts
    let change = site().with("tenants/bakery/mine.evl", first, &format!("group mine = lamp\n{first}"));
    let found = listed(&change);
    assert!(
        found.iter().any(|finding| finding.contains("a group that a guarded statement names is another")),
        "{found:#?}"
    );
    // what a tenant says again does not stand before the owner's, wherever the files stand
    let change = settled(&[("zoo/more.evl", "rule quiet in safety { limit oven to 7 kW }\n")]);
    let change = change.added("tenants/bakery/more.evl", "rule quiet in safety { limit oven to 8 kW }\n");
    assert_eq!(listed(&change), [""; 0]);
    assert_eq!(change.judged().0, 1);
}

#[test]
fn a_manifest_that_makes_a_tenants_files_vanish_is_named() {
    let site = settled(&[
        ("tenants/bakery/mine.evl", TWICE),
        ("more.evl", "permit tenant bakery to turn off mine during morning\n"),
    ]);
    let (exit, out) = site.added("tenants/bakery/evl.yaml", "site: other\n").judged();
    assert!(exit == 1 && out.contains("the device, group or zone `mine` is not declared"), "{out}");
    let cause = "warning[EVL0108]: `tenants/bakery/evl.yaml` makes another site of its folder: what `bakery` declares there counts for nothing here";
    let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(words(&out).contains(&words(cause)), "{out}");
}

#[test]
fn readings_and_inputs_that_no_guarded_statement_reads_need_nobody() {
    let site = || outside(FROST);
    assert_eq!(listed(&site().with("data/sky.csv", "-02T05:00:00Z,4,", "-02T05:00:00Z,-3,")), [""; 0]);
    assert_eq!(listed(&site().with("more.evl", "column \"u\", range 0", "column \"t\", range 0")), [""; 0]);
    assert_eq!(listed(&site().with("more.evl", "0 kW .. 60 kW", "0 kW .. 50 kW")), [""; 0]);
    // what says the same in other words
    let same = site().with("more.evl", "feed sky {", "// the roof\nfeed sky {\n ");
    assert_eq!(listed(&same.with("more.evl", "-5 degC .. 42", "-5 degC .. 42.0")), [""; 0]);
    // and a rule of another class
    let soft = || outside(&FROST.replace("safety", "comfort"));
    assert_eq!(listed(&soft().with("more.evl", "temperature \"t\"", "temperature \"u\"")), [""; 0]);
    assert_eq!(listed(&soft().with("more.evl", "-5 degC .. 42", "-1 degC .. 30")), [""; 0]);
}

#[test]
fn what_a_guarded_file_imports_is_guarded() {
    // the library is no member of the site, so that nothing else looks at it
    let library = "module caps(what: group of load, most: Power) { rule cap { limit what to most each } }\n\
        permit tenant bakery to turn off oven\n";
    let used = "import lib.caps\ngroup hot = oven\nuse lib.caps(what: hot, most: 7 kW) in safety\n";
    let mut change = Change::none()
        .with("evl.yaml", "lints:", "members: ['*.evl', 'tenants/**']\nlints:")
        .added("lib/caps.evl", library)
        .added("more.evl", used);
    change.before = change.files.clone();
    assert_eq!(listed(&change), [""; 0]);
    for (from, to, said) in [
        ("most each", "2 * most each", "a rule of the first class"),
        ("turn off oven", "turn off lamp", "a permit"),
    ] {
        let now = Change { files: change.files.clone(), before: change.before.clone() };
        let found = listed(&now.with("lib/caps.evl", from, to));
        assert!(found.iter().any(|finding| finding.contains(said)), "{to}: {found:#?}");
    }
}

/// A module that nobody uses says what the used one said, and is read before it.
#[test]
fn no_module_hides_what_another_of_its_name_says() {
    let library = "module caps(what: group of load, most: Power) { rule cap { limit what to most each } }\n";
    let used = "import lib.caps\ngroup hot = oven\nuse lib.caps(what: hot, most: 7 kW) in safety\n";
    let mut change = Change::none()
        .with("evl.yaml", "lints:", "members: ['*.evl', 'tenants/**']\nlints:")
        .added("lib/caps.evl", library)
        .added("more.evl", used);
    change.before = change.files.clone();
    assert_eq!(listed(&change), [""; 0]);
    for more in ["a.evl", "z.evl", "tenants/bakery/more.evl"] {
        let now = Change { files: change.files.clone(), before: change.before.clone() };
        let now = now.with("lib/caps.evl", "to most", "to 2 * most").added("old/caps.evl", library);
        let found = listed(&now.added(more, "import old.caps\n"));
        assert!(found.iter().any(|finding| finding.contains("2 * most each")), "{more}: {found:#?}");
    }
}

#[test]
fn a_tenants_own_rule_of_the_first_class_needs_the_owner() {
    let grown = "tenant bakery { classes comfort, safety }";
    let mut change = Change::none().with("site.evl", "tenant bakery { classes comfort }", grown);
    change.before = change.files.clone();
    let found = listed(&change.with("tenants/bakery/oven.evl", "in comfort", "in safety"));
    assert!(found.len() == 1 && found[0].contains("a rule of the first class"), "{found:#?}");
}

#[test]
fn a_change_grants_itself_nothing() {
    // a class that the same change gives the tenant
    let change = Change::none()
        .with("site.evl", "tenant bakery { classes comfort }", "tenant bakery { classes comfort, tenant }")
        .with("tenants/bakery/oven.evl", "in comfort", "in tenant");
    assert_eq!(change.see("evl check shop").0, 0);
    let (exit, out) = change.judged();
    assert!(exit == 1 && out.contains("`bakery`") && out.contains("`tenant`"), "{out}");
    // a file that the same change takes from its tenant
    let change = Change::none()
        .with("evl.yaml", "lints:", "owners: { 'tenants/**': site }\nlints:")
        .added("tenants/bakery/more.evl", "permit tenant bakery to turn off lamp\n");
    let (exit, out) = change.judged();
    assert!(exit == 1 && out.contains("move the rest to a file of the site's owner"), "{out}");
    assert!(out.contains("owners differ"), "{out}");
    // a finding that the same change waives, or makes a lesser one
    let dead = "rule never in comfort { when price.import < 0 EUR/kWh then limit oven to 1 kW }\n";
    let waived = "site: shop\nwaivers: [{ code: EVL0401, statement: never, until: 2026-12-31, reason: x }]\n";
    let mut change = Change::none().added("more.evl", dead);
    change.files[2].1 = waived.to_owned();
    let plain = change.see("evl check shop").1;
    assert!(!plain.contains("warning[EVL0401]"), "{plain}");
    let (_, out) = change.judged();
    assert!(out.contains("warning[EVL0401]") && out.contains("waivers differ"), "{out}");
}

#[test]
fn a_site_that_is_new_grants_nobody_anything() {
    let mut change = Change::none();
    change.before = vec![("other/readme.txt", String::new())];
    let (exit, out) = change.judged();
    assert_eq!(exit, 0, "{out}");
    assert!(out.contains("a tenant's grant is not in `main`"), "{out}");
    let (exit, out) = change.see("evl check shop --base nowhere");
    assert!(exit == 2 && out.contains("Git knows no revision `nowhere`"), "{out}");
}

/// Runs git in a folder; `None`, said aloud, where there is none.
fn git(folder: &Path, line: &str) -> Option<()> {
    let mut command = Command::new("git");
    command.current_dir(folder).args(line.split_whitespace());
    for (name, value) in [
        ("GIT_AUTHOR_NAME", "t"),
        ("GIT_AUTHOR_EMAIL", "t@example.org"),
        ("GIT_COMMITTER_NAME", "t"),
        ("GIT_COMMITTER_EMAIL", "t@example.org"),
        ("GIT_CONFIG_GLOBAL", "/dev/null"),
    ] {
        command.env(name, value);
    }
    let Ok(output) = command.output() else {
        println!("skipped: no git");
        return None;
    };
    assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
    Some(())
}

#[test]
fn git_itself_tells_what_was_there() {
    let folder = tempfile::tempdir().unwrap();
    let real = RealSystem::new();
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        real.create_folder(path.parent().unwrap(), evl::system::Access::Ordinary).unwrap();
        real.write(&path, text.as_bytes(), evl::system::Access::Ordinary).unwrap();
    };
    if git(folder.path(), "init -q -b main").is_none() {
        return;
    }
    write("sites/shop/site.evl", SITE);
    write("sites/shop/data/list.csv", "a\n\u{e9}\n");
    write("other.evl", "rule elsewhere in x {}\n");
    for line in ["add -A", "commit -q -m one"] {
        git(folder.path(), line);
    }
    write("sites/shop/site.evl", &SITE.replace("6 kW", "7 kW"));
    let shop = folder.path().join("sites/shop");
    let files = real.revision(&shop, "main", 1 << 20).unwrap();
    let names: Vec<_> = files.keys().map(|path| path.display().to_string()).collect();
    assert_eq!(names, ["data/list.csv", "site.evl"]);
    assert_eq!(files[Path::new("site.evl")], SITE.as_bytes());
    assert_eq!(real.revision(&shop, "main", 10).unwrap().len(), 1, "what is larger is left out");
    for name in ["nowhere", "--all", "-n1", "main:other.evl", ""] {
        assert!(real.revision(&shop, name, 10).is_err(), "{name}");
    }
    // what the repository puts in the place of a commit is not what it held
    write("sites/shop/site.evl", &SITE.replace("6 kW", "8 kW"));
    for line in ["add -A", "commit -q -m two", "replace HEAD~1 HEAD"] {
        git(folder.path(), line);
    }
    let files = real.revision(&shop, "HEAD~1", 1 << 20).unwrap();
    assert_eq!(files[Path::new("site.evl")], SITE.as_bytes());
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink("site.evl", shop.join("evl.yaml")).unwrap();
        for line in ["add -A", "commit -q -m three"] {
            git(folder.path(), line);
        }
        assert!(real.revision(&shop, "HEAD", 1 << 20).is_err());
    }
    let outside = tempfile::tempdir().unwrap();
    let fault = real.revision(outside.path(), "main", 10).unwrap_err();
    assert_eq!(fault, evl::system::RevisionFault::NoRepository);
    // a site that the revision does not have has no files there
    write("sites/new/site.evl", SITE);
    assert!(real.revision(&folder.path().join("sites/new"), "main", 10).unwrap().is_empty());
    let system = MemorySystem::new();
    assert!(system.revision(Path::new("/"), "main", 10).is_err());
}
