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
//! | after [`ATTEMPTS`] assignments, or too long | back to the scheduler |

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use crate::config::{Config, CostWeights};
use crate::math::average::{Average, learn};
use crate::model::ids::{TaskId, WorkerId};
use crate::model::resource::Amounts;
use crate::model::time::{Timestamp, seconds};
use crate::outcome::{Action, Command, Counts, Ended, Fate, Reason, Reply};
use crate::snapshot::{Coverage, Event, Phase, Placement, Report, Snapshot, Stance};
use crate::state::{Cooldown, Flight, Landed, MEMORY_PER_WORKER, Remembered, State};
use crate::view;

/// So many assignments are tried before the task goes back to the scheduler.
const ATTEMPTS: u32 = 4;

/// What settling has to say.
#[derive(Debug, Default)]
pub(crate) struct Settled {
    pub(crate) commands: Vec<Command>,
    pub(crate) ended: Vec<Ended>,
    pub(crate) ignored: u32,
}

impl Settled {
    fn command(&mut self, flight: &Flight, action: Action, reason: Reason) {
        let (migration, task, scorecard) = (flight.id, flight.task, flight.scorecard);
        self.commands.push(Command { migration, task, action, reason, scorecard });
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
    event(config, state, report, &mut settled);
    let Settled { commands, ended, ignored } = settled;
    Reply { commands, ended, ignored: ignored > 0, bad: None }
}

/// Settles a snapshot: the reports that ride in it, what its placements show, and what has taken
/// too long.
pub(crate) fn snapshot(config: &Config, state: &mut State, snapshot: &Snapshot) -> Settled {
    let mut settled = Settled::default();
    for report in snapshot.reports() {
        event(config, state, report, &mut settled);
    }
    notice_workers(state, snapshot);
    adopt(state, snapshot);
    let tasks: Vec<TaskId> = state.flights.keys().copied().collect();
    let promised = promised(state, snapshot);
    for task in tasks {
        placement(config, state, snapshot, task, &mut settled);
        workers(config, state, snapshot, &promised, task, &mut settled);
        overdue(config, state, snapshot, task, &mut settled);
    }
    settled
}

fn event(config: &Config, state: &mut State, report: &Report, settled: &mut Settled) {
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
        late(state, report, settled);
        return;
    };
    match report.event {
        Event::Released { .. } => released(state, flight, report.at, settled),
        Event::Running { .. } => running(config, state, &flight, report.at, settled),
        Event::Failed { .. } => failed(config, state, flight, Fate::Failed, report.at, settled),
        Event::Refused { .. } => failed(config, state, flight, Fate::Refused, report.at, settled),
        Event::Aborted { .. } => aborted(config, state, flight, report.at, settled),
        Event::Diverted { worker, task, .. } => {
            let mut there = flight.clone();
            (there.task, there.to) = (task, worker);
            end(config, state, &flight, Fate::Diverted, report.at, settled);
            land(config, state, &there, report.at);
        }
        Event::Performance { .. } => {}
    }
}

/// A report on a migration that is over, or that never was.
fn late(state: &mut State, report: &Report, settled: &mut Settled) {
    let released = matches!(report.event, Event::Released { .. });
    let remembered = state.ended.iter().find(|it| Some(it.id) == report.event.migration()).copied();
    let stranded =
        remembered.filter(|it| released && it.unreleased && !state.flights.contains_key(&it.task));
    let Some(Remembered { id, task, .. }) = stranded else {
        settled.ignored += 1;
        return;
    };
    // The source let go although the migration was over: nobody has the task. Once.
    state.ended.replace_where(|it| it.id == id, |it| it.unreleased = false);
    let (action, reason) = (Action::Requeue, Reason::Late);
    settled.commands.push(Command { migration: id, task, action, reason, scorecard: None });
}

fn released(state: &mut State, mut flight: Flight, at: Timestamp, settled: &mut Settled) {
    if flight.phase != Phase::Releasing {
        settled.ignored += 1;
        return;
    }
    flight.released = Some(at);
    assign(&mut flight, at);
    settled.repeat(&flight);
    state.flights.insert(flight.task, flight);
}

fn assign(flight: &mut Flight, at: Timestamp) {
    (flight.phase, flight.since) = (Phase::Assigned, at);
    flight.attempts += 1;
}

fn running(
    config: &Config,
    state: &mut State,
    flight: &Flight,
    at: Timestamp,
    settled: &mut Settled,
) {
    if let Some(fate) = flight.returning {
        end(config, state, flight, fate, at, settled);
    } else {
        end(config, state, flight, Fate::Completed, at, settled);
        land(config, state, flight, at);
    }
}

/// Whose turn it was did not do it.
fn failed(
    config: &Config,
    state: &mut State,
    mut flight: Flight,
    fate: Fate,
    at: Timestamp,
    settled: &mut Settled,
) {
    if flight.phase == Phase::Releasing {
        end(config, state, &flight, fate, at, settled);
        return;
    }
    if flight.phase == Phase::Released {
        settled.ignored += 1;
        return;
    }
    let fate = if flight.called_off { Fate::Aborted } else { fate };
    judge(config, state, &flight, false);
    if flight.attempts >= ATTEMPTS {
        settled.command(&flight, Action::Requeue, Reason::Exhausted);
        end(config, state, &flight, fate, at, settled);
        return;
    }
    let home = flight.from.filter(|from| flight.returning.is_none() && takes_back(state, *from));
    if let Some(from) = home {
        flight.returning = Some(flight.returning.unwrap_or(fate));
        (flight.to, flight.device) = (from, None);
        assign(&mut flight, at);
        settled.repeat(&flight);
    } else {
        strand(&mut flight, at);
    }
    state.flights.insert(flight.task, flight);
}

/// Nobody has the task; the next round finds it another target.
fn strand(flight: &mut Flight, at: Timestamp) {
    (flight.phase, flight.since, flight.returning) = (Phase::Released, at, None);
}

/// Whether a worker can have back what it gave away.
fn takes_back(state: &State, worker: WorkerId) -> bool {
    state
        .tracks
        .get(&worker)
        .is_some_and(|track| !track.gone && matches!(track.stance, Stance::Accept | Stance::Hold))
}

/// An operator calls it off.
fn aborted(
    config: &Config,
    state: &mut State,
    mut flight: Flight,
    at: Timestamp,
    settled: &mut Settled,
) {
    match (flight.phase, flight.from) {
        (Phase::Releasing, Some(from)) => {
            settled.command(&flight, Action::Abort { worker: from }, Reason::Operator);
            end(config, state, &flight, Fate::Aborted, at, settled);
        }
        (Phase::Assigned, Some(_)) if flight.returning.is_none() => {
            // The target may have begun: it is told to stop, and its answer decides.
            settled.command(&flight, Action::Abort { worker: flight.to }, Reason::Operator);
            (flight.called_off, flight.since) = (true, at);
            state.flights.insert(flight.task, flight);
        }
        (Phase::Released, _) => {
            settled.command(&flight, Action::Requeue, Reason::Operator);
            end(config, state, &flight, Fate::Aborted, at, settled);
        }
        // On its way home, or without a home: there is nothing better to do than to go on.
        (Phase::Assigned | Phase::Releasing, _) => settled.ignored += 1,
    }
}

/// What the snapshot says of workers, as far as migrations care.
fn notice_workers(state: &mut State, snapshot: &Snapshot) {
    if snapshot.coverage() == Coverage::Complete {
        for (id, track) in &mut state.tracks {
            track.gone = snapshot.worker_row(*id).is_none();
        }
    }
    for worker in snapshot.workers() {
        let track = state.tracks.entry(worker.id).or_default();
        (track.stance, track.gone) = (worker.stance, false);
    }
}

/// Takes over migrations that the host carries out and this state does not know: they were ordered
/// in an earlier life, and the task must not be moved a second time.
fn adopt(state: &mut State, snapshot: &Snapshot) {
    for task in snapshot.tasks() {
        let Placement::Moving { migration, from, to, phase, since } = task.placement else {
            continue;
        };
        let over = state.ended.iter().any(|it| it.id == migration);
        if over || state.flights.contains_key(&task.id) {
            continue;
        }
        let released = (phase != Phase::Releasing).then_some(since);
        let flight = Flight {
            id: migration,
            task: task.id,
            kind: task.kind,
            from,
            to,
            device: None,
            phase,
            since,
            started: since,
            released,
            returning: None,
            called_off: false,
            attempts: 1,
            reason: Reason::Recover,
            scorecard: None,
            claim: view::claims(task),
            load: view::loads(task),
        };
        state.flights.insert(task.id, flight);
    }
}

/// What the snapshot shows of the task itself.
fn placement(
    config: &Config,
    state: &mut State,
    snapshot: &Snapshot,
    task: TaskId,
    settled: &mut Settled,
) {
    let Some(flight) = state.flights.get(&task).cloned() else { return };
    let at = snapshot.at();
    let Some(record) = snapshot.task(task) else {
        // In nobody's hands a task may be missing for a while; on its source, missing is done.
        if snapshot.coverage() == Coverage::Complete && flight.phase == Phase::Releasing {
            end(config, state, &flight, Fate::Finished, at, settled);
        }
        return;
    };
    match record.placement {
        Placement::On(worker) if Some(worker) == flight.from => {}
        Placement::On(worker) if worker == flight.to => {
            running(config, state, &flight, at, settled);
        }
        // Still said to be where it was lost: nothing new.
        Placement::On(worker) if lost(state, snapshot, worker) => {}
        Placement::On(worker) => {
            if flight.phase == Phase::Assigned {
                settled.command(&flight, Action::Abort { worker: flight.to }, Reason::Elsewhere);
            }
            let mut there = flight.clone();
            there.to = worker;
            end(config, state, &flight, Fate::Diverted, at, settled);
            land(config, state, &there, at);
        }
        Placement::Moving { migration, phase, since, .. } => {
            let ahead = phase > flight.phase && flight.phase == Phase::Releasing;
            if migration == flight.id && ahead {
                released(state, flight, since, settled);
            }
        }
        Placement::Orphaned if flight.phase == Phase::Releasing => {
            end(config, state, &flight, Fate::Failed, at, settled);
        }
        Placement::Orphaned | Placement::Unplaced => {}
    }
}

/// What the snapshot shows of the workers at either end.
fn workers(
    config: &Config,
    state: &mut State,
    snapshot: &Snapshot,
    promised: &BTreeMap<WorkerId, Amounts>,
    task: TaskId,
    settled: &mut Settled,
) {
    let Some(mut flight) = state.flights.get(&task).cloned() else { return };
    let at = snapshot.at();
    let source_gone = flight.from.is_some_and(|from| gone(snapshot, from));
    let trouble = trouble(state, snapshot, promised, &flight);
    match (flight.phase, flight.from, trouble) {
        (Phase::Releasing, Some(_), _) if source_gone => {
            end(config, state, &flight, Fate::Failed, at, settled);
        }
        (Phase::Releasing, Some(from), Some(reason)) => {
            settled.command(&flight, Action::Abort { worker: from }, reason);
            end(config, state, &flight, Fate::Aborted, at, settled);
        }
        (Phase::Assigned, _, Some(Reason::TargetGone { .. })) => {
            failed(config, state, flight, Fate::Failed, at, settled);
        }
        (Phase::Releasing, None, _) => {
            strand(&mut flight, at);
            state.flights.insert(task, flight);
        }
        _ => {}
    }
}

/// Whether a worker is gone, or was when last heard of.
fn lost(state: &State, snapshot: &Snapshot, worker: WorkerId) -> bool {
    let was = || state.tracks.get(&worker).is_some_and(|track| track.gone);
    gone(snapshot, worker) || (snapshot.worker(worker).is_none() && was())
}

fn gone(snapshot: &Snapshot, worker: WorkerId) -> bool {
    match snapshot.worker(worker) {
        Some(worker) => worker.stance == Stance::Offline,
        None => snapshot.coverage() == Coverage::Complete,
    }
}

/// What has come between a migration and its target.
fn trouble(
    state: &State,
    snapshot: &Snapshot,
    promised: &BTreeMap<WorkerId, Amounts>,
    flight: &Flight,
) -> Option<Reason> {
    let worker = flight.to;
    if gone(snapshot, worker) {
        return Some(Reason::TargetGone { worker });
    }
    let target = snapshot.worker(worker)?;
    if target.stance != Stance::Accept {
        return Some(Reason::TargetClosed { worker, stance: target.stance });
    }
    // Migrations that were ordered earlier come first.
    let earlier = |resource| {
        let flights = state.flights.values().filter(|it| it.to == worker && it.id < flight.id);
        flights.filter_map(|it| it.claim.known(resource)).sum::<f64>()
    };
    flight.claim.iter().find_map(|(resource, amount)| {
        let there = promised.get(&worker).and_then(|sum| sum.known(resource)).unwrap_or(0.0);
        let free = target.capacity.known(resource)? - there - earlier(resource);
        (amount > free).then_some(Reason::TargetFull { worker, resource })
    })
}

/// What the targets of migrations under way have promised to tasks that are there: as they state
/// it, or else their tasks' claims added up.
fn promised(state: &State, snapshot: &Snapshot) -> BTreeMap<WorkerId, Amounts> {
    let releasing = state.flights.values().filter(|flight| flight.phase == Phase::Releasing);
    let mut sums: BTreeMap<WorkerId, Amounts> =
        releasing.map(|flight| (flight.to, Amounts::new())).collect();
    if sums.is_empty() {
        return sums;
    }
    for task in snapshot.tasks() {
        let Placement::On(worker) = task.placement else { continue };
        let Some(sum) = sums.get_mut(&worker) else { continue };
        for (resource, claim) in view::claims(task).iter() {
            sum.set(resource, sum.get(resource).unwrap_or(0.0) + claim);
        }
    }
    for (id, sum) in &mut sums {
        let stated = snapshot.worker(*id).map(|worker| &worker.reserved);
        stated.into_iter().flat_map(Amounts::iter).for_each(|(resource, it)| sum.set(resource, it));
    }
    sums
}

/// What has taken too long.
fn overdue(
    config: &Config,
    state: &mut State,
    snapshot: &Snapshot,
    task: TaskId,
    settled: &mut Settled,
) {
    let Some(flight) = state.flights.get(&task).cloned() else { return };
    let at = snapshot.at();
    let timeout = config.migration.unwrap_or_default().timeout;
    if at.since(flight.since).is_none_or(|waited| waited <= timeout) {
        return;
    }
    let Flight { phase, since, .. } = flight;
    let reason = Reason::TimedOut { phase, since };
    match (phase, flight.from) {
        (Phase::Releasing, Some(from)) => {
            settled.command(&flight, Action::Abort { worker: from }, reason);
        }
        (Phase::Assigned, Some(home)) if flight.returning.is_some() && on(snapshot, task, home) => {
            // It is back where it came from, though nobody said so.
            let fate = flight.returning.unwrap_or(Fate::TimedOut);
            end(config, state, &flight, fate, at, settled);
            return;
        }
        (Phase::Assigned, _) => {
            judge(config, state, &flight, false);
            settled.command(&flight, Action::Abort { worker: flight.to }, reason);
            let record = snapshot.task(task);
            let held = record.is_some_and(|record| matches!(record.placement, Placement::On(_)));
            if record.is_some() && !held {
                settled.command(&flight, Action::Requeue, reason);
            }
        }
        (Phase::Released | Phase::Releasing, _) => {
            settled.command(&flight, Action::Requeue, reason);
        }
    }
    end(config, state, &flight, Fate::TimedOut, at, settled);
}

fn on(snapshot: &Snapshot, task: TaskId, worker: WorkerId) -> bool {
    snapshot.task(task).is_some_and(|record| record.placement == Placement::On(worker))
}

/// The one place where a migration ends.
fn end(
    config: &Config,
    state: &mut State,
    flight: &Flight,
    fate: Fate,
    at: Timestamp,
    settled: &mut Settled,
) {
    state.flights.remove(&flight.task);
    let unreleased = flight.phase == Phase::Releasing && fate != Fate::Completed;
    state.ended.push(Remembered { id: flight.id, task: flight.task, unreleased });
    let completed = u64::from(fate == Fate::Completed);
    let counts = Counts { completed, failed: 1 - completed, ..Counts::default() };
    state.counters.add(at, counts);
    remember_cost(config, state, flight, fate, at);
    if fate == Fate::Completed {
        judge(config, state, flight, true);
    } else if !matches!(fate, Fate::Finished | Fate::Diverted) {
        // What has just failed is not tried again at once.
        cool_down(config, state, flight.task, None, at);
    }
    let Flight { id: migration, task, from, to, started, .. } = *flight;
    let took = at.since(started).unwrap_or_default();
    settled.ended.push(Ended { migration, task, from, to, fate, at, took });
}

/// What follows from a task's arrival: an effect that telemetry has yet to show, and a cooldown.
fn land(config: &Config, state: &mut State, flight: &Flight, at: Timestamp) {
    let Some(from) = flight.from else { return };
    cool_down(config, state, flight.task, Some(from), at);
    if state.landed.len() < MEMORY_PER_WORKER * state.tracks.len().max(1) {
        let (task, to, load) = (flight.task, flight.to, flight.load.clone());
        let released = flight.released.unwrap_or(at);
        state.landed.push(Landed { task, from: Some(from), to, released, running: at, load });
    }
}

fn cool_down(
    config: &Config,
    state: &mut State,
    task: TaskId,
    left: Option<WorkerId>,
    at: Timestamp,
) {
    let Some(stability) = &config.stability else { return };
    let room = state.cooldowns.len() < MEMORY_PER_WORKER * state.tracks.len().max(1);
    if room || state.cooldowns.contains_key(&task) {
        state.cooldowns.insert(task, Cooldown { left, until: at.after(stability.cooldown) });
    }
}

/// What the move cost, on the scale of cost: a point per so many seconds in nobody's hands, two for
/// a failure.
fn remember_cost(config: &Config, state: &mut State, flight: &Flight, fate: Fate, at: Timestamp) {
    let (Some(section), Some(_)) = (&config.cost_benefit, flight.from) else { return };
    if fate == Fate::Finished {
        return;
    }
    let still = flight.released.and_then(|released| at.since(released)).unwrap_or_default();
    let CostWeights { seconds_per_point, base, .. } = section.cost;
    let failure = if fate == Fate::Completed { 0.0 } else { base };
    let points = (seconds(still) / seconds_per_point + failure).min(crate::outcome::Cost::MOST);
    let mut average = state.learned.cost.get(&flight.kind).copied();
    learn(&mut average, points, section.learning_rate);
    if let Some(average) = average {
        state.learned.cost.insert(flight.kind, average);
    }
}

/// Whether the target did well by tasks of this kind.
fn judge(config: &Config, state: &mut State, flight: &Flight, success: bool) {
    let Some(section) = &config.cost_benefit else { return };
    if flight.returning.is_some() || !state.tracks.contains_key(&flight.to) {
        return;
    }
    let kinds = state.learned.success.entry(flight.to).or_default();
    let mut average = kinds.get(&flight.kind).copied();
    learn(&mut average, f64::from(u8::from(success)), section.learning_rate);
    if let Some(average) = average {
        kinds.insert(flight.kind, average);
    }
}
