//! Wakes an SDR SDRAM after power-up, then lets the sequencer's commands through.
//!
//! ```text
//!  [cycles of waiting]─►[step, cycle of the step]─► precharge all, 8 refreshes, mode register ─┬─► bus
//!  commands of the sequencer ──────────────────────────────────────────────────────── awake ───┘
//! ```
//!
//! | port                             | dir | width    | meaning                                        | cycle |
//! |----------------------------------|-----|---------:|------------------------------------------------|-------|
//! | `ras`, `cas`, `we`, `bank`, `line` | in | as there | of the sequencer; none before `awake`         | `t`   |
//! | `bus_ras` ... `bus_line`         | out |          | to the pins, not registered                    | `t`   |
//! | `enable`                         | out | 1        | the memory's clock enable: from the second cycle on |  |
//! | `awake`                          | out | 1        | the memory takes commands; stays               |       |
//!
//! # Invariants
//! 1. The first command comes `wait_cycles` after power-up; commands are [`STEP`] cycles apart, longer than any of the sheets wants.

use super::sequencer::{BANK, LINE};
use crate::dialect::*;

/// Cycles from command to command.
pub const STEP: usize = 16;
/// Bits of the waiting time, and of the steps with their cycles.
const WAIT: usize = 16;
const COUNT: usize = 8;
/// Steps: the precharge, eight refreshes, the mode register.
const STEP_MODE: u64 = 9;
const STEP_AWAKE: u64 = 10;
/// All banks; and the mode: read latency 3, bursts of eight, sequential.
const ALL_BANKS: u64 = 1 << 10;
const MODE: u64 = 0x033;

/// The power-up sequence.
#[derive(LogicBlock, Default)]
pub struct Wake {
    pub clock: Signal<In, Clock>,
    pub ras: Signal<In, Bit>,
    pub cas: Signal<In, Bit>,
    pub we: Signal<In, Bit>,
    pub bank: Signal<In, Bits<BANK>>,
    pub line: Signal<In, Bits<LINE>>,
    pub bus_ras: Signal<Out, Bit>,
    pub bus_cas: Signal<Out, Bit>,
    pub bus_we: Signal<Out, Bit>,
    pub bus_bank: Signal<Out, Bits<BANK>>,
    pub bus_line: Signal<Out, Bits<LINE>>,
    pub enable: Signal<Out, Bit>,
    pub awake: Signal<Out, Bit>,
    wait_last: Setting<WAIT>,
    step_mode: Fixed<STEP_MODE, 4>,
    step_awake: Fixed<STEP_AWAKE, 4>,
    all_banks: Fixed<ALL_BANKS, LINE>,
    mode: Fixed<MODE, LINE>,
    waited: DFF<Bits<WAIT>>,
    settled: DFF<Bit>,
    /// Step in the upper half, its cycle in the lower.
    count: DFF<Bits<COUNT>>,
    enabled: DFF<Bit>,
    awake_held: DFF<Bit>,
    step: Signal<Local, Bits<4>>,
    strobe: Signal<Local, Bit>,
    kind: Kind<Self>,
}

impl Wake {
    /// Cycles from a command of the sequencer to the bus.
    pub const LATENCY: usize = 0;

    /// The sequence behind so many cycles of waiting.
    pub fn new(wait_cycles: usize) -> Self {
        Self { wait_last: Setting::new(wait_cycles), ..Self::default() }
    }
}

impl Logic for Wake {
    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(self, clock, waited, settled, count, enabled, awake_held);
        self.enabled.d.next = true;
        self.enable.next = self.enabled.q.val();
        self.awake.next = self.awake_held.q.val();
        self.step.next = self.count.q.val().get_bits::<4>(4);
        self.strobe.next =
            self.settled.q.val() & !self.awake_held.q.val() & (self.count.q.val().get_bits::<4>(0) == 0);
        self.settled.d.next = self.waited.q.val() == self.wait_last.val();
        if self.waited.q.val() != self.wait_last.val() {
            self.waited.d.next = self.waited.q.val() + 1;
        }
        if self.settled.q.val() & !self.awake_held.q.val() {
            self.count.d.next = self.count.q.val() + 1;
            self.awake_held.d.next = self.step.val() == self.step_awake.val();
        }

        self.bus_ras.next = self.ras.val();
        self.bus_cas.next = self.cas.val();
        self.bus_we.next = self.we.val();
        self.bus_bank.next = self.bank.val();
        self.bus_line.next = self.line.val();
        if !self.awake_held.q.val() {
            self.bus_ras.next = false;
            self.bus_cas.next = false;
            self.bus_we.next = false;
            self.bus_bank.next = 0.into();
            self.bus_line.next = self.all_banks.val();
            if self.strobe.val() & (self.step.val() != self.step_awake.val()) {
                self.bus_ras.next = true;
                self.bus_cas.next = self.step.val() != 0;
                self.bus_we.next = (self.step.val() == 0) | (self.step.val() == self.step_mode.val());
            }
            if self.step.val() == self.step_mode.val() {
                self.bus_line.next = self.mode.val();
            }
        }
    }
}
