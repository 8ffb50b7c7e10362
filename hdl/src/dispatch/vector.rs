//! The way of the vector queue's issues: the row of vector memory of the first issue comes out with the issue.
//!
//! ```text
//!  vmem_index ─► token, position, of rows or lanes ─┐
//!  offset_first, vmem ──────────────────────────────┴─► RowStart ─────────────────► vmem_start
//!  issue, first, last, part[p], token, position, offset_second, run_start ─►[reg]─►[reg]─► the same
//!                                                                 cycle -2   -1     0
//! ```
//!
//! | port                                | dir | width | meaning                                             | cycle |
//! |-------------------------------------|-----|-------|-----------------------------------------------------|------:|
//! | `issue`, `first`, `last`            | in  | 1     | as of the queue                                     |    -2 |
//! | `part[p]`                           | in  | 64    | payload, part `p + 1` of the instruction            |    -2 |
//! | `offset_first`, `offset_second`     | in  | 24    | loop offsets: vector memory read, KV rows written   |    -2 |
//! | `token`, `position`                 | in  | 16    | of the sequencer                                    |    -2 |
//! | `run_start`                         | in  | 1     | strobe: a run begins                                |    -2 |
//! | `issue_0`, `first_0`, `last_0`, `run_start_0` | out | 1 | the same                                      |     0 |
//! | `part_0[p]`, `offset_second_0`, `token_0`, `position_0` | out | 64, 24, 16, 16 | the same               |     0 |
//! | `vmem_start`                        | out | 28    | `vmem` plus loop offset and index, signed and exact |     0 |
//!
//! # Invariants
//! 1. What the sequencer says travels with the issues: a side sees position and token change between two tokens' issues.

use super::DISPATCH_CYCLES;
use crate::kind::Kind;
use crate::primitives::vector::{EXACT_ROW, Fixed, RowStart, Setting, many};
use crate::primitives::{ShiftRegister, VectorPayload};
use lpu_isa::Geometry;
use lpu_isa::instruction::VmemIndex;
use rust_hdl::prelude::*;

/// The registers between the vector queue and the vector side.
#[derive(LogicBlock)]
pub struct VectorDispatch {
    pub clock: Signal<In, Clock>,
    pub issue: Signal<In, Bit>,
    pub first: Signal<In, Bit>,
    pub last: Signal<In, Bit>,
    pub part: Vec<Signal<In, Bits<64>>>,
    pub offset_first: Signal<In, Bits<24>>,
    pub offset_second: Signal<In, Bits<24>>,
    pub token: Signal<In, Bits<16>>,
    pub position: Signal<In, Bits<16>>,
    pub run_start: Signal<In, Bit>,
    pub issue_0: Signal<Out, Bit>,
    pub first_0: Signal<Out, Bit>,
    pub last_0: Signal<Out, Bit>,
    pub part_0: Vec<Signal<Out, Bits<64>>>,
    pub offset_second_0: Signal<Out, Bits<24>>,
    pub token_0: Signal<Out, Bits<16>>,
    pub position_0: Signal<Out, Bits<16>>,
    pub run_start_0: Signal<Out, Bit>,
    pub vmem_start: Signal<Out, Bits<EXACT_ROW>>,
    by_token_row: Fixed<{ VmemIndex::TokenRow as u64 }, 2>,
    by_position_row: Fixed<{ VmemIndex::PositionRow as u64 }, 2>,
    by_position_lane: Fixed<{ VmemIndex::PositionLane as u64 }, 2>,
    lane_bits: Setting<4>,
    lane_mask: Setting<16>,
    payload: VectorPayload,
    start: RowStart,
    issue_later: ShiftRegister<1>,
    first_later: ShiftRegister<1>,
    last_later: ShiftRegister<1>,
    part_later: Vec<ShiftRegister<64>>,
    offset_second_later: ShiftRegister<24>,
    token_later: ShiftRegister<16>,
    position_later: ShiftRegister<16>,
    run_start_later: ShiftRegister<1>,
    kind: Kind<Self>,
}

impl VectorDispatch {
    /// Cycles from inputs to outputs.
    pub const LATENCY: usize = DISPATCH_CYCLES;

    /// The registers of a chip.
    pub fn new(geometry: &Geometry) -> Self {
        let payload = VectorPayload::default();
        let parts = payload.part.len();
        let lanes = geometry.vxm_lanes as u64;
        Self {
            clock: Default::default(),
            issue: Default::default(),
            first: Default::default(),
            last: Default::default(),
            part: many(parts),
            offset_first: Default::default(),
            offset_second: Default::default(),
            token: Default::default(),
            position: Default::default(),
            run_start: Default::default(),
            issue_0: Default::default(),
            first_0: Default::default(),
            last_0: Default::default(),
            part_0: many(parts),
            offset_second_0: Default::default(),
            token_0: Default::default(),
            position_0: Default::default(),
            run_start_0: Default::default(),
            vmem_start: Default::default(),
            by_token_row: Default::default(),
            by_position_row: Default::default(),
            by_position_lane: Default::default(),
            lane_bits: Setting::new(u64::from(lanes.ilog2())),
            lane_mask: Setting::new(lanes - 1),
            payload,
            start: Default::default(),
            issue_later: ShiftRegister::new(DISPATCH_CYCLES),
            first_later: ShiftRegister::new(DISPATCH_CYCLES),
            last_later: ShiftRegister::new(DISPATCH_CYCLES),
            part_later: (0..parts).map(|_| ShiftRegister::new(DISPATCH_CYCLES)).collect(),
            offset_second_later: ShiftRegister::new(DISPATCH_CYCLES),
            token_later: ShiftRegister::new(DISPATCH_CYCLES),
            position_later: ShiftRegister::new(DISPATCH_CYCLES),
            run_start_later: ShiftRegister::new(DISPATCH_CYCLES),
            kind: Kind::default(),
        }
    }
}

impl Logic for VectorDispatch {
    #[hdl_gen]
    fn update(&mut self) {
        clock!(self, clock, start, issue_later, first_later, last_later, offset_second_later);
        clock!(self, clock, token_later, position_later, run_start_later);
        self.issue_later.x.next = self.issue.val().into();
        self.first_later.x.next = self.first.val().into();
        self.last_later.x.next = self.last.val().into();
        self.run_start_later.x.next = self.run_start.val().into();
        self.offset_second_later.x.next = self.offset_second.val();
        self.token_later.x.next = self.token.val();
        self.position_later.x.next = self.position.val();
        self.issue_0.next = self.issue_later.y.val().get_bit(0);
        self.first_0.next = self.first_later.y.val().get_bit(0);
        self.last_0.next = self.last_later.y.val().get_bit(0);
        self.run_start_0.next = self.run_start_later.y.val().get_bit(0);
        self.offset_second_0.next = self.offset_second_later.y.val();
        self.token_0.next = self.token_later.y.val();
        self.position_0.next = self.position_later.y.val();
        for p in 0..self.part.len() {
            self.payload.part[p].next = self.part[p].val();
            self.part_later[p].clock.next = self.clock.val();
            self.part_later[p].x.next = self.part[p].val();
            self.part_0[p].next = self.part_later[p].y.val();
        }

        self.start.base.next = self.payload.vmem.val();
        self.start.offset.next = 0.into();
        self.start.index.next = 0.into();
        if self.payload.vmem_offset.val().get_bit(0) {
            self.start.offset.next = self.offset_first.val();
        }
        if self.payload.vmem_index.val() == self.by_token_row.val() {
            self.start.index.next = self.token.val() >> self.lane_bits.val();
        } else if self.payload.vmem_index.val() == self.by_position_row.val() {
            self.start.index.next = self.position.val() >> self.lane_bits.val();
        } else if self.payload.vmem_index.val() == self.by_position_lane.val() {
            self.start.index.next = self.position.val() & self.lane_mask.val();
        }
        self.vmem_start.next = self.start.start.val();
    }
}
