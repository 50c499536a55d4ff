//! Reads the documents that verbs are given by path.

use std::path::{Path, PathBuf};

use crate::bundle::inventory::Inventory;
use crate::bundle::{Bundle, Document, PlanDocument};
use crate::diag::{Diagnostic, Diagnostics, SourceMap, Span, codes};
use crate::repo::yaml;
use crate::system::{DOCUMENT_CAP, Kind, RepoRoot, System, YAML_CAP};

/// The bundle in a file.
pub(super) fn bundle(system: &dyn System, path: &Path) -> Result<Bundle, Box<Diagnostic>> {
    let bytes =
        read(system, path, &format!("make it with `{}`, or name it with `--bundle`", Bundle::MADE_BY))?;
    Bundle::load(&bytes).map_err(Box::new)
}

/// The plan in a file.
pub(super) fn plan(system: &dyn System, path: &Path) -> Result<PlanDocument, Box<Diagnostic>> {
    let bytes = read(system, path, &format!("name a plan that `{}` wrote", PlanDocument::MADE_BY))?;
    PlanDocument::read(&bytes).map_err(Box::new)
}

/// What stands in a document's file; `help` where there is none to read.
fn read(system: &dyn System, path: &Path, help: &str) -> Result<Vec<u8>, Box<Diagnostic>> {
    system.read(path, DOCUMENT_CAP).map_err(|error| {
        let finding = error.reading();
        Box::new(if finding.help.is_some() { finding } else { finding.help(help) })
    })
}

/// Says of a document that belongs elsewhere which files were held against each other, each by what it is.
pub(super) fn held_against(
    finding: Diagnostic,
    (one, its): (&str, &Path),
    (other, others): (&str, &Path),
) -> Diagnostic {
    if finding.code != codes::FOREIGN {
        return finding;
    }
    finding.because(format!("the {one} is `{}`, the {other} `{}`", its.display(), others.display()))
}

/// The bundle that belongs to a plan where none is named: `site.bundle` beside it.
pub(super) fn bundle_beside(plan: &Path, named: Option<&Path>) -> PathBuf {
    named.map_or_else(|| plan.with_file_name("site.bundle"), Path::to_path_buf)
}

/// The inventory in a folder: all its YAML files together.
pub(super) fn inventory(system: &dyn System, folder: &Path) -> Result<Inventory, (Diagnostics, SourceMap)> {
    let (mut findings, mut sources) = (Diagnostics::new(), SourceMap::new());
    let mut all = Inventory::default();
    let entries = match system.list(folder) {
        Ok(entries) => entries,
        Err(error) => {
            findings.push(error.reading().help("name the folder of the inventory with `--inventory`"));
            return Err((findings, sources));
        }
    };
    let files = entries.into_iter().filter(|entry| {
        entry.kind != Kind::Folder && (entry.name.ends_with(".yaml") || entry.name.ends_with(".yml"))
    });
    let root = match RepoRoot::new(system, folder) {
        Ok(root) => root,
        Err(error) => {
            findings.push(error.reading().help("name the folder of the inventory with `--inventory`"));
            return Err((findings, sources));
        }
    };
    let mut last = None;
    for file in files {
        let path = folder.join(&file.name);
        // what a link shows of this computer's other files is nobody's business
        let led = (file.kind == Kind::Link).then(|| root.resolve(system, &file.name));
        if let Some(Err(fault)) = led {
            findings.push(fault.found(&path.display().to_string()));
            continue;
        }
        let text = match system.read_text(&path, YAML_CAP) {
            Ok(text) => text,
            Err(error) => {
                findings.push(error.reading());
                continue;
            }
        };
        let source = sources.add(path.display().to_string(), text.as_str());
        last = Some(source);
        match yaml::read::<Inventory>(source, &text) {
            Ok(part) => {
                let twice = all.merge(part).err().unwrap_or_default();
                findings.extend(twice.into_iter().map(|problem| {
                    Diagnostic::error(codes::INVENTORY, Span::file(source), problem.message)
                        .help("keep one of the entries")
                }));
            }
            Err(fault) => findings.push(*fault),
        }
    }
    if let Some(source) = last {
        findings.extend(all.problems().into_iter().map(|problem| {
            Diagnostic::error(codes::INVENTORY, Span::file(source), problem.message)
                .because(format!("this concerns `{}`", problem.at))
        }));
    }
    if findings.has_errors() { Err((findings, sources)) } else { Ok(all) }
}
