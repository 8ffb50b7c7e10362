//! A shift register whose length is known when the block is built: control travels through it beside its data.
//!
//! ```text
//!  x ──►[reg]──►[reg]── ... ──►[reg]──► y
//!        1        2             cycles
//! ```
//!
//! | port | dir | width | meaning                    | cycle        |
//! |------|-----|------:|----------------------------|--------------|
//! | `x`  | in  |   `W` | anything                   | `t`          |
//! | `y`  | out |   `W` | `x`, `cycles` cycles later | `t + cycles` |
//!
//! # Invariants
//! 1. `cycles >= 1`; until then `y` is zero.

use crate::kind::Kind;
use rust_hdl::prelude::*;
use std::collections::VecDeque;

/// The shift register.
#[derive(LogicBlock)]
pub struct ShiftRegister<const W: usize> {
    pub clock: Signal<In, Clock>,
    pub x: Signal<In, Bits<W>>,
    pub y: Signal<Out, Bits<W>>,
    _held: VecDeque<Bits<W>>,
    kind: Kind<Self>,
}

impl<const W: usize> ShiftRegister<W> {
    /// A register `cycles` cycles long, at least one.
    pub fn new(cycles: usize) -> Self {
        assert!(cycles >= 1, "a shift register has at least one stage");
        Self {
            clock: Signal::default(),
            x: Signal::default(),
            y: Signal::default(),
            _held: VecDeque::from(vec![Bits::default(); cycles]),
            kind: Kind::named(format!("shift_register_{W}_bits_{cycles}")),
        }
    }
}

/// One stage.
impl<const W: usize> Default for ShiftRegister<W> {
    fn default() -> Self {
        Self::new(1)
    }
}

impl<const W: usize> Logic for ShiftRegister<W> {
    fn update(&mut self) {
        if self.clock.pos_edge() {
            self._held.push_front(self.x.val());
            self._held.pop_back();
            self.y.next = self._held.back().copied().unwrap_or_default();
        }
    }

    fn connect(&mut self) {
        self.y.connect();
    }

    fn hdl(&self) -> Verilog {
        let (all, kept) = (W * self._held.len(), W * (self._held.len() - 1));
        let next = if kept == 0 { "x".to_owned() } else { format!("{{held[{}:0], x}}", kept - 1) };
        Verilog::Custom(format!(
            "logic [{}:0] held;
initial held = {all}'h0;
always_ff @(posedge clock) held <= {next};
assign y = held[{}:{kept}];",
            all - 1,
            all - 1
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::{Bench, Random};
    use crate::emit::emit;

    #[test]
    fn inputs_come_out_in_order() {
        for cycles in [1, 2, 14] {
            let bench =
                Bench::new(&emit(&mut ShiftRegister::<9>::new(cycles), "shift_register").unwrap()).unwrap();
            let mut random = Random::from_seed_variable();
            let inputs: Vec<u64> = (0..1000).map(|_| random.unsigned(9)).collect();
            let mut stimulus = bench.stimulus();
            for x in &inputs {
                stimulus.cycle().set("x", *x);
            }
            let response = bench.run(stimulus.idle(cycles)).unwrap();
            for t in 0..cycles {
                assert_eq!(response.get(t, "y"), 0);
            }
            for (t, x) in inputs.iter().enumerate() {
                assert_eq!(response.get(t + cycles, "y"), *x, "cycle {t} of {cycles}");
            }
        }
    }
}
