//! What does a line of a story change in its world, and what does it print?

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::time::Duration;

use serde_json::Value;

use super::damage::damage;
use super::free::{numbers_decide, renumbered_config};
use super::manner::Manner;
use super::must::{Heard, look_up, print};
use super::records::{TASK_CPU, WORKER_CPU, freeze};
use super::settings;
use super::words::{Parsed, lines, moment, pair, plain, unknown, valued};
use super::world::World;
use crate::config::{Config, Mode};
use crate::engine::{Engine, Input, Look, Output};
use crate::host::Mail;
use crate::model::ids::{Epoch, TaskId};
use crate::outcome::{Outcome, Verdict};
use crate::snapshot::{Event, Report};
use crate::state::State;
use crate::verify::{self, Round, Watch};

/// The loads of at most this many workers are printed per round.
const SHOWN_WORKERS: usize = 12;

/// A command line, and the indented lines under it.
#[derive(Clone, Debug)]
pub(super) struct Line<'a> {
    pub(super) number: usize,
    pub(super) text: &'a str,
    pub(super) records: Vec<(usize, &'a str)>,
    /// Claims about what it brings, without their `must`.
    pub(super) claims: Vec<(usize, &'a str)>,
}

impl World {
    /// Does what a line says. The error is of the line with that number.
    pub(super) fn run(&mut self, line: &Line<'_>) -> Result<Heard, (usize, String)> {
        let (verb, words) = line.text.split_once(' ').unwrap_or((line.text, ""));
        let here = |error| (line.number, error);
        match verb {
            "workers" | "tasks" | "groups" | "classes" => return self.tell(verb, line),
            _ if !line.records.is_empty() => {
                return Err((line.records[0].0, format!("`{verb}` takes no records")));
            }
            "config" => self.configure(words),
            "reconfigure" => self.reconfigure(words),
            "shadow" => self.cast_shadow(words),
            "drop" => self.drop_records(words),
            "freeze" => self.freeze(words),
            "thaw" => {
                self.records.freezes.clear();
                Ok(Heard::saying("nothing is frozen".into()))
            }
            "report" => self.report(words),
            "tick" => self.tick_once(words),
            "ticks" => self.ticks(words),
            "host" => Manner::read(words, self.now).map(|manner| self.carry_out(manner)),
            "consider" => self.consider(words),
            "rank" => self.rank(words),
            "plan" => self.plan(words),
            "outstanding" => Ok(self.outstanding()),
            "stats" => Ok(self.stats()),
            "state" => self.state(words),
            "save" => self.save(),
            "damage" => self.damage(words),
            "resume" => self.resume(words),
            _ => Err(unknown(verb, "a story")),
        }
        .map_err(here)
    }

    fn tell(&mut self, verb: &str, line: &Line<'_>) -> Result<Heard, (usize, String)> {
        for (number, record) in &line.records {
            let read = match verb {
                "workers" => self.records.worker(record),
                "tasks" => self.records.task(record),
                "classes" => self.records.class(record),
                _ => self.records.group(record),
            };
            read.map_err(|error| (*number, error))?;
        }
        let (count, unless_stated) = match verb {
            "workers" => {
                let told = core::mem::replace(&mut self.told_worker_defaults, true);
                let defaults = format!("; unless stated cpu={WORKER_CPU}, used as their tasks use");
                (self.records.workers.len(), if told { String::new() } else { defaults })
            }
            "tasks" => {
                let told = core::mem::replace(&mut self.told_task_defaults, true);
                let defaults =
                    format!("; unless stated cpu={TASK_CPU}, used as demanded, running=0s");
                (self.records.tasks.len(), if told { String::new() } else { defaults })
            }
            "classes" => (self.records.classes.len(), String::new()),
            _ => (self.records.groups.len(), String::new()),
        };
        Ok(Heard::saying(format!("{verb:<10} {count}{unless_stated}")))
    }

    /// A new engine, which remembers nothing.
    fn configure(&mut self, words: &str) -> Parsed<Heard> {
        let config = settings::change(&Config::default(), words)?;
        let made = config.and_then(|config| {
            Ok((Engine::new(config.clone())?, Engine::new(renumbered_config(&config))?, config))
        });
        match made {
            Ok((engine, twin, config)) => {
                self.parted = numbers_decide(&config);
                (self.twin, self.engine, self.config) = (twin, engine, config);
                (self.mail, self.shadow) = (Mail::new(), None);
                self.watch = Watch::new(&self.config);
                Ok(Heard::saying(format!("config     {words}")))
            }
            Err(faults) => Ok(Heard { said: lines(&faults), ..Heard::default() }),
        }
    }

    fn reconfigure(&mut self, words: &str) -> Parsed<Heard> {
        let config = settings::change(&self.config, words)?;
        let made = config.and_then(|config| {
            self.engine.reconfigure(config.clone())?;
            self.twin.reconfigure(renumbered_config(&config))?;
            Ok(config)
        });
        match made {
            Ok(config) => {
                let input = Input::Reconfigure(config.clone().into());
                let _ = self.watch.see(&input, &Output::Reconfigured);
                self.parted |= numbers_decide(&config);
                self.config = config;
                Ok(Heard::saying(format!("config     {words}")))
            }
            Err(faults) => Ok(Heard { said: lines(&faults), ..Heard::default() }),
        }
    }

    /// Another engine that goes on from the same state, and only advises.
    fn cast_shadow(&mut self, words: &str) -> Parsed<Heard> {
        let config = settings::change(&self.config, words)?.map_err(|no| no.to_string())?;
        let config = Config { mode: Mode::Advise, ..config };
        let (state, epoch) = (self.engine.state().clone(), self.engine.state().epoch());
        let shadow = Engine::resume(config, state, epoch).map_err(|error| error.to_string())?;
        self.shadow = Some(shadow);
        Ok(Heard::saying(format!("shadow     {words}")))
    }

    fn drop_records(&mut self, words: &str) -> Parsed<Heard> {
        for id in words.split_whitespace() {
            self.records.forget(id)?;
        }
        Ok(Heard::saying(format!("dropped    {words}")))
    }

    fn freeze(&mut self, words: &str) -> Parsed<Heard> {
        let freeze = freeze(words)?;
        self.records.freezes.push(freeze);
        Ok(Heard::saying(freeze.to_string()))
    }

    /// `report released m0.1 at=45s`, `report diverted m0.1 w3 t9 at=45s`, `report performance w2
    /// cuda 5.0 at=45s`; with `riding` it rides in the next snapshot.
    fn report(&mut self, words: &str) -> Parsed<Heard> {
        let (mut at, mut riding, mut plain_words) = (self.now, false, Vec::new());
        for word in words.split_whitespace() {
            match pair(word) {
                ("at", value) => at = moment(valued("at", value)?)?,
                ("riding", None) => riding = true,
                _ => plain_words.push(word),
            }
        }
        let report = Report::new(at, event(&plain_words)?);
        if riding {
            self.mail.send(0, report);
            return Ok(Heard::saying(format!("riding     {}", report.event)));
        }
        let mut heard = Heard::default();
        self.send(&report, &mut heard);
        Ok(heard)
    }

    /// `tick at=30s`, `tick at=30s partial`.
    fn tick_once(&mut self, words: &str) -> Parsed<Heard> {
        let (mut at, mut partial) = (None, false);
        for word in words.split_whitespace() {
            match pair(word) {
                ("at", value) => at = Some(moment(valued("at", value)?)?),
                ("partial", None) => partial = true,
                _ => return Err(unknown(word, "`tick`")),
            }
        }
        let mut heard = Heard::default();
        let at = at.ok_or("`tick` needs a moment: tick at=30s")?;
        let result = self.tick(at, partial, &mut heard);
        if let Some(Ok(outcome)) = &result {
            heard.said.push(loads(outcome));
            heard.said.extend(lines(outcome));
        }
        let differences = heard.differences.iter().flat_map(lines);
        heard.said.extend(differences.map(|line| format!("differs    {line}")));
        if let Some(Err(stale)) = &result {
            heard.said.push(format!("stale      {stale}"));
            heard.said.extend(stale.commands.iter().map(|it| format!("command    {it}")));
            heard.said.extend(stale.ended.iter().map(|it| format!("ended      {it}")));
        }
        Ok(heard)
    }

    /// `consider t1 w2`: as of the last round's moment.
    fn consider(&self, words: &str) -> Parsed<Heard> {
        let words: Vec<&str> = words.split_whitespace().collect();
        let [task, worker] = words[..] else { return Err("`consider t1 w2`".into()) };
        let (task, worker) = (plain(task)?, plain(worker)?);
        let snapshot = self.records.sheet(self.now, false, Vec::new()).snapshot();
        let Some(verdict) = self.engine.look(&snapshot).consider(task, worker) else {
            return Ok(Heard::saying("not in the snapshot".into()));
        };
        let mut heard = Heard { said: lines(&format!("{task} -> {verdict}")), ..Heard::default() };
        heard.values.push(serde_json::to_value(verdict).unwrap_or_default());
        heard.verdicts.push((task, verdict));
        self.judge(|look| look.consider(task, worker).into_iter().collect(), task, &mut heard);
        Ok(heard)
    }

    /// `rank t1`: as of the last round's moment.
    fn rank(&self, words: &str) -> Parsed<Heard> {
        let task = plain(words.trim())?;
        let snapshot = self.records.sheet(self.now, false, Vec::new()).snapshot();
        let mut heard = Heard::default();
        for verdict in self.engine.look(&snapshot).rank(task).unwrap_or_default() {
            heard.said.push(verdict.to_string());
            heard.verdicts.push((task, verdict));
        }
        heard.values.push(serde_json::to_value(&heard.verdicts).unwrap_or_default());
        self.judge(|look| look.rank(task).unwrap_or_default(), task, &mut heard);
        Ok(heard)
    }

    /// Asks again a moment later, and judges the answers by the round that would be run then.
    fn judge(&self, ask: impl Fn(&Look<'_>) -> Vec<Verdict>, task: TaskId, heard: &mut Heard) {
        let later = self.now.after(Duration::from_millis(1));
        let snapshot = self.records.sheet(later, false, Vec::new()).snapshot();
        let verdicts = ask(&self.engine.look(&snapshot));
        let (mut engine, before) = (self.engine.clone(), self.engine.state());
        let Ok(outcome) = engine.tick(&snapshot) else { return };
        let round = Round::new(engine.config(), before, &snapshot, &outcome, engine.state());
        let broken = verify::answers(&round, verdicts.iter().map(|verdict| (task, verdict)));
        let faults: Vec<String> = broken.iter().map(ToString::to_string).collect();
        heard.said.extend(faults.iter().map(|fault| format!("FREE CHECK {fault}")));
        heard.faults.extend(faults);
    }

    fn outstanding(&self) -> Heard {
        let commands = self.engine.outstanding();
        let mut said: Vec<String> =
            commands.iter().map(|command| format!("command    {command}")).collect();
        if said.is_empty() {
            said.push("nothing outstanding".into());
        }
        Heard { said, commands, ..Heard::default() }
    }

    fn stats(&self) -> Heard {
        let value = serde_json::to_value(self.engine.stats()).unwrap_or_default();
        let counts = |span: &str| {
            let count =
                |name: &str| look_up(&value, &format!("{span}.{name}")).map_or("?".into(), print);
            let [begun, completed, failed] = ["initiated", "completed", "failed"].map(count);
            format!("{span:<10} {begun} begun, {completed} completed, {failed} failed")
        };
        let said = ["last_hour", "last_day", "total"].map(counts).to_vec();
        Heard { said, values: alloc::vec![value], ..Heard::default() }
    }

    /// `state arrivals cooldowns.1.until`: fields of what the engine remembers, in their serialised form.
    fn state(&self, words: &str) -> Parsed<Heard> {
        let tree = serde_json::to_value(self.engine.state()).map_err(|error| error.to_string())?;
        let said = words.split_whitespace().map(|path| {
            let field = look_up(&tree, path).map_or("nothing".into(), ToString::to_string);
            format!("state      {path} {field}")
        });
        let said = said.collect();
        Ok(Heard { said, values: alloc::vec![tree], ..Heard::default() })
    }

    fn save(&mut self) -> Parsed<Heard> {
        let text = |engine: &Engine| {
            serde_json::to_string(engine.state()).map_err(|error| error.to_string())
        };
        self.saved = Some((text(&self.engine)?, text(&self.twin)?, self.watch.clone()));
        Ok(Heard::saying("saved".into()))
    }

    /// `damage factor=0.5` changes what was saved. The twin's state has other numbers, and is left as it was.
    fn damage(&mut self, words: &str) -> Parsed<Heard> {
        let (state, ..) = self.saved.as_mut().ok_or("nothing has been saved")?;
        *state = damage(state, words)?;
        self.parted = true;
        Ok(Heard::saying(format!("damaged    {words}")))
    }

    /// `resume epoch=1` from what was saved; `resume epoch=1 blank` after a restart that lost it.
    fn resume(&mut self, words: &str) -> Parsed<Heard> {
        let (mut epoch, mut blank, mut newer) = (None, false, false);
        for word in words.split_whitespace() {
            match pair(word) {
                ("epoch", value) => epoch = Some(Epoch::new(plain(valued("epoch", value)?)?)),
                ("blank", None) => blank = true,
                ("newer", None) => newer = true,
                _ => return Err(unknown(word, "`resume`")),
            }
        }
        let epoch = epoch.ok_or("`resume` needs an epoch: resume epoch=1")?;
        let twin_config = renumbered_config(&self.config);
        let fresh = |config: &Config| Engine::in_epoch(config.clone(), epoch);
        let made = if blank {
            let both = fresh(&self.config).and_then(|one| Ok((one, fresh(&twin_config)?)));
            self.watch = self.watch_after(Watch::new(&self.config), epoch);
            both.map_err(|faults| faults.to_string())
        } else {
            let (state, twin, watch) = self.saved.as_ref().ok_or("nothing has been saved")?;
            let (state, twin, watch) = (state.clone(), twin.clone(), watch.clone());
            if !newer {
                self.watch = self.watch_after(watch, epoch);
            }
            let from = |text: &str, config: &Config| -> Parsed<Engine> {
                let mut tree: Value =
                    serde_json::from_str(text).map_err(|error| error.to_string())?;
                if newer {
                    tree["schema"] = (State::SCHEMA + 1).into();
                }
                let state = serde_json::from_value(tree).map_err(|error| error.to_string())?;
                Engine::resume(config.clone(), state, epoch).map_err(|error| error.to_string())
            };
            from(&state, &self.config).and_then(|one| Ok((one, from(&twin, &twin_config)?)))
        };
        match made {
            Ok((engine, twin)) => {
                (self.engine, self.twin) = (engine, twin);
                let mut heard = Heard::saying(format!("resumed in {epoch}"));
                let set_aside = self.engine.set_aside().iter();
                heard.said.extend(set_aside.map(|entry| format!("set aside  {entry}")));
                Ok(heard)
            }
            Err(refusal) => Ok(Heard { refused: true, ..Heard::saying(refusal) }),
        }
    }

    /// What an earlier life has begun counts in a later one; the same life goes on from where it was.
    fn watch_after(&self, watch: Watch, epoch: Epoch) -> Watch {
        if epoch > self.engine.state().epoch() { watch.after(&self.watch) } else { watch }
    }
}

/// What happened, from the words of `report`.
fn event(words: &[&str]) -> Parsed<Event> {
    Ok(match words {
        ["released", id] => Event::Released { migration: plain(id)? },
        ["running", id] => Event::Running { migration: plain(id)? },
        ["failed", id] => Event::Failed { migration: plain(id)? },
        ["refused", id] => Event::Refused { migration: plain(id)? },
        ["aborted", id] => Event::Aborted { migration: plain(id)? },
        ["diverted", id, worker, task] => {
            Event::Diverted { migration: plain(id)?, worker: plain(worker)?, task: plain(task)? }
        }
        ["performance", worker, hardware, speed] => Event::Performance {
            worker: plain(worker)?,
            hardware: plain(hardware)?,
            speed: plain(speed)?,
        },
        _ => return Err(unknown(words.first().unwrap_or(&""), "`report`")),
    })
}

/// Every worker's load on one line.
fn loads(outcome: &Outcome) -> String {
    let mut text = format!("{} ", outcome.at);
    let shown = outcome.workers.iter().take(SHOWN_WORKERS);
    let loads: Vec<String> = shown.map(ToString::to_string).collect();
    text += &loads.join(", ");
    match outcome.workers.len().saturating_sub(SHOWN_WORKERS) {
        0 => text,
        more => format!("{text}, and {more} more"),
    }
}
