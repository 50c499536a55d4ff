//! The world as it is.

use std::fs;
use std::io::{self, BufRead, IsTerminal, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::{
    Access, Entry, FileError, FileFault, Kind, Lock, RevisionFault, RevisionFiles, Stream, System, revision,
};

/// Files, environment, clock and terminal of this process.
#[derive(Debug, Clone, Copy)]
pub struct RealSystem {
    started: Instant,
}

impl Default for RealSystem {
    fn default() -> Self {
        Self::new()
    }
}

impl RealSystem {
    /// The system of this process; monotonic time counts from here.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "this is the room that reads the clock")]
    pub fn new() -> Self {
        Self { started: Instant::now() }
    }
}

fn private(options: &mut fs::OpenOptions, access: Access) {
    #[cfg(unix)]
    if access == Access::Private {
        std::os::unix::fs::OpenOptionsExt::mode(options, 0o600);
    }
    #[cfg(not(unix))]
    let _ = (options, access);
}

/// A file that is opened only where no link stands: what a link leads to is not evl's to write.
fn open_itself(path: &Path, options: &mut fs::OpenOptions) -> Result<fs::File, FileError> {
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::custom_flags(options, libc::O_NOFOLLOW | libc::O_NONBLOCK);
    let linked = || fs::symlink_metadata(path).is_ok_and(|data| data.file_type().is_symlink());
    let link = || FileError::new(path, FileFault::Link);
    if cfg!(not(unix)) && linked() {
        return Err(link());
    }
    let opened = options.open(path).and_then(|file| Ok((file.metadata()?.is_file(), file)));
    match opened {
        Ok((true, file)) => Ok(file),
        Ok((false, _)) => Err(FileError::new(path, FileFault::NotAFile)),
        Err(_) if linked() => Err(link()),
        Err(error) => Err(FileError::from_io(path, &error)),
    }
}

/// A name beside `path` that no other write of this or another process uses.
fn beside(path: &Path) -> Option<PathBuf> {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let mut name = std::ffi::OsString::from(".");
    name.push(path.file_name()?);
    name.push(format!(".{}-{}.tmp", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed)));
    Some(path.with_file_name(name))
}

fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

fn kind_of(kind: fs::FileType) -> Kind {
    if kind.is_symlink() {
        Kind::Link
    } else if kind.is_dir() {
        Kind::Folder
    } else if kind.is_file() {
        Kind::File
    } else {
        Kind::Other
    }
}

#[expect(clippy::disallowed_methods, reason = "this is the room that touches files, environment and clock")]
impl System for RealSystem {
    fn read(&self, path: &Path, cap: u64) -> Result<Vec<u8>, FileError> {
        let failed = |error: io::Error| FileError::from_io(path, &error);
        // asked before opening: opening a pipe would wait for its writer
        if !fs::metadata(path).map_err(failed)?.is_file() {
            return Err(FileError::new(path, FileFault::NotAFile));
        }
        let mut bytes = Vec::new();
        let file = fs::File::open(path).map_err(failed)?;
        file.take(cap.saturating_add(1)).read_to_end(&mut bytes).map_err(failed)?;
        if bytes.len() as u64 > cap {
            return Err(FileError::new(path, FileFault::TooLarge { cap }));
        }
        Ok(bytes)
    }

    fn write(&self, path: &Path, bytes: &[u8], access: Access) -> Result<(), FileError> {
        let failed = |error: io::Error| FileError::from_io(path, &error);
        let temporary = beside(path).ok_or_else(|| FileError::new(path, FileFault::NotAFile))?;
        let attempt = || {
            let mut options = fs::OpenOptions::new();
            options.write(true).create_new(true);
            private(&mut options, access);
            let mut file = options.open(&temporary)?;
            file.write_all(bytes)?;
            file.sync_all()?;
            fs::rename(&temporary, path)?;
            // the rename itself is durable once the folder is
            fs::File::open(folder_of(path))?.sync_all()
        };
        attempt().map_err(|error| {
            let _ = fs::remove_file(&temporary);
            failed(error)
        })
    }

    fn revision(&self, folder: &Path, name: &str, cap: u64) -> Result<RevisionFiles, RevisionFault> {
        revision::files(folder, name, cap)
    }

    fn append(&self, path: &Path, bytes: &[u8], access: Access) -> Result<(), FileError> {
        let fresh = !path.exists();
        let mut options = fs::OpenOptions::new();
        options.append(true).create(true);
        private(&mut options, access);
        let mut file = open_itself(path, &mut options)?;
        let mut attempt = || {
            let whole = file.metadata()?.len();
            if let Err(error) = file.write_all(bytes) {
                // a line that was cut short by a full disk must not be glued to the next
                file.set_len(whole)?;
                return Err(error);
            }
            file.sync_data()?;
            if fresh { fs::File::open(folder_of(path))?.sync_all() } else { Ok(()) }
        };
        attempt().map_err(|error: io::Error| FileError::from_io(path, &error))
    }

    fn remove(&self, path: &Path) -> Result<(), FileError> {
        match fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(FileError::from_io(path, &error)),
            _ => Ok(()),
        }
    }

    fn list(&self, folder: &Path) -> Result<Vec<Entry>, FileError> {
        let failed = |error: io::Error| FileError::from_io(folder, &error);
        let mut names = Vec::new();
        for entry in fs::read_dir(folder).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let kind = kind_of(entry.file_type().map_err(failed)?);
            names.push(Entry { name: entry.file_name().to_string_lossy().into_owned(), kind });
        }
        names.sort();
        Ok(names)
    }

    fn create_folder(&self, folder: &Path, access: Access) -> Result<(), FileError> {
        let mut builder = fs::DirBuilder::new();
        builder.recursive(true);
        #[cfg(unix)]
        if access == Access::Private {
            std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        }
        #[cfg(not(unix))]
        let _ = access;
        builder.create(folder).map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => FileError::new(folder, FileFault::NotAFolder),
            _ => FileError::from_io(folder, &error),
        })
    }

    fn kind(&self, path: &Path) -> Option<Kind> {
        fs::symlink_metadata(path).ok().map(|data| kind_of(data.file_type()))
    }

    fn canonical(&self, path: &Path) -> Result<PathBuf, FileError> {
        fs::canonicalize(path).map_err(|error| FileError::from_io(path, &error))
    }

    fn lock(&self, path: &Path, holder: &str) -> Result<Result<Lock, String>, FileError> {
        let failed = |error: io::Error| FileError::from_io(path, &error);
        let mut options = fs::OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        private(&mut options, Access::Private);
        let mut file = open_itself(path, &mut options)?;
        match file.try_lock() {
            Ok(()) => {
                let attempt = |file: &mut fs::File| {
                    file.set_len(0)?;
                    file.write_all(holder.as_bytes())?;
                    file.sync_data()
                };
                attempt(&mut file).map_err(failed)?;
                Ok(Ok(Lock(Box::new(file))))
            }
            Err(fs::TryLockError::WouldBlock) => {
                let mut text = String::new();
                let _ = file.take(1024).read_to_string(&mut text);
                Ok(Err(text))
            }
            Err(fs::TryLockError::Error(error)) => Err(failed(error)),
        }
    }

    fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    fn monotonic(&self) -> Duration {
        self.started.elapsed()
    }

    fn clock_synchronised(&self) -> Option<bool> {
        // written by systemd-timesyncd, and by chrony's and ntpsec's units through timedated
        Path::new("/run/systemd/timesync/synchronized").exists().then_some(true)
    }

    fn env(&self, name: &str) -> Option<String> {
        std::env::var(name).ok().filter(|value| !value.is_empty())
    }

    fn current_folder(&self) -> Result<PathBuf, FileError> {
        std::env::current_dir().map_err(|error| FileError::from_io(Path::new("."), &error))
    }

    fn process_id(&self) -> u32 {
        std::process::id()
    }

    fn is_terminal(&self, stream: Stream) -> bool {
        match stream {
            Stream::In => io::stdin().is_terminal(),
            Stream::Out => io::stdout().is_terminal(),
            Stream::Err => io::stderr().is_terminal(),
        }
    }

    fn terminal_width(&self) -> Option<usize> {
        terminal_size::terminal_size().map(|(terminal_size::Width(columns), _)| usize::from(columns))
    }

    fn print(&self, text: &str) -> Result<(), FileError> {
        let mut out = io::stdout().lock();
        out.write_all(text.as_bytes())
            .and_then(|()| out.flush())
            .map_err(|error| FileError::from_io(Path::new("standard output"), &error))
    }

    fn say(&self, text: &str) {
        let mut err = io::stderr().lock();
        let _ = err.write_all(text.as_bytes()).and_then(|()| err.flush());
    }

    fn ask(&self) -> Option<String> {
        line()
    }

    fn ask_beside(&self) -> Receiver<Option<String>> {
        let (send, receive) = channel();
        std::thread::spawn(move || {
            // whoever asked may have gone meanwhile
            let _ = send.send(line());
        });
        receive
    }
}

fn line() -> Option<String> {
    let mut line = Vec::new();
    io::stdin().lock().take(4096).read_until(b'\n', &mut line).ok().filter(|read| *read > 0)?;
    let line = String::from_utf8_lossy(&line);
    Some(line.trim_end_matches(['\n', '\r']).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn write_replaces_as_a_whole_and_leaves_nothing_beside() {
        let folder = tempfile::tempdir().unwrap();
        let (system, path) = (RealSystem::new(), folder.path().join("plan.json"));
        system.write(&path, b"one", Access::Ordinary).unwrap();
        system.write(&path, b"two", Access::Private).unwrap();
        assert_eq!(system.read(&path, 3).unwrap(), b"two");
        assert_eq!(system.read(&path, 2).unwrap_err().fault, FileFault::TooLarge { cap: 2 });
        let names = system.list(folder.path()).unwrap();
        assert_eq!(names, [Entry { name: "plan.json".to_owned(), kind: Kind::File }]);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        }
    }

    #[cfg(unix)]
    #[test]
    fn what_is_no_file_itself_is_neither_locked_nor_added_to() {
        let folder = tempfile::tempdir().unwrap();
        let system = RealSystem::new();
        let (target, link) = (folder.path().join("target"), folder.path().join("link"));
        system.write(&target, b"theirs", Access::Ordinary).unwrap();
        std::os::unix::fs::symlink(&target, &link).unwrap();
        let nowhere = folder.path().join("nowhere");
        std::os::unix::fs::symlink(folder.path().join("fresh"), &nowhere).unwrap();
        for (path, fault) in [
            (link, FileFault::Link),
            (nowhere, FileFault::Link),
            (folder.path().to_owned(), FileFault::NotAFile),
        ] {
            assert_eq!(system.lock(&path, "me").unwrap_err().fault, fault, "{path:?}");
            assert_eq!(system.append(&path, b"x", Access::Private).unwrap_err().fault, fault, "{path:?}");
        }
        assert_eq!(system.read(&target, 9).unwrap(), b"theirs");
        assert_eq!(system.kind(&folder.path().join("fresh")), None);
    }

    #[test]
    fn a_read_only_disk_is_nobodys_permission() {
        let error = io::Error::from(io::ErrorKind::ReadOnlyFilesystem);
        let words = FileError::from_io(Path::new("journal.jsonl"), &error).writing().message;
        assert_eq!(words, "`journal.jsonl` cannot be written: its disk is read-only");
    }

    #[test]
    fn a_failed_write_leaves_the_folder_as_it_was() {
        let folder = tempfile::tempdir().unwrap();
        let system = RealSystem::new();
        let target = folder.path().join("taken");
        system.create_folder(&target.join("inside"), Access::Private).unwrap();
        assert!(system.write(&target, b"x", Access::Ordinary).is_err());
        assert_eq!(system.list(folder.path()).unwrap().len(), 1);
        let nowhere = folder.path().join("none/plan.json");
        assert_eq!(system.write(&nowhere, b"x", Access::Ordinary).unwrap_err().fault, FileFault::Missing);
    }

    #[test]
    fn folders_and_missing_files_are_no_files() {
        let folder = tempfile::tempdir().unwrap();
        let system = RealSystem::new();
        assert_eq!(system.read(folder.path(), 9).unwrap_err().fault, FileFault::NotAFile);
        assert_eq!(system.read(&folder.path().join("x"), 9).unwrap_err().fault, FileFault::Missing);
        assert_eq!(system.kind(&folder.path().join("x")), None);
        assert!(system.remove(&folder.path().join("x")).is_ok());
    }

    #[test]
    fn text_must_be_utf8_and_loses_its_byte_order_mark() {
        let folder = tempfile::tempdir().unwrap();
        let (system, path) = (RealSystem::new(), folder.path().join("a.evl"));
        system.append(&path, b"\xef\xbb\xbfa\n", Access::Ordinary).unwrap();
        assert_eq!(system.read_text(&path, 99).unwrap(), "a\n");
        system.append(&path, b"b\xff\n", Access::Ordinary).unwrap();
        assert_eq!(system.read_text(&path, 99).unwrap_err().fault, FileFault::NotUtf8 { line: 2 });
    }

    #[test]
    fn a_lock_is_exclusive_and_names_its_holder() {
        let folder = tempfile::tempdir().unwrap();
        let (system, path) = (RealSystem::new(), folder.path().join("lock"));
        let first = system.lock(&path, "first").unwrap().unwrap();
        assert_eq!(system.lock(&path, "second").unwrap().unwrap_err(), "first");
        drop(first);
        assert!(system.lock(&path, "second").unwrap().is_ok());
    }
}
