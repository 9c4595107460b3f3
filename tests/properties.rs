//! The promises, as properties.
#![forbid(unsafe_code)]

use evenkeel::testkit::strategies;
use evenkeel::verify::{self, Watch};
use evenkeel::{Engine, Timestamp};
use proptest::prelude::*;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn the_verifier_finds_nothing_in_random_rounds(
        config in strategies::any_config(),
        cluster in strategies::clusters(),
    ) {
        let mut engine = Engine::new(config).unwrap();
        let snapshot = cluster.snapshot(Timestamp::from_secs(30));
        let (_, violations) = verify::tick(&mut engine, &snapshot).unwrap();
        prop_assert_eq!(violations, vec![]);
    }

    #[test]
    fn the_watch_finds_nothing_in_random_histories(history in strategies::histories()) {
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
    }
}
