//! How are workers, tasks, groups and the rest named? By ids that are opaque to the engine.
//!
//! Every id is a `Copy` newtype over `u64` and prints with one letter (`w7`, `t7`, `g7`, ...), so that a
//! worker and a task cannot be swapped by accident. Hosts with textual ids map them with
//! [`shell::Names`](crate::shell::Names).

use core::fmt;
use core::str::FromStr;

use serde::{Deserialize, Serialize};

pub use super::time::Timestamp;

/// Declares an id newtype: `WorkerId(7)` prints as `w7` and parses from it.
macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $letter:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(u64);

        impl $name {
            /// Wraps the host's number.
            pub const fn new(raw: u64) -> Self {
                Self(raw)
            }

            /// The host's number.
            pub const fn raw(self) -> u64 {
                self.0
            }
        }

        impl From<u64> for $name {
            fn from(raw: u64) -> Self {
                Self(raw)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!($letter, "{}"), self.0)
            }
        }

        impl FromStr for $name {
            type Err = BadId;

            fn from_str(text: &str) -> Result<Self, BadId> {
                let digits = text.strip_prefix($letter).ok_or(BadId { letter: $letter })?;
                digits.parse().map(Self).map_err(|_| BadId { letter: $letter })
            }
        }
    };
}

id! {
    /// A worker: one place where tasks run. Prints as `w7`.
    WorkerId, "w"
}
id! {
    /// A task: one piece of work that can run on a worker. Prints as `t7`.
    TaskId, "t"
}
id! {
    /// A group of tasks that share a placement rule. Prints as `g7`.
    GroupId, "g"
}
id! {
    /// A kind of task. Tasks of one kind should behave alike, so that the cost of one move is a guide to the
    /// next. Prints as `k7`.
    KindId, "k"
}
id! {
    /// A failure zone: workers in one zone tend to fail together. Prints as `z7`.
    ZoneId, "z"
}
id! {
    /// A topology: a way to divide workers into domains, such as racks, rooms, or families of hosts. Prints as
    /// `y7`.
    TopologyId, "y"
}
id! {
    /// A domain: one rack, room or family of a [`TopologyId`]. Prints as `d7`.
    DomainId, "d"
}
id! {
    /// A class of targets: workers that some tasks may go to. Prints as `c7`.
    ClassId, "c"
}
id! {
    /// A tenant, to whom tasks belong. Prints as `n7`.
    TenantId, "n"
}
id! {
    /// A label that a worker may carry and a task may require or forbid (`arch=arm`,
    /// `tenant=blue`). Only equality matters to the engine. Prints as `l7`.
    LabelId, "l"
}

/// The life of the engine that issued a migration.
///
/// The host raises the epoch at every resume or fail-over, so that two lives never issue the same
/// [`MigrationId`], whatever state the second one started from.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Epoch(u32);

impl Epoch {
    /// The first life.
    pub const FIRST: Self = Self(0);

    /// Wraps the host's count of lives.
    pub const fn new(raw: u32) -> Self {
        Self(raw)
    }

    /// The host's count of lives.
    pub const fn raw(self) -> u32 {
        self.0
    }
}

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "epoch {}", self.0)
    }
}

/// One migration, and the fence of every command that belongs to it. No id is issued twice.
///
/// Prints as `m0.7`: the seventh migration of epoch 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct MigrationId {
    epoch: Epoch,
    number: u64,
}

impl MigrationId {
    /// The `number`-th migration of `epoch`. Hosts need this only to read an id back from their own
    /// records; the engine issues ids itself.
    pub const fn new(epoch: Epoch, number: u64) -> Self {
        Self { epoch, number }
    }

    /// The life of the engine that issued it.
    pub const fn epoch(self) -> Epoch {
        self.epoch
    }

    /// Its number within that life, from 1.
    pub const fn number(self) -> u64 {
        self.number
    }
}

impl fmt::Display for MigrationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "m{}.{}", self.epoch.0, self.number)
    }
}

impl FromStr for MigrationId {
    type Err = BadId;

    fn from_str(text: &str) -> Result<Self, BadId> {
        let bad = BadId { letter: "m" };
        let (epoch, number) =
            text.strip_prefix('m').and_then(|rest| rest.split_once('.')).ok_or(bad)?;
        let epoch = epoch.parse().map_err(|_| bad)?;
        let number = number.parse().map_err(|_| bad)?;
        Ok(Self::new(Epoch(epoch), number))
    }
}

/// The text is not an id of the expected kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected an id that begins with \"{letter}\" and goes on with digits")]
pub struct BadId {
    letter: &'static str,
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn ids_print_with_their_letter_and_read_back() {
        assert_eq!(WorkerId::new(7).to_string(), "w7");
        assert_eq!("t12".parse(), Ok(TaskId::new(12)));
        assert_eq!("m3.9".parse(), Ok(MigrationId::new(Epoch::new(3), 9)));
        assert!("w7".parse::<TaskId>().is_err());
        assert!("m7".parse::<MigrationId>().is_err());
    }

    #[test]
    fn a_later_epoch_sorts_after_every_earlier_number() {
        assert!(MigrationId::new(Epoch::new(1), 1) > MigrationId::new(Epoch::new(0), 99));
    }
}
