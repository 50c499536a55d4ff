//! The site's one namespace: who declared which word, and what is near to an unknown one.

use std::collections::BTreeMap;

use crate::ast;
use crate::diag::Span;
use crate::ir::{
    BudgetId, BusId, FamilyId, FeedId, GatewayId, GroupId, LinkId, PrincipalId, RuleId, SignalId, TariffId,
    ZoneId,
};

/// What a word stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Entity {
    Bus(BusId),
    Link(LinkId),
    Gateway(GatewayId),
    Family(FamilyId),
    Zone(ZoneId),
    Group(GroupId),
    /// position among the schedule declarations (not the id in the result)
    Schedule(usize),
    Tariff(TariffId),
    /// an event or a mode
    Signal(SignalId),
    Budget(BudgetId),
    Rule(RuleId),
    Principal(PrincipalId),
    Module,
    /// declared by a statement that could not be read; uses of it are not reported again
    Broken,
}

impl Entity {
    /// With its article, for messages.
    pub(super) const fn words(self) -> &'static str {
        match self {
            Self::Bus(_) => "a bus",
            Self::Link(_) => "a link",
            Self::Gateway(_) => "a gateway",
            Self::Family(_) => "a device",
            Self::Zone(_) => "a zone",
            Self::Group(_) => "a group",
            Self::Schedule(_) => "a schedule",
            Self::Tariff(_) => "a tariff",
            Self::Signal(_) => "an event or a mode",
            Self::Budget(_) => "a budget",
            Self::Rule(_) => "a rule",
            Self::Principal(_) => "a tenant, vendor or role",
            Self::Module => "a module",
            Self::Broken => "a statement with an error",
        }
    }
}

/// All declared words.
#[derive(Debug, Default)]
pub(super) struct Names {
    map: BTreeMap<String, (Entity, Span)>,
    feeds: BTreeMap<String, (Option<FeedId>, Span)>,
}

impl Names {
    /// Declares a word; gives the earlier place where it is taken.
    pub(super) fn declare(&mut self, name: &str, entity: Entity, span: Span) -> Result<(), Span> {
        if let Some((_, earlier)) = self.map.get(name) {
            return Err(*earlier);
        }
        self.map.insert(name.to_owned(), (entity, span));
        Ok(())
    }

    /// Feeds are always named `feed.NAME`, so they have words of their own.
    pub(super) fn declare_feed(&mut self, name: &str, feed: Option<FeedId>, span: Span) -> Result<(), Span> {
        if let Some((_, earlier)) = self.feeds.get(name) {
            return Err(*earlier);
        }
        self.feeds.insert(name.to_owned(), (feed, span));
        Ok(())
    }

    /// What a plain word stands for.
    pub(super) fn get(&self, word: &str) -> Option<Entity> {
        self.map.get(word).map(|(entity, _)| *entity)
    }

    /// Where a word is declared.
    pub(super) fn place(&self, word: &str) -> Option<Span> {
        self.map.get(word).map(|(_, span)| *span)
    }

    /// The feed of this name; `Some(None)`: its declaration is broken.
    pub(super) fn feed(&self, word: &str) -> Option<Option<FeedId>> {
        self.feeds.get(word).map(|(feed, _)| *feed)
    }

    /// What the beginning of a path stands for and how many of its parts that takes: one, or two
    /// for what a module brought (`shaving.limit_evs`).
    pub(super) fn find(&self, name: &ast::Name) -> Option<(Entity, usize)> {
        let first = name.parts.first()?;
        let plain = self.get(&first.ident.text).map(|entity| (entity, 1));
        if !matches!(plain, None | Some((Entity::Module, _))) {
            return plain;
        }
        let Some(second) = name.parts.get(1).filter(|_| first.index.is_none()) else { return plain };
        let joined =
            self.get(&format!("{}.{}", first.ident.text, second.ident.text)).map(|entity| (entity, 2));
        joined.or(plain)
    }

    /// Whether some statement could not be read.
    pub(super) fn has_broken(&self) -> bool {
        self.map.values().any(|(entity, _)| *entity == Entity::Broken)
    }

    /// A declared word near to this one, or what a module brought under it.
    pub(super) fn near(&self, word: &str) -> Option<&str> {
        let brought = || {
            let ends = |name: &&str| name.rsplit_once('.').is_some_and(|(_, last)| last == word);
            self.map.keys().map(String::as_str).find(ends)
        };
        crate::diag::nearest(word, self.map.keys().map(String::as_str)).or_else(brought)
    }

    /// A declared feed near to this word.
    pub(super) fn near_feed(&self, word: &str) -> Option<&str> {
        crate::diag::nearest(word, self.feeds.keys().map(String::as_str))
    }
}
