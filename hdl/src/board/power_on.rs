//! Waits after power-on until the clocks have been steady for a while.
//!
//! ```text
//!  locked ─►[reg]─►[reg]─► count to the end, back to zero when the lock is lost ─► ready
//! ```
//!
//! | port     | dir | width | meaning                                         | cycle |
//! |----------|-----|-------|-------------------------------------------------|-------|
//! | `locked` | in  | 1     | of the PLL, of no clock                         |       |
//! | `ready`  | out | 1     | the lock has held for [`PowerOn::WAIT_CYCLES`]  | `t`   |
//!
//! The chip has no reset: nothing in it moves until a byte comes. `ready` lets the soft core start, from which they come.

use crate::dialect::*;

/// The wait after power-on.
#[derive(LogicBlock, Default)]
pub struct PowerOn {
    pub clock: Signal<In, Clock>,
    pub locked: Signal<In, Bit>,
    pub ready: Signal<Out, Bit>,
    locked_1: DFF<Bit>,
    locked_2: DFF<Bit>,
    count: DFF<Bits<11>>,
    kind: Kind<Self>,
}

impl PowerOn {
    /// Cycles of steady clocks before `ready`: the count's top bit.
    pub const WAIT_CYCLES: usize = 1 << 10;
    /// Cycles from `locked` to the count.
    pub const LATENCY: usize = 2;
}

impl Logic for PowerOn {
    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(self, clock, locked_1, locked_2, count);
        self.locked_1.d.next = self.locked.val();
        self.locked_2.d.next = self.locked_1.q.val();
        self.ready.next = self.count.q.val().get_bit(10);
        if !self.count.q.val().get_bit(10) {
            self.count.d.next = self.count.q.val() + 1;
        }
        if !self.locked_2.q.val() {
            self.count.d.next = 0.into();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::Bench;
    use crate::emit::emit;

    #[test]
    fn ready_follows_a_lock_that_holds() {
        let bench = Bench::new(&emit(&mut PowerOn::default(), "power_on").unwrap()).unwrap();
        let mut stimulus = bench.stimulus();
        let (first, gap) = (PowerOn::WAIT_CYCLES + 10, 3);
        let locked = |t: usize| !(first..first + gap).contains(&t);
        let total = 3 * PowerOn::WAIT_CYCLES;
        for t in 0..total {
            stimulus.cycle().set("locked", locked(t).into());
        }
        let response = bench.run(&stimulus).unwrap();
        for t in 0..total {
            let from = if t > first + PowerOn::LATENCY { first + gap } else { 0 };
            let expected = t >= from + PowerOn::LATENCY + PowerOn::WAIT_CYCLES;
            assert_eq!(response.get(t, "ready") == 1, expected, "cycle {t}");
        }
    }
}
