//! A short run of every target. A longer one: `cargo run --release -p fuzz -- --executions 200000`.
#![forbid(unsafe_code)]

use fuzz::{Dice, Drive, Target, corpus, drive, execute};

#[test]
fn nothing_is_found() {
    for target in Target::ALL {
        let run = Drive { target, executions: EXECUTIONS, seed: 1, findings: None };
        let found = drive(&run).expect("the corpus can be read");
        println!("{target}: {} inputs, {} unread", found.inputs, found.unread);
        if let Some(finding) = found.findings.first() {
            panic!("{target}: {}\n{}", finding.says, String::from_utf8_lossy(&finding.input));
        }
        // Most states whose fields have another type are refused by their reader.
        assert!(found.inputs > 3 * usize::try_from(EXECUTIONS).expect("few"), "{target}");
        assert!(found.unread < EXECUTIONS * 3 / 4, "{target}: {} unread", found.unread);
    }
}

const EXECUTIONS: u64 = 2_000;

#[test]
fn the_corpus_is_sound() {
    for target in Target::ALL {
        let seeds = corpus(target).expect("the corpus can be read");
        assert!(seeds.len() >= 3, "{target}");
        for seed in seeds {
            let ran = execute(target, &seed).expect("a sound input");
            assert!(ran.inputs >= if target == Target::Scenario { 1 } else { 10 }, "{target}");
        }
    }
}

#[test]
fn the_same_seed_gives_the_same_run() {
    let run = Drive { target: Target::Operations, executions: 50, seed: 7, findings: None };
    let [once, twice] = [(); 2].map(|()| drive(&run).expect("the corpus can be read"));
    assert_eq!((once.inputs, once.findings), (twice.inputs, twice.findings));
    let [mut one, mut other] = [Dice::new(1), Dice::new(2)];
    assert_ne!(one.roll(), other.roll());
}
