//! Text to typed policy: names, types, units, groups and schedules are settled here, and what comes
//! out is the only form of a policy that later rooms read.
//!
//! Three passes. The first collects the declared names of all files, so that order does not matter.
//! The second gives meaning to declarations, in an order in which each finds what it needs. The
//! third lowers rules and the other statements that speak about devices. A statement that fails is
//! reported once; what uses its name is not reported again, and everything else is still examined.

mod admission;
mod away;
mod bound;
mod budget;
mod collect;
mod consumer;
mod control;
mod decl;
mod device;
mod effect;
mod electrical;
mod expr;
mod feed;
mod group;
mod guard;
pub mod guarded;
mod inventory;
mod module;
mod names;
mod network;
mod obligation;
mod partial;
mod permit;
mod price;
mod producer;
mod profile;
mod props;
mod reads;
mod reference;
pub mod rests;
mod rule;
mod schedule;
mod signal;
mod site;
mod storage;
mod substitute;
mod target;
mod tariff;
mod test;
mod unneeded;
mod value;
mod window;
mod zone;

use std::collections::{BTreeMap, BTreeSet};

use crate::ast;
use crate::bundle;
use crate::diag::{Code, Diagnostic, Diagnostics, SourceId, SourceMap, Span, codes};
use crate::ir;
use crate::repo::Repository;

use collect::Statements;
use names::Names;
pub use partial::{Left, Partial};

/// Declared devices, counting the members of arrays.
const MOST_DEVICES: u64 = 10_000_000;
/// Members of one array.
const MOST_MEMBERS: u32 = 1_000_000;
/// Statements of one site, modules expanded.
const MOST_STATEMENTS: usize = 1_000_000;

/// What came of a repository.
#[derive(Debug)]
pub struct Compiled {
    /// The policy; `None` where there are errors.
    pub site: Option<ir::Site>,
    /// Where there are errors: what can be checked all the same.
    pub partial: Option<Partial>,
    /// All texts that were read, for findings.
    pub sources: SourceMap,
    /// Everything found, sorted, with the repository's own findings.
    pub findings: Diagnostics,
}

/// Compiles a repository's policy.
#[must_use]
pub fn compile(repository: &Repository<'_>) -> Compiled {
    let mut sources = repository.sources.clone();
    let mut findings = repository.findings.clone();
    let statements = module::load(repository, &mut sources, &mut findings);
    let mut compiler = Compiler::new(repository, &sources, &statements, findings);
    let whole = !repository.unread && !statements.overflown;
    if whole {
        compiler.run(&statements);
    }
    let Compiler { site, mut findings, .. } = compiler;
    findings.sort(&sources);
    let (site, partial) = if findings.has_errors() {
        let rest = || partial::without_errors(site, &statements, &findings, &sources, repository);
        (None, whole.then(rest).flatten())
    } else {
        (Some(site), None)
    };
    Compiled { site, partial, sources, findings }
}

/// The state of one compilation.
struct Compiler<'a> {
    repository: &'a Repository<'a>,
    sources: &'a SourceMap,
    findings: Diagnostics,
    /// suggestions are dear in a text full of unknown names, so only the first get one
    suggestions: u32,
    site: ir::Site,
    names: Names,
    currency: String,
    currency_known: bool,
    currency_span: Option<Span>,
    /// owner of the statement that is read
    owner: ir::PrincipalId,
    /// what the words of the statement stand for besides the site's names
    scope: guard::Scope,
    signals: BTreeMap<signal::Key, ir::SignalId>,
    attributes: BTreeMap<(ir::GroupId, ir::Attr), Option<crate::quantity::Type>>,
    anonymous: BTreeMap<Vec<ir::MemberRange>, ir::GroupId>,
    schedules: schedule::Schedules<'a>,
    tags: group::TagIndex,
    families: Vec<device::Extra>,
    feeds: Vec<feed::Pending>,
    /// devices that broke while being read: what is said about them is not reported again
    weather: BTreeMap<String, ir::SignalId>,
    weather_broken: bool,
    tariffs: Vec<tariff::Shape>,
    /// those that the site's grids name, each once
    grid_tariffs: Vec<ir::TariffId>,
    /// names of the rule that is read, for its memory bits
    rule: Option<rule::Current>,
}

impl<'a> Compiler<'a> {
    fn new(
        repository: &'a Repository<'a>,
        sources: &'a SourceMap,
        statements: &Statements,
        findings: Diagnostics,
    ) -> Self {
        Self {
            repository,
            sources,
            findings,
            suggestions: 0,
            site: ir::Site::new(statements.site_span()),
            names: Names::default(),
            currency: String::new(),
            currency_known: false,
            currency_span: None,
            owner: ir::OWNER,
            scope: guard::Scope::default(),
            signals: BTreeMap::new(),
            attributes: BTreeMap::new(),
            anonymous: BTreeMap::new(),
            schedules: schedule::Schedules::default(),
            tags: group::TagIndex::default(),
            families: Vec::new(),
            feeds: Vec::new(),
            weather: BTreeMap::new(),
            weather_broken: false,
            tariffs: Vec::new(),
            grid_tariffs: Vec::new(),
            rule: None,
        }
    }

    fn run(&mut self, statements: &'a Statements) {
        let declared = self.collect(statements);
        self.site_statement(&declared);
        self.principals(&declared);
        self.networks(&declared);
        self.shells(&declared);
        self.schedule_statements(&declared);
        self.feed_statements(&declared);
        self.weather_statement(&declared);
        self.event_statements(&declared);
        self.device_statements(&declared);
        self.zone_statements(&declared);
        self.tariff_statements(&declared);
        self.note_grid_tariffs();
        self.group_statements(&declared);
        self.finish_feeds();
        self.inventory_entries();
        self.site_conditions(&declared);
        self.budget_statements(&declared);
        self.rule_statements(&declared);
        self.permission_statements(&declared);
        self.budget_permissions();
        self.admission_statements(&declared);
        self.proof_statements(&declared);
        self.test_statements(&declared);
        self.objective_statement(&declared);
        self.decide_statements(&declared);
        self.unneeded();
        self.away();
        self.places();
    }

    /// Where the statements begin that documents name: a bundle has no texts.
    fn places(&mut self) {
        let spans = bundle::statements(&self.site).map(|statement| bundle::facts(&self.site, statement).2);
        let starts: BTreeSet<(SourceId, u32)> = spans.map(|span| (span.source, span.start)).collect();
        let place = |(source, start)| {
            let found = self.sources.locate(Span::new(source, start, start));
            let at = format!("{}:{}:{}", found.path, found.start.line, found.start.column);
            ir::Place { source, start, at }
        };
        self.site.places = starts.into_iter().map(place).collect();
    }

    fn push(&mut self, finding: Diagnostic) {
        self.findings.push(finding);
    }

    fn error(&mut self, code: Code, span: Span, message: impl Into<String>) {
        self.findings.push(Diagnostic::error(code, span, message));
    }

    /// An error with what mends it.
    fn error_help(&mut self, code: Code, span: Span, message: impl Into<String>, help: &str) {
        self.findings.push(Diagnostic::error(code, span, message).help(help));
    }

    /// Whether some statement could not be read, so that what seems to be missing may stand there.
    fn has_unread_statements(&self) -> bool {
        let unread = |code| {
            matches!(
                code,
                codes::SYNTAX
                    | codes::TOO_DEEP
                    | codes::UNCLOSED
                    | codes::BAD_CHARACTER
                    | codes::LONG_NUMBER
                    | codes::LONG_STATEMENT
                    | codes::LONG_NAME
                    | codes::MANY_ERRORS
            )
        };
        self.findings.iter().any(|finding| unread(finding.code))
    }

    /// What stands at a place.
    fn slice(&self, span: Span) -> &'a str {
        self.sources.slice(span)
    }

    /// What stands at a place, on one line.
    fn text(&self, span: Span) -> String {
        let text = self.slice(span);
        let mut out = String::with_capacity(text.len());
        for line in text.lines() {
            let line = line.split_once("//").map_or(line, |(before, _)| before);
            for word in line.split_whitespace() {
                if !out.is_empty() {
                    out.push(' ');
                }
                out.push_str(word);
            }
        }
        out
    }

    /// Records a statement that this version understands and cannot honour in every verb.
    fn unhonoured(&mut self, what: impl Into<String>, span: Span, check: bool, plan: bool) {
        self.site.unhonoured.push(ir::Unhonoured { what: what.into(), span, check, plan });
    }

    /// Reports a word that nothing declares.
    fn unknown(&mut self, word: &str, span: Span, what: &str) {
        let mut finding =
            Diagnostic::error(codes::UNKNOWN_NAME, span, format!("{what} `{word}` is not declared"))
                .help("declare it, or import the module that does");
        if self.suggestions < 100 {
            self.suggestions += 1;
            if let Some(near) = self.names.near(word) {
                finding = finding.help(format!("did you mean `{near}`?"));
                if let Some(place) = self.names.place(near) {
                    finding = finding.label(place, format!("`{near}` is declared here"));
                }
            }
        }
        self.push(finding);
    }

    /// Reports a name of the wrong kind.
    fn wrong_kind(&mut self, name: &ast::Name, found: names::Entity, wanted: &str) {
        if found == names::Entity::Broken {
            return;
        }
        let text = name.text();
        let mut finding = Diagnostic::error(
            codes::WRONG_KIND,
            name.span,
            format!("`{text}` is {}, and {wanted} is needed here", found.words()),
        );
        let head = name.parts.first().map_or("", |part| part.ident.text.as_str());
        if let Some(place) = self.names.place(head) {
            finding = finding.label(place, format!("`{head}` is declared here"));
        }
        self.push(finding);
    }
}
