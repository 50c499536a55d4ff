//! Small policies for the tests of this room.

use crate::diag::Span;
pub(crate) use crate::ir::testkit::{rat, span};
use crate::ir::*;
use crate::quantity::{Rat, Type};

/// A site under construction.
pub(crate) struct Make {
    pub(crate) site: Site,
    spans: u32,
}

impl Make {
    pub(crate) fn new() -> Self {
        Self { site: crate::ir::testkit::site(), spans: 1 }
    }

    fn span(&mut self) -> Span {
        self.spans += 1;
        span(self.spans)
    }

    pub(crate) fn signal(&mut self, name: &str, ty: Type, domain: Domain, source: SignalSource) -> SignalId {
        let id = SignalId::at(self.site.signals.len());
        let span = self.span();
        self.site.signals.push(Signal {
            id,
            name: name.into(),
            ty,
            count: None,
            domain,
            source,
            reading: None,
            feed: None,
            normal: None,
            strict_step: Rat::ZERO,
            span,
        });
        id
    }

    pub(crate) fn number(&mut self, name: &str, lo: &str, hi: &str) -> SignalId {
        let domain = Domain::Interval { lo: rat(lo), hi: rat(hi) };
        self.signal(name, Type::Number, domain, SignalSource::Weather)
    }

    pub(crate) fn lossy(&mut self, id: SignalId) {
        self.site.signals[id.index()].reading =
            Some(Reading { poll_s: Some(rat("2")), max_age_s: Some(rat("6")) });
    }

    pub(crate) fn device(&mut self, name: &str, role: Role, kind: &str, model: Model) -> FamilyId {
        let id = FamilyId::at(self.site.families.len());
        let span = self.span();
        self.site.families.push(Family::new(id, name, span, role, kind, model));
        id
    }

    pub(crate) fn consumer(&mut self, name: &str, pieces: &[(&str, &str)]) -> FamilyId {
        let model = Model::Consumer(Box::default());
        let id = self.device(name, Role::Consumer, "load", model);
        let pieces = pieces.iter().map(|(lo, hi)| (rat(lo), rat(hi))).collect();
        self.site.families[id.index()].ranges.insert(Attr::Power, pieces);
        id
    }

    pub(crate) fn store(&mut self, name: &str, power: &str) -> FamilyId {
        let model = Model::Store(Box::new(Store {
            efficiency_charge: rat("0.9"),
            efficiency_discharge: rat("0.9"),
            ..Store::new(rat("100"), rat(power), rat(power))
        }));
        let id = self.device(name, Role::Storage, "battery", model);
        let range = vec![(Rat::ZERO, rat(power))];
        let ranges = &mut self.site.families[id.index()].ranges;
        ranges.insert(Attr::Charge, range.clone());
        ranges.insert(Attr::Discharge, range);
        ranges.insert(Attr::ChargeLevel, vec![(Rat::ZERO, Rat::ONE)]);
        id
    }

    /// A rule of a class (0: safety).
    pub(crate) fn rule(&mut self, name: &str, class: u32, when: Guard) -> RuleId {
        let id = RuleId::at(self.site.rules.len());
        let (span, when_span) = (self.span(), self.span());
        self.site.rules.push(Rule {
            id,
            name: name.into(),
            class: ClassId(class),
            owner: OWNER,
            span,
            for_each: None,
            when,
            when_span,
            until: None,
            memory: Memory::None,
            latches: Vec::new(),
            on_loss: if class == 0 { OnLoss::Active } else { OnLoss::Inactive },
            at_most_every_s: None,
            effects: Vec::new(),
        });
        id
    }

    pub(crate) fn until(&mut self, rule: RuleId, until: Guard) -> LatchId {
        let id = LatchId::at(self.site.latches.len());
        let name = self.site.rules[rule.index()].name.clone();
        let span = self.span();
        self.site.latches.push(Latch { id, name, rule, member: None, span });
        let rule = &mut self.site.rules[rule.index()];
        rule.until = Some(until);
        rule.memory = Memory::Until;
        rule.latches = vec![id];
        id
    }

    pub(crate) fn effect(&mut self, rule: RuleId, target: Target, verb: Verb, kind: EffectKind, text: &str) {
        let span = self.span();
        let effects = &mut self.site.rules[rule.index()].effects;
        let index = u32::try_from(effects.len()).unwrap();
        effects.push(Effect {
            index,
            verb,
            target,
            kind,
            preferably: false,
            price: None,
            span,
            text: text.into(),
        });
    }

    /// `lo <= attr <= hi` on one device.
    pub(crate) fn bound(
        &mut self,
        rule: RuleId,
        device: FamilyId,
        attr: Attr,
        lo: Option<&str>,
        hi: Option<&str>,
    ) {
        let text = format!("bound {} {lo:?} {hi:?}", attr.name());
        let kind = EffectKind::Bound {
            attr,
            lo: lo.map(|v| Lin::constant(rat(v))),
            hi: hi.map(|v| Lin::constant(rat(v))),
            share: Share::Each,
            averaged_s: None,
        };
        self.effect(rule, one(device), Verb::Limit, kind, &text);
    }

    pub(crate) fn switch(&mut self, rule: RuleId, device: FamilyId, on: bool) {
        let (verb, text) = if on { (Verb::TurnOn, "turn on it") } else { (Verb::TurnOff, "turn off it") };
        self.effect(rule, one(device), verb, EffectKind::Switch(on), text);
    }
}

/// One device as a target.
pub(crate) fn one(family: FamilyId) -> Target {
    Target::Members(vec![MemberRange { family, first: 1, last: 1 }])
}

/// `signal > bound`.
pub(crate) fn above(signal: SignalId, bound: &str) -> Guard {
    compare(signal, Cmp::Gt, bound)
}

/// `signal < bound`.
pub(crate) fn below(signal: SignalId, bound: &str) -> Guard {
    compare(signal, Cmp::Lt, bound)
}

/// `signal op bound`.
pub(crate) fn compare(signal: SignalId, op: Cmp, bound: &str) -> Guard {
    let mut lin = Lin::of(SigRef::Only(signal));
    lin.constant = -&rat(bound);
    Guard::Compare { lin, op, step: Rat::ZERO }
}

/// Hours of the day, every day.
pub(crate) fn hours(from: i32, to: i32) -> Sched {
    Sched::Window { days: Days::Daily, from: ClockEdge::At(from * 3600), to: ClockEdge::At(to * 3600) }
}
