//! Statements that are read as one piece.

use super::expr::To;
use super::{Builder, Piece, Rule, first, parts};
use crate::ast::{
    Assume, Budget, Conform, Direction, Expr, Group, Ident, IndexRange, ItemKind, Level, Mode, NamedValue,
    Objective, Parameter, Prove, ProveKind, ScheduleDecl, TypeName, Use,
};
use crate::ast::{Index, Schedule};
use crate::diag::{Diagnostic, codes};

/// `KEYWORD name[1..8] : kind`.
pub(in crate::syntax) struct Head {
    pub(in crate::syntax) keyword: Ident,
    pub(in crate::syntax) name: Option<Ident>,
    pub(in crate::syntax) array: Option<IndexRange>,
    pub(in crate::syntax) kind: Option<Ident>,
}

/// `module NAME(parameters)`.
pub(in crate::syntax) struct ModuleHead {
    pub(in crate::syntax) name: Ident,
    pub(in crate::syntax) parameters: Vec<Parameter>,
}

impl Builder {
    pub(in crate::syntax) fn item(&mut self, piece: Piece<'_>) -> Option<ItemKind> {
        Some(match piece.as_rule() {
            Rule::rule_item => ItemKind::Rule(self.rule(piece)?),
            Rule::test_item => ItemKind::Test(self.test(piece)?),
            Rule::permission_item => ItemKind::Permission(self.permission(piece)?),
            Rule::edition_item => ItemKind::Edition(self.number(&parts(piece).nth(1)?)),
            Rule::import_item => ItemKind::Import(self.name(parts(piece).nth(1)?)?),
            Rule::use_item => ItemKind::Use(self.use_module(piece)?),
            Rule::priorities_item => ItemKind::Priorities(self.idents(piece)),
            Rule::role_item => ItemKind::Role(self.idents(piece)),
            Rule::group_item => ItemKind::Group(self.group(piece)?),
            Rule::schedule_item => {
                let mut inner = parts(piece).skip(1);
                let name = self.ident(&inner.next()?);
                ItemKind::Schedule(ScheduleDecl { name, schedule: self.schedule(inner.next()?)? })
            }
            Rule::assume_item => {
                let mut inner = parts(piece).skip(1);
                let condition = self.expr(inner.next()?)?;
                ItemKind::Assume(Assume { condition, during: self.during(inner.next())? })
            }
            Rule::mode_item => {
                let (mut name, mut values) = (None, Vec::new());
                for part in parts(piece).skip(1) {
                    match part.as_rule() {
                        Rule::mode_name => name = Some(self.ident(&first(part)?)),
                        _ => values.push(self.ident(&part)),
                    }
                }
                ItemKind::Mode(Mode { name, values })
            }
            Rule::budget_item => ItemKind::Budget(self.budget(piece)?),
            Rule::prove_item => ItemKind::Prove(self.prove(piece)?),
            Rule::conform_item => {
                let mut inner =
                    parts(piece).filter(|part| matches!(part.as_rule(), Rule::string | Rule::named_value));
                let path = self.text(&inner.next()?)?;
                let with = inner.map(|part| self.named_value(part)).collect::<Option<_>>()?;
                ItemKind::Conform(Conform { path, with })
            }
            Rule::objective_item => ItemKind::Objective(self.objective(piece)?),
            Rule::decide_item => {
                let names = parts(piece).skip(1).map(|name| self.name(name)).collect::<Option<_>>()?;
                ItemKind::Decide(names)
            }
            _ => return None,
        })
    }

    fn idents(&self, piece: Piece<'_>) -> Vec<Ident> {
        parts(piece).skip(1).map(|word| self.ident(&word)).collect()
    }

    fn during(&mut self, piece: Option<Piece<'_>>) -> Option<Option<Schedule>> {
        match piece {
            None => Some(None),
            Some(piece) => self.schedule(parts(piece).nth(1)?).map(Some),
        }
    }

    fn named_value(&mut self, piece: Piece<'_>) -> Option<NamedValue> {
        let mut inner = parts(piece);
        let name = self.ident(&inner.next()?);
        let value: Expr = self.expr(inner.next()?)?;
        Some(NamedValue { name, value })
    }

    fn use_module(&mut self, piece: Piece<'_>) -> Option<Use> {
        let mut inner = parts(piece).skip(1);
        let module = self.name(inner.next()?)?;
        let mut found = Use { module, args: Vec::new(), alias: None, class: None };
        for part in inner {
            match part.as_rule() {
                Rule::named_value => found.args.push(self.named_value(part)?),
                Rule::use_as => found.alias = Some(self.ident(&parts(part).nth(1)?)),
                Rule::in_class => found.class = Some(self.ident(&parts(part).nth(1)?)),
                _ => return None,
            }
        }
        Some(found)
    }

    fn group(&mut self, piece: Piece<'_>) -> Option<Group> {
        let mut inner = parts(piece).skip(1);
        let name = self.ident(&inner.next()?);
        let (mut members, mut condition) = (Vec::new(), None);
        for part in inner {
            match part.as_rule() {
                Rule::name => members.push(self.name(part)?),
                Rule::expr => condition = Some(self.expr(part)?),
                _ => {}
            }
        }
        Some(Group { name, members, condition })
    }

    fn budget(&mut self, piece: Piece<'_>) -> Option<Budget> {
        let mut inner = parts(piece).skip(1);
        let name = self.ident(&inner.next()?);
        let mut next = inner.next()?;
        let mut class = None;
        if next.as_rule() == Rule::in_class {
            class = Some(self.ident(&parts(next).nth(1)?));
            next = inner.next()?;
        }
        let measure = self.ident(&next);
        let scope = self.name(inner.nth(1)?)?;
        let bound = self.bound(inner.next()?, To::AtMost)?;
        let per = self.per(inner.next()?)?;
        Some(Budget { name, class, measure, scope, bound, per, during: self.during(inner.next())? })
    }

    fn prove(&mut self, piece: Piece<'_>) -> Option<Prove> {
        let (mut never, mut expr, mut during) = (false, None, None);
        for part in parts(piece) {
            match part.as_rule() {
                Rule::k_never => never = true,
                Rule::expr => expr = Some(self.expr(part)?),
                Rule::during_arg => during = self.during(Some(part))?,
                _ => {}
            }
        }
        let kind = match expr {
            None => ProveKind::TenantsIsolated,
            Some(expr) if never => ProveKind::Never(expr),
            Some(expr) => ProveKind::Always(expr),
        };
        Some(Prove { kind, during })
    }

    fn objective(&mut self, piece: Piece<'_>) -> Option<Objective> {
        let mut levels: Vec<Level> = Vec::new();
        for part in parts(piece).filter(|part| part.as_rule() == Rule::level) {
            let span = self.span(&part);
            let mut direction = levels.last().map(|before| before.direction);
            let (mut quantity, mut within) = (None, None);
            for word in parts(part) {
                match word.as_rule() {
                    Rule::k_minimise => direction = Some(Direction::Minimise),
                    Rule::k_maximise => direction = Some(Direction::Maximise),
                    Rule::name => quantity = Some(self.name(word)?),
                    Rule::quantity => within = Some(self.quantity(word)?),
                    _ => {}
                }
            }
            if direction.is_none() {
                let finding = Diagnostic::error(codes::SYNTAX, span, "the objective does not say which way")
                    .help("begin with `minimise` or `maximise`");
                self.findings.push(finding);
            }
            let direction = direction.unwrap_or(Direction::Minimise);
            levels.push(Level { direction, quantity: quantity?, within, span });
        }
        Some(Objective { levels })
    }

    pub(in crate::syntax) fn head(&mut self, piece: Piece<'_>) -> Option<Head> {
        let mut inner = parts(piece);
        let keyword = self.ident(&inner.next()?);
        let mut head = Head { keyword, name: None, array: None, kind: None };
        for part in inner {
            match part.as_rule() {
                Rule::declared_name => {
                    let mut pieces = parts(part);
                    head.name = Some(self.ident(&pieces.next()?));
                    if let Some(index) = pieces.next() {
                        head.array = Some(match self.index(index)? {
                            Index::Range(range) => range,
                            Index::One(one) => {
                                let finding = Diagnostic::error(
                                    codes::SYNTAX,
                                    one.span,
                                    "an array needs both ends of its range",
                                )
                                .help(format!("write `[1..{}]`", one.text));
                                self.findings.push(finding);
                                IndexRange { first: one.clone(), span: one.span, last: one }
                            }
                        });
                    }
                }
                _ => head.kind = Some(self.ident(&part)),
            }
        }
        Some(head)
    }

    pub(in crate::syntax) fn module_head(&mut self, piece: Piece<'_>) -> Option<ModuleHead> {
        let mut inner = parts(piece).skip(1);
        let name = self.ident(&inner.next()?);
        let mut parameters = Vec::new();
        for part in inner {
            let span = self.span(&part);
            let mut pieces = parts(part);
            let name = self.ident(&pieces.next()?);
            let mut kind = TypeName { word: self.ident(&pieces.next()?), of: None };
            let mut default = None;
            while let Some(piece) = pieces.next() {
                match piece.as_rule() {
                    Rule::k_of => kind.of = Some(self.ident(&pieces.next()?)),
                    _ => default = Some(self.expr(piece)?),
                }
            }
            parameters.push(Parameter { name, kind, default, span });
        }
        Some(ModuleHead { name, parameters })
    }
}
