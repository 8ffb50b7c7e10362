//! Numbers that kernels may use as values: encodings of the ISA, sizes of a chip.
//!
//! Rust-HDL carries no Rust constant into the Verilog, only `Constant` fields, and those have no default. [`Fixed`] has
//! its value in the type; a [`Setting`] is zero until the constructor of its block knows the chip. Blocks of such
//! fields can derive `Default`.

use rust_hdl::prelude::*;
use std::fmt::Display;

/// The constant `VALUE` of `W` bits.
#[derive(Clone, Debug)]
pub struct Fixed<const VALUE: u64, const W: usize> {
    constant: Constant<Bits<W>>,
}

impl<const VALUE: u64, const W: usize> Fixed<VALUE, W> {
    /// The value, in a kernel.
    pub fn val(&self) -> Bits<W> {
        self.constant.val()
    }
}

impl<const VALUE: u64, const W: usize> Default for Fixed<VALUE, W> {
    fn default() -> Self {
        const { assert!(W >= 64 || VALUE >> W == 0, "the value does not fit its width") };
        Self { constant: Constant::new(VALUE.into()) }
    }
}

/// A constant of `W` bits that the chip's sizes decide.
#[derive(Clone, Debug)]
pub struct Setting<const W: usize> {
    constant: Constant<Bits<W>>,
}

impl<const W: usize> Setting<W> {
    /// The constant `value`, an integer of any type that is not negative.
    pub fn new<V: TryInto<u64> + Display + Copy>(value: V) -> Self {
        let number = value.try_into().ok().filter(|number| W >= 64 || number >> W == 0);
        let number = number.unwrap_or_else(|| panic!("{value} does not fit in {W} bits"));
        Self { constant: Constant::new(number.into()) }
    }

    /// The value, in a kernel.
    pub fn val(&self) -> Bits<W> {
        self.constant.val()
    }
}

impl<const W: usize> Default for Setting<W> {
    fn default() -> Self {
        Self::new(0)
    }
}

impl<const VALUE: u64, const W: usize> Logic for Fixed<VALUE, W> {
    fn update(&mut self) {}
}

impl<const VALUE: u64, const W: usize> Block for Fixed<VALUE, W> {
    fn connect_all(&mut self) {}
    fn update_all(&mut self) {}
    fn has_changed(&self) -> bool {
        false
    }
    fn accept(&self, name: &str, probe: &mut dyn Probe) {
        self.constant.accept(name, probe);
    }
}

impl<const W: usize> Logic for Setting<W> {
    fn update(&mut self) {}
}

impl<const W: usize> Block for Setting<W> {
    fn connect_all(&mut self) {}
    fn update_all(&mut self) {}
    fn has_changed(&self) -> bool {
        false
    }
    fn accept(&self, name: &str, probe: &mut dyn Probe) {
        self.constant.accept(name, probe);
    }
}
