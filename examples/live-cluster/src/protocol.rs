//! What the coordinator and a worker say to each other, over the worker's standard input and output.
//!
//! A message is a line of JSON, followed by as many raw bytes as the line announces: the state of a task is handed
//! over as it is. Whatever the two say about a running task carries its [`Fence`], so that an order or an answer from
//! before a move is recognised as such.

use std::io::{self, BufRead, Read, Write};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// The most bytes a message may carry; a larger figure can only be a broken line.
const BODY_LIMIT: u64 = 64 * 1024 * 1024;

/// Counts the times a task has been started somewhere. A worker refuses a start whose fence is not above every fence
/// it has seen for the task, and ignores a release of another start than the one it runs.
pub(crate) type Fence = u64;

/// What the coordinator tells a worker.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum Order {
    /// The first word: the worker's budget in cores.
    Open {
        /// Processor time per wall-clock time that the worker may use.
        budget: f64,
    },
    /// Run this task from the state in the body.
    Run {
        /// The task.
        task: u64,
        /// Its fence from now on.
        fence: Fence,
        /// The processor time it wants, in cores.
        demand: f64,
        /// Memory it works in beside its state; not handed over.
        workspace_bytes: usize,
        /// The step it ends at; a task without one is endless.
        last_step: Option<u64>,
    },
    /// Stop this task and hand its state back.
    Release {
        /// The task.
        task: u64,
        /// The fence it was started with.
        fence: Fence,
    },
    /// Stop everything, hand all states back, and end.
    Close,
}

/// What a worker tells the coordinator. Times are microseconds since the Unix epoch, on the clock that all processes
/// of one machine share.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum Answer {
    /// The worker has its budget and waits for tasks.
    Ready,
    /// The task runs here from now on.
    Running {
        /// The task.
        task: u64,
        /// The fence it was started with.
        fence: Fence,
        /// When it began to run here.
        at: u64,
    },
    /// The task runs here; its state at this moment is in the body.
    Checkpoint {
        /// The task.
        task: u64,
        /// The fence it was started with.
        fence: Fence,
        /// When the state was taken.
        at: u64,
        /// Processor time the task has used on this worker so far, in seconds.
        cpu_seconds: f64,
    },
    /// The task has stopped here for good; its last state is in the body.
    Released {
        /// The task.
        task: u64,
        /// The fence it was started with.
        fence: Fence,
        /// When it stopped.
        at: u64,
    },
    /// The task has done its last step; its last state, the result, is in the body.
    Finished {
        /// The task.
        task: u64,
        /// The fence it was started with.
        fence: Fence,
        /// When it finished.
        at: u64,
    },
    /// The order cannot be followed.
    Refused {
        /// The task of the order.
        task: u64,
        /// The fence of the order.
        fence: Fence,
        /// Why, as half a sentence.
        why: String,
    },
}

/// The line in front of a body.
#[derive(Serialize, Deserialize)]
struct Line<M> {
    say: M,
    /// Length of the body that follows.
    #[serde(default)]
    bytes: u64,
}

/// Writes one message with its body, and sees that it leaves.
pub(crate) fn send(to: &mut impl Write, say: &impl Serialize, body: &[u8]) -> io::Result<()> {
    let mut line = serde_json::to_vec(&Line { say, bytes: body.len() as u64 })?;
    line.push(b'\n');
    to.write_all(&line)?;
    to.write_all(body)?;
    to.flush()
}

/// Reads the next message with its body; `None` when the other side has closed, or died in the middle of a message.
pub(crate) fn receive<M: DeserializeOwned>(
    from: &mut impl BufRead,
) -> io::Result<Option<(M, Vec<u8>)>> {
    let mut text = String::new();
    if from.read_line(&mut text)? == 0 || !text.ends_with('\n') {
        return Ok(None);
    }
    let line: Line<M> = serde_json::from_str(&text)?;
    if line.bytes > BODY_LIMIT {
        let fault = format!("a body of {} bytes is above the limit of {BODY_LIMIT}", line.bytes);
        return Err(io::Error::new(io::ErrorKind::InvalidData, fault));
    }
    let mut body = Vec::new();
    from.by_ref().take(line.bytes).read_to_end(&mut body)?;
    Ok((body.len() as u64 == line.bytes).then_some((line.say, body)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_come_back_as_they_went_with_any_bytes_in_the_body() {
        let run =
            Order::Run { task: 3, fence: 9, demand: 0.1, workspace_bytes: 5, last_step: Some(7) };
        let mut pipe = Vec::new();
        send(&mut pipe, &run, b"\n{\"\x00\xff").expect("a vector takes everything");
        send(&mut pipe, &Order::Close, b"").expect("a vector takes everything");
        let mut from = pipe.as_slice();
        assert_eq!(receive(&mut from).expect("whole"), Some((run, b"\n{\"\x00\xff".to_vec())));
        assert_eq!(receive(&mut from).expect("whole"), Some((Order::Close, Vec::new())));
        assert_eq!(receive::<Order>(&mut from).expect("the end"), None);
    }

    #[test]
    fn a_message_cut_off_by_a_death_is_no_message() {
        let mut pipe = Vec::new();
        send(&mut pipe, &Answer::Released { task: 1, fence: 1, at: 5 }, &[7; 100]).expect("fits");
        for length in [10, pipe.len() - 1] {
            assert_eq!(receive::<Answer>(&mut &pipe[..length]).expect("no fault"), None);
        }
    }

    #[test]
    fn a_broken_line_is_a_fault() {
        assert!(receive::<Answer>(&mut "nonsense\n".as_bytes()).is_err());
        assert!(
            receive::<Order>(&mut "{\"say\":\"Close\",\"bytes\":99999999999}\n".as_bytes())
                .is_err()
        );
    }
}
