//! Reading a run log: line by line, so that a day of 400 workers needs no more memory than its figures.
//!
//! What is wrong with a line is told, not hidden: a torn last line, lines of unknown kinds, lines that cannot be
//! read. The rest holds.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::time::Duration;

use evenkeel::WorkerId;
use evenkeel::shell::run_log::{
    CandidateLine, Judged, MigrationLine, RoundLine, RunLine, StayLine,
};
use serde::Deserialize;

use crate::table_row;

/// Seconds in a day.
const DAY: f64 = 86_400.0;

/// A run, as it was logged.
#[derive(Debug, Default)]
pub(crate) struct Log {
    /// What the host calls the run; the file's name where the log does not say.
    pub(crate) title: String,
    /// Where second 0 lies on the wall clock, in milliseconds of Unix time.
    pub(crate) epoch_unix_millis: u64,
    /// Balancing rounds, in order.
    pub(crate) rounds: Vec<RoundLine>,
    /// Tasks on workers.
    pub(crate) stays: Vec<StayLine>,
    /// Migrations, in the order in which they ended.
    pub(crate) migrations: Vec<MigrationLine>,
    /// What a reader should know about the file.
    pub(crate) notes: Vec<String>,
}

/// The key that says what a line is; rows of the metrics table have none.
#[derive(Deserialize)]
struct Kind<'a> {
    line: Option<&'a str>,
}

impl Log {
    /// Reads a file.
    pub(crate) fn open(path: &Path) -> Result<Self, String> {
        let file = File::open(path).map_err(|error| error.to_string());
        let stem = path.file_stem().unwrap_or_default().to_string_lossy();
        let log = file.and_then(|it| Self::read(BufReader::with_capacity(1 << 20, it), &stem));
        log.map_err(|fault| format!("{}: {fault}", path.display()))
    }

    /// Reads a run log, or rows of the metrics table as JSON lines.
    pub(crate) fn read(mut lines: impl BufRead, title: &str) -> Result<Self, String> {
        let mut log = Self { title: title.to_owned(), ..Self::default() };
        let (mut number, mut unknown, mut line) = (0_u64, 0_u64, Vec::new());
        loop {
            line.clear();
            if lines.read_until(b'\n', &mut line).map_err(|error| error.to_string())? == 0 {
                break;
            }
            number += 1;
            let whole = line.ends_with(b"\n");
            if line.trim_ascii().is_empty() {
                continue;
            }
            match log.take(&line) {
                Ok(known) => unknown += u64::from(!known),
                Err(_) if !whole => log.notes.push(format!("line {number}, the last, is torn")),
                Err(error) => return Err(format!("line {number}: {error}")),
            }
        }
        if unknown > 0 {
            log.notes.push(format!("{unknown} lines of unknown kinds were skipped"));
        }
        if log.rounds.is_empty() {
            return Err("no balancing round in it".to_owned());
        }
        Ok(log)
    }

    /// Takes one line in; false if it is of an unknown kind.
    fn take(&mut self, line: &[u8]) -> serde_json::Result<bool> {
        match serde_json::from_slice::<Kind<'_>>(line)?.line {
            Some("run") => {
                let run: RunLine = serde_json::from_slice(line)?;
                (self.title, self.epoch_unix_millis) = (run.title, run.epoch_unix_millis);
            }
            Some("round") => self.rounds.push(thin(serde_json::from_slice(line)?)),
            Some("stay") => self.stays.push(serde_json::from_slice(line)?),
            Some("migration") => self.migrations.push(serde_json::from_slice(line)?),
            Some(_) => return Ok(false),
            None => self.rounds.push(table_row::round(line)?),
        }
        Ok(true)
    }

    /// Keeps the last so many days: rounds, and what was still going on after the first of them.
    pub(crate) fn keep_days(&mut self, days: f64) {
        let Some(end) = self.rounds.last().map(|round| round.at) else { return };
        let from = end.before(Duration::from_secs_f64(days * DAY));
        self.rounds.retain(|round| round.at >= from);
        self.stays.retain(|stay| stay.until >= from);
        self.migrations.retain(|it| it.ended.is_none_or(|ended| ended >= from));
        for stay in &mut self.stays {
            stay.from = stay.from.max(from);
        }
        for migration in &mut self.migrations {
            migration.begun = migration.begun.max(from);
        }
    }

    /// The moment of the first round.
    pub(crate) fn begin(&self) -> f64 {
        self.rounds.first().map_or(0.0, |round| round.at.as_secs_f64())
    }

    /// The moment of the last round.
    pub(crate) fn end(&self) -> f64 {
        self.rounds.last().map_or(0.0, |round| round.at.as_secs_f64())
    }

    /// Every worker that the log names, ascending.
    pub(crate) fn workers(&self) -> Vec<u64> {
        let seen = self.rounds.iter().flat_map(|round| &round.workers).map(|it| it.worker.raw());
        let lived = self.stays.iter().map(|stay| stay.worker.raw());
        let ends = self.migrations.iter().flat_map(|it| [Some(it.to), it.from]).flatten();
        let ids: BTreeSet<u64> = seen.chain(lived).chain(ends.map(WorkerId::raw)).collect();
        ids.into_iter().collect()
    }

    /// Every forecast that came due.
    pub(crate) fn judged(&self) -> impl Iterator<Item = &Judged> {
        self.rounds.iter().flat_map(|round| &round.judged)
    }

    /// Every scored pair of task and worker.
    pub(crate) fn candidates(&self) -> impl Iterator<Item = &CandidateLine> {
        self.rounds.iter().flat_map(|round| &round.candidates)
    }
}

/// A round without the forecasts of each worker: they are drawn once they have come due.
fn thin(mut round: RoundLine) -> RoundLine {
    if let Some(forecast) = &mut round.forecast {
        forecast.workers = Vec::new();
    }
    round
}
