//! One lane of the matrix unit: chooses its matrix operand, reads its activation, multiplies.
//!
//! ```text
//!  weight ──┐
//!  code ────┼─► operand select ─►[reg]─┬─► operand
//!  from_kv ─┘                          └──────────┬─►[reg]─► (x) ─►[reg]─► product
//!  entry ─────► activations ────►[reg]────────────┘
//!           cycle 3                 cycle 4         5               6
//! ```
//!
//! | port              | dir | width   | meaning                                           | cycle |
//! |-------------------|-----|---------|---------------------------------------------------|------:|
//! | `weight`, `code`  | in  | 9       | the matrix row's lane in either memory            |     3 |
//! | `from_kv`         | in  | 1       | take the KV code                                  |     3 |
//! | `entry`           | in  | `ENTRY` | activation entry                                  |     3 |
//! | `operand`         | out | 10      | the matrix operand, for `Gather` and host         |     4 |
//! | `product`         | out | 32      | operand times activation, sign-extended           |     6 |
//! | `act_write`       | in  | 1       | write an activation                               |   `t` |
//! | `act_write_entry` | in  | `ENTRY` |                                                   |   `t` |
//! | `act_data`        | in  | 16      | seen by beats whose cycle 3 is `t + 1` or later   |   `t` |
//!
//! # Invariants
//! 1. `product` needs 25 bits: |operand| <= 509 and |activation| <= 2^15, so |product| < 2^24.
//! 2. `product` at cycle 6 depends only on the inputs at cycle 3 and earlier activation writes.

use crate::kind::Kind;
use crate::primitives::{Extend, LutRam, Multiplier, OperandSelect};
use crate::widths::ENTRY;
use rust_hdl::prelude::*;

/// A lane without its memories.
#[derive(LogicBlock, Default)]
pub struct MatrixLane {
    pub clock: Signal<In, Clock>,
    pub weight: Signal<In, Bits<9>>,
    pub code: Signal<In, Bits<9>>,
    pub from_kv: Signal<In, Bit>,
    pub entry: Signal<In, Bits<ENTRY>>,
    pub operand: Signal<Out, Bits<10>>,
    pub product: Signal<Out, Bits<32>>,
    pub act_write: Signal<In, Bit>,
    pub act_write_entry: Signal<In, Bits<ENTRY>>,
    pub act_data: Signal<In, Bits<16>>,
    select: OperandSelect,
    activations: LutRam<ENTRY, 16, 1>,
    operand_held: DFF<Bits<10>>,
    held: DFF<Bits<16>>,
    wide_operand: Extend<10, 18>,
    wide_held: Extend<16, 18>,
    multiplier: Multiplier,
    kind: Kind<Self>,
}

impl MatrixLane {
    /// Cycles from weight to product.
    pub const LATENCY: usize = 1 + Multiplier::LATENCY;
}

impl Logic for MatrixLane {
    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(self, clock, operand_held, held);
        self.select.weight.next = self.weight.val();
        self.select.code.next = self.code.val();
        self.select.from_kv.next = self.from_kv.val();
        self.operand_held.d.next = self.select.operand.val();
        self.operand.next = self.operand_held.q.val();

        self.activations.clock.next = self.clock.val();
        self.activations.write_enable.next = self.act_write.val();
        self.activations.write_address.next = self.act_write_entry.val();
        self.activations.write_data.next = self.act_data.val();
        self.activations.read_address[0].next = self.entry.val();
        self.held.d.next = self.activations.read_data[0].val();

        self.wide_operand.x.next = self.operand_held.q.val();
        self.wide_held.x.next = self.held.q.val();
        self.multiplier.clock.next = self.clock.val();
        self.multiplier.a.next = self.wide_operand.y.val();
        self.multiplier.b.next = self.wide_held.y.val();
        self.product.next = self.multiplier.product.val().get_bits::<32>(0);
    }
}
