//! What the run looks like while it goes on: the whole terminal where there is one, plain lines elsewhere.

use std::io::{self, IsTerminal, Write};

use crate::view::{View, Wish};

/// One second of the run, ready to be shown.
#[derive(Clone, Debug, Default)]
pub(crate) struct Frame {
    /// Seconds since the start.
    pub(crate) second: u64,
    /// Length of the run.
    pub(crate) seconds: u64,
    /// The workers by number.
    pub(crate) rows: Vec<Row>,
    /// Largest load less smallest.
    pub(crate) spread: f64,
    /// The low and the high threshold, as shares of a worker's budget.
    pub(crate) thresholds: (f64, f64),
    /// Moves under way, one line each.
    pub(crate) moves: Vec<String>,
    /// What else there is to say, in one line.
    pub(crate) footer: String,
}

/// One worker in a [`Frame`].
#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub(crate) worker: u64,
    pub(crate) hardware: String,
    /// Cores.
    pub(crate) budget: f64,
    /// Measured processor time, as a share of the budget.
    pub(crate) load: f64,
    pub(crate) resident_bytes: u64,
    pub(crate) memory_bytes: f64,
    /// The tasks it runs, by number.
    pub(crate) tasks: Vec<u64>,
}

impl Row {
    /// Measured memory, as a share of what the worker counts as having.
    pub(crate) fn memory(&self) -> f64 {
        crate::number(self.resident_bytes) / self.memory_bytes
    }
}

/// Where the run is shown.
pub(crate) enum Screen {
    /// Standard output: a line for each sentence and each second, without any control sequence.
    Lines,
    /// The whole terminal.
    Full(Box<View>),
}

impl Screen {
    /// The whole terminal if there is one and somebody may be looking; else, or if that is asked for, plain lines.
    pub(crate) fn open(plain: bool) -> Self {
        let is_terminal = io::stdin().is_terminal() && io::stdout().is_terminal();
        let watched = is_terminal && std::env::var_os("CI").is_none();
        let view = if watched && !plain { View::open() } else { None };
        view.map_or(Self::Lines, |view| Self::Full(Box::new(view)))
    }

    /// Gives the terminal back; from here on, sentences are plain lines.
    pub(crate) fn close(&mut self) {
        *self = Self::Lines;
    }

    /// Says a sentence.
    pub(crate) fn say(&mut self, sentence: &str) {
        match self {
            Self::Lines => put(&format!("{sentence}\n")),
            Self::Full(view) => view.say(sentence),
        }
    }

    /// Shows a second of the run.
    pub(crate) fn show(&mut self, frame: &Frame) {
        match self {
            Self::Lines => put(&line(frame)),
            Self::Full(view) => view.show(frame),
        }
    }

    /// What somebody at the keyboard wants.
    pub(crate) fn wish(&mut self) -> Option<Wish> {
        match self {
            Self::Lines => None,
            Self::Full(view) => view.wish(),
        }
    }
}

/// Writes and flushes. A reader that has gone away is no reason to stop the run: its workers still have to be ended in
/// good order.
fn put(text: &str) {
    let mut out = io::stdout();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

/// A second as one line of text.
fn line(frame: &Frame) -> String {
    let shares = |share: fn(&Row) -> f64| {
        let each =
            frame.rows.iter().map(|row| format!("w{} {:.0} %", row.worker, share(row) * 100.0));
        each.collect::<Vec<String>>().join(", ")
    };
    let (loads, memory) = (shares(|row| row.load), shares(Row::memory));
    let Frame { second, seconds, spread, footer, .. } = frame;
    format!(
        "second {second} of {seconds}: processor {loads}; spread {spread:.2}; memory {memory}; {footer}\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_is_one_plain_line() {
        let row = |worker, load| Row {
            worker,
            hardware: "cpu+cuda".to_owned(),
            budget: 0.25,
            load,
            resident_bytes: 3 << 20,
            memory_bytes: 12_582_912.0,
            tasks: vec![1, 4],
        };
        let frame = Frame {
            second: 7,
            seconds: 30,
            rows: vec![row(1, 1.0), row(2, 0.06)],
            spread: 0.94,
            footer: "1 move under way".to_owned(),
            ..Frame::default()
        };
        assert_eq!(
            line(&frame),
            "second 7 of 30: processor w1 100 %, w2 6 %; spread 0.94; \
             memory w1 25 %, w2 25 %; 1 move under way\n"
        );
    }
}
