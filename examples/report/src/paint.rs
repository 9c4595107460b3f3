//! Colours: Okabe and Ito's for lines and marks, viridis for cells. Both can be told apart by colour-blind eyes.

use crate::draw::Ink;

/// One ink: its class, and its colours on a light and on a dark page.
struct Paint {
    ink: Ink,
    class: &'static str,
    light: &'static str,
    dark: &'static str,
}

const fn paint(ink: Ink, class: &'static str, light: &'static str, dark: &'static str) -> Paint {
    Paint { ink, class, light, dark }
}

const PAINTS: [Paint; 12] = [
    paint(Ink::Main, "main", "#0072b2", "#56b4e9"),
    paint(Ink::Warn, "warn", "#d55e00", "#f0874a"),
    paint(Ink::Calm, "calm", "#00795a", "#2fc79f"),
    paint(Ink::Range, "range", "#a9cde4", "#25506b"),
    paint(Ink::Guide, "guide", "#6b7280", "#98a2b3"),
    paint(Ink::Faint, "faint", "#b4bac4", "#566172"),
    paint(Ink::Track(0), "t0", "#0072b2", "#56b4e9"),
    paint(Ink::Track(1), "t1", "#e69f00", "#e69f00"),
    paint(Ink::Track(2), "t2", "#009e73", "#2fc79f"),
    paint(Ink::Track(3), "t3", "#cc79a7", "#dd92bb"),
    paint(Ink::Track(4), "t4", "#8f8a00", "#f0e442"),
    paint(Ink::Stripe, "stripe", "#f4f6f8", "#1a212b"),
];

/// Colours of the paper and of what is written on it: name, light, dark.
const SURFACE: [(&str, &str, &str); 5] = [
    ("paper", "#ffffff", "#11161d"),
    ("page", "#f3f5f8", "#0a0e13"),
    ("text", "#1c2430", "#e4e9f0"),
    ("soft", "#566072", "#a3aebd"),
    ("grid", "#e3e7ec", "#29323e"),
];

/// The class of an ink.
pub(crate) fn class(ink: Ink) -> &'static str {
    PAINTS.iter().find(|it| it.ink == ink).map_or("main", |it| it.class)
}

/// Every colour as a CSS variable.
pub(crate) fn variables(dark: bool) -> String {
    let surface = SURFACE.iter().map(|(name, light, night)| (*name, *light, *night));
    let inks = PAINTS.iter().map(|it| (it.class, it.light, it.dark));
    let all = surface.chain(inks);
    all.fold(String::new(), |css, (name, day, night)| {
        css + "--" + name + ":" + if dark { night } else { day } + ";"
    })
}

/// A rule per ink, in terms of the variables.
pub(crate) fn rules() -> String {
    let rule = |it: &Paint| {
        let class = it.class;
        format!(".l.{class},.r.{class}{{stroke:var(--{class})}}.f.{class}{{fill:var(--{class})}}")
    };
    PAINTS.iter().map(rule).collect::<Vec<_>>().concat()
}

/// The style sheet with the light colours in the place of the variables: SVG files go where variables are not known.
pub(crate) fn spelled_out(css: &str) -> String {
    let mut css = css.to_owned();
    let inks = PAINTS.iter().map(|it| (it.class, it.light));
    for (name, colour) in SURFACE.iter().map(|(name, light, _)| (*name, *light)).chain(inks) {
        css = css.replace(&format!("var(--{name})"), colour);
    }
    css
}

/// Viridis at every eighth of its way (Smith and van der Walt, 2015).
const VIRIDIS: [[f64; 3]; 9] = [
    [68.0, 1.0, 84.0],
    [71.0, 45.0, 123.0],
    [59.0, 82.0, 139.0],
    [44.0, 114.0, 142.0],
    [33.0, 145.0, 140.0],
    [40.0, 174.0, 128.0],
    [94.0, 201.0, 98.0],
    [173.0, 220.0, 48.0],
    [253.0, 231.0, 37.0],
];

/// The colour of a cell, 0 to 1.
pub(crate) fn cell(value: f64) -> [u8; 3] {
    let place = value.clamp(0.0, 1.0) * (VIRIDIS.len() - 1) as f64;
    let index = (place as usize).min(VIRIDIS.len() - 2);
    let part = place - index as f64;
    let mix = |channel: usize| {
        let (low, high) = (VIRIDIS[index][channel], VIRIDIS[index + 1][channel]);
        (low + (high - low) * part).round() as u8
    };
    [mix(0), mix(1), mix(2)]
}
