//! What do a round and a [`Look`](super::Look) know before they plan? The stages that both share.

use alloc::borrow::Cow;

use crate::config::{Adaptation, Config, Prediction};
use crate::forecast;
use crate::round::{Adapted, Survey};
use crate::snapshot::Snapshot;
use crate::stage::{adapt, detect, observe, unstated};
use crate::state::State;
use crate::view::Companions;

/// Runs the stages before the plan over a snapshot that the state has settled.
///
/// `is_new` says whether the snapshot is newer than the last one; if not, the thresholds in force stay.
pub(super) fn survey<'a>(
    config: &Config,
    state: &State,
    snapshot: Cow<'a, Snapshot>,
    is_new: bool,
) -> Survey<'a> {
    let (view, mut ledger) = observe::observe(config, state, snapshot);
    let companions = Companions::new(&view, &ledger);
    let fragmentation = observe::fragmentation(config, &view, &ledger);
    let adapted = match &config.adaptation {
        Some(section) if is_new => adapt::adapt(section, config.thresholds, state, &view),
        Some(section) => adapt::in_force(section, config.thresholds, state),
        None if broken!("adaptation_switch") => {
            adapt::adapt(&Adaptation::default(), config.thresholds, state, &view)
        }
        None => Adapted::fixed(config.thresholds),
    };
    let unasked = broken!("prediction_switch").then(Prediction::default);
    let prediction = config.prediction.as_ref().or(unasked.as_ref());
    let calibration = prediction.map(|section| forecast::calibrate(section, state, &view));
    let calibration = calibration.unwrap_or_default();
    let forecast =
        prediction.and_then(|section| forecast::predict(section, state, &view, calibration));
    let detect::Detected { balance, mut bands } = detect::detect(
        config,
        (state.rebalancing, state.least_spread),
        &view,
        &adapted,
        forecast.as_ref(),
    );
    bands.unstated = unstated::unstated(state, &view, &ledger, &bands);
    ledger.index_levels(&view, &bands.shift);
    Survey {
        view,
        ledger,
        companions,
        adapted,
        calibration,
        forecast,
        balance,
        bands,
        fragmentation,
    }
}
