//! Row address of the matrix memories: the first issue's row from the dispatch, then a step from issue to issue.
//!
//! ```text
//!  base ──────────────────────────────────────┐ first
//!  row of the last issue ─────────────────────┴─►(+)─►[reg]─┬─► row
//!  offset ────────────────────────────────────┐ first ▲     └─► to the next issue's
//!  row_step, or on to the next row of an item ┴───────┘
//!                                     cycle 0              1
//! ```
//!
//! | port             | dir | width        | meaning                                                      | cycle |
//! |------------------|-----|--------------|--------------------------------------------------------------|------:|
//! | `issue`          | in  | 1            | strobe                                                       |     0 |
//! | `first`          | in  | 1            | first issue of its instruction                               |     0 |
//! | `gather`         | in  | 1            | the operation is `Gather`, else `Dot`                        |     0 |
//! | `base`, `offset` | in  | 24           | their sum is the row of the first issue                      |     0 |
//! | `first_chunk`    | in  | `GROUP`      | `Gather`: group of lanes of the first issue                  |     0 |
//! | `row_step`       | in  | 16           | `Dot`: step, signed                                          |     0 |
//! | `host_access`    | in  | 1            | strobe: `host_row` and `host_chunk` instead                  |     0 |
//! | `host_row`, `host_chunk` | in | `MATRIX_ROW`, `GROUP` | row and group of lanes that the host reads   |     0 |
//! | `row`            | out | 24           | the row                                                      |     1 |
//! | `chunk`          | out | `GROUP`      | `Gather`: which group of lanes                               |     1 |
//!
//! # Invariants
//! 1. `issue` and `host_access` do not coincide. Without either, the outputs stay.
//! 2. `gather` and `row_step` are stable from the first issue of an instruction to its last.
//! 3. Rows are numbers of 24 bits that wrap; a negative row is therefore a very large one.

use crate::dialect::*;
use crate::primitives::Extend;
use crate::widths::{GROUP, MATRIX_ROW};
use lpu_isa::Geometry;

/// The row address generator.
#[derive(LogicBlock, Default)]
pub struct RowAddress {
    pub clock: Signal<In, Clock>,
    pub issue: Signal<In, Bit>,
    pub first: Signal<In, Bit>,
    pub gather: Signal<In, Bit>,
    pub base: Signal<In, Bits<24>>,
    pub offset: Signal<In, Bits<24>>,
    pub first_chunk: Signal<In, Bits<GROUP>>,
    pub row_step: Signal<In, Bits<16>>,
    pub host_access: Signal<In, Bit>,
    pub host_row: Signal<In, Bits<MATRIX_ROW>>,
    pub host_chunk: Signal<In, Bits<GROUP>>,
    pub row: Signal<Out, Bits<24>>,
    pub chunk: Signal<Out, Bits<GROUP>>,
    last_chunk: Setting<GROUP>,
    step: Extend<16, 24>,
    augend: Signal<Local, Bits<24>>,
    addend: Signal<Local, Bits<24>>,
    next_chunk: Signal<Local, Bits<GROUP>>,
    row_held: DFF<Bits<24>>,
    chunk_held: DFF<Bits<GROUP>>,
    kind: Kind<Self>,
}

impl RowAddress {
    /// Cycles from issue to row.
    pub const LATENCY: usize = 1;

    /// The generator of a chip.
    pub fn new(geometry: &Geometry) -> Self {
        Self { last_chunk: Setting::new(geometry.groups() - 1), ..Self::default() }
    }
}

impl Logic for RowAddress {
    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(self, clock, row_held, chunk_held);
        self.step.x.next = self.row_step.val();
        self.augend.next = self.row_held.q.val();
        self.addend.next = self.step.y.val();
        self.next_chunk.next = (self.chunk_held.q.val() + 1) & self.last_chunk.val();
        if self.gather.val() {
            self.addend.next = 0.into();
            if self.chunk_held.q.val() == self.last_chunk.val() {
                self.addend.next = 1.into();
            }
        }
        if self.first.val() {
            self.augend.next = self.base.val();
            self.addend.next = self.offset.val();
            self.next_chunk.next = self.first_chunk.val();
        }
        if self.host_access.val() {
            self.augend.next = bit_cast::<24, MATRIX_ROW>(self.host_row.val());
            self.addend.next = 0.into();
            self.next_chunk.next = self.host_chunk.val();
        }
        if self.issue.val() | self.host_access.val() {
            self.row_held.d.next = self.augend.val() + self.addend.val();
            self.chunk_held.d.next = self.next_chunk.val();
        }
        self.row.next = self.row_held.q.val();
        self.chunk.next = self.chunk_held.q.val();
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
        base: u64,
        offset: u64,
        first_chunk: u64,
        row_step: i64,
    }

    fn fields(random: &mut Random, chip: &Geometry) -> Fields {
        Fields {
            gather: random.below(2) == 1,
            base: random.unsigned(24),
            offset: random.unsigned(24),
            first_chunk: random.below(chip.groups() as u64),
            row_step: random.signed(16),
        }
    }

    /// Row, modulo 2^24, and chunk of an issue.
    fn model(chip: &Geometry, fields: &Fields, k: i64) -> (u64, Option<u64>) {
        let (groups, first_row) = (chip.groups() as u64, fields.base + fields.offset);
        if fields.gather {
            let chunk = fields.first_chunk + k as u64;
            return ((first_row + chunk / groups) & 0xff_ffff, Some(chunk % groups));
        }
        ((first_row as i64 + k * fields.row_step) as u64 & 0xff_ffff, None)
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
                stimulus.set("base", now.base).set("offset", now.offset).set("first_chunk", now.first_chunk);
            }
            expected.push(Some(model(chip, &now, slot.k)));
        }
        let response = bench.run(stimulus.idle(RowAddress::LATENCY)).unwrap();
        let issues = expected.iter().enumerate().filter_map(|(t, e)| Some((t + RowAddress::LATENCY, (*e)?)));
        for (at, (row, chunk)) in issues {
            assert_eq!(response.get(at, "row"), row, "{at}");
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
                .set("base", random.unsigned(24))
                .set("offset", random.unsigned(24));
            stimulus.set("row_step", random.unsigned(16)).set("first_chunk", random.below(2));
        }
        let response = bench.run(stimulus.idle(1)).unwrap();
        for (t, row) in rows.iter().enumerate() {
            assert_eq!(
                (response.get(t + 1, "row"), response.get(t + 1, "chunk")),
                (*row, row & 1),
                "cycle {t}"
            );
        }
    }
}
