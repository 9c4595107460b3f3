//! What does the host report about a worker?

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::fmt;
use core::time::Duration;

use serde::{Deserialize, Serialize};

use crate::model::hardware::{ComputeCapability, Hardware, HardwareSet};
use crate::model::ids::{DomainId, LabelId, TopologyId, WorkerId, ZoneId};
use crate::model::ratio::Ratio;
use crate::model::resource::{Amounts, ResourceId};
use crate::model::setters::setters;
use crate::model::time::Timestamp;
use crate::snapshot::Maintenance;

/// One worker as the host sees it now.
///
/// Start from [`Worker::new`] and set what is known. What is left out is unknown, and unknown never
/// counts as zero: a worker of unknown load is neither relieved nor given tasks.
///
/// ```
/// use evenkeel::{ResourceId, Worker, WorkerId};
/// use evenkeel::hardware::Hardware;
/// let worker = Worker::new(WorkerId::new(1))
///     .with_hardware(Hardware::Cuda)
///     .with_capacity(ResourceId::CPU, 16.0)
///     .with_used(ResourceId::CPU, 12.0);
/// assert_eq!(worker.used.get(ResourceId::CPU), Some(12.0));
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Worker {
    /// The id of the worker.
    pub id: WorkerId,
    /// Whether the worker accepts tasks.
    #[serde(default)]
    pub stance: Stance,
    /// When the worker leaves for good; `None` if it stays. Until then it takes only tasks that will be done, or have
    /// taken their next checkpoint, in time; and it is emptied [ahead of time](crate::config::Calendar).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub available_until: Option<Timestamp>,
    /// Spans in which the worker is out of service. The worker is emptied before each of them, and takes tasks again
    /// after it. At most 256.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub maintenance: Vec<Maintenance>,
    /// The failure zone of the worker; `None` if it is in no zone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zone: Option<ZoneId>,
    /// The worker's domain in other topologies, such as its rack or its room. A group may spread over any of them
    /// ([`Topology`](crate::snapshot::Topology)). At most 64 topologies.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub domains: BTreeMap<TopologyId, DomainId>,
    /// Labels that tasks may require or forbid; at most 256.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub labels: Vec<LabelId>,
    /// The kinds of hardware it has. [`Worker::new`] starts with a CPU; devices add their kinds.
    #[serde(default = "Worker::cpu_only")]
    pub hardware: HardwareSet,
    /// Its accelerators, each by itself: two devices of 16 GiB do not hold a task of 20 GiB. At most 256.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub devices: Vec<Device>,
    /// The capacity of the worker, per resource (units: [`ResourceId`]): 0, or from 10^-9 to 2^64. At most 64
    /// resources, as in each list of amounts; and at most 256 different ones in all records of a snapshot, of which
    /// those count that most records name.
    #[serde(default)]
    pub capacity: Amounts,
    /// The amounts that are reserved for tasks at the moment of the snapshot, whatever the age of the measurements. For
    /// a resource that is left out, the demands of the worker's tasks are added up. A task counts from the moment the
    /// worker is told to run it until it has released it: room for what is on its way there, or may come back, is added
    /// by the engine.
    #[serde(default, skip_serializing_if = "Amounts::is_empty")]
    pub reserved: Amounts,
    /// The amounts that are measured to be in use.
    #[serde(default)]
    pub used: Amounts,
    /// How old the measurement was when the snapshot was taken. Moves and tasks that began since are not in the
    /// measurement.
    #[serde(default, with = "crate::model::time::as_seconds")]
    pub metric_age: Duration,
    /// The bandwidth of the worker's link, in bytes per second; above 0. `None` if unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bandwidth_bytes_per_second: Option<f64>,
    /// Health history: the share of recent health checks that it passed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub health: Option<Ratio>,
    /// Temperature in degrees Celsius.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub temperature_celsius: Option<f64>,
    /// Electrical power drawn, in watts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub power_watts: Option<f64>,
}

impl Worker {
    /// A worker with a CPU that accepts tasks; everything else is unknown.
    pub const fn new(id: WorkerId) -> Self {
        Self {
            id,
            stance: Stance::Accept,
            hardware: HardwareSet::of(Hardware::Cpu),
            devices: Vec::new(),
            capacity: Amounts::new(),
            reserved: Amounts::new(),
            used: Amounts::new(),
            metric_age: Duration::ZERO,
            zone: None,
            domains: BTreeMap::new(),
            labels: Vec::new(),
            health: None,
            temperature_celsius: None,
            power_watts: None,
            available_until: None,
            maintenance: Vec::new(),
            bandwidth_bytes_per_second: None,
        }
    }

    /// When the worker was measured, according to a snapshot taken `at` this moment.
    pub(crate) fn measured(&self, at: Timestamp) -> Timestamp {
        at.before(self.metric_age)
    }

    /// Every kind of hardware it has, its devices' kinds among them.
    pub fn kinds(&self) -> HardwareSet {
        let devices: HardwareSet = self.devices.iter().map(|device| device.hardware).collect();
        self.hardware.union(devices)
    }

    /// The highest compute capability among the worker's devices of one kind.
    pub fn compute(&self, kind: Hardware) -> Option<ComputeCapability> {
        let devices = self.devices.iter().filter(|device| device.hardware == kind);
        devices.filter_map(|device| device.compute).max()
    }

    const fn cpu_only() -> HardwareSet {
        HardwareSet::of(Hardware::Cpu)
    }
}

impl Worker {
    /// When the worker leaves, as seen from `now`: for good or for its next maintenance, whichever comes first. During
    /// maintenance, that is when it began. `None` if the worker stays.
    ///
    /// ```
    /// use evenkeel::{Timestamp, Worker, WorkerId};
    /// use evenkeel::snapshot::Maintenance;
    /// let secs = Timestamp::from_secs;
    /// let worker = Worker::new(WorkerId::new(1))
    ///     .with_maintenance([Maintenance::new(secs(100), secs(200))])
    ///     .with_available_until(secs(900));
    /// assert_eq!(worker.leaves(secs(30)), Some(secs(100)));
    /// assert_eq!(worker.leaves(secs(150)), Some(secs(100)));
    /// assert_eq!(worker.leaves(secs(200)), Some(secs(900)));
    /// ```
    pub fn leaves(&self, now: Timestamp) -> Option<Timestamp> {
        let ahead = |span: &&Maintenance| span.until > now || broken!("maintenance_ends");
        let begins =
            |span: &Maintenance| if broken!("maintenance") { span.until } else { span.from };
        self.maintenance.iter().filter(ahead).map(begins).chain(self.available_until).min()
    }

    /// The worker's stance; a worker that leaves before `soon` counts as draining.
    pub(crate) fn stance_by(&self, now: Timestamp, soon: Timestamp) -> Stance {
        match self.stance {
            Stance::Accept | Stance::Hold if self.leaves(now).is_some_and(|at| at < soon) => {
                Stance::Drain
            }
            stance => stance,
        }
    }
}

setters! {
    Worker {
        value with_stance(stance: Stance);
        kind with_hardware(hardware: HardwareSet);
        one with_device(devices: Device);
        each with_devices(devices: Device);
        amount with_capacity(capacity: ResourceId);
        amount with_reserved(reserved: ResourceId);
        amount with_used(used: ResourceId);
        value with_metric_age(metric_age: Duration);
        some with_zone(zone: ZoneId);
        entry with_domain(domains: TopologyId, DomainId);
        each with_labels(labels: LabelId);
        some with_health(health: Ratio);
        some with_temperature_celsius(temperature_celsius: f64);
        some with_power_watts(power_watts: f64);
        some with_available_until(available_until: Timestamp);
        each with_maintenance(maintenance: Maintenance);
        some with_bandwidth_bytes_per_second(bandwidth_bytes_per_second: f64);
    }
}

/// Whether a worker accepts tasks and keeps its own. This is all that health monitoring and operations need to
/// tell the engine.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Stance {
    /// The worker accepts tasks, and gives tasks away.
    #[default]
    Accept,
    /// Cordoned: the worker accepts no new task, keeps the tasks that it has, and may be relieved. For
    /// workers that are unhealthy or suspected.
    Hold,
    /// The worker accepts no task and is emptied. For maintenance or shutdown.
    Drain,
    /// The worker is out of reach: its tasks have lost it.
    Offline,
}

impl Stance {
    /// The word in files and in print.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Accept => "accepting",
            Self::Hold => "cordoned",
            Self::Drain => "draining",
            Self::Offline => "offline",
        }
    }
}

impl fmt::Display for Stance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// One accelerator of a worker.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Device {
    /// The kind of the device.
    pub hardware: Hardware,
    /// The memory of the device, in bytes. A device of unknown memory takes no task that asks for any.
    #[serde(default)]
    pub memory_bytes: Option<u64>,
    /// The memory measured to be in use, in bytes. If `None`, the demands of the device's tasks are added up.
    #[serde(default)]
    pub used_bytes: Option<u64>,
    /// Its compute capability (CUDA).
    #[serde(default)]
    pub compute: Option<ComputeCapability>,
}

impl Device {
    /// A device of this kind; everything else is unknown.
    pub const fn new(hardware: Hardware) -> Self {
        Self { hardware, memory_bytes: None, used_bytes: None, compute: None }
    }
}

setters! {
    Device {
        some with_memory_bytes(memory_bytes: u64);
        some with_used_bytes(used_bytes: u64);
        some with_compute(compute: ComputeCapability);
    }
}
