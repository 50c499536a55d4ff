//! Reading the texts: policy files, what they import, and modules in the place of their `use`.

use std::collections::{BTreeMap, BTreeSet};

use super::collect::{Statement, Statements};
use super::substitute::{self, Bindings};
use crate::ast::{self, Item, ItemKind, Name};
use crate::diag::{Diagnostic, Diagnostics, SourceId, SourceMap, Span, codes};
use crate::repo::Repository;
use crate::syntax;

/// Modules may use modules to this depth.
const MOST_DEPTH: usize = 20;
/// Statements that modules may add, and bytes of text.
const MOST_EXPANDED: usize = 200_000;
const MOST_EXPANDED_BYTES: u64 = 64 << 20;

/// All statements of a repository.
pub(super) fn load(
    repository: &Repository<'_>,
    sources: &mut SourceMap,
    findings: &mut Diagnostics,
) -> Statements {
    let mut loader = Loader {
        repository,
        sources,
        findings,
        statements: Statements::default(),
        imported: BTreeMap::new(),
        members: BTreeMap::new(),
        modules: BTreeMap::new(),
        expanded: 0,
        expanded_bytes: 0,
        broken: BTreeSet::new(),
        edges: BTreeMap::new(),
    };
    loader.run();
    loader.circles();
    loader.statements
}

/// A module with where it stands.
#[derive(Clone)]
struct Found {
    module: ast::Module,
}

struct Loader<'r, 's> {
    repository: &'r Repository<'r>,
    sources: &'s mut SourceMap,
    findings: &'s mut Diagnostics,
    statements: Statements,
    /// imported texts by dotted name; `None` while they are read, for circles
    imported: BTreeMap<String, Import>,
    /// policy files by path
    members: BTreeMap<String, SourceId>,
    /// modules by dotted name
    modules: BTreeMap<String, Found>,
    expanded: usize,
    expanded_bytes: u64,
    /// modules that could not be read
    broken: BTreeSet<String>,
    /// which member files each member file imports, and where
    edges: BTreeMap<SourceId, Vec<(SourceId, Span)>>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Import {
    Reading,
    Done,
    Failed,
}

/// Where what is imported under a dotted name stands in the repository.
pub(super) fn path_of(dotted: &str) -> String {
    format!("{}.evl", dotted.replace('.', "/"))
}

impl Loader<'_, '_> {
    fn run(&mut self) {
        let files = self.repository.files.clone();
        for file in &files {
            self.members.insert(file.path.clone(), file.source);
        }
        let mut parsed: Vec<(Vec<Item>, Option<usize>)> = Vec::new();
        for file in &files {
            if self.statements.first.is_none() {
                self.statements.first = Some(Span::file(file.source));
            }
            let owner = file.owner.as_ref().map(|name| {
                let owners = &mut self.statements.owners;
                match owners.iter().position(|(known, _)| known == name) {
                    Some(at) => at,
                    None => {
                        owners.push((name.clone(), Span::file(file.source)));
                        owners.len() - 1
                    }
                }
            });
            let text = self.repository.text(file.source);
            let (tree, faults) = syntax::parse(file.source, &text);
            self.findings.extend(faults);
            self.edition(&tree, file.source);
            parsed.push((tree.items, owner));
        }
        // modules of all files first: a `use` may stand before its module
        for (items, _) in &parsed {
            self.local_modules("", items);
        }
        for (items, owner) in parsed {
            self.add(items, owner, &mut Vec::new());
        }
    }

    /// The edition is the first statement of the file that declares the site; it holds for all of
    /// the site's files, which may repeat it.
    fn edition(&mut self, tree: &ast::File, source: SourceId) {
        let first = tree.items.first();
        if matches!(first.map(|item| &item.kind), Some(ItemKind::Edition(_) | ItemKind::Broken(_))) {
            return;
        }
        if tree.items.iter().any(|item| matches!(item.kind, ItemKind::Edition(_))) {
            let span = first.map_or(Span::file(source), |item| item.span);
            self.findings.push(
                Diagnostic::error(codes::EDITION, span, "the edition stands behind another statement")
                    .help("`edition 2026` is the first statement of a file"),
            );
            return;
        }
        let declares_site = tree
            .items
            .iter()
            .find(|item| matches!(&item.kind, ItemKind::Declaration(d) if d.keyword == ast::Keyword::Site));
        if let Some(site) = declares_site {
            self.findings.push(
                Diagnostic::error(codes::EDITION, site.span, "the site does not name its edition")
                    .help("begin the file with `edition 2026`"),
            );
        }
    }

    fn local_modules(&mut self, prefix: &str, items: &[Item]) {
        for item in items {
            if let ItemKind::Broken(broken) = &item.kind
                && broken.keyword.as_ref().is_some_and(|k| k.text == "module")
                && let Some(name) = &broken.name
            {
                let file = prefix.rsplit('.').next() == Some(name.text.as_str());
                let dotted = if file { prefix.to_owned() } else { name.text.clone() };
                self.broken.insert(dotted);
            }
            if let ItemKind::Module(module) = &item.kind {
                let name = if prefix.is_empty() {
                    module.name.text.clone()
                } else if prefix.rsplit('.').next() == Some(module.name.text.as_str()) {
                    // `std.peak_shaving` is the module of that name in the file of that name
                    prefix.to_owned()
                } else {
                    format!("{prefix}.{}", module.name.text)
                };
                self.modules.entry(name).or_insert(Found { module: module.clone() });
            }
        }
    }

    fn add(&mut self, items: Vec<Item>, owner: Option<usize>, stack: &mut Vec<String>) {
        // a large file joins without room for as many statements again
        if items.len() > self.statements.list.len() / 8 {
            self.statements.list.reserve_exact(items.len());
        }
        for item in items {
            match &item.kind {
                ItemKind::Import(name) => {
                    self.import(name, owner, stack);
                }
                ItemKind::Use(node) => {
                    let node = node.clone();
                    self.expand(&node, item.span, owner, stack);
                }
                _ => self.statements.list.push(Statement { item, owner }),
            }
        }
    }

    /// Reads an imported text once; its statements join the site's. What a tenant imports from the
    /// repository is the tenant's, so that importing grants nothing.
    fn import(&mut self, name: &Name, owner: Option<usize>, stack: &mut Vec<String>) -> Option<()> {
        let dotted = name.text();
        if let Some(member) = self.members.get(&path_of(&dotted)) {
            self.edges.entry(name.span.source).or_default().push((*member, name.span));
        }
        match self.imported.get(&dotted) {
            Some(Import::Done) => return Some(()),
            Some(Import::Failed) => return None,
            Some(Import::Reading) => {
                let circle = stack.join(" -> ");
                self.findings.push(
                    Diagnostic::error(
                        codes::IMPORT_CYCLE,
                        name.span,
                        format!("`{dotted}` imports itself: {circle} -> {dotted}"),
                    )
                    .help("move what they share into a module of its own"),
                );
                return None;
            }
            None => {}
        }
        let Some(source) = self.find(name, &dotted) else {
            self.imported.insert(dotted, Import::Failed);
            return None;
        };
        let Some(source) = source else {
            // a member file of the site: its statements are there already
            self.imported.insert(dotted, Import::Done);
            return Some(());
        };
        self.imported.insert(dotted.clone(), Import::Reading);
        let text = self.sources.get(source).map(|f| std::sync::Arc::clone(f.text()))?;
        let (tree, faults) = syntax::parse(source, &text);
        self.findings.extend(faults);
        self.local_modules(&dotted, &tree.items);
        stack.push(dotted.clone());
        let owner = if dotted.starts_with("std.") { None } else { owner };
        let items = tree.items.into_iter().filter(|i| !matches!(i.kind, ItemKind::Module(_))).collect();
        self.add(items, owner, stack);
        stack.pop();
        self.imported.insert(dotted, Import::Done);
        Some(())
    }

    /// Reports member files that import each other in a circle, each circle once.
    fn circles(&mut self) {
        let mut done: BTreeSet<SourceId> = BTreeSet::new();
        for start in self.edges.keys().copied().collect::<Vec<_>>() {
            // files on the way here, each with the next of its imports to follow
            let mut way: Vec<(SourceId, usize)> = vec![(start, 0)];
            while let Some((file, next)) = way.last_mut() {
                let file = *file;
                let edge = self.edges.get(&file).and_then(|edges| edges.get(*next)).copied();
                *next += 1;
                let Some((to, span)) = edge.filter(|_| !done.contains(&file)) else {
                    done.insert(file);
                    way.pop();
                    continue;
                };
                match way.iter().position(|(on, _)| *on == to) {
                    Some(at) => {
                        let on = way.get(at..).unwrap_or_default().iter().map(|(file, _)| *file);
                        let names: Vec<&str> = on.chain([to]).map(|file| self.sources.path(file)).collect();
                        self.findings.push(
                            Diagnostic::error(
                                codes::IMPORT_CYCLE,
                                span,
                                format!("files import each other in a circle: {}", names.join(" -> ")),
                            )
                            .help("leave the import out: a site's files see each other's declarations"),
                        );
                    }
                    None => way.push((to, 0)),
                }
            }
        }
    }

    /// The text of an import; `Some(None)`: a member of the site.
    fn find(&mut self, name: &Name, dotted: &str) -> Option<Option<SourceId>> {
        if let Some(source) = self.repository.modules.get(dotted) {
            return Some(Some(*source));
        }
        let path = path_of(dotted);
        if self.members.contains_key(&path) {
            return Some(None);
        }
        if !dotted.starts_with("std.") {
            match self.repository.data(&path, name.span) {
                Ok(file) => {
                    return Some(Some(self.sources.add(file.path.as_str(), file.text.as_ref())));
                }
                Err(finding) if finding.code != codes::UNREADABLE => {
                    self.findings.push(*finding);
                    return None;
                }
                Err(_) => {}
            }
        }
        let finding = Diagnostic::error(
            codes::UNKNOWN_IMPORT,
            name.span,
            format!("there is nothing to import under `{dotted}`"),
        );
        let known = self.repository.modules.keys().map(String::as_str);
        self.findings.push(match crate::diag::nearest(dotted, known) {
            Some(near) => finding.help(format!("did you mean `{near}`?")),
            None if dotted.starts_with("std.") => {
                let all: Vec<&str> = self.repository.modules.keys().map(String::as_str).collect();
                finding.help(format!("the library holds {}", super::props::listed(&all)))
            }
            None => finding.help(format!("it would stand in `{path}`")),
        });
        None
    }

    /// Puts a module's statements in the place of its `use`.
    fn expand(&mut self, node: &ast::Use, span: Span, owner: Option<usize>, stack: &mut Vec<String>) {
        let dotted = node.module.text();
        if stack.len() >= MOST_DEPTH {
            self.findings.push(Diagnostic::error(codes::TOO_DEEP, span, "modules use each other too deeply"));
            return;
        }
        if stack.contains(&dotted) {
            let circle = stack.join(" -> ");
            self.findings.push(
                Diagnostic::error(
                    codes::IMPORT_CYCLE,
                    node.module.span,
                    format!("`{dotted}` uses itself: {circle} -> {dotted}"),
                )
                .help("break the circle"),
            );
            return;
        }
        if !self.modules.contains_key(&dotted) {
            let library = dotted.starts_with("std.");
            if library && self.import(&node.module, owner, stack).is_none() {
                return;
            }
        }
        let Some(found) = self.modules.get(&dotted).cloned() else {
            if self.broken.contains(&dotted) {
                return;
            }
            let finding = Diagnostic::error(
                codes::UNKNOWN_IMPORT,
                node.module.span,
                format!("there is no module `{dotted}`"),
            );
            self.findings.push(
                match crate::diag::nearest(&dotted, self.modules.keys().map(String::as_str)) {
                    Some(near) => finding.help(format!("did you mean `{near}`?")),
                    None => {
                        finding.help("declare it with `module NAME(..) { .. }`, or import the file that does")
                    }
                },
            );
            return;
        };
        let Some(values) = self.arguments(node, &found.module, &dotted) else { return };
        let prefix = match &node.alias {
            Some(alias) => alias.text.clone(),
            None => found.module.name.text.clone(),
        };
        if self.statements.overflown {
            return;
        }
        let bindings = Bindings::new(values, &prefix, &found.module, node.class.clone(), span);
        let items = substitute::instantiate(&found.module, &bindings);
        self.expanded += items.len().max(1);
        self.expanded_bytes += items.iter().map(|item| u64::from(item.span.len())).sum::<u64>();
        if self.expanded > MOST_EXPANDED || self.expanded_bytes > MOST_EXPANDED_BYTES {
            // said once: what the others would add is not looked at any more
            self.statements.overflown = true;
            let message = format!("modules add more than {MOST_EXPANDED} statements or 64 MiB");
            self.findings.push(
                Diagnostic::error(codes::TOO_LARGE, span, message).help(
                    "modules that use modules multiply what they hold: write a rule over a group instead",
                ),
            );
            return;
        }
        stack.push(dotted);
        self.add(items, owner, stack);
        stack.pop();
    }

    fn arguments(
        &mut self,
        node: &ast::Use,
        module: &ast::Module,
        dotted: &str,
    ) -> Option<BTreeMap<String, ast::Expr>> {
        let mut values = BTreeMap::new();
        let mut fine = true;
        let mut seen = BTreeSet::new();
        for arg in &node.args {
            let name = arg.name.text.as_str();
            if !seen.insert(name) {
                self.findings.push(Diagnostic::error(
                    codes::WRONG_ARGUMENTS,
                    arg.name.span,
                    format!("`{name}` is given twice"),
                ));
                fine = false;
                continue;
            }
            let Some(parameter) = module.parameters.iter().find(|p| p.name.text == name) else {
                let known: Vec<&str> = module.parameters.iter().map(|p| p.name.text.as_str()).collect();
                let finding = Diagnostic::error(
                    codes::WRONG_ARGUMENTS,
                    arg.name.span,
                    format!("the module `{dotted}` has no parameter `{name}`"),
                )
                .label(module.name.span, "declared here");
                self.findings.push(match crate::diag::nearest(name, known.iter().copied()) {
                    Some(near) => finding.help(format!("did you mean `{near}`?")),
                    None => finding.help(format!("it takes {}", super::props::listed(&known))),
                });
                fine = false;
                continue;
            };
            if let Err(why) = substitute::fits(&arg.value, &parameter.kind, &self.currency()) {
                let finding = Diagnostic::error(
                    codes::WRONG_ARGUMENTS,
                    arg.value.span,
                    format!("`{name}` needs {why}"),
                )
                .label(parameter.span, "the parameter");
                self.findings.push(finding);
                fine = false;
                continue;
            }
            values.insert(name.to_owned(), arg.value.clone());
        }
        for parameter in &module.parameters {
            let name = parameter.name.text.as_str();
            if values.contains_key(name) || seen.contains(name) {
                continue;
            }
            match &parameter.default {
                Some(default) => {
                    values.insert(name.to_owned(), default.clone());
                }
                None => {
                    let finding = Diagnostic::error(
                        codes::WRONG_ARGUMENTS,
                        node.module.span,
                        format!("the module `{dotted}` needs `{name}`"),
                    )
                    .label(parameter.span, "the parameter");
                    self.findings.push(finding.help(format!("add `{name}: ..`")));
                    fine = false;
                }
            }
        }
        fine.then_some(values)
    }

    /// The site's currency as far as it is known before anything is resolved.
    fn currency(&self) -> String {
        self.statements
            .list
            .iter()
            .find_map(|statement| match &statement.item.kind {
                ItemKind::Declaration(d) if d.keyword == ast::Keyword::Site => {
                    d.properties.iter().find_map(|p| {
                        let key = p.key.as_ref()?;
                        (key.text == "currency")
                            .then(|| p.leading_words().get(1).map(|w| w.text.clone()))
                            .flatten()
                    })
                }
                _ => None,
            })
            .unwrap_or_default()
    }
}
