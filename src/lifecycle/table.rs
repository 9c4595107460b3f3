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

    use super::super::course::next;
    use super::super::event::{Event, Facts, Shown, Source, Target};
    use super::super::name;
    use super::super::step::{Effect, Next, Step};
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
the engine does not know whether the source has released the task; `called off`) has rows only where it differs.

| course | event | if | then | and |
|---|---|---|---|---|
";

    /// The courses, each with its name in the docs.
    fn courses() -> Vec<(&'static str, Course)> {
        let (from, released) = (SOURCE, Some(Timestamp::from_millis(1_000)));
        let fate = Fate::Failed;
        let leaving = Transport::Evict.first(from);
        let Course::Leaving { by, .. } = leaving else { return Vec::new() };
        [
            Course::Releasing { from },
            Course::Assigned { from, released },
            Course::Assigned { from, released: None },
            Course::CallingOff { from, released, cause: Cause::Operator },
            Course::CallingOff { from, released: None, cause: Cause::Operator },
            Course::Returning { from, released, fate, called_off: false },
            Course::Returning { from, released: None, fate, called_off: false },
            Course::Returning { from, released, fate: Fate::Aborted, called_off: true },
            Course::Unassigned { from, released },
            Course::Unassigned { from, released: None },
            Course::Placing,
            Course::CallingOffPlacing,
            Course::Unplaced,
            Course::Copying { from },
            Course::Stopping { from },
            leaving,
            Course::WithScheduler { from, by, released: NOW },
        ]
        .map(|course| (name::variant(course).unwrap_or(name::course(course)), course))
        .into()
    }

    /// The events of a migration in this course, each with its name in the docs.
    fn events(course: Course) -> Vec<(&'static str, Event)> {
        let to = target(course);
        let mut events: Vec<Event> = [
            Event::Released,
            Event::Running,
            Event::Failed(Fate::Failed),
            Event::CalledOff,
            Event::Diverted { worker: SOURCE, task: RENAMED },
            Event::Diverted { worker: to, task: RENAMED },
            Event::Diverted { worker: OTHER, task: RENAMED },
            Event::ShownAtSource,
            Event::ShownAtTarget,
            Event::ShownElsewhere { worker: OTHER },
            Event::ShownInPhase(Phase::Releasing),
            Event::ShownInPhase(Phase::Released),
            Event::ShownInPhase(Phase::Assigned),
            Event::LetGoBefore,
            Event::ShownQueued,
            Event::ShownOrphaned { unfit: UNFIT },
            Event::Missing,
            Event::SourceGone { on_target: false, unfit: UNFIT },
            Event::SourceGone { on_target: true, unfit: UNFIT },
            Event::TargetGone { unfit: UNFIT },
            Event::TargetUnfit { unfit: UNFIT, just_assigned: false },
            Event::TargetUnfit { unfit: UNFIT, just_assigned: true },
            Event::GroupStays { along: Cause::Kept },
            Event::Superseded,
            Event::HomeAgain,
            Event::AssignedTo { to },
            Event::AssignedTo { to: OTHER },
            Event::AssignedTo { to: SOURCE },
        ]
        .into();
        let late = Cause::TimedOut { phase: course.phase(), since: NOW };
        for shown in [
            Shown::AtSource,
            Shown::LeavingSource,
            Shown::Elsewhere,
            Shown::Orphaned,
            Shown::Nowhere,
        ] {
            events.push(Event::Overdue { shown, late });
        }
        events.retain(|event| event.is_possible(course));
        // A placement has no source, so for it that worker is one like any other.
        let names_source = |event: &Event| match event {
            Event::Diverted { worker, .. } => *worker == SOURCE,
            Event::AssignedTo { to } => *to == SOURCE,
            _ => false,
        };
        events.retain(|event| course.from().is_some() || !names_source(event));
        let mut named: Vec<(&str, Event)> = Vec::new();
        for event in events {
            let name = name::event(event, course, to);
            if named.iter().all(|(other, _)| *other != name) {
                named.push((name, event));
            }
        }
        named
    }

    /// The target of a migration in this course.
    fn target(course: Course) -> WorkerId {
        if matches!(course, Course::Returning { .. }) { SOURCE } else { TARGET }
    }

    /// One question that a transition may depend on: each answer with the change to the facts that it stands for.
    type Question = Vec<(&'static str, fn(Facts) -> Facts)>;

    fn questions() -> Vec<Question> {
        let target: Question = [
            (
                "target open",
                (|facts| Facts { target: Target::Open, ..facts }) as fn(Facts) -> Facts,
            ),
            ("target closed", |facts| Facts { target: Target::Closed, ..facts }),
            ("target gone", |facts| Facts { target: Target::Gone, ..facts }),
        ]
        .into();
        let source: Question = [
            (
                "source takes it back",
                (|facts| Facts { source: Source::TakesBack, ..facts }) as fn(Facts) -> Facts,
            ),
            ("source closed", |facts| Facts { source: Source::Closed, ..facts }),
            ("source gone", |facts| Facts { source: Source::Gone, ..facts }),
        ]
        .into();
        let exhausted: Question = [
            (
                "attempts left",
                (|facts| Facts { is_exhausted: false, ..facts }) as fn(Facts) -> Facts,
            ),
            ("no attempts left", |facts| Facts { is_exhausted: true, ..facts }),
        ]
        .into();
        let inherited: Question = [
            (
                "of this life",
                (|facts| Facts { is_inherited: false, ..facts }) as fn(Facts) -> Facts,
            ),
            ("of an earlier life", |facts| Facts { is_inherited: true, ..facts }),
        ]
        .into();
        let assumed: Question = [
            (
                "copy known to run",
                (|facts| Facts { is_copy_assumed: false, ..facts }) as fn(Facts) -> Facts,
            ),
            ("copy assumed to run", |facts| Facts { is_copy_assumed: true, ..facts }),
        ]
        .into();
        [exhausted, inherited, assumed, target, source].into()
    }

    /// Conditions, and what follows from an event under each.
    type Answers = Vec<(String, Step)>;

    /// What follows from an event, by the answers to the questions that matter.
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
        let name = name::course(course);
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
            Effect::TakeOrderBack => "the order is no attempt".into(),
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

    /// Condition, next course or end, and effects.
    type Rows = Vec<[String; 3]>;

    /// What follows from one event in one course: the last three columns.
    fn rows(course: Course, event: Event) -> Rows {
        let facts = Facts {
            at: NOW,
            task: TASK,
            to: target(course),
            target: Target::Open,
            source: Source::Closed,
            is_exhausted: false,
            is_inherited: false,
            is_copy_assumed: false,
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

    /// The table. Events with the same rows share them; a variant of a course lists only the rows that differ.
    fn printed() -> String {
        let mut text = String::from(HEAD);
        let mut base = Vec::new();
        for (name, course) in courses() {
            let all: Vec<_> = events(course)
                .into_iter()
                .map(|(name, event)| (name, rows(course, event)))
                .collect();
            if !name.contains(',') {
                base.clone_from(&all);
            }
            let mut merged: Vec<(Vec<&str>, Rows)> = Vec::new();
            for (event, rows) in all {
                let usual = (event, rows.clone());
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
