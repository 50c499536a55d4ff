//! Principals, permits and admission (semantics.md 20-24).

use serde::{Deserialize, Serialize};

use super::{Attr, CivilDate, ClassId, PrincipalId, Sched, Target, Verb};
use crate::diag::Span;
use crate::quantity::Rat;

/// Who owns statements.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Principal {
    /// Its index; 0 is the site owner.
    pub id: PrincipalId,
    /// Name.
    pub name: String,
    /// What it is.
    pub kind: PrincipalKind,
    /// Classes in which its files may speak.
    pub classes: Vec<ClassId>,
    /// Last civil day of its account; `None`: no end.
    pub active_until: Option<CivilDate>,
    /// Public key, as written (`ed25519:...`).
    pub key: Option<String>,
    /// Where it is declared.
    pub span: Span,
}

/// Kinds of principals.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PrincipalKind {
    /// The site owner.
    Owner,
    /// A tenant.
    Tenant,
    /// A vendor.
    Vendor,
    /// A role (`facility_admin`, `fire_service`).
    Role,
}

/// A permit or a forbid.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Permit {
    /// Forbids rather than permits; forbid beats permit.
    pub forbid: bool,
    /// Whom; `None`: any principal of `any_kind`.
    pub who: Option<PrincipalId>,
    /// `any vendor`, `any tenant`; used where `who` is `None`.
    pub any_kind: Option<PrincipalKind>,
    /// Which verb; `None`: any.
    pub verb: Option<Verb>,
    /// On what.
    pub target: PermitTarget,
    /// Which attribute; `None`: all (`chiller.*`, or a bare device).
    pub attr: Option<Attr>,
    /// Least permitted, canonical.
    pub lo: Option<Rat>,
    /// Greatest permitted.
    pub hi: Option<Rat>,
    /// When.
    pub during: Sched,
    /// Only while the site's emergency holds.
    pub emergency: bool,
    /// As written.
    pub text: String,
    /// Where.
    pub span: Span,
}

/// What a permit covers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PermitTarget {
    /// Devices or a zone.
    Target(Target),
    /// `any device`.
    AnyDevice,
}

/// One admission statement.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Admission {
    /// What it does.
    pub act: AdmissionAct,
    /// Conditions that must all hold.
    pub conditions: Vec<AdmissionCondition>,
    /// As written.
    pub text: String,
    /// Where.
    pub span: Span,
}

/// Allow, deny or require.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AdmissionAct {
    /// One allow must match.
    Allow,
    /// No deny may match.
    Deny,
    /// Every require must hold.
    Require,
}

/// A condition on a device that asks to be admitted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AdmissionCondition {
    /// Maker as shown.
    Maker(String),
    /// Function of its profile.
    Function(String),
    /// Serial among these (read from the list at compile time).
    SerialIn(Vec<String>),
    /// One serial.
    Serial(String),
    /// A signature by this public key file (refused where unsupported, never ignored).
    Signature(String),
    /// Voltage within a share of the bus.
    VoltageWithin(Rat),
    /// Current at most the port's rating.
    CurrentAtMostPort,
}
