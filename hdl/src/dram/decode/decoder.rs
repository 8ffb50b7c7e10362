//! The way of the bits, from words to rows.
//!
//! | port          | dir | width | meaning                                                       | cycle |
//! |---------------|-----|------:|---------------------------------------------------------------|------:|
//! | `word`        | in  | 16    | from the memory                                               | 0     |
//! | `granule`     | in  | 1     | strobe: the first word of a granule that was read             | 0     |
//! | `fresh`       | in  | 1     | with it: of a transfer's first granule                        | 0     |
//! | `way` ... `run_step` | in | | fields of that transfer, `row` with what is added to it: with `fresh` and in the next cycle | 0 |
//! | `cells[c]`, `weights`, `kv`, `vmem`, `address`, `outside` | out | | as [`Rows`](super::rows::Rows) | 12 |
//!
//! Throughput: a word a cycle.
//!
//! # Invariants
//! 1. Rows come `TRANSFER_DECODE` cycles after the word that completes them.

use super::control::Control;
use super::lane::{CodeLane, SCALE, SUM};
use super::rows::{CELL, ROW, ROW_CYCLE, Rows};
use crate::dialect::*;
use crate::dram::shape::Shape;
use crate::primitives::{Delay, Extend, JoinLanes};
use lpu_isa::Geometry;

/// Cycle in which codes leave for their lanes: a cycle after their bits were chosen.
const CODES: usize = Control::LATENCY + 1;
/// Cycle of values, and of the register behind them.
const VALUES: usize = CODES + CodeLane::LATENCY;
const CELLS: usize = VALUES + 1;

const _: () = assert!(CELLS + Rows::LATENCY == ROW_CYCLE);

/// The decoder.
#[derive(LogicBlock, Default)]
pub struct Decoder {
    pub clock: Signal<In, Clock>,
    pub word: Signal<In, Bits<16>>,
    pub granule: Signal<In, Bit>,
    pub fresh: Signal<In, Bit>,
    pub way: Signal<In, Bits<3>>,
    pub format: Signal<In, Bits<3>>,
    pub offset_codes: Signal<In, Bit>,
    pub blocks: Signal<In, Bits<10>>,
    pub run: Signal<In, Bits<16>>,
    pub shift: Signal<In, Bits<5>>,
    pub row: Signal<In, Bits<24>>,
    pub row_step: Signal<In, Bits<12>>,
    pub run_step: Signal<In, Bits<12>>,
    pub cells: Vec<Signal<Out, Bits<36>>>,
    pub weights: Signal<Out, Bit>,
    pub kv: Signal<Out, Bit>,
    pub vmem: Signal<Out, Bit>,
    pub address: Signal<Out, Bits<ROW>>,
    pub outside: Signal<Out, Bit>,
    control: Control,
    rows: Rows,
    fresh_1: DFF<Bit>,
    // The transfer's numbers at the bits' pace.
    shift_1: DFF<Bits<5>>,
    shift_later: Delay<5, { VALUES - 4 }>,
    kind_later: Delay<4>,
    half_later: Delay<9>,
    plain_1: DFF<Bit>,
    plain_later: Delay<1>,
    wide_later: Delay<1>,
    // The window: a word, the one before and the one before that.
    word_1: DFF<Bits<16>>,
    word_2: DFF<Bits<16>>,
    word_before: DFF<Bits<16>>,
    word_first: DFF<Bits<16>>,
    window: JoinLanes<3, 16, 48>,
    bits: DFF<Bits<36>>,
    scale_sign: Fixed<0x1_0000, SCALE>,
    scale: DFF<Bits<SCALE>>,
    offset: DFF<Bits<16>>,
    scale_later: Delay<SCALE>,
    offset_later: Delay<16>,
    base_wide: Extend<16, SUM>,
    base: DFF<Bits<SUM>>,
    mask_4: Fixed<15, 8>,
    mask_5: Fixed<31, 8>,
    mask_6: Fixed<63, 8>,
    code: [Signal<Local, Bits<8>>; 4],
    lane: [CodeLane; 4],
    narrow: JoinLanes<4, 9, 36>,
    wide_low: JoinLanes<2, 18, 36>,
    wide_high: JoinLanes<2, 18, 36>,
    plain_bits: Delay<36, { VALUES - CODES }>,
    low: DFF<Bits<36>>,
    high: DFF<Bits<36>>,
    pair: DFF<Bit>,
    emits_later: Delay<1>,
    place_later: Delay<CELL, { CELLS - 2 }>,
    first_later: Delay<1>,
    kind: Kind<Self>,
}

impl Decoder {
    /// Cycles from the last word of a row to the row.
    pub const LATENCY: usize = ROW_CYCLE;

    /// The decoder of a chip whose memory moves 16 bits a cycle.
    pub fn new(geometry: &Geometry, shape: &Shape) -> Self {
        assert!(shape.word_bits == 16, "this decoder takes words of 16 bits");
        let rows = Rows::new(geometry);
        Self {
            cells: many(rows.cells.len()),
            control: Control::new(geometry, shape),
            rows,
            kind_later: Delay::new(CODES - 1),
            half_later: Delay::new(CODES - 1),
            plain_later: Delay::new(VALUES - 2),
            wide_later: Delay::new(VALUES - 1),
            scale_later: Delay::new(CODES + 1 - 2),
            offset_later: Delay::new(CODES + 2 - 2),
            emits_later: Delay::new(CELLS - 2),
            first_later: Delay::new(CELLS - 2),
            kind: Kind::named("decoder"),
            ..Self::default()
        }
    }
}

impl Logic for Decoder {
    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(self, clock, fresh_1, shift_1, plain_1, word_1, word_2, word_before, word_first, bits);
        dff_setup!(self, clock, scale, offset, base, low, high, pair);
        clock!(self, clock, control, rows, shift_later, kind_later, half_later, plain_later, wide_later);
        clock!(self, clock, scale_later, offset_later, plain_bits, emits_later, place_later, first_later);

        // Cycle 0.
        self.control.granule.next = self.granule.val();
        self.control.fresh.next = self.fresh.val();
        self.control.way.next = self.way.val();
        self.control.format.next = self.format.val();
        self.control.offset_codes.next = self.offset_codes.val();
        self.control.blocks.next = self.blocks.val();
        self.control.run.next = self.run.val();
        self.word_1.d.next = self.word.val();
        self.fresh_1.d.next = self.granule.val() & self.fresh.val();
        if self.granule.val() & self.fresh.val() {
            self.shift_1.d.next = self.shift.val();
        }

        // Cycle 1.
        self.shift_later.x.next = self.shift_1.q.val();
        self.kind_later.x.next = self.control.kind_of_codes.val();
        self.half_later.x.next = self.control.half.val();
        self.plain_1.d.next = self.control.kind_of_codes.val() == 0;
        self.wide_later.x.next = self.control.wide.val().into();
        if self.control.valid.val() {
            self.word_2.d.next = self.word_1.q.val();
            self.word_before.d.next = self.word_2.q.val();
            self.word_first.d.next = self.word_before.q.val();
        }
        if self.control.takes_scale.val() {
            // Signed where blocks have no offset.
            self.scale.d.next = bit_cast::<SCALE, 16>(self.word_1.q.val());
            if self.word_1.q.val().get_bit(15) & !self.control.has_offsets.val() {
                self.scale.d.next = bit_cast::<SCALE, 16>(self.word_1.q.val()) | self.scale_sign.val();
            }
            self.offset.d.next = 0.into();
        }
        if self.control.takes_offset.val() {
            self.offset.d.next = self.word_1.q.val();
        }
        self.rows.fresh.next = self.fresh_1.q.val();
        self.rows.row.next = self.row.val();
        self.rows.row_step.next = self.row_step.val();
        self.rows.run_step.next = self.run_step.val();

        // Cycle 2: the bits that the word completes, at the bottom.
        self.window.lane[0].next = self.word_first.q.val();
        self.window.lane[1].next = self.word_before.q.val();
        self.window.lane[2].next = self.word_2.q.val();
        self.bits.d.next =
            bit_cast::<36, 48>(self.window.bus.val() >> (bit_cast::<6, 4>(self.control.amount.val()) << 2));
        self.scale_later.x.next = self.scale.q.val();
        self.offset_later.x.next = self.offset.q.val();
        self.plain_later.x.next = self.plain_1.q.val().into();
        self.rows.ends.next = self.control.ends.val();
        self.rows.ends_run.next = self.control.ends_run.val();
        self.rows.target.next = self.control.target.val();
        self.emits_later.x.next = self.control.emits.val().into();
        self.place_later.x.next = self.control.place.val();
        self.first_later.x.next = self.control.first.val().into();

        // Cycles 3 to 10: codes to values.
        self.plain_bits.x.next = self.bits.q.val();
        self.base_wide.x.next = self.offset_later.y.val();
        self.base.d.next = self.base_wide.y.val() << 4;
        for i in 0..4 {
            clock!(self, clock, lane[i]);
            self.code[i].next = self.bits.q.val().get_bits::<8>(i * 8);
            if self.kind_later.y.val().get_bit(0) {
                self.code[i].next = self.bits.q.val().get_bits::<8>(i * 4) & self.mask_4.val();
            }
            if self.kind_later.y.val().get_bit(1) {
                self.code[i].next = self.bits.q.val().get_bits::<8>(i * 5) & self.mask_5.val();
            }
            if self.kind_later.y.val().get_bit(2) {
                self.code[i].next = self.bits.q.val().get_bits::<8>(i * 6) & self.mask_6.val();
            }
            self.lane[i].code.next = self.code[i].val();
            self.lane[i].half.next = self.half_later.y.val();
            self.lane[i].scale.next = self.scale_later.y.val();
            self.lane[i].base.next = self.base.q.val();
            self.lane[i].shift.next = self.shift_later.y.val();
            self.narrow.lane[i].next = self.lane[i].narrow.val();
        }
        for i in 0..2 {
            self.wide_low.lane[i].next = self.lane[i].wide.val();
            self.wide_high.lane[i].next = self.lane[i + 2].wide.val();
        }

        // Cycle 10.
        self.low.d.next = self.narrow.bus.val();
        if self.wide_later.y.val().get_bit(0) {
            self.low.d.next = self.wide_low.bus.val();
        }
        if self.plain_later.y.val().get_bit(0) {
            self.low.d.next = self.plain_bits.y.val();
        }
        self.high.d.next = self.wide_high.bus.val();
        self.pair.d.next = self.wide_later.y.val().get_bit(0) & !self.plain_later.y.val().get_bit(0);

        // Cycle 11.
        self.rows.emits.next = self.emits_later.y.val().get_bit(0);
        self.rows.place.next = self.place_later.y.val();
        self.rows.first.next = self.first_later.y.val().get_bit(0);
        self.rows.pair.next = self.pair.q.val();
        self.rows.low.next = self.low.q.val();
        self.rows.high.next = self.high.q.val();
        for c in 0..self.cells.len() {
            self.cells[c].next = self.rows.cells[c].val();
        }
        self.weights.next = self.rows.weights.val();
        self.kv.next = self.rows.kv.val();
        self.vmem.next = self.rows.vmem.val();
        self.address.next = self.rows.address.val();
        self.outside.next = self.rows.outside.val();
    }
}
