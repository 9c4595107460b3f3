//! Random schedules against the independent model of a host: [`evenkeel::testkit::hunt`].
#![forbid(unsafe_code)]

use evenkeel::TaskId;
use evenkeel::testkit::hunt::{Schedule, Settings, Setup, Sight, Step, hunt, replay};

#[test]
fn no_promise_is_broken() {
    let found = hunt(20_000, 7, |_| ());
    assert!(found.violations.is_empty(), "{:#?}", found.violations);
    assert!(found.migrations > 1_000, "the engine has work to do: {}", found.migrations);
}

/// That whatever breaks a promise plays again is shown with rules that are broken on purpose: `tests/mutants/hunt.rs`.
#[test]
fn a_schedule_plays_again_from_its_text() {
    let mut settings = Settings::default();
    settings.timeout = 60;
    let setup = Setup::to_drain(2, 3, settings);
    let steps = [Step::Tick(Sight::default()), Step::Deliver(TaskId::new(1)), Step::Wait(61_000)];
    let schedule = Schedule::new(setup, steps.to_vec());
    let text = serde_json::to_string(&schedule).expect("it is data");
    let read: Schedule = serde_json::from_str(&text).expect("it reads back");
    assert_eq!(read, schedule);
    let (story, violation) = replay(&read);
    assert_eq!(violation, None);
    assert_eq!(story, replay(&schedule).0);
    assert!(story.iter().any(|line| line.contains("t1 w1 -> w")), "{story:#?}");
}
