//! `lpu fit`: whether a model fits a chip, before it is compiled.

use super::output::{BAD, FAINT, GOOD, STRONG, grouped, json, megahertz, paint, rate, table};
use super::schedule::{Schedule, Slice};
use super::{Failure, GeometryChoice, ModelArguments, source};
use lpu_compiler::fit::{self, Fit, Shortage};
use lpu_compiler::{CompileError, Features, timing};
use lpu_isa::Geometry;
use lpu_model::Model;
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
    /// The chip that was asked for, or those of all boards.
    chips: Vec<Chip>,
    /// Cycles of a token, mean over all positions.
    cycles_mean: Option<f64>,
    tokens_per_second: Option<f64>,
    clock_hz: u64,
    /// Chips that exist and that the model fits on.
    fitting: Vec<&'static str>,
    /// A chip made to measure.
    made_to_measure: Option<Sizes>,
}

/// How a model does on one chip.
#[derive(Clone, Serialize)]
struct Chip {
    geometry: &'static str,
    /// How weights are stored.
    weights: String,
    fits: bool,
    /// Why it does not fit.
    reason: Option<String>,
    context: usize,
    cycles_mean: Option<f64>,
    tokens_per_second: Option<f64>,
    bound: Option<Bound>,
}

/// What a token's time is made of.
#[derive(Clone, Copy, Serialize)]
#[serde(rename_all = "snake_case")]
enum Bound {
    Memory,
    Multipliers,
    Latency,
}

/// Share of its time from which on a part of the chip is what tokens wait for.
const BUSY: f64 = 0.75;

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
    let (model, _) = source::open_checkpoint(&arguments.model)?;
    let report = report(arguments, &model);
    if arguments.json {
        json(&report)?;
    } else {
        print(&report)?;
    }
    if report.fits { Ok(()) } else { Err(Failure::No) }
}

/// A model on a chip.
fn on_chip(model: &Model, geometry: &Geometry) -> (Fit, Chip) {
    let features = Features::of(model);
    let mut found = fit::fit(&model.config, features, geometry);
    let [least, most] = features.codes.bits();
    let mut chip = Chip {
        geometry: geometry.name,
        weights: match (geometry.has_external_memory(), least == most) {
            (false, _) => "9-bit codes on chip".into(),
            (true, true) => format!("{least}-bit blocks in DRAM"),
            (true, false) => format!("{least}- to {most}-bit blocks in DRAM"),
        },
        fits: false,
        reason: None,
        context: found.plan.as_ref().map_or(0, |plan| plan.context),
        cycles_mean: None,
        tokens_per_second: None,
        bound: None,
    };
    match found.plan.as_ref().map(timing).transpose() {
        Ok(timing) => timing.iter().for_each(|timing| chip.predict(&Schedule::new(timing), geometry)),
        Err(error) => found.impossible = Some(error),
    }
    chip.reason = match (&found.short[..], &found.impossible) {
        ([Shortage { memory, needed, available }, ..], _) => {
            Some(format!("{} {memory} too few", grouped((needed - available) as u64)))
        }
        ([], Some(error)) => Some(error.to_string()),
        ([], None) => None,
    };
    (found, chip)
}

impl Chip {
    fn predict(&mut self, schedule: &Schedule, geometry: &Geometry) {
        let context = self.context.max(1);
        let cycles = schedule.cycles_total(0..context) as f64 / context as f64;
        let multipliers = schedule.utilisation(0..context)[Slice::Mxm as usize];
        let memory = schedule.traffic(0..context).map_or(0.0, |traffic| traffic.of_refreshed);
        self.fits = true;
        self.cycles_mean = Some(cycles);
        self.tokens_per_second = Some(geometry.clock_hz as f64 / cycles);
        self.bound = Some(match (memory >= BUSY, multipliers >= BUSY) {
            (true, _) => Bound::Memory,
            (false, true) => Bound::Multipliers,
            (false, false) => Bound::Latency,
        });
    }
}

fn report(arguments: &Arguments, model: &Model) -> Report {
    let mut known: Vec<(Geometry, Fit, Chip)> = Geometry::known()
        .map(|geometry| {
            let (fit, chip) = on_chip(model, &geometry);
            (geometry, fit, chip)
        })
        .collect();
    let fitting = known.iter().filter(|(.., chip)| chip.fits).map(|(.., chip)| chip.geometry).collect();
    // Smallest first.
    let boards = fit::OF_BOARDS.iter().filter_map(|board| known.iter().find(|(chip, ..)| chip == board));
    let mut chips: Vec<Chip> = boards.map(|(.., chip)| chip.clone()).collect();
    let geometry = match arguments.model.geometry {
        // A virtual chip is as large as the model needs; if there is none, the board's sizes say why.
        Some(GeometryChoice::Virtual) => fit::virtual_geometry(model, None).unwrap_or(Geometry::ULX3S_85F),
        Some(GeometryChoice::Named(geometry)) => geometry,
        None => {
            let chosen =
                chips.iter().find(|chip| chip.fits).and_then(|chip| Geometry::by_name(chip.geometry));
            chosen.unwrap_or(Geometry::ULX3S_85F)
        }
    };
    let (found, chip) = match known.iter().position(|(chip, ..)| *chip == geometry) {
        Some(index) => {
            let (_, fit, chip) = known.swap_remove(index);
            (fit, chip)
        }
        None => on_chip(model, &geometry),
    };
    // A larger chip does not help a model that has no program.
    let supported = !matches!(found.impossible, Some(CompileError::Unsupported { .. }));
    let cycles_mean = chip.cycles_mean;
    let context = chip.context;
    if arguments.model.geometry.is_some() || !supported {
        chips = vec![chip];
    }
    let measured = fit::virtual_geometry(model, None).ok().filter(|_| supported);
    Report {
        model: source::model_name(&arguments.model.model),
        geometry: geometry.name,
        parameters: model.parameter_count(),
        warnings: model.warnings.clone(),
        fits: cycles_mean.is_some(),
        context,
        context_of_model: model.config.context,
        context_limit: found.plan.and_then(|plan| plan.limit).map(|limit| limit.to_string()),
        short: found.short,
        supported,
        impossible: found.impossible.map(|error| error.to_string()),
        chips,
        cycles_mean,
        tokens_per_second: cycles_mean.map(|cycles| geometry.clock_hz as f64 / cycles),
        clock_hz: geometry.clock_hz,
        fitting,
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
    if report.chips.len() > 1 {
        write!(out, "{}", table(&chip_rows(&report.chips)))?;
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

fn chip_rows(chips: &[Chip]) -> Vec<Vec<String>> {
    let heading = ["chip", "weights", "context", "tokens/s", "bound by"].map(String::from).to_vec();
    let row = |chip: &Chip| {
        let mut row = vec![chip.geometry.into(), chip.weights.clone()];
        match (chip.tokens_per_second, chip.bound) {
            (Some(per_second), Some(bound)) => {
                let bound = match bound {
                    Bound::Memory => "memory",
                    Bound::Multipliers => "multipliers",
                    Bound::Latency => "latency",
                };
                row.extend([chip.context.to_string(), rate(per_second), bound.into()]);
            }
            _ => row.extend(["-".into(), "-".into(), chip.reason.clone().unwrap_or_default()]),
        }
        row
    };
    [heading].into_iter().chain(chips.iter().map(row)).collect()
}
