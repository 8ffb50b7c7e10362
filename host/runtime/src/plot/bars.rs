//! Horizontal bars on a logarithmic scale, in groups.

use super::{BLUE, FAINT, GREEN, GREY, GRID, Ink, PlotError, TEXT, drawing, picture};
use plotters::prelude::*;
use plotters::style::text_anchor::HPos;

const WIDTH: u32 = 960;
const ROW_PIXELS: u32 = 24;
const NAMES_PIXELS: u32 = 330;
const TITLE_PIXELS: u32 = 52;
const AXIS_PIXELS: u32 = 52;

/// Where a value comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Lpu,
    Cpu,
    Published,
}

/// Values that are compared with one another.
#[derive(Clone, Debug)]
pub struct Group {
    pub title: String,
    pub bars: Vec<Bar>,
}

#[derive(Clone, Debug)]
pub struct Bar {
    pub name: String,
    pub value: f64,
    /// The value as people say it.
    pub text: String,
    pub kind: Kind,
}

impl Kind {
    fn ink(self) -> Ink {
        match self {
            Self::Lpu => BLUE,
            Self::Cpu => GREEN,
            Self::Published => GREY,
        }
    }
}

/// Draws all groups below one another; values must be positive.
///
/// # Errors
/// When the drawing library fails.
pub fn bars(title: &str, unit: &str, groups: &[Group]) -> Result<String, PlotError> {
    let rows: usize = groups.iter().map(|group| group.bars.len() + 1).sum();
    let values = || groups.iter().flat_map(|group| &group.bars).map(|bar| bar.value);
    let least = values().fold(f64::INFINITY, f64::min).max(1e-3);
    let most = values().fold(least, f64::max);
    // Whole decades, with room for the text behind the longest bar.
    let range = 10f64.powf((least / 2.0).log10().floor())..most * 12.0;
    let size = (WIDTH, TITLE_PIXELS + AXIS_PIXELS + ROW_PIXELS * rows as u32);
    picture(size, |page| {
        page.draw(&Text::new(title.to_owned(), (16, 26), TEXT.text(19, HPos::Left))).map_err(drawing)?;
        let mut chart = ChartBuilder::on(page)
            .margin_top(TITLE_PIXELS)
            .margin_right(16)
            .x_label_area_size(AXIS_PIXELS)
            .y_label_area_size(NAMES_PIXELS)
            .build_cartesian_2d(range.clone().log_scale(), 0.0..rows as f64)
            .map_err(drawing)?;
        chart
            .configure_mesh()
            .disable_y_mesh()
            .disable_y_axis()
            .axis_style(GRID.color())
            .bold_line_style(GRID.color())
            .light_line_style(TRANSPARENT)
            .x_desc(unit)
            .x_labels(8)
            .x_label_formatter(&|value| power(*value))
            .label_style(FAINT.text(13, HPos::Center))
            .axis_desc_style(FAINT.text(13, HPos::Center))
            .draw()
            .map_err(drawing)?;
        let area = chart.plotting_area();
        let mut row = rows as f64;
        for group in groups {
            row -= 1.0;
            let heading = EmptyElement::at((range.start, row + 0.42))
                + Text::new(group.title.clone(), (16 - NAMES_PIXELS as i32, 0), TEXT.text(15, HPos::Left));
            area.draw(&heading).map_err(drawing)?;
            for bar in &group.bars {
                row -= 1.0;
                let ends = [(range.start, row + 0.16), (bar.value, row + 0.84)];
                area.draw(&Rectangle::new(ends, bar.kind.ink().filled())).map_err(drawing)?;
                let label = |x: f64, pixels: i32, text: &str, style: TextStyle<'static>| {
                    let text = Text::new(text.to_owned(), (pixels, 0), style);
                    area.draw(&(EmptyElement::at((x, row + 0.5)) + text)).map_err(drawing)
                };
                label(range.start, -10, &bar.name, FAINT.text(13, HPos::Right))?;
                label(bar.value, 8, &bar.text, TEXT.text(13, HPos::Left))?;
            }
        }
        Ok(())
    })
}

/// Powers of ten with commas between thousands.
fn power(value: f64) -> String {
    match value {
        value if value >= 1e6 => format!("{}M", (value / 1e6).round()),
        value if value >= 1e3 => format!("{}k", (value / 1e3).round()),
        value => format!("{value}"),
    }
}
