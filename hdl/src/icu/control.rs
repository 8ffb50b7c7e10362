//! The instruction queues, and the point where they meet.
//!
//! ```text
//!  start ─┬─► matrix queue ─► issue, payload ─► matrix side
//!         │        │ waiting, ended
//!         │      meet ─► both go on          over ─► sequencer
//!         │        │ waiting, ended
//!         ├─► vector queue ─► issue, payload ─► vector side
//!         │        │ waiting, ended
//!         └─► transfer queue ─► issue, payload ─► external memory, where there is one
//! ```
//!
//! | port                                | dir | width | meaning                                                | cycle |
//! |-------------------------------------|-----|-------|--------------------------------------------------------|-------|
//! | `matrix_write`, `vector_write`      | in  | 1     | strobes of the instruction memories, between tokens    |       |
//! | `write_part`, `write_index`, `write_data` | in | 3, `QUEUE_INDEX`, 64 |                                    |       |
//! | `start`                             | in  | 1     | strobe: cycle 0 of a token                             | 0     |
//! | `blocks`                            | in  | `BLOCKS` | blocks begun, stable from `start` to `over`         |       |
//! | `matrix_*`, `vector_*`              | out |       | as [`IssueQueue`](super::queue::IssueQueue)            |       |
//! | `gather`                            | out | 1     | the matrix queue's operation is `Gather`, not `Dot`    |       |
//! | `over`                              | out | 1     | strobe: the last queue ended in this cycle             | `m`   |
//! | `matrix_underrun`, `vector_underrun`, `illegal`, `sync_lost` | out | 1 | fault strobes                     |       |
//! | `transfer_*`                        | in, out |   | the same of the transfer queue; absent without external memory |   |
//! | `segment`                           | out | 1     | strobe: the queues activate their first instructions, or those after a meeting, in the next cycle | |
//! | `hold`                              | out | 1     | a token starts, and its first segment has not begun    |       |
//!
//! # Invariants
//! 1. `over` comes in the cycle of the later `End`'s activation. A queue that waits for one that ended counts as ended
//!    there, and `sync_lost` says so.
//! 2. With external memory, queues start `dram_refresh` cycles later, so that a refresh that was under way is over.

use super::queue::IssueQueue;
use crate::dialect::*;
use crate::primitives::Delay;
use crate::widths::{BLOCKS, QUEUE_INDEX};
use lpu_isa::Geometry;
use lpu_isa::instruction::{Gather, Queue};

/// The instruction control unit.
#[derive(LogicBlock, Default)]
pub struct Icu {
    pub clock: Signal<In, Clock>,
    pub matrix_write: Signal<In, Bit>,
    pub vector_write: Signal<In, Bit>,
    pub write_part: Signal<In, Bits<3>>,
    pub write_index: Signal<In, Bits<QUEUE_INDEX>>,
    pub write_data: Signal<In, Bits<64>>,
    pub start: Signal<In, Bit>,
    pub blocks: Signal<In, Bits<BLOCKS>>,
    pub matrix_issue: Signal<Out, Bit>,
    pub matrix_first: Signal<Out, Bit>,
    pub matrix_last: Signal<Out, Bit>,
    pub gather: Signal<Out, Bit>,
    pub matrix_part: Vec<Signal<Out, Bits<64>>>,
    pub matrix_offset_first: Signal<Out, Bits<24>>,
    pub matrix_offset_second: Signal<Out, Bits<24>>,
    pub vector_issue: Signal<Out, Bit>,
    pub vector_first: Signal<Out, Bit>,
    pub vector_last: Signal<Out, Bit>,
    pub vector_part: Vec<Signal<Out, Bits<64>>>,
    pub vector_offset_first: Signal<Out, Bits<24>>,
    pub vector_offset_second: Signal<Out, Bits<24>>,
    pub transfer_write: Vec<Signal<In, Bit>>,
    pub transfer_slot: Vec<Signal<In, Bit>>,
    pub transfer_issue: Vec<Signal<Out, Bit>>,
    pub transfer_first: Vec<Signal<Out, Bit>>,
    pub transfer_last: Vec<Signal<Out, Bit>>,
    pub transfer_part: Vec<Signal<Out, Bits<64>>>,
    pub transfer_offset_first: Vec<Signal<Out, Bits<24>>>,
    pub transfer_offset_second: Vec<Signal<Out, Bits<24>>>,
    pub transfer_underrun: Vec<Signal<Out, Bit>>,
    pub segment: Vec<Signal<Out, Bit>>,
    pub hold: Vec<Signal<Out, Bit>>,
    pub over: Signal<Out, Bit>,
    pub matrix_underrun: Signal<Out, Bit>,
    pub vector_underrun: Signal<Out, Bit>,
    pub illegal: Signal<Out, Bit>,
    pub sync_lost: Signal<Out, Bit>,
    code_gather: Fixed<{ Gather::CODE }, 4>,
    matrix: IssueQueue,
    vector: IssueQueue,
    // With external memory, one of each.
    transfer: Vec<IssueQueue>,
    start_later: Vec<Delay<1>>,
    segment_later: Vec<Delay<1>>,
    pending: Vec<DFF<Bit>>,
    meet: Signal<Local, Bit>,
    all_rest: Signal<Local, Bit>,
    lost: DFF<Bit>,
    kind: Kind<Self>,
}

impl Icu {
    /// Cycles from `start` to the first activation.
    pub const LATENCY: usize = IssueQueue::LATENCY;

    /// The unit of a chip.
    pub fn new(geometry: &Geometry) -> Self {
        Self {
            matrix_part: many(Queue::Matrix.parts() - 1),
            vector_part: many(Queue::Vector.parts() - 1),
            matrix: IssueQueue::new(geometry, Queue::Matrix),
            vector: IssueQueue::new(geometry, Queue::Vector),
            ..Self::external(geometry)
        }
    }

    /// What external memory needs, if there is one.
    fn external(geometry: &Geometry) -> Self {
        let count = usize::from(geometry.has_external_memory());
        let queues = (0..count).map(|_| IssueQueue::new(geometry, Queue::Transfer));
        Self {
            transfer: queues.collect(),
            transfer_write: many(count),
            transfer_slot: many(count),
            transfer_issue: many(count),
            transfer_first: many(count),
            transfer_last: many(count),
            transfer_part: many(count * (Queue::Transfer.parts() - 1)),
            transfer_offset_first: many(count),
            transfer_offset_second: many(count),
            transfer_underrun: many(count),
            segment: many(count),
            hold: many(count),
            start_later: (0..count).map(|_| Delay::new(geometry.dram_refresh)).collect(),
            segment_later: (0..count).map(|_| Delay::new(IssueQueue::LATENCY - 1)).collect(),
            pending: many(count),
            ..Self::default()
        }
    }
}

impl Logic for Icu {
    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(self, clock, lost);
        clock!(self, clock, matrix, vector);
        self.meet.next = self.matrix.waiting.val() & self.vector.waiting.val();
        self.all_rest.next = (self.matrix.waiting.val() | self.matrix.ended.val())
            & (self.vector.waiting.val() | self.vector.ended.val());
        for t in 0..self.transfer.len() {
            self.meet.next =
                self.matrix.waiting.val() & self.vector.waiting.val() & self.transfer[t].waiting.val();
            self.all_rest.next = (self.matrix.waiting.val() | self.matrix.ended.val())
                & (self.vector.waiting.val() | self.vector.ended.val())
                & (self.transfer[t].waiting.val() | self.transfer[t].ended.val());
        }
        self.over.next = self.all_rest.val() & !self.meet.val();
        self.lost.d.next =
            self.all_rest.val() & !self.meet.val() & (self.matrix.waiting.val() | self.vector.waiting.val());
        self.sync_lost.next = self.lost.q.val();

        self.matrix.write.next = self.matrix_write.val();
        self.matrix.write_part.next = self.write_part.val();
        self.matrix.write_index.next = self.write_index.val();
        self.matrix.write_data.next = self.write_data.val();
        self.matrix.blocks.next = self.blocks.val();
        self.matrix.start.next = self.start.val();
        self.matrix.meet.next = self.meet.val();
        self.matrix.over.next = self.all_rest.val() & !self.meet.val();
        self.matrix_issue.next = self.matrix.issue.val();
        self.matrix_first.next = self.matrix.first.val();
        self.matrix_last.next = self.matrix.last.val();
        self.gather.next = self.matrix.opcode.val() == self.code_gather.val();
        self.matrix_offset_first.next = self.matrix.offset_first.val();
        self.matrix_offset_second.next = self.matrix.offset_second.val();
        for p in 0..self.matrix_part.len() {
            self.matrix_part[p].next = self.matrix.part[p].val();
        }

        self.vector.write.next = self.vector_write.val();
        self.vector.write_part.next = self.write_part.val();
        self.vector.write_index.next = self.write_index.val();
        self.vector.write_data.next = self.write_data.val();
        self.vector.blocks.next = self.blocks.val();
        self.vector.start.next = self.start.val();
        self.vector.meet.next = self.meet.val();
        self.vector.over.next = self.all_rest.val() & !self.meet.val();
        self.vector_issue.next = self.vector.issue.val();
        self.vector_first.next = self.vector.first.val();
        self.vector_last.next = self.vector.last.val();
        self.vector_offset_first.next = self.vector.offset_first.val();
        self.vector_offset_second.next = self.vector.offset_second.val();
        for p in 0..self.vector_part.len() {
            self.vector_part[p].next = self.vector.part[p].val();
        }

        self.matrix_underrun.next = self.matrix.underrun.val();
        self.vector_underrun.next = self.vector.underrun.val();
        self.illegal.next = self.matrix.illegal.val() | self.vector.illegal.val();

        for t in 0..self.transfer.len() {
            clock!(self, clock, transfer[t], start_later[t], segment_later[t]);
            dff_setup!(self, clock, pending[t]);
            self.lost.d.next = self.all_rest.val()
                & !self.meet.val()
                & (self.matrix.waiting.val() | self.vector.waiting.val() | self.transfer[t].waiting.val());
            self.start_later[t].x.next = self.start.val().into();
            self.matrix.start.next = self.start_later[t].y.val().get_bit(0);
            self.vector.start.next = self.start_later[t].y.val().get_bit(0);
            self.transfer[t].start.next = self.start_later[t].y.val().get_bit(0);
            self.segment_later[t].x.next = (self.start_later[t].y.val().get_bit(0) | self.meet.val()).into();
            self.segment[t].next = self.segment_later[t].y.val().get_bit(0);
            if self.segment_later[t].y.val().get_bit(0) {
                self.pending[t].d.next = false;
            }
            if self.start.val() {
                self.pending[t].d.next = true;
            }
            self.hold[t].next = self.pending[t].q.val();
            self.transfer[t].write.next = self.transfer_write[t].val();
            self.transfer[t].write_part.next = self.write_part.val();
            self.transfer[t].write_index.next = self.write_index.val();
            self.transfer[t].write_data.next = self.write_data.val();
            self.transfer[t].blocks.next = self.blocks.val();
            self.transfer[t].meet.next = self.meet.val();
            self.transfer[t].over.next = self.all_rest.val() & !self.meet.val();
            self.transfer[t].slot[0].next = self.transfer_slot[t].val();
            self.transfer_issue[t].next = self.transfer[t].issue.val();
            self.transfer_first[t].next = self.transfer[t].first.val();
            self.transfer_last[t].next = self.transfer[t].last.val();
            self.transfer_offset_first[t].next = self.transfer[t].offset_first.val();
            self.transfer_offset_second[t].next = self.transfer[t].offset_second.val();
            self.transfer_underrun[t].next = self.transfer[t].underrun.val();
            self.illegal.next =
                self.matrix.illegal.val() | self.vector.illegal.val() | self.transfer[t].illegal.val();
            for p in 0..self.transfer_part.len() {
                self.transfer_part[p].next = self.transfer[t].part[p].val();
            }
        }
    }
}
