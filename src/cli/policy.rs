//! A policy repository on its way through the rooms, as `check`, `build`, `plan` and `test` need it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::output::Outcome;
use crate::analysis::{self, CheckInputs};
use crate::bundle::{Bundle, Hash, disagreement};
use crate::calendar::{Calendar, Instant};
use crate::diag::{Code, Diagnostic, Diagnostics, Severity, SourceId, SourceMap, codes};
use crate::inputs::{self, Inputs};
use crate::ir::{LintLevel, Site};
use crate::repo::{Base, LoadedProfile, Repository};
use crate::sema;
use crate::system::{CSV_CAP, MemorySystem, RevisionFault, RevisionFiles, System};

/// A repository that was read and compiled.
pub(super) struct Policy<'s> {
    system: &'s dyn System,
    /// the files, with all texts that findings speak of
    pub(super) repository: Repository<'s>,
    /// the site's folder as seen from the one in which evl runs
    pub(super) shown: String,
    /// what is compiled, with its calendar; `None` where there are errors
    pub(super) compiled: Option<(Site, Calendar)>,
    /// where there are errors, what can be checked all the same, with the number of statements
    /// that are left out
    partial: Option<((Site, Calendar), sema::Left)>,
    /// the feeds, once read
    pub(super) inputs: Option<Inputs>,
    findings: Diagnostics,
    counts: Vec<(String, u64)>,
    rests_on: Vec<String>,
}

impl<'s> Policy<'s> {
    /// Reads and compiles what the user named.
    ///
    /// # Errors
    /// When there is no policy, or it cannot be read at all.
    pub(super) fn open(path: &Path, system: &'s dyn System) -> Result<Self, Box<Diagnostic>> {
        Self::open_on(path, system, None)
    }

    /// The same, judged on a Git revision.
    ///
    /// # Errors
    /// As [`open`](Self::open), and where there is no such revision.
    pub(super) fn open_on(
        path: &Path,
        system: &'s dyn System,
        base: Option<&str>,
    ) -> Result<Self, Box<Diagnostic>> {
        let mut repository = Repository::open(system, path)?;
        let mut judged_on = None;
        if let Some(revision) = base {
            let folder = repository.folder().to_path_buf();
            let files = system.revision(&folder, revision, CSV_CAP);
            let files = files.map_err(|fault| Box::new(no_revision(revision, &folder, fault)))?;
            let (there, changes, before) = judged(system, path, revision, files)?;
            repository = there;
            judged_on = Some((revision, changes, before));
        }
        let sema::Compiled { site, partial, sources, mut findings } = sema::compile(&repository);
        let after = site.as_ref().or(partial.as_ref().map(|partial| &partial.site));
        if let Some((revision, mut changes, before)) = judged_on {
            let mut changed = std::mem::take(&mut changes.findings);
            if let Some(after) = after {
                let compiled = |site, sources, profiles| sema::rests::Compiled { site, sources, profiles };
                let before = before.as_ref().map(|(site, texts, profiles)| compiled(site, texts, profiles));
                let now = compiled(after, &sources, &repository.profiles);
                changed.extend(sema::rests::changes(revision, &changes, before, now));
                let listed: Vec<String> = changed.iter().map(|finding| finding.message.clone()).collect();
                let own = |finding: &Diagnostic| {
                    let name = finding.message.split('`').nth(1).unwrap_or_default();
                    listed.iter().any(|message| message.contains(&format!("`{name}: ")))
                };
                let fresh = sema::guarded::defaults(revision, before.map(|before| before.site), after);
                changed.extend(fresh.into_iter().filter(|finding| !own(finding)));
            }
            findings.extend(changed);
        }
        // what is read later joins all texts that were read so far
        repository.sources = sources;
        let compiled = site.and_then(|site| match Calendar::new(&site) {
            Ok(calendar) => Some((site, calendar)),
            Err(finding) => {
                findings.push(finding);
                None
            }
        });
        let partial = partial.and_then(|sema::Partial { site, left }| {
            let calendar = Calendar::new(&site).ok()?;
            Some(((site, calendar), left))
        });
        let counts = vec![("files".to_owned(), repository.files.len() as u64)];
        let shown = shown(&repository, system);
        let (inputs, rests_on) = (None, Vec::new());
        Ok(Self { system, repository, shown, compiled, partial, inputs, findings, counts, rests_on })
    }

    /// What it is the policy of, whatever the user called it: its real folder and files.
    pub(super) fn identity(&self) -> (PathBuf, Vec<String>) {
        let files = self.repository.files.iter().map(|file| file.path.clone());
        (self.repository.folder().to_path_buf(), files.collect())
    }

    /// What is checked: the policy, or what is left of it without the statements that have errors.
    fn checked(&self) -> Option<&(Site, Calendar)> {
        self.compiled.as_ref().or(self.partial.as_ref().map(|(site, _)| site))
    }

    /// Reads the feeds as they are needed in `span`.
    pub(super) fn read(&mut self, span: (Instant, Instant)) {
        let partial = self.partial.as_ref().map(|(site, _)| site);
        let Some((site, calendar)) = self.compiled.as_ref().or(partial) else { return };
        match inputs::load(&mut self.repository, site, calendar, span) {
            Ok(inputs) => self.inputs = Some(inputs),
            Err(faults) => self.findings.extend(faults.into_iter().map(|fault| match fault.help {
                None if fault.code == codes::FEED => {
                    fault.help("correct the file, or what the feed declares of it")
                }
                _ => fault,
            })),
        }
    }

    /// Asks every question of `check`. Feeds are read as they are needed in `span`; without one, in
    /// the whole time for which the policy is valid.
    pub(super) fn check(&mut self, span: Option<(Instant, Instant)>) {
        let Some((_, calendar)) = self.checked() else { return };
        let span = span.unwrap_or_else(|| calendar.valid());
        self.read(span);
        let Some((site, _)) = self.checked() else { return };
        let left = self.partial.as_ref().map(|(_, left)| *left).unwrap_or_default();
        let inputs = CheckInputs {
            without_network: left.network,
            without_prices: left.prices,
            ..CheckInputs::default()
        };
        let report = analysis::check(site, &inputs);
        self.findings.extend(report.findings);
        self.counts.push(("rules".to_owned(), report.rules as u64));
        self.counts.push(("questions".to_owned(), report.questions));
        self.rests_on = report.rests_on;
        if left.statements > 0 {
            let what = super::output::counted(left.statements as u64, "statement", "statements");
            let line = "with errors, or resting on such, left out: nothing was asked about them";
            self.rests_on.push(format!("{what} {line}"));
        }
    }

    /// Runs the policy's tests.
    pub(super) fn test(&mut self) {
        let Some((site, _)) = &self.compiled else { return };
        let report = analysis::run_tests(site, &CheckInputs::default());
        self.findings.extend(report.findings);
        self.counts.push(("tests".to_owned(), (report.passed + report.failed) as u64));
        self.counts.push(("questions".to_owned(), report.questions));
    }

    /// Finds devices whose profile does not keep what is declared of their fail-safe state: a bundle
    /// that says so would prove limits that nothing keeps.
    pub(super) fn fall_back(&mut self) {
        let Some((site, _)) = &self.compiled else { return };
        for family in &site.families {
            let profile = family.profile.as_ref().and_then(|name| self.repository.profiles.get(name));
            let words = profile.and_then(|loaded| disagreement(family, &loaded.profile));
            let (Some(words), Some(declared)) = (words, &family.fail_safe) else { continue };
            let finding = Diagnostic::error(
                codes::PROFILE_MISMATCH,
                declared.span,
                format!("`{}` {words}", family.name),
            );
            self.findings.push(finding.help(
                "declare what the device does, or `fail_safe .. by none`, which counts with its whole range",
            ));
        }
    }

    /// What was found, with the manifest's lint levels and waivers applied.
    pub(super) fn outcome(self) -> (String, Outcome) {
        let Self { system, repository, shown, compiled, findings, counts, rests_on, .. } = self;
        let levels = &repository.manifest.settings.lints;
        let levelled: Diagnostics =
            findings.into_iter().filter_map(|finding| level(finding, levels)).collect();
        let now = Instant(system.now().as_second());
        let findings = match &compiled {
            Some((_, calendar)) => repository.waive(levelled, calendar.civil(now).0),
            // without the site's zone nobody can say which day it is there
            None => levelled,
        };
        let sources = repository.sources;
        (shown, Outcome { sources, findings, counts, rests_on })
    }

    /// The canonical compilation with the hashes of everything that it was made from.
    pub(super) fn bundle(&self) -> Option<Bundle> {
        let ((site, _), inputs) = (self.compiled.as_ref()?, self.inputs.as_ref()?);
        let mut profiles = BTreeMap::new();
        let mut read: BTreeMap<String, Hash> =
            inputs.files().iter().map(|file| (file.path.clone(), file.sha256.clone())).collect();
        let mut note = |source: SourceId| {
            let text = self.repository.text(source);
            read.insert(self.repository.sources.path(source).to_owned(), Hash::of(text.as_bytes()));
        };
        for name in site.families.iter().filter_map(|family| family.profile.as_ref()) {
            if let Some(loaded) = self.repository.profiles.get(name) {
                profiles.insert(name.clone(), loaded.profile.clone());
                note(loaded.source);
            }
        }
        self.repository.manifest.source.into_iter().for_each(note);
        Some(Bundle::new(site.clone(), profiles, &self.repository.inventory, read))
    }
}

/// The policy of a revision with its texts and profiles.
type Before = (Site, SourceMap, BTreeMap<String, LoadedProfile>);

/// A repository judged on a revision, what in it needs the owner, and the policy there.
type Judged<'s> = (Repository<'s>, sema::guarded::Changes, Option<Before>);

/// The repository judged on the files that it has at a revision.
fn judged<'s>(
    system: &'s dyn System,
    path: &Path,
    revision: &str,
    files: RevisionFiles,
) -> Result<Judged<'s>, Box<Diagnostic>> {
    let there = files
        .into_iter()
        .fold(MemorySystem::new(), |there, (name, bytes)| there.file(Path::new("/site").join(name), bytes));
    // a site that was not there yet grants nobody anything
    let mut old = Repository::open(&there, Path::new("/site")).ok();
    let compiled = old.as_ref().map(sema::compile);
    let before = compiled.and_then(|sema::Compiled { site, partial, sources, .. }| {
        Some((site.or(partial.map(|partial| partial.site))?, sources))
    });
    let source = old.as_ref().and_then(|old| Some(old.text(old.manifest.source?)));
    let site = before.as_ref().map(|(site, _)| site);
    let base = Base::new(revision, source.as_deref().unwrap_or_default().to_owned(), site);
    let mut repository = Repository::open_on(system, path, Some(base))?;
    let changes = sema::guarded::changes(revision, old.as_mut(), &mut repository);
    let profiles = old.map(|old| old.profiles).unwrap_or_default();
    Ok((repository, changes, before.map(|(site, sources)| (site, sources, profiles))))
}

fn no_revision(revision: &str, folder: &Path, fault: RevisionFault) -> Diagnostic {
    let finding = |message: String| Diagnostic::nowhere(codes::USAGE, Severity::Error, message);
    match fault {
        RevisionFault::NoGit => finding("`--base` needs the program `git`, which is not here".to_owned())
            .help("install git, or check without `--base`"),
        RevisionFault::NoRepository => {
            finding(format!("`{}` is in no Git repository, so it has no revisions", folder.display()))
                .help("check it without `--base`")
        }
        RevisionFault::Unknown => finding(format!("Git knows no revision `{revision}`"))
            .help("name a branch, tag or commit; a shallow clone may lack it: fetch it first"),
        RevisionFault::TooLarge => {
            finding(format!("`{revision}` holds more files than evl reads (256 MiB, 50,000 files)"))
                .help("name the site's own folder")
        }
        RevisionFault::Other(words) => {
            finding(format!("Git cannot show `{revision}`: {words}")).help("look at it with `git log`")
        }
    }
}

/// The finding at the manifest's level for its code; errors have no level.
fn level(mut finding: Diagnostic, levels: &BTreeMap<String, LintLevel>) -> Option<Diagnostic> {
    if finding.severity == Severity::Error {
        return Some(finding);
    }
    let of = |code: &str| code.parse::<Code>() == Ok(finding.code);
    match levels.iter().find(|(code, _)| of(code)).map(|(_, level)| level) {
        Some(LintLevel::Allow) => return None,
        Some(LintLevel::Warn) => finding.severity = Severity::Warning,
        Some(LintLevel::Deny) => finding.severity = Severity::Error,
        None => {}
    }
    Some(finding)
}

/// The folder of the site as seen from the one in which evl runs; whole where it lies elsewhere.
fn shown(repository: &Repository<'_>, system: &dyn System) -> String {
    let here = system.current_folder().and_then(|here| system.canonical(&here));
    let inside =
        here.ok().and_then(|here| repository.folder().strip_prefix(here).ok().map(Path::to_path_buf));
    inside.unwrap_or_else(|| repository.folder().to_path_buf()).display().to_string()
}
