//! Canonical bytes and their hashes.
//!
//! A document is JSON with the key order of its type, ordered maps, rationals as text (no reader
//! rounds them), and one newline at the end. The same content has the same bytes everywhere. Its
//! `id` is the hash of these bytes with the `id` itself left empty.

use std::fmt;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest, Sha256};

use crate::diag::{Diagnostic, Severity, codes};
use crate::system::DOCUMENT_CAP;

/// A SHA-256, written `sha256:` and 64 hexadecimal digits.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Hash(String);

impl Hash {
    /// Of these bytes.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        let digest: String = Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect();
        Self(format!("sha256:{digest}"))
    }

    /// The hash as it is written; empty for the default.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The first twelve hexadecimal digits, for people.
    #[must_use]
    pub fn short(&self) -> &str {
        self.0.strip_prefix("sha256:").and_then(|hex| hex.get(..12)).unwrap_or("-")
    }

    /// Reads a written hash.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let hex = text.strip_prefix("sha256:")?;
        let digits = hex.len() == 64 && hex.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
        digits.then(|| Self(text.to_owned()))
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for Hash {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Hash {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = String::deserialize(d)?;
        if text.is_empty() {
            return Ok(Self::default());
        }
        Self::parse(&text)
            .ok_or_else(|| serde::de::Error::custom("expected `sha256:` and 64 hexadecimal digits"))
    }
}

/// A document that travels.
pub trait Document: Serialize + DeserializeOwned {
    /// What it is, in words: `bundle`, `plan`, `state`.
    const WHAT: &'static str;
    /// Name and version of its schema: `evl.plan/1`.
    const SCHEMA: &'static str;
    /// The command that makes one, for whoever holds a bad one.
    const MADE_BY: &'static str;

    /// The schema that it states.
    fn schema(&self) -> &str;
    /// The hash that it states of itself.
    fn id(&self) -> &Hash;
    /// Where that hash stands.
    fn id_mut(&mut self) -> &mut Hash;

    /// Its canonical bytes.
    #[must_use]
    fn bytes(&self) -> Vec<u8> {
        // the types hold nothing that JSON cannot say: no floats, and maps with text as keys
        let mut bytes = serde_json::to_vec(self).unwrap_or_default();
        bytes.push(b'\n');
        bytes
    }

    /// Puts the right `id` in.
    #[must_use]
    fn seal(mut self) -> Self
    where
        Self: Sized,
    {
        *self.id_mut() = Hash::default();
        let id = Hash::of(&self.bytes());
        *self.id_mut() = id;
        self
    }

    /// Reads and checks a document: size, schema, keys, that its content has the stated hash, and that it is
    /// spelled as evl spells it: a key that stands twice, or one that this evl does not know, is other content
    /// to other readers, and a signature is of the bytes.
    ///
    /// # Errors
    /// EVL1101 for what is no such document, EVL1107 for another version, EVL1102 for changed content or bytes.
    fn read(bytes: &[u8]) -> Result<Self, Diagnostic>
    where
        Self: Sized,
    {
        let mut document = decode::<Self>(bytes, Self::WHAT, Self::SCHEMA, Some(Self::MADE_BY))?;
        let stated = std::mem::take(document.id_mut());
        let found = Hash::of(&document.bytes());
        if stated != found {
            return Err(Diagnostic::nowhere(
                codes::TAMPERED,
                Severity::Error,
                format!("the {} was changed after it was made", Self::WHAT),
            )
            .because(format!(
                "it states the hash `{}`, and its content has `{}`",
                stated.short(),
                found.short()
            ))
            .help(format!("make the {} again; a document is never edited", Self::WHAT)));
        }
        *document.id_mut() = stated;
        let right = document.bytes();
        if right != bytes {
            let same = right.iter().zip(bytes).take_while(|(right, found)| right == found).count();
            let place = same.saturating_add(1);
            let because = format!("its content is the same, and from byte {place} on its bytes are not");
            return Err(rewritten(Self::WHAT, because));
        }
        Ok(document)
    }
}

/// A document that another program wrote anew.
fn rewritten(what: &str, because: String) -> Diagnostic {
    let message = format!("the {what} was written again after it was made");
    Diagnostic::nowhere(codes::TAMPERED, Severity::Error, message)
        .because(because)
        .help("use the file as evl wrote it: programs that tidy JSON or change line ends make it another")
}

/// What every document begins with.
#[derive(Deserialize)]
struct Head {
    schema: String,
}

/// Parses JSON of a known schema, refusing what is too large, damaged or of another version.
///
/// # Errors
/// EVL1101, EVL1107.
pub fn parse<T: DeserializeOwned>(bytes: &[u8], what: &str, schema: &str) -> Result<T, Diagnostic> {
    decode(bytes, what, schema, None)
}

/// As [`parse`]; of what only evl writes, by the command `made_by`, a key that stands twice is a change
/// (EVL1102).
fn decode<T: DeserializeOwned>(
    bytes: &[u8],
    what: &str,
    schema: &str,
    made_by: Option<&str>,
) -> Result<T, Diagnostic> {
    let bad = |code, message: String| Diagnostic::nowhere(code, Severity::Error, message);
    if bytes.len() as u64 > DOCUMENT_CAP {
        let message = format!("the {what} is larger than {} MiB", DOCUMENT_CAP >> 20);
        return Err(bad(codes::TOO_LARGE, message));
    }
    let twice = |error: &serde_json::Error| made_by.is_some() && error.to_string().starts_with(TWICE);
    let again = made_by.map_or(String::new(), |command| format!(", or make it again with `{command}`"));
    let no_document = |why: &str| bad(codes::NOT_A_DOCUMENT, format!("this is no evl {what}: {why}"));
    if let Some(mark) = byte_order_mark(bytes) {
        return Err(no_document(&format!("it begins with the byte order mark of {mark}")).help(
            match made_by {
                Some(_) => format!("another program wrote it anew: use the file as evl wrote it{again}"),
                None => "save it as UTF-8 without a byte order mark".to_owned(),
            },
        ));
    }
    if bytes.trim_ascii().is_empty() {
        return Err(no_document("it is empty").help(match made_by {
            Some(command) => format!("make it with `{command}`"),
            None => format!("it is a JSON document whose `schema` is `{schema}`"),
        }));
    }
    let head: Head = serde_json::from_slice(bytes).map_err(|error| {
        if twice(&error) {
            return rewritten(what, words(&error, bytes));
        }
        no_document(&words(&error, bytes)).help(match made_by {
            Some(_) if error.is_eof() => format!("it was cut off: copy the whole file{again}"),
            Some(command) => format!("name the {what} that `{command}` wrote"),
            None => format!("expected a JSON document whose `schema` is `{schema}`"),
        })
    })?;
    if head.schema != schema {
        let same_kind = head.schema.split('/').next() == schema.split('/').next();
        let found = if head.schema.len() <= 80 { head.schema.as_str() } else { "?" };
        return Err(if same_kind {
            bad(codes::SCHEMA_VERSION, format!("the {what} has schema `{found}`, this evl reads `{schema}`"))
                .help("make it again with this version of evl, or use the version that wrote it")
        } else {
            bad(codes::NOT_A_DOCUMENT, format!("this is no evl {what}: its schema is `{found}`"))
                .help(format!("expected `{schema}`"))
        });
    }
    serde_json::from_slice(bytes).map_err(|error| {
        if twice(&error) {
            return rewritten(what, words(&error, bytes));
        }
        let finding = bad(codes::NOT_A_DOCUMENT, format!("the {what} is damaged: {}", words(&error, bytes)));
        match suggestion(&error.to_string()) {
            Some(near) => finding.help(format!("write `{near}`")),
            None => finding.help(format!("its keys and values are those of docs/schema/{what}.json")),
        }
    })
}

/// How the reader begins to complain of a key that stands twice.
const TWICE: &str = "duplicate field ";

/// The encoding of whose byte order mark a text begins with one.
fn byte_order_mark(bytes: &[u8]) -> Option<&'static str> {
    let marks: [(&[u8], _); 3] =
        [(b"\xef\xbb\xbf", "UTF-8"), (b"\xff\xfe", "UTF-16"), (b"\xfe\xff", "UTF-16")];
    marks.iter().find(|(mark, _)| bytes.starts_with(mark)).map(|(_, encoding)| *encoding)
}

/// The key that was meant, from the reader's list of those it knows.
fn suggestion(complaint: &str) -> Option<&str> {
    let (wrong, known) = complaint.strip_prefix("unknown field `")?.split_once('`')?;
    // in quotes there is every other piece
    let names = known.split('`').skip(1).step_by(2);
    let near = names.map(|name| (strsim::damerau_levenshtein(wrong, name), name)).min()?;
    (near.0 <= 1 + near.1.len() / 4).then_some(near.1)
}

/// The reader's complaint in words that name no type of the program: the place, its key, and where a
/// value is of the wrong kind, which kind is expected.
fn words(error: &serde_json::Error, bytes: &[u8]) -> String {
    let text = error.to_string();
    let (line, column) = (error.line(), error.column());
    let place = format!(" at line {line} column {column}");
    let fault = text.strip_suffix(&place).unwrap_or(&text);
    let key = match key_at(bytes, line, column) {
        key if key.is_empty() => String::new(),
        key => format!(", `{key}`"),
    };
    match error.classify() {
        serde_json::error::Category::Eof => "it ends too early".to_owned(),
        serde_json::error::Category::Syntax => format!("line {line}, column {column} is not JSON"),
        _ if fault.starts_with(TWICE) => {
            let twice = fault.strip_prefix(TWICE).unwrap_or_default();
            format!("line {line}, column {column}{key}: {twice} stands twice")
        }
        // messages of unknown and missing fields and of our own readers
        _ if ["unknown field", "missing field", "expected "].iter().any(|start| fault.starts_with(start)) => {
            let said = fault.split(", expected").next().unwrap_or(fault);
            format!("line {line}, column {column}{key}: {said}")
        }
        _ => {
            let wanted = expected(fault).map_or(String::new(), |kind| format!(", expected {kind}"));
            format!("line {line}, column {column}{key}: a value of the wrong kind{wanted}")
        }
    }
}

/// The kind of value that the reader expects, as JSON calls it.
fn expected(fault: &str) -> Option<&str> {
    let (_, kind) = fault.split_once("expected ")?;
    // in our own readers' words
    if kind.contains("such as `") {
        return Some(kind);
    }
    let kinds = [
        ("a string", "text in quotes"),
        ("a boolean", "`true` or `false`"),
        ("a map", "an object `{..}`"),
        ("struct", "an object `{..}`"),
        ("a sequence", "a list `[..]`"),
        ("a tuple", "a list `[..]`"),
        ("u", "a whole number of at least 0"),
        ("i", "a whole number"),
        ("f", "a number"),
    ];
    kinds.iter().find(|(start, _)| kind.starts_with(start)).map(|(_, words)| *words)
}

/// The keys that lead to a place, `levels.pack` or `steps[3].start`, bounded in length.
fn key_at(bytes: &[u8], line: usize, column: usize) -> String {
    let before: usize =
        bytes.split_inclusive(|b| *b == b'\n').take(line.saturating_sub(1)).map(<[u8]>::len).sum();
    let head = bytes.get(..before.saturating_add(column).min(bytes.len())).unwrap_or_default();
    // an object's last key, or a list's place
    let mut path: Vec<(Option<String>, Option<usize>)> = Vec::new();
    let mut text: Option<Vec<u8>> = None;
    let mut last: Option<String> = None;
    let mut escaped = false;
    for byte in head {
        if let Some(so_far) = &mut text {
            match byte {
                _ if escaped => escaped = false,
                b'\\' => escaped = true,
                b'"' => {
                    last = text.take().map(|t| String::from_utf8_lossy(&t).into_owned());
                    continue;
                }
                _ => {}
            }
            so_far.push(*byte);
            continue;
        }
        match byte {
            b'"' => text = Some(Vec::new()),
            b'{' => path.push((None, None)),
            b'[' => path.push((None, Some(0))),
            b'}' | b']' if path.len() > 1 => {
                path.pop();
            }
            b':' => {
                if let Some(here) = path.last_mut() {
                    here.0 = last.take();
                }
            }
            b',' => {
                if let Some(here) = path.last_mut() {
                    *here = (None, here.1.map(|place| place.saturating_add(1)));
                }
            }
            _ => {}
        }
    }
    let mut key = String::new();
    for (name, place) in path.iter().take(MOST_KEYS) {
        match (name, place) {
            (Some(name), _) => {
                let name: String = name.chars().filter(|c| !c.is_control()).take(60).collect();
                key.push_str(if key.is_empty() { "" } else { "." });
                key.push_str(&name);
            }
            (None, Some(place)) => key.push_str(&format!("[{place}]")),
            (None, None) => {}
        }
    }
    key
}

/// Deeper keys are not told.
const MOST_KEYS: usize = 6;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_of_the_wrong_kind_is_named_by_its_key() {
        let told = |text: &str| {
            let error = serde_json::from_str::<crate::bundle::State>(text).unwrap_err();
            words(&error, text.as_bytes())
        };
        let state = |rest: &str| {
            format!(
                "{{\"schema\": \"evl.state/1\", \"site\": \"x\",\n\"at\": \"2026-05-05T00:00:00Z\"{rest}}}"
            )
        };
        let cases = [
            (
                r#", "levels": {"a": "5 kWh", "pack[2]": 0.5}"#,
                "levels.pack[2]",
                "a number and a unit such as `11 kW`",
            ),
            (r#", "latches": ["one", 7]"#, "latches[1]", "text in quotes"),
            (
                r#", "on": {"pump": {"on": 1, "since": "2026-05-05T00:00:00Z"}}"#,
                "on.pump.on",
                "`true` or `false`",
            ),
            (r#", "levels": 3"#, "levels", "an object `{..}`"),
            (r#", "sequence": "x""#, "sequence", "a whole number of at least 0"),
        ];
        for (rest, key, kind) in cases {
            let told = told(&state(rest));
            assert!(told.starts_with("line 2, column "), "{told}");
            assert!(
                told.ends_with(&format!(", `{key}`: a value of the wrong kind, expected {kind}")),
                "{told}"
            );
        }
    }

    #[test]
    fn hashes_read_back_and_wrong_ones_are_refused() {
        let hash = Hash::of(b"");
        assert_eq!(hash.as_str(), "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
        assert_eq!(hash.short(), "e3b0c44298fc");
        assert_eq!(Hash::parse(hash.as_str()), Some(hash.clone()));
        for wrong in ["", "sha256:", "sha256:00", &hash.as_str().to_uppercase()] {
            assert_eq!(Hash::parse(wrong), None, "{wrong}");
        }
    }
}
