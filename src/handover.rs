//! Does a move repay itself?
//!
//! Its price is the time for which the task stands still (saving its state, the transfer over the
//! slower of the two links, the restart) and the work that is lost. What it gains is, per second,
//!
//! `gain = (load of the source now - load of the target after) + (times as fast there - 1)`
//!
//! and it repays itself if `gain x time left >= downtime + lost work`, with the time until the task
//! ends there, or up to the horizon: beyond it nobody knows how loaded workers will be. (A task on a
//! worker at load L finds it taken for a share L of its time and gets half of it then. Added up over
//! the tasks of both workers, what a task of load s gains by a move is s times the difference of the
//! loads: the first term, per second of the task.)
//!
//! * From 0.95 to a worker that will stand at 0.45: 0.50 a second. A state of 2 GiB over 100 MB/s
//!   takes 21 s, with 5 s on either side 31 s, and 20 s of work are lost: 51 s are repaid in 102 s.
//! * The same over 10 MB/s: 215 s + 10 s + 20 s = 245 s, repaid in 490 s. With five minutes to go
//!   it stays.
//! * From 0.60 to 0.50 onto hardware twice as fast: 0.10 + 1.00 = 1.10 a second. A minute is repaid
//!   in 55 s.

use core::time::Duration;

use crate::admission::Levels;
use crate::config::{Config, Transfer};
use crate::model::time::seconds;
use crate::outcome::{Handover, Rejection};
use crate::snapshot::{Mobility, Stance, StateAt, Task};
use crate::speed;
use crate::state::{State, Transport};
use crate::view::{Berth, Burden, Seat, View};

/// Absurd figures give absurd spans, but none that are no numbers.
const MOST_SECS: f64 = 1e12;

/// What reckoning reads.
#[derive(Clone, Copy)]
pub(crate) struct Reckoner<'a> {
    pub(crate) config: &'a Config,
    pub(crate) section: &'a Transfer,
    pub(crate) state: &'a State,
    pub(crate) view: &'a View<'a>,
    pub(crate) levels: &'a Levels,
}

impl<'a> Reckoner<'a> {
    /// Nothing where moves need not repay themselves.
    pub(crate) fn new(
        config: &'a Config,
        state: &'a State,
        view: &'a View<'a>,
        levels: &'a Levels,
    ) -> Option<Self> {
        let section = config.transfer.as_ref()?;
        Some(Self { config, section, state, view, levels })
    }

    /// Price and gain of moving one task, to run so and to take so much, as the ledger stands.
    pub(crate) fn handover(
        &self,
        row: usize,
        [from, to]: [Seat; 2],
        berth: Berth,
        burden: &Burden,
    ) -> Handover {
        let (section, task) = (self.section, self.view.task(row));
        let transfer_secs = transfer(section, self.view, task, [from, to]);
        let horizon = section.horizon.unwrap_or_else(|| self.config.horizon());
        let times = speed::times(self.state, self.view, row, [from, to], berth.alternative);
        // It ends there the sooner, the faster it runs.
        let ends = task.expected_remaining().map(|rest| seconds(rest) / times);
        let horizon_secs = seconds(horizon);
        Handover {
            transfer_secs,
            downtime_secs: downtime(section, self.view, task, [from, to]),
            lost_secs: task.lost_work().map(seconds),
            gain: self.calmer([from, to], burden).map(|calmer| calmer + (times - 1.0)),
            times,
            left_secs: ends.map_or(horizon_secs, |ends| ends.min(horizon_secs)).max(1.0),
            horizon_secs,
        }
    }

    /// How much calmer it is there once it has arrived than here now.
    fn calmer(&self, [from, to]: [Seat; 2], burden: &Burden) -> Option<f64> {
        let (view, levels) = (self.view, self.levels);
        Some(levels.of(view, from)? - levels.after(view, to, burden)?)
    }
}

/// How long the state is under way, at the pace of the slower end.
fn transfer(
    section: &Transfer,
    view: &View<'_>,
    task: &Task,
    [from, to]: [Seat; 2],
) -> Option<f64> {
    let target = view.worker(to);
    if task.is_reached(target.id, target.zone) {
        return Some(0.0);
    }
    let bytes = task.state_bytes.or(section.state_bytes)?;
    let mut secs = link(section, view, to, bytes)?;
    match task.state_at {
        None => secs = secs.max(link(section, view, from, bytes)?),
        Some(StateAt::Worker(worker)) => {
            let seat = view.snapshot.worker_row(worker)?;
            // What lies out of reach may never arrive.
            let within = view.workers[seat].stance != Stance::Offline;
            secs = secs.max(link(section, view, Some(seat).filter(|_| within)?, bytes)?);
        }
        // Of storage only the target's link to it is known.
        Some(StateAt::Zone(_) | StateAt::Shared) => {}
    }
    Some(secs.min(MOST_SECS))
}

/// How long so much takes over a worker's link, shared with everything that is under way to it
/// and from it.
fn link(section: &Transfer, view: &View<'_>, seat: Seat, bytes: u64) -> Option<f64> {
    let ledger = &view.ledger;
    let others = ledger.outgoing[seat].saturating_add(ledger.incoming[seat]);
    Some(bytes as f64 * (1.0 + f64::from(others)) / bandwidth(section, view, seat)?)
}

/// How long a task stands still on its way; what starts there before it stops here never does.
fn downtime(section: &Transfer, view: &View<'_>, task: &Task, ends: [Seat; 2]) -> Option<f64> {
    if Transport::of(view.config.migration.as_ref(), task) == Transport::StartThenStop {
        return Some(0.0);
    }
    let around = match task.mobility {
        Mobility::Queued => 0.0,
        Mobility::Restart => seconds(section.restart),
        Mobility::Checkpoint | Mobility::Pinned => {
            seconds(section.checkpoint) + seconds(section.restart)
        }
    };
    transfer(section, view, task, ends).map(|secs| secs + around)
}

/// The same, as far as it is asked and known.
pub(crate) fn still(view: &View<'_>, task: &Task, ends: [Seat; 2]) -> Duration {
    let section = view.config.transfer.as_ref();
    let secs = section.and_then(|section| downtime(section, view, task, ends)).unwrap_or(0.0);
    Duration::try_from_secs_f64(secs).unwrap_or(Duration::MAX)
}

fn bandwidth(section: &Transfer, view: &View<'_>, seat: Seat) -> Option<f64> {
    let stated = view.worker(seat).bandwidth_bytes_per_second;
    stated.or(section.bandwidth_bytes_per_second)
}

/// How long a source is busy with letting a task go, at least; nothing if it is not known.
pub(crate) fn leaving_secs(
    section: &Transfer,
    view: &View<'_>,
    task: &Task,
    from: Seat,
) -> Option<f64> {
    if matches!(task.mobility, Mobility::Restart | Mobility::Queued) {
        return Some(0.0);
    }
    let (saving, source) = (seconds(section.checkpoint), view.worker(from));
    if task.state_at.is_some_and(|at| at != StateAt::Worker(source.id)) {
        return Some(saving);
    }
    let bytes = task.state_bytes.or(section.state_bytes)?;
    Some((saving + bytes as f64 / bandwidth(section, view, from)?).min(MOST_SECS))
}

/// Whether a move repays itself in the time that is left.
pub(crate) fn repaid(handover: &Handover) -> Result<(), Rejection> {
    let (Some(price_secs), Some(gain)) = (handover.price_secs(), handover.gain) else {
        return Err(Rejection::UnknownTransfer);
    };
    let Handover { times, left_secs, horizon_secs, .. } = *handover;
    if gain * left_secs >= price_secs {
        Ok(())
    } else {
        Err(Rejection::NotRepaid { gain, times, left_secs, price_secs, horizon_secs })
    }
}
