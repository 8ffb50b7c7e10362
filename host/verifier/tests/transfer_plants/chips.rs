//! Faults of the program's shape, and what chips without external memory do not have.

use super::{Plant, edited, of, on_chip, plant};
use lpu_isa::Geometry;
use lpu_isa::image::Image;
use lpu_isa::instruction::*;
use lpu_verifier::Rule;

pub fn plants(image: &Image) -> Vec<Plant> {
    let mut all = shapes(image);
    all.extend(chips(image));
    all
}

fn shapes(image: &Image) -> Vec<Plant> {
    let transfer = |change: fn(&mut Vec<Instruction>)| edited(image, Queue::Transfer, change);
    vec![
        plant(
            "a meeting of the transfer queue alone",
            transfer(|program| program.insert(program.len() - 1, of(Sync {}, Control::default()))),
            |rule| matches!(rule, Rule::Meeting { queue: Queue::Transfer, .. }),
        ),
        plant(
            "one trip more of the transfer queue",
            transfer(|program| {
                let is_loop = |instruction: &Instruction| matches!(instruction.op, Op::Loop(_));
                let at = program.iter().position(is_loop).expect("a loop");
                program[at].control.count.constant += 1;
            }),
            |rule| matches!(rule, Rule::Trips { queue: Queue::Transfer, .. }),
        ),
        plant(
            "a transfer queue without an end",
            transfer(|program| program.truncate(program.len() - 1)),
            |rule| matches!(rule, Rule::NoEnd),
        ),
        plant(
            "a transfer in the matrix queue",
            edited(image, Queue::Matrix, |program| {
                program.insert(0, of(Transfer::default(), Control::after(4)))
            }),
            |rule| matches!(rule, Rule::WrongQueue { .. }),
        ),
        plant(
            "a candidate that is no token in the last trip",
            edited(image, Queue::Vector, |program| {
                for instruction in program {
                    if let Op::EndLoop(end) = &mut instruction.op {
                        end.second_step *= 2;
                    }
                }
            }),
            |rule| matches!(rule, Rule::Candidate { .. }),
        ),
        plant(
            "a candidate before the first in a late trip",
            edited(image, Queue::Vector, |program| {
                for instruction in program {
                    if let Op::EndLoop(end) = &mut instruction.op {
                        end.second_step = -1;
                    }
                }
            }),
            |rule| matches!(rule, Rule::Candidate { .. }),
        ),
    ]
}

fn chips(image: &Image) -> Vec<Plant> {
    let geometry = on_chip(&image.geometry);
    let bare = Image { geometry, transfer: Vec::new(), dram: Vec::new(), ..image.clone() };
    let small = Geometry { dram_granules: 8, ..image.geometry };
    let first = image.model.context;
    let mut late = image.clone();
    late.model.first_position = first;
    let moves =
        Image { matrix: vec![of(End {}, Control::default()).encode().expect("fits")], ..bare.clone() };
    vec![
        plant(
            "a transfer queue for a chip without external memory",
            Image { transfer: image.transfer.clone(), ..bare.clone() },
            |rule| matches!(rule, Rule::NoExternalMemory { found: "a transfer queue" }),
        ),
        plant(
            "contents of external memory for a chip without it",
            Image { dram: vec![0; 64], ..bare.clone() },
            |rule| matches!(rule, Rule::NoExternalMemory { found: "contents" }),
        ),
        plant("more than external memory holds", Image { geometry: small, ..image.clone() }, |rule| {
            matches!(rule, Rule::DramSize { .. })
        }),
        plant("pieces on a chip without external memory", bare, |rule| {
            matches!(rule, Rule::Field { field: "pieces", .. })
        }),
        plant("moved candidates on a chip without external memory", moves, |rule| {
            matches!(rule, Rule::Field { field: "row_offset", .. })
        }),
        plant("runs that begin after the context", late, |rule| matches!(rule, Rule::FirstPosition { .. })),
    ]
}
