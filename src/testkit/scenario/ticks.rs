//! Many rounds in a row, a line for each.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;

use serde_json::Value;

use super::manner::Manner;
use super::must::{Heard, look_up, print};
use super::records::{moments, ramp};
use super::words::{Parsed, moment, pair, span, unknown};
use super::world::World;
use crate::model::time::Timestamp;
use crate::outcome::{Command, Outcome};

impl World {
    /// `ticks from=30s to=300s every=30s w1.load=0.5..0.8 show=thresholds.high host partial`: a
    /// line per round.
    pub(super) fn ticks(&mut self, words: &str) -> Parsed<Heard> {
        let plan = Plan::read(words)?;
        let moments = moments(plan.from, plan.to, plan.every)?;
        let (steps, mut heard) = (moments.len(), Heard::default());
        for (step, at) in moments.into_iter().enumerate() {
            for (id, key, values) in &plan.ramps {
                self.records.field(id, key, &ramp(values, step, steps)?)?;
            }
            let line = match self.tick(at, plan.partial, &mut heard) {
                Some(Ok(outcome)) => summary(&outcome, &plan.show, heard.values.last()),
                Some(Err(stale)) => format!("{at} stale: {stale}"),
                None => continue,
            };
            heard.said.push(line);
            if plan.host && !self.mail.orders.is_empty() {
                let done = self.carry_out(Manner::prompt(at));
                heard.commands.extend(done.commands);
                heard.ended.extend(&done.ended);
                heard.faults.extend(done.faults);
                heard.said.extend(done.ended.iter().map(|ended| format!("  {ended}")));
            }
        }
        Ok(heard)
    }
}

/// The words of `ticks`.
struct Plan<'a> {
    from: Timestamp,
    to: Timestamp,
    every: core::time::Duration,
    partial: bool,
    host: bool,
    show: Vec<&'a str>,
    /// Whose field takes which values.
    ramps: Vec<(&'a str, &'a str, &'a str)>,
}

impl<'a> Plan<'a> {
    fn read(words: &'a str) -> Parsed<Self> {
        let (mut from, mut to, mut every) = (None, None, None);
        let (mut partial, mut host) = (false, false);
        let (mut show, mut ramps) = (Vec::new(), Vec::new());
        for word in words.split_whitespace() {
            let (key, value) = pair(word);
            match (key, value) {
                ("host", None) => host = true,
                ("partial", None) => partial = true,
                ("from", Some(value)) => from = Some(moment(value)?),
                ("to", Some(value)) => to = Some(moment(value)?),
                ("every", Some(value)) => every = Some(span(value)?),
                ("show", Some(value)) => show = value.split(',').collect(),
                (key, Some(values)) => {
                    let field = key.split_once('.').ok_or_else(|| unknown(word, "`ticks`"))?;
                    ramps.push((field.0, field.1, values));
                }
                _ => return Err(unknown(word, "`ticks`")),
            }
        }
        let missing = "`ticks` reads `ticks from=30s to=300s every=30s`";
        let (from, to) = (from.ok_or(missing)?, to.ok_or(missing)?);
        Ok(Self { from, to, every: every.ok_or(missing)?, partial, host, show, ramps })
    }
}

/// A round on one line.
fn summary(outcome: &Outcome, show: &[&str], value: Option<&Value>) -> String {
    let mut text = format!("{} {}", outcome.at, outcome.balance);
    for path in show {
        let found = value.and_then(|value| look_up(value, path));
        let found = found.map_or_else(|| String::from("nothing"), print);
        append(&mut text, &format_args!("; {path} {found}"));
    }
    for Command { migration, task, action, .. } in &outcome.commands {
        append(&mut text, &format_args!("; {migration} {task} {action}"));
    }
    for Command { migration, task, action, .. } in &outcome.proposed {
        append(&mut text, &format_args!("; proposed {migration} {task} {action}"));
    }
    for ended in &outcome.ended {
        append(&mut text, &format_args!("; {ended}"));
    }
    text
}

fn append(text: &mut String, more: &dyn fmt::Display) {
    text.push_str(&more.to_string());
}
