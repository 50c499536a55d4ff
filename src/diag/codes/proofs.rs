//! EVL08xx: what the policy asks to be proven, and what was left open.

use crate::diag::registry::codes;

codes! {
    /// A `prove` statement does not hold: in the shown situation some allocation that hard rules,
    /// balances and ratings allow violates it.
    ///
    /// This version of evl does not ask it yet and refuses the statement (EVL0299).
    PROOF_FAILS = 801, Finding, "a `prove` statement fails";
    /// In some situation this site allows what its baseline does not.
    ///
    /// This version of evl does not ask it yet and refuses the statement (EVL0299).
    BASELINE = 802, Finding, "the site does not conform to its baseline";
    /// A policy test expects what does not hold in some situation that its `given` leaves open. Signals,
    /// latches and `for` bits that are not given keep all their possible values, and the expectation
    /// must hold for all of them: the shown situation is one in which it does not. Give more, or
    /// mend the policy.
    TEST_FAILS = 803, Finding, "a policy test fails";
    /// The `given` of a test describes no possible situation: a value outside its declared range, what a
    /// device cannot show (charge and discharge at once), a price that the tariff does not have at that
    /// instant, a latch that cannot be set, or something that an assumption excludes. Every expectation
    /// about it would hold, so it proves nothing.
    IMPOSSIBLE_GIVEN = 804, Finding, "a test is given an impossible situation";
    /// The statement is neither proven nor refuted. Either the solver gave up on the question within its fixed
    /// effort, twice: splitting its guard, or narrowing the ranges of its signals, usually helps. Or nothing
    /// in the policy decides it, such as how power divides among links that form a ring.
    OPEN_QUESTION = 899, Open, "a question stays open";
}
