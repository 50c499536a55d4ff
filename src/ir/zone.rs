//! Zones: rooms that are heated and cooled, and their comfort.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Attr, ClassId, FamilyId, Sched, SignalId, ZoneId};
use crate::diag::Span;
use crate::quantity::Rat;

/// A zone of one resistance and one capacity (planner.md 5).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Zone {
    /// Its index.
    pub id: ZoneId,
    /// Name.
    pub name: String,
    /// kWh/K.
    pub heat_capacity: Rat,
    /// kW/K.
    pub heat_loss: Rat,
    /// Thermal gains signal, kW.
    pub gains: Option<SignalId>,
    /// Outdoor temperature signal, K.
    pub outdoor: Option<SignalId>,
    /// Comfort bands in declared order: the first whose schedule holds.
    pub comfort: Vec<ComfortBand>,
    /// Class in which comfort is owed.
    pub class: Option<ClassId>,
    /// Physical range of temperature, K.
    pub range: (Rat, Rat),
    /// Thermostats that control it.
    pub thermostats: Vec<FamilyId>,
    /// Signals by attribute.
    pub readings: BTreeMap<Attr, SignalId>,
    /// Where it is declared.
    pub span: Span,
}

/// A comfort band.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ComfortBand {
    /// When.
    pub during: Sched,
    /// K.
    pub lo: Rat,
    /// K.
    pub hi: Rat,
    /// Where.
    pub span: Span,
}
