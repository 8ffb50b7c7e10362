//! One token over the slices, one layer of it, and cycles against position.

use super::{
    Area, BLUE, FAINT, GREEN, GREY, GRID, Ink, ORANGE, PINK, PURPLE, PlotError, TEAL, TEXT, drawing, picture,
};
use crate::schedule::{Schedule, Slice, ideal_cycles};
use lpu_isa::image::Image;
use lpu_isa::instruction::Queue;
use plotters::prelude::*;
use plotters::style::text_anchor::HPos;
use std::ops::Range;

const WIDTH: u32 = 1200;
const GANTT_PIXELS: u32 = 260;
const CURVE_PIXELS: u32 = 300;
const NAMES_PIXELS: u32 = 200;

/// Issues of one slice: first and last cycle.
struct Busy {
    slice: usize,
    cycles: Range<i64>,
}

/// A token's time: what each slice does, where layers begin, and how long it takes.
struct Token {
    busy: Vec<Busy>,
    /// Cycles in which the matrix unit turns to the weights of another layer.
    layers: Vec<i64>,
    cycles: i64,
}

/// Draws the schedule of the token at `position`, its second layer larger (the first if there is one), and the cycles of
/// each position beside those of a multiplier that never waits.
///
/// # Errors
/// When the drawing library fails.
pub fn token(image: &Image, schedule: &Schedule, position: usize) -> Result<String, PlotError> {
    let token = collect(schedule, position);
    let zoom = layer_shown(&token);
    picture((WIDTH, 2 * GANTT_PIXELS + CURVE_PIXELS), |page| {
        let (whole, rest) = page.split_vertically(GANTT_PIXELS);
        let (layer, curve) = rest.split_vertically(GANTT_PIXELS);
        let title =
            format!("{} on {}: the token at position {position}", image.model.name, image.geometry.name);
        gantt(&whole, &title, &token, 0..token.cycles)?;
        gantt(&layer, "one layer of it", &token, zoom)?;
        cycles(&curve, image, schedule)
    })
}

fn collect(schedule: &Schedule, position: usize) -> Token {
    let (mut busy, mut layers) = (Vec::new(), Vec::new());
    let mut offset = 0;
    let cycles = schedule.walk(position, |issued| {
        let block = issued.block;
        if issued.queue == Queue::Matrix && block.offsets[0] != offset {
            // The weights of another layer; after the last one those outside the layers.
            offset = block.offsets[0];
            layers.push(block.first);
        }
        for (slice, kind) in Slice::ALL.into_iter().enumerate() {
            if kind.is_used_by(&issued.instruction.op) {
                let cycles = block.first..block.first + (block.count - 1) * block.interval + 1;
                busy.push(Busy { slice, cycles });
            }
        }
    });
    Token { busy, layers, cycles: cycles as i64 }
}

/// The second layer, or what there is of the first.
fn layer_shown(token: &Token) -> Range<i64> {
    match token.layers[..] {
        [first, second, ..] => first..second,
        [first] => 0..first,
        [] => 0..token.cycles,
    }
}

/// The colour of a slice's bars.
fn ink(slice: usize) -> Ink {
    [GREY, PINK, BLUE, ORANGE, TEAL, PURPLE][slice]
}

fn gantt(area: &Area<'_>, title: &str, token: &Token, cycles: Range<i64>) -> Result<(), PlotError> {
    area.draw(&Text::new(title.to_owned(), (16, 20), TEXT.text(17, HPos::Left))).map_err(drawing)?;
    let slices = Slice::ALL.len();
    let mut chart = ChartBuilder::on(area)
        .margin_top(40)
        .margin_right(24)
        .x_label_area_size(46)
        .y_label_area_size(NAMES_PIXELS)
        .build_cartesian_2d(cycles.start as f64..cycles.end as f64, 0.0..slices as f64)
        .map_err(drawing)?;
    axes(&mut chart, "cycle")?;
    let plot = chart.plotting_area();
    for layer in token.layers.iter().filter(|layer| cycles.contains(layer)) {
        let line = [(*layer as f64, 0.0), (*layer as f64, slices as f64)];
        plot.draw(&PathElement::new(line, FAINT.color())).map_err(drawing)?;
    }
    for Busy { slice, cycles: bar } in &token.busy {
        let (start, end) = (bar.start.max(cycles.start), bar.end.min(cycles.end));
        if start < end {
            let low = (slices - 1 - slice) as f64;
            let ends = [(start as f64, low + 0.15), (end as f64, low + 0.85)];
            plot.draw(&Rectangle::new(ends, ink(*slice).filled())).map_err(drawing)?;
        }
    }
    for (slice, kind) in Slice::ALL.into_iter().enumerate() {
        let (name, meaning) = kind.text();
        let text = Text::new(
            format!("{name}, {meaning}"),
            (16 - NAMES_PIXELS as i32, 0),
            ink(slice).text(14, HPos::Left),
        );
        let place = (cycles.start as f64, (slices - 1 - slice) as f64 + 0.5);
        plot.draw(&(EmptyElement::at(place) + text)).map_err(drawing)?;
    }
    Ok(())
}

type Chart<'a, 'b> = ChartContext<
    'a,
    SVGBackend<'b>,
    Cartesian2d<plotters::coord::types::RangedCoordf64, plotters::coord::types::RangedCoordf64>,
>;

/// A bare horizontal axis.
fn axes(chart: &mut Chart<'_, '_>, unit: &str) -> Result<(), PlotError> {
    chart
        .configure_mesh()
        .disable_mesh()
        .disable_y_axis()
        .axis_style(GRID.color())
        .x_desc(unit)
        .x_labels(12)
        .x_label_formatter(&|value| format!("{value}"))
        .label_style(FAINT.text(13, HPos::Center))
        .axis_desc_style(FAINT.text(13, HPos::Center))
        .draw()
        .map_err(drawing)
}

fn cycles(area: &Area<'_>, image: &Image, schedule: &Schedule) -> Result<(), PlotError> {
    let context = image.model.context as usize;
    let found: Vec<f64> = (0..context).map(|position| schedule.cycles(position) as f64).collect();
    let ideal: Vec<f64> = (0..context).map(|position| ideal_cycles(image, position)).collect();
    let most = found.iter().copied().fold(0.0, f64::max) * 1.1;
    let title = "cycles of each position";
    area.draw(&Text::new(title, (16, 20), TEXT.text(17, HPos::Left))).map_err(drawing)?;
    let mut chart = ChartBuilder::on(area)
        .margin_top(40)
        .margin_right(24)
        .x_label_area_size(46)
        .y_label_area_size(NAMES_PIXELS)
        .build_cartesian_2d(0.0..context as f64, 0.0..most)
        .map_err(drawing)?;
    chart
        .configure_mesh()
        .disable_x_mesh()
        .axis_style(GRID.color())
        .bold_line_style(GRID.color())
        .light_line_style(TRANSPARENT)
        .x_desc("position")
        .x_labels(12)
        .y_labels(6)
        .x_label_formatter(&|value| format!("{value}"))
        .y_label_formatter(&|value| format!("{value}"))
        .label_style(FAINT.text(13, HPos::Center))
        .axis_desc_style(FAINT.text(13, HPos::Center))
        .draw()
        .map_err(drawing)?;
    let plot = chart.plotting_area();
    for (values, ink, name) in
        [(&found, BLUE, "the schedule"), (&ideal, GREEN, "a multiplier that never waits")]
    {
        let line: Vec<(f64, f64)> =
            values.iter().enumerate().map(|(position, cycles)| (position as f64, *cycles)).collect();
        let middle = line.get(context / 2).copied().unwrap_or_default();
        plot.draw(&PathElement::new(line, ink.color().stroke_width(2))).map_err(drawing)?;
        let text = Text::new(name, (0, 16), ink.text(14, HPos::Center));
        plot.draw(&(EmptyElement::at(middle) + text)).map_err(drawing)?;
    }
    Ok(())
}
