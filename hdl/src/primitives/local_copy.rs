//! A register that stays a register: one of several equal copies of a control word, each near those that it drives.
//!
//! ```text
//!  d ──►[reg]──► q
//! ```
//!
//! | port | dir | width | meaning              | cycle   |
//! |------|-----|-------|----------------------|---------|
//! | `d`  | in  | `W`   |                      | `t`     |
//! | `q`  | out | `W`   | `d`, one cycle later | `t + 1` |
//!
//! Synthesis merges registers with equal inputs, and with them the fan-out that the copies are there to split. A
//! `keep` attribute on the signal does not stop Yosys's `opt_merge`; a vendor cell does.
//!
//! # Invariants
//! 1. On the ECP5 there are `W` flip-flops for each instance, however many are equal.

use crate::dialect::*;

/// One copy of `W` bits.
#[derive(LogicBlock, Default)]
pub struct LocalCopy<const W: usize> {
    pub clock: Signal<In, Clock>,
    pub d: Signal<In, Bits<W>>,
    pub q: Signal<Out, Bits<W>>,
    kind: Kind<Self>,
}

impl<const W: usize> LocalCopy<W> {
    /// Cycles from input to output.
    pub const LATENCY: usize = 1;
}

fn vendor_cells(width: usize) -> String {
    let pin = |name: &str, index: usize| match width {
        1 => name.to_owned(),
        _ => format!("{name}[{index}]"),
    };
    let cell = |index: usize| {
        format!(
            "TRELLIS_FF #(
    .GSR(\"DISABLED\"), .CEMUX(\"1\"), .CLKMUX(\"CLK\"), .LSRMUX(\"LSR\"), .REGSET(\"RESET\"), .SRMODE(\"LSR_OVER_CE\")
) copy_{index} (.CLK(clock), .LSR(1'b0), .CE(1'b1), .DI({}), .Q({}));\n",
            pin("d", index),
            pin("q", index)
        )
    };
    (0..width).map(cell).collect()
}

impl<const W: usize> Logic for LocalCopy<W> {
    fn update(&mut self) {
        if self.clock.pos_edge() {
            self.q.next = self.d.val();
        }
    }

    fn hdl(&self) -> Verilog {
        let behaviour = format!("initial q = {W}'h0;\nalways_ff @(posedge clock) q <= d;");
        Verilog::Custom(super::by_family(vendor_cells(W).trim_end(), &behaviour))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::{Bench, Family, Random, cells};
    use crate::emit::emit;

    /// The same bits through four copies, joined so that each is needed.
    #[derive(LogicBlock, Default)]
    struct Copies {
        pub clock: Signal<In, Clock>,
        pub d: Signal<In, Bits<8>>,
        pub q: [Signal<Out, Bits<8>>; 4],
        copies: [LocalCopy<8>; 4],
    }

    impl Logic for Copies {
        #[hdl_gen]
        fn update(&mut self) {
            for i in 0..4 {
                clock!(self, clock, copies[i]);
                self.copies[i].d.next = self.d.val();
                self.q[i].next = self.copies[i].q.val();
            }
        }
    }

    #[test]
    fn it_delays_by_one_cycle() {
        let bench = Bench::new(&emit(&mut Copies::default(), "copies").unwrap()).unwrap();
        let mut random = Random::from_seed_variable();
        let inputs: Vec<u64> = (0..1000).map(|_| random.unsigned(8)).collect();
        let mut stimulus = bench.stimulus();
        for d in &inputs {
            stimulus.cycle().set("d", *d);
        }
        let response = bench.run(stimulus.idle(LocalCopy::<8>::LATENCY)).unwrap();
        for (t, d) in inputs.iter().enumerate() {
            assert_eq!(response.get(t + LocalCopy::<8>::LATENCY, "q$3"), *d, "cycle {t}");
        }
    }

    #[test]
    fn synthesis_keeps_every_copy() {
        let cells = cells(&emit(&mut Copies::default(), "copies").unwrap(), Family::Ecp5).unwrap();
        assert_eq!(cells.get("TRELLIS_FF"), Some(&32), "{cells:?}");
    }
}
