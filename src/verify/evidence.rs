//! Are the statements of an outcome true and complete, and did bad records have no effect?

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use super::advice::advice;
use super::calendar::{is_balanced, tells_of_the_late};
use super::facts::Facts;
use super::promise::{Findings, Promise, Violation, about};
use super::records::{is_sound_source, is_sound_task, is_sound_worker};
use super::round::Round;
use super::score::totals;
use crate::config::{Basis, Pace, Trigger};
use crate::model::ids::WorkerId;
use crate::outcome::{
    Balance, Imbalance, LoadBand, Outcome, Purpose, Reach, Reason, Scorecard, Sight,
};
use crate::snapshot::Worker;

/// Promise 7: every command has a reason; every move that must be worth its cost has a scorecard that shows it; every
/// refusal has a name, a reach and a remedy; advice is true; the loads, the thresholds and the balance agree.
pub(super) fn evidence(round: &Round<'_>) -> Vec<Violation> {
    let mut findings = Findings::new(Promise::Evidence);
    decisions(round, &mut findings);
    refusals(round.outcome, &mut findings);
    heading(round, &mut findings);
    system_load(round, &mut findings);
    verdict(round, &mut findings);
    super::adapted::adapted(round, &mut findings);
    super::held::told(round, &mut findings);
    super::missing::told(round, &mut findings);
    tells_of_the_late(round, &mut findings);
    advice(round, &mut findings);
    super::devices::told(round, &mut findings);
    findings.list
}

/// The pace of this round.
pub(super) fn pace(round: &Round<'_>) -> Pace {
    round.config.adaptation.map_or(Pace::default(), |section| match round.outcome.band {
        LoadBand::High => section.high_pace,
        LoadBand::Normal => Pace::default(),
        LoadBand::Low => section.low_pace,
    })
}

fn decisions(round: &Round<'_>, findings: &mut Findings) {
    for command in &round.outcome.commands {
        findings.need(!command.why.to_string().is_empty(), || format!("{command} has no reason"));
    }
    let least = pace(round).least_net;
    for step in &Facts::new(round).steps {
        let (command, card) = (step.command, step.scorecard);
        if let Some(card) = &card {
            findings.need(is_sum(card), || format!("{command}: the score is no sum: {card}"));
        }
        let weighed = round.config.cost_benefit.is_some() && step.is_chosen();
        if weighed {
            let net = card.map(|card| card.net());
            findings.need(net.is_some_and(|net| net > least), || {
                format!("{command}: net {net:?} is not above {least}")
            });
        }
        let uneven = matches!(round.outcome.balance, Balance::Uneven(_));
        findings.need(step.purpose != Purpose::Rebalance || uneven, || {
            format!("{command}: moved to even out what is called even")
        });
        if let Some(Reason::Faster { times, .. }) = command.reason() {
            let least = round.config.hardware.as_ref().and_then(|section| section.upgrade);
            findings.need(least.is_some_and(|least| times >= least), || {
                format!("{command}: {times} times as fast, {least:?} are asked for")
            });
        }
    }
}

/// Whether the totals of a scorecard are the sums of finite factors.
fn is_sum(card: &Scorecard) -> bool {
    let [cost, benefit] = totals(card);
    let net = benefit - cost;
    net.is_finite() && (net - card.net()).abs() <= 1e-9
}

fn refusals(outcome: &Outcome, findings: &mut Findings) {
    let rows = &outcome.tally.refusals;
    let sorted = rows.windows(2).all(|pair| pair[0].name() < pair[1].name());
    findings.need(sorted, || String::from("the rows of the tally are not in order, each once"));
    for row in rows {
        let (name, shown) = (row.name(), row.examples.len());
        findings.need(!name.is_empty(), || String::from("a refusal without a name"));
        findings.need(row.count as usize >= shown, || format!("{name}: {shown} examples of fewer"));
        for refused in &row.examples {
            let no = refused.rejection;
            findings.need(no.name() == name, || format!("{refused} stands under {name}"));
            let said = !no.to_string().is_empty() && !no.remedy().to_string().is_empty();
            findings.need(said, || format!("{name} says nothing, or has no remedy"));
            let whole_task = no.reach() == Reach::Task;
            findings.need(whole_task == refused.to.is_none(), || {
                format!("{refused}: reaches {:?}, target {:?}", no.reach(), refused.to)
            });
        }
    }
}

fn heading(round: &Round<'_>, findings: &mut Findings) {
    let Round { before, after, outcome, snapshot, config } = *round;
    let numbered = outcome.tick == before.ticks + 1 && outcome.epoch == before.epoch;
    findings.need(numbered && outcome.at == snapshot.at(), || {
        format!("round {} of {} at {}", outcome.tick, outcome.epoch, outcome.at)
    });
    let flying = after.in_flight.len();
    findings.need(outcome.in_flight as usize == flying, || {
        format!("{} said to be in flight, {flying} are", outcome.in_flight)
    });
    let (high, low) = (outcome.thresholds.high, outcome.thresholds.low);
    // If no separation is configured, the thresholds may meet.
    let meet = config.adaptation.is_some_and(|section| section.separation <= 0.0) && low <= high;
    findings.need(high.is_finite() && low.is_finite() && (low < high || meet), || {
        format!("thresholds cross: high {high}, low {low}")
    });
    if let Some(section) = config.adaptation.filter(|_| before.thresholds.is_some()) {
        let apart = high - low >= section.separation - 1e-9;
        findings.need(apart || before.thresholds == Some(outcome.thresholds), || {
            format!("thresholds stand {} apart, {} at least", high - low, section.separation)
        });
    }
}

/// The loads of the workers that take part in balancing, as the outcome reports them.
pub(super) fn loads(round: &Round<'_>, basis: Basis) -> Vec<(WorkerId, f64)> {
    let rows = round.outcome.workers.iter().filter_map(|row| {
        let worker = round.snapshot.worker(row.worker).filter(|it| is_balanced(round, it))?;
        let latest = row.reported?.get();
        let level = match basis {
            Basis::Latest => latest,
            Basis::Projected => row.projected?.get(),
            Basis::RecentMean => recent_mean(round, worker, latest),
        };
        Some((row.worker, level))
    });
    rows.collect()
}

/// The mean of a worker's last five samples, the latest among them.
fn recent_mean(round: &Round<'_>, worker: &Worker, latest: f64) -> f64 {
    let now = round.snapshot.at().before(worker.metric_age);
    let track = round.before.tracks.get(&worker.id);
    let oldest = now.before(round.config.performance_window);
    let samples = track.into_iter().flat_map(|track| track.recent.iter().rev());
    let samples = samples.filter(|sample| sample.at < now && sample.at >= oldest);
    let mut loads: Vec<f64> = samples.take(4).map(|sample| sample.load).collect();
    loads.insert(0, latest);
    loads.iter().sum::<f64>() / loads.len() as f64
}

fn system_load(round: &Round<'_>, findings: &mut Findings) {
    let loads: Vec<f64> = loads(round, Basis::Latest).into_iter().map(|(_, load)| load).collect();
    let Some(said) = &round.outcome.load else {
        findings
            .need(loads.is_empty(), || format!("{} loads are known, none is told", loads.len()));
        return;
    };
    let count = loads.len() as f64;
    let mean = loads.iter().sum::<f64>() / count;
    let max = loads.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let min = loads.iter().copied().fold(f64::INFINITY, f64::min);
    let squares: f64 = loads.iter().map(|load| (load - mean) * (load - mean)).sum();
    let variance = if loads.len() > 1 { squares / (count - 1.0) } else { 0.0 };
    let near = |a: f64, b: f64| (a - b).abs() <= 1e-9 * a.abs().max(1.0);
    let holds = said.workers as usize == loads.len()
        && near(said.mean, mean)
        && near(said.max, max)
        && near(said.min, min)
        && near(said.deviation * said.deviation, variance);
    findings.need(holds, || format!("the loads taken together are not {said}"));
}

/// Within this of a bound either answer is right: the loads here are added up in another order than the engine's.
const ROUNDING: f64 = 2e-9;

/// The balance follows from the loads and the thresholds of the same outcome.
fn verdict(round: &Round<'_>, findings: &mut Findings) {
    let config = round.config;
    let levels = loads(round, config.detection.basis);
    let factor = pace(round).imbalance_factor;
    let needed = config.detection.imbalance * factor;
    // `None` if fewer than two loads are known, or the answer is within the rounding error of a bound.
    let judge = |slack| {
        let uneven = is_uneven(round, &levels, slack, needed)?;
        Some(uneven || is_wide(round, &levels, slack, factor))
    };
    let uneven = judge(ROUNDING).filter(|uneven| judge(-ROUNDING) == Some(*uneven));
    let is_unsure = uneven.is_none() && levels.len() >= 2;
    match &round.outcome.balance {
        Balance::Unknown => {
            findings.need(levels.len() < 2, || format!("{} loads are known", levels.len()));
        }
        Balance::Even { .. } => {
            let is_so = is_unsure || uneven == Some(false);
            findings.need(is_so, || String::from("called even, and is not"));
        }
        Balance::Uneven(found) if found.sight == Sight::Present => {
            let is_so = is_unsure || uneven == Some(true);
            findings.need(is_so, || format!("called uneven, and is not: {found}"));
            evident(found, &levels, findings);
        }
        Balance::Uneven(found) => {
            let is_so = is_unsure || uneven == Some(false);
            findings.need(is_so, || format!("it is there, not coming: {found}"));
            predicted(round, found, factor, findings);
        }
    }
}

/// Whether the spread triggers by itself, by more than `slack`: to start, in the means of the last samples too; or to
/// go on.
fn is_wide(round: &Round<'_>, levels: &[(WorkerId, f64)], slack: f64, factor: f64) -> bool {
    let section = &round.config.detection;
    let exceeds = |levels: &[(WorkerId, f64)], enough: Option<f64>| {
        enough.is_some_and(|enough| spread(levels) > enough * factor + slack)
    };
    match section.settled {
        Some(_) if section.sufficient.is_none() => {
            round.before.rebalancing && exceeds(levels, section.settled)
        }
        Some(_) if round.before.rebalancing => exceeds(levels, section.settled),
        Some(_) => {
            let means = loads(round, Basis::RecentMean);
            exceeds(levels, section.sufficient) && exceeds(&means, section.sufficient)
        }
        None => exceeds(levels, section.sufficient),
    }
}

/// Whether some level is beyond a threshold and the spread is exceeded, both by more than `slack`; `None` if fewer than
/// two levels are known.
fn is_uneven(
    round: &Round<'_>,
    levels: &[(WorkerId, f64)],
    slack: f64,
    needed: f64,
) -> Option<bool> {
    let max = levels.iter().map(|(_, level)| *level).reduce(f64::max)?;
    let min = levels.iter().map(|(_, level)| *level).reduce(f64::min)?;
    if levels.len() < 2 {
        return None;
    }
    let thresholds = round.outcome.thresholds;
    let (over, under) = (max > thresholds.high + slack, min < thresholds.low - slack);
    let out_of_bounds = match round.config.detection.trigger {
        Trigger::Both => over && under,
        Trigger::Either => over || under,
    };
    Some(out_of_bounds && max - min > needed + slack)
}

/// Highest less lowest level.
fn spread(levels: &[(WorkerId, f64)]) -> f64 {
    let all = || levels.iter().map(|(_, level)| *level);
    let ends = all().reduce(f64::max).zip(all().reduce(f64::min));
    ends.map_or(0.0, |(max, min)| max - min)
}

/// The named workers have the stated levels, and no other worker is further out.
fn evident(found: &Imbalance, levels: &[(WorkerId, f64)], findings: &mut Findings) {
    let at = |worker| levels.iter().find(|(id, _)| *id == worker).map(|(_, level)| *level);
    let near = |a: Option<f64>, b: f64| a.is_some_and(|a| (a - b).abs() <= 1e-9);
    let named = near(at(found.hottest), found.max) && near(at(found.coldest), found.min);
    findings.need(named, || format!("the workers do not stand there: {found}"));
    let extreme =
        levels.iter().all(|(_, level)| *level <= about(found.max) && about(*level) >= found.min);
    findings.need(extreme, || format!("some worker stands further out: {found}"));
}

/// A predicted imbalance has enough confidence and follows from the forecast.
fn predicted(round: &Round<'_>, found: &Imbalance, factor: f64, findings: &mut Findings) {
    let (Some(section), Some(forecast)) = (&round.config.prediction, &round.outcome.forecast)
    else {
        findings.add(format!("predicted without a forecast: {found}"));
        return;
    };
    findings.need(forecast.confidence >= section.confidence, || {
        format!("acts on a confidence of {}", forecast.confidence)
    });
    let projected = round.config.detection.basis == Basis::Projected;
    let levels = forecast.workers.iter().filter_map(|foreseen| {
        let row = round.outcome.workers.iter().find(|row| row.worker == foreseen.worker)?;
        let ahead = if projected { row.projected?.get() - row.reported?.get() } else { 0.0 };
        Some((foreseen.worker, foreseen.load + ahead))
    });
    let levels: Vec<_> = levels.collect();
    let max = levels.iter().map(|(_, level)| *level).fold(f64::NEG_INFINITY, f64::max);
    let min = levels.iter().map(|(_, level)| *level).fold(f64::INFINITY, f64::min);
    let (thresholds, margin) = (round.outcome.thresholds, section.margin);
    let over = max + 1e-9 > thresholds.high + margin;
    let under = min - 1e-9 < thresholds.low - margin;
    let out_of_bounds = match round.config.detection.trigger {
        Trigger::Both => over && under,
        Trigger::Either => over || under,
    };
    let wide = max - min + 1e-9 > section.imbalance * factor;
    findings.need(out_of_bounds && wide, || format!("the forecast does not show it: {found}"));
    evident(found, &levels, findings);
}

/// Promise 10, as far as one round shows it: no decision rests on a record that was set aside, the outcome lists these
/// records, and contains no NaN. (To empty a worker no figure of it is needed, only its stance.)
pub(super) fn bad_input(round: &Round<'_>) -> Vec<Violation> {
    let mut findings = Findings::new(Promise::BadInput);
    let Round { snapshot, outcome, .. } = *round;
    for step in &Facts::new(round).steps {
        let source = step.from.is_none_or(|from| is_sound_source(snapshot, from, step.purpose));
        let target = is_sound_worker(snapshot, step.to);
        let sound = source && target && is_sound_task(snapshot, step.task.id);
        findings.need(sound, || format!("{} rests on a bad record", step.command));
    }
    let all = snapshot.bad_records();
    let shown = &all[..all.len().min(Outcome::BAD_RECORDS)];
    findings.need(outcome.bad_records == shown, || String::from("bad records are not told of"));
    let system = outcome.load.iter().flat_map(|it| [it.mean, it.min, it.max, it.deviation]);
    let forecast = outcome.forecast.iter().flat_map(|it| [it.mean, it.spread, it.confidence]);
    let finite = system.chain(forecast).all(f64::is_finite);
    findings.need(finite, || String::from("a load in the outcome is not a number"));
    findings.list
}
