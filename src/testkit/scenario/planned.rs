//! A plan for the whole cluster, as a story asks for it.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use super::free::{differ, resumed, same_when_renumbered};
use super::must::Heard;
use super::words::{Parsed, bytes, lines, pair, plain, unknown, valued};
use super::world::{World, guarded};
use crate::config::Effort;

/// Permutations tried per plan.
const SHUFFLES: u64 = 3;

impl World {
    /// `plan`, `plan moves=5 evaluations=1000 bytes=1GiB`: as of the last round's moment.
    ///
    /// The same records in another order, a saved and resumed state, and other numbers must give the same plan.
    pub(super) fn plan(&self, words: &str) -> Parsed<Heard> {
        let effort = effort(words)?;
        let sheet = self.records.sheet(self.now, false, Vec::new());
        let snapshot = sheet.snapshot();
        let plan = guarded(|| self.engine.plan(&snapshot, effort))?;
        let mut faults: Vec<String> = Vec::new();
        for seed in 1..=SHUFFLES {
            let other = self.engine.plan(&sheet.shuffled(seed).snapshot(), effort);
            differ(&format!("shuffled records (seed {seed}): plan"), &plan, &other, &mut faults);
        }
        let other = resumed(&self.engine)?.plan(&snapshot, effort);
        differ("saved and resumed: plan", &plan, &other, &mut faults);
        if !self.parted {
            let twin = self.twin.plan(&sheet.renumbered().snapshot(), effort);
            faults.extend(same_when_renumbered(&plan, &twin));
        }
        let mut said = lines(&plan);
        said.extend(faults.iter().map(|fault| format!("FREE CHECK {fault}")));
        let values = alloc::vec![serde_json::to_value(&plan).map_err(|error| error.to_string())?];
        Ok(Heard { said, faults, values, plan: Some(plan), ..Heard::default() })
    }
}

fn effort(words: &str) -> Parsed<Effort> {
    let mut effort = Effort::default();
    for word in words.split_whitespace() {
        match pair(word) {
            ("moves", value) => effort.moves = Some(plain(valued("moves", value)?)?),
            ("evaluations", value) => {
                effort.evaluations = Some(plain(valued("evaluations", value)?)?);
            }
            ("bytes", value) => effort.bytes = Some(bytes(valued("bytes", value)?)?),
            _ => return Err(unknown(word, "`plan`")),
        }
    }
    Ok(effort)
}
