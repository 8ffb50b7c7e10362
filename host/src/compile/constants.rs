//! Pass 6: fills weight memory and the constant rows of vector memory.

use super::formats::{Formats, Gelu};
use super::plan::Plan;
use super::quantise::{Quantised, QuantisedLayer, QuantisedTokens, write_matrix};
use super::simplify::{Simplified, gain};
use crate::model::{Activation, Model, Norm};
use lpu_isa::arith::{WORD_BITS, saturate};

/// Fraction bits of cosines and sines.
const TURN_FRACTION_BITS: i32 = 16;
/// Further fraction bits of a bias of k, which is turned before it is rounded.
pub const K_BIAS_FRACTION_BITS: i32 = 8;

/// Weight memory, row after row.
pub fn weights(plan: &Plan, layers: &[QuantisedLayer], tokens: &QuantisedTokens) -> Vec<i16> {
    let geometry = &plan.geometry;
    let mut memory = vec![0; plan.weight_rows * geometry.mxm_lanes];
    for (index, layer) in layers.iter().enumerate() {
        let first = index * plan.matrices.rows;
        let matrices = &plan.matrices;
        let pairs = [
            (&matrices.k, &layer.k),
            (&matrices.q, &layer.q),
            (&matrices.v, &layer.v),
            (&matrices.up, &layer.up),
        ];
        let gate = matrices.gate.as_ref().zip(layer.gate.as_ref());
        let o = matrices.o.iter().map(|part| (part, &layer.o));
        let down = matrices.down.iter().map(|part| (part, &layer.down));
        for (plan, matrix) in pairs.into_iter().chain(gate).chain(o).chain(down) {
            write_matrix(geometry, plan, first, matrix, &mut memory);
        }
    }
    write_matrix(geometry, &plan.embedding, 0, &tokens.embedding, &mut memory);
    for (plan, matrix) in
        [(Some(&plan.classifier), &tokens.classifier), (plan.positions.as_ref(), &tokens.positions)]
    {
        if let (Some(plan), Some(matrix)) = (plan, matrix) {
            write_matrix(geometry, plan, 0, matrix, &mut memory);
        }
    }
    memory
}

/// Vector memory up to the last constant row.
pub fn vector_memory(
    simplified: &Simplified,
    plan: &Plan,
    formats: &Formats,
    layers: &[QuantisedLayer],
    tokens: &QuantisedTokens,
) -> Vec<i32> {
    let model = &simplified.model;
    let mut writer = Writer {
        lanes: plan.geometry.vxm_lanes,
        words: vec![0; plan.vmem.constants * plan.geometry.vxm_lanes],
    };
    for (index, layer) in layers.iter().enumerate() {
        layer_constants(model, plan, formats, index, layer, &mut writer);
    }
    let dim = model.config.dim;
    writer.rows(
        plan.vmem.final_gain,
        (0..dim).map(|i| formats.gain_word(formats.final_input, gain(model.final_norm.as_ref(), i))),
    );
    token_constants(simplified, plan, formats, tokens, &mut writer);
    if plan.features.rotation {
        rotation_tables(plan, &mut writer);
    }
    writer.words
}

fn token_constants(
    simplified: &Simplified,
    plan: &Plan,
    formats: &Formats,
    tokens: &QuantisedTokens,
    writer: &mut Writer,
) {
    let (vmem, features) = (&plan.vmem, plan.features);
    let gathered = |matrix: &Quantised, words: i32| -> Vec<f64> {
        matrix.scales.iter().map(|scale| scale * f64::from(words).exp2()).collect()
    };
    let classifier = tokens.classifier.as_ref().unwrap_or(&tokens.embedding);
    writer.rows(
        vmem.classifier,
        classifier.scales.iter().map(|scale| formats.classifier_word(*scale, features)),
    );
    if features.own_classifier {
        writer.rows(vmem.embedding, gathered(&tokens.embedding, formats.embedding.words));
    }
    if let Some(positions) = &tokens.positions {
        // The context may be shorter than the table.
        let count = plan.blocks * writer.lanes;
        writer.rows(vmem.positions, gathered(positions, formats.positions.words).into_iter().take(count));
    }
    if let Some(bias) = &simplified.logits_bias {
        let unit = f64::from(formats.logits).exp2();
        writer.rows(vmem.logits_bias, bias.iter().map(|bias| f64::from(*bias) * unit));
    }
    if let Some(norm) = &formats.embedding_norm {
        writer.all_lanes(vmem.embedding_gain, norm.gain);
    }
    if features.o || features.down {
        writer.all_lanes(vmem.bias_unit, f64::from(formats.bias_shift).exp2());
    }
    if features.gelu() {
        for (row, word) in Gelu::words().into_iter().enumerate() {
            writer.all_lanes(vmem.gelu + row, word);
        }
    }
}

fn layer_constants(
    model: &Model,
    plan: &Plan,
    formats: &Formats,
    index: usize,
    layer: &QuantisedLayer,
    writer: &mut Writer,
) {
    let (constants, format, weights) = (&plan.constants, &formats.layers[index], &model.layers[index]);
    let first = plan.vmem.layers + index * constants.rows;
    let dim = model.config.dim;
    let norm_words = |norm: &Norm, input: f64| -> Vec<f64> {
        (0..dim).map(|i| formats.gain_word(input, gain(Some(norm), i))).collect()
    };
    writer.rows(first + constants.attention_gain, norm_words(&weights.attn_norm, format.attention_input));
    writer.rows(first + constants.mlp_gain, norm_words(&weights.mlp_norm, format.mlp_input));
    let input = format.attention_input;
    let scales = |matrix: &Quantised| matrix.scales.clone().into_iter().enumerate().collect::<Vec<_>>();
    let k = scales(&layer.k)
        .into_iter()
        .map(|(row, scale)| scale * format.k[row] * format.k_gain[row] / input)
        .map(|per_sum| formats.head_word(&formats.k, formats.k_head, per_sum));
    writer.rows(first + constants.k, k);
    let q = scales(&layer.q)
        .into_iter()
        .map(|(row, scale)| scale * format.q[row] * format.q_gain[row] / input)
        .map(|per_sum| formats.head_word(&formats.q, formats.q_head, per_sum));
    writer.rows(first + constants.q, q);
    for (row, matrix, scaled, head) in [
        (constants.k_squared, &layer.k, &formats.k, formats.k_head),
        (constants.q_squared, &layer.q, &formats.q, formats.q_head),
    ] {
        if let Some(head) = head {
            let word = |scale: &f64| Formats::squared_word(scaled, &head, scale / input);
            writer.rows(first + row, matrix.scales.iter().map(word));
        }
    }
    let v = scales(&layer.v)
        .into_iter()
        .map(|(row, scale)| formats.row_word(&formats.v, scale * format.v[row] / input));
    writer.rows(first + constants.v, v);
    // Without rotation the bias of k joins its middle.
    let channels = &plan.channels;
    let spread = |bias: Option<&Vec<f32>>, q: bool| match (bias, q) {
        (Some(bias), true) => channels.spread_q(bias),
        (Some(bias), false) => channels.spread_kv(bias),
        (None, _) => Vec::new(),
    };
    let (q_bias, k_bias) = (spread(weights.q.bias.as_ref(), true), spread(weights.k.bias.as_ref(), false));
    let joined = |row: usize| match plan.features.rotation {
        true => 0.0,
        false => k_bias.get(row).map_or(0.0, |bias| f64::from(*bias)),
    };
    let centre = format.k_centre.iter().zip(&format.k).enumerate();
    writer
        .rows(first + constants.k_centre, centre.map(|(row, (centre, unit))| (joined(row) - centre) * unit));
    if plan.features.k && plan.features.rotation {
        let unit = f64::from(K_BIAS_FRACTION_BITS).exp2();
        let words = k_bias.iter().zip(&format.k).map(|(bias, k)| f64::from(*bias) * k * unit);
        writer.rows(first + constants.k_bias, words);
    }
    if plan.features.q {
        writer.rows(
            first + constants.q_bias,
            q_bias.iter().zip(&format.q).map(|(bias, q)| f64::from(*bias) * q),
        );
    }
    for (row, matrix, added) in
        [(constants.o, &layer.o, formats.o), (constants.down, &layer.down, formats.down)]
    {
        writer.rows(first + row, matrix.scales.iter().map(|scale| formats.added_word(added, *scale)));
    }
    let input = format.mlp_input;
    let gate_unit = f64::from(lpu_isa::arith::SIGMOID_ARGUMENT_FRACTION_BITS).exp2();
    if let Some(gate) = &layer.gate {
        let words =
            gate.scales.iter().map(|scale| formats.row_word(&formats.gate, scale * gate_unit / input));
        writer.rows(first + constants.gate, words);
    }
    let gated = model.config.gated;
    let relu = plan.features.activation == Activation::Relu;
    let up_word = |scale: &f64| match (gated, relu) {
        (true, _) => formats.up_word(scale * format.hidden / input),
        (false, true) => formats.row_word(&formats.up, scale * format.hidden / input),
        (false, false) => formats.row_word(&formats.gate, scale * gate_unit / input),
    };
    writer.rows(first + constants.up, layer.up.scales.iter().map(up_word));
    let residual = f64::from(formats.residual - formats.bias_shift).exp2();
    let up_unit = if relu { format.hidden } else { gate_unit };
    let gate = weights.gate.as_ref();
    for (row, linear, unit) in [
        (constants.o_bias, Some(&weights.o), residual),
        (constants.down_bias, Some(&weights.down), residual),
        (constants.gate_bias, gate, gate_unit),
        (constants.up_bias, Some(&weights.up), up_unit),
    ] {
        if let Some(bias) = linear.and_then(|linear| linear.bias.as_ref()) {
            writer.rows(first + row, bias.iter().map(|bias| f64::from(*bias) * unit));
        }
    }
}

/// Cosines, and sines negative in the first lane of each pair, as the exchange of lanes wants them.
fn rotation_tables(plan: &Plan, writer: &mut Writer) {
    let lanes = plan.geometry.vxm_lanes;
    let unit = f64::from(TURN_FRACTION_BITS).exp2();
    let mut table = |cos_row: usize, sin_row: usize, count: usize, step: usize| {
        for index in 0..count {
            let turns = plan.channels.rotation(index * step);
            for chunk in 0..plan.rows.head {
                let lane = |lane: usize| {
                    let channel = chunk * lanes + lane;
                    let (cos, sin) = turns[channel / 2 % turns.len()];
                    (cos * unit, if lane.is_multiple_of(2) { -sin * unit } else { sin * unit })
                };
                writer.rows(cos_row + chunk * count + index, (0..lanes).map(|l| lane(l).0));
                writer.rows(sin_row + chunk * count + index, (0..lanes).map(|l| lane(l).1));
            }
        }
    };
    table(plan.vmem.cos_high, plan.vmem.sin_high, plan.blocks, lanes);
    table(plan.vmem.cos_low, plan.vmem.sin_low, lanes, 1);
}

/// Constant rows being written.
struct Writer {
    lanes: usize,
    words: Vec<i32>,
}

impl Writer {
    fn all_lanes(&mut self, row: usize, value: f64) {
        self.rows(row, vec![value; self.lanes]);
    }

    /// Rounds values into words from the first lane of `row` on.
    fn rows(&mut self, row: usize, values: impl IntoIterator<Item = f64>) {
        for (offset, value) in values.into_iter().enumerate() {
            self.words[row * self.lanes + offset] = saturate((value + 0.5).floor() as i64, WORD_BITS) as i32;
        }
    }
}
