//! Causal attention of many tokens, those of one text or of several.

use super::Site;
use super::product::{dot, linear};
use super::vectors::{Rotation, cap, each, normalised, softmax};
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
    observe: &mut impl FnMut(Site, &[Vec<f32>]),
) -> Vec<Vec<f32>> {
    let q = linear(&layer.q, input);
    let k = linear(&layer.k, input);
    let v = linear(&layer.v, input);
    observe(Site::QProjected, &q);
    observe(Site::KProjected, &k);
    let prepared = |norm: Option<&Norm>, heads: &[Vec<f32>]| {
        let rotation = |column: usize| Rotation::at(config.rope_of(index), places[column].position);
        each(heads, |column, heads| prepared_heads(config, norm, &rotation(column), heads))
    };
    let q = prepared(layer.q_norm.as_ref(), &q);
    let k = prepared(layer.k_norm.as_ref(), &k);
    observe(Site::Q, &q);
    observe(Site::K, &k);
    observe(Site::V, &v);

    for ((place, keys), values) in places.iter().zip(&k).zip(&v) {
        caches[place.text].set(place.position, keys, values);
    }
    let window = config.window(index);
    let heads =
        each(&q, |column, q| heads(config, window, caches[places[column].text], places[column].position, q));
    for head in 0..config.heads {
        let of = |part: fn(&Head) -> &Vec<f32>| {
            heads.iter().map(|heads| part(&heads[head]).clone()).collect::<Vec<_>>()
        };
        observe(Site::Scores, &of(|head| &head.scores));
        observe(Site::Probabilities, &of(|head| &head.probabilities));
    }
    let mix: Vec<Vec<f32>> =
        heads.iter().map(|heads| heads.iter().flat_map(|head| &head.mix).copied().collect()).collect();
    observe(Site::Mix, &mix);
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

/// What a head makes of keys and values.
struct Head {
    scores: Vec<f32>,
    probabilities: Vec<f32>,
    mix: Vec<f32>,
}

/// The heads of one token at `position`; later positions may already be in the cache.
fn heads(
    config: &Config,
    window: Option<usize>,
    cache: &KeysValues,
    position: usize,
    q: &[f32],
) -> Vec<Head> {
    let (width, head_dim) = (config.kv_dim(), config.head_dim);
    let first = window.map_or(0, |window| (position + 1).saturating_sub(window));
    let seen = first * width..(position + 1) * width;
    let (keys, values) = (&cache.keys[seen.clone()], &cache.values[seen]);
    let head = |(head, q): (usize, &[f32])| {
        let lane = config.kv_head_of(head) * head_dim;
        let mut scores = Vec::with_capacity(position + 1 - first);
        score(q, keys, width, lane, config.attention_scale(), &mut scores);
        cap(&mut scores, config.block.score_cap);
        let mut probabilities = scores.clone();
        softmax(&mut probabilities);
        let mut mix = vec![0.0; head_dim];
        mix_values(&probabilities, values, width, lane, &mut mix);
        Head { scores, probabilities, mix }
    };
    q.chunks_exact(head_dim).enumerate().map(head).collect()
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
