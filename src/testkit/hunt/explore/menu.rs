//! Which steps can happen in a state?

use std::vec::Vec;

use super::super::job::Job;
use super::super::play::Play;
use super::super::schedule::{Pick, Sight, Step};
use super::super::world::World;
use super::key::WAIT;
use super::scope::{Left, Scope};
use crate::model::ids::WorkerId;
use crate::snapshot::Placement;

/// An age that no saved state has.
const FROM_NOTHING: usize = 1_000;

/// A step that can happen, and how much may go wrong after it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Choice {
    pub(super) step: Step,
    pub(super) left: Left,
}

/// Every step that changes anything.
pub(super) fn of(play: &Play, left: Left, scope: &Scope) -> Vec<Choice> {
    let mut regular = Vec::from([Step::Wait(WAIT), Step::Tick(Sight::default())]);
    let mut faults = Vec::new();
    sights(play, &mut regular, &mut faults);
    for job in &play.world.jobs {
        messages(job, &mut regular, &mut faults);
        work(job, &play.world, &mut regular, &mut faults);
    }
    for machine in &play.world.machines {
        if machine.is_alive {
            faults.push(Step::Crash(machine.worker.id));
        } else {
            regular.push(Step::Return(machine.worker.id));
        }
    }
    let mut choices: Vec<Choice> = regular.into_iter().map(|step| Choice { step, left }).collect();
    let Some(fewer) = left.faults.checked_sub(1) else { return choices };
    // Without a limit the number does not distinguish states.
    let faults_left = if left.faults == usize::MAX { usize::MAX } else { fewer };
    let after = Left { faults: faults_left, ..left };
    choices.extend(faults.into_iter().map(|step| Choice { step, left: after }));
    if let Some(restarts) = left.restarts.checked_sub(1) {
        let ages = (0..play.saves.len().min(scope.saves)).chain([FROM_NOTHING]);
        let after = Left { restarts, ..after };
        choices.extend(ages.map(|age| Choice { step: Step::Restart(age), left: after }));
    }
    choices
}

fn sights(play: &Play, regular: &mut Vec<Step>, faults: &mut Vec<Step>) {
    if play.world.jobs.iter().any(|job| !job.mail.is_empty()) {
        regular.push(Step::Tick(Sight { riding: true, ..Sight::default() }));
    }
    let partial = Sight { partial: true, ..Sight::default() };
    for at in 0..play.world.machines.len() {
        faults.push(Step::Tick(Sight { hides_workers: 1 << at, ..partial }));
    }
    for at in 0..play.world.jobs.len() {
        faults.push(Step::Tick(Sight { hides_tasks: 1 << at, ..partial }));
    }
    if play.kept.is_some() {
        regular.push(Step::Show);
    } else {
        faults.push(Step::Look(Sight::default()));
    }
}

fn messages(job: &Job, regular: &mut Vec<Step>, faults: &mut Vec<Step>) {
    let id = job.task.id;
    if !job.post.is_empty() {
        regular.push(Step::Deliver(id));
        faults.push(Step::Lose(id));
    }
    if job.last_letter.is_some() {
        faults.push(Step::Repeat(id));
    }
    if !job.mail.is_empty() {
        regular.push(Step::Tell(id, Pick::Oldest));
        faults.extend([Step::Tell(id, Pick::Twice), Step::Drop(id)]);
    }
    if job.mail.len() > 1 {
        faults.push(Step::Tell(id, Pick::Newest));
    }
}

fn work(job: &Job, world: &World, regular: &mut Vec<Step>, faults: &mut Vec<Step>) {
    let id = job.task.id;
    if !job.orders.is_empty() {
        regular.push(Step::Work(id));
        faults.extend([Step::Refuse(id), Step::Fail(id)]);
    }
    if !job.runs.is_empty() {
        faults.push(Step::End(id));
    }
    match job.task.placement {
        Placement::Unplaced if !job.has_ended => {
            let alive = world.machines.iter().filter(|machine| machine.is_alive);
            let starts = alive.map(|machine| machine.worker.id);
            regular.extend(starts.map(|worker: WorkerId| Step::Start(id, worker)));
        }
        Placement::Moving { .. } if !job.has_ended => faults.push(Step::Abort(id)),
        _ => {}
    }
}
