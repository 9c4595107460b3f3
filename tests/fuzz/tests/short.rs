//! A short run of every target, and hostile files of 5 MB. Longer ones: `cargo run --release -p fuzz --
//! --executions 200000`, and `--large 10 100`.
#![forbid(unsafe_code)]

use std::path::Path;
use std::sync::Mutex;

use fuzz::{Compared, Dice, Drive, Target, compare, corpus, drive, every_large, execute};

/// Tests that measure time run one after the other.
static ALONE: Mutex<()> = Mutex::new(());

#[test]
fn nothing_is_found() {
    let _alone = ALONE.lock();
    for target in Target::ALL {
        let run = Drive { target, executions: EXECUTIONS, seed: 1, findings: None };
        let found = drive(&run).expect("the corpus can be read");
        let times = found.slowest / found.median;
        println!("{target}: {} inputs, {} unread, slowest {times:.1}", found.inputs, found.unread);
        if let Some(finding) = found.findings.first() {
            panic!("{target}: {}\n{}", finding.says, String::from_utf8_lossy(&finding.input));
        }
        assert_eq!(found.executions, EXECUTIONS, "{target}");
        assert!(found.inputs >= 10 * usize::try_from(EXECUTIONS).expect("few"), "{target}");
        // A story ends at the first word that it does not know.
        assert!(found.unread < 2 * EXECUTIONS, "{target}: {} unread", found.unread);
        let input = String::from_utf8_lossy(&found.slowest_input);
        assert!(!found.is_slow(), "{target}: {times:.1} times the median per byte\n{input}");
    }
}

const EXECUTIONS: u64 = 1_000;

#[test]
fn the_corpus_is_sound() {
    for target in Target::ALL {
        let seeds = corpus(target).expect("the corpus can be read");
        assert!(seeds.len() >= 3, "{target}");
        for seed in seeds {
            let ran = execute(target, &seed).expect("a sound input");
            assert!(ran.counts(), "{target}: {} inputs", ran.inputs);
        }
    }
}

#[test]
fn a_large_hostile_file_costs_time_and_memory_in_proportion_to_its_size() {
    let _alone = ALONE.lock();
    let program = Path::new(env!("CARGO_BIN_EXE_fuzz"));
    for large in every_large() {
        let compared = compare(program, large, [1, 5]).expect("it is refused or set aside");
        println!("{}", compared.line());
        assert!(!compared.is_too_much(), "{}", compared.line());
    }
}

#[test]
#[ignore = "minutes, and gigabytes of memory"]
fn a_hostile_file_of_100_mb_costs_time_and_memory_in_proportion_to_its_size() {
    let program = Path::new(env!("CARGO_BIN_EXE_fuzz"));
    let compared = |large| compare(program, large, [10, 100]).expect("it is refused or set aside");
    let all: Vec<_> = every_large().into_iter().map(compared).collect();
    all.iter().for_each(|compared| println!("{}", compared.line()));
    assert!(!all.iter().any(Compared::is_too_much));
}

#[test]
fn the_same_seed_gives_the_same_run() {
    let run = Drive { target: Target::Operations, executions: 50, seed: 7, findings: None };
    let [once, twice] = [(); 2].map(|()| drive(&run).expect("the corpus can be read"));
    assert_eq!((once.inputs, once.findings), (twice.inputs, twice.findings));
    let [mut one, mut other] = [Dice::new(1), Dice::new(2)];
    assert_ne!(one.roll(), other.roll());
}
