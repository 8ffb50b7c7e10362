//! The soft core: PicoRV32 (ISC), whose Verilog the build adds to the emitted text.
//!
//! ```text
//!             ┌──────────┐──► valid, address, write_mask, write_data
//!  run ──────►│ picorv32 │◄── ready, read_data
//!             └──────────┘──► trap, next_*
//! ```
//!
//! | port         | dir | width | meaning                                                            | cycle |
//! |--------------|-----|-------|--------------------------------------------------------------------|-------|
//! | `run`        | in  | 1     | low: held in reset                                                 |       |
//! | `valid`      | out | 1     | an access waits; the next three hold until it is answered          | `t`   |
//! | `address`    | out | 32    | of a word, in bytes                                                | `t`   |
//! | `write_mask` | out | 4     | bytes to write; zero is a read                                     | `t`   |
//! | `write_data` | out | 32    |                                                                    | `t`   |
//! | `ready`      | in  | 1     | the access is done in this cycle                                   | `t`   |
//! | `read_data`  | in  | 32    | with `ready`                                                       | `t`   |
//! | `next_read`, `next_write` | out | 1 | the access of the next cycle                              | `t - 1` |
//! | `next_address`, `next_mask`, `next_data` | out | 32, 4, 32 | with them; the mask counts for writes only | `t - 1` |
//! | `trap`       | out | 1     | an illegal instruction or a misaligned address stopped the core    |       |
//!
//! The model here is a core that is always at rest: programs run in Verilator only.
//!
//! # Invariants
//! 1. After `run` rises the first access is the instruction at address zero.

use crate::dialect::*;

/// The soft core.
#[derive(LogicBlock, Default)]
pub struct SoftCore {
    pub clock: Signal<In, Clock>,
    pub run: Signal<In, Bit>,
    pub valid: Signal<Out, Bit>,
    pub address: Signal<Out, Bits<32>>,
    pub write_mask: Signal<Out, Bits<4>>,
    pub write_data: Signal<Out, Bits<32>>,
    pub ready: Signal<In, Bit>,
    pub read_data: Signal<In, Bits<32>>,
    pub next_read: Signal<Out, Bit>,
    pub next_write: Signal<Out, Bit>,
    pub next_address: Signal<Out, Bits<32>>,
    pub next_mask: Signal<Out, Bits<4>>,
    pub next_data: Signal<Out, Bits<32>>,
    pub trap: Signal<Out, Bit>,
    kind: Kind<Self>,
}

impl Logic for SoftCore {
    fn update(&mut self) {}

    fn hdl(&self) -> Verilog {
        // Counters are left out, since the timer is a register of the bus; a trap is a reset with a cause.
        Verilog::Custom(super::body(include_str!("soft_core.sv")))
    }
}
