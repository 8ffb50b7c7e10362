//! The block decoder: words of external memory to rows of the chip's memories.
//!
//! ```text
//!  word ─►[window of 3]─►[36 bits of it]─┬─► 4 codes ─►[x scale]─►[+ offset]─►[>> shift, limit]─┬─► cells ─►[row]─► memory
//!   │ 0          2              3        │      4          6           7                 10, 11 │       12
//!   ├─► scale, offset ───────────────────┼─────────────────────────────────────────────────────┘
//!   └─► control.rs                       └─► 36 bits of plain rows ──────────────────────────►
//! ```
//!
//! A *cell* is 36 bits of a row: four lanes of 9 bits or two of 18. Four codes of 4, 5, 6 or 8 bits always end in the same words of a
//! block, so each word brings at most one group of four codes, and at most one cell of plain rows.
//!
//! ```text
//!  control.rs  which bits of which word are what       counters only
//!  lane.rs     a code to its value                     arithmetic
//!  rows.rs     cells to rows, rows to addresses
//!  decoder.rs  the way of the bits
//! ```
//!
//! # Invariants
//! 1. A row takes effect a fixed time after the word that completes it, whatever the words say.

mod control;
mod decoder;
mod lane;
mod rows;
#[cfg(test)]
mod tests;

pub use decoder::Decoder;
pub use rows::ROW;
