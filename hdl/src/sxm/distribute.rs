//! A result row on its way to activation file, KV memory and vector memory: limited, coded, spread over the lanes.
//!
//! ```text
//!  result 24 ─► limit to 18, 16 or 10 bits ─►[reg]─┬──────────────────────────────► vmem_word (13)
//!                                                   ├─► half select ─►[reg]────────► act_row   (14)
//!                                                   └─► KV code ─► half or part ─►[reg]─► kv_codes (14)
//!    cycle 12                                      13                            14
//! ```
//!
//! | port                       | dir | width       | meaning                                            | cycle |
//! |----------------------------|-----|-------------|----------------------------------------------------|------:|
//! | `clock`                    | in  | 1           |                                                    |       |
//! | `result[l]`                | in  | 24          | the result stream                                  |    12 |
//! | `act`, `key`, `value`, `vmem` | in | 1         | strobes by destination                             |    12 |
//! | `row`, `entry`, `mask`     | in  | 24, `ENTRY`, `HALVES` | address, half rows written               |    12 |
//! | `half`, `part`             | in  | 1, 4        | take half `part` in both halves; part of a value   |    12 |
//! | `lane`                     | in  | `LANE`      | lane that a value takes in each group              |    12 |
//! | `vmem_store`, `vmem_row`, `vmem_word[l]` | out | 1, `VMEM_ROW`, 18 | write port of vector memory    |    13 |
//! | `act_write`                | out | `HALVES`    | half rows of the activation entry written          |    14 |
//! | `act_entry`, `act_row[l]`  | out | `ENTRY`, 16 | half `h` takes lanes `(h % 2) * V/2` upward        |    14 |
//! | `kv_write`, `kv_value_mode`| out | 1           | a key or a value is written; it is a value         |    14 |
//! | `kv_row`, `kv_halves`      | out | `KV_ROW`, `HALVES` | row; half rows written (key)                |    14 |
//! | `kv_lane`                  | out | `LANE`      | lane written in each group (value)                 |    14 |
//! | `kv_codes[l]`              | out | 9           | key: like `act_row`; value: group `j` takes code `j` |  14 |
//! | `saturated`                | out | 1           | a lane sent did not fit                            |    15 |
//!
//! # Invariants
//! 1. Without a strobe, `vmem_row` and `vmem_word` are zero too: vector memory joins its writers by an or.
//! 2. A strobe makes exactly one write; without one, `act_write`, `kv_write` and `vmem_store` are zero.

use crate::kind::Kind;
use crate::primitives::vector::many;
use crate::primitives::vector::{DestinationLimit, KvEncode, Setting};
use crate::widths::{ENTRY, HALVES, KV_ROW, LANE, VMEM_ROW};
use lpu_isa::Geometry;
use rust_hdl::prelude::*;

/// One lane's limit, and its registers of cycle 13.
#[derive(LogicBlock, Default)]
pub struct Limits {
    pub clock: Signal<In, Clock>,
    pub result: Signal<In, Bits<24>>,
    pub to_act: Signal<In, Bit>,
    pub to_vmem: Signal<In, Bit>,
    pub sends: Signal<In, Bit>,
    pub word: Signal<Out, Bits<18>>,
    pub act: Signal<Out, Bits<16>>,
    pub code: Signal<Out, Bits<9>>,
    pub over: Signal<Out, Bit>,
    limit: DestinationLimit,
    sign_13: DFF<Bits<1>>,
    low_13: DFF<Bits<17>>,
    over_13: DFF<Bit>,
    encode: KvEncode,
    kind: Kind<Self>,
}

impl Logic for Limits {
    #[hdl_gen]
    fn update(&mut self) {
        clock!(self, clock, sign_13, low_13, over_13);
        self.limit.x.next = self.result.val();
        self.limit.to_act.next = self.to_act.val().into();
        self.limit.to_vmem.next = self.to_vmem.val().into();
        // Zero unless something is sent: vector memory joins its writers by an or.
        self.sign_13.d.next = 0.into();
        self.low_13.d.next = 0.into();
        self.over_13.d.next = false;
        if self.sends.val() {
            self.sign_13.d.next = self.limit.sign.val();
            self.low_13.d.next = self.limit.low.val();
            self.over_13.d.next = self.limit.over.val().into();
        }
        self.word.next =
            (bit_cast::<18, 1>(self.sign_13.q.val()) << 17) | bit_cast::<18, 17>(self.low_13.q.val());
        self.act.next = (bit_cast::<16, 1>(self.sign_13.q.val()) << 15)
            | bit_cast::<16, 15>(self.low_13.q.val().get_bits::<15>(0));
        self.encode.x.next = (bit_cast::<10, 1>(self.sign_13.q.val()) << 9)
            | bit_cast::<10, 9>(self.low_13.q.val().get_bits::<9>(0));
        self.code.next = self.encode.code.val();
        self.over.next = self.over_13.q.val();
    }
}

/// The way from the result stream to the memories.
#[derive(LogicBlock, Default)]
pub struct Distribute {
    pub clock: Signal<In, Clock>,
    pub result: Vec<Signal<In, Bits<24>>>,
    pub act: Signal<In, Bit>,
    pub key: Signal<In, Bit>,
    pub value: Signal<In, Bit>,
    pub vmem: Signal<In, Bit>,
    pub row: Signal<In, Bits<24>>,
    pub entry: Signal<In, Bits<ENTRY>>,
    pub mask: Signal<In, Bits<HALVES>>,
    pub half: Signal<In, Bit>,
    pub part: Signal<In, Bits<4>>,
    pub lane: Signal<In, Bits<LANE>>,
    pub vmem_store: Signal<Out, Bit>,
    pub vmem_row: Signal<Out, Bits<VMEM_ROW>>,
    pub vmem_word: Vec<Signal<Out, Bits<18>>>,
    pub act_write: Signal<Out, Bits<HALVES>>,
    pub act_entry: Signal<Out, Bits<ENTRY>>,
    pub act_row: Vec<Signal<Out, Bits<16>>>,
    pub kv_write: Signal<Out, Bit>,
    pub kv_value_mode: Signal<Out, Bit>,
    pub kv_row: Signal<Out, Bits<KV_ROW>>,
    pub kv_halves: Signal<Out, Bits<HALVES>>,
    pub kv_lane: Signal<Out, Bits<LANE>>,
    pub kv_codes: Vec<Signal<Out, Bits<9>>>,
    pub saturated: Signal<Out, Bit>,
    limits: Vec<Limits>,
    // Cycle 13.
    vmem_13: DFF<Bit>,
    act_mask_13: DFF<Bits<HALVES>>,
    key_13: DFF<Bit>,
    value_13: DFF<Bit>,
    sends: Signal<Local, Bit>,
    mask_13: DFF<Bits<HALVES>>,
    row_13: DFF<Bits<24>>,
    entry_13: DFF<Bits<ENTRY>>,
    part_13: DFF<Bits<4>>,
    /// Lower lanes take the upper half, upper lanes the lower.
    from_upper_13: DFF<Bit>,
    from_lower_13: DFF<Bit>,
    // Cycle 14.
    act_mask_14: DFF<Bits<HALVES>>,
    entry_14: DFF<Bits<ENTRY>>,
    act_14: Vec<DFF<Bits<16>>>,
    kv_14: DFF<Bit>,
    value_14: DFF<Bit>,
    row_14: DFF<Bits<KV_ROW>>,
    mask_14: DFF<Bits<HALVES>>,
    lane_13: DFF<Bits<LANE>>,
    lane_14: DFF<Bits<LANE>>,
    code_14: Vec<DFF<Bits<9>>>,
    any_lower: Signal<Local, Bit>,
    any_upper: Signal<Local, Bit>,
    any_lower_14: DFF<Bit>,
    any_upper_14: DFF<Bit>,
    saturated_15: DFF<Bit>,
    part_now: Signal<Local, Bits<4>>,
    part_mask: Setting<4>,
    _lanes: usize,
    _groups: usize,
    kind: Kind<Self>,
}

impl Distribute {
    /// Cycles from result to the port of vector memory.
    pub const STORE_LATENCY: usize = 1;
    /// Cycles from result to the ports of activation file and KV memory.
    pub const LATENCY: usize = 2;

    /// The distribution of a chip.
    pub fn new(geometry: &Geometry) -> Self {
        let lanes = geometry.vxm_lanes;
        Self {
            result: many(lanes),
            vmem_word: many(lanes),
            act_row: many(lanes),
            kv_codes: many(lanes),
            limits: many(lanes),
            act_14: many(lanes),
            code_14: many(lanes),
            part_mask: Setting::new((lanes / geometry.groups() - 1) as u64),
            _lanes: lanes,
            _groups: geometry.groups(),
            ..Self::default()
        }
    }
}

impl Logic for Distribute {
    #[hdl_gen]
    fn update(&mut self) {
        clock!(self, clock, vmem_13, act_mask_13, key_13, value_13, mask_13, row_13, entry_13, part_13);
        clock!(
            self,
            clock,
            from_upper_13,
            from_lower_13,
            act_mask_14,
            entry_14,
            kv_14,
            value_14,
            row_14,
            mask_14
        );
        clock!(self, clock, lane_13, lane_14, any_lower_14, any_upper_14, saturated_15);

        // Cycle 12: limits.
        self.sends.next = self.act.val() | self.key.val() | self.value.val() | self.vmem.val();
        for l in 0..self._lanes {
            self.limits[l].clock.next = self.clock.val();
            self.limits[l].result.next = self.result[l].val();
            self.limits[l].to_act.next = self.act.val();
            self.limits[l].to_vmem.next = self.vmem.val();
            self.limits[l].sends.next = self.sends.val();
            self.vmem_word[l].next = self.limits[l].word.val();
        }
        self.vmem_13.d.next = self.vmem.val();
        self.act_mask_13.d.next = 0.into();
        if self.act.val() {
            self.act_mask_13.d.next = self.mask.val();
        }
        self.key_13.d.next = self.key.val();
        self.value_13.d.next = self.value.val();
        self.mask_13.d.next = self.mask.val();
        self.row_13.d.next = 0.into();
        if self.sends.val() {
            self.row_13.d.next = self.row.val();
        }
        self.entry_13.d.next = self.entry.val();
        self.lane_13.d.next = self.lane.val();
        self.part_13.d.next = self.part.val();
        self.from_upper_13.d.next =
            self.half.val() & (self.act.val() | self.key.val()) & self.part.val().get_bit(0);
        self.from_lower_13.d.next =
            self.half.val() & (self.act.val() | self.key.val()) & !self.part.val().get_bit(0);
        self.vmem_store.next = self.vmem_13.q.val();
        self.vmem_row.next = self.row_13.q.val().get_bits::<VMEM_ROW>(0);

        // Cycle 13: half select and code. A one-trip loop names a number that indices are made with.
        for u in (self._lanes / 2)..(self._lanes / 2 + 1) {
            for l in 0..(self._lanes / 2) {
                self.act_14[l].clock.next = self.clock.val();
                self.act_14[l + u].clock.next = self.clock.val();
                self.code_14[l].clock.next = self.clock.val();
                self.code_14[l + u].clock.next = self.clock.val();
                self.act_14[l].d.next = self.limits[l].act.val();
                self.code_14[l].d.next = self.limits[l].code.val();
                if self.from_upper_13.q.val() {
                    self.act_14[l].d.next = self.limits[l + u].act.val();
                    self.code_14[l].d.next = self.limits[l + u].code.val();
                }
                self.act_14[l + u].d.next = self.limits[l + u].act.val();
                self.code_14[l + u].d.next = self.limits[l + u].code.val();
                if self.from_lower_13.q.val() {
                    self.act_14[l + u].d.next = self.limits[l].act.val();
                    self.code_14[l + u].d.next = self.limits[l].code.val();
                }
            }
        }
        self.part_now.next = self.part_13.q.val() & self.part_mask.val();
        for g in self._groups..(self._groups + 1) {
            for c in 0..(self._lanes / self._groups) {
                for j in 0..self._groups {
                    if self.value_13.q.val() & (self.part_now.val() == c.to_bits()) {
                        self.code_14[j].d.next = self.limits[c * g + j].code.val();
                    }
                }
            }
        }
        self.any_lower.next = false;
        self.any_upper.next = false;
        for u in (self._lanes / 2)..(self._lanes / 2 + 1) {
            for l in 0..(self._lanes / 2) {
                self.any_lower.next = self.any_lower.val() | self.limits[l].over.val();
                self.any_upper.next = self.any_upper.val() | self.limits[l + u].over.val();
            }
        }
        // A half that is not sent does not count.
        self.any_lower_14.d.next = self.any_lower.val() & !self.from_upper_13.q.val();
        self.any_upper_14.d.next = self.any_upper.val() & !self.from_lower_13.q.val();
        self.act_mask_14.d.next = self.act_mask_13.q.val();
        self.entry_14.d.next = self.entry_13.q.val();
        self.kv_14.d.next = self.key_13.q.val() | self.value_13.q.val();
        self.value_14.d.next = self.value_13.q.val();
        self.row_14.d.next = self.row_13.q.val().get_bits::<KV_ROW>(0);
        self.mask_14.d.next = self.mask_13.q.val();
        self.lane_14.d.next = self.lane_13.q.val();

        // Cycle 14: ports.
        for l in 0..self._lanes {
            self.act_row[l].next = self.act_14[l].q.val();
            self.kv_codes[l].next = self.code_14[l].q.val();
        }
        self.act_write.next = self.act_mask_14.q.val();
        self.act_entry.next = self.entry_14.q.val();
        self.kv_write.next = self.kv_14.q.val();
        self.kv_value_mode.next = self.value_14.q.val();
        self.kv_row.next = self.row_14.q.val();
        self.kv_halves.next = self.mask_14.q.val();
        self.kv_lane.next = self.lane_14.q.val();
        self.saturated_15.d.next = self.any_lower_14.q.val() | self.any_upper_14.q.val();
        self.saturated.next = self.saturated_15.q.val();
    }
}

#[cfg(test)]
mod tests;
