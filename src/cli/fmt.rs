//! `evl fmt`: the one canonical form of policy text.

use std::path::{Path, PathBuf};

use super::output;
use crate::diag::{Diagnostic, Diagnostics, ExitCode, Severity, SourceMap, codes};
use crate::repo::policy_file;
use crate::syntax;
use crate::system::{Access, FileError, FileFault, Kind, POLICY_CAP, RepoRoot, System};

/// Write policy text in its one canonical form; comments are kept
///
/// Files with statements that cannot be read are named and left as they are.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Folders or single policy files
    #[arg(default_value = ".", value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// Change nothing; exit code 1 and the names of files that are in another form
    #[arg(long)]
    check: bool,
}

pub(super) fn run(args: &Args, system: &dyn System) -> ExitCode {
    let (mut findings, mut sources) = (Diagnostics::new(), SourceMap::new());
    let (mut changed, mut seen) = (String::new(), 0_usize);
    for path in &args.paths {
        let known = findings.len();
        let files = match files(path, system, &mut findings) {
            Ok(files) => files,
            Err(finding) => {
                findings.push(*finding);
                continue;
            }
        };
        if files.is_empty() && findings.len() == known {
            let words = format!("no policy found in `{}`", path.display());
            let finding = Diagnostic::nowhere(codes::NO_POLICY, Severity::Error, words);
            findings.push(finding.help("name a folder that holds `.evl` files, or one such file"));
        }
        for file in files {
            seen += 1;
            let formatted = one(&file, args.check, system, &mut findings, &mut sources);
            if formatted {
                changed.push_str(&format!("{}\n", file.display()));
            }
        }
    }
    let printed = output::print(system, &changed);
    let count = changed.lines().count();
    let unread = findings.len();
    let exit = if unread > 0 { output::complain(system, findings, &sources) } else { ExitCode::Success };
    let what = if args.check { "in another form" } else { "rewritten" };
    if seen > 0 {
        let files = output::counted(seen as u64, "file", "files");
        system.say(&format!("{files} seen, {count} {what}\n"));
    }
    let differs = if args.check && count > 0 { ExitCode::Findings } else { ExitCode::Success };
    exit.and(differs).and(printed)
}

/// Whether the file was, or would be, rewritten.
fn one(
    path: &Path,
    only_look: bool,
    system: &dyn System,
    findings: &mut Diagnostics,
    sources: &mut SourceMap,
) -> bool {
    let text = match system.read_text(path, POLICY_CAP) {
        Ok(text) => text,
        Err(error) => {
            findings.push(error.reading());
            return false;
        }
    };
    let source = sources.add(path.display().to_string(), text.as_str());
    let formatted = syntax::format(source, &text);
    if !formatted.findings.is_empty() {
        findings.extend(formatted.findings);
        return false;
    }
    if formatted.text == text {
        return false;
    }
    if !only_look {
        // through a link the file is rewritten, not the link
        let real = system.canonical(path);
        let written = real.and_then(|real| system.write(&real, formatted.text.as_bytes(), Access::Ordinary));
        if let Err(error) = written {
            findings.push(error.writing());
            return false;
        }
    }
    true
}

/// The policy files that the user named by `path`.
fn files(
    path: &Path,
    system: &dyn System,
    findings: &mut Diagnostics,
) -> Result<Vec<PathBuf>, Box<Diagnostic>> {
    let reading = |error: FileError| Box::new(error.reading());
    let real = system.canonical(path).map_err(reading)?;
    match system.kind(&real) {
        Some(Kind::Folder) => {}
        Some(Kind::File) => return policy_file(system, path).map(|()| vec![path.to_path_buf()]),
        _ => return Err(reading(FileError::new(path, FileFault::NotAFile))),
    }
    let root = RepoRoot::new(system, path).map_err(reading)?;
    let found = root.find(system, "", &["evl"]).map_err(reading)?;
    findings.extend(found.refused);
    let below = |shown: String| if path == Path::new(".") { PathBuf::from(shown) } else { path.join(shown) };
    Ok(found.files.into_iter().map(|file| below(file.shown)).collect())
}
