//! EVL03xx: contradictions between rules, and between rules and devices.

use crate::diag::registry::codes;

codes! {
    /// In some possible situation two or more active rules of one priority class ask of one device,
    /// store or zone what cannot hold together: no value satisfies all of them.
    /// Neither may win, so neither would be obeyed reliably. The witness is the simplest such
    /// situation, found over all weather, prices, readings and instants that the policy declares
    /// possible. Give one rule a higher class, or end one where the other begins.
    CONTRADICTION = 301, Finding, "rules of one class contradict each other";
    /// A rule asks for something outside what its device can do, by its declaration and its profile,
    /// while its guard can be true. No rule widens a physical range.
    BEYOND_DEVICE = 302, Finding, "a rule asks what its device cannot do";
    /// Active rules of one class force opposite directions of one store or zone above zero: charge and
    /// discharge, or heat and cool. Give them windows or thresholds with a dead band between.
    OPPOSED_EFFECTS = 303, Finding, "opposed effects on one store or zone";
    /// An upper limit makes an obligation (deliver, run or keep) of the same or a higher class
    /// unreachable. Raise the limit, lengthen the window or lower the amount.
    ///
    /// This version of evl does not ask it yet.
    LIMIT_AGAINST_OBLIGATION = 304, Finding, "a limit makes an obligation unreachable";
}
