//! A mixed-integer linear program in sparse rows.

/// A column's place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(in crate::plan) struct Col(pub(in crate::plan) u32);

impl Col {
    /// Position in the list of columns.
    pub(in crate::plan) const fn index(self) -> usize {
        self.0 as usize
    }
}

/// A power that is nothing, or that of some of `count` equal machines of which each takes `lo..hi`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(in crate::plan) struct Semi {
    /// The power.
    pub(in crate::plan) power: Col,
    /// Least of one machine.
    pub(in crate::plan) lo: f64,
    /// Greatest of one machine.
    pub(in crate::plan) hi: f64,
    /// How many run.
    pub(in crate::plan) on: Col,
    /// Columns of `power - hi on` and `power - lo on`.
    pub(in crate::plan) slacks: [Col; 2],
    /// The first of the two rows that say so.
    row: usize,
}

/// A program whose rows are all equalities; see the room's page for why.
#[derive(Debug, Clone, Default)]
pub(in crate::plan) struct Program {
    pub(super) lower: Vec<f64>,
    pub(super) upper: Vec<f64>,
    pub(super) integer: Vec<bool>,
    pub(super) rhs: Vec<f64>,
    /// Row `r` holds the terms `starts[r]..starts[r + 1]`.
    pub(super) starts: Vec<usize>,
    pub(super) terms: Vec<(Col, f64)>,
    pub(super) integers: usize,
    /// Powers with a gap above zero.
    semis: Vec<Semi>,
    contradictory: bool,
}

impl Program {
    /// Number of columns.
    pub(in crate::plan) fn cols(&self) -> usize {
        self.lower.len()
    }

    /// Number of rows.
    pub(in crate::plan) fn rows(&self) -> usize {
        self.rhs.len()
    }

    /// Whether any column must be whole.
    pub(in crate::plan) fn has_integers(&self) -> bool {
        self.integers > 0
    }

    /// How many columns must be whole.
    pub(in crate::plan) fn integers(&self) -> usize {
        self.integers
    }

    /// Whether this column must be whole.
    pub(in crate::plan) fn is_integer(&self, col: Col) -> bool {
        self.integer.get(col.index()).copied().unwrap_or(false)
    }

    /// A new column within bounds.
    pub(in crate::plan) fn col(&mut self, lower: f64, upper: f64) -> Col {
        let col = Col(u32::try_from(self.lower.len()).unwrap_or(u32::MAX));
        self.lower.push(lower);
        self.upper.push(upper);
        self.integer.push(false);
        col
    }

    /// A new whole column within bounds.
    pub(in crate::plan) fn integer(&mut self, lower: f64, upper: f64) -> Col {
        let col = self.col(lower, upper);
        if let Some(flag) = self.integer.get_mut(col.index()) {
            *flag = true;
        }
        self.integers += 1;
        col
    }

    /// `sum of terms = rhs`. Terms on the same column add up.
    pub(in crate::plan) fn equal(&mut self, terms: impl IntoIterator<Item = (Col, f64)>, rhs: f64) {
        if self.starts.is_empty() {
            self.starts.push(0);
        }
        let begin = self.terms.len();
        self.terms.extend(terms.into_iter().filter(|(_, v)| *v != 0.0));
        self.merge_from(begin);
        self.starts.push(self.terms.len());
        self.rhs.push(rhs);
    }

    /// `lower <= sum of terms <= upper`; returns the slack column that carries the sum's value.
    pub(in crate::plan) fn between(
        &mut self,
        terms: impl IntoIterator<Item = (Col, f64)>,
        lower: f64,
        upper: f64,
    ) -> Col {
        let slack = self.col(lower, upper);
        self.equal(terms.into_iter().chain([(slack, -1.0)]), 0.0);
        slack
    }

    /// `sum of terms <= upper`; returns the slack column that carries the sum's value.
    pub(in crate::plan) fn at_most(
        &mut self,
        terms: impl IntoIterator<Item = (Col, f64)>,
        upper: f64,
    ) -> Col {
        self.between(terms, f64::NEG_INFINITY, upper)
    }

    /// `sum of terms >= lower`; returns the slack column that carries the sum's value.
    pub(in crate::plan) fn at_least(
        &mut self,
        terms: impl IntoIterator<Item = (Col, f64)>,
        lower: f64,
    ) -> Col {
        self.between(terms, lower, f64::INFINITY)
    }

    /// A power that is nothing, or that of `on` machines of which each takes `lo..hi`.
    pub(in crate::plan) fn semi(&mut self, power: Col, on: Col, lo: f64, hi: f64) {
        let row = self.rows();
        let above = self.at_most([(power, 1.0), (on, -hi)], 0.0);
        let below = self.at_least([(power, 1.0), (on, -lo)], 0.0);
        self.semis.push(Semi { power, lo, hi, on, slacks: [above, below], row });
    }

    /// Takes out the counts of machines that nothing but their own powers' rows reads, neither another
    /// row nor `used`: what is left allows each such power everything up to its greatest value. Returns
    /// what was taken out.
    pub(in crate::plan) fn without_counts(&mut self, used: impl IntoIterator<Item = Col>) -> Vec<Semi> {
        let mut times = vec![0_u32; self.cols()];
        for col in self.terms.iter().map(|(col, _)| *col).chain(used) {
            if let Some(count) = times.get_mut(col.index()) {
                *count += 1;
            }
        }
        let read = |col: Col, most: u32| times.get(col.index()).is_some_and(|count| *count <= most);
        let alone = |semi: &Semi| {
            let [above, below] = semi.slacks;
            let whole = self.is_integer(semi.on) && self.bounds(semi.on).0 <= 0.0;
            whole && read(semi.on, 2) && read(above, 1) && read(below, 1)
        };
        let taken: Vec<Semi> = self.semis.iter().filter(|semi| alone(semi)).copied().collect();
        let mut rows = taken.iter().flat_map(|semi| [semi.row, semi.row + 1]).peekable();
        let mut kept = Self { starts: vec![0], ..Self::default() };
        for r in 0..self.rows() {
            if rows.next_if_eq(&r).is_some() {
                continue;
            }
            let (terms, rhs) = self.row(r);
            kept.terms.extend_from_slice(terms);
            kept.starts.push(kept.terms.len());
            kept.rhs.push(rhs);
        }
        (self.terms, self.starts, self.rhs) = (kept.terms, kept.starts, kept.rhs);
        self.semis.clear();
        for semi in &taken {
            // as many machines run as the greatest power needs
            let (_, most) = self.bounds(semi.on);
            let (lower, upper) = self.bounds(semi.power);
            self.set_bounds(semi.power, lower, upper.min(most * semi.hi));
            for col in semi.slacks.into_iter().chain([semi.on]) {
                self.set_bounds(col, 0.0, 0.0);
            }
            if let Some(flag) = self.integer.get_mut(semi.on.index()) {
                *flag = false;
            }
            self.integers -= 1;
        }
        taken
    }

    /// Bounds of a column.
    pub(in crate::plan) fn bounds(&self, col: Col) -> (f64, f64) {
        let i = col.index();
        (self.lower.get(i).copied().unwrap_or(0.0), self.upper.get(i).copied().unwrap_or(0.0))
    }

    /// Changes a column's bounds.
    pub(in crate::plan) fn set_bounds(&mut self, col: Col, lower: f64, upper: f64) {
        let i = col.index();
        if let (Some(l), Some(u)) = (self.lower.get_mut(i), self.upper.get_mut(i)) {
            *l = lower;
            *u = upper;
        }
    }

    /// Narrows a column to what it has in common with an interval; a whole one to the whole numbers in
    /// it, so that rounding stays within its bounds.
    pub(in crate::plan) fn narrow(&mut self, col: Col, lower: f64, upper: f64) {
        let (l, u) = self.bounds(col);
        let (mut l, mut u) = (l.max(lower), u.min(upper));
        if self.is_integer(col) {
            (l, u) = ((l - 1e-9).ceil(), (u + 1e-9).floor());
        }
        if l > u + 1e-9 {
            self.contradictory = true;
        }
        self.set_bounds(col, l.min(u), u);
    }

    /// States that nothing can satisfy the program.
    pub(in crate::plan) fn contradict(&mut self) {
        self.contradictory = true;
    }

    /// Whether bounds alone already rule out every point.
    pub(in crate::plan) fn is_contradictory(&self) -> bool {
        self.contradictory
    }

    /// Makes every whole column continuous and fixes it at its value in `x`.
    pub(in crate::plan) fn fix_integers(&mut self, x: &[f64]) {
        for i in 0..self.integer.len() {
            if self.integer.get(i).copied().unwrap_or(false) {
                let value = x.get(i).copied().unwrap_or(0.0).round();
                self.set_bounds(Col(u32::try_from(i).unwrap_or(u32::MAX)), value, value);
            }
        }
        self.relax_integers();
    }

    /// Makes every whole column continuous within its bounds.
    pub(in crate::plan) fn relax_integers(&mut self) {
        self.integer.fill(false);
        self.integers = 0;
    }

    /// Terms and right side of row `r`.
    pub(in crate::plan) fn row(&self, r: usize) -> (&[(Col, f64)], f64) {
        let from = self.starts.get(r).copied().unwrap_or(0);
        let to = self.starts.get(r + 1).copied().unwrap_or(from);
        (self.terms.get(from..to).unwrap_or(&[]), self.rhs.get(r).copied().unwrap_or(0.0))
    }

    #[cfg(test)]
    /// The greatest miss of any bound or row at `x`.
    pub(in crate::plan) fn violation(&self, x: &[f64]) -> f64 {
        let at = |c: Col| x.get(c.index()).copied().unwrap_or(0.0);
        let bounds = (self.lower.iter().zip(&self.upper).zip(x))
            .map(|((l, u), v)| (l - v).max(v - u))
            .fold(0.0_f64, f64::max);
        (0..self.rows())
            .map(|r| {
                let (terms, rhs) = self.row(r);
                (terms.iter().map(|(c, v)| at(*c) * v).sum::<f64>() - rhs).abs()
            })
            .fold(bounds, f64::max)
    }

    fn merge_from(&mut self, begin: usize) {
        let Some(tail) = self.terms.get_mut(begin..) else { return };
        // rows are short and nearly always free of repeats: look before sorting
        let repeated = match tail.len() {
            0 | 1 => false,
            2..=8 => (1..tail.len()).any(|i| {
                let (head, rest) = tail.split_at(i);
                rest.first().is_some_and(|(c, _)| head.iter().any(|(d, _)| c == d))
            }),
            _ => true,
        };
        if !repeated {
            return;
        }
        tail.sort_by_key(|(c, _)| *c);
        let mut merged: Vec<(Col, f64)> = Vec::with_capacity(tail.len());
        for (c, v) in tail.iter() {
            match merged.last_mut() {
                Some((d, sum)) if d == c => *sum += v,
                _ => merged.push((*c, *v)),
            }
        }
        merged.retain(|(_, v)| *v != 0.0);
        self.terms.truncate(begin);
        self.terms.extend(merged);
    }
}
