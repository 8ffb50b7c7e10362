//! CRC-32 of bytes, one a cycle, as [`lpu_isa::soc::checksum_step`] defines it.
//!
//! ```text
//!  data ─►(xor)─► eight steps ─►[state]─► state
//!            ▲──────────────────────┘
//! ```
//!
//! | port    | dir | width | meaning                          | cycle   |
//! |---------|-----|-------|----------------------------------|---------|
//! | `restart` | in  | 1     | strobe: take `value`             | `t`     |
//! | `value` | in  | 32    |                                  | `t`     |
//! | `feed`  | in  | 1     | strobe: take `data`, unless `restart` | `t`  |
//! | `data`  | in  | 8     |                                  | `t`     |
//! | `state` | out | 32    | without the last inversion       | `t + 1` |
//!
//! # Invariants
//! 1. The state changes with a strobe only.

use crate::dialect::*;
use lpu_isa::soc::CHECKSUM_POLYNOMIAL;

/// The polynomial as a type's parameter.
const POLYNOMIAL: u64 = CHECKSUM_POLYNOMIAL as u64;

/// The checksum.
#[derive(LogicBlock, Default)]
pub struct Checksum {
    pub clock: Signal<In, Clock>,
    pub restart: Signal<In, Bit>,
    pub value: Signal<In, Bits<32>>,
    pub feed: Signal<In, Bit>,
    pub data: Signal<In, Bits<8>>,
    pub state: Signal<Out, Bits<32>>,
    polynomial: Fixed<POLYNOMIAL, 32>,
    held: DFF<Bits<32>>,
    step: [Signal<Local, Bits<32>>; 9],
    kind: Kind<Self>,
}

impl Checksum {
    /// Cycles from a byte to the state.
    pub const LATENCY: usize = 1;
}

impl Logic for Checksum {
    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(self, clock, held);
        self.state.next = self.held.q.val();
        for i in 0..1 {
            self.step[i].next = self.held.q.val() ^ bit_cast::<32, 8>(self.data.val());
        }
        for i in 0..8 {
            self.step[i + 1].next = self.step[i].val() >> 1;
            if self.step[i].val().get_bit(0) {
                self.step[i + 1].next = (self.step[i].val() >> 1) ^ self.polynomial.val();
            }
        }
        if self.feed.val() {
            for i in 8..9 {
                self.held.d.next = self.step[i].val();
            }
        }
        if self.restart.val() {
            self.held.d.next = self.value.val();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::{Bench, Random};
    use crate::emit::emit;
    use lpu_isa::soc::{CHECKSUM_START, checksum, checksum_step};

    #[test]
    fn bytes_are_summed() {
        let bench = Bench::new(&emit(&mut Checksum::default(), "checksum").unwrap()).unwrap();
        let mut random = Random::from_seed_variable();
        let (mut stimulus, mut state, mut expected) = (bench.stimulus(), 0u32, vec![]);
        for _ in 0..20_000 {
            let (feed, begin) = (random.below(2), u64::from(random.below(50) == 0));
            let (data, value) = (random.unsigned(8), random.unsigned(32));
            expected.push(state);
            if begin == 1 {
                state = value as u32;
            } else if feed == 1 {
                state = checksum_step(state, data as u8);
            }
            stimulus.cycle().set("feed", feed).set("restart", begin).set("data", data).set("value", value);
        }
        let response = bench.run(&stimulus).unwrap();
        for (t, expected) in expected.iter().enumerate() {
            assert_eq!(response.get(t, "state"), u64::from(*expected), "cycle {t}");
        }
    }

    /// Needs no model of a step: the sum of a text with its own sum behind it is the residue of every CRC-32.
    #[test]
    fn a_text_with_its_sum_leaves_the_residue() {
        let bench = Bench::new(&emit(&mut Checksum::default(), "checksum").unwrap()).unwrap();
        let text = b"firmware".to_vec();
        let sum = checksum(&text).to_le_bytes();
        let mut stimulus = bench.stimulus();
        stimulus.cycle().set("restart", 1).set("value", CHECKSUM_START.into());
        for byte in text.iter().chain(&sum) {
            stimulus.cycle().set("feed", 1).set("data", (*byte).into());
        }
        let cycles = stimulus.cycles();
        assert_eq!(bench.run(stimulus.idle(1)).unwrap().get(cycles, "state"), 0xdebb_20e3);
    }
}
