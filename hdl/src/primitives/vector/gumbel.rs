//! Random bits to a Gumbel-distributed number: `lpu_isa::arith::gumbel`.
//!
//! ```text
//!  bits ─┬─► leading zeros, fraction ─►[reg]─► zeros + 1 - LOG2 ─►[reg]─► - GUMBEL_TAIL ─►[reg]─► value
//!        └─► top byte ────────────────►[reg]────────────────────►[reg]────┘
//!                                     stage 1                   stage 2                  stage 3
//! ```
//!
//! The tables are logic: the chip has no block RAM to spare.
//!
//! | port    | dir | width | meaning                          | cycle   |
//! |---------|-----|------:|----------------------------------|---------|
//! | `clock` | in  |     1 |                                  |         |
//! | `bits`  | in  |    32 | random                           | `t`     |
//! | `value` | out |    18 | signed, 11 fraction bits         | `t + 3` |
//!
//! Throughput: one number a cycle.
//!
//! # Invariants
//! 1. `value` at `t + LATENCY` depends only on `bits` at `t`.

use super::rom_by_bits;
use crate::kind::Kind;
use crate::primitives::value::bits_of;
use lpu_isa::arith::{self, GUMBEL_TAIL, LOG2};
use rust_hdl::prelude::*;
use std::collections::VecDeque;

/// Leading zeros, tables and sum.
#[derive(LogicBlock)]
pub struct Gumbel {
    pub clock: Signal<In, Clock>,
    pub bits: Signal<In, Bits<32>>,
    pub value: Signal<Out, Bits<18>>,
    _held: VecDeque<u32>,
    kind: Kind<Self>,
}

impl Gumbel {
    /// Cycles from bits to value.
    pub const LATENCY: usize = 3;
}

impl Default for Gumbel {
    fn default() -> Self {
        Self {
            clock: Signal::default(),
            bits: Signal::default(),
            value: Signal::default(),
            _held: VecDeque::from([0; Self::LATENCY - 1]),
            kind: Kind::default(),
        }
    }
}

const BEHAVIOUR: &str = "\
logic [4:0] zeros_found;
logic [31:0] normal;
logic [4:0] zeros;
logic [7:0] fraction;
logic [7:0] place;
logic [7:0] place_later;
logic [10:0] log2_entry;
logic [12:0] tail_entry;
logic [17:0] minus_log2;
always_comb begin
    zeros_found = 5'd31;
    for (int i = 0; i < 32; i++) if (bits[i]) zeros_found = 5'd31 - i[4:0];
end
assign normal = bits << zeros_found;
always_ff @(posedge clock) begin
    zeros <= zeros_found;
    fraction <= normal[30:23];
    place <= bits[31:24];
    place_later <= place;
    minus_log2 <= {1'b0, {1'b0, zeros} + 6'd1, 11'd0} - {7'd0, log2_entry};
    value <= minus_log2 - {5'd0, tail_entry};
end
";

impl Logic for Gumbel {
    fn update(&mut self) {
        if self.clock.pos_edge() {
            self._held.push_back(self.bits.val().to_u32());
            let bits = self._held.pop_front().unwrap_or_default();
            self.value.next = bits_of(i64::from(arith::gumbel(bits)));
        }
    }

    fn connect(&mut self) {
        self.value.connect();
    }

    fn hdl(&self) -> Verilog {
        let words = |table: &[i32]| table.iter().map(|&entry| entry as u64).collect::<Vec<u64>>();
        let log2 = rom_by_bits("fraction", "log2_entry", 11, &words(&LOG2));
        let tail = rom_by_bits("place_later", "tail_entry", 13, &words(&GUMBEL_TAIL));
        Verilog::Custom(format!("{BEHAVIOUR}{log2}{tail}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::{Bench, Random};
    use crate::emit::emit;

    /// Values of `bits`, a new one each cycle.
    fn values(bits: &[u32]) -> Vec<i64> {
        let bench = Bench::new(&emit(&mut Gumbel::default(), "dut").unwrap()).unwrap();
        let mut stimulus = bench.stimulus();
        for bits in bits {
            stimulus.cycle().set("bits", u64::from(*bits));
        }
        let response = bench.run(stimulus.idle(Gumbel::LATENCY)).unwrap();
        (0..bits.len()).map(|t| response.signed(t + Gumbel::LATENCY, "value")).collect()
    }

    #[test]
    fn verilog_is_the_contract() {
        let mut random = Random::from_seed_variable();
        let random = (0..200_000).map(|_| random.unsigned(32) as u32 >> random.below(32));
        let bits: Vec<u32> = [0, 1, 2, 3, u32::MAX, 1 << 31].into_iter().chain(random).collect();
        for (found, bits) in values(&bits).into_iter().zip(bits) {
            assert_eq!(found, i64::from(arith::gumbel(bits)), "{bits:#x}");
        }
    }

    /// Needs no model: `-log2(-log2(1 - u))` falls as `u` grows, up to the steps of its tables.
    #[test]
    fn values_fall_as_the_bits_grow() {
        let bits: Vec<u32> = (0..4096).map(|i| i << 20).collect();
        let values = values(&bits);
        for (i, pair) in values.windows(16).enumerate() {
            assert!(pair[15] <= pair[0] + 40, "{i}: {pair:?}");
        }
    }
}
