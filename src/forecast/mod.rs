//! How loaded will every worker be at the end of the prediction window?
//!
//! The forecast is a straight line through each worker's recent loads, fitted by least squares over
//! seconds, evaluated `window` from now and clamped to 0 to 1. Loads of 0.5, 0.6 and 0.7 at 60, 30 and 0
//! seconds ago give 1.3, clamped to 1.0, in 180 s, with a fit of 1 and a confidence of 1 x 3/10.
//!
//! A move of the engine leaves a step in a load, and a step is not a trend. The line therefore has parts that share one
//! slope; a part begins with the first sample that shows the effect of a move. Loads of 0.5, 0.5, 0.5, and then 0.2,
//! 0.2 and 0.2 after a task has left, give a forecast of 0.2.
//!
//! Confidence is R squared x min(1, samples / 10), as in the original. It is not a probability: when a forecast falls
//! due, its error is measured, and the tracked accuracy scales later confidences.
//!
//! The interval is tracked too. Least squares assumes independent residuals, but loads change in runs: in simulations
//! the 80 % interval held 46 to 77 % of the outcomes. If forecasts are judged, all margins are therefore multiplied by
//! one factor, which grows when too many outcomes lie outside and shrinks when too few do (quantile tracking: Gibbs and
//! Candes, 2021; Angelopoulos, Candes and Tibshirani, 2023).
//!
//! Another forecaster would replace [`predict`]; [`calibrate`] judges any forecast by the loads that came.

use alloc::vec::Vec;

use crate::config::Prediction;
use crate::math::average::{self, Average};
use crate::math::line::Line;
use crate::math::summary::Summary;
use crate::model::ids::WorkerId;
use crate::model::rows::WorkerRow;
use crate::outcome::{Forecast, WorkerForecast};
use crate::round::Calibration;
use crate::snapshot::Worker;
use crate::state::{FACTORS, Pending, Sample, State};
use crate::view::View;

/// A line is fitted through at least this many samples.
const LEAST_SAMPLES: usize = 3;
/// A forecast from at least this many samples has full confidence.
const FULL_SAMPLES: f64 = 10.0;
/// The weight of one judged forecast in the tracked accuracy.
const ACCURACY_WEIGHT: f64 = 0.2;
/// The factor of the margins before any forecast was judged: about the value that simulations settle at.
const FACTOR: f64 = 1.5;
/// How fast the factor follows the share of outcomes outside the interval that is too much or too little.
const PACE: f64 = 0.1;
/// Added to a margin before it is multiplied and subtracted after, so that the interval of a perfect line can widen
/// too.
const SLACK: f64 = 0.02;
/// An error below this counts as rounding.
const ROUNDING: f64 = 1e-9;

/// The forecast; `None` if no worker has enough history.
pub(crate) fn predict(
    section: &Prediction,
    state: &State,
    view: &View<'_>,
    judged: Calibration,
) -> Option<Forecast> {
    let factor = if section.judged { judged.factor.unwrap_or(FACTOR) } else { 1.0 };
    let rows = view.worker_rows().filter(|row| view.workers[*row].balanced);
    let workers: Vec<WorkerForecast> =
        rows.filter_map(|row| worker(section, state, view, (row, factor))).collect();
    let loads = Summary::of(workers.iter().map(|worker| worker.load))?;
    let confidences = Summary::of(workers.iter().map(|worker| worker.confidence))?;
    let accuracy = judged.accuracy.map(Average::mean);
    let trusted = !section.judged || broken!("forecast_track_record");
    let trust = if trusted { 1.0 } else { accuracy.unwrap_or(1.0) };
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
    (row, factor): (WorkerRow, f64),
) -> Option<WorkerForecast> {
    let record: &Worker = view.worker(row);
    let now = record.measured(view.snapshot.at());
    let oldest = now.before(section.history);
    let track = state.tracks.get(&record.id)?;
    let before = track.samples.iter().filter(|sample| sample.at >= oldest && sample.at < now);
    let point = |sample: &Sample| {
        let starts_segment = sample.segment_start && !broken!("step_is_no_trend");
        (sample.at.seconds_from(now), sample.load, starts_segment)
    };
    let latest = (0.0, view.workers[row].reported?, track.starts_segment(now));
    let points = before.map(point).chain(core::iter::once(latest));
    let samples = points.clone().count();
    if samples < LEAST_SAMPLES {
        return None;
    }
    let line = Line::in_parts(points)?;
    let ahead = section.window.as_secs_f64();
    let load = line.at(ahead).clamp(0.0, 1.0);
    let margin = widened(line.margin(ahead)?, factor);
    let (low, high) = ((load - margin).max(0.0), load + margin);
    let confidence = line.fit * (line.points() / FULL_SAMPLES).min(1.0);
    Some(WorkerForecast { worker: record.id, load, low, high, confidence })
}

/// A margin `factor` times as wide. With a factor of 1.5, 0.05 becomes 1.5 x 0.07 - 0.02 = 0.085, and the 0 of a
/// perfect line becomes 0.01.
fn widened(margin: f64, factor: f64) -> f64 {
    factor * (margin + SLACK) - SLACK
}

/// The accuracy and the factor of the margins, after judging the forecasts that fall due now.
pub(crate) fn calibrate(section: &Prediction, state: &State, view: &View<'_>) -> Calibration {
    let State { mut accuracy, mut factor, .. } = *state;
    for pending in state.forecasts.iter().filter(|pending| pending.due <= view.snapshot.at()) {
        if let Some(accurate) = accurate(pending, view) {
            average::learn(&mut accuracy, accurate, ACCURACY_WEIGHT);
        }
        if let Some(outside) = outside(pending, view).filter(|_| section.judged) {
            let pace = if broken!("forecast_intervals_learn") { 0.0 } else { PACE };
            let pull = pace * (outside - (1.0 - WorkerForecast::LEVEL));
            let (least, most) = (*FACTORS.start(), *FACTORS.end());
            factor = Some((factor.unwrap_or(FACTOR) * (1.0 + pull)).clamp(least, most));
        }
    }
    Calibration { accuracy, factor }
}

/// How far a worker's load is from the predicted one; `None` if the load is unknown.
fn missed(view: &View<'_>, (worker, predicted): (WorkerId, f64)) -> Option<f64> {
    let row = view.snapshot.worker_row(worker)?;
    Some((view.workers[row].reported? - predicted).abs())
}

fn accurate(pending: &Pending, view: &View<'_>) -> Option<f64> {
    let errors = pending.loads.iter().filter_map(|it| missed(view, *it));
    Some((1.0 - 2.0 * Summary::of(errors)?.mean).max(0.0))
}

/// The share of workers whose load lies outside its interval; `None` if no load can be compared.
fn outside(pending: &Pending, view: &View<'_>) -> Option<f64> {
    let given = pending.loads.iter().zip(&pending.margins);
    let errors = given.filter_map(|(load, margin)| Some((missed(view, *load)?, *margin)));
    let outside = errors.map(|(error, margin)| if error > margin + ROUNDING { 1.0 } else { 0.0 });
    Some(Summary::of(outside)?.mean)
}
