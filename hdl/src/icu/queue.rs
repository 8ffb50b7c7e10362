//! One instruction queue: fetches, waits, issues, loops.
//!
//! ```text
//!  start, meet ──► wanted ─┐
//!                          ├─► activate ─┬─► Fetch ─► next instruction ─┬─► Timer ─► issue, first, last
//!  Timer.due ──────────────┘             │                             └─► payload registers ─► opcode, part[p]
//!  4 cycles since the last one ──────────┘                                 Trips ─► offsets
//! ```
//!
//! | port                        | dir | width      | meaning                                              | cycle          |
//! |-----------------------------|-----|------------|------------------------------------------------------|----------------|
//! | `write` ... `write_data`    | in  |            | instruction memory, as `QueueStore`; between tokens  |                |
//! | `blocks`                    | in  | `BLOCKS`   | blocks begun at this position, stable from `start`   |                |
//! | `start`                     | in  | 1          | strobe: cycle 0 of a token                           | 0              |
//! | `meet`                      | in  | 1          | strobe: both queues wait                             | `m`            |
//! | `over`                      | in  | 1          | strobe: the token is over                            | `m`            |
//! | `issue`, `first`, `last`    | out | 1          | strobe; first and last of the instruction            | `a + delay + k * interval` |
//! | `opcode`                    | out | 4          | operation, first issue to last                       |                |
//! | `part[p]`                   | out | 64         | parts 1.. of it, from a cycle after the first issue to a cycle after the last | |
//! | `offset_first`, `offset_second` | out | 24     | loop offsets, from activation to activation          |                |
//! | `waiting`, `ended`          | out | 1          | at a `Sync` or `EndLoop`; at `End` or an illegal instruction | from `a` |
//! | `underrun`, `illegal`       | out | 1          | strobes: due before it was ready; met such an opcode |                |
//! | `slot`                      | in  | 1          | transfer queue alone: strobe, a slot begins          | `s`            |
//!
//! In the transfer queue `issue` says that the slot of this cycle takes a granule, `first` and `last` which of the transfer's.
//!
//! # Invariants
//! 1. Activations are at least `timing::MIN_PERIOD_CYCLES` apart. One that is due earlier is late and flagged.
//! 2. The first activation is in cycle `timing::START_CYCLES`, the one after a meeting in cycle `m` in
//!    `m + timing::SYNC_CYCLES`: the same four cycles that fetching takes.
//! 3. `start` comes at least `Fetch::LATENCY` cycles after `over` and after the last write.

use super::fetch::Fetch;
use super::slot_timer::SlotTimer;
use super::timer::Timer;
use super::trips::Trips;
use crate::dialect::*;
use crate::primitives::LocalCopy;
use crate::widths::{BLOCKS, QUEUE_INDEX};
use lpu_isa::Geometry;
use lpu_isa::instruction::{EndLoop, Queue};

// The kernel cuts the steps of an `EndLoop` out of part 1 at these places.
const _: () = assert!(EndLoop::first_step.low == 0 && EndLoop::second_step.low == 24);

/// An instruction queue.
#[derive(LogicBlock, Default)]
pub struct IssueQueue {
    pub clock: Signal<In, Clock>,
    pub write: Signal<In, Bit>,
    pub write_part: Signal<In, Bits<3>>,
    pub write_index: Signal<In, Bits<QUEUE_INDEX>>,
    pub write_data: Signal<In, Bits<64>>,
    pub blocks: Signal<In, Bits<BLOCKS>>,
    pub slot: Vec<Signal<In, Bit>>,
    pub start: Signal<In, Bit>,
    pub meet: Signal<In, Bit>,
    pub over: Signal<In, Bit>,
    pub issue: Signal<Out, Bit>,
    pub first: Signal<Out, Bit>,
    pub last: Signal<Out, Bit>,
    pub opcode: Signal<Out, Bits<4>>,
    pub part: Vec<Signal<Out, Bits<64>>>,
    pub offset_first: Signal<Out, Bits<24>>,
    pub offset_second: Signal<Out, Bits<24>>,
    pub waiting: Signal<Out, Bit>,
    pub ended: Signal<Out, Bit>,
    pub underrun: Signal<Out, Bit>,
    pub illegal: Signal<Out, Bit>,
    code_end_loop: Fixed<{ EndLoop::CODE }, 4>,
    /// Cycles after an activation until the next may be decided, and after a start or a meeting, counted down to zero.
    age_activated: Fixed<{ Fetch::LATENCY as u64 }, 2>,
    age_started: Fixed<{ Fetch::LATENCY as u64 - 1 }, 2>,
    fetch: Fetch,
    timer: Timer,
    /// Of the transfer queue.
    slots: Vec<SlotTimer>,
    trips: Trips,
    activate: Signal<Local, Bit>,
    wanted: DFF<Bit>,
    age: DFF<Bits<2>>,
    waiting_held: DFF<Bit>,
    ended_held: DFF<Bit>,
    meet_1: DFF<Bit>,
    opens_1: DFF<Bit>,
    activate_1: Vec<LocalCopy<1>>,
    underrun_held: DFF<Bit>,
    illegal_held: DFF<Bit>,
    code: DFF<Bits<4>>,
    parts: Vec<DFF<Bits<64>>>,
    kind: Kind<Self>,
}

impl IssueQueue {
    /// Cycles from `start` to the first activation.
    pub const LATENCY: usize = Fetch::LATENCY + 1;

    /// A queue of a chip.
    pub fn new(geometry: &Geometry, queue: Queue) -> Self {
        let count = queue.parts() - 1;
        let slots = if queue == Queue::Transfer { vec![SlotTimer::new(geometry)] } else { vec![] };
        Self {
            slot: many(slots.len()),
            slots,
            part: many(count),
            fetch: Fetch::new(geometry, queue),
            activate_1: many(count),
            parts: many(count),
            kind: Kind::named(format!("{queue:?}_queue").to_lowercase()),
            ..Self::default()
        }
    }
}

impl Logic for IssueQueue {
    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(self, clock, wanted, age, waiting_held, ended_held, meet_1, opens_1, underrun_held);
        dff_setup!(self, clock, illegal_held, code);
        clock!(self, clock, fetch, timer, trips);
        self.activate.next = (self.wanted.q.val() | self.timer.due.val()) & (self.age.q.val() == 0);
        for s in 0..self.slots.len() {
            self.activate.next = (self.wanted.q.val() | self.timer.due.val() | self.slots[s].due.val())
                & (self.age.q.val() == 0);
        }
        self.fetch.write.next = self.write.val();
        self.fetch.write_part.next = self.write_part.val();
        self.fetch.write_index.next = self.write_index.val();
        self.fetch.write_data.next = self.write_data.val();
        self.fetch.blocks.next = self.blocks.val();
        self.fetch.again.next = self.trips.again.val();
        self.fetch.rewind.next = self.over.val();
        self.fetch.activate.next = self.activate.val();

        self.timer.activate.next = self.activate.val();
        self.timer.issues.next = self.fetch.issues.val();
        self.timer.timed.next = !(self.fetch.meets.val() | self.fetch.ends.val() | self.fetch.illegal.val());
        self.timer.delay_less_one.next = self.fetch.delay_less_one.val();
        self.timer.count_less_one.next = self.fetch.count_less_one.val();
        self.timer.interval_less_one.next = self.fetch.interval_less_one.val();
        self.issue.next = self.timer.issue.val();
        self.first.next = self.timer.first.val();
        self.last.next = self.timer.last.val();

        for s in 0..self.slots.len() {
            // A transfer has a timer of its own; the other one executes what does not issue.
            clock!(self, clock, slots[s]);
            self.timer.timed.next = !(self.fetch.meets.val()
                | self.fetch.ends.val()
                | self.fetch.illegal.val()
                | self.fetch.issues.val());
            self.timer.issues.next = false;
            self.slots[s].activate.next = self.activate.val() & self.fetch.issues.val();
            self.slots[s].delay_less_one.next = self.fetch.delay_less_one.val();
            self.slots[s].count_less_one.next = self.fetch.count_less_one.val();
            self.slots[s].slot.next = self.slot[s].val();
            self.issue.next = self.slots[s].take.val();
            self.first.next = self.slots[s].first.val();
            self.last.next = self.slots[s].last.val();
        }

        self.trips.clear.next = self.start.val();
        // What was fetched stands for a cycle after its activation: the loop opens then.
        self.opens_1.d.next = self.activate.val() & self.fetch.loops.val();
        self.trips.opens.next = self.opens_1.q.val();
        self.trips.count_less_one.next = self.fetch.count_less_one.val();
        // An `EndLoop` may meet in the cycle in which it is activated; its steps are there a cycle later.
        self.meet_1.d.next = self.meet.val();
        self.trips.turn.next = self.meet_1.q.val() & (self.code.q.val() == self.code_end_loop.val());
        self.trips.first_step.next = self.parts[0].q.val().get_bits::<24>(0);
        self.trips.second_step.next = self.parts[0].q.val().get_bits::<24>(24);
        self.offset_first.next = self.trips.offset_first.val();
        self.offset_second.next = self.trips.offset_second.val();

        if self.age.q.val() != 0 {
            self.age.d.next = self.age.q.val() - 1;
        }
        self.underrun_held.d.next = false;
        if self.timer.due.val() & (self.age.q.val() != 0) {
            self.underrun_held.d.next = true;
            self.wanted.d.next = true;
        }
        self.illegal_held.d.next = self.activate.val() & self.fetch.illegal.val();
        if self.activate.val() {
            self.wanted.d.next = false;
            self.age.d.next = self.age_activated.val();
            self.waiting_held.d.next = self.fetch.meets.val();
            self.ended_held.d.next = self.fetch.ends.val() | self.fetch.illegal.val();
            self.code.d.next = self.fetch.opcode.val();
        }
        if self.start.val() | self.meet.val() {
            self.wanted.d.next = true;
            self.age.d.next = self.age_started.val();
            self.waiting_held.d.next = false;
        }
        if self.over.val() {
            self.waiting_held.d.next = false;
            self.ended_held.d.next = false;
        }
        self.opcode.next = self.code.q.val();
        self.waiting.next = self.waiting_held.q.val();
        self.ended.next = self.ended_held.q.val();
        self.underrun.next = self.underrun_held.q.val();
        self.illegal.next = self.illegal_held.q.val();
        for p in 0..self.parts.len() {
            dff_setup!(self, clock, parts[p]);
            clock!(self, clock, activate_1[p]);
            self.activate_1[p].d.next = self.activate.val().into();
            if self.activate_1[p].q.val().get_bit(0) {
                self.parts[p].d.next = self.fetch.part[p].val();
            }
            self.part[p].next = self.parts[p].q.val();
        }
    }
}
