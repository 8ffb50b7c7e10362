//! Tables of the scalar unit, and their interpolation: `lpu_isa::arith::reciprocal` and `reciprocal_sqrt` after the
//! sum has been normalised.
//!
//! [`ReciprocalTable`]:
//!
//! | port    | dir | width | meaning                                                            | cycle |
//! |---------|-----|------:|--------------------------------------------------------------------|-------|
//! | `index` | in  | 3 x 6 | bits below the normal sum's highest one, a copy for each table     | `t`   |
//! | `once`, `even`, `odd` | out | 36 | base (18 bits, not negative) above slope (18 bits, signed): of the reciprocal, of the root for an even and an odd power of two | `t` |
//!
//! The caller chooses one of the three after a register: a table of 64 entries is one level of logic, one of 256 is two.

use super::rom_by_bits;
use crate::dialect::*;
use lpu_isa::arith::{RECIPROCAL, RECIPROCAL_SQRT};

fn packed((base, slope): (i32, i32)) -> u64 {
    (base as u64) << 18 | (slope as u64 & 0x3_ffff)
}

combinational! {
    /// Base and slope of a segment of each function.
    ReciprocalTable(unsigned index: 18) -> (unsigned once: 36, unsigned even: 36, unsigned odd: 36);
    model |index: i64| {
        let at = |copy: i64| (index >> (6 * copy) & 63) as usize;
        let root = |at: usize| packed(RECIPROCAL_SQRT[at]) as i64;
        (packed(RECIPROCAL[at(0)]) as i64, root(at(1)), root(64 + at(2)))
    };
    verilog {
        let words = |table: &[(i32, i32)]| table.iter().map(|&entry| packed(entry)).collect::<Vec<u64>>();
        let (even, odd) = RECIPROCAL_SQRT.split_at(64);
        [
            rom_by_bits("index[5:0]", "once", 36, &words(&RECIPROCAL)),
            rom_by_bits("index[11:6]", "even", 36, &words(even)),
            rom_by_bits("index[17:12]", "odd", 36, &words(odd)),
        ]
        .concat()
    };
    // Both ends of the segment lie on the reciprocal, or on the reciprocal root, as real numbers have it.
    property |index, once, even, odd| {
        let x = |step: i64| 1.0 + step as f64 / 64.0;
        let lies = |word: i64, copy: i64, exact: fn(f64) -> f64| {
            let (base, slope) = (word >> 18, ((word & 0x3_ffff) ^ 0x2_0000) - 0x2_0000);
            let step = index >> (6 * copy) & 63;
            let near = |found: i64, step: i64| (found as f64 / 131_072.0 / exact(x(step)) - 1.0).abs() < 1.0 / 8192.0;
            near(base, step) && near(base + slope, step + 1)
        };
        lies(once, 0, |x| 1.0 / x) && lies(even, 1, |x| 1.0 / x.sqrt()) && lies(odd, 2, |x| 1.0 / (2.0 * x).sqrt())
    };
}

/// Tables are read in the order of their segments, and bases are not negative.
const _: () = assert!(RECIPROCAL.len() == 64 && RECIPROCAL_SQRT.len() == 128);
