//! A picture as PNG: its SVG file, drawn by `resvg` at twice the size.

use resvg::tiny_skia::{Pixmap, Transform};
use resvg::usvg::{Options, Tree};

/// Makes PNG of SVG, if there is a font.
pub(crate) fn raster() -> Result<report::Raster, String> {
    let painter = Painter::new()?;
    Ok(Box::new(move |svg| painter.png(svg)))
}

/// Draws SVG files; knows the machine's fonts.
struct Painter {
    options: Options<'static>,
}

impl Painter {
    /// A painter with the machine's fonts, and with a sans-serif one where text asks for what is not there.
    ///
    /// # Errors
    ///
    /// There is no font: the pictures would be without a word.
    fn new() -> Result<Self, String> {
        let mut options = Options::default();
        let fonts = options.fontdb_mut();
        fonts.load_system_fonts();
        let sans = ["DejaVu Sans", "Liberation Sans", "Noto Sans", "Arial", "Helvetica"];
        let known =
            |name: &&str| fonts.faces().any(|face| face.families.iter().any(|it| it.0 == *name));
        let any = || fonts.faces().next().map(|face| face.families[0].0.clone());
        let family =
            sans.iter().find(|name| known(name)).map(|name| (*name).to_owned()).or_else(any);
        let family = family.ok_or(
            "no font on this machine: PNG files would have no text (try fonts-dejavu-core)",
        )?;
        fonts.set_sans_serif_family(family);
        Ok(Self { options })
    }

    /// The PNG of an SVG.
    fn png(&self, svg: &str) -> Result<Vec<u8>, String> {
        let tree = Tree::from_str(svg, &self.options).map_err(|error| error.to_string())?;
        let size = tree.size().to_int_size().scale_by(2.0).ok_or("the picture has no size")?;
        let mut pixels =
            Pixmap::new(size.width(), size.height()).ok_or("the picture has no size")?;
        resvg::render(&tree, Transform::from_scale(2.0, 2.0), &mut pixels.as_mut());
        pixels.encode_png().map_err(|error| error.to_string())
    }
}
