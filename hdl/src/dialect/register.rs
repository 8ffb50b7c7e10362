//! The flip-flop: `q` shows `d` one rising edge later, and the default of its type, which is zero, at power-up.
//!
//! A register is no module of its own: the emitter writes it as a line of the `always_ff` of the block that holds it, and knows it by
//! its [`Role`].

use super::{Kind, Role};
use rust_hdl::prelude::*;

/// A register of any type, one for each bit of it.
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
