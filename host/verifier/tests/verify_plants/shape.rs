//! Faults in sizes, encodings, loops and meetings.

use super::{Candidates, Plant, decoded, each, edited, one};
use lpu_isa::image::Image;
use lpu_isa::instruction::*;
use lpu_verifier::Rule;

const NOP: Op = Op::Nop(Nop {});

fn nop(delay: i32) -> Instruction {
    Instruction { control: Control::after(delay), op: NOP }
}

fn place(program: &[Instruction], is: fn(&Op) -> bool) -> usize {
    program.iter().position(|instruction| is(&instruction.op)).expect("a program with loops")
}

fn is_loop(op: &Op) -> bool {
    matches!(op, Op::Loop(_))
}

fn is_end_loop(op: &Op) -> bool {
    matches!(op, Op::EndLoop(_))
}

pub fn plants(image: &Image) -> Vec<Plant<'_>> {
    let mut all = image_plants(image);
    all.extend(queue_plants(image));
    if decoded(&image.matrix).iter().any(|instruction| is_loop(&instruction.op)) {
        all.extend(loop_plants(image));
    }
    all
}

fn image_plants(image: &Image) -> Vec<Plant<'_>> {
    let change = |change: &dyn Fn(&mut Image)| {
        let mut image = image.clone();
        change(&mut image);
        one(image)
    };
    let depth = image.geometry.matrix_queue_depth;
    vec![
        Plant {
            name: "no position",
            candidates: change(&|image| image.model.context = 0),
            expects: |rule| matches!(rule, Rule::Context { context: 0, .. }),
        },
        Plant {
            name: "more positions than the chip counts",
            candidates: change(&|image| image.model.context = image.geometry.positions as u32 + 1),
            expects: |rule| matches!(rule, Rule::Context { .. }),
        },
        Plant {
            name: "part of a row of weights",
            candidates: change(&|image| image.weights.push(0)),
            expects: |rule| matches!(rule, Rule::MemorySize { memory: "weight memory", .. }),
        },
        Plant {
            name: "a weight of ten bits",
            candidates: change(&|image| image.weights[0] = 256),
            expects: |rule| matches!(rule, Rule::MemoryValue { bits: 9, row: 0, value: 256, .. }),
        },
        Plant {
            name: "a word of nineteen bits",
            candidates: change(&|image| image.vmem[0] = -(1 << 17) - 1),
            expects: |rule| matches!(rule, Rule::MemoryValue { bits: 18, row: 0, .. }),
        },
        Plant {
            name: "a word that encodes nothing",
            candidates: change(&|image| image.vector[0] = [0; PARTS]),
            expects: |rule| matches!(rule, Rule::Undecodable),
        },
        Plant {
            name: "too many instructions",
            candidates: change(&|image| {
                let word = nop(4).encode().expect("a wait");
                image.matrix.splice(0..0, vec![word; depth]);
            }),
            expects: |rule| matches!(rule, Rule::QueueOverflow { .. }),
        },
        Plant {
            name: "a vector operation in the matrix queue",
            candidates: change(&|image| {
                let operation = Op::Vector(Vector::default());
                let word = Instruction { control: Control::after(4), op: operation }.encode();
                image.matrix.insert(0, word.expect("fields fit"));
            }),
            expects: |rule| matches!(rule, Rule::WrongQueue { name: "Vector" }),
        },
    ]
}

fn queue_plants(image: &Image) -> Vec<Plant<'_>> {
    let edit = |change: &dyn Fn(&mut Vec<Instruction>)| -> Candidates<'_> {
        Box::new([Queue::Matrix, Queue::Vector].map(|queue| edited(image, queue, change)).into_iter())
    };
    let sync = Instruction { control: Control::default(), op: Op::Sync(Sync {}) };
    vec![
        Plant {
            name: "no end",
            candidates: edit(&|program| program.truncate(program.len() - 1)),
            expects: |rule| matches!(rule, Rule::NoEnd),
        },
        Plant {
            name: "two ends",
            candidates: edit(&|program| program.push(*program.last().expect("an end"))),
            expects: |rule| matches!(rule, Rule::AfterEnd),
        },
        Plant {
            name: "an end that waits",
            candidates: edit(&|program| {
                program.last_mut().expect("an end").control.delay = Affine::fixed(4);
            }),
            expects: |rule| matches!(rule, Rule::Field { field: "delay", .. }),
        },
        Plant {
            name: "too short a wait",
            candidates: edit(&|program| program.insert(0, nop(3))),
            expects: |rule| matches!(rule, Rule::Period { least: 4, found: 3 }),
        },
        Plant {
            name: "a wait that vanishes at some position",
            candidates: edit(&|program| {
                let mut wait = nop(5);
                wait.control.delay.per_block = -2;
                program.insert(0, wait);
            }),
            expects: |rule| matches!(rule, Rule::Period { found: ..4, .. }),
        },
        Plant {
            name: "no issue",
            candidates: each(image, Queue::Vector, |instruction| {
                instruction.control.count = Affine::default();
                matches!(instruction.op, Op::Vector(_))
            }),
            expects: |rule| matches!(rule, Rule::Count { count: 0 }),
        },
        Plant {
            name: "no interval",
            candidates: each(image, Queue::Vector, |instruction| {
                instruction.control.interval = 0;
                matches!(instruction.op, Op::Vector(_))
            }),
            expects: |rule| matches!(rule, Rule::Field { field: "interval", .. }),
        },
        Plant {
            name: "one queue meets, the other does not",
            candidates: one(edited(image, Queue::Vector, |program| program.insert(program.len() - 1, sync))),
            expects: |rule| matches!(rule, Rule::Meeting { .. }),
        },
    ]
}

fn loop_plants(image: &Image) -> Vec<Plant<'_>> {
    let long = {
        let begin = Instruction {
            control: Control { delay: Affine::fixed(4), count: Affine::fixed(32767), interval: 1 },
            op: Op::Loop(Loop {}),
        };
        let end = Instruction { control: Control::default(), op: Op::EndLoop(EndLoop::default()) };
        let prefix = |program: &mut Vec<Instruction>| drop(program.splice(0..0, [begin, nop(32767), end]));
        edited(&edited(image, Queue::Matrix, prefix), Queue::Vector, prefix)
    };
    vec![
        Plant {
            name: "a loop in a loop",
            candidates: one(edited(image, Queue::Matrix, |program| {
                let at = place(program, is_loop);
                program.insert(at, program[at]);
            })),
            expects: |rule| matches!(rule, Rule::NestedLoop),
        },
        Plant {
            name: "a loop without its end",
            candidates: one(edited(image, Queue::Vector, |program| {
                program.retain(|instruction| !is_end_loop(&instruction.op))
            })),
            expects: |rule| matches!(rule, Rule::OpenLoop | Rule::NestedLoop),
        },
        Plant {
            name: "the end of no loop",
            candidates: one(edited(image, Queue::Vector, |program| {
                program.retain(|instruction| !is_loop(&instruction.op))
            })),
            expects: |rule| matches!(rule, Rule::LoopNotBegun),
        },
        Plant {
            name: "one trip more in one queue",
            candidates: one(edited(image, Queue::Matrix, |program| {
                let at = place(program, is_loop);
                program[at].control.count.constant += 1;
            })),
            expects: |rule| matches!(rule, Rule::Trips { .. }),
        },
        Plant {
            name: "a token of a billion cycles",
            candidates: one(long),
            expects: |rule| matches!(rule, Rule::TooLong { .. }),
        },
        Plant {
            name: "a loop step that leaves memory",
            candidates: Box::new([Queue::Matrix, Queue::Vector].into_iter().flat_map(|queue| {
                each(image, queue, |instruction| match &mut instruction.op {
                    Op::EndLoop(end) => {
                        *end = EndLoop { first_step: -(1 << 20), second_step: -(1 << 20) };
                        true
                    }
                    _ => false,
                })
            })),
            expects: |rule| matches!(rule, Rule::Address { .. }),
        },
    ]
}
