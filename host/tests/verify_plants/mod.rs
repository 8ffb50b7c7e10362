//! Planted faults: changes to any legal image, each with the rule that it must break.
//!
//! A plant is a list of candidates: where the fault depends on what the program happens to do (which write is under
//! way, say), each place gets its own image, and at least one of them must be refused by that rule. Every other
//! candidate may be refused by another rule, or be legal.

mod fields;
mod hazards;
mod shape;

use lpu_host::verify::Rule;
use lpu_isa::image::Image;
use lpu_isa::instruction::*;

/// A fault.
pub struct Plant {
    pub name: &'static str,
    pub candidates: Vec<Image>,
    pub expects: fn(&Rule) -> bool,
}

/// All faults, planted in `image`.
pub fn plants(image: &Image) -> Vec<Plant> {
    let mut all = shape::plants(image);
    all.extend(fields::plants(image));
    all.extend(hazards::plants(image));
    all
}

fn decoded(words: &[Word]) -> Vec<Instruction> {
    words.iter().map(|word| Instruction::decode(word).expect("a legal image")).collect()
}

fn encoded(program: &[Instruction]) -> Vec<Word> {
    program.iter().map(|instruction| instruction.encode().expect("a plant fits its fields")).collect()
}

fn queue(image: &mut Image, queue: Queue) -> &mut Vec<Word> {
    match queue {
        Queue::Matrix => &mut image.matrix,
        Queue::Vector => &mut image.vector,
    }
}

/// The image after `change` of a queue's program.
fn edited(image: &Image, of: Queue, change: impl FnOnce(&mut Vec<Instruction>)) -> Image {
    let mut image = image.clone();
    let words = queue(&mut image, of);
    let mut program = decoded(words);
    change(&mut program);
    *words = encoded(&program);
    image
}

/// One candidate for each instruction of a queue that `change` accepts.
fn each(image: &Image, of: Queue, change: impl Fn(&mut Instruction) -> bool) -> Vec<Image> {
    let mut copy = image.clone();
    let program = decoded(queue(&mut copy, of));
    let changed = program.iter().enumerate().filter_map(|(index, instruction)| {
        let mut instruction = *instruction;
        change(&mut instruction).then(|| edited(image, of, |program| program[index] = instruction))
    });
    changed.collect()
}

/// One candidate for each `Dot` that `change` accepts.
fn each_dot(image: &Image, change: impl Fn(&mut Dot) -> bool) -> Vec<Image> {
    each(image, Queue::Matrix, |instruction| match &mut instruction.op {
        Op::Dot(dot) => change(dot),
        _ => false,
    })
}

/// One candidate for each `Vector` that `change` accepts.
fn each_vector(image: &Image, change: impl Fn(&mut Vector) -> bool) -> Vec<Image> {
    each(image, Queue::Vector, |instruction| match &mut instruction.op {
        Op::Vector(vector) => change(vector),
        _ => false,
    })
}

/// The image after `change` of all its `Vector`s.
fn all_vectors(image: &Image, change: impl Fn(&mut Vector)) -> Image {
    edited(image, Queue::Vector, |program| {
        for instruction in program {
            if let Op::Vector(vector) = &mut instruction.op {
                change(vector);
            }
        }
    })
}
