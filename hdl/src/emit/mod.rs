//! The emitter: a Rust-HDL block in, readable SystemVerilog out, one module per kind.
//!
//! Rust-HDL's own writer makes one module per *instance*, drives every port from one big `always @(*)`, and panics
//! with debug prints on an open signal. This writer walks the same circuit and the same kernels, and
//!
//! - merges equal modules bottom-up and names them after the block's [`Kind`](crate::dialect::Kind);
//! - splits a kernel into independent assignments, so that simulators and readers see no false loops;
//! - connects an input driven by one expression straight at the instance, and writes `DFF`s as `always_ff` lines;
//! - sizes literals from the signal beside them and parenthesises as Rust does, so that lint has nothing to say;
//! - refuses, with a message, what Rust-HDL would emit wrongly (a Rust constant used as a value in a kernel).
//!
//! # Invariants
//! 1. The text depends only on the block: emitting twice gives the same bytes.
//! 2. Modules stand before the modules that use them; the top module is last and has the name asked for.
//! 3. No two modules of a text have the same body.

mod design;
mod error;
mod expression;
mod kernel;
mod module;
mod names;
mod scope;
mod walk;

pub use design::{Design, Instance, Module, Path, Port};
pub use error::EmitError;
pub use walk::emit;

#[cfg(test)]
mod tests;
