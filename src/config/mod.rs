//! How should the engine behave? Plain data, one section per feature; a section that is `None` is off.
//!
//! # Three presets, one pipeline
//!
//! | rule | [`Config::fixed`] | [`Config::reference`] | [`Config::default`] |
//! |---|---|---|---|
//! | a worker's load | its fullest resource | mean of its resources | its fullest resource |
//! | detection looks at | the latest sample | the mean of the last 5 samples | the projected load |
//! | it triggers when | a worker is above high *and* one below low | a worker is above high *and* one below low | a worker is above high *or* below low, and another has room |
//! | workers that give tasks while one is overloaded | the overloaded | the overloaded | also those 0.1 above the mean |
//! | an overloaded worker gives until its load is | high | high | the mean load |
//! | spread needed | none | 0.4 | 0.2 |
//! | spread that triggers by itself | – | – | 0.3, lasting, to start; 0.15 to go on |
//! | thresholds | fixed 0.85 / 0.2 | step by the specification's pseudo-code | step in the load bands, relax to 0.85 / 0.2 between |
//! | pace at high / low load | – | bolder / calmer | bolder / calmer |
//! | forecast | – | least squares, confidence at least 0.7 | the same; confidence and intervals corrected by how accurate past forecasts were |
//! | tasks that may move | any | those that have run at most 300 s | any |
//! | cost of running time | – | time run so far | work that would be lost |
//! | base cost; most that priority costs | – | 2; 2 | 1; 1 |
//! | utilization benefit | – | difference of the two loads | difference after the move, scaled by the task's size, and relief of an overload |
//! | order | hottest to coldest, largest task first | best net benefit first | best net benefit first |
//! | migrations at once | 2 | 2 | 2, a tenth of the workers, or 4 per worker that gives, whichever is most; at most 4 per source and per target |
//! | a task on slow hardware while loads are even | stays | stays | may move to a worker where it runs at least twice as fast |
//! | cooldown; dead band; no worsening; moves in flight count | – | – | 300 s; 0.12 or 5 times the noise; yes; yes |
//! | tasks that a scheduler has placed since the measurements | do not count | do not count | count |
//! | a worker that a complete snapshot does not list | is gone | is gone | is missing for 60 s and two snapshots, then gone |
//! | half of the workers vanish at once | is believed | is believed | is believed after 300 s |
//! | promises kept ([`verify`](crate::verify)) | 1, 2, 3, 7, 9, 10 | 1, 2, 3, 7, 9, 10 | 1 to 7, 9, 10 |
//!
//! # What "off" means
//!
//! A switched-off *strategy* never drops a hard requirement: a task that needs CUDA needs it with
//! every section off.
//!
//! | section | off means |
//! |---|---|
//! | [`adaptation`](Config::adaptation) | thresholds and pace stay as configured |
//! | [`prediction`](Config::prediction) | only measured loads trigger, not predicted ones |
//! | [`cost_benefit`](Config::cost_benefit) | every admissible move is worth its cost; hottest source to coldest target, largest task first |
//! | [`hardware`](Config::hardware) | all hardware counts as equally fast; requirements still hold |
//! | [`efficiency`](Config::efficiency) | energy, heat and tight packing of devices earn nothing |
//! | [`migration`](Config::migration) | the engine observes and explains, and moves nothing |
//! | [`stability`](Config::stability) | no cooldown, no dead band, no projected loads (as in `fixed` and `reference`) |
//! | [`grace`](Config::grace) | a worker that a complete snapshot does not list is gone at once (as in `fixed` and `reference`) |
//! | [`safeguard`](Config::safeguard) | every complete snapshot is believed, however many workers are missing from it (as in `fixed` and `reference`) |
//! | [`calendar`](Config::calendar) | its default values hold: announced departures of workers always count |
//! | [`scope`](Config::scope) | every task is in scope |
//! | [`advice`](Config::advice) | no advice is given (as in all presets) |
//! | [`migration.host`](MigrationLimits::host) | the engine chooses the target of a move, not the host's scheduler; a source releases a task before its target starts it, whatever the task declares |
//! | [`migration.requeue`](MigrationLimits::requeue) | a queued task moves like any other, at the cost of a message |
//! | [`transfer`](Config::transfer) | how long a move takes does not matter, nor whether it repays itself |

mod adaptation;
mod advice;
mod budget;
mod check;
mod cost_benefit;
mod detection;
mod effort;
mod hardware;
mod migration;
mod operation;
mod options;
mod prediction;
mod preference;
mod renamed;
mod stability;
mod transfer;

use core::time::Duration;

use serde::{Deserialize, Serialize};

use crate::model::setters::setters;
use crate::model::time::{Timestamp, as_seconds};

pub use adaptation::{AdaptRule, Adaptation, Pace};
pub use advice::AdviceRules;
pub use budget::{AdaptiveConcurrency, Budget, Fairness, Scope, Unit};
pub use check::{ConfigError, ConfigErrors};
pub use cost_benefit::{BenefitRule, BenefitWeights, CostBenefit, CostWeights};
pub use detection::{Basis, Detection, LoadRule, Trigger};
pub use effort::Effort;
pub use hardware::{Efficiency, HardwareStrategy};
pub use migration::{Eviction, HostAbility, MigrationLimits};
pub use operation::{Mode, TaskScope};
pub use options::Options;
pub use prediction::Prediction;
pub use stability::{Calendar, Grace, Safeguard, Stability};
pub use transfer::Transfer;

/// How the engine should behave.
///
/// Every span is at most 10^9 seconds (32 years), and every weight and factor at most 10^6, so that whatever is
/// computed from them is a number; [`check`](Self::check) names what is not.
///
/// ```
/// use evenkeel::{Config, Engine};
/// let mut config = Config::default();
/// config.prediction = None; // off
/// config.thresholds.high = 0.8;
/// assert!(Engine::new(config).is_ok());
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct Config {
    /// Whether the engine acts, proposes moves, or only observes: [`Mode::Act`].
    #[serde(skip_serializing_if = "Mode::is_act")]
    pub mode: Mode,
    /// Which tasks may be moved. `None` if all may.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scope: Option<TaskScope>,
    /// How often the host calls [`tick`](crate::Engine::tick), in seconds: 30. Everything that is
    /// counted per tick is scaled by it. The trap: a value that differs from what the host really does
    /// falsifies trends and forecasts.
    #[serde(with = "as_seconds")]
    pub check_interval: Duration,
    /// How far back measurements count, in seconds: 300, at least one check interval. A larger value is
    /// steadier and reacts later; a smaller one follows noise.
    #[serde(with = "as_seconds")]
    pub performance_window: Duration,
    /// How a worker's resources become one number: the fullest one in `Config::default`, their mean
    /// in the specification.
    pub load: LoadRule,
    /// The thresholds at the start, to which adapted thresholds return: 0.85 and 0.2.
    pub thresholds: Thresholds,
    /// When the cluster counts as uneven.
    pub detection: Detection,
    /// Thresholds and pace follow the load of the system. `None` if they stay as configured.
    pub adaptation: Option<Adaptation>,
    /// Predicted loads can trigger moves. `None` if only measured loads do.
    pub prediction: Option<Prediction>,
    /// Moves must be worth their cost. `None` if every admissible move is.
    pub cost_benefit: Option<CostBenefit>,
    /// Moves must repay their downtime and the work they lose. `None` if they need not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub transfer: Option<Transfer>,
    /// Faster hardware counts. `None` if all hardware counts as equally fast.
    pub hardware: Option<HardwareStrategy>,
    /// Energy, heat and the packing of device memory count. `None` if they do not.
    pub efficiency: Option<Efficiency>,
    /// Tasks are moved, within these limits. `None` if nothing is moved.
    #[serde(deserialize_with = "renamed::section")]
    pub migration: Option<MigrationLimits>,
    /// The engine does not react to its own moves. `None` switches cooldown, dead band and
    /// projected loads off.
    pub stability: Option<Stability>,
    /// How long before a worker leaves it is emptied. `None` for the default lead.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub calendar: Option<Calendar>,
    /// A worker that a complete snapshot does not list is gone only if it stays away. `None` if it is gone
    /// at once: for hosts that know which workers are gone.
    pub grace: Option<Grace>,
    /// If many workers disappear at once, the engine waits before it believes it. `None` if it
    /// believes it at once.
    pub safeguard: Option<Safeguard>,
    /// The engine gives advice about what no move can mend. `None` if it gives none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub advice: Option<AdviceRules>,
}

setters! {
    Config {
        value with_check_interval(check_interval: Duration);
        value with_performance_window(performance_window: Duration);
        value with_load(load: LoadRule);
        value with_thresholds(thresholds: Thresholds);
        value with_detection(detection: Detection);
        some with_adaptation(adaptation: Adaptation);
        none without_adaptation(adaptation);
        some with_prediction(prediction: Prediction);
        none without_prediction(prediction);
        some with_cost_benefit(cost_benefit: CostBenefit);
        some with_hardware(hardware: HardwareStrategy);
        none without_hardware(hardware);
        some with_efficiency(efficiency: Efficiency);
        none without_efficiency(efficiency);
        some with_migration(migration: MigrationLimits);
        none without_migration(migration);
        some with_stability(stability: Stability);
        none without_stability(stability);
        some with_grace(grace: Grace);
        none without_grace(grace);
        some with_safeguard(safeguard: Safeguard);
        none without_safeguard(safeguard);
        some with_calendar(calendar: Calendar);
        none without_calendar(calendar);
        value with_mode(mode: Mode);
        some with_scope(scope: TaskScope);
        none without_scope(scope);
        some with_advice(advice: AdviceRules);
        none without_advice(advice);
        some with_transfer(transfer: Transfer);
        none without_transfer(transfer);
    }
}

/// The loads above which a worker is overloaded and below which it has room to spare.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct Thresholds {
    /// Above this load a worker is overloaded, from 0 to 1: 0.85. A larger value lets workers run
    /// fuller; a smaller one relieves them earlier. The trap: below the mean load, nearly every worker
    /// is overloaded.
    pub high: f64,
    /// Below this load a worker is underloaded, from 0 to 1 and below [`high`](Self::high): 0.2. A
    /// larger value makes more workers targets; a smaller one leaves workers idle.
    pub low: f64,
}

setters! {
    Thresholds {
        value with_high(high: f64);
        value with_low(low: f64);
    }
}

impl Thresholds {
    /// A high and a low threshold.
    pub const fn new(high: f64, low: f64) -> Self {
        Self { high, low }
    }
}

impl Default for Thresholds {
    /// The specification's 0.85 and 0.2.
    fn default() -> Self {
        Self { high: 0.85, low: 0.2 }
    }
}

impl core::fmt::Display for Thresholds {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "high {:.3}, low {:.3}", self.high, self.low)
    }
}

impl Default for Config {
    /// The best that our evidence supports: the specification's options and values, with better rules
    /// where the specification's are known to fail. Keeps promises 1 to 7, 9 and 10.
    fn default() -> Self {
        Self {
            load: LoadRule::Dominant,
            detection: Detection::in_default(),
            adaptation: Some(Adaptation::in_default()),
            prediction: Some(Prediction::in_default()),
            cost_benefit: Some(CostBenefit::in_default()),
            migration: Some(MigrationLimits::in_default()),
            hardware: Some(HardwareStrategy { upgrade: Some(2.0), ..HardwareStrategy::default() }),
            stability: Some(Stability::default()),
            grace: Some(Grace::default()),
            safeguard: Some(Safeguard::default()),
            ..Self::reference()
        }
    }
}

impl Config {
    /// The traditional balancer, as a baseline: fixed thresholds, no forecast, no weighing of cost and
    /// benefit.
    pub fn fixed() -> Self {
        Self {
            load: if broken!("fixed_sees_the_fullest_resource") {
                LoadRule::Mean
            } else {
                LoadRule::Dominant
            },
            detection: Detection { basis: Basis::Latest, imbalance: 0.0, ..Detection::default() },
            adaptation: None,
            prediction: None,
            cost_benefit: None,
            hardware: None,
            efficiency: None,
            ..Self::reference()
        }
    }

    /// The specification's rules to the letter, with the constants of its original implementation.
    pub fn reference() -> Self {
        Self {
            check_interval: Duration::from_secs(30),
            performance_window: Duration::from_secs(300),
            load: LoadRule::Mean,
            thresholds: Thresholds::default(),
            detection: Detection::default(),
            adaptation: Some(Adaptation::default()),
            prediction: Some(Prediction::default()),
            cost_benefit: Some(CostBenefit::default()),
            hardware: Some(HardwareStrategy::default()),
            efficiency: Some(Efficiency::default()),
            migration: Some(MigrationLimits::default()),
            stability: None,
            grace: None,
            safeguard: None,
            calendar: None,
            mode: Mode::Act,
            scope: None,
            advice: None,
            transfer: None,
        }
    }

    /// Sets [`cost_benefit`](Self::cost_benefit) to `None`, and so the setting that needs it:
    /// [`hardware.upgrade`](HardwareStrategy::upgrade).
    #[must_use]
    pub fn without_cost_benefit(mut self) -> Self {
        self.cost_benefit = None;
        if let Some(hardware) = &mut self.hardware {
            hardware.upgrade = None;
        }
        self
    }

    /// How long a step of a migration may take, even if no new migrations begin.
    pub(crate) fn timeout(&self) -> Duration {
        let limits = self.migration.as_ref();
        limits.map_or_else(|| MigrationLimits::default().timeout, |limits| limits.timeout)
    }

    /// Workers that leave before this moment are emptied now.
    pub(crate) fn soon(&self, now: Timestamp) -> Timestamp {
        now.after(self.calendar.unwrap_or_default().lead)
    }

    /// How long a task with no known end is assumed to run: the prediction window, or the performance
    /// window if nothing is forecast.
    pub(crate) fn horizon(&self) -> Duration {
        self.prediction.map_or(self.performance_window, |section| section.window)
    }

    /// The size assumed for a state of unstated size, in bytes; `None` if it stays unknown.
    pub(crate) fn unstated_bytes(&self) -> Option<u64> {
        self.transfer.and_then(|section| section.state_bytes)
    }
}
