//! Block RAM with one write port and one read port, output register on: one ECP5 `DP16KD` where the shape fits.
//!
//! ```text
//!  write_address ─┐
//!  write_data ────┼─► memory ──►[reg]──►[output reg]──► read_data
//!  write_enable ──┘     ▲    stage 1 ┘     stage 2 ┘
//!  read_address ────────┘
//! ```
//!
//! | port            | dir | width     | meaning                                        | cycle   |
//! |-----------------|-----|-----------|------------------------------------------------|---------|
//! | `clock`         | in  | 1         |                                                |         |
//! | `read_address`  | in  | `ADDRESS` |                                                | `t`     |
//! | `read_data`     | out | `DATA`    | what the address held                          | `t + 2` |
//! | `write_enable`  | in  | `LANES`   | bit `i` writes bits `i*DATA/LANES` and up      | `t`     |
//! | `write_address` | in  | `ADDRESS` |                                                | `t`     |
//! | `write_data`    | in  | `DATA`    | seen by reads from `t + 1`                     | `t`     |
//! | `back`          | out | `DATA`    | what `write_address` held, if it was not written; only of [`Ebr::two_way`] | `t + 2` |
//!
//! Throughput: one read and one write per cycle; the write port of a block that is two-way reads where it does not write.
//!
//! One block holds 2048 x 9, 1024 x 18 (lanes of 9) or 512 x 36 (lanes of 9 or 18) and any smaller depth or width. A
//! shape beyond that keeps its behavioural text on the ECP5 too, for Yosys to build from several blocks.
//!
//! # Invariants
//! 1. All words are zero at power-up.
//! 2. The caller never reads an address in the cycle in which it is written: the chip leaves that undefined. The
//!    behavioural text and the model give the old word, also at `back`.

use crate::dialect::*;
use std::fmt::Write;

/// Block RAM of `2^ADDRESS` words of `DATA` bits with `LANES` write enables.
#[derive(LogicBlock)]
pub struct Ebr<const ADDRESS: usize, const DATA: usize, const LANES: usize> {
    pub clock: Signal<In, Clock>,
    pub read_address: Signal<In, Bits<ADDRESS>>,
    pub read_data: Signal<Out, Bits<DATA>>,
    pub write_enable: Signal<In, Bits<LANES>>,
    pub write_address: Signal<In, Bits<ADDRESS>>,
    pub write_data: Signal<In, Bits<DATA>>,
    pub back: Vec<Signal<Out, Bits<DATA>>>,
    _words: Vec<Bits<DATA>>,
    _fetched: Bits<DATA>,
    _fetched_back: Bits<DATA>,
    kind: Kind<Self>,
}

impl<const ADDRESS: usize, const DATA: usize, const LANES: usize> Ebr<ADDRESS, DATA, LANES> {
    /// Cycles from address to data.
    pub const LATENCY: usize = 2;

    /// A block whose write port reads too. At 36 bits both ports make one, so it has none to spare.
    pub fn two_way() -> Self {
        assert!(Self::VENDOR_WIDTH != Some(36), "a block of 36 bits has no second port to read with");
        Self { back: many(1), ..Self::default() }
    }

    const LANE_BITS: usize = {
        assert!(DATA.is_multiple_of(LANES), "lanes must divide the data");
        DATA / LANES
    };

    /// Port width at which one vendor block holds this shape.
    const VENDOR_WIDTH: Option<usize> = match (ADDRESS, DATA, LANES) {
        (..=11, ..=9, 1) => Some(9),
        (..=10, ..=18, 1) | (..=10, 18, 2) => Some(18),
        (..=9, ..=36, 1) | (..=9, 36, 2 | 4) => Some(36),
        _ => None,
    };
}

impl<const ADDRESS: usize, const DATA: usize, const LANES: usize> Default for Ebr<ADDRESS, DATA, LANES> {
    fn default() -> Self {
        let role = if Self::VENDOR_WIDTH.is_some() { Role::BlockRam } else { Role::Module };
        Self {
            clock: Signal::default(),
            read_address: Signal::default(),
            read_data: Signal::default(),
            write_enable: Signal::default(),
            write_address: Signal::default(),
            write_data: Signal::default(),
            back: vec![],
            _words: vec![Bits::default(); 1 << ADDRESS],
            _fetched: Bits::default(),
            _fetched_back: Bits::default(),
            kind: Kind::of(role),
        }
    }
}

/// Behaviour of any shape; Yosys infers block RAM from it.
fn behaviour(address: usize, data: usize, lanes: usize, two_way: bool) -> String {
    let (words, lane, top) = (1usize << address, data / lanes, data - 1);
    let mut writes = String::new();
    for index in 0..lanes {
        let (low, high) = (index * lane, index * lane + lane - 1);
        let _ = writeln!(
            writes,
            "    if (write_enable[{index}]) words[write_address][{high}:{low}] <= write_data[{high}:{low}];"
        );
    }
    // A one-bit enable is declared without a range, so it takes no index.
    let writes = if lanes == 1 { writes.replace("write_enable[0]", "write_enable") } else { writes };
    let when = |text: String| if two_way { text } else { String::new() };
    let declared = when(format!("logic [{top}:0] fetched_back;\n"));
    let initial = when(format!("    fetched_back = {data}'h0;\n    back$0 = {data}'h0;\n"));
    let reads = when("    fetched_back <= words[write_address];\n    back$0 <= fetched_back;\n".to_owned());
    format!(
        "logic [{top}:0] words [0:{last}];
logic [{top}:0] fetched;
{declared}initial begin
    for (int i = 0; i < {words}; i = i + 1) words[i] = {data}'h0;
    fetched = {data}'h0;
    read_data = {data}'h0;
{initial}end
always_ff @(posedge clock) begin
    fetched <= words[read_address];
    read_data <= fetched;
{reads}{writes}end",
        last = words - 1
    )
}

/// The vendor's block at port width `width`: port A writes, port B reads. At width 36 both ports' data pins carry one
/// word, and the low address pins of port A are the byte enables.
fn vendor_cell(address: usize, data: usize, lanes: usize, width: usize, two_way: bool) -> String {
    let address_pin = width.div_ceil(9).ilog2() as usize + 3;
    let enable = |byte: usize| {
        if lanes == 1 { "write_enable".into() } else { format!("write_enable[{}]", byte * 9 * lanes / data) }
    };
    let bit =
        |name: &str, index: usize| if index < data { format!("{name}[{index}]") } else { "1'b0".into() };
    let mut pins = String::new();
    for pin in 0..14usize {
        let at = |name: &str| match pin.checked_sub(address_pin) {
            Some(index) if index < address => format!("{name}[{index}]"),
            _ => "1'b0".to_owned(),
        };
        let byte_enable = width > 9 && pin < width / 9;
        let write_pin = if byte_enable { enable(pin) } else { at("write_address") };
        let _ = writeln!(pins, "    .ADA{pin}({write_pin}), .ADB{pin}({}),", at("read_address"));
    }
    for pin in 0..18 {
        let (low, high) =
            (bit("write_data", pin), if width == 36 { bit("write_data", pin + 18) } else { "1'b0".into() });
        let _ = writeln!(pins, "    .DIA{pin}({low}), .DIB{pin}({high}),");
    }
    let read = |port: char, pin: usize, index: usize| {
        if index < data { format!("    .DO{port}{pin}(read_data[{index}]),\n") } else { String::new() }
    };
    let back = |pin: usize| {
        if two_way && pin < data { format!("    .DOA{pin}(back$0[{pin}]),\n") } else { String::new() }
    };
    for pin in 0..18 {
        pins +=
            &if width == 36 { read('A', pin, pin) + &read('B', pin, pin + 18) } else { read('B', pin, pin) };
        pins += &back(pin);
    }
    let write = if lanes == 1 { "write_enable" } else { "|write_enable" };
    let register_a = if width == 36 || two_way { "OUTREG" } else { "NOREG" };
    format!(
        "DP16KD #(
    .DATA_WIDTH_A({width}), .DATA_WIDTH_B({width}), .REGMODE_A(\"{register_a}\"), .REGMODE_B(\"OUTREG\"),
    .WRITEMODE_A(\"NORMAL\"), .WRITEMODE_B(\"NORMAL\"), .CSDECODE_A(\"0b000\"), .CSDECODE_B(\"0b000\"), .GSR(\"AUTO\")
) block (
{pins}    .CLKA(clock), .CEA(1'b1), .OCEA(1'b1), .WEA({write}), .RSTA(1'b0), .CSA0(1'b0), .CSA1(1'b0), .CSA2(1'b0),
    .CLKB(clock), .CEB(1'b1), .OCEB(1'b1), .WEB(1'b0), .RSTB(1'b0), .CSB0(1'b0), .CSB1(1'b0), .CSB2(1'b0)
);"
    )
}

impl<const ADDRESS: usize, const DATA: usize, const LANES: usize> Logic for Ebr<ADDRESS, DATA, LANES> {
    fn update(&mut self) {
        if !self.clock.pos_edge() {
            return;
        }
        self.read_data.next = self._fetched;
        self._fetched = self._words[self.read_address.val().index()];
        for back in &mut self.back {
            back.next = self._fetched_back;
        }
        self._fetched_back = self._words[self.write_address.val().index()];
        let word = &mut self._words[self.write_address.val().index()];
        for bit in (0..DATA).filter(|bit| self.write_enable.val().get_bit(bit / Self::LANE_BITS)) {
            *word = word.replace_bit(bit, self.write_data.val().get_bit(bit));
        }
    }

    fn hdl(&self) -> Verilog {
        let two_way = !self.back.is_empty();
        let behaviour = behaviour(ADDRESS, DATA, LANES, two_way);
        Verilog::Custom(match Self::VENDOR_WIDTH {
            Some(width) => super::by_family(&vendor_cell(ADDRESS, DATA, LANES, width, two_way), &behaviour),
            None => behaviour,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::{Bench, Family, Random, cells, simulate_rust};
    use crate::emit::{Design, emit};

    fn design<const A: usize, const D: usize, const L: usize>() -> Design {
        emit(&mut Ebr::<A, D, L>::default(), "block_ram").unwrap()
    }

    /// One cycle's inputs: read address, write enables, write address, write data.
    type Access = (u64, u64, u64, u64);

    fn accesses(random: &mut Random, address: u32, data: u32, lanes: u32, count: usize) -> Vec<Access> {
        // Few addresses, so that reads meet writes, the same cycle included.
        let place = |random: &mut Random| random.below(8) * ((1 << address) / 8) + random.below(2);
        (0..count)
            .map(|_| (place(random), random.unsigned(lanes), place(random), random.unsigned(data)))
            .collect()
    }

    /// What each read finds: the words as they were before the cycle's own write.
    fn model(accesses: &[Access], data: u32, lanes: u32) -> Vec<u64> {
        let lane_bits = data / lanes;
        let mut words = std::collections::HashMap::<u64, u64>::new();
        let mut step = |&(read, enable, write, value): &Access| {
            let found = words.get(&read).copied().unwrap_or(0);
            let word = words.entry(write).or_default();
            for lane in (0..lanes).filter(|lane| enable >> lane & 1 == 1) {
                let mask = ((1u64 << lane_bits) - 1) << (lane * lane_bits);
                *word = *word & !mask | value & mask;
            }
            found
        };
        accesses.iter().map(&mut step).collect()
    }

    fn check_verilog<const A: usize, const D: usize, const L: usize>() {
        let bench = Bench::new(&design::<A, D, L>()).unwrap();
        let mut random = Random::from_seed_variable();
        let accesses = accesses(&mut random, A as u32, D as u32, L as u32, 100_000);
        let mut stimulus = bench.stimulus();
        for (read, enable, write, value) in &accesses {
            stimulus.cycle().set("read_address", *read).set("write_enable", *enable);
            stimulus.set("write_address", *write).set("write_data", *value);
        }
        let response = bench.run(stimulus.idle(2)).unwrap();
        for (t, expected) in model(&accesses, D as u32, L as u32).iter().enumerate() {
            assert_eq!(
                response.get(t + Ebr::<A, D, L>::LATENCY, "read_data"),
                *expected,
                "cycle {t} of {A} {D} {L}"
            );
        }
    }

    #[test]
    fn verilog_reads_what_was_written_in_every_shape() {
        check_verilog::<11, 9, 1>();
        check_verilog::<10, 18, 2>();
        check_verilog::<9, 36, 1>();
        check_verilog::<4, 36, 4>();
    }

    /// The write port of a two-way block: what its address held, in each cycle in which it does not write.
    #[test]
    fn the_write_port_of_a_two_way_block_reads() {
        let bench = Bench::new(&emit(&mut Ebr::<10, 18, 2>::two_way(), "block_ram").unwrap()).unwrap();
        let mut random = Random::from_seed_variable();
        let accesses = accesses(&mut random, 10, 18, 2, 50_000);
        let mut stimulus = bench.stimulus();
        for (read, enable, write, value) in &accesses {
            stimulus.cycle().set("read_address", *read).set("write_enable", *enable);
            stimulus.set("write_address", *write).set("write_data", *value);
        }
        let response = bench.run(stimulus.idle(2)).unwrap();
        let reads = model(&accesses, 18, 2);
        let mut words = std::collections::HashMap::<u64, u64>::new();
        for (t, (_, enable, write, value)) in accesses.iter().enumerate() {
            let word = words.entry(*write).or_default();
            if *enable == 0 {
                assert_eq!(response.get(t + 2, "back$0"), *word, "cycle {t}");
            }
            for lane in (0..2).filter(|lane| enable >> lane & 1 == 1) {
                let mask = 0x1ff << (9 * lane);
                *word = *word & !mask | value & mask;
            }
            assert_eq!(response.get(t + 2, "read_data"), reads[t], "cycle {t}");
        }
    }

    #[test]
    fn rust_reads_what_was_written() {
        let accesses = accesses(&mut Random::from_seed_variable(), 5, 18, 2, 2000);
        let drive = |block: &mut Ebr<5, 18, 2>, t: usize| {
            let (read, enable, write, value) = accesses[t];
            (block.read_address.next, block.write_enable.next) = (read.into(), enable.into());
            (block.write_address.next, block.write_data.next) = (write.into(), value.into());
        };
        let clock = |block: &mut Ebr<5, 18, 2>, level: bool| block.clock.next = level.into();
        let results =
            simulate_rust(&mut Ebr::default(), 2000, clock, drive, |block| block.read_data.val().to_u64());
        let expected = model(&accesses, 18, 2);
        assert_eq!(results[2..], expected[..1998]);
    }

    /// Needs no model: a whole memory is written, then read back.
    #[test]
    fn every_word_keeps_its_own_value() {
        let bench = Bench::new(&design::<11, 9, 1>()).unwrap();
        let value = |address: u64| (address * 331 + 7) % 512;
        let mut stimulus = bench.stimulus();
        for address in 0..2048 {
            stimulus
                .cycle()
                .set("write_enable", 1)
                .set("write_address", address)
                .set("write_data", value(address));
        }
        for address in 0..2048 {
            stimulus.cycle().set("read_address", address);
        }
        let response = bench.run(stimulus.idle(2)).unwrap();
        for address in 0..2048 {
            assert_eq!(
                response.get(2048 + address + 2, "read_data"),
                value(address as u64),
                "address {address}"
            );
        }
    }

    #[test]
    fn each_shape_costs_one_vendor_block_and_nothing_else() {
        let one = |design: Design| cells(&design, Family::Ecp5).unwrap().into_iter().collect::<Vec<_>>();
        assert_eq!(one(design::<11, 9, 1>()), [("DP16KD".to_owned(), 1)]);
        assert_eq!(one(design::<9, 36, 1>()), [("DP16KD".to_owned(), 1)]);
        assert_eq!(one(design::<6, 9, 1>()), [("DP16KD".to_owned(), 1)]);
        let lanes = cells(&design::<10, 18, 2>(), Family::Ecp5).unwrap();
        assert_eq!(lanes.get("DP16KD"), Some(&1));
        assert_eq!(
            one(emit(&mut Ebr::<10, 18, 1>::two_way(), "block_ram").unwrap()),
            [("DP16KD".to_owned(), 1)]
        );
    }

    #[test]
    fn a_shape_beyond_one_block_is_left_to_yosys() {
        let cells = cells(&design::<12, 18, 1>(), Family::Ecp5).unwrap();
        assert_eq!(cells.get("DP16KD"), Some(&4), "{cells:?}");
    }
}
