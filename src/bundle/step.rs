//! Register steps: in what a commanded attribute counts. One place for compiler, planner, verifier
//! and runtime, so that a plan never contains a value that a register cannot hold.

use std::collections::{BTreeMap, BTreeSet};

use super::inventory::{Device, Inventory};
use super::profile::{Context, Profile, Verb};
use crate::ir::{Attr, Family, Model};
use crate::quantity::{Rat, Type};

/// Register step of a quantity that no profile gives one: 0.001 of its unit (semantics.md 3); 0 for
/// what has no order.
#[must_use]
pub fn thousandth(ty: Type) -> Rat {
    match ty {
        Type::Ratio => Rat::ratio(1, 100_000).unwrap_or_default(),
        Type::Bool | Type::Symbol => Rat::ZERO,
        _ => Rat::ratio(1, 1000).unwrap_or_default(),
    }
}

/// Register step of an attribute that no profile gives one; 1 for truth values, which are counted.
#[must_use]
pub fn default_step(attr: &Attr) -> Rat {
    match attr {
        Attr::On | Attr::Connected => Rat::ONE,
        _ => thousandth(attr.ty()),
    }
}

/// Register step of a device's attribute, in the attribute's canonical unit. The power of a store,
/// which has two registers, moves by the larger of their steps.
#[must_use]
pub fn register_step(family: &Family, attr: &Attr) -> Rat {
    if let Some(own) = family.command_step.get(attr) {
        return own.clone();
    }
    match (attr, &family.model) {
        (Attr::Power, Model::Store(_)) => {
            Rat::max_of(&register_step(family, &Attr::Charge), &register_step(family, &Attr::Discharge))
        }
        _ => default_step(attr),
    }
}

/// Nameplate of one device: its profile's, over it the declaration's, over both the inventory's.
#[must_use]
pub fn ratings(family: &Family, profile: &Profile, entry: Option<&Device>) -> BTreeMap<String, Rat> {
    let own = profile.ratings.iter();
    let mut ratings: BTreeMap<String, Rat> = own.map(|(name, q)| (name.clone(), q.value.clone())).collect();
    match &family.model {
        Model::Renewable { rated, .. } | Model::Generator { rated, .. } => {
            ratings.insert("power".to_owned(), rated.clone());
        }
        Model::Store(store) => {
            ratings.insert("power".to_owned(), Rat::max_of(&store.charge, &store.discharge));
            ratings.insert("capacity".to_owned(), store.capacity.clone());
        }
        _ => {
            if let (Some((_, hi)), false) = (family.hull(&Attr::Power), ratings.contains_key("power")) {
                ratings.insert("power".to_owned(), hi);
            }
        }
    }
    let entry = entry.into_iter().flat_map(|entry| &entry.ratings);
    ratings.extend(entry.map(|(name, q)| (name.clone(), q.value.clone())));
    ratings
}

/// The different nameplates of a family's members.
fn nameplates(family: &Family, profile: &Profile, inventory: &Inventory) -> BTreeSet<BTreeMap<String, Rat>> {
    let entries: Vec<&Device> = match family.count {
        None => inventory.devices.get(&family.name).into_iter().collect(),
        Some(count) => {
            let (first, last) = (format!("{}[", family.name), format!("{}]", family.name));
            let member = |name: &str| -> Option<u32> {
                name.strip_prefix(&first)?.strip_suffix(']')?.parse().ok().filter(|i| (1..=count).contains(i))
            };
            let listed = inventory.devices.range(first.clone()..last);
            listed.filter(|(name, _)| member(name).is_some()).map(|(_, entry)| entry).collect()
        }
    };
    let whole = u32::try_from(entries.len()).is_ok_and(|listed| listed >= family.len());
    let bare = (!whole).then(|| ratings(family, profile, None));
    entries.into_iter().map(|entry| ratings(family, profile, Some(entry))).chain(bare).collect()
}

/// The attributes that a profile commands with a value, and by which verb.
const VALUED: [(Verb, Attr); 5] = [
    (Verb::Power, Attr::Power),
    (Verb::Charge, Attr::Charge),
    (Verb::Discharge, Attr::Discharge),
    (Verb::Setpoint, Attr::Setpoint),
    // the grid's, which the device keeps
    (Verb::Follow, Attr::Import),
];

/// In what the registers of a family's members count, and what they take.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Registers {
    /// Step of each commanded attribute that every member can hold, canonical unit.
    pub steps: BTreeMap<Attr, Rat>,
    /// What every member's register takes, canonical unit: closed pieces, sorted; absent: anything.
    pub takes: BTreeMap<Attr, Vec<(Rat, Rat)>>,
}

impl Registers {
    /// Of a family with this profile. Members whose nameplates differ share the least common multiple
    /// of their steps.
    #[must_use]
    pub fn of(family: &Family, profile: &Profile, inventory: &Inventory) -> Self {
        let mut found = Self::default();
        for ratings in nameplates(family, profile, inventory) {
            let context = Context { ratings, ..Context::default() };
            for (verb, attr) in &VALUED {
                if let Some(step) = profile.command_step(*verb, &context).filter(Rat::is_positive) {
                    let common = found.steps.get(attr).and_then(|other| common_multiple(other, &step));
                    found.steps.insert(attr.clone(), common.unwrap_or(step));
                }
                if let Some(takes) = profile.command_range(*verb, &context) {
                    let both = found.takes.get(attr).map(|other| intersection(other, &takes));
                    found.takes.insert(attr.clone(), both.unwrap_or(takes));
                }
            }
        }
        found
    }
}

/// Least common multiple of two positive numbers; `None` where it needs more than 64 bits.
fn common_multiple(a: &Rat, b: &Rat) -> Option<Rat> {
    let ((p, q), (r, s)) = (a.small_parts()?, b.small_parts()?);
    // of fractions in lowest terms: lcm of the numerators over gcd of the denominators
    let numerator = i128::from(p).checked_mul(i128::from(r))?.checked_div(gcd(p.into(), r.into()))?;
    Rat::ratio(numerator, gcd(q.into(), s.into()))
}

fn gcd(a: i128, b: i128) -> i128 {
    let (mut a, mut b) = (a.abs(), b.abs());
    while b != 0 {
        (a, b) = (b, a.checked_rem(b).unwrap_or(0));
    }
    a
}

/// What two sets of sorted closed pieces have in common.
#[must_use]
pub fn intersection(a: &[(Rat, Rat)], b: &[(Rat, Rat)]) -> Vec<(Rat, Rat)> {
    let common = |x: &(Rat, Rat), y: &(Rat, Rat)| {
        let piece = (Rat::max_of(&x.0, &y.0), Rat::min_of(&x.1, &y.1));
        (piece.0 <= piece.1).then_some(piece)
    };
    let mut pieces: Vec<_> = a.iter().flat_map(|x| b.iter().filter_map(move |y| common(x, y))).collect();
    pieces.sort();
    pieces.dedup();
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rat(text: &str) -> Rat {
        text.parse().unwrap()
    }

    #[test]
    fn common_steps_are_the_least_that_both_can_hold() {
        assert_eq!(common_multiple(&rat("0.05"), &rat("0.02")), Some(rat("0.1")));
        assert_eq!(common_multiple(&rat("0.069"), &rat("0.069")), Some(rat("0.069")));
        assert_eq!(common_multiple(&rat("0.12"), &rat("0.05")), Some(rat("0.6")));
    }

    #[test]
    fn what_two_registers_take() {
        let a = [(rat("0"), rat("0")), (rat("4"), rat("11"))];
        let b = [(rat("0"), rat("6"))];
        assert_eq!(intersection(&a, &b), [(rat("0"), rat("0")), (rat("4"), rat("6"))]);
    }
}
