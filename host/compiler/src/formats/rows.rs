//! What rows of a matrix are multiplied with, from their sums to the units of their results.

use super::norms::{Gelu, HeadNorm};
use super::{Formats, HEADROOM, LayerFormats, exponent_below, max};
use crate::calibrate::{LayerRange, Ranges};
use crate::error::CompileError;
use crate::features::Features;
use crate::quantise::{Quantised, QuantisedLayer, QuantisedTokens};
use lpu_isa::arith::{SIGMOID_ARGUMENT_FRACTION_BITS, WORD_MAX};

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

/// How one layer uses the rows of a matrix.
pub struct RowUse {
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

impl RowUse {
    /// For a normalisation factor that counts so much less, and rows that make up for it.
    fn scaled(self, relative: f64) -> Self {
        Self { largest: self.largest * relative, factor: self.factor / relative, ..self }
    }
}

/// How the layers use the rows of their matrices.
pub struct RowUses {
    pub k: Vec<RowUse>,
    pub q: Vec<RowUse>,
    pub v: Vec<RowUse>,
    /// What goes through the sigmoid: the gate, or an inner vector without one.
    pub gate: Vec<RowUse>,
    pub up: Vec<RowUse>,
    /// Largest of each layer's products of a gate and the factors of the sums of up, of their rows and of the norm: with external memory behind
    /// the activation function.
    pub gated: Vec<f64>,
    pub o: Vec<RowUse>,
    pub down: Vec<RowUse>,
}

impl RowUses {
    /// `heads`: whether heads of k and q are normalised by themselves.
    pub fn new(
        formats: &Formats,
        ranges: &Ranges,
        layers: &[QuantisedLayer],
        heads: bool,
        external: bool,
    ) -> Self {
        let each = |of: &dyn Fn(&LayerRange, &LayerFormats, &QuantisedLayer) -> RowUse| -> Vec<RowUse> {
            let layers = ranges.layers.iter().zip(&formats.layers).zip(layers);
            layers.map(|((range, format), layer)| of(range, format, layer)).collect()
        };
        let attention = |range: &LayerRange| range.attention_factor * HEADROOM;
        let k_factor = |r: &LayerRange| if heads { r.k_head_factor * HEADROOM } else { attention(r) };
        let q_factor = |r: &LayerRange| if heads { r.q_head_factor * HEADROOM } else { attention(r) };
        let mlp = |range: &LayerRange| range.mlp_factor * HEADROOM;
        // Heads that are normalised by themselves have a factor of their own.
        let scaled = |rows: RowUse, scale: i32| rows.scaled(formats.relative(scale));
        let of_heads = |rows: RowUse, scale: i32| if heads { rows } else { scaled(rows, scale) };
        let input = |format: &LayerFormats| format.attention_input;
        let all = ranges.layers.iter().zip(&formats.layers).zip(layers);
        let gated = all.map(|((range, format), layer)| {
            let gates = if external { &range.activated_normed } else { &range.gate_normed };
            let rows = layer.up.scales.iter().zip(gates);
            max(rows.map(|(scale, gated)| scale * gated)) * format.hidden / format.mlp_input
        });
        Self {
            k: each(&|r, f, l| {
                let rows = RowUse::new(&l.k, input(f), &r.k_raw, k_factor(r), |row| f.k[row] * f.k_gain[row]);
                of_heads(rows, f.attention_scale)
            }),
            q: each(&|r, f, l| {
                let rows = RowUse::new(&l.q, input(f), &r.q_raw, q_factor(r), |row| f.q[row] * f.q_gain[row]);
                of_heads(rows, f.attention_scale)
            }),
            v: each(&|r, f, l| {
                let rows = RowUse::new(&l.v, input(f), &r.v_raw, attention(r), |row| f.v[row]);
                scaled(rows, f.attention_scale)
            }),
            gate: each(&|r, f, l| {
                let (gate, raw) = l.gate.as_ref().map_or((&l.up, &r.up_raw), |gate| (gate, &r.gate_raw));
                scaled(RowUse::new(gate, f.mlp_input, raw, mlp(r), |_| gate_unit()), f.mlp_scale)
            }),
            up: each(&|r, f, l| {
                scaled(RowUse::new(&l.up, f.mlp_input, &r.up_raw, mlp(r), |_| f.hidden), f.mlp_scale)
            }),
            gated: gated.collect(),
            o: each(&|r, _, l| RowUse::new(&l.o, 1.0, &r.attention_output, 1.0, |_| 1.0)),
            down: each(&|r, _, l| RowUse::new(&l.down, 1.0, &r.mlp_output, 1.0, |_| 1.0)),
        }
    }
}

/// Units of the sigmoid's argument.
pub fn gate_unit() -> f64 {
    f64::from(SIGMOID_ARGUMENT_FRACTION_BITS).exp2()
}

pub fn sum_shift(layers: &[RowUse]) -> Result<u32, CompileError> {
    // Sums below one need no shift, and sums that are always zero none either.
    let largest = max(layers.iter().map(|layer| layer.sum)).max(1.0);
    Ok((-exponent_below(largest, f64::from(WORD_MAX), "a matrix product")?).clamp(0, 31) as u32)
}

/// As [`Formats::scaled`] where no normalisation factor joins.
fn plain(layer: &RowUse) -> Result<Scaled, CompileError> {
    let sum = sum_shift(std::slice::from_ref(layer))?;
    let largest = layer.largest * f64::from(sum).exp2();
    Ok(Scaled { sum, first: 0, second: exponent_below(largest, f64::from(WORD_MAX), "a row factor")? })
}

impl Formats {
    pub(super) fn scaled(&self, layers: &[RowUse]) -> Result<Scaled, CompileError> {
        self.scaled_by(layers, self.norm.factor)
    }

    /// Units of the factor's mantissa that q or k are multiplied with: their heads' own, or that before attention.
    pub(super) fn head_unit(&self, head: Option<HeadNorm>) -> f64 {
        head.map_or(self.norm.factor, |head| head.norm.factor)
    }

    pub(super) fn scaled_by(&self, layers: &[RowUse], unit: f64) -> Result<Scaled, CompileError> {
        let word_max = f64::from(WORD_MAX);
        let sum = sum_shift(layers)?;
        let largest = max(layers.iter().map(|layer| layer.largest)) * f64::from(sum).exp2();
        let split = exponent_below(largest / unit, word_max, "a row factor")?;
        let scaled = max(layers.iter().map(|layer| layer.largest * layer.factor))
            * f64::from(sum as i32 + split).exp2();
        let first = -exponent_below(scaled, word_max, "a scaled row factor")?;
        Ok(Scaled { sum, first, second: split - first })
    }

    /// What goes through the sigmoid, and what is multiplied with it.
    pub(super) fn choose_gate(
        &mut self,
        rows: &RowUses,
        ranges: &Ranges,
        gated: bool,
    ) -> Result<(), CompileError> {
        self.gate = self.scaled(&rows.gate)?;
        let largest = max(ranges.layers.iter().map(|range| range.gate)) * HEADROOM * gate_unit();
        self.gate_shift =
            (-exponent_below(largest.max(1.0), f64::from(WORD_MAX), "the gate")?).clamp(0, 7) as u32;
        self.gelu = Gelu::new(self.gate_fraction());
        self.activated =
            self.gate_fraction() + 17 - self.layers.first().map_or(0.0, |layer| layer.hidden.log2()) as i32;
        let up = self.scaled(&rows.up)?;
        self.up = if gated { self.choose_gate_up(up, &rows.gated)? } else { up };
        Ok(())
    }

    /// The hidden vector is `sum * (gate * factor * sigmoid)`: one more shift than the others. `gated` are the largest products of the
    /// first two.
    fn choose_gate_up(&mut self, up: Scaled, gated: &[f64]) -> Result<Scaled, CompileError> {
        let unit = f64::from(up.sum as i32 + up.second + self.gate_fraction()).exp2();
        let largest = max(gated.iter().copied()) * HEADROOM * unit;
        self.gate_up = (-exponent_below(largest.max(1.0), f64::from(WORD_MAX), "the gated factor")?).max(0);
        Ok(Scaled { second: up.second + self.gate_fraction() - self.gate_up, ..up })
    }

    /// Fraction bits of the gate as an operand.
    fn gate_fraction(&self) -> i32 {
        SIGMOID_ARGUMENT_FRACTION_BITS as i32 - self.gate_shift as i32
    }

    pub(super) fn choose_classifier(
        &mut self,
        ranges: &Ranges,
        tokens: &QuantisedTokens,
        features: Features,
    ) -> Result<(), CompileError> {
        let factor = ranges.final_factor * HEADROOM;
        let logit = f64::from(self.logits).exp2();
        let classifier = tokens.classifier.as_ref().unwrap_or(&tokens.embedding);
        let rows = RowUse::new(classifier, self.final_input, &ranges.logits_raw, factor, |_| logit);
        let rows = if features.final_norm { rows.scaled(self.relative(self.final_scale)) } else { rows };
        self.classifier = if features.final_norm { self.scaled(&[rows])? } else { plain(&rows)? };
        Ok(())
    }

    pub(super) fn added(&self, layers: &[RowUse]) -> Result<Added, CompileError> {
        let sum = sum_shift(layers)?;
        let largest =
            max(layers.iter().map(|layer| layer.largest)) * f64::from(sum as i32 + self.residual).exp2();
        let residual = exponent_below(largest, f64::from(WORD_MAX), "an output's scale")?;
        Ok(Added { sum, residual, ..Added::default() })
    }

    /// Adds the shifts of what goes to the input of the next matrices, whose gains stand beside the scales of the sums.
    pub(super) fn added_input<'a>(
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
        let word = self.row_word(&self.classifier, per_sum) * self.relative(self.final_scale);
        if features.final_norm { word } else { word * self.norm.factor / self.relative(self.final_scale) }
    }

    /// As [`Formats::row_word`] for the row factors of `up`, which go through one more product.
    pub fn up_word(&self, per_sum: f64) -> f64 {
        let up = Scaled { second: self.up.second + self.gate_up - self.gate_fraction(), ..self.up };
        self.row_word(&up, per_sum)
    }
}
