//! The way back: reads rows of KV or vector memory in time, and gives their words to the memory's pins.
//!
//! ```text
//!  take ─►[word of the row, row of the run]─► reads, row ─► memory ─► narrow, wide cells ─►[shift register]─► word
//!   0                  1                      1             1 + ROW_READ                    2 + ROW_READ
//! ```
//!
//! | port          | dir | width | meaning                                                    | cycle                  |
//! |---------------|-----|------:|------------------------------------------------------------|------------------------|
//! | `take`        | in  | 1     | strobe: a granule that is written begins                   | 0                      |
//! | `first`       | in  | 1     | with it: a transfer's first                                | 0                      |
//! | `row_start`   | in  | 24    | with `first`: first row                                    | 0                      |
//! | `way`, `run`, `row_step`, `run_step` | in | | fields of the transfer                          | 1 to its last word     |
//! | `reads_kv`, `reads_vmem` | out | 1 | strobes: the row that word `w` of the granule begins     | `w + TRANSFER_SAMPLE`  |
//! | `row`         | out | 24    | its address                                                | the same               |
//! | `outside_kv`, `outside_vmem` | out | 1 | strobes: there is no such row                   | a cycle later          |
//! | `narrow[c]`, `wide[c]` | in | 36 | cells of the KV row, of the vector row                   | [`ROW_READ`] later     |
//! | `word`        | out | 16    | word `w`; zero behind the last row of a run                | `w + LATENCY`          |
//!
//! # Invariants
//! 1. A row's words follow one another without a gap, and the next row follows it; what is left of a run's last granule is zero.

use super::shape::Shape;
use crate::dialect::*;
use crate::primitives::{Delay, Extend, JoinLanes};
use lpu_isa::Geometry;
use lpu_isa::instruction::Way;
use lpu_isa::timing::TRANSFER_SAMPLE;

/// Cycles from a row's address to its cells: the way of the queues' issues, the memory, and a register behind it.
pub const ROW_READ: usize = 6;
/// Words of four cells.
const QUAD: usize = 9;
/// Bits of a word within a row, and within a granule.
const WORD: usize = 7;

const _: () = assert!(TRANSFER_SAMPLE == 1);

/// The packer of rows.
#[derive(LogicBlock, Default)]
pub struct Pack {
    pub clock: Signal<In, Clock>,
    pub take: Signal<In, Bit>,
    pub first: Signal<In, Bit>,
    pub row_start: Signal<In, Bits<24>>,
    pub way: Signal<In, Bits<3>>,
    pub run: Signal<In, Bits<16>>,
    pub row_step: Signal<In, Bits<12>>,
    pub run_step: Signal<In, Bits<12>>,
    pub reads_kv: Signal<Out, Bit>,
    pub reads_vmem: Signal<Out, Bit>,
    pub row: Signal<Out, Bits<24>>,
    pub outside_kv: Signal<Out, Bit>,
    pub outside_vmem: Signal<Out, Bit>,
    pub narrow: Vec<Signal<In, Bits<36>>>,
    pub wide: Vec<Signal<In, Bits<36>>>,
    pub word: Signal<Out, Bits<16>>,
    from_vmem: Fixed<{ Way::FromVmem as u64 }, 3>,
    granule_last: Setting<WORD>,
    narrow_last: Setting<WORD>,
    wide_last: Setting<WORD>,
    kv_rows: Setting<24>,
    vmem_rows: Setting<24>,
    row_wide: Extend<12, 24>,
    run_wide: Extend<12, 24>,
    // The word of the granule.
    words_left: DFF<Bits<WORD>>,
    valid: DFF<Bit>,
    begins: DFF<Bit>,
    // The place in the run.
    running: DFF<Bit>,
    place: DFF<Bits<WORD>>,
    row_in_run: DFF<Bits<16>>,
    /// The row is the run's last. A cycle late, which is early enough: a row has nine words at least.
    last_row: DFF<Bit>,
    row_now: DFF<Bits<24>>,
    run_now: DFF<Bits<24>>,
    next_run: Signal<Local, Bits<24>>,
    is_wide: Signal<Local, Bit>,
    row_last: Signal<Local, Bits<WORD>>,
    active: Signal<Local, Bit>,
    reads: Signal<Local, Bit>,
    row_ends: Signal<Local, Bit>,
    run_ends: Signal<Local, Bit>,
    outside_kv_held: DFF<Bit>,
    outside_vmem_held: DFF<Bit>,
    // The words.
    load_narrow: Delay<1>,
    load_wide: Delay<1>,
    /// A word leaves; none does between granules.
    leaves: Delay<1>,
    narrow_quads: Vec<JoinLanes<4, 36, 144>>,
    wide_quads: Vec<JoinLanes<4, 36, 144>>,
    words: Vec<DFF<Bits<16>>>,
    _wide_words: usize,
    kind: Kind<Self>,
}

impl Pack {
    /// Cycles from a word's time to the word.
    pub const LATENCY: usize = TRANSFER_SAMPLE as usize + ROW_READ + 1;

    /// The packer of a chip whose memory moves 16 bits a cycle.
    pub fn new(geometry: &Geometry, shape: &Shape) -> Self {
        let (narrow, wide) = (geometry.mxm_lanes / 4, geometry.vxm_lanes / 2);
        assert!(narrow % 4 == 0 && wide % 4 == 0 && wide <= narrow, "rows are whole words of 16 bits");
        let (words, wide_words) = (narrow / 4 * QUAD, wide / 4 * QUAD);
        Self {
            narrow: many(narrow),
            wide: many(wide),
            granule_last: Setting::new(shape.granule() - 1),
            narrow_last: Setting::new(words - 1),
            wide_last: Setting::new(wide_words - 1),
            kv_rows: Setting::new(geometry.kv_rows),
            vmem_rows: Setting::new(geometry.vmem_rows),
            load_narrow: Delay::new(ROW_READ),
            load_wide: Delay::new(ROW_READ),
            leaves: Delay::new(ROW_READ + 1),
            narrow_quads: many(narrow / 4),
            wide_quads: many(wide / 4),
            words: many(words),
            _wide_words: wide_words,
            kind: Kind::named("pack"),
            ..Self::default()
        }
    }
}

impl Logic for Pack {
    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(
            self, clock, words_left, valid, begins, running, place, row_in_run, last_row, row_now, run_now
        );
        dff_setup!(self, clock, outside_kv_held, outside_vmem_held);
        clock!(self, clock, load_narrow, load_wide, leaves);
        // Cycle 0.
        self.begins.d.next = self.take.val();
        self.valid.d.next = self.take.val() | (self.words_left.q.val() != 0);
        if self.words_left.q.val() != 0 {
            self.words_left.d.next = self.words_left.q.val() - 1;
        }
        if self.take.val() {
            self.words_left.d.next = self.granule_last.val();
        }

        // Cycle 1.
        self.row_wide.x.next = self.row_step.val();
        self.run_wide.x.next = self.run_step.val();
        self.next_run.next = self.run_now.q.val() + self.run_wide.y.val();
        self.is_wide.next = self.way.val() == self.from_vmem.val();
        self.row_last.next = self.narrow_last.val();
        if self.is_wide.val() {
            self.row_last.next = self.wide_last.val();
        }
        self.active.next = self.valid.q.val() & (self.running.q.val() | self.begins.q.val());
        self.reads.next = self.active.val() & (self.place.q.val() == 0);
        self.row_ends.next = self.active.val() & (self.place.q.val() == self.row_last.val());
        // A run of no rows counts as one.
        self.last_row.d.next = (self.row_in_run.q.val() + 1 == self.run.val()) | (self.run.val() == 0);
        self.run_ends.next = self.row_ends.val() & self.last_row.q.val();
        self.reads_kv.next = self.reads.val() & !self.is_wide.val();
        self.reads_vmem.next = self.reads.val() & self.is_wide.val();
        self.row.next = self.row_now.q.val();
        self.outside_kv.next = self.outside_kv_held.q.val();
        self.outside_vmem.next = self.outside_vmem_held.q.val();
        self.outside_kv_held.d.next =
            self.reads.val() & !self.is_wide.val() & (self.row_now.q.val() >= self.kv_rows.val());
        self.outside_vmem_held.d.next =
            self.reads.val() & self.is_wide.val() & (self.row_now.q.val() >= self.vmem_rows.val());
        if self.begins.q.val() {
            self.running.d.next = true;
        }
        if self.active.val() {
            self.place.d.next = self.place.q.val() + 1;
        }
        if self.row_ends.val() {
            self.place.d.next = 0.into();
            self.row_in_run.d.next = self.row_in_run.q.val() + 1;
            self.row_now.d.next = self.row_now.q.val() + self.row_wide.y.val();
        }
        if self.run_ends.val() {
            self.running.d.next = false;
            self.row_in_run.d.next = 0.into();
            self.row_now.d.next = self.next_run.val();
            self.run_now.d.next = self.next_run.val();
        }
        if self.take.val() & self.first.val() {
            self.running.d.next = false;
            self.place.d.next = 0.into();
            self.row_in_run.d.next = 0.into();
            self.row_now.d.next = self.row_start.val();
            self.run_now.d.next = self.row_start.val();
        }

        // Cycle 1 + ROW_READ.
        self.load_narrow.x.next = (self.reads.val() & !self.is_wide.val()).into();
        self.leaves.x.next = self.valid.q.val().into();
        self.load_wide.x.next = (self.reads.val() & self.is_wide.val()).into();
        for q in 0..self.narrow_quads.len() {
            for c in 0..4 {
                self.narrow_quads[q].lane[c].next = self.narrow[q * 4 + c].val();
            }
        }
        for q in 0..self.wide_quads.len() {
            for c in 0..4 {
                self.wide_quads[q].lane[c].next = self.wide[q * 4 + c].val();
            }
        }
        for w in 0..(self.words.len() - 1) {
            dff_setup!(self, clock, words[w]);
            if self.leaves.y.val().get_bit(0) {
                self.words[w].d.next = self.words[w + 1].q.val();
            }
        }
        for w in (self.words.len() - 1)..self.words.len() {
            dff_setup!(self, clock, words[w]);
            if self.leaves.y.val().get_bit(0) {
                self.words[w].d.next = 0.into();
            }
        }
        for q in 0..self.narrow_quads.len() {
            for w in 0..9 {
                if self.load_narrow.y.val().get_bit(0) {
                    self.words[q * 9 + w].d.next = self.narrow_quads[q].bus.val().get_bits::<16>(w * 16);
                }
            }
        }
        for q in 0..self.wide_quads.len() {
            for w in 0..9 {
                if self.load_wide.y.val().get_bit(0) {
                    self.words[q * 9 + w].d.next = self.wide_quads[q].bus.val().get_bits::<16>(w * 16);
                }
            }
        }
        for w in self._wide_words..self.words.len() {
            if self.load_wide.y.val().get_bit(0) {
                self.words[w].d.next = 0.into();
            }
        }
        self.word.next = self.words[0].q.val();
    }
}
