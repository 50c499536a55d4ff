//! Devices that the state excludes (absent, local, locked out): the plan commands none of them and
//! counts on none; wherever in their range they are, every limit holds.

use super::Case;
use super::fix::Interval;
use super::limits::whole_range;
use super::simulate::{Run, Trajectory};
use crate::ir::{Attr, Device, Family, MemberRange, Model, Need};
use crate::quantity::Rat;

/// Whether a device is one of them.
pub(super) fn is(case: &Case<'_>, device: Device) -> bool {
    case.excluded.contains(&device)
}

/// What a consumer takes that nothing commands and nothing needs: as near to its default as its range
/// allows, kW.
pub(super) fn resting(family: &Family, default: Option<&Rat>) -> Rat {
    let default = default.cloned().unwrap_or_default();
    let pieces = family.ranges.get(&Attr::Power).map(Vec::as_slice).unwrap_or_default();
    let near = pieces.iter().map(|(lo, hi)| Rat::min_of(&Rat::max_of(&default, lo), hi));
    near.min_by_key(|near| (near - &default).abs()).unwrap_or(default)
}

/// Everything that an excluded device may do in a step, by direction.
pub(super) fn anywhere(family: &Family, run: &Run, step: usize) -> Vec<(Attr, Interval)> {
    let up_to = |most: Interval| Interval::hull(Interval::ZERO, most);
    match &family.model {
        Model::Consumer(consumer) if consumer.need != Need::None => {
            let need = run.power(&Attr::Power, step);
            // a load is never commanded: it takes what it takes
            let served = matches!(consumer.need, Need::Load(_));
            vec![(Attr::Power, if served { need } else { up_to(need) })]
        }
        Model::Renewable { .. } => {
            let available = run.available.as_ref().and_then(|available| available.get(step));
            vec![(Attr::Power, up_to(available.copied().unwrap_or_default()))]
        }
        // absent or off it has no power, whatever its least is
        _ => whole_range(family).into_iter().map(|(attr, range)| (attr, up_to(range))).collect(),
    }
}

/// How far members that are excluded may take a sum over `members` beyond what is presumed of them.
pub(super) fn beyond(
    case: &Case<'_>,
    trajectory: &Trajectory,
    members: &[MemberRange],
    attr: &Attr,
    step: usize,
) -> Option<Interval> {
    let mut sum = Interval::ZERO;
    for device in case.excluded.iter().filter(|d| members.iter().any(|range| range.contains(**d))) {
        let (family, run) = (case.site.family(device.family)?, trajectory.run_of(*device)?);
        let range = anywhere(family, run, step);
        let of = |wanted: &Attr| range.iter().find(|(attr, _)| attr == wanted).map(|(_, range)| *range);
        let (range, presumed) = match (&family.model, attr) {
            (Model::Store(_), Attr::Power) => {
                (of(&Attr::Discharge)?.minus(of(&Attr::Charge)?).ok()?, Interval::ZERO)
            }
            (_, attr) => match of(attr) {
                Some(range) => (range, run.power(attr, step)),
                None => continue,
            },
        };
        sum = sum.plus(range.minus(presumed).ok()?).ok()?;
    }
    Some(sum)
}

/// What is presumed of each, in words.
pub(super) fn words(case: &Case<'_>) -> Vec<String> {
    let declared = case.site.steered();
    let one = |device: Device| {
        let family = case.site.family(device.family)?;
        let name = case.site.device_name(device);
        let most = |attr: Attr| family.hull(&attr).map_or(Rat::ZERO, |(_, most)| most);
        let presumed = match &family.model {
            Model::Consumer(consumer) if consumer.need == Need::None => {
                let default = resting(family, consumer.default_power.as_ref());
                format!("take {default} kW, and every limit holds while it takes up to {} kW", most(Attr::Power))
            }
            Model::Consumer(_) => {
                "take what it needs, and every limit holds while it takes that or, where it is commanded, less"
                    .to_owned()
            }
            Model::Store(_) => format!(
                "stand idle, and every limit holds while it charges at up to {} kW or discharges at up to {} kW",
                most(Attr::Charge),
                most(Attr::Discharge)
            ),
            Model::Renewable { .. } => {
                "give all that it has, and every limit holds while it gives less".to_owned()
            }
            Model::Generator { .. } => {
                format!("give nothing, and every limit holds while it gives up to {} kW", most(Attr::Power))
            }
            _ => "do nothing".to_owned(),
        };
        let holder = declared.iter().find(|s| s.moves(device.family)).map(|s| s.holder);
        let holder =
            holder.and_then(|id| case.site.family(id)).filter(|_| !case.state.excluded.contains(&name));
        Some(match holder {
            Some(holder) => format!(
                "`{name}` follows the setpoint of `{}`, which the state excludes: it is presumed to {presumed}",
                holder.name
            ),
            None => {
                format!(
                    "`{name}` is excluded by the state, and nothing commands it: it is presumed to {presumed}"
                )
            }
        })
    };
    case.excluded.iter().copied().filter_map(one).collect()
}
