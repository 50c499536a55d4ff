//! What in a change needs the owner's consent (semantics.md 20): permits, admission, assumptions,
//! priorities, rules of the first class, grants and keys, fail-safe values and `life_safety` marks, and what
//! the manifest says of owners, lint levels and waivers. Statements are compared in their canonical form, so
//! that neither layout nor order counts.

use std::collections::{BTreeMap, BTreeSet};

use crate::ast::{Declaration, Item, ItemKind, Keyword};
use crate::diag::{Diagnostic, SourceId, SourceMap, Span, codes};
use crate::ir::Site;
use crate::repo::{Manifest, RepoFile, Repository};
use crate::syntax;

/// What a statement is and, where it has one, its name; of others the statement itself.
type Key = (&'static str, String);
/// Canonical text, and where it stands.
type Found = BTreeMap<Key, (String, Span)>;

/// Every such difference between the policy at a revision and the one under review. Texts of the revision
/// that are shown join `sources`.
#[must_use]
pub fn changes(
    revision: &str,
    old: Option<&Repository<'_>>,
    new: &Repository<'_>,
    sources: &mut SourceMap,
) -> Vec<Diagnostic> {
    // what one side puts into the first class is of it on both
    let mut modules = BTreeSet::new();
    for repository in old.into_iter().chain([new]) {
        raised(repository, &mut modules);
    }
    let before = old.map(|old| statements(old, &modules)).unwrap_or_default();
    let after = statements(new, &modules);
    let mut shown: BTreeMap<SourceId, SourceId> = BTreeMap::new();
    let mut there = |span: Span, sources: &mut SourceMap| -> Span {
        let Some(old) = old else { return span };
        let source = *shown.entry(span.source).or_insert_with(|| {
            let path = format!("{}@{revision}", old.sources.path(span.source));
            sources.add(path.as_str(), old.text(span.source))
        });
        Span { source, ..span }
    };
    let mut found = Vec::new();
    let told = |span, message: String| {
        Diagnostic::warning(codes::NEEDS_OWNER, span, message).help("ask the site's owner to look at it")
    };
    for ((what, name), (text, span)) in &after {
        match before.get(&(what, name.clone())) {
            None => found.push(told(*span, format!("{what} is not in `{revision}`: `{}`", line(text)))),
            Some((other, _)) if other != text => {
                let finding = told(*span, format!("{what} is another in `{revision}`: `{}`", line(text)));
                found.push(finding.because(format!("it was `{}`", line(other))));
            }
            Some(_) => {}
        }
    }
    for (key, (text, span)) in before.iter().filter(|(key, _)| !after.contains_key(*key)) {
        let span = there(*span, sources);
        found.push(told(span, format!("{} of `{revision}` is gone: `{}`", key.0, line(text))));
    }
    let whole =
        |repository: &Repository<'_>, path: &str| repository.files.iter().any(|file| file.path == path);
    let owned = old.into_iter().flat_map(|old| &old.files).filter(|file| file.owner.is_none());
    for file in owned.filter(|file| !whole(new, &file.path)) {
        let span = there(Span { source: file.source, start: 0, end: 0 }, sources);
        found.push(told(
            span,
            format!("`{}` of `{revision}` is no policy file of the site any more", file.path),
        ));
    }
    let proposed = new.proposed.as_ref();
    let base = old.map_or(&new.manifest, |old| &old.manifest);
    let pairs = proposed.into_iter().flat_map(|proposed| manifest(base, proposed));
    found.extend(pairs.map(|(what, span)| {
        let finding = told(span, format!("the manifest's {what} differ from those of `{revision}`"));
        finding.because(format!("those of `{revision}` count until the change is accepted"))
    }));
    found
}

/// The devices whose fail-safe value or `life_safety` mark differs, wherever it stands: in a profile too.
#[must_use]
pub fn defaults(revision: &str, old: Option<&Site>, new: &Site) -> Vec<Diagnostic> {
    let Some(old) = old else { return Vec::new() };
    let by_name = |name: &str| old.families.iter().find(|family| family.name == name);
    let safe = |family: &crate::ir::Family| {
        let at = family.fail_safe.as_ref().map(|safe| (safe.at.clone(), safe.by));
        (at, family.life_safety)
    };
    let changed =
        new.families.iter().filter(|family| by_name(&family.name).is_some_and(|b| safe(b) != safe(family)));
    let told = changed.map(|family| {
        let what = format!("what `{}` falls back to is another than in `{revision}`", family.name);
        Diagnostic::warning(codes::NEEDS_OWNER, family.span, what)
            .because("by its declaration or its profile")
            .help("ask the site's owner to look at it")
    });
    told.collect()
}

/// A statement on one line, not too long.
fn line(text: &str) -> String {
    let whole: Vec<&str> = text.split_whitespace().collect();
    let whole = whole.join(" ");
    match whole.char_indices().nth(100) {
        Some((end, _)) => format!("{} ..", whole.get(..end).unwrap_or_default()),
        None => whole,
    }
}

/// What of the manifest differs, with a place for it.
fn manifest(base: &Manifest, proposed: &Manifest) -> Vec<(&'static str, Span)> {
    let place = |found: Option<Span>| {
        let source = proposed.source.unwrap_or(SourceId(0));
        found.unwrap_or(Span { source, start: 0, end: 0 })
    };
    let owners = |m: &Manifest| m.owners.iter().map(|(p, o, _)| (p.clone(), o.clone())).collect::<Vec<_>>();
    let waivers = |m: &Manifest| {
        let waiver = |w: &crate::repo::Waiver| (w.code, w.statement.clone(), w.until);
        m.waivers.iter().map(waiver).collect::<Vec<_>>()
    };
    let members = |m: &Manifest| m.members.iter().map(|(pattern, _)| pattern.clone()).collect::<Vec<_>>();
    let mut found = Vec::new();
    if members(base) != members(proposed) {
        found.push(("members", place(proposed.members.first().map(|(_, span)| *span))));
    }
    if owners(base) != owners(proposed) {
        found.push(("owners", place(proposed.owners.first().map(|(.., span)| *span))));
    }
    if base.settings.lints != proposed.settings.lints {
        found.push(("lint levels", place(None)));
    }
    if waivers(base) != waivers(proposed) {
        found.push(("waivers", place(proposed.waivers.first().map(|waiver| waiver.span))));
    }
    found
}

/// The modules that a policy uses in its first class.
fn raised(repository: &Repository<'_>, modules: &mut BTreeSet<String>) {
    let files = repository.files.iter().filter(|file| file.owner.is_none());
    let items: Vec<Item> =
        files.flat_map(|file| syntax::parse(file.source, &repository.text(file.source)).0.items).collect();
    let first = first_class(&items);
    for item in &items {
        if let ItemKind::Use(used) = &item.kind
            && used.class.as_ref().is_some_and(|class| Some(class.text.as_str()) == first.as_deref())
        {
            modules.insert(used.module.text());
        }
    }
}

/// The name of the first class.
fn first_class<'i>(items: impl IntoIterator<Item = &'i Item>) -> Option<String> {
    items.into_iter().find_map(|item| match &item.kind {
        ItemKind::Priorities(classes) => classes.first().map(|class| class.text.clone()),
        _ => None,
    })
}

/// Everything of a policy that needs its owner. Groups and schedules that such a statement names do so too,
/// and those that these name.
fn statements(repository: &Repository<'_>, modules: &BTreeSet<String>) -> Found {
    let mut found = Found::new();
    let texts: Vec<(&RepoFile, std::sync::Arc<str>, String)> = repository
        .files
        .iter()
        .map(|file| {
            let text = repository.text(file.source);
            let canonical = syntax::format(file.source, &text).text;
            (file, text, canonical)
        })
        .collect();
    let parsed: Vec<(bool, Vec<Item>, Vec<Item>, &String)> = texts
        .iter()
        .map(|(file, text, canonical)| {
            let items = |text: &str| syntax::parse(file.source, text).0.items;
            (file.owner.is_none(), items(text), items(canonical), canonical)
        })
        .collect();
    let of_owner = parsed.iter().filter(|(is_owners, ..)| *is_owners);
    let first = first_class(of_owner.flat_map(|(_, items, ..)| items));
    let mut named: BTreeMap<String, (&'static str, String, Span)> = BTreeMap::new();
    for (is_owners, items, canonical, text) in &parsed {
        // formatting keeps statements and their order
        for (item, formed) in items.iter().zip(canonical) {
            let mut reader = Reader { first: first.as_deref(), modules, text, found: &mut found };
            if *is_owners {
                reader.item(item, formed, "");
            }
            // a tenant may have declared what a permit of its names
            let (what, name) = match &item.kind {
                ItemKind::Group(group) => ("a group that a guarded statement names", &group.name.text),
                ItemKind::Schedule(schedule) => {
                    ("a schedule that a guarded statement names", &schedule.name.text)
                }
                _ => continue,
            };
            let text = reader.slice(formed.span);
            named.insert(name.clone(), (what, text, item.span));
        }
    }
    let mut open: Vec<String> = found.values().map(|(text, _)| text.clone()).collect();
    while let Some(text) = open.pop() {
        let words = text.split(|c: char| !c.is_alphanumeric() && c != '_').filter(|word| !word.is_empty());
        for word in words {
            if let Some((what, text, span)) = named.remove(word) {
                open.push(text.clone());
                found.insert((what, word.to_owned()), (text, span));
            }
        }
    }
    found
}

struct Reader<'r> {
    first: Option<&'r str>,
    /// Modules that are used in the first class: their rules without a class are of it.
    modules: &'r BTreeSet<String>,
    /// The canonical text.
    text: &'r str,
    found: &'r mut Found,
}

impl Reader<'_> {
    fn slice(&self, span: Span) -> String {
        self.text.get(span.start as usize..span.end as usize).unwrap_or_default().to_owned()
    }

    fn put(&mut self, what: &'static str, name: Option<String>, text: String, span: Span) {
        self.found.insert((what, name.unwrap_or_else(|| text.clone())), (text, span));
    }

    fn item(&mut self, item: &Item, formed: &Item, within: &str) {
        let text = self.slice(formed.span);
        match (&item.kind, &formed.kind) {
            (ItemKind::Permission(permission), _) => {
                let what = if permission.permit { "a permit" } else { "a forbid" };
                self.put(what, None, text, item.span);
            }
            (ItemKind::Admit(admit), ItemKind::Admit(canonical)) => {
                for (own, formed) in admit.admissions.iter().zip(&canonical.admissions) {
                    let text = self.slice(formed.span);
                    self.put("an admission", None, text, own.span);
                }
            }
            (ItemKind::Assume(_), _) => self.put("an assumption", None, text, item.span),
            (ItemKind::Priorities(_), _) => {
                self.put("the order of priorities", Some(String::new()), text, item.span);
            }
            (ItemKind::Rule(rule), _)
                if match &rule.class {
                    Some(class) => Some(class.text.as_str()) == self.first,
                    None => self.modules.contains(within.trim_end_matches('.')),
                } =>
            {
                let name = format!("{within}{}", rule.name.text);
                self.put("a rule of the first class", Some(name), text, item.span);
            }
            (ItemKind::Budget(budget), _)
                if budget.class.as_ref().is_some_and(|class| Some(class.text.as_str()) == self.first) =>
            {
                self.put("a budget of the first class", Some(budget.name.text.clone()), text, item.span);
            }
            (ItemKind::Use(found), _)
                if found.class.as_ref().is_some_and(|class| Some(class.text.as_str()) == self.first) =>
            {
                self.put("a module in the first class", None, text, item.span);
            }
            (ItemKind::Module(module), ItemKind::Module(canonical)) => {
                let within = format!("{}.", module.name.text);
                for (own, formed) in module.items.iter().zip(&canonical.items) {
                    self.item(own, formed, &within);
                }
            }
            (ItemKind::Declaration(own), ItemKind::Declaration(canonical)) => {
                self.declaration(own, canonical, text, item.span);
            }
            _ => {}
        }
    }

    fn declaration(&mut self, own: &Declaration, canonical: &Declaration, text: String, span: Span) {
        let name = own.name.as_ref().map(|name| name.text.clone()).unwrap_or_default();
        match own.keyword {
            Keyword::Tenant => self.put("a tenant's grant", Some(name), text, span),
            Keyword::Vendor => self.put("a vendor's grant or key", Some(name), text, span),
            _ => {
                for (property, formed) in own.properties.iter().zip(&canonical.properties) {
                    let key = property.key.as_ref().map(|key| key.text.as_str());
                    let what = match key {
                        Some("fail_safe") => "a fail-safe value",
                        Some("life_safety") => "a `life_safety` mark",
                        Some("signatures") => "whether documents are signed",
                        Some("emergency") => "what an emergency is",
                        _ => continue,
                    };
                    let said = format!("{name}: {}", self.slice(formed.span));
                    self.put(what, Some(name.clone()), said, property.span);
                }
            }
        }
    }
}
