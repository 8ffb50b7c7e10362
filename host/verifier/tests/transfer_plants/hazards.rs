//! Faults in time: rows read before they arrive or after they are gone, ports used twice, the bus turned around, keys never written.

use super::{Plant, edited, meeting, meeting_after, moved, of, place, plant};
use lpu_isa::image::Image;
use lpu_isa::instruction::*;
use lpu_verifier::{By, Location, Port, Rule};

pub fn plants(image: &Image) -> Vec<Plant> {
    let mut all = weights(image);
    all.extend(keys(image));
    all.extend(ports(image));
    all.extend(constants(image));
    all
}

/// The `Dot`s of weights begin `less` cycles earlier.
pub fn hurried(image: &Image, less: i32) -> Image {
    edited(image, Queue::Matrix, |program| {
        for Instruction { control, op } in program {
            if matches!(op, Op::Dot(dot) if dot.memory == Memory::Weights) {
                control.delay.constant -= less;
            }
        }
    })
}

fn weights(image: &Image) -> Vec<Plant> {
    let early: fn(&Rule) -> bool = |rule| {
        let transfer = |writer: &By| writer.queue == Queue::Transfer;
        matches!(rule, Rule::TooEarly { location: Location::WeightRow(_), writer, .. } if transfer(writer))
    };
    // The rows to come begin some rows before those that are multiplied, and overtake the beats.
    let overtaking = |rows: i32| {
        edited(image, Queue::Transfer, |program| {
            let at = place(program, Way::Weights, true);
            if let Op::Transfer(transfer) = &mut program[at].op {
                transfer.row = (image.geometry.weight_rows as i32 - rows) as u32;
            }
        })
    };
    vec![
        Plant {
            name: "a row of weights read before it arrives",
            images: (1..60).map(|less| hurried(image, less)).collect(),
            expects: early,
        },
        Plant {
            name: "a row of weights overwritten before its last read",
            images: [10, 20, 40, 60].into_iter().map(overtaking).collect(),
            expects: early,
        },
    ]
}

fn keys(image: &Image) -> Vec<Plant> {
    let unknown: fn(&Rule) -> bool = |rule| matches!(rule, Rule::Undriven { location: Location::KvRow(_) });
    let masked = edited(image, Queue::Matrix, |program| {
        for instruction in program {
            if let Op::Dot(dot) = &mut instruction.op {
                dot.mask = false;
            }
        }
    });
    let loaded = meeting_after(image, Way::Kv, false);
    let reads = |delay| {
        edited(image, Queue::Matrix, |program| {
            let at = meeting(program, loaded);
            let dot = Dot { memory: Memory::Kv, row: 16, tap: 4, clear: Clear::Always, ..Dot::default() };
            program.insert(at, of(dot, Control::after(delay)));
        })
    };
    let back = meeting_after(image, Way::FromKv, false);
    let key = |delay, row| {
        edited(image, Queue::Vector, |program| {
            let at = meeting(program, back);
            let key =
                Vector { destination: Destination::Key, length: 1, period: 1, row, ..Vector::default() };
            let count = Affine::fixed(24);
            program.insert(at, of(key, Control { count, ..Control::after(delay) }));
        })
    };
    vec![
        plant("scores of positions to come that are not masked", masked, unknown),
        plant(
            "keys that do not go back",
            edited(image, Queue::Transfer, |program| {
                let at = place(program, Way::FromKv, false);
                program.remove(at);
            }),
            unknown,
        ),
        plant(
            "keys that go back to another block",
            moved(image, Way::FromKv, |_, transfer| transfer.address += 64),
            unknown,
        ),
        Plant {
            name: "keys read while they are loaded",
            images: (20..120).map(reads).collect(),
            expects: |rule| {
                let transfer = |writer: &By| writer.queue == Queue::Transfer;
                matches!(rule, Rule::TooEarly { location: Location::KvRow(_), writer, .. } if transfer(writer))
            },
        },
        Plant {
            name: "a key that goes back before it is written",
            images: (30..80).map(|delay| key(delay, 16)).collect(),
            expects: |rule| {
                let vector = |writer: &By| writer.queue == Queue::Vector;
                matches!(rule, Rule::TooEarly { location: Location::KvRow(_), writer, .. } if vector(writer))
            },
        },
        Plant {
            name: "two keys at the port of KV memory",
            images: (40..100).map(|delay| key(delay, 900)).collect(),
            expects: |rule| matches!(rule, Rule::Port { port: Port::Kv, .. }),
        },
    ]
}

/// Rows of results to vector memory while logits go back.
pub fn results(image: &Image, row: usize) -> Image {
    let logits = meeting_after(image, Way::FromVmem, false);
    edited(image, Queue::Vector, |program| {
        let at = meeting(program, logits);
        let first = meeting(program, logits - 1) + 1;
        let result = Vector { destination: Destination::Vmem, row: row as u32, ..Vector::default() };
        let count = Affine::fixed(200);
        assert!(first < at);
        program.insert(first, of(result, Control { count, ..Control::after(8) }));
    })
}

/// A constant that comes just before the logits go back, these `delay` cycles later.
pub fn turnaround(image: &Image, delay: i32) -> Image {
    edited(image, Queue::Transfer, |program| {
        let at = place(program, Way::FromVmem, false);
        program[at].control.delay = Affine::fixed(delay);
        let constant = Transfer { way: Way::Vmem, run: 1, row: 40, ..Transfer::default() };
        program.insert(at, of(constant, Control::after(0)));
    })
}

fn ports(image: &Image) -> Vec<Plant> {
    let rows = image.geometry.vmem_rows;
    let last =
        |change: &dyn Fn(&mut Vec<Instruction>)| edited(image, Queue::Transfer, |program| change(program));
    vec![
        plant("two rows at the port of the upper half of vector memory", results(image, rows - 1), |rule| {
            matches!(rule, Rule::Port { port: Port::VmemHalf { upper: true }, .. })
        }),
        plant("the bus turned around", turnaround(image, 0), |rule| matches!(rule, Rule::Turnaround { .. })),
        plant(
            "an end before the last row has arrived",
            last(&|program| {
                let end = program.len() - 1;
                let constant = Transfer { way: Way::Vmem, run: 1, row: 40, ..Transfer::default() };
                program.insert(end, of(constant, Control::after(200)));
            }),
            |rule| matches!(rule, Rule::AfterToken { .. }),
        ),
        plant(
            "too short a wait",
            last(&|program| program.insert(0, of(Nop {}, Control::after(3)))),
            |rule| matches!(rule, Rule::Period { least: 4, found: 3 }),
        ),
    ]
}

fn constants(image: &Image) -> Vec<Plant> {
    let replaced = edited(image, Queue::Vector, |program| {
        if let Some(Op::Vector(vector)) = program.iter_mut().map(|instruction| &mut instruction.op).nth(1) {
            vector.vmem = 2;
        }
    });
    let replaced = edited(&replaced, Queue::Transfer, |program| {
        for instruction in program {
            match &mut instruction.op {
                Op::Transfer(transfer) if transfer.way == Way::Vmem && transfer.address_offset => {
                    transfer.row = 2
                }
                _ => {}
            }
        }
    });
    let mut gathered = edited(image, Queue::Matrix, |program| {
        program.insert(
            0,
            of(Gather { index: Index::Position, row: 1, store: 40, ..Gather::default() }, Control::after(8)),
        );
    });
    gathered.weights = vec![1; 64 * image.geometry.mxm_lanes];
    vec![
        plant("a constant of vector memory that a transfer replaces", replaced, |rule| {
            matches!(rule, Rule::ConstantLost { location: Location::VmemRow(2), .. })
        }),
        plant("a constant of weight memory that a transfer replaces", gathered, |rule| {
            matches!(rule, Rule::ConstantLost { location: Location::WeightRow(_), .. })
        }),
    ]
}
