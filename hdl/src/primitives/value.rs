//! Numbers to and from `Bits`, for the Rust side of the primitives.

use crate::dialect::*;

/// The two's complement number in `bits`; at most 64 bits.
pub(super) fn signed_of<const N: usize>(bits: Bits<N>) -> i64 {
    let unused = 64 - N as u32;
    ((bits.to_u64() << unused) as i64) >> unused
}

/// The lowest `N` bits of `value`, at most 64.
pub(super) fn bits_of<const N: usize>(value: i64) -> Bits<N> {
    let mask = if N == 64 { u64::MAX } else { (1 << N) - 1 };
    (value as u64 & mask).into()
}

/// `count` signals, which `Default` of an array does only up to 32.
pub(super) fn signals<D: Direction, T: Synth, const COUNT: usize>() -> [Signal<D, T>; COUNT] {
    std::array::from_fn(|_| Signal::default())
}
