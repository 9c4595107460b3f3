//! What happened to the migrations under way? Reports are read first, then what the snapshot itself shows.
//!
//! This is one of the two writers of State. Whatever fails, and in whatever order reports come, twice or
//! never: a migration ends exactly once, and a task that its source has released is assigned to a target,
//! returned to its source, or given back to the scheduler.
//!
//! | file | what it does |
//! |---|---|
//! | [`event`] | what can happen to a migration |
//! | [`course`] | the transition table: course and event in, next course and effects out |
//! | [`apply`] | carries the effects out; the one place where a migration ends |
//! | `name` | the names of the transitions, for the printed table and for tests |
//! | [`observed`] | turns what a snapshot shows into events |
//! | [`inherited`] | what the engine finds under way after a restart |
//! | [`gang`] | calls off the rest of a gang of which one task stays |
//!
//! | step fails | then |
//! |---|---|
//! | releasing | the task never left its source; the migration is over |
//! | assigned, source still there | back to the source |
//! | assigned, source gone | another target in the next round |
//! | after four attempts, or too long | back to the scheduler |
//!
//! In a move that starts a copy on its target before it stops its source:
//!
//! | what happens | then |
//! |---|---|
//! | the target fails to start the copy | the source runs the task as before; the migration is over |
//! | the copy runs | the source is told to stop the task |
//! | the source has stopped the task | the migration is complete |
//! | the source does not stop it, or the target is gone | the copy stops, the source keeps the task |
//! | the source is gone | the move becomes a placement on the target |
//!
//! If the host's own scheduler chooses the target (by eviction, or by queuing again), a migration ends
//! when the task is found on a worker, under whatever id: completed if that is the target, which was a
//! hint, and diverted otherwise. A task that comes back to its source is left alone for a while, twice as
//! long each time.

mod apply;
mod course;
mod event;
mod gang;
mod inherited;
#[cfg(any(test, feature = "mutants"))]
mod name;
mod observed;
#[cfg(test)]
mod table;

use crate::config::Config;
use crate::math::average::Average;
use crate::model::time::Timestamp;
use crate::outcome::{Action, Cause, Command, Fate, Reply, Why};
use crate::snapshot::{self, Phase, Placement, Report, Snapshot};
use crate::state::{Concurrency, EndedMigration, Migration, State, Transport};

pub(crate) use apply::{Lifecycle, Settled};

use event::Event;

impl Lifecycle<'_> {
    /// Settles one report.
    pub(crate) fn on_report(mut self, report: &Report) -> Reply {
        if let Some(bad) = report.flaw() {
            return Reply { bad: Some(bad), ..Reply::default() };
        }
        let latest = latest(self.config, self.state, None);
        self.read(report, latest);
        let Settled { commands, ended, ignored } = self.out;
        Reply { commands, ended, ignored: ignored > 0, bad: None }
    }

    /// Settles a snapshot: its reports, what its placements show, and what has taken too long. While the
    /// engine holds back, migrations of workers that are out of sight do not time out.
    pub(crate) fn on_snapshot(mut self, snapshot: &Snapshot, holds_back: bool) -> Settled {
        let latest = latest(self.config, self.state, Some(snapshot.at()));
        if self.state.is_resumed() {
            self.catch_up(snapshot);
        }
        for report in snapshot.reports() {
            if is_overtaken(self.state, snapshot, report) && !broken!("answered_release") {
                self.out.ignored += 1;
            } else {
                self.read(report, latest);
            }
        }
        self.notice_workers(snapshot);
        self.adopt(snapshot);
        self.observe(snapshot, holds_back);
        self.keep_gangs_whole(snapshot);
        self.adapt_concurrency();
        // A later report or placement in the same snapshot may have settled what an earlier one asked for: such
        // commands are dropped.
        let Self { state, mut out, .. } = self;
        out.commands.retain(|command| is_current(state, command));
        out
    }

    /// Reads one report.
    fn read(&mut self, report: &Report, latest: Timestamp) {
        let Some(id) = report.event.migration() else {
            self.learn_speed(report);
            return;
        };
        let Some(migration) = self.state.in_flight.by_id(id) else {
            self.read_late(report, latest);
            return;
        };
        // Not before the migration entered its course, and not later than is plausible.
        let at = report.at.min(latest).max(migration.since());
        let stale = is_stale(migration, report) || is_doubtful(self.state, migration, report);
        let changed = !stale && event_of(report).is_some_and(|event| self.apply(id, event, at));
        self.out.ignored += u32::from(!changed);
    }

    /// Learns how fast a worker's hardware really is. Nothing is kept about unknown workers, since it would never be
    /// forgotten.
    fn learn_speed(&mut self, report: &Report) {
        let snapshot::Event::Performance { worker, hardware, speed } = report.event else { return };
        if !self.state.tracks.contains_key(&worker) {
            self.out.ignored += 1;
        } else if let Some(section) = &self.config.hardware {
            let kinds = self.state.learned.speed.entry(worker).or_default();
            let prior = section.table.profile(hardware, None).performance;
            let average = kinds.entry(hardware).or_insert(Average::starting_at(prior));
            average.learn(speed, section.learning_rate);
        }
    }

    /// Reads a report on a migration that is over or unknown.
    fn read_late(&mut self, report: &Report, latest: Timestamp) {
        let State { ended, in_flight, .. } = &*self.state;
        let known = ended.iter().find(|ended| Some(ended.id) == report.event.migration());
        let known = known.filter(|ended| !in_flight.contains_key(&ended.task));
        let Some(ended) = known.copied() else {
            self.out.ignored += 1;
            return;
        };
        match report.event {
            // The source released the task although the migration was over: no worker has the task. This counts once.
            snapshot::Event::Released { .. }
                if ended.source_still_holds && !broken!("late_release_is_not_lost") =>
            {
                let gone = |other: &mut EndedMigration| {
                    other.source_still_holds = false;
                    if !broken!("gang_follows_who_was_let_go_late") {
                        other.requested_at = None;
                    }
                };
                self.state.ended.replace_where(|other| other.id == ended.id, gone);
                self.out.commands.push(Command {
                    migration: ended.id,
                    task: ended.task,
                    action: Action::Requeue,
                    why: Why::Follows(Cause::Late),
                    scorecard: None,
                    alternative: None,
                    handover: None,
                });
            }
            snapshot::Event::Diverted { worker, task, .. }
                if ended.placement_unknown_since_leaving.is_some() && !broken!("heard_of_late") =>
            {
                self.found_late(ended, (worker, task), report.at.min(latest));
            }
            _ => self.out.ignored += 1,
        }
    }

    fn adapt_concurrency(&mut self) {
        let limits = self.config.migration.as_ref();
        let adaptive = limits.and_then(|limits| Some((limits, limits.adaptive?)));
        let before = self.state.concurrency;
        self.state.concurrency = adaptive.map(|(limits, section)| {
            before.unwrap_or_else(|| Concurrency::start(limits)).turn(&section)
        });
    }
}

const fn event_of(report: &Report) -> Option<Event> {
    Some(match report.event {
        snapshot::Event::Released { .. } => Event::Released,
        snapshot::Event::Running { .. } => Event::Running,
        snapshot::Event::Failed { .. } => Event::Failed(Fate::Failed),
        snapshot::Event::Refused { .. } => Event::Failed(Fate::Refused),
        snapshot::Event::Aborted { .. } => Event::CalledOff,
        snapshot::Event::Diverted { worker, task, .. } => Event::Diverted { worker, task },
        snapshot::Event::Performance { .. } => return None,
    })
}

/// Whether a report is about an assignment that ended before the present one. Read as news, such a failure would run
/// the task in two places, and such a success in none.
fn is_stale(migration: &Migration, report: &Report) -> bool {
    migration.is_assigned_again()
        && match report.event {
            snapshot::Event::Failed { .. } | snapshot::Event::Refused { .. } => {
                report.at <= migration.since()
            }
            snapshot::Event::Running { .. } => report.at < migration.since(),
            _ => false,
        }
}

/// Whether, after a restart and before the first snapshot, the engine cannot know who reports a failure. The state may
/// be older than the release; then it is the target that failed, and to end the migration as if the source had would
/// leave the task with no worker. Or the state is older than the start of the copy; then it is not the copy that
/// failed.
fn is_doubtful(state: &State, migration: &Migration, report: &Report) -> bool {
    let failed =
        matches!(report.event, snapshot::Event::Failed { .. } | snapshot::Event::Refused { .. });
    let ends = failed || matches!(report.event, snapshot::Event::Aborted { .. });
    let may_run = migration.transport() == Transport::StartThenStop
        && failed
        && !broken!("failure_of_a_copy_in_doubt");
    ends && (migration.phase() == Phase::Releasing || may_run) && state.is_resumed()
}

/// Whether the first snapshot after a restart reports something that its own placements show to be over: a release,
/// though the task is on its source again, or a failure, though the target runs the task. Read as news, such a report
/// would run the task in two places.
fn is_overtaken(state: &State, snapshot: &Snapshot, report: &Report) -> bool {
    let migration = report.event.migration().filter(|_| state.is_resumed());
    let Some(migration) = migration.and_then(|id| state.in_flight.by_id(id)) else { return false };
    let shown = snapshot.task(migration.task()).map(|task| task.placement);
    let is_on = |worker| shown == Some(Placement::On(worker));
    match report.event {
        snapshot::Event::Released { .. } => {
            report.at < snapshot.at() && migration.from().is_some_and(is_on)
        }
        snapshot::Event::Failed { .. } | snapshot::Event::Refused { .. } => {
            migration.phase() == Phase::Assigned && is_on(migration.to())
        }
        _ => false,
    }
}

/// The latest plausible moment of a report: not so long after the last snapshot that time-outs and cooldowns counted
/// from it would never end.
fn latest(config: &Config, state: &State, now: Option<Timestamp>) -> Timestamp {
    // After a restart there is no snapshot yet; the migrations taken over give a moment.
    let taken_over = || state.in_flight.values().map(Migration::since).max();
    let last = state.last.max(now).or_else(taken_over);
    last.map_or(Timestamp::default(), |last| last.after(config.timeout()))
}

/// Whether a command must still be carried out, after everything else in the same snapshot.
fn is_current(state: &State, command: &Command) -> bool {
    let migration = || state.in_flight.by_id(command.migration);
    match command.action {
        _ if broken!("overtaken_commands") => true,
        Action::Assign { to, .. } | Action::Place { to, .. } => migration()
            .is_some_and(|migration| migration.phase() == Phase::Assigned && migration.to() == to),
        Action::Stop { .. } if command.cause() == Some(Cause::Copied) => {
            migration().is_some_and(|migration| migration.copied().is_some())
        }
        _ => true,
    }
}
