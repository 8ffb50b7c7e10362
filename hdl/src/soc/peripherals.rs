//! The soft core's registers: serial line, chip, lights, flash memory, timer, checksum.
//!
//! ```text
//!            ┌─► Receiver ─►[queue]─┐
//!  access ──►├─► [queue] ─► Transmitter, chip port, FlashMaster, Checksum, lights, cause, reset
//!            └─◄ [reg] ◄─ one of the registers
//! ```
//!
//! | port            | dir | width | meaning                                                       | cycle |
//! |-----------------|-----|-------|---------------------------------------------------------------|-------|
//! | `access`        | in  | 1     | the core waits for a register; it and the next three hold until `ready` | `t` |
//! | `index`         | in  | 4     | of the register ([`SocRegister`])                             | `t`   |
//! | `write_mask`    | in  | 4     | bytes to write; zero is a read                                | `t`   |
//! | `write_data`    | in  | 32    |                                                               | `t`   |
//! | `ready`         | out | 1     | the access is done                                            | `t + 1`; `t + 4` at least for bytes to the line, the chip or the checksum |
//! | `read_data`     | out | 32    | with `ready`                                                  |       |
//! | `serial_in`, `serial_out` | in, out | 1 | the line                                               |       |
//! | `chip_out`, `chip_push` | out | 8, 1 | a byte for the chip                                      |       |
//! | `chip_room`     | in  | 1     | it is taken                                                   |       |
//! | `chip_in`, `chip_waits` | in | 8, 1 | a byte of the chip                                        |       |
//! | `chip_pop`      | out | 1     | strobe: it was taken                                          |       |
//! | `flash_select_n`, `flash_clock`, `flash_out`, `flash_in` | | 1 | as in `flash.rs`                     |       |
//! | `leds`          | out | 8     |                                                               |       |
//! | `trapped`       | in  | 1     | strobe: the core met what it does not have                    |       |
//! | `reset`         | out | 1     | strobe: the firmware asks for a reset of the core             |       |
//!
//! # Invariants
//! 1. A read takes a byte from a queue exactly once.
//! 2. Nothing here but a byte for the chip that the chip does not take can hold an access for more than four cycles.

use super::checksum::Checksum;
use super::flash::FlashMaster;
use super::receiver::Receiver;
use super::transmitter::Transmitter;
use crate::dialect::*;
use crate::primitives::ClockRate;
use crate::seq::fifo::Fifo;
use lpu_isa::soc::{LOST, SEND_BYTES_MAX, SEND_IDLE, SocRegister, TRAPPED, VALID};

/// Names a register's index in a type.
macro_rules! index {
    ($register:ident) => {
        Fixed<{ SocRegister::$register as u64 }, 4>
    };
}

/// Address bits of the bytes that wait for the line.
const SEND_ADDRESS: usize = SEND_BYTES_MAX.ilog2() as usize;

/// The registers.
#[derive(LogicBlock, Default)]
pub struct Peripherals {
    pub clock: Signal<In, Clock>,
    pub access: Signal<In, Bit>,
    pub index: Signal<In, Bits<4>>,
    pub write_mask: Signal<In, Bits<4>>,
    pub write_data: Signal<In, Bits<32>>,
    pub ready: Signal<Out, Bit>,
    pub read_data: Signal<Out, Bits<32>>,
    pub serial_in: Signal<In, Bit>,
    pub serial_out: Signal<Out, Bit>,
    pub chip_out: Signal<Out, Bits<8>>,
    pub chip_push: Signal<Out, Bit>,
    pub chip_room: Signal<In, Bit>,
    pub chip_in: Signal<In, Bits<8>>,
    pub chip_waits: Signal<In, Bit>,
    pub chip_pop: Signal<Out, Bit>,
    pub flash_select_n: Signal<Out, Bit>,
    pub flash_clock: Signal<Out, Bit>,
    pub flash_out: Signal<Out, Bit>,
    pub flash_in: Signal<In, Bit>,
    pub leds: Signal<Out, Bits<8>>,
    pub trapped: Signal<In, Bit>,
    pub reset: Signal<Out, Bit>,
    is_serial: index!(Serial),
    is_serial_status: index!(SerialStatus),
    is_serial_rate: index!(SerialRate),
    is_chip: index!(Chip),
    is_leds: index!(Leds),
    is_flash: index!(Flash),
    is_flash_select: index!(FlashSelect),
    is_timer: index!(Timer),
    is_clock_hz: index!(ClockHz),
    is_checksum: index!(Checksum),
    is_checksum_state: index!(ChecksumState),
    is_cause: index!(Cause),
    is_reset: index!(Reset),
    clock_hz: ClockRate,
    trapped_bit: Fixed<{ TRAPPED as u64 }, 32>,
    send_idle: Fixed<{ SEND_IDLE as u64 }, 32>,
    valid: Fixed<{ VALID as u64 }, 32>,
    lost_bit: Fixed<{ LOST as u64 }, 32>,
    receiver: Receiver,
    received: Fifo<7, 8>,
    sending: Fifo<SEND_ADDRESS, 8>,
    send_max: Fixed<{ SEND_BYTES_MAX as u64 }, 8>,
    transmitter: Transmitter,
    flash: FlashMaster,
    checksum: Checksum,
    ready_held: DFF<Bit>,
    read_held: DFF<Bits<32>>,
    rate: DFF<Bits<16>>,
    lost: DFF<Bit>,
    /// Bytes that wait for the line.
    send_count: DFF<Bits<8>>,
    leds_held: DFF<Bits<8>>,
    selected: DFF<Bit>,
    timer: DFF<Bits<32>>,
    cause: DFF<Bits<32>>,
    /// The byte of a word on its way to the line, the chip or the checksum.
    lane: DFF<Bits<2>>,
    writes: Signal<Local, Bit>,
    byte_wise: Signal<Local, Bit>,
    /// The access happens in this cycle; for words that go byte by byte, this byte of it.
    now: Signal<Local, Bit>,
    reads_now: Signal<Local, Bit>,
    writes_now: Signal<Local, Bit>,
    lane_written: Signal<Local, Bit>,
    lane_byte: Signal<Local, Bits<8>>,
    lane_now: Signal<Local, Bit>,
    send_push: Signal<Local, Bit>,
    send_pop: Signal<Local, Bit>,
    send_room: Signal<Local, Bits<8>>,
    kind: Kind<Self>,
}

impl Peripherals {
    /// Cycles from an access to its answer.
    pub const LATENCY: usize = 1;

    /// The registers of a core that runs at `clock_hz`.
    pub fn new(clock_hz: u32) -> Self {
        Self { clock_hz: ClockRate::new(clock_hz), ..Self::default() }
    }
}

impl Logic for Peripherals {
    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(self, clock, ready_held, read_held, rate, lost, send_count, leds_held, selected, timer);
        dff_setup!(self, clock, cause, lane);
        clock!(self, clock, receiver, received, sending, transmitter, flash, checksum);

        // Which access happens now.
        self.writes.next = self.write_mask.val().any();
        self.byte_wise.next = self.writes.val()
            & ((self.index.val() == self.is_serial.val())
                | (self.index.val() == self.is_chip.val())
                | (self.index.val() == self.is_checksum.val()));
        self.lane_byte.next = self.write_data.val().get_bits::<8>(0);
        self.lane_written.next = self.write_mask.val().get_bit(0);
        if self.lane.q.val() == 1 {
            self.lane_byte.next = self.write_data.val().get_bits::<8>(8);
            self.lane_written.next = self.write_mask.val().get_bit(1);
        }
        if self.lane.q.val() == 2 {
            self.lane_byte.next = self.write_data.val().get_bits::<8>(16);
            self.lane_written.next = self.write_mask.val().get_bit(2);
        }
        if self.lane.q.val() == 3 {
            self.lane_byte.next = self.write_data.val().get_bits::<8>(24);
            self.lane_written.next = self.write_mask.val().get_bit(3);
        }
        self.now.next = self.access.val()
            & !self.ready_held.q.val()
            & (!self.writes.val()
                | (self.index.val() != self.is_chip.val())
                | !self.lane_written.val()
                | self.chip_room.val());
        self.reads_now.next = self.now.val() & !self.writes.val();
        self.writes_now.next = self.now.val() & self.writes.val();
        self.lane_now.next = self.writes_now.val() & self.lane_written.val();
        self.ready_held.d.next = self.now.val() & (!self.byte_wise.val() | (self.lane.q.val() == 3));
        if self.now.val() & self.byte_wise.val() {
            self.lane.d.next = self.lane.q.val() + 1;
        }
        self.ready.next = self.ready_held.q.val();
        self.read_data.next = self.read_held.q.val();

        // Serial line.
        self.receiver.line.next = self.serial_in.val();
        self.receiver.rate.next = self.rate.q.val();
        self.received.clear.next = false;
        self.received.push.next = self.receiver.valid.val();
        self.received.word.next = self.receiver.data.val();
        self.received.pop.next = self.reads_now.val() & (self.index.val() == self.is_serial.val());
        self.sending.clear.next = false;
        self.send_push.next =
            self.lane_now.val() & (self.index.val() == self.is_serial.val()) & !self.sending.full.val();
        self.send_pop.next = self.transmitter.ready.val() & !self.sending.empty.val();
        self.sending.push.next = self.send_push.val();
        self.sending.word.next = self.lane_byte.val();
        self.sending.pop.next = self.send_pop.val();
        if self.send_push.val() & !self.send_pop.val() {
            self.send_count.d.next = self.send_count.q.val() + 1;
        }
        if self.send_pop.val() & !self.send_push.val() {
            self.send_count.d.next = self.send_count.q.val() - 1;
        }
        self.send_room.next = self.send_max.val() - self.send_count.q.val();
        self.transmitter.rate.next = self.rate.q.val();
        self.transmitter.data.next = self.sending.head.val();
        self.transmitter.valid.next = !self.sending.empty.val();
        self.serial_out.next = self.transmitter.line.val();
        if self.reads_now.val() & (self.index.val() == self.is_serial.val()) {
            self.lost.d.next = false;
        }
        if self.receiver.broken.val() | (self.receiver.valid.val() & self.received.full.val()) {
            self.lost.d.next = true;
        }

        // Chip, flash memory, checksum.
        self.chip_out.next = self.lane_byte.val();
        self.chip_push.next = self.lane_now.val() & (self.index.val() == self.is_chip.val());
        self.chip_pop.next = self.reads_now.val() & (self.index.val() == self.is_chip.val());
        self.flash.data.next = self.write_data.val().get_bits::<8>(0);
        self.flash.start.next = self.writes_now.val() & (self.index.val() == self.is_flash.val());
        self.flash.flash_in.next = self.flash_in.val();
        self.flash_select_n.next = !self.selected.q.val();
        self.flash_clock.next = self.flash.flash_clock.val();
        self.flash_out.next = self.flash.flash_out.val();
        self.checksum.value.next = self.write_data.val();
        self.checksum.restart.next =
            self.writes_now.val() & (self.index.val() == self.is_checksum_state.val());
        self.checksum.data.next = self.lane_byte.val();
        self.checksum.feed.next = self.lane_now.val() & (self.index.val() == self.is_checksum.val());

        // Registers of their own.
        self.timer.d.next = self.timer.q.val() + 1;
        self.leds.next = self.leds_held.q.val();
        self.reset.next = self.writes_now.val() & (self.index.val() == self.is_reset.val());
        if self.writes_now.val() {
            if self.index.val() == self.is_serial_rate.val() {
                self.rate.d.next = self.write_data.val().get_bits::<16>(0);
            }
            if self.index.val() == self.is_leds.val() {
                self.leds_held.d.next = self.write_data.val().get_bits::<8>(0);
            }
            if self.index.val() == self.is_flash_select.val() {
                self.selected.d.next = self.write_data.val().get_bit(0);
            }
            if self.index.val() == self.is_cause.val() {
                self.cause.d.next = self.write_data.val();
            }
        }
        if self.trapped.val() {
            self.cause.d.next = self.cause.q.val() | self.trapped_bit.val();
        }

        // What a read finds.
        if self.reads_now.val() {
            self.read_held.d.next = 0.into();
            if self.index.val() == self.is_serial.val() {
                if !self.received.empty.val() & self.lost.q.val() {
                    self.read_held.d.next =
                        bit_cast::<32, 8>(self.received.head.val()) | self.valid.val() | self.lost_bit.val();
                } else if !self.received.empty.val() {
                    self.read_held.d.next = bit_cast::<32, 8>(self.received.head.val()) | self.valid.val();
                } else if self.lost.q.val() {
                    self.read_held.d.next = self.lost_bit.val();
                }
            }
            if self.index.val() == self.is_serial_status.val() {
                self.read_held.d.next = bit_cast::<32, 8>(self.send_room.val());
                if self.sending.empty.val() & self.transmitter.ready.val() {
                    self.read_held.d.next = bit_cast::<32, 8>(self.send_room.val()) | self.send_idle.val();
                }
            }
            if (self.index.val() == self.is_chip.val()) & self.chip_waits.val() {
                self.read_held.d.next = bit_cast::<32, 8>(self.chip_in.val()) | self.valid.val();
            }
            if self.index.val() == self.is_leds.val() {
                self.read_held.d.next = bit_cast::<32, 8>(self.leds_held.q.val());
            }
            if self.index.val() == self.is_flash.val() {
                self.read_held.d.next = bit_cast::<32, 8>(self.flash.received.val());
                if self.flash.busy.val() {
                    self.read_held.d.next = self.valid.val();
                }
            }
            if self.index.val() == self.is_timer.val() {
                self.read_held.d.next = self.timer.q.val();
            }
            if self.index.val() == self.is_clock_hz.val() {
                self.read_held.d.next = self.clock_hz.hertz.val();
            }
            if self.index.val() == self.is_checksum.val() {
                self.read_held.d.next = self.checksum.state.val();
            }
            if self.index.val() == self.is_cause.val() {
                self.read_held.d.next = self.cause.q.val();
            }
        }
    }
}
