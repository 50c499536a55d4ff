//! What in a change needs the owner's consent (semantics.md 20): permits, admission, assumptions,
//! priorities, rules of the first class, grants and keys, fail-safe values and `life_safety` marks, and what
//! the manifest says of owners, lint levels and waivers. Statements are compared in their canonical form, so
//! that neither layout nor order counts; what they mean by tags and lists, `rests` compares.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::ast::{
    Admission, AdmissionTest, Declaration, Expr, ExprKind, Item, ItemKind, Keyword, Module, Use,
};
use crate::diag::{Diagnostic, SourceId, SourceMap, Span, codes};
use crate::ir::Site;
use crate::repo::{Manifest, Repository};
use crate::syntax;

/// What a rule of the first class is called here.
pub(super) const FIRST_CLASS: &str = "a rule of the first class";
/// What a group is called that such a statement names.
pub(super) const GROUP: &str = "a group that a guarded statement names";
/// And a schedule.
pub(super) const SCHEDULE: &str = "a schedule that a guarded statement names";
/// And the site's word on emergencies.
pub(super) const EMERGENCY: &str = "what an emergency is";

/// What a statement is and, where it has one, its name; of others the statement itself.
pub(super) type Key = (&'static str, String);
/// All that need the owner, of one revision.
pub(super) type Found = BTreeMap<Key, Guarded>;

/// A statement that needs the owner.
#[derive(Debug, Clone)]
pub(super) struct Guarded {
    /// Its canonical text.
    pub(super) text: String,
    /// Where it stands.
    pub(super) span: Span,
    /// In which file.
    pub(super) path: String,
    /// Hash of each key file that it names, by its path; empty where there is none.
    keys: BTreeMap<String, String>,
}

/// What differs, and what needs the owner on either side.
#[derive(Debug, Default)]
pub struct Changes {
    /// The differences.
    pub findings: Vec<Diagnostic>,
    pub(super) before: Found,
    pub(super) after: Found,
}

/// A finding that needs the owner.
pub(super) fn told(span: Span, message: String) -> Diagnostic {
    Diagnostic::warning(codes::NEEDS_OWNER, span, message).help("ask the site's owner to look at it")
}

/// Every such difference between the policy at a revision and the one under review. Texts of the revision
/// that are shown, and those that are imported, join the repositories' sources.
#[must_use]
pub fn changes(revision: &str, mut old: Option<&mut Repository<'_>>, new: &mut Repository<'_>) -> Changes {
    let there = old.as_deref_mut().map(read).unwrap_or_default();
    let here = read(new);
    let (old, mut sources) = (old.as_deref(), std::mem::take(&mut new.sources));
    new.sources.clone_from(&sources);
    // what one side puts into the first class is of it on both
    let mut modules = BTreeSet::new();
    for texts in [&there, &here] {
        raised(texts, &mut modules);
    }
    let before = old.map(|old| statements(old, &there, &modules)).unwrap_or_default();
    let after = statements(new, &here, &modules);
    let mut shown: BTreeMap<SourceId, SourceId> = BTreeMap::new();
    let mut at_revision = |span: Span, sources: &mut SourceMap| -> Span {
        let Some(old) = old else { return span };
        let source = *shown.entry(span.source).or_insert_with(|| {
            let path = format!("{}@{revision}", old.sources.path(span.source));
            sources.add(path.as_str(), old.text(span.source))
        });
        Span { source, ..span }
    };
    let mut found = Vec::new();
    for (key, now) in &after {
        let (what, shown) = (key.0, line(&now.text));
        match before.get(key) {
            None => found.push(told(now.span, format!("{what} is not in `{revision}`: `{shown}`"))),
            Some(old) if old.text != now.text => {
                let finding = told(now.span, format!("{what} is another in `{revision}`: `{shown}`"));
                found.push(finding.because(format!("it was `{}`", line(&old.text))));
            }
            Some(old) => {
                for (path, hash) in &now.keys {
                    if old.keys.get(path) != Some(hash) {
                        let message =
                            format!("{what} rests on another `{path}` than in `{revision}`: `{shown}`");
                        found.push(told(now.span, message));
                    }
                }
            }
        }
    }
    for (key, gone) in before.iter().filter(|(key, _)| !after.contains_key(*key)) {
        let span = at_revision(gone.span, &mut sources);
        found.push(told(span, format!("{} of `{revision}` is gone: `{}`", key.0, line(&gone.text))));
    }
    let whole =
        |repository: &Repository<'_>, path: &str| repository.files.iter().any(|file| file.path == path);
    let owned = old.into_iter().flat_map(|old| &old.files).filter(|file| file.owner.is_none());
    for file in owned.filter(|file| !whole(new, &file.path)) {
        let span = at_revision(Span { source: file.source, start: 0, end: 0 }, &mut sources);
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
    new.sources = sources;
    Changes { findings: found, before, after }
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
    let listed = changed.map(|family| {
        let what = format!("what `{}` falls back to is another than in `{revision}`", family.name);
        told(family.span, what).because("by its declaration or its profile")
    });
    listed.collect()
}

/// A statement on one line, not too long.
pub(super) fn line(text: &str) -> String {
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

/// A text that may hold guarded statements.
struct Text {
    source: SourceId,
    path: String,
    /// Whether it is the site owner's.
    owners: bool,
    text: Arc<str>,
    items: Vec<Item>,
}

impl Text {
    fn new(source: SourceId, path: &str, owners: bool, text: Arc<str>) -> Self {
        let items = syntax::parse(source, &text).0.items;
        Self { source, path: path.to_owned(), owners, text, items }
    }
}

/// The texts of a policy: its files, and what these import from elsewhere in the repository.
fn read(repository: &mut Repository<'_>) -> Vec<Text> {
    let files = repository.files.iter();
    let mut texts: Vec<Text> = files
        .map(|file| {
            let text = repository.text(file.source);
            Text::new(file.source, &file.path, file.owner.is_none(), text)
        })
        .collect();
    let mut known: BTreeSet<String> = texts.iter().map(|text| text.path.clone()).collect();
    let mut next = 0;
    while let Some(text) = texts.get(next) {
        next += 1;
        let owners = text.owners;
        let imports = text.items.iter().filter_map(|item| match &item.kind {
            ItemKind::Import(name) => Some((super::module::path_of(&name.text()), name.span)),
            _ => None,
        });
        let mut more = Vec::new();
        for (path, span) in imports {
            // one that cannot be read is an error of its own
            if let Some(file) =
                known.insert(path.clone()).then(|| repository.data(&path, span).ok()).flatten()
            {
                let source = repository.sources.add(file.path.as_str(), file.text.as_ref());
                more.push(Text::new(source, &file.path, owners, file.text));
            }
        }
        texts.append(&mut more);
    }
    // of what is declared twice, which is an error of its own, the first counts, and the owner's before others
    texts.sort_by_key(|text| !text.owners);
    texts
}

/// The modules that a policy uses in its first class, and those that these use, by their own names.
fn raised(texts: &[Text], modules: &mut BTreeSet<String>) {
    let items = || texts.iter().flat_map(|text| &text.items);
    let first = first_class(texts.iter().filter(|text| text.owners).flat_map(|text| &text.items));
    let own_name = |used: &Use| used.module.parts.last().map(|part| part.ident.text.clone());
    for item in items() {
        if let ItemKind::Use(used) = &item.kind
            && used.class.as_ref().is_some_and(|class| Some(class.text.as_str()) == first.as_deref())
        {
            modules.extend(own_name(used));
        }
    }
    let within = |module: &Module| -> Vec<String> {
        let used = module.items.iter().filter_map(|item| match &item.kind {
            ItemKind::Use(used) => own_name(used),
            _ => None,
        });
        used.collect()
    };
    let mut open: Vec<String> = modules.iter().cloned().collect();
    while let Some(name) = open.pop() {
        for item in items() {
            if let ItemKind::Module(module) = &item.kind
                && module.name.text == name
            {
                open.extend(within(module).into_iter().filter(|inner| modules.insert(inner.clone())));
            }
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
fn statements(repository: &Repository<'_>, texts: &[Text], modules: &BTreeSet<String>) -> Found {
    let mut found = Found::new();
    let first = first_class(texts.iter().filter(|text| text.owners).flat_map(|text| &text.items));
    let mut named: BTreeMap<String, (Key, Guarded)> = BTreeMap::new();
    for Text { source, path, text, items, .. } in texts {
        let canonical = syntax::format(*source, text).text;
        let formed = syntax::parse(*source, &canonical).0.items;
        let mut reader = Reader {
            first: first.as_deref(),
            modules,
            text: &canonical,
            path,
            repository,
            found: &mut found,
        };
        // formatting keeps statements and their order
        for (item, formed) in items.iter().zip(&formed) {
            // a tenant may speak in the first class, and declare what a permit of its names; what else is
            // the owner's alone is an error in its files
            reader.item(item, formed, "");
            let (what, name) = match &item.kind {
                ItemKind::Group(group) => (GROUP, &group.name.text),
                ItemKind::Schedule(schedule) => (SCHEDULE, &schedule.name.text),
                _ => continue,
            };
            let guarded = reader.guarded(reader.slice(formed.span), item.span);
            named.entry(name.clone()).or_insert(((what, name.clone()), guarded));
        }
    }
    let mut open: Vec<String> = found.values().map(|guarded| guarded.text.clone()).collect();
    while let Some(text) = open.pop() {
        let words = text.split(|c: char| !c.is_alphanumeric() && c != '_').filter(|word| !word.is_empty());
        for word in words {
            if let Some((key, guarded)) = named.remove(word) {
                open.push(guarded.text.clone());
                found.insert(key, guarded);
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
    path: &'r str,
    repository: &'r Repository<'r>,
    found: &'r mut Found,
}

impl Reader<'_> {
    fn slice(&self, span: Span) -> String {
        self.text.get(span.start as usize..span.end as usize).unwrap_or_default().to_owned()
    }

    fn guarded(&self, text: String, span: Span) -> Guarded {
        Guarded { text, span, path: self.path.to_owned(), keys: BTreeMap::new() }
    }

    fn put(&mut self, what: &'static str, name: Option<String>, text: String, span: Span) {
        let key = (what, name.unwrap_or_else(|| text.clone()));
        let guarded = self.guarded(text, span);
        self.found.entry(key).or_insert(guarded);
    }

    /// The same by a name within a module. Modules of one name may stand in several files: none hides what
    /// another says.
    fn put_within(&mut self, what: &'static str, (within, name): (&str, &str), text: String, span: Span) {
        let mut name = format!("{within}{name}");
        let other = self.found.get(&(what, name.clone()));
        if !within.is_empty() && other.is_some_and(|other| other.path != self.path && other.text != text) {
            name = format!("{} {name}", self.path);
        }
        self.put(what, Some(name), text, span);
    }

    /// An admission, with what the key files hold that it names.
    fn admission(&mut self, own: &Admission, text: String) {
        let files = own.tests.iter().filter_map(|(word, test)| match test {
            AdmissionTest::Is(Expr { kind: ExprKind::Text(path), span }) if word.text == "signature" => {
                let file = self.repository.data(&path.value, *span);
                Some((path.value.clone(), file.map(|file| file.sha256).unwrap_or_default()))
            }
            _ => None,
        });
        let guarded = Guarded { keys: files.collect(), ..self.guarded(text.clone(), own.span) };
        self.found.insert(("an admission", text), guarded);
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
                    self.admission(own, text);
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
                self.put_within(FIRST_CLASS, (within, &rule.name.text), text, item.span);
            }
            (ItemKind::Budget(budget), _)
                if budget.class.as_ref().is_some_and(|class| Some(class.text.as_str()) == self.first) =>
            {
                let name = (within, budget.name.text.as_str());
                self.put_within("a budget of the first class", name, text, item.span);
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
                        Some("emergency") => EMERGENCY,
                        // by these every schedule is read
                        Some("timezone") => "the time zone",
                        Some("location") => "where the sun is reckoned",
                        _ => continue,
                    };
                    let said = format!("{name}: {}", self.slice(formed.span));
                    self.put(what, Some(name.clone()), said, property.span);
                }
            }
        }
    }
}
