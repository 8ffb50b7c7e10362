//! Delay line. The number of cycles is part of the type, `Delay<W, CYCLES>`, or is given to the constructor, `Delay<W>`. Long lines of
//! the first form are built from LUT RAM instead of registers.
//!
//! ```text
//!  x ──►[ ring of cycles - 1 words ]──►[reg]──► y        (x ──►[reg]──►...──►[reg]──► y when short)
//! ```
//!
//! | port    | dir | width | meaning          | cycle        |
//! |---------|-----|-------|------------------|--------------|
//! | `clock` | in  | 1     |                  |              |
//! | `x`     | in  | `W`   |                  | `t`          |
//! | `y`     | out | `W`   | `x` as it was    | `t + cycles` |
//!
//! # Invariants
//! 1. `cycles >= 1`; `y` is zero for as many cycles after power-up.

use crate::dialect::*;
use std::collections::VecDeque;

/// Lines shorter than this, or narrower than [`RING_BITS_MIN`], are registers: the ring's counter would cost more.
const RING_CYCLES_MIN: usize = 4;
const RING_BITS_MIN: usize = 4;
/// Value of `CYCLES` when the constructor sets the length.
pub const AS_BUILT: usize = 0;

/// Delays `W` bits.
#[derive(LogicBlock, Default)]
pub struct Delay<const W: usize, const CYCLES: usize = AS_BUILT> {
    pub clock: Signal<In, Clock>,
    pub x: Signal<In, Bits<W>>,
    pub y: Signal<Out, Bits<W>>,
    _built: usize,
    _held: VecDeque<Bits<W>>,
    kind: Kind<Self>,
}

impl<const W: usize> Delay<W> {
    /// A line of `cycles` cycles, at least one.
    pub fn new(cycles: usize) -> Self {
        assert!(cycles >= 1, "a delay of no cycles is a wire");
        let kind = Kind::named(format!("shift_register_{W}_bits_{cycles}"));
        Self { _built: cycles, kind, ..Self::default() }
    }
}

impl<const W: usize, const CYCLES: usize> Delay<W, CYCLES> {
    /// Cycles from `x` to `y`.
    pub const fn cycles(&self) -> usize {
        if CYCLES == AS_BUILT { self._built } else { CYCLES }
    }
}

fn ring(width: usize, cycles: usize) -> String {
    let words = cycles - 1;
    let bits = words.next_power_of_two().ilog2().max(1);
    let (top, last) = (width - 1, words - 1);
    format!(
        "(* ram_style = \"distributed\" *)
logic [{top}:0] ring [0:{end}];
logic [{high}:0] place;
initial begin
    for (int i = 0; i < {all}; i = i + 1) ring[i] = {width}'h0;
    place = {bits}'h0;
    y = {width}'h0;
end
always_ff @(posedge clock) begin
    y <= ring[place];
    ring[place] <= x;
    place <= place == {bits}'d{last} ? {bits}'h0 : place + {bits}'h1;
end",
        end = (1 << bits) - 1,
        all = 1 << bits,
        high = bits - 1,
    )
}

fn registers(width: usize, cycles: usize) -> String {
    let range = if width == 1 { String::new() } else { format!(" [{}:0]", width - 1) };
    let stage = |index: usize| if index + 1 == cycles { "y".to_owned() } else { format!("held_{index}") };
    let source = |index: usize| if index == 0 { "x".to_owned() } else { stage(index - 1) };
    let declarations: String = (0..cycles - 1).map(|i| format!("logic{range} {};\n", stage(i))).collect();
    let clear: String = (0..cycles).map(|i| format!("    {} = {width}'h0;\n", stage(i))).collect();
    let shift: String = (0..cycles).map(|i| format!("    {} <= {};\n", stage(i), source(i))).collect();
    format!("{declarations}initial begin\n{clear}end\nalways_ff @(posedge clock) begin\n{shift}end")
}

/// All stages in one word.
fn stages(width: usize, cycles: usize) -> String {
    let (all, kept) = (width * cycles, width * (cycles - 1));
    let top = all - 1;
    let next = if kept == 0 { "x".to_owned() } else { format!("{{held[{}:0], x}}", kept - 1) };
    format!(
        "logic [{top}:0] held;
initial held = {all}'h0;
always_ff @(posedge clock) held <= {next};
assign y = held[{top}:{kept}];"
    )
}

impl<const W: usize, const CYCLES: usize> Logic for Delay<W, CYCLES> {
    fn update(&mut self) {
        if self.clock.pos_edge() {
            self._held.resize(self.cycles() - 1, Bits::default());
            self._held.push_back(self.x.val());
            self.y.next = self._held.pop_front().unwrap_or_default();
        }
    }

    fn hdl(&self) -> Verilog {
        Verilog::Custom(match CYCLES {
            AS_BUILT => stages(W, self._built),
            RING_CYCLES_MIN.. if W >= RING_BITS_MIN => ring(W, CYCLES),
            _ => registers(W, CYCLES),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::{Bench, Family, Random, cells, simulate_rust};
    use crate::emit::emit;

    fn check<const W: usize, const CYCLES: usize>() {
        let bench = Bench::new(&emit(&mut Delay::<W, CYCLES>::default(), "delay").unwrap()).unwrap();
        let mut random = Random::from_seed_variable();
        let inputs: Vec<u64> = (0..1000).map(|_| random.unsigned(W as u32)).collect();
        let mut stimulus = bench.stimulus();
        inputs.iter().for_each(|x| {
            stimulus.cycle().set("x", *x);
        });
        let verilog = bench.run(stimulus.idle(CYCLES)).unwrap();
        let rust = simulate_rust(
            &mut Delay::<W, CYCLES>::default(),
            1000,
            |block, level| block.clock.next = level.into(),
            |block, t| block.x.next = inputs[t].into(),
            |block| block.y.val().to_u64(),
        );
        for t in 0..1000 {
            let expected = if t < CYCLES { 0 } else { inputs[t - CYCLES] };
            assert_eq!(
                (verilog.get(t, "y"), rust[t]),
                (expected, expected),
                "cycle {t} of {W} bits, {CYCLES} cycles"
            );
        }
    }

    #[test]
    fn inputs_come_out_after_their_delay() {
        check::<1, 1>();
        check::<1, 5>();
        check::<18, 2>();
        check::<18, 4>();
        check::<18, 12>();
        check::<18, 17>();
    }

    #[test]
    fn a_long_line_costs_memory_and_one_register() {
        let cells = cells(&emit(&mut Delay::<16, 12>::default(), "delay").unwrap(), Family::Ecp5).unwrap();
        assert_eq!(cells.get("TRELLIS_DPR16X4"), Some(&4), "{cells:?}");
        assert_eq!(cells.get("TRELLIS_FF"), Some(&(16 + 4)), "{cells:?}");
    }

    #[test]
    fn a_line_may_be_as_long_as_it_is_built() {
        for cycles in [1, 2, 14] {
            let bench = Bench::new(&emit(&mut Delay::<9>::new(cycles), "delay").unwrap()).unwrap();
            let mut random = Random::from_seed_variable();
            let inputs: Vec<u64> = (0..1000).map(|_| random.unsigned(9)).collect();
            let mut stimulus = bench.stimulus();
            for x in &inputs {
                stimulus.cycle().set("x", *x);
            }
            let response = bench.run(stimulus.idle(cycles)).unwrap();
            for t in 0..cycles {
                assert_eq!(response.get(t, "y"), 0);
            }
            for (t, x) in inputs.iter().enumerate() {
                assert_eq!(response.get(t + cycles, "y"), *x, "cycle {t} of {cycles}");
            }
        }
    }
}
