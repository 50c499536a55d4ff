//! Laws over random texts: reading is total, the form is canonical and keeps the tree.

use evl::ast::ItemKind;
use proptest::prelude::*;

use super::{BY_EXAMPLE, formatted, parse, shape, show};

/// Writes policy text from a string of random bytes; when they run out it chooses the shortest.
struct Writer<'b> {
    bytes: &'b [u8],
    depth: usize,
}

impl Writer<'_> {
    fn choose(&mut self, n: usize) -> usize {
        match self.bytes.split_first() {
            None => 0,
            Some((first, rest)) => {
                self.bytes = rest;
                usize::from(*first) % n
            }
        }
    }

    fn of(&mut self, all: &[&str]) -> String {
        let at = self.choose(all.len());
        all.get(at).copied().unwrap_or_default().to_owned()
    }

    fn maybe(&mut self, one: impl FnOnce(&mut Self) -> String) -> String {
        if self.choose(2) == 1 { one(self) } else { String::new() }
    }

    fn some(&mut self, between: &str, one: impl Fn(&mut Self) -> String) -> String {
        let n = self.choose(4);
        let mut out = one(self);
        for _ in 0..n {
            out.push_str(between);
            out.push_str(&one(self));
        }
        out
    }

    fn deeper(&mut self, shallow: &str, deep: impl FnOnce(&mut Self) -> String) -> String {
        if self.depth >= 4 {
            return shallow.to_owned();
        }
        self.depth += 1;
        let out = deep(self);
        self.depth -= 1;
        out
    }

    fn blank(&mut self) -> String {
        self.of(&[" ", " ", "  ", "\t", " \n   "])
    }

    fn word(&mut self) -> String {
        self.of(&["a", "evs", "pack", "x_1", "Zone", "min", "site", "_u", "onward", "notch", "tomato"])
    }

    fn name(&mut self) -> String {
        let mut out = self.word();
        out.push_str(&self.maybe(|w| w.of(&["[3]", "[1..4]"])));
        out.push_str(&self.maybe(|w| format!(".{}", w.of(&["power", "in", "temperature", "on"]))));
        out
    }

    fn number(&mut self) -> String {
        self.of(&["0", "3", "-2", "0.25", "1000", "-0.5", "007"])
    }

    fn quantity(&mut self) -> String {
        let number = self.number();
        let unit = self.of(&["", " kW", " USD/kWh", " %", "kW", " degC", " h", " min", " t", " x1"]);
        format!("{number}{unit}")
    }

    fn time(&mut self) -> String {
        self.of(&["08:00", "24:00", "23:59:30", "00:15"])
    }

    fn instant(&mut self) -> String {
        let day = self.maybe(|w| w.of(&["Mon ", "Sun "]));
        let tail = self.of(&["", " second", " Z", " +01:00", " -05:30"]);
        format!("{day}2026-07-14 {}{tail}", self.time())
    }

    fn primary(&mut self) -> String {
        match self.choose(9) {
            0 => self.name(),
            1 => self.quantity(),
            2 => self.of(&["\"a text\"", "\"say \\\"x\\\" \\\\ // no comment\"", "\"{\""]),
            3 => self.of(&["true", "false"]),
            4 => self.of(&["2026-07-14", "2024-02-29"]),
            5 => self.time(),
            6 => self.instant(),
            7 => self.deeper("f(x)", |w| {
                let args = w.some(", ", Self::expr);
                let window = w.of(&["", ", next 3 h", ", last 15 min"]);
                format!("{}({args}{window})", w.of(&["max", "sum", "count"]))
            }),
            _ => self.deeper("b", |w| format!("({})", w.expr())),
        }
    }

    fn sum(&mut self) -> String {
        let factor = |w: &mut Self| match w.choose(6) {
            4 => format!("-{}", w.name()),
            5 => w.deeper("-a", |w| format!("-({})", w.expr())),
            _ => w.primary(),
        };
        let mut out = factor(self);
        for _ in 0..self.choose(3) {
            let op = self.of(&[" + ", " - ", " * ", " / "]);
            out.push_str(&op);
            out.push_str(&factor(self));
        }
        out
    }

    fn expr(&mut self) -> String {
        self.deeper("a", |w| {
            let mut out = w.condition();
            for _ in 0..w.choose(3) {
                let op = w.of(&["and", "or"]);
                let space = w.blank();
                out = format!("{out}{space}{op} {}", w.condition());
            }
            out
        })
    }

    fn condition(&mut self) -> String {
        let not = self.of(&["", "", "not "]);
        let body = match self.choose(7) {
            0 => self.sum(),
            1 | 2 => {
                let (left, op, right) = (self.sum(), self.of(&["<", "<=", "=", "!=", ">", ">="]), self.sum());
                let over = self.of(&["", "", " averaged over 15 min"]);
                format!("{left} {op} {right}{over}")
            }
            3 => format!("during {}", self.except_schedule()),
            4 => format!("{} {} > {}", self.of(&["any", "all"]), self.name(), self.quantity()),
            5 => format!("{} between {} and {}", self.sum(), self.sum(), self.sum()),
            _ => format!("{} in {{ {} }}", self.sum(), self.some(", ", Self::sum)),
        };
        format!("{not}{body}")
    }

    fn schedule(&mut self) -> String {
        self.deeper("daily", |w| {
            let mut out = w.except_schedule();
            for _ in 0..w.choose(3) {
                let op = w.of(&["and", "or"]);
                out = format!("{out} {op} {}", w.except_schedule());
            }
            out
        })
    }

    fn except_schedule(&mut self) -> String {
        let mut out = self.atom();
        for _ in 0..self.choose(2) {
            out = format!("{out} except {}", self.atom());
        }
        out
    }

    fn atom(&mut self) -> String {
        let not = self.of(&["", "", "not "]);
        let days = [
            "daily",
            "weekdays",
            "weekends",
            "holidays",
            "Mon",
            "Mon..Fri",
            "Mon, Wed..Thu",
            "Jul",
            "Jun .. Sep",
            "Dec 25",
            "Jun 1 .. Sep 30",
            "2026-07-04",
            "2026-07-01 .. 2026-07-14",
            "open_hours",
            "a.b",
        ];
        let times = [
            "08:00..18:00",
            "22:00..06:00",
            "sunset..sunrise",
            "sunset - 30 min..23:00",
            "08:00 .. sunrise + 1 h",
        ];
        let body = match self.choose(6) {
            0 => "always".to_owned(),
            1 => self.of(&times),
            2 => format!("{} {}", self.of(&days), self.of(&times)),
            3 => format!("{} .. {}", self.instant(), self.instant()),
            4 => self.deeper("daily", |w| format!("({})", w.schedule())),
            _ => self.of(&days),
        };
        format!("{not}{body}")
    }

    fn alternatives(&mut self) -> String {
        let one = |w: &mut Self| {
            let end = w.of(&["", " .. 11 kW"]);
            format!("{}{end}", w.sum())
        };
        format!("one of {{ {} }}", self.some(", ", one))
    }

    fn bound(&mut self) -> String {
        match self.choose(7) {
            0 => format!("to {}", self.sum()),
            1 => format!("at most {}", self.sum()),
            2 => format!("at least {}", self.sum()),
            3 => format!("between {} and {}", self.sum(), self.sum()),
            4 => format!("exactly {}", self.sum()),
            5 => format!("to {} .. {}", self.sum(), self.sum()),
            _ => format!("to {}", self.alternatives()),
        }
    }

    fn amount(&mut self) -> String {
        let bound = self.bound();
        let suffix =
            self.of(&["", " each", " together", " averaged over 15 min", " together averaged over 1 h"]);
        format!("{bound}{suffix}")
    }

    fn due(&mut self) -> String {
        match self.choose(4) {
            0 => String::new(),
            1 => " between 08:00 and 17:00 daily".to_owned(),
            2 => format!(" between {} and {}", self.instant(), self.instant()),
            _ => format!(" between 22:00 and 06:00 on {}", self.schedule()),
        }
    }

    fn effect(&mut self) -> String {
        let wish = self.choose(4) == 3;
        let body = match self.choose(9) {
            0 => format!("{} {}", self.of(&["turn on", "turn off", "connect", "disconnect"]), self.name()),
            1 | 2 => {
                format!("{} {} {}", self.of(&["set", "limit", "hold", "keep"]), self.name(), self.amount())
            }
            3 => {
                let (who, from) = (self.name(), self.some(", ", Self::name));
                let via = self.of(&["", " via pack", " by accounting", " via pack by accounting"]);
                format!("supply {who} from {from}{via}")
            }
            4 => format!("never supply {} from {}", self.name(), self.some(", ", Self::name)),
            5 => format!("deliver {} to {}{}", self.sum(), self.name(), self.due()),
            6 => {
                let whole = self.of(&["", " without interruption"]);
                format!("run {} for {}{whole}{}", self.name(), self.sum(), self.due())
            }
            7 => format!("notify {} \"do it\"", self.name()),
            _ => format!("follow {} at {} with {}", self.name(), self.sum(), self.name()),
        };
        let price = if wish { self.of(&["", " priced at 0.3 USD/kWh"]) } else { String::new() };
        format!("{}{body}{price}", if wish { "preferably " } else { "" })
    }

    fn rule(&mut self) -> String {
        let gap = self.of(&[" ", "\n  ", " // why\n  ", "\n\n  // a\n  // b\n  "]);
        let class = self.maybe(|w| format!(" in {}", w.word()));
        let mut clauses = vec![self.maybe(|_| "for each c in evs".to_owned())];
        if self.choose(2) == 1 {
            let held = self.of(&["", " for 1 h"]);
            clauses.push(match self.choose(3) {
                0 => format!("during {}{held}", self.schedule()),
                1 => format!("during {} when {}", self.schedule(), self.expr()),
                _ => format!("when {}{held}", self.expr()),
            });
            clauses.push(self.maybe(|w| format!("until {}", w.expr())));
            clauses.push(self.maybe(|_| "latch until reset by admin".to_owned()));
        }
        clauses.push(self.of(&["", "on loss active", "on loss hold 5 min", "on loss inactive"]));
        clauses.push(self.maybe(|_| "at most every 1 h".to_owned()));
        clauses.push(self.maybe(|_| "interlock \"relay\"".to_owned()));
        let then = self.of(&["", "then "]);
        let comma = self.of(&[", ", ",\n", ", // one\n"]);
        clauses.push(format!("{then}{}", self.some(&comma, Self::effect)));
        clauses.retain(|clause| !clause.is_empty());
        format!("rule {}{class} {{{gap}{}{gap}}}", self.word(), clauses.join(&gap))
    }

    fn value(&mut self) -> String {
        match self.choose(4) {
            0 => format!("{} .. {}", self.sum(), self.sum()),
            _ => self.sum(),
        }
    }

    fn property(&mut self) -> String {
        let key = self.of(&["limit", "on", "charge", "from", "end", "a", "port", "during_x", "phases"]);
        match self.choose(22) {
            0 => "3 phase".to_owned(),
            1 => "main <-> riser".to_owned(),
            2 => "classes tenant, comfort".to_owned(),
            3 => self.of(&["enable", "live", "must_take"]),
            4 => format!("{key} up to {}", self.sum()),
            5 => format!("{key} at least {} in comfort", self.quantity()),
            6 => format!("{key} {}", self.alternatives()),
            7 => {
                format!("{key} {} during {} else {} in a", self.quantity(), self.schedule(), self.quantity())
            }
            8 => format!("{key} when {}", self.expr()),
            9 => "step 5 x 1 min, 11 x 5 min".to_owned(),
            10 => "location 42.36 N 71.05 W".to_owned(),
            11 => format!("{key} none | moderate | high"),
            12 => "tags { tenant: acme, floor: 0 }".to_owned(),
            13 => "cop { -10 degC: 2.1, 7 degC: 3.2 }".to_owned(),
            14 => "valid 2026-01-01 .. 2027-12-31".to_owned(),
            15 => "efficiency 95 % / 95 %".to_owned(),
            16 => "time offset +01:00".to_owned(),
            17 => "fixed 150 USD per month".to_owned(),
            18 => self.deeper("port 1..4", |w| {
                let inner = w.list();
                format!("port 1..4 {inner}")
            }),
            19 => self.deeper("import 3", |w| {
                let between = w.of(&[", ", "\n"]);
                let row = |w: &mut Self| {
                    format!(
                        "{} {}",
                        w.quantity(),
                        w.of(&["during peak", "otherwise", "on any", "up to 3 kWh"])
                    )
                };
                format!("import {{ {} }}", w.some(&between, row))
            }),
            20 => format!("{key} plant port {}", self.number()),
            _ => format!("{key} {}", self.value()),
        }
    }

    fn list(&mut self) -> String {
        let between = self.of(&[", ", "\n  ", ",\n  ", " // note\n  ", "\n\n  // own\n  "]);
        let inner = self.some(&between, Self::property);
        let gap = self.of(&[" ", "\n", " // end\n"]);
        format!("{{{gap}{inner}{gap}}}")
    }

    fn item(&mut self) -> String {
        match self.choose(20) {
            0 => format!("schedule {} = {}", self.word(), self.schedule()),
            1 => format!("assume {}", self.expr()),
            2 => format!("assume {} during {}", self.sum(), self.schedule()),
            3 => format!("group {} = {} where {}", self.word(), self.some(", ", Self::name), self.expr()),
            4 => format!("budget b in c {{ cost of {} {} per day }}", self.name(), self.bound()),
            5 => {
                let when = self.maybe(|w| format!(" when {}", w.expr()));
                format!("permit tenant acme to set or turn on {} {}{when}", self.name(), self.bound())
            }
            6 => "forbid any vendor to set any device".to_owned(),
            7 => format!("prove never {{ {} }}", self.expr()),
            8 => "module m(limit: Power = 3 kW, fleet: group of ev) {\n  // in\n  rule a in b { turn on x }\n\n  role z\n}".to_owned(),
            9 => format!("use std.m(limit: {}, fleet: evs) as n in c", self.sum()),
            10 => format!(
                "test \"t\" {{ given {}, {} {}, not latched a, unknown b expect {} {}, conflict a, b, no conflict, x on }}",
                self.instant(), self.name(), self.quantity(), self.name(), self.amount()
            ),
            11 => "objective minimise cost within 0.5 %, then emissions, then maximise self_use".to_owned(),
            12 => "admit { allow maker \"x\" function battery with signature \"k\" // why\n  require voltage within 5 % of bus, current at most port.rating }".to_owned(),
            13..=15 => self.rule(),
            16 => "mode normal | island".to_owned(),
            _ => {
                let kind = self.maybe(|w| format!(" : {}", w.word()));
                let keyword = self.of(&["consumer", "site", "tariff", "bus", "storage"]);
                format!("{keyword} {}{kind} {}", self.word(), self.list())
            }
        }
    }

    fn file(&mut self) -> String {
        let mut out = self.of(&["", "// head\n", "\n\n// head\n\n"]);
        for _ in 0..=self.choose(5) {
            out.push_str(&self.item());
            out.push_str(&self.of(&["\n", "\n\n", " // behind\n", "\n// before\n", "\r\n"]));
        }
        out
    }
}

fn written(bytes: &[u8]) -> String {
    Writer { bytes, depth: 0 }.file()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, max_shrink_iters: 20_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_form_is_canonical_and_keeps_the_tree(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let text = written(&bytes);
        let (file, findings) = parse(&text);
        prop_assert!(findings.is_empty(), "{}\n{}", text, show(&text, &findings));
        let once = formatted(&text);
        let (again, findings) = parse(&once);
        prop_assert!(findings.is_empty(), "{}\n->\n{}\n{}", text, once, show(&once, &findings));
        prop_assert_eq!(shape(&again), shape(&file), "{}\n->\n{}", text, once);
        prop_assert_eq!(again.comments.len(), file.comments.len(), "{}\n->\n{}", text, once);
        let twice = formatted(&once);
        prop_assert_eq!(&twice, &once, "from\n{}", text);
    }

    #[test]
    fn any_text_is_read_and_formatted(text in "\\PC{0,200}|[ -~\n\t]{0,200}") {
        let (_, _) = parse(&text);
        let once = formatted(&text);
        prop_assert_eq!(formatted(&once), once);
    }

    #[test]
    fn a_damaged_policy_is_read_and_formatted(
        line in 0usize..90,
        start in 0usize..1200,
        len in 0usize..12,
        put in "[ -~\n\"{}(),;\u{0}é]{0,6}",
        moved in 0usize..1200,
    ) {
        let mut text = BY_EXAMPLE.lines().skip(line).take(10).collect::<Vec<_>>().join("\n");
        let clamp = |at: usize, text: &str| (0..=at.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
        let (from, to) = (clamp(start, &text), clamp(start + len, &text));
        let cut = text[from..to].to_owned();
        text.replace_range(from..to, &put);
        let at = clamp(moved, &text);
        text.insert_str(at, &cut);
        let (file, findings) = parse(&text);
        let broken = file.items.iter().any(|item| matches!(item.kind, ItemKind::Broken(_)));
        prop_assert!(!broken || !findings.is_empty(), "a broken statement without a word about it\n{}", text);
        let once = formatted(&text);
        prop_assert_eq!(formatted(&once), once);
    }
}

/// All policy texts of the repository.
#[expect(clippy::disallowed_methods, reason = "the test reads the repository's own files")]
fn policies(folder: &std::path::Path, found: &mut Vec<(std::path::PathBuf, String)>) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let path = entry.path();
        if path.is_dir() {
            policies(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "evl") {
            let text = std::fs::read_to_string(&path).unwrap_or_default();
            found.push((path, text));
        }
    }
}

#[test]
fn the_laws_hold_for_every_policy_of_the_repository() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = Vec::new();
    for folder in ["examples", "policies", "tests"] {
        policies(&root.join(folder), &mut found);
    }
    assert!(found.len() > 10, "only {} policies found", found.len());
    for (path, text) in found {
        let once = formatted(&text);
        assert_eq!(formatted(&once), once, "{}", path.display());
        let (file, findings) = parse(&text);
        if findings.is_empty() {
            let (again, _) = parse(&once);
            assert_eq!(shape(&again), shape(&file), "{}", path.display());
            assert_eq!(again.comments.len(), file.comments.len(), "{}", path.display());
        }
    }
}
