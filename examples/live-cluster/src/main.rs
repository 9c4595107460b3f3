//! Real worker processes on this machine, kept on an even keel by the engine.
//!
//! ```text
//! cargo run --release -p live-cluster -- --seconds 30 --kill 2@15 --join 1@10
//! ```
//!
//! The program starts itself again for every worker and talks with the workers over pipes. Their processor time and
//! memory are measured by the operating system; the tasks really compute, and their results are checked. Nothing is
//! simulated but the hardware labels, which are only names here.
//!
//! | file | what it knows |
//! |---|---|
//! | `options`, `settings`, `plan` | what to run |
//! | `run` | the loop of the host |
//! | `helm`, `log` | the engine behind the crate's driver, and its log |
//! | `record` | the run log, and the page of pictures made of it |
//! | `host` | the seam: snapshots, commands, reports |
//! | `fleet`, `cluster`, `custody` | the workers, the processes, who has which task |
//! | `measure` | what the operating system accounts for |
//! | `protocol` | what goes over the pipes |
//! | `worker`, `pace`, `work` | the worker process, its budget, its tasks |
//! | `show`, `view`, `summary` | what people and scripts get to see |

mod cluster;
mod custody;
#[cfg(test)]
mod duties;
mod fleet;
mod helm;
mod host;
mod log;
mod measure;
mod options;
mod pace;
mod plan;
mod protocol;
mod record;
mod run;
mod settings;
mod show;
mod summary;
mod view;
mod work;
mod worker;

use std::process::ExitCode;

use options::{Options, Refusal};
use run::Failure;

/// The run was fine, but something in it was not.
const BROKEN: u8 = 1;
/// The options ask for something impossible; nothing was started.
const REFUSED: u8 = 2;
/// Ended by a signal, as shells count: 128 and the number of SIGINT.
const INTERRUPTED: u8 = 130;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().collect();
    if arguments.get(1).is_some_and(|argument| argument == cluster::WORKER_ARGUMENT) {
        return worker::main();
    }
    let options = match Options::read(arguments) {
        Ok(options) => options,
        Err(Refusal::Help(text)) => {
            print!("{text}");
            return ExitCode::SUCCESS;
        }
        Err(Refusal::Fault(sentence)) => return refuse(&sentence),
    };
    if measure::usage(std::process::id()).is_none() {
        return refuse(
            "this program measures its workers through /proc, which this system does not have",
        );
    }
    match run::run(&options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::Refused(sentence)) => refuse(&sentence),
        Err(Failure::Broken(sentence)) => {
            eprintln!("{sentence}");
            ExitCode::from(BROKEN)
        }
        Err(Failure::Interrupted) => {
            eprintln!("interrupted; all workers are ended");
            ExitCode::from(INTERRUPTED)
        }
    }
}

/// Says why nothing is started.
fn refuse(sentence: &str) -> ExitCode {
    eprintln!("{sentence}");
    ExitCode::from(REFUSED)
}

/// A count as a number to reckon with.
#[expect(clippy::cast_precision_loss, reason = "counts here are far below 2^53")]
pub(crate) fn number(count: u64) -> f64 {
    count as f64
}
