//! What each issue of each operation reads and writes.

use super::check::{Beat, Checker, WeightRow};
use super::rules::Rule;
use super::walk::Issue;
use lpu_isa::instruction::*;
use lpu_isa::timing;

/// A beat of the matrix unit.
pub(super) fn dot(state: &mut Checker, dot: &Dot, issue: &Issue) -> Result<(), Rule> {
    if issue.k == 0 {
        state.beat = Beat::default();
    }
    let kv = dot.memory == Memory::Kv;
    let offset = if dot.offset { issue.offsets[usize::from(kv)] } else { 0 };
    let row = i64::from(dot.row) + offset + issue.k * i64::from(dot.row_step);
    let (weights, known) = match kv {
        true => (
            WeightRow::Lanes(state.geometry.mxm_lanes),
            state.read_kv(issue, row, timing::MATRIX_ROW_SAMPLE)?,
        ),
        false => {
            let row = state.weight_row(row)?;
            (state.read_weights(issue, row)?, true)
        }
    };
    let entry = dot_entry(state, dot, issue)?;
    state.read_act(issue, entry, weights)?;
    let emits = sums(state, dot, issue, (!known).then_some(row))?;
    if emits {
        let port = timing::dot_store_port(&state.geometry);
        state.store_vmem(issue, i64::from(dot.store) + state.beat.emitted, port)?;
        state.beat.emitted += 1;
    }
    state.beat.piece += 1;
    if state.beat.piece >= i64::from(dot.pieces) {
        state.beat.piece = 0;
        state.beat.result += 1;
    }
    if dot.maximum && issue.last {
        if !emits {
            return Err(Rule::MaximumWithoutRow);
        }
        let latency = timing::maximum_effect(&state.geometry);
        state.write_scalar(issue, i64::from(dot.scalar), latency)?;
    }
    Ok(())
}

/// The entry of a beat: each result begins with the first beat's.
fn dot_entry(state: &mut Checker, dot: &Dot, issue: &Issue) -> Result<i64, Rule> {
    let advance = Pointer { entry: dot.entry, resume: dot.entry_continue, step: dot.entry_advance };
    let entry = match issue.k > 0 && dot.pieces > 1 && state.beat.piece == 0 {
        true => state.beat.first_entry,
        false => advance.at(state.dot_entry, issue, state.geometry.act_entries)?,
    };
    if issue.k == 0 {
        state.beat.first_entry = entry;
    }
    state.dot_entry = Some(entry);
    Ok(entry)
}

/// The beat's lanes of the sums. Only the matrix queue uses them, all at one stage: they need no times. Sums with an
/// `unwritten` row of KV memory are scores of positions to come: they may leave only through the mask.
fn sums(state: &mut Checker, dot: &Dot, issue: &Issue, unwritten: Option<i64>) -> Result<bool, Rule> {
    let lanes = state.geometry.vxm_lanes as i64;
    let results = (state.geometry.mxm_lanes >> dot.tap) as i64;
    let pieces = i64::from(dot.pieces).max(1);
    let Beat { piece, result, .. } = state.beat;
    let first = (i64::from(dot.lane) + if dot.lane_advance { result * results } else { 0 }) % lanes;
    let clears = match dot.clear {
        Clear::Never => false,
        Clear::Always => true,
        Clear::First => piece == 0 && (pieces > 1 || issue.k == 0),
    };
    state.sums.add(ones(results) << first, clears, unwritten)?;
    let wraps = piece == pieces - 1 && first + results == lanes;
    let emits = match dot.emit {
        Emit::Never => false,
        Emit::Wrap => wraps,
        Emit::Last => issue.last,
        Emit::WrapOrLast => wraps || issue.last,
    };
    if emits {
        let seen = if dot.mask && issue.last { state.position % lanes + 1 } else { lanes };
        state.sums.emit(ones(lanes), ones(seen))?;
    }
    Ok(emits)
}

fn ones(count: i64) -> u128 {
    u128::MAX >> (128 - count)
}

/// A chunk of weights on its way to vector memory. Any token may come in, so the rows of all must hold something.
pub(super) fn gather(state: &mut Checker, gather: &Gather, issue: &Issue) -> Result<(), Rule> {
    let groups = state.geometry.groups() as i64;
    let (first, last) = match gather.index {
        Index::Token => (0, state.vocab - 1),
        Index::Position => (state.position, state.position),
    };
    let row = |item: i64| i64::from(gather.row) + ((item << gather.chunks) + issue.k) / groups;
    let last = state.weights.index(row(last))?;
    // Where nothing writes weights, the rows before the last are in the image if the last one is.
    let first = if state.geometry.has_external_memory() { row(first) as usize } else { last };
    for row in first..=last {
        state.read_weights(issue, row)?;
    }
    state.store_vmem(issue, i64::from(gather.store) + issue.k, timing::GATHER_STORE_PORT)
}

/// A row of the vector unit.
pub(super) fn vector(state: &mut Checker, vector: &Vector, issue: &Issue) -> Result<(), Rule> {
    operands(state, vector, issue)?;
    if vector.write {
        state.write_vreg(issue, advanced(vector.target, vector.target_advance, issue))?;
    }
    if vector.reduce != Reduce::None && issue.last {
        let scalar = state.geometry.scalars as i64 + i64::from(vector.reduction);
        let latency = timing::reduction_effect(&state.geometry);
        state.write_scalar(issue, scalar, latency)?;
    }
    let offset = if vector.row_offset { issue.offsets[1] } else { 0 };
    let row = i64::from(vector.row) + issue.k * i64::from(vector.row_step) + offset;
    match vector.destination {
        Destination::None => Ok(()),
        Destination::Act => act(state, vector, issue),
        Destination::Key => kv(state, vector, issue, row),
        Destination::Value => value(state, vector, issue, row),
        Destination::Vmem => state.write_vmem(issue, row, timing::RESULT_STORE_PORT),
        Destination::Argmax => argmax(state, vector, issue, row),
    }
}

fn advanced(first: u32, advance: bool, issue: &Issue) -> i64 {
    i64::from(first) + if advance { issue.k } else { 0 }
}

fn operands(state: &mut Checker, vector: &Vector, issue: &Issue) -> Result<(), Rule> {
    let b = (vector.function == Function::Multiply).then_some(vector.b);
    let c = (vector.function != Function::Sigmoid).then_some(vector.c);
    if vector.x == X::Vmem || vector.b == B::Vmem || vector.c == C::Vmem {
        // A row that the function does not use is addressed all the same.
        let used = vector.x == X::Vmem || b == Some(B::Vmem) || c == Some(C::Vmem);
        let (first, count) = vmem_rows(state, vector, issue);
        for row in first..first + count {
            if used { state.read_vmem(issue, row, timing::VMEM_SAMPLE)? } else { state.address_vmem(row)? }
        }
    }
    if vector.x == X::VregA || b == Some(B::VregA) {
        state.read_vreg(issue, advanced(vector.a, vector.a_advance, issue))?;
    }
    if b == Some(B::VregB) || c == Some(C::VregB) {
        state.read_vreg(issue, advanced(vector.bc, vector.bc_advance, issue))?;
    }
    let scalar = i64::from(vector.scalar) + issue.k * i64::from(vector.scalar_step);
    if vector.subtract || matches!(b, Some(B::Scalar | B::ScalarPair)) {
        state.read_scalar(issue, scalar)?;
    }
    if b == Some(B::ScalarPair) {
        state.read_scalar(issue, scalar + 1)?;
    }
    if c == Some(C::Noise) { state.noise.take(issue.cycle) } else { Ok(()) }
}

/// The rows of vector memory that an issue may read: which one of them depends on the token alone.
fn vmem_rows(state: &Checker, vector: &Vector, issue: &Issue) -> (i64, i64) {
    let lanes = state.geometry.vxm_lanes as i64;
    let (index, rows) = match vector.vmem_index {
        VmemIndex::None => (0, 1),
        VmemIndex::TokenRow => (0, (state.vocab - 1) / lanes + 1),
        VmemIndex::PositionRow => (state.position / lanes, 1),
        VmemIndex::PositionLane => (state.position % lanes, 1),
    };
    let offset = if vector.vmem_offset { issue.offsets[0] } else { 0 };
    (advanced(vector.vmem, vector.vmem_advance, issue) + offset + index, rows)
}

fn act(state: &mut Checker, vector: &Vector, issue: &Issue) -> Result<(), Rule> {
    let advance = Pointer { entry: vector.entry, resume: vector.entry_continue, step: vector.entry_advance };
    let entry = advance.at(state.act_entry, issue, state.geometry.act_entries)?;
    state.act_entry = Some(entry);
    let start = i64::from(vector.start) + issue.k * i64::from(vector.start_step);
    for half in 0..state.geometry.halves() as i64 {
        if (half - start).rem_euclid(1 << vector.period) < 1 << vector.length {
            state.write_act(issue, entry, half)?;
        }
    }
    Ok(())
}

/// Writes a result, or some lanes of it, to the row of KV memory of this position.
fn kv(state: &mut Checker, vector: &Vector, issue: &Issue, row: i64) -> Result<(), Rule> {
    state.write_kv(issue, row + (state.position >> vector.positions), timing::KV_EFFECT - 1, true)
}

fn value(state: &mut Checker, vector: &Vector, issue: &Issue, row: i64) -> Result<(), Rule> {
    let parts = state.geometry.vxm_lanes / state.geometry.groups();
    let sub = advanced(vector.sub, vector.sub_advance, issue);
    if sub >= parts as i64 {
        let expected = format!("below {parts}, the parts of a result");
        return Err(Rule::Field { field: "sub", found: sub, expected });
    }
    kv(state, vector, issue, row)
}

fn argmax(state: &mut Checker, vector: &Vector, issue: &Issue, row: i64) -> Result<(), Rule> {
    if issue.k == 0 && !vector.restart && state.compared.is_none() {
        return Err(Rule::ComparisonNotBegun);
    }
    let lanes = state.geometry.vxm_lanes as i64;
    let counted = if issue.last && vector.tail != 0 { i64::from(vector.tail) } else { lanes };
    let found = row * lanes + counted - 1;
    if row < 0 || found >= state.vocab {
        return Err(Rule::Candidate { vocab: state.vocab, found });
    }
    state.compared = Some(issue.cycle);
    Ok(())
}

/// How an operation goes through the entries of the activation file.
struct Pointer {
    entry: u32,
    resume: bool,
    step: bool,
}

impl Pointer {
    /// The entry of this issue, `last` being the one used before it.
    fn at(&self, last: Option<i64>, issue: &Issue, entries: usize) -> Result<i64, Rule> {
        let next = match (issue.k, self.resume, last) {
            (0, false, _) => i64::from(self.entry),
            (0, true, Some(last)) => last + 1,
            (_, _, Some(last)) => last + i64::from(self.step),
            (_, _, None) => return Err(Rule::UndrivenEntry),
        };
        Ok(next % entries as i64)
    }
}
