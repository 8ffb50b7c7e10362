//! Tables of the scalar unit, and their interpolation: `lpu_isa::arith::reciprocal` and `reciprocal_sqrt` after the
//! sum has been normalised.
//!
//! [`ReciprocalTable`]:
//!
//! | port    | dir | width | meaning                                       | cycle |
//! |---------|-----|------:|-----------------------------------------------|-------|
//! | `root`  | in  |     1 | square root                                   | `t`   |
//! | `odd`   | in  |     1 | the sum's power of two is odd                 | `t`   |
//! | `index` | in  |     6 | bits below the normal sum's highest one       | `t`   |
//! | `base`  | out |    18 | not negative                                  | `t`   |
//! | `slope` | out |    18 | signed                                        | `t`   |

use super::rom_by_bits;
use lpu_isa::arith::{RECIPROCAL, RECIPROCAL_SQRT};
use rust_hdl::prelude::*;

fn entry(root: i64, odd: i64, index: i64) -> (i64, i64) {
    let (base, slope) = match root {
        0 => RECIPROCAL[index as usize],
        _ => RECIPROCAL_SQRT[(odd << 6 | index) as usize],
    };
    (i64::from(base), i64::from(slope))
}

combinational! {
    /// Base and slope of a segment.
    ReciprocalTable(unsigned root: 1, unsigned odd: 1, unsigned index: 6) -> (unsigned base: 18, signed slope: 18);
    model entry;
    verilog {
        let packed = |at: i64| {
            let (base, slope) = entry(at >> 7, at >> 6 & 1, at & 63);
            (base as u64) << 18 | (slope as u64 & 0x3_ffff)
        };
        let entries: Vec<u64> = (0..256).map(packed).collect();
        format!(
            "logic [7:0] place;\nlogic [35:0] found;\nassign place = {{root, odd, index}};\n{}assign {{base, slope}} = found;",
            rom_by_bits("place", "found", 36, &entries)
        )
    };
}

/// Tables are read in the order of their segments, and bases are not negative.
const _: () = assert!(RECIPROCAL.len() == 64 && RECIPROCAL_SQRT.len() == 128);
