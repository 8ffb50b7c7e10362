//! The dialect of Rust-HDL that every block of the machine is written in: `use crate::dialect::*;`.
//!
//! It is Rust-HDL itself and what that lacks: names for Verilog modules ([`Kind`]), numbers that a kernel can use as values
//! ([`Fixed`], [`Setting`]), a register that the emitter knows as one ([`DFF`]), and arrays of any length ([`many`]). Every field of a
//! block has a default, so a block derives `Default`, and its constructor names only what the chip decides. A block with a constructor is
//! of no size before it: its default serves the constructor.

mod constant;
mod kind;
mod register;

pub use constant::{Fixed, Setting};
pub use kind::{Kind, Role};
pub use register::DFF;
pub use rust_hdl::prelude::*;

pub(crate) use kind::Mark;
pub use {crate::clock_each as clock, crate::hold_each as dff_setup};

/// `count` blocks or signals of one kind. (A clone would not do: it has the identity of its original.)
pub fn many<T: Default>(count: usize) -> Vec<T> {
    std::iter::repeat_with(T::default).take(count).collect()
}

/// Gives blocks their clock: `clock!(self, clock, block, blocks[i])`.
#[macro_export]
macro_rules! clock_each {
    ($self:ident, $clock:ident, $($block:ident $([$index:expr])?),+ $(,)?) => {
        $($self.$block$([$index])?.clock.next = $self.$clock.val();)+
    };
}

/// Gives registers their clock, and lets them hold what nothing further down in the kernel replaces.
#[macro_export]
macro_rules! hold_each {
    ($self:ident, $clock:ident, $($register:ident $([$index:expr])?),+ $(,)?) => {
        $($self.$register$([$index])?.clock.next = $self.$clock.val();)+
        $($self.$register$([$index])?.d.next = $self.$register$([$index])?.q.val();)+
    };
}
