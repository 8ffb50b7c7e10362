//! The arithmetic contract: what every slice computes, bit for bit. Quantiser, emulator and the tests of the RTL
//! call these functions; the RTL's tables are printed from them.
//!
//! | format  | bits | where                                                                  |
//! |---------|-----:|------------------------------------------------------------------------|
//! | weight  |    9 | signed integer, weight memory                                          |
//! | kv code |    9 | signed, piecewise linear ([`kv_decode`]), KV memory                    |
//! | act     |   16 | signed integer, activation file                                        |
//! | sum     |   32 | signed, wraps: the compiler proves that it never does                  |
//! | word    |   18 | signed fixed point, vector memory and multiplier operands              |
//! | vector  |   24 | signed fixed point, vector registers and results                       |
//! | scalar  | 18+6 | mantissa and exponent: a factor `mantissa * 2^-exponent`               |
//!
//! Binary points are chosen by the compiler. Rounding is always half up: `floor(x / 2^s + 1/2)`.

/// Bits of a weight and of a KV code: the byte of an ECP5 block RAM has nine.
pub const WEIGHT_BITS: u32 = 9;
/// Bits of a decoded KV value.
pub const KV_BITS: u32 = 10;
/// Bits of an activation.
pub const ACT_BITS: u32 = 16;
/// Bits of a word of vector memory and of a multiplier operand.
pub const WORD_BITS: u32 = 18;
/// Bits of a vector register lane.
pub const VECTOR_BITS: u32 = 24;
/// Bits of a product after its shift, before the addition: one more than a vector, so that saturation is seen.
pub const SHIFTED_BITS: u32 = 25;
/// The most negative word: the score of a position that does not exist yet.
pub const WORD_MIN: i32 = -(1 << (WORD_BITS - 1));
/// The most positive word.
pub const WORD_MAX: i32 = (1 << (WORD_BITS - 1)) - 1;
/// Fraction bits of a score: scores are base-2 logarithms.
pub const SCORE_FRACTION_BITS: u32 = 7;
/// Fraction bits of the sigmoid's argument.
pub const SIGMOID_ARGUMENT_FRACTION_BITS: u32 = 13;
/// The sigmoid of plus infinity: its results have 17 fraction bits, less one unit.
pub const SIGMOID_ONE: i32 = (1 << 17) - 1;
/// Fraction bits of the random numbers added to scaled logits.
pub const NOISE_FRACTION_BITS: u32 = 11;
/// Largest total right shift of a product.
pub const SHIFT_MAX: i32 = 47;

/// Limits `value` to `bits` signed bits.
#[inline]
pub const fn saturate(value: i64, bits: u32) -> i64 {
    let max = (1i64 << (bits - 1)) - 1;
    if value > max {
        max
    } else if value < -max - 1 {
        -max - 1
    } else {
        value
    }
}

/// Shifts right by `shift` bits, rounding half up.
#[inline]
pub const fn round_shift(value: i64, shift: u32) -> i64 {
    if shift == 0 { value } else { (value + (1i64 << (shift - 1))) >> shift }
}

/// The integer that a 9-bit KV code stands for.
///
/// The code is one's complement symmetric: a negative code stands for `!kv_decode(!code)`. Its magnitude is linear up to
/// 127 (step 1), then takes steps of 2 from 128 to 254 and of 4 from 256 to 508: nine bits with the range of ten.
#[inline]
pub const fn kv_decode(code: i16) -> i16 {
    let magnitude = if code < 0 { !code } else { code };
    let value = match magnitude >> 6 {
        0 | 1 => magnitude,
        2 => 128 + 2 * (magnitude & 63),
        _ => 256 + 4 * (magnitude & 63),
    };
    if code < 0 { !value } else { value }
}

/// The nearest KV code of an integer, saturating; ties go away from zero.
#[inline]
pub const fn kv_encode(value: i32) -> i16 {
    let magnitude = if value < 0 { !value } else { value };
    let code = if magnitude < 128 {
        magnitude
    } else if magnitude < 255 {
        128 + ((magnitude - 128 + 1) >> 1)
    } else if magnitude < 508 {
        192 + ((magnitude - 256 + 2) >> 2)
    } else {
        255
    };
    (if value < 0 { !code } else { code }) as i16
}

/// One beat of the matrix unit on one tap: the sum of products, which wraps at 32 bits.
#[inline]
pub fn dot(weights: &[i16], activations: &[i16]) -> i32 {
    weights
        .iter()
        .zip(activations)
        .fold(0i32, |sum, (&weight, &activation)| sum.wrapping_add(i32::from(weight) * i32::from(activation)))
}

/// A sum as it leaves the matrix unit: shifted right, rounded, saturated to a word.
#[inline]
pub const fn normalise(sum: i32, shift: u32) -> i32 {
    saturate(round_shift(sum as i64, shift), WORD_BITS) as i32
}

/// A vector register lane as a multiplier operand.
#[inline]
pub const fn operand(vector: i32, shift: u32) -> i32 {
    saturate(round_shift(vector as i64, shift), WORD_BITS) as i32
}

/// Difference of two words, saturated to a word.
#[inline]
pub const fn subtract(x: i32, y: i32) -> i32 {
    saturate(x as i64 - y as i64, WORD_BITS) as i32
}

/// A product after its shift: rounded, saturated to [`SHIFTED_BITS`]. A negative shift counts as none, one above
/// [`SHIFT_MAX`] as [`SHIFT_MAX`].
#[inline]
pub const fn shift_product(product: i64, shift: i32) -> i32 {
    let shift = if shift < 0 {
        0
    } else if shift > SHIFT_MAX {
        SHIFT_MAX
    } else {
        shift
    };
    saturate(round_shift(product, shift as u32), SHIFTED_BITS) as i32
}

/// The vector unit's addition: saturated to a vector lane.
#[inline]
pub const fn add(x: i32, y: i32) -> i32 {
    saturate(x as i64 + y as i64, VECTOR_BITS) as i32
}

/// Factors and extra shift of the exponential: `2^(score / 2^7)` for a score that is not positive is
/// `first * second * 2^-(32 + shift)`. A positive score counts as zero.
#[inline]
pub const fn exp2_factors(score: i32) -> (i32, i32, i32) {
    let below = if score > 0 { 0 } else { -score };
    let fraction = below & ((1 << SCORE_FRACTION_BITS) - 1);
    (EXP2[fraction as usize], 1 << 16, below >> SCORE_FRACTION_BITS)
}

/// Table entry, slope and fraction of the sigmoid of `|x|` (one's complement magnitude): the sigmoid is
/// `base + round(slope * fraction / 2^12)`, and for a negative `x` [`SIGMOID_ONE`] minus that.
///
/// 32 segments of 1/8 on [0, 4), 16 of 1/4 on [4, 8), 16 of 1/2 on [8, 16).
#[inline]
pub const fn sigmoid_factors(x: i32) -> (i32, i32, i32) {
    let magnitude = if x < 0 { !x } else { x };
    let (index, fraction) = if magnitude < 4 << SIGMOID_ARGUMENT_FRACTION_BITS {
        (magnitude >> 10, (magnitude & 0x3ff) << 2)
    } else if magnitude < 8 << SIGMOID_ARGUMENT_FRACTION_BITS {
        (16 + (magnitude >> 11), (magnitude & 0x7ff) << 1)
    } else {
        (32 + (magnitude >> 12), magnitude & 0xfff)
    };
    let (base, slope) = SIGMOID[index as usize];
    (base, slope, fraction)
}

/// The sigmoid of a word with 13 fraction bits, with 17 fraction bits.
pub const fn sigmoid(x: i32) -> i32 {
    let (base, slope, fraction) = sigmoid_factors(x);
    let value = add(shift_product(slope as i64 * fraction as i64, 12), base);
    if x < 0 { SIGMOID_ONE - value } else { value }
}

/// A factor with its own binary point: `mantissa * 2^-exponent`. As a plain number the exponent is zero.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Scalar {
    /// 18 bits, signed.
    pub mantissa: i32,
    /// 6 bits, 0 to 63.
    pub exponent: i32,
}

impl Scalar {
    /// The scalar that always reads as one: 2^16 with exponent 16.
    pub const ONE: Scalar = Scalar { mantissa: 1 << 16, exponent: 16 };
}

/// The reciprocal of a sum: `mantissa * 2^-(17 + exponent)`, relative error below 2^-13. Zero counts as one.
pub const fn reciprocal(sum: u32) -> Scalar {
    let sum = if sum == 0 { 1 } else { sum };
    let zeros = sum.leading_zeros();
    let normal = sum << zeros;
    let (base, slope) = RECIPROCAL[((normal >> 25) & 63) as usize];
    Scalar { mantissa: interpolate(base, slope, normal), exponent: 31 - zeros as i32 }
}

/// The reciprocal square root of a sum: `mantissa * 2^-(17 + exponent)`, relative error below 2^-13. Zero counts as one.
pub const fn reciprocal_sqrt(sum: u32) -> Scalar {
    let sum = if sum == 0 { 1 } else { sum };
    let zeros = sum.leading_zeros();
    let power = 31 - zeros;
    let normal = sum << zeros;
    let (base, slope) = RECIPROCAL_SQRT[(((power & 1) << 6) | ((normal >> 25) & 63)) as usize];
    Scalar { mantissa: interpolate(base, slope, normal), exponent: (power / 2) as i32 }
}

/// Linear interpolation on bits 24..13 of a normalised sum, as the scalar unit does it.
const fn interpolate(base: i32, slope: i32, normal: u32) -> i32 {
    let fraction = ((normal >> 13) & 0xfff) as i64;
    base + round_shift(slope as i64 * fraction, 12) as i32
}

/// The random generator: L'Ecuyer's combined Tausworthe generator taus88 (Mathematics of Computation 65, 1996).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Taus88 {
    /// The three component states.
    pub state: [u32; 3],
}

impl Taus88 {
    /// Bits forced to one in each component state, so that no seed falls on its fixed point (states below 2, 8, 16).
    pub const SEED_MASK: [u32; 3] = [2, 8, 16];
    /// What is added to the seed for each component.
    pub const SEED_STEP: [u32; 3] = [0, 0x9e37_79b9, 0x3c6e_f372];

    /// Starts from a seed.
    pub const fn new(seed: u32) -> Self {
        let mut state = [0; 3];
        let mut index = 0;
        while index < 3 {
            state[index] = seed.wrapping_add(Self::SEED_STEP[index]) | Self::SEED_MASK[index];
            index += 1;
        }
        Self { state }
    }

    /// Advances, then returns 32 random bits.
    pub const fn next(&mut self) -> u32 {
        let [a, b, c] = self.state;
        let a = ((a & 0xffff_fffe) << 12) ^ (((a << 13) ^ a) >> 19);
        let b = ((b & 0xffff_fff8) << 4) ^ (((b << 2) ^ b) >> 25);
        let c = ((c & 0xffff_fff0) << 17) ^ (((c << 3) ^ c) >> 11);
        self.state = [a, b, c];
        a ^ b ^ c
    }
}

/// A Gumbel-distributed number from random bits, in base-2 units with 11 fraction bits, up to a constant:
/// `-log2(-log2(1 - u))` with `u = bits / 2^32`. It is `-log2(u) - h(u)`, and `h(u) = log2(-log2(1 - u) / u)` is smooth
/// where `u` is small, which is where the large values come from.
pub const fn gumbel(bits: u32) -> i32 {
    let bits = if bits == 0 { 1 } else { bits };
    let zeros = bits.leading_zeros();
    let fraction = ((bits << zeros) >> 23) & 0xff;
    let minus_log2 = (((zeros + 1) << NOISE_FRACTION_BITS) as i32) - LOG2[fraction as usize];
    minus_log2 - GUMBEL_TAIL[(bits >> 24) as usize]
}

include!("tables.rs");
