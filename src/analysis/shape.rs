//! What effects ask of one device, store or zone, and when several of them leave nothing.
//!
//! A device is in one of a few modes (disconnected, off, on; for a store or grid, on in one of two
//! directions); in each, its numbers lie in intervals. Effects leave nothing iff every mode is
//! dead, or a number that no mode concerns has no value. Bounds are linear in signals, so that
//! this is a formula without quantifiers: a lower bound above an upper one (semantics.md 9-12).

use std::collections::BTreeMap;

use super::formula::{Formula, Linear};
use crate::ir::{Attr, Family, Model, Zone};
use crate::quantity::Rat;

/// A closed interval with linear ends that counts where a condition holds.
pub(crate) type Case = Interval;

/// See [`Case`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Interval {
    /// Least; `None`: unbounded.
    pub(crate) lo: Option<Linear>,
    /// Greatest; `None`: unbounded.
    pub(crate) hi: Option<Linear>,
    /// Where it counts.
    pub(crate) when: Formula,
}

impl Interval {
    /// Between two constants.
    pub(crate) fn constant(lo: &Rat, hi: &Rat) -> Self {
        Self {
            lo: Some(Linear::constant(lo.clone())),
            hi: Some(Linear::constant(hi.clone())),
            when: Formula::TRUE,
        }
    }
}

/// What one effect asks of one subject.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Shape {
    /// Connected or not.
    pub(crate) connected: Option<bool>,
    /// On or off.
    pub(crate) on: Option<bool>,
    /// A union of intervals for each number it bounds.
    pub(crate) numbers: BTreeMap<Attr, Vec<Interval>>,
}

/// One way in which a device can be.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Mode {
    connected: bool,
    on: bool,
    /// The ranges of the numbers that it fixes.
    numbers: BTreeMap<Attr, Vec<(Rat, Rat)>>,
}

/// What a device or zone can do before any rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Body {
    modes: Vec<Mode>,
    /// Numbers that no mode concerns, with their physical range.
    numbers: BTreeMap<Attr, Vec<(Rat, Rat)>>,
    /// Its two directions, if it has two: the positive and the negative part of its power.
    pub(crate) directions: Option<(Attr, Attr)>,
    /// A zone: a temperature that is held binds the setpoint too.
    zone: bool,
}

const fn nothing() -> (Rat, Rat) {
    (Rat::ZERO, Rat::ZERO)
}

impl Body {
    /// Of a family's member.
    pub(crate) fn of_family(family: &Family) -> Self {
        let mut numbers = family.ranges.clone();
        numbers.retain(|_, pieces| !pieces.is_empty());
        let mut range = |attr: Attr, pieces: Vec<(Rat, Rat)>| {
            numbers.entry(attr).or_insert(pieces);
        };
        let upto = |most: &Rat| vec![(Rat::ZERO, most.clone())];
        match &family.model {
            Model::Grid { import, export, .. } => {
                range(Attr::Import, upto(import));
                range(Attr::Export, upto(export));
            }
            Model::Store(store) => {
                range(Attr::Charge, upto(&store.charge));
                range(Attr::Discharge, upto(&store.discharge));
                range(Attr::ChargeLevel, vec![(store.level_min.clone(), store.level_max.clone())]);
            }
            Model::Renewable { rated, .. } => range(Attr::Power, upto(rated)),
            Model::Generator { rated, minimum, .. } => {
                range(Attr::Power, vec![nothing(), (minimum.clone(), rated.clone())]);
            }
            Model::Consumer(_) => range(Attr::Power, vec![(Rat::ZERO, Rat::int(1_000_000_000_000))]),
            Model::Control { .. } | Model::Slot { .. } => {}
        }
        let both = |a: &Attr, b: &Attr| numbers.contains_key(a) && numbers.contains_key(b);
        let directions = if both(&Attr::Import, &Attr::Export) {
            Some((Attr::Import, Attr::Export))
        } else if both(&Attr::Charge, &Attr::Discharge) {
            Some((Attr::Discharge, Attr::Charge))
        } else {
            None
        };
        let mut flows: BTreeMap<Attr, Vec<(Rat, Rat)>> = BTreeMap::new();
        match &directions {
            Some((a, b)) => {
                for attr in [a, b] {
                    flows.extend(numbers.remove(attr).map(|pieces| (attr.clone(), pieces)));
                }
            }
            None => flows.extend(numbers.remove(&Attr::Power).map(|pieces| (Attr::Power, pieces))),
        }
        let still: BTreeMap<Attr, Vec<(Rat, Rat)>> =
            flows.keys().map(|attr| (attr.clone(), vec![nothing()])).collect();
        let mode = |connected, on, numbers| Mode { connected, on, numbers };
        let mut modes = vec![mode(false, false, still.clone()), mode(true, false, still.clone())];
        match &directions {
            Some((a, b)) => {
                for (flowing, other) in [(a, b), (b, a)] {
                    let mut numbers = flows.clone();
                    // the other direction may be at zero only if its range holds zero
                    let zero = numbers.get(other).is_some_and(|pieces| holds_zero(pieces));
                    numbers.insert(other.clone(), if zero { vec![nothing()] } else { Vec::new() });
                    debug_assert!(numbers.contains_key(flowing));
                    modes.push(mode(true, true, numbers));
                }
            }
            None => {
                if let Some(pieces) = flows.get_mut(&Attr::Power) {
                    if !holds_zero(pieces) {
                        pieces.insert(0, nothing());
                        pieces.sort();
                    }
                    let apart = pieces.first().is_some_and(|p| *p == nothing()) && pieces.len() > 1;
                    if apart {
                        pieces.remove(0);
                    }
                }
                modes.push(mode(true, true, flows));
            }
        }
        Self { modes, numbers, directions, zone: false }
    }

    /// Of a zone.
    pub(crate) fn of_zone(zone: &Zone) -> Self {
        let range = vec![zone.range.clone()];
        let numbers = BTreeMap::from([(Attr::Temperature, range.clone()), (Attr::Setpoint, range)]);
        Self { modes: Vec::new(), numbers, directions: None, zone: true }
    }

    /// Least and greatest value of a number, over all modes.
    pub(crate) fn hull(&self, attr: &Attr) -> Option<(Rat, Rat)> {
        let modes = self.modes.iter().filter_map(|mode| mode.numbers.get(attr)).flatten();
        let pieces: Vec<&(Rat, Rat)> = modes.chain(self.numbers.get(attr).into_iter().flatten()).collect();
        let lo = pieces.iter().map(|p| &p.0).min()?;
        let hi = pieces.iter().map(|p| &p.1).max()?;
        Some((lo.clone(), hi.clone()))
    }

    /// Whether sets of more than two effects can leave nothing although each pair leaves
    /// something: where a range has several pieces in one mode. Otherwise the modes and values of
    /// a device are ordered so that every effect leaves a run of them, and pairs are enough.
    pub(crate) fn has_gaps(&self) -> bool {
        let several = |numbers: &BTreeMap<Attr, Vec<(Rat, Rat)>>| numbers.values().any(|p| p.len() > 1);
        several(&self.numbers) || self.modes.iter().any(|m| several(&m.numbers))
    }

    /// The ends of a number's pieces, in all modes.
    pub(crate) fn ends(&self, attr: &Attr) -> Vec<Rat> {
        let modes = self.modes.iter().filter_map(|mode| mode.numbers.get(attr)).flatten();
        let pieces = modes.chain(self.numbers.get(attr).into_iter().flatten());
        pieces.flat_map(|(lo, hi)| [lo.clone(), hi.clone()]).collect()
    }

    /// The least value of a number while the device is on.
    pub(crate) fn least_on(&self, attr: &Attr) -> Option<Rat> {
        let on = self.modes.iter().filter(|mode| mode.on);
        on.filter_map(|mode| mode.numbers.get(attr)?.first().map(|p| p.0.clone())).min()
    }

    /// The shape of a bound on an attribute, by cases that exclude each other; signed power of a
    /// store or grid bounds both parts.
    pub(crate) fn bound(&self, attr: &Attr, cases: &[Case]) -> Shape {
        let mut shape = Shape::default();
        if let (Attr::Power, Some((positive, negative))) = (attr, &self.directions) {
            let flip = |end: &Option<Linear>| end.as_ref().map(|l| Linear::default().minus(l));
            let (mut ahead, mut back) = (Vec::new(), Vec::new());
            for case in cases {
                ahead.extend(part(case.lo.as_ref(), case.hi.as_ref(), &case.when));
                back.extend(part(flip(&case.hi).as_ref(), flip(&case.lo).as_ref(), &case.when));
            }
            shape.numbers.insert(positive.clone(), ahead);
            shape.numbers.insert(negative.clone(), back);
            return shape;
        }
        if matches!(attr, Attr::On | Attr::Connected) {
            let end = |end: fn(&Case) -> &Option<Linear>| {
                cases.first().and_then(|case| end(case).as_ref().and_then(|l| l.as_constant().cloned()))
            };
            let (lo, hi) = (end(|case| &case.lo), end(|case| &case.hi));
            let holds = |v: &Rat| lo.as_ref().is_none_or(|l| l <= v) && hi.as_ref().is_none_or(|h| v <= h);
            let truth = match (holds(&Rat::ZERO), holds(&Rat::ONE)) {
                (true, false) => Some(false),
                (false, true) => Some(true),
                _ => None,
            };
            if *attr == Attr::On {
                shape.on = truth
            } else {
                shape.connected = truth
            }
            return shape;
        }
        self.put(&mut shape, attr, cases.to_vec());
        shape
    }

    /// The shape of a choice.
    pub(crate) fn choice(&self, attr: &Attr, pieces: &[(Rat, Rat)]) -> Shape {
        let mut shape = Shape::default();
        if let (Attr::Power, Some((positive, negative))) = (attr, &self.directions) {
            let above = |v: &Rat| Rat::max_of(v, &Rat::ZERO);
            let below = |v: &Rat| Rat::max_of(&-v, &Rat::ZERO);
            let ahead = pieces.iter().map(|(lo, hi)| Interval::constant(&above(lo), &above(hi))).collect();
            let back = pieces.iter().map(|(lo, hi)| Interval::constant(&below(hi), &below(lo))).collect();
            shape.numbers.insert(positive.clone(), ahead);
            shape.numbers.insert(negative.clone(), back);
            return shape;
        }
        let intervals: Vec<Interval> = pieces.iter().map(|(lo, hi)| Interval::constant(lo, hi)).collect();
        if matches!(attr, Attr::On | Attr::Connected) {
            let (lo, hi) = (pieces.first().map(|p| p.0.clone()), pieces.last().map(|p| p.1.clone()));
            let case =
                Case { lo: lo.map(Linear::constant), hi: hi.map(Linear::constant), when: Formula::TRUE };
            return self.bound(attr, &[case]);
        }
        self.put(&mut shape, attr, intervals);
        shape
    }

    fn put(&self, shape: &mut Shape, attr: &Attr, intervals: Vec<Interval>) {
        if self.zone && *attr == Attr::Temperature {
            shape.numbers.insert(Attr::Setpoint, intervals.clone());
        }
        shape.numbers.insert(attr.clone(), intervals);
    }

    /// The condition under which the effects leave nothing of what the device can do.
    pub(crate) fn empty(&self, shapes: &[&Shape]) -> Formula {
        let mut ways = Vec::new();
        let mut attrs: Vec<&Attr> = shapes.iter().flat_map(|s| s.numbers.keys()).collect();
        attrs.sort();
        attrs.dedup();
        let of_modes = |attr: &Attr| self.modes.iter().any(|mode| mode.numbers.contains_key(attr));
        for attr in attrs.iter().filter(|attr| !of_modes(attr)) {
            let physical = self.numbers.get(*attr).map(Vec::as_slice);
            ways.push(no_value(attr, physical, shapes));
        }
        if !self.modes.is_empty() {
            ways.push(Formula::all(self.modes.iter().map(|mode| mode.dead(shapes))));
        }
        Formula::any(ways)
    }

    /// The condition under which the shape forces a number above zero.
    pub(crate) fn forces(&self, shape: &Shape, attr: &Attr) -> Formula {
        let zero = Shape {
            numbers: BTreeMap::from([(attr.clone(), vec![Interval::constant(&Rat::ZERO, &Rat::ZERO)])]),
            ..Shape::default()
        };
        Formula::all([self.empty(&[shape, &zero]), self.empty(&[shape]).negate()])
    }
}

/// An effect on a subject that may act or not.
pub(crate) type Acting<'s> = (Formula, &'s Shape);

impl Body {
    /// The condition under which those of the effects whose condition holds leave nothing of what
    /// the device can do.
    ///
    /// As [`Body::empty`], for effects that need not all act: what closed sets have in common, if
    /// they have anything, begins at a lower end of one of them, so that it is enough that each
    /// lower end is excluded. Its size is the number of ends times the number of effects.
    pub(crate) fn dead_when(&self, acts: &[Acting]) -> Formula {
        let mut attrs: Vec<&Attr> = acts.iter().flat_map(|(_, s)| s.numbers.keys()).collect();
        attrs.sort();
        attrs.dedup();
        let of_modes = |attr: &Attr| self.modes.iter().any(|mode| mode.numbers.contains_key(attr));
        let mut ways: Vec<Formula> = attrs
            .iter()
            .filter(|attr| !of_modes(attr))
            .map(|attr| exhausted(attr, self.numbers.get(*attr).map(Vec::as_slice), acts))
            .collect();
        if !self.modes.is_empty() {
            ways.push(Formula::all(self.modes.iter().map(|mode| {
                let numbers =
                    mode.numbers.iter().map(|(attr, range)| exhausted(attr, Some(range.as_slice()), acts));
                Formula::any(std::iter::once(mode.left_when(acts)).chain(numbers))
            })));
        }
        Formula::any(ways)
    }

    /// The condition under which the effects that act leave a number no value at `at`.
    fn excludes(&self, attr: &Attr, at: &Linear, acts: &[Acting]) -> Formula {
        if let Some(physical) = self.numbers.get(attr) {
            return Formula::any([outside(at, physical), excluded(attr, Some(at), acts)]);
        }
        Formula::all(self.modes.iter().filter_map(|mode| {
            let range = mode.numbers.get(attr)?;
            let others = mode.numbers.iter().filter(|(other, _)| *other != attr);
            let others = others.map(|(other, range)| exhausted(other, Some(range.as_slice()), acts));
            let here = [mode.left_when(acts), outside(at, range), excluded(attr, Some(at), acts)];
            Some(Formula::any(here.into_iter().chain(others)))
        }))
    }

    /// Conditions under which `value` is no more than the least (`least`), or no less than the
    /// greatest, value that the effects that act leave a number; empty where the body does not
    /// bound the number, so that nothing can be said.
    pub(crate) fn reaches(&self, attr: &Attr, value: &Linear, least: bool, acts: &[Acting]) -> Vec<Formula> {
        let Some((lo, hi)) = self.hull(attr) else { return Vec::new() };
        let beyond =
            |end: &Linear| if least { Formula::at_most(value, end) } else { Formula::at_most(end, value) };
        let mut ends: Vec<Linear> = self.ends(attr).into_iter().map(Linear::constant).collect();
        for (_, shape) in acts {
            for interval in shape.numbers.get(attr).map(Vec::as_slice).unwrap_or_default() {
                ends.extend(if least { interval.lo.clone() } else { interval.hi.clone() });
            }
        }
        ends.sort();
        ends.dedup();
        let far = Linear::constant(if least { hi } else { lo });
        let steps = ends.iter().map(|end| Formula::any([beyond(end), self.excludes(attr, end, acts)]));
        std::iter::once(beyond(&far)).chain(steps).collect()
    }
}

impl Mode {
    /// Some effect that acts takes the device out of this mode.
    fn left_when(&self, acts: &[Acting]) -> Formula {
        let leaves = |s: &Shape| {
            s.connected.is_some_and(|c| c != self.connected) || s.on.is_some_and(|on| on != self.on)
        };
        Formula::any(acts.iter().filter(|(_, s)| leaves(s)).map(|(when, _)| when.clone()))
    }
}

/// The value lies in none of the pieces.
fn outside(at: &Linear, pieces: &[(Rat, Rat)]) -> Formula {
    Formula::all(pieces.iter().map(|(lo, hi)| {
        let (lo, hi) = (Linear::constant(lo.clone()), Linear::constant(hi.clone()));
        Formula::any([Formula::less(at, &lo), Formula::less(&hi, at)])
    }))
}

/// Some effect that acts excludes the value; `None`: values below all bounds.
fn excluded(attr: &Attr, at: Option<&Linear>, acts: &[Acting]) -> Formula {
    Formula::any(acts.iter().filter_map(|(when, shape)| {
        let intervals = shape.numbers.get(attr)?;
        let missed = Formula::all(intervals.iter().map(|interval| {
            let below = match (&interval.lo, at) {
                (Some(lo), Some(at)) => Formula::less(at, lo),
                (Some(_), None) => Formula::TRUE,
                (None, _) => Formula::FALSE,
            };
            let above = match (&interval.hi, at) {
                (Some(hi), Some(at)) => Formula::less(hi, at),
                _ => Formula::FALSE,
            };
            Formula::any([interval.when.clone().negate(), below, above])
        }));
        Some(Formula::all([when.clone(), missed]))
    }))
}

/// Every value of a number is outside its range or excluded.
fn exhausted(attr: &Attr, physical: Option<&[(Rat, Rat)]>, acts: &[Acting]) -> Formula {
    let mut ends: Vec<Option<Linear>> = match physical {
        Some(pieces) => pieces.iter().map(|(lo, _)| Some(Linear::constant(lo.clone()))).collect(),
        None => vec![None],
    };
    for (_, shape) in acts {
        for interval in shape.numbers.get(attr).map(Vec::as_slice).unwrap_or_default() {
            ends.extend(interval.lo.clone().map(Some));
        }
    }
    ends.sort();
    ends.dedup();
    Formula::all(ends.iter().map(|end| {
        let beyond = match (end, physical) {
            (Some(end), Some(pieces)) => outside(end, pieces),
            _ => Formula::FALSE,
        };
        Formula::any([beyond, excluded(attr, end.as_ref(), acts)])
    }))
}

impl Mode {
    fn dead(&self, shapes: &[&Shape]) -> Formula {
        let excluded = |s: &&Shape| {
            s.connected.is_some_and(|c| c != self.connected) || s.on.is_some_and(|on| on != self.on)
        };
        if shapes.iter().any(excluded) {
            return Formula::TRUE;
        }
        Formula::any(self.numbers.iter().map(|(attr, range)| no_value(attr, Some(range), shapes)))
    }
}

fn holds_zero(pieces: &[(Rat, Rat)]) -> bool {
    pieces.iter().any(|(lo, hi)| !lo.is_positive() && !hi.is_negative())
}

/// The positive part of a signed number that lies in `[lo, hi]`: `[max(lo, 0), max(hi, 0)]`.
fn part(lo: Option<&Linear>, hi: Option<&Linear>, within: &Formula) -> Vec<Interval> {
    let zero = Linear::default();
    let ends = |end: Option<&Linear>| -> Vec<(Option<Linear>, Formula)> {
        match end {
            None => vec![(None, Formula::TRUE)],
            Some(linear) => {
                let negative = Formula::less(linear, &zero);
                vec![(Some(zero.clone()), negative.clone()), (Some(linear.clone()), negative.negate())]
            }
        }
    };
    let mut intervals = Vec::new();
    for (lo, when_lo) in ends(lo) {
        for (hi, when_hi) in ends(hi) {
            let when = Formula::all([within.clone(), when_lo.clone(), when_hi]);
            if when != Formula::FALSE {
                intervals.push(Interval { lo: lo.clone(), hi, when });
            }
        }
    }
    intervals
}

/// No value of one number lies in its range and in an interval of each effect.
fn no_value(attr: &Attr, physical: Option<&[(Rat, Rat)]>, shapes: &[&Shape]) -> Formula {
    let physical: Vec<Interval> = match physical {
        Some(pieces) => pieces.iter().map(|(lo, hi)| Interval::constant(lo, hi)).collect(),
        None => vec![Interval { lo: None, hi: None, when: Formula::TRUE }],
    };
    let unions: Vec<&[Interval]> =
        shapes.iter().filter_map(|s| s.numbers.get(attr)).map(Vec::as_slice).collect();
    let mut chosen: Vec<&Interval> = Vec::new();
    let mut ways = Vec::new();
    choose(&physical, &unions, &mut chosen, &mut ways);
    Formula::all(ways)
}

/// One conjunct for each choice of an interval from every union: the choice does not count, or
/// some lower end lies above some upper end.
fn choose<'a>(
    first: &'a [Interval],
    rest: &[&'a [Interval]],
    chosen: &mut Vec<&'a Interval>,
    ways: &mut Vec<Formula>,
) {
    for interval in first {
        chosen.push(interval);
        match rest.split_first() {
            Some((next, others)) => choose(next, others, chosen, ways),
            None => ways.push(misses(chosen)),
        }
        chosen.pop();
    }
}

fn misses(chosen: &[&Interval]) -> Formula {
    let mut ways: Vec<Formula> = chosen.iter().map(|i| i.when.clone().negate()).collect();
    for (a, low) in chosen.iter().enumerate() {
        for (b, high) in chosen.iter().enumerate() {
            // the physical range, at 0, is no empty interval
            if let (Some(lo), Some(hi)) = (&low.lo, &high.hi)
                && (a != b || a > 0)
            {
                ways.push(Formula::less(hi, lo));
            }
        }
    }
    Formula::any(ways)
}
