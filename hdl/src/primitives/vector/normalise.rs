//! The normal form of a number: shifted left until its highest one is at the top, first by bytes and then by bits.
//!
//! [`NormaliseBytes`]:
//!
//! | port     | dir | width | meaning                                                   | cycle |
//! |----------|-----|------:|-----------------------------------------------------------|-------|
//! | `x`      | in  |    32 | unsigned                                                  | `t`   |
//! | `zeros`  | out |     2 | zero bytes above the highest one that is not; 3 for zero  | `t`   |
//! | `normal` | out |    32 | `x << (8 * zeros)`                                        | `t`   |
//!
//! [`NormaliseBits`]:
//!
//! | port     | dir | width | meaning                                                   | cycle |
//! |----------|-----|------:|-----------------------------------------------------------|-------|
//! | `x`      | in  |    32 | unsigned                                                  | `t`   |
//! | `zeros`  | out |     3 | zeros at the top of the highest byte; 7 if it is zero     | `t`   |
//! | `normal` | out |    32 | `x << zeros`                                              | `t`   |
//!
//! Both in a row, with a register between them, count 31 leading zeros for a one and for zero alike.

use rust_hdl::prelude::*;

/// Whole bytes.
mod bytes {
    use super::*;

    combinational! {
        /// Shift by bytes.
        NormaliseBytes(unsigned x: 32) -> (unsigned zeros: 2, unsigned normal: 32);
        model |x: i64| {
            let zeros = i64::from((x as u32 | 1).leading_zeros() / 8);
            (zeros, x << (8 * zeros) & 0xffff_ffff)
        };
        verilog "\
logic [2:0] none;
assign none = {x[31:24] == 8'h0, x[23:16] == 8'h0, x[15:8] == 8'h0};
assign zeros = !none[2] ? 2'd0 : !none[1] ? 2'd1 : !none[0] ? 2'd2 : 2'd3;
assign normal = x << {zeros, 3'h0};".into();
        // Nothing is lost, and the top byte holds something if anything does.
        property |x, zeros, normal| normal >> (8 * zeros) == x && (normal >> 24 != 0 || x == 0);
    }
}

pub use bytes::NormaliseBytes;

combinational! {
    /// Shift by bits.
    NormaliseBits(unsigned x: 32) -> (unsigned zeros: 3, unsigned normal: 32);
    model |x: i64| {
        let zeros = i64::from((x >> 24 | 1).leading_zeros() - 56);
        (zeros, x << zeros & 0xffff_ffff)
    };
    verilog "\
logic no_high;
logic no_high_pair;
logic no_low_pair;
assign no_high = x[31:28] == 4'h0;
assign no_high_pair = x[31:30] == 2'h0;
assign no_low_pair = x[27:26] == 2'h0;
assign zeros[2] = no_high;
assign zeros[1] = no_high ? no_low_pair : no_high_pair;
assign zeros[0] = !no_high ? (no_high_pair ? !x[29] : !x[31]) : no_low_pair ? !x[25] : !x[27];
assign normal = x << zeros;".into();
    // The highest one of the top byte is on top.
    property |x, zeros, normal| {
        if x >> 24 == 0 { zeros == 7 } else { normal >> 31 == 1 && normal >> zeros == x }
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Needs no model: both steps together leave the highest one at the top and count what they shifted.
    #[test]
    fn both_steps_find_the_highest_one() {
        for place in 0..32 {
            for x in [1 << place, (1 << place) + ((1 << place) >> 1), (2 << place) - 1] {
                let (bytes, shifted) = NormaliseBytes::model(x);
                let (bits, normal) = NormaliseBits::model(shifted);
                assert_eq!(normal >> 31, 1, "{x}");
                assert_eq!(normal >> (8 * bytes + bits), x);
            }
        }
    }
}
