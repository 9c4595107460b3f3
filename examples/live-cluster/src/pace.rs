//! How a worker keeps to its budget: a duty cycle that corrects itself.
//!
//! A worker may use a fraction of a core, its budget. Each task declares its demand, also a fraction of a core. While
//! the demands fit, every task gets what it asked for; when they do not, all get the same part of it and the worker
//! uses exactly its budget. That is why a task has to *declare* its demand: on a crowded worker its use tells only
//! what was left for it.
//!
//! Every task has an [`Account`]. Time that passes adds what it is owed; processor time that the operating system says
//! was used takes it away, overhead included, split by the steps that each task did. Slices are counted in steps, not
//! in time: if a neighbour on the same core interrupts a slice, it only takes longer.

use std::time::Duration;

use crate::number;

/// The longest time whose work may be made up later. Without a limit, a worker that was starved for seconds would then
/// run flat out for seconds, far above its budget.
const CATCH_UP: f64 = 0.1;
/// Steps per second of processor time to begin with; the first turns correct it.
const FIRST_GUESS: f64 = 1e6;
/// What the past counts for in the rate, from one turn to the next.
const MEMORY: f64 = 0.95;

/// What a worker owes to one task, and what the task has had.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Account {
    /// Processor time the task wants, in cores.
    pub(crate) demand: f64,
    /// Processor time it has had on this worker, in seconds.
    pub(crate) cpu_seconds: f64,
    /// Steps done since the last turn.
    pub(crate) steps_done: u64,
    owed: f64,
}

impl Account {
    /// Nothing is owed yet.
    pub(crate) fn new(demand: f64) -> Self {
        Self { demand, ..Self::default() }
    }
}

/// The pace of one worker.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace {
    budget: f64,
    /// Steps and seconds of the recent past; their quotient turns time into steps.
    recent: (f64, f64),
    /// Processor time used while nobody did a step; charged with the next steps.
    unsettled: f64,
    /// Steps of tasks that have left since the last turn.
    steps_of_departed: u64,
}

impl Pace {
    /// A worker that has done nothing yet; `budget` is in cores.
    pub(crate) fn new(budget: f64) -> Self {
        Self { budget, recent: (FIRST_GUESS * 1e-6, 1e-6), unsettled: 0.0, steps_of_departed: 0 }
    }

    /// A task leaves; the steps it did since the last turn are not charged to the others.
    pub(crate) fn depart(&mut self, account: &Account) {
        self.steps_of_departed += account.steps_done;
    }

    /// Accounts for a turn: `passed` on the clock, `used` on the processor.
    ///
    /// Returns how many steps each task should do now, in the order of the accounts.
    pub(crate) fn turn<'a>(
        &mut self,
        passed: Duration,
        used: Duration,
        accounts: impl Iterator<Item = &'a mut Account>,
    ) -> Vec<u64> {
        let mut accounts: Vec<&mut Account> = accounts.collect();
        self.charge(used.as_secs_f64(), &mut accounts);
        let wanted: f64 = accounts.iter().map(|account| account.demand).sum();
        let granted_part = (self.budget / wanted).min(1.0);
        let steps_per_second = self.recent.0 / self.recent.1;
        let slice = |account: &mut Account| {
            let granted = account.demand * granted_part;
            account.owed = (account.owed + granted * passed.as_secs_f64()).min(granted * CATCH_UP);
            whole(account.owed * steps_per_second)
        };
        accounts.into_iter().map(slice).collect()
    }

    /// Charges processor time to the tasks by the steps they did, and learns what a step costs.
    fn charge(&mut self, used: f64, accounts: &mut [&mut Account]) {
        self.unsettled += used;
        let stayed: u64 = accounts.iter().map(|account| account.steps_done).sum();
        let steps = number(stayed + std::mem::take(&mut self.steps_of_departed));
        if steps < 1.0 {
            return;
        }
        let seconds = std::mem::take(&mut self.unsettled);
        self.recent = (self.recent.0 * MEMORY + steps, self.recent.1 * MEMORY + seconds);
        for account in accounts {
            let part = seconds * number(std::mem::take(&mut account.steps_done)) / steps;
            account.cpu_seconds += part;
            account.owed -= part;
        }
    }
}

/// A number of steps, rounded down; none for a task that has had too much.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "at least 0, far below 2^53"
)]
fn whole(steps: f64) -> u64 {
    steps.max(0.0) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    const TURN: Duration = Duration::from_millis(25);

    /// Runs 400 turns on a processor that does `rate` steps a second; returns the cores that each task got in the
    /// second half.
    fn cores(budget: f64, demands: &[f64], rate: f64) -> Vec<f64> {
        let turns = 400;
        let mut pace = Pace::new(budget);
        let mut accounts: Vec<Account> =
            demands.iter().map(|demand| Account::new(*demand)).collect();
        let mut used = Duration::ZERO;
        let mut at_half = Vec::new();
        for nth in 0..turns {
            let slices = pace.turn(TURN, used, accounts.iter_mut());
            if nth == turns / 2 {
                at_half = accounts.clone();
            }
            let mut total = 0;
            for (account, slice) in accounts.iter_mut().zip(slices) {
                account.steps_done = slice;
                total += account.steps_done;
            }
            used = Duration::from_secs_f64(number(total) / rate);
        }
        let span = TURN.as_secs_f64() * f64::from(turns - turns / 2);
        let got = |(now, then): (&Account, &Account)| (now.cpu_seconds - then.cpu_seconds) / span;
        accounts.iter().zip(&at_half).map(got).collect()
    }

    fn close(got: &[f64], expected: &[f64]) -> bool {
        got.iter().zip(expected).all(|(a, b)| (a - b).abs() < 0.05 * b)
    }

    #[test]
    fn demands_that_fit_are_met() {
        let got = cores(0.4, &[0.1, 0.05], 3e6);
        assert!(close(&got, &[0.1, 0.05]), "{got:?}");
    }

    #[test]
    fn demands_that_do_not_fit_share_the_budget_in_proportion() {
        let got = cores(0.2, &[0.3, 0.1], 3e6);
        assert!(close(&got, &[0.15, 0.05]), "{got:?}");
    }

    #[test]
    fn the_speed_of_the_processor_does_not_matter() {
        for rate in [2e4, 2e5, 5e7] {
            let got = cores(0.2, &[0.1, 0.1], rate);
            assert!(close(&got, &[0.1, 0.1]), "{rate}: {got:?}");
        }
    }

    #[test]
    fn a_long_pause_is_not_made_up_in_full() {
        let mut pace = Pace::new(0.5);
        let mut account = Account::new(0.5);
        let steps =
            pace.turn(Duration::from_secs(60), Duration::ZERO, std::iter::once(&mut account));
        assert_eq!(steps, [50_000], "a tenth of a second at half a core");
    }

    #[test]
    fn overhead_without_steps_is_charged_with_the_next_steps() {
        let mut pace = Pace::new(0.5);
        let mut account = Account::new(0.1);
        pace.turn(TURN, Duration::from_millis(3), std::iter::once(&mut account));
        account.steps_done = 10;
        pace.turn(TURN, Duration::from_millis(2), std::iter::once(&mut account));
        assert!((account.cpu_seconds - 0.005).abs() < 1e-9);
    }

    #[test]
    fn an_idle_worker_runs_nothing() {
        assert!(Pace::new(0.5).turn(TURN, TURN, std::iter::empty()).is_empty());
    }
}
