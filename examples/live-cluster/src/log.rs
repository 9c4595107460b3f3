//! The engine's log: every input, in order, and what was answered.
//!
//! The inputs go to a file if one is wanted, a line each, before the engine gets them. Inputs and answers are kept as
//! well, so that at the end of the run a second engine can be asked the same.

use std::cell::RefCell;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::rc::Rc;

use evenkeel::engine::{Input, Output};
use evenkeel::{Config, Engine};
use serde::Serialize;

/// The log, shared by everything that talks to the engine.
#[derive(Clone)]
pub(crate) struct Log(Rc<RefCell<Pages>>);

struct Pages {
    file: Option<BufWriter<File>>,
    /// Input and answer as JSON.
    lines: Vec<(String, String)>,
    /// The first thing that went wrong while writing.
    fault: Option<String>,
}

impl Log {
    /// An empty log, written to a file if one is given.
    pub(crate) fn new(file: Option<&Path>) -> Result<Self, String> {
        let create = |path: &Path| match File::create(path) {
            Ok(file) => Ok(BufWriter::new(file)),
            Err(fault) => Err(format!("--log {}: {fault}", path.display())),
        };
        let file = file.map(create).transpose()?;
        Ok(Self(Rc::new(RefCell::new(Pages { file, lines: Vec::new(), fault: None }))))
    }

    /// Notes an input that the engine is about to get.
    pub(crate) fn input(&self, input: &Input) {
        let mut pages = self.0.borrow_mut();
        let line = json(input);
        let written = pages.file.as_mut().map_or(Ok(()), |file| write_line(file, &line));
        if let Err(fault) = written {
            pages.fault.get_or_insert(format!("the log cannot be written: {fault}"));
        }
        pages.lines.push((line, String::new()));
    }

    /// Notes what the engine answered to the last input.
    pub(crate) fn answer(&self, output: &Output) {
        if let Some((_, answer)) = self.0.borrow_mut().lines.last_mut() {
            *answer = json(output);
        }
    }

    /// What went wrong while writing, if anything did.
    pub(crate) fn fault(&self) -> Option<String> {
        self.0.borrow().fault.clone()
    }

    /// Gives every line to an engine that knows nothing, and says how its answers compare, as a sentence.
    pub(crate) fn replay(&self) -> String {
        let lines = &self.0.borrow().lines;
        let count = lines.len();
        let Ok(mut second) = Engine::new(Config::default()) else {
            return "the default settings are refused".to_owned();
        };
        let differs = |(line, answer): &(String, String)| {
            let input = serde_json::from_str::<Input>(line);
            input.map_or(true, |input| json(&second.apply(&input)) != *answer)
        };
        match lines.iter().position(differs) {
            None => format!("replayed: a second engine answers the same {count} inputs the same"),
            Some(nth) => format!(
                "replayed: a second engine answers input {} of {count} differently",
                nth + 1
            ),
        }
    }
}

fn write_line(file: &mut BufWriter<File>, line: &str) -> io::Result<()> {
    writeln!(file, "{line}")?;
    file.flush()
}

/// A value as one line of JSON.
fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_else(|fault| format!("\"not serialisable: {fault}\""))
}

#[cfg(test)]
mod tests {
    use super::*;
    use evenkeel::{ResourceId, Snapshot, Timestamp, Worker, WorkerId};

    fn rounds() -> Vec<Input> {
        let round = |nth: u64| {
            let worker = Worker::new(WorkerId::new(1))
                .with_capacity(ResourceId::CPU, 1.0)
                .with_used(ResourceId::CPU, 0.1 + 1.0 / crate::number(3 * nth));
            Input::Tick(Snapshot::builder(Timestamp::from_secs(30 * nth)).worker(worker).build())
        };
        let settings = Input::Reconfigure(Box::new(Config::fixed()));
        std::iter::once(settings).chain((1..5).map(round)).collect()
    }

    #[test]
    fn a_log_that_begins_with_the_settings_replays_on_any_engine() {
        let log = Log::new(None).expect("no file, no fault");
        let mut engine = Engine::new(Config::reference()).expect("a preset");
        for input in rounds() {
            log.input(&input);
            log.answer(&engine.apply(&input));
        }
        assert!(log.replay().ends_with("the same 5 inputs the same"), "{}", log.replay());
    }

    #[test]
    fn an_answer_that_was_tampered_with_is_found() {
        let log = Log::new(None).expect("no file, no fault");
        let mut engine = Engine::new(Config::reference()).expect("a preset");
        for input in rounds() {
            log.input(&input);
            log.answer(&engine.apply(&input));
        }
        log.0.borrow_mut().lines[2].1.push(' ');
        assert!(log.replay().ends_with("input 3 of 5 differently"), "{}", log.replay());
    }

    #[test]
    fn a_file_that_cannot_be_written_is_named() {
        let fault = Log::new(Some(Path::new("/nonexistent/log"))).err().expect("no such folder");
        assert!(fault.starts_with("--log /nonexistent/log: "), "{fault}");
    }
}
