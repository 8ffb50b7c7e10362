//! Import of llama2.c checkpoints, versions 0 ("legacy"), 1 and 2, and export of version 0; little endian. This is version 0:
//!
//! ```text
//!  7 x int32    dim, hidden_dim, layers, heads, kv_heads, vocab, context
//!               vocab < 0: the classifier does not share the embedding
//!  fp32 arrays  one after the other, all layers of an array together (see `Header::arrays`)
//! ```
//!
//! The file has no magic number, so its length is the check: the header must account for every byte.
//! Sizes are compared with the file before anything is allocated, so a damaged header costs no memory.
//! Later versions start with the magic `ak42`; `versioned.rs` reads them.

mod versioned;

pub use versioned::is_versioned;

use super::{
    Activation, Block, Config, Layer, Linear, Matrix, Model, ModelError, Norm, NormKind, Rope, RopePairing,
    RopeScaling,
};

pub const HEADER_BYTES: usize = 28;

/// What llama2.c computes with; the file does not carry them.
const NORM_EPS: f32 = 1e-5;
const ROPE_THETA: f32 = 10_000.0;

#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Llama2cError {
    #[error(
        "the file has {found} bytes; expected at least the {HEADER_BYTES} bytes of a llama2.c header. \
         It is truncated, or is not a llama2.c checkpoint"
    )]
    NoHeader { found: u64 },
    #[error(
        "this is a llama2.c checkpoint of version {version}; expected version 0, 1 or 2. \
         Export it again with llama2.c's `export.py --version 1`"
    )]
    Version { version: u32 },
    #[error("the header says group_size = {found}; expected a divisor of every matrix. The file is damaged")]
    GroupSize { found: i32 },
    #[error("this is a {found} file; expected a llama2.c checkpoint. Convert it with llama2.c's export.py")]
    OtherFormat { found: &'static str },
    #[error(
        "the header says {field} = {found}; expected at least 1. \
         The file is damaged or is not a llama2.c checkpoint"
    )]
    HeaderField { field: &'static str, found: i32 },
    #[error(
        "the header says dim = {dim} and {heads} heads; expected dim to be an even multiple of the heads \
         (rotary embedding turns pairs). The file is damaged or is not a llama2.c checkpoint"
    )]
    HeadSize { dim: usize, heads: usize },
    #[error(
        "the header describes a checkpoint of {expected} bytes, the file has only {found}. \
         It is truncated, or is not a llama2.c checkpoint"
    )]
    Truncated { expected: u128, found: u64 },
    #[error(
        "the header describes a checkpoint of {expected} bytes, the file has {found}. \
         It is damaged, or is not a llama2.c checkpoint"
    )]
    Oversized { expected: u128, found: u64 },
    #[error(transparent)]
    Model(#[from] ModelError),
    #[error("a llama2.c version 0 checkpoint cannot hold this model: {reason}")]
    NotRepresentable { reason: &'static str },
}

/// The seven numbers of the file, each checked to be usable on its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    pub dim: usize,
    pub hidden_dim: usize,
    pub layers: usize,
    pub heads: usize,
    pub kv_heads: usize,
    pub vocab: usize,
    pub context: usize,
    /// The classifier shares the embedding.
    pub tied: bool,
}

/// One array of the file: `copies` matrices of `outputs` x `inputs`, or vectors when `inputs` is 1.
struct ArraySpec {
    copies: usize,
    outputs: usize,
    inputs: usize,
}

/// Arrays in file order, by their names in llama2.c: token_embedding, rms_att, wq, wk, wv, wo, rms_ffn,
/// w1 (gate), w2 (down), w3 (up), rms_final, freq_cis_real, freq_cis_imag, wcls.
const ARRAYS: usize = 14;

impl Header {
    /// Reads the header and holds it against the length of the whole file.
    ///
    /// # Errors
    /// When the bytes are another format, a field is impossible, or the file has another length than
    /// the header describes. After success `file_bytes` weights can be allocated safely.
    pub fn parse(start: &[u8], file_bytes: u64) -> Result<Self, Llama2cError> {
        let Some(words) = start.get(..HEADER_BYTES) else {
            return Err(Llama2cError::NoHeader { found: file_bytes });
        };
        recognise_other_formats(words)?;
        let header = Self::read(words)?;
        header.check(file_bytes)?;
        Ok(header)
    }

    /// The seven numbers, each checked on its own and then together.
    fn read(words: &[u8]) -> Result<Self, Llama2cError> {
        let mut fields = words.chunks_exact(4).map(le_i32);
        let mut next = |field| match fields.next() {
            Some(found) if found > 0 => Ok(found as usize),
            found => Err(Llama2cError::HeaderField { field, found: found.unwrap_or(0) }),
        };
        let (dim, hidden_dim, layers) = (next("dim")?, next("hidden_dim")?, next("n_layers")?);
        let (heads, kv_heads) = (next("n_heads")?, next("n_kv_heads")?);
        let vocab = le_i32(&words[20..24]);
        if vocab == 0 {
            return Err(Llama2cError::HeaderField { field: "vocab_size", found: 0 });
        }
        let context = le_i32(&words[24..28]);
        if context <= 0 {
            return Err(Llama2cError::HeaderField { field: "seq_len", found: context });
        }
        let (tied, vocab, context) = (vocab > 0, vocab.unsigned_abs() as usize, context as usize);
        let header = Self { dim, hidden_dim, layers, heads, kv_heads, vocab, context, tied };
        if !dim.is_multiple_of(heads) || !(dim / heads).is_multiple_of(2) {
            return Err(Llama2cError::HeadSize { dim, heads });
        }
        header.config().check()?;
        Ok(header)
    }

    fn check(&self, file_bytes: u64) -> Result<(), Llama2cError> {
        compare(self.file_bytes(), file_bytes)
    }

    /// Length of the file that this header describes. Every array is a product of at most three 31-bit
    /// numbers, so the sum fits 128 bits whatever the header says.
    pub fn file_bytes(&self) -> u128 {
        let floats: u128 = self.arrays().iter().map(ArraySpec::floats).sum();
        HEADER_BYTES as u128 + 4 * floats
    }

    fn to_bytes(&self) -> Result<Vec<u8>, Llama2cError> {
        let sizes = [self.dim, self.hidden_dim, self.layers, self.heads, self.kv_heads];
        let vocab = self.vocab as i64 * if self.tied { 1 } else { -1 };
        let fields = sizes.map(|size| size as i64).into_iter().chain([vocab, self.context as i64]);
        let words: Result<Vec<[u8; 4]>, _> =
            fields.map(|field| i32::try_from(field).map(i32::to_le_bytes)).collect();
        words
            .map(|words| words.concat())
            .map_err(|_| Llama2cError::NotRepresentable { reason: "a size does not fit 32 bits" })
    }

    fn arrays(&self) -> [ArraySpec; ARRAYS] {
        let array = |copies, outputs, inputs| ArraySpec { copies, outputs, inputs };
        let (dim, hidden, layers) = (self.dim, self.hidden_dim, self.layers);
        let head_dim = dim / self.heads;
        let kv_dim = self.kv_heads * head_dim;
        [
            array(1, self.vocab, dim),
            array(layers, dim, 1),
            array(layers, dim, dim),
            array(layers, kv_dim, dim),
            array(layers, kv_dim, dim),
            array(layers, dim, dim),
            array(layers, dim, 1),
            array(layers, hidden, dim),
            array(layers, dim, hidden),
            array(layers, hidden, dim),
            array(1, dim, 1),
            array(1, self.context, head_dim / 2),
            array(1, self.context, head_dim / 2),
            array(usize::from(!self.tied), self.vocab, dim),
        ]
    }

    fn config(&self) -> Config {
        let head_dim = self.dim / self.heads;
        Config {
            dim: self.dim,
            hidden_dim: self.hidden_dim,
            layers: self.layers,
            heads: self.heads,
            kv_heads: self.kv_heads,
            head_dim,
            vocab: self.vocab,
            context: self.context,
            norm: NormKind::Rms { eps: NORM_EPS },
            activation: Activation::Silu,
            gated: true,
            rope: Some(Rope {
                theta: ROPE_THETA,
                pairing: RopePairing::Adjacent,
                dims: head_dim,
                scaling: RopeScaling::None,
            }),
            embedding_norm: false,
            embedding_scale: 1.0,
            score_scale: None,
            windows: Vec::new(),
            block: Block::default(),
        }
    }
}

impl ArraySpec {
    fn floats(&self) -> u128 {
        self.copies as u128 * self.outputs as u128 * self.inputs as u128
    }
}

/// Holds the length that a header describes against the file's.
fn compare(expected: u128, found: u64) -> Result<(), Llama2cError> {
    match u128::from(found).cmp(&expected) {
        std::cmp::Ordering::Less => Err(Llama2cError::Truncated { expected, found }),
        std::cmp::Ordering::Greater => Err(Llama2cError::Oversized { expected, found }),
        std::cmp::Ordering::Equal => Ok(()),
    }
}

fn le_i32(bytes: &[u8]) -> i32 {
    bytes.iter().rev().fold(0, |word, &byte| word << 8 | i32::from(byte))
}

fn recognise_other_formats(words: &[u8]) -> Result<(), Llama2cError> {
    let found = match words {
        [b'G', b'G', b'U', b'F', ..] => "GGUF",
        [b'P', b'K', 3, 4, ..] => "PyTorch or zip",
        [_, _, _, _, 0, 0, 0, 0, b'{', ..] => "safetensors",
        _ => return Ok(()),
    };
    Err(Llama2cError::OtherFormat { found })
}

/// Reads a whole checkpoint of any version.
///
/// # Errors
/// When the header is impossible, the length is wrong or a weight is not finite.
pub fn parse(file: &[u8]) -> Result<Model, Llama2cError> {
    if is_versioned(file) {
        return versioned::parse(file);
    }
    let header = Header::parse(file, file.len() as u64)?;
    let mut rest = &file[HEADER_BYTES..];
    let mut arrays = header.arrays().into_iter().map(|spec| Array::read(&mut rest, &spec));
    let mut next = || arrays.next().unwrap_or_default();
    let mut embedding = next();
    let [mut attn_norm, mut q, mut k, mut v, mut o] = std::array::from_fn(|_| next());
    let [mut mlp_norm, mut gate, mut down, mut up] = std::array::from_fn(|_| next());
    let [mut final_norm, _freq_cis_real, _freq_cis_imag, mut classifier] = std::array::from_fn(|_| next());
    let mut layers = Vec::with_capacity(header.layers);
    for _ in 0..header.layers {
        layers.push(Layer {
            attn_norm: attn_norm.norm(),
            q: q.linear()?,
            k: k.linear()?,
            v: v.linear()?,
            o: o.linear()?,
            q_norm: None,
            k_norm: None,
            mlp_norm: mlp_norm.norm(),
            gate: Some(gate.linear()?),
            up: up.linear()?,
            down: down.linear()?,
            attn_post_norm: None,
            mlp_post_norm: None,
        });
    }
    let mut model = Model {
        config: header.config(),
        embedding: embedding.matrix()?,
        positions: None,
        layers,
        final_norm: Some(final_norm.norm()),
        classifier: if header.tied { None } else { Some(classifier.matrix()?) },
        warnings: Vec::new(),
    };
    model.share_equal_matrices();
    model.check()?;
    Ok(model)
}

/// The matrices of one array of the file, taken out layer by layer.
#[derive(Default)]
struct Array {
    outputs: usize,
    inputs: usize,
    copies: std::vec::IntoIter<Vec<f32>>,
}

impl Array {
    /// Takes one array off the front of `rest`, which `Header::parse` has shown to be long enough.
    fn read(rest: &mut &[u8], spec: &ArraySpec) -> Self {
        let floats = spec.outputs * spec.inputs;
        let mut copies = Vec::with_capacity(spec.copies);
        for _ in 0..spec.copies {
            let (bytes, after) = rest.split_at(4 * floats);
            *rest = after;
            copies.push(bytes.chunks_exact(4).map(|word| f32::from_bits(le_i32(word) as u32)).collect());
        }
        Self { outputs: spec.outputs, inputs: spec.inputs, copies: copies.into_iter() }
    }

    fn matrix(&mut self) -> Result<Matrix, ModelError> {
        Matrix::new(self.outputs, self.inputs, self.copies.next().unwrap_or_default())
    }

    fn linear(&mut self) -> Result<Linear, ModelError> {
        self.matrix().map(Linear::without_bias)
    }

    fn norm(&mut self) -> Norm {
        Norm::with_gain(self.copies.next().unwrap_or_default())
    }
}

/// Writes a checkpoint that llama2.c and [`parse`] read.
///
/// # Errors
/// When the model has something that the format cannot say: biases, learned positions, another activation.
pub fn to_bytes(model: &Model) -> Result<Vec<u8>, Llama2cError> {
    model.check()?;
    let header = representable(model)?;
    let mut file = header.to_bytes()?;
    put_rows(&mut file, Some(&model.embedding));
    let norm = |file: &mut Vec<u8>, norm: fn(&Layer) -> &Norm| {
        model.layers.iter().for_each(|layer| put(file, gain(norm(layer))));
    };
    let matrix = |file: &mut Vec<u8>, matrix: fn(&Layer) -> Option<&Linear>| {
        model.layers.iter().for_each(|layer| put_rows(file, matrix(layer).map(|linear| &linear.weight)));
    };
    norm(&mut file, |layer| &layer.attn_norm);
    matrix(&mut file, |layer| Some(&layer.q));
    matrix(&mut file, |layer| Some(&layer.k));
    matrix(&mut file, |layer| Some(&layer.v));
    matrix(&mut file, |layer| Some(&layer.o));
    norm(&mut file, |layer| &layer.mlp_norm);
    matrix(&mut file, |layer| layer.gate.as_ref());
    matrix(&mut file, |layer| Some(&layer.down));
    matrix(&mut file, |layer| Some(&layer.up));
    put(&mut file, model.final_norm.as_ref().map_or(&[], gain));
    put(&mut file, &rotations(&model.config, f32::cos));
    put(&mut file, &rotations(&model.config, f32::sin));
    put_rows(&mut file, model.classifier.as_ref());
    Ok(file)
}

fn put(file: &mut Vec<u8>, values: &[f32]) {
    file.extend(values.iter().flat_map(|value| value.to_le_bytes()));
}

fn put_rows(file: &mut Vec<u8>, matrix: Option<&Matrix>) {
    matrix.into_iter().flat_map(Matrix::rows).for_each(|row| put(file, &row));
}

fn gain(norm: &Norm) -> &[f32] {
    norm.gain.as_deref().unwrap_or(&[])
}

/// The header that says all of this model, if there is one.
fn representable(model: &Model) -> Result<Header, Llama2cError> {
    let refuse = |reason| Err(Llama2cError::NotRepresentable { reason });
    let config = &model.config;
    let header = Header {
        dim: config.dim,
        hidden_dim: config.hidden_dim,
        layers: config.layers,
        heads: config.heads,
        kv_heads: config.kv_heads,
        vocab: config.vocab,
        context: config.context,
        tied: model.classifier.is_none(),
    };
    if header.config() != *config {
        return refuse(
            "it needs RMSNorm with epsilon 1e-5, a gated SiLU, adjacent RoPE with theta 10000 over whole heads",
        );
    }
    if model.positions.is_some() {
        return refuse("it has learned positions");
    }
    let plain = |norm: &Norm| norm.gain.is_some() && norm.bias.is_none();
    let norms = model.layers.iter().flat_map(|layer| [&layer.attn_norm, &layer.mlp_norm]);
    if !norms.chain(&model.final_norm).all(plain) || model.final_norm.is_none() {
        return refuse("every normalisation needs a gain and no bias");
    }
    let linears = |layer: &Layer| {
        let always = [&layer.q, &layer.k, &layer.v, &layer.o, &layer.up, &layer.down];
        always.into_iter().chain(&layer.gate).any(|linear| linear.bias.is_some())
    };
    if model.layers.iter().any(linears) {
        return refuse("it has biases");
    }
    if model.layers.iter().any(|layer| layer.q_norm.is_some() || layer.k_norm.is_some()) {
        return refuse("it normalises query or key heads");
    }
    Ok(header)
}

/// The table that llama2.c's exporter writes after the weights; readers compute it again.
fn rotations(config: &Config, part: fn(f32) -> f32) -> Vec<f32> {
    let Some(rope) = &config.rope else { return Vec::new() };
    let pairs = rope.dims / 2;
    (0..config.context)
        .flat_map(|position| {
            (0..pairs).map(move |pair| part(position as f32 * rope.radians_per_position(pair)))
        })
        .collect()
}
