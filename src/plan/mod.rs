//! The optimiser: a bundle and its inputs become an allocation (planner.md).

mod aggregate;
mod ahead;
mod attempt;
mod bounds;
mod breaches;
mod budget;
mod chain;
mod cycle;
mod decisions;
mod demands;
mod dive;
mod document;
mod dues;
mod effects;
mod entry;
mod excluded;
mod exclusive;
mod failsafe;
mod families;
mod flows;
mod follow;
mod forks;
mod form;
mod generator;
mod goals;
mod grid;
mod guard;
mod infeasible;
mod islands;
mod levels;
mod load;
mod means;
mod measured;
mod model;
mod money;
mod network;
mod obligation;
mod prepare;
mod reach;
mod reasons;
mod registers;
mod renewable;
mod resting;
mod room;
mod rounding;
mod rules;
mod safe_state;
mod scene;
mod semicontinuous;
mod setpoint;
mod settled;
mod solve;
mod solver;
mod steps;
mod store;
mod supply;
mod tariff;
mod terminal;
mod thermal;
mod together;
mod vehicle;
mod ways;
mod words;
mod worth;
mod zone;

#[cfg(test)]
mod known;
#[cfg(test)]
mod laws;
mod lazy;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;

pub use entry::{Options, PlanFailure, plan, plan_watched};
pub use solver::Watch;
