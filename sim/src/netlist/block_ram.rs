//! The block RAM `DP16KD` in the modes that `hdl/src/primitives/ebr.rs` asks for: port A writes, port B reads through its output
//! register, both equally wide.
//!
//! The highest address pins count. At 18 and 36 bits the lowest ones of port A enable bytes of nine bits. At 36 bits both ports'
//! data pins carry one word, the lower half of it on those of port A.
//!
//! What a read finds where a word is written in the same cycle is undefined in the FPGA. Here it is the complement of the old
//! word, so that whoever depends on it is found.

use super::design::{Cell, LOW};
use super::machine::{Changes, number, put};

const BYTE_BITS: usize = 9;
const ADDRESS_PINS: usize = 14;

/// The block and its content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlockRam {
    /// All must be high, and all must be low, for a write.
    write: [Vec<u32>; 2],
    /// One for each byte; high where there are none.
    byte_enables: Vec<u32>,
    write_address: Vec<u32>,
    data: Vec<u32>,
    read: [Vec<u32>; 2],
    read_address: Vec<u32>,
    output_enable: u32,
    reset: u32,
    outputs: Vec<u32>,
    words: Vec<u64>,
    fetched: u64,
    output: u64,
}

impl BlockRam {
    pub fn new(cell: &Cell) -> Result<Self, String> {
        let width = cell.number("DATA_WIDTH_A")? as usize;
        let first_pin = match width {
            9 => 3,
            18 => 4,
            36 => 5,
            other => return Err(cell.refuse("DATA_WIDTH_A", "9, 18 or 36", &other.to_string())),
        };
        if cell.number("DATA_WIDTH_B")? != width as u64 {
            return Err(cell.refuse(
                "DATA_WIDTH_B",
                "that of A",
                cell.option("DATA_WIDTH_B").unwrap_or("none"),
            ));
        }
        cell.expect(&[
            ("REGMODE_A", if width == 36 { "OUTREG" } else { "NOREG" }),
            ("REGMODE_B", "OUTREG"),
            ("WRITEMODE_A", "NORMAL"),
            ("CSDECODE_A", "0b000"),
            ("CSDECODE_B", "0b000"),
            ("RESETMODE", "SYNC"),
        ])?;
        let filled = |(name, value): (&String, &String)| name.starts_with("INITVAL") && value.contains('1');
        if cell.options.iter().any(filled) {
            return Err(cell.refuse("INITVAL", "zero", "something else"));
        }
        let (a, b) = (cell.numbered::<ADDRESS_PINS>("ADA"), cell.numbered::<ADDRESS_PINS>("ADB"));
        let both = |pins_a: &str, pins_b: &str| {
            let (a, b) = (cell.numbered::<18>(pins_a), cell.numbered::<18>(pins_b));
            [a, b].concat()
        };
        let outputs = if width == 36 { both("DOA", "DOB") } else { cell.numbered::<18>("DOB").to_vec() };
        Ok(Self {
            write: [vec![cell.net("CEA"), cell.net("WEA")], cell.numbered::<3>("CSA").to_vec()],
            byte_enables: if width > BYTE_BITS {
                a[..width / BYTE_BITS].to_vec()
            } else {
                vec![super::design::HIGH]
            },
            write_address: a[first_pin..].to_vec(),
            data: both("DIA", "DIB")[..width].to_vec(),
            read: [vec![cell.net("CEB")], cell.numbered::<3>("CSB").to_vec()],
            read_address: b[first_pin..].to_vec(),
            output_enable: cell.net("OCEB"),
            reset: cell.net("RSTB"),
            outputs: outputs[..width].to_vec(),
            words: vec![0; 1 << (ADDRESS_PINS - first_pin)],
            fetched: 0,
            output: 0,
        })
    }

    pub fn inputs(&self) -> impl Iterator<Item = u32> {
        let (write, read) = (self.write.iter().flatten(), self.read.iter().flatten());
        let pins = [&self.byte_enables, &self.write_address, &self.data, &self.read_address];
        let pins = pins.into_iter().flatten().chain([&self.output_enable, &self.reset]);
        write.chain(read).chain(pins).copied().filter(|net| *net > LOW)
    }

    /// A rising edge; whether the next one may change something though no input does.
    pub fn clock(&mut self, values: &[u8], changes: &mut Changes) -> bool {
        let is = |nets: &[Vec<u32>; 2]| {
            let high = |net: &u32| values[*net as usize] == 1;
            nets[0].iter().all(high) && !nets[1].iter().any(high)
        };
        let before = (self.fetched, self.output);
        let mask = if is(&self.write) { self.mask(values) } else { 0 };
        let place = number(values, &self.write_address) as usize;
        if values[self.output_enable as usize] == 1 {
            self.output = self.fetched;
        }
        if is(&self.read) {
            let from = number(values, &self.read_address) as usize;
            let meets = mask != 0 && from == place;
            self.fetched = self.words[from] ^ if meets { (1 << self.outputs.len()) - 1 } else { 0 };
        }
        if values[self.reset as usize] == 1 {
            (self.fetched, self.output) = (0, 0);
        }
        if mask != 0 {
            let word = &mut self.words[place];
            *word = *word & !mask | number(values, &self.data) & mask;
        }
        put(changes, &self.outputs, self.output);
        mask != 0 || before != (self.fetched, self.output)
    }

    /// The bits that are written.
    fn mask(&self, values: &[u8]) -> u64 {
        let byte =
            |(index, net): (usize, &u32)| (u64::from(values[*net as usize]) * 0x1ff) << (BYTE_BITS * index);
        self.byte_enables.iter().enumerate().map(byte).sum()
    }
}
