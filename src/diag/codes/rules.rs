//! EVL04xx: rules that do nothing, or not what they seem to do.

use crate::diag::registry::codes;

codes! {
    /// No situation that the policy declares possible makes the guard true, so the rule never acts.
    /// Usually a threshold lies outside the declared range, or two windows never meet.
    ///
    /// A rule that counts as active where a reading is lost, as those of the safety class do, acts then and
    /// is told as well where no good reading makes its guard, or one of its alternatives, true: an alarm at
    /// 70 ppm on a sensor that is declared to show at most 60 ppm never comes, because a greater reading
    /// counts as 60 ppm. Declare the range that the sensor can show.
    DEAD_RULE = 401, Finding, "a rule that can never act";
    /// The guard is true in every possible situation. Leave it out if that is meant.
    ///
    /// This version of evl does not ask it yet.
    ALWAYS_ACTIVE = 402, Finding, "a rule that always acts";
    /// Whenever this rule acts, a higher class decides the same attribute otherwise, so that it never
    /// has an effect.
    ///
    /// This version of evl does not ask it yet.
    SHADOWED = 403, Finding, "a rule that is always overridden";
    /// Without this rule every decision would be the same: other rules or ratings ask at least as much.
    ///
    /// This version of evl does not ask it yet.
    REDUNDANT = 404, Finding, "a rule that changes nothing";
    /// In some situations a higher class decides otherwise. That is what classes are for; the note
    /// shows where.
    ///
    /// This version of evl does not ask it yet.
    OVERRIDDEN = 405, Finding, "a rule that is overridden sometimes";
    /// Rules switch each other on and off in a circle at one instant's weather and prices. Latch one
    /// of them with a dead band (`when .. until ..`).
    ///
    /// This version of evl does not ask it yet.
    OSCILLATION = 406, Finding, "rules that switch each other in a circle";
    /// A rule switches a device that nothing switches back: no plan control, default, fail-safe or
    /// other rule.
    ///
    /// This version of evl does not ask it yet.
    MISSING_REVERSAL = 407, Finding, "nothing switches the device back";
    /// Another rule of the same author does the same under a weaker guard, so that this condition
    /// protects nothing.
    ///
    /// This version of evl does not ask it yet.
    CONDITION_BYPASS = 408, Finding, "another rule does the same under a weaker guard";
    /// The attribute is declared `decide`, and in some situation no rule decides it.
    ///
    /// This version of evl does not ask it yet and refuses the statement (EVL0299).
    UNDECIDED = 409, Finding, "an attribute that must be decided is left open";
}
