//! From the queues to the slices: registers on the way, in which the row of an instruction's first issue is worked out.
//!
//! ```text
//!  Icu ─ issue ─────────►[reg]─►[reg]─►[reg]─┬─► MatrixSide, VectorSide
//!      ─ payload ───────────────►[reg]─►[reg]─┤
//!  Run ─ token, position ─►[reg]─►[reg]─►[reg]─┘
//!                cycle -3   -2     -1     0
//! ```
//!
//! Both sides get everything the same three cycles later, so no two operations can tell: `isa::timing` counts from an issue
//! to its effects, and all effects move together. What it buys is distance on the die between queues and slices, and
//! addresses that are ready when the issue is.
//!
//! # Invariants
//! 1. Every signal from the queues or the sequencer that a side reads passes here: one that does not comes early.

pub mod matrix;
pub mod pieces;
pub mod transfer;
pub mod vector;

pub use matrix::MatrixDispatch;
pub use pieces::Pieces;
pub use transfer::TransferDispatch;
pub use vector::VectorDispatch;

/// Cycles from the queue's outputs to the side's inputs.
pub const DISPATCH_CYCLES: usize = 3;
