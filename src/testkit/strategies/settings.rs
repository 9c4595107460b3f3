//! Settings that pass the check, and reports of every sort.

use alloc::vec;
use alloc::vec::Vec;
use core::num::NonZeroU32;
use core::time::Duration;

use proptest::collection::vec as list;
use proptest::option::{self, weighted};
use proptest::prelude::*;
use proptest::sample::select;

use super::transfer::transfer;
use crate::config::{
    AdaptRule, AdaptiveConcurrency, AdviceRules, Basis, BenefitRule, Budget, Calendar, Eviction,
    Fairness, HostAbility, LoadRule, Mode, Safeguard, Scope, Stability, TaskScope, Thresholds,
    Trigger, Unit,
};
use crate::hardware::Hardware;
use crate::id::{Epoch, LabelId, MigrationId};
use crate::ratio::Ratio;
use crate::{Config, Event, Report, TaskId, Timestamp, WorkerId};

/// The three presets as they are.
pub fn presets() -> impl Strategy<Value = Config> {
    select(vec![Config::default(), Config::reference(), Config::fixed()])
}

/// The presets, each with any of its sections off.
pub fn configs() -> impl Strategy<Value = Config> {
    let safeguard = weighted(0.3, (0.0..1.0_f64, 1..400_u64));
    let off = list(proptest::bool::weighted(0.2), 7);
    let extra = (safeguard, weighted(0.4, advice()), weighted(0.3, transfer()));
    (presets(), off, extra).prop_map(|(mut config, off, (safeguard, advice, transfer))| {
        (config.advice, config.transfer) = (advice, transfer);
        config.safeguard = safeguard.map(|(missing_share, secs)| Safeguard {
            missing_share,
            believed_after: Duration::from_secs(secs),
        });
        config.adaptation = config.adaptation.filter(|_| !off[0]);
        config.prediction = config.prediction.filter(|_| !off[1]);
        if off[2] {
            config = config.without_cost_benefit();
        }
        config.hardware = config.hardware.filter(|_| !off[3]);
        config.efficiency = config.efficiency.filter(|_| !off[4]);
        if let Some(section) = &mut config.efficiency {
            section.fragmentation = off[0];
        }
        config.migration = config.migration.filter(|_| !off[5] || !off[6]);
        config.stability = config.stability.filter(|_| !off[6] || off[0]);
        config
    })
}

/// The same settings for hosts that do it differently: that evict, start first, or own a queue.
pub fn with_means(config: impl Strategy<Value = Config>) -> impl Strategy<Value = Config> {
    let eviction = option::of((1..400_u64, 0..3_000_u64));
    let means = (eviction, any::<(bool, bool)>());
    (config, means).prop_map(|(mut config, (eviction, (overlap, requeue)))| {
        if let Some(limits) = &mut config.migration {
            limits.host = match eviction {
                Some((first, more)) => HostAbility::Evict(Eviction {
                    back_off: Duration::from_secs(first),
                    back_off_most: Duration::from_secs(first + more),
                }),
                None if overlap => HostAbility::Overlap,
                None => HostAbility::Release,
            };
            limits.requeue = requeue;
        }
        config
    })
}

/// When advice is given: often at once.
pub fn advice() -> impl Strategy<Value = AdviceRules> {
    let patience = || select(vec![0, 0, 30, 120]).prop_map(Duration::from_secs);
    let share = || 0.0..=1.0_f64;
    (patience(), patience(), share(), share(), 1..4_u32).prop_map(
        |(patience, patience_down, keep_below, slow, reports)| AdviceRules {
            patience,
            patience_down,
            keep_below,
            slow,
            reports: NonZeroU32::new(reports).unwrap_or(NonZeroU32::MIN),
        },
    )
}

/// Settings as they are, or for an engine that does not act, or not on all tasks.
fn operated(configs: impl Strategy<Value = Config>) -> impl Strategy<Value = Config> {
    let mode = prop_oneof![5 => Just(Mode::Act), 2 => Just(Mode::Advise), 1 => Just(Mode::Observe)];
    (configs, mode, weighted(0.3, scopes())).prop_map(|(mut config, mode, scope)| {
        (config.mode, config.scope) = (mode, scope);
        config
    })
}

/// Scopes by label, by share, or both.
pub fn scopes() -> impl Strategy<Value = TaskScope> {
    let share = (0.0..=1.0_f64).prop_map(Ratio::saturating);
    let share = prop_oneof![Just(Ratio::ONE), share];
    (list(1..3_u64, 0..2), share).prop_map(|(labels, share)| TaskScope {
        labels: labels.into_iter().map(LabelId::new).collect(),
        share,
    })
}

/// Presets with sections off and any numbers that pass the check, in any mode and scope.
pub fn any_config() -> impl Strategy<Value = Config> {
    operated(any_numbers())
}

fn any_numbers() -> impl Strategy<Value = Config> {
    let share = || 0.0..=1.0_f64;
    let ordered = || (share(), share()).prop_map(|(a, b)| [f64::min(a, b), f64::max(a, b)]);
    let core = (1..120_u64, 1..20_u32, ordered(), share(), any::<(bool, bool, u8)>());
    let adapt = (share(), ordered(), 0.0..0.1_f64, ordered(), ordered(), share(), any::<bool>());
    let predict = (1..600_u64, share(), share(), share(), any::<bool>());
    let weigh = (any::<bool>(), option::of(1..900_u64), share(), 0.0..5.0_f64, 0.0..20.0_f64);
    let few = || option::of(1..4_u32);
    let limits = (1..6_u32, option::of(share()), few(), few(), few());
    let steady = option::of((1..600_u64, 0.0..0.2_f64, 0.0..6.0_f64, 0..60_u64));
    let eager =
        (option::of(0.0..0.4_f64), option::of(1.0..4.0_f64), option::of((share(), share())));
    let lead = option::of(0..900_u64);
    (budgeted(configs()), core, adapt, predict, weigh, limits, (steady, eager, lead))
        .prop_map(|(config, core, adapt, predict, weigh, limits, (steady, eager, lead))| {
            let mut config = with_core(config, core);
            config.detection.give_margin = eager.0;
            if let Some((begin, go_on)) = eager.2 {
                config.detection.sufficient = Some(begin.max(go_on));
                config.detection.settled = Some(begin.min(go_on));
            }
            if let Some(section) = &mut config.hardware {
                section.upgrade = eager.1.filter(|_| config.cost_benefit.is_some());
            }
            with_sections(&mut config, adapt, predict, weigh);
            if let Some(section) = &mut config.migration {
                let (at_once, share, per_giver, per_source, per_target) = limits;
                section.max_simultaneous = NonZeroU32::new(at_once).unwrap_or(NonZeroU32::MIN);
                section.share_of_workers = share;
                section.per_giver = per_giver.and_then(NonZeroU32::new);
                section.per_source = per_source.and_then(NonZeroU32::new);
                section.per_target = per_target.and_then(NonZeroU32::new);
            }
            config.calendar = lead.map(|secs| Calendar { lead: Duration::from_secs(secs) });
            config.stability = steady.map(|(cooldown, dead_band, noise_margin, lag)| Stability {
                cooldown: Duration::from_secs(cooldown),
                dead_band,
                noise_margin,
                telemetry_lag: Duration::from_secs(lag.min(cooldown)),
            });
            config
        })
        .prop_filter("contradicts itself", |config| config.check().is_ok())
}

/// The settings, some of them with a table of budgets.
pub(super) fn budgeted(configs: impl Strategy<Value = Config>) -> impl Strategy<Value = Config> {
    let count =
        |most: u32| (1..most).prop_map(|count| NonZeroU32::new(count).unwrap_or(NonZeroU32::MIN));
    let fairness = (10..600_u64, count(3))
        .prop_map(|(secs, slack)| Fairness::new(Duration::from_secs(secs), slack));
    let adaptive =
        (count(3), count(6)).prop_map(|(a, b)| AdaptiveConcurrency::new(a.min(b), a.max(b)));
    let rest = (weighted(0.2, fairness), weighted(0.2, adaptive));
    (configs, weighted(0.3, list(budget(), 1..4)), rest).prop_map(
        |(mut config, budgets, (fairness, adaptive))| {
            if let Some(limits) = &mut config.migration {
                limits.budgets = budgets.unwrap_or_default();
                (limits.fairness, limits.adaptive) = (fairness, adaptive);
            }
            config
        },
    )
}

/// A tight line of a table of budgets.
pub(super) fn budget() -> impl Strategy<Value = Budget> {
    let scope = select(vec![
        Scope::Global,
        Scope::WorkerOut,
        Scope::WorkerIn,
        Scope::ZonePair,
        Scope::Group,
        Scope::Tenant,
        Scope::Kind,
        Scope::Reason,
    ]);
    let amount = prop_oneof![
        3 => (0..4_u64).prop_map(|moves| (Unit::Moves, moves)),
        1 => (0..12_u64).prop_map(|gib| (Unit::Bytes, gib << 30)),
        1 => (0..600_u64).prop_map(|secs| (Unit::LostSeconds, secs)),
    ];
    let per = option::of(10..600_u64);
    (scope, amount, per).prop_map(|(scope, (unit, limit), per)| {
        let budget = Budget::new(scope, unit, limit);
        per.map_or(budget, |secs| budget.with_per(Duration::from_secs(secs)))
    })
}

fn with_core(
    mut config: Config,
    (interval, windows, [low, high], imbalance, (rule, trigger, basis)): (
        u64,
        u32,
        [f64; 2],
        f64,
        (bool, bool, u8),
    ),
) -> Config {
    config.check_interval = Duration::from_secs(interval);
    config.performance_window = config.check_interval * windows;
    config.thresholds = Thresholds { high: high.max(low + 0.01).min(1.0), low: low * 0.98 };
    config.detection.imbalance = imbalance * 0.6;
    config.load = if rule { LoadRule::Mean } else { LoadRule::Dominant };
    config.detection.trigger = if trigger { Trigger::Both } else { Trigger::Either };
    config.detection.basis = match basis % 3 {
        0 => Basis::Latest,
        1 => Basis::RecentMean,
        _ => Basis::Projected,
    };
    config
}

fn with_sections(
    config: &mut Config,
    adapt: (f64, [f64; 2], f64, [f64; 2], [f64; 2], f64, bool),
    predict: (u64, f64, f64, f64, bool),
    weigh: (bool, Option<u64>, f64, f64, f64),
) {
    if let Some(section) = &mut config.adaptation {
        let (rate, [low_load, high_load], slope, high, low, separation, relax) = adapt;
        (section.rate, section.trend_slope) = (rate, slope);
        (section.low_load, section.high_load) = (low_load * 0.98, high_load.max(0.01));
        (section.high_bounds, section.low_bounds) = (high, low);
        section.separation = separation * (high[1] - low[0]).max(0.0);
        section.rule = if relax { AdaptRule::Relax } else { AdaptRule::Step };
    }
    let interval = config.check_interval;
    if let Some(section) = &mut config.prediction {
        let (window, confidence, margin, imbalance, judged) = predict;
        (section.window, section.history) = (Duration::from_secs(window), interval * 10);
        (section.confidence, section.judged) = (confidence, judged);
        (section.margin, section.imbalance) = (margin * 0.2, imbalance * 0.6);
    }
    if let Some(section) = &mut config.cost_benefit {
        let (relief, most, rate, base, utilization) = weigh;
        section.rule = if relief { BenefitRule::Relief } else { BenefitRule::Difference };
        section.max_running = most.map(Duration::from_secs);
        section.learning_rate = rate;
        (section.cost.base, section.benefit.utilization) = (base, utilization);
    }
}

/// Reports on migrations that may exist, may be over, or never were: any order, any number of times.
pub fn reports() -> impl Strategy<Value = Vec<Report>> {
    let event = (1..8_u64, 0..7_u8, 1..7_u64, 1..15_u64, -1.0..5.0_f64).prop_map(
        |(number, which, worker, task, speed)| {
            let migration = MigrationId::new(Epoch::FIRST, number);
            let (worker, task) = (WorkerId::new(worker), TaskId::new(task));
            match which {
                0 => Event::Released { migration },
                1 => Event::Running { migration },
                2 => Event::Failed { migration },
                3 => Event::Refused { migration },
                4 => Event::Diverted { migration, worker, task },
                5 => Event::Aborted { migration },
                _ => Event::Performance { worker, hardware: Hardware::Cuda, speed },
            }
        },
    );
    let report = (0..400_u64, event);
    list(report.prop_map(|(at, event)| Report::new(Timestamp::from_secs(at), event)), 0..8)
}
