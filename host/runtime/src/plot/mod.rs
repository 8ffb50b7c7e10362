//! Pictures as SVG that are readable on a light and on a dark page.
//!
//! Shapes carry the colours of a light page; a style sheet in the file exchanges them where the reader's page is dark. Text is laid out by
//! whoever shows the file, so no font of this computer takes part.

mod bars;
mod token;

pub use bars::{Bar, Group, Kind, bars};
pub use token::token;

use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

/// Why a picture could not be drawn.
#[derive(Debug, thiserror::Error)]
#[error("the picture cannot be drawn: {0}")]
pub struct PlotError(String);

/// Any error of the drawing library becomes its text.
fn drawing<E: std::error::Error + Send + Sync>(error: DrawingAreaErrorKind<E>) -> PlotError {
    PlotError(error.to_string())
}

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

/// A colour on a light page, and what takes its place on a dark one.
#[derive(Clone, Copy, Debug)]
struct Ink {
    light: u32,
    dark: u32,
}

const PAPER: Ink = Ink { light: 0xffffff, dark: 0x0d1117 };
const TEXT: Ink = Ink { light: 0x1f2328, dark: 0xe6edf3 };
const FAINT: Ink = Ink { light: 0x59636e, dark: 0x9198a1 };
const GRID: Ink = Ink { light: 0xd1d9e0, dark: 0x3d444d };
const BLUE: Ink = Ink { light: 0x0969da, dark: 0x4493f8 };
const ORANGE: Ink = Ink { light: 0xbc4c00, dark: 0xf0883e };
const GREEN: Ink = Ink { light: 0x1a7f37, dark: 0x3fb950 };
const PURPLE: Ink = Ink { light: 0x8250df, dark: 0xab7df8 };
const TEAL: Ink = Ink { light: 0x1b7c83, dark: 0x39c5cf };
const PINK: Ink = Ink { light: 0xbf3989, dark: 0xf778ba };
const GREY: Ink = Ink { light: 0x818b98, dark: 0x656c76 };
const INKS: [Ink; 11] = [PAPER, TEXT, FAINT, GRID, BLUE, ORANGE, GREEN, PURPLE, TEAL, PINK, GREY];

impl Ink {
    fn color(self) -> RGBColor {
        let [_, red, green, blue] = self.light.to_be_bytes();
        RGBColor(red, green, blue)
    }

    fn filled(self) -> ShapeStyle {
        self.color().filled()
    }

    /// Text of this colour, `size` pixels high.
    fn text(self, size: u32, horizontal: HPos) -> TextStyle<'static> {
        let (font, color) = (("sans-serif", size).into_font(), self.color().to_backend_color());
        TextStyle { font, color, pos: Pos::new(horizontal, VPos::Center) }
    }
}

/// Draws on an empty page of this size in pixels and gives the file.
fn picture(
    size: (u32, u32),
    draw: impl FnOnce(&Area<'_>) -> Result<(), PlotError>,
) -> Result<String, PlotError> {
    let mut svg = String::new();
    {
        let page = SVGBackend::with_string(&mut svg, size).into_drawing_area();
        page.fill(&PAPER.color()).map_err(drawing)?;
        draw(&page)?;
        page.present().map_err(drawing)?;
    }
    Ok(with_dark_colors(&svg))
}

/// Adds the colours of a dark page behind the opening tag.
fn with_dark_colors(svg: &str) -> String {
    let rule = |ink: &Ink| {
        let (light, dark) = (format!("#{:06X}", ink.light), format!("#{:06X}", ink.dark));
        format!("[fill=\"{light}\"]{{fill:{dark}}}[stroke=\"{light}\"]{{stroke:{dark}}}")
    };
    let rules: String = INKS.iter().map(rule).collect();
    let style = format!("\n<style>@media (prefers-color-scheme:dark){{{rules}}}</style>");
    match svg.find("<svg").and_then(|start| svg[start..].find('>').map(|end| start + end + 1)) {
        Some(behind) => format!("{}{style}{}", &svg[..behind], &svg[behind..]),
        None => svg.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_colour_of_a_picture_has_a_dark_one() {
        let groups = [Group {
            title: "a model".into(),
            bars: vec![
                Bar { name: "a machine".into(), value: 10.0, text: "10".into(), kind: Kind::Lpu },
                Bar { name: "another".into(), value: 3e4, text: "30,000".into(), kind: Kind::Published },
            ],
        }];
        let svg = bars("title", "tokens/s", &groups).expect("a picture");
        let (style, shapes) = svg.split_once("</style>").expect("a style sheet");
        for (at, _) in shapes.match_indices('#') {
            let color = &shapes[at..at + 7];
            assert!(style.contains(&format!("\"{color}\"")), "{color}");
        }
        assert!(shapes.contains("a machine") && shapes.contains("30,000"));
    }
}
