//! Cost and benefit of every candidate, chosen or not.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use evenkeel::shell::run_log::CandidateLine;

use crate::draw::{Axis, Figure, Ink, Key, Mark, Panel, Picture, Shape, Swatch, Ticks, Tip};
use crate::log::Log;
use crate::scale::grouped;
use crate::series::highest;

/// Candidates that fall into the same cell of such a grid share a dot.
const GRID: (f64, f64) = (72.0, 48.0);

/// What became of a candidate, in the order in which they are drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Fate {
    Refused,
    Passed,
    Chosen,
}

impl Fate {
    fn of(candidate: &CandidateLine) -> Self {
        match (candidate.taken, &candidate.refused) {
            (true, _) => Self::Chosen,
            (false, Some(_)) => Self::Refused,
            (false, None) => Self::Passed,
        }
    }

    const fn look(self) -> (Ink, Shape, &'static str) {
        match self {
            Self::Chosen => (Ink::Main, Shape::Disc, "chosen"),
            Self::Passed => (Ink::Faint, Shape::Diamond, "another worker was chosen"),
            Self::Refused => (Ink::Warn, Shape::Ring, "refused"),
        }
    }
}

/// The candidates of one dot.
#[derive(Default)]
struct Dot {
    count: u64,
    cost: f64,
    benefit: f64,
    reasons: BTreeMap<String, u64>,
}

pub(super) fn picture(log: &Log) -> Result<Picture, &'static str> {
    if log.candidates().next().is_none() {
        return Err("No pair of task and worker was scored.");
    }
    let bounds = |value: fn(&CandidateLine) -> f64| {
        (
            log.candidates().map(value).fold(0.0, f64::min),
            highest(log.candidates().map(value), 1e-6),
        )
    };
    let (costs, benefits) = (bounds(|it| it.cost), bounds(|it| it.benefit));
    let cell = |value: f64, (from, to): (f64, f64), cells: f64| {
        ((value - from) / (to - from) * cells) as u32
    };
    let mut dots: BTreeMap<(Fate, u32, u32), Dot> = BTreeMap::new();
    let mut totals: BTreeMap<Fate, u64> = BTreeMap::new();
    for candidate in log.candidates() {
        let fate = Fate::of(candidate);
        *totals.entry(fate).or_default() += 1;
        let place =
            (cell(candidate.cost, costs, GRID.0), cell(candidate.benefit, benefits, GRID.1));
        let dot = dots.entry((fate, place.0, place.1)).or_default();
        dot.count += 1;
        dot.cost += candidate.cost;
        dot.benefit += candidate.benefit;
        if let Some(reason) = &candidate.refused {
            *dot.reasons.entry(reason.to_string()).or_default() += 1;
        }
    }
    let even = (costs.0.max(benefits.0), costs.1.min(benefits.1));
    let diagonal = vec![(even.0, even.0), (even.1, even.1)];
    let mut marks = vec![Mark::Line { ink: Ink::Guide, points: diagonal, stairs: false }];
    marks.extend(dots.iter().map(|((fate, ..), dot)| mark(*fate, dot)));

    let mut picture = Picture::new(
        "cost",
        "Cost and benefit of every candidate",
        "Pairs of task and worker that were scored; of a round with very many, those chosen and a sample. Above the \
         line, the move is worth more than it costs; what is refused there, another rule refuses. Larger marks are \
         several pairs.",
    );
    let key = |fate: Fate| {
        let (ink, shape, text) = fate.look();
        Key { swatch: Swatch::Dot(ink, shape), text }
    };
    picture.panels = vec![Panel {
        height: 300.0,
        x: Axis::new(Ticks::Number, costs.0, costs.1, "cost, in points"),
        y: Axis::new(Ticks::Number, benefits.0, benefits.1, "benefit, in points"),
        keys: [Fate::Chosen, Fate::Refused, Fate::Passed].map(key).into(),
        marks,
    }];
    let count = |name, fate| Figure::count(name, totals.get(&fate).copied().unwrap_or(0));
    picture.figures = vec![
        Figure::count("scored", log.rounds.iter().map(|round| u64::from(round.scored)).sum()),
        Figure::count("shown", totals.values().sum()),
        count("chosen", Fate::Chosen),
        count("refused", Fate::Refused),
        count("another worker was chosen", Fate::Passed),
    ];
    Ok(picture)
}

fn mark(fate: Fate, dot: &Dot) -> Mark {
    let (ink, shape, series) = fate.look();
    let at = (dot.cost / dot.count as f64, dot.benefit / dot.count as f64);
    let mut text =
        format!("{} {series}\ncost {:.2}, benefit {:.2}", grouped(dot.count), at.0, at.1);
    for (reason, count) in &dot.reasons {
        let _ = write!(text, "\n{reason}: {}", grouped(*count));
    }
    let radius = 2.6 + 1.1 * (dot.count as f64).ln().min(5.0);
    Mark::Dot { ink, shape, at, radius, series, tip: Tip { text, count: dot.count, task: None } }
}
