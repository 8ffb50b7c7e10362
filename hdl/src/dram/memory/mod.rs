//! A model of the memory outside of the chip, pin by pin: it answers as the part does, and objects to whatever the data sheet forbids.
//!
//! ```text
//!  sheet.rs    what the data sheets say            numbers only
//!  command.rs  pins to commands
//!  rules.rs    what is forbidden, and its message
//!  device.rs   state of the part, cycle by cycle   Memory::clock(pins) -> what it drives, or a violation
//! ```
//!
//! It is written from the data sheets and knows nothing of the controller. One model serves both ports: SDR SDRAM with a word of 16 bits a
//! cycle, and the wide port, where a word is as much as the memory moves in a cycle of the core.
//!
//! # Invariants
//! 1. A violation names its time, the command and the earlier command that it comes too close to.
//! 2. Only whole bursts exist: the model is stricter than the parts, which let a burst be cut short.

mod command;
mod device;
mod rules;
mod sheet;
#[cfg(test)]
mod tests;

pub use command::{Command, Pins};
pub use device::Memory;
pub use rules::{Event, Rule, Violation};
pub use sheet::{DDR3_1GBIT_X16, PowerUp, SDR_AS4C32M16SB_7, SDR_IS42S16160G_7, Sheet};
