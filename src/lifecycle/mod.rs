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
//! | [`step`] | what follows: the next course or the end, and the effects |
//! | [`apply`] | carries the effects out; the one place where a migration ends |
//! | `name` | the names of the transitions, for the printed table and for tests |
//! | [`observed`] | turns what a snapshot shows of tasks into events |
//! | [`workers`] | turns what a snapshot shows of sources and targets into events |
//! | [`news`] | whether a report is news, or overtaken by what is known already |
//! | [`ended`] | what is heard and seen of migrations that are over |
//! | [`inherited`] | what the engine finds under way after a restart |
//! | [`groups`] | calls off the rest of a group of which one task stays |
//! | [`unfit`] | why a worker may no longer have a task |
//! | [`room`] | whether the targets have room for what is promised to them |
//! | [`devices`] | how much of a worker's devices is left |
//! | [`home`] | whether the source still takes a task that is about to be sent home |
//! | [`apart`] | who would meet a task from which it is kept apart |
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
//! | the source has stopped it, and nobody has told of the copy (after a restart) | the target is asked |
//! | the source does not stop it, or the target is gone | the copy stops, the source keeps the task |
//! | nothing for too long, and nobody has told of the copy | the source is told to stop again, at most four times in all; then it keeps the task |
//! | the source is gone | the move becomes a placement on the target |
//!
//! If the host's own scheduler chooses the target (by eviction, or by queuing again), a migration ends
//! when the task is found on a worker, under whatever id: completed if that is the target, which was a
//! hint, and diverted otherwise. A task that comes back to its source is left alone for a while, twice as
//! long each time.

mod apart;
mod apply;
mod course;
mod devices;
mod ended;
mod event;
mod groups;
mod home;
mod inherited;
#[cfg(any(test, feature = "mutants"))]
mod name;
mod news;
mod observed;
mod room;
mod step;
#[cfg(test)]
mod table;
mod unfit;
mod workers;

use alloc::collections::{BTreeMap, BTreeSet};

use crate::math::average::Average;
use crate::model::ids::{MigrationId, WorkerId};
use crate::model::time::Timestamp;
use crate::outcome::{Action, Cause, Command, Fate, Reply};
use crate::snapshot::{self, Phase, Report, Snapshot};
use crate::state::{Absence, Concurrency, Course, EndedMigration, State};

pub(crate) use apply::{Lifecycle, Settled};

use event::Event;

impl Lifecycle<'_> {
    /// Settles one report.
    pub(crate) fn on_report(mut self, report: &Report) -> Reply {
        if let Some(bad) = report.flaw() {
            return Reply { bad: Some(bad), ..Reply::default() };
        }
        let latest = news::latest(self.config, self.state, None);
        self.read(report, latest);
        let State { in_flight, last, .. } = &mut *self.state;
        for command in self.out.commands.iter().filter(|command| command.action.asks().is_some()) {
            in_flight.update(command.task, |migration| migration.set_asked_after(*last));
        }
        let Settled { commands, ended, ignored } = self.out;
        Reply { commands, ended, ignored: ignored > 0, bad: None }
    }

    /// Settles a snapshot: its reports, what its placements show, and what has taken too long. Migrations of workers
    /// that are missing do not time out, nor, while the engine holds back, do those that wait for another target.
    pub(crate) fn on_snapshot(
        mut self,
        snapshot: &Snapshot,
        holds_back: bool,
        missing: BTreeMap<WorkerId, Absence>,
    ) -> Settled {
        if self.state.last.is_none() {
            let stability = self.config.stability;
            let cooldown = stability.map(|stability| stability.cooldown).unwrap_or_default();
            self.state.set_clock_back(snapshot.at(), cooldown);
        }
        self.now = Some(snapshot.at());
        let latest = news::latest(self.config, self.state, self.now);
        self.state.missing = missing;
        let known = self.state.arrivals.len();
        self.catch_up(snapshot);
        self.note_shown(snapshot);
        for report in snapshot.reports() {
            self.read(report, latest);
        }
        self.notice_workers(snapshot);
        self.adopt(snapshot);
        self.see_ended(snapshot);
        self.observe(snapshot, holds_back);
        self.keep_groups_whole(snapshot);
        self.adapt_concurrency();
        // What a snapshot tells of has happened, whatever the clocks of the workers say.
        let told = self.state.arrivals.iter_mut().skip(known);
        for arrival in told.filter(|_| !broken!("arrived_by_then")) {
            arrival.released = arrival.released.min(snapshot.at());
            arrival.running = arrival.running.min(snapshot.at());
        }
        let ends: BTreeSet<MigrationId> =
            self.out.ended.iter().map(|ended| ended.migration).collect();
        let past = |ended: &mut EndedMigration| {
            ended.shown_at_rest = ended.shown_at_rest.map(|shown| shown.not_after(snapshot.at()));
        };
        self.state.ended.replace_where(|ended| ends.contains(&ended.id), past);
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
        let task = migration.task();
        // The word of a copy changes nothing, but from now on the copy is not only assumed to run.
        let is_of_its_copy = matches!(migration.course(), Course::Stopping { .. })
            && matches!(report.event, snapshot::Event::Running { .. })
            && !broken!("word_of_a_copy");
        let is_news = news::is_news(self.state, migration, report, latest);
        let changed = is_news && event_of(report).is_some_and(|event| self.apply(id, event, at));
        if changed || is_news && is_of_its_copy {
            self.state.in_flight.update(task, |migration| migration.set_heard(report.at));
        }
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
