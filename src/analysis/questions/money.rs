//! What a kWh over the meter means to a budget: itself, the carbon of the grid, or money.
//!
//! Prices and carbon from feeds count with the end of their declared range that is better, or worse,
//! for the budget. Of several grids the cheapest, or the dearest, counts.

use std::collections::BTreeMap;

use crate::analysis::ask::Ground;
use crate::calendar::Instant;
use crate::ir::{BudgetQuantity, Domain, Model, Period, Price, SignalId, Site, Tariff};
use crate::quantity::Rat;

/// How a budget weighs power.
pub(super) struct Money<'g> {
    ground: &'g Ground<'g>,
    quantity: BudgetQuantity,
    tariffs: Vec<&'g Tariff>,
    /// A grid without tariff: energy from it costs nothing.
    free: bool,
    /// kg/kWh, of the cleanest and of the dirtiest grid.
    carbon: (Rat, Rat),
    /// kW, of all grids.
    import: Rat,
    export: Rat,
    /// Instants at which a price changes, sorted.
    changes: Vec<i64>,
}

/// The greatest import of each month by demand charge.
#[derive(Default)]
pub(super) struct Peaks<'g> {
    money: Option<&'g Money<'g>>,
    by_month: BTreeMap<(Instant, usize), (Rat, Rat)>,
}

/// The declared range of a signal.
fn ends(site: &Site, signal: SignalId) -> (Rat, Rat) {
    match site.signal(signal).map(|s| &s.domain) {
        Some(Domain::Interval { lo, hi }) => (lo.clone(), hi.clone()),
        _ => (Rat::ZERO, Rat::ZERO),
    }
}

fn zero() -> (Rat, Rat) {
    (Rat::ZERO, Rat::ZERO)
}

impl<'g> Money<'g> {
    /// Of a budget of this quantity.
    pub(super) fn of(ground: &'g Ground<'g>, quantity: BudgetQuantity) -> Self {
        let site = ground.site;
        let mut all = Self {
            ground,
            quantity,
            tariffs: Vec::new(),
            free: false,
            carbon: zero(),
            import: Rat::ZERO,
            export: Rat::ZERO,
            changes: Vec::new(),
        };
        let mut carbons: Vec<(Rat, Rat)> = Vec::new();
        for family in &site.families {
            let Model::Grid { import, export, tariff, carbon, carbon_feed } = &family.model else { continue };
            all.import += import;
            all.export += export;
            carbons.push(match (carbon_feed, carbon) {
                (Some(feed), _) => ends(site, *feed),
                (None, Some(carbon)) => (carbon.clone(), carbon.clone()),
                (None, None) => zero(),
            });
            match tariff.and_then(|id| site.tariffs.get(id.index())) {
                Some(tariff) => all.tariffs.push(tariff),
                None => all.free = true,
            }
        }
        let least = carbons.iter().map(|c| c.0.clone()).min().unwrap_or_default();
        let most = carbons.iter().map(|c| c.1.clone()).max().unwrap_or_default();
        all.carbon = (least, most);
        if quantity == BudgetQuantity::Cost {
            all.changes = all.boundaries();
        }
        all
    }

    fn boundaries(&self) -> Vec<i64> {
        let calendar = self.ground.atoms.calendar();
        let (from, to) = calendar.valid();
        let mut changes = Vec::new();
        for tariff in &self.tariffs {
            let periods = [Some(&tariff.import), tariff.export.as_ref()].into_iter().flatten();
            let prices = periods.filter_map(|price| match price {
                Price::Periods { periods, .. } => Some(periods),
                Price::Feed(..) => None,
            });
            let scheds = prices.flatten().map(|period| &period.during);
            for sched in scheds.chain(tariff.demand.iter().map(|charge| &charge.during)) {
                changes.extend(calendar.boundaries(sched, from, to).into_iter().map(|at| at.0));
            }
        }
        changes.sort_unstable();
        changes.dedup();
        changes
    }

    /// The end of the stretch from `at` in which no price changes, `until` at most.
    pub(super) fn cut(&self, at: i64, until: i64) -> i64 {
        let next = self.changes.partition_point(|change| *change <= at);
        self.changes.get(next).map_or(until, |change| until.min(*change))
    }

    fn price(&self, price: &Price, at: i64) -> (Rat, Rat) {
        match price {
            Price::Feed(signal, _) => ends(self.ground.site, *signal),
            Price::Periods { periods, otherwise, .. } => {
                let calendar = self.ground.atoms.calendar();
                let holds = periods.iter().find(|period| calendar.contains(&period.during, Instant(at)));
                let price = holds.map(|period| period.price.clone()).or_else(|| otherwise.clone());
                let price = price.unwrap_or_default();
                (price.clone(), price)
            }
        }
    }

    /// The cheapest, or dearest, import of any grid.
    fn import_price(&self, at: i64, best: bool) -> Rat {
        let prices = self.tariffs.iter().map(|tariff| self.price(&tariff.import, at));
        let free = self.free.then(zero);
        let prices = prices.chain(free);
        let price = if best { prices.map(|p| p.0).min() } else { prices.map(|p| p.1).max() };
        price.unwrap_or_default()
    }

    /// The best that export can earn.
    fn export_price(&self, at: i64) -> Rat {
        let prices = self.tariffs.iter().filter_map(|tariff| tariff.export.as_ref());
        prices.map(|price| self.price(price, at).1).max().unwrap_or_default()
    }

    /// What an hour with this power costs the budget at least (`best`), or in the worst prices, kWh,
    /// kg or money. `spare` is what own sources could still give, kW.
    pub(super) fn rate(&self, at: i64, power: &Rat, spare: &Rat, best: bool) -> Rat {
        match self.quantity {
            BudgetQuantity::Consumption | BudgetQuantity::Import | BudgetQuantity::Export => power.clone(),
            BudgetQuantity::Emissions => power * if best { &self.carbon.0 } else { &self.carbon.1 },
            BudgetQuantity::Cost => {
                let price = self.import_price(at, best);
                if price.is_negative() {
                    return &price * &self.import;
                }
                let earns = Rat::max_of(&self.export_price(at), &Rat::ZERO);
                let sold = Rat::min_of(spare, &self.export);
                if power.is_positive() { power * &price } else { -&(&sold * &earns) }
            }
        }
    }

    /// What energy that is owed at no fixed instant costs the budget, in kWh, kg or money.
    pub(super) fn energy(&self, energy: &Rat, best: bool) -> Rat {
        match self.quantity {
            BudgetQuantity::Consumption | BudgetQuantity::Import | BudgetQuantity::Export => energy.clone(),
            BudgetQuantity::Emissions => energy * if best { &self.carbon.0 } else { &self.carbon.1 },
            BudgetQuantity::Cost => {
                let (from, _) = self.ground.atoms.valid();
                let at = std::iter::once(from).chain(self.changes.iter().copied());
                let cheapest = at.map(|at| self.import_price(at, best)).min().unwrap_or_default();
                energy * &Rat::max_of(&cheapest, &Rat::ZERO)
            }
        }
    }

    /// No peak yet.
    pub(super) fn peaks(&'g self) -> Peaks<'g> {
        Peaks { money: Some(self), by_month: BTreeMap::new() }
    }

    /// Demand and fixed charges with the instant of their period. Those for longer than the
    /// budget's period belong to none of its periods alone.
    pub(super) fn charges(&self, peaks: Peaks, per: Period) -> Vec<(Instant, Rat, Rat)> {
        if self.quantity != BudgetQuantity::Cost {
            return Vec::new();
        }
        let demands: Vec<&Rat> = self.demands().map(|charge| &charge.price).collect();
        let mut all = Vec::new();
        if per >= Period::Month {
            for ((month, charge), (least, most)) in peaks.by_month {
                if let Some(price) = demands.get(charge) {
                    all.push((month, *price * &least, *price * &most));
                }
            }
        }
        let calendar = self.ground.atoms.calendar();
        let (from, to) = calendar.valid();
        for fixed in self.tariffs.iter().flat_map(|tariff| &tariff.fixed).filter(|fixed| fixed.per <= per) {
            let mut at = from;
            while at < to {
                all.push((at, fixed.amount.clone(), fixed.amount.clone()));
                at = calendar.period(fixed.per, at).1;
            }
        }
        all
    }

    fn demands(&self) -> impl Iterator<Item = &'g crate::ir::DemandCharge> {
        self.tariffs.iter().flat_map(|tariff| &tariff.demand)
    }
}

impl Peaks<'_> {
    /// Notes the import of a stretch that begins at an instant.
    pub(super) fn note(&mut self, at: i64, least: &Rat, most: &Rat) {
        let Some(money) = self.money.filter(|money| money.quantity == BudgetQuantity::Cost) else { return };
        let calendar = money.ground.atoms.calendar();
        for (charge, demand) in money.demands().enumerate() {
            if calendar.contains(&demand.during, Instant(at)) {
                // the month as its first instant inside `valid`
                let month = calendar.period(Period::Month, Instant(at)).0.max(calendar.valid().0);
                let peak = self.by_month.entry((month, charge)).or_default();
                peak.0 = Rat::max_of(&peak.0, least);
                peak.1 = Rat::max_of(&peak.1, most);
            }
        }
    }
}
