//! The compiler: a model in, a program image out. One pass, one file, in this order:
//!
//! | pass | file | result |
//! |---|---|---|
//! | simplify | `simplify.rs`, `features.rs` | the same function with fewer kinds of parts |
//! | calibrate | `calibrate.rs` | how large each vector gets on text that the model writes itself |
//! | plan | `plan.rs`, `vectors.rs`, `channels.rs` | where everything lies, and how many positions fit |
//! | formats | `formats` | binary points and shifts |
//! | quantise | `quantise.rs`, `compensate.rs` | nine-bit weights, one scale a row |
//! | constants | `constants.rs` | contents of the memories |
//! | program | `program.rs` | instructions in the order of need |
//! | schedule | `schedule.rs`, `access.rs` | when each is issued |
//!
//! # Invariants
//! 1. The same model, geometry and options give the same bytes.
//! 2. Every program that leaves here passes [`crate::verify`], which shares no code with it.

mod access;
mod calibrate;
mod channels;
mod compensate;
mod constants;
mod error;
mod features;
mod formats;
mod plan;
mod program;
mod quantise;
mod schedule;
mod simplify;
mod supported;
mod turns;
mod vectors;

use calibrate::LayerRange;
pub use calibrate::{Calibration, Ranges};
pub use error::CompileError;
pub use features::Features;
pub use formats::Formats;
pub use plan::Plan;
use simplify::simplify;

use crate::model::{Activation, Layer, Model, Norm, NormKind, Tokenizer};
use lpu_isa::Geometry;
use lpu_isa::image::{Image, ModelInfo};
use lpu_isa::instruction::{Instruction, Queue, Word};
use quantise::{QuantisedLayer, QuantisedTokens};

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
    pub image: Image,
    pub plan: Plan,
    pub formats: Formats,
}

/// Compiles a model for a chip.
///
/// # Errors
/// When the model has a part that no program exists for, or does not fit (by how much, and in which memory).
pub fn compile(
    model: &Model,
    tokenizer: Option<&Tokenizer>,
    geometry: &Geometry,
    options: &Options,
) -> Result<Compiled, CompileError> {
    check_supported(model)?;
    let simplified = simplify(model);
    let features = Features::of(model);
    let plan = Plan::new(&model.config, features, geometry, options.context)?;
    let bos = tokenizer.map_or(0, Tokenizer::bos);
    let ranges = calibrate::calibrate(&simplified, &plan.channels, bos, options.calibration);
    let simple = &simplified.model;
    let formats = Formats::before_weights(&simple.config, &plan, &ranges)?;
    let layers = quantise_layers(simple, &plan, &formats, &ranges);
    let tokens = QuantisedTokens::new(simple, &plan);
    let formats = formats.with_weights(&ranges, &layers, &tokens, simple, features)?;
    let weights = constants::weights(&plan, &layers, &tokens);
    let vmem = constants::vector_memory(&simplified, &plan, &formats, &layers, &tokens);
    let program = program::program(&plan, &formats)?;
    let image = Image {
        geometry: *geometry,
        model: model_info(model, tokenizer, &plan, &formats, options),
        matrix: encode(&program.matrix, Queue::Matrix, geometry)?,
        vector: encode(&program.vector, Queue::Vector, geometry)?,
        weights,
        vmem,
        tokenizer: tokenizer.map(Tokenizer::to_bytes).unwrap_or_default(),
    };
    Ok(Compiled { image, plan, formats })
}

fn quantise_layers(model: &Model, plan: &Plan, formats: &Formats, ranges: &Ranges) -> Vec<QuantisedLayer> {
    let quantise = |((layer, format), range): ((&Layer, &formats::LayerFormats), &LayerRange)| {
        let fraction = f64::from(formats::MIX_FRACTION_BITS).exp2();
        let step = |channel| 1.0 / (format.v[formats::key_channel(plan, channel)] * fraction);
        let mix: Vec<f64> = (0..plan.channels.q_width()).map(step).collect();
        quantise::quantise_layer(&model.config, layer, plan, range, &mix, 1.0 / format.hidden)
    };
    model.layers.iter().zip(&formats.layers).zip(&ranges.layers).map(quantise).collect()
}

fn check_supported(model: &Model) -> Result<(), CompileError> {
    let config = &model.config;
    let unsupported = |feature| Err(CompileError::Unsupported { feature });
    if config.gated && config.activation == Activation::Relu {
        return unsupported("a gated MLP with ReLU");
    }
    let norm_bias = |layer: &Layer| layer.mlp_norm.bias.is_some();
    if config.gated && model.layers.iter().any(|layer| layer.up.bias.is_some() || norm_bias(layer)) {
        return unsupported("biases of a gated MLP's inner vector");
    }
    if config.embedding_norm && !matches!(config.norm, NormKind::Rms { .. }) {
        return unsupported("an embedding with LayerNorm");
    }
    let heads = |layer: &Layer| [layer.q_norm.is_some(), layer.k_norm.is_some()];
    if model.layers.iter().any(|layer| heads(layer) != [false; 2]) {
        check_head_norm(model)?;
    }
    Ok(())
}

/// Heads are normalised where both q and k are, without biases, and turn.
fn check_head_norm(model: &Model) -> Result<(), CompileError> {
    let unsupported = |feature| Err(CompileError::Unsupported { feature });
    let whole = |layer: &Layer| layer.q_norm.is_some() && layer.k_norm.is_some();
    if !model.layers.iter().all(whole) {
        return unsupported("head normalisation of q or k alone, or in some layers");
    }
    if !matches!(model.config.norm, NormKind::Rms { .. }) || model.config.rope.is_none() {
        return unsupported("head normalisation with LayerNorm or learned positions");
    }
    let norm_bias = |norm: &Option<Norm>| norm.as_ref().is_some_and(|norm| norm.bias.is_some());
    let biased = |layer: &Layer| {
        let added = layer.q.bias.is_some() || layer.k.bias.is_some() || layer.attn_norm.bias.is_some();
        added || norm_bias(&layer.q_norm) || norm_bias(&layer.k_norm)
    };
    if model.layers.iter().any(biased) {
        return unsupported("head normalisation with biases of q or k");
    }
    Ok(())
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
        logits_row: plan.vmem.logits as u32,
        logit_fraction_bits: formats.logits as u32,
        temperature_shift: 0,
        bos: tokenizer.map_or(0xffff, Tokenizer::bos),
        eos: tokenizer.and_then(Tokenizer::eos).unwrap_or(0xffff),
        macs: macs as u64,
        macs_per_position: (config.layers * config.heads * config.head_dim * 2) as u64,
    }
}
