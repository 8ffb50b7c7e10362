//! Quantisation and memories of a model whose weights lie in external memory.

use super::calibrate::Ranges;
use super::channels::straight;
use super::constants;
use super::error::CompileError;
use super::external::ExternalPlan;
use super::features::Features;
use super::formats::{self, Formats, Gathered};
use super::plan::{MatrixPlan, Plan};
use super::program::EMBEDDING_SHIFT;
use super::quantise::{Quantised, QuantisedLayer, QuantisedTokens};
use super::simplify::Simplified;
use super::store::{Placement, Store};
use lpu_isa::arith::{WEIGHT_BITS, WORD_BITS, kv_encode, saturate};
use lpu_model::{Layer, Matrix, Model, Reference, keys_and_values_of_position_zero};

/// External memory with all weights, the formats that follow from them, and the scales of their rows.
pub struct Filled {
    pub formats: Formats,
    pub dram: Vec<u8>,
}

/// Fills external memory. `first` is the token of position 0, where that position is part of the image.
///
/// # Errors
/// When a range does not suit fixed point.
pub fn fill(
    simplified: &Simplified,
    plan: &Plan,
    external: &ExternalPlan,
    formats: Formats,
    ranges: &Ranges,
    features: Features,
    first: Option<u32>,
) -> Result<Filled, CompileError> {
    let model = &simplified.model;
    let mut store = Store::new(&plan.geometry, external);
    let layers: Vec<QuantisedLayer> = (0..plan.layers)
        .map(|index| store_layer(model, plan, external, &formats, index, &mut store))
        .collect();
    let classifier = store_classifier(model, plan, external, &mut store);
    let tokens =
        QuantisedTokens { embedding: Quantised::default(), classifier: Some(classifier), positions: None };
    // The embedding is stored a second time, in words that need no scales.
    let features = Features { own_classifier: false, ..features };
    let mut formats = formats.with_weights(ranges, &layers, &tokens, model, features)?;
    let largest = model.embedding.rows().flat_map(|row| row.iter().map(|v| v.abs()).max_by(f32::total_cmp));
    let largest = largest.max_by(f32::total_cmp).map_or(0.0, f64::from);
    formats.embedding = Gathered::of(largest, formats.residual)?;
    store_embedding(model, external, &formats, &mut store);
    for (index, layer) in layers.iter().enumerate() {
        let record = external.layers + index * external.layer_granules;
        let words = constants::layer_words(model, plan, &formats, layer, index);
        let (attention, mlp) = words.split_at(plan.constants.gate * plan.geometry.vxm_lanes);
        store.words(record, attention);
        store.words(record + external.mlp_constants, mlp);
    }
    let scales = tokens.classifier.map(|classifier| classifier.scales).unwrap_or_default();
    let rows = external.chunk_rows * plan.geometry.vxm_lanes;
    for (chunk, scales) in scales.chunks(rows).enumerate() {
        let words = constants::classifier_words(plan, &formats, scales);
        store.words(external.classifier + chunk * external.chunk_granules, &words);
    }
    if let Some(token) = first {
        store_position_zero(model, plan, external, &formats, token, &mut store);
        store_first_logits(simplified, plan, external, &formats, token, &mut store);
    }
    Ok(Filled { formats, dram: store.bytes })
}

/// Writes the matrices of a layer; `o` and `down` take the steps of what they read into their columns.
fn store_layer(
    model: &Model,
    plan: &Plan,
    external: &ExternalPlan,
    formats: &Formats,
    index: usize,
    store: &mut Store,
) -> QuantisedLayer {
    let (config, channels, matrices) = (&model.config, &plan.channels, &plan.matrices);
    let Layer { q, k, v, o, gate, up, down, .. } = &model.layers[index];
    let format = &formats.layers[index];
    let record = external.layers + index * external.layer_granules;
    let fraction = f64::from(formats::MIX_FRACTION_BITS).exp2();
    let mixed = |channel| 1.0 / (format.v[formats::key_channel(plan, channel)] * fraction);
    let results = straight(config.dim, config.dim);
    let inner = straight(config.hidden_dim, config.hidden_dim);
    let (input, hidden) = (straight(config.dim, config.dim), straight(config.hidden_dim, config.hidden_dim));
    let (plain, steps) = (vec![1.0; config.dim], vec![1.0 / format.hidden; config.hidden_dim]);
    let heads = channels.plain_rows(channels.heads);
    let mix: Vec<f64> = (0..heads.len()).map(mixed).collect();
    let mut put =
        |plan: &MatrixPlan, matrix: &Matrix, rows: &[Option<usize>], columns: &[_], steps: &[f64]| {
            store.matrix(plan, record, 0, matrix, &Placement { rows, columns, steps })
        };
    let k_rows = channels.rotated_rows(channels.kv_heads);
    let v_rows = channels.plain_rows(channels.kv_heads);
    let q_rows = channels.rotated_rows(channels.heads);
    QuantisedLayer {
        k: put(&matrices.k, &k.weight, &k_rows, &input, &plain),
        q: put(&matrices.q, &q.weight, &q_rows, &input, &plain),
        v: put(&matrices.v, &v.weight, &v_rows, &input, &plain),
        o: put(&matrices.o[0], &o.weight, &results, &heads, &mix),
        gate: gate
            .as_ref()
            .zip(matrices.gate.as_ref())
            .map(|(gate, plan)| put(plan, &gate.weight, &inner, &input, &plain)),
        up: put(&matrices.up, &up.weight, &inner, &input, &plain),
        down: put(&matrices.down[0], &down.weight, &results, &hidden, &steps),
    }
}

fn store_classifier(model: &Model, plan: &Plan, external: &ExternalPlan, store: &mut Store) -> Quantised {
    let config = &model.config;
    let rows = straight(config.vocab, config.vocab);
    let (columns, steps) = (straight(config.dim, config.dim), vec![1.0; config.dim]);
    let placement = Placement { rows: &rows, columns: &columns, steps: &steps };
    let chunk_outputs = plan.classifier.outputs;
    let mut scales = Vec::with_capacity(config.vocab);
    for chunk in 0..external.chunks {
        let first = chunk * chunk_outputs;
        let outputs = chunk_outputs.min(config.vocab - first);
        let matrix = MatrixPlan { outputs, ..plan.classifier.clone() };
        let record = external.classifier + chunk * external.chunk_granules;
        scales.extend(store.matrix(&matrix, record, first, model.classifier_matrix(), &placement).scales);
    }
    Quantised { rows: Vec::new(), scales }
}

fn store_embedding(model: &Model, external: &ExternalPlan, formats: &Formats, store: &mut Store) {
    let unit = f64::from(formats.embedding.words + EMBEDDING_SHIFT as i32).exp2();
    for (token, row) in model.embedding.rows().enumerate() {
        store.vector(external.embedding + token * external.embedding_granules, &row, unit);
    }
}

/// The logits behind the first token, where those of every other position are written.
fn store_first_logits(
    simplified: &Simplified,
    plan: &Plan,
    external: &ExternalPlan,
    formats: &Formats,
    token: u32,
    store: &mut Store,
) {
    let mut reference = Reference::new(&simplified.model);
    let Ok(logits) = reference.step(token, 0) else { return };
    let unit = f64::from(formats.logits).exp2();
    let word = |logit: &f32| saturate((f64::from(*logit) * unit).round() as i64, WORD_BITS) as i32;
    for (chunk, logits) in logits.chunks(external.chunk_rows * plan.geometry.vxm_lanes).enumerate() {
        let words: Vec<i32> = logits.iter().map(word).collect();
        store.words(external.classifier + chunk * external.chunk_granules + external.logits, &words);
    }
}

/// Keys and values of the first token, in the first block of each head.
fn store_position_zero(
    model: &Model,
    plan: &Plan,
    external: &ExternalPlan,
    formats: &Formats,
    token: u32,
    store: &mut Store,
) {
    let Ok(layers) = keys_and_values_of_position_zero(model, token) else { return };
    let (channels, geometry) = (&plan.channels, &plan.geometry);
    let (width, lanes, groups) = (channels.width, geometry.vxm_lanes, geometry.groups());
    let bits = WEIGHT_BITS as usize;
    let code = |value: f64| kv_encode(value.round() as i32) as u64;
    for (index, layer) in layers.iter().enumerate() {
        let format = &formats.layers[index];
        let record = external.layers + index * external.layer_granules;
        let (keys, values) = (channels.spread_kv(&layer.keys), channels.spread_values(&layer.values));
        for head in 0..channels.kv_heads {
            let granule = |is_value| record + external.cache_of(plan, head, is_value);
            let key = |lane: usize| {
                let channel = head * width + lane;
                code((f64::from(keys[channel]) - format.k_centre[channel]) * format.k[channel])
            };
            store.lanes(granule(false), 0, bits, (0..width).map(key));
            for lane in 0..width {
                let channel = head * width + lane;
                let (part, group) = (lane / groups, lane % groups);
                let place = part * geometry.mxm_lanes + group * lanes;
                let value = code(f64::from(values[channel]) * format.v[channel]);
                store.lanes(granule(true), place, bits, std::iter::once(value));
            }
        }
    }
}
