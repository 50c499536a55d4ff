//! `scripts/native.sh` on machines that lack something: one clear message, exit code 2, nothing left behind.
#![cfg(unix)]

use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;

/// What the script may call besides the tools whose absence is tested.
const ORDINARY: [&str; 9] = ["bash", "dirname", "uname", "cksum", "cat", "mktemp", "rm", "find", "sed"];
const NEEDED: [&str; 5] = ["cargo", "cc", "make", "pkg-config", "python3"];

/// Runs a copy of the script in an empty repository with only some tools; exit code and stderr.
fn run(lacks: &str, python: &str) -> (Option<i32>, String) {
    let repository = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder = tempfile::tempdir().unwrap();
    let (scripts, tools) = (folder.path().join("scripts"), folder.path().join("bin"));
    std::fs::create_dir(&scripts).unwrap();
    std::fs::create_dir(&tools).unwrap();
    for name in ["native.sh", "lazy.sh", "requirements.txt"] {
        std::fs::copy(repository.join("scripts").join(name), scripts.join(name)).unwrap();
    }
    for tool in ORDINARY {
        let found = ["/bin", "/usr/bin"].map(|place| Path::new(place).join(tool));
        let found = found.iter().find(|path| path.exists()).unwrap_or_else(|| panic!("{tool} is here"));
        symlink(found, tools.join(tool)).unwrap();
    }
    for tool in NEEDED.into_iter().filter(|tool| *tool != lacks) {
        let path = tools.join(tool);
        #[expect(clippy::disallowed_methods, reason = "a test makes its own files")]
        std::fs::write(&path, format!("#!/bin/sh\n{}\n", if tool == "python3" { python } else { "" }))
            .unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    }
    let bash = tools.join("bash");
    let output = Command::new(bash).arg(scripts.join("native.sh")).env("PATH", &tools).output().unwrap();
    assert!(!folder.path().join(".native").exists(), "nothing is left behind");
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
}

#[test]
fn each_missing_tool_is_named_with_a_way_to_get_it() {
    for tool in NEEDED {
        let (exit, said) = run(tool, "exit 0");
        assert_eq!(exit, Some(2), "{tool}: {said}");
        assert!(said.starts_with(&format!("error: `{tool}` is missing\nhint: install ")), "{said}");
    }
}

#[test]
fn python_without_pip_is_named() {
    let (exit, said) = run("", "exit 1");
    assert_eq!(exit, Some(2));
    assert!(said.starts_with("error: Python has no `pip`\nhint: install it"), "{said}");
}

#[test]
fn wheels_that_cannot_be_fetched_are_named() {
    let (exit, said) = run("", "case \"$3\" in --version) exit 0;; *) exit 1;; esac");
    assert_eq!(exit, Some(2));
    assert!(said.contains("error: the solver wheels could not be fetched\nhint: check that pip"), "{said}");
}
