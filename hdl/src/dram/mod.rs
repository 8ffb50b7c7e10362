//! External memory as a slice of the chip: its time in frames and slots, its commands, and what becomes of its words.
//!
//! ```text
//!  memory/        the part outside of the chip, for benches and co-simulation
//! ```

pub mod memory;
