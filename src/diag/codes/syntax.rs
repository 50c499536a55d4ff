//! EVL00xx: the tool and its input, and the syntax of policy text.

use crate::diag::registry::codes;

codes! {
    /// The command line asks for something that evl cannot do as written: an unknown verb or flag,
    /// a missing argument, or a format that this verb does not have. Nothing was read or written.
    /// `evl help` lists the verbs, `evl VERB --help` one verb's flags.
    USAGE = 1, Failure, "the command line cannot be followed";
    /// A file or folder that the run needs does not exist, is no regular file, or may not be read by
    /// this user. evl reads only what the command line, the manifest and the policy name.
    UNREADABLE = 2, Failure, "a file cannot be read";
    /// Policy text, manifests and data are UTF-8. A file in another encoding would be read wrongly
    /// without anybody noticing, so it is refused. Convert it, for example with `iconv -t UTF-8`.
    NOT_UTF8 = 3, Failure, "a file is not UTF-8 text";
    /// Files are capped so that a mistaken or hostile input cannot exhaust the machine: policy text
    /// and YAML 4 MiB, CSV 64 MiB, bundles and plans 256 MiB. Split the file or thin its data.
    TOO_LARGE = 4, Failure, "a file is above the size cap";
    /// A path written in a policy or manifest stays inside the repository: it is relative, has no
    /// `..` that climbs out, no NUL byte, and no symbolic link on it leads outside. Otherwise
    /// checking somebody's change could read that person's other files.
    PATH_ESCAPE = 5, Failure, "a path leads outside the repository";
    /// There is nothing to check here: the folder has no `evl.yaml` and no `*.evl` file. Give the
    /// path of a site folder or of one policy file.
    NO_POLICY = 6, Failure, "no policy found";
    /// evl contradicted itself, for example a witness of the solver that the evaluator does not
    /// confirm. Nothing it says about this question can be trusted. Please report it together with
    /// the policy.
    INTERNAL = 7, Failure, "evl contradicted itself";
    /// A result could not be written: the folder is missing or read-only, or the disk is full. The
    /// file that was there before is unchanged, since results are written beside it and renamed.
    UNWRITABLE = 8, Failure, "a file cannot be written";
    /// This build of evl does not hold what was asked for. The `runtime` build for gateway computers
    /// has no parser and no solver; use the full build to check and plan.
    NOT_IN_THIS_BUILD = 9, Failure, "not part of this build";
    /// The verb or form is part of the product's design and not of this version. Nothing was done.
    NOT_YET = 10, Failure, "not in this version";
    /// A statement does not follow the grammar. Reading goes on at the next statement, so that one
    /// slip does not hide other findings; names that the broken statement would have declared are
    /// not reported as unknown.
    SYNTAX = 20, Finding, "a statement cannot be read";
    /// Expressions and blocks may be nested to a fixed depth, far beyond what people write, so that
    /// hostile text cannot exhaust the machine. Name parts of the expression in declarations of their
    /// own.
    TOO_DEEP = 21, Finding, "nested too deeply";
    /// Policy text begins with `edition 2026`, so that a later version of the language cannot change
    /// the meaning of a policy that is in force.
    EDITION = 22, Finding, "the edition is missing or unknown";
    /// A quote or a bracket is opened and never closed, or closed and never opened. A text ends on its
    /// line. Where a brace stays open, reading goes on at the next statement that begins at the margin.
    UNCLOSED = 23, Finding, "a quote or bracket without its partner";
    /// Names, keywords and units are plain ASCII, so that two names that look alike are alike. Other
    /// letters may stand in quoted texts and in comments; control characters, and characters that hide or
    /// reorder others on the screen, nowhere.
    BAD_CHARACTER = 24, Finding, "a character that has no place here";
    /// Numbers are exact and have at most 40 digits, far beyond what any meter shows. They are written
    /// out: an exponent makes a slip of the pen look like a number. What is computed from them is exact,
    /// too, and has at most some 300 digits.
    LONG_NUMBER = 25, Finding, "a number with too many digits";
    /// One statement, or one entry of a list, is longer than 256 KiB. Hostile text could exhaust the
    /// machine with one; policy text that people read is split into statements of its own.
    LONG_STATEMENT = 26, Finding, "a statement is too long";
    /// Names have at most 128 letters, so that messages which quote them stay readable and hostile text
    /// cannot exhaust the machine with one. Say the rest in a comment.
    LONG_NAME = 28, Finding, "a name is too long";
    /// After a hundred syntax errors in one file the rest is counted and not shown: mostly the file is
    /// not policy text at all.
    MANY_ERRORS = 27, Finding, "more syntax errors than are shown";
}
