//! What the transfer queue's instructions move: `Transfer`, row by row.

use super::dram::Dram;
use super::dues::Dues;
use super::kernel;
use super::queue::Block;
use super::state::{Issue, State};
use crate::trace::{Location, Origin, Sink};
use lpu_isa::host::Fault;
use lpu_isa::instruction::{Queue, StepBy, Transfer, Way};
use lpu_isa::transfer::{BLOCK_CODES, Layout, SCALE_BITS, bits, decode, put_bits};
use lpu_isa::{arith, timing};

/// A transfer on its way, row by row.
#[derive(Clone, Debug)]
pub(super) struct TransferRun {
    pub transfer: Transfer,
    pub layout: Layout,
    origin: Origin,
    /// First granule and first row, with steps and offsets.
    address: i64,
    pub row: i64,
    runs: usize,
    /// Granules of a run.
    run_granules: usize,
    /// The row that is next: its run, and its number in it.
    run: usize,
    pub k: usize,
    /// When it is issued, and those after it.
    pub dues: Dues,
}

impl TransferRun {
    /// Cycle in which the next row is issued.
    pub fn due(&self) -> i64 {
        self.dues.due()
    }

    pub fn done(&self) -> bool {
        self.run == self.runs
    }

    /// Goes on by rows of the current run, to where these cycles stand.
    pub fn step(&mut self, rows: usize, dues: Dues) {
        self.dues = dues;
        self.k += rows;
        if self.k == self.layout.run() {
            self.k = 0;
            self.run += 1;
        }
    }

    /// Row of the chip's memory that is next, before it wraps.
    pub fn target(&self) -> i64 {
        let Transfer { row_step, run_step, .. } = self.transfer;
        self.row + self.run as i64 * i64::from(run_step) + self.k as i64 * i64::from(row_step)
    }

    /// Whether rows lie in external memory as the chip's memory holds them.
    pub fn plain(&self) -> bool {
        self.layout.block_code_bits().is_none()
    }

    /// Whether all granules of the transfer are inside external memory.
    pub fn is_inside(&self, granules: usize) -> bool {
        let count = (self.runs * self.run_granules) as i64;
        self.address >= 0 && self.address + count <= granules as i64
    }

    /// First byte of the current run in external memory.
    fn begin(&self) -> usize {
        let granule = self.address as usize + self.run * self.run_granules;
        granule * self.layout.granule_bits() / 8
    }

    /// Where rows of the current run lie in external memory, from the first block on: first byte, and how many. `after` rows before them come
    /// first.
    pub fn bytes(&self, after: usize, rows: usize) -> (usize, usize) {
        let (layout, k) = (&self.layout, self.k + after);
        let first = match layout.block_code_bits() {
            Some(_) => layout.result_begin(k) + layout.row_codes(k).0 / BLOCK_CODES * layout.block_bits(),
            None => layout.row_bits(k).0,
        };
        let end = layout.row_bits(k + rows - 1).1;
        (self.begin() + first / 8, end.div_ceil(8) - first / 8)
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
        let run_granules = layout.run_granules();
        TransferRun {
            transfer: *transfer,
            layout,
            origin: Origin { queue: Queue::Transfer, instruction: block.index },
            address: i64::from(transfer.address)
                + i64::from(transfer.address_step) * index
                + offset(transfer.address_offset, block.offsets[0]),
            row: i64::from(transfer.row)
                + i64::from(transfer.row_number_step) * index
                + offset(transfer.row_offset, block.offsets[1]),
            runs: block.count as usize / run_granules,
            run_granules,
            run: 0,
            k: 0,
            dues: Dues::new(&self.geometry, transfer, layout, block.segment, block.slot),
        }
    }

    /// Moves one row.
    pub(super) fn transfer<S: Sink>(&mut self, run: &mut TransferRun, sink: &mut S) {
        if run.is_inside(self.geometry.dram_granules) {
            // The buffer is taken out while memories are borrowed.
            let mut buffer = std::mem::take(&mut self.buffer);
            match run.transfer.way {
                Way::Weights | Way::Kv | Way::Vmem => self.bring(run, &mut buffer, sink),
                Way::FromKv | Way::FromVmem => self.take_back(run, &mut buffer),
            }
            self.buffer = buffer;
        } else {
            self.raise(Fault::DRAM_ADDRESS);
        }
        let mut dues = run.dues.clone();
        dues.advance();
        run.step(1, dues);
    }

    fn bring<S: Sink>(&mut self, run: &TransferRun, buffer: &mut Vec<u8>, sink: &mut S) {
        let issue = Issue { cycle: run.due(), k: run.k as i64, last: false, origin: run.origin };
        let port = timing::transfer_store_port(&self.geometry);
        let lanes = run.layout.lanes;
        match run.transfer.way {
            Way::Weights => {
                let row = self.matrix_address(run.target(), self.geometry.weight_rows, true);
                let target = &mut self.weights[row * lanes..][..lanes];
                read_narrow(&self.dram, run, buffer, target);
                issue.tell_narrow(sink, self.position, port, Location::Weights(row), target);
            }
            Way::Kv => {
                let row = self.matrix_address(run.target(), self.geometry.kv_rows, false);
                let codes = &mut self.kv_codes[row * lanes..][..lanes];
                read_narrow(&self.dram, run, buffer, codes);
                for (value, &code) in self.kv_values[row * lanes..][..lanes].iter_mut().zip(codes.iter()) {
                    *value = arith::kv_decode(code);
                }
                issue.tell_narrow(sink, self.position, port, Location::Kv { row, lane: 0 }, codes);
            }
            _ => {
                let row = self.vmem_address(run.target());
                let target = &mut self.vmem[row * lanes..][..lanes];
                read_row(&self.dram, run, 0, buffer, |lane, value| target[lane] = value);
                issue.tell(sink, self.position, port, Location::Vmem(row), target);
            }
        }
    }

    fn take_back(&mut self, run: &TransferRun, buffer: &mut Vec<u8>) {
        let lanes = run.layout.lanes;
        if run.transfer.way == Way::FromKv {
            let row = self.matrix_address(run.target(), self.geometry.kv_rows, false);
            let values = self.kv_codes[row * lanes..][..lanes].iter().map(|&code| code as u64);
            write_row(&mut self.dram, run, buffer, values);
        } else {
            let row = self.vmem_address(run.target());
            let values = self.vmem[row * lanes..][..lanes].iter().map(|&word| word as u64);
            write_row(&mut self.dram, run, buffer, values);
        }
    }
}

/// Reads the row that is next to a memory of nine-bit lanes.
fn read_narrow(dram: &Dram, run: &TransferRun, buffer: &mut Vec<u8>, target: &mut [i16]) {
    if run.plain() {
        let (from, bytes) = run.bytes(0, 1);
        kernel::read_nines(dram.read(from, bytes, buffer), target);
    } else {
        read_row(dram, run, 0, buffer, |lane, value| target[lane] = value as i16);
    }
}

/// Puts a row of the current run where it goes, lane by lane: the one so many after the next. Lanes that fill up a result are zero.
pub(super) fn read_row(
    dram: &Dram,
    run: &TransferRun,
    after: usize,
    buffer: &mut Vec<u8>,
    mut put: impl FnMut(usize, i32),
) {
    let Transfer { offset_codes, shift, .. } = run.transfer;
    let layout = &run.layout;
    let (from, bytes) = run.bytes(after, 1);
    let bytes = dram.read(from, bytes, buffer);
    let Some(code_bits) = layout.block_code_bits() else {
        let (width, unused) = (layout.lane_bits as usize, 32 - layout.lane_bits);
        for lane in 0..layout.lanes {
            put(lane, (bits(bytes, lane * width, width) as i32) << unused >> unused);
        }
        return;
    };
    let (first, count) = layout.row_codes(run.k + after);
    let header = SCALE_BITS * (1 + usize::from(offset_codes));
    for lane in 0..count {
        let code = first % BLOCK_CODES + lane;
        let begin = code / BLOCK_CODES * layout.block_bits();
        let scale = bits(bytes, begin, SCALE_BITS) as u16;
        let offset = offset_codes.then(|| bits(bytes, begin + SCALE_BITS, SCALE_BITS) as i16);
        let at = begin + header + code % BLOCK_CODES * code_bits as usize;
        let code = bits(bytes, at, code_bits as usize) as u32;
        put(lane, decode(scale, offset, code, code_bits, shift, layout.lane_bits));
    }
    (count..layout.lanes).for_each(|lane| put(lane, 0));
}

/// Writes the row that is next; the last one of a run takes what is left of its granule with it, as zeros.
fn write_row(dram: &mut Dram, run: &TransferRun, buffer: &mut Vec<u8>, values: impl Iterator<Item = u64>) {
    let layout = &run.layout;
    let width = layout.lane_bits as usize;
    let (first, end) = layout.row_bits(run.k);
    buffer.clear();
    buffer.resize(layout.lanes * width / 8, 0);
    for (lane, value) in values.enumerate() {
        put_bits(buffer, lane * width, width, value);
    }
    if run.k + 1 == layout.run() {
        let all = run.run_granules * layout.granule_bits();
        buffer.resize(buffer.len() + (all - end) / 8, 0);
    }
    dram.write(run.begin() + first / 8, buffer);
}
