//! Checkpoints of versions 1 and 2.
//!
//! ```text
//!  256 bytes      u32 `ak42`, i32 version, the seven numbers of version 0, u8 shared classifier, version 2: i32 group size
//!  fp32           attention norms of all layers, MLP norms of all layers, final norm
//!  weights        embedding, then wq, wk, wv, wo, w1, w2, w3 of all layers each, then the classifier unless it is shared
//! ```
//!
//! Version 1 has fp32 weights; version 2 has, for each matrix, its signed bytes and then one fp32 factor for each group of them.

use super::{Header, Llama2cError, compare, le_i32};
use crate::{Layer, Linear, Matrix, Model, ModelError, Norm};

/// `ak42`, the first word of every llama2.c checkpoint after version 0.
const MAGIC: u32 = 0x616b_3432;
const HEADER_BYTES: usize = 256;
const NUMBERS_AT: usize = 8;
const SHARED_AT: usize = NUMBERS_AT + super::HEADER_BYTES;
const GROUP_AT: usize = SHARED_AT + 1;

/// Whether a file is a checkpoint after version 0.
pub fn is_versioned(start: &[u8]) -> bool {
    start.get(..4).is_some_and(|word| le_i32(word) as u32 == MAGIC)
}

pub fn parse(file: &[u8]) -> Result<Model, Llama2cError> {
    let found = file.len() as u64;
    let start = file.get(..HEADER_BYTES).ok_or(Llama2cError::NoHeader { found })?;
    let version = le_i32(&start[4..8]);
    if !(1..=2).contains(&version) {
        return Err(Llama2cError::Version { version: version as u32 });
    }
    let header = Header::read(&start[NUMBERS_AT..SHARED_AT])?;
    let header = Header { tied: start[SHARED_AT] != 0, ..header };
    let group = match version {
        1 => None,
        _ => Some(group_size(&header, le_i32(&start[GROUP_AT..GROUP_AT + 4]))?),
    };
    compare(file_bytes(&header, group), found)?;
    let mut source = Source { rest: &file[HEADER_BYTES..], group };
    let model = read(&header, &mut source)?;
    model.check()?;
    Ok(model)
}

/// Outputs and inputs of the matrices of a layer, in the order of the file.
fn matrices(header: &Header) -> [(usize, usize); 7] {
    let Header { dim, hidden_dim, .. } = *header;
    let kv_dim = header.kv_heads * (dim / header.heads);
    [
        (dim, dim),
        (kv_dim, dim),
        (kv_dim, dim),
        (dim, dim),
        (hidden_dim, dim),
        (dim, hidden_dim),
        (hidden_dim, dim),
    ]
}

fn group_size(header: &Header, found: i32) -> Result<usize, Llama2cError> {
    let refused = Llama2cError::GroupSize { found };
    let Some(group) = usize::try_from(found).ok().filter(|group| *group > 0) else { return Err(refused) };
    let sizes = matrices(header).into_iter().chain([(header.vocab, header.dim)]);
    let divides =
        |(outputs, inputs): (usize, usize)| (outputs as u128 * inputs as u128).is_multiple_of(group as u128);
    if sizes.into_iter().all(divides) { Ok(group) } else { Err(refused) }
}

/// Every count is a product of three 31-bit numbers at most, so that the sum fits 128 bits.
fn file_bytes(header: &Header, group: Option<usize>) -> u128 {
    let norms = (2 * header.layers as u128 + 1) * header.dim as u128;
    let layer: u128 =
        matrices(header).iter().map(|&(outputs, inputs)| outputs as u128 * inputs as u128).sum();
    let tokens = header.vocab as u128 * header.dim as u128 * if header.tied { 1 } else { 2 };
    let weights = layer * header.layers as u128 + tokens;
    let weight_bytes = match group {
        None => 4 * weights,
        Some(group) => weights + 4 * (weights / group as u128),
    };
    HEADER_BYTES as u128 + 4 * norms + weight_bytes
}

fn read(header: &Header, source: &mut Source) -> Result<Model, ModelError> {
    let Header { dim, layers, vocab, .. } = *header;
    let mut norms =
        |count: usize| -> Vec<Norm> { (0..count).map(|_| Norm::with_gain(source.floats(dim))).collect() };
    let (attn_norms, mlp_norms) = (norms(layers), norms(layers));
    let final_norm = norms(1).pop();
    let embedding = source.matrix(vocab, dim)?;
    let mut parts = Vec::new();
    for (outputs, inputs) in matrices(header) {
        let all = (0..layers).map(|_| source.matrix(outputs, inputs).map(Linear::without_bias));
        parts.push(all.collect::<Result<Vec<_>, _>>()?.into_iter());
    }
    let classifier = if header.tied { None } else { Some(source.matrix(vocab, dim)?) };
    let mut model = Model {
        config: header.config(),
        embedding,
        positions: None,
        layers: Vec::new(),
        final_norm,
        classifier,
        warnings: Vec::new(),
    };
    model.share_equal_matrices();
    for (attn_norm, mlp_norm) in attn_norms.into_iter().zip(mlp_norms) {
        let all: Option<Vec<Linear>> = parts.iter_mut().map(Iterator::next).collect();
        let Some([q, k, v, o, gate, down, up]) = all.and_then(|all| <[Linear; 7]>::try_from(all).ok()) else {
            break;
        };
        let (q_norm, k_norm, gate) = (None, None, Some(gate));
        model.layers.push(Layer {
            attn_norm,
            q,
            k,
            v,
            o,
            q_norm,
            k_norm,
            attn_post_norm: None,
            mlp_norm,
            gate,
            up,
            down,
            mlp_post_norm: None,
        });
    }
    Ok(model)
}

/// The rest of the file, which was shown to be long enough.
struct Source<'f> {
    rest: &'f [u8],
    group: Option<usize>,
}

impl Source<'_> {
    fn floats(&mut self, count: usize) -> Vec<f32> {
        let (bytes, rest) = self.rest.split_at(4 * count);
        self.rest = rest;
        bytes.chunks_exact(4).map(|word| f32::from_bits(le_i32(word) as u32)).collect()
    }

    fn matrix(&mut self, outputs: usize, inputs: usize) -> Result<Matrix, ModelError> {
        let count = outputs * inputs;
        let Some(group) = self.group else { return Matrix::new(outputs, inputs, self.floats(count)) };
        let (bytes, rest) = self.rest.split_at(count);
        self.rest = rest;
        let factors = self.floats(count / group);
        let groups = bytes.chunks_exact(group).zip(factors);
        let values =
            groups.flat_map(|(group, factor)| group.iter().map(move |&q| f32::from(q as i8) * factor));
        Matrix::new(outputs, inputs, values.collect())
    }
}
