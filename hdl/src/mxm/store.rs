//! The store port: rows of sums, normalised and masked, and gathered rows, on their way to vector memory.
//!
//! ```text
//!  sum[l] ─► shift ─►[reg]─► shift ─►[reg]─► round, limit, mask ─┐
//!       8+tree             9+tree         10+tree                ├─► row[l] ─►[reg]─► row[l]
//!  word[l] (a gathered lane, cycle 11) ─► sign-extend ───────────┘       11+tree, or 12
//! ```
//!
//! | port            | dir | width      | meaning                                                     | cycle        |
//! |-----------------|-----|------------|-------------------------------------------------------------|-------------:|
//! | `sum[l]`        | in  | 32         | row of sums                                                 |     8 + tree |
//! | `shift`         | in  | 5          | its shift                                                   |     7 + tree |
//! | `limit`         | in  | `LANE`     | its lanes above become [`WORD_MIN`](lpu_isa::arith::WORD_MIN) | 9 + tree   |
//! | `sums_leave`    | in  | 1          | it is to be stored                                          |    10 + tree |
//! | `sums_store`    | in  | `VMEM_ROW` | where                                                       |    10 + tree |
//! | `word[l]`       | in  | 10         | gathered row                                                |           11 |
//! | `gather_leaves` | in  | 1          | it is to be stored, said a cycle before                     |           10 |
//! | `gather_store`  | in  | `VMEM_ROW` | where                                                       |           11 |
//! | `valid`         | out | 1          | a row stands at the port                                    | 11 + tree, 7 |
//! | `of_sums`       | out | 1          | it is a row of sums                                         |    11 + tree |
//! | `address_next`  | out | `VMEM_ROW` | row of vector memory of what stands there in the next cycle | 10 + tree, 11 |
//! | `address`       | out | `VMEM_ROW` | its row of vector memory                                    | 11 + tree, 7 |
//! | `row[l]`        | out | 18         | the row                                                     | 11 + tree, 7 |
//! | `saturated`     | out | 1          | strobe: a lane of a row of sums met the limits of a word, masked or not | 12 + tree |
//! | `conflict`      | out | 1          | strobe: both kinds of row met here; the gathered one was stored | 11 + tree |
//!
//! # Invariants
//! 1. Without `conflict`, each row that was said to leave stands at the port in its cycle, unchanged.

use crate::dialect::*;
use crate::primitives::{Extend, LocalCopy, Normalise};
use crate::widths::{LANE, VMEM_ROW};
use lpu_isa::Geometry;
use lpu_isa::arith::{WORD_BITS, WORD_MIN};

/// One lane of the store port.
#[derive(LogicBlock, Default)]
pub struct StoreLane {
    pub clock: Signal<In, Clock>,
    pub sum: Signal<In, Bits<32>>,
    pub shift: Signal<In, Bits<5>>,
    pub masked: Signal<In, Bit>,
    pub word: Signal<In, Bits<10>>,
    pub gather: Signal<In, Bit>,
    pub row: Signal<Out, Bits<18>>,
    pub over: Signal<Out, Bit>,
    word_min: Fixed<{ WORD_MIN as u64 & ((1 << WORD_BITS) - 1) }, 18>,
    shift_here: LocalCopy<5>,
    gather_here: LocalCopy<1>,
    masked_here: DFF<Bit>,
    normalise: Normalise,
    extend: Extend<10, 18>,
    held: DFF<Bits<18>>,
    over_held: DFF<Bit>,
    kind: Kind<Self>,
}

impl Logic for StoreLane {
    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(self, clock, masked_here, held, over_held);
        clock!(self, clock, shift_here, gather_here, normalise);
        self.shift_here.d.next = self.shift.val();
        self.gather_here.d.next = self.gather.val().into();
        self.masked_here.d.next = self.masked.val();
        self.normalise.x.next = self.sum.val();
        self.normalise.shift.next = self.shift_here.q.val();
        self.extend.x.next = self.word.val();
        self.held.d.next = self.normalise.y.val();
        if self.gather_here.q.val().get_bit(0) {
            self.held.d.next = self.extend.y.val();
        } else if self.masked_here.q.val() {
            self.held.d.next = self.word_min.val();
        }
        self.row.next = self.held.q.val();
        self.over_held.d.next = self.normalise.over.val();
        self.over.next = self.over_held.q.val();
    }
}

/// The store port.
#[derive(LogicBlock, Default)]
pub struct StorePort {
    pub clock: Signal<In, Clock>,
    pub sum: Vec<Signal<In, Bits<32>>>,
    pub shift: Signal<In, Bits<5>>,
    pub limit: Signal<In, Bits<LANE>>,
    pub sums_leave: Signal<In, Bit>,
    pub sums_store: Signal<In, Bits<VMEM_ROW>>,
    pub word: Vec<Signal<In, Bits<10>>>,
    pub gather_leaves: Signal<In, Bit>,
    pub gather_store: Signal<In, Bits<VMEM_ROW>>,
    pub valid: Signal<Out, Bit>,
    pub of_sums: Signal<Out, Bit>,
    pub address_next: Signal<Out, Bits<VMEM_ROW>>,
    pub address: Signal<Out, Bits<VMEM_ROW>>,
    pub row: Vec<Signal<Out, Bits<18>>>,
    pub saturated: Signal<Out, Bit>,
    pub conflict: Signal<Out, Bit>,
    lane: Vec<StoreLane>,
    any_over: Vec<Signal<Local, Bit>>,
    gather_here: DFF<Bit>,
    valid_held: DFF<Bit>,
    of_sums_held: DFF<Bit>,
    address_held: DFF<Bits<VMEM_ROW>>,
    saturated_held: DFF<Bit>,
    conflict_held: DFF<Bit>,
    _lanes: usize,
    kind: Kind<Self>,
}

impl StorePort {
    /// Cycles from a row of sums to the port.
    pub const LATENCY: usize = Normalise::LATENCY + 1;

    /// The store port of a chip.
    pub fn new(geometry: &Geometry) -> Self {
        let lanes = geometry.vxm_lanes;
        Self {
            sum: many(lanes),
            word: many(lanes),
            row: many(lanes),
            lane: many(lanes),
            any_over: many(lanes + 1),
            _lanes: lanes,
            kind: Kind::named(format!("store_port_{lanes}")),
            ..Self::default()
        }
    }
}

impl Logic for StorePort {
    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(self, clock, gather_here, valid_held, of_sums_held, address_held, saturated_held);
        dff_setup!(self, clock, conflict_held);
        self.gather_here.d.next = self.gather_leaves.val();
        self.valid_held.d.next = self.sums_leave.val() | self.gather_here.q.val();
        self.of_sums_held.d.next = self.sums_leave.val();
        self.address_next.next = self.sums_store.val();
        if self.gather_here.q.val() {
            self.address_next.next = self.gather_store.val();
        }
        self.address_held.d.next = self.address_next.val();
        self.conflict_held.d.next = self.sums_leave.val() & self.gather_here.q.val();

        self.lane[0].masked.next = false;
        for l in 1..self.lane.len() {
            self.lane[l].masked.next = self.limit.val() < l.to_bits::<LANE>();
        }
        self.any_over[0].next = false;
        for l in 0..self.lane.len() {
            clock!(self, clock, lane[l]);
            self.lane[l].sum.next = self.sum[l].val();
            self.lane[l].shift.next = self.shift.val();
            self.lane[l].word.next = self.word[l].val();
            self.lane[l].gather.next = self.gather_leaves.val();
            self.row[l].next = self.lane[l].row.val();
            self.any_over[l + 1].next = self.any_over[l].val() | self.lane[l].over.val();
        }
        for lanes in self._lanes..(self._lanes + 1) {
            self.saturated_held.d.next = self.of_sums_held.q.val() & self.any_over[lanes].val();
        }
        self.valid.next = self.valid_held.q.val();
        self.of_sums.next = self.of_sums_held.q.val();
        self.address.next = self.address_held.q.val();
        self.saturated.next = self.saturated_held.q.val();
        self.conflict.next = self.conflict_held.q.val();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::{Bench, Random, Response};
    use crate::emit::emit;
    use lpu_isa::arith::{normalise, round_shift};

    /// What reaches the port in one cycle, from either side.
    struct Slot {
        sums: Vec<i64>,
        shift: u64,
        limit: usize,
        leaves: bool,
        words: Vec<i64>,
        gathers: bool,
        stores: [u64; 2],
    }

    fn slots(chip: &Geometry, count: usize) -> Vec<Slot> {
        let mut random = Random::from_seed_variable();
        let lanes = chip.vxm_lanes;
        let mut slot = || Slot {
            sums: (0..lanes).map(|_| random.signed(32) >> random.below(20)).collect(),
            shift: random.below(32),
            limit: random.below(lanes as u64) as usize,
            leaves: random.below(2) == 1,
            words: (0..lanes).map(|_| random.signed(10)).collect(),
            gathers: random.below(4) == 0,
            stores: [random.below(512), random.below(512)],
        };
        (0..count).map(|_| slot()).collect()
    }

    /// Cycles from the shift, which comes first, to the row at the port.
    const SHIFT_TO_PORT: usize = StorePort::LATENCY + 1;

    fn stream(chip: &Geometry, slots: &[Slot]) -> Response {
        let bench = Bench::new(&emit(&mut StorePort::new(chip), "store_port").unwrap()).unwrap();
        let mut stimulus = bench.stimulus();
        for t in 0..slots.len() + SHIFT_TO_PORT {
            stimulus.cycle();
            let before = |cycles: usize| t.checked_sub(cycles).and_then(|at| slots.get(at));
            if let Some(slot) = before(0) {
                stimulus.set("shift", slot.shift);
            }
            if let Some(slot) = before(1) {
                for (l, sum) in slot.sums.iter().enumerate() {
                    stimulus.set_signed(&format!("sum${l}"), *sum);
                }
            }
            if let Some(slot) = before(2) {
                stimulus.set("limit", slot.limit as u64).set("gather_leaves", slot.gathers.into());
            }
            if let Some(slot) = before(3) {
                stimulus.set("sums_leave", slot.leaves.into()).set("sums_store", slot.stores[0]);
                stimulus.set("gather_store", slot.stores[1]);
                for (l, word) in slot.words.iter().enumerate() {
                    stimulus.set_signed(&format!("word${l}"), *word);
                }
            }
        }
        bench.run(&stimulus).unwrap()
    }

    #[test]
    fn rows_stand_at_the_port_in_their_cycle() {
        for chip in Geometry::ALL {
            let slots = slots(&chip, 3000);
            let response = stream(&chip, &slots);
            for (b, slot) in slots.iter().enumerate().take(slots.len() - SHIFT_TO_PORT) {
                let at = b + SHIFT_TO_PORT;
                let strobes = ["valid", "of_sums", "conflict"].map(|name| response.get(at, name) == 1);
                assert_eq!(
                    strobes,
                    [slot.leaves || slot.gathers, slot.leaves, slot.leaves && slot.gathers],
                    "row {b}"
                );
                let word = |sum: &i64| i64::from(normalise(*sum as i32, slot.shift as u32));
                let over = slot.sums.iter().any(|sum| word(sum) != round_shift(*sum, slot.shift as u32));
                assert_eq!(response.get(at + 1, "saturated") == 1, slot.leaves && over, "row {b}");
                if strobes[0] {
                    let mut expected: Vec<i64> = slot.sums.iter().map(word).collect();
                    expected[slot.limit + 1..].fill(WORD_MIN.into());
                    let expected = if slot.gathers { &slot.words } else { &expected };
                    let found = |l: usize| response.signed(at, &format!("row${l}"));
                    assert_eq!((0..chip.vxm_lanes).map(found).collect::<Vec<_>>(), *expected, "row {b}");
                    assert_eq!(
                        response.get(at, "address"),
                        slot.stores[usize::from(slot.gathers)],
                        "row {b}"
                    );
                }
            }
        }
    }

    /// Told from the row alone: a lane with a larger sum has no smaller word, and masked lanes have the smallest.
    #[test]
    fn words_stand_in_the_order_of_their_sums() {
        for chip in Geometry::ALL {
            let slots = slots(&chip, 2000);
            let response = stream(&chip, &slots);
            let rows = slots.iter().enumerate().take(slots.len() - SHIFT_TO_PORT);
            for (b, slot) in rows.filter(|(_, slot)| slot.leaves && !slot.gathers) {
                let word = |l: usize| response.signed(b + SHIFT_TO_PORT, &format!("row${l}"));
                let mut lanes: Vec<usize> = (0..=slot.limit).collect();
                lanes.sort_by_key(|&l| slot.sums[l]);
                let masked = (slot.limit + 1..chip.vxm_lanes).map(word);
                let words: Vec<i64> = masked.chain(lanes.into_iter().map(word)).collect();
                assert!(words.is_sorted(), "row {b}: {words:?}");
            }
        }
    }
}
