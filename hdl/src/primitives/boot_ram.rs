//! The soft core's memory: words with byte enables, filled at power-up with an image.
//!
//! ```text
//!  address ─────┐
//!  write_data ──┼─►[words]─►[reg]─► read_data
//!  write_mask ──┘
//! ```
//!
//! | port         | dir | width     | meaning                                   | cycle   |
//! |--------------|-----|-----------|-------------------------------------------|---------|
//! | `enable`     | in  | 1         | strobe of an access                       | `t`     |
//! | `address`    | in  | `ADDRESS` | of a word                                 | `t`     |
//! | `write_mask` | in  | 4         | bytes to write; zero is a read            | `t`     |
//! | `write_data` | in  | 32        |                                           | `t`     |
//! | `read_data`  | out | 32        | of the last read; holds                   | `t + 1` |
//!
//! 4096 words cost eight block RAMs of the ECP5: Yosys builds them from this text, a byte of every word in two blocks, so
//! that byte enables are write enables.
//!
//! # Invariants
//! 1. No access both reads and writes.

use super::value::bits_of;
use crate::dialect::*;
use std::fmt::Write;

/// Memory of `2^ADDRESS` words.
#[derive(LogicBlock, Default)]
pub struct BootRam<const ADDRESS: usize> {
    pub clock: Signal<In, Clock>,
    pub enable: Signal<In, Bit>,
    pub address: Signal<In, Bits<ADDRESS>>,
    pub write_mask: Signal<In, Bits<4>>,
    pub write_data: Signal<In, Bits<32>>,
    pub read_data: Signal<Out, Bits<32>>,
    _words: Vec<u32>,
    kind: Kind<Self>,
}

impl<const ADDRESS: usize> BootRam<ADDRESS> {
    /// Cycles from address to data.
    pub const LATENCY: usize = 1;

    /// The memory with `image` from address zero.
    ///
    /// # Panics
    /// The image is larger than the memory.
    pub fn new(image: &[u32]) -> Self {
        assert!(image.len() <= 1 << ADDRESS, "an image of {} words in {}", image.len(), 1 << ADDRESS);
        let mut words = image.to_vec();
        words.resize(1 << ADDRESS, 0);
        Self { _words: words, ..Self::default() }
    }

    /// One byte lane: its bytes, their initial content, its port.
    fn lane_text(&self, lane: usize) -> String {
        let (low, high, last) = (8 * lane, 8 * lane + 7, (1 << ADDRESS) - 1);
        let mut initial = String::new();
        for (address, word) in self._words.iter().enumerate() {
            let byte = word >> low & 0xff;
            if byte != 0 {
                let _ = writeln!(initial, "    bytes_{lane}[{address}] = 8'h{byte:x};");
            }
        }
        format!(
            "(* ram_style = \"block\" *)
logic [7:0] bytes_{lane} [0:{last}];
initial begin
    for (int i = 0; i <= {last}; i = i + 1) bytes_{lane}[i] = 8'h0;
{initial}    read_data[{high}:{low}] = 8'h0;
end
always_ff @(posedge clock) begin
    if (enable) begin
        if (write_mask[{lane}]) bytes_{lane}[address] <= write_data[{high}:{low}];
        else read_data[{high}:{low}] <= bytes_{lane}[address];
    end
end
"
        )
    }
}

impl<const ADDRESS: usize> Logic for BootRam<ADDRESS> {
    fn update(&mut self) {
        if !self.clock.pos_edge() || !self.enable.val() {
            return;
        }
        let (address, mask) = (self.address.val().index(), self.write_mask.val().to_u64());
        let (mut read, data) = (self.read_data.val().to_u64(), self.write_data.val().to_u64());
        let mut word = u64::from(self._words[address]);
        for lane in 0..4 {
            let bits = 0xffu64 << (8 * lane);
            if mask >> lane & 1 == 1 {
                word = word & !bits | data & bits;
            } else {
                read = read & !bits | word & bits;
            }
        }
        self._words[address] = word as u32;
        self.read_data.next = bits_of(read as i64);
    }

    fn hdl(&self) -> Verilog {
        Verilog::Custom((0..4).map(|lane| self.lane_text(lane)).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::{Bench, Random, simulate_rust};
    use crate::emit::emit;

    fn image(words: usize) -> Vec<u32> {
        (0..words as u32).map(|index| index.wrapping_mul(0x9e37_79b9) ^ 0x55).collect()
    }

    /// Enable, mask, address, data.
    fn accesses(random: &mut Random, words: u64, count: usize) -> Vec<[u64; 4]> {
        let mut access = || {
            let mask = if random.below(2) == 0 { 0 } else { random.unsigned(4) };
            [random.below(2), mask, random.below(words), random.unsigned(32)]
        };
        (0..count).map(|_| access()).collect()
    }

    /// What is read, one value an access that reads whole words, `None` otherwise.
    fn model(image: &[u32], accesses: &[[u64; 4]]) -> Vec<Option<u64>> {
        let mut words = image.to_vec();
        let mut step = |&[enable, mask, address, data]: &[u64; 4]| {
            let word = &mut words[address as usize];
            if enable == 0 {
                return None;
            }
            if mask == 0 {
                return Some(u64::from(*word));
            }
            let bits =
                (0..4).filter(|lane| mask >> lane & 1 == 1).fold(0, |bits, lane| bits | 0xff << (8 * lane));
            *word = *word & !bits | data as u32 & bits;
            None
        };
        accesses.iter().map(&mut step).collect()
    }

    #[test]
    fn verilog_reads_the_image_and_what_was_written() {
        let image = image(64);
        let bench = Bench::new(&emit(&mut BootRam::<6>::new(&image), "boot_ram").unwrap()).unwrap();
        let accesses = accesses(&mut Random::from_seed_variable(), 64, 50_000);
        let mut stimulus = bench.stimulus();
        for [enable, mask, address, data] in &accesses {
            stimulus.cycle().set("enable", *enable).set("write_mask", *mask);
            stimulus.set("address", *address).set("write_data", *data);
        }
        let response = bench.run(stimulus.idle(1)).unwrap();
        for (t, expected) in model(&image, &accesses).iter().enumerate() {
            if let Some(expected) = expected {
                assert_eq!(response.get(t + BootRam::<6>::LATENCY, "read_data"), *expected, "cycle {t}");
            }
        }
    }

    #[test]
    fn rust_agrees() {
        let image = image(32);
        let accesses = accesses(&mut Random::from_seed_variable(), 32, 2000);
        let drive = |block: &mut BootRam<5>, t: usize| {
            let [enable, mask, address, data] = accesses[t];
            (block.enable.next, block.write_mask.next) = (enable == 1, mask.into());
            (block.address.next, block.write_data.next) = (address.into(), data.into());
        };
        let clock = |block: &mut BootRam<5>, level: bool| block.clock.next = level.into();
        let found = simulate_rust(&mut BootRam::new(&image), 2000, clock, drive, |block| {
            block.read_data.val().to_u64()
        });
        for (t, expected) in model(&image, &accesses).iter().enumerate().take(1999) {
            if let Some(expected) = expected {
                assert_eq!(found[t + 1], *expected, "cycle {t}");
            }
        }
    }
}
