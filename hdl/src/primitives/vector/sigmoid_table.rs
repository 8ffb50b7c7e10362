//! Table of the sigmoid in two steps: `lpu_isa::arith::sigmoid_factors`, and the sign by which the result is
//! complemented.
//!
//! ```text
//!  x ──► saturate ──► magnitude (one's complement) ─┬─► segment of 1/8, 1/4 or 1/2 ──► [`SigmoidTable`] ──► addend, slope
//!                                                   └─► place in the segment ────────► fraction
//! ```
//!
//! [`SigmoidPlace`]:
//!
//! | port       | dir | width | meaning                                                | cycle |
//! |------------|-----|------:|--------------------------------------------------------|-------|
//! | `x`        | in  |    19 | signed, 13 fraction bits, before saturation to 18 bits | `t`   |
//! | `segment`  | out |     6 | entry of the table                                     | `t`   |
//! | `fraction` | out |    12 | place in the segment                                   | `t`   |
//!
//! [`SigmoidTable`]:
//!
//! | port       | dir | width | meaning                                                | cycle |
//! |------------|-----|------:|--------------------------------------------------------|-------|
//! | `segment`  | in  |     6 |                                                        | `t`   |
//! | `negative` | in  |     1 | `x` is negative                                        | `t`   |
//! | `addend`   | out |    17 | base, or `SIGMOID_ONE - base` for a negative `x`       | `t`   |
//! | `slope`    | out |    12 | not negative                                           | `t`   |
//!
//! The sigmoid is `addend + round(slope * fraction / 2^12)`, with a minus for a negative `x`. `SIGMOID_ONE` is all
//! ones and no base is larger, so `SIGMOID_ONE - base` is the complement of the base's bits.

use super::rom_by_bits;
use crate::dialect::*;
use lpu_isa::arith::{self, SIGMOID, SIGMOID_ONE, WORD_BITS, saturate};

/// Segment and place of a word.
mod place {
    use super::*;

    combinational! {
        /// Where in the table a number lies.
        SigmoidPlace(signed x: 19) -> (unsigned segment: 6, unsigned fraction: 12);
        model |x: i64| {
            let word = saturate(x, WORD_BITS);
            let magnitude = if word < 0 { !word } else { word };
            let octave = if magnitude < 1 << 15 { 0 } else if magnitude < 1 << 16 { 1 } else { 2 };
            let (_, _, fraction) = arith::sigmoid_factors(word as i32);
            (16 * octave + (magnitude >> (10 + octave)), i64::from(fraction))
        };
        verilog crate::primitives::body(include_str!("sigmoid_place.sv"));
        // The segment's begin and the fraction of its width together are the magnitude.
        property |x, segment, fraction| {
            let octave = (segment / 16 - 1).max(0);
            let begin = (segment - 16 * octave) << (10 + octave);
            begin + (fraction >> (2 - octave)) == if x < 0 { !x } else { x }.min(131_071)
        };
    }
}

pub use place::SigmoidPlace;

combinational! {
    /// Addend and slope of a segment.
    SigmoidTable(unsigned segment: 6, unsigned negative: 1) -> (unsigned addend: 17, unsigned slope: 12);
    model |segment: i64, negative: i64| {
        let (base, slope) = SIGMOID[segment as usize];
        (i64::from(if negative == 1 { SIGMOID_ONE - base } else { base }), i64::from(slope))
    };
    verilog format!("\
logic [28:0] entry;
{}assign addend = entry[28:12] ^ {{17{{negative}}}};
assign slope = entry[11:0];", rom_by_bits("segment", "entry", 29, &SIGMOID.map(|(base, slope)| (base as u64) << 12 | slope as u64)));
    // Both ends of the segment lie on the sigmoid, as real numbers have it.
    property |segment, negative, addend, slope| {
        let octave = (segment / 16 - 1).max(0);
        let end = |at: i64| ((at - 16 * octave) << (10 + octave)) as f64 / 8192.0;
        let sign = if negative == 1 { -1.0 } else { 1.0 };
        let near = |found: f64, x: f64| (found - 131_072.0 / (1.0 + (-sign * x).exp())).abs() <= 32.0;
        near(addend as f64, end(segment)) && near(addend as f64 + sign * slope as f64, end(segment + 1))
    };
}

/// What the Verilog text takes for granted of the table.
const _: () = {
    let mut index = 0;
    while index < SIGMOID.len() {
        assert!(SIGMOID[index].0 >= 0 && SIGMOID[index].0 <= SIGMOID_ONE);
        assert!(SIGMOID[index].1 >= 0 && SIGMOID[index].1 < 1 << 12);
        index += 1;
    }
    assert!(arith::SIGMOID_ARGUMENT_FRACTION_BITS == 13 && SIGMOID_ONE == (1 << 17) - 1);
};

#[cfg(test)]
mod tests {
    use super::*;

    /// Place and table together are the contract's factors, for every word.
    #[test]
    fn place_and_table_are_the_factors() {
        for x in -(1 << 17)..1 << 17 {
            let (segment, fraction) = SigmoidPlace::model(x);
            let (base, slope) = SigmoidTable::model(segment, 0);
            let (b, s, f) = arith::sigmoid_factors(x as i32);
            assert_eq!((base, slope, fraction), (b.into(), s.into(), f.into()), "{x}");
        }
    }
}
