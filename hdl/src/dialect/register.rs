//! The flip-flop: `q` takes `d` at the rising edge and is zero, the default of its type, at power-up.
//!
//! It does not become a module: the emitter recognises it by its [`Role`] and writes a line in the `always_ff` of its parent.

use super::{Kind, Role};
use rust_hdl::prelude::*;

/// A register of any type.
#[derive(LogicBlock)]
pub struct DFF<T: Synth> {
    pub d: Signal<In, T>,
    pub q: Signal<Out, T>,
    pub clock: Signal<In, Clock>,
    kind: Kind<Self>,
}

impl<T: Synth> Default for DFF<T> {
    fn default() -> Self {
        Self {
            d: Signal::default(),
            q: Signal::default(),
            clock: Signal::default(),
            kind: Kind::of(Role::Register),
        }
    }
}

impl<T: Synth> Logic for DFF<T> {
    fn update(&mut self) {
        if self.clock.pos_edge() {
            self.q.next = self.d.val();
        }
    }

    fn hdl(&self) -> Verilog {
        Verilog::Custom(format!("initial q = {}'h0;\nalways_ff @(posedge clock) q <= d;", T::BITS))
    }
}
