//! Property lists: each declaration takes the keys it knows; what is left over is unknown.
//!
//! The closed schema of a kind of declaration is the set of keys that its reader asks for, so the
//! list of known keys for suggestions can never differ from what is read.

use std::collections::BTreeMap;

use super::Compiler;
use crate::ast::{Arg, ArgKind, Bound, BoundKind, Expr, ExprKind, Ident, Name, Property};
use crate::diag::{Diagnostic, Span, codes, nearest};
use crate::quantity::{Rat, Type};

/// The properties of one declaration that nobody has taken yet.
#[derive(Debug)]
pub(super) struct Props<'a> {
    /// ``storage `pack` ``, for messages
    what: String,
    /// where something is missing: the declaration's name
    span: Span,
    /// whether the parser kept every property
    complete: bool,
    left: BTreeMap<&'a str, Vec<&'a Property>>,
    rows: Vec<&'a Property>,
    known: Vec<&'static str>,
}

impl<'a> Props<'a> {
    /// The properties of a declaration or of a block in one.
    pub(super) fn new(what: String, span: Span, complete: bool, properties: &'a [Property]) -> Self {
        let mut left: BTreeMap<&str, Vec<&Property>> = BTreeMap::new();
        let mut rows = Vec::new();
        for property in properties {
            match &property.key {
                Some(key) => left.entry(key.text.as_str()).or_default().push(property),
                None => rows.push(property),
            }
        }
        Self { what, span, complete, left, rows, known: Vec::new() }
    }

    /// What is declared, for messages.
    pub(super) fn what(&self) -> &str {
        &self.what
    }

    /// Where something is missing.
    pub(super) fn place(&self) -> Span {
        self.span
    }

    /// Whether a key is present and not yet taken.
    pub(super) fn has(&self, key: &str) -> bool {
        self.left.contains_key(key)
    }

    /// All properties of a key that may stand several times.
    pub(super) fn all(&mut self, key: &'static str) -> Vec<Args<'a>> {
        self.known.push(key);
        self.left.remove(key).unwrap_or_default().into_iter().map(Args::new).collect()
    }

    /// Rows without a key.
    pub(super) fn rows(&mut self) -> Vec<Args<'a>> {
        std::mem::take(&mut self.rows).into_iter().map(Args::new).collect()
    }
}

/// What stands behind a key and was not read yet.
#[derive(Debug, Clone)]
pub(super) struct Args<'a> {
    property: &'a Property,
    rest: &'a [Arg],
}

impl<'a> Args<'a> {
    pub(super) fn new(property: &'a Property) -> Self {
        Self { property, rest: &property.args }
    }

    /// The whole property.
    pub(super) fn span(&self) -> Span {
        self.property.span
    }

    /// The key as written; empty for a row.
    pub(super) fn key(&self) -> &'a str {
        self.property.key.as_ref().map_or("", |key| key.text.as_str())
    }

    /// The next piece.
    pub(super) fn peek(&self) -> Option<&'a Arg> {
        self.rest.first()
    }

    /// Takes the next piece.
    pub(super) fn next(&mut self) -> Option<&'a Arg> {
        let (first, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(first)
    }

    /// Where the next piece stands, or where it is missing.
    pub(super) fn here(&self) -> Span {
        self.peek().map_or(self.property.span, |arg| arg.span)
    }

    /// Whether nothing is left.
    pub(super) fn is_done(&self) -> bool {
        self.rest.is_empty()
    }

    /// The next piece if it is a plain word.
    pub(super) fn peek_word(&self) -> Option<&'a Ident> {
        self.peek().and_then(as_word)
    }

    /// Takes the next piece if it is this word.
    pub(super) fn eat(&mut self, word: &str) -> bool {
        let found = self.peek_word().is_some_and(|ident| ident.text == word);
        if found {
            self.next();
        }
        found
    }

    /// Takes the next piece if it is a plain word.
    pub(super) fn word(&mut self) -> Option<&'a Ident> {
        let word = self.peek_word();
        if word.is_some() {
            self.next();
        }
        word
    }

    /// Takes the next piece if it is a name.
    pub(super) fn name(&mut self) -> Option<&'a Name> {
        match self.peek().map(|arg| &arg.kind) {
            Some(ArgKind::Value(Expr { kind: ExprKind::Name(name), .. })) => {
                self.next();
                Some(name)
            }
            _ => None,
        }
    }

    /// Takes the next piece if it is a quoted text.
    pub(super) fn text(&mut self) -> Option<&'a crate::ast::Text> {
        match self.peek().map(|arg| &arg.kind) {
            Some(ArgKind::Value(Expr { kind: ExprKind::Text(text), .. })) => {
                self.next();
                Some(text)
            }
            _ => None,
        }
    }
}

/// A piece that is one plain word, reserved or not.
pub(super) fn as_word(arg: &Arg) -> Option<&Ident> {
    match &arg.kind {
        ArgKind::Word(ident) => Some(ident),
        ArgKind::Value(Expr { kind: ExprKind::Name(name), .. }) => name.single(),
        _ => None,
    }
}

impl<'a> Compiler<'a> {
    /// The property of a key; a second one is reported.
    pub(super) fn take(&mut self, props: &mut Props<'a>, key: &'static str) -> Option<Args<'a>> {
        let mut all = props.all(key).into_iter();
        let first = all.next()?;
        for again in all {
            let finding = Diagnostic::error(
                codes::DUPLICATE_PROPERTY,
                again.span(),
                format!("{} has `{key}` twice", props.what),
            );
            self.push(
                finding.says("again here").label(first.span(), "first here").help("leave one of them out"),
            );
        }
        Some(first)
    }

    /// The property of a key without which the declaration has no meaning.
    pub(super) fn need(
        &mut self,
        props: &mut Props<'a>,
        key: &'static str,
        example: &str,
    ) -> Option<Args<'a>> {
        let found = self.take(props, key);
        if found.is_none() && props.complete {
            let finding = Diagnostic::error(
                codes::MISSING_PROPERTY,
                props.span,
                format!("{} lacks its `{key}`", props.what),
            );
            self.push(finding.help(format!("add, for example, `{example}`")));
        }
        found
    }

    /// Reports what nobody asked for.
    pub(super) fn finish(&mut self, mut props: Props<'a>) {
        for (key, properties) in std::mem::take(&mut props.left) {
            for property in properties {
                let span = property.key.as_ref().map_or(property.span, |key| key.span);
                let mut finding = Diagnostic::error(
                    codes::UNKNOWN_PROPERTY,
                    span,
                    format!("{} has no property `{key}`", props.what),
                );
                props.known.sort_unstable();
                props.known.dedup();
                finding = match nearest(key, props.known.iter().copied()) {
                    Some(near) => finding.help(format!("did you mean `{near}`?")),
                    None if props.known.is_empty() => finding.help("nothing stands here"),
                    None => finding.help(format!("it knows {}", listed(&props.known))),
                };
                self.push(finding);
            }
        }
        for row in std::mem::take(&mut props.rows) {
            self.error(codes::UNKNOWN_PROPERTY, row.span, format!("{} has no such row", props.what));
        }
    }

    /// Reports what is left behind a property that has been read.
    pub(super) fn end(&mut self, args: &Args<'a>) {
        if let Some(arg) = args.peek() {
            let text = self.slice(arg.span).to_owned();
            let key = args.key();
            let message = if key.is_empty() {
                format!("`{text}` does not belong here")
            } else {
                format!("`{text}` does not belong behind `{key}`")
            };
            self.error(codes::UNKNOWN_PROPERTY, arg.span, message);
        }
    }

    /// Reports that a property's value is not of the needed form.
    pub(super) fn bad_value(&mut self, args: &Args<'a>, wanted: &str) {
        let key = args.key();
        let message = match args.peek() {
            Some(arg) => format!("`{key}` needs {wanted}, not `{}`", short(self.slice(arg.span))),
            None => format!("`{key}` needs {wanted}"),
        };
        self.error(codes::TYPE_MISMATCH, args.here(), message);
    }

    /// The next piece as a constant of a type.
    pub(super) fn arg_const(&mut self, args: &mut Args<'a>, want: Type) -> Option<Rat> {
        match args.peek().map(|arg| &arg.kind) {
            Some(ArgKind::Value(expr)) => {
                args.next();
                self.constant_of(expr, want)
            }
            _ => {
                self.bad_value(args, &want.a());
                None
            }
        }
    }

    /// `key 200 kWh`, not below zero.
    pub(super) fn amount(&mut self, mut args: Args<'a>, want: Type) -> Option<Rat> {
        let span = args.here();
        let value = self.arg_const(&mut args, want)?;
        self.end(&args);
        self.not_negative(value, span)
    }

    /// `key up to 200 kW` or `key 200 kW`, not below zero.
    pub(super) fn up_to(&mut self, args: &mut Args<'a>, want: Type) -> Option<Rat> {
        let span = args.here();
        let value = match args.peek().map(|arg| &arg.kind) {
            Some(ArgKind::Bound(Bound { kind: BoundKind::AtMost(expr), .. })) => {
                args.next();
                self.constant_of(expr, want)?
            }
            _ => self.arg_const(args, want)?,
        };
        self.not_negative(value, span)
    }

    /// A value that may not be below zero.
    pub(super) fn not_negative(&mut self, value: Rat, span: Span) -> Option<Rat> {
        if value.is_negative() {
            let text = self.slice(span).to_owned();
            let finding =
                Diagnostic::error(codes::IMPOSSIBLE_LITERAL, span, format!("`{text}` is below zero"));
            self.push(
                finding.help("amounts are counted from zero; their direction is in the word beside them"),
            );
            return None;
        }
        Some(value)
    }

    /// A value that must be above zero.
    pub(super) fn positive(&mut self, value: Rat, span: Span) -> Option<Rat> {
        if value.is_positive() {
            return Some(value);
        }
        let text = self.slice(span).to_owned();
        let finding =
            Diagnostic::error(codes::IMPOSSIBLE_LITERAL, span, format!("`{text}` must be above zero"));
        self.push(finding.help("write a value above zero, or leave the property out"));
        None
    }

    /// A share between 0 and 1.
    pub(super) fn share(&mut self, value: Rat, span: Span) -> Option<Rat> {
        if value.is_negative() || value > Rat::ONE {
            let text = self.slice(span).to_owned();
            self.error_help(
                codes::IMPOSSIBLE_LITERAL,
                span,
                format!("`{text}` is no share between 0 % and 100 %"),
                "write, for example, `95 %`",
            );
            return None;
        }
        Some(value)
    }

    /// `10 % .. 95 %`: two constants, least first.
    pub(super) fn arg_range(&mut self, args: &mut Args<'a>, want: Type) -> Option<(Rat, Rat)> {
        match args.peek() {
            Some(Arg { kind: ArgKind::Range(lo, hi), span }) => {
                args.next();
                let (low, high) = (self.constant_of(lo, want), self.constant_of(hi, want));
                self.ordered(low?, high?, *span)
            }
            _ => {
                self.bad_value(args, &format!("a range of {want}s (`least .. greatest`)"));
                None
            }
        }
    }

    /// Two ends, least first.
    pub(super) fn ordered(&mut self, lo: Rat, hi: Rat, span: Span) -> Option<(Rat, Rat)> {
        if lo <= hi {
            return Some((lo, hi));
        }
        let text = self.slice(span).to_owned();
        let finding =
            Diagnostic::error(codes::REVERSED_RANGE, span, format!("the range `{text}` is reversed"));
        self.push(finding.help("write the least value first"));
        None
    }

    /// A quoted text.
    pub(super) fn arg_text(&mut self, args: &mut Args<'a>, wanted: &str) -> Option<(String, Span)> {
        match args.text() {
            Some(text) => Some((text.value.clone(), text.span)),
            None => {
                self.bad_value(args, wanted);
                None
            }
        }
    }

    /// `key` alone, or with `true`, `false`, `yes`, `no`.
    pub(super) fn flag(&mut self, props: &mut Props<'a>, key: &'static str) -> bool {
        self.take(props, key).is_some_and(|args| self.flag_value(args))
    }

    /// What a flag says: yes, unless `false` stands behind it.
    pub(super) fn flag_value(&mut self, mut args: Args<'a>) -> bool {
        let value = match args.peek().map(|arg| &arg.kind) {
            None => true,
            Some(ArgKind::Value(Expr { kind: ExprKind::Bool(value), .. })) => {
                args.next();
                *value
            }
            Some(_) => true,
        };
        self.end(&args);
        value
    }

    /// A duration property in whole seconds, 0 allowed.
    pub(super) fn duration(&mut self, args: Args<'a>) -> Option<i64> {
        let span = args.here();
        let value = self.amount(args, Type::Duration)?;
        if value.is_zero() { Some(0) } else { self.positive_seconds(&value, span) }
    }
}

/// `` `a`, `b` and `c` ``
pub(super) fn listed(words: &[&str]) -> String {
    let quoted: Vec<String> = words.iter().map(|word| format!("`{word}`")).collect();
    match quoted.split_last() {
        None => String::new(),
        Some((last, [])) => last.clone(),
        Some((last, rest)) => format!("{} and {last}", rest.join(", ")),
    }
}

fn short(text: &str) -> String {
    let line = text.lines().next().unwrap_or("");
    if line.chars().count() > 40 {
        format!("{}...", line.chars().take(40).collect::<String>())
    } else {
        line.to_owned()
    }
}
