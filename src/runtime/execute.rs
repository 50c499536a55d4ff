//! Writing one gateway: frames, read-back, values in effect, measured powers.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::change::{Change, Commanded, amount, forward};
use super::endpoint::Priority;
use super::frames::Frame;
use super::journal::{Cell, DeviceChange, Outcome, Standing};
use super::probe::{Ready, Subject, in_effect_points, still_there};
use super::session::Fault;
use crate::bundle::profile::{Class, Direction, Form, Verb};
use crate::quantity::Rat;

/// How long an unknown outcome is looked into before it is reported as unknown.
pub(super) const PATIENCE: Duration = Duration::from_secs(3);
/// How long one run tries a safety write to a device that has answered.
pub const SAFETY_PATIENCE: Duration = Duration::from_secs(5);
/// Pause between two looks.
pub(super) const LOOK: Duration = Duration::from_millis(100);
/// Settling time of a point that declares none.
const SETTLE: Duration = Duration::from_millis(200);
/// How often one frame is sent at most.
const SENDS: u32 = 3;

/// To a device that is behind one that failed nothing was sent.
pub(super) const NOT_BEGUN: &str = "nothing was sent to it, because another device of its gateway failed";
/// A device was written, and one behind the same gateway failed.
pub(super) const GAVE_WAY: &str = "written, but another device of its gateway failed";

/// What came of one device, with words for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Done {
    /// what came of it
    pub outcome: Outcome,
    /// why, or what was seen
    pub words: String,
    /// registers that were written and confirmed
    pub registers: u32,
    /// what is to blame
    pub cause: Cause,
    /// raw values that the device made of what was written, by point
    pub held: BTreeMap<String, i64>,
}

/// What is to blame for an outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// the device itself
    Own,
    /// nobody answers
    Silence,
    /// another device, after this one was written
    Other,
    /// another device; to this one nothing was sent
    NotBegun,
}

impl Done {
    /// By the device itself.
    #[must_use]
    pub fn new(outcome: Outcome, words: impl Into<String>) -> Self {
        let held = BTreeMap::new();
        Self { outcome, words: words.into(), registers: 0, cause: Cause::Own, held }
    }

    /// Commands that stand, with what the device made of their values.
    pub(super) fn stands(&self, standing: &mut [Standing]) {
        for (point, raw) in standing.iter_mut().flat_map(|command| &mut command.cells) {
            if let Some(held) = self.held.get(point) {
                *raw = *held;
            }
        }
    }

    pub(super) fn silence(fault: &Fault) -> Self {
        Self { cause: Cause::Silence, ..Self::new(Outcome::Unknown, fault.to_string()) }
    }
}

/// One device to be written.
#[derive(Debug, Clone)]
pub struct Work {
    /// the device
    pub subject: Subject,
    /// its registers as found
    pub ready: Ready,
    /// what is changed
    pub change: DeviceChange,
    /// what must then be in effect
    pub commanded: Option<Commanded>,
    /// whether the device is then off its bus or switched off
    pub dead: bool,
}

impl Work {
    /// What of a change is to be written, if anything.
    #[must_use]
    pub fn of(subject: &Subject, ready: &Ready, change: &Change) -> Option<Self> {
        Some(Self {
            subject: subject.clone(),
            ready: ready.clone(),
            change: change.writing.clone()?,
            commanded: change.commanded.clone(),
            dead: change.dead,
        })
    }

    pub(super) fn settle(&self) -> Duration {
        let points = self.change.cells.iter().filter_map(|cell| self.subject.profile.point(&cell.point));
        points.filter_map(|point| point.settle.as_ref()).map(|q| seconds(&q.value)).max().unwrap_or(SETTLE)
    }
}

fn seconds(value: &Rat) -> Duration {
    let millis = (value * &Rat::int(1000)).ceil().to_i64().and_then(|ms| u64::try_from(ms).ok());
    Duration::from_millis(millis.unwrap_or(0).min(60_000))
}

/// Writes the devices of one gateway in order, reads them back after settling, and sees the powers
/// follow. After the first that fails, the rest is not begun.
///
/// What the safety class commands is written on whatever fails, and written again until it reads
/// back, as long as its patience lasts; the next apply begins with it again.
pub async fn write(works: Vec<Work>, priority: Priority) -> BTreeMap<String, Done> {
    let start = Instant::now();
    let mut done = write_once(&works, priority).await;
    while priority == Priority::Safety && start.elapsed() < SAFETY_PATIENCE {
        let is_done = |work: &&Work| done.get(&work.subject.name).is_some_and(|d| d.outcome == Outcome::Done);
        let rest: Vec<Work> = works.iter().filter(|work| !is_done(work)).cloned().collect();
        if rest.is_empty() {
            break;
        }
        sleep(LOOK).await;
        // whoever was given up meanwhile is tried again
        if let Some(work) = rest.first() {
            work.ready.map.endpoint().again().await;
        }
        done.extend(write_once(&rest, priority).await);
    }
    done
}

async fn write_once(works: &[Work], priority: Priority) -> BTreeMap<String, Done> {
    let mut done = BTreeMap::new();
    let mut written = Vec::new();
    let mut failed = false;
    let patience = PATIENCE;
    for work in works {
        let name = work.subject.name.clone();
        if failed && priority != Priority::Safety {
            done.insert(name, Done { cause: Cause::NotBegun, ..Done::new(Outcome::Failed, NOT_BEGUN) });
            continue;
        }
        let frames = match work.ready.map.frames(&work.subject.profile, &forward(&work.change.cells)) {
            Ok(frames) => frames,
            Err(barred) => {
                failed = true;
                done.insert(name, Done::new(Outcome::Failed, barred.to_string()));
                continue;
            }
        };
        // it may have been swapped since it was asked; where it does not say, the write itself will show
        if let Ok(false) = still_there(&work.subject, &work.ready).await {
            failed = true;
            done.insert(name, Done::new(Outcome::Failed, "another device answers in its place"));
            continue;
        }
        match send_all(work, &frames, priority, patience).await {
            Ok(registers) => written.push((work, registers)),
            Err(fault) => {
                failed = true;
                done.insert(name, fault);
            }
        }
    }
    if failed && priority != Priority::Safety {
        for (work, registers) in written {
            let other = Done { registers, cause: Cause::Other, ..Done::new(Outcome::Failed, GAVE_WAY) };
            done.insert(work.subject.name.clone(), other);
        }
        return done;
    }
    // no frame goes to any of the units while they settle: traffic would feed their watchdogs
    if let Some(longest) = written.iter().map(|(work, _)| work.settle()).max() {
        sleep(longest).await;
    }
    for (work, registers) in written {
        let mut result = confirm(work, patience).await;
        if result.outcome == Outcome::Done {
            result = Done { held: result.held, ..prove(work).await };
        }
        result.registers = registers;
        done.insert(work.subject.name.clone(), result);
    }
    done
}

/// Sends all frames of a device; the number of registers confirmed.
pub(super) async fn send_all(
    work: &Work,
    frames: &[Frame],
    priority: Priority,
    patience: Duration,
) -> Result<u32, Done> {
    let mut registers = 0;
    for frame in frames {
        send(work, frame, priority, patience).await?;
        registers += u32::try_from(frame.words().len()).unwrap_or(u32::MAX);
    }
    Ok(registers)
}

/// Sends one frame until it is known to have been carried out.
async fn send(work: &Work, frame: &Frame, priority: Priority, patience: Duration) -> Result<(), Done> {
    let start = Instant::now();
    let mut sends = 0;
    loop {
        sends += 1;
        let fault = match work.ready.map.send(frame, priority).await {
            Ok(()) => return Ok(()),
            Err(fault) => fault,
        };
        if matches!(fault, Fault::GivenUp(_)) {
            return Err(Done::silence(&fault));
        }
        let again = priority == Priority::Safety || sends < SENDS;
        let over = start.elapsed() > patience;
        if !fault.leaves_unknown() {
            if (fault.may_pass() || priority == Priority::Safety) && again && !over {
                sleep(LOOK).await;
                continue;
            }
            // an earlier frame may have got through before the gateway went away
            return Err(match fault.was_not_sent() {
                true => Done::silence(&fault),
                false => Done::new(Outcome::Failed, fault.to_string()),
            });
        }
        // nobody knows: look first, and send again only where the old value still stands
        match look(work, frame, start, patience).await {
            None => return Err(Done::silence(&fault)),
            Some(Seen::New) => return Ok(()),
            Some(Seen::Old) if again && !over => {}
            Some(Seen::Old) => {
                let words = format!("it does not take the value, and the old one still stands ({fault})");
                return Err(Done::new(Outcome::Failed, words));
            }
            Some(Seen::Made(held, words)) => return Err(Done { held, ..Done::new(Outcome::Failed, words) }),
            Some(Seen::Other(words)) => return Err(Done::new(Outcome::Failed, words)),
        }
    }
}

enum Seen {
    New,
    Old,
    /// what the device made of our values, by point
    Made(BTreeMap<String, i64>, String),
    Other(String),
}

async fn look(work: &Work, frame: &Frame, start: Instant, patience: Duration) -> Option<Seen> {
    let points: BTreeSet<&str> = frame.writes().iter().map(|write| write.point.as_str()).collect();
    loop {
        let read = work.ready.map.read(&points).await;
        if matches!(read, Err(Fault::GivenUp(_))) {
            return None;
        }
        if let Ok(raws) = read {
            let new = frame.writes().iter().all(|write| raws.get(&write.point) == Some(&write.raw));
            let cell = |point: &str| work.change.cells.iter().find(|cell| cell.point == point);
            let mut made = BTreeMap::new();
            let mut strange = None;
            for write in frame.writes() {
                let Some(now) = raws.get(&write.point) else { continue };
                let (cell, found) = (cell(&write.point), work.ready.raws.get(&write.point));
                if *now == write.raw || cell.is_some_and(|cell| cell.old == *now) || found == Some(now) {
                    continue;
                }
                if let Some(cell) = cell.filter(|cell| made_of(cell, found, *now)) {
                    made.insert(cell.point.clone(), *now);
                } else {
                    strange = Some(format!("`{}` holds {now}, which evl did not write", write.point));
                }
            }
            let limited = made.iter().next().and_then(|(point, now)| Some(limited_to(cell(point)?, *now)));
            return Some(match (new, strange, limited) {
                (true, ..) => Seen::New,
                (false, Some(words), _) => Seen::Other(words),
                (false, None, Some(words)) => Seen::Made(made, words),
                (false, None, None) => Seen::Old,
            });
        }
        if start.elapsed() > patience {
            return None;
        }
        sleep(LOOK).await;
    }
}

/// Reads back. Two mismatches make a failure, because registers may show a new value late.
pub(super) async fn confirm(work: &Work, patience: Duration) -> Done {
    let mut first = None;
    let start = Instant::now();
    loop {
        let mut seen = BTreeMap::new();
        match mismatch(work, &mut seen).await {
            Ok(None) => return Done { held: seen, ..Done::new(Outcome::Done, "verified") },
            Ok(Some(words)) => match first {
                Some(before) => {
                    // what came and went is nobody's limit
                    seen.retain(|point, raw| BTreeMap::get(&before, point) == Some(raw));
                    return Done { held: seen, ..Done::new(Outcome::Failed, words) };
                }
                None => {
                    first = Some(seen);
                    sleep(work.settle()).await;
                }
            },
            Err(fault) if start.elapsed() > patience || matches!(fault, Fault::GivenUp(_)) => {
                return Done::silence(&fault);
            }
            Err(_) => sleep(LOOK).await,
        }
    }
}

/// What is not as written, if anything: the value in effect first, then the registers. `seen` becomes
/// what the device made of values that it took.
async fn mismatch(work: &Work, seen: &mut BTreeMap<String, i64>) -> Result<Option<String>, Fault> {
    let (profile, context) = (&work.subject.profile, &work.ready.context);
    let mut raws = work.ready.map.read(&in_effect_points(profile)).await?;
    let cells: BTreeSet<&str> = work.change.cells.iter().map(|cell| cell.point.as_str()).collect();
    let guards = profile.arm.iter().map(|guard| guard.point.as_str());
    let rest: BTreeSet<&str> = cells.iter().copied().chain(guards).collect();
    raws.extend(work.ready.map.read(&rest).await?);
    let mut wrong = None;
    for cell in &work.change.cells {
        let now = raws.get(&cell.point).copied();
        let timer = profile.lease.timer.as_deref() == Some(cell.point.as_str());
        // a running timer may count down in its own register
        let counts_down = timer && now.is_some_and(|now| 0 < now && now <= cell.new);
        let tolerance = profile.point(&cell.point).and_then(|point| {
            let count = profile.count_value(&cell.point, context).ok()?;
            let unit = point.scale.clone().or_else(|| point.step.clone())?;
            point.tolerance.as_ref()?.checked_div(&unit).map(|counts| (counts, count))
        });
        // a heartbeat is counted on by the device or taken away
        if profile.lease.counter.as_deref() == Some(cell.point.as_str()) {
            continue;
        }
        let near = |now: i64| match &tolerance {
            Some((counts, _)) => Rat::int((now - cell.new).abs()) <= *counts,
            None => now == cell.new,
        };
        if counts_down {
            continue;
        }
        let close = now.is_some_and(near);
        let limited = now.filter(|now| made_of(cell, work.ready.raws.get(&cell.point), *now));
        let made = now.filter(|now| limited.is_some() || (close && *now != cell.new));
        seen.extend(made.map(|now| (cell.point.clone(), now)));
        if !close {
            let words = match (limited, now) {
                (Some(now), _) => limited_to(cell, now),
                (None, Some(now)) => format!("`{}` reads {now} after {} was written", cell.point, cell.new),
                (None, None) => format!("`{}` reads nothing after {} was written", cell.point, cell.new),
            };
            wrong = wrong.or(Some(words));
        }
    }
    if wrong.is_some() {
        return Ok(wrong);
    }
    if let Some(commanded) = &work.commanded
        && !work.dead
        && let Some(point) = &commanded.point
        && let Some(Err(shown)) = profile.in_effect(point, commanded.form, &commanded.value, &raws, context)
    {
        let say = |value: &Rat| amount(commanded.verb, value);
        return Ok(Some(format!(
            "the register holds {}, but {} is in effect",
            say(&commanded.value),
            say(&shown)
        )));
    }
    Ok(None)
}

/// Whether a value that is read back is what the device itself made of the one that was written. A device
/// that was within its limits before brings the new value towards the old one; whatever lies elsewhere
/// another has written.
fn made_of(cell: &Cell, found: Option<&i64>, now: i64) -> bool {
    let old = *found.unwrap_or(&cell.old);
    now != cell.new && now != old && (old.min(cell.new)..=old.max(cell.new)).contains(&now)
}

fn limited_to(cell: &Cell, now: i64) -> String {
    let Cell { point, new, .. } = cell;
    format!("the device keeps `{point}` at {now} after {new} was written, by a limit of its own")
}

/// Waits until the measured power follows.
async fn prove(work: &Work) -> Done {
    let profile = &work.subject.profile;
    let Some(effect) = &profile.effect else {
        return Done::new(Outcome::Done, "verified; nothing measures it");
    };
    let Some(measure) = profile.measures.get(&effect.measure) else {
        return Done::new(Outcome::Done, "verified; nothing measures it");
    };
    let rated = work.subject.ratings.get("power").cloned().unwrap_or(Rat::ZERO);
    let band = &rated * &effect.band.value;
    let start = Instant::now();
    let within = seconds(&effect.within.value);
    let mut seen = None;
    loop {
        let read = work.ready.map.read(&BTreeSet::from([measure.point.as_str()])).await;
        if let Err(fault @ Fault::GivenUp(_)) = &read {
            return Done::silence(fault);
        }
        let power = read.ok().and_then(|raws| {
            let raw = raws.get(&measure.point)?;
            profile.value_of(&measure.point, *raw, &work.ready.context).ok()
        });
        if let Some(power) = power {
            let gives = if measure.direction == Some(Direction::Consume) { -&power } else { power };
            if follows(work, &gives, &band) {
                return Done::new(
                    Outcome::Done,
                    format!("verified, {} kW measured", gives.abs().to_decimal(3)),
                );
            }
            seen = Some(gives);
        }
        if start.elapsed() > within {
            let words = match seen {
                Some(power) => {
                    format!("the measured power is {} kW and does not follow", power.to_decimal(3))
                }
                None => "its power cannot be measured any more".to_owned(),
            };
            return Done::new(Outcome::Failed, words);
        }
        sleep(LOOK).await;
    }
}

fn follows(work: &Work, gives: &Rat, band: &Rat) -> bool {
    if work.dead {
        return gives.abs() <= *band;
    }
    let Some(commanded) = &work.commanded else { return true };
    let takes = work.subject.profile.class == Class::Consumer;
    let expected = match commanded.verb {
        Verb::Charge => -&commanded.value,
        Verb::Power if takes => -&commanded.value,
        Verb::Power | Verb::Discharge | Verb::Idle => commanded.value.clone(),
        _ => return true,
    };
    match commanded.form {
        Form::Fixed => (gives - &expected).abs() <= *band,
        Form::AtMost => gives.abs() <= &expected.abs() + band,
        Form::AtLeast => &gives.abs() + band >= expected.abs(),
    }
}
