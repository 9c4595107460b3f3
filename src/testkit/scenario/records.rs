//! What the story says of workers, tasks and groups: records that persist and are changed by naming
//! fields again.

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

use super::fields::{
    device, domains, moving, optional, ratio, set, spans, spread, stance, state_at, way, without,
};
use super::free::Sheet;
use super::words::{Parsed, bytes, list, moment, pair, plain, size, span, sum, unknown, valued};
use crate::host::HostedTask;
use crate::model::hardware::Hardware;
use crate::model::ids::{ClassId, GroupId, TaskId, WorkerId};
use crate::model::resource::ResourceId;
use crate::model::time::Timestamp;
use crate::snapshot::{
    Freeze, FreezeScope, Group, GroupRule, Mobility, Placement, Report, Stance, TargetClass, Task,
    Worker,
};

/// Cores of a worker that says nothing of them.
pub(super) const WORKER_CPU: f64 = 16.0;
/// Cores that a task asks for if it says nothing of them.
pub(super) const TASK_CPU: f64 = 1.0;
/// The most rounds of one line.
const MOST_ROUNDS: usize = 10_000;

/// A worker as the story tells it: what it does not say of its use is what its tasks use.
#[derive(Clone, Debug)]
pub(super) struct Site {
    pub(super) worker: Worker,
    /// Resources of unknown use.
    silent: Vec<ResourceId>,
}

/// Everything that the story has said so far.
#[derive(Clone, Debug, Default)]
pub(super) struct Records {
    pub(super) workers: BTreeMap<WorkerId, Site>,
    pub(super) tasks: BTreeMap<TaskId, HostedTask>,
    pub(super) groups: BTreeMap<GroupId, Group>,
    pub(super) freezes: Vec<Freeze>,
    pub(super) classes: BTreeMap<ClassId, TargetClass>,
}

impl Records {
    /// Reads `w1 cpu=16 used.cpu=12`: a new worker, or new fields of a known one.
    pub(super) fn worker(&mut self, line: &str) -> Parsed<()> {
        let (id, fields) = split(line)?;
        let id: WorkerId = plain(id)?;
        let site = self.workers.entry(id).or_insert_with(|| Site {
            worker: Worker::new(id).with_capacity(ResourceId::CPU, WORKER_CPU),
            silent: Vec::new(),
        });
        let mut first_device = true;
        for word in fields {
            let (key, value) = pair(word);
            if key == "device" && core::mem::take(&mut first_device) {
                site.worker.devices.clear();
            }
            site.field(key, valued(key, value)?)?;
        }
        Ok(())
    }

    /// Reads `t1 on=w1 cpu=2`: a new task, or new fields of a known one.
    pub(super) fn task(&mut self, line: &str) -> Parsed<()> {
        let (id, fields) = split(line)?;
        let id: TaskId = plain(id)?;
        let new = || HostedTask::new(Task::new(id).with_demand(ResourceId::CPU, TASK_CPU));
        let HostedTask { task, .. } = self.tasks.entry(id).or_insert_with(new);
        let mut first_way = true;
        for word in fields {
            match pair(word) {
                ("way", value) => {
                    if core::mem::take(&mut first_way) {
                        task.alternatives.clear();
                    }
                    let value = valued("way", value)?;
                    task.alternatives.extend(optional(value, way)?);
                }
                (word, None) => task_word(task, word)?,
                (key, Some(value)) => task_field(task, key, value)?,
            }
        }
        Ok(())
    }

    /// Reads `g1 affinity t1,t2`, `g2 anti-affinity t1,t2` or `g3 spread=1:y1 t1,t2`.
    pub(super) fn group(&mut self, line: &str) -> Parsed<()> {
        let mut words = line.split_whitespace();
        let (Some(id), Some(rule), Some(members), None) =
            (words.next(), words.next(), words.next(), words.next())
        else {
            return Err("a group reads `g1 affinity t1,t2`".into());
        };
        let rule = match pair(rule) {
            ("affinity", None) => GroupRule::Affinity,
            ("anti-affinity", None) => GroupRule::AntiAffinity,
            ("gang", None) => GroupRule::Gang,
            ("disruption", Some(most)) => GroupRule::Disruption { max_unavailable: plain(most)? },
            ("spread", Some(most)) => spread(most)?,
            _ => {
                return Err(unknown(
                    rule,
                    "a group: affinity, anti-affinity, spread=1:y1, disruption=1, gang",
                ));
            }
        };
        let id: GroupId = plain(id)?;
        self.groups.insert(id, Group::new(id, rule, list(members)?));
        Ok(())
    }

    /// Reads `c1 w1 w2=1.5`: a class of workers, some of which cost extra.
    pub(super) fn class(&mut self, line: &str) -> Parsed<()> {
        let (id, workers) = split(line)?;
        let id: ClassId = plain(id)?;
        let mut class = TargetClass::new(id);
        for word in workers {
            let (worker, points) = pair(word);
            class = class.with_worker(plain(worker)?, points.map_or(Ok(0.0), plain)?);
        }
        self.classes.insert(id, class);
        Ok(())
    }

    /// Changes one field of the worker or task that `id` names.
    pub(super) fn field(&mut self, id: &str, key: &str, value: &str) -> Parsed<()> {
        let known = match id.as_bytes().first() {
            Some(b'w') => self.workers.contains_key(&plain(id)?),
            Some(b't') => self.tasks.contains_key(&plain(id)?),
            _ => false,
        };
        if !known {
            return Err(format!("nothing is known of `{id}`"));
        }
        let line = format!("{id} {key}={value}");
        if id.starts_with('w') { self.worker(&line) } else { self.task(&line) }
    }

    /// Removes a record: it is not in later snapshots.
    pub(super) fn forget(&mut self, id: &str) -> Parsed<()> {
        let known = match id.as_bytes().first() {
            Some(b'w') => self.workers.remove(&plain(id)?).is_some(),
            Some(b't') => self.tasks.remove(&plain(id)?).is_some(),
            Some(b'c') => self.classes.remove(&plain(id)?).is_some(),
            Some(b'g') => self.groups.remove(&plain(id)?).is_some(),
            _ => false,
        };
        if known { Ok(()) } else { Err(format!("nothing is known of `{id}`")) }
    }

    /// The records that a host would put into a snapshot of this moment.
    pub(super) fn sheet(&self, at: Timestamp, partial: bool, reports: Vec<Report>) -> Sheet {
        Sheet {
            at,
            partial,
            workers: self.workers.values().map(|site| self.measured(site)).collect(),
            tasks: self.tasks.values().map(|hosted| hosted.task.clone()).collect(),
            groups: self.groups.values().cloned().collect(),
            freezes: self.freezes.clone(),
            classes: self.classes.values().cloned().collect(),
            reports,
        }
    }

    /// Whether a worker is there to be asked.
    pub(super) fn answers(&self, worker: WorkerId) -> bool {
        self.workers.get(&worker).is_some_and(|site| site.worker.stance != Stance::Offline)
    }

    /// The worker with the use that follows from its tasks filled in.
    fn measured(&self, site: &Site) -> Worker {
        let mut worker = site.worker.clone();
        let capacity: Vec<ResourceId> = worker.capacity.iter().map(|(id, _)| id).collect();
        for resource in capacity {
            if worker.used.get(resource).is_none() && !site.silent.contains(&resource) {
                let tasks = self.tasks.values();
                let used = tasks.filter_map(|hosted| hosted.load_on(&worker, resource)).sum();
                worker.used.set(resource, used);
            }
        }
        worker
    }

    /// Moves what a task uses from the stated use of the workers that it has left to that of those it has come to.
    pub(super) fn shift_use(&mut self, before: &HostedTask, after: &HostedTask) {
        for (here, there, sign) in [(before, after, -1.0), (after, before, 1.0)] {
            let workers = [here.holder(), here.copied_on()].into_iter().flatten();
            for worker in workers.filter(|worker| !there.is_on(*worker)) {
                let Some(site) = self.workers.get_mut(&worker) else { continue };
                let stated: Vec<(ResourceId, f64)> = site.worker.used.iter().collect();
                for (resource, used) in stated {
                    let change = sign * here.load_on(&site.worker, resource).unwrap_or(0.0);
                    site.worker.used.set(resource, (used + change).max(0.0));
                }
            }
        }
    }
}

/// The first word of a record and the rest.
fn split(line: &str) -> Parsed<(&str, core::str::SplitWhitespace<'_>)> {
    let mut words = line.split_whitespace();
    let id = words.next().ok_or_else(|| String::from("an empty record"))?;
    Ok((id, words))
}

impl Site {
    fn field(&mut self, key: &str, value: &str) -> Parsed<()> {
        if let Some(resource) = key.strip_prefix("used.") {
            return self.used(plain(resource)?, value);
        }
        let worker = &mut self.worker;
        if let Some(resource) = key.strip_prefix("reserved.") {
            let resource = plain(resource)?;
            set(&mut worker.reserved, resource, value)?;
            return Ok(());
        }
        match key {
            "load" => {
                let cores = worker.capacity.get(ResourceId::CPU).unwrap_or(WORKER_CPU);
                worker.used.set(ResourceId::CPU, plain::<f64>(value)? * cores);
            }
            "stance" => worker.stance = stance(value)?,
            "hardware" => worker.hardware = sum::<_, Hardware>(value)?,
            "device" if value == "none" => worker.devices.clear(),
            "device" => worker.devices.push(device(value)?),
            "age" => worker.metric_age = span(value)?,
            "zone" => worker.zone = optional(value, plain)?,
            "domain" => worker.domains = optional(value, domains)?.unwrap_or_default(),
            "labels" => worker.labels = optional(value, list)?.unwrap_or_default(),
            "health" => worker.health = optional(value, ratio)?,
            "temp" => worker.temperature_celsius = optional(value, plain)?,
            "power" => worker.power_watts = optional(value, plain)?,
            "link" => worker.bandwidth_bytes_per_second = optional(value, size)?,
            "until" => worker.available_until = optional(value, moment)?,
            "maintenance" => worker.maintenance = optional(value, spans)?.unwrap_or_default(),
            _ => {
                let resource = plain(key).map_err(|_| unknown(key, "a worker"))?;
                set(&mut worker.capacity, resource, value)?;
            }
        }
        Ok(())
    }

    fn used(&mut self, resource: ResourceId, value: &str) -> Parsed<()> {
        self.silent.retain(|silent| *silent != resource);
        if value == "unknown" {
            self.silent.push(resource);
        }
        if value == "tasks" || value == "unknown" {
            self.worker.used = without(&self.worker.used, resource);
            return Ok(());
        }
        set(&mut self.worker.used, resource, value)
    }
}

fn task_word(task: &mut Task, word: &str) -> Parsed<()> {
    match word {
        "checkpoint" => task.mobility = Mobility::Checkpoint,
        "restart" => task.mobility = Mobility::Restart,
        "queued" => task.mobility = Mobility::Queued,
        "pinned" => task.mobility = Mobility::Pinned,
        "unplaced" => task.placement = Placement::Unplaced,
        "orphaned" => task.placement = Placement::Orphaned,
        "power-efficient" => task.requirements.power_efficient = true,
        "overlaps" => task.overlaps = true,
        _ => return Err(unknown(word, "a task")),
    }
    Ok(())
}

fn task_field(task: &mut Task, key: &str, value: &str) -> Parsed<()> {
    if let Some(resource) = key.strip_prefix("used.") {
        return set(&mut task.used, plain(resource)?, value);
    }
    let whole = |text: &str| plain::<u64>(text);
    match key {
        "on" => task.placement = Placement::On(plain(value)?),
        "moving" => task.placement = moving(value)?,
        "overlaps" => task.overlaps = value == "yes",
        "kind" => task.kind = plain(value)?,
        "class" => task.class = optional(value, plain)?,
        "tenant" => task.tenant = optional(value, plain)?,
        "priority" => task.priority = plain(value)?,
        "running" => task.running = span(value)?,
        "remaining" => task.remaining = optional(value, span)?,
        "progress" => task.progress = optional(value, ratio)?,
        "checkpointed" => task.checkpoint_age = optional(value, span)?,
        "checkpoints" => task.checkpoint_every = optional(value, span)?,
        "state" => task.state_bytes = optional(value, bytes)?,
        "state-at" => task.state_at = optional(value, state_at)?,
        "not-before" => task.not_before = optional(value, moment)?,
        "extra-cost" => task.extra_cost = optional(value, size)?,
        "labels" => task.labels = optional(value, list)?.unwrap_or_default(),
        "device" => {
            task.device = optional(value, whole)?.and_then(|device| u16::try_from(device).ok());
        }
        "by" => task.alternative = optional(value, plain)?,
        _ => return requirement(task, key, value),
    }
    Ok(())
}

fn requirement(task: &mut Task, key: &str, value: &str) -> Parsed<()> {
    let needs = &mut task.requirements;
    match key {
        "all" => needs.all_of = optional(value, sum::<_, Hardware>)?.unwrap_or_default(),
        "any" => needs.any_of = optional(value, sum::<_, Hardware>)?.unwrap_or_default(),
        "min-memory" => needs.min_memory_bytes = optional(value, bytes)?,
        "gpu-memory" => needs.gpu_memory_bytes = optional(value, bytes)?,
        "compute" => needs.min_cuda_compute = optional(value, plain)?,
        "label" => needs.labels = optional(value, list)?.unwrap_or_default(),
        "forbid" => needs.forbidden_labels = optional(value, list)?.unwrap_or_default(),
        _ => {
            let resource = plain(key).map_err(|_| unknown(key, "a task"))?;
            return set(&mut task.demand, resource, value);
        }
    }
    Ok(())
}

/// `all until=300s`, `w1 until=300s strict`: what is frozen.
pub(super) fn freeze(words: &str) -> Parsed<Freeze> {
    let (what, rest) = split(words)?;
    let scope = match what.as_bytes().first() {
        _ if what == "all" => FreezeScope::All,
        Some(b'w') => FreezeScope::Worker(plain(what)?),
        Some(b'z') => FreezeScope::Zone(plain(what)?),
        Some(b'g') => FreezeScope::Group(plain(what)?),
        Some(b'k') => FreezeScope::Kind(plain(what)?),
        _ => return Err(unknown(what, "`freeze`: all, w1, z1, g1, k1")),
    };
    let (mut until, mut strict) = (None, false);
    for word in rest {
        match pair(word) {
            ("until", value) => until = Some(moment(valued("until", value)?)?),
            ("strict", None) => strict = true,
            _ => return Err(unknown(word, "`freeze`")),
        }
    }
    let until = until.ok_or("`freeze` needs an end: freeze all until=300s")?;
    let freeze = Freeze::new(scope, until);
    Ok(freeze.with_strict(strict))
}

/// A value between two others: the `step`-th of `steps`, from the first to the last.
pub(super) fn ramp(text: &str, step: usize, steps: usize) -> Parsed<String> {
    if let Some((from, to)) = text.split_once("..") {
        let (from, to): (f64, f64) = (plain(from)?, plain(to)?);
        let share = step as f64 / steps.saturating_sub(1).max(1) as f64;
        return Ok(format!("{}", from + (to - from) * share));
    }
    let values: Vec<&str> = text.split(',').collect();
    Ok(String::from(values[step % values.len()]))
}

/// A whole number of steps from `from` to `to`.
pub(super) fn moments(from: Timestamp, to: Timestamp, every: Duration) -> Parsed<Vec<Timestamp>> {
    if from.after(every) == from || to < from {
        return Err("ticks go from a moment to a later one, in steps".into());
    }
    let mut moments = Vec::new();
    let mut at = from;
    while at <= to && moments.last() < Some(&at) {
        if moments.len() == MOST_ROUNDS {
            return Err(format!("one line has at most {MOST_ROUNDS} ticks"));
        }
        moments.push(at);
        at = at.after(every);
    }
    Ok(moments)
}
