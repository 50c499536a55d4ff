//! What devices may be giving at some moment, and which limits that breaches.

use std::collections::BTreeMap;

use crate::quantity::Rat;

/// Power that a device may give to its bus at some moment, kW; negative where it takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// least
    pub lo: Rat,
    /// greatest
    pub hi: Rat,
}

impl Claim {
    /// Exactly this.
    #[must_use]
    pub fn exactly(power: Rat) -> Self {
        Self { lo: power.clone(), hi: power }
    }

    /// Between two values, in any order.
    #[must_use]
    pub fn between(a: Rat, b: Rat) -> Self {
        Self { lo: Rat::min_of(&a, &b), hi: Rat::max_of(&a, &b) }
    }

    /// Everything that either allows.
    #[must_use]
    pub fn or(&self, other: &Self) -> Self {
        Self { lo: Rat::min_of(&self.lo, &other.lo), hi: Rat::max_of(&self.hi, &other.hi) }
    }
}

/// Powers by device name.
pub type Powers = BTreeMap<String, Claim>;

/// A limit that is or may be exceeded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Breach {
    /// by how much, in the limit's unit
    pub by: Rat,
    /// with its amounts: "`main` carries 41 kW, its limit is 40 kW"
    pub words: String,
}

/// Breaches by limit; limits that are kept are missing.
pub type Breaches = BTreeMap<String, Breach>;

/// Judges states of commands. `apply` asks it about every prefix of its writes.
pub trait Verifier: Send + Sync {
    /// By how much the state exceeds each limit.
    fn breaches(&self, powers: &Powers) -> Breaches;
}

/// What a state breaches further than both reference states, in words.
#[must_use]
pub fn worse(state: &Breaches, found: &Breaches, planned: &Breaches) -> Vec<String> {
    let by = |breaches: &Breaches, name: &str| breaches.get(name).map_or(Rat::ZERO, |b| b.by.clone());
    state
        .iter()
        .filter(|(name, breach)| breach.by > by(found, name) && breach.by > by(planned, name))
        .map(|(_, breach)| breach.words.clone())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn worse_is_measured_against_both_ends() {
        let at = |kw: i64| {
            let breach = Breach { by: Rat::int(kw), words: format!("`main` by {kw} kW") };
            Breaches::from([("main".to_owned(), breach)])
        };
        assert_eq!(worse(&at(3), &at(2), &at(4)), Vec::<String>::new());
        assert_eq!(worse(&at(3), &at(2), &Breaches::new()), ["`main` by 3 kW"]);
    }
}
