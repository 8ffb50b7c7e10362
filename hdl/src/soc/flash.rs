//! Master of the board's flash memory: exchanges a byte, highest bit first, clock resting low (SPI mode 0).
//!
//! ```text
//!  data ─►[shift register]─► flash_out          flash_clock: half of the clock
//!            ▲ └─► received
//!        flash_in
//! ```
//!
//! | port          | dir | width | meaning                                             | cycle |
//! |---------------|-----|-------|-----------------------------------------------------|-------|
//! | `data`        | in  | 8     | with `start`                                        | `t`   |
//! | `start`       | in  | 1     | strobe; ends an exchange in progress                | `t`   |
//! | `busy`        | out | 1     | the exchange lasts                                  |       |
//! | `received`    | out | 8     | the byte that came back, unless `busy`              |       |
//! | `flash_clock`, `flash_out` | out | 1 | to the memory                              |       |
//! | `flash_in`    | in  | 1     | from the memory                                     |       |
//!
//! The memory changes its bit at the falling edge; it is read at the next falling edge, a whole period later, which leaves
//! room for slow pins.
//!
//! # Invariants
//! 1. Eight rising edges of `flash_clock` a byte, `flash_out` still around each.

use crate::dialect::*;

/// The flash master.
#[derive(LogicBlock, Default)]
pub struct FlashMaster {
    pub clock: Signal<In, Clock>,
    pub data: Signal<In, Bits<8>>,
    pub start: Signal<In, Bit>,
    pub busy: Signal<Out, Bit>,
    pub received: Signal<Out, Bits<8>>,
    pub flash_clock: Signal<Out, Bit>,
    pub flash_out: Signal<Out, Bit>,
    pub flash_in: Signal<In, Bit>,
    shift: DFF<Bits<8>>,
    /// Bits yet to come.
    left: DFF<Bits<4>>,
    high: DFF<Bit>,
    shifted: Signal<Local, Bits<8>>,
    kind: Kind<Self>,
}

impl FlashMaster {
    /// Cycles from `start` to the received byte.
    pub const LATENCY: usize = 17;
}

impl Logic for FlashMaster {
    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(self, clock, shift, left, high);
        self.busy.next = self.left.q.val().any();
        self.received.next = self.shift.q.val();
        self.flash_clock.next = self.high.q.val();
        self.flash_out.next = self.shift.q.val().get_bit(7);
        self.shifted.next = self.shift.q.val() << 1;
        if self.flash_in.val() {
            self.shifted.next = (self.shift.q.val() << 1) | 1;
        }
        self.high.d.next = false;
        if self.left.q.val().any() {
            self.high.d.next = !self.high.q.val();
            if self.high.q.val() {
                self.shift.d.next = self.shifted.val();
                self.left.d.next = self.left.q.val() - 1;
            }
        }
        if self.start.val() {
            self.shift.d.next = self.data.val();
            self.left.d.next = 8.into();
            self.high.d.next = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::{Bench, Random};
    use crate::emit::emit;

    /// A memory that answers each byte with bits given beforehand, at falling edges; and the master's bytes.
    #[test]
    fn bytes_are_exchanged() {
        let bench = Bench::new(&emit(&mut FlashMaster::default(), "flash_master").unwrap()).unwrap();
        let mut random = Random::from_seed_variable();
        let pairs: Vec<[u64; 2]> = (0..300).map(|_| [random.unsigned(8), random.unsigned(8)]).collect();
        let mut stimulus = bench.stimulus();
        for [sent, answer] in &pairs {
            for t in 0..FlashMaster::LATENCY {
                // The clock is high in every second cycle; the memory's bit `n` lies there until the edge after.
                let bit = 7 - (t.max(1) - 1) / 2;
                stimulus
                    .cycle()
                    .set("start", u64::from(t == 0))
                    .set("data", *sent)
                    .set("flash_in", answer >> bit & 1);
            }
        }
        let response = bench.run(stimulus.idle(1)).unwrap();
        for (index, [sent, answer]) in pairs.iter().enumerate() {
            let begin = index * FlashMaster::LATENCY;
            let end = begin + FlashMaster::LATENCY;
            assert_eq!(response.get(end, "received"), *answer, "byte {index}");
            assert_eq!(response.get(end, "busy"), 0);
            let rising = (begin + 1..=end)
                .filter(|&t| response.get(t, "flash_clock") > response.get(t - 1, "flash_clock"));
            let out = rising.fold(1, |bits, t| {
                assert_eq!(
                    response.get(t - 1, "flash_out"),
                    response.get(t, "flash_out"),
                    "still at the edge"
                );
                bits << 1 | response.get(t, "flash_out")
            });
            assert_eq!(out, 0x100 | sent, "byte {index}");
        }
    }

    /// Needs no model: an idle master leaves the clock alone.
    #[test]
    fn the_clock_rests_low() {
        let bench = Bench::new(&emit(&mut FlashMaster::default(), "flash_master").unwrap()).unwrap();
        let mut stimulus = bench.stimulus();
        let response = bench.run(stimulus.idle(50)).unwrap();
        assert!((0..50).all(|t| response.get(t, "flash_clock") == 0 && response.get(t, "busy") == 0));
    }
}
