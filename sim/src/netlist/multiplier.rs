//! The multiplier `MULT18X18D` in the mode that `hdl/src/primitives/mult.rs` asks for: registers on both operands and on the
//! product, with one clock, one enable and one synchronous reset.

use super::design::Cell;
use super::machine::{Changes, number, put};

/// The multiplier and its registers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Multiplier {
    a: [u32; 18],
    b: [u32; 18],
    /// High where the operand is signed.
    signed: [u32; 2],
    enable: u32,
    reset: u32,
    outputs: [u32; 36],
    held: (i64, i64),
    product: i64,
}

impl Multiplier {
    pub fn new(cell: &Cell) -> Result<Self, String> {
        for register in ["INPUTA", "INPUTB", "OUTPUT"] {
            let name = |what: &str| format!("REG_{register}_{what}");
            let clock = name("CLK");
            match cell.option(&clock) {
                Some("CLK0") => {}
                other => return Err(cell.refuse(&clock, "CLK0", other.unwrap_or("NONE"))),
            }
            cell.expect(&[(&name("CE"), "CE0"), (&name("RST"), "RST0")])?;
        }
        cell.expect(&[("REG_PIPELINE_CLK", "NONE"), ("RESETMODE", "SYNC"), ("MULT_BYPASS", "DISABLED")])?;
        Ok(Self {
            a: cell.numbered("A"),
            b: cell.numbered("B"),
            signed: [cell.net("SIGNEDA"), cell.net("SIGNEDB")],
            enable: cell.net("CE0"),
            reset: cell.net("RST0"),
            outputs: cell.numbered("P"),
            held: (0, 0),
            product: 0,
        })
    }

    pub fn inputs(&self) -> impl Iterator<Item = u32> {
        self.a.iter().chain(&self.b).chain(&self.signed).copied().chain([self.enable, self.reset])
    }

    /// A rising edge; whether the next one may change something though no input does.
    pub fn clock(&mut self, values: &[u8], changes: &mut Changes) -> bool {
        let operand = |nets: &[u32; 18], signed: u32| {
            let bits = number(values, nets) as i64;
            let negative = values[signed as usize] == 1 && bits >> 17 == 1;
            bits - if negative { 1 << 18 } else { 0 }
        };
        let before = (self.held, self.product);
        if values[self.enable as usize] == 1 {
            self.product = self.held.0 * self.held.1;
            self.held = (operand(&self.a, self.signed[0]), operand(&self.b, self.signed[1]));
        }
        if values[self.reset as usize] == 1 {
            (self.held, self.product) = ((0, 0), 0);
        }
        put(changes, &self.outputs, self.product as u64);
        before != (self.held, self.product)
    }
}
