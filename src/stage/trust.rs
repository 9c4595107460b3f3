//! Can this snapshot be believed?
//!
//! If too many workers vanish at once, the monitoring has probably failed and not the cluster. If they stay away long
//! enough, the snapshot is believed. With four known workers and a share of 0.5, two missing workers are in doubt.
//!
//! If fewer vanish, each is missing at first, and gone when its grace period is over. With a period of 60 s and two
//! rounds, a worker that is first missing at 60 s waits at 60 s and 90 s and is gone at 120 s.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use crate::config::{Config, Grace};
use crate::model::ids::WorkerId;
use crate::model::time::Timestamp;
use crate::outcome::Held;
use crate::snapshot::{Coverage, Snapshot, Stance};
use crate::state::{Absence, State, Track};

/// How few workers are never too many at once: the failure of one is no mass disappearance.
const FEW: f64 = 1.0;

/// Whether a snapshot is believed.
#[derive(Debug, Default)]
pub(crate) struct Trust {
    /// The snapshot to use instead; `None` if the given one is believed.
    pub(crate) snapshot: Option<Snapshot>,
    pub(crate) held: Option<Held>,
    /// Since when too many workers have been missing; `None` if they are not.
    pub(crate) since: Option<Timestamp>,
    /// The workers that are missing, and since when.
    pub(crate) missing: BTreeMap<WorkerId, Absence>,
}

/// Compares a snapshot with what is known: are too many workers missing at once, or some of them only since a moment
/// ago?
pub(crate) fn trust(config: &Config, state: &State, snapshot: &Snapshot) -> Trust {
    let grace = config.grace.filter(|_| !broken!("grace"));
    let absences = |in_doubt| state.absences(snapshot, in_doubt);
    let (since, missing) = match mass(config, state, snapshot) {
        Mass::Doubted(held) => {
            let missing = absences(true);
            let read = snapshot.doubted().awaiting(missing.keys().copied().collect());
            let since = Some(held.since);
            return Trust { snapshot: Some(read), held: Some(held), since, missing };
        }
        // The grace period of those that are missing still begins when the snapshot is believed.
        Mass::None(None) if state.doubted_since.is_some() && !broken!("grace_after_doubt") => {
            (None, state.absences_from_now(snapshot))
        }
        Mass::None(since) => (since, absences(false)),
        // Those that have only just vanished have a grace period like any other.
        Mass::Believed => (None, absences(false)),
    };
    let Some(grace) = grace else { return Trust { since, ..Trust::default() } };
    Trust { snapshot: awaiting(snapshot, grace, &missing), missing, since, held: None }
}

/// Whether too many workers are missing at once.
enum Mass {
    /// They are not. If a partial snapshot leaves open whether those that were missing are back: since when they were.
    None(Option<Timestamp>),
    /// They are, and that is not believed.
    Doubted(Held),
    /// They have been for so long that it is believed.
    Believed,
}

/// The snapshot with the workers that are missing and not gone yet; `None` if there are none.
fn awaiting(
    snapshot: &Snapshot,
    grace: Grace,
    missing: &BTreeMap<WorkerId, Absence>,
) -> Option<Snapshot> {
    let at = snapshot.at();
    let lasting = missing.iter().filter(|(_, absence)| absence.lasts(grace, at));
    let awaited: Vec<WorkerId> = lasting.map(|(worker, _)| *worker).collect();
    (!awaited.is_empty()).then(|| snapshot.awaiting(awaited))
}

/// Counts the workers that should be there and are not.
fn mass(config: &Config, state: &State, snapshot: &Snapshot) -> Mass {
    let Some(section) = &config.safeguard else { return Mass::None(None) };
    let at = snapshot.at();
    let complete = snapshot.coverage() == Coverage::Complete;
    let (mut known, mut missing, mut unlisted) = (0, 0, 0);
    for (worker, track) in &state.tracks {
        let stance = snapshot.worker(*worker).map(|worker| worker.stance);
        if !is_expected(track, stance) {
            continue;
        }
        known += 1;
        missing += u32::from(stance == Some(Stance::Offline));
        unlisted += u32::from(stance.is_none());
    }
    // After a restart the clock may be earlier.
    let doubted = state.doubted_since.map(|since| since.min(at));
    let is_few = |missing| is_few(missing, known, section.missing_share);
    let away = missing + unlisted;
    let missing = if complete { away } else { missing };
    if is_few(missing) || broken!("mass_disappearance") {
        let are_back = complete || is_few(away) && !broken!("partial_snapshot_shows_who_is_back");
        return Mass::None(doubted.filter(|_| !are_back));
    }
    let since = doubted.unwrap_or(at);
    let until = since.after(section.believed_after);
    if at >= until && !broken!("mass_disappearance_that_lasts") {
        return Mass::Believed;
    }
    Mass::Doubted(Held { missing, known, since, until })
}

/// Whether so few of the known workers are missing that it is no mass disappearance.
fn is_few(missing: u32, known: u32, share: f64) -> bool {
    let (missing, most) = (f64::from(missing), share * f64::from(known));
    let alone = missing <= FEW && !broken!("one_is_no_mass");
    alone || missing < most || (missing <= most && broken!("half_is_a_mass"))
}

/// Whether a worker should still be there. A worker that only partial snapshots have named may have disappeared
/// unnoticed, and a draining one was about to leave.
fn is_expected(track: &Track, now: Option<Stance>) -> bool {
    let stays = match track.stance {
        Stance::Accept | Stance::Hold => true,
        Stance::Drain => broken!("draining_workers_are_expected_to_go"),
        Stance::Offline => false,
    };
    !track.gone && stays && (track.passing.is_none() || now.is_some())
}
