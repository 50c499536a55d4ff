//! Permissions and admission.

use super::expr::To;
use super::{Builder, Piece, Rule, first, parts};
use crate::ast::{Admission, AdmissionTest, AdmissionVerb, Permission, Principal, Subject, Verb};

impl Builder {
    pub(super) fn permission(&mut self, piece: Piece<'_>) -> Option<Permission> {
        let (mut permit, mut principal, mut verbs, mut subject) = (true, None, Vec::new(), None);
        let (mut bound, mut during, mut when) = (None, None, None);
        for part in parts(piece) {
            match part.as_rule() {
                Rule::k_forbid => permit = false,
                Rule::principal => principal = Some(self.principal(part)?),
                Rule::verb => {
                    let words: Vec<_> = part.as_str().split_ascii_whitespace().collect();
                    verbs.push(Verb { text: words.join(" "), span: self.span(&part) });
                }
                Rule::subject => subject = Some(self.subject(part)?),
                Rule::bound => bound = Some(self.bound(part, To::Exactly)?),
                Rule::during_arg => during = Some(self.schedule(parts(part).nth(1)?)?),
                Rule::when_arg => when = Some(self.expr(parts(part).nth(1)?)?),
                _ => {}
            }
        }
        Some(Permission { permit, principal: principal?, verbs, subject: subject?, bound, during, when })
    }

    fn principal(&mut self, piece: Piece<'_>) -> Option<Principal> {
        let mut inner = parts(piece);
        let head = inner.next()?;
        Some(match head.as_rule() {
            Rule::k_any => Principal::Any(self.ident(&inner.next()?)),
            Rule::principal_kind => {
                let kind = Some(self.ident(&first(head)?));
                Principal::Named { kind, name: self.ident(&inner.next()?) }
            }
            _ => Principal::Named { kind: None, name: self.ident(&head) },
        })
    }

    fn subject(&mut self, piece: Piece<'_>) -> Option<Subject> {
        let mut inner = parts(piece);
        let head = inner.next()?;
        Some(match head.as_rule() {
            Rule::k_any => Subject::Any(self.ident(&inner.next()?)),
            _ => Subject::Name(self.name(head)?),
        })
    }

    pub(in crate::syntax) fn admission(&mut self, piece: Piece<'_>) -> Option<Admission> {
        let span = self.span(&piece);
        let (mut verb, mut tests) = (AdmissionVerb::Allow, Vec::new());
        for part in parts(piece) {
            match part.as_rule() {
                Rule::admission_verb => {
                    verb = match first(part)?.as_rule() {
                        Rule::k_allow => AdmissionVerb::Allow,
                        Rule::k_deny => AdmissionVerb::Deny,
                        _ => AdmissionVerb::Require,
                    }
                }
                Rule::admission_test => {
                    let mut inner = parts(part);
                    let attribute = self.ident(&inner.next()?);
                    let head = inner.next()?;
                    let test = match head.as_rule() {
                        Rule::k_in => AdmissionTest::In(self.text(&inner.next()?)?),
                        Rule::k_within => {
                            let share = self.quantity(inner.next()?)?;
                            AdmissionTest::Within(share, self.name(inner.nth(1)?)?)
                        }
                        Rule::bound => AdmissionTest::Bound(self.bound(head, To::Exactly)?),
                        _ => AdmissionTest::Is(self.expr(head)?),
                    };
                    tests.push((attribute, test));
                }
                _ => {}
            }
        }
        Some(Admission { verb, tests, span })
    }
}
