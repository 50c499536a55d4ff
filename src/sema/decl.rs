//! What several declarations share: references to other declarations, and zones and tariffs before
//! they are read.

use super::collect::Declared;
use super::names::Entity;
use super::props::Args;
use super::{Compiler, tariff};
use crate::ast::{self, Arg, ArgKind, Expr, ExprKind};
use crate::diag::{Diagnostic, codes};
use crate::ir::{BusId, FeedId, GatewayId, Group, GroupId, Price, Tariff, TariffId, Zone, ZoneId};
use crate::quantity::Rat;

impl<'a> Compiler<'a> {
    /// Zones, tariffs and groups with their names only, so that others can refer to them.
    pub(super) fn shells(&mut self, declared: &Declared<'a>) {
        for (at, owned) in declared.zones.iter().enumerate() {
            let Some(name) = &owned.node.name else { continue };
            self.site.zones.push(Zone {
                id: ZoneId::at(at),
                name: name.text.clone(),
                heat_capacity: Rat::ONE,
                heat_loss: Rat::ONE,
                gains: None,
                outdoor: None,
                comfort: Vec::new(),
                class: None,
                // -20 degC to 60 degC
                range: (
                    Rat::ratio(25315, 100).unwrap_or_default(),
                    Rat::ratio(33315, 100).unwrap_or_default(),
                ),
                thermostats: Vec::new(),
                readings: std::collections::BTreeMap::new(),
                span: name.span,
            });
        }
        for (at, owned) in declared.tariffs.iter().enumerate() {
            let Some(name) = &owned.node.name else { continue };
            self.tariffs.push(tariff::Shape::default());
            self.site.tariffs.push(Tariff {
                id: TariffId::at(at),
                name: name.text.clone(),
                import: Price::Periods { periods: Vec::new(), otherwise: None, span: name.span },
                export: None,
                demand: Vec::new(),
                interval_s: 900,
                fixed: Vec::new(),
                minimum: None,
                import_signal: None,
                export_signal: None,
                span: name.span,
            });
        }
        for (at, owned) in declared.groups.iter().enumerate() {
            self.site.groups.push(Group {
                id: GroupId::at(at),
                name: owned.node.name.text.clone(),
                members: Vec::new(),
                span: owned.node.name.span,
            });
        }
    }

    /// A name that must stand for a bus.
    pub(super) fn bus(&mut self, name: &ast::Name) -> Option<BusId> {
        match self.entity(name, "the bus")? {
            Entity::Bus(bus) => Some(bus),
            other => {
                self.wrong_kind(name, other, "a bus");
                None
            }
        }
    }

    /// A name that must stand for a gateway.
    pub(super) fn gateway(&mut self, name: &ast::Name) -> Option<GatewayId> {
        match self.entity(name, "the gateway")? {
            Entity::Gateway(gateway) => Some(gateway),
            other => {
                self.wrong_kind(name, other, "a gateway");
                None
            }
        }
    }

    /// A name that must stand for a zone.
    pub(super) fn zone(&mut self, name: &ast::Name) -> Option<ZoneId> {
        match self.entity(name, "the zone")? {
            Entity::Zone(zone) => Some(zone),
            other => {
                self.wrong_kind(name, other, "a zone");
                None
            }
        }
    }

    /// A name that must stand for a tariff.
    pub(super) fn tariff(&mut self, name: &ast::Name) -> Option<TariffId> {
        match self.entity(name, "the tariff")? {
            Entity::Tariff(tariff) => Some(tariff),
            other => {
                self.wrong_kind(name, other, "a tariff");
                None
            }
        }
    }

    /// What a whole path stands for; unknown names are reported, broken ones are not.
    pub(super) fn entity(&mut self, name: &ast::Name, what: &str) -> Option<Entity> {
        match self.names.find(name) {
            Some((Entity::Broken, _)) => None,
            Some((entity, parts)) if parts == name.parts.len() => Some(entity),
            Some((entity, _)) => {
                self.wrong_kind(name, entity, "a plain name");
                None
            }
            None => {
                let text = name.text();
                self.unknown(&text, name.span, what);
                None
            }
        }
    }

    /// The next piece as a name.
    pub(super) fn arg_name(&mut self, args: &mut Args<'a>, wanted: &str) -> Option<&'a ast::Name> {
        let name = args.name();
        if name.is_none() {
            self.bad_value(args, wanted);
        }
        name
    }

    /// `feed.pv` as a feed.
    pub(super) fn feed_reference(&mut self, name: &ast::Name) -> Option<FeedId> {
        let word = match name.parts.as_slice() {
            [head, part] if head.ident.text == "feed" => &part.ident,
            _ => {
                let text = name.text();
                let finding =
                    Diagnostic::error(codes::WRONG_KIND, name.span, format!("`{text}` is not a feed"));
                self.push(finding.help("feeds are named `feed.NAME`"));
                return None;
            }
        };
        match self.names.feed(&word.text) {
            Some(Some(id)) => Some(id),
            Some(None) => None,
            None => {
                let finding = Diagnostic::error(
                    codes::UNKNOWN_NAME,
                    name.span,
                    format!("the feed `{}` is not declared", word.text),
                );
                self.push(match self.names.near_feed(&word.text) {
                    Some(near) => {
                        let help = format!("did you mean `feed.{near}`?");
                        finding.help(help)
                    }
                    None => finding.help(format!(
                        "declare it: `feed {} {{ file \"data/{}.csv\", time utc, stamp start, step 15 min }}`",
                        word.text, word.text
                    )),
                });
                None
            }
        }
    }

    /// The next piece if it is a path that begins with `feed.`.
    pub(super) fn peek_feed(args: &Args<'a>) -> Option<&'a ast::Name> {
        match args.peek() {
            Some(Arg { kind: ArgKind::Value(Expr { kind: ExprKind::Name(name), .. }), .. })
                if name.parts.first().is_some_and(|p| p.ident.text == "feed") =>
            {
                Some(name)
            }
            _ => None,
        }
    }
}
