//! The inner loops, compiled for the vector unit of the machine that runs them.
//!
//! # Invariants
//! 1. They compute what [`lpu_isa::arith`] and [`lpu_isa::transfer::decode`] define, bit for bit.

mod codes;
mod lanes;
mod product;

pub use codes::{Codes, Shape, decode_rows, kv_values, read_nines};
pub use lanes::{Operands, compute, round_sums, saturated, words};
pub use product::{Product, multiply};

/// Bytes that look random.
#[cfg(test)]
fn random(seed: u64, count: usize) -> Vec<u8> {
    let mut state = seed | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 32) as u8
    };
    (0..count).map(|_| next()).collect()
}
