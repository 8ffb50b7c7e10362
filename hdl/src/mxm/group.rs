//! A group of lanes, as many as the vector unit has: the grain at which vector rows enter the matrix side.
//!
//! ```text
//!  row ────────────►[local copies]─► banks ─► codes ─┐
//!  from_kv, entry ─►[local copies]───────────────────┼─► lanes ─┬─► operand   (cycle 4)
//!  sent ─┬─► choose ─►[copies]─┬─► activations ──────┘          └─► product   (cycle 6)
//!        └─ kv_value ──┘       └─► write ports of both memories
//! ```
//!
//! | port               | dir | width        | meaning                                                   | cycle |
//! |--------------------|-----|--------------|-----------------------------------------------------------|------:|
//! | `row`              | in  | `MATRIX_ROW` | row of the matrix memories                                |     0 |
//! | `from_kv`, `entry` | in  | 1, `ENTRY`   | as the lanes need them, one cycle before                  |     2 |
//! | `operand[j]`       | out | 10           | matrix operand of lane `j`                                |     4 |
//! | `product[j]`       | out | 32           | product of lane `j`                                       |     6 |
//! | `act_write`        | in  | 2            | bit `h`: write the activations of half `h` of the lanes   |    15 |
//! | `act_write_entry`  | in  | `ENTRY`      |                                                           |    15 |
//! | `sent[j]`          | in  | 16           | lane `j`'s activation, or its KV code in the lowest bits  |    15 |
//! | `kv_write`         | in  | `LANES`      | bit `j`: write lane `j`'s KV code                         |    15 |
//! | `kv_transposed`    | in  | 1            | the KV code is 0: lane `j`'s own; 1: `kv_value`           |    15 |
//! | `kv_value`         | in  | 9            |                                                           |    15 |
//! | `weight_write`     | in  | 2            | bit `h`: write the lowest bits of `sent` as weights of half `h` of the lanes | 15 |
//! | `write_row`        | in  | `MATRIX_ROW` | row of codes or weights written                           |    15 |
//!
//! With external memory, transfers come a cycle before they use the write ports:
//!
//! | port               | dir | width        | meaning                                                   | cycle |
//! |--------------------|-----|--------------|-----------------------------------------------------------|------:|
//! | `transfer_weights`, `transfer_weights_row` | in | 1, `MATRIX_ROW` | write the lanes' weights, in this row  |   `t` |
//! | `transfer_kv`, `transfer_kv_row` | in | 1, `MATRIX_ROW` | write the lanes' codes, in this row              |   `t` |
//! | `transfer_back`    | in  | 1            | read the lanes' codes of `transfer_kv_row`                |   `t` |
//! | `transfer_cell[c]` | in  | 36           | four lanes                                                |   `t` |
//! | `back[c]`          | out | 36           | four lanes                                                | `t + BACK_LATENCY` |
//!
//! Columns "cycle" count from the issue of the beat (0 to 6) and of the vector operation that writes (15). What arrives
//! in cycle 15 is written in cycle 16, and seen by beats that sample in cycle 17.
//!
//! # Invariants
//! 1. Lanes that no write names keep what they hold.
//! 2. What arrives in a cycle is activations or codes; `kv_transposed` is low while it is activations.

use super::lane::MatrixLane;
use crate::dialect::*;
use crate::mem::PairBank;
use crate::primitives::{JoinLanes, LocalCopy};
use crate::widths::{ENTRY, LANES, MATRIX_ROW};

/// The lanes of one group with their memories.
#[derive(LogicBlock, Default)]
pub struct LaneGroup {
    pub clock: Signal<In, Clock>,
    pub row: Signal<In, Bits<MATRIX_ROW>>,
    pub from_kv: Signal<In, Bit>,
    pub entry: Signal<In, Bits<ENTRY>>,
    pub operand: Vec<Signal<Out, Bits<10>>>,
    pub product: Vec<Signal<Out, Bits<32>>>,
    pub act_write: Signal<In, Bits<2>>,
    pub act_write_entry: Signal<In, Bits<ENTRY>>,
    pub sent: Vec<Signal<In, Bits<16>>>,
    pub kv_write: Signal<In, Bits<LANES>>,
    pub kv_transposed: Signal<In, Bit>,
    pub kv_value: Signal<In, Bits<9>>,
    pub weight_write: Signal<In, Bits<2>>,
    pub write_row: Signal<In, Bits<MATRIX_ROW>>,
    pub transfer_weights: Vec<Signal<In, Bit>>,
    pub transfer_weights_row: Vec<Signal<In, Bits<MATRIX_ROW>>>,
    pub transfer_kv: Vec<Signal<In, Bit>>,
    pub transfer_back: Vec<Signal<In, Bit>>,
    pub transfer_kv_row: Vec<Signal<In, Bits<MATRIX_ROW>>>,
    pub transfer_cell: Vec<Signal<In, Bits<36>>>,
    pub back: Vec<Signal<Out, Bits<36>>>,
    /// One copy for each half of the lanes.
    row_here: [LocalCopy<MATRIX_ROW>; 2],
    /// One copy for four lanes.
    from_kv_here: Vec<LocalCopy<1>>,
    entry_here: LocalCopy<ENTRY>,
    // Cycle 16: what comes from the vector unit has crossed the die.
    act_write_16: LocalCopy<2>,
    act_entry_16: LocalCopy<ENTRY>,
    sent_16: Vec<LocalCopy<16>>,
    kv_write_16: LocalCopy<LANES>,
    weight_write_16: LocalCopy<2>,
    write_row_16: LocalCopy<MATRIX_ROW>,
    kv_enable: Vec<JoinLanes<2, 1, 2>>,
    bank: Vec<PairBank>,
    lane: Vec<MatrixLane>,
    // With external memory, one of each; for four lanes one of the last two.
    transfer_weights_1: Vec<LocalCopy<1>>,
    transfer_weights_row_1: Vec<LocalCopy<MATRIX_ROW>>,
    transfer_kv_1: Vec<LocalCopy<1>>,
    transfer_back_1: Vec<LocalCopy<1>>,
    transfer_kv_row_1: Vec<LocalCopy<MATRIX_ROW>>,
    cell_1: Vec<LocalCopy<36>>,
    back_pair: Vec<JoinLanes<2, 18, 36>>,
    _half: usize,
    kind: Kind<Self>,
}

impl LaneGroup {
    /// Cycles from row to product.
    pub const LATENCY: usize = Self::BANKS + MatrixLane::LATENCY;
    /// Cycles from row to matrix operand.
    pub const OPERAND_LATENCY: usize = Self::BANKS + MatrixLane::OPERAND_LATENCY;
    /// Cycles from the vector unit's row to its write.
    pub const ARRIVAL: usize = LocalCopy::<MATRIX_ROW>::LATENCY;

    /// Cycles from a transfer's row to its codes on the way back.
    pub const BACK_LATENCY: usize = LocalCopy::<MATRIX_ROW>::LATENCY + PairBank::LATENCY;

    const BANKS: usize = LocalCopy::<MATRIX_ROW>::LATENCY + PairBank::LATENCY;

    /// A group of `lanes` lanes.
    pub fn new(lanes: usize) -> Self {
        Self { bank: many(lanes / 2), ..Self::of(lanes) }
    }

    /// A group of `lanes` lanes whose memories transfers reach.
    pub fn with_transfers(lanes: usize) -> Self {
        Self {
            transfer_weights: many(1),
            transfer_weights_row: many(1),
            transfer_kv: many(1),
            transfer_back: many(1),
            transfer_kv_row: many(1),
            transfer_cell: many(lanes / 4),
            back: many(lanes / 4),
            transfer_weights_1: many(1),
            transfer_weights_row_1: many(1),
            transfer_kv_1: many(1),
            transfer_back_1: many(1),
            transfer_kv_row_1: many(1),
            cell_1: many(lanes / 4),
            back_pair: many(lanes / 4),
            bank: (0..lanes / 2).map(|_| PairBank::new(true)).collect(),
            ..Self::of(lanes)
        }
    }

    fn of(lanes: usize) -> Self {
        Self {
            operand: many(lanes),
            product: many(lanes),
            sent: many(lanes),
            from_kv_here: many(lanes / 4),
            sent_16: many(lanes),
            kv_enable: many(lanes / 2),
            lane: many(lanes),
            _half: lanes / 2,
            kind: Kind::named(format!("lane_group_{lanes}")),
            ..Self::default()
        }
    }
}

impl Logic for LaneGroup {
    #[hdl_gen]
    fn update(&mut self) {
        clock!(self, clock, entry_here, act_write_16, act_entry_16, kv_write_16, weight_write_16);
        clock!(self, clock, write_row_16);
        for h in 0..2 {
            clock!(self, clock, row_here[h]);
            self.row_here[h].d.next = self.row.val();
        }
        for q in 0..self.from_kv_here.len() {
            clock!(self, clock, from_kv_here[q]);
            self.from_kv_here[q].d.next = self.from_kv.val().into();
        }
        self.entry_here.d.next = self.entry.val();
        self.act_write_16.d.next = self.act_write.val();
        self.act_entry_16.d.next = self.act_write_entry.val();
        self.kv_write_16.d.next = self.kv_write.val();
        self.weight_write_16.d.next = self.weight_write.val();
        self.write_row_16.d.next = self.write_row.val();
        for half in self._half..(self._half + 1) {
            for j in 0..self.lane.len() {
                clock!(self, clock, lane[j], sent_16[j]);
                self.lane[j].from_kv.next = self.from_kv_here[j / 4].q.val().get_bit(0);
                self.lane[j].entry.next = self.entry_here.q.val();
                self.lane[j].weight.next = self.bank[j / 2].weight[j % 2].val();
                self.lane[j].code.next = self.bank[j / 2].code[j % 2].val();
                self.operand[j].next = self.lane[j].operand.val();
                self.product[j].next = self.lane[j].product.val();
                self.sent_16[j].d.next = self.sent[j].val();
                if self.kv_transposed.val() {
                    self.sent_16[j].d.next = bit_cast::<16, 9>(self.kv_value.val());
                }
                self.lane[j].act_write_entry.next = self.act_entry_16.q.val();
                self.lane[j].act_data.next = self.sent_16[j].q.val();
            }
            for h in 0..2 {
                for j in 0..self._half {
                    self.lane[h * half + j].act_write.next = self.act_write_16.q.val().get_bit(h);
                    self.bank[(h * half + j) / 2].weight_write.next =
                        self.weight_write_16.q.val().get_bits::<1>(h);
                    self.bank[(h * half + j) / 2].row.next = self.row_here[h].q.val();
                }
            }
            for j in 0..self.lane.len() {
                self.bank[j / 2].data[j % 2].next = self.sent_16[j].q.val().get_bits::<9>(0);
                self.kv_enable[j / 2].lane[j % 2].next = self.kv_write_16.q.val().get_bits::<1>(j);
            }
            for p in 0..self.bank.len() {
                clock!(self, clock, bank[p]);
                self.bank[p].kv_write.next = self.kv_enable[p].bus.val();
                self.bank[p].write_row.next = self.write_row_16.q.val();
            }
        }
        for e in 0..self.transfer_kv.len() {
            clock!(self, clock, transfer_weights_1[e], transfer_weights_row_1[e], transfer_kv_1[e]);
            clock!(self, clock, transfer_back_1[e], transfer_kv_row_1[e]);
            self.transfer_weights_1[e].d.next = self.transfer_weights[e].val().into();
            self.transfer_weights_row_1[e].d.next = self.transfer_weights_row[e].val();
            self.transfer_kv_1[e].d.next = self.transfer_kv[e].val().into();
            self.transfer_back_1[e].d.next = self.transfer_back[e].val().into();
            self.transfer_kv_row_1[e].d.next = self.transfer_kv_row[e].val();
            for c in 0..self.cell_1.len() {
                clock!(self, clock, cell_1[c]);
                self.cell_1[c].d.next = self.transfer_cell[c].val();
                for p in 0..2 {
                    self.bank[c * 2 + p].transfer_weights[e].next =
                        self.transfer_weights_1[e].q.val().get_bit(0);
                    self.bank[c * 2 + p].transfer_weights_row[e].next =
                        self.transfer_weights_row_1[e].q.val();
                    self.bank[c * 2 + p].transfer_kv[e].next = self.transfer_kv_1[e].q.val().get_bit(0);
                    self.bank[c * 2 + p].transfer_back[e].next = self.transfer_back_1[e].q.val().get_bit(0);
                    self.bank[c * 2 + p].transfer_kv_row[e].next = self.transfer_kv_row_1[e].q.val();
                    self.bank[c * 2 + p].cell[e].next = self.cell_1[c].q.val().get_bits::<18>(p * 18);
                    self.back_pair[c].lane[p].next = self.bank[c * 2 + p].back[e].val();
                }
                self.back[c].next = self.back_pair[c].bus.val();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::{Bench, Random};
    use crate::emit::emit;
    use std::collections::VecDeque;

    const LANES: usize = 8;

    /// One KV write.
    struct Write {
        transposed: bool,
        row: u64,
        lanes: u64,
        codes: Vec<i64>,
        value: i64,
    }

    /// Rows of transfers reach weights and codes; codes go back.
    #[test]
    fn transfers_reach_the_lanes() {
        let bench = Bench::new(&emit(&mut LaneGroup::with_transfers(LANES), "lane_group").unwrap()).unwrap();
        let mut random = Random::from_seed_variable();
        let mut stimulus = bench.stimulus();
        stimulus.cycle().set("act_write", 3);
        (0..LANES).for_each(|j| {
            stimulus.set(&format!("sent${j}"), 1);
        });
        // Weights and codes; the write of the cycle before.
        let mut memories = [vec![[0i64; LANES]; 4], vec![[0; LANES]; 4]];
        let (mut pending, mut expected): (Option<(usize, usize, [i64; LANES])>, _) = (None, vec![]);
        let mut choices = vec![0];
        for _ in 0..5000 {
            let from_kv = random.below(2);
            choices.push(from_kv);
            let [row, target] = [0; 2].map(|_| random.below(4) as usize);
            let cells: [i64; LANES] = std::array::from_fn(|_| random.signed(8));
            // Weights come, codes come, codes go.
            let user = random.below(3) as usize;
            stimulus.cycle().set("row", row as u64).set("from_kv", from_kv);
            stimulus.set("transfer_weights$0", (user == 0).into());
            stimulus.set("transfer_weights_row$0", if user == 0 { target as u64 } else { random.below(4) });
            stimulus.set("transfer_kv$0", (user == 1).into()).set("transfer_back$0", (user == 2).into());
            stimulus.set("transfer_kv_row$0", if user > 0 { target as u64 } else { random.below(4) });
            (0..LANES / 4).for_each(|c| {
                stimulus.set_lanes(&format!("transfer_cell${c}"), 9, &cells[4 * c..][..4]);
            });
            // What came a cycle ago is written when these rows arrive at the memories.
            if let Some((memory, target, cells)) = pending.take() {
                memories[memory][target] = cells;
            }
            pending = (user < 2).then_some((user, target, cells));
            let read = [0, 1].map(|memory: usize| memories[memory][row]);
            expected.push((stimulus.cycles() - 1, read, (user == 2).then_some(memories[1][target])));
        }
        let response = bench.run(stimulus.idle(LaneGroup::LATENCY)).unwrap();
        choices.resize(choices.len() + 2, 0);
        for (t, read, back) in expected {
            let lane = |j: usize| response.signed(t + LaneGroup::LATENCY, &format!("product${j}"));
            let found: Vec<i64> = (0..LANES).map(lane).collect();
            assert_eq!(found, read[choices[t + 2] as usize], "cycle {t}");
            let cells =
                |c: usize| response.signed_lanes(t + LaneGroup::BACK_LATENCY, &format!("back${c}"), 9);
            let found: Vec<i64> = (0..LANES / 4).flat_map(cells).collect();
            assert!(back.is_none_or(|back| found == back), "cycle {t}");
        }
    }

    /// Codes written in either way are found by the beats that read them, as products with an activation of one.
    #[test]
    fn codes_reach_their_lanes() {
        let bench = Bench::new(&emit(&mut LaneGroup::new(LANES), "lane_group").unwrap()).unwrap();
        let mut random = Random::from_seed_variable();
        let mut stimulus = bench.stimulus();
        stimulus.cycle().set("act_write", 3);
        (0..LANES).for_each(|j| {
            stimulus.set(&format!("sent${j}"), 1);
        });
        let (mut memory, mut expected) = (vec![[0; LANES]; 4], vec![]);
        let mut arriving: VecDeque<Write> = VecDeque::new();
        for _ in 0..5000 {
            let write = Write {
                transposed: random.below(2) == 1,
                row: random.below(4),
                lanes: random.unsigned(LANES as u32),
                // Codes below 128 stand for themselves.
                codes: (0..LANES).map(|_| random.signed(8)).collect(),
                value: random.signed(8),
            };
            let row = random.below(4);
            stimulus.cycle().set("row", row).set("from_kv", 1).set("kv_write", write.lanes);
            stimulus.set("kv_transposed", write.transposed.into()).set("write_row", write.row);
            stimulus.set_signed("kv_value", write.value);
            for (j, code) in write.codes.iter().enumerate() {
                stimulus.set(&format!("sent${j}"), *code as u64 & 0x1ff);
            }
            arriving.push_back(write);
            if arriving.len() > LaneGroup::ARRIVAL {
                let write = arriving.pop_front().expect("one arrives");
                for j in (0..LANES).filter(|j| write.lanes >> j & 1 == 1) {
                    memory[write.row as usize][j] =
                        if write.transposed { write.value } else { write.codes[j] };
                }
            }
            expected.push((stimulus.cycles() - 1, memory[row as usize]));
        }
        // The last rows read still need the choice of memory, two cycles after their address.
        (0..2).for_each(|_| {
            stimulus.cycle().set("from_kv", 1);
        });
        let response = bench.run(stimulus.idle(LaneGroup::LATENCY)).unwrap();
        for (t, lanes) in expected {
            let found: Vec<i64> = (0..LANES)
                .map(|j| response.signed(t + LaneGroup::LATENCY, &format!("product${j}")))
                .collect();
            assert_eq!(found, lanes, "cycle {t}");
        }
    }
}
