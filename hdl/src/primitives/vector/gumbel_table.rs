//! Tables of the Gumbel transform, read four entries at a time: `lpu_isa::arith::LOG2` and `GUMBEL_TAIL`.
//!
//! | port       | dir | width | meaning                                              | cycle |
//! |------------|-----|------:|------------------------------------------------------|-------|
//! | `fraction` | in  |     6 | low bits of the index into `LOG2`                    | `t`   |
//! | `place`    | in  |     6 | low bits of the index into `GUMBEL_TAIL`             | `t`   |
//! | `log2`     | out |  4 x 11 | entries for each value of the index's two high bits | `t`   |
//! | `tail`     | out |  4 x 13 | likewise                                            | `t`   |
//!
//! The caller chooses among the four after a register: a table of 64 entries is one level of logic, one of 256 is two.
//! The tables are logic: the chip has no block RAM to spare.

use super::rom_by_bits;
use crate::dialect::*;
use lpu_isa::arith::{GUMBEL_TAIL, LOG2};

/// Entry `index` of each quarter of a table, side by side.
fn quarters(table: &[i32; 256], bits: u32, index: usize) -> u64 {
    (0..4).fold(0, |word, quarter| word | (table[64 * quarter + index] as u64) << (bits * quarter as u32))
}

combinational! {
    /// Four entries of both tables.
    GumbelTable(unsigned fraction: 6, unsigned place: 6) -> (unsigned log2: 44, unsigned tail: 52);
    model |fraction: i64, place: i64| {
        (quarters(&LOG2, 11, fraction as usize) as i64, quarters(&GUMBEL_TAIL, 13, place as usize) as i64)
    };
    verilog {
        let words = |table: &[i32; 256], bits: u32| (0..64).map(|at| quarters(table, bits, at)).collect::<Vec<u64>>();
        let log2 = rom_by_bits("fraction", "log2", 44, &words(&LOG2, 11));
        format!("{log2}{}", rom_by_bits("place", "tail", 52, &words(&GUMBEL_TAIL, 13)))
    };
    // The entries are the functions themselves, as real numbers have them.
    property |fraction, place, log2, tail| {
        let near = |entry: i64, exact: f64| (entry as f64 / 2048.0 - exact).abs() < 1.0 / 2048.0;
        (0..4).all(|quarter| {
            let middle = |index: i64| ((64 * quarter + index) as f64 + 0.5) / 256.0;
            let u = middle(place);
            near(log2 >> (11 * quarter) & 0x7ff, (1.0 + middle(fraction)).log2())
                && near(tail >> (13 * quarter) & 0x1fff, (-(1.0 - u).log2() / u).log2())
        })
    };
}
