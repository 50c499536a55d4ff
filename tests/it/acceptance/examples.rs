//! The example site is planned as a user would, and its plan verified.

use std::path::{Path, PathBuf};

/// All files of an example, as they lie in the repository.
fn files(folder: &Path, under: &Path, out: &mut Vec<(PathBuf, Vec<u8>)>) {
    #[expect(clippy::disallowed_methods, reason = "a test reads its data")]
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, under, out);
        } else {
            #[expect(clippy::disallowed_methods, reason = "a test reads its data")]
            out.push((path.strip_prefix(under).unwrap().to_path_buf(), std::fs::read(&path).unwrap()));
        }
    }
}

/// Midnight on the harbor's clock.
const STATE: &str = r#"{
  "schema": "evl.state/1", "site": "harbor_office", "at": "2026-07-22T07:00:00Z",
  "levels": {"pack": "50 %"},
  "temperatures": {"offices": "23 degC"},
  "on": {"fuel_cell": {"on": false, "since": "2026-07-21T00:00:00Z"}},
  "peaks": {"e19": {"any": "70 kW", "peak": "60 kW", "part_peak and summer": "65 kW", "part_peak except summer": "0 kW"}},
  "used": {"carbon": "20000 kg"},
  "signals": {"garage_co.ppm": "3 ppm", "fire_panel.alarm": false}
}"#;

#[test]
fn harbor_office() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/harbor-office");
    let mut found = Vec::new();
    files(&folder, &folder, &mut found);
    let mut system = evl::system::MemorySystem::new();
    for (path, bytes) in found {
        system = system.file(format!("site/{}", path.display()), bytes);
    }
    let plan = super::planned_in(&system, "2026-07-22T07:00:00Z", STATE);
    println!("{} steps, {:#?}", plan.steps.len(), plan.money);
    println!("{:?} {:?}", plan.status, plan.gap);
    println!("breaches {:#?}", plan.breaches);
    assert!(plan.money.plan_cost <= plan.money.unmanaged.clone().unwrap());
    assert!(plan.breaches.is_empty(), "{:#?}", plan.breaches);
}
