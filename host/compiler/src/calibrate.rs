//! Pass 1: how large every vector gets, seen on text that the model itself writes. Import needs no data.

use super::channels::Channels;
use super::compensate::Moments;
use super::formats::VALUE_HEADROOM;
use super::keys::turned_keys;
use super::simplify::{Simplified, gain};
use lpu_model::reference::{Next, Reference, Site};
use lpu_model::{Linear, Matrix, Model, Norm, NormKind, keys_and_values_of_position_zero};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};
use rayon::prelude::*;

/// How much text is sampled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Calibration {
    /// Texts, for a model whose context holds them.
    pub texts: usize,
    /// Tokens of each text, at most the context.
    pub tokens: usize,
    /// Leaves the first position of each text out of all ranges, for programs that do not compute it.
    pub skip_first: bool,
    /// Whether to see which inputs of a matrix go together, for rounding that is compensated.
    pub moments: bool,
}

impl Default for Calibration {
    fn default() -> Self {
        Self { texts: 8, tokens: 160, skip_first: false, moments: true }
    }
}

/// Largest magnitudes of one layer's vectors.
#[derive(Clone, Debug, Default)]
pub struct LayerRange {
    /// The residual before attention, and before the MLP.
    pub attention_residual: f64,
    pub mlp_residual: f64,
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
    /// The gate times the normalisation factor, before and behind its activation function, per channel.
    pub gate_normed: Vec<f64>,
    pub activated_normed: Vec<f64>,
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

impl LayerRange {
    fn moments(&mut self) -> impl Iterator<Item = &mut Moments> {
        let Self { attention_moments, mix_moments, mlp_moments, hidden_moments, .. } = self;
        [attention_moments, mix_moments, mlp_moments, hidden_moments].into_iter()
    }
}

/// Largest magnitudes of all vectors.
#[derive(Clone, Debug, Default)]
pub struct Ranges {
    pub layers: Vec<LayerRange>,
    /// The residual anywhere.
    pub residual: f64,
    /// The residual behind the last layer.
    pub final_residual: f64,
    /// The embedding before its normalisation, where it has one.
    pub embedding: f64,
    /// Residual times final gain, its factor, logits before and after the factor.
    pub final_input: f64,
    pub final_factor: f64,
    pub logits_raw: Vec<f64>,
    pub logits: f64,
}

impl Ranges {
    /// Widens the ranges of keys and values so that they hold those of position 0, which are stored as they are.
    pub fn hold_position_zero(&mut self, model: &Model, channels: &Channels, token: u32) {
        let Ok(layers) = keys_and_values_of_position_zero(model, token) else { return };
        for (range, layer) in self.layers.iter_mut().zip(&layers) {
            for ((middle, half), key) in range.k.iter_mut().zip(channels.spread_kv(&layer.keys)) {
                let key = f64::from(key);
                let (low, high) = ((*middle - *half).min(key), (*middle + *half).max(key));
                (*middle, *half) = ((low + high) / 2.0, (high - low) / 2.0);
            }
            raise_each(&mut range.v, &channels.spread_values(&layer.values), VALUE_HEADROOM);
        }
    }
}

/// Runs the fp32 reference on sampled texts, side by side, and notes every range. Each begins with `bos`. Channels are the chip's
/// ([`Channels`]).
pub fn calibrate(simplified: &Simplified, channels: &Channels, bos: u32, calibration: Calibration) -> Ranges {
    let Simplified { model, logits_bias } = simplified;
    let length = calibration.tokens.min(model.config.context);
    // A short context makes up for it by more texts: ranges want as many tokens.
    let count = (calibration.texts * calibration.tokens).div_ceil(length);
    let mut collector = Collector::new(model, channels, count, calibration.moments);
    let mut reference = Reference::with_texts(model, count);
    let mut tokens: Vec<Next> = (0..count).map(|text| Next { text, token: bos }).collect();
    for position in 0..length {
        let is_seen = position > 0 || !calibration.skip_first;
        let observe = &mut |site, layer, text, values: &[f32]| {
            if is_seen {
                collector.observe(site, layer, text, values);
            }
        };
        let logits =
            reference.run(&tokens, observe).expect("sampled tokens exist and the context holds them");
        let add_bias = |logits: &Vec<f32>| -> Vec<f32> {
            let bias = logits_bias.iter().flatten().copied().chain(std::iter::repeat(0.0));
            logits.iter().zip(bias).map(|(logit, bias)| logit + bias).collect()
        };
        let logits: Vec<Vec<f32>> = logits.par_iter().map(add_bias).collect();
        if is_seen {
            logits.iter().for_each(|logits| raise(&mut collector.ranges.logits, logits));
        }
        tokens.par_iter_mut().zip(&logits).for_each(|(next, logits)| {
            next.token = sample(logits, &mut random(next.text * length + position));
        });
        collector
            .ranges
            .layers
            .par_iter_mut()
            .for_each(|range| range.moments().for_each(Moments::add_up_many));
    }
    collector.finish()
}

/// The `draw`th random number of all, whichever text is sampled first.
fn random(draw: usize) -> ChaCha8Rng {
    let mut random = ChaCha8Rng::seed_from_u64(1);
    random.set_word_pos(draw as u128);
    random
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
    /// Normalisation factor of each text's vector seen last.
    factors: Vec<f64>,
    moments: bool,
}

impl<'m> Collector<'m> {
    fn new(model: &'m Model, channels: &'m Channels, texts: usize, moments: bool) -> Self {
        let layers = vec![LayerRange::default(); model.layers.len()];
        let ranges = Ranges { layers, ..Ranges::default() };
        let keys = vec![Vec::new(); model.layers.len()];
        Self { model, channels, ranges, keys, factors: vec![0.0; texts], moments }
    }

    fn observe(&mut self, site: Site, layer: usize, text: usize, values: &[f32]) {
        let (model, channels) = (self.model, self.channels);
        if layer == model.layers.len() {
            return self.observe_final(site, text, values);
        }
        if matches!(site, Site::Residual | Site::ResidualMid) {
            self.factors[text] = factor(values, model.config.norm);
        }
        let factor = self.factors[text];
        let range = &mut self.ranges.layers[layer];
        let weights = &model.layers[layer];
        match site {
            Site::Residual => {
                raise(&mut self.ranges.residual, values);
                raise(&mut range.attention_residual, values);
                range.attention_factor = range.attention_factor.max(factor);
                raise_product(&mut range.attention_input, values, weights.attn_norm.gain.as_deref());
            }
            Site::ResidualMid => {
                raise(&mut self.ranges.residual, values);
                raise(&mut range.mlp_residual, values);
                range.mlp_factor = range.mlp_factor.max(factor);
                raise_product(&mut range.mlp_input, values, weights.mlp_norm.gain.as_deref());
            }
            Site::QProjected => {
                let head = head_factor(model, values) * factor;
                range.q_head_factor = range.q_head_factor.max(head);
                raise_each(&mut range.q_raw, &channels.spread_q(&unbiased(&weights.q, values)), factor)
            }
            Site::KProjected => {
                let head = head_factor(model, values) * factor;
                range.k_head_factor = range.k_head_factor.max(head);
                let raw = unbiased(&weights.k, values);
                raise_each(&mut range.k_raw, &channels.spread_kv(&raw), factor);
                self.keys[layer].push(channels.spread_kv(values));
            }
            Site::Q => raise_each(&mut range.q, &channels.spread_q(values), 1.0),
            Site::V => {
                let values = channels.spread_values(values);
                raise_each(&mut range.v, &values, 1.0);
                raise_each(&mut range.v_raw, &values, factor);
            }
            Site::AttnOut => raise_each(&mut range.attention_output, &unbiased(&weights.o, values), 1.0),
            Site::Gate => {
                raise(&mut range.gate, values);
                let gate = weights.gate.as_ref().unwrap_or(&weights.up);
                raise_each(&mut range.gate_raw, &unbiased(gate, values), factor);
                raise_each(&mut range.gate_normed, values, 1.0 / factor);
                let activated: Vec<f32> =
                    values.iter().map(|gate| model.config.activation.of(*gate)).collect();
                raise_each(&mut range.activated_normed, &activated, 1.0 / factor);
            }
            Site::Up => {
                if weights.gate.is_none() {
                    raise(&mut range.gate, values);
                }
                raise_each(&mut range.up_raw, &unbiased(&weights.up, values), factor);
            }
            Site::Hidden => raise(&mut range.hidden, values),
            Site::MlpOut => raise_each(&mut range.mlp_output, &unbiased(&weights.down, values), 1.0),
            _ => {}
        }
        if self.moments {
            match site {
                Site::AttnIn => range.attention_moments.add(values),
                Site::Mix => range.mix_moments.add(values),
                Site::MlpIn => range.mlp_moments.add(values),
                Site::Hidden => range.hidden_moments.add(values),
                _ => {}
            }
        }
    }

    fn observe_final(&mut self, site: Site, text: usize, values: &[f32]) {
        let ranges = &mut self.ranges;
        match site {
            Site::Residual => {
                raise(&mut ranges.residual, values);
                raise(&mut ranges.final_residual, values);
                self.factors[text] = factor(values, self.model.config.norm);
                ranges.final_factor = ranges.final_factor.max(self.factors[text]);
                let gain = self.model.final_norm.as_ref().and_then(|norm| norm.gain.as_deref());
                raise_product(&mut ranges.final_input, values, gain);
            }
            Site::Logits => {
                raise(&mut ranges.logits, values);
                let factor = if self.model.final_norm.is_some() { self.factors[text] } else { 1.0 };
                raise_each(&mut ranges.logits_raw, values, factor);
            }
            _ => {}
        }
    }

    /// Keys meet every position sooner or later: each sampled key is rotated over the whole context.
    fn finish(mut self) -> Ranges {
        self.ranges.embedding = largest(Some(&self.model.embedding)) + largest(self.model.positions.as_ref());
        let (channels, context) = (self.channels, self.model.config.context);
        let layers = self.ranges.layers.par_iter_mut().zip(&self.keys).enumerate();
        layers.for_each(|(layer, (range, keys))| {
            range.k = turned_keys(channels, context, layer, keys);
            range.moments().for_each(Moments::add_up);
        });
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

/// The largest magnitude in a matrix.
fn largest(matrix: Option<&Matrix>) -> f64 {
    let mut max = 0.0;
    matrix.into_iter().flat_map(Matrix::rows).for_each(|row| raise(&mut max, &row));
    max
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simplify::simplify;
    use lpu_isa::Geometry;
    use lpu_model::synthetic::{synthetic, tiny_llama};

    fn ranges(model: &Model, calibration: Calibration) -> Ranges {
        let channels = Channels::new(&model.config, false, &Geometry::NANO);
        calibrate(&simplify(model), &channels, 1, calibration)
    }

    #[test]
    fn the_same_model_has_the_same_ranges() {
        let model = synthetic(&tiny_llama(), 5).expect("a possible shape");
        let found = [(); 2].map(|()| format!("{:?}", ranges(&model, Calibration::default())));
        assert_eq!(found[0], found[1]);
    }

    /// The first token alone is large; nothing else says its id again but for chance.
    #[test]
    fn the_first_position_can_be_left_out() {
        let mut model = synthetic(&tiny_llama(), 5).expect("a possible shape");
        let dim = model.config.dim;
        model.classifier = Some(synthetic(&tiny_llama(), 6).expect("a possible shape").embedding);
        model.embedding.dense_mut()[dim..2 * dim].iter_mut().for_each(|value| *value *= 100.0);
        let calibration = Calibration { texts: 2, tokens: 4, ..Calibration::default() };
        let all = ranges(&model, calibration);
        let rest = ranges(&model, Calibration { skip_first: true, moments: false, ..calibration });
        assert!(all.residual > 10.0 * rest.residual, "{} {}", all.residual, rest.residual);
        assert!(rest.residual > 0.0 && rest.layers[0].hidden_moments.answers(&[Some(0)], |_| 1.0).is_none());
    }
}
