//! The dialect of Rust-HDL in which every block of the machine is written: `use crate::dialect::*;`.
//!
//! It is Rust-HDL plus what it lacks: module names ([`Kind`]), constants for kernels ([`Fixed`], [`Setting`]), a register type that
//! the emitter recognises ([`DFF`]), vectors of blocks ([`many`]), and clock macros that take array elements. Every field has a default, so
//! blocks derive `Default` and a constructor names only what depends on the chip. If a block has a constructor, its default is only
//! a base for it and is not usable hardware.

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

/// Gives registers their clock and makes them hold their value unless the kernel assigns `d` further down.
#[macro_export]
macro_rules! hold_each {
    ($self:ident, $clock:ident, $($register:ident $([$index:expr])?),+ $(,)?) => {
        $($self.$register$([$index])?.clock.next = $self.$clock.val();)+
        $($self.$register$([$index])?.d.next = $self.$register$([$index])?.q.val();)+
    };
}
