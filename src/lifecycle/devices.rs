//! How much of the devices of a worker is left?
//!
//! A task on a device that the host does not name takes memory of some device: it counts against the sum only.

use alloc::vec::Vec;

use crate::snapshot::{Requirements, Worker};
use crate::view;

/// The memory of a worker's devices that no task claims.
#[derive(Clone, Debug)]
pub(super) struct Devices {
    /// Of each device, in bytes; `None` if its memory is unknown.
    free: Vec<Option<f64>>,
    /// What tasks claim of devices that are not known, in bytes.
    elsewhere: f64,
}

impl Devices {
    pub(super) fn of(worker: &Worker) -> Self {
        let memory = worker.devices.iter().map(|device| device.memory_bytes);
        Self { free: memory.map(|bytes| bytes.map(|bytes| bytes as f64)).collect(), elsewhere: 0.0 }
    }

    /// Takes memory of a device; `None` if it is not known which.
    pub(super) fn take(&mut self, device: Option<u16>, bytes: f64) {
        match device.and_then(|device| self.free.get_mut(usize::from(device))) {
            Some(free) => *free = free.map(|free| free - bytes),
            None => self.elsewhere += bytes,
        }
    }

    /// Whether the device that was chosen has room, or else some device that suits the task. One whose memory is
    /// unknown counts as having room.
    pub(super) fn have_room(
        &self,
        worker: &Worker,
        (chosen, needs): (Option<u16>, Option<&Requirements>),
        bytes: f64,
    ) -> bool {
        let fits = |free: &Option<f64>| free.is_none_or(|free| free >= bytes);
        if let Some(chosen) = chosen {
            return self.free.get(usize::from(chosen)).is_some_and(fits);
        }
        let suitable = worker.devices.iter().zip(&self.free);
        let mut suitable = suitable
            .filter(|(device, _)| needs.is_none_or(|needs| view::suits(needs, device)))
            .map(|(_, free)| free);
        let all: f64 = suitable.clone().map(|free| free.unwrap_or(f64::MAX)).sum();
        suitable.any(fits) && all - self.elsewhere >= bytes
    }
}
