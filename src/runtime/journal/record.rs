//! What the lines of a journal say.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::past::Past;
use crate::bundle::Hash;
use crate::calendar::Instant;
use crate::quantity::Rat;
use crate::runtime::memory::Memory;
use crate::runtime::noted::{Clamped, Notice};

/// One register that is changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cell {
    /// point of the profile
    pub point: String,
    /// raw value found before
    pub old: i64,
    /// raw value to be written
    pub new: i64,
    /// raw values that an apply wrote on the way there
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub via: Vec<i64>,
    /// a guard: tightened, and never loosened again by an undo
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub guard: bool,
}

/// All that is changed on one device, in writing order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeviceChange {
    /// the device
    pub device: String,
    /// its registers
    pub cells: Vec<Cell>,
    /// in words: `power at most 4 kW -> at most 6 kW`
    pub words: String,
}

/// What came of the change of one device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// in effect
    Done,
    /// not in effect
    Failed,
    /// nobody knows
    Unknown,
    /// brought back
    Undone,
    /// left as found, because it no longer held our value
    Left,
}

/// A command that stands on a device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Standing {
    /// registers of the command and what they should hold
    pub cells: Vec<(String, i64)>,
    /// in words: `power at most 6 kW`
    pub words: String,
    /// the point that holds the value, and the value in kW, where there is one
    pub value: Option<(String, Rat)>,
    /// until when nobody needs to renew it; `None`: for ever
    pub until: Option<Instant>,
    /// commanded by a rule of the safety class
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub safety: bool,
    /// the rules that command it, and the readings whose loss makes them active
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub because: Vec<String>,
}

/// What the step of a plan asks of one device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Asked {
    /// its commands, in words
    pub commands: Vec<String>,
    /// why less of that was written, or nothing
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instead: Option<String>,
}

/// What a line says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "is", deny_unknown_fields)]
pub enum Record {
    /// the first line of a file that goes on where another was laid aside; its `prev` is the last hash there
    Carried {
        /// the site
        site: String,
        /// number of the file that was laid aside
        part: u64,
        /// what it told
        past: Box<Past>,
    },
    /// an apply accepted its plan
    Begin {
        /// the site
        site: String,
        /// id of the plan
        plan: Hash,
        /// its sequence
        sequence: u64,
        /// the step that is written
        step: u32,
        /// end of that step
        until: Instant,
        /// what it asks, by device of this host
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        asks: BTreeMap<String, Asked>,
    },
    /// the next frames will be these
    Intent {
        /// the gateway
        gateway: String,
        /// its devices, in writing order
        devices: Vec<DeviceChange>,
    },
    /// what came of the frames
    Result {
        /// the gateway
        gateway: String,
        /// by device
        devices: BTreeMap<String, Outcome>,
        /// raw values that devices made of what was written, by device and point
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        held: BTreeMap<String, BTreeMap<String, i64>>,
    },
    /// the commands of this gateway stand
    Commit {
        /// the gateway
        gateway: String,
        /// by device; a device without a command has an empty list
        standing: BTreeMap<String, Vec<Standing>>,
    },
    /// the next frames will bring this gateway back
    Undo {
        /// the gateway
        gateway: String,
    },
    /// nothing of this apply is under way any more
    End {
        /// exit code
        exit: u8,
    },
    /// the next frames are commanded by the safety class: outside every apply, never undone
    Safety {
        /// the site
        site: String,
        /// the devices
        devices: Vec<DeviceChange>,
    },
    /// what came of them
    Secured {
        /// by device
        devices: BTreeMap<String, Outcome>,
        /// what then stands, by device that was done
        standing: BTreeMap<String, Vec<Standing>>,
    },
    /// what the rules remember from here on
    Memory {
        /// the site
        site: String,
        /// latches and the like
        memory: Memory,
    },
    /// readings outside their declared ranges, which the rules see at the nearest end; none: all are inside
    Clamped {
        /// the site
        site: String,
        /// the readings
        readings: Vec<Clamped>,
    },
    /// messages of active rules were told to whoever ran evl
    Notified {
        /// the site
        site: String,
        /// the messages
        notices: Vec<Notice>,
    },
    /// a person resets a latch
    Reset {
        /// the site
        site: String,
        /// the latch
        latch: String,
        /// the role
        by: String,
    },
    /// the next frames hand these devices back
    Release {
        /// the site
        site: String,
        /// the devices
        devices: Vec<DeviceChange>,
        /// the whole plan, and not the devices that somebody named
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        all: bool,
    },
    /// what came of a release
    Released {
        /// by device
        devices: BTreeMap<String, Outcome>,
    },
}

/// A record with its instant and its place in the chain.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Line {
    pub(super) at: Instant,
    pub(super) prev: Hash,
    pub(super) record: Record,
    pub(super) hash: Hash,
}

impl Line {
    /// The line with the hash of its own content.
    pub(super) fn seal(at: Instant, prev: Hash, record: Record) -> Self {
        let mut line = Self { at, prev, record, hash: Hash::default() };
        line.hash = line.content();
        line
    }

    pub(super) fn content(&self) -> Hash {
        let bare = Self { hash: Hash::default(), ..self.clone() };
        Hash::of(&serde_json::to_vec(&bare).unwrap_or_default())
    }
}
