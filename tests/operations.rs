//! Operated like any service: killed and resumed, told to advise, reconfigured at any moment.
#![forbid(unsafe_code)]

#[path = "setup/cases.rs"]
mod cases;

use std::collections::{BTreeMap, BTreeSet};

use evenkeel::config::{Mode, Scope, TaskScope};
use evenkeel::engine::{Input, Output};
use evenkeel::id::{Epoch, MigrationId};
use evenkeel::outcome::{BudgetRefusal, Difference, Rejection};
use evenkeel::ratio::Ratio;
use evenkeel::snapshot::Placement;
use evenkeel::testkit::strategies::{self, Failover, Happening, History, Turn};
use evenkeel::verify::Watch;
use evenkeel::{Action, Command, Config, Engine, Outcome, Snapshot, TaskId};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config as Runs, RngAlgorithm, TestRng, TestRunner};

use cases::cases;

// ---------------------------------------------------------------- advise equals act

/// What a round of `engine` in this mode would say, and the state it would leave.
fn in_mode(engine: &Engine, mode: Mode, snapshot: &Snapshot) -> Option<(Outcome, Engine)> {
    let mut config = engine.config().clone();
    config.mode = mode;
    let mut other = engine.clone();
    other.reconfigure(config).unwrap();
    let outcome = other.tick(snapshot).ok()?;
    Some((outcome, other))
}

/// The same outcome without what its mode decides.
fn grounds(outcome: &Outcome) -> Outcome {
    let mut same = outcome.clone();
    (same.mode, same.commands, same.proposed) = (Mode::Act, Vec::new(), Vec::new());
    (same.counts, same.in_flight) = Default::default();
    same
}

fn is_adopted(snapshot: &Snapshot, command: &Command) -> bool {
    let placement = snapshot.task(command.task).map(|task| task.placement);
    matches!(placement, Some(Placement::Moving { migration, .. }) if migration == command.migration)
}

#[test]
fn advise_equals_act_on_ten_thousand_random_ticks() {
    let dice = TestRng::from_seed(RngAlgorithm::ChaCha, &[5; 32]);
    let mut runner = TestRunner::new_with_rng(Runs::default(), dice);
    let (mut ticks, mut proposals, mut untouched) = (0, 0, 0);
    while ticks < 10_000 {
        let mut history = strategies::histories().new_tree(&mut runner).unwrap().current();
        history.config.mode = Mode::Act;
        let mut engine = Engine::new(history.config.clone()).unwrap();
        history.play(&mut |input| {
            let Input::Tick(snapshot) = &input else { return engine.apply(&input) };
            let known: BTreeSet<MigrationId> =
                engine.outstanding().iter().map(|command| command.migration).collect();
            let act = in_mode(&engine, Mode::Act, snapshot);
            let advise = in_mode(&engine, Mode::Advise, snapshot);
            let observe = in_mode(&engine, Mode::Observe, snapshot);
            if let (Some((act, _)), Some((advise, advised)), Some((observe, observed))) =
                (act, advise, observe)
            {
                let newest = known.iter().max().copied();
                let is_new = |it: &Command| {
                    let old = engine.state().in_flight() > 0
                        && newest.is_some_and(|id| it.migration <= id);
                    !old && !is_adopted(snapshot, it) && !advise.commands.contains(it)
                };
                let (begun, told): (Vec<Command>, Vec<Command>) =
                    act.commands.iter().copied().partition(is_new);
                assert_eq!(begun, advise.proposed, "{act}\n{advise}");
                assert_eq!(told, advise.commands, "{act}\n{advise}");
                assert_eq!(grounds(&act), grounds(&advise));
                // Where nothing under way takes another turn by it, advice leaves what watching leaves. (What else is
                // advised is worked out from what is proposed.)
                if advise.commands == observe.commands && engine.config().advice.is_none() {
                    assert_eq!(advised.state(), observed.state());
                    untouched += 1;
                }
                ticks += 1;
                proposals += advise.proposed.len();
            }
            engine.apply(&input)
        });
    }
    println!("{ticks} ticks, {proposals} proposals, {untouched} left what watching leaves");
    assert!(proposals > 2_000 && untouched > 6_000);
}

// ---------------------------------------------------------------- shadow against live

/// What a round does with each task, or would do: the commands that begin something, and those that follow.
fn deeds(outcome: &Outcome) -> (BTreeMap<TaskId, Command>, Vec<Command>) {
    let all = outcome.commands.iter().chain(&outcome.proposed).copied();
    let (begins, follows): (Vec<_>, Vec<_>) =
        all.partition(|command| command.action.begins().is_some());
    (begins.into_iter().map(|command| (command.task, command)).collect(), follows)
}

/// The sentences that must be there, without their refusals, each once.
fn sentences(live: &Outcome, shadow: &Outcome) -> Vec<String> {
    let way = |it: &Command| match it.alternative {
        Some(nth) => format!("{} by alternative {nth}", it.action),
        None => it.action.to_string(),
    };
    let only = |who: &str, it: &Command, other: &str| {
        format!("{who} has {} {} ({}), {other} does not", it.task, way(it), it.why)
    };
    let ((ours, after), (theirs, thereafter)) = (deeds(live), deeds(shadow));
    let mut said = Vec::new();
    for task in ours.keys().chain(theirs.keys()).collect::<BTreeSet<_>>() {
        said.extend(match (ours.get(task), theirs.get(task)) {
            (Some(one), None) => Some(only("live", one, "shadow")),
            (None, Some(other)) => Some(only("shadow", other, "live")),
            (Some(one), Some(other)) if way(one) != way(other) => {
                Some(format!("live has {task} {}, shadow {}", way(one), way(other)))
            }
            (Some(one), Some(other)) if one.why != other.why => Some(format!(
                "live has {task} {} because {}, shadow because {}",
                way(one),
                one.why,
                other.why
            )),
            _ => None,
        });
    }
    let has = |list: &[Command], it: &Command| {
        list.iter().any(|other| (other.task, other.action) == (it.task, it.action))
    };
    let lone = after.iter().filter(|it| !has(&thereafter, it));
    said.extend(lone.map(|it| only("live", it, "shadow")));
    let lone = thereafter.iter().filter(|it| !has(&after, it));
    said.extend(lone.map(|it| only("shadow", it, "live")));
    said
}

/// The same difference, seen from the other side.
fn turned(difference: &Difference) -> Difference {
    match difference.clone() {
        Difference::Snapshot { live, shadow } => {
            Difference::Snapshot { live: shadow, shadow: live }
        }
        Difference::Thresholds { live, shadow } => {
            Difference::Thresholds { live: shadow, shadow: live }
        }
        Difference::Forecast { live, shadow } => {
            Difference::Forecast { live: shadow, shadow: live }
        }
        Difference::Balance { live, shadow } => Difference::Balance { live: shadow, shadow: live },
        Difference::Reason { live, shadow } => Difference::Reason { live: shadow, shadow: live },
        Difference::OnlyLive { command, refusal } => Difference::OnlyShadow { command, refusal },
        Difference::OnlyShadow { command, refusal } => Difference::OnlyLive { command, refusal },
        Difference::Target { live, shadow, live_refusal, shadow_refusal } => Difference::Target {
            live: shadow,
            shadow: live,
            live_refusal: shadow_refusal,
            shadow_refusal: live_refusal,
        },
        other => other,
    }
}

/// What is wrong with what is said of two rounds over one snapshot.
fn misreported(live: &Outcome, shadow: &Outcome) -> Vec<String> {
    let mut wrong = Vec::new();
    let there = live.differences(shadow);
    for same in [live, shadow] {
        if same.differences(same).to_string() != "no difference" {
            wrong.push(format!("it differs from itself: {}", same.differences(same)));
        }
    }
    let mut back: Vec<Difference> = shadow.differences(live).list.iter().map(turned).collect();
    for difference in &there.list {
        match back.iter().position(|other| other == difference) {
            Some(at) => drop(back.swap_remove(at)),
            None => wrong.push(format!("only from one side: {difference}")),
        }
    }
    wrong.extend(back.iter().map(|difference| format!("only from the other: {difference}")));
    let all = there.to_string();
    let mut lines: Vec<&str> = all.lines().collect();
    if lines.len() != there.list.len().max(1) {
        wrong.push(format!("{} differences are {} lines", there.list.len(), lines.len()));
    }
    for sentence in sentences(live, shadow) {
        // The longest that begins so: one reason may begin like another.
        match lines.iter().position(|line| {
            line.strip_prefix(&sentence).is_some_and(|rest| {
                rest.is_empty() || rest.starts_with(": ") || rest.starts_with("; ")
            })
        }) {
            Some(at) => drop(lines.remove(at)),
            None => wrong.push(format!("nobody says: {sentence}")),
        }
    }
    let grounds = ["live has read", "thresholds:", "forecast:", "balance:", "no difference"];
    let rest = lines.iter().filter(|line| !grounds.iter().any(|word| line.starts_with(word)));
    wrong.extend(rest.map(|line| format!("nothing is behind: {line}")));
    wrong
}

/// Two rounds over each snapshot of a history: that of the engine that acts, and that of a shadow with other settings,
/// which has read along, or goes on from the other's state.
fn shadowed(
    history: &History,
    other: &Config,
    afresh: bool,
    see: &mut dyn FnMut(&Outcome, &Outcome),
) {
    let mut other = other.clone();
    other.mode = Mode::Advise;
    let mut live = Engine::new(history.config.clone()).unwrap();
    let mut shadow = Engine::new(other.clone()).unwrap();
    history.play(&mut |input| {
        if afresh {
            let (state, epoch) = (live.state().clone(), live.state().epoch());
            shadow = Engine::resume(other.clone(), state, epoch).unwrap();
        }
        let output = live.apply(&input);
        let meant_for_both = !matches!(input, Input::Reconfigure(_));
        let beside = meant_for_both.then(|| shadow.apply(&input));
        if let (Output::Outcome(live), Some(Output::Outcome(shadow))) = (&output, &beside) {
            see(live, shadow);
        }
        output
    });
}

proptest! {
    #![proptest_config(cases(2_000))]

    #[test]
    fn shadow_says_each_difference_once_and_nothing_else(
        history in strategies::histories(),
        other in strategies::any_config(),
        afresh in any::<bool>(),
    ) {
        let mut wrong = Vec::new();
        shadowed(&history, &other, afresh, &mut |live, shadow| {
            wrong.extend(misreported(live, shadow));
        });
        prop_assert_eq!(wrong, Vec::<String>::new());
    }
}

// ---------------------------------------------------------------- killed and resumed

/// Every id that was issued, and the task it was issued for.
#[derive(Default)]
struct Ids(BTreeMap<MigrationId, TaskId>);

impl Ids {
    /// Ids that are issued a second time; a placement may be made again, under the id it has.
    fn issue(&mut self, before: &[Command], output: &Output) -> Vec<String> {
        let Output::Outcome(outcome) = output else { return Vec::new() };
        let mut again = Vec::new();
        for command in outcome.begun() {
            let known = before.iter().any(|it| it.migration == command.migration);
            let fresh = self.0.insert(command.migration, command.task).is_none();
            let replaced = matches!(command.action, Action::Place { .. });
            if !fresh && !known && !replaced {
                again.push(format!("{command}: issued again"));
            }
        }
        again
    }
}

/// Plays a failover; what went wrong.
fn killed_and_resumed(failover: &Failover) -> Vec<String> {
    let limits = failover.history.config.migration.clone().unwrap_or_default();
    let most = limits.adaptive.map_or(limits.max_simultaneous, |section| section.most);
    let most = most.get() as usize;
    let mut mortal = failover.engine().unwrap();
    let mut steady = Engine::new(failover.history.config.clone()).unwrap();
    let (mut ids, mut wrong, mut parted) = (Ids::default(), Vec::new(), false);
    let host = failover.play(&mut |input| {
        let before = mortal.engine().outstanding();
        let epoch = mortal.engine().state().epoch();
        let output = mortal.apply(&input);
        wrong.extend(ids.issue(&before, &output));
        let steadily = steady.apply(&input);
        parted |= mortal.engine().state().epoch() != epoch;
        if !parted && steadily != output {
            wrong.push("two engines that hear the same say different things".into());
        }
        // What the other one issues meanwhile has other ids.
        if let (Output::Outcome(outcome), true) = (&steadily, parted) {
            let issued = outcome.begun().map(|command| command.migration);
            wrong.extend(
                issued
                    .filter(|id| id.epoch() == mortal.engine().state().epoch())
                    .map(|id| format!("{id} is issued by both")),
            );
        }
        output
    });
    wrong.extend(host.faults.iter().cloned());
    wrong.extend(host.lost().iter().map(|task| format!("{task} is lost")));
    if host.most_moves > most {
        wrong.push(format!("{} moves at once, at most {most}", host.most_moves));
    }
    wrong.extend(mortal.refused().iter().cloned());
    if mortal.engine().state().in_flight() > 0 {
        wrong.push(format!("still under way: {:?}", mortal.engine().outstanding()));
    }
    wrong
}

proptest! {
    #![proptest_config(cases(1_000))]

    #[test]
    fn killed_and_resumed_no_id_is_issued_twice_and_no_task_is_moved_twice(
        failover in strategies::failovers(),
    ) {
        prop_assert_eq!(killed_and_resumed(&failover), Vec::<String>::new());
    }
}

/// Which lines of the table hold a later life back, at once and over time: some of every scope.
#[test]
fn every_budget_is_short_after_a_death() {
    let dice = TestRng::from_seed(RngAlgorithm::ChaCha, &[7; 32]);
    let mut runner = TestRunner::new_with_rng(Runs::default(), dice);
    let mut met: BTreeMap<(Scope, bool), u32> = BTreeMap::new();
    for _ in 0..2_000 {
        let failover = strategies::failovers().new_tree(&mut runner).unwrap().current();
        let mut mortal = failover.engine().unwrap();
        failover.play(&mut |input| {
            let output = mortal.apply(&input);
            let Output::Outcome(outcome) = &output else { return output };
            let later = outcome.epoch > Epoch::FIRST;
            let refusals = outcome.tally.refusals.iter().filter(|_| later);
            for refused in refusals.flat_map(|refusals| &refusals.examples) {
                let line = match refused.rejection {
                    Rejection::Budget(BudgetRefusal::BudgetLine { scope, per, .. }) => {
                        (scope, per.is_some())
                    }
                    Rejection::Budget(BudgetRefusal::BudgetInDoubt { scope, .. }) => (scope, true),
                    _ => continue,
                };
                *met.entry(line).or_default() += 1;
            }
            output
        });
    }
    println!("{met:?}");
    let scopes: BTreeSet<Scope> = met.keys().map(|(scope, _)| *scope).collect();
    assert_eq!(scopes.len(), 8, "{met:?}");
}

// ---------------------------------------------------------------- reconfigured

/// A history in which the operator switches something in every turn.
fn restless() -> impl Strategy<Value = History> {
    (strategies::histories(), vec(0..9_u8, 14)).prop_map(|(mut history, switches)| {
        for (turn, which) in history.turns.iter_mut().zip(switches) {
            turn.happening = turn.happening.or(Some(Happening::Switch(which)));
        }
        history
    })
}

proptest! {
    #![proptest_config(cases(2_000))]

    #[test]
    fn new_settings_in_any_phase_drop_nothing(history in restless()) {
        let mut engine = Engine::new(history.config.clone()).unwrap();
        let mut watch = Watch::new(&history.config);
        let mut wrong = Vec::new();
        let host = history.play(&mut |input| {
            let (before, flying) = (engine.outstanding(), engine.state().in_flight());
            let output = engine.apply(&input);
            let kept = engine.outstanding() == before && engine.state().in_flight() == flying;
            if matches!(input, Input::Reconfigure(_)) && !kept {
                wrong.push(format!("{before:?} became {:?}", engine.outstanding()));
            }
            wrong.extend(watch.see(&input, &output).iter().map(ToString::to_string));
            output
        });
        wrong.extend(watch.unfinished().iter().map(ToString::to_string));
        wrong.extend(host.faults.iter().cloned());
        prop_assert_eq!(wrong, Vec::<String>::new());
        prop_assert_eq!(host.lost(), vec![]);
        prop_assert_eq!(engine.state().in_flight(), 0);
    }

    #[test]
    fn a_larger_share_of_tasks_only_adds_tasks(
        ids in vec(any::<u64>(), 1..200),
        shares in (0.0..=1.0_f64, 0.0..=1.0_f64),
    ) {
        let scope = |share: f64| {
            let mut scope = TaskScope::default();
            scope.share = Ratio::saturating(share);
            scope
        };
        let (less, more) = (scope(shares.0.min(shares.1)), scope(shares.0.max(shares.1)));
        for id in ids.into_iter().map(TaskId::new) {
            prop_assert!(more.takes(id, &[]) || !less.takes(id, &[]), "{} drops out", id);
            prop_assert!(scope(1.0).takes(id, &[]) && !scope(0.0).takes(id, &[]));
            let place = TaskScope::place(id);
            prop_assert!((0.0..1.0).contains(&place) && !scope(place).takes(id, &[]));
        }
    }
}

/// Which sections are switched, and where migrations stand then. (While nobody has the task: the story
/// `reconfigured_in_every_phase_drops_nothing`.)
#[test]
fn every_section_is_switched_in_every_phase() {
    let dice = TestRng::from_seed(RngAlgorithm::ChaCha, &[6; 32]);
    let mut runner = TestRunner::new_with_rng(Runs::default(), dice);
    let mut met: BTreeMap<(u8, &str), u32> = BTreeMap::new();
    for _ in 0..600 {
        let history = restless().new_tree(&mut runner).unwrap().current();
        let mut engine = Engine::new(history.config.clone()).unwrap();
        let mut switches = history.turns.iter().filter_map(|turn: &Turn| match turn.happening {
            Some(Happening::Switch(which)) => Some(which),
            _ => None,
        });
        history.play(&mut |input| {
            if let (Input::Reconfigure(_), Some(which)) = (&input, switches.next()) {
                let commands = engine.outstanding();
                let phase = |command: &Command| match command.action {
                    Action::Release { .. } => "releasing",
                    _ => "assigned",
                };
                commands.iter().for_each(|it| *met.entry((which, phase(it))).or_default() += 1);
            }
            engine.apply(&input)
        });
    }
    println!("{met:?}");
    for which in 0..9 {
        for phase in ["releasing", "assigned"] {
            assert!(met.contains_key(&(which, phase)), "{which} is never switched while {phase}");
        }
    }
}
