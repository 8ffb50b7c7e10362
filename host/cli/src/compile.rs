//! `lpu compile`: from a checkpoint to a program image that `lpu run` and the board load.

use super::number::whole_between;
use super::output::{GOOD, STRONG, grouped, json, megahertz, paint, rate};
use super::outputs::Outputs;
use super::schedule::Schedule;
use super::{Failure, ModelArguments, memory, source};
use lpu_isa::image::Image;
use serde::Serialize;
use std::io::Write;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// Compile a checkpoint to a program image.
///
/// An image holds weights, schedule and tokenizer in one file. It is verified before it is written. The same input always gives
/// the same bytes.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  lpu compile stories260K.bin -o stories.lpu
  lpu compile tiny.bin -o tiny.lpu --geometry nano --context 64
  lpu compile model.bin --tokenizer tok4096.bin -o model.lpu --json
  lpu compile stories260K.bin -o - | ssh board 'cat > stories.lpu'")]
pub struct Arguments {
    #[command(flatten)]
    model: ModelArguments,
    /// File to write, or - for standard output.
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    /// Context length of the program in tokens [default: the model's, or as many as fit into the chip's memories].
    #[arg(long, value_name = "N", value_parser = whole_between::<u32>(1, 65_536))]
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
    let mut outputs = Outputs::beside(&arguments.model);
    let target = outputs.open("-o", Some(&arguments.output))?;
    let out = outputs.report(arguments.json.then_some("--json"))?;
    let (model, tokenizer) = source::open_checkpoint(&arguments.model)?;
    let context = arguments.context.map(|context| context as usize);
    let geometry = source::geometry_of(&arguments.model, &model, context)?;
    let begin = Instant::now();
    let image = source::try_compile(path, &model, tokenizer.as_ref(), &geometry, context)
        .map_err(|error| source::refused(path, &error))?
        .image;
    let took = begin.elapsed();
    let bytes = image.encode();
    if let Some(target) = target {
        target.write(&bytes)?;
    }
    report(arguments, out, &image, bytes.len(), took)
}

fn report(
    arguments: &Arguments,
    mut out: impl Write,
    image: &Image,
    bytes: usize,
    took: Duration,
) -> Result<(), Failure> {
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
    writeln!(
        out,
        "{}  {}, {} parameters, context {}, for {}",
        paint(STRONG, &report.output),
        report.model,
        grouped(report.parameters),
        report.context,
        report.geometry
    )?;
    let tokens_per_cycle = f64::from(report.context) / schedule.cycles_total(0..last + 1).max(1) as f64;
    let clock_hz = image.geometry.clock_hz;
    writeln!(
        out,
        "  {} cycles at position 0, {} at position {last}; mean {} tokens/s at {}, predicted",
        grouped(report.cycles_first),
        grouped(report.cycles_last),
        rate(tokens_per_cycle * clock_hz as f64),
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
