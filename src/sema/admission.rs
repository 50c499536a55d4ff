//! Admission: what may be connected. Lists of serials are read when the policy is compiled.

use super::Compiler;
use super::collect::Declared;
use crate::ast::{self, AdmissionTest, AdmissionVerb, BoundKind, Expr, ExprKind};
use crate::diag::{Diagnostic, Span, codes};
use crate::ir::{Admission, AdmissionAct, AdmissionCondition};
use crate::quantity::Type;

/// Serials of one list.
const MOST_SERIALS: usize = 1_000_000;

impl<'a> Compiler<'a> {
    /// Reads all admission statements.
    pub(super) fn admission_statements(&mut self, declared: &Declared<'a>) {
        for owned in &declared.admits {
            for admission in &owned.node.admissions {
                self.read_admission(admission);
            }
        }
    }

    fn read_admission(&mut self, node: &ast::Admission) {
        let tests: Vec<Option<AdmissionCondition>> =
            node.tests.iter().map(|(word, test)| self.admission_test(word, test, node.span)).collect();
        let Some(conditions) = tests.into_iter().collect::<Option<Vec<_>>>() else { return };
        let act = match node.verb {
            AdmissionVerb::Allow => AdmissionAct::Allow,
            AdmissionVerb::Deny => AdmissionAct::Deny,
            AdmissionVerb::Require => AdmissionAct::Require,
        };
        if conditions.iter().any(|c| matches!(c, AdmissionCondition::Signature(_))) {
            let text = self.text(node.span);
            self.unhonoured(format!("`{text}`: signatures of modules"), node.span, false, true);
        }
        self.site.admissions.push(Admission { act, conditions, text: self.text(node.span), span: node.span });
    }

    fn admission_test(
        &mut self,
        word: &ast::Ident,
        test: &AdmissionTest,
        span: Span,
    ) -> Option<AdmissionCondition> {
        match (word.text.as_str(), test) {
            ("maker", AdmissionTest::Is(expr)) => self.admission_text(expr).map(AdmissionCondition::Maker),
            ("function", AdmissionTest::Is(expr)) => {
                self.admission_text(expr).map(AdmissionCondition::Function)
            }
            ("serial", AdmissionTest::Is(expr)) => self.admission_text(expr).map(AdmissionCondition::Serial),
            ("signature", AdmissionTest::Is(expr)) => {
                let path = self.admission_text(expr)?;
                if let Err(finding) = self.repository.data(&path, expr.span) {
                    self.push(*finding);
                    return None;
                }
                Some(AdmissionCondition::Signature(path))
            }
            ("serial", AdmissionTest::In(path)) => self.serials(path).map(AdmissionCondition::SerialIn),
            ("voltage", AdmissionTest::Within(quantity, name)) => {
                if name.text() != "bus" {
                    self.error_help(
                        codes::WRONG_KIND,
                        name.span,
                        "a module's voltage is compared with that of its `bus`".to_owned(),
                        "write, for example, `voltage within 2 % of bus`",
                    );
                    return None;
                }
                let value = self.quantity_of(quantity, Type::Ratio)?;
                self.share(value, quantity.span).map(AdmissionCondition::VoltageWithin)
            }
            ("current", AdmissionTest::Bound(bound)) => match &bound.kind {
                BoundKind::AtMost(Expr { kind: ExprKind::Name(name), .. })
                    if matches!(name.text().as_str(), "port.rating" | "port.rated") =>
                {
                    Some(AdmissionCondition::CurrentAtMostPort)
                }
                _ => {
                    self.error(
                        codes::WRONG_KIND,
                        bound.span,
                        "a module's current is compared with that of its port: `at most port.rating`"
                            .to_owned(),
                    );
                    None
                }
            },
            ("maker" | "function" | "serial" | "signature" | "voltage" | "current", _) => {
                let text = self.text(span);
                let finding = Diagnostic::error(
                    codes::TYPE_MISMATCH,
                    word.span,
                    format!("`{}` is not tested so in `{text}`", word.text),
                );
                self.push(finding.help(
                    "tests are `maker \"..\"`, `function battery`, `serial in \"data/serials.csv\"`, `signature \"..\"`, `voltage within 5 % of bus` and `current at most port.rating`",
                ));
                None
            }
            (other, _) => {
                let known = ["maker", "function", "serial", "signature", "voltage", "current"];
                let finding = Diagnostic::error(
                    codes::UNKNOWN_NAME,
                    word.span,
                    format!("modules have no `{other}` to test"),
                );
                self.push(match crate::diag::nearest(other, known) {
                    Some(near) => finding.help(format!("did you mean `{near}`?")),
                    None => finding.help(format!("tests are of {}", super::props::listed(&known))),
                });
                None
            }
        }
    }

    fn admission_text(&mut self, expr: &Expr) -> Option<String> {
        match &expr.kind {
            ExprKind::Text(text) => Some(text.value.clone()),
            ExprKind::Name(name) if name.single().is_some() => Some(name.text()),
            _ => {
                self.error_help(
                    codes::TYPE_MISMATCH,
                    expr.span,
                    "a word or a quoted text is needed here".to_owned(),
                    "write a word such as `inverter`, or a text in quotes",
                );
                None
            }
        }
    }

    fn serials(&mut self, path: &ast::Text) -> Option<Vec<String>> {
        let file = match self.repository.data(&path.value, path.span) {
            Ok(file) => file,
            Err(finding) => {
                self.push(*finding);
                return None;
            }
        };
        let mut serials: Vec<String> = Vec::new();
        for (at, line) in file.text.lines().enumerate() {
            let field = line.split([',', ';']).next().unwrap_or("").trim().trim_matches('"');
            // the first line may name the columns
            let header = at == 0 && matches!(field.to_ascii_lowercase().as_str(), "serial" | "serials");
            if field.is_empty() || field.starts_with('#') || header {
                continue;
            }
            if field.contains(char::is_control) {
                let line = at + 1;
                let message = format!("line {line} of `{}` holds a control character", path.value);
                self.push(
                    Diagnostic::error(codes::FEED, path.span, message)
                        .help("one serial a line, as it is printed on the device"),
                );
                return None;
            }
            serials.push(field.to_owned());
        }
        if serials.len() > MOST_SERIALS {
            self.error_help(
                codes::TOO_LARGE,
                path.span,
                format!("`{}` lists more than {MOST_SERIALS} serials", path.value),
                "split the list, and admit each part by a statement of its own",
            );
            return None;
        }
        serials.sort_unstable();
        serials.dedup();
        if serials.is_empty() {
            self.error_help(
                codes::FEED,
                path.span,
                format!("`{}` lists no serial", path.value),
                "write one serial number on each line",
            );
            return None;
        }
        Some(serials)
    }
}
