//! A worker process: reads orders, runs its tasks in turn within its budget, and keeps the coordinator informed.
//!
//! Two threads: one reads the pipe, the other works. The worker ends when its standard input closes, which the
//! operating system does for it even if the coordinator is killed, so no worker is ever left behind.

use std::collections::BTreeMap;
use std::hint::black_box;
use std::io::{self, BufReader, Write};
use std::process::ExitCode;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::measure::own_cpu_time;
use crate::pace::{Account, Pace};
use crate::protocol::{self, Answer, Fence, Order};
use crate::work::Chain;

/// Length of a turn, in which every task has its slice once. Short against the second over which load is measured.
const TURN: Duration = Duration::from_millis(25);

/// How often the states of all tasks go to the coordinator. It is the most work that a killed worker can lose.
const CHECKPOINT_EVERY: Duration = Duration::from_millis(250);

/// The life of a worker process.
pub(crate) fn main() -> ExitCode {
    let orders = read_orders();
    let Ok((Order::Open { budget }, _)) = orders.recv() else { return ExitCode::SUCCESS };
    let mut worker = Worker::new(budget, io::stdout());
    // The only fault is a coordinator that has gone; then there is nobody left to tell, and nothing left to do.
    match worker.serve(&orders) {
        Ok(()) | Err(_) => ExitCode::SUCCESS,
    }
}

/// Reads standard input on a thread of its own; the channel closes when the input does.
fn read_orders() -> Receiver<(Order, Vec<u8>)> {
    let (sender, orders) = mpsc::channel();
    thread::spawn(move || {
        let mut input = BufReader::new(io::stdin());
        while let Ok(Some(order)) = protocol::receive(&mut input) {
            if sender.send(order).is_err() {
                break;
            }
        }
    });
    orders
}

/// A task on this worker.
struct Running {
    fence: Fence,
    last_step: Option<u64>,
    chain: Chain,
    account: Account,
    /// Memory that the task occupies beside its state, so that the operating system has something to measure.
    workspace: Vec<u8>,
}

/// What a worker knows.
pub(crate) struct Worker<W> {
    pace: Pace,
    tasks: BTreeMap<u64, Running>,
    /// The highest fence seen of each task, kept when the task has gone.
    fences: BTreeMap<u64, Fence>,
    pub(crate) output: W,
}

impl<W: Write> Worker<W> {
    pub(crate) fn new(budget: f64, output: W) -> Self {
        Self { pace: Pace::new(budget), tasks: BTreeMap::new(), fences: BTreeMap::new(), output }
    }

    /// Works until told to close, or until the coordinator has gone.
    fn serve(&mut self, orders: &Receiver<(Order, Vec<u8>)>) -> io::Result<()> {
        self.say(&Answer::Ready, &[])?;
        let mut turn_began = Instant::now();
        let mut cpu_before = own_cpu_time().unwrap_or_default();
        let mut checkpointed = turn_began;
        loop {
            if !self.obey_until(turn_began + TURN, orders)? {
                return Ok(());
            }
            let (now, cpu) = (Instant::now(), own_cpu_time().unwrap_or_default());
            self.work(now - turn_began, cpu.saturating_sub(cpu_before))?;
            (turn_began, cpu_before) = (now, cpu);
            if now - checkpointed >= CHECKPOINT_EVERY {
                self.checkpoint()?;
                checkpointed = now;
            }
        }
    }

    /// Waits for the turn's end, following orders meanwhile; false when it is time to end.
    fn obey_until(
        &mut self,
        end: Instant,
        orders: &Receiver<(Order, Vec<u8>)>,
    ) -> io::Result<bool> {
        loop {
            let patience = end.saturating_duration_since(Instant::now());
            match orders.recv_timeout(patience) {
                Ok((Order::Close, _)) => {
                    self.close()?;
                    return Ok(false);
                }
                Ok((order, body)) => self.obey(&order, &body)?,
                Err(RecvTimeoutError::Timeout) => return Ok(true),
                Err(RecvTimeoutError::Disconnected) => return Ok(false),
            }
        }
    }

    /// Does as told, and answers.
    pub(crate) fn obey(&mut self, order: &Order, body: &[u8]) -> io::Result<()> {
        match *order {
            Order::Run { task, fence, demand, workspace_bytes, last_step } => {
                let Some(chain) = Chain::from_bytes(body) else {
                    return self.refuse(task, fence, "the bytes handed over are not a state");
                };
                let (account, workspace) = (Account::new(demand), vec![1; workspace_bytes]);
                self.start(task, Running { fence, last_step, chain, account, workspace })
            }
            Order::Release { task, fence } => self.release(task, fence),
            Order::Open { .. } | Order::Close => Ok(()),
        }
    }

    /// Whether it runs a task.
    #[cfg(test)]
    pub(crate) fn runs(&self, task: u64) -> bool {
        self.tasks.contains_key(&task)
    }

    /// How many tasks it runs.
    #[cfg(test)]
    pub(crate) fn count(&self) -> u64 {
        self.tasks.len() as u64
    }

    fn start(&mut self, task: u64, running: Running) -> io::Result<()> {
        let fence = running.fence;
        if self.fences.get(&task).is_some_and(|&seen| seen >= fence) {
            return self.refuse(task, fence, "this start has been overtaken by a later one");
        }
        self.fences.insert(task, fence);
        self.tasks.insert(task, running);
        self.say(&Answer::Running { task, fence, at: micros_now() }, &[])
    }

    fn release(&mut self, task: u64, fence: Fence) -> io::Result<()> {
        match self.tasks.get(&task) {
            Some(running) if running.fence == fence => {
                self.let_go(task, &Answer::Released { task, fence, at: micros_now() })
            }
            _ => self.refuse(task, fence, "the task does not run here"),
        }
    }

    /// Stops a task and sends its state with these words.
    fn let_go(&mut self, task: u64, answer: &Answer) -> io::Result<()> {
        let Some(running) = self.tasks.remove(&task) else { return Ok(()) };
        self.pace.depart(&running.account);
        self.say(answer, &running.chain.to_bytes())
    }

    fn refuse(&mut self, task: u64, fence: Fence, why: &str) -> io::Result<()> {
        self.say(&Answer::Refused { task, fence, why: why.to_owned() }, &[])
    }

    /// Gives every task its slice. Finished tasks are reported and leave.
    fn work(&mut self, passed: Duration, used: Duration) -> io::Result<()> {
        let accounts = self.tasks.values_mut().map(|running| &mut running.account);
        let slices = self.pace.turn(passed, used, accounts);
        for (running, steps) in self.tasks.values_mut().zip(slices) {
            running.account.steps_done += running.chain.run(steps, running.last_step);
            black_box(&running.workspace);
        }
        let at_end =
            |running: &Running| running.last_step.is_some_and(|end| running.chain.steps() >= end);
        let finished = self.tasks.iter().filter(|(_, running)| at_end(running));
        let finished: Vec<(u64, Fence)> =
            finished.map(|(&task, running)| (task, running.fence)).collect();
        for (task, fence) in finished {
            self.let_go(task, &Answer::Finished { task, fence, at: micros_now() })?;
        }
        Ok(())
    }

    /// Sends the state of every task.
    fn checkpoint(&mut self) -> io::Result<()> {
        for (&task, running) in &self.tasks {
            let (fence, cpu_seconds) = (running.fence, running.account.cpu_seconds);
            let answer = Answer::Checkpoint { task, fence, at: micros_now(), cpu_seconds };
            protocol::send(&mut self.output, &answer, &running.chain.to_bytes())?;
        }
        Ok(())
    }

    /// Hands everything back.
    fn close(&mut self) -> io::Result<()> {
        let all: Vec<(u64, Fence)> =
            self.tasks.iter().map(|(&task, running)| (task, running.fence)).collect();
        all.into_iter().try_for_each(|(task, fence)| self.release(task, fence))
    }

    fn say(&mut self, answer: &Answer, body: &[u8]) -> io::Result<()> {
        protocol::send(&mut self.output, answer, body)
    }
}

/// Microseconds since the Unix epoch.
pub(crate) fn micros_now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn worker() -> Worker<Vec<u8>> {
        Worker::new(0.5, Vec::new())
    }

    fn run(task: u64, fence: Fence, last_step: Option<u64>) -> Order {
        Order::Run { task, fence, demand: 0.2, workspace_bytes: 0, last_step }
    }

    /// What the worker has said since the last call.
    fn said(worker: &mut Worker<Vec<u8>>) -> Vec<(Answer, Vec<u8>)> {
        let output = std::mem::take(&mut worker.output);
        let mut from = output.as_slice();
        std::iter::from_fn(|| protocol::receive(&mut from).expect("whole messages")).collect()
    }

    #[test]
    fn a_task_runs_and_is_handed_back_with_every_step_it_did() {
        let mut worker = worker();
        worker.obey(&run(1, 4, None), &Chain::new(8, 16).to_bytes()).expect("written");
        worker.work(Duration::from_millis(50), Duration::ZERO).expect("written");
        worker.obey(&Order::Release { task: 1, fence: 4 }, &[]).expect("written");
        let said = said(&mut worker);
        assert!(matches!(said[0].0, Answer::Running { task: 1, fence: 4, .. }));
        assert!(matches!(said[1].0, Answer::Released { task: 1, fence: 4, .. }));
        let state = Chain::from_bytes(&said[1].1).expect("a state");
        assert!(state.steps() > 0);
        assert_eq!(state, Chain::expected(8, 16, state.steps()));
    }

    #[test]
    fn a_start_from_before_a_move_is_refused() {
        let (mut worker, state) = (worker(), Chain::new(8, 16).to_bytes());
        worker.obey(&run(1, 4, None), &state).expect("written");
        worker.obey(&Order::Release { task: 1, fence: 4 }, &[]).expect("written");
        worker.obey(&run(1, 4, None), &state).expect("written");
        assert!(matches!(said(&mut worker)[2].0, Answer::Refused { task: 1, fence: 4, .. }));
        assert!(worker.tasks.is_empty());
    }

    #[test]
    fn a_release_of_another_start_is_refused() {
        let mut worker = worker();
        worker.obey(&run(1, 4, None), &Chain::new(8, 16).to_bytes()).expect("written");
        worker.obey(&Order::Release { task: 1, fence: 3 }, &[]).expect("written");
        assert!(matches!(said(&mut worker)[1].0, Answer::Refused { .. }));
        assert_eq!(worker.tasks.len(), 1);
    }

    #[test]
    fn a_finite_task_finishes_once_with_its_result() {
        let mut worker = worker();
        worker.obey(&run(1, 1, Some(40)), &Chain::new(8, 16).to_bytes()).expect("written");
        for _ in 0..3 {
            worker.work(Duration::from_millis(1), Duration::ZERO).expect("written");
        }
        let said = said(&mut worker);
        assert_eq!(said.len(), 2);
        assert!(matches!(said[1].0, Answer::Finished { task: 1, fence: 1, .. }));
        assert_eq!(Chain::from_bytes(&said[1].1), Some(Chain::expected(8, 16, 40)));
    }

    #[test]
    fn closing_hands_every_task_back() {
        let mut worker = worker();
        for task in 1..=3 {
            worker.obey(&run(task, 1, None), &Chain::new(8, 16).to_bytes()).expect("written");
        }
        worker.close().expect("written");
        assert_eq!(said(&mut worker).len(), 6);
        assert!(worker.tasks.is_empty());
    }
}
