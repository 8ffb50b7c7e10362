//! Pass 4: binary points. Every integer in the machine is a real number times a factor; this pass chooses the factors so that nothing
//! calibrated overflows, with headroom, and as many bits as possible are used.
//!
//! Shifts are the same in all layers, because all layers run the same instructions; what differs from layer to layer is put into the
//! words of vector memory. A result of a matrix on a normalised input is `N * P * r`, where `N` is the shifted sum, `r` the
//! normalisation factor and `P` everything else; the row factor `P` becomes a word, `word = P * 2^split / M`, and
//! the chip computes `factor = word * mantissa(r) >> (first + exponent(r))`, `result = N * factor >> second`, with
//! `split = first + second` and `mantissa(r) * 2^-exponent(r) = r * M`.

use super::calibrate::{LayerRange, Ranges};
use super::error::CompileError;
use super::plan::Plan;
use super::quantise::{Quantised, QuantisedLayer};
use crate::model::{Config, Model, Norm, NormKind};
use lpu_isa::arith::{SCORE_FRACTION_BITS, SIGMOID_ARGUMENT_FRACTION_BITS, WORD_MAX};

/// How far beyond its calibrated range a vector may go.
pub const HEADROOM: f64 = 2.0;
/// The same for keys and values, whose code is coarse.
pub const KV_HEADROOM: f64 = 1.5;
/// Largest magnitude of a KV code's value.
const KV_MAX: f64 = 508.0;
/// Largest magnitude of an activation.
const ACT_MAX: f64 = 32_767.0;
/// Right shift of the sums of mixed values: with probabilities below 2^13 no sum of 515 positions overflows.
pub const MIX_SHIFT: u32 = 14;
/// Binary logarithm of the activation units in one unit of a KV value.
pub const MIX_FRACTION_BITS: i32 = 6;
/// Binary logarithm of a probability of one.
pub const PROBABILITY_BITS: u32 = 13;

/// The shifts of a result that a row factor and a normalisation factor scale.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Scaled {
    /// Shift of the sums.
    pub sum: u32,
    /// Shift of word times normalisation factor.
    pub first: i32,
    /// Shift of sum times factor.
    pub second: i32,
}

/// The shifts of a result that is added to the residual, and to the input of the matrices that read the residual next.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Added {
    /// Shift of the sums.
    pub sum: u32,
    /// Shift of sum times scale word.
    pub residual: i32,
    /// Shift of scale word times gain word.
    pub gain: i32,
    /// Shift of sum times that product.
    pub input: i32,
}

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
    /// Activation units per unit of the hidden vector.
    pub hidden: f64,
}

/// All shifts, and the factors of each layer.
#[derive(Clone, Debug, Default)]
pub struct Formats {
    pub layers: Vec<LayerFormats>,
    /// Fraction bits of the residual.
    pub residual: i32,
    /// Shift that makes the residual an operand.
    pub residual_shift: u32,
    /// Shift of the residual's square.
    pub square_shift: i32,
    /// Added to the sum of squares.
    pub square_bias: u32,
    /// `M`: units of the normalisation factor's mantissa, at exponent zero.
    pub factor: f64,
    /// Shift of operand times gain.
    pub input_shift: i32,
    /// Activation units per unit of residual times final gain.
    pub final_input: f64,
    pub score_shift: u32,
    pub k: Scaled,
    pub q: Scaled,
    pub v: Scaled,
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
    /// Shift of code times scale word of the embedding.
    pub embedding_shift: i32,
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

fn max(values: impl IntoIterator<Item = f64>) -> f64 {
    values.into_iter().fold(0.0, f64::max)
}

impl Formats {
    /// What can be chosen before weights are quantised.
    pub fn before_weights(config: &Config, plan: &Plan, ranges: &Ranges) -> Result<Self, CompileError> {
        let vector_max = f64::from((1 << 23) - 1);
        let word_max = f64::from(WORD_MAX);
        let residual = exponent_below(ranges.residual * HEADROOM, vector_max, "the residual")?;
        let operand = exponent_below(ranges.residual * HEADROOM, word_max, "the residual")?.min(residual);
        let residual_shift = (residual - operand).clamp(0, 7) as u32;
        let operand = residual - residual_shift as i32;
        let square = (ranges.residual * HEADROOM * f64::from(operand).exp2()).powi(2);
        let square_shift = -exponent_below(square, vector_max, "the squared residual")?;
        let square_fraction = 2 * operand - square_shift;
        let dim = config.dim as f64;
        let NormKind::Rms { eps } = config.norm else {
            return Err(CompileError::Unsupported { feature: "LayerNorm" });
        };
        let square_bias = (dim * f64::from(eps) * f64::from(square_fraction).exp2()).round() as u32;
        let factor = 17f64.exp2() / (dim.sqrt() * (f64::from(square_fraction) / 2.0).exp2());
        let layers = ranges.layers.iter().map(|range| layer_formats(plan, range)).collect();
        let mut formats = Self {
            layers,
            residual,
            residual_shift,
            square_shift,
            square_bias: square_bias.max(1),
            factor,
            ..Self::default()
        };
        // A power of two over M, so that embedding and classifier can share their words.
        let final_limit = ACT_MAX / (HEADROOM * ranges.final_input) * factor;
        formats.final_input = final_limit.log2().floor().exp2() / factor;
        formats.logits = exponent_below(ranges.logits * HEADROOM, word_max, "the logits")?;
        formats.choose_scores(config, plan, ranges)?;
        Ok(formats)
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
        embedding: &Quantised,
        model: &Model,
    ) -> Result<Self, CompileError> {
        let each = |of: &dyn Fn(&LayerRange, &LayerFormats, &QuantisedLayer) -> RowUse| -> Vec<RowUse> {
            ranges
                .layers
                .iter()
                .zip(&self.layers)
                .zip(layers)
                .map(|((range, format), layer)| of(range, format, layer))
                .collect()
        };
        let attention = |range: &LayerRange| range.attention_factor * HEADROOM;
        let k = each(&|r, f, l| RowUse::new(&l.k, f.attention_input, &r.k_raw, attention(r), |row| f.k[row]));
        let q = each(&|r, f, l| RowUse::new(&l.q, f.attention_input, &r.q_raw, attention(r), |row| f.q[row]));
        let v = each(&|r, f, l| RowUse::new(&l.v, f.attention_input, &r.v_raw, attention(r), |row| f.v[row]));
        let mlp = |range: &LayerRange| range.mlp_factor * HEADROOM;
        let gate_unit = f64::from(SIGMOID_ARGUMENT_FRACTION_BITS).exp2();
        let gate = each(&|r, f, l| {
            let gate = l.gate.as_ref().expect("gated models only");
            RowUse::new(gate, f.mlp_input, &r.gate_raw, mlp(r), |_| gate_unit)
        });
        let up = each(&|r, f, l| RowUse::new(&l.up, f.mlp_input, &r.up_raw, mlp(r), |_| f.hidden));
        let o = each(&|r, _, l| RowUse::new(&l.o, 1.0, &r.attention_output, 1.0, |_| 1.0));
        let down = each(&|r, _, l| RowUse::new(&l.down, 1.0, &r.mlp_output, 1.0, |_| 1.0));
        let factor = ranges.final_factor * HEADROOM;
        let logit = f64::from(self.logits).exp2();
        let classifier = RowUse::new(embedding, self.final_input, &ranges.logits_raw, factor, |_| logit);
        self.k = self.scaled(&k)?;
        self.q = self.scaled(&q)?;
        self.v = self.scaled(&v)?;
        self.gate = self.scaled(&gate)?;
        self.choose_up(&up, ranges)?;
        self.o = self.added(&o)?;
        self.down = self.added(&down)?;
        self.classifier = self.scaled(&[classifier])?;
        self.embedding_shift = self.embedding_words_shift() - self.residual;
        let gains = NormGains::new(model, &self);
        self.choose_inputs(&gains)?;
        let scales = |of: fn(&QuantisedLayer) -> &Quantised| {
            layers.iter().map(move |layer| of(layer).scales.as_slice())
        };
        self.o = self.added_input(self.o, scales(|layer| &layer.o).zip(&gains.mlp))?;
        self.down =
            self.added_input(self.down, scales(|layer| &layer.down).zip(gains.attention.iter().skip(1)))?;
        Ok(self)
    }

    fn scaled(&self, layers: &[RowUse]) -> Result<Scaled, CompileError> {
        let word_max = f64::from(WORD_MAX);
        let sum = sum_shift(layers)?;
        let largest = max(layers.iter().map(|layer| layer.largest)) * f64::from(sum).exp2();
        let split = exponent_below(largest / self.factor, word_max, "a row factor")?;
        let scaled = max(layers.iter().map(|layer| layer.largest * layer.factor))
            * f64::from(sum as i32 + split).exp2();
        let first = -exponent_below(scaled, word_max, "a scaled row factor")?;
        Ok(Scaled { sum, first, second: split - first })
    }

    /// The hidden vector is `sum * (gate * factor * sigmoid)`: one more shift than the others.
    fn choose_up(&mut self, layers: &[RowUse], ranges: &Ranges) -> Result<(), CompileError> {
        let word_max = f64::from(WORD_MAX);
        let unit = f64::from(SIGMOID_ARGUMENT_FRACTION_BITS).exp2();
        let gate = max(ranges.layers.iter().map(|range| range.gate)) * HEADROOM * unit;
        self.gate_shift = (-exponent_below(gate, word_max, "the gate")?).clamp(0, 7) as u32;
        let gate_unit = unit / f64::from(self.gate_shift).exp2();
        let up = self.scaled(layers)?;
        // `gate * factor` may use what the sum leaves.
        let factors = layers.iter().zip(&ranges.layers).map(|(layer, range)| {
            let factor = layer.largest * layer.factor * f64::from(up.sum as i32 + up.second).exp2();
            (factor * (range.gate * HEADROOM * gate_unit).min(word_max)).max(1.0)
        });
        self.gate_up = (-exponent_below(max(factors), word_max, "the gated factor")?).max(0);
        let gate_bits = SIGMOID_ARGUMENT_FRACTION_BITS as i32 - self.gate_shift as i32;
        self.up = Scaled { second: up.second + gate_bits - self.gate_up, ..up };
        Ok(())
    }

    fn added(&self, layers: &[RowUse]) -> Result<Added, CompileError> {
        let sum = sum_shift(layers)?;
        let largest =
            max(layers.iter().map(|layer| layer.largest)) * f64::from(sum as i32 + self.residual).exp2();
        let residual = exponent_below(largest, f64::from(WORD_MAX), "an output's scale")?;
        Ok(Added { sum, residual, ..Added::default() })
    }

    /// Adds the shifts of what goes to the input of the next matrices, whose gains stand beside the scales of the sums.
    fn added_input<'a>(
        &self,
        added: Added,
        layers: impl Iterator<Item = (&'a [f64], &'a Vec<f64>)>,
    ) -> Result<Added, CompileError> {
        let unit = f64::from(self.input_shift - self.residual + self.residual_shift as i32).exp2();
        let word = |scale: &f64| self.added_word(added, *scale);
        let products = layers.flat_map(|(scales, gains)| {
            scales
                .iter()
                .zip(gains)
                .map(move |(scale, gain)| (word(scale) * gain * unit).abs())
                .collect::<Vec<_>>()
        });
        let all = added.residual + self.input_shift + self.residual_shift as i32;
        let gain = -exponent_below(max(products).max(1.0), f64::from(WORD_MAX), "an output's scale")?;
        let gain = gain.clamp(0, all.max(0));
        Ok(Added { gain, input: all - gain, ..added })
    }

    /// Scale word of a result that is added to the residual.
    pub fn added_word(&self, added: Added, scale: f64) -> f64 {
        scale * f64::from(added.sum as i32 + self.residual + added.residual).exp2()
    }

    fn choose_inputs(&mut self, gains: &NormGains) -> Result<(), CompileError> {
        let operand = f64::from(self.residual - self.residual_shift as i32).exp2();
        let largest =
            max(gains.attention.iter().chain(&gains.mlp).flatten().map(|gain| gain.abs() / operand));
        self.input_shift = exponent_below(largest, f64::from(WORD_MAX), "a norm's gain")?;
        Ok(())
    }

    /// `word = P * 2^split / M` of a row whose sum counts `unit` per real unit.
    pub fn row_word(&self, scaled: &Scaled, per_sum: f64) -> f64 {
        per_sum * f64::from(scaled.sum as i32 + scaled.first + scaled.second).exp2() / self.factor
    }

    /// Binary logarithm of embedding word over embedding scale.
    fn embedding_words_shift(&self) -> i32 {
        let per_scale = f64::from(self.logits).exp2() / self.final_input;
        self.row_word(&self.classifier, per_scale).log2().round() as i32
    }

    /// Word of the gain of a normalised input.
    pub fn gain_word(&self, input: f64, gain: f64) -> f64 {
        gain * input * f64::from(self.input_shift - self.residual + self.residual_shift as i32).exp2()
    }

    /// As [`Formats::row_word`] for the row factors of `up`, which go through one more product.
    pub fn up_word(&self, per_sum: f64) -> f64 {
        let gate_bits = SIGMOID_ARGUMENT_FRACTION_BITS as i32 - self.gate_shift as i32;
        let up = Scaled { second: self.up.second + self.gate_up - gate_bits, ..self.up };
        self.row_word(&up, per_sum)
    }
}

/// Activation units per unit of the residual, per channel.
struct NormGains {
    /// Before each layer's attention, and before the classifier.
    attention: Vec<Vec<f64>>,
    /// Before each layer's MLP.
    mlp: Vec<Vec<f64>>,
}

impl NormGains {
    fn new(model: &Model, formats: &Formats) -> Self {
        let gains = |norm: Option<&Norm>, input: f64| -> Vec<f64> {
            (0..model.config.dim).map(|channel| gain(norm, channel) * input).collect()
        };
        let layers = || model.layers.iter().zip(&formats.layers);
        let attention = layers().map(|(layer, format)| gains(Some(&layer.attn_norm), format.attention_input));
        let last = gains(model.final_norm.as_ref(), formats.final_input);
        Self {
            attention: attention.chain([last]).collect(),
            mlp: layers().map(|(layer, format)| gains(Some(&layer.mlp_norm), format.mlp_input)).collect(),
        }
    }
}

/// A norm's gain of a channel; one where there is none.
pub fn gain(norm: Option<&Norm>, channel: usize) -> f64 {
    norm.and_then(|norm| norm.gain.as_ref()).map_or(1.0, |gain| f64::from(gain[channel]))
}

/// The key channel that a query channel meets.
pub fn key_channel(plan: &Plan, channel: usize) -> usize {
    let width = plan.channels.width;
    plan.channels.kv_head_of(channel / width) * width + channel % width
}

/// How one layer uses the rows of a matrix.
struct RowUse {
    /// Largest sum in integer units, with headroom.
    sum: f64,
    /// Largest result units per sum unit.
    largest: f64,
    /// Largest normalisation factor, with headroom.
    factor: f64,
}

impl RowUse {
    /// `input` activation units per unit; `raw` largest results before the normalisation factor; `unit` result units per unit.
    fn new(matrix: &Quantised, input: f64, raw: &[f64], factor: f64, unit: impl Fn(usize) -> f64) -> Self {
        let rows = matrix.scales.iter().enumerate().filter(|(_, scale)| **scale > 0.0);
        let sum = max(rows
            .clone()
            .map(|(row, scale)| raw.get(row).copied().unwrap_or(0.0) * HEADROOM * input / scale));
        let largest = max(rows.map(|(row, scale)| unit(row) * scale / input));
        Self { sum, largest, factor }
    }
}

fn sum_shift(layers: &[RowUse]) -> Result<u32, CompileError> {
    let largest = max(layers.iter().map(|layer| layer.sum));
    Ok((-exponent_below(largest, f64::from(WORD_MAX), "a matrix product")?).clamp(0, 31) as u32)
}

fn layer_formats(plan: &Plan, range: &LayerRange) -> LayerFormats {
    let units = |max: f64| KV_MAX / (max.max(f64::MIN_POSITIVE) * KV_HEADROOM);
    // Rotation mixes the two lanes of a pair, so they share a unit.
    let pair_unit = |channel: usize| units(range.k[channel & !1].1.max(range.k[channel | 1].1).max(1e-6));
    let width = plan.channels.kv_width();
    LayerFormats {
        attention_input: ACT_MAX / (HEADROOM * range.attention_input),
        mlp_input: ACT_MAX / (HEADROOM * range.mlp_input),
        k: (0..width).map(pair_unit).collect(),
        k_centre: range.k.iter().map(|(middle, _)| *middle).collect(),
        v: range.v.iter().map(|max| units(max.max(1e-6))).collect(),
        q: Vec::new(),
        hidden: ACT_MAX / (HEADROOM * range.hidden),
    }
}
