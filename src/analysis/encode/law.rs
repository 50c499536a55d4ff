//! What a device measures together (semantics.md 3, 10): all directions of a store or a grid come from one
//! signed power, so that one excludes the other.
//!
//! The rest of the device law is of commands alone: a contactor that is welded shows power while it is off, and
//! a vehicle that is nearly full takes less than its charger can be told. Rules may be about just that.

use std::collections::BTreeMap;

use super::super::formula::{Formula, Linear, Num};
use super::Footprint;
use crate::ir::{Attr, Family, Model, SignalId, SignalSource, Site};
use crate::quantity::Rat;

/// The measured powers of each device that the law ties to one another.
#[derive(Debug, Default)]
pub(crate) struct Kin {
    of: BTreeMap<SignalId, Vec<SignalId>>,
}

impl Kin {
    /// Of all devices of a site.
    pub(crate) fn of(site: &Site) -> Self {
        let mut all = Self::default();
        for family in &site.families {
            let kin: Vec<SignalId> = measured(site, family).into_iter().map(|(_, id)| id).collect();
            if kin.len() < 2 {
                continue;
            }
            for id in &kin {
                all.of.insert(*id, kin.iter().filter(|other| *other != id).copied().collect());
            }
        }
        all
    }

    /// Adds to a footprint what else each of its devices measures.
    pub(crate) fn widen(&self, footprint: &mut Footprint) {
        if self.of.is_empty() {
            return;
        }
        let read: Vec<(SignalId, u32)> = numbers(footprint).collect();
        for (signal, member) in read {
            let others = self.of.get(&signal).into_iter().flatten();
            footprint.nums.extend(others.map(|other| Num::Signal(*other, member)));
        }
    }
}

/// The numbers that a footprint reads, with their members.
fn numbers(footprint: &Footprint) -> impl Iterator<Item = (SignalId, u32)> {
    footprint.nums.iter().filter_map(|num| match num {
        Num::Signal(signal, member) => Some((*signal, *member)),
        Num::Fresh(_) => None,
    })
}

/// Something that the law says of one member of a device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Tie {
    /// What holds.
    pub(crate) holds: Formula,
    /// In words.
    pub(crate) words: String,
}

/// What the law says of a measured power with those declared before it.
pub(crate) fn ties(site: &Site, id: SignalId, member: u32) -> Vec<Tie> {
    let Some(signal) = site.signal(id) else { return Vec::new() };
    let SignalSource::Measured(family, attr) = &signal.source else { return Vec::new() };
    let Some(family) = site.family(*family) else { return Vec::new() };
    let name =
        if signal.count.is_some() { format!("{}[{member}]", family.name) } else { family.name.clone() };
    let mut ties = Vec::new();
    for (other, other_id) in measured(site, family).into_iter().filter(|(_, other)| *other < id) {
        let (one, two) = ((attr, id), (other, other_id));
        let found = pair(family, one, two, member).or_else(|| pair(family, two, one, member));
        ties.extend(found.map(|(holds, words)| Tie { holds, words: words.replace('%', &name) }));
    }
    ties
}

/// The ties among what a footprint reads, in words.
pub(crate) fn told(site: &Site, footprint: &Footprint) -> Vec<String> {
    let inside = |tie: &Tie| Footprint::of(&tie.holds).nums.is_subset(&footprint.nums);
    let all = numbers(footprint).flat_map(|(signal, member)| ties(site, signal, member));
    let mut words: Vec<String> = all.filter(inside).map(|tie| tie.words).collect();
    words.sort();
    words.dedup();
    words
}

fn is_flow(attr: &Attr) -> bool {
    matches!(attr, Attr::Power | Attr::Charge | Attr::Discharge | Attr::Import | Attr::Export)
}

/// The powers that a device measures.
fn measured<'s>(site: &Site, family: &'s Family) -> Vec<(&'s Attr, SignalId)> {
    let own = |id: SignalId| matches!(site.signal(id).map(|s| &s.source), Some(SignalSource::Measured(of, _)) if *of == family.id);
    let readings = family.readings.iter().filter(|(attr, id)| is_flow(attr) && own(**id));
    readings.map(|(attr, id)| (attr, *id)).collect()
}

fn number(signal: SignalId, member: u32) -> Linear {
    Linear::num(Num::Signal(signal, member))
}

/// What the law says of two signals in this order; `%` stands for the device.
fn pair(
    family: &Family,
    (one, one_id): (&Attr, SignalId),
    (two, two_id): (&Attr, SignalId),
    member: u32,
) -> Option<(Formula, &'static str)> {
    let zero = Linear::constant(Rat::ZERO);
    let (a, b) = (number(one_id, member), number(two_id, member));
    // `part` is what the signed power `power` is above zero
    let above = |power: &Linear, part: &Linear| {
        Formula::any([
            Formula::all([Formula::at_most(&zero, power), Formula::zero(part.minus(power))]),
            Formula::all([Formula::at_most(power, &zero), Formula::zero(part.clone())]),
        ])
    };
    let exclude = || Formula::any([Formula::at_most(&a, &zero), Formula::at_most(&b, &zero)]);
    let store = matches!(family.model, Model::Store(_));
    let grid = matches!(family.model, Model::Grid { .. });
    Some(match (one, two) {
        (Attr::Charge, Attr::Discharge) => (exclude(), "`%` never charges and discharges at once"),
        (Attr::Import, Attr::Export) => (exclude(), "`%` never imports and exports at once"),
        (Attr::Power, Attr::Discharge) if store => {
            (above(&a, &b), "the power of `%` is what it discharges less what it charges")
        }
        (Attr::Power, Attr::Charge) if store => {
            (above(&zero.minus(&a), &b), "the power of `%` is what it discharges less what it charges")
        }
        (Attr::Power, Attr::Import) if grid => {
            (above(&a, &b), "the power of `%` is what it imports less what it exports")
        }
        (Attr::Power, Attr::Export) if grid => {
            (above(&zero.minus(&a), &b), "the power of `%` is what it imports less what it exports")
        }
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::formula::Bit;
    use crate::analysis::testkit::*;
    use crate::eval::{Demand, physical_family};
    use crate::ir::{Domain, FamilyId};
    use crate::quantity::Type;

    /// A signal of every attribute of a device.
    fn measure(make: &mut Make, family: FamilyId, attrs: &[Attr]) -> Vec<(Attr, SignalId)> {
        let mut all = Vec::new();
        for attr in attrs {
            let (ty, domain) = if is_truth(attr) {
                (Type::Bool, Domain::Bool)
            } else {
                let lo = if *attr == Attr::Power { rat("-10") } else { rat("0") };
                (Type::Power, Domain::Interval { lo, hi: rat("10") })
            };
            let source = SignalSource::Measured(family, attr.clone());
            let id = make.signal(&format!("{}.{}", family.index(), attr.name()), ty, domain, source);
            make.site.families[family.index()].readings.insert(attr.clone(), id);
            all.push((attr.clone(), id));
        }
        all
    }

    /// Every combination of these values that obeys the law, and of those that the evaluator has something
    /// left of when a device is asked for just them.
    fn combinations(
        make: &Make,
        family: FamilyId,
        signals: &[(Attr, SignalId)],
        values: &[i64],
    ) -> [usize; 3] {
        let all: Vec<Tie> = signals.iter().flat_map(|(_, id)| ties(&make.site, *id, 0)).collect();
        let mut counts = [0; 3];
        let mut at = vec![0; signals.len()];
        loop {
            let (mut nums, mut bits, mut set) =
                (BTreeMap::new(), BTreeMap::new(), physical_family(&make.site.families[family.index()]));
            for ((attr, id), at) in signals.iter().zip(&at) {
                let value = Rat::int(values[*at]);
                let demand = match attr {
                    Attr::On => Demand::Switch(*at > 0),
                    Attr::Connected => Demand::Connect(*at > 0),
                    _ => {
                        Demand::Bound { attr: attr.clone(), lo: Some(value.clone()), hi: Some(value.clone()) }
                    }
                };
                set.narrow(&demand);
                if is_truth(attr) {
                    bits.insert(Bit::Truth(*id, 0), *at > 0);
                } else {
                    nums.insert(Num::Signal(*id, 0), value);
                }
            }
            set.close();
            let negative = signals.iter().any(|(attr, id)| {
                *attr != Attr::Power && nums.get(&Num::Signal(*id, 0)).is_some_and(Rat::is_negative)
            });
            let holds = !negative && all.iter().all(|tie| tie.holds.holds(&nums, &bits));
            assert!(holds || set.is_empty(), "the evaluator allows {at:?} of {signals:?}");
            counts[0] += 1;
            counts[1] += usize::from(holds);
            counts[2] += usize::from(!set.is_empty());
            let widest = |attr: &Attr| if is_truth(attr) { 2 } else { values.len() };
            let Some(next) = (0..at.len()).find(|i| at[*i] + 1 < widest(&signals[*i].0)) else {
                return counts;
            };
            at[next] += 1;
            at[..next].fill(0);
        }
    }

    fn is_truth(attr: &Attr) -> bool {
        matches!(attr, Attr::On | Attr::Connected)
    }

    #[test]
    fn what_the_evaluator_allows_may_be_measured() {
        // commanded: off (connected or not) one each; on: at rest, charging 5 or 10, discharging 5 or 10.
        // Measured: these five powers whatever the contactors show
        let mut make = Make::new();
        let pack = make.store("pack", "10");
        let attrs = [Attr::Charge, Attr::Discharge, Attr::Power, Attr::On, Attr::Connected];
        let signals = measure(&mut make, pack, &attrs);
        assert_eq!(combinations(&make, pack, &signals, &[0, 5, 10, -5, -10]), [500, 20, 7]);
        // each of them alone and in any order of declaration
        for (skip, counts) in [(0, [20, 7]), (1, [20, 7]), (2, [20, 7]), (3, [10, 6]), (4, [10, 6])] {
            let mut make = Make::new();
            let pack = make.store("pack", "10");
            let mut some = attrs.to_vec();
            some.remove(skip);
            some.reverse();
            let signals = measure(&mut make, pack, &some);
            assert_eq!(combinations(&make, pack, &signals, &[0, 5, 10, -5, -10])[1..], counts, "{some:?}");
        }
    }
}
