//! Pass 6: fills weight memory and the constant rows of vector memory.

use super::formats::{Formats, gain};
use super::plan::Plan;
use super::quantise::{Quantised, QuantisedLayer, write_matrix};
use crate::model::{Model, Norm};
use lpu_isa::arith::{WORD_BITS, saturate};

/// Fraction bits of cosines and sines.
const TURN_FRACTION_BITS: i32 = 16;

/// Weight memory, row after row.
pub fn weights(plan: &Plan, layers: &[QuantisedLayer], embedding: &Quantised) -> Vec<i16> {
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
    write_matrix(geometry, &plan.embedding, 0, embedding, &mut memory);
    memory
}

/// Vector memory up to the last constant row.
pub fn vector_memory(
    model: &Model,
    plan: &Plan,
    formats: &Formats,
    layers: &[QuantisedLayer],
    embedding: &Quantised,
) -> Vec<i32> {
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
    let unit = f64::from(formats.logits).exp2() / formats.final_input;
    writer.rows(
        plan.vmem.embedding,
        embedding.scales.iter().map(|scale| formats.row_word(&formats.classifier, unit * scale)),
    );
    if model.config.rope.is_some() {
        rotation_tables(plan, &mut writer);
    }
    writer.words
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
        .map(|(row, scale)| formats.row_word(&formats.k, scale * format.k[row] / input));
    writer.rows(first + constants.k, k);
    let q = scales(&layer.q)
        .into_iter()
        .map(|(row, scale)| formats.row_word(&formats.q, scale * format.q[row] / input));
    writer.rows(first + constants.q, q);
    let v = scales(&layer.v)
        .into_iter()
        .map(|(row, scale)| formats.row_word(&formats.v, scale * format.v[row] / input));
    writer.rows(first + constants.v, v);
    let centre = format.k_centre.iter().zip(&format.k).map(|(centre, unit)| -centre * unit);
    writer.rows(first + constants.k_centre, centre);
    for (row, matrix, added) in
        [(constants.o, &layer.o, formats.o), (constants.down, &layer.down, formats.down)]
    {
        writer.rows(first + row, matrix.scales.iter().map(|scale| formats.added_word(added, *scale)));
    }
    let input = format.mlp_input;
    if let Some(gate) = &layer.gate {
        let unit = f64::from(lpu_isa::arith::SIGMOID_ARGUMENT_FRACTION_BITS).exp2() / input;
        writer.rows(
            first + constants.gate,
            gate.scales.iter().map(|scale| formats.row_word(&formats.gate, scale * unit)),
        );
    }
    writer.rows(
        first + constants.up,
        layer.up.scales.iter().map(|scale| formats.up_word(scale * format.hidden / input)),
    );
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

struct Writer {
    lanes: usize,
    words: Vec<i32>,
}

impl Writer {
    /// Rounds values into words from the first lane of `row` on.
    fn rows(&mut self, row: usize, values: impl IntoIterator<Item = f64>) {
        for (offset, value) in values.into_iter().enumerate() {
            self.words[row * self.lanes + offset] = saturate((value + 0.5).floor() as i64, WORD_BITS) as i32;
        }
    }
}
