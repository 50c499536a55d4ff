//! The journal: what was about to be done before it is done, and what came of it.
//!
//! Append-only lines of JSON, each carrying its own hash and that of the one before. A line that was torn by a
//! crash at the very end is dropped; damage anywhere else is refused. `apply`, `status` and
//! `release` learn from it what this host last did, also after it was killed.
//!
//! A long journal is laid aside, and a new file goes on: its first line carries what the old one told, and the
//! chain. The old file is copied before the new one takes its place in one step, so whoever reads finds
//! the one or the other. Where there is no room for that the old file goes on.

mod past;
mod record;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

pub use past::{Past, Unfinished};
use record::Line;
pub use record::{Asked, Cell, DeviceChange, Outcome, Record, Standing};

use crate::bundle::Hash;
use crate::calendar::Instant;
use crate::diag::{Diagnostic, Severity, codes};
use crate::system::{Access, DOCUMENT_CAP, FileError, FileFault, Kind, System};

/// Bytes kept free for the records of safety writes and undoings on a full disk.
const RESERVE: usize = 64 << 10;
/// Why a plan needs a journal.
pub(super) const UNDOABLE: &str =
    "what cannot be recorded could not be undone, so nothing more of the plan is written";
/// The journal of the host.
const MAIN: &str = "journal.jsonl";
/// How the names of files begin that were laid aside; a number and `.jsonl` follow.
const PART: &str = "journal-";
/// Length at which a journal is laid aside, in bytes beyond its first line.
const LONG: usize = 4 << 20;
/// How the names of records begin that were made beside it.
const BESIDE: &str = "beside-";
/// What to do where a journal cannot be used any more.
const ANEW: &str = "hand everything back with `evl release --all`, keep the file for the auditor, and begin anew with another `--state-dir`";

/// The journal of one host; clones share it.
#[derive(Clone)]
pub struct Journal<'a> {
    system: &'a dyn System,
    folder: PathBuf,
    file: PathBuf,
    told: Arc<Mutex<Told>>,
    /// why the reserve could not be made
    short: Option<Box<Diagnostic>>,
}

/// What was read and written so far.
#[derive(Debug, Default)]
struct Told {
    prev: Hash,
    past: Past,
}

impl std::fmt::Debug for Journal<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Journal")
            .field("folder", &self.folder)
            .field("told", &self.told)
            .finish_non_exhaustive()
    }
}

fn damaged(file: &Path, why: String) -> Diagnostic {
    let message = format!("the journal `{}` cannot be used", file.display());
    Diagnostic::nowhere(codes::JOURNAL, Severity::Error, message).because(why).help(ANEW)
}

/// A line was changed after it was written. A new state folder would know no sequence and accept again
/// whatever was overtaken, so what is still known of it is told.
fn changed(file: &Path, number: usize, before: &[Line], behind: &[u8]) -> Diagnostic {
    let begun = |record: &Record| match record {
        Record::Begin { sequence, .. } => Some(*sequence),
        Record::Carried { past, .. } => past.accepted.as_ref().map(|(_, sequence)| *sequence),
        _ => None,
    };
    let certain = before.iter().rev().find_map(|line| begun(&line.record));
    let said = behind.split(|byte| *byte == b'\n').filter_map(|piece| {
        let line: serde_json::Value = serde_json::from_slice(piece).ok()?;
        let carried = line.pointer("/record/past/accepted/1");
        line.pointer("/record/sequence").or(carried)?.as_u64()
    });
    let said = said.max().filter(|said| Some(*said) > certain);
    let mut finding = damaged(file, format!("line {number} was changed after it was written"));
    if let Some(certain) = certain {
        finding = finding.because(format!("the last plan accepted before that line has sequence {certain}"));
    }
    if let Some(said) = said {
        finding = finding.because(format!(
            "from that line on, where nothing is certain, a plan of sequence {said} is named"
        ));
    }
    let sequence = match said.max(certain) {
        Some(sequence) => {
            format!("put at least `\"sequence\": {sequence}` into the state from which the next plan is made")
        }
        None => "put the sequence of the last plan that was made into the state from which the next is made"
            .to_owned(),
    };
    finding.help(format!("{ANEW}. A new folder knows of no plan and would take one that is overtaken: {sequence}, and apply that plan first"))
}

/// Why nothing can be recorded, and what to do about it.
pub(super) fn unrecordable(error: &FileError) -> Diagnostic {
    let folder = error.path.parent().unwrap_or(&error.path).display();
    let elsewhere = "name another folder with `--state-dir FOLDER`";
    error.writing().help(match error.fault {
        FileFault::Full => format!("make room on the disk of `{folder}`, or {elsewhere}"),
        FileFault::Denied => format!("let this user write to `{folder}`, or {elsewhere}"),
        FileFault::ReadOnly => format!("mount the disk of `{folder}` for writing, or {elsewhere}"),
        FileFault::NotAFolder => {
            format!(
                "something else stands where the folder of the records belongs: move it away, or {elsewhere}"
            )
        }
        FileFault::NotAFile | FileFault::Link => {
            format!("see who put it there, and move it away; or {elsewhere}")
        }
        _ => format!("look after `{folder}`, or {elsewhere}"),
    })
}

/// What a file holds.
#[derive(Default)]
struct Held {
    lines: Vec<Line>,
    /// its whole lines
    bytes: Vec<u8>,
    /// length of the first
    first: usize,
    /// a torn line follows them
    torn: bool,
}

fn held(system: &dyn System, file: &Path) -> Result<Held, Diagnostic> {
    // what stands elsewhere was not written by evl
    if system.kind(file) == Some(Kind::Link) {
        return Err(unrecordable(&FileError::new(file, FileFault::Link)));
    }
    let mut bytes = match system.read(file, DOCUMENT_CAP) {
        Err(FileError { fault: FileFault::Missing, .. }) => return Ok(Held::default()),
        Err(FileError { fault: FileFault::TooLarge { cap }, .. }) => {
            return Err(damaged(file, format!("it is larger than {} MiB", cap >> 20)));
        }
        Err(error) => return Err(error.reading()),
        Ok(bytes) => bytes,
    };
    let mut held = Held::default();
    let (mut prev, mut whole) = (Hash::default(), 0);
    for (index, piece) in bytes.split_inclusive(|byte| *byte == b'\n').enumerate() {
        let ended = piece.ends_with(b"\n");
        let follows = |line: &Line| match line.record {
            // only the first line of a file goes on from another
            Record::Carried { .. } => index == 0 && line.prev != prev,
            _ => line.prev == prev,
        };
        let line = serde_json::from_slice::<Line>(piece).ok();
        match line.filter(|line| follows(line) && line.hash == line.content()) {
            Some(line) if ended => {
                prev = line.hash.clone();
                held.lines.push(line);
                whole += piece.len();
                if index == 0 {
                    held.first = whole;
                }
            }
            // only the very last line can have been torn
            _ if !ended => held.torn = true,
            _ => {
                let behind = bytes.get(whole..).unwrap_or_default();
                return Err(changed(file, index + 1, &held.lines, behind));
            }
        }
    }
    bytes.truncate(whole);
    held.bytes = bytes;
    Ok(held)
}

/// What was recorded beside the journal, by file and in order.
fn besides(system: &dyn System, folder: &Path, site: &str) -> Result<Vec<(PathBuf, Vec<Line>)>, Diagnostic> {
    let Ok(entries) = system.list(folder) else { return Ok(Vec::new()) };
    let mut all = Vec::new();
    for entry in entries.into_iter().filter(|entry| entry.name.starts_with(BESIDE)) {
        let path = folder.join(entry.name);
        let Held { lines, .. } = held(system, &path)?;
        let mut past = Past::default();
        for line in &lines {
            past.take(line, site).map_err(|why| damaged(&path, why))?;
        }
        all.push((path, lines));
    }
    Ok(all)
}

impl<'a> Journal<'a> {
    /// Reads the journal in `folder` without changing anything.
    ///
    /// # Errors
    /// EVL1212 where it is damaged beyond a torn last line or belongs to another site.
    pub fn read(system: &'a dyn System, folder: &Path, site: &str) -> Result<Self, Diagnostic> {
        let (journal, _) = Self::load(system, folder, &folder.join(MAIN), site)?;
        for (path, lines) in besides(system, folder, site)? {
            for line in lines {
                journal.told().past.take(&line, site).map_err(|why| damaged(&path, why))?;
            }
        }
        Ok(journal)
    }

    /// Reads the journal in `folder`, drops a torn last line, takes in what was recorded beside it and
    /// makes the reserve. Only who holds the lock may do that.
    ///
    /// # Errors
    /// As [`Journal::read`]; EVL0008 where the folder cannot be written.
    pub fn open(system: &'a dyn System, folder: &Path, site: &str) -> Result<Self, Diagnostic> {
        let unwritable = |error: FileError| unrecordable(&error);
        system.create_folder(folder, Access::Private).map_err(unwritable)?;
        let (mut journal, held) = Self::load(system, folder, &folder.join(MAIN), site)?;
        if held.torn {
            system.write(&journal.file, &held.bytes, Access::Private).map_err(unwritable)?;
        }
        if held.bytes.len() - held.first > LONG.max(held.first) {
            journal.lay_aside(&held, site);
        }
        for (path, lines) in besides(system, folder, site)? {
            for line in lines {
                journal.append(line.at, vec![line.record])?;
            }
            system.remove(&path).map_err(unwritable)?;
        }
        let reserve = folder.join("reserve");
        let reserved = match system.kind(&reserve) {
            Some(Kind::File) => Ok(()),
            None => system.write(&reserve, &vec![b'.'; RESERVE], Access::Private),
            Some(Kind::Link) => Err(FileError::new(&reserve, FileFault::Link)),
            Some(Kind::Folder | Kind::Other) => Err(FileError::new(&reserve, FileFault::NotAFile)),
        };
        if let Err(error) = reserved {
            // what safety does is recorded as long as there is any room
            journal.short = Some(Box::new(unrecordable(&error)));
        }
        Ok(journal)
    }

    /// A journal of its own beside that of the host, for what safety writes while another holds the
    /// lock. Whoever next opens the journal takes it in.
    ///
    /// # Errors
    /// The clock gives no name for it.
    pub fn beside(system: &'a dyn System, folder: &Path, site: &str) -> Result<Self, Diagnostic> {
        let name = format!("{BESIDE}{}-{}.jsonl", system.now().as_millisecond(), system.process_id());
        Self::load(system, folder, &folder.join(name), site).map(|(journal, _)| journal)
    }

    /// The journal, and what its file holds.
    fn load(
        system: &'a dyn System,
        folder: &Path,
        file: &Path,
        site: &str,
    ) -> Result<(Self, Held), Diagnostic> {
        let mut told = Told::default();
        let held = held(system, file)?;
        if held.lines.is_empty() && file.ends_with(MAIN) && system.kind(file).is_none() {
            let entries = system.list(folder).unwrap_or_default();
            if let Some(part) = entries.iter().rfind(|entry| entry.name.starts_with(PART)) {
                return Err(damaged(
                    file,
                    format!("it is gone, and `{}`, which it went on from, is not", part.name),
                ));
            }
        }
        for line in &held.lines {
            told.past.take(line, site).map_err(|why| damaged(file, why))?;
            told.prev.clone_from(&line.hash);
        }
        let (folder, file) = (folder.to_owned(), file.to_owned());
        let told = Arc::new(Mutex::new(told));
        Ok((Self { system, folder, file, told, short: None }, held))
    }

    /// Lays the journal's file aside and goes on in a new one. Where that cannot be written the old one
    /// goes on: nothing waits for it.
    fn lay_aside(&self, held: &Held, site: &str) {
        let mut part = match held.lines.first().map(|line| &line.record) {
            Some(Record::Carried { part, .. }) => part.saturating_add(1),
            _ => 1,
        };
        let name = |part: u64| self.folder.join(format!("{PART}{part:06}.jsonl"));
        // beside an older journal that was put back there are parts that it never knew
        let others = |path: &Path| {
            match self.system.kind(path) {
                None => false,
                Some(Kind::File) => {
                    let there = self.system.read(path, DOCUMENT_CAP);
                    there.is_ok_and(|there| !held.bytes.starts_with(&there))
                }
                // a link leads to what is not evl's, and its name is taken
                Some(Kind::Link | Kind::Folder | Kind::Other) => true,
            }
        };
        while others(&name(part)) {
            part = part.saturating_add(1);
        }
        let aside = name(part);
        let mut told = self.told();
        let carried = told.past.carried();
        let past = Box::new(carried.clone());
        let at = past.last.unwrap_or(Instant(0));
        let line = Line::seal(at, told.prev.clone(), Record::Carried { site: site.to_owned(), part, past });
        let Ok(mut fresh) = serde_json::to_vec(&line) else { return };
        fresh.push(b'\n');
        let holds = |path: &Path, bytes: &[u8]| {
            self.system.read(path, DOCUMENT_CAP).is_ok_and(|there| there == *bytes)
        };
        // one who was killed in between has left the copy already
        let copied =
            holds(&aside, &held.bytes) || self.system.write(&aside, &held.bytes, Access::Private).is_ok();
        // a write that fails late may have taken the file's place already: what stands there counts
        if copied
            && (self.system.write(&self.file, &fresh, Access::Private).is_ok() || holds(&self.file, &fresh))
        {
            told.prev = line.hash;
            told.past = carried;
        } else {
            // the room that the copy takes belongs to what must be recorded; if it stays it is found again
            let _ = self.system.remove(&aside);
        }
    }

    fn told(&self) -> MutexGuard<'_, Told> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What it tells.
    #[must_use]
    pub fn past(&self) -> Past {
        self.told().past.clone()
    }

    /// Writes what an apply is about to do and returns once that is durable. On a full disk it is
    /// refused, and the reserve is kept for what has to be recorded.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn begin(&self, at: Instant, records: Vec<Record>) -> Result<(), Diagnostic> {
        match &self.short {
            Some(short) => Err((**short).clone().because(UNDOABLE)),
            None => self.write(at, records, false).map_err(|fault| fault.because(UNDOABLE)),
        }
    }

    /// Writes records and returns once they are durable; on a full disk the reserve is spent.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn append(&self, at: Instant, records: Vec<Record>) -> Result<(), Diagnostic> {
        self.write(at, records, true)
    }

    fn write(&self, at: Instant, records: Vec<Record>, spend: bool) -> Result<(), Diagnostic> {
        let mut told = self.told();
        let mut bytes = Vec::new();
        let mut prev = told.prev.clone();
        let mut lines = Vec::with_capacity(records.len());
        for record in records {
            let line = Line::seal(at, prev, record);
            let mut piece = serde_json::to_vec(&line)
                .map_err(|_| damaged(&self.file, "a record could not be written as JSON".to_owned()))?;
            piece.push(b'\n');
            prev = line.hash.clone();
            bytes.extend_from_slice(&piece);
            lines.push(line);
        }
        let path = &self.file;
        let result = match self.system.append(path, &bytes, Access::Private) {
            Err(FileError { fault: FileFault::Full, .. })
                if spend && self.system.kind(&self.folder.join("reserve")) == Some(Kind::File) =>
            {
                let freed = self.system.remove(&self.folder.join("reserve"));
                freed.and_then(|()| self.system.append(path, &bytes, Access::Private))
            }
            result => result,
        };
        result.map_err(|error| unrecordable(&error))?;
        told.prev = prev;
        for line in &lines {
            told.past.take(line, "").map_err(|why| damaged(path, why))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
