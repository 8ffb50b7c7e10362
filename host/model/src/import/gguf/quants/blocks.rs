//! Formats of short blocks. Those of 32 values with 4 bits hold the first 16 values in the low halves of their bytes and the
//! last 16 in the high halves.
//!
//! | format | value |
//! |---|---|
//! | Q8_0, Q8_1 | `d * q` |
//! | Q4_0, Q5_0 | `d * (q - 8)`, `d * (q - 16)` |
//! | Q4_1, Q5_1 | `d * q + m` |
//! | IQ4_NL | `d * level[q]` |
//! | MXFP4, NVFP4 | `2^e * level[q]`, a scale for 16 values with a mantissa of three bits `* level[q]` |

use super::{bit, half, signed};

/// Levels of IQ4_NL and IQ4_XS.
pub const NONLINEAR: [i8; 16] = [-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113];
/// Twice the values of a four-bit float with two exponent bits.
const E2M1: [i8; 16] = [0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12];

/// The four bits of each value.
fn nibbles(bytes: &[u8]) -> impl Iterator<Item = u8> + '_ {
    bytes.iter().map(|byte| byte & 15).chain(bytes.iter().map(|byte| byte >> 4))
}

/// The five bits of each value: the fifth ones stand before the others.
fn fives(bytes: &[u8]) -> impl Iterator<Item = f32> + '_ {
    let (fifth, low) = bytes.split_at(4);
    nibbles(low).enumerate().map(|(index, low)| f32::from(low | bit(fifth, index) << 4))
}

pub fn q4_0(block: &[u8], all: &mut Vec<f32>) {
    let d = half(block, 0);
    all.extend(nibbles(&block[2..]).map(|q| d * (f32::from(q) - 8.0)));
}

pub fn q4_1(block: &[u8], all: &mut Vec<f32>) {
    let (d, m) = (half(block, 0), half(block, 2));
    all.extend(nibbles(&block[4..]).map(|q| d * f32::from(q) + m));
}

pub fn q5_0(block: &[u8], all: &mut Vec<f32>) {
    let d = half(block, 0);
    all.extend(fives(&block[2..]).map(|q| d * (q - 16.0)));
}

pub fn q5_1(block: &[u8], all: &mut Vec<f32>) {
    let (d, m) = (half(block, 0), half(block, 2));
    all.extend(fives(&block[4..]).map(|q| d * q + m));
}

pub fn q8_0(block: &[u8], all: &mut Vec<f32>) {
    let d = half(block, 0);
    all.extend(block[2..].iter().map(|&q| signed(q) * d));
}

/// As Q8_0 with the sum of the block, which nothing here needs, after the scale.
pub fn q8_1(block: &[u8], all: &mut Vec<f32>) {
    let d = half(block, 0);
    all.extend(block[4..].iter().map(|&q| signed(q) * d));
}

pub fn iq4_nl(block: &[u8], all: &mut Vec<f32>) {
    let d = half(block, 0);
    all.extend(nibbles(&block[2..]).map(|q| d * f32::from(NONLINEAR[usize::from(q)])));
}

/// The scale is `2^(e - 127)`, halved because the levels are doubled.
pub fn mxfp4(block: &[u8], all: &mut Vec<f32>) {
    let e = u32::from(block[0]);
    let d = f32::from_bits(if e < 2 { 0x0020_0000 << e } else { (e - 1) << 23 });
    all.extend(nibbles(&block[1..]).map(|q| d * f32::from(E2M1[usize::from(q)])));
}

/// Four groups of 16 values, whose scales stand before them.
pub fn nvfp4(block: &[u8], all: &mut Vec<f32>) {
    let (scales, codes) = block.split_at(4);
    for (scale, codes) in scales.iter().zip(codes.chunks_exact(8)) {
        let d = ue4m3(*scale) * 0.5;
        all.extend(nibbles(codes).map(|q| d * f32::from(E2M1[usize::from(q)])));
    }
}

/// A float without a sign: four bits of exponent, three of mantissa, and a code for "not a number" that counts as 0. The
/// sign's bit is passed over.
fn ue4m3(code: u8) -> f32 {
    let (exponent, mantissa) = (code >> 3 & 15, f32::from(code & 7));
    match (code, exponent) {
        (0x7f, _) => 0.0,
        (_, 0) => mantissa / 512.0,
        _ => (1.0 + mantissa / 8.0) * f32::from(exponent as i8 - 7).exp2(),
    }
}
