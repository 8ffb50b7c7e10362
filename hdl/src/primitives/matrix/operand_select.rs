//! The matrix operand of a lane: a weight as it is, or a KV code decoded.
//!
//! ```text
//!  weight ──► sign-extend ──┐
//!                           ├─► operand
//!  code ────► kv_decode ────┘
//!  from_kv ── chooses
//! ```
//!
//! | port      | dir | width | meaning                                | cycle |
//! |-----------|-----|------:|----------------------------------------|-------|
//! | `weight`  | in  |     9 | signed                                 | `t`   |
//! | `code`    | in  |     9 | KV code                                | `t`   |
//! | `from_kv` | in  |     1 | take the code                          | `t`   |
//! | `operand` | out |    10 | signed: the number that they stand for | `t`   |
//!
//! In magnitudes, a code from 128 to 191 is `10xxxxxx` and stands for `0_1xxxxxx0`, one from 192 is `11xxxxxx` and stands for
//! `1_xxxxxx00`. A negative code is the complement on both sides, so its bits `x` move as they are, and what was a
//! zero is the sign. That leaves a choice of four for each bit, with two select lines in common.
//!
//! # Invariants
//! 1. With `from_kv`, `operand` is [`kv_decode`] of `code`; else it is `weight`.

use crate::dialect::*;
use crate::primitives::body;
use crate::primitives::value::{bits_of, signed_of};
use lpu_isa::arith::kv_decode;

/// Selection and decoding.
#[derive(LogicBlock, Default)]
pub struct OperandSelect {
    pub weight: Signal<In, Bits<9>>,
    pub code: Signal<In, Bits<9>>,
    pub from_kv: Signal<In, Bit>,
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

impl Logic for OperandSelect {
    fn update(&mut self) {
        let (weight, code) = (signed_of(self.weight.val()), signed_of(self.code.val()));
        self.operand.next = bits_of(Self::model(weight, code, self.from_kv.val()));
    }

    fn hdl(&self) -> Verilog {
        Verilog::Custom(body(include_str!("operand_select.sv")))
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
