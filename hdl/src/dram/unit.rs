//! The transfer unit: from the fields of a transfer to its granules, and to what decoder and packer need to know of it.
//!
//! ```text
//!  token, position, blocks ─► step_by ─►(x address_step)──►(+ address, offset)─►[start]─┬─► address of the granule
//!                                └─────►(x row_number_step)►(+ row, offset)────►[row]   │
//!  take, first ─────────────────────────────────────────────────────────────────────────┴─►[fields held]─► decoder, packer
//! ```
//!
//! | port                | dir | width | meaning                                                    | cycle                   |
//! |---------------------|-----|------:|------------------------------------------------------------|-------------------------|
//! | fields              | in  |       | of the transfer, as named there                            | `a + 1` to the last slot |
//! | `offset_first`, `offset_second` | in | 24 | loop offsets: granules, rows                      | `a + 1`                 |
//! | `token`, `position`, `block` | in | 16 | of this token; `block` is blocks begun, less one         | stable                  |
//! | `take`, `first`     | in  | 1     | of the queue: a slot takes a granule, a transfer's first    | `s`, from `a + 4` on    |
//! | `write`             | out | 1     | the transfer goes to external memory                       | `s`                     |
//! | `address`           | out | 24    | granule                                                    | `s + 1` to the next slot |
//! | `row_start`         | out | 24    | first row, with all that is added to it                    | `s`                     |
//! | `held_row` and fields named `held_...` | out | | of the transfer that took the last slot         | `s + 1` to the next first slot |
//! | `outside`           | out | 1     | strobe: there is no such granule                           | `s + 2`                 |
//!
//! # Invariants
//! 1. Addresses and rows are added up modulo 2^28 and 2^24; a granule outside of the memory is told.

use super::sequencer::GRANULE;
use crate::dialect::*;
use crate::primitives::Multiplier;
use lpu_isa::Geometry;
use lpu_isa::instruction::{StepBy, Transfer, Way};
use lpu_isa::timing::TRANSFER_LEAD;

/// Bits of an address in an instruction.
const ADDRESS: usize = Transfer::address.width as usize;
/// Cycles from the fields to the sums.
const SUMS: usize = Multiplier::LATENCY + 1;

// The sums are there when the earliest slot begins.
const _: () = assert!(SUMS < TRANSFER_LEAD as usize);

/// The transfer unit.
#[derive(LogicBlock, Default)]
pub struct TransferUnit {
    pub clock: Signal<In, Clock>,
    pub way: Signal<In, Bits<3>>,
    pub format: Signal<In, Bits<3>>,
    pub offset_codes: Signal<In, Bits<1>>,
    pub step_by: Signal<In, Bits<2>>,
    pub address_offset: Signal<In, Bits<1>>,
    pub row_offset: Signal<In, Bits<1>>,
    pub shift: Signal<In, Bits<5>>,
    pub run: Signal<In, Bits<16>>,
    pub blocks: Signal<In, Bits<10>>,
    pub first_address: Signal<In, Bits<ADDRESS>>,
    pub address_step: Signal<In, Bits<16>>,
    pub row: Signal<In, Bits<24>>,
    pub row_step: Signal<In, Bits<12>>,
    pub run_step: Signal<In, Bits<12>>,
    pub row_number_step: Signal<In, Bits<12>>,
    pub offset_first: Signal<In, Bits<24>>,
    pub offset_second: Signal<In, Bits<24>>,
    pub token: Signal<In, Bits<16>>,
    pub position: Signal<In, Bits<16>>,
    pub block: Signal<In, Bits<16>>,
    pub take: Signal<In, Bit>,
    pub first: Signal<In, Bit>,
    pub write: Signal<Out, Bit>,
    pub address: Signal<Out, Bits<GRANULE>>,
    pub row_start: Signal<Out, Bits<24>>,
    pub held_way: Signal<Out, Bits<3>>,
    pub held_format: Signal<Out, Bits<3>>,
    pub held_offset_codes: Signal<Out, Bits<1>>,
    pub held_shift: Signal<Out, Bits<5>>,
    pub held_run: Signal<Out, Bits<16>>,
    pub held_blocks: Signal<Out, Bits<10>>,
    pub held_row: Signal<Out, Bits<24>>,
    pub held_row_step: Signal<Out, Bits<12>>,
    pub held_run_step: Signal<Out, Bits<12>>,
    pub outside: Signal<Out, Bit>,
    by_token: Fixed<{ StepBy::Token as u64 }, 2>,
    by_position: Fixed<{ StepBy::Position as u64 }, 2>,
    by_block: Fixed<{ StepBy::Block as u64 }, 2>,
    from_kv: Fixed<{ Way::FromKv as u64 }, 3>,
    from_vmem: Fixed<{ Way::FromVmem as u64 }, 3>,
    granules: Setting<ADDRESS>,
    offset_wide: crate::primitives::Extend<24, ADDRESS>,
    index: Signal<Local, Bits<16>>,
    address_product: Multiplier,
    row_product: Multiplier,
    address_base: DFF<Bits<ADDRESS>>,
    row_base: DFF<Bits<24>>,
    address_sum: DFF<Bits<ADDRESS>>,
    row_sum: DFF<Bits<24>>,
    address_held: DFF<Bits<ADDRESS>>,
    way_held: DFF<Bits<3>>,
    format_held: DFF<Bits<3>>,
    offset_codes_held: DFF<Bits<1>>,
    shift_held: DFF<Bits<5>>,
    run_held: DFF<Bits<16>>,
    blocks_held: DFF<Bits<10>>,
    row_held: DFF<Bits<24>>,
    row_step_held: DFF<Bits<12>>,
    run_step_held: DFF<Bits<12>>,
    taken: DFF<Bit>,
    outside_held: DFF<Bit>,
    kind: Kind<Self>,
}

impl TransferUnit {
    /// Cycles from the fields to `row_start`.
    pub const LATENCY: usize = SUMS;

    /// The unit of a chip.
    pub fn new(geometry: &Geometry) -> Self {
        Self { granules: Setting::new(geometry.dram_granules), ..Self::default() }
    }
}

impl Logic for TransferUnit {
    #[hdl_gen]
    fn update(&mut self) {
        clock!(self, clock, address_product, row_product);
        dff_setup!(self, clock, address_base, row_base, address_sum, row_sum, address_held, way_held);
        dff_setup!(self, clock, format_held, offset_codes_held, shift_held, run_held, blocks_held, row_held);
        dff_setup!(self, clock, row_step_held, run_step_held, taken, outside_held);
        self.index.next = 0.into();
        if self.step_by.val() == self.by_token.val() {
            self.index.next = self.token.val();
        }
        if self.step_by.val() == self.by_position.val() {
            self.index.next = self.position.val();
        }
        if self.step_by.val() == self.by_block.val() {
            self.index.next = self.block.val();
        }
        self.address_product.a.next = bit_cast::<18, 16>(self.index.val());
        self.address_product.b.next = bit_cast::<18, 16>(self.address_step.val());
        self.row_product.a.next = bit_cast::<18, 16>(self.index.val());
        self.row_product.b.next = bit_cast::<18, 12>(self.row_number_step.val());
        self.offset_wide.x.next = self.offset_first.val();
        self.address_base.d.next = self.first_address.val();
        if self.address_offset.val().get_bit(0) {
            self.address_base.d.next = self.first_address.val() + self.offset_wide.y.val();
        }
        self.row_base.d.next = self.row.val();
        if self.row_offset.val().get_bit(0) {
            self.row_base.d.next = self.row.val() + self.offset_second.val();
        }
        self.address_sum.d.next =
            self.address_base.q.val() + self.address_product.product.val().get_bits::<ADDRESS>(0);
        self.row_sum.d.next = self.row_base.q.val() + self.row_product.product.val().get_bits::<24>(0);
        self.row_start.next = self.row_sum.q.val();
        self.write.next = (self.way.val() == self.from_kv.val()) | (self.way.val() == self.from_vmem.val());

        self.taken.d.next = self.take.val();
        self.outside_held.d.next = self.taken.q.val() & (self.address_held.q.val() >= self.granules.val());
        if self.take.val() {
            self.address_held.d.next = self.address_held.q.val() + 1;
            if self.first.val() {
                self.address_held.d.next = self.address_sum.q.val();
                self.way_held.d.next = self.way.val();
                self.format_held.d.next = self.format.val();
                self.offset_codes_held.d.next = self.offset_codes.val();
                self.shift_held.d.next = self.shift.val();
                self.run_held.d.next = self.run.val();
                self.blocks_held.d.next = self.blocks.val();
                self.row_held.d.next = self.row_sum.q.val();
                self.row_step_held.d.next = self.row_step.val();
                self.run_step_held.d.next = self.run_step.val();
            }
        }
        self.address.next = self.address_held.q.val().get_bits::<GRANULE>(0);
        self.held_way.next = self.way_held.q.val();
        self.held_format.next = self.format_held.q.val();
        self.held_offset_codes.next = self.offset_codes_held.q.val();
        self.held_shift.next = self.shift_held.q.val();
        self.held_run.next = self.run_held.q.val();
        self.held_blocks.next = self.blocks_held.q.val();
        self.held_row.next = self.row_held.q.val();
        self.held_row_step.next = self.row_step_held.q.val();
        self.held_run_step.next = self.run_step_held.q.val();
        self.outside.next = self.outside_held.q.val();
    }
}
