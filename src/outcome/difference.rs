//! How do two rounds over one snapshot differ: what does one engine decide that the other does not, and why?

use alloc::vec::Vec;
use core::fmt;

use serde::{Deserialize, Serialize};

use super::{Balance, Command, Forecast, Outcome, Rejection};
use crate::config::Thresholds;
use crate::model::ids::{TaskId, WorkerId};
use crate::model::time::Timestamp;

/// What [`Outcome::differences`] finds; prints one sentence per line.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[must_use]
#[non_exhaustive]
pub struct Differences {
    /// First what the decisions rest on, then the moves by task, then the later steps of migrations under way.
    pub list: Vec<Difference>,
}

/// One difference between the decisions of an engine (live) and those of another one (its shadow).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Difference {
    /// They read snapshots of different moments.
    Snapshot {
        /// The moment of live's snapshot.
        live: Timestamp,
        /// The moment of shadow's snapshot.
        shadow: Timestamp,
    },
    /// Their thresholds differ.
    Thresholds {
        /// Live's thresholds.
        live: Thresholds,
        /// Shadow's thresholds.
        shadow: Thresholds,
    },
    /// Their forecasts differ; the list of single workers is left out.
    Forecast {
        /// Live's forecast; `None` if it has none.
        live: Option<Forecast>,
        /// Shadow's forecast; `None` if it has none.
        shadow: Option<Forecast>,
    },
    /// They disagree on whether the cluster is even.
    Balance {
        /// Live's answer.
        live: Balance,
        /// Shadow's answer.
        shadow: Balance,
    },
    /// Live makes a move that shadow does not make.
    OnlyLive {
        /// Live's command.
        command: Command,
        /// Why shadow does not; `None` if its tally does not say.
        refusal: Option<Rejection>,
    },
    /// Shadow makes a move that live does not make.
    OnlyShadow {
        /// Shadow's command.
        command: Command,
        /// Why live does not; `None` if its tally does not say.
        refusal: Option<Rejection>,
    },
    /// The task moves differently: to another worker or device, by another alternative, or in another
    /// way (it is evicted, say, or its copy is started first).
    Target {
        /// Live's command.
        live: Command,
        /// Shadow's command.
        shadow: Command,
        /// Why live does not choose shadow's target; `None` if its tally does not say.
        live_refusal: Option<Rejection>,
        /// Why shadow does not choose live's target; `None` if its tally does not say.
        shadow_refusal: Option<Rejection>,
    },
    /// The task moves to the same place, for another reason.
    Reason {
        /// Live's command.
        live: Command,
        /// Shadow's command.
        shadow: Command,
    },
}

impl Outcome {
    /// The differences between this outcome (live) and that of another engine (its shadow). Proposed
    /// moves count like commanded ones.
    ///
    /// A shadow reads the same inputs under other settings, in
    /// [`Mode::Advise`](crate::config::Mode::Advise). It learns of the live engine's moves from the
    /// snapshots: it takes over those that are shown as
    /// [`Moving`](crate::snapshot::Placement::Moving). To compare a single round only, let the shadow
    /// [resume](crate::Engine::resume) from the live engine's state before that round.
    ///
    /// ```
    /// use evenkeel::{
    ///     Config, Engine, ResourceId, Snapshot, Task, TaskId, Timestamp, Worker, WorkerId,
    /// };
    /// use evenkeel::config::Mode;
    /// let worker = |id, used| {
    ///     let worker = Worker::new(WorkerId::new(id)).with_capacity(ResourceId::CPU, 10.0);
    ///     worker.with_used(ResourceId::CPU, used)
    /// };
    /// let task = Task::new(TaskId::new(1)).on(WorkerId::new(1)).with_demand(ResourceId::CPU, 3.0);
    /// let snapshot = Snapshot::builder(Timestamp::from_secs(30))
    ///     .workers([worker(1, 8.0), worker(2, 3.5)])
    ///     .task(task)
    ///     .build();
    /// let mut calmer = Config::default();
    /// (calmer.detection.sufficient, calmer.mode) = (None, Mode::Advise);
    /// calmer.thresholds.high = 0.9;
    /// let live = Engine::new(Config::default())?.tick(&snapshot)?;
    /// let shadow = Engine::new(calmer)?.tick(&snapshot)?;
    /// assert!(live.differences(&shadow).to_string().ends_with(
    ///     "live has t1 w1 -> w2 (w1 at 0.800, spread 0.450), shadow does not"
    /// ));
    /// assert_eq!(live.differences(&live).to_string(), "no difference");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn differences(&self, shadow: &Self) -> Differences {
        let mut list = Vec::new();
        self.other_grounds(shadow, &mut list);
        let (live_moves, shadow_moves) = (self.moves(), shadow.moves());
        let mut others = shadow_moves.iter().peekable();
        for live in &live_moves {
            while let Some(command) = others.next_if(|other| other.task < live.task) {
                list.push(self.only_shadow(command));
            }
            match others.next_if(|other| other.task == live.task) {
                Some(other) => list.extend(self.otherwise(live, shadow, other)),
                None => list.push(shadow.only_live(live)),
            }
        }
        list.extend(others.map(|command| self.only_shadow(command)));
        let has = |outcome: &Self, it: &Command| {
            let told = |other: &&Command| (other.task, other.action) == (it.task, it.action);
            outcome.commands.iter().any(|other| told(&other))
        };
        let follows = |it: &&Command| target(it).is_none();
        let missing = self.commands.iter().filter(follows).filter(|it| !has(shadow, it));
        list.extend(missing.map(|it| Difference::OnlyLive { command: *it, refusal: None }));
        let missing = shadow.commands.iter().filter(follows).filter(|it| !has(self, it));
        list.extend(missing.map(|it| Difference::OnlyShadow { command: *it, refusal: None }));
        Differences { list }
    }

    fn other_grounds(&self, shadow: &Self, list: &mut Vec<Difference>) {
        // An engine reads at most one snapshot of a moment.
        if self.at != shadow.at {
            list.push(Difference::Snapshot { live: self.at, shadow: shadow.at });
        }
        if self.thresholds != shadow.thresholds {
            let (live, shadow) = (self.thresholds, shadow.thresholds);
            list.push(Difference::Thresholds { live, shadow });
        }
        let whole = |outcome: &Self| {
            let forecast = outcome.forecast.as_ref();
            forecast.map(|it| Forecast { workers: Vec::new(), ..it.clone() })
        };
        let (live, other) = (whole(self), whole(shadow));
        if live != other {
            list.push(Difference::Forecast { live, shadow: other });
        }
        if self.balance != shadow.balance {
            list.push(Difference::Balance { live: self.balance, shadow: shadow.balance });
        }
    }

    /// The moves that the round begins or proposes, by task.
    fn moves(&self) -> Vec<Command> {
        let all = self.commands.iter().chain(&self.proposed).copied();
        let mut moves: Vec<Command> = all.filter(|command| target(command).is_some()).collect();
        moves.sort_by_key(|command| command.task);
        moves
    }

    /// A move of another round that this one does not make.
    fn only_live(&self, command: &Command) -> Difference {
        Difference::OnlyLive { command: *command, refusal: self.refusal(command) }
    }

    fn only_shadow(&self, command: &Command) -> Difference {
        Difference::OnlyShadow { command: *command, refusal: self.refusal(command) }
    }

    /// How two moves of one task differ; `None` if they do not.
    fn otherwise(&self, live: &Command, other: &Self, shadow: &Command) -> Option<Difference> {
        let is_elsewhere = target(live) != target(shadow);
        let acts_otherwise = live.action != shadow.action && !broken!("shadow_tells_of_the_way");
        if is_elsewhere || acts_otherwise || live.alternative != shadow.alternative {
            let refused = |round: &Self, command: &Command| {
                if is_elsewhere { round.refusal(command) } else { None }
            };
            let (live_refusal, shadow_refusal) = (refused(self, shadow), refused(other, live));
            let (live, shadow) = (*live, *shadow);
            return Some(Difference::Target { live, shadow, live_refusal, shadow_refusal });
        }
        let same = live.why == shadow.why;
        (!same).then_some(Difference::Reason { live: *live, shadow: *shadow })
    }

    /// Why this round did not make a move: the refusal of the pair, or else of the task; `None` if the tally has
    /// neither.
    fn refusal(&self, command: &Command) -> Option<Rejection> {
        if broken!("shadow_tells_refusals") {
            return None;
        }
        let to = target(command);
        let examples = self.tally.refusals.iter().flat_map(|row| &row.examples);
        let mut of_the_task = examples.filter(|it| it.task == command.task);
        let scored = || {
            let pair = |it: &&super::Considered| it.task == command.task && Some(it.to) == to;
            self.candidates.iter().find(pair)?.refused
        };
        let pair = of_the_task.clone().find(|it| it.to == to).map(|it| it.rejection);
        let whole = || of_the_task.find(|it| it.to.is_none()).map(|it| it.rejection);
        pair.or_else(scored).or_else(whole)
    }
}

/// The target of a command that begins a migration; `None` for other commands.
fn target(command: &Command) -> Option<WorkerId> {
    command.action.begins().map(|(_, to)| to)
}

impl Difference {
    /// The task that the difference is about; `None` if it is about what the decisions rest on.
    pub const fn task(&self) -> Option<TaskId> {
        match self {
            Self::OnlyLive { command, .. }
            | Self::OnlyShadow { command, .. }
            | Self::Target { live: command, .. }
            | Self::Reason { live: command, .. } => Some(command.task),
            Self::Snapshot { .. }
            | Self::Thresholds { .. }
            | Self::Forecast { .. }
            | Self::Balance { .. } => None,
        }
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Snapshot { live, shadow } => {
                write!(f, "live has read the snapshot of {live}, shadow that of {shadow}")
            }
            Self::Thresholds { live, shadow } => {
                write!(f, "thresholds: live {live}; shadow {shadow}")
            }
            Self::Forecast { live, shadow } => {
                let [live, shadow] = [live, shadow].map(|it| Foreseen(it.as_ref()));
                write!(f, "forecast: live {live}; shadow {shadow}")
            }
            Self::Balance { live, shadow } => write!(f, "balance: live {live}; shadow {shadow}"),
            Self::OnlyLive { command, refusal } => {
                let (way, why) = (Way(command), Why(*refusal));
                let Command { task, why: reason, .. } = command;
                write!(f, "live has {task} {way} ({reason}), shadow does not{why}")
            }
            Self::OnlyShadow { command, refusal } => {
                let (way, why) = (Way(command), Why(*refusal));
                let Command { task, why: reason, .. } = command;
                write!(f, "shadow has {task} {way} ({reason}), live does not{why}")
            }
            Self::Target { live, shadow, live_refusal, shadow_refusal } => {
                write!(f, "live has {} {}, shadow {}", live.task, Way(live), Way(shadow))?;
                for (who, other, no) in
                    [("live", shadow, live_refusal), ("shadow", live, shadow_refusal)]
                {
                    if let (Some(to), Some(no)) = (target(other), no) {
                        write!(f, "; {who} not to {to}: {no}")?;
                    }
                }
                Ok(())
            }
            Self::Reason { live, shadow } => {
                let (Command { task, why: reason, .. }, way, other) = (live, Way(live), shadow.why);
                write!(f, "live has {task} {way} because {reason}, shadow because {other}")
            }
        }
    }
}

/// Prints what a command does with its task.
struct Way<'a>(&'a Command);

impl fmt::Display for Way<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.action.fmt(f)?;
        match self.0.alternative {
            Some(nth) => write!(f, " by alternative {nth}"),
            None => Ok(()),
        }
    }
}

/// Prints a forecast, if there is one.
struct Foreseen<'a>(Option<&'a Forecast>);

impl fmt::Display for Foreseen<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(forecast) => forecast.fmt(f),
            None => f.write_str("none"),
        }
    }
}

/// Prints a refusal after a colon, if there is one.
struct Why(Option<Rejection>);

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(no) => write!(f, ": {no}"),
            None => Ok(()),
        }
    }
}

impl Differences {
    /// Whether there is no difference.
    pub const fn is_empty(&self) -> bool {
        self.list.is_empty()
    }
}

impl fmt::Display for Differences {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut lines = self.list.iter();
        match lines.next() {
            Some(first) => first.fmt(f)?,
            None => return f.write_str("no difference"),
        }
        lines.try_for_each(|line| write!(f, "\n{line}"))
    }
}
