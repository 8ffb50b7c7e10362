//! Small signed arithmetic that a kernel cannot say: extension and maximum.
//!
//! ```text
//!  Extend         x ──► sign-extended ──► y           SignedMax      a, b ──► the larger ──► y
//! ```
//!
//! | block       | ports                           | `LATENCY` |
//! |-------------|---------------------------------|----------:|
//! | `Extend`    | `x`: `IN` bits, `y`: `OUT` bits |         0 |
//! | `SignedMax` | `a`, `b`, `y`: `W` bits         |         0 |
//!
//! All numbers are two's complement.
//!
//! # Invariants
//! 1. Throughput is one result per cycle; a result depends only on the inputs `LATENCY` cycles before.

use super::value::{bits_of, signed_of};
use crate::dialect::*;

/// Sign extension from `IN` to `OUT` bits. Wires only.
#[derive(LogicBlock, Default)]
pub struct Extend<const IN: usize, const OUT: usize> {
    pub x: Signal<In, Bits<IN>>,
    pub y: Signal<Out, Bits<OUT>>,
    kind: Kind<Self>,
}

/// The larger of two signed numbers.
#[derive(LogicBlock, Default)]
pub struct SignedMax<const W: usize> {
    pub a: Signal<In, Bits<W>>,
    pub b: Signal<In, Bits<W>>,
    pub y: Signal<Out, Bits<W>>,
    kind: Kind<Self>,
}

impl<const IN: usize, const OUT: usize> Extend<IN, OUT> {
    /// Cycles from `x` to `y`.
    pub const LATENCY: usize = 0;
}

impl<const W: usize> SignedMax<W> {
    /// Cycles from the operands to `y`.
    pub const LATENCY: usize = 0;
}

/// Expression for `x` of `from` bits limited to `to` bits: it fits when the bits above and the new sign are all alike.
pub(super) fn saturated(x: &str, from: usize, to: usize) -> String {
    let (sign, high, low) = (format!("{x}[{}]", from - 1), format!("{x}[{}:{}]", from - 1, to - 1), to - 1);
    format!("((&{high}) || !(|{high})) ? {x}[{low}:0] : {{{sign}, {{{low}{{!{sign}}}}}}}")
}

impl<const IN: usize, const OUT: usize> Logic for Extend<IN, OUT> {
    fn update(&mut self) {
        self.y.next = bits_of(signed_of(self.x.val()));
    }

    fn hdl(&self) -> Verilog {
        const { assert!(IN < OUT && OUT <= 64, "Extend widens, to at most 64 bits") };
        Verilog::Custom(format!("assign y = {{{{{}{{x[{}]}}}}, x}};", OUT - IN, IN - 1))
    }
}

impl<const W: usize> Logic for SignedMax<W> {
    fn update(&mut self) {
        self.y.next = bits_of(signed_of(self.a.val()).max(signed_of(self.b.val())));
    }

    fn hdl(&self) -> Verilog {
        Verilog::Custom("assign y = $signed(a) < $signed(b) ? b : a;".into())
    }
}

#[cfg(test)]
mod tests;
