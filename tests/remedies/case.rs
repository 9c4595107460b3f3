//! One question to the engine: may this task go to this worker?

use std::collections::{BTreeMap, BTreeSet};

use evenkeel::id::Epoch;
use evenkeel::outcome::{Action, Rejection, Verdict};
use evenkeel::snapshot::{GroupRule, Placement};
use evenkeel::state::State;
use evenkeel::testkit::strategies::Cluster;
use evenkeel::{Config, Engine, Outcome, TaskId, Timestamp, Worker, WorkerId};
use serde_json::{Value, json};

/// Which door answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Door {
    /// `Engine::consider`, for rules that do not depend on what else a round would choose.
    Consider,
    /// `Engine::tick`, for budgets and what the round's own moves have done; for these kinds.
    Tick(&'static [&'static str]),
}

/// Until when a task cools down, and when it may go back to which workers, in milliseconds.
#[derive(Clone, Debug, Default)]
pub struct Cooldown {
    pub until: u64,
    pub left: Vec<(u64, u64)>,
}

/// The worker of a refusal that is about the task alone.
pub const ANYWHERE: WorkerId = WorkerId::new(0);

#[derive(Clone, Debug)]
pub struct Case {
    pub door: Door,
    pub config: Config,
    pub cooldowns: BTreeMap<u64, Cooldown>,
    /// Until when tasks that came back are left alone.
    pub returned: BTreeMap<u64, u64>,
    /// The least spread since the loads parted; all tasks have moved then.
    pub moved: Option<f64>,
    /// Up to then an earlier life may have spent budgets, in milliseconds.
    pub blind: Option<u64>,
    pub cluster: Cluster,
    pub at: Timestamp,
    pub task: TaskId,
    pub worker: WorkerId,
    /// The same cluster before its records were spoilt.
    pub sound: Option<Cluster>,
}

/// What the engine says.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Answer {
    Yes,
    No(Rejection),
    /// The round has refused so much that this is not among its examples.
    Unseen,
    /// The round has not asked.
    Silent,
}

impl Case {
    /// The engine that is asked; none if the settings are impossible.
    pub fn engine(&self) -> Option<Engine> {
        let engine = Engine::new(self.config.clone()).ok()?;
        let is_blank = self.blind.is_none() && self.moved.is_none();
        if self.cooldowns.is_empty() && self.returned.is_empty() && is_blank {
            return Some(engine);
        }
        let mut state = serde_json::to_value(engine.state()).unwrap();
        let cooldown = |it: &Cooldown| json!({ "until": it.until, "left": it.left });
        let all = self.cooldowns.iter().map(|(task, it)| (task.to_string(), cooldown(it)));
        state["cooldowns"] = Value::Object(all.collect());
        let returned = |until: u64| json!({ "times": 1, "until": until, "forget": 2 * until });
        let all = self.returned.iter().map(|(task, until)| (task.to_string(), returned(*until)));
        state["back_offs"] = Value::Object(all.collect());
        if let Some(before) = self.blind {
            state["spending"] = json!({ "blind": { "before": before }, "accounts": [] });
        }
        if let Some(least) = self.moved {
            let tasks = self.cluster.tasks.iter().map(|task| (task.id.raw().to_string(), 500_000));
            let tasks: BTreeMap<String, u64> = tasks.collect();
            (state["moved"], state["least_spread"]) = (json!(tasks), json!(least));
        }
        let state: State = serde_json::from_value(state).unwrap();
        Engine::resume(self.config.clone(), state, Epoch::FIRST).ok()
    }

    pub fn verdict(&self) -> Option<Verdict> {
        self.engine()?.look(&self.cluster.snapshot(self.at)).consider(self.task, self.worker)
    }

    pub fn round(&self) -> Option<Outcome> {
        self.engine()?.tick(&self.cluster.snapshot(self.at)).ok()
    }

    /// Asks again after `no`. A round may refuse a task for several reasons; the same one counts first.
    pub fn ask(&self, no: &Rejection) -> Option<Answer> {
        match self.door {
            Door::Consider => {
                let verdict = self.verdict()?;
                Some(verdict.admission.rejection().map_or(Answer::Yes, |no| Answer::No(*no)))
            }
            Door::Tick(_) => Some(self.told(&self.round()?, no)),
        }
    }

    fn told(&self, outcome: &Outcome, no: &Rejection) -> Answer {
        if outcome.begun().any(|command| command.task == self.task) {
            return Answer::Yes;
        }
        let rows = &outcome.tally.refusals;
        let about = |to: WorkerId| self.worker == ANYWHERE || to == self.worker;
        let here = rows.iter().flat_map(|row| &row.examples);
        let here = here.filter(|it| it.task == self.task && it.to.is_none_or(about));
        let here = here.max_by_key(|it| it.rejection.name() == no.name());
        let cut = rows.iter().any(|row| row.count as usize > row.examples.len());
        match here {
            Some(refused) => Answer::No(refused.rejection),
            None if cut => Answer::Unseen,
            None => Answer::Silent,
        }
    }

    /// Whether a round moves the task to another worker than the one that is asked about.
    pub fn goes_elsewhere(&self) -> bool {
        let outcome = match self.door {
            Door::Tick(_) => self.round(),
            Door::Consider => None,
        };
        let mut begun = outcome.iter().flat_map(Outcome::begun);
        let elsewhere = |action: Action| action.begins().is_some_and(|(_, to)| to != self.worker);
        self.worker != ANYWHERE
            && begun.any(|command| command.task == self.task && elsewhere(command.action))
    }

    /// How many refusals of the task a round names; 0 if the question is asked of no round.
    pub fn refusals(&self) -> usize {
        let outcome = match self.door {
            Door::Tick(_) => self.round(),
            Door::Consider => None,
        };
        let rows = outcome.iter().flat_map(|outcome| &outcome.tally.refusals);
        rows.flat_map(|row| &row.examples).filter(|it| it.task == self.task).count()
    }

    /// How many moves a round begins; 0 if the question is asked of no round.
    pub fn begins(&self) -> usize {
        let outcome = match self.door {
            Door::Tick(_) => self.round(),
            Door::Consider => None,
        };
        outcome.map_or(0, |outcome| outcome.begun().count())
    }

    /// How many moves a round goes on with: more room on a worker may keep one that is on its way there.
    pub fn goes_on_with(&self) -> usize {
        let moves = |outcome: Outcome| outcome.in_flight as usize - outcome.begun().count();
        self.round().map_or(0, moves)
    }

    /// Whether loads are not the only reason to move.
    pub fn moves_for_speed(&self) -> bool {
        self.config.hardware.as_ref().is_some_and(|section| section.upgrade.is_some())
    }

    /// The task, and those that may move with it.
    pub fn with(&self) -> BTreeSet<TaskId> {
        let groups = self.cluster.groups.iter().filter(|group| {
            let is_whole = matches!(group.rule, GroupRule::Gang | GroupRule::Affinity);
            is_whole && group.members.contains(&self.task)
        });
        groups.flat_map(|group| &group.members).chain([&self.task]).copied().collect()
    }

    /// Whether a later moment may be another question: whether its worker, or that of a task that moves with it, is to
    /// be emptied by then.
    pub fn may_be_emptied(&self) -> bool {
        let with = self.with();
        let tasks = self.cluster.tasks.iter().filter(|task| with.contains(&task.id));
        let homes = tasks.filter_map(|task| match task.placement {
            Placement::On(home) => Some(home),
            _ => None,
        });
        let homes: Vec<WorkerId> = homes.collect();
        let mut workers = self.cluster.workers.iter().filter(|worker| homes.contains(&worker.id));
        let leaves = |it: &Worker| it.available_until.is_some() || !it.maintenance.is_empty();
        self.door == Door::Consider && workers.any(leaves)
    }

    /// The question in JSON, so that a failure can be looked at.
    pub fn describe(&self) -> String {
        let config = serde_json::to_string(&self.config).unwrap_or_default();
        let Self { door, cooldowns, returned, moved, cluster, at, task, worker, .. } = self;
        format!(
            "{door:?} {task} -> {worker} at {at}\n{config}\n\
             {cooldowns:?} {returned:?} {moved:?}\n{cluster:?}"
        )
    }
}
