//! Formats of 256 values whose groups have scales of a few bits.
//!
//! | format | value | groups |
//! |---|---|---|
//! | Q2_K | `d * scale * q - dmin * min` | 16 of 16 |
//! | Q3_K, Q6_K | `d * scale * (q - 4)`, `d * scale * (q - 32)` | 16 of 16 |
//! | Q4_K, Q5_K | `d * scale * q - dmin * min` | 8 of 32 |
//! | Q8_K | `d * q`, d in fp32, then sums that nothing here needs | 1 |
//! | IQ4_XS | `d * (scale - 32) * level[q]` | 8 of 32 |
//! | TQ1_0, TQ2_0 | `d * (q - 1)`, q of 0, 1, 2 | 1 |

use super::blocks::NONLINEAR;
use super::{half, signed};

/// Codes of two bits: of each 32 bytes first the lowest bits, then the next ones.
fn pairs(bytes: &[u8]) -> impl Iterator<Item = u8> + '_ {
    let quarter =
        |part: &'_ [u8], shift: usize| part.iter().map(|byte| byte >> shift & 3).collect::<Vec<_>>();
    bytes.chunks_exact(32).flat_map(move |part| (0..8).step_by(2).flat_map(move |shift| quarter(part, shift)))
}

pub fn q2_k(block: &[u8], all: &mut Vec<f32>) {
    let (d, dmin) = (half(block, 80), half(block, 82));
    for (index, q) in pairs(&block[16..80]).enumerate() {
        let packed = block[index / 16];
        let (scale, minimum) = (d * f32::from(packed & 15), dmin * f32::from(packed >> 4));
        all.push(scale * f32::from(q) - minimum);
    }
}

/// The third bit of value `32 g + l` is bit `g` of byte `l`. Scales have six bits: the low four of the first eight groups stand
/// in low halves, those of the last eight in high halves, the high two behind them.
pub fn q3_k(block: &[u8], all: &mut Vec<f32>) {
    let (third, scales, d) = (&block[..32], &block[96..108], half(block, 108));
    for (index, low) in pairs(&block[32..96]).enumerate() {
        let group = index / 16;
        let four = if group < 8 { scales[group] & 15 } else { scales[group - 8] >> 4 };
        let scale = four | (scales[8 + group % 4] >> (2 * (group / 4)) & 3) << 4;
        let q = f32::from(low | (third[index % 32] >> (index / 32) & 1) << 2) - 4.0;
        all.push(d * (f32::from(scale) - 32.0) * q);
    }
}

/// Scale and minimum of group `j`, six bits each: those of the last four groups have their upper two bits with the first four.
fn scale_and_minimum(packed: &[u8], j: usize) -> (f32, f32) {
    let (scale, minimum) = match j {
        0..4 => (packed[j] & 63, packed[j + 4] & 63),
        _ => (packed[j + 4] & 15 | packed[j - 4] >> 6 << 4, packed[j + 4] >> 4 | packed[j] >> 6 << 4),
    };
    (scale.into(), minimum.into())
}

pub fn q4_k(block: &[u8], all: &mut Vec<f32>) {
    k_with_minimum(block, &[], &block[16..], all);
}

pub fn q5_k(block: &[u8], all: &mut Vec<f32>) {
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
pub fn q6_k(block: &[u8], all: &mut Vec<f32>) {
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

pub fn q8_k(block: &[u8], all: &mut Vec<f32>) {
    let d = block.first_chunk().map_or(0.0, |bytes| f32::from_le_bytes(*bytes));
    all.extend(block[4..260].iter().map(|&q| d * signed(q)));
}

/// Scales have six bits, two of them in a word of their own. Each group has its first 16 values in low halves.
pub fn iq4_xs(block: &[u8], all: &mut Vec<f32>) {
    let (d, high) = (half(block, 0), u16::from_le_bytes([block[2], block[3]]));
    for (group, codes) in block[8..].chunks_exact(16).enumerate() {
        let four = block[4 + group / 2] >> (4 * (group % 2)) & 15;
        let two = (high >> (2 * group) & 3) as u8;
        let scale = d * (f32::from(four | two << 4) - 32.0);
        let level = |q: u8| scale * f32::from(NONLINEAR[usize::from(q)]);
        all.extend(codes.iter().map(|byte| level(byte & 15)));
        all.extend(codes.iter().map(|byte| level(byte >> 4)));
    }
}

/// Five values a byte (four in the last bytes), as a fraction in base three: digit `n` is the whole part of three times what is
/// left after `n` multiplications by three.
pub fn tq1_0(block: &[u8], all: &mut Vec<f32>) {
    let d = half(block, 52);
    for (bytes, digits) in [(&block[..32], 5), (&block[32..48], 5), (&block[48..52], 4)] {
        for digit in 0..digits {
            let power = 3u8.pow(digit);
            let q = |byte: &u8| (u16::from(byte.wrapping_mul(power)) * 3) >> 8;
            all.extend(bytes.iter().map(|byte| d * (f32::from(q(byte)) - 1.0)));
        }
    }
}

pub fn tq2_0(block: &[u8], all: &mut Vec<f32>) {
    let d = half(block, 64);
    all.extend(pairs(&block[..64]).map(|q| d * (f32::from(q) - 1.0)));
}
