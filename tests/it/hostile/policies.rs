//! Statements that contradict, go in circles, or multiply.

use super::{Place, TINY};

#[test]
fn reversed_ranges() {
    Place::tiny("consumer x : load { on main, demand 40 kW .. 0 kW }\n").check(1, "EVL0203", "40 kW .. 0 kW");
    Place::tiny("rule r in comfort { set boiler.power between 20 kW and 10 kW }\n")
        .check(1, "EVL0203", "reversed");
    let site = |from: &str, to: &str| Place::new().file("s/site.evl", TINY.replace(from, to));
    site("-20 degC .. 42 degC", "42 degC .. -20 degC").check(1, "EVL0203", "reversed");
    site("2026-01-01 .. 2026-12-31", "2026-12-31 .. 2026-01-01").check(1, "EVL0203", "before it begins");
    Place::tiny("consumer x[8..1] : load { on main, demand 0 kW .. 1 kW }\n").check(1, "EVL0115", "index 1");
    Place::tiny("schedule s = daily 09:00..09:00\n").check(1, "EVL0203", "equal ends");
}

#[test]
fn contradictory_assumptions() {
    let both = "assume weather.temperature > 20 degC\nassume weather.temperature < 10 degC\n";
    Place::tiny(both).check(1, "EVL0206", "2 assumptions");
}

#[test]
fn imports_in_a_circle() {
    let importing = |name: &str| TINY.replace("edition 2026", &format!("edition 2026\nimport {name}"));
    let place = Place::new().file("s/site.evl", importing("a"));
    let place = place.file("s/a.evl", "import b\n").file("s/b.evl", "import a\n");
    place.check(1, "EVL0104", "a.evl -> b.evl -> a.evl");
    Place::new().file("s/site.evl", importing("site")).check(1, "EVL0104", "site.evl -> site.evl");
    // files outside the manifest's members are read when they are imported
    let apart = Place::new()
        .file("s/evl.yaml", "members: [site.evl]\n")
        .file("s/site.evl", importing("a"))
        .file("s/a.evl", "import b\n")
        .file("s/b.evl", "import a\n");
    apart.check(1, "EVL0104", "a -> b -> a");
}

#[test]
fn declarations_in_a_circle() {
    Place::tiny("schedule a = b\nschedule b = a\n").check(1, "EVL0114", "`a`");
    Place::tiny("group a = b\ngroup b = a\n").check(1, "EVL0114", "`a`");
    Place::tiny("module m() { use m() as x }\nuse m()\n").check(1, "EVL0104", "m -> m");
}

#[test]
fn declarations_that_multiply() {
    let modules: String = (1..19)
        .map(|at| format!("module m{at}() {{ use m{0}() as a\n use m{0}() as b }}\n", at - 1))
        .collect();
    let bomb = format!("module m0() {{ rule r in economy {{ turn on boiler }} }}\n{modules}use m18()\n");
    Place::tiny(bomb).check(2, "EVL0004", "modules add more than");
    let schedules: String = (1..60).map(|at| format!("schedule a{at} = a{0} and a{0}\n", at - 1)).collect();
    Place::tiny(format!("schedule a0 = daily 08:00..09:00\n{schedules}")).check(
        1,
        "EVL0502",
        "too many parts",
    );
    let groups: String = (1..60).map(|at| format!("group a{at} = a{0}, a{0}\n", at - 1)).collect();
    Place::tiny(format!("group a0 = boiler\n{groups}")).clean();
}

#[test]
fn times_beyond_all_measure() {
    let site = |from: &str, to: &str| Place::new().file("s/site.evl", TINY.replace(from, to));
    site("step 15 min", "step 0 min").check(1, "EVL0204", "at least one");
    site("horizon 24 h", "horizon 999999999 h").check(1, "EVL0204", "duration");
    site("step 15 min, horizon 24 h", "step 1 s, horizon 9999 h").check(1, "EVL0207", "steps");
    site("2026-12-31", "9999-12-31").check(1, "EVL0204", "9999-12-31");
    Place::tiny("").says("plan s --from yesterday -o p", 2, "EVL0001", "no instant");
    Place::tiny("").says("plan s --from 9999-12-31T00:00Z -o p", 1, "EVL1010", "valid");
}

#[test]
fn names_and_properties_twice_or_unknown() {
    Place::tiny("bus main { ac 480 V }\n").check(1, "EVL0102", "`main`");
    Place::tiny("bus x { ac 480 V, ac 480 V }\n").check(1, "EVL0106", "`ac` twice");
    let place = Place::tiny("bus x { ac 480 V, limits 3 kW }\n");
    place.check(1, "EVL0105", "`limits`");
    assert!(place.run("check s").out.contains("did you mean `limit`?"));
    let place = Place::tiny("rule r in comfort { turn on boilr }\n");
    place.check(1, "EVL0101", "`boilr`");
    assert!(place.run("check s").out.contains("did you mean `boiler`?"));
}

#[test]
fn lists_that_are_no_lists() {
    let holidays = |rows: &str| {
        let text = TINY.replace("signatures none", "signatures none, holidays \"h.csv\"");
        Place::new().file("s/site.evl", text).file("s/h.csv", rows)
    };
    holidays("date\n2026-02-30\n").check(1, "EVL0503", "line 2");
    holidays("date\n2025-01-01\n").check(1, "EVL0503", "no holiday in 2026");
    holidays("").check(1, "EVL0503", "`h.csv`");
    holidays("date,date\n\0\n").check(1, "EVL0503", "line 2");
    let serials = |rows: &str| Place::tiny("admit { allow serial in \"l.csv\" }\n").file("s/l.csv", rows);
    serials("").check(1, "EVL0503", "lists no serial");
    serials("serial\na\0b\n").check(1, "EVL0503", "line 2");
}
