//! The model as the rest of the host sees it: shapes, options and weights that are read as fp32.
//!
//! Importers fill a [`Model`]; the quantiser, the compiler and the fp32 [`Reference`] read it. Nothing here
//! names a file format or a chip.
//!
//! ```text
//!  embedding[token] (+ positions[position]) (norm) ─► residual
//!  for each layer:   residual += o( attention( q, k, v of norm(residual) ) )
//!                    residual += down( act(gate(n)) * up(n) ),  n = norm(residual)      gated
//!                    residual += down( act(up(n)) )                                     ungated
//!  logits = classifier( norm(residual) )
//! ```
//!
//! What some families do otherwise is in [`Block`].
//!
//! # Invariants
//! 1. [`Model::check`] holds for every model that an importer returns: all shapes agree with the
//!    configuration and all weights are finite.
//! 2. A [`Matrix`] is row-major, outputs x inputs: row `o` holds the weights of output `o`.

mod check;
pub mod eval;
mod import;
pub mod llama2c;
mod matrix;
mod packed;
mod read_ahead;
pub mod reference;
pub mod synthetic;
pub mod text;
pub mod tokenizer;

pub use check::ModelError;
pub use import::{
    ARCHITECTURES, FORMATS, ImportError, Loaded, load, load_model, load_with_tokenizer, read_tokenizer,
};
pub use matrix::Matrix;
pub use packed::{Integers, PackedBlock};
pub use read_ahead::ReadAhead;
pub use reference::{KeysValues, Reference, keys_and_values_of_position_zero};
pub use synthetic::synthetic;
pub use tokenizer::Tokenizer;

/// A decoder-only transformer with its weights.
#[derive(Clone, Debug, PartialEq)]
pub struct Model {
    pub config: Config,
    /// vocab x dim: row `t` is the vector of token `t`.
    pub embedding: Matrix,
    /// context x dim: learned positions, added to the embedding.
    pub positions: Option<Matrix>,
    pub layers: Vec<Layer>,
    /// `None` for models that feed the residual to the classifier as it is, as microGPT does.
    pub final_norm: Option<Norm>,
    /// vocab x dim; `None` when the classifier shares the embedding.
    pub classifier: Option<Matrix>,
    /// What the import left aside, or chose where the files contradict one another: a sentence each.
    pub warnings: Vec<String>,
}

/// Everything about a model except its weights.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// Length of the residual vector.
    pub dim: usize,
    /// Length of the vector inside the MLP.
    pub hidden_dim: usize,
    pub layers: usize,
    /// Query heads.
    pub heads: usize,
    /// Key and value heads; query head `h` reads key head `h / (heads / kv_heads)`.
    pub kv_heads: usize,
    /// Length of one head's vector; `heads * head_dim` need not equal `dim`.
    pub head_dim: usize,
    pub vocab: usize,
    /// Positions `0..context` exist.
    pub context: usize,
    pub norm: NormKind,
    pub activation: Activation,
    /// True for `down(act(gate x) * up x)`, false for `down(act(up x))`.
    pub gated: bool,
    /// Rotary embedding of q and k; `None` when positions are learned.
    pub rope: Option<Rope>,
    /// A normalisation without gain right after the embedding.
    pub embedding_norm: bool,
    /// Factor on the embedding's rows; 1 but for Gemma. The classifier that shares them is not scaled.
    pub embedding_scale: f32,
    /// The factor on `q . k` before the softmax; `None` stands for `1 / sqrt(head_dim)`.
    pub score_scale: Option<f32>,
    /// For each layer, how many positions it sees, the current one included; `None` is all. An empty list is
    /// `None` for every layer.
    pub windows: Vec<Option<usize>>,
    /// How the layers differ from the picture above.
    pub block: Block,
}

/// How the layers of some families differ from Llama's; by default they do not.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Block {
    pub norms: NormPlace,
    /// Attention and MLP read the same residual, and the results of both are added to it.
    pub parallel: bool,
    /// q and k are normalised over all their heads together, not head by head.
    pub whole_qk_norm: bool,
    /// `cap * tanh(score / cap)` before the softmax.
    pub score_cap: Option<f32>,
    /// The same for logits.
    pub logit_cap: Option<f32>,
    /// For each layer, how its q and k turn; `None` in the list is not at all. An empty list is [`Config::rope`] for every layer.
    pub ropes: Vec<Option<Rope>>,
}

/// Where in a layer vectors are normalised.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum NormPlace {
    /// What attention and MLP read.
    #[default]
    Before,
    /// What they add to the residual, as OLMo 2 does.
    After,
    /// Both, as Gemma 2 does.
    Both,
}

/// How a vector is normalised; `eps` joins the mean square (or the variance) under the root.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum NormKind {
    /// Divide by the root mean square.
    Rms { eps: f32 },
    /// Subtract the mean, then divide by the standard deviation.
    Layer { eps: f32 },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activation {
    /// `x / (1 + exp(-x))`
    Silu,
    /// `x * Phi(x)` by the tanh approximation of GPT-2.
    GeluTanh,
    /// `x * Phi(x)` with the exact normal distribution.
    Gelu,
    /// `max(x, 0)`
    Relu,
}

/// Rotary position embedding: pair `i` turns by `position * theta^(-2 i / dims)`, slowed down by the scaling.
#[derive(Clone, Debug, PartialEq)]
pub struct Rope {
    pub theta: f32,
    pub pairing: RopePairing,
    /// Leading dimensions of a head that rotate; the rest pass unchanged. Usually `head_dim`.
    pub dims: usize,
    pub scaling: RopeScaling,
}

/// How a rotary embedding was stretched to a longer context than it was trained on.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum RopeScaling {
    #[default]
    None,
    /// Every pair turns slower by `factor`.
    Linear { factor: f32 },
    /// Llama 3.1: pairs of wavelength beyond `original_context / low_frequency_factor` turn slower by
    /// `factor`, those below `original_context / high_frequency_factor` as before, those between by a mean.
    Llama3 { factor: f32, low_frequency_factor: f32, high_frequency_factor: f32, original_context: usize },
    /// Pair `i` turns slower by divisor `i`, as YaRN, LongRoPE and the `rope_freqs` of a GGUF file have it; what has turned is
    /// multiplied by `magnitude`.
    Divisors { divisors: Vec<f32>, magnitude: f32 },
}

/// Which two dimensions of a head rotate together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RopePairing {
    /// `(2 i, 2 i + 1)`, as llama2.c and GGUF Llama files do.
    Adjacent,
    /// `(i, i + dims / 2)`, as Hugging Face checkpoints do.
    Halves,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Layer {
    pub attn_norm: Norm,
    /// `heads * head_dim` x dim
    pub q: Linear,
    /// `kv_heads * head_dim` x dim
    pub k: Linear,
    /// `kv_heads * head_dim` x dim
    pub v: Linear,
    /// dim x `heads * head_dim`
    pub o: Linear,
    /// Applied to every query head before the rotation; `head_dim` gains, or one for each output of q if all heads are
    /// normalised together.
    pub q_norm: Option<Norm>,
    /// The same for keys.
    pub k_norm: Option<Norm>,
    /// Applied to what attention adds to the residual.
    pub attn_post_norm: Option<Norm>,
    pub mlp_norm: Norm,
    /// `hidden_dim` x dim; present exactly when the configuration says `gated`.
    pub gate: Option<Linear>,
    /// `hidden_dim` x dim
    pub up: Linear,
    /// dim x `hidden_dim`
    pub down: Linear,
    /// Applied to what the MLP adds to the residual.
    pub mlp_post_norm: Option<Norm>,
}

/// The learned part of a normalisation; its kind stands in [`Config::norm`].
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Norm {
    pub gain: Option<Vec<f32>>,
    pub bias: Option<Vec<f32>>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Linear {
    pub weight: Matrix,
    /// One value per output.
    pub bias: Option<Vec<f32>>,
}

impl Norm {
    /// A gain without a bias, as RMSNorm usually has.
    pub fn with_gain(gain: Vec<f32>) -> Self {
        Self { gain: Some(gain), bias: None }
    }
}

impl Linear {
    pub fn without_bias(weight: Matrix) -> Self {
        Self { weight, bias: None }
    }
}

impl NormKind {
    pub fn eps(self) -> f32 {
        match self {
            Self::Rms { eps } | Self::Layer { eps } => eps,
        }
    }
}

impl Rope {
    /// Rotation of pair `pair` from one position to the next, in radians.
    pub fn radians_per_position(&self, pair: usize) -> f32 {
        let radians = 1.0 / self.theta.powf((2 * pair) as f32 / self.dims as f32);
        radians / self.scaling.divisor(pair, radians)
    }

    /// What rotated dimensions are multiplied with.
    pub fn magnitude(&self) -> f32 {
        if let RopeScaling::Divisors { magnitude, .. } = self.scaling { magnitude } else { 1.0 }
    }

    /// The two dimensions of a head that rotate together as pair `pair`.
    pub fn pair_dims(&self, pair: usize) -> (usize, usize) {
        match self.pairing {
            RopePairing::Adjacent => (2 * pair, 2 * pair + 1),
            RopePairing::Halves => (pair, pair + self.dims / 2),
        }
    }
}

impl RopeScaling {
    /// How much slower `pair`, which would turn by `radians` a position, turns.
    fn divisor(&self, pair: usize, radians: f32) -> f32 {
        match self {
            Self::None => 1.0,
            Self::Linear { factor } => *factor,
            Self::Divisors { divisors, .. } => divisors.get(pair).copied().unwrap_or(1.0),
            Self::Llama3 { factor, low_frequency_factor, high_frequency_factor, original_context } => {
                let wavelengths = *original_context as f32 * radians / std::f32::consts::TAU;
                let smooth =
                    (wavelengths - low_frequency_factor) / (high_frequency_factor - low_frequency_factor);
                let unscaled_part = smooth.clamp(0.0, 1.0);
                1.0 / ((1.0 - unscaled_part) / factor + unscaled_part)
            }
        }
    }
}

impl NormPlace {
    pub fn is_before(self) -> bool {
        self != Self::After
    }

    pub fn is_after(self) -> bool {
        self != Self::Before
    }
}

impl Config {
    /// Length of the concatenated query heads.
    pub fn q_dim(&self) -> usize {
        self.heads * self.head_dim
    }

    /// Length of the concatenated key heads, and of the value heads.
    pub fn kv_dim(&self) -> usize {
        self.kv_heads * self.head_dim
    }

    /// The key and value head that query head `head` reads.
    pub fn kv_head_of(&self, head: usize) -> usize {
        head / (self.heads / self.kv_heads)
    }

    /// The factor on `q . k` before the softmax.
    pub fn attention_scale(&self) -> f32 {
        self.score_scale.unwrap_or(1.0 / (self.head_dim as f32).sqrt())
    }

    /// How q and k of layer `layer` turn; `None` is not at all.
    pub fn rope_of(&self, layer: usize) -> Option<&Rope> {
        self.block.ropes.get(layer).map_or(self.rope.as_ref(), Option::as_ref)
    }

    /// How many positions layer `layer` sees, the current one included; `None` is all.
    pub fn window(&self, layer: usize) -> Option<usize> {
        self.windows.get(layer).copied().flatten()
    }
}

impl Model {
    /// The matrix that makes logits: the classifier, or the embedding that it shares.
    pub fn classifier_matrix(&self) -> &Matrix {
        self.classifier.as_ref().unwrap_or(&self.embedding)
    }

    /// Stores a classifier that is equal to the embedding once, whatever the file says of it.
    pub(crate) fn share_equal_matrices(&mut self) {
        if self.classifier.as_ref() == Some(&self.embedding) {
            self.classifier = None;
        }
    }

    /// Learned values, a shared classifier counted once.
    pub fn parameter_count(&self) -> usize {
        self.arrays().iter().map(|array| array.shape.0 * array.shape.1).sum()
    }
}
