//! Gateways: field endpoints with their ports.

use serde::{Deserialize, Serialize};

use super::{GatewayId, Supply};
use crate::diag::Span;
use crate::quantity::Rat;

/// A gateway: one field endpoint. Where it is stands in the inventory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gateway {
    /// Its index.
    pub id: GatewayId,
    /// Name.
    pub name: String,
    /// Declared ports.
    pub ports: Vec<PortRange>,
    /// Undo units: a gateway named together with others is undone with them.
    pub together: Vec<GatewayId>,
    /// Where it is declared.
    pub span: Span,
}

/// A run of equal ports of a gateway.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PortRange {
    /// First, 1-based.
    pub first: u32,
    /// Last, included.
    pub last: u32,
    /// Kind of current.
    pub supply: Option<Supply>,
    /// Rated current, A.
    pub rated: Option<Rat>,
    /// Has an enable line.
    pub enable: bool,
    /// Never switched.
    pub essential: bool,
    /// Where it is declared.
    pub span: Span,
}
