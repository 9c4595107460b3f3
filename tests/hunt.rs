//! Random schedules against the independent model of a host: [`evenkeel::testkit::hunt`].
#![forbid(unsafe_code)]

use std::collections::BTreeSet;

use evenkeel::testkit::hunt::{Found, Kind, hunt, replay};

/// What is still open and occurs in these rounds, each with its reason. Whoever mends the last schedule of a kind
/// takes it out of this list.
const OPEN: &[(Kind, &str)] =
    &[(Kind::ToldTwice, "a placement that timed out is made elsewhere at once")];

fn hunted() -> Found {
    hunt(20_000, 7, |_| ())
}

#[test]
fn no_promise_is_broken_but_those_that_are_open() {
    let found = hunted();
    let open: BTreeSet<Kind> = OPEN.iter().map(|&(kind, _)| kind).collect();
    let broken: BTreeSet<Kind> = found.violations.iter().map(|violation| violation.kind).collect();
    let new: Vec<_> = found.violations.iter().filter(|found| !open.contains(&found.kind)).collect();
    assert!(new.is_empty(), "{new:#?}");
    assert_eq!(broken, open, "take out of OPEN what does not occur any more");
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
