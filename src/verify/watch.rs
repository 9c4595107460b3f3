//! Did the engine keep its promises over many rounds? Judges what no single round can show.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::format;
use alloc::vec::Vec;

use super::budgets::Budgets;
use super::given_back::GivenBack;
use super::life::{Life, Past, Shown};
use super::promise::{Findings, Promise, Violation};
use super::quiet::Quiet;
use super::returns::Returns;
use crate::config::{Config, HostAbility};
use crate::engine::{Input, Output};
use crate::model::ids::{MigrationId, TaskId, WorkerId};
use crate::model::time::Timestamp;
use crate::outcome::{Action, Cause, Command, Ended, Fate, Outcome, Reply};
use crate::snapshot::{Coverage, Event, Phase, Placement, Report, Snapshot, Stance};

/// Watches a sequence of inputs and outputs, from an engine's first on.
///
/// It checks that
///
/// * every migration id is issued once, and every migration ends exactly once, with no command afterwards;
/// * no task is in two migrations, or told to run in two places (unless it declares that it can; then no source is told
///   to stop it before the copy runs);
/// * no task that its source released is lost, and none that was given back to the scheduler is placed too;
/// * no task returns within the cooldown to a worker that it left;
/// * no task that came back after an eviction is evicted again too soon, with a longer wait each time;
/// * under constant load (and without a telemetry lag) no arrangement of tasks comes back, so that the engine must fall
///   silent;
/// * no line of the table of [budgets](Budgets) is exceeded.
///
/// It remembers every migration and every task that it has seen, in about 50 bytes each.
///
/// ```
/// use evenkeel::{Config, Engine, Snapshot, Timestamp};
/// use evenkeel::engine::Input;
/// use evenkeel::verify::Watch;
/// let (mut engine, mut watch) = (Engine::new(Config::default())?, Watch::new(&Config::default()));
/// let input = Input::Tick(Snapshot::builder(Timestamp::from_secs(30)).build());
/// let output = engine.apply(&input);
/// assert_eq!(watch.see(&input, &output), []);
/// assert_eq!(watch.unfinished(), []);
/// # Ok::<(), evenkeel::config::ConfigErrors>(())
/// ```
#[derive(Clone, Debug)]
pub struct Watch {
    config: Config,
    /// The last id issued.
    newest: Option<MigrationId>,
    open: BTreeMap<MigrationId, Life>,
    over: BTreeMap<MigrationId, Past>,
    /// When a snapshot last showed each task on a worker that is there, or in a queue.
    at_rest: BTreeMap<TaskId, Timestamp>,
    given_back: GivenBack,
    /// Whether records or reports have shown the source of each migration to let go; `false` if they have only shown
    /// that it is to.
    let_go: BTreeMap<MigrationId, bool>,
    returns: Returns,
    quiet: Quiet,
    budgets: Budgets,
}

impl Watch {
    /// Watches an engine that remembers nothing yet.
    pub fn new(config: &Config) -> Self {
        Self {
            config: config.clone(),
            newest: None,
            open: BTreeMap::new(),
            over: BTreeMap::new(),
            at_rest: BTreeMap::new(),
            given_back: GivenBack::default(),
            let_go: BTreeMap::new(),
            returns: Returns::default(),
            quiet: Quiet::default(),
            budgets: Budgets::new(config),
        }
    }

    /// Watches a later life that was resumed from the state at this point. Migrations that the earlier life, `over`,
    /// began since then count to its budgets too.
    #[must_use]
    pub fn after(mut self, over: &Self) -> Self {
        self.budgets.inherit(&over.budgets);
        self
    }

    /// Takes in one input and its output.
    pub fn see(&mut self, input: &Input, output: &Output) -> Vec<Violation> {
        match (input, output) {
            (Input::Tick(snapshot), Output::Outcome(outcome)) => self.round(snapshot, outcome),
            (Input::Tick(snapshot), Output::Stale(stale)) => {
                let shown = self.reports(snapshot.reports());
                self.reply(&shown, &stale.commands, &stale.ended)
            }
            (Input::Report(report), Output::Reply(reply)) => self.report(report, reply),
            (Input::Reconfigure(config), Output::Reconfigured) => {
                self.config = (**config).clone();
                self.quiet = Quiet::default();
                self.budgets.reconfigured(&self.config);
                Vec::new()
            }
            (Input::Reconfigure(_), Output::Refused(_)) => Vec::new(),
            _ => {
                let mut findings = Findings::new(Promise::Determinism);
                findings.add(format!("{output:?} is no answer to such an input"));
                findings.list
            }
        }
    }

    /// Takes in one round.
    pub fn round(&mut self, snapshot: &Snapshot, outcome: &Outcome) -> Vec<Violation> {
        for task in snapshot.tasks() {
            let rests = match task.placement {
                Placement::On(worker) => {
                    snapshot.worker(worker).is_some_and(|worker| worker.stance != Stance::Offline)
                }
                Placement::Unplaced => true,
                _ => false,
            };
            if rests {
                self.at_rest.insert(task.id, snapshot.at());
            }
        }
        // A clock that was set back between two lives.
        self.at_rest.values_mut().for_each(|at| *at = snapshot.at().min(*at));
        self.given_back.see(snapshot);
        let mut shown = self.reports(snapshot.reports());
        shown.at = snapshot.at();
        self.records(snapshot, outcome, &mut shown);
        let mut violations = self.answer(&shown, &outcome.commands, &outcome.ended);
        self.given_back.end_round();
        violations.extend(self.budgets.round(snapshot, outcome));
        let mut findings = Findings::new(Promise::OneMove);
        let acts = self.config.mode.is_act();
        let interrupts = |it: &&Command| it.action.begins().is_some_and(|(from, _)| from.is_some());
        for command in outcome.commands.iter().filter(interrupts).filter(|_| !acts) {
            findings.add(format!("{command}: the mode is {}", self.config.mode));
        }
        violations.extend(findings.list);
        self.quiet.ended(&outcome.ended);
        // With a telemetry lag that is set too long, moves count twice, so a constant load does not look constant.
        if self.config.stability.is_some_and(|section| section.telemetry_lag.is_zero()) {
            violations.extend(self.quiet.round(snapshot, outcome));
        }
        violations
    }

    /// Takes in one report.
    pub fn report(&mut self, report: &Report, reply: &Reply) -> Vec<Violation> {
        // What changed nothing is not believed: a snapshot may show more.
        let believed = if reply.ignored { &[] } else { core::slice::from_ref(report) };
        let shown = self.reports(believed);
        self.reply(&shown, &reply.commands, &reply.ended)
    }

    /// Takes in an answer between two rounds.
    fn reply(&mut self, shown: &Shown, commands: &[Command], ended: &[Ended]) -> Vec<Violation> {
        self.quiet.ended(ended);
        let violations = self.answer(shown, commands, ended);
        self.budgets.ended(ended);
        violations
    }

    /// The migrations that have not ended; there must be none after the host has come to rest.
    pub fn unfinished(&self) -> Vec<Violation> {
        let mut findings = Findings::new(Promise::OneMove);
        for (id, life) in &self.open {
            findings.add(format!("{id} of {} never ended", life.task));
        }
        findings.list
    }

    fn reports(&mut self, reports: &[Report]) -> Shown {
        let mut shown = Shown::default();
        for report in reports {
            shown.at = shown.at.max(report.at);
            let Some(id) = report.event.migration() else { continue };
            match report.event {
                Event::Released { .. } => {
                    let at_rest = |task: TaskId| self.at_rest.get(&task).copied();
                    let is_news = |task: TaskId| at_rest(task) <= Some(report.at);
                    self.let_go.entry(id).and_modify(|let_go| *let_go = true);
                    match (self.open.get_mut(&id), self.over.get(&id)) {
                        (Some(life), _) => life.released |= is_news(life.task),
                        (None, Some(past)) if !past.released && is_news(past.task) => {
                            shown.late.insert(id);
                        }
                        _ => {}
                    }
                }
                Event::Running { .. } => {
                    shown.running.insert(id);
                    self.open.entry(id).and_modify(Life::runs);
                }
                Event::Failed { .. } | Event::Refused { .. } => {
                    *shown.failures.entry(id).or_default() += 1;
                }
                Event::Diverted { task, worker, .. } => {
                    shown.diverted.insert(id, (task, worker));
                }
                _ => {}
            }
        }
        shown
    }

    /// Takes in the records of a snapshot; in a snapshot that is not believed, no worker counts as gone, nor does a
    /// worker whose grace period lasts.
    fn records(&mut self, snapshot: &Snapshot, outcome: &Outcome, shown: &mut Shown) {
        let doubted = outcome.held.is_some();
        let complete = snapshot.coverage() == Coverage::Complete && !doubted;
        let moving: BTreeMap<TaskId, MigrationId> =
            self.open.iter().map(|(id, life)| (life.task, *id)).collect();
        // A task that is no longer listed is over: a later task with its id is another one.
        self.returns.keep(&self.config, snapshot.at(), |task| {
            !complete || snapshot.task(task).is_some() || moving.contains_key(&task)
        });
        let gone = |worker: WorkerId| match snapshot.worker(worker) {
            Some(worker) => worker.stance == Stance::Offline && !doubted,
            None => complete && outcome.missing.iter().all(|missing| missing.worker != worker),
        };
        let told = self.open.values().filter_map(|life| life.told);
        let sources = self.open.values().filter_map(|life| life.from);
        // Sources of migrations that this life has yet to take over.
        let moves = snapshot.tasks().iter().filter_map(|task| match task.placement {
            Placement::Moving { from, .. } => from,
            _ => None,
        });
        shown.gone = told.chain(sources).chain(moves).filter(|worker| gone(*worker)).collect();
        for task in snapshot.tasks() {
            if task.overlaps {
                shown.overlapping.insert(task.id);
            }
            match task.placement {
                Placement::On(worker) if gone(worker) => {
                    shown.orphaned.insert(task.id);
                }
                Placement::On(worker) => {
                    shown.held.insert(task.id, worker);
                    let there = |life: &&mut Life| (life.task, life.to) == (task.id, Some(worker));
                    self.open.values_mut().filter(there).for_each(Life::runs);
                }
                Placement::Orphaned => {
                    shown.orphaned.insert(task.id);
                }
                Placement::Moving { migration, phase, from, to, since } => {
                    shown.moving.insert(task.id, (migration, phase, from));
                    *self.let_go.entry(migration).or_default() |= phase != Phase::Releasing;
                    let own = self.open.get_mut(&migration);
                    if own.is_some_and(|life| life.gives_up(to, phase, since)) {
                        *shown.failures.entry(migration).or_default() += 1;
                    }
                    self.open.entry(migration).and_modify(|life| life.shown(phase));
                    // A release that an earlier migration asked for is one all the same.
                    let later = moving.get(&task.id).filter(|later| **later > migration);
                    if let (Some(later), Phase::Released) = (later, phase) {
                        self.open.entry(*later).and_modify(|life| life.shown(phase));
                    }
                    if !self.open.contains_key(&migration) && !self.over.contains_key(&migration) {
                        self.forget_release(task.id);
                    }
                }
                _ => {}
            }
        }
    }

    /// Judges the engine's answer to its input: first the steps of migrations under way, then their ends, then the
    /// migrations that begin.
    fn answer(&mut self, shown: &Shown, commands: &[Command], ended: &[Ended]) -> Vec<Violation> {
        let mut findings = Findings::new(Promise::OneMove);
        let begins = |command: &Command| {
            command.action.begins().is_some() && !self.open.contains_key(&command.migration)
        };
        let (begun, rest): (Vec<_>, Vec<_>) = commands.iter().copied().partition(begins);
        for command in rest {
            self.follow(shown, &command, &mut findings);
        }
        let requeued: BTreeSet<MigrationId> = commands
            .iter()
            .filter(|command| matches!(command.action, Action::Requeue))
            .map(|command| command.migration)
            .collect();
        for late in &shown.late {
            let known = |past: &Past| past.released || self.is_moving(past.task);
            let busy = self.over.get(late).is_some_and(known);
            let remembered = self.over.keys().rev().take(crate::state::ENDED).any(|id| id == late);
            let theirs = self.over.get(late).is_some_and(|past| past.evicted);
            findings.need(requeued.contains(late) || busy || theirs || !remembered, || {
                format!("{late} was let go after its end, and is lost")
            });
            self.over.entry(*late).and_modify(|past| past.released = true);
        }
        for ended in ended {
            self.end(shown, ended, requeued.contains(&ended.migration), &mut findings);
        }
        for id in shown.failures.keys() {
            let answered = commands.iter().any(|command| command.migration == *id);
            if let Some(life) = self.open.get_mut(id).filter(|_| !answered) {
                life.told = None;
            }
        }
        // A worker that is gone carries out no command and need not be told.
        for life in self.open.values_mut() {
            life.told = life.told.filter(|told| !shown.gone.contains(told));
        }
        for command in begun {
            self.begin(shown, &command, &mut findings);
            let back = self.returns.goes_back(&self.config, shown.at, &command);
            findings.list.extend(back);
        }
        findings.list
    }

    /// Whether all that is known of a migration of an earlier life is that its source has yet to let go.
    fn is_leaving(&self, id: MigrationId) -> bool {
        self.let_go.get(&id) == Some(&false)
    }

    fn is_moving(&self, task: TaskId) -> bool {
        self.open.values().any(|life| life.task == task)
    }

    /// Forgets earlier migrations of a task that moves again: a late release by their source does not lose it.
    fn forget_release(&mut self, task: TaskId) {
        let remembered = self.over.values_mut().rev().take(crate::state::ENDED);
        remembered.filter(|past| past.task == task).for_each(|past| past.released = true);
    }

    /// Judges a command that begins a migration.
    fn begin(&mut self, shown: &Shown, command: &Command, findings: &mut Findings) {
        let id = command.migration;
        let fresh = self.newest.is_none_or(|newest| newest < id) && !self.over.contains_key(&id);
        findings.need(fresh, || format!("{command}: {id} is issued again, {:?} was", self.newest));
        findings.need(!self.is_moving(command.task), || {
            format!("{command}: {} is in a migration already", command.task)
        });
        self.newest = self.newest.max(Some(id));
        self.forget_release(command.task);
        let (from, to) =
            command.action.begins().map_or((None, None), |(from, to)| (from, Some(to)));
        let evicted = matches!(command.action, Action::Evict { .. } | Action::RequeueFor { .. });
        let copied = matches!(command.action, Action::Start { .. });
        let told = to.filter(|_| copied || from.is_none());
        if from.is_none() {
            let held = shown.held.get(&command.task);
            findings.need(held.is_none(), || format!("{command}: it runs on {held:?}"));
            // The host may hand the task to its scheduler as long as it need not drop the order.
            let given = self.given_back.pending(command.task, self.config.timeout());
            findings.need(given.is_none(), || format!("{command}: given back at {given:?}"));
        }
        let declared = shown.overlapping.contains(&command.task);
        findings.need(declared || !copied, || {
            format!("{command}: told to run in two places, and does not declare that it can")
        });
        let until = self.returns.rests_until(command.task).filter(|until| *until > shown.at);
        findings.need(until.is_none() || !evicted, || {
            format!("{command}: it came back, rests until {until:?}, and is evicted again")
        });
        let (task, released, copy) = (command.task, from.is_none(), copied.then_some(false));
        self.open.insert(id, Life { task, from, to, released, told, asked: None, evicted, copy });
    }

    /// Judges a command of a migration under way, or taken over from an earlier life.
    fn follow(&mut self, shown: &Shown, command: &Command, findings: &mut Findings) {
        let id = command.migration;
        if matches!(command.action, Action::Requeue) {
            self.given_back.note(command.task);
        }
        if let Some(past) = self.over.get(&id) {
            let late = matches!(command.action, Action::Requeue | Action::Abort { .. })
                && shown.late.contains(&id);
            // What is shown under way, by this migration or an earlier one, has yet to be told what it was told last.
            let under_way = shown.moving.get(&command.task).is_some_and(|(shown, ..)| *shown <= id);
            let last = matches!(
                command.action,
                Action::Requeue | Action::Abort { .. } | Action::Stop { .. }
            );
            findings.need(late || (last && under_way), || {
                format!("{command}: {id} is over ({:?})", past.fate)
            });
            return;
        }
        // A source that is told to stop has yet to let go.
        let is_stopped = matches!(command.action, Action::Stop { .. });
        let released = !is_stopped && !self.is_leaving(id);
        let from = shown.moving.get(&command.task).filter(|(shown, ..)| *shown == id);
        let adopted = Life::adopted(command.task, from.and_then(|(.., from)| *from), released);
        let life = self.open.entry(id).or_insert(adopted);
        findings.need(life.task == command.task, || format!("{command}: it was {}", life.task));
        let to = match command.action {
            Action::Assign { to, .. } | Action::Place { to, .. } => Some(to),
            Action::Requeue => None,
            Action::Abort { worker } => {
                life.told = life.told.filter(|told| *told != worker);
                return;
            }
            Action::Stop { .. } => {
                let diverted = shown.diverted.contains_key(&id);
                findings.need(life.copy != Some(false) || diverted, || {
                    format!("{command}: its copy is not known to run")
                });
                // A copy that an earlier life has started.
                life.copy = life.copy.or(shown.running.contains(&id).then_some(true));
                return;
            }
            Action::Release { .. }
            | Action::Evict { .. }
            | Action::RequeueFor { .. }
            | Action::Start { .. } => {
                findings.add(format!("{command}: begun again"));
                return;
            }
        };
        let source_lost = life.from.is_some_and(|from| shown.gone.contains(&from))
            || shown.orphaned.contains(&command.task);
        // A source may be told to run a task that it still runs: after a restart the engine cannot know.
        let may = life.released || source_lost || (to.is_some() && to == life.from);
        findings.need(may, || format!("{command}: its source has not let go"));
        let silent = life.told.filter(|told| {
            let gone = shown.gone.contains(told) || shown.orphaned.contains(&command.task);
            Some(*told) != to && !gone && !shown.failures.contains_key(&id)
        });
        findings.need(silent.is_none(), || format!("{command}: {silent:?} was told to run it"));
        // In an overlapping move that has lost its source, there is nothing left to release.
        life.released |= source_lost && life.copy.is_some();
        (life.told, life.asked, life.copy) = (to, None, None);
        let elsewhere = to.is_some() && life.to.is_some() && life.to != to;
        life.to = to;
        if elsewhere && command.cause() != Some(Cause::Return) {
            findings.list.extend(self.returns.goes_back(&self.config, shown.at, command));
        }
    }

    /// Judges the end of a migration.
    fn end(&mut self, shown: &Shown, ended: &Ended, requeued: bool, findings: &mut Findings) {
        let id = ended.migration;
        if let Some(past) = self.over.get(&id) {
            findings.add(format!("{ended}: it had ended before ({:?})", past.fate));
            return;
        }
        let life = self.open.remove(&id);
        if ended.fate == Fate::Finished {
            // The task is over; a later task with its id is another one.
            self.returns.finished(ended.task);
        }
        // If the copy runs on the target, a late stop at the source loses nothing.
        let stays = |life: &Life| life.copy == Some(true) && ended.fate == Fate::Completed;
        let released =
            life.as_ref().map_or(!self.is_leaving(id), |life| life.released || stays(life));
        let home = shown.running.contains(&id) || shown.held.contains_key(&ended.task);
        // A task that is an orphan, or was one when its placement began, is known to have no worker: rounds place it
        // again.
        let orphaned = shown.orphaned.contains(&ended.task) || ended.from.is_none();
        // The source of a copy of which nobody has told is shown to have the task still.
        let kept = shown.overlapping.contains(&ended.task)
            && shown
                .moving
                .get(&ended.task)
                .is_some_and(|(shown, phase, _)| *shown == id && *phase == Phase::Releasing);
        // How a migration of an earlier life is carried out is unknown.
        let evicted = life.as_ref().is_none_or(|life| life.evicted);
        // If the task has arrived, its source has released it, or has yet to do as it was told.
        let arrived = matches!(ended.fate, Fate::Completed | Fate::Diverted);
        let was_copied = life.as_ref().is_some_and(|life| life.copy == Some(true));
        let arrived = arrived || (ended.fate == Fate::Finished && was_copied);
        let (task, fate) = (ended.task, ended.fate);
        self.over.insert(id, Past { task, released: released || arrived, evicted, fate });
        let overlaps = self
            .config
            .migration
            .as_ref()
            .is_some_and(|limits| limits.host == HostAbility::Overlap);
        let copied = life.as_ref().map_or(overlaps, |life| life.copy == Some(true));
        let lost = match ended.fate {
            Fate::Completed | Fate::Diverted => false,
            // After an eviction the host's scheduler places the task.
            _ if evicted => false,
            Fate::Finished => released && life.is_some(),
            _ => released && life.is_some() && !requeued && !home && !orphaned && !kept,
        };
        findings.need(!lost, || format!("{ended}: its source let go, nobody has it: lost"));
        let there = shown.diverted.get(&id).is_some_and(|(_, worker)| *worker == ended.to);
        let seen = ended.fate != Fate::Completed || home || copied || there;
        findings.need(seen, || format!("{ended}: nothing shows that it runs there"));
        if arrived {
            let told = shown.diverted.get(&id).copied();
            let held = shown.held.get(&ended.task).map(|worker| (ended.task, *worker));
            // Reports are read before records.
            let found = told.or(held).unwrap_or((ended.task, ended.to));
            if self.returns.arrived(&self.config, ended, found, evicted) {
                self.budgets.came_back(id);
            }
        }
    }
}
