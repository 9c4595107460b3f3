//! How loaded will every worker be at the end of the prediction window?
//!
//! A straight line through each worker's recent loads, by least squares against seconds, read off
//! `window` from now and kept within 0 to 1. Loads of 0.5, 0.6 and 0.7 at 60, 30 and 0 seconds ago
//! give 1.0 (1.3, kept within) in 180 s, with a fit of 1 and a confidence of 1 x 3/10.
//!
//! Confidence is R squared x min(1, samples / 10), as the original has it. It is no probability;
//! what it was worth is tracked: when a forecast falls due, its error is measured.

use alloc::vec::Vec;

use crate::admission::measured;
use crate::config::Prediction;
use crate::math::average::Average;
use crate::math::line::Line;
use crate::math::summary::Summary;
use crate::outcome::{Forecast, WorkerForecast};
use crate::snapshot::Worker;
use crate::state::{Pending, State};
use crate::view::View;

/// A line is fitted through so many samples or more.
const LEAST_SAMPLES: usize = 3;
/// So many samples count in full.
const FULL_SAMPLES: f64 = 10.0;
/// What one judged forecast weighs in the tracked accuracy.
const ACCURACY_WEIGHT: f64 = 0.2;

/// The forecast, if any worker has enough history.
pub(crate) fn predict(section: &Prediction, state: &State, view: &View<'_>) -> Option<Forecast> {
    let seats = (0..view.workers.len()).filter(|seat| view.workers[*seat].balanced);
    let workers: Vec<WorkerForecast> =
        seats.filter_map(|seat| worker(section, state, view, seat)).collect();
    let loads = Summary::of(workers.iter().map(|worker| worker.load))?;
    let confidences = Summary::of(workers.iter().map(|worker| worker.confidence))?;
    let accuracy = judged(state, view).map(Average::mean);
    let trust = if section.judged { accuracy.unwrap_or(1.0) } else { 1.0 };
    Some(Forecast {
        horizon: section.window,
        mean: loads.mean,
        spread: loads.max - loads.min,
        confidence: confidences.mean * trust,
        accuracy,
        workers,
    })
}

fn worker(
    section: &Prediction,
    state: &State,
    view: &View<'_>,
    seat: usize,
) -> Option<WorkerForecast> {
    let record: &Worker = view.worker(seat);
    let now = measured(view.snapshot.at(), record.metric_age);
    let oldest = now.before(section.history);
    let track = state.tracks.get(&record.id)?;
    let before = track.samples.iter().filter(|sample| sample.at >= oldest && sample.at < now);
    let points = before.map(|sample| (sample.at.seconds_from(now), sample.load));
    let points = points.chain(core::iter::once((0.0, view.workers[seat].reported?)));
    let samples = points.clone().count();
    if samples < LEAST_SAMPLES {
        return None;
    }
    let line = Line::through(points)?;
    let ahead = section.window.as_secs_f64();
    let load = line.at(ahead).clamp(0.0, 1.0);
    let margin = line.margin(ahead)?;
    let (low, high) = ((load - margin).max(0.0), load + margin);
    let confidence = line.fit * (samples as f64 / FULL_SAMPLES).min(1.0);
    Some(WorkerForecast { worker: record.id, load, low, high, confidence })
}

/// The tracked accuracy with the forecasts that fall due now: max(0, 1 - 2 x mean absolute error)
/// over workers.
pub(crate) fn judged(state: &State, view: &View<'_>) -> Option<Average> {
    let mut average = state.accuracy;
    for pending in state.forecasts.iter().filter(|pending| pending.due <= view.snapshot.at()) {
        if let Some(accuracy) = accuracy(pending, view) {
            crate::math::average::learn(&mut average, accuracy, ACCURACY_WEIGHT);
        }
    }
    average
}

fn accuracy(pending: &Pending, view: &View<'_>) -> Option<f64> {
    let errors = pending.loads.iter().filter_map(|(worker, predicted)| {
        let seat = view.snapshot.worker_row(*worker)?;
        Some((view.workers[seat].reported? - predicted).abs())
    });
    let errors = Summary::of(errors)?;
    Some((1.0 - 2.0 * errors.mean).max(0.0))
}
