//! A queue of words in distributed RAM.
//!
//! ```text
//!  push, word ─►[words]─► head ─► pop
//! ```
//!
//! | port    | dir | width  | meaning                                       | cycle   |
//! |---------|-----|--------|-----------------------------------------------|---------|
//! | `clear` | in  | 1      | strobe: forget all                            | `t`     |
//! | `push`  | in  | 1      | strobe; without effect when full              | `t`     |
//! | `word`  | in  | `DATA` |                                               | `t`     |
//! | `pop`   | in  | 1      | strobe; without effect when empty             | `t`     |
//! | `head`  | out | `DATA` | the oldest word, unless empty                 | `t`     |
//! | `empty`, `full` | out | 1 |                                            | `t`     |
//!
//! # Invariants
//! 1. Words leave in the order in which they came; `2^ADDRESS` fit.

use crate::dialect::*;
use crate::primitives::LutRam;

/// A queue of `2^ADDRESS` words.
#[derive(LogicBlock, Default)]
pub struct Fifo<const ADDRESS: usize, const DATA: usize> {
    pub clock: Signal<In, Clock>,
    pub clear: Signal<In, Bit>,
    pub push: Signal<In, Bit>,
    pub word: Signal<In, Bits<DATA>>,
    pub pop: Signal<In, Bit>,
    pub head: Signal<Out, Bits<DATA>>,
    pub empty: Signal<Out, Bit>,
    pub full: Signal<Out, Bit>,
    memory: LutRam<ADDRESS, DATA, 1>,
    written: DFF<Bits<ADDRESS>>,
    taken: DFF<Bits<ADDRESS>>,
    /// The pointers are equal because the queue is full.
    filled: DFF<Bit>,
    /// The queue is not empty.
    some: DFF<Bit>,
    pushes: Signal<Local, Bit>,
    pops: Signal<Local, Bit>,
    kind: Kind<Self>,
}

impl<const ADDRESS: usize, const DATA: usize> Fifo<ADDRESS, DATA> {
    /// Cycles from a push into an empty queue to its head.
    pub const LATENCY: usize = 1;
}

impl<const ADDRESS: usize, const DATA: usize> Logic for Fifo<ADDRESS, DATA> {
    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(self, clock, written, taken, filled, some);
        clock!(self, clock, memory);
        self.full.next = self.filled.q.val();
        self.empty.next = !self.some.q.val();
        self.pushes.next = self.push.val() & !self.filled.q.val();
        self.pops.next = self.pop.val() & self.some.q.val();

        self.memory.write_enable.next = self.pushes.val();
        self.memory.write_address.next = self.written.q.val();
        self.memory.write_data.next = self.word.val();
        self.memory.read_address[0].next = self.taken.q.val();
        self.head.next = self.memory.read_data[0].val();

        if self.pops.val() & !self.pushes.val() & (self.taken.q.val() + 1 == self.written.q.val()) {
            self.some.d.next = false;
        }
        if self.pushes.val() {
            self.some.d.next = true;
            self.written.d.next = self.written.q.val() + 1;
            if !self.pops.val() & (self.written.q.val() + 1 == self.taken.q.val()) {
                self.filled.d.next = true;
            }
        }
        if self.pops.val() {
            self.taken.d.next = self.taken.q.val() + 1;
            self.filled.d.next = false;
        }
        if self.clear.val() {
            self.written.d.next = 0.into();
            self.taken.d.next = 0.into();
            self.filled.d.next = false;
            self.some.d.next = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::{Bench, Random};
    use crate::emit::emit;
    use std::collections::VecDeque;

    #[test]
    fn words_leave_in_their_order() {
        let bench = Bench::new(&emit(&mut Fifo::<3, 16>::default(), "dut").unwrap()).unwrap();
        let mut random = Random::from_seed_variable();
        let mut stimulus = bench.stimulus();
        let (mut words, mut expected) = (VecDeque::new(), vec![]);
        for t in 0..20_000u64 {
            // Long spells of filling and of emptying.
            let bias = 1 + 6 * (t / 50 % 2);
            let (push, pop) = (random.below(8) < bias, random.below(8) >= bias);
            let (clear, word) = (random.below(100) == 0, random.unsigned(16));
            expected.push((words.front().copied(), words.len()));
            stimulus.cycle().set("push", push.into()).set("pop", pop.into()).set("word", word);
            stimulus.set("clear", clear.into());
            let full = words.len() == 8;
            if pop {
                words.pop_front();
            }
            if push && !full {
                words.push_back(word);
            }
            if clear {
                words.clear();
            }
        }
        let response = bench.run(&stimulus).unwrap();
        for (t, (head, length)) in expected.iter().enumerate() {
            assert_eq!(response.get(t, "empty") == 1, *length == 0, "cycle {t}");
            assert_eq!(response.get(t, "full") == 1, *length == 8, "cycle {t}");
            if let Some(head) = head {
                assert_eq!(response.get(t, "head"), *head, "cycle {t}");
            }
        }
        assert!(expected.iter().any(|(_, length)| *length == 8));
    }
}
