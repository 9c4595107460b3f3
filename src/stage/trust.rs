//! Can this snapshot be believed?
//!
//! If too many workers vanish at once, the monitoring has probably failed and not the cluster. If they stay away long
//! enough, the snapshot is believed.
//!
//! With four known workers and a share of 0.5, two missing workers are gone, and three missing workers are in doubt.

use crate::config::Config;
use crate::model::time::Timestamp;
use crate::outcome::Held;
use crate::snapshot::{Coverage, Snapshot, Stance};
use crate::state::{State, Track};

/// Whether a snapshot is believed.
#[derive(Debug, Default)]
pub(crate) struct Trust {
    /// The snapshot to use instead; `None` if the given one is believed.
    pub(crate) snapshot: Option<Snapshot>,
    pub(crate) held: Option<Held>,
    /// Since when too many workers have been missing; `None` if they are not.
    pub(crate) since: Option<Timestamp>,
}

/// Compares what a snapshot shows with what is known.
pub(crate) fn trust(config: &Config, state: &State, snapshot: &Snapshot) -> Trust {
    let Some(section) = &config.safeguard else { return Trust::default() };
    let at = snapshot.at();
    let complete = snapshot.coverage() == Coverage::Complete;
    let (mut known, mut missing) = (0, 0);
    for (worker, track) in &state.tracks {
        let stance = snapshot.worker(*worker).map(|worker| worker.stance);
        if !is_expected(track, stance) {
            continue;
        }
        known += 1;
        missing += u32::from(stance.map_or(complete, |stance| stance == Stance::Offline));
    }
    // After a restart the clock may be earlier.
    let doubted = state.doubted_since.map(|since| since.min(at));
    let few = f64::from(missing) <= section.missing_share * f64::from(known);
    if few || broken!("mass_disappearance") {
        // A partial snapshot does not show whether the missing workers are back.
        return Trust { since: doubted.filter(|_| !complete), ..Trust::default() };
    }
    let since = doubted.unwrap_or(at);
    let until = since.after(section.believed_after);
    if at >= until && !broken!("mass_disappearance_that_lasts") {
        return Trust::default();
    }
    let held = Some(Held { missing, known, since, until });
    Trust { snapshot: Some(snapshot.doubted()), held, since: Some(since) }
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
