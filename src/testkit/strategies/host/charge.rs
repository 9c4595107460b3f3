//! Does the engine keep the table of budgets, counted on the true state of the host?

use alloc::collections::BTreeSet;
use alloc::format;
use alloc::vec::Vec;

use super::Host;
use super::bill::{Begun, Bill};
use crate::config::{Budget, Scope};
use crate::id::Epoch;
use crate::outcome::{Action, Command};
use crate::snapshot::Placement;
use crate::verify::{Interruption, limit};

impl Host {
    /// The lines in force now; a window that is new counts from here.
    pub(super) fn charge_by(&mut self) {
        let limits = self.config.migration.iter();
        self.lines = limits.flat_map(|limits| limits.budgets.iter().copied()).collect();
        let windows = self.lines.iter().filter_map(|line| Some((line.scope, line.per?)));
        let windows: BTreeSet<_> = windows.collect();
        let Bill { begun, since, .. } = &mut self.bill;
        since.retain(|window, _| windows.contains(window));
        windows.into_iter().for_each(|window| {
            since.entry(window).or_insert(begun.len());
        });
    }

    /// Another life may have begun.
    pub(super) fn in_epoch(&mut self, epoch: Epoch) {
        if epoch > self.bill.epoch {
            self.bill.epoch = epoch;
            let heads =
                |host: &Self, begun: &Begun| match host.tasks.get(&begun.task)?.task.placement {
                    Placement::Moving { to, .. } => Some(to),
                    _ => None,
                };
            let other = |begun: &Begun| heads(self, begun).is_some_and(|to| to != begun.to);
            let diverted: Vec<bool> = self.bill.begun.iter().map(other).collect();
            let begun = self.bill.begun.iter_mut().zip(diverted);
            begun.for_each(|(begun, diverted)| begun.diverted |= diverted);
            // Nor can it know the zone of a worker that is gone.
            let (tasks, shown) = (&self.tasks, &self.shown);
            let unseen = |begun: &Begun| match tasks.get(&begun.task)?.task.placement {
                Placement::Moving { from, to, .. } => {
                    Some(from.into_iter().chain([to]).any(|end| shown.worker(end).is_none()))
                }
                _ => None,
            };
            for begun in &mut self.bill.begun {
                if unseen(begun) == Some(true) {
                    begun.what.counts.retain(|(scope, _)| *scope != Scope::ZonePair);
                }
            }
        }
    }

    /// An interruption begins: no line of the table is exceeded by it. (To a host that hides tasks on their way this
    /// cannot be promised: one that is missing before its release is told of is taken to be finished.)
    pub(super) fn charge(&mut self, command: &Command) {
        let (Some((Some(from), to)), Some(reason)) = (command.action.begins(), command.reason())
        else {
            return;
        };
        let Command { migration: id, task, .. } = *command;
        let Some(record) = self.shown.task(task) else { return };
        let free = matches!(command.action, Action::RequeueFor { .. });
        if free || !self.shows_moving || self.bill.begun.iter().any(|begun| begun.id == id) {
            return;
        }
        let unstated = self.config.transfer.and_then(|section| section.state_bytes);
        let what = Interruption::of(record, &self.shown, [from, to], reason).or_bytes(unstated);
        for line in &self.lines {
            for count in what.counts.iter().filter(|(scope, _)| *scope == line.scope) {
                let (more, spent) = (what.amount(line), self.spent(line, *count));
                if more > 0 && spent + more > limit(line) {
                    self.faults.push(format!(
                        "{command}: {more} beside {spent} for {count:?} under {line:?}"
                    ));
                }
            }
        }
        self.bill.begun.push(Begun { id, task, to, what, diverted: false });
    }

    /// What is spent of a line by now.
    fn spent(&self, line: &Budget, count: (Scope, [u64; 2])) -> u128 {
        let since = line.per.and_then(|per| self.bill.since.get(&(line.scope, per)));
        let begun = self.bill.begun.iter().skip(since.copied().unwrap_or_default());
        let by_target = matches!(line.scope, Scope::WorkerIn | Scope::ZonePair);
        let counts = |begun: &&Begun| match line.per {
            Some(per) => begun.what.at.after(per) > self.now,
            None => self.is_under_way(begun) && !(by_target && begun.diverted),
        };
        let begun = begun.filter(|begun| begun.what.counts.contains(&count)).filter(counts);
        begun.map(|begun| begun.what.amount(line)).sum()
    }

    fn is_under_way(&self, begun: &Begun) -> bool {
        self.moves(begun.task) && self.moved_by(begun.task) == Some(begun.id)
    }
}
