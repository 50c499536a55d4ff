//! The verbs of the field as a user meets them: usage, clocks, signals.

use std::path::Path;

use evl::bundle::{Document, PlanDocument};
use evl::cli;
use evl::diag::ExitCode;
use evl::ir::Site;
use evl::runtime::load::Papers;
use evl::system::MemorySystem;

use super::yard::{inventory_text, papers, plan, usual, yard};

/// The papers as files, in memory.
fn desk(papers: &Papers, plan: &PlanDocument, inventory: &str) -> MemorySystem {
    MemorySystem::new()
        .file("site.bundle", String::from_utf8(papers.bundle.bytes()).unwrap())
        .file("plan.json", String::from_utf8(plan.bytes()).unwrap())
        .file("inventory/field.yaml", inventory)
}

fn run(system: &MemorySystem, line: &str) -> ExitCode {
    cli::run(line.split_whitespace().map(std::ffi::OsString::from), system)
}

#[test]
fn a_slip_on_the_command_line_ends_in_2_with_the_nearest_name() {
    let text = inventory_text(1, 1);
    let papers = papers(yard(), &text);
    let plan = plan(&papers, 1, &usual());
    let other = "did you mean";
    for (line, words) in [
        ("evl status --host pcc", "did you mean `pc`?"),
        ("evl apply plan.json --host pcc", "did you mean `pc`?"),
        ("evl release --all --host pcc", "did you mean `pc`?"),
        ("evl release solr", "did you mean `solar`?"),
        ("evl release nothing-like-it", "there are `charger`, `pack`, `solar`"),
        ("evl reset co --as admin", "there is none"),
    ] {
        let system = desk(&papers, &plan, &text);
        let exit = run(&system, line);
        assert_eq!(exit, ExitCode::Failure, "{line}: {}", system.said());
        assert!(system.said().starts_with("error[EVL0001]: "), "{line}: {}", system.said());
        assert!(system.said().contains(words), "{line}: {} {other}", system.said());
        assert!(!system.files().contains_key(Path::new("/.evl-state/journal.jsonl")), "{line}");
    }
}

/// A slip in the folder's name would look as if nothing had ever been applied.
#[test]
fn a_named_folder_of_records_that_is_not_there_is_no_empty_one() {
    let text = inventory_text(1, 1);
    let papers = papers(yard(), &text);
    let plan = plan(&papers, 1, &usual());
    for verb in ["status", "reset co --as admin"] {
        let system = desk(&papers, &plan, &text);
        let exit = run(&system, &format!("evl {verb} --state-dir .evl-stat"));
        assert_eq!(exit, ExitCode::Failure, "{verb}: {}", system.said());
        let begins = "error[EVL0002]: `.evl-stat` cannot be read: there is no such file or folder";
        assert!(system.said().starts_with(begins), "{verb}: {}", system.said());
        assert!(system.said().contains("`--state-dir` names the folder that `evl apply` was given"));
    }
    // where none was named there may be none yet
    let system = desk(&papers, &plan, &text);
    assert_eq!(run(&system, "evl status"), ExitCode::Findings, "{}", system.said());
    let note = "no plan was ever applied with the state folder `.evl-state`";
    assert!(system.printed().contains(note), "{}", system.printed());
    // and handing back asks for none, but says that there is none
    let system = desk(&papers, &plan, &text);
    assert_eq!(run(&system, "evl release --all --state-dir .evl-stat"), ExitCode::Partial);
    assert!(system.printed().contains("there was no state folder `.evl-stat`"), "{}", system.printed());
}

/// From the command line too an edited inventory is a warning to whoever hands back, and an error to
/// whoever commands.
#[test]
fn an_edited_inventory_is_a_warning_for_release_alone() {
    let text = inventory_text(1, 1);
    let papers = papers(yard(), &text);
    let plan = plan(&papers, 1, &usual());
    let edited = text.replace("timeout: 300 ms", "timeout: 301 ms");
    for (line, exit, words) in [
        ("evl release --all", ExitCode::Partial, "warning[EVL1103]: the inventory was edited since"),
        ("evl status", ExitCode::Findings, "warning[EVL1103]: the inventory was edited since"),
        ("evl apply plan.json --yes", ExitCode::Findings, "error[EVL1103]: the bundle was built for another"),
        ("evl reset co --as admin", ExitCode::Findings, "error[EVL1103]: the bundle was built for another"),
    ] {
        let system = desk(&papers, &plan, &edited);
        assert_eq!(run(&system, line), exit, "{line}: {}", system.said());
        assert!(system.said().contains(words), "{line}: {}", system.said());
        let said = system.said().split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(said.contains("the bundle is `site.bundle`, the inventory `inventory`"), "{line}: {said}");
    }
    // a plan of another bundle
    let other = self::papers(yard(), &edited);
    let system = desk(&other, &plan, &edited);
    run(&system, "evl apply plan.json --now 2026-07-14T12:00:10Z --yes");
    let said = system.said().split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(said.contains("error[EVL1103]: the plan belongs to another bundle"), "{said}");
    assert!(said.contains("the plan is `plan.json`, the bundle `site.bundle`"), "{said}");
}

/// What a link in the inventory's folder shows of this computer's other files is nobody's business.
#[cfg(unix)]
#[test]
fn a_link_out_of_the_inventory_is_refused() {
    let text = inventory_text(1, 1);
    let papers = papers(yard(), &text);
    let plan = plan(&papers, 1, &usual());
    let system = desk(&papers, &plan, &text)
        .file("etc/passwd", "root: of all evil")
        .link("inventory/more.yaml", "../etc/passwd");
    for line in ["evl status", "evl release --all", "evl apply plan.json --yes"] {
        assert_eq!(run(&system, line), ExitCode::Failure, "{line}: {}", system.said());
        assert!(system.said().contains("error[EVL0005]"), "{line}: {}", system.said());
        assert!(!system.said().contains("of all evil"), "{line}: {}", system.said());
    }
}

#[test]
fn people_read_the_sites_clock() {
    let mut site: Site = yard();
    site.timezone = "America/New_York".to_owned();
    let text = inventory_text(1, 1);
    let papers = papers(site, &text);
    let plan = plan(&papers, 1, &usual());
    // the step of 12:00Z is that of 08:00 in New York
    for (line, words) in [
        (
            "evl apply plan.json --now 2026-07-14T12:00:10Z --yes",
            "Tue 2026-07-14 08:00 to Tue 2026-07-14 08:15",
        ),
        ("evl apply plan.json --now 2026-07-14T14:00:10Z --yes", "expired at Tue 2026-07-14 09:00"),
    ] {
        let system = desk(&papers, &plan, &text);
        run(&system, line);
        let all = format!("{}{}", system.printed(), system.said());
        assert!(all.contains(words), "{line}: {all}");
        assert!(!all.contains("12:00:00Z"), "{line}: {all}");
    }
    // programs read UTC
    let system = desk(&papers, &plan, &text);
    run(&system, "evl apply plan.json --now 2026-07-14T12:00:10Z --yes --json");
    assert!(system.printed().contains("\"2026-07-14T12:00:00Z\""), "{}", system.printed());
}
