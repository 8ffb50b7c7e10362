//! A synthesised chip: the netlist of an FPGA's own cells as a device, cell by cell and cycle by cycle.
//!
//! ```text
//!  PortDevice ─► Framed ─► Netlist ─ bytes, one cycle after the other ─► Machine ◄─ Parts ◄─ Design
//! ```
//!
//! * [`Design`] is the netlist as data; the host reads it from what Yosys wrote.
//! * `cells` says what each cell does, `block_ram` and `multiplier` the larger ones.
//! * `machine` is what runs.
//!
//! # Invariants
//! 1. Nothing here is shared with the RTL or the emulator: equal bits say that synthesis kept them.
//! 2. A byte takes the cycles that it takes in the Verilated chip, so that both can be compared from power-up on.

mod block_ram;
mod cells;
mod design;
mod machine;
mod multiplier;

pub use design::{Bit, Cell, Design};
pub use machine::Machine;

use crate::device::{BytePort, DeviceError, Framed, PATIENCE_CYCLES, PortDevice};

/// The byte port of a netlist.
#[derive(Clone, Debug)]
pub struct Netlist {
    machine: Machine,
    cycles: u64,
}

/// A chip after power-up.
///
/// # Errors
/// The design has a cell, or a mode of one, of which the behaviour is not known here.
pub fn chip(design: &Design) -> Result<PortDevice<Framed<Netlist>>, String> {
    let machine = Machine::new(design, "clock")?;
    Ok(PortDevice::new(Framed { line: Netlist { machine, cycles: 0 } }))
}

impl Netlist {
    /// Clock cycles since power-up.
    pub fn cycles(&self) -> u64 {
        self.cycles
    }

    /// Clocks the chip until a port is high where it is looked at, before the edge of the cycle; its data is what `seen` gives.
    fn wait(&mut self, port: &str, seen: impl Fn(&Machine) -> u8) -> Result<u8, DeviceError> {
        for _ in 0..=PATIENCE_CYCLES {
            self.machine.settle();
            let (ready, data) = (self.machine.get(port) == 1, seen(&self.machine));
            self.machine.clock();
            self.cycles += 1;
            if ready {
                return Ok(data);
            }
        }
        Err(DeviceError::Silent(PATIENCE_CYCLES))
    }
}

impl BytePort for Netlist {
    fn send(&mut self, bytes: &[u8]) -> Result<(), DeviceError> {
        self.machine.set("host_in_valid", 1);
        let sent = bytes.iter().try_for_each(|byte| {
            self.machine.set("host_in_data", u64::from(*byte));
            self.wait("host_in_ready", |_| 0).map(|_| ())
        });
        self.machine.set("host_in_valid", 0);
        sent
    }

    fn receive(&mut self, bytes: &mut [u8]) -> Result<(), DeviceError> {
        self.machine.set("host_out_ready", 1);
        let received = bytes.iter_mut().try_for_each(|byte| {
            *byte = self.wait("host_out_valid", |machine| machine.get("host_out_data") as u8)?;
            Ok(())
        });
        self.machine.set("host_out_ready", 0);
        received
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cell(kind: &str, options: &[(&str, &str)], pins: &[(&str, u32)]) -> Cell {
        Cell {
            name: "x".into(),
            kind: kind.into(),
            options: options.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect(),
            pins: pins.iter().map(|(pin, net)| (pin.to_string(), vec![Bit::Net(*net)])).collect(),
        }
    }

    /// A design with the clock on net 2, the input on net 3 and the output on net 4.
    fn machine(cells: Vec<Cell>) -> Result<Machine, String> {
        let port = |name: &str, net| (name.to_owned(), vec![Bit::Net(net)]);
        let ports = [port("clock", 2), port("in", 3), port("out", 4)].into();
        Machine::new(&Design { ports, cells }, "clock")
    }

    #[test]
    fn a_flip_flop_keeps_takes_and_is_reset() {
        let options = [("CEMUX", "INV"), ("REGSET", "SET")];
        let pins = [("CLK", 2), ("DI", 3), ("Q", 4), ("CE", 5), ("LSR", 6)];
        let wires = [cell("LUT4", &[("INIT", "1010101010101010")], &[("A", 7), ("Z", 5)])];
        let mut machine = machine([&wires[..], &[cell("TRELLIS_FF", &options, &pins)]].concat()).unwrap();
        assert_eq!(machine.get("out"), 1, "it is set at power-up");
        machine.set("in", 0);
        machine.settle();
        machine.clock();
        assert_eq!(machine.get("out"), 0, "its enable is low, which enables it");
        machine.set("in", 1);
        machine.settle();
        machine.clock();
        assert_eq!(machine.get("out"), 1);
    }

    #[test]
    fn what_is_not_known_is_refused_in_words() {
        let refused = |cell: Cell| machine(vec![cell]).map(|_| ()).unwrap_err();
        assert_eq!(
            refused(cell("ALU54B", &[], &[])),
            "x: the behaviour of the cell ALU54B is not known here"
        );
        let pins = [("CLK", 2)];
        let modes = [
            ("TRELLIS_FF", "SRMODE", "ASYNC", "LSR_OVER_CE"),
            ("TRELLIS_FF", "CEMUX", "X", "1, CE or INV"),
            ("CCU2C", "INJECT1_0", "YES", "NO"),
            ("DP16KD", "DATA_WIDTH_A", "0", "9, 18 or 36"),
            ("MULT18X18D", "REG_INPUTA_CLK", "CLK1", "CLK0"),
        ];
        for (kind, option, found, expected) in modes {
            let words = format!("{kind} x: expected {option} to be {expected}, found {found}");
            assert_eq!(refused(cell(kind, &[(option, found)], &pins)), words);
        }
        let nine = [("DATA_WIDTH_A", "1001"), ("DATA_WIDTH_B", "1001"), ("REGMODE_B", "NOREG")];
        assert_eq!(
            refused(cell("DP16KD", &nine, &pins)),
            "DP16KD x: expected REGMODE_B to be OUTREG, found NOREG"
        );
        assert_eq!(
            refused(cell("TRELLIS_FF", &[], &[("CLK", 3)])),
            "expected one clock, the net [2], found another: 3"
        );
        let wire = |from, to| cell("LUT4", &[("INIT", "10")], &[("A", from), ("Z", to)]);
        let words = machine(vec![wire(4, 5), wire(5, 4)]).map(|_| ()).unwrap_err();
        assert_eq!(words, "the netlist has a loop without a register");
    }
}
