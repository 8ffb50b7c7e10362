//! `lpu eval`: how much of the model's quality the chip's arithmetic keeps.

use super::layers::{self, LayerError};
use super::number::whole;
use super::output::{BAD, STRONG, grouped, json, note, paint, progress};
use super::{Failure, GeometryChoice, ModelArguments, session, source};
use indicatif::ProgressBar;
use lpu_compiler::fit;
use lpu_compiler::{Compiled, Features, lay_out};
use lpu_isa::Geometry;
use lpu_isa::host::Fault;
use lpu_model::eval::{self, BoxError, Comparison, Encoded, EvalError, LogitSource, compare};
use lpu_model::text;
use lpu_model::{Model, ReadAhead, Tokenizer};
use lpu_runtime::saturation;
use lpu_sim::Emulator;
use lpu_sim::device::{HostPort, Loaded};
use lpu_verifier::VerifiedProgram;
use serde::Serialize;
use std::io::Write;
use std::path::PathBuf;

/// Compare the LPU with fp32 on a text.
///
/// Reports perplexity, top-1 agreement and KL divergence.
///
/// A text with `<|story|>` lines is split at them, and each part is encoded by itself and cut to the model's context; a text without such
/// lines is cut into contexts. Every token is predicted from the true tokens before it. If the chip's memories are too small for that
/// context, the same arithmetic is evaluated with larger ones.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  lpu eval stories260K.bin --text eval.txt
  lpu eval stories260K.bin --text eval.txt --json
  lpu eval SmolLM2-135M-Instruct.Q4_1.gguf --text eval.txt --layers
  lpu eval stories260K.bin --text eval.txt --stories 2")]
pub struct Arguments {
    #[command(flatten)]
    model: ModelArguments,
    /// Text file; lines with `<|story|>` separate its parts.
    #[arg(long, value_name = "FILE")]
    text: PathBuf,
    /// Use only the first N parts, or the first N contexts of a text without parts.
    #[arg(long, value_name = "N", value_parser = whole::<u32>(1))]
    stories: Option<u32>,
    /// Also report how far each layer's keys and values are from fp32's, on the first 128 tokens.
    #[arg(long)]
    layers: bool,
    /// Report as JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Report {
    /// Tokens predicted.
    tokens: usize,
    /// Tokens that were not, because their story is longer than the context.
    tokens_dropped: usize,
    /// Stories, or parts of a plain text, each run from an empty cache.
    contexts: usize,
    /// Positions of the longest of them.
    positions: usize,
    /// Why the chip itself has fewer positions; absent if it has not.
    #[serde(skip_serializing_if = "Option::is_none")]
    context_limit: Option<String>,
    ppl_fp32: f64,
    ppl_lpu: f64,
    /// Share of positions at which both find the same token most likely, 0 to 1.
    top1: f64,
    /// Mean KL(fp32 || LPU) in nats.
    kl: f64,
    /// Rows in which a value was cut off at the limit of its format.
    saturations: u64,
    /// With `--layers`: signal to error of the keys and values that each layer stores.
    #[serde(skip_serializing_if = "Option::is_none")]
    layers: Option<Vec<LayerError>>,
    warnings: Vec<String>,
}

pub fn run(arguments: &Arguments) -> Result<(), Failure> {
    let path = &arguments.model.model;
    if source::is_image(path)? {
        return Err(Failure::input(format!(
            "{} is a compiled image; expected the checkpoint that it was made from, whose fp32 weights are the reference",
            path.display()
        )));
    }
    let (model, tokenizer) = source::open_checkpoint(&arguments.model)?;
    let tokenizer = tokenizer.ok_or_else(|| {
        Failure::input(format!(
            "no tokenizer of {} pieces lies beside the model; expected one to encode the text: name it with --tokenizer",
            model.config.vocab
        ))
    })?;
    // A virtual chip is made for the text; of the others, the one that every command takes, though it may have fewer positions.
    let chip = match arguments.model.geometry {
        Some(GeometryChoice::Virtual) => None,
        _ => Some(source::geometry_of(&arguments.model, &model, None)?),
    };
    // With external memory the first token is part of the program.
    let first = chip.filter(Geometry::has_external_memory).map(|_| tokenizer.bos());
    let encoded = encoded(arguments, &model, &tokenizer, first)?;
    let chip = image_for(arguments, &model, &tokenizer, chip, encoded.positions().max(1))?;
    let bar = progress(encoded.predictions() as u64, "evaluating", "tokens");
    let mut machine = Machine::new(&chip.compiled.image, bar.clone());
    let found = compare(&mut ReadAhead::new(&model), &mut machine, &encoded.contexts);
    bar.finish_and_clear();
    let saturations = machine.emulator.saturations();
    let found = found.map_err(failure)?;
    let tokens = encoded.contexts.first().filter(|_| arguments.layers);
    let layers = tokens.map(|tokens| layers::errors(&model, &chip.compiled, tokens)).transpose();
    report(arguments, &encoded, chip.limit, &found, saturations, layers.map_err(Failure::machine)?)
}

/// A machine that fails is not the user's fault; a text without predictions is.
fn failure(error: EvalError) -> Failure {
    match error {
        EvalError::Source { .. } => Failure::machine(error),
        _ => Failure::input(error),
    }
}

fn encoded(
    arguments: &Arguments,
    model: &Model,
    tokenizer: &Tokenizer,
    first: Option<u32>,
) -> Result<Encoded, Failure> {
    let path = &arguments.text;
    let bytes = std::fs::read(path).map_err(|error| Failure::unreadable(path, &error))?;
    let text = text::decode(&bytes).ok_or_else(|| Failure::not_utf8(path, &bytes))?;
    let mut encoded = eval::encode(tokenizer, &text, model.config.context.min(fit::POSITIONS_MAX), first)
        .map_err(|error| Failure::input(format!("{}: {error}", path.display())))?;
    encoded.truncate(arguments.stories.map_or(usize::MAX, |count| count as usize));
    Ok(encoded)
}

/// A program that has as many positions as the text needs.
struct Chip {
    compiled: Compiled,
    /// Why the chip that was asked for has fewer.
    limit: Option<String>,
}

/// The model compiled for the chip, or for one with more of the memories that are too small for `context` positions.
fn image_for(
    arguments: &Arguments,
    model: &Model,
    tokenizer: &Tokenizer,
    chip: Option<Geometry>,
    context: usize,
) -> Result<Chip, Failure> {
    let path = &arguments.model.model;
    let refused = |error| source::refused(path, &error);
    let named = chip.map_or_else(|| source::geometry_of(&arguments.model, model, Some(context)), Ok)?;
    let plan = lay_out(&model.config, Features::of(model), &named, None).map_err(refused)?;
    let limit = plan
        .limit
        .filter(|_| plan.context < context)
        .map(|limit| format!("{} has room for {} positions of {context}: {limit}", named.name, plan.context));
    let geometry = match limit {
        None => named,
        Some(_) => fit::with_room(model, named, context).map_err(refused)?,
    };
    let compiled = source::try_compile(path, model, Some(tokenizer), &geometry, Some(context));
    let compiled = compiled.map_err(refused)?;
    if let Some(limit) = &limit {
        note(format!("{limit}; evaluating the same arithmetic on a larger chip"));
    }
    Ok(Chip { compiled, limit })
}

fn report(
    arguments: &Arguments,
    encoded: &Encoded,
    context_limit: Option<String>,
    found: &Comparison,
    saturations: u64,
    layers: Option<Vec<LayerError>>,
) -> Result<(), Failure> {
    let report = Report {
        tokens: found.reference.predictions,
        tokens_dropped: encoded.predictions_dropped(),
        contexts: encoded.contexts.len(),
        positions: encoded.positions(),
        context_limit,
        ppl_fp32: found.reference.perplexity(),
        ppl_lpu: found.other.perplexity(),
        top1: found.top1_agreement,
        kl: found.kl_nats,
        saturations,
        layers,
        warnings: saturation::warning(saturations).into_iter().collect(),
    };
    match arguments.json {
        true => json(&report),
        false => print(&report, encoded.is_plain),
    }
}

fn print(report: &Report, is_plain: bool) -> Result<(), Failure> {
    let Report { tokens, tokens_dropped, contexts, positions, ppl_fp32, ppl_lpu, top1, kl, .. } = report;
    let mut out = anstream::stdout();
    writeln!(out, "{}", paint(STRONG, format!("{} tokens predicted", grouped(*tokens as u64))))?;
    if is_plain && *contexts > 1 {
        writeln!(
            out,
            "  the text was cut into {contexts} contexts of up to {positions} positions; nothing was dropped"
        )?;
    }
    if *tokens_dropped > 0 {
        let share = 100.0 * *tokens_dropped as f64 / (tokens + tokens_dropped) as f64;
        writeln!(
            out,
            "  {} more tokens were dropped ({share:.1} % of the text): their stories are longer than the context of {positions}",
            grouped(*tokens_dropped as u64),
        )?;
    }
    writeln!(
        out,
        "  perplexity       {ppl_fp32:.4} fp32, {ppl_lpu:.4} LPU ({:+.3} %)",
        100.0 * (ppl_lpu / ppl_fp32 - 1.0)
    )?;
    writeln!(out, "  top-1 agreement  {:.2} %", 100.0 * top1)?;
    writeln!(out, "  KL divergence    {kl:.2e} nat")?;
    if let Some(layers) = &report.layers {
        write!(out, "{}", layers::text(layers))?;
    }
    report.warnings.iter().for_each(|warning| note(paint(BAD, warning)));
    Ok(())
}

/// The emulator as a source of logits. It is driven directly: teacher forcing needs no run.
struct Machine {
    emulator: Emulator,
    position: usize,
    program: Loaded,
    /// Logits of position 0, where the program holds that position.
    first: Option<Vec<i32>>,
    /// Value of the last bit of a logit.
    unit: f64,
    bar: ProgressBar,
}

impl Machine {
    fn new(image: &VerifiedProgram, bar: ProgressBar) -> Self {
        let mut machine = Self {
            emulator: Emulator::with_image(image),
            position: 0,
            program: Loaded::new(image),
            first: None,
            unit: (-f64::from(image.model.logit_fraction_bits)).exp2(),
            bar,
        };
        if image.model.first_position > 0 {
            // They stand where those of every other position will be written.
            machine.first = machine.logits().ok();
        }
        machine
    }

    /// The logits of the last position, as a host reads them.
    fn logits(&mut self) -> Result<Vec<i32>, BoxError> {
        let (space, parts) = self.program.logits_parts();
        let mut read = Vec::with_capacity(parts.len());
        for (address, count) in parts {
            read.push(self.emulator.read(space, address as u32, count)?.as_flattened().to_vec());
        }
        Ok(self.program.logits(&read))
    }
}

impl LogitSource for Machine {
    fn reset(&mut self) -> Result<(), BoxError> {
        self.position = 0;
        Ok(())
    }

    fn step(&mut self, token: u32, logits: &mut Vec<f64>) -> Result<(), BoxError> {
        let words = match &self.first {
            Some(first) if self.position == 0 => first.clone(),
            _ => {
                self.emulator.execute(u16::try_from(token)?, self.position);
                if self.emulator.faults() != Fault::default() {
                    let names = session::fault_names(self.emulator.faults());
                    return Err(format!("the emulator raised {names}; expected no fault").into());
                }
                self.logits()?
            }
        };
        logits.clear();
        logits.extend(words.into_iter().map(|word| f64::from(word) * self.unit));
        self.position += 1;
        self.bar.inc(1);
        Ok(())
    }
}
