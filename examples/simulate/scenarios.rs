//! Scenario files.
//!
//! A file with a `title` is a scenario, and its name is the file's. One that is complete by itself stands by itself.
//! Any other is laid over `common.toml`:
//!
//! * a section (a table at the top) is merged key by key; but a file that names clusters or sizes has only its own;
//! * below that, a table is merged into a table of several keys; a table of one key stands for a choice, such as
//!   `{ skewed = 0.5 }`, and is replaced;
//! * anything else is replaced.
//!
//! `group` is for this program: a name for several scenarios.

use std::fs;
use std::path::{Path, PathBuf};

use evenkeel::sim::{Happening, Scenario, What};
use toml::{Table, Value};

use crate::options::{ALL, Options};

/// Where the bundled scenarios are.
pub(crate) const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/scenarios");
/// What scenarios share.
const COMMON: &str = "common.toml";
/// Sections whose keys are names.
const NAMED: [&str; 2] = ["clusters", "sizes"];

/// A scenario with its name.
#[derive(Clone, Debug)]
pub(crate) struct Named {
    pub(crate) name: String,
    pub(crate) scenario: Scenario,
    /// Whether it is one of the bundled folder.
    pub(crate) bundled: bool,
    group: Option<String>,
    /// Whether its file says everything.
    complete: bool,
}

/// The scenarios that are asked for, each once, by name.
pub(crate) fn chosen(options: &Options) -> Result<Vec<Named>, String> {
    let mut chosen = named(options)?;
    if options.faults {
        chosen.iter_mut().for_each(Named::bring_faults);
    }
    Ok(chosen)
}

/// The same without the faults of `--faults`.
pub(crate) fn named(options: &Options) -> Result<Vec<Named>, String> {
    if let Some(file) = &options.file {
        let name = file.display();
        let scenario = load(file)?.ok_or(format!("--file {name}: a scenario needs a title"))?;
        return Ok(vec![scenario]);
    }
    let bundled = bundled()?;
    let names = options.scenarios();
    for name in &names {
        if !bundled.iter().any(|it| it.answers_to(name)) {
            let known: Vec<&str> = bundled.iter().map(|it| it.name.as_str()).collect();
            let known = known.join(", ");
            return Err(format!("--scenario {name}: no such scenario or group, there are {known}"));
        }
    }
    Ok(bundled.into_iter().filter(|it| names.iter().any(|name| it.answers_to(name))).collect())
}

impl Named {
    /// The same with the faults of `--faults`.
    fn bring_faults(&mut self) {
        let scenario = &mut self.scenario;
        scenario.migration.failures = 0.2;
        scenario.telemetry.delay = [30.0, 30.0];
        scenario.telemetry.reports_lost = 0.1;
        scenario.telemetry.reports_repeated = 0.1;
        let mut crash = Happening::new(900.0, 0.05, What::Crash);
        crash.until = Some(1_500.0);
        scenario.events.push(crash);
    }

    fn answers_to(&self, name: &str) -> bool {
        (name == ALL && !self.complete) || name == self.name || self.group.as_deref() == Some(name)
    }
}

/// Every scenario of the folder, by name.
fn bundled() -> Result<Vec<Named>, String> {
    let told = |fault: std::io::Error| format!("{FOLDER}: {fault}");
    let mut files = Vec::new();
    for entry in fs::read_dir(FOLDER).map_err(told)? {
        files.push(entry.map_err(told)?.path());
    }
    files.retain(|file| file.extension().is_some_and(|it| it == "toml"));
    files.sort();
    let scenarios = files.iter().map(|file| load(file)).filter_map(Result::transpose);
    scenarios.collect()
}

/// Reads a file; nothing if it is no scenario.
fn load(file: &Path) -> Result<Option<Named>, String> {
    let told = |fault: &str| format!("{}: {}", file.display(), one_line(fault));
    let mut table = read(file)?;
    if !table.contains_key("title") {
        return Ok(None);
    }
    let group = match table.remove("group") {
        None => None,
        Some(Value::String(group)) => Some(group),
        Some(other) => return Err(told(&format!("group is {other}; it must be a name"))),
    };
    let alone = Value::Table(table.clone()).try_into::<Scenario>();
    let complete = alone.is_ok();
    let scenario = if let Ok(scenario) = alone {
        scenario
    } else {
        let merged = Value::Table(over_common(table)?);
        let read = merged.clone().try_into::<Scenario>();
        read.map_err(|fault| told(&with_value(&fault.to_string(), &merged)))?
    };
    scenario.check().map_err(|bad| {
        let lines: Vec<String> = bad.faults().iter().map(|fault| told(fault)).collect();
        lines.join("\n")
    })?;
    let name = file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    Ok(Some(Named { name, scenario, bundled: is_bundled(file), group, complete }))
}

fn read(file: &Path) -> Result<Table, String> {
    let told = |fault: &str| format!("{}: {}", file.display(), one_line(fault));
    let text = fs::read_to_string(file).map_err(|fault| told(&fault.to_string()))?;
    text.parse::<Table>().map_err(|fault| {
        let line = fault.span().map(|span| text[..span.start].lines().count().max(1));
        let at = line.map_or(String::new(), |line| format!("line {line}: "));
        told(&format!("{at}{}", fault.message()))
    })
}

fn is_bundled(file: &Path) -> bool {
    let folder = |path: PathBuf| path.canonicalize().ok();
    let here = file.canonicalize().ok().and_then(|it| it.parent().map(Path::to_path_buf));
    here.is_some() && here == folder(FOLDER.into())
}

/// A scenario's own file, and under it what is common.
fn over_common(own: Table) -> Result<Table, String> {
    let mut table = read(&Path::new(FOLDER).join(COMMON))?;
    for (key, value) in own {
        match (table.get_mut(&key), value) {
            (Some(Value::Table(section)), Value::Table(own)) if !NAMED.contains(&key.as_str()) => {
                merge(section, own);
            }
            (_, value) => {
                table.insert(key, value);
            }
        }
    }
    Ok(table)
}

fn merge(under: &mut Table, over: Table) {
    for (key, value) in over {
        match (under.get_mut(&key), value) {
            (Some(Value::Table(fields)), Value::Table(own)) if fields.len() > 1 => {
                merge(fields, own);
            }
            (_, value) => {
                under.insert(key, value);
            }
        }
    }
}

/// The fault, and the value of the field that it names.
fn with_value(fault: &str, merged: &Value) -> String {
    let path = fault.rsplit_once("in `").and_then(|(_, rest)| rest.split_once('`'));
    let field = path.and_then(|(path, _)| path.split('.').try_fold(merged, |it, key| it.get(key)));
    match field {
        Some(Value::Table(section)) if section.len() > 1 => fault.to_owned(),
        None => fault.to_owned(),
        Some(value) => format!("{}, which is {value}", fault.trim_end()),
    }
}

fn one_line(message: &str) -> String {
    message.split_whitespace().collect::<Vec<&str>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(text: &str) -> Table {
        text.parse().expect("valid TOML")
    }

    #[test]
    fn sections_merge_and_choices_are_replaced() {
        let mut under = table(
            "tasks = { gpu = { share = 0.3, only = 0.2 }, noise = 0.1 }\nmemory = { slows = 0.5 }",
        );
        let over = table(
            "tasks = { gpu = { share = { points = [[0.0, 1.0]] } } }\nmemory = { kills = 1 }",
        );
        merge(&mut under, over);
        let expected =
            "tasks = { gpu = { share = { points = [[0.0, 1.0]] }, only = 0.2 }, noise = 0.1 }
            memory = { kills = 1 }";
        assert_eq!(under, table(expected));
    }

    #[test]
    fn a_file_with_clusters_of_its_own_has_no_others() {
        let own = table("[[clusters.mine]]\ncores = 2.0\n[measure]\nown = \"makespan\"");
        let merged = over_common(own).expect("the common file can be read");
        let clusters = merged["clusters"].as_table().expect("a section");
        assert_eq!(clusters.keys().collect::<Vec<_>>(), ["mine"]);
        assert!(merged["measure"].get("from").is_some(), "{merged:?}");
    }

    #[test]
    fn the_folder_has_the_specifications_five_and_more() {
        let all = bundled().expect("they can be read");
        let count = |name| all.iter().filter(|it| it.answers_to(name)).count();
        assert_eq!(count("five"), 5);
        assert!(count(ALL) > 5);
        assert!(all.iter().any(|it| it.complete), "one file shows every field");
        assert!(all.iter().all(|it| it.bundled));
    }

    #[test]
    fn a_fault_names_the_field_and_its_value() {
        let merged = Value::Table(table("load = { level = \"high\", by = \"scaling\" }"));
        assert_eq!(
            with_value("bad in `load.level`", &merged),
            "bad in `load.level`, which is \"high\""
        );
        assert_eq!(with_value("bad in `load`", &merged), "bad in `load`");
    }
}
