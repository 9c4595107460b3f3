//! What the run looks like while it goes on: a table that stays in place on a terminal, plain lines elsewhere.
//!
//! Sentences scroll; the table is wiped before them and drawn again below. A pipe or a file gets one line per second
//! instead, without any control sequence.

use std::fmt::Write as _;
use std::io::{self, IsTerminal, Write};

/// Width of a load bar, in characters.
const BAR: usize = 20;

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
    fn memory(&self) -> f64 {
        crate::number(self.resident_bytes) / self.memory_bytes
    }
}

/// Where the run is shown.
pub(crate) struct Screen<W> {
    out: W,
    is_terminal: bool,
    /// Lines of the table that is on the terminal now.
    drawn: usize,
}

impl Screen<io::Stdout> {
    /// Standard output, whatever it is.
    pub(crate) fn stdout() -> Self {
        let out = io::stdout();
        Self { is_terminal: out.is_terminal(), out, drawn: 0 }
    }
}

impl<W: Write> Screen<W> {
    /// Prints a sentence.
    pub(crate) fn say(&mut self, sentence: &str) {
        let wipe = self.wipe();
        self.put(&format!("{wipe}{sentence}\n"));
    }

    /// Shows a second of the run.
    pub(crate) fn show(&mut self, frame: &Frame) {
        if !self.is_terminal {
            self.put(&line(frame));
            return;
        }
        let (wipe, table) = (self.wipe(), table(frame));
        self.drawn = table.lines().count();
        // No line of the table may wrap, or the wipe would miss a part of it.
        self.put(&format!("{wipe}\x1b[?7l{table}\x1b[?7h"));
    }

    /// The control sequence that removes the table, if there is one.
    fn wipe(&mut self) -> String {
        match std::mem::take(&mut self.drawn) {
            0 => String::new(),
            lines => format!("\x1b[{lines}A\x1b[J"),
        }
    }

    /// Writes and flushes. A reader that has gone away is no reason to stop the run: its workers still have to be
    /// ended in good order.
    fn put(&mut self, text: &str) {
        let _ = self.out.write_all(text.as_bytes()).and_then(|()| self.out.flush());
    }
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

/// A second as a table.
fn table(frame: &Frame) -> String {
    let Frame { second, seconds, spread, footer, .. } = frame;
    let mut text = format!(
        "\n{:<7}{:<14}{:>7}  {:<width$}{:>18}  tasks\n",
        "worker",
        "hardware",
        "budget",
        "load",
        "memory",
        width = BAR + 6
    );
    for row in &frame.rows {
        let tasks: Vec<String> = row.tasks.iter().map(|task| format!("t{task}")).collect();
        // Writing into a string cannot fail.
        let _ = writeln!(
            text,
            "w{:<6}{:<14}{:>7.2}  {}{:>4.0} % {:>7.1} MiB {:>3.0} %  {}",
            row.worker,
            row.hardware,
            row.budget,
            bar(row.load),
            row.load * 100.0,
            crate::number(row.resident_bytes) / 1_048_576.0,
            row.memory() * 100.0,
            tasks.join(" ")
        );
    }
    let _ = writeln!(text, "second {second} of {seconds}, spread {spread:.2}\n{footer}");
    text
}

/// A load as a bar of fixed width.
fn bar(load: f64) -> String {
    let full =
        (0..BAR).filter(|nth| crate::number(*nth as u64) + 0.5 < load * crate::number(BAR as u64));
    let full = full.count();
    format!("{}{}", "█".repeat(full), "░".repeat(BAR - full))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame() -> Frame {
        let row = |worker, load| Row {
            worker,
            hardware: "cpu+cuda".to_owned(),
            budget: 0.25,
            load,
            resident_bytes: 3 << 20,
            memory_bytes: 12_582_912.0,
            tasks: vec![1, 4],
        };
        let rows = vec![row(1, 1.0), row(2, 0.06)];
        Frame { second: 7, seconds: 30, rows, spread: 0.94, footer: "1 move under way".to_owned() }
    }

    fn screen(is_terminal: bool) -> Screen<Vec<u8>> {
        Screen { out: Vec::new(), is_terminal, drawn: 0 }
    }

    fn printed(screen: Screen<Vec<u8>>) -> String {
        String::from_utf8(screen.out).expect("text")
    }

    #[test]
    fn a_pipe_gets_one_plain_line_a_second() {
        let mut screen = screen(false);
        screen.show(&frame());
        let text = printed(screen);
        assert_eq!(
            text,
            "second 7 of 30: processor w1 100 %, w2 6 %; spread 0.94; \
                     memory w1 25 %, w2 25 %; 1 move under way\n"
        );
    }

    #[test]
    fn a_sentence_takes_the_place_of_the_table_it_wipes() {
        let mut screen = screen(true);
        screen.show(&frame());
        screen.say("a decision");
        screen.say("another");
        let text = printed(screen);
        assert!(text.ends_with("\x1b[6A\x1b[Ja decision\nanother\n"), "{text:?}");
    }

    #[test]
    fn the_columns_of_the_table_line_up() {
        let table = table(&frame());
        let place = |nth: usize, word: &str| {
            let line = table.lines().nth(nth).expect("a line");
            line.find(word).map(|at| line[..at].chars().count())
        };
        assert_eq!(place(1, "tasks"), place(2, "t1 t4"), "{table}");
        assert_eq!(place(2, "MiB"), place(3, "MiB"), "{table}");
    }

    #[test]
    fn a_bar_is_as_full_as_the_load() {
        let full = |load| bar(load).matches('█').count();
        assert_eq!([full(0.0), full(0.5), full(1.0), full(3.0)], [0, 10, 20, 20]);
    }
}
