//! Vector memory: one row read and one row written a cycle, and the host's way in.
//!
//! ```text
//!  read_row ──────────────► block RAM per pair of lanes ──►[output register]──► row
//!      cycle 1               ▲                                cycle 3    └─► quad ──►[reg]──► host_word
//!  matrix store ──┐          │                              host_quad ─►[reg]─┘       cycle 4
//!  result store ──┼── write port
//!  host word ─────┘
//! ```
//!
//! | port                   | dir | width      | meaning                                          | cycle |
//! |------------------------|-----|------------|--------------------------------------------------|-------|
//! | `clock`                | in  | 1          |                                                  |       |
//! | `read_row`             | in  | `VMEM_ROW` | row read                                         | `t`   |
//! | `row[l]`               | out | 18         |                                                  | `t+2` |
//! | `matrix_row`           | in  | `VMEM_ROW` | where the matrix side writes in the next cycle   | `t-1` |
//! | `matrix_store`         | in  | 1          | the matrix side writes                           | `t`   |
//! | `matrix_word[l]`       | in  | 18         | seen by reads from `t + 1`                       | `t`   |
//! | `result_comes`, `result_row` | in | 1, `VMEM_ROW` | a vector result is written in the next cycle, there | `t-1` |
//! | `result_word[l]`       | in  | 18         | seen by reads from `t + 1`                       | `t`   |
//! | `conflict`             | out | 1          | both stored in cycle `t`                         | `t+1` |
//! | `host_write`           | in  | 1          | while no token runs                              | `t`   |
//! | `host_row`, `host_quad`| in  | `VMEM_ROW`, `QUAD` | place of a host word, write or read      | `t`   |
//! | `host_data`            | in  | 72         | four lanes; seen by reads from `t + 2`           | `t`   |
//! | `host_word`            | out | 72         | quad `host_quad` (of cycle `t+1`) of `read_row`  | `t+3` |
//!
//! Transfers, which are ports of [`HalvedVmem`](super::halved::HalvedVmem), are absent here.
//!
//! # Invariants
//! 1. Of two stores in one cycle the result is written, and `conflict` tells.
//! 2. The caller reads no row in the cycle in which it is written (see `Ebr`).
//! 3. `result_row` is zero in the cycle in which the host writes, `result_word` in the next, and nothing is stored in that.
//! 4. `host_quad` is held from a host's read until its word is there.

use crate::dialect::*;
use crate::primitives::{Ebr, JoinLanes, LocalCopy};
use crate::widths::{QUAD, VMEM_ROW};
use lpu_isa::Geometry;

/// The memory of a chip.
#[derive(LogicBlock, Default)]
pub struct Vmem {
    pub clock: Signal<In, Clock>,
    pub read_row: Signal<In, Bits<VMEM_ROW>>,
    pub row: Vec<Signal<Out, Bits<18>>>,
    pub matrix_store: Signal<In, Bit>,
    pub matrix_row: Signal<In, Bits<VMEM_ROW>>,
    pub matrix_word: Vec<Signal<In, Bits<18>>>,
    pub result_comes: Signal<In, Bit>,
    pub result_row: Signal<In, Bits<VMEM_ROW>>,
    pub result_word: Vec<Signal<In, Bits<18>>>,
    pub conflict: Signal<Out, Bit>,
    pub host_write: Signal<In, Bit>,
    pub host_row: Signal<In, Bits<VMEM_ROW>>,
    pub host_quad: Signal<In, Bits<QUAD>>,
    pub host_data: Signal<In, Bits<72>>,
    pub host_word: Signal<Out, Bits<72>>,
    pub transfer_write: Vec<Signal<In, Bit>>,
    pub transfer_back: Vec<Signal<In, Bit>>,
    pub transfer_row: Vec<Signal<In, Bits<VMEM_ROW>>>,
    pub transfer_cell: Vec<Signal<In, Bits<36>>>,
    pub back: Vec<Signal<Out, Bits<36>>>,
    pub transfer_conflict: Vec<Signal<Out, Bit>>,
    /// The row written is a result's or the host's; the quad is written by one of them. Copies for each quad.
    own: Vec<LocalCopy<1>>,
    own_write: Vec<LocalCopy<1>>,
    result_store: DFF<Bit>,
    host_row_now: Signal<Local, Bits<VMEM_ROW>>,
    host_data_1: DFF<Bits<72>>,
    row_next: Signal<Local, Bits<VMEM_ROW>>,
    write_row: Vec<LocalCopy<VMEM_ROW>>,
    write_word: Vec<Signal<Local, Bits<18>>>,
    pair: Vec<JoinLanes<2, 18, 36>>,
    bank: Vec<Ebr<VMEM_ROW, 36, 1>>,
    quad: Vec<JoinLanes<2, 36, 72>>,
    /// Few signals come from as far as the host's place: its way ends in a register.
    quad_here: DFF<Bits<QUAD>>,
    picked: Signal<Local, Bits<72>>,
    host_word_4: DFF<Bits<72>>,
    conflict_1: DFF<Bit>,
    _lanes: usize,
    kind: Kind<Self>,
}

impl Vmem {
    /// Cycles from `read_row` to `row`.
    pub const LATENCY: usize = Ebr::<VMEM_ROW, 36, 1>::LATENCY;
    /// Cycles from `read_row` to `host_word`.
    pub const HOST_LATENCY: usize = Self::LATENCY + 1;

    /// The memory of a chip.
    pub fn new(geometry: &Geometry) -> Self {
        let lanes = geometry.vxm_lanes;
        Self {
            row: many(lanes),
            matrix_word: many(lanes),
            result_word: many(lanes),
            write_word: many(lanes),
            own: many(lanes / 4),
            write_row: many(lanes / 4),
            own_write: many(lanes / 4),
            pair: many(lanes / 2),
            bank: many(lanes / 2),
            quad: many(lanes / 4),
            _lanes: lanes,
            ..Self::default()
        }
    }
}

impl Logic for Vmem {
    #[hdl_gen]
    fn update(&mut self) {
        clock!(self, clock, result_store, host_data_1, quad_here, host_word_4, conflict_1);
        self.host_row_now.next = 0.into();
        self.host_data_1.d.next = 0.into();
        if self.host_write.val() {
            self.host_row_now.next = self.host_row.val();
            self.host_data_1.d.next = self.host_data.val();
        }

        // A result or a host word that is not written is zero: one gate joins all three. It is the vector side that
        // chooses, for it knows long before that a result comes. The row is chosen a cycle ahead of its words.
        self.result_store.d.next = self.result_comes.val();
        self.row_next.next = self.matrix_row.val();
        if self.result_comes.val() | self.host_write.val() {
            self.row_next.next = self.result_row.val() | self.host_row_now.val();
        }
        for q in 0..(self._lanes / 4) {
            clock!(self, clock, own[q], own_write[q], write_row[q]);
            self.write_row[q].d.next = self.row_next.val();
            self.own[q].d.next = (self.result_comes.val() | self.host_write.val()).into();
            self.own_write[q].d.next = (self.result_comes.val()
                | (self.host_write.val() & (self.host_quad.val() == q.to_bits())))
            .into();
            for j in 0..4 {
                self.write_word[q * 4 + j].next = self.matrix_word[q * 4 + j].val();
                if self.own[q].q.val().any() {
                    self.write_word[q * 4 + j].next =
                        self.result_word[q * 4 + j].val() | self.host_data_1.q.val().get_bits::<18>(j * 18);
                }
            }
            for p in 0..2 {
                clock!(self, clock, bank[q * 2 + p]);
                self.bank[q * 2 + p].read_address.next = self.read_row.val();
                self.bank[q * 2 + p].write_address.next = self.write_row[q].q.val();
                self.bank[q * 2 + p].write_enable.next =
                    self.own_write[q].q.val() | bit_cast::<1, 1>(self.matrix_store.val().into());
                self.pair[q * 2 + p].lane[0].next = self.write_word[q * 4 + p * 2].val();
                self.pair[q * 2 + p].lane[1].next = self.write_word[q * 4 + p * 2 + 1].val();
                self.bank[q * 2 + p].write_data.next = self.pair[q * 2 + p].bus.val();
                self.row[q * 4 + p * 2].next = self.bank[q * 2 + p].read_data.val().get_bits::<18>(0);
                self.row[q * 4 + p * 2 + 1].next = self.bank[q * 2 + p].read_data.val().get_bits::<18>(18);
                self.quad[q].lane[p].next = self.bank[q * 2 + p].read_data.val();
            }
        }
        self.quad_here.d.next = self.host_quad.val();
        self.picked.next = self.quad[0].bus.val();
        for q in 1..(self._lanes / 4) {
            if self.quad_here.q.val() == q.to_bits() {
                self.picked.next = self.quad[q].bus.val();
            }
        }
        self.host_word_4.d.next = self.picked.val();
        self.host_word.next = self.host_word_4.q.val();
        self.conflict_1.d.next = self.matrix_store.val() & self.result_store.q.val();
        self.conflict.next = self.conflict_1.q.val();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::{Bench, Random, Stimulus};
    use crate::emit::emit;

    const CHIP: Geometry = Geometry::NANO;

    /// One of the rows used: few, so that reads soon find what was written.
    fn place(random: &mut Random) -> usize {
        random.below(8) as usize * 73
    }

    fn set_row(stimulus: &mut Stimulus, name: &str, words: &[i64]) {
        for (lane, word) in words.iter().enumerate() {
            stimulus.set_signed(&format!("{name}${lane}"), *word);
        }
    }

    /// Drives one cycle of stores and applies them to `memory`; returns whether they conflict. `stores` says whether
    /// the matrix side and a result are written, `comes` whether a result is in the next cycle.
    fn store(
        stimulus: &mut Stimulus,
        memory: &mut [Vec<i64>],
        random: &mut Random,
        stores: [bool; 2],
        comes: bool,
    ) -> bool {
        let mut words = || (0..CHIP.vxm_lanes).map(|_| random.signed(18)).collect::<Vec<i64>>();
        let rows = [words(), words()];
        let at = [0; 2].map(|_| place(random));
        stimulus.set("matrix_store", stores[0].into()).set_before("matrix_row", at[0] as u64);
        stimulus
            .set("result_comes", comes.into())
            .set_before("result_row", if stores[1] { at[1] as u64 } else { 0 });
        set_row(stimulus, "matrix_word", &rows[0]);
        set_row(stimulus, "result_word", &if stores[1] { rows[1].clone() } else { vec![0; CHIP.vxm_lanes] });
        if let Some(winner) = (0..2).rev().find(|side| stores[*side]) {
            memory[at[winner]].clone_from(&rows[winner]);
        }
        stores[0] && stores[1]
    }

    #[test]
    fn reads_find_what_was_stored_last() {
        let bench = Bench::new(&emit(&mut Vmem::new(&CHIP), "vmem").unwrap()).unwrap();
        let mut random = Random::from_seed_variable();
        let mut memory = vec![vec![0; CHIP.vxm_lanes]; CHIP.vmem_rows];
        let (mut stimulus, mut expected) = (bench.stimulus(), vec![]);
        let mut result = false;
        // Rows are named a cycle before the words of the first store.
        stimulus.cycle();
        for _ in 0..20_000 {
            let (row, quad) = (place(&mut random), random.below(CHIP.vxm_lanes as u64 / 4));
            stimulus.cycle().set("read_row", row as u64).set("host_quad", quad);
            let found = memory[row].clone();
            let (stores, comes) = ([random.below(3) == 0, result], random.below(3) == 0);
            let conflict = store(&mut stimulus, &mut memory, &mut random, stores, comes);
            result = comes;
            expected.push((found, quad as usize, conflict));
        }
        let response = bench.run(stimulus.idle(4)).unwrap();
        let first = 1;
        for (b, (row, _, conflict)) in expected.iter().enumerate() {
            let t = first + b;
            let words: Vec<i64> =
                (0..row.len()).map(|l| response.signed(t + Vmem::LATENCY, &format!("row${l}"))).collect();
            assert_eq!(&words, row, "cycle {t}");
            assert_eq!(response.get(t + 1, "conflict") == 1, *conflict, "cycle {t}");
            // The host's quad is taken two cycles before its word.
            let quad = expected.get(b + 1).map_or(0, |(_, quad, _)| *quad);
            let word = response.signed_lanes(t + Vmem::HOST_LATENCY, "host_word", 18);
            assert_eq!(word, row[quad * 4..][..4], "cycle {t}: host");
        }
    }

    /// Needs no model of the stores: what the host writes, the host reads.
    #[test]
    fn the_host_reads_what_it_wrote() {
        let bench = Bench::new(&emit(&mut Vmem::new(&CHIP), "vmem").unwrap()).unwrap();
        let mut random = Random::from_seed_variable();
        let words: Vec<Vec<i64>> =
            (0..2 * CHIP.vmem_rows).map(|_| (0..4).map(|_| random.signed(18)).collect()).collect();
        let mut stimulus = bench.stimulus();
        for (index, word) in words.iter().enumerate() {
            stimulus.cycle().set("host_write", 1).set_lanes("host_data", 18, word);
            stimulus.set("host_row", index as u64 / 2).set("host_quad", index as u64 % 2);
        }
        stimulus.idle(2);
        let first = stimulus.cycles();
        for index in 0..4 * words.len() as u64 {
            stimulus.cycle().set("read_row", index / 8).set("host_quad", index / 4 % 2);
        }
        let response = bench.run(&stimulus).unwrap();
        for (index, word) in words.iter().enumerate() {
            let t = first + 4 * index + Vmem::HOST_LATENCY;
            assert_eq!(&response.signed_lanes(t, "host_word", 18), word, "host word {index}");
        }
    }
}
