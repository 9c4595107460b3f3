//! What does a move cost, and what is its benefit, factor by factor, in points?
//!
//! The cost, from 0 to 10, is `2 + min(3, seconds / 40) + min(2, priority / 2) + min(2, state GiB / 2) +
//! min(2, past cost of the kind)`, plus the points that the host adds for the task and for the target. The
//! benefit under the specification's rule is `10 x (source - target) + 2 x performance gained + 1 x memory
//! share gained + 3 x energy efficiency gained + ...`.
//!
//! A task that has run for 60 s at priority 4 costs 2 + 1.5 + 2 = 5.5; moved from a worker at 0.9 to one at
//! 0.1 it brings 8.0: net 2.5. After 200 s it costs 7.0: net 1.0. Moved to a worker at 0.4 it brings 5.0,
//! which is not worth it.
//!
//! Under [`Relief`](BenefitRule::Relief) the difference of the loads *after* the move counts, in proportion
//! to the task's load: a huge task that would overload the target and a tiny one that changes nothing both
//! bring little.

use alloc::borrow::Cow;
use alloc::vec::Vec;

use crate::config::{BenefitRule, BenefitWeights, CostBenefit};
use crate::model::hardware::HardwareTable;
use crate::model::resource::{GIB, ResourceId};
use crate::model::rows::{Column, TaskRow, WorkerRow};
use crate::model::time::seconds;
use crate::outcome::{Benefit, Considered, Cost, Purpose, Scorecard};
use crate::round::{Candidate, Fit, MoveSet, Plan, Round, VariantFilter};
use crate::rules::{self, speed};
use crate::snapshot::{Mobility, Task};
use crate::view::{self, Footprint};

/// The most points that a single factor counts.
const MOST_POINTS: f64 = 1e6;

/// Scores every candidate and drops those that are not worth their cost. Without cost-benefit analysis all candidates
/// stay, without a score.
pub(crate) fn score(
    round: &Round<'_>,
    sets: &[MoveSet],
    mut pairs: Vec<Candidate>,
    plan: &mut Plan,
) -> Vec<Candidate> {
    let Some(scorer) = Scorer::new(round) else { return pairs };
    plan.considered.reserve(pairs.len());
    pairs.retain_mut(|pair| {
        let set = &sets[pair.set];
        let scorecard = scorer.scorecard(set, pair.to, pair.fit);
        pair.scorecard = Some(scorecard);
        pair.position = plan.considered.len();
        let worth = rules::worth(round, weighed_as(set.purpose), &scorecard);
        let (task, to) = (round.task_id(set.lead()), round.worker_id(pair.to));
        if let Err(no) = worth {
            plan.tally.refuse(task, Some(to), no);
        }
        plan.considered.push(Considered {
            task,
            from: set.from.map(|from| round.worker_id(from)),
            to,
            cost: scorecard.cost.total(),
            benefit: scorecard.benefit.total(),
            taken: false,
            refused: worth.err(),
        });
        worth.is_ok()
    });
    pairs
}

/// The purpose that decides whether a move must be worth its cost: its own.
pub(super) fn weighed_as(purpose: Purpose) -> Purpose {
    match purpose {
        Purpose::Evacuate if broken!("drains_need_no_gain") => Purpose::Rebalance,
        Purpose::Upgrade if broken!("upgrade_is_worth_its_cost") => Purpose::Recover,
        purpose => purpose,
    }
}

/// Computes scorecards.
#[derive(Clone, Debug)]
pub(crate) struct Scorer<'r> {
    round: &'r Round<'r>,
    section: &'r CostBenefit,
    /// The hardware profiles that give energy and heat.
    table: Cow<'r, HardwareTable>,
    /// The levels of all workers as the round began, if they are not those of the ledger.
    begun: Option<&'r Column<WorkerRow, Option<f64>>>,
}

impl<'r> Scorer<'r> {
    /// `None` if moves are not scored.
    pub(crate) fn new(round: &'r Round<'r>) -> Option<Self> {
        let section = round.config.cost_benefit.as_ref()?;
        let hardware = round.config.hardware.as_ref();
        let table = hardware.map_or_else(Cow::default, |hardware| Cow::Borrowed(&hardware.table));
        Some(Self { round, section, table, begun: None })
    }

    /// Scores with these levels of sources, in place of those of the ledger.
    pub(super) fn with_sources(self, begun: &'r Column<WorkerRow, Option<f64>>) -> Self {
        Self { begun: Some(begun), ..self }
    }

    /// The cost and the benefit of moving a set of tasks.
    pub(crate) fn scorecard(&self, set: &MoveSet, to: WorkerRow, fit: Fit) -> Scorecard {
        let (round, from) = (self.round, set.from);
        let mut cost = Cost::default();
        let (mut footprint, mut sum) = (Footprint::default(), Footprint::default());
        for (nth, row) in set.rows.iter().enumerate() {
            let task = round.view.task(*row);
            if from.is_some() {
                self.add_cost(task, &mut cost);
            }
            let class = task.class.and_then(|class| round.view.snapshot.class(class));
            let points = class.and_then(|class| class.cost(round.worker_id(to)));
            cost.target += match points {
                _ if broken!("class_cost") => 0.0,
                _ if from.is_none() && broken!("class_cost_of_orphans") => 0.0,
                points => points.unwrap_or(0.0),
            };
            let alternative = if nth == 0 { fit.alternative } else { self.companion(*row, to) };
            round.ledger.footprint_at(round.view, *row, to, alternative, &mut footprint);
            sum.add(&footprint);
        }
        let lead = round.view.task(set.lead());
        let here = round.view.task_here(set.lead());
        let there = round.view.task_by(set.lead(), fit.alternative);
        // A task that must leave its worker is scored as if it had none: how full the worker is does not matter.
        let evens = set.purpose.is_voluntary() || broken!("drain_by_its_own_load");
        let evens = if evens { from } else { None };
        let mut benefit = self.balancing(evens, to, &sum);
        benefit.hardware = self.hardware((here, from), (there, to));
        benefit.memory = self.memory(from, to, &sum);
        (benefit.energy, benefit.thermal) = self.efficiency((here, from), (there, to));
        benefit.packing = self.packing(there, to, fit.device);
        let weights = &self.section.benefit;
        let worker = round.view.worker(to);
        let success = round.state.learned.success(worker.id, lead.kind);
        let sign = if broken!("success_is_learned") { -1.0 } else { 1.0 };
        benefit.success = sign * weights.success * success.map_or(0.0, |rate| 2.0 * rate - 1.0);
        if let Some(health) = worker.health
            && !broken!("health_history")
        {
            benefit.health = weights.health * (health.get() - 1.0);
        }
        // Absurd figures in a record give absurd points, but always finite ones.
        cost.each(|points| *points = points.clamp(0.0, MOST_POINTS));
        benefit.each(|points| *points = points.clamp(-MOST_POINTS, MOST_POINTS));
        Scorecard { cost, benefit }
    }

    /// The alternative by which a companion would move too.
    fn companion(&self, row: TaskRow, to: WorkerRow) -> Option<u16> {
        self.round.view.variants(row)?;
        let fit = rules::fit(self.round, row, to, VariantFilter::Any, &mut Footprint::default());
        match fit {
            Ok(fit) => fit.alternative,
            Err(_) => {
                view::alternative(self.round.view.task(row), self.round.view.workers[to].kinds)
            }
        }
    }

    fn add_cost(&self, task: &Task, cost: &mut Cost) {
        let weights = &self.section.cost;
        cost.priority += (f64::from(task.priority) * weights.priority).min(weights.priority_most);
        cost.extra += task.extra_cost.unwrap_or(0.0);
        // To move a task that has not begun costs only a message.
        if task.mobility == Mobility::Queued && !broken!("queued_is_free") {
            return;
        }
        let lost = match (self.section.rule, task.mobility) {
            (BenefitRule::Difference, _) | (_, Mobility::Restart) => task.running,
            (BenefitRule::Relief, _) => task.checkpoint_age.unwrap_or_default(),
        };
        let gib = task.state_bytes.unwrap_or(0) as f64 / GIB;
        let past =
            self.round.state.learned.cost.get(&task.kind).map_or(0.0, |average| average.mean());
        cost.base += weights.base;
        let points = seconds(lost) / weights.seconds_per_point;
        let most = weights.running_most;
        let is_bounded = !broken!("running_time_costs");
        cost.running += if is_bounded { points.min(most) } else { points.max(most) };
        cost.state += (gib * weights.state_gib).min(weights.state_most);
        if !broken!("cost_is_learned") {
            cost.history += past.min(weights.history_most);
        }
    }

    /// The benefit of evening out the two workers and of relieving the source. A task without a worker counts as if it
    /// left a full one. The source counts as the round found it: the moves that relieve one worker are worth the same,
    /// and when it is relieved is for the rules to say.
    fn balancing(&self, from: Option<WorkerRow>, to: WorkerRow, footprint: &Footprint) -> Benefit {
        let BenefitWeights { utilization, relief, full_size, .. } = self.section.benefit;
        let round = self.round;
        let here = from.map_or(Some(1.0), |from| round.level(from)).unwrap_or(0.0);
        let begun = self.begun.filter(|_| !broken!("source_as_the_round_found_it"));
        let begun = from.and_then(|from| begun?[from]);
        let source = begun.unwrap_or(here);
        let target = round.level(to).unwrap_or(source);
        if self.section.rule == BenefitRule::Difference {
            let points = utilization * (source - target).max(0.0);
            return Benefit { utilization: points, ..Benefit::default() };
        }
        let after = round.level_after_arrival(to, footprint).unwrap_or(source);
        let relieved = from.and_then(|from| round.level_after_departure(from, footprint));
        let carried = relieved.map_or(full_size, |relieved| here - relieved);
        let counts = full_size > 0.0 && !broken!("size_counts");
        let size = if counts { (carried / full_size).clamp(0.0, 1.0) } else { 1.0 };
        let high = round.bands.high;
        let over = (source - high) / (1.0 - high).max(0.01);
        let over = if from.is_some() { over.clamp(0.0, 1.0) } else { 0.0 };
        Benefit {
            utilization: utilization * (source - after).max(0.0) * size,
            relief: relief * over * size,
            ..Benefit::default()
        }
    }

    /// The performance weight gained. A loss counts too, if the whole effect of the move is judged.
    fn hardware(
        &self,
        (here, from): (&Task, Option<WorkerRow>),
        (there, to): (&Task, WorkerRow),
    ) -> f64 {
        let unasked = if broken!("hardware_switch") { Some(<_>::default()) } else { None };
        let section = self.round.config.hardware.as_ref().or(unasked.as_ref());
        let Some(section) = section else { return 0.0 };
        let there = speed::there(self.round, section, there, to);
        let here = from.map_or(1.0, |from| match self.section.rule {
            BenefitRule::Difference => speed::there(self.round, section, here, from),
            BenefitRule::Relief => speed::here(self.round, section, here, from),
        });
        let gained = there - here;
        let counts = match self.section.rule {
            BenefitRule::Difference => gained.max(0.0),
            BenefitRule::Relief => gained,
        };
        self.section.benefit.hardware * counts
    }

    /// The gain in the free share of memory: of the target after the move, less that of the source now; at least 0.
    fn memory(&self, from: Option<WorkerRow>, to: WorkerRow, footprint: &Footprint) -> f64 {
        let ledger = self.round.ledger;
        let Ok(column) = ledger.columns.binary_search(&ResourceId::MEMORY) else { return 0.0 };
        let free = |worker: WorkerRow, added: f64| {
            let cell = ledger.row(worker)[column];
            let capacity = cell.capacity.filter(|capacity| *capacity > 0.0)?;
            Some(1.0 - (cell.used? + added) / capacity)
        };
        let here = from.and_then(|from| free(from, 0.0));
        let gained =
            free(to, footprint.load[column]).zip(here).map_or(0.0, |(there, here)| there - here);
        self.section.benefit.memory * gained.max(0.0)
    }

    /// The benefit for energy and heat: by profiles for tasks that ask for power efficiency, by temperatures for all.
    fn efficiency(
        &self,
        (as_here, from): (&Task, Option<WorkerRow>),
        (as_there, to): (&Task, WorkerRow),
    ) -> (f64, f64) {
        let unasked = if broken!("efficiency_switch") { Some(<_>::default()) } else { None };
        let (Some(section), Some(from)) = (self.round.config.efficiency.or(unasked), from) else {
            return (0.0, 0.0);
        };
        let weights = &self.section.benefit;
        let (mut energy, mut thermal) = (0.0, 0.0);
        if as_here.requirements.power_efficient && !broken!("power_efficiency") {
            let table = &self.table;
            let here = speed::profile(table, self.round.view, as_here, from);
            let there = speed::profile(table, self.round.view, as_there, to);
            energy = weights.energy * (there.energy.get() - here.energy.get()).max(0.0);
            thermal = weights.thermal * (there.thermal.get() - here.thermal.get()).max(0.0);
        }
        let headroom = |worker: WorkerRow| {
            let celsius = self.round.view.worker(worker).temperature_celsius?;
            let range = section.hot_celsius - section.cool_celsius;
            Some(((section.hot_celsius - celsius) / range).clamp(0.0, 1.0))
        };
        if let (Some(here), Some(there)) = (headroom(from), headroom(to)) {
            let sign = if broken!("thermal_headroom") { -1.0 } else { 1.0 };
            thermal += sign * weights.thermal * (there - here);
        }
        (energy, thermal)
    }

    /// The benefit for filling a device tightly, so that large free areas on others stay whole.
    fn packing(&self, task: &Task, to: WorkerRow, device: Option<u16>) -> f64 {
        let (Some(_), Some(device)) = (&self.round.config.efficiency, device) else { return 0.0 };
        let filled = || {
            let cell = self.round.ledger.devices_of(to).get(usize::from(device))?;
            let bytes = task.requirements.gpu_memory_bytes? as f64;
            let memory = cell.device.memory_bytes.filter(|bytes| *bytes > 0)? as f64;
            let left = cell.free_bytes()? - bytes;
            (left >= 0.0).then(|| 1.0 - left / memory)
        };
        filled().map_or(0.0, |share| self.section.benefit.packing * share)
    }
}
