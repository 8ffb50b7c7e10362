//! The machine in Rust-HDL, and the emitter of its Verilog.

pub mod emit;
pub mod kind;
