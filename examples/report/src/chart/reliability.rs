//! Whether forecasts hold as often as they claim.

use evenkeel::outcome::WorkerForecast;

use super::forecast::holds;
use crate::draw::{Axis, Figure, Ink, Key, Mark, Panel, Picture, Shape, Swatch, Ticks, Tip};
use crate::log::Log;
use crate::scale::grouped;

/// Classes of confidence.
const CLASSES: usize = 10;

/// The forecasts of one class.
#[derive(Clone, Copy, Default)]
struct Class {
    count: u64,
    held: u64,
    claimed: f64,
}

impl Class {
    fn at(&self) -> (f64, f64) {
        (self.claimed / self.count as f64, self.held as f64 / self.count as f64)
    }
}

pub(super) fn picture(log: &Log) -> Result<Picture, &'static str> {
    let mut classes = [Class::default(); CLASSES];
    for judged in log.judged() {
        let class = &mut classes[((judged.confidence * CLASSES as f64) as usize).min(CLASSES - 1)];
        class.count += 1;
        class.held += u64::from(holds(judged));
        class.claimed += judged.confidence;
    }
    let total: u64 = classes.iter().map(|it| it.count).sum();
    if total == 0 {
        return Err("No forecast came due.");
    }
    let filled: Vec<&Class> = classes.iter().filter(|it| it.count > 0).collect();
    let dots = filled.iter().map(|class| {
        let (claimed, held) = class.at();
        let (claimed, held) = (claimed * 100.0, held * 100.0);
        let text = format!(
            "{} forecasts\nconfidence {claimed:.0} %\nheld {held:.1} %",
            grouped(class.count)
        );
        let radius = 4.0 + 8.0 * (class.count as f64 / total as f64).sqrt();
        let tip = Tip { text, count: class.count, task: None };
        Mark::Dot {
            ink: Ink::Main,
            shape: Shape::Disc,
            at: class.at(),
            radius,
            series: "forecasts",
            tip,
        }
    });
    let level = WorkerForecast::LEVEL;
    let rule =
        |ink, from, to| Mark::Line { ink, points: vec![(0.0, from), (1.0, to)], stairs: false };
    let mut marks = vec![rule(Ink::Guide, 0.0, 1.0), rule(Ink::Calm, level, level)];
    let curve = filled.iter().map(|class| class.at()).collect();
    marks.push(Mark::Line { ink: Ink::Main, points: curve, stairs: false });
    marks.extend(dots);

    let mut picture = Picture::new(
        "reliability",
        "Reliability of forecasts",
        "How often the load fell into the interval, by how confident the forecast was. On the level line the \
         interval keeps its claim; below the diagonal, the confidence was a boast.",
    );
    picture.panels = vec![Panel {
        height: 300.0,
        x: Axis::new(Ticks::Share, 0.0, 1.0, "confidence"),
        y: Axis::new(Ticks::Share, 0.0, 1.0, "held"),
        keys: vec![
            Key { swatch: Swatch::Line(Ink::Calm), text: "the interval's claim" },
            Key { swatch: Swatch::Line(Ink::Guide), text: "held as often as confident" },
        ],
        marks,
    }];
    let held: u64 = classes.iter().map(|it| it.held).sum();
    picture.figures = vec![
        Figure::count("forecasts that came due", total),
        Figure::count("held", held),
        Figure::share("share that held", held as f64 / total as f64),
    ];
    Ok(picture)
}
