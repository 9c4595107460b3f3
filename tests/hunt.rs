//! Random schedules against the independent model of a host: [`evenkeel::testkit::hunt`].
#![forbid(unsafe_code)]

use evenkeel::testkit::hunt::{hunt, replay};

#[test]
fn no_promise_is_broken() {
    let found = hunt(20_000, 7, |_| ());
    assert!(found.violations.is_empty(), "{:#?}", found.violations);
    assert!(found.migrations > 1_000, "the engine has work to do: {}", found.migrations);
}

#[test]
fn a_schedule_plays_again_from_its_text() {
    for violation in hunt(3_000, 1, |_| ()).violations {
        let text = serde_json::to_string(&violation.schedule).expect("it is data");
        let read = serde_json::from_str(&text).expect("it reads back");
        let (story, again) = replay(&read);
        assert_eq!(again.map(|again| (again.kind, again.by)), Some((violation.kind, violation.by)));
        assert!(!story.is_empty());
    }
}
