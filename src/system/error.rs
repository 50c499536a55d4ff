//! What can go wrong with files, in words for people.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use crate::diag::{Code, Diagnostic, Severity, codes};

/// Why a file could not be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FileFault {
    /// nothing is there
    Missing,
    /// this user may not
    Denied,
    /// the disk takes no writes from anybody
    ReadOnly,
    /// a symbolic link where evl follows none
    Link,
    /// a folder, socket or device where a file is needed
    NotAFile,
    /// a file where a folder is needed
    NotAFolder,
    /// larger than the cap, in bytes
    TooLarge {
        /// the cap in bytes
        cap: u64,
    },
    /// bytes that are no UTF-8, first in this line (from 1)
    NotUtf8 {
        /// line, from 1
        line: usize,
    },
    /// no room on the disk
    Full,
    /// the reader of a pipe is gone
    Closed,
    /// what the operating system says
    Other(String),
}

/// A file and why it could not be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileError {
    /// the file or folder
    pub path: PathBuf,
    /// why
    pub fault: FileFault,
}

/// The operating system's words without its number, which tells people nothing.
#[must_use]
pub fn plain(error: &io::Error) -> String {
    let words = error.to_string().to_lowercase();
    words.split_once(" (os error").map_or(words.as_str(), |(words, _)| words).to_owned()
}

impl FileError {
    /// A file and why.
    #[must_use]
    pub fn new(path: &Path, fault: FileFault) -> Self {
        Self { path: path.to_owned(), fault }
    }

    pub(super) fn from_io(path: &Path, error: &io::Error) -> Self {
        use io::ErrorKind as K;
        let fault = match error.kind() {
            K::NotFound => FileFault::Missing,
            K::PermissionDenied => FileFault::Denied,
            K::ReadOnlyFilesystem => FileFault::ReadOnly,
            K::IsADirectory => FileFault::NotAFile,
            K::NotADirectory => FileFault::NotAFolder,
            K::StorageFull | K::QuotaExceeded | K::FileTooLarge => FileFault::Full,
            K::BrokenPipe => FileFault::Closed,
            _ => FileFault::Other(plain(error)),
        };
        Self::new(path, fault)
    }

    /// The permanent code: reading and writing differ only where the fault does not say.
    fn code(&self, reading: bool) -> Code {
        match self.fault {
            FileFault::TooLarge { .. } => codes::TOO_LARGE,
            FileFault::NotUtf8 { .. } => codes::NOT_UTF8,
            _ if reading => codes::UNREADABLE,
            _ => codes::UNWRITABLE,
        }
    }

    /// The finding for a file that should have been read.
    #[must_use]
    pub fn reading(&self) -> Diagnostic {
        self.finding(true)
    }

    /// The finding for a file that should have been written.
    #[must_use]
    pub fn writing(&self) -> Diagnostic {
        self.finding(false)
    }

    fn finding(&self, reading: bool) -> Diagnostic {
        let verb = if reading { "read" } else { "written" };
        let message = match &self.fault {
            FileFault::TooLarge { .. } | FileFault::NotUtf8 { .. } => self.to_string(),
            _ => format!("`{}` cannot be {verb}: {}", self.path.display(), self.reason()),
        };
        let finding = Diagnostic::nowhere(self.code(reading), Severity::Error, message);
        match self.fault {
            FileFault::NotUtf8 { .. } => finding.help("convert it, for example with `iconv -t UTF-8`"),
            FileFault::TooLarge { .. } => finding.help("split it, or thin its data"),
            FileFault::Missing if !reading => finding.help("make the folder first"),
            _ => finding,
        }
    }

    fn reason(&self) -> String {
        match &self.fault {
            FileFault::Missing => "there is no such file or folder".to_owned(),
            FileFault::Denied => "this user has no permission".to_owned(),
            FileFault::ReadOnly => "its disk is read-only".to_owned(),
            FileFault::Link => "it is a symbolic link, and evl follows none there".to_owned(),
            FileFault::NotAFile => "it is not a regular file".to_owned(),
            FileFault::NotAFolder => "it is not a folder".to_owned(),
            FileFault::TooLarge { cap } => format!("it is larger than {} MiB", cap >> 20),
            FileFault::NotUtf8 { line } => format!("line {line} is not UTF-8"),
            FileFault::Full => "the disk is full".to_owned(),
            FileFault::Closed => "the reader is gone".to_owned(),
            FileFault::Other(words) => words.clone(),
        }
    }
}

impl fmt::Display for FileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path.display();
        match &self.fault {
            FileFault::TooLarge { cap } => write!(f, "`{path}` is larger than the cap of {} MiB", cap >> 20),
            FileFault::NotUtf8 { line } => write!(f, "`{path}` is not UTF-8 text: see line {line}"),
            _ => write!(f, "`{path}`: {}", self.reason()),
        }
    }
}

impl std::error::Error for FileError {}
