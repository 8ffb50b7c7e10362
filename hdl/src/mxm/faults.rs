//! Watches the matrix side for what a wrong schedule would do.
//!
//! | port                     | dir | width    | meaning                                                | cycle |
//! |--------------------------|-----|----------|--------------------------------------------------------|------:|
//! | `issue`                  | in  | 1        | strobe                                                 |     0 |
//! | `reads_kv`               | in  | 1        | the issue is a beat on KV memory                       |     0 |
//! | `row`                    | in  | 24       | its row                                                |     0 |
//! | `gathers`                | in  | 1        | with external memory: the issue is a chunk of a gather; a beat's weights wrap | 0 |
//! | `kv_write`, `kv_row`     | in  | 1, `KV_ROW` | KV memory is written                                |   now |
//! | `reads_act`, `entry`     | in  | 1, `ENTRY` | a beat reads an activation entry, in the next cycle  |     2 |
//! | `act_write`, `act_entry` | in  | `HALVES`, `ENTRY` | activations are written                       |   now |
//! | `matrix_address`         | out | 1        | a row was outside its memory                           |     2 |
//! | `kv_conflict`            | out | 1        | KV memory was read in the row and cycle of a write     |     2 |
//! | `act_conflict`           | out | 1        | an entry was read in the cycle of a write              |     4 |
//!
//! # Invariants
//! 1. Outputs are strobes, one cycle for each fault; a legal program raises none.

use crate::dialect::*;
use crate::widths::{ENTRY, HALVES, KV_ROW};
use lpu_isa::Geometry;

/// The fault checks.
#[derive(LogicBlock, Default)]
pub struct Faults {
    pub clock: Signal<In, Clock>,
    pub issue: Signal<In, Bit>,
    pub reads_kv: Signal<In, Bit>,
    pub row: Signal<In, Bits<24>>,
    pub gathers: Vec<Signal<In, Bit>>,
    pub kv_write: Signal<In, Bit>,
    pub kv_row: Signal<In, Bits<KV_ROW>>,
    pub reads_act: Signal<In, Bit>,
    pub entry: Signal<In, Bits<ENTRY>>,
    pub act_write: Signal<In, Bits<HALVES>>,
    pub act_entry: Signal<In, Bits<ENTRY>>,
    pub matrix_address: Signal<Out, Bit>,
    pub kv_conflict: Signal<Out, Bit>,
    pub act_conflict: Signal<Out, Bit>,
    weight_rows: Setting<24>,
    kv_rows: Setting<24>,
    issue_1: DFF<Bit>,
    row_1: DFF<Bits<24>>,
    reads_kv_1: DFF<Bit>,
    reads_act_3: DFF<Bit>,
    entry_3: DFF<Bits<ENTRY>>,
    address_held: DFF<Bit>,
    kv_held: DFF<Bit>,
    act_held: DFF<Bit>,
    gathers_1: Vec<DFF<Bit>>,
    kind: Kind<Self>,
}

impl Faults {
    /// The checks of a chip.
    pub fn new(geometry: &Geometry) -> Self {
        let external = usize::from(geometry.has_external_memory());
        Self {
            gathers: many(external),
            gathers_1: many(external),
            weight_rows: Setting::new(geometry.weight_rows),
            kv_rows: Setting::new(geometry.kv_rows),
            ..Self::default()
        }
    }
}

impl Logic for Faults {
    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(self, clock, issue_1, row_1, reads_kv_1, reads_act_3, entry_3, address_held, kv_held);
        dff_setup!(self, clock, act_held);
        self.issue_1.d.next = self.issue.val();
        self.row_1.d.next = self.row.val();
        self.reads_kv_1.d.next = self.issue.val() & self.reads_kv.val();
        self.address_held.d.next = self.issue_1.q.val() & (self.row_1.q.val() >= self.weight_rows.val());
        for e in 0..self.gathers.len() {
            dff_setup!(self, clock, gathers_1[e]);
            self.gathers_1[e].d.next = self.issue.val() & self.gathers[e].val();
            self.address_held.d.next =
                self.gathers_1[e].q.val() & (self.row_1.q.val() >= self.weight_rows.val());
        }
        if self.reads_kv_1.q.val() {
            self.address_held.d.next = self.row_1.q.val() >= self.kv_rows.val();
        }
        self.kv_held.d.next = self.reads_kv_1.q.val()
            & self.kv_write.val()
            & (self.row_1.q.val().get_bits::<KV_ROW>(0) == self.kv_row.val());
        self.reads_act_3.d.next = self.reads_act.val();
        self.entry_3.d.next = self.entry.val();
        self.act_held.d.next = self.reads_act_3.q.val()
            & self.act_write.val().any()
            & (self.entry_3.q.val() == self.act_entry.val());
        self.matrix_address.next = self.address_held.q.val();
        self.kv_conflict.next = self.kv_held.q.val();
        self.act_conflict.next = self.act_held.q.val();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::{Bench, Random, Response};
    use crate::emit::emit;

    /// Inputs of one cycle, few enough in their values that faults happen often.
    #[derive(Clone, Copy)]
    struct Cycle {
        issue: u64,
        reads_kv: u64,
        gathers: u64,
        row: u64,
        kv: [u64; 2],
        reads_act: u64,
        entry: u64,
        act: [u64; 2],
    }

    const FLAGS: [&str; 3] = ["matrix_address", "kv_conflict", "act_conflict"];

    fn bench(chip: &Geometry) -> Bench {
        Bench::new(&emit(&mut Faults::new(chip), "faults").unwrap()).unwrap()
    }

    fn stream(chip: &Geometry, bench: &Bench, cycles: &[Cycle]) -> Response {
        let mut stimulus = bench.stimulus();
        for cycle in cycles {
            stimulus.cycle().set("issue", cycle.issue).set("reads_kv", cycle.reads_kv).set("row", cycle.row);
            stimulus.set("kv_write", cycle.kv[0]).set("kv_row", cycle.kv[1]);
            stimulus.set("reads_act", cycle.reads_act).set("entry", cycle.entry);
            stimulus.set("act_write", cycle.act[0]).set("act_entry", cycle.act[1]);
            if chip.has_external_memory() {
                stimulus.set("gathers$0", cycle.gathers);
            }
        }
        bench.run(stimulus.idle(2)).unwrap()
    }

    #[test]
    fn faults_are_flagged_each_in_its_cycle() {
        [Geometry::ULX3S_85F, Geometry::NANO_SDRAM].iter().for_each(flags_each_in_its_cycle);
    }

    fn flags_each_in_its_cycle(chip: &Geometry) {
        let bench = bench(chip);
        let mut random = Random::from_seed_variable();
        let rows = [3, 4, 1023, 1024, 2047, 2048, 0xff_ffff];
        let cycles: Vec<Cycle> = (0..5000)
            .map(|_| Cycle {
                issue: random.below(2),
                reads_kv: random.below(2),
                gathers: random.below(2),
                row: rows[random.below(7) as usize],
                kv: [random.below(2), 3 + random.below(2)],
                reads_act: random.below(2),
                entry: random.below(4),
                act: [random.below(2) << random.below(16), random.below(4)],
            })
            .collect();
        let response = stream(chip, &bench, &cycles);
        for t in 1..cycles.len() {
            let (before, now) = (cycles[t - 1], cycles[t]);
            let rows = if before.reads_kv == 1 { chip.kv_rows } else { chip.weight_rows };
            let found = FLAGS.map(|name| response.get(t + 1, name) == 1);
            // Rows of weights wrap where there is external memory, for beats.
            let wraps = chip.has_external_memory() && before.reads_kv == 0 && before.gathers == 0;
            let expected = [
                before.issue == 1 && !wraps && before.row >= rows as u64,
                before.issue & before.reads_kv & now.kv[0] == 1 && before.row & 1023 == now.kv[1],
                before.reads_act == 1 && now.act[0] != 0 && before.entry == now.act[1],
            ];
            assert_eq!(found, expected, "cycle {t}");
        }
    }

    /// Traffic in which reads have even places inside their memory, and writes odd ones.
    fn legal(chip: &Geometry, random: &mut Random) -> Cycle {
        let even = |random: &mut Random, count: usize| 2 * random.below(count as u64 / 2);
        Cycle {
            issue: random.below(2),
            reads_kv: random.below(2),
            gathers: 0,
            row: even(random, chip.kv_rows),
            kv: [random.below(2), even(random, chip.kv_rows) + 1],
            reads_act: random.below(2),
            entry: even(random, chip.act_entries),
            act: [random.below(4), even(random, chip.act_entries) + 1],
        }
    }

    /// One fault in legal traffic is one strobe of its own flag, and legal traffic is none.
    #[test]
    fn a_fault_is_one_strobe_and_nothing_else_is_any() {
        type Plant = fn(&mut [Cycle]);
        let plants: [Plant; 4] = [
            |_| {},
            |cycles| {
                (cycles[0].issue, cycles[0].reads_kv) = (1, 1);
                cycles[0].row = 1024;
            },
            |cycles| {
                (cycles[0].issue, cycles[0].reads_kv) = (1, 1);
                cycles[1].kv = [1, cycles[0].row];
            },
            |cycles| {
                (cycles[0].reads_act, cycles[0].entry) = (1, 4);
                cycles[1].act = [1, 4];
            },
        ];
        let chip = Geometry::ULX3S_85F;
        let bench = bench(&chip);
        let mut random = Random::from_seed_variable();
        for (number, plant) in plants.into_iter().enumerate() {
            let mut cycles: Vec<Cycle> = (0..2000).map(|_| legal(&chip, &mut random)).collect();
            plant(&mut cycles[1000..]);
            let response = stream(&chip, &bench, &cycles);
            let strobes =
                FLAGS.map(|name| (0..cycles.len() + 2).filter(|&t| response.get(t, name) == 1).count());
            let expected = [1, 2, 3].map(|flag| usize::from(flag == number));
            assert_eq!(strobes, expected, "plant {number}");
        }
    }
}
