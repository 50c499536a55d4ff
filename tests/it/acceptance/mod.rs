//! Problems that other tools solved, as ordinary policies: each folder of tests/acceptance holds the
//! policy; the shared data become ordinary feeds and a state.

mod attacks;
mod bench;
mod carried;
mod changeover;
mod coarse;
mod drifting;
mod emhass;
pub(crate) mod examples;
mod excluded;
mod following;
mod goals;
mod guard_laws;
mod guards;
mod haeo;
mod infeasible;
mod laws;
mod life_safety;
mod minimum;
mod open_gaps;
mod origins;
mod refusals;
mod setpoints;
mod stale;
mod states;
mod tightened;
mod unplanned;
mod vehicles;
mod wished_means;
mod wishes;

use std::path::{Path, PathBuf};

use evl::bundle::inventory::Inventory;
use evl::bundle::{Bundle, Document, PlanDocument, State};
use evl::calendar::{Calendar, Instant};
use evl::inputs;
use evl::plan::{Options, PlanFailure, plan};
use evl::repo::Repository;
use evl::sema;
use evl::system::MemorySystem;

/// A file of the shared data; `None`, said aloud, where they are absent.
pub(crate) fn shared(name: &str) -> Option<String> {
    let here = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let found = std::env::var_os("EVL_SHARED")
        .map(PathBuf::from)
        .or_else(|| here.ancestors().map(|up| up.join("shared")).find(|dir| dir.join("data").is_dir()));
    let Some(root) = found else {
        println!("skipped: no shared data");
        return None;
    };
    Some(read(&root.join("data").join(name)))
}

/// A file of tests/acceptance.
fn own(name: &str) -> String {
    read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/acceptance").join(name))
}

#[expect(clippy::disallowed_methods, reason = "a test reads its data")]
fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// Plans a policy as a user would: text, data and state in a folder.
fn planned(policy: &str, manifest: &str, data: &[(&str, String)], from: &str, state: &str) -> PlanDocument {
    let mut system = MemorySystem::new().file("site/site.evl", policy).file("site/evl.yaml", manifest);
    for (name, text) in data {
        system = system.file(format!("site/data/{name}"), text.as_str());
    }
    planned_in(&system, from, state)
}

/// Plans the folder `site`, which has a plan.
fn planned_in(system: &MemorySystem, from: &str, state: &str) -> PlanDocument {
    let made = try_planned(system, from, state).map_err(|f| words(&f.findings)).unwrap();
    assert_eq!(PlanDocument::read(&made.bytes()).unwrap(), made);
    made
}

/// Plans the folder `site`.
fn try_planned(system: &MemorySystem, from: &str, state: &str) -> Result<PlanDocument, PlanFailure> {
    Built::new(system, from, state).plan()
}

/// A folder compiled, with everything that a plan is made from.
pub(crate) struct Built {
    pub(crate) bundle: Bundle,
    pub(crate) inventory: Inventory,
    inputs: inputs::Inputs,
    state: State,
    from: Instant,
}

impl Built {
    /// Compiles the folder `site`.
    pub(crate) fn new(system: &MemorySystem, from: &str, state: &str) -> Self {
        let mut repository = Repository::open(system, Path::new("site")).unwrap();
        let compiled = sema::compile(&repository);
        assert!(!compiled.findings.has_errors(), "{}", words(&compiled.findings));
        let site = compiled.site.unwrap();
        let calendar = Calendar::new(&site).unwrap();
        let from: Instant = from.parse().unwrap();
        let span = (from, from.plus(site.horizon_s));
        let inputs = inputs::load(&mut repository, &site, &calendar, span).map_err(|f| words(&f)).unwrap();
        let state = State::load(state.as_bytes(), &site).map_err(|f| words(&f)).unwrap();
        let profiles = repository.profiles.iter().map(|(name, p)| (name.clone(), p.profile.clone()));
        let inventory = repository.inventory.clone();
        let bundle = Bundle::new(site, profiles.collect(), &inventory, std::collections::BTreeMap::new());
        Self { bundle, inventory, inputs, state, from }
    }

    /// Its plan within `limit_s` seconds on the clock of `watch`.
    fn plan_within(&self, limit_s: f64, watch: &dyn evl::plan::Watch) -> Result<PlanDocument, PlanFailure> {
        let options = Options { time_limit_s: Some(limit_s), ..Options::from(self.from) };
        evl::plan::plan_watched(&self.bundle, &self.inputs, &self.state, &options, watch)
    }

    /// Its plan over the site's horizon.
    pub(crate) fn plan(&self) -> Result<PlanDocument, PlanFailure> {
        plan(&self.bundle, &self.inputs, &self.state, &Options::from(self.from))
    }

    /// Its plan over so many seconds.
    pub(crate) fn plan_over(&self, horizon_s: i64) -> Result<PlanDocument, PlanFailure> {
        let options = Options { horizon_s: Some(horizon_s), ..Options::from(self.from) };
        plan(&self.bundle, &self.inputs, &self.state, &options)
    }
}

/// The cost that known answers are compared with.
fn model_cost(plan: &PlanDocument) -> f64 {
    plan.money.model_cost.as_ref().unwrap().to_f64()
}

/// Findings as lines.
pub(crate) fn words(findings: &evl::diag::Diagnostics) -> String {
    let line = |f: &evl::diag::Diagnostic| format!("{} {} {:?} {:?}", f.code, f.message, f.notes, f.help);
    findings.iter().map(line).collect::<Vec<_>>().join("\n")
}
