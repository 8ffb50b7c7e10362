//! The top of a bitstream: a board's clocks, the soft core at its serial line and flash memory, its lights, and the chip.
//!
//! ```text
//!  oscillator ─► Pll ─┬─ datapath ─► Lpu, Soc's far side
//!                     ├─ control ──► Soc
//!                     └─ locked ───► PowerOn ─► ready ─┐
//!  serial ◄─────────────────────────────────────────► Soc ◄── bytes ──► Lpu ◄── BitstreamNumber
//!  flash  ◄──────────── FlashClock ◄─────────────────► │                 │
//!  leds   ◄────────────────────────────────────────────┴─────────────────┘
//! ```
//!
//! | port                      | dir     | width | meaning                                                    | clock    |
//! |---------------------------|---------|-------|------------------------------------------------------------|----------|
//! | `oscillator`              | in      | 1     | the board's pin                                            |          |
//! | `serial_in`, `serial_out` | in, out | 1     | 8 data bits, no parity, one stop bit                       | any, control |
//! | `flash_select_n`, `flash_out`, `flash_in` | out, out, in | 1 | the flash memory, SPI mode 0              | control  |
//! | `flash_clock`             | out     | 1     | its clock, on a family that has no cell for it             | control  |
//! | `flash_hold_n`, `flash_protect_n` | out | 1   | high: neither pauses the memory nor a low pin of a wider bus | none   |
//! | `led_alive`               | out     | 1     | the firmware listens                                       | control  |
//! | `led_loaded`              | out     | 1     | a program is loaded                                        | control  |
//! | `led_busy`                | out     | 1     | a token runs                                               | datapath |
//! | `led_fault`               | out     | 1     | a fault flag is raised, or the firmware met a fault        | both     |
//! | `led_cause_0`, `led_cause_1` | out  | 1     | why the firmware started last ([`lpu_isa::link::cause`])   | control  |
//!
//! Where things lie is the board's constraint file; how large the chip is and how fast it runs is its [`Plan`].
//!
//! # Invariants
//! 1. The soft core reaches the chip through the byte port alone, across clocks that need not know of each other.

mod power_on;

pub use crate::primitives::pll::PllSettings;
pub use power_on::PowerOn;

use crate::chip::Lpu;
use crate::dialect::*;
use crate::emit::Design;
use crate::primitives::pll::Pll;
use crate::primitives::{BitstreamNumber, FlashClock};
use crate::soc::{Soc, SocPlan, core_source};
use lpu_isa::Geometry;
use lpu_isa::soc::leds;

/// Name of the top module.
pub const TOP: &str = "board";

/// What the top needs to know of a board.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Size of the chip.
    pub geometry: Geometry,
    /// The PLL's divisors.
    pub pll: PllSettings,
    /// The soft core; its clock is the PLL's control clock.
    pub soc: SocPlan,
    /// The lights shine when their pins are low.
    pub leds_active_low: bool,
}

/// The top of a bitstream.
#[derive(LogicBlock, Default)]
pub struct Board {
    pub oscillator: Signal<In, Clock>,
    pub serial_in: Signal<In, Bit>,
    pub serial_out: Signal<Out, Bit>,
    pub flash_select_n: Signal<Out, Bit>,
    pub flash_clock: Signal<Out, Bit>,
    pub flash_out: Signal<Out, Bit>,
    pub flash_in: Signal<In, Bit>,
    pub flash_hold_n: Signal<Out, Bit>,
    pub flash_protect_n: Signal<Out, Bit>,
    pub led_alive: Signal<Out, Bit>,
    pub led_loaded: Signal<Out, Bit>,
    pub led_busy: Signal<Out, Bit>,
    pub led_fault: Signal<Out, Bit>,
    pub led_cause_0: Signal<Out, Bit>,
    pub led_cause_1: Signal<Out, Bit>,
    pll: Pll,
    power_on: PowerOn,
    soc: Soc,
    flash_pin: FlashClock,
    bitstream: BitstreamNumber,
    chip: Lpu,
    dark: Setting<1>,
    kind: Kind<Self>,
}

impl Board {
    /// The top for a board.
    pub fn new(plan: &Plan) -> Self {
        Self {
            pll: Pll::new(plan.pll),
            soc: Soc::new(&plan.soc),
            chip: Lpu::new(&plan.geometry),
            dark: Setting::new(plan.leds_active_low),
            ..Self::default()
        }
    }
}

/// The Verilog of a board's bitstream, soft core included.
///
/// # Errors
/// The soft core's source is missing, with the way to get it; or what the emitter refuses, which is nothing for the boards of
/// `constraints/`.
pub fn emit(plan: &Plan) -> Result<Design, String> {
    let mut design = crate::emit::emit(&mut Board::new(plan), TOP).map_err(|error| error.to_string())?;
    design.preamble = core_source()?;
    Ok(design)
}

/// The lights' places in the soft core's register, which the kernel below can name by number only.
const _: () = assert!(
    leds::LISTENS == 1 << 0 && leds::LOADED == 1 << 1 && leds::CAUSE_BIT == 4 && leds::FAULT == 1 << 7
);

impl Logic for Board {
    #[hdl_gen]
    fn update(&mut self) {
        // Clocks.
        self.pll.oscillator.next = self.oscillator.val();
        self.power_on.clock.next = self.pll.datapath.val();
        self.chip.clock.next = self.pll.datapath.val();
        self.soc.clock_datapath.next = self.pll.datapath.val();
        self.soc.clock_soc.next = self.pll.control.val();
        self.power_on.locked.next = self.pll.locked.val();
        self.soc.ready.next = self.power_on.ready.val();

        // The soft core and the chip.
        self.chip.host_in_data.next = self.soc.to_chip_data.val();
        self.chip.host_in_valid.next = self.soc.to_chip_valid.val();
        self.soc.to_chip_ready.next = self.chip.host_in_ready.val();
        self.soc.from_chip_data.next = self.chip.host_out_data.val();
        self.soc.from_chip_valid.next = self.chip.host_out_valid.val();
        self.chip.host_out_ready.next = self.soc.from_chip_ready.val();
        self.chip.bitstream.next = self.bitstream.number.val();

        // Serial line and flash memory.
        self.soc.serial_in.next = self.serial_in.val();
        self.serial_out.next = self.soc.serial_out.val();
        self.flash_select_n.next = self.soc.flash_select_n.val();
        self.flash_pin.clock_in.next = self.soc.flash_clock.val();
        self.flash_clock.next = self.flash_pin.pin.val();
        self.flash_out.next = self.soc.flash_out.val();
        self.soc.flash_in.next = self.flash_in.val();
        self.flash_hold_n.next = true;
        self.flash_protect_n.next = true;

        // Lights.
        self.led_alive.next = self.soc.leds.val().get_bit(0) ^ self.dark.val().get_bit(0);
        self.led_loaded.next = self.soc.leds.val().get_bit(1) ^ self.dark.val().get_bit(0);
        self.led_busy.next = self.chip.busy.val() ^ self.dark.val().get_bit(0);
        self.led_fault.next =
            (self.chip.fault.val() | self.soc.leds.val().get_bit(7)) ^ self.dark.val().get_bit(0);
        self.led_cause_0.next = self.soc.leds.val().get_bit(4) ^ self.dark.val().get_bit(0);
        self.led_cause_1.next = self.soc.leds.val().get_bit(5) ^ self.dark.val().get_bit(0);
    }
}

#[cfg(test)]
mod tests;
