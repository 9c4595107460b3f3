//! The timeline: one lane per worker, tasks as bars, migrations as arrows.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use evenkeel::Timestamp;
use evenkeel::outcome::Fate;
use evenkeel::shell::run_log::{MigrationLine, StayLine};

use super::decisions::ending;
use crate::draw::{Axis, Figure, Ink, Key, Mark, Panel, Picture, Swatch, TRACKS, Ticks, Tip};
use crate::log::Log;
use crate::series::{clock, time_axis};

/// Lanes in one picture: more workers make more pictures.
const LANES: usize = 40;
/// So many bars in one picture: of a longer log, the end is shown, and it is said from when on.
const EACH: usize = 8_000;
/// About so many bars in all: workers beyond are left out, and it is said how many.
const MOST: usize = 16_000;
/// More arrows than this would cover everything else.
const MANY: usize = 400;
/// Pixels that a picture should not exceed, and bounds for the height of a bar.
const HEIGHT: f64 = 900.0;
const BAR: (f64, f64) = (3.0, 11.0);

/// Begin, end and row of stays, by task and worker.
type Places = BTreeMap<(u64, u64), Vec<(f64, f64, f64)>>;

/// The lanes of one picture: workers, each with as many rows as it had tasks at once, and a row of air.
struct Lanes<'a> {
    log: &'a Log,
    /// What was over by then is not drawn.
    since: Option<f64>,
    /// First row and number of rows, by worker.
    of: BTreeMap<u64, (f64, usize)>,
    rows: f64,
    /// Every stay with its row.
    stays: Vec<(&'a StayLine, f64)>,
    /// Begin, end and row of the stays of a task on a worker.
    places: Places,
    moved: &'a BTreeSet<u64>,
}

pub(super) fn pictures(log: &Log) -> Result<Vec<Picture>, &'static str> {
    if log.stays.is_empty() {
        return Err("The log does not say which task was where.");
    }
    let workers = log.workers();
    let moved: BTreeSet<u64> = log.migrations.iter().map(|it| it.task.raw()).collect();
    let mut stays: BTreeMap<u64, Vec<&StayLine>> = BTreeMap::new();
    for stay in &log.stays {
        stays.entry(stay.worker.raw()).or_default().push(stay);
    }
    for lane in stays.values_mut() {
        lane.sort_by(|a, b| a.from.cmp(&b.from).then(a.task.cmp(&b.task)));
    }
    let parts: Vec<&[u64]> = workers.chunks(LANES).collect();
    let since = parts.iter().filter_map(|part| since(part, &stays)).reduce(f64::max);
    let all = log.stays.len();
    for lane in stays.values_mut() {
        lane.retain(|stay| since.is_none_or(|since| stay.until.as_secs_f64() > since));
    }
    let picture = |(part, workers): (usize, &&[u64])| {
        let (name, title) = match (parts.len(), *workers) {
            (1, _) | (_, []) => ("timeline".to_owned(), "Timeline".to_owned()),
            (_, [first, .., last]) => {
                (format!("timeline-{}", part + 1), format!("Timeline, workers {first} to {last}"))
            }
            (_, [only]) => (format!("timeline-{}", part + 1), format!("Timeline, worker {only}")),
        };
        lay(log, since, workers, &stays, &moved).picture(&name, &title)
    };
    let mut room = MOST;
    let fits = |part: &&[u64]| {
        let marks: usize = part.iter().filter_map(|it| stays.get(it)).map(Vec::len).sum();
        let first = room == MOST;
        room = room.saturating_sub(marks);
        first || room > 0
    };
    let drawn = parts.iter().copied().take_while(fits).count();
    let mut pictures: Vec<Picture> = parts[..drawn].iter().enumerate().map(picture).collect();
    let left_out: usize = parts[drawn..].iter().map(|part| part.len()).sum();
    let earlier = all - stays.values().map(Vec::len).sum::<usize>();
    let left_out = [("workers left out, too many tasks", left_out), ("stays before that", earlier)];
    if let Some(last) = pictures.last_mut() {
        let left_out = left_out.into_iter().filter(|it| it.1 > 0);
        last.figures.extend(left_out.map(|(name, count)| Figure::count(name, count as u64)));
    }
    Ok(pictures)
}

/// From when on these workers have had [`EACH`] stays, if they have had more in all.
fn since(workers: &[u64], stays: &BTreeMap<u64, Vec<&StayLine>>) -> Option<f64> {
    let stays = workers.iter().filter_map(|it| stays.get(it)).flatten();
    let mut ends: Vec<f64> = stays.map(|stay| stay.until.as_secs_f64()).collect();
    ends.sort_by(|a, b| b.total_cmp(a));
    ends.get(EACH).copied()
}

/// Gives every worker a lane, and every stay the first row of it that is free.
fn lay<'a>(
    log: &'a Log,
    since: Option<f64>,
    workers: &[u64],
    stays: &BTreeMap<u64, Vec<&'a StayLine>>,
    moved: &'a BTreeSet<u64>,
) -> Lanes<'a> {
    let (of, places) = (BTreeMap::new(), BTreeMap::new());
    let mut lanes = Lanes { log, since, of, rows: 0.0, stays: Vec::new(), places, moved };
    for worker in workers {
        let mut busy: Vec<f64> = Vec::new();
        for stay in stays.get(worker).into_iter().flatten() {
            let row = busy
                .iter()
                .position(|until| *until <= stay.from.as_secs_f64())
                .unwrap_or(busy.len());
            if row == busy.len() {
                busy.push(0.0);
            }
            busy[row] = stay.until.as_secs_f64();
            let row = lanes.rows + row as f64;
            let places = lanes.places.entry((*worker, stay.task.raw())).or_default();
            places.push((stay.from.as_secs_f64(), stay.until.as_secs_f64(), row));
            lanes.stays.push((stay, row));
        }
        let rows = busy.len().max(1);
        lanes.of.insert(*worker, (lanes.rows, rows));
        lanes.rows += rows as f64 + 1.0;
    }
    lanes
}

impl Lanes<'_> {
    fn picture(&self, name: &str, title: &str) -> Picture {
        let mut picture = Picture::new(
            name,
            title,
            "One lane per worker, one bar per task that was on it; tasks that moved are coloured. Arrows are \
             migrations, dashed where they did not complete. Hovering tells the reasons.",
        );
        let mut x = time_axis(self.log);
        x.to = self.log.stays.iter().map(|stay| stay.until.as_secs_f64()).fold(x.to, f64::max);
        let first =
            self.log.stays.iter().map(|stay| stay.from.as_secs_f64()).fold(x.from, f64::min);
        x.from = self.since.unwrap_or(first);
        let names =
            self.of.iter().map(|(id, (top, rows))| (top + *rows as f64 / 2.0, id.to_string()));
        let arrows: Vec<Mark> =
            self.log.migrations.iter().filter_map(|it| self.arrow(it)).collect();
        let drawn = |mark: &&Mark| matches!(mark, Mark::Arrow { tip, .. } if tip.count > 0);
        picture.figures = vec![
            Figure::count("workers", self.of.len() as u64),
            Figure::count("stays", self.stays.len() as u64),
            Figure::count("migrations", arrows.iter().filter(drawn).count() as u64),
        ];
        if let Some(since) = self.since {
            let text = clock(self.log, since);
            picture.figures.push(Figure { name: "shown from", value: since, text });
        }
        let ends = (x.from, x.to);
        let mut marks: Vec<Mark> =
            self.of.values().step_by(2).map(|lane| stripe(*lane, ends)).collect();
        marks.extend(self.stays.iter().map(|(stay, row)| self.bar(stay, *row)));
        marks.extend(arrows);
        picture.broad = true;
        picture.panels = vec![Panel {
            height: self.rows * (HEIGHT / self.rows).clamp(BAR.0, BAR.1),
            x,
            y: Axis::new(Ticks::Names(names.collect()), -0.5, self.rows - 0.5, "worker"),
            keys: vec![
                Key { swatch: Swatch::Fill(Ink::Faint), text: "task" },
                Key {
                    swatch: Swatch::Fill(Ink::Track(0)),
                    text: "task that moved (five colours in turn)",
                },
                Key { swatch: Swatch::Line(Ink::Warn), text: "migration that did not complete" },
            ],
            marks,
        }];
        picture
    }

    fn ink(&self, task: u64) -> Ink {
        if self.moved.contains(&task) { Ink::Track((task % TRACKS) as u8) } else { Ink::Faint }
    }

    fn bar(&self, stay: &StayLine, row: f64) -> Mark {
        let task = stay.task.raw();
        let (from, until) =
            (clock(self.log, stay.from.as_secs_f64()), clock(self.log, stay.until.as_secs_f64()));
        let text = format!("task {task} on worker {}\n{from} to {until}", stay.worker.raw());
        let tip = Tip { text, count: 1, task: self.moved.contains(&task).then_some(task) };
        let (x, y) =
            ((self.shown(stay.from.as_secs_f64()), stay.until.as_secs_f64()), (row, row + 0.85));
        Mark::Bar { ink: self.ink(task), x, y, pad: 0.0, series: "stays", tip }
    }

    /// A moment, or where the picture begins.
    fn shown(&self, at: f64) -> f64 {
        self.since.map_or(at, |since| at.max(since))
    }

    /// A migration, drawn where its source is, or its target if it has no source; where the other end is in
    /// another picture, the arrow runs to the edge. An arrow that only comes in counts for nothing.
    fn arrow(&self, migration: &MigrationLine) -> Option<Mark> {
        let end = migration.ended.map_or_else(|| self.log.end(), Timestamp::as_secs_f64);
        if self.since.is_some_and(|since| end <= since) {
            return None;
        }
        let task = migration.task.raw();
        let target = self.row(migration.to.raw(), task, end);
        let source =
            migration.from.map(|from| self.row(from.raw(), task, migration.begun.as_secs_f64()));
        let (from, to, count) = match (source, target) {
            (Some(Some(from)), Some(to)) => (from, to, 1),
            (Some(Some(from)), None) => (from, self.edge(migration.to.raw()), 1),
            (Some(None), Some(to)) => (self.edge(migration.from?.raw()), to, 0),
            (None, Some(to)) => (to - 1.5, to, 1),
            (_, None) => return None,
        };
        let completed = migration.outcome == Some(Fate::Completed);
        Some(Mark::Arrow {
            ink: if completed { self.ink(task) } else { Ink::Warn },
            faint: self.log.migrations.len() > MANY,
            from: (self.shown(migration.begun.as_secs_f64()), from),
            to: (end, to),
            dashed: !completed,
            series: "migrations",
            tip: Tip { text: told(self.log, migration), count, task: Some(task) },
        })
    }

    /// Above or below all lanes, on the side of a worker that is not here.
    fn edge(&self, worker: u64) -> f64 {
        let above = self.of.keys().next().is_some_and(|first| worker < *first);
        if above { -0.5 } else { self.rows - 0.5 }
    }

    /// The middle of a task's bar next to a moment, or of the lane; nothing if the worker is not here.
    fn row(&self, worker: u64, task: u64, at: f64) -> Option<f64> {
        let (top, rows) = self.of.get(&worker)?;
        let own = self.places.get(&(worker, task)).into_iter().flatten();
        let distance =
            |(from, until, _): &(f64, f64, f64)| (from - at).abs().min((until - at).abs());
        let nearest = own.min_by(|a, b| distance(a).total_cmp(&distance(b)));
        Some(nearest.map_or(top + *rows as f64 / 2.0, |(.., row)| row + 0.42))
    }
}

fn stripe((top, rows): (f64, usize), ends: (f64, f64)) -> Mark {
    let y = (top - 0.5, top + rows as f64 + 0.5);
    Mark::Bar { ink: Ink::Stripe, x: ends, y, pad: 0.0, series: "", tip: Tip::default() }
}

/// A migration in a few lines.
fn told(log: &Log, migration: &MigrationLine) -> String {
    let (task, to) = (migration.task.raw(), migration.to.raw());
    let from = migration
        .from
        .map_or_else(|| "no worker".to_owned(), |from| format!("worker {}", from.raw()));
    let mut text = format!(
        "{}: task {task}, {from} to worker {to}\n{}, {}",
        migration.migration,
        clock(log, migration.begun.as_secs_f64()),
        ending(log, migration),
    );
    if let Some(reason) = &migration.reason {
        let _ = write!(text, "\n{reason}");
    }
    if let Some(scorecard) = &migration.scorecard {
        let _ = write!(text, "\n{scorecard}");
    }
    text
}
