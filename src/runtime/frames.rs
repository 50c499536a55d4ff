//! The only door to a device's registers: nothing outside its profile's list passes.

use std::fmt;

use super::endpoint::Priority;
use super::map::DeviceMap;
use super::session::{Fault, Function, MOST_WRITE, Table};
use crate::bundle::profile::{Point, PointWrite, Profile};
use crate::quantity::Rat;

/// One request that writes. Made by [`DeviceMap::frames`] alone, so that holding one proves that its
/// registers and values are on the profile's list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    at: u16,
    words: Vec<u16>,
    function: Function,
    writes: Vec<PointWrite>,
}

impl Frame {
    /// The points it writes, in order.
    #[must_use]
    pub fn writes(&self) -> &[PointWrite] {
        &self.writes
    }

    /// First register.
    #[must_use]
    pub const fn at(&self) -> u16 {
        self.at
    }

    /// Register values.
    #[must_use]
    pub fn words(&self) -> &[u16] {
        &self.words
    }
}

/// Why a write does not pass.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Barred {
    /// the profile has no such point, or does not mark it `write: true`
    NotListed(String),
    /// the value is not among those that the profile allows
    Value(String, i64),
    /// two registers, but only function 6 may be used
    NoFunction(String),
}

impl fmt::Display for Barred {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotListed(point) => write!(f, "`{point}` is not on its profile's list of writable points"),
            Self::Value(point, raw) => write!(f, "its profile does not allow {raw} in `{point}`"),
            Self::NoFunction(point) => {
                write!(f, "`{point}` cannot be written by the functions of its profile")
            }
        }
    }
}

fn allowed(point: &Point, raw: i64) -> bool {
    if !point.allowed.is_empty() {
        return point.allowed.contains(&raw);
    }
    let Some(range) = &point.range else { return true };
    let count = point.scale.clone().or_else(|| point.step.clone()).unwrap_or(Rat::ONE);
    range.contain(&(&count * &Rat::int(raw)))
}

impl DeviceMap {
    /// The requests that make these writes in this order: neighbours in one request, gaps never
    /// bridged.
    ///
    /// # Errors
    /// A write that the profile does not allow; then none of them is made.
    pub fn frames(&self, profile: &Profile, writes: &[PointWrite]) -> Result<Vec<Frame>, Barred> {
        let mut frames: Vec<Frame> = Vec::new();
        for write in writes {
            let unlisted = || Barred::NotListed(write.point.clone());
            let point = profile.point(&write.point).filter(|point| point.write).ok_or_else(unlisted)?;
            let place =
                self.at(&write.point).filter(|place| place.table == Table::Holding).ok_or_else(unlisted)?;
            let value = || Barred::Value(write.point.clone(), write.raw);
            if !allowed(point, write.raw) {
                return Err(value());
            }
            let words = place.words(write.raw).ok_or_else(value)?;
            let multiple = point.functions.is_empty() || point.functions.contains(&16);
            let single = point.functions.is_empty() || point.functions.contains(&6);
            if !multiple && (place.size > 1 || !single) {
                return Err(Barred::NoFunction(write.point.clone()));
            }
            let joins = |frame: &&mut Frame| {
                multiple
                    && frame.function == Function::Multiple
                    && usize::from(frame.at) + frame.words.len() == usize::from(place.at)
                    && frame.words.len() + words.len() <= usize::from(MOST_WRITE)
            };
            if let Some(frame) = frames.last_mut().filter(joins) {
                frame.words.extend(words);
                frame.writes.push(write.clone());
                continue;
            }
            let function = if multiple { Function::Multiple } else { Function::Single };
            frames.push(Frame { at: place.at, words, function, writes: vec![write.clone()] });
        }
        for frame in &mut frames {
            // one register goes by the function that the profile prefers
            let preferred = frame.writes.first().and_then(|write| profile.point(&write.point));
            let multiple_first = preferred.is_some_and(|point| point.functions.first() == Some(&16));
            let may_single = preferred.is_some_and(|p| p.functions.is_empty() || p.functions.contains(&6));
            if frame.words.len() == 1 && may_single && !multiple_first {
                frame.function = Function::Single;
            }
        }
        Ok(frames)
    }

    /// Sends one request, once.
    ///
    /// # Errors
    /// See [`Fault`].
    pub async fn send(&self, frame: &Frame, priority: Priority) -> Result<(), Fault> {
        let words = frame.words.clone();
        self.endpoint().write(self.unit(), frame.at, words, frame.function, priority).await
    }
}
