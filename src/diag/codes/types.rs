//! EVL02xx: types, units, ranges and literals.

use crate::diag::registry::codes;

codes! {
    /// The two sides do not have the same type, or the operator does not exist for them. Power and
    /// energy, absolute temperature and temperature difference, price per kWh and price per kW are
    /// different types: `kW + kWh` adds a rate to an amount.
    TYPE_MISMATCH = 201, Finding, "types do not fit";
    /// The unit is not one that evl knows, or not one of the type that is needed here.
    UNIT = 202, Finding, "unknown or unfitting unit";
    /// The lower end of a range lies above its upper end, or both are equal where that leaves
    /// nothing. Ranges are written least first; windows across midnight and year ends are the
    /// exceptions.
    REVERSED_RANGE = 203, Finding, "a range is reversed or empty";
    /// The literal names something that does not exist: the 30th of February, 25:00, an efficiency of
    /// 120 %, a latitude of 91 degrees, a negative rating.
    IMPOSSIBLE_LITERAL = 204, Finding, "an impossible value";
    /// Guards stay linear so that every question about them can be decided: a product or quotient of
    /// two signals is refused. Compare each with a constant, or declare the product as a feed.
    NOT_LINEAR = 205, Finding, "a product of two signals";
    /// At some instants no weather, price or reading at all satisfies the declared ranges and
    /// assumptions together. Everything would be provable about these instants, so the verdicts would
    /// mean nothing there. The finding names the assumptions and a date; widen a range or weaken one
    /// assumption.
    EMPTY_ENVIRONMENT = 206, Finding, "assumptions leave no possible situation";
    /// The value lies outside the range that its declaration allows, so that the comparison can never
    /// come out otherwise, or the property has no such value.
    OUT_OF_RANGE = 207, Finding, "a value outside its range";
    /// Every amount with a dimension has a unit; a bare number is a number.
    MISSING_UNIT = 208, Finding, "a number without its unit";
    /// `mean` and `sum` over the coming hours of what the instant fixes are refused in guards: they
    /// would need one time group for every minute. `max` and `min` are allowed.
    AGGREGATE = 209, Finding, "this aggregate cannot stand in a guard";
    /// A rule of the first class rests on a reading. Without `poll` and `max_age` nobody would notice
    /// that the reading is old, and the rule would be safe on paper only.
    UNPOLLED_SAFETY_READING = 210, Finding, "a safety rule over a reading without `poll` and `max_age`";
    /// A site counts in one currency. Two currencies need a rate, which changes, and which evl does
    /// not have.
    CURRENCY = 211, Finding, "a second currency";
    /// The statement is well formed and its types fit, but this version of evl cannot answer its
    /// questions yet. It is refused rather than ignored: a rule that is silently skipped would be
    /// worse than none.
    NOT_CHECKED_YET = 299, Finding, "understood, not checked yet";
}
