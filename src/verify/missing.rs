//! Is a worker that a snapshot does not list taken for gone at the right time, and does the outcome say how long it
//! waits?

use alloc::collections::BTreeSet;
use alloc::format;

use super::held::is_mass;
use super::promise::Findings;
use super::round::Round;
use crate::model::ids::WorkerId;
use crate::model::time::Timestamp;
use crate::snapshot::{Coverage, Stance};

/// How long a worker has been missing from complete snapshots, this one included: since when, and from how many.
fn absence(round: &Round<'_>, worker: WorkerId) -> (Timestamp, u32) {
    let at = round.snapshot.at();
    // The grace period begins when the snapshot is believed.
    let complete = round.snapshot.coverage() == Coverage::Complete;
    let anew = round.before.doubted_since.is_some() && complete && !is_mass(round);
    let (since, snapshots) = match round.before.missing.get(&worker).filter(|_| !anew) {
        Some(before) => (before.since.min(at), before.snapshots),
        None => (at, 0),
    };
    (since, snapshots + u32::from(complete))
}

/// The outcome names exactly the workers whose grace period lasts, each with the right figures, and the state remembers
/// them.
pub(super) fn told(round: &Round<'_>, findings: &mut Findings) {
    let Round { before, after, snapshot, outcome, .. } = *round;
    let said = &outcome.missing;
    let Some(grace) = round.config.grace.filter(|_| outcome.held.is_none()) else {
        findings
            .need(said.is_empty(), || format!("there is no grace period, and it says {said:?}"));
        return;
    };
    for missing in said {
        let (since, snapshots) = absence(round, missing.worker);
        let until = since.after(grace.span);
        let rest = (grace.rounds + 1).saturating_sub(snapshots).max(1);
        findings
            .need(snapshot.worker(missing.worker).is_none(), || format!("{missing}: it is listed"));
        findings.need((missing.since, missing.until) == (since, until), || {
            format!("{missing}: it is missing since {since}, and waits until {until}")
        });
        findings.need(missing.snapshots == rest, || format!("{missing}: {rest} more snapshots"));
        let lasts = snapshot.at() < until || snapshots <= grace.rounds;
        findings.need(lasts, || format!("{missing}: its grace period is over"));
        let kept = after.missing.get(&missing.worker);
        let known = kept.is_some_and(|kept| (kept.since, kept.snapshots) == (since, snapshots));
        findings.need(known, || format!("{missing}: {kept:?} is remembered"));
    }
    let told: BTreeSet<WorkerId> = said.iter().map(|missing| missing.worker).collect();
    findings.need(told.len() == said.len(), || format!("a worker is named twice in {said:?}"));
    if snapshot.coverage() == Coverage::Partial {
        return;
    }
    let ends = before.in_flight.values().flat_map(|it| it.from().into_iter().chain([it.to()]));
    let ended: BTreeSet<WorkerId> =
        ends.filter(|worker| !before.tracks.contains_key(worker)).collect();
    let tracked = before.tracks.iter();
    let tracked = tracked.filter(|(_, it)| !it.gone && it.stance != Stance::Offline);
    for (worker, _) in tracked.filter(|(worker, _)| snapshot.worker(**worker).is_none()) {
        let (since, snapshots) = absence(round, *worker);
        let lasts = snapshot.at() < since.after(grace.span) || snapshots <= grace.rounds;
        findings.need(!lasts || told.contains(worker), || {
            format!("{worker} is missing since {since} only, and it does not say so")
        });
    }
    for worker in told.iter().filter(|worker| !before.tracks.contains_key(worker)) {
        let shown =
            after.in_flight.values().any(|it| it.from() == Some(*worker) || it.to() == *worker);
        findings
            .need(shown || ended.contains(worker), || format!("{worker} is missing, and unknown"));
    }
    for (worker, track) in &after.tracks {
        findings
            .need(!(track.gone && told.contains(worker)), || format!("{worker} is gone already"));
    }
}
