//! The free checks: what must hold of every round, whatever the story is about.
//!
//! A round is played again with its records shuffled, from a saved and resumed state, from the log,
//! and with other numbers for everything (in the same order); each time it must come out the same.
//! The verifier reads along.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::config::Config;
use crate::engine::{Engine, Input, Output, Stale};
use crate::model::ids::{
    ClassId, DomainId, GroupId, KindId, LabelId, TaskId, TenantId, TopologyId, WorkerId, ZoneId,
};
use crate::model::ratio::Ratio;
use crate::model::time::Timestamp;
use crate::outcome::Outcome;
use crate::snapshot::{
    Event, Freeze, FreezeScope, Group, GroupRule, Placement, Report, Snapshot, SnapshotBuilder,
    StateAt, TargetClass, Task, Topology, Worker,
};
use crate::verify;

/// Permutations tried per round.
const SHUFFLES: u64 = 3;

/// What goes into a snapshot, before anybody has looked at it.
#[derive(Clone, Debug)]
pub(super) struct Sheet {
    pub(super) at: Timestamp,
    pub(super) partial: bool,
    pub(super) workers: Vec<Worker>,
    pub(super) tasks: Vec<Task>,
    pub(super) groups: Vec<Group>,
    pub(super) freezes: Vec<Freeze>,
    pub(super) classes: Vec<TargetClass>,
    pub(super) reports: Vec<Report>,
}

impl Sheet {
    /// The snapshot.
    pub(super) fn snapshot(&self) -> Snapshot {
        let Self { at, partial, workers, tasks, groups, freezes, classes, reports } = self.clone();
        let mut builder = Snapshot::builder(at).workers(workers).tasks(tasks);
        for group in groups {
            builder = builder.group(group);
        }
        for freeze in freezes {
            builder = builder.freeze(freeze);
        }
        builder = classes.into_iter().fold(builder, SnapshotBuilder::class);
        for report in reports {
            builder = builder.report(report);
        }
        if partial { builder.partial().build() } else { builder.build() }
    }

    /// The same records in another order.
    pub(super) fn shuffled(&self, seed: u64) -> Self {
        let mut sheet = self.clone();
        let mut dice = seed;
        shuffle(&mut sheet.workers, &mut dice);
        shuffle(&mut sheet.tasks, &mut dice);
        shuffle(&mut sheet.groups, &mut dice);
        shuffle(&mut sheet.freezes, &mut dice);
        shuffle(&mut sheet.classes, &mut dice);
        shuffle(&mut sheet.reports, &mut dice);
        sheet.groups.iter_mut().for_each(|group| shuffle(&mut group.members, &mut dice));
        sheet
    }

    /// The same records under other numbers, in the same order.
    pub(super) fn renumbered(&self) -> Self {
        let mut sheet = self.clone();
        sheet.workers.iter_mut().for_each(renumber_worker);
        sheet.tasks.iter_mut().for_each(renumber_task);
        for class in &mut sheet.classes {
            class.id = ClassId::new(other(class.id.raw()));
            let workers = class.workers.iter();
            let workers = workers.map(|(id, points)| (WorkerId::new(other(id.raw())), *points));
            class.workers = workers.collect();
        }
        for group in &mut sheet.groups {
            group.id = GroupId::new(other(group.id.raw()));
            if let GroupRule::Spread { over: Topology::Label(topology), .. } = &mut group.rule {
                *topology = renumber_topology(*topology);
            }
            group.members.iter_mut().for_each(|id| *id = TaskId::new(other(id.raw())));
        }
        sheet.freezes.iter_mut().for_each(|freeze| renumber_scope(&mut freeze.scope));
        sheet.reports.iter_mut().for_each(|report| *report = renumbered(report));
        sheet
    }
}

/// Fisher and Yates, with a small generator of its own: the same in every run.
fn shuffle<T>(items: &mut [T], dice: &mut u64) {
    for last in (1..items.len()).rev() {
        *dice =
            dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let pick = usize::try_from(*dice >> 33).unwrap_or(0) % (last + 1);
        items.swap(last, pick);
    }
}

/// About so many tasks and workers of a round questions are asked.
const ASKED: usize = 12;

/// What a round was, and what came of it.
pub(super) struct Played<'a> {
    pub(super) sheet: &'a Sheet,
    pub(super) before: &'a Engine,
    pub(super) after: &'a Engine,
    pub(super) result: &'a Result<Outcome, Stale>,
}

impl Played<'_> {
    /// One line per disagreement.
    pub(super) fn disagreements(&self) -> Vec<String> {
        let mut lines = Vec::new();
        let snapshot = self.sheet.snapshot();
        for seed in 1..=SHUFFLES {
            let mut engine = self.before.clone();
            let result = engine.tick(&self.sheet.shuffled(seed).snapshot());
            self.compare(&format!("shuffled records (seed {seed})"), &result, &engine, &mut lines);
        }
        match resumed(self.before) {
            Ok(mut engine) => {
                let result = engine.tick(&snapshot);
                self.compare("saved and resumed", &result, &engine, &mut lines);
            }
            Err(error) => lines.push(format!("saved and resumed: {error}")),
        }
        if let Err(error) = self.replayed(snapshot, &mut lines) {
            lines.push(format!("replayed from the log: {error}"));
        }
        lines.extend(self.broken_promises());
        lines
    }

    /// What the verifier finds in this round.
    fn broken_promises(&self) -> Vec<String> {
        let Ok(outcome) = self.result else { return Vec::new() };
        let snapshot = self.sheet.snapshot();
        let (config, before, after) =
            (self.before.config(), self.before.state(), self.after.state());
        let round = verify::Round::new(config, before, &snapshot, outcome, after);
        let mut broken = verify::check(&round);
        // What a round would say of each task before it plans.
        let look = self.before.look(&snapshot);
        for task in snapshot.tasks().iter().take(ASKED) {
            let workers = snapshot.workers().iter().take(ASKED);
            let considered = workers.filter_map(|worker| look.consider(task.id, worker.id));
            let ranked = look.rank(task.id).unwrap_or_default();
            broken.extend(verify::ranking(&ranked));
            let verdicts: Vec<_> = considered.chain(ranked).collect();
            broken.extend(verify::answers(&round, verdicts.iter().map(|it| (task.id, it))));
        }
        broken.iter().map(ToString::to_string).collect()
    }

    /// The input goes through the log and back; so does what came of it.
    fn replayed(&self, snapshot: Snapshot, lines: &mut Vec<String>) -> Result<(), String> {
        let input: Input = through_text(&Input::Tick(snapshot))?;
        let mut engine = self.before.clone();
        let result = match engine.apply(&input) {
            Output::Outcome(outcome) => Ok(*outcome),
            Output::Stale(stale) => Err(stale),
            other => return Err(format!("a tick gave {other:?}")),
        };
        self.compare("replayed from the log", &result, &engine, lines);
        if let Ok(outcome) = &result {
            let again: Outcome = through_text(outcome)?;
            differ("outcome read back from the log", outcome, &again, lines);
        }
        Ok(())
    }

    fn compare(
        &self,
        what: &str,
        result: &Result<Outcome, Stale>,
        engine: &Engine,
        lines: &mut Vec<String>,
    ) {
        differ(&format!("{what}: outcome"), self.result, result, lines);
        differ(&format!("{what}: state"), self.after.state(), engine.state(), lines);
    }
}

/// An engine that went on from what this one would have saved.
pub(super) fn resumed(engine: &Engine) -> Result<Engine, String> {
    let (config, state) = (through_text(engine.config())?, through_text(engine.state())?);
    let epoch = engine.state().epoch();
    Engine::resume(config, state, epoch).map_err(|error| error.to_string())
}

/// Writes a value down and reads it back.
pub(super) fn through_text<T: Serialize + DeserializeOwned>(value: &T) -> Result<T, String> {
    let text = serde_json::to_string(value).map_err(|error| error.to_string())?;
    serde_json::from_str(&text).map_err(|error| error.to_string())
}

/// Notes the first place where two values differ, bit by bit.
pub(super) fn differ<T: Serialize>(what: &str, expected: &T, found: &T, lines: &mut Vec<String>) {
    let text = |value: &T| serde_json::to_string(value).unwrap_or_default();
    differ_as_text(what, &text(expected), &text(found), lines);
}

fn differ_as_text(what: &str, expected: &str, found: &str, lines: &mut Vec<String>) {
    if expected == found {
        return;
    }
    let same = expected.bytes().zip(found.bytes()).take_while(|(a, b)| a == b).count();
    let excerpt = |text: &str| {
        let bytes = text.as_bytes();
        let part = &bytes[same.saturating_sub(40).min(bytes.len())..(same + 40).min(bytes.len())];
        String::from_utf8_lossy(part).into_owned()
    };
    lines.push(format!("{what}: ...{}... became ...{}...", excerpt(expected), excerpt(found)));
}

/// Whether the numbers of tasks may decide: by them a share of all tasks is in scope.
pub(super) fn numbers_decide(config: &Config) -> bool {
    config.scope.as_ref().is_some_and(|scope| scope.share < Ratio::ONE)
}

/// The same settings for the twin, whose labels have other numbers.
pub(super) fn renumbered_config(config: &Config) -> Config {
    let mut config = config.clone();
    let labels = config.scope.iter_mut().flat_map(|scope| &mut scope.labels);
    labels.for_each(renumber_label);
    config
}

/// Whether what came of the renumbered twin says the same once its numbers are mapped back.
pub(super) fn same_when_renumbered<T: Serialize>(original: &T, twin: &T) -> Vec<String> {
    let tree = |value: &T| serde_json::to_value(value).unwrap_or_default();
    let (mut original, mut twin) = (tree(original), tree(twin));
    map_back(&mut twin);
    let mut lines = Vec::new();
    for tree in [&mut original, &mut twin] {
        drop_what_numbers_change(tree);
    }
    differ("renumbered records", &original, &twin, &mut lines);
    lines
}

/// The number that takes the place of another one: greater numbers stay greater.
const fn other(number: u64) -> u64 {
    number.saturating_mul(3).saturating_add(1_000)
}

fn renumber_worker(worker: &mut Worker) {
    worker.id = WorkerId::new(other(worker.id.raw()));
    worker.zone = worker.zone.map(|zone| ZoneId::new(other(zone.raw())));
    let domains = worker.domains.iter().map(|(topology, domain)| {
        (renumber_topology(*topology), DomainId::new(other(domain.raw())))
    });
    worker.domains = domains.collect();
    worker.labels.iter_mut().for_each(renumber_label);
}

fn renumber_topology(topology: TopologyId) -> TopologyId {
    TopologyId::new(other(topology.raw()))
}

fn renumber_scope(scope: &mut FreezeScope) {
    match scope {
        FreezeScope::All => {}
        FreezeScope::Worker(id) => *id = WorkerId::new(other(id.raw())),
        FreezeScope::Zone(id) => *id = ZoneId::new(other(id.raw())),
        FreezeScope::Group(id) => *id = GroupId::new(other(id.raw())),
        FreezeScope::Kind(id) => *id = KindId::new(other(id.raw())),
    }
}

fn renumber_label(label: &mut LabelId) {
    *label = LabelId::new(other(label.raw()));
}

fn renumber_task(task: &mut Task) {
    let worker = |id: WorkerId| WorkerId::new(other(id.raw()));
    task.id = TaskId::new(other(task.id.raw()));
    task.kind = KindId::new(other(task.kind.raw()));
    task.class = task.class.map(|class| ClassId::new(other(class.raw())));
    task.tenant = task.tenant.map(|tenant| TenantId::new(other(tenant.raw())));
    match &mut task.placement {
        Placement::On(on) => *on = worker(*on),
        Placement::Moving { from, to, .. } => (*from, *to) = (from.map(worker), worker(*to)),
        Placement::Unplaced | Placement::Orphaned => {}
    }
    task.labels.iter_mut().for_each(renumber_label);
    match &mut task.state_at {
        Some(StateAt::Worker(id)) => *id = worker(*id),
        Some(StateAt::Zone(id)) => *id = ZoneId::new(other(id.raw())),
        Some(StateAt::Shared) | None => {}
    }
    task.requirements.labels.iter_mut().for_each(renumber_label);
    task.requirements.forbidden_labels.iter_mut().for_each(renumber_label);
}

/// A report that speaks of the same things under their other numbers.
pub(super) fn renumbered(report: &Report) -> Report {
    let mut report = *report;
    match &mut report.event {
        Event::Diverted { worker, task, .. } => {
            *worker = WorkerId::new(other(worker.raw()));
            *task = TaskId::new(other(task.raw()));
        }
        Event::Performance { worker, .. } => *worker = WorkerId::new(other(worker.raw())),
        _ => {}
    }
    report
}

/// Fields of outputs that hold a number of a worker, a task, a group or a label.
const NUMBERED: [&str; 13] = [
    "worker", "task", "to", "hint", "from", "hottest", "coldest", "group", "class", "tenant",
    "label", "report", "like",
];

fn map_back(tree: &mut Value) {
    match tree {
        Value::Object(fields) => {
            for (key, value) in fields {
                match value.as_u64().filter(|_| NUMBERED.contains(&key.as_str())) {
                    Some(number) => *value = (number.saturating_sub(1_000) / 3).into(),
                    None => map_back(value),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(map_back),
        _ => {}
    }
}

/// The values of bad records may print the numbers.
fn drop_what_numbers_change(tree: &mut Value) {
    match tree {
        Value::Object(fields) => {
            for key in ["value", "must"] {
                fields.remove(key);
            }
            fields.values_mut().for_each(drop_what_numbers_change);
        }
        Value::Array(items) => items.iter_mut().for_each(drop_what_numbers_change),
        _ => {}
    }
}
