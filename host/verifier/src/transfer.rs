//! What each row of a transfer reads and writes. One issue is one row: on the way to the chip at the word that brings
//! its last bit, on the way back at the word that takes its first one.
//!
//! Granules move one after another, so external memory needs no times: what a transfer reads is what those before it wrote.

use super::check::Checker;
use super::program::Plan;
use super::rules::{Location, Rule};
use super::stream::RowIssue;
use super::walk::is_back;
use lpu_isa::instruction::*;
use lpu_isa::timing;

/// Where a transfer goes, at a position and in a trip.
#[derive(Clone, Copy)]
pub(super) struct Place {
    /// First granule of token 0, granules further on with each token, tokens.
    address: i64,
    address_step: i64,
    tokens: i64,
    /// Granules.
    count: i64,
    /// First row.
    row: i64,
}

/// What is known of the rows that a transfer moves.
#[derive(Clone, PartialEq)]
pub(super) enum Known {
    /// All hold something.
    All,
    /// None may be relied on.
    None,
    /// Row by row.
    Rows(Vec<bool>),
}

/// The transfer whose rows pass by.
pub(super) struct Moving {
    place: Place,
    known: Known,
}

impl Moving {
    pub const NONE: Moving = Moving {
        place: Place { address: 0, address_step: 0, tokens: 1, count: 0, row: 0 },
        known: Known::All,
    };
}

impl Place {
    pub fn of(state: &Checker, transfer: &Transfer, count: i64, offsets: [i64; 2]) -> Self {
        let step = i64::from(transfer.address_step);
        let (number, tokens, address_step) = match transfer.step_by {
            StepBy::None => (0, 1, 0),
            StepBy::Token => (0, state.vocab, step),
            StepBy::Position => (state.position, 1, 0),
            StepBy::Block => (state.geometry.blocks(state.position as usize) as i64 - 1, 1, 0),
        };
        let offset = |used: bool, offset: i64| if used { offset } else { 0 };
        Self {
            address: i64::from(transfer.address)
                + step * number
                + offset(transfer.address_offset, offsets[0]),
            address_step,
            tokens,
            count,
            row: i64::from(transfer.row)
                + i64::from(transfer.row_number_step) * number
                + offset(transfer.row_offset, offsets[1]),
        }
    }

    /// Whether all granules exist, whatever the token.
    pub fn check(&self, granules: usize) -> Result<(), Rule> {
        let (first, last) = (self.address, self.address + self.span() - 1);
        if first < 0 || last >= granules as i64 {
            return Err(Rule::DramAddress { first, last, granules });
        }
        Ok(())
    }

    /// Granules from the first one of token 0 to the last one of the last token.
    fn span(&self) -> i64 {
        self.address_step * (self.tokens - 1) + self.count
    }

    /// The first granule that holds nothing for some token, of those that exist.
    fn unknown(&self, state: &Checker) -> Option<usize> {
        let count = self.count as usize;
        state.dram.unknown(self.address as usize, self.span() as usize)?;
        // With some step between the tokens' granules may lie others that none of them reads.
        let token = |token| (self.address + self.address_step * token) as usize;
        (0..self.tokens).find_map(|index| state.dram.unknown(token(index), count))
    }

    /// Bits of a row in external memory: first one, and the one after the last.
    fn bits(&self, plan: &Plan, number: i64, k: usize) -> (usize, usize) {
        let layout = &plan.layout;
        let begin = (self.address + number * plan.granules) as usize * layout.granule_bits();
        // A block's header counts for each of its rows: a row of codes begins with its result.
        let (first, end) = layout.row_bits(k);
        let first = if layout.block_code_bits().is_some() { layout.result_begin(k) } else { first };
        (begin + first, begin + end)
    }

    /// Begins a transfer: what is known of the rows that it brings, or none of those that it takes so far.
    fn begin(&self, state: &mut Checker, way: Way, plan: &Plan) -> Result<Known, Rule> {
        self.check(state.geometry.dram_granules)?;
        let known = if plan.back { Known::Rows(Vec::new()) } else { self.known(state, plan) };
        let lost = match way {
            Way::FromKv | Way::FromVmem => state.dram.constant(self.address as usize, self.count as usize),
            Way::Kv => None,
            Way::Weights | Way::Vmem => {
                if let Some(granule) = self.unknown(state) {
                    return Err(Rule::Undriven { location: Location::Granule(granule as i64) });
                }
                self.read(state)
            }
        };
        lost.map_or(Ok(known), |granule| Err(Rule::GranuleLost { granule }))
    }

    /// Reads what must be the same in every run: the first granule that may not be.
    fn read(&self, state: &mut Checker) -> Option<usize> {
        let (token, count) = (state.token, self.count as usize);
        let first = |index| (self.address + self.address_step * index) as usize;
        (0..self.tokens).find_map(|index| state.dram.read(token, first(index), count))
    }

    /// What is known of the rows that come from here.
    fn known(&self, state: &Checker, plan: &Plan) -> Known {
        if self.unknown(state).is_none() {
            return Known::All;
        }
        if self.tokens > 1 {
            return Known::None;
        }
        let runs = 0..self.count / plan.granules;
        let rows = runs.flat_map(|number| (0..plan.rows()).map(move |k| (number, k)));
        let knows = |(number, k)| {
            let (first, end) = self.bits(plan, number, k);
            state.dram.knows(first, end)
        };
        Known::Rows(rows.map(knows).collect())
    }

    /// A row arrives in external memory, the last one of a run with zeros that fill its last granule.
    fn put(&self, state: &mut Checker, plan: &Plan, number: i64, k: usize, known: bool) {
        let (first, end) = self.bits(plan, number, k);
        let token = state.token;
        state.dram.write(token, first, end, known);
        if k + 1 == plan.rows() {
            let all = (self.address + (number + 1) * plan.granules) as usize * plan.layout.granule_bits();
            state.dram.write(token, end, all, true);
        }
    }
}

impl Known {
    fn of(&self, index: usize) -> bool {
        match self {
            Known::All => true,
            Known::None => false,
            Known::Rows(rows) => rows.get(index).copied().unwrap_or(false),
        }
    }
}

impl Moving {
    fn begin(state: &mut Checker, transfer: &Transfer, row: &RowIssue<'_>) -> Result<Self, Rule> {
        let place = Place::of(state, transfer, row.run.count, row.run.offsets);
        let known = place.begin(state, transfer.way, row.plan)?;
        Ok(Self { place, known })
    }
}

/// A row of a transfer.
pub(super) fn row(state: &mut Checker, transfer: &Transfer, row: &RowIssue<'_>) -> Result<(), Rule> {
    let RowIssue { issue, plan, number, .. } = row;
    let k = issue.k as usize;
    if *number == 0 && k == 0 {
        state.moving = Moving::begin(state, transfer, row)?;
    }
    let address = state.moving.place.row
        + number * i64::from(transfer.run_step)
        + issue.k * i64::from(transfer.row_step);
    if is_back(transfer.way) {
        let known = take(state, transfer.way, row, address)?;
        let place = state.moving.place;
        place.put(state, plan, *number, k, known);
        if let Known::Rows(rows) = &mut state.moving.known {
            rows.push(known);
        }
    } else {
        bring(state, transfer.way, row, address)?;
    }
    if issue.last {
        let moved = std::mem::replace(&mut state.moving, Moving::NONE);
        state.moved.push(moved.known);
    }
    Ok(())
}

/// A row reaches a memory of the chip.
fn bring(state: &mut Checker, way: Way, row: &RowIssue<'_>, address: i64) -> Result<(), Rule> {
    let RowIssue { issue, plan, number, .. } = row;
    let port = timing::transfer_store_port(&state.geometry);
    let k = issue.k as usize;
    match way {
        Way::Weights => {
            let address = state.weight_row(address)?;
            state.write_weights(issue, address, row.lanes, port)
        }
        Way::Kv => {
            let known = state.moving.known.of(*number as usize * plan.rows() + k);
            state.write_kv(issue, address, port, known)
        }
        Way::Vmem | Way::FromKv | Way::FromVmem => state.write_vmem(issue, address, port),
    }
}

/// A row leaves a memory of the chip, through the port that writes use. Whether it held something.
fn take(state: &mut Checker, way: Way, row: &RowIssue<'_>, address: i64) -> Result<bool, Rule> {
    let issue = &row.issue;
    let cycle = issue.cycle + timing::TRANSFER_SAMPLE;
    if way == Way::FromKv {
        let known = state.read_kv(issue, address, timing::TRANSFER_SAMPLE)?;
        state.ports.take_kv(cycle, issue.by)?;
        return Ok(known);
    }
    state.read_vmem(issue, address, timing::TRANSFER_SAMPLE)?;
    let address = state.vmem.index(address)?;
    state.ports.take_vmem(address, cycle, issue.by)?;
    Ok(true)
}

/// Does to external memory what a transfer of another trip does that moves rows of which as much is known, `moved`. Whether this is so and breaks no
/// rule.
pub(super) fn repeat(
    state: &mut Checker,
    transfer: &Transfer,
    plan: &Plan,
    place: Place,
    moved: &Known,
) -> bool {
    let Ok(known) = place.begin(state, transfer.way, plan) else { return false };
    if !plan.back {
        return known == *moved;
    }
    let rows = plan.rows();
    for number in 0..place.count / plan.granules {
        for k in 0..rows {
            place.put(state, plan, number, k, moved.of(number as usize * rows + k));
        }
    }
    true
}
