//! A result row on its way to activation file, KV memory and vector memory: limited, coded, spread over the lanes.
//!
//! ```text
//!  result 24 ─┬─► limit to 18 or 16 bits ─┬─►[reg]─┬───────────────────────────► vmem_word (14)
//!             └─► KV code ────────────────┘        └─► half or part ─►[reg]────► sent      (15)
//!  strobes, places ─► decode ─►[reg]─► a copy for each group of the matrix unit ─►[reg]─► group_* (15)
//!  host's row ─────────────────►[reg]───────┘
//!    cycle 13                      14                            15
//! ```
//!
//! | port                       | dir | width       | meaning                                            | cycle |
//! |----------------------------|-----|-------------|----------------------------------------------------|------:|
//! | `clock`                    | in  | 1           |                                                    |       |
//! | `act`, `key`, `value`, `vmem` | in | 1         | strobes by destination                             |    12 |
//! | `result[l]`                | in  | 24          | the result stream                                  |    13 |
//! | `row`, `entry`, `mask`     | in  | 24, `ENTRY`, `HALVES` | address, half rows written               |    13 |
//! | `half`, `part`             | in  | 1, 4        | take half `part` in both halves; part of a value   |    13 |
//! | `lane`                     | in  | `LANE`      | lane that a value takes in each group              |    13 |
//! | `vmem_comes`, `vmem_row_next` | out | 1, `VMEM_ROW` | `vmem_store` in the next cycle, and its row      |    13 |
//! | `vmem_store`, `vmem_row`, `vmem_word[l]` | out | 1, `VMEM_ROW`, 18 | write port of vector memory    |    14 |
//! | `sent[l]`                  | out | 16          | activation; or KV code, in the lowest bits: half `h` takes lanes `(h % 2) * V/2` upward, of a value group `j` takes lane `j` | 15 |
//! | `group_act_write[g]`       | out | 2           | half rows of the group written                     |    15 |
//! | `group_act_entry[g]`       | out | `ENTRY`     |                                                    |    15 |
//! | `group_kv_write[g]`        | out | `LANES`     | KV lanes of the group written                      |    15 |
//! | `group_weight_write[g]`    | out | 2           | half rows of the group's weights written           |    15 |
//! | `group_row[g]`             | out | `MATRIX_ROW` | row of codes or weights                           |    15 |
//! | `group_kv_transposed[g]`   | out | 1           | every lane takes lane `g` of the row               |    15 |
//! | `act_write`, `act_entry`   | out | `HALVES`, `ENTRY` | the same for all groups, for faults and traces |  15 |
//! | `kv_write`, `kv_value_mode`| out | 1           | a key or a value is written; it is a value; likewise |  15 |
//! | `kv_row`, `kv_halves`, `kv_lane` | out | `KV_ROW`, `HALVES`, `LANE` | row; half rows (key); lane (value); likewise | 15 |
//! | `saturated`                | out | 1           | a lane sent did not fit                            |    16 |
//! | `host_kv_write`, `host_weight_write` | in | 1 | the host writes half rows of either memory         |   `t` |
//! | `host_write_row`, `host_halves` | in | `MATRIX_ROW`, `HALVES` | its row and half rows               |   `t` |
//! | `host_lane[8]`             | in  | 9           | lane `l` of a vector row takes `host_lane[l % 8]`; on `sent` in `t + 2` | `t` |
//!
//! Outputs of cycle 15 are registers with nothing behind them: each reaches many memories.
//!
//! # Invariants
//! 1. Without a strobe, `vmem_row`, `vmem_row_next` and `vmem_word` are zero too: vector memory joins its writers by an or.
//! 2. A strobe makes exactly one write; without one, the writes and `vmem_store` are zero.
//! 3. The host writes while no row is sent.

use crate::dialect::*;
use crate::primitives::vector::{DestinationLimit, KvEncode};
use crate::primitives::{JoinLanes, LocalCopy};
use crate::widths::{ENTRY, HALVES, KV_ROW, LANE, LANES, MATRIX_ROW, VMEM_ROW};
use lpu_isa::Geometry;

/// Lanes of a word of the host.
const OCTET_LANES: usize = 8;
/// Lanes that share copies of the strobes.
const QUAD_LANES: usize = 4;

/// One lane's limit, and its registers of cycle 14.
#[derive(LogicBlock, Default)]
pub struct Limits {
    pub clock: Signal<In, Clock>,
    pub result: Signal<In, Bits<24>>,
    pub to_act: Signal<In, Bit>,
    pub to_vmem: Signal<In, Bit>,
    pub to_kv: Signal<In, Bit>,
    pub word: Signal<Out, Bits<18>>,
    pub sent: Signal<Out, Bits<16>>,
    pub over: Signal<Out, Bit>,
    limit: DestinationLimit,
    sign_14: DFF<Bits<1>>,
    low_14: DFF<Bits<17>>,
    over_14: DFF<Bit>,
    encode: KvEncode,
    kind: Kind<Self>,
}

impl Logic for Limits {
    #[hdl_gen]
    fn update(&mut self) {
        clock!(self, clock, sign_14, low_14, over_14);
        self.limit.x.next = self.result.val();
        self.limit.to_act.next = self.to_act.val().into();
        self.limit.to_vmem.next = self.to_vmem.val().into();
        // Zero unless something is sent: vector memory joins its writers by an or.
        self.sign_14.d.next = 0.into();
        self.low_14.d.next = 0.into();
        self.over_14.d.next = false;
        self.encode.x.next = self.result.val();
        if self.to_act.val() | self.to_vmem.val() {
            self.sign_14.d.next = self.limit.sign.val();
            self.low_14.d.next = self.limit.low.val();
            self.over_14.d.next = self.limit.over.val().into();
        }
        if self.to_kv.val() {
            self.low_14.d.next = bit_cast::<17, 9>(self.encode.code.val());
            self.over_14.d.next = self.limit.over.val().into();
        }
        self.word.next =
            (bit_cast::<18, 1>(self.sign_14.q.val()) << 17) | bit_cast::<18, 17>(self.low_14.q.val());
        self.sent.next = (bit_cast::<16, 1>(self.sign_14.q.val()) << 15)
            | bit_cast::<16, 15>(self.low_14.q.val().get_bits::<15>(0));
        self.over.next = self.over_14.q.val();
    }
}

/// One lane's register of cycle 15: what the machine sends, or the host's code. One of them is zero.
#[derive(LogicBlock, Default)]
pub struct SentLane {
    pub clock: Signal<In, Clock>,
    pub chosen: Signal<In, Bits<16>>,
    pub host: Signal<In, Bits<9>>,
    pub sent: Signal<Out, Bits<16>>,
    sent_15: DFF<Bits<16>>,
    kind: Kind<Self>,
}

impl Logic for SentLane {
    #[hdl_gen]
    fn update(&mut self) {
        clock!(self, clock, sent_15);
        self.sent_15.d.next = self.chosen.val() | bit_cast::<16, 9>(self.host.val());
        self.sent.next = self.sent_15.q.val();
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
    pub vmem_comes: Signal<Out, Bit>,
    pub vmem_store: Signal<Out, Bit>,
    pub vmem_row_next: Signal<Out, Bits<VMEM_ROW>>,
    pub vmem_row: Signal<Out, Bits<VMEM_ROW>>,
    pub vmem_word: Vec<Signal<Out, Bits<18>>>,
    pub act_write: Signal<Out, Bits<HALVES>>,
    pub act_entry: Signal<Out, Bits<ENTRY>>,
    pub sent: Vec<Signal<Out, Bits<16>>>,
    pub kv_write: Signal<Out, Bit>,
    pub kv_value_mode: Signal<Out, Bit>,
    pub kv_row: Signal<Out, Bits<KV_ROW>>,
    pub kv_halves: Signal<Out, Bits<HALVES>>,
    pub kv_lane: Signal<Out, Bits<LANE>>,
    pub group_act_write: Vec<Signal<Out, Bits<2>>>,
    pub group_act_entry: Vec<Signal<Out, Bits<ENTRY>>>,
    pub group_kv_write: Vec<Signal<Out, Bits<LANES>>>,
    pub group_weight_write: Vec<Signal<Out, Bits<2>>>,
    pub group_row: Vec<Signal<Out, Bits<MATRIX_ROW>>>,
    pub group_kv_transposed: Vec<Signal<Out, Bit>>,
    pub saturated: Signal<Out, Bit>,
    pub host_kv_write: Signal<In, Bit>,
    pub host_weight_write: Signal<In, Bit>,
    pub host_write_row: Signal<In, Bits<MATRIX_ROW>>,
    pub host_halves: Signal<In, Bits<HALVES>>,
    pub host_lane: [Signal<In, Bits<9>>; OCTET_LANES],
    limits: Vec<Limits>,
    // Cycle 13.
    act_13: DFF<Bit>,
    key_13: DFF<Bit>,
    value_13: DFF<Bit>,
    vmem_13: DFF<Bit>,
    sends_13: DFF<Bit>,
    to_act_13: Vec<LocalCopy<1>>,
    to_vmem_13: Vec<LocalCopy<1>>,
    to_kv_13: Vec<LocalCopy<1>>,
    row_now: Signal<Local, Bits<24>>,
    // Cycle 14.
    vmem_14: DFF<Bit>,
    act_mask_14: DFF<Bits<HALVES>>,
    key_14: DFF<Bit>,
    value_14: DFF<Bit>,
    mask_14: DFF<Bits<HALVES>>,
    row_14: DFF<Bits<24>>,
    entry_14: DFF<Bits<ENTRY>>,
    /// Lower lanes take the upper half, upper lanes the lower; a copy for each quad of lanes.
    from_upper: Signal<Local, Bit>,
    from_lower: Signal<Local, Bit>,
    from_upper_14: Vec<LocalCopy<1>>,
    from_lower_14: Vec<LocalCopy<1>>,
    /// The groups' codes are part `c + 1` of the result. Part 0 stands where it belongs.
    part_14: Vec<DFF<Bit>>,
    host_writes: Signal<Local, Bit>,
    kv_halves_14: DFF<Bits<HALVES>>,
    kv_lanes_14: Vec<DFF<Bits<1>>>,
    weight_halves_14: DFF<Bits<HALVES>>,
    write_row_14: DFF<Bits<MATRIX_ROW>>,
    host_lane_14: [DFF<Bits<9>>; OCTET_LANES],
    // Cycle 15.
    act_mask_15: DFF<Bits<HALVES>>,
    entry_15: DFF<Bits<ENTRY>>,
    chosen: Vec<Signal<Local, Bits<16>>>,
    sent_15: Vec<SentLane>,
    kv_15: DFF<Bit>,
    value_15: DFF<Bit>,
    row_15: DFF<Bits<KV_ROW>>,
    mask_15: DFF<Bits<HALVES>>,
    lane_14: DFF<Bits<LANE>>,
    lane_15: DFF<Bits<LANE>>,
    act_write_15: Vec<LocalCopy<2>>,
    act_entry_15: Vec<LocalCopy<ENTRY>>,
    kv_lanes: Vec<JoinLanes<LANES, 1, LANES>>,
    kv_write_15: Vec<LocalCopy<LANES>>,
    weight_write_15: Vec<LocalCopy<2>>,
    write_row_15: Vec<LocalCopy<MATRIX_ROW>>,
    kv_transposed_15: Vec<LocalCopy<1>>,
    any_lower: Signal<Local, Bit>,
    any_upper: Signal<Local, Bit>,
    any_lower_15: DFF<Bit>,
    any_upper_15: DFF<Bit>,
    saturated_16: DFF<Bit>,
    part_now: Signal<Local, Bits<4>>,
    part_mask: Setting<4>,
    _lanes: usize,
    _groups: usize,
    _quad: usize,
    _octet: usize,
    kind: Kind<Self>,
}

impl Distribute {
    /// Cycles from result to the port of vector memory.
    pub const VMEM_LATENCY: usize = 1;
    /// Cycles from result, or the host's write, to the groups of the matrix unit.
    pub const LATENCY: usize = Self::VMEM_LATENCY + LocalCopy::<MATRIX_ROW>::LATENCY;

    /// The distribution of a chip.
    pub fn new(geometry: &Geometry) -> Self {
        let (lanes, groups) = (geometry.vxm_lanes, geometry.groups());
        let quads = lanes / QUAD_LANES;
        Self {
            group_act_write: many(groups),
            group_act_entry: many(groups),
            group_kv_write: many(groups),
            group_weight_write: many(groups),
            group_row: many(groups),
            group_kv_transposed: many(groups),
            to_act_13: many(quads),
            to_vmem_13: many(quads),
            to_kv_13: many(quads),
            from_upper_14: many(quads),
            from_lower_14: many(quads),
            part_14: many(lanes / groups - 1),
            kv_lanes_14: many(lanes),
            act_write_15: many(groups),
            act_entry_15: many(groups),
            kv_lanes: many(groups),
            kv_write_15: many(groups),
            weight_write_15: many(groups),
            write_row_15: many(groups),
            kv_transposed_15: many(groups),
            result: many(lanes),
            vmem_word: many(lanes),
            sent: many(lanes),
            limits: many(lanes),
            chosen: many(lanes),
            sent_15: many(lanes),
            part_mask: Setting::new(lanes / groups - 1),
            _lanes: lanes,
            _groups: groups,
            _quad: QUAD_LANES,
            _octet: OCTET_LANES,
            ..Self::default()
        }
    }
}

impl Logic for Distribute {
    #[hdl_gen]
    fn update(&mut self) {
        clock!(self, clock, act_13, key_13, value_13, vmem_13, sends_13, vmem_14, act_mask_14, key_14);
        clock!(self, clock, value_14, mask_14, row_14, entry_14, kv_halves_14, weight_halves_14);
        clock!(self, clock, write_row_14, lane_14, act_mask_15, entry_15, kv_15, value_15, row_15, mask_15);
        clock!(self, clock, lane_15, any_lower_15, any_upper_15, saturated_16);

        // Cycle 12: strobes to their copies.
        self.act_13.d.next = self.act.val();
        self.key_13.d.next = self.key.val();
        self.value_13.d.next = self.value.val();
        self.vmem_13.d.next = self.vmem.val();
        self.sends_13.d.next = self.act.val() | self.key.val() | self.value.val() | self.vmem.val();
        for q in 0..self.to_act_13.len() {
            clock!(self, clock, to_act_13[q], to_vmem_13[q], to_kv_13[q]);
            self.to_act_13[q].d.next = self.act.val().into();
            self.to_vmem_13[q].d.next = self.vmem.val().into();
            self.to_kv_13[q].d.next = (self.key.val() | self.value.val()).into();
        }

        // Cycle 13: limits, and where the row goes. One-trip loops name numbers that indices are made with.
        for s in self._quad..(self._quad + 1) {
            for l in 0..self._lanes {
                clock!(self, clock, limits[l]);
                self.limits[l].result.next = self.result[l].val();
                self.limits[l].to_act.next = self.to_act_13[l / s].q.val().get_bit(0);
                self.limits[l].to_vmem.next = self.to_vmem_13[l / s].q.val().get_bit(0);
                self.limits[l].to_kv.next = self.to_kv_13[l / s].q.val().get_bit(0);
                self.vmem_word[l].next = self.limits[l].word.val();
            }
        }
        self.vmem_comes.next = self.vmem_13.q.val();
        self.vmem_14.d.next = self.vmem_13.q.val();
        self.act_mask_14.d.next = 0.into();
        if self.act_13.q.val() {
            self.act_mask_14.d.next = self.mask.val();
        }
        self.key_14.d.next = self.key_13.q.val();
        self.value_14.d.next = self.value_13.q.val();
        self.mask_14.d.next = self.mask.val();
        self.row_now.next = 0.into();
        if self.sends_13.q.val() {
            self.row_now.next = self.row.val();
        }
        self.row_14.d.next = self.row_now.val();
        self.vmem_row_next.next = self.row_now.val().get_bits::<VMEM_ROW>(0);
        self.entry_14.d.next = self.entry.val();
        self.lane_14.d.next = self.lane.val();
        self.from_upper.next =
            self.half.val() & (self.act_13.q.val() | self.key_13.q.val()) & self.part.val().get_bit(0);
        self.from_lower.next =
            self.half.val() & (self.act_13.q.val() | self.key_13.q.val()) & !self.part.val().get_bit(0);
        for q in 0..self.from_upper_14.len() {
            clock!(self, clock, from_upper_14[q], from_lower_14[q]);
            self.from_upper_14[q].d.next = self.from_upper.val().into();
            self.from_lower_14[q].d.next = self.from_lower.val().into();
        }
        self.part_now.next = self.part.val() & self.part_mask.val();
        for c in 0..self.part_14.len() {
            clock!(self, clock, part_14[c]);
            self.part_14[c].d.next = self.value_13.q.val() & (self.part_now.val() == (c + 1).to_bits());
        }
        for l in 0..self._lanes {
            clock!(self, clock, kv_lanes_14[l]);
            self.kv_lanes_14[l].d.next = (self.value_13.q.val() & (self.lane.val() == l.to_bits())).into();
        }
        // The host's row, or the machine's.
        self.host_writes.next = self.host_kv_write.val() | self.host_weight_write.val();
        self.write_row_14.d.next = self.row.val().get_bits::<MATRIX_ROW>(0);
        self.weight_halves_14.d.next = 0.into();
        self.kv_halves_14.d.next = 0.into();
        if self.key_13.q.val() {
            self.kv_halves_14.d.next = self.mask.val();
        }
        for j in 0..OCTET_LANES {
            clock!(self, clock, host_lane_14[j]);
            self.host_lane_14[j].d.next = 0.into();
            if self.host_writes.val() {
                self.host_lane_14[j].d.next = self.host_lane[j].val();
            }
        }
        if self.host_writes.val() {
            self.write_row_14.d.next = self.host_write_row.val();
        }
        if self.host_kv_write.val() {
            self.kv_halves_14.d.next = self.host_halves.val();
        }
        if self.host_weight_write.val() {
            self.weight_halves_14.d.next = self.host_halves.val();
        }
        self.vmem_store.next = self.vmem_14.q.val();
        self.vmem_row.next = self.row_14.q.val().get_bits::<VMEM_ROW>(0);

        // Cycle 14: half or part. Nothing is sent while the host writes: its lanes join by an or.
        for u in (self._lanes / 2)..(self._lanes / 2 + 1) {
            for s in self._quad..(self._quad + 1) {
                for l in 0..(self._lanes / 2) {
                    self.chosen[l].next = self.limits[l].sent.val();
                    if self.from_upper_14[l / s].q.val().any() {
                        self.chosen[l].next = self.limits[l + u].sent.val();
                    }
                    self.chosen[l + u].next = self.limits[l + u].sent.val();
                    if self.from_lower_14[(l + u) / s].q.val().any() {
                        self.chosen[l + u].next = self.limits[l].sent.val();
                    }
                }
            }
        }
        for g in self._groups..(self._groups + 1) {
            for c in 0..self.part_14.len() {
                for j in 0..self._groups {
                    if self.part_14[c].q.val() {
                        self.chosen[j].next = self.limits[(c + 1) * g + j].sent.val();
                    }
                }
            }
        }
        for o in self._octet..(self._octet + 1) {
            for l in 0..self._lanes {
                clock!(self, clock, sent_15[l]);
                self.sent_15[l].chosen.next = self.chosen[l].val();
                self.sent_15[l].host.next = self.host_lane_14[l % o].q.val();
            }
        }
        for u in (self._lanes / 2)..(self._lanes / 2 + 1) {
            for g in 0..self._groups {
                clock!(self, clock, act_write_15[g], act_entry_15[g], kv_write_15[g], weight_write_15[g]);
                clock!(self, clock, write_row_15[g], kv_transposed_15[g]);
                self.act_write_15[g].d.next = self.act_mask_14.q.val().get_bits::<2>(2 * g);
                self.act_entry_15[g].d.next = self.entry_14.q.val();
                for l in 0..LANES {
                    self.kv_lanes[g].lane[l].next = 0.into();
                }
                for l in 0..(self._lanes / 2) {
                    self.kv_lanes[g].lane[l].next =
                        self.kv_lanes_14[l].q.val() | self.kv_halves_14.q.val().get_bits::<1>(2 * g);
                    self.kv_lanes[g].lane[l + u].next =
                        self.kv_lanes_14[l + u].q.val() | self.kv_halves_14.q.val().get_bits::<1>(2 * g + 1);
                }
                self.kv_write_15[g].d.next = self.kv_lanes[g].bus.val();
                self.weight_write_15[g].d.next = self.weight_halves_14.q.val().get_bits::<2>(2 * g);
                self.write_row_15[g].d.next = self.write_row_14.q.val();
                self.kv_transposed_15[g].d.next = self.value_14.q.val().into();
                self.group_act_write[g].next = self.act_write_15[g].q.val();
                self.group_act_entry[g].next = self.act_entry_15[g].q.val();
                self.group_kv_write[g].next = self.kv_write_15[g].q.val();
                self.group_weight_write[g].next = self.weight_write_15[g].q.val();
                self.group_row[g].next = self.write_row_15[g].q.val();
                self.group_kv_transposed[g].next = self.kv_transposed_15[g].q.val().get_bit(0);
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
        self.any_lower_15.d.next = self.any_lower.val() & !self.from_upper_14[0].q.val().any();
        self.any_upper_15.d.next = self.any_upper.val() & !self.from_lower_14[0].q.val().any();
        self.act_mask_15.d.next = self.act_mask_14.q.val();
        self.entry_15.d.next = self.entry_14.q.val();
        self.kv_15.d.next = self.key_14.q.val() | self.value_14.q.val();
        self.value_15.d.next = self.value_14.q.val();
        self.row_15.d.next = self.row_14.q.val().get_bits::<KV_ROW>(0);
        self.mask_15.d.next = self.mask_14.q.val();
        self.lane_15.d.next = self.lane_14.q.val();

        // Cycle 15: ports.
        for l in 0..self._lanes {
            self.sent[l].next = self.sent_15[l].sent.val();
        }
        self.act_write.next = self.act_mask_15.q.val();
        self.act_entry.next = self.entry_15.q.val();
        self.kv_write.next = self.kv_15.q.val();
        self.kv_value_mode.next = self.value_15.q.val();
        self.kv_row.next = self.row_15.q.val();
        self.kv_halves.next = self.mask_15.q.val();
        self.kv_lane.next = self.lane_15.q.val();
        self.saturated_16.d.next = self.any_lower_15.q.val() | self.any_upper_15.q.val();
        self.saturated.next = self.saturated_16.q.val();
    }
}

#[cfg(test)]
mod tests;
