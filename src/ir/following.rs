//! Who can keep a grid's meter at a target (planner.md 2): whose power can be anything between two
//! values, and is bound by nothing else than those and its own content.

use super::{Attr, BusId, Control, Device, Family, Model, Need, Site};
use crate::quantity::Rat;

impl Site {
    /// Why a device does not keep this meter at a target in plans, in words that follow its name; `None`
    /// where it can.
    #[must_use]
    pub fn cannot_follow(&self, device: Device, grid: Device) -> Option<String> {
        let (follower, meter) = (self.family(device.family)?, self.family(grid.family)?);
        if !self.joined(follower, meter) {
            return Some(format!("shares no bus or link with `{}`", self.device_name(grid)));
        }
        let (gives, takes) = (self.leads(follower, meter), self.leads(meter, follower));
        let one_way = match &follower.model {
            Model::Store(_) => !(gives && takes),
            Model::Consumer(_) => !takes,
            _ => !gives,
        };
        if one_way {
            let grid = self.device_name(grid);
            return Some(format!("is joined with `{grid}` by a link that does not carry what that takes"));
        }
        if follower.life_safety.is_some() {
            return Some("is declared `life_safety` and moves only towards its safe state".to_owned());
        }
        if let Some(what) = bound(follower) {
            return Some(what.to_owned());
        }
        let told = follower.control == Control::Command && follower.profile.is_some();
        (told && !follower.command_step.contains_key(&Attr::Import)).then(|| {
            let profile = follower.profile.as_deref().unwrap_or_default();
            format!("is commanded by its profile `{profile}`, which has no `follow`")
        })
    }

    /// Whether buses and links join the two.
    fn joined(&self, a: &Family, b: &Family) -> bool {
        self.carries(a, b, true)
    }

    /// Whether links carry power from one to the other.
    fn leads(&self, from: &Family, to: &Family) -> bool {
        self.carries(from, to, false)
    }

    fn carries(&self, a: &Family, b: &Family, any_way: bool) -> bool {
        let (Some(start), Some(end)) = (a.bus, b.bus) else { return a.bus == b.bus };
        let mut reached = vec![start];
        let mut next = 0;
        while let Some(bus) = reached.get(next).copied() {
            next += 1;
            let other = |link: &super::Link| -> Option<BusId> {
                match (link.from == bus, link.to == bus) {
                    (true, _) => Some(link.to),
                    (_, true) if any_way || link.both => Some(link.from),
                    _ => None,
                }
            };
            for found in self.links.iter().filter_map(other) {
                if !reached.contains(&found) {
                    reached.push(found);
                }
            }
        }
        reached.contains(&end)
    }
}

impl Family {
    /// Whether it can be told, while it follows a meter, that it may do less than its own range: no profile
    /// has words for that.
    #[must_use]
    pub fn follows_within_less(&self) -> bool {
        !self.command_step.contains_key(&Attr::Import)
    }

    /// The most of an attribute that it can have itself, kW.
    #[must_use]
    pub fn rated(&self, attr: &Attr) -> Option<Rat> {
        match &self.model {
            Model::Renewable { rated, .. } => Some(rated.clone()),
            _ => self.hull(attr).map(|(_, most)| most),
        }
    }

    /// Between which powers a meter may drive it, kW: of a store discharge less charge.
    #[must_use]
    pub fn driven_between(&self) -> (Rat, Rat) {
        let most = |attr: &Attr| self.hull(attr).map_or(Rat::ZERO, |(_, most)| most);
        match &self.model {
            Model::Store(_) => (-&most(&Attr::Charge), most(&Attr::Discharge)),
            _ => (Rat::ZERO, most(&Attr::Power)),
        }
    }
}

/// What else decides the power of a device, in words that follow its name.
fn bound(family: &Family) -> Option<&'static str> {
    let whole = |attr: &Attr| {
        let pieces = family.ranges.get(attr).map(Vec::as_slice).unwrap_or_default();
        matches!(pieces, [(least, _)] if least.is_zero())
    };
    const GAPS: &str = "is on or off, or has a least power";
    const TIMES: &str = "has least times of running and standing still";
    match &family.model {
        Model::Store(_) => (!whole(&Attr::Charge) || !whole(&Attr::Discharge)).then_some(GAPS),
        Model::Renewable { must_take: true, .. } => Some("must be taken whole"),
        Model::Renewable { .. } => None,
        Model::Generator { minimum, ramp, start_cost, min_up_s, min_down_s, .. } => {
            if minimum.is_positive() || !whole(&Attr::Power) {
                Some(GAPS)
            } else if *min_up_s > 0 || *min_down_s > 0 {
                Some(TIMES)
            } else if ramp.is_some() {
                Some("has a ramp")
            } else {
                start_cost.is_positive().then_some("costs something at each start")
            }
        }
        Model::Consumer(consumer) => {
            if consumer.need != Need::None {
                Some("serves a need")
            } else if consumer.sessions.is_some() {
                Some("has sessions")
            } else if consumer.heats.is_some() || consumer.cools.is_some() {
                Some("heats or cools a zone")
            } else if consumer.on_off || !whole(&Attr::Power) {
                Some(GAPS)
            } else {
                (consumer.min_up_s > 0 || consumer.min_down_s > 0).then_some(TIMES)
            }
        }
        Model::Grid { .. } | Model::Control { .. } | Model::Slot { .. } => {
            Some("has no power that could follow")
        }
    }
}

/// The most of an attribute that a device which follows is told it may have: whole steps of its register
/// within `most`, kW.
#[must_use]
pub fn told_at_most(step: &Rat, most: &Rat) -> Option<i64> {
    Rat::max_of(most, &Rat::ZERO).checked_div(step)?.floor().to_i64()
}
