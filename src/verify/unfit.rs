//! Does a worker lack what a refusal says that it lacks?

use super::account::Account;
use super::devices::hides_devices;
use super::footprint::{accelerated, claim, suits};
use super::promise::{about, near};
use super::records::capacity;
use super::round::Round;
use crate::model::hardware::Hardware;
use crate::model::resource::ResourceId;
use crate::outcome::{Action, Cause, FitRefusal};
use crate::snapshot::{Task, Worker};

/// Whether a worker lacks this for a task, by the alternative that the task would run by.
pub(super) fn lacks(account: &Account<'_>, task: &Task, to: &Worker, no: FitRefusal) -> bool {
    let (needs, has) = (&task.requirements, to.kinds());
    match no {
        FitRefusal::MissingHardware { needs: said, all } => {
            let asked = if all { needs.all_of } else { needs.any_of };
            let missing = asked.iter().filter(|kind| !has.contains(*kind));
            let present = asked.iter().any(|kind| has.contains(kind));
            let told = if all { said == missing.collect() } else { said == asked && !present };
            told && !said.is_empty()
        }
        FitRefusal::TooLittleMemory { needs_bytes, has_bytes } => {
            let room = capacity(to, ResourceId::MEMORY);
            let told = near(has_bytes.map(|bytes| bytes as f64), room.map(libm::floor), 1e-9);
            let small = room.is_none_or(|room| room < needs_bytes as f64);
            needs.min_memory_bytes == Some(needs_bytes) && told && small
        }
        FitRefusal::TooLittleDeviceMemory { needs_bytes, free_bytes, device, lacking_bytes } => {
            if needs.gpu_memory_bytes != Some(needs_bytes) || !accelerated(task, to) {
                return false;
            }
            let suitable = (0_u16..).zip(&to.devices).filter(|(it, _)| suits(task, to, *it));
            let free = suitable.filter_map(|(it, _)| Some((it, account.device_free(to.id, it)?)));
            let most = free.clone().map(|(_, free)| free).reduce(f64::max);
            let here = free.clone().find(|(it, _)| Some(*it) == device).map(|(_, free)| free);
            // What is free on a device is less where it is unknown which one a task uses.
            if hides_devices(account, to) {
                return device.is_some() == most.is_some() && lacking_bytes > 0;
            }
            let told = near(Some(free_bytes as f64), Some(here.unwrap_or(0.0).max(0.0)), 1e-6);
            let short = most.is_none_or(|most| most < needs_bytes as f64);
            near(here, most, 1e-9) && told && short && lacking_bytes > 0
        }
        FitRefusal::TooLittleCompute { needs: least, has: said } => {
            let devices = to.devices.iter().filter(|device| device.hardware == Hardware::Cuda);
            let best = devices.filter_map(|device| device.compute).max();
            let asked = needs.min_cuda_compute == Some(least) && accelerated(task, to);
            asked && said == best && best.is_none_or(|best| best < least)
        }
        FitRefusal::MissingLabel { label } => {
            needs.labels.contains(&label) && !to.labels.contains(&label)
        }
        FitRefusal::ForbiddenLabel { label } => {
            needs.forbidden_labels.contains(&label) && to.labels.contains(&label)
        }
        FitRefusal::NoHeadroom { resource, needed, free, capacity: said } => {
            let (asked, room) = (claim(task, to, resource), capacity(to, resource).unwrap_or(0.0));
            let kept = account.kept.get(&task.id) == Some(&to.id);
            let back = if kept { asked } else { 0.0 };
            let left = room - account.claimed(to.id, resource) + back;
            let tolerance = 1e-9 * room.max(account.claimed(to.id, resource)).max(1.0);
            let told = near(Some(needed), Some(asked), 1e-9) && near(Some(said), Some(room), 1e-9);
            // A task that found no room with the others may have been given the same target again by the plan.
            let again = assigned(account, to, resource);
            let is_left = |left: f64| (free - left).abs() <= tolerance && about(asked) > left;
            told && (is_left(left) || is_left(left + again))
        }
    }
}

/// How much the tasks claim that have been assigned to a worker in this round because their sources had released them.
fn assigned(account: &Account<'_>, to: &Worker, resource: ResourceId) -> f64 {
    let Round { outcome, snapshot, .. } = *account.facts.round;
    let commands = outcome.commands.iter().filter(|command| {
        let is_there = matches!(command.action, Action::Assign { to: there, .. } if there == to.id);
        is_there && command.cause() == Some(Cause::Released)
    });
    let tasks = commands.filter_map(|command| snapshot.task(command.task));
    tasks.map(|task| claim(task, to, resource)).sum()
}
