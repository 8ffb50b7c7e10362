//! The chip: sequencer, instruction queues, matrix side, vector side and host port, wired together.
//!
//! ```text
//!  host bytes ◄─► HostPort ──► Settings, Registers, FaultFlags
//!                     │             │
//!                     │            Run ── start, token, position ─► Icu ─┬─ MatrixDispatch ─► MatrixSide ─► rows of sums ─┐
//!                     │             ▲                                    └─ VectorDispatch ─► VectorSide ◄────────────────┘
//!                     │             └───────────── chosen token ────────────────────────────────┤ ▲
//!                     └── memories: one word at a time, between tokens ─────────────────────────┘ └─► ACT, KV of MatrixSide
//! ```
//!
//! Where there is external memory, a third queue drives it:
//!
//! ```text
//!  Icu ─ transfers ─► DramSlice ─┬─► SdrPhy ◄─► pins
//!   ▲                  │ slots   └─ rows ◄─► TransferDispatch ◄─► MatrixSide, VectorSide
//!   └──────────────────┘
//! ```
//!
//! | port                        | dir | width | meaning                                                | cycle |
//! |-----------------------------|-----|-------|--------------------------------------------------------|-------|
//! | `host_in_data`, `host_in_valid` | in | 8, 1 | a byte of the host                                    | `t`   |
//! | `host_in_ready`             | out | 1     | it is taken in this cycle                              | `t`   |
//! | `host_out_data`, `host_out_valid` | out | 8, 1 | a byte for the host                               | `t`   |
//! | `host_out_ready`            | in  | 1     | it is taken in this cycle                              | `t`   |
//! | `bitstream`                 | in  | 64    | the board's number for its bitstream                   |       |
//! | `busy`, `waiting`, `fault`  | out | 1     | a token runs; a run waits for the host; any fault flag |       |
//! | `trace_*`                   | out |       | writes to memories, for lockstep with the emulator; a board leaves them open | |
//! | `sdram_*`                   |     |       | with external memory: its pins, as of [`SdrPhy`]; absent without it | |
//!
//! The host's bytes are not taken before external memory is awake.
//!
//! Trace ports show a write in the cycle in which its port is used, the last one in which a reader sees the old value,
//! and the start of a token as the sides see it, behind the dispatch.
//!
//! # Invariants
//! 1. There is no reset: all state has its power-up value, and memories are zero.
//! 2. Nothing that the sides compute reaches the queues: a token's cycles depend on program and position alone.

use crate::dialect::*;
use crate::dispatch::{DISPATCH_CYCLES, MatrixDispatch, TransferDispatch, VectorDispatch};
use crate::dram::decode::ROW;
use crate::dram::host::HOST_ADDRESS;
use crate::dram::phy::SdrPhy;
use crate::dram::shape::{Part, Shape};
use crate::dram::slice::DramSlice;
use crate::emit::{Design, EmitError};
use crate::host_port::HostPort;
use crate::icu::Icu;
use crate::mxm::MatrixSide;
use crate::primitives::{Delay, FaultFlags, MatrixPayload, TransferPayload, VectorPayload};
use crate::seq::{Registers, Run, Settings};
use crate::vxm::VectorSide;
use crate::widths::{BLOCKS, ENTRY, HALVES, KV_ROW, LANE, SCALAR, VMEM_ROW, VREG_ROW};
use lpu_isa::Geometry;

/// The chip of a geometry.
#[derive(LogicBlock, Default)]
pub struct Lpu {
    pub clock: Signal<In, Clock>,
    pub host_in_data: Signal<In, Bits<8>>,
    pub host_in_valid: Signal<In, Bit>,
    pub host_in_ready: Signal<Out, Bit>,
    pub host_out_data: Signal<Out, Bits<8>>,
    pub host_out_valid: Signal<Out, Bit>,
    pub host_out_ready: Signal<In, Bit>,
    pub bitstream: Signal<In, Bits<64>>,
    pub busy: Signal<Out, Bit>,
    pub waiting: Signal<Out, Bit>,
    pub fault: Signal<Out, Bit>,
    pub trace_token_start: Signal<Out, Bit>,
    pub trace_position: Signal<Out, Bits<16>>,
    pub trace_sums_store: Signal<Out, Bit>,
    pub trace_sums_row: Signal<Out, Bits<VMEM_ROW>>,
    pub trace_sums_word: Vec<Signal<Out, Bits<18>>>,
    pub trace_result_store: Signal<Out, Bit>,
    pub trace_result_row: Signal<Out, Bits<VMEM_ROW>>,
    pub trace_result_word: Vec<Signal<Out, Bits<18>>>,
    pub trace_vreg_write: Signal<Out, Bit>,
    pub trace_vreg_row: Signal<Out, Bits<VREG_ROW>>,
    pub trace_vreg_word: Vec<Signal<Out, Bits<24>>>,
    pub trace_maximum_write: Signal<Out, Bit>,
    pub trace_maximum_index: Signal<Out, Bits<SCALAR>>,
    pub trace_maximum_value: Signal<Out, Bits<18>>,
    pub trace_scalar_write: Signal<Out, Bit>,
    pub trace_scalar_index: Signal<Out, Bits<SCALAR>>,
    pub trace_scalar_value: Signal<Out, Bits<24>>,
    pub trace_act_write: Signal<Out, Bits<HALVES>>,
    pub trace_act_entry: Signal<Out, Bits<ENTRY>>,
    pub trace_act_word: Vec<Signal<Out, Bits<16>>>,
    pub trace_kv_write: Signal<Out, Bit>,
    pub trace_kv_value_mode: Signal<Out, Bit>,
    pub trace_kv_row: Signal<Out, Bits<KV_ROW>>,
    pub trace_kv_halves: Signal<Out, Bits<HALVES>>,
    pub trace_kv_lane: Signal<Out, Bits<LANE>>,
    pub trace_kv_code: Vec<Signal<Out, Bits<9>>>,
    // With external memory, one of each; of cells as many as a row has.
    pub trace_transfer_weights: Vec<Signal<Out, Bit>>,
    pub trace_transfer_kv: Vec<Signal<Out, Bit>>,
    pub trace_transfer_vmem: Vec<Signal<Out, Bit>>,
    pub trace_transfer_row: Vec<Signal<Out, Bits<ROW>>>,
    pub trace_transfer_cell: Vec<Signal<Out, Bits<36>>>,
    pub sdram_clock: Vec<Signal<Out, Bit>>,
    pub sdram_clock_enable: Vec<Signal<Out, Bit>>,
    pub sdram_cs_n: Vec<Signal<Out, Bit>>,
    pub sdram_ras_n: Vec<Signal<Out, Bit>>,
    pub sdram_cas_n: Vec<Signal<Out, Bit>>,
    pub sdram_we_n: Vec<Signal<Out, Bit>>,
    pub sdram_bank: Vec<Signal<Out, Bits<2>>>,
    pub sdram_line: Vec<Signal<Out, Bits<13>>>,
    pub sdram_mask: Vec<Signal<Out, Bits<2>>>,
    pub sdram_data_out: Vec<Signal<Out, Bits<16>>>,
    pub sdram_drive: Vec<Signal<Out, Bit>>,
    pub sdram_data_in: Vec<Signal<In, Bits<16>>>,
    port: HostPort,
    settings: Settings,
    registers: Registers,
    faults: FaultFlags,
    run: Run,
    icu: Icu,
    matrix_dispatch: MatrixDispatch,
    vector_dispatch: VectorDispatch,
    matrix_payload: MatrixPayload,
    vector_payload: VectorPayload,
    matrix: MatrixSide,
    vector: VectorSide,
    start_later: Delay<1>,
    over_later: Delay<1>,
    // What the matrix side writes in this cycle came to it in the one before.
    act_write_later: DFF<Bits<HALVES>>,
    act_entry_later: DFF<Bits<ENTRY>>,
    sent_later: Vec<DFF<Bits<16>>>,
    kv_write_later: DFF<Bit>,
    kv_value_mode_later: DFF<Bit>,
    kv_row_later: DFF<Bits<KV_ROW>>,
    kv_halves_later: DFF<Bits<HALVES>>,
    kv_lane_later: DFF<Bits<LANE>>,
    // With external memory, one of each.
    transfer_payload: Vec<TransferPayload>,
    dram: Vec<DramSlice>,
    phy: Vec<SdrPhy>,
    transfer_dispatch: Vec<TransferDispatch>,
    kind: Kind<Self>,
}

impl Lpu {
    /// Cycles in which every space answers a read of the host.
    pub const HOST_READ_CYCLES: usize = {
        let (matrix, vector) = (MatrixSide::HOST_READ_LATENCY, VectorSide::HOST_READ_LATENCY);
        if matrix > vector { matrix } else { vector }
    };

    /// The chip of a geometry.
    ///
    /// # Panics
    /// It has external memory that is no SDR SDRAM of 16 bits: that PHY is not written yet.
    pub fn new(geometry: &Geometry) -> Self {
        let lanes = geometry.vxm_lanes;
        Self {
            trace_sums_word: many(lanes),
            trace_result_word: many(lanes),
            trace_vreg_word: many(lanes),
            trace_act_word: many(lanes),
            trace_kv_code: many(lanes),
            port: HostPort::new(geometry, Self::HOST_READ_CYCLES),
            settings: Settings::new(),
            registers: Registers::new(geometry),
            faults: FaultFlags::new(geometry),
            run: Run::new(geometry),
            icu: Icu::new(geometry),
            matrix_dispatch: MatrixDispatch::new(geometry),
            vector_dispatch: VectorDispatch::new(geometry),
            matrix: MatrixSide::new(geometry),
            vector: VectorSide::new(geometry),
            start_later: Delay::new(DISPATCH_CYCLES),
            over_later: Delay::new(DISPATCH_CYCLES),
            sent_later: many(lanes),
            kind: Kind::named(module_name(geometry)),
            ..Self::external(geometry)
        }
    }

    /// External memory and its pins, if there is one.
    fn external(geometry: &Geometry) -> Self {
        if !geometry.has_external_memory() {
            return Self::default();
        }
        let part = Part::SDR_32MB;
        let shape = Shape::new(geometry, &part);
        Self {
            trace_transfer_weights: many(1),
            trace_transfer_kv: many(1),
            trace_transfer_vmem: many(1),
            trace_transfer_row: many(1),
            trace_transfer_cell: many((geometry.mxm_lanes / 4).max(geometry.vxm_lanes / 2)),
            sdram_clock: many(1),
            sdram_clock_enable: many(1),
            sdram_cs_n: many(1),
            sdram_ras_n: many(1),
            sdram_cas_n: many(1),
            sdram_we_n: many(1),
            sdram_bank: many(1),
            sdram_line: many(1),
            sdram_mask: many(1),
            sdram_data_out: many(1),
            sdram_drive: many(1),
            sdram_data_in: many(1),
            transfer_payload: many(1),
            dram: vec![DramSlice::new(geometry, &shape, SdrPhy::READ_LATENCY)],
            phy: vec![SdrPhy::new(Shape::wake_cycles(geometry, &part))],
            transfer_dispatch: vec![TransferDispatch::new(geometry)],
            ..Self::default()
        }
    }
}

/// Name of a chip's module where it is not the top.
pub fn module_name(geometry: &Geometry) -> String {
    format!("lpu_{}", geometry.name.replace('-', "_"))
}

/// The Verilog of a chip, with `top` as the name of its top module.
///
/// # Errors
/// What the emitter refuses; none for the chips of [`Geometry::ALL`].
pub fn emit(geometry: &Geometry, top: &str) -> Result<Design, EmitError> {
    crate::emit::emit(&mut Lpu::new(geometry), top)
}

impl Logic for Lpu {
    #[hdl_gen]
    fn update(&mut self) {
        clock!(self, clock, port, settings, registers, faults, run, icu, matrix, vector, over_later);
        clock!(self, clock, matrix_dispatch, vector_dispatch, start_later);

        // Host port.
        self.port.in_data.next = self.host_in_data.val();
        self.port.in_valid.next = self.host_in_valid.val();
        self.host_in_ready.next = self.port.in_ready.val();
        self.host_out_data.next = self.port.out_data.val();
        self.host_out_valid.next = self.port.out_valid.val();
        self.port.out_ready.next = self.host_out_ready.val();
        self.port.running.next = self.run.status.val().get_bit(0);
        self.port.prompt_full.next = self.run.prompt_full.val();
        self.port.matrix_word.next = self.matrix.host_read_data.val();
        self.port.vmem_word.next = self.vector.host_read_data.val();
        self.port.register_word.next = self.registers.data.val();
        self.port.record_word.next = self.run.record.val();

        // Registers and faults.
        self.settings.write.next = self.port.register_write.val();
        self.settings.address.next = self.port.address.val();
        self.settings.data.next = self.port.data.val().get_bits::<64>(0);
        self.registers.address.next = self.port.address.val();
        self.registers.status.next = self.run.status.val();
        self.registers.position.next = self.run.next_position.val();
        self.registers.faults.next = self.faults.flags.val();
        self.registers.run_start.next = self.run.run_start.val();
        self.registers.saturated[0].next = self.matrix.saturated.val();
        self.registers.saturated[1].next = self.vector.result_saturated.val();
        self.registers.saturated[2].next = self.vector.sent_saturated.val();
        self.registers.bitstream.next = self.bitstream.val();
        self.faults.clear.next = self.settings.clear_faults.val();
        self.faults.matrix_underrun.next = self.icu.matrix_underrun.val();
        self.faults.vector_underrun.next = self.icu.vector_underrun.val();
        self.faults.illegal_instruction.next = self.icu.illegal.val();
        self.faults.sync_lost.next = self.icu.sync_lost.val();
        self.faults.host_access.next = self.port.refused.val();
        self.faults.kv_conflict.next = self.matrix.kv_conflict.val();
        self.faults.act_conflict.next = self.matrix.act_conflict.val();
        self.faults.noise_underrun.next = self.vector.noise_underrun.val();
        self.faults.scalar_conflict.next = self.vector.scalar_conflict.val();
        self.faults.vmem_conflict.next = self.matrix.vmem_conflict.val() | self.vector.vmem_conflict.val();
        self.faults.vmem_address.next = self.matrix.vmem_address.val() | self.vector.vmem_address.val();
        self.faults.matrix_address.next = self.matrix.matrix_address.val() | self.vector.matrix_address.val();

        // Token loop.
        self.run.start.next = self.settings.start.val();
        self.run.stop.next = self.settings.stop.val();
        self.run.go_on.next = self.settings.go_on.val();
        self.run.discard.next = self.settings.discard.val();
        self.run.start_position.next = self.settings.start_position.val();
        self.run.limit.next = self.settings.limit.val();
        self.run.prompt_length.next = self.settings.prompt_length.val();
        self.run.stop_token.next = self.settings.stop_token.val();
        self.run.stop_token_too.next = self.settings.stop_token_too.val();
        self.run.pause.next = self.settings.pause.val();
        self.run.sampling_wanted.next = self.settings.sampling.val();
        self.run.push.next = self.port.token_push.val();
        self.run.prompt_token.next = self.port.data.val().get_bits::<16>(0);
        self.run.pop.next = self.port.record_pop.val();
        // The chosen token comes as late as the sides are behind the queues, and so must the end of the token.
        self.over_later.x.next = self.icu.over.val().into();
        self.run.over.next = self.over_later.y.val().get_bit(0);
        self.run.chosen.next = self.vector.chosen.val();

        // Queues.
        self.icu.matrix_write.next = self.port.matrix_queue_write.val();
        self.icu.vector_write.next = self.port.vector_queue_write.val();
        self.icu.write_part.next = self.port.queue_part.val();
        self.icu.write_index.next = self.port.queue_index.val();
        self.icu.write_data.next = self.port.data.val().get_bits::<64>(0);
        self.icu.start.next = self.run.token_start.val();
        self.icu.blocks.next = self.run.blocks.val();

        // From the queues to the sides.
        self.matrix_dispatch.issue.next = self.icu.matrix_issue.val();
        self.matrix_dispatch.first.next = self.icu.matrix_first.val();
        self.matrix_dispatch.last.next = self.icu.matrix_last.val();
        self.matrix_dispatch.gather.next = self.icu.gather.val();
        self.matrix_dispatch.offset_first.next = self.icu.matrix_offset_first.val();
        self.matrix_dispatch.offset_second.next = self.icu.matrix_offset_second.val();
        self.matrix_dispatch.token.next = self.run.token.val();
        self.matrix_dispatch.position.next = self.run.position.val();
        self.matrix_dispatch.host_access.next = self.matrix.host_access.val();
        self.matrix_dispatch.host_row.next = self.matrix.host_row_1.val();
        self.matrix_dispatch.host_chunk.next = self.matrix.host_chunk.val();
        for p in 0..self.icu.matrix_part.len() {
            self.matrix_dispatch.part[p].next = self.icu.matrix_part[p].val();
            self.matrix_payload.part[p].next = self.matrix_dispatch.part_0[p].val();
        }
        self.vector_dispatch.issue.next = self.icu.vector_issue.val();
        self.vector_dispatch.first.next = self.icu.vector_first.val();
        self.vector_dispatch.last.next = self.icu.vector_last.val();
        self.vector_dispatch.offset_first.next = self.icu.vector_offset_first.val();
        self.vector_dispatch.offset_second.next = self.icu.vector_offset_second.val();
        self.vector_dispatch.token.next = self.run.token.val();
        self.vector_dispatch.position.next = self.run.position.val();
        self.vector_dispatch.run_start.next = self.run.run_start.val();
        for p in 0..self.icu.vector_part.len() {
            self.vector_dispatch.part[p].next = self.icu.vector_part[p].val();
            self.vector_payload.part[p].next = self.vector_dispatch.part_0[p].val();
        }

        // Matrix side.
        self.matrix.issue.next = self.matrix_dispatch.issue_0.val();
        self.matrix.gather.next = self.matrix_dispatch.gather_0.val();
        self.matrix.first.next = self.matrix_dispatch.first_0.val();
        self.matrix.last.next = self.matrix_dispatch.last_0.val();
        self.matrix.row.next = self.matrix_dispatch.row.val();
        self.matrix.chunk.next = self.matrix_dispatch.chunk.val();
        self.matrix.position.next = self.matrix_dispatch.position_0.val();
        self.matrix.memory.next = self.matrix_payload.memory.val().get_bit(0);
        self.matrix.entry.next = self.matrix_payload.entry.val();
        self.matrix.entry_continue.next = self.matrix_payload.entry_continue.val().get_bit(0);
        self.matrix.entry_advance.next = self.matrix_payload.entry_advance.val().get_bit(0);
        self.matrix.tap.next = self.matrix_payload.tap.val();
        self.matrix.lane.next = self.matrix_payload.lane.val();
        self.matrix.lane_advance.next = self.matrix_payload.lane_advance.val().get_bit(0);
        self.matrix.clear.next = self.matrix_payload.clear.val();
        self.matrix.emit.next = self.matrix_payload.emit.val();
        self.matrix.shift.next = self.matrix_payload.shift.val();
        self.matrix.mask.next = self.matrix_payload.mask.val().get_bit(0);
        self.matrix.maximum.next = self.matrix_payload.maximum.val().get_bit(0);
        self.matrix.scalar.next = self.matrix_payload.scalar.val();
        self.matrix.store.next = self.matrix_payload.store.val();
        self.matrix.act_write.next = self.vector.act_write.val();
        self.matrix.act_entry.next = self.vector.act_entry.val();
        self.matrix.kv_write.next = self.vector.kv_write.val();
        self.matrix.kv_row.next = self.vector.kv_row.val();
        for g in 0..self.matrix.group_row.len() {
            self.matrix.group_act_write[g].next = self.vector.group_act_write[g].val();
            self.matrix.group_act_entry[g].next = self.vector.group_act_entry[g].val();
            self.matrix.group_kv_write[g].next = self.vector.group_kv_write[g].val();
            self.matrix.group_weight_write[g].next = self.vector.group_weight_write[g].val();
            self.matrix.group_row[g].next = self.vector.group_row[g].val();
            self.matrix.group_kv_transposed[g].next = self.vector.group_kv_transposed[g].val();
        }
        self.vector.host_kv_write.next = self.matrix.host_kv_write.val();
        self.vector.host_weight_write.next = self.matrix.host_weight_write.val();
        self.vector.host_write_row.next = self.matrix.host_row_1.val();
        self.vector.host_halves.next = self.matrix.host_halves.val();
        for i in 0..self.matrix.host_lane.len() {
            self.vector.host_lane[i].next = self.matrix.host_lane[i].val();
        }
        self.matrix.host_write.next = self.port.matrix_write.val();
        self.matrix.host_read.next = self.port.matrix_read.val();
        self.matrix.host_kv.next = self.port.kv.val();
        self.matrix.host_row.next = self.port.matrix_row.val();
        self.matrix.host_octet.next = self.port.octet.val();
        self.matrix.host_data.next = self.port.data.val();

        // Vector side.
        self.vector.issue.next = self.vector_dispatch.issue_0.val();
        self.vector.first.next = self.vector_dispatch.first_0.val();
        self.vector.last.next = self.vector_dispatch.last_0.val();
        self.vector.position.next = self.vector_dispatch.position_0.val();
        self.vector.token.next = self.vector_dispatch.token_0.val();
        self.vector.vmem_start.next = self.vector_dispatch.vmem_start.val();
        self.vector.scalar_number.next = self.vector_dispatch.number_0.val();
        self.vector.scalar_pair.next = self.vector_dispatch.pair_0.val();
        self.vector.offset_second.next = self.vector_dispatch.offset_second_0.val();
        self.vector.x.next = self.vector_payload.x.val();
        self.vector.x_shift.next = self.vector_payload.x_shift.val();
        self.vector.swap.next = self.vector_payload.swap.val().get_bit(0);
        self.vector.subtract.next = self.vector_payload.subtract.val().get_bit(0);
        self.vector.function_code.next = self.vector_payload.function_code.val();
        self.vector.b.next = self.vector_payload.b.val();
        self.vector.c.next = self.vector_payload.c.val();
        self.vector.shift.next = self.vector_payload.shift.val();
        self.vector.relu.next = self.vector_payload.relu.val().get_bit(0);
        self.vector.vmem_advance.next = self.vector_payload.vmem_advance.val().get_bit(0);
        self.vector.a.next = self.vector_payload.a.val();
        self.vector.a_advance.next = self.vector_payload.a_advance.val().get_bit(0);
        self.vector.bc.next = self.vector_payload.bc.val();
        self.vector.bc_advance.next = self.vector_payload.bc_advance.val().get_bit(0);
        self.vector.write.next = self.vector_payload.write.val().get_bit(0);
        self.vector.target.next = self.vector_payload.target.val();
        self.vector.target_advance.next = self.vector_payload.target_advance.val().get_bit(0);
        self.vector.destination.next = self.vector_payload.destination.val();
        self.vector.half.next = self.vector_payload.half.val().get_bit(0);
        self.vector.sub.next = self.vector_payload.sub.val();
        self.vector.sub_advance.next = self.vector_payload.sub_advance.val().get_bit(0);
        self.vector.entry.next = self.vector_payload.entry.val();
        self.vector.entry_continue.next = self.vector_payload.entry_continue.val().get_bit(0);
        self.vector.entry_advance.next = self.vector_payload.entry_advance.val().get_bit(0);
        self.vector.start.next = self.vector_payload.start.val();
        self.vector.length.next = self.vector_payload.length.val();
        self.vector.period.next = self.vector_payload.period.val();
        self.vector.start_step.next = self.vector_payload.start_step.val();
        self.vector.row.next = self.vector_payload.row.val();
        self.vector.row_step.next = self.vector_payload.row_step.val();
        self.vector.row_offset.next = self.vector_payload.row_offset.val().get_bit(0);
        self.vector.positions.next = self.vector_payload.positions.val();
        self.vector.restart.next = self.vector_payload.restart.val().get_bit(0);
        self.vector.tail.next = self.vector_payload.tail.val();
        self.vector.reduce.next = self.vector_payload.reduce.val();
        self.vector.scaling.next = self.vector_payload.scaling.val();
        self.vector.reduction.next = self.vector_payload.reduction.val();
        self.vector.sum_shift.next = self.vector_payload.sum_shift.val();
        self.vector.bias.next = self.vector_payload.bias.val();
        self.vector.run_start.next = self.vector_dispatch.run_start_0.val();
        self.vector.seed.next = self.settings.seed.val();
        self.vector.sampling.next = self.run.sampling.val();
        self.vector.inverse_temperature.next = self.settings.inverse_temperature.val();
        self.vector.store.next = self.matrix.store_valid.val();
        self.vector.store_row_next.next = self.matrix.store_address_next.val();
        self.vector.maximum_write.next = self.matrix.maximum_write.val();
        self.vector.maximum_index.next = self.matrix.maximum_index.val();
        self.vector.maximum_value.next = self.matrix.maximum_value.val();
        self.vector.host_read.next = self.port.vmem_read.val();
        self.vector.host_write.next = self.port.vmem_write.val();
        self.vector.host_row.next = self.port.vmem_row.val();
        self.vector.host_quad.next = self.port.quad.val();
        self.vector.host_data.next = self.port.data.val();
        for l in 0..self.trace_sums_word.len() {
            self.vector.store_row[l].next = self.matrix.store_row[l].val();
            self.matrix.sent[l].next = self.vector.sent[l].val();
        }

        // Lights and traces.
        dff_setup!(self, clock, act_write_later, act_entry_later, kv_write_later, kv_value_mode_later);
        dff_setup!(self, clock, kv_row_later, kv_halves_later, kv_lane_later);
        self.busy.next = self.run.status.val().get_bit(0);
        self.waiting.next = self.run.status.val().get_bits::<3>(2).any();
        self.fault.next = self.faults.flags.val().any();
        self.start_later.x.next = self.run.token_start.val().into();
        self.trace_token_start.next = self.start_later.y.val().get_bit(0);
        self.trace_position.next = self.matrix_dispatch.position_0.val();
        self.trace_sums_store.next = self.matrix.store_valid.val();
        self.trace_sums_row.next = self.matrix.store_address.val();
        self.trace_result_store.next = self.vector.result_store.val();
        self.trace_result_row.next = self.vector.result_row.val();
        self.trace_vreg_write.next = self.vector.vreg_write.val();
        self.trace_vreg_row.next = self.vector.vreg_row.val();
        self.trace_maximum_write.next = self.matrix.maximum_write.val();
        self.trace_maximum_index.next = self.matrix.maximum_index.val();
        self.trace_maximum_value.next = self.matrix.maximum_value.val();
        self.trace_scalar_write.next = self.vector.scalar_write.val();
        self.trace_scalar_index.next = self.vector.scalar_index.val();
        self.trace_scalar_value.next = self.vector.scalar_value.val();
        self.act_write_later.d.next = self.vector.act_write.val();
        self.trace_act_write.next = self.act_write_later.q.val();
        self.act_entry_later.d.next = self.vector.act_entry.val();
        self.trace_act_entry.next = self.act_entry_later.q.val();
        self.kv_write_later.d.next = self.vector.kv_write.val();
        self.trace_kv_write.next = self.kv_write_later.q.val();
        self.kv_value_mode_later.d.next = self.vector.kv_value_mode.val();
        self.trace_kv_value_mode.next = self.kv_value_mode_later.q.val();
        self.kv_row_later.d.next = self.vector.kv_row.val();
        self.trace_kv_row.next = self.kv_row_later.q.val();
        self.kv_halves_later.d.next = self.vector.kv_halves.val();
        self.trace_kv_halves.next = self.kv_halves_later.q.val();
        self.kv_lane_later.d.next = self.vector.kv_lane.val();
        self.trace_kv_lane.next = self.kv_lane_later.q.val();
        for l in 0..self.trace_sums_word.len() {
            self.trace_sums_word[l].next = self.matrix.store_row[l].val();
            self.trace_result_word[l].next = self.vector.result_word[l].val();
            self.trace_vreg_word[l].next = self.vector.result[l].val();
            clock!(self, clock, sent_later[l]);
            self.sent_later[l].d.next = self.vector.sent[l].val();
            self.trace_act_word[l].next = self.sent_later[l].q.val();
            self.trace_kv_code[l].next = self.sent_later[l].q.val().get_bits::<9>(0);
        }

        // External memory: the queue's slots and transfers, the host between tokens.
        for e in 0..self.dram.len() {
            clock!(self, clock, dram[e], phy[e], transfer_dispatch[e]);
            self.host_in_ready.next = self.port.in_ready.val() & self.phy[e].awake.val();
            self.port.in_valid.next = self.host_in_valid.val() & self.phy[e].awake.val();
            self.icu.transfer_write[e].next = self.port.transfer_queue_write[e].val();
            self.icu.transfer_slot[e].next = self.dram[e].slot.val();
            for p in 0..self.icu.transfer_part.len() {
                self.transfer_payload[e].part[p].next = self.icu.transfer_part[p].val();
            }
            self.dram[e].segment.next = self.icu.segment[e].val();
            self.dram[e].hold.next = self.icu.hold[e].val() | !self.phy[e].awake.val();
            self.dram[e].take.next = self.icu.transfer_issue[e].val();
            self.dram[e].first.next = self.icu.transfer_first[e].val();
            self.dram[e].way.next = self.transfer_payload[e].way.val();
            self.dram[e].format.next = self.transfer_payload[e].format.val();
            self.dram[e].offset_codes.next = self.transfer_payload[e].offset_codes.val();
            self.dram[e].step_by.next = self.transfer_payload[e].step_by.val();
            self.dram[e].address_offset.next = self.transfer_payload[e].address_offset.val();
            self.dram[e].row_offset.next = self.transfer_payload[e].row_offset.val();
            self.dram[e].shift.next = self.transfer_payload[e].shift.val();
            self.dram[e].run.next = self.transfer_payload[e].run.val();
            self.dram[e].blocks.next = self.transfer_payload[e].blocks.val();
            self.dram[e].address.next = self.transfer_payload[e].address.val();
            self.dram[e].address_step.next = self.transfer_payload[e].address_step.val();
            self.dram[e].first_row.next = self.transfer_payload[e].row.val();
            self.dram[e].row_step.next = self.transfer_payload[e].row_step.val();
            self.dram[e].run_step.next = self.transfer_payload[e].run_step.val();
            self.dram[e].row_number_step.next = self.transfer_payload[e].row_number_step.val();
            self.dram[e].offset_first.next = self.icu.transfer_offset_first[e].val();
            self.dram[e].offset_second.next = self.icu.transfer_offset_second[e].val();
            self.dram[e].token.next = self.run.token.val();
            self.dram[e].position.next = self.run.position.val();
            self.dram[e].block.next = bit_cast::<16, BLOCKS>(self.run.blocks.val()) - 1;
            self.dram[e].idle.next = !self.run.status.val().get_bit(0);
            self.dram[e].host_write.next = self.port.dram_write[e].val();
            self.dram[e].host_read.next = self.port.dram_read[e].val();
            self.dram[e].host_address.next = bit_cast::<HOST_ADDRESS, 24>(self.port.address.val());
            self.dram[e].host_data.next = self.port.data.val().get_bits::<64>(0);
            self.port.dram_done[e].next = self.dram[e].host_done.val();
            self.port.dram_word[e].next = self.dram[e].host_read_data.val();
            self.faults.transfer_underrun[e].next = self.icu.transfer_underrun[e].val();
            self.faults.dram_address[e].next = self.dram[e].outside_dram.val();
            self.faults.transfer_conflict[e].next = self.dram[e].turnaround.val()
                | self.matrix.transfer_conflict[e].val()
                | self.vector.transfer_conflict[e].val();
            self.faults.matrix_address.next = self.matrix.matrix_address.val()
                | self.vector.matrix_address.val()
                | self.dram[e].outside_kv.val();
            self.faults.vmem_address.next = self.matrix.vmem_address.val()
                | self.vector.vmem_address.val()
                | self.dram[e].outside_vmem.val();

            // Rows.
            self.transfer_dispatch[e].weights.next = self.dram[e].weights.val();
            self.transfer_dispatch[e].kv.next = self.dram[e].kv.val();
            self.transfer_dispatch[e].vmem.next = self.dram[e].vmem.val();
            self.transfer_dispatch[e].row.next = self.dram[e].row.val();
            self.transfer_dispatch[e].reads_kv.next = self.dram[e].reads_kv.val();
            self.transfer_dispatch[e].reads_vmem.next = self.dram[e].reads_vmem.val();
            self.transfer_dispatch[e].read_row.next = self.dram[e].read_row.val();
            self.matrix.piece_begins[e].next = self.matrix_dispatch.piece_begins[e].val();
            self.matrix.piece_returns[e].next = self.matrix_dispatch.piece_returns[e].val();
            self.matrix.piece_moves[e].next = self.matrix_dispatch.piece_moves[e].val();
            self.matrix.piece_ends[e].next = self.matrix_dispatch.piece_ends[e].val();
            self.matrix.transfer_weights[e].next = self.transfer_dispatch[e].weights_1.val();
            self.matrix.transfer_weights_row[e].next = self.transfer_dispatch[e].weights_row_1.val();
            self.matrix.transfer_kv[e].next = self.transfer_dispatch[e].kv_1.val();
            self.matrix.transfer_back[e].next = self.transfer_dispatch[e].kv_back_1.val();
            self.matrix.transfer_kv_row[e].next = self.transfer_dispatch[e].kv_row_1.val();
            self.vector.transfer_write[e].next = self.transfer_dispatch[e].vmem_1.val();
            self.vector.transfer_back[e].next = self.transfer_dispatch[e].vmem_back_1.val();
            self.vector.transfer_row[e].next = self.transfer_dispatch[e].vmem_row_1.val();
            self.trace_transfer_weights[e].next = self.transfer_dispatch[e].weights_0.val();
            self.trace_transfer_kv[e].next = self.transfer_dispatch[e].kv_0.val();
            self.trace_transfer_vmem[e].next = self.transfer_dispatch[e].vmem_0.val();
            self.trace_transfer_row[e].next = self.transfer_dispatch[e].row_0.val();
            for c in 0..self.trace_transfer_cell.len() {
                self.transfer_dispatch[e].cells[c].next = self.dram[e].cells[c].val();
                self.trace_transfer_cell[c].next = self.transfer_dispatch[e].cell_0[c].val();
            }
            for c in 0..self.matrix.transfer_cell.len() {
                self.matrix.transfer_cell[c].next = self.transfer_dispatch[e].cell_1[c].val();
                self.transfer_dispatch[e].kv_back[c].next = self.matrix.back[c].val();
                self.dram[e].narrow[c].next = self.transfer_dispatch[e].narrow[c].val();
            }
            for c in 0..self.vector.transfer_cell.len() {
                self.vector.transfer_cell[c].next = self.transfer_dispatch[e].cell_1[c].val();
                self.transfer_dispatch[e].vmem_back[c].next = self.vector.back[c].val();
                self.dram[e].wide[c].next = self.transfer_dispatch[e].wide[c].val();
            }

            // Pins.
            self.phy[e].ras.next = self.dram[e].ras.val();
            self.phy[e].cas.next = self.dram[e].cas.val();
            self.phy[e].we.next = self.dram[e].we.val();
            self.phy[e].bank.next = self.dram[e].bank.val();
            self.phy[e].line.next = self.dram[e].line.val();
            self.phy[e].drive.next = self.dram[e].drive.val();
            self.phy[e].data.next = self.dram[e].write_word.val();
            self.phy[e].mask.next = self.dram[e].mask.val();
            self.dram[e].read_word.next = self.phy[e].read_data.val();
            self.sdram_clock[e].next = self.phy[e].clock_pin.val();
            self.sdram_clock_enable[e].next = self.phy[e].clock_enable.val();
            self.sdram_cs_n[e].next = self.phy[e].cs_n.val();
            self.sdram_ras_n[e].next = self.phy[e].ras_n.val();
            self.sdram_cas_n[e].next = self.phy[e].cas_n.val();
            self.sdram_we_n[e].next = self.phy[e].we_n.val();
            self.sdram_bank[e].next = self.phy[e].bank_pins.val();
            self.sdram_line[e].next = self.phy[e].line_pins.val();
            self.sdram_mask[e].next = self.phy[e].mask_pins.val();
            self.sdram_data_out[e].next = self.phy[e].data_out.val();
            self.sdram_drive[e].next = self.phy[e].drive_pins.val();
            self.phy[e].data_in.next = self.sdram_data_in[e].val();
        }
    }
}

#[cfg(test)]
mod tests;
