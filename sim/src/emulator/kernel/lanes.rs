//! Lanes of the vector unit, and of sums on their way to vector memory.

use lpu_isa::arith::{SHIFT_MAX, SHIFTED_BITS, VECTOR_BITS, WORD_BITS, exp2_factors, sigmoid};
use lpu_isa::instruction::{Function, Vector};
use multiversion::multiversion;

/// Operands of the vector unit: words, addends of [`VECTOR_BITS`], and the scalar exponent of each half of the lanes.
pub struct Operands<const V: usize> {
    pub x: [i32; V],
    pub b: [i32; V],
    pub c: [i32; V],
    pub exponents: [i32; 2],
}

/// The function, with shift and addition: the result, and whether a lane saturated. Part of its caller, which is compiled for the vector unit.
#[inline(always)]
pub fn compute<const V: usize>(vector: &Vector, operands: &Operands<V>) -> ([i32; V], bool) {
    let Operands { x, b, c, exponents } = operands;
    let mut y = [0; V];
    let mut lost = 0;
    match vector.function {
        Function::Sigmoid => y = x.map(sigmoid),
        Function::Multiply => {
            for (half, exponent) in exponents.iter().enumerate() {
                let shift = (vector.shift + exponent).clamp(0, SHIFT_MAX);
                let rounding = (1i64 << shift) >> 1;
                for lane in half * V / 2..(half + 1) * V / 2 {
                    let product = i64::from(x[lane]) * i64::from(b[lane]);
                    y[lane] = add((product + rounding) >> shift, c[lane], &mut lost);
                }
            }
        }
        Function::Exp2 => {
            for lane in 0..V {
                let (coarse, fine, extra) = exp2_factors(x[lane]);
                // A likelihood has no sign, and such numbers the vector unit shifts each by its own count.
                let product = coarse as u64 * fine as u64;
                let shift = (vector.shift + extra).clamp(0, SHIFT_MAX);
                let rounding = (1u64 << shift) >> 1;
                y[lane] = add(((product + rounding) >> shift) as i64, c[lane], &mut lost);
            }
        }
    }
    (y, lost != 0)
}

/// [`lpu_isa::arith::add`] of a product that is shifted but not saturated yet; bits are set in `lost` where either saturates.
#[inline(always)]
fn add(exact: i64, addend: i32, lost: &mut i64) -> i32 {
    let (least, most) = (-(1 << (SHIFTED_BITS - 1)), (1 << (SHIFTED_BITS - 1)) - 1);
    let shifted = exact.clamp(least, most);
    let sum = (shifted as i32).wrapping_add(addend);
    let result = saturated(sum, VECTOR_BITS);
    *lost |= (shifted ^ exact) | i64::from(sum ^ result);
    result
}

/// The number, or the nearest one of so many bits.
#[inline(always)]
pub fn saturated(number: i32, bits: u32) -> i32 {
    number.clamp(-(1 << (bits - 1)), (1 << (bits - 1)) - 1)
}

/// [`lpu_isa::arith::operand`] of lanes of [`VECTOR_BITS`].
#[inline(always)]
pub fn words<const V: usize>(lanes: [i32; V], shift: u32) -> [i32; V] {
    let rounding = (1 << shift) >> 1;
    lanes.map(|lane| saturated((lane + rounding) >> shift, WORD_BITS))
}

/// [`lpu_isa::arith::normalise`] of sums; whether one saturated.
#[multiversion(targets("x86_64+avx2"))]
pub fn round_sums(sums: &[i32], shift: u32, words: &mut [i32]) -> bool {
    let mut lost = 0;
    for (word, &sum) in words.iter_mut().zip(sums) {
        // The bit below the point rounds, so that 32 bits are enough.
        let exact = if shift == 0 { sum } else { (sum >> shift) + (sum >> (shift - 1) & 1) };
        *word = saturated(exact, WORD_BITS);
        lost |= *word ^ exact;
    }
    lost != 0
}

#[cfg(test)]
mod tests {
    use super::super::random;
    use super::*;
    use lpu_isa::arith::{self, WORD_MAX, WORD_MIN};

    const V: usize = 16;

    /// Numbers of so many bits, the extreme ones among them.
    fn numbers(seed: u64, bits: u32) -> [i32; V] {
        let bytes = random(seed, 4 * V);
        let mut lanes = [0; V];
        for (index, (lane, bytes)) in lanes.iter_mut().zip(bytes.as_chunks().0).enumerate() {
            let number = i32::from_le_bytes(*bytes) >> (32 - bits);
            *lane = match index {
                0 => i32::MIN >> (32 - bits),
                1 => i32::MAX >> (32 - bits),
                2 => 0,
                _ => number,
            };
        }
        lanes
    }

    #[test]
    fn lanes_are_computed_as_the_instruction_set_says() {
        for (seed, function) in
            [Function::Multiply, Function::Exp2, Function::Sigmoid].into_iter().enumerate()
        {
            for shift in -3..60 {
                let seed = (seed as u64) << 32 | (shift + 9) as u64;
                let (x, b) = (numbers(seed, WORD_BITS), numbers(seed ^ 0xff00, WORD_BITS));
                let operands =
                    Operands { x, b, c: numbers(seed ^ 0xff_0000, VECTOR_BITS), exponents: [0, 5] };
                let (y, lost) = compute(&Vector { function, shift, ..Vector::default() }, &operands);
                let mut clipped = false;
                for lane in 0..V {
                    let (first, second, extra) = match function {
                        Function::Multiply => (x[lane], b[lane], operands.exponents[lane / (V / 2)]),
                        _ => exp2_factors(x[lane]),
                    };
                    let product = i64::from(first) * i64::from(second);
                    let shifted = arith::shift_product(product, shift + extra);
                    let sum = arith::add(shifted, operands.c[lane]);
                    let exact = arith::round_shift(product, (shift + extra).clamp(0, SHIFT_MAX) as u32);
                    clipped |= i64::from(sum) != exact + i64::from(operands.c[lane]);
                    let expected = if function == Function::Sigmoid { sigmoid(x[lane]) } else { sum };
                    assert_eq!(y[lane], expected, "{function:?} of {}, shift {shift}", x[lane]);
                }
                assert_eq!(lost, clipped && function != Function::Sigmoid, "{function:?}, shift {shift}");
            }
        }
    }

    #[test]
    fn words_are_rounded_and_saturated() {
        for shift in 0..8 {
            let lanes = numbers(shift.into(), VECTOR_BITS);
            assert_eq!(words(lanes, shift), lanes.map(|lane| arith::operand(lane, shift)));
        }
    }

    #[test]
    fn sums_are_rounded_and_saturated() {
        for shift in 0..32 {
            let sums = numbers(shift.into(), 32);
            let mut words = [0; V];
            let lost = round_sums(&sums, shift, &mut words);
            assert_eq!(words, sums.map(|sum| arith::normalise(sum, shift)), "shift {shift}");
            let exact = sums.map(|sum| arith::round_shift(sum.into(), shift));
            let fits = exact.iter().all(|exact| (WORD_MIN.into()..=WORD_MAX.into()).contains(exact));
            assert_eq!(lost, !fits, "shift {shift}");
            assert!(!round_sums(&[5, -9], shift, &mut [0; 2]));
        }
    }
}
