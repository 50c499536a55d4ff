//! Plans, bundles and states that are truncated, changed, or something else.

use std::sync::OnceLock;

use super::Place;

/// A bundle and a plan of the clean site.
fn made() -> &'static (Vec<u8>, Vec<u8>) {
    static MADE: OnceLock<(Vec<u8>, Vec<u8>)> = OnceLock::new();
    #[expect(clippy::disallowed_methods, reason = "a test runs the binary")]
    MADE.get_or_init(|| {
        let place = Place::tiny("").file("state.json", state("").as_bytes());
        let run = |args: &str| {
            let output = std::process::Command::new(env!("CARGO_BIN_EXE_evl"))
                .args(args.split_whitespace())
                .current_dir(place.folder.path())
                .output()
                .unwrap();
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        };
        run("build s -o site.bundle");
        run("plan s --from 2026-07-14T00:00 --state state.json -o plan.json");
        (std::fs::read(place.at("site.bundle")).unwrap(), std::fs::read(place.at("plan.json")).unwrap())
    })
}

fn state(more: &str) -> String {
    format!("{{\"schema\":\"evl.state/1\",\"site\":\"tiny\",\"at\":\"2026-07-14T04:00:00Z\"{more}}}")
}

fn place(bundle: &[u8], plan: &[u8]) -> Place {
    Place::new().file("site.bundle", bundle).file("plan.json", plan)
}

#[test]
fn a_whole_plan_is_verified() {
    let (bundle, plan) = made();
    assert_eq!(place(bundle, plan).run("verify plan.json").exit, 0);
}

#[test]
fn truncated_documents() {
    let (bundle, plan) = made();
    for part in [0, 1, 20, 1_000] {
        let why = if part == 0 { "it is empty" } else { "it ends too early" };
        let (no_plan, no_bundle) = (format!("no evl plan: {why}"), format!("no evl bundle: {why}"));
        let cut = &plan[..part];
        let ran = place(bundle, cut).says("verify plan.json", 2, "EVL1101", &no_plan);
        assert!(format!("{}{}", ran.out, ran.err).contains("with `evl plan SITE --from T -o plan.json`"));
        place(bundle, cut).says("show plan.json", 2, "EVL1101", &no_plan);
        let cut = &bundle[..part];
        let ran = place(cut, plan).says("verify plan.json", 2, "EVL1101", &no_bundle);
        assert!(format!("{}{}", ran.out, ran.err).contains("with `evl build SITE -o site.bundle`"));
        // a plan that is none is told of, not the bundle that is not beside it
        let alone = Place::new().file("plan.json", &plan[..part]);
        alone.says("verify plan.json", 2, "EVL1101", &no_plan);
    }
    let ran = Place::new().says("show plan.json", 2, "EVL0002", "no such file");
    assert!(ran.err.contains("name a plan that `evl plan SITE --from T -o plan.json` wrote"), "{}", ran.err);
}

#[test]
fn documents_that_another_program_wrote_anew() {
    let (bundle, plan) = made();
    let marked = |mark: &[u8], text: &[u8]| [mark, text].concat();
    for (mark, encoding) in
        [(&b"\xef\xbb\xbf"[..], "UTF-8"), (b"\xff\xfe", "UTF-16"), (b"\xfe\xff", "UTF-16")]
    {
        let said = format!("it begins with the byte order mark of {encoding}");
        place(bundle, &marked(mark, plan)).says("verify plan.json", 2, "EVL1101", &said);
        let ran = place(&marked(mark, bundle), plan).says("verify plan.json", 2, "EVL1101", &said);
        assert!(format!("{}{}", ran.out, ran.err).contains("use the file as evl wrote it"));
    }
    // a key that stands twice, within a list and at the top, whatever it says the second time
    let text = String::from_utf8(plan.clone()).unwrap();
    for (from, to, key) in [
        ("\"start\":", "\"start\":\"2026-07-14T04:00:00Z\",\"start\":", "`start`"),
        ("\"sequence\":", "\"sequence\":99,\"sequence\":", "`sequence`"),
        ("\"schema\":", "\"schema\":\"evl.plan/1\",\"schema\":", "`schema`"),
    ] {
        let twice = text.replacen(from, to, 1);
        let ran = place(bundle, twice.as_bytes()).says(
            "verify plan.json",
            1,
            "EVL1102",
            "the plan was written again",
        );
        assert!(
            format!("{}{}", ran.out, ran.err).contains(&format!("{key} stands twice")),
            "{}{}",
            ran.out,
            ran.err
        );
    }
    let twice =
        String::from_utf8(bundle.clone()).unwrap().replacen("\"tool\":", "\"tool\":\"evl 9\",\"tool\":", 1);
    place(twice.as_bytes(), plan).says("verify plan.json", 1, "EVL1102", "the bundle was written again");
}

#[test]
fn every_flipped_bit_is_noticed() {
    let (bundle, plan) = made();
    // a stride that meets keys, numbers, hashes and punctuation alike
    for at in (0..plan.len() - 1).step_by(plan.len() / 40) {
        let mut flipped = plan.clone();
        flipped[at] ^= 1 << (at % 7);
        let ran = place(bundle, &flipped).run("verify plan.json");
        let codes: Vec<String> = ran.findings().into_iter().map(|(code, _)| code).collect();
        let known = ["EVL1101", "EVL1102", "EVL1107", "EVL0003"];
        assert!(matches!(ran.exit, 1 | 2), "byte {at}: exit {}\n{}{}", ran.exit, ran.out, ran.err);
        assert!(codes.len() == 1 && known.contains(&codes[0].as_str()), "byte {at}: {codes:?}");
    }
}

#[test]
fn what_is_no_document() {
    let (bundle, plan) = made();
    for (text, words) in [
        (&b"\xff\xfd\x00"[..], "not JSON"),
        (b"null", "wrong kind"),
        (b"{\"schema\":\"evl.plan/9\"}", "evl.plan/9"),
        (b"{\"schema\":1e999999}", ""),
    ] {
        let ran = place(bundle, text).run("verify plan.json");
        let all = format!("{}{}", ran.out, ran.err);
        assert_eq!((ran.exit, ran.findings().len()), (2, 1), "{all}");
        assert!(all.contains(words), "{all}");
    }
    for bomb in ["[".repeat(200_000), "{\"a\":".repeat(200_000), "{\"schema\":[".repeat(100_000)] {
        place(bundle, bomb.as_bytes()).says("verify plan.json", 2, "EVL1101", "no evl plan");
        place(bomb.as_bytes(), plan).says("verify plan.json", 2, "EVL1101", "no evl bundle");
    }
    let ran = place(plan, bundle).run("verify plan.json");
    assert_eq!((ran.exit, ran.findings().len()), (2, 2), "each names its schema");
}

#[test]
fn states() {
    let says = |text: &str, code: &str, words: &str| {
        let place = Place::tiny("").file("state.json", text);
        let plan = "plan s --from 2026-07-14T00:00 --state state.json -o plan.json";
        place.says(plan, 2, code, words);
        place
    };
    says("", "EVL1101", "it is empty");
    says("{", "EVL1101", "ends too early");
    says(&format!("\u{feff}{}", state("")), "EVL1101", "byte order mark of UTF-8");
    // a state is edited by hand: a key that stands twice is a slip in it
    says(&state(",\"site\":\"tiny\""), "EVL1101", "`site` stands twice");
    says("null", "EVL1101", "wrong kind");
    says(&"[".repeat(200_000), "EVL1101", "");
    says(&state("").replace("tiny", "other"), "EVL1004", "`other`");
    says(&state(",\"levels\":{\"pack\":\"50 %\"}"), "EVL1004", "`pack`");
    says(&state(",\"levels\":{\"boiler\":\"1e999999 %\"}"), "EVL1101", "");
    let place = says(&state(",\"lvels\":{}"), "EVL1101", "`lvels`");
    let ran = place.run("plan s --from 2026-07-14T00:00 --state state.json -o plan.json");
    assert!(ran.err.contains("write `levels`"), "{}", ran.err);
    let none = "plan s --from 2026-07-14T00:00 --state none.json -o plan.json";
    Place::tiny("").says(none, 2, "EVL0002", "no such file");
    let zero = "plan s --from 2026-07-14T00:00 --state /dev/zero -o plan.json";
    Place::tiny("").says(zero, 2, "EVL0002", "not a regular file");
}
