//! Which results each beat gives, and to which lanes of the row of sums they go.
//!
//! ```text
//!  tap ─────►[reg]─► results, rungs ─►[reg]──────────► delayed to the ladder
//!  lane ────►[reg]─► lane pointer ───►[reg]─► wraps    delayed to the sums
//!  cycle 0      1                        2
//! ```
//!
//! | port        | dir | width  | meaning                                                             | cycle             |
//! |-------------|-----|--------|---------------------------------------------------------------------|------------------:|
//! | `beat`      | in  | 1      | strobe: an issue of `Dot`                                           |                 0 |
//! | `first`     | in  | 1      | its instruction's first                                             |                 0 |
//! | `tap`       | in  | 4      | `Dot`'s field                                                       |                 0 |
//! | `wanted`    | in  | `LANE` | `Dot`'s field `lane`                                                |                 0 |
//! | `advance`   | in  | 1      | `lane_advance`                                                      |                 0 |
//! | `clears`    | in  | 2      | `Dot`'s field `clear`                                               |                 0 |
//! | `begins`    | in  | 1      | with external memory: `Clear::First` clears, instead of with `first` |                0 |
//! | `wraps`     | out | 1      | the beat's results end with the last lane                           |                 2 |
//! | `rung[r]`   | out | 1      | the tap is at or above the rung `r` of the ladder                   | 6 + first tap + `r` |
//! | `sums_beat` | out | 1      | the beat, for [`Sums`](super::sums::Sums)                           |          6 + tree |
//! | `clear`     | out | 1      | it replaces the sums of its lanes                                   |          6 + tree |
//! | `lane`      | out | `LANE` | its first lane                                                      |          6 + tree |
//! | `keep`      | out | `LANE` | index bits that the lanes of its window share                       |          6 + tree |
//!
//! `tree` is log2 of the lanes of the matrix unit, the first tap log2 of its groups. With `n` results, a power of two, the
//! window's lanes differ from its first in the bits below `n` only: `keep` is `-n`.
//!
//! # Invariants
//! 1. `lane` is a multiple of the number of results at each beat, because it is at the first.
//! 2. What a beat needs later travels with it: the queue may show another instruction's payload by then.

use super::group::LaneGroup;
use super::sums::Sums;
use crate::dialect::*;
use crate::primitives::Delay;
use crate::widths::LANE;
use lpu_isa::Geometry;
use lpu_isa::instruction::Clear;

/// Cycle of a beat's products, where the tree begins.
const PRODUCT_CYCLE: usize = LaneGroup::LATENCY;

/// The lane window of beats.
#[derive(LogicBlock, Default)]
pub struct LaneWindow {
    pub clock: Signal<In, Clock>,
    pub beat: Signal<In, Bit>,
    pub first: Signal<In, Bit>,
    pub tap: Signal<In, Bits<4>>,
    pub wanted: Signal<In, Bits<LANE>>,
    pub advance: Signal<In, Bit>,
    pub clears: Signal<In, Bits<2>>,
    pub begins: Vec<Signal<In, Bit>>,
    pub wraps: Signal<Out, Bit>,
    pub rung: Vec<Signal<Out, Bits<1>>>,
    pub sums_beat: Signal<Out, Bit>,
    pub clear: Signal<Out, Bit>,
    pub lane: Signal<Out, Bits<LANE>>,
    pub keep: Signal<Out, Bits<LANE>>,
    clears_always: Fixed<{ Clear::Always as u64 }, 2>,
    clears_first: Fixed<{ Clear::First as u64 }, 2>,
    last_lane: Setting<LANE>,
    results_at: Vec<Setting<LANE>>,
    beat_1: DFF<Bit>,
    first_1: DFF<Bit>,
    tap_1: DFF<Bits<4>>,
    wanted_1: DFF<Bits<LANE>>,
    advance_1: DFF<Bit>,
    clear_1: DFF<Bit>,
    results: Signal<Local, Bits<LANE>>,
    chosen: Signal<Local, Bits<LANE>>,
    now: DFF<Bits<LANE>>,
    next: DFF<Bits<LANE>>,
    keep_2: DFF<Bits<LANE>>,
    rung_later: Vec<Delay<1>>,
    beat_later: Delay<1>,
    clear_later: Delay<1>,
    lane_later: Delay<LANE>,
    keep_later: Delay<LANE>,
    _first_tap: usize,
    kind: Kind<Self>,
}

impl LaneWindow {
    /// The window of a chip.
    pub fn new(geometry: &Geometry) -> Self {
        let (tree, lanes) = (geometry.tree_levels(), geometry.vxm_lanes);
        let first_tap = geometry.groups().ilog2() as usize;
        let rungs = lanes.ilog2() as usize;
        // Results at tap first_tap + 1 + r; all lanes, at the first tap, is zero modulo the lanes.
        let results = |r: usize| Setting::new(lanes >> (r + 1));
        let to_sums = PRODUCT_CYCLE + tree;
        Self {
            begins: many(usize::from(geometry.has_external_memory())),
            rung: many(rungs),
            last_lane: Setting::new(lanes - 1),
            results_at: (0..rungs).map(results).collect(),
            rung_later: (0..rungs).map(|r| Delay::new(PRODUCT_CYCLE + first_tap + r - 1)).collect(),
            beat_later: Delay::new(to_sums - 1),
            clear_later: Delay::new(to_sums - 1),
            lane_later: Delay::new(to_sums - 2),
            keep_later: Delay::new(to_sums - 2),
            _first_tap: first_tap,
            ..Self::default()
        }
    }

    /// Cycles from beat to the sums that it updates.
    pub const fn latency(geometry: &Geometry) -> usize {
        PRODUCT_CYCLE + geometry.tree_levels() + Sums::LATENCY
    }
}

impl Logic for LaneWindow {
    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(self, clock, beat_1, first_1, tap_1, wanted_1, advance_1, clear_1, now, next, keep_2);
        clock!(self, clock, beat_later, clear_later, lane_later, keep_later);
        self.beat_1.d.next = self.beat.val();
        self.first_1.d.next = self.first.val();
        self.tap_1.d.next = self.tap.val();
        self.wanted_1.d.next = self.wanted.val();
        self.advance_1.d.next = self.advance.val();
        self.clear_1.d.next = (self.clears.val() == self.clears_always.val())
            | (self.first.val() & (self.clears.val() == self.clears_first.val()));
        for e in 0..self.begins.len() {
            self.clear_1.d.next = (self.clears.val() == self.clears_always.val())
                | (self.begins[e].val() & (self.clears.val() == self.clears_first.val()));
        }

        self.results.next = 0.into();
        for tap in self._first_tap..(self._first_tap + 1) {
            for r in 0..self.rung.len() {
                if self.tap_1.q.val() == (tap + r + 1).to_bits::<4>() {
                    self.results.next = self.results_at[r].val();
                }
                self.rung_later[r].x.next = (self.tap_1.q.val() >= (tap + r + 1).to_bits::<4>()).into();
            }
        }
        self.chosen.next = self.now.q.val();
        if self.first_1.q.val() {
            self.chosen.next = self.wanted_1.q.val();
        } else if self.advance_1.q.val() {
            self.chosen.next = self.next.q.val();
        }
        if self.beat_1.q.val() {
            self.now.d.next = self.chosen.val();
            self.next.d.next = (self.chosen.val() + self.results.val()) & self.last_lane.val();
        }
        self.keep_2.d.next = !self.results.val() + 1;
        self.wraps.next = self.next.q.val() == 0;

        for r in 0..self.rung.len() {
            clock!(self, clock, rung_later[r]);
            self.rung[r].next = self.rung_later[r].y.val();
        }
        self.beat_later.x.next = self.beat_1.q.val().into();
        self.sums_beat.next = self.beat_later.y.val().get_bit(0);
        self.clear_later.x.next = self.clear_1.q.val().into();
        self.clear.next = self.clear_later.y.val().get_bit(0);
        self.lane_later.x.next = self.now.q.val();
        self.lane.next = self.lane_later.y.val();
        self.keep_later.x.next = self.keep_2.q.val();
        self.keep.next = self.keep_later.y.val();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::{Bench, Random};
    use crate::emit::emit;
    use crate::mxm::schedule::{Slot, slots};

    /// Tap, first lane, whether it advances, when it clears.
    type Fields = (u32, u64, bool, u64);

    fn fields(random: &mut Random, chip: &Geometry) -> Fields {
        let tap = chip.groups().ilog2() + random.below(u64::from(chip.vxm_lanes.ilog2()) + 1) as u32;
        let results = chip.mxm_lanes as u64 >> tap;
        let lane = random.below(chip.vxm_lanes as u64 / results) * results;
        (tap, lane, random.below(2) == 1, random.below(3))
    }

    /// Whether `Clear::First` clears: with external memory in every other beat, for instance.
    fn begins(chip: &Geometry, slot: &Slot) -> bool {
        slot.k == 0 || chip.has_external_memory() && slot.k % 2 == 0
    }

    fn check(chip: &Geometry) {
        let bench = Bench::new(&emit(&mut LaneWindow::new(chip), "lane_window").unwrap()).unwrap();
        let mut random = Random::from_seed_variable();
        let slots = slots(&mut random, 1000);
        let all: Vec<Fields> = (0..1000).map(|_| fields(&mut random, chip)).collect();
        let mut stimulus = bench.stimulus();
        for slot in &slots {
            stimulus.cycle().set("tap", random.below(16)).set("wanted", random.unsigned(LANE as u32));
            stimulus
                .set("advance", random.below(2))
                .set("clears", random.below(4))
                .set("first", random.below(2));
            if chip.has_external_memory() {
                let begins = slot.map_or_else(|| random.below(2), |slot| u64::from(begins(chip, &slot)));
                stimulus.set("begins$0", begins);
            }
            if let Some(slot) = slot {
                let (tap, lane, advance, clears) = all[slot.instruction];
                stimulus.set("beat", 1).set("first", u64::from(slot.k == 0)).set("tap", tap.into());
                stimulus.set("wanted", lane).set("advance", advance.into()).set("clears", clears);
            }
        }
        let (tree, first_tap) = (chip.tree_levels(), chip.groups().ilog2());
        let response = bench.run(stimulus.idle(LaneWindow::latency(chip))).unwrap();
        for (t, slot) in slots.iter().enumerate() {
            let sums = t + PRODUCT_CYCLE + tree;
            assert_eq!(response.get(sums, "sums_beat") == 1, slot.is_some(), "cycle {t}");
            let Some(slot) = slot else { continue };
            let (tap, lane, advance, clears) = all[slot.instruction];
            let (lanes, results) = (chip.vxm_lanes as u64, chip.mxm_lanes as u64 >> tap);
            let lane = (lane + if advance { slot.k as u64 * results } else { 0 }) % lanes;
            assert_eq!(response.get(t + 2, "wraps") == 1, lane + results == lanes, "cycle {t}");
            assert_eq!(response.get(sums, "lane"), lane, "cycle {t}");
            let clear = clears == Clear::Always as u64 || clears == Clear::First as u64 && begins(chip, slot);
            assert_eq!(response.get(sums, "clear") == 1, clear, "cycle {t}");
            let keep = response.get(sums, "keep");
            let window: Vec<u64> = (0..lanes).filter(|l| (l ^ lane) & keep == 0).collect();
            assert_eq!(window, (lane..lane + results).collect::<Vec<_>>(), "cycle {t}");
            for r in 0..chip.vxm_lanes.ilog2() {
                let at = t + PRODUCT_CYCLE + (first_tap + r) as usize;
                assert_eq!(
                    response.get(at, &format!("rung${r}")) == 1,
                    tap > first_tap + r,
                    "rung {r}, cycle {t}"
                );
            }
        }
    }

    #[test]
    fn windows_are_those_of_the_model() {
        Geometry::ALL.iter().chain([&Geometry::NANO_SDRAM]).for_each(check);
    }

    /// Needs no model: beats that advance through the row wrap once every `lanes / results` of them.
    #[test]
    fn windows_tile_the_row() {
        let chip = Geometry::ULX3S_85F;
        let bench = Bench::new(&emit(&mut LaneWindow::new(&chip), "lane_window").unwrap()).unwrap();
        for tap in 3..8 {
            let mut stimulus = bench.stimulus();
            for t in 0..64 {
                stimulus
                    .cycle()
                    .set("beat", 1)
                    .set("first", u64::from(t == 0))
                    .set("tap", tap)
                    .set("advance", 1);
            }
            let response = bench.run(stimulus.idle(2)).unwrap();
            let wraps = (0..64).filter(|t| response.get(t + 2, "wraps") == 1).count();
            assert_eq!(wraps, 64 * (128 >> tap) / 16, "tap {tap}");
        }
    }
}
