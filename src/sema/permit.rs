//! Permits and forbids.

use super::Compiler;
use super::collect::{Declared, Owned};
use super::names::Entity;
use super::target::Goal;
use crate::ast::{self, ExprKind, Principal, Subject};
use crate::diag::{Diagnostic, codes};
use crate::ir::{Attr, MemberRange, Permit, PermitTarget, PrincipalId, PrincipalKind, Target, Verb};

impl<'a> Compiler<'a> {
    /// Reads all permits and forbids; one of them for each verb.
    pub(super) fn permission_statements(&mut self, declared: &Declared<'a>) {
        for owned in &declared.permissions {
            self.owner = owned.owner;
            self.read_permission(owned);
        }
    }

    fn read_permission(&mut self, owned: &Owned<'a, ast::Permission>) {
        let node = owned.node;
        let who = self.permitted(&node.principal);
        let verbs: Vec<Option<Verb>> = node.verbs.iter().map(|verb| self.permit_verb(verb)).collect();
        // `limit pump between ..` bounds what `limit pump to ..` does
        let values = node.bound.is_some()
            && verbs.iter().all(|verb| matches!(verb, Some(Verb::Limit | Verb::Set) | None));
        let subject = self.permit_subject(&node.subject, values);
        let during = self.sched_or_always(node.during.as_ref());
        let emergency = match &node.when {
            None => Some(false),
            Some(expr) => match &expr.kind {
                ExprKind::Name(name) if name.text() == "emergency" => {
                    if self.site.emergency.is_none() {
                        self.value(expr);
                    }
                    Some(true)
                }
                _ => {
                    self.guard(expr);
                    let text = self.text(owned.span);
                    self.unhonoured(format!("a permit under a condition (`{text}`)"), expr.span, true, true);
                    Some(false)
                }
            },
        };
        let Some((target, attr)) = subject else { return };
        let bounds = match &node.bound {
            None => Some((None, None)),
            Some(bound) => self.permit_bounds(bound, &target, attr.as_ref()),
        };
        let (Some((who, any_kind)), Some(during), Some(emergency), Some((lo, hi))) =
            (who, during, emergency, bounds)
        else {
            return;
        };
        let text = self.text(owned.span);
        for verb in verbs.into_iter().flatten() {
            self.site.permits.push(Permit {
                forbid: !node.permit,
                who,
                any_kind,
                verb: Some(verb),
                target: target.clone(),
                attr: attr.clone(),
                lo: lo.clone(),
                hi: hi.clone(),
                during: during.clone(),
                emergency,
                text: text.clone(),
                span: owned.span,
            });
        }
    }

    fn permitted(&mut self, principal: &Principal) -> Option<(Option<PrincipalId>, Option<PrincipalKind>)> {
        match principal {
            Principal::Any(word) => {
                let kind = match word.text.as_str() {
                    "tenant" => PrincipalKind::Tenant,
                    "vendor" => PrincipalKind::Vendor,
                    "role" => PrincipalKind::Role,
                    other => {
                        self.error(
                            codes::UNKNOWN_NAME,
                            word.span,
                            format!(
                                "`any {other}` is nobody; write `any tenant`, `any vendor` or `any role`"
                            ),
                        );
                        return None;
                    }
                };
                Some((None, Some(kind)))
            }
            Principal::Named { kind, name } => match self.names.get(&name.text) {
                Some(Entity::Principal(id)) => {
                    let found = self.site.principals.get(id.index()).map(|p| p.kind);
                    let fits = match kind.as_ref().map(|k| k.text.as_str()) {
                        None => true,
                        Some("tenant") => found == Some(PrincipalKind::Tenant),
                        Some("vendor") => found == Some(PrincipalKind::Vendor),
                        Some("role") => found == Some(PrincipalKind::Role),
                        Some(_) => false,
                    };
                    if !fits {
                        let word = kind.as_ref().map_or("", |k| k.text.as_str());
                        let message = format!("`{}` is not declared as a {word}", name.text);
                        self.error(codes::WRONG_KIND, name.span, message);
                        return None;
                    }
                    Some((Some(id), None))
                }
                Some(Entity::Broken) => None,
                Some(other) => {
                    let message = format!(
                        "`{}` is {}, and a tenant, vendor or role is needed here",
                        name.text,
                        other.words()
                    );
                    self.error(codes::WRONG_KIND, name.span, message);
                    None
                }
                None => {
                    self.unknown(&name.text.clone(), name.span, "the tenant, vendor or role");
                    None
                }
            },
        }
    }

    fn permit_verb(&mut self, verb: &ast::Verb) -> Option<Verb> {
        Some(match verb.text.as_str() {
            "set" => Verb::Set,
            "read" => Verb::Read,
            "limit" => Verb::Limit,
            "hold" => Verb::Hold,
            "keep" => Verb::Keep,
            "turn on" => Verb::TurnOn,
            "turn off" => Verb::TurnOff,
            "connect" => Verb::Connect,
            "disconnect" => Verb::Disconnect,
            "supply" => Verb::Supply,
            "deliver" => Verb::Deliver,
            "run" => Verb::Run,
            "notify" => Verb::Notify,
            "follow" => Verb::Follow,
            other => {
                self.error_help(
                    codes::UNKNOWN_NAME,
                    verb.span,
                    format!("there is nothing like `{other}` to permit"),
                    "permit, for example, to `set`, `limit`, `turn off`, `deliver` or `run`",
                );
                return None;
            }
        })
    }

    /// What is permitted; where `values` are, of the attribute that an effect without one is about.
    fn permit_subject(&mut self, subject: &Subject, values: bool) -> Option<(PermitTarget, Option<Attr>)> {
        match subject {
            Subject::Any(word) if matches!(word.text.as_str(), "device" | "devices") => {
                Some((PermitTarget::AnyDevice, None))
            }
            Subject::Any(word) => {
                let members: Vec<MemberRange> = self
                    .site
                    .families
                    .iter()
                    .filter(|f| f.kind == word.text)
                    .map(crate::ir::Family::all)
                    .collect();
                if members.is_empty() {
                    self.error_help(
                        codes::UNKNOWN_NAME,
                        word.span,
                        format!("no device is of the kind `{}`", word.text),
                        "write the word after the colon of a declared device, such as `ev_charger`",
                    );
                    return None;
                }
                Some((PermitTarget::Target(Target::Members(super::group::normal(members))), None))
            }
            Subject::Name(name) => {
                let star = name.parts.last().is_some_and(|p| p.ident.text == "*");
                let whole = ast::Name {
                    parts: name.parts.iter().take(name.parts.len() - usize::from(star)).cloned().collect(),
                    span: name.span,
                };
                let found = self.subject(&whole)?;
                if star || (whole.parts.len() == found.parts && !values) {
                    return Some((PermitTarget::Target(found.target), None));
                }
                let goal = self.goal(&whole)?;
                Some((PermitTarget::Target(goal.target), Some(goal.attr)))
            }
        }
    }

    fn permit_bounds(
        &mut self,
        bound: &ast::Bound,
        target: &PermitTarget,
        attr: Option<&Attr>,
    ) -> Option<(Option<crate::quantity::Rat>, Option<crate::quantity::Rat>)> {
        let (PermitTarget::Target(target), Some(attr)) = (target, attr) else {
            let finding = Diagnostic::error(
                codes::WRONG_KIND,
                bound.span,
                "values can be bounded for one attribute only".to_owned(),
            );
            self.push(finding.help("name the attribute: `lobby.setpoint between 19 degC and 25 degC`"));
            return None;
        };
        let goal = Goal { target: target.clone(), attr: attr.clone(), many: false };
        self.constant_values(bound, &goal)
    }
}
