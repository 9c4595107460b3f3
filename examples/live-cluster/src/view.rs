//! The run on the whole terminal: a lane per worker, what is on its way, what was decided last.
//!
//! The terminal is given back when the view is dropped, and also when the program panics.

use std::collections::VecDeque;
use std::time::Duration;

use ratatui::DefaultTerminal;
use ratatui::crossterm::event::{self, Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Stylize};
use ratatui::text::{Line, Span, Text};
use ratatui::widgets::{Block, Paragraph, Wrap};

use crate::show::{Frame, Row};

/// Sentences that are kept: more than a terminal has lines.
const KEPT: usize = 200;

/// What somebody at the keyboard wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wish {
    /// The run shall end here, in good order and with its summary.
    Quit,
    /// The run shall be broken off.
    Interrupt,
}

/// A terminal that shows the run and nothing else.
pub(crate) struct View {
    terminal: DefaultTerminal,
    frame: Frame,
    /// The last sentences, newest first.
    said: VecDeque<String>,
}

impl View {
    /// Takes the terminal; `None` if it cannot be had.
    pub(crate) fn open() -> Option<Self> {
        let terminal = ratatui::try_init().ok()?;
        Some(Self { terminal, frame: Frame::default(), said: VecDeque::new() })
    }

    /// Adds a sentence.
    pub(crate) fn say(&mut self, sentence: &str) {
        self.said.push_front(sentence.trim_start().to_owned());
        self.said.truncate(KEPT);
        self.draw();
    }

    /// Shows a second of the run.
    pub(crate) fn show(&mut self, frame: &Frame) {
        self.frame = frame.clone();
        self.draw();
    }

    /// What was typed since the last time somebody looked.
    pub(crate) fn wish(&mut self) -> Option<Wish> {
        while event::poll(Duration::ZERO).unwrap_or(false) {
            match event::read() {
                Ok(Event::Key(key)) => {
                    if let Some(wish) = wish(key) {
                        return Some(wish);
                    }
                }
                Ok(Event::Resize(..)) => self.draw(),
                _ => {}
            }
        }
        None
    }

    /// A terminal that has gone away is no reason to stop the run.
    fn draw(&mut self) {
        let Self { terminal, frame, said } = self;
        let _ = terminal.draw(|screen| draw(screen, frame, said));
    }
}

impl Drop for View {
    fn drop(&mut self) {
        ratatui::restore();
    }
}

fn wish(key: KeyEvent) -> Option<Wish> {
    match key.code {
        _ if key.kind == KeyEventKind::Release => None,
        KeyCode::Char('c') if key.modifiers.contains(KeyModifiers::CONTROL) => {
            Some(Wish::Interrupt)
        }
        KeyCode::Char('q') => Some(Wish::Quit),
        _ => None,
    }
}

/// Three panels, one below the other: workers, moves under way, decisions.
fn draw(screen: &mut ratatui::Frame<'_>, frame: &Frame, said: &VecDeque<String>) {
    let height = |lines: usize| u16::try_from(lines).unwrap_or(u16::MAX);
    let parts = [
        Constraint::Length(height(frame.rows.len() + 5)),
        Constraint::Length(height(frame.moves.len().min(6) + 2)),
        Constraint::Min(3),
    ];
    let [workers, moves, decisions] = Layout::vertical(parts).areas(screen.area());
    let Frame { second, seconds, spread, .. } = frame;
    let title = format!(" live cluster: second {second} of {seconds}, spread {spread:.2} ");
    let block =
        Block::bordered().title(title.bold()).title(Line::from(" q quits ").right_aligned());
    let inside = block.inner(workers);
    screen.render_widget(block, workers);
    lanes(screen, frame, inside);

    let block = Block::bordered().title(format!(" moves under way: {} ", frame.moves.len()));
    let text: Vec<&str> = frame.moves.iter().map(String::as_str).collect();
    let text = Text::from(text.join("\n"));
    let inside = block.inner(moves);
    screen.render_widget(block, moves);
    screen.render_widget(text, inside);

    let block = Block::bordered().title(" decisions and events, newest first ");
    let inside = block.inner(decisions);
    screen.render_widget(block, decisions);
    let text: Text<'_> = said.iter().map(|it| Line::raw(it.as_str())).collect();
    screen.render_widget(Paragraph::new(text).wrap(Wrap { trim: false }), inside);
}

/// A heading, a line per worker, and the state of the whole below.
fn lanes(screen: &mut ratatui::Frame<'_>, frame: &Frame, area: Rect) {
    let columns = Layout::horizontal([
        Constraint::Length(4),
        Constraint::Length(13),
        Constraint::Length(5),
        Constraint::Fill(3),
        Constraint::Length(10),
        Constraint::Fill(2),
        Constraint::Length(5),
        Constraint::Fill(3),
    ])
    .spacing(1);
    let mut lines = area.rows();
    let Some(line) = lines.next() else { return };
    let headings = ["", "hardware", "cores", "processor", "", "memory", "", "tasks"];
    for (heading, cell) in headings.into_iter().zip(columns.areas::<8>(line)) {
        screen.render_widget(heading.dim(), cell);
    }
    for (row, line) in frame.rows.iter().zip(lines.by_ref()) {
        lane(screen, frame, row, columns.areas(line));
    }
    if let Some(line) = lines.next() {
        let rest = Rect { height: area.bottom() - line.y, ..line };
        screen
            .render_widget(Paragraph::new(frame.footer.as_str()).wrap(Wrap { trim: false }), rest);
    }
}

/// One worker. That it is above or below the thresholds is said in a word too, not in colour alone.
fn lane(screen: &mut ratatui::Frame<'_>, frame: &Frame, row: &Row, cells: [Rect; 8]) {
    let (low, high) = frame.thresholds;
    let (color, band) = match row.load {
        load if load > high => (Color::Red, "high"),
        load if load < low => (Color::Blue, "low"),
        _ => (Color::Green, ""),
    };
    let tasks: Vec<String> = row.tasks.iter().map(|task| format!("t{task}")).collect();
    let [name, hardware, cores, processor, load, memory, share, list] = cells;
    let parts = [
        (name, Line::from(format!("w{}", row.worker).bold())),
        (hardware, Line::raw(&row.hardware)),
        (cores, Line::raw(format!("{:5.2}", row.budget))),
        (processor, bar(row.load, processor.width, color, &[low, high])),
        (load, Line::raw(format!("{:3.0} % {band}", row.load * 100.0))),
        (memory, bar(row.memory(), memory.width, Color::Cyan, &[])),
        (share, Line::raw(format!("{:3.0} %", row.memory() * 100.0))),
        (list, Line::raw(tasks.join(" "))),
    ];
    for (cell, part) in parts {
        screen.render_widget(part, cell);
    }
}

/// A share as a bar, with marks where the thresholds are.
fn bar(share: f64, width: u16, color: Color, marks: &[f64]) -> Line<'static> {
    let end = f64::from(width);
    let is_at = |place: u16, mark: f64| {
        let left = f64::from(place);
        (left..left + 1.0).contains(&(mark * end))
    };
    let place = |place| match f64::from(place) + 0.5 < share * end {
        _ if marks.iter().any(|mark| is_at(place, *mark)) => Span::raw("│"),
        true => "█".fg(color),
        false => "░".dim(),
    };
    (0..width).map(place).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use ratatui::Terminal;
    use ratatui::backend::TestBackend;
    use ratatui::buffer::Cell;

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
        Frame {
            second: 7,
            seconds: 30,
            rows: vec![row(1, 1.0), row(2, 0.06), row(3, 0.5)],
            spread: 0.94,
            thresholds: (0.2, 0.85),
            moves: vec!["t8 w1 -> w2".to_owned()],
            footer: "uneven".to_owned(),
        }
    }

    /// The lines of a terminal of this size.
    fn drawn(width: u16, height: u16) -> Vec<String> {
        let mut terminal =
            Terminal::new(TestBackend::new(width, height)).expect("no terminal needed");
        let said = ["m0.1 t8 w1 -> w2: w1 at 0.999 above 0.850".to_owned()].into();
        terminal.draw(|screen| draw(screen, &frame(), &said)).expect("it draws");
        let buffer = terminal.backend().buffer();
        let cells: Vec<&str> = buffer.content().iter().map(Cell::symbol).collect();
        cells.chunks(usize::from(width)).map(<[&str]>::concat).collect()
    }

    #[test]
    fn every_worker_has_a_lane_and_every_decision_its_reason() {
        let lines = drawn(120, 24);
        let line =
            |part: &str| lines.iter().find(|line| line.contains(part)).cloned().unwrap_or_default();
        assert!(line("second 7 of 30, spread 0.94").contains("q quits"), "{lines:#?}");
        assert!(line("w1 ").contains("100 % high") && line("w1 ").contains(" 25 %"), "{lines:#?}");
        assert!(line("w2 ").contains("6 % low") && line("w2 ").contains("t1 t4"), "{lines:#?}");
        assert!(!line("w3 ").contains("high") && !line("w3 ").contains("low"), "{lines:#?}");
        assert!(!line("moves under way: 1").is_empty(), "{lines:#?}");
        assert!(lines.iter().any(|line| line.starts_with("│t8 w1 -> w2 ")), "{lines:#?}");
        assert!(line("m0.1").contains("w1 at 0.999 above 0.850"), "{lines:#?}");
    }

    #[test]
    fn a_terminal_of_any_size_will_do() {
        for (width, height) in [(1, 1), (20, 5), (40, 60), (300, 3)] {
            assert_eq!(drawn(width, height).len(), usize::from(height));
        }
    }

    #[test]
    fn a_bar_is_as_full_as_the_share_and_marks_the_thresholds() {
        let text = |share, marks: &[f64]| bar(share, 10, Color::Green, marks).to_string();
        assert_eq!(text(0.5, &[]), "█████░░░░░");
        assert_eq!(text(3.0, &[0.2, 0.85]), "██│█████│█");
        assert_eq!(text(0.0, &[0.2, 0.85]), "░░│░░░░░│░");
    }

    #[test]
    fn q_quits_and_ctrl_c_interrupts() {
        let key = |code, modifiers| wish(KeyEvent::new(KeyCode::Char(code), modifiers));
        assert_eq!(key('q', KeyModifiers::NONE), Some(Wish::Quit));
        assert_eq!(key('c', KeyModifiers::CONTROL), Some(Wish::Interrupt));
        assert_eq!(key('c', KeyModifiers::NONE), None);
    }
}
