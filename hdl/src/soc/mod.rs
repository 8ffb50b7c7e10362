//! The soft core's side of a board: it stands between the serial line and the chip's byte port.
//!
//! ```text
//!              clock_soc                                        │ clock_datapath
//!  serial ◄─► Peripherals ◄─┬─ SoftCore                         │
//!  flash  ◄─►     │ ▲       └─ BootRam, the firmware's image    │
//!  leds   ◄──     │ └──────────────────── AsyncFifo ◄───────────┼── from_chip
//!                 └────────────────────── AsyncFifo ────────────┼─► to_chip
//! ```
//!
//! | port             | dir | width | meaning                                                  | clock            |
//! |------------------|-----|-------|----------------------------------------------------------|------------------|
//! | `clock_datapath` | in  | 1     | the chip's clock                                         |                  |
//! | `clock_soc`      | in  | 1     | the core's clock, of any frequency and phase             |                  |
//! | `ready`          | in  | 1     | the clocks run; low holds the core in reset              | any              |
//! | `serial_in`, `serial_out` | in, out | 1 | the line                                           | any, `clock_soc` |
//! | `leds`           | out | 8     |                                                          | `clock_soc`      |
//! | `flash_select_n`, `flash_clock`, `flash_out`, `flash_in` | | 1 | the board's flash memory, SPI mode 0 | `clock_soc` |
//! | `to_chip_data`, `to_chip_valid`, `to_chip_ready` | out, out, in | 8, 1, 1 | bytes for the chip | `clock_datapath` |
//! | `from_chip_data`, `from_chip_valid`, `from_chip_ready` | in, in, out | 8, 1, 1 | bytes of it  | `clock_datapath` |
//!
//! # Invariants
//! 1. The core reaches the chip by its host port alone: it cannot change the cycles of a token.
//! 2. A trap and a write to the reset register start the firmware again; memory, rate, lights and the cause stay.

mod async_fifo;
mod checksum;
mod core_source;
mod firmware;
mod flash;
mod peripherals;
mod receiver;
mod transmitter;

pub use async_fifo::AsyncFifo;
pub use checksum::Checksum;
pub use core_source::{VARIABLE as CORE_VARIABLE, core_path, core_source};
pub use firmware::firmware;
pub use flash::FlashMaster;
pub use peripherals::Peripherals;
pub use receiver::Receiver;
pub use transmitter::Transmitter;

use crate::dialect::*;
use crate::primitives::{BootRam, SoftCore};

/// Address bits of the core's memory, in words.
const MEMORY_ADDRESS: usize = lpu_isa::soc::MEMORY_WORDS.ilog2() as usize;

/// What makes one board's soft core differ from another's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SocPlan {
    /// Frequency of `clock_soc`; the firmware derives the serial rate from it.
    pub clock_hz: u32,
    /// The firmware, from address zero.
    pub image: Vec<u32>,
}

/// The soft core with its memory and registers.
#[derive(LogicBlock, Default)]
pub struct Soc {
    pub clock_datapath: Signal<In, Clock>,
    pub clock_soc: Signal<In, Clock>,
    pub ready: Signal<In, Bit>,
    pub serial_in: Signal<In, Bit>,
    pub serial_out: Signal<Out, Bit>,
    pub leds: Signal<Out, Bits<8>>,
    pub flash_select_n: Signal<Out, Bit>,
    pub flash_clock: Signal<Out, Bit>,
    pub flash_out: Signal<Out, Bit>,
    pub flash_in: Signal<In, Bit>,
    pub to_chip_data: Signal<Out, Bits<8>>,
    pub to_chip_valid: Signal<Out, Bit>,
    pub to_chip_ready: Signal<In, Bit>,
    pub from_chip_data: Signal<In, Bits<8>>,
    pub from_chip_valid: Signal<In, Bit>,
    pub from_chip_ready: Signal<Out, Bit>,
    core: SoftCore,
    memory: BootRam<MEMORY_ADDRESS>,
    peripherals: Peripherals,
    to_chip: AsyncFifo<4, 5, 8>,
    from_chip: AsyncFifo<4, 5, 8>,
    ready_first: DFF<Bit>,
    ready_seen: DFF<Bit>,
    /// Cycles of reset so far.
    reset_cycles: DFF<Bits<4>>,
    run: DFF<Bit>,
    /// The core's own trap, one cycle of it.
    trap_seen: DFF<Bit>,
    is_register: Signal<Local, Bit>,
    kind: Kind<Self>,
}

impl Soc {
    /// Cycles of `clock_soc` from `ready` to the core's first access.
    pub const LATENCY: usize = 20;

    /// The soft core of a board.
    pub fn new(plan: &SocPlan) -> Self {
        Self {
            memory: BootRam::new(&plan.image),
            peripherals: Peripherals::new(plan.clock_hz),
            ..Self::default()
        }
    }
}

impl Logic for Soc {
    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(self, clock_soc, ready_first, ready_seen, reset_cycles, run, trap_seen);
        clock!(self, clock_soc, core, memory, peripherals);

        // Reset: sixteen cycles after the clocks run, after a trap and when the firmware asks.
        self.ready_first.d.next = self.ready.val();
        self.ready_seen.d.next = self.ready_first.q.val();
        self.trap_seen.d.next = self.core.trap.val() & self.run.q.val();
        if self.reset_cycles.q.val().all() {
            self.run.d.next = true;
        } else {
            self.reset_cycles.d.next = self.reset_cycles.q.val() + 1;
        }
        if !self.ready_seen.q.val() | self.trap_seen.q.val() | self.peripherals.reset.val() {
            self.reset_cycles.d.next = 0.into();
            self.run.d.next = false;
        }
        self.core.run.next = self.run.q.val();
        self.peripherals.trapped.next = self.trap_seen.q.val();

        // The core's bus: memory below, registers above. Memory sees an access a cycle before the bus does, and answers at once.
        self.is_register.next = self.core.address.val().get_bit(31);
        self.memory.enable.next = (self.core.next_read.val() | self.core.next_write.val())
            & !self.core.next_address.val().get_bit(31);
        self.memory.address.next = self.core.next_address.val().get_bits::<MEMORY_ADDRESS>(2);
        self.memory.write_mask.next = 0.into();
        if self.core.next_write.val() {
            self.memory.write_mask.next = self.core.next_mask.val();
        }
        self.memory.write_data.next = self.core.next_data.val();
        self.peripherals.access.next = self.core.valid.val() & self.is_register.val();
        self.peripherals.index.next = self.core.address.val().get_bits::<4>(2);
        self.peripherals.write_mask.next = self.core.write_mask.val();
        self.peripherals.write_data.next = self.core.write_data.val();
        self.core.ready.next =
            (self.core.valid.val() & !self.is_register.val()) | self.peripherals.ready.val();
        self.core.read_data.next = self.memory.read_data.val();
        if self.is_register.val() {
            self.core.read_data.next = self.peripherals.read_data.val();
        }

        // Pins.
        self.peripherals.serial_in.next = self.serial_in.val();
        self.serial_out.next = self.peripherals.serial_out.val();
        self.leds.next = self.peripherals.leds.val();
        self.flash_select_n.next = self.peripherals.flash_select_n.val();
        self.flash_clock.next = self.peripherals.flash_clock.val();
        self.flash_out.next = self.peripherals.flash_out.val();
        self.peripherals.flash_in.next = self.flash_in.val();

        // The crossing.
        self.to_chip.write_clock.next = self.clock_soc.val();
        self.to_chip.write.next = self.peripherals.chip_push.val();
        self.to_chip.write_data.next = self.peripherals.chip_out.val();
        self.peripherals.chip_room.next = self.to_chip.write_ready.val();
        self.to_chip.read_clock.next = self.clock_datapath.val();
        self.to_chip.read.next = self.to_chip_ready.val();
        self.to_chip_data.next = self.to_chip.read_data.val();
        self.to_chip_valid.next = self.to_chip.read_valid.val();
        self.from_chip.write_clock.next = self.clock_datapath.val();
        self.from_chip.write.next = self.from_chip_valid.val();
        self.from_chip.write_data.next = self.from_chip_data.val();
        self.from_chip_ready.next = self.from_chip.write_ready.val();
        self.from_chip.read_clock.next = self.clock_soc.val();
        self.from_chip.read.next = self.peripherals.chip_pop.val();
        self.peripherals.chip_in.next = self.from_chip.read_data.val();
        self.peripherals.chip_waits.next = self.from_chip.read_valid.val();
    }
}

#[cfg(test)]
pub(crate) mod tests;
