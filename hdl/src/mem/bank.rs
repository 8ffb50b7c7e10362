//! The memories of two neighbouring lanes: a block of weights each, and one block of KV codes that they share.
//!
//! ```text
//!                    ┌──────────────┐
//!  row ──────────┬──►│ weights 0    ├──►[reg]──► weight[0]
//!                ├──►│ weights 1    ├──►[reg]──► weight[1]
//!                └──►│ KV  1 │ KV 0 ├──►[reg]──► code[1], code[0]
//!                    └──────────────┘
//!            cycle 1          2         cycle 3
//! ```
//!
//! | port               | dir | width        | meaning                                       | cycle |
//! |--------------------|-----|--------------|-----------------------------------------------|------:|
//! | `row`              | in  | `MATRIX_ROW` | row read in all three blocks                  |     1 |
//! | `weight[i]`        | out | 9            | weight of lane `i`                            |     3 |
//! | `code[i]`          | out | 9            | KV code of lane `i`                           |     3 |
//! | `weight_write`     | in  | 1            | write both lanes' weights                     |  `t`  |
//! | `weight_write_row` | in  | `WEIGHT_ROW` |                                               |  `t`  |
//! | `weight_data[i]`   | in  | 9            | seen by reads from `t + 1`                    |  `t`  |
//! | `kv_write`         | in  | 2            | bit `i`: write lane `i`'s code                |  `t`  |
//! | `kv_write_row`     | in  | `KV_ROW`     |                                               |  `t`  |
//! | `kv_data[i]`       | in  | 9            | seen by reads from `t + 1`                    |  `t`  |
//!
//! A block RAM byte has nine bits, so a 1024 x 18 block with byte enables is the KV memory of two lanes.
//!
//! # Invariants
//! 1. `weight` and `code` at `t + LATENCY` depend only on `row` at `t` and earlier writes.
//! 2. The caller does not read a row in the cycle in which it writes it.

use crate::kind::Kind;
use crate::primitives::{Ebr, JoinLanes};
use crate::widths::{KV_ROW, MATRIX_ROW, WEIGHT_ROW};
use rust_hdl::prelude::*;

/// Weights and KV codes of two lanes.
#[derive(LogicBlock, Default)]
pub struct PairBank {
    pub clock: Signal<In, Clock>,
    pub row: Signal<In, Bits<MATRIX_ROW>>,
    pub weight: [Signal<Out, Bits<9>>; 2],
    pub code: [Signal<Out, Bits<9>>; 2],
    pub weight_write: Signal<In, Bits<1>>,
    pub weight_write_row: Signal<In, Bits<WEIGHT_ROW>>,
    pub weight_data: [Signal<In, Bits<9>>; 2],
    pub kv_write: Signal<In, Bits<2>>,
    pub kv_write_row: Signal<In, Bits<KV_ROW>>,
    pub kv_data: [Signal<In, Bits<9>>; 2],
    weights: [Ebr<WEIGHT_ROW, 9, 1>; 2],
    kv: Ebr<KV_ROW, 18, 2>,
    kv_word: JoinLanes<2, 9, 18>,
    kind: Kind<Self>,
}

impl PairBank {
    /// Cycles from row to weights and codes.
    pub const LATENCY: usize = 2;
}

impl Logic for PairBank {
    #[hdl_gen]
    fn update(&mut self) {
        for i in 0..2 {
            self.weights[i].clock.next = self.clock.val();
            self.weights[i].read_address.next = self.row.val().get_bits::<WEIGHT_ROW>(0);
            self.weights[i].write_enable.next = self.weight_write.val();
            self.weights[i].write_address.next = self.weight_write_row.val();
            self.weights[i].write_data.next = self.weight_data[i].val();
            self.weight[i].next = self.weights[i].read_data.val();
            self.kv_word.lane[i].next = self.kv_data[i].val();
            self.code[i].next = self.kv.read_data.val().get_bits::<9>(i * 9);
        }
        self.kv.clock.next = self.clock.val();
        self.kv.read_address.next = self.row.val().get_bits::<KV_ROW>(0);
        self.kv.write_enable.next = self.kv_write.val();
        self.kv.write_address.next = self.kv_write_row.val();
        self.kv.write_data.next = self.kv_word.bus.val();
    }
}
