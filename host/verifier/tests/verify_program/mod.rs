//! A small legal program for the nano chip, with every kind of access in it: two attention heads in a loop, keys,
//! values, softmax, a reduction, noise and a comparison. The planted faults start from it.

use lpu_isa::Geometry;
use lpu_isa::image::{Image, ModelInfo};
use lpu_isa::instruction::*;

pub const GEOMETRY: Geometry = Geometry::NANO;
const ONE: u32 = 2 * GEOMETRY.scalars as u32;
const TEMPERATURE: u32 = ONE + 1;

/// A queue's program with the cycle, counted from the last meeting, in which the next instruction is activated.
struct Builder {
    words: Vec<Word>,
    now: i32,
}

impl Builder {
    fn put(&mut self, control: Control, op: Op) {
        self.words.push(Instruction { control, op }.encode().expect("fields fit"));
    }

    /// Issues `count` times from `cycle` on.
    fn issue(&mut self, cycle: i32, count: i32, interval: u32, op: Op) {
        let delay = Affine::fixed(cycle - self.now);
        self.put(Control { delay, count: Affine::fixed(count), interval }, op);
        self.now = cycle + count * interval as i32;
    }

    /// Issues `count` times a block begun; the cycles after it are known from the next meeting on.
    fn issue_blocks(&mut self, delay: i32, count: i32, op: Op) {
        let count = Affine { constant: 0, per_block: count };
        self.put(Control { delay: Affine::fixed(delay), count, interval: 1 }, op);
    }

    fn wait(&mut self, delay: i32) {
        self.put(Control::after(delay), Op::Nop(Nop {}));
    }

    /// `Sync`, `EndLoop` or `End`.
    fn meet(&mut self, op: Op) {
        self.put(Control::default(), op);
        self.now = 0;
    }

    fn begin_loop(&mut self, trips: i32) {
        let control = Control { delay: Affine::fixed(4), count: Affine::fixed(trips), interval: 1 };
        self.put(control, Op::Loop(Loop {}));
        self.now = 0;
    }
}

pub fn legal() -> Image {
    let mut matrix = Builder { words: Vec::new(), now: 0 };
    let mut vector = Builder { words: Vec::new(), now: 0 };
    embed(&mut matrix, &mut vector);
    project(&mut matrix, &mut vector);
    attend(&mut matrix, &mut vector);
    choose(&mut vector);
    matrix.meet(Op::End(End {}));
    vector.meet(Op::End(End {}));
    let weights = (0..28 * GEOMETRY.mxm_lanes).map(|at| (at * 37 % 511) as i16 - 255);
    Image {
        geometry: GEOMETRY,
        model: ModelInfo { name: "hand".into(), vocab: 16, context: 20, ..ModelInfo::default() },
        matrix: matrix.words,
        vector: vector.words,
        weights: weights.map(|weight| if weight == 0 { 1 } else { weight }).collect(),
        vmem: (0..12 * GEOMETRY.vxm_lanes).map(|at| at as i32 * 1000).collect(),
        transfer: Vec::new(),
        dram: Vec::new(),
        tokenizer: Vec::new(),
    }
}

/// Token and position vectors, their sum, its square's reciprocal root; the sum as activation entry 0.
fn embed(matrix: &mut Builder, vector: &mut Builder) {
    matrix.issue(4, 1, 1, Op::Gather(Gather { index: Index::Token, store: 16, ..Gather::default() }));
    let position = Gather { index: Index::Position, row: 8, store: 17, ..Gather::default() };
    matrix.issue(8, 1, 1, Op::Gather(position));
    let load = Vector { vmem: 16, b: B::Scalar, scalar: ONE, write: true, ..Vector::default() };
    vector.issue(16, 1, 1, Op::Vector(load));
    let sum = Vector { vmem: 17, c: C::VregB, bc: 0, target: 1, ..load };
    let everywhere = Vector { destination: Destination::Act, length: 1, period: 1, ..sum };
    let root = Vector { reduce: Reduce::All, scaling: Scaling::ReciprocalSqrt, bias: 1, ..everywhere };
    vector.issue(27, 1, 1, Op::Vector(root));
    let turn = Vector { vmem: 3, vmem_index: VmemIndex::PositionLane, target: 9, ..load };
    vector.issue(29, 4, 1, Op::Vector(turn));
    matrix.meet(Op::Sync(Sync {}));
    vector.meet(Op::Sync(Sync {}));
}

/// Two rows of results; one of them becomes key and value, the other two queries.
fn project(matrix: &mut Builder, vector: &mut Builder) {
    let dot =
        Dot { row: 24, row_step: 1, tap: 2, lane_advance: true, clear: Clear::Always, ..Dot::default() };
    let rows = Dot { emit: Emit::Wrap, shift: 4, maximum: true, scalar: 3, store: 18, ..dot };
    matrix.issue(7, 4, 1, Op::Dot(rows));
    let row = Vector { vmem: 18, vmem_advance: true, subtract: true, scalar: 3, ..Vector::default() };
    let row = Vector { function: Function::Exp2, write: true, target: 2, target_advance: true, ..row };
    let key =
        Vector { destination: Destination::Key, length: 1, period: 2, positions: 1, row_step: 16, ..row };
    vector.issue(28, 2, 1, Op::Vector(key));
    let row = Vector { x: X::VregA, x_shift: 2, a: 2, b: B::Scalar, scalar: ONE, ..Vector::default() };
    let value = Vector { destination: Destination::Value, row: 32, row_step: 4, positions: 3, ..row };
    vector.issue(40, 4, 1, Op::Vector(Vector { sub_advance: true, ..value }));
    let query =
        Vector { a: 3, scalar: 16, destination: Destination::Act, entry: 1, entry_advance: true, ..row };
    vector.issue(46, 2, 1, Op::Vector(Vector { half: true, sub: 1, length: 1, period: 1, ..query }));
    matrix.meet(Op::Sync(Sync {}));
    vector.meet(Op::Sync(Sync {}));
}

/// Twice: scores of all positions, their exponentials, and the values mixed with them.
fn attend(matrix: &mut Builder, vector: &mut Builder) {
    matrix.begin_loop(2);
    vector.begin_loop(2);
    let kv = Dot { memory: Memory::Kv, row_step: 1, tap: 3, ..Dot::default() };
    let scores = Dot { offset: true, entry: 1, lane_advance: true, clear: Clear::Always, mask: true, ..kv };
    let scores = Dot { emit: Emit::Wrap, shift: 6, maximum: true, store: 24, ..scores };
    matrix.issue_blocks(7, 4, Op::Dot(scores));
    matrix.wait(16);
    matrix.meet(Op::Sync(Sync {}));
    vector.meet(Op::Sync(Sync {}));
    let soft = Vector { vmem: 24, vmem_advance: true, subtract: true, ..Vector::default() };
    let soft = Vector { function: Function::Exp2, shift: 4, reduce: Reduce::All, reduction: 1, ..soft };
    let soft =
        Vector { scaling: Scaling::Reciprocal, destination: Destination::Act, length: 1, period: 1, ..soft };
    vector.issue_blocks(4, 1, Op::Vector(Vector { entry: 4, entry_advance: true, ..soft }));
    matrix.meet(Op::Sync(Sync {}));
    vector.meet(Op::Sync(Sync {}));
    for pair in 0..4 {
        let mix = Dot { row: 32 + 4 * pair, entry: 4, entry_advance: true, lane: 2 * pair, ..kv };
        let emit = if pair == 3 { Emit::Last } else { Emit::Never };
        let mix = Dot { clear: Clear::First, emit, shift: 5, store: 27, ..mix };
        matrix.issue_blocks(if pair == 0 { 9 } else { 3 }, 1, Op::Dot(mix));
    }
    matrix.wait(16);
    matrix.meet(Op::EndLoop(EndLoop { first_step: 0, second_step: 16 }));
    vector.meet(Op::EndLoop(EndLoop::default()));
}

/// The mixed row as two rows of logits, scaled and with noise; the sum of the softmax joins a row that is kept.
fn choose(vector: &mut Builder) {
    let logits = Vector { vmem: 27, b: B::Scalar, scalar: TEMPERATURE, c: C::Noise, ..Vector::default() };
    let logits = Vector { destination: Destination::Argmax, restart: true, row_step: 1, ..logits };
    vector.issue(4, 2, 8, Op::Vector(logits));
    let keep =
        Vector { vmem: 27, b: B::Scalar, scalar: 17, destination: Destination::Vmem, ..Vector::default() };
    vector.issue(24, 1, 1, Op::Vector(Vector { row: 40, ..keep }));
    vector.wait(16);
}
