//! The sentences in which a plan gives its reasons, for those who write and those who judge them.

use super::plan::StatementRef;
use crate::ir::Family;

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

/// Money alone decides to take or give power; the price is that of imported energy, currency/kWh.
#[must_use]
pub fn cheapest(price: Option<f64>, currency: &str) -> String {
    price.map_or_else(
        || "the cheapest way".to_owned(),
        |price| format!("the cheapest way at {price:.4} {currency}/kWh"),
    )
}

/// Money alone decides against it.
#[must_use]
pub fn idle(price: Option<f64>, currency: &str) -> String {
    price.map_or_else(
        || "idle".to_owned(),
        |price| format!("idle: nothing is gained at {price:.4} {currency}/kWh"),
    )
}
