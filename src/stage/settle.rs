//! What became of the migrations under way? Reports first, then what the snapshot itself shows.
//!
//! One of the two writers of State. Whatever fails, in whatever order reports come, twice or never:
//! a migration ends exactly once, and a task that its source let go is assigned, brought back, or
//! given back.
//!
//! | step fails | then |
//! |---|---|
//! | releasing | the task never left its source; the migration is over |
//! | assigned, source still there | back to the source |
//! | assigned, source gone | another target in the next round |
//! | after four assignments, or too long | back to the scheduler |

mod gang;
mod hosts;
mod overlap;
mod shown;
mod turn;

use alloc::vec::Vec;

use crate::config::Config;
use crate::math::average::Average;
use crate::model::ids::TaskId;
use crate::model::time::Timestamp;
use crate::outcome::{Action, Command, Ended, Fate, Reason, Reply};
use crate::snapshot::{Event, Phase, Placement, Report, Snapshot};
use crate::state::{Concurrency, Flight, Remembered, State, Way};

/// What settling has to say.
#[derive(Debug, Default)]
pub(crate) struct Settled {
    pub(crate) commands: Vec<Command>,
    pub(crate) ended: Vec<Ended>,
    pub(crate) ignored: u32,
}

impl Settled {
    fn command(&mut self, flight: &Flight, action: Action, reason: Reason) {
        let Flight { id: migration, task, scorecard, .. } = *flight;
        let (alternative, handover) = (None, None);
        let command = Command { migration, task, action, reason, scorecard, alternative, handover };
        self.commands.push(command);
    }

    /// Whether this is where its source's word has just sent it.
    fn assigns(&self, flight: &Flight) -> bool {
        self.commands.iter().any(|it| {
            let first = it.migration == flight.id && it.reason == Reason::Released;
            first && matches!(it.action, Action::Assign { to, .. } if to == flight.to)
        })
    }

    /// The command that the flight now stands for.
    fn repeat(&mut self, flight: &Flight) {
        self.commands.extend(flight.command());
    }
}

/// Settles one report: the door that is always open.
pub(crate) fn report(config: &Config, state: &mut State, report: &Report) -> Reply {
    let mut settled = Settled::default();
    if let Some(bad) = report.flaw() {
        return Reply { bad: Some(bad), ..Reply::default() };
    }
    let latest = latest(config, state, None);
    event(config, state, report, latest, &mut settled);
    let Settled { commands, ended, ignored } = settled;
    Reply { commands, ended, ignored: ignored > 0, bad: None }
}

/// Settles a snapshot: the reports that ride in it, what its placements show, and what has taken
/// too long. While the engine holds back, what goes on out of sight has not taken too long.
pub(crate) fn snapshot(
    config: &Config,
    state: &mut State,
    snapshot: &Snapshot,
    holds_back: bool,
) -> Settled {
    let mut settled = Settled::default();
    let latest = latest(config, state, Some(snapshot.at()));
    if state.is_resumed() {
        shown::catch_up(config, state, snapshot, &mut settled);
    }
    for report in snapshot.reports() {
        if is_overtaken(state, snapshot, report) {
            settled.ignored += 1;
        } else {
            event(config, state, report, latest, &mut settled);
        }
    }
    shown::notice_workers(config, state, snapshot);
    shown::adopt(config, state, snapshot);
    let tasks: Vec<TaskId> = state.flights.keys().copied().collect();
    let promised = shown::promised(state, snapshot);
    // Each question is asked of all before the next: who has landed is not counted as on its way.
    for task in &tasks {
        shown::placement(config, state, snapshot, *task, &mut settled);
    }
    for task in &tasks {
        shown::workers(config, state, snapshot, &promised, *task, &mut settled);
    }
    for task in &tasks {
        if !(holds_back && shown::is_out_of_sight(state, snapshot, *task)) {
            shown::overdue(config, state, snapshot, *task, &mut settled);
        }
    }
    gang::keep_whole(config, state, snapshot, &mut settled);
    let adaptive = config.migration.as_ref().and_then(|limits| Some((limits, limits.adaptive?)));
    state.concurrency = adaptive.map(|(limits, section)| {
        state.concurrency.unwrap_or_else(|| Concurrency::start(limits)).turn(&section)
    });
    // Reports and placements of one snapshot overtake each other: what a later one has settled is not
    // to be carried out any more.
    settled.commands.retain(|command| match command.action {
        Action::Assign { to, .. } | Action::Place { to, .. } => {
            let flight = state.flight(command.migration);
            flight.is_some_and(|flight| flight.phase == Phase::Assigned && flight.to == to)
        }
        Action::Stop { .. } if command.reason == Reason::Copied => {
            state.flight(command.migration).is_some_and(|flight| flight.copied().is_some())
        }
        _ => true,
    });
    settled
}

fn event(
    config: &Config,
    state: &mut State,
    report: &Report,
    latest: Timestamp,
    settled: &mut Settled,
) {
    if let Event::Performance { worker, hardware, speed } = report.event {
        // Of unknown workers nothing is kept: what is kept is forgotten with their track.
        if !state.tracks.contains_key(&worker) {
            settled.ignored += 1;
        } else if let Some(section) = &config.hardware {
            let kinds = state.learned.speed.entry(worker).or_default();
            let prior = section.table.profile(hardware, None).performance;
            let average = kinds.entry(hardware).or_insert(Average::starting_at(prior));
            average.learn(speed, section.learning_rate);
        }
        return;
    }
    let Some(migration) = report.event.migration() else { return };
    let Some(flight) = state.flight(migration).cloned() else {
        late(config, state, report, latest, settled);
        return;
    };
    if is_stale(&flight, report) || is_doubtful(state, &flight, report) {
        settled.ignored += 1;
        return;
    }
    // Not before its migration entered its phase, and not later than can be believed.
    let at = report.at.min(latest).max(flight.since);
    match report.event {
        Event::Released { .. } => turn::released(config, state, flight, at, settled),
        Event::Running { .. } => turn::running(config, state, &flight, at, settled),
        Event::Failed { .. } => turn::failed(config, state, flight, Fate::Failed, at, settled),
        Event::Refused { .. } => turn::failed(config, state, flight, Fate::Refused, at, settled),
        Event::Aborted { .. } => turn::aborted(config, state, flight, at, settled),
        Event::Diverted { worker, task, .. } => {
            turn::diverted(config, state, &flight, (worker, task), at, settled);
        }
        Event::Performance { .. } => {}
    }
}

/// Whether a report speaks of an assignment that was over when the present one was made. Taken for
/// news, a failure would have the task run in two places, and a success would have it in none.
fn is_stale(flight: &Flight, report: &Report) -> bool {
    let again = flight.phase == Phase::Assigned && flight.attempts > flight.first_assignment();
    again
        && match report.event {
            Event::Failed { .. } | Event::Refused { .. } => report.at <= flight.since,
            Event::Running { .. } => report.at < flight.since,
            _ => false,
        }
}

/// Whether a later life cannot know what a report speaks of before it has seen a snapshot: the state
/// that it goes on from may be older than the release, and then it is not the source that failed.
/// Taken for the source's, the end of the migration would leave the task to nobody. Or older than the
/// moment when the copy began to run, and then it is not the copy that failed.
fn is_doubtful(state: &State, flight: &Flight, report: &Report) -> bool {
    let ends = matches!(
        report.event,
        Event::Failed { .. } | Event::Refused { .. } | Event::Aborted { .. }
    );
    let failed = !matches!(report.event, Event::Aborted { .. });
    let may_run = flight.way == Way::Overlap && failed;
    ends && (flight.phase == Phase::Releasing || may_run) && state.is_resumed()
}

/// Whether a later life hears in its first snapshot of what that itself shows to be over: of a release,
/// though the task is at its source again, or of a failure, though its target runs it. The state is
/// older than that; taken for news, the task would run in two places.
fn is_overtaken(state: &State, snapshot: &Snapshot, report: &Report) -> bool {
    let flight = report.event.migration().filter(|_| state.is_resumed());
    let Some(flight) = flight.and_then(|id| state.flight(id)) else { return false };
    let shown = snapshot.task(flight.task).map(|task| task.placement);
    let is_on = |worker| shown == Some(Placement::On(worker));
    match report.event {
        Event::Released { .. } => report.at < snapshot.at() && flight.from.is_some_and(is_on),
        Event::Failed { .. } | Event::Refused { .. } => {
            flight.phase == Phase::Assigned && is_on(flight.to)
        }
        _ => false,
    }
}

/// The latest moment at which a report can be believed to have happened: not so long after the last
/// snapshot that time-outs and cooldowns counted from there would never end.
fn latest(config: &Config, state: &State, now: Option<Timestamp>) -> Timestamp {
    let timeout = config.timeout();
    // A later life has seen no snapshot yet; what it took over has its moments.
    let taken_over = || state.flights.values().map(|flight| flight.since).max();
    let last = state.last.max(now).or_else(taken_over);
    last.map_or(Timestamp::default(), |last| last.after(timeout))
}

/// A report on a migration that is over, or that never was.
fn late(
    config: &Config,
    state: &mut State,
    report: &Report,
    latest: Timestamp,
    settled: &mut Settled,
) {
    let remembered = state.ended.iter().find(|it| Some(it.id) == report.event.migration()).copied();
    let Some(it) = remembered.filter(|it| !state.flights.contains_key(&it.task)) else {
        settled.ignored += 1;
        return;
    };
    match report.event {
        // The source let go although the migration was over: nobody has the task. Once.
        Event::Released { .. } if it.unreleased => {
            let gone = |it: &mut Remembered| (it.unreleased, it.asked) = (false, None);
            state.ended.replace_where(|other| other.id == it.id, gone);
            let Remembered { id: migration, task, .. } = it;
            let (action, reason) = (Action::Requeue, Reason::Late);
            let (scorecard, alternative, handover) = (None, None, None);
            let command =
                Command { migration, task, action, reason, scorecard, alternative, handover };
            settled.commands.push(command);
        }
        Event::Diverted { worker, task, .. } if it.unheard_from.is_some() => {
            hosts::heard_of(config, state, it, (worker, task), report.at.min(latest));
        }
        _ => settled.ignored += 1,
    }
}
