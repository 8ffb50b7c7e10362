//! A queue between two clocks that know nothing of each other.
//!
//! ```text
//!  write_clock                      │        read_clock
//!  write, write_data ─►[memory]─────┼──────────────────► read_data
//!        [write count]─► Gray ─►[reg]─┼─►[reg]─►[reg]─► differs from the read count ─► read_valid
//!  write_ready ◄─ full ◄─[reg]◄─[reg]◄┼─[reg]◄─ Gray ◄─[read count]
//! ```
//!
//! | port          | dir | width  | meaning                                | clock, cycle     |
//! |---------------|-----|--------|----------------------------------------|------------------|
//! | `write`       | in  | 1      | strobe; without effect unless ready    | `write_clock`, t |
//! | `write_data`  | in  | `DATA` |                                        | `write_clock`, t |
//! | `write_ready` | out | 1      | there is room                          | `write_clock`, t |
//! | `read`        | in  | 1      | strobe: the word is taken              | `read_clock`, t  |
//! | `read_data`   | out | `DATA` | the oldest word, while `read_valid`    | `read_clock`, t  |
//! | `read_valid`  | out | 1      |                                        | `read_clock`, t  |
//!
//! A count crosses in Gray code: of its bits one changes at a time, so that a register that catches it in the change reads
//! the count before or after, and both are true counts of a moment. A word lies in the memory for a reading cycle before
//! its count arrives, since the count goes through two registers.
//!
//! # Invariants
//! 1. Words leave in the order in which they came, each once; `2^ADDRESS` fit.
//! 2. A count that arrives late makes the queue look fuller to the writer and emptier to the reader, never the reverse.

use crate::dialect::*;
use crate::primitives::LutRam;

/// A queue of `2^ADDRESS` words; `COUNT` is `ADDRESS + 1`.
#[derive(LogicBlock)]
pub struct AsyncFifo<const ADDRESS: usize, const COUNT: usize, const DATA: usize> {
    pub write_clock: Signal<In, Clock>,
    pub write: Signal<In, Bit>,
    pub write_data: Signal<In, Bits<DATA>>,
    pub write_ready: Signal<Out, Bit>,
    pub read_clock: Signal<In, Clock>,
    pub read: Signal<In, Bit>,
    pub read_data: Signal<Out, Bits<DATA>>,
    pub read_valid: Signal<Out, Bit>,
    memory: LutRam<ADDRESS, DATA, 1>,
    written: DFF<Bits<COUNT>>,
    written_gray: DFF<Bits<COUNT>>,
    taken: DFF<Bits<COUNT>>,
    taken_gray: DFF<Bits<COUNT>>,
    written_first: DFF<Bits<COUNT>>,
    written_seen: DFF<Bits<COUNT>>,
    taken_first: DFF<Bits<COUNT>>,
    taken_seen: DFF<Bits<COUNT>>,
    /// The two highest bits: counts that differ in them alone, as Gray codes, are a whole queue apart.
    opposite: Setting<COUNT>,
    ready: Signal<Local, Bit>,
    valid: Signal<Local, Bit>,
    written_next: Signal<Local, Bits<COUNT>>,
    taken_next: Signal<Local, Bits<COUNT>>,
    kind: Kind<Self>,
}

impl<const ADDRESS: usize, const COUNT: usize, const DATA: usize> AsyncFifo<ADDRESS, COUNT, DATA> {
    /// Cycles of the reading clock, after the writing edge, until a word is seen: two registers, and up to one cycle until
    /// the first of them has an edge.
    pub const LATENCY: usize = 3;
}

impl<const ADDRESS: usize, const COUNT: usize, const DATA: usize> Default
    for AsyncFifo<ADDRESS, COUNT, DATA>
{
    fn default() -> Self {
        const { assert!(COUNT == ADDRESS + 1 && ADDRESS >= 1, "COUNT is ADDRESS + 1") };
        Self {
            write_clock: Default::default(),
            write: Default::default(),
            write_data: Default::default(),
            write_ready: Default::default(),
            read_clock: Default::default(),
            read: Default::default(),
            read_data: Default::default(),
            read_valid: Default::default(),
            memory: Default::default(),
            written: Default::default(),
            written_gray: Default::default(),
            taken: Default::default(),
            taken_gray: Default::default(),
            written_first: Default::default(),
            written_seen: Default::default(),
            taken_first: Default::default(),
            taken_seen: Default::default(),
            opposite: Setting::new(0b11u64 << (COUNT - 2)),
            ready: Default::default(),
            valid: Default::default(),
            written_next: Default::default(),
            taken_next: Default::default(),
            kind: Default::default(),
        }
    }
}

impl<const ADDRESS: usize, const COUNT: usize, const DATA: usize> Logic for AsyncFifo<ADDRESS, COUNT, DATA> {
    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(self, write_clock, written, written_gray, taken_first, taken_seen);
        dff_setup!(self, read_clock, taken, taken_gray, written_first, written_seen);
        clock!(self, write_clock, memory);

        // The writer's side.
        self.taken_first.d.next = self.taken_gray.q.val();
        self.taken_seen.d.next = self.taken_first.q.val();
        self.ready.next = self.written_gray.q.val() != (self.taken_seen.q.val() ^ self.opposite.val());
        self.write_ready.next = self.ready.val();
        self.written_next.next = self.written.q.val();
        if self.write.val() & self.ready.val() {
            self.written_next.next = self.written.q.val() + 1;
        }
        self.written.d.next = self.written_next.val();
        self.written_gray.d.next = self.written_next.val() ^ (self.written_next.val() >> 1);

        // The memory belongs to the writer's clock; it is read without one.
        self.memory.write_enable.next = self.write.val() & self.ready.val();
        self.memory.write_address.next = self.written.q.val().get_bits::<ADDRESS>(0);
        self.memory.write_data.next = self.write_data.val();
        self.memory.read_address[0].next = self.taken.q.val().get_bits::<ADDRESS>(0);
        self.read_data.next = self.memory.read_data[0].val();

        // The reader's side.
        self.written_first.d.next = self.written_gray.q.val();
        self.written_seen.d.next = self.written_first.q.val();
        self.valid.next = self.taken_gray.q.val() != self.written_seen.q.val();
        self.read_valid.next = self.valid.val();
        self.taken_next.next = self.taken.q.val();
        if self.read.val() & self.valid.val() {
            self.taken_next.next = self.taken.q.val() + 1;
        }
        self.taken.d.next = self.taken_next.val();
        self.taken_gray.d.next = self.taken_next.val() ^ (self.taken_next.val() >> 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::{Bench, Random};
    use crate::emit::emit;
    use std::collections::VecDeque;

    type Queue = AsyncFifo<3, 4, 8>;

    /// Edges of a clock of this period, in steps; data changes a step after the edge.
    fn level(step: u64, period: u64, phase: u64) -> u64 {
        u64::from((step + phase) % period < period / 2)
    }

    /// Runs random writing and reading at two clocks; gives the words in order of entry and of leaving.
    fn exchange(bench: &Bench, periods: [u64; 2], phase: u64, random: &mut Random) -> (Vec<u64>, Vec<u64>) {
        const STEPS: u64 = 12_000;
        let mut stimulus = bench.stimulus();
        let (mut inputs, mut edges) = ([0u64; 3], vec![]);
        let mut before = [1, 1];
        for step in 0..STEPS {
            let clocks = [level(step, periods[0], 0), level(step, periods[1], phase)];
            let rising = [0, 1].map(|side| clocks[side] == 1 && before[side] == 0);
            edges.push((rising, inputs));
            stimulus.cycle().set("write_clock", clocks[0]).set("read_clock", clocks[1]);
            // Spells in which one side is faster than the other, so that the queue runs full and empty.
            let bias = 1 + 6 * (step / 700 % 2);
            if before[0] == 1 && clocks[0] == 0 {
                inputs[0] = u64::from(random.below(8) < bias);
                inputs[1] = random.unsigned(8);
            }
            if before[1] == 1 && clocks[1] == 0 {
                inputs[2] = u64::from(random.below(8) >= bias);
            }
            stimulus.set("write", inputs[0]).set("write_data", inputs[1]).set("read", inputs[2]);
            before = clocks;
        }
        let response = bench.run(&stimulus).unwrap();
        let (mut entered, mut left) = (vec![], vec![]);
        for (step, (rising, inputs)) in edges.iter().enumerate().skip(1) {
            // What an edge sees is what the ports showed in the step before it.
            let seen = |name: &str| response.get(step - 1, name);
            if rising[0] && inputs[0] == 1 && seen("write_ready") == 1 {
                entered.push(inputs[1]);
            }
            if rising[1] && inputs[2] == 1 && seen("read_valid") == 1 {
                left.push(seen("read_data"));
            }
        }
        (entered, left)
    }

    #[test]
    fn words_cross_in_order_at_every_ratio_and_phase() {
        let bench = Bench::new(&emit(&mut Queue::default(), "async_fifo").unwrap()).unwrap();
        let mut random = Random::from_seed_variable();
        for periods in [[20, 20], [20, 40], [40, 20], [20, 22], [22, 20], [20, 150], [150, 20], [34, 26]] {
            for phase in [0, 1, 7, 11] {
                let (entered, left) = exchange(&bench, periods, phase, &mut random);
                assert!(
                    left.len() > 30 && left.len() <= entered.len(),
                    "{periods:?} {phase}: {}",
                    left.len()
                );
                assert!(entered.len() - left.len() <= 8, "{periods:?} {phase}");
                assert_eq!(left, entered[..left.len()], "{periods:?} {phase}");
            }
        }
    }

    /// Needs no clock ratio: each count as the other side sees it is one that it had, and changes bit by bit.
    #[test]
    fn counts_in_gray_code_change_one_bit_at_a_time() {
        let gray = |count: u32| count ^ (count >> 1);
        let mut seen = VecDeque::new();
        for count in 0..16u32 {
            assert_eq!((gray(count) ^ gray((count + 1) % 16)).count_ones(), 1);
            assert_eq!(gray(count) ^ 0b1100, gray((count + 8) % 16), "a whole queue apart");
            seen.push_back(gray(count));
        }
        seen.make_contiguous().sort_unstable();
        assert!(seen.iter().copied().eq(0..16));
    }
}
