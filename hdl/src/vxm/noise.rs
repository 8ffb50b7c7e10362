//! The random generator: one number a cycle into a buffer of rows, one row taken at a time.
//!
//! ```text
//!  seed ─► taus88 state ─► step ─►[reg]─► Gumbel (6 stages) ─► lane by lane into LUT RAM ─► row ─►[reg]
//!             ▲                                                 lane, row counters           ▲
//!             └── while fewer than noise_rows rows wait ◄──────────────────────── take ──────┘
//! ```
//!
//! | port        | dir | width | meaning                                             | cycle |
//! |-------------|-----|------:|-----------------------------------------------------|------:|
//! | `clock`     | in  |     1 |                                                     |       |
//! | `start`     | in  |     1 | a run begins: the buffer empties, the generator is seeded |  |
//! | `seed`      | in  |    32 | with `start`                                        |       |
//! | `sampling`  | in  |     1 | with `start`: numbers are random, else zero         |       |
//! | `take`      | in  |     1 | the next row is used                                |     1 |
//! | `underrun`  | out |     1 | it was not complete, and stays to be taken          |     2 |
//! | `row[l]`    | out |    18 | it                                                  |     3 |
//!
//! The numbers of a run depend on its seed alone, never on when rows are taken. Each lane has its own memory, which
//! the generator writes in turn: no row is put together anywhere.
//!
//! # Invariants
//! 1. A row is written only while it waits for nobody: at most `noise_rows` are complete or begun.

use crate::dialect::*;
use crate::primitives::vector::{Gumbel, Taus88Step};
use crate::primitives::{LocalCopy, LutRam};
use crate::widths::{LANE, NOISE_ROW};
use lpu_isa::Geometry;
use lpu_isa::arith::Taus88;

/// Cycles from a step of the generator to its number at the memories.
const NUMBER_CYCLES: usize = 1 + Gumbel::LATENCY;
/// The last stage, where numbers meet the memories, is written as 6 in the kernel.
const _: () = assert!(NUMBER_CYCLES == 7);
/// Bits that count the rows made or taken: one more than an index, so that full and empty differ.
const COUNT: usize = NOISE_ROW + 1;

/// Generator and buffer.
#[derive(LogicBlock, Default)]
pub struct Noise {
    pub clock: Signal<In, Clock>,
    pub start: Signal<In, Bit>,
    pub seed: Signal<In, Bits<32>>,
    pub sampling: Signal<In, Bit>,
    pub take: Signal<In, Bit>,
    pub row: Vec<Signal<Out, Bits<18>>>,
    pub underrun: Signal<Out, Bit>,
    seed_step: [Setting<32>; 3],
    seed_mask: [Setting<32>; 3],
    rows: Setting<COUNT>,
    row_mask: Setting<COUNT>,
    last_lane: Setting<LANE>,
    state: [DFF<Bits<32>>; 3],
    step: Taus88Step,
    random: DFF<Bits<32>>,
    gumbel: Gumbel,
    is_sampling: DFF<Bit>,
    making: DFF<Bit>,
    lane_made: DFF<Bits<LANE>>,
    /// Rows begun by the generator, rows complete in memory, rows taken; modulo twice the buffer.
    begun: DFF<Bits<COUNT>>,
    complete: DFF<Bits<COUNT>>,
    taken: DFF<Bits<COUNT>>,
    /// Rows begun and not taken, a cycle ago; whether no row was being made then either.
    waiting: DFF<Bits<COUNT>>,
    paused: DFF<Bit>,
    last_row: Setting<COUNT>,
    arriving: [DFF<Bit>; NUMBER_CYCLES],
    lane_written: DFF<Bits<LANE>>,
    number: Signal<Local, Bits<18>>,
    // What is written, on its way to the memories.
    number_8: DFF<Bits<18>>,
    row_8: DFF<Bits<NOISE_ROW>>,
    write_8: Vec<LocalCopy<1>>,
    memory: Vec<LutRam<NOISE_ROW, 18, 1>>,
    /// The row read: a copy for each lane.
    taken_2: Vec<LocalCopy<NOISE_ROW>>,
    row_3: Vec<DFF<Bits<18>>>,
    underrun_2: DFF<Bit>,
    kind: Kind<Self>,
}

impl Noise {
    /// Cycles from `take` to `row`.
    pub const LATENCY: usize = LocalCopy::<NOISE_ROW>::LATENCY + 1;

    /// The generator of a chip.
    pub fn new(geometry: &Geometry) -> Self {
        let lanes = geometry.vxm_lanes;
        let rows = geometry.noise_rows;
        Self {
            row: many(lanes),
            seed_step: Taus88::SEED_STEP.map(Setting::new),
            seed_mask: Taus88::SEED_MASK.map(Setting::new),
            rows: Setting::new(rows),
            row_mask: Setting::new(2 * rows - 1),
            last_row: Setting::new(rows - 1),
            last_lane: Setting::new(lanes - 1),
            write_8: many(lanes),
            memory: many(lanes),
            taken_2: many(lanes),
            row_3: many(lanes),
            ..Self::default()
        }
    }
}

impl Logic for Noise {
    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(self, clock, is_sampling, making, lane_made, begun, complete, taken, lane_written);
        clock!(self, clock, random, gumbel, waiting, paused, underrun_2, number_8, row_8);

        // The generator: a step in each cycle in which a number is made.
        self.step.a.next = self.state[0].q.val();
        self.step.b.next = self.state[1].q.val();
        self.step.c.next = self.state[2].q.val();
        for i in 0..3 {
            dff_setup!(self, clock, state[i]);
        }
        if self.making.q.val() {
            self.state[0].d.next = self.step.a_next.val();
            self.state[1].d.next = self.step.b_next.val();
            self.state[2].d.next = self.step.c_next.val();
            self.lane_made.d.next = self.lane_made.q.val() + 1;
            if self.lane_made.q.val() == self.last_lane.val() {
                self.lane_made.d.next = 0.into();
                self.begun.d.next = (self.begun.q.val() + 1) & self.row_mask.val();
            }
        }
        // At the border of two rows: go on if the buffer has room for another. The rows counted are those of a cycle
        // ago: a row taken since only makes more room, and after a pause begins none was begun since.
        self.waiting.d.next = (self.begun.q.val() - self.taken.q.val()) & self.row_mask.val();
        self.paused.d.next = !self.making.q.val();
        if self.making.q.val() & (self.lane_made.q.val() == self.last_lane.val()) {
            self.making.d.next = self.waiting.q.val() != self.last_row.val();
        }
        if !self.making.q.val() & self.paused.q.val() {
            self.making.d.next = self.waiting.q.val() != self.rows.val();
        }
        for i in 0..NUMBER_CYCLES {
            clock!(self, clock, arriving[i]);
        }
        self.arriving[0].d.next = self.making.q.val();
        for i in 1..NUMBER_CYCLES {
            self.arriving[i].d.next = self.arriving[i - 1].q.val();
        }
        self.random.d.next = self.step.value.val();
        self.gumbel.bits.next = self.random.q.val();

        // Numbers arrive at the memories in the order in which they were made.
        self.number.next = 0.into();
        if self.is_sampling.q.val() {
            self.number.next = self.gumbel.value.val();
        }
        if self.arriving[6].q.val() {
            self.lane_written.d.next = self.lane_written.q.val() + 1;
            if self.lane_written.q.val() == self.last_lane.val() {
                self.lane_written.d.next = 0.into();
                self.complete.d.next = (self.complete.q.val() + 1) & self.row_mask.val();
            }
        }
        // A row counts as complete a cycle before its last number is written: it is read two cycles after it is taken.
        self.number_8.d.next = self.number.val();
        self.row_8.d.next = self.complete.q.val().get_bits::<NOISE_ROW>(0);
        for l in 0..self.memory.len() {
            clock!(self, clock, write_8[l], memory[l], taken_2[l], row_3[l]);
            self.write_8[l].d.next =
                (self.arriving[6].q.val() & (self.lane_written.q.val() == l.to_bits())).into();
            self.memory[l].write_enable.next = self.write_8[l].q.val().any();
            self.memory[l].write_address.next = self.row_8.q.val();
            self.memory[l].write_data.next = self.number_8.q.val();
            self.taken_2[l].d.next = self.taken.q.val().get_bits::<NOISE_ROW>(0);
            self.memory[l].read_address[0].next = self.taken_2[l].q.val();
            self.row_3[l].d.next = self.memory[l].read_data[0].val();
            self.row[l].next = self.row_3[l].q.val();
        }

        self.underrun_2.d.next = false;
        if self.take.val() {
            if self.taken.q.val() == self.complete.q.val() {
                self.underrun_2.d.next = true;
            } else {
                self.taken.d.next = (self.taken.q.val() + 1) & self.row_mask.val();
            }
        }
        self.underrun.next = self.underrun_2.q.val();

        if self.start.val() {
            self.is_sampling.d.next = self.sampling.val();
            self.making.d.next = false;
            self.lane_made.d.next = 0.into();
            self.lane_written.d.next = 0.into();
            self.begun.d.next = 0.into();
            self.complete.d.next = 0.into();
            self.taken.d.next = 0.into();
            for i in 0..NUMBER_CYCLES {
                self.arriving[i].d.next = false;
            }
            for i in 0..3 {
                self.state[i].d.next = (self.seed.val() + self.seed_step[i].val()) | self.seed_mask[i].val();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::{Bench, Random, Response};
    use crate::emit::emit;
    use lpu_isa::arith::gumbel;

    const CHIP: Geometry = Geometry::NANO;

    /// Starts a run in cycle 0 and takes rows in the given cycles.
    fn run(seed: u32, sampling: bool, takes: &[usize]) -> Response {
        let bench = Bench::new(&emit(&mut Noise::new(&CHIP), "noise").unwrap()).unwrap();
        let mut stimulus = bench.stimulus();
        stimulus.cycle().set("start", 1).set("seed", seed.into()).set("sampling", sampling.into());
        for cycle in 1..takes.last().unwrap() + 1 + Noise::LATENCY {
            stimulus.cycle().set("take", takes.contains(&cycle).into());
        }
        bench.run(&stimulus).unwrap()
    }

    fn row(response: &Response, cycle: usize) -> Vec<i64> {
        (0..CHIP.vxm_lanes)
            .map(|lane| response.signed(cycle + Noise::LATENCY, &format!("row${lane}")))
            .collect()
    }

    /// Cycles to take rows in: never faster than they are made, with pauses that fill the buffer.
    fn takes(random: &mut Random, rows: usize) -> Vec<usize> {
        let mut cycle = 40;
        let mut next = |index: usize| {
            cycle += CHIP.vxm_lanes + random.below(3) as usize;
            cycle += if index % 50 == 7 { 2 * CHIP.noise_rows * CHIP.vxm_lanes } else { 0 };
            cycle
        };
        (0..rows).map(&mut next).collect()
    }

    #[test]
    fn rows_are_the_generator_s_numbers_in_order() {
        let mut random = Random::from_seed_variable();
        let takes = takes(&mut random, 200);
        let seed = random.unsigned(32) as u32;
        let response = run(seed, true, &takes);
        let mut generator = Taus88::new(seed);
        for cycle in takes {
            let expected: Vec<i64> = (0..CHIP.vxm_lanes).map(|_| gumbel(generator.next()).into()).collect();
            assert_eq!(row(&response, cycle), expected, "taken in cycle {cycle}");
            assert_eq!(response.get(cycle + 1, "underrun"), 0, "cycle {cycle}");
        }
    }

    #[test]
    fn without_sampling_rows_are_zero() {
        let takes = takes(&mut Random::from_seed_variable(), 20);
        let response = run(7, false, &takes);
        assert!(takes.iter().all(|cycle| row(&response, *cycle).iter().all(|number| *number == 0)));
    }

    /// A full buffer gives its rows in a row; the one after is not there.
    #[test]
    fn taking_faster_than_rows_are_made_is_told() {
        let full = 2 * CHIP.noise_rows * CHIP.vxm_lanes;
        let takes: Vec<usize> = (full..full + 2 * CHIP.noise_rows).collect();
        let response = run(3, true, &takes);
        let underruns = takes.iter().filter(|cycle| response.get(*cycle + 1, "underrun") == 1);
        let made_meanwhile = CHIP.noise_rows / CHIP.vxm_lanes;
        let count = underruns.count();
        assert!(
            (CHIP.noise_rows - 2 * made_meanwhile..=CHIP.noise_rows).contains(&count),
            "{count} underruns"
        );
        assert_eq!(response.get(full + CHIP.noise_rows - 1 + 1, "underrun"), 0);
    }
}
