//! The cycles of [`lpu_isa::timing`], which compiler and verifier count with, held to what the modules take: a register more in any of
//! them, and the crate does not build until the instruction set says the same.

use crate::dispatch::DISPATCH_CYCLES;
use crate::icu::Icu;
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
use crate::widths::{ENTRY, MATRIX_ROW};
use lpu_isa::Geometry;
use lpu_isa::timing::*;

/// Cycle in which a copy near the lanes of what is read, decided in cycle 0, stands at the memory.
const MATRIX_ROW_HERE: usize = LocalCopy::<MATRIX_ROW>::LATENCY;

/// A register takes one more cycle.
const REGISTER: usize = 1;

const _: () = {
    // Queues, and the token loop behind the registers between queues and sides.
    // An activation is one cycle, fetching the rest.
    assert!(START_CYCLES == Icu::LATENCY as i64);
    assert!(MIN_PERIOD_CYCLES == START_CYCLES && SYNC_CYCLES == START_CYCLES);
    assert!(TURNAROUND_CYCLES == (Run::LATENCY + DISPATCH_CYCLES) as i64);

    // What the matrix side samples.
    assert!(MATRIX_ROW_SAMPLE == MATRIX_ROW_HERE as i64);
    assert!(ACT_SAMPLE == (EntryPointer::LATENCY + LocalCopy::<ENTRY>::LATENCY) as i64);
    assert!(GATHER_STORE_PORT == (MatrixGroup::OPERAND_LATENCY + Gather::LATENCY + REGISTER) as i64);

    // What the vector side samples: all operands meet where the lane takes them.
    assert!(VMEM_SAMPLE + Vmem::LATENCY as i64 == Lane::OPERANDS as i64);
    assert!(VREG_SAMPLE + VregLane::LATENCY as i64 == Lane::OPERANDS as i64);
    assert!(SCALAR_SAMPLE == Scalars::LATENCY as i64);
    assert!(REGISTER + Noise::LATENCY == Lane::OPERANDS);

    // The host's read: two registers to the address, three from the gathered lanes to the word.
    assert!(HostAccess::LATENCY == 2 + MatrixGroup::OPERAND_LATENCY + Gather::LATENCY + 3);

    // The result and its ways.
    assert!(RESULT == (Lane::OPERANDS + Lane::LATENCY) as i64);
    assert!(STREAM == RESULT + REGISTER as i64 && STREAM == Steps::LATENCY as i64);
    assert!(VREG_EFFECT == RESULT + 1);
    assert!(RESULT_STORE_PORT == STREAM + Distribute::VMEM_LATENCY as i64);
    assert!(ACT_EFFECT == STREAM + (Distribute::LATENCY + MatrixGroup::ARRIVAL) as i64 + 1);
    assert!(KV_EFFECT == ACT_EFFECT);
};

/// What a chip's size decides. An effect is seen a cycle after its write.
const fn hold(chip: &Geometry) {
    let stored = dot_store_port(chip);
    assert!(stored == (LaneWindow::latency(chip) + StorePort::LATENCY) as i64);
    assert!(maximum_effect(chip) == stored + Maximum::latency(chip) as i64 + 1);
    assert!(reduction_effect(chip) == Reductions::latency(chip) as i64 + 1);
    assert!(argmax_effect(chip) == STREAM + Argmax::latency(chip) as i64);
}

const _: () = {
    let mut chip = 0;
    while chip < Geometry::ALL.len() {
        hold(&Geometry::ALL[chip]);
        chip += 1;
    }
};
