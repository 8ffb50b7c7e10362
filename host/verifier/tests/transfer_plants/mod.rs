//! Faults planted in the program of `transfer_program`, each with the rule that it must break. Where a fault depends on what else the program
//! does in a cycle, it has several images, and one of them must be refused by that rule.

mod chips;
pub mod hazards;
mod places;

use lpu_isa::Geometry;
use lpu_isa::image::Image;
use lpu_isa::instruction::*;
use lpu_verifier::Rule;

/// A fault.
pub struct Plant {
    pub name: &'static str,
    pub images: Vec<Image>,
    pub expects: fn(&Rule) -> bool,
}

/// All faults, planted in `image`.
pub fn plants(image: &Image) -> Vec<Plant> {
    let mut all = places::plants(image);
    all.extend(hazards::plants(image));
    all.extend(chips::plants(image));
    all
}

fn plant(name: &'static str, image: Image, expects: fn(&Rule) -> bool) -> Plant {
    Plant { name, images: vec![image], expects }
}

/// The image after `change` of a queue's program.
pub fn edited(image: &Image, queue: Queue, change: impl FnOnce(&mut Vec<Instruction>)) -> Image {
    let mut image = image.clone();
    let mut program: Vec<Instruction> =
        image.queue(queue).iter().map(|word| Instruction::decode(word).expect("a legal image")).collect();
    change(&mut program);
    let words = program.iter().map(|instruction| instruction.encode().expect("a plant fits its fields"));
    let words = words.collect();
    match queue {
        Queue::Matrix => image.matrix = words,
        Queue::Vector => image.vector = words,
        Queue::Transfer => image.transfer = words,
    }
    image
}

/// The image after `change` of the first transfer of this way.
fn moved(image: &Image, way: Way, change: impl FnOnce(&mut Control, &mut Transfer)) -> Image {
    edited(image, Queue::Transfer, |program| {
        let found = program.iter_mut().find_map(|Instruction { control, op }| match op {
            Op::Transfer(transfer) if transfer.way == way => Some((control, transfer)),
            _ => None,
        });
        let (control, transfer) = found.expect("a transfer of each way");
        change(control, transfer);
    })
}

/// The place of a transfer of this way: the last, or the first.
fn place(program: &[Instruction], way: Way, last: bool) -> usize {
    let is =
        |instruction: &Instruction| matches!(instruction.op, Op::Transfer(transfer) if transfer.way == way);
    let found = if last { program.iter().rposition(is) } else { program.iter().position(is) };
    found.expect("a transfer of each way")
}

/// The place of the n-th meeting.
fn meeting(program: &[Instruction], n: usize) -> usize {
    let meets =
        |instruction: &Instruction| matches!(instruction.op, Op::Sync(_) | Op::EndLoop(_) | Op::End(_));
    program.iter().enumerate().filter(|(_, instruction)| meets(instruction)).nth(n).expect("a meeting").0
}

/// The number of the meeting that a transfer of this way precedes.
fn meeting_after(image: &Image, way: Way, last: bool) -> usize {
    let program: Vec<Instruction> =
        image.transfer.iter().map(|word| Instruction::decode(word).expect("a legal image")).collect();
    let at = place(&program, way, last);
    (0..).find(|&n| meeting(&program, n) > at).expect("an end")
}

fn of(op: impl Into<Op>, control: Control) -> Instruction {
    Instruction { control, op: op.into() }
}

/// The same sizes without external memory.
fn on_chip(geometry: &Geometry) -> Geometry {
    Geometry { vmem_rows: geometry.vmem_rows, positions: geometry.positions, ..Geometry::NANO }
}
