//! Registers in the pads of the chip, and a pin that shows the clock.
//!
//! ```text
//!  d ──►[pad register]──► pin        pin ──►[pad register]──► q        clock ──►[double data rate: 0, 1]──► pin
//! ```
//!
//! | block        | port  | dir | width | meaning                                              | cycle   |
//! |--------------|-------|-----|------:|------------------------------------------------------|---------|
//! | [`PadOut`]   | `d`   | in  | `W`   |                                                      | `t`     |
//! |              | `pin` | out | `W`   | `d`; each bit is `INITIAL` at power-up               | `t + 1` |
//! | [`PadIn`]    | `pin` | in  | `W`   |                                                      | `t`     |
//! |              | `q`   | out | `W`   | the pin                                              | `t + 1` |
//! | [`ClockPin`] | `pin` | out | 1     | the clock, turned by half a period | |
//!
//! # Invariants
//! 1. On the ECP5 each bit is the register of its input or output cell, so its delay to the pin does not depend on placement.

use crate::dialect::*;
use std::fmt::Write;

/// Output pins behind pad registers.
#[derive(LogicBlock, Default)]
pub struct PadOut<const W: usize, const INITIAL: usize> {
    pub clock: Signal<In, Clock>,
    pub d: Signal<In, Bits<W>>,
    pub pin: Signal<Out, Bits<W>>,
    kind: Kind<Self>,
}

impl<const W: usize, const INITIAL: usize> PadOut<W, INITIAL> {
    /// Cycles from data to pin.
    pub const LATENCY: usize = 1;
}

/// Input pins before pad registers.
#[derive(LogicBlock, Default)]
pub struct PadIn<const W: usize> {
    pub clock: Signal<In, Clock>,
    pub pin: Signal<In, Bits<W>>,
    pub q: Signal<Out, Bits<W>>,
    kind: Kind<Self>,
}

impl<const W: usize> PadIn<W> {
    /// Cycles from pin to data.
    pub const LATENCY: usize = 1;
}

/// A pin that shows the clock.
#[derive(LogicBlock, Default)]
pub struct ClockPin {
    pub clock: Signal<In, Clock>,
    pub pin: Signal<Out, Bit>,
    kind: Kind<Self>,
}

/// One vendor register a bit.
fn cells(cell: &str, clear: &str, width: usize, data: &str, output: &str) -> String {
    let bit = |name: &str, index: usize| match width {
        1 => name.to_owned(),
        _ => format!("{name}[{index}]"),
    };
    (0..width).fold(String::new(), |mut text, index| {
        let (data, output) = (bit(data, index), bit(output, index));
        let _ = writeln!(
            text,
            "{cell} pad_{index} (.SCLK(clock), .SP(1'b1), .{clear}(1'b0), .D({data}), .Q({output}));"
        );
        text
    })
}

fn behaviour(width: usize, initial: usize, data: &str, output: &str) -> String {
    let all = if initial == 0 { format!("{width}'h0") } else { format!("{{{width}{{1'b1}}}}") };
    format!("initial {output} = {all};\nalways_ff @(posedge clock) {output} <= {data};")
}

impl<const W: usize, const INITIAL: usize> Logic for PadOut<W, INITIAL> {
    fn update(&mut self) {
        if self.clock.pos_edge() {
            self.pin.next = self.d.val();
        }
    }

    fn hdl(&self) -> Verilog {
        const { assert!(INITIAL <= 1, "a bit is zero or one at power-up") };
        let (cell, clear) = if INITIAL == 0 { ("OFS1P3DX", "CD") } else { ("OFS1P3BX", "PD") };
        let vendor = cells(cell, clear, W, "d", "pin");
        Verilog::Custom(super::by_family(vendor.trim_end(), &behaviour(W, INITIAL, "d", "pin")))
    }
}

impl<const W: usize> Logic for PadIn<W> {
    fn update(&mut self) {
        if self.clock.pos_edge() {
            self.q.next = self.pin.val();
        }
    }

    fn hdl(&self) -> Verilog {
        let vendor = cells("IFS1P3DX", "CD", W, "pin", "q");
        Verilog::Custom(super::by_family(vendor.trim_end(), &behaviour(W, 0, "pin", "q")))
    }
}

impl Logic for ClockPin {
    fn update(&mut self) {
        self.pin.next = !self.clock.val().clk;
    }

    fn hdl(&self) -> Verilog {
        let vendor = "ODDRX1F double (.D0(1'b0), .D1(1'b1), .SCLK(clock), .RST(1'b0), .Q(pin));";
        Verilog::Custom(super::by_family(vendor, "assign pin = ~clock;"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::{Bench, Random, simulate_rust};
    use crate::emit::emit;

    fn values(count: usize) -> Vec<u64> {
        let mut random = Random::from_seed_variable();
        (0..count).map(|_| random.unsigned(13)).collect()
    }

    fn check(block: &mut impl Block, input: &str, output: &str, initial: u64) {
        let bench = Bench::new(&emit(block, "dut").unwrap()).unwrap();
        let (values, mut stimulus) = (values(1000), bench.stimulus());
        values.iter().for_each(|value| {
            stimulus.cycle().set(input, *value);
        });
        let response = bench.run(stimulus.idle(1)).unwrap();
        assert_eq!(response.get(0, output), initial);
        for (t, value) in values.iter().enumerate() {
            assert_eq!(response.get(t + 1, output), *value, "cycle {t}");
        }
    }

    #[test]
    fn pads_take_a_cycle_and_have_a_value_at_power_up() {
        check(&mut PadOut::<13, 0>::default(), "d", "pin", 0);
        check(&mut PadOut::<13, 1>::default(), "d", "pin", 0x1fff);
        check(&mut PadIn::<13>::default(), "pin", "q", 0);
    }

    #[test]
    fn rust_takes_a_cycle() {
        let values = values(100);
        let results = simulate_rust(
            &mut PadOut::<13, 0>::default(),
            values.len(),
            |block, level| block.clock.next = level.into(),
            |block, t| block.d.next = values[t].into(),
            |block| block.pin.val().to_u64(),
        );
        assert_eq!(results[1..], values[..99]);
    }

    #[test]
    fn the_vendor_s_pads_hold_the_registers() {
        use crate::bench::{Family, cells};
        for (block, initial) in [
            (emit(&mut PadOut::<3, 0>::default(), "dut"), 0),
            (emit(&mut PadOut::<3, 1>::default(), "dut"), 1),
        ] {
            let cells = cells(&block.unwrap(), Family::Ecp5).unwrap();
            assert_eq!(cells.into_iter().collect::<Vec<_>>(), [("TRELLIS_FF".to_owned(), 3)], "{initial}");
        }
        let cells = cells(&emit(&mut ClockPin::default(), "dut").unwrap(), Family::Ecp5).unwrap();
        assert_eq!(cells.get("ODDRX1F"), Some(&1), "{cells:?}");
    }
}
