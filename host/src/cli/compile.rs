//! `lpu compile`: from a checkpoint to a program image that `lpu run` and the board load.

use super::output::{GOOD, STRONG, grouped, json, megahertz, paint};
use super::schedule::Schedule;
use super::write::write_whole;
use super::{Failure, ModelArguments, memory, source};
use lpu_isa::image::Image;
use serde::Serialize;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Compile a checkpoint to a program image.
///
/// An image holds weights, schedule and tokenizer in one file.
///
/// The verifier checks the image before it is written. Equal inputs give equal bytes.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  lpu compile stories260K.bin -o stories.lpu
  lpu compile tiny.bin -o tiny.lpu --geometry nano --context 64
  lpu compile model.bin --tokenizer tok4096.bin -o model.lpu --json")]
pub struct Arguments {
    #[command(flatten)]
    model: ModelArguments,
    /// File to write.
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    /// Positions that the program can execute [default: the model's, or as many as the chip has memory for].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=65_536))]
    context: Option<u32>,
    /// Report as JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Report {
    output: String,
    bytes: usize,
    image_hash: String,
    model: String,
    geometry: &'static str,
    isa_hash: String,
    parameters: u64,
    context: u32,
    cycles_first: u64,
    cycles_last: u64,
    seconds: f64,
    memory: Vec<memory::Use>,
}

pub fn run(arguments: &Arguments) -> Result<(), Failure> {
    let path = &arguments.model.model;
    if source::is_image(path)? {
        return Err(Failure::input(format!(
            "{} is compiled already; expected a model. Run it with `lpu run {}`",
            path.display(),
            path.display()
        )));
    }
    refuse_to_replace(path, &arguments.output)?;
    let (model, tokenizer) = source::open_checkpoint(&arguments.model)?;
    let context = arguments.context.map(|context| context as usize);
    let geometry = source::geometry_of(&arguments.model, &model, context)?;
    let begin = Instant::now();
    let image = source::try_compile(path, &model, tokenizer.as_ref(), &geometry, context)
        .map_err(|error| source::refused(path, &error))?
        .image;
    let took = begin.elapsed();
    let bytes = image.encode();
    write_whole(&arguments.output, &bytes)?;
    report(arguments, &image, bytes.len(), took)
}

/// Replacing the checkpoint by its image would lose the checkpoint.
fn refuse_to_replace(model: &Path, output: &Path) -> Result<(), Failure> {
    match (model.canonicalize(), output.canonicalize()) {
        (Ok(from), Ok(to)) if from == to => Err(Failure::input(format!(
            "{} is the model itself; expected another file for the image: name one with -o",
            output.display()
        ))),
        _ => Ok(()),
    }
}

fn report(arguments: &Arguments, image: &Image, bytes: usize, took: Duration) -> Result<(), Failure> {
    let schedule = Schedule::new(image);
    let last = image.model.context.saturating_sub(1) as usize;
    let report = Report {
        output: arguments.output.display().to_string(),
        bytes,
        image_hash: format!("{:016x}", image.hash()),
        model: image.model.name.clone(),
        geometry: image.geometry.name,
        isa_hash: format!("{:016x}", lpu_isa::instruction::ISA_HASH),
        parameters: image.model.parameters,
        context: image.model.context,
        cycles_first: schedule.cycles(0),
        cycles_last: schedule.cycles(last),
        seconds: took.as_secs_f64(),
        memory: memory::map(image, &schedule),
    };
    if arguments.json {
        return json(&report);
    }
    let rows: Vec<String> = report
        .memory
        .iter()
        .map(|line| format!("{} {}/{}", line.memory.trim(), line.used, line.of))
        .collect();
    let mut out = anstream::stdout();
    writeln!(
        out,
        "{}  {}, {} parameters, context {}, for {}",
        paint(STRONG, &report.output),
        report.model,
        grouped(report.parameters),
        report.context,
        report.geometry
    )?;
    let rate = f64::from(report.context) / schedule.cycles_total(0..last + 1).max(1) as f64;
    let clock_hz = image.geometry.clock_hz;
    writeln!(
        out,
        "  {} cycles at position 0, {} at position {last}: {} tokens/s at {} in the mean",
        grouped(report.cycles_first),
        grouped(report.cycles_last),
        grouped((rate * clock_hz as f64).round() as u64),
        megahertz(clock_hz),
    )?;
    writeln!(out, "  {}", rows.join(", "))?;
    writeln!(
        out,
        "  {} by the verifier, {} bytes, compiled in {:.2} s",
        paint(GOOD, "legal"),
        grouped(report.bytes as u64),
        report.seconds
    )?;
    Ok(())
}
