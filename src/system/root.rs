//! The repository's folder, beyond which no path of a policy leads.

use std::path::{Component, Path, PathBuf};

use super::{FileError, FileFault, Kind, System};
use crate::diag::{Diagnostic, Severity, Span, codes};

/// Files of one kind that a repository may hold.
const MOST_FILES: usize = 100_000;
/// Folders within folders that are searched.
const MOST_DEPTH: usize = 32;

/// Why a path in a policy is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PathFault {
    /// nothing is written
    Empty,
    /// begins at the root of the computer
    Absolute,
    /// `..` climbs out of the repository
    ClimbsOut,
    /// a symbolic link on it leads out of the repository
    LinkedOut,
    /// holds a NUL byte or another control character
    ControlCharacter,
}

impl PathFault {
    /// The reason in words that follow "the path".
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::Empty => "is empty",
            Self::Absolute => "is absolute",
            Self::ClimbsOut => "climbs out of the repository with `..`",
            Self::LinkedOut => "leads out of the repository by a symbolic link",
            Self::ControlCharacter => "holds a control character",
        }
    }

    /// The finding for a path written at `span`.
    #[must_use]
    pub fn finding(self, span: Span, path: &str) -> Diagnostic {
        Diagnostic::error(codes::PATH_ESCAPE, span, format!("the path `{path}` {}", self.words()))
            .help("write a path inside the repository, relative to its top folder")
    }

    /// The finding for a path that lies in the repository and that nobody wrote.
    #[must_use]
    pub fn found(self, path: &str) -> Diagnostic {
        let words = format!("the path `{path}` {}", self.words());
        Diagnostic::nowhere(codes::PATH_ESCAPE, Severity::Error, words)
            .help("put a copy of the file into the repository, or remove the link")
    }
}

/// A path of a policy that is known to stay inside the repository.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Resolved {
    /// where to read it
    pub path: PathBuf,
    /// as shown to people: relative to the repository, `/` between its parts
    pub shown: String,
}

/// What a search for files met.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Search {
    /// the files, sorted by path
    pub files: Vec<Resolved>,
    /// one finding for each entry that has the ending and is no readable file of the repository:
    /// left out in silence, its statements would hold on paper only
    pub refused: Vec<Diagnostic>,
}

/// The top folder of a policy repository, without links.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RepoRoot {
    folder: PathBuf,
}

impl RepoRoot {
    /// The repository in `folder`.
    ///
    /// # Errors
    /// When there is no such folder.
    pub fn new(system: &dyn System, folder: &Path) -> Result<Self, FileError> {
        let real = system.canonical(folder)?;
        if system.kind(&real) != Some(Kind::Folder) {
            return Err(FileError::new(folder, FileFault::NotAFolder));
        }
        Ok(Self { folder: real })
    }

    /// The folder without links.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Where a path written in a policy or manifest leads. It need not exist.
    ///
    /// # Errors
    /// When it is absolute, climbs out, is led out by a link, or holds control characters.
    pub fn resolve(&self, system: &dyn System, text: &str) -> Result<Resolved, PathFault> {
        if text.is_empty() {
            return Err(PathFault::Empty);
        }
        if text.contains(char::is_control) {
            return Err(PathFault::ControlCharacter);
        }
        let mut parts: Vec<&str> = Vec::new();
        for part in Path::new(text).components() {
            match part {
                Component::CurDir => {}
                Component::Normal(name) => parts.extend(name.to_str()),
                Component::ParentDir => {
                    parts.pop().ok_or(PathFault::ClimbsOut)?;
                }
                Component::RootDir | Component::Prefix(_) => return Err(PathFault::Absolute),
            }
        }
        let shown = if parts.is_empty() { ".".to_owned() } else { parts.join("/") };
        let path = parts.iter().fold(self.folder.clone(), |path, part| path.join(part));
        // the part of the path that is there decides: what is not there yet holds no link
        for there in path.ancestors() {
            if let Ok(real) = system.canonical(there) {
                return if real.starts_with(&self.folder) {
                    Ok(Resolved { path, shown })
                } else {
                    Err(PathFault::LinkedOut)
                };
            }
            if system.kind(there) == Some(Kind::Link) {
                // a link to nothing, or into a circle
                return Err(PathFault::LinkedOut);
            }
        }
        Err(PathFault::ClimbsOut)
    }

    /// All files with one of these endings (`evl`, without the dot) in a folder of the repository
    /// and the folders in it, sorted by path. Hidden folders are left out, links to folders are
    /// not followed, and links to files that lead out are refused.
    ///
    /// # Errors
    /// When a folder cannot be read or lies too deep, or there are absurdly many files.
    pub fn find(&self, system: &dyn System, folder: &str, endings: &[&str]) -> Result<Search, FileError> {
        let mut found = Vec::new();
        let mut refused = Vec::new();
        let Ok(start) = self.resolve(system, if folder.is_empty() { "." } else { folder }) else {
            return Err(FileError::new(Path::new(folder), FileFault::Missing));
        };
        let mut todo = vec![(start, 0)];
        while let Some((here, depth)) = todo.pop() {
            for entry in system.list(&here.path)? {
                let shown = if here.shown == "." {
                    entry.name.clone()
                } else {
                    format!("{}/{}", here.shown, entry.name)
                };
                let next = Resolved { path: here.path.join(&entry.name), shown };
                let fits = Path::new(&entry.name)
                    .extension()
                    .and_then(|ending| ending.to_str())
                    .is_some_and(|ending| endings.contains(&ending));
                match entry.kind {
                    Kind::Folder if entry.name.starts_with('.') => {}
                    Kind::Folder if depth < MOST_DEPTH => todo.push((next, depth + 1)),
                    Kind::Folder => {
                        let words = format!("folders within folders, more than {MOST_DEPTH} deep");
                        return Err(FileError::new(&next.path, FileFault::Other(words)));
                    }
                    Kind::File if fits => found.push(next),
                    Kind::Link if fits => match self.resolve(system, &next.shown) {
                        Ok(_) => found.push(next),
                        Err(fault) => refused.push(fault.found(&next.shown)),
                    },
                    Kind::Other if fits => {
                        let at = FileError::new(Path::new(&next.shown), FileFault::NotAFile);
                        refused.push(at.reading().help("put a file in its place, or remove it"));
                    }
                    Kind::File | Kind::Link | Kind::Other => {}
                }
                if found.len() > MOST_FILES {
                    let words = format!("more than {MOST_FILES} files in one repository");
                    return Err(FileError::new(&here.path, FileFault::Other(words)));
                }
            }
        }
        found.sort_by(|a, b| a.shown.cmp(&b.shown));
        refused.sort_by(|a, b| a.message.cmp(&b.message));
        Ok(Search { files: found, refused })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::system::{MemorySystem, RealSystem};

    fn fault(system: &dyn System, root: &RepoRoot, text: &str) -> PathFault {
        root.resolve(system, text).unwrap_err()
    }

    #[test]
    fn paths_stay_inside() {
        let system = MemorySystem::new()
            .file("repo/data/a.csv", "")
            .file("etc/passwd", "")
            .link("repo/out", "../etc")
            .link("repo/in", "data")
            .link("repo/dangling", "/nowhere")
            .link("repo/circle", "circle");
        let root = RepoRoot::new(&system, Path::new("repo")).unwrap();
        assert_eq!(root.resolve(&system, "data/a.csv").unwrap().path, Path::new("/repo/data/a.csv"));
        assert_eq!(root.resolve(&system, "./data/../in/a.csv").unwrap().shown, "in/a.csv");
        assert_eq!(root.resolve(&system, "new/file.json").unwrap().path, Path::new("/repo/new/file.json"));
        assert_eq!(fault(&system, &root, "../../etc/passwd"), PathFault::ClimbsOut);
        assert_eq!(fault(&system, &root, "data/../../etc/passwd"), PathFault::ClimbsOut);
        assert_eq!(fault(&system, &root, "/etc/passwd"), PathFault::Absolute);
        assert_eq!(fault(&system, &root, "out/passwd"), PathFault::LinkedOut);
        assert_eq!(fault(&system, &root, "out/not_there"), PathFault::LinkedOut);
        assert_eq!(fault(&system, &root, "dangling"), PathFault::LinkedOut);
        assert_eq!(fault(&system, &root, "circle"), PathFault::LinkedOut);
        assert_eq!(fault(&system, &root, "a\0b"), PathFault::ControlCharacter);
        assert_eq!(fault(&system, &root, ""), PathFault::Empty);
    }

    #[test]
    fn files_are_found_in_order_and_links_out_are_not() {
        let system = MemorySystem::new()
            .file("repo/b.evl", "")
            .file("repo/a/z.evl", "")
            .file("repo/.git/c.evl", "")
            .file("repo/a/z.csv", "")
            .file("outside.evl", "")
            .link("repo/out.evl", "/outside.evl")
            .link("repo/again.evl", "b.evl")
            .link("repo/a/up", "..");
        let root = RepoRoot::new(&system, Path::new("repo")).unwrap();
        let search = root.find(&system, "", &["evl"]).unwrap();
        let shown: Vec<_> = search.files.into_iter().map(|file| file.shown).collect();
        assert_eq!(shown, ["a/z.evl", "again.evl", "b.evl"]);
        let refused: Vec<_> = search.refused.iter().map(|f| (f.code, f.message.as_str())).collect();
        let words = "the path `out.evl` leads out of the repository by a symbolic link";
        assert_eq!(refused, [(codes::PATH_ESCAPE, words)]);
        assert!(RepoRoot::new(&system, Path::new("repo/b.evl")).is_err());
    }

    #[cfg(unix)]
    #[test]
    fn a_real_link_out_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let system = RealSystem::new();
        let repository = folder.path().join("repo");
        system.create_folder(&repository, crate::system::Access::Ordinary).unwrap();
        std::os::unix::fs::symlink("/etc", repository.join("out")).unwrap();
        let root = RepoRoot::new(&system, &repository).unwrap();
        assert_eq!(fault(&system, &root, "out/passwd"), PathFault::LinkedOut);
        assert!(root.resolve(&system, "plan.json").is_ok());
    }
}
