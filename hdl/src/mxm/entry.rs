//! Which activation entry each beat multiplies by.
//!
//! ```text
//!  payload ─►[reg]─► first? entry or the one after the last : advance? that : the last ─►[reg]─► entry
//!  cycle 0      1                                                                           2
//! ```
//!
//! | port             | dir | width   | meaning                                                    | cycle |
//! |------------------|-----|---------|------------------------------------------------------------|------:|
//! | `beat`           | in  | 1       | strobe: an issue of `Dot`                                  |     0 |
//! | `first`          | in  | 1       | its instruction's first                                    |     0 |
//! | `wanted`         | in  | `ENTRY` | `Dot`'s field `entry`                                      |     0 |
//! | `continues`      | in  | 1       | `entry_continue`: begin after the last entry of any beat   |     0 |
//! | `advance`        | in  | 1       | `entry_advance`: go on by one from beat to beat            |     0 |
//! | `entry`          | out | `ENTRY` | entry of the beat                                          |     2 |
//! | `reads`          | out | 1       | strobe: a beat reads the entry, in cycle 3                 |     2 |
//!
//! # Invariants
//! 1. Entries count modulo their number. Before any beat, the entry after the last is 0.
//! 2. `entry` holds between beats.

use crate::kind::Kind;
use crate::widths::ENTRY;
use lpu_isa::Geometry;
use rust_hdl::prelude::*;

/// The read pointer of the activation file.
#[derive(LogicBlock)]
pub struct EntryPointer {
    pub clock: Signal<In, Clock>,
    pub beat: Signal<In, Bit>,
    pub first: Signal<In, Bit>,
    pub wanted: Signal<In, Bits<ENTRY>>,
    pub continues: Signal<In, Bit>,
    pub advance: Signal<In, Bit>,
    pub entry: Signal<Out, Bits<ENTRY>>,
    pub reads: Signal<Out, Bit>,
    last_entry: Constant<Bits<ENTRY>>,
    beat_1: DFF<Bit>,
    wanted_1: DFF<Bits<ENTRY>>,
    takes_wanted_1: DFF<Bit>,
    takes_next_1: DFF<Bit>,
    chosen: Signal<Local, Bits<ENTRY>>,
    now: DFF<Bits<ENTRY>>,
    next: DFF<Bits<ENTRY>>,
    reads_2: DFF<Bit>,
    kind: Kind<Self>,
}

impl EntryPointer {
    /// Cycles from beat to entry.
    pub const LATENCY: usize = 2;

    /// The pointer of a chip.
    pub fn new(geometry: &Geometry) -> Self {
        Self {
            clock: Default::default(),
            beat: Default::default(),
            first: Default::default(),
            wanted: Default::default(),
            continues: Default::default(),
            advance: Default::default(),
            entry: Default::default(),
            reads: Default::default(),
            last_entry: Constant::new((geometry.act_entries - 1).to_bits()),
            beat_1: Default::default(),
            wanted_1: Default::default(),
            takes_wanted_1: Default::default(),
            takes_next_1: Default::default(),
            chosen: Default::default(),
            now: Default::default(),
            next: Default::default(),
            reads_2: Default::default(),
            kind: Kind::default(),
        }
    }
}

impl Logic for EntryPointer {
    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(self, clock, beat_1, wanted_1, takes_wanted_1, takes_next_1, now, next, reads_2);
        self.beat_1.d.next = self.beat.val();
        self.wanted_1.d.next = self.wanted.val();
        self.takes_wanted_1.d.next = self.first.val() & !self.continues.val();
        self.takes_next_1.d.next = self.first.val() | self.advance.val();

        self.chosen.next = self.now.q.val();
        if self.takes_wanted_1.q.val() {
            self.chosen.next = self.wanted_1.q.val();
        } else if self.takes_next_1.q.val() {
            self.chosen.next = self.next.q.val();
        }
        if self.beat_1.q.val() {
            self.now.d.next = self.chosen.val();
            self.next.d.next = (self.chosen.val() + 1) & self.last_entry.val();
        }
        self.reads_2.d.next = self.beat_1.q.val();
        self.entry.next = self.now.q.val();
        self.reads.next = self.reads_2.q.val();
    }
}
