//! Row address of the matrix memories: the row that the dispatch worked out at the first issue, then a step from issue to issue.
//!
//! ```text
//!  first_row, first_chunk ──────────────────────────────────┐ first
//!  row_step, or on to the next row of an item ─►(+)─►[reg]──┴─┬─►[reg]─► copy[c], one per half group of lanes
//!                                                ▲            ├─►[reg]─► row_now
//!                                                └────────────┴─►[reg]─► chunk
//!                                             cycle 0                1
//! ```
//!
//! The step to the next issue is taken at this one, so that nothing but a choice stands before the copies: they lie near their
//! memories, which are spread over the die.
//!
//! | port             | dir | width        | meaning                                                      | cycle |
//! |------------------|-----|--------------|--------------------------------------------------------------|------:|
//! | `issue`          | in  | 1            | strobe                                                       |     0 |
//! | `first`          | in  | 1            | first issue of its instruction                               |     0 |
//! | `gather`         | in  | 1            | the operation is `Gather`, else `Dot`                        |     0 |
//! | `first_row`      | in  | 24           | row of the first issue                                       |     0 |
//! | `first_chunk`    | in  | `GROUP`      | `Gather`: group of lanes of the first issue                  |     0 |
//! | `row_step`       | in  | 16           | `Dot`: step, signed                                          |     0 |
//! | `host_access`    | in  | 1            | strobe: read `host_row` and `host_chunk` instead             |     0 |
//! | `copy[c]`        | out | `MATRIX_ROW` | address for the memories of half group `c`                   |     1 |
//! | `row_now`        | out | 24           | the row in full, for range and conflict checks               |     1 |
//! | `chunk`          | out | `GROUP`      | `Gather`: which group of lanes                               |     1 |
//!
//! # Invariants
//! 1. `issue` and `host_access` do not coincide. Without either, the outputs hold no meaningful row.
//! 2. The payload is stable from the first issue of an instruction to its last.
//! 3. Rows are numbers of 24 bits that wrap; a negative row is therefore a very large one.

use crate::kind::Kind;
use crate::primitives::{Extend, LocalCopy};
use crate::widths::{GROUP, MATRIX_ROW};
use lpu_isa::Geometry;
use rust_hdl::prelude::*;

/// Copies for a group's memories, which may lie in two rows of the FPGA.
const HALVES_PER_GROUP: usize = 2;

/// The row address generator.
#[derive(LogicBlock)]
pub struct RowAddress {
    pub clock: Signal<In, Clock>,
    pub issue: Signal<In, Bit>,
    pub first: Signal<In, Bit>,
    pub gather: Signal<In, Bit>,
    pub first_row: Signal<In, Bits<24>>,
    pub first_chunk: Signal<In, Bits<GROUP>>,
    pub row_step: Signal<In, Bits<16>>,
    pub host_access: Signal<In, Bit>,
    pub host_row: Signal<In, Bits<24>>,
    pub host_chunk: Signal<In, Bits<GROUP>>,
    pub copy: Vec<Signal<Out, Bits<MATRIX_ROW>>>,
    pub row_now: Signal<Out, Bits<24>>,
    pub chunk: Signal<Out, Bits<GROUP>>,
    last_chunk: Constant<Bits<GROUP>>,
    step: Extend<16, 24>,
    addend: Signal<Local, Bits<24>>,
    next_row: Signal<Local, Bits<24>>,
    next_chunk: Signal<Local, Bits<GROUP>>,
    row_ahead: DFF<Bits<24>>,
    chunk_ahead: DFF<Bits<GROUP>>,
    row_held: DFF<Bits<24>>,
    chunk_held: DFF<Bits<GROUP>>,
    copies: Vec<LocalCopy<MATRIX_ROW>>,
    kind: Kind<Self>,
}

impl RowAddress {
    /// Cycles from issue to row.
    pub const LATENCY: usize = 1;

    /// The generator of a chip.
    pub fn new(geometry: &Geometry) -> Self {
        let groups = geometry.groups();
        let copies = HALVES_PER_GROUP * groups;
        Self {
            clock: Default::default(),
            issue: Default::default(),
            first: Default::default(),
            gather: Default::default(),
            first_row: Default::default(),
            first_chunk: Default::default(),
            row_step: Default::default(),
            host_access: Default::default(),
            host_row: Default::default(),
            host_chunk: Default::default(),
            copy: (0..copies).map(|_| Default::default()).collect(),
            row_now: Default::default(),
            chunk: Default::default(),
            last_chunk: Constant::new((groups - 1).to_bits()),
            step: Default::default(),
            addend: Default::default(),
            next_row: Default::default(),
            next_chunk: Default::default(),
            row_ahead: Default::default(),
            chunk_ahead: Default::default(),
            row_held: Default::default(),
            chunk_held: Default::default(),
            copies: (0..copies).map(|_| Default::default()).collect(),
            kind: Kind::default(),
        }
    }
}

impl Logic for RowAddress {
    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(self, clock, row_ahead, chunk_ahead, row_held, chunk_held);
        self.next_row.next = self.row_ahead.q.val();
        self.next_chunk.next = self.chunk_ahead.q.val();
        if self.host_access.val() {
            self.next_row.next = self.host_row.val();
            self.next_chunk.next = self.host_chunk.val();
        } else if self.first.val() {
            self.next_row.next = self.first_row.val();
            self.next_chunk.next = self.first_chunk.val();
        }
        self.step.x.next = self.row_step.val();
        self.addend.next = self.step.y.val();
        if self.gather.val() {
            self.addend.next = 0.into();
            if self.next_chunk.val() == self.last_chunk.val() {
                self.addend.next = 1.into();
            }
        }
        if self.issue.val() {
            self.row_ahead.d.next = self.next_row.val() + self.addend.val();
            self.chunk_ahead.d.next = (self.next_chunk.val() + 1) & self.last_chunk.val();
        }
        self.row_held.d.next = self.next_row.val();
        self.chunk_held.d.next = self.next_chunk.val();
        self.row_now.next = self.row_held.q.val();
        self.chunk.next = self.chunk_held.q.val();
        for c in 0..self.copies.len() {
            self.copies[c].clock.next = self.clock.val();
            self.copies[c].d.next = self.next_row.val().get_bits::<MATRIX_ROW>(0);
            self.copy[c].next = self.copies[c].q.val();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::{Bench, Random};
    use crate::emit::emit;
    use crate::mxm::schedule::slots;

    /// Fields of an instruction.
    #[derive(Clone, Copy, Debug)]
    struct Fields {
        gather: bool,
        first_row: u64,
        first_chunk: u64,
        row_step: i64,
    }

    fn fields(random: &mut Random, chip: &Geometry) -> Fields {
        Fields {
            gather: random.below(2) == 1,
            first_row: random.unsigned(24),
            first_chunk: random.below(chip.groups() as u64),
            row_step: random.signed(16),
        }
    }

    /// Row, modulo 2^24, and chunk of an issue.
    fn model(chip: &Geometry, fields: &Fields, k: i64) -> (u64, Option<u64>) {
        let groups = chip.groups() as u64;
        if fields.gather {
            let chunk = fields.first_chunk + k as u64;
            return ((fields.first_row + chunk / groups) & 0xff_ffff, Some(chunk % groups));
        }
        ((fields.first_row as i64 + k * fields.row_step) as u64 & 0xff_ffff, None)
    }

    fn check(chip: &Geometry) {
        let bench = Bench::new(&emit(&mut RowAddress::new(chip), "row_address").unwrap()).unwrap();
        let mut random = Random::from_seed_variable();
        let (mut stimulus, mut expected) = (bench.stimulus(), vec![]);
        let (mut now, mut showing) = (fields(&mut random, chip), 0);
        for slot in slots(&mut random, 2000) {
            stimulus.cycle();
            let Some(slot) = slot else {
                expected.push(None);
                continue;
            };
            if slot.instruction != showing {
                (now, showing) = (fields(&mut random, chip), slot.instruction);
            }
            stimulus.set("issue", 1).set("first", u64::from(slot.k == 0)).set("gather", now.gather.into());
            stimulus.set_signed("row_step", now.row_step);
            if slot.k == 0 {
                stimulus.set("first_row", now.first_row).set("first_chunk", now.first_chunk);
            }
            expected.push(Some(model(chip, &now, slot.k)));
        }
        let response = bench.run(stimulus.idle(RowAddress::LATENCY)).unwrap();
        let issues = expected.iter().enumerate().filter_map(|(t, e)| Some((t + RowAddress::LATENCY, (*e)?)));
        for (at, (row, chunk)) in issues {
            assert_eq!(response.get(at, "row_now"), row, "{at}");
            for c in 0..2 * chip.groups() {
                assert_eq!(response.get(at, &format!("copy${c}")), row & ((1 << MATRIX_ROW) - 1), "{at}");
            }
            chunk.into_iter().for_each(|chunk| assert_eq!(response.get(at, "chunk"), chunk, "{at}"));
        }
    }

    #[test]
    fn rows_and_chunks_are_those_of_the_model() {
        Geometry::ALL.iter().for_each(check);
    }

    /// Needs no model: the host's row comes back as it is, whatever the payload shows.
    #[test]
    fn the_host_reads_the_row_it_names() {
        let bench = Bench::new(&emit(&mut RowAddress::new(&Geometry::NANO), "row_address").unwrap()).unwrap();
        let mut random = Random::from_seed_variable();
        let rows: Vec<u64> = (0..500).map(|_| random.below(2048)).collect();
        let mut stimulus = bench.stimulus();
        for row in &rows {
            stimulus.cycle().set("host_access", 1).set("host_row", *row).set("host_chunk", row & 1);
            stimulus
                .set("gather", random.below(2))
                .set("first", random.below(2))
                .set("first_row", random.unsigned(24));
            stimulus.set("row_step", random.unsigned(16)).set("first_chunk", random.below(2));
        }
        let response = bench.run(stimulus.idle(1)).unwrap();
        for (t, row) in rows.iter().enumerate() {
            assert_eq!(
                (response.get(t + 1, "copy$0"), response.get(t + 1, "chunk")),
                (*row, row & 1),
                "cycle {t}"
            );
        }
    }
}
