//! The LPU's instruction set, written once.
//!
//! Encodings, latencies, geometry, arithmetic rules, registers, program image: hardware, emulator, compiler, verifier,
//! firmware and documents all read them here. Nothing in this crate knows how any of them is built.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;
#[cfg(test)]
extern crate std;

pub mod arith;
pub mod geometry;
pub mod hash;
pub mod host;
pub mod image;
pub mod instruction;
pub mod timing;

pub use geometry::Geometry;
