//! Where refusals of every kind come from.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::time::Duration;

use evenkeel::config::{
    Basis, Budget, Detection, Eviction, Fairness, HostAbility, LoadRule, MigrationLimits, Scope,
    Stability, Thresholds, Trigger, Unit,
};
use evenkeel::outcome::Rejection;
use evenkeel::snapshot::{Placement, Stance};
use evenkeel::testkit::strategies::{self, Cluster};
use evenkeel::{Config, ResourceId, Task, TaskId, Timestamp, Worker, WorkerId};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use crate::Source;
use crate::case::{ANYWHERE, Case, Cooldown, Door};

/// Every source, and how many cases of each.
pub fn sources() -> Vec<Source> {
    vec![
        (30_000, anything().boxed()),
        (1_500, hardware().boxed()),
        (900, cooling().boxed()),
        (300, spoilt().boxed()),
        (150, doubtful().boxed()),
        (2_000, budgets().boxed()),
        (1_500, table().boxed()),
        (1_500, unfair().boxed()),
        (150, full_memory().boxed()),
        (60, placements().boxed()),
        (4_000, filled_or_relieved().boxed()),
        (2_000, wider().boxed()),
        (500, moved().boxed()),
        (300, overloads().boxed()),
        (200, back_again().boxed()),
    ]
}

/// The refusals that a case leads to: of every pair, or of its round.
pub fn refusals(case: &Case) -> Vec<(Case, Rejection)> {
    match case.door {
        Door::Consider => pairs(case),
        Door::Tick(kinds) => first_of_each(case, kinds),
    }
}

fn pairs(case: &Case) -> Vec<(Case, Rejection)> {
    let Some(engine) = case.engine() else { return Vec::new() };
    let snapshot = case.cluster.snapshot(case.at);
    let mut found = Vec::new();
    let look = engine.look(&snapshot);
    for task in snapshot.tasks() {
        for worker in snapshot.workers() {
            let verdict = look.consider(task.id, worker.id);
            if let Some(no) = verdict.and_then(|it| it.admission.rejection().copied()) {
                found.push((Case { task: task.id, worker: worker.id, ..case.clone() }, no));
            }
        }
    }
    found
}

/// The first refusal of each kind: up to there a round with the limit raised goes the same way.
fn first_of_each(case: &Case, kinds: &[&str]) -> Vec<(Case, Rejection)> {
    let Some(outcome) = case.round() else { return Vec::new() };
    let first = outcome.tally.refusals.iter().filter_map(|row| row.examples.first());
    let first = first.filter(|refused| kinds.contains(&refused.rejection.name()));
    let asked = first.map(|refused| {
        let worker = refused.to.unwrap_or(ANYWHERE);
        (Case { task: refused.task, worker, ..case.clone() }, refused.rejection)
    });
    asked.collect()
}

/// Kinds that depend on budgets.
const BUDGETS: &[&str] = &["budget spent", "source busy", "target busy", "memory full"];

fn pair_case(config: Config, cluster: Cluster) -> Case {
    Case { door: Door::Consider, ..round_case(&[], config, cluster) }
}

fn round_case(kinds: &'static [&'static str], config: Config, cluster: Cluster) -> Case {
    Case {
        door: Door::Tick(kinds),
        config,
        cooldowns: BTreeMap::new(),
        returned: BTreeMap::new(),
        moved: None,
        blind: None,
        cluster,
        at: Timestamp::from_secs(100),
        task: TaskId::new(1),
        worker: ANYWHERE,
        sound: None,
    }
}

/// Any settings and any cluster.
fn anything() -> impl Strategy<Value = Case> {
    let settings = prop_oneof![strategies::configs(), strategies::any_config()];
    (settings, one_way()).prop_map(|(config, cluster)| pair_case(config, cluster))
}

/// Workers that lack things.
fn hardware() -> impl Strategy<Value = Case> {
    let clusters = prop_oneof![strategies::accelerated(), strategies::heterogeneous()];
    (strategies::configs(), clusters).prop_map(|(config, cluster)| pair_case(config, cluster))
}

/// Tasks that moved a short while ago. The rule that keeps them where they are does not count for a task whose
/// worker drains; the one that keeps it from going back does. No cooldown ends later than one that begins now: the
/// clock was not set back.
fn cooling() -> impl Strategy<Value = Case> {
    let recent = (101_000..400_000_u64, vec((1..5_u64, 101_000..400_000_u64), 1..4));
    let cases = (strategies::configs(), one_way(), vec(recent, 1..14), 0..4_usize);
    cases.prop_map(|(config, mut cluster, recent, drained)| {
        if let Some(worker) = cluster.workers.get_mut(drained) {
            worker.stance = Stance::Drain;
        }
        let cooldowns = (1..).zip(recent);
        let cooldowns = cooldowns.map(|(task, (until, left))| (task, Cooldown { until, left }));
        Case { cooldowns: cooldowns.collect(), ..pair_case(config, cluster) }
    })
}

/// Tasks that were evicted, and came back a short while ago.
fn back_again() -> impl Strategy<Value = Case> {
    let until = vec(101_000..400_000_u64, 1..14);
    (strategies::configs(), strategies::clusters(), until).prop_map(
        |(mut config, cluster, until)| {
            if let Some(limits) = &mut config.migration {
                limits.host = HostAbility::Evict(Eviction::default());
            }
            let returned = (1..).zip(until).collect();
            Case { returned, ..pair_case(config, cluster) }
        },
    )
}

/// Records that make no sense, among them those of the first task and the first worker.
fn spoilt() -> impl Strategy<Value = Case> {
    let clusters = prop_oneof![strategies::skewed(), strategies::heterogeneous()];
    let number = select(vec![f64::NAN, f64::INFINITY, -1.0]);
    (strategies::configs(), clusters, number, 0..4_u8).prop_map(|(config, sound, number, which)| {
        let mut cluster = sound.clone();
        match (which, cluster.tasks.first_mut(), cluster.workers.first_mut()) {
            (0, Some(task), _) => task.demand.set(ResourceId::CPU, number),
            (1, Some(task), _) => task.priority = 200,
            (2, _, Some(worker)) => worker.used.set(ResourceId::CPU, number),
            (_, _, Some(worker)) => {
                let again = worker.clone();
                cluster.workers.push(again);
            }
            _ => {}
        }
        Case { sound: Some(sound), ..pair_case(config, cluster) }
    })
}

/// A worker that is to be emptied and reported twice.
fn doubtful() -> impl Strategy<Value = Case> {
    (strategies::configs(), strategies::skewed()).prop_map(|(mut config, mut cluster)| {
        config.migration = config.migration.or(Config::default().migration);
        cluster.workers[0].stance = Stance::Drain;
        let again = cluster.workers[0].clone();
        cluster.workers.push(again);
        round_case(&["doubtful source"], config, cluster)
    })
}

/// Tight limits, and much to do.
fn budgets() -> impl Strategy<Value = Case> {
    let clusters = prop_oneof![2 => strategies::skewed(), 1 => strategies::grouped()];
    let few = || proptest::option::weighted(0.5, 1..3_u32);
    (clusters, 1..4_u32, few(), few(), any::<bool>()).prop_map(
        |(cluster, at_once, per_source, per_target, weighed)| {
            let mut config = Config::default();
            if !weighed {
                config = config.without_cost_benefit();
            }
            let mut limits = MigrationLimits::default()
                .with_max_simultaneous(NonZeroU32::new(at_once).unwrap_or(NonZeroU32::MIN));
            limits.per_source = per_source.and_then(NonZeroU32::new);
            limits.per_target = per_target.and_then(NonZeroU32::new);
            config.migration = Some(limits);
            round_case(BUDGETS, config, cluster)
        },
    )
}

/// A table of one line, which an earlier life may have spent.
fn table() -> impl Strategy<Value = Case> {
    let clusters = prop_oneof![2 => strategies::skewed(), 1 => strategies::grouped()];
    let scope = select(vec![
        Scope::Global,
        Scope::WorkerOut,
        Scope::WorkerIn,
        Scope::ZonePair,
        Scope::Tenant,
        Scope::Reason,
    ]);
    let amount = prop_oneof![
        (0..3_u64).prop_map(|moves| (Unit::Moves, moves)),
        (0..4_u64).prop_map(|gib| (Unit::Bytes, gib << 30)),
        (0..200_u64).prop_map(|secs| (Unit::LostSeconds, secs)),
    ];
    let blind = proptest::option::weighted(0.3, 0..90_000_u64);
    (clusters, scope, amount, blind).prop_map(|(mut cluster, scope, (unit, limit), blind)| {
        // While one of them waits, no other may become free to go first.
        cluster.tasks.iter_mut().for_each(|task| task.not_before = None);
        let mut config = Config::default();
        let budget = Budget::new(scope, unit, limit);
        let budgets =
            vec![if blind.is_some() { budget.with_per(Duration::from_secs(600)) } else { budget }];
        config.migration = Some(MigrationLimits::default().with_budgets(budgets));
        let kinds = &["budget line spent", "budget in doubt", "unknown size"];
        Case { blind, ..round_case(kinds, config, cluster) }
    })
}

/// Few interruptions beyond a tenant's share.
fn unfair() -> impl Strategy<Value = Case> {
    strategies::skewed().prop_map(|cluster| {
        let mut config = Config::default();
        let slack = NonZeroU32::MIN;
        let limits = MigrationLimits::default()
            .with_max_simultaneous(slack.saturating_add(9))
            .with_fairness(Fairness::new(Duration::from_secs(600), slack));
        config.migration = Some(limits);
        round_case(&["unfair"], config, cluster)
    })
}

/// As many recent moves remembered as may be, but for a few.
fn full_memory() -> impl Strategy<Value = Case> {
    let clusters = prop_oneof![2 => strategies::skewed(), 1 => strategies::grouped()];
    (clusters, 0..2_u64, any::<bool>()).prop_map(|(cluster, short, weighed)| {
        let mut config = Config::default();
        if !weighed {
            config = config.without_cost_benefit();
        }
        let held = 64 * cluster.workers.len() as u64 - short;
        let recent = Cooldown { until: 400_000, left: Vec::new() };
        let cooldowns = (0..held).map(|nth| (10_000 + nth, recent.clone())).collect();
        Case { cooldowns, ..round_case(BUDGETS, config, cluster) }
    })
}

/// A worker with room for more orphans than may be on their way to it at once.
fn placements() -> impl Strategy<Value = Case> {
    (17..24_u64, 0.1..2.0_f64).prop_map(|(orphans, cores)| {
        let worker = Worker::new(WorkerId::new(1)).with_capacity(ResourceId::CPU, 100.0);
        let task = |id| Task::new(TaskId::new(id)).with_demand(ResourceId::CPU, cores);
        let mut cluster = Cluster::default();
        cluster.workers = vec![worker.with_used(ResourceId::CPU, 1.0)];
        cluster.tasks = (1..=orphans).map(task).collect();
        cluster.tasks.iter_mut().for_each(|task| task.placement = Placement::Orphaned);
        round_case(&["target busy"], Config::default(), cluster)
    })
}

/// One resource; a worker that gives, one that takes, and one that only looks on.
struct Three {
    loads: [f64; 3],
    /// Cores of the target.
    cores: f64,
    /// Cores that the tasks use.
    tasks: Vec<f64>,
    /// Whether either end triggers.
    either: bool,
}

impl Three {
    fn case(self, kinds: &'static [&'static str]) -> Case {
        let trigger = if self.either { Trigger::Either } else { Trigger::Both };
        let mut config = Config::default()
            .with_thresholds(Thresholds::new(0.8, 0.3))
            .with_load(LoadRule::Dominant)
            .without_adaptation()
            .without_prediction()
            .without_cost_benefit();
        config.detection = Detection::default()
            .with_basis(Basis::Projected)
            .with_trigger(trigger)
            .with_imbalance(0.1);
        let at_once = NonZeroU32::MIN.saturating_add(9);
        config.migration = config.migration.map(|limits| limits.with_max_simultaneous(at_once));
        config.stability = Some(Stability::default().with_dead_band(0.01));
        let cores = [10.0, self.cores, 10.0];
        let workers = (1..).zip(self.loads.into_iter().zip(cores)).map(|(id, (load, cores))| {
            let worker = Worker::new(WorkerId::new(id)).with_capacity(ResourceId::CPU, cores);
            let stance = if id == 3 { Stance::Hold } else { Stance::Accept };
            worker.with_used(ResourceId::CPU, load * cores).with_stance(stance)
        });
        let tasks = (1..).zip(self.tasks).map(|(id, cores)| {
            let task = Task::new(TaskId::new(id)).on(WorkerId::new(1));
            task.with_demand(ResourceId::CPU, cores)
        });
        let mut cluster = Cluster::default();
        (cluster.workers, cluster.tasks) = (workers.collect(), tasks.collect());
        round_case(kinds, config, cluster)
    }
}

/// Two tasks: after the first has been promised, the source gives no more, or the target takes no more.
fn filled_or_relieved() -> impl Strategy<Value = Case> {
    let loads = (0.85..1.8_f64, 0.1..0.28_f64, 0.3..0.6_f64);
    (loads, 5.0..80.0_f64, vec(0.5..6.0_f64, 2), any::<bool>()).prop_map(
        |((source, target, onlooker), cores, tasks, either)| {
            let three = Three { loads: [source, target, onlooker], cores, tasks, either };
            three.case(&["filled", "relieved"])
        },
    )
}

/// One task that is nearly all that its worker carries: gone, it leaves a gap below.
fn wider() -> impl Strategy<Value = Case> {
    let loads = (0.85..1.0_f64, 0.25..0.3_f64, 0.75..0.99_f64);
    (loads, 12.0..24.0_f64, 0.9..0.99_f64, any::<bool>()).prop_map(
        |((source, target, colder), cores, share, either)| {
            // Who looks on is the coldest.
            let onlooker = target * colder;
            let tasks = vec![source * share * 10.0];
            let three = Three { loads: [source, target, onlooker], cores, tasks, either };
            three.case(&["wider spread"])
        },
    )
}

/// Tasks that have moved, and loads that are as far apart as they have been since, or less.
fn moved() -> impl Strategy<Value = Case> {
    let loads = (0.6..0.78_f64, 0.25..0.29_f64, 0.75..0.99_f64);
    (loads, 12.0..24.0_f64, vec(0.5..2.0_f64, 1..3), 0.0..0.15_f64).prop_map(
        |((source, target, colder), cores, tasks, more)| {
            let onlooker = target * colder;
            let loads = [source, target, onlooker];
            let case = Three { loads, cores, tasks, either: true }.case(&["moved before"]);
            Case { moved: Some(source - onlooker + more), ..case }
        },
    )
}

/// A task that has moved to a worker which is overloaded, by use that nobody there accounts for.
fn overloads() -> impl Strategy<Value = Case> {
    let loads = (0.85..1.0_f64, 0.25..0.29_f64, 0.75..0.99_f64);
    (loads, 10.0..12.0_f64, 1.5..2.0_f64, 0.0..0.15_f64).prop_map(
        |((source, target, colder), cores, task, more)| {
            let onlooker = target * colder;
            let loads = [source, target, onlooker];
            let case = Three { loads, cores, tasks: vec![task], either: true };
            Case { moved: Some(source - onlooker + more), ..case.case(&["may overload"]) }
        },
    )
}

/// Clusters whose tasks run in one way only: of several, a refusal speaks of the fastest, and less may do for another.
fn one_way() -> impl Strategy<Value = Cluster> {
    strategies::clusters().prop_map(|mut cluster| {
        for task in &mut cluster.tasks {
            (task.alternatives, task.alternative) = (Vec::new(), None);
        }
        cluster
    })
}
