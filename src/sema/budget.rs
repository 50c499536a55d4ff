//! Budgets.

use super::Compiler;
use super::collect::{Declared, Owned};
use crate::ast::{self, BoundKind};
use crate::diag::{Diagnostic, codes};
use crate::ir::{
    Attr, Budget, BudgetId, BudgetQuantity, ClassId, Device, Model, OWNER, Period, Permit, PermitTarget,
    Principal, Sched, Site, Tag, Target, Verb,
};
use crate::quantity::{Rat, Type};

impl<'a> Compiler<'a> {
    /// Reads all budgets.
    pub(super) fn budget_statements(&mut self, declared: &Declared<'a>) {
        for (at, owned) in declared.budgets.iter().enumerate() {
            self.owner = owned.owner;
            let id = BudgetId::at(at);
            let budget = self.read_budget(owned, id);
            self.site.budgets.push(budget);
        }
    }

    /// A tenant or vendor may ration what is its own (`tags { tenant: acme }`) or what it is permitted to
    /// limit at all times: a cap is a limit (semantics.md 20, 21).
    pub(super) fn budget_permissions(&mut self) {
        let mut findings = Vec::new();
        for budget in self.site.budgets.iter().filter(|budget| budget.owner != OWNER) {
            let Some(owner) = self.site.principals.get(budget.owner.index()) else { continue };
            let counted = match &budget.scope {
                Target::Site => None,
                scope => Some(self.site.target_members(scope)),
            };
            let foreign = match counted {
                None => Some("the whole site".to_owned()),
                Some(members) => members
                    .iter()
                    .flat_map(|range| range.devices())
                    .find(|device| !may_ration(&self.site, owner, *device))
                    .map(|device| format!("`{}`", self.site.device_name(device))),
            };
            let Some(foreign) = foreign else { continue };
            let message =
                format!("`{}` may not ration {foreign} by the budget `{}`", owner.name, budget.name);
            findings.push(Diagnostic::error(codes::NOT_PERMITTED, budget.span, message).help(
                "count what is its own, or ask the site's owner for a `permit` to `limit` its power at all times",
            ));
        }
        findings.into_iter().for_each(|finding| self.push(finding));
    }

    fn read_budget(&mut self, owned: &Owned<'a, ast::Budget>, id: BudgetId) -> Budget {
        let node = owned.node;
        let name = &node.name;
        let class =
            self.granted_class(node.class.as_ref(), &format!("the budget `{}`", name.text), name.span);
        let quantity = self.measure(&node.measure);
        let scope = self.budget_scope(&node.scope, quantity);
        let cap = match &node.bound.kind {
            BoundKind::AtMost(expr) => {
                let want = match quantity {
                    Some(BudgetQuantity::Emissions) => Type::Mass,
                    Some(BudgetQuantity::Cost) => Type::Money,
                    _ => Type::Energy,
                };
                quantity.and_then(|_| {
                    let value = self.constant_of(expr, want)?;
                    self.not_negative(value, expr.span)
                })
            }
            _ => {
                let finding = Diagnostic::error(
                    codes::TYPE_MISMATCH,
                    node.bound.span,
                    "a budget caps a quantity".to_owned(),
                );
                self.push(finding.help("write `at most`"));
                None
            }
        };
        let per = self.period(&node.per);
        let during = self.sched_or_always(node.during.as_ref());
        if let Some(during) = &node.during {
            let text = self.text(owned.span);
            let what = format!("a budget that counts only at times (`{text}`)");
            self.unhonoured(what, during.span, false, true);
        }
        Budget {
            id,
            name: name.text.clone(),
            class: class.unwrap_or(ClassId(0)),
            owner: owned.owner,
            scope: scope.unwrap_or(Target::Site),
            quantity: quantity.unwrap_or(BudgetQuantity::Consumption),
            cap: cap.unwrap_or(Rat::ZERO),
            per: per.unwrap_or(Period::Month),
            during: during.unwrap_or(Sched::Always),
            span: name.span,
            text: crate::syntax::budget(owned.node),
        }
    }

    fn measure(&mut self, word: &ast::Ident) -> Option<BudgetQuantity> {
        Some(match word.text.as_str() {
            "consumption" => BudgetQuantity::Consumption,
            "import" => BudgetQuantity::Import,
            "export" => BudgetQuantity::Export,
            "emissions" => BudgetQuantity::Emissions,
            "cost" => BudgetQuantity::Cost,
            other => {
                let known = ["consumption", "import", "export", "emissions", "cost"];
                let finding = Diagnostic::error(
                    codes::UNKNOWN_NAME,
                    word.span,
                    format!("a budget cannot count `{other}`"),
                );
                self.push(match crate::diag::nearest(other, known) {
                    Some(near) => finding.help(format!("did you mean `{near}`?")),
                    None => finding.help(format!("budgets count {}", super::props::listed(&known))),
                });
                return None;
            }
        })
    }

    fn budget_scope(&mut self, name: &ast::Name, quantity: Option<BudgetQuantity>) -> Option<Target> {
        let own_site = self.site.name.clone();
        if name.single().is_some_and(|word| word.text == "site" || word.text == own_site) {
            return Some(Target::Site);
        }
        let subject = self.devices_named(name)?;
        let grid_only = self.members_of(&subject.target).iter().all(|range| {
            self.site
                .families
                .get(range.family.index())
                .is_some_and(|f| matches!(f.model, Model::Grid { .. }))
        });
        let fits = match quantity {
            Some(BudgetQuantity::Consumption) | None => true,
            Some(_) => grid_only,
        };
        if !fits {
            let text = self.text(name.span);
            let finding = Diagnostic::error(
                codes::WRONG_KIND,
                name.span,
                format!("only the site or a grid has this, not `{text}`"),
            );
            self.push(finding.help("write `of site`"));
            return None;
        }
        Some(subject.target)
    }
}

/// Whether a device is the principal's own, or it may limit its power at all times.
fn may_ration(site: &Site, who: &Principal, device: Device) -> bool {
    let tags = site.family(device.family).map(|family| &family.tags);
    let own = tags.and_then(|tags| tags.get("tenant")).is_some_and(|tag| *tag == Tag::Text(who.name.clone()));
    let concerns = |permit: &&Permit| {
        let whom = match permit.who {
            Some(principal) => principal == who.id,
            None => permit.any_kind.is_none_or(|kind| kind == who.kind),
        };
        let what = permit.verb.is_none_or(|verb| verb == Verb::Limit)
            && permit.attr.as_ref().is_none_or(|attr| *attr == Attr::Power);
        let on = match &permit.target {
            PermitTarget::AnyDevice | PermitTarget::Target(Target::Site) => true,
            PermitTarget::Target(target) => {
                site.target_members(target).iter().any(|range| range.contains(device))
            }
        };
        whom && what && on
    };
    let always = |permit: &Permit| permit.during == Sched::Always && !permit.emergency;
    let about: Vec<&Permit> = site.permits.iter().filter(concerns).collect();
    let forbidden = about.iter().any(|permit| permit.forbid);
    !forbidden && (own || about.iter().any(|permit| always(permit)))
}
