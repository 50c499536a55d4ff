//! What the evaluator works out once for a site: its units, and which effect is on which.
//!
//! A family is cut where some statement begins or ceases to treat members alike. Cost follows the
//! text, not the number of devices; only `for each` takes members apart.

use std::collections::BTreeSet;

use super::decision::Unit;
use super::device::{DeviceSet, physical_family, physical_zone};
use crate::ir::{
    Attr, Device, Effect, EffectKind, Family, MemberRange, Model, PermitTarget, Role, Rule, Share, Site,
    Target, ZoneId,
};

/// One unit.
pub(super) struct UnitInfo {
    pub(super) unit: Unit,
    pub(super) physical: DeviceSet,
    /// Its safe state, where it has one.
    pub(super) life_safety: Option<bool>,
    /// Totals that count it.
    pub(super) keys: Vec<usize>,
    /// Zones that it heats or cools, but not both.
    pub(super) zones: Vec<usize>,
}

/// What a statement names: permission concerns that, not what it resolves to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Named {
    /// A device; stands for its whole unit.
    Device(Device),
    /// A zone.
    Zone(ZoneId),
}

/// A unit on which an effect acts.
#[derive(Debug, Clone, Copy)]
pub(super) struct Aim {
    pub(super) unit: usize,
    pub(super) named: Named,
}

/// An effect with its units.
pub(super) struct EffectPlan {
    /// Empty for effects on the bound member.
    pub(super) aims: Vec<Aim>,
    /// The total that it bounds.
    pub(super) total: Option<usize>,
}

/// A rule with its instances.
pub(super) struct RulePlan {
    pub(super) members: Vec<Option<Device>>,
    pub(super) effects: Vec<EffectPlan>,
}

/// Devices whose sum of an attribute is bounded.
pub(super) struct TotalKey {
    pub(super) members: Vec<MemberRange>,
    pub(super) attr: Attr,
    pub(super) units: Vec<usize>,
}

/// Units that heat and units that cool a zone.
#[derive(Default, Clone)]
pub(super) struct Thermal {
    pub(super) heaters: Vec<usize>,
    pub(super) coolers: Vec<usize>,
}

/// See the module's page.
pub(super) struct Layout {
    pub(super) units: Vec<UnitInfo>,
    /// Where each family's units begin; one more at the end.
    family_starts: Vec<usize>,
    pub(super) rules: Vec<RulePlan>,
    pub(super) keys: Vec<TotalKey>,
    pub(super) thermal: Vec<Thermal>,
    /// Everything that can feed a consumer.
    pub(super) sources: Vec<MemberRange>,
}

impl Layout {
    pub(super) fn new(site: &Site) -> Self {
        let mut layout = Self {
            units: Vec::new(),
            family_starts: Vec::new(),
            rules: Vec::new(),
            keys: Vec::new(),
            thermal: vec![Thermal::default(); site.zones.len()],
            sources: sources(site),
        };
        layout.cut(site);
        for rule in &site.rules {
            let plan = layout.rule(site, rule);
            layout.rules.push(plan);
        }
        layout.index(site);
        layout
    }

    fn cut(&mut self, site: &Site) {
        let mut cuts: Vec<BTreeSet<u32>> = site.families.iter().map(|_| BTreeSet::from([1])).collect();
        let mut split = |range: &MemberRange| {
            if let Some(cuts) = cuts.get_mut(range.family.index()) {
                cuts.insert(range.first);
                cuts.insert(range.last.saturating_add(1));
            }
        };
        for rule in &site.rules {
            for device in
                rule.for_each.and_then(|group| site.group(group)).into_iter().flat_map(|g| g.devices())
            {
                split(&MemberRange { family: device.family, first: device.index, last: device.index });
            }
            for effect in &rule.effects {
                site.target_members(&effect.target).iter().for_each(&mut split);
            }
        }
        for permit in &site.permits {
            if let PermitTarget::Target(target) = &permit.target {
                site.target_members(target).iter().for_each(&mut split);
            }
        }
        for (family, cuts) in site.families.iter().zip(&cuts) {
            self.family_starts.push(self.units.len());
            let physical = physical_family(family);
            let starts: Vec<u32> =
                cuts.iter().copied().filter(|start| (1..=family.len()).contains(start)).collect();
            for (i, first) in starts.iter().enumerate() {
                let last = starts.get(i + 1).map_or(family.len(), |next| next - 1);
                let unit = Unit::Devices(MemberRange { family: family.id, first: *first, last });
                self.push(unit, physical.clone(), family.life_safety);
            }
        }
        self.family_starts.push(self.units.len());
        for zone in &site.zones {
            if let Some(physical) = physical_zone(site, zone.id) {
                self.push(Unit::Zone(zone.id), physical, None);
            }
        }
    }

    fn push(&mut self, unit: Unit, physical: DeviceSet, life_safety: Option<bool>) {
        self.units.push(UnitInfo { unit, physical, life_safety, keys: Vec::new(), zones: Vec::new() });
    }

    /// The units that meet a member range. Ranges that effects and permits name are made of whole
    /// units.
    pub(super) fn units_of(&self, range: MemberRange) -> std::ops::Range<usize> {
        let family = range.family.index();
        let (Some(start), Some(end)) = (self.family_starts.get(family), self.family_starts.get(family + 1))
        else {
            return 0..0;
        };
        let units = self.units.get(*start..*end).unwrap_or(&[]);
        let ends = |info: &UnitInfo| match info.unit {
            Unit::Devices(range) => (range.first, range.last),
            Unit::Zone(_) => (u32::MAX, u32::MAX),
        };
        let low = units.partition_point(|info| ends(info).1 < range.first);
        let high = units.partition_point(|info| ends(info).0 <= range.last);
        start + low..start + high.max(low)
    }

    /// The unit of a zone.
    pub(super) fn zone_unit(&self, zone: ZoneId) -> Option<usize> {
        let base = *self.family_starts.last()?;
        let at = base + zone.index();
        (at < self.units.len()).then_some(at)
    }

    fn rule(&mut self, site: &Site, rule: &Rule) -> RulePlan {
        let members = match rule.for_each {
            None => vec![None],
            Some(group) => site.group(group).into_iter().flat_map(|g| g.devices()).map(Some).collect(),
        };
        let effects = rule.effects.iter().map(|effect| self.effect(site, effect)).collect();
        RulePlan { members, effects }
    }

    fn effect(&mut self, site: &Site, effect: &Effect) -> EffectPlan {
        let total = self.total(site, effect);
        let aims = match &effect.target {
            Target::Zone(zone) => {
                let unit = self.zone_unit(*zone);
                unit.map(|unit| Aim { unit, named: Named::Zone(*zone) }).into_iter().collect()
            }
            target => {
                let ranges = site.target_members(target);
                ranges.into_iter().flat_map(|range| self.aims(site, effect, range)).collect()
            }
        };
        EffectPlan { aims, total }
    }

    /// The units on which an effect on some devices acts: a thermostat's setpoint is its zone's.
    pub(super) fn aims(&self, site: &Site, effect: &Effect, range: MemberRange) -> Vec<Aim> {
        let zone = attr_of(effect)
            .filter(|attr| **attr == Attr::Setpoint)
            .and_then(|_| site.family(range.family))
            .and_then(controlled_zone)
            .and_then(|zone| self.zone_unit(zone));
        self.units_of(range)
            .filter_map(|at| match self.units.get(at)?.unit {
                Unit::Devices(members) => {
                    let named = Named::Device(Device { family: members.family, index: members.first });
                    Some(Aim { unit: zone.unwrap_or(at), named })
                }
                Unit::Zone(_) => None,
            })
            .collect()
    }

    fn total(&mut self, site: &Site, effect: &Effect) -> Option<usize> {
        let EffectKind::Bound { attr, share: Share::Together, .. } = &effect.kind else { return None };
        let members = site.target_members(&effect.target);
        if members.iter().map(|range| Unit::Devices(*range).len()).sum::<u64>() < 2 {
            return None;
        }
        let known = self.keys.iter().position(|key| key.members == members && key.attr == *attr);
        Some(known.unwrap_or_else(|| {
            let units = members.iter().flat_map(|range| self.units_of(*range)).collect();
            self.keys.push(TotalKey { members, attr: attr.clone(), units });
            self.keys.len() - 1
        }))
    }

    fn index(&mut self, site: &Site) {
        for (at, key) in self.keys.iter().enumerate() {
            for unit in &key.units {
                if let Some(info) = self.units.get_mut(*unit) {
                    info.keys.push(at);
                }
            }
        }
        for family in &site.families {
            let Model::Consumer(consumer) = &family.model else { continue };
            if consumer.heats == consumer.cools {
                continue;
            }
            for unit in self.units_of(family.all()) {
                let mut note = |zone: Option<ZoneId>, heats: bool| {
                    let zone = zone.map(ZoneId::index).filter(|zone| *zone < self.thermal.len());
                    let Some(zone) = zone else { return };
                    if let Some(thermal) = self.thermal.get_mut(zone) {
                        let list = if heats { &mut thermal.heaters } else { &mut thermal.coolers };
                        list.push(unit);
                    }
                    if let Some(info) = self.units.get_mut(unit) {
                        info.zones.push(zone);
                    }
                };
                note(consumer.heats, true);
                note(consumer.cools, false);
            }
        }
    }
}

/// The attribute that an effect names.
pub(super) fn attr_of(effect: &Effect) -> Option<&Attr> {
    match &effect.kind {
        EffectKind::Bound { attr, .. } | EffectKind::Choice { attr, .. } => Some(attr),
        _ => None,
    }
}

fn controlled_zone(family: &Family) -> Option<ZoneId> {
    match family.model {
        Model::Control { zone } => zone,
        _ => None,
    }
}

fn sources(site: &Site) -> Vec<MemberRange> {
    let feeds = |family: &&Family| matches!(family.role, Role::Producer | Role::Storage);
    site.families.iter().filter(feeds).filter(|family| !family.is_empty()).map(Family::all).collect()
}
