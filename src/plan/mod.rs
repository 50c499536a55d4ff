//! The optimiser: a bundle and its inputs become an allocation (planner.md).

mod aggregate;
mod budget;
mod exclusive;
mod families;
mod generator;
mod goals;
mod grid;
mod infeasible;
mod levels;
mod load;
mod model;
mod network;
mod obligation;
mod prepare;
mod renewable;
mod rules;
mod scene;
mod semicontinuous;
mod solve;
mod solver;
mod steps;
mod store;
mod supply;
mod tariff;
mod terminal;
mod vehicle;
mod zone;

#[cfg(test)]
mod known;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
