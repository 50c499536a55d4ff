//! Groups of devices.

use serde::{Deserialize, Serialize};

use super::{Device, GroupId, MemberRange};
use crate::diag::Span;

/// A named group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Group {
    /// Its index.
    pub id: GroupId,
    /// Name; an anonymous group (a family named whole, `any device`) has the text that made it.
    pub name: String,
    /// Members, sorted, disjoint.
    pub members: Vec<MemberRange>,
    /// Where it is declared.
    pub span: Span,
}

impl Group {
    /// Its devices.
    pub fn devices(&self) -> impl Iterator<Item = Device> + '_ {
        self.members.iter().flat_map(|m| m.devices())
    }

    /// Number of members.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.members.iter().map(|m| u64::from(m.last.saturating_sub(m.first)) + 1).sum()
    }

    /// Whether it has none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }
}
