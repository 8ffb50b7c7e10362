//! What the cells of an ECP5 do, as parts of a [`Machine`](super::machine::Machine).
//!
//! All that is between registers is a table of at most five inputs, or a read of distributed memory. The sources are Lattice's
//! FPGA-TN-02204 (memory) and FPGA-TN-02205 (multipliers), and Yosys's description of the carry cell. A mode that neither our
//! primitives nor Yosys ask for is refused.

use super::block_ram::BlockRam;
use super::design::{Cell, HIGH};
use super::multiplier::Multiplier;

/// A part whose output follows its inputs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Settled {
    /// Bit `i` of the table, where the inputs spell `i`, the first one its lowest bit.
    Table { inputs: [u32; 5], table: u32, output: u32 },
    /// A word of a distributed memory.
    Read { memory: u32, address: [u32; 4], outputs: [u32; 4] },
}

/// A part that changes with the clock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Clocked {
    /// A flip-flop, which keeps its bit unless it is enabled or reset; a reset comes first.
    FlipFlop {
        input: u32,
        enable: u32,
        inverted: bool,
        reset: u32,
        reset_to: bool,
        output: u32,
    },
    /// The write port of a distributed memory.
    Write {
        memory: u32,
        enable: u32,
        address: [u32; 4],
        data: [u32; 4],
    },
    BlockRam(Box<BlockRam>),
    Multiplier(Box<Multiplier>),
}

/// Parts of a design.
#[derive(Clone, Debug, Default)]
pub struct Parts {
    pub settled: Vec<Settled>,
    pub clocked: Vec<Clocked>,
    /// Distributed memories as they are at power-up.
    pub memories: Vec<[u8; 16]>,
    /// Nets that are high at power-up.
    pub high: Vec<u32>,
    /// Nets at clock pins.
    pub clocks: Vec<u32>,
    /// The first number that no net has.
    pub nets: u32,
}

/// The table of a function of bits.
fn table(function: impl Fn([bool; 5]) -> bool) -> u32 {
    let bits = |index: u32| std::array::from_fn(|bit| index >> bit & 1 == 1);
    (0..32).map(|index| u32::from(function(bits(index))) << index).sum()
}

/// A bit of a table of four inputs.
fn look_up(table: u64, inputs: &[bool]) -> bool {
    let index: u32 = inputs.iter().enumerate().map(|(bit, high)| u32::from(*high) << bit).sum();
    table >> index & 1 == 1
}

impl Parts {
    /// Adds what a cell does.
    pub fn add(&mut self, cell: &Cell) -> Result<(), String> {
        match cell.kind.as_str() {
            "LUT4" => self.look_up_table(cell),
            "PFUMX" => self.multiplexer(cell, ["BLUT", "ALUT", "C0"]),
            "L6MUX21" => self.multiplexer(cell, ["D0", "D1", "SD"]),
            "CCU2C" => self.carry(cell),
            "TRELLIS_FF" => self.flip_flop(cell),
            "TRELLIS_DPR16X4" => self.distributed_memory(cell),
            "DP16KD" => {
                self.clocks.extend([cell.net("CLKA"), cell.net("CLKB")]);
                self.clocked.push(Clocked::BlockRam(Box::new(BlockRam::new(cell)?)));
                Ok(())
            }
            "MULT18X18D" => {
                self.clocks.push(cell.net("CLK0"));
                self.clocked.push(Clocked::Multiplier(Box::new(Multiplier::new(cell)?)));
                Ok(())
            }
            kind => Err(format!("{}: the behaviour of the cell {kind} is not known here", cell.name)),
        }
    }

    fn function(&mut self, inputs: [u32; 5], output: u32, function: impl Fn([bool; 5]) -> bool) {
        self.settled.push(Settled::Table { inputs, table: table(function), output });
    }

    fn look_up_table(&mut self, cell: &Cell) -> Result<(), String> {
        let table = cell.number("INIT")?;
        let [a, b, c, d] = ["A", "B", "C", "D"].map(|pin| cell.net(pin));
        self.function([a, b, c, d, 0], cell.net("Z"), |bits| look_up(table, &bits[..4]));
        Ok(())
    }

    fn multiplexer(&mut self, cell: &Cell, [low, high, select]: [&str; 3]) -> Result<(), String> {
        let inputs = [cell.net(low), cell.net(high), cell.net(select), 0, 0];
        self.function(inputs, cell.net("Z"), |[low, high, select, ..]| if select { high } else { low });
        Ok(())
    }

    /// Two bits of a sum: each is a table of four inputs and the carry, which goes on or is made from the first two.
    fn carry(&mut self, cell: &Cell) -> Result<(), String> {
        cell.expect(&[("INJECT1_0", "NO"), ("INJECT1_1", "NO")])?;
        let between = self.nets;
        self.nets += 1;
        for (half, carry, out) in [(0, cell.net("CIN"), between), (1, between, cell.net("COUT"))] {
            let table = cell.number(&format!("INIT{half}"))?;
            let [a, b, c, d] = ["A", "B", "C", "D"].map(|pin| cell.net(&format!("{pin}{half}")));
            let inputs = [a, b, c, d, carry];
            self.function(inputs, cell.net(&format!("S{half}")), |bits| {
                look_up(table, &bits[..4]) != bits[4]
            });
            self.function(inputs, out, |bits| match look_up(table, &bits[..4]) {
                true => bits[4],
                false => look_up(table & 0xf, &bits[..2]),
            });
        }
        Ok(())
    }

    fn flip_flop(&mut self, cell: &Cell) -> Result<(), String> {
        cell.expect(&[("CLKMUX", "CLK"), ("LSRMUX", "LSR"), ("SRMODE", "LSR_OVER_CE"), ("LSRMODE", "LSR")])?;
        let (enable, inverted) = match cell.option("CEMUX") {
            None | Some("1") => (HIGH, false),
            Some("CE") => (cell.net("CE"), false),
            Some("INV") => (cell.net("CE"), true),
            Some(other) => return Err(cell.refuse("CEMUX", "1, CE or INV", other)),
        };
        let reset_to = match cell.option("REGSET") {
            None | Some("RESET") => false,
            Some("SET") => true,
            Some(other) => return Err(cell.refuse("REGSET", "RESET or SET", other)),
        };
        let (input, reset, output) = (cell.net("DI"), cell.net("LSR"), cell.net("Q"));
        self.high.extend(reset_to.then_some(output));
        self.clocks.push(cell.net("CLK"));
        self.clocked.push(Clocked::FlipFlop { input, enable, inverted, reset, reset_to, output });
        Ok(())
    }

    fn distributed_memory(&mut self, cell: &Cell) -> Result<(), String> {
        cell.expect(&[("WCKMUX", "WCK"), ("WREMUX", "WRE")])?;
        let (memory, words) = (self.memories.len() as u32, cell.number("INITVAL")?);
        self.memories.push(std::array::from_fn(|word| (words >> (4 * word)) as u8 & 0xf));
        self.settled.push(Settled::Read { memory, address: cell.nets("RAD"), outputs: cell.nets("DO") });
        self.clocks.push(cell.net("WCK"));
        let (enable, address, data) = (cell.net("WRE"), cell.nets("WAD"), cell.nets("DI"));
        self.clocked.push(Clocked::Write { memory, enable, address, data });
        Ok(())
    }
}
