//! Syntax errors in the words of the language: what was expected, what stands there, and what was
//! probably meant.

use std::collections::BTreeSet;

use pest::error::{Error, ErrorVariant, InputLocation};

use super::grammar::Rule;
use super::scan::{SEPARATOR, is_word, offset};
use super::words;
use crate::diag::{Diagnostic, SourceId, Span, codes};

/// Most alternatives that a message lists.
const MAX_LISTED: usize = 6;

/// A failure of the grammar as a finding, and where in the slice it lies.
pub(super) fn rewrite(
    source: SourceId,
    base: usize,
    text: &str,
    rule: Rule,
    error: &Error<Rule>,
) -> (Diagnostic, usize) {
    let at = match error.location {
        InputLocation::Pos(at) | InputLocation::Span((at, _)) => at.min(text.len()),
    };
    let expected = match &error.variant {
        ErrorVariant::ParsingError { positives, .. } => positives.as_slice(),
        ErrorVariant::CustomError { .. } => &[],
    };
    let token = Token::at(text, at);
    let mut message = String::new();
    let wanted = Wanted::new(rule, expected);
    wanted.write(&mut message);
    if message.is_empty() {
        message.push_str(&token.describe());
        message.push_str(" does not belong here");
    } else {
        message = format!("expected {message}, found {}", token.describe());
    }
    let start = base + token.start;
    let end = base + token.end;
    let span = Span::new(source, offset(start), offset(end));
    let mut finding = Diagnostic::error(codes::SYNTAX, span, message);
    if let Some(help) = habit(text, &token).or_else(|| advice(rule, &wanted, text, &token)) {
        finding = finding.help(help);
    } else if let Some(near) = wanted.nearest(token.text) {
        finding = finding.help(format!("did you mean `{near}`?"));
    } else if let Some((word, near)) = misspelt_before(text, token.start) {
        finding = finding.help(format!("did you mean `{near}` instead of `{word}`?"));
    }
    (finding, at)
}

/// A statement whose first word begins none.
pub(super) fn no_statement(source: SourceId, base: usize, text: &str, word: &str) -> Diagnostic {
    let token = Token::at(text, 0);
    let span = Span::new(source, offset(base), offset(base + token.end));
    if word.is_empty() {
        let message =
            format!("expected a statement such as `rule` or `consumer`, found {}", token.describe());
        let finding = Diagnostic::error(codes::SYNTAX, span, message);
        return match habit(text, &token) {
            Some(help) => finding.help(help),
            None => finding,
        };
    }
    let shown: String = word.chars().take(40).collect();
    let finding = Diagnostic::error(codes::SYNTAX, span, format!("no statement begins with `{shown}`"));
    match word {
        "policy" => finding.help("write `rule NAME in CLASS { .. }`"),
        "battery" | "accumulator" => finding.help("write `storage NAME : battery { .. }`"),
        "load" | "device" => finding.help("write `consumer NAME : KIND { .. }`"),
        "sensor" | "thermostat" => finding.help("write `control NAME : KIND { .. }`"),
        "grid" | "pv" => finding.help("write `producer NAME : KIND { .. }`"),
        "allow" => finding.help("write `permit`, or put it into `admit { .. }`"),
        "deny" => finding.help("write `forbid`, or put it into `admit { .. }`"),
        "let" | "define" => finding.help("name schedules by `schedule`, sets of devices by `group`"),
        _ => match words::nearest(word, words::STATEMENTS) {
            Some(near) => finding.help(format!("did you mean `{near}`?")),
            None => finding
                .help("statements begin with `rule`, `consumer`, `schedule`, `permit`, `test` and the like"),
        },
    }
}

/// A statement that needs braces and has none.
pub(super) fn wants_body(source: SourceId, start: usize, end: usize, word: &str) -> Diagnostic {
    let span = Span::new(source, offset(start), offset(end.min(start + word.len())));
    Diagnostic::error(codes::SYNTAX, span, format!("`{word}` has no braces"))
        .help(format!("write `{word}` with `{{ .. }}` around its statements"))
}

/// Text where only one thing could stand.
pub(super) fn unexpected(source: SourceId, base: usize, text: &str, expected: &str) -> Diagnostic {
    let token = Token::at(text, text.len() - text.trim_start().len());
    let span = Span::new(source, offset(base + token.start), offset(base + token.end));
    Diagnostic::error(codes::SYNTAX, span, format!("expected {expected}, found {}", token.describe()))
}

/// What stands where reading failed.
struct Token<'t> {
    text: &'t str,
    start: usize,
    end: usize,
}

impl<'t> Token<'t> {
    fn at(text: &'t str, at: usize) -> Self {
        let rest = text.get(at..).unwrap_or("");
        let blank = rest.len() - rest.trim_start_matches([' ', '\t', '\r', '\n']).len();
        let start = at + blank;
        let rest = text.get(start..).unwrap_or("");
        if rest.is_empty() || rest.as_bytes().first() == Some(&SEPARATOR) {
            // nothing there: point behind the last thing that is
            let end = text.get(..at).unwrap_or("").trim_end_matches([' ', '\t', '\r', '\n', '\u{1}']).len();
            return Self { text: if rest.is_empty() { "" } else { "\n" }, start: end, end };
        }
        let words = rest.bytes().take_while(|byte| is_word(*byte)).count();
        let len = match rest.as_bytes().first() {
            Some(b'"') => rest.get(1..).and_then(|inside| inside.find('"')).map_or(rest.len(), |end| end + 2),
            _ if words > 0 => words,
            _ => {
                let sign = |c: char| {
                    matches!(c, '=' | '<' | '>' | '!' | '&' | '|' | '-' | '/' | '*' | '.' | ':' | '+')
                };
                let signs = rest.bytes().take_while(|byte| sign(char::from(*byte))).count();
                if signs > 0 { signs } else { rest.chars().next().map_or(0, char::len_utf8) }
            }
        };
        Self { text: rest.get(..len).unwrap_or(rest), start, end: start + len }
    }

    fn describe(&self) -> String {
        match self.text {
            "" => "its end".to_owned(),
            "\n" => "the end of the line".to_owned(),
            text => {
                let shown: String = text.chars().take(40).collect();
                let dots = if shown.len() < text.len() { ".." } else { "" };
                format!("`{shown}{dots}`")
            }
        }
    }
}

/// What would have been right.
struct Wanted {
    keywords: BTreeSet<String>,
    things: BTreeSet<&'static str>,
    marks: BTreeSet<&'static str>,
}

impl Wanted {
    fn new(context: Rule, rules: &[Rule]) -> Self {
        let mut wanted = Self { keywords: BTreeSet::new(), things: BTreeSet::new(), marks: BTreeSet::new() };
        for rule in rules {
            let name = format!("{rule:?}");
            if let Some(word) = name.strip_prefix("k_") {
                wanted.keywords.insert(word.to_owned());
                continue;
            }
            for word in keywords_of(*rule) {
                wanted.keywords.insert((*word).to_owned());
            }
            if let Some(thing) = thing(*rule) {
                wanted.things.insert(thing);
            }
            if let Some(mark) = mark(*rule) {
                wanted.marks.insert(mark);
            }
        }
        if matches!(context, Rule::declaration_head) && wanted.marks.remove("the end of the statement") {
            wanted.marks.insert("`{`");
        }
        if context == Rule::property_entry && rules.contains(&Rule::separator) {
            // anything may stand behind a key
            wanted.keywords.clear();
            wanted.things.retain(|thing| *thing == "a value");
            wanted.marks.retain(|mark| *mark == "`,`");
        }
        if wanted.things.iter().any(|thing| thing.starts_with("an effect")) {
            wanted.marks.retain(|mark| !matches!(*mark, "`(`" | "`..`" | "a comparison" | "`}`"));
        }
        if wanted.things.len() + wanted.marks.len() + wanted.keywords.len() > 2 {
            wanted.marks.retain(|mark| !matches!(*mark, "`(`" | "`..`"));
        }
        if wanted.things.contains("a value") {
            wanted.things.retain(|thing| !matches!(*thing, "a name" | "a number" | "a quoted text"));
            wanted.keywords.retain(|word| !matches!(word.as_str(), "on" | "off" | "true" | "false"));
        }
        if wanted.things.contains("a condition") {
            for small in ["not", "any", "all", "during"] {
                wanted.keywords.remove(small);
            }
            wanted.things.remove("a value");
        }
        if wanted.things.contains("a schedule") {
            wanted.things.retain(|thing| !matches!(*thing, "a name" | "a day or time"));
            for small in ["not", "always", "daily", "weekdays", "weekends", "holidays", "sunrise", "sunset"] {
                wanted.keywords.remove(small);
            }
        }
        wanted
    }

    fn write(&self, out: &mut String) {
        let mut listed: Vec<String> = self.things.iter().map(|thing| (*thing).to_owned()).collect();
        listed.extend(self.marks.iter().map(|mark| (*mark).to_owned()));
        let room = MAX_LISTED.saturating_sub(listed.len());
        if self.keywords.len() <= room {
            listed.extend(self.keywords.iter().map(|word| format!("`{word}`")));
        } else if room > 0 {
            // the words that divide a statement tell most
            let telling = [
                "then", "until", "when", "for", "from", "to", "at", "between", "in", "with", "given",
                "expect",
            ];
            let chosen = telling.iter().filter(|word| self.keywords.contains(**word));
            listed.extend(chosen.take(room).map(|word| format!("`{word}`")));
            if listed.is_empty() {
                listed.extend(self.keywords.iter().take(room).map(|word| format!("`{word}`")));
            }
        }
        listed.truncate(MAX_LISTED);
        for (at, one) in listed.iter().enumerate() {
            if at > 0 {
                out.push_str(if at + 1 == listed.len() { " or " } else { ", " });
            }
            out.push_str(one);
        }
    }

    fn nearest(&self, word: &str) -> Option<&str> {
        if self.keywords.contains(word) {
            return None;
        }
        words::nearest(word, self.keywords.iter().map(String::as_str))
    }
}

/// Keywords with which a rule of the grammar begins.
fn keywords_of(rule: Rule) -> &'static [&'static str] {
    match rule {
        Rule::in_class => &["in"],
        Rule::held | Rule::for_each => &["for"],
        Rule::when_clause | Rule::when_arg => &["when"],
        Rule::during_clause | Rule::during_arg | Rule::during_test => &["during"],
        Rule::until_clause => &["until"],
        Rule::latch_clause => &["latch"],
        Rule::then_clause => &["then"],
        Rule::spread => &["each", "together"],
        Rule::averaged => &["averaged"],
        Rule::priced => &["priced"],
        Rule::via => &["via"],
        Rule::by_accounting => &["by"],
        Rule::uninterrupted => &["without"],
        Rule::due => &["between"],
        Rule::daily => &["daily"],
        Rule::use_as => &["as"],
        Rule::per => &["per"],
        Rule::given_part => &["given"],
        Rule::expect_part => &["expect"],
        Rule::admission_verb => &["allow", "deny", "require"],
        Rule::bound => &["at", "between", "to"],
        _ => &[],
    }
}

/// What a rule of the grammar is called.
fn thing(rule: Rule) -> Option<&'static str> {
    Some(match rule {
        Rule::ident
        | Rule::word
        | Rule::name
        | Rule::name_star
        | Rule::path
        | Rule::declared_name
        | Rule::key => "a name",
        Rule::number | Rule::digits | Rule::day_number => "a number",
        Rule::quantity => "a quantity such as `5 kW`",
        Rule::string => "a quoted text",
        Rule::sum
        | Rule::product
        | Rule::value
        | Rule::negated
        | Rule::paren
        | Rule::named
        | Rule::call_tail
        | Rule::row => "a value",
        Rule::expr | Rule::and_expr | Rule::not_expr | Rule::comparison | Rule::quantified => "a condition",
        Rule::schedule
        | Rule::and_schedule
        | Rule::except_schedule
        | Rule::not_schedule
        | Rule::schedule_paren
        | Rule::window
        | Rule::named_schedule => "a schedule",
        Rule::date
        | Rule::time
        | Rule::instant
        | Rule::month
        | Rule::weekday
        | Rule::times
        | Rule::time_point => "a day or time",
        Rule::effect | Rule::switch | Rule::set => "an effect such as `limit`, `hold` or `turn on`",
        Rule::amount => "a bound such as `at most 5 kW`",
        Rule::property => "a property",
        Rule::principal => "somebody (`tenant acme`, `any vendor`)",
        Rule::verb | Rule::plain_verb => "a verb such as `set` or `read`",
        Rule::subject => "an attribute or `any device`",
        Rule::admission_test => "a test such as `function battery`",
        Rule::given => "a given value",
        Rule::expectation | Rule::expected => "an expectation",
        Rule::parameter | Rule::named_value => "a parameter",
        Rule::alternative => "a value",
        Rule::value_set => "`{`",
        Rule::level => "what to minimise",
        _ => return None,
    })
}

/// Punctuation.
fn mark(rule: Rule) -> Option<&'static str> {
    Some(match rule {
        Rule::lb => "`{`",
        Rule::rb => "`}`",
        Rule::lp => "`(`",
        Rule::rp => "`)`",
        Rule::dots => "`..`",
        Rule::colon => "`:`",
        Rule::eq => "`=`",
        Rule::comma => "`,`",
        Rule::separator => "`,`",
        Rule::EOI => "the end of the statement",
        Rule::compare_op => "a comparison",
        Rule::link_op => "`<->`",
        _ => return None,
    })
}

/// Habits from other languages.
fn habit(text: &str, token: &Token<'_>) -> Option<&'static str> {
    let before = text.get(..token.start).unwrap_or("").trim_end();
    Some(match token.text {
        "==" => "write `=`",
        "&&" | "&" => "write `and`",
        "||" => "write `or`",
        "!" => "write `not`",
        "<>" => "write `!=`",
        "=<" => "write `<=`",
        "=>" => "write `>=`, or `then` before an effect",
        ":=" => "write `=`",
        ";" => "entries are divided by `,` or by a new line",
        "'" => "texts stand in double quotes",
        "#" => "comments begin with `//`",
        "/*" => "comments begin with `//` and end with the line",
        "->" if before.ends_with(')') => "write `then` before an effect",
        "if" | "If" | "IF" | "whenever" => "write `when`",
        "else" => "a rule has no `else`: write a second rule",
        "do" => "write `then`",
        "unless" => "write `when not`",
        "is" => "write `=`",
        "equals" => "write `=`",
        "above" | "exceeds" => "write `>`",
        "below" => "write `<`",
        "maximum" | "max" if before.ends_with("at") => "write `at most`",
        "minimum" | "min" if before.ends_with("at") => "write `at least`",
        "switch" => "write `turn on` or `turn off`",
        "charge" | "discharge" => "set the power by its direction: `set pack.charge to 5 kW`",
        "=" if before.ends_with(['<', '>', '=', '!']) => "no space stands inside an operator",
        _ => return None,
    })
}

/// A word just before the failure that is nearly a keyword, as in `70 untill x < 3`, where the word
/// was taken for a unit.
fn misspelt_before(text: &str, at: usize) -> Option<(&str, &'static str)> {
    const DIVIDING: [&str; 26] = [
        "until",
        "then",
        "when",
        "latch",
        "each",
        "together",
        "averaged",
        "between",
        "during",
        "except",
        "with",
        "from",
        "priced",
        "within",
        "without",
        "otherwise",
        "limit",
        "hold",
        "keep",
        "supply",
        "deliver",
        "notify",
        "connect",
        "disconnect",
        "preferably",
        "follow",
    ];
    let before = text.get(..at)?.trim_end_matches([' ', '\t', '\r', '\n', '\u{1}']);
    let len = before.bytes().rev().take_while(|byte| is_word(*byte)).count();
    let word = before.get(before.len() - len..)?;
    if word.len() < 4
        || words::is_statement(word)
        || DIVIDING.contains(&word)
        || word.starts_with(|c: char| c.is_ascii_digit())
    {
        return None;
    }
    words::nearest(word, DIVIDING).map(|near| (word, near))
}

/// Help that needs to know what was being read.
fn advice(rule: Rule, wanted: &Wanted, text: &str, token: &Token<'_>) -> Option<&'static str> {
    let before = text.get(..token.start).unwrap_or("").trim_end();
    let len = before.bytes().rev().take_while(|byte| is_word(*byte)).count();
    let word = before.get(before.len() - len..).unwrap_or("");
    match word {
        "below" | "under" | "less" | "maximum" | "max" => {
            return Some("write `at most`, or `<` in a condition");
        }
        "above" | "over" | "more" | "minimum" | "min" => {
            return Some("write `at least`, or `>` in a condition");
        }
        _ => {}
    }
    let rest = text.get(token.start..).unwrap_or("");
    if rest.starts_with(|c: char| c.is_ascii_digit()) && rest.get(1..2) == Some(":") {
        return Some("hours have two digits: `08:00`");
    }
    Some(match (rule, token.text) {
        (Rule::property_entry, ":" | "=" | "<=" | ">=" | "<" | ">") => {
            "a value follows its key directly: `limit 400 kW`"
        }
        (Rule::declaration_head, _) if before.contains(':') => "properties stand in braces",
        (Rule::declaration_head, _) => {
            "a kind stands behind a colon, properties in braces: `consumer chiller : hvac { .. }`"
        }
        (Rule::rule_item, "}") if wanted.things.iter().any(|thing| thing.starts_with("an effect")) => {
            "say what the rule does, for example `limit evs to 3.6 kW each`"
        }
        (Rule::priorities_item, ",") => "divide the classes by `>`, the highest first",
        (Rule::use_item, _) if before.ends_with(['(', ',']) => "name each parameter: `limit: 80 kW`",
        (Rule::import_item, text) if text.starts_with('"') => {
            "name the module without quotes: `import std.comfort`"
        }
        _ => return None,
    })
}
