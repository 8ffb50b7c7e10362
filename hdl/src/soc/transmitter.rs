//! Serial transmitter: eight bits, no parity, one stop bit, lowest bit first.
//!
//! ```text
//!  data ─►[shift register]─► line
//!  rate ─► phase accumulator: the next bit when it overflows
//! ```
//!
//! | port    | dir | width | meaning                                                | cycle |
//! |---------|-----|-------|--------------------------------------------------------|-------|
//! | `rate`  | in  | 16    | bits per cycle, in parts of 65,536; zero stops         | `t`   |
//! | `data`  | in  | 8     | with `valid`                                           | `t`   |
//! | `valid` | in  | 1     | a byte waits                                           | `t`   |
//! | `ready` | out | 1     | it is taken in this cycle if `valid`                   | `t`   |
//! | `line`  | out | 1     | rests high                                             |       |
//!
//! # Invariants
//! 1. Ten bits a byte, each of which begins within a cycle of its time: the phase is never rounded.

use crate::dialect::*;

/// The transmitter.
#[derive(LogicBlock, Default)]
pub struct Transmitter {
    pub clock: Signal<In, Clock>,
    pub rate: Signal<In, Bits<16>>,
    pub data: Signal<In, Bits<8>>,
    pub valid: Signal<In, Bit>,
    pub ready: Signal<Out, Bit>,
    pub line: Signal<Out, Bit>,
    all_bits: Fixed<10, 4>,
    /// Inverted, so that the line rests high from power-up.
    low: DFF<Bit>,
    shift: DFF<Bits<8>>,
    left: DFF<Bits<4>>,
    phase: DFF<Bits<16>>,
    sum: Signal<Local, Bits<17>>,
    rests: Signal<Local, Bit>,
    kind: Kind<Self>,
}

impl Transmitter {
    /// Cycles from taking a byte to its start bit.
    pub const LATENCY: usize = 1;
}

impl Logic for Transmitter {
    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(self, clock, low, shift, left, phase);
        self.line.next = !self.low.q.val();
        self.rests.next = self.left.q.val() == 0;
        self.ready.next = self.rests.val();
        self.sum.next = bit_cast::<17, 16>(self.phase.q.val()) + bit_cast::<17, 16>(self.rate.val());
        self.phase.d.next = self.sum.val().get_bits::<16>(0);
        if self.rests.val() {
            self.phase.d.next = 0.into();
            self.low.d.next = false;
            if self.valid.val() {
                self.low.d.next = true;
                self.shift.d.next = self.data.val();
                self.left.d.next = self.all_bits.val();
            }
        } else if self.sum.val().get_bit(16) {
            // Ones follow the eight bits: they are the stop bit.
            self.low.d.next = !self.shift.q.val().get_bit(0);
            self.shift.d.next = (self.shift.q.val() >> 1) | 0x80;
            self.left.d.next = self.left.q.val() - 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::{Bench, Random};
    use crate::emit::emit;

    #[test]
    fn bits_leave_at_their_times() {
        let bench = Bench::new(&emit(&mut Transmitter::default(), "transmitter").unwrap()).unwrap();
        let mut random = Random::from_seed_variable();
        for rate in [0x4000u64, 0x1000, 3932, 5461] {
            let mut stimulus = bench.stimulus();
            let inputs: Vec<(u64, u64)> = (0..6000)
                .map(|t| {
                    (random.unsigned(8), u64::from(t < 5500 && random.below(100) < 3 + 97 * (t / 2000 % 2)))
                })
                .collect();
            for (data, valid) in &inputs {
                stimulus.cycle().set("rate", rate).set("data", *data).set("valid", *valid);
            }
            let response = bench.run(&stimulus).unwrap();
            // The model: a byte taken in cycle `t` shows bit `n` from cycle `t + 1 + n / rate`.
            let mut expected = vec![1u64; 6200];
            let mut sent = 0;
            for (t, (data, valid)) in inputs.iter().enumerate() {
                if response.get(t, "ready") == 1 && *valid == 1 {
                    let at = |bit: u64| t + 1 + (bit << 16).div_ceil(rate) as usize;
                    let frame = 0x200 | data << 1;
                    (0..10).for_each(|bit| expected[at(bit)..at(bit + 1)].fill(frame >> bit & 1));
                    sent += 1;
                }
            }
            assert!(sent > 5, "{sent} bytes at {rate}");
            for (t, expected) in expected.iter().enumerate().take(6000) {
                assert_eq!(response.get(t, "line"), *expected, "cycle {t} at {rate}");
            }
        }
    }

    /// Needs no model: without a byte the line rests, from power-up.
    #[test]
    fn the_line_rests_high() {
        let bench = Bench::new(&emit(&mut Transmitter::default(), "transmitter").unwrap()).unwrap();
        let mut stimulus = bench.stimulus();
        (0..100).for_each(|_| {
            stimulus.cycle().set("rate", 0x4000);
        });
        let response = bench.run(&stimulus).unwrap();
        assert!((0..100).all(|t| response.get(t, "line") == 1 && response.get(t, "ready") == 1));
    }
}
