//! `lpu eval`: how much of the model's quality the chip's arithmetic keeps.

use super::output::{STRONG, grouped, json, note, paint, progress};
use super::{Failure, ModelArguments, session, source};
use indicatif::ProgressBar;
use lpu_host::compile::CompileError;
use lpu_host::model::eval::{BoxError, Comparison, EvalError, LogitSource, compare, encode_stories};
use lpu_host::model::{Model, Reference, Tokenizer};
use lpu_host::text;
use lpu_host::verify::VerifiedProgram;
use lpu_isa::Geometry;
use lpu_isa::host::Fault;
use lpu_sim::Emulator;
use serde::Serialize;
use std::io::Write;
use std::path::PathBuf;

/// Doublings of a memory that is too small for the text.
const DOUBLINGS_MAX: u32 = 8;

/// Compare the LPU with fp32 on a text.
///
/// Reports perplexity, top-1 agreement and KL divergence.
///
/// Each story between `<|story|>` lines is encoded on its own and cut to the model's context; every next token is predicted from
/// the true ones before it. If the chip's memories are too small for that context, the same arithmetic runs on a chip with more memory.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  lpu eval stories260K.bin --text eval.txt
  lpu eval stories260K.bin --text eval.txt --json
  lpu eval stories260K.bin --text eval.txt --stories 2")]
pub struct Arguments {
    #[command(flatten)]
    model: ModelArguments,
    /// Stories, separated by lines `<|story|>`.
    #[arg(long, value_name = "FILE")]
    text: PathBuf,
    /// Use only the first N stories.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    stories: Option<u32>,
    /// Report as JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Report {
    /// Tokens predicted.
    tokens: usize,
    ppl_fp32: f64,
    ppl_lpu: f64,
    /// Share of positions at which both find the same token most likely, 0 to 1.
    top1: f64,
    /// Mean KL(fp32 || LPU) in nats.
    kl: f64,
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
    let stories = stories(arguments, &model, &tokenizer)?;
    let context = stories.iter().map(|ids| ids.len().saturating_sub(1)).max().unwrap_or(0).max(1);
    let image = image_for(arguments, &model, &tokenizer, context)?;
    let predictions = stories.iter().map(|ids| ids.len().saturating_sub(1)).sum::<usize>();
    let bar = progress(predictions as u64, "evaluating", "tokens");
    let mut chip = Chip::new(&image, bar.clone());
    let found = compare(&mut Reference::new(&model), &mut chip, &stories);
    bar.finish_and_clear();
    report(arguments, &found.map_err(failure)?)
}

/// A machine that fails is not the user's fault; a text without predictions is.
fn failure(error: EvalError) -> Failure {
    match error {
        EvalError::Source { .. } => Failure::machine(error),
        _ => Failure::input(error),
    }
}

fn stories(arguments: &Arguments, model: &Model, tokenizer: &Tokenizer) -> Result<Vec<Vec<u32>>, Failure> {
    let path = &arguments.text;
    let bytes = std::fs::read(path).map_err(|error| Failure::unreadable(path, &error))?;
    let text = text::decode(&bytes).ok_or_else(|| {
        let good = std::str::from_utf8(&bytes).err().map_or(0, |error| error.valid_up_to());
        Failure::input(format!("{} is not UTF-8 from byte {good} on; expected a text", path.display()))
    })?;
    let mut stories = encode_stories(tokenizer, &text, model.config.context)
        .map_err(|error| Failure::input(format!("{}: {error}", path.display())))?;
    stories.truncate(arguments.stories.map_or(usize::MAX, |count| count as usize));
    Ok(stories)
}

/// The model compiled for the chip, or for one with more of the memories that are too small for `context` positions.
fn image_for(
    arguments: &Arguments,
    model: &Model,
    tokenizer: &Tokenizer,
    context: usize,
) -> Result<VerifiedProgram, Failure> {
    let named = source::geometry_of(&arguments.model, model, Some(context))?;
    let mut geometry = named;
    geometry.positions = geometry.positions.max(context.next_power_of_two());
    let compile = |geometry: &Geometry| {
        source::try_compile(&arguments.model.model, model, Some(tokenizer), geometry, Some(context))
    };
    let mut result = compile(&geometry);
    for _ in 0..DOUBLINGS_MAX {
        if !matches!(result, Err(CompileError::DoesNotFit { .. })) {
            break;
        }
        geometry.kv_rows *= 2;
        geometry.vmem_rows *= 2;
        result = compile(&geometry);
    }
    let image = result.map_err(|error| source::refused(&arguments.model.model, &error))?.image;
    if geometry != named {
        note(format!(
            "{} has too little memory for {context} positions; evaluating the same arithmetic with {} KV rows and {} rows \
             of vector memory",
            named.name, geometry.kv_rows, geometry.vmem_rows
        ));
    }
    Ok(image)
}

fn report(arguments: &Arguments, found: &Comparison) -> Result<(), Failure> {
    let report = Report {
        tokens: found.reference.predictions,
        ppl_fp32: found.reference.perplexity(),
        ppl_lpu: found.other.perplexity(),
        top1: found.top1_agreement,
        kl: found.kl_nats,
    };
    if arguments.json {
        return json(&report);
    }
    let Report { tokens, ppl_fp32, ppl_lpu, top1, kl } = report;
    let mut out = anstream::stdout();
    writeln!(out, "{}", paint(STRONG, format!("{} tokens predicted", grouped(tokens as u64))))?;
    writeln!(
        out,
        "  perplexity       {ppl_fp32:.4} fp32, {ppl_lpu:.4} LPU ({:+.3} %)",
        100.0 * (ppl_lpu / ppl_fp32 - 1.0)
    )?;
    writeln!(out, "  top-1 agreement  {:.2} %", 100.0 * top1)?;
    writeln!(out, "  KL divergence    {kl:.2e} nat")?;
    Ok(())
}

/// The emulator as a source of logits. It is driven directly: teacher forcing needs no run.
struct Chip {
    emulator: Emulator,
    position: usize,
    vocab: usize,
    first_row: usize,
    lanes: usize,
    /// Value of the last bit of a logit.
    unit: f64,
    bar: ProgressBar,
}

impl Chip {
    fn new(image: &VerifiedProgram, bar: ProgressBar) -> Self {
        Self {
            emulator: Emulator::with_image(image),
            position: 0,
            vocab: image.model.vocab as usize,
            first_row: image.model.logits_row as usize,
            lanes: image.geometry.vxm_lanes,
            unit: (-f64::from(image.model.logit_fraction_bits)).exp2(),
            bar,
        }
    }
}

impl LogitSource for Chip {
    fn reset(&mut self) -> Result<(), BoxError> {
        self.position = 0;
        Ok(())
    }

    fn step(&mut self, token: u32, logits: &mut Vec<f64>) -> Result<(), BoxError> {
        self.emulator.execute(u16::try_from(token)?, self.position);
        if self.emulator.faults() != Fault::default() {
            let names = session::fault_names(self.emulator.faults());
            return Err(format!("the emulator raised {names}; expected no fault").into());
        }
        logits.clear();
        for row in 0..self.vocab.div_ceil(self.lanes) {
            let words = self.emulator.state().vmem_row(self.first_row + row);
            logits.extend(words.iter().map(|&word| f64::from(word) * self.unit));
        }
        logits.truncate(self.vocab);
        self.position += 1;
        self.bar.inc(1);
        Ok(())
    }
}
