//! Lanes to a bus: joins equal lanes into one wide port, lane 0 in the lowest bits. Wires only.
//!
//! ```text
//!  lane[0] ──┐
//!  lane[1] ──┼──► bus = { lane[LANES-1], ..., lane[1], lane[0] }
//!  ...     ──┘
//! ```
//!
//! | port      | dir | width        | meaning          | cycle |
//! |-----------|-----|--------------|------------------|-------|
//! | `lane[i]` | in  | `W`          | lane `i`         | `t`   |
//! | `bus`     | out | `LANES * W`  | all lanes        | `t`   |
//!
//! A kernel cannot assign to a part of a signal; this is how a wide port is made. The way back needs no primitive:
//! `bus.val().get_bits::<W>(i * 18)` in a kernel, with the width as a literal or a `Constant` in the offset.
//!
//! # Invariants
//! 1. `TOTAL == LANES * W`, checked when the block is built.

use super::value::signals;
use crate::dialect::*;

/// Joins `LANES` lanes of `W` bits into `TOTAL` bits.
#[derive(LogicBlock)]
pub struct JoinLanes<const LANES: usize, const W: usize, const TOTAL: usize> {
    pub lane: [Signal<In, Bits<W>>; LANES],
    pub bus: Signal<Out, Bits<TOTAL>>,
    kind: Kind<Self>,
}

impl<const LANES: usize, const W: usize, const TOTAL: usize> JoinLanes<LANES, W, TOTAL> {
    /// Cycles from lanes to bus.
    pub const LATENCY: usize = 0;
}

impl<const LANES: usize, const W: usize, const TOTAL: usize> Default for JoinLanes<LANES, W, TOTAL> {
    fn default() -> Self {
        const { assert!(LANES * W == TOTAL, "TOTAL must be LANES * W") };
        Self { lane: signals(), bus: Signal::default(), kind: Kind::default() }
    }
}

impl<const LANES: usize, const W: usize, const TOTAL: usize> Logic for JoinLanes<LANES, W, TOTAL> {
    fn update(&mut self) {
        let mut bus = Bits::<TOTAL>::default();
        for (index, lane) in self.lane.iter().enumerate() {
            for bit in 0..W {
                bus = bus.replace_bit(index * W + bit, lane.val().get_bit(bit));
            }
        }
        self.bus.next = bus;
    }

    fn hdl(&self) -> Verilog {
        let lanes: Vec<String> = (0..LANES).rev().map(|index| format!("lane${index}")).collect();
        Verilog::Custom(format!("assign bus = {{{}}};", lanes.join(", ")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::{Bench, Random};
    use crate::emit::emit;

    #[test]
    fn lanes_lie_in_order_on_the_bus() {
        let bench = Bench::new(&emit(&mut JoinLanes::<16, 18, 288>::default(), "joined").unwrap()).unwrap();
        let mut random = Random::from_seed_variable();
        let rows: Vec<Vec<i64>> = (0..100).map(|_| (0..16).map(|_| random.signed(18)).collect()).collect();
        let mut stimulus = bench.stimulus();
        for row in &rows {
            stimulus.cycle();
            for (index, lane) in row.iter().enumerate() {
                stimulus.set_signed(&format!("lane${index}"), *lane);
            }
        }
        let response = bench.run(&stimulus).unwrap();
        for (t, row) in rows.iter().enumerate() {
            assert_eq!(&response.signed_lanes(t, "bus", 18), row, "cycle {t}");
        }
    }
}
