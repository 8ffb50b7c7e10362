//! The vector side of the machine: everything that the vector queue drives.
//!
//! ```text
//!  issue, payload ─┬─► VectorControl ─┬─► Vmem ───┐                       matrix side's rows of sums ─► Vmem
//!                  │                  ├─► Scalars ┼─► LaneGroups ─ result ─┬─► VREG (in the groups)
//!                  │                  └─► Noise ──┘   cycles 2 to 12      [reg]
//!                  │                                                stream ├─► Distribute ─► ACT, KV (15), Vmem (14)
//!                  └─► Steps, delays ─────────────────────────────────────┼─► Argmax ─► chosen
//!                                                                          └─► Reductions ─► Scalars
//! ```
//!
//! Ports named like a field of `isa::instruction::Vector` carry it, with the ISA's width, and are stable from an
//! instruction's first issue to its last. Cycles count from an issue.
//!
//! | port                          | dir | width      | meaning                                              | cycle |
//! |-------------------------------|-----|------------|------------------------------------------------------|------:|
//! | `issue`, `first`, `last`      | in  | 1          | an issue; the first, the last of its instruction     |     0 |
//! | `vmem_start`                  | in  | 28         | row of vector memory of the first issue, as of [`VectorDispatch`](crate::dispatch::VectorDispatch) | 0 |
//! | `scalar_number`, `scalar_pair` | in | 7, 1       | the issue's scalar; the upper half of the lanes takes the one after it, as of `VectorDispatch` | 0 |
//! | `offset_second`               | in  | 24         | signed loop offset of KV rows written                |     0 |
//! | `position`, `token`           | in  | 16         | sampled with each issue                              |     0 |
//! | `run_start`, `seed`, `sampling` | in | 1, 32, 1  | a run begins: the random numbers with it             |       |
//! | `inverse_temperature`         | in  | 24         | exponent above mantissa; stable while a token runs   |       |
//! | `store_row_next`              | in  | `VMEM_ROW` | row that the matrix side stores in the next cycle    | `t-1` |
//! | `store`, `store_row[l]`       | in  | 1, 18      | the matrix side's write port of vector memory        |   `t` |
//! | `maximum_write`, `_index`, `_value` | in | 1, `SCALAR`, 18 | a maximum; a scalar read sees it a cycle later |  |
//! | `host_read`, `host_write`     | in  | 1          | strobes, while no token runs                         |   `t` |
//! | `host_row`, `host_quad`       | in  | `VMEM_ROW`, `QUAD` | held from `host_read` to its word            |   `t` |
//! | `host_data`, `host_read_data`  | in, out | 72     | four lanes; read after `HOST_READ_LATENCY` cycles    |   `t` |
//! | `host_kv_write`, `host_weight_write`, `host_write_row`, `host_halves`, `host_lane[8]` | in | | the host's way into the matrix memories, see [`Distribute`] | `t` |
//! | `act_*`, `kv_*`, `group_*`, `sent[l]` | out |     | see [`Distribute`]                                   |    15 |
//! | `chosen`                      | out | 16         | best candidate so far                                | 16 + levels |
//! | `result_saturated`            | out | 1          | a result row saturated                               |    14 |
//! | `sent_saturated`              | out | 1          | a row sent did not fit its destination               |    16 |
//! | `vmem_conflict`, `vmem_address`, `matrix_address`, `scalar_conflict`, `noise_underrun` | out | 1 | strobes of `isa::host::Fault` | |
//! | `vreg_*`, `result[l]`         | out |            | what is written to the vector registers, for traces  |    12 |
//! | `result_store`, `_row`, `_word[l]` | out |       | what is stored from results, for traces              |    14 |
//! | `scalar_*`                    | out |            | what is written to the reductions, for traces        | `reduction_effect - 1` |
//!
//! With external memory, `transfer_write`, `transfer_back`, `transfer_row`, `transfer_cell[c]`, `back[c]` and `transfer_conflict` are those
//! of [`HalvedVmem`](super::halved::HalvedVmem).
//!
//! # Invariants
//! 1. Values take effect in the cycles of `lpu_isa::timing`; nothing stalls and nothing is decided by data.

use super::Vmem;
use super::control::VectorControl;
use super::group::LaneGroup;
use super::noise::Noise;
use super::scalars::Scalars;
use crate::dialect::*;
use crate::primitives::Delay;
use crate::primitives::vector::EXACT_ROW;
use crate::sxm::{Argmax, Distribute, Reductions, Steps};
use crate::widths::{ENTRY, HALVES, KV_ROW, LANE, LANES, MATRIX_ROW, QUAD, SCALAR, VMEM_ROW, VREG_ROW};
use lpu_isa::Geometry;

/// Lanes of a word of the host.
const OCTET_LANES: usize = 8;

/// The vector side.
#[derive(LogicBlock, Default)]
pub struct VectorSide {
    pub clock: Signal<In, Clock>,
    pub issue: Signal<In, Bit>,
    pub first: Signal<In, Bit>,
    pub last: Signal<In, Bit>,
    pub position: Signal<In, Bits<16>>,
    pub token: Signal<In, Bits<16>>,
    pub vmem_start: Signal<In, Bits<EXACT_ROW>>,
    pub scalar_number: Signal<In, Bits<7>>,
    pub scalar_pair: Signal<In, Bit>,
    pub offset_second: Signal<In, Bits<24>>,
    pub x: Signal<In, Bits<1>>,
    pub x_shift: Signal<In, Bits<3>>,
    pub swap: Signal<In, Bit>,
    pub subtract: Signal<In, Bit>,
    pub function_code: Signal<In, Bits<2>>,
    pub b: Signal<In, Bits<3>>,
    pub c: Signal<In, Bits<2>>,
    pub shift: Signal<In, Bits<8>>,
    pub relu: Signal<In, Bit>,
    pub vmem_advance: Signal<In, Bit>,
    pub a: Signal<In, Bits<14>>,
    pub a_advance: Signal<In, Bit>,
    pub bc: Signal<In, Bits<14>>,
    pub bc_advance: Signal<In, Bit>,
    pub write: Signal<In, Bit>,
    pub target: Signal<In, Bits<14>>,
    pub target_advance: Signal<In, Bit>,
    pub destination: Signal<In, Bits<3>>,
    pub half: Signal<In, Bit>,
    pub sub: Signal<In, Bits<4>>,
    pub sub_advance: Signal<In, Bit>,
    pub entry: Signal<In, Bits<6>>,
    pub entry_continue: Signal<In, Bit>,
    pub entry_advance: Signal<In, Bit>,
    pub start: Signal<In, Bits<10>>,
    pub length: Signal<In, Bits<1>>,
    pub period: Signal<In, Bits<4>>,
    pub start_step: Signal<In, Bits<10>>,
    pub row: Signal<In, Bits<24>>,
    pub row_step: Signal<In, Bits<24>>,
    pub row_offset: Signal<In, Bit>,
    pub positions: Signal<In, Bits<4>>,
    pub restart: Signal<In, Bit>,
    pub tail: Signal<In, Bits<8>>,
    pub reduce: Signal<In, Bits<2>>,
    pub scaling: Signal<In, Bits<2>>,
    pub reduction: Signal<In, Bits<6>>,
    pub sum_shift: Signal<In, Bits<5>>,
    pub bias: Signal<In, Bits<24>>,
    pub run_start: Signal<In, Bit>,
    pub seed: Signal<In, Bits<32>>,
    pub sampling: Signal<In, Bit>,
    pub inverse_temperature: Signal<In, Bits<24>>,
    pub store: Signal<In, Bit>,
    pub store_row_next: Signal<In, Bits<VMEM_ROW>>,
    pub store_row: Vec<Signal<In, Bits<18>>>,
    pub maximum_write: Signal<In, Bit>,
    pub maximum_index: Signal<In, Bits<SCALAR>>,
    pub maximum_value: Signal<In, Bits<18>>,
    pub host_read: Signal<In, Bit>,
    pub host_write: Signal<In, Bit>,
    pub host_row: Signal<In, Bits<VMEM_ROW>>,
    pub host_quad: Signal<In, Bits<QUAD>>,
    pub host_data: Signal<In, Bits<72>>,
    pub host_read_data: Signal<Out, Bits<72>>,
    pub act_write: Signal<Out, Bits<HALVES>>,
    pub act_entry: Signal<Out, Bits<ENTRY>>,
    pub sent: Vec<Signal<Out, Bits<16>>>,
    pub kv_write: Signal<Out, Bit>,
    pub kv_value_mode: Signal<Out, Bit>,
    pub kv_row: Signal<Out, Bits<KV_ROW>>,
    pub kv_halves: Signal<Out, Bits<HALVES>>,
    pub kv_lane: Signal<Out, Bits<LANE>>,
    pub group_act_write: Vec<Signal<Out, Bits<2>>>,
    pub group_act_entry: Vec<Signal<Out, Bits<ENTRY>>>,
    pub group_kv_write: Vec<Signal<Out, Bits<LANES>>>,
    pub group_weight_write: Vec<Signal<Out, Bits<2>>>,
    pub group_row: Vec<Signal<Out, Bits<MATRIX_ROW>>>,
    pub group_kv_transposed: Vec<Signal<Out, Bit>>,
    pub host_kv_write: Signal<In, Bit>,
    pub host_weight_write: Signal<In, Bit>,
    pub host_write_row: Signal<In, Bits<MATRIX_ROW>>,
    pub host_halves: Signal<In, Bits<HALVES>>,
    pub host_lane: [Signal<In, Bits<9>>; OCTET_LANES],
    pub chosen: Signal<Out, Bits<16>>,
    pub result_saturated: Signal<Out, Bit>,
    pub sent_saturated: Signal<Out, Bit>,
    pub vmem_conflict: Signal<Out, Bit>,
    pub vmem_address: Signal<Out, Bit>,
    pub matrix_address: Signal<Out, Bit>,
    pub scalar_conflict: Signal<Out, Bit>,
    pub noise_underrun: Signal<Out, Bit>,
    pub vreg_write: Signal<Out, Bit>,
    pub vreg_row: Signal<Out, Bits<VREG_ROW>>,
    pub result: Vec<Signal<Out, Bits<24>>>,
    pub result_store: Signal<Out, Bit>,
    pub result_row: Signal<Out, Bits<VMEM_ROW>>,
    pub result_word: Vec<Signal<Out, Bits<18>>>,
    pub scalar_write: Signal<Out, Bit>,
    pub scalar_index: Signal<Out, Bits<SCALAR>>,
    pub scalar_value: Signal<Out, Bits<24>>,
    pub transfer_write: Vec<Signal<In, Bit>>,
    pub transfer_back: Vec<Signal<In, Bit>>,
    pub transfer_row: Vec<Signal<In, Bits<VMEM_ROW>>>,
    pub transfer_cell: Vec<Signal<In, Bits<36>>>,
    pub back: Vec<Signal<Out, Bits<36>>>,
    pub transfer_conflict: Vec<Signal<Out, Bit>>,
    control: VectorControl,
    memory: Vmem,
    scalars: Scalars,
    noise: Noise,
    group: Vec<LaneGroup>,
    steps: Steps,
    distribute: Distribute,
    reductions: Reductions,
    comparison: Argmax,
    first_12: Delay<1, 12>,
    last_12: Delay<1, 12>,
    restart_12: Delay<1, 12>,
    tail_12: Delay<8, 12>,
    write_12: DFF<Bit>,
    target_12: DFF<Bits<VREG_ROW>>,
    any: Signal<Local, Bit>,
    saturated_14: DFF<Bit>,
    stream_13: Vec<DFF<Bits<24>>>,
    _lanes: usize,
    _per_group: usize,
    kind: Kind<Self>,
}

impl VectorSide {
    /// Cycles from `host_read` to `host_read_data`.
    pub const HOST_READ_LATENCY: usize = 1 + Vmem::HOST_LATENCY;

    /// The vector side of a chip.
    pub fn new(geometry: &Geometry) -> Self {
        let lanes = geometry.vxm_lanes;
        // The halves of the lanes may have different scalars: no group lies in both.
        let per_group = (lanes / 2).min(4);
        let groups = geometry.groups();
        let memory = Vmem::new(geometry);
        Self {
            transfer_write: many(memory.transfer_write.len()),
            transfer_back: many(memory.transfer_back.len()),
            transfer_row: many(memory.transfer_row.len()),
            transfer_cell: many(memory.transfer_cell.len()),
            back: many(memory.back.len()),
            transfer_conflict: many(memory.transfer_conflict.len()),
            group_act_write: many(groups),
            group_act_entry: many(groups),
            group_kv_write: many(groups),
            group_weight_write: many(groups),
            group_row: many(groups),
            group_kv_transposed: many(groups),
            store_row: many(lanes),
            sent: many(lanes),
            result: many(lanes),
            result_word: many(lanes),
            stream_13: many(lanes),
            control: VectorControl::new(geometry),
            memory,
            scalars: Scalars::new(geometry),
            noise: Noise::new(geometry),
            group: (0..lanes / per_group).map(|_| LaneGroup::new(per_group)).collect(),
            steps: Steps::new(geometry),
            distribute: Distribute::new(geometry),
            reductions: Reductions::new(geometry),
            comparison: Argmax::new(geometry),
            _lanes: lanes,
            _per_group: per_group,
            kind: Kind::named(format!("vector_side_{lanes}")),
            ..Self::default()
        }
    }
}

impl Logic for VectorSide {
    #[hdl_gen]
    fn update(&mut self) {
        clock!(self, clock, control, memory, scalars, noise, steps, distribute, reductions, comparison);
        clock!(self, clock, first_12, last_12, restart_12, tail_12, write_12, target_12, saturated_14);

        // Operands.
        self.control.issue.next = self.issue.val();
        self.control.first.next = self.first.val();
        self.control.vmem_start.next = self.vmem_start.val();
        self.control.x.next = self.x.val();
        self.control.x_shift.next = self.x_shift.val();
        self.control.swap.next = self.swap.val();
        self.control.subtract.next = self.subtract.val();
        self.control.function_code.next = self.function_code.val();
        self.control.b.next = self.b.val();
        self.control.c.next = self.c.val();
        self.control.shift.next = self.shift.val();
        self.control.relu.next = self.relu.val();
        self.control.vmem_advance.next = self.vmem_advance.val();
        self.control.a.next = self.a.val();
        self.control.a_advance.next = self.a_advance.val();
        self.control.bc.next = self.bc.val();
        self.control.bc_advance.next = self.bc_advance.val();
        self.control.write.next = self.write.val();
        self.control.target.next = self.target.val();
        self.control.target_advance.next = self.target_advance.val();
        self.control.host_read.next = self.host_read.val();
        self.control.host_row.next = self.host_row.val();
        self.control.lower.next = self.scalars.lower.val();
        self.control.upper.next = self.scalars.upper.val();
        self.memory.read_row.next = self.control.vmem_row.val();
        self.memory.matrix_store.next = self.store.val();
        self.memory.matrix_row.next = self.store_row_next.val();
        self.memory.result_comes.next = self.distribute.vmem_comes.val();
        self.memory.result_row.next = self.distribute.vmem_row_next.val();
        self.memory.host_write.next = self.host_write.val();
        self.memory.host_row.next = self.host_row.val();
        self.memory.host_quad.next = self.host_quad.val();
        self.memory.host_data.next = self.host_data.val();
        self.host_read_data.next = self.memory.host_word.val();
        self.scalars.number.next = self.scalar_number.val();
        self.scalars.pair.next = self.scalar_pair.val();
        self.scalars.reads.next = self.control.reads.val();
        self.scalars.inverse_temperature.next = self.inverse_temperature.val();
        self.scalars.maximum_write.next = self.maximum_write.val();
        self.scalars.maximum_index.next = self.maximum_index.val();
        self.scalars.maximum_value.next = self.maximum_value.val();
        self.scalars.reduction_write.next = self.reductions.write.val();
        self.scalars.reduction_index.next = self.reductions.index.val();
        self.scalars.reduction_value.next = self.reductions.value.val();
        self.noise.start.next = self.run_start.val();
        self.noise.seed.next = self.seed.val();
        self.noise.sampling.next = self.sampling.val();
        self.noise.take.next = self.control.take.val();

        // Lanes, and the result stream to all that listens. A one-trip loop names the lanes of a group.
        self.any.next = false;
        for s in self._per_group..(self._per_group + 1) {
            for q in 0..self.group.len() {
                clock!(self, clock, group[q]);
                self.group[q].row_a.next = self.control.row_a.val();
                self.group[q].row_b.next = self.control.row_b.val();
                self.group[q].x_vmem.next = self.control.x_vmem.val();
                self.group[q].x_shift.next = self.control.x_shift_1.val();
                self.group[q].b_vreg_b.next = self.control.b_vreg_b.val();
                self.group[q].b_vmem.next = self.control.b_vmem.val();
                self.group[q].b_factor.next = self.control.b_factor.val();
                self.group[q].c_select.next = self.control.c_select.val();
                self.group[q].scalar.next = self.scalars.lower.val().get_bits::<18>(0);
                self.group[q].subtract.next = self.control.subtract_3.val();
                self.group[q].swap.next = self.control.swap_2.val();
                self.group[q].mode.next = self.control.mode_3.val();
                self.group[q].relu.next = self.control.relu_10.val();
                self.group[q].write.next = self.control.write_11.val();
                self.group[q].target.next = self.control.target_11.val();
                self.any.next = self.any.val() | self.group[q].saturated.val();
                for j in 0..self._per_group {
                    self.group[q].vmem[j].next = self.memory.row[q * s + j].val();
                    self.group[q].noise[j].next = self.noise.row[q * s + j].val();
                    clock!(self, clock, stream_13[q * s + j]);
                    self.stream_13[q * s + j].d.next = self.group[q].result[j].val();
                    self.distribute.result[q * s + j].next = self.stream_13[q * s + j].q.val();
                    self.reductions.result[q * s + j].next = self.stream_13[q * s + j].q.val();
                    self.comparison.result[q * s + j].next = self.stream_13[q * s + j].q.val();
                    self.result[q * s + j].next = self.group[q].result[j].val();
                }
            }
        }
        for q in 0..(self.group.len() / 2) {
            self.group[q].factor.next = self.scalars.lower.val().get_bits::<18>(0);
            self.group[q].shift.next = self.control.shift_lower.val();
        }
        for q in (self.group.len() / 2)..self.group.len() {
            self.group[q].factor.next = self.scalars.upper.val().get_bits::<18>(0);
            self.group[q].shift.next = self.control.shift_upper.val();
        }
        for l in 0..self._lanes {
            self.memory.matrix_word[l].next = self.store_row[l].val();
            self.memory.result_word[l].next = self.distribute.vmem_word[l].val();
            self.sent[l].next = self.distribute.sent[l].val();
            self.result_word[l].next = self.distribute.vmem_word[l].val();
        }

        // Destinations.
        self.steps.issue.next = self.issue.val();
        self.steps.first.next = self.first.val();
        self.steps.position.next = self.position.val();
        self.steps.offset_second.next = self.offset_second.val();
        self.steps.destination.next = self.destination.val();
        self.steps.half.next = self.half.val();
        self.steps.sub.next = self.sub.val();
        self.steps.sub_advance.next = self.sub_advance.val();
        self.steps.entry.next = self.entry.val();
        self.steps.entry_continue.next = self.entry_continue.val();
        self.steps.entry_advance.next = self.entry_advance.val();
        self.steps.start.next = self.start.val();
        self.steps.length.next = self.length.val();
        self.steps.period.next = self.period.val();
        self.steps.start_step.next = self.start_step.val();
        self.steps.row.next = self.row.val();
        self.steps.row_step.next = self.row_step.val();
        self.steps.row_offset.next = self.row_offset.val();
        self.steps.positions.next = self.positions.val();
        self.distribute.act.next = self.steps.act_12.val();
        self.distribute.key.next = self.steps.key_12.val();
        self.distribute.value.next = self.steps.value_12.val();
        self.distribute.vmem.next = self.steps.vmem_12.val();
        self.distribute.row.next = self.steps.row_13.val();
        self.distribute.entry.next = self.steps.entry_13.val();
        self.distribute.mask.next = self.steps.mask_13.val();
        self.distribute.half.next = self.steps.half_13.val();
        self.distribute.part.next = self.steps.part_13.val();
        self.distribute.lane.next = self.steps.lane_13.val();
        self.act_write.next = self.distribute.act_write.val();
        self.act_entry.next = self.distribute.act_entry.val();
        self.kv_write.next = self.distribute.kv_write.val();
        self.kv_value_mode.next = self.distribute.kv_value_mode.val();
        self.kv_row.next = self.distribute.kv_row.val();
        self.kv_halves.next = self.distribute.kv_halves.val();
        self.kv_lane.next = self.distribute.kv_lane.val();
        self.distribute.host_kv_write.next = self.host_kv_write.val();
        self.distribute.host_weight_write.next = self.host_weight_write.val();
        self.distribute.host_write_row.next = self.host_write_row.val();
        self.distribute.host_halves.next = self.host_halves.val();
        for j in 0..OCTET_LANES {
            self.distribute.host_lane[j].next = self.host_lane[j].val();
        }
        for g in 0..self.group_act_write.len() {
            self.group_act_write[g].next = self.distribute.group_act_write[g].val();
            self.group_act_entry[g].next = self.distribute.group_act_entry[g].val();
            self.group_kv_write[g].next = self.distribute.group_kv_write[g].val();
            self.group_weight_write[g].next = self.distribute.group_weight_write[g].val();
            self.group_row[g].next = self.distribute.group_row[g].val();
            self.group_kv_transposed[g].next = self.distribute.group_kv_transposed[g].val();
        }
        self.first_12.x.next = self.first.val().into();
        self.last_12.x.next = self.last.val().into();
        self.restart_12.x.next = self.restart.val().into();
        self.tail_12.x.next = self.tail.val();
        self.comparison.compare.next = self.steps.argmax_12.val();
        self.comparison.first.next = self.first_12.y.val().into();
        self.comparison.last.next = self.last_12.y.val().into();
        self.comparison.restart.next = self.restart_12.y.val().into();
        self.comparison.tail.next = self.tail_12.y.val();
        self.comparison.row.next = self.steps.row_13.val();
        self.chosen.next = self.comparison.chosen.val();

        // Reductions.
        self.reductions.issue.next = self.issue.val();
        self.reductions.first.next = self.first.val();
        self.reductions.last.next = self.last.val();
        self.reductions.position.next = self.position.val();
        self.reductions.token.next = self.token.val();
        self.reductions.reduce.next = self.reduce.val();
        self.reductions.scaling.next = self.scaling.val();
        self.reductions.reduction.next = self.reduction.val();
        self.reductions.sum_shift.next = self.sum_shift.val();
        self.reductions.bias.next = self.bias.val();

        // Faults, counters, traces.
        self.saturated_14.d.next = self.any.val() & self.control.issue_13.val();
        self.result_saturated.next = self.saturated_14.q.val();
        self.sent_saturated.next = self.distribute.saturated.val();
        self.vmem_conflict.next = self.memory.conflict.val();
        self.vmem_address.next = self.control.outside.val() | self.steps.vmem_outside.val();
        self.matrix_address.next = self.steps.kv_outside.val();
        self.scalar_conflict.next = self.scalars.conflict.val();
        self.noise_underrun.next = self.noise.underrun.val();
        self.write_12.d.next = self.control.write_11.val();
        self.target_12.d.next = self.control.target_11.val();
        self.vreg_write.next = self.write_12.q.val();
        self.vreg_row.next = self.target_12.q.val();
        self.result_store.next = self.distribute.vmem_store.val();
        self.result_row.next = self.distribute.vmem_row.val();
        self.scalar_write.next = self.reductions.write.val();
        self.scalar_index.next = self.reductions.index.val();
        self.scalar_value.next = self.reductions.value.val();

        // Transfers.
        for e in 0..self.transfer_row.len() {
            self.memory.transfer_write[e].next = self.transfer_write[e].val();
            self.memory.transfer_back[e].next = self.transfer_back[e].val();
            self.memory.transfer_row[e].next = self.transfer_row[e].val();
            self.transfer_conflict[e].next = self.memory.transfer_conflict[e].val();
        }
        for c in 0..self.transfer_cell.len() {
            self.memory.transfer_cell[c].next = self.transfer_cell[c].val();
            self.back[c].next = self.memory.back[c].val();
        }
    }
}

#[cfg(test)]
mod tests;
