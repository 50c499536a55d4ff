//! What a verification finds.

use crate::bundle::Step;
use crate::calendar::Instant;
use crate::diag::{Code, Diagnostic, Severity, Span, codes};
use crate::ir::{ClassId, Device, Statement};
use crate::quantity::Rat;

/// One way in which a plan does not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Miss {
    /// EVL1106, or EVL1001 for what is understood and cannot be verified yet.
    pub code: Code,
    /// The step in which it shows first; `None`: the plan as a whole.
    pub step: Option<usize>,
    /// How many steps it shows in.
    pub steps: usize,
    /// The device, bus, link or zone.
    pub of: String,
    /// What is wrong, with the amount.
    pub message: String,
    /// The statement that does not hold.
    pub statement: Option<Statement>,
    /// Its class; `None`: physics, ratings and permissions, which are hard for all.
    pub class: Option<ClassId>,
    /// Where that statement stands.
    pub span: Option<Span>,
    /// Only what the plan says of itself is wrong; what it does may stand.
    pub said: bool,
    /// By how much at most, in the unit of what the statement limits, where that is a number.
    pub beyond: Option<Rat>,
    /// Who would not do it if it did not follow a meter in that step.
    pub follower: Option<Device>,
}

impl Miss {
    pub(super) fn plan(of: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            code: codes::PLAN_VIOLATES,
            step: None,
            steps: 1,
            of: of.into(),
            message: message.into(),
            statement: None,
            class: None,
            span: None,
            said: false,
            beyond: None,
            follower: None,
        }
    }

    /// The plan does not tell the truth about itself.
    pub(super) fn said(of: impl Into<String>, message: impl Into<String>) -> Self {
        Self { said: true, ..Self::plan(of, message) }
    }

    pub(super) fn at(step: usize, of: impl Into<String>, message: impl Into<String>) -> Self {
        Self { step: Some(step), ..Self::plan(of, message) }
    }

    pub(super) fn unverified(span: Span, of: impl Into<String>, message: impl Into<String>) -> Self {
        Self { code: codes::NOT_PLANNED_YET, span: Some(span), ..Self::plan(of, message) }
    }

    pub(super) fn by(mut self, statement: Statement, span: Span) -> Self {
        self.statement = Some(statement);
        self.span = Some(span);
        self
    }

    pub(super) fn class(mut self, class: ClassId) -> Self {
        self.class = Some(class);
        self
    }

    /// Whose following it is.
    pub(super) fn of_follower(mut self, device: Device) -> Self {
        self.follower = Some(device);
        self
    }

    /// By how much.
    pub(super) fn beyond(mut self, amount: Rat) -> Self {
        self.beyond = Some(amount);
        self
    }

    /// As a finding; times are shown by `clock`.
    #[must_use]
    pub fn finding(&self, steps: &[Step], clock: impl Fn(Instant) -> String) -> Diagnostic {
        let place = if self.message.contains(&self.of) { String::new() } else { format!("`{}`: ", self.of) };
        let when = match self.step.and_then(|step| steps.get(step)) {
            Some(step) if self.steps > 1 => {
                format!(" from {} (in {} steps)", clock(step.start), self.steps)
            }
            Some(step) => format!(" at {}", clock(step.start)),
            None => String::new(),
        };
        let message = format!("{place}{}{when}", self.message);
        match self.span {
            Some(span) => Diagnostic::error(self.code, span, message),
            None => Diagnostic::nowhere(self.code, Severity::Error, message),
        }
    }
}

/// Collects misses; the same fault in later steps is counted, not repeated.
#[derive(Debug, Default)]
pub(super) struct Misses {
    found: Vec<(String, Miss)>,
}

impl Misses {
    /// Adds one; misses of the same `kind` on the same thing are one.
    pub(super) fn push(&mut self, kind: &str, miss: Miss) {
        let key = format!("{kind}|{}|{:?}", miss.of, miss.statement);
        if miss.step.is_some()
            && let Some((_, first)) = self.found.iter_mut().find(|(known, _)| *known == key)
        {
            first.steps += 1;
            first.beyond = first.beyond.take().max(miss.beyond);
            return;
        }
        self.found.push((key, miss));
    }

    pub(super) fn into_list(self) -> Vec<Miss> {
        self.found.into_iter().map(|(_, miss)| miss).collect()
    }
}
