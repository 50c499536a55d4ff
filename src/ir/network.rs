//! Buses, and the links between them.

use serde::{Deserialize, Serialize};

use super::{BusId, LinkId};
use crate::diag::Span;
use crate::quantity::Rat;

/// Kind of current and its voltage.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Supply {
    /// Alternating (else direct).
    pub ac: bool,
    /// Line voltage, V.
    pub volts: Option<Rat>,
    /// 1 or 3 for AC, 1 for DC.
    pub phases: u8,
}

/// A bus.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bus {
    /// Its index.
    pub id: BusId,
    /// Name.
    pub name: String,
    /// Kind of current.
    pub supply: Option<Supply>,
    /// Bound on the sum of its inflows, kW.
    pub limit: Option<Rat>,
    /// Bound per phase, A.
    pub phase_limit: Option<Rat>,
    /// Where it is declared.
    pub span: Span,
}

/// A converter, transformer or cable between two buses.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Link {
    /// Its index.
    pub id: LinkId,
    /// Name.
    pub name: String,
    /// First bus.
    pub from: BusId,
    /// Second bus.
    pub to: BusId,
    /// Both ways.
    pub both: bool,
    /// Bound at the sending end, `from` to `to`, kW.
    pub capacity: Rat,
    /// Bound at the sending end, `to` to `from`, kW; equals `capacity` unless declared apart.
    pub capacity_back: Rat,
    /// Share delivered, in (0, 1], either way.
    pub efficiency: Rat,
    /// Price of each kWh sent, currency/kWh (wear), `from` to `to` and back; usually zero.
    pub wear: (Rat, Rat),
    /// Where it is declared.
    pub span: Span,
}
