//! How does a host use textual ids for its workers and tasks?
//!
//! An id is the FNV-1a hash of the name, so it is the same in every process and after every restart,
//! whatever the order in which names come up. A collision (about one in 10^13 for a thousand names) is
//! an error.

use alloc::borrow::ToOwned;
use alloc::collections::BTreeMap;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;
use core::num::NonZeroUsize;

use serde::{Deserialize, Serialize};

use crate::model::ids::{
    ClassId, DomainId, GroupId, KindId, LabelId, TaskId, TenantId, TopologyId, WorkerId, ZoneId,
};

/// A bounded map between names and ids, saveable with the engine's state.
///
/// ```
/// use evenkeel::{TaskId, WorkerId};
/// use evenkeel::shell::Names;
/// let mut names = Names::with_room_for(1_000);
/// let worker: WorkerId = names.id("gpu-rack-3/node-7")?;
/// let task: TaskId = names.id("train-resnet")?;
/// assert_eq!(names.name(worker), Some("gpu-rack-3/node-7"));
/// // Sentences that the engine prints can show the names.
/// let sentence = format!("{task} stays on {worker}");
/// assert_eq!(names.show(&sentence).to_string(), "train-resnet stays on gpu-rack-3/node-7");
/// # Ok::<(), evenkeel::shell::NamesError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Names {
    room: NonZeroUsize,
    names: BTreeMap<u64, String>,
}

/// An id that can stand for a name.
pub trait Named: From<u64> + Copy + fmt::Display {
    /// The id's number.
    fn number(self) -> u64;
}

/// Ids that stand for names.
macro_rules! named {
    ($($id:ty),+) => {
        $(impl Named for $id {
            fn number(self) -> u64 {
                self.raw()
            }
        })+
    };
}

named!(WorkerId, TaskId, GroupId, KindId, ZoneId, LabelId, TopologyId, DomainId, TenantId, ClassId);

/// Why a name could not be given an id. Nothing has changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NamesError {
    /// The map is full: forget the names of workers and tasks that are gone.
    #[error("there is room for {room} names, and {name:?} is one more")]
    Full {
        /// The name.
        name: String,
        /// The bound.
        room: usize,
    },
    /// Another name has the same hash: one of the two has to be changed.
    #[error("{name:?} has the same hash as {other:?}; rename one of them")]
    Collision {
        /// The name.
        name: String,
        /// The name that has the id.
        other: String,
    },
}

impl Names {
    /// An empty map with room for this many names (at least one).
    pub fn with_room_for(room: usize) -> Self {
        let room = NonZeroUsize::new(room).unwrap_or(NonZeroUsize::MIN);
        Self { room, names: BTreeMap::new() }
    }

    /// The id of a name, the same every time.
    ///
    /// # Errors
    ///
    /// [`NamesError`] if the map is full, or another name has the same hash.
    pub fn id<I: Named>(&mut self, name: &str) -> Result<I, NamesError> {
        let number = hash(name);
        match self.names.get(&number) {
            Some(known) if known == name => {}
            Some(other) => {
                return Err(NamesError::Collision { name: name.to_owned(), other: other.clone() });
            }
            None if self.names.len() >= self.room.get() => {
                return Err(NamesError::Full { name: name.to_owned(), room: self.room.get() });
            }
            None => {
                self.names.insert(number, name.to_owned());
            }
        }
        Ok(I::from(number))
    }

    /// The name of an id; `None` if it is unknown.
    pub fn name(&self, id: impl Named) -> Option<&str> {
        self.names.get(&id.number()).map(String::as_str)
    }

    /// Keeps only the names for which `keep` returns `true`. Use it to forget the names of finished tasks and
    /// of workers that are gone.
    pub fn retain(&mut self, mut keep: impl FnMut(&str) -> bool) {
        self.names.retain(|_, name| keep(name));
    }

    /// How many names the map holds.
    pub fn len(&self) -> usize {
        self.names.len()
    }

    /// Whether the map holds no name.
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// Prints something with names in place of ids: every word made of one of the letters `w t g k
    /// z l y d n c` and the number of a known name.
    pub fn show<'a>(&'a self, what: &'a dyn fmt::Display) -> impl fmt::Display + 'a {
        Shown { names: self, what }
    }

    /// The name that a word stands for.
    fn word(&self, word: &str) -> Option<&str> {
        let digits = word.strip_prefix(['w', 't', 'g', 'k', 'z', 'l', 'y', 'd', 'n', 'c'])?;
        self.names.get(&digits.parse().ok()?).map(String::as_str)
    }
}

struct Shown<'a> {
    names: &'a Names,
    what: &'a dyn fmt::Display,
}

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.what.to_string();
        let ends: Vec<usize> = text
            .match_indices(|letter: char| !letter.is_ascii_alphanumeric())
            .map(|(at, _)| at)
            .chain([text.len()])
            .collect();
        let mut start = 0;
        for end in ends {
            let word = &text[start..end];
            f.write_str(self.names.word(word).unwrap_or(word))?;
            let rest = &text[end..];
            let separator = rest.chars().next().map_or(0, char::len_utf8);
            f.write_str(&rest[..separator])?;
            start = end + separator;
        }
        Ok(())
    }
}

/// FNV-1a, 64 bits.
fn hash(name: &str) -> u64 {
    name.bytes().fold(0xCBF2_9CE4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01B3)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_fnv_1a() {
        // From the reference test vectors of the hash's authors.
        assert_eq!(hash(""), 0xCBF2_9CE4_8422_2325);
        assert_eq!(hash("a"), 0xAF63_DC4C_8601_EC8C);
        assert_eq!(hash("foobar"), 0x8594_4171_F739_67E8);
    }

    #[test]
    fn a_full_map_says_so_and_keeps_what_it_has() {
        let mut names = Names::with_room_for(1);
        let first: TaskId = names.id("a").unwrap();
        assert_eq!(
            names.id::<TaskId>("b").unwrap_err().to_string(),
            "there is room for 1 names, and \"b\" is one more"
        );
        assert_eq!(names.id("a"), Ok(first));
        names.retain(|name| name != "a");
        assert!(names.is_empty() && names.id::<TaskId>("b").is_ok());
    }

    #[test]
    fn a_collision_is_refused() {
        let mut names = Names::with_room_for(2);
        names.names.insert(hash("b"), "a".to_owned());
        assert!(matches!(names.id::<TaskId>("b"), Err(NamesError::Collision { .. })));
    }

    #[test]
    fn ids_of_every_kind_are_shown_by_name() {
        let mut names = Names::with_room_for(4);
        let (tenant, class): (TenantId, ClassId) =
            (names.id("shop").unwrap(), names.id("gpus").unwrap());
        let (rack, racks): (DomainId, TopologyId) =
            (names.id("r7").unwrap(), names.id("racks").unwrap());
        let said = alloc::format!("{tenant} {class} {rack} {racks}");
        assert_eq!(names.show(&said).to_string(), "shop gpus r7 racks");
    }

    #[test]
    fn unknown_words_and_odd_letters_stay() {
        let names = Names::with_room_for(1);
        assert_eq!(names.show(&"w1 → w2: t3, at 0.5").to_string(), "w1 → w2: t3, at 0.5");
    }
}
