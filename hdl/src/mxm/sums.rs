//! The row of sums: one 32-bit accumulator for each lane of a vector row, and the window of lanes that a beat updates.
//!
//! ```text
//!  bus[l] ───────────────────────────┐
//!  clear ─────►[a copy a lane]─► & ──┴─► (+) ─►[reg]─┬─► sum[l]
//!                                ▲                   │
//!                                └───────────────────┘
//!  lane, keep ─► in window? ─►[reg]─────────── enable
//!          cycle 6+tree            7+tree           8+tree
//! ```
//!
//! | port     | dir | width  | meaning                                                    | cycle  |
//! |----------|-----|--------|------------------------------------------------------------|--------|
//! | `beat`   | in  | 1      | a beat is here                                             | 6+tree |
//! | `clear`  | in  | 1      | it replaces the sums of its lanes                          | 6+tree |
//! | `lane`   | in  | `LANE` | first lane of its results                                  | 6+tree |
//! | `keep`   | in  | `LANE` | index bits that all lanes of its window share with `lane`  | 6+tree |
//! | `bus[l]` | in  | 32     | result for lane `l`, if that is in the window              | 7+tree |
//! | `sum[l]` | out | 32     | the sum, this beat included                                | 8+tree |
//!
//! # Invariants
//! 1. Sums wrap at 32 bits.
//! 2. `lane` is a multiple of the window's size, so the window is all lanes whose index agrees with it in the bits of `keep`.

use crate::dialect::*;
use crate::primitives::LocalCopy;
use crate::widths::LANE;
use lpu_isa::Geometry;

/// One accumulator.
#[derive(LogicBlock, Default)]
pub struct SumLane {
    pub clock: Signal<In, Clock>,
    pub in_window: Signal<In, Bit>,
    pub clear: Signal<In, Bit>,
    pub x: Signal<In, Bits<32>>,
    pub sum: Signal<Out, Bits<32>>,
    enable: DFF<Bit>,
    clear_here: LocalCopy<1>,
    base: Signal<Local, Bits<32>>,
    held: DFF<Bits<32>>,
    kind: Kind<Self>,
}

impl Logic for SumLane {
    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(self, clock, enable, held);
        clock!(self, clock, clear_here);
        self.enable.d.next = self.in_window.val();
        self.clear_here.d.next = self.clear.val().into();
        self.base.next = self.held.q.val();
        if self.clear_here.q.val().get_bit(0) {
            self.base.next = 0.into();
        }
        if self.enable.q.val() {
            self.held.d.next = self.base.val() + self.x.val();
        }
        self.sum.next = self.held.q.val();
    }
}

/// All accumulators.
#[derive(LogicBlock, Default)]
pub struct Sums {
    pub clock: Signal<In, Clock>,
    pub beat: Signal<In, Bit>,
    pub clear: Signal<In, Bit>,
    pub lane: Signal<In, Bits<LANE>>,
    pub keep: Signal<In, Bits<LANE>>,
    pub bus: Vec<Signal<In, Bits<32>>>,
    pub sum: Vec<Signal<Out, Bits<32>>>,
    sums: Vec<SumLane>,
    kind: Kind<Self>,
}

impl Sums {
    /// Cycles from `beat` to `sum`.
    pub const LATENCY: usize = LocalCopy::<1>::LATENCY + 1;

    /// The row of sums of a chip.
    pub fn new(geometry: &Geometry) -> Self {
        let lanes = geometry.vxm_lanes;
        Self {
            bus: many(lanes),
            sum: many(lanes),
            sums: many(lanes),
            kind: Kind::named(format!("sums_{lanes}")),
            ..Self::default()
        }
    }
}

impl Logic for Sums {
    #[hdl_gen]
    fn update(&mut self) {
        for l in 0..self.sums.len() {
            clock!(self, clock, sums[l]);
            self.sums[l].clear.next = self.clear.val();
            self.sums[l].in_window.next =
                self.beat.val() & (((self.lane.val() ^ l.to_bits::<LANE>()) & self.keep.val()) == 0);
            self.sums[l].x.next = self.bus[l].val();
            self.sum[l].next = self.sums[l].sum.val();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::{Bench, Random, Response};
    use crate::emit::emit;

    struct Beat {
        beats: bool,
        clear: bool,
        results: usize,
        lane: usize,
        bus: Vec<i64>,
    }

    fn beats(chip: &Geometry, count: usize) -> Vec<Beat> {
        let mut random = Random::from_seed_variable();
        let lanes = chip.vxm_lanes;
        let mut beat = || {
            let results = lanes >> random.below(u64::from(lanes.ilog2()) + 1);
            Beat {
                beats: random.below(4) > 0,
                clear: random.below(4) == 0,
                results,
                lane: random.below((lanes / results) as u64) as usize * results,
                bus: (0..lanes).map(|_| random.signed(32)).collect(),
            }
        };
        (0..count).map(|_| beat()).collect()
    }

    fn stream(chip: &Geometry, beats: &[Beat]) -> Response {
        let bench = Bench::new(&emit(&mut Sums::new(chip), "sums").unwrap()).unwrap();
        let mut stimulus = bench.stimulus();
        for t in 0..=beats.len() {
            stimulus.cycle();
            if let Some(beat) = beats.get(t) {
                stimulus
                    .set("beat", beat.beats.into())
                    .set("clear", beat.clear.into())
                    .set("lane", beat.lane as u64);
                stimulus.set("keep", beat.results.wrapping_neg() as u64 & ((1 << LANE) - 1));
            }
            if t > 0 {
                for (l, value) in beats[t - 1].bus.iter().enumerate() {
                    stimulus.set_signed(&format!("bus${l}"), *value);
                }
            }
        }
        bench.run(stimulus.idle(Sums::LATENCY)).unwrap()
    }

    fn row(chip: &Geometry, response: &Response, t: usize) -> Vec<i64> {
        (0..chip.vxm_lanes).map(|l| response.signed(t + Sums::LATENCY, &format!("sum${l}"))).collect()
    }

    #[test]
    fn sums_are_those_of_the_model() {
        for chip in Geometry::ALL {
            let beats = beats(&chip, 5000);
            let response = stream(&chip, &beats);
            let mut sums = vec![0i32; chip.vxm_lanes];
            for (t, beat) in beats.iter().enumerate() {
                for l in (beat.lane..beat.lane + beat.results).filter(|_| beat.beats) {
                    let base = if beat.clear { 0 } else { sums[l] };
                    sums[l] = base.wrapping_add(beat.bus[l] as i32);
                }
                let expected: Vec<i64> = sums.iter().map(|sum| i64::from(*sum)).collect();
                assert_eq!(row(&chip, &response, t), expected, "beat {t}");
            }
        }
    }

    /// Needs no model: lanes outside the window, and all lanes without a beat, stay as they were.
    #[test]
    fn nothing_moves_outside_the_window() {
        let chip = Geometry::ULX3S_85F;
        let beats = beats(&chip, 1000);
        let response = stream(&chip, &beats);
        for (t, beat) in beats.iter().enumerate().skip(1) {
            let (before, after) = (row(&chip, &response, t - 1), row(&chip, &response, t));
            let outside = |l: &usize| !beat.beats || !(beat.lane..beat.lane + beat.results).contains(l);
            assert!((0..chip.vxm_lanes).filter(outside).all(|l| before[l] == after[l]), "beat {t}");
        }
    }
}
