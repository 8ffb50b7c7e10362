//! The matrix side: matrix memories and matrix unit, from the matrix queue's issue to the store port of vector memory.
//!
//! ```text
//!  row ────────────────────────────────┐
//!  issue,    ┌─ EntryPointer ─► entry ─► LaneGroup x groups ─┬─ product ─► AdderTree ─► TapLadder ─► Sums ─► StorePort
//!  payload ──┼─ LaneWindow ─► rungs, window                  └─ operand ─► Gather ────────────────────────► StorePort
//!            └─ Emission ─► shift, limit, address                                           row at the port ─► Maximum
//!  cycle 0      1                3      4..6               6+tree     7+tree      8+tree      11+tree (12)
//! ```
//!
//! | port                                  | dir | width        | meaning                                             | cycle |
//! |---------------------------------------|-----|--------------|-----------------------------------------------------|------:|
//! | `issue`, `gather`, `first`, `last`    | in  | 1            | strobe; `Gather` rather than `Dot`; first, last issue of the instruction | 0 |
//! | `memory` ... `store`                  | in  | ISA widths   | fields of `Dot` and `Gather`, stable from first issue to last | 0 |
//! | `row`, `chunk`                        | in  | 24, `GROUP`  | row and group of lanes of the issue, as of [`MatrixDispatch`](crate::dispatch::MatrixDispatch) | 0 |
//! | `position`                            | in  | 16           | stable during a token                               |     0 |
//! | `group_act_write[g]`, `group_act_entry[g]` | in | 2, `ENTRY` | group `g`: half rows written; activation entry    |    15 |
//! | `sent[j]`                             | in  | 16           | activations of a vector row; or codes, in the lowest bits: lanes of a key, or group `j`'s code of a value | 15 |
//! | `group_kv_write[g]`, `group_weight_write[g]`, `group_row[g]` | in | `LANES`, 2, `MATRIX_ROW` | group `g`: KV lanes and half rows of weights written; row | 15 |
//! | `group_kv_transposed[g]`              | in  | 1            | lane `j` takes the code of 0: `sent[j]`; 1: `sent[g]`   |    15 |
//! | `act_write`, `act_entry`, `kv_write`, `kv_row` | in | `HALVES`, `ENTRY`, 1, `KV_ROW` | the same writes, for the conflict checks | 15 |
//! | `host_kv_write`, `host_weight_write`, `host_row_1`, `host_halves`, `host_lane[i]` | out | 1, 1, `MATRIX_ROW`, `HALVES`, 9 | the host's write, which takes the vector side's way | `t + 1` |
//! | `host_write`, `host_read`             | in  | 1            | strobes; never while a token runs                   |   `t` |
//! | `host_kv`, `host_row`, `host_octet`, `host_data` | in | 1, 24, `OCTET`, 72 | KV rather than weights; row; eight lanes of it | `t` |
//! | `host_access`, `host_chunk`, `host_row_1` | out | 1, `GROUP`, `MATRIX_ROW` | the host's read for the dispatch; the row comes back a cycle later | `t + 1` |
//! | `host_read_data`                      | out | 72           | what was read              | `t + HOST_READ_LATENCY` |
//! | `store_address_next`                  | out | `VMEM_ROW`   | row of vector memory of what is stored in the next cycle | one before |
//! | `store_valid`, `store_address`, `store_row[l]` | out | 1, `VMEM_ROW`, 18 | a row for vector memory               | `dot_store_port`, `GATHER_STORE_PORT` |
//! | `maximum_write`, `maximum_index`, `maximum_value` | out | 1, `SCALAR`, 18 | a maximum; its scalar shows it a cycle later | `maximum_effect - 1` |
//! | `saturated`                           | out | 1            | strobe: a row of sums with a lane that saturated    |       |
//! | `kv_conflict`, `act_conflict`, `matrix_address`, `vmem_conflict`, `vmem_address` | out | 1 | strobes, one per fault of the same name | |
//!
//! With external memory:
//!
//! | port                                  | dir | width        | meaning                                             | cycle |
//! |---------------------------------------|-----|--------------|-----------------------------------------------------|------:|
//! | `piece_begins`, `piece_returns`, `piece_moves`, `piece_ends` | in | 1 | as of [`Pieces`](crate::dispatch::Pieces) | 0 |
//! | `transfer_weights`, `transfer_weights_row` | in | 1, `MATRIX_ROW` | a transfer writes this row of weights in the next cycle | `t` |
//! | `transfer_kv`, `transfer_kv_row`      | in  | 1, `MATRIX_ROW` | a transfer writes this row of codes in the next cycle | `t` |
//! | `transfer_back`                       | in  | 1            | a transfer samples row `transfer_kv_row` in the next cycle | `t` |
//! | `transfer_cell[c]`                    | in  | 36           | four lanes of the row that comes                    |   `t` |
//! | `back[c]`                             | out | 36           | four lanes of the row that goes                     | `t + BACK_LATENCY` |
//! | `transfer_conflict`                   | out | 1            | strobe: KV memory's write port was wanted twice     |       |
//!
//! Cycles of issues count from `issue`, those of writes from the vector queue's issue; `tree` is log2 of the lanes. An
//! activation or KV code that comes in cycle 15 is seen by beats that sample in cycle 17.
//!
//! # Invariants
//! 1. Nothing here waits: what stands at an output in a cycle was decided by issues a fixed number of cycles before.
//! 2. Data never reach control: the addresses and strobes at the outputs depend on payload, token and position alone.

use super::emission::Emission;
use super::entry::EntryPointer;
use super::faults::Faults;
use super::group::LaneGroup;
use super::ladder::TapLadder;
use super::maximum::Maximum;
use super::store::StorePort;
use super::sums::Sums;
use super::tree::AdderTree;
use super::window::LaneWindow;
use crate::dialect::*;
use crate::mem::gather::LANES as GATHER_LANES;
use crate::mem::{Gather, HostAccess};
use crate::primitives::Delay;
use crate::widths::{ENTRY, GROUP, HALVES, KV_ROW, LANE, LANES, MATRIX_ROW, OCTET, SCALAR, VMEM_ROW};
use lpu_isa::Geometry;

/// The matrix side of a chip.
#[derive(LogicBlock, Default)]
pub struct MatrixSide {
    pub clock: Signal<In, Clock>,
    pub issue: Signal<In, Bit>,
    pub gather: Signal<In, Bit>,
    pub first: Signal<In, Bit>,
    pub last: Signal<In, Bit>,
    pub memory: Signal<In, Bit>,
    pub row: Signal<In, Bits<24>>,
    pub chunk: Signal<In, Bits<GROUP>>,
    pub entry: Signal<In, Bits<6>>,
    pub entry_continue: Signal<In, Bit>,
    pub entry_advance: Signal<In, Bit>,
    pub tap: Signal<In, Bits<4>>,
    pub lane: Signal<In, Bits<8>>,
    pub lane_advance: Signal<In, Bit>,
    pub clear: Signal<In, Bits<2>>,
    pub emit: Signal<In, Bits<2>>,
    pub shift: Signal<In, Bits<5>>,
    pub mask: Signal<In, Bit>,
    pub maximum: Signal<In, Bit>,
    pub scalar: Signal<In, Bits<6>>,
    pub store: Signal<In, Bits<24>>,
    pub position: Signal<In, Bits<16>>,
    pub act_write: Signal<In, Bits<HALVES>>,
    pub act_entry: Signal<In, Bits<ENTRY>>,
    pub sent: Vec<Signal<In, Bits<16>>>,
    pub kv_write: Signal<In, Bit>,
    pub kv_row: Signal<In, Bits<KV_ROW>>,
    pub group_act_write: Vec<Signal<In, Bits<2>>>,
    pub group_act_entry: Vec<Signal<In, Bits<ENTRY>>>,
    pub group_kv_write: Vec<Signal<In, Bits<LANES>>>,
    pub group_weight_write: Vec<Signal<In, Bits<2>>>,
    pub group_row: Vec<Signal<In, Bits<MATRIX_ROW>>>,
    pub group_kv_transposed: Vec<Signal<In, Bit>>,
    pub host_write: Signal<In, Bit>,
    pub host_read: Signal<In, Bit>,
    pub host_kv: Signal<In, Bit>,
    pub host_row: Signal<In, Bits<24>>,
    pub host_octet: Signal<In, Bits<OCTET>>,
    pub host_data: Signal<In, Bits<72>>,
    pub host_access: Signal<Out, Bit>,
    pub host_chunk: Signal<Out, Bits<GROUP>>,
    pub host_read_data: Signal<Out, Bits<72>>,
    pub host_kv_write: Signal<Out, Bit>,
    pub host_weight_write: Signal<Out, Bit>,
    pub host_row_1: Signal<Out, Bits<MATRIX_ROW>>,
    pub host_halves: Signal<Out, Bits<HALVES>>,
    pub host_lane: Vec<Signal<Out, Bits<9>>>,
    pub store_valid: Signal<Out, Bit>,
    pub store_address_next: Signal<Out, Bits<VMEM_ROW>>,
    pub store_address: Signal<Out, Bits<VMEM_ROW>>,
    pub store_row: Vec<Signal<Out, Bits<18>>>,
    pub maximum_write: Signal<Out, Bit>,
    pub maximum_index: Signal<Out, Bits<SCALAR>>,
    pub maximum_value: Signal<Out, Bits<18>>,
    pub saturated: Signal<Out, Bit>,
    pub kv_conflict: Signal<Out, Bit>,
    pub act_conflict: Signal<Out, Bit>,
    pub matrix_address: Signal<Out, Bit>,
    pub vmem_conflict: Signal<Out, Bit>,
    pub vmem_address: Signal<Out, Bit>,
    pub piece_begins: Vec<Signal<In, Bit>>,
    pub piece_returns: Vec<Signal<In, Bit>>,
    pub piece_moves: Vec<Signal<In, Bit>>,
    pub piece_ends: Vec<Signal<In, Bit>>,
    pub transfer_weights: Vec<Signal<In, Bit>>,
    pub transfer_weights_row: Vec<Signal<In, Bits<MATRIX_ROW>>>,
    pub transfer_kv: Vec<Signal<In, Bit>>,
    pub transfer_back: Vec<Signal<In, Bit>>,
    pub transfer_kv_row: Vec<Signal<In, Bits<MATRIX_ROW>>>,
    pub transfer_cell: Vec<Signal<In, Bits<36>>>,
    pub back: Vec<Signal<Out, Bits<36>>>,
    pub transfer_conflict: Vec<Signal<Out, Bit>>,
    beat: Signal<Local, Bit>,
    from_kv: Signal<Local, Bit>,
    from_kv_later: Delay<1>,
    host: HostAccess,
    entry_pointer: EntryPointer,
    window: LaneWindow,
    emission: Emission,
    faults: Faults,
    // What the groups write in cycle 16.
    act_write_16: DFF<Bits<HALVES>>,
    act_entry_16: DFF<Bits<ENTRY>>,
    kv_write_16: DFF<Bit>,
    kv_row_16: DFF<Bits<KV_ROW>>,
    group: Vec<LaneGroup>,
    chunk_later: Delay<GROUP>,
    wanted_later: Delay<1>,
    chunk_word: Vec<Gather>,
    tree: AdderTree,
    first_level: Vec<DFF<Bits<32>>>,
    ladder: TapLadder,
    sums: Sums,
    port: StorePort,
    best: Maximum,
    // With external memory, one of each.
    ends_later: Vec<Delay<1>>,
    transfer_kv_1: Vec<DFF<Bit>>,
    transfer_back_1: Vec<DFF<Bit>>,
    transfer_kv_row_1: Vec<DFF<Bits<KV_ROW>>>,
    conflict_held: Vec<DFF<Bit>>,
    _cells: usize,
    _lanes: usize,
    _first_node: usize,
    kind: Kind<Self>,
}

/// Cycle in which the groups take the choice between weights and KV codes.
const FROM_KV_CYCLE: usize = 2;
/// Cycle in which a beat may fill the last lane.
const WRAPS_CYCLE: usize = 2;
/// Cycle in which the gather path takes its chunk.
const CHUNK_CYCLE: usize = 3;

impl MatrixSide {
    /// Cycles from `host_read` to `host_read_data`.
    pub const HOST_READ_LATENCY: usize = HostAccess::LATENCY;
    /// Cycles from a transfer's row to its codes on the way back.
    pub const BACK_LATENCY: usize = LaneGroup::BACK_LATENCY;

    /// The matrix side of a chip.
    pub fn new(geometry: &Geometry) -> Self {
        let (lanes, groups) = (geometry.vxm_lanes, geometry.groups());
        Self {
            sent: many(lanes),
            group_act_write: many(groups),
            group_act_entry: many(groups),
            group_kv_write: many(groups),
            group_weight_write: many(groups),
            group_row: many(groups),
            group_kv_transposed: many(groups),
            host_lane: many(8),
            store_row: many(lanes),
            from_kv_later: Delay::new(FROM_KV_CYCLE),
            host: HostAccess::new(geometry),
            entry_pointer: EntryPointer::new(geometry),
            window: LaneWindow::new(geometry),
            emission: Emission::new(geometry),
            faults: Faults::new(geometry),
            chunk_later: Delay::new(CHUNK_CYCLE),
            wanted_later: Delay::new(CHUNK_CYCLE),
            chunk_word: (0..lanes / GATHER_LANES).map(|_| Gather::new(groups)).collect(),
            tree: AdderTree::new(geometry),
            first_level: many(lanes),
            ladder: TapLadder::new(lanes / 2, lanes),
            sums: Sums::new(geometry),
            port: StorePort::new(geometry),
            best: Maximum::new(geometry),
            _lanes: lanes,
            _first_node: lanes - 1,
            kind: Kind::named(format!("matrix_side_{}", geometry.mxm_lanes)),
            ..Self::memories(geometry)
        }
    }

    /// The lanes with their memories, and what transfers need to reach these.
    fn memories(geometry: &Geometry) -> Self {
        let (lanes, groups) = (geometry.vxm_lanes, geometry.groups());
        if !geometry.has_external_memory() {
            let group = (0..groups).map(|_| LaneGroup::new(lanes));
            return Self { group: group.collect(), ..Self::default() };
        }
        Self {
            group: (0..groups).map(|_| LaneGroup::with_transfers(lanes)).collect(),
            piece_begins: many(1),
            piece_returns: many(1),
            piece_moves: many(1),
            piece_ends: many(1),
            transfer_weights: many(1),
            transfer_weights_row: many(1),
            transfer_kv: many(1),
            transfer_back: many(1),
            transfer_kv_row: many(1),
            transfer_cell: many(geometry.mxm_lanes / 4),
            back: many(geometry.mxm_lanes / 4),
            transfer_conflict: many(1),
            ends_later: vec![Delay::new(WRAPS_CYCLE)],
            transfer_kv_1: many(1),
            transfer_back_1: many(1),
            transfer_kv_row_1: many(1),
            conflict_held: many(1),
            _cells: lanes / 4,
            ..Self::default()
        }
    }
}

impl Logic for MatrixSide {
    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(self, clock, act_write_16, act_entry_16, kv_write_16, kv_row_16);
        clock!(self, clock, from_kv_later, chunk_later, wanted_later, entry_pointer, window, emission, host);
        clock!(self, clock, tree, ladder, sums, port, best, faults);

        // Issue.
        self.beat.next = self.issue.val() & !self.gather.val();
        self.from_kv.next = self.memory.val() & !self.gather.val();
        if self.host.issue.val() {
            self.from_kv.next = self.host.from_kv.val();
        }
        self.from_kv_later.x.next = self.from_kv.val().into();
        self.chunk_later.x.next = self.chunk.val();
        self.wanted_later.x.next = ((self.issue.val() & self.gather.val()) | self.host.issue.val()).into();
        self.entry_pointer.beat.next = self.beat.val();
        self.entry_pointer.first.next = self.first.val();
        self.entry_pointer.wanted.next = self.entry.val().get_bits::<ENTRY>(0);
        self.entry_pointer.continues.next = self.entry_continue.val();
        self.entry_pointer.advance.next = self.entry_advance.val();
        self.window.beat.next = self.beat.val();
        self.window.first.next = self.first.val();
        self.window.tap.next = self.tap.val();
        self.window.wanted.next = self.lane.val().get_bits::<LANE>(0);
        self.window.advance.next = self.lane_advance.val();
        self.window.clears.next = self.clear.val();
        self.emission.beat.next = self.beat.val();
        self.emission.gathers.next = self.issue.val() & self.gather.val();
        self.emission.first.next = self.first.val();
        self.emission.last.next = self.last.val();
        self.emission.emits.next = self.emit.val();
        self.emission.sum_shift.next = self.shift.val();
        self.emission.mask.next = self.mask.val();
        self.emission.maximum.next = self.maximum.val();
        self.emission.wanted_scalar.next = self.scalar.val().get_bits::<SCALAR>(0);
        self.emission.store.next = self.store.val();
        self.emission.position.next = self.position.val();
        self.emission.wraps.next = self.window.wraps.val();

        // The host.
        self.host.write.next = self.host_write.val();
        self.host.read.next = self.host_read.val();
        self.host.kv.next = self.host_kv.val();
        self.host.row.next = self.host_row.val();
        self.host.octet.next = self.host_octet.val();
        self.host.data.next = self.host_data.val();
        self.host_access.next = self.host.access.val();
        self.host_chunk.next = self.host.chunk.val();
        self.host_read_data.next = self.host.read_data.val();
        self.host_kv_write.next = self.host.writes_kv.val();
        self.host_weight_write.next = self.host.writes_weights.val();
        self.host_row_1.next = self.host.row_1.val();
        self.host_halves.next = self.host.halves.val();
        for i in 0..8 {
            self.host_lane[i].next = self.host.lane[i].val();
        }

        // Lanes.
        for g in 0..self.group.len() {
            clock!(self, clock, group[g]);
            self.group[g].row.next = self.row.val().get_bits::<MATRIX_ROW>(0);
            self.group[g].from_kv.next = self.from_kv_later.y.val().get_bit(0);
            self.group[g].entry.next = self.entry_pointer.entry.val();
            self.group[g].act_write.next = self.group_act_write[g].val();
            self.group[g].act_write_entry.next = self.group_act_entry[g].val();
            self.group[g].kv_write.next = self.group_kv_write[g].val();
            self.group[g].kv_transposed.next = self.group_kv_transposed[g].val();
            self.group[g].weight_write.next = self.group_weight_write[g].val();
            self.group[g].write_row.next = self.group_row[g].val();
            self.group[g].kv_value.next = self.sent[g].val().get_bits::<9>(0);
            for lanes in self._lanes..(self._lanes + 1) {
                for j in 0..self._lanes {
                    self.group[g].sent[j].next = self.sent[j].val();
                    self.tree.product[g * lanes + j].next = self.group[g].product[j].val();
                }
                for q in 0..self.chunk_word.len() {
                    for i in 0..GATHER_LANES {
                        self.chunk_word[q].lane[4 * g + i].next = self.group[g].operand[4 * q + i].val();
                    }
                }
            }
        }

        // Sums of products, up the tree and the ladder into the row of sums.
        for node in self._first_node..(self._first_node + 1) {
            for i in 0..self._first_node {
                self.ladder.sum[i].next = self.tree.sum[i].val();
            }
            for l in 0..self._lanes {
                clock!(self, clock, first_level[l]);
                self.first_level[l].d.next = self.tree.sum[node + l].val();
                self.ladder.below[l].next = self.first_level[l].q.val();
                self.sums.bus[l].next = self.ladder.bus[l].val();
                self.port.sum[l].next = self.sums.sum[l].val();
            }
        }
        for r in 0..self.window.rung.len() {
            self.ladder.wanted[r].next = self.window.rung[r].val();
        }
        self.sums.beat.next = self.window.sums_beat.val();
        self.sums.clear.next = self.window.clear.val();
        self.sums.lane.next = self.window.lane.val();
        self.sums.keep.next = self.window.keep.val();

        // The store port, and the maximum of what passes it.
        self.port.shift.next = self.emission.shift.val();
        self.port.limit.next = self.emission.limit.val();
        self.port.sums_leave.next = self.emission.sums_leave.val();
        self.port.sums_store.next = self.emission.sums_store.val();
        self.port.gather_leaves.next = self.emission.gather_leaves.val();
        self.port.gather_store.next = self.emission.gather_store.val();
        self.store_valid.next = self.port.valid.val();
        self.store_address_next.next = self.port.address_next.val();
        self.store_address.next = self.port.address.val();
        self.best.valid.next = self.port.of_sums.val();
        self.best.fresh.next = self.emission.fresh.val();
        self.best.last.next = self.emission.ends.val();
        self.best.scalar.next = self.emission.scalar.val();
        for q in 0..self.chunk_word.len() {
            clock!(self, clock, chunk_word[q]);
            self.chunk_word[q].load.next = self.wanted_later.y.val().get_bit(0);
            self.chunk_word[q].chunk.next = self.chunk_later.y.val();
            for i in 0..GATHER_LANES {
                self.port.word[4 * q + i].next = self.chunk_word[q].word[i].val();
                self.host.word[4 * q + i].next = self.chunk_word[q].word[i].val();
            }
        }
        for l in 0..self._lanes {
            self.store_row[l].next = self.port.row[l].val();
            self.best.row[l].next = self.port.row[l].val();
        }
        self.maximum_write.next = self.best.write.val();
        self.maximum_index.next = self.best.index.val();
        self.maximum_value.next = self.best.value.val();

        // Faults.
        self.faults.issue.next = self.issue.val();
        self.faults.reads_kv.next = self.from_kv.val();
        self.faults.row.next = self.row.val();
        self.kv_write_16.d.next = self.kv_write.val();
        self.kv_row_16.d.next = self.kv_row.val();
        self.faults.kv_write.next = self.kv_write_16.q.val();
        self.faults.kv_row.next = self.kv_row_16.q.val();
        self.faults.reads_act.next = self.entry_pointer.reads.val();
        self.faults.entry.next = self.entry_pointer.entry.val();
        self.act_write_16.d.next = self.act_write.val();
        self.act_entry_16.d.next = self.act_entry.val();
        self.faults.act_write.next = self.act_write_16.q.val();
        self.faults.act_entry.next = self.act_entry_16.q.val();
        self.saturated.next = self.port.saturated.val();
        self.kv_conflict.next = self.faults.kv_conflict.val();
        self.act_conflict.next = self.faults.act_conflict.val();
        self.matrix_address.next = self.faults.matrix_address.val();
        self.vmem_conflict.next = self.port.conflict.val();
        self.vmem_address.next = self.emission.outside.val();

        // Pieces of results, and transfers.
        for e in 0..self.transfer_kv.len() {
            clock!(self, clock, ends_later[e]);
            self.entry_pointer.returns[e].next = self.piece_returns[e].val();
            self.window.begins[e].next = self.piece_begins[e].val();
            self.window.advance.next = self.lane_advance.val() & self.piece_moves[e].val();
            self.ends_later[e].x.next = self.piece_ends[e].val().into();
            self.emission.wraps.next = self.window.wraps.val() & self.ends_later[e].y.val().get_bit(0);
            self.faults.gathers[e].next = self.gather.val();
            for g in 0..self.group.len() {
                self.group[g].transfer_weights[e].next = self.transfer_weights[e].val();
                self.group[g].transfer_weights_row[e].next = self.transfer_weights_row[e].val();
                self.group[g].transfer_kv[e].next = self.transfer_kv[e].val();
                self.group[g].transfer_back[e].next = self.transfer_back[e].val();
                self.group[g].transfer_kv_row[e].next = self.transfer_kv_row[e].val();
                for cells in self._cells..(self._cells + 1) {
                    for c in 0..self._cells {
                        self.group[g].transfer_cell[c].next = self.transfer_cell[g * cells + c].val();
                        self.back[g * cells + c].next = self.group[g].back[c].val();
                    }
                }
            }
            // In the cycle in which the port is used.
            dff_setup!(self, clock, transfer_kv_1[e], transfer_back_1[e], transfer_kv_row_1[e]);
            dff_setup!(self, clock, conflict_held[e]);
            self.transfer_kv_1[e].d.next = self.transfer_kv[e].val();
            self.transfer_back_1[e].d.next = self.transfer_back[e].val();
            self.transfer_kv_row_1[e].d.next = self.transfer_kv_row[e].val().get_bits::<KV_ROW>(0);
            self.faults.kv_write.next = self.kv_write_16.q.val() | self.transfer_kv_1[e].q.val();
            if self.transfer_kv_1[e].q.val() {
                self.faults.kv_row.next = self.transfer_kv_row_1[e].q.val();
            }
            self.conflict_held[e].d.next = (self.transfer_kv_1[e].q.val() & self.transfer_back_1[e].q.val())
                | (self.kv_write_16.q.val()
                    & (self.transfer_kv_1[e].q.val() | self.transfer_back_1[e].q.val()));
            self.transfer_conflict[e].next = self.conflict_held[e].q.val();
        }
    }
}
