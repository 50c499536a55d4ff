//! What rules owe within windows: `deliver` and `run`, owed or preferred (semantics.md 17, 19).
//!
//! A guard counts where a window opens; work done before is an input. Of a `run` with `at most every`
//! only those windows fire that open no sooner than that after the last one that fired.

use std::collections::BTreeMap;

use super::effects::Told;
use super::forks::Overlays;
use super::prepare::Known;
use super::scene::{Due, DueKind, Open, Owner, Scene, Short, Stay};
use crate::bundle::{Done, Void};
use crate::calendar::Instant;
use crate::diag::Diagnostic;
use crate::eval::{Asked, Decision, EffectRef, Instance, Unit};
use crate::ir::{Attr, Device, Effect, EffectKind, Rule, SAFETY, Statement, Target};
use crate::quantity::Rat;

/// Puts the obligations of all windows into the scene.
pub(super) fn add(
    known: &Known<'_>,
    decisions: &[Decision],
    overlays: &Overlays,
    scene: &mut Scene<'_>,
    told: &mut Told,
) {
    let mut work = Work { known, overlays, scene, told, fired: BTreeMap::new() };
    for rule in &known.site.rules {
        for effect in &rule.effects {
            work.effect(rule, effect, decisions);
        }
    }
}

/// What one window asks of one device.
struct Owed<'o> {
    by: EffectRef,
    device: Device,
    asked: &'o Asked,
    window: (Instant, Instant),
    wish: Option<Option<f64>>,
    when: Option<usize>,
}

struct Work<'w, 'k, 'a> {
    known: &'w Known<'k>,
    overlays: &'w Overlays,
    scene: &'w mut Scene<'a>,
    told: &'w mut Told,
    /// When an effect last fired on a device.
    fired: BTreeMap<(EffectRef, Device), Instant>,
}

impl Work<'_, '_, '_> {
    fn effect(&mut self, rule: &Rule, effect: &Effect, decisions: &[Decision]) {
        let (EffectKind::Deliver { window, .. } | EffectKind::Run { window, .. }) = &effect.kind else {
            return;
        };
        let known = self.known;
        let (from, until) = (known.from(), known.until());
        let price = effect.price.as_ref().map(Rat::to_f64);
        let wish = effect.preferably.then_some(price);
        for window in known.calendar.obligation_windows(window, from, until) {
            let t = if window.0 <= from { 0 } else { known.within(window.0, window.1).start };
            let Some(decision) = self.overlays.all.get(&t).or_else(|| decisions.get(t)) else { continue };
            let asked: Vec<(EffectRef, Device, &Asked)> = asked(decision, rule, effect).collect();
            for (by, device, asked) in &asked {
                let when = self.overlays.open.get(&(by.instance, t)).copied();
                self.due(rule, &Owed { by: *by, device: *device, asked, window, wish, when });
            }
            // owed since the window opened, although the guard no longer holds
            if window.0 < from {
                for (by, device) in members(known, rule, effect) {
                    let still = asked.iter().any(|(at, of, _)| *at == by && *of == device);
                    if still || known.state.done(known.site, rule.id, device).owed != Some(true) {
                        continue;
                    }
                    if let Some(asked) = constant(effect) {
                        self.due(rule, &Owed { by, device, asked: &asked, window, wish, when: None });
                    }
                }
            }
        }
    }

    fn due(&mut self, rule: &Rule, owed: &Owed<'_>) {
        let known = self.known;
        let (from, until) = (known.from(), known.until());
        let (opens, closes) = owed.window;
        let state = known.state.done(known.site, rule.id, owed.device);
        let done = if opens < from { state.clone() } else { Done::default() };
        if done.owed == Some(false) || !self.fires(rule, owed, state.fired) {
            return;
        }
        if self.scene.excluded.contains(&owed.device) {
            let statement = Statement::Effect(rule.id, owed.by.index);
            self.void(statement, owed, "the state excludes it");
            return;
        }
        let steps = known.within(opens.max(from), closes.min(until));
        #[expect(clippy::cast_precision_loss, reason = "windows are far shorter than 2^53 s")]
        let mut beyond = closes.since(until).max(0) as f64 / 3600.0;
        let statement = Statement::Effect(rule.id, owed.by.index);
        let owner = Owner { statement, class: Some(rule.class) };
        let mut short = None;
        let (kind, whole) = match owed.asked {
            Asked::Deliver(energy) => {
                let meets = |s: &&Stay| s.steps.start < steps.end && steps.start < s.steps.end;
                let stays = self.scene.stays.get(&owed.device);
                let here: Option<Vec<Stay>> = stays.map(|all| all.iter().filter(meets).cloned().collect());
                if here.as_ref().is_some_and(Vec::is_empty) {
                    self.void(statement, owed, "no vehicle is there");
                    return;
                }
                let so_far = if opens < from {
                    self.said(known.state.delivered(known.site, rule.id, owed.device)).to_f64()
                } else {
                    0.0
                };
                let mut energy_left = (energy.to_f64() - so_far).max(0.0);
                if let Some(here) = here {
                    let here: Vec<_> = here.iter().collect();
                    let room: f64 = here.iter().map(|s| s.room).sum();
                    energy_left = energy_left.min(room);
                    beyond = self.staying(owed.device, closes);
                    if owed.wish.is_none() && rule.class != SAFETY {
                        let missing = energy_left - self.carried(owed, &here, &steps, beyond);
                        if missing > 1e-6 {
                            energy_left -= missing;
                            short = Some(Short { owner, missing, whole: energy.to_f64() });
                        }
                    }
                }
                (DueKind::Deliver(energy_left), energy.to_f64())
            }
            Asked::Run { for_s, uninterrupted } => {
                let mut ran = 0.0;
                if opens < from {
                    ran = self.said(known.state.ran(known.site, rule.id, owed.device)).to_f64() / 3600.0;
                }
                #[expect(clippy::cast_precision_loss, reason = "runs are far shorter than 2^53 s")]
                let (whole, left) = (*for_s as f64 / 3600.0, closes.since(from) as f64 / 3600.0);
                let mut begun = false;
                if *uninterrupted && ran > 0.0 && ran < whole {
                    let piece = self.unbroken(owed.device, ran, opens);
                    begun = piece > 0.0;
                    let hours = whole - piece;
                    let owes = owed.wish.is_none() && owed.when.is_none() && rule.class != SAFETY;
                    if piece < ran && hours > left + 1e-9 && owes {
                        // it was interrupted, and nothing can make good what is then missing
                        self.scene.shorts.push(Short { owner, missing: hours, whole });
                        return;
                    }
                    ran = piece;
                }
                let hours = (whole - ran).max(0.0);
                (DueKind::Run { hours, uninterrupted: *uninterrupted, begun }, whole)
            }
            _ => return,
        };
        let (device, wish, when) = (owed.device, owed.wish, owed.when);
        if closes > until && wish.is_none() && when.is_none() {
            let most = self.greatest(device);
            let energy = match kind {
                DueKind::Deliver(energy) => energy,
                DueKind::Run { hours, .. } => hours * most,
            };
            self.scene.open.push(Open { owner, device, energy, steps: steps.clone(), closes });
        }
        // under a condition that the plan decides it is owed once that is settled
        self.scene.shorts.extend(short.filter(|_| when.is_none()));
        self.scene.dues.push(Due { owner, device, kind, steps, beyond, whole, wish, when });
    }

    /// Greatest power of a device, kW.
    fn greatest(&self, device: Device) -> f64 {
        let family = self.known.site.family(device.family);
        family.and_then(|family| family.hull(&Attr::Power)).map_or(0.0, |(_, most)| most.to_f64())
    }

    /// What the state says; none, and an error, where it does not.
    fn said(&mut self, found: Result<Rat, Diagnostic>) -> Rat {
        found.unwrap_or_else(|finding| {
            self.told.missing.push(finding);
            Rat::ZERO
        })
    }

    /// Hours of a run that the present moment continues, of `ran` in the window: none where the device
    /// is off, and no more than since it was turned on.
    fn unbroken(&mut self, device: Device, ran: f64, opens: Instant) -> f64 {
        match self.known.state.switched(self.known.site, device) {
            Ok(now) if now.on => {
                #[expect(clippy::cast_precision_loss, reason = "windows are far shorter than 2^53 s")]
                let since = self.known.from().since(now.since.max(opens)) as f64 / 3600.0;
                ran.min(since.max(0.0))
            }
            Ok(_) => 0.0,
            Err(finding) => {
                self.told.missing.push(finding);
                0.0
            }
        }
    }

    /// kWh that stays can carry until a window closes, after the plan too.
    fn carried(&self, owed: &Owed<'_>, stays: &[&Stay], steps: &std::ops::Range<usize>, beyond: f64) -> f64 {
        let Some(family) = self.known.site.family(owed.device.family) else { return f64::INFINITY };
        let most = family.hull(&Attr::Power).map_or(0.0, |(_, most)| most.to_f64());
        super::vehicle::carried(self.scene, family, stays, steps) + beyond * most
    }

    /// Hours at full power that vehicles stay beyond the plan until a window closes.
    fn staying(&self, device: Device, closes: Instant) -> f64 {
        let known = self.known;
        let name = known.site.device_name(device);
        let family = known.site.family(device.family);
        let most = family.and_then(|f| f.hull(&Attr::Power)).map_or(Rat::ZERO, |(_, most)| most);
        let meets = |s: &&crate::bundle::Session| s.arrival < known.until() && s.departure > known.from();
        let hours = known.inputs.sessions_of(&name).filter(meets).map(|stay| {
            let power = stay.power.as_ref().map_or(most.clone(), |power| Rat::min_of(power, &most));
            let share = power.checked_div(&most).unwrap_or_default();
            let seconds = closes.min(stay.departure).since(known.until()).max(0);
            (share * Rat::int(seconds)).to_f64() / 3600.0
        });
        hours.sum()
    }

    /// Whether `at most every` lets this window fire; if so, the next one counts from it.
    fn fires(&mut self, rule: &Rule, owed: &Owed<'_>, before: Option<Instant>) -> bool {
        let (Some(every), Asked::Run { .. }) = (rule.at_most_every_s, owed.asked) else { return true };
        let key = (owed.by, owed.device);
        let opens = owed.window.0;
        // a window that fired before the plan began goes on
        let last = self.fired.get(&key).copied().or(before).filter(|last| *last < opens);
        if last.is_some_and(|last| opens.since(last) < every) {
            let statement = Statement::Effect(rule.id, owed.by.index);
            self.void(statement, owed, "it ran too short a time before");
            return false;
        }
        self.fired.insert(key, opens);
        true
    }

    fn void(&mut self, statement: Statement, owed: &Owed<'_>, why: &str) {
        let known = self.known;
        self.told.void.push(Void {
            statement: super::words::statement(known.site, statement),
            device: known.site.device_name(owed.device),
            because: format!(
                "{why} between {} and {}",
                known.calendar.show(owed.window.0),
                known.calendar.show(owed.window.1)
            ),
        });
    }
}

/// What a decision asks of each device by one effect.
fn asked<'d>(
    decision: &'d Decision,
    rule: &'d Rule,
    effect: &'d Effect,
) -> impl Iterator<Item = (EffectRef, Device, &'d Asked)> {
    let is = move |by: &EffectRef| by.instance.rule == rule.id && by.index == effect.index;
    let owed = (decision.obligations.iter())
        .filter(move |o| is(&o.effect))
        .flat_map(|o| o.members.iter().flat_map(|r| r.devices()).map(|d| (o.effect, d, &o.asked)));
    let wished = decision.preferences.iter().filter(move |p| is(&p.effect)).flat_map(|p| {
        let members = p.units.iter().filter_map(|unit| match unit {
            Unit::Devices(range) => Some(*range),
            Unit::Zone(_) => None,
        });
        members.flat_map(|r| r.devices()).map(|d| (p.effect, d, &p.asked))
    });
    owed.chain(wished)
}

/// Every device that an effect may oblige, with the instance that would.
fn members(known: &Known<'_>, rule: &Rule, effect: &Effect) -> Vec<(EffectRef, Device)> {
    let group = rule.for_each.and_then(|g| known.site.group(g));
    let index = effect.index;
    match (&effect.target, group) {
        (Target::Bound, Some(group)) => (group.devices())
            .map(|d| {
                let instance = Instance { rule: rule.id, member: Some(d) };
                (EffectRef { instance, index }, d)
            })
            .collect(),
        (target, _) => {
            let by = EffectRef { instance: Instance::of(rule.id), index };
            let ranges = known.site.target_members(target);
            ranges.iter().flat_map(|r| r.devices()).map(|d| (by, d)).collect()
        }
    }
}

/// What an effect asks, where no signal says how much.
fn constant(effect: &Effect) -> Option<Asked> {
    match &effect.kind {
        EffectKind::Deliver { energy, .. } => energy.as_constant().cloned().map(Asked::Deliver),
        EffectKind::Run { for_s, uninterrupted, .. } => {
            Some(Asked::Run { for_s: *for_s, uninterrupted: *uninterrupted })
        }
        _ => None,
    }
}
