//! What an instruction touches, as the scheduler needs it.
//!
//! The verifier has a list of its own, written from the machine's rules; this one may be coarser, never finer.

use lpu_isa::instruction::{
    B, C, Clear, Destination, Dot, Emit, Function, Gather, Memory, Op, Reduce, Vector, VmemIndex, X,
};
use lpu_isa::{Geometry, timing};

/// A place that instructions hand values through.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Location {
    Vmem(usize),
    Vreg(usize),
    /// An activation entry.
    Act(usize),
    /// A row that passes through the activation entries in turn, counted from the first entry on: entry `n mod entries`.
    Passing(usize),
    Scalar(usize),
    /// A row of KV memory within one layer.
    Kv(usize),
    /// The lanes that sums are gathered in.
    Sums(usize),
    /// The token chosen.
    Choice,
}

/// What one instruction at a time can use in a cycle.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Port {
    /// The write port of a bank of vector memory.
    Vmem(usize),
    /// The write port of KV memory, where transfers use it, too.
    Kv,
}

/// The port through which a row of vector memory is written: with external memory each half of the rows has its own.
pub fn vmem_port(geometry: &Geometry, row: usize) -> Port {
    Port::Vmem(usize::from(geometry.has_external_memory() && row >= geometry.vmem_rows / 2))
}

/// One access of one instruction.
#[derive(Clone, Copy, Debug)]
pub struct Access {
    pub location: Location,
    /// Cycle of the issue that makes it, counted from the instruction's first issue.
    pub issue: i64,
    /// Cycle after that issue in which it samples, or from which it shows.
    pub cycle: i64,
    pub kind: Kind,
}

/// What an access does to its location.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Read,
    /// Is read, as a row that passes through: what is written here next must wait, but the read waits for that row alone.
    Hold,
    Write,
    /// Ends the life of what was written there; earlier reads must have been issued.
    Replace,
}

impl Kind {
    fn reads(self) -> bool {
        matches!(self, Self::Read | Self::Hold)
    }
}

/// What varies with the position, and the entry pointers that instructions leave behind.
#[derive(Clone, Copy, Debug)]
pub struct Context {
    pub blocks: usize,
    /// Number of the entry after the last one read, and after the last one written; not reduced, so that rows passing through
    /// the entries keep their number.
    pub entries: (usize, usize),
}

/// Everything that an instruction does, in cycles after its first issue.
#[derive(Debug, Default)]
pub struct Effects {
    pub accesses: Vec<Access>,
    /// Ports used, and in which cycles.
    pub ports: Vec<(Port, i64)>,
    /// Cycles in which it takes rows of random numbers.
    pub noise: Vec<i64>,
    /// Entry pointers afterwards.
    pub entries: (usize, usize),
}

/// Lists the effects of `count` issues, `interval` cycles apart.
pub fn effects(geometry: &Geometry, op: &Op, count: usize, interval: i64, context: Context) -> Effects {
    let mut effects = Effects { entries: context.entries, ..Effects::default() };
    match op {
        Op::Dot(dot) => dot_effects(geometry, dot, count, interval, &mut effects),
        Op::Gather(gather) => gather_effects(geometry, gather, count, interval, &mut effects),
        Op::Vector(vector) => vector_effects(geometry, vector, count, interval, context, &mut effects),
        _ => {}
    }
    effects
}

impl Effects {
    /// Whether the order of both matters: one writes what the other touches.
    pub fn conflicts(&self, other: &Effects) -> bool {
        self.accesses.iter().any(|mine| {
            let touches = |theirs: &&Access| theirs.location == mine.location;
            let writes = |theirs: &Access| !mine.kind.reads() || !theirs.kind.reads();
            other.accesses.iter().filter(touches).any(writes)
        })
    }

    fn read(&mut self, location: Location, issue: i64, cycle: i64) {
        self.accesses.push(Access { location, issue, cycle, kind: Kind::Read });
    }

    fn write(&mut self, location: Location, issue: i64, cycle: i64) {
        self.accesses.push(Access { location, issue, cycle, kind: Kind::Write });
    }
}

fn dot_effects(geometry: &Geometry, dot: &Dot, count: usize, interval: i64, effects: &mut Effects) {
    let lanes = geometry.vxm_lanes;
    let results = geometry.mxm_lanes >> dot.tap;
    let mut entry = if dot.entry_continue { effects.entries.0 } else { dot.entry as usize };
    let mut emitted = 0;
    if dot.pieces > 1 {
        return pieces_effects(geometry, dot, count, interval, effects);
    }
    for beat in 0..count {
        let issue = beat as i64 * interval;
        if dot.memory == Memory::Kv {
            let row = dot.row as i64 + beat as i64 * i64::from(dot.row_step);
            effects.read(Location::Kv(row as usize), issue, timing::MATRIX_ROW_SAMPLE);
        }
        let passing = dot.entry_advance || dot.entry_continue;
        let location = if passing { Location::Passing(entry) } else { Location::Act(entry) };
        effects.read(location, issue, timing::ACT_SAMPLE);
        if passing {
            let location = Location::Act(entry % geometry.act_entries);
            effects.accesses.push(Access { location, issue, cycle: timing::ACT_SAMPLE, kind: Kind::Hold });
        }
        let lane = (dot.lane as usize + if dot.lane_advance { beat * results } else { 0 }) % lanes;
        let last = beat + 1 == count;
        let wraps = matches!(dot.emit, Emit::Wrap | Emit::WrapOrLast) && lane + results == lanes;
        let ends = matches!(dot.emit, Emit::Last | Emit::WrapOrLast) && last;
        if wraps || ends {
            let port = timing::dot_store_port(geometry);
            let row = dot.store as usize + emitted;
            effects.ports.push((vmem_port(geometry, row), issue + port));
            effects.write(Location::Vmem(row), issue, timing::store_effect(port));
            emitted += 1;
        }
        if dot.clear != Clear::Always && beat == 0 {
            effects.write(Location::Sums(lane), issue, 1);
        }
        if last && dot.maximum {
            effects.write(Location::Scalar(dot.scalar as usize), issue, timing::maximum_effect(geometry));
        }
        effects.entries.0 = entry + 1;
        if dot.entry_advance {
            entry = effects.entries.0;
        }
    }
}

/// A whole matrix: the entries are read again for each result, and every full row of sums is stored.
fn pieces_effects(geometry: &Geometry, dot: &Dot, count: usize, interval: i64, effects: &mut Effects) {
    let (pieces, lanes) = (dot.pieces as usize, geometry.vxm_lanes);
    let results = count / pieces;
    for piece in 0..pieces {
        let location = Location::Act((dot.entry as usize + piece) % geometry.act_entries);
        for result in [0, results - 1] {
            let issue = (result * pieces + piece) as i64 * interval;
            effects.read(location, issue, timing::ACT_SAMPLE);
        }
    }
    effects.entries.0 = dot.entry as usize + pieces;
    let per_beat = geometry.mxm_lanes >> dot.tap;
    let port = timing::dot_store_port(geometry);
    for row in 0..(results * per_beat).div_ceil(lanes) {
        let last = ((row + 1) * lanes / per_beat).min(results);
        let issue = (last * pieces - 1) as i64 * interval;
        let store = dot.store as usize + row;
        effects.ports.push((vmem_port(geometry, store), issue + port));
        effects.write(Location::Vmem(store), issue, timing::store_effect(port));
    }
    for lane in 0..lanes {
        effects.write(Location::Sums(lane), 0, 1);
    }
}

fn gather_effects(geometry: &Geometry, gather: &Gather, count: usize, interval: i64, effects: &mut Effects) {
    for chunk in 0..count {
        let issue = chunk as i64 * interval;
        let row = gather.store as usize + chunk;
        effects.ports.push((vmem_port(geometry, row), issue + timing::GATHER_STORE_PORT));
        effects.write(Location::Vmem(row), issue, timing::store_effect(timing::GATHER_STORE_PORT));
    }
}

fn vector_effects(
    geometry: &Geometry,
    vector: &Vector,
    count: usize,
    interval: i64,
    context: Context,
    effects: &mut Effects,
) {
    let mut entry = if vector.entry_continue { effects.entries.1 } else { vector.entry as usize };
    for k in 0..count {
        let issue = k as i64 * interval;
        vector_reads(geometry, vector, k, issue, context.blocks, effects);
        if vector.c == C::Noise {
            effects.noise.push(issue);
        }
        if vector.write {
            let target = vector.target as usize + k * usize::from(vector.target_advance);
            effects.write(Location::Vreg(target), issue, timing::VREG_EFFECT);
        }
        match vector.destination {
            Destination::Act => {
                let passing = vector.entry_advance || vector.entry_continue;
                act_writes(geometry, entry, passing, issue, effects);
                effects.entries.1 = entry + 1;
                if vector.entry_advance {
                    entry = effects.entries.1;
                }
            }
            Destination::Vmem => {
                let row = advanced(vector.row, vector.row_step, k);
                effects.ports.push((vmem_port(geometry, row), issue + timing::RESULT_STORE_PORT));
                effects.write(Location::Vmem(row), issue, timing::store_effect(timing::RESULT_STORE_PORT));
            }
            Destination::Key | Destination::Value => {
                kv_writes(geometry, vector, k, issue, context.blocks, effects)
            }
            Destination::Argmax => effects.write(Location::Choice, issue, timing::argmax_effect(geometry)),
            Destination::None => {}
        }
    }
    if vector.reduce != Reduce::None {
        let scalar = geometry.scalars + vector.reduction as usize;
        let issue = (count as i64 - 1) * interval;
        effects.write(Location::Scalar(scalar), issue, timing::reduction_effect(geometry));
    }
}

/// A row that passes through an entry replaces the row that passed through it before.
fn act_writes(geometry: &Geometry, entry: usize, passing: bool, issue: i64, effects: &mut Effects) {
    effects.write(Location::Act(entry % geometry.act_entries), issue, timing::ACT_EFFECT);
    if passing {
        effects.write(Location::Passing(entry), issue, timing::ACT_EFFECT);
        if let Some(replaced) = entry.checked_sub(geometry.act_entries) {
            let location = Location::Passing(replaced);
            effects.accesses.push(Access { location, issue, cycle: timing::ACT_EFFECT, kind: Kind::Replace });
        }
    }
}

fn vector_reads(
    geometry: &Geometry,
    vector: &Vector,
    k: usize,
    issue: i64,
    blocks: usize,
    effects: &mut Effects,
) {
    let multiplies = vector.function == Function::Multiply;
    let a = vector.a as usize + k * usize::from(vector.a_advance);
    let bc = vector.bc as usize + k * usize::from(vector.bc_advance);
    let scalar = vector.scalar as usize + k * vector.scalar_step as usize;
    if vector.x == X::VregA || multiplies && vector.b == B::VregA {
        effects.read(Location::Vreg(a), issue, timing::VREG_SAMPLE);
    }
    if multiplies && vector.b == B::VregB || vector.c == C::VregB {
        effects.read(Location::Vreg(bc), issue, timing::VREG_SAMPLE);
    }
    if vector.x == X::Vmem || multiplies && vector.b == B::Vmem || vector.c == C::Vmem {
        // What the token or a lane selects is among constants, which nothing writes.
        let index = if vector.vmem_index == VmemIndex::PositionRow { blocks - 1 } else { 0 };
        let row = vector.vmem as usize + index + k * usize::from(vector.vmem_advance);
        effects.read(Location::Vmem(row), issue, timing::VMEM_SAMPLE);
    }
    let pair = multiplies && vector.b == B::ScalarPair;
    if vector.subtract || pair || multiplies && vector.b == B::Scalar {
        for scalar in scalar..=scalar + usize::from(pair) {
            if scalar < 2 * geometry.scalars {
                effects.read(Location::Scalar(scalar), issue, timing::SCALAR_SAMPLE);
            }
        }
    }
}

/// The row that a key or value lands in depends on the position within its block: all rows of the block count.
fn kv_writes(
    geometry: &Geometry,
    vector: &Vector,
    k: usize,
    issue: i64,
    blocks: usize,
    effects: &mut Effects,
) {
    if geometry.has_external_memory() {
        effects.ports.push((Port::Kv, issue + timing::KV_EFFECT - 1));
    }
    let rows = geometry.vxm_lanes >> vector.positions;
    let base = advanced(vector.row, vector.row_step, k) + (blocks - 1) * rows;
    for row in base..base + rows {
        effects.write(Location::Kv(row), issue, timing::KV_EFFECT);
    }
}

fn advanced(start: u32, step: i32, k: usize) -> usize {
    (i64::from(start) + k as i64 * i64::from(step)) as usize
}
