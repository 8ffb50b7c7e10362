//! Pass 1: how large every vector gets, seen on text that the model itself writes. Import needs no data.

use super::channels::Channels;
use super::compensate::Moments;
use super::simplify::{Simplified, gain};
use lpu_model::reference::{Reference, Site};
use lpu_model::{Linear, Matrix, Model, Norm, NormKind};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

/// Positions between two rotations tried for the range of keys.
const ROTATION_STEP: usize = 4;

/// How much text is sampled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Calibration {
    /// Texts, for a model whose context holds them.
    pub texts: usize,
    /// Tokens of each text, at most the context.
    pub tokens: usize,
}

impl Default for Calibration {
    fn default() -> Self {
        Self { texts: 8, tokens: 160 }
    }
}

/// Largest magnitudes of one layer's vectors.
#[derive(Clone, Debug, Default)]
pub struct LayerRange {
    /// Residual times attention gain.
    pub attention_input: f64,
    /// Residual times MLP gain.
    pub mlp_input: f64,
    /// Normalisation factor before attention: 1 / root of the mean square.
    pub attention_factor: f64,
    /// The same before the MLP.
    pub mlp_factor: f64,
    /// Factors that normalise heads of k and q which are not yet multiplied with the factor before attention.
    pub k_head_factor: f64,
    pub q_head_factor: f64,
    /// Gains of the heads' norms, per channel.
    pub k_gain: Vec<f64>,
    pub q_gain: Vec<f64>,
    /// q, k, v before the normalisation factor, per channel.
    pub q_raw: Vec<f64>,
    pub k_raw: Vec<f64>,
    pub v_raw: Vec<f64>,
    /// gate and up before the normalisation factor, per channel.
    pub gate_raw: Vec<f64>,
    pub up_raw: Vec<f64>,
    /// What attention and MLP add to the residual, per channel.
    pub attention_output: Vec<f64>,
    pub mlp_output: Vec<f64>,
    /// q as the scores use it, per channel.
    pub q: Vec<f64>,
    /// Middle and half width of k over all positions, per channel.
    pub k: Vec<(f64, f64)>,
    /// v, per channel.
    pub v: Vec<f64>,
    /// The gate, and what `down` reads.
    pub gate: f64,
    pub hidden: f64,
    /// Which elements go together in what q, k and v, then o, then gate and up, then `down` read.
    pub attention_moments: Moments,
    pub mix_moments: Moments,
    pub mlp_moments: Moments,
    pub hidden_moments: Moments,
}

/// Largest magnitudes of all vectors.
#[derive(Clone, Debug, Default)]
pub struct Ranges {
    pub layers: Vec<LayerRange>,
    /// The residual anywhere.
    pub residual: f64,
    /// The embedding before its normalisation, where it has one.
    pub embedding: f64,
    /// Residual times final gain, its factor, logits before and after the factor.
    pub final_input: f64,
    pub final_factor: f64,
    pub logits_raw: Vec<f64>,
    pub logits: f64,
}

/// Runs the fp32 reference on sampled text and notes every range. Channels are the chip's ([`Channels`]).
pub fn calibrate(simplified: &Simplified, channels: &Channels, bos: u32, calibration: Calibration) -> Ranges {
    let Simplified { model, logits_bias } = simplified;
    let mut collector = Collector::new(model, channels);
    let mut random = ChaCha8Rng::seed_from_u64(1);
    let mut reference = Reference::new(model);
    let length = calibration.tokens.min(model.config.context);
    // A short context makes up for it by more texts: ranges want as many tokens.
    for _ in 0..(calibration.texts * calibration.tokens).div_ceil(length) {
        let mut token = bos;
        for position in 0..length {
            let logits = reference
                .step_observed(token, position, &mut |site, layer, values: &[f32]| {
                    collector.observe(site, layer, values)
                })
                .expect("sampled tokens exist and positions are in order");
            let bias = logits_bias.iter().flatten().copied().chain(std::iter::repeat(0.0));
            let logits: Vec<f32> = logits.iter().zip(bias).map(|(logit, bias)| logit + bias).collect();
            raise(&mut collector.ranges.logits, &logits);
            token = sample(&logits, &mut random);
        }
    }
    collector.finish()
}

/// Draws a token from the softmax of the logits.
fn sample(logits: &[f32], random: &mut ChaCha8Rng) -> u32 {
    let max = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let weights: Vec<f32> = logits.iter().map(|logit| (logit - max).exp()).collect();
    let total: f32 = weights.iter().sum();
    let mut left = random.next_u32() as f32 / 4_294_967_296.0 * total;
    for (token, weight) in weights.iter().enumerate() {
        left -= weight;
        if left <= 0.0 {
            return token as u32;
        }
    }
    (weights.len() - 1) as u32
}

struct Collector<'m> {
    model: &'m Model,
    channels: &'m Channels,
    ranges: Ranges,
    /// Keys before rotation, per layer.
    keys: Vec<Vec<Vec<f32>>>,
    /// Normalisation factor of the vector seen last.
    factor: f64,
}

impl<'m> Collector<'m> {
    fn new(model: &'m Model, channels: &'m Channels) -> Self {
        let layers = vec![LayerRange::default(); model.layers.len()];
        let ranges = Ranges { layers, ..Ranges::default() };
        Self { model, channels, ranges, keys: vec![Vec::new(); model.layers.len()], factor: 0.0 }
    }

    fn observe(&mut self, site: Site, layer: usize, values: &[f32]) {
        let (model, channels) = (self.model, self.channels);
        if layer == model.layers.len() {
            return self.observe_final(site, values);
        }
        let range = &mut self.ranges.layers[layer];
        let weights = &model.layers[layer];
        match site {
            Site::Residual => {
                raise(&mut self.ranges.residual, values);
                self.factor = factor(values, model.config.norm);
                range.attention_factor = range.attention_factor.max(self.factor);
                raise_product(&mut range.attention_input, values, weights.attn_norm.gain.as_deref());
            }
            Site::ResidualMid => {
                raise(&mut self.ranges.residual, values);
                self.factor = factor(values, model.config.norm);
                range.mlp_factor = range.mlp_factor.max(self.factor);
                raise_product(&mut range.mlp_input, values, weights.mlp_norm.gain.as_deref());
            }
            Site::QProjected => {
                let head = head_factor(model, values) * self.factor;
                range.q_head_factor = range.q_head_factor.max(head);
                raise_each(&mut range.q_raw, &channels.spread_q(&unbiased(&weights.q, values)), self.factor)
            }
            Site::KProjected => {
                let head = head_factor(model, values) * self.factor;
                range.k_head_factor = range.k_head_factor.max(head);
                let raw = unbiased(&weights.k, values);
                raise_each(&mut range.k_raw, &channels.spread_kv(&raw), self.factor);
                self.keys[layer].push(channels.spread_kv(values));
            }
            Site::Q => raise_each(&mut range.q, &channels.spread_q(values), 1.0),
            Site::V => {
                let values = channels.spread_values(values);
                raise_each(&mut range.v, &values, 1.0);
                raise_each(&mut range.v_raw, &values, self.factor);
            }
            Site::AttnOut => raise_each(&mut range.attention_output, &unbiased(&weights.o, values), 1.0),
            Site::Gate => {
                raise(&mut range.gate, values);
                let gate = weights.gate.as_ref().unwrap_or(&weights.up);
                raise_each(&mut range.gate_raw, &unbiased(gate, values), self.factor);
            }
            Site::Up => {
                if weights.gate.is_none() {
                    raise(&mut range.gate, values);
                }
                raise_each(&mut range.up_raw, &unbiased(&weights.up, values), self.factor);
            }
            Site::AttnIn => range.attention_moments.add(values),
            Site::Mix => range.mix_moments.add(values),
            Site::MlpIn => range.mlp_moments.add(values),
            Site::Hidden => {
                raise(&mut range.hidden, values);
                range.hidden_moments.add(values);
            }
            Site::MlpOut => raise_each(&mut range.mlp_output, &unbiased(&weights.down, values), 1.0),
            _ => {}
        }
    }

    fn observe_final(&mut self, site: Site, values: &[f32]) {
        let ranges = &mut self.ranges;
        match site {
            Site::Residual => {
                raise(&mut ranges.residual, values);
                self.factor = factor(values, self.model.config.norm);
                ranges.final_factor = ranges.final_factor.max(self.factor);
                let gain = self.model.final_norm.as_ref().and_then(|norm| norm.gain.as_deref());
                raise_product(&mut ranges.final_input, values, gain);
            }
            Site::Logits => {
                raise(&mut ranges.logits, values);
                let factor = if self.model.final_norm.is_some() { self.factor } else { 1.0 };
                raise_each(&mut ranges.logits_raw, values, factor);
            }
            _ => {}
        }
    }

    /// Keys meet every position sooner or later: each sampled key is rotated over the whole context.
    fn finish(mut self) -> Ranges {
        let largest = |matrix: Option<&Matrix>| {
            matrix.map_or(0.0, |matrix| {
                matrix.data().iter().fold(0.0f64, |max, value| max.max(f64::from(value.abs())))
            })
        };
        self.ranges.embedding = largest(Some(&self.model.embedding)) + largest(self.model.positions.as_ref());
        let positions: Vec<_> = (0..self.model.config.context).step_by(ROTATION_STEP).collect();
        for (layer, (range, keys)) in self.ranges.layers.iter_mut().zip(&self.keys).enumerate() {
            let second = self.channels.is_second(layer);
            let width = keys.first().map_or(0, Vec::len);
            let mut ends = vec![(f64::INFINITY, f64::NEG_INFINITY); width];
            for &position in &positions {
                let turns = self.channels.rotation(second, position);
                for key in keys {
                    for (pair, ends) in ends.chunks_exact_mut(2).enumerate() {
                        let (cos, sin) = turns[pair % turns.len()];
                        let (x, y) = (f64::from(key[2 * pair]), f64::from(key[2 * pair + 1]));
                        widen(&mut ends[0], x * cos - y * sin);
                        widen(&mut ends[1], x * sin + y * cos);
                    }
                }
            }
            range.k = ends.iter().map(|(low, high)| ((low + high) / 2.0, (high - low) / 2.0)).collect();
        }
        for (range, layer) in self.ranges.layers.iter_mut().zip(&self.model.layers) {
            let gains = |norm: Option<&Norm>, heads: usize| -> Vec<f32> {
                let head = (0..self.model.config.head_dim).map(|dim| gain(norm, dim) as f32);
                head.collect::<Vec<_>>().repeat(heads)
            };
            let (config, real) =
                (&self.model.config, |gains: Vec<f32>| gains.into_iter().map(f64::from).collect());
            range.q_gain = real(self.channels.spread_q(&gains(layer.q_norm.as_ref(), config.heads)));
            range.k_gain = real(self.channels.spread_kv(&gains(layer.k_norm.as_ref(), config.kv_heads)));
        }
        self.ranges
    }
}

/// The largest factor that normalises a head of these.
fn head_factor(model: &Model, values: &[f32]) -> f64 {
    let heads = values.chunks_exact(model.config.head_dim);
    heads.map(|head| factor(head, model.config.norm)).fold(0.0, f64::max)
}

/// A matrix's results without its bias.
fn unbiased(linear: &Linear, values: &[f32]) -> Vec<f32> {
    let bias = linear.bias.iter().flatten().copied().chain(std::iter::repeat(0.0));
    values.iter().zip(bias).map(|(value, bias)| value - bias).collect()
}

fn widen(ends: &mut (f64, f64), value: f64) {
    *ends = (ends.0.min(value), ends.1.max(value));
}

fn raise(max: &mut f64, values: &[f32]) {
    *max = values.iter().fold(*max, |max, value| max.max(f64::from(value.abs())));
}

fn raise_product(max: &mut f64, values: &[f32], gain: Option<&[f32]>) {
    for (index, value) in values.iter().enumerate() {
        let gain = gain.map_or(1.0, |gain| gain[index]);
        *max = max.max(f64::from((value * gain).abs()));
    }
}

fn raise_each(max: &mut Vec<f64>, values: &[f32], divisor: f64) {
    max.resize(values.len(), 0.0);
    for (max, value) in max.iter_mut().zip(values) {
        *max = max.max(f64::from(value.abs()) / divisor);
    }
}

/// The factor that a normalisation multiplies with.
fn factor(values: &[f32], kind: NormKind) -> f64 {
    let length = values.len() as f64;
    let mean = match kind {
        NormKind::Rms { .. } => 0.0,
        NormKind::Layer { .. } => values.iter().map(|&value| f64::from(value)).sum::<f64>() / length,
    };
    let square = values.iter().map(|&value| (f64::from(value) - mean).powi(2)).sum::<f64>() / length;
    1.0 / (square + f64::from(kind.eps())).sqrt()
}
