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
//! A family's cell stands under the family's define; without it both clocks are the oscillator, for simulation.
//!
//! # Invariants
//! 1. Rising edges of `control` fall on rising edges of `datapath` when its divisor is a multiple.

use crate::kind::Kind;
use rust_hdl::prelude::*;

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

/// The PLL of a board.
#[derive(LogicBlock)]
pub struct Pll {
    pub oscillator: Signal<In, Clock>,
    pub datapath: Signal<Out, Clock>,
    pub control: Signal<Out, Clock>,
    pub locked: Signal<Out, Bit>,
    _settings: PllSettings,
    kind: Kind<Self>,
}

impl Pll {
    /// The PLL with these divisors.
    pub fn new(settings: PllSettings) -> Self {
        Self {
            oscillator: Default::default(),
            datapath: Default::default(),
            control: Default::default(),
            locked: Default::default(),
            _settings: settings,
            kind: Kind::named("pll"),
        }
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

impl Logic for Pll {
    fn update(&mut self) {
        self.datapath.next = self.oscillator.val();
        self.control.next = self.oscillator.val();
        self.locked.next = true;
    }

    fn connect(&mut self) {
        self.datapath.connect();
        self.control.connect();
        self.locked.connect();
    }

    fn hdl(&self) -> Verilog {
        let (define, cell) = self.vendor_cell();
        Verilog::Custom(format!(
            "`ifdef {define}\n{cell}\n`else\nassign datapath = oscillator;\nassign control = oscillator;\nassign locked = 1'b1;\n`endif"
        ))
    }
}
