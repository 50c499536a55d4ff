//! A world in memory: for tests, and for files that stand nowhere else.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::{Component, Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;

use super::{Access, Entry, FileError, FileFault, Kind, Lock, RevisionFault, RevisionFiles, Stream, System};

/// Files, environment, clock and terminal in memory. Relative paths start at `/`.
#[derive(Debug, Clone, Default)]
pub struct MemorySystem(Arc<Mutex<World>>);

#[derive(Debug, Default)]
struct World {
    files: BTreeMap<PathBuf, Vec<u8>>,
    folders: BTreeSet<PathBuf>,
    links: BTreeMap<PathBuf, PathBuf>,
    revisions: BTreeMap<String, RevisionFiles>,
    locks: BTreeMap<PathBuf, String>,
    env: BTreeMap<String, String>,
    answers: VecDeque<String>,
    now: Timestamp,
    monotonic: Duration,
    synchronised: Option<bool>,
    terminal: bool,
    full: bool,
    out: String,
    err: String,
}

impl MemorySystem {
    /// An empty world at 1970-01-01T00:00Z without a terminal.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// With a file.
    #[must_use]
    pub fn file(self, path: impl AsRef<Path>, text: impl AsRef<[u8]>) -> Self {
        self.world().put(&absolute(path.as_ref()), text.as_ref().to_vec());
        self
    }

    /// With a symbolic link.
    #[must_use]
    pub fn link(self, from: impl AsRef<Path>, to: impl AsRef<Path>) -> Self {
        self.world().links.insert(absolute(from.as_ref()), to.as_ref().to_owned());
        self
    }

    /// With a file as a revision has it, by its whole path.
    #[must_use]
    pub fn file_at(self, revision: &str, path: impl AsRef<Path>, text: impl AsRef<[u8]>) -> Self {
        let path = absolute(path.as_ref());
        let mut world = self.world();
        world.revisions.entry(revision.to_owned()).or_default().insert(path, text.as_ref().to_vec());
        drop(world);
        self
    }

    /// With an environment variable.
    #[must_use]
    pub fn with_env(self, name: &str, value: &str) -> Self {
        self.world().env.insert(name.to_owned(), value.to_owned());
        self
    }

    /// With a terminal on all streams.
    #[must_use]
    pub fn with_terminal(self) -> Self {
        self.world().terminal = true;
        self
    }

    /// With one more line that a person will type.
    #[must_use]
    pub fn with_answer(self, line: &str) -> Self {
        self.world().answers.push_back(line.to_owned());
        self
    }

    /// Sets the clock.
    pub fn set_now(&self, now: Timestamp) {
        self.world().now = now;
    }

    /// Moves the clock and monotonic time on.
    pub fn pass(&self, time: Duration) {
        let mut world = self.world();
        world.monotonic = world.monotonic.saturating_add(time);
        world.now = world.now.saturating_add(time).unwrap_or(world.now);
    }

    /// Says whether the clock is known to be synchronised.
    pub fn set_synchronised(&self, synchronised: Option<bool>) {
        self.world().synchronised = synchronised;
    }

    /// Fills or frees the disk.
    pub fn set_full(&self, full: bool) {
        self.world().full = full;
    }

    /// What was printed to standard output so far.
    #[must_use]
    pub fn printed(&self) -> String {
        self.world().out.clone()
    }

    /// What was said on standard error so far.
    #[must_use]
    pub fn said(&self) -> String {
        self.world().err.clone()
    }

    /// All files with their content.
    #[must_use]
    pub fn files(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        self.world().files.clone()
    }

    fn world(&self) -> MutexGuard<'_, World> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn absolute(path: &Path) -> PathBuf {
    Path::new("/").join(path)
}

impl World {
    fn put(&mut self, path: &Path, bytes: Vec<u8>) {
        self.folders.extend(path.ancestors().skip(1).map(Path::to_owned));
        self.files.insert(path.to_owned(), bytes);
    }

    /// The path without links, `.` and `..`, whether or not its last part is there.
    fn real(&self, path: &Path) -> Option<PathBuf> {
        let mut todo: VecDeque<PathBuf> = VecDeque::from([absolute(path)]);
        let (mut done, mut hops) = (PathBuf::from("/"), 0);
        while let Some(next) = todo.pop_front() {
            let mut parts = next.components();
            let Some(part) = parts.next() else { continue };
            let rest = parts.as_path().to_owned();
            match part {
                Component::RootDir | Component::Prefix(_) => done = PathBuf::from("/"),
                Component::CurDir => {}
                Component::ParentDir => {
                    done.pop();
                }
                Component::Normal(name) => done.push(name),
            }
            if !rest.as_os_str().is_empty() {
                todo.push_front(rest);
            }
            if let Some(target) = self.links.get(&done) {
                hops += 1;
                if hops > 40 {
                    return None;
                }
                let target = target.clone();
                done.pop();
                todo.push_front(target);
            }
        }
        Some(done)
    }

    fn find(&self, path: &Path) -> Result<PathBuf, FileError> {
        self.real(path)
            .filter(|real| {
                self.files.contains_key(real) || self.folders.contains(real) || *real == Path::new("/")
            })
            .ok_or_else(|| FileError::new(path, FileFault::Missing))
    }

    /// As [`writable`](Self::writable), where no link is followed.
    fn itself(&self, path: &Path) -> Result<PathBuf, FileError> {
        if self.links.contains_key(&absolute(path)) {
            return Err(FileError::new(path, FileFault::Link));
        }
        self.writable(path)
    }

    fn writable(&self, path: &Path) -> Result<PathBuf, FileError> {
        let real = self.real(path).ok_or_else(|| FileError::new(path, FileFault::Missing))?;
        if self.full {
            return Err(FileError::new(path, FileFault::Full));
        }
        if self.folders.contains(&real) {
            return Err(FileError::new(path, FileFault::NotAFile));
        }
        match real.parent() {
            Some(folder) if folder == Path::new("/") || self.folders.contains(folder) => Ok(real),
            _ => Err(FileError::new(path, FileFault::Missing)),
        }
    }
}

impl System for MemorySystem {
    fn read(&self, path: &Path, cap: u64) -> Result<Vec<u8>, FileError> {
        let world = self.world();
        let real = world.find(path)?;
        let bytes = world.files.get(&real).ok_or_else(|| FileError::new(path, FileFault::NotAFile))?;
        if bytes.len() as u64 > cap {
            return Err(FileError::new(path, FileFault::TooLarge { cap }));
        }
        Ok(bytes.clone())
    }

    fn write(&self, path: &Path, bytes: &[u8], _access: Access) -> Result<(), FileError> {
        let mut world = self.world();
        let real = world.writable(path)?;
        world.put(&real, bytes.to_vec());
        Ok(())
    }

    fn revision(&self, folder: &Path, revision: &str, cap: u64) -> Result<RevisionFiles, RevisionFault> {
        let world = self.world();
        let files = world.revisions.get(revision).ok_or(RevisionFault::Unknown)?;
        let folder = absolute(folder);
        let inside = files.iter().filter(|(_, bytes)| bytes.len() as u64 <= cap);
        let inside = inside
            .filter_map(|(path, bytes)| Some((path.strip_prefix(&folder).ok()?.to_owned(), bytes.clone())));
        Ok(inside.collect())
    }

    fn append(&self, path: &Path, bytes: &[u8], _access: Access) -> Result<(), FileError> {
        let mut world = self.world();
        let real = world.itself(path)?;
        world.files.entry(real).or_default().extend_from_slice(bytes);
        Ok(())
    }

    fn remove(&self, path: &Path) -> Result<(), FileError> {
        let mut world = self.world();
        if let Ok(real) = world.find(path) {
            world.files.remove(&real);
        }
        Ok(())
    }

    fn list(&self, folder: &Path) -> Result<Vec<Entry>, FileError> {
        let world = self.world();
        let real = world.find(folder)?;
        if world.files.contains_key(&real) {
            return Err(FileError::new(folder, FileFault::NotAFolder));
        }
        let files = world.files.keys().map(|path| (path, Kind::File));
        let folders = world.folders.iter().map(|path| (path, Kind::Folder));
        let links = world.links.keys().map(|path| (path, Kind::Link));
        let mut names: Vec<Entry> = files
            .chain(folders)
            .chain(links)
            .filter(|(path, _)| path.parent() == Some(&real))
            .filter_map(|(path, kind)| {
                Some(Entry { name: path.file_name()?.to_string_lossy().into_owned(), kind })
            })
            .collect();
        names.sort();
        Ok(names)
    }

    fn create_folder(&self, folder: &Path, _access: Access) -> Result<(), FileError> {
        let mut world = self.world();
        let real = world.real(folder).ok_or_else(|| FileError::new(folder, FileFault::Missing))?;
        if real.ancestors().any(|part| world.files.contains_key(part)) {
            return Err(FileError::new(folder, FileFault::NotAFolder));
        }
        world.folders.extend(real.ancestors().map(Path::to_owned));
        Ok(())
    }

    fn kind(&self, path: &Path) -> Option<Kind> {
        let world = self.world();
        let path = absolute(path);
        let folder = world.real(path.parent().unwrap_or(Path::new("/")))?;
        let here = path.file_name().map_or_else(|| folder.clone(), |name| folder.join(name));
        if world.links.contains_key(&here) {
            Some(Kind::Link)
        } else if world.files.contains_key(&here) {
            Some(Kind::File)
        } else {
            (world.folders.contains(&here) || here == Path::new("/")).then_some(Kind::Folder)
        }
    }

    fn canonical(&self, path: &Path) -> Result<PathBuf, FileError> {
        self.world().find(path)
    }

    fn lock(&self, path: &Path, holder: &str) -> Result<Result<Lock, String>, FileError> {
        let mut world = self.world();
        let real = world.itself(path)?;
        if let Some(text) = world.locks.get(&real) {
            return Ok(Err(text.clone()));
        }
        world.locks.insert(real.clone(), holder.to_owned());
        world.put(&real, holder.as_bytes().to_vec());
        Ok(Ok(Lock(Box::new(Held { system: self.clone(), path: real }))))
    }

    fn now(&self) -> Timestamp {
        self.world().now
    }

    fn monotonic(&self) -> Duration {
        self.world().monotonic
    }

    fn clock_synchronised(&self) -> Option<bool> {
        self.world().synchronised
    }

    fn env(&self, name: &str) -> Option<String> {
        self.world().env.get(name).filter(|value| !value.is_empty()).cloned()
    }

    fn current_folder(&self) -> Result<PathBuf, FileError> {
        Ok(PathBuf::from("/"))
    }

    fn process_id(&self) -> u32 {
        1
    }

    fn is_terminal(&self, _stream: Stream) -> bool {
        self.world().terminal
    }

    fn terminal_width(&self) -> Option<usize> {
        self.world().terminal.then_some(100)
    }

    fn print(&self, text: &str) -> Result<(), FileError> {
        self.world().out.push_str(text);
        Ok(())
    }

    fn say(&self, text: &str) {
        self.world().err.push_str(text);
    }

    fn ask(&self) -> Option<String> {
        self.world().answers.pop_front()
    }
}

struct Held {
    system: MemorySystem,
    path: PathBuf,
}

impl Drop for Held {
    fn drop(&mut self) {
        self.system.world().locks.remove(&self.path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn behaves_as_the_real_one_does() {
        let system = MemorySystem::new().file("a/b.evl", "x").link("a/l", "b.evl").link("a/loop", "loop");
        let read = |path: &str| system.read_text(Path::new(path), 9);
        assert_eq!(read("a/l").unwrap(), "x");
        assert_eq!(read("a/../a/./b.evl").unwrap(), "x");
        assert_eq!(read("a/loop").unwrap_err().fault, FileFault::Missing);
        assert_eq!(read("a").unwrap_err().fault, FileFault::NotAFile);
        assert_eq!(system.kind(Path::new("a/l")), Some(Kind::Link));
        let names: Vec<_> = system.list(Path::new("a")).unwrap().into_iter().map(|e| e.name).collect();
        assert_eq!(names, ["b.evl", "l", "loop"]);
        let write = |path: &str| system.write(Path::new(path), b"y", Access::Ordinary);
        assert_eq!(write("none/x").unwrap_err().fault, FileFault::Missing);
        assert_eq!(write("a").unwrap_err().fault, FileFault::NotAFile);
        let append = |path: &str| system.append(Path::new(path), b"y", Access::Private);
        assert_eq!(append("a/l").unwrap_err().fault, FileFault::Link);
        assert_eq!(system.lock(Path::new("a/l"), "me").unwrap_err().fault, FileFault::Link);
        system.set_full(true);
        assert_eq!(write("a/x").unwrap_err().fault, FileFault::Full);
    }

    #[test]
    fn a_lock_ends_with_its_guard() {
        let system = MemorySystem::new();
        let held = system.lock(Path::new("lock"), "me").unwrap().unwrap();
        assert_eq!(system.lock(Path::new("lock"), "you").unwrap().unwrap_err(), "me");
        drop(held);
        assert!(system.lock(Path::new("lock"), "you").unwrap().is_ok());
    }

    #[test]
    fn colours_need_a_terminal_and_no_refusal() {
        assert!(!MemorySystem::new().may_colour(Stream::Err));
        assert!(MemorySystem::new().with_terminal().may_colour(Stream::Err));
        assert!(!MemorySystem::new().with_terminal().with_env("NO_COLOR", "1").may_colour(Stream::Err));
        assert!(!MemorySystem::new().with_terminal().with_env("TERM", "dumb").may_colour(Stream::Err));
    }
}
