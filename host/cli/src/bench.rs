//! `lpu bench`: cycles per token against the ideal, and the speed of the device that executes them.

use super::inspect::positions_shown;
use super::number::whole;
use super::output::{GOOD, STRONG, grouped, json, megahertz, paint, progress, rate, table};
use super::session::Session;
use super::{DeviceKind, Failure, GeometryChoice, ModelArguments, geometry_parser, ladder, session, source};
use lpu_isa::image::Image;
use lpu_runtime::schedule::ideal_mean;
use lpu_sim::device::RunRequest;
use serde::Serialize;
use std::collections::BTreeMap;
use std::io::Write;
use std::path::PathBuf;

/// Positions executed unless the user says how many.
const TOKENS_DEFAULT: u32 = 256;

/// Measure cycles per token against the ideal.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  lpu bench stories260K.bin
  lpu bench stories.lpu --device rtl --tokens 16
  lpu bench tiny.bin --geometry nano --json
  lpu bench --ladder --plot ladder.svg
  lpu bench --ladder stories260K.bin --json

In the JSON:
  ideal_mean                multiply-accumulates / lanes
  mxm_utilisation           ideal / executed cycles
  board_tokens_per_second   at the board's clock, simulated
  device_tokens_per_second  speed of the simulation on this computer")]
pub struct Arguments {
    /// A Hugging Face folder, a GGUF file, a llama2.c checkpoint, or an image made by `lpu compile`. With --ladder: the checkpoint
    /// stories260K.bin [default: the one in the folder `shared` next to the checkout, if there is one].
    #[arg(required_unless_present = "ladder")]
    model: Option<PathBuf>,
    /// Tokenizer file [default: the model's own, or the `tok*.bin` next to a llama2.c checkpoint].
    #[arg(long, value_name = "FILE", conflicts_with = "ladder")]
    tokenizer: Option<PathBuf>,
    /// Chip to compile for; `virtual` is a chip as large as the model needs, for the emulator only [default: ulx3s-85f, or the one
    /// that an image was compiled for].
    #[arg(long, value_name = "NAME", value_parser = geometry_parser(), conflicts_with = "ladder")]
    geometry: Option<GeometryChoice>,
    /// Device that executes the program.
    #[arg(long, value_enum, default_value_t = DeviceKind::Emu, conflicts_with = "ladder")]
    device: DeviceKind,
    /// Number of positions to execute, limited by the context.
    #[arg(long, value_name = "N", default_value_t = TOKENS_DEFAULT, value_parser = whole::<u32>(1), conflicts_with = "ladder")]
    tokens: u32,
    /// Report as JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    ladder: ladder::LadderArguments,
}

#[derive(Serialize)]
struct Report {
    device: &'static str,
    model: String,
    geometry: &'static str,
    isa_hash: String,
    /// Whether no board gave these figures.
    simulated: bool,
    /// Positions executed.
    tokens: usize,
    cycles_mean: f64,
    cycles_predicted_mean: f64,
    cycles_at: BTreeMap<usize, u64>,
    ideal_mean: f64,
    mxm_utilisation: f64,
    clock_hz: u64,
    board_tokens_per_second: f64,
    device_tokens_per_second: f64,
}

pub fn run(arguments: &Arguments) -> Result<(), Failure> {
    arguments.ladder.check()?;
    let model = match &arguments.model {
        model if arguments.ladder.ladder => {
            return ladder::run(&arguments.ladder, model.as_deref(), arguments.json);
        }
        Some(model) => model.clone(),
        None => unreachable!("the parser asks for a model unless there is a ladder"),
    };
    let (tokenizer, geometry) = (arguments.tokenizer.clone(), arguments.geometry);
    let image = source::open(&ModelArguments { model, tokenizer, geometry })?.image;
    let first = u16::try_from(image.model.bos).ok().filter(|token| u32::from(*token) < image.model.vocab);
    let tokens = (arguments.tokens as usize).min(image.model.context as usize);
    let mut device = session::open(arguments.device, &image)?;
    let bar = progress(tokens as u64, "running", "tokens");
    let request = RunRequest::greedy(&[first.unwrap_or(0)], tokens);
    let session = session::drive(device.as_mut(), &image, &request, |_| {
        bar.inc(1);
        Ok(())
    });
    bar.finish_and_clear();
    let session = session?;
    let report = report(arguments, &image, &session);
    if arguments.json {
        json(&report)?;
    } else {
        print(arguments, &report)?;
    }
    session.check()
}

fn report(arguments: &Arguments, image: &Image, session: &Session) -> Report {
    let count = session.steps.len();
    let (cycles_mean, ideal_mean) = (session.cycles_mean(), ideal_mean(image, count));
    let at = |position: usize| session.steps.get(position).map(|step| (position, step.measured));
    Report {
        device: arguments.device.name(),
        model: image.model.name.clone(),
        geometry: image.geometry.name,
        isa_hash: format!("{:016x}", lpu_isa::instruction::ISA_HASH),
        simulated: true,
        tokens: count,
        cycles_mean,
        cycles_predicted_mean: session.cycles_predicted() as f64 / count.max(1) as f64,
        cycles_at: positions_shown(count).into_iter().filter_map(at).collect(),
        ideal_mean,
        mxm_utilisation: ideal_mean / cycles_mean,
        clock_hz: image.geometry.clock_hz,
        board_tokens_per_second: image.geometry.clock_hz as f64 / cycles_mean,
        device_tokens_per_second: session.positions_per_second(),
    }
}

fn print(arguments: &Arguments, report: &Report) -> Result<(), Failure> {
    let mut out = anstream::stdout();
    let predicted = match report.cycles_predicted_mean == report.cycles_mean {
        true => paint(GOOD, "as predicted"),
        false => format!("{:.1} predicted", report.cycles_predicted_mean),
    };
    writeln!(
        out,
        "{}  on {}, positions 0 to {}",
        paint(STRONG, &report.model),
        report.geometry,
        report.tokens.saturating_sub(1)
    )?;
    writeln!(
        out,
        "  {:.1} cycles/token, {predicted}; ideal {:.1}: matrix unit {:.1} % used",
        report.cycles_mean,
        report.ideal_mean,
        100.0 * report.mxm_utilisation
    )?;
    let mut rows = vec![vec!["position".into()], vec!["cycles".into()]];
    for (position, cycles) in &report.cycles_at {
        rows[0].push(position.to_string());
        rows[1].push(grouped(*cycles));
    }
    write!(out, "{}", table(&rows))?;
    writeln!(
        out,
        "  {} at {}, simulated; {} ran {} tokens/s",
        paint(STRONG, format!("{} tokens/s", rate(report.board_tokens_per_second))),
        megahertz(report.clock_hz),
        arguments.device.title(),
        rate(report.device_tokens_per_second)
    )?;
    Ok(())
}
