//! The sentences in which a plan gives its reasons, for those who write and those who judge them.

use super::plan::StatementRef;
use crate::ir::{Family, Goal};

/// Nothing asks anything of a device.
pub const RESTS: &str = "nothing asks anything of it: it stays at its default";
/// The same of a `life_safety` device.
pub const SAFE: &str = "nothing asks anything of it, and it moves only towards its safe state";
/// A producer gives everything that it has.
pub const USED: &str = "everything it gives is used";
/// A producer is curtailed.
pub const COSTLY: &str = "taking more would cost money";

/// Nothing asks anything of a member of a family.
#[must_use]
pub const fn rests(family: &Family) -> &'static str {
    if family.life_safety.is_some() { SAFE } else { RESTS }
}

/// Statements decide.
#[must_use]
pub fn decides(statements: &[StatementRef]) -> String {
    let names: Vec<String> = statements.iter().map(|s| format!("`{}`", s.name)).collect();
    format!("{} decides", names.join(", "))
}

/// The site's first goal where that is not money.
fn first_of(first: Goal) -> Option<&'static str> {
    match first {
        Goal::Cost => None,
        Goal::Emissions => Some("the way with the least emissions"),
        Goal::Switching => Some("the way with the least switching"),
        Goal::Import => Some("the way with the least import"),
        Goal::Peak => Some("the way with the lowest peak"),
    }
}

/// The goals alone decide to take or give power, of which `first` comes first; the price is that of imported
/// energy, currency/kWh.
#[must_use]
pub fn cheapest(first: Goal, price: Option<f64>, currency: &str) -> String {
    if let Some(way) = first_of(first) {
        return way.to_owned();
    }
    price.map_or_else(
        || "the cheapest way".to_owned(),
        |price| format!("the cheapest way at {price:.4} {currency}/kWh"),
    )
}

/// They decide against it.
#[must_use]
pub fn idle(first: Goal, price: Option<f64>, currency: &str) -> String {
    if let Some(way) = first_of(first) {
        return format!("idle: {way}");
    }
    price.map_or_else(
        || "idle".to_owned(),
        |price| format!("idle: nothing is gained at {price:.4} {currency}/kWh"),
    )
}
