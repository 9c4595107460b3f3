//! Who has which task: the coordinator's books.
//!
//! Every task has one [`Place`], its last known state, and a list of [`Stretch`]es: on which worker it ran from when
//! to when, by the workers' own clocks (one machine, one clock). At the end the books answer the two questions that
//! matter: is a task lost, and did one run in two places at once? The second is not inferred from the orders that
//! were given but from what the workers say they did, late and unwanted reports included.

use std::collections::BTreeMap;

use crate::plan::TaskPlan;
use crate::protocol::{Answer, Fence, Order};
use crate::work::Chain;

/// Where a task is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// Its state is with the coordinator; nobody runs it.
    Held,
    /// A worker has been told to run it.
    Starting(u64),
    /// A worker runs it.
    On(u64),
    /// A worker has been told to stop it and hand it back.
    Leaving(u64),
    /// It has done its last step.
    Finished,
}

/// What a message means for a task: news that the engine may have to hear.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum News {
    /// It runs where it was told to.
    Began,
    /// Its worker has stopped it and handed it back.
    Stopped,
    /// It is done.
    Finished,
    /// The worker did not do what it was told, for this reason.
    Refused(String),
}

/// A time in which a worker ran a task, in microseconds since the Unix epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stretch {
    pub(crate) worker: u64,
    pub(crate) fence: Fence,
    pub(crate) from: u64,
    /// Open as long as the worker has not said that it stopped.
    pub(crate) to: Option<u64>,
}

/// One task in the books.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) plan: TaskPlan,
    /// The step it ends at, if it is finite.
    pub(crate) last_step: Option<u64>,
    pub(crate) place: Place,
    /// The fence of its latest start.
    pub(crate) fence: Fence,
    /// Its last known state, as bytes.
    pub(crate) state: Vec<u8>,
    /// When that state was taken.
    pub(crate) state_at: u64,
    /// Where it ran, in the order in which the reports came in.
    pub(crate) stretches: Vec<Stretch>,
    /// How often a worker has reported its end.
    pub(crate) finishes: u64,
    use_now: Use,
    use_before: Use,
}

/// Processor time of a task on its present worker, as of a moment.
#[derive(Clone, Copy, Debug, Default)]
struct Use {
    at: u64,
    cpu_seconds: f64,
}

impl Entry {
    fn new(plan: &TaskPlan, steps_per_second: f64) -> Self {
        Self {
            plan: plan.clone(),
            last_step: plan.seconds.map(|seconds| steps(seconds * plan.demand * steps_per_second)),
            place: Place::Held,
            fence: 0,
            state: Chain::new(plan.seed, plan.kind.state_words).to_bytes(),
            state_at: 0,
            stretches: Vec::new(),
            finishes: 0,
            use_now: Use::default(),
            use_before: Use::default(),
        }
    }

    /// Cores used since the last call, by the worker's report; `None` while there is nothing to compare.
    pub(crate) fn take_cores(&mut self) -> Option<f64> {
        let micros =
            self.use_now.at.checked_sub(self.use_before.at).filter(|micros| *micros > 0)?;
        let seconds = self.use_now.cpu_seconds - self.use_before.cpu_seconds;
        self.use_before = self.use_now;
        Some((seconds * 1e6 / crate::number(micros)).max(0.0))
    }

    /// Steps in its last known state.
    pub(crate) fn steps(&self) -> Option<u64> {
        Chain::steps_in(&self.state)
    }

    /// How much of it is done, if it is finite.
    pub(crate) fn progress(&self) -> Option<f64> {
        Some(crate::number(self.steps()?) / crate::number(self.last_step?))
    }

    /// Whether its last known state is what a run without any move has after as many steps.
    pub(crate) fn is_correct(&self) -> bool {
        let expected = |steps| Chain::expected(self.plan.seed, self.plan.kind.state_words, steps);
        Chain::from_bytes(&self.state).is_some_and(|chain| chain == expected(chain.steps()))
    }

    /// Whether it was run in two places at once, or finished twice.
    pub(crate) fn ran_twice(&self) -> bool {
        let mut by_start = self.stretches.clone();
        by_start.sort_by_key(|stretch| stretch.from);
        let overlap =
            by_start.windows(2).any(|pair| pair[0].to.is_none_or(|end| pair[1].from < end));
        overlap || self.finishes > 1
    }

    /// Whether it is neither in somebody's hands nor done.
    pub(crate) fn is_lost(&self) -> bool {
        matches!(self.place, Place::Held | Place::Starting(_))
    }

    /// Opens a stretch, unless this start of the task is known already.
    fn open(&mut self, worker: u64, fence: Fence, at: u64) {
        if self.stretches.iter().all(|stretch| (stretch.worker, stretch.fence) != (worker, fence)) {
            self.stretches.push(Stretch { worker, fence, from: at, to: None });
        }
    }

    /// Closes the stretch of this start.
    fn shut(&mut self, worker: u64, fence: Fence, at: u64) {
        self.open(worker, fence, at);
        let of_start = |stretch: &&mut Stretch| (stretch.worker, stretch.fence) == (worker, fence);
        if let Some(stretch) = self.stretches.iter_mut().find(of_start) {
            stretch.to.get_or_insert(at);
        }
    }
}

/// A number of steps from a product of measured figures.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "far below 2^53, above 0"
)]
fn steps(product: f64) -> u64 {
    product.max(1.0) as u64
}

/// All tasks in the books, by number.
#[derive(Debug)]
pub(crate) struct Custody {
    entries: BTreeMap<u64, Entry>,
}

impl Custody {
    /// The planned tasks, all of them still with the coordinator.
    pub(crate) fn new(tasks: &[TaskPlan], steps_per_second: f64) -> Self {
        let entry = |task: &TaskPlan| (task.id, Entry::new(task, steps_per_second));
        Self { entries: tasks.iter().map(entry).collect() }
    }

    /// All tasks.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Entry> {
        self.entries.values()
    }

    /// All tasks, to be looked at with a change.
    pub(crate) fn all_mut(&mut self) -> impl Iterator<Item = &mut Entry> {
        self.entries.values_mut()
    }

    /// Where a task is; `None` if there is no such task.
    pub(crate) fn place(&self, task: u64) -> Option<Place> {
        self.entries.get(&task).map(|entry| entry.place)
    }

    /// The order, with its body, that starts a held task on a worker; `None` if it is not held.
    pub(crate) fn start(&mut self, task: u64, worker: u64) -> Option<(Order, Vec<u8>)> {
        let entry = self.entries.get_mut(&task).filter(|entry| entry.place == Place::Held)?;
        entry.fence += 1;
        entry.place = Place::Starting(worker);
        let order = Order::Run {
            task,
            fence: entry.fence,
            demand: entry.plan.demand,
            workspace_bytes: entry.plan.workspace_bytes,
            last_step: entry.last_step,
        };
        Some((order, entry.state.clone()))
    }

    /// The order that stops a task, and the worker to give it to; `None` if no worker runs it.
    pub(crate) fn release(&mut self, task: u64) -> Option<(u64, Order)> {
        let entry = self.entries.get_mut(&task)?;
        let Place::On(worker) = entry.place else { return None };
        entry.place = Place::Leaving(worker);
        Some((worker, Order::Release { task, fence: entry.fence }))
    }

    /// Notes what a worker says; returns the task it concerns and what that means, if it is news.
    pub(crate) fn note(
        &mut self,
        worker: u64,
        answer: Answer,
        body: Vec<u8>,
    ) -> Option<(u64, News)> {
        match answer {
            Answer::Ready => None,
            Answer::Running { task, fence, at } => self.began(worker, task, fence, at),
            Answer::Checkpoint { task, fence, at, cpu_seconds } => {
                self.checkpointed(worker, task, fence, Use { at, cpu_seconds }, body);
                None
            }
            Answer::Released { task, fence, at } => self
                .ended(worker, task, fence, at, body, Place::Held)
                .then_some((task, News::Stopped)),
            Answer::Finished { task, fence, at } => {
                self.entries.get_mut(&task)?.finishes += 1;
                self.ended(worker, task, fence, at, body, Place::Finished)
                    .then_some((task, News::Finished))
            }
            Answer::Refused { task, fence, why } => self.refused(worker, task, fence, why),
        }
    }

    /// Takes everything out of the hands of a worker that is gone; returns its tasks and where they were.
    ///
    /// `now` closes their stretches: the process has ended, so they did not run any longer.
    pub(crate) fn bury(&mut self, worker: u64, now: u64) -> Vec<(u64, Place)> {
        let mut orphans = Vec::new();
        for (&task, entry) in &mut self.entries {
            for stretch in entry.stretches.iter_mut().filter(|stretch| stretch.worker == worker) {
                stretch.to.get_or_insert(now);
            }
            let place = entry.place;
            if matches!(place, Place::Starting(at) | Place::On(at) | Place::Leaving(at) if at == worker)
            {
                entry.place = Place::Held;
                orphans.push((task, place));
            }
        }
        orphans
    }

    fn began(&mut self, worker: u64, task: u64, fence: Fence, at: u64) -> Option<(u64, News)> {
        let entry = self.entries.get_mut(&task)?;
        entry.open(worker, fence, at);
        if entry.fence != fence || entry.place != Place::Starting(worker) {
            return None;
        }
        entry.place = Place::On(worker);
        entry.use_now = Use { at, cpu_seconds: 0.0 };
        entry.use_before = entry.use_now;
        Some((task, News::Began))
    }

    fn checkpointed(&mut self, worker: u64, task: u64, fence: Fence, used: Use, body: Vec<u8>) {
        let Some(entry) = self.entries.get_mut(&task) else { return };
        entry.open(worker, fence, used.at);
        if entry.fence == fence {
            (entry.state, entry.state_at, entry.use_now) = (body, used.at, used);
        }
    }

    fn ended(
        &mut self,
        worker: u64,
        task: u64,
        fence: Fence,
        at: u64,
        body: Vec<u8>,
        place: Place,
    ) -> bool {
        let Some(entry) = self.entries.get_mut(&task) else { return false };
        entry.shut(worker, fence, at);
        if entry.fence != fence {
            return false;
        }
        (entry.state, entry.state_at, entry.place) = (body, at, place);
        true
    }

    fn refused(
        &mut self,
        worker: u64,
        task: u64,
        fence: Fence,
        why: String,
    ) -> Option<(u64, News)> {
        let entry = self.entries.get_mut(&task).filter(|entry| entry.fence == fence)?;
        entry.place = match entry.place {
            Place::Starting(at) if at == worker => Place::Held,
            Place::Leaving(at) if at == worker => Place::On(at),
            // It finished, or was handed back, before the order arrived.
            _ => return None,
        };
        Some((task, News::Refused(why)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::KINDS;
    use evenkeel::hardware::HardwareSet;

    fn custody() -> Custody {
        let task = TaskPlan {
            id: 1,
            seed: 5,
            kind: KINDS[0],
            demand: 0.1,
            workspace_bytes: 9,
            seconds: Some(2.0),
            priority: 1,
            all_of: HardwareSet::EMPTY,
            any_of: HardwareSet::EMPTY,
            power_efficient: false,
            home: 1,
        };
        Custody::new(&[task], 100.0)
    }

    fn entry(custody: &Custody) -> &Entry {
        custody.all().next().expect("the one task")
    }

    fn running(fence: Fence, at: u64) -> Answer {
        Answer::Running { task: 1, fence, at }
    }

    fn released(fence: Fence, at: u64) -> Answer {
        Answer::Released { task: 1, fence, at }
    }

    fn state(steps: u64) -> Vec<u8> {
        Chain::expected(5, KINDS[0].state_words, steps).to_bytes()
    }

    #[test]
    fn a_move_leaves_two_stretches_that_do_not_touch() {
        let mut books = custody();
        books.start(1, 1).expect("it is held");
        assert_eq!(books.note(1, running(1, 10), vec![]), Some((1, News::Began)));
        assert_eq!(books.release(1), Some((1, Order::Release { task: 1, fence: 1 })));
        assert_eq!(books.note(1, released(1, 20), state(7)), Some((1, News::Stopped)));
        let (order, body) = books.start(1, 2).expect("it is held again");
        assert!(matches!(order, Order::Run { task: 1, fence: 2, last_step: Some(20), .. }));
        assert_eq!(body, state(7));
        books.note(2, running(2, 30), vec![]);
        let entry = entry(&books);
        assert_eq!(entry.place, Place::On(2));
        assert_eq!(entry.stretches.len(), 2);
        assert!(entry.is_correct() && !entry.ran_twice() && !entry.is_lost());
    }

    #[test]
    fn a_worker_that_goes_on_with_a_task_it_gave_away_is_found_out() {
        let mut books = custody();
        books.start(1, 1);
        books.note(1, running(1, 10), vec![]);
        books.bury(1, 15);
        books.start(1, 2);
        books.note(2, running(2, 30), vec![]);
        assert!(!entry(&books).ran_twice(), "the first worker is dead");
        let ghost = Answer::Checkpoint { task: 1, fence: 1, at: 31, cpu_seconds: 0.1 };
        books.note(3, ghost, state(99));
        let entry = entry(&books);
        assert!(entry.ran_twice());
        assert_ne!(entry.state, state(99), "a checkpoint from before the move is not kept");
    }

    #[test]
    fn a_dead_worker_leaves_its_tasks_with_the_last_checkpoint() {
        let mut books = custody();
        books.start(1, 1);
        books.note(1, running(1, 10), vec![]);
        books.note(1, Answer::Checkpoint { task: 1, fence: 1, at: 12, cpu_seconds: 0.1 }, state(4));
        assert_eq!(books.bury(1, 20), [(1, Place::On(1))]);
        assert!(entry(&books).is_lost(), "as long as nobody runs it");
        let (_, body) = books.start(1, 2).expect("it is held");
        assert_eq!(body, state(4));
    }

    #[test]
    fn a_task_that_finishes_before_it_can_be_released_is_finished() {
        let mut books = custody();
        books.start(1, 1);
        books.note(1, running(1, 10), vec![]);
        books.release(1);
        let finished = Answer::Finished { task: 1, fence: 1, at: 20 };
        assert_eq!(books.note(1, finished.clone(), state(20)), Some((1, News::Finished)));
        let refused = Answer::Refused { task: 1, fence: 1, why: "gone".to_owned() };
        assert_eq!(books.note(1, refused, vec![]), None);
        assert!(entry(&books).is_correct() && !entry(&books).is_lost());
        books.note(1, finished, state(20));
        assert!(entry(&books).ran_twice(), "a second end counts");
    }

    #[test]
    fn a_refused_order_puts_the_task_back_where_it_was() {
        let mut books = custody();
        books.start(1, 1);
        let no = |fence| Answer::Refused { task: 1, fence, why: "no".to_owned() };
        assert_eq!(books.note(1, no(1), vec![]), Some((1, News::Refused("no".to_owned()))));
        assert_eq!(entry(&books).place, Place::Held);
        books.start(1, 1);
        books.note(1, running(2, 10), vec![]);
        books.release(1);
        assert_eq!(books.note(1, no(1), vec![]), None, "about an earlier start");
        books.note(1, no(2), vec![]);
        assert_eq!(entry(&books).place, Place::On(1));
    }

    #[test]
    fn the_use_of_a_task_is_a_rate_between_two_looks() {
        let mut books = custody();
        books.start(1, 1);
        books.note(1, running(1, 1_000_000), vec![]);
        let at = |at, cpu_seconds| Answer::Checkpoint { task: 1, fence: 1, at, cpu_seconds };
        books.note(1, at(2_000_000, 0.25), state(4));
        let mut cores = || books.all_mut().next().and_then(Entry::take_cores);
        assert_eq!(cores(), Some(0.25));
        assert_eq!(cores(), None, "nothing new");
    }

    #[test]
    fn a_garbled_state_is_not_correct() {
        let mut books = custody();
        books.start(1, 1);
        books.note(1, running(1, 10), vec![]);
        let mut bytes = state(7);
        bytes[100] ^= 1;
        books.note(1, released(1, 20), bytes);
        assert!(!entry(&books).is_correct());
    }
}
