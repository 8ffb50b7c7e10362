//! `lpu inspect`: what a program holds, how long each token takes, what each slice does meanwhile.

use super::number::whole;
use super::output::{STRONG, grouped, json, megahertz, note, paint, rate, table};
use super::outputs::Outputs;
use super::schedule::{Piece, Schedule, Slice, Traffic};
use super::write::Target;
use super::{Failure, ModelArguments, memory, source, trace};
use lpu_isa::image::Image;
use lpu_runtime::plot;
use serde::Serialize;
use std::collections::BTreeMap;
use std::io::Write;
use std::path::PathBuf;

/// Show a program's memory map, cycles per token and utilisation.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  lpu inspect stories.lpu
  lpu inspect tiny.bin --geometry nano --json
  lpu inspect stories.lpu --asm
  lpu inspect stories.lpu --plot token.svg --position 255
  lpu inspect stories.lpu --trace token.json --position 255   # open it in https://ui.perfetto.dev")]
pub struct Arguments {
    #[command(flatten)]
    model: ModelArguments,
    /// Print the program as assembly.
    #[arg(long, conflicts_with = "json")]
    asm: bool,
    /// Write the schedule of one token as a trace for Perfetto (1 cycle = 1 us); - is standard output.
    #[arg(long, value_name = "OUT.json")]
    trace: Option<PathBuf>,
    /// Draw the schedule of one token and the cycles at each position as SVG; - is standard output.
    #[arg(long, value_name = "OUT.svg")]
    plot: Option<PathBuf>,
    /// Position that --trace and --plot show.
    #[arg(long, value_name = "P", default_value_t = 0, value_parser = whole::<usize>(0))]
    position: usize,
    /// Report as JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Report {
    model: String,
    geometry: &'static str,
    clock_hz: u64,
    isa_hash: String,
    image_hash: String,
    parameters: u64,
    vocab: u32,
    context: u32,
    memory: Vec<memory::Use>,
    cycles: Cycles,
    /// Traffic of external memory, mean over the context; absent without it.
    #[serde(skip_serializing_if = "Option::is_none")]
    external_memory: Option<Traffic>,
    /// Share of the cycles in which each slice has an issue.
    utilisation: Vec<Busy>,
}

#[derive(Serialize)]
struct Cycles {
    /// Positions of one block: all of them take the same time.
    block: usize,
    /// `constant + per_block * floor(position / block)` on each range of positions.
    closed_form: Vec<Piece>,
    /// Cycles at some positions.
    at: BTreeMap<usize, u64>,
    mean: f64,
    tokens_per_second: f64,
}

#[derive(Serialize)]
struct Busy {
    slice: Slice,
    first: f64,
    mean: f64,
    last: f64,
}

pub fn run(arguments: &Arguments) -> Result<(), Failure> {
    let mut outputs = Outputs::beside(&arguments.model);
    let trace = outputs.open("--trace", arguments.trace.as_deref())?;
    let plot = outputs.open("--plot", arguments.plot.as_deref())?;
    let data = arguments.json.then_some("--json").or(arguments.asm.then_some("--asm"));
    let mut out = outputs.report(data)?;
    let image = source::read(&arguments.model)?;
    let schedule = Schedule::new(&image);
    check_position(&image, arguments.position)?;
    if let Some(target) = &trace {
        write_trace(target, &image, &schedule, arguments.position)?;
    }
    if let Some(target) = &plot {
        let picture = plot::token(&image, &schedule, arguments.position).map_err(Failure::machine)?;
        target.write(picture.as_bytes())?;
    }
    if arguments.asm {
        let program =
            lpu_assembly::Program { matrix: image.matrix, vector: image.vector, transfer: image.transfer };
        return Ok(out.write_all(lpu_assembly::disassemble(&program).as_bytes())?);
    }
    let report = report(&image, &schedule);
    if arguments.json { json(&report) } else { print(&mut out, &report) }
}

fn check_position(image: &Image, position: usize) -> Result<(), Failure> {
    let context = image.model.context as usize;
    if position >= context {
        return Err(Failure::input(format!(
            "position {position} is beyond the context; expected --position from 0 to {}",
            context - 1
        )));
    }
    Ok(())
}

fn write_trace(target: &Target, image: &Image, schedule: &Schedule, position: usize) -> Result<(), Failure> {
    target.write(trace::trace(image, schedule, position).to_string().as_bytes())?;
    if let Some(file) = target.file() {
        note(format!("{}: open it in https://ui.perfetto.dev (1 cycle = 1 us)", file.display()));
    }
    Ok(())
}

fn report(image: &Image, schedule: &Schedule) -> Report {
    let context = image.model.context as usize;
    let mean = schedule.cycles_total(0..context) as f64 / context as f64;
    let [first, all, last] =
        [0..1, 0..context, context - 1..context].map(|range| schedule.utilisation(range));
    let busy = |(index, slice): (usize, Slice)| Busy {
        slice,
        first: first[index],
        mean: all[index],
        last: last[index],
    };
    let model = &image.model;
    Report {
        model: model.name.clone(),
        geometry: image.geometry.name,
        clock_hz: image.geometry.clock_hz,
        isa_hash: format!("{:016x}", lpu_isa::instruction::ISA_HASH),
        image_hash: format!("{:016x}", image.hash()),
        parameters: model.parameters,
        vocab: model.vocab,
        context: model.context,
        memory: memory::map(image, schedule),
        cycles: Cycles {
            block: image.geometry.block(),
            closed_form: schedule.closed_form(context),
            at: positions_shown(context)
                .into_iter()
                .map(|position| (position, schedule.cycles(position)))
                .collect(),
            mean,
            tokens_per_second: image.geometry.clock_hz as f64 / mean,
        },
        external_memory: schedule.traffic(0..context),
        utilisation: Slice::ALL.into_iter().enumerate().map(busy).collect(),
    }
}

/// The first, the last, and one before each power of two from 64 on.
pub fn positions_shown(context: usize) -> Vec<usize> {
    let last = context.saturating_sub(1);
    let powers = (6..17).map(|power| (1usize << power) - 1).filter(|position| *position < last);
    std::iter::once(0).chain(powers).chain((last > 0).then_some(last)).collect()
}

fn print(out: &mut impl Write, report: &Report) -> Result<(), Failure> {
    let heading = |text: &str| paint(STRONG, text);
    writeln!(
        out,
        "{}  {} parameters, vocabulary {}, context {}",
        heading(&report.model),
        grouped(report.parameters),
        report.vocab,
        report.context
    )?;
    writeln!(out, "for {}, isa {}, image {}\n", report.geometry, report.isa_hash, report.image_hash)?;
    writeln!(out, "{}\n{}", heading("Memory"), memory_table(&report.memory))?;
    writeln!(out, "{}\n{}", heading("Cycles per token"), cycles_text(report))?;
    if let Some(Traffic { bytes, of_peak, of_refreshed }) = report.external_memory {
        writeln!(
            out,
            "{}\n  {:.2} MB a token: {:.1} % of the bandwidth, {:.1} % of what refresh leaves of it\n",
            heading("External memory"),
            bytes as f64 / 1e6,
            100.0 * of_peak,
            100.0 * of_refreshed
        )?;
    }
    write!(out, "{}\n{}", heading("Slices"), slice_table(&report.utilisation))?;
    Ok(())
}

fn memory_table(uses: &[memory::Use]) -> String {
    let mut rows = vec![["memory", "used", "of", "share", "row"].map(String::from).to_vec()];
    rows.extend(uses.iter().map(|line| {
        let share = format!("{:.0} %", 100.0 * line.used as f64 / line.of.max(1) as f64);
        vec![line.memory.into(), line.used.to_string(), line.of.to_string(), share, line.row.clone()]
    }));
    table(&rows)
}

fn cycles_text(report: &Report) -> String {
    let Cycles { block, closed_form, at, mean, tokens_per_second } = &report.cycles;
    let mut text = String::new();
    for Piece { positions: [first, last], constant, per_block } in closed_form {
        let growth = match per_block {
            0 => String::new(),
            _ => {
                let sign = if *per_block < 0 { '-' } else { '+' };
                format!(" {sign} {} * floor(position / {block})", per_block.unsigned_abs())
            }
        };
        text.push_str(&format!("  positions {first} to {last}: {constant}{growth}\n"));
    }
    let mut rows = vec![vec!["position".into()], vec!["cycles".into()], vec!["tokens/s".into()]];
    for (position, cycles) in at {
        rows[0].push(position.to_string());
        rows[1].push(grouped(*cycles));
        rows[2].push(rate(report.clock_hz as f64 / *cycles.max(&1) as f64));
    }
    text.push_str(&table(&rows));
    text.push_str(&format!(
        "  mean over the context: {mean:.1} cycles, {} tokens/s at {}, predicted\n",
        rate(*tokens_per_second),
        megahertz(report.clock_hz)
    ));
    text
}

fn slice_table(utilisation: &[Busy]) -> String {
    let mut rows = vec![["slice", "position 0", "mean", "last position"].map(String::from).to_vec()];
    rows.extend(utilisation.iter().map(|busy| {
        let (name, unit) = busy.slice.text();
        let share = |share: f64| format!("{:.1} %", 100.0 * share);
        vec![format!("{name}, {unit}"), share(busy.first), share(busy.mean), share(busy.last)]
    }));
    table(&rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shown_positions_begin_and_end_with_the_context() {
        assert_eq!(positions_shown(1), [0]);
        assert_eq!(positions_shown(2), [0, 1]);
        assert_eq!(positions_shown(64), [0, 63]);
        assert_eq!(positions_shown(257), [0, 63, 127, 255, 256]);
    }
}
