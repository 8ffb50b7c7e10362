//! Pass 4: binary points. Every integer in the machine is a real number times a factor; this pass chooses the factors so that nothing
//! calibrated overflows, with headroom, and as many bits as possible are used.
//!
//! Shifts are the same in all layers, because all layers run the same instructions; what differs from layer to layer is put into the
//! words of vector memory. A result of a matrix on a normalised input is `N * P * r`, where `N` is the shifted sum, `r` the
//! normalisation factor and `P` everything else; the row factor `P` becomes a word, `word = P * 2^split / M`, and
//! the chip computes `factor = word * mantissa(r) >> (first + exponent(r))`, `result = N * factor >> second`, with
//! `split = first + second` and `mantissa(r) * 2^-exponent(r) = r * M`.

mod norms;
mod rows;

pub use norms::{EmbeddingNorm, Gelu, HeadNorm, NormFormat, SCALE_SHIFT};
pub use rows::{Added, Scaled, gate_unit};

use super::calibrate::{LayerRange, Ranges};
use super::error::CompileError;
use super::features::Features;
use super::plan::Plan;
use super::quantise::{Quantised, QuantisedLayer, QuantisedTokens};
use lpu_isa::arith::{ACT_BITS, SCORE_FRACTION_BITS, WEIGHT_BITS, WORD_MAX, kv_decode};
use lpu_isa::transfer::BLOCK_CODES;
use lpu_model::{Activation, Config, Model, NormKind};
use norms::NormGains;
use rows::RowUses;

/// How far beyond its calibrated range a vector may go.
pub const HEADROOM: f64 = 2.0;
/// The same for keys, whose code is coarse: their range is that of every sampled key at every position, more than a text visits.
pub const KEY_HEADROOM: f64 = 1.2;
/// The same for values, whose range is that of the sampled texts alone.
pub const VALUE_HEADROOM: f64 = 1.5;
/// Largest value of a KV code.
const KV_MAX: f64 = kv_decode((1 << (WEIGHT_BITS - 1)) - 1) as f64;
/// Largest activation.
const ACT_MAX: f64 = ((1 << (ACT_BITS - 1)) - 1) as f64;
/// Right shift of the sums of mixed values: with probabilities below 2^13 no sum of 515 positions overflows.
pub const MIX_SHIFT: u32 = 14;
/// Binary logarithm of the activation units in one unit of a KV value.
pub const MIX_FRACTION_BITS: i32 = 6;
/// Binary logarithm of a probability of one.
pub const PROBABILITY_BITS: u32 = 13;

/// All factors of one layer.
#[derive(Clone, Debug, Default)]
pub struct LayerFormats {
    /// Activation units per unit of residual times gain, before attention and before the MLP.
    pub attention_input: f64,
    pub mlp_input: f64,
    /// KV units per unit of k and of v, per channel; middle of k in real units.
    pub k: Vec<f64>,
    pub k_centre: Vec<f64>,
    pub v: Vec<f64>,
    /// Units of q per unit, per channel.
    pub q: Vec<f64>,
    /// Binary logarithm of the operand's units in one of the residual's, before attention and before the MLP.
    pub attention_scale: i32,
    pub mlp_scale: i32,
    /// Activation units per unit of the hidden vector.
    pub hidden: f64,
    /// Gains of the heads' norms, per channel; one where there are none.
    pub k_gain: Vec<f64>,
    pub q_gain: Vec<f64>,
}

/// All shifts, and the factors of each layer.
#[derive(Clone, Debug, Default)]
pub struct Formats {
    pub layers: Vec<LayerFormats>,
    /// For a chip with external memory.
    pub external: bool,
    /// Fraction bits of the residual.
    pub residual: i32,
    /// How the residual is normalised.
    pub norm: NormFormat,
    /// The embedding before its normalisation, where it has one.
    pub embedding_norm: Option<EmbeddingNorm>,
    /// The scale that `norm` is made for, and that of the residual behind the last layer; see [`LayerFormats::attention_scale`].
    pub norm_scale: i32,
    pub final_scale: i32,
    /// Shift of operand times gain.
    pub input_shift: i32,
    /// Activation units per unit of residual times final gain.
    pub final_input: f64,
    pub score_shift: u32,
    pub k: Scaled,
    pub q: Scaled,
    pub v: Scaled,
    /// How heads of k and q are normalised, where they are.
    pub k_head: Option<HeadNorm>,
    pub q_head: Option<HeadNorm>,
    pub gate: Scaled,
    pub up: Scaled,
    /// Shift of gate times the up factor.
    pub gate_up: i32,
    /// Shift that makes the gate an operand.
    pub gate_shift: u32,
    /// Results of the output projection and of `down`.
    pub o: Added,
    pub down: Added,
    pub classifier: Scaled,
    /// Fraction bits of the logits.
    pub logits: i32,
    /// Scale words of the embedding and of the positions.
    pub embedding: Gathered,
    pub positions: Gathered,
    /// Binary logarithm of the residual's units in one unit of the biases that are added to it.
    pub bias_shift: i32,
    /// GELU of the gate; see [`Gelu`].
    pub gelu: Gelu,
    /// Shift of gate times sigmoid, where that is the inner vector.
    pub activated: i32,
}

/// Codes times scale words.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Gathered {
    /// Binary logarithm of word over scale.
    pub words: i32,
    /// Shift of code times word.
    pub shift: i32,
}

impl Gathered {
    /// Words of a vector that reach `largest`, which becomes the residual.
    pub fn of(largest: f64, residual: i32) -> Result<Self, CompileError> {
        let words = exponent_below(largest, f64::from(WORD_MAX), "the embedding")?;
        Ok(Self { words, shift: words - residual })
    }
}

/// Largest power of two, as its exponent, that keeps `value` within `limit`.
fn exponent_below(value: f64, limit: f64, what: &'static str) -> Result<i32, CompileError> {
    let exponent = (limit / value).log2().floor();
    if value > 0.0 && exponent.is_finite() && exponent.abs() < 60.0 {
        Ok(exponent as i32)
    } else {
        Err(CompileError::Range { what, found: value })
    }
}

/// A range, or one where it is zero: an inner vector that no text has moved, behind a ReLU that never opened, has a unit all the same.
fn or_one(range: f64) -> f64 {
    if range > 0.0 { range } else { 1.0 }
}

fn max(values: impl IntoIterator<Item = f64>) -> f64 {
    values.into_iter().fold(0.0, f64::max)
}

impl Formats {
    /// Formats that stand for any weights: a program for them has the instructions of every model with these features, at the same times.
    pub fn without_weights(features: Features) -> Self {
        let embedding_norm = features.embedding_norm.then(EmbeddingNorm::default);
        let head = features.head_norm.then(HeadNorm::default);
        Self { embedding_norm, k_head: head, q_head: head, ..Self::default() }
    }

    /// What can be chosen before weights are quantised.
    pub fn before_weights(config: &Config, plan: &Plan, ranges: &Ranges) -> Result<Self, CompileError> {
        let word_max = f64::from(WORD_MAX);
        let NormKind::Rms { eps } = config.norm else {
            return Err(CompileError::Unsupported { feature: "LayerNorm" });
        };
        let norm = NormFormat::new(ranges.residual, config.dim, eps, "the residual")?;
        let layers = ranges.layers.iter().map(|range| layer_formats(plan, range)).collect();
        let external = plan.external.is_some();
        let mut formats = Self { layers, external, residual: norm.fraction, norm, ..Self::default() };
        formats.choose_scales(config, ranges, eps);
        if plan.features.embedding_norm {
            let norm = NormFormat::new(ranges.embedding, config.dim, eps, "the embedding")?;
            formats.embedding_norm = Some(EmbeddingNorm::new(norm, formats.residual));
        }
        // A power of two over M, so that embedding and classifier can share their words.
        let unit = if plan.features.final_norm { formats.norm.factor } else { 1.0 };
        let final_limit = ACT_MAX / (HEADROOM * ranges.final_input) * unit;
        formats.final_input = final_limit.log2().floor().exp2() / unit;
        formats.logits = exponent_below(ranges.logits * HEADROOM, word_max, "the logits")?;
        formats.choose_scores(config, plan, ranges)?;
        if !config.gated && config.activation != Activation::Relu {
            // Gate times sigmoid has the same shift in all layers, and so has what it makes.
            let largest = max(ranges.layers.iter().map(|range| range.hidden));
            let hidden =
                f64::from(exponent_below(or_one(largest) * HEADROOM, ACT_MAX, "the inner vector")?).exp2();
            formats.layers.iter_mut().for_each(|layer| layer.hidden = hidden);
        }
        Ok(formats)
    }

    /// How the residual becomes an operand: by one shift, or with external memory by a factor of each layer's own, since large models add up
    /// a residual whose first layers are too small for the units of the last.
    fn choose_scales(&mut self, config: &Config, ranges: &Ranges, eps: f32) {
        let shift = self.norm.shift as i32;
        let (fraction, external) = (self.residual, self.external);
        self.norm_scale = if external { 0 } else { -shift };
        let scale = |range: f64| match external {
            true => norms::operand_scale(range, fraction).clamp(-shift, norms::SCALE_MAX),
            false => -shift,
        };
        for (layer, range) in self.layers.iter_mut().zip(&ranges.layers) {
            layer.attention_scale = scale(range.attention_residual);
            layer.mlp_scale = scale(range.mlp_residual);
        }
        self.final_scale = scale(ranges.final_residual);
        if external {
            let scales = self.layers.iter().flat_map(|layer| [layer.attention_scale, layer.mlp_scale]);
            let least = scales.chain([self.final_scale]).min().unwrap_or(0);
            self.norm = NormFormat::of_operands(fraction, shift as u32, least, config.dim, eps);
        }
    }

    /// The words that make the residual an operand of a scale: of its low and of its high bits. One of them is zero.
    pub fn scale_words(&self, scale: i32) -> [f64; 2] {
        let word = |exponent: i32| f64::from(norms::SCALE_SHIFT + exponent).exp2();
        if scale >= 0 { [word(scale), 0.0] } else { [0.0, word(self.norm.shift as i32 + scale)] }
    }

    /// What results count more on an input whose operand has a scale, as far as the normalisation factor counts less.
    pub fn relative(&self, scale: i32) -> f64 {
        f64::from(scale - self.norm_scale).exp2()
    }

    /// Units of q: scores must come out as base-2 logarithms whatever the units of k.
    fn choose_scores(&mut self, config: &Config, plan: &Plan, ranges: &Ranges) -> Result<(), CompileError> {
        let scale = f64::from(config.attention_scale()) * std::f64::consts::LOG2_E;
        let base = scale * f64::from(SCORE_FRACTION_BITS).exp2();
        for layer in &mut self.layers {
            let unit = |channel: usize| base / layer.k[key_channel(plan, channel)];
            layer.q = (0..plan.channels.q_width()).map(unit).collect();
        }
        let pairs = self.layers.iter().zip(&ranges.layers);
        let largest =
            max(pairs.flat_map(|(layer, range)| layer.q.iter().zip(&range.q).map(|(unit, q)| unit * q)));
        let shift = exponent_below(largest * HEADROOM, ACT_MAX, "the queries")?.clamp(0, 15);
        self.score_shift = shift as u32;
        for layer in &mut self.layers {
            layer.q.iter_mut().for_each(|unit| *unit *= f64::from(shift).exp2());
        }
        Ok(())
    }

    /// What depends on the scales of the quantised weights.
    pub fn with_weights(
        mut self,
        ranges: &Ranges,
        layers: &[QuantisedLayer],
        tokens: &QuantisedTokens,
        model: &Model,
        features: Features,
    ) -> Result<Self, CompileError> {
        let rows = RowUses::new(&self, ranges, layers, features.head_norm, self.external);
        if features.head_norm {
            self.choose_heads(&rows, ranges, layers, model)?;
        }
        self.k = self.scaled_by(&rows.k, self.head_unit(self.k_head))?;
        self.q = self.scaled_by(&rows.q, self.head_unit(self.q_head))?;
        self.v = self.scaled(&rows.v)?;
        self.choose_gate(&rows, ranges, model.config.gated)?;
        self.choose_classifier(ranges, tokens, features)?;
        self.choose_gathered(tokens, features)?;
        self.choose_biases(model)?;
        let gains = NormGains::new(model, &self);
        self.choose_inputs(&gains)?;
        let scales = |of: fn(&QuantisedLayer) -> &Quantised| {
            layers.iter().map(move |layer| of(layer).scales.as_slice())
        };
        let next = gains.attention.iter().skip(1);
        let after_o = if features.parallel { &gains.attention[1..] } else { &gains.mlp[..] };
        self.o = self.added_input(self.added(&rows.o)?, scales(|layer| &layer.o).zip(after_o))?;
        self.down = self.added_input(self.added(&rows.down)?, scales(|layer| &layer.down).zip(next))?;
        Ok(self)
    }

    fn choose_inputs(&mut self, gains: &NormGains) -> Result<(), CompileError> {
        let operand = |scale: i32| f64::from(self.residual + scale).exp2();
        let attention = self.layers.iter().map(|layer| layer.attention_scale).chain([self.final_scale]);
        let mlp = self.layers.iter().map(|layer| layer.mlp_scale);
        let all = gains.attention.iter().zip(attention).chain(gains.mlp.iter().zip(mlp));
        let largest =
            max(all.flat_map(|(gains, scale)| gains.iter().map(move |gain| gain.abs() / operand(scale))));
        self.input_shift = exponent_below(largest, f64::from(WORD_MAX), "a norm's gain")?;
        Ok(())
    }

    /// Scale words of what is gathered. An embedding that the classifier shares has the classifier's.
    fn choose_gathered(&mut self, tokens: &QuantisedTokens, features: Features) -> Result<(), CompileError> {
        let fraction = self.embedding_norm.map_or(self.residual, |embedding| embedding.norm.fraction);
        let own = |matrix: &Quantised| {
            let largest = max(matrix.scales.iter().copied());
            exponent_below(largest, f64::from(WORD_MAX), "an embedding's scale")
        };
        let words = match features.own_classifier {
            true => own(&tokens.embedding)?,
            false => self.classifier_word(1.0, features).log2().round() as i32,
        };
        self.embedding = Gathered { words, shift: words - fraction };
        if let Some(positions) = &tokens.positions {
            let words = own(positions)?;
            self.positions = Gathered { words, shift: words - fraction };
        }
        Ok(())
    }

    fn choose_biases(&mut self, model: &Model) -> Result<(), CompileError> {
        let linears = model.layers.iter().flat_map(|layer| [&layer.o, &layer.down]);
        let biases = linears.filter_map(|linear| linear.bias.as_ref()).flatten();
        let largest = max(biases.map(|bias| f64::from(bias.abs()))) * f64::from(self.residual).exp2();
        self.bias_shift = (-exponent_below(largest.max(1.0), f64::from(WORD_MAX), "a bias")?).max(0);
        Ok(())
    }

    /// Word of the gain of a normalised input.
    pub fn gain_word(&self, input: f64, scale: i32, gain: f64) -> f64 {
        gain * input * f64::from(self.input_shift - self.residual - scale).exp2()
    }
}

/// The key channel that a query channel meets.
pub fn key_channel(plan: &Plan, channel: usize) -> usize {
    let width = plan.channels.width;
    plan.channels.kv_head_of(channel / width) * width + channel % width
}

fn layer_formats(plan: &Plan, range: &LayerRange) -> LayerFormats {
    let units = |max: f64, headroom: f64| KV_MAX / (max.max(1e-6) * headroom);
    // Rotation mixes the two lanes of a pair, so they share a unit.
    let pair_unit = |channel: usize| units(range.k[channel & !1].1.max(range.k[channel | 1].1), KEY_HEADROOM);
    let width = plan.channels.kv_width();
    let mut v: Vec<f64> = range.v.iter().map(|max| units(*max, VALUE_HEADROOM)).collect();
    if plan.external.is_some() {
        // Columns of o that are stored as one block have one unit.
        for block in v.chunks_mut(BLOCK_CODES.min(plan.channels.width)) {
            let unit = block.iter().copied().fold(f64::INFINITY, f64::min);
            block.fill(unit);
        }
    }
    LayerFormats {
        attention_input: ACT_MAX / (HEADROOM * range.attention_input),
        mlp_input: ACT_MAX / (HEADROOM * range.mlp_input),
        k: (0..width).map(pair_unit).collect(),
        k_centre: range.k.iter().map(|(middle, _)| *middle).collect(),
        v,
        q: Vec::new(),
        attention_scale: 0,
        mlp_scale: 0,
        hidden: ACT_MAX / (HEADROOM * or_one(range.hidden)),
        k_gain: range.k_gain.clone(),
        q_gain: range.q_gain.clone(),
    }
}
