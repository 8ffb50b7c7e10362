//! Random instructions that have a good chance to be legal: they mostly read what was written.

use super::Random;
use lpu_isa::image::Image;
use lpu_isa::instruction::*;
use lpu_isa::transfer::Layout;
use lpu_isa::{Geometry, timing};

/// Granules of external memory that transfers read from; they write behind them too.
pub(super) const GRANULES: u32 = 24;

/// What earlier instructions wrote, for later ones to read.
pub(super) struct Pools {
    vmem: Vec<u32>,
    vreg: Vec<u32>,
    act: Vec<u32>,
    kv: Vec<u32>,
    scalars: Vec<u32>,
    /// Rows of weights that transfers brought.
    weights: Vec<u32>,
}

impl Pools {
    /// What every program can read: constants.
    pub fn new(image: &Image) -> Self {
        let constants = (image.vmem.len() / image.geometry.vxm_lanes) as u32;
        let one = 2 * image.geometry.scalars as u32;
        Self {
            vmem: vec![0, constants / 2, constants - 1],
            vreg: Vec::new(),
            act: Vec::new(),
            kv: Vec::new(),
            scalars: vec![one, one + 1],
            weights: Vec::new(),
        }
    }

    /// Remembers what an accepted instruction writes.
    pub fn add(&mut self, geometry: &Geometry, instruction: &Instruction) {
        match &instruction.op {
            Op::Gather(gather) => self.vmem.push(gather.store),
            Op::Dot(dot) => {
                if dot.emit != Emit::Never {
                    self.vmem.push(dot.store);
                }
                if dot.maximum {
                    self.scalars.push(dot.scalar);
                }
            }
            Op::Vector(vector) => self.add_vector(geometry, vector, instruction.control.count.at(1) as u32),
            Op::Transfer(transfer) => match transfer.way {
                Way::Weights => self.weights.push(transfer.row),
                Way::Kv => self.kv.push(transfer.row),
                Way::Vmem => self.vmem.push(transfer.row),
                Way::FromKv | Way::FromVmem => {}
            },
            Op::Nop(_) | Op::Loop(_) | Op::EndLoop(_) | Op::Sync(_) | Op::End(_) => {}
        }
    }

    fn add_vector(&mut self, geometry: &Geometry, vector: &Vector, count: u32) {
        let issues = |advance: bool| if advance { count } else { 1 };
        if vector.write {
            self.vreg.extend((0..issues(vector.target_advance)).map(|k| vector.target + k));
        }
        if vector.reduce != Reduce::None {
            self.scalars.push(geometry.scalars as u32 + vector.reduction);
        }
        match vector.destination {
            // Only whole entries are worth reading.
            Destination::Act if vector.length >= vector.period && !vector.entry_continue => {
                let entries = geometry.act_entries as u32;
                let written = (0..issues(vector.entry_advance)).map(|k| (vector.entry + k) % entries);
                self.act.extend(written);
            }
            Destination::Key | Destination::Value => self.kv.push(vector.row),
            Destination::Vmem => self.vmem.push(vector.row),
            Destination::Act | Destination::None | Destination::Argmax => {}
        }
    }
}

/// What is proposed first, so that later proposals have something of every kind to read.
pub(super) fn primers(random: &mut Random, image: &Image, pools: &Pools) -> Vec<Instruction> {
    let geometry = &image.geometry;
    let one = 2 * geometry.scalars as u32;
    let load = Vector { vmem: random.of(&pools.vmem), b: B::Scalar, scalar: one, ..Vector::default() };
    let load = Vector { write: true, target_advance: true, shift: random.within(0, 8), ..load };
    let load = Vector { target: row(random, geometry.vreg_rows - 4), ..load };
    let load = send(random, image, load);
    let everywhere = Vector { length: 1, period: 1, entry_continue: false, entry_advance: true, ..load };
    let act = Vector { destination: Destination::Act, ..everywhere };
    let key = Vector { destination: Destination::Key, row_step: 1, positions: 0, ..everywhere };
    let dot = Dot {
        row: row(random, image.weights.len() / geometry.mxm_lanes - 4),
        row_step: 1,
        entry: act.entry,
        tap: geometry.groups().ilog2(),
        clear: Clear::Always,
        emit: Emit::Last,
        shift: random.within(2, 10) as u32,
        store: scratch(random, image),
        ..Dot::default()
    };
    let mut primers = Vec::new();
    for op in [Op::Vector(act), Op::Vector(key), Op::Dot(dot)] {
        let count = Affine::fixed(random.within(1, 4));
        let control = Control { delay: Affine::fixed(random.within(0, 4)), count, interval: 1 };
        if !random.once_in(6) {
            primers.push(Instruction { control, op });
        }
    }
    primers
}

/// The queue of an operation; of one that all have, that of the matrix or the vector unit.
pub(super) fn queue(random: &mut Random, op: &Op) -> Queue {
    match op.row().on {
        On::Matrix => Queue::Matrix,
        On::Vector => Queue::Vector,
        On::Transfer => Queue::Transfer,
        On::All => random.of(&[Queue::Matrix, Queue::Vector]),
    }
}

/// A proposal.
pub(super) fn instruction(random: &mut Random, image: &Image, pools: &Pools) -> Instruction {
    if image.geometry.has_external_memory() && random.once_in(3) {
        return transfer(random, image, pools);
    }
    let op = match random.below(20) {
        0 => Op::Nop(Nop {}),
        1 | 2 => Op::Gather(gather(random, image)),
        3..=9 => Op::Dot(dot(random, image, pools)),
        _ => Op::Vector(vector(random, image, pools)),
    };
    // Gathers take their time: fewer of them keep programs short.
    let (most, least) = match op {
        Op::Gather(_) => (3, timing::GATHER_INTERVAL as u32),
        _ => (9, 1),
    };
    let mut control = control(random, most);
    control.interval = control.interval.max(least);
    Instruction { control, op }
}

fn control(random: &mut Random, most: i32) -> Control {
    let issues = if random.once_in(8) { random.within(5, 9) } else { random.within(1, 4) };
    let interval = if random.once_in(4) { random.within(2, 9) } else { 1 };
    let issues = issues.min(most);
    let wait = if random.once_in(8) { random.within(0, 20) } else { random.within(-2, 4) };
    Control { delay: affine(random, wait), count: affine(random, issues), interval: interval as u32 }
}

/// A number that is `value` while one block is begun.
fn affine(random: &mut Random, value: i32) -> Affine {
    let per_block = if random.once_in(3) { random.within(-2, 3) } else { 0 };
    Affine { constant: value - per_block, per_block }
}

/// A row of a memory: usually one of the first, sometimes any.
fn row(random: &mut Random, rows: usize) -> u32 {
    let limit = if random.once_in(6) { rows } else { rows.min(12) };
    random.below(limit) as u32
}

/// A row of vector memory to write: above the constants, usually just above.
fn scratch(random: &mut Random, image: &Image) -> u32 {
    let constants = image.vmem.len() / image.geometry.vxm_lanes;
    constants as u32 + row(random, image.geometry.vmem_rows - constants)
}

/// Something written; before anything is, the first one, which will be refused.
fn known(random: &mut Random, pool: &[u32]) -> u32 {
    if pool.is_empty() { 0 } else { random.of(pool) }
}

fn gather(random: &mut Random, image: &Image) -> Gather {
    Gather {
        index: random.of(&[Index::Token, Index::Position]),
        row: row(random, image.weights.len() / image.geometry.mxm_lanes),
        chunks: random.below(4) as u32 * random.below(2) as u32,
        store: scratch(random, image),
    }
}

fn dot(random: &mut Random, image: &Image, pools: &Pools) -> Dot {
    let geometry = &image.geometry;
    let narrowest = geometry.groups().ilog2() as i32;
    let wide = random.once_in(2);
    let tap = if wide { narrowest } else { random.within(narrowest, geometry.tree_levels() as i32) } as u32;
    let results = geometry.mxm_lanes >> tap;
    let memory = random.of(&[Memory::Weights, Memory::Kv]);
    let image_rows = image.weights.len() / geometry.mxm_lanes;
    let brought = geometry.has_external_memory() && !pools.weights.is_empty() && !random.once_in(3);
    let row = match memory {
        Memory::Kv => known(random, &pools.kv),
        Memory::Weights if brought => known(random, &pools.weights),
        Memory::Weights => row(random, image_rows),
    };
    let pieces = if geometry.has_external_memory() { random.below(5) as u32 } else { 0 };
    Dot {
        memory,
        offset: random.once_in(2),
        row,
        row_step: if random.once_in(2) { random.within(-1, 2) } else { 0 },
        entry: known(random, &pools.act),
        entry_continue: random.once_in(5),
        entry_advance: random.once_in(3),
        tap,
        lane: (random.below(geometry.vxm_lanes / results) * results) as u32,
        lane_advance: random.once_in(2),
        clear: random.of(&[Clear::Always, Clear::Always, Clear::First, Clear::Never]),
        emit: random.of(&[Emit::Never, Emit::Wrap, Emit::Last, Emit::WrapOrLast]),
        shift: if random.once_in(8) { random.below(32) } else { random.below(14) } as u32,
        mask: random.once_in(3),
        maximum: random.once_in(2),
        scalar: random.below(geometry.scalars) as u32,
        store: scratch(random, image),
        pieces,
    }
}

/// Granules that come or go, a run or a few.
fn transfer(random: &mut Random, image: &Image, pools: &Pools) -> Instruction {
    let ways = [Way::Weights, Way::Weights, Way::Kv, Way::Vmem, Way::FromKv, Way::FromVmem];
    let way = random.of(&ways);
    let back = matches!(way, Way::FromKv | Way::FromVmem);
    let formats = [Format::Rows, Format::Codes4, Format::Codes5, Format::Codes6, Format::Codes8];
    let format = if back { Format::Rows } else { random.of(&formats) };
    let steps = [StepBy::None, StepBy::None, StepBy::Token, StepBy::Position, StepBy::Block];
    let step_by = random.of(&steps);
    let numbered = step_by != StepBy::Token;
    let transfer = Transfer {
        way,
        format,
        offset_codes: format != Format::Rows && random.once_in(2),
        step_by,
        address_offset: random.once_in(2),
        row_offset: random.once_in(2),
        shift: random.below(16) as u32,
        run: random.within(1, 6) as u32,
        blocks: random.within(1, 3) as u32,
        address: random.below(GRANULES as usize) as u32,
        address_step: if random.once_in(3) { random.below(3) as u32 } else { 0 },
        row: transfer_row(random, image, pools, way),
        row_step: random.within(-1, 2),
        run_step: random.within(-3, 6),
        row_number_step: if numbered && random.once_in(3) { random.below(4) as u32 } else { 0 },
    };
    let granules = Layout::of(&image.geometry, &transfer).run_granules() as i32;
    let control = control(random, 2);
    let count = Affine::fixed(granules * control.count.constant.clamp(1, 2));
    Instruction { control: Control { count, interval: 1, ..control }, op: Op::Transfer(transfer) }
}

/// A row that a transfer may write, or one that was written.
fn transfer_row(random: &mut Random, image: &Image, pools: &Pools, way: Way) -> u32 {
    let geometry = &image.geometry;
    match way {
        Way::Weights => {
            let constants = image.weights.len() / geometry.mxm_lanes;
            let free = (geometry.weight_rows - constants).max(1);
            (constants + random.below(free)) as u32 % geometry.weight_rows as u32
        }
        Way::Kv => row(random, geometry.kv_rows),
        Way::Vmem => scratch(random, image),
        Way::FromKv => known(random, &pools.kv),
        Way::FromVmem => known(random, &pools.vmem),
    }
}

fn vector(random: &mut Random, image: &Image, pools: &Pools) -> Vector {
    let scalars = image.geometry.scalars;
    let operands = operands(random, pools);
    let bias_bits = random.within(0, 24);
    let destination = random.of(&[
        Destination::None,
        Destination::Act,
        Destination::Act,
        Destination::Act,
        Destination::Key,
        Destination::Value,
        Destination::Vmem,
        Destination::Argmax,
    ]);
    let vector = Vector {
        write: random.once_in(2),
        target: row(random, image.geometry.vreg_rows),
        target_advance: random.once_in(2),
        destination,
        reduce: random.of(&[
            Reduce::None,
            Reduce::None,
            Reduce::None,
            Reduce::All,
            Reduce::TokenLane,
            Reduce::PositionLane,
        ]),
        scaling: random.of(&[Scaling::Plain, Scaling::Reciprocal, Scaling::ReciprocalSqrt]),
        reduction: random.below(scalars) as u32,
        sum_shift: random.below(32) as u32 * random.below(2) as u32,
        bias: random.below(1 << bias_bits) as u32,
        ..operands
    };
    send(random, image, vector)
}

fn operands(random: &mut Random, pools: &Pools) -> Vector {
    let indices = [VmemIndex::TokenRow, VmemIndex::PositionRow, VmemIndex::PositionLane];
    let function = random.of(&[Function::Multiply, Function::Multiply, Function::Exp2, Function::Sigmoid]);
    let addends = [C::Zero, C::VregB, C::Vmem, C::Noise];
    Vector {
        x: random.of(&[X::Vmem, X::VregA]),
        x_shift: random.below(8) as u32,
        swap: random.once_in(3),
        subtract: random.once_in(4),
        function,
        b: random.of(&[B::Vmem, B::VregA, B::VregB, B::Scalar, B::ScalarPair, B::X]),
        c: if function == Function::Sigmoid { C::Zero } else { random.of(&addends) },
        shift: if random.once_in(10) { random.within(-128, 127) } else { random.within(4, 22) },
        relu: random.once_in(4),
        scalar: known(random, &pools.scalars),
        scalar_step: if random.once_in(3) { random.below(4) as u32 } else { 0 },
        vmem_index: if random.once_in(3) { random.of(&indices) } else { VmemIndex::None },
        vmem_offset: random.once_in(2),
        vmem_advance: random.once_in(2),
        vmem: known(random, &pools.vmem),
        a: known(random, &pools.vreg),
        a_advance: random.once_in(3),
        bc: known(random, &pools.vreg),
        bc_advance: random.once_in(3),
        ..Vector::default()
    }
}

/// The fields of the destination.
fn send(random: &mut Random, image: &Image, vector: Vector) -> Vector {
    let geometry = &image.geometry;
    let halves = geometry.halves();
    let candidates = image.model.vocab as usize / geometry.vxm_lanes;
    // Whole entries, for beats to read, need both halves everywhere; parts of entries complete each other.
    let whole = random.once_in(2);
    let period = if whole { 1 } else { random.below(halves.ilog2() as usize + 1) as u32 };
    let length = if whole { 1 } else { random.below(2) as u32 };
    let row = match vector.destination {
        Destination::Vmem => scratch(random, image),
        Destination::Argmax => random.below(candidates) as u32,
        _ => row(random, geometry.kv_rows),
    };
    let moves = geometry.has_external_memory()
        || !matches!(vector.destination, Destination::Vmem | Destination::Argmax);
    Vector {
        half: random.once_in(3),
        sub: random.below(geometry.vxm_lanes / geometry.groups()) as u32,
        sub_advance: random.once_in(3),
        entry: random.below(geometry.act_entries) as u32,
        entry_continue: random.once_in(3),
        entry_advance: random.once_in(3),
        start: random.below(halves) as u32,
        length,
        period,
        start_step: if random.once_in(3) { random.below(halves) as u32 } else { 0 },
        row,
        row_step: random.within(-1, 3),
        row_offset: random.once_in(2) && moves,
        positions: random.below(halves.ilog2() as usize + 1) as u32,
        restart: random.once_in(2),
        tail: random.below(geometry.vxm_lanes + 1) as u32,
        ..vector
    }
}
