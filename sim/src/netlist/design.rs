//! A netlist as data: cells, their options, and the nets at their pins.

use std::collections::BTreeMap;

/// What a pin is connected to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bit {
    Constant(bool),
    /// A net, by a number above 1.
    Net(u32),
}

/// One cell of an FPGA.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cell {
    /// Its path in the design.
    pub name: String,
    pub kind: String,
    pub options: BTreeMap<String, String>,
    pub pins: BTreeMap<String, Vec<Bit>>,
}

/// A module without hierarchy.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Design {
    pub ports: BTreeMap<String, Vec<Bit>>,
    pub cells: Vec<Cell>,
}

/// Net of all pins that are low.
pub(super) const LOW: u32 = 0;
/// Net of all pins that are high.
pub(super) const HIGH: u32 = 1;

impl Bit {
    pub(super) fn net(self) -> u32 {
        match self {
            Self::Constant(high) => u32::from(high),
            Self::Net(number) => number,
        }
    }
}

impl Cell {
    /// The net at a pin of one bit; an open pin is low.
    pub(super) fn net(&self, pin: &str) -> u32 {
        self.nets::<1>(pin)[0]
    }

    /// The nets at a pin of several bits.
    pub(super) fn nets<const N: usize>(&self, pin: &str) -> [u32; N] {
        let bits = self.pins.get(pin).map_or(&[][..], Vec::as_slice);
        std::array::from_fn(|index| bits.get(index).map_or(LOW, |bit| bit.net()))
    }

    /// The nets at pins that are numbered.
    pub(super) fn numbered<const N: usize>(&self, pin: &str) -> [u32; N] {
        std::array::from_fn(|index| self.net(&format!("{pin}{index}")))
    }

    /// An option's value, without the space that Yosys puts behind digits which are text.
    pub(super) fn option(&self, name: &str) -> Option<&str> {
        self.options.get(name).map(|value| value.trim_end())
    }

    /// An option that is a number, in binary digits; one that nobody reads is `x`.
    pub(super) fn number(&self, name: &str) -> Result<u64, String> {
        let text = self.option(name).unwrap_or("0");
        let digits = text.replace('x', "0");
        u64::from_str_radix(&digits, 2).map_err(|_| self.refuse(name, "binary digits", text))
    }

    /// Refuses options of which the behaviour is not known here.
    pub(super) fn expect(&self, options: &[(&str, &str)]) -> Result<(), String> {
        let wrong =
            |(name, expected): &&(&str, &str)| self.option(name).is_some_and(|found| found != *expected);
        match options.iter().find(wrong) {
            None => Ok(()),
            Some((name, expected)) => Err(self.refuse(name, expected, self.option(name).unwrap_or_default())),
        }
    }

    pub(super) fn refuse(&self, option: &str, expected: &str, found: &str) -> String {
        format!("{} {}: expected {option} to be {expected}, found {found}", self.kind, self.name)
    }
}
