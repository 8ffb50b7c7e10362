//! The instruction control unit: says for all queues in which cycle which instruction issues, and nothing else.
//!
//! ```text
//!  layout.rs   which bits of an instruction are stored      fields by what they count
//!  affine.rs   delay and count at this position             arithmetic
//!  fetch.rs    program counter, instruction memory, decode  the next instruction
//!  timer.rs    delay, interval, count                       the instruction being executed
//!  slot_timer.rs  delay, slots, count                       the transfer being executed
//!  trips.rs    loop trips and address offsets
//!  queue.rs    one queue                                    of those above
//!  control.rs  all queues, and where they meet              top of this folder
//! ```
//!
//! # Invariants
//! 1. Issues depend on the program and the position alone: nothing that a slice computes comes back here.
//! 2. An instruction activated in cycle `a` issues `k` in cycle `a + delay + k * interval`, exactly.

pub mod affine;
pub mod control;
pub mod fetch;
pub mod layout;
pub mod queue;
pub mod slot_timer;
pub mod timer;
pub mod trips;

#[cfg(test)]
mod model;
#[cfg(test)]
mod tests;

pub use control::Icu;
