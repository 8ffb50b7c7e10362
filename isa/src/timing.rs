//! When things happen. Cycle 0 of an operation is the cycle in which its queue issues it.
//!
//! Each memory access has two numbers: the cycle in which a reader *samples*, and the cycle in which a writer's value
//! takes *effect*. A reader sees a write if `read issue + sample >= write issue + effect`. The machine checks none of this: a
//! program is legal when its result is that of executing all operations in order of issue, and the verifier decides.

use crate::Geometry;

/// Cycles from the start of a token to the activation of the first instruction of each queue.
pub const START_CYCLES: i64 = 4;
/// Least cycles between the activations of two instructions of a queue: fetch and decode take that long.
pub const MIN_PERIOD_CYCLES: i64 = 4;
/// Cycles from the meeting of both queues at a `Sync` or `EndLoop` to the activation of what follows.
pub const SYNC_CYCLES: i64 = 4;
/// Cycles from the later of the two `End` activations to the start of the next token.
pub const TURNAROUND_CYCLES: i64 = 7;

/// Cycle in which the matrix unit samples weight or KV memory.
pub const MATRIX_ROW_SAMPLE: i64 = 1;
/// Cycle in which the matrix unit samples the activation file.
pub const ACT_SAMPLE: i64 = 3;
/// Cycle in which the vector unit samples vector memory.
pub const VMEM_SAMPLE: i64 = 1;
/// Cycle in which the vector unit samples vector registers.
pub const VREG_SAMPLE: i64 = 2;
/// Cycle in which the vector unit samples scalars.
pub const SCALAR_SAMPLE: i64 = 2;

/// Cycle in which a vector operation's result stands at the end of its lane.
pub const RESULT: i64 = 12;
/// Cycle in which it stands on the result stream, which carries it from the lanes to all else.
pub const STREAM: i64 = RESULT + 1;
/// Cycle from which a vector register shows a vector operation's result.
pub const VREG_EFFECT: i64 = RESULT + 1;
/// Cycle from which the activation file shows a vector operation's result.
pub const ACT_EFFECT: i64 = STREAM + 4;
/// Cycle from which KV memory shows a vector operation's result.
pub const KV_EFFECT: i64 = STREAM + 4;
/// Cycle in which a vector operation uses the write port of vector memory.
pub const RESULT_STORE_PORT: i64 = STREAM + 1;
/// Cycle in which a gather uses the write port of vector memory.
pub const GATHER_STORE_PORT: i64 = 12;
/// Least interval of a gather: so many lanes of a row share a wire.
pub const GATHER_INTERVAL: i64 = 4;

/// Cycle in which a row of sums, completed by a beat, uses the write port of vector memory.
pub const fn dot_store_port(geometry: &Geometry) -> i64 {
    11 + geometry.tree_levels() as i64
}

/// Cycle from which vector memory shows what used its write port in cycle `port`.
pub const fn store_effect(port: i64) -> i64 {
    port + 1
}

/// Cycle from which a scalar shows the maximum over the rows completed by a `Dot`, counted from its last beat.
pub const fn maximum_effect(geometry: &Geometry) -> i64 {
    13 + geometry.tree_levels() as i64 + geometry.vxm_lanes.ilog2() as i64
}

/// Cycle from which a scalar shows a reduction, counted from the last row.
pub const fn reduction_effect(geometry: &Geometry) -> i64 {
    STREAM + 10 + geometry.vxm_lanes.ilog2() as i64
}

/// Cycle, counted from the last row compared, from which the sequencer knows the chosen token. `End` is legal from then on.
pub const fn argmax_effect(geometry: &Geometry) -> i64 {
    STREAM + 3 + geometry.vxm_lanes.ilog2() as i64
}

/// Cycle of a run's first token from which its random numbers count: the generator starts with the run.
pub const NOISE_START_CYCLES: i64 = 9;

/// Cycles that the random generator takes for one row.
pub const fn noise_row_cycles(geometry: &Geometry) -> i64 {
    geometry.vxm_lanes as i64
}

/// Cycles from the start of a token to the activation of the first instruction of each queue. Where there is external memory, a refresh
/// that was under way before the token ends in it.
#[cfg(feature = "external")]
pub const fn start_cycles(geometry: &Geometry) -> i64 {
    START_CYCLES + geometry.dram_refresh as i64
}

/// Cycles from the activation of a transfer to the earliest slot that it takes, and from the activation of the next instruction to the end of
/// its last slot.
pub const TRANSFER_LEAD: i64 = 4;
/// Cycle, counted from the word of a granule that takes its first bit, in which a row on its way to external memory is sampled.
pub const TRANSFER_SAMPLE: i64 = 1;
/// Cycles from a granule's word to the row that it completes.
pub const TRANSFER_DECODE: i64 = 12;

/// Cycle, counted from the slot of a granule, in which the row that its first word completes uses the write port of its memory; one more for
/// each further word.
#[cfg(feature = "external")]
pub const fn transfer_store_port(geometry: &Geometry) -> i64 {
    geometry.dram_read_latency as i64 + TRANSFER_DECODE
}

/// What programs for chips with external memory depend on besides.
pub(crate) const EXTERNAL: [i64; 3] = [TRANSFER_LEAD, TRANSFER_SAMPLE, TRANSFER_DECODE];

/// The numbers above that are the same for all chips: a program made for others is another program.
pub(crate) const FIXED: [i64; 17] = [
    START_CYCLES,
    MIN_PERIOD_CYCLES,
    SYNC_CYCLES,
    TURNAROUND_CYCLES,
    MATRIX_ROW_SAMPLE,
    ACT_SAMPLE,
    VMEM_SAMPLE,
    VREG_SAMPLE,
    SCALAR_SAMPLE,
    RESULT,
    STREAM,
    ACT_EFFECT,
    KV_EFFECT,
    RESULT_STORE_PORT,
    GATHER_STORE_PORT,
    GATHER_INTERVAL,
    NOISE_START_CYCLES,
];
