//! The promises, as properties over random clusters, settings and histories.
//!
//! Each runs 2,000 cases unless it says otherwise. A failure prints the smallest case it could find and the seed (the
//! line that begins with `cc`), which also goes to `properties.proptest-regressions` and is tried first from then on.
#![forbid(unsafe_code)]

#[path = "setup/cases.rs"]
mod cases;
#[path = "setup/records.rs"]
mod records;
#[path = "setup/settings.rs"]
mod settings;

use std::collections::BTreeMap;
use std::time::Duration;

use cases::cases;
use evenkeel::config::Mode;
use evenkeel::engine::{Input, Output};
use evenkeel::hardware::Hardware;
use evenkeel::id::{DomainId, GroupId, LabelId, MigrationId, TopologyId, ZoneId};
use evenkeel::outcome::{
    Admission, Balance, Fate, FitRefusal, LoadRefusal, Reason, Rejection, TaskRefusal, Verdict,
};
use evenkeel::ratio::Ratio;
use evenkeel::snapshot::{
    BadRecord, FreezeScope, Group, GroupRule, Mobility, Placement, Record, Stance, StateAt,
    Topology,
};
use evenkeel::state::State;
use evenkeel::testkit::strategies::{self, Cluster, History};
use evenkeel::verify::{self, Doubt, Promise, Round, Violation, Watch};
use evenkeel::{
    Action, Command, Config, Engine, Event, Outcome, Report, ResourceId, Snapshot, SnapshotBuilder,
    Task, TaskId, Timestamp, Worker, WorkerId,
};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use records::{cpu, task};
use settings::Settings;

fn settings() -> impl Strategy<Value = Settings> {
    prop_oneof![strategies::configs(), strategies::any_config()].prop_map(Settings)
}

fn secs(secs: u64) -> Timestamp {
    Timestamp::from_secs(secs)
}

// ---------------------------------------------------------------- the verifier and the watch

/// Plays a history and judges every round of it by one rule.
fn judge(history: &History, rule: impl Fn(&Round<'_>) -> Vec<Violation>) -> Vec<Violation> {
    let mut engine = Engine::new(history.config.clone()).unwrap();
    let mut violations = Vec::new();
    history.play(&mut |input| {
        let before = engine.state().clone();
        let output = engine.apply(&input);
        if let (Input::Tick(snapshot), Output::Outcome(outcome)) = (&input, &output) {
            let round = Round::new(engine.config(), &before, snapshot, outcome, engine.state());
            let kept = |violation: &Violation| violation.promise.is_kept_by(engine.config());
            violations.extend(rule(&round).into_iter().filter(kept));
        }
        output
    });
    violations
}

/// A property per promise that one round shows.
macro_rules! kept {
    ($($name:ident: $promise:ident;)+) => {
        proptest! {
            #![proptest_config(cases(2_000))]
            $(#[test]
            fn $name(history in strategies::histories()) {
                prop_assert_eq!(judge(&history, |round| Promise::$promise.judge(round)), vec![]);
            })+
        }
    };
}

kept! {
    determinism_holds_in_every_round: Determinism;
    hard_constraints_hold_at_every_prefix_of_every_plan: HardConstraints;
    one_move_at_a_time_within_every_budget: OneMove;
    no_plan_makes_things_worse: NoWorsening;
    no_task_is_moved_while_it_cools_down: NoPingPong;
    effects_in_flight_count_on_both_ends: InFlight;
    every_decision_carries_its_evidence: Evidence;
    everything_is_bounded: Bounded;
    bad_records_decide_nothing: BadInput;
}

proptest! {
    #![proptest_config(cases(2_000))]

    #[test]
    fn any_single_round_keeps_every_promise(
        Settings(config) in settings(),
        cluster in strategies::clusters(),
        reports in strategies::reports(),
    ) {
        let mut engine = Engine::new(config).unwrap();
        let builder = cluster.builder(secs(300));
        let snapshot = reports.into_iter().fold(builder, SnapshotBuilder::report).build();
        let (_, violations) = verify::tick(&mut engine, &snapshot).unwrap();
        prop_assert_eq!(violations, vec![]);
    }

    #[test]
    fn groups_of_every_rule_keep_every_promise(
        Settings(config) in settings(),
        cluster in strategies::bound(),
        partial in any::<bool>(),
    ) {
        let mut engine = Engine::new(config).unwrap();
        // The second round sees the moves of the first under way.
        for at in [300, 330] {
            let builder = cluster.builder(secs(at));
            let snapshot = if partial { builder.partial().build() } else { builder.build() };
            let (_, violations) = verify::tick(&mut engine, &snapshot).unwrap();
            prop_assert_eq!(violations, vec![]);
        }
    }

    #[test]
    fn groups_keep_their_promises_however_moves_turn_out(history in strategies::bound_histories()) {
        prop_assert_eq!(judge(&history, verify::check), vec![]);
    }

    #[test]
    fn hostile_records_break_no_promise(
        Settings(config) in settings(),
        clusters in vec((strategies::hostile(), strategies::reports(), 0..200_u64), 1..4),
    ) {
        let mut engine = Engine::new(config).unwrap();
        for (cluster, reports, at) in clusters {
            let builder = cluster.builder(secs(at));
            let snapshot = reports.into_iter().fold(builder, SnapshotBuilder::report).build();
            let before = engine.state().clone();
            match verify::tick(&mut engine, &snapshot) {
                Ok((outcome, violations)) => {
                    prop_assert_eq!(violations, vec![]);
                    prop_assert!(!outcome.to_string().is_empty());
                }
                Err(stale) => {
                    // A round that came too late settles its reports, and that is all.
                    let epoch = before.epoch();
                    let mut settled =
                        Engine::resume(engine.config().clone(), before, epoch).unwrap();
                    let mut commands = Vec::new();
                    for report in snapshot.reports() {
                        commands.extend(settled.report(report).commands);
                    }
                    prop_assert_eq!(stale.commands, commands);
                    prop_assert!(settled.state() == engine.state(), "{} changed the state", stale.given);
                }
            }
        }
    }

    #[test]
    fn no_history_loses_or_doubles_a_task(history in strategies::histories()) {
        let mut engine = Engine::new(history.config.clone()).unwrap();
        let mut watch = Watch::new(&history.config);
        let mut violations = Vec::new();
        let host = history.play(&mut |input| {
            let output = engine.apply(&input);
            violations.extend(watch.see(&input, &output));
            output
        });
        violations.extend(watch.unfinished());
        prop_assert_eq!(violations, vec![]);
        prop_assert_eq!(&host.faults, &Vec::<String>::new());
        prop_assert_eq!(host.lost(), vec![]);
        prop_assert_eq!(host.doubled(), vec![]);
        prop_assert_eq!(engine.state().in_flight(), 0);
        // Whether the last orders of the last round were carried out, no snapshot has shown yet.
        let is_last_order = |command: &Command| {
            let action = command.action;
            matches!(action, Action::Abort { .. } | Action::Stop { .. } | Action::Requeue)
        };
        prop_assert!(engine.outstanding().iter().all(is_last_order));
    }
}

/// What a round shows, kept until the next one, and what reports have led to since.
struct Kept {
    before: State,
    snapshot: Snapshot,
    outcome: Outcome,
    after: State,
    since: Vec<Command>,
}

/// Plays a history and judges what the answers to reports send home between rounds; how many that was.
fn judge_answers(history: &History) -> (Vec<Violation>, usize) {
    let mut engine = Engine::new(history.config.clone()).unwrap();
    let (mut violations, mut last, mut sent) = (Vec::new(), None::<Kept>, 0);
    history.play(&mut |input| {
        let before = engine.state().clone();
        let output = engine.apply(&input);
        match (input, &output) {
            (Input::Tick(snapshot), Output::Outcome(outcome)) => {
                let (outcome, after) = ((**outcome).clone(), engine.state().clone());
                last = Some(Kept { before, snapshot, outcome, after, since: Vec::new() });
            }
            (Input::Report(_), Output::Reply(reply)) => {
                if let Some(kept) = &mut last {
                    let home = |it: &&Command| it.cause() == Some(evenkeel::outcome::Cause::Return);
                    sent += reply.commands.iter().filter(home).count();
                    kept.since.extend(&reply.commands);
                    let Kept { before, snapshot, outcome, after, since } = kept;
                    let round = Round::new(engine.config(), before, snapshot, outcome, after);
                    violations.extend(verify::between_rounds(&round, since));
                }
            }
            // The reports of a snapshot that is too old are answered too.
            (Input::Tick(_), Output::Stale(stale)) => {
                if let Some(kept) = &mut last {
                    kept.since.extend(&stale.commands);
                }
            }
            _ => {}
        }
        output
    });
    (violations, sent)
}

// Few histories have such an answer.
proptest! {
    #![proptest_config(cases(10_000))]

    #[test]
    fn what_fails_between_rounds_goes_home_only_where_it_may(history in strategies::histories()) {
        prop_assert_eq!(judge_answers(&history).0, vec![]);
    }

    #[test]
    fn members_that_fail_between_rounds_go_home_only_where_they_may(
        history in strategies::bound_histories()
    ) {
        prop_assert_eq!(judge_answers(&history).0, vec![]);
    }
}

#[test]
fn tasks_do_go_home_between_rounds() {
    let mut runner = TestRunner::deterministic();
    let histories = (0..4_000).map(|_| strategies::histories().new_tree(&mut runner).unwrap());
    let sent: usize = histories.map(|tree| judge_answers(&tree.current()).1).sum();
    println!("{sent} orders judged");
    assert!(sent >= 20, "{sent} only");
}

/// In how many rounds of 400 random histories each promise was judged, had nothing to judge, and was switched off; in
/// how many a fact was in doubt, so that the rules that need it were not judged; and how often each refusal was judged.
/// What is never met proves nothing.
#[test]
fn every_promise_has_something_to_judge() {
    let mut runner = TestRunner::deterministic();
    let mut met: BTreeMap<&str, [u32; 3]> = BTreeMap::new();
    let mut refused: BTreeMap<&str, usize> = BTreeMap::new();
    let mut doubted = [0_u32; Doubt::ALL.len()];
    let mut begun = 0_u32;
    for nth in 0..400 {
        let history = match nth % 2 {
            0 => strategies::histories().new_tree(&mut runner).unwrap().current(),
            _ => strategies::bound_histories().new_tree(&mut runner).unwrap().current(),
        };
        let mut engine = Engine::new(history.config.clone()).unwrap();
        history.play(&mut |input| {
            let before = engine.state().clone();
            let output = engine.apply(&input);
            if let (Input::Tick(snapshot), Output::Outcome(outcome)) = (&input, &output) {
                let round = Round::new(engine.config(), &before, snapshot, outcome, engine.state());
                for promise in Promise::ALL {
                    let column = match promise.subjects(&round) {
                        Some(0) => 1,
                        Some(_) => 0,
                        None => 2,
                    };
                    met.entry(promise.name()).or_default()[column] += 1;
                }
                if !outcome.commands.is_empty() {
                    begun += 1;
                    for (count, doubt) in doubted.iter_mut().zip(Doubt::ALL) {
                        *count += u32::from(doubt.is_in(&round));
                    }
                }
                for row in &outcome.tally.refusals {
                    *refused.entry(row.name()).or_default() += row.examples.len();
                }
            }
            output
        });
    }
    for (promise, [judged, nothing, off]) in &met {
        println!("{judged:6} judged, {nothing:6} with nothing to judge, {off:6} off: {promise}");
        let is_open = *promise != Promise::Calibration.name();
        assert!(!is_open || *judged >= 20, "{promise} was judged {judged} times");
    }
    for (count, doubt) in doubted.iter().zip(Doubt::ALL) {
        println!("{count:6} of {begun} rounds with commands in doubt: {doubt:?}");
        assert!(count * 4 <= begun, "{doubt:?} was in doubt in {count} of {begun} rounds");
    }
    refused.iter().for_each(|(name, count)| println!("{count:6} refusals judged: {name}"));
    assert!(refused.len() >= 20, "only {} refusals were given", refused.len());
}

// ---------------------------------------------------------------- answers

/// What the engine says of the first tasks and workers, before a round.
fn asked(engine: &Engine, snapshot: &Snapshot) -> Vec<(TaskId, Verdict)> {
    let look = engine.look(snapshot);
    let workers = || snapshot.workers().iter().take(8);
    let tasks = snapshot.tasks().iter().take(8).map(|task| task.id);
    let verdicts = tasks.flat_map(|task| {
        let considered = workers().filter_map(|worker| look.consider(task, worker.id));
        let ranked = look.rank(task).unwrap_or_default();
        assert_eq!(verify::ranking(&ranked), vec![]);
        considered.chain(ranked).map(|verdict| (task, verdict)).collect::<Vec<_>>()
    });
    verdicts.collect()
}

proptest! {
    #![proptest_config(cases(500))]

    /// What `consider` and `rank` admit breaks no hard constraint by the verifier's reckoning; what they refuse, they
    /// refuse rightly.
    #[test]
    fn questions_are_answered_truly(
        history in prop_oneof![strategies::histories(), strategies::bound_histories()],
    ) {
        let mut engine = Engine::new(history.config.clone()).unwrap();
        let mut violations = Vec::new();
        history.play(&mut |input| {
            let (before, mut verdicts) = (engine.state().clone(), Vec::new());
            if let Input::Tick(snapshot) = &input {
                verdicts = asked(&engine, snapshot);
            }
            let output = engine.apply(&input);
            if let (Input::Tick(snapshot), Output::Outcome(outcome)) = (&input, &output) {
                let round = Round::new(engine.config(), &before, snapshot, outcome, engine.state());
                let verdicts = verdicts.iter().map(|(task, verdict)| (*task, verdict));
                violations.extend(verify::answers(&round, verdicts));
            }
            output
        });
        prop_assert_eq!(violations, vec![]);
    }
}

// ---------------------------------------------------------------- 1. determinism

/// The log of a history.
fn log_of(history: &History) -> Vec<(Input, Output)> {
    let mut engine = Engine::new(history.config.clone()).unwrap();
    let mut log = Vec::new();
    let mut door = strategies::logged(&mut log, |input| engine.apply(input));
    history.play(&mut door);
    drop(door);
    log
}

/// Records in the order of their keys.
fn in_order<T: Clone>(records: &[T], keys: &[u64]) -> Vec<T> {
    let mut records: Vec<(u64, T)> =
        keys.iter().cycle().copied().zip(records.iter().cloned()).collect();
    records.sort_by_key(|(key, _)| *key);
    records.into_iter().map(|(_, record)| record).collect()
}

/// Adds a second record of a worker, a task or a group that differs from the first in one field that may be left out:
/// most of them take the same number, so that only the field's place tells them apart.
fn add_twin(cluster: &mut Cluster, at: &Index, field: u8) {
    let Cluster { workers, tasks, groups, .. } = cluster;
    if field < 7 && !workers.is_empty() {
        let mut twin = at.get(workers).clone();
        match field {
            0 => twin.zone = Some(ZoneId::new(1)),
            1 => twin.health = Some(Ratio::ONE),
            2 => twin.temperature_celsius = Some(1.0),
            3 => twin.power_watts = Some(1.0),
            4 => twin.labels.push(LabelId::new(1)),
            5 => twin.reserved.set(ResourceId::CPU, 1.0),
            _ => twin.stance = Stance::Offline,
        }
        workers.push(twin);
    } else if field < 16 && !tasks.is_empty() {
        let mut twin = at.get(tasks).clone();
        let one = Duration::from_secs(1);
        match field {
            7 => twin.remaining = Some(one),
            8 => twin.progress = Some(Ratio::ONE),
            9 => twin.checkpoint_age = Some(one),
            10 => twin.state_bytes = Some(1),
            11 => twin.not_before = Some(secs(1)),
            12 => twin.extra_cost = Some(1.0),
            13 => twin.device = Some(1),
            14 => twin.used.set(ResourceId::CPU, 1.0),
            _ => twin.placement = Placement::Orphaned,
        }
        tasks.push(twin);
    } else if !groups.is_empty() {
        let mut twin = at.get(groups).clone();
        match field {
            16 => twin.members.reverse(),
            17 => twin.rule = GroupRule::Affinity,
            18 => twin.rule = GroupRule::AntiAffinity,
            _ => twin.members.push(TaskId::new(1)),
        }
        groups.push(twin);
    }
}

/// The records of a snapshot, in an order of their own.
fn shuffled(snapshot: &Snapshot, keys: &[u64]) -> Snapshot {
    let mut builder = Snapshot::builder(snapshot.at())
        .workers(in_order(snapshot.workers(), keys))
        .tasks(in_order(snapshot.tasks(), keys));
    for group in in_order(snapshot.groups(), keys) {
        let members = in_order(&group.members, keys);
        builder = builder.group(Group::new(group.id, group.rule, members));
    }
    builder = in_order(snapshot.classes(), keys).into_iter().fold(builder, SnapshotBuilder::class);
    for report in in_order(snapshot.reports(), keys) {
        builder = builder.report(report);
    }
    for bad in in_order(snapshot.bad_records(), keys) {
        builder = builder.bad_record(bad);
    }
    for freeze in in_order(snapshot.freezes(), keys) {
        builder = builder.freeze(freeze);
    }
    let partial = snapshot.coverage() == evenkeel::snapshot::Coverage::Partial;
    if partial { builder.partial().build() } else { builder.build() }
}

/// Other names in the same order.
const fn other(id: u64) -> u64 {
    id * 7 + 3
}

fn worker_name(id: WorkerId) -> WorkerId {
    WorkerId::new(other(id.raw()))
}

fn task_name(id: TaskId) -> TaskId {
    TaskId::new(other(id.raw()))
}

fn group_name(id: GroupId) -> GroupId {
    GroupId::new(other(id.raw()))
}

fn renamed_placement(placement: Placement) -> Placement {
    match placement {
        Placement::On(worker) => Placement::On(worker_name(worker)),
        Placement::Moving { migration, from, to, phase, since } => {
            let (from, to) = (from.map(worker_name), worker_name(to));
            Placement::Moving { migration, from, to, phase, since }
        }
        placement => placement,
    }
}

fn renamed_report(mut report: Report) -> Report {
    report.event = match report.event {
        Event::Diverted { migration, worker, task } => {
            Event::Diverted { migration, worker: worker_name(worker), task: task_name(task) }
        }
        Event::Performance { worker, hardware, speed } => {
            Event::Performance { worker: worker_name(worker), hardware, speed }
        }
        event => event,
    };
    report
}

fn renamed_topology(topology: TopologyId) -> TopologyId {
    TopologyId::new(other(topology.raw()))
}

fn renamed_rule(rule: GroupRule) -> GroupRule {
    match rule {
        GroupRule::Spread { max_skew, over: Topology::Label(label) } => {
            GroupRule::Spread { max_skew, over: Topology::Label(renamed_topology(label)) }
        }
        rule => rule,
    }
}

/// The same snapshot under other names.
fn renamed(snapshot: &Snapshot) -> Snapshot {
    let mut builder = Snapshot::builder(snapshot.at());
    for worker in snapshot.workers() {
        let mut worker = worker.clone();
        worker.id = worker_name(worker.id);
        let domains = worker.domains.iter();
        let domains = domains.map(|(topology, domain)| {
            (renamed_topology(*topology), DomainId::new(domain.raw() + 5))
        });
        worker.domains = domains.collect();
        builder = builder.worker(worker);
    }
    for task in snapshot.tasks() {
        let mut task = task.clone();
        task.id = task_name(task.id);
        task.placement = renamed_placement(task.placement);
        task.state_at = match task.state_at {
            Some(StateAt::Worker(id)) => Some(StateAt::Worker(worker_name(id))),
            place => place,
        };
        builder = builder.task(task);
    }
    for group in snapshot.groups() {
        let members = group.members.iter().copied().map(task_name).collect();
        let rule = renamed_rule(group.rule);
        builder = builder.group(Group::new(group_name(group.id), rule, members));
    }
    for freeze in snapshot.freezes() {
        let mut freeze = *freeze;
        freeze.scope = match freeze.scope {
            FreezeScope::Worker(id) => FreezeScope::Worker(worker_name(id)),
            FreezeScope::Group(id) => FreezeScope::Group(group_name(id)),
            scope => scope,
        };
        builder = builder.freeze(freeze);
    }
    for class in snapshot.classes() {
        let mut class = class.clone();
        let workers = class.workers.iter();
        class.workers = workers.map(|(id, points)| (worker_name(*id), *points)).collect();
        builder = builder.class(class);
    }
    for report in snapshot.reports() {
        builder = builder.report(renamed_report(*report));
    }
    let partial = snapshot.coverage() == evenkeel::snapshot::Coverage::Partial;
    if partial { builder.partial().build() } else { builder.build() }
}

/// What a command asks for, with its names changed or kept.
fn asks(command: &Command, worker: fn(WorkerId) -> WorkerId, task: fn(TaskId) -> TaskId) -> String {
    let action = match command.action {
        Action::Release { from, to } => Action::Release { from: worker(from), to: worker(to) },
        Action::Assign { to, device } => Action::Assign { to: worker(to), device },
        Action::Place { to, device } => Action::Place { to: worker(to), device },
        Action::Evict { from, hint } => Action::Evict { from: worker(from), hint: worker(hint) },
        Action::RequeueFor { from, to } => {
            Action::RequeueFor { from: worker(from), to: worker(to) }
        }
        Action::Start { from, to, device } => {
            Action::Start { from: worker(from), to: worker(to), device }
        }
        Action::Stop { from } => Action::Stop { from: worker(from) },
        Action::Abort { worker: told } => Action::Abort { worker: worker(told) },
        action => action,
    };
    let score = command.scorecard.map(|card| card.net().to_bits());
    format!("{} {} {action} {score:?}", command.migration, task(command.task))
}

/// Everything in an output but names.
fn gist(output: &Output, worker: fn(WorkerId) -> WorkerId, task: fn(TaskId) -> TaskId) -> String {
    let told = |commands: &[Command]| -> Vec<String> {
        commands.iter().map(|command| asks(command, worker, task)).collect()
    };
    match output {
        Output::Outcome(outcome) => {
            let ended: Vec<_> = outcome.ended.iter().map(|it| (it.migration, it.fate)).collect();
            let loads: Vec<_> =
                outcome.workers.iter().map(|it| (it.reported, it.projected)).collect();
            let refusals = &outcome.tally.refusals;
            let refusals: Vec<_> = refusals.iter().map(|it| (it.name(), it.count)).collect();
            let spread = match outcome.balance {
                Balance::Uneven(found) => Some((found.spread, found.over, found.under)),
                _ => None,
            };
            let commands = told(&outcome.commands);
            let system = (outcome.load, outcome.trend, outcome.thresholds, outcome.in_flight);
            format!("{commands:?} {ended:?} {loads:?} {refusals:?} {spread:?} {system:?}")
        }
        Output::Reply(reply) => format!("{:?} {}", told(&reply.commands), reply.ignored),
        Output::Stale(stale) => format!("{:?}", told(&stale.commands)),
        output => format!("{output:?}"),
    }
}

proptest! {
    #![proptest_config(cases(2_000))]

    #[test]
    fn the_order_of_records_never_matters(
        history in strategies::histories(),
        keys in vec(any::<u64>(), 1..20),
    ) {
        let mut engine = Engine::new(history.config.clone()).unwrap();
        for (input, said) in log_of(&history) {
            let input = match input {
                Input::Tick(snapshot) => Input::Tick(shuffled(&snapshot, &keys)),
                input => input,
            };
            prop_assert_eq!(engine.apply(&input), said);
        }
    }

    #[test]
    fn the_order_of_hostile_records_never_matters(
        Settings(config) in settings(),
        mut cluster in strategies::hostile(),
        twins in vec((any::<Index>(), 0..20_u8), 0..4),
        reports in strategies::reports(),
        keys in vec(any::<u64>(), 1..20),
    ) {
        twins.iter().for_each(|(at, field)| add_twin(&mut cluster, at, *field));
        let mut shuffled = cluster.clone();
        shuffled.workers = in_order(&cluster.workers, &keys);
        shuffled.tasks = in_order(&cluster.tasks, &keys);
        shuffled.groups = in_order(&cluster.groups, &keys);
        shuffled.classes = in_order(&cluster.classes, &keys);
        shuffled.groups.iter_mut().for_each(|group| group.members = in_order(&group.members, &keys));
        shuffled.unread = in_order(&cluster.unread, &keys);
        // Reports speak of what the first round began.
        let said = |cluster: &Cluster, reports: &[Report]| {
            let mut engine = Engine::new(config.clone()).unwrap();
            let first = engine.tick(&cluster.snapshot(secs(30))).unwrap();
            let builder = cluster.builder(secs(60));
            let builder = reports.iter().copied().fold(builder, SnapshotBuilder::report);
            let second = engine.tick(&builder.build()).unwrap();
            serde_json::to_string(&(first, second, engine.state())).unwrap()
        };
        prop_assert_eq!(said(&shuffled, &in_order(&reports, &keys)), said(&cluster, &reports));
    }

    #[test]
    fn names_never_matter_as_long_as_their_order_is_kept(history in strategies::histories()) {
        let mut engine = Engine::new(history.config.clone()).unwrap();
        let log = log_of(&history);
        // But to a share of all tasks, which is picked by name.
        let by_name = |config: &Config| config.scope.as_ref().is_some_and(|it| it.share < Ratio::ONE);
        let switched = log.iter().any(|(input, _)| match input {
            Input::Reconfigure(config) => by_name(config),
            _ => false,
        });
        prop_assume!(!switched && !by_name(&history.config));
        for (input, said) in log {
            let input = match input {
                Input::Tick(snapshot) => Input::Tick(renamed(&snapshot)),
                Input::Report(report) => Input::Report(renamed_report(report)),
                input => input,
            };
            let again = engine.apply(&input);
            let (worker, task) = (|id| id, |id| id);
            prop_assert_eq!(gist(&again, worker, task), gist(&said, worker_name, task_name));
        }
    }

    #[test]
    fn saving_and_resuming_at_any_moment_changes_nothing(
        history in strategies::histories(),
        at in any::<Index>(),
    ) {
        let log = log_of(&history);
        let mut engine = Engine::new(history.config.clone()).unwrap();
        let at = at.index(log.len());
        for (nth, (input, said)) in log.iter().enumerate() {
            if nth == at {
                let saved = serde_json::to_string(engine.state()).unwrap();
                let state: State = serde_json::from_str(&saved).unwrap();
                prop_assert!(&state == engine.state(), "the state reads back otherwise");
                let epoch = state.epoch();
                engine = Engine::resume(engine.config().clone(), state, epoch).unwrap();
            }
            prop_assert_eq!(&engine.apply(input), said);
        }
    }
}

// ---------------------------------------------------------------- 10. bad input

/// A sound cluster in which one task runs on a worker that is there and does not drain, and the task's row.
fn with_a_running_task() -> impl Strategy<Value = (Cluster, usize)> {
    (strategies::clusters(), any::<Index>())
        .prop_filter_map("no task runs", |(cluster, at)| {
            let runs = |task: &Task| match task.placement {
                Placement::On(id) => cluster.workers.iter().any(|worker| {
                    let stance = worker.stance;
                    worker.id == id && matches!(stance, Stance::Accept | Stance::Hold)
                }),
                _ => false,
            };
            let rows: Vec<usize> =
                (0..cluster.tasks.len()).filter(|row| runs(&cluster.tasks[*row])).collect();
            (!rows.is_empty()).then(|| (*at.get(&rows), cluster.clone()))
        })
        .prop_map(|(row, cluster)| (cluster, row))
}

fn commands(config: &Config, cluster: &Cluster) -> Vec<Command> {
    let mut engine = Engine::new(config.clone()).unwrap();
    engine.tick(&cluster.snapshot(secs(300))).unwrap().commands
}

proptest! {
    #![proptest_config(cases(2_000))]

    #[test]
    fn a_task_with_a_bad_record_stays_and_the_others_fare_as_if_it_were_pinned(
        Settings(config) in settings(),
        (cluster, row) in with_a_running_task(),
    ) {
        let (mut spoilt, mut pinned) = (cluster.clone(), cluster);
        spoilt.tasks[row].priority = 200;
        pinned.tasks[row].mobility = Mobility::Pinned;
        prop_assert_eq!(commands(&config, &spoilt), commands(&config, &pinned));
    }

    #[test]
    fn a_worker_with_a_bad_record_is_left_alone_as_if_its_load_were_unknown(
        Settings(config) in settings(),
        cluster in strategies::clusters(),
        at in any::<Index>(),
    ) {
        // To be emptied is no figure: a draining worker is emptied whether or not its load is known.
        let able = |worker: &Worker| worker.stance != Stance::Offline;
        let rows: Vec<usize> =
            (0..cluster.workers.len()).filter(|row| able(&cluster.workers[*row])).collect();
        prop_assume!(!rows.is_empty());
        let row = *at.get(&rows);
        let (mut spoilt, mut unknown) = (cluster.clone(), cluster);
        spoilt.workers[row].temperature_celsius = Some(f64::NAN);
        unknown.workers[row].temperature_celsius = None;
        unknown.workers[row].used = evenkeel::resource::Amounts::new();
        unknown.workers[row].devices.iter_mut().for_each(|device| device.used_bytes = None);
        prop_assert_eq!(commands(&config, &spoilt), commands(&config, &unknown));
    }

    #[test]
    fn records_that_nobody_refers_to_change_nothing(
        Settings(config) in settings(),
        cluster in strategies::clusters(),
        speed in prop_oneof![Just(f64::NAN), Just(-1.0), Just(0.0), Just(f64::INFINITY)],
    ) {
        let worker = WorkerId::new(1);
        let event = Event::Performance { worker, hardware: Hardware::Cpu, speed };
        let mut engine = Engine::new(config.clone()).unwrap();
        let snapshot = cluster
            .builder(secs(300))
            .report(Report::new(secs(1), event))
            .bad_record(BadRecord::new(Record::Line(7), "line", "gibberish", "readable"))
            .build();
        let outcome = engine.tick(&snapshot).unwrap();
        let mut plain = Engine::new(config).unwrap();
        let expected = plain.tick(&cluster.snapshot(secs(300))).unwrap();
        prop_assert_eq!(outcome.bad_records.len(), 2);
        prop_assert_eq!(outcome.commands, expected.commands);
        prop_assert_eq!(outcome.tally, expected.tally);
        prop_assert!(plain.state() == engine.state(), "the state has changed");
    }
}

// ---------------------------------------------------------------- 2. verdicts

/// What a task requires of any worker, literally.
fn has_what_it_needs(task: &Task, worker: &Worker) -> bool {
    let (needs, has) = (&task.requirements, worker.kinds());
    let all = needs.all_of.iter().all(|kind| has.contains(kind));
    let any = needs.any_of.is_empty() || needs.any_of.iter().any(|kind| has.contains(kind));
    let labels = needs.labels.iter().all(|label| worker.labels.contains(label))
        && needs.forbidden_labels.iter().all(|label| !worker.labels.contains(label));
    let memory = worker.capacity.get(ResourceId::MEMORY).unwrap_or(0.0);
    let memory = needs.min_memory_bytes.is_none_or(|least| memory >= least as f64);
    all && any && labels && memory && worker.stance == Stance::Accept
}

proptest! {
    #![proptest_config(cases(2_000))]

    #[test]
    fn no_verdict_allows_what_a_requirement_forbids(
        Settings(config) in settings(),
        cluster in prop_oneof![strategies::clusters(), strategies::hostile()],
    ) {
        let engine = Engine::new(config).unwrap();
        let snapshot = cluster.snapshot(secs(300));
        let look = engine.look(&snapshot);
        for task in snapshot.tasks() {
            let ranked = look.rank(task.id).unwrap();
            prop_assert_eq!(ranked.len(), snapshot.workers().len());
            for verdict in ranked {
                let considered = look.consider(task.id, verdict.worker).unwrap();
                let worker = snapshot.worker(verdict.worker).unwrap();
                for verdict in [verdict, considered] {
                    let fits = has_what_it_needs(task, worker);
                    prop_assert!(fits || !verdict.admission.is_accepted(), "{}", verdict);
                    prop_assert!(!verdict.to_string().is_empty());
                }
            }
        }
    }
}

/// A cluster in which one task, or one group that stays together, is without a worker, and nothing else is.
fn with_an_orphan() -> impl Strategy<Value = (Cluster, TaskId)> {
    let clusters =
        prop_oneof![strategies::clusters(), strategies::grouped(), strategies::accelerated()];
    (clusters, any::<Index>()).prop_filter_map("no task", |(mut cluster, at)| {
        // Of workers out of reach the tasks are without a worker too.
        cluster.workers.retain(|worker| worker.stance != Stance::Offline);
        let Cluster { workers, tasks, groups, .. } = &mut cluster;
        let known = |task: &Task| match task.placement {
            Placement::On(id) => workers.iter().any(|worker| worker.id == id),
            _ => false,
        };
        tasks.retain(known);
        tasks.sort_by_key(|task| task.id);
        tasks.dedup_by_key(|task| task.id);
        groups.iter_mut().for_each(|group| {
            group.members.retain(|id| tasks.iter().any(|task| task.id == *id));
        });
        groups.retain(|group| !group.members.is_empty());
        if tasks.is_empty() {
            return None;
        }
        let id = at.get(tasks).id;
        let mut unit = vec![id];
        for nth in 0.. {
            let Some(member) = unit.get(nth).copied() else { break };
            let bound = groups.iter().filter(|group| group.rule == GroupRule::Affinity);
            let bound = bound.filter(|group| group.members.contains(&member));
            for other in bound.flat_map(|group| group.members.iter()) {
                if !unit.contains(other) {
                    unit.push(*other);
                }
            }
        }
        for task in tasks.iter_mut().filter(|task| unit.contains(&task.id)) {
            task.placement = Placement::Orphaned;
        }
        let lead = unit.into_iter().min()?;
        Some((cluster, lead))
    })
}

/// Whether a refusal is one that rounds do not lift for a task without a worker.
fn is_hard(admission: Admission) -> bool {
    let soft = |no: &Rejection| matches!(no, Rejection::Load(LoadRefusal::WouldOverload { .. }));
    admission.rejection().is_some_and(|no| !soft(no))
}

proptest! {
    #![proptest_config(cases(2_000))]

    #[test]
    fn what_rank_approves_of_rounds_do_and_nothing_else(
        Settings(mut config) in settings(),
        (cluster, task) in with_an_orphan(),
    ) {
        prop_assume!(config.migration.is_some());
        (config.mode, config.scope) = (Mode::Act, None);
        let mut engine = Engine::new(config).unwrap();
        let snapshot = cluster.snapshot(secs(300));
        let ranked = engine.look(&snapshot).rank(task).unwrap();
        let hard = |worker: WorkerId| {
            ranked.iter().any(|verdict| verdict.worker == worker && is_hard(verdict.admission))
        };
        let outcome = engine.tick(&snapshot).unwrap();
        let places = outcome.commands.iter().filter(|command| command.task == task);
        let placed: Vec<WorkerId> = places
            .filter_map(|command| match command.action {
                Action::Place { to, .. } => Some(to),
                _ => None,
            })
            .collect();
        // Every place that a round gives is one that the answer has, and there is one if it has any.
        prop_assert!(!placed.iter().any(|to| hard(*to)), "{:?} of {:?}", placed, ranked);
        let any = ranked.iter().any(|verdict| !is_hard(verdict.admission));
        prop_assert_eq!(any, placed.len() == 1, "{:?} of {:?}\n{}", placed, ranked, outcome);
        let refused = outcome.tally.refusals.iter().flat_map(|row| &row.examples);
        for refused in refused.filter(|refused| refused.task == task) {
            // One refusal may stand for all workers that lack the hardware.
            let to = refused.to;
            prop_assert!(to.is_none_or(hard), "{} of {:?}", refused, ranked);
        }
    }
}

// ---------------------------------------------------------------- 5. silence

/// Equal workers of 32 cores and tasks that ask for CPU only: each move takes from a worker at x and leaves its target
/// at least a dead band below, so that the sum of the squared loads falls by at least 2 x size x dead band. It cannot
/// fall below nothing, which bounds the number of moves.
fn most_moves(history: &History) -> f64 {
    let cores = |task: &Task| task.demand.get(ResourceId::CPU).unwrap_or(0.0) / 32.0;
    let tasks = &history.cluster.tasks;
    let loads = history.cluster.workers.iter().map(|worker| {
        let here = tasks.iter().filter(|task| task.placement == Placement::On(worker.id));
        here.map(cores).sum::<f64>()
    });
    let squares: f64 = loads.map(|load| load * load).sum();
    let least = tasks.iter().map(cores).fold(f64::INFINITY, f64::min);
    let dead_band = history.config.stability.map_or(0.0, |section| section.dead_band);
    squares / (2.0 * least * dead_band)
}

/// Plays a history with the stability section on. Returns what the watch finds, and how many moves each round begins.
fn played(history: &mut History) -> (Vec<Violation>, Vec<usize>) {
    history.config.stability = Config::default().stability;
    let mut engine = Engine::new(history.config.clone()).unwrap();
    let mut watch = Watch::new(&history.config);
    let (mut violations, mut begun) = (Vec::new(), Vec::new());
    history.play(&mut |input| {
        let output = engine.apply(&input);
        if let Output::Outcome(outcome) = &output {
            begun.push(outcome.begun().count());
        }
        violations.extend(watch.see(&input, &output));
        output
    });
    (violations, begun)
}

proptest! {
    #![proptest_config(cases(2_000))]

    #[test]
    fn under_constant_load_the_engine_falls_silent(mut history in strategies::constant_histories()) {
        let (violations, begun) = played(&mut history);
        prop_assert_eq!(violations, vec![]);
        let moves: usize = begun.iter().sum();
        prop_assert!(moves as f64 <= most_moves(&history), "{} moves", moves);
        // The last twenty minutes are four cooldowns and twice what a forecast looks back on.
        let late: usize = begun[40..].iter().sum();
        prop_assert_eq!(late, 0, "moves by round: {:?}", begun);
    }
}

proptest! {
    #![proptest_config(cases(2_000))]

    #[test]
    fn wishes_for_faster_hardware_come_to_rest_too(mut history in strategies::constant_wishes()) {
        let (violations, begun) = played(&mut history);
        prop_assert_eq!(violations, vec![]);
        // The last twenty minutes are four cooldowns and twice what a forecast looks back on.
        let late: usize = begun[40..].iter().sum();
        prop_assert_eq!(late, 0, "moves by round: {:?}", begun);
    }
}

/// `cargo test --release --test properties -- --ignored --nocapture random_starts`.
#[test]
#[ignore = "a measurement: it takes minutes"]
fn ten_thousand_random_starts_fall_silent() {
    let mut runner = TestRunner::deterministic();
    let strategy = strategies::constant_histories();
    let (mut last, mut most, mut again) = ((0, 0), (0, 0), Vec::new());
    for start in 0..10_000 {
        let mut history = strategy.new_tree(&mut runner).unwrap().current();
        history.config = Config::default();
        let mut engine = Engine::new(history.config.clone()).unwrap();
        let mut moved: BTreeMap<TaskId, Vec<String>> = BTreeMap::new();
        let mut round = 0;
        history.play(&mut |input| {
            let output = engine.apply(&input);
            if let Output::Outcome(outcome) = &output {
                round += 1;
                for command in outcome.begun() {
                    moved.entry(command.task).or_default().push(format!("{round}: {command}"));
                    last = last.max((round, start));
                }
            }
            output
        });
        most = most.max((moved.values().map(Vec::len).sum(), start));
        let twice = moved.into_values().find(|moves| moves.len() > 1);
        again.extend(twice.map(|moves| (start, moves)));
    }
    println!("the last move of all was in round {} of 60, of start {}", last.0, last.1);
    println!("the most moves of one start were {}, of start {}", most.0, most.1);
    println!("a task moved twice in {} starts: {again:#?}", again.len());
    assert!(last.0 <= 40, "the last twenty minutes are silent");
    assert!(again.is_empty(), "no task moves twice");
}

// ---------------------------------------------------------------- 7. what is free (all remedies: tests/remedies.rs)

/// The verdict on the first task of the cluster going to the worker in this row.
fn verdict(config: &Config, cluster: &Cluster, at: Timestamp, worker: usize) -> Option<Admission> {
    let engine = Engine::new(config.clone()).unwrap();
    let snapshot = cluster.snapshot(at);
    let (task, worker) = (cluster.tasks.first()?.id, cluster.workers.get(worker)?.id);
    engine.look(&snapshot).consider(task, worker).map(|verdict| verdict.admission)
}

/// A little more than `amount` of `capacity`, whatever its size: room for the rounding of a sum.
fn more(amount: f64, capacity: f64) -> f64 {
    amount * (1.0 + 1e-9) + capacity * 1e-12 + f64::MIN_POSITIVE
}

/// The first refusals of a cluster for want of room: task row, worker row, resource, what is said to be free, and the capacity.
fn without_room(config: &Config, cluster: &Cluster) -> Vec<(usize, usize, ResourceId, [f64; 2])> {
    let engine = Engine::new(config.clone()).unwrap();
    let snapshot = cluster.snapshot(secs(300));
    let (tasks, workers) = (snapshot.tasks().len(), snapshot.workers().len());
    // What a task with alternatives asks for is not what its own demand says.
    let is_plain = |task: &Task| {
        // Tasks that stay together are asked for room together.
        let mut bound = snapshot.groups().iter().filter(|it| it.rule == GroupRule::Affinity);
        task.alternatives.is_empty() && !bound.any(|group| group.members.contains(&task.id))
    };
    let plain = (0..tasks).filter(|task| is_plain(&snapshot.tasks()[*task]));
    let pairs = plain.flat_map(|task| (0..workers).map(move |worker| (task, worker)));
    let look = engine.look(&snapshot);
    let found = pairs.filter_map(|(task, worker)| {
        let (id, to) = (snapshot.tasks()[task].id, snapshot.workers()[worker].id);
        match look.consider(id, to)?.admission.rejection()? {
            Rejection::Fit(FitRefusal::NoHeadroom { resource, free, capacity, .. }) => {
                Some((task, worker, *resource, [*free, *capacity]))
            }
            _ => None,
        }
    });
    found.take(4).collect()
}

proptest! {
    #![proptest_config(cases(2_000))]

    #[test]
    fn what_is_said_to_be_free_fits_and_nothing_more(
        Settings(config) in settings(),
        mut cluster in prop_oneof![strategies::crowded(), strategies::clusters()],
    ) {
        cluster.workers.sort_by_key(|worker| worker.id);
        cluster.tasks.sort_by_key(|task| task.id);
        for (task, worker, resource, [free, capacity]) in without_room(&config, &cluster) {
            // Whether it lacks room for so much of this resource; for lack of something else it may stay as well.
            let answer = |amount: f64| {
                let mut cluster = cluster.clone();
                cluster.tasks.swap(0, task);
                cluster.tasks[0].demand.set(resource, amount);
                verdict(&config, &cluster, secs(300), worker).unwrap()
            };
            let lacks = |amount: f64| {
                let admission = answer(amount);
                match admission.rejection().copied() {
                    Some(Rejection::Fit(FitRefusal::NoHeadroom { resource: lacking, needed, free: told, .. })) => {
                        (lacking == resource).then_some((needed, told))
                    }
                    _ => None,
                }
            };
            let (most, over) = (free.max(0.0), more(free.max(0.0), capacity));
            // With less of it, the task goes home: what has yet to leave for the same worker makes room for it.
            let no = answer(over).rejection().copied();
            if matches!(no, Some(Rejection::Task(TaskRefusal::InFlight { .. }))) {
                continue;
            }
            prop_assert_eq!(lacks(most), None, "{} of {} do not fit", most, resource);
            // Where room is kept for the task itself, what is free is the rest of a sum that contains the task.
            let same = |told: f64| (told - free).abs() <= 1e-12 * free.abs().max(capacity);
            let said = lacks(over);
            let is_over = |needed: f64| needed.total_cmp(&over).is_eq();
            let is_said = said.is_some_and(|(needed, told)| is_over(needed) && same(told));
            prop_assert!(is_said, "{} of {} fit: {:?}, and {} were free", over, resource, said, free);
        }
    }
}

// ---------------------------------------------------------------- what was found once

/// Feeds snapshots; the last outcome.
fn ticks(engine: &mut Engine, snapshots: &[Snapshot]) -> Outcome {
    let outcomes = snapshots.iter().map(|snapshot| {
        let (outcome, violations) = verify::tick(engine, snapshot).unwrap();
        assert_eq!(violations, []);
        outcome
    });
    outcomes.last().expect("a snapshot at least")
}

fn of(id: u64, cores: f64) -> Task {
    Task::new(TaskId::new(id)).with_demand(ResourceId::CPU, cores)
}

fn event(engine: &mut Engine, at: u64, event: Event) -> Vec<Command> {
    engine.report(&Report::new(secs(at), event)).commands
}

/// A move of t1 from w1 to w2 at 30 s, released at 31 s.
fn under_way() -> (Engine, MigrationId) {
    let mut engine = Engine::new(Config::default()).unwrap();
    let snapshot = Snapshot::builder(secs(30))
        .workers([cpu(1, 9.5), cpu(2, 1.0)])
        .tasks([task(1, 1, 4.0), task(2, 1, 5.5).with_mobility(Mobility::Pinned)])
        .build();
    let migration = ticks(&mut engine, &[snapshot]).commands[0].migration;
    let assigned = event(&mut engine, 31, Event::Released { migration });
    assert_eq!(assigned[0].to_string(), "m0.1 t1 assigned to w2: released by its source");
    (engine, migration)
}

/// So many of 3,000 random clusters show what the rules of groups do: what is never met proves nothing.
#[test]
fn random_groups_meet_every_rule() {
    let mut runner = TestRunner::deterministic();
    let mut met: BTreeMap<&str, u32> = BTreeMap::new();
    for _ in 0..3_000 {
        let cluster = strategies::bound().new_tree(&mut runner).unwrap().current();
        let mut config = Config::default();
        let limits = config.migration.as_mut().unwrap();
        limits.max_simultaneous = std::num::NonZeroU32::new(6).unwrap();
        let outcome = Engine::new(config).unwrap().tick(&cluster.snapshot(secs(300))).unwrap();
        let along = |command: &&Command| matches!(command.reason(), Some(Reason::Along { .. }));
        *met.entry("along").or_default() += u32::from(outcome.commands.iter().any(|it| along(&it)));
        for row in &outcome.tally.refusals {
            *met.entry(row.name()).or_default() += 1;
        }
    }
    for name in ["along", "affinity", "anti-affinity", "companion", "disruption", "gang", "spread"]
    {
        let count = met.get(name).copied().unwrap_or(0);
        println!("{count:4} {name}");
        assert!(count >= 20, "{name} is met {count} times");
    }
}

#[test]
fn a_failure_told_twice_is_one_failure() {
    let (mut engine, migration) = under_way();
    let back = event(&mut engine, 32, Event::Failed { migration });
    assert!(matches!(back[0].action, Action::Assign { to, .. } if to == WorkerId::new(1)));
    // Taken for a failure of the way home, it would send the task to w2 while w1 takes it back.
    assert_eq!(event(&mut engine, 32, Event::Failed { migration }), []);
    assert_eq!(engine.outstanding(), back);
}

#[test]
fn a_task_missing_from_snapshots_is_given_back_when_its_target_never_answers() {
    let (mut engine, _) = under_way();
    let missing = Snapshot::builder(secs(700))
        .workers([cpu(1, 5.5), cpu(2, 1.0)])
        .task(task(2, 1, 5.5).with_mobility(Mobility::Pinned))
        .build();
    let outcome = ticks(&mut engine, &[missing]);
    let actions: Vec<Action> = outcome.commands.iter().map(|command| command.action).collect();
    assert_eq!(actions, [Action::Abort { worker: WorkerId::new(2) }, Action::Requeue]);
    assert_eq!(outcome.ended[0].fate, Fate::TimedOut);
}

#[test]
fn a_member_on_its_way_here_keeps_its_group_here() {
    let mut engine = Engine::new(Config::default()).unwrap();
    let group =
        || Group::new(GroupId::new(1), GroupRule::Affinity, vec![TaskId::new(1), TaskId::new(2)]);
    let orphaned = |id| {
        let mut task = of(id, 4.4);
        task.placement = Placement::Orphaned;
        task
    };
    let first = Snapshot::builder(secs(30))
        .workers([cpu(1, 0.0), cpu(2, 9.0)])
        .tasks([orphaned(1), orphaned(2)])
        .group(group())
        .build();
    let placed = ticks(&mut engine, &[first]);
    assert_eq!(placed.begun().count(), 2);
    // t1 runs; t2 is still on its way to w1, which stands at 0.88 with it. t1 must not leave.
    let second = Snapshot::builder(secs(60))
        .workers([cpu(1, 4.4), cpu(2, 0.0)])
        .tasks([task(1, 1, 4.4), orphaned(2)])
        .group(group())
        .build();
    assert_eq!(ticks(&mut engine, &[second]).begun().count(), 0);
}

#[test]
fn what_is_adrift_weighs_on_its_source_no_more() {
    let mut engine = Engine::new(Config::default()).unwrap();
    let task = of(1, 4.0).with_placement(Placement::Moving {
        migration: MigrationId::new(evenkeel::id::Epoch::FIRST, 9),
        from: Some(WorkerId::new(1)),
        to: WorkerId::new(2),
        phase: evenkeel::snapshot::Phase::Released,
        since: secs(29),
    });
    let source = cpu(1, 6.0).with_metric_age(Duration::from_secs(10));
    let snapshot = Snapshot::builder(secs(30)).workers([source, cpu(2, 9.0)]).task(task).build();
    let outcome = ticks(&mut engine, &[snapshot]);
    assert!((outcome.workers[0].projected.unwrap().get() - 0.2).abs() < 1e-9);
}

#[test]
fn what_is_adrift_and_listed_nowhere_leaves_its_source_free() {
    let (mut engine, migration) = under_way();
    for at in [32, 33] {
        let _home = event(&mut engine, at, Event::Failed { migration });
    }
    // Neither will have t1. What it asked for at w1 is free for another, which has room nowhere else.
    let orphan = of(3, 4.0).with_placement(Placement::Orphaned);
    let without = Snapshot::builder(secs(60)).workers([cpu(1, 5.5), cpu(2, 9.0)]).tasks([
        task(2, 1, 5.5),
        task(4, 2, 9.0),
        orphan,
    ]);
    let outcome = ticks(&mut engine, &[without.build()]);
    assert_eq!(outcome.commands[0].to_string(), "m0.2 t3 placed on w1: its worker is gone");
}

#[test]
fn an_orphan_weighs_on_its_new_worker_until_measurements_show_it() {
    let mut engine = Engine::new(Config::default()).unwrap();
    let orphan = of(1, 4.0).with_placement(Placement::Orphaned);
    let lost = Snapshot::builder(secs(30)).worker(cpu(1, 0.0)).task(orphan).build();
    let migration = ticks(&mut engine, &[lost]).commands[0].migration;
    assert_eq!(event(&mut engine, 50, Event::Running { migration }), []);
    let worker = cpu(1, 0.0).with_metric_age(Duration::from_secs(20));
    let stale = Snapshot::builder(secs(60)).worker(worker).task(task(1, 1, 4.0)).build();
    let outcome = ticks(&mut engine, &[stale]);
    assert!((outcome.workers[0].projected.unwrap().get() - 0.4).abs() < 1e-9);
}

/// How many workers the engine remembers.
fn tracked(engine: &Engine) -> usize {
    let sizes = engine.state().sizes();
    sizes.into_iter().find(|(name, _)| *name == "tracked workers").map_or(0, |(_, size)| size)
}

#[test]
fn workers_that_only_pass_by_in_partial_snapshots_are_forgotten() {
    let config = Config::default().without_grace().without_safeguard();
    let mut engine = Engine::new(config).unwrap();
    // A complete snapshot with w1 to w3, then a new name every half minute and nobody else.
    let first = Snapshot::builder(secs(30)).workers([cpu(1, 1.0), cpu(2, 1.0), cpu(3, 1.0)]);
    let _calm = ticks(&mut engine, &[first.build()]);
    for nth in 2..1_000 {
        let at = secs(30 * nth);
        let snapshot = Snapshot::builder(at).worker(cpu(100 + nth, 1.0)).partial();
        let (worker, hardware) = (WorkerId::new(100 + nth), Hardware::Cpu);
        let _calm = ticks(&mut engine, &[snapshot.build()]);
        event(&mut engine, 30 * nth, Event::Performance { worker, hardware, speed: 1.5 });
        // Three of the complete snapshot, and those of the last ten minutes.
        assert!(tracked(&engine) <= 3 + 21, "{} after {nth} rounds", tracked(&engine));
    }
    let learned = engine.state().sizes().into_iter().find(|(name, _)| *name == "learned");
    assert_eq!(learned, Some(("learned", 21)));
    // Who was in the complete snapshot is remembered: its task is without a worker once one comes without it.
    let last = Snapshot::builder(secs(40_000)).worker(cpu(2, 1.0)).task(task(1, 1, 1.0)).build();
    let outcome = ticks(&mut engine, &[last]);
    assert_eq!(outcome.commands[0].to_string(), "m0.1 t1 placed on w2: its worker is gone");
    assert_eq!(tracked(&engine), 2);
}

#[test]
fn absurd_loads_stay_numbers() {
    let mut worker = Worker::new(WorkerId::new(1)).with_capacity(ResourceId::CPU, 1e-300);
    worker.used.set(ResourceId::CPU, 1e300);
    let mut engine = Engine::new(Config::reference()).unwrap();
    let snapshot = Snapshot::builder(secs(30)).workers([worker, cpu(2, 1e300)]).build();
    let outcome = ticks(&mut engine, &[snapshot]);
    let text = serde_json::to_string(&outcome).unwrap();
    assert_eq!(serde_json::from_str::<Outcome>(&text).unwrap(), outcome);
}

#[test]
fn every_promise_has_a_name_of_its_own() {
    let mut names: Vec<String> = Promise::ALL.iter().map(ToString::to_string).collect();
    names.sort();
    names.dedup();
    assert_eq!(names.len(), 10);
    assert!(!Promise::Calibration.is_kept_by(&Config::default()));
    assert!(!Promise::NoPingPong.is_kept_by(&Config::reference()));
    assert!(Promise::NoPingPong.is_kept_by(&Config::default()));
}
