//! Why did it move, and why did it not? Asks a recorded log about one task or one worker.
//!
//! ```text
//! cargo run --example why -- LOG (--task 7 | --worker 2) [--at SECONDS] [--config FILE] [--json]
//! ```
//!
//! `LOG` holds one [`Input`] as JSON per line, as `replay` reads it and `live-cluster --log` writes it; `-` is
//! standard input. The log is played up to the last round at or before `--at` (seconds on the host's clock), or to
//! its last round. Then the engine says what that round did, and by worker what stood in the way of every other move
//! and the smallest change that would have changed the answer ([`Look::consider`], [`Rejection::remedy`]). Of a task
//! that might have moved and did not, the round is run once more with all other tasks pinned. Where the engine only
//! advises, what it proposes stands for what is done; where it only observes, it chooses nothing and that is the answer.
//! `--config` holds the [`Config`] that the host began with, if that was not the default. `--json` prints the same as
//! one JSON document.

use std::collections::BTreeSet;
use std::error::Error;
use std::fs;
use std::io::{self, BufRead, BufReader, Write};
use std::process::ExitCode;

use evenkeel::config::{Mode, Pace, Thresholds, Trigger};
use evenkeel::engine::{Input, Output};
use evenkeel::outcome::{Balance, LoadBand, Reach, Rejection, Remedy, Verdict};
use evenkeel::snapshot::{Coverage, Group, Mobility, Placement};
use evenkeel::{
    Action, Command, Config, Engine, Outcome, Snapshot, SnapshotBuilder, Task, TaskId, Timestamp,
    WorkerId,
};
use serde_json::{Value, json};

fn main() -> ExitCode {
    let answer = Question::read(std::env::args().skip(1)).and_then(|question| ask(&question));
    match answer {
        // Whoever reads it may have read enough.
        Ok(text) => {
            writeln!(io::stdout(), "{text}").map_or(ExitCode::FAILURE, |()| ExitCode::SUCCESS)
        }
        Err(error) => {
            eprintln!("why: {error}");
            ExitCode::from(2)
        }
    }
}

/// What is asked about.
#[derive(Clone, Copy)]
enum About {
    Task(TaskId),
    Worker(WorkerId),
}

struct Question {
    log: String,
    about: About,
    at: Option<Timestamp>,
    config: Option<String>,
    json: bool,
}

impl Question {
    fn read(mut words: impl Iterator<Item = String>) -> Result<Self, Box<dyn Error>> {
        let (mut log, mut about, mut at, mut config, mut json) = (None, None, None, None, false);
        while let Some(word) = words.next() {
            let mut value = || words.next().ok_or_else(|| format!("{word} needs a value"));
            match word.as_str() {
                "--task" => about = Some(About::Task(number(&value()?, 't')?.into())),
                "--worker" => about = Some(About::Worker(number(&value()?, 'w')?.into())),
                "--at" => at = Some(moment(&value()?)?),
                "--config" => config = Some(value()?),
                "--json" => json = true,
                path if log.is_none() && !path.starts_with("--") => log = Some(word),
                other => return Err(format!("unexpected argument {other:?}").into()),
            }
        }
        let log = log.ok_or("which log? give a file, or - for standard input")?;
        let about = about.ok_or("about what? give --task or --worker")?;
        Ok(Self { log, about, at, config, json })
    }
}

/// The number of an id, with or without its letter.
fn number(text: &str, letter: char) -> Result<u64, Box<dyn Error>> {
    let digits = text.strip_prefix(letter).unwrap_or(text);
    digits.parse().map_err(|_| format!("{text:?} is no id; expected {letter}7, or 7").into())
}

fn moment(text: &str) -> Result<Timestamp, Box<dyn Error>> {
    let secs: f64 = text.trim_end_matches('s').parse()?;
    let span = std::time::Duration::try_from_secs_f64(secs)?;
    Ok(Timestamp::default().after(span))
}

// ---------------------------------------------------------------- the round

/// The round that is asked about: the engine as it chose, and what came of it.
struct Round {
    before: Engine,
    snapshot: Snapshot,
    outcome: Outcome,
}

/// Plays the log up to the round.
fn play(question: &Question) -> Result<Round, Box<dyn Error>> {
    let config = match &question.config {
        Some(path) => serde_json::from_str(&fs::read_to_string(path)?)?,
        None => Config::default(),
    };
    let mut engine = Engine::new(config)?;
    let log: Box<dyn BufRead> = match question.log.as_str() {
        "-" => Box::new(io::stdin().lock()),
        path => {
            let file = fs::File::open(path).map_err(|error| format!("{path}: {error}"))?;
            Box::new(BufReader::new(file))
        }
    };
    let (mut last, mut first) = (None, None);
    for (line, number) in log.lines().zip(1_u64..) {
        let input = match evenkeel::shell::read_json(&line?) {
            Ok(input) => input,
            Err(error) => {
                eprintln!("why: line {number} is no input and is skipped: {error}");
                continue;
            }
        };
        let snapshot = match &input {
            Input::Tick(snapshot) => Some(snapshot.clone()),
            _ => None,
        };
        first = first.or_else(|| Some(snapshot.as_ref()?.at()));
        if snapshot.as_ref().zip(question.at).is_some_and(|(snapshot, at)| snapshot.at() > at) {
            break;
        }
        let before = snapshot.as_ref().map(|snapshot| {
            let mut engine = engine.clone();
            // A round settles the reports that ride in its snapshot before it looks at anything else.
            snapshot.reports().iter().for_each(|report| drop(engine.report(report)));
            engine
        });
        let output = engine.apply(&input);
        if let (Some(before), Some(snapshot), Output::Outcome(outcome)) = (before, snapshot, output)
        {
            last = Some(Round { before, snapshot, outcome: *outcome });
        }
    }
    let from = first.map_or_else(String::new, |at| format!(", its first is at {at}"));
    last.ok_or_else(|| format!("the log holds no round up to then{from}").into())
}

// ---------------------------------------------------------------- the answer

/// One move that was possible to think of, and what the engine says to it.
struct Thought {
    task: TaskId,
    verdict: Verdict,
    /// What the round refused it for beside: its budgets, or its other moves.
    in_round: Option<Rejection>,
}

impl Thought {
    /// What stood in the way.
    fn obstacle(&self) -> Option<&Rejection> {
        self.verdict.admission.rejection().or(self.in_round.as_ref())
    }

    /// The task and the worker, or the task alone where that is what the refusal is about.
    fn pair(&self) -> String {
        match self.obstacle() {
            Some(no) if no.reach() == Reach::Task => self.task.to_string(),
            _ => format!("{} -> {}", self.task, self.verdict.worker),
        }
    }

    /// How far it is from a yes, as a load: ten points of benefit are as much. What is no amount is far.
    fn distance(&self) -> f64 {
        match self.obstacle().map(Rejection::remedy) {
            None => 0.0,
            Some(Remedy::Gain { benefit, .. }) => benefit / 10.0,
            Some(
                Remedy::LowerUse(_, by)
                | Remedy::WidenGap(by)
                | Remedy::NarrowSpread(by)
                | Remedy::WidenSpread(by)
                | Remedy::RaiseSource(by)
                | Remedy::LowerTarget(by),
            ) => by,
            Some(_) => f64::INFINITY,
        }
    }

    fn net(&self) -> f64 {
        self.verdict.scorecard.map_or(f64::NEG_INFINITY, |card| card.net())
    }
}

/// The answer, in the order in which it is printed.
struct Answer {
    round: Round,
    /// The moves that were made, or proposed.
    chosen: Vec<Command>,
    /// All others, the nearest to a yes first.
    others: Vec<Thought>,
}

fn ask(question: &Question) -> Result<String, Box<dyn Error>> {
    let round = play(question)?;
    let chosen = begun(&round.outcome).filter(|command| match question.about {
        About::Task(task) => command.task == task,
        About::Worker(worker) => ends(command).contains(&Some(worker)),
    });
    let chosen: Vec<Command> = chosen.copied().collect();
    let mut others = Vec::new();
    for (task, worker) in round.pairs(question.about)? {
        let made = chosen.iter().any(|it| it.task == task && ends(it)[1] == Some(worker));
        others.extend(round.think(task, worker).filter(|_| !made));
    }
    others.sort_by(|a, b| a.distance().total_cmp(&b.distance()).then(b.net().total_cmp(&a.net())));
    let answer = Answer { round, chosen, others };
    if question.json {
        return Ok(serde_json::to_string_pretty(&answer.json())?);
    }
    Ok(answer.text(question.about))
}

/// What a round begins, or would begin if the engine acted.
fn begun(outcome: &Outcome) -> impl Iterator<Item = &Command> {
    outcome.begun().chain(&outcome.proposed)
}

/// Source and target of a command that begins a migration.
fn ends(command: &Command) -> [Option<WorkerId>; 2] {
    match command.action {
        Action::Release { from, to }
        | Action::RequeueFor { from, to }
        | Action::Start { from, to, .. }
        | Action::Evict { from, hint: to } => [Some(from), Some(to)],
        Action::Place { to, .. } => [None, Some(to)],
        _ => [None, None],
    }
}

impl Round {
    /// The pairs that a question is about: a task and all workers; or a worker, what is elsewhere and could come,
    /// and what is there and could leave.
    fn pairs(&self, about: About) -> Result<Vec<(TaskId, WorkerId)>, String> {
        let workers = || self.snapshot.workers().iter().map(|worker| worker.id);
        match about {
            About::Task(id) => {
                let task = self.snapshot.task(id).ok_or(format!("{id} is not in that round"))?;
                let elsewhere = workers().filter(|it| task.placement != Placement::On(*it));
                Ok(elsewhere.map(|worker| (id, worker)).collect())
            }
            About::Worker(id) => {
                self.snapshot.worker(id).ok_or(format!("{id} is not in that round"))?;
                let mut pairs = Vec::new();
                for task in self.snapshot.tasks() {
                    if task.placement == Placement::On(id) {
                        let others = workers().filter(|it| *it != id);
                        pairs.extend(others.map(|worker| (task.id, worker)));
                    } else {
                        pairs.push((task.id, id));
                    }
                }
                Ok(pairs)
            }
        }
    }

    fn think(&self, task: TaskId, worker: WorkerId) -> Option<Thought> {
        let verdict = self.before.look(&self.snapshot).consider(task, worker)?;
        let examples = self.outcome.tally.refusals.iter().flat_map(|row| &row.examples);
        let mut here = examples.filter(|it| it.task == task && it.to.is_none_or(|to| to == worker));
        let in_round = here.next().map(|refused| refused.rejection);
        Some(Thought { task, verdict, in_round })
    }

    /// Why a move that the rules allow was not made.
    fn passed_over(&self, thought: &Thought) -> String {
        if self.outcome.mode == Mode::Observe {
            return "the mode is observe: the engine chooses nothing".into();
        }
        let moved = begun(&self.outcome).find(|command| command.task == thought.task);
        if let Some(command) = moved {
            let better = command.scorecard.map(|card| card.net() - thought.net());
            let better = better.filter(|points| points.is_finite() && *points > 0.0);
            return match (ends(command)[1], better) {
                (Some(to), Some(points)) => format!("{to} is better by {points:.2} points"),
                (Some(to), None) => format!("{to} came first"),
                (None, _) => "it moved otherwise".into(),
            };
        }
        match self.outcome.balance {
            Balance::Uneven(_) => self.alone(thought.task),
            Balance::Even { spread } => {
                format!("loads are even, {}", self.to_be_uneven(spread))
            }
            _ => "the loads of fewer than two workers are known".into(),
        }
    }

    /// What the same round would have done with a task if no other could have moved.
    fn alone(&self, id: TaskId) -> String {
        let Some(outcome) = self.with_others_pinned(id) else { return "nobody knows".into() };
        let moved = begun(&outcome).find(|command| command.task == id);
        if let Some(to) = moved.and_then(|command| ends(command)[1]) {
            return format!("others came first: had they been pinned, it would have moved to {to}");
        }
        let mut examples = outcome.tally.refusals.iter().flat_map(|row| &row.examples);
        if let Some(refused) = examples.find(|it| it.task == id) {
            return format!("{refused}; to change it: {}", refused.rejection.remedy());
        }
        let from = self.snapshot.task(id).map(|task| task.placement);
        let Some(Placement::On(from)) = from else { return "it was not asked about".into() };
        format!("{} does not have to give: its load is not among the high ones", self.load(from))
    }

    /// The round once more, in which only this task and those of its groups may move.
    fn with_others_pinned(&self, id: TaskId) -> Option<Outcome> {
        let Self { before, snapshot, .. } = self;
        let groups = || snapshot.groups().iter();
        let its = |group: &&Group| group.members.contains(&id);
        let free: BTreeSet<TaskId> =
            groups().filter(its).flat_map(|it| &it.members).copied().collect();
        let tasks = snapshot.tasks().iter().cloned().map(|task| {
            let is_free = task.id == id || free.contains(&task.id);
            if is_free { task } else { task.with_mobility(Mobility::Pinned) }
        });
        let mut same = Snapshot::builder(snapshot.at());
        if snapshot.coverage() == Coverage::Partial {
            same = same.partial();
        }
        same = same.workers(snapshot.workers().iter().cloned()).tasks(tasks);
        same = groups().cloned().fold(same, SnapshotBuilder::group);
        same = snapshot.classes().iter().cloned().fold(same, SnapshotBuilder::class);
        same = snapshot.freezes().iter().copied().fold(same, SnapshotBuilder::freeze);
        let bad = snapshot.bad_records().iter().cloned();
        let same = bad.fold(same, SnapshotBuilder::bad_record).build();
        before.clone().tick(&same).ok()
    }

    /// What else a task needs to move for the loads, beside a yes for the pair: somebody who has to give.
    fn beside(&self) -> Option<String> {
        match self.outcome.balance {
            Balance::Even { spread } => {
                Some(format!("loads are even, {}", self.to_be_uneven(spread)))
            }
            _ => None,
        }
    }

    /// What would make even loads uneven.
    fn to_be_uneven(&self, spread: f64) -> String {
        let config = self.before.config();
        let pace = config.adaptation.map(|section| match self.outcome.band {
            LoadBand::High => section.high_pace,
            LoadBand::Normal => Pace::default(),
            LoadBand::Low => section.low_pace,
        });
        let factor = pace.unwrap_or_default().imbalance_factor;
        let detection = &config.detection;
        let Thresholds { high, low, .. } = self.outcome.thresholds;
        let both = if detection.trigger == Trigger::Both { "and one" } else { "or" };
        let needed = detection.imbalance * factor;
        let enough = detection.sufficient.map_or(String::new(), |enough| {
            format!(", or more than {:.3} by itself", enough * factor)
        });
        format!(
            "spread {spread:.3}: it takes more than {needed:.3} with a worker above {high:.3} {both} \
             below {low:.3}{enough}"
        )
    }

    fn place(&self, task: &Task) -> String {
        match task.placement {
            Placement::On(worker) => format!("on {}", self.load(worker)),
            Placement::Unplaced => "not placed yet".into(),
            Placement::Orphaned => "without a worker".into(),
            Placement::Moving { migration, to, .. } => format!("on its way to {to} as {migration}"),
            _ => "somewhere".into(),
        }
    }

    fn load(&self, worker: WorkerId) -> String {
        let row = self.outcome.workers.iter().find(|row| row.worker == worker);
        row.map_or_else(|| format!("{worker}, unknown"), ToString::to_string)
    }
}

/// So many moves are told of one by one; more are told by reason.
const LISTED: usize = 12;

impl Answer {
    fn text(&self, about: About) -> String {
        let Round { snapshot, outcome, .. } = &self.round;
        let mut lines =
            vec![format!("round {} at {}: {}", outcome.tick, outcome.at, outcome.balance)];
        let idle = Some(outcome.mode).filter(|mode| !mode.is_act());
        lines.extend(idle.map(|mode| format!("the mode is {mode}: nothing new is begun")));
        lines.extend(match about {
            About::Task(id) => {
                snapshot.task(id).map(|task| format!("{id} is {}", self.round.place(task)))
            }
            About::Worker(id) => Some(self.round.load(id)),
        });
        lines.push(format!("considered {} moves", self.others.len() + self.chosen.len()));
        lines.push(String::new());
        let chosen = if outcome.mode == Mode::Advise { "proposed" } else { "chosen" };
        if self.chosen.is_empty() {
            lines.push(format!("{chosen:<12} nothing"));
        }
        for command in &self.chosen {
            lines.push(format!("{chosen:<12} {command}"));
            lines.extend(command.scorecard.map(|card| format!("             {card}")));
        }
        lines.push(String::new());
        lines.extend(self.told().into_iter().flat_map(|(thought, more)| self.said(thought, more)));
        if let Some(thought) = self.others.first() {
            lines.push(String::new());
            lines.push(format!("smallest change: {}: {}", thought.pair(), self.change(thought)));
            if thought.obstacle().is_some() {
                lines.extend(self.round.beside().map(|it| format!("and beside it, {it}")));
                let first =
                    "each line names the first rule that says no: another may stand behind it";
                lines.push(format!("({first})"));
            }
        }
        lines.join("\n")
    }

    /// The moves to tell of, each with how many more there are like it.
    fn told(&self) -> Vec<(&Thought, usize)> {
        let mut told: Vec<(&Thought, usize)> = Vec::new();
        for thought in &self.others {
            let reason = |thought: &Thought| thought.obstacle().map(Rejection::name);
            let is_told = |(first, _): &&mut (&Thought, usize)| {
                // What is said of the task is said once.
                let same = first.pair() == thought.pair();
                reason(first) == reason(thought) && (same || self.others.len() > LISTED)
            };
            match told.iter_mut().find(is_told) {
                Some((first, more)) => *more += usize::from(first.pair() != thought.pair()),
                None => told.push((thought, 0)),
            }
        }
        told
    }

    /// A move that was not made: what stood in the way, and what would lift it.
    fn said(&self, thought: &Thought, more: usize) -> Vec<String> {
        let pair = thought.pair();
        let others = match more {
            0 => String::new(),
            more => format!(" (and {more} more)"),
        };
        match thought.obstacle() {
            Some(no) => {
                let change = format!("{:12} to change it: {}", "", no.remedy());
                vec![format!("{pair:<12} {no}{others}"), change]
            }
            None => vec![format!("{pair:<12} may move, but {}{others}", self.change(thought))],
        }
    }

    /// What would have changed the answer.
    fn change(&self, thought: &Thought) -> String {
        let lifted = thought.obstacle().map(|no| no.remedy().to_string());
        lifted.unwrap_or_else(|| self.round.passed_over(thought))
    }

    fn json(&self) -> Value {
        let Round { outcome, .. } = &self.round;
        let others = self.others.iter().map(|thought| {
            let obstacle = thought.obstacle();
            json!({
                "task": thought.task,
                "worker": thought.verdict.worker,
                "scorecard": thought.verdict.scorecard,
                "rejection": obstacle,
                "remedy": obstacle.map(Rejection::remedy),
                "said": self.said(thought, 0),
            })
        });
        json!({
            "tick": outcome.tick,
            "at": outcome.at,
            "balance": outcome.balance,
            "mode": outcome.mode,
            "chosen": self.chosen,
            "others": others.collect::<Vec<_>>(),
            "smallest_change": self.others.first().map(|thought| json!({
                "task": thought.task,
                "worker": thought.verdict.worker,
                "remedy": thought.obstacle().map(Rejection::remedy),
                "said": self.change(thought),
                "beside": thought.obstacle().and_then(|_| self.round.beside()),
            })),
        })
    }
}
