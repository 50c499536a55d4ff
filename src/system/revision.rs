//! The files of a folder as a revision of Git has them, by the program `git`: no shell, no network, nothing
//! of the working tree.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::plain;

/// Most files of a revision.
const MOST_FILES: usize = 50_000;
/// Most bytes of all of them.
const MOST_BYTES: u64 = 256 << 20;

/// The files of a revision by path.
pub type RevisionFiles = BTreeMap<PathBuf, Vec<u8>>;

/// Why the files of a revision are not to be had.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RevisionFault {
    /// there is no program `git` on this computer
    NoGit,
    /// the folder is in no Git repository
    NoRepository,
    /// no commit has that name
    Unknown,
    /// it holds more than evl reads
    TooLarge,
    /// what else git or the operating system says
    Other(String),
}

fn git(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new("git");
    // nothing is fetched, asked or locked for a look at what is there
    command.current_dir(folder).args(arguments).env("GIT_NO_LAZY_FETCH", "1").env("GIT_TERMINAL_PROMPT", "0");
    // the repository is that of the folder, whatever a hook says
    for name in ["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY", "GIT_COMMON_DIR"] {
        command.env_remove(name);
    }
    // what a commit holds is what it was made of, whatever the repository puts in its place
    command.env("GIT_NO_REPLACE_OBJECTS", "1");
    command.env("GIT_OPTIONAL_LOCKS", "0").env("LC_ALL", "C").stdin(Stdio::null());
    command
}

fn asked(folder: &Path, arguments: &[&str]) -> Result<Vec<u8>, RevisionFault> {
    let output = git(folder, arguments).output().map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => RevisionFault::NoGit,
        _ => RevisionFault::Other(plain(&error)),
    })?;
    if output.status.success() {
        return Ok(output.stdout);
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let first = said.lines().next().unwrap_or_default().trim_start_matches("fatal: ").to_owned();
    Err(if first.contains("not a git repository") {
        RevisionFault::NoRepository
    } else {
        RevisionFault::Other(first.chars().take(200).collect())
    })
}

/// The regular files of a folder as a revision has them; those above `cap` bytes are left out.
pub(super) fn files(folder: &Path, revision: &str, cap: u64) -> Result<RevisionFiles, RevisionFault> {
    let name = format!("{revision}^{{commit}}");
    let commit = asked(folder, &["rev-parse", "--verify", "--quiet", "--end-of-options", &name]);
    let commit = commit.map_err(|fault| match fault {
        RevisionFault::Other(words) if words.is_empty() => RevisionFault::Unknown,
        other => other,
    })?;
    let commit = String::from_utf8_lossy(&commit).trim().to_owned();
    let listed = asked(folder, &["ls-tree", "-r", "-z", "-l", &commit])?;
    let mut wanted: Vec<(PathBuf, String, u64)> = Vec::new();
    let mut whole = 0_u64;
    for line in listed.split(|byte| *byte == 0).filter(|line| !line.is_empty()) {
        // `100644 blob <id> <size>\t<path>`
        let line = String::from_utf8_lossy(line);
        let Some((head, path)) = line.split_once('\t') else { continue };
        let mut words = head.split_whitespace();
        let (mode, kind, id, size) = (words.next(), words.next(), words.next(), words.next());
        let (Some("100644" | "100755"), Some("blob"), Some(id), Some(size)) = (mode, kind, id, size) else {
            if path == crate::repo::MANIFEST {
                // whom its files belong to would then be said by nobody
                return Err(RevisionFault::Other(format!("its `{path}` is no regular file")));
            }
            continue;
        };
        let Some(size) = size.parse::<u64>().ok().filter(|size| *size <= cap) else { continue };
        whole = whole.saturating_add(size);
        if wanted.len() >= MOST_FILES || whole > MOST_BYTES {
            return Err(RevisionFault::TooLarge);
        }
        wanted.push((PathBuf::from(path), id.to_owned(), size));
    }
    contents(folder, wanted)
}

/// The contents of blobs, in one conversation.
fn contents(folder: &Path, wanted: Vec<(PathBuf, String, u64)>) -> Result<RevisionFiles, RevisionFault> {
    let other = |error: &std::io::Error| RevisionFault::Other(plain(error));
    let mut command = git(folder, &["cat-file", "--batch"]);
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|error| other(&error))?;
    let (Some(mut asks), Some(mut answers)) = (child.stdin.take(), child.stdout.take()) else {
        return Err(RevisionFault::Other("git cannot be talked to".to_owned()));
    };
    let ids: Vec<String> = wanted.iter().map(|(_, id, _)| id.clone()).collect();
    // beside the reading, for neither waits for the other
    let asking = std::thread::spawn(move || ids.iter().try_for_each(|id| writeln!(asks, "{id}")));
    let mut found = RevisionFiles::new();
    let read = || -> std::io::Result<()> {
        for (path, _, size) in wanted {
            let mut head = Vec::new();
            let mut byte = [0_u8; 1];
            while byte != *b"\n" && head.len() < 200 {
                answers.read_exact(&mut byte)?;
                head.extend_from_slice(&byte);
            }
            let told = String::from_utf8_lossy(&head).split_whitespace().last().map(str::to_owned);
            if told != Some(size.to_string()) {
                return Err(std::io::Error::other("git says something else than it listed"));
            }
            let mut bytes = vec![0_u8; usize::try_from(size).unwrap_or_default()];
            answers.read_exact(&mut bytes)?;
            answers.read_exact(&mut byte)?;
            found.insert(path, bytes);
        }
        Ok(())
    };
    let result = read().map_err(|error| other(&error));
    drop(answers);
    // it ends by itself once nobody reads or asks
    let _ = asking.join();
    let _ = child.wait();
    result.map(|()| found)
}
