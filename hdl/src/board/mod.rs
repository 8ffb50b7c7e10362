//! The top of a bitstream: a board's clocks, its serial line, its lights, and the chip.
//!
//! ```text
//!  oscillator ─► Pll ─┬─ datapath ─► everything
//!                     └─ locked ───► PowerOn ─► ready ─┐
//!  serial_in  ────────────────────────────► SerialPort ◄──► Lpu ──► lights: alive, busy, waiting, fault
//!  serial_out ◄────────────────────────────────┘           ▲
//!                                        BitstreamNumber ──┘
//! ```
//!
//! | port                    | dir | width | meaning                                               |
//! |-------------------------|-----|-------|-------------------------------------------------------|
//! | `oscillator`            | in  | clock | the board's pin                                       |
//! | `serial_in`, `serial_out` | in, out | 1 | 8 data bits, no parity, one stop bit                 |
//! | `led_alive`             | out | 1     | blinks while the clock runs                           |
//! | `led_busy`              | out | 1     | a token runs                                          |
//! | `led_waiting`           | out | 1     | a run waits for its host                              |
//! | `led_fault`             | out | 1     | a fault flag is raised                                |
//!
//! Where things lie is the board's constraint file; how large the chip is and how fast it runs is its [`Plan`].

mod power_on;
mod serial;

pub use crate::primitives::pll::PllSettings;
pub use power_on::PowerOn;
pub use serial::SerialPort;

use crate::chip::Lpu;
use crate::emit::{Design, EmitError};
use crate::kind::Kind;
use crate::primitives::BitstreamNumber;
use crate::primitives::pll::Pll;
use lpu_isa::Geometry;
use rust_hdl::prelude::*;

/// Name of the top module.
pub const TOP: &str = "board";

/// What the top needs to know of a board.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Size of the chip.
    pub geometry: Geometry,
    /// The PLL's divisors.
    pub pll: PllSettings,
    /// Cycles of the datapath clock in a bit of the serial line.
    pub serial_bit_cycles: u32,
    /// The lights shine when their pins are low.
    pub leds_active_low: bool,
}

/// The top of a bitstream.
#[derive(LogicBlock)]
pub struct Board {
    pub oscillator: Signal<In, Clock>,
    pub serial_in: Signal<In, Bit>,
    pub serial_out: Signal<Out, Bit>,
    pub led_alive: Signal<Out, Bit>,
    pub led_busy: Signal<Out, Bit>,
    pub led_waiting: Signal<Out, Bit>,
    pub led_fault: Signal<Out, Bit>,
    pll: Pll,
    power_on: PowerOn,
    control: SerialPort,
    bitstream: BitstreamNumber,
    chip: Lpu,
    /// About a blink a second.
    blink: DFF<Bits<26>>,
    dark: Constant<Bit>,
    kind: Kind<Self>,
}

impl Board {
    /// The top for a board.
    pub fn new(plan: &Plan) -> Self {
        Self {
            oscillator: Default::default(),
            serial_in: Default::default(),
            serial_out: Default::default(),
            led_alive: Default::default(),
            led_busy: Default::default(),
            led_waiting: Default::default(),
            led_fault: Default::default(),
            pll: Pll::new(plan.pll),
            power_on: Default::default(),
            control: SerialPort::new(plan.serial_bit_cycles),
            bitstream: Default::default(),
            chip: Lpu::new(&plan.geometry),
            blink: Default::default(),
            dark: Constant::new(plan.leds_active_low),
            kind: Default::default(),
        }
    }
}

/// The Verilog of a board's bitstream.
///
/// # Errors
/// What the emitter refuses; none for the boards of `constraints/`.
pub fn emit(plan: &Plan) -> Result<Design, EmitError> {
    crate::emit::emit(&mut Board::new(plan), TOP)
}

impl Logic for Board {
    #[hdl_gen]
    fn update(&mut self) {
        // Clocks.
        self.pll.oscillator.next = self.oscillator.val();
        self.power_on.clock.next = self.pll.datapath.val();
        self.control.clock.next = self.pll.datapath.val();
        self.chip.clock.next = self.pll.datapath.val();
        self.blink.clock.next = self.pll.datapath.val();
        self.power_on.locked.next = self.pll.locked.val();

        // The line and the chip.
        self.control.ready.next = self.power_on.ready.val();
        self.control.line_in.next = self.serial_in.val();
        self.serial_out.next = self.control.line_out.val();
        self.chip.host_in_data.next = self.control.to_chip_data.val();
        self.chip.host_in_valid.next = self.control.to_chip_valid.val();
        self.control.to_chip_ready.next = self.chip.host_in_ready.val();
        self.control.from_chip_data.next = self.chip.host_out_data.val();
        self.control.from_chip_valid.next = self.chip.host_out_valid.val();
        self.chip.host_out_ready.next = self.control.from_chip_ready.val();
        self.chip.bitstream.next = self.bitstream.number.val();

        // Lights.
        self.blink.d.next = self.blink.q.val() + 1;
        self.led_alive.next = self.blink.q.val().get_bit(25) ^ self.dark.val();
        self.led_busy.next = self.chip.busy.val() ^ self.dark.val();
        self.led_waiting.next = self.chip.waiting.val() ^ self.dark.val();
        self.led_fault.next = self.chip.fault.val() ^ self.dark.val();
    }
}

#[cfg(test)]
mod tests;
