//! Normalisation and the functions beside it: how a vector is squared, summed and divided by the root of its mean square, and
//! the products that make a GELU.

use super::rows::{RowUse, RowUses, sum_shift};
use super::{Formats, HEADROOM, LayerRange, exponent_below, max};
use crate::calibrate::Ranges;
use crate::error::CompileError;
use crate::quantise::{Quantised, QuantisedLayer};
use crate::simplify::gain;
use lpu_isa::arith::{SIGMOID_ARGUMENT_FRACTION_BITS, VECTOR_BITS, WORD_MAX};
use lpu_model::{Model, Norm};

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

impl NormFormat {
    pub(super) fn new(largest: f64, dim: usize, eps: f32, what: &'static str) -> Result<Self, CompileError> {
        let vector_max = f64::from((1 << (VECTOR_BITS - 1)) - 1);
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

/// Right shift of the residual times a scale word.
pub const SCALE_SHIFT: i32 = 11;
/// Largest scale that a word of 18 bits can be.
pub(super) const SCALE_MAX: i32 = 16 - SCALE_SHIFT;
/// Shift of the square of an operand of 18 bits.
const OPERAND_SQUARE_SHIFT: i32 = 11;

/// The largest power of two, as its exponent, that a vector with `fraction` bits may be multiplied with to become an operand.
pub(super) fn operand_scale(range: f64, fraction: i32) -> i32 {
    let largest = (range * HEADROOM).max(f64::MIN_POSITIVE) * f64::from(fraction).exp2();
    (f64::from(WORD_MAX) / largest).log2().floor().clamp(-60.0, 60.0) as i32
}

impl NormFormat {
    /// For a vector that is made an operand of full width before it is squared; `factor` is that of a scale of zero. All layers add one bias,
    /// that of the `least` scale: where scales are larger, squares are so many units that it does not count.
    pub(super) fn of_operands(fraction: i32, shift: u32, least: i32, dim: usize, eps: f32) -> Self {
        let square_fraction = 2 * fraction - OPERAND_SQUARE_SHIFT;
        let dim = dim as f64;
        let bias = (dim * f64::from(eps) * f64::from(square_fraction + 2 * least).exp2()).round() as u32;
        let factor = 17f64.exp2() / (dim.sqrt() * (f64::from(square_fraction) / 2.0).exp2());
        Self { fraction, shift, square: OPERAND_SQUARE_SHIFT, bias: bias.max(1), factor }
    }
}

/// Heads are squared as sums times scale words, shifted; the factor then stands for the one before attention, too.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct HeadNorm {
    pub norm: NormFormat,
    pub shift: i32,
}

/// How heads are normalised whose elements reach `raw` and whose sums count `scale` units at most.
fn head_norm(raw: f64, scale: f64, dim: usize, eps: f32, sum: u32) -> Result<HeadNorm, CompileError> {
    let norm = NormFormat::new(raw, dim, eps, "a head")?;
    let largest = scale * f64::from(sum as i32 + norm.fraction).exp2();
    Ok(HeadNorm { norm, shift: exponent_below(largest, f64::from(WORD_MAX), "a head's scale")? })
}

impl Formats {
    /// Formats of the heads of k and q, which are normalised by themselves.
    pub(super) fn choose_heads(
        &mut self,
        rows: &RowUses,
        ranges: &Ranges,
        layers: &[QuantisedLayer],
        model: &Model,
    ) -> Result<(), CompileError> {
        let scale = |of: fn(&QuantisedLayer) -> &Quantised| {
            let each = layers.iter().zip(&self.layers);
            max(each.flat_map(|(layer, format)| {
                of(layer).scales.iter().map(|scale| scale / format.attention_input)
            }))
        };
        let raw = |of: fn(&LayerRange) -> &Vec<f64>| max(ranges.layers.iter().flat_map(of).copied());
        let factor = max(ranges.layers.iter().map(|range| range.attention_factor));
        let eps = (f64::from(model.config.norm.eps()) / factor.powi(2)) as f32;
        let head = |rows: &[RowUse], raw: f64, scale: f64| {
            head_norm(raw, scale, model.config.head_dim, eps, sum_shift(rows)?)
        };
        let k = head(&rows.k, raw(|range| &range.k_raw), scale(|layer| &layer.k))?;
        let q = head(&rows.q, raw(|range| &range.q_raw), scale(|layer| &layer.q))?;
        (self.k_head, self.q_head) = (Some(k), Some(q));
        Ok(())
    }
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

impl EmbeddingNorm {
    pub(super) fn new(norm: NormFormat, residual: i32) -> Self {
        // A word of 17 bits, whatever its power of two.
        let gain = f64::from(residual - norm.fraction + norm.shift as i32).exp2() / norm.factor;
        let first = 17;
        let second = 16 - gain.log2().floor() as i32 - first;
        Self { norm, gain: gain * f64::from(first + second).exp2(), first, second }
    }
}

/// Activation units per unit of the residual, per channel.
pub struct NormGains {
    /// Before each layer's attention, and before the classifier.
    pub attention: Vec<Vec<f64>>,
    /// Before each layer's MLP.
    pub mlp: Vec<Vec<f64>>,
}

impl NormGains {
    pub(super) fn new(model: &Model, formats: &Formats) -> Self {
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

    pub(super) fn new(gate_fraction: i32) -> Self {
        Self {
            square: 2 * gate_fraction - GELU_SQUARE_FRACTION_BITS,
            slope: GELU_SQUARE_FRACTION_BITS + GELU_WORD_FRACTION_BITS - GELU_SLOPE_FRACTION_BITS,
            argument: gate_fraction + GELU_SLOPE_FRACTION_BITS - SIGMOID_ARGUMENT_FRACTION_BITS as i32,
        }
    }
}
