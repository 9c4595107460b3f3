//! What does a move cost, and what is it good for? Factor by factor, in points.
//!
//! Cost, 0 to 10: `2 + min(3, seconds / 40) + min(2, priority / 2) + min(2, state GiB / 2) + min(2,
//! past cost of the kind)`, and what the host adds, for the task and for the target. Benefit under the
//! specification's rule: `10 x (source - target) + 2 x performance gained + 1 x memory share gained +
//! 3 x energy efficiency gained + ...`.
//!
//! A task that has run for 60 s at priority 4 costs 2 + 1.5 + 2 = 5.5; from a worker at 0.9 to one
//! at 0.1 it brings 8.0: net 2.5. After 200 s it costs 7.0: net 1.0. To a worker at 0.4 it brings
//! 5.0: not worth it.
//!
//! Under [`Relief`](BenefitRule::Relief) the gap is what is *left* after the move, in proportion to
//! what the task carries: a huge task that would swamp the target and a tiny one that changes
//! nothing both bring little.

use alloc::vec::Vec;

use crate::admission::{self, Levels};
use crate::config::{BenefitRule, BenefitWeights, Config, CostBenefit, Pace};
use crate::model::hardware::HardwareTable;
use crate::model::resource::{GIB, ResourceId};
use crate::model::time::seconds;
use crate::outcome::{Benefit, Considered, Cost, Rejection, Scorecard, Tally};
use crate::snapshot::{Mobility, Task};
use crate::speed;
use crate::state::State;
use crate::view::{self, Berth, Burden, Candidate, Errand, Scored, Seat, Seek, Unit, View};

/// No single factor counts more.
const MOST_POINTS: f64 = 1e6;

/// Scores every candidate and drops those that are not worth their cost. (Without cost-benefit
/// analysis the engine skips this stage: all stay, without a score.)
pub(crate) fn score(
    scorer: &Scorer<'_>,
    pace: Pace,
    units: &[Unit],
    mut pairs: Vec<Candidate>,
    tally: &mut Tally,
) -> Scored {
    let view = scorer.view;
    let mut considered = Vec::with_capacity(pairs.len());
    pairs.retain_mut(|pair| {
        let unit = &units[pair.unit];
        let scorecard = scorer.scorecard(&unit.rows, unit.from, pair.to, pair.berth, unit.errand);
        (pair.scorecard, pair.nth) = (Some(scorecard), considered.len());
        let verdict = match unit.errand {
            Errand::Balance | Errand::Upgrade => worth(&scorecard, pace),
            Errand::Recover | Errand::Drain | Errand::Along(_) => Ok(()),
        };
        let (task, to) = (view.task(unit.rows[0]).id, view.worker_id(pair.to));
        if let Err(rejection) = verdict {
            tally.refuse(task, Some(to), rejection);
        }
        considered.push(Considered {
            task,
            from: unit.from.map(|from| view.worker_id(from)),
            to,
            cost: scorecard.cost.total(),
            benefit: scorecard.benefit.total(),
            taken: false,
            refused: verdict.err(),
        });
        verdict.is_ok()
    });
    Scored { pairs, considered }
}

/// Whether a move is worth its cost at this pace.
pub(crate) fn worth(scorecard: &Scorecard, pace: Pace) -> Result<(), Rejection> {
    if scorecard.net() > pace.least_net {
        return Ok(());
    }
    let (cost, benefit) = (scorecard.cost.total(), scorecard.benefit.total());
    let (beyond, below) = (scorecard.cost.sum() - cost, benefit - scorecard.benefit.sum());
    Err(Rejection::NotWorthIt { cost, benefit, least: pace.least_net, beyond, below })
}

/// What scoring reads.
#[derive(Clone, Copy)]
pub(crate) struct Scorer<'a> {
    pub(crate) config: &'a Config,
    pub(crate) section: &'a CostBenefit,
    pub(crate) state: &'a State,
    pub(crate) view: &'a View<'a>,
    pub(crate) levels: &'a Levels,
}

impl Scorer<'_> {
    /// Cost and benefit of moving a unit of tasks.
    pub(crate) fn scorecard(
        &self,
        rows: &[usize],
        from: Option<Seat>,
        to: Seat,
        berth: Berth,
        errand: Errand,
    ) -> Scorecard {
        let mut cost = Cost::default();
        let (mut burden, mut sum) = (Burden::default(), Burden::default());
        for (nth, row) in rows.iter().enumerate() {
            if from.is_some() {
                self.add_cost(self.view.task(*row), &mut cost);
            }
            let class =
                self.view.task(*row).class.and_then(|class| self.view.snapshot.class(class));
            let points = class.and_then(|class| class.cost(self.view.worker_id(to)));
            cost.target += points.unwrap_or(0.0);
            let alternative = if nth == 0 { berth.alternative } else { self.companion(*row, to) };
            self.view.burden_by(*row, to, alternative, &mut burden);
            sum.add(&burden);
        }
        let burden = sum;
        let (lead, here) = (self.view.task(rows[0]), self.view.task_here(rows[0]));
        let there = self.view.task_by(rows[0], berth.alternative);
        // What must leave its worker is as good as without one: how full that is says nothing.
        let evens = from.filter(|_| errand >= Errand::Balance);
        let mut benefit = self.evening(evens, to, &burden);
        benefit.hardware = self.hardware((here, from), (there, to));
        benefit.memory = self.memory(from, to, &burden);
        (benefit.energy, benefit.thermal) = self.efficiency((here, from), (there, to));
        benefit.packing = self.packing(there, to, berth.device);
        let weights = &self.section.benefit;
        let worker = self.view.worker(to);
        let success = self.state.learned.success(worker.id, lead.kind);
        benefit.success = weights.success * success.map_or(0.0, |rate| 2.0 * rate - 1.0);
        benefit.health = worker.health.map_or(0.0, |health| weights.health * (health.get() - 1.0));
        // Absurd figures in a record give absurd points, but never points that are no numbers.
        cost.each(|points| *points = points.clamp(0.0, MOST_POINTS));
        benefit.each(|points| *points = points.clamp(-MOST_POINTS, MOST_POINTS));
        Scorecard { cost, benefit }
    }

    /// The alternative by which a task would come along.
    fn companion(&self, row: usize, to: Seat) -> Option<u16> {
        self.view.forms(row)?;
        let berth = admission::berth(self.view, row, to, Seek::Any, &mut Burden::default());
        let by_hardware = || view::alternative(self.view.task(row), self.view.workers[to].kinds);
        berth.map_or_else(|_| by_hardware(), |berth| berth.alternative)
    }

    fn add_cost(&self, task: &Task, cost: &mut Cost) {
        let weights = &self.section.cost;
        cost.priority += (f64::from(task.priority) * weights.priority).min(weights.priority_most);
        cost.extra += task.extra_cost.unwrap_or(0.0);
        if task.mobility == Mobility::Queued {
            // It has not begun: a message is all it takes.
            return;
        }
        let lost = match (self.section.rule, task.mobility) {
            (BenefitRule::Difference, _) | (_, Mobility::Restart) => task.running,
            (BenefitRule::Relief, _) => task.checkpoint_age.unwrap_or_default(),
        };
        let gib = task.state_bytes.unwrap_or(0) as f64 / GIB;
        let past = self.state.learned.cost.get(&task.kind).map_or(0.0, |average| average.mean());
        cost.base += weights.base;
        cost.running += (seconds(lost) / weights.seconds_per_point).min(weights.running_most);
        cost.state += (gib * weights.state_gib).min(weights.state_most);
        cost.history += past.min(weights.history_most);
    }

    /// Evening out the two workers, and relieving the source. A task without a worker leaves a full
    /// one.
    fn evening(&self, from: Option<Seat>, to: Seat, burden: &Burden) -> Benefit {
        let BenefitWeights { utilization, relief, full_size, .. } = self.section.benefit;
        let (view, levels) = (self.view, self.levels);
        let source = from.map_or(Some(1.0), |from| levels.of(view, from)).unwrap_or(0.0);
        let target = levels.of(view, to).unwrap_or(source);
        if self.section.rule == BenefitRule::Difference {
            let points = utilization * (source - target).max(0.0);
            return Benefit { utilization: points, ..Benefit::default() };
        }
        let after = levels.after(view, to, burden).unwrap_or(source);
        let relieved = from.and_then(|from| levels.relieved(view, from, burden));
        let carried = relieved.map_or(full_size, |relieved| source - relieved);
        let size = if full_size > 0.0 { (carried / full_size).clamp(0.0, 1.0) } else { 1.0 };
        let over = (source - levels.high) / (1.0 - levels.high).max(0.01);
        let over = if from.is_some() { over.clamp(0.0, 1.0) } else { 0.0 };
        Benefit {
            utilization: utilization * (source - after).max(0.0) * size,
            relief: relief * over * size,
            ..Benefit::default()
        }
    }

    /// Performance weight gained. Losing some counts too where the whole effect of a move is
    /// judged.
    fn hardware(&self, (here, from): (&Task, Option<Seat>), (there, to): (&Task, Seat)) -> f64 {
        let Some(section) = &self.config.hardware else { return 0.0 };
        let there = speed::there(section, self.state, self.view, there, to);
        let here = from.map_or(1.0, |from| match self.section.rule {
            BenefitRule::Difference => speed::there(section, self.state, self.view, here, from),
            BenefitRule::Relief => speed::here(section, self.state, self.view, here, from),
        });
        let gained = there - here;
        let counts = match self.section.rule {
            BenefitRule::Difference => gained.max(0.0),
            BenefitRule::Relief => gained,
        };
        self.section.benefit.hardware * counts
    }

    /// The free share of memory around the task, there after the move less here now, if that is a
    /// gain.
    fn memory(&self, from: Option<Seat>, to: Seat, burden: &Burden) -> f64 {
        let ledger = &self.view.ledger;
        let Ok(column) = ledger.columns.binary_search(&ResourceId::MEMORY) else { return 0.0 };
        let free = |seat: Seat, added: f64| {
            let cell = ledger.row(seat)[column];
            let capacity = cell.capacity.filter(|capacity| *capacity > 0.0)?;
            Some(1.0 - (cell.used? + added) / capacity)
        };
        let here = from.and_then(|from| free(from, 0.0));
        let gained =
            free(to, burden.load[column]).zip(here).map_or(0.0, |(there, here)| there - here);
        self.section.benefit.memory * gained.max(0.0)
    }

    /// Energy and heat: profiles for tasks that ask for power efficiency, temperatures for all.
    fn efficiency(
        &self,
        (as_here, from): (&Task, Option<Seat>),
        (as_there, to): (&Task, Seat),
    ) -> (f64, f64) {
        let (Some(section), Some(from)) = (&self.config.efficiency, from) else {
            return (0.0, 0.0);
        };
        let weights = &self.section.benefit;
        let (mut energy, mut thermal) = (0.0, 0.0);
        if as_here.requirements.power_efficient {
            let fallback = HardwareTable::default();
            let table = self.config.hardware.as_ref().map_or(&fallback, |hardware| &hardware.table);
            let here = speed::profile(table, self.view, as_here, from);
            let there = speed::profile(table, self.view, as_there, to);
            energy = weights.energy * (there.energy.get() - here.energy.get()).max(0.0);
            thermal = weights.thermal * (there.thermal.get() - here.thermal.get()).max(0.0);
        }
        let headroom = |seat: Seat| {
            let celsius = self.view.worker(seat).temperature_celsius?;
            let range = section.hot_celsius - section.cool_celsius;
            Some(((section.hot_celsius - celsius) / range).clamp(0.0, 1.0))
        };
        if let (Some(here), Some(there)) = (headroom(from), headroom(to)) {
            thermal += weights.thermal * (there - here);
        }
        (energy, thermal)
    }

    /// How tightly the task would fill its device: large holes elsewhere stay whole.
    fn packing(&self, task: &Task, to: Seat, device: Option<u16>) -> f64 {
        let (Some(_), Some(device)) = (&self.config.efficiency, device) else { return 0.0 };
        let filled = || {
            let cell = self.view.ledger.devices_of(to).get(usize::from(device))?;
            let bytes = task.requirements.gpu_memory_bytes? as f64;
            let memory = cell.device.memory_bytes.filter(|bytes| *bytes > 0)? as f64;
            Some(1.0 - (cell.free_bytes()? - bytes).max(0.0) / memory)
        };
        filled().map_or(0.0, |share| self.section.benefit.packing * share)
    }
}
