//! Do the reported and the projected loads count the moves under way?

use alloc::format;
use alloc::vec::Vec;
use core::time::Duration;

use super::account::{Account, is_clear};
use super::facts::Facts;
use super::promise::{Findings, Promise, Violation, near};
use super::records::{has_seen, is_sound_worker, load, used};
use super::round::Round;
use crate::model::ratio::Utilization;
use crate::outcome::Fate;
use crate::snapshot::Stance;
use crate::state::{Migration, Transport};

/// Promise 6: the reported loads are those of the records, and the projected loads are those with every move under way
/// added and subtracted, unless measurements must have seen it.
pub(super) fn in_flight(round: &Round<'_>) -> Vec<Violation> {
    let mut findings = Findings::new(Promise::InFlight);
    let facts = Facts::new(round);
    let account = Account::open(&facts);
    let clear = is_clear(round);
    for row in &round.outcome.workers {
        let Some(worker) = round.snapshot.worker(row.worker) else {
            findings.add(format!("{} has a load and no record", row.worker));
            continue;
        };
        let trusted =
            is_sound_worker(round.snapshot, worker.id) && worker.stance != Stance::Offline;
        let reported = load(round.config.load, worker, |resource| used(worker, resource));
        let reported = reported.filter(|_| trusted);
        let [said, ahead] = [row.reported, row.projected].map(|load| load.map(Utilization::get));
        findings.need(near(said, reported, 1e-9), || {
            format!("{} is said to report {said:?}, its record says {reported:?}", row.worker)
        });
        let projected = reported.and_then(|_| account.load(worker));
        findings.need(!clear || near(ahead, projected, 1e-9), || {
            format!(
                "{} is projected at {ahead:?}; reported and in flight: {projected:?}",
                row.worker
            )
        });
    }
    if clear {
        remembered(round, account.lag(), &mut findings);
    }
    findings.list
}

/// A task that arrived in this round is remembered as long as measurements cannot show it.
fn remembered(round: &Round<'_>, lag: Duration, findings: &mut Findings) {
    if round.config.stability.is_none() {
        return;
    }
    let arrived = round.outcome.ended.iter().filter(|ended| ended.fate == Fate::Completed);
    for ended in arrived {
        let flown = round.before.in_flight.get(&ended.task);
        // If a copy was started first, the source shows the end.
        let stopped = flown
            .filter(|flight| flight.transport() == Transport::StartThenStop)
            .and_then(Migration::from);
        let target = round.snapshot.worker(stopped.unwrap_or(ended.to));
        let shows = target.is_none_or(|it| has_seen(round.snapshot.at(), it, ended.at, lag));
        let after = &round.after.arrivals;
        let evicted = flown.is_some_and(|flight| flight.transport().is_by_scheduler());
        // A task that was given to the scheduler may have another id now.
        let kept = after.iter().any(|it| it.to == ended.to && (it.task == ended.task || evicted));
        findings.need(shows || kept, || format!("{ended}: forgotten before it can be seen"));
    }
}
