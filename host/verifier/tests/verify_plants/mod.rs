//! Planted faults: changes to any legal image, each with the rule that it must break.
//!
//! A plant is a list of candidates: where the fault depends on what the program happens to do (which write is under
//! way, say), each place gets its own image, and at least one of them must be refused by that rule. Every other
//! candidate may be refused by another rule, or be legal.

mod fields;
mod hazards;
mod shape;

use lpu_isa::image::Image;
use lpu_isa::instruction::*;
use lpu_verifier::{Rule, verify};

/// Images with the same fault, made one by one: they are many.
pub type Candidates<'a> = Box<dyn Iterator<Item = Image> + 'a>;

/// A fault.
pub struct Plant<'a> {
    pub name: &'static str,
    pub candidates: Candidates<'a>,
    pub expects: fn(&Rule) -> bool,
}

/// All faults, planted in `image`.
pub fn plants(image: &Image) -> Vec<Plant<'_>> {
    let mut all = shape::plants(image);
    all.extend(fields::plants(image));
    all.extend(hazards::plants(image));
    all
}

/// Plants that the verifier does not name, with the first verdicts on their candidates.
pub fn unnamed(image: &Image) -> Vec<(&'static str, Vec<String>)> {
    let mut unnamed = Vec::new();
    for Plant { name, candidates, expects } in plants(image) {
        let mut others = Vec::new();
        let named = candidates.into_iter().any(|candidate| match verify(&candidate) {
            Err(violation) if expects(&violation.rule) => true,
            verdict => {
                if others.len() < 5 {
                    others.push(verdict.map_or_else(|violation| violation.to_string(), |_| "legal".into()));
                }
                false
            }
        });
        if !named {
            unnamed.push((name, others));
        }
    }
    unnamed
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
        Queue::Transfer => &mut image.transfer,
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

/// The only candidate.
fn one<'a>(image: Image) -> Candidates<'a> {
    Box::new(std::iter::once(image))
}

/// One candidate for each instruction of a queue that `change` accepts.
fn each<'a>(image: &'a Image, of: Queue, change: impl Fn(&mut Instruction) -> bool + 'a) -> Candidates<'a> {
    let program = decoded(image.queue(of));
    let changed = program.into_iter().enumerate().map(move |(index, mut instruction)| {
        let accepted = change(&mut instruction);
        (accepted, index, instruction)
    });
    let accepted = changed.filter(|&(accepted, ..)| accepted);
    Box::new(accepted.map(move |(_, index, new)| edited(image, of, |program| program[index] = new)))
}

/// One candidate for each `Dot` that `change` accepts.
fn each_dot<'a>(image: &'a Image, change: impl Fn(&mut Dot) -> bool + 'a) -> Candidates<'a> {
    each(image, Queue::Matrix, move |instruction| match &mut instruction.op {
        Op::Dot(dot) => change(dot),
        _ => false,
    })
}

/// One candidate for each `Vector` that `change` accepts.
fn each_vector<'a>(image: &'a Image, change: impl Fn(&mut Vector) -> bool + 'a) -> Candidates<'a> {
    each(image, Queue::Vector, move |instruction| match &mut instruction.op {
        Op::Vector(vector) => change(vector),
        _ => false,
    })
}

/// One candidate for each `Dot`.
fn every_dot<'a>(image: &'a Image, change: impl Fn(&mut Dot) + 'a) -> Candidates<'a> {
    each_dot(image, move |dot| {
        change(dot);
        true
    })
}

/// One candidate for each `Vector`.
fn every_vector<'a>(image: &'a Image, change: impl Fn(&mut Vector) + 'a) -> Candidates<'a> {
    each_vector(image, move |vector| {
        change(vector);
        true
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
