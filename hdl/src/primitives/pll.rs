//! The clocks of a board: its oscillator through the family's phase-locked loop.
//!
//! ```text
//!                ┌─────┐ datapath ─► the chip
//!  oscillator ──►│ PLL │ control  ─► slower, in step with the datapath
//!                └─────┘ locked
//! ```
//!
//! | port                  | dir | width | meaning                                     |
//! |-----------------------|-----|-------|---------------------------------------------|
//! | `oscillator`          | in  | clock | the board's pin                             |
//! | `datapath`, `control` | out | clock | as [`PllSettings`] says                     |
//! | `locked`              | out | 1     | the clocks are steady; changes at any time  |
//!
//! A family's cell stands under the family's define. Without it, for simulation, the datapath's clock is the oscillator, and the
//! control clock as much slower as the divisors say.
//!
//! # Invariants
//! 1. Rising edges of `control` fall on rising edges of `datapath` when its divisor is a multiple.

use crate::dialect::*;

/// Divisors of a family's PLL, as its data sheet names them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PllSettings {
    /// Lattice ECP5, EHXPLLL with feedback from CLKOP: the loop runs at `oscillator / input * feedback * output`.
    Ecp5 {
        /// CLKI_DIV.
        input: u32,
        /// CLKFB_DIV.
        feedback: u32,
        /// CLKOP_DIV, of the datapath clock.
        output: u32,
        /// CLKOS_DIV, of the control clock.
        output_control: u32,
    },
}

/// No clock is divided.
impl Default for PllSettings {
    fn default() -> Self {
        Self::Ecp5 { input: 1, feedback: 1, output: 1, output_control: 1 }
    }
}

/// The PLL of a board.
#[derive(LogicBlock, Default)]
pub struct Pll {
    pub oscillator: Signal<In, Clock>,
    pub datapath: Signal<Out, Clock>,
    pub control: Signal<Out, Clock>,
    pub locked: Signal<Out, Bit>,
    _settings: PllSettings,
    /// Cycles of the oscillator in the control clock's present one.
    _cycles: u32,
    kind: Kind<Self>,
}

impl PllSettings {
    /// Cycles of the datapath clock in one of the control clock.
    pub fn control_ratio(self) -> u32 {
        match self {
            PllSettings::Ecp5 { output, output_control, .. } => output_control / output,
        }
    }
}

impl Pll {
    /// The PLL with these divisors.
    pub fn new(settings: PllSettings) -> Self {
        Self { _settings: settings, kind: Kind::named("pll"), ..Self::default() }
    }

    fn vendor_cell(&self) -> (&'static str, String) {
        match self._settings {
            PllSettings::Ecp5 { input, feedback, output, output_control } => {
                ("LPU_ECP5", ecp5(input, feedback, output, output_control))
            }
        }
    }
}

/// The outputs' phases are equal, which puts their edges together; current and filter are what `ecppll` chooses.
fn ecp5(input: u32, feedback: u32, output: u32, output_control: u32) -> String {
    let phase = (output / 2).saturating_sub(1);
    format!(
        "(* ICP_CURRENT=\"12\" *) (* LPF_RESISTOR=\"8\" *) (* MFG_ENABLE_FILTEROPAMP=\"1\" *) (* MFG_GMCREF_SEL=\"2\" *)
EHXPLLL #(
    .PLLRST_ENA(\"DISABLED\"), .INTFB_WAKE(\"DISABLED\"), .STDBY_ENABLE(\"DISABLED\"), .DPHASE_SOURCE(\"DISABLED\"),
    .OUTDIVIDER_MUXA(\"DIVA\"), .OUTDIVIDER_MUXB(\"DIVB\"), .OUTDIVIDER_MUXC(\"DIVC\"), .OUTDIVIDER_MUXD(\"DIVD\"),
    .CLKI_DIV({input}), .CLKFB_DIV({feedback}), .FEEDBK_PATH(\"CLKOP\"),
    .CLKOP_ENABLE(\"ENABLED\"), .CLKOP_DIV({output}), .CLKOP_CPHASE({phase}), .CLKOP_FPHASE(0),
    .CLKOS_ENABLE(\"ENABLED\"), .CLKOS_DIV({output_control}), .CLKOS_CPHASE({phase}), .CLKOS_FPHASE(0)
) loop (
    .CLKI(oscillator), .CLKFB(datapath), .CLKOP(datapath), .CLKOS(control), .LOCK(locked),
    .RST(1'b0), .STDBY(1'b0), .PHASESEL0(1'b0), .PHASESEL1(1'b0), .PHASEDIR(1'b1), .PHASESTEP(1'b1),
    .PHASELOADREG(1'b1), .PLLWAKESYNC(1'b0), .ENCLKOP(1'b0)
);"
    )
}

/// Both clocks without a loop: the control clock rises with the oscillator, every `ratio` cycles of it.
fn behaviour(ratio: u32) -> String {
    let control = if ratio == 1 {
        "assign control = oscillator;".to_owned()
    } else {
        let (last, half) = (ratio - 1, ratio / 2);
        format!(
            "logic [7:0] cycles = 8'd{last};
logic level = 1'b0;
always_ff @(posedge oscillator) begin
    cycles <= (cycles == 8'd{last}) ? 8'd0 : cycles + 8'd1;
    level <= (cycles == 8'd{last}) || (cycles + 8'd1 < 8'd{half});
end
assign control = level;"
        )
    };
    format!("assign datapath = oscillator;\nassign locked = 1'b1;\n{control}")
}

impl Logic for Pll {
    fn update(&mut self) {
        let ratio = self._settings.control_ratio();
        self.datapath.next = self.oscillator.val();
        self.locked.next = true;
        if ratio == 1 {
            self.control.next = self.oscillator.val();
        } else if self.oscillator.pos_edge() {
            self.control.next = (self._cycles < ratio / 2).into();
            self._cycles = (self._cycles + 1) % ratio;
        }
    }

    fn hdl(&self) -> Verilog {
        let (define, cell) = self.vendor_cell();
        let behaviour = behaviour(self._settings.control_ratio());
        Verilog::Custom(format!("`ifdef {define}\n{cell}\n`else\n{behaviour}\n`endif"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::Bench;
    use crate::emit::emit;

    #[test]
    fn the_control_clock_rises_with_the_datapath_s_every_so_many_cycles() {
        for ratio in [1, 2, 3, 5] {
            let settings = PllSettings::Ecp5 { input: 1, feedback: 4, output: 6, output_control: 6 * ratio };
            let bench = Bench::new(&emit(&mut Pll::new(settings), "pll").unwrap()).unwrap();
            let mut stimulus = bench.stimulus();
            for row in 0..240 {
                stimulus.cycle().set("oscillator", row % 2);
            }
            let response = bench.run(&stimulus).unwrap();
            let level = |row: usize, clock: &str| response.get(row, clock);
            let rising = (1..240).filter(|&row| level(row, "control") > level(row - 1, "control"));
            let rising: Vec<usize> = rising.collect();
            let period = 2 * ratio as usize;
            assert_eq!(rising, (1..240).step_by(period).collect::<Vec<_>>(), "ratio {ratio}");
            for row in 0..240 {
                assert_eq!(level(row, "datapath"), row as u64 % 2);
                assert_eq!(level(row, "locked"), 1);
            }
        }
    }
}
