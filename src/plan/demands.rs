//! What a demand asks of single attributes, in floats.

use super::scene::Pieces;
use crate::eval::{Demand, DeviceSet};
use crate::ir::{Attr, Family, Model};
use crate::quantity::Rat;

/// The interval that a demand asks of a zone's temperature, which its thermostat keeps as near to its
/// setpoint as `half`.
pub(super) fn interval(demand: &Demand, (least, most): (f64, f64), half: f64) -> Option<(f64, f64)> {
    let near = |attr: &Attr| if *attr == Attr::Setpoint { half } else { 0.0 };
    match demand {
        Demand::Bound { attr: attr @ (Attr::Temperature | Attr::Setpoint), lo, hi } => Some((
            lo.as_ref().map_or(least, |lo| lo.to_f64() - near(attr)),
            hi.as_ref().map_or(most, |hi| hi.to_f64() + near(attr)),
        )),
        Demand::Choice { attr: attr @ (Attr::Temperature | Attr::Setpoint), set } => {
            set.hull().map(|(lo, hi)| (lo.to_f64() - near(attr), hi.to_f64() + near(attr)))
        }
        _ => None,
    }
}

/// The pieces of a choice on an attribute; none for a plain interval.
pub(super) fn choice(demand: &Demand, of: &Attr) -> Pieces {
    match demand {
        Demand::Choice { attr, set } if attr == of && set.pieces().len() > 1 => {
            set.pieces().iter().map(|(lo, hi)| (lo.to_f64(), hi.to_f64())).collect()
        }
        _ => Pieces::new(),
    }
}

/// What a demand asks of each power direction of a device.
pub(super) fn parts(family: &Family, demand: &Demand) -> Vec<(Attr, f64, f64)> {
    let free = (f64::NEG_INFINITY, f64::INFINITY);
    let directions = match &family.model {
        Model::Store(_) => Some((Attr::Discharge, Attr::Charge)),
        Model::Grid { .. } => Some((Attr::Import, Attr::Export)),
        _ => None,
    };
    let bound = |attr: &Attr, lo: f64, hi: f64| -> Vec<(Attr, f64, f64)> {
        match (attr, &directions) {
            (Attr::Power, Some((plus, minus))) => vec![
                (plus.clone(), lo.max(0.0), hi.max(0.0)),
                (minus.clone(), (-hi).max(0.0), (-lo).max(0.0)),
            ],
            _ => vec![(attr.clone(), lo, hi)],
        }
    };
    match demand {
        Demand::Bound { attr, lo, hi } => {
            bound(attr, lo.as_ref().map_or(free.0, Rat::to_f64), hi.as_ref().map_or(free.1, Rat::to_f64))
        }
        Demand::Choice { attr, set } => {
            set.hull().map(|(lo, hi)| bound(attr, lo.to_f64(), hi.to_f64())).unwrap_or_default()
        }
        Demand::Switch(false) | Demand::Connect(false) => match directions {
            Some((plus, minus)) => vec![(plus, 0.0, 0.0), (minus, 0.0, 0.0)],
            None => vec![(Attr::Power, 0.0, 0.0)],
        },
        Demand::Switch(true) => {
            // on is the part above a gap at zero; without a gap it asks for no power
            let pieces = family.ranges.get(&Attr::Power).map(Vec::as_slice).unwrap_or_default();
            match pieces {
                [(off, same), (lo, _), ..] if off.is_zero() && same.is_zero() => {
                    vec![(Attr::Power, lo.to_f64(), free.1)]
                }
                _ => Vec::new(),
            }
        }
        Demand::Connect(true) => Vec::new(),
    }
}

/// What a zone's set leaves of its temperature: the setpoint is where the temperature goes, to `half`.
pub(super) fn zone_hull(set: &DeviceSet, half: f64) -> (f64, f64) {
    let mut hull = (f64::NEG_INFINITY, f64::INFINITY);
    for (attr, near) in [(Attr::Temperature, 0.0), (Attr::Setpoint, half)] {
        if let Some((lo, hi)) = set.numbers.get(&attr).and_then(crate::eval::IntervalSet::hull) {
            hull = (hull.0.max(lo.to_f64() - near), hull.1.min(hi.to_f64() + near));
        }
    }
    hull
}
