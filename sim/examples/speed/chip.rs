//! A program with about as many beats and vector rows as stories260K has on the chip for the ULX3S board.

use lpu_isa::Geometry;
use lpu_isa::image::{Image, ModelInfo};
use lpu_isa::instruction::*;

/// Groups of instructions; each has 52 beats and 40 vector rows.
const GROUPS: usize = 50;

/// Encoded instructions.
pub fn words(instructions: Vec<Instruction>) -> Vec<Word> {
    instructions.iter().map(|instruction| instruction.encode().expect("fields fit")).collect()
}

/// The program.
pub fn image() -> Image {
    let issue = |count, op| Instruction {
        control: Control { delay: Affine::fixed(8), count: Affine::fixed(count), interval: 1 },
        op,
    };
    let end = Instruction { control: Control::after(0), op: Op::End(End {}) };
    let (mut matrix, mut vector) = (Vec::new(), Vec::new());
    for group in 0..GROUPS as u32 {
        let memory = if group % 4 == 3 { Memory::Kv } else { Memory::Weights };
        let tap = [6, 7, 6, 3][group as usize % 4];
        let dot = Dot {
            memory,
            row: group * 13 % 512,
            row_step: 1,
            tap,
            lane_advance: true,
            clear: Clear::Always,
            emit: Emit::WrapOrLast,
            shift: 9,
            store: 100,
            ..Dot::default()
        };
        matrix.push(issue(52, Op::Dot(dot)));
        let row = Vector {
            vmem: group,
            vmem_advance: true,
            b: B::VregA,
            c: C::VregB,
            shift: 15,
            write: true,
            target_advance: true,
            ..Vector::default()
        };
        let act = Vector { destination: Destination::Act, b: B::Scalar, scalar: 32, ..row };
        let function = if group % 2 == 0 { Function::Exp2 } else { Function::Sigmoid };
        let table = Vector { function, reduce: Reduce::All, ..row };
        vector.extend([issue(20, Op::Vector(row)), issue(10, Op::Vector(act)), issue(10, Op::Vector(table))]);
    }
    vector.truncate(Geometry::ULX3S_85F.vector_queue_depth - 1);
    matrix.push(end);
    vector.push(end);
    Image {
        geometry: Geometry::ULX3S_85F,
        model: ModelInfo::default(),
        matrix: words(matrix),
        vector: words(vector),
        weights: (0..128 * 2048).map(|lane| (lane * 7919 % 511 - 255) as i16).collect(),
        vmem: (0..16 * 512).map(|lane| lane * 7919 % 262_143 - 131_071).collect(),
        transfer: Vec::new(),
        dram: Vec::new(),
        tokenizer: Vec::new(),
    }
}
