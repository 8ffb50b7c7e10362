//! Factors of the exponential of a score that is not positive: `lpu_isa::arith::exp2_factors` of a saturated score.
//!
//! ```text
//!  below ─┬─► low 7 bits ─► table ──────────────► factor
//!         └─► negative or above 2^17? ─┬────────► at_edge
//!                                      └─► limit ► extra
//! ```
//!
//! | port     | dir | width | meaning                                            | cycle |
//! |----------|-----|------:|----------------------------------------------------|-------|
//! | `below`  | in  |    19 | signed, the score's negative before saturation     | `t`   |
//! | `factor` | out |    18 | table entry of the fraction, not negative          | `t`   |
//! | `at_edge` | out |    1 | the score is at a limit: the factor is entry 0     | `t`   |
//! | `extra`  | out |    11 | further right shift: the whole octaves of the score | `t`   |
//!
//! The second factor of `exp2_factors` is the constant 2^16. The table is made of look-up tables, printed from the
//! ISA; it is asked before it is known whether the score is in range.

use super::rom_by_bits;
use crate::dialect::*;
use lpu_isa::arith;

/// The factor of a score at a limit.
pub const EDGE_FACTOR: u64 = arith::EXP2[0] as u64;

combinational! {
    /// Table and shift of the exponential.
    Exp2Table(signed below: 19) -> (unsigned factor: 18, unsigned at_edge: 1, unsigned extra: 11);
    model |below: i64| {
        let limited = below.clamp(0, 1 << 17);
        let (_, _, extra) = arith::exp2_factors(-(limited as i32));
        (i64::from(arith::EXP2[(below & 0x7f) as usize]), i64::from(!(0..1 << 17).contains(&below)), i64::from(extra))
    };
    verilog format!(
        "{}assign at_edge = below[18] || below[17];
assign extra = below[18] ? 11'd0 : below[17] ? 11'd1024 : {{1'b0, below[16:7]}};",
        rom_by_bits("below[6:0]", "factor", 18, &arith::EXP2.map(|entry| entry as u64)),
    );
    // Factor and shift are the power of two itself, as real numbers have it; beyond the limits there is one, or next to none.
    property |below, factor, at_edge, extra| {
        let exponent = (factor as f64 / 65536.0).log2() - extra as f64;
        match below {
            0..131_072 => at_edge == 0 && (exponent + below as f64 / 128.0).abs() < 1.0 / 32768.0,
            _ => at_edge == 1 && extra == if below < 0 { 0 } else { 1024 },
        }
    };
}

/// Bits of `below` that index the table in the Verilog text above, and the largest shift that they leave.
const _: () = assert!(arith::SCORE_FRACTION_BITS == 7 && arith::EXP2.len() == 128);
