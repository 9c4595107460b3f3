//! Is the cluster even, and if not, what shows it?
//!
//! The specification asks for a worker above the high threshold *and* one below the low threshold *and* a
//! spread above 0.4. With loads of 0.95, 0.60 and 0.60 that says "even", and the hot worker never gets
//! help. Under [`Trigger::Either`] one of the two workers is enough, and so is a wide spread that lasts: a
//! larger one to start, a smaller one to go on. Predicted loads are compared only if the measured ones are
//! even, and with wider margins.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use crate::config::{Basis, Config, Prediction, Trigger};
use crate::model::rows::{Row, WorkerRow};
use crate::outcome::{Balance, Forecast, Imbalance, Sight};
use crate::round::{Adapted, Bands, Parting};
use crate::view::View;

/// Whether the loads are even, and the bands that moves are judged by.
#[derive(Clone, Debug)]
pub(crate) struct Detected {
    pub(crate) balance: Balance,
    pub(crate) bands: Bands,
}

/// Compares the measured loads, and the predicted ones if the measured ones are even. `acting` says whether the last
/// round moved something to even out the loads; `least` is the least spread since the loads parted last.
pub(crate) fn detect(
    config: &Config,
    (acting, least): (bool, Option<f64>),
    view: &View<'_>,
    adapted: &Adapted,
    forecast: Option<&Forecast>,
) -> Detected {
    let (mut detected, spread) = compared(config, acting, view, adapted, forecast);
    let bands = &mut detected.bands;
    bands.spread = spread;
    bands.parting =
        spread.zip(least).map(|(spread, least)| Parting { spread, above: least + bands.dead_band });
    detected
}

/// What [`detect`] finds, and the spread of the present loads.
fn compared(
    config: &Config,
    acting: bool,
    view: &View<'_>,
    adapted: &Adapted,
    forecast: Option<&Forecast>,
) -> (Detected, Option<f64>) {
    let basis = config.detection.basis;
    let present = view.workers.iter().map(|worker| {
        let level = match basis {
            Basis::Latest => worker.reported,
            Basis::RecentMean => worker.recent,
            Basis::Projected => worker.projected,
        };
        level.filter(|_| worker.balanced)
    });
    let present: Vec<Option<f64>> = present.collect();
    let pace = if broken!("pace_of_the_spread") { 1.0 } else { adapted.pace.imbalance_factor };
    let needed = config.detection.imbalance * pace;
    let judge = Judge { config, acting, view, adapted };
    let Some(found) = judge.extremes(&present, 0.0, needed, Sight::Present) else {
        let bands = judge.bands(None, &present, 0.0, Vec::new());
        return (Detected { balance: Balance::Unknown, bands }, None);
    };
    let spread = Some(found.spread);
    let is_uneven = judge.uneven(&found);
    if let Some(found) = is_uneven.then_some(found).or_else(|| judge.wide(&found)) {
        let bands = judge.bands(Some(&found), &present, 0.0, Vec::new());
        return (Detected { balance: Balance::Uneven(found), bands }, spread);
    }
    let coming = config.prediction.as_ref().zip(forecast);
    if let Some(detected) = coming.and_then(|(section, it)| judge.coming(section, it)) {
        return (detected, spread);
    }
    let bands = judge.bands(None, &present, 0.0, Vec::new());
    (Detected { balance: Balance::Even { spread: found.spread }, bands }, spread)
}

struct Judge<'a> {
    config: &'a Config,
    /// Whether the last round moved something to even out the loads.
    acting: bool,
    view: &'a View<'a>,
    adapted: &'a Adapted,
}

impl Judge<'_> {
    /// The hottest and the coldest worker; ties go to the lower id. `None` with fewer than two workers.
    fn extremes(
        &self,
        levels: &[Option<f64>],
        margin: f64,
        needed: f64,
        sight: Sight,
    ) -> Option<Imbalance> {
        let known = || levels.iter().enumerate().filter_map(|(row, level)| Some((row, (*level)?)));
        if known().count() < 2 {
            return None;
        }
        let hotter =
            |best: (usize, f64), next: (usize, f64)| if next.1 > best.1 { next } else { best };
        let (hottest, max) = known().reduce(hotter)?;
        let (coldest, min) = known().min_by(|a, b| a.1.total_cmp(&b.1))?;
        Some(Imbalance {
            sight,
            hottest: self.view.worker_id(WorkerRow::at(hottest)),
            max,
            over: max > self.adapted.thresholds.high + margin,
            coldest: self.view.worker_id(WorkerRow::at(coldest)),
            min,
            under: min < self.adapted.thresholds.low - margin,
            spread: max - min,
            needed,
        })
    }

    fn uneven(&self, found: &Imbalance) -> bool {
        let out_of_bounds = match self.config.detection.trigger {
            Trigger::Both => found.over && found.under,
            Trigger::Either if broken!("either_end_triggers") => found.over && found.under,
            Trigger::Either => found.over || found.under,
        };
        out_of_bounds && (found.spread > found.needed || broken!("spread_needed"))
    }

    /// The imbalance by a spread that triggers by itself: one spread to start, and a smaller one to go on.
    fn wide(&self, found: &Imbalance) -> Option<Imbalance> {
        let section = &self.config.detection;
        let acting = self.acting || broken!("settled_ends");
        let continues = acting && !broken!("settled_goes_on");
        let goes_on = if continues { section.settled } else { None };
        let needed = goes_on.or(section.sufficient)? * self.adapted.pace.imbalance_factor;
        let wide = |found: &Imbalance| found.spread > needed;
        let confirmed = || match (section.settled, goes_on) {
            (Some(_), None) => self.lasting(needed).is_none_or(|lasting| wide(&lasting)),
            _ => true,
        };
        (wide(found) && (confirmed() || broken!("stray_sample")))
            .then_some(Imbalance { needed, ..*found })
    }

    /// The imbalance by the means of the last samples.
    fn lasting(&self, needed: f64) -> Option<Imbalance> {
        let means = self.view.workers.iter().map(|it| it.recent.filter(|_| it.balanced));
        let means: Vec<Option<f64>> = means.collect();
        self.extremes(&means, 0.0, needed, Sight::Present)
    }

    /// The imbalance of the predicted loads, if the forecast is confident enough.
    fn coming(&self, section: &Prediction, forecast: &Forecast) -> Option<Detected> {
        let confidence = forecast.confidence;
        if confidence < section.confidence && !broken!("forecast_confidence") {
            return None;
        }
        let projects = self.config.detection.basis == Basis::Projected;
        let mut levels = alloc::vec![None; self.view.workers.len()];
        let mut shift = alloc::vec![0.0; levels.len()];
        for worker in &forecast.workers {
            let row = self.view.snapshot.worker_row(worker.worker)?;
            let (now, at) = (&self.view.workers[row], row.position());
            let (reported, projected) = (now.reported?, now.projected?);
            // Moves in flight arrive in addition to what the line predicts.
            shift[at] = worker.load - reported;
            let base = if projects { projected } else { reported };
            levels[at] = Some(base + shift[at]);
        }
        let needed = section.imbalance * self.adapted.pace.imbalance_factor;
        let sight = Sight::Predicted { confidence };
        let margin = if broken!("forecast_margin") { 0.0 } else { section.margin };
        let found = self.extremes(&levels, margin, needed, sight)?;
        if !self.uneven(&found) {
            return None;
        }
        let bands = self.bands(Some(&found), &levels, section.margin, shift);
        Some(Detected { balance: Balance::Uneven(found), bands })
    }

    /// The load above which workers give tasks away, the load down to which they give, and the load below which
    /// they take.
    fn bands(
        &self,
        found: Option<&Imbalance>,
        known: &[Option<f64>],
        margin: f64,
        shift: Vec<f64>,
    ) -> Bands {
        let thresholds = self.adapted.thresholds;
        let (high, low) = (thresholds.high + margin, thresholds.low - margin);
        let mean = || {
            let known = known.iter().flatten();
            let count = known.clone().count().max(1) as f64;
            known.sum::<f64>() / count
        };
        let eager = || match self.config.detection.give_margin {
            Some(margin) if broken!("give_margin") => high.max(mean() + margin),
            Some(_) if broken!("give_margin_is_a_margin") => high.min(mean()),
            Some(margin) => high.min(mean() + margin),
            None => high,
        };
        // If an overloaded worker stopped giving at the threshold, the next small rise would put it above again.
        let (donate_above, donate_until, accept_below) =
            match (self.config.detection.trigger, found) {
                (Trigger::Either, Some(found)) if found.over => (eager(), mean().min(high), high),
                (Trigger::Either, Some(found)) if found.under => (mean(), mean(), low),
                (Trigger::Either, Some(_)) => (mean(), mean(), mean()),
                (Trigger::Both, Some(_)) => (high, high, low),
                (_, None) if broken!("budget_while_even") => (high, high, low),
                // Loads are even: no worker must give tasks.
                (_, None) => (f64::INFINITY, high, low),
            };
        // A lowered high threshold makes workers give sooner, but targets may still be filled up to the configured
        // one; otherwise a highly loaded cluster could move nothing at all.
        let ceiling = thresholds.high.max(self.config.thresholds.high);
        let even_spread = self.config.detection.imbalance * self.adapted.pace.imbalance_factor;
        let high = thresholds.high;
        let dead_band = self.config.stability.map_or(0.0, |section| {
            let widened = section.noise_margin * self.view.noise.unwrap_or(0.0);
            if broken!("noise_margin") { section.dead_band } else { section.dead_band.max(widened) }
        });
        Bands {
            shift,
            donate_above,
            donate_until,
            accept_below,
            high,
            ceiling,
            even_spread,
            dead_band,
            spread: None,
            parting: None,
            unstated: BTreeMap::new(),
        }
    }
}
