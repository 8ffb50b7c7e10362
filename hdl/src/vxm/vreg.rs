//! One lane of the vector registers: two reads and one write a cycle.
//!
//! ```text
//!  row_a ──► LUT RAM ──►[reg]──► a        result ──► LUT RAM (both copies)
//!  row_b ──► LUT RAM ──►[reg]──► b        write, target ─┘
//!   cycle 2             cycle 3            cycle 12
//! ```
//!
//! | port     | dir | width      | meaning                        | cycle |
//! |----------|-----|------------|--------------------------------|------:|
//! | `clock`  | in  | 1          |                                |       |
//! | `row_a`  | in  | `VREG_ROW` | register read as `a`           |     2 |
//! | `row_b`  | in  | `VREG_ROW` | register read as `b`           |     2 |
//! | `a`, `b` | out | 24         |                                |     3 |
//! | `write`  | in  | 1          | strobe                         |    12 |
//! | `target` | in  | `VREG_ROW` | register written               |    12 |
//! | `value`  | in  | 24         | seen by reads from cycle 13    |    12 |
//!
//! # Invariants
//! 1. A read in the cycle of a write to the same register gives the old value.

use crate::dialect::*;
use crate::primitives::LutRam;
use crate::widths::VREG_ROW;

/// The lane's registers.
#[derive(LogicBlock, Default)]
pub struct VregLane {
    pub clock: Signal<In, Clock>,
    pub row_a: Signal<In, Bits<VREG_ROW>>,
    pub row_b: Signal<In, Bits<VREG_ROW>>,
    pub a: Signal<Out, Bits<24>>,
    pub b: Signal<Out, Bits<24>>,
    pub write: Signal<In, Bit>,
    pub target: Signal<In, Bits<VREG_ROW>>,
    pub value: Signal<In, Bits<24>>,
    registers: LutRam<VREG_ROW, 24, 2>,
    a_3: DFF<Bits<24>>,
    b_3: DFF<Bits<24>>,
    kind: Kind<Self>,
}

impl VregLane {
    /// Cycles from row to value.
    pub const LATENCY: usize = 1;
}

impl Logic for VregLane {
    #[hdl_gen]
    fn update(&mut self) {
        clock!(self, clock, registers, a_3, b_3);
        self.registers.read_address[0].next = self.row_a.val();
        self.registers.read_address[1].next = self.row_b.val();
        self.registers.write_enable.next = self.write.val();
        self.registers.write_address.next = self.target.val();
        self.registers.write_data.next = self.value.val();
        self.a_3.d.next = self.registers.read_data[0].val();
        self.b_3.d.next = self.registers.read_data[1].val();
        self.a.next = self.a_3.q.val();
        self.b.next = self.b_3.q.val();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::{Bench, Random};
    use crate::emit::emit;

    #[test]
    fn both_reads_see_every_earlier_write() {
        let bench = Bench::new(&emit(&mut VregLane::default(), "dut").unwrap()).unwrap();
        let mut random = Random::from_seed_variable();
        let (mut stimulus, mut expected) = (bench.stimulus(), vec![]);
        let mut registers = [0; 1 << VREG_ROW];
        for _ in 0..20_000 {
            // Few registers, so that reads often meet the write of their own cycle.
            let [a, b, target] = [(); 3].map(|()| random.below(4) as usize * 21);
            let (write, value) = (random.below(2) == 1, random.signed(24));
            stimulus.cycle().set("row_a", a as u64).set("row_b", b as u64).set("target", target as u64);
            stimulus.set("write", write.into()).set_signed("value", value);
            expected.push([registers[a], registers[b]]);
            if write {
                registers[target] = value;
            }
        }
        let response = bench.run(stimulus.idle(VregLane::LATENCY)).unwrap();
        for (t, expected) in expected.iter().enumerate() {
            let t = t + VregLane::LATENCY;
            assert_eq!([response.signed(t, "a"), response.signed(t, "b")], *expected, "cycle {t}");
        }
    }
}
