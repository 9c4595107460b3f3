//! The figures of a run, for people and for scripts.

use serde::Serialize;

use crate::custody::{Custody, Place};

/// Rounds over which a spread is averaged.
const WINDOW: usize = 5;
/// Rounds in a row that make the load count as balanced.
const STEADY: usize = 3;

/// The measured spread, round by round.
#[derive(Clone, Debug, Default)]
pub(crate) struct Spreads {
    /// Second and spread of each round.
    rounds: Vec<(u64, f64)>,
    /// The second of the first move.
    first_move: Option<u64>,
}

impl Spreads {
    /// Notes what a round measured.
    pub(crate) fn note(&mut self, second: u64, spread: f64) {
        self.rounds.push((second, spread));
    }

    /// Notes that a task was told to move; only the first time counts.
    pub(crate) fn note_move(&mut self, second: u64) {
        self.first_move.get_or_insert(second);
    }

    /// Mean over the five rounds before the first move; without a move, over the first five.
    pub(crate) fn before(&self) -> f64 {
        let first = self.first_move.unwrap_or(WINDOW as u64);
        let until = self.rounds.iter().take_while(|(second, _)| *second <= first).count();
        mean(&self.rounds[until.saturating_sub(WINDOW)..until])
    }

    /// Mean over the last five rounds.
    pub(crate) fn after(&self) -> f64 {
        mean(&self.rounds[self.rounds.len().saturating_sub(WINDOW)..])
    }

    /// Seconds from the first move to the first of three rounds in a row with half the spread or less.
    pub(crate) fn seconds_to_balance(&self) -> Option<u64> {
        let (first, half) = (self.first_move?, self.before() / 2.0);
        let after: Vec<_> = self.rounds.iter().filter(|(second, _)| *second > first).collect();
        let steady =
            after.windows(STEADY).find(|rounds| rounds.iter().all(|round| round.1 <= half))?;
        Some(steady[0].0 - first)
    }
}

fn mean(rounds: &[(u64, f64)]) -> f64 {
    let sum: f64 = rounds.iter().map(|(_, spread)| spread).sum();
    sum / crate::number(rounds.len().max(1) as u64)
}

/// What `--json` writes.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Figures {
    /// Largest less smallest load (measured processor time / budget), mean over the 5 s before the first move.
    pub(crate) spread_before: f64,
    /// The same over the last 5 s.
    pub(crate) spread_after: f64,
    /// Migrations that were begun.
    pub(crate) migrations: u64,
    /// Of those, how many ended with the task running on its target.
    pub(crate) completed: u64,
    /// Of those, how many ended otherwise.
    pub(crate) failed: u64,
    /// Tasks that ran at all.
    pub(crate) tasks_started: u64,
    /// Tasks that did their last step.
    pub(crate) tasks_finished: u64,
    /// Tasks that were started, and at the end neither ran nor were finished, or whose state was not the right one.
    pub(crate) tasks_lost: u64,
    /// Tasks that ran on two workers at one moment, or finished twice.
    pub(crate) tasks_run_twice: u64,
    /// Balancing rounds.
    pub(crate) ticks: u64,
    /// Seconds from the first move until the spread was, and for three rounds stayed, at half of what it was before.
    pub(crate) seconds_to_balance: Option<u64>,
}

/// Counts of migrations, as the engine settled them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Moves {
    pub(crate) begun: u64,
    pub(crate) completed: u64,
    pub(crate) failed: u64,
}

impl Figures {
    /// Adds everything up. `lost` are the tasks that were in nobody's hands when the run ended.
    pub(crate) fn new(
        spreads: &Spreads,
        custody: &Custody,
        lost: &[u64],
        moves: Moves,
        ticks: u64,
    ) -> Self {
        let count = |keep: &dyn Fn(&crate::custody::Entry) -> bool| {
            custody.all().filter(|entry| keep(entry)).count() as u64
        };
        Self {
            spread_before: rounded(spreads.before()),
            spread_after: rounded(spreads.after()),
            migrations: moves.begun,
            completed: moves.completed,
            failed: moves.failed,
            tasks_started: count(&|entry| !entry.stretches.is_empty()),
            tasks_finished: count(&|entry| entry.place == Place::Finished),
            tasks_lost: count(&|entry| lost.contains(&entry.plan.id) || !entry.is_correct()),
            tasks_run_twice: count(&|entry| entry.ran_twice()),
            ticks,
            seconds_to_balance: spreads.seconds_to_balance(),
        }
    }

    /// The summary at the end of a run, as sentences.
    pub(crate) fn sentences(&self, custody: &Custody) -> Vec<String> {
        let Self { spread_before, spread_after, migrations, completed, failed, .. } = self;
        let Self { tasks_started, tasks_finished, tasks_lost, tasks_run_twice, ticks, .. } = self;
        let correct = custody.all().filter(|entry| entry.is_correct()).count();
        let steps: u64 = custody.all().filter_map(crate::custody::Entry::steps).sum();
        let balance = match self.seconds_to_balance {
            Some(seconds) => format!("half of it was reached {seconds} s after the first move"),
            None => "half of it was not reached".to_owned(),
        };
        vec![
            format!(
                "spread {spread_before:.2} before the first move, {spread_after:.2} at the end; {balance}"
            ),
            format!("{ticks} rounds, {migrations} moves: {completed} completed, {failed} failed"),
            format!(
                "{tasks_started} tasks started, {tasks_finished} finished, {tasks_lost} lost, \
                 {tasks_run_twice} run twice"
            ),
            format!(
                "{correct} of {tasks_started} results equal those of a run without moves, \
                 {:.1} million steps checked",
                crate::number(steps) / 1e6
            ),
        ]
    }
}

/// Three decimals say all that the measurement does.
fn rounded(spread: f64) -> f64 {
    (spread * 1000.0).round() / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spreads(values: &[f64]) -> Spreads {
        let mut spreads = Spreads::default();
        (1..).zip(values).for_each(|(second, spread)| spreads.note(second, *spread));
        spreads
    }

    fn close(a: f64, b: f64) -> bool {
        (a - b).abs() < 1e-9
    }

    #[test]
    fn spreads_are_means_of_five_before_the_first_move_and_of_the_last_five() {
        let mut spreads = spreads(&[0.0, 0.8, 0.8, 0.8, 0.8, 1.0, 0.5, 0.3, 0.2, 0.2, 0.2, 0.1]);
        spreads.note_move(6);
        spreads.note_move(9);
        assert!(close(spreads.before(), 0.84));
        assert!(close(spreads.after(), 0.2));
    }

    #[test]
    fn balance_counts_from_the_first_of_three_good_rounds() {
        let mut spreads = spreads(&[0.8, 0.8, 0.8, 0.8, 0.8, 0.4, 0.5, 0.4, 0.3, 0.4, 0.9]);
        assert_eq!(spreads.seconds_to_balance(), None, "nothing moved");
        spreads.note_move(5);
        assert_eq!(spreads.seconds_to_balance(), Some(3));
    }

    #[test]
    fn without_a_move_the_first_five_seconds_are_before() {
        let spreads = spreads(&[1.0, 1.0, 1.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0]);
        assert!(close(spreads.before(), 1.0));
    }
}
