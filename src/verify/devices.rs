//! Is the reported fragmentation of device memory right?

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use super::account::Account;
use super::facts::Facts;
use super::footprint::{accelerated, run_now};
use super::promise::{Findings, near};
use super::round::Round;
use crate::snapshot::{Placement, Task, Worker};

/// The reported fragmentation follows from what is free on each device, if every task there states its device.
pub(super) fn told(round: &Round<'_>, findings: &mut Findings) {
    let asked = round.config.efficiency.is_some_and(|section| section.fragmentation);
    let Some(said) = &round.outcome.fragmentation else { return };
    findings.need(asked, || String::from("nobody has asked how device memory is cut up"));
    let facts = Facts::new(round);
    let account = Account::open(&facts);
    let snapshot = round.snapshot;
    let share = |free: f64, widest: f64| if free > 0.0 { 1.0 - widest / free } else { 0.0 };
    let free: f64 = said.workers.iter().map(|row| row.free_bytes).sum();
    let widest: f64 = said.workers.iter().map(|row| row.widest_bytes).sum();
    findings.need((said.share - share(free, widest)).abs() <= 1e-9, || format!("{said}: no sum"));
    for row in &said.workers {
        let Some(worker) = snapshot.worker(row.worker) else {
            findings.add(format!("{} has devices and no record", row.worker));
            continue;
        };
        let moving = |task: &Task| matches!(task.placement, Placement::Moving { .. });
        let moves = !account.facts.flights.is_empty() || snapshot.tasks().iter().any(moving);
        if moves || hides_devices(&account, worker) {
            continue;
        }
        let devices = (0_u16..).zip(&worker.devices);
        let holes = devices.filter_map(|(index, _)| account.device_free(worker.id, index));
        let holes: Vec<f64> = holes.map(|free| free.max(0.0)).collect();
        let free: f64 = holes.iter().sum();
        let widest = holes.iter().copied().fold(0.0, f64::max);
        let near = |a: f64, b: f64| near(Some(a), Some(b), 1e-9);
        let holds = near(row.free_bytes, free) && near(row.widest_bytes, widest);
        findings.need(holds && near(row.share, share(free, widest)), || {
            let told = format!("{} and {} are told", row.free_bytes, row.widest_bytes);
            format!("{}: {free} bytes are free, {widest} in one piece; {told}", row.worker)
        });
    }
}

/// Whether it is unknown how much is free on a worker's devices: a task there uses the memory of an unstated device, or
/// such a task is on its way from there, or on its way there by a migration of an earlier life, or a report newer than
/// the snapshot shows it on another worker than the snapshot does.
pub(super) fn hides_devices(account: &Account<'_>, worker: &Worker) -> bool {
    let facts = account.facts;
    let snapshot = facts.round.snapshot;
    snapshot.tasks().iter().any(|task| {
        let told = account.told_since.get(&task.id);
        if task.placement == Placement::On(worker.id) && told.is_none() {
            let now = run_now(snapshot, task);
            let takes = now.requirements.gpu_memory_bytes.is_some() && accelerated(&now, worker);
            return takes && task.device.is_none();
        }
        let left = match task.placement {
            Placement::Moving { from, .. } => from == Some(worker.id),
            Placement::On(shown) => shown == worker.id,
            _ => false,
        };
        let arrived = told == Some(&worker.id);
        let flown = facts.flights.get(&task.id).is_some_and(|flight| {
            let to = flight.to() == worker.id && flight.device().is_none();
            to || flight.from() == Some(worker.id)
        });
        let ways = task.alternatives.iter().map(|way| way.gpu_memory_bytes);
        let mut asked = ways.chain([task.requirements.gpu_memory_bytes]);
        (left || flown || arrived) && asked.any(|bytes| bytes.is_some())
    })
}
