//! Compile-time checks that [`lpu_isa::timing`], from which compiler and verifier count, matches the latencies of the modules. A module
//! that gains a register fails the build here until the instruction set is changed with it.

use crate::dispatch::DISPATCH_CYCLES;
use crate::dram::decode::Decoder;
use crate::dram::pack::{Pack, ROW_READ};
use crate::icu::Icu;
use crate::icu::slot_timer::SlotTimer;
use crate::mem::{Gather, HostAccess};
use crate::mxm::entry::EntryPointer;
use crate::mxm::group::LaneGroup as MatrixGroup;
use crate::mxm::maximum::Maximum;
use crate::mxm::store::StorePort;
use crate::mxm::window::LaneWindow;
use crate::primitives::LocalCopy;
use crate::seq::Run;
use crate::sxm::{Argmax, Distribute, Reductions, Steps};
use crate::vxm::{Lane, Noise, Scalars, Vmem, VregLane};
use crate::widths::{CHIPS, ENTRY, MATRIX_ROW};
use lpu_isa::Geometry;
use lpu_isa::timing::*;

/// Cycles from the row of an issue to the memories: a local copy near the lanes.
const MATRIX_ROW_HERE: usize = LocalCopy::<MATRIX_ROW>::LATENCY;

/// One register on the way.
const REGISTER: usize = 1;

const _: () = {
    // Queues, and the token loop behind the registers between queues and sides.
    // An activation is one cycle, fetching the rest.
    assert!(START_CYCLES == Icu::LATENCY as i64);
    assert!(MIN_PERIOD_CYCLES == START_CYCLES && SYNC_CYCLES == START_CYCLES);
    assert!(TURNAROUND_CYCLES == (Run::LATENCY + DISPATCH_CYCLES) as i64);

    // Matrix side.
    assert!(MATRIX_ROW_SAMPLE == MATRIX_ROW_HERE as i64);
    assert!(ACT_SAMPLE == (EntryPointer::LATENCY + LocalCopy::<ENTRY>::LATENCY) as i64);
    assert!(GATHER_STORE_PORT == (MatrixGroup::OPERAND_LATENCY + Gather::LATENCY + REGISTER) as i64);

    // Vector side: all operands arrive in the cycle in which the lane takes them.
    assert!(VMEM_SAMPLE + Vmem::LATENCY as i64 == Lane::OPERANDS as i64);
    assert!(VREG_SAMPLE + VregLane::LATENCY as i64 == Lane::OPERANDS as i64);
    assert!(SCALAR_SAMPLE == Scalars::LATENCY as i64);
    assert!(REGISTER + Noise::LATENCY == Lane::OPERANDS);

    // External memory: a word to the row that it completes, a row's address to its words.
    assert!(TRANSFER_DECODE == Decoder::LATENCY as i64);
    assert!(TRANSFER_SAMPLE + (ROW_READ + REGISTER) as i64 == Pack::LATENCY as i64);
    assert!(TRANSFER_LEAD == SlotTimer::LATENCY as i64 - 1);

    // The host's read: two registers to the address, three from the gathered lanes to the word.
    assert!(HostAccess::LATENCY == 2 + MatrixGroup::OPERAND_LATENCY + Gather::LATENCY + 3);

    // The result and its destinations.
    assert!(RESULT == (Lane::OPERANDS + Lane::LATENCY) as i64);
    assert!(STREAM == RESULT + REGISTER as i64 && STREAM == Steps::LATENCY as i64);
    assert!(VREG_EFFECT == RESULT + 1);
    assert!(RESULT_STORE_PORT == STREAM + Distribute::VMEM_LATENCY as i64);
    assert!(ACT_EFFECT == STREAM + (Distribute::LATENCY + MatrixGroup::ARRIVAL) as i64 + 1);
    assert!(KV_EFFECT == ACT_EFFECT);
};

/// Latencies that depend on the size of the chip. A write takes effect one cycle later.
const fn check(chip: &Geometry) {
    let stored = dot_store_port(chip);
    assert!(stored == (LaneWindow::latency(chip) + StorePort::LATENCY) as i64);
    assert!(maximum_effect(chip) == stored + Maximum::latency(chip) as i64 + 1);
    assert!(reduction_effect(chip) == Reductions::latency(chip) as i64 + 1);
    assert!(argmax_effect(chip) == STREAM + Argmax::latency(chip) as i64);
}

const _: () = {
    let mut chip = 0;
    while chip < CHIPS.len() {
        check(&CHIPS[chip]);
        chip += 1;
    }
};
