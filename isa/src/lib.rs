//! The LPU's instruction set, written once.
//!
//! Encodings, latencies, geometry, arithmetic rules, registers, program image, serial link: hardware, emulator, compiler, verifier,
//! firmware and documents all read them here. Nothing in this crate knows how any of them is built.
#![no_std]
#![forbid(unsafe_code)]

#[cfg(feature = "alloc")]
extern crate alloc;
#[cfg(test)]
extern crate std;

pub mod arith;
pub mod geometry;
pub mod hash;
pub mod host;
#[cfg(feature = "alloc")]
pub mod image;
pub mod instruction;
pub mod link;
pub mod soc;
pub mod timing;
#[cfg(feature = "external")]
pub mod transfer;

pub use geometry::Geometry;
