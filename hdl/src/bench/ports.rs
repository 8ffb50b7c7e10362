//! Port values of many cycles as 32-bit words, and their readable access.
//!
//! Each port takes as many words as it needs, lowest bits first; a cycle is the ports in their order.
//! Wrong names, cycles and values are faults of the test itself: these functions panic and say which.

use crate::emit::Port;

/// Name of the clock input; it is driven by the harness and is no part of the stimulus.
pub const CLOCK: &str = "clock";

/// Where each port lies in a cycle's words.
#[derive(Clone, Debug)]
pub(super) struct Layout {
    ports: Vec<(Port, usize)>,
    pub words: usize,
}

impl Layout {
    pub fn new<'a>(ports: impl IntoIterator<Item = &'a Port>) -> Self {
        let mut words = 0;
        let place = |port: &Port| {
            let at = words;
            words += port.width_bits.div_ceil(32);
            (port.clone(), at)
        };
        let ports = ports.into_iter().map(place).collect();
        Self { ports, words }
    }

    /// Width and first word of the port `name`.
    fn find(&self, name: &str) -> (usize, usize) {
        let names = || self.ports.iter().map(|(port, _)| port.name.as_str()).collect::<Vec<_>>().join(", ");
        let found = self.ports.iter().find(|(port, _)| port.name == name);
        let (port, at) = found.unwrap_or_else(|| panic!("no port `{name}`: the ports are {}", names()));
        (port.width_bits, *at)
    }
}

/// The lowest `bits` bits.
fn mask(bits: usize) -> u64 {
    if bits >= 64 { u64::MAX } else { (1 << bits) - 1 }
}

fn sign_extend(value: u64, bits: usize) -> i64 {
    let unused = 64 - bits as u32;
    ((value << unused) as i64) >> unused
}

/// Reads `bits` (at most 64) from bit `at` up.
fn read_bits(words: &[u32], at: usize, bits: usize) -> u64 {
    let word = |index: usize| u128::from(words.get(index).copied().unwrap_or(0));
    let low = at / 32;
    let window = word(low) | word(low + 1) << 32 | word(low + 2) << 64;
    (window >> (at % 32)) as u64 & mask(bits)
}

fn write_bits(words: &mut [u32], at: usize, bits: usize, value: u64) {
    for bit in 0..bits {
        let (word, place) = ((at + bit) / 32, (at + bit) % 32);
        words[word] = words[word] & !(1 << place) | (((value >> bit) as u32 & 1) << place);
    }
}

/// Inputs, cycle by cycle.
#[derive(Clone, Debug)]
pub struct Stimulus {
    layout: Layout,
    words: Vec<u32>,
    cycles: usize,
}

impl Stimulus {
    pub(super) fn new(layout: Layout) -> Self {
        Self { layout, words: vec![], cycles: 0 }
    }

    /// Number of cycles so far.
    pub fn cycles(&self) -> usize {
        self.cycles
    }

    /// Starts a new cycle with all inputs zero; the setters then act on it.
    pub fn cycle(&mut self) -> &mut Self {
        self.words.resize(self.words.len() + self.layout.words, 0);
        self.cycles += 1;
        self
    }

    /// Adds `cycles` cycles with all inputs zero, to let a pipeline run empty.
    pub fn idle(&mut self, cycles: usize) -> &mut Self {
        (0..cycles).for_each(|_| {
            self.cycle();
        });
        self
    }

    fn port(&mut self, name: &str) -> (usize, &mut [u32]) {
        assert!(self.cycles > 0, "call `cycle` before setting `{name}`");
        self.port_at(self.cycles - 1, name)
    }

    fn port_at(&mut self, cycle: usize, name: &str) -> (usize, &mut [u32]) {
        let (bits, at) = self.layout.find(name);
        let from = cycle * self.layout.words + at;
        (bits, &mut self.words[from..from + bits.div_ceil(32)])
    }

    /// Sets a port of at most 64 bits in the cycle before the present one.
    pub fn set_before(&mut self, name: &str, value: u64) -> &mut Self {
        assert!(self.cycles > 1, "there is no cycle before the first, for `{name}`");
        let (bits, words) = self.port_at(self.cycles - 2, name);
        assert!(bits <= 64 && value <= mask(bits), "{value} does not fit `{name}` of {bits} bits");
        write_bits(words, 0, bits, value);
        self
    }

    /// Sets a port of at most 64 bits.
    pub fn set(&mut self, name: &str, value: u64) -> &mut Self {
        let (bits, words) = self.port(name);
        assert!(bits <= 64 && value <= mask(bits), "{value} does not fit `{name}` of {bits} bits");
        write_bits(words, 0, bits, value);
        self
    }

    /// Sets a port of at most 64 bits to a two's complement number.
    pub fn set_signed(&mut self, name: &str, value: i64) -> &mut Self {
        let (bits, words) = self.port(name);
        let fits = bits <= 64 && sign_extend(value as u64 & mask(bits), bits) == value;
        assert!(fits, "{value} does not fit `{name}` of {bits} signed bits");
        write_bits(words, 0, bits, value as u64);
        self
    }

    /// Sets a port of any width, lowest word first.
    pub fn set_words(&mut self, name: &str, value: &[u32]) -> &mut Self {
        let (bits, words) = self.port(name);
        assert_eq!(words.len(), value.len(), "`{name}` of {bits} bits");
        words.copy_from_slice(value);
        if bits % 32 != 0 {
            words[bits / 32] &= mask(bits % 32) as u32;
        }
        self
    }

    /// Sets a port made of equal lanes, lane 0 in the lowest bits; lanes are taken modulo their width, so that
    /// signed and unsigned numbers both do.
    pub fn set_lanes(&mut self, name: &str, lane_bits: usize, lanes: &[i64]) -> &mut Self {
        let (bits, words) = self.port(name);
        assert_eq!(bits, lane_bits * lanes.len(), "`{name}` in lanes of {lane_bits} bits");
        for (index, lane) in lanes.iter().enumerate() {
            write_bits(words, index * lane_bits, lane_bits, *lane as u64);
        }
        self
    }

    pub(super) fn bytes(&self) -> Vec<u8> {
        self.words.iter().flat_map(|word| word.to_le_bytes()).collect()
    }
}

/// Outputs, cycle by cycle.
#[derive(Clone, Debug)]
pub struct Response {
    layout: Layout,
    words: Vec<u32>,
}

impl Response {
    pub(super) fn new(layout: Layout, bytes: &[u8]) -> Self {
        let words = bytes.chunks_exact(4).map(|b| u32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect();
        Self { layout, words }
    }

    /// All words of a port in a cycle, lowest first.
    pub fn words(&self, cycle: usize, name: &str) -> &[u32] {
        let (bits, at) = self.layout.find(name);
        let from = cycle * self.layout.words + at;
        assert!(from < self.words.len(), "cycle {cycle} was not run");
        &self.words[from..from + bits.div_ceil(32)]
    }

    /// A port of at most 64 bits.
    pub fn get(&self, cycle: usize, name: &str) -> u64 {
        let bits = self.layout.find(name).0;
        assert!(bits <= 64, "`{name}` has {bits} bits: use `words` or `lanes`");
        read_bits(self.words(cycle, name), 0, bits)
    }

    /// A port of at most 64 bits as a two's complement number.
    pub fn signed(&self, cycle: usize, name: &str) -> i64 {
        sign_extend(self.get(cycle, name), self.layout.find(name).0)
    }

    /// The lowest `bits` of a port as a two's complement number.
    pub fn low_signed(&self, cycle: usize, name: &str, bits: usize) -> i64 {
        sign_extend(self.get(cycle, name), bits)
    }

    /// A port made of equal lanes, lane 0 from the lowest bits.
    pub fn lanes(&self, cycle: usize, name: &str, lane_bits: usize) -> Vec<u64> {
        let bits = self.layout.find(name).0;
        assert_eq!(bits % lane_bits, 0, "`{name}` of {bits} bits in lanes of {lane_bits}");
        let words = self.words(cycle, name);
        (0..bits / lane_bits).map(|lane| read_bits(words, lane * lane_bits, lane_bits)).collect()
    }

    /// As [`Response::lanes`], two's complement.
    pub fn signed_lanes(&self, cycle: usize, name: &str, lane_bits: usize) -> Vec<i64> {
        self.lanes(cycle, name, lane_bits).into_iter().map(|lane| sign_extend(lane, lane_bits)).collect()
    }
}
