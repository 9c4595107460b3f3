//! Migrations over time, and how many of them succeeded.

use crate::draw::{Axis, Figure, Ink, Key, Mark, Panel, Picture, Swatch, Ticks, Tip};
use crate::log::Log;
use crate::scale::grouped;
use crate::series::{Bin, bins, clock, highest, time_axis};

pub(super) fn picture(log: &Log) -> Result<Picture, &'static str> {
    let all = Bin { rounds: &log.rounds, from: log.begin(), to: log.end() };
    let (completed, failed) = (all.sum(|it| it.completed), all.sum(|it| it.failed));
    let initiated = all.sum(|it| it.initiated);
    if completed + failed + initiated == 0 {
        return Err("No migration was begun.");
    }
    let bins = bins(log);
    let mut picture = Picture::new(
        "success",
        "Migrations and their success",
        "Upwards what completed, downwards what ended otherwise. Below: the share that completed, since the begin.",
    );
    picture.panels = vec![counts(log, &bins), rate(log, &bins)];
    picture.figures = vec![
        Figure::count("begun", initiated),
        Figure::count("completed", completed),
        Figure::count("ended otherwise", failed),
    ];
    if completed + failed > 0 {
        picture
            .figures
            .push(Figure::share("success", completed as f64 / (completed + failed) as f64));
    }
    Ok(picture)
}

fn counts(log: &Log, bins: &[Bin<'_>]) -> Panel {
    let bar = |bin: &Bin<'_>, good: bool| {
        let count = if good { bin.sum(|it| it.completed) } else { bin.sum(|it| it.failed) };
        let (ink, series) =
            if good { (Ink::Main, "completed") } else { (Ink::Warn, "ended otherwise") };
        let text = format!("{}\n{} {series}", clock(log, bin.from), grouped(count));
        let height = if good { count as f64 } else { -(count as f64) };
        let (x, tip) = ((bin.from, bin.to), Tip { text, count, task: None });
        (count > 0).then_some(Mark::Bar { ink, x, y: (0.0, height), pad: 0.5, series, tip })
    };
    let most = |count: fn(&evenkeel::shell::run_log::RoundLine) -> u64| {
        highest(bins.iter().map(|bin| bin.sum(count) as f64), 1.0)
    };
    Panel {
        height: 206.0,
        x: Axis { label: "", ..time_axis(log) },
        y: Axis::new(Ticks::Count, -most(|it| it.failed), most(|it| it.completed), "migrations"),
        keys: vec![
            Key { swatch: Swatch::Fill(Ink::Main), text: "completed" },
            Key { swatch: Swatch::Fill(Ink::Warn), text: "ended otherwise" },
        ],
        marks: bins.iter().flat_map(|bin| [bar(bin, true), bar(bin, false)]).flatten().collect(),
    }
}

fn rate(log: &Log, bins: &[Bin<'_>]) -> Panel {
    let (mut completed, mut ended) = (0, 0);
    let (mut points, mut strips) = (Vec::new(), Vec::new());
    for bin in bins {
        completed += bin.sum(|it| it.completed);
        ended += bin.sum(|it| it.completed + it.failed);
        if ended > 0 {
            let share = completed as f64 / ended as f64;
            points.push((bin.to, share));
            let text = format!(
                "{}\n{completed} of {ended} completed, {:.1} %",
                clock(log, bin.to),
                share * 100.0
            );
            strips.push(Mark::Strip { x: (bin.from, bin.to), text });
        }
    }
    let mut marks = vec![Mark::Line { ink: Ink::Main, points, stairs: true }];
    marks.append(&mut strips);
    Panel {
        height: 80.0,
        x: time_axis(log),
        y: Axis::new(Ticks::Share, 0.0, 1.0, "success"),
        keys: Vec::new(),
        marks,
    }
}
