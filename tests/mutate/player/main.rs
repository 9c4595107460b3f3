//! Plays stories against the changed copy of the library. Compiled beside that copy: see the package `mutate`.
//!
//! `player FOLDER map` plays every story without a mutant, and prints for each its name, its microseconds, and the
//! mutants that it asks for. `player FOLDER try NUMBER STORY...` switches one mutant on, and prints the first of the
//! stories that says something else.

use std::fs;
use std::process::ExitCode;
use std::time::Instant;

use evenkeel::drawn;
use evenkeel::testkit::scenario::play;

fn main() -> ExitCode {
    std::panic::set_hook(Box::new(|_| ()));
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let player = std::thread::Builder::new().stack_size(1 << 25).spawn(move || run(&arguments));
    match player.map(|player| player.join()) {
        Ok(Ok(code)) => code,
        _ => ExitCode::from(3),
    }
}

fn run(arguments: &[String]) -> ExitCode {
    let folder = &arguments[0];
    if arguments[1] == "map" {
        return map(folder);
    }
    drawn::switch_on(arguments[2].parse().unwrap());
    match arguments[3..].iter().find(|story| is_other(folder, story)) {
        Some(story) => println!("noticed {story}"),
        None => println!("unnoticed"),
    }
    ExitCode::SUCCESS
}

/// Whether a story says something else than its file.
fn is_other(folder: &str, story: &str) -> bool {
    let text = fs::read_to_string(format!("{folder}/{story}.txt")).unwrap();
    let played = play(&text);
    !played.faults.is_empty() || !played.changes.is_empty()
}

fn map(folder: &str) -> ExitCode {
    let files = fs::read_dir(folder).unwrap().map(|file| file.unwrap().file_name());
    let mut stories: Vec<String> =
        files.filter_map(|name| Some(name.to_str()?.strip_suffix(".txt")?.to_owned())).collect();
    stories.sort_unstable();
    for story in &stories {
        drawn::take_asked().for_each(drop);
        let begun = Instant::now();
        if is_other(folder, story) {
            println!("differs {story}");
            return ExitCode::from(2);
        }
        let micros = begun.elapsed().as_micros();
        let asked: Vec<String> = drawn::take_asked().map(|mutant| mutant.to_string()).collect();
        println!("{story} {micros} {}", asked.join(" "));
    }
    ExitCode::SUCCESS
}
