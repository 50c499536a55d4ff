//! The difference between what a device holds and what it is asked to hold, in engineering units,
//! and the registers that make it.

use std::collections::BTreeMap;

use super::journal::{Cell, DeviceChange, Standing};
use super::order::{Leg, Move};
use super::probe::{Excluded, Ready, Subject};
use super::want::Setting;
use crate::bundle::profile::{Aspect, Form, Found, LeaseKind, PointWrite, PowerFound, Verb};
use crate::calendar::Instant;
use crate::diag::codes;
use crate::ir::FailSafeBy;
use crate::quantity::{Rat, Type, show};

/// Seconds that a lease outlives its step, so that the next apply can renew it in time.
const GRACE: i64 = 60;

/// When and for how long commands are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// the present instant
    pub now: Instant,
    /// end of the step; `None`: what the safety class commands or bounds, which asks for no end
    pub end: Option<Instant>,
    /// commanded by the safety class itself
    pub safety: bool,
}

impl Span {
    /// Whether what stands until `until` outlasts the step.
    fn outlasted_by(self, until: Option<Instant>) -> bool {
        until.is_none_or(|until| self.end.is_some_and(|end| until >= end))
    }
}

/// A value that was commanded, to be found in effect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Commanded {
    /// the command
    pub verb: Verb,
    /// what the register makes of the value
    pub form: Form,
    /// kW; of a setpoint K
    pub value: Rat,
    /// the point that holds it, where the command has one
    pub point: Option<String>,
}

/// All that is asked of one device, against what it holds.
#[derive(Debug, Clone)]
pub struct Change {
    /// the device
    pub device: String,
    /// its gateway
    pub gateway: String,
    /// what is written; `None` where nothing needs to be
    pub writing: Option<DeviceChange>,
    /// what will stand on the device
    pub standing: Vec<Standing>,
    /// what must be seen in effect
    pub commanded: Option<Commanded>,
    /// whether the device ends up off its bus or switched off
    pub dead: bool,
    /// in words: what stands now
    pub before_words: String,
    /// in words: what is asked
    pub after_words: String,
    /// powers on the way
    pub step: Move,
    /// remarks, such as a value that was rounded to the register
    pub notes: Vec<String>,
}

impl Change {
    /// Whether anything is written.
    #[must_use]
    pub const fn writes(&self) -> bool {
        self.writing.is_some()
    }

    /// Until when everything stands unattended; `None`: for ever.
    #[must_use]
    pub fn stands_until(&self) -> Option<Instant> {
        self.standing.iter().filter_map(|standing| standing.until).min()
    }
}

/// Words for a state of a device: `at most 4.56 kW`, `charge 3 kW`, `disconnected`.
#[must_use]
pub fn words(found: &Found) -> String {
    if found.connected == Some(false) {
        return "disconnected".to_owned();
    }
    if found.on == Some(false) {
        return "off".to_owned();
    }
    if let Some(kelvin) = &found.setpoint {
        return show(kelvin, Type::Temperature, "");
    }
    match &found.power {
        PowerFound::Released => "under its own control".to_owned(),
        PowerFound::Unknown => "unknown".to_owned(),
        PowerFound::Commanded { verb, form, value } => setting_words(*verb, Some(*form), Some(value)),
    }
}

/// A commanded value with its unit: `4.14 kW`, `21.5 degC`.
#[must_use]
pub fn amount(verb: Verb, value: &Rat) -> String {
    match verb {
        Verb::Setpoint => show(value, Type::Temperature, ""),
        _ => format!("{} kW", value.to_decimal(3)),
    }
}

/// Words for a command.
#[must_use]
pub fn setting_words(verb: Verb, form: Option<Form>, value: Option<&Rat>) -> String {
    let kw = value.map(|value| format!("{} kW", value.to_decimal(3))).unwrap_or_default();
    match (verb, form) {
        (Verb::Power, Some(Form::AtMost)) => format!("at most {kw}"),
        (Verb::Power, Some(Form::AtLeast)) => format!("at least {kw}"),
        (Verb::Power, _) => kw,
        (Verb::Charge | Verb::Discharge, _) => format!("{} {kw}", verb.word()),
        (Verb::Follow, _) => match value.filter(|value| value.is_negative()) {
            Some(value) => format!("keeps the meter at {} kW export", (-value).to_decimal(3)),
            None => format!("keeps the meter at {kw} import"),
        },
        (Verb::Idle, _) => "idle".to_owned(),
        (Verb::Release, _) => "under its own control".to_owned(),
        (Verb::Setpoint, _) => value.map(|kelvin| show(kelvin, Type::Temperature, "")).unwrap_or_default(),
        (Verb::Connect, _) => "connected".to_owned(),
        (Verb::Disconnect, _) => "disconnected".to_owned(),
        (Verb::On, _) => "on".to_owned(),
        (Verb::Off, _) => "off".to_owned(),
    }
}

/// What the journal knows of a device.
#[derive(Debug, Clone, Default)]
pub struct Known {
    /// commands that stand on it
    pub standing: Vec<Standing>,
    /// register values that were there before an apply that did not end, and that an undo must restore
    pub originals: BTreeMap<String, i64>,
    /// how often each point was written in the last day
    pub writes: BTreeMap<String, u32>,
}

/// Compares what is asked with what was found.
///
/// # Errors
/// The device cannot take the command; it is excluded.
pub fn change(
    subject: &Subject,
    ready: &Ready,
    settings: &[Setting],
    span: Span,
    known: &Known,
) -> Result<Change, Excluded> {
    let Known { standing, originals, .. } = known;
    let profile = &subject.profile;
    let cannot = |why: String| Excluded { code: codes::WRONG_DEVICE, reason: why };
    // a lease of 0 s is none: what safety commands does not lapse by a timer
    let needed = span.end.map_or(0, |end| end.since(span.now).max(0).saturating_add(GRACE));
    let longest = profile.longest_lease(&ready.context).and_then(|longest| longest.floor().to_i64());
    let seconds = needed.min(longest.unwrap_or(needed));
    let mut after = ready.raws.clone();
    let mut asked: Vec<PointWrite> = Vec::new();
    let mut stands = Vec::new();
    let mut notes = Vec::new();
    let mut commanded = None;
    let mut asked_words = Vec::new();

    let mut guards = guards(subject, ready, settings)?;
    for (point, raw) in &guards {
        after.insert(point.clone(), *raw);
    }
    let watchdog = profile.lease.timer.as_ref().filter(|_| profile.lease.kind == LeaseKind::Watchdog);
    let watchdog = watchdog.and_then(|timer| {
        let value = profile.value_of(timer, *after.get(timer)?, &ready.context).ok()?;
        value.floor().to_i64().filter(|seconds| *seconds > 0)
    });
    for setting in settings {
        let lease = u64::try_from(seconds).unwrap_or(0);
        let lowered = profile
            .lower(setting.verb, setting.form, setting.value.as_ref(), lease, &ready.context)
            .map_err(|error| cannot(error.to_string()))?;
        let words = setting_words(setting.verb, lowered.form.and(setting.form), lowered.value.as_ref());
        if let (Some(asked), Some(given)) = (&setting.value, &lowered.value)
            && asked != given
        {
            let say = |value: &Rat| match setting.verb {
                Verb::Setpoint => show(value, Type::Temperature, ""),
                _ => format!("{} kW", value.to_decimal(6)),
            };
            notes.push(format!("{} is no whole register step: {} is written", say(asked), say(given)));
        }
        let valued = matches!(setting.verb.aspect(), Aspect::Power | Aspect::Setpoint);
        if valued && !lowered.stays && span.end.is_some() {
            may_stay(subject, &words)?;
        }
        let until = if !valued || lowered.stays {
            None
        } else {
            match profile.lease.kind {
                LeaseKind::Reversion if lowered.leased => Some(span.now.plus(seconds)),
                LeaseKind::Watchdog => watchdog.map(|seconds| span.now.plus(seconds)),
                LeaseKind::Heartbeat => Some(span.now),
                LeaseKind::Reversion | LeaseKind::None => None,
            }
        };
        let timer = profile.lease.timer.as_ref().filter(|_| lowered.leased);
        let mut same = true;
        for write in &lowered.writes {
            let found = ready
                .raws
                .get(&write.point)
                .ok_or_else(|| cannot(format!("its point `{}` is not implemented", write.point)))?;
            same &= found == &write.raw || Some(&write.point) == timer;
            // what an interrupted apply wrote is not proved yet, even where it reads right
            same &= !originals.contains_key(&write.point);
        }
        let form = lowered.form.unwrap_or(Form::Fixed);
        let held = lowered.value_point.as_deref().zip(lowered.value.as_ref());
        same &= held.is_none_or(|(point, value)| cut(subject, ready, point, form, value).is_none());
        // a value that would lapse too early is written again although it reads the same
        let renewed =
            lowered.leased && !standing.iter().any(|old| old.words == words && span.outlasted_by(old.until));
        if !same || renewed {
            asked.extend(lowered.writes.iter().cloned());
        }
        let kept_until = if same && !renewed {
            match standing.iter().find(|old| old.words == words).map(|old| old.until) {
                // what is in effect although its time was over is kept by whatever speaks to the device
                Some(Some(kept)) if kept > span.now => Some(kept),
                Some(None) => None,
                _ => until,
            }
        } else {
            until
        };
        for write in &lowered.writes {
            after.insert(write.point.clone(), write.raw);
        }
        stands.push(Standing {
            cells: lowered
                .writes
                .iter()
                .filter(|write| Some(&write.point) != timer)
                .map(|write| (write.point.clone(), write.raw))
                .collect(),
            words: words.clone(),
            value: lowered.value_point.clone().zip(lowered.value.clone()),
            until: kept_until,
            safety: span.safety,
            because: Vec::new(),
        });
        if setting.verb.aspect() == Aspect::Power || (valued && commanded.is_none()) {
            commanded = Some(Commanded {
                verb: setting.verb,
                form: lowered.form.unwrap_or(Form::Fixed),
                value: lowered.value.unwrap_or(Rat::ZERO),
                point: lowered.value_point,
            });
        }
        asked_words.push(words);
    }
    // where the device listens for a beat there is one with every apply, whatever else it holds
    let beats = settings.iter().any(|s| matches!(s.verb.aspect(), Aspect::Power | Aspect::Setpoint));
    let beat = heartbeat(subject, ready).filter(|_| beats || !asked.is_empty());
    // a guard that somebody loosened is tightened again, whatever else already stands
    if !asked.is_empty() || beat.is_some() || !guards.is_empty() {
        guards.extend(beat);
        let armed = guards.iter().map(|(point, raw)| PointWrite { point: point.clone(), raw: *raw });
        asked.splice(0..0, armed.collect::<Vec<_>>());
        if span.end.is_some() {
            within_budget(subject, &asked, &known.writes)?;
        }
    }
    // what safety commanded stands beside it, where nothing now overwrites it
    let overwritten =
        |old: &Standing| old.cells.iter().any(|(point, _)| after.get(point) != ready.raws.get(point));
    let beside = standing.iter().filter(|old| {
        old.safety && !overwritten(old) && !stands.iter().any(|new: &Standing| new.cells == old.cells)
    });
    let beside: Vec<Standing> = beside.cloned().collect();
    stands.extend(beside);

    let after_found = profile.decode(&after, &ready.context);
    towards_safety(subject, &ready.found, &after_found)?;
    let before = subject.claim(&ready.found, None);
    let cells = |writes: &[PointWrite]| -> Vec<Cell> {
        writes
            .iter()
            .map(|write| Cell {
                point: write.point.clone(),
                old: originals
                    .get(&write.point)
                    .or_else(|| ready.raws.get(&write.point))
                    .copied()
                    .unwrap_or(write.raw),
                new: write.raw,
                via: Vec::new(),
                guard: guards.iter().any(|(point, _)| *point == write.point),
            })
            .collect()
    };
    let after_words = asked_words.join(", ");
    let writing = (!asked.is_empty()).then(|| DeviceChange {
        device: subject.name.clone(),
        cells: cells(&asked),
        words: format!("{} -> {after_words}", words(&ready.found)),
    });
    let mut under_way = before.or(&subject.claim(&after_found, None));
    if let Some(change) = &writing {
        for found in passing(subject, ready, &change.cells).map_err(cannot)? {
            under_way = under_way.or(&subject.claim(&found, None));
        }
    }
    Ok(Change {
        device: subject.name.clone(),
        gateway: subject.gateway.clone(),
        writing,
        standing: stands,
        commanded,
        dead: after_found.connected == Some(false) || after_found.on == Some(false),
        before_words: words(&ready.found),
        after_words,
        step: Move {
            change: 0,
            large: false,
            legs: vec![Leg {
                device: subject.name.clone(),
                before,
                after: subject.claim(&after_found, None),
                under_way,
            }],
        },
        notes,
    })
}

/// The value in effect, where a device that is on shows another than its register holds: a watchdog has
/// cut it, and it must be written again.
#[must_use]
pub fn cut(subject: &Subject, ready: &Ready, point: &str, form: Form, value: &Rat) -> Option<Rat> {
    let dead = ready.found.connected == Some(false) || ready.found.on == Some(false);
    let shown = subject.profile.in_effect(point, form, value, &ready.raws, &ready.context);
    shown.filter(|_| !dead)?.err()
}

/// A device that safety had taken off its bus or switched off, and that is commanded again or handed
/// back, joins again: last, with its limits in place.
pub fn rejoin(settings: &mut Vec<Setting>, subject: &Subject, ready: &Ready, standing: &[Standing]) {
    let ours = |verb: Verb| {
        let words = setting_words(verb, None, None);
        standing.iter().any(|old| old.safety && old.words == words)
    };
    let has = |verb: Verb| subject.profile.commands.iter().any(|case| case.verb == verb);
    for (gone, leave, join) in [
        (ready.found.connected == Some(false), Verb::Disconnect, Verb::Connect),
        (ready.found.on == Some(false), Verb::Off, Verb::On),
    ] {
        let named = settings.iter().any(|setting| setting.verb == leave || setting.verb == join);
        if gone && !named && ours(leave) && has(join) {
            settings.push(Setting { verb: join, form: None, value: None });
        }
    }
}

/// A `life_safety` device moves only towards its safe state, whoever asks (semantics.md 22).
///
/// # Errors
/// It would be moved away from it.
pub fn towards_safety(subject: &Subject, now: &Found, then: &Found) -> Result<(), Excluded> {
    let Some(safe_on) = subject.family.life_safety else { return Ok(()) };
    let most = |found: &Found| {
        let claim = subject.claim(found, None);
        Rat::max_of(&claim.lo.abs(), &claim.hi.abs())
    };
    // a device that shows nothing of it is taken as not switched off
    let live = |shown: Option<bool>| shown != Some(false);
    let (on, on_then) = (live(now.on) && live(now.connected), live(then.on) && live(then.connected));
    let (power, power_then) = (most(now), most(then));
    let away = match safe_on {
        true => (on && !on_then) || power_then < power,
        false => (!on && on_then) || power_then > power,
    };
    if !away {
        return Ok(());
    }
    let state = if safe_on { "on" } else { "off" };
    let reason = format!(
        "it is declared `life_safety {state}` and moves only towards that, not from `{}` to `{}`",
        words(now),
        words(then)
    );
    Err(Excluded { code: codes::LIFE_SAFETY, reason })
}

/// A point without a lease takes only values that are safe to stay (or a device that is declared to
/// stay anywhere: `fail_safe .. by none`).
fn may_stay(subject: &Subject, words: &str) -> Result<(), Excluded> {
    let anywhere = subject.family.fail_safe.as_ref().is_some_and(|safe| safe.by == FailSafeBy::None);
    if subject.profile.lease.kind != LeaseKind::None || anywhere {
        return Ok(());
    }
    let reason = format!(
        "`{words}` would stay for ever: its profile has no lease and does not call the value safe to stay"
    );
    Err(Excluded { code: codes::STAYS_FOR_EVER, reason })
}

/// The next beat, where the device listens for one: it comes before the setpoints that it guards.
fn heartbeat(subject: &Subject, ready: &Ready) -> Option<(String, i64)> {
    let lease = &subject.profile.lease;
    let counter = lease.counter.as_ref().filter(|_| lease.kind == LeaseKind::Heartbeat)?;
    let now = ready.raws.get(counter).copied().unwrap_or(0);
    Some((counter.clone(), if (0..0x7FFF).contains(&now) { now + 1 } else { 0 }))
}

/// Whether the memory of the device bears these writes and those of an undo.
fn within_budget(
    subject: &Subject,
    asked: &[PointWrite],
    written: &BTreeMap<String, u32>,
) -> Result<(), Excluded> {
    for write in asked {
        let most = subject.profile.point(&write.point).and_then(|point| point.writes_per_day);
        let done = written.get(&write.point).copied().unwrap_or(0);
        if let Some(most) = most
            && done.saturating_add(2) > most
        {
            let reason = format!(
                "`{}` was written {done} times in the last day, and its memory bears {most} with one kept for an undo",
                write.point
            );
            return Err(Excluded { code: codes::WRITE_BUDGET, reason });
        }
    }
    Ok(())
}

/// The guards that must be tightened before a power or a setpoint is commanded.
fn guards(subject: &Subject, ready: &Ready, settings: &[Setting]) -> Result<Vec<(String, i64)>, Excluded> {
    let mut tight = Vec::new();
    if !settings.iter().any(|s| matches!(s.verb.aspect(), Aspect::Power | Aspect::Setpoint)) {
        return Ok(tight);
    }
    for guard in &subject.profile.arm {
        let excluded = |reason: String| Excluded { code: codes::WRONG_DEVICE, reason };
        let found = ready
            .raws
            .get(&guard.point)
            .ok_or_else(|| excluded(format!("its guard `{}` is not implemented", guard.point)))?;
        let raw = subject
            .profile
            .tightened(guard, *found, &subject.fail_safe, &ready.context)
            .map_err(|error| excluded(error.to_string()))?;
        if let Some(raw) = raw {
            tight.push((guard.point.clone(), raw));
        }
    }
    Ok(tight)
}

/// Every state that the device's registers pass through, frame by frame, there and back.
fn passing(subject: &Subject, ready: &Ready, cells: &[Cell]) -> Result<Vec<Found>, String> {
    let mut states = Vec::new();
    let mut raws = ready.raws.clone();
    let frames = ready.map.frames(&subject.profile, &forward(cells)).map_err(|barred| barred.to_string())?;
    for frame in &frames {
        for write in frame.writes() {
            raws.insert(write.point.clone(), write.raw);
        }
        states.push(subject.profile.decode(&raws, &ready.context));
    }
    for frame in frames.iter().rev() {
        for write in frame.writes() {
            if let Some(cell) = cells.iter().find(|cell| cell.point == write.point && !cell.guard) {
                raws.insert(cell.point.clone(), cell.old);
            }
        }
        states.push(subject.profile.decode(&raws, &ready.context));
    }
    Ok(states)
}

/// The writes of a change, in order.
#[must_use]
pub fn forward(cells: &[Cell]) -> Vec<PointWrite> {
    cells.iter().map(|cell| PointWrite { point: cell.point.clone(), raw: cell.new }).collect()
}
