//! The way of the matrix queue's issues: the row of the matrix memories comes out with the issue.
//!
//! ```text
//!  token, position ─►[reg]─► << chunks ──────►[reg]─┬─ low bits ──────────► RowAddress ─┬─► chunk
//!                                                   └─ row of the item ─┐       ▲       └─► row
//!  offset_first, offset_second ─►[reg]─► which ►[reg]───────────────────┴───────┤
//!  row, row_step ──────────────────────────────►[reg]───────────────────────────┘
//!  part[p] ────────────────────────────────────►[reg]─────────────────────────────►[reg]─► the same
//!  issue, first, last, gather, position ─►[reg]─►[reg]────────────────────────────►[reg]─► the same
//!                                cycle -3  -2    -1                                  0
//! ```
//!
//! | port                                | dir | width | meaning                                             | cycle |
//! |-------------------------------------|-----|-------|-----------------------------------------------------|------:|
//! | `issue`, `first`, `last`, `gather`  | in  | 1     | as of the queue                                     |    -3 |
//! | `part[p]`                           | in  | 64    | payload, part `p + 1` of the instruction            |    -2 |
//! | `offset_first`, `offset_second`     | in  | 24    | loop offsets of weight and KV rows                  |    -3 |
//! | `token`, `position`                 | in  | 16    | of the sequencer                                    |    -3 |
//! | `issue_0`, `first_0`, `last_0`, `gather_0` | out | 1 | the same                                           |     0 |
//! | `part_0[p]`, `position_0`           | out | 64, 16 | the same                                           |     0 |
//! | `row`                               | out | 24    | first `row` plus the loop offset or the row of the item, then on from issue to issue | 0 |
//! | `chunk`                             | out | `GROUP` | `Gather`: group of lanes of the issue             |     0 |
//! | `piece_begins`, `piece_returns`, `piece_moves`, `piece_ends` | out | 1 | with external memory: as [`Pieces`] | 0 |
//! | `host_access`, `host_row`, `host_chunk` | in | 1, `MATRIX_ROW`, `GROUP` | the host reads a row, while no token runs | -1 |
//!
//! # Invariants
//! 1. Rows are numbers of 24 bits that wrap; a negative row is therefore a very large one.

use super::DISPATCH_CYCLES;
use super::pieces::Pieces;
use crate::dialect::*;
use crate::mem::RowAddress;
use crate::primitives::{Delay, MatrixPayload};
use crate::widths::{GROUP, MATRIX_ROW};
use lpu_isa::Geometry;
use lpu_isa::instruction::Dot;

// The kernel cuts the pieces of a `Dot` out of part 3 at this place.
const _: () = assert!(Dot::pieces.part == 3 && Dot::pieces.low == 24 && Dot::pieces.width == 8);

/// The registers between the matrix queue and the matrix side.
#[derive(LogicBlock, Default)]
pub struct MatrixDispatch {
    pub clock: Signal<In, Clock>,
    pub issue: Signal<In, Bit>,
    pub first: Signal<In, Bit>,
    pub last: Signal<In, Bit>,
    pub gather: Signal<In, Bit>,
    pub part: Vec<Signal<In, Bits<64>>>,
    pub offset_first: Signal<In, Bits<24>>,
    pub offset_second: Signal<In, Bits<24>>,
    pub token: Signal<In, Bits<16>>,
    pub position: Signal<In, Bits<16>>,
    pub issue_0: Signal<Out, Bit>,
    pub first_0: Signal<Out, Bit>,
    pub last_0: Signal<Out, Bit>,
    pub gather_0: Signal<Out, Bit>,
    pub part_0: Vec<Signal<Out, Bits<64>>>,
    pub position_0: Signal<Out, Bits<16>>,
    pub host_access: Signal<In, Bit>,
    pub host_row: Signal<In, Bits<MATRIX_ROW>>,
    pub host_chunk: Signal<In, Bits<GROUP>>,
    pub row: Signal<Out, Bits<24>>,
    pub chunk: Signal<Out, Bits<GROUP>>,
    pub piece_begins: Vec<Signal<Out, Bit>>,
    pub piece_returns: Vec<Signal<Out, Bit>>,
    pub piece_moves: Vec<Signal<Out, Bit>>,
    pub piece_ends: Vec<Signal<Out, Bit>>,
    payload: MatrixPayload,
    issue_later: Delay<1>,
    first_later: Delay<1>,
    last_later: Delay<1>,
    gather_later: Delay<1>,
    part_later: Vec<Delay<64>>,
    position_later: Delay<16>,
    last_chunk: Setting<GROUP>,
    token_1: DFF<Bits<16>>,
    position_1: DFF<Bits<16>>,
    offset_first_1: DFF<Bits<24>>,
    offset_second_1: DFF<Bits<24>>,
    number: Signal<Local, Bits<16>>,
    item: DFF<Bits<32>>,
    base: DFF<Bits<24>>,
    step: DFF<Bits<16>>,
    offset: DFF<Bits<24>>,
    issues: Delay<1, 2>,
    begins: Delay<1, 2>,
    gathers: Delay<1, 2>,
    address: RowAddress,
    // With external memory, one of each.
    pieces: Vec<Pieces>,
    pieces_1: Vec<DFF<Bits<8>>>,
    _group_bits: usize,
    kind: Kind<Self>,
}

impl MatrixDispatch {
    /// Cycles from inputs to outputs.
    pub const LATENCY: usize = DISPATCH_CYCLES;

    /// The registers of a chip.
    pub fn new(geometry: &Geometry) -> Self {
        let payload = MatrixPayload::default();
        let (parts, external) = (payload.part.len(), usize::from(geometry.has_external_memory()));
        Self {
            piece_begins: many(external),
            piece_returns: many(external),
            piece_moves: many(external),
            piece_ends: many(external),
            pieces: many(external),
            pieces_1: many(external),
            part: many(parts),
            part_0: many(parts),
            payload,
            issue_later: Delay::new(DISPATCH_CYCLES),
            first_later: Delay::new(DISPATCH_CYCLES),
            last_later: Delay::new(DISPATCH_CYCLES),
            gather_later: Delay::new(DISPATCH_CYCLES),
            part_later: (0..parts).map(|_| Delay::new(DISPATCH_CYCLES - 1)).collect(),
            position_later: Delay::new(DISPATCH_CYCLES),
            last_chunk: Setting::new(geometry.groups() - 1),
            address: RowAddress::new(geometry),
            _group_bits: geometry.groups().ilog2() as usize,
            ..Self::default()
        }
    }
}

impl Logic for MatrixDispatch {
    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(self, clock, item, base, step, offset, token_1, position_1, offset_first_1);
        dff_setup!(self, clock, offset_second_1);
        clock!(self, clock, issue_later, first_later, last_later, gather_later, position_later, issues);
        clock!(self, clock, begins, gathers, address);
        self.issue_later.x.next = self.issue.val().into();
        self.first_later.x.next = self.first.val().into();
        self.last_later.x.next = self.last.val().into();
        self.gather_later.x.next = self.gather.val().into();
        self.position_later.x.next = self.position.val();
        self.issue_0.next = self.issue_later.y.val().get_bit(0);
        self.first_0.next = self.first_later.y.val().get_bit(0);
        self.last_0.next = self.last_later.y.val().get_bit(0);
        self.gather_0.next = self.gather_later.y.val().get_bit(0);
        self.position_0.next = self.position_later.y.val();
        for p in 0..self.part.len() {
            self.payload.part[p].next = self.part[p].val();
            clock!(self, clock, part_later[p]);
            self.part_later[p].x.next = self.part[p].val();
            self.part_0[p].next = self.part_later[p].y.val();
        }

        // What is added to the row, each way in its own register.
        self.token_1.d.next = self.token.val();
        self.position_1.d.next = self.position.val();
        self.offset_first_1.d.next = self.offset_first.val();
        self.offset_second_1.d.next = self.offset_second.val();
        self.number.next = self.token_1.q.val();
        if self.payload.index.val().get_bit(0) {
            self.number.next = self.position_1.q.val();
        }
        self.item.d.next = bit_cast::<32, 16>(self.number.val()) << self.payload.chunks.val();
        self.offset.d.next = 0.into();
        if self.payload.offset.val().get_bit(0) {
            self.offset.d.next = self.offset_first_1.q.val();
            if self.payload.memory.val().get_bit(0) {
                self.offset.d.next = self.offset_second_1.q.val();
            }
        }
        self.base.d.next = self.payload.row.val();
        self.step.d.next = self.payload.row_step.val();
        self.issues.x.next = self.issue.val().into();
        self.begins.x.next = self.first.val().into();
        self.gathers.x.next = self.gather.val().into();

        // Cycle -1: the row.
        self.address.issue.next = self.issues.y.val().get_bit(0);
        self.address.first.next = self.begins.y.val().get_bit(0);
        self.address.gather.next = self.gathers.y.val().get_bit(0);
        self.address.base.next = self.base.q.val();
        self.address.offset.next = self.offset.q.val();
        if self.gathers.y.val().get_bit(0) {
            for low in self._group_bits..(self._group_bits + 1) {
                self.address.offset.next = self.item.q.val().get_bits::<24>(low);
            }
        }
        self.address.first_chunk.next = bit_cast::<GROUP, 32>(self.item.q.val()) & self.last_chunk.val();
        self.address.row_step.next = self.step.q.val();
        self.address.host_access.next = self.host_access.val();
        self.address.host_row.next = self.host_row.val();
        self.address.host_chunk.next = self.host_chunk.val();
        self.row.next = self.address.row.val();
        self.chunk.next = self.address.chunk.val();
        for e in 0..self.pieces.len() {
            clock!(self, clock, pieces[e]);
            dff_setup!(self, clock, pieces_1[e]);
            self.pieces_1[e].d.next = self.part[2].val().get_bits::<8>(24);
            self.pieces[e].issue.next = self.issues.y.val().get_bit(0);
            self.pieces[e].first.next = self.begins.y.val().get_bit(0);
            self.pieces[e].pieces.next = self.pieces_1[e].q.val();
            self.piece_begins[e].next = self.pieces[e].begins.val();
            self.piece_returns[e].next = self.pieces[e].returns.val();
            self.piece_moves[e].next = self.pieces[e].moves.val();
            self.piece_ends[e].next = self.pieces[e].ends.val();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::{Bench, Random};
    use crate::emit::emit;
    use lpu_isa::instruction::{Dot, Gather, Index, Instruction, Memory, Op};

    const CHIP: Geometry = Geometry::ULX3S_85F;

    /// What is issued in a cycle: the operation, loop offsets, token and position.
    #[derive(Clone, Copy)]
    struct Issued {
        op: Op,
        offsets: [i64; 2],
        token: u64,
        position: u64,
    }

    fn issued(random: &mut Random) -> Issued {
        let op = if random.below(2) == 0 {
            let memory = if random.below(2) == 0 { Memory::Weights } else { Memory::Kv };
            let (row, offset) = (random.unsigned(24) as u32, random.below(2) == 1);
            Op::Dot(Dot { memory, row, offset, ..Dot::default() })
        } else {
            let index = if random.below(2) == 0 { Index::Token } else { Index::Position };
            let (row, chunks) = (random.unsigned(24) as u32, random.below(16) as u32);
            Op::Gather(Gather { index, row, chunks, ..Gather::default() })
        };
        Issued {
            op,
            offsets: [random.signed(24), random.signed(24)],
            token: random.unsigned(16),
            position: random.unsigned(16),
        }
    }

    fn parts(op: Op) -> Vec<u64> {
        Instruction { control: Default::default(), op }.encode().expect("fields fit")[1..=3].to_vec()
    }

    /// First row and, of a gather, first chunk.
    fn model(issued: &Issued) -> (u64, Option<u64>) {
        let wrap = |row: i64| row as u64 & 0xff_ffff;
        match issued.op {
            Op::Dot(dot) => {
                let offset = if dot.offset { issued.offsets[dot.memory as usize] } else { 0 };
                (wrap(i64::from(dot.row) + offset), None)
            }
            Op::Gather(gather) => {
                let number = if gather.index == Index::Token { issued.token } else { issued.position };
                let (item, groups) = (number << gather.chunks, CHIP.groups() as u64);
                (wrap(i64::from(gather.row) + (item / groups) as i64), Some(item % groups))
            }
            _ => unreachable!("the test issues nothing else"),
        }
    }

    #[test]
    fn rows_come_out_with_their_issues() {
        const CYCLES: usize = 5_000;
        let bench = Bench::new(&emit(&mut MatrixDispatch::new(&CHIP), "dut").unwrap()).unwrap();
        let mut random = Random::from_seed_variable();
        let all: Vec<Issued> = (0..CYCLES).map(|_| issued(&mut random)).collect();
        let mut stimulus = bench.stimulus();
        for t in 0..=CYCLES {
            stimulus.cycle();
            if let Some(now) = all.get(t) {
                stimulus
                    .set("issue", t as u64 & 1)
                    .set("first", t as u64 >> 1 & 1)
                    .set("last", t as u64 >> 2 & 1);
                stimulus.set("gather", matches!(now.op, Op::Gather(_)).into());
                stimulus.set("token", now.token).set("position", now.position);
                stimulus
                    .set_signed("offset_first", now.offsets[0])
                    .set_signed("offset_second", now.offsets[1]);
            }
            if let Some(before) = t.checked_sub(1) {
                parts(all[before].op).iter().enumerate().for_each(|(p, &part)| {
                    stimulus.set(&format!("part${p}"), part);
                });
            }
        }
        let response = bench.run(stimulus.idle(MatrixDispatch::LATENCY)).unwrap();
        for (t, issued) in all.iter().enumerate() {
            let at = |name: &str| response.get(t + MatrixDispatch::LATENCY, name);
            let (row, chunk) = model(issued);
            if at("issue_0") & at("first_0") == 1 {
                assert_eq!(at("row"), row, "cycle {t}");
                assert!(chunk.is_none_or(|chunk| chunk == at("chunk")), "cycle {t}");
            }
            assert_eq!(
                [at("issue_0"), at("first_0"), at("last_0")],
                [0, 1, 2].map(|bit| t as u64 >> bit & 1)
            );
            assert_eq!(
                (at("gather_0") == 1, at("position_0")),
                (chunk.is_some(), issued.position),
                "cycle {t}"
            );
            let found: Vec<u64> = (0..3).map(|p| at(&format!("part_0${p}"))).collect();
            assert_eq!(found, parts(issued.op), "cycle {t}");
        }
    }

    /// Needs no model: without offset and gather, the row passes as it is, whatever else changes.
    #[test]
    fn a_row_without_offset_passes() {
        let bench = Bench::new(&emit(&mut MatrixDispatch::new(&CHIP), "dut").unwrap()).unwrap();
        let mut random = Random::from_seed_variable();
        let part = parts(Op::Dot(Dot { row: 0x12_3456, ..Dot::default() }))[0];
        let mut stimulus = bench.stimulus();
        for _ in 0..200 {
            stimulus.cycle().set("part$0", part).set("offset_first", random.unsigned(24));
            stimulus.set("issue", 1).set("first", 1);
            stimulus.set("token", random.unsigned(16)).set("position", random.unsigned(16));
        }
        let response = bench.run(&stimulus).unwrap();
        assert!((MatrixDispatch::LATENCY..200).all(|t| response.get(t, "row") == 0x12_3456));
    }
}
