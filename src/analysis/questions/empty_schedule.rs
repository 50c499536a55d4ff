//! EVL0502: a named schedule that holds at no instant of `valid`, or a daily window that vanishes
//! on a day on which the clock is set forward.

use crate::analysis::encode::World;
use crate::analysis::formula::Formula;
use crate::calendar::Instant;
use crate::diag::{Diagnostic, codes};
use crate::ir::{CivilInstant, Days, Sched};

/// Asks the question of every named schedule.
pub(crate) fn ask(world: &mut World) -> Vec<Diagnostic> {
    let site = world.site;
    let mut findings = Vec::new();
    for schedule in &site.schedules {
        if world.during(&schedule.sched) == Formula::FALSE {
            findings.push(
                Diagnostic::warning(
                    codes::EMPTY_SCHEDULE,
                    schedule.span,
                    format!("schedule `{}` holds at no instant of `valid`", schedule.name),
                )
                .help("check its days against `valid` and the holidays"),
            );
            continue;
        }
        let mut windows = Vec::new();
        leaves(&schedule.sched, &mut windows);
        for (window, days) in windows {
            if let Some(day) = vanishes(world, window, days) {
                findings.push(
                    Diagnostic::warning(
                        codes::EMPTY_SCHEDULE,
                        schedule.span,
                        format!("a window of schedule `{}` vanishes on {day}", schedule.name),
                    )
                    .because("the clock is set forward over it on that day")
                    .help("begin it before the clock change or end it after"),
                );
            }
        }
    }
    findings
}

fn leaves<'s>(sched: &'s Sched, found: &mut Vec<(&'s Sched, &'s Days)>) {
    match sched {
        Sched::Window { days, .. } => found.push((sched, days)),
        Sched::And(parts) | Sched::Or(parts) => parts.iter().for_each(|part| leaves(part, found)),
        Sched::Except(all, _) => leaves(all, found),
        _ => {}
    }
}

/// The first day on which the window should be and is not.
fn vanishes(world: &World, window: &Sched, days: &Days) -> Option<String> {
    let calendar = world.atoms.calendar();
    let (from, to) = calendar.valid();
    for change in calendar.clock_changes(from, to) {
        let (date, ..) = calendar.civil(change);
        let noon = calendar.instant(CivilInstant { date, second_of_day: 43_200, second: false }).ok()?;
        let start = calendar.day_start(date);
        let selected = calendar.contains(&Sched::Days(days.clone()), noon);
        let first_day = calendar.windows(window, start, Instant(start.0 + 86_400 - 3600));
        if selected && first_day.is_empty() {
            return Some(date.to_string());
        }
    }
    None
}
