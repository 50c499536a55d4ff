//! The only room that touches files, environment, clock and terminal. The library takes it as a
//! trait, so that tests run in memory and the rest of evl is a function of its inputs.

mod error;
mod memory;
mod real;
mod revision;
mod root;

use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use jiff::Timestamp;

pub use error::{FileError, FileFault, plain};
pub use memory::MemorySystem;
pub use real::RealSystem;
pub use revision::{RevisionFault, RevisionFiles};
pub use root::{PathFault, RepoRoot, Resolved, Search};

/// Greatest size of a policy file.
pub const POLICY_CAP: u64 = 4 << 20;
/// Greatest size of a manifest, profile or inventory.
pub const YAML_CAP: u64 = 4 << 20;
/// Greatest size of a feed or list.
pub const CSV_CAP: u64 = 64 << 20;
/// Greatest size of a bundle, plan, state or journal.
pub const DOCUMENT_CAP: u64 = 256 << 20;

/// What a path leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// a regular file
    File,
    /// a folder
    Folder,
    /// a symbolic link, not followed
    Link,
    /// a socket, device or the like: never read
    Other,
}

/// One name in a folder.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Entry {
    /// the name without its folder
    pub name: String,
    /// what it is
    pub kind: Kind,
}

/// Who may read a file that evl writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// as the user's settings say
    Ordinary,
    /// the owner alone: mode 0600 for files, 0700 for folders
    Private,
}

/// One of the three standard streams.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    /// standard input
    In,
    /// standard output: data
    Out,
    /// standard error: words
    Err,
}

/// The outside world.
pub trait System: Send + Sync {
    /// The bytes of a regular file of at most `cap` bytes. Links are followed.
    ///
    /// # Errors
    /// When it is missing, unreadable, no regular file, or larger.
    fn read(&self, path: &Path, cap: u64) -> Result<Vec<u8>, FileError>;

    /// The text of a regular file of at most `cap` bytes, without a leading byte order mark.
    ///
    /// # Errors
    /// As [`read`](System::read), and when it is not UTF-8.
    fn read_text(&self, path: &Path, cap: u64) -> Result<String, FileError> {
        let bytes = self.read(path, cap)?;
        match String::from_utf8(bytes) {
            Ok(text) => Ok(text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text)),
            Err(error) => {
                let before = error.as_bytes().iter().take(error.utf8_error().valid_up_to());
                let line = 1 + before.filter(|byte| **byte == b'\n').count();
                Err(FileError::new(path, FileFault::NotUtf8 { line }))
            }
        }
    }

    /// Replaces a file as a whole: readers see the old content or the new one, also after a crash.
    ///
    /// # Errors
    /// When the folder is missing or cannot be written; the old content then stands.
    fn write(&self, path: &Path, bytes: &[u8], access: Access) -> Result<(), FileError>;

    /// Adds to the end of a file, which is made if it is missing, and returns once it is durable. A link
    /// is not followed: whoever can place one would choose which file is written.
    ///
    /// # Errors
    /// When it cannot be written or is a link; a part of `bytes` may then stand at the end.
    fn append(&self, path: &Path, bytes: &[u8], access: Access) -> Result<(), FileError>;

    /// Removes a file; none is no error.
    ///
    /// # Errors
    /// When it is there and cannot be removed.
    fn remove(&self, path: &Path) -> Result<(), FileError>;

    /// The names in a folder, sorted.
    ///
    /// # Errors
    /// When it is missing, unreadable or no folder.
    fn list(&self, folder: &Path) -> Result<Vec<Entry>, FileError>;

    /// Makes a folder and its parents; one that is there is no error.
    ///
    /// # Errors
    /// When it cannot be made.
    fn create_folder(&self, folder: &Path, access: Access) -> Result<(), FileError>;

    /// The regular files below a folder as a revision of Git has them, by path from that folder; what is
    /// larger than `cap` bytes is left out.
    ///
    /// # Errors
    /// No Git, no repository, no such revision, or more than evl reads.
    fn revision(&self, folder: &Path, revision: &str, cap: u64) -> Result<RevisionFiles, RevisionFault>;

    /// What the path leads to, links not followed; `None` if nothing is there.
    fn kind(&self, path: &Path) -> Option<Kind>;

    /// Whether anything is there, links followed.
    fn exists(&self, path: &Path) -> bool {
        self.canonical(path).is_ok()
    }

    /// The path without links, `.` and `..`.
    ///
    /// # Errors
    /// When nothing is there.
    fn canonical(&self, path: &Path) -> Result<PathBuf, FileError>;

    /// Takes an exclusive lock, which ends with the returned guard or with the process, however it
    /// ends. `holder` is written into the file for whoever finds it taken. `Ok(Err(text))` is
    /// what the present holder wrote. A link is not followed.
    ///
    /// # Errors
    /// When the file cannot be made, or is a link or no regular file.
    fn lock(&self, path: &Path, holder: &str) -> Result<Result<Lock, String>, FileError>;

    /// The present instant.
    fn now(&self) -> Timestamp;

    /// Time since some fixed moment; never goes back and does not follow the clock.
    fn monotonic(&self) -> Duration;

    /// Whether the clock is known to be synchronised; `None` where nothing says so.
    fn clock_synchronised(&self) -> Option<bool>;

    /// An environment variable, `None` where it is unset, empty or not UTF-8.
    fn env(&self, name: &str) -> Option<String>;

    /// The folder in which the process runs.
    ///
    /// # Errors
    /// When it no longer exists.
    fn current_folder(&self) -> Result<PathBuf, FileError>;

    /// The number of this process.
    fn process_id(&self) -> u32;

    /// Whether a person looks at (or types into) the stream.
    fn is_terminal(&self, stream: Stream) -> bool;

    /// Columns of the terminal, `None` where there is none.
    fn terminal_width(&self) -> Option<usize>;

    /// Writes data to standard output.
    ///
    /// # Errors
    /// When the reader is gone or the disk is full.
    fn print(&self, text: &str) -> Result<(), FileError>;

    /// Writes words to standard error; nobody can be told if that fails.
    fn say(&self, text: &str);

    /// One line from standard input without its end, at most 4096 bytes; `None` at its end.
    fn ask(&self) -> Option<String>;

    /// As [`ask`](System::ask), for whoever cannot wait: the answer comes through the channel, or never.
    fn ask_beside(&self) -> Receiver<Option<String>> {
        let (send, receive) = channel();
        // the receiver is right here
        let _ = send.send(self.ask());
        receive
    }

    /// Whether colours may be used on a stream: a terminal, no `NO_COLOR`, not `TERM=dumb`.
    fn may_colour(&self, stream: Stream) -> bool {
        self.is_terminal(stream)
            && self.env("NO_COLOR").is_none()
            && self.env("TERM").is_none_or(|term| term != "dumb")
    }
}

/// Holds a lock until it is dropped.
pub struct Lock(#[expect(dead_code, reason = "held for its release on drop")] Box<dyn std::any::Any + Send>);

impl std::fmt::Debug for Lock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Lock")
    }
}
