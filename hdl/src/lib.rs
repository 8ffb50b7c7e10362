//! The machine in Rust-HDL, and the emitter of its Verilog.
//!
//! The package `lpu-hdl-external` is this source once more, for chips with external memory ([`widths`]).

pub mod bench;
pub mod board;
pub mod census;
pub mod chip;
pub mod dialect;
pub mod dispatch;
pub mod dram;
pub mod emit;
pub mod host_port;
pub mod icu;
pub mod mem;
pub mod mxm;
pub mod primitives;
pub mod seq;
pub mod soc;
pub mod sxm;
#[cfg(test)]
mod tidy;
mod timing;
pub mod vxm;
pub mod widths;
