//! What comes from outside: feeds and sessions as exact series on the steps of a plan, and the
//! state.
//!
//! [`Inputs`] holds what was read; [`Inputs::on`] puts it on the steps of a plan as [`OnSteps`]. A
//! feed's value is the mean from its stamp to the next, and a step takes the time-weighted mean.

#[cfg(feature = "solver")]
mod cell;
#[cfg(feature = "solver")]
mod feed;
#[cfg(feature = "solver")]
mod load;
mod on_steps;
mod price;
mod reads;
#[cfg(feature = "solver")]
mod rows;
#[cfg(feature = "solver")]
mod session;
#[cfg(feature = "solver")]
mod stamp;
#[cfg(test)]
#[cfg(feature = "solver")]
mod tests;
mod track;

use std::collections::BTreeMap;

pub use crate::bundle::{InputHash, Session, State, Step};
#[cfg(feature = "solver")]
pub use feed::{read_feeds, same_clock};
#[cfg(feature = "solver")]
pub use load::load;
pub use on_steps::OnSteps;
pub use price::{Pieces, price_pieces};
pub use reads::{Reads, longest_window};
#[cfg(feature = "solver")]
pub use session::read_sessions;
pub use track::Track;

use crate::ir::SigRef;

/// Everything that was read for a plan, besides bundle and state.
#[derive(Debug, Clone, Default)]
pub struct Inputs {
    tracks: BTreeMap<SigRef, Track>,
    sessions: Vec<Session>,
    files: Vec<InputHash>,
}

impl Inputs {
    /// Nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a signal's series; a later one replaces an earlier.
    pub fn add(&mut self, signal: SigRef, track: Track) {
        self.tracks.insert(signal, track);
    }

    /// Adds vehicles' stays.
    pub fn add_sessions(&mut self, sessions: impl IntoIterator<Item = Session>) {
        self.sessions.extend(sessions);
        self.sessions.sort_by(|a, b| (&a.device, a.arrival).cmp(&(&b.device, b.arrival)));
    }

    /// Adds a file's name, path and hash, for the plan document.
    pub fn add_file(&mut self, file: InputHash) {
        self.files.push(file);
        self.files.sort();
    }

    /// A signal's series; a member of an array falls back to the array's.
    #[must_use]
    pub fn track(&self, signal: &SigRef) -> Option<&Track> {
        self.tracks.get(signal).or_else(|| match signal {
            SigRef::Member(id, _) => self.tracks.get(&SigRef::Only(*id)),
            _ => None,
        })
    }

    /// Vehicles' stays, by device and arrival.
    #[must_use]
    pub fn sessions(&self) -> &[Session] {
        &self.sessions
    }

    /// The stays at one charger, by arrival.
    pub fn sessions_of(&self, device: &str) -> impl Iterator<Item = &Session> {
        self.sessions.iter().filter(move |session| session.device == device)
    }

    /// The files that were read.
    #[must_use]
    pub fn files(&self) -> &[InputHash] {
        &self.files
    }
}
