//! Small random models of every supported style, the same on every machine for the same seed.
//!
//! They are for tests of importers, quantiser, compiler and devices: a synthetic model says nothing
//! sensible, but its vectors have the ranges of a trained one.

use super::{
    Activation, Block, Config, Layer, Linear, Matrix, Model, ModelError, Norm, NormKind, Rope, RopePairing,
    RopeScaling,
};

/// The optional arrays that a configuration does not name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extras {
    /// The classifier shares the embedding.
    pub tied: bool,
    pub norm_gain: bool,
    pub norm_bias: bool,
    /// Biases on q, k and v.
    pub qkv_bias: bool,
    /// Biases on o, gate, up and down.
    pub other_bias: bool,
    /// Normalisation of every query and key head.
    pub head_norm: bool,
    pub final_norm: bool,
}

impl Extras {
    /// What models of this configuration usually have: GPT-2 biases with LayerNorm, a bare microGPT with
    /// a normalised embedding, otherwise Llama's gains and a shared classifier.
    pub fn usual(config: &Config) -> Self {
        let bias = matches!(config.norm, NormKind::Layer { .. });
        let micro = config.embedding_norm;
        Self {
            tied: !micro,
            norm_gain: !micro,
            norm_bias: bias,
            qkv_bias: bias,
            other_bias: bias,
            head_norm: false,
            final_norm: !micro,
        }
    }
}

/// A two-layer Llama: RMSNorm, adjacent RoPE, grouped queries, SwiGLU.
pub fn tiny_llama() -> Config {
    Config {
        dim: 16,
        hidden_dim: 44,
        layers: 2,
        heads: 4,
        kv_heads: 2,
        head_dim: 4,
        vocab: 300,
        context: 32,
        norm: NormKind::Rms { eps: 1e-5 },
        activation: Activation::Silu,
        gated: true,
        rope: Some(Rope {
            theta: 10_000.0,
            pairing: RopePairing::Adjacent,
            dims: 4,
            scaling: RopeScaling::None,
        }),
        embedding_norm: false,
        embedding_scale: 1.0,
        score_scale: None,
        windows: Vec::new(),
        block: Block::default(),
    }
}

/// A two-layer GPT-2: LayerNorm, learned positions, GELU, no gate.
pub fn tiny_gpt2() -> Config {
    Config {
        hidden_dim: 64,
        kv_heads: 4,
        norm: NormKind::Layer { eps: 1e-5 },
        activation: Activation::GeluTanh,
        gated: false,
        rope: None,
        ..tiny_llama()
    }
}

/// microGPT at its published size: 4,192 parameters.
pub fn micro_gpt() -> Config {
    Config {
        hidden_dim: 64,
        layers: 1,
        kv_heads: 4,
        vocab: 27,
        context: 16,
        activation: Activation::Relu,
        gated: false,
        rope: None,
        embedding_norm: true,
        ..tiny_llama()
    }
}

/// stories15M (llama2.c) at its published size: 15,191,712 parameters.
pub fn stories_15m() -> Config {
    let tiny = tiny_llama();
    Config {
        dim: 288,
        hidden_dim: 768,
        layers: 6,
        heads: 6,
        kv_heads: 6,
        head_dim: 48,
        vocab: 32_000,
        context: 256,
        rope: tiny.rope.clone().map(|rope| Rope { dims: 48, ..rope }),
        ..tiny
    }
}

/// A random model with the usual extras of its configuration.
///
/// # Errors
/// When the configuration is impossible.
pub fn synthetic(config: &Config, seed: u64) -> Result<Model, ModelError> {
    synthetic_with(config, Extras::usual(config), seed)
}

/// A random model with chosen extras. Positions are learned exactly when there is no RoPE.
///
/// # Errors
/// When the configuration is impossible.
pub fn synthetic_with(config: &Config, extras: Extras, seed: u64) -> Result<Model, ModelError> {
    config.check()?;
    let mut make = Maker { state: seed, extras };
    let (vocab, dim) = (config.vocab, config.dim);
    let model = Model {
        config: config.clone(),
        embedding: make.matrix(vocab, dim, 1.0)?,
        positions: if config.rope.is_none() { Some(make.matrix(config.context, dim, 0.3)?) } else { None },
        layers: (0..config.layers).map(|_| make.layer(config)).collect::<Result<_, _>>()?,
        final_norm: extras.final_norm.then(|| make.norm(dim)),
        classifier: if extras.tied { None } else { Some(make.matrix(vocab, dim, 1.0)?) },
        warnings: Vec::new(),
    };
    model.check()?;
    Ok(model)
}

/// Llama with each part that another family adds or takes away, and the families themselves.
///
/// # Errors
/// None: all shapes are possible.
pub fn architectures() -> Result<Vec<(&'static str, Model)>, ModelError> {
    let llama = tiny_llama();
    let usual = Extras::usual(&llama);
    let gpt2 = tiny_gpt2();
    let biased = Extras::usual(&gpt2);
    let rope = |dims, pairing| Some(Rope { theta: 10_000.0, pairing, dims, scaling: RopeScaling::None });
    let (halves, adjacent) = (RopePairing::Halves, RopePairing::Adjacent);
    let relu = Activation::Relu;
    let slow = Some(Rope { theta: 100.0, pairing: adjacent, dims: 4, scaling: RopeScaling::None });
    let scaling = RopeScaling::Divisors { divisors: vec![1.0, 4.0], magnitude: 1.25 };
    let yarn = Some(Rope { theta: 10_000.0, pairing: adjacent, dims: 4, scaling });
    let parallel = Block { parallel: true, ..Block::default() };
    let with = |block: Block| Config { block, ..llama.clone() };
    let heads = |config: &Config| Config { heads: 2, kv_heads: 2, head_dim: 8, ..config.clone() };
    let shapes = [
        ("microGPT", micro_gpt(), Extras::usual(&micro_gpt())),
        ("GPT-2", gpt2.clone(), biased),
        ("GPT-2 with heads of 8", heads(&gpt2), biased),
        ("GPT-2 with SiLU", Config { activation: Activation::Silu, ..gpt2.clone() }, biased),
        (
            "GPT-2 with ReLU, rotated",
            Config { activation: relu, rope: rope(4, adjacent), ..gpt2.clone() },
            biased,
        ),
        ("Qwen2", Config { rope: rope(4, halves), ..llama.clone() }, Extras { qkv_bias: true, ..usual }),
        ("Qwen3", Config { rope: rope(4, halves), ..llama.clone() }, Extras { head_norm: true, ..usual }),
        ("a classifier of its own", llama.clone(), Extras { tied: false, ..usual }),
        ("no final norm", llama.clone(), Extras { final_norm: false, ..usual }),
        ("Gemma's GELU", Config { activation: Activation::GeluTanh, ..llama.clone() }, usual),
        ("Gemma's scaled embedding", Config { embedding_scale: 4.0, ..llama.clone() }, usual),
        ("half of each head turns", Config { rope: rope(2, halves), ..llama.clone() }, usual),
        ("SmolLM3", with(Block { ropes: vec![rope(4, adjacent), None], ..Block::default() }), usual),
        (
            "Gemma 3's two rotary embeddings",
            with(Block { ropes: vec![slow, rope(4, adjacent)], ..Block::default() }),
            usual,
        ),
        ("YaRN", Config { rope: yarn.clone(), ..llama.clone() }, Extras { qkv_bias: true, ..usual }),
        ("YaRN with head norms", Config { rope: yarn, ..llama.clone() }, Extras { head_norm: true, ..usual }),
        ("a parallel residual with a gate", with(parallel.clone()), usual),
        (
            "GPT-NeoX",
            Config { activation: Activation::Gelu, rope: rope(2, halves), block: parallel, ..gpt2 },
            biased,
        ),
    ];
    let make = |(name, config, extras): (&'static str, Config, Extras)| {
        synthetic_with(&config, extras, 11).map(|model| (name, model))
    };
    shapes.into_iter().map(make).collect()
}

struct Maker {
    state: u64,
    extras: Extras,
}

impl Maker {
    /// SplitMix64: every seed, 0 included, starts a good sequence.
    fn next_u64(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// `length` values, evenly spread over `centre` plus or minus `spread`.
    fn values(&mut self, length: usize, centre: f32, spread: f32) -> Vec<f32> {
        let unit = |bits: u64| (bits >> 40) as f32 / (1u64 << 23) as f32 - 1.0;
        (0..length).map(|_| centre + spread * unit(self.next_u64())).collect()
    }

    fn matrix(&mut self, outputs: usize, inputs: usize, spread: f32) -> Result<Matrix, ModelError> {
        let length =
            outputs.checked_mul(inputs).ok_or(ModelError::TooLarge { product: "outputs * inputs" })?;
        Matrix::new(outputs, inputs, self.values(length, 0.0, spread))
    }

    /// Weights whose products keep the variance of their input: a uniform spread has a third of its square.
    fn linear(&mut self, outputs: usize, inputs: usize, bias: bool) -> Result<Linear, ModelError> {
        let weight = self.matrix(outputs, inputs, (3.0 / inputs as f32).sqrt())?;
        Ok(Linear { weight, bias: bias.then(|| self.values(outputs, 0.0, 0.2)) })
    }

    fn norm(&mut self, length: usize) -> Norm {
        let Extras { norm_gain, norm_bias, .. } = self.extras;
        Norm {
            gain: norm_gain.then(|| self.values(length, 1.0, 0.5)),
            bias: norm_bias.then(|| self.values(length, 0.0, 0.2)),
        }
    }

    fn layer(&mut self, config: &Config) -> Result<Layer, ModelError> {
        let Extras { qkv_bias, other_bias, head_norm, .. } = self.extras;
        let (dim, hidden, q_dim, kv_dim) = (config.dim, config.hidden_dim, config.q_dim(), config.kv_dim());
        let whole = config.block.whole_qk_norm;
        Ok(Layer {
            attn_norm: self.norm(dim),
            q: self.linear(q_dim, dim, qkv_bias)?,
            k: self.linear(kv_dim, dim, qkv_bias)?,
            v: self.linear(kv_dim, dim, qkv_bias)?,
            o: self.linear(dim, q_dim, other_bias)?,
            q_norm: head_norm.then(|| self.norm(if whole { q_dim } else { config.head_dim })),
            k_norm: head_norm.then(|| self.norm(if whole { kv_dim } else { config.head_dim })),
            mlp_norm: self.norm(dim),
            gate: if config.gated { Some(self.linear(hidden, dim, other_bias)?) } else { None },
            up: self.linear(hidden, dim, other_bias)?,
            down: self.linear(dim, hidden, other_bias)?,
            attn_post_norm: config.block.norms.is_after().then(|| self.norm(dim)),
            mlp_post_norm: config.block.norms.is_after().then(|| self.norm(dim)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_seed_decides_every_weight() {
        let config = tiny_llama();
        assert_eq!(synthetic(&config, 5), synthetic(&config, 5));
        assert_ne!(synthetic(&config, 5), synthetic(&config, 6));
    }

    #[test]
    fn micro_gpt_has_its_published_size() {
        assert_eq!(synthetic(&micro_gpt(), 0).unwrap().parameter_count(), 4192);
    }
}
