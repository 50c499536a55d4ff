//! Devices that keep a grid's meter at a target (planner.md 2): in those steps their power is what brings
//! the meter there, and where they cannot it is the nearest that they can: all that they may take or
//! give, or all that still fits in or is left.
//!
//! With `m` what the meter shows beyond the target and `p` what the device gives to its bus, `m > 0`
//! only where `p` is at its greatest or the store is empty, and `m < 0` only where `p` is at its least or
//! the store is full. That is the whole law; neither needs the way through the network to be known. Where
//! it can be told to do less than its range, a link or bus on its way that carries all it may excuses it as
//! well: it is then told what still fits there.

use super::model::{Breach, Builder, Mode};
use super::scene::{Follow, Owner};
use super::solver::Col;
use super::ways::{self, Bottleneck};
use crate::bundle::register_step;
use crate::diag::{Diagnostic, Diagnostics, codes};
use crate::eval::{Decision, Unit};
use crate::ir::{Attr, ClassId, Device, EffectKind, Family, Model, Site, Statement, told_at_most};
use crate::quantity::Rat;

/// A step of a device that follows, in the model.
#[derive(Debug, Clone)]
pub(super) struct Followed {
    /// Whose meter, and what it shows there in whole steps of the register.
    pub(super) follow: Follow,
    /// Above one half where the device does not follow after all; `None` where it has to.
    pub(super) instead: Option<Col>,
}

impl Followed {
    /// Whether it follows at a point.
    pub(super) fn holds(&self, x: &[f64]) -> bool {
        self.instead.is_none_or(|col| x.get(col.index()).copied().unwrap_or(0.0) < 0.5)
    }
}

/// What of `follow` no plan does yet.
///
/// # Errors
/// EVL1001 at each.
pub(super) fn refuse(site: &Site) -> Result<(), Diagnostics> {
    let mut findings = Diagnostics::new();
    for rule in &site.rules {
        for effect in &rule.effects {
            let EffectKind::Follow { meter, .. } = &effect.kind else { continue };
            let devices = site.target_members(&effect.target).into_iter().flat_map(|range| range.devices());
            for device in devices {
                if let Some(why) = site.cannot_follow(device, meter.grid) {
                    let name = site.device_name(device);
                    findings.push(
                        Diagnostic::error(
                            codes::NOT_PLANNED_YET,
                            effect.span,
                            format!("understood, not planned yet: `{name}` keeping a meter at a target"),
                        )
                        .because(format!("`{name}` {why}"))
                        .help("let a store follow, or a device whose power may be anything from 0 kW up"),
                    );
                    break;
                }
            }
        }
    }
    if findings.is_empty() { Ok(()) } else { Err(findings) }
}

/// Who follows in step `t`.
///
/// # Errors
/// EVL1001 where two keep the same meter, or one is held by rules to less than its own range while its
/// profile has no words for that.
pub(super) fn gather(site: &Site, t: usize, decision: &Decision) -> Result<Vec<Follow>, Diagnostics> {
    let mut found: Vec<Follow> = Vec::new();
    for following in &decision.following {
        let Unit::Devices(range) = following.unit else { continue };
        let statement = Statement::Effect(following.effect.instance.rule, following.effect.index);
        let owner = Owner { statement, class: Some(following.class) };
        let effect = site.rule(following.effect.instance.rule);
        let effect = effect.and_then(|rule| rule.effects.get(following.effect.index as usize));
        let span = effect.map_or(site.span, |effect| effect.span);
        let refused = |what: String| -> Diagnostics {
            let message = format!("understood, not planned yet: {what}");
            std::iter::once(Diagnostic::error(codes::NOT_PLANNED_YET, span, message)).collect()
        };
        for device in range.devices() {
            let Some(family) = site.family(device.family) else { continue };
            let name = site.device_name(device);
            let grid = following.meter.grid;
            if let Some(other) = found.iter().find(|other| other.grid == grid) {
                return Err(refused(format!(
                    "`{}` and `{name}` that follow one meter at the same time",
                    site.device_name(other.device)
                )));
            }
            let size = register_step(family, &Attr::Import);
            let net = following.meter.net_import(&following.target);
            let count = net.checked_div(&size).and_then(|count| count.round().to_i64());
            let Some(count) = count else { continue };
            let (mut told, mut less) = (Vec::new(), None);
            for attr in attrs(family) {
                let most = most(site, decision, device, family, attr).unwrap_or_default();
                let step = register_step(family, attr);
                let whole = told_at_most(&step, &most).unwrap_or(0);
                let own = family.rated(attr).and_then(|rated| told_at_most(&step, &rated));
                let narrowed = own.is_some_and(|own| whole < own);
                if narrowed && !family.follows_within_less() {
                    less = less.or(Some(attr.name().to_owned()));
                }
                told.push((attr.clone(), whole, step.to_f64()));
            }
            if told.iter().all(|(_, whole, _)| *whole == 0) {
                continue; // what may do nothing follows nothing
            }
            if let Some(less) = less {
                return Err(refused(format!("`{name}` following within less than its own {less}")));
            }
            let net = (&size * &Rat::int(count)).to_f64();
            found.push(Follow { owner, device, grid, step: t, count, net, told });
        }
    }
    Ok(found)
}

/// The attributes that say what a device may at most do while it follows.
fn attrs(family: &Family) -> &'static [Attr] {
    match &family.model {
        Model::Store(_) => &[Attr::Charge, Attr::Discharge],
        _ => &[Attr::Power],
    }
}

/// The most that the rules leave of an attribute.
fn most(site: &Site, decision: &Decision, device: Device, family: &Family, attr: &Attr) -> Option<Rat> {
    let set = decision.device(site, device)?;
    match set.numbers.get(attr) {
        Some(numbers) => numbers.max().cloned(),
        None => family.rated(attr),
    }
}

/// Rows of all that follow.
pub(super) fn add(b: &mut Builder<'_, '_>) {
    let scene = b.scene;
    for follow in &scene.follows {
        let instead = row(b, follow);
        b.followed.insert((follow.device, follow.step), Followed { follow: follow.clone(), instead });
    }
}

fn row(b: &mut Builder<'_, '_>, follow: &Follow) -> Option<Col> {
    let (t, device) = (follow.step, follow.device);
    let family = b.scene.site.family(device.family)?;
    let instead = b.gives(follow.owner).then(|| {
        let barred = b.scene.barred.contains(&(device, t));
        let col = b.program.integer(f64::from(u8::from(barred)), 1.0);
        // a way of working that physics leaves no room for gives way as well: how long is asked by itself
        if b.mode != Mode::Alone {
            b.breaches.push(Breach {
                col,
                weight: b.scene.hours(t),
                owner: follow.owner,
                step: Some(t),
                preference: false,
                initial: false,
            });
        }
        col
    });
    if instead.is_none() && b.scene.barred.contains(&(device, t)) {
        b.program.contradict();
    }
    let mut meter = b.attr(follow.grid, &Attr::Import, t)?;
    meter.add(&b.attr(follow.grid, &Attr::Export, t)?, -1.0);
    meter.constant -= follow.net;
    let told = |attr: &Attr| {
        let found = follow.told.iter().find(|(of, ..)| of == attr);
        #[expect(clippy::cast_precision_loss, reason = "far fewer than 2^53 register steps")]
        let kw = found.map_or(0.0, |(_, count, size)| *count as f64 * size);
        kw
    };
    let power = b.attr(device, &Attr::Power, t)?;
    let (gives, least, most) = match &family.model {
        Model::Store(_) => (power, -told(&Attr::Charge), told(&Attr::Discharge)),
        Model::Consumer(_) => (power.times(-1.0), -told(&Attr::Power), 0.0),
        _ => {
            let available = b.range(&power).1;
            (power, 0.0, told(&Attr::Power).min(available))
        }
    };
    let (down, up) = b.range(&gives);
    let otherwise: Vec<(Col, f64)> = instead.into_iter().map(|col| (col, 1.0)).collect();
    // within what it is told, but for where it does not follow
    let loosened = |by: f64| otherwise.iter().map(move |(col, v)| (*col, v * by)).collect::<Vec<_>>();
    b.program
        .at_most(gives.terms.iter().copied().chain(loosened((most - up).min(0.0))), most - gives.constant);
    b.program.at_least(
        gives.terms.iter().copied().chain(loosened((least - down).max(0.0))),
        least - gives.constant,
    );
    let mut short = Vec::new();
    let mut over = Vec::new();
    // gives >= most where it is at its greatest, <= least where it is at its least
    let at_most = b.program.integer(0.0, 1.0);
    b.program.at_least(gives.terms.iter().copied().chain([(at_most, down - most)]), down - gives.constant);
    short.push(at_most);
    let at_least = b.program.integer(0.0, 1.0);
    b.program.at_most(gives.terms.iter().copied().chain([(at_least, up - least)]), up - gives.constant);
    over.push(at_least);
    if let Model::Store(store) = &family.model {
        let level = b.attr(device, &Attr::ChargeLevel, t)?;
        let (low, high) = b.range(&level);
        let empty = b.program.integer(0.0, 1.0);
        let floor = store.level_min.to_f64();
        b.program.at_most(level.terms.iter().copied().chain([(empty, high - floor)]), high - level.constant);
        // an empty store does not charge to stay so where more is wanted of it
        b.program.at_least(gives.terms.iter().copied().chain([(empty, down)]), down - gives.constant);
        short.push(empty);
        let full = b.program.integer(0.0, 1.0);
        let ceiling = store.level_max.to_f64();
        b.program.at_least(level.terms.iter().copied().chain([(full, low - ceiling)]), low - level.constant);
        b.program.at_most(gives.terms.iter().copied().chain([(full, up)]), up - gives.constant);
        over.push(full);
    }
    let on_the_way = if family.follows_within_less() { ways::bottlenecks(b, follow) } else { Vec::new() };
    for Bottleneck { giving, full, most, idle } in on_the_way {
        let jam = b.program.integer(0.0, 1.0);
        b.program.at_least(full.terms.iter().copied().chain([(jam, -most)]), -full.constant);
        if let Some(idle) = idle {
            let top = b.range(&idle).1;
            b.program.at_most(idle.terms.iter().copied().chain([(jam, top)]), top - idle.constant);
        }
        // what it is told then is no less than nothing
        if giving {
            b.program.at_least(gives.terms.iter().copied().chain([(jam, down)]), down - gives.constant);
            short.push(jam);
        } else {
            b.program.at_most(gives.terms.iter().copied().chain([(jam, up)]), up - gives.constant);
            over.push(jam);
        }
    }
    let (below, above) = b.range(&meter);
    let all: Vec<(Col, f64)> = short.iter().chain(&over).map(|col| (*col, 1.0)).collect();
    b.program.at_most(all, 1.0);
    // the meter shows the target, but for where the device can do no more
    let excuse = |cols: &[Col], by: f64| {
        let excused = cols.iter().copied().chain(instead);
        excused.map(|col| (col, by)).collect::<Vec<_>>()
    };
    b.program.at_most(meter.terms.iter().copied().chain(excuse(&short, -above.max(0.0))), -meter.constant);
    b.program.at_least(meter.terms.iter().copied().chain(excuse(&over, (-below).max(0.0))), -meter.constant);
    instead
}

/// The hours in which those that follow by rules of a class do not.
pub(super) fn instead(b: &Builder<'_, '_>, class: ClassId) -> Vec<(Col, f64)> {
    let of = |((_, step), followed): (&(Device, usize), &Followed)| {
        let ruled = followed.follow.owner.class == Some(class);
        followed.instead.filter(|_| ruled).map(|col| (col, b.scene.hours(*step)))
    };
    b.followed.iter().filter_map(of).collect()
}

/// What producers are left without while others keep a meter at a target. Where it costs nothing to spoil
/// what the sun gives rather than to take it up, it is not spoilt.
pub(super) fn curtailed(b: &Builder<'_, '_>) -> Vec<(Col, f64)> {
    let mut terms = Vec::new();
    for (unit, of) in b.units.iter().enumerate() {
        let family = of.members.first().and_then(|device| b.scene.site.family(device.family));
        if !family.is_some_and(|family| matches!(family.model, Model::Renewable { .. })) {
            continue;
        }
        let Some(powers) = b.attrs.get(&(unit, Attr::Power)) else { continue };
        let others = b.followed.keys().filter(|(device, _)| !of.members.contains(device));
        let steps: std::collections::BTreeSet<usize> = others.map(|(_, step)| *step).collect();
        for (t, power) in steps.into_iter().filter_map(|t| Some((t, powers.get(t)?))) {
            let hours = b.scene.hours(t);
            terms.extend(power.terms.iter().map(|(col, v)| (*col, -v * hours)));
        }
    }
    terms
}

/// The step of a device in which it follows at the point that was found.
pub(super) fn at<'b>(b: &'b Builder<'_, '_>, x: &[f64], device: Device, t: usize) -> Option<&'b Follow> {
    let followed = b.followed.get(&(device, t)).filter(|followed| followed.holds(x))?;
    Some(&followed.follow)
}

impl Follow {
    /// What the device is told that it may at most have of an attribute, in register steps.
    pub(super) fn told(&self, attr: &Attr) -> i64 {
        self.told.iter().find(|(of, ..)| of == attr).map_or(0, |(_, count, _)| *count)
    }
}
