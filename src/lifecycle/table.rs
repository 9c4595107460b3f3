//! Does the printed table say what the transitions do?
//!
//! Asks the transition function all courses, events and facts, and compares the answers with
//! `table.md`, which is part of the docs. With `UPDATE=1` it writes the file instead.

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "the test reads and writes the printed table")]
mod tests {
    extern crate std;

    use alloc::format;
    use alloc::string::{String, ToString};
    use alloc::vec::Vec;

    use super::super::course::{Effect, Next, Step, next};
    use super::super::event::{Event, Facts, Shown, Target};
    use crate::model::ids::{TaskId, WorkerId};
    use crate::model::time::Timestamp;
    use crate::outcome::{Cause, Fate};
    use crate::snapshot::Phase;
    use crate::state::{Course, Transport};

    const SOURCE: WorkerId = WorkerId::new(1);
    const TARGET: WorkerId = WorkerId::new(2);
    const OTHER: WorkerId = WorkerId::new(3);
    const TASK: TaskId = TaskId::new(1);
    const RENAMED: TaskId = TaskId::new(2);
    const UNFIT: Cause = Cause::TargetGone { worker: TARGET };
    const NOW: Timestamp = Timestamp::from_millis(2_000);

    const HEAD: &str = "\
<!-- Written by the test `the_printed_table_is_what_the_transitions_do` with UPDATE=1. -->

A pair of course and event that has no row changes nothing. A variant of a course (`release unknown`:
the engine does not know whether the source has let go; `called off`) has rows only where it differs.

| course | event | if | then | and |
|---|---|---|---|---|
";

    /// The courses, and what the docs call each.
    fn courses() -> Vec<(&'static str, Course)> {
        let (from, released) = (SOURCE, Some(Timestamp::from_millis(1_000)));
        let fate = Fate::Failed;
        let leaving = Transport::Evict.first(from);
        let Course::Leaving { by, .. } = leaving else { return Vec::new() };
        [
            ("Releasing", Course::Releasing { from }),
            ("Assigned", Course::Assigned { from, released }),
            ("Assigned, release unknown", Course::Assigned { from, released: None }),
            ("CallingOff", Course::CallingOff { from, released }),
            ("CallingOff, release unknown", Course::CallingOff { from, released: None }),
            ("Returning", Course::Returning { from, released, fate, called_off: false }),
            (
                "Returning, release unknown",
                Course::Returning { from, released: None, fate, called_off: false },
            ),
            (
                "Returning, called off",
                Course::Returning { from, released, fate: Fate::Aborted, called_off: true },
            ),
            ("Unassigned", Course::Unassigned { from, released }),
            ("Unassigned, release unknown", Course::Unassigned { from, released: None }),
            ("Placing", Course::Placing),
            ("CallingOffPlacing", Course::CallingOffPlacing),
            ("Unplaced", Course::Unplaced),
            ("Copying", Course::Copying { from }),
            ("Stopping", Course::Stopping { from }),
            ("Leaving", leaving),
            ("WithScheduler", Course::WithScheduler { from, by, released: NOW }),
        ]
        .into()
    }

    fn events(course: Course) -> Vec<(String, Event)> {
        let to = if matches!(course, Course::Returning { .. }) { SOURCE } else { TARGET };
        let mut events: Vec<(String, Event)> = [
            ("reported released", Event::Released),
            ("reported running", Event::Running),
            ("reported failed or refused", Event::Failed(Fate::Failed)),
            ("called off by an operator", Event::CalledOff),
            ("reported on its source", Event::Diverted { worker: SOURCE, task: RENAMED }),
            ("reported on its target", Event::Diverted { worker: to, task: RENAMED }),
            ("reported elsewhere", Event::Diverted { worker: OTHER, task: RENAMED }),
            ("shown on its source", Event::ShownAtSource),
            ("shown on its target", Event::ShownAtTarget),
            ("shown elsewhere", Event::ShownElsewhere { worker: OTHER }),
            ("shown as releasing", Event::ShownInPhase(Phase::Releasing)),
            ("shown as released", Event::ShownInPhase(Phase::Released)),
            ("shown as assigned", Event::ShownInPhase(Phase::Assigned)),
            ("shown in a queue", Event::ShownQueued),
            ("shown without a worker", Event::ShownOrphaned { unfit: UNFIT }),
            ("missing", Event::Missing),
            ("source gone", Event::SourceGone { on_target: false, unfit: UNFIT }),
            (
                "source gone, shown on its target",
                Event::SourceGone { on_target: true, unfit: UNFIT },
            ),
            ("target gone", Event::TargetGone { unfit: UNFIT }),
            ("target unfit", Event::TargetUnfit { unfit: UNFIT, just_assigned: false }),
            (
                "target unfit, order not yet sent",
                Event::TargetUnfit { unfit: UNFIT, just_assigned: true },
            ),
            ("gang stays", Event::GangStays { along: Cause::Kept }),
            ("later life: another migration followed", Event::Superseded),
            ("later life: on its source again", Event::HomeAgain),
            ("later life: assigned to the same worker", Event::AssignedTo { to }),
            ("later life: assigned elsewhere", Event::AssignedTo { to: OTHER }),
        ]
        .map(|(name, event)| (name.to_string(), event))
        .into();
        if course.from().is_some() && to != SOURCE {
            let home = Event::AssignedTo { to: SOURCE };
            events.push(("later life: assigned to its source".into(), home));
        }
        let late = Cause::TimedOut { phase: course.phase(), since: NOW };
        for (name, shown) in [
            ("on its source", Shown::AtSource),
            ("leaving its source", Shown::LeavingSource),
            ("elsewhere", Shown::Elsewhere),
            ("without a worker", Shown::Orphaned),
            ("nowhere", Shown::Nowhere),
        ] {
            events.push((format!("overdue, shown {name}"), Event::Overdue { shown, late }));
        }
        events
    }

    /// One question that a transition may depend on: its answers, each with the facts that it stands for.
    type Question = Vec<(&'static str, fn(Facts) -> Facts)>;

    fn questions() -> Vec<Question> {
        let target: Question = [
            ("target open", (|it| Facts { target: Target::Open, ..it }) as fn(Facts) -> Facts),
            ("target closed", |it| Facts { target: Target::Closed, ..it }),
            ("target gone", |it| Facts { target: Target::Gone, ..it }),
        ]
        .into();
        let takes_back: Question = [
            ("source takes it back", (|it| Facts { takes_back: true, ..it }) as fn(Facts) -> Facts),
            ("source does not take it back", |it| Facts { takes_back: false, ..it }),
        ]
        .into();
        let exhausted: Question = [
            ("attempts left", (|it| Facts { is_exhausted: false, ..it }) as fn(Facts) -> Facts),
            ("no attempts left", |it| Facts { is_exhausted: true, ..it }),
        ]
        .into();
        let inherited: Question = [
            ("of this life", (|it| Facts { is_inherited: false, ..it }) as fn(Facts) -> Facts),
            ("of an earlier life", |it| Facts { is_inherited: true, ..it }),
        ]
        .into();
        [exhausted, inherited, target, takes_back].into()
    }

    /// Conditions, and what comes of an event under each.
    type Answers = Vec<(String, Step)>;

    /// What comes of an event, by the answers to the questions on which that depends.
    fn answers(facts: Facts, left: &[Question], ask: &dyn Fn(Facts) -> Step) -> Answers {
        let Some((question, left)) = left.split_first() else {
            return [(String::new(), ask(facts))].into();
        };
        let mut branches: Vec<(Vec<&str>, Answers)> = Vec::new();
        for (answer, set) in question {
            let branch = answers(set(facts), left, ask);
            match branches.iter_mut().find(|(_, other)| *other == branch) {
                Some((names, _)) => names.push(answer),
                None => branches.push(([*answer].into(), branch)),
            }
        }
        if let [(_, only)] = branches.as_slice() {
            return only.clone();
        }
        let named = |names: &[&str], rest: &str| match rest {
            "" => names.join(" or "),
            _ => format!("{}, {rest}", names.join(" or ")),
        };
        let rows = branches.iter().flat_map(|(names, branch)| {
            branch.iter().map(move |(rest, step)| (named(names, rest), step.clone()))
        });
        rows.collect()
    }

    fn course_name(course: Course) -> String {
        let name = format!("{course:?}");
        let name = name.split([' ', '{']).next().unwrap_or_default();
        match course {
            Course::Returning { fate, called_off: true, .. } => {
                format!("{name}, to end as {fate}, called off")
            }
            Course::Returning { fate, .. } => format!("{name}, to end as {fate}"),
            _ => name.to_string(),
        }
    }

    fn then(next: Next) -> String {
        match next {
            Next::Stay => "goes on".into(),
            Next::Enter(course) => course_name(course),
            Next::Resume(course, to) => format!("{} ({})", course_name(course), worker(to)),
            Next::End { fate: Fate::Completed, well: false } => "ends: completed, not well".into(),
            Next::End { fate: Fate::Diverted, well: true } => "ends: diverted, well".into(),
            Next::End { fate, .. } => format!("ends: {fate}"),
        }
    }

    fn worker(id: WorkerId) -> &'static str {
        match id {
            SOURCE => "source",
            TARGET => "target",
            _ => "that worker",
        }
    }

    fn also(effect: Effect) -> String {
        match effect {
            Effect::Order => "order it".into(),
            Effect::Abort(at, _) => format!("abort at the {}", worker(at)),
            Effect::Stop(at, _) => format!("stop at the {}", worker(at)),
            Effect::Requeue(_) => "requeue".into(),
            Effect::NoteMove(at) => format!("note the move at the {}", worker(at)),
            Effect::RecordFailure => "record a failure of the target".into(),
            Effect::Arrive(at, _) => format!("arrival at the {}", worker(at)),
            Effect::Rename(_) => "rename".into(),
            Effect::BackOff(_) => "back off".into(),
            Effect::ForgetBackOff(_) => "forget the back-off".into(),
            Effect::CoolDown(at) => format!("cool down from the {}", worker(at)),
        }
        .replace("the that", "that")
    }

    /// Condition, what comes of it, and what else is done.
    type Rows = Vec<[String; 3]>;

    /// What comes of one event in one course, as the last columns have it.
    fn rows(course: Course, event: Event) -> Rows {
        let facts = Facts {
            at: NOW,
            task: TASK,
            to: if matches!(course, Course::Returning { .. }) { SOURCE } else { TARGET },
            target: Target::Open,
            takes_back: false,
            is_exhausted: false,
            is_inherited: false,
        };
        let answers = answers(facts, &questions(), &|facts| next(course, event, &facts));
        let changes = |step: &Step| step.next != Next::Stay || !step.effects.is_empty();
        let rows = answers.into_iter().filter(|(_, step)| changes(step));
        let rows = rows.map(|(condition, step)| {
            let and: Vec<String> = step.effects.into_iter().map(also).collect();
            [condition, then(step.next), and.join("; ")]
        });
        rows.collect()
    }

    /// Events that have the same rows share them; a variant of a course has those that differ.
    fn printed() -> String {
        let mut text = String::from(HEAD);
        let mut base = Vec::new();
        for (name, course) in courses() {
            let all: Vec<_> =
                events(course).into_iter().map(|(event, it)| (event, rows(course, it))).collect();
            if !name.contains(',') {
                base.clone_from(&all);
            }
            let mut merged: Vec<(Vec<String>, Rows)> = Vec::new();
            for (event, rows) in all {
                let usual = (event.clone(), rows.clone());
                if rows.is_empty() || (name.contains(',') && base.contains(&usual)) {
                    continue;
                }
                match merged.iter_mut().find(|(_, other)| *other == rows) {
                    Some((events, _)) => events.push(event),
                    None => merged.push(([event].into(), rows)),
                }
            }
            for (events, rows) in merged {
                for [condition, then, and] in rows {
                    let events = events.join("; ");
                    let row = [name, &events, &condition, &then, &and].join(" | ");
                    text.extend(["| ", &row, " |\n"]);
                }
            }
        }
        text
    }

    #[test]
    fn the_printed_table_is_what_the_transitions_do() {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/lifecycle/table.md");
        let printed = printed();
        if std::env::var_os("UPDATE").is_some() {
            std::fs::write(&path, &printed).unwrap();
            return;
        }
        let documented = std::fs::read_to_string(&path).unwrap();
        assert!(
            printed == documented,
            "table.md is not what the transitions do: run with UPDATE=1"
        );
    }
}
