//! Indices into the lists of a [`Site`](super::Site).

use std::fmt;

use serde::{Deserialize, Serialize};

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub u32);

        impl $name {
            /// Position in its list.
            #[must_use]
            pub const fn index(self) -> usize {
                self.0 as usize
            }

            /// The id of position `index`; the lists are capped far below `u32::MAX`.
            #[must_use]
            pub fn at(index: usize) -> Self {
                Self(u32::try_from(index).unwrap_or(u32::MAX))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}", self.0)
            }
        }
    )*};
}

ids! {
    /// A priority class; 0 is the safety class, a smaller id outranks a larger one.
    ClassId;
    /// A bus.
    BusId;
    /// A link.
    LinkId;
    /// A gateway.
    GatewayId;
    /// A device declaration (one device, or an array of equal ones).
    FamilyId;
    /// A thermal zone.
    ZoneId;
    /// A named group of devices.
    GroupId;
    /// A named schedule.
    ScheduleId;
    /// A feed.
    FeedId;
    /// A signal.
    SignalId;
    /// A tariff.
    TariffId;
    /// A budget.
    BudgetId;
    /// A rule.
    RuleId;
    /// A latch bit.
    LatchId;
    /// A `for d` bit.
    HeldId;
    /// A principal.
    PrincipalId;
}

/// The site owner.
pub const OWNER: PrincipalId = PrincipalId(0);
/// The safety class.
pub const SAFETY: ClassId = ClassId(0);

/// One device: a member of a family. Indices are 1-based; a family that is no array has index 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Device {
    /// Its declaration.
    pub family: FamilyId,
    /// 1-based.
    pub index: u32,
}

/// Members `first..=last` of a family.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct MemberRange {
    /// The declaration.
    pub family: FamilyId,
    /// 1-based, included.
    pub first: u32,
    /// Included.
    pub last: u32,
}

impl MemberRange {
    /// Its devices.
    pub fn devices(self) -> impl Iterator<Item = Device> {
        (self.first..=self.last).map(move |index| Device { family: self.family, index })
    }

    /// Whether the device is in it.
    #[must_use]
    pub fn contains(self, d: Device) -> bool {
        d.family == self.family && (self.first..=self.last).contains(&d.index)
    }
}
