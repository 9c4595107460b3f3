//! Workers in the order in which they are asked, and where each stands in it.

use alloc::vec::Vec;

use crate::model::ids::ClassId;
use crate::view::{Seat, View};

/// Workers, the first to be asked first.
#[derive(Clone, Debug)]
pub(super) struct Order {
    pub(super) seats: Vec<Seat>,
    /// The place of each seat among them; empty where no class asks for it.
    places: Vec<Option<u32>>,
}

impl Order {
    pub(super) fn new(view: &View<'_>, seats: Vec<Seat>) -> Self {
        let mut places = Vec::new();
        if !view.snapshot.classes().is_empty() {
            places.resize(view.workers.len(), None);
            (0..).zip(&seats).for_each(|(place, seat)| places[*seat] = Some(place));
        }
        Self { seats, places }
    }

    /// Those of a class among the first `count`, in the same order: found from the class, so that a
    /// small one costs little.
    pub(super) fn of_class(&self, view: &View<'_>, class: ClassId, count: usize) -> Vec<Seat> {
        let workers = view.snapshot.class(class).into_iter().flat_map(|class| class.workers.keys());
        let seats = workers.filter_map(|worker| view.snapshot.worker_row(*worker));
        let placed = seats.filter_map(|seat| Some((self.places.get(seat).copied()??, seat)));
        let mut placed: Vec<(u32, Seat)> = placed.collect();
        placed.retain(|(place, _)| (*place as usize) < count);
        placed.sort_unstable();
        placed.into_iter().map(|(_, seat)| seat).collect()
    }
}
