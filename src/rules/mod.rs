//! Which conditions must a move meet? All of them, in one table.
//!
//! A rule has a name, a depth (what it looks at), the purposes for which it holds, the section of the
//! configuration that switches it on, and a function that answers it. Rounds, the questions of
//! [`Look`](crate::engine::Look), and advice ask through the functions below; no other module knows a rule. The first
//! rule that refuses gives the answer; within a depth, cheap rules and rules that refuse many pairs at once come
//! first.
//!
//! To add a rule: write its function in the file of its subject, add a row to the table of its depth below, and add
//! its [`Rejection`](crate::outcome::Rejection) (name, reach, sentence, remedy) in `outcome/refusal`. With
//! `UPDATE=1`, `cargo test --test documents` prints the table anew.
//!
#![doc = include_str!("table.md")]

mod budget;
mod fair;
mod group;
mod home;
mod load;
mod payback;
mod rule;
pub(crate) mod speed;
#[cfg(feature = "testkit")]
mod table;
mod target;
mod task;
mod variant;
mod worth;

use crate::config::Config;
use crate::model::rows::{TaskRow, WorkerRow};
use crate::outcome::{FitRefusal, GroupRefusal, Purpose, Rejection, Scorecard, TargetRefusal};
use crate::round::{Fit, MoveSet, Round, VariantFilter};
use crate::view::Footprint;

pub(crate) use budget::{Accounts, Bill};
pub(crate) use home::closed_homes;
pub(crate) use load::is_above_ceiling;
pub(crate) use payback::{handover, leaving_time};
pub(crate) use rule::{Effect, Pair};
pub(crate) use target::{class_without, is_frozen_somewhere};
pub(crate) use task::source_is_certain;
pub(crate) use variant::{could_hold, has_hardware, headroom_for, meets_requirements, suits_there};

#[cfg(feature = "testkit")]
pub(crate) use table::table;

use budget::Taking;
use rule::Asked::{AfterOthers, Again, Once, WhenTaken};
use rule::Section::{Always, CostBenefit, Fairness, Migration, Scope, Stability, Transfer};
use rule::{
    ALL, Answer, AskEffect, AskJoin, AskPair, AskPayback, AskTarget, AskTask, AskVariant, AskWorth,
    FORCED, MOVES, REBALANCE, Rule, UPGRADE, VOLUNTARY, Variant, rule,
};

type AskBudget = fn(&Round<'_>, &Taking<'_>) -> Answer;

impl<F> Rule<F> {
    fn holds(&self, config: &Config, purpose: Purpose) -> bool {
        let is_meant = self.holds_for.contains(purpose)
            || self.name == "disruption budget" && broken!("disruption_spares_recovery");
        is_meant && self.section.is_on(config) && !broken!(self.name)
    }
}

/// The rules of a depth that hold for a purpose, in order.
fn holding<'r, F>(
    rules: &'r [Rule<F>],
    config: &'r Config,
    purpose: Purpose,
) -> impl Iterator<Item = &'r Rule<F>> {
    rules.iter().filter(move |rule| rule.holds(config, purpose))
}

impl Rule<AskTask> {
    fn is_about_companions(&self) -> bool {
        self.name == COMPANIONS
    }
}

/// The name of the rule that asks the others of a task's companions.
const COMPANIONS: &str = "companions may move";

// ---------------------------------------------------------------- the table

const TASK: &[Rule<AskTask>] = &[
    rule("source is certain", FORCED, Always, Once, task::leaves_a_certain_source),
    rule("within scope", ALL, Scope, Once, task::within_scope),
    rule("record is sound", ALL, Always, Once, task::record_is_sound),
    rule("not in flight", ALL, Always, Once, task::not_in_flight),
    rule("has a worker", MOVES, Always, Once, task::has_a_worker),
    rule("place is known", ALL, Always, Once, task::place_is_known),
    rule("not frozen", ALL, Always, Once, task::not_frozen),
    rule("not pinned", MOVES, Always, Once, task::not_pinned),
    rule("not before its time", MOVES, Always, Once, task::not_before_its_time),
    rule("disruption budget", MOVES, Always, Again, group::disruption_budget),
    rule("gang stays whole", VOLUNTARY, Always, Again, group::gang_stays_whole),
    rule("members are known", MOVES, Always, Once, group::members_are_known),
    rule("eviction back-off", MOVES, Always, Once, task::eviction_back_off),
    rule("cooldown", VOLUNTARY, Stability, Once, task::cooldown),
    rule("moves once while nothing changes", REBALANCE, Stability, Once, task::moves_once),
    rule("not long running", VOLUNTARY, CostBenefit, Once, task::not_long_running),
    rule("not nearly done", VOLUNTARY, CostBenefit, Once, task::not_nearly_done),
    rule("called off nowhere", ALL, Always, Once, task::nowhere_called_off),
    rule(COMPANIONS, ALL, Always, Once, companions_may_move),
];

const TARGET: &[Rule<AskTarget>] = &[
    rule("target accepts", ALL, Always, Once, target::accepts),
    rule("target's load is known", ALL, Always, Once, target::load_is_known),
];

const PAIR: &[Rule<AskPair>] = &[
    rule("not there already", ALL, Always, Again, target::not_there_already),
    rule("target not frozen", ALL, Always, Again, target::not_frozen),
    rule("within target class", ALL, Always, Again, target::within_class),
];

const VARIANT: &[Rule<AskVariant>] = &[
    rule("has all hardware", ALL, Always, Again, variant::has_all_hardware),
    rule("has any hardware", ALL, Always, Again, variant::has_any_hardware),
    rule("has labels", ALL, Always, Again, variant::has_labels),
    rule("has no forbidden label", ALL, Always, Again, variant::has_no_forbidden_label),
    rule("memory is large enough", ALL, Always, Again, variant::memory_is_large_enough),
    rule("compute capability", ALL, Always, Again, variant::compute_capability),
    rule("room on a device", ALL, Always, Again, variant::room_on_a_device),
    rule("headroom", ALL, Always, Again, variant::headroom),
];

const JOIN: &[Rule<AskJoin>] = &[
    rule("target stays long enough", ALL, Always, Again, target::stays_long_enough),
    rule("affinity", ALL, Always, Again, group::affinity),
    rule("anti-affinity", ALL, Always, Again, group::anti_affinity),
    rule("spread over domains", VOLUNTARY, Always, Again, group::spread_over_domains),
    rule("not left recently", ALL, Always, Again, target::not_left_recently),
    rule("carries no overload on", REBALANCE, Stability, Again, target::carries_no_overload_on),
];

const EFFECT: &[Rule<AskEffect>] = &[
    rule("source still donates", REBALANCE, Always, AfterOthers, load::source_still_donates),
    rule("target still accepts", REBALANCE, Always, AfterOthers, load::target_still_accepts),
    rule("ceiling", REBALANCE, Stability, Again, load::ceiling),
    rule("ceiling of an upgrade", UPGRADE, Always, WhenTaken, load::ceiling),
    rule("relief", REBALANCE, Stability, Again, load::relief),
    rule("gain", REBALANCE, Stability, Again, load::gain),
    rule("spread does not grow", REBALANCE, Stability, WhenTaken, load::spread_does_not_grow),
    rule("loads stay even", UPGRADE, Always, WhenTaken, load::loads_stay_even),
];

const PAYBACK: &[Rule<AskPayback>] =
    &[rule("pays off", VOLUNTARY, Transfer, Again, payback::pays_off)];

const WORTH: &[Rule<AskWorth>] =
    &[rule("worth its cost", VOLUNTARY, CostBenefit, Once, worth::worth_its_cost)];

const BUDGET: &[Rule<AskBudget>] = &[
    rule("placements per worker", ALL, Migration, WhenTaken, budget::placements_per_worker),
    rule("simultaneous moves", MOVES, Migration, WhenTaken, budget::simultaneous_moves),
    rule("moves per source", MOVES, Migration, WhenTaken, budget::moves_per_source),
    rule("moves per target", MOVES, Migration, WhenTaken, budget::moves_per_target),
    rule("memory of moves", MOVES, Migration, WhenTaken, budget::memory_of_moves),
    rule("table of budgets", MOVES, Migration, WhenTaken, budget::table_of_budgets),
    rule("fairness", VOLUNTARY, Fairness, WhenTaken, budget::fairness),
];

// ---------------------------------------------------------------- who asks

/// When a move is judged by its effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Moment {
    /// It is a candidate.
    Candidate,
    /// It is about to be taken, as the only move of a plan.
    OnlyMove,
    /// It is about to be taken, after others.
    AmongOthers,
}

/// Which rules about the task alone are asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TaskRules {
    All,
    /// All but the one about companions.
    Alone,
    /// All but the scope and the one about companions: the scope limits which moves the engine begins, not where a
    /// task could go.
    AloneInScope,
    /// Those whose answer changes as the plan grows.
    Changing,
}

/// May this task leave where it is, or be placed, for this purpose?
pub(crate) fn task(round: &Round<'_>, row: TaskRow, purpose: Purpose, which: TaskRules) -> Answer {
    for rule in holding(TASK, round.config, purpose) {
        let skipped = match which {
            TaskRules::All => false,
            TaskRules::Alone => rule.is_about_companions(),
            TaskRules::AloneInScope => rule.section == Scope || rule.is_about_companions(),
            TaskRules::Changing => rule.asked == Once,
        };
        if !skipped {
            (rule.ask)(round, row, purpose)?;
        }
    }
    Ok(())
}

/// The tasks that move with this one may move too.
fn companions_may_move(round: &Round<'_>, row: TaskRow, purpose: Purpose) -> Answer {
    for (other, group) in round.companions.of(row) {
        if task(round, other, purpose, TaskRules::Alone).is_err() {
            return Err(GroupRefusal::Companion { group, task: round.task_id(other) }.into());
        }
    }
    Ok(())
}

/// May this worker take anything?
pub(crate) fn target(round: &Round<'_>, to: WorkerRow) -> Answer {
    // These hold for every purpose.
    holding(TARGET, round.config, Purpose::Recover).try_for_each(|rule| (rule.ask)(round, to))
}

/// May this task go to this worker, with the moves that the ledger holds? If so, returns how it would run there, and
/// sets `footprint` to what it takes of the worker.
pub(crate) fn pair(
    round: &Round<'_>,
    pair: &Pair,
    filter: VariantFilter,
    footprint: &mut Footprint,
) -> Result<Fit, Rejection> {
    for rule in holding(PAIR, round.config, pair.purpose) {
        (rule.ask)(round, pair)?;
    }
    let fit = fit(round, pair.row, pair.to, filter, footprint)?;
    for rule in holding(JOIN, round.config, pair.purpose) {
        (rule.ask)(round, pair, fit)?;
    }
    Ok(fit)
}

/// How a task would run on a worker: as the fastest of its variants for which the worker has the hardware, a device
/// and room. If there is none: what the worker lacks for the fastest variant whose hardware it has.
pub(crate) fn fit(
    round: &Round<'_>,
    row: TaskRow,
    to: WorkerRow,
    filter: VariantFilter,
    footprint: &mut Footprint,
) -> Result<Fit, Rejection> {
    let Some(variants) = round.view.variants(row) else {
        round.ledger.footprint_at(round.view, row, to, None, footprint);
        let task = round.view.task(row);
        let on = Variant { task, to, footprint };
        ask_variant(round, &on)?;
        return Ok(Fit { alternative: None, device: variant::device(round, &on) });
    };
    let mut refused: Option<Rejection> = None;
    let asked = if broken!("next_alternative") { 1 } else { usize::MAX };
    for (nth, task) in variants.fastest_first().take(asked) {
        let accepted = match filter {
            VariantFilter::Any => true,
            VariantFilter::AtLeast(speed) => {
                task.alternatives.iter().all(|alternative| alternative.speed >= speed)
            }
            VariantFilter::Only(only) => only == Some(nth),
        };
        if !accepted {
            continue;
        }
        round.ledger.footprint_at(round.view, row, to, Some(nth), footprint);
        let on = Variant { task, to, footprint };
        match ask_variant(round, &on) {
            Ok(()) => {
                let device = variant::device(round, &on);
                return Ok(Fit { alternative: Some(nth), device });
            }
            Err(no) => {
                let is_unequipped = matches!(
                    refused,
                    None | Some(Rejection::Fit(FitRefusal::MissingHardware { .. }))
                );
                refused = if is_unequipped { Some(no) } else { refused };
            }
        }
    }
    Err(refused.unwrap_or(Rejection::Target(TargetRefusal::AlreadyThere)))
}

fn ask_variant(round: &Round<'_>, variant: &Variant<'_>) -> Answer {
    // These hold for every purpose.
    let mut rules = holding(VARIANT, round.config, Purpose::Recover);
    rules.try_for_each(|rule| (rule.ask)(round, variant))
}

/// Does the move improve the loads as its purpose asks? The move is a candidate, the only move of a plan, or one
/// among others.
pub(crate) fn effect(round: &Round<'_>, effect: &Effect<'_>, moment: Moment) -> Answer {
    for rule in holding(EFFECT, round.config, effect.purpose) {
        let is_due = match rule.asked {
            Once | Again => true,
            WhenTaken => moment >= Moment::OnlyMove,
            AfterOthers => moment >= Moment::AmongOthers,
        };
        if is_due {
            (rule.ask)(round, effect)?;
        }
    }
    Ok(())
}

/// Does the move repay its downtime?
pub(crate) fn payback(round: &Round<'_>, pair: &Pair, fit: Fit, footprint: &Footprint) -> Answer {
    let all = broken!("drain_need_not_repay");
    let purpose = if all { Purpose::Rebalance } else { pair.purpose };
    for rule in holding(PAYBACK, round.config, purpose) {
        (rule.ask)(round, pair, fit, footprint)?;
    }
    Ok(())
}

/// Is the move worth its cost?
pub(crate) fn worth(round: &Round<'_>, purpose: Purpose, scorecard: &Scorecard) -> Answer {
    for rule in holding(WORTH, round.config, purpose) {
        (rule.ask)(round, scorecard)?;
    }
    Ok(())
}

/// Do the budgets allow the move?
pub(crate) fn budget(
    round: &Round<'_>,
    set: &MoveSet,
    to: WorkerRow,
    accounts: &Accounts<'_>,
    bill: &Bill,
) -> Answer {
    let all = broken!("fair_share_of_drains") && set.purpose == Purpose::Evacuate;
    let purpose = if all { Purpose::Rebalance } else { set.purpose };
    for rule in holding(BUDGET, round.config, purpose) {
        (rule.ask)(round, &Taking { set, to, accounts, bill })?;
    }
    Ok(())
}
