//! The sequencer: runs tokens one after the other without the host, and keeps what the host reads and writes.
//!
//! ```text
//!  settings.rs   registers that the host writes           what the next run shall do
//!  fifo.rs       queue of words                            prompt tokens, records
//!  run.rs        the token loop                            start strobes, position, input token
//!  registers.rs  registers that the host reads
//! ```
//!
//! # Invariants
//! 1. Position, input token and blocks change with a start strobe only.

pub mod fifo;
pub mod registers;
pub mod run;
pub mod settings;

pub use registers::Registers;
pub use run::Run;
pub use settings::Settings;

#[cfg(test)]
mod tests;
