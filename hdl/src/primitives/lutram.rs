//! Distributed RAM: one write port, any number of read ports that answer in the same cycle.
//!
//! ```text
//!  write_address ─┐
//!  write_data ────┼─►[words]──► read_data[0] ◄── read_address[0]
//!  write_enable ──┘     └─────► read_data[1] ◄── read_address[1] ...
//! ```
//!
//! | port              | dir | width     | meaning                    | cycle |
//! |-------------------|-----|-----------|----------------------------|-------|
//! | `clock`           | in  | 1         |                            |       |
//! | `write_enable`    | in  | 1         |                            | `t`   |
//! | `write_address`   | in  | `ADDRESS` |                            | `t`   |
//! | `write_data`      | in  | `DATA`    | seen by reads from `t + 1` | `t`   |
//! | `read_address[i]` | in  | `ADDRESS` |                            | `t`   |
//! | `read_data[i]`    | out | `DATA`    | what the address holds     | `t`   |
//!
//! Each read port is a copy of the memory: 4 bits x 16 words cost one pair of slices on the ECP5.
//!
//! # Invariants
//! 1. All words are zero at power-up.
//! 2. A read in the cycle of a write to the same address gives the old word.

use super::value::signals;
use crate::dialect::*;

/// Distributed RAM of `2^ADDRESS` words of `DATA` bits with `READS` read ports.
#[derive(LogicBlock)]
pub struct LutRam<const ADDRESS: usize, const DATA: usize, const READS: usize> {
    pub clock: Signal<In, Clock>,
    pub write_enable: Signal<In, Bit>,
    pub write_address: Signal<In, Bits<ADDRESS>>,
    pub write_data: Signal<In, Bits<DATA>>,
    pub read_address: [Signal<In, Bits<ADDRESS>>; READS],
    pub read_data: [Signal<Out, Bits<DATA>>; READS],
    _words: Vec<Bits<DATA>>,
    kind: Kind<Self>,
}

impl<const ADDRESS: usize, const DATA: usize, const READS: usize> LutRam<ADDRESS, DATA, READS> {
    /// Cycles from address to data.
    pub const LATENCY: usize = 0;
}

impl<const ADDRESS: usize, const DATA: usize, const READS: usize> Default for LutRam<ADDRESS, DATA, READS> {
    fn default() -> Self {
        Self {
            clock: Signal::default(),
            write_enable: Signal::default(),
            write_address: Signal::default(),
            write_data: Signal::default(),
            read_address: signals(),
            read_data: signals(),
            _words: vec![Bits::default(); 1 << ADDRESS],
            kind: Kind::default(),
        }
    }
}

impl<const ADDRESS: usize, const DATA: usize, const READS: usize> Logic for LutRam<ADDRESS, DATA, READS> {
    fn update(&mut self) {
        if self.clock.pos_edge() && self.write_enable.val() {
            self._words[self.write_address.val().index()] = self.write_data.val();
        }
        for (data, address) in self.read_data.iter_mut().zip(&self.read_address) {
            data.next = self._words[address.val().index()];
        }
    }

    fn hdl(&self) -> Verilog {
        let (words, top) = (1usize << ADDRESS, DATA - 1);
        let read = |port: usize| format!("assign read_data${port} = words[read_address${port}];\n");
        let reads: String = (0..READS).map(read).collect();
        Verilog::Custom(format!(
            "(* ram_style = \"distributed\" *)
logic [{top}:0] words [0:{last}];
initial begin
    for (int i = 0; i < {words}; i = i + 1) words[i] = {DATA}'h0;
end
always_ff @(posedge clock) begin
    if (write_enable) words[write_address] <= write_data;
end
{reads}",
            last = words - 1
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::{Bench, Family, Random, cells, simulate_rust};
    use crate::emit::{Design, emit};

    type Ram = LutRam<6, 24, 2>;

    fn design() -> Design {
        emit(&mut Ram::default(), "lut_ram").unwrap()
    }

    /// Write enable, write address, data, read addresses; and what the reads find.
    fn accesses(count: usize) -> Vec<([u64; 5], [u64; 2])> {
        let mut random = Random::from_seed_variable();
        let mut words = [0u64; 64];
        let mut access = || {
            let inputs =
                [random.below(2), random.below(64), random.unsigned(24), random.below(64), random.below(64)];
            let found = [words[inputs[3] as usize], words[inputs[4] as usize]];
            if inputs[0] == 1 {
                words[inputs[1] as usize] = inputs[2];
            }
            (inputs, found)
        };
        (0..count).map(|_| access()).collect()
    }

    #[test]
    fn verilog_reads_what_was_written() {
        let bench = Bench::new(&design()).unwrap();
        let accesses = accesses(100_000);
        let names = ["write_enable", "write_address", "write_data", "read_address$0", "read_address$1"];
        let mut stimulus = bench.stimulus();
        for (inputs, _) in &accesses {
            stimulus.cycle();
            names.iter().zip(inputs).for_each(|(name, value)| {
                stimulus.set(name, *value);
            });
        }
        let response = bench.run(&stimulus).unwrap();
        for (t, (_, found)) in accesses.iter().enumerate() {
            assert_eq!([response.get(t, "read_data$0"), response.get(t, "read_data$1")], *found, "cycle {t}");
        }
    }

    #[test]
    fn rust_reads_what_was_written() {
        let accesses = accesses(1000);
        let drive = |block: &mut Ram, t: usize| {
            let [enable, address, data, read_0, read_1] = accesses[t].0;
            block.write_enable.next = enable == 1;
            (block.write_address.next, block.write_data.next) = (address.into(), data.into());
            (block.read_address[0].next, block.read_address[1].next) = (read_0.into(), read_1.into());
        };
        let clock = |block: &mut Ram, level: bool| block.clock.next = level.into();
        let sample = |block: &Ram| [0, 1].map(|port| block.read_data[port].val().to_u64());
        let results = simulate_rust(&mut Ram::default(), accesses.len(), clock, drive, sample);
        for (t, (_, found)) in accesses.iter().enumerate() {
            assert_eq!(results[t], *found, "cycle {t}");
        }
    }

    /// Needs no model: equal addresses give equal data on both ports.
    #[test]
    fn ports_agree() {
        let bench = Bench::new(&design()).unwrap();
        let mut random = Random::from_seed_variable();
        let mut stimulus = bench.stimulus();
        for _ in 0..1000 {
            let at = random.below(64);
            stimulus.cycle().set("write_enable", 1).set("write_address", random.below(64));
            stimulus
                .set("write_data", random.unsigned(24))
                .set("read_address$0", at)
                .set("read_address$1", at);
        }
        let response = bench.run(&stimulus).unwrap();
        assert!((0..1000).all(|t| response.get(t, "read_data$0") == response.get(t, "read_data$1")));
    }

    #[test]
    fn it_costs_distributed_memory_and_no_block() {
        let cells = cells(&design(), Family::Ecp5).unwrap();
        // 64 words are four pages of 16; 24 bits are six columns of 4; two reads are two copies.
        assert_eq!(cells.get("TRELLIS_DPR16X4"), Some(&48), "{cells:?}");
        assert_eq!(cells.get("DP16KD"), None, "{cells:?}");
    }
}
