//! The pins of an SDR SDRAM on the ECP5: a register in each pad, the clock turned by half a period, the power-up sequence.
//!
//! ```text
//!  commands ──► Wake ──►[pad]──► ras_n, cas_n, we_n, bank, line
//!  data, drive ────────►[pad]──► data_out, drive_pins            data_in ──►[pad]──► read_data
//!                   cycle t + 1                          cycle t              t + 1
//! ```
//!
//! | port                               | dir | width | meaning                                               | cycle   |
//! |------------------------------------|-----|------:|-------------------------------------------------------|---------|
//! | `ras`, `cas`, `we`, `bank`, `line` | in  |       | as [`Sequencer`](super::sequencer::Sequencer) gives them | `t`  |
//! | `data`, `drive`                    | in  | 16, 1 | word for the pins, if they are driven                 | `t`     |
//! | `mask`                             | in  | 1     | the memory does not take that word                    | `t`     |
//! | `awake`                            | out | 1     | the memory takes commands                             |         |
//! | `read_data`                        | out | 16    | the word that a read in cycle `t` meant               | `t + READ_LATENCY` |
//! | `ras_n` ... `data_out`             | out |       | pins; names with `_n` are active low                  | `t + 1` |
//! | `clock_pin`                        | out | 1     | the memory's clock: falls where the core's rises      |         |
//! | `data_in`                          | in  | 16    | pins                                                  |         |
//!
//! The memory takes commands at the rising edge of its own clock, in the middle of the cycle in which the pins show them, and its
//! words stand from 5.4 ns after an edge until 2.5 ns after the next. With the delay of the pads both ways, the core's edge at the end of
//! the cycle `CL` after the command lies inside of that at 100 MHz and below. nextpnr knows nothing of it: the registers must be the pads'.
//!
//! # Invariants
//! 1. Every output pin is a register of its pad, so that all have the same delay.
//! 2. `read_data` comes a fixed time after its command, whatever the phase of the clock pin.

use super::sequencer::{BANK, LINE};
use super::wake::Wake;
use crate::dialect::*;
use crate::primitives::{ClockPin, JoinLanes, PadIn, PadOut};

/// Read latency of the part: the mode that [`Wake`] sets.
const CAS_LATENCY: usize = 3;
/// Pins of the bank and of the address.
const BANK_PINS: usize = 2;
const LINE_PINS: usize = 13;

/// The pins of the memory.
#[derive(LogicBlock, Default)]
pub struct SdrPhy {
    pub clock: Signal<In, Clock>,
    pub ras: Signal<In, Bit>,
    pub cas: Signal<In, Bit>,
    pub we: Signal<In, Bit>,
    pub bank: Signal<In, Bits<BANK>>,
    pub line: Signal<In, Bits<LINE>>,
    pub data: Signal<In, Bits<16>>,
    pub drive: Signal<In, Bit>,
    pub mask: Signal<In, Bit>,
    pub awake: Signal<Out, Bit>,
    pub read_data: Signal<Out, Bits<16>>,
    pub clock_pin: Signal<Out, Bit>,
    pub clock_enable: Signal<Out, Bit>,
    pub cs_n: Signal<Out, Bit>,
    pub ras_n: Signal<Out, Bit>,
    pub cas_n: Signal<Out, Bit>,
    pub we_n: Signal<Out, Bit>,
    pub bank_pins: Signal<Out, Bits<BANK_PINS>>,
    pub line_pins: Signal<Out, Bits<LINE_PINS>>,
    pub mask_pins: Signal<Out, Bits<2>>,
    pub data_out: Signal<Out, Bits<16>>,
    /// The pins are driven; to the tristate buffers of the board.
    pub drive_pins: Signal<Out, Bit>,
    pub data_in: Signal<In, Bits<16>>,
    wake: Wake,
    clock_pad: ClockPin,
    enable_pad: PadOut<1, 0>,
    ras_pad: PadOut<1, 1>,
    cas_pad: PadOut<1, 1>,
    we_pad: PadOut<1, 1>,
    bank_pad: PadOut<BANK_PINS, 0>,
    line_pad: PadOut<LINE_PINS, 0>,
    mask_pad: [PadOut<1, 0>; 2],
    data_pad: PadOut<16, 0>,
    mask_pair: JoinLanes<2, 1, 2>,
    read_pad: PadIn<16>,
    drive_held: DFF<Bit>,
    kind: Kind<Self>,
}

impl SdrPhy {
    /// Cycles from a command to the pins.
    pub const LATENCY: usize = PadOut::<1, 0>::LATENCY;
    /// Cycles from a read to its first word.
    pub const READ_LATENCY: usize = PadOut::<1, 0>::LATENCY + CAS_LATENCY + PadIn::<16>::LATENCY;

    /// The pins of a memory that wants so many cycles of waiting after power-up.
    pub fn new(wait_cycles: usize) -> Self {
        Self { wake: Wake::new(wait_cycles), ..Self::default() }
    }
}

impl Logic for SdrPhy {
    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(self, clock, drive_held);
        clock!(self, clock, wake, clock_pad, enable_pad, ras_pad, cas_pad, we_pad, bank_pad, line_pad);
        clock!(self, clock, data_pad, read_pad);
        self.wake.ras.next = self.ras.val();
        self.wake.cas.next = self.cas.val();
        self.wake.we.next = self.we.val();
        self.wake.bank.next = self.bank.val();
        self.wake.line.next = self.line.val();
        self.awake.next = self.wake.awake.val();

        self.enable_pad.d.next = self.wake.enable.val().into();
        self.ras_pad.d.next = (!self.wake.bus_ras.val()).into();
        self.cas_pad.d.next = (!self.wake.bus_cas.val()).into();
        self.we_pad.d.next = (!self.wake.bus_we.val()).into();
        self.bank_pad.d.next = self.wake.bus_bank.val().get_bits::<BANK_PINS>(0);
        self.line_pad.d.next = self.wake.bus_line.val().get_bits::<LINE_PINS>(0);
        self.data_pad.d.next = self.data.val();
        self.drive_held.d.next = self.drive.val();

        self.clock_pin.next = self.clock_pad.pin.val();
        self.clock_enable.next = self.enable_pad.pin.val().get_bit(0);
        self.cs_n.next = false;
        self.ras_n.next = self.ras_pad.pin.val().get_bit(0);
        self.cas_n.next = self.cas_pad.pin.val().get_bit(0);
        self.we_n.next = self.we_pad.pin.val().get_bit(0);
        self.bank_pins.next = self.bank_pad.pin.val();
        self.line_pins.next = self.line_pad.pin.val();
        for m in 0..2 {
            clock!(self, clock, mask_pad[m]);
            self.mask_pad[m].d.next = self.mask.val().into();
            self.mask_pair.lane[m].next = self.mask_pad[m].pin.val();
        }
        self.mask_pins.next = self.mask_pair.bus.val();
        self.data_out.next = self.data_pad.pin.val();
        self.drive_pins.next = self.drive_held.q.val();
        self.read_pad.pin.next = self.data_in.val();
        self.read_data.next = self.read_pad.q.val();
    }
}
