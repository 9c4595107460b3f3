//! Which step comes next, if chance decides?

use std::vec::Vec;

use super::dice::Dice;
use super::job::Job;
use super::schedule::{Pick, Sight, Step};
use super::world::World;
use crate::model::ids::{TaskId, WorkerId};
use crate::snapshot::{Placement, Stance};

/// What goes wrong in a schedule: each schedule has faults of some kinds only, so that rare ones get their turn.
#[derive(Clone, Debug)]
pub(super) struct Faults {
    pub(super) dice: Dice,
    steps: usize,
    has: [bool; 14],
}

/// Indices into [`Faults::has`].
const LOSE: usize = 0;
const REPEAT: usize = 1;
const REFUSE: usize = 2;
const FAIL: usize = 3;
const MIX: usize = 4;
const DROP: usize = 5;
const ABORT: usize = 6;
const CRASH: usize = 7;
const STANCE: usize = 8;
const RESTART: usize = 9;
const PARTIAL: usize = 10;
const STALE: usize = 11;
const MISS: usize = 12;
const END: usize = 13;

impl Faults {
    pub(super) fn new(mut dice: Dice) -> Self {
        let percent = dice.pick(&[0, 15, 30, 60]).unwrap_or(0);
        let has = core::array::from_fn(|_| dice.chance(percent));
        let steps = 10 + dice.below(90);
        Self { dice, steps, has }
    }

    /// The next step; `None` once there were enough.
    pub(super) fn next(&mut self, world: &World) -> Option<Step> {
        self.steps = self.steps.checked_sub(1)?;
        let urn = self.urn(world);
        let total: usize = urn.iter().map(|&(weight, _)| weight).sum();
        let mut nth = self.dice.below(total);
        for (weight, step) in urn {
            if nth < weight {
                return Some(step);
            }
            nth -= weight;
        }
        None
    }

    /// What may happen, each with its weight.
    fn urn(&mut self, world: &World) -> Vec<(usize, Step)> {
        let mut urn = Vec::new();
        let waits = [1_000, 5_000, 30_000, 30_000, 61_000, 130_000, 310_000];
        urn.push((8, Step::Wait(self.dice.pick(&waits).unwrap_or(30_000))));
        let sight = self.sight();
        urn.push((12, Step::Tick(sight)));
        if self.has[STALE] {
            urn.extend([(4, Step::Look(sight)), (6, Step::Show)]);
        }
        self.messages(world, &mut urn);
        self.workers(world, &mut urn);
        if let Some(task) = self.task(world, |_| true) {
            let permille = self.dice.pick(&[200, 700, 1_000, 1_000, 1_200]).unwrap_or(1_000);
            urn.push((3, Step::Load(task, permille)));
            self.maybe(END, &mut urn, (1, Step::End(task)));
        }
        if self.has[RESTART] {
            urn.push((2, Step::Restart(self.dice.below(8))));
        }
        urn
    }

    fn sight(&mut self) -> Sight {
        let mut sight = Sight { riding: self.dice.chance(30), ..Sight::default() };
        if self.has[PARTIAL] && self.dice.chance(50) {
            sight.partial = true;
            sight.hides_workers = self.dice.few_bits();
            sight.hides_tasks = self.dice.few_bits();
        } else if self.has[MISS] && self.dice.chance(50) {
            sight.misses = self.dice.few_bits();
        }
        sight
    }

    fn messages(&mut self, world: &World, urn: &mut Vec<(usize, Step)>) {
        if let Some(task) = self.task(world, |job| !job.post.is_empty()) {
            urn.push((20, Step::Deliver(task)));
            self.maybe(LOSE, urn, (3, Step::Lose(task)));
        }
        if let Some(task) = self.task(world, |job| job.last_letter.is_some()) {
            self.maybe(REPEAT, urn, (3, Step::Repeat(task)));
        }
        if let Some(task) = self.task(world, |job| !job.orders.is_empty()) {
            urn.push((20, Step::Work(task)));
            self.maybe(REFUSE, urn, (6, Step::Refuse(task)));
            self.maybe(FAIL, urn, (6, Step::Fail(task)));
        }
        if let Some(task) = self.task(world, |job| !job.mail.is_empty()) {
            urn.push((20, Step::Tell(task, Pick::Oldest)));
            self.maybe(MIX, urn, (8, Step::Tell(task, Pick::Newest)));
            self.maybe(MIX, urn, (4, Step::Tell(task, Pick::Twice)));
            self.maybe(DROP, urn, (4, Step::Drop(task)));
        }
        let is_moving = |job: &Job| matches!(job.task.placement, Placement::Moving { .. });
        if let Some(task) = self.task(world, is_moving) {
            self.maybe(ABORT, urn, (3, Step::Abort(task)));
        }
    }

    fn workers(&mut self, world: &World, urn: &mut Vec<(usize, Step)>) {
        let alive: Vec<WorkerId> = machines(world, true);
        let dead: Vec<WorkerId> = machines(world, false);
        if let Some(worker) = self.dice.pick(&alive) {
            self.maybe(CRASH, urn, (2, Step::Crash(worker)));
            let stances = [Stance::Accept, Stance::Accept, Stance::Hold, Stance::Drain];
            let stance = self.dice.pick(&stances).unwrap_or_default();
            self.maybe(STANCE, urn, (3, Step::Stance(worker, stance)));
            let unplaced = |job: &Job| job.task.placement == Placement::Unplaced;
            if let Some(task) = self.task(world, unplaced) {
                urn.push((5, Step::Start(task, worker)));
            }
        }
        if let Some(worker) = self.dice.pick(&dead) {
            urn.push((3, Step::Return(worker)));
        }
    }

    fn maybe(&self, fault: usize, urn: &mut Vec<(usize, Step)>, entry: (usize, Step)) {
        if self.has[fault] {
            urn.push(entry);
        }
    }

    fn task(&mut self, world: &World, of: impl Fn(&Job) -> bool) -> Option<TaskId> {
        let count = world.jobs.iter().filter(|job| of(job)).count();
        let nth = self.dice.below(count);
        world.jobs.iter().filter(|job| of(job)).nth(nth).map(|job| job.task.id)
    }
}

/// The workers that are alive, or those that are not.
fn machines(world: &World, alive: bool) -> Vec<WorkerId> {
    let machines = world.machines.iter().filter(|machine| machine.is_alive == alive);
    machines.map(|machine| machine.worker.id).collect()
}
