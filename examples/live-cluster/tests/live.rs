//! Runs the real program: real processes, real time, real signals.

use std::collections::BTreeSet;
use std::fs;
use std::io::{Read as _, Write as _};
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::Value;

/// Marks the processes of one test: an environment variable that workers inherit.
const MARK: &str = "LIVE_CLUSTER_TEST";

/// The program with a mark of its own, and these options.
fn program(mark: &str, options: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_live-cluster"));
    command.env(MARK, mark).args(options).stdin(Stdio::null());
    command
}

/// How many living processes carry a mark.
fn processes(mark: &str) -> usize {
    let wanted = format!("{MARK}={mark}");
    let carries = |pid: PathBuf| {
        let environment = fs::read(pid.join("environ")).unwrap_or_default();
        environment.split(|byte| *byte == 0).any(|variable| variable == wanted.as_bytes())
    };
    let entries = fs::read_dir("/proc").expect("Linux").flatten();
    entries.filter(|entry| carries(entry.path())).count()
}

/// Waits until so many processes carry the mark; false if that takes more than ten seconds.
fn wait_for_processes(mark: &str, count: usize) -> bool {
    let deadline = Instant::now() + Duration::from_secs(10);
    while processes(mark) != count {
        if Instant::now() > deadline {
            return false;
        }
        sleep(Duration::from_millis(50));
    }
    true
}

/// A file of this test run that does not exist yet.
fn scratch(name: &str) -> PathBuf {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = fs::remove_file(&path);
    path
}

fn text(path: &PathBuf) -> String {
    fs::read_to_string(path).expect("the program has written it")
}

/// Sends a signal by name.
fn signal(child: &Child, name: &str) {
    let pid = child.id().to_string();
    let status = Command::new("kill").args(["-s", name, &pid]).status().expect("kill is there");
    assert!(status.success());
}

#[test]
fn a_hot_spot_is_balanced_although_a_worker_is_killed_and_one_joins() {
    let (json, log) = (scratch("figures.json"), scratch("inputs.jsonl"));
    let (record, page) = (scratch("run.jsonl"), scratch("report.html"));
    let names = [&json, &log, &record, &page].map(|path| path.display().to_string());
    let options = ["--seconds", "24", "--kill", "2@10", "--join", "1@8", "--seed", "3"];
    let files = ["--json", &names[0], "--log", &names[1], "--run-log", &names[2]];
    let files = [&files[..], &["--report", &names[3]]].concat();
    let output = program("balance", &[&options[..], &files].concat()).output().expect("it runs");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}");
    assert_eq!(processes("balance"), 0, "no process is left");

    let figures: Value = serde_json::from_str(&text(&json)).expect("one JSON document");
    let figure = |name: &str| figures[name].as_f64().unwrap_or_else(|| panic!("{name}: {figures}"));
    assert_eq!(figures["tasks_lost"], 0, "{said}");
    assert_eq!(figures["tasks_run_twice"], 0, "{said}");
    assert_eq!(figures["tasks_started"], 24, "{said}");
    assert_eq!(figures["ticks"], 24, "{said}");
    assert!(figure("spread_before") >= 0.8, "{said}");
    assert!(figure("spread_after") <= figure("spread_before") / 2.0, "{said}");
    assert!(figure("completed") >= 3.0, "{said}");

    assert!(!said.contains('\x1b'), "plain lines where there is no terminal");
    assert!(text(&log).lines().all(|line| serde_json::from_str::<Value>(line).is_ok()));
    assert!(text(&log).lines().count() > 24, "every round and every report is in the log");

    check_run_log(&text(&record), &figures);
    check_page(&text(&page), &text(&record));
}

/// The run log has every round, and its migrations are those that the program counted.
fn check_run_log(record: &str, figures: &Value) {
    let lines: Vec<Value> =
        record.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let count = |is: &dyn Fn(&Value) -> bool| lines.iter().filter(|line| is(line)).count();
    assert_eq!(lines[0]["title"], "live cluster, 5 workers, 30 times as fast");
    assert_eq!(figures["ticks"], count(&|line| line["line"] == "round"));
    assert_eq!(figures["migrations"], count(&|line| line["line"] == "migration"));
    assert_eq!(figures["completed"], count(&|line| line["outcome"] == "completed"));
    // At the end as at the begin: every started task was somewhere.
    let tasks = lines.iter().filter(|line| line["line"] == "stay").map(|line| &line["task"]);
    let tasks: BTreeSet<u64> = tasks.filter_map(Value::as_u64).collect();
    assert_eq!(figures["tasks_started"], tasks.len());
}

/// The page has every chart with data, but for energy: no worker here says what it draws.
fn check_page(page: &str, record: &str) {
    assert!(page.contains("<h1>live cluster, 5 workers, 30 times as fast</h1>"));
    let sections: Vec<&str> = page.split("<section id=\"").skip(1).collect();
    assert_eq!(sections.len(), 12);
    for section in sections {
        let name = section.split('"').next().unwrap_or_default();
        let part = match name {
            "energy" => "<p class=\"none\">",
            "decisions" => "<table",
            _ => "<svg",
        };
        assert!(section.contains(part), "{name}: {section}");
        let empty = section.contains("<p class=\"none\">");
        assert_eq!(empty, name == "energy", "{name}: {section}");
    }
    for (chart, figure, line) in [
        ("thresholds", "rounds", "round"),
        ("timeline", "stays", "stay"),
        ("timeline", "migrations", "migration"),
    ] {
        let told = record.matches(&format!("{{\"line\":\"{line}\",")).count();
        let chart = page.split(&format!("<figure data-picture=\"{chart}\">")).nth(1);
        let shown = format!("<dt>{figure}</dt><dd data-value=\"{told}\">");
        assert!(chart.is_some_and(|it| it.contains(&shown)), "{told} lines of {line}");
    }
}

#[test]
fn ctrl_c_leaves_no_process_behind() {
    let mut child = program("interrupt", &[]).stdout(Stdio::null()).spawn().expect("it runs");
    assert!(wait_for_processes("interrupt", 6), "a coordinator and five workers");
    sleep(Duration::from_secs(1));
    signal(&child, "INT");
    let status = child.wait().expect("it ends");
    assert_eq!(status.code(), Some(130));
    assert!(wait_for_processes("interrupt", 0));
}

#[test]
fn a_killed_coordinator_leaves_no_process_behind() {
    let mut child = program("killed", &[]).stdout(Stdio::null()).spawn().expect("it runs");
    assert!(wait_for_processes("killed", 6), "a coordinator and five workers");
    signal(&child, "KILL");
    child.wait().expect("it ends");
    assert!(wait_for_processes("killed", 0));
}

#[test]
fn q_ends_a_run_on_a_terminal_and_gives_the_terminal_back() {
    let mut command = Command::new("script");
    command.env(MARK, "terminal").env("TERM", "xterm-256color").env_remove("CI");
    let inside = concat!("stty cols 120 rows 30; exec '", env!("CARGO_BIN_EXE_live-cluster"), "'");
    command.args(["-qec", inside, "/dev/null"]);
    let Ok(mut child) = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn() else {
        eprintln!("skipped: no script to make a terminal with");
        return;
    };
    // Once the workers are on the screen, however slow the machine is.
    let mut screen = child.stdout.take().expect("piped");
    let deadline = Instant::now() + Duration::from_secs(60);
    let (mut shown, mut chunk) = (Vec::new(), [0; 4096]);
    while !String::from_utf8_lossy(&shown).contains("cpu+openvino") && Instant::now() < deadline {
        match screen.read(&mut chunk).expect("it can be read") {
            0 => break,
            count => shown.extend_from_slice(&chunk[..count]),
        }
    }
    child.stdin.as_mut().expect("piped").write_all(b"q").expect("somebody reads it");
    screen.read_to_end(&mut shown).expect("it can be read");
    let status = child.wait().expect("it ends");
    let shown = String::from_utf8_lossy(&shown);
    assert_eq!(status.code(), Some(0), "{shown}");
    assert!(
        shown.contains("\x1b[?1049h") && shown.contains("cpu+openvino"),
        "the whole terminal: {shown}"
    );
    let (_, after) = shown.rsplit_once("\x1b[?1049l").expect("it is given back");
    assert!(after.contains("20 tasks started, 0 finished, 0 lost, 0 run twice"), "{after}");
    assert_eq!(processes("terminal"), 0, "no process is left");
}

#[test]
fn options_that_make_no_sense_start_nothing() {
    let table: [(&[&str], &str); 7] = [
        (&["--kill", "9@99"], "1 to 25"),
        (&["--seconds", "5"], "20 to 3600"),
        (&["--workers", "1"], "2 to 12"),
        (&["--policy", "best"], "best"),
        (&["--config", "/nonexistent/settings.json"], "/nonexistent/settings.json"),
        (&["--run-log", "/nonexistent/run.jsonl"], "--run-log /nonexistent/run.jsonl: "),
        (&["--report", "/nonexistent/report.html"], "--report /nonexistent/report.html: "),
    ];
    for (options, part) in table {
        let Output { status, stdout, stderr } =
            program("refused", options).output().expect("it runs");
        let fault = String::from_utf8(stderr).expect("text");
        assert_eq!(status.code(), Some(2), "{options:?}: {fault}");
        assert!(stdout.is_empty(), "{options:?}");
        assert_eq!(fault.lines().count(), 1, "{options:?}: {fault}");
        assert!(fault.contains(part), "{options:?}: {fault}");
    }
}
