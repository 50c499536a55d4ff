//! What an apply that was killed left open, and how it is brought back.

use std::collections::{BTreeMap, BTreeSet};

use super::watch::Live;
use crate::calendar::Instant;
use crate::diag::{Diagnostic, ExitCode, codes};
use crate::runtime::execute::Done;
use crate::runtime::journal::{Journal, Outcome, Record, Unfinished};
use crate::runtime::probe::{Probed, Subject};
use crate::runtime::report::Report;
use crate::runtime::undo::undo;

/// Brings back what an interrupted apply of another plan or step left behind. Whether the state of a
/// device is lost; `None`: there was nothing to bring back.
pub(super) async fn undo_leftovers(
    journal: &Journal<'_>,
    now: Instant,
    left: &Unfinished,
    subjects: &[Subject],
    probed: &Probed,
    live: &Live,
    report: &mut Report,
) -> Result<Option<bool>, Box<Diagnostic>> {
    let mut lost = false;
    for (gateway, devices) in left.open.iter().rev() {
        journal.append(now, vec![Record::Undo { gateway: gateway.clone() }])?;
        let mut outcomes = BTreeMap::new();
        for device in devices.iter().rev() {
            let subject = subjects.iter().find(|subject| subject.name == device.device);
            let ready = probed.get(&device.device).and_then(|probed| probed.as_ref().ok());
            let ready = ready.filter(|ready| ready.barred.is_none());
            let done = match (subject, ready) {
                _ if live.demanded.contains_key(&device.device) => {
                    Done::new(Outcome::Left, "it stays as the safety class commands it")
                }
                (Some(subject), Some(ready)) => undo(subject, ready, device).await,
                _ => Done::new(Outcome::Unknown, "it takes no part now"),
            };
            if done.outcome == Outcome::Unknown {
                lost = true;
                report.find(
                    codes::STATE_UNKNOWN,
                    format!("`{}` could not be undone: {}", device.device, done.words),
                );
            }
            report.note(format!("{}: {}", device.device, done.words));
            report.registers_written += done.registers;
            outcomes.insert(device.device.clone(), done.outcome);
        }
        journal.append(
            now,
            vec![Record::Result { gateway: gateway.clone(), devices: outcomes, held: BTreeMap::new() }],
        )?;
    }
    journal.append(now, vec![Record::End { exit: ExitCode::Undone.number() }])?;
    Ok(left.open.iter().any(|(_, devices)| !devices.is_empty()).then_some(lost))
}

/// The devices to be asked: those of the plan, and those that an interrupted apply left open.
pub(super) fn with_leftovers(asked: &[Subject], all: &[Subject], left: Option<&Unfinished>) -> Vec<Subject> {
    let open: BTreeSet<&str> = left
        .iter()
        .flat_map(|left| &left.open)
        .flat_map(|(_, devices)| devices)
        .map(|device| device.device.as_str())
        .collect();
    let known = |name: &str| asked.iter().any(|subject| subject.name == name);
    let more = all.iter().filter(|subject| open.contains(subject.name.as_str()) && !known(&subject.name));
    asked.iter().chain(more).cloned().collect()
}
