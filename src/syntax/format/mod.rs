//! The formatter: one canonical form.
//!
//! A statement stands on one line where it fits into 100 columns, otherwise with one property or
//! clause a line. Comments and single blank lines are kept where they stand: a comment behind
//! something stays behind it, any other keeps a line of its own before what follows. Statements that
//! cannot be read are left byte for byte. Printing the tree of the result gives the same tree.

mod item;
mod property;
mod rule;
mod text;

use crate::ast::{self, Comment, Item, ItemKind, Module, Rule, Test};
use crate::diag::{Diagnostic, SourceId};
use item::{Unit, idents, joined};
use property::one_line;

/// Longest line into which a statement is put.
const WIDTH: usize = 100;

/// A formatted text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Formatted {
    /// the canonical form; statements that cannot be read are as they were
    pub text: String,
    /// the syntax errors of those statements
    pub findings: Vec<Diagnostic>,
}

/// Formats a policy text.
///
/// Total: any text has a result. Formatting the result changes nothing, and reading it gives the
/// same tree.
#[must_use]
pub fn format(source: SourceId, text: &str) -> Formatted {
    let (file, findings) = super::parse(source, text);
    let mut printer =
        Printer { text, comments: &file.comments, next: 0, out: String::new(), depth: 0, last: None };
    printer.items(&file.items, text.len());
    printer.comments_before(text.len());
    Formatted { text: printer.out, findings }
}

/// An effect in canonical form, from the tree: what a module's parameters stand for is in it.
#[must_use]
pub fn effect(node: &ast::Effect) -> String {
    rule::effect(node)
}

/// A budget in canonical form, from the tree.
#[must_use]
pub fn budget(node: &ast::Budget) -> String {
    item::budget(node)
}

struct Printer<'t> {
    text: &'t str,
    comments: &'t [Comment],
    next: usize,
    out: String,
    depth: usize,
    /// where in the source the last printed thing ends; `None` at the beginning of a block
    last: Option<usize>,
}

impl Printer<'_> {
    /// Begins a line for something that stands at `start` in the source.
    fn begin(&mut self, start: usize) {
        if let Some(last) = self.last {
            let between = self.text.get(last..start).unwrap_or("");
            let ends = between.find('\n').zip(between.rfind('\n')).filter(|(first, last)| first < last);
            let whole_lines = ends.and_then(|(first, last)| between.get(first + 1..last));
            let blank = whole_lines.is_some_and(|lines| lines.split('\n').any(|line| line.trim().is_empty()));
            if blank {
                self.out.push('\n');
            }
        }
        self.indent(self.depth);
    }

    fn indent(&mut self, depth: usize) {
        for _ in 0..depth {
            self.out.push_str("  ");
        }
    }

    /// Puts every comment that begins before `end` on a line of its own.
    fn comments_before(&mut self, end: usize) {
        while let Some(comment) =
            self.comments.get(self.next).filter(|comment| (comment.span.start as usize) < end)
        {
            self.next += 1;
            self.begin(comment.span.start as usize);
            self.out.push_str(&comment.text);
            self.out.push('\n');
            self.last = Some(comment.span.end as usize);
        }
    }

    /// Ends a line; a comment behind its end in the source stays behind it.
    fn end_line(&mut self, end: usize, limit: usize) {
        if let Some(comment) = self.comments.get(self.next) {
            let start = comment.span.start as usize;
            let same_line = || self.text.get(end..start).is_some_and(|between| !between.contains('\n'));
            if !comment.own_line && start < limit && same_line() {
                self.next += 1;
                self.out.push(' ');
                self.out.push_str(&comment.text);
                self.out.push('\n');
                self.last = Some(comment.span.end as usize);
                return;
            }
        }
        self.out.push('\n');
        self.last = Some(end);
    }

    /// Whether a comment stands between two places.
    fn comment_within(&self, start: usize, end: usize) -> bool {
        let later = self.comments.get(self.next..).unwrap_or(&[]);
        later
            .iter()
            .take_while(|comment| (comment.span.start as usize) < end)
            .any(|comment| comment.span.start as usize >= start)
    }

    fn fits(&self, line: &str) -> bool {
        self.depth * 2 + line.chars().count() <= WIDTH
    }

    fn items(&mut self, items: &[Item], end: usize) {
        for (at, item) in items.iter().enumerate() {
            let limit = items.get(at + 1).map_or(end, |next| next.span.start as usize);
            self.item(item, limit);
        }
    }

    fn item(&mut self, item: &Item, limit: usize) {
        let (start, end) = (item.span.start as usize, item.span.end as usize);
        self.comments_before(start);
        let line = match &item.kind {
            ItemKind::Edition(number) => format!("edition {}", number.text),
            ItemKind::Import(path) => format!("import {}", path.text()),
            ItemKind::Use(found) => item::use_module(found),
            ItemKind::Priorities(all) => format!("priorities {}", idents(all, " > ")),
            ItemKind::Group(group) => item::group(group),
            ItemKind::Schedule(declared) => {
                format!("schedule {} = {}", declared.name.text, text::schedule(&declared.schedule))
            }
            ItemKind::Assume(assume) => {
                format!(
                    "assume {}{}",
                    text::expr(&assume.condition),
                    item::during_suffix(assume.during.as_ref())
                )
            }
            ItemKind::Mode(mode) => {
                let name = mode.name.as_ref().map_or_else(String::new, |name| format!("{}: ", name.text));
                format!("mode {name}{}", idents(&mode.values, " | "))
            }
            ItemKind::Budget(budget) => item::budget(budget),
            ItemKind::Role(all) => format!("role {}", idents(all, ", ")),
            ItemKind::Permission(permission) => item::permission(permission),
            ItemKind::Prove(prove) => item::prove(prove),
            ItemKind::Conform(conform) => {
                let mut line = format!("conform to {}", text::text(&conform.path.value));
                if !conform.with.is_empty() {
                    line.push_str(" with ");
                    line.push_str(&item::named(&conform.with, " = "));
                }
                line
            }
            ItemKind::Objective(objective) => item::objective(objective),
            ItemKind::Decide(all) => format!("decide {}", joined(all, ", ", crate::ast::Name::text)),
            ItemKind::Declaration(declaration) if declaration.complete => {
                let units = property::properties(&declaration.properties);
                let head = item::declaration_head(declaration);
                return self.braced(&head, &units, ", ", (start, end, limit));
            }
            ItemKind::Admit(admit) if admit.complete => {
                let units: Vec<_> = admit.admissions.iter().map(item::admission).collect();
                return self.braced("admit", &units, ", ", (start, end, limit));
            }
            ItemKind::Rule(rule) => return self.rule(rule, (start, end, limit)),
            ItemKind::Test(test) => return self.test(test, (start, end, limit)),
            ItemKind::Module(module) => return self.module(module, (start, end, limit)),
            ItemKind::Declaration(_) | ItemKind::Admit(_) | ItemKind::Broken(_) => {
                return self.verbatim((start, end, limit));
            }
        };
        // a comment inside a statement of one line moves before it
        self.comments_before(end);
        self.begin(start);
        self.out.push_str(&line);
        self.end_line(end, limit);
    }

    fn verbatim(&mut self, (start, end, limit): (usize, usize, usize)) {
        self.begin(start);
        self.out.push_str(self.text.get(start..end).unwrap_or(""));
        while self.comments.get(self.next).is_some_and(|comment| (comment.span.start as usize) < end) {
            self.next += 1;
        }
        self.end_line(end, limit);
    }

    /// `head { units }`, on one line if possible.
    fn braced(
        &mut self,
        head: &str,
        units: &[Unit],
        between: &str,
        (start, end, limit): (usize, usize, usize),
    ) {
        if units.is_empty() && !self.comment_within(start, end) {
            self.begin(start);
            self.out.push_str(head);
            return self.end_line(end, limit);
        }
        let unit = Unit {
            text: head.to_owned(),
            block: None,
            alone: false,
            span: crate::diag::Span::file(SourceId(0)),
        };
        self.begin(start);
        self.block(&unit, units, between, (start, end));
        self.end_line(end, limit);
    }

    /// A head and a block, behind the indentation already written, without the line's end.
    fn block(&mut self, head: &Unit, units: &[Unit], between: &str, (start, end): (usize, usize)) {
        let free = !self.comment_within(start, end) && !any_alone(units);
        if free {
            let line = format!("{} {{ {} }}", head.text, joined(units, between, one_line));
            if self.fits(&line) {
                self.out.push_str(line.trim_start());
                return;
            }
        }
        let mut opening = format!("{} {{", head.text);
        if head.text.is_empty() {
            opening = "{".to_owned();
        }
        self.out.push_str(&opening);
        self.open(units.first().map_or(end, |first| first.span.start as usize));
        self.depth += 1;
        for (at, unit) in units.iter().enumerate() {
            let next = units.get(at + 1);
            self.unit(unit, next, next.map_or(end, |next| next.span.start as usize));
        }
        self.close(end);
    }

    /// Ends the line of an opening brace, with the comment that stands behind the brace.
    fn open(&mut self, first: usize) {
        let next = self.comments.get(self.next);
        let behind = next.filter(|comment| !comment.own_line && (comment.span.start as usize) < first);
        if let Some(comment) = behind {
            self.next += 1;
            self.out.push(' ');
            self.out.push_str(&comment.text);
        }
        self.out.push('\n');
        self.last = None;
    }

    /// Writes the closing brace on a line of its own.
    fn close(&mut self, end: usize) {
        self.comments_before(end);
        self.depth -= 1;
        self.indent(self.depth);
        self.out.push('}');
    }

    fn unit(&mut self, unit: &Unit, next: Option<&Unit>, limit: usize) {
        let (start, end) = (unit.span.start as usize, unit.span.end as usize);
        // a word that would continue this line must be divided from it by a comma
        let joins = next.is_some_and(|next| super::words::continues_entry(first_word(&next.text)));
        match &unit.block {
            Some(inner) if !inner.is_empty() => {
                self.comments_before(start);
                self.begin(start);
                self.block(unit, inner, ", ", (start, end));
            }
            _ => {
                self.comments_before(end);
                self.begin(start);
                self.out.push_str(&one_line(unit));
            }
        }
        if joins {
            self.out.push(',');
        }
        self.end_line(end, limit);
    }

    fn rule(&mut self, rule: &Rule, (start, end, limit): (usize, usize, usize)) {
        let head = rule::head(rule);
        let clauses = rule::clauses(rule);
        let effects: Vec<_> =
            rule.effects.iter().map(|one| Unit::line(rule::effect(one), one.span)).collect();
        let then = if rule.guard.is_some() { "then " } else { "" };
        let all = joined(&effects, ", ", one_line);
        let mut parts: Vec<String> = clauses.iter().map(one_line).collect();
        parts.push(format!("{then}{all}"));
        let line = format!("{head} {{ {} }}", parts.join(" "));
        self.begin(start);
        if !self.comment_within(start, end) && self.fits(&line) {
            self.out.push_str(&line);
            return self.end_line(end, limit);
        }
        self.out.push_str(&head);
        self.out.push_str(" {");
        let firsts = clauses.iter().chain(&effects).map(|unit| unit.span.start as usize);
        self.open(firsts.min().unwrap_or(end));
        self.depth += 1;
        let first_effect = effects.first().map_or(end, |first| first.span.start as usize);
        for (at, clause) in clauses.iter().enumerate() {
            let next = clauses.get(at + 1).map_or(first_effect, |next| next.span.start as usize);
            self.unit(clause, None, next);
        }
        let whole = format!("{then}{all}");
        let last = effects.last().map_or(end, |last| last.span.end as usize);
        if effects.len() > 1 && (self.comment_within(first_effect, last) || !self.fits(&whole)) {
            for (at, one) in effects.iter().enumerate() {
                let next = effects.get(at + 1).map_or(end, |next| next.span.start as usize);
                let lead = if at == 0 {
                    then
                } else if then.is_empty() {
                    ""
                } else {
                    "     "
                };
                let comma = if at + 1 < effects.len() { "," } else { "" };
                let line = Unit::line(format!("{lead}{}{comma}", one.text), one.span);
                self.unit(&line, None, next);
            }
        } else {
            let span = effects.first().zip(effects.last()).map(|(first, last)| first.span.to(last.span));
            if let Some(span) = span {
                self.unit(&Unit::line(whole, span), None, end);
            }
        }
        self.close(end);
        self.end_line(end, limit);
    }

    fn test(&mut self, test: &Test, (start, end, limit): (usize, usize, usize)) {
        self.begin(start);
        self.out.push_str(&format!("test {} {{", text::text(&test.title.value)));
        let given: Vec<_> = test.given.iter().map(item::given).collect();
        let expect: Vec<_> = test.expect.iter().map(item::expect).collect();
        self.open(given.first().or(expect.first()).map_or(end, |first| first.span.start as usize));
        self.depth += 1;
        let expect_start = expect.first().map_or(end, |first| first.span.start as usize);
        self.section("given", &given, expect_start);
        self.section("expect", &expect, end);
        self.close(end);
        self.end_line(end, limit);
    }

    fn section(&mut self, word: &str, units: &[Unit], limit: usize) {
        let (Some(first), Some(last)) = (units.first(), units.last()) else { return };
        let (start, end) = (first.span.start as usize, last.span.end as usize);
        let line = format!("{word} {}", joined(units, ", ", one_line));
        if !self.comment_within(start, end) && self.fits(&line) {
            return self.unit(&Unit::line(line, first.span.to(last.span)), None, limit);
        }
        self.comments_before(start);
        self.begin(start);
        self.out.push_str(word);
        self.out.push('\n');
        self.last = None;
        self.depth += 1;
        for (at, unit) in units.iter().enumerate() {
            let next = units.get(at + 1);
            self.unit(unit, next, next.map_or(limit, |next| next.span.start as usize));
        }
        self.depth -= 1;
    }

    fn module(&mut self, module: &Module, (start, end, limit): (usize, usize, usize)) {
        self.begin(start);
        self.out.push_str(&item::module_head(module));
        self.out.push_str(" {");
        self.open(module.items.first().map_or(end, |first| first.span.start as usize));
        self.depth += 1;
        self.items(&module.items, end);
        self.close(end);
        self.end_line(end, limit);
    }
}

fn any_alone(units: &[Unit]) -> bool {
    units.iter().any(|unit| unit.alone || unit.block.as_ref().is_some_and(|inner| any_alone(inner)))
}

fn first_word(text: &str) -> &str {
    let len = text.bytes().take_while(|byte| super::scan::is_word(*byte)).count();
    text.get(..len).unwrap_or("")
}
