//! Every schedule up to a number of steps, against the independent model of a host:
//! [`evenkeel::testkit::hunt::explore`]. Deeper: `cargo run --release --example explore --features testkit -- --tasks 2
//! --workers 3 --depth 7 --faults 2`.
#![forbid(unsafe_code)]

use evenkeel::testkit::hunt::{Explored, Scope, Settings, Setup, explore};

/// How the host moves tasks.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Host {
    Release,
    Overlap,
    Evict,
}

/// A cluster with a draining worker, how the host moves its tasks, and how many steps and faults a schedule has.
struct Case {
    tasks: usize,
    workers: usize,
    host: Host,
    depth: usize,
    faults: usize,
}

const fn case(tasks: usize, workers: usize, host: Host, depth: usize, faults: usize) -> Case {
    Case { tasks, workers, host, depth, faults }
}

const ANY: usize = usize::MAX;

/// What is explored in every run of the tests.
const CASES: &[Case] = &[
    case(1, 2, Host::Release, 4, ANY),
    case(1, 2, Host::Release, 6, 1),
    case(1, 3, Host::Release, 6, 1),
    case(1, 3, Host::Overlap, 5, 1),
    case(1, 3, Host::Evict, 5, 1),
    case(2, 2, Host::Release, 5, 1),
    case(2, 3, Host::Release, 4, 1),
    case(3, 3, Host::Release, 3, ANY),
];

fn scope(case: &Case) -> Scope {
    let mut settings = Settings::default();
    (settings.timeout, settings.only_the_present) = (15, true);
    (settings.overlap, settings.evicts) = (case.host == Host::Overlap, case.host == Host::Evict);
    let mut scope = Scope::new(Setup::to_drain(case.tasks, case.workers, settings), case.depth);
    scope.faults = case.faults;
    scope
}

fn explored(case: &Case) -> Explored {
    let found = explore(&scope(case), |_, _| ());
    let states: usize = found.states.iter().sum();
    let Case { tasks, workers, host, depth, faults } = case;
    let faults = if *faults == ANY { String::from("any") } else { faults.to_string() };
    println!(
        "{tasks} tasks x {workers} workers, {host:?}, depth {depth}, {faults} faults: {states} states, {} transitions, \
         {} kinds of violation",
        found.transitions,
        found.violations.len()
    );
    found
}

#[test]
fn no_promise_is_broken() {
    let (mut states, mut compared) = (0, 0);
    for case in CASES {
        let found = explored(case);
        assert!(found.is_complete);
        assert_eq!(found.unlike, [], "two states are taken for one that are not");
        assert!(found.violations.is_empty(), "{:#?}", found.violations);
        states += found.states.iter().sum::<usize>();
        compared += found.compared;
    }
    println!("{states} states in all, {compared} repeated ones compared");
    assert!(states > 20_000 && compared > 50, "{states} states, {compared} compared");
}

/// A host that gives nothing up and loses nothing has few states; every fault adds some.
#[test]
fn faults_lead_to_more_states() {
    let without = explored(&case(1, 2, Host::Release, 5, 0));
    let with = explored(&case(1, 2, Host::Release, 5, 1));
    assert_eq!(without.violations, []);
    assert!(without.states.iter().sum::<usize>() < with.states.iter().sum());
    assert_eq!(
        without.states[..2],
        [1, 1],
        "the first round, or a wait before it, which changes nothing"
    );
}

#[test]
fn an_exploration_ends_where_it_is_told_to() {
    let mut scope = scope(&case(1, 2, Host::Release, 6, ANY));
    scope.states = 300;
    let found = explore(&scope, |_, _| ());
    let states: usize = found.states.iter().sum();
    assert!(!found.is_complete && (300..400).contains(&states), "{states}");
}

/// The rules of the life of a migration, broken one at a time: which promises does a small exploration see broken then?
/// `cargo test --release --features mutants --test explore -- --ignored --nocapture`; `RULES=word` for the rules whose
/// names contain the word.
#[cfg(feature = "mutants")]
#[test]
#[ignore = "a measurement: it takes minutes"]
fn which_broken_rules_are_found() {
    let listed = include_str!("mutants.txt").lines().filter_map(|line| line.split(" | ").next());
    let word = std::env::var("RULES").unwrap_or_else(|_| String::from(" x "));
    let rules: Vec<&str> = listed.filter(|name| name.contains(&word)).collect();
    let found = rules.iter().filter(|rule| !kinds_without(rule).is_empty()).count();
    println!("{found} of {} rules", rules.len());
    assert!(found > 0);
}

#[cfg(feature = "mutants")]
fn kinds_without(rule: &str) -> Vec<evenkeel::testkit::hunt::Kind> {
    use evenkeel::testkit::mutants::with_broken;
    let broken = with_broken(rule, || explore(&scope(&case(1, 3, Host::Release, 6, 1)), |_, _| ()));
    let kinds = broken.result.violations.iter().map(|violation| violation.kind).collect();
    println!("{rule}: {}{kinds:?}", if broken.asked { "" } else { "not asked, " });
    kinds
}
