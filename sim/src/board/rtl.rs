//! A board whose top is Verilated: the firmware's image runs on the soft core, levels move at the pins.
//!
//! ```text
//!  receive ─► Adapter ─► serial_in  ┌───────────┐ flash_* ◄─► FlashPins
//!  sent    ◄─    "    ◄─ serial_out │ board.sv  │
//!  step    ─► cycles of its clock ─►└───────────┘ lights
//! ```
//!
//! # Invariants
//! 1. Nothing happens but in [`SimulatedBoard::step`]; equal calls give equal answers.

use super::adapter::Adapter;
use super::flash::{Flash, FlashPins};
use super::{CLOCK_HZ, SimulatedBoard};
use crate::rtl::bridge::ffi::{BoardInputs, BoardModel, BoardOutputs, new_board};
use cxx::UniquePtr;
use lpu_isa::Geometry;

/// A Verilated board.
pub struct RtlBoard {
    model: UniquePtr<BoardModel>,
    clock_hz: u32,
    adapter: Adapter,
    flash: FlashPins,
    inputs: BoardInputs,
    outputs: BoardOutputs,
    cycles: u64,
}

impl RtlBoard {
    /// The board with a chip of this geometry, just switched on; `None` if this build has none.
    pub fn new(geometry: &Geometry, flash: Flash) -> Option<Self> {
        Self::with_clock(geometry, flash, CLOCK_HZ)
    }

    /// The same with another clock, in hertz, that its firmware believes in: a bit and a second are so many cycles.
    pub fn with_clock(geometry: &Geometry, flash: Flash, clock_hz: u32) -> Option<Self> {
        let number = Geometry::known().position(|known| known == *geometry)?;
        let mut model = new_board(number, clock_hz);
        if model.is_null() {
            return None;
        }
        let inputs = BoardInputs { serial: true, flash: true };
        let outputs = model.pin_mut().cycle(inputs);
        let adapter = Adapter::new(clock_hz);
        Some(Self { model, clock_hz, adapter, flash: FlashPins::new(flash), inputs, outputs, cycles: 1 })
    }

    /// Cycles of the soft core's clock since power-on.
    pub fn cycles(&self) -> u64 {
        self.cycles
    }

    /// The lights: alive, loaded, busy, fault, and the two of the cause, from bit 0.
    pub fn lights(&self) -> u8 {
        self.outputs.lights
    }

    fn cycle(&mut self) {
        let BoardOutputs { serial, flash_select_n, flash_clock, flash_out, .. } = self.outputs;
        self.inputs.serial = self.adapter.cycle(serial);
        self.inputs.flash = self.flash.see(flash_select_n, flash_clock, flash_out);
        self.outputs = self.model.pin_mut().cycle(self.inputs);
        self.cycles += 1;
    }
}

impl SimulatedBoard for RtlBoard {
    fn clock_hz(&self) -> u32 {
        self.clock_hz
    }

    fn step(&mut self, cycles: u32) {
        (0..cycles).for_each(|_| self.cycle());
    }

    fn receive(&mut self, byte: u8) {
        self.adapter.push(byte);
    }

    fn sent(&mut self) -> Option<u8> {
        self.adapter.pop()
    }

    fn set_rate(&mut self, bits_per_second: u32) {
        self.adapter.set_rate(bits_per_second);
    }

    fn is_busy(&mut self) -> bool {
        self.adapter.is_busy() || self.outputs.busy || !self.outputs.flash_select_n
    }
}
