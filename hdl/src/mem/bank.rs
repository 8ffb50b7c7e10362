//! The memories of two neighbouring lanes: a block of weights each, and one block of KV codes that they share.
//!
//! ```text
//!                    ┌──────────────┐
//!  row ──────────┬──►│ weights 0    ├──►[reg]──► weight[0]
//!                ├──►│ weights 1    ├──►[reg]──► weight[1]
//!                └──►│ KV  1 │ KV 0 ├──►[reg]──► code[1], code[0]
//!                    └──────────────┘
//!            cycle 1          2         cycle 3
//! ```
//!
//! | port               | dir | width        | meaning                                       | cycle |
//! |--------------------|-----|--------------|-----------------------------------------------|------:|
//! | `row`              | in  | `MATRIX_ROW` | row read in all three blocks                  |     1 |
//! | `weight[i]`        | out | 9            | weight of lane `i`                            |     3 |
//! | `code[i]`          | out | 9            | KV code of lane `i`                           |     3 |
//! | `weight_write`     | in  | 1            | write both lanes' weights                     |  `t`  |
//! | `kv_write`         | in  | 2            | bit `i`: write lane `i`'s code                |  `t`  |
//! | `write_row`        | in  | `MATRIX_ROW` | row written                                   |  `t`  |
//! | `data[i]`          | in  | 9            | seen by reads from `t + 1`                    |  `t`  |
//!
//! With external memory, transfers use the write ports as well, each memory's in its own cycles:
//!
//! | port               | dir | width        | meaning                                       | cycle |
//! |--------------------|-----|--------------|-----------------------------------------------|------:|
//! | `transfer_weights`, `transfer_weights_row` | in | 1, `MATRIX_ROW` | write both lanes' weights, in this row | `t` |
//! | `transfer_kv`, `transfer_kv_row` | in | 1, `MATRIX_ROW` | write both lanes' codes, in this row | `t`  |
//! | `cell`             | in  | 18           | both lanes                                    |  `t`  |
//! | `transfer_back`    | in  | 1            | read both lanes' codes of `transfer_kv_row`   |  `t`  |
//! | `back`             | out | 18           | them                                          | `t + 2` |
//!
//! A block RAM byte has nine bits, so a 1024 x 18 block with byte enables is the KV memory of two lanes.
//!
//! # Invariants
//! 1. `weight` and `code` at `t + LATENCY` depend only on `row` at `t` and earlier writes.
//! 2. The caller does not read a row in the cycle in which it writes it.

use crate::dialect::*;
use crate::primitives::{Ebr, JoinLanes};
use crate::widths::{KV_ROW, MATRIX_ROW, WEIGHT_ROW};

/// Weights and KV codes of two lanes.
#[derive(LogicBlock, Default)]
pub struct PairBank {
    pub clock: Signal<In, Clock>,
    pub row: Signal<In, Bits<MATRIX_ROW>>,
    pub weight: [Signal<Out, Bits<9>>; 2],
    pub code: [Signal<Out, Bits<9>>; 2],
    pub weight_write: Signal<In, Bits<1>>,
    pub kv_write: Signal<In, Bits<2>>,
    pub write_row: Signal<In, Bits<MATRIX_ROW>>,
    pub data: [Signal<In, Bits<9>>; 2],
    pub transfer_weights: Vec<Signal<In, Bit>>,
    pub transfer_weights_row: Vec<Signal<In, Bits<MATRIX_ROW>>>,
    pub transfer_kv: Vec<Signal<In, Bit>>,
    pub transfer_back: Vec<Signal<In, Bit>>,
    pub transfer_kv_row: Vec<Signal<In, Bits<MATRIX_ROW>>>,
    pub cell: Vec<Signal<In, Bits<18>>>,
    pub back: Vec<Signal<Out, Bits<18>>>,
    weights: [Ebr<WEIGHT_ROW, 9, 1>; 2],
    kv: Ebr<KV_ROW, 18, 2>,
    kv_word: JoinLanes<2, 9, 18>,
    kind: Kind<Self>,
}

impl PairBank {
    /// Cycles from row to weights and codes.
    pub const LATENCY: usize = Ebr::<WEIGHT_ROW, 9, 1>::LATENCY;

    /// The memories of two lanes, which transfers may reach.
    pub fn new(transfers: bool) -> Self {
        let count = usize::from(transfers);
        let bank = Self {
            transfer_weights: many(count),
            transfer_weights_row: many(count),
            transfer_kv: many(count),
            transfer_back: many(count),
            transfer_kv_row: many(count),
            cell: many(count),
            back: many(count),
            ..Self::default()
        };
        if transfers { Self { kv: Ebr::two_way(), ..bank } } else { bank }
    }
}

impl Logic for PairBank {
    #[hdl_gen]
    fn update(&mut self) {
        clock!(self, clock, kv);
        for i in 0..2 {
            clock!(self, clock, weights[i]);
            self.weights[i].read_address.next = self.row.val().get_bits::<WEIGHT_ROW>(0);
            self.weights[i].write_enable.next = self.weight_write.val();
            self.weights[i].write_address.next = self.write_row.val().get_bits::<WEIGHT_ROW>(0);
            self.weights[i].write_data.next = self.data[i].val();
            self.weight[i].next = self.weights[i].read_data.val();
            self.kv_word.lane[i].next = self.data[i].val();
            self.code[i].next = self.kv.read_data.val().get_bits::<9>(i * 9);
        }
        self.kv.read_address.next = self.row.val().get_bits::<KV_ROW>(0);
        self.kv.write_enable.next = self.kv_write.val();
        self.kv.write_address.next = self.write_row.val().get_bits::<KV_ROW>(0);
        self.kv.write_data.next = self.kv_word.bus.val();
        for t in 0..self.cell.len() {
            for i in 0..2 {
                if self.transfer_weights[t].val() {
                    self.weights[i].write_enable.next = 1.into();
                    self.weights[i].write_address.next =
                        self.transfer_weights_row[t].val().get_bits::<WEIGHT_ROW>(0);
                    self.weights[i].write_data.next = self.cell[t].val().get_bits::<9>(i * 9);
                }
            }
            if self.transfer_kv[t].val() | self.transfer_back[t].val() {
                self.kv.write_address.next = self.transfer_kv_row[t].val().get_bits::<KV_ROW>(0);
            }
            if self.transfer_kv[t].val() {
                self.kv.write_enable.next = 3.into();
                self.kv.write_data.next = self.cell[t].val();
            }
            self.back[t].next = self.kv.back[t].val();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::{Bench, Family, Random, cells};
    use crate::emit::{Design, emit};

    fn design() -> Design {
        emit(&mut PairBank::default(), "pair_bank").unwrap()
    }

    #[test]
    fn reads_find_what_was_written() {
        const CYCLES: usize = 20_000;
        let bench = Bench::new(&design()).unwrap();
        let mut random = Random::from_seed_variable();
        let (mut weights, mut codes) = ([[0; 2]; 8], [[0; 2]; 8]);
        let (mut stimulus, mut expected) = (bench.stimulus(), vec![]);
        for _ in 0..CYCLES {
            let [row, write_row] = [0; 2].map(|_| random.below(8));
            let (weight_write, kv_write) = (random.below(2), random.below(4));
            let data: [i64; 2] = std::array::from_fn(|_| random.signed(9));
            stimulus.cycle().set("row", row).set("weight_write", weight_write).set("kv_write", kv_write);
            stimulus.set("write_row", write_row);
            stimulus.set_signed("data$0", data[0]).set_signed("data$1", data[1]);
            expected.push((weights[row as usize], codes[row as usize]));
            if weight_write == 1 {
                weights[write_row as usize] = data;
            }
            for i in (0..2).filter(|i| kv_write >> i & 1 == 1) {
                codes[write_row as usize][i] = data[i];
            }
        }
        let response = bench.run(stimulus.idle(PairBank::LATENCY)).unwrap();
        for (t, (weights, codes)) in expected.into_iter().enumerate() {
            let at = t + PairBank::LATENCY;
            let pair = |name: &str| [0, 1].map(|i| response.signed(at, &format!("{name}${i}")));
            assert_eq!((pair("weight"), pair("code")), (weights, codes), "cycle {t}");
        }
    }

    /// Needs no model: a code written to one lane of a row leaves the other lane and the other rows at zero.
    #[test]
    fn a_code_goes_to_its_lane_alone() {
        let bench = Bench::new(&design()).unwrap();
        let mut stimulus = bench.stimulus();
        stimulus.cycle().set("kv_write", 2).set("write_row", 1023).set("data$0", 77).set("data$1", 99);
        for row in 0..1024 {
            stimulus.cycle().set("row", row);
        }
        let response = bench.run(stimulus.idle(PairBank::LATENCY)).unwrap();
        for row in 0..1024 {
            let at = 1 + row + PairBank::LATENCY;
            let codes = [response.get(at, "code$0"), response.get(at, "code$1")];
            assert_eq!(codes, if row == 1023 { [0, 99] } else { [0, 0] }, "row {row}");
        }
    }

    /// Transfers reach weights and codes in cycles of their own, beside results and beats, and read codes back.
    #[test]
    fn transfers_use_the_write_ports() {
        let bench = Bench::new(&emit(&mut PairBank::new(true), "pair_bank").unwrap()).unwrap();
        let mut random = Random::from_seed_variable();
        let (mut weights, mut codes) = ([[0; 2]; 8], [[0; 2]; 8]);
        let (mut stimulus, mut expected) = (bench.stimulus(), vec![]);
        for _ in 0..20_000 {
            let [row, write_row, weights_row, kv_row] = [0; 4].map(|_| random.below(8));
            let data: [i64; 2] = std::array::from_fn(|_| random.signed(9));
            let cell: [i64; 2] = std::array::from_fn(|_| random.signed(9));
            // Who has the write port of codes in this cycle: a result, a row that comes, a row that goes.
            let (user, to_weights) = (random.below(4), random.below(2));
            let kv_write = if user == 0 { random.below(4) } else { 0 };
            stimulus.cycle().set("row", row).set("kv_write", kv_write).set("write_row", write_row);
            stimulus.set_signed("data$0", data[0]).set_signed("data$1", data[1]);
            stimulus.set("transfer_weights$0", to_weights).set("transfer_weights_row$0", weights_row);
            stimulus.set("transfer_kv$0", (user == 1).into()).set("transfer_back$0", (user == 2).into());
            stimulus.set("transfer_kv_row$0", kv_row).set_lanes("cell$0", 9, &cell);
            let back = (user == 2).then_some(codes[kv_row as usize]);
            expected.push((weights[row as usize], codes[row as usize], back));
            if to_weights == 1 {
                weights[weights_row as usize] = cell;
            }
            if user == 1 {
                codes[kv_row as usize] = cell;
            }
            for i in (0..2).filter(|i| kv_write >> i & 1 == 1) {
                codes[write_row as usize][i] = data[i];
            }
        }
        let response = bench.run(stimulus.idle(PairBank::LATENCY)).unwrap();
        for (t, (weights, codes, back)) in expected.into_iter().enumerate() {
            let at = t + PairBank::LATENCY;
            let pair = |name: &str| [0, 1].map(|i| response.signed(at, &format!("{name}${i}")));
            assert_eq!((pair("weight"), pair("code")), (weights, codes), "cycle {t}");
            if let Some(back) = back {
                assert_eq!(response.signed_lanes(at, "back$0", 9), back, "cycle {t}");
            }
        }
    }

    #[test]
    fn it_is_three_blocks() {
        assert_eq!(cells(&design(), Family::Ecp5).unwrap().get("DP16KD"), Some(&3));
    }
}
