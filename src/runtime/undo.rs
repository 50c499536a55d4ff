//! The way back: what one device held before, where it still holds what is ours.

use std::collections::{BTreeMap, BTreeSet};

use tokio::time::{Instant, sleep};

use super::change::{forward, towards_safety};
use super::endpoint::Priority;
use super::execute::{Done, LOOK, PATIENCE, Work, confirm, send_all};
use super::journal::{Cell, DeviceChange, Outcome};
use super::probe::{Ready, Subject, still_there};
use super::session::Fault;
use crate::bundle::profile::PointWrite;

/// Brings one device back where its registers still hold our values, in the order of the writes
/// backwards. Guards stay tightened.
pub async fn undo(subject: &Subject, ready: &Ready, change: &DeviceChange) -> Done {
    let profile = &subject.profile;
    if let Ok(false) = still_there(subject, ready).await {
        return Done::new(Outcome::Left, "another device answers in its place and is left as found");
    }
    let cells: Vec<Cell> =
        change.cells.iter().filter(|cell| !cell.guard && cell.old != cell.new).cloned().collect();
    let points: BTreeSet<&str> = cells.iter().map(|cell| cell.point.as_str()).collect();
    let start = Instant::now();
    let now = loop {
        match ready.map.read(&points).await {
            Ok(raws) => break raws,
            Err(fault) if start.elapsed() > PATIENCE || matches!(fault, Fault::GivenUp(_)) => {
                return Done::silence(&fault);
            }
            Err(_) => sleep(LOOK).await,
        }
    };
    let timer = profile.lease.timer.as_deref();
    let ours = |cell: &&Cell| {
        let value = now.get(&cell.point).copied();
        value == Some(cell.new)
            || value.is_some_and(|value| cell.via.contains(&value))
            || (timer == Some(cell.point.as_str()) && value != Some(cell.old))
    };
    let foreign: Vec<&str> = cells
        .iter()
        .filter(|cell| !ours(cell) && now.get(&cell.point) != Some(&cell.old))
        .map(|cell| cell.point.as_str())
        .collect();
    let back: Vec<Cell> = cells.iter().filter(ours).cloned().collect();
    let mut there = ready.raws.clone();
    there.extend(now.clone());
    let mut then = there.clone();
    then.extend(back.iter().map(|cell| (cell.point.clone(), cell.old)));
    let found = |raws: &BTreeMap<String, i64>| profile.decode(raws, &ready.context);
    if let Err(excluded) = towards_safety(subject, &found(&there), &found(&then)) {
        return Done::new(Outcome::Left, excluded.reason);
    }
    let frames = match ready.map.frames(profile, &forward(&back)) {
        Ok(frames) => frames,
        Err(barred) => return Done::new(Outcome::Left, barred.to_string()),
    };
    let mut registers = 0;
    for frame in frames.iter().rev() {
        let old = |point: &str| back.iter().find(|cell| cell.point == point).map(|cell| cell.old);
        let writes: Vec<_> = frame
            .writes()
            .iter()
            .filter_map(|write| Some(PointWrite { point: write.point.clone(), raw: old(&write.point)? }))
            .collect();
        let returned = DeviceChange {
            device: change.device.clone(),
            cells: back
                .iter()
                .map(|c| Cell { old: c.new, new: c.old, via: Vec::new(), ..c.clone() })
                .collect(),
            words: String::new(),
        };
        let work = Work {
            subject: subject.clone(),
            ready: ready.clone(),
            change: returned,
            commanded: None,
            dead: false,
        };
        let frames = match ready.map.frames(profile, &writes) {
            Ok(frames) => frames,
            Err(barred) => return Done::new(Outcome::Left, barred.to_string()),
        };
        match send_all(&work, &frames, Priority::Ordinary, PATIENCE).await {
            Ok(count) => registers += count,
            Err(done) => return Done { outcome: Outcome::Unknown, ..done },
        }
    }
    let returned = Work {
        subject: subject.clone(),
        ready: ready.clone(),
        change: DeviceChange {
            device: change.device.clone(),
            cells: back
                .iter()
                .map(|c| Cell { old: c.new, new: c.old, via: Vec::new(), ..c.clone() })
                .collect(),
            words: String::new(),
        },
        commanded: None,
        dead: false,
    };
    sleep(returned.settle()).await;
    let mut done = confirm(&returned, PATIENCE).await;
    done.registers = registers;
    match done.outcome {
        Outcome::Done if foreign.is_empty() => {
            Done { outcome: Outcome::Undone, words: "brought back".to_owned(), ..done }
        }
        Outcome::Done => Done {
            outcome: Outcome::Left,
            words: format!("`{}` holds what evl did not write, and is left as found", foreign.join("`, `")),
            ..done
        },
        _ => Done { outcome: Outcome::Unknown, ..done },
    }
}
