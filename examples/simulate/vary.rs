//! Does `default` stay ahead of `fixed-best` when a physical constant is half or double of what it is?

use std::fmt::Write as _;

use evenkeel::sim::{Metric, Overcommit, Scenario};

use crate::Report;
use crate::figures::{figure, median, number};
use crate::options::Options;
use crate::policies::{Balancers, Kind};
use crate::runs::{self, Cell};
use crate::scenarios::Named;
use crate::table::aligned;

/// Multiplies one constant.
type Change = fn(&mut Scenario, f64);

/// Shares stay at most 1.
fn share(value: &mut f64, factor: f64) {
    *value = (*value * factor).min(1.0);
}

fn both(range: &mut [f64; 2], factor: f64) {
    range.iter_mut().for_each(|value| *value *= factor);
}

const CONSTANTS: [(&str, Change); 15] = [
    ("migration.checkpoint_gib", |it, by| it.migration.checkpoint_gib *= by),
    ("migration.link_share", |it, by| share(&mut it.migration.link_share, by)),
    ("migration.restart", |it, by| it.migration.restart *= by),
    ("migration.failures", |it, by| share(&mut it.migration.failures, by)),
    ("telemetry.interval", |it, by| it.telemetry.interval *= by),
    ("telemetry.delay", |it, by| both(&mut it.telemetry.delay, by)),
    ("telemetry.noise", |it, by| it.telemetry.noise *= by),
    ("physics.heat_seconds", |it, by| it.physics.heat_seconds *= by),
    ("physics.throttle_speed", |it, by| share(&mut it.physics.throttle_speed, by)),
    ("physics.memory.slows", |it, by| {
        if let Overcommit::Slows(speed) = &mut it.physics.memory {
            share(speed, by);
        }
    }),
    ("tasks.state_share", |it, by| {
        it.tasks.state_share.iter_mut().for_each(|end| share(end, by));
    }),
    ("tasks.noise", |it, by| it.tasks.noise *= by),
    ("tasks.noise_seconds", |it, by| it.tasks.noise_seconds *= by),
    ("tasks.restart", |it, by| share(&mut it.tasks.restart, by)),
    ("tasks.checkpoint_seconds", |it, by| it.tasks.checkpoint_seconds *= by),
];

/// One constant at one factor, or everything as it is.
struct Variation {
    constant: &'static str,
    factor: f64,
    change: Option<Change>,
}

fn variations() -> Vec<Variation> {
    let mut all = vec![Variation { constant: "as it is", factor: 1.0, change: None }];
    for (constant, change) in CONSTANTS {
        let at = |factor| Variation { constant, factor, change: Some(change) };
        all.extend([0.5, 2.0].map(at));
    }
    all
}

impl Variation {
    fn apply(&self, named: &Named) -> Named {
        let mut named = named.clone();
        if let Some(change) = self.change {
            change(&mut named.scenario, self.factor);
        }
        named
    }
}

/// Runs every cell under every variation.
pub(crate) fn vary(
    options: &Options,
    cells: &[Cell<'_>],
    who: &Balancers,
) -> Result<Report, String> {
    let variations = variations();
    let changed = |cell: &Cell<'_>| variations.iter().map(|it| it.apply(cell.named)).collect();
    let changed: Vec<Vec<Named>> = cells.iter().map(changed).collect();
    let varied = cells.iter().zip(&changed).flat_map(|(cell, changed)| {
        changed.iter().map(|named| Cell { named, size: cell.size, cluster: cell.cluster })
    });
    let varied: Vec<Cell<'_>> = varied.collect();
    let mut kinds = vec![Kind::FixedBest, Kind::Default];
    if cells.iter().any(|cell| cell.own() == Metric::Thrash) {
        kinds.push(Kind::None);
    }
    let outcomes = runs::run(&varied, &kinds, &options.seeds(), who, None)?;
    let (mut text, mut behind) = (String::new(), 0);
    for (which, cell) in cells.iter().enumerate() {
        let first = which * variations.len();
        let figures = |number| {
            [Kind::FixedBest, Kind::Default].map(|kind| {
                median(&runs::of(&outcomes, first + number, kind), |run| run.get(cell.own()))
            })
        };
        let figures: Vec<_> = (0..variations.len()).map(figures).collect();
        behind += table(&mut text, cell, &variations, &figures);
    }
    let all = variations.len() * cells.len();
    let _ = writeln!(text, "default is behind fixed-best in {behind} of {all} variations");
    Ok(Report { text, holds: behind == 0 })
}

/// Shows one cell and counts the variations in which `default` is behind.
fn table(
    text: &mut String,
    cell: &Cell<'_>,
    variations: &[Variation],
    figures: &[[Option<f64>; 2]],
) -> usize {
    let about = figure(cell.own());
    let _ = writeln!(text, "{cell}: {}; {}.", about.says, about.direction());
    let heads = ["constant", "times", "fixed-best", "default", "/ fixed-best", "default is"];
    let mut lines = vec![heads.map(str::to_owned).to_vec()];
    let mut behind = 0;
    for (variation, [best, ours]) in variations.iter().zip(figures) {
        let gain = best.zip(*ours).map(|(best, ours)| about.gain(best, ours));
        let rank = match gain {
            Some(gain) if gain > 0.0 => "ahead",
            Some(gain) if gain >= 0.0 => "equal",
            Some(_) => "BEHIND",
            None => "-",
        };
        behind += usize::from(gain.is_some_and(|gain| gain < 0.0));
        let ratio = best.zip(*ours).filter(|(best, _)| *best > 0.0).map(|(best, it)| it / best);
        lines.push(vec![
            variation.constant.to_owned(),
            variation.factor.to_string(),
            number(*best, about.decimals),
            number(*ours, about.decimals),
            number(ratio, 2),
            rank.to_owned(),
        ]);
    }
    let _ = writeln!(text, "{}", aligned(&lines));
    behind
}
