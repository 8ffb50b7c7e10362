//! The fp32 forward pass: what every quantised number and every device is compared with.
//!
//! [`Reference::step`] is the definition of the model; read it top to bottom. It favours being read over
//! being fast, yet runs some thousand tokens a second on small models.

use super::{Activation, Config, Layer, Linear, Matrix, Model, Norm, NormKind, Rope};

/// Where in the model an observed vector stands. Sites inside a layer carry the index of the layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Site {
    /// The residual that enters a layer; index `layers` is the one before the final normalisation.
    Residual,
    /// The normalised vector that q, k and v read.
    AttnIn,
    /// q, k before head normalisation and rotation.
    QProjected,
    KProjected,
    /// q, k as the scores use them.
    Q,
    K,
    V,
    /// Scaled scores of one head over the positions that the layer sees, ascending; heads in ascending order.
    Scores,
    /// The same after the softmax.
    Probabilities,
    /// The mixed values of all heads, which `o` reads.
    Mix,
    /// What attention adds to the residual.
    AttnOut,
    /// The residual between attention and MLP.
    ResidualMid,
    /// The normalised vector that gate and up read.
    MlpIn,
    /// Before the activation function; gated models only.
    Gate,
    Up,
    /// What `down` reads.
    Hidden,
    /// What the MLP adds to the residual.
    MlpOut,
    /// What the classifier reads; index `layers`.
    FinalIn,
    /// Index `layers`.
    Logits,
}

/// Sees every intermediate vector of a step, for calibration and for debugging.
pub trait Observer {
    fn observe(&mut self, site: Site, layer: usize, values: &[f32]);
}

/// Looks at nothing and costs nothing.
pub struct Unobserved;

impl Observer for Unobserved {
    fn observe(&mut self, _: Site, _: usize, _: &[f32]) {}
}

impl<F: FnMut(Site, usize, &[f32])> Observer for F {
    fn observe(&mut self, site: Site, layer: usize, values: &[f32]) {
        self(site, layer, values);
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StepError {
    #[error("token id {token} does not exist; expected 0 to {max}")]
    Token { token: u32, max: usize },
    #[error("position {position} is beyond the context of {context}; start again from position 0")]
    ContextFull { position: usize, context: usize },
    #[error(
        "position {position} comes too early; expected at most {next}, the number of positions already run"
    )]
    Gap { position: usize, next: usize },
}

/// A model with the keys and values of the positions that it has read.
///
/// # Invariants
/// The cache holds exactly the positions `0..position()`. A step at an earlier position forgets the later ones.
pub struct Reference<'m> {
    model: &'m Model,
    caches: Vec<LayerCache>,
    position: usize,
    logits: Vec<f32>,
}

/// Position-major; it grows with the positions in use, so a long context costs nothing until it is used.
#[derive(Clone, Default)]
struct LayerCache {
    keys: Vec<f32>,
    values: Vec<f32>,
}

impl<'m> Reference<'m> {
    /// `model` must satisfy [`Model::check`], as every imported model does.
    pub fn new(model: &'m Model) -> Self {
        let caches = vec![LayerCache::default(); model.layers.len()];
        Self { model, caches, position: 0, logits: Vec::new() }
    }

    /// The next position to run.
    pub fn position(&self) -> usize {
        self.position
    }

    /// Forgets every position.
    pub fn reset(&mut self) {
        self.position = 0;
    }

    /// The logits that follow `token` at `position`.
    ///
    /// # Errors
    /// When the token does not exist, or the position is beyond the context or skips one.
    pub fn step(&mut self, token: u32, position: usize) -> Result<&[f32], StepError> {
        self.step_observed(token, position, &mut Unobserved)
    }

    /// As [`Reference::step`], showing every intermediate vector to `observer`.
    ///
    /// # Errors
    /// As [`Reference::step`].
    pub fn step_observed(
        &mut self,
        token: u32,
        position: usize,
        observer: &mut impl Observer,
    ) -> Result<&[f32], StepError> {
        self.check(token, position)?;
        let Model { config, layers, .. } = self.model;

        let mut residual = embed(self.model, token, position);
        for (index, (layer, cache)) in layers.iter().zip(&mut self.caches).enumerate() {
            let mut observe = |site, values: &[f32]| observer.observe(site, index, values);
            observe(Site::Residual, &residual);

            let attn_in = before(config, &layer.attn_norm, &residual);
            observe(Site::AttnIn, &attn_in);
            let rotation = Rotation::at(config.rope_of(index), position);
            let scope = Scope { config, rotation: &rotation, position, window: config.window(index) };
            let attn_out = attention(&scope, layer, cache, &attn_in, &mut observe);
            observe(Site::AttnOut, &attn_out);
            let attn_added = after(config, layer.attn_post_norm.as_ref(), attn_out);

            let mut mid = residual.clone();
            if !config.block.parallel {
                add(&mut mid, &attn_added);
            }
            observe(Site::ResidualMid, &mid);
            let mlp_in = before(config, &layer.mlp_norm, &mid);
            observe(Site::MlpIn, &mlp_in);
            let mlp_out = mlp(config, layer, &mlp_in, &mut observe);
            observe(Site::MlpOut, &mlp_out);
            add(&mut residual, &attn_added);
            add(&mut residual, &after(config, layer.mlp_post_norm.as_ref(), mlp_out));
        }
        observer.observe(Site::Residual, layers.len(), &residual);
        if let Some(norm) = &self.model.final_norm {
            residual = normalised(&residual, norm, config.norm);
        }
        observer.observe(Site::FinalIn, layers.len(), &residual);
        self.logits = product(self.model.classifier_matrix(), &residual);
        cap(&mut self.logits, config.block.logit_cap);
        observer.observe(Site::Logits, layers.len(), &self.logits);
        self.position = position + 1;
        Ok(&self.logits)
    }

    fn check(&self, token: u32, position: usize) -> Result<(), StepError> {
        let config = &self.model.config;
        if token as usize >= config.vocab {
            return Err(StepError::Token { token, max: config.vocab - 1 });
        }
        if position >= config.context {
            return Err(StepError::ContextFull { position, context: config.context });
        }
        if position > self.position {
            return Err(StepError::Gap { position, next: self.position });
        }
        Ok(())
    }
}

fn embed(model: &Model, token: u32, position: usize) -> Vec<f32> {
    let scale = model.config.embedding_scale;
    let mut vector: Vec<f32> =
        model.embedding.row(token as usize).iter().map(|value| value * scale).collect();
    if let Some(positions) = &model.positions {
        add(&mut vector, positions.row(position));
    }
    if model.config.embedding_norm {
        vector = normalised(&vector, &Norm::default(), model.config.norm);
    }
    vector
}

/// What attention or MLP reads of the residual.
fn before(config: &Config, norm: &Norm, residual: &[f32]) -> Vec<f32> {
    if config.block.norms.is_before() { normalised(residual, norm, config.norm) } else { residual.to_vec() }
}

/// What is added to the residual of the result of attention or MLP.
fn after(config: &Config, norm: Option<&Norm>, result: Vec<f32>) -> Vec<f32> {
    norm.map_or_else(|| result.clone(), |norm| normalised(&result, norm, config.norm))
}

/// Squeezes values between minus and plus `cap`.
fn cap(values: &mut [f32], cap: Option<f32>) {
    if let Some(cap) = cap {
        values.iter_mut().for_each(|value| *value = cap * (*value / cap).tanh());
    }
}

/// Where and when attention happens.
struct Scope<'c> {
    config: &'c Config,
    rotation: &'c Rotation,
    position: usize,
    window: Option<usize>,
}

fn attention(
    scope: &Scope,
    layer: &Layer,
    cache: &mut LayerCache,
    input: &[f32],
    observe: &mut impl FnMut(Site, &[f32]),
) -> Vec<f32> {
    let &Scope { config, rotation, position, window } = scope;
    let mut q = linear(&layer.q, input);
    let mut k = linear(&layer.k, input);
    let v = linear(&layer.v, input);
    observe(Site::QProjected, &q);
    observe(Site::KProjected, &k);
    prepare_heads(config, layer.q_norm.as_ref(), rotation, &mut q);
    prepare_heads(config, layer.k_norm.as_ref(), rotation, &mut k);
    observe(Site::Q, &q);
    observe(Site::K, &k);
    observe(Site::V, &v);

    let (width, head_dim) = (config.kv_dim(), config.head_dim);
    cache.keys.truncate(position * width);
    cache.values.truncate(position * width);
    cache.keys.extend(k);
    cache.values.extend(v);

    let first = window.map_or(0, |window| (position + 1).saturating_sub(window));
    let (keys, values) = (&cache.keys[first * width..], &cache.values[first * width..]);
    let mut mix = vec![0.0; config.q_dim()];
    for (head, (q, mix)) in q.chunks_exact(head_dim).zip(mix.chunks_exact_mut(head_dim)).enumerate() {
        let lanes = config.kv_head_of(head) * head_dim..(config.kv_head_of(head) + 1) * head_dim;
        let keys = keys.chunks_exact(width).map(|all| &all[lanes.clone()]);
        let mut weights: Vec<f32> = keys.map(|key| dot(q, key) * config.attention_scale()).collect();
        cap(&mut weights, config.block.score_cap);
        observe(Site::Scores, &weights);
        softmax(&mut weights);
        observe(Site::Probabilities, &weights);
        for (weight, all) in weights.iter().zip(values.chunks_exact(width)) {
            for (mix, value) in mix.iter_mut().zip(&all[lanes.clone()]) {
                *mix += weight * value;
            }
        }
    }
    observe(Site::Mix, &mix);
    linear(&layer.o, &mix)
}

fn prepare_heads(config: &Config, norm: Option<&Norm>, rotation: &Rotation, heads: &mut [f32]) {
    if let Some(norm) = norm {
        let length = if config.block.whole_qk_norm { heads.len() } else { config.head_dim };
        for part in heads.chunks_exact_mut(length) {
            part.copy_from_slice(&normalised(part, norm, config.norm));
        }
    }
    heads.chunks_exact_mut(config.head_dim).for_each(|head| rotation.turn(head));
}

fn mlp(config: &Config, layer: &Layer, input: &[f32], observe: &mut impl FnMut(Site, &[f32])) -> Vec<f32> {
    let up = linear(&layer.up, input);
    observe(Site::Up, &up);
    let hidden: Vec<f32> = match &layer.gate {
        Some(gate) => {
            let gate = linear(gate, input);
            observe(Site::Gate, &gate);
            gate.iter().zip(&up).map(|(gate, up)| config.activation.of(*gate) * up).collect()
        }
        None => up.iter().map(|up| config.activation.of(*up)).collect(),
    };
    observe(Site::Hidden, &hidden);
    linear(&layer.down, &hidden)
}

/// Cosine and sine of every rotating pair at one position.
struct Rotation {
    pairs: Vec<PairRotation>,
}

struct PairRotation {
    dims: (usize, usize),
    cos: f32,
    sin: f32,
}

impl Rotation {
    fn at(rope: Option<&Rope>, position: usize) -> Self {
        let pairs = rope.into_iter().flat_map(|rope| {
            let magnitude = rope.magnitude();
            (0..rope.dims / 2).map(move |pair| {
                let (sin, cos) = (position as f32 * rope.radians_per_position(pair)).sin_cos();
                PairRotation { dims: rope.pair_dims(pair), cos: cos * magnitude, sin: sin * magnitude }
            })
        });
        Self { pairs: pairs.collect() }
    }

    fn turn(&self, head: &mut [f32]) {
        for &PairRotation { dims: (first, second), cos, sin } in &self.pairs {
            let (x, y) = (head[first], head[second]);
            head[first] = x * cos - y * sin;
            head[second] = x * sin + y * cos;
        }
    }
}

fn normalised(vector: &[f32], norm: &Norm, kind: NormKind) -> Vec<f32> {
    let length = vector.len() as f32;
    let mean = match kind {
        NormKind::Rms { .. } => 0.0,
        NormKind::Layer { .. } => vector.iter().sum::<f32>() / length,
    };
    let mean_square = vector.iter().map(|value| (value - mean) * (value - mean)).sum::<f32>() / length;
    let factor = 1.0 / (mean_square + kind.eps()).sqrt();
    let mut result: Vec<f32> = vector.iter().map(|value| (value - mean) * factor).collect();
    if let Some(gain) = &norm.gain {
        result.iter_mut().zip(gain).for_each(|(value, gain)| *value *= gain);
    }
    if let Some(bias) = &norm.bias {
        add(&mut result, bias);
    }
    result
}

fn linear(linear: &Linear, input: &[f32]) -> Vec<f32> {
    let mut output = product(&linear.weight, input);
    if let Some(bias) = &linear.bias {
        add(&mut output, bias);
    }
    output
}

fn product(matrix: &Matrix, input: &[f32]) -> Vec<f32> {
    matrix.rows().map(|row| dot(row, input)).collect()
}

/// Sums in eight lanes: faster, and nearer to the true sum than one long chain.
fn dot(a: &[f32], b: &[f32]) -> f32 {
    const LANES: usize = 8;
    let mut sums = [0.0f32; LANES];
    let (a_chunks, b_chunks) = (a.chunks_exact(LANES), b.chunks_exact(LANES));
    let rest: f32 = a_chunks.remainder().iter().zip(b_chunks.remainder()).map(|(a, b)| a * b).sum();
    for (a, b) in a_chunks.zip(b_chunks) {
        for lane in 0..LANES {
            sums[lane] += a[lane] * b[lane];
        }
    }
    sums.iter().sum::<f32>() + rest
}

fn add(sum: &mut [f32], term: &[f32]) {
    sum.iter_mut().zip(term).for_each(|(sum, term)| *sum += term);
}

/// The maximum is subtracted first, so that no exponential overflows.
fn softmax(scores: &mut [f32]) {
    let max = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    scores.iter_mut().for_each(|score| *score = (*score - max).exp());
    let sum: f32 = scores.iter().sum();
    scores.iter_mut().for_each(|score| *score /= sum);
}

impl Activation {
    /// The function at `x`.
    pub fn of(self, x: f32) -> f32 {
        match self {
            Self::Silu => x / (1.0 + (-x).exp()),
            Self::GeluTanh => {
                let inner = (2.0 / std::f32::consts::PI).sqrt() * (x + 0.044_715 * x * x * x);
                0.5 * x * (1.0 + inner.tanh())
            }
            Self::Gelu => {
                let x = f64::from(x);
                (0.5 * x * (1.0 + erf(x * std::f64::consts::FRAC_1_SQRT_2))) as f32
            }
            Self::Relu => x.max(0.0),
        }
    }
}

/// The error function by the series `2/sqrt(pi) exp(-x^2) sum 2^n x^(2n+1) / (1 3 5 ... 2n+1)`, whose terms
/// all have one sign, so that nothing cancels. From 6 on the result is 1 to the last bit.
fn erf(x: f64) -> f64 {
    if x.abs() >= 6.0 {
        return x.signum();
    }
    let (mut term, mut sum, mut n) = (x, x, 0.0);
    while term.abs() > sum.abs() * f64::EPSILON {
        n += 1.0;
        term *= 2.0 * x * x / (2.0 * n + 1.0);
        sum += term;
    }
    std::f64::consts::FRAC_2_SQRT_PI * (-x * x).exp() * sum
}

/// The index of the largest logit; the lowest wins ties, as in llama2.c and on the chip.
pub fn argmax<T: PartialOrd>(logits: &[T]) -> usize {
    let mut best = 0;
    for (index, logit) in logits.iter().enumerate() {
        if *logit > logits[best] {
            best = index;
        }
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn activations_match_published_values() {
        let near = |found: f32, expected: f32| assert!((found - expected).abs() < 1e-6, "{found} {expected}");
        near(Activation::Silu.of(1.0), 0.731_058_6);
        near(Activation::GeluTanh.of(1.0), 0.841_192);
        near(Activation::Gelu.of(1.0), 0.841_344_7);
        near(Activation::Gelu.of(-1.0), -0.158_655_3);
        near(Activation::Gelu.of(20.0), 20.0);
        near(Activation::Relu.of(-3.0), 0.0);
        assert!((erf(0.5) - 0.520_499_877_813_046_5).abs() < 1e-15);
        assert!((erf(3.0) - 0.999_977_909_503_001_4).abs() < 1e-15);
    }

    #[test]
    fn layer_norm_subtracts_the_mean_and_rms_norm_does_not() {
        let vector = [1.0, 3.0];
        let plain = Norm::default();
        assert_eq!(normalised(&vector, &plain, NormKind::Layer { eps: 1e-20 }), [-1.0, 1.0]);
        let rms = normalised(&vector, &plain, NormKind::Rms { eps: 1e-20 });
        assert!((rms[0] * 5f32.sqrt() - 1.0).abs() < 1e-6 && (rms[1] / rms[0] - 3.0).abs() < 1e-6);
    }

    #[test]
    fn the_lowest_id_wins_ties() {
        assert_eq!(argmax(&[1.0, 4.0, 4.0, 2.0]), 1);
        assert_eq!(argmax::<f32>(&[]), 0);
    }

    #[test]
    fn a_dot_product_covers_whole_lanes_and_the_rest() {
        let a: Vec<f32> = (0..19).map(|i| i as f32).collect();
        assert_eq!(dot(&a, &a), (0..19).map(|i| (i * i) as f32).sum::<f32>());
    }
}
