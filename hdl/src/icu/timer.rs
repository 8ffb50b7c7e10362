//! The instruction that a queue executes: counts its delay, its interval and its issues.
//!
//! ```text
//!                        ┌── activate: delay - 1, or interval - 1 when issue 0 comes at once
//!                        ▼
//!  interval - 1 ──►[cycles left]── none ─┬─► issues left:  issue, reload
//!                                        └─► none left:    due ─► activation of the next instruction
//! ```
//!
//! | port                | dir | width     | meaning                                                      | cycle   |
//! |---------------------|-----|-----------|--------------------------------------------------------------|---------|
//! | `activate`          | in  | 1         | strobe: begin the instruction described by the next four     | `a - 1` |
//! | `issues`, `timed`   | in  | 1         | it issues; it has an end of its own, at which the next is due | `a - 1` |
//! | `delay_less_one`    | in  | `COUNTER` | signed                                                       | `a - 1` |
//! | `count_less_one`    | in  | `COUNTER` | signed                                                       | `a - 1` |
//! | `interval_less_one` | in  | 8         |                                                              | `a - 1` |
//! | `issue`             | out | 1         | strobe, in cycle `a + delay + k * interval`                  |         |
//! | `first`, `last`     | out | 1         | with `issue`: `k = 0`; `k = count - 1`                       |         |
//! | `due`               | out | 1         | strobe: the next instruction should be visible a cycle later |         |
//!
//! # Invariants
//! 1. A delay or a count below its least value (none, one) counts as that.
//! 2. `due` comes in cycle `a + delay + count * interval - 1`; for an instruction without issues in
//!    `a + delay - 1`, but not before `a`.

use super::affine::COUNTER;
use crate::dialect::*;

/// The timer of a queue.
#[derive(LogicBlock, Default)]
pub struct Timer {
    pub clock: Signal<In, Clock>,
    pub activate: Signal<In, Bit>,
    pub issues: Signal<In, Bit>,
    pub timed: Signal<In, Bit>,
    pub delay_less_one: Signal<In, Bits<COUNTER>>,
    pub count_less_one: Signal<In, Bits<COUNTER>>,
    pub interval_less_one: Signal<In, Bits<8>>,
    pub issue: Signal<Out, Bit>,
    pub first: Signal<Out, Bit>,
    pub last: Signal<Out, Bit>,
    pub due: Signal<Out, Bit>,
    /// Minus one, as `left` counts.
    none: Fixed<{ (1 << COUNTER) - 1 }, COUNTER>,
    active: DFF<Bit>,
    /// Issues yet to come, less one.
    left: DFF<Bits<COUNTER>>,
    cycles: DFF<Bits<COUNTER>>,
    /// No cycle is left.
    zero: DFF<Bit>,
    interval: DFF<Bits<8>>,
    interval_zero: DFF<Bit>,
    begun: DFF<Bit>,
    /// The next instruction is due: known a cycle ahead, since its activation hangs on it.
    due_held: DFF<Bit>,
    issue_held: DFF<Bit>,
    first_held: DFF<Bit>,
    last_held: DFF<Bit>,
    at_once: Signal<Local, Bit>,
    count: Signal<Local, Bits<COUNTER>>,
    elapsed: Signal<Local, Bit>,
    exhausted: Signal<Local, Bit>,
    kind: Kind<Self>,
}

impl Timer {
    /// Cycles from `activate` to the first issue of an instruction without delay.
    pub const LATENCY: usize = 1;
}

impl Logic for Timer {
    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(self, clock, active, left, cycles, zero, interval, interval_zero, begun, due_held);
        dff_setup!(self, clock, issue_held, first_held, last_held);
        self.issue.next = self.issue_held.q.val();
        self.first.next = self.first_held.q.val();
        self.last.next = self.last_held.q.val();
        self.at_once.next = self.delay_less_one.val().get_bit(20);
        self.count.next = 0.into();
        if !self.count_less_one.val().get_bit(20) {
            self.count.next = self.count_less_one.val();
        }
        self.exhausted.next = self.left.q.val().get_bit(20);
        self.elapsed.next = self.active.q.val() & self.zero.q.val();
        self.due.next = self.due_held.q.val();

        self.issue_held.d.next = false;
        self.cycles.d.next = self.cycles.q.val() - 1;
        self.zero.d.next = self.cycles.q.val() == 1;
        self.due_held.d.next = self.active.q.val() & (self.cycles.q.val() == 1) & self.exhausted.val();
        if self.elapsed.val() {
            self.cycles.d.next = bit_cast::<COUNTER, 8>(self.interval.q.val());
            self.zero.d.next = self.interval_zero.q.val();
            self.left.d.next = self.left.q.val() - 1;
            self.issue_held.d.next = !self.exhausted.val();
            self.first_held.d.next = !self.begun.q.val();
            self.last_held.d.next = self.left.q.val() == 0;
            self.due_held.d.next = self.interval_zero.q.val() & (self.left.q.val() == 0);
            self.begun.d.next = true;
            if self.exhausted.val() {
                self.active.d.next = false;
            }
        }
        if self.activate.val() {
            self.active.d.next = self.timed.val();
            self.interval.d.next = self.interval_less_one.val();
            self.interval_zero.d.next = self.interval_less_one.val() == 0;
            self.begun.d.next = false;
            self.cycles.d.next = self.delay_less_one.val();
            self.zero.d.next = self.delay_less_one.val() == 0;
            self.due_held.d.next = self.timed.val() & !self.issues.val() & (self.delay_less_one.val() == 0);
            self.left.d.next = self.count.val();
            if !self.issues.val() {
                self.left.d.next = self.none.val();
            }
            if self.at_once.val() {
                self.cycles.d.next = 0.into();
                self.zero.d.next = true;
                self.due_held.d.next = self.timed.val();
                if self.issues.val() {
                    self.cycles.d.next = bit_cast::<COUNTER, 8>(self.interval_less_one.val());
                    self.zero.d.next = self.interval_less_one.val() == 0;
                    self.left.d.next = self.count.val() - 1;
                    self.issue_held.d.next = true;
                    self.first_held.d.next = true;
                    self.last_held.d.next = self.count.val() == 0;
                    self.due_held.d.next =
                        self.timed.val() & (self.interval_less_one.val() == 0) & (self.count.val() == 0);
                    self.begun.d.next = true;
                }
            }
        }
    }
}
