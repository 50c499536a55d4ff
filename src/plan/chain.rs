//! A point to begin from, where one store on one bus is all that joins the steps.
//!
//! The least cost of arriving at a level is convex and piecewise linear. The changes of level that a
//! step allows are merged into it by slope, and what leaves the level's bounds is cut off at its two
//! ends. On the way back merges and cuts are undone, and the slope at the level reached says what
//! each step does. The point only spares the solver its way: nothing that it proves rests on it.

use std::collections::BTreeMap;

use super::model::Builder;
use super::solver::{Col, Program};
use crate::ir::{Attr, Model};

/// Widths below this are none, kWh.
const NONE: f64 = 1e-12;

/// A slope in the order of numbers.
type Slope = u64;

/// A stretch of a convex function, or of a step's ways to change the level.
#[derive(Debug, Clone, Copy)]
struct Piece {
    slope: Slope,
    /// kWh.
    width: f64,
    /// Column that supplies it, what one kW of the bus is of it, and kWh of level for each kW.
    supply: Col,
    share: f64,
    level_per_kw: f64,
    charging: bool,
}

/// What one step can do.
#[derive(Debug, Default)]
struct Ways {
    /// What the level gains without the step's doing, kWh: all that is in the store, in the first.
    shift: f64,
    /// The change of level with nothing of `pieces` used, kWh.
    least: f64,
    /// Cheapest first.
    pieces: Vec<Piece>,
    /// Columns and their values with nothing of `pieces` used.
    base: Vec<(Col, f64)>,
}

/// The columns of a store in one step.
#[derive(Debug, Clone, Copy)]
struct Link {
    charge: Col,
    discharge: Col,
    level: Col,
}

/// A point for the first continuous solve of `objective`; `None` where the program is not such a
/// chain.
pub(super) fn start(b: &Builder<'_, '_>, objective: &[(Col, f64)]) -> Option<Vec<f64>> {
    if b.program.has_integers() { None } else { along(&b.program, &links(b)?, objective) }
}

fn along(program: &Program, links: &[Link], objective: &[(Col, f64)]) -> Option<Vec<f64>> {
    let mut costs = vec![0.0; program.cols()];
    for (col, cost) in objective {
        *costs.get_mut(col.index())? += cost;
    }
    let rows = Rows::of(program);
    let mut way = Way { left: 0.0, widths: BTreeMap::new() };
    let mut past: Vec<(f64, Ways, Cut)> = Vec::with_capacity(links.len());
    let mut before: Option<Col> = None;
    for link in links {
        let ways = ways(program, &rows, &costs, *link, before)?;
        let left = way.left;
        way.left += ways.least;
        for piece in &ways.pieces {
            *way.widths.entry(piece.slope).or_default() += piece.width;
        }
        let (lo, hi) = program.bounds(link.level);
        let cut = way.cut(lo, hi)?;
        past.push((left, ways, cut));
        before = Some(link.level);
    }
    let last = before?;
    let worth = costs.get(last.index()).copied().unwrap_or(0.0);
    let mut level = way.left + way.below(slope(-worth));
    // a row of its own asks for something at the end: nearly always what there was at the start
    if rows.with(last).len() > 1 {
        let begin = past.first().map_or(0.0, |(_, ways, _)| ways.shift);
        level = level.max(begin.min(way.left + way.widths.values().sum::<f64>()));
    }
    let mut x: Vec<f64> = (0..program.cols()).map(|i| resting(program, i)).collect();
    for (link, (left, ways, cut)) in links.iter().zip(past).rev() {
        way.restore(cut);
        let (at, partly) = way.at(level - way.left);
        for piece in &ways.pieces {
            way.take(piece.slope, piece.width);
        }
        let uncut_left = way.left;
        way.left = left;
        // what the steps before can do at this slope they do: earlier is as good
        let earlier = way.below(at) + partly.min(way.widths.get(&at).copied().unwrap_or(0.0));
        let begin = left + earlier;
        let used = (level - uncut_left - earlier).max(0.0);
        set(&mut x, link.level, level);
        ways.fill(*link, used, &mut x);
        level = begin;
    }
    Some(x)
}

/// The only store's columns by step.
fn links(b: &Builder<'_, '_>) -> Option<Vec<Link>> {
    let store = |unit: &usize| {
        let device = b.units.get(*unit).and_then(|u| u.members.first())?;
        b.scene.site.family(device.family).filter(|f| matches!(f.model, Model::Store(_)))
    };
    let mut stores = (0..b.units.len()).filter(|unit| store(unit).is_some());
    let (unit, None) = (stores.next()?, stores.next()) else { return None };
    let of = |attr| b.attrs.get(&(unit, attr));
    let (charge, discharge, level) = (of(Attr::Charge)?, of(Attr::Discharge)?, of(Attr::ChargeLevel)?);
    (charge.iter().zip(discharge).zip(level))
        .map(|((charge, discharge), level)| {
            let [(level, _)] = level.terms.as_slice() else { return None };
            Some(Link { charge: charge.column()?, discharge: discharge.column()?, level: *level })
        })
        .collect()
}

/// Rows by column.
struct Rows {
    starts: Vec<usize>,
    rows: Vec<usize>,
}

impl Rows {
    fn of(program: &Program) -> Self {
        let mut starts = vec![0_usize; program.cols() + 1];
        let columns = || (0..program.rows()).flat_map(|r| program.row(r).0.iter().map(move |(c, _)| (r, c)));
        for (_, col) in columns() {
            if let Some(count) = starts.get_mut(col.index() + 1) {
                *count += 1;
            }
        }
        let mut sum = 0;
        for begin in &mut starts {
            sum += *begin;
            *begin = sum;
        }
        let mut next = starts.clone();
        let mut rows = vec![0; sum];
        for (r, col) in columns() {
            let Some(slot) = next.get_mut(col.index()) else { continue };
            if let Some(row) = rows.get_mut(*slot) {
                *row = r;
            }
            *slot += 1;
        }
        Self { starts, rows }
    }

    fn with(&self, col: Col) -> &[usize] {
        let (from, to) = (self.starts.get(col.index()), self.starts.get(col.index() + 1));
        from.zip(to).and_then(|(from, to)| self.rows.get(*from..*to)).unwrap_or_default()
    }
}

/// What a step can do to the level, and at what cost.
fn ways(program: &Program, rows: &Rows, costs: &[f64], link: Link, before: Option<Col>) -> Option<Ways> {
    let cost = |col: Col| costs.get(col.index()).copied().unwrap_or(0.0);
    let [a, b] = rows.with(link.charge) else { return None };
    let holds = |row: usize, col: Col| program.row(row).0.iter().find(|(c, _)| *c == col).map(|(_, v)| *v);
    let (content, balance) = if holds(*a, link.level).is_some() { (*a, *b) } else { (*b, *a) };
    // level - level before - in x charge + out x discharge = shift
    let (terms, shift) = program.row(content);
    if terms.len() != 3 + usize::from(before.is_some())
        || holds(content, link.level)? != 1.0
        || before.is_some_and(|col| holds(content, col) != Some(-1.0))
    {
        return None;
    }
    let (gain, drain) = (-holds(content, link.charge)?, holds(content, link.discharge)?);
    if gain <= 0.0 || drain <= 0.0 {
        return None;
    }
    // what the other columns give the bus, cheapest first: sum of supplies - charge + discharge = rhs
    let (terms, rhs) = program.row(balance);
    let mut supplies = Vec::with_capacity(terms.len());
    let (mut base, mut least) = (Vec::new(), 0.0);
    for (col, share) in terms {
        if *col == link.charge || *col == link.discharge {
            let sign = if *col == link.charge { -1.0 } else { 1.0 };
            if *share != sign {
                return None;
            }
            continue;
        }
        if rows.with(*col).len() != 1 {
            return None;
        }
        let (lo, hi) = program.bounds(*col);
        let resting = if *share > 0.0 { lo } else { hi };
        least += share * resting;
        base.push((*col, resting));
        supplies.push((slope(cost(*col) / share), *col, *share, (hi - lo) * share.abs()));
    }
    supplies.sort_by_key(|supply| supply.0);
    let bounds = [link.charge, link.discharge].map(|col| program.bounds(col));
    let [(0.0, most_in), (0.0, most_out)] = bounds else { return None };
    // the store first gives all it may, as far as the bus can take it
    let mut net = (-most_out).max(least - rhs);
    if !net.is_finite() || net > most_in + NONE {
        return None;
    }
    let mut ways = Ways { shift, least: shift + change(net, gain, drain), pieces: Vec::new(), base };
    ways.base.push((link.discharge, (-net).max(0.0)));
    ways.base.push((link.charge, net.max(0.0)));
    let mut ahead = rhs + net - least;
    for (marginal, col, share, width) in supplies {
        let mut width = width;
        // needed even so
        let needed = width.min(ahead);
        ahead -= needed;
        width -= needed;
        if let Some((_, value)) = ways.base.iter_mut().find(|(c, _)| *c == col) {
            *value += needed / share;
        }
        let price = number(marginal);
        for (charging, until) in [(false, 0.0), (true, most_in)] {
            let part = width.min(until - net);
            if part <= NONE {
                continue;
            }
            let (level_per_kw, wear) =
                if charging { (gain, cost(link.charge)) } else { (drain, -cost(link.discharge)) };
            ways.pieces.push(Piece {
                slope: slope((price + wear) / level_per_kw),
                width: part * level_per_kw,
                supply: col,
                share,
                level_per_kw,
                charging,
            });
            net += part;
            width -= part;
        }
    }
    if ahead > 1e-9 {
        return None;
    }
    // in order already, but where prices are negative
    ways.pieces.sort_by_key(|piece| piece.slope);
    Some(ways)
}

fn change(net: f64, gain: f64, drain: f64) -> f64 {
    if net > 0.0 { net * gain } else { net * drain }
}

impl Ways {
    /// Uses the cheapest `used` kWh.
    fn fill(&self, link: Link, used: f64, x: &mut [f64]) {
        for (col, value) in &self.base {
            set(x, *col, *value);
        }
        let mut rest = used;
        for piece in &self.pieces {
            let part = piece.width.min(rest);
            if part <= 0.0 {
                break;
            }
            rest -= part;
            let power = part / piece.level_per_kw;
            add(x, piece.supply, power / piece.share);
            if piece.charging {
                add(x, link.charge, power);
            } else {
                add(x, link.discharge, -power);
            }
        }
    }
}

/// The least cost of arriving at each level: its left end and its slopes with their widths.
struct Way {
    left: f64,
    widths: BTreeMap<Slope, f64>,
}

/// What was cut off: from the left, from the right.
type Cut = (Vec<(Slope, f64)>, Vec<(Slope, f64)>);

impl Way {
    /// Keeps the levels between `lo` and `hi`; `None` where nothing is left.
    fn cut(&mut self, lo: f64, hi: f64) -> Option<Cut> {
        let mut low = Vec::new();
        let mut excess = lo - self.left;
        while excess > NONE {
            let (slope, width) = self.widths.pop_first()?;
            let part = width.min(excess);
            low.push((slope, part));
            self.left += part;
            excess -= part;
            if width - part > NONE {
                self.widths.insert(slope, width - part);
            }
        }
        let mut high = Vec::new();
        let mut excess = self.left + self.widths.values().sum::<f64>() - hi;
        while excess > NONE {
            let (slope, width) = self.widths.pop_last()?;
            let part = width.min(excess);
            high.push((slope, part));
            excess -= part;
            if width - part > NONE {
                self.widths.insert(slope, width - part);
            }
        }
        Some((low, high))
    }

    fn restore(&mut self, (low, high): Cut) {
        for (slope, part) in low {
            self.left -= part;
            *self.widths.entry(slope).or_default() += part;
        }
        for (slope, part) in high {
            *self.widths.entry(slope).or_default() += part;
        }
    }

    fn take(&mut self, slope: Slope, width: f64) {
        if let Some(held) = self.widths.get_mut(&slope) {
            *held -= width;
            if *held <= NONE {
                self.widths.remove(&slope);
            }
        }
    }

    /// Width of everything below a slope.
    fn below(&self, slope: Slope) -> f64 {
        self.widths.range(..slope).map(|(_, width)| width).sum()
    }

    /// The slope at a distance from the left end, and how much of it is used there.
    fn at(&self, distance: f64) -> (Slope, f64) {
        let mut rest = distance.max(0.0);
        for (slope, width) in &self.widths {
            if rest <= *width {
                return (*slope, rest);
            }
            rest -= width;
        }
        (Slope::MAX, 0.0)
    }
}

/// Numbers in their order as whole numbers.
fn slope(value: f64) -> Slope {
    // both zeros are one slope
    let bits = (value + 0.0).to_bits();
    if bits >> 63 == 1 { !bits } else { bits | (1 << 63) }
}

fn number(slope: Slope) -> f64 {
    f64::from_bits(if slope >> 63 == 1 { slope ^ (1 << 63) } else { !slope })
}

/// Zero, or the bound nearest to it.
fn resting(program: &Program, place: usize) -> f64 {
    let (lo, hi) = program.bounds(Col(u32::try_from(place).unwrap_or(u32::MAX)));
    0.0_f64.max(lo).min(hi)
}

fn set(x: &mut [f64], col: Col, value: f64) {
    if let Some(slot) = x.get_mut(col.index()) {
        *slot = value;
    }
}

fn add(x: &mut [f64], col: Col, value: f64) {
    if let Some(slot) = x.get_mut(col.index()) {
        *slot += value;
    }
}

#[cfg(test)]
mod tests {
    use super::super::levels::{Level, climb};
    use super::super::solver::SolverOptions;
    use super::*;
    use proptest::prelude::*;

    /// Steps of (load, sun, import price, export price); export never pays more than import costs.
    fn steps() -> impl Strategy<Value = Vec<(f64, f64, f64, f64)>> {
        let step = (0..40_u32, 0..40_u32, 0..50_u32, 0..50_u32);
        prop::collection::vec(step, 1..40).prop_map(|steps| {
            let tenth = |n: u32| f64::from(n) / 10.0;
            (steps.into_iter())
                .map(|(l, s, a, b)| (tenth(l), tenth(s), tenth(a.max(b)) / 10.0, tenth(a.min(b)) / 10.0))
                .collect()
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(60))]
        #[test]
        fn the_start_is_an_optimum(steps in steps(), begin in 0..11_u32, wear in 0..3_u32, curtail in any::<bool>(), end in 0..3) {
            let begin = f64::from(begin);
            let mut p = Program::default();
            let (mut money, mut links, mut before) = (Vec::new(), Vec::new(), None);
            for (t, (load, sun, import_price, export_price)) in steps.iter().enumerate() {
                let (import, export) = (p.col(0.0, 15.0), p.col(0.0, 15.0));
                let pv = p.col(if curtail { 0.0 } else { *sun }, *sun);
                let (charge, discharge) = (p.col(0.0, 5.0), p.col(0.0, 4.0));
                let bounds = match end {
                    0 if t + 1 == steps.len() => (begin, begin),
                    1 if t + 1 == steps.len() => (begin.min(5.0), 10.0),
                    _ => (0.0, 10.0),
                };
                let level = p.col(bounds.0, bounds.1);
                p.equal(
                    [(import, 1.0), (export, -1.0), (pv, 1.0), (discharge, 1.0), (charge, -1.0)],
                    *load,
                );
                let step = [(level, 1.0), (charge, -0.25 * 0.9), (discharge, 0.25 / 0.9)];
                match before {
                    Some(b) => p.equal(step.into_iter().chain([(b, -1.0)]), 0.0),
                    None => p.equal(step, begin),
                }
                before = Some(level);
                money.extend([(import, import_price * 0.25), (export, -export_price * 0.25)]);
                money.push((discharge, f64::from(wear) / 100.0 * 0.25));
                links.push(Link { charge, discharge, level });
            }
            if end == 2 {
                money.extend(before.map(|level| (level, -0.2)));
            }
            let x = along(&p, &links, &money).unwrap();
            prop_assert!(p.violation(&x) < 1e-9, "{}", p.violation(&x));
            let level = Level::exact(money);
            let best = climb(&p, std::slice::from_ref(&level), &[], None, &SolverOptions::default()).unwrap();
            prop_assert!((level.value(&x) - best.levels[0].value).abs() < 1e-7);
        }

        #[test]
        fn slopes_keep_the_order_of_numbers(a in -1e3..1e3_f64, b in -1e3..1e3_f64) {
            prop_assert_eq!(a < b, slope(a) < slope(b));
            prop_assert_eq!(number(slope(a)), a);
        }
    }

    #[test]
    fn both_zeros_are_one_slope() {
        assert_eq!(slope(0.0), slope(-0.0));
    }
}
