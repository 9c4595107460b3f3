//! The worker processes, seen from the coordinator: started, spoken to, measured, killed and collected.
//!
//! The program starts itself again for every worker. A worker sits in a process group of its own, so that ctrl-c in a
//! terminal reaches only the coordinator; it ends when its standard input closes, so that it never outlives the
//! coordinator, whatever happens to that.

use std::collections::BTreeMap;
use std::io::{self, BufReader};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;
use std::time::Instant;

use crate::measure::{Meter, Reading};
use crate::plan::WorkerPlan;
use crate::protocol::{self, Answer, Order};

/// The argument that turns the program into a worker.
pub(crate) const WORKER_ARGUMENT: &str = "worker-process";

/// Something the coordinator has to react to.
#[derive(Debug)]
pub(crate) enum Event {
    /// A worker said something, with these bytes.
    Said(u64, Answer, Vec<u8>),
    /// A worker's output has closed: it has ended, in whatever way.
    Gone(u64),
    /// Somebody wants the run to end now.
    Interrupt,
}

/// What the coordinator needs of its workers, whether they are processes or not.
pub(crate) trait Workers {
    /// Workers that are ready, by number.
    fn ready(&self) -> impl Iterator<Item = &WorkerPlan>;

    /// Gives a worker an order. One that is gone does not get it; its death is an [`Event`] of its own.
    fn tell(&mut self, worker: u64, order: &Order, body: &[u8]);

    /// Begins to measure a worker that is ready.
    fn admit(&mut self, worker: u64);

    /// Takes a worker that has ended from the list.
    fn collect(&mut self, worker: u64);
}

/// Makes the usual Linux allocator give large blocks back to the operating system as soon as they are freed, so that
/// a worker's measured memory follows the tasks that leave it. Other allocators ignore it.
const GIVE_BACK: (&str, &str) = ("MALLOC_MMAP_THRESHOLD_", "65536");

/// One worker process.
struct Member {
    plan: WorkerPlan,
    child: Child,
    input: ChildStdin,
    /// Begins with the first word of the worker; before, it takes no part.
    meter: Option<Meter>,
}

/// All worker processes that have been started and not yet collected.
pub(crate) struct Cluster {
    executable: PathBuf,
    members: BTreeMap<u64, Member>,
    sender: Sender<Event>,
    events: Receiver<Event>,
}

impl Cluster {
    /// No worker yet.
    pub(crate) fn new() -> io::Result<Self> {
        let (sender, events) = mpsc::channel();
        let executable = std::env::current_exe()?;
        Ok(Self { executable, members: BTreeMap::new(), sender, events })
    }

    /// Where events can be put in from outside.
    pub(crate) fn sender(&self) -> Sender<Event> {
        self.sender.clone()
    }

    /// Starts a worker process and gives it its budget. It is ready when it says so.
    pub(crate) fn start(&mut self, plan: &WorkerPlan) -> io::Result<()> {
        let mut child = Command::new(&self.executable)
            .arg(WORKER_ARGUMENT)
            .env(GIVE_BACK.0, GIVE_BACK.1)
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let (Some(mut input), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
            unreachable!("both were asked for as pipes");
        };
        listen(plan.id, output, self.sender.clone());
        // A worker that dies at once is reported as gone by its output; there is no second path for it.
        let _ = protocol::send(&mut input, &Order::Open { budget: plan.budget }, &[]);
        self.members.insert(plan.id, Member { plan: plan.clone(), child, input, meter: None });
        Ok(())
    }

    /// Whether any process is left.
    pub(crate) fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// Sends SIGKILL to a worker. That it is gone is noticed like any other death.
    pub(crate) fn kill(&mut self, worker: u64) {
        if let Some(member) = self.members.get_mut(&worker) {
            // It can only fail if the worker has ended already, which is what is wanted.
            let _ = member.child.kill();
        }
    }

    /// Waits for the next event, at most until `deadline`.
    pub(crate) fn next(&mut self, deadline: Instant) -> Option<Event> {
        let patience = deadline.saturating_duration_since(Instant::now());
        if patience.is_zero() {
            return self.events.try_recv().ok();
        }
        self.events.recv_timeout(patience).ok()
    }

    /// What the ready workers have used since the last look, as the operating system accounts for it.
    ///
    /// A worker that has ended has no account and is missing here.
    pub(crate) fn measure(&mut self) -> BTreeMap<u64, Reading> {
        let read = |(&id, member): (&u64, &mut Member)| {
            Some((id, member.meter.as_mut()?.read(member.child.id())?))
        };
        self.members.iter_mut().filter_map(read).collect()
    }

    /// Tells every worker to hand back its tasks and end.
    pub(crate) fn close(&mut self) {
        for member in self.members.values_mut() {
            let _ = protocol::send(&mut member.input, &Order::Close, &[]);
        }
    }
}

impl Workers for Cluster {
    fn ready(&self) -> impl Iterator<Item = &WorkerPlan> {
        self.members.values().filter(|member| member.meter.is_some()).map(|member| &member.plan)
    }

    fn tell(&mut self, worker: u64, order: &Order, body: &[u8]) {
        if let Some(member) = self.members.get_mut(&worker) {
            let _ = protocol::send(&mut member.input, order, body);
        }
    }

    fn admit(&mut self, worker: u64) {
        if let Some(member) = self.members.get_mut(&worker) {
            member.meter = Meter::start(member.child.id());
        }
    }

    /// From the list of the operating system as well.
    fn collect(&mut self, worker: u64) {
        if let Some(mut member) = self.members.remove(&worker) {
            let _ = member.child.kill();
            let _ = member.child.wait();
        }
    }
}

/// Whatever way the coordinator leaves, no process stays behind.
impl Drop for Cluster {
    fn drop(&mut self) {
        let left: Vec<u64> = self.members.keys().copied().collect();
        for worker in left {
            self.collect(worker);
        }
    }
}

/// Passes on what a worker says, on a thread of its own, until its output closes or makes no sense.
fn listen(worker: u64, output: ChildStdout, to: Sender<Event>) {
    thread::spawn(move || {
        let mut from = BufReader::with_capacity(64 * 1024, output);
        while let Ok(Some((answer, body))) = protocol::receive(&mut from) {
            if to.send(Event::Said(worker, answer, body)).is_err() {
                return;
            }
        }
        // If nobody listens any more, the run is over.
        let _ = to.send(Event::Gone(worker));
    });
}
