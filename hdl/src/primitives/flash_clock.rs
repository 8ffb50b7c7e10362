//! The clock of the flash memory that also holds the bitstream: its pin may belong to the family's configuration logic.
//!
//! ```text
//!  clock_in ─► [cell of the configuration logic] ─► the dedicated pin
//!           └────────────────────────────────────► pin, where there is none
//! ```
//!
//! | port       | dir | width | meaning                                                    | cycle |
//! |------------|-----|-------|------------------------------------------------------------|-------|
//! | `clock_in` | in  | 1     | of the flash master                                        | `t`   |
//! | `pin`      | out | 1     | the same; low on a family whose pin its cell drives        | `t`   |
//!
//! The ECP5 takes its first three edges to hand the pin over: whoever uses the memory spends some before the first command.
//!
//! # Invariants
//! 1. Nothing but wire between `clock_in` and the memory.

use crate::dialect::*;

/// The way to the flash memory's clock pin.
#[derive(LogicBlock, Default)]
pub struct FlashClock {
    pub clock_in: Signal<In, Bit>,
    pub pin: Signal<Out, Bit>,
    kind: Kind<Self>,
}

impl FlashClock {
    /// Cycles from `clock_in` to the pin.
    pub const LATENCY: usize = 0;
}

impl Logic for FlashClock {
    fn update(&mut self) {
        self.pin.next = self.clock_in.val();
    }

    fn hdl(&self) -> Verilog {
        Verilog::Custom(super::body(include_str!("flash_clock.sv")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::{Bench, Family, Random, cells};
    use crate::emit::emit;

    #[test]
    fn the_pin_follows() {
        let bench = Bench::new(&emit(&mut FlashClock::default(), "flash_clock").unwrap()).unwrap();
        let mut random = Random::from_seed_variable();
        let levels: Vec<u64> = (0..100).map(|_| random.below(2)).collect();
        let mut stimulus = bench.stimulus();
        for level in &levels {
            stimulus.cycle().set("clock_in", *level);
        }
        let response = bench.run(&stimulus).unwrap();
        for (t, level) in levels.iter().enumerate() {
            assert_eq!(response.get(t + FlashClock::LATENCY, "pin"), *level, "cycle {t}");
        }
    }

    #[test]
    fn the_ecp5_has_a_cell_for_it() {
        let cells = cells(&emit(&mut FlashClock::default(), "flash_clock").unwrap(), Family::Ecp5).unwrap();
        assert_eq!(cells.get("USRMCLK"), Some(&1), "{cells:?}");
    }
}
