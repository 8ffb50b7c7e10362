//! External memory as a slice of the chip: its time in frames and slots, its commands, and what becomes of its words.
//!
//! ```text
//!  shape.rs      sizes and times of a port
//!  frames.rs     frames, refreshes, slots           the memory's time; what takes a slot is the transfer queue's affair
//!  unit.rs       addresses of granules, first row
//!  sequencer.rs  granules to commands
//!  decode/       words to rows of the chip's memories
//!  pack.rs       rows to words
//!  host.rs       the host's eight bytes at a time, between tokens
//!  slice.rs      all of the above, before a port of commands and words
//!  wake.rs       power-up sequence
//!  phy.rs        pins of an SDR SDRAM
//!  memory/       the part outside of the chip, for benches and co-simulation
//! ```
//!
//! # Invariants
//! 1. Commands depend on slot, address and direction alone. No address is faster than another, and no data decides anything.

pub mod decode;
pub mod frames;
pub mod host;
pub mod memory;
pub mod pack;
pub mod phy;
pub mod sequencer;
pub mod shape;
pub mod slice;
pub mod unit;
pub mod wake;

#[cfg(test)]
mod model;
#[cfg(test)]
mod tests;
