//! How does a real host behave? The reference host: a truthful model of workers, copies, fences and messages.
//!
//! Which worker really runs a task, and how does that change when a command is carried out, when a command comes too
//! late, and when a worker dies? The model answers; it decides nothing and reads no clock. Its driver decides when a
//! command arrives, whether it succeeds, and how the engine learns of it:
//!
//! | driver | chooses by | keeps beside the model |
//! |---|---|---|
//! | `testkit::scenario` | the words of a story | the measured use that the story states |
//! | `testkit::strategies` | dice, drawn with the history | budgets, and what must never happen |
//! | `sim` | virtual time | shared cores, transfers, heat, telemetry |
//!
//! | part | question |
//! |---|---|
//! | [`HostedTask`] | Where is a task, and how does a command change that? |
//! | [`Fences`] | Which commands are no longer obeyed? |
//! | [`Mail`] | Which commands and reports are on their way? |
//! | `shown` | What does a truthful snapshot show of a task? |

mod fences;
mod mail;
mod shown;
mod task;

use alloc::collections::BTreeMap;

pub(crate) use fences::Fences;
pub(crate) use mail::{Mail, Order};
pub(crate) use task::{HostedTask, Objection, addressee};

use crate::model::ids::TaskId;

/// Gives a task another id from now on.
pub(crate) fn rename(tasks: &mut BTreeMap<TaskId, HostedTask>, was: TaskId, is: TaskId) {
    if let Some(mut hosted) = tasks.remove(&was) {
        hosted.task.id = is;
        tasks.insert(is, hosted);
    }
}
