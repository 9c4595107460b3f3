//! How much of each resource do workers have and tasks need?
//!
//! Six resources have names; a host adds its own with [`ResourceId::custom`], without a change to the engine. An
//! amount that is absent is *unknown* on a worker and *not asked for* on a task; it never counts as zero.

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

use super::bounds::MOST_AMOUNT;

/// One dimension of capacity, demand and use.
///
/// | resource | unit |
/// |---|---|
/// | `cpu` | cores |
/// | `memory` | bytes |
/// | `gpu` | devices (1.0 = one device fully busy) |
/// | `gpu_memory` | bytes |
/// | `network` | bytes per second |
/// | `disk` | bytes per second |
/// | `r0`, `r1`, ... | the host's own |
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ResourceId(u16);

/// How many resources have names.
const NAMED: u16 = 6;
/// The names of the resources that have one, in id order.
const NAMES: [&str; NAMED as usize] = ["cpu", "memory", "gpu", "gpu_memory", "network", "disk"];

impl ResourceId {
    /// Processor time, in cores.
    pub const CPU: Self = Self(0);
    /// Main memory, in bytes.
    pub const MEMORY: Self = Self(1);
    /// Accelerator time, in devices.
    pub const GPU: Self = Self(2);
    /// Accelerator memory, in bytes, over all devices; the devices themselves are
    /// [`Device`](crate::Device) records.
    pub const GPU_MEMORY: Self = Self(3);
    /// Network traffic, in bytes per second.
    pub const NETWORK: Self = Self(4);
    /// Storage traffic, in bytes per second.
    pub const DISK: Self = Self(5);
    /// The resources that have names, in id order.
    pub const NAMED: [Self; 6] =
        [Self::CPU, Self::MEMORY, Self::GPU, Self::GPU_MEMORY, Self::NETWORK, Self::DISK];

    /// A resource of the host's own: `custom(0)` is the first. Prints as `r0`. Numbers above 65,529 all
    /// give the resource 65,529.
    pub const fn custom(number: u16) -> Self {
        Self(number.saturating_add(NAMED))
    }

    /// Whether the resource only limits placement: a full one slows no task down. Main memory is not of this
    /// kind: caches and paging suffer long before it is full.
    pub(crate) const fn is_room(self) -> bool {
        self.0 == Self::GPU_MEMORY.0
    }
}

impl fmt::Display for ResourceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match NAMES.get(usize::from(self.0)) {
            Some(name) => f.write_str(name),
            None => write!(f, "r{}", usize::from(self.0) - NAMES.len()),
        }
    }
}

/// The text names no resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected cpu, memory, gpu, gpu_memory, network, disk, or r and a number from 0 to 65529")]
pub struct BadResource;

impl FromStr for ResourceId {
    type Err = BadResource;

    fn from_str(text: &str) -> Result<Self, BadResource> {
        let named = Self::NAMED.into_iter().zip(NAMES).find(|(_, name)| *name == text);
        if let Some((resource, _)) = named {
            return Ok(resource);
        }
        let number: u16 =
            text.strip_prefix('r').and_then(|rest| rest.parse().ok()).ok_or(BadResource)?;
        number.checked_add(NAMED).map(Self).ok_or(BadResource)
    }
}

impl Serialize for ResourceId {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ResourceId {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        String::deserialize(from)?.parse().map_err(D::Error::custom)
    }
}

/// Amounts by resource, each known or unknown.
///
/// ```
/// use evenkeel::ResourceId;
/// use evenkeel::resource::Amounts;
/// let demand = Amounts::new().with(ResourceId::CPU, 2.0).with(ResourceId::MEMORY, 4e9);
/// assert_eq!(demand.get(ResourceId::CPU), Some(2.0));
/// assert_eq!(demand.get(ResourceId::DISK), None); // unknown, which is not zero
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Amounts {
    named: [Option<f64>; NAMES.len()],
    /// The host's own resources, sorted by id; most hosts have none and allocate nothing.
    custom: Vec<(ResourceId, f64)>,
}

impl Amounts {
    /// No amount is known.
    pub const fn new() -> Self {
        Self { named: [None; NAMES.len()], custom: Vec::new() }
    }

    /// The same with one amount set. Any number is accepted here; a snapshot sets aside records with
    /// amounts that are negative, above 2^64, or not finite.
    #[must_use]
    pub fn with(mut self, resource: ResourceId, amount: f64) -> Self {
        self.set(resource, amount);
        self
    }

    /// Sets one amount.
    pub fn set(&mut self, resource: ResourceId, amount: f64) {
        if let Some(slot) = self.named.get_mut(usize::from(resource.0)) {
            *slot = Some(amount);
            return;
        }
        match self.custom.binary_search_by_key(&resource, |entry| entry.0) {
            Ok(at) => self.custom[at].1 = amount,
            Err(at) => self.custom.insert(at, (resource, amount)),
        }
    }

    /// One amount; `None` if unknown.
    pub fn get(&self, resource: ResourceId) -> Option<f64> {
        if let Some(slot) = self.named.get(usize::from(resource.0)) {
            *slot
        } else {
            let at = self.custom.binary_search_by_key(&resource, |entry| entry.0).ok()?;
            Some(self.custom[at].1)
        }
    }

    /// One amount; `None` if unknown or impossible (negative, above 2^64, or not a number).
    pub(crate) fn known(&self, resource: ResourceId) -> Option<f64> {
        self.get(resource).filter(|amount| is_amount(*amount))
    }

    /// The known amounts in id order.
    pub fn iter(&self) -> impl Iterator<Item = (ResourceId, f64)> + '_ {
        let named = ResourceId::NAMED.into_iter().zip(self.named);
        let named = named.filter_map(|(resource, amount)| Some((resource, amount?)));
        named.chain(self.custom.iter().copied())
    }

    /// Whether no amount is known.
    pub fn is_empty(&self) -> bool {
        self.iter().next().is_none()
    }
}

/// Whole bytes, or a whole count, of an amount that is not negative.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "`as` saturates")]
pub(crate) fn whole(amount: f64) -> u64 {
    amount as u64
}

/// Whether a number can be an amount: from 0 to 2^64.
pub(crate) fn is_amount(amount: f64) -> bool {
    let most = if broken!("amount_has_bounds") { f64::MAX } else { MOST_AMOUNT };
    (0.0..=most).contains(&amount)
}

impl FromIterator<(ResourceId, f64)> for Amounts {
    fn from_iter<I: IntoIterator<Item = (ResourceId, f64)>>(amounts: I) -> Self {
        let mut all = Self::new();
        amounts.into_iter().for_each(|(resource, amount)| all.set(resource, amount));
        all
    }
}

impl Serialize for Amounts {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_map(self.iter())
    }
}

impl<'de> Deserialize<'de> for Amounts {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        // JSON writes NaN as null; null is read back as NaN.
        let amounts = BTreeMap::<ResourceId, Option<f64>>::deserialize(from)?;
        Ok(amounts.into_iter().map(|(id, amount)| (id, amount.unwrap_or(f64::NAN))).collect())
    }
}

/// Prints an amount in the unit of its resource for an operator: `2.00 cores`, `4.0 GiB`.
pub(crate) struct Quantity(pub(crate) ResourceId, pub(crate) f64);

/// Bytes in a GiB.
pub(crate) const GIB: f64 = 1_073_741_824.0;

impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(resource, amount) = *self;
        let (amount, least, unit) = match resource {
            ResourceId::CPU => (amount, 2, " cores"),
            ResourceId::GPU => (amount, 2, " devices"),
            ResourceId::MEMORY | ResourceId::GPU_MEMORY => (amount / GIB, 2, " GiB"),
            ResourceId::NETWORK | ResourceId::DISK => (amount / 1e6, 1, " MB/s"),
            _ => (amount, 2, ""),
        };
        // A small amount gets more decimals: 0.0034, not 0.00.
        let mut decimals = least;
        let mut digits = amount.abs() * 100.0;
        while digits > 0.0 && digits < 9.5 && decimals < 6 {
            (digits, decimals) = (digits * 10.0, decimals + 1);
        }
        write!(f, "{amount:.decimals$}{unit}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn small_quantities_are_not_nothing() {
        let cores = |amount| Quantity(ResourceId::CPU, amount).to_string();
        assert_eq!(cores(0.5), "0.50 cores");
        assert_eq!(cores(0.003_44), "0.0034 cores");
        assert_eq!(cores(-0.03), "-0.030 cores");
        assert_eq!(cores(0.0), "0.00 cores");
        assert_eq!(cores(1e-12), "0.000000 cores");
    }

    #[test]
    fn resources_print_and_read_back() {
        for resource in ResourceId::NAMED.into_iter().chain([ResourceId::custom(3)]) {
            assert_eq!(resource.to_string().parse(), Ok(resource));
        }
        assert_eq!("r65535".parse::<ResourceId>(), Err(BadResource));
        assert_eq!(ResourceId::custom(u16::MAX), ResourceId(u16::MAX));
    }

    #[test]
    fn twelve_resources_need_no_other_type() {
        let all: Amounts = (0..6).map(|n| (ResourceId::custom(n), f64::from(n))).collect();
        let all = all.with(ResourceId::DISK, 9.0);
        assert_eq!(all.iter().count(), 7);
        assert_eq!(all.get(ResourceId::custom(4)), Some(4.0));
        assert_eq!(all.iter().next(), Some((ResourceId::DISK, 9.0)));
    }
}
