//! Vector memory of chips with external memory: each half of its rows has a write port of its own, which transfers use both ways.
//!
//! ```text
//!  read_row ─► both halves ─► the one that has it ──► row, host_word
//!  matrix store, result store, host word, transfer ─┬─► lower half ─┬─► back
//!                                                   └─► upper half ─┘
//! ```
//!
//! Ports as those of [`Vmem`](super::vmem::Vmem), and for transfers:
//!
//! | port                   | dir | width      | meaning                                          | cycle |
//! |------------------------|-----|------------|--------------------------------------------------|-------|
//! | `transfer_write`, `transfer_back` | in | 1 | a transfer writes, reads a row in the next cycle | `t-1` |
//! | `transfer_row`         | in  | `VMEM_ROW` | that row                                         | `t-1` |
//! | `transfer_cell[c]`     | in  | 36         | two lanes of it                                  | `t-1` |
//! | `back[c]`              | out | 36         | two lanes of what was read                       | `t+2` |
//! | `conflict`             | out | 1          | in a half, matrix side and result both stored in cycle `t` | `t+1` |
//! | `transfer_conflict`    | out | 1          | in a half, a transfer met one of them, or another  | `t+1` |
//!
//! # Invariants
//! 1. What happens in one half does not depend on what is stored in the other.
//! 2. The invariants of `Vmem`, half by half.

use crate::dialect::*;
use crate::primitives::{Delay, Ebr, JoinLanes, LocalCopy};
use crate::widths::{QUAD, VMEM_ROW};
use lpu_isa::Geometry;

/// Bits of a row within its half.
const HALF_ROW: usize = VMEM_ROW - 1;

/// One half: the rows whose half bit is `upper`.
#[derive(LogicBlock, Default)]
pub struct VmemHalf {
    pub clock: Signal<In, Clock>,
    pub read_row: Signal<In, Bits<VMEM_ROW>>,
    pub row: Vec<Signal<Out, Bits<18>>>,
    pub matrix_store: Signal<In, Bit>,
    pub matrix_row: Signal<In, Bits<VMEM_ROW>>,
    pub matrix_word: Vec<Signal<In, Bits<18>>>,
    pub result_comes: Signal<In, Bit>,
    pub result_row: Signal<In, Bits<VMEM_ROW>>,
    pub result_word: Vec<Signal<In, Bits<18>>>,
    pub host_write: Signal<In, Bit>,
    pub host_row: Signal<In, Bits<VMEM_ROW>>,
    pub host_quad: Signal<In, Bits<QUAD>>,
    /// The host's word, in the cycle after the others of its ports.
    pub host_word: Signal<In, Bits<72>>,
    pub transfer_write: Signal<In, Bit>,
    pub transfer_back: Signal<In, Bit>,
    pub transfer_row: Signal<In, Bits<VMEM_ROW>>,
    pub transfer_cell: Vec<Signal<In, Bits<36>>>,
    pub back: Vec<Signal<Out, Bits<36>>>,
    pub conflict: Signal<Out, Bit>,
    pub transfer_conflict: Signal<Out, Bit>,
    half_bit: Setting<VMEM_ROW>,
    this_half: Setting<VMEM_ROW>,
    matrix_here: DFF<Bit>,
    result_here: Signal<Local, Bit>,
    host_here: Signal<Local, Bit>,
    transfer_here: Signal<Local, Bit>,
    row_next: Signal<Local, Bits<VMEM_ROW>>,
    result_1: DFF<Bit>,
    write_1: DFF<Bit>,
    back_1: DFF<Bit>,
    matrix_now: Signal<Local, Bit>,
    // For each quad of lanes: who writes, and where.
    own: Vec<LocalCopy<1>>,
    own_write: Vec<LocalCopy<1>>,
    moves: Vec<LocalCopy<1>>,
    write_row: Vec<LocalCopy<VMEM_ROW>>,
    cell_1: Vec<LocalCopy<36>>,
    bank: Vec<Ebr<HALF_ROW, 18, 1>>,
    back_pair: Vec<JoinLanes<2, 18, 36>>,
    conflict_1: DFF<Bit>,
    transfer_conflict_1: DFF<Bit>,
    kind: Kind<Self>,
}

impl VmemHalf {
    /// Cycles from `read_row` to `row`.
    pub const LATENCY: usize = Ebr::<HALF_ROW, 18, 1>::LATENCY;

    /// The lower or upper half of a chip's memory.
    pub fn new(geometry: &Geometry, upper: bool) -> Self {
        let (lanes, rows) = (geometry.vxm_lanes, geometry.vmem_rows / 2);
        Self {
            row: many(lanes),
            matrix_word: many(lanes),
            result_word: many(lanes),
            transfer_cell: many(lanes / 2),
            back: many(lanes / 2),
            half_bit: Setting::new(rows),
            this_half: Setting::new(if upper { rows } else { 0 }),
            own: many(lanes / 4),
            own_write: many(lanes / 4),
            moves: many(lanes / 4),
            write_row: many(lanes / 4),
            cell_1: many(lanes / 2),
            bank: (0..lanes).map(|_| Ebr::two_way()).collect(),
            back_pair: many(lanes / 2),
            kind: Kind::named(if upper { "vmem_upper_half" } else { "vmem_lower_half" }),
            ..Self::default()
        }
    }
}

impl Logic for VmemHalf {
    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(self, clock, matrix_here, result_1, write_1, back_1, conflict_1, transfer_conflict_1);
        // Cycle t - 1: who comes, and which row. The matrix side says only later whether it stores at all.
        self.matrix_here.d.next = (self.matrix_row.val() & self.half_bit.val()) == self.this_half.val();
        self.result_here.next =
            self.result_comes.val() & ((self.result_row.val() & self.half_bit.val()) == self.this_half.val());
        self.host_here.next =
            self.host_write.val() & ((self.host_row.val() & self.half_bit.val()) == self.this_half.val());
        self.transfer_here.next = (self.transfer_write.val() | self.transfer_back.val())
            & ((self.transfer_row.val() & self.half_bit.val()) == self.this_half.val());
        self.row_next.next = self.matrix_row.val();
        if self.result_here.val() {
            self.row_next.next = self.result_row.val();
        }
        if self.host_here.val() {
            self.row_next.next = self.host_row.val();
        }
        if self.transfer_here.val() {
            self.row_next.next = self.transfer_row.val();
        }
        self.result_1.d.next = self.result_here.val();
        self.write_1.d.next = self.transfer_here.val() & self.transfer_write.val();
        self.back_1.d.next = self.transfer_here.val() & self.transfer_back.val();

        // Cycle t.
        self.matrix_now.next = self.matrix_store.val() & self.matrix_here.q.val();
        for q in 0..self.own.len() {
            clock!(self, clock, own[q], own_write[q], moves[q], write_row[q]);
            self.own[q].d.next = (self.result_here.val() | self.host_here.val()).into();
            self.own_write[q].d.next = (self.result_here.val()
                | (self.host_here.val() & (self.host_quad.val() == q.to_bits())))
            .into();
            self.moves[q].d.next = (self.transfer_here.val() & self.transfer_write.val()).into();
            self.write_row[q].d.next = self.row_next.val();
            for p in 0..2 {
                clock!(self, clock, cell_1[q * 2 + p]);
                self.cell_1[q * 2 + p].d.next = self.transfer_cell[q * 2 + p].val();
                for j in 0..2 {
                    clock!(self, clock, bank[q * 4 + p * 2 + j]);
                    self.bank[q * 4 + p * 2 + j].read_address.next =
                        self.read_row.val().get_bits::<HALF_ROW>(0);
                    self.bank[q * 4 + p * 2 + j].write_address.next =
                        self.write_row[q].q.val().get_bits::<HALF_ROW>(0);
                    self.bank[q * 4 + p * 2 + j].write_enable.next = self.own_write[q].q.val()
                        | self.moves[q].q.val()
                        | bit_cast::<1, 1>(self.matrix_now.val().into());
                    self.bank[q * 4 + p * 2 + j].write_data.next = self.matrix_word[q * 4 + p * 2 + j].val();
                    if self.own[q].q.val().any() {
                        self.bank[q * 4 + p * 2 + j].write_data.next = self.result_word[q * 4 + p * 2 + j]
                            .val()
                            | self.host_word.val().get_bits::<18>(p * 36 + j * 18);
                    }
                    if self.moves[q].q.val().any() {
                        self.bank[q * 4 + p * 2 + j].write_data.next =
                            self.cell_1[q * 2 + p].q.val().get_bits::<18>(j * 18);
                    }
                    self.row[q * 4 + p * 2 + j].next = self.bank[q * 4 + p * 2 + j].read_data.val();
                    self.back_pair[q * 2 + p].lane[j].next = self.bank[q * 4 + p * 2 + j].back[0].val();
                }
                self.back[q * 2 + p].next = self.back_pair[q * 2 + p].bus.val();
            }
        }
        self.conflict_1.d.next = self.matrix_now.val() & self.result_1.q.val();
        self.transfer_conflict_1.d.next = (self.write_1.q.val() & self.back_1.q.val())
            | ((self.write_1.q.val() | self.back_1.q.val())
                & (self.matrix_now.val() | self.result_1.q.val()));
        self.conflict.next = self.conflict_1.q.val();
        self.transfer_conflict.next = self.transfer_conflict_1.q.val();
    }
}

/// The memory of a chip.
#[derive(LogicBlock, Default)]
pub struct HalvedVmem {
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
    half_bit: Setting<VMEM_ROW>,
    half: Vec<VmemHalf>,
    host_data_1: DFF<Bits<72>>,
    reads_upper: Signal<Local, Bit>,
    reads_upper_later: Delay<1, READ_LATENCY>,
    back_upper: Signal<Local, Bit>,
    back_upper_later: Delay<1, BACK_LATENCY>,
    chosen: Vec<Signal<Local, Bits<18>>>,
    quad: Vec<JoinLanes<4, 18, 72>>,
    quad_here: DFF<Bits<QUAD>>,
    picked: Signal<Local, Bits<72>>,
    host_word_4: DFF<Bits<72>>,
    kind: Kind<Self>,
}

const READ_LATENCY: usize = VmemHalf::LATENCY;
const BACK_LATENCY: usize = LocalCopy::<VMEM_ROW>::LATENCY + VmemHalf::LATENCY;

impl HalvedVmem {
    /// Cycles from `read_row` to `row`.
    pub const LATENCY: usize = READ_LATENCY;
    /// Cycles from `read_row` to `host_word`.
    pub const HOST_LATENCY: usize = Self::LATENCY + 1;
    /// Cycles from `transfer_row` to `back`.
    pub const BACK_LATENCY: usize = BACK_LATENCY;

    /// The memory of a chip.
    pub fn new(geometry: &Geometry) -> Self {
        let lanes = geometry.vxm_lanes;
        Self {
            row: many(lanes),
            matrix_word: many(lanes),
            result_word: many(lanes),
            transfer_write: many(1),
            transfer_back: many(1),
            transfer_row: many(1),
            transfer_cell: many(lanes / 2),
            back: many(lanes / 2),
            transfer_conflict: many(1),
            half_bit: Setting::new(geometry.vmem_rows / 2),
            half: [false, true].map(|upper| VmemHalf::new(geometry, upper)).into(),
            chosen: many(lanes),
            quad: many(lanes / 4),
            ..Self::default()
        }
    }
}

impl Logic for HalvedVmem {
    #[hdl_gen]
    fn update(&mut self) {
        clock!(self, clock, host_data_1, quad_here, host_word_4, reads_upper_later, back_upper_later);
        self.host_data_1.d.next = 0.into();
        if self.host_write.val() {
            self.host_data_1.d.next = self.host_data.val();
        }
        self.reads_upper.next = (self.read_row.val() & self.half_bit.val()).any();
        self.reads_upper_later.x.next = self.reads_upper.val().into();
        self.back_upper.next = (self.transfer_row[0].val() & self.half_bit.val()).any();
        self.back_upper_later.x.next = self.back_upper.val().into();
        for h in 0..2 {
            clock!(self, clock, half[h]);
            self.half[h].read_row.next = self.read_row.val();
            self.half[h].matrix_store.next = self.matrix_store.val();
            self.half[h].matrix_row.next = self.matrix_row.val();
            self.half[h].result_comes.next = self.result_comes.val();
            self.half[h].result_row.next = self.result_row.val();
            self.half[h].host_write.next = self.host_write.val();
            self.half[h].host_row.next = self.host_row.val();
            self.half[h].host_quad.next = self.host_quad.val();
            self.half[h].host_word.next = self.host_data_1.q.val();
            self.half[h].transfer_write.next = self.transfer_write[0].val();
            self.half[h].transfer_back.next = self.transfer_back[0].val();
            self.half[h].transfer_row.next = self.transfer_row[0].val();
            for l in 0..self.row.len() {
                self.half[h].matrix_word[l].next = self.matrix_word[l].val();
                self.half[h].result_word[l].next = self.result_word[l].val();
            }
            for c in 0..self.transfer_cell.len() {
                self.half[h].transfer_cell[c].next = self.transfer_cell[c].val();
            }
        }
        for q in 0..self.quad.len() {
            for j in 0..4 {
                self.chosen[q * 4 + j].next = self.half[0].row[q * 4 + j].val();
                if self.reads_upper_later.y.val().any() {
                    self.chosen[q * 4 + j].next = self.half[1].row[q * 4 + j].val();
                }
                self.row[q * 4 + j].next = self.chosen[q * 4 + j].val();
                self.quad[q].lane[j].next = self.chosen[q * 4 + j].val();
            }
        }
        for c in 0..self.back.len() {
            self.back[c].next = self.half[0].back[c].val();
            if self.back_upper_later.y.val().any() {
                self.back[c].next = self.half[1].back[c].val();
            }
        }
        self.quad_here.d.next = self.host_quad.val();
        self.picked.next = self.quad[0].bus.val();
        for q in 1..self.quad.len() {
            if self.quad_here.q.val() == q.to_bits() {
                self.picked.next = self.quad[q].bus.val();
            }
        }
        self.host_word_4.d.next = self.picked.val();
        self.host_word.next = self.host_word_4.q.val();
        self.conflict.next = self.half[0].conflict.val() | self.half[1].conflict.val();
        self.transfer_conflict[0].next =
            self.half[0].transfer_conflict.val() | self.half[1].transfer_conflict.val();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::{Bench, Random, Stimulus};
    use crate::emit::emit;

    /// As many rows as the widths of this package have room for.
    const CHIP: Geometry = Geometry { vmem_rows: 512, ..Geometry::NANO_SDRAM };
    const LANES: usize = CHIP.vxm_lanes;

    /// One of the rows used: few, in both halves.
    fn place(random: &mut Random) -> usize {
        random.below(8) as usize * 73
    }

    fn row(random: &mut Random) -> Vec<i64> {
        (0..LANES).map(|_| random.signed(18)).collect()
    }

    fn set_row(stimulus: &mut Stimulus, name: &str, words: &[i64]) {
        for (lane, word) in words.iter().enumerate() {
            stimulus.set_signed(&format!("{name}${lane}"), *word);
        }
    }

    /// Who uses the write ports in a cycle, each with its row: matrix side, result, a row that comes, a row that goes.
    #[derive(Clone, Default)]
    struct Users {
        matrix: Option<usize>,
        result: Option<usize>,
        write: Option<usize>,
        back: Option<usize>,
    }

    impl Users {
        /// At most one row goes or comes, as the slice has it; conflicts now and then.
        fn random(random: &mut Random) -> Self {
            let mut maybe = |times: u64| (random.below(times) == 0).then(|| place(random));
            let (matrix, result, write) = (maybe(3), maybe(3), maybe(3));
            let back = if write.is_none() { maybe(3) } else { None };
            Self { matrix, result, write, back }
        }

        /// Conflicts: between matrix side and result, of a transfer.
        fn conflicts(&self) -> [bool; 2] {
            let half = |row: Option<usize>| row.map(|row| row >= CHIP.vmem_rows / 2);
            let meets = |a: Option<usize>, b: Option<usize>| a.is_some() && half(a) == half(b);
            let moved = self.write.or(self.back);
            [meets(self.matrix, self.result), meets(moved, self.matrix) || meets(moved, self.result)]
        }
    }

    #[test]
    fn each_half_takes_a_row_a_cycle() {
        let bench = Bench::new(&emit(&mut HalvedVmem::new(&CHIP), "vmem").unwrap()).unwrap();
        let mut random = Random::from_seed_variable();
        let mut memory = vec![vec![0; LANES]; CHIP.vmem_rows];
        let (mut stimulus, mut expected) = (bench.stimulus(), vec![]);
        // Rows are named a cycle before their words.
        stimulus.cycle();
        let mut cells: Vec<i64> = row(&mut random);
        for _ in 0..20_000 {
            let users = Users::random(&mut random);
            // Of rows that meet, nobody can say which is written: such cycles are looked at for their flags alone.
            let legal = users.conflicts() == [false; 2];
            let users = if legal || random.below(8) == 0 { users } else { Users::default() };
            let words = [row(&mut random), row(&mut random)];
            let read = place(&mut random);
            stimulus.set("result_comes", users.result.is_some().into());
            stimulus.set("result_row", users.result.unwrap_or(0) as u64);
            stimulus.set("matrix_row", users.matrix.unwrap_or_else(|| place(&mut random)) as u64);
            stimulus.set("transfer_write$0", users.write.is_some().into());
            stimulus.set("transfer_back$0", users.back.is_some().into());
            stimulus.set("transfer_row$0", users.write.or(users.back).unwrap_or(0) as u64);
            (0..LANES / 2).for_each(|c| {
                stimulus.set_lanes(&format!("transfer_cell${c}"), 18, &cells[2 * c..][..2]);
            });
            stimulus.cycle().set("read_row", read as u64).set("matrix_store", users.matrix.is_some().into());
            set_row(&mut stimulus, "matrix_word", &words[0]);
            let result = if users.result.is_some() { words[1].clone() } else { vec![0; LANES] };
            set_row(&mut stimulus, "result_word", &result);
            let back = users.back.map(|row| memory[row].clone());
            let conflicts = users.conflicts();
            expected.push((memory[read].clone(), back.filter(|_| !conflicts[1]), conflicts));
            if conflicts == [false; 2] {
                let stores = [(users.matrix, &words[0]), (users.result, &words[1]), (users.write, &cells)];
                for (target, words) in stores {
                    target.into_iter().for_each(|target| memory[target].clone_from(words));
                }
            } else {
                // Written again, so that it is known what they hold.
                for target in [users.matrix, users.result, users.write, users.back].into_iter().flatten() {
                    stimulus.set("transfer_write$0", 1).set("transfer_row$0", target as u64);
                    (0..LANES / 2).for_each(|c| {
                        stimulus.set_lanes(&format!("transfer_cell${c}"), 18, &cells[2 * c..][..2]);
                    });
                    stimulus.cycle().set("read_row", place(&mut random) as u64);
                    memory[target].clone_from(&cells);
                    expected.push((vec![], None, [false; 2]));
                }
            }
            cells = row(&mut random);
        }
        let response = bench.run(stimulus.idle(4)).unwrap();
        for (b, (row, back, conflicts)) in expected.iter().enumerate() {
            let t = b + 1;
            if !row.is_empty() {
                let found: Vec<i64> = (0..LANES)
                    .map(|l| response.signed(t + HalvedVmem::LATENCY, &format!("row${l}")))
                    .collect();
                assert_eq!(&found, row, "cycle {t}");
            }
            if let Some(back) = back {
                let at = t - 1 + HalvedVmem::BACK_LATENCY;
                let cell = |c: usize| response.signed_lanes(at, &format!("back${c}"), 18);
                assert_eq!(&(0..LANES / 2).flat_map(cell).collect::<Vec<_>>(), back, "cycle {t}");
            }
            let found = [response.get(t + 1, "conflict"), response.get(t + 1, "transfer_conflict$0")];
            assert_eq!(found.map(|flag| flag == 1), *conflicts, "cycle {t}");
        }
    }

    /// Needs no model of the stores: what the host writes, the host reads, in both halves.
    #[test]
    fn the_host_reads_what_it_wrote() {
        let bench = Bench::new(&emit(&mut HalvedVmem::new(&CHIP), "vmem").unwrap()).unwrap();
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
            let t = first + 4 * index + HalvedVmem::HOST_LATENCY;
            assert_eq!(&response.signed_lanes(t, "host_word", 18), word, "host word {index}");
        }
    }
}
