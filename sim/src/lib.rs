//! Machines that execute LPU programs, and the one interface behind which they all stand.
//!
//! ```text
//!                 Device (verbs: identify, load, start, next_step, logits, ...)
//!                    │
//!                PortDevice: the protocol of isa::host, written once
//!                    │
//!                HostPort (write words, read words)
//!           ┌────────┴─────────┐
//!        Emulator            Framed ── BytePort (send bytes, receive bytes)
//!                                       Verilated RTL, netlist, serial board
//! ```
//!
//! * [`emulator`] executes a program image bit by bit as the chip does and counts the chip's cycles. It is the
//!   reference that the hardware is compared with, and runs a small model far faster than real time.
//! * [`device`] is the interface; [`device::conformance`] is the suite that every device must pass.
//! * [`prediction`] walks only the instructions' timing and says how long a token takes. It computes no data.
//! * [`netlist`] is the chip as synthesised, cell by cell; `rtl` is the Verilated one (feature `rtl`).
//! * [`board`] is firmware and chip together, behind a serial line.
//! * [`trace`] names single writes to memories; [`lockstep`] finds the first one in which two devices differ.
//!
//! # Invariants
//! 1. Prediction and emulator walk instructions with the same code; emulator and hardware share only the ISA crate.
//! 2. Nothing here reads a clock or a random number of the system: equal calls give equal answers.
#![cfg_attr(not(feature = "rtl"), forbid(unsafe_code))]

pub mod board;
pub mod device;
pub mod emulator;
pub mod lockstep;
pub mod netlist;
pub mod prediction;
#[cfg(feature = "rtl")]
pub mod rtl;
pub mod trace;

pub use device::{Device, PortDevice, RunRequest};
pub use emulator::Emulator;
