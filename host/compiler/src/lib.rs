//! The compiler: a model in, a program image out. One pass, one file, in this order:
//!
//! | pass | file | result |
//! |---|---|---|
//! | simplify | `simplify.rs`, `features.rs` | the same function with fewer kinds of parts |
//! | calibrate | `calibrate.rs`, `keys.rs` | how large each vector gets on text that the model writes itself |
//! | plan | `plan.rs`, `vectors.rs`, `channels.rs`, `windows.rs` | where everything lies, and how many positions fit |
//! | formats | `formats` | binary points and shifts |
//! | quantise | `quantise.rs`, `compensate.rs` | nine-bit weights, one scale a row |
//! | constants | `constants.rs` | contents of the memories |
//! | program | `program.rs` | instructions in the order of need |
//! | schedule | `schedule.rs`, `access.rs`, `noise.rs`, `wait.rs` | when each is issued |
//!
//! # Invariants
//! 1. The same model, geometry and options give the same bytes.
//! 2. Every program that leaves here has passed [`lpu_verifier`], which shares no code with it.

mod access;
mod cached;
mod calibrate;
mod channels;
mod compensate;
mod constants;
mod error;
mod external;
mod external_image;
mod features;
pub mod fit;
mod formats;
mod keys;
mod limit;
mod noise;
mod plan;
mod program;
mod quantise;
mod schedule;
mod simplify;
mod store;
mod stream;
mod supported;
mod transfers;
mod turns;
mod vectors;
mod wait;
mod windows;

pub use cached::Cached;
use calibrate::LayerRange;
pub use calibrate::{Calibration, Ranges};
pub use error::CompileError;
use external_image::Filled;
pub use features::Features;
pub use formats::Formats;
pub use limit::ContextLimit;
pub use plan::Plan;
use simplify::{Simplified, simplify};

use lpu_isa::Geometry;
use lpu_isa::image::{Image, ModelInfo};
use lpu_isa::instruction::{Instruction, Queue, Word};
use lpu_model::{Config, Layer, Model, Tokenizer};
use lpu_verifier::VerifiedProgram;
use quantise::{QuantisedLayer, QuantisedTokens};
use rayon::prelude::*;

/// What the user may choose.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Options {
    /// Name of the model in reports.
    pub name: String,
    /// Positions that must fit; by default as many as do.
    pub context: Option<usize>,
    /// How much text the model writes to show its ranges.
    pub calibration: Calibration,
}

/// A compiled model.
#[derive(Clone, Debug)]
pub struct Compiled {
    pub image: VerifiedProgram,
    pub plan: Plan,
    pub formats: Formats,
}

/// Compiles a model for a chip.
///
/// # Errors
/// When the model has a part that no program exists for, or does not fit (by how much, and in which memory); when the compiler is wrong,
/// and the verifier rejects its program.
pub fn compile(
    model: &Model,
    tokenizer: Option<&Tokenizer>,
    geometry: &Geometry,
    options: &Options,
) -> Result<Compiled, CompileError> {
    let features = Features::of(model);
    let plan = lay_out(&model.config, features, geometry, options.context)?;
    let simplified = simplify(model);
    let bos = tokenizer.map_or(0, Tokenizer::bos);
    // Real models put activations at the first token that no other position comes near: where it is known, it is computed here.
    let first = tokenizer.map(Tokenizer::bos).filter(|_| plan.external.is_some());
    let calibration = Calibration {
        skip_first: options.calibration.skip_first || first.is_some(),
        moments: options.calibration.moments && plan.external.is_none(),
        ..options.calibration
    };
    let mut ranges = calibrate::calibrate(&simplified, &plan.channels, bos, calibration);
    if let Some(token) = first {
        ranges.hold_position_zero(&simplified.model, &plan.channels, token);
    }
    let simple = &simplified.model;
    let formats = Formats::before_weights(&simple.config, &plan, &ranges)?;
    let Memories { formats, weights, vmem, dram } =
        memories(&simplified, &plan, formats, &ranges, features, first)?;
    let [matrix, vector, transfer] = instructions(&plan, &formats)?;
    let image = Image {
        geometry: *geometry,
        model: ModelInfo {
            first_position: u32::from(first.is_some()),
            ..model_info(model, tokenizer, &plan, &formats, options)
        },
        matrix,
        vector,
        weights,
        vmem,
        transfer,
        dram,
        tokenizer: tokenizer.map(Tokenizer::to_bytes).unwrap_or_default(),
    };
    let image =
        VerifiedProgram::new(image).map_err(|violation| CompileError::Illegal(Box::new(violation)))?;
    Ok(Compiled { image, plan, formats })
}

/// What memories hold, and the formats that follow from the weights.
struct Memories {
    formats: Formats,
    weights: Vec<i16>,
    vmem: Vec<i32>,
    dram: Vec<u8>,
}

fn memories(
    simplified: &Simplified,
    plan: &Plan,
    formats: Formats,
    ranges: &Ranges,
    features: Features,
    first: Option<u32>,
) -> Result<Memories, CompileError> {
    let model = &simplified.model;
    if let Some(external) = &plan.external {
        let Filled { formats, dram } =
            external_image::fill(simplified, plan, external, formats, ranges, features, first)?;
        let vmem = constants::fixed_words(plan);
        return Ok(Memories { formats, weights: Vec::new(), vmem, dram });
    }
    let layers = quantise_layers(model, plan, &formats, ranges);
    let tokens = QuantisedTokens::new(model, plan);
    let formats = formats.with_weights(ranges, &layers, &tokens, model, features)?;
    let weights = constants::weights(plan, &layers, &tokens);
    let vmem = constants::vector_memory(simplified, plan, &formats, &layers, &tokens);
    Ok(Memories { formats, weights, vmem, dram: Vec::new() })
}

/// Lays a model out on a chip, with the longest context that fits (at most `context` when given): all that [`compile`] decides before it
/// looks at weights. The memory map is one that a program exists for, and the program is short enough for the chip's queues.
///
/// # Errors
/// When there is no program for the shape, or it does not fit (by how much, and in which memory).
pub fn lay_out(
    config: &Config,
    features: Features,
    geometry: &Geometry,
    context: Option<usize>,
) -> Result<Plan, CompileError> {
    let plan = Plan::new(config, features, geometry, context)?;
    // Weights decide shifts; which instructions there are, and when, they do not.
    let program = |plan: &Plan| instructions(plan, &Formats::without_weights(features));
    match (program(&plan), plan.shortest_window()) {
        // Within its window, a model needs no masks.
        (Err(CompileError::QueueTooShort { queue, needed, available }), Some(positions))
            if context.is_none() =>
        {
            let limit = Some(ContextLimit::Window { positions, queue, needed, available });
            let plan = Plan { limit, ..Plan::new(config, features, geometry, Some(positions))? };
            program(&plan).map(|_| plan)
        }
        (result, _) => result.map(|_| plan),
    }
}

/// A program without its data, whose time is that of every model of the plan's shape.
///
/// # Errors
/// As [`lay_out`], which has made the plan: none.
pub fn timing(plan: &Plan) -> Result<Image, CompileError> {
    let [matrix, vector, transfer] = instructions(plan, &Formats::without_weights(plan.features))?;
    let model = ModelInfo { context: plan.context as u32, ..ModelInfo::default() };
    Ok(Image { model, matrix, vector, transfer, ..Image::empty(plan.geometry) })
}

/// The words of each queue.
fn instructions(plan: &Plan, formats: &Formats) -> Result<[Vec<Word>; Queue::ALL.len()], CompileError> {
    let [matrix, vector, transfer] = program::program(plan, formats)?;
    let geometry = &plan.geometry;
    Ok([
        encode(&matrix, Queue::Matrix, geometry)?,
        encode(&vector, Queue::Vector, geometry)?,
        encode(&transfer, Queue::Transfer, geometry)?,
    ])
}

fn quantise_layers(model: &Model, plan: &Plan, formats: &Formats, ranges: &Ranges) -> Vec<QuantisedLayer> {
    let quantise = |((layer, format), range): ((&Layer, &formats::LayerFormats), &LayerRange)| {
        let fraction = f64::from(formats::MIX_FRACTION_BITS).exp2();
        let step = |channel| 1.0 / (format.v[formats::key_channel(plan, channel)] * fraction);
        let mix: Vec<f64> = (0..plan.channels.q_width()).map(step).collect();
        quantise::quantise_layer(&model.config, layer, plan, range, &mix, 1.0 / format.hidden)
    };
    model.layers.par_iter().zip(&formats.layers).zip(&ranges.layers).map(quantise).collect()
}

fn encode(
    instructions: &[Instruction],
    queue: Queue,
    geometry: &Geometry,
) -> Result<Vec<Word>, CompileError> {
    let (needed, available) = (instructions.len(), geometry.queue_depth(queue));
    if needed > available {
        return Err(CompileError::QueueTooShort { queue, needed, available });
    }
    let encode = |(index, instruction): (usize, &Instruction)| {
        instruction.encode().map_err(|field| CompileError::Encoding { field, index })
    };
    instructions.iter().enumerate().map(encode).collect()
}

fn model_info(
    model: &Model,
    tokenizer: Option<&Tokenizer>,
    plan: &Plan,
    formats: &Formats,
    options: &Options,
) -> ModelInfo {
    let config = &model.config;
    let layer = config.dim * (2 * config.q_dim() + 2 * config.kv_dim())
        + config.dim * config.hidden_dim * (2 + usize::from(config.gated));
    let macs = layer * config.layers + config.vocab * config.dim;
    ModelInfo {
        name: options.name.clone(),
        vocab: config.vocab as u32,
        context: plan.context as u32,
        parameters: model.parameter_count() as u64,
        logits_row: plan.external.as_ref().map_or(plan.vmem.logits, |plan| plan.classifier + plan.logits)
            as u32,
        logits_rows: plan.external.as_ref().map_or(0, |plan| plan.chunk_rows) as u32,
        logits_step: plan.external.as_ref().map_or(0, |plan| plan.chunk_granules) as u32,
        logit_fraction_bits: formats.logits as u32,
        bos: tokenizer.map_or(0xffff, Tokenizer::bos),
        eos: tokenizer.and_then(Tokenizer::eos).unwrap_or(0xffff),
        macs: macs as u64,
        macs_per_position: (config.layers * config.heads * config.head_dim * 2) as u64,
        first_position: 0,
    }
}
