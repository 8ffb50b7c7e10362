//! Pass 6: fills weight memory and the constant rows of vector memory.

use super::formats::{Formats, Gelu, HeadNorm, LayerFormats, Scaled, gate_unit};
use super::plan::Plan;
use super::quantise::{Quantised, QuantisedLayer, QuantisedTokens, write_matrix};
use super::simplify::{Simplified, gain};
use super::turns::Turns;
use super::vectors::TurnTables;
use super::windows::{self, Window};
use lpu_isa::arith::{WORD_BITS, saturate};
use lpu_model::{Activation, Config, Layer, Model, Norm};

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
    if !plan.windows.is_empty() {
        lanes_row(plan, &mut memory);
    }
    memory
}

/// The row that brings each lane of an activation entry, which repeats a vector row, to one lane of a result, at the size of a score.
/// A result sums `groups` neighbouring lanes; those that sum the same lanes follow each other at `lanes / groups`.
fn lanes_row(plan: &Plan, memory: &mut [i16]) {
    let (lanes, groups) = (plan.geometry.vxm_lanes, plan.geometry.groups());
    let row = &mut memory[plan.lanes_row * plan.geometry.mxm_lanes..];
    for result in 0..lanes {
        row[result * groups + result / (lanes / groups)] = 1 << windows::SCORE_SHIFT;
    }
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
    let mut writer = Writer::new(plan, plan.vmem.constants);
    for (index, layer) in layers.iter().enumerate() {
        let first = plan.vmem.layers + index * plan.constants.rows;
        LayerConstants::new(model, plan, formats, layer, index, first).write(&mut writer);
    }
    let dim = model.config.dim;
    writer.rows(
        plan.vmem.final_gain,
        (0..dim).map(|i| {
            formats.gain_word(formats.final_input, formats.final_scale, gain(model.final_norm.as_ref(), i))
        }),
    );
    token_constants(simplified, plan, formats, tokens, &mut writer);
    (0..plan.features.ways()).for_each(|way| rotation_tables(plan, way, &mut writer));
    window_tables(plan, &mut writer);
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
    gelu_words(plan, writer);
}

fn gelu_words(plan: &Plan, writer: &mut Writer) {
    if plan.features.gelu() {
        for (row, word) in Gelu::words().into_iter().enumerate() {
            writer.all_lanes(plan.vmem.gelu + row, word);
        }
    }
}

/// Vector memory up to the last row that is the same for all layers and tokens, where external memory has the others.
pub fn fixed_words(plan: &Plan) -> Vec<i32> {
    let mut writer = Writer::new(plan, plan.vmem.constants);
    gelu_words(plan, &mut writer);
    (0..plan.features.ways()).for_each(|way| rotation_tables(plan, way, &mut writer));
    writer.words
}

/// The constant rows of one layer, from row 0 on.
pub fn layer_words(
    model: &Model,
    plan: &Plan,
    formats: &Formats,
    quantised: &QuantisedLayer,
    index: usize,
) -> Vec<i32> {
    let mut writer = Writer::new(plan, plan.constants.rows);
    LayerConstants::new(model, plan, formats, quantised, index, 0).write(&mut writer);
    writer.words
}

/// Row factors of some results of the classifier, given the scales of their rows.
pub fn classifier_words(plan: &Plan, formats: &Formats, scales: &[f64]) -> Vec<i32> {
    let mut writer = Writer::new(plan, scales.len().div_ceil(plan.geometry.vxm_lanes));
    writer.rows(0, scales.iter().map(|scale| formats.classifier_word(*scale, plan.features)));
    writer.words
}

/// The constants of one layer.
struct LayerConstants<'a> {
    plan: &'a Plan,
    formats: &'a Formats,
    format: &'a LayerFormats,
    weights: &'a Layer,
    quantised: &'a QuantisedLayer,
    config: &'a Config,
    /// The norm that reads the residual after the layer, and the units of what it makes.
    next: (Option<&'a Norm>, f64, i32),
    index: usize,
    /// The layer's first row.
    first: usize,
}

impl<'a> LayerConstants<'a> {
    fn new(
        model: &'a Model,
        plan: &'a Plan,
        formats: &'a Formats,
        quantised: &'a QuantisedLayer,
        index: usize,
        first: usize,
    ) -> Self {
        let next = match model.layers.get(index + 1) {
            Some(layer) => {
                let format = &formats.layers[index + 1];
                (Some(&layer.attn_norm), format.attention_input, format.attention_scale)
            }
            None => (model.final_norm.as_ref(), formats.final_input, formats.final_scale),
        };
        let (format, weights, config) = (&formats.layers[index], &model.layers[index], &model.config);
        Self { plan, formats, format, weights, quantised, config, next, index, first }
    }

    fn write(&self, writer: &mut Writer) {
        self.gains(writer);
        self.keys_and_queries(writer);
        self.values(writer);
        self.attention_biases(writer);
        self.turns(writer);
        self.outputs(writer);
        self.mlp(writer);
        self.mlp_and_output_biases(writer);
        self.windows(writer);
    }

    fn windows(&self, writer: &mut Writer) {
        let own = self.config.window(self.index);
        for (index, window) in self.plan.windows.iter().enumerate() {
            let has = if own == Some(window.positions) { window_unit() } else { 0.0 };
            writer.all_lanes(self.first + self.plan.constants.windows + index, has);
        }
    }

    fn gains(&self, writer: &mut Writer) {
        let constants = &self.plan.constants;
        let words = |norm: Option<&Norm>, input: f64, scale: i32| -> Vec<f64> {
            (0..self.config.dim).map(|i| self.formats.gain_word(input, scale, gain(norm, i))).collect()
        };
        let (norm, input) = (Some(&self.weights.attn_norm), self.format.attention_input);
        let (before, between) = (self.format.attention_scale, self.format.mlp_scale);
        writer.rows(self.first + constants.attention_gain, words(norm, input, before));
        let (norm, input) = (Some(&self.weights.mlp_norm), self.format.mlp_input);
        writer.rows(self.first + constants.mlp_gain, words(norm, input, between));
        if self.plan.external.is_some() {
            writer.rows(self.first + constants.next_gain, words(self.next.0, self.next.1, self.next.2));
            for (row, scale) in [
                (constants.attention_scale, before),
                (constants.mlp_scale, between),
                (constants.next_scale, self.next.2),
            ] {
                for (part, word) in self.formats.scale_words(scale).into_iter().enumerate() {
                    writer.all_lanes(self.first + row + part, word);
                }
            }
        }
    }

    fn keys_and_queries(&self, writer: &mut Writer) {
        let (constants, formats, format) = (&self.plan.constants, self.formats, self.format);
        let input = format.attention_input;
        let relative = formats.relative(format.attention_scale);
        let words = |matrix: &Quantised, units: &[f64], gains: &[f64], scaled: &Scaled, head| -> Vec<f64> {
            let rows = matrix.scales.iter().zip(units).zip(gains);
            // Heads that are normalised by themselves have a factor of their own.
            let relative = if Option::<HeadNorm>::is_some(&head) { 1.0 } else { relative };
            let per_sum = rows.map(|((scale, unit), gain)| scale * unit * gain / input * relative);
            per_sum.map(|per_sum| formats.head_word(scaled, head, per_sum)).collect()
        };
        let (k, q) = (&self.quantised.k, &self.quantised.q);
        writer
            .rows(self.first + constants.k, words(k, &format.k, &format.k_gain, &formats.k, formats.k_head));
        writer
            .rows(self.first + constants.q, words(q, &format.q, &format.q_gain, &formats.q, formats.q_head));
        for (row, matrix, scaled, head) in [
            (constants.k_squared, k, &formats.k, formats.k_head),
            (constants.q_squared, q, &formats.q, formats.q_head),
        ] {
            if let Some(head) = head {
                let word = |scale: &f64| Formats::squared_word(scaled, &head, scale / input);
                writer.rows(self.first + row, matrix.scales.iter().map(word));
            }
        }
    }

    fn values(&self, writer: &mut Writer) {
        let rows = self.quantised.v.scales.iter().zip(&self.format.v);
        let per_sum = rows.map(|(scale, unit)| scale * unit / self.format.attention_input);
        let relative = self.formats.relative(self.format.attention_scale);
        let words = per_sum.map(|per_sum| self.formats.row_word(&self.formats.v, per_sum * relative));
        writer.rows(self.first + self.plan.constants.v, words);
    }

    /// Biases of k and q, and the middle of k. Without rotation the bias of k joins its middle.
    fn attention_biases(&self, writer: &mut Writer) {
        let (constants, channels, features) = (&self.plan.constants, &self.plan.channels, self.plan.features);
        let format = self.format;
        let k_bias = self.weights.k.bias.as_ref().map_or(Vec::new(), |bias| channels.spread_kv(bias));
        let joined = |row: usize| match features.rotation {
            true => 0.0,
            false => k_bias.get(row).map_or(0.0, |bias| f64::from(*bias)),
        };
        let centre = format.k_centre.iter().zip(&format.k).enumerate();
        let words = centre.map(|(row, (centre, unit))| (joined(row) - centre) * unit);
        writer.rows(self.first + constants.k_centre, words);
        if features.k && features.rotation {
            let unit = f64::from(K_BIAS_FRACTION_BITS).exp2();
            let words = k_bias.iter().zip(&format.k).map(|(bias, k)| f64::from(*bias) * k * unit);
            writer.rows(self.first + constants.k_bias, words);
        }
        if features.q {
            let q_bias = self.weights.q.bias.as_ref().map_or(Vec::new(), |bias| channels.spread_q(bias));
            let words = q_bias.iter().zip(&format.q).map(|(bias, q)| f64::from(*bias) * q);
            writer.rows(self.first + constants.q_bias, words);
        }
    }

    /// Which way the layer turns.
    fn turns(&self, writer: &mut Writer) {
        let constants = &self.plan.constants;
        if self.plan.features.turns != Turns::Alike {
            let one = f64::from(TURN_FRACTION_BITS).exp2();
            let other = if self.plan.channels.is_second(self.index) { one } else { 0.0 };
            writer.all_lanes(self.first + constants.own_turn, one - other);
            writer.all_lanes(self.first + constants.other_turn, other);
        }
    }

    fn outputs(&self, writer: &mut Writer) {
        let (constants, formats) = (&self.plan.constants, self.formats);
        for (row, matrix, added) in [
            (constants.o, &self.quantised.o, formats.o),
            (constants.down, &self.quantised.down, formats.down),
        ] {
            let words = matrix.scales.iter().map(|scale| formats.added_word(added, *scale));
            writer.rows(self.first + row, words);
        }
    }

    fn mlp(&self, writer: &mut Writer) {
        let (constants, formats, format) = (&self.plan.constants, self.formats, self.format);
        let input = format.mlp_input / formats.relative(format.mlp_scale);
        let gate_word = |scale: &f64| formats.row_word(&formats.gate, scale * gate_unit() / input);
        if let Some(gate) = &self.quantised.gate {
            writer.rows(self.first + constants.gate, gate.scales.iter().map(gate_word));
        }
        let relu = self.plan.features.activation == Activation::Relu;
        let up_word = |scale: &f64| match (self.config.gated, relu) {
            (true, _) => formats.up_word(scale * format.hidden / input),
            (false, true) => formats.row_word(&formats.up, scale * format.hidden / input),
            (false, false) => gate_word(scale),
        };
        writer.rows(self.first + constants.up, self.quantised.up.scales.iter().map(up_word));
    }

    fn mlp_and_output_biases(&self, writer: &mut Writer) {
        let (constants, formats, weights) = (&self.plan.constants, self.formats, self.weights);
        let residual = f64::from(formats.residual - formats.bias_shift).exp2();
        let relu = self.plan.features.activation == Activation::Relu;
        let up_unit = if relu { self.format.hidden } else { gate_unit() };
        for (row, linear, unit) in [
            (constants.o_bias, Some(&weights.o), residual),
            (constants.down_bias, Some(&weights.down), residual),
            (constants.gate_bias, weights.gate.as_ref(), gate_unit()),
            (constants.up_bias, Some(&weights.up), up_unit),
        ] {
            if let Some(bias) = linear.and_then(|linear| linear.bias.as_ref()) {
                writer.rows(self.first + row, bias.iter().map(|bias| f64::from(*bias) * unit));
            }
        }
    }
}

/// Cosines, and sines negative in the first lane of each pair, as the exchange of lanes wants them.
fn rotation_tables(plan: &Plan, way: usize, writer: &mut Writer) {
    let lanes = plan.geometry.vxm_lanes;
    let unit = f64::from(TURN_FRACTION_BITS).exp2();
    let mut table = |cos_row: usize, sin_row: usize, count: usize, step: usize| {
        for index in 0..count {
            let turns = plan.channels.rotation(way == 1, index * step);
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
    let TurnTables { cos_high, sin_high, cos_low, sin_low } = plan.vmem.turns[way];
    table(cos_high, sin_high, plan.blocks, lanes);
    table(cos_low, sin_low, lanes, 1);
}

fn window_unit() -> f64 {
    f64::from(windows::UNIT_FRACTION_BITS).exp2()
}

fn window_tables(plan: &Plan, writer: &mut Writer) {
    let lanes = plan.geometry.vxm_lanes;
    let all = |window: &Window, age: usize| f64::from(window.mask(age));
    for (window, rows) in plan.windows.iter().zip(&plan.vmem.windows) {
        writer.all_lanes(plan.vmem.window_unit, window_unit());
        for row in 0..2 * lanes {
            writer.rows(rows.edges + row, window.edge_mask(row, lanes).map(f64::from));
        }
        for age in 0..rows.table_rows {
            writer.all_lanes(rows.table + age, all(window, age));
        }
    }
}

/// Constant rows being written.
struct Writer {
    lanes: usize,
    words: Vec<i32>,
}

impl Writer {
    fn new(plan: &Plan, rows: usize) -> Self {
        let lanes = plan.geometry.vxm_lanes;
        Self { lanes, words: vec![0; rows * lanes] }
    }

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
