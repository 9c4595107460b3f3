//! Which kinds of hardware are there, and how fast and efficient is each? Plain data that a host may replace.

use alloc::vec::Vec;
use core::fmt;
use core::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

use super::ratio::Ratio;
use super::setters::setters;

/// Declares the kinds of hardware with their printed names, once.
macro_rules! hardware {
    ($($(#[$doc:meta])* $kind:ident = $name:literal),+ $(,)?) => {
        /// A kind of hardware that a worker has and a task may need.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[non_exhaustive]
        pub enum Hardware {
            $($(#[$doc])* #[serde(rename = $name)] $kind),+
        }

        impl Hardware {
            /// Every kind, in the order of the specification's table.
            pub const ALL: [Self; [$($name),+].len()] = [$(Self::$kind),+];

            /// The name in files and in print.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$kind => $name),+
                }
            }
        }
    };
}

hardware! {
    /// Any general-purpose processor.
    Cpu = "cpu",
    /// NVIDIA accelerators.
    Cuda = "cuda",
    /// AMD accelerators.
    Rocm = "rocm",
    /// Apple's Metal Performance Shaders.
    Mps = "mps",
    /// Intel's inference runtime.
    OpenVino = "openvino",
    /// Qualcomm's neural networks.
    Qnn = "qnn",
    /// Neural networks in a browser.
    WebNn = "webnn",
    /// Graphics hardware through a browser.
    WebGpu = "webgpu",
}

impl fmt::Display for Hardware {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The text names no hardware.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected one of cpu, cuda, rocm, mps, openvino, qnn, webnn, webgpu")]
pub struct BadHardware;

impl FromStr for Hardware {
    type Err = BadHardware;

    fn from_str(text: &str) -> Result<Self, BadHardware> {
        Self::ALL.into_iter().find(|kind| kind.name() == text).ok_or(BadHardware)
    }
}

/// A set of hardware kinds. Prints as `cpu+cuda`; serialises as a list of names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HardwareSet(u16);

impl HardwareSet {
    /// No hardware at all.
    pub const EMPTY: Self = Self(0);

    /// The set of one kind.
    pub const fn of(kind: Hardware) -> Self {
        Self(1 << kind as u8)
    }

    /// This set and one more kind.
    #[must_use]
    pub const fn with(self, kind: Hardware) -> Self {
        Self(self.0 | Self::of(kind).0)
    }

    /// The kinds that are in either set.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// The kinds that are in this set but not in the other.
    #[must_use]
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// Whether `kind` is in the set.
    pub const fn contains(self, kind: Hardware) -> bool {
        self.0 & Self::of(kind).0 != 0
    }

    /// Whether the two sets share a kind.
    pub const fn intersects(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// Whether the set is empty.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The kinds in the order of [`Hardware::ALL`].
    pub fn iter(self) -> impl Iterator<Item = Hardware> {
        Hardware::ALL.into_iter().filter(move |kind| self.contains(*kind))
    }
}

impl From<Hardware> for HardwareSet {
    fn from(kind: Hardware) -> Self {
        Self::of(kind)
    }
}

impl FromIterator<Hardware> for HardwareSet {
    fn from_iter<I: IntoIterator<Item = Hardware>>(kinds: I) -> Self {
        kinds.into_iter().fold(Self::EMPTY, Self::with)
    }
}

impl fmt::Display for HardwareSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (nth, kind) in self.iter().enumerate() {
            let plus = if nth == 0 { "" } else { "+" };
            write!(f, "{plus}{kind}")?;
        }
        Ok(())
    }
}

impl Serialize for HardwareSet {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_seq(self.iter())
    }
}

impl<'de> Deserialize<'de> for HardwareSet {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Ok(Vec::<Hardware>::deserialize(from)?.into_iter().collect())
    }
}

/// A CUDA compute capability, such as 8.6. Ordered; prints and serialises as `8.6`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ComputeCapability {
    major: u8,
    minor: u8,
}

impl ComputeCapability {
    /// `new(8, 6)` is 8.6.
    pub const fn new(major: u8, minor: u8) -> Self {
        Self { major, minor }
    }
}

impl fmt::Display for ComputeCapability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

/// The text is not a compute capability.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected a compute capability such as 8.6")]
pub struct BadCapability;

impl FromStr for ComputeCapability {
    type Err = BadCapability;

    fn from_str(text: &str) -> Result<Self, BadCapability> {
        let (major, minor) = text.split_once('.').ok_or(BadCapability)?;
        let major = major.parse().map_err(|_| BadCapability)?;
        let minor = minor.parse().map_err(|_| BadCapability)?;
        Ok(Self { major, minor })
    }
}

impl Serialize for ComputeCapability {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ComputeCapability {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        alloc::string::String::deserialize(from)?.parse().map_err(D::Error::custom)
    }
}

/// One row of the hardware table: how fast and efficient a kind is.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct HardwareProfile {
    /// The kind of hardware.
    pub hardware: Hardware,
    /// The row holds for devices of at least this compute capability; `None` if it holds for all. Of the rows
    /// that hold, the one with the highest capability is used.
    #[serde(default)]
    pub min_compute: Option<ComputeCapability>,
    /// Speed relative to one CPU worker, from 10^-6 to 10^6.
    pub performance: f64,
    /// Energy efficiency, 0 to 1, higher is better.
    pub energy: Ratio,
    /// Thermal efficiency, 0 to 1, higher is better.
    pub thermal: Ratio,
}

impl HardwareProfile {
    /// A kind of which only the speed is known, relative to one CPU worker; it counts as efficient as a CPU.
    pub const fn new(hardware: Hardware, performance: f64) -> Self {
        Self { hardware, performance, ..PROFILES[0] }
    }
}

setters! {
    HardwareProfile {
        some with_min_compute(min_compute: ComputeCapability);
        value with_energy(energy: Ratio);
        value with_thermal(thermal: Ratio);
    }
}

/// The specification's table of hardware profiles, with the two finer rows for CUDA of its original.
pub const PROFILES: [HardwareProfile; 10] = [
    row(Hardware::Cpu, None, 1.0, 0.7, 0.8),
    row(Hardware::Cuda, None, 3.0, 0.5, 0.4),
    row(Hardware::Cuda, Some(ComputeCapability::new(6, 0)), 3.0, 0.5, 0.4),
    row(Hardware::Cuda, Some(ComputeCapability::new(8, 0)), 4.0, 0.4, 0.3),
    row(Hardware::Rocm, None, 2.8, 0.5, 0.4),
    row(Hardware::Mps, None, 2.5, 0.6, 0.6),
    row(Hardware::OpenVino, None, 1.8, 0.8, 0.7),
    row(Hardware::Qnn, None, 1.4, 0.9, 0.9),
    row(Hardware::WebNn, None, 1.0, 0.7, 0.8),
    row(Hardware::WebGpu, None, 1.2, 0.6, 0.7),
];

/// One row of [`PROFILES`]; a share outside 0 to 1 does not compile.
#[expect(clippy::panic, reason = "evaluated by the compiler: a bad row does not compile")]
const fn row(
    hardware: Hardware,
    min_compute: Option<ComputeCapability>,
    performance: f64,
    energy: f64,
    thermal: f64,
) -> HardwareProfile {
    let (Ok(energy), Ok(thermal)) = (Ratio::new(energy), Ratio::new(thermal)) else {
        panic!("efficiencies lie between 0 and 1")
    };
    HardwareProfile { hardware, min_compute, performance, energy, thermal }
}

/// The profiles in force: [`PROFILES`], unless the host replaces them.
///
/// It is a list of rows, and may be a file of its own. A new table is loaded at run time by
/// [`Engine::reconfigure`](crate::Engine::reconfigure): it holds from the next round on, observed speeds
/// of workers are kept, and an impossible table is refused as a whole.
///
/// ```
/// use evenkeel::{Config, Engine};
/// use evenkeel::hardware::HardwareTable;
/// let mut engine = Engine::new(Config::default())?;
/// let file = r#"[
///     {"hardware": "cpu", "performance": 1.0, "energy": 0.7, "thermal": 0.8},
///     {"hardware": "cuda", "min_compute": "9.0", "performance": 8.0, "energy": 0.5, "thermal": 0.4}
/// ]"#;
/// let mut config = engine.config().clone();
/// if let Some(section) = &mut config.hardware {
///     section.table = serde_json::from_str::<HardwareTable>(file)?;
/// }
/// engine.reconfigure(config)?;
/// assert!(serde_json::from_str::<HardwareTable>(&file.replace("0.7", "7.0")).is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct HardwareTable {
    rows: Vec<HardwareProfile>,
}

impl Default for HardwareTable {
    fn default() -> Self {
        let mut rows = PROFILES.to_vec();
        rows.iter_mut().filter(|row| is_misprinted(row)).for_each(|row| row.performance += 0.1);
        Self { rows }
    }
}

/// Whether a row of the table is broken, to see which story notices.
#[cfg_attr(
    not(feature = "mutants"),
    expect(clippy::match_same_arms, reason = "the switches differ where they exist")
)]
fn is_misprinted(row: &HardwareProfile) -> bool {
    const CUDA_8: ComputeCapability = ComputeCapability::new(8, 0);
    match (row.hardware, row.min_compute) {
        (Hardware::Cuda, None) => broken!("profile_cuda"),
        (Hardware::Cuda, Some(CUDA_8)) => broken!("profile_cuda_8"),
        (Hardware::Rocm, _) => broken!("profile_rocm"),
        (Hardware::Mps, _) => broken!("profile_mps"),
        (Hardware::OpenVino, _) => broken!("profile_openvino"),
        (Hardware::Qnn, _) => broken!("profile_qnn"),
        (Hardware::WebNn, _) => broken!("profile_webnn"),
        (Hardware::WebGpu, _) => broken!("profile_webgpu"),
        _ => false,
    }
}

impl HardwareTable {
    /// The host's own rows. A kind without a row counts as a CPU of [`PROFILES`].
    pub const fn new(rows: Vec<HardwareProfile>) -> Self {
        Self { rows }
    }

    /// The rows.
    pub fn rows(&self) -> &[HardwareProfile] {
        &self.rows
    }

    /// The row for `kind` on a device of this compute capability (`None`: unknown).
    ///
    /// ```
    /// use evenkeel::hardware::{ComputeCapability, Hardware, HardwareTable};
    /// let table = HardwareTable::default();
    /// let ampere = table.profile(Hardware::Cuda, Some(ComputeCapability::new(8, 6)));
    /// assert_eq!(ampere.performance, 4.0);
    /// assert_eq!(table.profile(Hardware::Cuda, None).performance, 3.0);
    /// ```
    pub fn profile(&self, kind: Hardware, compute: Option<ComputeCapability>) -> HardwareProfile {
        let holds = |row: &&HardwareProfile| row.hardware == kind && row.min_compute <= compute;
        // Of equals `max_by_key` takes the last: a host's later row overrides an earlier one.
        let best = self.rows.iter().filter(holds).max_by_key(|row| row.min_compute);
        best.copied().unwrap_or(HardwareProfile { hardware: kind, ..PROFILES[0] })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn compute_capability_picks_the_finest_row_that_holds() {
        let table = HardwareTable::default();
        let weight = |major| {
            table.profile(Hardware::Cuda, Some(ComputeCapability::new(major, 0))).performance
        };
        assert!((weight(5) - 3.0).abs() < 1e-12);
        assert!((weight(8) - 4.0).abs() < 1e-12);
        assert!((weight(9) - 4.0).abs() < 1e-12);
    }

    #[test]
    fn a_kind_without_a_row_counts_as_a_cpu() {
        let table = HardwareTable::new(Vec::new());
        let unknown = table.profile(Hardware::Qnn, None);
        assert_eq!(unknown.hardware, Hardware::Qnn);
        assert!((unknown.performance - 1.0).abs() < 1e-12);
    }

    #[test]
    fn sets_print_in_table_order() {
        let set = HardwareSet::of(Hardware::Cuda).with(Hardware::Cpu);
        assert_eq!(set.to_string(), "cpu+cuda");
        assert!(set.intersects(HardwareSet::of(Hardware::Cpu)));
        assert!(!set.contains(Hardware::Qnn));
    }
}
