//! Cells to rows, and where rows go.
//!
//! ```text
//!  low, high ─► cell registers ─────────────────► row[c]
//!  place, emits, first ─► which of them ─┘
//!  fresh ─►[row, first row of the run]─ ends ─►[delayed]─► weights, kv, vmem, address
//! ```
//!
//! | port          | dir | width  | meaning                                                  | cycle |
//! |---------------|-----|-------:|----------------------------------------------------------|------:|
//! | `fresh`       | in  | 1      | strobe: a transfer begins                                | 1     |
//! | `row`, `row_step`, `run_step` | in | 24, 12, 12 | its first row and its steps      | 1     |
//! | `ends`, `ends_run` | in | 1     | strobes: a row ends, and its run                         | 2     |
//! | `target`      | in  | 3      | [`Way`] of that row                                      | 2     |
//! | `emits`       | in  | 1      | strobe: a cell, or a pair                                | 11    |
//! | `place`       | in  | `CELL` | its number, even for a pair                              | 11    |
//! | `pair`        | in  | 1      | `low` and `high` are two cells; else `low` is one        | 11    |
//! | `first`       | in  | 1      | the row begins with it: other cells become zero          | 11    |
//! | `low`, `high` | in  | 36     |                                                          | 11    |
//! | `cells[c]`    | out | 36     | the row                                                  | 12    |
//! | `weights`, `kv`, `vmem` | out | 1 | strobes: the row is for this memory                     | 12    |
//! | `address`     | out | `ROW`  | its row there                                            | 12    |
//! | `outside`     | out | 1      | strobe: there is no such row                             | 12    |
//!
//! # Invariants
//! 1. Cells that nothing came for are zero when a row ends.
//! 2. Rows of weight memory wrap at its end.

use crate::dialect::*;
use crate::primitives::{Delay, Extend};
use lpu_isa::Geometry;
use lpu_isa::instruction::Way;

/// Bits of a cell's number.
pub const CELL: usize = 5;
/// Bits of a row in any of the memories.
pub const ROW: usize = 11;
/// Cycle of a row, counted from the word that completes it.
pub const ROW_CYCLE: usize = lpu_isa::timing::TRANSFER_DECODE as usize;
/// Cycles between the end of a row and the row.
const WAY: usize = ROW_CYCLE - 2;

/// The collector of rows.
#[derive(LogicBlock, Default)]
pub struct Rows {
    pub clock: Signal<In, Clock>,
    pub fresh: Signal<In, Bit>,
    pub row: Signal<In, Bits<24>>,
    pub row_step: Signal<In, Bits<12>>,
    pub run_step: Signal<In, Bits<12>>,
    pub ends: Signal<In, Bit>,
    pub ends_run: Signal<In, Bit>,
    pub target: Signal<In, Bits<3>>,
    pub emits: Signal<In, Bit>,
    pub place: Signal<In, Bits<CELL>>,
    pub pair: Signal<In, Bit>,
    pub first: Signal<In, Bit>,
    pub low: Signal<In, Bits<36>>,
    pub high: Signal<In, Bits<36>>,
    pub cells: Vec<Signal<Out, Bits<36>>>,
    pub weights: Signal<Out, Bit>,
    pub kv: Signal<Out, Bit>,
    pub vmem: Signal<Out, Bit>,
    pub address: Signal<Out, Bits<ROW>>,
    pub outside: Signal<Out, Bit>,
    way_weights: Fixed<{ Way::Weights as u64 }, 3>,
    way_kv: Fixed<{ Way::Kv as u64 }, 3>,
    way_vmem: Fixed<{ Way::Vmem as u64 }, 3>,
    kv_rows: Setting<24>,
    vmem_rows: Setting<24>,
    row_step_held: DFF<Bits<12>>,
    run_step_held: DFF<Bits<12>>,
    row_wide: Extend<12, 24>,
    run_wide: Extend<12, 24>,
    row_now: DFF<Bits<24>>,
    run_now: DFF<Bits<24>>,
    next_run: Signal<Local, Bits<24>>,
    is_weights: Signal<Local, Bit>,
    is_kv: Signal<Local, Bit>,
    is_vmem: Signal<Local, Bit>,
    weights_later: Delay<1>,
    kv_later: Delay<1>,
    vmem_later: Delay<1>,
    address_later: Delay<ROW, WAY>,
    outside_now: DFF<Bit>,
    outside_later: Delay<1>,
    odd: Signal<Local, Bits<CELL>>,
    hit: Vec<Signal<Local, Bit>>,
    held: Vec<DFF<Bits<36>>>,
    kind: Kind<Self>,
}

impl Rows {
    /// Cycles from the last cell of a row to the row.
    pub const LATENCY: usize = 1;

    /// The collector of a chip.
    pub fn new(geometry: &Geometry) -> Self {
        let cells = (geometry.mxm_lanes / 4).max(geometry.vxm_lanes / 2);
        Self {
            cells: many(cells),
            hit: many(cells),
            held: many(cells),
            kv_rows: Setting::new(geometry.kv_rows),
            vmem_rows: Setting::new(geometry.vmem_rows),
            weights_later: Delay::new(WAY),
            kv_later: Delay::new(WAY),
            vmem_later: Delay::new(WAY),
            outside_later: Delay::new(WAY - 1),
            kind: Kind::named("decode_rows"),
            ..Self::default()
        }
    }
}

impl Logic for Rows {
    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(self, clock, row_now, run_now, row_step_held, run_step_held, outside_now);
        clock!(self, clock, weights_later, kv_later, vmem_later, address_later, outside_later);
        self.row_wide.x.next = self.row_step_held.q.val();
        self.run_wide.x.next = self.run_step_held.q.val();
        self.next_run.next = self.run_now.q.val() + self.run_wide.y.val();
        if self.ends.val() {
            self.row_now.d.next = self.row_now.q.val() + self.row_wide.y.val();
        }
        if self.ends_run.val() {
            self.row_now.d.next = self.next_run.val();
            self.run_now.d.next = self.next_run.val();
        }
        if self.fresh.val() {
            self.row_now.d.next = self.row.val();
            self.run_now.d.next = self.row.val();
            self.row_step_held.d.next = self.row_step.val();
            self.run_step_held.d.next = self.run_step.val();
        }
        self.is_weights.next = self.ends.val() & (self.target.val() == self.way_weights.val());
        self.is_kv.next = self.ends.val() & (self.target.val() == self.way_kv.val());
        self.is_vmem.next = self.ends.val() & (self.target.val() == self.way_vmem.val());
        self.weights_later.x.next = self.is_weights.val().into();
        self.kv_later.x.next = self.is_kv.val().into();
        self.vmem_later.x.next = self.is_vmem.val().into();
        self.address_later.x.next = self.row_now.q.val().get_bits::<ROW>(0);
        self.outside_now.d.next = (self.is_kv.val() & (self.row_now.q.val() >= self.kv_rows.val()))
            | (self.is_vmem.val() & (self.row_now.q.val() >= self.vmem_rows.val()));
        self.outside_later.x.next = self.outside_now.q.val().into();
        self.weights.next = self.weights_later.y.val().get_bit(0);
        self.kv.next = self.kv_later.y.val().get_bit(0);
        self.vmem.next = self.vmem_later.y.val().get_bit(0);
        self.address.next = self.address_later.y.val();
        self.outside.next = self.outside_later.y.val().get_bit(0);

        self.odd.next = self.place.val();
        if self.pair.val() {
            self.odd.next = self.place.val() | 1;
        }
        for c in 0..self.cells.len() {
            dff_setup!(self, clock, held[c]);
            // Of a pair, the even cell has the number itself, the odd one the next.
            self.hit[c].next =
                (self.place.val() == c.to_bits::<CELL>()) | (self.odd.val() == c.to_bits::<CELL>());
            if self.emits.val() & (self.hit[c].val() | self.first.val()) {
                self.held[c].d.next = 0.into();
                if self.hit[c].val() {
                    self.held[c].d.next = self.low.val();
                    if self.pair.val() & (self.odd.val() == c.to_bits::<CELL>()) {
                        self.held[c].d.next = self.high.val();
                    }
                }
            }
            self.cells[c].next = self.held[c].q.val();
        }
    }
}
