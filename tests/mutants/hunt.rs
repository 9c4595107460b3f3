//! Does the independent model of a host find rules that are broken on purpose, and is what it finds a schedule that is
//! short and plays again?

use evenkeel::testkit::hunt::{Found, Kind, Schedule, Violation, hunt, replay};
use evenkeel::testkit::mutants::with_broken;

use super::mutants;

/// A rule to break, and the promise that is broken then.
const FOUND: &[(&str, Kind)] = &[
    // The life of a migration.
    ("Releasing x reported released", Kind::Lost),
    ("Releasing x overdue, shown on its source", Kind::NeverEnded),
    ("Copying x reported running", Kind::Stuck),
    ("Placing x overdue, shown without a worker", Kind::NeverEnded),
    ("released_once", Kind::ToldTwice),
    ("epoch_fences", Kind::IdReused),
    ("adopted", Kind::Lost),
    // How much, how often, and how long.
    ("budget", Kind::TooMany),
    ("moves per source", Kind::TooMany),
    ("moves per target", Kind::TooMany),
    ("cooldown", Kind::Cooldown),
    ("grace", Kind::TooSoon),
    // What a move must meet.
    ("target accepts", Kind::Closed),
    ("headroom", Kind::NoRoom),
    ("has labels", Kind::Rule),
    ("has no forbidden label", Kind::Rule),
    ("not pinned", Kind::Rule),
    ("spread over domains", Kind::Rule),
    ("disruption budget", Kind::Rule),
    ("anti-affinity", Kind::Rule),
    ("affinity_moves_as_one", Kind::Rule),
];

/// How many rounds it may take to find one of them.
const ROUNDS: u64 = 20_000;
const SEED: u64 = 7;

/// What a schedule breaks: the promise, and the cause.
fn broken_by(schedule: &Schedule) -> Option<(Kind, String)> {
    replay(schedule).1.map(|violation| (violation.kind, violation.by))
}

/// The schedule without one of its steps, tasks, workers or groups, in every way.
fn shorter(schedule: &Schedule) -> Vec<Schedule> {
    let setup = &schedule.setup;
    let mut shorter = Vec::new();
    let mut without = |count: usize, remove: &dyn Fn(&mut Schedule, usize)| {
        shorter.extend((0..count).map(|at| {
            let mut schedule = schedule.clone();
            remove(&mut schedule, at);
            schedule
        }));
    };
    without(schedule.steps.len(), &|schedule, at| {
        schedule.steps.remove(at);
    });
    without(setup.workers.len(), &|schedule, at| {
        schedule.setup.workers.remove(at);
    });
    without(setup.groups.len(), &|schedule, at| {
        schedule.setup.groups.remove(at);
    });
    without(setup.tasks.len(), &|schedule, at| {
        let task = schedule.setup.tasks.remove(at).id;
        let groups = schedule.setup.groups.iter_mut();
        groups.for_each(|group| group.members.retain(|member| *member != task));
    });
    shorter
}

/// What is wrong with a violation that was found while a rule is broken, if anything is.
fn fault(violation: &Violation) -> Option<&'static str> {
    let Violation { kind, by, schedule, .. } = violation;
    let is_same = |schedule: &Schedule| broken_by(schedule).as_ref() == Some(&(*kind, by.clone()));
    let text = serde_json::to_string(schedule).expect("it is data");
    let read: Schedule = serde_json::from_str(&text).expect("it reads back");
    if read != *schedule || !is_same(&read) {
        return Some("it does not play again from its text");
    }
    if replay(&read).0.is_empty() {
        return Some("it tells no story");
    }
    shorter(schedule).iter().any(is_same).then_some("it is not the shortest")
}

/// The violations of this kind that are found while a rule is broken, and what is wrong with the first of them.
fn search(name: &str, kind: Kind) -> Result<Violation, String> {
    let broken = with_broken(name, || {
        let Found { violations, .. } = hunt(ROUNDS, SEED, |_| ());
        let mut violations = violations.into_iter();
        let Some(first) = violations.find(|violation| violation.kind == kind) else {
            return Err(format!("{name}: nothing is {kind}"));
        };
        match fault(&first) {
            Some(fault) => Err(format!("{name}: {first:?}: {fault}")),
            None => Ok(first),
        }
    });
    if !broken.asked {
        return Err(format!("{name}: nothing asks for it"));
    }
    broken.result
}

#[test]
fn hunt_finds_broken_rules_and_their_shortest_schedules() {
    for &(name, kind) in FOUND {
        let violation = search(name, kind).unwrap_or_else(|fault| panic!("{fault}"));
        let steps = violation.schedule.steps.len();
        println!("{name}: {kind} after {steps} steps: {}", violation.says);
        // It is the broken rule that breaks the promise.
        assert_eq!(broken_by(&violation.schedule), None, "{name}: {:?}", violation.schedule);
    }
}

#[test]
#[ignore = "for those who edit the list: prints what is found while each rule is broken"]
fn print_what_hunt_finds() {
    let word = std::env::var("MUTANT").unwrap_or_default();
    for mutant in mutants().into_iter().filter(|mutant| mutant.name.contains(&word)) {
        let seen = std::panic::catch_unwind(|| {
            with_broken(&mutant.name, || hunt(ROUNDS, SEED, |_| ())).result
        });
        let violations = seen.map(|found| found.violations).unwrap_or_default();
        for Violation { kind, by, schedule, .. } in violations {
            println!("{} | {kind} | {by} | {} steps", mutant.name, schedule.steps.len());
        }
    }
}
