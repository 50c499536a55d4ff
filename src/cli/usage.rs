//! Command lines that cannot be followed: one finding each, with its code and what would mend it.

use std::num::{IntErrorKind, ParseIntError};

use clap::builder::StyledStr;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Command, CommandFactory};

use super::{Cli, output};
use crate::diag::{Code, Diagnostic, ExitCode, Severity, codes, nearest};
use crate::system::{Stream, System};

/// Verbs that only some builds of this version have.
const OF_OTHER_BUILDS: [&str; 11] =
    ["check", "build", "plan", "test", "fmt", "completions", "apply", "status", "release", "reset", "sim"];
/// Verbs of the product's design that this version does not have.
const OF_LATER_VERSIONS: [&str; 17] = [
    "why",
    "snapshot",
    "rollback",
    "lockout",
    "override",
    "replace",
    "commission",
    "audit",
    "run",
    "diff",
    "bill",
    "new",
    "lsp",
    "discover",
    "import",
    "key",
    "enroll",
];
/// Flags of the product's design that this version does not have, with their verbs.
const FLAGS_OF_LATER_VERSIONS: [(&str, &str); 5] = [
    ("check", "--base"),
    ("check", "--changed-since"),
    ("plan", "--degrade"),
    ("plan", "--report"),
    ("apply", "--hold"),
];

/// A value of a flag that is part of the product's design and not of this version.
#[derive(Debug)]
pub(super) struct NotYet(pub(super) &'static str);

impl std::fmt::Display for NotYet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for NotYet {}

/// Reads a whole number from `LOW` to `HIGH`.
#[cfg(any(feature = "solver", feature = "gateway"))]
pub(super) fn whole<T: TryFrom<u32>, const LOW: u32, const HIGH: u32>(text: &str) -> Result<T, String> {
    let read = text.parse().ok().filter(|number| (LOW..=HIGH).contains(number));
    read.and_then(|number| T::try_from(number).ok())
        .ok_or_else(|| format!("use a whole number from {LOW} to {HIGH}"))
}

/// Help and version are data; everything else that clap says is a usage error.
pub(super) fn ended(error: &clap::Error, line: &[String], system: &dyn System) -> ExitCode {
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
            let text = error.render();
            let coloured = system.may_colour(Stream::Out);
            output::print(system, &if coloured { text.ansi().to_string() } else { text.to_string() })
        }
        _ => output::fail(system, finding(error, line)),
    }
}

/// What is wrong with the command line `line`, the program's name first.
fn finding(error: &clap::Error, line: &[String]) -> Diagnostic {
    let mut evl = Cli::command();
    evl.build();
    let verb = line.iter().skip(1).find_map(|word| evl.find_subcommand(word));
    let called = verb.map_or("evl".to_owned(), |verb| format!("evl {}", verb.get_name()));
    let (code, message, help) = words(error, &evl, verb, &called);
    Diagnostic::nowhere(code, Severity::Error, message).help(help)
}

/// Code, message and help.
fn words(error: &clap::Error, evl: &Command, verb: Option<&Command>, called: &str) -> (Code, String, String) {
    let more = verb.map_or("`evl help` lists the verbs".to_owned(), |_| {
        format!("`{called} --help` tells what it takes")
    });
    let text = |kind| said(error, kind);
    let wrong = text(ContextKind::InvalidArg).unwrap_or_default();
    let plain = |name: &str| name.split(" <").next().unwrap_or(name).to_owned();
    let usage = |(code, message, help): (Code, String, Option<String>)| {
        (code, message, help.unwrap_or_else(|| more.clone()))
    };
    usage(match error.kind() {
        ErrorKind::InvalidSubcommand => return no_such_verb(&text(ContextKind::InvalidSubcommand), evl),
        ErrorKind::MissingSubcommand | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            (codes::USAGE, "`evl` needs a verb".to_owned(), None)
        }
        ErrorKind::UnknownArgument if wrong.starts_with('-') && wrong.len() > 1 => {
            return no_such_flag(&wrong, evl, verb, called, more);
        }
        ErrorKind::UnknownArgument if verb.is_none() => return no_such_verb(&Some(wrong), evl),
        ErrorKind::UnknownArgument => {
            (codes::USAGE, format!("`{wrong}` is one argument too many for `{called}`"), form(error))
        }
        ErrorKind::MissingRequiredArgument => {
            let missing: Vec<String> = all(error, ContextKind::InvalidArg);
            let missing: Vec<String> = missing.iter().map(|name| format!("`{name}`")).collect();
            (codes::USAGE, format!("`{called}` needs {}", missing.join(" and ")), form(error))
        }
        ErrorKind::ArgumentConflict => {
            let with: Vec<String> =
                all(error, ContextKind::PriorArg).iter().map(|name| plain(name)).collect();
            let wrong = plain(&wrong);
            let message = if with.iter().all(|other| *other == wrong) {
                format!("`{wrong}` may be given once")
            } else {
                format!("`{wrong}` and `{}` exclude each other", with.join("`, `"))
            };
            (codes::USAGE, message, form(error))
        }
        ErrorKind::InvalidValue | ErrorKind::ValueValidation => return value(error, &plain(&wrong), more),
        ErrorKind::NoEquals | ErrorKind::TooFewValues | ErrorKind::WrongNumberOfValues => {
            (codes::USAGE, format!("`{wrong}` needs another number of values"), form(error))
        }
        ErrorKind::TooManyValues => {
            let value = text(ContextKind::InvalidValue).unwrap_or_default();
            (codes::USAGE, format!("`{value}` is one value too many for `{wrong}`"), form(error))
        }
        ErrorKind::InvalidUtf8 => (codes::USAGE, "an argument is not UTF-8 text".to_owned(), None),
        _ => (codes::USAGE, format!("`{called}` cannot be run like this"), form(error)),
    })
}

/// A verb that nobody knows, or that this build or this version lacks.
fn no_such_verb(verb: &Option<String>, evl: &Command) -> (Code, String, String) {
    let verb = verb.as_deref().unwrap_or_default();
    if OF_OTHER_BUILDS.contains(&verb) && evl.find_subcommand(verb).is_none() {
        return (
            codes::NOT_IN_THIS_BUILD,
            format!("`{verb}` is not part of this build"),
            "gateway computers have the small build without parser and solver: run it with the full build of evl"
                .to_owned(),
        );
    }
    let lists = "`evl help` lists the verbs that are".to_owned();
    if OF_LATER_VERSIONS.contains(&verb) {
        return (codes::NOT_YET, format!("`{verb}` is not in this version"), lists);
    }
    let known: Vec<&str> = evl
        .get_subcommands()
        .map(Command::get_name)
        .chain(OF_OTHER_BUILDS)
        .chain(OF_LATER_VERSIONS)
        .collect();
    let help = match nearest(verb, known) {
        Some(near) => format!("did you mean `evl {near}`?"),
        None => "`evl help` lists the verbs".to_owned(),
    };
    (codes::USAGE, format!("`{verb}` is no verb of evl"), help)
}

/// A flag that this verb does not have.
fn no_such_flag(
    flag: &str,
    evl: &Command,
    verb: Option<&Command>,
    called: &str,
    more: String,
) -> (Code, String, String) {
    let name = verb.map_or("", Command::get_name);
    if FLAGS_OF_LATER_VERSIONS.contains(&(name, flag)) {
        return (codes::NOT_YET, format!("`{flag}` is not in this version of `{called}`"), more);
    }
    let own = flags(verb.unwrap_or(evl));
    let others: Vec<String> = evl
        .get_subcommands()
        .filter(|other| flags(other).iter().any(|known| known == flag))
        .map(|other| format!("`evl {}`", other.get_name()))
        .collect();
    let near = if flag.starts_with("--") { nearest(flag, own.iter().map(String::as_str)) } else { None };
    let help = match near {
        Some(near) if near == flag => format!("flags stand behind the verb: `{called} {flag} ..`"),
        Some(near) => format!("did you mean `{near}`?"),
        None if verb.is_none() && !others.is_empty() => {
            format!("flags stand behind the verb: {}", others.join(", "))
        }
        None if !others.is_empty() => format!("it is a flag of {}; {more}", others.join(", ")),
        None => more,
    };
    (codes::USAGE, format!("`{called}` has no flag `{flag}`"), help)
}

/// A value that a flag or an argument does not take.
fn value(error: &clap::Error, of: &str, more: String) -> (Code, String, String) {
    use std::error::Error as _;
    let written = said(error, ContextKind::InvalidValue).unwrap_or_default();
    let allowed = all(error, ContextKind::ValidValue);
    let help = if !allowed.is_empty() {
        match nearest(&written, allowed.iter().map(String::as_str)) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("use `{}`", allowed.join("`, `")),
        }
    } else if let Some(source) = error.source() {
        if source.is::<NotYet>() {
            let message = format!("`{written}` is not in this version of `{of}`");
            return (codes::NOT_YET, message, source.to_string());
        }
        match source.downcast_ref::<ParseIntError>().map(ParseIntError::kind) {
            Some(IntErrorKind::PosOverflow | IntErrorKind::NegOverflow) => "use a smaller number".to_owned(),
            Some(_) => "use a whole number".to_owned(),
            None => source.to_string(),
        }
    } else {
        more
    };
    let message = if written.is_empty() {
        format!("`{of}` needs a value")
    } else {
        format!("`{of}` does not take `{written}`")
    };
    (codes::USAGE, message, help)
}

/// Long and short flags of a verb, as they are written.
fn flags(verb: &Command) -> Vec<String> {
    let long = verb.get_arguments().filter_map(|arg| arg.get_long()).map(|name| format!("--{name}"));
    let short = verb.get_arguments().filter_map(|arg| arg.get_short()).map(|name| format!("-{name}"));
    long.chain(short).collect()
}

/// How the verb is written, as clap lays it out.
fn form(error: &clap::Error) -> Option<String> {
    let Some(ContextValue::StyledStr(usage)) = error.get(ContextKind::Usage) else { return None };
    let usage = StyledStr::to_string(usage);
    let line = usage.trim().strip_prefix("Usage:")?.trim().to_owned();
    (!line.contains('\n')).then(|| format!("write `{line}`"))
}

fn said(error: &clap::Error, kind: ContextKind) -> Option<String> {
    all(error, kind).into_iter().next()
}

fn all(error: &clap::Error, kind: ContextKind) -> Vec<String> {
    match error.get(kind) {
        Some(ContextValue::String(one)) => vec![one.clone()],
        Some(ContextValue::Strings(many)) => many.clone(),
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn verbs_that_a_build_lacks_are_named_as_such() {
        let small = Command::new("evl").subcommand(Command::new("apply"));
        for verb in OF_OTHER_BUILDS.into_iter().filter(|verb| *verb != "apply") {
            let (code, message, _) = no_such_verb(&Some(verb.to_owned()), &small);
            assert_eq!(
                (code, message),
                (codes::NOT_IN_THIS_BUILD, format!("`{verb}` is not part of this build"))
            );
        }
        let (code, _, help) = no_such_verb(&Some("chekc".to_owned()), &small);
        assert_eq!((code, help.as_str()), (codes::USAGE, "did you mean `evl check`?"));
    }
}
