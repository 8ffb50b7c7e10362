//! Serial receiver: eight bits, no parity, one stop bit, lowest bit first.
//!
//! ```text
//!  line ─►[reg]─►[reg]─► falls ─► half a bit ─► start? ─► one bit, eight times ─► stop? ─► valid or broken
//!  rate ─► phase accumulator: a bit has passed when it overflows
//! ```
//!
//! | port     | dir | width | meaning                                                | cycle |
//! |----------|-----|-------|--------------------------------------------------------|-------|
//! | `line`   | in  | 1     | any clock                                              |       |
//! | `rate`   | in  | 16    | bits per cycle, in parts of 65,536; at most a quarter  | `t`   |
//! | `data`   | out | 8     | with `valid`                                           |       |
//! | `valid`  | out | 1     | strobe: a byte was received                            |       |
//! | `broken` | out | 1     | strobe: the stop bit was missing                       |       |
//!
//! # Invariants
//! 1. A sample is at most a cycle from the middle of its bit, by the receiver's own rate: the phase is never rounded.
//! 2. After a missing stop bit the receiver waits for the line to rest.

use crate::dialect::*;

/// What the receiver waits for.
#[derive(Copy, Clone, PartialEq, Debug, LogicState)]
enum Wait {
    Fall,
    Start,
    Bits,
    Stop,
    Rest,
}

/// The receiver.
#[derive(LogicBlock, Default)]
pub struct Receiver {
    pub clock: Signal<In, Clock>,
    pub line: Signal<In, Bit>,
    pub rate: Signal<In, Bits<16>>,
    pub data: Signal<Out, Bits<8>>,
    pub valid: Signal<Out, Bit>,
    pub broken: Signal<Out, Bit>,
    half: Fixed<0x8000, 17>,
    last_bit: Fixed<7, 3>,
    line_first: DFF<Bit>,
    line_seen: DFF<Bit>,
    stage: DFF<Wait>,
    phase: DFF<Bits<16>>,
    bits: DFF<Bits<3>>,
    shift: DFF<Bits<8>>,
    valid_held: DFF<Bit>,
    broken_held: DFF<Bit>,
    sum: Signal<Local, Bits<17>>,
    elapsed: Signal<Local, Bit>,
    kind: Kind<Self>,
}

impl Receiver {
    /// Cycles from the middle of the stop bit at the pin to `valid`, rounding apart.
    pub const LATENCY: usize = 3;
}

#[allow(clippy::collapsible_match, reason = "Rust-HDL drops the guard of a match arm")]
impl Logic for Receiver {
    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(self, clock, line_first, line_seen, stage, phase, bits, shift, valid_held, broken_held);
        self.line_first.d.next = self.line.val();
        self.line_seen.d.next = self.line_first.q.val();
        self.data.next = self.shift.q.val();
        self.valid.next = self.valid_held.q.val();
        self.broken.next = self.broken_held.q.val();

        self.sum.next = bit_cast::<17, 16>(self.phase.q.val()) + bit_cast::<17, 16>(self.rate.val());
        self.elapsed.next = self.sum.val().get_bit(16);
        self.phase.d.next = self.sum.val().get_bits::<16>(0);
        self.valid_held.d.next = false;
        self.broken_held.d.next = false;
        match self.stage.q.val() {
            Wait::Fall => {
                self.phase.d.next = self.half.val().get_bits::<16>(0);
                if !self.line_seen.q.val() {
                    self.stage.d.next = Wait::Start;
                }
            }
            Wait::Start => {
                if self.elapsed.val() {
                    self.bits.d.next = 0.into();
                    self.stage.d.next = Wait::Bits;
                    if self.line_seen.q.val() {
                        self.stage.d.next = Wait::Fall;
                    }
                }
            }
            Wait::Bits => {
                if self.elapsed.val() {
                    self.shift.d.next = self.shift.q.val() >> 1;
                    if self.line_seen.q.val() {
                        self.shift.d.next = (self.shift.q.val() >> 1) | 0x80;
                    }
                    self.bits.d.next = self.bits.q.val() + 1;
                    if self.bits.q.val() == self.last_bit.val() {
                        self.stage.d.next = Wait::Stop;
                    }
                }
            }
            Wait::Stop => {
                if self.elapsed.val() {
                    self.valid_held.d.next = self.line_seen.q.val();
                    self.broken_held.d.next = !self.line_seen.q.val();
                    self.stage.d.next = Wait::Fall;
                    if !self.line_seen.q.val() {
                        self.stage.d.next = Wait::Rest;
                    }
                }
            }
            Wait::Rest => {
                if self.line_seen.q.val() {
                    self.stage.d.next = Wait::Fall;
                }
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::{Bench, Random};
    use crate::emit::emit;

    /// The line's level in each cycle: bytes at a rate (cycles a bit, as a fraction), with rests between them.
    fn line(bytes: &[(u64, bool)], cycles_per_bit: f64, random: &mut Random) -> Vec<u64> {
        let (mut levels, mut end) = (vec![1; 50], 50.0);
        for &(byte, stop) in bytes {
            for bit in 0..10 {
                let level = match bit {
                    0 => 0,
                    9 => u64::from(stop),
                    _ => byte >> (bit - 1) & 1,
                };
                end += cycles_per_bit;
                levels.resize(end as usize, level);
            }
            if !stop || random.below(3) == 0 {
                end += cycles_per_bit * (1 + random.below(5)) as f64;
                levels.resize(end as usize, 1);
            }
        }
        levels
    }

    /// Bytes received; `None` for a broken one.
    fn receive(levels: &[u64], rate: u64) -> Vec<Option<u64>> {
        let bench = Bench::new(&emit(&mut Receiver::default(), "receiver").unwrap()).unwrap();
        let mut stimulus = bench.stimulus();
        for &level in levels {
            stimulus.cycle().set("line", level).set("rate", rate);
        }
        for _ in 0..100 {
            stimulus.cycle().set("line", 1).set("rate", rate);
        }
        let response = bench.run(&stimulus).unwrap();
        let byte = |t: usize| match (response.get(t, "valid"), response.get(t, "broken")) {
            (1, _) => Some(Some(response.get(t, "data"))),
            (_, 1) => Some(None),
            _ => None,
        };
        (0..stimulus.cycles()).filter_map(byte).collect()
    }

    #[test]
    fn bytes_arrive_at_rates_that_differ_by_three_hundredths() {
        let mut random = Random::from_seed_variable();
        for cycles_per_bit in [4.0, 8.0, 16.67, 50.3] {
            for slip in [0.97, 1.0, 1.03] {
                let bytes: Vec<(u64, bool)> =
                    (0..200).map(|_| (random.unsigned(8), random.below(20) > 0)).collect();
                // At four cycles a bit, the two registers' jitter leaves no room for another rate.
                let slip = if cycles_per_bit < 5.0 { 1.0 } else { slip };
                let levels = line(&bytes, cycles_per_bit * slip, &mut random);
                let expected: Vec<Option<u64>> =
                    bytes.iter().map(|&(byte, stop)| stop.then_some(byte)).collect();
                let found = receive(&levels, (65_536.0 / cycles_per_bit).round() as u64);
                assert_eq!(found, expected, "{cycles_per_bit} cycles a bit, {slip}");
            }
        }
    }

    /// Needs no model: pulses shorter than half a bit are no bytes.
    #[test]
    fn spikes_are_no_bytes() {
        let levels: Vec<u64> = (0..4000).map(|t| u64::from(t % 40 > 5)).collect();
        assert_eq!(receive(&levels, 4096), []);
    }
}
