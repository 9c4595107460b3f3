//! What the charts show equals what the log says: every count and sum, computed once more from the bare lines.

mod made_up;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use made_up::{ROUNDS, WORKERS, lines};
use serde_json::Value;

/// A directory of its own for each test, with a log in it.
fn stage(name: &str, lines: &[Value]) -> PathBuf {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    fs::create_dir_all(&directory).expect("the directory can be made");
    write_log(&directory.join("run.jsonl"), lines);
    directory
}

fn write_log(path: &Path, lines: &[Value]) {
    let text: Vec<String> = lines.iter().map(|line| format!("{line}\n")).collect();
    fs::write(path, text.concat()).expect("the log can be written");
}

fn report(directory: &Path, arguments: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_report"));
    command.current_dir(directory).args(arguments.split_whitespace());
    command.output().expect("it starts")
}

/// Runs and gives back the page; every path in it goes somewhere.
fn page(directory: &Path, arguments: &str) -> String {
    let output = report(directory, &format!("run.jsonl -o report.html {arguments}"));
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let page = fs::read_to_string(directory.join("report.html")).expect("there is a page");
    let paths = between(&page, " d=\"", "\"");
    assert!(paths.iter().all(|path| path.starts_with('M') && !path.contains("NaN")), "a bad path");
    page
}

/// What stands between two marks, wherever it does.
fn between<'a>(text: &'a str, before: &str, after: &str) -> Vec<&'a str> {
    text.split(before).skip(1).filter_map(|rest| rest.split(after).next()).collect()
}

/// The records that the marks of a picture stand for, by series.
fn drawn(directory: &Path, picture: &str) -> BTreeMap<String, u64> {
    let svg = fs::read_to_string(directory.join(format!("svg/{picture}.svg"))).expect(picture);
    let mut sums = BTreeMap::new();
    for mark in between(&svg, " data-s=\"", "><title>") {
        let (series, count) = mark.split_once("\" data-n=\"").expect("a series and a count");
        let count: u64 = count.trim_end_matches('"').parse().expect("a count");
        *sums.entry(series.to_owned()).or_default() += count;
    }
    sums
}

/// The exact value of a figure below a picture.
fn figure(page: &str, picture: &str, name: &str) -> f64 {
    let place = between(page, &format!("<figure data-picture=\"{picture}\">"), "</figure>")[0];
    let values = between(place, &format!("<dt>{name}</dt><dd data-value=\""), "\"");
    values.first().and_then(|it| it.parse().ok()).unwrap_or_else(|| panic!("{picture}: {name}"))
}

/// The lines of a kind.
fn of<'a>(lines: &'a [Value], kind: &str) -> Vec<&'a Value> {
    lines.iter().filter(|line| line["line"] == kind).collect()
}

/// The entries of a list in every round.
fn each<'a>(lines: &'a [Value], list: &str) -> Vec<&'a Value> {
    of(lines, "round")
        .into_iter()
        .flat_map(|round| round[list].as_array().expect("a list"))
        .collect()
}

fn sum(lines: &[Value], key: &str) -> f64 {
    of(lines, "round").iter().filter_map(|round| round[key].as_f64()).sum()
}

fn number(value: &Value) -> f64 {
    value.as_f64().expect("a number")
}

#[track_caller]
fn close(shown: f64, told: f64) {
    assert!(
        (shown - told).abs() <= 1e-9 * told.abs().max(1.0),
        "{shown} is shown, the log says {told}"
    );
}

#[test]
fn marks_stand_for_every_record_of_the_log() {
    let lines = lines(1);
    let directory = stage("marks", &lines);
    let page = page(&directory, "--svg svg");
    let count = |list: &str, test: &dyn Fn(&Value) -> bool| {
        each(&lines, list).into_iter().filter(|it| test(it)).count()
    };
    let readings = count("workers", &|it| !it["load"].is_null());
    let refusals: f64 = each(&lines, "refusals").iter().map(|it| number(&it["count"])).sum();
    let table: Vec<(&str, &str, &str, f64)> = vec![
        ("success", "completed", "completed", sum(&lines, "completed")),
        ("success", "ended otherwise", "ended otherwise", sum(&lines, "failed")),
        ("utilization", "readings", "readings", readings as f64),
        (
            "reliability",
            "forecasts",
            "forecasts that came due",
            each(&lines, "judged").len() as f64,
        ),
        ("cost", "chosen", "chosen", count("candidates", &|it| it["taken"] == true) as f64),
        ("cost", "refused", "refused", count("candidates", &|it| !it["refused"].is_null()) as f64),
        (
            "cost",
            "another worker was chosen",
            "another worker was chosen",
            count("candidates", &|it| it["taken"] == false && it["refused"].is_null()) as f64,
        ),
        ("refusals", "refusals", "refusals", refusals),
        ("timeline", "stays", "stays", of(&lines, "stay").len() as f64),
        ("timeline", "migrations", "migrations", of(&lines, "migration").len() as f64),
    ];
    for (picture, series, name, told) in table {
        assert!(told > 0.0, "{picture}: the log has no {series}");
        close(drawn(&directory, picture).get(series).copied().unwrap_or(0) as f64, told);
        close(figure(&page, picture, name), told);
    }
    let rows = between(&page, "<table data-rows=\"", "\"")[0];
    assert_eq!(rows, of(&lines, "migration").len().to_string());
    assert_eq!(between(&page, "<tbody>", "</tbody>")[0].matches("<tr").count().to_string(), rows);
}

#[test]
fn many_workers_make_several_timelines_and_every_migration_counts_once() {
    let mut lines = lines(1);
    for (place, line) in lines.iter_mut().enumerate() {
        match line["line"].as_str() {
            Some("stay") => line["worker"] = (100 + line["task"].as_u64().unwrap_or(0)).into(),
            Some("migration") => line["to"] = (100 + place % 40).into(),
            _ => {}
        }
    }
    let directory = stage("many", &lines);
    let page = page(&directory, "--svg svg");
    assert!(between(&page, "<dt>workers</dt><dd data-value=\"", "\"").contains(&"52"));
    for (series, kind) in [("stays", "stay"), ("migrations", "migration")] {
        let of_part = |part: u64| {
            let sums = drawn(&directory, &format!("timeline-{part}"));
            close(figure(&page, &format!("timeline-{part}"), series), sums[series] as f64);
            sums[series]
        };
        assert_eq!(of_part(1) + of_part(2), of(&lines, kind).len() as u64, "{series}");
    }
}

#[test]
fn a_long_timeline_shows_its_end_and_says_from_when_on() {
    let mut lines = lines(1);
    let earlier = of(&lines, "stay").len() as f64;
    lines.extend((0..9_000_u64).map(|nth| {
        let from = 30.0 + nth as f64 / 2.0;
        serde_json::json!({"line": "stay", "task": 1_000 + nth, "worker": 1, "from": from, "until": from + 90.0})
    }));
    let directory = stage("long", &lines);
    let page = page(&directory, "--svg svg");
    let shown = figure(&page, "timeline", "stays");
    close(drawn(&directory, "timeline")["stays"] as f64, shown);
    close(shown, 8_000.0);
    close(shown + figure(&page, "timeline", "stays before that"), 9_000.0 + earlier);
    let since = figure(&page, "timeline", "shown from");
    let over = |it: &&Value, key: &str| it[key].as_f64().is_none_or(|until| until > since);
    let stays = of(&lines, "stay").into_iter().filter(|it| over(it, "until")).count();
    let moves = of(&lines, "migration").into_iter().filter(|it| over(it, "ended")).count();
    close(shown, stays as f64);
    close(figure(&page, "timeline", "migrations"), moves as f64);
}

/// The values of the heatmap, row by row.
fn heatmap(page: &str) -> Vec<Vec<u8>> {
    use base64::Engine as _;
    let columns: usize = between(page, "data-columns=\"", "\"")[0].parse().expect("a number");
    let values = between(page, "data-v=\"", "\"")[0];
    let values = base64::engine::general_purpose::STANDARD.decode(values).expect("base64");
    values.chunks(columns).map(<[u8]>::to_vec).collect()
}

#[test]
fn where_the_log_has_a_gap_nothing_is_drawn() {
    let mut lines = lines(1);
    lines.retain(|line| !(101..=200).contains(&line["tick"].as_u64().unwrap_or(0)));
    let directory = stage("gap", &lines);
    let page = page(&directory, "--svg svg");
    let rows = heatmap(&page);
    assert_eq!(rows.len() as u64, WORKERS);
    // From 31 to 200 rounds, of 300: a third of the columns, there and not elsewhere.
    let columns = rows[0].len();
    for (row, column) in (0..rows.len()).flat_map(|row| (0..columns).map(move |it| (row, it))) {
        let at = (column as f64 + 0.5) / columns as f64;
        let unknown = row == 2 || (0.335..0.665).contains(&at);
        let near_the_edge = [0.333, 0.667].iter().any(|edge| (at - edge).abs() < 0.01);
        assert!(near_the_edge || (rows[row][column] == 255) == unknown, "{row} at {at}");
    }
    let svg = fs::read_to_string(directory.join("svg/thresholds.svg")).expect("there is one");
    let mean = between(&svg, "<path class=\"l main\" d=\"", "\"");
    assert!(mean.iter().any(|line| line.matches('M').count() == 2), "{mean:?}");
    close(figure(&page, "thresholds", "rounds"), 200.0);
}

#[test]
fn one_load_beyond_all_bounds_does_not_hide_the_others() {
    let mut lines = lines(1);
    let round = lines.iter_mut().find(|line| line["line"] == "round").expect("a round");
    (round["workers"][0]["load"], round["load"]["max"]) = (1_000.0.into(), 1_000.0.into());
    let directory = stage("beyond", &lines);
    let page = page(&directory, "--svg svg");
    // A file is XML: every attribute has a value.
    let svg = fs::read_to_string(directory.join("svg/load.svg")).expect("there is one");
    assert!(svg.contains(" data-more=\"1\" "));
    assert_eq!(between(&page, "data-top=\"", "\"")[0], "1.25");
    assert!(page.contains("125 % and more") && page.contains("load, cut off at 200 %"));
    close(figure(&page, "load", "highest load"), 1_000.0);
    close(figure(&page, "utilization", "readings"), 11.0 * ROUNDS as f64);
    assert!(page.contains("load 195 % and more"));
}

#[test]
fn a_log_with_next_to_nothing_in_it_makes_a_page() {
    let mut lines = lines(1);
    lines.retain(|line| line["line"] == "run" || line["tick"] == 1);
    let round = lines.last_mut().expect("a round");
    for key in ["load", "spread", "thermal"] {
        round[key] = Value::Null;
    }
    for list in ["workers", "judged", "hardware", "candidates", "refusals"] {
        round[list] = Value::Array(Vec::new());
    }
    (round["energy"], round["initiated"]) =
        (serde_json::json!({"watts": null, "joules": null}), 0.into());
    let page = page(&stage("nothing", &lines), "");
    close(figure(&page, "thresholds", "rounds"), 1.0);
    assert!(page.contains("No migration was begun.") && page.contains("Nothing was refused."));
    assert!(!page.contains("NaN") && !page.contains("inf "), "a figure that is none");
}

#[test]
fn energy_is_counted_on_where_a_host_has_begun_anew() {
    let mut lines = lines(1);
    for line in lines.iter_mut().filter(|line| line["tick"].as_u64() > Some(200)) {
        line["energy"]["joules"] = (number(&line["energy"]["joules"]) - 54_000.0 * 200.0).into();
    }
    // From the first round to the 200th, and what the new count says in the end.
    let page = page(&stage("anew", &lines), "");
    close(figure(&page, "energy", "energy"), 54_000.0 * (199.0 + 99.0) / 3.6e6);
}

#[test]
fn figures_are_the_sums_and_means_of_the_log() {
    let lines = lines(1);
    let page = page(&stage("figures", &lines), "");
    let rounds = of(&lines, "round");
    let loads: Vec<f64> =
        each(&lines, "workers").iter().filter_map(|it| it["load"].as_f64()).collect();
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
    close(figure(&page, "load", "workers"), WORKERS as f64);
    close(figure(&page, "load", "readings"), loads.len() as f64);
    close(figure(&page, "load", "mean load"), mean(&loads));
    close(figure(&page, "load", "highest load"), loads.iter().copied().fold(0.0, f64::max));

    let means: Vec<f64> = rounds.iter().map(|it| number(&it["load"]["mean"])).collect();
    close(figure(&page, "thresholds", "rounds"), ROUNDS as f64);
    close(figure(&page, "thresholds", "mean load"), mean(&means));
    close(
        figure(&page, "thresholds", "rounds uneven"),
        rounds.iter().filter(|it| it["uneven"] == true).count() as f64,
    );
    close(figure(&page, "thresholds", "rounds with a change"), (ROUNDS / 4) as f64);
    close(figure(&page, "thresholds", "all changes together"), sum(&lines, "adaptation_rate"));

    let (completed, failed) = (sum(&lines, "completed"), sum(&lines, "failed"));
    close(figure(&page, "success", "begun"), sum(&lines, "initiated"));
    close(figure(&page, "success", "success"), completed / (completed + failed));

    let judged = each(&lines, "judged");
    let errors: Vec<f64> =
        judged.iter().map(|it| (number(&it["load"]) - number(&it["outcome"])).abs()).collect();
    let inside = |it: &&&Value| {
        it["low"].as_f64() <= it["outcome"].as_f64()
            && it["outcome"].as_f64() <= it["high"].as_f64()
    };
    let held = judged.iter().filter(inside).count() as f64;
    close(figure(&page, "forecast", "forecasts that came due"), judged.len() as f64);
    close(figure(&page, "forecast", "mean error"), mean(&errors));
    close(figure(&page, "forecast", "inside the interval"), held / judged.len() as f64);
    close(figure(&page, "reliability", "held"), held);

    let joules = |round: &Value| number(&round["energy"]["joules"]);
    close(
        figure(&page, "energy", "energy"),
        (joules(rounds[rounds.len() - 1]) - joules(rounds[0])) / 3.6e6,
    );
    close(figure(&page, "energy", "mean power"), 1_800.0);
    close(figure(&page, "energy", "hottest"), 61.5);
    let by_kind: Vec<f64> = each(&lines, "hardware").iter().map(|it| number(&it["load"])).collect();
    close(figure(&page, "hardware", "cpu"), mean(&by_kind));
    close(figure(&page, "cost", "scored"), sum(&lines, "scored"));
    close(figure(&page, "cost", "shown"), each(&lines, "candidates").len() as f64);
    close(figure(&page, "refusals", "reasons"), 2.0);
}

#[test]
fn a_page_needs_nothing_from_elsewhere() {
    let page = page(&stage("alone", &lines(1)), "");
    assert!(!page.contains("src=") && !page.contains("@import") && !page.contains("url("));
    let links = between(&page, "href=\"", "\"");
    assert!(
        links.iter().all(|link| link.starts_with('#') || link.starts_with("data:")),
        "{links:?}"
    );
    assert!(page.contains("made up &lt;1&gt;") && page.contains("is &lt;idle&gt; &amp; free"));
}

#[test]
fn two_runs_stand_side_by_side_on_the_same_scales() {
    let mut other = lines(2);
    let last = other.iter_mut().rev().find(|it| it["line"] == "round").expect("a round");
    last["workers"][0]["load"] = 2.0.into();
    last["energy"]["watts"] = 90_000.0.into();
    let directory = stage("compare", &lines(1));
    write_log(&directory.join("other.jsonl"), &other);
    let page = page(&directory, "--compare other.jsonl --svg svg");
    for picture in
        ["load", "thresholds", "success", "utilization", "cost", "energy", "forecast", "refusals"]
    {
        assert_eq!(
            page.matches(&format!("<figure data-picture=\"{picture}\">")).count(),
            2,
            "{picture}"
        );
        let names = |file: String| {
            let svg =
                fs::read_to_string(directory.join("svg").join(file)).expect("there is a picture");
            between(&svg, "class=\"tx e\"", "</text>")
                .iter()
                .map(|it| (*it).to_owned())
                .collect::<Vec<_>>()
        };
        assert_eq!(
            names(format!("{picture}.svg")),
            names(format!("{picture}-compared.svg")),
            "{picture}"
        );
    }
    let tops: Vec<&str> = between(&page, "data-top=\"", "\"");
    assert!(tops.len() == 4 && tops.iter().all(|top| *top == tops[0]), "{tops:?}");
}

#[test]
fn one_chart_and_the_last_days_can_be_asked_for() {
    let directory = stage("choice", &lines(1));
    let page = page(&directory, "--metric thresholds --days 0.05");
    assert_eq!(page.matches("<section ").count(), 1);
    // A twentieth of a day is 4,320 s: 144 rounds of 30 s, and the one at its begin.
    close(figure(&page, "thresholds", "rounds"), 145.0);
    assert!(!report(&directory, "run.jsonl --days 0").status.success());
    assert!(!report(&directory, "run.jsonl --metric nothing").status.success());
}

#[test]
fn a_torn_last_line_is_told_and_a_broken_one_refused() {
    let directory = stage("torn", &lines(1));
    let path = directory.join("run.jsonl");
    let whole = fs::read_to_string(&path).expect("there is a log");
    fs::write(&path, format!("{whole}{{\"line\":\"omen\"}}\n{{\"line\":\"round\",\"ep"))
        .expect("it can be written");
    let page = page(&directory, "");
    assert!(
        page.contains("1 lines of unknown kinds were skipped")
            && page.contains("the last, is torn")
    );
    close(figure(&page, "thresholds", "rounds"), ROUNDS as f64);
    fs::write(&path, format!("{{\"line\":\"round\"}}\n{whole}")).expect("it can be written");
    let output = report(&directory, "run.jsonl");
    assert!(
        !output.status.success()
            && String::from_utf8_lossy(&output.stderr).contains("run.jsonl: line 1:")
    );
}

#[test]
fn rows_of_the_metrics_table_do_for_the_charts_they_suffice_for() {
    let row = |id: u64| {
        serde_json::json!({
            "id": id, "timestamp": format!("2026-11-21 08:{:02}:00.000", id), "system_load": 0.5,
            "threshold_high": 0.8, "threshold_low": 0.3, "imbalance_score": 0.2, "migrations_initiated": 2,
            "migrations_successful": 3, "prediction_accuracy": 0.9, "metrics": {
                "worker_count": 4, "active_migrations": 1,
                "thresholds": {"high": 0.8, "low": 0.3, "initial_high": 0.8, "initial_low": 0.3},
                "migrations": {"initiated": 2, "successful": 3, "success_rate": 0.75},
                "features": {"dynamic_thresholds": true, "predictive_balancing": true, "cost_benefit_analysis": true,
                    "hardware_specific": true, "resource_efficiency": true},
                "prediction": {"current_load": 0.5, "predicted_load": 0.6, "confidence": 0.8, "window_minutes": 3.0},
            },
        })
    };
    let page = page(&stage("rows", &(1..=9).map(row).collect::<Vec<_>>()), "");
    close(figure(&page, "thresholds", "rounds"), 9.0);
    close(figure(&page, "success", "completed"), 27.0);
    close(figure(&page, "success", "ended otherwise"), 9.0);
    assert!(page.contains("data-picture=\"forecast\"") && page.contains("08:01:00 to 08:09:00"));
}

#[test]
fn pictures_come_as_png_with_their_text() {
    let directory = stage("png", &lines(1));
    let output = report(&directory, "run.jsonl --png png --svg svg");
    let said = String::from_utf8_lossy(&output.stderr);
    if said.contains("no font on this machine") {
        println!("skipped: {said}");
        return;
    }
    assert!(output.status.success() && !directory.join("report.html").exists(), "{said}");
    let names = |kind: &str| -> Vec<String> {
        let files = fs::read_dir(directory.join(kind)).expect("there are pictures");
        let stem = |file: fs::DirEntry| {
            file.path().file_stem().map(|it| it.to_string_lossy().into_owned())
        };
        let mut names: Vec<String> = files.filter_map(Result::ok).filter_map(stem).collect();
        names.sort();
        names
    };
    assert_eq!(names("png"), names("svg"));
    assert_eq!(names("png").len(), 11);
    let file = std::io::BufReader::new(
        fs::File::open(directory.join("png/success.png")).expect("it is there"),
    );
    let mut reader = png::Decoder::new(file).read_info().expect("a PNG");
    let mut pixels = vec![0; reader.output_buffer_size().expect("it fits")];
    let frame = reader.next_frame(&mut pixels).expect("pixels");
    // The title stands in the first 60 rows: letters are dark on white.
    let dark = pixels[..frame.line_size * 60].chunks(4).filter(|pixel| pixel[0] < 100).count();
    assert!(dark > 200, "{dark} dark pixels where the title should be");
}
