//! The transfer that the queue executes: waits for its delay, takes slots, says when the next instruction is due.
//!
//! ```text
//!  activate ─►[delay + lead]─► armed ─┐
//!                              slot ──┴─► take ─►[granules left]─► last ─►[granule - lead]─► due
//! ```
//!
//! | port             | dir | width     | meaning                                                     | cycle   |
//! |------------------|-----|-----------|-------------------------------------------------------------|---------|
//! | `activate`       | in  | 1         | strobe: begin the transfer described by the next two        | `a - 1` |
//! | `delay_less_one` | in  | `COUNTER` | signed                                                      | `a - 1` |
//! | `count_less_one` | in  | `COUNTER` | granules less one, signed                                   | `a - 1` |
//! | `slot`           | in  | 1         | strobe: a slot begins                                       | `s`     |
//! | `take`           | out | 1         | strobe: the slot takes a granule                            | `s`     |
//! | `first`, `last`  | out | 1         | with `take`: first, last granule of the transfer            | `s`     |
//! | `due`            | out | 1         | strobe: the next instruction should be visible a cycle later | `s + granule - TRANSFER_LEAD - 1` of the last slot |
//!
//! # Invariants
//! 1. A transfer takes the first slot that begins in cycle `a + delay + TRANSFER_LEAD` or later, and each slot after it until it has as many
//!    as it counts.
//! 2. A delay or a count below its least value (none, one) counts as that.

use super::affine::COUNTER;
use crate::dialect::*;
use lpu_isa::Geometry;
use lpu_isa::timing::TRANSFER_LEAD;

/// Bits of the cycles between a slot and `due`.
const REST: usize = 6;

/// The timer of transfers.
#[derive(LogicBlock, Default)]
pub struct SlotTimer {
    pub clock: Signal<In, Clock>,
    pub activate: Signal<In, Bit>,
    pub delay_less_one: Signal<In, Bits<COUNTER>>,
    pub count_less_one: Signal<In, Bits<COUNTER>>,
    pub slot: Signal<In, Bit>,
    pub take: Signal<Out, Bit>,
    pub first: Signal<Out, Bit>,
    pub last: Signal<Out, Bit>,
    pub due: Signal<Out, Bit>,
    /// Cycles until the transfer may take a slot, less one: when it has no delay, and what is added to `delay - 1`.
    lead: Fixed<{ TRANSFER_LEAD as u64 }, COUNTER>,
    /// Cycles between the last slot and `due`, less one.
    rest: Setting<REST>,
    waits: DFF<Bit>,
    cycles: DFF<Bits<COUNTER>>,
    armed: DFF<Bit>,
    begun: DFF<Bit>,
    left: DFF<Bits<COUNTER>>,
    none_left: DFF<Bit>,
    resting: DFF<Bit>,
    rest_left: DFF<Bits<REST>>,
    due_held: DFF<Bit>,
    taken: Signal<Local, Bit>,
    kind: Kind<Self>,
}

impl SlotTimer {
    /// Cycles from `activate` to the earliest slot.
    pub const LATENCY: usize = 1 + TRANSFER_LEAD as usize;

    /// The timer of a chip.
    pub fn new(geometry: &Geometry) -> Self {
        // In the slot's cycle the count begins; `due_held` is a cycle later than its end.
        let rest = geometry.dram_granule_cycles - TRANSFER_LEAD as usize - 3;
        Self { rest: Setting::new(rest), ..Self::default() }
    }
}

impl Logic for SlotTimer {
    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(self, clock, waits, cycles, armed, begun, left, none_left, resting, rest_left, due_held);
        self.taken.next = self.slot.val() & self.armed.q.val();
        self.take.next = self.taken.val();
        self.first.next = !self.begun.q.val();
        self.last.next = self.none_left.q.val();
        self.due.next = self.due_held.q.val();

        self.cycles.d.next = self.cycles.q.val() - 1;
        if self.waits.q.val() & (self.cycles.q.val() == 0) {
            self.waits.d.next = false;
            self.armed.d.next = true;
        }
        self.rest_left.d.next = self.rest_left.q.val() - 1;
        self.due_held.d.next = self.resting.q.val() & (self.rest_left.q.val() == 0);
        if self.rest_left.q.val() == 0 {
            self.resting.d.next = false;
        }
        if self.taken.val() {
            self.begun.d.next = true;
            self.left.d.next = self.left.q.val() - 1;
            self.none_left.d.next = self.left.q.val() == 1;
            if self.none_left.q.val() {
                self.armed.d.next = false;
                self.resting.d.next = true;
                self.rest_left.d.next = self.rest.val();
            }
        }
        if self.activate.val() {
            self.waits.d.next = true;
            self.armed.d.next = false;
            self.begun.d.next = false;
            self.cycles.d.next = self.delay_less_one.val() + self.lead.val();
            if self.delay_less_one.val().get_bit(20) {
                self.cycles.d.next = self.lead.val() - 1;
            }
            self.left.d.next = self.count_less_one.val();
            self.none_left.d.next = self.count_less_one.val() == 0;
            if self.count_less_one.val().get_bit(20) {
                self.left.d.next = 0.into();
                self.none_left.d.next = true;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::{Bench, Random};
    use crate::emit::emit;
    use lpu_isa::transfer::Frames;

    /// Transfers of one segment, each activated when it is due, in the slots of the instruction set's frames.
    #[test]
    fn slots_are_taken_as_the_instruction_set_says() {
        for chip in Geometry::EXTERNAL {
            let bench = Bench::new(&emit(&mut SlotTimer::new(&chip), "dut").unwrap()).unwrap();
            let (frames, mut random) = (Frames::of(&chip), Random::from_seed_variable());
            let (mut activation, mut activations, mut expected, mut dues) = (3, vec![], vec![], vec![]);
            for _ in 0..2_000 {
                let (delay, count) =
                    (random.below(8) as i64 * random.below(60) as i64 - 3, random.below(9) as i64 - 1);
                activations.push((activation - 1, delay, count));
                let slot = frames.slot_from(activation + delay.max(0) + TRANSFER_LEAD);
                let end = slot + count.max(1);
                expected.extend((slot..end).map(|s| (frames.begin(s), s == slot, s + 1 == end)));
                activation = frames.end(end - 1) - TRANSFER_LEAD;
                dues.push(activation - 1);
            }
            let mut stimulus = bench.stimulus();
            let (mut next, mut slot) = (activations.iter().peekable(), 0);
            for t in 0..activation {
                stimulus.cycle().set("slot", (t == frames.begin(slot)).into());
                slot += i64::from(t == frames.begin(slot));
                if let Some((_, delay, count)) = next.next_if(|(at, ..)| *at == t) {
                    stimulus.set("activate", 1).set_signed("delay_less_one", delay - 1);
                    stimulus.set_signed("count_less_one", count - 1);
                }
            }
            let response = bench.run(&stimulus).unwrap();
            let cycles = |port: &str| -> Vec<i64> {
                (0..activation).filter(|t| response.get(*t as usize, port) == 1).collect()
            };
            let flag = |t: i64, port: &str| response.get(t as usize, port) == 1;
            let taken: Vec<(i64, bool, bool)> =
                cycles("take").into_iter().map(|t| (t, flag(t, "first"), flag(t, "last"))).collect();
            assert_eq!(taken, expected, "{}", chip.name);
            assert_eq!(cycles("due"), dues, "{}", chip.name);
        }
    }
}
