//! The far end of a board's serial line: an adapter that moves bytes as levels, at a rate of its own.
//!
//! ```text
//!  push ─► waiting ─► shift register ─► level for the board
//!  pop  ◄─ arrived ◄─ sampled in the middle of each bit ◄─ level of the board
//! ```
//!
//! # Invariants
//! 1. A bit takes exactly `clock_hz / rate` cycles in the mean: fractions are carried from byte to byte.

use lpu_isa::link::{LINE_BITS_PER_BYTE, RATE_DEFAULT};
use std::collections::VecDeque;

/// Counts bits: one has passed when as many cycles as it takes have.
#[derive(Clone, Debug, Default)]
struct Phase(u32);

impl Phase {
    /// Lets a cycle pass; whether a bit ends with it.
    fn tick(&mut self, rate: u32, clock_hz: u32) -> bool {
        self.0 += rate;
        let ends = self.0 >= clock_hz;
        self.0 -= if ends { clock_hz } else { 0 };
        ends
    }
}

/// An adapter.
#[derive(Clone, Debug)]
pub struct Adapter {
    clock_hz: u32,
    rate: u32,
    waiting: VecDeque<u8>,
    arrived: VecDeque<u8>,
    /// The levels of the byte that leaves, and how many are left of them.
    leaving: u32,
    leaving_bits: u32,
    leaving_phase: Phase,
    /// The levels of the byte that arrives, and how many have yet to come.
    arriving: u32,
    arriving_bits: u32,
    arriving_phase: Phase,
    was_high: bool,
}

impl Adapter {
    /// An adapter that counts time in cycles of this clock.
    pub fn new(clock_hz: u32) -> Self {
        Self {
            clock_hz,
            rate: RATE_DEFAULT,
            waiting: VecDeque::new(),
            arrived: VecDeque::new(),
            leaving: 0,
            leaving_bits: 0,
            leaving_phase: Phase::default(),
            arriving: 0,
            arriving_bits: 0,
            arriving_phase: Phase::default(),
            was_high: false,
        }
    }

    /// Sets the rate, in bits per second, from the next bit on.
    pub fn set_rate(&mut self, rate: u32) {
        self.rate = rate.min(self.clock_hz);
    }

    /// A byte for the board.
    pub fn push(&mut self, byte: u8) {
        self.waiting.push_back(byte);
    }

    /// The oldest byte that came from the board.
    pub fn pop(&mut self) -> Option<u8> {
        self.arrived.pop_front()
    }

    /// Whether a byte is on the line, or waits for it.
    pub fn is_busy(&self) -> bool {
        self.leaving_bits > 0 || self.arriving_bits > 0 || !self.waiting.is_empty()
    }

    /// Lets a cycle pass: sees the board's level, gives its own.
    pub fn cycle(&mut self, level: bool) -> bool {
        self.see(level);
        self.give()
    }

    fn give(&mut self) -> bool {
        if self.leaving_bits == 0 {
            let Some(byte) = self.waiting.pop_front() else {
                self.leaving_phase = Phase::default();
                return true;
            };
            (self.leaving, self.leaving_bits) = (1 << 9 | u32::from(byte) << 1, LINE_BITS_PER_BYTE);
        }
        let level = self.leaving & 1 == 1;
        if self.leaving_phase.tick(self.rate, self.clock_hz) {
            self.leaving >>= 1;
            self.leaving_bits -= 1;
        }
        level
    }

    fn see(&mut self, level: bool) {
        if self.arriving_bits == 0 {
            if self.was_high && !level {
                (self.arriving_bits, self.arriving_phase) = (LINE_BITS_PER_BYTE, Phase(self.clock_hz / 2));
            }
        } else if self.arriving_phase.tick(self.rate, self.clock_hz) {
            self.arriving = self.arriving >> 1 | u32::from(level) << 9;
            self.arriving_bits -= 1;
            if self.arriving_bits == 0 {
                self.arrived.push_back((self.arriving >> 1) as u8);
            }
        }
        self.was_high = level;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLOCK_HZ: u32 = 50_000_000;

    /// Cycles until as many bytes have passed from one adapter to another.
    fn pass(bytes: &[u8], rate: u32, other_rate: u32) -> (Vec<u8>, usize) {
        let (mut near, mut far) = (Adapter::new(CLOCK_HZ), Adapter::new(CLOCK_HZ));
        near.set_rate(rate);
        far.set_rate(other_rate);
        bytes.iter().for_each(|&byte| near.push(byte));
        let mut cycles = 0;
        (0..100).for_each(|_| _ = far.cycle(true));
        while near.is_busy() || far.is_busy() {
            let level = near.cycle(true);
            far.cycle(level);
            cycles += 1;
        }
        (std::iter::from_fn(|| far.pop()).collect(), cycles)
    }

    #[test]
    fn bytes_arrive_and_take_the_time_of_the_rate() {
        let bytes: Vec<u8> = (0..=255).collect();
        for rate in [115_200, 1_000_000, 3_000_000] {
            let (found, cycles) = pass(&bytes, rate, rate);
            assert_eq!(found, bytes);
            let expected = 256.0 * 10.0 * f64::from(CLOCK_HZ) / f64::from(rate);
            assert!((cycles as f64 - expected).abs() <= f64::from(CLOCK_HZ / rate), "{rate}: {cycles}");
        }
    }

    #[test]
    fn another_rate_makes_other_bytes() {
        let bytes = [0x12, 0x34, 0x56, 0x78];
        assert_eq!(pass(&bytes, 3_000_000, 3_060_000).0, bytes, "two hundredths are within a bit");
        assert_ne!(pass(&bytes, 3_000_000, 115_200).0, bytes);
    }
}
