//! Faults that can be injected into the simulator.

use serde::{Deserialize, Serialize};

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FaultKind {
    /// the request is refused with `code`; nothing is written
    Exception,
    /// the answer comes `ms` late
    Delay,
    /// the request is carried out, no answer comes
    NoReply,
    /// acknowledged, and the old value stays
    Stuck,
    /// acknowledged, and the value is brought between `min` and `max`
    Clamp,
}

/// Which requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Requests {
    /// those that write
    Write,
    /// those that read
    Read,
}

/// One fault, as given to `evl sim --fault` in JSON:
/// `{"device": "solar", "point": "limit", "kind": "stuck"}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// what goes wrong
    pub kind: FaultKind,
    /// the device; every one where not given
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<String>,
    /// a point of its profile; every register where not given
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub point: Option<String>,
    /// kind of request; every one where not given
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requests: Option<Requests>,
    /// Modbus exception, for `exception`
    #[serde(default = "device_failure")]
    pub code: u8,
    /// milliseconds, for `delay`
    #[serde(default)]
    pub ms: u64,
    /// least register value, for `clamp`
    #[serde(default)]
    pub min: u16,
    /// greatest register value, for `clamp`
    #[serde(default = "all_ones")]
    pub max: u16,
    /// how many requests; for ever where not given
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub count: Option<u32>,
    /// requests that pass before the first is hit
    #[serde(default)]
    pub after: u32,
}

const fn device_failure() -> u8 {
    4
}

const fn all_ones() -> u16 {
    u16::MAX
}

/// A request, as far as faults care.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asked {
    pub(super) writes: bool,
    pub(super) at: u16,
    pub(super) count: u16,
}

impl Fault {
    fn hits(&self, device: &str, place: Option<(u16, u16)>, asked: Asked) -> bool {
        let requests = match (self.kind, self.requests) {
            // only a write can be kept from its register
            (FaultKind::Stuck | FaultKind::Clamp, _) | (_, Some(Requests::Write)) => asked.writes,
            (_, Some(Requests::Read)) => !asked.writes,
            (_, None) => true,
        };
        let touches = |(at, size): (u16, u16)| {
            at < asked.at.saturating_add(asked.count) && asked.at < at.saturating_add(size)
        };
        requests
            && self.device.as_deref().is_none_or(|name| name == device)
            && (self.point.is_none() || place.is_some_and(touches))
    }

    /// Whether this request is hit; counts down.
    pub(super) fn take(&mut self, device: &str, place: Option<(u16, u16)>, asked: Asked) -> bool {
        if self.count == Some(0) || !self.hits(device, place, asked) {
            return false;
        }
        if self.after > 0 {
            self.after -= 1;
            return false;
        }
        if let Some(count) = &mut self.count {
            *count -= 1;
        }
        true
    }
}
