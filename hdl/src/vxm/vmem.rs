//! Vector memory: one row read and one row written a cycle, and the host's way in.
//!
//! ```text
//!  read_row ──────────────► block RAM per pair of lanes ──►[output register]──► row
//!      cycle 1               ▲                                cycle 3    └─► quad ──►[reg]──► host_word
//!  matrix store ──┐          │                                                   cycle 4
//!  result store ──┼── write port
//!  host word ─────┘
//! ```
//!
//! | port                   | dir | width      | meaning                                          | cycle |
//! |------------------------|-----|------------|--------------------------------------------------|-------|
//! | `clock`                | in  | 1          |                                                  |       |
//! | `read_row`             | in  | `VMEM_ROW` | row read                                         | `t`   |
//! | `row[l]`               | out | 18         |                                                  | `t+2` |
//! | `matrix_store`, `_row` | in  | 1, `VMEM_ROW` | the matrix side writes                        | `t`   |
//! | `matrix_word[l]`       | in  | 18         | seen by reads from `t + 1`                       | `t`   |
//! | `result_store`, `_row` | in  | 1, `VMEM_ROW` | a vector result is written                    | `t`   |
//! | `result_word[l]`       | in  | 18         | seen by reads from `t + 1`                       | `t`   |
//! | `conflict`             | out | 1          | both stored in cycle `t`                         | `t+1` |
//! | `host_write`           | in  | 1          | while no token runs                              | `t`   |
//! | `host_row`, `host_quad`| in  | `VMEM_ROW`, `QUAD` | place of a host word, write or read      | `t`   |
//! | `host_data`            | in  | 72         | four lanes; seen by reads from `t + 2`           | `t`   |
//! | `host_word`            | out | 72         | quad `host_quad` of `read_row`                   | `t+3` |
//!
//! # Invariants
//! 1. Of two stores in one cycle the matrix side's is written, and `conflict` tells.
//! 2. The caller reads no row in the cycle in which it is written (see `Ebr`).
//! 3. `host_quad` is held from a host's read until its word is there.

use crate::kind::Kind;
use crate::primitives::vector::many;
use crate::primitives::{Ebr, JoinLanes};
use crate::widths::{QUAD, VMEM_ROW};
use lpu_isa::Geometry;
use rust_hdl::prelude::*;

/// The memory of a chip.
#[derive(LogicBlock, Default)]
pub struct Vmem {
    pub clock: Signal<In, Clock>,
    pub read_row: Signal<In, Bits<VMEM_ROW>>,
    pub row: Vec<Signal<Out, Bits<18>>>,
    pub matrix_store: Signal<In, Bit>,
    pub matrix_row: Signal<In, Bits<VMEM_ROW>>,
    pub matrix_word: Vec<Signal<In, Bits<18>>>,
    pub result_store: Signal<In, Bit>,
    pub result_row: Signal<In, Bits<VMEM_ROW>>,
    pub result_word: Vec<Signal<In, Bits<18>>>,
    pub conflict: Signal<Out, Bit>,
    pub host_write: Signal<In, Bit>,
    pub host_row: Signal<In, Bits<VMEM_ROW>>,
    pub host_quad: Signal<In, Bits<QUAD>>,
    pub host_data: Signal<In, Bits<72>>,
    pub host_word: Signal<Out, Bits<72>>,
    host_write_1: DFF<Bit>,
    host_row_1: DFF<Bits<VMEM_ROW>>,
    host_quad_1: DFF<Bits<QUAD>>,
    host_data_1: DFF<Bits<72>>,
    write_row: Signal<Local, Bits<VMEM_ROW>>,
    write_word: Vec<Signal<Local, Bits<18>>>,
    host_hit: Vec<Signal<Local, Bit>>,
    pair: Vec<JoinLanes<2, 18, 36>>,
    bank: Vec<Ebr<VMEM_ROW, 36, 1>>,
    quad: Vec<JoinLanes<2, 36, 72>>,
    picked: Signal<Local, Bits<72>>,
    host_word_4: DFF<Bits<72>>,
    conflict_1: DFF<Bit>,
    _lanes: usize,
    kind: Kind<Self>,
}

impl Vmem {
    /// Cycles from `read_row` to `row`.
    pub const LATENCY: usize = 2;
    /// Cycles from `read_row` to `host_word`.
    pub const HOST_LATENCY: usize = 3;

    /// The memory of a chip.
    pub fn new(geometry: &Geometry) -> Self {
        let lanes = geometry.vxm_lanes;
        Self {
            row: many(lanes),
            matrix_word: many(lanes),
            result_word: many(lanes),
            write_word: many(lanes),
            host_hit: many(lanes / 4),
            pair: many(lanes / 2),
            bank: many(lanes / 2),
            quad: many(lanes / 4),
            _lanes: lanes,
            ..Self::default()
        }
    }
}

impl Logic for Vmem {
    #[hdl_gen]
    fn update(&mut self) {
        clock!(self, clock, host_write_1, host_row_1, host_quad_1, host_data_1, host_word_4, conflict_1);
        self.host_write_1.d.next = self.host_write.val();
        self.host_row_1.d.next = self.host_row.val();
        self.host_quad_1.d.next = self.host_quad.val();
        self.host_data_1.d.next = self.host_data.val();

        self.write_row.next = self.result_row.val();
        if self.matrix_store.val() {
            self.write_row.next = self.matrix_row.val();
        } else if self.host_write_1.q.val() {
            self.write_row.next = self.host_row_1.q.val();
        }
        for q in 0..(self._lanes / 4) {
            self.host_hit[q].next = self.host_write_1.q.val() & (self.host_quad_1.q.val() == q.to_bits());
            for j in 0..4 {
                self.write_word[q * 4 + j].next = self.result_word[q * 4 + j].val();
                if self.matrix_store.val() {
                    self.write_word[q * 4 + j].next = self.matrix_word[q * 4 + j].val();
                } else if self.host_write_1.q.val() {
                    self.write_word[q * 4 + j].next = self.host_data_1.q.val().get_bits::<18>(j * 18);
                }
            }
            for p in 0..2 {
                self.bank[q * 2 + p].clock.next = self.clock.val();
                self.bank[q * 2 + p].read_address.next = self.read_row.val();
                self.bank[q * 2 + p].write_address.next = self.write_row.val();
                self.bank[q * 2 + p].write_enable.next =
                    (self.matrix_store.val() | self.result_store.val() | self.host_hit[q].val()).into();
                self.pair[q * 2 + p].lane[0].next = self.write_word[q * 4 + p * 2].val();
                self.pair[q * 2 + p].lane[1].next = self.write_word[q * 4 + p * 2 + 1].val();
                self.bank[q * 2 + p].write_data.next = self.pair[q * 2 + p].bus.val();
                self.row[q * 4 + p * 2].next = self.bank[q * 2 + p].read_data.val().get_bits::<18>(0);
                self.row[q * 4 + p * 2 + 1].next = self.bank[q * 2 + p].read_data.val().get_bits::<18>(18);
                self.quad[q].lane[p].next = self.bank[q * 2 + p].read_data.val();
            }
        }
        self.picked.next = self.quad[0].bus.val();
        for q in 1..(self._lanes / 4) {
            if self.host_quad.val() == q.to_bits() {
                self.picked.next = self.quad[q].bus.val();
            }
        }
        self.host_word_4.d.next = self.picked.val();
        self.host_word.next = self.host_word_4.q.val();
        self.conflict_1.d.next = self.matrix_store.val() & self.result_store.val();
        self.conflict.next = self.conflict_1.q.val();
    }
}
