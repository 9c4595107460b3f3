//! A story's text: read into blocks, played, and written again with what the engine says now.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use super::commands::Line;
use super::must::judge;
use super::world::World;

/// Between a block's commands and what they print.
const RULE: &str = "----";

/// What came of a story.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Played {
    /// The story with what the engine says now.
    pub text: String,
    /// Claims that do not hold, checks that fail, unknown words: faults that rewriting cannot mend.
    pub faults: Vec<Fault>,
    /// Where the engine says something else than the story expects.
    pub changes: Vec<Change>,
    /// How many rounds and reports the engine was given.
    pub inputs: usize,
    /// How long the rounds were, as JSON.
    pub bytes: usize,
}

/// Something wrong with a story, and the line that shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Fault {
    /// Counted from 1.
    pub line: usize,
    /// What is wrong.
    pub what: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.line, self.what)
    }
}

/// A block that no longer prints what it did.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Change {
    /// The first line of what was expected, counted from 1.
    pub line: usize,
    /// Line by line: `-` expected, `+` said now.
    pub diff: String,
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: the engine says something else\n{}", self.line, self.diff)
    }
}

/// Plays a story.
///
/// ```
/// use evenkeel::testkit::scenario::play;
/// let played = play(
///     "workers
///   w1 load=0.95
///   w2 load=0.10
/// tasks
///   t1 on=w1 cpu=4
/// tick at=30s
///   must move t1 -> w2
/// ",
/// );
/// assert!(played.faults.is_empty());
/// assert!(played.text.contains("m0.1 t1 w1 -> w2: w1 at 0.950 above 0.850"));
/// ```
pub fn play(text: &str) -> Played {
    let mut played = Played::default();
    let mut world = match World::new() {
        Ok(world) => world,
        Err(what) => {
            played.faults.push(Fault { line: 1, what });
            return played;
        }
    };
    let mut stopped = false;
    for part in parts(text) {
        match part {
            Part::Prose(line) => played.line(line),
            Part::Block(block) if stopped => played.keep(&block),
            Part::Block(block) => stopped = !played.block(&mut world, &block),
        }
    }
    (played.inputs, played.bytes) = (world.inputs, world.bytes);
    played
}

/// A line that is copied, or a block that is played.
enum Part<'a> {
    Prose(&'a str),
    Block(Block<'a>),
}

struct Block<'a> {
    /// Number of its first line.
    start: usize,
    input: Vec<&'a str>,
    /// None: there is no rule yet.
    expected: Option<Vec<&'a str>>,
}

fn parts(text: &str) -> Vec<Part<'_>> {
    let mut parts = Vec::new();
    let mut lines = text.lines().enumerate().peekable();
    while let Some((index, line)) = lines.next() {
        if line.trim().is_empty() || line.starts_with('#') {
            parts.push(Part::Prose(line));
            continue;
        }
        let mut block = Block { start: index + 1, input: alloc::vec![line], expected: None };
        while let Some((_, line)) = lines.next_if(|(_, line)| !line.trim().is_empty()) {
            match &mut block.expected {
                Some(expected) => expected.push(line),
                None if line == RULE => block.expected = Some(Vec::new()),
                None => block.input.push(line),
            }
        }
        parts.push(Part::Block(block));
    }
    parts
}

impl Block<'_> {
    /// Its command lines, each with what is indented under it.
    fn commands(&self) -> Result<Vec<Line<'_>>, Fault> {
        let mut commands: Vec<Line<'_>> = Vec::new();
        for (number, line) in (self.start..).zip(&self.input) {
            let text = line.trim();
            if text.starts_with('#') {
                continue;
            }
            let claim = text.strip_prefix("must ");
            if claim.is_none() && !line.starts_with(' ') {
                let (records, claims) = (Vec::new(), Vec::new());
                commands.push(Line { number, text, records, claims });
                continue;
            }
            let Some(command) = commands.last_mut() else {
                return Err(Fault { line: number, what: "no command stands above this".into() });
            };
            match claim {
                Some(claim) => command.claims.push((number, claim)),
                None => command.records.push((number, text)),
            }
        }
        Ok(commands)
    }
}

impl Played {
    fn line(&mut self, line: &str) {
        self.text.push_str(line);
        self.text.push('\n');
    }

    fn lines(&mut self, lines: &[impl AsRef<str>]) {
        for line in lines {
            self.line(line.as_ref());
        }
    }

    /// Copies a block as it is.
    fn keep(&mut self, block: &Block<'_>) {
        self.lines(&block.input);
        if let Some(expected) = &block.expected {
            self.line(RULE);
            self.lines(expected);
        }
    }

    /// Plays a block; whether the story can go on.
    fn block(&mut self, world: &mut World, block: &Block<'_>) -> bool {
        match self.run(world, block) {
            Ok(said) => {
                self.compare(block, &said);
                self.lines(&block.input);
                self.line(RULE);
                self.lines(&said);
                true
            }
            Err(fault) => {
                self.faults.push(fault);
                self.keep(block);
                false
            }
        }
    }

    /// Runs the commands of a block and judges the claims about them.
    fn run(&mut self, world: &mut World, block: &Block<'_>) -> Result<Vec<String>, Fault> {
        let mut said = Vec::new();
        for command in block.commands()? {
            let heard = world.run(&command).map_err(|(line, what)| Fault { line, what })?;
            let line = command.number;
            let found = heard.faults.iter().map(|what| Fault { line, what: what.clone() });
            self.faults.extend(found);
            for (line, claim) in &command.claims {
                if let Err(why) = judge(claim, &heard) {
                    let what = format!("must {claim}: {why}");
                    self.faults.push(Fault { line: *line, what });
                }
            }
            said.extend(heard.said);
        }
        Ok(said)
    }

    fn compare(&mut self, block: &Block<'_>, said: &[String]) {
        let expected = block.expected.clone().unwrap_or_default();
        if expected.iter().eq(said.iter()) {
            return;
        }
        let line = block.start + block.input.len() + 1;
        self.changes.push(Change { line, diff: diff(&expected, said) });
    }
}

/// So many pairs of lines are compared at most: their table is in memory.
const MOST_COMPARED: usize = 4_000_000;

/// Both texts line by line, by their longest common subsequence; one after the other if they are too long for that.
fn diff(expected: &[&str], said: &[String]) -> String {
    let (rows, columns) = (expected.len(), said.len());
    if rows.saturating_mul(columns) > MOST_COMPARED {
        let expected = expected.iter().map(|line| format!("- {line}"));
        let lines: Vec<String> =
            expected.chain(said.iter().map(|line| format!("+ {line}"))).collect();
        return lines.join("\n");
    }
    let mut common = alloc::vec![alloc::vec![0_usize; columns + 1]; rows + 1];
    for row in (0..rows).rev() {
        for column in (0..columns).rev() {
            common[row][column] = if expected[row] == said[column] {
                common[row + 1][column + 1] + 1
            } else {
                common[row + 1][column].max(common[row][column + 1])
            };
        }
    }
    let (mut row, mut column, mut lines) = (0, 0, Vec::new());
    while row < rows || column < columns {
        if row < rows && column < columns && expected[row] == said[column] {
            lines.push(format!("  {}", expected[row]));
            (row, column) = (row + 1, column + 1);
        } else if column == columns
            || (row < rows && common[row + 1][column] >= common[row][column + 1])
        {
            lines.push(format!("- {}", expected[row]));
            row += 1;
        } else {
            lines.push(format!("+ {}", said[column]));
            column += 1;
        }
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    const STORY: &str = "# Prose.

workers
  w1 load=0.95
  w2 load=0.1
tasks
  t1 on=w1 cpu=4
tick at=30s
  must move t1 -> w2
";

    #[test]
    fn what_was_written_down_plays_again_without_a_change() {
        let first = play(STORY);
        assert!(first.faults.is_empty());
        assert_eq!((first.changes.len(), first.inputs), (1, 1));
        let again = play(&first.text);
        assert!(again.changes.is_empty());
        assert_eq!(again.text, first.text);
    }

    #[test]
    fn a_claim_that_does_not_hold_is_a_fault_and_is_not_rewritten() {
        let story = STORY.replace("-> w2", "-> w9");
        let played = play(&story);
        assert_eq!(played.faults[0].to_string(), "9: must move t1 -> w9: it is not so");
        assert!(played.text.contains("  must move t1 -> w9\n----"));
        let denied = play(&STORY.replace("must move", "must not move"));
        assert_eq!(denied.faults.len(), 1);
    }

    #[test]
    fn unknown_words_are_errors_with_their_line() {
        for (from, to, fault) in [
            ("load=0.1", "lode=0.1", "5: unknown word `lode` in a worker"),
            ("tick", "tock", "8: unknown word `tock` in a story"),
            ("must move", "must wove", "9: must wove t1 -> w2: unknown word `wove t1 -> w2`"),
            ("cpu=4", "cpu=four", "7: `four`: invalid float literal"),
            (
                "tick at",
                "ticks to=90071992547h every=30s from",
                "8: one line has at most 10000 ticks",
            ),
            (
                "tick at",
                "ticks to=30h every=0.1ms from",
                "8: ticks go from a moment to a later one",
            ),
        ] {
            let played = play(&STORY.replace(from, to));
            let found = played.faults[0].to_string();
            assert!(found.starts_with(fault), "{found}");
        }
    }

    #[test]
    fn long_texts_are_shown_one_after_the_other() {
        let (expected, said) =
            (alloc::vec!["same"; 3_000], alloc::vec![String::from("same"); 3_000]);
        let diff = diff(&expected, &said);
        assert!(diff.starts_with("- same\n") && diff.ends_with("\n+ same"));
    }

    #[test]
    fn a_change_shows_what_was_expected_and_what_is_said() {
        let expected = play(STORY).text.replace("w1 at 0.950 above", "w1 at 0.990 above");
        let played = play(&expected);
        assert_eq!(played.changes.len(), 1);
        let diff = &played.changes[0].diff;
        assert!(diff.contains("- command    m0.1 t1 w1 -> w2: w1 at 0.990 above 0.850"));
        assert!(diff.contains("+ command    m0.1 t1 w1 -> w2: w1 at 0.950 above 0.850"));
    }
}
