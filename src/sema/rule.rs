//! Rules: guards, memory, loss and effects.

use super::Compiler;
use super::collect::{Declared, Owned};
use super::guard::Scope;
use crate::ast;
use crate::diag::{Diagnostic, Span, codes};
use crate::ir::{
    Device, Effect, EffectKind, GroupId, Guard, Held, HeldId, Latch, LatchId, Lin, Memory, OnLoss, Rule,
    RuleId, SAFETY, SigRef, SignalId, SignalSource,
};

/// Latch bits of one site.
const MOST_LATCHES: usize = 1_000_000;

/// The rule that is read, for its `for d` bits.
#[derive(Debug)]
pub(super) struct Current {
    name: String,
    held: u32,
}

impl<'a> Compiler<'a> {
    /// Reads all rules.
    pub(super) fn rule_statements(&mut self, declared: &Declared<'a>) {
        self.site.rules.reserve_exact(declared.rules.len());
        for (at, owned) in declared.rules.iter().enumerate() {
            self.owner = owned.owner;
            let rule = self.read_rule(owned, RuleId::at(at));
            self.scope = Scope::default();
            self.rule = None;
            self.site.rules.push(rule);
        }
    }

    /// The rule; where it has errors, what could be read of it, so that ids stay what they are.
    fn read_rule(&mut self, owned: &Owned<'a, ast::Rule>, id: RuleId) -> Rule {
        let node = owned.node;
        let name = &node.name;
        self.rule = Some(Current { name: name.text.clone(), held: 0 });
        let class = self.granted_class(node.class.as_ref(), &format!("the rule `{}`", name.text), name.span);
        let mut group = None;
        if let Some(each) = &node.for_each {
            group = self.loop_group(each);
            if let Some(group) = group {
                self.scope.variable = Some((each.variable.text.clone(), group));
            }
        }
        let looped = node.for_each.is_none() || group.is_some();
        let mut rule = Rule {
            id,
            name: name.text.clone(),
            class: class.unwrap_or(SAFETY),
            owner: owned.owner,
            span: name.span,
            for_each: group,
            when: Guard::Const(true),
            when_span: name.span,
            until: None,
            memory: Memory::None,
            latches: Vec::new(),
            on_loss: OnLoss::Inactive,
            at_most_every_s: None,
            effects: Vec::new(),
        };
        // without its group nothing inside can be understood
        if !looped {
            return rule;
        }
        if let Some(guard) = &node.guard {
            self.read_guard(guard, &mut rule);
        }
        self.on_loss(node, class, &mut rule);
        if let Some(every) = &node.at_most_every {
            rule.at_most_every_s = self.seconds(every);
        }
        rule.effects.reserve_exact(node.effects.len());
        for (at, effect) in node.effects.iter().enumerate() {
            if let Some(effect) = self.effect(effect, u32::try_from(at).unwrap_or(u32::MAX)) {
                rule.effects.push(effect);
            }
        }
        self.every_fits(node, &rule);
        if let Some(interlock) = &node.interlock {
            self.declared_interlock(interlock, &rule);
        }
        if class == Some(SAFETY) {
            self.safety_readings(&rule);
        }
        rule
    }

    fn loop_group(&mut self, each: &ast::ForEach) -> Option<GroupId> {
        if self.names.get(&each.variable.text).is_some() {
            self.error_help(
                codes::DUPLICATE_NAME,
                each.variable.span,
                format!("`{}` is declared already; the loop needs another word", each.variable.text),
                "choose a word that nothing else has, such as `one`",
            );
        }
        let subject = self.devices_named(&each.group)?;
        match subject.target {
            crate::ir::Target::Group(group) => Some(group),
            crate::ir::Target::Members(members) => {
                let text = each.group.text();
                Some(self.anonymous_group(members, &text, each.group.span))
            }
            _ => None,
        }
    }

    fn read_guard(&mut self, guard: &ast::Guard, rule: &mut Rule) {
        rule.when_span = guard.span;
        let when = self.guard(&guard.when);
        let when = self.held(when, guard.held_for.as_deref(), guard.when.span);
        rule.when = when.unwrap_or(Guard::Const(false));
        if let Some(until) = &guard.until {
            let condition = self.guard(&until.condition);
            let condition = self.held(condition, until.held_for.as_ref(), until.span);
            rule.until = Some(condition.unwrap_or(Guard::Const(false)));
            rule.memory = Memory::Until;
        }
        if let Some(reset) = &guard.latch {
            match self.names.get(&reset.role.text) {
                Some(super::names::Entity::Principal(_)) => {}
                Some(super::names::Entity::Broken) => {}
                Some(other) => {
                    let message =
                        format!("`{}` is {}, and a role is needed here", reset.role.text, other.words());
                    self.error(codes::WRONG_KIND, reset.role.span, message);
                }
                None => self.unknown(&reset.role.text.clone(), reset.role.span, "the role"),
            }
            rule.memory = Memory::Reset { role: reset.role.text.clone() };
        }
        if rule.memory != Memory::None {
            self.latches(rule, guard.span);
        }
    }

    fn held(&mut self, guard: Option<Guard>, length: Option<&ast::Quantity>, span: Span) -> Option<Guard> {
        let Some(length) = length else { return guard };
        let for_s = self.seconds(length);
        let (guard, for_s) = (guard?, for_s?);
        if self.scope.variable.is_some() {
            // one bit would count the time of the first member for all
            self.unhonoured("`for` a time in a rule for each member", span, true, true);
        }
        let id = HeldId::at(self.site.held.len());
        let name = match &mut self.rule {
            Some(current) => {
                current.held += 1;
                if current.held == 1 {
                    current.name.clone()
                } else {
                    format!("{} {}", current.name, current.held)
                }
            }
            None => String::new(),
        };
        self.site.held.push(Held { id, name, for_s, span });
        Some(Guard::Held(id, Box::new(guard)))
    }

    fn latches(&mut self, rule: &mut Rule, span: Span) {
        let members: Vec<Option<Device>> = match rule.for_each {
            None => vec![None],
            Some(group) => {
                let ranges =
                    self.site.groups.get(group.index()).map(|g| g.members.clone()).unwrap_or_default();
                let many = self.site.groups.get(group.index()).map_or(0, crate::ir::Group::len);
                let room = MOST_LATCHES.saturating_sub(self.site.latches.len());
                if usize::try_from(many).map_or(true, |n| n > room) {
                    self.error(
                        codes::TOO_LARGE,
                        span,
                        format!("the rules of this site remember more than {MOST_LATCHES} bits"),
                    );
                    return;
                }
                ranges.iter().flat_map(|r| r.devices().map(Some)).collect()
            }
        };
        for member in members {
            let id = LatchId::at(self.site.latches.len());
            let name = match member {
                None => rule.name.clone(),
                Some(device) => format!("{} {}", rule.name, self.site.device_name(device)),
            };
            self.site.latches.push(Latch { id, name, rule: rule.id, member, span });
            rule.latches.push(id);
        }
    }

    fn on_loss(&mut self, node: &ast::Rule, class: Option<crate::ir::ClassId>, rule: &mut Rule) {
        let default = if class == Some(SAFETY) { OnLoss::Active } else { OnLoss::Inactive };
        rule.on_loss = match node.on_loss.as_ref().map(|loss| &loss.kind) {
            None => default,
            Some(ast::OnLossKind::Active) => OnLoss::Active,
            Some(ast::OnLossKind::Inactive) => OnLoss::Inactive,
            Some(ast::OnLossKind::Hold(length)) => self.seconds(length).map_or(default, OnLoss::Hold),
        };
    }

    fn every_fits(&mut self, node: &ast::Rule, rule: &Rule) {
        let Some(every) = &node.at_most_every else { return };
        let fits =
            |effect: &Effect| matches!(effect.kind, EffectKind::Notify { .. } | EffectKind::Run { .. });
        if !rule.effects.iter().all(fits) {
            let finding = Diagnostic::error(
                codes::WRONG_KIND,
                every.span,
                "`at most every` stands only with `notify` and `run`".to_owned(),
            );
            self.push(finding.help("a rule that commands a device is active for as long as its guard holds"));
        }
    }

    /// `interlock "relay K7"` in a rule: the barrier behind it, noted at the devices it commands.
    fn declared_interlock(&mut self, interlock: &ast::Text, rule: &Rule) {
        for effect in &rule.effects {
            for range in self.site.commanded_by(rule, effect) {
                if let Some(family) = self.site.families.get_mut(range.family.index())
                    && family.interlock.is_none()
                {
                    family.interlock = Some(interlock.value.clone());
                }
            }
        }
    }

    /// A rule of the first class may rest only on readings that are polled and go stale
    /// (semantics.md 4).
    fn safety_readings(&mut self, rule: &Rule) {
        let mut signals = Vec::new();
        let group = rule.for_each;
        collect_guard(&rule.when, group, &mut signals);
        if let Some(until) = &rule.until {
            collect_guard(until, group, &mut signals);
        }
        for effect in &rule.effects {
            if let EffectKind::Bound { lo, hi, .. } = &effect.kind {
                for lin in [lo, hi].into_iter().flatten() {
                    collect_lin(lin, group, &mut signals);
                }
            }
        }
        if signals.iter().any(|read| matches!(read, Read::Emergency))
            && let Some(emergency) = self.site.emergency.clone()
        {
            collect_guard(&emergency, None, &mut signals);
        }
        let mut ids: Vec<SignalId> = Vec::new();
        for read in signals {
            match read {
                Read::Emergency => {}
                Read::Signal(id) => ids.push(id),
                Read::Member(group, attr) => {
                    let members =
                        self.site.groups.get(group.index()).map(|g| g.members.clone()).unwrap_or_default();
                    ids.extend(members.iter().filter_map(|m| self.site.measured(m.family, &attr)));
                }
            }
        }
        ids.sort_unstable();
        ids.dedup();
        for id in ids {
            self.safety_reading(rule, id);
        }
    }

    fn safety_reading(&mut self, rule: &Rule, id: SignalId) {
        let Some(signal) = self.site.signals.get(id.index()) else { return };
        let Some(reading) = &signal.reading else {
            self.safety_weather(rule, id);
            return;
        };
        let from_feed = signal.feed.is_some();
        let polled = reading.max_age_s.is_some() && (from_feed || reading.poll_s.is_some());
        if polled {
            return;
        }
        let place = match &signal.source {
            SignalSource::Sensor(family, _) | SignalSource::Measured(family, _) => {
                if self.families.get(family.index()).is_some_and(|f| f.broken) {
                    return;
                }
                self.site.families.get(family.index()).map_or(signal.span, |f| f.span)
            }
            _ => signal.span,
        };
        let missing = match (reading.poll_s.is_some() || from_feed, reading.max_age_s.is_some()) {
            (true, false) => "`max_age`",
            (false, true) => "`poll`",
            _ => "`poll` and `max_age`",
        };
        let finding = Diagnostic::error(
            codes::UNPOLLED_SAFETY_READING,
            rule.when_span,
            format!("the safety rule `{}` rests on `{}`, which has no {missing}", rule.name, signal.name),
        )
        .label(place, "declared here")
        .because("without them nobody would notice that the reading is old");
        self.push(finding.help("add, for example, `poll 2 s, max_age 6 s` to its declaration"));
    }
}

impl Compiler<'_> {
    /// Weather that no feed gives is known to nobody, and nothing tells how old it is.
    fn safety_weather(&mut self, rule: &Rule, id: SignalId) {
        let Some(signal) = self.site.signals.get(id.index()) else { return };
        let weather = match signal.source {
            SignalSource::Aggregate { of, .. } => self.site.signals.get(of.index()),
            _ => Some(signal),
        };
        let fed = signal.feed.is_some() || weather.is_none_or(|weather| weather.feed.is_some());
        let is_weather = weather.is_some_and(|weather| weather.source == SignalSource::Weather);
        if fed || !is_weather || self.weather_broken {
            return;
        }
        let finding = Diagnostic::error(
            codes::UNPOLLED_SAFETY_READING,
            rule.when_span,
            format!("the safety rule `{}` rests on `{}`, which no feed gives", rule.name, signal.name),
        )
        .label(signal.span, "declared here")
        .because("nobody would notice that the value is old");
        self.push(finding.help("add a `source` to the weather: a live feed with `max_age`, or a file"));
    }
}

/// Something that a guard reads.
enum Read {
    Signal(SignalId),
    Member(GroupId, crate::ir::Attr),
    Emergency,
}

fn collect_guard(guard: &Guard, group: Option<GroupId>, out: &mut Vec<Read>) {
    match guard {
        Guard::Not(inner) | Guard::Held(_, inner) => collect_guard(inner, group, out),
        Guard::All(parts) | Guard::Any(parts) => {
            for part in parts {
                collect_guard(part, group, out);
            }
        }
        Guard::Compare { lin, .. } => collect_lin(lin, group, out),
        Guard::Is(reference) | Guard::Equals(reference, _) => collect_reference(reference, group, out),
        Guard::Quantified { group, body, .. } => collect_guard(body, Some(*group), out),
        Guard::Emergency => out.push(Read::Emergency),
        Guard::Const(_) | Guard::During(_) => {}
    }
}

fn collect_lin(lin: &Lin, group: Option<GroupId>, out: &mut Vec<Read>) {
    for (_, reference) in &lin.terms {
        collect_reference(reference, group, out);
    }
    for (_, term) in &lin.sums {
        out.push(Read::Member(term.group, term.attr.clone()));
    }
}

fn collect_reference(reference: &SigRef, group: Option<GroupId>, out: &mut Vec<Read>) {
    match (reference, group) {
        (SigRef::Only(id) | SigRef::Member(id, _), _) => out.push(Read::Signal(*id)),
        (SigRef::Bound(attr), Some(group)) => out.push(Read::Member(group, attr.clone())),
        (SigRef::Bound(_), None) => {}
    }
}
