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
use super::features::Features;
use super::plan::Plan;
use super::quantise::QuantisedTokens;
use super::quantise::{Quantised, QuantisedLayer};
use super::simplify::gain;
use crate::model::{Activation, Config, Model, Norm, NormKind};
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
    /// Gains of the heads' norms, per channel; one where there are none.
    pub k_gain: Vec<f64>,
    pub q_gain: Vec<f64>,
}

/// All shifts, and the factors of each layer.
#[derive(Clone, Debug, Default)]
pub struct Formats {
    pub layers: Vec<LayerFormats>,
    /// Fraction bits of the residual.
    pub residual: i32,
    /// How the residual is normalised.
    pub norm: NormFormat,
    /// The embedding before its normalisation, where it has one.
    pub embedding_norm: Option<EmbeddingNorm>,
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

/// A vector that is squared, summed and divided by the root.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct NormFormat {
    /// Fraction bits of the vector.
    pub fraction: i32,
    /// Shift that makes it an operand.
    pub shift: u32,
    /// Shift of its square.
    pub square: i32,
    /// Added to the sum of squares.
    pub bias: u32,
    /// `M`: units of the factor's mantissa, at exponent zero.
    pub factor: f64,
}

/// Heads are squared as sums times scale words, shifted; the factor then stands for the one before attention, too.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct HeadNorm {
    pub norm: NormFormat,
    pub shift: i32,
}

/// The embedding is made in a format of its own; operand times `gain` shifted by `first`, times the factor, shifted by `second`, is
/// the residual.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct EmbeddingNorm {
    pub norm: NormFormat,
    pub gain: f64,
    pub first: i32,
    pub second: i32,
}

/// Codes times scale words.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Gathered {
    /// Binary logarithm of word over scale.
    pub words: i32,
    /// Shift of code times word.
    pub shift: i32,
}

/// `x * Phi(x)` is nearly `x * sigmoid(x * (x * x + offset) * slope)`: shifts of the three products.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Gelu {
    pub square: i32,
    pub slope: i32,
    pub argument: i32,
}

/// Fraction bits of `x * x + offset`, and of that times `slope`.
const GELU_SQUARE_FRACTION_BITS: i32 = 10;
const GELU_SLOPE_FRACTION_BITS: i32 = 13;
/// Fraction bits of the slope's word.
const GELU_WORD_FRACTION_BITS: i32 = 20;
/// The cubic term of GPT-2's approximation.
const GELU_CUBIC: f64 = 0.044_715;

impl Gelu {
    /// The words of the offset and of the slope: `2 sqrt(2/pi) (x + c x^3) = 2 sqrt(2/pi) c x (x^2 + 1/c)`.
    pub fn words() -> [f64; 2] {
        let slope = 2.0 * (2.0 / std::f64::consts::PI).sqrt() * GELU_CUBIC;
        [
            f64::from(GELU_SQUARE_FRACTION_BITS).exp2() / GELU_CUBIC,
            slope * f64::from(GELU_WORD_FRACTION_BITS).exp2(),
        ]
    }

    fn new(gate_fraction: i32) -> Self {
        Self {
            square: 2 * gate_fraction - GELU_SQUARE_FRACTION_BITS,
            slope: GELU_SQUARE_FRACTION_BITS + GELU_WORD_FRACTION_BITS - GELU_SLOPE_FRACTION_BITS,
            argument: gate_fraction + GELU_SLOPE_FRACTION_BITS - SIGMOID_ARGUMENT_FRACTION_BITS as i32,
        }
    }
}

impl NormFormat {
    fn new(largest: f64, dim: usize, eps: f32, what: &'static str) -> Result<Self, CompileError> {
        let vector_max = f64::from((1 << 23) - 1);
        let word_max = f64::from(WORD_MAX);
        let largest = largest * HEADROOM;
        let fraction = exponent_below(largest, vector_max, what)?;
        let operand = exponent_below(largest, word_max, what)?.min(fraction);
        let shift = (fraction - operand).clamp(0, 7) as u32;
        let operand = fraction - shift as i32;
        let square = -exponent_below((largest * f64::from(operand).exp2()).powi(2), vector_max, what)?;
        let square_fraction = 2 * operand - square;
        let dim = dim as f64;
        let bias = (dim * f64::from(eps) * f64::from(square_fraction).exp2()).round() as u32;
        let factor = 17f64.exp2() / (dim.sqrt() * (f64::from(square_fraction) / 2.0).exp2());
        Ok(Self { fraction, shift, square, bias: bias.max(1), factor })
    }
}

impl EmbeddingNorm {
    fn new(norm: NormFormat, residual: i32) -> Self {
        // A word of 17 bits, whatever its power of two.
        let gain = f64::from(residual - norm.fraction + norm.shift as i32).exp2() / norm.factor;
        let first = 17;
        let second = 16 - gain.log2().floor() as i32 - first;
        Self { norm, gain: gain * f64::from(first + second).exp2(), first, second }
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

fn max(values: impl IntoIterator<Item = f64>) -> f64 {
    values.into_iter().fold(0.0, f64::max)
}

impl Formats {
    /// What can be chosen before weights are quantised.
    pub fn before_weights(config: &Config, plan: &Plan, ranges: &Ranges) -> Result<Self, CompileError> {
        let word_max = f64::from(WORD_MAX);
        let NormKind::Rms { eps } = config.norm else {
            return Err(CompileError::Unsupported { feature: "LayerNorm" });
        };
        let norm = NormFormat::new(ranges.residual, config.dim, eps, "the residual")?;
        let layers = ranges.layers.iter().map(|range| layer_formats(plan, range)).collect();
        let mut formats = Self { layers, residual: norm.fraction, norm, ..Self::default() };
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
            let hidden = f64::from(exponent_below(largest * HEADROOM, ACT_MAX, "the inner vector")?).exp2();
            formats.layers.iter_mut().for_each(|layer| layer.hidden = hidden);
        }
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
        tokens: &QuantisedTokens,
        model: &Model,
        features: Features,
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
        let heads = features.head_norm;
        let k_factor = |r: &LayerRange| if heads { r.k_head_factor * HEADROOM } else { attention(r) };
        let q_factor = |r: &LayerRange| if heads { r.q_head_factor * HEADROOM } else { attention(r) };
        let k = each(&|r, f, l| {
            RowUse::new(&l.k, f.attention_input, &r.k_raw, k_factor(r), |row| f.k[row] * f.k_gain[row])
        });
        let q = each(&|r, f, l| {
            RowUse::new(&l.q, f.attention_input, &r.q_raw, q_factor(r), |row| f.q[row] * f.q_gain[row])
        });
        let v = each(&|r, f, l| RowUse::new(&l.v, f.attention_input, &r.v_raw, attention(r), |row| f.v[row]));
        let mlp = |range: &LayerRange| range.mlp_factor * HEADROOM;
        let gate_unit = f64::from(SIGMOID_ARGUMENT_FRACTION_BITS).exp2();
        // What goes through the sigmoid: the gate, or an inner vector without one.
        let gate = each(&|r, f, l| {
            let (gate, raw) = l.gate.as_ref().map_or((&l.up, &r.up_raw), |gate| (gate, &r.gate_raw));
            RowUse::new(gate, f.mlp_input, raw, mlp(r), |_| gate_unit)
        });
        let up = each(&|r, f, l| RowUse::new(&l.up, f.mlp_input, &r.up_raw, mlp(r), |_| f.hidden));
        let o = each(&|r, _, l| RowUse::new(&l.o, 1.0, &r.attention_output, 1.0, |_| 1.0));
        let down = each(&|r, _, l| RowUse::new(&l.down, 1.0, &r.mlp_output, 1.0, |_| 1.0));
        let factor = ranges.final_factor * HEADROOM;
        let logit = f64::from(self.logits).exp2();
        let classifier = tokens.classifier.as_ref().unwrap_or(&tokens.embedding);
        let classifier = RowUse::new(classifier, self.final_input, &ranges.logits_raw, factor, |_| logit);
        if heads {
            let plain = |of: fn(&QuantisedLayer) -> &Quantised| {
                let each = layers.iter().zip(&self.layers);
                max(each.flat_map(|(layer, format)| {
                    of(layer).scales.iter().map(|scale| scale / format.attention_input)
                }))
            };
            let raw = |of: fn(&LayerRange) -> &Vec<f64>| max(ranges.layers.iter().flat_map(of).copied());
            let eps = f64::from(model.config.norm.eps())
                / max(ranges.layers.iter().map(|r| r.attention_factor)).powi(2);
            let head = |rows: &[RowUse], raw: f64, scale: f64| {
                head_norm(raw, scale, model.config.head_dim, eps as f32, sum_shift(rows)?)
            };
            self.k_head = Some(head(&k, raw(|range| &range.k_raw), plain(|layer| &layer.k))?);
            self.q_head = Some(head(&q, raw(|range| &range.q_raw), plain(|layer| &layer.q))?);
        }
        self.k = self.scaled_by(&k, self.head_unit(self.k_head))?;
        self.q = self.scaled_by(&q, self.head_unit(self.q_head))?;
        self.v = self.scaled(&v)?;
        self.gate = self.scaled(&gate)?;
        if model.config.gated {
            self.choose_up(&up, ranges)?;
        } else {
            self.up = self.scaled(&up)?;
        }
        let gate_max = max(ranges.layers.iter().map(|range| range.gate)) * HEADROOM * gate_unit;
        self.gate_shift =
            (-exponent_below(gate_max.max(1.0), f64::from(WORD_MAX), "the gate")?).clamp(0, 7) as u32;
        let gate_fraction = SIGMOID_ARGUMENT_FRACTION_BITS as i32 - self.gate_shift as i32;
        self.gelu = Gelu::new(gate_fraction);
        self.activated =
            gate_fraction + 17 - self.layers.first().map_or(0.0, |layer| layer.hidden.log2()) as i32;
        self.o = self.added(&o)?;
        self.down = self.added(&down)?;
        self.classifier = if features.final_norm { self.scaled(&[classifier])? } else { plain(&classifier)? };
        self.choose_gathered(tokens, features)?;
        self.choose_biases(model)?;
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
        self.scaled_by(layers, self.norm.factor)
    }

    /// Units of the factor's mantissa that q or k are multiplied with: their heads' own, or that before attention.
    fn head_unit(&self, head: Option<HeadNorm>) -> f64 {
        head.map_or(self.norm.factor, |head| head.norm.factor)
    }

    fn scaled_by(&self, layers: &[RowUse], unit: f64) -> Result<Scaled, CompileError> {
        let word_max = f64::from(WORD_MAX);
        let sum = sum_shift(layers)?;
        let largest = max(layers.iter().map(|layer| layer.largest)) * f64::from(sum).exp2();
        let split = exponent_below(largest / unit, word_max, "a row factor")?;
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
        let unit = f64::from(self.input_shift - self.residual + self.norm.shift as i32).exp2();
        let word = |scale: &f64| self.added_word(added, *scale);
        let products = layers.flat_map(|(scales, gains)| {
            scales
                .iter()
                .zip(gains)
                .map(move |(scale, gain)| (word(scale) * gain * unit).abs())
                .collect::<Vec<_>>()
        });
        let all = added.residual + self.input_shift + self.norm.shift as i32;
        let gain = -exponent_below(max(products).max(1.0), f64::from(WORD_MAX), "an output's scale")?;
        let gain = gain.clamp(0, all.max(0));
        Ok(Added { gain, input: all - gain, ..added })
    }

    /// Scale word of a result that is added to the residual.
    pub fn added_word(&self, added: Added, scale: f64) -> f64 {
        scale * f64::from(added.sum as i32 + self.residual + added.residual).exp2()
    }

    fn choose_inputs(&mut self, gains: &NormGains) -> Result<(), CompileError> {
        let operand = f64::from(self.residual - self.norm.shift as i32).exp2();
        let largest =
            max(gains.attention.iter().chain(&gains.mlp).flatten().map(|gain| gain.abs() / operand));
        self.input_shift = exponent_below(largest, f64::from(WORD_MAX), "a norm's gain")?;
        Ok(())
    }

    /// `word = P * 2^split / M` of a row whose sum counts `unit` per real unit.
    pub fn row_word(&self, scaled: &Scaled, per_sum: f64) -> f64 {
        per_sum * f64::from(scaled.sum as i32 + scaled.first + scaled.second).exp2() / self.norm.factor
    }

    /// As [`Formats::row_word`] for a row of k or q.
    pub fn head_word(&self, scaled: &Scaled, head: Option<HeadNorm>, per_sum: f64) -> f64 {
        self.row_word(scaled, per_sum) * self.norm.factor / self.head_unit(head)
    }

    /// Scale word of a row of k or q as it is squared, whose sum counts `per_sum` units.
    pub fn squared_word(scaled: &Scaled, head: &HeadNorm, per_sum: f64) -> f64 {
        per_sum * f64::from(scaled.sum as i32 + head.norm.fraction + head.shift).exp2()
    }

    /// Row factor of a logit whose classifier row has this scale.
    pub fn classifier_word(&self, scale: f64, features: Features) -> f64 {
        let per_sum = scale * f64::from(self.logits).exp2() / self.final_input;
        let word = self.row_word(&self.classifier, per_sum);
        if features.final_norm { word } else { word * self.norm.factor }
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
    pub fn gain_word(&self, input: f64, gain: f64) -> f64 {
        gain * input * f64::from(self.input_shift - self.residual + self.norm.shift as i32).exp2()
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

/// As [`Formats::scaled`] where no normalisation factor joins.
fn plain(layer: &RowUse) -> Result<Scaled, CompileError> {
    let sum = sum_shift(std::slice::from_ref(layer))?;
    let largest = layer.largest * f64::from(sum).exp2();
    Ok(Scaled { sum, first: 0, second: exponent_below(largest, f64::from(WORD_MAX), "a row factor")? })
}

/// How heads are normalised whose elements reach `raw` and whose sums count `scale` units at most.
fn head_norm(raw: f64, scale: f64, dim: usize, eps: f32, sum: u32) -> Result<HeadNorm, CompileError> {
    let norm = NormFormat::new(raw, dim, eps, "a head")?;
    let largest = scale * f64::from(sum as i32 + norm.fraction).exp2();
    Ok(HeadNorm { norm, shift: exponent_below(largest, f64::from(WORD_MAX), "a head's scale")? })
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
        k_gain: range.k_gain.clone(),
        q_gain: range.q_gain.clone(),
    }
}
