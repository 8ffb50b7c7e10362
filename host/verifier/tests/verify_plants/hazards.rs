//! Faults in time: reads too early, writes in the wrong order, ports used twice, things never written.

use super::{Candidates, Plant, decoded, each, each_dot, each_vector, edited, every_dot, every_vector, one};
use lpu_isa::image::Image;
use lpu_isa::instruction::*;
use lpu_isa::timing;
use lpu_verifier::{Location, Rule};

pub fn plants(image: &Image) -> Vec<Plant<'_>> {
    let mut all = read_plants(image);
    all.extend(undriven_plants(image));
    all.extend(write_plants(image));
    all.extend(end_plants(image));
    all
}

/// One candidate for each instruction of both queues and each way to begin it earlier.
fn hurried(image: &Image) -> Candidates<'_> {
    let ways =
        [Queue::Vector, Queue::Matrix].into_iter().flat_map(|queue| (1..48).map(move |less| (queue, less)));
    Box::new(ways.flat_map(move |(queue, less)| {
        each(image, queue, move |instruction| {
            instruction.control.delay.constant -= less;
            instruction.control.delay.constant >= 0
        })
    }))
}

fn read_plants(image: &Image) -> Vec<Plant<'_>> {
    vec![
        Plant {
            name: "a row of vector memory read too early",
            candidates: hurried(image),
            expects: |rule| matches!(rule, Rule::TooEarly { location: Location::VmemRow(_), .. }),
        },
        Plant {
            name: "an activation entry read too early",
            candidates: hurried(image),
            expects: |rule| matches!(rule, Rule::TooEarly { location: Location::Act { .. }, .. }),
        },
        Plant {
            name: "a vector register read too early",
            candidates: hurried(image),
            expects: |rule| matches!(rule, Rule::TooEarly { location: Location::Vreg(_), .. }),
        },
        Plant {
            name: "a scalar read too early",
            candidates: hurried(image),
            expects: |rule| matches!(rule, Rule::TooEarly { location: Location::Scalar(_), .. }),
        },
        Plant {
            name: "an activation entry read while it is written",
            candidates: hurried(image),
            expects: |rule| matches!(rule, Rule::Collision { location: Location::Act { .. }, .. }),
        },
        Plant {
            name: "a row of vector memory used by both queues in one cycle",
            candidates: hurried(image),
            expects: |rule| matches!(rule, Rule::SameCycle { location: Location::VmemRow(_), .. }),
        },
    ]
}

fn undriven_plants(image: &Image) -> Vec<Plant<'_>> {
    let geometry = image.geometry;
    let entries = geometry.act_entries as u32;
    let image_rows = (image.vmem.len() / geometry.vxm_lanes) as u32;
    vec![
        Plant {
            name: "a row of vector memory that nobody writes",
            candidates: each_vector(image, move |vector| {
                (vector.x, vector.vmem) = (X::Vmem, geometry.vmem_rows as u32 - 1);
                vector.vmem > image_rows && vector.vmem_index == VmemIndex::None
            }),
            expects: |rule| matches!(rule, Rule::Undriven { location: Location::VmemRow(_) }),
        },
        Plant {
            name: "a vector register that nobody writes",
            candidates: each_vector(image, move |vector| {
                (vector.x, vector.a, vector.a_advance) = (X::VregA, geometry.vreg_rows as u32 - 1, false);
                true
            }),
            expects: |rule| matches!(rule, Rule::Undriven { location: Location::Vreg(_) }),
        },
        Plant {
            name: "a scalar that nobody writes",
            candidates: every_vector(image, move |vector| {
                (vector.subtract, vector.scalar) = (true, 2 * geometry.scalars as u32 - 1);
            }),
            expects: |rule| matches!(rule, Rule::Undriven { location: Location::Scalar(_) }),
        },
        Plant {
            name: "an activation entry that nobody writes",
            candidates: Box::new((0..entries).flat_map(move |entry| {
                every_dot(image, move |dot| {
                    (dot.entry, dot.entry_continue) = (entry, false);
                })
            })),
            expects: |rule| matches!(rule, Rule::Undriven { location: Location::Act { .. } }),
        },
        Plant {
            name: "half of an activation entry never written",
            candidates: each_vector(image, move |vector| {
                (vector.length, vector.period) = (0, vector.period.max(1));
                vector.destination == Destination::Act
            }),
            expects: |rule| matches!(rule, Rule::Undriven { location: Location::Act { .. } }),
        },
        Plant {
            name: "a row of KV memory that nobody writes",
            candidates: each_dot(image, move |dot| {
                (dot.memory, dot.row, dot.row_step) = (Memory::Kv, geometry.kv_rows as u32 - 1, 0);
                (dot.offset, dot.mask) = (false, false);
                true
            }),
            expects: |rule| matches!(rule, Rule::Undriven { location: Location::KvRow(_) }),
        },
        Plant {
            name: "scores of later positions that are not masked",
            candidates: each_dot(image, move |dot| std::mem::take(&mut dot.mask)),
            expects: |rule| matches!(rule, Rule::Undriven { location: Location::KvRow(_) }),
        },
        Plant {
            name: "sums that go on from another token's",
            candidates: every_dot(image, move |dot| {
                dot.clear = Clear::Never;
            }),
            expects: |rule| matches!(rule, Rule::Undriven { location: Location::SumsLane(_) }),
        },
        Plant {
            name: "entries that go on from another token's",
            candidates: every_dot(image, move |dot| {
                dot.entry_continue = true;
            }),
            expects: |rule| matches!(rule, Rule::UndrivenEntry),
        },
        Plant {
            name: "random numbers faster than they are made",
            candidates: Box::new([8, 40, 80].into_iter().flat_map(move |rows| noisy(image, rows))),
            expects: |rule| matches!(rule, Rule::Noise { .. }),
        },
    ]
}

/// One candidate for each vector operation: it takes `rows` random rows as fast as it can.
fn noisy(image: &Image, rows: i32) -> Candidates<'_> {
    each(image, Queue::Vector, move |instruction| {
        let Op::Vector(vector) = &mut instruction.op else { return false };
        (instruction.control.count, instruction.control.interval) = (Affine::fixed(rows), 1);
        vector.c = C::Noise;
        vector.function != Function::Sigmoid
    })
}

/// One candidate for each `Dot` that stores a row: a `Gather` into `row` after it, `delay` cycles later than the soonest.
fn gathers_after_dots(image: &Image, delay: i32, row: u32) -> Candidates<'_> {
    let dots = decoded(&image.matrix).into_iter().enumerate();
    let emitting = dots.filter_map(move |(index, instruction)| match instruction.op {
        Op::Dot(dot) if dot.emit != Emit::Never => Some((index, dot.store + row)),
        _ => None,
    });
    let insert = move |(index, store)| {
        let gather = Op::Gather(Gather { index: Index::Position, store, ..Gather::default() });
        let control = Control { interval: timing::GATHER_INTERVAL as u32, ..Control::after(delay) };
        let instruction = Instruction { control, op: gather };
        edited(image, Queue::Matrix, |program| program.insert(index + 1, instruction))
    };
    Box::new(emitting.map(insert))
}

fn write_plants(image: &Image) -> Vec<Plant<'_>> {
    // The gather after a Dot is issued `1 + delay` cycles after its last beat.
    let meets = (timing::dot_store_port(&image.geometry) - timing::GATHER_STORE_PORT) as i32 - 1;
    let constants: Vec<u32> = decoded(&image.vector)
        .iter()
        .filter_map(|instruction| match instruction.op {
            Op::Vector(vector) if vector.x == X::Vmem => Some(vector.vmem),
            _ => None,
        })
        .collect();
    vec![
        Plant {
            name: "two rows at the write port of vector memory",
            candidates: gathers_after_dots(image, meets, 0),
            expects: |rule| matches!(rule, Rule::Port { .. }),
        },
        Plant {
            name: "a row that an older write overwrites",
            candidates: Box::new((0..4).flat_map(move |row| gathers_after_dots(image, 1, row))),
            expects: |rule| matches!(rule, Rule::Overtaken { location: Location::VmemRow(_), .. }),
        },
        Plant {
            name: "a constant that a token overwrites",
            candidates: Box::new(constants.into_iter().flat_map(move |row| {
                every_dot(image, move |dot| {
                    dot.store = row;
                })
            })),
            expects: |rule| matches!(rule, Rule::ConstantLost { .. }),
        },
    ]
}

fn end_plants(image: &Image) -> Vec<Plant<'_>> {
    let before_end = |change: &dyn Fn(&mut Vector)| {
        let program = decoded(&image.vector);
        let last = program.iter().rev().find_map(|instruction| match instruction.op {
            Op::Vector(vector) if vector.destination == Destination::Argmax => Some(vector),
            _ => None,
        });
        let mut vector = Vector { c: C::Zero, ..last.expect("a comparison") };
        change(&mut vector);
        let instruction = Instruction { control: Control::after(4), op: Op::Vector(vector) };
        one(edited(image, Queue::Vector, |program| program.insert(program.len() - 1, instruction)))
    };
    vec![
        Plant {
            name: "an end before the token is known",
            candidates: before_end(&|_| {}),
            expects: |rule| matches!(rule, Rule::ChoiceTooLate { .. }),
        },
        Plant {
            name: "an effect after the token",
            candidates: before_end(&|vector| {
                (vector.destination, vector.reduce, vector.reduction) = (Destination::None, Reduce::All, 0);
            }),
            expects: |rule| matches!(rule, Rule::AfterToken { .. }),
        },
    ]
}
