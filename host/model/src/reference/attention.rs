//! Causal attention of many tokens, those of one text or of several.

use super::product::{dot, linear};
use super::vectors::{Rotation, cap, each, normalised, softmax};
use super::{Site, observe_all};
use crate::{Config, Layer, Norm};
use multiversion::multiversion;

/// Keys, as the scores use them, and values of one layer, position after position. They grow with the positions in use, so a long
/// context costs nothing until it is used.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct KeysValues {
    pub keys: Vec<f32>,
    pub values: Vec<f32>,
}

impl KeysValues {
    /// Keys and values of `position`; what stood there and behind is forgotten.
    fn set(&mut self, position: usize, keys: &[f32], values: &[f32]) {
        self.keys.truncate(position * keys.len());
        self.values.truncate(position * values.len());
        self.keys.extend_from_slice(keys);
        self.values.extend_from_slice(values);
    }
}

/// Where a token stands.
#[derive(Clone, Copy)]
pub struct Place {
    pub text: usize,
    pub position: usize,
}

/// `caches` are those of each text in this layer; tokens of one text come in their order.
pub fn attention(
    config: &Config,
    (index, layer): (usize, &Layer),
    places: &[Place],
    caches: &mut [&mut KeysValues],
    input: &[Vec<f32>],
    observe: &mut impl FnMut(Site, usize, &[f32]),
) -> Vec<Vec<f32>> {
    let q = linear(&layer.q, input);
    let k = linear(&layer.k, input);
    let v = linear(&layer.v, input);
    observe_all(observe, Site::QProjected, &q);
    observe_all(observe, Site::KProjected, &k);
    let rotations: Vec<Rotation> =
        places.iter().map(|place| Rotation::at(config.rope_of(index), place.position)).collect();
    let prepared = |norm: Option<&Norm>, heads: &[Vec<f32>]| {
        each(heads, |column, heads| prepared_heads(config, norm, &rotations[column], heads))
    };
    let q = prepared(layer.q_norm.as_ref(), &q);
    let k = prepared(layer.k_norm.as_ref(), &k);
    observe_all(observe, Site::Q, &q);
    observe_all(observe, Site::K, &k);
    observe_all(observe, Site::V, &v);

    for ((place, keys), values) in places.iter().zip(&k).zip(&v) {
        caches[place.text].set(place.position, keys, values);
    }
    let window = config.window(index);
    let mixed = each(&q, |column, q| {
        let Place { text, position } = places[column];
        mix_heads(config, window, caches[text], position, q)
    });
    for (column, (heads, _)) in mixed.iter().enumerate() {
        for Head { scores, probabilities } in heads {
            observe(Site::Scores, column, scores);
            observe(Site::Probabilities, column, probabilities);
        }
    }
    let mix: Vec<Vec<f32>> = mixed.into_iter().map(|(_, mix)| mix).collect();
    observe_all(observe, Site::Mix, &mix);
    linear(&layer.o, &mix)
}

/// Heads normalised and turned.
fn prepared_heads(config: &Config, norm: Option<&Norm>, rotation: &Rotation, heads: &[f32]) -> Vec<f32> {
    let length = if config.block.whole_qk_norm { heads.len() } else { config.head_dim };
    let mut heads = match norm {
        Some(norm) => {
            heads.chunks_exact(length).flat_map(|part| normalised(part, norm, config.norm)).collect()
        }
        None => heads.to_vec(),
    };
    heads.chunks_exact_mut(config.head_dim).for_each(|head| rotation.turn(head));
    heads
}

/// How a head sees the positions.
struct Head {
    scores: Vec<f32>,
    probabilities: Vec<f32>,
}

/// The heads of one token at `position`, and the values that they mix; later positions may already be in the cache.
fn mix_heads(
    config: &Config,
    window: Option<usize>,
    cache: &KeysValues,
    position: usize,
    q: &[f32],
) -> (Vec<Head>, Vec<f32>) {
    let (width, head_dim) = (config.kv_dim(), config.head_dim);
    let first = window.map_or(0, |window| (position + 1).saturating_sub(window));
    let seen = first * width..(position + 1) * width;
    let (keys, values) = (&cache.keys[seen.clone()], &cache.values[seen]);
    let mut mix = vec![0.0; config.q_dim()];
    let head = |(head, (q, mix)): (usize, (&[f32], &mut [f32]))| {
        let lane = config.kv_head_of(head) * head_dim;
        let mut scores = Vec::with_capacity(position + 1 - first);
        score(q, keys, width, lane, config.attention_scale(), &mut scores);
        cap(&mut scores, config.block.score_cap);
        let mut probabilities = scores.clone();
        softmax(&mut probabilities);
        mix_values(&probabilities, values, width, lane, mix);
        Head { scores, probabilities }
    };
    let heads = q.chunks_exact(head_dim).zip(mix.chunks_exact_mut(head_dim)).enumerate().map(head).collect();
    (heads, mix)
}

/// The scaled products of a query with a head's keys, which begin at `lane` of each `width` values.
#[multiversion(targets("x86_64+avx2"))]
fn score(q: &[f32], keys: &[f32], width: usize, lane: usize, scale: f32, scores: &mut Vec<f32>) {
    scores.extend(keys.chunks_exact(width).map(|all| dot(q, &all[lane..][..q.len()]) * scale));
}

/// Adds a head's values, which begin at `lane` of each `width` values, each position's times its probability.
#[multiversion(targets("x86_64+avx2"))]
fn mix_values(probabilities: &[f32], values: &[f32], width: usize, lane: usize, mix: &mut [f32]) {
    for (probability, all) in probabilities.iter().zip(values.chunks_exact(width)) {
        mix.iter_mut().zip(&all[lane..]).for_each(|(mix, value)| *mix += probability * value);
    }
}
