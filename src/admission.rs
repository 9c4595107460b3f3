//! The hard rules and the guards: may this task move, may this worker take, do the two go together?
//!
//! One rule set for rounds, [`consider`](crate::Engine::consider) and
//! [`rank`](crate::Engine::rank). The first rule that says no is the answer; rules are asked in the
//! order in which they are cheapest and reach furthest.

pub(crate) mod groups;

use core::time::Duration;

use crate::config::{Config, TaskScope};
use crate::model::hardware::Hardware;
use crate::model::ids::GroupId;
use crate::model::resource::{ResourceId, whole};
use crate::model::time::{Timestamp, seconds};
use crate::outcome::Rejection;
use crate::snapshot::{Freeze, FreezeScope, Mobility, Stance, Task};
use crate::state::{Returned, State, Way};
use crate::view::{
    Berth, Burden, Errand, MOST_LOAD, Place, Seat, Seek, View, runs_on_device, suits,
};
use crate::{handover, speed};

/// Is this task the engine's to begin something with? What is under way goes on in any case.
pub(crate) fn scope(config: &Config, view: &View<'_>, row: usize) -> Result<(), Rejection> {
    let Some(scope) = &config.scope else { return Ok(()) };
    if matches!(view.ledger.places[row], Place::Stranded { .. }) {
        return Ok(());
    }
    let task = view.task(row);
    if let Some(label) = scope.lacks(&task.labels) {
        return Err(Rejection::OutOfScope { label });
    }
    let (place, share) = (TaskScope::place(task.id), scope.share.get());
    if place < share { Ok(()) } else { Err(Rejection::OutOfShare { share, place }) }
}

/// May this task move at all?
pub(crate) fn task(
    config: &Config,
    state: &State,
    view: &View<'_>,
    row: usize,
    errand: Errand,
) -> Result<(), Rejection> {
    let (task, now) = (view.task(row), view.snapshot.at());
    if !view.snapshot.is_sound(row) {
        return Err(Rejection::BadRecord);
    }
    let place = view.ledger.places[row];
    match place {
        Place::Moving { migration, .. } => return Err(Rejection::InFlight { migration }),
        Place::Unplaced if errand != Errand::Recover => return Err(Rejection::Unplaced),
        Place::Unknown(worker) => return Err(Rejection::UnknownPlace { worker }),
        Place::On(_) | Place::Stranded { .. } | Place::Orphaned | Place::Unplaced => {}
    }
    let own = |scope| match scope {
        FreezeScope::All => true,
        FreezeScope::Kind(kind) => kind == task.kind,
        FreezeScope::Group(group) => is_member(view, row, group),
        FreezeScope::Worker(_) | FreezeScope::Zone(_) => {
            matches!(place, Place::On(seat) if covers(view, scope, seat))
        }
    };
    if let Some(until) = frozen(view, place, errand, own) {
        return Err(Rejection::Frozen { until });
    }
    if errand == Errand::Recover {
        return Ok(());
    }
    if task.mobility == Mobility::Pinned {
        return Err(Rejection::Pinned);
    }
    if let Some(until) = task.not_before.filter(|until| *until > now) {
        return Err(Rejection::NotBefore { until });
    }
    groups::may_leave(view, row, errand)?;
    came_back(config, state, view, row)?;
    if errand < Errand::Balance {
        return Ok(());
    }
    let cooldown = state.cooldowns.get(&task.id).filter(|cooldown| cooldown.until > now);
    if let (Some(cooldown), Some(_)) = (cooldown, &config.stability) {
        return Err(Rejection::CoolingDown { until: cooldown.until });
    }
    worthwhile_age(config, task)
}

/// Until when a freeze of one of these scopes holds such a move back, if any does. What is under way
/// goes on, and what the scheduler places is no move.
fn frozen(
    view: &View<'_>,
    place: Place,
    errand: Errand,
    scopes: impl Fn(FreezeScope) -> bool,
) -> Option<Timestamp> {
    let voluntary = matches!(errand, Errand::Balance | Errand::Upgrade);
    let evacuation = matches!(errand, Errand::Drain | Errand::Along(_));
    let begins = voluntary || evacuation || place == Place::Orphaned;
    let now = view.snapshot.at();
    let holds = |freeze: &&Freeze| {
        begins && freeze.until > now && (voluntary || freeze.strict) && scopes(freeze.scope)
    };
    view.snapshot.freezes().iter().filter(holds).map(|freeze| freeze.until).max()
}

/// Whether a freeze of a worker or a zone is about this worker.
fn covers(view: &View<'_>, scope: FreezeScope, seat: Seat) -> bool {
    match scope {
        FreezeScope::Worker(worker) => worker == view.worker_id(seat),
        FreezeScope::Zone(zone) => view.worker(seat).zone == Some(zone),
        FreezeScope::All | FreezeScope::Group(_) | FreezeScope::Kind(_) => false,
    }
}

fn is_member(view: &View<'_>, row: usize, group: GroupId) -> bool {
    let mut groups = view.groups_of(row).iter();
    groups.any(|index| view.snapshot.groups()[*index as usize].id == group)
}

/// Has the host's scheduler not just put it back where it was evicted from?
fn came_back(config: &Config, state: &State, view: &View<'_>, row: usize) -> Result<(), Rejection> {
    let (task, now) = (view.task(row), view.snapshot.at());
    let returned = state.returned.get(&task.id).filter(|returned| returned.until > now);
    match returned.filter(|_| Way::of(config.migration.as_ref(), task).is_the_hosts()) {
        Some(Returned { times, until, .. }) => {
            Err(Rejection::CameBack { times: *times, until: *until })
        }
        None => Ok(()),
    }
}

/// Has it run neither too long nor nearly to its end?
fn worthwhile_age(config: &Config, task: &Task) -> Result<(), Rejection> {
    let Some(section) = &config.cost_benefit else { return Ok(()) };
    if let Some(most) = section.max_running.filter(|most| task.running > *most) {
        let (running_secs, most_secs) = (seconds(task.running), seconds(most));
        return Err(Rejection::LongRunning { running_secs, most_secs });
    }
    // A task that ends before the next round could see the effect is not worth the disturbance.
    let least = config.check_interval;
    let nearly = |remaining: &Duration| config.stability.is_some() && *remaining < least;
    match task.expected_remaining().filter(nearly) {
        Some(remaining) => {
            let (remaining_secs, least_secs) = (seconds(remaining), seconds(least));
            Err(Rejection::NearlyDone { remaining_secs, least_secs })
        }
        None => Ok(()),
    }
}

/// May this worker take anything?
pub(crate) fn target(view: &View<'_>, seat: Seat) -> Result<(), Rejection> {
    let stance = view.worker(seat).stance;
    if stance != Stance::Accept {
        return Err(Rejection::NotAccepting { stance });
    }
    if !view.snapshot.is_usable(seat) || view.workers[seat].reported.is_none() {
        return Err(Rejection::UnknownLoad);
    }
    Ok(())
}

/// May this task go to this worker, as the ledger stands? Yes, and how it would run there; then
/// `burden` is what it takes.
pub(crate) fn pair(
    state: &State,
    view: &View<'_>,
    row: usize,
    to: Seat,
    errand: Errand,
    seek: Seek,
    burden: &mut Burden,
) -> Result<Berth, Rejection> {
    let task = view.task(row);
    if view.ledger.places[row] == Place::On(to) {
        return Err(Rejection::AlreadyThere);
    }
    let place = view.ledger.places[row];
    if let Some(until) = frozen(view, place, errand, |scope| covers(view, scope, to)) {
        return Err(Rejection::TargetFrozen { until });
    }
    class(view, task, to)?;
    let berth = berth(view, row, to, seek, burden)?;
    stays(state, view, row, to, berth)?;
    if !view.memberships.is_empty() {
        groups::may_join(state, view, row, to, errand)?;
    }
    let left = state.cooldowns.get(&task.id).into_iter().flat_map(|cooldown| &cooldown.left);
    let there = view.worker_id(to);
    let until = left.filter(|(worker, _)| *worker == there).map(|(_, until)| *until).max();
    match until.filter(|until| *until > view.snapshot.at()) {
        Some(until) => Err(Rejection::LeftRecently { until }),
        None => Ok(berth),
    }
}

/// Does the worker stay until the task, which may stand still on its way, is done there or has saved its
/// state, and long enough not to be emptied at once?
fn stays(
    state: &State,
    view: &View<'_>,
    row: usize,
    to: Seat,
    berth: Berth,
) -> Result<(), Rejection> {
    let Some(leaves) = view.workers[to].leaves else { return Ok(()) };
    let (task, at) = (view.task(row), view.snapshot.at());
    let (arrives, times) = match view.ledger.places[row] {
        Place::On(from) => {
            let still = handover::still(view, task, [from, to]);
            let times = speed::times(state, view, row, [from, to], berth.alternative);
            (at.after(still), times)
        }
        _ => (at, 1.0),
    };
    let needed = task.settles(arrives, times).unwrap_or(view.horizon).max(view.soon);
    if leaves < needed { Err(Rejection::LeavesBefore { leaves, needed }) } else { Ok(()) }
}

/// Is this worker one of those that the task may go to?
fn class(view: &View<'_>, task: &Task, to: Seat) -> Result<(), Rejection> {
    let Some(id) = task.class else { return Ok(()) };
    let cost = view.snapshot.class(id).and_then(|class| class.cost(view.worker_id(to)));
    if cost.is_some() { Ok(()) } else { Err(Rejection::OutsideClass { class: id }) }
}

/// How a task would run on a worker: by the fastest of its alternatives for which the worker has the
/// hardware, a device and room. If there is none, what the fastest lacks for which it has the hardware.
pub(crate) fn berth(
    view: &View<'_>,
    row: usize,
    to: Seat,
    seek: Seek,
    burden: &mut Burden,
) -> Result<Berth, Rejection> {
    let Some(forms) = view.forms(row) else {
        view.burden_by(row, to, None, burden);
        let device = room(view, view.task(row), to, burden)?;
        return Ok(Berth { alternative: None, device });
    };
    let mut refused = Rejection::AlreadyThere;
    for (nth, form) in forms.fastest_first() {
        let will_do = match seek {
            Seek::Any => true,
            Seek::AtLeast(speed) => form.alternatives.iter().all(|it| it.speed >= speed),
            Seek::Only(only) => only == Some(nth),
        };
        if !will_do {
            continue;
        }
        view.burden_by(row, to, Some(nth), burden);
        match room(view, form, to, burden) {
            Ok(device) => return Ok(Berth { alternative: Some(nth), device }),
            Err(rejection) => {
                let unequipped =
                    matches!(refused, Rejection::AlreadyThere | Rejection::MissingHardware { .. });
                refused = if unequipped { rejection } else { refused };
            }
        }
    }
    Err(refused)
}

/// Whether a worker has what a task requires and room for it; the device, if it needs one.
fn room(view: &View<'_>, task: &Task, to: Seat, burden: &Burden) -> Result<Option<u16>, Rejection> {
    requirements(view, task, to)?;
    let device = device(view, task, to)?;
    headroom(view, to, burden)?;
    Ok(device)
}

/// Hardware, labels, memory as a whole, compute capability.
pub(crate) fn requirements(view: &View<'_>, task: &Task, to: Seat) -> Result<(), Rejection> {
    let (needs, worker, kinds) = (&task.requirements, view.worker(to), view.workers[to].kinds);
    let missing = needs.all_of.without(kinds);
    if !missing.is_empty() {
        return Err(Rejection::MissingHardware { needs: missing, all: true });
    }
    if !needs.any_of.is_empty() && !needs.any_of.intersects(kinds) {
        return Err(Rejection::MissingHardware { needs: needs.any_of, all: false });
    }
    if let Some(label) = needs.labels.iter().copied().find(|label| !worker.labels.contains(label)) {
        return Err(Rejection::MissingLabel { label });
    }
    let forbidden = needs.forbidden_labels.iter().copied();
    if let Some(label) = forbidden.into_iter().find(|label| worker.labels.contains(label)) {
        return Err(Rejection::ForbiddenLabel { label });
    }
    if let Some(needs_bytes) = needs.min_memory_bytes {
        let has = worker.capacity.known(ResourceId::MEMORY);
        if has.is_none_or(|has| has < needs_bytes as f64) {
            let has_bytes = has.map(whole);
            return Err(Rejection::TooLittleMemory { needs_bytes, has_bytes });
        }
    }
    let compute = needs.min_cuda_compute.filter(|_| runs_on_device(needs, kinds));
    if let Some(least) = compute {
        let has = worker.compute(Hardware::Cuda);
        if has.is_none_or(|has| has < least) {
            return Err(Rejection::TooLittleCompute { needs: least, has });
        }
    }
    Ok(())
}

/// The device that would hold the task, if it needs one.
fn device(view: &View<'_>, task: &Task, to: Seat) -> Result<Option<u16>, Rejection> {
    let needs = &task.requirements;
    let on_device = runs_on_device(needs, view.workers[to].kinds);
    let Some(needs_bytes) = needs.gpu_memory_bytes.filter(|_| on_device) else { return Ok(None) };
    let device = view.ledger.tightest(to, needs, needs_bytes as f64);
    device.map(Some).map_err(|widest| {
        let free = widest.map_or(0.0, |(free, _)| free);
        let (free_bytes, lacking_bytes) = (whole(free), whole(needs_bytes as f64 - free));
        let device = widest.map(|(_, device)| device);
        Rejection::TooLittleDeviceMemory { needs_bytes, free_bytes, device, lacking_bytes }
    })
}

/// Whether a worker that meets a task's requirements has the capacity for it, if nothing else were
/// there.
pub(crate) fn would_hold(view: &View<'_>, task: &Task, seat: Seat, burden: &Burden) -> bool {
    let mut cells = view.ledger.row(seat).iter().zip(&burden.claim);
    let has_room = cells.all(|(cell, claim)| {
        let claim = claim.filter(|claim| *claim > 0.0);
        claim.is_none_or(|claim| cell.capacity.is_some_and(|capacity| claim <= capacity))
    });
    let needs = &task.requirements;
    let on_device = runs_on_device(needs, view.workers[seat].kinds);
    let bytes = needs.gpu_memory_bytes.filter(|_| on_device);
    let devices = &view.worker(seat).devices;
    let holds = |bytes: u64| {
        let suitable = devices.iter().filter(|device| suits(needs, device));
        suitable.filter_map(|device| device.memory_bytes).any(|memory| memory >= bytes)
    };
    has_room && bytes.is_none_or(holds)
}

/// Room in every resource that the task asks for.
pub(crate) fn headroom(view: &View<'_>, to: Seat, burden: &Burden) -> Result<(), Rejection> {
    for (column, cell) in view.ledger.row(to).iter().enumerate() {
        let Some(needed) = burden.claim[column].filter(|claim| *claim > 0.0) else { continue };
        let capacity = cell.capacity.unwrap_or(0.0);
        let free = capacity - cell.claimed;
        if needed > free {
            let resource = view.ledger.columns[column];
            return Err(Rejection::NoHeadroom { resource, needed, free, capacity });
        }
    }
    Ok(())
}

/// The workers a task counts on: where it is or comes from, and where it goes.
pub(crate) fn ends(place: Place) -> [Option<Seat>; 2] {
    match place {
        Place::On(seat) => [Some(seat), None],
        Place::Moving { from, to, .. } => [from, to],
        Place::Stranded { .. } | Place::Orphaned | Place::Unplaced | Place::Unknown(_) => [None; 2],
    }
}

/// The loads a move is judged by: as the ledger stands, shifted to what is forecast where that is
/// the trigger.
#[derive(Clone, Debug, Default)]
pub(crate) struct Levels {
    /// What the forecast adds to each worker's projected load; empty while the present is judged.
    pub(crate) shift: alloc::vec::Vec<f64>,
    /// Workers that stand above this level give...
    pub(crate) give_above: f64,
    /// ... until they stand at this one.
    pub(crate) give_until: f64,
    /// And take below this one.
    pub(crate) take_below: f64,
    /// Above this level a worker is overloaded.
    pub(crate) high: f64,
    /// No move pushes a resource of its target above this.
    pub(crate) ceiling: f64,
    /// A spread up to this is even.
    pub(crate) even: f64,
    /// A move leaves its target so far below where its source was.
    pub(crate) dead_band: f64,
}

impl Levels {
    pub(crate) fn shift(&self, seat: Seat) -> f64 {
        self.shift.get(seat).copied().unwrap_or(0.0)
    }

    /// The level of a worker as the ledger stands.
    pub(crate) fn of(&self, view: &View<'_>, seat: Seat) -> Option<f64> {
        Some(view.ledger.load(seat)? + self.shift(seat))
    }

    /// The level of the target once the burden has arrived.
    pub(crate) fn after(&self, view: &View<'_>, to: Seat, burden: &Burden) -> Option<f64> {
        let load = view.ledger.load_with(to, |column| burden.load[column])?;
        Some(load + self.shift(to))
    }

    /// The level of the source once the burden has left.
    pub(crate) fn relieved(&self, view: &View<'_>, from: Seat, burden: &Burden) -> Option<f64> {
        let load = view.ledger.load_with(from, |column| -burden.left(column))?;
        Some(load + self.shift(from))
    }
}

/// No worsening: the target stays below its ceiling in every resource, and below where the source
/// was.
pub(crate) fn guards(
    levels: &Levels,
    view: &View<'_>,
    from: Option<Seat>,
    to: Seat,
    burden: &Burden,
) -> Result<(), Rejection> {
    ceiling(levels, view, to, burden)?;
    let source = from.and_then(|from| levels.of(view, from));
    let relieved = from.and_then(|from| levels.relieved(view, from, burden));
    if source.zip(relieved).is_some_and(|(source, relieved)| relieved >= source) {
        return Err(Rejection::NoRelief);
    }
    let after = levels.after(view, to, burden);
    if let (Some(source), Some(after)) = (source, after) {
        let most = source - levels.dead_band;
        if after > most {
            return Err(Rejection::NoGain { after, most });
        }
    }
    Ok(())
}

/// No resource of the target that the task adds to is pushed above the ceiling. (What only has to have
/// room has been asked for room.)
pub(crate) fn ceiling(
    levels: &Levels,
    view: &View<'_>,
    to: Seat,
    burden: &Burden,
) -> Result<(), Rejection> {
    for (column, cell) in view.ledger.row(to).iter().enumerate() {
        let (Some(used), Some(capacity)) = (cell.used, cell.capacity) else { continue };
        if view.ledger.columns[column].is_room() {
            continue;
        }
        let added = burden.load[column];
        let after = ((used + added) / capacity).min(MOST_LOAD) + levels.shift(to);
        if added > 0.0 && capacity > 0.0 && after > levels.ceiling {
            let (resource, most) = (view.ledger.columns[column], levels.ceiling);
            let added = added / capacity;
            return Err(Rejection::WouldOverload { resource, after, most, added });
        }
    }
    Ok(())
}

/// The spread over the balanced workers does not grow by the move, level by level.
pub(crate) fn no_wider(
    levels: &Levels,
    view: &View<'_>,
    from: Seat,
    to: Seat,
    burden: &Burden,
) -> Result<(), Rejection> {
    let (before, after) = spreads(levels, view, from, to, burden);
    // One part in 10^9 forgives the rounding of taking away and adding what was the same.
    if after > before + 1e-9 { Err(Rejection::WiderSpread { after, before }) } else { Ok(()) }
}

/// The spread does not grow beyond what counts as even.
pub(crate) fn even_enough(
    levels: &Levels,
    view: &View<'_>,
    from: Seat,
    to: Seat,
    burden: &Burden,
) -> Result<(), Rejection> {
    let (before, after) = spreads(levels, view, from, to, burden);
    let before = before.max(levels.even);
    if after > before + 1e-9 { Err(Rejection::WiderSpread { after, before }) } else { Ok(()) }
}

/// The spread over the balanced workers before a move and after it.
fn spreads(levels: &Levels, view: &View<'_>, from: Seat, to: Seat, burden: &Burden) -> (f64, f64) {
    let mut before = (f64::INFINITY, f64::NEG_INFINITY);
    let mut after = before;
    let widen = |(min, max): (f64, f64), level: f64| (min.min(level), max.max(level));
    for seat in (0..view.workers.len()).filter(|seat| view.workers[*seat].balanced) {
        let Some(level) = levels.of(view, seat) else { continue };
        let then = match seat {
            seat if seat == from => levels.relieved(view, from, burden),
            seat if seat == to => levels.after(view, to, burden),
            _ => Some(level),
        };
        before = widen(before, level);
        after = widen(after, then.unwrap_or(level));
    }
    (before.1 - before.0, after.1 - after.0)
}

/// When measurements of this worker were taken.
pub(crate) fn measured(view_at: Timestamp, age: Duration) -> Timestamp {
    view_at.before(age)
}
