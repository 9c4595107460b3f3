//! Does the engine hold back when, and only when, too many workers are missing at once?

use alloc::format;
use alloc::vec::Vec;

use super::facts::Facts;
use super::promise::Findings;
use super::round::Round;
use crate::model::ids::WorkerId;
use crate::outcome::Fate;
use crate::snapshot::{Coverage, Event, Stance};

/// The workers that were there when a snapshot was last believed, each with whether it is missing now.
fn roll(round: &Round<'_>) -> Vec<(WorkerId, bool)> {
    let snapshot = round.snapshot;
    let mut roll = Vec::new();
    for (id, track) in &round.before.tracks {
        let listed = snapshot.worker(*id);
        let was_there = !track.gone && track.stance < Stance::Drain;
        if !was_there || (listed.is_none() && track.passing.is_some()) {
            continue;
        }
        let missing = match listed {
            Some(worker) => worker.stance == Stance::Offline,
            None => snapshot.coverage() == Coverage::Complete,
        };
        roll.push((*id, missing));
    }
    roll
}

/// Whether so many workers are missing that it is a mass disappearance, believed or not.
pub(super) fn is_mass(round: &Round<'_>) -> bool {
    let roll = roll(round);
    let missing = roll.iter().filter(|(_, missing)| *missing).count();
    round.config.safeguard.is_some_and(|section| {
        missing > 1 && missing as f64 >= section.missing_share * roll.len() as f64
    })
}

/// The outcome states truly whether the engine holds back, with the right figures.
pub(super) fn told(round: &Round<'_>, findings: &mut Findings) {
    let (at, before) = (round.snapshot.at(), round.before.doubted_since);
    let roll = roll(round);
    let missing = roll.iter().filter(|(_, missing)| *missing).count();
    let since = before.filter(|since| *since < at).unwrap_or(at);
    let section = round.config.safeguard.filter(|_| is_mass(round));
    let section = section.filter(|section| since.after(section.believed_after) > at);
    let said = round.outcome.held;
    findings.need(said.is_some() == section.is_some(), || {
        format!("{missing} of {} are missing since {since}, and it says {said:?}", roll.len())
    });
    back(round, findings);
    let Some((said, section)) = said.zip(section) else { return };
    let counts = (said.missing as usize, said.known as usize) == (missing, roll.len());
    let times = (said.since, said.until) == (since, since.after(section.believed_after));
    findings.need(counts && times, || {
        format!("{missing} of {} are missing since {since}, not {said}", roll.len())
    });
    findings.need(round.after.doubted_since == Some(since), || {
        format!("since {:?} is remembered, not {since}", round.after.doubted_since)
    });
}

/// A snapshot that lists enough of the workers as present ends the doubt, a partial one too.
fn back(round: &Round<'_>, findings: &mut Findings) {
    let Some(section) = round.config.safeguard else { return };
    let there = |id: &WorkerId| {
        round.snapshot.worker(*id).is_some_and(|worker| worker.stance != Stance::Offline)
    };
    let roll = roll(round);
    let away = roll.iter().filter(|(id, _)| !there(id)).count();
    let enough = away <= 1 || (away as f64) < section.missing_share * roll.len() as f64;
    findings.need(!enough || round.after.doubted_since.is_none(), || {
        format!("all but {away} of {} workers are there, and it is in doubt", roll.len())
    });
}

/// While the engine holds back it begins no move, and no migration ends because of a worker that is out of sight: only
/// by a report or by the record of its task.
pub(super) fn kept(round: &Round<'_>, findings: &mut Findings) {
    let Round { before, snapshot, outcome, .. } = *round;
    if outcome.held.is_none() {
        return;
    }
    for step in &Facts::new(round).steps {
        findings.add(format!("{}: it holds back", step.command));
    }
    let unseen = |worker: WorkerId| {
        snapshot.worker(worker).is_none_or(|worker| worker.stance == Stance::Offline)
    };
    for ended in &outcome.ended {
        let Some(flight) = before.in_flight.get(&ended.task) else { continue };
        let reported = snapshot.reports().iter().any(|report| match report.event {
            Event::Performance { .. } => false,
            event => event.migration() == Some(ended.migration),
        });
        let shown = snapshot.task(ended.task).is_some();
        let hidden = flight.from().is_some_and(unseen) && unseen(flight.to());
        let excused = reported || shown || !hidden || ended.fate == Fate::Completed;
        findings.need(excused, || format!("{ended}: nothing was seen of it"));
    }
}
