//! Granules to commands: a burst in each bank in turn, each bank opened just before and closed by its own read or write.
//!
//! ```text
//!  take, write ─►[COMMAND - 2 cycles]─►[granule: row, column]─►[beat, bank]─┬─ activate ───────────────┬─►[reg]─► bus
//!  address ────────────────────────────┘                                    └─►[column_cycle]─ column ─┤
//!  refresh ─►[COMMAND - 1 cycles]───────────────────────────────────────────────────────── refresh ────┘
//! ```
//!
//! | port                | dir | width | meaning                                               | cycle                              |
//! |---------------------|-----|------:|-------------------------------------------------------|------------------------------------|
//! | `take`              | in  | 1     | strobe: the slot takes a granule                      | `s`                                |
//! | `write`             | in  | 1     | the granule is written                                | `s`                                |
//! | `address`           | in  | 24    | granule                                               | `s + ADDRESS`                      |
//! | `refresh`           | in  | 1     | strobe                                                | `r`                                |
//! | `ras`, `cas`, `we`  | out | 1     | command, active high; all low: none                   |                                    |
//! |                     |     |       | activation of bank `k`                                | `s + COMMAND + k * burst`          |
//! |                     |     |       | read or write of bank `k`, with auto-precharge        | the same, and `column_cycle` later |
//! |                     |     |       | refresh                                               | `r + COMMAND`                      |
//! | `bank`, `line`      | out | 3, 14 | bank and address pins                                 | with the command                   |
//! | `drive`             | out | 1     | word `w` of a written granule goes to the pins        | `s + COMMAND + column_cycle + w`   |
//!
//! The commands are `COMMAND` cycles behind the slot, so that the words of a row that goes back have time to arrive, and the address
//! time to be added up.
//!
//! # Invariants
//! 1. Slots are at least a granule apart. The outputs then depend on slot, address and direction alone, and no two commands meet.
//! 2. Each bank is opened, read or written once, and closed, once in a granule.

use super::shape::Shape;
use crate::dialect::*;
use crate::primitives::Delay;

/// Cycles from a slot to its first activation on the bus.
pub const COMMAND: usize = 8;
/// Cycles from a slot to its address.
pub const ADDRESS: usize = COMMAND - 2;
/// Bits of a bank, of the address pins, and of a granule's number.
pub const BANK: usize = 3;
pub const LINE: usize = 14;
pub const GRANULE: usize = 24;
/// Bits of a burst's cycle.
const BEAT: usize = 3;
/// Address pin that closes the bank after its read or write.
const AUTO_PRECHARGE: u64 = 1 << 10;

/// The command sequencer.
#[derive(LogicBlock, Default)]
pub struct Sequencer {
    pub clock: Signal<In, Clock>,
    pub take: Signal<In, Bit>,
    pub write: Signal<In, Bit>,
    pub address: Signal<In, Bits<GRANULE>>,
    pub refresh: Signal<In, Bit>,
    pub ras: Signal<Out, Bit>,
    pub cas: Signal<Out, Bit>,
    pub we: Signal<Out, Bit>,
    pub bank: Signal<Out, Bits<BANK>>,
    pub line: Signal<Out, Bits<LINE>>,
    pub drive: Signal<Out, Bit>,
    burst_last: Setting<BEAT>,
    bank_last: Setting<BANK>,
    column_bits: Setting<GRANULE>,
    column_mask: Setting<GRANULE>,
    auto_precharge: Fixed<AUTO_PRECHARGE, LINE>,
    take_later: Delay<1>,
    write_later: Delay<1>,
    refresh_later: Delay<1>,
    // The granule whose banks are being opened.
    active: DFF<Bit>,
    writes: DFF<Bit>,
    row: DFF<Bits<LINE>>,
    column: DFF<Bits<LINE>>,
    beat: DFF<Bits<BEAT>>,
    bank_now: DFF<Bits<BANK>>,
    ends: Signal<Local, Bit>,
    opens: Signal<Local, Bit>,
    // The bank that is read or written.
    column_strobe: Delay<1>,
    column_write: Delay<1>,
    column_bank: Delay<BANK>,
    column_line: Delay<LINE>,
    accesses: Signal<Local, Bit>,
    stores: Signal<Local, Bit>,
    // The bus.
    ras_held: DFF<Bit>,
    cas_held: DFF<Bit>,
    we_held: DFF<Bit>,
    bank_held: DFF<Bits<BANK>>,
    line_held: DFF<Bits<LINE>>,
    drive_held: DFF<Bit>,
    drive_left: DFF<Bits<BEAT>>,
    kind: Kind<Self>,
}

impl Sequencer {
    /// Cycles from slot to command.
    pub const LATENCY: usize = COMMAND;

    /// The sequencer of a port.
    pub fn new(shape: &Shape) -> Self {
        Self {
            burst_last: Setting::new(shape.burst - 1),
            bank_last: Setting::new(shape.banks - 1),
            column_bits: Setting::new(shape.column_bits),
            column_mask: Setting::new((1 << shape.column_bits) - 1),
            take_later: Delay::new(ADDRESS),
            write_later: Delay::new(ADDRESS),
            refresh_later: Delay::new(COMMAND - 1),
            column_strobe: Delay::new(shape.column_cycle),
            column_write: Delay::new(shape.column_cycle),
            column_bank: Delay::new(shape.column_cycle),
            column_line: Delay::new(shape.column_cycle),
            ..Self::default()
        }
    }
}

impl Logic for Sequencer {
    #[hdl_gen]
    fn update(&mut self) {
        clock!(self, clock, take_later, write_later, refresh_later);
        clock!(self, clock, column_strobe, column_write, column_bank, column_line);
        dff_setup!(self, clock, active, writes, row, column, beat, bank_now);
        dff_setup!(self, clock, ras_held, cas_held, we_held, bank_held, line_held, drive_held, drive_left);
        self.take_later.x.next = self.take.val().into();
        self.write_later.x.next = self.write.val().into();
        self.refresh_later.x.next = self.refresh.val().into();

        self.ends.next = self.beat.q.val() == self.burst_last.val();
        self.opens.next = self.active.q.val() & (self.beat.q.val() == 0);
        self.beat.d.next = self.beat.q.val() + 1;
        if self.ends.val() {
            self.beat.d.next = 0.into();
            self.bank_now.d.next = self.bank_now.q.val() + 1;
            if self.bank_now.q.val() == self.bank_last.val() {
                self.active.d.next = false;
            }
        }
        if self.take_later.y.val().get_bit(0) {
            self.active.d.next = true;
            self.writes.d.next = self.write_later.y.val().get_bit(0);
            self.row.d.next = bit_cast::<LINE, GRANULE>(self.address.val() >> self.column_bits.val());
            self.column.d.next = bit_cast::<LINE, GRANULE>(self.address.val() & self.column_mask.val());
            self.beat.d.next = 0.into();
            self.bank_now.d.next = 0.into();
        }

        self.column_strobe.x.next = self.opens.val().into();
        self.column_write.x.next = self.writes.q.val().into();
        self.column_bank.x.next = self.bank_now.q.val();
        self.column_line.x.next = self.column.q.val();
        self.accesses.next = self.column_strobe.y.val().get_bit(0);
        self.stores.next = self.accesses.val() & self.column_write.y.val().get_bit(0);

        self.ras_held.d.next = self.opens.val() | self.refresh_later.y.val().get_bit(0);
        self.cas_held.d.next = self.accesses.val() | self.refresh_later.y.val().get_bit(0);
        self.we_held.d.next = self.stores.val();
        self.bank_held.d.next = self.bank_now.q.val();
        self.line_held.d.next = self.row.q.val();
        if self.accesses.val() {
            self.bank_held.d.next = self.column_bank.y.val();
            self.line_held.d.next = (self.column_line.y.val() << 3) | self.auto_precharge.val();
        }
        self.drive_held.d.next = self.stores.val() | (self.drive_left.q.val() != 0);
        if self.drive_left.q.val() != 0 {
            self.drive_left.d.next = self.drive_left.q.val() - 1;
        }
        if self.stores.val() {
            self.drive_left.d.next = self.burst_last.val();
        }
        self.ras.next = self.ras_held.q.val();
        self.cas.next = self.cas_held.q.val();
        self.we.next = self.we_held.q.val();
        self.bank.next = self.bank_held.q.val();
        self.line.next = self.line_held.q.val();
        self.drive.next = self.drive_held.q.val();
    }
}
