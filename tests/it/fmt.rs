//! `evl fmt` as a user meets it.

use std::ffi::OsString;
use std::path::Path;

use evl::system::{MemorySystem, System};

const LOOSE: &str = "edition   2026\nbus   main {ac 480 V,3 phase}\n";
const BROKEN: &str = "edition 2026\nrule   {\n";

fn run(system: &MemorySystem, line: &str) -> (u8, String) {
    let exit = evl::cli::run(line.split_whitespace().map(OsString::from), system);
    (exit.number(), system.printed())
}

fn text(system: &MemorySystem, path: &str) -> String {
    system.read_text(Path::new(path), 1 << 20).unwrap()
}

#[test]
fn looking_changes_nothing_and_writing_is_done_once() {
    let system =
        MemorySystem::new().file("site/a.evl", LOOSE).file("site/deep/b.evl", LOOSE).file("site/c.csv", "x");
    let (exit, out) = run(&system, "evl fmt --check site");
    assert_eq!((exit, out.as_str()), (1, "site/a.evl\nsite/deep/b.evl\n"));
    assert_eq!(text(&system, "site/a.evl"), LOOSE);
    assert_eq!(run(&system, "evl fmt site").0, 0);
    assert_ne!(text(&system, "site/a.evl"), LOOSE);
    assert_eq!(text(&system, "site/a.evl"), text(&system, "site/deep/b.evl"));
    let printed = system.printed();
    assert_eq!(run(&system, "evl fmt --check site"), (0, printed));
}

#[test]
fn a_file_that_cannot_be_read_is_left_and_the_others_are_not() {
    let system = MemorySystem::new().file("a.evl", BROKEN).file("b.evl", LOOSE);
    let (exit, out) = run(&system, "evl fmt a.evl b.evl");
    assert_eq!((exit, out.as_str()), (1, "b.evl\n"));
    assert_eq!(text(&system, "a.evl"), BROKEN);
    assert!(system.said().contains("error[EVL00"), "{}", system.said());
}

#[test]
fn a_link_stays_a_link() {
    let system = MemorySystem::new().file("site/real.evl", LOOSE).link("site/link.evl", "real.evl");
    assert_eq!(run(&system, "evl fmt site/link.evl").0, 0);
    assert_eq!(system.kind(Path::new("site/link.evl")), Some(evl::system::Kind::Link));
    assert_ne!(text(&system, "site/real.evl"), LOOSE);
}

#[test]
fn files_that_are_no_policy_are_refused_and_left() {
    for (path, text) in
        [("empty.txt", ""), ("plan.json", "{}"), ("site/evl.yaml", "site: x\n"), ("a.txt", LOOSE)]
    {
        for flag in ["", "--check "] {
            let system = MemorySystem::new().file(path, text);
            assert_eq!(run(&system, &format!("evl fmt {flag}{path}")), (2, String::new()), "{path}");
            let said = system.said();
            assert!(said.starts_with(&format!("error[EVL0006]: `{path}` is no policy file")), "{said}");
            assert!(!said.contains("seen"), "{said}");
            assert_eq!(self::text(&system, path), text);
        }
    }
    let both = MemorySystem::new().file("a.evl", LOOSE).file("empty.txt", "").file("none/x.txt", "");
    assert_eq!(run(&both, "evl fmt empty.txt none a.evl"), (2, "a.evl\n".to_owned()));
    assert_eq!(both.said().matches("error[EVL0006]").count(), 2, "{}", both.said());
}

#[test]
fn nothing_to_format_is_a_failure() {
    assert_eq!(run(&MemorySystem::new(), "evl fmt none").0, 2);
    assert_eq!(run(&MemorySystem::new().file("empty/x.txt", ""), "evl fmt empty").0, 2);
    let full = MemorySystem::new().file("a.evl", LOOSE);
    full.set_full(true);
    assert_eq!(run(&full, "evl fmt a.evl").0, 2);
}
