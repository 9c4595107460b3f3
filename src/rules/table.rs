//! Which rule holds for which purpose, and in which preset? Prints the table of rules.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::Write as _;

use super::rule::{Asked, Depth, Purposes, Rule, Section};
use super::{BUDGET, EFFECT, JOIN, PAIR, PAYBACK, TARGET, TASK, VARIANT, WORTH};
use crate::config::Config;
use crate::outcome::Purpose;

/// One line of the table.
struct Line {
    depth: Depth,
    name: &'static str,
    holds_for: Purposes,
    section: Section,
    asked: Asked,
}

/// The table as Markdown.
pub(crate) fn table() -> String {
    let presets = [
        ("default", Config::default()),
        ("reference", Config::reference()),
        ("fixed", Config::fixed()),
    ];
    let mut text = String::from("| depth | rule |");
    for purpose in Purpose::ALL {
        let _ = write!(text, " {purpose} |");
    }
    text.push_str(" section | asked |");
    for (name, _) in &presets {
        let _ = write!(text, " {name} |");
    }
    text.push('\n');
    text.push_str(&"|---".repeat(4 + Purpose::ALL.len() + presets.len()));
    text.push_str("|\n");
    for line in lines() {
        let _ = write!(text, "| {} | {} |", depth(line.depth), line.name);
        for purpose in Purpose::ALL {
            text.push_str(if line.holds_for.contains(purpose) { " x |" } else { " |" });
        }
        let _ = write!(text, " {} | {} |", section(line.section), asked(line.asked));
        for (_, config) in &presets {
            text.push_str(if line.section.is_on(config) { " x |" } else { " |" });
        }
        text.push('\n');
    }
    text
}

fn lines() -> Vec<Line> {
    let mut lines = Vec::new();
    collect(&mut lines, Depth::Task, TASK);
    collect(&mut lines, Depth::Target, TARGET);
    collect(&mut lines, Depth::Pair, PAIR);
    collect(&mut lines, Depth::Variant, VARIANT);
    collect(&mut lines, Depth::Join, JOIN);
    collect(&mut lines, Depth::Effect, EFFECT);
    collect(&mut lines, Depth::Payback, PAYBACK);
    collect(&mut lines, Depth::Worth, WORTH);
    collect(&mut lines, Depth::Budget, BUDGET);
    lines
}

fn collect<F>(lines: &mut Vec<Line>, depth: Depth, rules: &[Rule<F>]) {
    lines.extend(rules.iter().map(|rule| {
        let Rule { name, holds_for, section, asked, .. } = *rule;
        Line { depth, name, holds_for, section, asked }
    }));
}

const fn depth(depth: Depth) -> &'static str {
    match depth {
        Depth::Task => "task",
        Depth::Target => "target",
        Depth::Pair => "pair",
        Depth::Variant => "variant",
        Depth::Join => "join",
        Depth::Effect => "effect",
        Depth::Payback => "payback",
        Depth::Worth => "worth",
        Depth::Budget => "budget",
    }
}

const fn section(section: Section) -> &'static str {
    match section {
        Section::Always => "always",
        Section::Scope => "`scope`",
        Section::Stability => "`stability`",
        Section::CostBenefit => "`cost_benefit`",
        Section::Transfer => "`transfer`",
        Section::Migration => "`migration`",
        Section::Fairness => "`migration.fairness`",
    }
}

const fn asked(asked: Asked) -> &'static str {
    match asked {
        Asked::Once => "of candidates",
        Asked::Again => "of candidates, and when taken",
        Asked::WhenTaken => "when taken",
        Asked::AfterOthers => "after other moves",
    }
}
