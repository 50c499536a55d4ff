//! The journal: what was about to be done before it is done, and what came of it.
//!
//! Append-only lines of JSON, each carrying its own hash and that of the one before. A line that was torn by a
//! crash at the very end is dropped; damage anywhere else is refused. `apply`, `status` and
//! `release` learn from it what this host last did, also after it was killed.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};

use super::memory::Memory;
use crate::bundle::Hash;
use crate::calendar::Instant;
use crate::diag::{Diagnostic, Severity, codes};
use crate::quantity::Rat;
use crate::system::{Access, DOCUMENT_CAP, FileError, FileFault, Kind, System};

/// Bytes kept free for the records of safety writes and undoings on a full disk.
const RESERVE: usize = 64 << 10;
/// Why a plan needs a journal.
pub(super) const UNDOABLE: &str =
    "what cannot be recorded could not be undone, so nothing more of the plan is written";
/// The journal of the host.
const MAIN: &str = "journal.jsonl";
/// How the names of records begin that were made beside it.
const BESIDE: &str = "beside-";
/// What to do where a journal cannot be used any more.
const ANEW: &str = "hand everything back with `evl release --all`, keep the file for the auditor, and begin anew with another `--state-dir`";
/// For how long writes are counted, s.
const DAY: i64 = 86_400;

/// One register that is changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cell {
    /// point of the profile
    pub point: String,
    /// raw value found before
    pub old: i64,
    /// raw value to be written
    pub new: i64,
    /// raw values that an apply wrote on the way there
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub via: Vec<i64>,
    /// a guard: tightened, and never loosened again by an undo
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub guard: bool,
}

/// All that is changed on one device, in writing order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeviceChange {
    /// the device
    pub device: String,
    /// its registers
    pub cells: Vec<Cell>,
    /// in words: `power at most 4 kW -> at most 6 kW`
    pub words: String,
}

/// What came of the change of one device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// in effect
    Done,
    /// not in effect
    Failed,
    /// nobody knows
    Unknown,
    /// brought back
    Undone,
    /// left as found, because it no longer held our value
    Left,
}

/// A command that stands on a device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Standing {
    /// registers of the command and what they should hold
    pub cells: Vec<(String, i64)>,
    /// in words: `power at most 6 kW`
    pub words: String,
    /// the point that holds the value, and the value in kW, where there is one
    pub value: Option<(String, Rat)>,
    /// until when nobody needs to renew it; `None`: for ever
    pub until: Option<Instant>,
    /// commanded by a rule of the safety class
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub safety: bool,
}

/// What a line says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "is", deny_unknown_fields)]
pub enum Record {
    /// an apply accepted its plan
    Begin {
        /// the site
        site: String,
        /// id of the plan
        plan: Hash,
        /// its sequence
        sequence: u64,
        /// the step that is written
        step: u32,
        /// end of that step
        until: Instant,
    },
    /// the next frames will be these
    Intent {
        /// the gateway
        gateway: String,
        /// its devices, in writing order
        devices: Vec<DeviceChange>,
    },
    /// what came of the frames
    Result {
        /// the gateway
        gateway: String,
        /// by device
        devices: BTreeMap<String, Outcome>,
    },
    /// the commands of this gateway stand
    Commit {
        /// the gateway
        gateway: String,
        /// by device; a device without a command has an empty list
        standing: BTreeMap<String, Vec<Standing>>,
    },
    /// the next frames will bring this gateway back
    Undo {
        /// the gateway
        gateway: String,
    },
    /// nothing of this apply is under way any more
    End {
        /// exit code
        exit: u8,
    },
    /// the next frames are commanded by the safety class: outside every apply, never undone
    Safety {
        /// the site
        site: String,
        /// the devices
        devices: Vec<DeviceChange>,
    },
    /// what came of them
    Secured {
        /// by device
        devices: BTreeMap<String, Outcome>,
        /// what then stands, by device that was done
        standing: BTreeMap<String, Vec<Standing>>,
    },
    /// what the rules remember from here on
    Memory {
        /// the site
        site: String,
        /// latches and the like
        memory: Memory,
    },
    /// a person resets a latch
    Reset {
        /// the site
        site: String,
        /// the latch
        latch: String,
        /// the role
        by: String,
    },
    /// the next frames hand these devices back
    Release {
        /// the site
        site: String,
        /// the devices
        devices: Vec<DeviceChange>,
    },
    /// what came of a release
    Released {
        /// by device
        devices: BTreeMap<String, Outcome>,
    },
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    at: Instant,
    prev: Hash,
    record: Record,
    hash: Hash,
}

impl Line {
    /// The line with the hash of its own content.
    fn seal(at: Instant, prev: Hash, record: Record) -> Self {
        let mut line = Self { at, prev, record, hash: Hash::default() };
        line.hash = line.content();
        line
    }

    fn content(&self) -> Hash {
        let bare = Self { hash: Hash::default(), ..self.clone() };
        Hash::of(&serde_json::to_vec(&bare).unwrap_or_default())
    }
}

/// An apply that did not end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unfinished {
    /// its plan
    pub plan: Hash,
    /// its step
    pub step: u32,
    /// since when
    pub since: Instant,
    /// by gateway, in writing order: what was about to be changed and is not known to be settled
    pub open: Vec<(String, Vec<DeviceChange>)>,
}

/// What the journal tells about this host.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Past {
    /// last plan accepted: id, sequence
    pub accepted: Option<(Hash, u64)>,
    /// instant of the last record
    pub last: Option<Instant>,
    /// an apply or a release that did not end
    pub unfinished: Option<Unfinished>,
    /// commands that stand, by device
    pub standing: BTreeMap<String, Vec<Standing>>,
    /// instants of the last day's writes, by device and point
    pub written: BTreeMap<String, BTreeMap<String, Vec<Instant>>>,
    /// what the rules remember; `None`: nothing was ever recorded
    pub memory: Option<Memory>,
    /// end of the step that was written last
    pub until: Option<Instant>,
    /// devices that the last apply wrote and brought back, or left as another made them, and when
    pub undone: BTreeMap<String, Instant>,
    /// devices of which the last writes are not known to be in effect or brought back, and since when
    pub unknown: BTreeMap<String, Instant>,
}

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
        _ => None,
    };
    let certain = before.iter().rev().find_map(|line| begun(&line.record));
    let said = behind.split(|byte| *byte == b'\n').filter_map(|piece| {
        let line: serde_json::Value = serde_json::from_slice(piece).ok()?;
        line.get("record")?.get("sequence")?.as_u64()
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
        FileFault::NotAFolder | FileFault::NotAFile => {
            format!(
                "something else stands where the folder of the records belongs: move it away, or {elsewhere}"
            )
        }
        _ => format!("look after `{folder}`, or {elsewhere}"),
    })
}

/// The lines of a file, and its whole lines where a torn one must be dropped.
fn lines(system: &dyn System, file: &Path) -> Result<(Vec<Line>, Option<Vec<u8>>), Diagnostic> {
    let bytes = match system.read(file, DOCUMENT_CAP) {
        Err(FileError { fault: FileFault::Missing, .. }) => return Ok((Vec::new(), None)),
        Err(error) => return Err(error.reading()),
        Ok(bytes) => bytes,
    };
    let (mut lines, mut prev, mut whole, mut torn) = (Vec::new(), Hash::default(), 0, false);
    for (index, piece) in bytes.split_inclusive(|byte| *byte == b'\n').enumerate() {
        let ended = piece.ends_with(b"\n");
        let line = serde_json::from_slice::<Line>(piece).ok();
        match line.filter(|line| line.prev == prev && line.hash == line.content()) {
            Some(line) if ended => {
                prev = line.hash.clone();
                lines.push(line);
                whole += piece.len();
            }
            // only the very last line can have been torn
            _ if !ended => torn = true,
            _ => {
                let behind = bytes.get(whole..).unwrap_or_default();
                return Err(changed(file, index + 1, &lines, behind));
            }
        }
    }
    let kept = if torn { bytes.get(..whole).map(<[u8]>::to_vec) } else { None };
    Ok((lines, kept))
}

/// What was recorded beside the journal, by file and in order.
fn besides(system: &dyn System, folder: &Path, site: &str) -> Result<Vec<(PathBuf, Vec<Line>)>, Diagnostic> {
    let Ok(entries) = system.list(folder) else { return Ok(Vec::new()) };
    let mut all = Vec::new();
    for entry in entries.into_iter().filter(|entry| entry.name.starts_with(BESIDE)) {
        let path = folder.join(entry.name);
        let (lines, _) = lines(system, &path)?;
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
        let (mut journal, whole) = Self::load(system, folder, &folder.join(MAIN), site)?;
        if let Some(whole) = whole {
            system.write(&folder.join(MAIN), &whole, Access::Private).map_err(unwritable)?;
        }
        for (path, lines) in besides(system, folder, site)? {
            for line in lines {
                journal.append(line.at, vec![line.record])?;
            }
            system.remove(&path).map_err(unwritable)?;
        }
        let reserve = folder.join("reserve");
        if system.kind(&reserve).is_none()
            && let Err(error) = system.write(&reserve, &vec![b'.'; RESERVE], Access::Private)
        {
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

    /// The journal, and its whole lines where a torn one must be dropped.
    fn load(
        system: &'a dyn System,
        folder: &Path,
        file: &Path,
        site: &str,
    ) -> Result<(Self, Option<Vec<u8>>), Diagnostic> {
        let mut told = Told::default();
        let (lines, kept) = lines(system, file)?;
        for line in lines {
            told.past.take(&line, site).map_err(|why| damaged(file, why))?;
            told.prev = line.hash;
        }
        let (folder, file) = (folder.to_owned(), file.to_owned());
        let told = Arc::new(Mutex::new(told));
        Ok((Self { system, folder, file, told, short: None }, kept))
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

impl Past {
    /// Takes in one line. `site` is checked where it is not empty.
    fn take(&mut self, line: &Line, site: &str) -> Result<(), String> {
        self.last = Some(self.last.map_or(line.at, |last| last.max(line.at)));
        let of_site = |name: &str| {
            if site.is_empty() || name == site {
                Ok(())
            } else {
                Err(format!("it belongs to the site `{name}`, not to `{site}`"))
            }
        };
        match &line.record {
            Record::Begin { site: name, plan, sequence, step, until } => {
                of_site(name)?;
                self.accepted = Some((plan.clone(), *sequence));
                self.until = Some(*until);
                self.undone.clear();
                // an apply that resumes another keeps what that one left open
                let open = self.unfinished.take().map(|left| left.open).unwrap_or_default();
                self.unfinished = Some(Unfinished { plan: plan.clone(), step: *step, since: line.at, open });
            }
            Record::Intent { gateway, devices } => {
                self.count(devices, line.at);
                if let Some(unfinished) = &mut self.unfinished {
                    unfinished.merge(gateway, devices);
                }
            }
            Record::Result { gateway, devices } => {
                let settled = |name: &str| matches!(devices.get(name), Some(Outcome::Undone | Outcome::Left));
                if let Some(unfinished) = &mut self.unfinished {
                    for (_, changes) in unfinished.open.iter_mut().filter(|(name, _)| name == gateway) {
                        changes.retain(|change| !settled(&change.device));
                    }
                }
                self.doubt(devices, line.at);
                for (device, outcome) in devices {
                    if matches!(outcome, Outcome::Undone | Outcome::Left) {
                        self.undone.insert(device.clone(), line.at);
                    }
                    if matches!(outcome, Outcome::Failed | Outcome::Unknown | Outcome::Left) {
                        self.standing.remove(device);
                    }
                }
            }
            Record::Commit { gateway, standing } => {
                if let Some(unfinished) = &mut self.unfinished {
                    unfinished.open.retain(|(name, _)| name != gateway);
                }
                self.unknown.retain(|device, _| !standing.contains_key(device));
                self.standing.extend(standing.clone());
            }
            Record::Undo { .. } => {}
            Record::Safety { site: name, devices } => {
                of_site(name)?;
                self.count(devices, line.at);
                // until their result is recorded nobody knows
                for change in devices {
                    self.unknown.insert(change.device.clone(), line.at);
                }
            }
            Record::Secured { devices, standing } => {
                self.doubt(devices, line.at);
                for (device, new) in standing {
                    let old = self.standing.remove(device).unwrap_or_default();
                    let touched = |old: &Standing| {
                        let points = new.iter().flat_map(|new| &new.cells);
                        points.into_iter().any(|(point, _)| old.cells.iter().any(|(known, _)| known == point))
                    };
                    let kept = old.into_iter().filter(|old| !touched(old));
                    self.standing.insert(device.clone(), kept.chain(new.iter().cloned()).collect());
                }
            }
            Record::Reset { site: name, .. } => of_site(name)?,
            Record::Memory { site: name, memory } => {
                of_site(name)?;
                self.memory = Some(memory.clone());
            }
            Record::End { .. } => {
                // what an interrupted apply had begun, and the one that resumed it could not reach
                let open = self.unfinished.take().map(|left| left.open).unwrap_or_default();
                for change in open.into_iter().flat_map(|(_, changes)| changes) {
                    self.unknown.entry(change.device).or_insert(line.at);
                }
            }
            Record::Release { site: name, devices } => {
                of_site(name)?;
                for change in devices {
                    self.standing.remove(&change.device);
                    self.undone.remove(&change.device);
                    // until its result is recorded nobody knows
                    if !change.cells.is_empty() {
                        self.unknown.insert(change.device.clone(), line.at);
                    }
                }
            }
            Record::Released { devices } => {
                self.doubt(devices, line.at);
                if let Some(unfinished) = &mut self.unfinished {
                    for (_, changes) in &mut unfinished.open {
                        changes.retain(|change| devices.get(&change.device) != Some(&Outcome::Done));
                    }
                    unfinished.open.retain(|(_, changes)| !changes.is_empty());
                }
                if self.unfinished.as_ref().is_some_and(|unfinished| unfinished.open.is_empty()) {
                    self.unfinished = None;
                }
            }
        }
        Ok(())
    }
}

impl Past {
    /// Counts writes, which wear out the memory of some devices.
    fn count(&mut self, devices: &[DeviceChange], at: Instant) {
        for device in devices {
            let points = self.written.entry(device.device.clone()).or_default();
            for cell in &device.cells {
                let instants = points.entry(cell.point.clone()).or_default();
                instants.retain(|instant| at.since(*instant) < DAY);
                instants.push(at);
            }
        }
    }

    /// Whether something that evl wrote to this device stands, or may stand.
    #[must_use]
    pub fn concerns(&self, device: &str) -> bool {
        self.concerned().any(|name| name == device)
    }

    /// The devices on which something that evl wrote stands, or may stand.
    pub fn concerned(&self) -> impl Iterator<Item = &String> {
        let standing = self.standing.iter().filter(|(_, commands)| !commands.is_empty());
        let open = self.unfinished.iter().flat_map(|left| &left.open).flat_map(|(_, devices)| devices);
        let all = standing.map(|(name, _)| name).chain(self.unknown.keys());
        all.chain(open.map(|change| &change.device)).collect::<BTreeSet<_>>().into_iter()
    }

    /// How often each point of a device was written in the day before `now`.
    #[must_use]
    pub fn writes(&self, device: &str, now: Instant) -> BTreeMap<String, u32> {
        let recent = |instants: &Vec<Instant>| {
            u32::try_from(instants.iter().filter(|at| now.since(**at) < DAY).count()).unwrap_or(u32::MAX)
        };
        let points = self.written.get(device).into_iter().flatten();
        points.map(|(point, instants)| (point.clone(), recent(instants))).collect()
    }

    fn doubt(&mut self, devices: &BTreeMap<String, Outcome>, at: Instant) {
        for (device, outcome) in devices {
            match outcome {
                Outcome::Failed | Outcome::Unknown => {
                    self.unknown.insert(device.clone(), at);
                }
                Outcome::Done | Outcome::Undone | Outcome::Left => {
                    self.unknown.remove(device);
                }
            }
        }
    }
}

impl Unfinished {
    /// A later intent for the same register keeps the value that was found first.
    fn merge(&mut self, gateway: &str, devices: &[DeviceChange]) {
        let place = match self.open.iter().position(|(name, _)| name == gateway) {
            Some(place) => place,
            None => {
                self.open.push((gateway.to_owned(), Vec::new()));
                self.open.len() - 1
            }
        };
        let Some((_, changes)) = self.open.get_mut(place) else { return };
        for device in devices {
            let mut fresh = device.clone();
            if let Some(old) = changes.iter().position(|change| change.device == device.device) {
                let before = changes.remove(old);
                for cell in before.cells {
                    match fresh.cells.iter_mut().find(|now| now.point == cell.point) {
                        Some(now) => {
                            now.old = cell.old;
                            now.via.extend(cell.via);
                            now.via.push(cell.new);
                        }
                        None => fresh.cells.insert(0, cell),
                    }
                }
            }
            changes.push(fresh);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::system::MemorySystem;

    fn begin(sequence: u64) -> Record {
        Record::Begin {
            site: "harbor".to_owned(),
            plan: Hash::of(&sequence.to_be_bytes()),
            sequence,
            step: 0,
            until: Instant(900),
        }
    }

    fn intent(old: i64, new: i64) -> Record {
        let cells = vec![Cell { point: "limit".to_owned(), old, new, via: Vec::new(), guard: false }];
        let change = DeviceChange { device: "solar".to_owned(), cells, words: "limit".to_owned() };
        Record::Intent { gateway: "roof".to_owned(), devices: vec![change] }
    }

    fn text(system: &MemorySystem) -> String {
        String::from_utf8(system.files()[Path::new("/state/journal.jsonl")].clone()).unwrap()
    }

    #[test]
    fn what_was_written_is_read_back() {
        let system = MemorySystem::new();
        let folder = Path::new("state");
        let journal = Journal::open(&system, folder, "harbor").unwrap();
        journal.append(Instant(5), vec![begin(1), intent(1000, 500)]).unwrap();
        let again = Journal::read(&system, folder, "harbor").unwrap();
        assert_eq!(again.past(), journal.past());
        let left = again.past().unfinished.clone().unwrap();
        assert_eq!(left.open[0].1[0].cells[0].old, 1000);
        assert_eq!(again.past().accepted.as_ref().unwrap().1, 1);
        journal.append(Instant(6), vec![Record::End { exit: 0 }]).unwrap();
        assert_eq!(Journal::read(&system, folder, "harbor").unwrap().past().unfinished, None);
    }

    #[test]
    fn a_resumed_apply_still_knows_what_was_there_first() {
        let system = MemorySystem::new();
        let journal = Journal::open(&system, Path::new("state"), "harbor").unwrap();
        journal.append(Instant(5), vec![begin(1), intent(1000, 500)]).unwrap();
        journal.append(Instant(7), vec![begin(1), intent(500, 400)]).unwrap();
        let cell = journal.past().unfinished.clone().unwrap().open[0].1[0].cells[0].clone();
        assert_eq!((cell.old, cell.new, cell.via), (1000, 400, vec![500]));
    }

    #[test]
    fn a_torn_last_line_is_dropped_and_any_other_damage_refused() {
        let system = MemorySystem::new();
        let folder = Path::new("state");
        let journal = Journal::open(&system, folder, "harbor").unwrap();
        journal.append(Instant(5), vec![begin(1), intent(1000, 500)]).unwrap();
        let whole = text(&system);

        let torn = system.clone().file("state/journal.jsonl", format!("{whole}{{\"at\":\"20"));
        let journal = Journal::open(&torn, folder, "harbor").unwrap();
        assert!(journal.past().unfinished.is_some());
        journal.append(Instant(6), vec![Record::End { exit: 4 }]).unwrap();
        assert_eq!(Journal::read(&torn, folder, "harbor").unwrap().past().unfinished, None);

        for (from, to) in [("\"new\":500", "\"new\":501"), ("\"sequence\":1", "\"sequence\":9")] {
            let edited = MemorySystem::new().file("state/journal.jsonl", whole.replace(from, to));
            assert_eq!(Journal::open(&edited, folder, "harbor").unwrap_err().code, codes::JOURNAL, "{to}");
        }
    }

    /// A new state folder would accept again what was overtaken: what is known of the sequence is told.
    #[test]
    fn a_damaged_journal_names_the_sequence_that_is_still_known() {
        let system = MemorySystem::new();
        let folder = Path::new("state");
        let journal = Journal::open(&system, folder, "harbor").unwrap();
        for sequence in [3, 4] {
            journal.append(Instant(5), vec![begin(sequence), Record::End { exit: 0 }]).unwrap();
        }
        let whole = text(&system);
        let of = |text: String| {
            let system = MemorySystem::new().file("state/journal.jsonl", text);
            let error = Journal::open(&system, folder, "harbor").unwrap_err();
            assert_eq!(error.code, codes::JOURNAL);
            (error.notes.clone(), error.help.unwrap())
        };
        let (notes, help) = of(whole.replacen("\"exit\":0", "\"exit\":4", 1));
        assert_eq!(
            notes,
            [
                "line 2 was changed after it was written",
                "the last plan accepted before that line has sequence 3",
                "from that line on, where nothing is certain, a plan of sequence 4 is named"
            ]
        );
        assert!(help.contains("put at least `\"sequence\": 4` into the state"), "{help}");
        let (notes, help) = of(whole.replace("\"sequence\":3", "\"sequence\":2"));
        assert_eq!(notes[1], "from that line on, where nothing is certain, a plan of sequence 4 is named");
        assert!(help.contains("\"sequence\": 4"), "{help}");
        let last = whole.rfind("\"exit\":0").unwrap();
        let (notes, help) = of(format!("{}\"exit\":4{}", &whole[..last], &whole[last + 8..]));
        assert_eq!(notes[1], "the last plan accepted before that line has sequence 4");
        assert_eq!(notes.len(), 2, "{notes:?}");
        assert!(help.contains("\"sequence\": 4") && help.contains("--state-dir"), "{help}");
        let (notes, help) = of("{}\n".to_owned());
        assert_eq!(notes.len(), 1, "{notes:?}");
        assert!(help.contains("the sequence of the last plan that was made"), "{help}");
    }

    #[test]
    fn another_sites_journal_is_refused() {
        let system = MemorySystem::new();
        let folder = Path::new("state");
        Journal::open(&system, folder, "harbor").unwrap().append(Instant(5), vec![begin(1)]).unwrap();
        let error = Journal::open(&system, folder, "airport").unwrap_err();
        assert_eq!(error.code, codes::JOURNAL);
        assert_eq!(error.notes, ["it belongs to the site `harbor`, not to `airport`"]);
    }

    #[test]
    fn a_full_disk_spends_the_reserve() {
        let system = MemorySystem::new();
        let journal = Journal::open(&system, Path::new("state"), "harbor").unwrap();
        assert_eq!(system.files()[Path::new("/state/reserve")].len(), RESERVE);
        system.set_full(true);
        // a memory disk that is full stays full: what counts is that the reserve was given up
        assert!(journal.append(Instant(5), vec![begin(1)]).is_err());
        assert!(!system.files().contains_key(Path::new("/state/reserve")));
        assert_eq!(journal.past().accepted, None);
    }
}
