//! Did the engine keep within its mode and its scope?

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use super::facts::{Facts, is_new};
use super::promise::{Findings, Promise, Violation};
use super::round::Round;
use crate::config::{Config, Mode};
use crate::engine::Engine;
use crate::model::ids::TaskId;
use crate::outcome::{Action, Command};
use crate::snapshot::Task;

/// Judges whether a round kept to its mode; `check` judges the round that an acting engine would have run.
pub(super) fn kept(
    round: &Round<'_>,
    check: impl Fn(&Round<'_>) -> Vec<Violation>,
) -> Vec<Violation> {
    let mut findings = Findings::new(Promise::OneMove);
    let Round { config, after, outcome, .. } = *round;
    findings.need(outcome.mode == config.mode, || format!("not in the mode {}", outcome.mode));
    let proposes = config.mode == Mode::Advise;
    findings.need(proposes || outcome.proposed.is_empty(), || String::from("proposes, unasked"));
    if config.mode == Mode::Act {
        return findings.list;
    }
    let begun = outcome.commands.iter().filter(|it| !is_left(it));
    for command in begun.filter(|it| is_new(round, it.task, it.migration)) {
        findings.add(format!("{command}: begun, though the mode is {}", config.mode));
    }
    findings.need(outcome.counts.initiated == 0, || {
        format!("{} migrations are counted as begun", outcome.counts.initiated)
    });
    findings.need(!after.rebalancing, || String::from("remembers moves that were not made"));
    if proposes {
        as_acted(round, check, &mut findings);
    }
    findings.list
}

/// Whether a command begins nothing: what an earlier life has left to do is called off or given back under an id of
/// this one.
const fn is_left(command: &Command) -> bool {
    matches!(command.action, Action::Abort { .. } | Action::Stop { .. } | Action::Requeue)
}

/// The same round by an engine that acts commands exactly the commands and the proposals together.
fn as_acted(
    round: &Round<'_>,
    check: impl Fn(&Round<'_>) -> Vec<Violation>,
    findings: &mut Findings,
) {
    let mut config = round.config.clone();
    config.mode = Mode::Act;
    let (before, snapshot) = (round.before, round.snapshot);
    let resumed = Engine::resume(config.clone(), before.clone(), before.epoch());
    let acted = resumed.ok().and_then(|mut engine| Some((engine.tick(snapshot).ok()?, engine)));
    let Some((outcome, engine)) = acted else {
        findings.add(String::from("an engine that acts does not run the round"));
        return;
    };
    let act = Round::new(&config, before, snapshot, &outcome, engine.state());
    let (proposed, told): (Vec<Command>, Vec<Command>) =
        outcome.commands.iter().copied().partition(|command| {
            is_new(&act, command.task, command.migration) && !is_left(command)
        });
    findings.need(proposed == round.outcome.proposed, || {
        format!("would command {proposed:?}, proposes {:?}", round.outcome.proposed)
    });
    findings.need(told == round.outcome.commands, || {
        format!("would go on with {told:?}, goes on with {:?}", round.outcome.commands)
    });
    let same = (&outcome.balance, &outcome.thresholds, &outcome.forecast, &outcome.tally)
        == (
            &round.outcome.balance,
            &round.outcome.thresholds,
            &round.outcome.forecast,
            &round.outcome.tally,
        );
    findings.need(same, || String::from("advises on other grounds than it acts on"));
    findings.list.extend(check(&act));
}

/// Promise 2, by scope: no move begins for a task that is out of scope.
pub(super) fn scope(round: &Round<'_>) -> Vec<Violation> {
    let mut findings = Findings::new(Promise::HardConstraints);
    for step in &Facts::new(round).steps {
        let (task, id) = (step.command.task, step.command.migration);
        findings.need(!is_new(round, task, id) || is_in_scope(round.config, step.task), || {
            format!("{}: it is out of scope", step.command)
        });
    }
    findings.list
}

/// One more than the largest word.
const WORD: u128 = 1 << 64;

/// Whether a task carries one of the scope's labels, if it has any, and is in its share.
pub(super) fn is_in_scope(config: &Config, task: &Task) -> bool {
    let Some(scope) = &config.scope else { return true };
    let labelled = scope.labels.is_empty()
        || task.labels.iter().any(|label| scope.labels.iter().any(|asked| asked == label));
    labelled && fraction(task.id) < scope.share.get()
}

/// The place of a task among all tasks: `SplitMix64` of its id as a fraction, in numbers that do not overflow.
pub(super) fn fraction(task: TaskId) -> f64 {
    let mut mixed = (u128::from(task.raw()) + 0x9E37_79B9_7F4A_7C15) % WORD;
    for (shift, factor) in [(30, 0xBF58_476D_1CE4_E5B9), (27, 0x94D0_49BB_1331_11EB), (31, 1)] {
        mixed = (mixed ^ (mixed >> shift)) * factor % WORD;
    }
    (mixed >> 11) as f64 / (WORD >> 11) as f64
}
