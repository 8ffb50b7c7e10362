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

use super::{half, signed};
use multiversion::multiversion;

const LENGTH: usize = 32;

/// 32 weights: `scale * code`, and `+ offset` where there is one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PackedBlock {
    pub scale: f32,
    pub offset: Option<f32>,
    pub codes: [i8; LENGTH],
}

impl PackedBlock {
    #[inline(always)]
    pub fn values(&self) -> [f32; LENGTH] {
        let mut values = [0.0; LENGTH];
        values.iter_mut().zip(&self.codes).for_each(|(value, code)| *value = f32::from(*code) * self.scale);
        if let Some(offset) = self.offset {
            values.iter_mut().for_each(|value| *value += offset);
        }
        values
    }
}

/// Levels of IQ4_NL and IQ4_XS.
pub const NONLINEAR: [i8; 16] = [-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113];
/// Twice the values of a four-bit float with two exponent bits.
const E2M1: [i8; 16] = [0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12];

/// The four bits of each value.
fn nibbles(bytes: &[u8]) -> impl Iterator<Item = u8> + '_ {
    bytes.iter().map(|byte| byte & 15).chain(bytes.iter().map(|byte| byte >> 4))
}

/// The codes of 16 bytes that hold four bits of each.
#[inline(always)]
fn fours(bytes: &[u8; 16]) -> [i8; LENGTH] {
    let mut codes = [0; LENGTH];
    for (index, byte) in bytes.iter().enumerate() {
        codes[index] = (byte & 15) as i8;
        codes[index + 16] = (byte >> 4) as i8;
    }
    codes
}

/// The same with the fifth bits of all codes before the others.
#[inline(always)]
fn fives([a, b, c, d, rest @ ..]: &[u8; 20]) -> [i8; LENGTH] {
    let fifths = u32::from_le_bytes([*a, *b, *c, *d]);
    let mut codes = fours(rest);
    codes.iter_mut().enumerate().for_each(|(index, code)| *code |= ((fifths >> index & 1) << 4) as i8);
    codes
}

#[inline(always)]
fn less(mut codes: [i8; LENGTH], middle: i8) -> [i8; LENGTH] {
    codes.iter_mut().for_each(|code| *code -= middle);
    codes
}

#[inline(always)]
fn half_of(low: &u8, high: &u8) -> f32 {
    half(&[*low, *high], 0)
}

#[inline(always)]
pub fn q4_0_block([d0, d1, codes @ ..]: &[u8; 18]) -> PackedBlock {
    PackedBlock { scale: half_of(d0, d1), offset: None, codes: less(fours(codes), 8) }
}

#[inline(always)]
pub fn q4_1_block([d0, d1, m0, m1, codes @ ..]: &[u8; 20]) -> PackedBlock {
    PackedBlock { scale: half_of(d0, d1), offset: Some(half_of(m0, m1)), codes: fours(codes) }
}

#[inline(always)]
pub fn q5_0_block([d0, d1, codes @ ..]: &[u8; 22]) -> PackedBlock {
    PackedBlock { scale: half_of(d0, d1), offset: None, codes: less(fives(codes), 16) }
}

#[inline(always)]
pub fn q5_1_block([d0, d1, m0, m1, codes @ ..]: &[u8; 24]) -> PackedBlock {
    PackedBlock { scale: half_of(d0, d1), offset: Some(half_of(m0, m1)), codes: fives(codes) }
}

#[inline(always)]
pub fn q8_0_block([d0, d1, codes @ ..]: &[u8; 34]) -> PackedBlock {
    let mut signed = [0; LENGTH];
    signed.iter_mut().zip(codes).for_each(|(signed, code)| *signed = *code as i8);
    PackedBlock { scale: half_of(d0, d1), offset: None, codes: signed }
}

/// Decoders of many blocks.
macro_rules! decoders {
    ($($name:ident: $block:ident;)+) => {
        $(#[multiversion(targets("x86_64+avx2"))]
        pub fn $name(bytes: &[u8], all: &mut Vec<f32>) {
            bytes.as_chunks().0.iter().for_each(|block| all.extend_from_slice(&$block(block).values()));
        })+
    };
}

decoders! {
    q4_0: q4_0_block;
    q4_1: q4_1_block;
    q5_0: q5_0_block;
    q5_1: q5_1_block;
    q8_0: q8_0_block;
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
