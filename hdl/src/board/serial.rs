//! A serial line (8 data bits, no parity, one stop bit) as the byte port of the chip.
//!
//! ```text
//!  line_in  ─►[reg]─►[reg]─► sample in the middle of each bit ─► byte ─► to_chip
//!  line_out ◄─[shift register, one step a bit] ◄──────────────── byte ◄─ from_chip
//! ```
//!
//! | port                                | dir | width | meaning                                    | cycle |
//! |-------------------------------------|-----|-------|--------------------------------------------|-------|
//! | `line_in`                           | in  | 1     | of no clock; high when idle                |       |
//! | `line_out`                          | out | 1     | high when idle                             |       |
//! | `ready`                             | in  | 1     | the clocks are steady: listen              | `t`   |
//! | `to_chip_data`, `to_chip_valid`     | out | 8, 1  | a byte that came; stays until it is taken  | `t`   |
//! | `to_chip_ready`                     | in  | 1     | it is taken in this cycle                  | `t`   |
//! | `from_chip_data`, `from_chip_valid` | in  | 8, 1  | a byte to send                             | `t`   |
//! | `from_chip_ready`                   | out | 1     | it is taken in this cycle                  | `t`   |
//!
//! # Invariants
//! 1. A byte whose stop bit is low is dropped, and so is a start bit that is gone in its middle.
//! 2. A byte that the chip has not taken when the next one ends is overwritten: the host waits for answers.

use crate::kind::Kind;
use crate::primitives::vector::Setting;
use rust_hdl::prelude::*;

/// Bits of the divisor.
const DIVISOR: usize = 16;

/// The serial line.
#[derive(LogicBlock, Default)]
pub struct SerialPort {
    pub clock: Signal<In, Clock>,
    pub ready: Signal<In, Bit>,
    pub line_in: Signal<In, Bit>,
    pub line_out: Signal<Out, Bit>,
    pub to_chip_data: Signal<Out, Bits<8>>,
    pub to_chip_valid: Signal<Out, Bit>,
    pub to_chip_ready: Signal<In, Bit>,
    pub from_chip_data: Signal<In, Bits<8>>,
    pub from_chip_valid: Signal<In, Bit>,
    pub from_chip_ready: Signal<Out, Bit>,
    bit_last: Setting<DIVISOR>,
    half_last: Setting<DIVISOR>,
    low_1: DFF<Bit>,
    low_2: DFF<Bit>,
    /// Bits still to sample, the start bit and the stop bit included; zero while the line is idle.
    receives: DFF<Bits<4>>,
    wait_in: DFF<Bits<DIVISOR>>,
    shift_in: DFF<Bits<8>>,
    held: DFF<Bits<8>>,
    full: DFF<Bit>,
    /// Bits still to send; zero while the line is idle.
    sends: DFF<Bits<4>>,
    wait_out: DFF<Bits<DIVISOR>>,
    /// The line's levels inverted, lowest first: zero at power-up is an idle line.
    shift_out: DFF<Bits<9>>,
    kind: Kind<Self>,
}

impl SerialPort {
    /// Cycles from the middle of the stop bit to the byte: two to take the line into the clock, one to keep the byte.
    pub const LATENCY: usize = 3;

    /// A line of `cycles_per_bit` cycles a bit, at least 4 and below 2^16.
    pub fn new(cycles_per_bit: u32) -> Self {
        assert!((4..1 << DIVISOR).contains(&cycles_per_bit), "{cycles_per_bit} cycles a bit");
        Self {
            bit_last: Setting::new(u64::from(cycles_per_bit) - 1),
            half_last: Setting::new(u64::from(cycles_per_bit) / 2 - 1),
            kind: Kind::named("serial_port"),
            ..Self::default()
        }
    }
}

#[allow(clippy::collapsible_if, reason = "conditions nest as the bits do")]
impl Logic for SerialPort {
    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(
            self, clock, low_1, low_2, receives, wait_in, shift_in, held, full, sends, wait_out, shift_out
        );

        // From the line. Levels are kept inverted, so that an idle line is zero at power-up.
        self.low_1.d.next = self.ready.val() & !self.line_in.val();
        self.low_2.d.next = self.low_1.q.val();
        self.to_chip_data.next = self.held.q.val();
        self.to_chip_valid.next = self.full.q.val();
        if self.to_chip_ready.val() {
            self.full.d.next = false;
        }
        if self.receives.q.val() == 0 {
            if self.low_2.q.val() {
                self.receives.d.next = 10.into();
                self.wait_in.d.next = self.half_last.val();
            }
        } else if self.wait_in.q.val().any() {
            self.wait_in.d.next = self.wait_in.q.val() - 1;
        } else {
            self.wait_in.d.next = self.bit_last.val();
            self.receives.d.next = self.receives.q.val() - 1;
            if self.receives.q.val() == 10 {
                if !self.low_2.q.val() {
                    self.receives.d.next = 0.into();
                }
            } else if self.receives.q.val() == 1 {
                if !self.low_2.q.val() {
                    self.held.d.next = self.shift_in.q.val();
                    self.full.d.next = true;
                }
            } else {
                self.shift_in.d.next = bit_cast::<8, 7>(self.shift_in.q.val().get_bits::<7>(1));
                if !self.low_2.q.val() {
                    self.shift_in.d.next = bit_cast::<8, 7>(self.shift_in.q.val().get_bits::<7>(1)) | 0x80;
                }
            }
        }

        // To the line: a start bit, the data, and an idle line for the stop bit.
        self.line_out.next = !self.shift_out.q.val().get_bit(0);
        self.from_chip_ready.next = self.sends.q.val() == 0;
        if self.sends.q.val() == 0 {
            if self.from_chip_valid.val() {
                self.sends.d.next = 10.into();
                self.wait_out.d.next = self.bit_last.val();
                self.shift_out.d.next = (bit_cast::<9, 8>(!self.from_chip_data.val()) << 1) | 1;
            }
        } else if self.wait_out.q.val().any() {
            self.wait_out.d.next = self.wait_out.q.val() - 1;
        } else {
            self.wait_out.d.next = self.bit_last.val();
            self.sends.d.next = self.sends.q.val() - 1;
            self.shift_out.d.next = self.shift_out.q.val() >> 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::{Bench, Random, Response, Stimulus};
    use crate::emit::emit;

    const BIT_CYCLES: usize = 9;

    fn bench() -> Bench {
        Bench::new(&emit(&mut SerialPort::new(BIT_CYCLES as u32), "serial_port").unwrap()).unwrap()
    }

    /// The levels of a byte on the line, lowest bit first.
    fn levels(byte: u64) -> impl Iterator<Item = u64> {
        std::iter::once(0).chain((0..8).map(move |bit| byte >> bit & 1)).chain([1])
    }

    fn hold(stimulus: &mut Stimulus, level: u64, cycles: usize) {
        for _ in 0..cycles {
            stimulus.cycle().set("ready", 1).set("line_in", level).set("to_chip_ready", 1);
        }
    }

    fn received(response: &Response, cycles: usize) -> Vec<u64> {
        let taken = (0..cycles).filter(|&t| response.get(t, "to_chip_valid") == 1);
        taken.map(|t| response.get(t, "to_chip_data")).collect()
    }

    #[test]
    fn bytes_arrive_at_rates_three_percent_off() {
        let (bench, mut random) = (bench(), Random::from_seed_variable());
        let mut stimulus = bench.stimulus();
        hold(&mut stimulus, 1, 5);
        let bytes: Vec<u64> = (0..300).map(|_| random.unsigned(8)).collect();
        for &byte in &bytes {
            // The last bit's end lies up to 3 % of ten bits from where it should.
            let stretch = random.below(7) as i64 - 3;
            let mut sent = 0;
            for (index, level) in levels(byte).enumerate() {
                let end = (BIT_CYCLES * (index + 1)) as i64 * (100 + stretch) / 100;
                hold(&mut stimulus, level, end as usize - sent);
                sent = end as usize;
            }
            let idle = random.below(3) as usize;
            hold(&mut stimulus, 1, idle);
        }
        hold(&mut stimulus, 1, 2 * BIT_CYCLES);
        let response = bench.run(&stimulus).unwrap();
        assert_eq!(received(&response, stimulus.cycles()), bytes);
    }

    #[test]
    fn noise_and_broken_bytes_are_dropped() {
        let bench = bench();
        let mut stimulus = bench.stimulus();
        hold(&mut stimulus, 1, 5);
        // A glitch shorter than half a bit, a byte without its stop bit, then a sound byte.
        hold(&mut stimulus, 0, BIT_CYCLES / 2 - 2);
        hold(&mut stimulus, 1, 3 * BIT_CYCLES);
        hold(&mut stimulus, 0, 10 * BIT_CYCLES);
        hold(&mut stimulus, 1, 12 * BIT_CYCLES);
        levels(0x5a).for_each(|level| hold(&mut stimulus, level, BIT_CYCLES));
        hold(&mut stimulus, 1, 2 * BIT_CYCLES);
        let response = bench.run(&stimulus).unwrap();
        assert_eq!(received(&response, stimulus.cycles()), [0x5a]);
    }

    #[test]
    fn bytes_leave_back_to_back() {
        let (bench, mut random) = (bench(), Random::from_seed_variable());
        let bytes: Vec<u64> = (0..50).map(|_| random.unsigned(8)).collect();
        let mut stimulus = bench.stimulus();
        // The line takes a byte every ten bits and one cycle; the next one waits meanwhile.
        let period = 10 * BIT_CYCLES + 1;
        for byte in &bytes {
            for _ in 0..period {
                stimulus.cycle().set("from_chip_valid", 1).set("from_chip_data", *byte).set("line_in", 1);
            }
        }
        let response = bench.run(&stimulus).unwrap();
        for (index, byte) in bytes.iter().enumerate() {
            assert_eq!(response.get(index * period, "from_chip_ready"), 1);
            for (bit, level) in levels(*byte).enumerate() {
                let middle = index * period + 1 + bit * BIT_CYCLES + BIT_CYCLES / 2;
                assert_eq!(response.get(middle, "line_out"), level, "byte {index} bit {bit}");
            }
        }
    }
}
