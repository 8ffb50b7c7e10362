//! Factors of the exponential of a score that is not positive: `lpu_isa::arith::exp2_factors`.
//!
//! | port     | dir | width | meaning                                            | cycle |
//! |----------|-----|------:|----------------------------------------------------|-------|
//! | `below`  | in  |    18 | the score's negative, 0 to 2^17                    | `t`   |
//! | `factor` | out |    18 | table entry of the fraction, not negative          | `t`   |
//! | `extra`  | out |    11 | further right shift: the whole octaves of the score | `t`   |
//!
//! The second factor of `exp2_factors` is the constant 2^16. The table is made of look-up tables, printed from the ISA.

use super::rom;
use lpu_isa::arith;
use rust_hdl::prelude::*;

combinational! {
    /// Table and shift of the exponential.
    Exp2Table(unsigned below: 18) -> (unsigned factor: 18, unsigned extra: 11);
    model |below: i64| {
        let (factor, _, extra) = arith::exp2_factors(-(below as i32));
        (i64::from(factor), i64::from(extra))
    };
    verilog format!(
        "{}assign extra = below[17:{}];",
        rom("below[6:0]", 7, "factor", 18, arith::EXP2.iter().map(|&entry| entry as u64)),
        arith::SCORE_FRACTION_BITS
    );
}

/// Bits of `below` that index the table in the Verilog text above.
const _: () = assert!(arith::SCORE_FRACTION_BITS == 7 && arith::EXP2.len() == 128);
