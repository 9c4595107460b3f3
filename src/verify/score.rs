//! Does every factor of every score follow from the records?
//!
//! A scorecard holds for what the workers carry when its task is taken, with the moves before it counted, but for the
//! level of its source, which is that of before the plan. The figures of a pair are those of the last time that it was
//! scored: before the plan, or after one of its moves. Under the specification's rule all scores are those of before
//! the plan.

use alloc::borrow::Cow;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::format;
use alloc::vec::Vec;
use core::fmt::Display;

use super::account::{Account, is_clear};
use super::calendar::is_leaving;
use super::devices::hides_devices;
use super::facts::{Facts, Stay, Step};
use super::footprint::{accelerated, added_use, effect, run, run_now, runs_now, suits};
use super::handover::{profile, speed_here, speed_there};
use super::promise::{Findings, Promise, Violation};
use super::records::{capacity, is_sound_worker};
use super::round::Round;
use crate::config::{BenefitRule, CostBenefit, Mode};
use crate::math::average::Average;
use crate::model::ids::{TaskId, WorkerId};
use crate::model::resource::ResourceId;
use crate::outcome::{Benefit, Considered, Cost, Scorecard};
use crate::snapshot::{GroupRule, Mobility, Stance, Task, Worker};

/// The most points of a single factor.
const MOST: f64 = 1e6;

/// Judges every factor of the scorecards of commands, and the totals of every pair that was scored.
pub(super) fn scores(round: &Round<'_>) -> Vec<Violation> {
    let (facts, mut findings) = (Facts::new(round), Findings::new(Promise::Evidence));
    let Some(section) = &round.config.cost_benefit else {
        let carded = facts.steps.iter().find(|step| step.scorecard.is_some());
        let none = carded.is_none() && round.outcome.candidates.is_empty();
        findings.need(none, || format!("scores, which nobody asked for: {carded:?}"));
        return findings.list;
    };
    // If the projection cannot be computed, neither can the scores.
    if !is_clear(round) {
        return findings.list;
    }
    let (begun, together) = (Account::open(&facts), Together::of(round));
    let mut account = Account::open(&facts);
    let scorer = Scorer::new(section, &begun, &together);
    let sets: BTreeMap<TaskId, Set<'_>> =
        facts.steps.iter().filter_map(|step| Some((step.task.id, scorer.set_of(step)?))).collect();
    // An engine that advises is judged by what it would have done.
    let is_told = round.config.mode != Mode::Advise;
    let pairs = round.outcome.candidates.iter().filter(|_| is_told);
    let mut doubted: Vec<(&Considered, Set<'_>)> =
        pairs.filter_map(|pair| Some((pair, scorer.set_of_pair(pair)?))).collect();
    doubted.retain(|(pair, set)| !scorer.upholds(pair, set));
    let follows = section.rule == BenefitRule::Relief;
    // The tasks of one set are scored together, before the first of them is taken.
    let (mut set_now, mut taken): (Vec<TaskId>, Vec<&Step<'_>>) = (Vec::new(), Vec::new());
    for step in &facts.steps {
        if !set_now.contains(&step.task.id) {
            enter(&mut account, &taken);
            if follows {
                let scorer =
                    Scorer { account: &account, ..Scorer::new(section, &begun, &together) };
                scorer.uphold_changed(&taken, &mut doubted);
            }
            taken.clear();
            let ids = |set: &Set<'_>| set.tasks.iter().map(|task| task.id).collect();
            set_now = sets.get(&step.task.id).map_or_else(|| Vec::from([step.task.id]), ids);
        }
        let now = if follows { &account } else { &begun };
        let scorer = Scorer { account: now, ..Scorer::new(section, &begun, &together) };
        let is_judged = is_told || !follows;
        let card = step.scorecard.as_ref().filter(|_| is_judged);
        if let (Some(said), Some(set)) = (card, sets.get(&step.task.id)) {
            scorer.judge(set, said, step.command, &mut findings);
        }
        taken.push(step);
    }
    if follows {
        enter(&mut account, &taken);
        let scorer = Scorer { account: &account, ..Scorer::new(section, &begun, &together) };
        scorer.uphold_changed(&taken, &mut doubted);
    }
    for (pair, _) in doubted {
        findings.add(format!("{pair}: not the cost and the benefit of its records"));
    }
    findings.list
}

/// Enters steps into an account.
fn enter<'a>(account: &mut Account<'a>, steps: &[&Step<'a>]) {
    steps.iter().for_each(|step| account.enter(step));
}

/// The members of groups with this rule.
pub(super) fn members(round: &Round<'_>, rule: GroupRule) -> BTreeSet<TaskId> {
    let groups = round.snapshot.groups().iter().filter(|group| group.rule == rule);
    groups.flat_map(|group| group.members.iter().copied()).collect()
}

/// The sums of cost and benefit, within their bounds.
pub(super) fn totals(card: &Scorecard) -> [f64; 2] {
    let cost: f64 = card.cost.factors().iter().map(|(_, points)| points).sum();
    let benefit: f64 = card.benefit.factors().iter().map(|(_, points)| points).sum();
    [cost.clamp(0.0, 10.0), benefit.max(0.0)]
}

/// Whether two numbers of points are equal up to rounding.
pub(super) fn is_near(a: f64, b: f64) -> bool {
    (a - b).abs() <= 1e-6 * a.abs().max(1.0)
}

/// Tasks that would move together.
pub(super) struct Set<'a> {
    /// In order; the first leads.
    tasks: Vec<&'a Task>,
    from: Option<&'a Worker>,
    to: &'a Worker,
    /// Whether the source's load counts: nothing forces the move.
    evens: bool,
    /// The alternative by which the task would run there, if it is alone.
    way: Option<usize>,
}

impl<'a> Set<'a> {
    /// The tasks as they would run on the target.
    fn there(&self, round: &Round<'_>) -> Vec<Cow<'a, Task>> {
        self.tasks.iter().map(|task| run(round.snapshot, task, self.way)).collect()
    }
}

/// The tasks that move with others.
pub(super) struct Together {
    /// The members of groups that stay together.
    bound: BTreeSet<TaskId>,
    /// The members of gangs.
    ganged: BTreeSet<TaskId>,
}

impl Together {
    pub(super) fn of(round: &Round<'_>) -> Self {
        let [bound, ganged] = [GroupRule::Affinity, GroupRule::Gang].map(|it| members(round, it));
        Self { bound, ganged }
    }
}

/// Computes scorecards on an account.
pub(super) struct Scorer<'s, 'a> {
    section: &'s CostBenefit,
    account: &'s Account<'a>,
    /// What the workers carried before the plan.
    begun: &'s Account<'a>,
    together: &'s Together,
}

impl<'s, 'a> Scorer<'s, 'a> {
    pub(super) const fn new(
        section: &'s CostBenefit,
        account: &'s Account<'a>,
        together: &'s Together,
    ) -> Self {
        Self { section, account, begun: account, together }
    }

    /// Drops the pairs whose workers these steps have changed and whose figures are those of this account.
    fn uphold_changed(&self, steps: &[&Step<'_>], doubted: &mut Vec<(&Considered, Set<'_>)>) {
        let workers = steps.iter().flat_map(|step| step.from.into_iter().chain([step.to]));
        let changed: BTreeSet<WorkerId> = workers.collect();
        doubted.retain(|(pair, set)| {
            let from = pair.from.is_some_and(|from| changed.contains(&from));
            !(from || changed.contains(&pair.to)) || !self.upholds(pair, set)
        });
    }

    /// Whether the figures of a pair are those of this account, as far as it tells.
    fn upholds(&self, pair: &Considered, set: &Set<'_>) -> bool {
        let [cost, benefit] =
            totals(&Scorecard { cost: self.cost(set), benefit: self.benefit(set) });
        // What is not taken was scored for the device that it would have had when it was asked about last.
        let hides = self.hides(set) || !pair.taken && self.packs(set);
        is_near(cost, pair.cost) && is_near(benefit, pair.benefit) || hides
    }

    /// Judges every factor of a scorecard.
    pub(super) fn judge(
        &self,
        set: &Set<'_>,
        said: &Scorecard,
        of: &dyn Display,
        findings: &mut Findings,
    ) {
        let (cost, benefit) = (self.cost(set), self.benefit(set));
        let factors = cost.factors().into_iter().chain(benefit.factors());
        let told = said.cost.factors().into_iter().chain(said.benefit.factors());
        for ((name, points), (_, said)) in factors.zip(told) {
            let unknown = name == "packing" && self.hides(set);
            findings.need(unknown || is_near(points, said), || {
                format!("{of}: {said} points of {name}, not {points}")
            });
        }
    }

    fn round(&self) -> &'a Round<'a> {
        self.account.facts.round
    }

    /// The set that a step belongs to; `None` if it is not judged.
    fn set_of(&self, step: &Step<'a>) -> Option<Set<'a>> {
        let first = self.account.facts.steps.first()?;
        let way = step.command.alternative.map(usize::from);
        // A task that must move may take another alternative than it was scored for, if others were taken first.
        if way.is_some() && !step.is_chosen() && first.task.id != step.task.id {
            return None;
        }
        self.set(step.task, (step.from, step.to), step.is_chosen(), way)
    }

    /// The set that a scored pair stands for; `None` if it is not judged: it is not said how a task with alternatives
    /// would run, or why a member of a gang would move.
    fn set_of_pair(&self, pair: &Considered) -> Option<Set<'a>> {
        let round = self.round();
        let task = round.snapshot.task(pair.task)?;
        if !task.alternatives.is_empty() {
            return None;
        }
        let source = pair.from.and_then(|from| round.snapshot.worker(from));
        let evens = source.is_some_and(|it| it.stance != Stance::Drain && !is_leaving(round, it));
        let set = self.set(task, (pair.from, pair.to), evens, None)?;
        set.tasks.iter().all(|task| !self.together.ganged.contains(&task.id)).then_some(set)
    }

    /// The tasks that would move with a task; `None` if they are not judged.
    pub(super) fn set(
        &self,
        task: &'a Task,
        (from, to): (Option<WorkerId>, WorkerId),
        evens: bool,
        way: Option<usize>,
    ) -> Option<Set<'a>> {
        let Round { snapshot, .. } = *self.round();
        let mut tasks = Vec::from([task]);
        if self.together.bound.contains(&task.id) {
            let here = Some(Stay::On(from?));
            let is_here = |member: &TaskId| self.account.stays.get(member).copied() == here;
            let members = self.account.facts.bound_among(task.id, is_here).into_iter();
            tasks = members.filter_map(|member| snapshot.task(member)).collect();
            let varies = tasks.iter().any(|task| !task.alternatives.is_empty());
            if tasks.is_empty() || (varies && tasks.len() > 1) {
                return None;
            }
        }
        let from = match from {
            Some(from) => Some(snapshot.worker(from)?),
            None => None,
        };
        Some(Set { tasks, from, to: snapshot.worker(to)?, evens, way })
    }

    fn cost(&self, set: &Set<'_>) -> Cost {
        let weights = &self.section.cost;
        let mut cost = Cost::default();
        for task in &set.tasks {
            let mut classes = self.round().snapshot.classes().iter();
            let class = classes.find(|class| Some(class.id) == task.class);
            let points = class.and_then(|class| class.workers.get(&set.to.id)).copied();
            cost.target += points.unwrap_or(0.0);
            if set.from.is_none() {
                continue;
            }
            let steps = f64::from(task.priority) * weights.priority;
            cost.priority += steps.min(weights.priority_most);
            cost.extra += task.extra_cost.unwrap_or(0.0);
            if task.mobility == Mobility::Queued {
                continue;
            }
            let all = self.section.rule == BenefitRule::Difference;
            let lost = match task.checkpoint_age {
                _ if all || task.mobility == Mobility::Restart => task.running,
                age => age.unwrap_or_default(),
            };
            let points = lost.as_secs_f64() / weights.seconds_per_point;
            let gib = task.state_bytes.unwrap_or(0) as f64 / (1024.0 * 1024.0 * 1024.0);
            let past = self.round().after.learned.cost.get(&task.kind).copied();
            cost.base += weights.base;
            cost.running += points.min(weights.running_most);
            cost.state += (gib * weights.state_gib).min(weights.state_most);
            cost.history += past.map_or(0.0, Average::mean).min(weights.history_most);
        }
        cost.each(|points| *points = points.clamp(0.0, MOST));
        cost
    }

    fn benefit(&self, set: &Set<'_>) -> Benefit {
        let (weights, round) = (&self.section.benefit, self.round());
        let mut benefit = self.balancing(set);
        if round.config.hardware.is_some() {
            benefit.hardware = weights.hardware * self.speed_gained(set);
        }
        let free = |worker: &Worker, added: f64| {
            let room = capacity(worker, ResourceId::MEMORY).filter(|room| *room > 0.0)?;
            let used = self.account.in_use(worker.id, ResourceId::MEMORY)?;
            is_sound_worker(round.snapshot, worker.id).then(|| 1.0 - (used + added) / room)
        };
        let added = set.there(round);
        let added = added.iter().map(|task| added_use(task, set.to, ResourceId::MEMORY)).sum();
        let gained = set.from.and_then(|from| free(from, 0.0)).zip(free(set.to, added));
        benefit.memory =
            weights.memory * gained.map_or(0.0, |(here, there)| (there - here).max(0.0));
        (benefit.energy, benefit.thermal) = self.efficiency(set);
        benefit.packing = weights.packing * self.packing(set).unwrap_or(0.0);
        let learned = round.after.learned.success.get(&set.to.id);
        let learned = learned.and_then(|kinds| kinds.get(&set.tasks[0].kind)).copied();
        let success = learned.map_or(0.0, |rate| 2.0 * rate.mean() - 1.0);
        benefit.success = weights.success * success;
        benefit.health = weights.health * set.to.health.map_or(0.0, |health| health.get() - 1.0);
        benefit.each(|points| *points = points.clamp(-MOST, MOST));
        benefit
    }

    /// The points for evening out the two workers, and for the relief of the source. A task without a worker, or that
    /// must leave its worker, counts as if it left a full one.
    fn balancing(&self, set: &Set<'_>) -> Benefit {
        let (weights, round) = (&self.section.benefit, self.round());
        let [added, freed] = effect(round.snapshot, &set.tasks, set.way, (set.from, set.to));
        let (account, from) = (self.account, set.from.filter(|_| set.evens));
        let level = |account: &Account<'_>, worker| account.level_with(worker, |_| 0.0);
        let source = from.map_or(1.0, |from| level(self.begun, from).unwrap_or(0.0));
        let here = from.map_or(1.0, |from| level(account, from).unwrap_or(0.0));
        if self.section.rule == BenefitRule::Difference {
            let target = level(account, set.to).unwrap_or(source);
            let utilization = weights.utilization * (source - target).max(0.0);
            return Benefit { utilization, ..Benefit::default() };
        }
        let after = account.level_with(set.to, |it| added.get(&it).copied().unwrap_or(0.0));
        let after = after.unwrap_or(source);
        let freed = |it| -freed.get(&it).copied().unwrap_or(0.0);
        let left = from.and_then(|from| account.level_with(from, freed));
        let full = weights.full_size;
        let share = left.map_or(1.0, |left| (here - left) / full).clamp(0.0, 1.0);
        let size = if full > 0.0 { share } else { 1.0 };
        let high = round.outcome.thresholds.high;
        let over = from.map_or(0.0, |_| (source - high) / (1.0 - high).max(0.01));
        Benefit {
            utilization: weights.utilization * (source - after).max(0.0) * size,
            relief: weights.relief * over.clamp(0.0, 1.0) * size,
            ..Benefit::default()
        }
    }

    fn speed_gained(&self, set: &Set<'_>) -> f64 {
        let (round, task) = (self.round(), set.tasks[0]);
        let there = speed_there(round, task, set.to, set.way);
        let all = self.section.rule == BenefitRule::Difference;
        let here = set.from.map_or(1.0, |from| {
            let now = runs_now(round.snapshot, task);
            if all { speed_there(round, task, from, now) } else { speed_here(round, task, from) }
        });
        if all { (there - here).max(0.0) } else { there - here }
    }

    /// The points for energy, and those for heat.
    fn efficiency(&self, set: &Set<'_>) -> (f64, f64) {
        let (weights, round) = (&self.section.benefit, self.round());
        let (Some(section), Some(from)) = (&round.config.efficiency, set.from) else {
            return (0.0, 0.0);
        };
        let (mut energy, mut thermal) = (0.0, 0.0);
        if set.tasks[0].requirements.power_efficient {
            let hardware = round.config.hardware.as_ref();
            let table = hardware.map(|section| section.table.clone()).unwrap_or_default();
            let here = profile(&table, &run_now(round.snapshot, set.tasks[0]), from);
            let there = profile(&table, &run(round.snapshot, set.tasks[0], set.way), set.to);
            energy = weights.energy * (there.energy.get() - here.energy.get()).max(0.0);
            thermal = weights.thermal * (there.thermal.get() - here.thermal.get()).max(0.0);
        }
        let cool = |worker: &Worker| {
            let range = section.hot_celsius - section.cool_celsius;
            let below = section.hot_celsius - worker.temperature_celsius?;
            Some((below / range).clamp(0.0, 1.0))
        };
        let gained = cool(from).zip(cool(set.to)).map_or(0.0, |(here, there)| there - here);
        (energy, thermal + weights.thermal * gained)
    }

    /// How much memory the task that leads would take on one device of the target; `None` if it needs none there.
    fn device_bytes(&self, set: &Set<'_>) -> Option<f64> {
        let lead = run(self.round().snapshot, set.tasks[0], set.way);
        let kept = self.account.kept.get(&lead.id) == Some(&set.to.id);
        let bytes = lead.requirements.gpu_memory_bytes.filter(|_| !kept)?;
        accelerated(&lead, set.to).then_some(bytes as f64)
    }

    /// Whether free device memory counts, and is unknown.
    fn hides(&self, set: &Set<'_>) -> bool {
        self.packs(set) && hides_devices(self.account, set.to)
    }

    /// Whether it counts which device the task would have.
    fn packs(&self, set: &Set<'_>) -> bool {
        self.round().config.efficiency.is_some() && self.device_bytes(set).is_some()
    }

    /// The share of the device that would be filled: of the device with the least room that is enough.
    fn packing(&self, set: &Set<'_>) -> Option<f64> {
        self.round().config.efficiency?;
        let bytes = self.device_bytes(set)?;
        let lead = run(self.round().snapshot, set.tasks[0], set.way);
        let mut least: Option<(f64, f64)> = None;
        for (index, device) in (0_u16..).zip(&set.to.devices) {
            let Some(free) = self.account.device_free(set.to.id, index) else { continue };
            let fits = free >= bytes && suits(&lead, set.to, index);
            if fits && least.is_none_or(|(least, _)| free < least) {
                least = Some((free, device.memory_bytes? as f64));
            }
        }
        let (free, all) = least.filter(|(_, all)| *all > 0.0)?;
        Some(1.0 - (free - bytes).max(0.0) / all)
    }
}
