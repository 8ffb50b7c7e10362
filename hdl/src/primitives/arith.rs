//! Small signed arithmetic that a kernel cannot say: extension, saturation, maximum, saturating addition.
//!
//! ```text
//!  Extend         x ──► sign-extended ──► y           SignedMax      a, b ──► the larger ──► y
//!  Saturate       x ──► limited to OUT bits ──► y     SaturatingAdd  a, b ──► a ± b, limited ──►[reg]──► sum
//! ```
//!
//! | block           | ports                                        | `LATENCY` |
//! |-----------------|----------------------------------------------|----------:|
//! | `Extend`        | `x`: `IN` bits, `y`: `OUT` bits              |         0 |
//! | `Saturate`      | `x`: `IN` bits, `y`: `OUT` bits              |         0 |
//! | `SignedMax`     | `a`, `b`, `y`: `W` bits                      |         0 |
//! | `SaturatingAdd` | `clock`, `a`, `b`, `sum`: `W` bits, `subtract`: 1 bit | 1 |
//!
//! All numbers are two's complement. The contract is `lpu_isa::arith`: `saturate`, `add`, `subtract`.
//!
//! # Invariants
//! 1. Throughput is one result per cycle; a result depends only on the inputs `LATENCY` cycles before.

use super::value::{bits_of, signed_of};
use crate::kind::Kind;
use lpu_isa::arith::saturate;
use rust_hdl::prelude::*;

/// Sign extension from `IN` to `OUT` bits. Wires only.
#[derive(LogicBlock)]
pub struct Extend<const IN: usize, const OUT: usize> {
    pub x: Signal<In, Bits<IN>>,
    pub y: Signal<Out, Bits<OUT>>,
    kind: Kind<Self>,
}

/// Limits a signed number of `IN` bits to `OUT` bits.
#[derive(LogicBlock)]
pub struct Saturate<const IN: usize, const OUT: usize> {
    pub x: Signal<In, Bits<IN>>,
    pub y: Signal<Out, Bits<OUT>>,
    kind: Kind<Self>,
}

/// The larger of two signed numbers.
#[derive(LogicBlock)]
pub struct SignedMax<const W: usize> {
    pub a: Signal<In, Bits<W>>,
    pub b: Signal<In, Bits<W>>,
    pub y: Signal<Out, Bits<W>>,
    kind: Kind<Self>,
}

/// `a + b`, or `a - b` while `subtract` is set, limited to `W` bits and registered.
#[derive(LogicBlock)]
pub struct SaturatingAdd<const W: usize> {
    pub clock: Signal<In, Clock>,
    pub a: Signal<In, Bits<W>>,
    pub b: Signal<In, Bits<W>>,
    pub subtract: Signal<In, Bit>,
    pub sum: Signal<Out, Bits<W>>,
    kind: Kind<Self>,
}

impl<const IN: usize, const OUT: usize> Extend<IN, OUT> {
    /// Cycles from `x` to `y`.
    pub const LATENCY: usize = 0;
}

impl<const IN: usize, const OUT: usize> Saturate<IN, OUT> {
    /// Cycles from `x` to `y`.
    pub const LATENCY: usize = 0;
}

impl<const W: usize> SignedMax<W> {
    /// Cycles from the operands to `y`.
    pub const LATENCY: usize = 0;
}

impl<const W: usize> SaturatingAdd<W> {
    /// Cycles from the operands to `sum`.
    pub const LATENCY: usize = 1;
}

impl<const IN: usize, const OUT: usize> Default for Extend<IN, OUT> {
    fn default() -> Self {
        const { assert!(IN < OUT && OUT <= 64, "Extend widens, to at most 64 bits") };
        Self { x: Signal::default(), y: Signal::default(), kind: Kind::default() }
    }
}

impl<const IN: usize, const OUT: usize> Default for Saturate<IN, OUT> {
    fn default() -> Self {
        const { assert!(2 <= OUT && OUT < IN && IN <= 64, "Saturate narrows, from at most 64 bits") };
        Self { x: Signal::default(), y: Signal::default(), kind: Kind::default() }
    }
}

impl<const W: usize> Default for SignedMax<W> {
    fn default() -> Self {
        Self { a: Signal::default(), b: Signal::default(), y: Signal::default(), kind: Kind::default() }
    }
}

impl<const W: usize> Default for SaturatingAdd<W> {
    fn default() -> Self {
        const { assert!(2 <= W && W <= 62, "SaturatingAdd takes 2 to 62 bits") };
        Self {
            clock: Signal::default(),
            a: Signal::default(),
            b: Signal::default(),
            subtract: Signal::default(),
            sum: Signal::default(),
            kind: Kind::default(),
        }
    }
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

    fn connect(&mut self) {
        self.y.connect();
    }

    fn hdl(&self) -> Verilog {
        Verilog::Custom(format!("assign y = {{{{{}{{x[{}]}}}}, x}};", OUT - IN, IN - 1))
    }
}

impl<const IN: usize, const OUT: usize> Logic for Saturate<IN, OUT> {
    fn update(&mut self) {
        self.y.next = bits_of(saturate(signed_of(self.x.val()), OUT as u32));
    }

    fn connect(&mut self) {
        self.y.connect();
    }

    fn hdl(&self) -> Verilog {
        Verilog::Custom(format!("assign y = {};", saturated("x", IN, OUT)))
    }
}

impl<const W: usize> Logic for SignedMax<W> {
    fn update(&mut self) {
        self.y.next = bits_of(signed_of(self.a.val()).max(signed_of(self.b.val())));
    }

    fn connect(&mut self) {
        self.y.connect();
    }

    fn hdl(&self) -> Verilog {
        Verilog::Custom("assign y = $signed(a) < $signed(b) ? b : a;".into())
    }
}

impl<const W: usize> Logic for SaturatingAdd<W> {
    fn update(&mut self) {
        if self.clock.pos_edge() {
            let b = signed_of(self.b.val());
            let signed = if self.subtract.val() { -b } else { b };
            self.sum.next = bits_of(saturate(signed_of(self.a.val()) + signed, W as u32));
        }
    }

    fn connect(&mut self) {
        self.sum.connect();
    }

    fn hdl(&self) -> Verilog {
        // -b is !b + 1, so that one carry chain does both; one bit more than the operands keeps the sign.
        let high = W - 1;
        Verilog::Custom(format!(
            "wire [{W}:0] term = {{b[{high}], b}} ^ {{{all}{{subtract}}}};
wire [{W}:0] exact = {{a[{high}], a}} + term + {{{W}'h0, subtract}};
initial sum = {W}'h0;
always_ff @(posedge clock) begin
    sum <= {limited};
end",
            all = W + 1,
            limited = saturated("exact", W + 1, W)
        ))
    }
}

#[cfg(test)]
mod tests;
