//! When rows leave the matrix side, and what becomes of them on the way: shift, mask, store address, maximum.
//!
//! ```text
//!  payload ─►[reg]─►[reg]─┬─► leaves? ─┬──────────────► delayed to the store port
//!                 wraps ──┘            └─► store pointer
//!  cycle 0      1      2                             11 (gather), 10+tree (sums)
//! ```
//!
//! | port            | dir | width      | meaning                                                      | cycle     |
//! |-----------------|-----|------------|--------------------------------------------------------------|----------:|
//! | `beat`, `gathers` | in | 1         | strobes: an issue of `Dot`, of `Gather`                      |         0 |
//! | `first`, `last` | in  | 1          | first, last issue of the instruction                         |         0 |
//! | `emits`         | in  | 2          | `Dot`'s field `emit`                                         |         0 |
//! | `sum_shift`     | in  | 5          | `Dot`'s field `shift`                                        |         0 |
//! | `mask`          | in  | 1          | `Dot`'s field                                                |         0 |
//! | `maximum`       | in  | 1          | `Dot`'s field                                                |         0 |
//! | `wanted_scalar` | in  | `SCALAR`   | `Dot`'s field `scalar`                                       |         0 |
//! | `store`         | in  | 24         | field of both                                                |         0 |
//! | `position`      | in  | 16         | stable during a token                                        |         1 |
//! | `wraps`         | in  | 1          | the beat fills the last lane                                 |         2 |
//! | `gather_leaves` | out | 1          | a gathered row is ready for the store port in the next cycle |        10 |
//! | `gather_store`  | out | `VMEM_ROW` | its row of vector memory                                     |        11 |
//! | `shift`         | out | 5          | shift of the beat's row                                      |  7 + tree |
//! | `limit`         | out | `LANE`     | lanes above become [`WORD_MIN`](lpu_isa::arith::WORD_MIN)    |  9 + tree |
//! | `sums_leave`    | out | 1          | a row of sums is ready for the store port                    | 10 + tree |
//! | `sums_store`    | out | `VMEM_ROW` | its row of vector memory                                     | 10 + tree |
//! | `fresh`         | out | 1          | it is the first that its instruction emits                   | 11 + tree |
//! | `ends`          | out | 1          | the instruction ends with it and wants the maximum           | 11 + tree |
//! | `scalar`        | out | `SCALAR`   | scalar for the maximum                                       | 11 + tree |
//! | `outside`       | out | 1          | strobe: a row leaves for an address outside vector memory    |         3 |
//!
//! # Invariants
//! 1. Rows of one instruction go to consecutive addresses from `store`, in the order in which they leave.
//! 2. What a row needs later travels with it: queue and position may show something else by then.

use crate::dialect::*;
use crate::primitives::Delay;
use crate::widths::{LANE, SCALAR, VMEM_ROW};
use lpu_isa::Geometry;
use lpu_isa::instruction::Emit;

/// Emission of rows.
#[derive(LogicBlock, Default)]
pub struct Emission {
    pub clock: Signal<In, Clock>,
    pub beat: Signal<In, Bit>,
    pub gathers: Signal<In, Bit>,
    pub first: Signal<In, Bit>,
    pub last: Signal<In, Bit>,
    pub emits: Signal<In, Bits<2>>,
    pub sum_shift: Signal<In, Bits<5>>,
    pub mask: Signal<In, Bit>,
    pub maximum: Signal<In, Bit>,
    pub wanted_scalar: Signal<In, Bits<SCALAR>>,
    pub store: Signal<In, Bits<24>>,
    pub position: Signal<In, Bits<16>>,
    pub wraps: Signal<In, Bit>,
    pub gather_leaves: Signal<Out, Bit>,
    pub gather_store: Signal<Out, Bits<VMEM_ROW>>,
    pub shift: Signal<Out, Bits<5>>,
    pub limit: Signal<Out, Bits<LANE>>,
    pub sums_leave: Signal<Out, Bit>,
    pub sums_store: Signal<Out, Bits<VMEM_ROW>>,
    pub fresh: Signal<Out, Bit>,
    pub ends: Signal<Out, Bit>,
    pub scalar: Signal<Out, Bits<SCALAR>>,
    pub outside: Signal<Out, Bit>,
    emit_wrap: Fixed<{ Emit::Wrap as u64 }, 2>,
    emit_last: Fixed<{ Emit::Last as u64 }, 2>,
    emit_both: Fixed<{ Emit::WrapOrLast as u64 }, 2>,
    last_lane: Setting<LANE>,
    rows: Setting<24>,
    beat_1: DFF<Bit>,
    gathers_1: DFF<Bit>,
    first_1: DFF<Bit>,
    last_1: DFF<Bit>,
    on_wrap_1: DFF<Bit>,
    on_last_1: DFF<Bit>,
    mask_1: DFF<Bit>,
    maximum_1: DFF<Bit>,
    store_1: DFF<Bits<24>>,
    mask_limit: Signal<Local, Bits<LANE>>,
    beat_2: DFF<Bit>,
    gathers_2: DFF<Bit>,
    first_2: DFF<Bit>,
    on_wrap_2: DFF<Bit>,
    on_last_2: DFF<Bit>,
    ends_2: DFF<Bit>,
    store_2: DFF<Bits<24>>,
    leaves: Signal<Local, Bit>,
    address: Signal<Local, Bits<24>>,
    next_address: DFF<Bits<24>>,
    seen: DFF<Bit>,
    fresh_now: Signal<Local, Bit>,
    outside_3: DFF<Bit>,
    gather_later: Delay<1>,
    gather_store_later: Delay<VMEM_ROW>,
    shift_later: Delay<5>,
    limit_later: Delay<LANE>,
    sums_later: Delay<1>,
    sums_store_later: Delay<VMEM_ROW>,
    fresh_later: Delay<1>,
    ends_later: Delay<1>,
    scalar_later: Delay<SCALAR>,
    kind: Kind<Self>,
}

/// Cycle in which a gathered row stands before the store port.
const GATHER_READY: usize = lpu_isa::timing::GATHER_STORE_PORT as usize - 1;

impl Emission {
    /// The emission control of a chip.
    pub fn new(geometry: &Geometry) -> Self {
        // Cycle in which a row of sums stands before the store port.
        let ready = lpu_isa::timing::dot_store_port(geometry) as usize - 1;
        Self {
            last_lane: Setting::new(geometry.vxm_lanes - 1),
            rows: Setting::new(geometry.vmem_rows),
            gather_later: Delay::new(GATHER_READY - 3),
            gather_store_later: Delay::new(GATHER_READY - 2),
            shift_later: Delay::new(ready - 3),
            limit_later: Delay::new(ready - 2),
            sums_later: Delay::new(ready - 2),
            sums_store_later: Delay::new(ready - GATHER_READY),
            fresh_later: Delay::new(ready - 1),
            ends_later: Delay::new(ready - 1),
            scalar_later: Delay::new(ready + 1),
            ..Self::default()
        }
    }
}

impl Logic for Emission {
    #[hdl_gen]
    fn update(&mut self) {
        clock!(self, clock, gather_later, gather_store_later, sums_store_later, shift_later, limit_later);
        clock!(self, clock, sums_later, fresh_later, ends_later, scalar_later);
        // Cycle 0.
        dff_setup!(self, clock, beat_1, gathers_1, first_1, last_1, on_wrap_1, on_last_1, mask_1, maximum_1);
        dff_setup!(self, clock, store_1);
        self.beat_1.d.next = self.beat.val();
        self.gathers_1.d.next = self.gathers.val();
        self.first_1.d.next = self.first.val();
        self.last_1.d.next = self.last.val();
        self.on_wrap_1.d.next =
            (self.emits.val() == self.emit_wrap.val()) | (self.emits.val() == self.emit_both.val());
        self.on_last_1.d.next =
            (self.emits.val() == self.emit_last.val()) | (self.emits.val() == self.emit_both.val());
        self.mask_1.d.next = self.mask.val();
        self.maximum_1.d.next = self.maximum.val();
        self.store_1.d.next = self.store.val();
        self.shift_later.x.next = self.sum_shift.val();
        self.scalar_later.x.next = self.wanted_scalar.val();

        // Cycle 1.
        dff_setup!(self, clock, beat_2, gathers_2, first_2, on_wrap_2, on_last_2, ends_2, store_2);
        self.beat_2.d.next = self.beat_1.q.val();
        self.gathers_2.d.next = self.gathers_1.q.val();
        self.first_2.d.next = self.first_1.q.val();
        self.on_wrap_2.d.next = self.on_wrap_1.q.val();
        self.on_last_2.d.next = self.on_last_1.q.val() & self.last_1.q.val();
        self.ends_2.d.next = self.maximum_1.q.val() & self.last_1.q.val();
        self.store_2.d.next = self.store_1.q.val();
        self.mask_limit.next = self.last_lane.val();
        if self.mask_1.q.val() & self.last_1.q.val() {
            self.mask_limit.next = bit_cast::<LANE, 16>(self.position.val()) & self.last_lane.val();
        }
        self.limit_later.x.next = self.mask_limit.val();

        // Cycle 2.
        dff_setup!(self, clock, next_address, seen, outside_3);
        self.leaves.next =
            self.beat_2.q.val() & ((self.on_wrap_2.q.val() & self.wraps.val()) | self.on_last_2.q.val());
        self.address.next = self.next_address.q.val();
        self.fresh_now.next = !self.seen.q.val();
        if self.first_2.q.val() {
            self.address.next = self.store_2.q.val();
            self.fresh_now.next = true;
        }
        if self.beat_2.q.val() | self.gathers_2.q.val() {
            self.next_address.d.next = self.address.val();
            self.seen.d.next = !self.fresh_now.val() | self.leaves.val();
        }
        if self.leaves.val() | self.gathers_2.q.val() {
            self.next_address.d.next = self.address.val() + 1;
        }
        self.outside_3.d.next =
            (self.leaves.val() | self.gathers_2.q.val()) & (self.address.val() >= self.rows.val());
        self.outside.next = self.outside_3.q.val();
        self.sums_later.x.next = self.leaves.val().into();
        self.gather_later.x.next = self.gathers_2.q.val().into();
        self.gather_store_later.x.next = self.address.val().get_bits::<VMEM_ROW>(0);
        self.fresh_later.x.next = self.fresh_now.val().into();
        self.ends_later.x.next = self.ends_2.q.val().into();

        self.gather_leaves.next = self.gather_later.y.val().get_bit(0);
        self.gather_store.next = self.gather_store_later.y.val();
        self.sums_store_later.x.next = self.gather_store_later.y.val();
        self.sums_store.next = self.sums_store_later.y.val();
        self.shift.next = self.shift_later.y.val();
        self.limit.next = self.limit_later.y.val();
        self.sums_leave.next = self.sums_later.y.val().get_bit(0);
        self.fresh.next = self.fresh_later.y.val().get_bit(0);
        self.ends.next = self.ends_later.y.val().get_bit(0);
        self.scalar.next = self.scalar_later.y.val();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::{Bench, Random, Response};
    use crate::emit::emit;
    use crate::mxm::schedule::{Slot, slots};

    #[derive(Clone, Copy)]
    struct Fields {
        gather: bool,
        emits: u64,
        shift: u64,
        mask: bool,
        maximum: bool,
        scalar: u64,
        store: u64,
    }

    fn fields(random: &mut Random) -> Fields {
        Fields {
            gather: random.below(3) == 0,
            emits: random.below(4),
            shift: random.below(32),
            mask: random.below(2) == 1,
            maximum: random.below(2) == 1,
            scalar: random.below(16),
            store: random.below(516),
        }
    }

    struct Script {
        slots: Vec<Option<Slot>>,
        fields: Vec<Fields>,
        wraps: Vec<bool>,
        position: u64,
    }

    impl Script {
        fn random(instructions: usize) -> Self {
            let mut random = Random::from_seed_variable();
            let slots = slots(&mut random, instructions);
            Self {
                fields: (0..instructions).map(|_| fields(&mut random)).collect(),
                wraps: slots.iter().map(|_| random.below(2) == 1).collect(),
                position: random.below(1024),
                slots,
            }
        }

        /// Streams the issues, with arbitrary payload between them.
        fn run(&self, chip: &Geometry) -> Response {
            let bench = Bench::new(&emit(&mut Emission::new(chip), "emission").unwrap()).unwrap();
            let mut random = Random::from_seed_variable();
            let mut stimulus = bench.stimulus();
            for t in 0..self.slots.len() + 2 {
                stimulus.cycle().set("position", self.position);
                stimulus
                    .set("emits", random.below(4))
                    .set("mask", random.below(2))
                    .set("store", random.unsigned(24));
                stimulus
                    .set("first", random.below(2))
                    .set("last", random.below(2))
                    .set("maximum", random.below(2));
                stimulus.set("wraps", t.checked_sub(2).is_some_and(|at| self.wraps[at]).into());
                if let Some(Some(slot)) = self.slots.get(t) {
                    let fields = self.fields[slot.instruction];
                    stimulus.set("gathers", fields.gather.into()).set("beat", (!fields.gather).into());
                    stimulus.set("first", u64::from(slot.k == 0)).set("last", slot.last.into());
                    stimulus
                        .set("emits", fields.emits)
                        .set("sum_shift", fields.shift)
                        .set("mask", fields.mask.into());
                    stimulus.set("maximum", fields.maximum.into()).set("wanted_scalar", fields.scalar);
                    stimulus.set("store", fields.store);
                }
            }
            bench.run(stimulus.idle(40)).unwrap()
        }

        fn leaves(&self, t: usize) -> Option<(Slot, Fields)> {
            let slot = self.slots[t]?;
            let fields = self.fields[slot.instruction];
            let (on_wrap, on_last) = match Emit::TABLE[fields.emits as usize].0 {
                Emit::Never => (false, false),
                Emit::Wrap => (true, false),
                Emit::Last => (false, true),
                Emit::WrapOrLast => (true, true),
            };
            (fields.gather || on_wrap && self.wraps[t] || on_last && slot.last).then_some((slot, fields))
        }
    }

    fn check(chip: &Geometry) {
        let script = Script::random(1000);
        let response = script.run(chip);
        let port = lpu_isa::timing::dot_store_port(chip) as usize;
        let (lanes, mut left) = (chip.vxm_lanes as u64, 0);
        for t in 0..script.slots.len() {
            if script.slots[t].is_some_and(|slot| slot.k == 0) {
                left = 0;
            }
            let row = script.leaves(t);
            let of = |gather: bool| row.is_some_and(|(_, fields)| fields.gather == gather);
            assert_eq!(response.get(t + GATHER_READY - 1, "gather_leaves") == 1, of(true), "cycle {t}");
            assert_eq!(response.get(t + port - 1, "sums_leave") == 1, of(false), "cycle {t}");
            let Some((slot, fields)) = row else {
                assert_eq!(response.get(t + 3, "outside"), 0, "cycle {t}");
                continue;
            };
            let address = fields.store + left;
            assert_eq!(response.get(t + 3, "outside") == 1, address >= chip.vmem_rows as u64, "cycle {t}");
            if fields.gather {
                assert_eq!(response.get(t + GATHER_READY, "gather_store"), address % 512, "cycle {t}");
            } else {
                let limit = if fields.mask && slot.last { script.position % lanes } else { lanes - 1 };
                assert_eq!(response.get(t + port - 1, "sums_store"), address % 512, "cycle {t}");
                assert_eq!(response.get(t + port - 4, "shift"), fields.shift, "cycle {t}");
                assert_eq!(response.get(t + port - 2, "limit"), limit, "cycle {t}");
                assert_eq!(response.get(t + port, "fresh") == 1, left == 0, "cycle {t}");
                assert_eq!(response.get(t + port, "ends") == 1, fields.maximum && slot.last, "cycle {t}");
                assert_eq!(response.get(t + port, "scalar"), fields.scalar, "cycle {t}");
            }
            left += 1;
        }
    }

    #[test]
    fn rows_leave_as_the_model_says() {
        Geometry::ALL.iter().for_each(check);
    }

    /// Told from the outputs alone: what is not the first row of its instruction goes to the address after the last one.
    #[test]
    fn rows_of_an_instruction_follow_each_other_in_memory() {
        for chip in Geometry::ALL {
            let script = Script::random(1000);
            let response = script.run(&chip);
            let (mut previous, mut runs, mut rows) = (None, 0, 0);
            for t in (0..script.slots.len() + 30).filter(|&t| response.get(t, "sums_leave") == 1) {
                let address = response.get(t, "sums_store");
                if response.get(t + 1, "fresh") == 1 {
                    runs += 1;
                } else {
                    assert_eq!(Some(address), previous.map(|last: u64| (last + 1) % 512), "cycle {t}");
                }
                previous = Some(address);
                rows += 1;
            }
            assert!(runs > 100 && rows > runs, "{runs} first rows of {rows}");
        }
    }
}
