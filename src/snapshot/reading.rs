//! How is a snapshot read that is not quite as it should be?
//!
//! A field that cannot be read costs that field, and a record that cannot be read is kept by its id alone: the worker
//! or the task exists, and is left as it is. If not even the id can be read, something exists that nobody can name, so
//! the snapshot is partial: what it does not list is unknown, not gone.

use alloc::format;
use alloc::string::ToString;
use alloc::vec::Vec;
use core::time::Duration;

use serde::de::{Deserialize, DeserializeOwned, Deserializer, Error};

use super::{
    BadRecord, Coverage, Freeze, FreezeScope, Group, Placement, Record, Report, SnapshotBuilder,
    TargetClass, Task, Worker,
};
use crate::model::ids::{ClassId, GroupId, TaskId, WorkerId};
use crate::model::time::Timestamp;
use crate::model::tree::{Fault, Reader, Tree};

/// After so many faults only the id of a record is kept.
const MOST_FAULTS: usize = 8;

/// Records whose own fields are lost one by one.
const FIELD_BY_FIELD: [&str; 6] =
    ["capacity", "reserved", "used", "demand", "requirements", "workers"];

impl<'de> Deserialize<'de> for SnapshotBuilder {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        read(&Tree::deserialize(from)?).map_err(D::Error::custom)
    }
}

/// A snapshot; an error only if its moment cannot be read.
fn read(tree: &Tree) -> Result<SnapshotBuilder, Fault> {
    #[derive(serde::Deserialize)]
    struct Moment {
        at: Timestamp,
    }
    let Moment { at } = Moment::deserialize(Reader(tree))?;
    let mut reading = Reading { tree, at, is_partial: false, bad: Vec::new() };
    let mut builder = super::Snapshot::builder(at);
    builder.coverage = reading.coverage();
    builder.bad_records =
        reading.list("bad_records", |reading, bad| reading.plain(bad, "bad_records"));
    builder.workers = reading.list("workers", Reading::worker);
    builder.tasks = reading.list("tasks", Reading::task);
    builder.groups = reading.list("groups", Reading::group);
    builder.freezes = reading.list("freezes", |reading, freeze| Some(reading.freeze(freeze)));
    builder.classes = reading.list("classes", Reading::class);
    builder.reports = reading.list("reports", Reading::report);
    if reading.is_partial {
        builder.coverage = Coverage::Partial;
    }
    builder.bad_records.append(&mut reading.bad);
    Ok(builder)
}

/// One value of a list, and its place there.
#[derive(Clone, Copy)]
struct Entry<'t> {
    tree: &'t Tree,
    nth: usize,
}

struct Reading<'t> {
    tree: &'t Tree,
    at: Timestamp,
    /// Whether something is listed that cannot be named.
    is_partial: bool,
    bad: Vec<BadRecord>,
}

impl<'t> Reading<'t> {
    fn note(&mut self, record: Record, within: &str, fault: &Fault) {
        let (inner, mut field) = (fault.field(), within.to_string());
        if !field.is_empty() && !inner.is_empty() {
            field.push('.');
        }
        field.push_str(&inner);
        self.bad.push(BadRecord::new(record, &field, fault.value(), &fault.must));
    }

    /// Notes that something is listed that nobody can name.
    fn note_nameless(&mut self, within: &str, fault: &Fault) {
        self.note(Record::Snapshot, within, fault);
        if let Some(bad) = self.bad.last_mut() {
            bad.must.push_str("; the snapshot counts as partial");
        }
        self.is_partial = true;
    }

    fn coverage(&mut self) -> Coverage {
        let Some(tree) = self.tree.field("coverage") else { return Coverage::default() };
        Coverage::deserialize(Reader(tree)).unwrap_or_else(|fault| {
            self.note_nameless("coverage", &fault);
            Coverage::Partial
        })
    }

    /// Every record of a list that can be named.
    fn list<T>(
        &mut self,
        name: &str,
        mut read: impl FnMut(&mut Self, Entry<'t>) -> Option<T>,
    ) -> Vec<T> {
        let (tree, times) = (self.tree, self.tree.count(name));
        let entries = match tree.field(name) {
            None => return Vec::new(),
            Some(Tree::List(entries)) if times == 1 => entries,
            Some(other) => {
                let fault = Vec::<()>::deserialize(Reader(other));
                let twice = || Fault::duplicate_field("list");
                self.note_nameless(name, &fault.err().unwrap_or_else(twice));
                return Vec::new();
            }
        };
        let entries = entries.iter().enumerate().map(|(nth, tree)| Entry { tree, nth });
        entries.filter_map(|entry| read(self, entry)).collect()
    }

    /// The id of a record; if it cannot be read, the snapshot is partial.
    fn id<I: DeserializeOwned>(&mut self, list: &str, Entry { tree, nth }: Entry<'t>) -> Option<I> {
        let id = match (tree.field("id"), tree.count("id")) {
            (Some(id), 1) => I::deserialize(Reader(id)).map_err(|fault| fault.within("id")),
            (Some(_), _) => Err(Fault::duplicate_field("id")),
            (None, _) if matches!(tree, Tree::Record(_)) => Err(Fault::missing_field("id")),
            (None, _) => Err(Fault::custom(" is not a record").about(tree)),
        };
        let within = format!("{list}.{nth}");
        id.map_err(|fault| self.note_nameless(&within, &fault)).ok()
    }

    /// A record without the fields that cannot be read; `None` if that is not enough.
    fn mended<T: DeserializeOwned>(&mut self, tree: &Tree, record: Record) -> Option<T> {
        let mut fault = match T::deserialize(Reader(tree)) {
            Ok(read) => return Some(read),
            Err(fault) => fault,
        };
        let mut rest = tree.clone();
        for _ in 0..MOST_FAULTS {
            self.note(record, "", &fault);
            let path = fault.path();
            let deep = path.first().is_some_and(|field| FIELD_BY_FIELD.contains(&field.as_str()));
            let most = if deep { 2 } else { 1 };
            let lost = path.get(..most.min(path.len())).unwrap_or_default();
            if !rest.remove(lost) {
                return None;
            }
            fault = match T::deserialize(Reader(&rest)) {
                Ok(read) => return Some(read),
                Err(fault) => fault,
            };
        }
        None
    }

    fn worker(&mut self, entry: Entry<'t>) -> Option<Worker> {
        let id: WorkerId = self.id("workers", entry)?;
        let worker = self.mended(entry.tree, Record::Worker(id));
        Some(worker.unwrap_or_else(|| Worker::new(id)))
    }

    /// A task stays where it is shown, whatever else of it cannot be read.
    fn task(&mut self, entry: Entry<'t>) -> Option<Task> {
        let id: TaskId = self.id("tasks", entry)?;
        let task = self.mended(entry.tree, Record::Task(id));
        Some(task.unwrap_or_else(|| {
            let mut task = Task::new(id);
            if let Some(placement) = entry.tree.field("placement") {
                match Placement::deserialize(Reader(placement)) {
                    Ok(placement) => task.placement = placement,
                    Err(fault) => self.note(Record::Task(id), "placement", &fault),
                }
            }
            task
        }))
    }

    /// The members of a group whose rule cannot be read are left alone.
    fn group(&mut self, entry: Entry<'t>) -> Option<Group> {
        let id: GroupId = self.id("groups", entry)?;
        let group = Group::deserialize(Reader(entry.tree));
        let Err(fault) = group else { return group.ok() };
        self.note(Record::Group(id), "", &fault);
        let members = entry.tree.field("members");
        let Some(Tree::List(members)) = members else { return None };
        let members = members.iter().filter_map(|id| TaskId::deserialize(Reader(id)).ok());
        let must = "in groups whose records can be read";
        let left = |member| BadRecord::new(Record::Task(member), "groups", &id.to_string(), must);
        self.bad.extend(members.map(left));
        None
    }

    /// No worker is in a class of which nothing can be read.
    fn class(&mut self, entry: Entry<'t>) -> Option<TargetClass> {
        let id: ClassId = self.id("classes", entry)?;
        let class = self.mended(entry.tree, Record::Class(id));
        Some(class.unwrap_or_else(|| TargetClass::new(id)))
    }

    /// Nothing begins in this round if a freeze cannot be read: nobody knows what it holds back.
    fn freeze(&mut self, entry: Entry<'t>) -> Freeze {
        let everything = Freeze::new(FreezeScope::All, self.at.after(Duration::from_millis(1)));
        self.plain(entry, "freezes").unwrap_or(everything)
    }

    fn report(&mut self, entry: Entry<'t>) -> Option<Report> {
        self.plain(entry, "reports")
    }

    /// A value that is lost as a whole if it cannot be read.
    fn plain<T: DeserializeOwned>(&mut self, entry: Entry<'t>, list: &str) -> Option<T> {
        let read = T::deserialize(Reader(entry.tree));
        let within = format!("{list}.{}", entry.nth);
        read.map_err(|fault| self.note(Record::Snapshot, &within, &fault)).ok()
    }
}
