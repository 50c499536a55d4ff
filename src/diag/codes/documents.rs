//! EVL11xx: bundles, plans and their hashes.

use crate::diag::registry::codes;

codes! {
    /// The file is no evl document of the needed kind, or is damaged.
    NOT_A_DOCUMENT = 1101, Failure, "not a valid document";
    /// The content does not have the hash that the document states: it was changed after it was made. Or the
    /// content has that hash and the bytes are not those that evl writes: the file was tidied by another program,
    /// its line ends were changed, or a key stands in it twice. There is one spelling of a document, so that
    /// everybody who reads it reads the same.
    TAMPERED = 1102, Finding, "a document was changed";
    /// The plan was made from another bundle, inventory or site than the one at hand.
    FOREIGN = 1103, Finding, "a document that belongs elsewhere";
    /// The plan's validity is over, or has not begun.
    STALE = 1104, Finding, "a plan outside its validity";
    /// A host accepts only plans with a sequence number above that of the last it accepted. An older
    /// plan is refused, however valid it is otherwise.
    OLD_SEQUENCE = 1105, Finding, "a plan that was overtaken";
    /// The exact check of the plan against its bundle fails: the named statement is violated at the
    /// named step.
    PLAN_VIOLATES = 1106, Finding, "a plan that does not obey its policy";
    /// The document was written with another schema version than this evl reads.
    SCHEMA_VERSION = 1107, Failure, "a document of another version";
    /// Applying needs signatures unless the site declares `signatures none`. This version cannot check
    /// signatures, so it applies only to sites that declare so.
    UNSIGNED = 1108, Finding, "signatures are required";
}
