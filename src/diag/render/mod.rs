//! Renderers: one file per format. Each turns sorted findings into a text; none touches a terminal.

#[cfg(feature = "solver")]
mod graphical;
mod human;

pub use human::{Look, human};

#[cfg(test)]
pub(crate) mod samples;
