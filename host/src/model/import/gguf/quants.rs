//! The number formats of GGUF tensors. Layouts and arithmetic are those of ggml (`ggml-quants.c`, `dequantize_row_*`; licence
//! MIT); no crate reads them without either a tensor library behind it or panics on damaged files.
//!
//! | format | values a block | bytes | value |
//! |---|---:|---:|---|
//! | Q8_0 | 32 | 34 | `d * q` |
//! | Q4_0 | 32 | 18 | `d * (q - 8)` |
//! | Q4_K | 256 | 144 | `d * scale * q - dmin * min`, 8 groups of 32 |
//! | Q5_K | 256 | 176 | the same with a fifth bit |
//! | Q6_K | 256 | 210 | `d * scale * (q - 32)`, 16 groups of 16 |

use super::super::safetensors::floats;
use half::{bf16, f16};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    F32,
    F16,
    Bf16,
    Q8_0,
    Q4_0,
    Q4K,
    Q5K,
    Q6K,
}

/// What may stand in a file, for messages.
pub const FORMATS: &str = "F32, F16, BF16, Q8_0, Q4_0, Q4_K, Q5_K or Q6_K";

impl Format {
    /// The format of ggml's number for it.
    pub fn of(number: u32) -> Option<Self> {
        Some(match number {
            0 => Self::F32,
            1 => Self::F16,
            2 => Self::Q4_0,
            8 => Self::Q8_0,
            12 => Self::Q4K,
            13 => Self::Q5K,
            14 => Self::Q6K,
            30 => Self::Bf16,
            _ => return None,
        })
    }

    /// Values and bytes of a block.
    pub fn block(self) -> (usize, usize) {
        match self {
            Self::F32 => (1, 4),
            Self::F16 | Self::Bf16 => (1, 2),
            Self::Q8_0 => (32, 34),
            Self::Q4_0 => (32, 18),
            Self::Q4K => (256, 144),
            Self::Q5K => (256, 176),
            Self::Q6K => (256, 210),
        }
    }

    /// The values of whole blocks.
    pub fn values(self, bytes: &[u8]) -> Vec<f32> {
        let block: fn(&[u8], &mut Vec<f32>) = match self {
            Self::F32 => return floats(bytes, f32::from_le_bytes),
            Self::F16 => return floats(bytes, |word| f16::from_le_bytes(word).to_f32()),
            Self::Bf16 => return floats(bytes, |word| bf16::from_le_bytes(word).to_f32()),
            Self::Q8_0 => q8_0,
            Self::Q4_0 => q4_0,
            Self::Q4K => q4_k,
            Self::Q5K => q5_k,
            Self::Q6K => q6_k,
        };
        let (values, size) = self.block();
        let mut all = Vec::with_capacity(bytes.len() / size * values);
        bytes.chunks_exact(size).for_each(|bytes| block(bytes, &mut all));
        all
    }
}

/// The half-precision number at `at`.
fn half(block: &[u8], at: usize) -> f32 {
    f16::from_le_bytes([block[at], block[at + 1]]).to_f32()
}

fn signed(byte: u8) -> f32 {
    f32::from(byte as i8)
}

fn q8_0(block: &[u8], all: &mut Vec<f32>) {
    let d = half(block, 0);
    all.extend(block[2..].iter().map(|&q| d * signed(q)));
}

fn q4_0(block: &[u8], all: &mut Vec<f32>) {
    let d = half(block, 0);
    let value = |q: u8| d * (f32::from(q) - 8.0);
    all.extend(block[2..].iter().map(|q| value(q & 15)));
    all.extend(block[2..].iter().map(|q| value(q >> 4)));
}

/// Scale and minimum of group `j`, six bits each: those of the last four groups have their upper two bits with the first four.
fn scale_and_minimum(packed: &[u8], j: usize) -> (f32, f32) {
    let (scale, minimum) = match j {
        0..4 => (packed[j] & 63, packed[j + 4] & 63),
        _ => (packed[j + 4] & 15 | packed[j - 4] >> 6 << 4, packed[j + 4] >> 4 | packed[j] >> 6 << 4),
    };
    (scale.into(), minimum.into())
}

fn q4_k(block: &[u8], all: &mut Vec<f32>) {
    k_with_minimum(block, &[], &block[16..], all);
}

fn q5_k(block: &[u8], all: &mut Vec<f32>) {
    k_with_minimum(block, &block[16..48], &block[48..], all);
}

/// Groups of 32: the even ones lie in the low halves of their bytes, the odd ones in the high halves. Group `j` has its fifth
/// bits, if there are any, in bit `j` of `fifth`.
fn k_with_minimum(block: &[u8], fifth: &[u8], low: &[u8], all: &mut Vec<f32>) {
    let (d, dmin) = (half(block, 0), half(block, 2));
    for j in 0..8 {
        let (scale, minimum) = scale_and_minimum(&block[4..16], j);
        let (scale, minimum) = (d * scale, dmin * minimum);
        for (index, byte) in low[j / 2 * 32..][..32].iter().enumerate() {
            let four = if j % 2 == 0 { byte & 15 } else { byte >> 4 };
            let bit = fifth.get(index).map_or(0, |bits| bits >> j & 1);
            all.push(scale * f32::from(four | bit << 4) - minimum);
        }
    }
}

/// Two halves of 128 values; the value `32 g + l` of a half has its low four bits in byte `32 (g mod 2) + l`, and its high two
/// bits in bits `2 g` of byte `l`.
fn q6_k(block: &[u8], all: &mut Vec<f32>) {
    let d = half(block, 208);
    for n in 0..2 {
        let (low, high) = (&block[64 * n..][..64], &block[128 + 32 * n..][..32]);
        let scales = &block[192 + 8 * n..][..8];
        for g in 0..4 {
            for l in 0..32 {
                let byte = low[32 * (g % 2) + l];
                let four = if g < 2 { byte & 15 } else { byte >> 4 };
                let q = four | (high[l] >> (2 * g) & 3) << 4;
                all.push(d * signed(scales[l / 16 + 2 * g]) * (f32::from(q) - 32.0));
            }
        }
    }
}
