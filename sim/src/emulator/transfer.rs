//! What the transfer queue's instructions move: `Transfer`, and the external memory behind it.

use super::queue::Block;
use super::state::{Issue, State};
use crate::trace::{Location, Origin, Sink};
use lpu_isa::host::Fault;
use lpu_isa::instruction::{Queue, StepBy, Transfer, Way};
use lpu_isa::transfer::{BLOCK_CODES, Frames, Layout, SCALE_BITS, bits, decode, put_bits};
use lpu_isa::{arith, timing};
use std::sync::Arc;

/// External memory. Bytes that nobody wrote are zero and take no room.
#[derive(Clone, Debug, Default)]
pub(super) struct Dram {
    bytes: Arc<Vec<u8>>,
}

impl Dram {
    /// Replaces bytes from an address on.
    pub fn write(&mut self, address: usize, bytes: &[u8]) {
        let memory = self.reach(address + bytes.len());
        memory[address..address + bytes.len()].copy_from_slice(bytes);
    }

    /// Bits from bit `at` on.
    pub fn bits(&self, at: usize, width: usize) -> u64 {
        bits(&self.bytes, at, width)
    }

    fn put(&mut self, at: usize, width: usize, value: u64) {
        put_bits(self.reach((at + width).div_ceil(8)), at, width, value);
    }

    /// The memory up to an address.
    fn reach(&mut self, end: usize) -> &mut Vec<u8> {
        let memory = Arc::make_mut(&mut self.bytes);
        if memory.len() < end {
            memory.resize(end, 0);
        }
        memory
    }
}

/// A transfer on its way, row by row.
#[derive(Clone, Debug)]
pub(super) struct TransferRun {
    transfer: Transfer,
    layout: Layout,
    frames: Frames,
    origin: Origin,
    segment: i64,
    slot: i64,
    /// First granule and first row, with steps and offsets.
    address: i64,
    row: i64,
    runs: usize,
    /// The row that is next: its run, and its number in it.
    run: usize,
    k: usize,
    due: i64,
}

impl TransferRun {
    /// Cycle in which the next row is issued.
    pub fn due(&self) -> i64 {
        self.due
    }

    pub fn done(&self) -> bool {
        self.run == self.runs
    }

    /// Granule of the transfer and word in it with which the next row is issued: its last bit on the way to the chip, its first one back.
    fn place(&self) -> (usize, usize) {
        let (first, end) = self.layout.row_bits(self.k);
        let to_chip = matches!(self.transfer.way, Way::Weights | Way::Kv | Way::Vmem);
        let (granule, word) = self.layout.word_of(if to_chip { end - 1 } else { first });
        (self.run * self.layout.run_granules() + granule, word)
    }

    fn step(&mut self) {
        self.k += 1;
        if self.k == self.layout.run() {
            self.k = 0;
            self.run += 1;
        }
        self.due = self.next_due();
    }

    fn next_due(&self) -> i64 {
        let (granule, word) = self.place();
        self.segment + self.frames.begin(self.slot + granule as i64) + word as i64
    }

    /// First bit of the current run in external memory.
    fn begin(&self) -> i64 {
        (self.address + (self.run * self.layout.run_granules()) as i64) * self.layout.granule_bits() as i64
    }
}

impl State {
    pub(super) fn begin_transfer(&self, transfer: &Transfer, block: &Block) -> TransferRun {
        let index = match transfer.step_by {
            StepBy::None => 0,
            StepBy::Token => self.token,
            StepBy::Position => self.position,
            StepBy::Block => self.geometry.blocks(self.position) - 1,
        } as i64;
        let offset = |used: bool, offset: i64| if used { offset } else { 0 };
        let layout = Layout::of(&self.geometry, transfer);
        let mut run = TransferRun {
            transfer: *transfer,
            layout,
            frames: Frames::of(&self.geometry),
            origin: Origin { queue: Queue::Transfer, instruction: block.index },
            segment: block.segment,
            slot: block.slot,
            address: i64::from(transfer.address)
                + i64::from(transfer.address_step) * index
                + offset(transfer.address_offset, block.offsets[0]),
            row: i64::from(transfer.row)
                + i64::from(transfer.row_number_step) * index
                + offset(transfer.row_offset, block.offsets[1]),
            runs: block.count as usize / layout.run_granules(),
            run: 0,
            k: 0,
            due: 0,
        };
        run.due = run.next_due();
        run
    }

    /// Moves one row.
    pub(super) fn transfer<S: Sink>(&mut self, run: &mut TransferRun, sink: &mut S) {
        let Transfer { row_step, run_step, way, .. } = run.transfer;
        let row = run.row + run.run as i64 * i64::from(run_step) + run.k as i64 * i64::from(row_step);
        let issue = Issue { cycle: run.due, k: run.k as i64, last: false, origin: run.origin };
        let granules = run.address..run.address + (run.runs * run.layout.run_granules()) as i64;
        if granules.start < 0 || granules.end > self.geometry.dram_granules as i64 {
            self.raise(Fault::DRAM_ADDRESS);
            return run.step();
        }
        let port = timing::transfer_store_port(&self.geometry);
        match way {
            Way::Weights => {
                let row = self.matrix_address(row, self.geometry.weight_rows, true);
                let lanes = self.geometry.mxm_lanes;
                let target = &mut self.weights[row * lanes..][..lanes];
                read_row(&self.dram, run, |lane, value| target[lane] = value as i16);
                issue.tell_narrow(sink, self.position, port, Location::Weights(row), target);
            }
            Way::Kv => {
                let row = self.matrix_address(row, self.geometry.kv_rows, false);
                let lanes = self.geometry.mxm_lanes;
                let codes = &mut self.kv_codes[row * lanes..][..lanes];
                read_row(&self.dram, run, |lane, value| codes[lane] = value as i16);
                for (value, &code) in self.kv_values[row * lanes..][..lanes].iter_mut().zip(codes.iter()) {
                    *value = arith::kv_decode(code);
                }
                issue.tell_narrow(sink, self.position, port, Location::Kv { row, lane: 0 }, codes);
            }
            Way::Vmem => {
                let row = self.vmem_address(row);
                let lanes = self.geometry.vxm_lanes;
                let target = &mut self.vmem[row * lanes..][..lanes];
                read_row(&self.dram, run, |lane, value| target[lane] = value);
                issue.tell(sink, self.position, port, Location::Vmem(row), target);
            }
            Way::FromKv => {
                let row = self.matrix_address(row, self.geometry.kv_rows, false);
                let lanes = self.geometry.mxm_lanes;
                let values = self.kv_codes[row * lanes..][..lanes].iter().map(|&code| code as u64);
                write_row(&mut self.dram, run, values);
            }
            Way::FromVmem => {
                let row = self.vmem_address(row);
                let lanes = self.geometry.vxm_lanes;
                let values = self.vmem[row * lanes..][..lanes].iter().map(|&word| word as u64);
                write_row(&mut self.dram, run, values);
            }
        }
        run.step();
    }
}

/// Reads the row that is next; lanes that fill up a result are zero.
fn read_row(dram: &Dram, run: &TransferRun, mut put: impl FnMut(usize, i32)) {
    let Transfer { offset_codes, shift, .. } = run.transfer;
    let layout = &run.layout;
    let Some(code_bits) = layout.block_code_bits() else {
        let first = run.begin() as usize + layout.row_bits(run.k).0;
        let unused = 32 - layout.lane_bits;
        for lane in 0..layout.lanes {
            let raw = dram.bits(first + lane * layout.lane_bits as usize, layout.lane_bits as usize) as i32;
            put(lane, raw << unused >> unused);
        }
        return;
    };
    let (first, count) = layout.row_codes(run.k);
    let result = run.begin() as usize + layout.result_begin(run.k);
    let header = SCALE_BITS * (1 + usize::from(offset_codes));
    for lane in 0..count {
        let (block, within) = ((first + lane) / BLOCK_CODES, (first + lane) % BLOCK_CODES);
        let begin = result + block * layout.block_bits();
        let scale = dram.bits(begin, SCALE_BITS) as u16;
        let offset = offset_codes.then(|| dram.bits(begin + SCALE_BITS, SCALE_BITS) as i16);
        let code = dram.bits(begin + header + within * code_bits as usize, code_bits as usize) as u32;
        put(lane, decode(scale, offset, code, code_bits, shift, layout.lane_bits));
    }
    (count..layout.lanes).for_each(|lane| put(lane, 0));
}

/// Writes the row that is next; the last one of a run takes what is left of its granule with it, as zeros.
fn write_row(dram: &mut Dram, run: &TransferRun, values: impl Iterator<Item = u64>) {
    let layout = &run.layout;
    let width = layout.lane_bits as usize;
    let begin = run.begin() as usize;
    let (first, end) = layout.row_bits(run.k);
    for (lane, value) in values.enumerate() {
        dram.put(begin + first + lane * width, width, value);
    }
    if run.k + 1 == layout.run() {
        let all = layout.run_granules() * layout.granule_bits();
        (end..all).for_each(|bit| dram.put(begin + bit, 1, 0));
    }
}
