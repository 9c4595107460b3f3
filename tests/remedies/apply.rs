//! Does what a remedy says, to the records, the settings or the time of a case; or a share of it.

use std::num::NonZeroU32;
use std::time::Duration;

use evenkeel::hardware::{Hardware, HardwareSet};
use evenkeel::id::GroupId;
use evenkeel::outcome::{BudgetRefusal, FitRefusal, Rejection, Remedy, WorthRefusal};
use evenkeel::ratio::Ratio;
use evenkeel::resource::Amounts;
use evenkeel::snapshot::{Group, GroupRule, Mobility, Placement, Record, Requirements, Stance};
use evenkeel::testkit::strategies::Cluster;
use evenkeel::{Action, Device, ResourceId, Task, TaskId, Timestamp, Worker, WorkerId};

use crate::case::{Case, Door};

/// The case with a share of the remedy applied; none where this test cannot do it.
pub fn apply(case: &Case, no: &Rejection, share: f64) -> Option<Case> {
    let mut case = case.clone();
    let done = match no.remedy() {
        Remedy::WaitUntil(until) => wait(&mut case, until, share),
        Remedy::AllowMigrations(count) => allow(&mut case, no, part(count, share)),
        Remedy::ForgetMoves(count) => {
            let remembered = case.cooldowns.len();
            let kept = remembered - part(count, share) as usize;
            case.cooldowns = case.cooldowns.into_iter().take(kept).collect();
            Some(())
        }
        Remedy::AllowSlack(count) => {
            let fairness = case.config.migration.as_mut()?.fairness.as_mut()?;
            fairness.slack = fairness.slack.saturating_add(part(count, share));
            Some(())
        }
        Remedy::RaiseBudget { by, .. } => {
            case.config.migration.as_mut()?.budgets[0].limit += bytes_of(by, share);
            Some(())
        }
        Remedy::AllowRunning(more) => {
            let most = &mut case.config.cost_benefit.as_mut()?.max_running;
            *most = Some((*most)? + more.mul_f64(share));
            Some(())
        }
        Remedy::RunLonger(more) => {
            // Of tasks that move together, any may be the one that ends too early.
            let ends = |task: &Task| match no {
                Rejection::Worth(WorthRefusal::NotRepaid { left, .. }) => {
                    task.expected_remaining() == Some(*left)
                }
                _ => false,
            };
            let with = case.with();
            let mut others = case.cluster.tasks.iter().filter(|task| with.contains(&task.id));
            let id = others.find(|task| ends(task)).map_or(case.task, |task| task.id);
            let task = case.cluster.task(id)?;
            let rest = task.expected_remaining()?;
            task.remaining = Some(rest + more.mul_f64(share));
            Some(())
        }
        Remedy::StateTransfer => state_transfer(&mut case),
        Remedy::Gain { benefit, cost } => {
            gain(&mut case, benefit * share, cost.map(|it| it * share))
        }
        Remedy::WidenShare(by) => {
            let scope = case.config.scope.as_mut()?;
            scope.share = Ratio::saturating(scope.share.get() + by * share);
            Some(())
        }
        remedy => of_the_task(&mut case, remedy)
            .or_else(|| of_the_group(&mut case.cluster, case.task, remedy, share))
            .or_else(|| of_the_worker(&mut case, no, remedy, share))
            .or_else(|| of_the_loads(&mut case, remedy, share)),
    };
    done.map(|()| case)
}

/// A share of a count, rounded down.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "counts are small")]
fn part(count: u32, share: f64) -> u32 {
    (f64::from(count) * share) as u32
}

/// A share of so many bytes, rounded down.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "bytes stay below 2^53"
)]
fn bytes_of(bytes: u64, share: f64) -> u64 {
    (bytes as f64 * share) as u64
}

#[expect(clippy::unnecessary_wraps, reason = "as the others")]
fn wait(case: &mut Case, until: Timestamp, share: f64) -> Option<()> {
    let span = until.since(case.at).unwrap_or_default();
    case.at = case.at.after(span.mul_f64(share));
    Some(())
}

/// Says everything that a hand-over is reckoned from, at prices that hardly count.
fn state_transfer(case: &mut Case) -> Option<()> {
    let source = case.source()?.id;
    report(&mut case.cluster, source)?;
    case.config.transfer.as_mut()?.bandwidth_bytes_per_second.get_or_insert(1e9);
    let task = case.cluster.task(case.task)?;
    (task.state_at, task.state_bytes) = (None, Some(1));
    task.checkpoint_age = Some(Duration::ZERO);
    task.running = task.running.max(Duration::from_secs(1));
    Some(())
}

/// Raises the limit that was reached.
fn allow(case: &mut Case, no: &Rejection, more: u32) -> Option<()> {
    if is_full_of_placements(case, no) {
        return let_end(case, more as usize);
    }
    let limits = case.config.migration.as_mut()?;
    match *no {
        Rejection::Budget(BudgetRefusal::BudgetSpent { limit, .. }) => {
            limits.max_simultaneous = NonZeroU32::new(limit + more)?;
        }
        Rejection::Budget(BudgetRefusal::SourceBusy { limit, .. }) => {
            limits.per_source = NonZeroU32::new(limit + more);
        }
        Rejection::Budget(BudgetRefusal::TargetBusy { limit, .. }) => {
            limits.per_target = NonZeroU32::new(limit + more);
        }
        _ => return None,
    }
    Some(())
}

/// Whether it is the limit of placements that was reached, which is no setting.
pub fn is_full_of_placements(case: &Case, no: &Rejection) -> bool {
    let Rejection::Budget(BudgetRefusal::TargetBusy { limit, .. }) = *no else { return false };
    let limits = case.config.migration.as_ref();
    limits.and_then(|it| it.per_target).is_none_or(|most| most.get() != limit)
}

/// Lets so many of the placements on the worker end: their tasks have finished.
fn let_end(case: &mut Case, count: usize) -> Option<()> {
    let outcome = case.round()?;
    let (target, own) = (case.worker, case.task);
    let placed = outcome.begun().filter(|command| {
        matches!(command.action, Action::Place { to, .. } if to == target) && command.task != own
    });
    let over: Vec<TaskId> = placed.map(|command| command.task).take(count).collect();
    case.cluster.tasks.retain(|task| !over.contains(&task.id));
    (over.len() == count).then_some(())
}

/// More benefit by weight, or else less cost.
fn gain(case: &mut Case, benefit: f64, cost: Option<f64>) -> Option<()> {
    let card = case.verdict()?.scorecard?;
    let section = case.config.cost_benefit.as_mut()?;
    // The two ways take turns.
    if case.task.raw().is_multiple_of(2) && card.benefit.utilization > 1e-3 {
        let has = card.benefit.utilization;
        section.benefit.utilization *= (has + benefit) / has;
        return Some(());
    }
    let cost = cost?;
    // Each task that moves along has the base cost, too.
    let is_alone = case.with().len() == 1;
    let section = case.config.cost_benefit.as_mut()?;
    let task = case.cluster.task(case.task)?;
    // What is not learned yet is taken to be the base cost once more.
    let is_once = card.cost.history < card.cost.base - 1e-9;
    if card.cost.base >= cost && is_alone && is_once {
        section.cost.base -= cost;
        return Some(());
    }
    task.extra_cost = Some(task.extra_cost.filter(|extra| *extra >= cost)? - cost);
    Some(())
}

/// Facts of the task.
fn of_the_task(case: &mut Case, remedy: Remedy) -> Option<()> {
    if remedy == Remedy::CorrectRecord {
        case.cluster = case.sound.clone()?;
        return Some(());
    }
    if remedy == Remedy::ReportSize {
        let with = case.with();
        let tasks = case.cluster.tasks.iter_mut().filter(|task| with.contains(&task.id));
        tasks.for_each(|task| task.state_bytes = Some(0));
        return Some(());
    }
    let elsewhere = case.cluster.elsewhere(case.worker);
    let source = case.source();
    let task = case.cluster.task(case.task)?;
    match remedy {
        Remedy::BeElsewhere | Remedy::Place | Remedy::LetEnd(_) => {
            task.placement = Placement::On(elsewhere?);
        }
        Remedy::LabelTask(label) => task.labels.push(label),
        Remedy::Unpin => task.mobility = Mobility::Checkpoint,
        Remedy::CarryFullest => {
            // A hundredth of all that is in use there.
            let source = source?;
            // What is about to leave may leave nothing that this one could carry.
            let leaves = |task: &Task| matches!(task.placement, Placement::Moving { from: Some(from), .. } if from == source.id);
            (!case.cluster.tasks.iter().any(leaves)).then_some(())?;
            let task = case.cluster.task(case.task)?;
            for (resource, used) in source.used.iter().filter(|(_, used)| *used > 0.0) {
                is_possible(used, source.capacity.get(resource)?).then_some(())?;
                task.used.set(resource, used / 100.0);
            }
            (!task.used.is_empty()).then_some(())?;
        }
        _ => return None,
    }
    Some(())
}

/// Facts and figures of a group.
fn of_the_group(cluster: &mut Cluster, own: TaskId, remedy: Remedy, share: f64) -> Option<()> {
    let leave = |cluster: &mut Cluster, id: GroupId, task: TaskId| {
        let group = cluster.group(id)?;
        group.members.retain(|member| *member != task);
        Some(())
    };
    match remedy {
        Remedy::LeaveGroup(group) => leave(cluster, group, own),
        Remedy::FreeCompanion { group, task } => leave(cluster, group, task),
        // The two ways take turns.
        Remedy::ShowMember { group, task } if task.raw().is_multiple_of(2) => {
            leave(cluster, group, task)
        }
        Remedy::ShowMember { task, .. } => {
            cluster.tasks.retain(|other| other.id != task);
            cluster.tasks.push(Task::new(task));
            Some(())
        }
        Remedy::StateUse(resource) => {
            let task = cluster.task(own)?;
            task.used.set(resource, task.demand.get(resource)?);
            Some(())
        }
        Remedy::MoveAway(task) => {
            cluster.task(task)?.placement = Placement::Unplaced;
            Some(())
        }
        Remedy::AllowSkew { group, by } => {
            let group = cluster.group(group)?;
            let GroupRule::Spread { max_skew, .. } = &mut group.rule else { return None };
            *max_skew = max_skew.saturating_add(part(by, share));
            Some(())
        }
        Remedy::AllowUnavailable { group, by } => {
            let group = cluster.group(group)?;
            let GroupRule::Disruption { max_unavailable } = &mut group.rule else { return None };
            *max_unavailable += part(by, share);
            Some(())
        }
        _ => None,
    }
}

/// What the worker has, and what is known of it.
fn of_the_worker(case: &mut Case, no: &Rejection, remedy: Remedy, share: f64) -> Option<()> {
    let needs = case.cluster.task(case.task)?.requirements.clone();
    if let Remedy::Report(id) | Remedy::ReportOnce(id) = remedy {
        return report(&mut case.cluster, id);
    }
    if remedy == Remedy::ReportLoad {
        report(&mut case.cluster, case.worker)?;
    }
    if let Remedy::AddToClass(id) = remedy {
        let class = case.cluster.classes.iter_mut().find(|class| class.id == id)?;
        class.workers.insert(case.worker, 0.0);
        return Some(());
    }
    let unsettled = case.cluster.has_unsettled(case.worker);
    let worker = case.cluster.worker(case.worker)?;
    match remedy {
        Remedy::ReportLoad => {}
        Remedy::Accept => worker.stance = Stance::Accept,
        Remedy::StayUntil(until) => {
            worker.available_until = worker.available_until.map(|at| at.max(until));
            worker.maintenance.retain(|span| span.from >= until);
        }
        Remedy::AddHardware(kinds) => worker.hardware = worker.hardware.union(kinds),
        Remedy::AddAnyHardware(kinds) => {
            worker.hardware = worker.hardware.with(kinds.iter().next()?);
        }
        Remedy::AddMemory(bytes) => {
            let has = worker.capacity.get(ResourceId::MEMORY).unwrap_or(0.0);
            worker.capacity.set(ResourceId::MEMORY, has + bytes_of(bytes, share) as f64);
        }
        // Tasks there of which nobody knows the device would take what is added.
        Remedy::FreeDevice { .. } | Remedy::AddDevice(_) if unsettled => return None,
        Remedy::FreeDevice { device, bytes } => {
            let memory = &mut worker.devices.get_mut(usize::from(device))?.memory_bytes;
            *memory = Some((*memory)? + bytes_of(bytes, share));
        }
        Remedy::AddDevice(bytes) => {
            let device = suitable(&needs)?.with_memory_bytes(bytes_of(bytes, share));
            worker.devices.push(device);
        }
        Remedy::AddCompute(compute) => {
            worker.devices.push(Device::new(Hardware::Cuda).with_compute(compute));
        }
        Remedy::AddLabel(label) => worker.labels.push(label),
        Remedy::RemoveLabel(label) => worker.labels.retain(|it| *it != label),
        Remedy::Free(resource, amount) => {
            let Rejection::Fit(FitRefusal::NoHeadroom { capacity, .. }) = *no else { return None };
            worker.capacity.set(resource, capacity + amount * share);
        }
        _ => return None,
    }
    Some(())
}

/// A device without memory that a task can use; none where it asks for what no device is.
fn suitable(needs: &Requirements) -> Option<Device> {
    let named = needs.all_of.union(needs.any_of).without(HardwareSet::of(Hardware::Cpu));
    let Some(compute) = needs.min_cuda_compute else {
        return Some(Device::new(named.iter().next().unwrap_or(Hardware::Cuda)));
    };
    let may_be_cuda = named.is_empty() || named.contains(Hardware::Cuda);
    may_be_cuda.then(|| Device::new(Hardware::Cuda).with_compute(compute))
}

/// Reports a worker once, in figures that make sense; adds it if it is not there.
#[expect(clippy::unnecessary_wraps, reason = "as the others")]
fn report(cluster: &mut Cluster, id: WorkerId) -> Option<()> {
    let mut worker = cluster.worker(id).cloned().unwrap_or_else(|| Worker::new(id));
    cluster.workers.retain(|other| other.id != id);
    cluster.unread.retain(|bad| bad.record != Record::Worker(id));
    let sensible = |amounts: &Amounts| -> Amounts {
        amounts.iter().filter(|(_, amount)| amount.is_finite() && *amount >= 0.0).collect()
    };
    let Worker { capacity, used, reserved, .. } = &mut worker;
    for amounts in [&mut *capacity, &mut *used, reserved] {
        *amounts = sensible(amounts);
    }
    capacity.set(ResourceId::CPU, 16.0);
    used.set(ResourceId::CPU, 8.0);
    worker.temperature_celsius = None;
    cluster.workers.push(worker);
    Some(())
}

/// Loads up and down. What the levels are made of stays: what one worker gains, one that only looks on loses.
fn of_the_loads(case: &mut Case, remedy: Remedy, share: f64) -> Option<()> {
    let source = case.source().map(|source| source.id);
    let onlooker = case.cluster.workers.iter().find(|it| it.stance == Stance::Hold).map(|it| it.id);
    // Among three workers it is known which of them makes the spread, and what the mean is made of.
    let onlooker = onlooker.filter(|_| matches!(case.door, Door::Tick(_)));
    let target = case.worker;
    let mut load = |worker: WorkerId, by: f64| {
        case.cluster.measures_what_leaves(worker).then_some(())?;
        add_load(case.cluster.worker(worker)?, by * share)?;
        case.cluster.measures_what_leaves(worker).then_some(())
    };
    match remedy {
        Remedy::WidenGap(by) => load(source?, by),
        Remedy::NarrowSpread(by) | Remedy::WidenSpread(by) => load(onlooker?, -by),
        Remedy::RaiseSource(by) => {
            load(source?, by)?;
            load(onlooker?, -by)
        }
        Remedy::LowerTarget(by) => {
            load(target, -by)?;
            load(onlooker?, by)
        }
        Remedy::LowerUse(resource, by) => {
            let worker = case.cluster.worker(target)?;
            let amount = by * share * worker.capacity.get(resource)?;
            let used = worker.used.get(resource).filter(|used| *used >= amount)?;
            is_possible(used, worker.capacity.get(resource)?).then_some(())?;
            worker.used.set(resource, used - amount);
            case.cluster.measures_what_leaves(target).then_some(())
        }
        Remedy::Enlarge(resource, times) => {
            let worker = case.cluster.worker(target)?;
            let capacity = worker.capacity.get(resource)?;
            let used = worker.used.get(resource).unwrap_or(0.0);
            is_possible(used, capacity).then_some(())?;
            worker.capacity.set(resource, capacity * (1.0 + (times - 1.0) * share));
            Some(())
        }
        _ => None,
    }
}

/// Adds so much to the load of every resource of a worker, and so to its load, however that is made of them.
fn add_load(worker: &mut Worker, by: f64) -> Option<()> {
    if !worker.devices.is_empty() {
        return None;
    }
    let (used, capacity) = (worker.used.clone(), &worker.capacity);
    for (resource, amount) in used.iter() {
        let Some(has) = capacity.get(resource).filter(|has| *has > 0.0) else { continue };
        let then = amount + by * has;
        is_possible(then, has).then_some(())?;
        worker.used.set(resource, then);
    }
    Some(())
}

/// Whether the engine takes a load for what it says: it counts no worker as loaded above a thousand.
fn is_possible(used: f64, capacity: f64) -> bool {
    used >= 0.0 && (used == 0.0 || (1e-9..900.0).contains(&(used / capacity)))
}

/// Records by id.
trait Records {
    fn task(&mut self, id: TaskId) -> Option<&mut Task>;
    fn worker(&mut self, id: WorkerId) -> Option<&mut Worker>;
    fn group(&mut self, id: GroupId) -> Option<&mut Group>;
    /// A worker that is there, and another one.
    fn elsewhere(&self, than: WorkerId) -> Option<WorkerId>;
    /// Whether tasks on a worker need device memory, and nobody says on which device.
    fn has_unsettled(&self, worker: WorkerId) -> bool;
    /// Whether a worker uses at least as much as the tasks on their way from it. What is less changes no load.
    fn measures_what_leaves(&self, worker: WorkerId) -> bool;
}

impl Records for Cluster {
    fn task(&mut self, id: TaskId) -> Option<&mut Task> {
        self.tasks.iter_mut().find(|task| task.id == id)
    }

    fn worker(&mut self, id: WorkerId) -> Option<&mut Worker> {
        self.workers.iter_mut().find(|worker| worker.id == id)
    }

    fn group(&mut self, id: GroupId) -> Option<&mut Group> {
        self.groups.iter_mut().find(|group| group.id == id)
    }

    fn elsewhere(&self, than: WorkerId) -> Option<WorkerId> {
        let there = |it: &&Worker| it.id != than && it.stance != Stance::Offline;
        self.workers.iter().find(there).map(|worker| worker.id)
    }

    fn has_unsettled(&self, worker: WorkerId) -> bool {
        let here = self.tasks.iter().filter(|task| task.placement == Placement::On(worker));
        here.filter(|task| task.device.is_none())
            .any(|task| task.requirements.gpu_memory_bytes.is_some())
    }

    fn measures_what_leaves(&self, worker: WorkerId) -> bool {
        let mut leaving = Amounts::default();
        for task in &self.tasks {
            if matches!(task.placement, Placement::Moving { from: Some(from), .. } if from == worker)
            {
                for (resource, asked) in task.demand.iter() {
                    let uses = task.used.get(resource).unwrap_or(asked);
                    leaving.set(resource, leaving.get(resource).unwrap_or(0.0) + uses);
                }
            }
        }
        let record = self.workers.iter().find(|it| it.id == worker);
        record.is_none_or(|record| {
            record
                .used
                .iter()
                .all(|(resource, used)| leaving.get(resource).is_none_or(|it| it <= used))
        })
    }
}

impl Case {
    /// The worker that the task is on.
    fn source(&mut self) -> Option<Worker> {
        let Placement::On(worker) = self.cluster.task(self.task)?.placement else { return None };
        self.cluster.worker(worker).cloned()
    }
}
