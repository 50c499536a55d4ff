//! Tariffs, budgets and the objective (planner.md 11-17).

use serde::{Deserialize, Serialize};

use super::{BudgetId, ClassId, PrincipalId, Sched, SignalId, Target, TariffId};
use crate::diag::Span;
use crate::quantity::Rat;

/// A tariff.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Tariff {
    /// Its index.
    pub id: TariffId,
    /// Name.
    pub name: String,
    /// Import price.
    pub import: Price,
    /// Export price; `None`: export earns nothing.
    pub export: Option<Price>,
    /// Demand charges; they add up and may overlap.
    pub demand: Vec<DemandCharge>,
    /// Demand interval on the clock, s (default 900).
    pub interval_s: i64,
    /// Fixed charges.
    pub fixed: Vec<FixedCharge>,
    /// The least that a month's whole bill comes to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub minimum: Option<MinimumBill>,
    /// Signal of the import price.
    pub import_signal: Option<SignalId>,
    /// Signal of the export price.
    pub export_signal: Option<SignalId>,
    /// Where it is declared.
    pub span: Span,
}

/// Price of energy.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Price {
    /// By period. Periods must partition `valid` after `otherwise` (EVL0501).
    Periods {
        /// Periods in declared order.
        periods: Vec<PricePeriod>,
        /// Where none holds, currency/kWh.
        otherwise: Option<Rat>,
        /// Where it stands.
        span: Span,
    },
    /// A real-time feed.
    Feed(SignalId, Span),
}

/// One period of a price.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PricePeriod {
    /// When.
    pub during: Sched,
    /// Currency/kWh.
    pub price: Rat,
    /// Where.
    pub span: Span,
}

/// A demand charge: each month's greatest interval mean, by period.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DemandCharge {
    /// Name for documents and state: `any`, or the schedule as written.
    pub name: String,
    /// When it counts.
    pub during: Sched,
    /// Currency/kW and month.
    pub price: Rat,
    /// The peak expected anyway this month, kW.
    pub expect: Option<Rat>,
    /// Where.
    pub span: Span,
}

/// A charge that no decision changes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FixedCharge {
    /// Currency.
    pub amount: Rat,
    /// Per.
    pub per: Period,
    /// Where.
    pub span: Span,
}

/// The least that a calendar month's bill comes to, fixed and demand charges counted in and what export
/// earned taken off.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MinimumBill {
    /// Currency.
    pub amount: Rat,
    /// Where.
    pub span: Span,
}

/// Calendar periods.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Period {
    /// Civil day.
    Day,
    /// Monday to Sunday.
    Week,
    /// Calendar month.
    Month,
    /// Calendar year.
    Year,
}

impl Period {
    /// As the author writes it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Day => "day",
            Self::Week => "week",
            Self::Month => "month",
            Self::Year => "year",
        }
    }
}

/// A budget: a cap on a quantity in each calendar period.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Budget {
    /// Its index.
    pub id: BudgetId,
    /// Name.
    pub name: String,
    /// Class in which it is owed.
    pub class: ClassId,
    /// Owner of its file.
    pub owner: PrincipalId,
    /// Of what.
    pub scope: Target,
    /// Which quantity.
    pub quantity: BudgetQuantity,
    /// Cap in kWh, currency or kg.
    pub cap: Rat,
    /// Each.
    pub per: Period,
    /// Only what flows at these instants counts.
    pub during: Sched,
    /// Where (its name).
    pub span: Span,
    /// As written.
    pub text: String,
}

/// What a budget counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BudgetQuantity {
    /// kWh consumed at the terminals.
    Consumption,
    /// kWh imported.
    Import,
    /// kWh exported.
    Export,
    /// kg at the meter when imported.
    Emissions,
    /// Currency.
    Cost,
}

/// What a plan minimises below the classes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Objective {
    /// Levels in order; each may be given up by `within` for those after it.
    pub levels: Vec<ObjectiveLevel>,
    /// Where; the site's span where none is written.
    pub span: Span,
}

impl Objective {
    /// All goals in the order in which plans minimise them: as written; money that is not named comes last.
    #[must_use]
    pub fn order(&self) -> Vec<Goal> {
        let mut order: Vec<Goal> = self.levels.iter().map(|level| level.goal).collect();
        if !order.contains(&Goal::Cost) {
            order.push(Goal::Cost);
        }
        order
    }

    /// The first of them.
    #[must_use]
    pub fn first(&self) -> Goal {
        self.levels.first().map_or(Goal::Cost, |level| level.goal)
    }

    /// The share of a goal's optimum that goals after it may spend; `None` where none comes after it.
    #[must_use]
    pub fn spent(&self, goal: Goal) -> Option<&Rat> {
        let level = self.levels.iter().find(|level| level.goal == goal)?;
        level.within.as_ref().filter(|_| self.order().last() != Some(&goal))
    }
}

/// One level.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ObjectiveLevel {
    /// What.
    pub goal: Goal,
    /// Share of this level's optimum that later goals may spend.
    pub within: Option<Rat>,
}

/// What a level minimises.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Goal {
    /// Money.
    Cost,
    /// Emissions, kg.
    Emissions,
    /// Number of starts and changes.
    Switching,
    /// Import, kWh.
    Import,
    /// The greatest import, kW.
    Peak,
}
