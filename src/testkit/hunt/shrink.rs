//! What is the shortest schedule that still breaks the same promise?

use std::collections::BTreeMap;
use std::string::String;
use std::vec::Vec;

use super::job::Breach;
use super::play::{Played, replay};
use super::schedule::{Kind, Schedule, Violation};

/// Counts a violation, and keeps the schedule with the fewest steps.
pub(super) fn keep(
    kinds: &mut BTreeMap<(Kind, String), (u64, Violation)>,
    schedule: Schedule,
    breach: Breach,
) {
    let Breach { kind, by, says } = breach;
    let violation = Violation { kind, by: by.clone(), says, schedule };
    let (times, kept) = kinds.entry((kind, by)).or_insert_with(|| (0, violation.clone()));
    *times += 1;
    if violation.schedule.steps.len() < kept.schedule.steps.len() {
        *kept = violation;
    }
}

/// Whether a schedule breaks this promise by this cause.
fn breaks(schedule: &Schedule, kind: Kind, by: &str) -> bool {
    replay(schedule, false).breach.is_some_and(|breach| breach.kind == kind && breach.by == by)
}

/// Deletes steps, tasks, workers and groups for as long as the same promise is broken by the same cause.
pub(super) fn shortest(mut schedule: Schedule, kind: Kind, by: &str) -> Schedule {
    loop {
        let before = size(&schedule);
        steps(&mut schedule, kind, by);
        records(&mut schedule, kind, by);
        if size(&schedule) == before {
            let Played { steps: taken, .. } = replay(&schedule, false);
            schedule.steps.truncate(taken.len());
            return schedule;
        }
    }
}

fn size(schedule: &Schedule) -> usize {
    let setup = &schedule.setup;
    schedule.steps.len() + setup.tasks.len() + setup.workers.len() + setup.groups.len()
}

/// Chunks of steps first, then single ones.
fn steps(schedule: &mut Schedule, kind: Kind, by: &str) {
    let mut chunk = schedule.steps.len().div_ceil(2);
    while chunk > 0 {
        let mut at = schedule.steps.len().saturating_sub(chunk);
        loop {
            let mut shorter = schedule.clone();
            let end = (at + chunk).min(shorter.steps.len());
            shorter.steps.drain(at.min(end)..end);
            if shorter.steps.len() < schedule.steps.len() && breaks(&shorter, kind, by) {
                *schedule = shorter;
            }
            if at == 0 {
                break;
            }
            at = at.saturating_sub(chunk);
        }
        chunk /= 2;
    }
}

fn records(schedule: &mut Schedule, kind: Kind, by: &str) {
    let setup = &schedule.setup;
    let counts = [setup.tasks.len(), setup.workers.len(), setup.groups.len()];
    for (what, &count) in counts.iter().enumerate() {
        for at in (0..count).rev() {
            let mut fewer = schedule.clone();
            match what {
                0 => {
                    let id = schedule.setup.tasks[at].id;
                    drop_at(&mut fewer.setup.tasks, at);
                    for group in &mut fewer.setup.groups {
                        group.members.retain(|&member| member != id);
                    }
                }
                1 => drop_at(&mut fewer.setup.workers, at),
                _ => drop_at(&mut fewer.setup.groups, at),
            }
            if breaks(&fewer, kind, by) {
                *schedule = fewer;
            }
        }
    }
}

fn drop_at<T>(list: &mut Vec<T>, at: usize) {
    if at < list.len() {
        list.remove(at);
    }
}
