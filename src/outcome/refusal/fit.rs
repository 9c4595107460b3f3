//! What does a task need that the worker does not have?

use core::fmt;

use serde::{Deserialize, Serialize};

use super::reach::Reach;
use crate::model::hardware::{ComputeCapability, HardwareSet};
use crate::model::ids::LabelId;
use crate::model::resource::{Quantity, ResourceId};
use crate::outcome::Remedy;
use crate::outcome::remedy::{Gib, enough};

/// The worker lacks something that the task needs.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum FitRefusal {
    /// The worker lacks hardware.
    MissingHardware {
        /// What the task needs.
        needs: HardwareSet,
        /// Whether the task needs all of it, or any one kind of it.
        all: bool,
    },
    /// The worker's memory as a whole is too small.
    TooLittleMemory {
        /// What the task needs, in bytes.
        needs_bytes: u64,
        /// What the worker has, in bytes; `None` if unknown.
        has_bytes: Option<u64>,
    },
    /// No single device has as much memory free as the task needs.
    TooLittleDeviceMemory {
        /// What the task needs, in bytes.
        needs_bytes: u64,
        /// The most that is free on one suitable device, in bytes.
        free_bytes: u64,
        /// That device, by its place in the worker's list; `None` if no device is suitable.
        device: Option<u16>,
        /// How much memory that device lacks, in bytes: more than the difference if it is overfull.
        lacking_bytes: u64,
    },
    /// No CUDA device is capable enough.
    TooLittleCompute {
        /// What the task needs.
        needs: ComputeCapability,
        /// The best that the worker has; `None` if unknown.
        has: Option<ComputeCapability>,
    },
    /// The worker lacks a label.
    MissingLabel {
        /// The label.
        label: LabelId,
    },
    /// The worker carries a label that the task does not tolerate.
    ForbiddenLabel {
        /// The label.
        label: LabelId,
    },
    /// The worker has no room: its reservations, with those of all tasks on their way to it, would exceed its
    /// capacity.
    NoHeadroom {
        /// The resource that is short.
        resource: ResourceId,
        /// The amount that the task needs (unit: [`ResourceId`]).
        needed: f64,
        /// The amount that is free; negative if more is promised than there is. An unknown capacity counts as 0.
        free: f64,
        /// The worker's capacity; 0 if unknown.
        capacity: f64,
    },
}

impl FitRefusal {
    /// How far the refusal reaches: another task may need less, another worker may have more.
    pub const fn reach(&self) -> Reach {
        Reach::Pair
    }

    /// The refusal's name in a tally.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::MissingHardware { .. } => "missing hardware",
            Self::TooLittleMemory { .. } => "too little memory",
            Self::TooLittleDeviceMemory { .. } => "too little device memory",
            Self::TooLittleCompute { .. } => "too little compute",
            Self::MissingLabel { .. } => "missing label",
            Self::ForbiddenLabel { .. } => "forbidden label",
            Self::NoHeadroom { .. } => "no headroom",
        }
    }

    /// The smallest change that would lift the refusal. Another refusal may stand behind it.
    pub fn remedy(&self) -> Remedy {
        match *self {
            Self::MissingHardware { needs, all: true } => Remedy::AddHardware(needs),
            Self::MissingHardware { needs, all: false } => Remedy::AddAnyHardware(needs),
            Self::TooLittleMemory { needs_bytes, has_bytes } => {
                Remedy::AddMemory(needs_bytes.saturating_sub(has_bytes.unwrap_or(0)))
            }
            Self::TooLittleDeviceMemory { device, lacking_bytes: bytes, .. } => match device {
                Some(device) => Remedy::FreeDevice { device, bytes },
                None => Remedy::AddDevice(bytes),
            },
            Self::TooLittleCompute { needs, .. } => Remedy::AddCompute(needs),
            Self::MissingLabel { label } => Remedy::AddLabel(label),
            Self::ForbiddenLabel { label } => Remedy::RemoveLabel(label),
            Self::NoHeadroom { resource, needed, free, capacity } => {
                Remedy::Free(resource, enough(needed - free, [needed, free, capacity]))
            }
        }
    }
}

impl fmt::Display for FitRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::MissingHardware { needs, all: true } => write!(f, "target lacks {needs}"),
            Self::MissingHardware { needs, all: false } => write!(f, "target has none of {needs}"),
            Self::TooLittleMemory { needs_bytes, has_bytes } => {
                let (needs, has) = (Gib(needs_bytes), Known(has_bytes.map(Gib)));
                write!(f, "needs {needs} of memory, target's is {has}")
            }
            Self::TooLittleDeviceMemory { needs_bytes: needs, free_bytes: free, .. } => {
                write!(f, "needs {} on one device, at most {} free", Gib(needs), Gib(free))
            }
            Self::TooLittleCompute { needs, has } => {
                write!(f, "needs compute capability {needs}, target's is {}", Known(has))
            }
            Self::MissingLabel { label } => write!(f, "target lacks label {label}"),
            Self::ForbiddenLabel { label } => write!(f, "target carries forbidden label {label}"),
            Self::NoHeadroom { resource, needed, free, .. } => {
                let free = Quantity(resource, free.max(0.0));
                write!(f, "needs {} of {resource}, {free} free", Quantity(resource, needed))
            }
        }
    }
}

/// Prints a figure that may be unknown.
struct Known<T>(Option<T>);

impl<T: fmt::Display> fmt::Display for Known<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Some(value) => value.fmt(f),
            None => f.write_str("unknown"),
        }
    }
}
