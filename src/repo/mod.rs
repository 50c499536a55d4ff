//! A policy repository as files: manifest, policy texts with their owners, profiles, inventory,
//! embedded modules, and the data that the policy names. Nothing is understood here yet; `sema`
//! does that.

mod base;
mod manifest;
mod waivers;
pub mod yaml;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sha2::{Digest, Sha256};

use crate::bundle::inventory::Inventory;
use crate::bundle::profile::{self, Profile};
use crate::diag::{Diagnostic, Diagnostics, Severity, SourceId, SourceMap, Span, codes};
use crate::system::{CSV_CAP, FileError, FileFault, Kind, POLICY_CAP, RepoRoot, Resolved, System, YAML_CAP};

pub use base::{Base, Grant};
pub use manifest::{MANIFEST, Manifest, Waiver, date};

/// Faults of an inventory that are shown; the others are counted.
const MOST_PROBLEMS: usize = 50;

/// The site's owner, as `owners` in the manifest calls it.
const SITE: &str = "site";

/// Policy files that one site may have.
const MOST_FILES: usize = 20_000;

/// The standard library: modules by the name after `import`.
pub const MODULES: &[(&str, &str)] = &[
    ("std.peak_shaving", include_str!("../../policies/peak_shaving.evl")),
    ("std.night_setback", include_str!("../../policies/night_setback.evl")),
    ("std.battery_care", include_str!("../../policies/battery_care.evl")),
];

/// A policy repository, read.
pub struct Repository<'s> {
    system: &'s dyn System,
    root: RepoRoot,
    /// As the user named it.
    pub shown: String,
    /// The manifest; the default where there is none. Judged on a base revision, owners, lint levels and
    /// waivers are that one's.
    pub manifest: Manifest,
    /// The manifest as it stands, where a base revision judges it.
    pub proposed: Option<Manifest>,
    /// The revision on which a change is judged.
    pub base: Option<Base>,
    /// All texts: first the policy files (`SourceId(i)` is `files[i]`), then manifest, profiles,
    /// inventory and the embedded modules.
    pub sources: SourceMap,
    /// Policy files, sorted by path.
    pub files: Vec<RepoFile>,
    /// Embedded modules by name.
    pub modules: BTreeMap<String, SourceId>,
    /// Profiles by name; the repository's own win over the embedded ones.
    pub profiles: BTreeMap<String, LoadedProfile>,
    /// Where each device is.
    pub inventory: Inventory,
    /// The inventory's texts; empty where there is none.
    pub inventory_sources: Vec<SourceId>,
    /// What is wrong with the files so far.
    pub findings: Diagnostics,
    /// Whether a policy file could not be read: what it declares is unknown, not missing.
    pub unread: bool,
}

/// One policy file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RepoFile {
    /// Relative to the repository.
    pub path: String,
    /// Its text in [`Repository::sources`].
    pub source: SourceId,
    /// Hash of its text, hex.
    pub sha256: String,
    /// Name of the tenant or vendor who owns it; `None`: the site owner.
    pub owner: Option<String>,
}

/// A profile with the place it came from.
#[derive(Debug, Clone, PartialEq)]
pub struct LoadedProfile {
    /// The profile.
    pub profile: Profile,
    /// Its text.
    pub source: SourceId,
}

/// A data file that the policy names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DataFile {
    /// Relative to the repository.
    pub path: String,
    /// Its text.
    pub text: Arc<str>,
    /// Hash of its text, hex.
    pub sha256: String,
}

/// Hash of a text, hex.
#[must_use]
pub fn sha256(text: &[u8]) -> String {
    Sha256::digest(text).iter().map(|b| format!("{b:02x}")).collect()
}

/// Whether what a user named may be policy text; by its name or by that of the file behind a link.
///
/// # Errors
/// A finding where the file has another ending than `.evl`.
pub fn policy_file(system: &dyn System, path: &Path) -> Result<(), Box<Diagnostic>> {
    let fits = |path: &Path| path.extension().is_some_and(|ending| ending == "evl");
    if fits(path) || system.canonical(path).is_ok_and(|real| fits(&real)) {
        return Ok(());
    }
    let words = format!("`{}` is no policy file", path.display());
    let finding = Diagnostic::nowhere(codes::NO_POLICY, Severity::Error, words);
    Err(Box::new(finding.help("policy files end in `.evl`; name one, or the folder of a site")))
}

impl std::fmt::Debug for Repository<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Repository")
            .field("root", &self.root)
            .field("files", &self.files)
            .finish_non_exhaustive()
    }
}

impl<'s> Repository<'s> {
    /// Opens what a user named: a site's folder, or one policy file, which then stands for the site
    /// of the nearest folder above that has a manifest, or for itself where there is none.
    ///
    /// # Errors
    /// When nothing is there, it cannot be read, or there is no policy in it.
    pub fn open(system: &'s dyn System, path: &Path) -> Result<Self, Box<Diagnostic>> {
        Self::open_on(system, path, None)
    }

    /// The same, judged on a base revision.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn open_on(system: &'s dyn System, path: &Path, base: Option<Base>) -> Result<Self, Box<Diagnostic>> {
        let shown = path.display().to_string();
        let real = system.canonical(path).map_err(|e| Box::new(e.reading()))?;
        let mut named = None;
        let (folder, only) = match system.kind(&real) {
            Some(Kind::Folder) => (real, None),
            Some(Kind::File) => {
                policy_file(system, path)?;
                named = Some(real.clone());
                let above = real.parent().unwrap_or(&real).to_path_buf();
                let site = above.ancestors().find(|a| system.kind(&a.join(MANIFEST)) == Some(Kind::File));
                match site {
                    Some(site) => (site.to_path_buf(), None),
                    None => (above, real.file_name().and_then(|n| n.to_str()).map(str::to_owned)),
                }
            }
            _ => return Err(Box::new(FileError::new(path, FileFault::NotAFile).reading())),
        };
        let root = RepoRoot::new(system, &folder).map_err(|e| Box::new(e.reading()))?;
        let mut repository = Self {
            system,
            root,
            shown,
            manifest: Manifest::default(),
            proposed: None,
            base,
            sources: SourceMap::new(),
            files: Vec::new(),
            modules: BTreeMap::new(),
            profiles: BTreeMap::new(),
            inventory: Inventory::default(),
            inventory_sources: Vec::new(),
            findings: Diagnostics::new(),
            unread: false,
        };
        repository.read_files(only.as_deref(), named.as_deref())?;
        repository.read_modules();
        repository.read_profiles();
        repository.read_inventory();
        Ok(repository)
    }

    /// The repository's folder.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.root.folder()
    }

    /// The text of one of [`Repository::sources`].
    #[must_use]
    pub fn text(&self, source: SourceId) -> Arc<str> {
        self.sources.get(source).map_or_else(|| Arc::from(""), |f| Arc::clone(f.text()))
    }

    /// A data file that the policy names at `span`.
    ///
    /// # Errors
    /// A finding there: the path leaves the repository, or the file cannot be read.
    pub fn data(&self, path: &str, span: Span) -> Result<DataFile, Box<Diagnostic>> {
        let at = self.root.resolve(self.system, path).map_err(|f| Box::new(f.finding(span, path)))?;
        match self.system.read_text(&at.path, CSV_CAP) {
            Ok(text) => {
                Ok(DataFile { path: at.shown, sha256: sha256(text.as_bytes()), text: Arc::from(text) })
            }
            Err(error) => Err(Box::new(self.place(error.reading(), span, path))),
        }
    }

    /// Where a data file lies, for code that reads it by itself.
    ///
    /// # Errors
    /// A finding at `span` where the path leaves the repository.
    pub fn resolve(&self, path: &str, span: Span) -> Result<PathBuf, Box<Diagnostic>> {
        self.root.resolve(self.system, path).map(|r| r.path).map_err(|f| Box::new(f.finding(span, path)))
    }

    /// Takes what the manifest waives out of the findings; waivers that no longer hold are
    /// findings themselves. `today` is the site's civil day.
    pub fn waive(&self, findings: Diagnostics, today: crate::ir::CivilDate) -> Diagnostics {
        waivers::apply(&self.manifest.waivers, &self.sources, findings, today)
    }

    fn place(&self, mut finding: Diagnostic, span: Span, path: &str) -> Diagnostic {
        // shown under the statement that names the file, with the path as the author wrote it
        finding.message = match self.root.resolve(self.system, path) {
            Ok(at) => finding.message.replace(&at.path.display().to_string(), path),
            Err(_) => finding.message,
        };
        finding.primary = Some(crate::diag::Label::new(span, "named here"));
        finding
    }

    /// Reads manifest and policy files: `only` one, or all members, of which `named` is one.
    fn read_files(&mut self, only: Option<&str>, named: Option<&Path>) -> Result<(), Box<Diagnostic>> {
        let manifest_text = if self.system.kind(&self.root.folder().join(MANIFEST)).is_some() {
            let at = self.inside(MANIFEST)?;
            let text = self.system.read_text(&at.path, YAML_CAP);
            Some(text.map_err(|e| Box::new(self.shorten(e.reading())))?)
        } else {
            None
        };
        // the manifest is read twice: first without a place for its members, then into the map
        // behind the policy files, so that the files' ids are their positions
        let read = |text: &str| manifest::read(SourceId(0), text, &mut Vec::new());
        let mut preview = manifest_text.as_deref().map(read).unwrap_or_default();
        if let Some(base) = &self.base {
            preview.owners = read(&base.manifest).owners;
        }
        let mut found = match only {
            Some(name) => vec![self.inside(name)?],
            None => {
                let search = self.root.find(self.system, "", &["evl"]);
                let search = search.map_err(|e| Box::new(self.shorten(e.reading())))?;
                self.unread = !search.refused.is_empty();
                self.findings.extend(search.refused);
                search.files
            }
        };
        let all = found.len();
        let mut inner = 0;
        let mut strays = Vec::new();
        if only.is_none() {
            let nested = self.nested_sites(&found);
            inner = nested.len();
            strays.extend(nested.iter().filter_map(|folder| self.stray(&preview, folder, &found)));
            found.retain(|f| !nested.iter().any(|n| f.shown.starts_with(n.as_str())));
            if !preview.members.is_empty() {
                found.retain(|f| preview.members.iter().any(|(p, _)| manifest::matches(p, &f.shown)));
            }
        }
        if let Some(named) = named {
            // by another name where a link leads to it
            let is = |file: &Resolved| {
                file.path == named || self.system.canonical(&file.path).is_ok_and(|real| real == named)
            };
            if !found.iter().any(is) {
                let words = format!("`{}` is no policy file of the site around it", self.shown);
                let finding = Diagnostic::nowhere(codes::NO_POLICY, Severity::Error, words);
                return Err(Box::new(finding.because(format!("the site is `{}`", self.root.folder().display())).help(
                    format!("`members` in its `{MANIFEST}` must match the file; files in hidden folders are left out"),
                )));
            }
        }
        if found.is_empty() {
            if let Some(refused) = self.findings.iter().next() {
                return Err(Box::new(refused.clone()));
            }
            let words = format!("no policy found in `{}`", self.shown);
            let finding = Diagnostic::nowhere(codes::NO_POLICY, Severity::Error, words);
            return Err(Box::new(if inner > 0 && preview.members.is_empty() {
                finding.help(format!(
                    "it holds other sites ({inner}): name them, such as `evl check {0}/*`",
                    self.shown.trim_end_matches('/')
                ))
            } else if all > 0 {
                finding.help(format!(
                    "`members` in `{MANIFEST}` matches none of its {all} policy files: correct the patterns"
                ))
            } else {
                finding.help("name a folder that holds `.evl` files, or one such file")
            }));
        }
        if found.len() > MOST_FILES {
            return Err(Box::new(
                Diagnostic::nowhere(
                    codes::TOO_LARGE,
                    Severity::Error,
                    format!("`{}` holds more than {MOST_FILES} policy files", self.shown),
                )
                .help("check one site at a time, or narrow `members` in the manifest"),
            ));
        }
        let mut faults = Vec::new();
        for at in found {
            match self.system.read_text(&at.path, POLICY_CAP) {
                Ok(text) => {
                    let owner = self.owner(&preview, &at.shown);
                    let hash = sha256(text.as_bytes());
                    let source = self.sources.add(at.shown.as_str(), text);
                    self.files.push(RepoFile { path: at.shown, source, sha256: hash, owner });
                }
                Err(error) => faults.push(self.shorten(error.reading())),
            }
        }
        self.unread |= !faults.is_empty();
        self.findings.extend(faults);
        for (manifest, message) in strays {
            let at = self.root.resolve(self.system, &manifest).ok();
            let text = at.and_then(|at| self.system.read_text(&at.path, YAML_CAP).ok()).unwrap_or_default();
            let span = Span::file(self.sources.add(manifest.as_str(), text));
            self.findings.push(Diagnostic::warning(codes::NOT_IN_OWNED_FILE, span, message).help(
                "remove it: a site has one manifest, at its top; another site has a folder of its own elsewhere",
            ));
        }
        if let Some(text) = manifest_text {
            let source = self.sources.add(MANIFEST, text.as_str());
            let mut faults = Vec::new();
            self.manifest = manifest::read(source, &text, &mut faults);
            for (pattern, span) in &self.manifest.members {
                if !self.files.iter().any(|f| manifest::matches(pattern, &f.path)) {
                    faults.push(
                        Diagnostic::error(codes::YAML_VALUE, *span, format!("no file matches `{pattern}`"))
                            .help("`*` stands for a part of a name, `**` for any folders"),
                    );
                }
            }
            for (pattern, owner, span) in self.manifest.owners.iter().filter(|_| self.base.is_none()) {
                if !self.files.iter().any(|f| manifest::matches(pattern, &f.path)) {
                    let words = format!("no file matches `{pattern}`, so `{owner}` owns none by it");
                    let finding = Diagnostic::warning(codes::YAML_VALUE, *span, words);
                    faults.push(finding.help("`*` stands for a part of a name, `**` for any folders"));
                }
            }
            self.findings.extend(faults);
        }
        self.judge_on_base();
        Ok(())
    }

    /// Puts the base revision's owners, lint levels and waivers into the manifest.
    fn judge_on_base(&mut self) {
        let Some(base) = &self.base else { return };
        let source = self.sources.add(format!("{MANIFEST}@{}", base.revision), base.manifest.as_str());
        // what is wrong in it was found when it was the change
        let old = manifest::read(source, &base.manifest, &mut Vec::new());
        self.proposed = Some(self.manifest.clone());
        self.manifest.owners = old.owners;
        self.manifest.waivers = old.waivers;
        self.manifest.settings.lints = old.settings.lints;
    }

    /// Where a file that is there lies, without links out of the repository.
    fn inside(&self, name: &str) -> Result<Resolved, Box<Diagnostic>> {
        self.root.resolve(self.system, name).map_err(|fault| Box::new(fault.found(name)))
    }

    /// Folders below the root that are sites of their own.
    fn nested_sites(&self, found: &[Resolved]) -> Vec<String> {
        let mut nested: Vec<String> = Vec::new();
        let mut seen = BTreeSet::new();
        for file in found {
            let mut folder = file.shown.as_str();
            while let Some((above, _)) = folder.rsplit_once('/') {
                folder = above;
                if seen.insert(folder.to_owned())
                    && self.system.kind(&self.root.folder().join(folder).join(MANIFEST)) == Some(Kind::File)
                {
                    nested.push(format!("{folder}/"));
                }
            }
        }
        nested
    }

    /// The manifest that makes another site of a folder with files of a tenant or vendor, and what is said
    /// of it: whatever they declare is missing without a word.
    fn stray(&self, manifest: &Manifest, folder: &str, found: &[Resolved]) -> Option<(String, String)> {
        let lost = found.iter().filter(|file| file.shown.starts_with(folder));
        let owners: BTreeSet<String> = lost.filter_map(|file| self.owner(manifest, &file.shown)).collect();
        let declare = if owners.len() > 1 { "and others declare" } else { "declares" };
        let owner = owners.into_iter().next()?;
        let at = format!("{folder}{MANIFEST}");
        let message = format!(
            "`{at}` makes another site of its folder: what `{owner}` {declare} there counts for nothing here"
        );
        Some((at, message))
    }

    /// Whose a file is. Capitals give nobody the site's power: by them alone a file is a tenant's or
    /// vendor's, never the site's, for where they do not count both names are the same folder.
    fn owner(&self, manifest: &Manifest, path: &str) -> Option<String> {
        let small = path.to_lowercase();
        let found = manifest.owners.iter().rev().find(|(pattern, owner, _)| {
            manifest::matches(pattern, path)
                || owner != SITE && manifest::matches(&pattern.to_lowercase(), &small)
        });
        if let Some((_, owner, _)) = found {
            return (owner != SITE).then(|| owner.clone());
        }
        let mut parts = path.split('/');
        let (folder, name) = (parts.next()?.to_lowercase(), parts.next()?);
        let theirs = matches!(folder.as_str(), "tenants" | "vendors") && parts.next().is_some();
        theirs.then(|| name.to_owned())
    }

    /// Paths in findings are shown relative to the repository.
    fn shorten(&self, mut finding: Diagnostic) -> Diagnostic {
        let folder = format!("{}/", self.root.folder().display());
        finding.message = finding.message.replace(&folder, "");
        finding
    }

    fn read_modules(&mut self) {
        for (name, text) in MODULES {
            let source = self.sources.add(format!("{}.evl", name.replace('.', "/")), *text);
            self.modules.insert((*name).to_owned(), source);
        }
    }

    fn read_profiles(&mut self) {
        for (name, text) in profile::EMBEDDED {
            self.read_profile(&format!("std/profiles/{name}.yaml"), (*text).to_owned());
        }
        let mut faults = Vec::new();
        match self.yaml_files("profiles") {
            Ok(files) => {
                for (path, text) in files {
                    self.read_profile(&path, text);
                }
            }
            Err(mut e) => faults.append(&mut e),
        }
        self.findings.extend(faults);
    }

    fn read_profile(&mut self, path: &str, text: String) {
        let source = self.sources.add(path, text.as_str());
        let profile: Profile = match yaml::read(source, &text) {
            Ok(profile) => profile,
            Err(fault) => {
                self.findings.push(*fault);
                return;
            }
        };
        for problem in profile.problems() {
            self.findings.push(
                Diagnostic::error(
                    codes::YAML_VALUE,
                    Span::file(source),
                    format!("{}: {}", problem.at, problem.message),
                )
                .help("correct the profile"),
            );
        }
        if let Some(first) = self.profiles.get(&profile.profile) {
            let embedded = self.sources.path(first.source).starts_with("std/");
            if !embedded {
                self.findings.push(
                    Diagnostic::error(
                        codes::DUPLICATE_NAME,
                        Span::file(source),
                        format!("the profile `{}` stands in two files", profile.profile),
                    )
                    .label(Span::file(first.source), "first here")
                    .help("rename or remove one of them"),
                );
                return;
            }
        }
        self.profiles.insert(profile.profile.clone(), LoadedProfile { profile, source });
    }

    fn read_inventory(&mut self) {
        let files = match self.yaml_files("inventory") {
            Ok(files) => files,
            Err(faults) => {
                self.findings.extend(faults);
                return;
            }
        };
        let mut last = None;
        for (path, text) in files {
            let source = self.sources.add(path.as_str(), text.as_str());
            self.inventory_sources.push(source);
            last = Some(source);
            match yaml::read::<Inventory>(source, &text) {
                Ok(part) => {
                    if let Err(twice) = self.inventory.merge(part) {
                        for problem in twice {
                            self.findings.push(
                                Diagnostic::error(codes::INVENTORY, Span::file(source), problem.message)
                                    .help("keep one of the entries"),
                            );
                        }
                    }
                }
                Err(fault) => self.findings.push(*fault),
            }
        }
        let Some(last) = last else { return };
        let problems = self.inventory.problems();
        let places = if problems.is_empty() { BTreeMap::new() } else { self.inventory_places() };
        let more = problems.len().saturating_sub(MOST_PROBLEMS);
        if more > 0 {
            let words = format!("the inventory has {more} more faults");
            let finding = Diagnostic::error(codes::INVENTORY, Span::file(last), words);
            self.findings.push(finding.help("correct the first ones and run again"));
        }
        for problem in problems.into_iter().take(MOST_PROBLEMS) {
            let name = problem.at.split('.').nth(1).unwrap_or_default();
            let span = places.get(name).copied().unwrap_or(Span::file(last));
            self.findings.push(
                Diagnostic::error(codes::INVENTORY, span, problem.message)
                    .says(format!("`{}`", problem.at))
                    .help("correct this entry of the inventory"),
            );
        }
    }

    /// Where each key of the inventory first stands, over all its files.
    #[must_use]
    pub fn inventory_places(&self) -> BTreeMap<String, Span> {
        let mut places = BTreeMap::new();
        for source in &self.inventory_sources {
            let text = self.text(*source);
            for (colon, _) in text.match_indices(':') {
                let before = text.get(..colon).unwrap_or_default().trim_end_matches(['"', '\'', ' ']);
                let start = before.rfind(|c: char| c.is_whitespace() || matches!(c, '{' | ',' | '"' | '\''));
                let start = start.map_or(0, |at| {
                    at + before.get(at..).and_then(|rest| rest.chars().next()).map_or(1, char::len_utf8)
                });
                let Some(key) = before.get(start..).filter(|key| !key.is_empty()) else { continue };
                let (Ok(start), Ok(end)) = (u32::try_from(start), u32::try_from(before.len())) else {
                    continue;
                };
                places.entry(key.to_owned()).or_insert(Span::new(*source, start, end));
            }
        }
        places
    }

    fn yaml_files(&self, folder: &str) -> Result<Vec<(String, String)>, Vec<Diagnostic>> {
        if self.system.kind(&self.root.folder().join(folder)).is_none() {
            return Ok(Vec::new());
        }
        self.inside(folder).map_err(|fault| vec![*fault])?;
        let search = self.root.find(self.system, folder, &["yaml", "yml"]);
        let search = search.map_err(|e| vec![self.shorten(e.reading())])?;
        let mut read = Vec::new();
        let mut faults = search.refused;
        for at in search.files {
            match self.system.read_text(&at.path, YAML_CAP) {
                Ok(text) => read.push((at.shown, text)),
                Err(error) => faults.push(self.shorten(error.reading())),
            }
        }
        if faults.is_empty() { Ok(read) } else { Err(faults) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::system::MemorySystem;

    fn open(system: &MemorySystem) -> Repository<'_> {
        Repository::open(system, Path::new("/site")).unwrap()
    }

    #[test]
    fn files_have_owners_and_nested_sites_are_apart() {
        let system = MemorySystem::new()
            .file("/site/evl.yaml", "owners: { 'shared/**': acme, 'shared/own.evl': site }\n")
            .file("/site/site.evl", "edition 2026\n")
            .file("/site/tenants/acme/a.evl", "")
            .file("/site/vendors/coolco/b.evl", "")
            .file("/site/shared/c.evl", "")
            .file("/site/shared/own.evl", "")
            .file("/site/annex/evl.yaml", "")
            .file("/site/annex/site.evl", "");
        let r = open(&system);
        let seen: Vec<String> =
            r.files.iter().map(|f| format!("{} {}", f.path, f.owner.as_deref().unwrap_or("-"))).collect();
        assert_eq!(
            seen,
            [
                "shared/c.evl acme",
                "shared/own.evl -",
                "site.evl -",
                "tenants/acme/a.evl acme",
                "vendors/coolco/b.evl coolco"
            ]
        );
        assert!(r.findings.is_empty(), "{:?}", r.findings);
        assert!(r.profiles.contains_key("sunspec/battery"));
        for (i, f) in r.files.iter().enumerate() {
            assert_eq!(f.source.0 as usize, i);
        }
    }

    #[test]
    fn a_manifest_among_a_tenants_files_is_named() {
        let with =
            |owners: &str| MemorySystem::new().file("/site/evl.yaml", owners).file("/site/site.evl", "");
        let (site, owned) = (|| with(""), || with("owners: { 'shops/**': acme }\n"));
        let said = |system: &MemorySystem| {
            let r = open(system);
            let line = |f: &Diagnostic| {
                let at = f.span().map(|span| r.sources.path(span.source).to_owned()).unwrap_or_default();
                format!("{at}: {} {}", f.code, f.message)
            };
            r.findings.iter().map(line).collect::<Vec<_>>()
        };
        let lost = |at: &str, who: &str| {
            format!(
                "{at}: EVL0108 `{at}` makes another site of its folder: what {who} there counts for nothing here"
            )
        };
        let system =
            site().file("/site/tenants/bakery/a.evl", "").file("/site/tenants/bakery/evl.yaml", "site: x\n");
        assert_eq!(said(&system), [lost("tenants/bakery/evl.yaml", "`bakery` declares")]);
        let system = system.file("/site/tenants/cafe/b.evl", "").file("/site/tenants/evl.yaml", "");
        let both = [
            lost("tenants/evl.yaml", "`bakery` and others declare"),
            lost("tenants/bakery/evl.yaml", "`bakery` declares"),
        ];
        let mut found = said(&system);
        found.sort_by_key(String::len);
        let mut both = both.to_vec();
        both.sort_by_key(String::len);
        assert_eq!(found, both);
        // by the site's word on owners too
        let system = owned().file("/site/shops/c.evl", "").file("/site/shops/evl.yaml", "");
        let found = said(&system);
        assert!(found.contains(&lost("shops/evl.yaml", "`acme` declares")), "{found:?}");
        // a site of the owner's own is nobody's loss
        let system = owned()
            .file("/site/shops/c.evl", "")
            .file("/site/annex/d.evl", "")
            .file("/site/annex/evl.yaml", "");
        assert_eq!(said(&system), [""; 0]);
    }

    #[test]
    fn capitals_give_nobody_the_sites_power() {
        let manifest = "owners: { 'Shops/*': acme, 'shops/own.evl': site, 'house/**': site }\n";
        let system = MemorySystem::new()
            .file("/site/evl.yaml", manifest)
            .file("/site/site.evl", "")
            .file("/site/Tenants/acme/a.evl", "")
            .file("/site/TENANTS/Acme/A.EVL.evl", "")
            .file("/site/Vendors/coolco/b.evl", "")
            .file("/site/shops/c.evl", "")
            .file("/site/shops/own.evl", "")
            .file("/site/shops/OWN.evl", "")
            .file("/site/HOUSE/d.evl", "")
            .file("/site/rules/tenants/acme/e.evl", "");
        let r = open(&system);
        let owner = |path: &str| {
            let file = r.files.iter().find(|file| file.path == path).unwrap();
            file.owner.as_deref().unwrap_or("-").to_owned()
        };
        for (path, whose) in [
            ("Tenants/acme/a.evl", "acme"),
            // of a name that nobody declares, which is an error when it is compiled
            ("TENANTS/Acme/A.EVL.evl", "Acme"),
            ("Vendors/coolco/b.evl", "coolco"),
            ("shops/c.evl", "acme"),
            ("shops/own.evl", "-"),
            // only what is written so is given to the site
            ("shops/OWN.evl", "acme"),
            ("HOUSE/d.evl", "-"),
            ("rules/tenants/acme/e.evl", "-"),
        ] {
            assert_eq!(owner(path), whose, "{path}");
        }
    }

    #[test]
    fn nothing_there_is_a_failure_in_words() {
        let system = MemorySystem::new().file("/site/readme.txt", "").file("/bad/a.evl", &b"\xff\xfe"[..]);
        let none = Repository::open(&system, Path::new("/site")).unwrap_err();
        assert_eq!(none.code, codes::NO_POLICY);
        let missing = Repository::open(&system, Path::new("/nowhere")).unwrap_err();
        assert_eq!(missing.code, codes::UNREADABLE);
        let bad = Repository::open(&system, Path::new("/bad")).unwrap();
        assert_eq!(bad.findings.len(), 1);
    }

    #[test]
    fn a_path_out_is_refused_at_its_place() {
        let system = MemorySystem::new().file("/site/a.evl", "holidays \"../x\"").file("/x", "");
        let r = open(&system);
        let span = Span::new(SourceId(0), 9, 15);
        let fault = r.data("../../etc/passwd", span).unwrap_err();
        assert_eq!((fault.code, fault.span()), (codes::PATH_ESCAPE, Some(span)));
        let fault = r.data("data/none.csv", span).unwrap_err();
        assert_eq!((fault.code, fault.span()), (codes::UNREADABLE, Some(span)));
    }

    #[test]
    fn inventory_faults_are_placed() {
        let system = MemorySystem::new().file("/site/a.evl", "").file(
            "/site/inventory/plant.yaml",
            "gateways: { roof: { transport: modbus_tcp, host: 127.0.0.1 } }\ndevices:\n  solar: { gateway: attic, unit: 1 }\n",
        );
        let r = open(&system);
        let all: Vec<_> = r.findings.iter().collect();
        assert_eq!(all.len(), 1, "{all:?}");
        assert_eq!(all[0].code, codes::INVENTORY);
        assert!(!all[0].span().unwrap().is_file());
    }
}
