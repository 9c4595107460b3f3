//! Does every rule have a story that notices when it is broken?
//!
//! `tests/mutants.txt` lists the rules: the name of the switch in the code, the story that must notice, and the
//! rule in a sentence. Every rule is broken once, alone, and its story must then say something else, break a claim,
//! or panic. With `MUTANT=word` only the rules whose names contain the word are broken.
//!
//! A transition of the life of a migration is broken under the name `course x event`, by the words of
//! `src/lifecycle/table.md`: the event then changes nothing.
#![forbid(unsafe_code)]

#[path = "mutants/hunt.rs"]
mod hunt;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use evenkeel::testkit::mutants::{asked, with_broken};
use evenkeel::testkit::rule_table;
use evenkeel::testkit::scenario::play;

/// One line of the list.
struct Mutant {
    name: String,
    story: String,
    sentence: String,
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn mutants() -> Vec<Mutant> {
    let text = fs::read_to_string(root().join("tests/mutants.txt")).unwrap();
    let lines = text.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
    let parse = |line: &str| {
        let mut parts = line.splitn(3, " | ").map(str::to_owned);
        match (parts.next(), parts.next(), parts.next()) {
            (Some(name), Some(story), Some(sentence)) => Mutant { name, story, sentence },
            _ => panic!("tests/mutants.txt: cannot read `{line}`"),
        }
    };
    lines.map(parse).collect()
}

/// What is wrong with a mutant, if anything is.
fn fault(mutant: &Mutant) -> Option<String> {
    let Mutant { name, story, sentence } = mutant;
    let path = root().join(format!("tests/scenarios/{story}.txt"));
    let Ok(text) = fs::read_to_string(path) else {
        return Some(format!("{name}: there is no story {story}"));
    };
    let broken = with_broken(name, || catch_unwind(AssertUnwindSafe(|| play(&text))));
    if !broken.asked {
        return Some(format!("{name}: story {story} never asks for it"));
    }
    let is_noticed = match broken.result {
        Ok(played) => !played.faults.is_empty() || !played.changes.is_empty(),
        Err(_) => true,
    };
    (!is_noticed).then(|| format!("{name}: story {story} does not notice ({sentence})"))
}

#[test]
fn every_broken_rule_is_noticed() {
    let word = std::env::var("MUTANT").unwrap_or_default();
    let mutants: Vec<Mutant> =
        mutants().into_iter().filter(|mutant| mutant.name.contains(&word)).collect();
    let faults: Vec<String> = mutants.iter().filter_map(fault).collect();
    println!("{} of {} broken rules noticed", mutants.len() - faults.len(), mutants.len());
    assert!(faults.is_empty(), "\n{}\n", faults.join("\n"));
    assert!(!word.is_empty() || mutants.len() >= 750, "only {} rules are listed", mutants.len());
}

/// Rules that must not be left to the golden text, because the verifier says so when they are broken.
const VERIFIED: &[&str] = &[
    // Groups, and room in transit.
    "affinity_stays_whole",
    "members are known",
    "member_whose_migration_is_over",
    "arriving_companion_is_left",
    "room_to_return_without_a_target",
    "home_is_full",
    "copy_in_doubt_is_waited_for",
    // Who is asked to run a task.
    "doubted_worker_is_ordered",
    "asked_after_all",
    "given_back_may_come_late",
    "called off nowhere",
    // Thresholds.
    "high_load_step",
    "relax",
    "separation",
    "trend",
    // Scores.
    "class_cost",
    "scores_follow_the_ledger",
    "source_as_the_round_found_it",
    "class_cost_of_orphans",
    "running_time_costs",
    "queued_is_free",
    "cost_is_learned",
    "size_counts",
    "health_history",
    "success_is_learned",
    "power_efficiency",
    "thermal_headroom",
    "hardware_switch",
    "efficiency_switch",
    "drain_by_its_own_load",
    "tightest_device",
    "speed_is_learned",
    // Forecasts.
    "step_is_no_trend",
    "constant_is_certain",
    "forecast_track_record",
    "forecast_intervals_learn",
    // Refusals.
    "dead_band",
    "noise_margin",
    "pace_of_the_net",
    "refusal_of_a_companion",
    "unknown_capacity_is_none",
    "freeze_lets_drains_go_on",
    "room_to_return",
    "stated_room_is_taken_twice",
    // Order.
    "upgrade_comes_last",
    "first_gone_first",
    "largest_first_without_a_score",
    "stranded_first",
    // Answers.
    "rank_best_first",
    "rank_tells_who_is_stopped",
    "rank_counts_new_placements",
    "consider_a_drain",
    "alternative_speed",
    "gain",
    "not long running",
    "not nearly done",
    "gang stays whole",
    "within scope",
    // What is in doubt.
    "grace_after_doubt",
    "partial_snapshot_shows_who_is_back",
];

/// What the verifier does not say of a mutant that it should notice; `None` if it says something.
fn silence(mutant: &Mutant) -> Option<String> {
    let promises = evenkeel::verify::Promise::ALL.map(|promise| format!("{promise}: "));
    let path = root().join(format!("tests/scenarios/{}.txt", mutant.story));
    let text = fs::read_to_string(path).unwrap();
    let broken = with_broken(&mutant.name, || play(&text)).result;
    let faults: Vec<String> = broken.faults.iter().map(|fault| format!("{fault:?}")).collect();
    let says = |fault: &String| promises.iter().any(|promise| fault.contains(promise));
    (!faults.iter().any(says)).then(|| format!("{}: {}", mutant.name, faults.join("\n")))
}

#[test]
fn the_verifier_notices_what_the_golden_text_shows() {
    let all = mutants();
    let asked = all.iter().filter(|mutant| VERIFIED.contains(&mutant.name.as_str()));
    assert_eq!(asked.clone().count(), VERIFIED.len());
    let silent: Vec<String> = asked.filter_map(silence).collect();
    assert!(silent.is_empty(), "the verifier says nothing\n{}", silent.join("\n"));
}

#[test]
#[ignore = "for those who edit the lists: prints them"]
fn print_what_the_verifier_notices() {
    for mutant in mutants() {
        let seen = catch_unwind(|| silence(&mutant).is_none());
        println!("{} | {}", mutant.name, if seen.unwrap_or(false) { "noticed" } else { "silent" });
    }
}

#[test]
fn no_name_stands_twice() {
    let mut seen = BTreeMap::new();
    for mutant in mutants() {
        let before = seen.insert(mutant.name.clone(), mutant.sentence);
        assert_eq!(before, None, "{} stands twice", mutant.name);
    }
}

/// Every switch in the code stands in the list, and the other way round.
#[test]
fn every_switch_is_listed() {
    fn read(folder: &Path, found: &mut Vec<String>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                read(&path, found);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).unwrap();
                let names = text.split("broken!(\"").skip(1);
                let names = names.filter_map(|rest| rest.split('"').next());
                found.extend(names.map(str::to_owned));
            }
        }
    }
    let mut found = Vec::new();
    read(&root().join("src"), &mut found);
    found.retain(|name| name != "name" && name != "...");
    let listed: Vec<String> = mutants().into_iter().map(|mutant| mutant.name).collect();
    let strangers: Vec<&String> = found.iter().filter(|name| !listed.contains(name)).collect();
    assert!(strangers.is_empty(), "switches that tests/mutants.txt does not list: {strangers:?}");
}

/// The names of the rules that a move must meet.
fn rule_names() -> Vec<String> {
    let table = rule_table();
    let rows = table.lines().skip(2);
    rows.filter_map(|row| row.split('|').nth(2)).map(|name| name.trim().to_owned()).collect()
}

/// Every rule that a move must meet can be broken as a whole, and stands in the list by its name.
#[test]
fn every_rule_of_the_table_is_listed() {
    let listed: Vec<String> = mutants().into_iter().map(|mutant| mutant.name).collect();
    let rules = rule_names();
    let missing: Vec<&String> = rules.iter().filter(|name| !listed.contains(name)).collect();
    assert!(rules.len() > 40, "the table has {} rules only", rules.len());
    assert!(missing.is_empty(), "rules that tests/mutants.txt does not list: {missing:?}");
}

/// The transitions of the printed table, by name.
fn transitions() -> BTreeSet<String> {
    let table = fs::read_to_string(root().join("src/lifecycle/table.md")).unwrap();
    let rows = table.lines().filter(|line| line.starts_with("| ")).skip(1);
    let names = rows.flat_map(|row| {
        let cells: Vec<&str> = row.trim_matches('|').split(" | ").map(str::trim).collect();
        let name = |event| [cells[0], event].join(" x ");
        cells[1].split("; ").map(name).collect::<Vec<_>>()
    });
    names.collect()
}

/// Every transition is in the list, and every transition in the list exists.
#[test]
fn every_transition_is_listed() {
    let names = mutants().into_iter().map(|mutant| mutant.name);
    let listed: BTreeSet<String> = names.filter(|name| name.contains(" x ")).collect();
    let transitions = transitions();
    assert!(transitions.len() > 200, "the table has {} transitions only", transitions.len());
    let missing: Vec<&String> = transitions.difference(&listed).collect();
    assert!(missing.is_empty(), "transitions that tests/mutants.txt does not list: {missing:?}");
    let gone: Vec<&String> = listed.difference(&transitions).collect();
    assert!(gone.is_empty(), "no row of the table: {gone:?}");
}

/// Prints for every transition the first story that notices when it is broken, or how many stories come by it.
#[test]
#[ignore = "for those who edit the lists: prints them"]
fn print_who_notices_which_transition() {
    let mut paths: Vec<_> =
        fs::read_dir(root().join("tests/scenarios")).unwrap().collect::<Result<_, _>>().unwrap();
    paths.sort_by_key(fs::DirEntry::path);
    let stories: Vec<(String, String)> = paths
        .iter()
        .map(fs::DirEntry::path)
        .filter(|path| path.extension().is_some_and(|extension| extension == "txt"))
        .map(|path| {
            let name = path.file_stem().unwrap().to_string_lossy().into_owned();
            (name, fs::read_to_string(path).unwrap())
        })
        .collect();
    let asked: Vec<BTreeSet<String>> =
        stories.iter().map(|(_, text)| asked(|| drop(play(text)))).collect();
    for transition in transitions() {
        let by = stories.iter().zip(&asked).filter(|(_, names)| names.contains(&transition));
        let by: Vec<&String> = by.map(|((name, _), _)| name).collect();
        let noticing = by.iter().find(|story| {
            let mutant = Mutant {
                name: transition.clone(),
                story: (**story).clone(),
                sentence: String::new(),
            };
            fault(&mutant).is_none()
        });
        match noticing {
            Some(story) => println!("{transition} | {story} | "),
            None => println!("{transition} | unnoticed, asked by {}", by.len()),
        }
    }
}
