//! What a ledger can do where something is only tried out.

use super::{Burden, Cell, DeviceCell, Ledger, Seat};

impl Ledger {
    /// Projects use from now on, whatever the configuration says: to try things out.
    pub(crate) fn project(&mut self) {
        self.projects = true;
    }

    /// Takes a task's use away.
    pub(crate) fn relieve(&mut self, burden: &Burden, from: Seat) {
        for (column, cell) in self.row_mut(from).iter_mut().enumerate() {
            cell.used = cell.used.map(|used| (used - burden.load[column]).max(0.0));
        }
    }

    /// Makes a worker as empty as a new one of its sort.
    pub(crate) fn clear(&mut self, seat: Seat) {
        for cell in self.row_mut(seat) {
            (cell.claimed, cell.used) = (0.0, cell.used.map(|_| 0.0));
        }
        let (start, end) = (self.device_start[seat], self.device_start[seat + 1]);
        for cell in &mut self.devices[start..end] {
            cell.device.used_bytes = cell.device.used_bytes.map(|_| 0);
            (cell.reserved_bytes, cell.arriving_bytes) = (0.0, 0.0);
        }
    }

    /// Puts back what a worker carried.
    pub(crate) fn restore(&mut self, seat: Seat, cells: &[Cell], devices: &[DeviceCell]) {
        self.row_mut(seat).copy_from_slice(cells);
        let (start, end) = (self.device_start[seat], self.device_start[seat + 1]);
        self.devices[start..end].copy_from_slice(devices);
    }
}
