//! Both instruction queues, and the point where they meet.
//!
//! ```text
//!  start ─┬─► matrix queue ─► issue, payload ─► matrix side
//!         │        │ waiting, ended
//!         │      meet ─► both go on          over ─► sequencer
//!         │        │ waiting, ended
//!         └─► vector queue ─► issue, payload ─► vector side
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
//!
//! # Invariants
//! 1. `over` comes in the cycle of the later `End`'s activation. A queue that waits for one that ended counts as ended
//!    there, and `sync_lost` says so.

use super::queue::IssueQueue;
use crate::dialect::*;
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
    pub over: Signal<Out, Bit>,
    pub matrix_underrun: Signal<Out, Bit>,
    pub vector_underrun: Signal<Out, Bit>,
    pub illegal: Signal<Out, Bit>,
    pub sync_lost: Signal<Out, Bit>,
    code_gather: Fixed<{ Gather::CODE }, 4>,
    matrix: IssueQueue,
    vector: IssueQueue,
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
    }
}
