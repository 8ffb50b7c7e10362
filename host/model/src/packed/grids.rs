//! Formats whose codes name a vector of four or eight levels in a table, the public ones of ggml (licence MIT), which
//! `host/model/tests/goldens/recipe.py` writes into `tables/`.
//!
//! | format | value | a vector | a scale |
//! |---|---|---|---|
//! | IQ2_XXS, IQ2_XS, IQ2_S | `d * (scale + 1/2) / 4 * level`, signed | 8 of {8, 25, 43} | 32, 16, 16 values |
//! | IQ3_XXS | `d * (scale + 1/2) / 2 * level`, signed | 4 of {4, 12, ..., 62} | 32 values |
//! | IQ3_S | `d * (2 scale + 1) * level`, signed | 4 of {1, 3, ..., 15} | 32 values |
//! | IQ1_S, IQ1_M | `d * (2 scale + 1) * (level ± 1/8)` | 8 of {-1, 0, 1} | 32, 16 values |

use super::{bit, half};
use half::f16;

/// Vectors of levels, two bytes each: `COUNT` level numbers, lowest bits first, and what a number means.
struct Grid<const COUNT: usize> {
    words: &'static [u8],
    levels: &'static [i8],
}

const THREE: [i8; 3] = [8, 25, 43];
static IQ2_XXS: Grid<8> = Grid { words: include_bytes!("tables/iq2_xxs.bin"), levels: &THREE };
static IQ2_XS: Grid<8> = Grid { words: include_bytes!("tables/iq2_xs.bin"), levels: &THREE };
static IQ2_S: Grid<8> = Grid { words: include_bytes!("tables/iq2_s.bin"), levels: &THREE };
static IQ3_XXS: Grid<4> =
    Grid { words: include_bytes!("tables/iq3_xxs.bin"), levels: &[4, 12, 20, 28, 36, 44, 52, 62] };
static IQ3_S: Grid<4> =
    Grid { words: include_bytes!("tables/iq3_s.bin"), levels: &[1, 3, 5, 7, 9, 11, 13, 15] };
static IQ1: Grid<8> = Grid { words: include_bytes!("tables/iq1.bin"), levels: &[-1, 0, 1] };

impl<const COUNT: usize> Grid<COUNT> {
    fn vector(&self, index: usize) -> [f32; COUNT] {
        let word = word(self.words, index);
        let bits = 16 / COUNT;
        std::array::from_fn(|place| f32::from(self.levels[usize::from(word >> (place * bits) & mask(bits))]))
    }
}

/// Level numbers have two bits of two, or three bits of four.
const fn mask(bits: usize) -> u16 {
    if bits == 2 { 3 } else { 7 }
}

fn word(bytes: &[u8], index: usize) -> u16 {
    u16::from_le_bytes([bytes[2 * index], bytes[2 * index + 1]])
}

fn long(bytes: &[u8], index: usize) -> u32 {
    u32::from(word(bytes, 2 * index)) | u32::from(word(bytes, 2 * index + 1)) << 16
}

fn nibble(bytes: &[u8], index: usize) -> u8 {
    bytes[index / 2] >> (4 * (index % 2)) & 15
}

/// Seven signs; the eighth makes their number even.
fn even(signs: u32) -> u8 {
    let signs = (signs & 127) as u8;
    signs | ((signs.count_ones() % 2) as u8) << 7
}

/// Scaled levels with the signs from bit `first` on, set for negative.
fn signed<const COUNT: usize>(
    scale: f32,
    levels: [f32; COUNT],
    signs: u8,
    first: usize,
) -> impl Iterator<Item = f32> {
    let sign = move |place: usize| if signs >> (first + place) & 1 == 0 { 1.0 } else { -1.0 };
    levels.into_iter().enumerate().map(move |(place, level)| scale * level * sign(place))
}

pub fn iq2_xxs(block: &[u8], all: &mut Vec<f32>) {
    let d = half(block, 0);
    for group in block[2..].chunks_exact(8) {
        let packed = long(group, 1);
        let scale = d * (0.5 + (packed >> 28) as f32) * 0.25;
        for (index, code) in group[..4].iter().enumerate() {
            let levels = IQ2_XXS.vector(usize::from(*code));
            all.extend(signed(scale, levels, even(packed >> (7 * index)), 0));
        }
    }
}

pub fn iq2_xs(block: &[u8], all: &mut Vec<f32>) {
    let (d, codes, scales) = (half(block, 0), &block[2..66], &block[66..]);
    for index in 0..32 {
        let code = word(codes, index);
        let scale = d * (0.5 + f32::from(nibble(scales, index / 2))) * 0.25;
        all.extend(signed(scale, IQ2_XS.vector(usize::from(code & 511)), even((code >> 9).into()), 0));
    }
}

pub fn iq2_s(block: &[u8], all: &mut Vec<f32>) {
    let (d, codes, signs, high, scales) =
        (half(block, 0), &block[2..34], &block[34..66], &block[66..74], &block[74..]);
    for index in 0..32 {
        let code = usize::from(codes[index]) | usize::from(high[index / 4] >> (2 * (index % 4)) & 3) << 8;
        let scale = d * (0.5 + f32::from(nibble(scales, index / 2))) * 0.25;
        all.extend(signed(scale, IQ2_S.vector(code), signs[index], 0));
    }
}

pub fn iq3_xxs(block: &[u8], all: &mut Vec<f32>) {
    let (d, codes, packed) = (half(block, 0), &block[2..66], &block[66..]);
    for (index, code) in codes.iter().enumerate() {
        let packed = long(packed, index / 8);
        let scale = d * (0.5 + (packed >> 28) as f32) * 0.5;
        let signs = even(packed >> (7 * (index / 2 % 4)));
        all.extend(signed(scale, IQ3_XXS.vector(usize::from(*code)), signs, index % 2 * 4));
    }
}

pub fn iq3_s(block: &[u8], all: &mut Vec<f32>) {
    let (d, codes, ninth, signs, scales) =
        (half(block, 0), &block[2..66], &block[66..74], &block[74..106], &block[106..]);
    for (index, code) in codes.iter().enumerate() {
        let code = usize::from(*code) | usize::from(bit(ninth, index)) << 8;
        let scale = d * f32::from(1 + 2 * nibble(scales, index / 8));
        all.extend(signed(scale, IQ3_S.vector(code), signs[index / 2], index % 2 * 4));
    }
}

/// Levels moved by an eighth, down if `down`.
fn moved(scale: f32, levels: [f32; 8], down: bool) -> impl Iterator<Item = f32> {
    let by = if down { -0.125 } else { 0.125 };
    levels.into_iter().map(move |level| scale * (level + by))
}

pub fn iq1_s(block: &[u8], all: &mut Vec<f32>) {
    let (d, codes, high) = (half(block, 0), &block[2..34], &block[34..]);
    for (index, code) in codes.iter().enumerate() {
        let packed = word(high, index / 4);
        let code = usize::from(*code) | usize::from(packed >> (3 * (index % 4)) & 7) << 8;
        let scale = d * f32::from(2 * (packed >> 12 & 7) + 1);
        all.extend(moved(scale, IQ1.vector(code), packed >> 15 == 1));
    }
}

/// The four words of scales have a quarter of the block's factor in their highest bits.
pub fn iq1_m(block: &[u8], all: &mut Vec<f32>) {
    let (codes, high, scales) = (&block[..32], &block[32..48], &block[48..]);
    let factor = (0..4).fold(0, |factor, index| factor | word(scales, index) >> 12 << (4 * index));
    let d = f16::from_bits(factor).to_f32();
    for (index, code) in codes.iter().enumerate() {
        let more = nibble(high, index);
        let code = usize::from(*code) | usize::from(more & 7) << 8;
        let scale = d * f32::from(2 * (word(scales, index / 8) >> (3 * (index / 2 % 4)) & 7) + 1);
        all.extend(moved(scale, IQ1.vector(code), more & 8 != 0));
    }
}
