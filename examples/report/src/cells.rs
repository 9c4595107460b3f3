//! Fields of coloured cells as an embedded image: one pixel per cell, drawn without smoothing.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::draw::Cells;
use crate::paint;
use crate::svg::{escape, px};

/// The value of a cell for which nothing is known.
const NOTHING: u8 = 255;

/// The image of a field, with its values beside it for hovering.
pub(crate) fn image(out: &mut String, field: &Cells, corner: (f64, f64), width: f64, height: f64) {
    let columns = field.columns;
    if columns == 0 {
        return;
    }
    let rows = field.values.len() / columns;
    let values = field.values.iter().map(|it| match it {
        Some(value) => (value / field.top * 254.0).round().clamp(0.0, 254.0) as u8,
        None => NOTHING,
    });
    let values: Vec<u8> = values.collect();
    place(
        out,
        &png(columns, rows, &values),
        corner,
        (width, height),
        &format!(
            " data-columns=\"{columns}\"{} data-top=\"{}\" data-x=\"{}\" data-y=\"{}\" data-v=\"{}\"",
            if field.is_exceeded() { " data-more=\"1\"" } else { "" },
            field.top,
            escape(&field.column_names.join("|")),
            escape(&field.row_names.join("|")),
            STANDARD.encode(&values),
        ),
    );
}

/// The key of a field: its colours from least to most.
pub(crate) fn scale_image(out: &mut String, corner: (f64, f64), width: f64, height: f64) {
    let steps: Vec<u8> = (0..=254).collect();
    place(out, &png(steps.len(), 1, &steps), corner, (width, height), "");
}

fn place(
    out: &mut String,
    png: &[u8],
    (x, y): (f64, f64),
    (width, height): (f64, f64),
    more: &str,
) {
    let _ = write!(
        out,
        "<image x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" preserveAspectRatio=\"none\" \
         style=\"image-rendering:pixelated\" image-rendering=\"optimizeSpeed\"{more} \
         href=\"data:image/png;base64,{}\"/>",
        px(x),
        px(y),
        px(width),
        px(height),
        STANDARD.encode(png),
    );
}

/// A PNG of one pixel per cell; cells of which nothing is known are clear.
fn png(columns: usize, rows: usize, values: &[u8]) -> Vec<u8> {
    let colours: Vec<u8> = (0..=255_u8).flat_map(|it| paint::cell(f64::from(it) / 254.0)).collect();
    let clear: Vec<u8> = (0..=255_u8).map(|it| if it == NOTHING { 0 } else { 255 }).collect();
    let mut bytes = Vec::new();
    let (width, height) = (u32::try_from(columns).unwrap_or(1), u32::try_from(rows).unwrap_or(1));
    let mut encoder = png::Encoder::new(&mut bytes, width, height);
    encoder.set_color(png::ColorType::Indexed);
    encoder.set_palette(colours);
    encoder.set_trns(clear);
    let written = encoder.write_header().and_then(|mut writer| writer.write_image_data(values));
    written.expect("a vector takes everything");
    bytes
}
