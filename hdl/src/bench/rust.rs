//! Rust-HDL's own simulation of a block, for the agreement of a primitive's `update` with its Verilog.

use rust_hdl::prelude::{Block, simulate};

/// Updates that a primitive needs at most to come to rest.
const SETTLE_MAX: usize = 100;

/// Runs `block` for `cycles` cycles: `drive` sets the inputs of a cycle, `sample` reads the outputs before the rising
/// edge that ends it, as [`Bench`](super::Bench) does.
///
/// # Panics
/// The block does not settle.
pub fn simulate_rust<B: Block, R>(
    block: &mut B,
    cycles: usize,
    clock: impl Fn(&mut B, bool),
    drive: impl Fn(&mut B, usize),
    sample: impl Fn(&B) -> R,
) -> Vec<R> {
    block.connect_all();
    let settle = |block: &mut B| assert!(simulate(block, SETTLE_MAX), "the block does not settle");
    let cycle = |t: usize| {
        clock(block, false);
        drive(block, t);
        settle(block);
        let result = sample(block);
        clock(block, true);
        settle(block);
        result
    };
    (0..cycles).map(cycle).collect()
}
