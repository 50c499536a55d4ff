//! EVL08xx: what the policy asks to be proven, and what was left open.

use crate::diag::registry::codes;

codes! {
    /// A `prove` statement does not hold: in the shown situation some allocation that hard rules,
    /// balances and ratings allow violates it.
    PROOF_FAILS = 801, Finding, "a `prove` statement fails";
    /// In some situation this site allows what its baseline does not.
    BASELINE = 802, Finding, "the site does not conform to its baseline";
    /// The solver gave up on a question within its fixed effort, twice. The statement is neither proven
    /// nor refuted. Splitting its guard, or narrowing the ranges of its signals, usually helps.
    OPEN_QUESTION = 899, Open, "the solver gave up on a question";
}
