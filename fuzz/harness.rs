//! What the fuzz targets and the mutation test feed with hostile bytes: each loader, with the laws
//! that must hold of what it accepts. A panic, an overflow or a hang is a finding.

use std::path::Path;
use std::sync::OnceLock;

use evl::bundle::{Bundle, Document, PlanDocument, State};
use evl::calendar::{Calendar, Instant};
use evl::diag::SourceId;
use evl::repo::Repository;
use evl::system::MemorySystem;
use evl::{inputs, plan, sema, syntax, verify};

/// What takes hostile bytes.
pub(crate) type Target = fn(&[u8]);

/// Every target by its name.
pub(crate) const TARGETS: &[(&str, Target)] = &[
    ("policy", policy),
    ("format", format),
    ("manifest", manifest),
    ("waivers", waivers),
    ("profile", profile),
    ("inventory", inventory),
    ("plan", plan_document),
    ("bundle", bundle_document),
    ("state", state),
    ("feed", feed),
];

/// The files of the site in `fuzz/site`.
pub(crate) const SITE: &[(&str, &str)] = &[
    ("evl.yaml", include_str!("site/evl.yaml")),
    ("site.evl", include_str!("site/site.evl")),
    ("inventory/plant.yaml", include_str!("site/inventory/plant.yaml")),
    ("profiles/battery.yaml", include_str!("site/profiles/battery.yaml")),
    ("data/hours.csv", include_str!("site/data/hours.csv")),
    ("data/charging.csv", include_str!("site/data/charging.csv")),
    ("data/holidays.csv", include_str!("site/data/holidays.csv")),
    ("data/serials.csv", include_str!("site/data/serials.csv")),
];

/// The site's state at noon.
pub(crate) const STATE: &str = include_str!("site/state.json");

const WAIVERS: &str = "waivers:
  - { code: EVL0401, statement: cold, until: 2026-12-31, reason: a mild winter }
  - { code: EVL0607, until: 2026-06-30, reason: until the watchdog is in }
";

/// The site with one file in another form.
fn system(changed: &str, bytes: &[u8]) -> MemorySystem {
    let mut system = MemorySystem::new();
    for (path, text) in SITE {
        let bytes = if *path == changed { bytes } else { text.as_bytes() };
        system = system.file(format!("s/{path}"), bytes);
    }
    system
}

/// The site's bundle and a plan of it.
pub(crate) fn made() -> &'static (Bundle, PlanDocument) {
    static MADE: OnceLock<(Bundle, PlanDocument)> = OnceLock::new();
    MADE.get_or_init(|| {
        let system = system("", b"");
        let mut repository = Repository::open(&system, Path::new("s")).expect("the site can be read");
        let compiled = sema::compile(&repository);
        let site = compiled.site.expect("the site is clean");
        let calendar = Calendar::new(&site).expect("the site has a calendar");
        let from: Instant = "2026-07-14T10:00:00Z".parse().expect("an instant");
        let span = (from, from.plus(site.horizon_s));
        let inputs = inputs::load(&mut repository, &site, &calendar, span).expect("the feeds are whole");
        let state = State::load(STATE.as_bytes(), &site).expect("the state is whole");
        let profiles =
            repository.profiles.iter().map(|(name, p)| (name.clone(), p.profile.clone())).collect();
        let bundle = Bundle::new(site, profiles, &repository.inventory, Default::default());
        let made = plan::plan(&bundle, &inputs, &state, &plan::Options::from(from)).expect("there is a plan");
        (bundle, made)
    })
}

/// Whole inputs of a target, from which mutations begin.
pub(crate) fn seeds(target: &str) -> Vec<Vec<u8>> {
    let file = |name: &str| {
        SITE.iter().find(|(path, _)| *path == name).map(|(_, text)| text.as_bytes().to_vec()).expect("a file")
    };
    match target {
        "policy" | "format" => vec![file("site.evl")],
        "manifest" => vec![file("evl.yaml")],
        "waivers" => vec![WAIVERS.as_bytes().to_vec()],
        "profile" => {
            let embedded = evl::bundle::profile::EMBEDDED;
            embedded.iter().map(|(_, text)| text.as_bytes().to_vec()).collect()
        }
        "inventory" => vec![file("inventory/plant.yaml")],
        "plan" => vec![made().1.bytes()],
        "bundle" => vec![made().0.bytes()],
        "state" => vec![STATE.as_bytes().to_vec()],
        "feed" => vec![file("data/hours.csv"), file("data/charging.csv")],
        other => panic!("no target `{other}`"),
    }
}

/// Reads and compiles the site with one file in another form.
fn compile(changed: &str, bytes: &[u8]) {
    let system = system(changed, bytes);
    if let Ok(repository) = Repository::open(&system, Path::new("s")) {
        let compiled = sema::compile(&repository);
        let said = evl::diag::render::human(&compiled.findings, &compiled.sources, Default::default());
        assert!(compiled.site.is_some() || !said.is_empty(), "refused without a word");
        if let Some(site) = &compiled.site {
            let text = serde_json::to_vec(site).expect("a policy can be written");
            let again: evl::ir::Site = serde_json::from_slice(&text).expect("and read");
            assert!(again == *site, "a policy changes when it is written and read");
        }
    }
}

/// A policy text through the parser, names, types and back out as a finding or a policy.
pub(crate) fn policy(data: &[u8]) {
    compile("site.evl", data);
}

/// The formatter: what it writes of a clean text reads as the same, and stays as it is.
pub(crate) fn format(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let once = syntax::format(SourceId(0), text);
    if !once.findings.is_empty() {
        return;
    }
    let (tree, faults) = syntax::parse(SourceId(0), &once.text);
    assert!(faults.is_empty(), "the formatter breaks the text: {faults:?}\n{}", once.text);
    assert_eq!(shape(&tree), shape(&syntax::parse(SourceId(0), text).0), "the formatter changes the meaning");
    let twice = syntax::format(SourceId(0), &once.text);
    assert_eq!(once.text, twice.text, "the formatter does not come to rest");
}

/// A tree as text without its places.
fn shape(file: &evl::ast::File) -> String {
    let full = format!("{:?}", file.items);
    let mut out = String::with_capacity(full.len() / 2);
    for (at, part) in full.split("Span {").enumerate() {
        out.push_str(if at == 0 { part } else { part.split_once('}').map_or("", |(_, rest)| rest) });
    }
    out
}

/// The manifest.
pub(crate) fn manifest(data: &[u8]) {
    compile("evl.yaml", data);
}

/// The manifest's waivers, applied to findings.
pub(crate) fn waivers(data: &[u8]) {
    let system = system("evl.yaml", data);
    if let Ok(repository) = Repository::open(&system, Path::new("s")) {
        let findings = sema::compile(&repository).findings;
        let day = evl::ir::CivilDate { year: 2026, month: 7, day: 14 };
        let before = findings.has_errors();
        let after = repository.waive(findings, day);
        assert!(!before || !after.is_empty() || !repository.manifest.waivers.is_empty());
    }
}

/// A module profile.
pub(crate) fn profile(data: &[u8]) {
    compile("profiles/battery.yaml", data);
}

/// The inventory.
pub(crate) fn inventory(data: &[u8]) {
    compile("inventory/plant.yaml", data);
}

/// A plan: as it is, and with a new hash, as somebody who edits plans would make it.
pub(crate) fn plan_document(data: &[u8]) {
    if let Ok(read) = PlanDocument::read(data) {
        assert_eq!(PlanDocument::read(&read.bytes()).as_ref(), Ok(&read));
    }
    if let Ok(edited) = evl::bundle::parse::<PlanDocument>(data, PlanDocument::WHAT, PlanDocument::SCHEMA) {
        let edited = edited.seal();
        let (bundle, original) = made();
        let verdict = verify::verify(bundle, &edited);
        // the original obeys its policy; another that does is another plan, never the same commands
        assert!(!verdict.misses.is_empty() || edited.site == original.site);
    }
}

/// A bundle: as it is, and with a new hash.
pub(crate) fn bundle_document(data: &[u8]) {
    if let Ok(read) = Bundle::load(data) {
        assert_eq!(Bundle::load(&read.bytes()).as_ref(), Ok(&read));
    }
    if let Ok(edited) = evl::bundle::parse::<Bundle>(data, Bundle::WHAT, Bundle::SCHEMA) {
        let edited = edited.seal();
        if Bundle::load(&edited.bytes()).is_ok() {
            let mut plan = made().1.clone();
            plan.bundle = edited.id.clone();
            let _ = verify::verify(&edited, &plan.seal());
        }
    }
}

/// A state.
pub(crate) fn state(data: &[u8]) {
    if let Ok(read) = State::load(data, &made().0.site) {
        assert!(State::load(&read.bytes(), &made().0.site).is_ok_and(|again| again == read));
    }
}

/// The text of a feed, of values and of sessions.
pub(crate) fn feed(data: &[u8]) {
    let site = &made().0.site;
    let calendar = Calendar::new(site).expect("the site has a calendar");
    let from: Instant = "2026-07-14T10:00:00Z".parse().expect("an instant");
    for path in ["data/hours.csv", "data/charging.csv"] {
        let system = system(path, data);
        let mut repository = Repository::open(&system, Path::new("s")).expect("the site can be read");
        let span = (from, from.plus(site.horizon_s));
        let _ = inputs::load(&mut repository, site, &calendar, span);
    }
}
