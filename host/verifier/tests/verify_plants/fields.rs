//! Faults in fields and addresses.

use super::{Candidates, Plant, all_vectors, each_dot, each_vector, edited, every_dot, every_vector, one};
use lpu_isa::Geometry;
use lpu_isa::image::Image;
use lpu_isa::instruction::*;
use lpu_verifier::{Location, Rule};

pub fn plants(image: &Image) -> Vec<Plant<'_>> {
    let mut all = matrix_plants(image, &image.geometry);
    all.extend(vector_plants(image, &image.geometry));
    all.extend(destination_plants(image, &image.geometry));
    all.extend(choice_plants(image));
    all
}

fn matrix_plants<'a>(image: &'a Image, geometry: &'a Geometry) -> Vec<Plant<'a>> {
    let image_rows = (image.weights.len() / geometry.mxm_lanes) as u32;
    vec![
        Plant {
            name: "a tap that gives more results than lanes",
            candidates: every_dot(image, move |dot| dot.tap = geometry.groups().ilog2() - 1),
            expects: |rule| matches!(rule, Rule::Field { field: "tap", .. }),
        },
        Plant {
            name: "a tap wider than the matrix unit",
            candidates: every_dot(image, move |dot| dot.tap = geometry.mxm_lanes.ilog2() + 1),
            expects: |rule| matches!(rule, Rule::Field { field: "tap", .. }),
        },
        Plant {
            name: "results that straddle lanes",
            candidates: each_dot(image, move |dot| {
                dot.lane = 1;
                geometry.mxm_lanes >> dot.tap > 1
            }),
            expects: |rule| matches!(rule, Rule::Field { field: "lane", found: 1, .. }),
        },
        Plant {
            name: "an activation entry that does not exist",
            candidates: every_dot(image, move |dot| {
                (dot.entry, dot.entry_continue) = (geometry.act_entries as u32, false)
            }),
            expects: |rule| matches!(rule, Rule::Field { field: "entry", .. }),
        },
        Plant {
            name: "a maximum that does not exist",
            candidates: every_dot(image, move |dot| {
                (dot.maximum, dot.scalar) = (true, geometry.scalars as u32)
            }),
            expects: |rule| matches!(rule, Rule::Field { field: "scalar", .. }),
        },
        Plant {
            name: "a matrix row beyond its memory",
            candidates: every_dot(image, move |dot| {
                dot.row = geometry.weight_rows.max(geometry.kv_rows) as u32
            }),
            expects: |rule| {
                matches!(rule, Rule::Address { location: Location::WeightRow(_) | Location::KvRow(_), .. })
            },
        },
        Plant {
            name: "a matrix row before its memory",
            candidates: every_dot(image, move |dot| (dot.row, dot.row_step) = (0, -1)),
            expects: |rule| {
                matches!(rule, Rule::Address { location: Location::WeightRow(-1) | Location::KvRow(-1), .. })
            },
        },
        Plant {
            name: "a row of weights that the image does not hold",
            candidates: each_dot(image, move |dot| {
                dot.row = image_rows;
                dot.memory == Memory::Weights
            }),
            expects: |rule| matches!(rule, Rule::Undriven { location: Location::WeightRow(_) }),
        },
        Plant {
            name: "a row of weights that the image does not hold, at a late position",
            candidates: one(late_gather(image, geometry)),
            expects: |rule| matches!(rule, Rule::Undriven { location: Location::WeightRow(_) }),
        },
        Plant {
            name: "sums stored beyond vector memory",
            candidates: every_dot(image, move |dot| dot.store = geometry.vmem_rows as u32),
            expects: |rule| matches!(rule, Rule::Address { location: Location::VmemRow(_), .. }),
        },
        Plant {
            name: "a maximum of nothing",
            candidates: every_dot(image, move |dot| (dot.maximum, dot.emit) = (true, Emit::Never)),
            expects: |rule| matches!(rule, Rule::MaximumWithoutRow),
        },
    ]
}

/// A position's row of weights, the last in the image for the first positions, after everything else that the queue does.
fn late_gather(image: &Image, geometry: &Geometry) -> Image {
    let row = (image.weights.len() / geometry.mxm_lanes) as u32 - 1;
    let store = geometry.vmem_rows as u32 - 1;
    let gather = Gather { index: Index::Position, row, store, ..Gather::default() };
    let gather = Instruction { control: Control::after(4), op: Op::Gather(gather) };
    let wait = Instruction { control: Control::after(8), op: Op::Nop(Nop {}) };
    edited(image, Queue::Matrix, |program| {
        let end = program.len() - 1;
        program.splice(end..end, [gather, wait]);
    })
}

fn vector_plants<'a>(image: &'a Image, geometry: &'a Geometry) -> Vec<Plant<'a>> {
    vec![
        Plant {
            name: "a row read beyond vector memory",
            candidates: every_vector(image, move |vector| {
                (vector.x, vector.vmem) = (X::Vmem, geometry.vmem_rows as u32)
            }),
            expects: |rule| matches!(rule, Rule::Address { location: Location::VmemRow(_), .. }),
        },
        Plant {
            name: "a vector register read beyond the last",
            candidates: every_vector(image, move |vector| {
                (vector.x, vector.a) = (X::VregA, geometry.vreg_rows as u32)
            }),
            expects: |rule| matches!(rule, Rule::Address { location: Location::Vreg(_), .. }),
        },
        Plant {
            name: "a vector register written beyond the last",
            candidates: every_vector(image, move |vector| {
                (vector.write, vector.target) = (true, geometry.vreg_rows as u32)
            }),
            expects: |rule| matches!(rule, Rule::Address { location: Location::Vreg(_), .. }),
        },
        Plant {
            name: "a scalar beyond the last",
            candidates: every_vector(image, move |vector| {
                vector.subtract = true;
                vector.scalar = 2 * geometry.scalars as u32 + 2;
            }),
            expects: |rule| matches!(rule, Rule::Address { location: Location::Scalar(_), .. }),
        },
        Plant {
            name: "the second scalar of a pair beyond the last",
            candidates: every_vector(image, move |vector| {
                (vector.function, vector.b) = (Function::Multiply, B::ScalarPair);
                vector.scalar = 2 * geometry.scalars as u32 + 1;
            }),
            expects: |rule| matches!(rule, Rule::Address { location: Location::Scalar(_), .. }),
        },
        Plant {
            name: "a reduction that does not exist",
            candidates: every_vector(image, move |vector| {
                (vector.reduce, vector.reduction) = (Reduce::All, geometry.scalars as u32);
            }),
            expects: |rule| matches!(rule, Rule::Field { field: "reduction", .. }),
        },
        Plant {
            name: "noise that nothing adds",
            candidates: every_vector(image, move |vector| {
                (vector.function, vector.c) = (Function::Sigmoid, C::Noise)
            }),
            expects: |rule| matches!(rule, Rule::UnusedNoise),
        },
    ]
}

/// One candidate for each `Vector` with this destination.
fn sent<'a>(image: &'a Image, destination: Destination, change: impl Fn(&mut Vector) + 'a) -> Candidates<'a> {
    each_vector(image, move |vector| {
        change(vector);
        vector.destination == destination
    })
}

fn destination_plants<'a>(image: &'a Image, geometry: &'a Geometry) -> Vec<Plant<'a>> {
    let periods = geometry.halves().ilog2() + 1;
    let parts = (geometry.vxm_lanes / geometry.groups()) as u32;
    vec![
        Plant {
            name: "a first half row beyond the last",
            candidates: sent(image, Destination::Act, move |vector| vector.start = geometry.halves() as u32),
            expects: |rule| matches!(rule, Rule::Field { field: "start", .. }),
        },
        Plant {
            name: "a pattern longer than a row",
            candidates: sent(image, Destination::Act, move |vector| vector.period = periods),
            expects: |rule| matches!(rule, Rule::Field { field: "period", .. }),
        },
        Plant {
            name: "an entry written beyond the last",
            candidates: sent(image, Destination::Act, move |vector| {
                (vector.entry, vector.entry_continue) = (geometry.act_entries as u32, false);
            }),
            expects: |rule| matches!(rule, Rule::Field { field: "entry", .. }),
        },
        Plant {
            name: "more positions in a row than it has half rows",
            candidates: sent(image, Destination::Key, move |vector| vector.positions = periods),
            expects: |rule| matches!(rule, Rule::Field { field: "positions", .. }),
        },
        Plant {
            name: "a key beyond KV memory",
            candidates: sent(image, Destination::Key, move |vector| vector.row = geometry.kv_rows as u32),
            expects: |rule| matches!(rule, Rule::Address { location: Location::KvRow(_), .. }),
        },
        Plant {
            name: "a part that a value does not have",
            candidates: sent(image, Destination::Value, move |vector| vector.sub = parts),
            expects: |rule| matches!(rule, Rule::Field { field: "sub", .. }),
        },
    ]
}

fn choice_plants(image: &Image) -> Vec<Plant<'_>> {
    let argmax = |vector: &Vector| vector.destination == Destination::Argmax;
    vec![
        Plant {
            name: "a candidate that is no token",
            candidates: each_vector(image, move |vector| {
                vector.row += image.model.vocab.div_ceil(image.geometry.vxm_lanes as u32);
                argmax(vector)
            }),
            expects: |rule| matches!(rule, Rule::Candidate { .. }),
        },
        Plant {
            name: "a comparison that goes on from the last token's",
            candidates: one(all_vectors(image, |vector| vector.restart = false)),
            expects: |rule| matches!(rule, Rule::ComparisonNotBegun),
        },
        Plant {
            name: "no comparison",
            candidates: one(all_vectors(image, |vector| {
                if argmax(vector) {
                    vector.destination = Destination::None;
                }
            })),
            expects: |rule| matches!(rule, Rule::NoComparison),
        },
    ]
}
