//! The loop of a queue: trips that are left, and the address offsets that grow from trip to trip.
//!
//! ```text
//!  opens, count_less_one ─►[trips left]─► again
//!  turn ──────────────────────┤
//!  first_step, second_step ─►(+)─►[offsets]─► offset_first, offset_second
//! ```
//!
//! | port                          | dir | width     | meaning                                                | cycle   |
//! |-------------------------------|-----|-----------|--------------------------------------------------------|---------|
//! | `clear`                       | in  | 1         | strobe: a token starts, no loop is open                | `t`     |
//! | `opens`                       | in  | 1         | strobe: a `Loop` is activated                          | `t`     |
//! | `count_less_one`              | in  | `COUNTER` | its trips less one, signed; below zero counts as zero  | `t`     |
//! | `turn`                        | in  | 1         | strobe: the queues meet, this one at an `EndLoop`      | `t`     |
//! | `first_step`, `second_step`   | in  | 24        | added to the offsets before a further trip             | `t`     |
//! | `again`                       | out | 1         | a further trip follows the next `EndLoop`              | `t + 2` |
//! | `offset_first`, `offset_second` | out | 24      | zero outside of loops                                  | `t + 1` |
//!
//! # Invariants
//! 1. At most one of the strobes is set in a cycle, and two are at least two cycles apart.

use super::affine::COUNTER;
use crate::dialect::*;

/// The loop unit of a queue.
#[derive(LogicBlock, Default)]
pub struct Trips {
    pub clock: Signal<In, Clock>,
    pub clear: Signal<In, Bit>,
    pub opens: Signal<In, Bit>,
    pub count_less_one: Signal<In, Bits<COUNTER>>,
    pub turn: Signal<In, Bit>,
    pub first_step: Signal<In, Bits<24>>,
    pub second_step: Signal<In, Bits<24>>,
    pub again: Signal<Out, Bit>,
    pub offset_first: Signal<Out, Bits<24>>,
    pub offset_second: Signal<Out, Bits<24>>,
    left: DFF<Bits<COUNTER>>,
    some_left: DFF<Bit>,
    first: DFF<Bits<24>>,
    second: DFF<Bits<24>>,
    kind: Kind<Self>,
}

impl Trips {
    /// Cycles from a strobe to `again`.
    pub const LATENCY: usize = 2;
}

impl Logic for Trips {
    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(self, clock, left, some_left, first, second);
        self.some_left.d.next = self.left.q.val() != 0;
        self.again.next = self.some_left.q.val();
        self.offset_first.next = self.first.q.val();
        self.offset_second.next = self.second.q.val();
        if self.turn.val() {
            if self.some_left.q.val() {
                self.left.d.next = self.left.q.val() - 1;
                self.first.d.next = self.first.q.val() + self.first_step.val();
                self.second.d.next = self.second.q.val() + self.second_step.val();
            } else {
                self.first.d.next = 0.into();
                self.second.d.next = 0.into();
            }
        }
        if self.opens.val() {
            self.left.d.next = 0.into();
            if !self.count_less_one.val().get_bit(20) {
                self.left.d.next = self.count_less_one.val();
            }
        }
        if self.clear.val() {
            self.left.d.next = 0.into();
            self.first.d.next = 0.into();
            self.second.d.next = 0.into();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::{Bench, Random};
    use crate::emit::emit;

    #[test]
    fn trips_and_offsets_follow_the_strobes() {
        let bench = Bench::new(&emit(&mut Trips::default(), "dut").unwrap()).unwrap();
        let mut random = Random::from_seed_variable();
        let mut stimulus = bench.stimulus();
        let (mut left, mut offsets, mut expected) = (0i64, [0i64; 2], vec![]);
        for _ in 0..5_000 {
            let (strobe, count) = (random.below(8), random.signed(3));
            let steps = [random.signed(10), random.signed(10)];
            stimulus.cycle().set("clear", (strobe == 0).into()).set("opens", (strobe == 1).into());
            stimulus.set("turn", (strobe > 1).into()).set_signed("count_less_one", count);
            stimulus.set_signed("first_step", steps[0]).set_signed("second_step", steps[1]);
            match strobe {
                0 => (left, offsets) = (0, [0; 2]),
                1 => left = count.max(0),
                _ if left > 0 => {
                    left -= 1;
                    (0..2).for_each(|i| offsets[i] += steps[i]);
                }
                _ => offsets = [0; 2],
            }
            stimulus.idle(1);
            expected.push((left > 0, offsets.map(|offset| offset as u64 & 0xff_ffff)));
        }
        let response = bench.run(stimulus.idle(1)).unwrap();
        for (k, (again, offsets)) in expected.iter().enumerate() {
            assert_eq!(response.get(2 * k + 2, "again") == 1, *again, "strobe {k}");
            assert_eq!(response.get(2 * k + 2, "offset_first"), offsets[0], "strobe {k}");
            assert_eq!(response.get(2 * k + 2, "offset_second"), offsets[1], "strobe {k}");
        }
    }
}
