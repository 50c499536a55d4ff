//! EVL07xx: who may do what.

use crate::diag::registry::codes;

codes! {
    /// In some possible situation the rule commands an attribute that no permit of its author covers,
    /// that a forbid takes away, or a value outside the permitted range. There the rule
    /// has no force. The site's owner may grant it with `permit`; the author may narrow the guard or
    /// the value.
    NOT_PERMITTED = 701, Finding, "the author may not command this";
    /// The permit is taken away entirely by a forbid, grants nothing, or grants what another grants.
    ///
    /// This version of evl does not ask it yet.
    VACUOUS_GRANT = 702, Finding, "a permit without effect";
    /// A tenant's rules change what is decided for others, or its greatest mandatory demand exceeds
    /// its shares.
    ///
    /// This version of evl does not ask it yet.
    NOT_ISOLATED = 703, Finding, "tenants are not isolated";
    /// The admission lists contradict each other, admit a device that the policy denies, or do not
    /// admit one that it uses.
    ///
    /// This version of evl does not ask it yet.
    ADMISSION = 704, Finding, "admission lists contradict the policy";
    /// Where `emergency` holds, a safety rule or an emergency role can be overridden or denied, or a
    /// `life_safety` device can be limited.
    ///
    /// This version of evl does not ask it yet.
    EMERGENCY_BLOCKED = 705, Finding, "an emergency path is blocked";
    /// `evl check --base REV` lists what in a change the site's owner has to look at: permits and forbids,
    /// admission, assumptions, the order of priorities, rules of the first class, grants and keys of tenants
    /// and vendors, fail-safe values and `life_safety` marks, the time zone and the location, and the manifest's
    /// owners, lint levels and waivers. A statement whose words stay the same is listed where tags, kinds or
    /// arrays make it speak of other devices, or its lists and key files hold something else. It is a warning;
    /// `lints` in the base revision's manifest makes it an error.
    NEEDS_OWNER = 706, Finding, "a change that needs the site's owner";
}
