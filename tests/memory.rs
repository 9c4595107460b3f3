//! A snapshot with endless lists takes no more memory than one without.
//!
//! Measured as the most memory that this program has had, so that this is its only test. Where the system does not tell,
//! nothing is measured.
#![forbid(unsafe_code)]

#[path = "setup/records.rs"]
mod records;

use evenkeel::snapshot::Alternative;
use evenkeel::{Config, Engine, ResourceId, Snapshot, Task, Timestamp};
use records::{cpu, task};

/// The most memory that this program has had, in MiB.
fn most_mib() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: u64 = line.split_whitespace().next()?.parse().ok()?;
    Some(kib / 1024)
}

/// A round over 2,000 workers, 100 of whose tasks are spoilt; and the most memory that was needed by then.
fn most_after(spoil: impl Fn(u64, &mut Task)) -> Option<u64> {
    let workers = (0..2_000).map(|id| cpu(id, if id.is_multiple_of(2) { 9.5 } else { 1.0 }));
    let tasks = (0..2_000).map(|id| {
        let mut task = task(id, id, 0.5);
        if id < 100 {
            spoil(id, &mut task);
        }
        task
    });
    let snapshot = Snapshot::builder(Timestamp::from_secs(30)).workers(workers).tasks(tasks);
    let _ = Engine::new(Config::default()).unwrap().tick(&snapshot.build()).unwrap();
    most_mib()
}

#[test]
fn endless_lists_take_little_memory() {
    let Some(floor) = most_after(|_, _| ()) else { return };
    let endless = |id: u64, task: &mut Task| {
        if id == 0 {
            task.demand = (0..16_000).map(|id| (ResourceId::custom(id), 1.0)).collect();
        } else if id == 1 {
            task.alternatives = vec![Alternative::new(1.0); 20_000];
        } else {
            // Each within its own limit, all of them far beyond that of the snapshot.
            let own = 64 * u16::try_from(id).unwrap();
            task.demand = (own..own + 64).map(|id| (ResourceId::custom(id), 1.0)).collect();
        }
    };
    let most = most_after(endless).unwrap();
    println!("{most} MiB, {floor} MiB without");
    // A figure of at most 256 resources for each of 2,000 workers is 20 MiB, and a plan may try things on a copy.
    assert!(most < floor + 100, "{most} MiB, {floor} MiB without");
}
