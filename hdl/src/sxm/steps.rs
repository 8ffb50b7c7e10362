//! Where each result row goes: entry, row, half rows and mode from issue to issue, delivered when the row arrives.
//!
//! ```text
//!  payload ─►[reg]─► entry, part, half row ─►[reg]─► + position's ─►[reg]─► + 1 ─►[reg]─► matches ─►[reg]─► mask ─►[reg]─► delay ─► cycle 13
//!            [reg]─► RowStart ──────────────────────────────────────►[reg]─► row ─► delay ──────────────────────────────────────► cycle 13
//!  cycle 0    1        stepping registers      2                      3             4                5               6
//! ```
//!
//! Ports named like a field of `isa::instruction::Vector` carry it, with the ISA's width, in cycle 0.
//!
//! | port                        | dir | width    | meaning                                           | cycle |
//! |-----------------------------|-----|----------|---------------------------------------------------|------:|
//! | `issue`, `first`, `last`    | in  | 1        | an issue, its instruction's first, its last       |     0 |
//! | `position`                  | in  | 16       | sampled with the issue                            |     0 |
//! | `offset_second`             | in  | 24       | signed, loop offset of KV rows; with external memory also of other rows |     0 |
//! | `act_12`, `key_12`, `value_12`, `vmem_12`, `argmax_12` | out | 1 | strobes by destination       |    12 |
//! | `row_13`                    | out | 24       | row of vector memory, KV memory or comparison     |    13 |
//! | `entry_13`                  | out | `ENTRY`  | activation entry                                  |    13 |
//! | `mask_13`                   | out | `HALVES` | half rows written                                 |    13 |
//! | `half_13`, `part_13`        | out | 1, 4     | take one half; half or part of the result         |    13 |
//! | `lane_13`                   | out | `LANE`   | position modulo the lanes                         |    13 |
//! | `vmem_outside`, `kv_outside`| out | 1        | the row is outside its memory                     |     5 |
//!
//! # Invariants
//! 1. Entries continue from the last one written by any `Act`, over instructions and tokens.
//! 2. Steps move at issues only.

use crate::dialect::*;
use crate::primitives::Delay;
use crate::primitives::vector::{HalfMatch, HalfSpan, RowStart, RowStep};
use crate::widths::{ENTRY, HALVES, LANE};
use lpu_isa::Geometry;
use lpu_isa::instruction::Destination;

/// Bits of a half row's number that count: what lies above never meets a period.
const START: usize = 15;

/// Stepping of destinations.
#[derive(LogicBlock, Default)]
pub struct Steps {
    pub clock: Signal<In, Clock>,
    pub issue: Signal<In, Bit>,
    pub first: Signal<In, Bit>,
    pub position: Signal<In, Bits<16>>,
    pub offset_second: Signal<In, Bits<24>>,
    pub destination: Signal<In, Bits<3>>,
    pub half: Signal<In, Bit>,
    pub sub: Signal<In, Bits<4>>,
    pub sub_advance: Signal<In, Bit>,
    pub entry: Signal<In, Bits<6>>,
    pub entry_continue: Signal<In, Bit>,
    pub entry_advance: Signal<In, Bit>,
    pub start: Signal<In, Bits<10>>,
    pub length: Signal<In, Bits<1>>,
    pub period: Signal<In, Bits<4>>,
    pub start_step: Signal<In, Bits<10>>,
    pub row: Signal<In, Bits<24>>,
    pub row_step: Signal<In, Bits<24>>,
    pub row_offset: Signal<In, Bit>,
    pub positions: Signal<In, Bits<4>>,
    pub act_12: Signal<Out, Bit>,
    pub key_12: Signal<Out, Bit>,
    pub value_12: Signal<Out, Bit>,
    pub vmem_12: Signal<Out, Bit>,
    pub argmax_12: Signal<Out, Bit>,
    pub row_13: Signal<Out, Bits<24>>,
    pub entry_13: Signal<Out, Bits<ENTRY>>,
    pub mask_13: Signal<Out, Bits<HALVES>>,
    pub half_13: Signal<Out, Bit>,
    pub lane_13: Signal<Out, Bits<LANE>>,
    pub part_13: Signal<Out, Bits<4>>,
    pub vmem_outside: Signal<Out, Bit>,
    pub kv_outside: Signal<Out, Bit>,
    is_act: Fixed<{ Destination::Act as u64 }, 3>,
    is_key: Fixed<{ Destination::Key as u64 }, 3>,
    is_value: Fixed<{ Destination::Value as u64 }, 3>,
    is_vmem: Fixed<{ Destination::Vmem as u64 }, 3>,
    is_argmax: Fixed<{ Destination::Argmax as u64 }, 3>,
    none: Fixed<{ Destination::None as u64 }, 3>,
    half_bits: Setting<4>,
    half_mask: Setting<32>,
    all_halves: Setting<HALVES>,
    entry_mask: Setting<6>,
    vmem_bits: Setting<5>,
    kv_bits: Setting<5>,
    // Cycle 1: the payload, and what the position adds to it.
    issue_1: DFF<Bit>,
    first_1: DFF<Bit>,
    destination_1: DFF<Bits<3>>,
    half_1: DFF<Bit>,
    sub_1: DFF<Bits<4>>,
    sub_advance_1: DFF<Bit>,
    entry_1: DFF<Bits<6>>,
    entry_continue_1: DFF<Bit>,
    entry_advance_1: DFF<Bit>,
    start_1: DFF<Bits<START>>,
    length_1: DFF<Bits<1>>,
    period_1: DFF<Bits<4>>,
    start_step_1: DFF<Bits<10>>,
    row_1: DFF<Bits<24>>,
    row_step_1: DFF<Bits<24>>,
    offset_1: DFF<Bits<24>>,
    index_1: DFF<Bits<16>>,
    position_1: DFF<Bits<16>>,
    positions_1: DFF<Bits<4>>,
    moved: Signal<Local, Bits<32>>,
    moved_2: DFF<Bits<START>>,
    is_kv: Signal<Local, Bit>,
    // Cycle 2: the steps.
    entry_now: Signal<Local, Bits<6>>,
    following: DFF<Bits<6>>,
    entry_2: DFF<Bits<6>>,
    start_2: DFF<Bits<START>>,
    part_2: DFF<Bits<4>>,
    destination_2: DFF<Bits<3>>,
    half_2: DFF<Bit>,
    length_2: DFF<Bits<1>>,
    period_2: DFF<Bits<4>>,
    // Cycles 3 to 6: half rows.
    start_3: DFF<Bits<START>>,
    start_4: DFF<Bits<START>>,
    second_4: DFF<Bits<START>>,
    length_4: Delay<1, 2>,
    period_3: DFF<Bits<4>>,
    spans: HalfSpan,
    counted_4: DFF<Bits<START>>,
    match_first: HalfMatch,
    match_second: HalfMatch,
    first_5: DFF<Bits<HALVES>>,
    second_5: DFF<Bits<HALVES>>,
    mask_6: DFF<Bits<HALVES>>,
    // Cycles 3 to 5: the row, and whether it exists.
    row_start: RowStart,
    issue_3: Delay<1, 2>,
    first_3: Delay<1, 2>,
    row_step_3: Delay<24, 2>,
    rows: RowStep,
    destination_4: Delay<3, 2>,
    vmem_outside_5: DFF<Bit>,
    kv_outside_5: DFF<Bit>,
    // To cycle 13.
    destination_11: Delay<3, 9>,
    act_late: DFF<Bit>,
    key_late: DFF<Bit>,
    value_late: DFF<Bit>,
    vmem_late: DFF<Bit>,
    argmax_late: DFF<Bit>,
    row_delay: Delay<24, 9>,
    entry_delay: Delay<ENTRY, 11>,
    mask_delay: Delay<HALVES, 7>,
    half_delay: Delay<1, 11>,
    lane_mask: Setting<LANE>,
    lane_delay: Delay<LANE, { Steps::LATENCY }>,
    part_delay: Delay<4, 11>,
    /// With external memory, once: rows of vector memory and of a comparison move with the loop as well.
    _external: usize,
    kind: Kind<Self>,
}

impl Steps {
    /// Cycles from issue to the places; the strobes come one cycle before.
    pub const LATENCY: usize = 13;

    /// The stepping of a chip's destinations.
    pub fn new(geometry: &Geometry) -> Self {
        let rows_max = geometry.vmem_rows.max(geometry.kv_rows);
        Self {
            half_bits: Setting::new(geometry.halves().ilog2()),
            half_mask: Setting::new(geometry.halves() - 1),
            all_halves: Setting::new((1u64 << geometry.halves()) - 1),
            lane_mask: Setting::new(geometry.vxm_lanes - 1),
            entry_mask: Setting::new(geometry.act_entries - 1),
            vmem_bits: Setting::new(geometry.vmem_rows.ilog2()),
            kv_bits: Setting::new(geometry.kv_rows.ilog2()),
            rows: RowStep::new(rows_max),
            _external: usize::from(geometry.has_external_memory()),
            ..Self::default()
        }
    }
}

impl Logic for Steps {
    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(self, clock, following, entry_2, start_2, part_2);
        clock!(self, clock, issue_1, first_1, destination_1, half_1, sub_1, sub_advance_1, entry_1);
        clock!(self, clock, entry_continue_1, entry_advance_1, start_1, length_1, period_1, start_step_1);
        clock!(self, clock, row_1, row_step_1, offset_1, index_1, position_1, positions_1, moved_2);
        clock!(self, clock, destination_2, half_2, length_2, period_2, row_start, issue_3, first_3);
        clock!(self, clock, row_step_3, rows, destination_4, vmem_outside_5, kv_outside_5, start_3, start_4);
        clock!(self, clock, second_4, length_4, period_3, counted_4, first_5, second_5, mask_6);
        clock!(self, clock, destination_11, act_late, key_late, value_late, vmem_late, argmax_late);
        clock!(self, clock, row_delay, entry_delay, mask_delay, lane_delay, half_delay, part_delay);

        // Cycle 0: what the position adds to rows.
        self.is_kv.next =
            (self.destination.val() == self.is_key.val()) | (self.destination.val() == self.is_value.val());
        self.position_1.d.next = self.position.val();
        self.positions_1.d.next = self.positions.val();
        self.issue_1.d.next = self.issue.val();
        self.first_1.d.next = self.first.val();
        self.destination_1.d.next = self.destination.val();
        self.half_1.d.next = self.half.val();
        self.sub_1.d.next = self.sub.val();
        self.sub_advance_1.d.next = self.sub_advance.val();
        self.entry_1.d.next = self.entry.val();
        self.entry_continue_1.d.next = self.entry_continue.val();
        self.entry_advance_1.d.next = self.entry_advance.val();
        self.start_1.d.next = bit_cast::<START, 10>(self.start.val());
        self.length_1.d.next = self.length.val();
        self.period_1.d.next = self.period.val();
        self.start_step_1.d.next = self.start_step.val();
        self.row_1.d.next = self.row.val();
        self.row_step_1.d.next = self.row_step.val();
        self.offset_1.d.next = 0.into();
        self.index_1.d.next = 0.into();
        if self.is_kv.val() {
            self.index_1.d.next = self.position.val() >> self.positions.val();
            if self.row_offset.val() {
                self.offset_1.d.next = self.offset_second.val();
            }
        }
        for _e in 0..self._external {
            if self.row_offset.val() {
                self.offset_1.d.next = self.offset_second.val();
            }
        }

        // Cycle 1: steps.
        self.entry_now.next = self.following.q.val();
        if self.first_1.q.val() & !self.entry_continue_1.q.val() {
            self.entry_now.next = self.entry_1.q.val();
        }
        if !self.first_1.q.val() & !self.entry_advance_1.q.val() {
            self.entry_now.next = self.entry_2.q.val();
        }
        if self.issue_1.q.val() & (self.destination_1.q.val() == self.is_act.val()) {
            self.entry_2.d.next = self.entry_now.val() & self.entry_mask.val();
            self.following.d.next = (self.entry_now.val() + 1) & self.entry_mask.val();
        }
        if self.issue_1.q.val() {
            self.start_2.d.next = self.start_2.q.val() + bit_cast::<START, 10>(self.start_step_1.q.val());
            if self.first_1.q.val() {
                self.start_2.d.next = self.start_1.q.val();
            }
            self.part_2.d.next = self.part_2.q.val() + bit_cast::<4, 1>(self.sub_advance_1.q.val().into());
            if self.first_1.q.val() {
                self.part_2.d.next = self.sub_1.q.val();
            }
        }
        self.destination_2.d.next = self.none.val();
        if self.issue_1.q.val() {
            self.destination_2.d.next = self.destination_1.q.val();
        }
        self.half_2.d.next = self.half_1.q.val();
        self.length_2.d.next = self.length_1.q.val();
        self.period_2.d.next = self.period_1.q.val();

        // Cycle 1: what the position adds to the first half row of a key.
        self.moved.next = ((bit_cast::<32, 16>(self.position_1.q.val()) << self.half_bits.val())
            >> self.positions_1.q.val())
            & self.half_mask.val();
        self.moved_2.d.next = 0.into();
        if (self.destination_1.q.val() == self.is_key.val())
            & (self.positions_1.q.val() <= self.half_bits.val())
        {
            self.moved_2.d.next = self.moved.val().get_bits::<START>(0);
        }

        // Cycles 2 to 5: half rows.
        self.start_3.d.next = self.start_2.q.val() + self.moved_2.q.val();
        self.start_4.d.next = self.start_3.q.val();
        self.second_4.d.next = self.start_3.q.val() + 1;
        self.length_4.x.next = self.length_2.q.val();
        self.period_3.d.next = self.period_2.q.val();
        self.spans.period.next = self.period_3.q.val();
        self.counted_4.d.next = self.spans.counted.val();
        self.match_first.start.next = self.start_4.q.val();
        self.match_first.counted.next = self.counted_4.q.val();
        self.match_second.start.next = self.second_4.q.val();
        self.match_second.counted.next = self.counted_4.q.val();
        self.first_5.d.next = self.match_first.mask.val().get_bits::<HALVES>(0);
        self.second_5.d.next = 0.into();
        if self.length_4.y.val().any() {
            self.second_5.d.next = self.match_second.mask.val().get_bits::<HALVES>(0);
        }
        self.mask_6.d.next = (self.first_5.q.val() | self.second_5.q.val()) & self.all_halves.val();

        // Cycles 1 to 4: the row, and whether it exists.
        self.row_start.base.next = self.row_1.q.val();
        self.row_start.offset.next = self.offset_1.q.val();
        self.row_start.index.next = self.index_1.q.val();
        self.issue_3.x.next = self.issue_1.q.val().into();
        self.first_3.x.next = self.first_1.q.val().into();
        self.row_step_3.x.next = self.row_step_1.q.val();
        self.rows.issue.next = self.issue_3.y.val().into();
        self.rows.first.next = self.first_3.y.val().into();
        self.rows.start.next = self.row_start.start.val();
        self.rows.step.next = self.row_step_3.y.val();
        self.destination_4.x.next = self.destination_2.q.val();
        self.vmem_outside_5.d.next = (self.destination_4.y.val() == self.is_vmem.val())
            & (self.rows.outside.val() | (self.rows.row.val() >> self.vmem_bits.val()).any());
        self.kv_outside_5.d.next = ((self.destination_4.y.val() == self.is_key.val())
            | (self.destination_4.y.val() == self.is_value.val()))
            & (self.rows.outside.val() | (self.rows.row.val() >> self.kv_bits.val()).any());
        self.vmem_outside.next = self.vmem_outside_5.q.val();
        self.kv_outside.next = self.kv_outside_5.q.val();

        // To the cycle of the result.
        self.destination_11.x.next = self.destination_2.q.val();
        self.act_late.d.next = self.destination_11.y.val() == self.is_act.val();
        self.key_late.d.next = self.destination_11.y.val() == self.is_key.val();
        self.value_late.d.next = self.destination_11.y.val() == self.is_value.val();
        self.vmem_late.d.next = self.destination_11.y.val() == self.is_vmem.val();
        self.argmax_late.d.next = self.destination_11.y.val() == self.is_argmax.val();
        self.act_12.next = self.act_late.q.val();
        self.key_12.next = self.key_late.q.val();
        self.value_12.next = self.value_late.q.val();
        self.vmem_12.next = self.vmem_late.q.val();
        self.argmax_12.next = self.argmax_late.q.val();
        self.row_delay.x.next = self.rows.row.val();
        self.row_13.next = self.row_delay.y.val();
        self.entry_delay.x.next = self.entry_2.q.val().get_bits::<ENTRY>(0);
        self.entry_13.next = self.entry_delay.y.val();
        self.mask_delay.x.next = self.mask_6.q.val();
        self.mask_13.next = self.mask_delay.y.val();
        self.lane_delay.x.next = self.position.val().get_bits::<LANE>(0) & self.lane_mask.val();
        self.lane_13.next = self.lane_delay.y.val();
        self.half_delay.x.next = self.half_2.q.val().into();
        self.half_13.next = self.half_delay.y.val().into();
        self.part_delay.x.next = self.part_2.q.val();
        self.part_13.next = self.part_delay.y.val();
    }
}

#[cfg(test)]
mod tests;
