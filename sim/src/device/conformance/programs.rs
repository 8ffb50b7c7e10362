//! Small programs for a chip of any geometry. Every stage waits until the one before has left all pipelines, so that they
//! are legal whatever the latencies.

use lpu_isa::Geometry;
use lpu_isa::host::NO_TOKEN;
use lpu_isa::image::{Image, ModelInfo};
use lpu_isa::instruction::*;

/// Cycles after which nothing of a stage is under way.
const SETTLE_CYCLES: i32 = 64;
/// Positions that the programs can execute.
pub const CONTEXT: usize = 64;

fn fixed(count: usize) -> Affine {
    Affine::fixed(count as i32)
}

fn per_block(count: usize) -> Affine {
    Affine { constant: 0, per_block: count as i32 }
}

fn issue(count: Affine, op: Op) -> Instruction {
    Instruction { control: Control { delay: fixed(4), count, interval: 1 }, op }
}

fn wait(op: Op) -> Instruction {
    Instruction { control: Control::after(if matches!(op, Op::Nop(_)) { SETTLE_CYCLES } else { 0 }), op }
}

/// The queues of a program, stage by stage. That of transfers only meets the others, and in the end puts the logits where the host reads them.
#[derive(Default)]
struct Stages {
    matrix: Vec<Instruction>,
    vector: Vec<Instruction>,
    transfer: Vec<Instruction>,
}

impl Stages {
    /// A stage: what the queues do between two meetings.
    fn stage(&mut self, matrix: &[Instruction], vector: &[Instruction]) {
        let queues = [(&mut self.matrix, matrix), (&mut self.vector, vector), (&mut self.transfer, &[])];
        for (queue, instructions) in queues {
            queue.extend_from_slice(instructions);
            queue.extend([wait(Op::Nop(Nop {})), wait(Op::Sync(Sync {}))]);
        }
    }

    fn image(mut self, geometry: &Geometry, logits_row: u32) -> Image {
        let words = |queue: &mut Vec<Instruction>| {
            queue.push(wait(Op::End(End {})));
            // Fields of these programs fit by construction; the encoder's tests hold the widths.
            queue.iter().filter_map(|instruction| instruction.encode().ok()).collect()
        };
        let transfer = if geometry.has_external_memory() {
            // The granule has the row's number.
            let logits = Transfer {
                way: Way::FromVmem,
                row: logits_row,
                address: logits_row,
                run: 1,
                ..Transfer::default()
            };
            self.transfer.extend([issue(fixed(1), Op::Transfer(logits)), wait(Op::Nop(Nop {}))]);
            words(&mut self.transfer)
        } else {
            Vec::new()
        };
        let model = ModelInfo {
            name: "conformance".into(),
            vocab: geometry.vxm_lanes as u32,
            context: CONTEXT as u32,
            logits_row,
            bos: NO_TOKEN.into(),
            eos: NO_TOKEN.into(),
            ..ModelInfo::default()
        };
        Image {
            geometry: *geometry,
            model,
            matrix: words(&mut self.matrix),
            vector: words(&mut self.vector),
            weights: Vec::new(),
            vmem: Vec::new(),
            transfer,
            dram: Vec::new(),
            tokenizer: Vec::new(),
        }
    }
}

/// The last stage of a program: the largest of one row of logits, scaled and with random numbers.
fn choose(geometry: &Geometry, logits_row: u32) -> Instruction {
    let vector = Vector {
        vmem: logits_row,
        b: B::Scalar,
        scalar: 2 * geometry.scalars as u32 + 1,
        c: C::Noise,
        destination: Destination::Argmax,
        restart: true,
        ..Vector::default()
    };
    issue(fixed(1), Op::Vector(vector))
}

/// Counts: after token `t` comes `t + 1` modulo the lanes of the vector unit. Its logits are one and zeros.
pub fn counting(geometry: &Geometry) -> Image {
    let lanes = geometry.vxm_lanes;
    let gather = Gather { index: Index::Token, row: 0, chunks: 0, store: 40 };
    let mut stages = Stages::default();
    stages.stage(&[issue(fixed(1), Op::Gather(gather))], &[]);
    stages.stage(&[], &[choose(geometry, 40)]);
    let mut image = stages.image(geometry, 40);
    image.weights = vec![0; lanes.div_ceil(geometry.groups()) * geometry.mxm_lanes];
    for token in 0..lanes {
        image.weights[token * lanes + (token + 1) % lanes] = 1;
    }
    image
}

/// Reads a row behind the end of weight memory (`MATRIX_ADDRESS`).
pub fn outside_weights(geometry: &Geometry) -> Image {
    let gather = Gather { row: geometry.weight_rows as u32, store: 40, ..Gather::default() };
    let mut stages = Stages::default();
    stages.stage(&[issue(fixed(1), Op::Gather(gather))], &[]);
    stages.stage(&[], &[choose(geometry, 41)]);
    stages.image(geometry, 40)
}

/// Reads a row behind the end of vector memory (`VMEM_ADDRESS`).
pub fn outside_vmem(geometry: &Geometry) -> Image {
    let row = Vector { vmem: geometry.vmem_rows as u32, write: true, ..Vector::default() };
    let mut stages = Stages::default();
    stages.stage(&[], &[issue(fixed(1), Op::Vector(row))]);
    stages.stage(&[], &[choose(geometry, 41)]);
    stages.image(geometry, 40)
}

/// Rows and scalars of [`attention`].
mod at {
    pub const TOKEN: u32 = 20;
    pub const POSITION: u32 = 21;
    pub const KEY: u32 = 24;
    pub const VALUE: u32 = 25;
    pub const SCORES: u32 = 30;
    pub const MIX: u32 = 40;
    pub const LOGITS: u32 = 44;
    pub const VALUES_KV: u32 = 512;
    pub const VALUES_KV_STEP: u32 = 64;
    pub const POSITION_WEIGHTS: u32 = 64;
    pub const MATRIX_WEIGHTS: u32 = 200;
}

/// A layer of attention over random numbers, as wide as the vector unit: every memory, every tap that it needs, keys and
/// values, exponential, reductions, sigmoid. Token and position go in, logits come out.
pub fn attention(geometry: &Geometry) -> Image {
    let Geometry { mxm_lanes, vxm_lanes, scalars, .. } = *geometry;
    let (one, reductions) = (2 * scalars as u32, scalars as u32);
    let row = Vector { b: B::Scalar, scalar: one, ..Vector::default() };
    let one_issue = |vector: Vector| issue(fixed(1), Op::Vector(vector));
    let gather = |index, row, store| issue(fixed(1), Op::Gather(Gather { index, row, chunks: 0, store }));
    let mut stages = Stages::default();
    stages.stage(
        &[gather(Index::Token, 0, at::TOKEN), gather(Index::Position, at::POSITION_WEIGHTS, at::POSITION)],
        &[],
    );
    let product = Vector { vmem: at::TOKEN, c: C::Vmem, write: true, ..row };
    let state = Vector { x: X::VregA, b: B::Vmem, vmem: at::POSITION, shift: 2, write: true, ..row };
    stages.stage(&[], &[one_issue(product)]);
    stages.stage(&[], &[one_issue(state)]);
    let square = Vector { x: X::VregA, b: B::X, shift: 8, reduce: Reduce::All, ..row };
    stages.stage(&[], &[one_issue(Vector { scaling: Scaling::ReciprocalSqrt, bias: 7, ..square })]);
    let everywhere = Vector { destination: Destination::Act, length: 1, period: 1, ..row };
    let query = Vector { x: X::VregA, scalar: reductions, shift: 7, swap: true, ..everywhere };
    stages.stage(&[], &[one_issue(query)]);
    stages.stage(&projections(geometry), &[]);
    stages.stage(&[], &keys_and_values(geometry, row));
    scores_and_mix(geometry, &mut stages, everywhere);
    let mixed = Vector {
        vmem: at::MIX,
        scalar: reductions + 1,
        shift: 3,
        c: C::VregB,
        write: true,
        target: 4,
        ..row
    };
    stages.stage(&[], &[one_issue(mixed)]);
    let sigmoid = Vector { x: X::VregA, a: 4, function: Function::Sigmoid, write: true, target: 5, ..row };
    stages.stage(&[], &[one_issue(sigmoid)]);
    let gate = Vector { x: X::VregA, a: 4, b: B::VregB, bc: 5, shift: 17, ..row };
    stages.stage(&[], &[one_issue(Vector { destination: Destination::Vmem, row: at::LOGITS, ..gate })]);
    stages.stage(&[], &[choose(geometry, at::LOGITS)]);
    let mut image = stages.image(geometry, at::LOGITS);
    image.weights = numbers(1, 256 * mxm_lanes, 9).map(|number| number as i16).collect();
    image.vmem = numbers(2, 48 * vxm_lanes, 12).collect();
    image
}

/// A projection by the narrowest tap and one by the widest, from the same activation entry.
fn projections(geometry: &Geometry) -> [Instruction; 2] {
    let narrow = Dot {
        row: at::MATRIX_WEIGHTS,
        row_step: 1,
        tap: geometry.narrowest_tap().ilog2(),
        clear: Clear::Always,
        emit: Emit::Wrap,
        shift: 9,
        store: at::KEY,
        ..Dot::default()
    };
    let wide = Dot {
        row: at::MATRIX_WEIGHTS + 8,
        tap: geometry.mxm_lanes.ilog2(),
        lane_advance: true,
        emit: Emit::Last,
        maximum: true,
        scalar: 1,
        store: at::VALUE,
        ..narrow
    };
    [issue(fixed(1), Op::Dot(narrow)), issue(fixed(geometry.vxm_lanes), Op::Dot(wide))]
}

/// Groups of a row of KV memory hold keys of consecutive positions; values are transposed.
fn keys_and_values(geometry: &Geometry, row: Vector) -> [Instruction; 2] {
    let key = Vector {
        destination: Destination::Key,
        vmem: at::KEY,
        shift: 5,
        positions: geometry.groups().ilog2(),
        length: 1,
        period: geometry.halves().ilog2(),
        ..row
    };
    let value = Vector {
        destination: Destination::Value,
        vmem: at::VALUE,
        shift: 5,
        sub_advance: true,
        row: at::VALUES_KV,
        row_step: at::VALUES_KV_STEP as i32,
        positions: geometry.vxm_lanes.ilog2(),
        ..row
    };
    let parts = geometry.vxm_lanes / geometry.groups();
    [issue(fixed(1), Op::Vector(key)), issue(fixed(parts), Op::Vector(value))]
}

fn scores_and_mix(geometry: &Geometry, stages: &mut Stages, everywhere: Vector) {
    let parts = geometry.vxm_lanes / geometry.groups();
    let tap = geometry.vxm_lanes.ilog2();
    let scores = Dot {
        memory: Memory::Kv,
        row_step: 1,
        tap,
        lane_advance: true,
        clear: Clear::Always,
        emit: Emit::WrapOrLast,
        shift: 14,
        mask: true,
        maximum: true,
        scalar: 0,
        store: at::SCORES,
        ..Dot::default()
    };
    stages.stage(&[issue(per_block(parts), Op::Dot(scores))], &[]);
    let likelihoods = Vector {
        vmem: at::SCORES,
        vmem_advance: true,
        subtract: true,
        scalar: 0,
        function: Function::Exp2,
        shift: 18,
        write: true,
        target: 8,
        target_advance: true,
        entry: 2,
        entry_advance: true,
        reduce: Reduce::All,
        scaling: Scaling::Reciprocal,
        reduction: 1,
        ..everywhere
    };
    stages.stage(&[], &[issue(per_block(1), Op::Vector(likelihoods))]);
    let mix = |part: usize| Dot {
        memory: Memory::Kv,
        row: at::VALUES_KV + part as u32 * at::VALUES_KV_STEP,
        row_step: 1,
        entry: 2,
        entry_advance: true,
        tap,
        lane: (part * geometry.groups()) as u32,
        clear: Clear::First,
        emit: if part + 1 == parts { Emit::Last } else { Emit::Never },
        shift: 8,
        store: at::MIX,
        ..Dot::default()
    };
    let mixes: Vec<_> = (0..parts).map(|part| issue(per_block(1), Op::Dot(mix(part)))).collect();
    // The first beats of each part come at least a least period after those of the part before.
    stages.stage(&mixes, &[]);
}

/// Numbers of `bits` signed bits that look random (Marsaglia's xorshift).
fn numbers(seed: u32, count: usize, bits: u32) -> impl Iterator<Item = i32> {
    let mut state = seed;
    (0..count).map(move |_| {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        (state as i32) >> (32 - bits)
    })
}
