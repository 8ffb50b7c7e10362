//! The way of the matrix queue's issues: the row of the first issue comes out with the issue.
//!
//! ```text
//!  token, position ─► << chunks ─────────────►[reg]─┬─ low bits ──────────────────►[reg]─► first_chunk
//!                                                   └─ row of the item ─┐
//!  offset_first, offset_second ─► which ─────►[reg]─────────────────────┴─(+ row)─►[reg]─► first_row
//!  issue, first, last, gather, part[p], position ─►[reg]──────────────────────────►[reg]─► the same
//!                                       cycle -2    -1                               0
//! ```
//!
//! | port                                | dir | width | meaning                                             | cycle |
//! |-------------------------------------|-----|-------|-----------------------------------------------------|------:|
//! | `issue`, `first`, `last`, `gather`  | in  | 1     | as of the queue                                     |    -2 |
//! | `part[p]`                           | in  | 64    | payload, part `p + 1` of the instruction            |    -2 |
//! | `offset_first`, `offset_second`     | in  | 24    | loop offsets of weight and KV rows                  |    -2 |
//! | `token`, `position`                 | in  | 16    | of the sequencer                                    |    -2 |
//! | `issue_0`, `first_0`, `last_0`, `gather_0` | out | 1 | the same                                           |     0 |
//! | `part_0[p]`, `position_0`           | out | 64, 16 | the same                                           |     0 |
//! | `first_row`                         | out | 24    | `row`, plus the loop offset or the row of the item  |     0 |
//! | `first_chunk`                       | out | `GROUP` | `Gather`: group of lanes in which the item begins |     0 |
//!
//! # Invariants
//! 1. Rows are numbers of 24 bits that wrap; a negative row is therefore a very large one.

use super::DISPATCH_CYCLES;
use crate::kind::Kind;
use crate::primitives::{MatrixPayload, ShiftRegister};
use crate::widths::GROUP;
use lpu_isa::Geometry;
use rust_hdl::prelude::*;

/// The registers between the matrix queue and the matrix side.
#[derive(LogicBlock)]
pub struct MatrixDispatch {
    pub clock: Signal<In, Clock>,
    pub issue: Signal<In, Bit>,
    pub first: Signal<In, Bit>,
    pub last: Signal<In, Bit>,
    pub gather: Signal<In, Bit>,
    pub part: Vec<Signal<In, Bits<64>>>,
    pub offset_first: Signal<In, Bits<24>>,
    pub offset_second: Signal<In, Bits<24>>,
    pub token: Signal<In, Bits<16>>,
    pub position: Signal<In, Bits<16>>,
    pub issue_0: Signal<Out, Bit>,
    pub first_0: Signal<Out, Bit>,
    pub last_0: Signal<Out, Bit>,
    pub gather_0: Signal<Out, Bit>,
    pub part_0: Vec<Signal<Out, Bits<64>>>,
    pub position_0: Signal<Out, Bits<16>>,
    pub first_row: Signal<Out, Bits<24>>,
    pub first_chunk: Signal<Out, Bits<GROUP>>,
    payload: MatrixPayload,
    issue_later: ShiftRegister<1>,
    first_later: ShiftRegister<1>,
    last_later: ShiftRegister<1>,
    gather_later: ShiftRegister<1>,
    part_later: Vec<ShiftRegister<64>>,
    position_later: ShiftRegister<16>,
    last_chunk: Constant<Bits<GROUP>>,
    number: Signal<Local, Bits<16>>,
    item: DFF<Bits<32>>,
    row: DFF<Bits<24>>,
    offset: DFF<Bits<24>>,
    gathers: DFF<Bit>,
    addend: Signal<Local, Bits<24>>,
    row_held: DFF<Bits<24>>,
    chunk_held: DFF<Bits<GROUP>>,
    _group_bits: usize,
    kind: Kind<Self>,
}

impl MatrixDispatch {
    /// Cycles from inputs to outputs.
    pub const LATENCY: usize = DISPATCH_CYCLES;

    /// The registers of a chip.
    pub fn new(geometry: &Geometry) -> Self {
        let payload = MatrixPayload::default();
        let parts = payload.part.len();
        Self {
            clock: Default::default(),
            issue: Default::default(),
            first: Default::default(),
            last: Default::default(),
            gather: Default::default(),
            part: (0..parts).map(|_| Default::default()).collect(),
            offset_first: Default::default(),
            offset_second: Default::default(),
            token: Default::default(),
            position: Default::default(),
            issue_0: Default::default(),
            first_0: Default::default(),
            last_0: Default::default(),
            gather_0: Default::default(),
            part_0: (0..parts).map(|_| Default::default()).collect(),
            position_0: Default::default(),
            first_row: Default::default(),
            first_chunk: Default::default(),
            payload,
            issue_later: ShiftRegister::new(DISPATCH_CYCLES),
            first_later: ShiftRegister::new(DISPATCH_CYCLES),
            last_later: ShiftRegister::new(DISPATCH_CYCLES),
            gather_later: ShiftRegister::new(DISPATCH_CYCLES),
            part_later: (0..parts).map(|_| ShiftRegister::new(DISPATCH_CYCLES)).collect(),
            position_later: ShiftRegister::new(DISPATCH_CYCLES),
            last_chunk: Constant::new((geometry.groups() - 1).to_bits()),
            number: Default::default(),
            item: Default::default(),
            row: Default::default(),
            offset: Default::default(),
            gathers: Default::default(),
            addend: Default::default(),
            row_held: Default::default(),
            chunk_held: Default::default(),
            _group_bits: geometry.groups().ilog2() as usize,
            kind: Kind::default(),
        }
    }
}

impl Logic for MatrixDispatch {
    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(self, clock, item, row, offset, gathers, row_held, chunk_held);
        clock!(self, clock, issue_later, first_later, last_later, gather_later, position_later);
        self.issue_later.x.next = self.issue.val().into();
        self.first_later.x.next = self.first.val().into();
        self.last_later.x.next = self.last.val().into();
        self.gather_later.x.next = self.gather.val().into();
        self.position_later.x.next = self.position.val();
        self.issue_0.next = self.issue_later.y.val().get_bit(0);
        self.first_0.next = self.first_later.y.val().get_bit(0);
        self.last_0.next = self.last_later.y.val().get_bit(0);
        self.gather_0.next = self.gather_later.y.val().get_bit(0);
        self.position_0.next = self.position_later.y.val();
        for p in 0..self.part.len() {
            self.payload.part[p].next = self.part[p].val();
            self.part_later[p].clock.next = self.clock.val();
            self.part_later[p].x.next = self.part[p].val();
            self.part_0[p].next = self.part_later[p].y.val();
        }

        // What is added to the row, each way in its own register.
        self.number.next = self.token.val();
        if self.payload.index.val().get_bit(0) {
            self.number.next = self.position.val();
        }
        self.item.d.next = bit_cast::<32, 16>(self.number.val()) << self.payload.chunks.val();
        self.offset.d.next = 0.into();
        if self.payload.offset.val().get_bit(0) {
            self.offset.d.next = self.offset_first.val();
            if self.payload.memory.val().get_bit(0) {
                self.offset.d.next = self.offset_second.val();
            }
        }
        self.row.d.next = self.payload.row.val();
        self.gathers.d.next = self.gather.val();

        self.addend.next = self.offset.q.val();
        if self.gathers.q.val() {
            for low in self._group_bits..(self._group_bits + 1) {
                self.addend.next = self.item.q.val().get_bits::<24>(low);
            }
        }
        self.row_held.d.next = self.row.q.val() + self.addend.val();
        self.chunk_held.d.next = bit_cast::<GROUP, 32>(self.item.q.val()) & self.last_chunk.val();
        self.first_row.next = self.row_held.q.val();
        self.first_chunk.next = self.chunk_held.q.val();
    }
}
