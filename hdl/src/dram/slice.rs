//! The slice: transfers of the queue to commands and words of the memory's port, and to rows of the chip's memories.
//!
//! ```text
//!  segment, hold ─► Frames ─ slot ─► queue ─ take ─────┬─► Sequencer ─► commands ─────────────────────► port
//!                                                      │                                                 │
//!  fields ─► TransferUnit ─ address ───────────────────┤                                                 │
//!                    └ fields held ─┬─► Pack ─► reads  │ narrow, wide ─► Pack ─►[delay]─► write_word ───►│
//!                                   └─► Decoder ◄──────┴──[delay]── read_word ◄──────────────────────────┘
//!                                          └─► rows
//! ```
//!
//! | port                       | dir | width | meaning                                                        | cycle |
//! |----------------------------|-----|------:|----------------------------------------------------------------|-------|
//! | `segment`, `hold`          | in  | 1     | as [`Frames`](super::frames::Frames)                           | `A0 - 1` |
//! | `slot`                     | out | 1     | strobe: a slot begins                                          | `s`   |
//! | `take`, `first`            | in  | 1     | strobes: the slot takes a granule, a transfer's first          | `s`   |
//! | fields, offsets, `token`, `position`, `block` | in | | as [`TransferUnit`](super::unit::TransferUnit) | `a + 1` on |
//! | `ras` ... `drive`          | out |       | as [`Sequencer`](super::sequencer::Sequencer)                  |       |
//! | `write_word`               | out | 16    | word for the pins while `drive`                                |       |
//! | `read_word`                | in  | 16    | word `w` of a granule, as the PHY gives it        | `s + COMMAND + column_cycle + phy_latency + w` |
//! | `mask`                     | out | 1     | the memory keeps what it has, instead of `write_word`          |       |
//! | `host_write` ... `host_done` |   |       | as [`HostAccess`](super::host::HostAccess)                     |       |
//! | `reads_kv`, `reads_vmem`, `read_row`, `narrow`, `wide` |  | | as [`Pack`](super::pack::Pack)                    |       |
//! | `cells` ... `row`          | out |       | as [`Decoder`](super::decode::Decoder)                         |       |
//! | `outside_dram`, `outside_kv`, `outside_vmem` | out | 1 | strobes of faults: there is no such granule, row of KV memory, of vector memory | |
//! | `turnaround`               | out | 1     | strobe of a fault: the bus turned round without an empty slot  |       |
//!
//! # Invariants
//! 1. Word `w` of a granule in slot `s` reaches the decoder in cycle `s + dram_read_latency + w`.
//! 2. `read_word` and the cells decide what is written, nothing else.
//! 3. The queue takes no slot while `idle`, the host none else.

use super::decode::Decoder;
use super::frames::Frames;
use super::host::{HOST_ADDRESS, HostAccess};
use super::pack::Pack;
use super::sequencer::{BANK, COMMAND, LINE, Sequencer};
use super::shape::Shape;
use super::unit::TransferUnit;
use crate::dialect::*;
use crate::primitives::Delay;
use lpu_isa::Geometry;

/// External memory as a slice.
#[derive(LogicBlock, Default)]
pub struct DramSlice {
    pub clock: Signal<In, Clock>,
    pub segment: Signal<In, Bit>,
    pub hold: Signal<In, Bit>,
    pub slot: Signal<Out, Bit>,
    pub take: Signal<In, Bit>,
    pub first: Signal<In, Bit>,
    pub way: Signal<In, Bits<3>>,
    pub format: Signal<In, Bits<3>>,
    pub offset_codes: Signal<In, Bits<1>>,
    pub step_by: Signal<In, Bits<2>>,
    pub address_offset: Signal<In, Bits<1>>,
    pub row_offset: Signal<In, Bits<1>>,
    pub shift: Signal<In, Bits<5>>,
    pub run: Signal<In, Bits<16>>,
    pub blocks: Signal<In, Bits<10>>,
    pub address: Signal<In, Bits<28>>,
    pub address_step: Signal<In, Bits<16>>,
    pub first_row: Signal<In, Bits<24>>,
    pub row_step: Signal<In, Bits<12>>,
    pub run_step: Signal<In, Bits<12>>,
    pub row_number_step: Signal<In, Bits<12>>,
    pub offset_first: Signal<In, Bits<24>>,
    pub offset_second: Signal<In, Bits<24>>,
    pub token: Signal<In, Bits<16>>,
    pub position: Signal<In, Bits<16>>,
    pub block: Signal<In, Bits<16>>,
    pub ras: Signal<Out, Bit>,
    pub cas: Signal<Out, Bit>,
    pub we: Signal<Out, Bit>,
    pub bank: Signal<Out, Bits<BANK>>,
    pub line: Signal<Out, Bits<LINE>>,
    pub drive: Signal<Out, Bit>,
    pub write_word: Signal<Out, Bits<16>>,
    pub mask: Signal<Out, Bit>,
    pub idle: Signal<In, Bit>,
    pub host_write: Signal<In, Bit>,
    pub host_read: Signal<In, Bit>,
    pub host_address: Signal<In, Bits<HOST_ADDRESS>>,
    pub host_data: Signal<In, Bits<64>>,
    pub host_read_data: Signal<Out, Bits<72>>,
    pub host_done: Signal<Out, Bit>,
    pub read_word: Signal<In, Bits<16>>,
    pub reads_kv: Signal<Out, Bit>,
    pub reads_vmem: Signal<Out, Bit>,
    pub read_row: Signal<Out, Bits<24>>,
    pub narrow: Vec<Signal<In, Bits<36>>>,
    pub wide: Vec<Signal<In, Bits<36>>>,
    pub cells: Vec<Signal<Out, Bits<36>>>,
    pub weights: Signal<Out, Bit>,
    pub kv: Signal<Out, Bit>,
    pub vmem: Signal<Out, Bit>,
    pub row: Signal<Out, Bits<11>>,
    pub outside_dram: Signal<Out, Bit>,
    pub outside_kv: Signal<Out, Bit>,
    pub outside_vmem: Signal<Out, Bit>,
    pub turnaround: Signal<Out, Bit>,
    frames: Frames,
    unit: TransferUnit,
    sequencer: Sequencer,
    pack: Pack,
    decoder: Decoder,
    host: HostAccess,
    read_later: Delay<16>,
    write_later: Delay<16>,
    granule_later: Delay<1>,
    fresh_later: Delay<1>,
    /// The last slot was taken, and whether to write, with no refresh since.
    busy: DFF<Bit>,
    wrote: DFF<Bit>,
    turnaround_held: DFF<Bit>,
    kind: Kind<Self>,
}

impl DramSlice {
    /// The slice of a chip whose memory moves 16 bits a cycle, before a PHY of this read latency.
    ///
    /// # Panics
    /// The chip's read latency leaves no time for the words' way, or more than the fields of a transfer are held.
    pub fn new(geometry: &Geometry, shape: &Shape, phy_latency: usize) -> Self {
        let bus = COMMAND + shape.column_cycle;
        let latency = geometry.dram_read_latency;
        assert!(bus + phy_latency < latency && latency + 2 <= shape.granule(), "dram_read_latency {latency}");
        let (pack, decoder) = (Pack::new(geometry, shape), Decoder::new(geometry, shape));
        Self {
            narrow: many(pack.narrow.len()),
            wide: many(pack.wide.len()),
            cells: many(decoder.cells.len()),
            frames: Frames::new(shape),
            unit: TransferUnit::new(geometry),
            sequencer: Sequencer::new(shape),
            host: HostAccess::new(geometry, shape),
            pack,
            decoder,
            read_later: Delay::new(latency - bus - phy_latency),
            write_later: Delay::new(bus - Pack::LATENCY),
            granule_later: Delay::new(latency),
            fresh_later: Delay::new(latency),
            kind: Kind::named("dram_slice"),
            ..Self::default()
        }
    }
}

impl Logic for DramSlice {
    #[hdl_gen]
    fn update(&mut self) {
        clock!(self, clock, frames, unit, sequencer, pack, decoder, host);
        clock!(self, clock, read_later, write_later, granule_later, fresh_later);
        dff_setup!(self, clock, busy, wrote, turnaround_held);
        self.frames.segment.next = self.segment.val();
        self.frames.hold.next = self.hold.val();
        self.slot.next = self.frames.slot.val();

        self.unit.way.next = self.way.val();
        self.unit.format.next = self.format.val();
        self.unit.offset_codes.next = self.offset_codes.val();
        self.unit.step_by.next = self.step_by.val();
        self.unit.address_offset.next = self.address_offset.val();
        self.unit.row_offset.next = self.row_offset.val();
        self.unit.shift.next = self.shift.val();
        self.unit.run.next = self.run.val();
        self.unit.blocks.next = self.blocks.val();
        self.unit.first_address.next = self.address.val();
        self.unit.address_step.next = self.address_step.val();
        self.unit.row.next = self.first_row.val();
        self.unit.row_step.next = self.row_step.val();
        self.unit.run_step.next = self.run_step.val();
        self.unit.row_number_step.next = self.row_number_step.val();
        self.unit.offset_first.next = self.offset_first.val();
        self.unit.offset_second.next = self.offset_second.val();
        self.unit.token.next = self.token.val();
        self.unit.position.next = self.position.val();
        self.unit.block.next = self.block.val();
        self.unit.take.next = self.take.val();
        self.unit.first.next = self.first.val();
        self.outside_dram.next = self.unit.outside.val();

        self.host.write.next = self.host_write.val();
        self.host.read.next = self.host_read.val();
        self.host.address.next = self.host_address.val();
        self.host.data.next = self.host_data.val();
        self.host.idle.next = self.idle.val();
        self.host.slot.next = self.frames.slot.val();
        self.host.read_word.next = self.read_later.y.val();
        self.host_read_data.next = self.host.read_data.val();
        self.host_done.next = self.host.done.val();

        self.sequencer.take.next = self.take.val() | self.host.take.val();
        self.sequencer.write.next = self.unit.write.val();
        self.sequencer.address.next = self.unit.address.val();
        if self.idle.val() {
            self.sequencer.write.next = self.host.writes.val();
            self.sequencer.address.next = self.host.granule.val();
        }
        self.sequencer.refresh.next = self.frames.refresh.val();
        self.ras.next = self.sequencer.ras.val();
        self.cas.next = self.sequencer.cas.val();
        self.we.next = self.sequencer.we.val();
        self.bank.next = self.sequencer.bank.val();
        self.line.next = self.sequencer.line.val();
        self.drive.next = self.sequencer.drive.val();

        self.pack.take.next = self.take.val() & self.unit.write.val();
        self.pack.first.next = self.first.val();
        self.pack.row_start.next = self.unit.row_start.val();
        self.pack.way.next = self.unit.held_way.val();
        self.pack.run.next = self.unit.held_run.val();
        self.pack.row_step.next = self.unit.held_row_step.val();
        self.pack.run_step.next = self.unit.held_run_step.val();
        self.reads_kv.next = self.pack.reads_kv.val();
        self.reads_vmem.next = self.pack.reads_vmem.val();
        self.read_row.next = self.pack.row.val();
        for c in 0..self.narrow.len() {
            self.pack.narrow[c].next = self.narrow[c].val();
        }
        for c in 0..self.wide.len() {
            self.pack.wide[c].next = self.wide[c].val();
        }
        self.write_later.x.next = self.pack.word.val();
        self.write_word.next = self.write_later.y.val();
        self.mask.next = self.host.mask.val();
        // The words of a token's last granule may leave after the token.
        if self.host.drives.val() {
            self.write_word.next = self.host.word.val();
        }

        self.granule_later.x.next = (self.take.val() & !self.unit.write.val()).into();
        self.fresh_later.x.next = self.first.val().into();
        self.read_later.x.next = self.read_word.val();
        self.decoder.word.next = self.read_later.y.val();
        self.decoder.granule.next = self.granule_later.y.val().get_bit(0);
        self.decoder.fresh.next = self.fresh_later.y.val().get_bit(0);
        self.decoder.way.next = self.unit.held_way.val();
        self.decoder.format.next = self.unit.held_format.val();
        self.decoder.offset_codes.next = self.unit.held_offset_codes.val().get_bit(0);
        self.decoder.blocks.next = self.unit.held_blocks.val();
        self.decoder.run.next = self.unit.held_run.val();
        self.decoder.shift.next = self.unit.held_shift.val();
        self.decoder.row.next = self.unit.held_row.val();
        self.decoder.row_step.next = self.unit.held_row_step.val();
        self.decoder.run_step.next = self.unit.held_run_step.val();
        for c in 0..self.cells.len() {
            self.cells[c].next = self.decoder.cells[c].val();
        }
        self.weights.next = self.decoder.weights.val();
        self.kv.next = self.decoder.kv.val();
        self.vmem.next = self.decoder.vmem.val();
        self.row.next = self.decoder.address.val();
        self.outside_kv.next =
            (self.decoder.outside.val() & self.decoder.kv.val()) | self.pack.outside_kv.val();
        self.outside_vmem.next =
            (self.decoder.outside.val() & self.decoder.vmem.val()) | self.pack.outside_vmem.val();

        self.turnaround_held.d.next =
            self.take.val() & self.busy.q.val() & (self.wrote.q.val() != self.unit.write.val());
        self.turnaround.next = self.turnaround_held.q.val();
        if self.frames.slot.val() {
            self.busy.d.next = self.take.val();
            self.wrote.d.next = self.unit.write.val();
        }
        if self.frames.refresh.val() {
            self.busy.d.next = false;
        }
    }
}
