//! Register steps.

use crate::ir::{Attr, Family};
use crate::quantity::Rat;

/// Register step of an attribute that no profile gives one: 0.001 of its unit (semantics.md 3); 1
/// for truth values.
#[must_use]
pub fn default_step(attr: &Attr) -> Rat {
    match attr {
        Attr::On | Attr::Connected => Rat::ONE,
        _ => Rat::ratio(1, 1000).unwrap_or(Rat::ONE),
    }
}

/// Register step of a device's attribute, in the attribute's canonical unit.
#[must_use]
pub fn register_step(family: &Family, attr: &Attr) -> Rat {
    family.command_step.get(attr).cloned().unwrap_or_else(|| default_step(attr))
}
