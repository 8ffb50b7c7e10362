//! The host's way to external memory, between tokens: eight bytes at a time, in a slot of an idle frame.
//!
//! ```text
//!  write, read, address, data ─►[request]─ slot ─► take ─┬─►[to the pins' cycle]──► word, mask
//!                                                        └─►[to the words' cycle]─► read_word ─►[64 bits]─► read_data
//! ```
//!
//! | port            | dir | width | meaning                                                         | cycle |
//! |-----------------|-----|------:|-----------------------------------------------------------------|-------|
//! | `write`, `read` | in  | 1     | strobes of a request; none before the one before is done        | `t`   |
//! | `address`       | in  | 27    | with it: in units of eight bytes                                | `t`   |
//! | `data`          | in  | 64    | with `write`                                                    | `t`   |
//! | `idle`          | in  | 1     | no token runs or starts                                         |       |
//! | `slot`          | in  | 1     | strobe: a slot begins                                           | `s`   |
//! | `take`          | out | 1     | strobe: the slot takes the request's granule                    | `s`   |
//! | `writes`        | out | 1     | the request writes                                              | `t + 1` to the next request |
//! | `granule`       | out | 24    | its granule                                                     | the same |
//! | `drives`        | out | 1     | the pins are the request's | `s + COMMAND + column_cycle + w` |
//! | `word`, `mask`  | out | 16, 1 | word `w` for the pins, and whether the memory keeps what it has | `s + COMMAND + column_cycle + w` |
//! | `read_word`     | in  | 16    | word `w`                                                        | `s + dram_read_latency + w` |
//! | `read_data`     | out | 72    | a host word: what was read                                                   | from `done` to the next request |
//! | `done`          | out | 1     | strobe                                                          |       |
//!
//! A write masks the rest of its granule. A request waits for a slot for the length of a refresh at most, and takes a slot's time: far less
//! than the link needs to bring it.
//!
//! # Invariants
//! 1. A request takes one slot, and none while a token runs.

use super::sequencer::{COMMAND, GRANULE};
use super::shape::Shape;
use crate::dialect::*;
use crate::primitives::Delay;
use lpu_isa::Geometry;

/// Bits of an address: a granule of 64 bytes, and eight bytes of it.
pub const HOST_ADDRESS: usize = GRANULE + 3;
/// Bits of a granule's word.
const WORD: usize = 5;

/// The host's access.
#[derive(LogicBlock, Default)]
pub struct HostAccess {
    pub clock: Signal<In, Clock>,
    pub write: Signal<In, Bit>,
    pub read: Signal<In, Bit>,
    pub address: Signal<In, Bits<HOST_ADDRESS>>,
    pub data: Signal<In, Bits<64>>,
    pub idle: Signal<In, Bit>,
    pub slot: Signal<In, Bit>,
    pub take: Signal<Out, Bit>,
    pub writes: Signal<Out, Bit>,
    pub granule: Signal<Out, Bits<GRANULE>>,
    pub drives: Signal<Out, Bit>,
    pub word: Signal<Out, Bits<16>>,
    pub mask: Signal<Out, Bit>,
    pub read_word: Signal<In, Bits<16>>,
    pub read_data: Signal<Out, Bits<72>>,
    pub done: Signal<Out, Bit>,
    word_last: Fixed<31, WORD>,
    pending: DFF<Bit>,
    writing: DFF<Bit>,
    place: DFF<Bits<HOST_ADDRESS>>,
    held: DFF<Bits<64>>,
    taken: Signal<Local, Bit>,
    write_later: Delay<1>,
    read_later: Delay<1>,
    active: DFF<Bit>,
    count: DFF<Bits<WORD>>,
    mine: Signal<Local, Bit>,
    done_held: DFF<Bit>,
    kind: Kind<Self>,
}

impl HostAccess {
    /// Cycles from a request to the earliest slot.
    pub const LATENCY: usize = 1;

    /// The access of a chip whose memory moves 16 bits a cycle.
    pub fn new(geometry: &Geometry, shape: &Shape) -> Self {
        assert!(shape.granule() == 32 && shape.word_bits == 16, "a granule has 64 bytes");
        Self {
            write_later: Delay::new(COMMAND + shape.column_cycle - 1),
            read_later: Delay::new(geometry.dram_read_latency - 1),
            kind: Kind::named("dram_host_access"),
            ..Self::default()
        }
    }
}

impl Logic for HostAccess {
    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(self, clock, pending, writing, place, held, active, count, done_held);
        clock!(self, clock, write_later, read_later);
        self.taken.next = self.slot.val() & self.idle.val() & self.pending.q.val();
        self.take.next = self.taken.val();
        self.writes.next = self.writing.q.val();
        self.granule.next = self.place.q.val().get_bits::<GRANULE>(3);
        self.write_later.x.next = (self.taken.val() & self.writing.q.val()).into();
        self.read_later.x.next = (self.taken.val() & !self.writing.q.val()).into();

        self.mine.next = self.active.q.val()
            & (self.count.q.val().get_bits::<3>(2) == self.place.q.val().get_bits::<3>(0));
        self.mask.next = self.active.q.val() & self.writing.q.val() & !self.mine.val();
        self.drives.next = self.active.q.val() & self.writing.q.val();
        self.word.next = self.held.q.val().get_bits::<16>(0);
        self.read_data.next = bit_cast::<72, 64>(self.held.q.val());
        self.done.next = self.done_held.q.val();
        self.done_held.d.next = self.active.q.val() & (self.count.q.val() == self.word_last.val());
        self.count.d.next = self.count.q.val() + 1;
        if self.count.q.val() == self.word_last.val() {
            self.active.d.next = false;
        }
        if self.write_later.y.val().get_bit(0) | self.read_later.y.val().get_bit(0) {
            self.active.d.next = true;
            self.count.d.next = 0.into();
        }
        if self.mine.val() {
            self.held.d.next = self.held.q.val() >> 16;
            if !self.writing.q.val() {
                self.held.d.next =
                    (self.held.q.val() >> 16) | (bit_cast::<64, 16>(self.read_word.val()) << 48);
            }
        }
        if self.taken.val() {
            self.pending.d.next = false;
        }
        if self.write.val() | self.read.val() {
            self.pending.d.next = true;
            self.writing.d.next = self.write.val();
            self.place.d.next = self.address.val();
            self.held.d.next = self.data.val();
        }
    }
}
