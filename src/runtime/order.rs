//! In which order to write, so that every moment on the way passes the verifier.
//!
//! Writes are made in waves. Everything in a wave may be under way at once: until it is confirmed,
//! each of its devices is taken at its old value, its new one and all values between. The waves
//! backwards visit the same states, so the undo is proved together with the way there.

use super::claim::{Breaches, Claim, Powers, Verifier, worse};
use crate::quantity::Rat;

/// The power of a device that changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leg {
    /// the device
    pub device: String,
    /// where it stands
    pub before: Claim,
    /// where it goes
    pub after: Claim,
    /// everything it may be at while registers are written
    pub under_way: Claim,
}

/// What changes by the writes to one device.
#[derive(Debug, Clone)]
pub struct Move {
    /// place among the changes of the apply
    pub change: usize,
    /// its own power, or those of the machines that follow its setpoint
    pub legs: Vec<Leg>,
    /// a start that the connection feels: no two of them at once
    pub large: bool,
}

impl Move {
    /// How much more is given at the end, or less taken, kW.
    fn rise(&self) -> Rat {
        self.legs.iter().map(|leg| &leg.after.hi - &leg.before.hi).sum()
    }

    fn begins(&self, state: &Powers) -> bool {
        self.legs.iter().all(|leg| state.get(&leg.device) == Some(&leg.before))
    }

    fn under_way(&self) -> impl Iterator<Item = (String, Claim)> + '_ {
        self.legs.iter().map(|leg| (leg.device.clone(), leg.under_way.clone()))
    }

    /// Where everything is when it is done.
    pub fn done(&self) -> impl Iterator<Item = (String, Claim)> + '_ {
        self.legs.iter().map(|leg| (leg.device.clone(), leg.after.clone()))
    }

    fn names(&self) -> impl Iterator<Item = String> + '_ {
        self.legs.iter().map(|leg| leg.device.clone())
    }
}

/// No order keeps every limit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoOrder {
    /// devices that cannot be moved
    pub devices: Vec<String>,
    /// the limits in their way
    pub limits: Vec<String>,
}

/// A judge of states on the way between two others.
pub struct Way<'a> {
    verifier: &'a dyn Verifier,
    found: Breaches,
    planned: Breaches,
}

impl<'a> Way<'a> {
    /// From the state found to the state planned.
    #[must_use]
    pub fn new(verifier: &'a dyn Verifier, found: &Powers, planned: &Powers) -> Self {
        Self { verifier, found: verifier.breaches(found), planned: verifier.breaches(planned) }
    }

    /// The limits that a state breaches further than both ends; none if it passes.
    #[must_use]
    pub fn objections(&self, state: &Powers) -> Vec<String> {
        worse(&self.verifier.breaches(state), &self.found, &self.planned)
    }

    /// The waves in which to write, as indices of `moves`.
    ///
    /// # Errors
    /// [`NoOrder`].
    pub fn waves(&self, found: &Powers, moves: &[Move]) -> Result<Vec<Vec<usize>>, NoOrder> {
        let mut state = found.clone();
        let mut rest: Vec<usize> = (0..moves.len()).collect();
        // those that take less from the grid go first: most limits bound what is taken
        rest.sort_by_key(|index| moves.get(*index).map(|m| std::cmp::Reverse(m.rise())));
        let mut waves = Vec::new();
        while !rest.is_empty() {
            let mut wave = Vec::new();
            let mut trial = state.clone();
            // what goes in two steps takes the second only from where the first has led
            let may = |index: &usize, state: &Powers| moves.get(*index).is_some_and(|m| m.begins(state));
            let starts = rest.iter().filter(|index| moves.get(**index).is_some_and(|m| m.large)).count();
            let all = rest.iter().filter_map(|index| moves.get(*index));
            trial.extend(all.flat_map(Move::under_way));
            let at_once = starts <= 1 && rest.iter().all(|index| may(index, &state));
            if at_once && self.objections(&trial).is_empty() {
                wave.append(&mut rest);
            } else {
                trial.clone_from(&state);
                let mut started = false;
                rest.retain(|index| {
                    let Some(m) = moves.get(*index) else { return false };
                    if !may(index, &state) || (m.large && started) {
                        return true;
                    }
                    let before = trial.clone();
                    trial.extend(m.under_way());
                    if self.objections(&trial).is_empty() {
                        started |= m.large;
                        wave.push(*index);
                        return false;
                    }
                    trial = before;
                    true
                });
            }
            if wave.is_empty() {
                return Err(self.stuck(&state, rest.iter().filter_map(|index| moves.get(*index))));
            }
            for m in wave.iter().filter_map(|index| moves.get(*index)) {
                state.extend(m.done());
            }
            waves.push(wave);
        }
        Ok(waves)
    }

    fn stuck<'m>(&self, state: &Powers, rest: impl Iterator<Item = &'m Move>) -> NoOrder {
        let mut no_order = NoOrder { devices: Vec::new(), limits: Vec::new() };
        for m in rest {
            let mut trial = state.clone();
            trial.extend(m.under_way());
            no_order.limits.extend(self.objections(&trial));
            no_order.devices.extend(m.names());
        }
        no_order.limits.sort();
        no_order.limits.dedup();
        no_order
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;
    use crate::quantity::Rat;
    use crate::runtime::claim::Breach;

    /// Bounds the sum of what is taken, and of what is given.
    struct Sum {
        taken: i64,
        given: i64,
    }

    impl Verifier for Sum {
        fn breaches(&self, powers: &Powers) -> Breaches {
            let lo: Rat = powers.values().map(|claim| claim.lo.clone()).sum();
            let hi: Rat = powers.values().map(|claim| claim.hi.clone()).sum();
            let taken = &-&lo - &Rat::int(self.taken);
            let given = &hi - &Rat::int(self.given);
            let named = [("taken", taken), ("given", given)];
            let breach = |name: &str, by: Rat| {
                (name.to_owned(), Breach { words: format!("{name} exceeded by {by} kW"), by })
            };
            named.into_iter().filter(|(_, e)| e.is_positive()).map(|(n, e)| breach(n, e)).collect()
        }
    }

    fn moves(pairs: &[(i64, i64)]) -> (Powers, Powers, Vec<Move>) {
        let (mut found, mut planned) = (BTreeMap::new(), BTreeMap::new());
        let mut moves = Vec::new();
        for (index, (before, after)) in pairs.iter().enumerate() {
            let device = format!("d{index}");
            let (before, after) = (Claim::exactly(Rat::int(*before)), Claim::exactly(Rat::int(*after)));
            found.insert(device.clone(), before.clone());
            planned.insert(device.clone(), after.clone());
            let under_way = before.or(&after);
            let legs = vec![Leg { device, before, after, under_way }];
            moves.push(Move { change: index, legs, large: false });
        }
        (found, planned, moves)
    }

    #[test]
    fn a_swap_under_a_limit_lowers_first() {
        let verifier = Sum { taken: 10, given: 10 };
        let (found, planned, moves) = moves(&[(-2, -8), (-8, -2)]);
        let way = Way::new(&verifier, &found, &planned);
        assert_eq!(way.waves(&found, &moves), Ok(vec![vec![1], vec![0]]));
    }

    #[test]
    fn what_fits_at_once_goes_at_once() {
        let verifier = Sum { taken: 20, given: 20 };
        let (found, planned, moves) = moves(&[(-2, -8), (-8, -2)]);
        let waves = Way::new(&verifier, &found, &planned).waves(&found, &moves).unwrap();
        assert_eq!(waves.len(), 1);
    }

    #[test]
    fn a_breach_that_was_found_may_only_shrink() {
        let verifier = Sum { taken: 5, given: 5 };
        let (found, planned, moves) = moves(&[(-9, -3), (-1, -2)]);
        let way = Way::new(&verifier, &found, &planned);
        // raising the second first would worsen the breach that is there
        assert_eq!(way.waves(&found, &moves), Ok(vec![vec![0], vec![1]]));
    }

    #[test]
    fn no_order_names_devices_and_limits() {
        // both ends balance exactly, and no single move keeps both sides
        let verifier = Sum { taken: 0, given: 0 };
        let (found, planned, moves) = moves(&[(5, 3), (-5, -3)]);
        let no_order = Way::new(&verifier, &found, &planned).waves(&found, &moves).unwrap_err();
        assert_eq!(no_order.devices.len(), 2);
        assert_eq!(no_order.limits, ["given exceeded by 2 kW", "taken exceeded by 2 kW"]);
    }

    #[test]
    fn large_starts_come_one_after_another() {
        let verifier = Sum { taken: 99, given: 99 };
        let (found, planned, mut moves) = moves(&[(0, -20), (0, -1), (0, -30)]);
        (moves[0].large, moves[2].large) = (true, true);
        let way = Way::new(&verifier, &found, &planned);
        assert_eq!(way.waves(&found, &moves), Ok(vec![vec![1, 0], vec![2]]));
    }

    #[test]
    fn what_moves_together_is_under_way_together() {
        // one write moves two machines, each of which may be at anything up to 6 kW meanwhile
        let verifier = Sum { taken: 10, given: 0 };
        let (found, planned, mut moves) = moves(&[(0, -3), (0, -2), (-4, 0)]);
        let mut second = moves.remove(1).legs.remove(0);
        for leg in moves[0].legs.iter_mut().chain([&mut second]) {
            leg.under_way = Claim { lo: Rat::int(-6), hi: Rat::ZERO };
        }
        moves[0].legs.push(second);
        let waves = |taken: i64| {
            let verifier = Sum { taken, ..verifier };
            Way::new(&verifier, &found, &planned).waves(&found, &moves)
        };
        assert_eq!(waves(16), Ok(vec![vec![1, 0]]));
        assert_eq!(waves(12), Ok(vec![vec![1], vec![0]]));
        let stuck = waves(11).unwrap_err();
        assert_eq!(
            (stuck.devices, stuck.limits),
            (vec!["d0".into(), "d1".into()], vec!["taken exceeded by 1 kW".into()])
        );
    }

    #[test]
    fn a_second_step_waits_for_the_first() {
        let verifier = Sum { taken: 99, given: 99 };
        let (found, planned, mut moves) = moves(&[(0, 8)]);
        let half = Claim::exactly(Rat::int(4));
        let leg = Leg { before: half.clone(), after: planned["d0"].clone(), ..moves[0].legs[0].clone() };
        moves[0].legs[0].after = half;
        moves.insert(0, Move { legs: vec![leg], ..moves[0].clone() });
        let way = Way::new(&verifier, &found, &planned);
        assert_eq!(way.waves(&found, &moves), Ok(vec![vec![1], vec![0]]));
    }

    proptest! {
        #[test]
        fn every_prefix_with_any_part_of_a_wave_done_passes(
            pairs in prop::collection::vec((-9_i64..9, -9_i64..9), 1..6),
            taken in 0_i64..30,
            given in 0_i64..30,
        ) {
            let verifier = Sum { taken, given };
            let (found, planned, moves) = moves(&pairs);
            let way = Way::new(&verifier, &found, &planned);
            if let Ok(waves) = way.waves(&found, &moves) {
                let mut state = found.clone();
                for wave in waves {
                    for done in 0_u32..1 << wave.len() {
                        let mut part = state.clone();
                        for (bit, index) in wave.iter().enumerate() {
                            let m = &moves[*index];
                            if done >> bit & 1 == 1 {
                                part.extend(m.done());
                            }
                        }
                        prop_assert!(way.objections(&part).is_empty());
                    }
                    for index in wave {
                        state.extend(moves[index].done());
                    }
                }
                prop_assert_eq!(state, planned);
            }
        }
    }
}
