//! Input that is wrong or was made to do harm, through the real binary: one clear finding with its
//! code and exit status, at once, in bounded memory, and nothing written.

mod bytes;
mod documents;
mod feeds;
mod mutation;
mod paths;
mod policies;
mod yaml;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Processor seconds after which a run is killed. A build without optimisation needs several times
/// what a release build does, which has one second.
const SECONDS: u32 = 5;
/// Address space of a run, KiB: the libraries of both solvers and a bounded file fit well.
const MEMORY_KIB: u32 = 3 << 20;

/// A clean site.
const TINY: &str = "edition 2026
site tiny {
  timezone \"America/New_York\", location 42.36 N 71.05 W, currency USD, step 15 min, horizon 24 h
  valid 2026-01-01 .. 2026-12-31, on no_plan release, signatures none
}
priorities safety > comfort > economy
bus main { ac 480 V, 3 phase, limit 400 kW }
producer utility : grid { on main, import up to 250 kW, export up to 100 kW, tariff flat }
tariff flat { import 0.20 USD/kWh, export 0.05 USD/kWh }
consumer boiler : boiler { on main, demand 0 kW .. 40 kW, fail_safe 0 kW by none }
weather { temperature -20 degC .. 42 degC }
";

/// A folder of its own with a site `s`.
struct Place {
    folder: tempfile::TempDir,
}

/// How a run ended.
#[derive(Debug)]
struct Ran {
    exit: i32,
    out: String,
    err: String,
}

impl Place {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    /// The clean site with more statements.
    fn tiny(more: impl AsRef<[u8]>) -> Self {
        let mut text = TINY.as_bytes().to_vec();
        text.extend_from_slice(more.as_ref());
        Self::new().file("s/site.evl", text)
    }

    fn at(&self, path: &str) -> PathBuf {
        self.folder.path().join(path)
    }

    #[expect(clippy::disallowed_methods, reason = "a test makes its files")]
    fn file(self, path: &str, bytes: impl AsRef<[u8]>) -> Self {
        let at = self.at(path);
        std::fs::create_dir_all(at.parent().unwrap()).unwrap();
        std::fs::write(at, bytes).unwrap();
        self
    }

    fn link(self, path: &str, to: &str) -> Self {
        let at = self.at(path);
        std::fs::create_dir_all(at.parent().unwrap()).unwrap();
        std::os::unix::fs::symlink(to, at).unwrap();
        self
    }

    fn pipe(self, path: &str) -> Self {
        let at = self.at(path);
        std::fs::create_dir_all(at.parent().unwrap()).unwrap();
        assert!(Command::new("mkfifo").arg(at).status().unwrap().success());
        self
    }

    /// Runs `evl` with these arguments; what it leaves behind in the folder must be what it met.
    fn run(&self, args: &str) -> Ran {
        let before = self.content();
        let limits = format!("ulimit -t {SECONDS}; ulimit -v {MEMORY_KIB} 2>/dev/null; exec \"$0\" \"$@\"");
        let output = Command::new("sh")
            .args(["-c", &limits, env!("CARGO_BIN_EXE_evl")])
            .args(args.split_whitespace())
            .current_dir(self.folder.path())
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let words = |bytes: Vec<u8>| String::from_utf8(bytes).expect("output is UTF-8");
        let (out, err) = (words(output.stdout), words(output.stderr));
        assert!(output.status.code().is_some(), "`evl {args}` was killed: {:?}\n{err}", output.status);
        let all = format!("{out}{err}");
        for never in ["panicked", "evl::", "serde", "src/", "RUST_BACKTRACE"] {
            assert!(!all.contains(never), "`evl {args}` says `{never}`:\n{all}");
        }
        assert!(before == self.content(), "`evl {args}` wrote something");
        Ran { exit: output.status.code().unwrap(), out, err }
    }

    /// All files with their bytes. Pipes and links are named only.
    #[expect(clippy::disallowed_methods, reason = "a test reads its files")]
    fn content(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        fn walk(folder: &Path, all: &mut BTreeMap<PathBuf, Vec<u8>>) {
            for entry in std::fs::read_dir(folder).unwrap() {
                let entry = entry.unwrap();
                let kind = entry.file_type().unwrap();
                if kind.is_dir() {
                    walk(&entry.path(), all);
                } else {
                    let bytes =
                        if kind.is_file() { std::fs::read(entry.path()).unwrap() } else { Vec::new() };
                    all.insert(entry.path(), bytes);
                }
            }
        }
        let mut all = BTreeMap::new();
        walk(self.folder.path(), &mut all);
        all
    }

    /// Checks `s`: exit status and exactly this one finding, whose message holds these words.
    #[track_caller]
    fn check(&self, exit: i32, code: &str, words: &str) {
        self.says("check s", exit, code, words);
    }

    /// Runs, and expects exactly one finding.
    #[track_caller]
    fn says(&self, args: &str, exit: i32, code: &str, words: &str) -> Ran {
        let ran = self.run(args);
        let findings = ran.findings();
        let all = format!("{}{}", ran.out, ran.err);
        assert_eq!((ran.exit, findings.len()), (exit, 1), "{all}");
        let (found, message) = &findings[0];
        assert_eq!(found, code, "{all}");
        assert!(message.contains(words), "`{message}` lacks `{words}`");
        assert!(all.len() < 6_000, "one finding fills {} bytes", all.len());
        assert!(all.lines().all(|line| line.chars().count() < 2_500), "a line no screen holds:\n{all}");
        ran
    }

    /// Checks `s`, which is clean.
    #[track_caller]
    fn clean(&self) {
        let ran = self.run("check s");
        assert_eq!((ran.exit, ran.findings()), (0, Vec::new()), "{}{}", ran.out, ran.err);
    }
}

impl Ran {
    /// Code and message of every finding.
    fn findings(&self) -> Vec<(String, String)> {
        let lines = self.out.lines().chain(self.err.lines());
        lines
            .filter_map(|line| {
                let rest = ["error[", "warning["].iter().find_map(|word| line.strip_prefix(word))?;
                let (code, message) = rest.split_once("]: ")?;
                Some((code.to_owned(), message.to_owned()))
            })
            .collect()
    }
}
