//! The first pass: every declared name with its kind and its place in the lists to come.

use super::names::Entity;
use super::{Compiler, MOST_DEVICES, MOST_MEMBERS, MOST_STATEMENTS};
use crate::ast::{self, Declaration, Ident, Item, ItemKind, Keyword};
use crate::diag::{Diagnostic, Span, codes};
use crate::ir::{
    BudgetId, BusId, FamilyId, FeedId, GatewayId, GroupId, LinkId, OWNER, PrincipalId, PrincipalKind, RuleId,
    TariffId, ZoneId,
};

/// One statement with who owns its file.
#[derive(Debug)]
pub(super) struct Statement {
    pub(super) item: Item,
    /// name of the tenant or vendor; `None`: the site owner
    pub(super) owner: Option<usize>,
}

/// All statements of a site, modules expanded, in the order of files and of places in them.
#[derive(Debug, Default)]
pub(super) struct Statements {
    pub(super) list: Vec<Statement>,
    /// names of owners, referred to by [`Statement::owner`], each with one of its files
    pub(super) owners: Vec<(String, Span)>,
    /// the first file, where something is missing
    pub(super) first: Option<Span>,
    /// modules would add more than is read, so that something is missing
    pub(super) overflown: bool,
}

impl Statements {
    /// Where the site is declared, or the first file.
    pub(super) fn site_span(&self) -> Span {
        let declared = self.list.iter().find_map(|statement| match &statement.item.kind {
            ItemKind::Declaration(d) if d.keyword == Keyword::Site => d.name.as_ref().map(|name| name.span),
            _ => None,
        });
        declared.or(self.first).unwrap_or_else(|| Span::file(crate::diag::SourceId(0)))
    }
}

/// A statement with the id of its owner.
#[derive(Debug)]
pub(super) struct Owned<'a, T> {
    pub(super) node: &'a T,
    pub(super) owner: PrincipalId,
    pub(super) span: Span,
}

impl<T> Clone for Owned<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Owned<'_, T> {}

/// The statements by kind; those with a name stand at the position of their id.
#[derive(Debug, Default)]
pub(super) struct Declared<'a> {
    pub(super) site: Option<Owned<'a, Declaration>>,
    pub(super) priorities: Option<(&'a [Ident], Span)>,
    pub(super) weather: Option<Owned<'a, Declaration>>,
    pub(super) objective: Option<Owned<'a, ast::Objective>>,
    pub(super) buses: Vec<Owned<'a, Declaration>>,
    pub(super) links: Vec<Owned<'a, Declaration>>,
    pub(super) gateways: Vec<Owned<'a, Declaration>>,
    pub(super) families: Vec<(Owned<'a, Declaration>, Option<u32>)>,
    pub(super) zones: Vec<Owned<'a, Declaration>>,
    pub(super) tariffs: Vec<Owned<'a, Declaration>>,
    pub(super) feeds: Vec<Owned<'a, Declaration>>,
    pub(super) events: Vec<Owned<'a, Declaration>>,
    pub(super) modes: Vec<Owned<'a, ast::Mode>>,
    pub(super) principals: Vec<(PrincipalKind, Ident, Option<Owned<'a, Declaration>>)>,
    pub(super) schedules: Vec<Owned<'a, ast::ScheduleDecl>>,
    pub(super) groups: Vec<Owned<'a, ast::Group>>,
    pub(super) budgets: Vec<Owned<'a, ast::Budget>>,
    pub(super) rules: Vec<Owned<'a, ast::Rule>>,
    pub(super) permissions: Vec<Owned<'a, ast::Permission>>,
    pub(super) admits: Vec<Owned<'a, ast::Admit>>,
    pub(super) proofs: Vec<Owned<'a, ast::Prove>>,
    pub(super) conforms: Vec<Owned<'a, ast::Conform>>,
    pub(super) tests: Vec<Owned<'a, ast::Test>>,
    pub(super) assumptions: Vec<Owned<'a, ast::Assume>>,
    pub(super) decides: Vec<Owned<'a, Vec<ast::Name>>>,
    pub(super) edition: Option<(u32, Span)>,
}

impl<'a> Compiler<'a> {
    /// Collects the names of all statements.
    pub(super) fn collect(&mut self, statements: &'a Statements) -> Declared<'a> {
        let mut declared = Declared::default();
        if statements.list.len() > MOST_STATEMENTS {
            let span = statements.site_span();
            let message = format!("the site has more than {MOST_STATEMENTS} statements");
            self.error(codes::TOO_LARGE, span, message);
            return declared;
        }
        let owners = self.collect_principals(statements, &mut declared);
        let mut devices: u64 = 0;
        for statement in &statements.list {
            let owner = match statement.owner {
                None => Some(OWNER),
                Some(index) => owners.get(index).copied().flatten(),
            };
            // the owner's name is unknown, which has been reported; its statements are read as its
            // own file's would be
            let owner = owner.unwrap_or(OWNER);
            self.collect_item(&statement.item, owner, &mut declared, &mut devices);
        }
        declared
    }

    fn collect_principals(
        &mut self,
        statements: &'a Statements,
        declared: &mut Declared<'a>,
    ) -> Vec<Option<PrincipalId>> {
        for statement in &statements.list {
            match &statement.item.kind {
                ItemKind::Declaration(d) if matches!(d.keyword, Keyword::Tenant | Keyword::Vendor) => {
                    if statement.owner.is_some() {
                        continue;
                    }
                    let kind = if d.keyword == Keyword::Tenant {
                        PrincipalKind::Tenant
                    } else {
                        PrincipalKind::Vendor
                    };
                    let Some(name) = &d.name else { continue };
                    let owned = Owned { node: d, owner: OWNER, span: statement.item.span };
                    self.declare_principal(kind, name, Some(owned), declared);
                }
                ItemKind::Role(names) if statement.owner.is_none() => {
                    for name in names {
                        self.declare_principal(PrincipalKind::Role, name, None, declared);
                    }
                }
                _ => {}
            }
        }
        let mut owners = Vec::new();
        for (name, place) in &statements.owners {
            let found = match self.names.get(name) {
                Some(Entity::Principal(id)) => {
                    // id 0 is the site's owner, who is not in this list
                    let kind = id.index().checked_sub(1).and_then(|at| declared.principals.get(at));
                    let owns = kind.is_some_and(|(kind, ..)| *kind != PrincipalKind::Role);
                    owns.then_some(id)
                }
                _ => None,
            };
            owners.push(match found {
                Some(id) => Some(id),
                None => {
                    let broken = statements.list.iter().any(|statement| {
                        matches!(&statement.item.kind, ItemKind::Broken(b)
                            if b.name.as_ref().is_some_and(|n| n.text == *name))
                    });
                    if !broken {
                        let finding = Diagnostic::error(
                            codes::UNKNOWN_NAME,
                            *place,
                            format!("this file belongs to `{name}`, and no tenant or vendor of that name is declared"),
                        );
                        self.push(finding.help(format!("declare `tenant {name} {{ classes .. }}` in a file of the site's owner")));
                    }
                    None
                }
            });
        }
        owners
    }

    fn declare_principal(
        &mut self,
        kind: PrincipalKind,
        name: &Ident,
        node: Option<Owned<'a, Declaration>>,
        declared: &mut Declared<'a>,
    ) {
        // the site owner has id 0 and no name
        let id = PrincipalId::at(declared.principals.len() + 1);
        if self.declare(name, Entity::Principal(id)) {
            declared.principals.push((kind, name.clone(), node));
        }
    }

    /// Declares a name; reports it where it is taken.
    pub(super) fn declare(&mut self, name: &Ident, entity: Entity) -> bool {
        const PREDEFINED: [&str; 8] =
            ["weather", "price", "feed", "emergency", "site", "always", "holidays", "any"];
        if PREDEFINED.contains(&name.text.as_str()) {
            self.error_help(
                codes::DUPLICATE_NAME,
                name.span,
                format!("`{}` has a fixed meaning and cannot be declared", name.text),
                "choose another name",
            );
            return false;
        }
        match self.names.declare(&name.text, entity, name.span) {
            Ok(()) => true,
            Err(earlier) => {
                self.duplicate(name, earlier);
                false
            }
        }
    }

    fn duplicate(&mut self, name: &Ident, earlier: Span) {
        let finding =
            Diagnostic::error(codes::DUPLICATE_NAME, name.span, format!("`{}` is declared twice", name.text));
        self.push(
            finding
                .says("declared again here")
                .label(earlier, "first declared here")
                .help("rename one of them; all declarations of a site share one set of names"),
        );
    }

    fn collect_item(
        &mut self,
        item: &'a Item,
        owner: PrincipalId,
        declared: &mut Declared<'a>,
        devices: &mut u64,
    ) {
        if owner != OWNER && !allowed_in_owned_file(&item.kind) {
            let finding = Diagnostic::error(
                codes::NOT_IN_OWNED_FILE,
                head(item),
                format!("a tenant's or vendor's file may not hold {}", describe(&item.kind)),
            );
            self.push(finding.help(
                "it may hold import, use, group, schedule, budget, rule, test and prove; move the rest to a file of the site's owner",
            ));
            return;
        }
        let span = item.span;
        match &item.kind {
            ItemKind::Declaration(node) => {
                self.collect_declaration(Owned { node, owner, span }, declared, devices);
            }
            ItemKind::Priorities(words) => match declared.priorities {
                None => declared.priorities = Some((words, span)),
                Some((_, earlier)) => self.twice("priorities", span, earlier),
            },
            ItemKind::Objective(node) => match declared.objective {
                None => declared.objective = Some(Owned { node, owner, span }),
                Some(earlier) => self.twice("objective", span, earlier.span),
            },
            ItemKind::Group(node) => {
                if self.declare(&node.name, Entity::Group(GroupId::at(declared.groups.len()))) {
                    declared.groups.push(Owned { node, owner, span });
                }
            }
            ItemKind::Schedule(node) => {
                if self.declare(&node.name, Entity::Schedule(declared.schedules.len())) {
                    declared.schedules.push(Owned { node, owner, span });
                }
            }
            ItemKind::Budget(node) => {
                if self.declare(&node.name, Entity::Budget(BudgetId::at(declared.budgets.len()))) {
                    declared.budgets.push(Owned { node, owner, span });
                }
            }
            ItemKind::Rule(node) => {
                if self.declare(&node.name, Entity::Rule(RuleId::at(declared.rules.len()))) {
                    declared.rules.push(Owned { node, owner, span });
                }
            }
            ItemKind::Module(node) => {
                self.declare(&node.name, Entity::Module);
            }
            ItemKind::Mode(node) => declared.modes.push(Owned { node, owner, span }),
            ItemKind::Assume(node) => declared.assumptions.push(Owned { node, owner, span }),
            ItemKind::Permission(node) => declared.permissions.push(Owned { node, owner, span }),
            ItemKind::Admit(node) => declared.admits.push(Owned { node, owner, span }),
            ItemKind::Prove(node) => declared.proofs.push(Owned { node, owner, span }),
            ItemKind::Conform(node) => declared.conforms.push(Owned { node, owner, span }),
            ItemKind::Test(node) => declared.tests.push(Owned { node, owner, span }),
            ItemKind::Decide(node) => declared.decides.push(Owned { node, owner, span }),
            ItemKind::Edition(number) => {
                let edition = self.whole(number, 9999);
                if let (None, Some(edition)) = (declared.edition, edition) {
                    declared.edition = Some((edition, span));
                }
                if edition.is_some_and(|e| e != 2026) {
                    let message = format!("edition `{}` is not known", number.text);
                    let finding = Diagnostic::error(codes::EDITION, number.span, message);
                    self.push(finding.help("this evl reads edition 2026"));
                }
            }
            ItemKind::Broken(broken) => {
                let feed = broken.keyword.as_ref().is_some_and(|k| k.text == "feed");
                let weather = broken.keyword.as_ref().is_some_and(|k| k.text == "weather");
                self.weather_broken |= weather;
                match &broken.name {
                    Some(name) if feed => {
                        // a second declaration of a broken name says nothing new
                        let _taken = self.names.declare_feed(&name.text, None, name.span);
                    }
                    Some(name) => {
                        let _taken = self.names.declare(&name.text, Entity::Broken, name.span);
                    }
                    None => {}
                }
            }
            ItemKind::Role(_) | ItemKind::Import(_) | ItemKind::Use(_) => {}
        }
    }

    fn collect_declaration(
        &mut self,
        owned: Owned<'a, Declaration>,
        declared: &mut Declared<'a>,
        devices: &mut u64,
    ) {
        let node = owned.node;
        let keyword = node.keyword;
        if keyword == Keyword::Weather {
            match declared.weather {
                None => declared.weather = Some(owned),
                Some(earlier) => self.twice("weather", owned.span, earlier.span),
            }
            return;
        }
        let Some(name) = &node.name else {
            self.error_help(
                codes::SYNTAX,
                node.keyword_span,
                format!("`{}` needs a name", keyword.word()),
                "write the name after the keyword",
            );
            return;
        };
        if let Some(array) = &node.array
            && !matches!(
                keyword,
                Keyword::Producer | Keyword::Storage | Keyword::Consumer | Keyword::Control | Keyword::Slot
            )
        {
            self.error_help(
                codes::WRONG_KIND,
                array.span,
                format!("a {} cannot be an array", keyword.word()),
                "declare each one by itself, with a name of its own",
            );
        }
        match keyword {
            Keyword::Site => match declared.site {
                None => declared.site = Some(owned),
                Some(earlier) => self.twice("site", owned.span, earlier.span),
            },
            Keyword::Bus => {
                if self.declare(name, Entity::Bus(BusId::at(declared.buses.len()))) {
                    declared.buses.push(owned);
                }
            }
            Keyword::Link => {
                if self.declare(name, Entity::Link(LinkId::at(declared.links.len()))) {
                    declared.links.push(owned);
                }
            }
            Keyword::Gateway => {
                if self.declare(name, Entity::Gateway(GatewayId::at(declared.gateways.len()))) {
                    declared.gateways.push(owned);
                }
            }
            Keyword::Producer | Keyword::Storage | Keyword::Consumer | Keyword::Control | Keyword::Slot => {
                self.collect_family(owned, name, declared, devices);
            }
            Keyword::Zone => {
                if self.declare(name, Entity::Zone(ZoneId::at(declared.zones.len()))) {
                    declared.zones.push(owned);
                }
            }
            Keyword::Tariff => {
                if self.declare(name, Entity::Tariff(TariffId::at(declared.tariffs.len()))) {
                    declared.tariffs.push(owned);
                }
            }
            Keyword::Feed => {
                let id = FeedId::at(declared.feeds.len());
                match self.names.declare_feed(&name.text, Some(id), name.span) {
                    Ok(()) => declared.feeds.push(owned),
                    Err(earlier) => self.duplicate(name, earlier),
                }
            }
            Keyword::Event => declared.events.push(owned),
            Keyword::Tenant | Keyword::Vendor | Keyword::Weather => {}
        }
    }

    fn collect_family(
        &mut self,
        owned: Owned<'a, Declaration>,
        name: &Ident,
        declared: &mut Declared<'a>,
        devices: &mut u64,
    ) {
        let count = match &owned.node.array {
            None => Some(None),
            Some(array) => self.array(array).map(Some),
        };
        let Some(count) = count else {
            self.declare(name, Entity::Broken);
            return;
        };
        *devices = devices.saturating_add(u64::from(count.unwrap_or(1)));
        if *devices > MOST_DEVICES {
            self.error_help(
                codes::TOO_LARGE,
                name.span,
                format!("the site has more than {MOST_DEVICES} devices"),
                "split it into several sites",
            );
            self.declare(name, Entity::Broken);
            return;
        }
        if self.declare(name, Entity::Family(FamilyId::at(declared.families.len()))) {
            declared.families.push((owned, count));
        }
    }

    fn array(&mut self, array: &ast::IndexRange) -> Option<u32> {
        let (first, last) = (self.whole(&array.first, MOST_MEMBERS), self.whole(&array.last, MOST_MEMBERS));
        let (first, last) = (first?, last?);
        if first != 1 || last < 1 {
            let finding = Diagnostic::error(
                codes::INDEX_OUT_OF_RANGE,
                array.span,
                "an array begins with index 1 and has at least one member".to_owned(),
            );
            self.push(finding.help(format!("write `[1..{}]`", last.max(1))));
            return None;
        }
        Some(last)
    }

    fn twice(&mut self, what: &str, again: Span, earlier: Span) {
        let finding = Diagnostic::error(
            codes::DUPLICATE_STATEMENT,
            again,
            format!("`{what}` stands twice in this site"),
        );
        self.push(finding.says("again here").label(earlier, "first here").help("leave one of them out"));
    }
}

/// What a file of a tenant or vendor may hold (semantics.md 20).
const fn allowed_in_owned_file(kind: &ItemKind) -> bool {
    matches!(
        kind,
        ItemKind::Import(_)
            | ItemKind::Use(_)
            | ItemKind::Group(_)
            | ItemKind::Schedule(_)
            | ItemKind::Budget(_)
            | ItemKind::Rule(_)
            | ItemKind::Test(_)
            | ItemKind::Prove(_)
            | ItemKind::Edition(_)
            | ItemKind::Broken(_)
    )
}

fn describe(kind: &ItemKind) -> String {
    match kind {
        ItemKind::Declaration(d) => format!("a `{}` statement", d.keyword.word()),
        ItemKind::Module(_) => "a `module` statement".to_owned(),
        ItemKind::Priorities(_) => "a `priorities` statement".to_owned(),
        ItemKind::Assume(_) => "an `assume` statement".to_owned(),
        ItemKind::Mode(_) => "a `mode` statement".to_owned(),
        ItemKind::Role(_) => "a `role` statement".to_owned(),
        ItemKind::Permission(p) if p.permit => "a `permit` statement".to_owned(),
        ItemKind::Permission(_) => "a `forbid` statement".to_owned(),
        ItemKind::Admit(_) => "an `admit` statement".to_owned(),
        ItemKind::Conform(_) => "a `conform` statement".to_owned(),
        ItemKind::Objective(_) => "an `objective` statement".to_owned(),
        ItemKind::Decide(_) => "a `decide` statement".to_owned(),
        _ => "this statement".to_owned(),
    }
}

/// The first words of a statement, as the place of a finding about the whole.
fn head(item: &Item) -> Span {
    match &item.kind {
        ItemKind::Declaration(d) => {
            d.name.as_ref().map_or(d.keyword_span, |name| d.keyword_span.to(name.span))
        }
        _ => item.span,
    }
}
