//! Effects of rules.

use super::Compiler;
use super::bound::Values;
use super::target::{Goal, Subject};
use crate::ast::{self, SwitchVerb};
use crate::diag::{Diagnostic, codes};
use crate::ir::{
    Attr, Device, Effect, EffectKind, FamilyId, FollowWhat, Lin, MemberRange, Meter, Model, Role, SigRef,
    SignalSource, Target, Verb,
};
use crate::quantity::Type;

impl Compiler<'_> {
    /// One effect of a rule.
    pub(super) fn effect(&mut self, node: &ast::Effect, index: u32) -> Option<Effect> {
        let (verb, target, kind, ty) = match &node.kind {
            ast::EffectKind::Set(name, amount) => self.numeric(Verb::Set, name, amount)?,
            ast::EffectKind::Limit(name, amount) => self.numeric(Verb::Limit, name, amount)?,
            ast::EffectKind::Hold(name, amount) => self.numeric(Verb::Hold, name, amount)?,
            ast::EffectKind::Keep(name, amount) => self.numeric(Verb::Keep, name, amount)?,
            ast::EffectKind::Switch(verb, name) => self.switch(*verb, name)?,
            ast::EffectKind::Supply(origins) => self.supplied(origins, false)?,
            ast::EffectKind::NeverSupply(origins) => self.supplied(origins, true)?,
            ast::EffectKind::Deliver { energy, target, window } => {
                self.deliver(energy, target, window.as_ref(), node.span)?
            }
            ast::EffectKind::Run { target, duration, uninterrupted, window } => {
                self.run_for(target, duration, *uninterrupted, window.as_ref(), node.span)?
            }
            ast::EffectKind::Notify(to, text) => self.notify(to, text)?,
            ast::EffectKind::Follow { signal, at, with } => self.follow(signal, at, with)?,
        };
        let mut price = None;
        if let Some(preference) = &node.preferably {
            if matches!(verb, Verb::Notify | Verb::Follow) {
                self.error_help(
                    codes::TYPE_MISMATCH,
                    preference.span,
                    format!("`{}` cannot be a preference", verb.word()),
                    "leave `preferably` out",
                );
                return None;
            }
            if let Some(expr) = &preference.price {
                let want = match ty {
                    Type::Temperature => Type::HourPrice,
                    Type::Ratio => Type::HourPrice,
                    _ => Type::EnergyPrice,
                };
                let value = self.constant_of(expr, want)?;
                price = Some(self.not_negative(value, expr.span)?);
            }
        }
        Some(Effect {
            index,
            verb,
            target,
            kind,
            preferably: node.preferably.is_some(),
            price,
            span: node.span,
            // from the tree, so that a module's text shows what it was used with
            text: crate::syntax::effect(node),
        })
    }

    fn numeric(
        &mut self,
        verb: Verb,
        name: &ast::Name,
        amount: &ast::Amount,
    ) -> Option<(Verb, Target, EffectKind, Type)> {
        let goal = self.goal(name);
        let averaged = amount.averaged.as_ref().map(|over| self.seconds(over));
        let goal = goal?;
        self.commandable(verb, &goal, name)?;
        self.directed(&goal, name.span)?;
        let values = self.values(&amount.bound, &goal);
        let share = self.share_of(amount, &goal);
        let (values, share) = (values?, share?);
        let averaged_s = match averaged {
            None => None,
            Some(over) => {
                let over = over?;
                if goal.attr.ty() != Type::Power {
                    self.error_help(
                        codes::TYPE_MISMATCH,
                        amount.span,
                        "only a power is averaged over a time".to_owned(),
                        "leave `averaged over` out: a state is asked of every instant",
                    );
                    return None;
                }
                Some(over)
            }
        };
        let ty = goal.attr.ty();
        let kind =
            match values {
                Values::Interval(lo, hi) => EffectKind::Bound { attr: goal.attr, lo, hi, share, averaged_s },
                Values::Pieces(pieces) => {
                    if share == crate::ir::Share::Together || averaged_s.is_some() {
                        self.error_help(
                        codes::TYPE_MISMATCH,
                        amount.span,
                        "a choice is made by each device at each instant; a total or a mean has only a range"
                            .to_owned(), "write a range, or leave `together` and `averaged over` out");
                        return None;
                    }
                    EffectKind::Choice { attr: goal.attr, pieces }
                }
            };
        Some((verb, goal.target, kind, ty))
    }

    /// Whether a verb can bound this attribute.
    fn commandable(&mut self, verb: Verb, goal: &Goal, name: &ast::Name) -> Option<()> {
        let text = name.text();
        let finding = match (&goal.attr, verb) {
            (Attr::Point(_) | Attr::Available, _) => {
                Diagnostic::error(codes::WRONG_KIND, name.span, format!("`{text}` is only measured"))
                    .help("commands go to `power`, `charge`, `discharge`, `import`, `export` and `setpoint`")
            }
            (Attr::On, _) => {
                Diagnostic::error(codes::WRONG_KIND, name.span, format!("`{text}` is not a number"))
                    .help("write `turn on` or `turn off`")
            }
            (Attr::Connected, _) => {
                Diagnostic::error(codes::WRONG_KIND, name.span, format!("`{text}` is not a number"))
                    .help("write `connect` or `disconnect`")
            }
            (Attr::Temperature, Verb::Set | Verb::Limit) => Diagnostic::error(
                codes::WRONG_KIND,
                name.span,
                format!("`{text}` is a state, which no command sets at once"),
            )
            .help("write `hold`, or set the `setpoint`"),
            (Attr::ChargeLevel, Verb::Set | Verb::Limit) => Diagnostic::error(
                codes::WRONG_KIND,
                name.span,
                format!("`{text}` is a state, which no command sets at once"),
            )
            .help("write `keep` or `hold`, or bound the store's `charge` and `discharge`"),
            (Attr::Import | Attr::Export, Verb::Set) => Diagnostic::error(
                codes::WRONG_KIND,
                name.span,
                format!("`{text}` follows from everything else and cannot be set"),
            )
            .help("write `limit`, or `follow .. at .. with ..`"),
            _ => return Some(()),
        };
        self.push(finding);
        None
    }

    fn switch(&mut self, verb: SwitchVerb, name: &ast::Name) -> Option<(Verb, Target, EffectKind, Type)> {
        let subject = self.devices_named(name)?;
        for range in self.members_of(&subject.target) {
            let family = self.site.families.get(range.family.index());
            if family.is_some_and(|f| matches!(f.model, Model::Grid { .. }))
                && matches!(verb, SwitchVerb::TurnOn | SwitchVerb::TurnOff)
            {
                let finding = Diagnostic::error(
                    codes::WRONG_KIND,
                    name.span,
                    "a grid is not turned on or off".to_owned(),
                );
                self.push(finding.help("write `disconnect` or `limit .. to 0 kW`"));
                return None;
            }
        }
        let (verb, kind) = match verb {
            SwitchVerb::TurnOn => (Verb::TurnOn, EffectKind::Switch(true)),
            SwitchVerb::TurnOff => (Verb::TurnOff, EffectKind::Switch(false)),
            SwitchVerb::Connect => (Verb::Connect, EffectKind::Connect(true)),
            SwitchVerb::Disconnect => (Verb::Disconnect, EffectKind::Connect(false)),
        };
        Some((verb, subject.target, kind, Type::Bool))
    }

    fn supplied(&mut self, origins: &ast::Origins, never: bool) -> Option<(Verb, Target, EffectKind, Type)> {
        let subject = self.devices_named(&origins.consumer);
        let sources: Vec<Option<Subject>> =
            origins.sources.iter().map(|source| self.devices_named(source)).collect();
        if let Some(via) = &origins.via {
            let text = self.text(via.span);
            self.devices_named(via);
            self.unhonoured(format!("`via {text}`: tracking what a store contains"), via.span, true, true);
        }
        let subject = subject?;
        for range in self.members_of(&subject.target) {
            self.takes_energy(range.family, &origins.consumer)?;
        }
        let mut from: Vec<MemberRange> = Vec::new();
        for (source, name) in sources.into_iter().zip(&origins.sources) {
            let source = source?;
            for range in self.members_of(&source.target) {
                let gives = self
                    .site
                    .families
                    .get(range.family.index())
                    .is_some_and(|f| matches!(f.role, Role::Producer | Role::Storage | Role::Slot));
                if !gives {
                    self.error_help(
                        codes::WRONG_KIND,
                        name.span,
                        format!("`{}` gives no energy", name.text()),
                        "name producers, stores or a grid after `from`",
                    );
                    return None;
                }
                from.push(range);
            }
        }
        let kind = EffectKind::Supply {
            from: super::group::normal(from),
            never,
            by_accounting: origins.by_accounting,
        };
        Some((if never { Verb::NeverSupply } else { Verb::Supply }, subject.target, kind, Type::Power))
    }

    fn takes_energy(&mut self, family: FamilyId, name: &ast::Name) -> Option<()> {
        let takes = self.site.families.get(family.index()).is_some_and(|f| {
            matches!(f.role, Role::Consumer | Role::Storage | Role::Slot)
                || matches!(f.model, Model::Grid { .. })
        });
        if takes {
            return Some(());
        }
        self.error_help(
            codes::WRONG_KIND,
            name.span,
            format!("`{}` takes no energy", name.text()),
            "name a consumer, a store or a group of them",
        );
        None
    }

    fn notify(&mut self, to: &ast::Name, text: &ast::Text) -> Option<(Verb, Target, EffectKind, Type)> {
        match self.entity(to, "the tenant, vendor or role")? {
            super::names::Entity::Principal(_) => {}
            other => {
                self.wrong_kind(to, other, "a tenant, vendor or role");
                return None;
            }
        }
        let kind = EffectKind::Notify { to: to.text(), text: text.value.clone() };
        Some((Verb::Notify, Target::Members(Vec::new()), kind, Type::Text))
    }

    fn follow(
        &mut self,
        signal: &ast::Name,
        at: &ast::Expr,
        with: &ast::Name,
    ) -> Option<(Verb, Target, EffectKind, Type)> {
        let value = self.number_of_name(signal);
        let target = self.lin_of(at, Type::Power);
        let (source, ty) = value?;
        if ty != Type::Power {
            self.mismatch(ty, Type::Power, signal.span);
            return None;
        }
        let meter = match source {
            Some((SignalSource::Measured(grid, Attr::Import), index)) => {
                Meter { grid: Device { family: grid, index }, what: FollowWhat::Import }
            }
            Some((SignalSource::Measured(grid, Attr::Export), index)) => {
                Meter { grid: Device { family: grid, index }, what: FollowWhat::Surplus }
            }
            _ => {
                let finding = Diagnostic::error(
                    codes::WRONG_KIND,
                    signal.span,
                    "what is followed is the import or export of a grid".to_owned(),
                );
                self.push(finding.help("write `follow utility.import at 0 kW with pack`"));
                return None;
            }
        };
        let target: Lin = target?;
        let follower = self.follower(with)?;
        Some((Verb::Follow, follower, EffectKind::Follow { meter, target }, Type::Power))
    }

    /// The one device that follows: two at one meter would work against each other.
    fn follower(&mut self, with: &ast::Name) -> Option<Target> {
        let subject = self.devices_named(with)?;
        let members = self.members_of(&subject.target);
        let count: u32 = members.iter().map(|range| range.last.saturating_sub(range.first) + 1).sum();
        if count > 1 {
            let message = format!("`{}` is more than one device, and one follows a meter", with.text());
            let finding = Diagnostic::error(codes::WRONG_KIND, with.span, message)
                .because("two that keep one meter at a target work against each other");
            self.push(finding.help("name one of them, or give each of them its own part of the target"));
            return None;
        }
        for range in members {
            let family = self.site.families.get(range.family.index());
            let powered = family.is_some_and(|f| {
                !matches!(f.model, Model::Grid { .. } | Model::Control { .. } | Model::Slot { .. })
            });
            if !powered {
                self.error_help(
                    codes::WRONG_KIND,
                    with.span,
                    format!("`{}` has no power that could follow a meter", with.text()),
                    "name a store, a producer or a consumer after `with`",
                );
                return None;
            }
        }
        Some(subject.target)
    }

    fn number_of_name(&mut self, name: &ast::Name) -> Option<(Option<(SignalSource, u32)>, Type)> {
        let value = self.reference(name)?;
        let super::expr::Val::Num(num) = value else {
            self.error_help(
                codes::TYPE_MISMATCH,
                name.span,
                "a power is needed here".to_owned(),
                "name a power that is measured: `utility.import`",
            );
            return None;
        };
        let source = num.lin.terms.first().and_then(|(_, reference)| {
            let (id, index) = match reference {
                SigRef::Only(id) => (id, 1),
                SigRef::Member(id, index) => (id, *index),
                SigRef::Bound(_) => return None,
            };
            self.site.signals.get(id.index()).map(|signal| (signal.source.clone(), index))
        });
        Some((source, num.ty))
    }
}
