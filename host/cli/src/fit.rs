//! `lpu fit`: whether a model fits a chip, before it is compiled.

use super::output::{BAD, FAINT, GOOD, STRONG, grouped, json, megahertz, paint, rate};
use super::{Failure, GeometryChoice, ModelArguments, source};
use lpu_compiler::fit::{self, Fit, Shortage};
use lpu_compiler::{CompileError, Features};
use lpu_isa::Geometry;
use lpu_model::Model;
use lpu_sim::prediction::Predictor;
use serde::Serialize;
use std::io::Write;

/// Say whether a model fits a chip.
///
/// Shows which memories are too small and by how much, the longest context, the predicted speed, and the chips that the model
/// fits. Models that fit no board run on the emulator with `--geometry virtual`, a chip as large as the model needs.
///
/// Exit codes: 0 if the model fits, 1 if it does not, 2 for wrong input.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  lpu fit stories260K.bin
  lpu fit SmolLM2-135M/ --geometry virtual
  lpu fit model.gguf --geometry nano --json")]
pub struct Arguments {
    #[command(flatten)]
    model: ModelArguments,
    /// Report as JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Report {
    model: String,
    geometry: &'static str,
    parameters: usize,
    /// What the import left aside, or chose where the files contradict one another.
    warnings: Vec<String>,
    fits: bool,
    /// Positions that fit.
    context: usize,
    /// Positions that the model was made for.
    context_of_model: usize,
    /// Why no more positions fit.
    #[serde(skip_serializing_if = "Option::is_none")]
    context_limit: Option<String>,
    /// Memories that are too small.
    short: Vec<Shortage>,
    /// Whether there is a program for models of this kind at all.
    supported: bool,
    /// Why a larger memory would not help.
    impossible: Option<String>,
    /// Cycles of a token, mean over all positions.
    cycles_mean: Option<f64>,
    tokens_per_second: Option<f64>,
    clock_hz: u64,
    /// Chips that exist and that the model fits on.
    fitting: Vec<&'static str>,
    /// A chip made to measure.
    made_to_measure: Option<Sizes>,
}

/// Sizes of a chip.
#[derive(Serialize)]
struct Sizes {
    mxm_lanes: usize,
    vxm_lanes: usize,
    weight_rows: usize,
    kv_rows: usize,
    vmem_rows: usize,
}

pub fn run(arguments: &Arguments) -> Result<(), Failure> {
    let path = &arguments.model.model;
    if source::is_image(path)? {
        return Err(Failure::input(format!(
            "{} is compiled already, so it fits; expected a model. `lpu inspect` shows its memories",
            path.display()
        )));
    }
    let (model, tokenizer) = source::open_checkpoint(&arguments.model)?;
    let geometry = match arguments.model.geometry {
        // A virtual chip is as large as the model needs; if there is none, the board's sizes say why.
        Some(GeometryChoice::Virtual) => fit::virtual_geometry(&model, None).unwrap_or(Geometry::ULX3S_85F),
        Some(GeometryChoice::Named(geometry)) => geometry,
        None => Geometry::ULX3S_85F,
    };
    let mut found = fit::fit(&model.config, Features::of(&model), &geometry);
    let mut cycles_mean = None;
    if found.short.is_empty() && found.impossible.is_none() {
        match source::try_compile(path, &model, tokenizer.as_ref(), &geometry, None) {
            Ok(compiled) => {
                let predictor = Predictor::new(&compiled.image);
                found.context = compiled.image.model.context as usize;
                found.limit = compiled.plan.limit;
                let cycles: i64 = (0..found.context).map(|position| predictor.cycles(position)).sum();
                cycles_mean = Some(cycles as f64 / found.context.max(1) as f64);
            }
            Err(error) => found = Fit { impossible: Some(error), context: 0, ..found },
        }
    }
    let report = report(arguments, &model, &geometry, found, cycles_mean);
    if arguments.json {
        json(&report)?;
    } else {
        print(&report)?;
    }
    if report.fits { Ok(()) } else { Err(Failure::No) }
}

fn report(
    arguments: &Arguments,
    model: &Model,
    geometry: &Geometry,
    found: Fit,
    cycles_mean: Option<f64>,
) -> Report {
    // A larger chip does not help a model that has no program.
    let supported = !matches!(found.impossible, Some(CompileError::Unsupported { .. }));
    let fits = |geometry: &Geometry| {
        let Fit { short, impossible, .. } = fit::fit(&model.config, Features::of(model), geometry);
        supported && short.is_empty() && impossible.is_none()
    };
    let measured = fit::virtual_geometry(model, None).ok().filter(|_| supported);
    Report {
        model: source::model_name(&arguments.model.model),
        geometry: geometry.name,
        parameters: model.parameter_count(),
        warnings: model.warnings.clone(),
        fits: cycles_mean.is_some(),
        context: found.context,
        context_of_model: model.config.context,
        context_limit: found.limit.map(|limit| limit.to_string()),
        short: found.short,
        supported,
        impossible: found.impossible.map(|error| error.to_string()),
        cycles_mean,
        tokens_per_second: cycles_mean.map(|cycles| geometry.clock_hz as f64 / cycles),
        clock_hz: geometry.clock_hz,
        fitting: Geometry::known().filter(|geometry| fits(geometry)).map(|geometry| geometry.name).collect(),
        made_to_measure: measured.map(|chip| Sizes {
            mxm_lanes: chip.mxm_lanes,
            vxm_lanes: chip.vxm_lanes,
            weight_rows: chip.weight_rows,
            kv_rows: chip.kv_rows,
            vmem_rows: chip.vmem_rows,
        }),
    }
}

fn print(report: &Report) -> Result<(), Failure> {
    let mut out = anstream::stdout();
    let verdict = match report.fits {
        true => paint(GOOD, format!("fits {}", report.geometry)),
        false if report.supported => paint(BAD, format!("does not fit {}", report.geometry)),
        false => paint(BAD, "not supported"),
    };
    writeln!(
        out,
        "{}  {} parameters, {verdict}",
        paint(STRONG, &report.model),
        grouped(report.parameters as u64)
    )?;
    for Shortage { memory, needed, available } in &report.short {
        writeln!(
            out,
            "  {} {memory} needed, {} there: {} too few",
            grouped(*needed as u64),
            grouped(*available as u64),
            grouped((needed - available) as u64)
        )?;
    }
    if let Some(reason) = &report.impossible {
        writeln!(out, "  {reason}")?;
    }
    if let (Some(cycles), Some(per_second)) = (report.cycles_mean, report.tokens_per_second) {
        let limit = report.context_limit.as_ref().map_or(String::new(), |limit| format!(": {limit}"));
        writeln!(out, "  context {} of {}{limit}", report.context, report.context_of_model)?;
        writeln!(
            out,
            "  mean {cycles:.1} cycles/token: {} tokens/s at {}, predicted",
            rate(per_second),
            megahertz(report.clock_hz)
        )?;
    } else if !report.fitting.is_empty() {
        writeln!(out, "  it fits {}", report.fitting.join(" and "))?;
    }
    if let Some(Sizes { mxm_lanes, vxm_lanes, weight_rows, kv_rows, vmem_rows }) = &report.made_to_measure {
        let text = format!(
            "virtual chip for all positions: {mxm_lanes} lanes, {weight_rows} weight rows, {kv_rows} KV rows, {vmem_rows} \
             rows of {vxm_lanes} words; `--geometry virtual` runs it on the emulator"
        );
        writeln!(out, "  {}", paint(FAINT, text))?;
    }
    Ok(())
}
