//! Does the forecast follow from the samples, by least squares?

use alloc::format;
use alloc::vec::Vec;

use super::calendar::is_balanced;
use super::promise::{Findings, Promise, Violation, near};
use super::round::Round;
use crate::config::Prediction;
use crate::math::average::Average;
use crate::model::ids::WorkerId;
use crate::model::ratio::Utilization;
use crate::outcome::WorkerForecast;
use crate::snapshot::Worker;
use crate::state::{Sample, Track};

/// Judges the predicted load, the interval and the confidence of every worker, and the figures for all of them.
pub(super) fn forecast(round: &Round<'_>) -> Vec<Violation> {
    let mut findings = Findings::new(Promise::Evidence);
    foretells(round, &mut findings);
    findings.list
}

fn foretells(round: &Round<'_>, findings: &mut Findings) {
    let said = round.outcome.forecast.as_ref();
    let Some(section) = &round.config.prediction else {
        return findings.need(said.is_none(), || "a forecast, which nobody asked for".into());
    };
    let (accuracy, factor) = judged(round, section);
    let factor = if section.judged { factor } else { 1.0 };
    let workers = round.snapshot.workers().iter().filter(|worker| is_balanced(round, worker));
    let rows: Vec<WorkerForecast> =
        workers.filter_map(|it| of_worker(round, section, factor, it)).collect();
    let Some(said) = said else {
        return findings.need(rows.is_empty(), || format!("no forecast, but {rows:?}"));
    };
    let same = |a: f64, b: f64| near(Some(a), Some(b), 1e-6);
    let is_row = |(said, row): (&WorkerForecast, &WorkerForecast)| {
        // The quantiles of the table below are rounded.
        let slack = 1e-6 + 0.005 * (row.high - row.load);
        let ends = [said.low - row.low, said.high - row.high].into_iter();
        let holds = same(said.load, row.load) && same(said.confidence, row.confidence);
        said.worker == row.worker && holds && ends.into_iter().all(|off| off.abs() <= slack)
    };
    let holds = said.workers.len() == rows.len() && said.workers.iter().zip(&rows).all(is_row);
    findings.need(holds, || format!("the samples foretell {rows:?}, not {:?}", said.workers));
    let count = rows.len() as f64;
    let max = rows.iter().map(|row| row.load).fold(f64::NEG_INFINITY, f64::max);
    let min = rows.iter().map(|row| row.load).fold(f64::INFINITY, f64::min);
    let mean = rows.iter().map(|row| row.load).sum::<f64>() / count;
    let trust = accuracy.filter(|_| section.judged).unwrap_or(1.0);
    let confidence = rows.iter().map(|row| row.confidence).sum::<f64>() / count * trust;
    let holds = [(said.mean, mean), (said.spread, max - min), (said.confidence, confidence)];
    let holds = holds.into_iter().all(|(a, b)| same(a, b)) && near(said.accuracy, accuracy, 1e-9);
    findings.need(holds && said.horizon == section.window, || {
        format!("mean {mean}, spread {}, confidence {confidence}, not {said}", max - min)
    });
}

/// How accurate forecasts were, and the factor of the intervals, after the forecasts that are due in this round.
fn judged(round: &Round<'_>, section: &Prediction) -> (Option<f64>, f64) {
    let reported = |id: WorkerId| {
        let row = round.outcome.workers.iter().find(|row| row.worker == id)?;
        row.reported.map(Utilization::get)
    };
    let mut accuracy = round.before.accuracy.map(Average::mean);
    let mut factor = round.before.factor.unwrap_or(1.5);
    for given in round.before.forecasts.iter().filter(|it| it.due <= round.snapshot.at()) {
        let missed = |(worker, load): &(WorkerId, f64)| Some((reported(*worker)? - load).abs());
        let errors: Vec<f64> = given.loads.iter().filter_map(missed).collect();
        if !errors.is_empty() {
            let mean = errors.iter().sum::<f64>() / errors.len() as f64;
            let accurate = (1.0 - 2.0 * mean).max(0.0);
            accuracy = Some(accuracy.map_or(accurate, |was| 0.8 * was + 0.2 * accurate));
        }
        let known = given.loads.iter().zip(&given.margins);
        let known = known.filter_map(|(load, margin)| Some(missed(load)? > margin + 1e-9));
        let outside: Vec<bool> = known.collect();
        if !outside.is_empty() && section.judged {
            let share = outside.iter().filter(|it| **it).count() as f64 / outside.len() as f64;
            factor = (factor * (1.0 + 0.1 * (share - 0.2))).clamp(1.0, 16.0);
        }
    }
    (accuracy, factor)
}

/// The forecast of one worker; `None` if it has too few samples.
fn of_worker(
    round: &Round<'_>,
    section: &Prediction,
    factor: f64,
    worker: &Worker,
) -> Option<WorkerForecast> {
    let now = round.snapshot.at().before(worker.metric_age);
    let row = round.outcome.workers.iter().find(|row| row.worker == worker.id)?;
    let latest = row.reported.map(Utilization::get)?;
    let (before, after) =
        (round.before.tracks.get(&worker.id)?, round.after.tracks.get(&worker.id)?);
    let oldest = now.before(section.history);
    let known = before.samples.iter().filter(|sample| sample.at >= oldest && sample.at < now);
    let last = Sample { at: now, load: latest, segment_start: false };
    // Sums over each part: an own mean for each, one slope for all.
    let mut parts: Vec<Vec<(f64, f64)>> = Vec::new();
    for sample in known.copied().chain([last]) {
        if parts.is_empty() || begins_part(before, after, &sample) {
            parts.push(Vec::new());
        }
        let ago = now.since(sample.at).unwrap_or_default().as_secs_f64();
        parts.last_mut()?.push((-ago, sample.load));
    }
    let count = parts.iter().map(Vec::len).sum::<usize>();
    if count < 3 {
        return None;
    }
    let (mut xx, mut xy, mut yy, mut mean) = (0.0, 0.0, 0.0, (0.0, 0.0));
    let mut rounding = 0.0;
    for part in &parts {
        let size = part.len() as f64;
        let sum = |of: fn(&(f64, f64)) -> f64| part.iter().map(of).sum::<f64>() / size;
        mean = (sum(|(x, _)| *x), sum(|(_, y)| *y));
        for (x, y) in part {
            let (x, y) = (x - mean.0, y - mean.1);
            (xx, xy, yy) = (xx + x * x, xy + x * y, yy + y * y);
        }
        // Less than one part in 10^9 of a mean is rounding.
        rounding += size * (1e-9 * mean.1) * (1e-9 * mean.1);
    }
    let freedom = count as f64 - parts.len() as f64 - 1.0;
    if xx <= 0.0 || freedom < 1.0 {
        return None;
    }
    let slope = xy / xx;
    let fit = if yy <= rounding { 1.0 } else { (slope * xy / yy).clamp(0.0, 1.0) };
    let away = section.window.as_secs_f64() - mean.0;
    let load = (mean.1 + slope * away).clamp(0.0, 1.0);
    let last = parts.last()?.len() as f64;
    let width = libm::sqrt((1.0 - fit) * yy / freedom * (1.0 + 1.0 / last + away * away / xx));
    let margin = factor * (student(freedom) * width + 0.02) - 0.02;
    let confidence = fit * ((freedom + 2.0) / 10.0).min(1.0);
    let (low, high) = ((load - margin).max(0.0), load + margin);
    Some(WorkerForecast { worker: worker.id, load, low, high, confidence })
}

/// Whether a move of the engine lies between a sample and the one before. The forecast has read samples that this round
/// forgets.
fn begins_part(before: &Track, after: &Track, sample: &Sample) -> bool {
    let kept = |track: &Track| track.samples.iter().find(|kept| kept.at == sample.at).copied();
    match (kept(after), kept(before)) {
        (Some(kept), _) => kept.segment_start,
        (None, Some(kept)) if kept.segment_start => true,
        (None, _) => after.level_shift.is_some_and(|(from, _)| sample.at >= from),
    }
}

/// The 90 % point of Student's distribution, one-sided, as tables print it.
fn student(freedom: f64) -> f64 {
    const TABLE: [f64; 30] = [
        3.078, 1.886, 1.638, 1.533, 1.476, 1.440, 1.415, 1.397, 1.383, 1.372, 1.363, 1.356, 1.350,
        1.345, 1.341, 1.337, 1.333, 1.330, 1.328, 1.325, 1.323, 1.321, 1.319, 1.318, 1.316, 1.315,
        1.314, 1.313, 1.311, 1.310,
    ];
    let row = TABLE.iter().zip(1_u8..).find(|(_, row)| f64::from(*row) > freedom - 0.5);
    row.map_or(1.2816 + 0.85 / freedom, |(point, _)| *point)
}
