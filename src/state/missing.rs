//! How long has a worker been missing, and is it gone?

use alloc::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::in_flight::InFlight;
use super::track::Track;
use crate::config::Grace;
use crate::model::ids::WorkerId;
use crate::model::time::Timestamp;
use crate::outcome::Missing;
use crate::snapshot::{Coverage, Placement, Snapshot, Stance};

/// A worker that complete snapshots do not list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Absence {
    /// The first of them.
    pub(crate) since: Timestamp,
    /// How many they are.
    pub(crate) snapshots: u32,
}

impl Absence {
    /// What is known of the absence with one more snapshot. After a restart the clock may be earlier.
    fn with(before: Option<&Self>, snapshot: &Snapshot) -> Self {
        let at = snapshot.at();
        let before = before.map_or(Self { since: at, snapshots: 0 }, |before| *before);
        let more = u32::from(snapshot.coverage() == Coverage::Complete);
        Self { since: before.since.min(at), snapshots: before.snapshots.saturating_add(more) }
    }

    /// Whether the worker may still come back: the grace period lasts.
    pub(crate) fn lasts(&self, grace: Grace, at: Timestamp) -> bool {
        at < self.since.after(grace.span) || self.snapshots <= grace.rounds
    }

    /// What an operator is told of it.
    pub(crate) fn told(&self, worker: WorkerId, grace: Grace) -> Missing {
        let rest = grace.rounds.saturating_add(1).saturating_sub(self.snapshots).max(1);
        Missing::new(worker, self.since, self.since.after(grace.span), rest)
    }
}

/// Forgets the absence of workers that nothing refers to any more.
pub(super) fn forget(
    missing: &mut BTreeMap<WorkerId, Absence>,
    tracks: &BTreeMap<WorkerId, Track>,
    in_flight: &InFlight,
) {
    if missing.is_empty() {
        return;
    }
    let ends: BTreeSet<WorkerId> = ends(in_flight).collect();
    missing.retain(|worker, _| tracks.contains_key(worker) || ends.contains(worker));
}

/// The workers that may be missing with this snapshot and are not known to be gone: the tracked ones, and the ends of
/// migrations under way, those that the host shows among them. A snapshot in doubt may be wrong in what it lists as out
/// of reach, too.
pub(super) fn absences(
    before: &BTreeMap<WorkerId, Absence>,
    (tracks, in_flight): (&BTreeMap<WorkerId, Track>, &InFlight),
    snapshot: &Snapshot,
    in_doubt: bool,
) -> BTreeMap<WorkerId, Absence> {
    let is_known = |worker: &WorkerId| {
        let known = tracks.get(worker);
        known.is_none_or(|track| !track.is_gone())
    };
    let shown = snapshot.tasks().iter().filter_map(|task| match task.placement {
        Placement::Moving { from, to, .. } => Some(from.into_iter().chain([to])),
        _ => None,
    });
    let ends = ends(in_flight).chain(shown.flatten());
    let is_absent = |worker: &WorkerId| match snapshot.worker(*worker) {
        Some(listed) => in_doubt && listed.stance == Stance::Offline,
        // What only a partial snapshot leaves out has not begun to be missing.
        None => snapshot.coverage() == Coverage::Complete || before.contains_key(worker),
    };
    let all = tracks.keys().copied().chain(ends);
    let all = all.filter(|worker| is_absent(worker) && is_known(worker));
    all.map(|worker| (worker, Absence::with(before.get(&worker), snapshot))).collect()
}

/// The workers from and to which tasks are under way.
fn ends(in_flight: &InFlight) -> impl Iterator<Item = WorkerId> {
    in_flight.values().flat_map(|migration| migration.from().into_iter().chain([migration.to()]))
}
