//! What each word of a run is: scale, offset, codes; which four codes or cell it completes, and which row.
//!
//! ```text
//!  granule ─►[words left]─► valid ─┐
//!  fresh ───►[format, blocks, run]─┴─►[head, beat, group, block, place, row of the run]─► emits, amount, place, ends
//!         0                      1                                               2
//! ```
//!
//! | port           | dir | width | meaning                                                        | cycle |
//! |----------------|-----|------:|----------------------------------------------------------------|------:|
//! | `granule`      | in  | 1     | strobe: the first word of a granule that was read              | 0     |
//! | `fresh`        | in  | 1     | with it: of a transfer's first granule                         | 0     |
//! | `way`, `format`, `offset_codes`, `blocks`, `run` | in | | fields of the transfer, with `fresh`           | 0     |
//! | `valid`        | out | 1     | there is a word                                                | 1     |
//! | `takes_scale`, `takes_offset` | out | 1 | the word is a block's scale, its offset                     | 1     |
//! | `emits`        | out | 1     | the word completes four codes, or a cell                       | 2     |
//! | `amount`       | out | 4     | their first bit in the window of three words, divided by four  | 2     |
//! | `place`        | out | `CELL` | cell of the row, the lower of two                             | 2     |
//! | `first`        | out | 1     | it is the row's first                                          | 2     |
//! | `ends`         | out | 1     | strobe: it is the row's last                                   | 2     |
//! | `ends_run`     | out | 1     | with `ends`: the row is the run's last                         | 2     |
//! | `target`       | out | 3     | [`Way`] of the row                                             | 2     |
//! | `kind_of_codes` | out | 4     | codes of 4, 5, 6, 8 bits, one bit each; none: plain rows       | 1     |
//! | `has_offsets`  | out | 1     | blocks have offsets                                            | 1     |
//! | `half`         | out | 9     | what is taken from a code                                      | 1     |
//! | `wide`         | out | 1     | lanes have 18 bits                                             | 1     |
//!
//! Four codes of 5 bits end in words 2, 3, 4, 5 of each five, those of 6 bits in words 2, 3 of three, those of 8 in word 2 of two. Cells of
//! plain rows end in words 3, 5, 7, 9 of nine, and a row is a multiple of nine words.
//!
//! # Invariants
//! 1. What follows the last row of a run in its granule is ignored; the next granule begins a run.
//! 2. A transfer is over when the next one's first word comes: `fresh` forgets everything.

use super::rows::CELL;
use crate::dialect::*;
use crate::dram::shape::Shape;
use lpu_isa::Geometry;
use lpu_isa::instruction::{Format, Way};

/// Bits of a granule's word.
const WORD: usize = 6;
/// Groups of four codes in a block, less one.
const GROUP_LAST: u64 = lpu_isa::transfer::BLOCK_CODES as u64 / 4 - 1;
/// States of `head`: the block's scale is next, its offset, its codes.
const OFFSET: u64 = 1;
const CODES: u64 = 2;

/// Control of the decoder.
#[derive(LogicBlock, Default)]
pub struct Control {
    pub clock: Signal<In, Clock>,
    pub granule: Signal<In, Bit>,
    pub fresh: Signal<In, Bit>,
    pub way: Signal<In, Bits<3>>,
    pub format: Signal<In, Bits<3>>,
    pub offset_codes: Signal<In, Bit>,
    pub blocks: Signal<In, Bits<10>>,
    pub run: Signal<In, Bits<16>>,
    pub valid: Signal<Out, Bit>,
    pub takes_scale: Signal<Out, Bit>,
    pub takes_offset: Signal<Out, Bit>,
    pub emits: Signal<Out, Bit>,
    pub amount: Signal<Out, Bits<4>>,
    pub place: Signal<Out, Bits<CELL>>,
    pub first: Signal<Out, Bit>,
    pub ends: Signal<Out, Bit>,
    pub ends_run: Signal<Out, Bit>,
    pub target: Signal<Out, Bits<3>>,
    pub kind_of_codes: Signal<Out, Bits<4>>,
    pub has_offsets: Signal<Out, Bit>,
    pub half: Signal<Out, Bits<9>>,
    pub wide: Signal<Out, Bit>,
    way_vmem: Fixed<{ Way::Vmem as u64 }, 3>,
    format_4: Fixed<{ Format::Codes4 as u64 }, 3>,
    format_5: Fixed<{ Format::Codes5 as u64 }, 3>,
    format_6: Fixed<{ Format::Codes6 as u64 }, 3>,
    format_8: Fixed<{ Format::Codes8 as u64 }, 3>,
    group_last: Fixed<GROUP_LAST, 3>,
    head_offset: Fixed<OFFSET, 2>,
    head_codes: Fixed<CODES, 2>,
    granule_last: Setting<WORD>,
    narrow_last: Setting<CELL>,
    wide_last: Setting<CELL>,
    // The transfer.
    codes: DFF<Bit>,
    codes_kind: DFF<Bits<4>>,
    half_held: DFF<Bits<9>>,
    wide_held: DFF<Bit>,
    offsets: DFF<Bit>,
    beat_last: DFF<Bits<4>>,
    blocks_last: DFF<Bits<10>>,
    run_last: DFF<Bits<16>>,
    place_last: DFF<Bits<CELL>>,
    place_step: DFF<Bits<CELL>>,
    target_held: DFF<Bits<3>>,
    // The word.
    words_left: DFF<Bits<WORD>>,
    valid_held: DFF<Bit>,
    granule_held: DFF<Bit>,
    // The place in the run.
    running: DFF<Bit>,
    head: DFF<Bits<2>>,
    beat: DFF<Bits<4>>,
    group: DFF<Bits<3>>,
    block: DFF<Bits<10>>,
    place_now: DFF<Bits<CELL>>,
    row_now: DFF<Bits<16>>,
    active: Signal<Local, Bit>,
    in_head: Signal<Local, Bit>,
    completes: Signal<Local, Bit>,
    emits_now: Signal<Local, Bit>,
    block_ends: Signal<Local, Bit>,
    row_ends: Signal<Local, Bit>,
    run_ends: Signal<Local, Bit>,
    amount_now: Signal<Local, Bits<4>>,
    // What the word completes.
    emits_held: DFF<Bit>,
    amount_held: DFF<Bits<4>>,
    place_held: DFF<Bits<CELL>>,
    first_held: DFF<Bit>,
    ends_held: DFF<Bit>,
    ends_run_held: DFF<Bit>,
    row_target: DFF<Bits<3>>,
    kind: Kind<Self>,
}

impl Control {
    /// Cycles from a word to what it completes.
    pub const LATENCY: usize = 2;

    /// The control of a chip's decoder.
    pub fn new(geometry: &Geometry, shape: &Shape) -> Self {
        Self {
            granule_last: Setting::new(shape.granule() - 1),
            narrow_last: Setting::new(geometry.mxm_lanes / 4 - 1),
            wide_last: Setting::new(geometry.vxm_lanes / 2 - 1),
            kind: Kind::named("decode_control"),
            ..Self::default()
        }
    }
}

impl Logic for Control {
    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(self, clock, codes, codes_kind, half_held, wide_held, offsets, beat_last, blocks_last);
        dff_setup!(self, clock, run_last, place_last, place_step, target_held, words_left, valid_held);
        dff_setup!(self, clock, granule_held, running, head, beat, group, block, place_now, row_now);
        dff_setup!(self, clock, emits_held, amount_held, place_held, first_held, ends_held, ends_run_held);
        dff_setup!(self, clock, row_target);

        // Cycle 0: is there a word?
        self.granule_held.d.next = self.granule.val();
        self.valid_held.d.next = self.granule.val() | (self.words_left.q.val() != 0);
        if self.words_left.q.val() != 0 {
            self.words_left.d.next = self.words_left.q.val() - 1;
        }
        if self.granule.val() {
            self.words_left.d.next = self.granule_last.val();
        }

        // Cycle 1: what is it?
        self.active.next = self.valid_held.q.val() & (self.running.q.val() | self.granule_held.q.val());
        self.in_head.next = self.codes.q.val() & (self.head.q.val() != self.head_codes.val());
        self.takes_scale.next = self.active.val() & self.in_head.val() & (self.head.q.val() == 0);
        self.takes_offset.next = self.active.val() & (self.head.q.val() == self.head_offset.val());
        self.valid.next = self.valid_held.q.val();
        self.amount_now.next = (self.beat.q.val() >> 1) - 1;
        self.completes.next = !self.beat.q.val().get_bit(0) & (self.beat.q.val() != 0);
        if self.codes.q.val() {
            self.completes.next = self.beat.q.val() != 0;
            self.amount_now.next = 4.into();
            if self.codes_kind.q.val().get_bit(0) {
                self.completes.next = true;
                self.amount_now.next = 8.into();
            }
            if self.codes_kind.q.val().get_bit(1) {
                self.amount_now.next = self.beat.q.val() + 3;
            }
            if self.codes_kind.q.val().get_bit(2) {
                self.amount_now.next = (self.beat.q.val() << 1) + 2;
            }
        }
        self.emits_now.next = self.active.val() & !self.in_head.val() & self.completes.val();
        self.emits_held.d.next = self.emits_now.val();
        self.amount_held.d.next = self.amount_now.val();
        self.place_held.d.next = self.place_now.q.val();
        self.first_held.d.next = self.place_now.q.val() == 0;
        self.row_target.d.next = self.target_held.q.val();
        self.block_ends.next =
            self.emits_now.val() & self.codes.q.val() & (self.group.q.val() == self.group_last.val());
        self.row_ends.next = self.emits_now.val()
            & ((self.place_now.q.val() == self.place_last.q.val())
                | (self.block_ends.val() & (self.block.q.val() == self.blocks_last.q.val())));
        self.run_ends.next = self.row_ends.val() & (self.row_now.q.val() == self.run_last.q.val());
        self.ends_held.d.next = self.row_ends.val();
        self.ends_run_held.d.next = self.run_ends.val();

        if self.granule_held.q.val() {
            self.running.d.next = true;
        }
        if self.active.val() & self.in_head.val() {
            self.head.d.next = self.head_codes.val();
            if (self.head.q.val() == 0) & self.offsets.q.val() {
                self.head.d.next = self.head_offset.val();
            }
        }
        if self.active.val() & !self.in_head.val() {
            self.beat.d.next = self.beat.q.val() + 1;
            if self.beat.q.val() == self.beat_last.q.val() {
                self.beat.d.next = 0.into();
            }
        }
        if self.emits_now.val() {
            self.group.d.next = self.group.q.val() + 1;
            self.place_now.d.next = self.place_now.q.val() + self.place_step.q.val();
        }
        if self.block_ends.val() {
            self.head.d.next = 0.into();
            self.block.d.next = self.block.q.val() + 1;
            if self.block.q.val() == self.blocks_last.q.val() {
                self.block.d.next = 0.into();
            }
        }
        if self.row_ends.val() {
            self.place_now.d.next = 0.into();
            self.row_now.d.next = self.row_now.q.val() + 1;
        }
        if self.run_ends.val() | (self.granule.val() & self.fresh.val()) {
            self.running.d.next = false;
            self.head.d.next = 0.into();
            self.beat.d.next = 0.into();
            self.group.d.next = 0.into();
            self.block.d.next = 0.into();
            self.place_now.d.next = 0.into();
            self.row_now.d.next = 0.into();
        }

        // Cycle 0: the transfer that this word begins.
        if self.granule.val() & self.fresh.val() {
            self.target_held.d.next = self.way.val();
            self.wide_held.d.next = self.way.val() == self.way_vmem.val();
            self.offsets.d.next = self.offset_codes.val();
            self.blocks_last.d.next = 0.into();
            if self.blocks.val() != 0 {
                self.blocks_last.d.next = self.blocks.val() - 1;
            }
            self.run_last.d.next = 0.into();
            if self.run.val() != 0 {
                self.run_last.d.next = self.run.val() - 1;
            }
            self.codes.d.next = true;
            self.place_step.d.next = 1.into();
            self.place_last.d.next = self.narrow_last.val();
            if self.way.val() == self.way_vmem.val() {
                // Four codes are two cells; the last pair begins a cell earlier.
                self.place_step.d.next = 2.into();
                self.place_last.d.next = self.wide_last.val() - 1;
            }
            if self.format.val() == self.format_4.val() {
                self.codes_kind.d.next = 1.into();
                self.half_held.d.next = 8.into();
                self.beat_last.d.next = 0.into();
            } else if self.format.val() == self.format_5.val() {
                self.codes_kind.d.next = 2.into();
                self.half_held.d.next = 16.into();
                self.beat_last.d.next = 4.into();
            } else if self.format.val() == self.format_6.val() {
                self.codes_kind.d.next = 4.into();
                self.half_held.d.next = 32.into();
                self.beat_last.d.next = 2.into();
            } else if self.format.val() == self.format_8.val() {
                self.codes_kind.d.next = 8.into();
                self.half_held.d.next = 128.into();
                self.beat_last.d.next = 1.into();
            } else {
                self.codes.d.next = false;
                self.codes_kind.d.next = 0.into();
                self.beat_last.d.next = 8.into();
                self.place_step.d.next = 1.into();
                if self.way.val() == self.way_vmem.val() {
                    self.place_last.d.next = self.wide_last.val();
                }
            }
            if self.offset_codes.val() {
                self.half_held.d.next = 0.into();
            }
        }

        self.emits.next = self.emits_held.q.val();
        self.amount.next = self.amount_held.q.val();
        self.place.next = self.place_held.q.val();
        self.first.next = self.first_held.q.val();
        self.ends.next = self.ends_held.q.val();
        self.ends_run.next = self.ends_run_held.q.val();
        self.target.next = self.row_target.q.val();
        self.kind_of_codes.next = self.codes_kind.q.val();
        self.has_offsets.next = self.offsets.q.val();
        self.half.next = self.half_held.q.val();
        self.wide.next = self.wide_held.q.val();
    }
}
