//! Trips of a loop that are equal: what holds of one holds of those after it, which are passed over.
//!
//! A trip after the first one begins with a segment, so all its cycles, refreshes included, are the same counted from its start: only the
//! loop offsets tell trips apart. The offsets may move three things, and a body that moves another is walked trip by trip:
//!
//! 1. *Rows of weight memory*, where all accesses of the loop to it, reads and writes, move by the same number of rows around the ring.
//!    Renaming the rows by that number turns one trip's accesses into the next one's.
//! 2. *Granules of external memory*. Each transfer of each trip passed over is repeated on what is known of that memory, and must find known
//!    what it found in the trip before.
//! 3. *Numbers of candidates*, which must be tokens in the last trip as they are in this one.
//!
//! A verdict depends on the accesses and on the state before them. The state at the start of a trip is compared with that at the start of the
//! trip before it, rows renamed: who wrote each location (this token, an earlier one, nobody), how long the last write still takes to
//! show, which ports are taken, and so on. Reads need not be compared: issues to come lie after them, and every effect of
//! those after their samples. If the states are equal and the accesses are, then the trip gets the verdict of the one before and leaves the same state
//! behind, rows renamed, and by induction so do all that are left.
//!
//! What the image holds in a row of weights decides which lanes matter: where rows move, none may be read as a constant.

use super::check::{Checker, Counts};
use super::program::Program;
use super::state::Cell;
use super::sums::Sums;
use super::transfer::{self, Place};
use super::walk::{Trip, Walk};
use lpu_isa::instruction::*;

/// Trips below which looking for equal ones is not worth while.
pub(super) const TRIPS_LEAST: i64 = 4;

/// The state at the start of a trip: of it, what verdicts depend on.
struct Start {
    cycle: i64,
    /// Each row of weights, and the lanes that a transfer brought.
    weights: Vec<((u8, i64), bool, usize)>,
    vmem: Vec<((u8, i64), bool)>,
    kv_known: Vec<bool>,
    /// All other locations.
    cells: Vec<(u8, i64)>,
    sums: Sums,
    entries: [Option<i64>; 2],
    ports: Vec<Vec<i64>>,
    noise: [i64; 2],
    noise_taken: i64,
    compares: bool,
    weight_constants: u64,
    counts: Counts,
}

impl Start {
    fn of(checker: &Checker, cycle: i64) -> Self {
        let state = |cell: &Cell| cell.state(checker.token, cycle);
        let others = [&checker.kv, &checker.vreg, &checker.act, &checker.scalars];
        // The lanes of a row that no transfer of this token brought say nothing.
        let lanes = |(row, (state, constant)): (usize, ((u8, i64), bool))| {
            (state, constant, if state.0 == 2 { checker.filled[row] } else { 0 })
        };
        let (noise_taken, noise) = checker.noise.state(cycle);
        Self {
            cycle,
            weights: checker.weights.state(checker.token, cycle).enumerate().map(lanes).collect(),
            vmem: checker.vmem.state(checker.token, cycle).collect(),
            kv_known: checker.kv_known.clone(),
            cells: others.into_iter().flatten().map(state).collect(),
            sums: checker.sums,
            entries: [checker.dot_entry, checker.act_entry],
            ports: checker.ports.pending(cycle),
            noise,
            noise_taken,
            compares: checker.compared.is_some(),
            weight_constants: checker.weights.constants_read,
            counts: checker.counts,
        }
    }

    /// Whether all is as it was, each row of weights as it was `rows` before.
    fn is_like(&self, before: &Start, rows: usize) -> bool {
        let moved = self.weights.len() - rows;
        self.weights[rows..] == before.weights[..moved]
            && self.weights[..rows] == before.weights[moved..]
            && self.vmem == before.vmem
            && self.kv_known == before.kv_known
            && self.cells == before.cells
            && self.sums.is_like(&before.sums)
            && self.entries == before.entries
            && self.ports == before.ports
            && self.noise == before.noise
            && self.compares == before.compares
            && (rows == 0 || self.weight_constants == before.weight_constants)
    }
}

/// The loop in work.
pub(super) struct Repeats<'a> {
    program: &'a Program,
    trips_least: i64,
    before: Option<Start>,
}

impl<'a> Repeats<'a> {
    pub fn new(program: &'a Program, trips_least: i64) -> Self {
        Self { program, trips_least, before: None }
    }

    /// Passes over the trips that are left if they are like the one that has ended.
    pub fn after_segment(&mut self, walk: &mut Walk<'_>, checker: &mut Checker) {
        if let Some(trip) = walk.trip() {
            self.begin_trip(&trip, walk, checker);
            checker.moved.clear();
        } else if !walk.in_loop() {
            self.before = None;
            checker.moved.clear();
        }
    }

    fn begin_trip(&mut self, trip: &Trip, walk: &mut Walk<'_>, checker: &mut Checker) {
        let before = self.before.take();
        if trip.trips < self.trips_least {
            return;
        }
        let Some(rows) = rows_moved(self.program, trip, checker) else { return };
        let start = Start::of(checker, trip.cycle);
        // The first trip ends here: it may have begun within a segment, at other cycles of its frames.
        let Some(before) = before.filter(|_| trip.trip > 1) else {
            self.before = Some(start);
            return;
        };
        let left = trip.trips - trip.trip;
        let cycles = left * (start.cycle - before.cycle);
        if start.is_like(&before, rows)
            && walk.bears(cycles)
            && self.candidates_exist(trip, checker)
            && self.repeat_transfers(trip, checker)
        {
            walk.leave_loop(cycles);
            pass_over(checker, &start, &before, left, rows);
        } else {
            self.before = Some(start);
        }
    }

    /// Whether the comparisons of the last trip are between tokens: then so are those of the trips before it.
    fn candidates_exist(&self, trip: &Trip, checker: &Checker) -> bool {
        let vector = Queue::Vector as usize;
        let lanes = checker.geometry.vxm_lanes as i64;
        let offset = trip.offsets[vector][1] + (trip.trips - 1 - trip.trip) * trip.steps[vector][1];
        self.program.of(Queue::Vector)[trip.bodies[vector].clone()].iter().all(|instruction| {
            let Op::Vector(fields) = instruction.op else { return true };
            if fields.destination != Destination::Argmax || !fields.row_offset {
                return true;
            }
            let count = instruction.control.count.at(checker.geometry.blocks(checker.position as usize));
            let first = i64::from(fields.row) + offset;
            let last = first + (count - 1) * i64::from(fields.row_step);
            // The lanes that count in a last row may be fewer: then the trip is walked, and found out.
            first.min(last) >= 0 && (first.max(last) + 1) * lanes <= checker.vocab
        })
    }

    /// Repeats the transfers of the trips left on what is known of external memory; or leaves it as it was, if one of them finds known
    /// what it did not find before.
    fn repeat_transfers(&self, trip: &Trip, checker: &mut Checker) -> bool {
        let queue = Queue::Transfer as usize;
        let Some(body) = trip.bodies.get(queue) else { return true };
        let before = checker.dram.clone();
        let moved = std::mem::take(&mut checker.moved);
        let mut offsets = trip.offsets[queue];
        let repeated = (trip.trip..trip.trips).all(|_| {
            let transfers = body.clone().filter_map(|index| {
                let instruction = &self.program.of(Queue::Transfer)[index];
                let Op::Transfer(transfer) = &instruction.op else { return None };
                Some((transfer, instruction.control.count, self.program.plans[index].as_ref()?))
            });
            let blocks = checker.geometry.blocks(checker.position as usize);
            let equal = transfers.zip(&moved).all(|((transfer, count, plan), moved)| {
                let place = Place::of(checker, transfer, count.at(blocks), offsets);
                transfer::repeat(checker, transfer, plan, place, moved)
            });
            offsets = [0, 1].map(|index| offsets[index] + trip.steps[queue][index]);
            equal
        });
        if !repeated {
            checker.dram = before;
        }
        repeated
    }
}

/// The state after the trips left: what happened in the one before happened as much later, and in rows of weights as much further on.
fn pass_over(checker: &mut Checker, start: &Start, before: &Start, left: i64, rows: usize) {
    let (cycle, token) = (start.cycle, checker.token);
    let cycles = left * (cycle - before.cycle);
    let Checker { weights, vmem, kv, vreg, act, scalars, .. } = checker;
    for cells in [&mut weights.cells, &mut vmem.cells, kv, vreg, act, scalars] {
        cells.iter_mut().for_each(|cell| cell.shift(token, cycle, cycles));
    }
    let moved = left as usize % weights.cells.len() * rows % weights.cells.len();
    weights.rotate(moved);
    checker.filled.rotate_right(moved);
    checker.ports.shift(cycle, cycles);
    checker.noise.shift(cycle, cycles, left * (start.noise_taken - before.noise_taken));
    if checker.latest.0 > cycle {
        checker.latest.0 += cycles;
    }
    checker.compared =
        checker.compared.map(|compared| if compared >= before.cycle { compared + cycles } else { compared });
    let times = left as u64;
    checker.counts.issues += times * (start.counts.issues - before.counts.issues);
    checker.counts.reads += times * (start.counts.reads - before.counts.reads);
    checker.counts.writes += times * (start.counts.writes - before.counts.writes);
    checker.weights.constants_read += times * (start.weight_constants - before.weight_constants);
}

/// Rows by which all accesses to weight memory move around its ring from trip to trip; none if the offsets move an access to another memory,
/// or only some.
fn rows_moved(program: &Program, trip: &Trip, checker: &Checker) -> Option<usize> {
    let ring = checker.geometry.has_external_memory();
    let mut moved: Option<i64> = None;
    for (queue, (body, steps)) in Queue::ALL.into_iter().zip(trip.bodies.iter().zip(&trip.steps)) {
        for instruction in &program.of(queue)[body.clone()] {
            let weights = match moves(&instruction.op, steps) {
                Moves::Weights(rows) => rows,
                Moves::Nothing => continue,
                Moves::Other => return None,
            };
            let rows = if ring { weights.rem_euclid(checker.geometry.weight_rows as i64) } else { weights };
            if moved.is_some_and(|before| before != rows) || (rows != 0 && !ring) {
                return None;
            }
            moved = Some(rows);
        }
    }
    Some(moved.unwrap_or(0) as usize)
}

/// What the offsets move of an operation's accesses, those to external memory and candidates aside.
enum Moves {
    /// Its rows of weights, by so many; all others stay.
    Weights(i64),
    /// Nothing, and it does not access weights.
    Nothing,
    /// Rows of another memory.
    Other,
}

fn moves(op: &Op, &[first, second]: &[i64; 2]) -> Moves {
    let by = |used: bool, step: i64| if used { step } else { 0 };
    let unless_moved = |step: i64| if step == 0 { Moves::Nothing } else { Moves::Other };
    match op {
        Op::Dot(dot) if dot.memory == Memory::Weights => Moves::Weights(by(dot.offset, first)),
        Op::Dot(dot) => unless_moved(by(dot.offset, second)),
        Op::Gather(_) => Moves::Weights(0),
        Op::Vector(vector) if vector.vmem_offset && first != 0 => Moves::Other,
        Op::Vector(vector) => match vector.destination {
            Destination::Key | Destination::Value | Destination::Vmem => {
                unless_moved(by(vector.row_offset, second))
            }
            Destination::None | Destination::Act | Destination::Argmax => Moves::Nothing,
        },
        Op::Transfer(transfer) if transfer.way == Way::Weights => {
            Moves::Weights(by(transfer.row_offset, second))
        }
        Op::Transfer(transfer) => unless_moved(by(transfer.row_offset, second)),
        Op::Nop(_) | Op::Loop(_) | Op::EndLoop(_) | Op::Sync(_) | Op::End(_) => Moves::Nothing,
    }
}
