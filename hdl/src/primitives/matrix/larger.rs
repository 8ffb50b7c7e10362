//! The larger of two words.
//!
//! | port | dir | width | meaning              | cycle |
//! |------|-----|------:|----------------------|-------|
//! | `a`  | in  |    18 | signed               | `t`   |
//! | `b`  | in  |    18 | signed               | `t`   |
//! | `y`  | out |    18 | the larger of the two | `t`   |
//!
//! # Invariants
//! 1. `y` is one of the inputs, and neither input is above it.

use crate::kind::Kind;
use crate::primitives::value::{bits_of, signed_of};
use rust_hdl::prelude::*;

/// Signed maximum.
#[derive(LogicBlock, Default)]
pub struct Larger {
    pub a: Signal<In, Bits<18>>,
    pub b: Signal<In, Bits<18>>,
    pub y: Signal<Out, Bits<18>>,
    kind: Kind<Self>,
}

impl Larger {
    /// Cycles from inputs to output.
    pub const LATENCY: usize = 0;
}

impl Logic for Larger {
    fn update(&mut self) {
        self.y.next = bits_of(signed_of(self.a.val()).max(signed_of(self.b.val())));
    }

    fn connect(&mut self) {
        self.y.connect();
    }

    fn hdl(&self) -> Verilog {
        Verilog::Custom("assign y = ($signed(a) > $signed(b)) ? a : b;".into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::{Bench, Random};
    use crate::emit::emit;

    #[test]
    fn the_larger_wins() {
        let bench = Bench::new(&emit(&mut Larger::default(), "larger").unwrap()).unwrap();
        let mut random = Random::from_seed_variable();
        let mut stimulus = bench.stimulus();
        let mut pairs = vec![(-131_072, 131_071), (131_071, -131_072), (-1, 0), (0, -1), (5, 5)];
        pairs.extend((0..100_000).map(|_| (random.signed(18), random.signed(18))));
        for (a, b) in &pairs {
            stimulus.cycle().set_signed("a", *a).set_signed("b", *b);
        }
        let response = bench.run(&stimulus).unwrap();
        for (t, (a, b)) in pairs.iter().enumerate() {
            assert_eq!(response.signed(t, "y"), *a.max(b), "{a} and {b}");
        }
    }
}
