//! The matrix operand of a lane: a weight as it is, or a KV code decoded.
//!
//! ```text
//!  weight ─────────┬──────────────────► sign-extend ──┐
//!                  ├─► raw                            ├─► operand
//!  code ───────────┴──────────────────► kv_decode ────┘
//!  from_kv ── chooses
//! ```
//!
//! | port      | dir | width | meaning                                | cycle |
//! |-----------|-----|------:|----------------------------------------|-------|
//! | `weight`  | in  |     9 | signed                                 | `t`   |
//! | `code`    | in  |     9 | KV code                                | `t`   |
//! | `from_kv` | in  |     1 | take the code                          | `t`   |
//! | `raw`     | out |     9 | the bits chosen                        | `t`   |
//! | `operand` | out |    10 | signed: the number that they stand for | `t`   |
//!
//! # Invariants
//! 1. With `from_kv`, `operand` is [`kv_decode`] of `code`; else it is `weight`.

use crate::kind::Kind;
use crate::primitives::value::{bits_of, signed_of};
use lpu_isa::arith::kv_decode;
use rust_hdl::prelude::*;

/// Selection and decoding.
#[derive(LogicBlock, Default)]
pub struct OperandSelect {
    pub weight: Signal<In, Bits<9>>,
    pub code: Signal<In, Bits<9>>,
    pub from_kv: Signal<In, Bit>,
    pub raw: Signal<Out, Bits<9>>,
    pub operand: Signal<Out, Bits<10>>,
    kind: Kind<Self>,
}

impl OperandSelect {
    /// Cycles from inputs to outputs.
    pub const LATENCY: usize = 0;

    /// What the block computes: the number that `weight` or `code` stands for.
    pub fn model(weight: i64, code: i64, from_kv: bool) -> i64 {
        if from_kv { i64::from(kv_decode(code as i16)) } else { weight }
    }
}

/// A negative code is inverted, its magnitude spread, and the result inverted again. Bit 8 of the magnitude is never
/// set. Magnitudes from 128 to 191 count in twos from 128, those from 192 in fours from 256.
const VERILOG: &str = "\
logic [7:0] magnitude;
logic [8:0] spread;
assign magnitude = code[7:0] ^ {8{code[8]}};
always_comb begin
    case (magnitude[7:6])
        2'b10: spread = {2'b01, magnitude[5:0], 1'b0};
        2'b11: spread = {1'b1, magnitude[5:0], 2'b00};
        default: spread = {1'b0, magnitude};
    endcase
end
assign raw = from_kv ? code : weight;
assign operand = from_kv ? {code[8], spread ^ {9{code[8]}}} : {weight[8], weight};";

impl Logic for OperandSelect {
    fn update(&mut self) {
        let (weight, code) = (signed_of(self.weight.val()), signed_of(self.code.val()));
        self.raw.next = if self.from_kv.val() { self.code.val() } else { self.weight.val() };
        self.operand.next = bits_of(Self::model(weight, code, self.from_kv.val()));
    }

    fn connect(&mut self) {
        self.raw.connect();
        self.operand.connect();
    }

    fn hdl(&self) -> Verilog {
        Verilog::Custom(VERILOG.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::{Bench, Response};
    use crate::emit::emit;

    /// All 512 codes and weights, once chosen and once not.
    fn responses() -> Response {
        let bench = Bench::new(&emit(&mut OperandSelect::default(), "operand_select").unwrap()).unwrap();
        let mut stimulus = bench.stimulus();
        for from_kv in [0, 1] {
            for code in -256..256 {
                stimulus.cycle().set_signed("weight", code).set_signed("code", code).set("from_kv", from_kv);
            }
        }
        bench.run(&stimulus).unwrap()
    }

    #[test]
    fn every_code_stands_for_its_number() {
        let response = responses();
        for t in 0..1024 {
            let code = t as i64 % 512 - 256;
            assert_eq!(response.signed(t, "operand"), OperandSelect::model(code, code, t >= 512), "{code}");
            assert_eq!(response.signed(t, "raw"), code);
        }
    }

    /// Needs no model: larger codes stand for larger numbers, and `!code` for `!number`.
    #[test]
    fn decoding_ascends_and_is_symmetric() {
        let response = responses();
        for t in 512..1023 {
            assert!(response.signed(t, "operand") < response.signed(t + 1, "operand"), "row {t}");
            assert_eq!(response.signed(t, "operand"), !response.signed(1535 - t, "operand"), "row {t}");
        }
    }
}
