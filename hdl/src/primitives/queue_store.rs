//! Instruction memory in distributed RAM: written part by part, read whole, without the bits that nobody reads.
//!
//! ```text
//!  write[p], write_index[p], write_data ─►[part 0][part 1]...──► part[0], part[1], ...
//!                                             ▲       ▲
//!                               read_index[0] ┘       └ read_index[1]
//! ```
//!
//! | port          | dir | width         | meaning                              | cycle |
//! |---------------|-----|---------------|--------------------------------------|-------|
//! | `write[p]`    | in  | 1             | write part `p`                       | `t`   |
//! | `write_index[p]` | in | `QUEUE_INDEX` | of part `p`                         | `t`   |
//! | `write_data`  | in  | 64            | seen by reads from `t + 1`           | `t`   |
//! | `read_index[p]` | in | `QUEUE_INDEX` | of part `p`: each has a hundred memories to drive | `t` |
//! | `part[p]`     | out | 64            | bits that are not stored are zero    | `t`   |
//!
//! # Invariants
//! 1. All words are zero at power-up, and zero is no legal instruction.
//! 2. Bits of an index beyond the memory's depth, a power of two, are left out: who reads there says so.

use super::value::bits_of;
use crate::dialect::*;
use crate::widths::QUEUE_INDEX;
use std::fmt::Write;

/// Instruction memory of one queue.
#[derive(LogicBlock, Default)]
pub struct QueueStore {
    pub clock: Signal<In, Clock>,
    pub write: Vec<Signal<In, Bits<1>>>,
    pub write_index: Vec<Signal<In, Bits<QUEUE_INDEX>>>,
    pub write_data: Signal<In, Bits<64>>,
    pub read_index: Vec<Signal<In, Bits<QUEUE_INDEX>>>,
    pub part: Vec<Signal<Out, Bits<64>>>,
    _masks: Vec<u64>,
    _words: Vec<Vec<u64>>,
    kind: Kind<Self>,
}

impl QueueStore {
    /// Cycles from index to parts.
    pub const LATENCY: usize = 0;

    /// A memory of `depth` instructions that keeps, of each part, the bits set in its mask.
    pub fn new(name: &str, depth: usize, masks: Vec<u64>) -> Self {
        assert!(
            depth.is_power_of_two() && (2..=1 << QUEUE_INDEX).contains(&depth),
            "2 to {} instructions, a power of two, not {depth}",
            1 << QUEUE_INDEX
        );
        assert!(
            (1..=8).contains(&masks.len()) && masks.iter().all(|&mask| mask != 0),
            "1 to 8 parts, none empty"
        );
        Self {
            write: masks.iter().map(|_| Signal::default()).collect(),
            write_index: masks.iter().map(|_| Signal::default()).collect(),
            read_index: masks.iter().map(|_| Signal::default()).collect(),
            part: masks.iter().map(|_| Signal::default()).collect(),
            _words: vec![vec![0; masks.len()]; depth],
            _masks: masks,
            kind: Kind::named(name),
            ..Self::default()
        }
    }
}

/// The runs of ones in a mask, highest first: highest and lowest bit.
fn runs(mask: u64) -> Vec<(u32, u32)> {
    let mut found = vec![];
    let mut rest = mask;
    while rest != 0 {
        let low = rest.trailing_zeros();
        let length = (!(rest >> low)).trailing_zeros().min(64 - low);
        found.insert(0, (low + length - 1, low));
        rest = if low + length == 64 { 0 } else { rest >> (low + length) << (low + length) };
    }
    found
}

/// The 64 bits of a part, put together from its stored bits and zeros.
fn spread(mask: u64, stored: &str) -> String {
    let (mut pieces, mut next, mut at) = (vec![], 64, mask.count_ones());
    for (high, low) in runs(mask) {
        if high + 1 < next {
            pieces.push(format!("{}'h0", next - high - 1));
        }
        at -= high - low + 1;
        pieces.push(format!("{stored}[{}:{at}]", at + high - low));
        next = low;
    }
    if next > 0 {
        pieces.push(format!("{next}'h0"));
    }
    format!("{{{}}}", pieces.join(", "))
}

fn part_text(part: usize, mask: u64, words: usize) -> String {
    let (top, last, high) = (mask.count_ones() - 1, words - 1, words.ilog2() - 1);
    let pieces: Vec<String> =
        runs(mask).iter().map(|(high, low)| format!("write_data[{high}:{low}]")).collect();
    format!(
        "(* ram_style = \"distributed\" *)
logic [{top}:0] words_{part} [0:{last}];
logic [{top}:0] found_{part};
initial begin
    for (int i = 0; i < {words}; i = i + 1) words_{part}[i] = {bits}'h0;
end
always_ff @(posedge clock) begin
    if (write${part}) words_{part}[write_index${part}[{high}:0]] <= {{{data}}};
end
assign found_{part} = words_{part}[read_index${part}[{high}:0]];
assign part${part} = {spread};
",
        bits = top + 1,
        data = pieces.join(", "),
        spread = spread(mask, &format!("found_{part}")),
    )
}

impl Logic for QueueStore {
    fn update(&mut self) {
        for (p, write) in self.write.iter().enumerate() {
            if self.clock.pos_edge() && write.val().any() {
                let index = self.write_index[p].val().index() % self._words.len();
                self._words[index][p] = self.write_data.val().to_u64() & self._masks[p];
            }
        }
        for (p, part) in self.part.iter_mut().enumerate() {
            part.next = bits_of(self._words[self.read_index[p].val().index() % self._words.len()][p] as i64);
        }
    }

    fn hdl(&self) -> Verilog {
        let mut text = String::new();
        for (part, &mask) in self._masks.iter().enumerate() {
            let _ = text.write_str(&part_text(part, mask, self._words.len()));
        }
        Verilog::Custom(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::{Bench, Random};
    use crate::emit::emit;

    const DEPTH: usize = 16;
    const MASKS: [u64; 3] = [u64::MAX, 0x8000_00ff_0f00_0001, 0x0fff_ffff_f000_0ff0];

    #[test]
    fn parts_read_what_was_written_without_their_holes() {
        let bench =
            Bench::new(&emit(&mut QueueStore::new("store", DEPTH, MASKS.to_vec()), "dut").unwrap()).unwrap();
        let mut random = Random::from_seed_variable();
        let (mut words, mut expected) = ([[0u64; 3]; 8], vec![]);
        let mut stimulus = bench.stimulus();
        for _ in 0..20_000 {
            let (write, part, data) = (random.below(2), random.below(3), random.next_u64());
            let (index, read) = (random.below(8), [0; 3].map(|_| random.below(8)));
            expected.push([0, 1, 2].map(|part| words[read[part] as usize][part]));
            stimulus.cycle().set("write_data", data);
            if write == 1 {
                words[index as usize][part as usize] = data & MASKS[part as usize];
                stimulus.set(&format!("write${part}"), 1).set(&format!("write_index${part}"), index);
            }
            read.iter().enumerate().for_each(|(part, &read)| {
                stimulus.set(&format!("read_index${part}"), read);
            });
        }
        let response = bench.run(&stimulus).unwrap();
        for (t, expected) in expected.iter().enumerate() {
            for (part, word) in expected.iter().enumerate() {
                assert_eq!(response.get(t, &format!("part${part}")), *word, "cycle {t}, part {part}");
            }
        }
    }

    #[test]
    fn runs_of_ones_are_found() {
        assert_eq!(runs(MASKS[1]), [(63, 63), (39, 32), (27, 24), (0, 0)]);
        assert_eq!(runs(u64::MAX), [(63, 0)]);
    }
}
