//! What a picture is, before anybody knows how wide it will be: panels with axes, and marks in the units of the
//! data. The page, the SVG file and the PNG file are made of the same description.

/// What a mark stands for; `paint` says how that looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Ink {
    /// A load, a count, the main thing.
    Main,
    /// Upper limit; also what went wrong.
    Warn,
    /// Lower limit.
    Calm,
    /// A range around the main thing.
    Range,
    /// A line to compare with.
    Guide,
    /// What was considered and is not the point.
    Faint,
    /// A task that moved, in one of [`TRACKS`] colours, so that the eye can follow it.
    Track(u8),
    /// Every other lane.
    Stripe,
}

/// Colours for tasks that moved.
pub(crate) const TRACKS: u64 = 5;

/// The shape of a dot: told apart without colour too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    Disc,
    Ring,
    Diamond,
}

/// What hovering shows, and how many records of the log a mark stands for.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tip {
    pub(crate) text: String,
    pub(crate) count: u64,
    /// Marks of one task light up together.
    pub(crate) task: Option<u64>,
}

/// Stands between two points that no line connects.
pub(crate) const BREAK: (f64, f64) = (f64::NAN, f64::NAN);

/// One thing drawn; coordinates are those of the data.
#[derive(Clone, Debug)]
pub(crate) enum Mark {
    /// A line, with [`BREAK`]s; as stairs where each value holds until the next.
    Line { ink: Ink, points: Vec<(f64, f64)>, stairs: bool },
    /// The area between two lines with the same breaks: x, lower, upper.
    Area { ink: Ink, points: Vec<(f64, f64, f64)> },
    /// A rectangle, with `pad` pixels of air to every side that can spare them.
    Bar { ink: Ink, x: (f64, f64), y: (f64, f64), pad: f64, series: &'static str, tip: Tip },
    /// A dot with a radius in pixels.
    Dot { ink: Ink, shape: Shape, at: (f64, f64), radius: f64, series: &'static str, tip: Tip },
    /// An arrow; dashed if it led nowhere, faint where there are very many.
    Arrow {
        ink: Ink,
        faint: bool,
        from: (f64, f64),
        to: (f64, f64),
        dashed: bool,
        series: &'static str,
        tip: Tip,
    },
    /// An invisible strip over the whole height that answers to hovering.
    Strip { x: (f64, f64), text: String },
    /// Cells in rows from the top.
    Cells(Cells),
}

/// A field of coloured cells over the whole panel.
#[derive(Clone, Debug)]
pub(crate) struct Cells {
    pub(crate) columns: usize,
    /// Row by row; nothing where nothing is known.
    pub(crate) values: Vec<Option<f64>>,
    /// The value of the last colour; what is higher has it too.
    pub(crate) top: f64,
    pub(crate) column_names: Vec<String>,
    pub(crate) row_names: Vec<String>,
}

impl Cells {
    /// Whether there is something above the last colour.
    pub(crate) fn is_exceeded(&self) -> bool {
        self.values.iter().flatten().any(|value| *value > self.top)
    }
}

/// How positions along an axis are named.
#[derive(Clone, Debug)]
pub(crate) enum Ticks {
    /// Seconds; with the Unix time of second 0, in milliseconds, or 0 to count from the begin.
    Time(u64),
    /// Plain numbers.
    Number,
    /// Whole numbers, shown without sign: what went wrong is drawn downwards.
    Count,
    /// 0 to 1, shown in percent.
    Share,
    /// Positions with names, from the top; thinned out where they would overlap.
    Names(Vec<(f64, String)>),
}

/// One axis of a panel.
#[derive(Clone, Debug)]
pub(crate) struct Axis {
    pub(crate) ticks: Ticks,
    pub(crate) from: f64,
    pub(crate) to: f64,
    pub(crate) label: &'static str,
}

impl Axis {
    pub(crate) fn new(ticks: Ticks, from: f64, to: f64, label: &'static str) -> Self {
        let to = if to > from { to } else { from + 1.0 };
        Self { ticks, from, to, label }
    }

    fn widen(&mut self, other: &Self) {
        if !matches!(self.ticks, Ticks::Names(_)) {
            self.from = self.from.min(other.from);
            self.to = self.to.max(other.to);
        }
    }
}

/// An entry of the key above a panel.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Key {
    pub(crate) swatch: Swatch,
    pub(crate) text: &'static str,
}

/// What stands before a key's text.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Swatch {
    Line(Ink),
    Fill(Ink),
    Dot(Ink, Shape),
    /// The colours of cells, from 0 to the last.
    Scale,
}

/// A pair of axes and what is drawn between them.
#[derive(Clone, Debug)]
pub(crate) struct Panel {
    /// Height of the plot in pixels, without axes and key.
    pub(crate) height: f64,
    pub(crate) x: Axis,
    pub(crate) y: Axis,
    pub(crate) keys: Vec<Key>,
    pub(crate) marks: Vec<Mark>,
}

/// A figure below a picture: exact for tests, rounded for readers.
#[derive(Clone, Debug)]
pub(crate) struct Figure {
    pub(crate) name: &'static str,
    pub(crate) value: f64,
    pub(crate) text: String,
}

impl Figure {
    /// A whole number.
    pub(crate) fn count(name: &'static str, count: u64) -> Self {
        Self { name, value: count as f64, text: crate::scale::grouped(count) }
    }

    /// A number with so many decimals and a unit.
    pub(crate) fn number(name: &'static str, value: f64, decimals: usize, unit: &str) -> Self {
        Self { name, value, text: crate::scale::number(value, decimals) + unit }
    }

    /// A share, shown in percent.
    pub(crate) fn share(name: &'static str, value: f64) -> Self {
        Self { name, value, text: format!("{:.1} %", value * 100.0) }
    }
}

/// A picture: what it is called, how to read it, what is in it.
#[derive(Clone, Debug)]
pub(crate) struct Picture {
    /// Its name in file names and links.
    pub(crate) name: String,
    pub(crate) title: String,
    /// One or two sentences on how to read it.
    pub(crate) lead: &'static str,
    pub(crate) panels: Vec<Panel>,
    pub(crate) figures: Vec<Figure>,
    /// Whether it asks for the whole width of the page.
    pub(crate) broad: bool,
}

impl Picture {
    /// A picture with nothing in it yet.
    pub(crate) fn new(name: &str, title: &str, lead: &'static str) -> Self {
        let (name, title) = (name.to_owned(), title.to_owned());
        Self { name, title, lead, panels: Vec::new(), figures: Vec::new(), broad: false }
    }
}

/// Gives the same axes to the pictures of several runs, panel by panel.
pub(crate) fn share_axes(pictures: &mut [&mut Picture]) {
    let panels = pictures.iter().map(|it| it.panels.len()).min().unwrap_or(0);
    for panel in 0..panels {
        let mut axes: Option<(Axis, Axis)> = None;
        for picture in pictures.iter() {
            let Panel { x, y, .. } = &picture.panels[panel];
            match &mut axes {
                Some(shared) => {
                    shared.0.widen(x);
                    shared.1.widen(y);
                }
                None => axes = Some((x.clone(), y.clone())),
            }
        }
        for picture in pictures.iter_mut() {
            if let Some((x, y)) = &axes {
                picture.panels[panel].x.widen(x);
                picture.panels[panel].y.widen(y);
            }
        }
        share_colours(pictures, panel);
    }
}

/// Gives the same colours to the same values in the cells of all pictures.
fn share_colours(pictures: &mut [&mut Picture], panel: usize) {
    let fields = pictures.iter_mut().flat_map(|it| &mut it.panels[panel].marks);
    let mut fields: Vec<&mut Cells> = fields
        .filter_map(|mark| match mark {
            Mark::Cells(field) => Some(field),
            _ => None,
        })
        .collect();
    let top = fields.iter().map(|it| it.top).fold(0.0, f64::max);
    fields.iter_mut().for_each(|field| field.top = top);
}
