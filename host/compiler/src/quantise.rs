//! Pass 3: weights become nine-bit integers with one scale per row.

use super::calibrate::LayerRange;
use super::channels::{Channels, place, straight};
use super::compensate::{Answers, Moments};
use super::plan::{MatrixPlan, Plan};
use lpu_isa::Geometry;
use lpu_model::{Config, Layer, Matrix, Model};
use rayon::prelude::*;

/// Largest magnitude of a quantised weight.
pub const WEIGHT_MAX: f64 = 255.0;

/// A quantised matrix in the chip's channels.
#[derive(Clone, Debug, Default)]
pub struct Quantised {
    /// Results x padded inputs; none where they are in external memory already.
    pub rows: Vec<Vec<i16>>,
    /// What one unit of each row stands for.
    pub scales: Vec<f64>,
}

/// The quantised matrices of a layer.
#[derive(Clone, Debug)]
pub struct QuantisedLayer {
    pub k: Quantised,
    pub q: Quantised,
    pub v: Quantised,
    pub o: Quantised,
    pub gate: Option<Quantised>,
    pub up: Quantised,
    pub down: Quantised,
}

/// The quantised matrices outside the layers.
#[derive(Clone, Debug)]
pub struct QuantisedTokens {
    pub embedding: Quantised,
    /// Where it is not the embedding.
    pub classifier: Option<Quantised>,
    pub positions: Option<Quantised>,
}

impl QuantisedTokens {
    pub fn new(model: &Model, plan: &Plan) -> Self {
        let vocab = model.config.vocab;
        let positions = model.positions.as_ref().zip(plan.positions.as_ref());
        Self {
            embedding: quantise_rows(&model.embedding, vocab, &plan.embedding),
            classifier: model
                .classifier
                .as_ref()
                .map(|matrix| quantise_rows(matrix, vocab, &plan.classifier)),
            positions: positions.map(|(matrix, plan)| quantise_rows(matrix, plan.outputs, plan)),
        }
    }
}

/// Places a matrix in channels, each column multiplied by `scale`, and rounds each row, a weight's error answered by others where it is
/// known how; a row's largest weight becomes 255.
fn quantise(
    matrix: &Matrix,
    rows: &[Option<usize>],
    columns: &[Option<usize>],
    scale: impl Fn(usize) -> f64,
    answers: Option<&Answers>,
) -> Quantised {
    let scales: Vec<f64> = (0..columns.len()).map(scale).collect();
    let round = |row: &Option<usize>| {
        let row = place(matrix, *row, columns, &scales);
        let scale = row.iter().fold(0.0f64, |max, weight| max.max(weight.abs())) / WEIGHT_MAX;
        let step = if scale > 0.0 { scale } else { 1.0 };
        let codes = match answers {
            Some(answers) => answers.round(&row, step, WEIGHT_MAX),
            None => row.iter().map(|weight| (weight / step).round() as i16).collect(),
        };
        (codes, scale)
    };
    let (rows, scales) = rows.par_iter().map(round).unzip();
    Quantised { rows, scales }
}

/// Quantises a layer. `mix` is the step of each value channel's activation, `hidden` that of the MLP's inner vector: both are folded
/// into the columns that read them.
pub fn quantise_layer(
    config: &Config,
    layer: &Layer,
    plan: &Plan,
    range: &LayerRange,
    mix: &[f64],
    hidden: f64,
) -> QuantisedLayer {
    let Channels { heads, kv_heads, .. } = plan.channels;
    let matrices = &plan.matrices;
    let dims = |plan: &MatrixPlan| straight(config.dim, plan.width());
    let plain = |_: usize| 1.0;
    let q_rows = plan.channels.rotated_rows(heads);
    let k_rows = plan.channels.rotated_rows(kv_heads);
    let v_rows = plan.channels.plain_rows(kv_heads);
    let mut mix_columns = plan.channels.plain_rows(heads);
    mix_columns.resize(parts_width(&matrices.o), None);
    let results = straight(config.dim, config.dim);
    let inner = straight(config.hidden_dim, config.hidden_dim);
    let hidden_columns = straight(config.hidden_dim, parts_width(&matrices.down));
    let mix_step = |channel: usize| mix.get(channel).copied().unwrap_or(0.0);
    let gate = layer.gate.as_ref().zip(matrices.gate.as_ref());
    let seen = |moments: &Moments, columns: &[Option<usize>]| moments.answers(columns, plain);
    // Matrices of one input have columns of one width.
    let (input, mlp_input) = (dims(&matrices.k), dims(&matrices.up));
    let attention = seen(&range.attention_moments, &input);
    let mlp = seen(&range.mlp_moments, &mlp_input);
    let mixed = range.mix_moments.answers(&mix_columns, mix_step);
    let inner_answers = seen(&range.hidden_moments, &hidden_columns);
    let reading =
        |matrix: &Matrix, rows: &[Option<usize>], columns: &[Option<usize>], answers: &Option<Answers>| {
            quantise(matrix, rows, columns, plain, answers.as_ref())
        };
    QuantisedLayer {
        k: reading(&layer.k.weight, &k_rows, &input, &attention),
        q: reading(&layer.q.weight, &q_rows, &input, &attention),
        v: reading(&layer.v.weight, &v_rows, &input, &attention),
        o: quantise(&layer.o.weight, &results, &mix_columns, mix_step, mixed.as_ref()),
        gate: gate.map(|(gate, _)| reading(&gate.weight, &inner, &mlp_input, &mlp)),
        up: reading(&layer.up.weight, &inner, &mlp_input, &mlp),
        down: quantise(&layer.down.weight, &results, &hidden_columns, |_| hidden, inner_answers.as_ref()),
    }
}

fn parts_width(parts: &[MatrixPlan]) -> usize {
    parts.iter().map(MatrixPlan::width).sum()
}

/// Quantises a matrix whose rows are tokens or positions, the first `count` of them.
fn quantise_rows(matrix: &Matrix, count: usize, plan: &MatrixPlan) -> Quantised {
    let rows = straight(count, count);
    let columns = straight(matrix.inputs(), plan.width());
    quantise(matrix, &rows, &columns, |_| 1.0, None)
}

/// Writes a matrix into weight memory at `first_row`.
pub fn write_matrix(
    geometry: &Geometry,
    plan: &MatrixPlan,
    first_row: usize,
    matrix: &Quantised,
    memory: &mut [i16],
) {
    let (width, lanes) = (geometry.mxm_lanes, geometry.vxm_lanes);
    for group in 0..plan.groups(geometry) {
        let mut column = plan.column;
        for (piece, &piece_width) in plan.pieces.iter().enumerate() {
            let per_row = width / piece_width;
            let (start, step) = plan.beat_rows(geometry, group, piece);
            for beat in 0..plan.beats(geometry, group, piece) {
                let row = first_row + plan.row + start + beat * step;
                for slot in 0..per_row {
                    let output = group * lanes + beat * per_row + slot;
                    if let Some(weights) = matrix.rows.get(output) {
                        let target = row * width + slot * piece_width;
                        memory[target..target + piece_width]
                            .copy_from_slice(&weights[column..column + piece_width]);
                    }
                }
            }
            column += piece_width;
        }
    }
}
