//! A picture as SVG, at a given width: for the page, where the page's style sheet colours it, or as a file that
//! brings its own.

use std::fmt::Write as _;

use crate::cells;
use crate::draw::{Axis, Cells, Ink, Key, Mark, Panel, Picture, Shape, Swatch, Ticks, Tip};
use crate::paint;
use crate::scale::{self, Scale};

/// The style of marks and text, for pages and files alike.
pub(crate) const STYLE: &str = include_str!("picture.css");

/// Pixels between two lines of text, and a letter's mean width.
const LINE: f64 = 20.0;
const LETTER: f64 = 6.6;

/// Pixels of air around a picture in a file.
const AIR: f64 = 12.0;

/// A rectangle of pixels.
#[derive(Clone, Copy)]
struct Frame {
    left: f64,
    top: f64,
    right: f64,
    bottom: f64,
}

/// A picture for the page.
pub(crate) fn inline(picture: &Picture, width: f64, class: &str) -> String {
    let (body, height) = body(picture, width, 0.0);
    format!(
        "<svg class=\"picture {class}\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" height=\"{height}\" \
         role=\"img\" tabindex=\"0\" aria-label=\"{}\">{body}</svg>",
        escape(&spoken(picture))
    )
}

/// A picture as a file of its own, with its title and the name of the run.
pub(crate) fn file(picture: &Picture, run: &str, width: f64) -> String {
    let (body, height) = body(picture, width, 60.0);
    let (broad, tall) = (width + 2.0 * AIR, height + AIR);
    let style = paint::spelled_out(&format!("{STYLE}{}", paint::rules()));
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"-{AIR} 0 {broad} {tall}\" width=\"{broad}\" \
         height=\"{tall}\" role=\"img\"><style>{style}</style><rect class=\"paper\" x=\"-{AIR}\" width=\"{broad}\" \
         height=\"{tall}\"/><text class=\"title\" x=\"4\" y=\"30\">{}</text><text class=\"tx\" x=\"4\" \
         y=\"49\">{}</text>{body}</svg>\n",
        escape(&picture.title),
        escape(run),
    )
}

/// What a screen reader says of a picture: its title and its figures.
fn spoken(picture: &Picture) -> String {
    let figures = picture.figures.iter().map(|it| format!("; {}: {}", it.name, it.text));
    figures.fold(picture.title.clone(), |text, figure| text + &figure)
}

/// The panels, one below the other, and the height that they take.
fn body(picture: &Picture, width: f64, mut top: f64) -> (String, f64) {
    let mut out = String::new();
    let left = picture.panels.iter().map(|panel| margin(&panel.y)).fold(0.0, f64::max);
    let right = width - picture.panels.iter().map(|panel| overhang(&panel.x)).fold(18.0, f64::max);
    for panel in &picture.panels {
        top = head(&mut out, panel, width, top) + 8.0;
        let frame = Frame { left, top, right, bottom: top + panel.height };
        plot(&mut out, panel, frame);
        top = frame.bottom + if panel.x.label.is_empty() { 30.0 } else { 44.0 };
    }
    (out, top)
}

/// Room for the names along an axis of y.
fn margin(axis: &Axis) -> f64 {
    let ticks = scale::ticks(&scale::rounded(axis, 6), 12);
    let longest = ticks.iter().map(|it| it.1.chars().count()).max().unwrap_or(0);
    (longest as f64 * LETTER + 16.0).clamp(34.0, 190.0)
}

/// Room for the half of the last name along an axis of x.
fn overhang(axis: &Axis) -> f64 {
    let ticks = scale::ticks(&scale::rounded(axis, 6), 6);
    let longest = ticks.iter().map(|it| it.1.chars().count()).max().unwrap_or(0);
    longest as f64 * LETTER / 2.0 + 4.0
}

/// What the axis of y is, and the key; lines are broken where the width asks for it.
fn head(out: &mut String, panel: &Panel, width: f64, top: f64) -> f64 {
    let mut y = top + 14.0;
    let _ = write!(
        out,
        "<text class=\"tx b\" x=\"4\" y=\"{}\">{}</text>",
        px(y),
        escape(panel.y.label)
    );
    let mut x = 4.0 + panel.y.label.chars().count() as f64 * LETTER + 22.0;
    for key in &panel.keys {
        let room = key.text.chars().count() as f64 * LETTER + 26.0 + key.swatch.width();
        if x + room > width && x > 4.0 {
            (x, y) = (4.0, y + LINE);
        }
        swatch(out, key, (x, y), field_of(panel));
        x += room;
    }
    y + 6.0
}

impl Swatch {
    fn width(&self) -> f64 {
        match self {
            Self::Line(_) => 20.0,
            Self::Fill(_) | Self::Dot(..) => 12.0,
            Self::Scale => 150.0,
        }
    }
}

fn swatch(out: &mut String, key: &Key, (x, y): (f64, f64), field: Option<&Cells>) {
    let middle = y - 4.0;
    match key.swatch {
        Swatch::Line(ink) => path(out, "l", ink, &format!("M{} {}h20", px(x), px(middle)), ""),
        Swatch::Fill(ink) => {
            path(out, "f", ink, &format!("M{} {}h12v10h-12z", px(x), px(middle - 5.0)), "");
        }
        Swatch::Dot(ink, shape) => dot(out, ink, shape, (x + 6.0, middle), 4.5, ""),
        Swatch::Scale => {
            let _ = write!(out, "<text class=\"tx\" x=\"{}\" y=\"{}\">0</text>", px(x), px(y));
            cells::scale_image(out, (x + 12.0, middle - 6.0), 100.0, 12.0);
            let top = field.map_or(0.0, |field| field.top) * 100.0;
            let more = if field.is_some_and(Cells::is_exceeded) { " and more" } else { "" };
            let (x, y) = (px(x + 117.0), px(y));
            let _ = write!(out, "<text class=\"tx\" x=\"{x}\" y=\"{y}\">{top:.0} %{more}</text>");
        }
    }
    let (x, text) = (x + key.swatch.width() + 6.0, escape(key.text));
    let _ = write!(out, "<text class=\"tx\" x=\"{}\" y=\"{}\">{text}</text>", px(x), px(y));
}

/// The cells in a panel, if it has some.
fn field_of(panel: &Panel) -> Option<&Cells> {
    panel
        .marks
        .iter()
        .find_map(|mark| if let Mark::Cells(field) = mark { Some(field) } else { None })
}

/// Grid, names along the axes, marks.
fn plot(out: &mut String, panel: &Panel, frame: Frame) {
    let named = matches!(panel.y.ticks, Ticks::Names(_));
    let lines = if named { panel.height / 13.0 } else { (panel.height / 34.0).max(2.0) } as usize;
    let columns = ((frame.right - frame.left) / 64.0) as usize;
    let (along, upward) = (scale::rounded(&panel.x, columns), scale::rounded(&panel.y, lines));
    let x = Scale::new(&along, frame.left, frame.right);
    let (bottom, top) = if named { (frame.top, frame.bottom) } else { (frame.bottom, frame.top) };
    let y = Scale::new(&upward, bottom, top);
    let across = scale::ticks(&upward, lines);
    for (value, text) in &across {
        let at = y.at(*value);
        if !named {
            let _ = write!(
                out,
                "<path class=\"g\" d=\"M{} {}H{}\"/>",
                px(frame.left),
                px(at),
                px(frame.right)
            );
        }
        let (x, y) = (px(frame.left - 7.0), px(at + 4.0));
        let _ = write!(out, "<text class=\"tx e\" x=\"{x}\" y=\"{y}\">{}</text>", escape(text));
    }
    for (value, text) in scale::ticks(&along, columns) {
        let at = x.at(value);
        let _ = write!(
            out,
            "<path class=\"g\" d=\"M{} {}V{}\"/>",
            px(at),
            px(frame.top),
            px(frame.bottom + 4.0)
        );
        let (x, y) = (px(at), px(frame.bottom + 18.0));
        let _ = write!(out, "<text class=\"tx m\" x=\"{x}\" y=\"{y}\">{}</text>", escape(&text));
    }
    let (right, y_label) = (px(frame.right), px(frame.bottom + 34.0));
    let _ = write!(
        out,
        "<text class=\"tx e\" x=\"{right}\" y=\"{y_label}\">{}</text>",
        escape(panel.x.label)
    );
    for mark in &panel.marks {
        draw(out, mark, x, y, frame);
    }
    if across.iter().any(|tick| tick.0 == 0.0) && !named {
        let _ =
            write!(out, "<path class=\"z\" d=\"M{} {}H{right}\"/>", px(frame.left), px(y.at(0.0)));
    }
}

fn draw(out: &mut String, mark: &Mark, x: Scale, y: Scale, frame: Frame) {
    match mark {
        Mark::Line { ink, points, stairs } => {
            let points = points.iter().map(|(at, value)| (x.at(*at), y.at(*value)));
            path(out, "l", *ink, &track(points, *stairs), "");
        }
        Mark::Area { ink, points } => {
            let runs = points.split(|(at, ..)| at.is_nan()).filter(|run| !run.is_empty());
            let runs = runs.map(|run| {
                let upper = run.iter().map(|(at, _, high)| (x.at(*at), y.at(*high)));
                let lower = run.iter().rev().map(|(at, low, _)| (x.at(*at), y.at(*low)));
                track(upper.chain(lower), false) + "z"
            });
            path(out, "f", *ink, &runs.collect::<String>(), "");
        }
        Mark::Bar { ink, x: along, y: across, pad, series, tip } => {
            let (left, width) = stretch(x.at(along.0), x.at(along.1), *pad);
            let (top, height) = stretch(y.at(across.0), y.at(across.1), *pad);
            let outline =
                format!("M{} {}h{}v{}h-{}z", px(left), px(top), px(width), px(height), px(width));
            path(out, "f", *ink, &outline, &told(series, tip));
        }
        Mark::Dot { ink, shape, at, radius, series, tip } => {
            dot(out, *ink, *shape, (x.at(at.0), y.at(at.1)), *radius, &told(series, tip));
        }
        Mark::Arrow { ink, faint, from, to, dashed, series, tip } => {
            let ends = ((x.at(from.0), y.at(from.1)), (x.at(to.0), y.at(to.1)));
            let class = match (*dashed, *faint) {
                (true, true) => "r a w d",
                (true, false) => "r a d",
                (false, true) => "r a w",
                (false, false) => "r a",
            };
            path(out, class, *ink, &arrow(ends.0, ends.1), &told(series, tip));
        }
        Mark::Strip { x: along, text } => {
            let (left, width) = stretch(x.at(along.0), x.at(along.1), 0.0);
            let outline = format!(
                "M{} {}h{}V{}h-{}z",
                px(left),
                px(frame.top),
                px(width),
                px(frame.bottom),
                px(width)
            );
            let _ = write!(
                out,
                "<path class=\"s h\" d=\"{outline}\"><title>{}</title></path>",
                escape(text)
            );
        }
        Mark::Cells(field) => {
            let corner = (frame.left, frame.top);
            cells::image(out, field, corner, frame.right - frame.left, frame.bottom - frame.top);
        }
    }
}

/// Start and length of a stretch, at least a visible pixel.
fn stretch(start: f64, end: f64, pad: f64) -> (f64, f64) {
    let (low, high) = (start.min(end), start.max(end));
    let pad = if high - low > 4.0 * pad { pad } else { 0.0 };
    (low + pad, (high - low - 2.0 * pad).max(0.8))
}

/// A path through points, with a new start after each break.
fn track(points: impl Iterator<Item = (f64, f64)>, stairs: bool) -> String {
    let mut outline = String::new();
    let mut starts = true;
    for (x, y) in points {
        let _ = match (starts, stairs) {
            _ if x.is_nan() => Ok(()),
            (true, _) => write!(outline, "M{} {}", px(x), px(y)),
            (_, true) => write!(outline, "H{}V{}", px(x), px(y)),
            (_, false) => write!(outline, "L{} {}", px(x), px(y)),
        };
        starts = x.is_nan();
    }
    outline
}

/// A line with a head of two strokes.
fn arrow(from: (f64, f64), to: (f64, f64)) -> String {
    let (dx, dy) = (to.0 - from.0, to.1 - from.1);
    let length = dx.hypot(dy).max(1e-6);
    let head = 5.0_f64.min(length * 0.6);
    let (ux, uy) = (dx / length * head, dy / length * head);
    let wing = |side: f64| (to.0 - ux - side * uy * 0.6, to.1 - uy + side * ux * 0.6);
    let (one, other) = (wing(1.0), wing(-1.0));
    let spots = [from, to, one, to, other].map(|(x, y)| format!("{} {}", px(x), px(y)));
    format!("M{}L{}M{}L{}L{}", spots[0], spots[1], spots[2], spots[3], spots[4])
}

fn dot(out: &mut String, ink: Ink, shape: Shape, (x, y): (f64, f64), radius: f64, told: &str) {
    let (left, size) = (px(x - radius), px(2.0 * radius));
    let radius_px = px(radius);
    let circle = format!(
        "M{left} {}a{radius_px} {radius_px} 0 1 0 {size} 0a{radius_px} {radius_px} 0 1 0-{size} 0z",
        px(y)
    );
    match shape {
        Shape::Disc => path(out, "f o", ink, &circle, told),
        Shape::Ring => path(out, "r p", ink, &circle, told),
        Shape::Diamond => {
            let outline = format!(
                "M{left} {}l{radius_px}-{radius_px} {radius_px} {radius_px}-{radius_px} {radius_px}z",
                px(y)
            );
            path(out, "f o", ink, &outline, told);
        }
    }
}

/// One path; `told` is its attributes and its tip, if it has any.
fn path(out: &mut String, class: &str, ink: Ink, outline: &str, told: &str) {
    if outline.is_empty() {
        return;
    }
    let ink = paint::class(ink);
    let _ = match told.split_once('>') {
        Some((attributes, tip)) => {
            write!(
                out,
                "<path class=\"{class} {ink} h\" d=\"{outline}\"{attributes}><title>{tip}</title></path>"
            )
        }
        None => write!(out, "<path class=\"{class} {ink}\" d=\"{outline}\"/>"),
    };
}

/// Attributes and text of a mark that answers to hovering: `attributes>text`.
fn told(series: &str, tip: &Tip) -> String {
    if tip.text.is_empty() {
        return String::new();
    }
    let task = tip.task.map(|task| format!(" data-task=\"{task}\"")).unwrap_or_default();
    let count = if tip.count > 0 {
        format!(" data-s=\"{series}\" data-n=\"{}\"", tip.count)
    } else {
        String::new()
    };
    format!("{task}{count}>{}", escape(&tip.text))
}

/// A length in pixels, in as few characters as it takes.
pub(crate) fn px(length: f64) -> String {
    let text = format!("{length:.1}");
    let text = text.strip_suffix(".0").unwrap_or(&text);
    if text == "-0" { "0".to_owned() } else { text.to_owned() }
}

/// Text as XML and HTML want it.
pub(crate) fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
