//! The way of the vector queue's issues: the row of vector memory of the first issue comes out with the issue, and so does
//! the number of its scalar.
//!
//! ```text
//!  token, position ─►[reg]─► of rows or lanes ─┐
//!  offset_first, vmem ─►[reg]──────────────────┴─► RowStart ───────────────────────────► vmem_start
//!  scalar ──────────────────────────────────► number (stepping register) ─►[reg]────────► number_0, pair_0
//!  part[p] ───────────────────────────────────────────────────►[reg]─►[reg]─────────────► the same
//!  issue, first, last, token, position, offset_second, run_start ─►[reg]─►[reg]─►[reg]─► the same
//!                                                        cycle -3   -2     -1     0
//! ```
//!
//! | port                                | dir | width | meaning                                             | cycle |
//! |-------------------------------------|-----|-------|-----------------------------------------------------|------:|
//! | `issue`, `first`, `last`            | in  | 1     | as of the queue                                     |    -3 |
//! | `part[p]`                           | in  | 64    | payload, part `p + 1` of the instruction            |    -2 |
//! | `offset_first`, `offset_second`     | in  | 24    | loop offsets: vector memory read, KV rows written   |    -3 |
//! | `token`, `position`                 | in  | 16    | of the sequencer                                    |    -3 |
//! | `run_start`                         | in  | 1     | strobe: a run begins                                |    -3 |
//! | `issue_0`, `first_0`, `last_0`, `run_start_0` | out | 1 | the same                                      |     0 |
//! | `part_0[p]`, `offset_second_0`, `token_0`, `position_0` | out | 64, 24, 16, 16 | the same               |     0 |
//! | `vmem_start`                        | out | 28    | `vmem` plus loop offset and index, signed and exact |     0 |
//! | `number_0`                          | out | 7     | number of the issue's scalar; held to the next      |     0 |
//! | `pair_0`                            | out | 1     | the upper half of the lanes takes the scalar after it |   0 |
//!
//! # Invariants
//! 1. What the sequencer says travels with the issues: a side sees position and token change between two tokens' issues.

use super::DISPATCH_CYCLES;
use crate::dialect::*;
use crate::primitives::vector::{EXACT_ROW, RowStart};
use crate::primitives::{Delay, VectorPayload};
use crate::widths::SCALAR_NUMBER;
use lpu_isa::Geometry;
use lpu_isa::instruction::{B, Function, VmemIndex};

/// The registers between the vector queue and the vector side.
#[derive(LogicBlock, Default)]
pub struct VectorDispatch {
    pub clock: Signal<In, Clock>,
    pub issue: Signal<In, Bit>,
    pub first: Signal<In, Bit>,
    pub last: Signal<In, Bit>,
    pub part: Vec<Signal<In, Bits<64>>>,
    pub offset_first: Signal<In, Bits<24>>,
    pub offset_second: Signal<In, Bits<24>>,
    pub token: Signal<In, Bits<16>>,
    pub position: Signal<In, Bits<16>>,
    pub run_start: Signal<In, Bit>,
    pub issue_0: Signal<Out, Bit>,
    pub first_0: Signal<Out, Bit>,
    pub last_0: Signal<Out, Bit>,
    pub part_0: Vec<Signal<Out, Bits<64>>>,
    pub offset_second_0: Signal<Out, Bits<24>>,
    pub token_0: Signal<Out, Bits<16>>,
    pub position_0: Signal<Out, Bits<16>>,
    pub run_start_0: Signal<Out, Bit>,
    pub vmem_start: Signal<Out, Bits<EXACT_ROW>>,
    pub number_0: Signal<Out, Bits<SCALAR_NUMBER>>,
    pub pair_0: Signal<Out, Bit>,
    is_multiply: Fixed<{ Function::Multiply as u64 }, 2>,
    is_pair: Fixed<{ B::ScalarPair as u64 }, 3>,
    issue_1: DFF<Bit>,
    first_1: DFF<Bit>,
    number_2: DFF<Bits<SCALAR_NUMBER>>,
    pair_2: DFF<Bit>,
    number_3: DFF<Bits<SCALAR_NUMBER>>,
    pair_3: DFF<Bit>,
    by_token_row: Fixed<{ VmemIndex::TokenRow as u64 }, 2>,
    by_position_row: Fixed<{ VmemIndex::PositionRow as u64 }, 2>,
    by_position_lane: Fixed<{ VmemIndex::PositionLane as u64 }, 2>,
    lane_bits: Setting<4>,
    lane_mask: Setting<16>,
    token_1: DFF<Bits<16>>,
    position_1: DFF<Bits<16>>,
    offset_first_1: DFF<Bits<24>>,
    payload: VectorPayload,
    row_start: RowStart,
    issue_later: Delay<1>,
    first_later: Delay<1>,
    last_later: Delay<1>,
    part_later: Vec<Delay<64>>,
    offset_second_later: Delay<24>,
    token_later: Delay<16>,
    position_later: Delay<16>,
    run_start_later: Delay<1>,
    kind: Kind<Self>,
}

impl VectorDispatch {
    /// Cycles from inputs to outputs.
    pub const LATENCY: usize = DISPATCH_CYCLES;

    /// The registers of a chip.
    pub fn new(geometry: &Geometry) -> Self {
        let payload = VectorPayload::default();
        let parts = payload.part.len();
        let lanes = geometry.vxm_lanes;
        Self {
            part: many(parts),
            part_0: many(parts),
            lane_bits: Setting::new(lanes.ilog2()),
            lane_mask: Setting::new(lanes - 1),
            payload,
            issue_later: Delay::new(DISPATCH_CYCLES),
            first_later: Delay::new(DISPATCH_CYCLES),
            last_later: Delay::new(DISPATCH_CYCLES),
            part_later: (0..parts).map(|_| Delay::new(DISPATCH_CYCLES - 1)).collect(),
            offset_second_later: Delay::new(DISPATCH_CYCLES),
            token_later: Delay::new(DISPATCH_CYCLES),
            position_later: Delay::new(DISPATCH_CYCLES),
            run_start_later: Delay::new(DISPATCH_CYCLES),
            ..Self::default()
        }
    }
}

impl Logic for VectorDispatch {
    #[hdl_gen]
    fn update(&mut self) {
        clock!(self, clock, row_start, issue_later, first_later, last_later, offset_second_later);
        clock!(self, clock, token_later, position_later, run_start_later);
        self.issue_later.x.next = self.issue.val().into();
        self.first_later.x.next = self.first.val().into();
        self.last_later.x.next = self.last.val().into();
        self.run_start_later.x.next = self.run_start.val().into();
        self.offset_second_later.x.next = self.offset_second.val();
        self.token_later.x.next = self.token.val();
        self.position_later.x.next = self.position.val();
        self.issue_0.next = self.issue_later.y.val().get_bit(0);
        self.first_0.next = self.first_later.y.val().get_bit(0);
        self.last_0.next = self.last_later.y.val().get_bit(0);
        self.run_start_0.next = self.run_start_later.y.val().get_bit(0);
        self.offset_second_0.next = self.offset_second_later.y.val();
        self.token_0.next = self.token_later.y.val();
        self.position_0.next = self.position_later.y.val();
        for p in 0..self.part.len() {
            self.payload.part[p].next = self.part[p].val();
            clock!(self, clock, part_later[p]);
            self.part_later[p].x.next = self.part[p].val();
            self.part_0[p].next = self.part_later[p].y.val();
        }

        dff_setup!(self, clock, token_1, position_1, offset_first_1);
        self.token_1.d.next = self.token.val();
        self.position_1.d.next = self.position.val();
        self.offset_first_1.d.next = self.offset_first.val();
        self.row_start.base.next = self.payload.vmem.val();
        self.row_start.offset.next = 0.into();
        self.row_start.index.next = 0.into();
        if self.payload.vmem_offset.val().get_bit(0) {
            self.row_start.offset.next = self.offset_first_1.q.val();
        }
        if self.payload.vmem_index.val() == self.by_token_row.val() {
            self.row_start.index.next = self.token_1.q.val() >> self.lane_bits.val();
        } else if self.payload.vmem_index.val() == self.by_position_row.val() {
            self.row_start.index.next = self.position_1.q.val() >> self.lane_bits.val();
        } else if self.payload.vmem_index.val() == self.by_position_lane.val() {
            self.row_start.index.next = self.position_1.q.val() & self.lane_mask.val();
        }
        self.vmem_start.next = self.row_start.start.val();

        // Scalars step here, so that they are read a cycle before the lanes copy them.
        dff_setup!(self, clock, issue_1, first_1, number_2, pair_2, number_3, pair_3);
        self.issue_1.d.next = self.issue.val();
        self.first_1.d.next = self.first.val();
        if self.issue_1.q.val() {
            self.number_2.d.next = self.payload.scalar.val();
            if !self.first_1.q.val() {
                self.number_2.d.next =
                    self.number_2.q.val() + bit_cast::<7, 2>(self.payload.scalar_step.val());
            }
        }
        self.pair_2.d.next = (self.payload.function_code.val() == self.is_multiply.val())
            & (self.payload.b.val() == self.is_pair.val());
        self.number_3.d.next = self.number_2.q.val();
        self.pair_3.d.next = self.pair_2.q.val();
        self.number_0.next = self.number_3.q.val();
        self.pair_0.next = self.pair_3.q.val();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::{Bench, Random};
    use crate::emit::emit;
    use lpu_isa::instruction::{Instruction, Op, Vector};

    const CHIP: Geometry = Geometry::ULX3S_85F;

    /// What is issued in a cycle: the operation, the loop offset of rows read, token and position.
    type Issued = (Vector, i64, [u64; 2]);

    fn issued(random: &mut Random) -> Issued {
        let vmem_index = VmemIndex::TABLE[random.below(4) as usize].0;
        let (vmem, vmem_offset) = (random.unsigned(24) as u32, random.below(2) == 1);
        let (scalar, scalar_step) = (random.below(128) as u32, random.below(4) as u32);
        let function = Function::TABLE[random.below(Function::TABLE.len() as u64) as usize].0;
        let b = if random.below(2) == 1 { B::ScalarPair } else { B::Scalar };
        let vector =
            Vector { vmem_index, vmem, vmem_offset, scalar, scalar_step, function, b, ..Vector::default() };
        (vector, random.signed(24), [random.unsigned(16), random.unsigned(16)])
    }

    fn parts(vector: Vector) -> Vec<u64> {
        let op = Op::Vector(vector);
        Instruction { control: Default::default(), op }.encode().expect("fields fit")[1..=5].to_vec()
    }

    fn model((vector, offset, [token, position]): &Issued) -> i64 {
        let lanes = CHIP.vxm_lanes as u64;
        let index = match vector.vmem_index {
            VmemIndex::None => 0,
            VmemIndex::TokenRow => token / lanes,
            VmemIndex::PositionRow => position / lanes,
            VmemIndex::PositionLane => position % lanes,
        };
        i64::from(vector.vmem) + if vector.vmem_offset { *offset } else { 0 } + index as i64
    }

    #[test]
    fn rows_come_out_with_their_issues() {
        const CYCLES: usize = 5_000;
        let bench = Bench::new(&emit(&mut VectorDispatch::new(&CHIP), "dut").unwrap()).unwrap();
        let mut random = Random::from_seed_variable();
        let all: Vec<Issued> = (0..CYCLES).map(|_| issued(&mut random)).collect();
        let mut stimulus = bench.stimulus();
        for t in 0..=CYCLES {
            stimulus.cycle();
            if let Some((_, offset, [token, position])) = all.get(t) {
                stimulus
                    .set("issue", t as u64 & 1)
                    .set("first", t as u64 >> 1 & 1)
                    .set("last", t as u64 >> 2 & 1);
                stimulus.set("run_start", t as u64 >> 3 & 1).set("token", *token).set("position", *position);
                stimulus.set_signed("offset_first", *offset).set("offset_second", t as u64);
            }
            if let Some(before) = t.checked_sub(1) {
                parts(all[before].0).iter().enumerate().for_each(|(p, &part)| {
                    stimulus.set(&format!("part${p}"), part);
                });
            }
        }
        let response = bench.run(stimulus.idle(VectorDispatch::LATENCY)).unwrap();
        let mut number = 0;
        for (t, issued) in all.iter().enumerate() {
            let at = |name: &str| response.get(t + VectorDispatch::LATENCY, name);
            assert_eq!(
                response.signed(t + VectorDispatch::LATENCY, "vmem_start"),
                model(issued),
                "cycle {t}"
            );
            let strobes = ["issue_0", "first_0", "last_0", "run_start_0"].map(at);
            assert_eq!(strobes, [0, 1, 2, 3].map(|bit| t as u64 >> bit & 1), "cycle {t}");
            let vector = &issued.0;
            if t & 1 == 1 {
                number = if t >> 1 & 1 == 1 { vector.scalar } else { (number + vector.scalar_step) % 128 };
            }
            let pair = vector.function == Function::Multiply && vector.b == B::ScalarPair;
            assert_eq!([at("number_0"), at("pair_0")], [u64::from(number), u64::from(pair)], "cycle {t}");
            let numbers = ["token_0", "position_0", "offset_second_0"].map(at);
            assert_eq!(numbers, [issued.2[0], issued.2[1], t as u64], "cycle {t}");
            let found: Vec<u64> = (0..5).map(|p| at(&format!("part_0${p}"))).collect();
            assert_eq!(found, parts(issued.0), "cycle {t}");
        }
    }

    /// Needs no model: without offset and index, the row passes as it is, whatever else changes.
    #[test]
    fn a_row_without_offset_passes() {
        let bench = Bench::new(&emit(&mut VectorDispatch::new(&CHIP), "dut").unwrap()).unwrap();
        let mut random = Random::from_seed_variable();
        let vector = Vector { vmem: 0x12_3456, ..Vector::default() };
        let mut stimulus = bench.stimulus();
        for _ in 0..200 {
            stimulus.cycle().set("token", random.unsigned(16)).set("offset_first", random.unsigned(24));
            parts(vector).iter().enumerate().for_each(|(p, &part)| {
                stimulus.set(&format!("part${p}"), part);
            });
        }
        let response = bench.run(&stimulus).unwrap();
        assert!((VectorDispatch::LATENCY..200).all(|t| response.get(t, "vmem_start") == 0x12_3456));
    }
}
