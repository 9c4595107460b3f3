//! What a story claims by hand: `must` and `must not` lines, judged by what the engine returned,
//! not by what it printed.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use serde::Serialize;
use serde_json::Value;

use super::words::{Parsed, plain, unknown};
use crate::model::ids::{TaskId, WorkerId};
use crate::outcome::{
    Action, Balance, Command, Differences, Ended, Outcome, Plan, PlanMove, Refused, Sight, Verdict,
    Why,
};

/// What a command of the story made the engine say.
#[derive(Debug, Default)]
pub(super) struct Heard {
    /// As printed.
    pub(super) said: Vec<String>,
    /// What the free checks found, and panics.
    pub(super) faults: Vec<String>,
    pub(super) outcomes: Vec<Outcome>,
    pub(super) commands: Vec<Command>,
    pub(super) ended: Vec<Ended>,
    pub(super) verdicts: Vec<(TaskId, Verdict)>,
    pub(super) plan: Option<Plan>,
    /// Everything returned, in its serialised form.
    pub(super) values: Vec<Value>,
    pub(super) stale: bool,
    pub(super) ignored: bool,
    /// A state could not be gone on from.
    pub(super) refused: bool,
    /// Where a shadow would have done otherwise, round by round.
    pub(super) differences: Vec<Differences>,
}

impl Heard {
    /// Only words.
    pub(super) fn saying(line: String) -> Self {
        Self { said: alloc::vec![line], ..Self::default() }
    }

    fn refusals(&self) -> impl Iterator<Item = Refused> + '_ {
        let tallied = self.outcomes.iter().flat_map(|outcome| &outcome.tally.refusals);
        let tallied = tallied.flat_map(|refusals| &refusals.examples).copied();
        let judged = self.verdicts.iter().filter_map(|(task, verdict)| {
            let rejection = *verdict.admission.rejection()?;
            Some(Refused { task: *task, to: Some(verdict.worker), rejection })
        });
        tallied.chain(judged)
    }
}

/// Judges one claim; the words after `must`.
pub(super) fn judge(claim: &str, heard: &Heard) -> Parsed<()> {
    let (claim, wanted) = match claim.strip_prefix("not ") {
        Some(rest) => (rest, false),
        None => (claim, true),
    };
    if holds(claim, heard)? == wanted { Ok(()) } else { Err("it is not so".into()) }
}

fn holds(claim: &str, heard: &Heard) -> Parsed<bool> {
    // `refuse: pinned` has no space before its colon.
    let (verb, rest) = claim.split_at(claim.find([' ', ':']).unwrap_or(claim.len()));
    let rest = rest.trim_start_matches(' ');
    let words: Vec<&str> = rest.split_whitespace().collect();
    match verb {
        "move" => match &heard.plan {
            Some(plan) => planned(&words, plan),
            None => commanded(&[&["release"], words.as_slice()].concat(), heard),
        },
        "command" => commanded(&words, heard),
        "propose" => proposed(&words, heard),
        "begin" => begun(&words, heard),
        "end" => ended(rest, heard),
        "call" => late(&words, heard),
        "refuse" => refused(rest, heard),
        "accept" => Ok(heard.verdicts.iter().all(|(_, verdict)| verdict.admission.is_accepted())),
        "rank" => ranked(&words, heard),
        "say" => said(rest, heard),
        "advise" => Ok(advised(rest, heard)),
        "show" => shown(&words, heard),
        "set" if words.first() == Some(&"aside") => Ok(set_aside(&words[1..], heard)),
        "fall" if rest == "silent" => Ok(silent(heard)),
        "be" if rest == "ignored" => Ok(heard.ignored),
        "be" if rest == "stale" => Ok(heard.stale),
        "be" if rest == "refused" => Ok(heard.refused),
        "differ" => differs(&words, heard),
        _ => Err(unknown(claim, "a claim")),
    }
}

/// Which commands a claim speaks of.
#[derive(Debug, Default)]
struct Pattern {
    kind: Option<&'static str>,
    task: Option<TaskId>,
    at: Option<WorkerId>,
    to: Option<WorkerId>,
    device: Option<u16>,
    alternative: Option<u16>,
    because: Option<String>,
}

const KINDS: [&str; 8] =
    ["release", "assign", "place", "evict", "start", "stop", "requeue", "abort"];

impl Pattern {
    fn read(words: &[&str]) -> Parsed<Self> {
        let mut pattern = Self::default();
        let mut words = words.iter().copied();
        while let Some(word) = words.next() {
            let mut next = || words.next().ok_or_else(|| format!("`{word}` of what?"));
            match word {
                "anything" | "nothing" => {}
                "->" => pattern.to = Some(plain(next()?)?),
                "at" => pattern.at = Some(plain(next()?)?),
                "device" => pattern.device = Some(plain(next()?)?),
                "by" => pattern.alternative = Some(plain(next()?)?),
                "because" => pattern.because = Some(next()?.replace('-', "_")),
                _ if word.starts_with('t') => pattern.task = Some(plain(word)?),
                _ if word.starts_with('w') => pattern.at = Some(plain(word)?),
                _ => {
                    let kind = KINDS.into_iter().find(|kind| *kind == word);
                    pattern.kind = Some(kind.ok_or_else(|| unknown(word, "a claim"))?);
                }
            }
        }
        Ok(pattern)
    }

    fn fits(&self, command: &Command) -> bool {
        let (kind, at, to, device) = match command.action {
            Action::Release { from, to } => ("release", Some(from), Some(to), None),
            Action::Assign { to, device } => ("assign", None, Some(to), device),
            Action::Place { to, device } => ("place", None, Some(to), device),
            Action::Evict { from, hint } => ("evict", Some(from), Some(hint), None),
            Action::RequeueFor { from, to } => ("requeue", Some(from), Some(to), None),
            Action::Start { from, to, device } => ("start", Some(from), Some(to), device),
            Action::Stop { from } => ("stop", Some(from), None, None),
            Action::Requeue => ("requeue", None, None, None),
            Action::Abort { worker } => ("abort", Some(worker), None, None),
        };
        self.kind.is_none_or(|it| it == kind)
            && self.task.is_none_or(|it| it == command.task)
            && self.at.is_none_or(|it| Some(it) == at)
            && self.to.is_none_or(|it| Some(it) == to)
            && self.device.is_none_or(|it| Some(it) == device)
            && self.alternative.is_none_or(|it| Some(it) == command.alternative)
            && self.because.as_ref().is_none_or(|it| match &command.why {
                Why::Begun(reason) => *it == name(reason),
                Why::Follows(cause) => *it == name(cause),
            })
    }

    fn fits_planned(&self, one: &PlanMove) -> bool {
        self.task.is_none_or(|it| it == one.task)
            && self.at.is_none_or(|it| Some(it) == one.from)
            && self.to.is_none_or(|it| it == one.to)
            && self.alternative.is_none_or(|it| Some(it) == one.alternative)
            && self.because.as_ref().is_none_or(|it| *it == name(&one.purpose))
    }
}

/// The name of a reason, a cause, or a purpose, as files have it.
fn name(why: &impl Serialize) -> String {
    match serde_json::to_value(why) {
        Ok(Value::String(name)) => name,
        Ok(Value::Object(fields)) => fields.keys().next().cloned().unwrap_or_default(),
        _ => String::new(),
    }
}

fn commanded(words: &[&str], heard: &Heard) -> Parsed<bool> {
    let pattern = Pattern::read(words)?;
    let found = heard.commands.iter().any(|command| pattern.fits(command));
    Ok(found != words.contains(&"nothing"))
}

/// `move t1 w1 -> w2 because evacuate`, of a plan; the order of its batches does not matter.
fn planned(words: &[&str], plan: &Plan) -> Parsed<bool> {
    let pattern = Pattern::read(words)?;
    let found = plan.moves().any(|one| pattern.fits_planned(one));
    Ok(found != words.contains(&"nothing"))
}

fn proposed(words: &[&str], heard: &Heard) -> Parsed<bool> {
    let pattern = Pattern::read(words)?;
    let mut proposed = heard.outcomes.iter().flat_map(|outcome| &outcome.proposed);
    Ok(proposed.any(|command| pattern.fits(command)) != words.contains(&"nothing"))
}

/// `differ t1`: the shadow would do otherwise with it; `differ`: in anything.
fn differs(words: &[&str], heard: &Heard) -> Parsed<bool> {
    let mut all = heard.differences.iter().flat_map(|it| &it.list);
    match words {
        [] => Ok(all.next().is_some()),
        [task] => {
            let task: TaskId = plain(task)?;
            Ok(all.any(|it| it.task() == Some(task)))
        }
        _ => Err("`differ` reads `differ` or `differ t1`".into()),
    }
}

/// `begin 2`, `begin at most 2`, `begin at least 2`: migrations, over all rounds of the command; moves of a plan.
fn begun(words: &[&str], heard: &Heard) -> Parsed<bool> {
    let count: usize = heard.outcomes.iter().map(|outcome| outcome.begun().count()).sum();
    let count = count + heard.plan.iter().flat_map(Plan::moves).count();
    let number = |word: &str| plain::<usize>(word);
    match words {
        ["at", "most", most] => Ok(count <= number(most)?),
        ["at", "least", least] => Ok(count >= number(least)?),
        [exactly] => Ok(count == number(exactly)?),
        _ => Err("`begin` how many?".into()),
    }
}

fn ended(rest: &str, heard: &Heard) -> Parsed<bool> {
    let (task, fate) = rest.split_once(' ').unwrap_or((rest, ""));
    let task: TaskId = plain(task)?;
    let fits = |ended: &Ended| fate.is_empty() || ended.fate.to_string() == fate;
    Ok(heard.ended.iter().any(|ended| ended.task == task && fits(ended)))
}

/// `call t1 late`: some round did.
fn late(words: &[&str], heard: &Heard) -> Parsed<bool> {
    let [task, "late"] = words else { return Err("`call t1 late`".into()) };
    let task: TaskId = plain(task)?;
    let mut told = heard.outcomes.iter().flat_map(|outcome| &outcome.late);
    Ok(told.any(|late| late.task == task))
}

/// `refuse t2 -> w3: no headroom`; every part but the verb may be left out.
fn refused(rest: &str, heard: &Heard) -> Parsed<bool> {
    let (whom, why) = match rest.strip_prefix(':') {
        Some(why) => ("", Some(why)),
        None => match rest.split_once(':') {
            Some((whom, why)) => (whom, Some(why)),
            None => (rest, None),
        },
    };
    let pattern = Pattern::read(&whom.split_whitespace().collect::<Vec<_>>())?;
    Ok(heard.refusals().any(|refused| {
        pattern.task.is_none_or(|task| task == refused.task)
            && pattern.to.is_none_or(|to| Some(to) == refused.to)
            && why.is_none_or(|why| why.trim() == refused.rejection.name())
    }))
}

/// `rank w2 first`, `rank w2 before w3`.
fn ranked(words: &[&str], heard: &Heard) -> Parsed<bool> {
    let place = |word: &str| -> Parsed<Option<usize>> {
        let worker: WorkerId = plain(word)?;
        Ok(heard.verdicts.iter().position(|(_, verdict)| verdict.worker == worker))
    };
    match words {
        [worker, "first"] => Ok(place(worker)? == Some(0)),
        [worker, "before", other] => {
            Ok(place(worker)?.zip(place(other)?).is_some_and(|(here, there)| here < there))
        }
        _ => Err("a rank reads `rank w2 first` or `rank w2 before w3`".into()),
    }
}

fn said(what: &str, heard: &Heard) -> Parsed<bool> {
    let fits = |balance: &Balance| match (what, balance) {
        ("even", Balance::Even { .. }) | ("unknown", Balance::Unknown) => Ok(true),
        ("uneven", Balance::Uneven(found)) => Ok(found.sight == Sight::Present),
        ("predicted", Balance::Uneven(found)) => Ok(found.sight != Sight::Present),
        ("even" | "unknown" | "uneven" | "predicted", _) => Ok(false),
        _ => Err(unknown(what, "a claim")),
    };
    let mut any = false;
    for outcome in &heard.outcomes {
        any |= fits(&outcome.balance)?;
    }
    Ok(any)
}

/// `advise split t1`: how some advice begins, word by word; `advise nothing`.
fn advised(beginning: &str, heard: &Heard) -> bool {
    let advice: Vec<String> =
        heard.outcomes.iter().flat_map(|it| &it.advice).map(ToString::to_string).collect();
    let begins = |sentence: &String| {
        let rest = sentence.strip_prefix(beginning);
        rest.is_some_and(|rest| !rest.starts_with(|next: char| next.is_alphanumeric()))
    };
    if beginning == "nothing" { advice.is_empty() } else { advice.iter().any(begins) }
}

fn set_aside(words: &[&str], heard: &Heard) -> bool {
    let bad = heard.outcomes.iter().flat_map(|outcome| &outcome.bad_records);
    let mut records = bad.map(|bad| bad.record.to_string());
    records.any(|record| words.iter().any(|id| record.ends_with(&format!(" {id}"))))
}

/// The later half of the rounds, two at least, gave no command.
fn silent(heard: &Heard) -> bool {
    let later = &heard.outcomes[heard.outcomes.len() / 2..];
    later.len() >= 2 && later.iter().all(|outcome| outcome.commands.is_empty())
}

/// `show thresholds.high 0.790`, `show forecast.confidence below 0.7`: a field of what was returned
/// last.
fn shown(words: &[&str], heard: &Heard) -> Parsed<bool> {
    let (path, relation, value) = match words {
        [path, value] => (path, "", value),
        [path, relation @ ("above" | "below"), value] => (path, *relation, value),
        _ => return Err("`show` reads `show FIELD VALUE` or `show FIELD above VALUE`".into()),
    };
    let found = heard.values.last().and_then(|tree| look_up(tree, path));
    let Some(found) = found else { return Ok(*value == "nothing") };
    let Some(number) = found.as_f64() else {
        return Ok(print(found) == *value);
    };
    let value: f64 = plain(value)?;
    Ok(match relation {
        "above" => number > value,
        "below" => number < value,
        _ => (number - value).abs() <= 0.000_5,
    })
}

/// A value as a claim or a line of a table has it.
pub(super) fn print(value: &Value) -> String {
    match (value.as_str(), value.as_f64()) {
        (Some(text), _) => text.into(),
        (None, Some(number)) if value.is_f64() => format!("{number:.3}"),
        (None, _) if value.is_null() => "nothing".into(),
        _ => value.to_string(),
    }
}

/// A field by its path; an entry of a list by its place, or by the id of what it speaks of
/// (`workers.w1.projected`).
pub(super) fn look_up<'a>(tree: &'a Value, path: &str) -> Option<&'a Value> {
    let mut place = tree;
    for name in path.split('.') {
        place = match place {
            Value::Array(items) => match name.parse::<usize>() {
                Ok(nth) => items.get(nth)?,
                Err(_) => items.iter().find(|item| speaks_of(item, name))?,
            },
            _ => place.get(name)?,
        };
    }
    if place.is_null() { None } else { Some(place) }
}

fn speaks_of(item: &Value, id: &str) -> bool {
    let key = match id.as_bytes().first() {
        Some(b'w') => "worker",
        Some(b't') => "task",
        Some(b'g') => "group",
        _ => return false,
    };
    let number = item.get(key).and_then(Value::as_u64);
    number.is_some_and(|number| id.get(1..) == Some(number.to_string().as_str()))
}
