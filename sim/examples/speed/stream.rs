//! A program that moves and multiplies what SmolLM2-135M does in a token, on a chip with DDR3 memory: 30 layers of 576 lanes, a classifier of
//! 49,152 tokens. The rows of each matrix pass through weight memory; its `Dot` begins so that its last beat follows the last row.

use crate::chip::words;
use lpu_isa::image::{Image, ModelInfo};
use lpu_isa::instruction::*;
use lpu_isa::transfer::{Frames, Layout};
use lpu_isa::{Geometry, timing};

const CHIP: Geometry = Geometry::ECP5_DDR3;
const LAYERS: i32 = 30;
/// Trips of the classifier's loop, and tokens of each.
const TRIPS: i32 = 16;
const TRIP_TOKENS: u32 = 49_152 / TRIPS as u32;
/// Lanes of the model, and of its feed-forward network.
const WIDTH: u32 = 576;
const HIDDEN: u32 = 1536;
/// Cycles between a row's arrival and its beat, at least: more than loops begin apart.
const SLACK: i64 = 16;
/// Rows of the vector unit per layer, as instructions of so many.
const VECTOR_ROWS: [i32; 26] = {
    let mut rows = [36; 26];
    let mut index = 0;
    while index < 6 {
        rows[index * 4] = 96;
        index += 1;
    }
    rows
};

/// What a program does.
#[derive(Clone, Copy)]
pub struct Parts {
    pub beats: bool,
    pub transfers: bool,
    pub rows: bool,
}

impl Parts {
    pub const ALL: Parts = Parts { beats: true, transfers: true, rows: true };
}

/// One pass through a loop's body: what is under way when.
struct Body {
    parts: Parts,
    matrix: Vec<Instruction>,
    transfer: Vec<Instruction>,
    /// Granule and ring row that come next.
    granule: u32,
    row: u32,
    slot: i64,
    /// Activation of the next `Dot`.
    time: i64,
}

fn instruction(delay: i64, count: i64, interval: u32, op: impl Into<Op>) -> Instruction {
    let control =
        Control { delay: Affine::fixed(delay as i32), count: Affine::fixed(count as i32), interval };
    Instruction { control, op: op.into() }
}

impl Body {
    fn new(parts: Parts, granule: u32, row: u32) -> Self {
        let (matrix, transfer) = (Vec::new(), Vec::new());
        Self { parts, matrix, transfer, granule, row, slot: 0, time: 0 }
    }

    /// A matrix: its transfer and its `Dot`.
    fn multiply(&mut self, outputs: u32, inputs: u32, format: Format, store: u32) {
        let pieces = inputs / CHIP.mxm_lanes as u32;
        let rows = outputs * pieces;
        let (offset_codes, interval) = if format == Format::Codes4 { (true, 5) } else { (false, 8) };
        let transfer = Transfer {
            way: Way::Weights,
            format,
            offset_codes,
            address_offset: true,
            row_offset: true,
            shift: 10,
            run: rows,
            blocks: inputs / 32,
            address: self.granule,
            row: self.row,
            row_step: 1,
            ..Transfer::default()
        };
        let layout = Layout::of(&CHIP, &transfer);
        let frames = Frames::of(&CHIP);
        let arrival = |k: u32| {
            let (granule, word) = layout.word_of(layout.row_bits(k as usize).1 - 1);
            frames.begin(self.slot + granule as i64) + word as i64 + timing::transfer_store_port(&CHIP)
        };
        let begin = (0..rows).map(|k| arrival(k) - i64::from(k * interval)).max().expect("rows") + SLACK;
        let begin = begin.max(self.time);
        let dot = Dot {
            offset: true,
            row: self.row,
            row_step: 1,
            entry_advance: true,
            tap: 6,
            lane_advance: true,
            clear: Clear::First,
            emit: Emit::Wrap,
            shift: 12,
            store,
            pieces,
            ..Dot::default()
        };
        if self.parts.beats {
            self.matrix.push(instruction(begin - self.time, rows.into(), interval, dot));
        }
        let granules = layout.run_granules();
        if self.parts.transfers {
            self.transfer.push(instruction(0, granules as i64, 1, transfer));
        }
        self.time = begin + i64::from(rows * interval);
        self.slot += granules as i64;
        self.granule += granules as u32;
        self.row = (self.row + rows) % CHIP.weight_rows as u32;
    }

    /// Keys and values of the blocks before, then the matrices of a layer, then the open block back.
    fn layer(&mut self) {
        let granules = 9;
        let kv = Transfer {
            way: Way::Kv,
            address: 1 << 19,
            row_step: 1,
            run_step: 16,
            run: 16,
            ..Transfer::default()
        };
        let per_block = 6 * granules;
        let mut load = instruction(0, 0, 1, kv);
        load.control.count.per_block = per_block;
        if self.parts.transfers {
            self.transfer.push(load);
        }
        self.slot += i64::from(per_block) * CHIP.blocks(128) as i64;
        self.multiply(WIDTH, WIDTH, Format::Codes4, 100);
        self.multiply(192, WIDTH, Format::Codes4, 140);
        self.multiply(192, WIDTH, Format::Codes4, 160);
        let attention = Dot { memory: Memory::Kv, row_step: 1, tap: 6, lane_advance: true, ..Dot::default() };
        let attention = Dot { clear: Clear::Always, emit: Emit::Wrap, shift: 8, store: 200, ..attention };
        for _ in 0..3 {
            if self.parts.beats {
                self.matrix.push(instruction(4, 768, 1, attention));
            }
            self.time += 4 + 768;
        }
        self.multiply(WIDTH, WIDTH, Format::Codes4, 400);
        self.multiply(HIDDEN, WIDTH, Format::Codes4, 500);
        self.multiply(HIDDEN, WIDTH, Format::Codes4, 600);
        self.multiply(WIDTH, HIDDEN, Format::Codes4, 700);
        let back = Transfer { way: Way::FromKv, step_by: StepBy::Block, address_step: 54, ..kv };
        if self.parts.transfers {
            self.transfer.push(instruction(16, (6 * granules).into(), 1, back));
        }
    }
}

fn vector_rows(parts: Parts, rows: &[i32], cycles: i64) -> Vec<Instruction> {
    let kept = if parts.rows { rows } else { &[] };
    let wait = (cycles / rows.len() as i64 - 100).min(30_000);
    kept.iter()
        .enumerate()
        .map(|(index, &count)| {
            let row = Vector {
                vmem: 500,
                vmem_advance: true,
                b: B::VregA,
                c: C::VregB,
                bc: 200,
                bc_advance: true,
                a_advance: true,
                shift: 15,
                write: true,
                target: 200,
                target_advance: true,
                ..Vector::default()
            };
            let op = match index % 4 {
                0 => Vector { destination: Destination::Vmem, row: 800, row_step: 1, ..row },
                1 => {
                    Vector { destination: Destination::Act, entry_advance: true, period: 1, length: 1, ..row }
                }
                2 => Vector { function: Function::Sigmoid, ..row },
                _ => Vector { reduce: Reduce::All, b: B::X, c: C::Zero, ..row },
            };
            instruction(wait, count.into(), 1, op)
        })
        .collect()
}

/// A loop of all queues.
fn trips(count: i32, body: Vec<Instruction>, first_step: i64, second_step: i64) -> Vec<Instruction> {
    let steps = EndLoop { first_step: first_step as i32, second_step: second_step as i32 };
    let mut all = vec![instruction(4, count.into(), 1, Loop {})];
    all.extend(body);
    all.push(instruction(4, 1, 1, Nop {}));
    all.push(instruction(0, 1, 1, steps));
    all
}

/// The program without its external memory.
pub fn image(parts: Parts) -> Image {
    let mut layer = Body::new(parts, 0, 0);
    layer.layer();
    let layer_granules = layer.granule;
    let mut classifier = Body::new(parts, layer_granules * LAYERS as u32, layer.row);
    classifier.multiply(TRIP_TOKENS, WIDTH, Format::Codes8, 1000);
    let logits = Transfer {
        way: Way::FromVmem,
        address: 1 << 19 | 1 << 16,
        address_offset: true,
        ..Transfer::default()
    };
    let logits = Transfer { row: 1000, row_step: 1, run: TRIP_TOKENS / 16, ..logits };
    let granules = Layout::of(&CHIP, &logits).run_granules();
    if parts.transfers {
        classifier.transfer.push(instruction(16, granules as i64, 1, logits));
    }
    let best =
        Vector { vmem: 1000, vmem_advance: true, b: B::Scalar, scalar: 64, shift: 16, ..Vector::default() };
    let best = Vector { destination: Destination::Argmax, row_step: 1, row_offset: true, ..best };
    let per_trip = i64::from(TRIP_TOKENS / 16);
    let mut vector = vec![instruction(4, 24, 1, to_entries())];
    vector.extend(trips(LAYERS, vector_rows(parts, &VECTOR_ROWS, layer.time), 0, 0));
    let wait = |cycles: i64| instruction(cycles, 1, 1, Nop {});
    vector.extend(trips(TRIPS, vec![wait(30_000), instruction(0, per_trip, 1, best)], per_trip, per_trip));
    let ring = i64::from(TRIP_TOKENS * WIDTH / 64);
    let mut matrix = trips(LAYERS, layer.matrix, 0, 0);
    matrix.extend(trips(TRIPS, classifier.matrix, ring, 0));
    let step = i64::from(classifier.granule - layer_granules * LAYERS as u32);
    let mut transfer = trips(LAYERS, layer.transfer, layer_granules.into(), 0);
    transfer.extend(trips(TRIPS, classifier.transfer, step, ring));
    for queue in [&mut matrix, &mut vector, &mut transfer] {
        queue.push(instruction(60, 1, 1, Nop {}));
        queue.push(instruction(0, 1, 1, End {}));
    }
    Image {
        matrix: words(matrix),
        vector: words(vector),
        transfer: words(transfer),
        vmem: (0..16 * 2048).map(|lane| lane * 7919 % 65_537 - 32_768).collect(),
        model: ModelInfo { vocab: 49_152, context: 1024, ..ModelInfo::default() },
        ..Image::empty(CHIP)
    }
}

fn to_entries() -> Vector {
    Vector {
        vmem: 500,
        vmem_advance: true,
        b: B::Scalar,
        scalar: 64,
        shift: 20,
        destination: Destination::Act,
        entry_advance: true,
        length: 1,
        period: 1,
        ..Vector::default()
    }
}

/// Its external memory: numbers that look random.
pub fn dram() -> Vec<u8> {
    let mut state = 1u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    (0..96 << 17).flat_map(|_| next().to_le_bytes()).collect()
}
