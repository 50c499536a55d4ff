//! The example site from text to registers: what is written is what was planned, to the last count.

use evl::diag::ExitCode;
use evl::ir::Attr;
use evl::runtime::apply::{Options, apply};
use evl::runtime::load::Papers;
use evl::sim::{Plant, plant_of};

use crate::acceptance::{examples, words};

#[tokio::test]
async fn the_harbors_plan_is_written_as_it_was_planned() {
    let built = examples::harbor();
    let plan = built.plan().map_err(|f| words(&f.findings)).unwrap();
    let inventory = &built.inventory;
    let system = evl::system::RealSystem::new();
    for (hour, minute) in [(9, 5), (13, 20)] {
        let sim = Plant::new(plant_of(&built.bundle, inventory), 1);
        let ports = sim.serve(0).await.unwrap();
        // the same site with the simulator's ports: an address changes the inventory's hash alone
        let mut here = inventory.clone();
        for (name, gateway) in &mut here.gateways {
            gateway.port = ports[name];
        }
        let mut bundle = built.bundle.clone();
        bundle.inventory = evl::bundle::Hash::parse(&here.hash()).unwrap();
        let papers = Papers::new(bundle, here).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let now = plan.from.plus(3600 * hour + 60 * minute);
        let options = Options {
            state_dir: folder.path().join("state"),
            yes: true,
            once: true,
            now: Some(now),
            ..Options::default()
        };
        let report = apply(&system, &papers, &plan, &options).await;
        assert_eq!(report.exit_code(), ExitCode::Success, "{}\n{:?}", report.words(), report.findings);
        assert!(!report.words().contains("register step"), "{}", report.words());
        let step = plan.step_at(now).unwrap();
        let battery = |attr: &Attr| {
            let series = plan.commands.iter().find(|c| c.device == "pack" && c.attr == *attr).unwrap();
            series.counts[step]
        };
        let charge = sim.peek("pack", "charge_rate").unwrap_or_default();
        let discharge = sim.peek("pack", "discharge_rate").unwrap_or_default();
        assert_eq!((charge, discharge), (battery(&Attr::Charge), battery(&Attr::Discharge)));
        for series in plan.commands.iter().filter(|c| c.device.starts_with("charger")) {
            assert_eq!(sim.peek(&series.device, "current"), Some(series.counts[step]), "{}", series.device);
        }
    }
}
