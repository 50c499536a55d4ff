//! Paths that leave the repository, and things in the place of files, wherever a file is named.

use super::Place;

/// Statements that name a file.
fn naming(path: &str) -> Vec<String> {
    let site = |property: &str| {
        super::TINY.replace("signatures none", &format!("signatures none, {property} \"{path}\""))
    };
    let with = |more: String| format!("{}{more}\n", super::TINY);
    vec![
        site("holidays"),
        with(format!(
            "feed f {{ file \"{path}\", time utc, stamp start, step 1 h, unit kW, range 0 kW .. 9 kW }}\n\
             consumer l : load {{ on main, load feed.f }}"
        )),
        with(format!("conform to \"{path}\"")),
        with(format!("admit {{ allow serial in \"{path}\" }}")),
        with(format!("admit {{ allow maker \"a\" with signature \"{path}\" }}")),
    ]
}

fn each(path: &str, words: &str) {
    for text in naming(path) {
        Place::new().file("s/site.evl", text).link("s/out", "/etc").check(2, "EVL0005", words);
    }
    let feed = "feed f { file \"a.csv\", time utc, stamp start, step 1 h, unit kW }\n";
    let place = Place::tiny(feed).link("s/out", "/etc").file("s/a.csv", "");
    place.file("s/evl.yaml", format!("inputs: {{ f: \"{path}\" }}\n")).check(2, "EVL0005", words);
}

#[test]
fn climbing_out() {
    each("../../etc/passwd", "climbs out of the repository");
    each("data/../../../etc/passwd", "climbs out of the repository");
}

#[test]
fn absolute() {
    each("/etc/passwd", "is absolute");
}

#[test]
fn through_a_link() {
    each("out/passwd", "leads out of the repository by a symbolic link");
}

#[test]
fn patterns_of_the_manifest() {
    for text in ["members: ['*.evl', '../*.evl']\n", "members: ['/etc/*']\n", "owners: { '../**': acme }\n"] {
        let ran = Place::tiny("").file("s/evl.yaml", text).run("check s");
        assert_eq!(ran.exit, 2, "{}", ran.out);
        assert!(ran.findings().iter().any(|(code, _)| code == "EVL0005" || code == "EVL0006"), "{}", ran.out);
    }
}

#[test]
fn names_that_are_no_paths() {
    let device = |profile: &str| {
        format!("consumer x : load {{ on main, profile \"{profile}\", demand 0 kW .. 1 kW }}\n")
    };
    let place = Place::tiny(device("../../etc/passwd"));
    place.check(1, "EVL0904", "../../etc/passwd");
    assert!(place.run("check s").out.contains("is no path"));
    Place::tiny("import \"../../etc/passwd\"\n").check(1, "EVL0020", "expected a name");
    Place::tiny("import std.nothing\n").check(1, "EVL0103", "`std.nothing`");
    let zone = super::TINY.replace("America/New_York", "../../etc/passwd");
    Place::new().file("s/site.evl", zone).check(1, "EVL0204", "no time zone");
}

#[test]
fn files_of_the_repository_that_are_links_out() {
    // what lies behind them must not be read, let alone shown
    for path in ["s/evl.yaml", "s/more.evl", "s/profiles/x.yaml", "s/inventory/x.yaml"] {
        let place = Place::tiny("").link(path, "/etc/passwd");
        place.check(2, "EVL0005", "symbolic link");
        assert!(!place.run("check s").out.contains("root"), "{path}");
    }
    for path in ["s/profiles", "s/inventory"] {
        Place::tiny("").link(path, "/etc").check(2, "EVL0005", "symbolic link");
    }
    Place::tiny("").link("s/nothing.evl", "nowhere").check(2, "EVL0005", "symbolic link");
    Place::tiny("").link("s/itself.evl", "itself.evl").check(2, "EVL0005", "symbolic link");
    Place::tiny("").link("s/again", ".").clean();
    Place::tiny("").link("s/also.txt", "/etc/passwd").clean();
}

#[test]
fn devices_pipes_and_folders_in_the_place_of_files() {
    for path in ["s/evl.yaml", "s/more.evl", "s/profiles/x.yaml", "s/inventory/x.yaml"] {
        Place::tiny("").pipe(path).check(2, "EVL0002", "not a regular file");
    }
    Place::tiny("").file("s/evl.yaml/a", "").check(2, "EVL0002", "not a regular file");
    Place::tiny("").file("s/profiles", "").check(2, "EVL0002", "not a folder");
    Place::tiny("").file("s/folder.evl/a.txt", "").clean();
    for text in naming("data") {
        let ran = Place::new().file("s/site.evl", text).pipe("s/data").run("check s");
        assert!(matches!(ran.exit, 1 | 2) && ran.findings().len() == 1, "{}", ran.out);
    }
    Place::new().says("check /dev/zero", 2, "EVL0002", "not a regular file");
    Place::new().says("fmt /dev/zero", 2, "EVL0002", "not a regular file");
    Place::new().says("show /dev/zero", 2, "EVL0002", "not a regular file");
    Place::new().says("show .", 2, "EVL0002", "not a regular file");
}

#[test]
fn a_file_that_this_user_may_not_read() {
    use std::os::unix::fs::PermissionsExt as _;
    let place = Place::tiny("").file("s/more.evl", "edition 2026\n");
    let at = place.at("s/more.evl");
    let mode = |mode| std::fs::set_permissions(&at, std::fs::Permissions::from_mode(mode)).unwrap();
    mode(0o000);
    #[expect(clippy::disallowed_methods, reason = "a test looks whether it may read")]
    let all_powerful = std::fs::read(&at).is_ok();
    if all_powerful {
        println!("skipped: this user may read everything");
    } else {
        let ran = std::process::Command::new(env!("CARGO_BIN_EXE_evl"))
            .args(["check", "s"])
            .current_dir(place.folder.path())
            .output()
            .unwrap();
        assert_eq!(ran.status.code(), Some(2));
        assert!(String::from_utf8_lossy(&ran.stdout).contains("EVL0002"));
    }
    mode(0o600);
}

#[test]
fn results_that_cannot_be_written_are_refused_before_the_work() {
    let place = Place::tiny("");
    let plan = "plan s --from 2026-07-14T00:00 -o";
    place.says("build s -o nowhere/site.bundle", 2, "EVL0008", "no such file or folder");
    place.says("build s -o s", 2, "EVL0008", "not a regular file");
    place.says(&format!("{plan} nowhere/plan.json"), 2, "EVL0008", "no such file or folder");
    place.says(&format!("{plan} s"), 2, "EVL0008", "not a regular file");
}
