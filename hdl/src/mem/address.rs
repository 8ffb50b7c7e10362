//! Row address of the matrix memories: base plus offset at the first issue, then a step from issue to issue.
//!
//! ```text
//!  token, position ─► << chunks ─┬─► chunk ───────────────────────────────────────────────►[reg]─► chunk
//!                                └─► row of item ─┐
//!  offset_first, offset_second ───────────────────┤
//!  row_step ──────────────────────────────────────┴─► (+) ─┬─►[reg]─► copy[g], one per group of lanes
//!  row ───────────────────┐                            ▲   └─►[reg]─► row_now
//!  row of the last issue ─┴────────────────────────────┘
//!                                               cycle 0    cycle 1
//! ```
//!
//! | port             | dir | width        | meaning                                                      | cycle |
//! |------------------|-----|--------------|--------------------------------------------------------------|------:|
//! | `issue`          | in  | 1            | strobe                                                       |     0 |
//! | `first`          | in  | 1            | first issue of its instruction                               |     0 |
//! | `gather`         | in  | 1            | the operation is `Gather`, else `Dot`                        |     0 |
//! | `from_kv`        | in  | 1            | `Dot`: the matrix is KV memory                               |     0 |
//! | `offset`         | in  | 1            | `Dot`: add this memory's loop offset                         |     0 |
//! | `row`, `row_step` | in | 24, 16       | `Dot`, `Gather`: first row; `Dot`: step, signed              |     0 |
//! | `index`, `chunks` | in | 1, 4         | `Gather`: position instead of token; log2 of chunks an item  |     0 |
//! | `token`, `position` | in | 16         | stable during a token                                        |     0 |
//! | `offset_first`, `offset_second` | in | 24 | loop offsets of weight and KV rows                         |     0 |
//! | `host_access`    | in  | 1            | strobe: read `host_row` and `host_chunk` instead             |     0 |
//! | `copy[g]`        | out | `MATRIX_ROW` | address for group `g`'s memories                             |     1 |
//! | `row_now`        | out | 24           | the row in full, for range and conflict checks               |     1 |
//! | `chunk`          | out | `GROUP`      | `Gather`: which group of lanes                               |     1 |
//!
//! # Invariants
//! 1. `issue` and `host_access` do not coincide. Without either, `copy` holds no meaningful row.
//! 2. The payload is stable from the first issue of an instruction to its last.
//! 3. Rows are numbers of 24 bits that wrap; a negative row is therefore a very large one.

use crate::kind::Kind;
use crate::primitives::{Extend, LocalCopy};
use crate::widths::{GROUP, MATRIX_ROW};
use lpu_isa::Geometry;
use rust_hdl::prelude::*;

/// The row address generator.
#[derive(LogicBlock)]
pub struct RowAddress {
    pub clock: Signal<In, Clock>,
    pub issue: Signal<In, Bit>,
    pub first: Signal<In, Bit>,
    pub gather: Signal<In, Bit>,
    pub from_kv: Signal<In, Bit>,
    pub offset: Signal<In, Bit>,
    pub row: Signal<In, Bits<24>>,
    pub row_step: Signal<In, Bits<16>>,
    pub index: Signal<In, Bit>,
    pub chunks: Signal<In, Bits<4>>,
    pub token: Signal<In, Bits<16>>,
    pub position: Signal<In, Bits<16>>,
    pub offset_first: Signal<In, Bits<24>>,
    pub offset_second: Signal<In, Bits<24>>,
    pub host_access: Signal<In, Bit>,
    pub host_row: Signal<In, Bits<24>>,
    pub host_chunk: Signal<In, Bits<GROUP>>,
    pub copy: Vec<Signal<Out, Bits<MATRIX_ROW>>>,
    pub row_now: Signal<Out, Bits<24>>,
    pub chunk: Signal<Out, Bits<GROUP>>,
    last_chunk: Constant<Bits<GROUP>>,
    number: Signal<Local, Bits<16>>,
    item: Signal<Local, Bits<32>>,
    step: Extend<16, 24>,
    addend: Signal<Local, Bits<24>>,
    base: Signal<Local, Bits<24>>,
    sum: Signal<Local, Bits<24>>,
    next_chunk: Signal<Local, Bits<GROUP>>,
    held_row: DFF<Bits<24>>,
    held_chunk: DFF<Bits<GROUP>>,
    copies: Vec<LocalCopy<MATRIX_ROW>>,
    _group_bits: usize,
    kind: Kind<Self>,
}

impl RowAddress {
    /// Cycles from issue to row.
    pub const LATENCY: usize = 1;

    /// The generator of a chip.
    pub fn new(geometry: &Geometry) -> Self {
        let groups = geometry.groups();
        Self {
            clock: Default::default(),
            issue: Default::default(),
            first: Default::default(),
            gather: Default::default(),
            from_kv: Default::default(),
            offset: Default::default(),
            row: Default::default(),
            row_step: Default::default(),
            index: Default::default(),
            chunks: Default::default(),
            token: Default::default(),
            position: Default::default(),
            offset_first: Default::default(),
            offset_second: Default::default(),
            host_access: Default::default(),
            host_row: Default::default(),
            host_chunk: Default::default(),
            copy: (0..groups).map(|_| Default::default()).collect(),
            row_now: Default::default(),
            chunk: Default::default(),
            last_chunk: Constant::new((groups - 1).to_bits()),
            number: Default::default(),
            item: Default::default(),
            step: Default::default(),
            addend: Default::default(),
            base: Default::default(),
            sum: Default::default(),
            next_chunk: Default::default(),
            held_row: Default::default(),
            held_chunk: Default::default(),
            copies: (0..groups).map(|_| Default::default()).collect(),
            _group_bits: groups.ilog2() as usize,
            kind: Kind::default(),
        }
    }
}

impl Logic for RowAddress {
    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(self, clock, held_row, held_chunk);
        self.number.next = self.token.val();
        if self.index.val() {
            self.number.next = self.position.val();
        }
        self.item.next = bit_cast::<32, 16>(self.number.val()) << self.chunks.val();
        self.step.x.next = self.row_step.val();

        // What is added: an offset at the first issue, a step at the others.
        self.addend.next = 0.into();
        self.next_chunk.next = self.held_chunk.q.val() + 1;
        if self.host_access.val() {
            self.next_chunk.next = self.host_chunk.val();
        } else if self.first.val() {
            if self.gather.val() {
                for low in self._group_bits..(self._group_bits + 1) {
                    self.addend.next = self.item.val().get_bits::<24>(low);
                }
                self.next_chunk.next = bit_cast::<GROUP, 32>(self.item.val()) & self.last_chunk.val();
            } else if self.offset.val() {
                self.addend.next = self.offset_first.val();
                if self.from_kv.val() {
                    self.addend.next = self.offset_second.val();
                }
            }
        } else if self.gather.val() {
            if self.held_chunk.q.val() == self.last_chunk.val() {
                self.addend.next = 1.into();
                self.next_chunk.next = 0.into();
            }
        } else {
            self.addend.next = self.step.y.val();
        }

        self.base.next = self.held_row.q.val();
        if self.host_access.val() {
            self.base.next = self.host_row.val();
        } else if self.first.val() {
            self.base.next = self.row.val();
        }
        self.sum.next = self.base.val() + self.addend.val();
        if self.issue.val() || self.host_access.val() {
            self.held_row.d.next = self.sum.val();
            self.held_chunk.d.next = self.next_chunk.val();
        }
        self.row_now.next = self.held_row.q.val();
        self.chunk.next = self.held_chunk.q.val();
        for g in 0..self.copies.len() {
            self.copies[g].clock.next = self.clock.val();
            self.copies[g].d.next = self.sum.val().get_bits::<MATRIX_ROW>(0);
            self.copy[g].next = self.copies[g].q.val();
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
        from_kv: bool,
        offset: bool,
        row: u64,
        row_step: i64,
        index: bool,
        chunks: u64,
    }

    fn fields(random: &mut Random) -> Fields {
        Fields {
            gather: random.below(2) == 1,
            from_kv: random.below(2) == 1,
            offset: random.below(2) == 1,
            row: random.unsigned(24),
            row_step: random.signed(16),
            index: random.below(2) == 1,
            chunks: random.below(16),
        }
    }

    /// Row, modulo 2^24, and chunk of an issue.
    fn model(
        chip: &Geometry,
        fields: &Fields,
        k: i64,
        [token, position, first, second]: [u64; 4],
    ) -> (u64, Option<u64>) {
        let groups = chip.groups() as u64;
        let row = fields.row as i64;
        if fields.gather {
            let item = if fields.index { position } else { token };
            let chunk = (item << fields.chunks) + k as u64;
            return ((row as u64 + chunk / groups) & 0xff_ffff, Some(chunk % groups));
        }
        let offset = if !fields.offset {
            0
        } else if fields.from_kv {
            second
        } else {
            first
        };
        ((row + offset as i64 + k * fields.row_step) as u64 & 0xff_ffff, None)
    }

    fn check(chip: &Geometry) {
        let bench = Bench::new(&emit(&mut RowAddress::new(chip), "row_address").unwrap()).unwrap();
        let mut random = Random::from_seed_variable();
        let (mut stimulus, mut expected) = (bench.stimulus(), vec![]);
        let numbers = [random.unsigned(16), random.unsigned(16), random.unsigned(24), random.unsigned(24)];
        let (mut now, mut showing) = (fields(&mut random), 0);
        for slot in slots(&mut random, 2000) {
            stimulus.cycle();
            for (name, value) in ["token", "position", "offset_first", "offset_second"].iter().zip(numbers) {
                stimulus.set(name, value);
            }
            let Some(slot) = slot else {
                expected.push(None);
                continue;
            };
            if slot.instruction != showing {
                (now, showing) = (fields(&mut random), slot.instruction);
            }
            stimulus.set("issue", 1).set("first", u64::from(slot.k == 0)).set("gather", now.gather.into());
            stimulus.set("from_kv", now.from_kv.into()).set("offset", now.offset.into()).set("row", now.row);
            stimulus
                .set_signed("row_step", now.row_step)
                .set("index", now.index.into())
                .set("chunks", now.chunks);
            expected.push(Some(model(chip, &now, slot.k, numbers)));
        }
        let response = bench.run(stimulus.idle(RowAddress::LATENCY)).unwrap();
        let issues = expected.iter().enumerate().filter_map(|(t, e)| Some((t + RowAddress::LATENCY, (*e)?)));
        for (at, (row, chunk)) in issues {
            assert_eq!(response.get(at, "row_now"), row, "{at}");
            for g in 0..chip.groups() {
                assert_eq!(response.get(at, &format!("copy${g}")), row & ((1 << MATRIX_ROW) - 1), "{at}");
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
                .set("row", random.unsigned(24));
            stimulus
                .set("row_step", random.unsigned(16))
                .set("offset", 1)
                .set("offset_first", random.unsigned(24));
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
