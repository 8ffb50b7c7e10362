//! Small programs at nano geometry (16 matrix lanes, 8 vector lanes) with expectations worked out beside them.

mod external;
mod fast;
mod matrix;
mod sequencer;
mod timing;
mod vector;

use super::Emulator;
use lpu_isa::Geometry;
use lpu_isa::image::{Image, ModelInfo};
use lpu_isa::instruction::*;

/// Lanes of a matrix row.
pub const L: usize = 16;
/// Lanes of a vector row.
pub const V: usize = 8;

pub fn control(delay: i32, count: i32, interval: u32) -> Control {
    Control { delay: Affine::fixed(delay), count: Affine::fixed(count), interval }
}

pub fn op(control: Control, op: Op) -> Instruction {
    Instruction { control, op }
}

pub fn dot(count: i32, dot: Dot) -> Instruction {
    op(control(4, count, 1), Op::Dot(dot))
}

pub fn gather(count: i32, gather: Gather) -> Instruction {
    op(control(4, count, 1), Op::Gather(gather))
}

/// A vector operation after enough time for everything before it.
pub fn vector(count: i32, vector: Vector) -> Instruction {
    op(control(40, count, 1), Op::Vector(vector))
}

pub fn end(delay: i32) -> Vec<Instruction> {
    vec![op(control(delay.max(4), 1, 1), Op::Nop(Nop {})), op(control(0, 1, 1), Op::End(End {}))]
}

/// A program whose queues both end by themselves.
pub fn image(matrix: &[Instruction], vector: &[Instruction]) -> Image {
    let words = |queue: &[Instruction]| {
        queue.iter().chain(&end(40)).map(|instruction| instruction.encode().expect("fields fit")).collect()
    };
    Image {
        geometry: Geometry::NANO,
        model: ModelInfo { vocab: 100, context: 64, eos: 0xffff, bos: 0xffff, ..ModelInfo::default() },
        matrix: words(matrix),
        vector: words(vector),
        weights: Vec::new(),
        vmem: Vec::new(),
        transfer: Vec::new(),
        dram: Vec::new(),
        tokenizer: Vec::new(),
    }
}

/// Numbers that look random, of `bits` signed bits.
pub fn numbers(seed: u32, count: usize, bits: u32) -> Vec<i32> {
    let mut state = seed | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        (state as i32) >> (32 - bits)
    };
    (0..count).map(|_| next()).collect()
}

pub fn narrow(values: &[i32]) -> Vec<i16> {
    values.iter().map(|&value| value as i16).collect()
}

/// A chip after one position of a program without faults.
pub fn run(image: &Image, token: u16, position: usize) -> Emulator {
    let mut emulator = Emulator::with_image(image);
    emulator.execute(token, position);
    assert_eq!(emulator.faults().0, 0, "faults");
    emulator
}

/// Copies a row of vector memory to an activation entry: lanes 0..8 and 8..16 each get it.
pub fn to_act(vmem: u32, entry: u32) -> Vector {
    Vector {
        x: X::Vmem,
        vmem,
        b: B::Scalar,
        scalar: 32,
        shift: 0,
        destination: Destination::Act,
        entry,
        length: 0,
        period: 0,
        ..Vector::default()
    }
}
