//! A netlist in motion: only what an input of has changed is worked out again.
//!
//! ```text
//!  change of a net ─► parts that listen ─► unsettled (in order, so that each is looked at once) ─► change of a net ...
//!                                     └──► waiting for the clock ── rising edge ─► changes of many nets at once
//! ```
//!
//! # Invariants
//! 1. A part between registers stands behind all that its inputs come from: one pass settles everything.
//! 2. At an edge every part sees the nets as they were before it.

use super::cells::{Clocked, Parts, Settled};
use super::design::{Design, HIGH};
use std::collections::BTreeMap;

/// New values of nets.
pub type Changes = Vec<(u32, u8)>;

/// The number that nets spell, the first one its lowest bit.
pub fn number(values: &[u8], nets: &[u32]) -> u64 {
    nets.iter().rev().fold(0, |number, net| number << 1 | u64::from(values[*net as usize]))
}

/// Notes the bits of a number for nets.
pub fn put(changes: &mut Changes, nets: &[u32], number: u64) {
    let bit = |(index, net): (usize, &u32)| (*net, (number >> index & 1) as u8);
    changes.extend(nets.iter().enumerate().map(bit));
}

/// A set of parts, by number.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Marks(Vec<u64>);

impl Marks {
    fn all(count: usize) -> Self {
        let mut marks = Self(vec![0; count.div_ceil(64)]);
        (0..count).for_each(|part| marks.add(part));
        marks
    }

    fn add(&mut self, part: usize) {
        self.0[part / 64] |= 1 << (part % 64);
    }

    /// Takes the first part out of a word, if it holds one.
    fn take(&mut self, word: usize) -> Option<usize> {
        let bits = self.0[word];
        self.0[word] = bits & bits.wrapping_sub(1);
        (bits != 0).then(|| word * 64 + bits.trailing_zeros() as usize)
    }
}

/// Who listens to each net: parts between registers, then those with a clock, which are numbered on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Listeners {
    starts: Vec<u32>,
    parts: Vec<u32>,
}

impl Listeners {
    fn new(nets: usize, inputs: &[Vec<u32>]) -> Self {
        let mut counts = vec![0u32; nets + 1];
        inputs.iter().flatten().for_each(|net| counts[*net as usize + 1] += 1);
        for net in 0..nets {
            counts[net + 1] += counts[net];
        }
        let (starts, mut at) = (counts.clone(), counts);
        let mut parts = vec![0; starts[nets] as usize];
        for (part, nets) in inputs.iter().enumerate() {
            for net in nets {
                parts[at[*net as usize] as usize] = part as u32;
                at[*net as usize] += 1;
            }
        }
        Self { starts, parts }
    }
}

/// A design after power-up, and then after so many cycles.
#[derive(Clone, Debug)]
pub struct Machine {
    ports: BTreeMap<String, Vec<u32>>,
    values: Vec<u8>,
    settled: Vec<Settled>,
    clocked: Vec<Clocked>,
    memories: Vec<[u8; 16]>,
    /// The part that reads each memory.
    readers: Vec<usize>,
    listeners: Listeners,
    unsettled: Marks,
    waiting: Marks,
    changes: Changes,
}

/// Nets that a part looks at.
fn inputs_of(part: &Settled) -> Vec<u32> {
    match part {
        Settled::Table { inputs, .. } => inputs.to_vec(),
        Settled::Read { address, .. } => address.to_vec(),
    }
}

fn outputs_of(part: &Settled) -> &[u32] {
    match part {
        Settled::Table { output, .. } => std::slice::from_ref(output),
        Settled::Read { outputs, .. } => outputs,
    }
}

fn clocked_inputs(part: &Clocked) -> Vec<u32> {
    match part {
        Clocked::FlipFlop { input, enable, reset, .. } => vec![*input, *enable, *reset],
        Clocked::Write { enable, address, data, .. } => [&[*enable], &address[..], data].concat(),
        Clocked::BlockRam(block) => block.inputs().collect(),
        Clocked::Multiplier(multiplier) => multiplier.inputs().collect(),
    }
}

/// Puts each part behind all that its inputs come from.
fn in_order(parts: Vec<Settled>, nets: usize) -> Result<Vec<Settled>, String> {
    let mut sources = vec![usize::MAX; nets];
    for (index, part) in parts.iter().enumerate() {
        outputs_of(part).iter().filter(|net| **net > HIGH).for_each(|net| sources[*net as usize] = index);
    }
    let before = |part: &Settled| -> Vec<usize> {
        let nets = inputs_of(part).into_iter();
        nets.map(|net| sources[net as usize]).filter(|source| *source != usize::MAX).collect()
    };
    let listened: Vec<Vec<u32>> =
        parts.iter().map(|part| before(part).into_iter().map(|source| source as u32).collect()).collect();
    let followers = Listeners::new(parts.len(), &listened);
    let mut missing: Vec<usize> = listened.iter().map(Vec::len).collect();
    let mut order: Vec<usize> = (0..parts.len()).filter(|part| missing[*part] == 0).collect();
    let mut at = 0;
    while let Some(&part) = order.get(at) {
        at += 1;
        let range = followers.starts[part] as usize..followers.starts[part + 1] as usize;
        for &follower in &followers.parts[range] {
            missing[follower as usize] -= 1;
            if missing[follower as usize] == 0 {
                order.push(follower as usize);
            }
        }
    }
    match order.len() == parts.len() {
        true => Ok(order.into_iter().map(|part| parts[part]).collect()),
        false => Err("the netlist has a loop without a register".into()),
    }
}

impl Machine {
    /// A design after power-up.
    ///
    /// # Errors
    /// A cell or a mode that is not known here, a second clock, or a loop.
    pub fn new(design: &Design, clock: &str) -> Result<Self, String> {
        let nets = |bits: &Vec<super::Bit>| bits.iter().map(|bit| bit.net()).collect::<Vec<_>>();
        let ports: BTreeMap<_, _> =
            design.ports.iter().map(|(name, bits)| (name.clone(), nets(bits))).collect();
        let pins = design.cells.iter().flat_map(|cell| cell.pins.values()).chain(design.ports.values());
        let last = pins.flatten().map(|bit| bit.net()).max().unwrap_or(HIGH);
        let mut parts = Parts { nets: last + 1, ..Parts::default() };
        design.cells.iter().try_for_each(|cell| parts.add(cell))?;
        let clock = ports.get(clock).ok_or_else(|| format!("expected a port {clock}, found none"))?;
        if let Some(other) = parts.clocks.iter().find(|net| clock != &[**net]) {
            return Err(format!("expected one clock, the net {clock:?}, found another: {other}"));
        }
        let count = parts.nets as usize;
        let settled = in_order(parts.settled, count)?;
        let mut readers = vec![0; parts.memories.len()];
        for (index, part) in settled.iter().enumerate() {
            if let Settled::Read { memory, .. } = part {
                readers[*memory as usize] = index;
            }
        }
        let inputs: Vec<Vec<u32>> =
            settled.iter().map(inputs_of).chain(parts.clocked.iter().map(clocked_inputs)).collect();
        let mut values = vec![0; count];
        parts.high.iter().chain(&[HIGH]).for_each(|net| values[*net as usize] = 1);
        Ok(Self {
            ports,
            values,
            listeners: Listeners::new(count, &inputs),
            unsettled: Marks::all(settled.len()),
            waiting: Marks::all(parts.clocked.len()),
            settled,
            clocked: parts.clocked,
            memories: parts.memories,
            readers,
            changes: Vec::new(),
        })
    }

    /// Sets an input port.
    pub fn set(&mut self, port: &str, value: u64) {
        let nets = self.ports.get(port).cloned().unwrap_or_default();
        nets.iter().enumerate().for_each(|(bit, net)| self.change(*net, (value >> bit & 1) as u8));
    }

    /// The value of a port, which is settled.
    pub fn get(&self, port: &str) -> u64 {
        self.ports.get(port).map_or(0, |nets| number(&self.values, nets))
    }

    fn change(&mut self, net: u32, value: u8) {
        let net = net as usize;
        // Open outputs have the number of a constant.
        if net <= HIGH as usize || self.values[net] == value {
            return;
        }
        self.values[net] = value;
        let range = self.listeners.starts[net] as usize..self.listeners.starts[net + 1] as usize;
        for &part in &self.listeners.parts[range] {
            match (part as usize).checked_sub(self.settled.len()) {
                None => self.unsettled.add(part as usize),
                Some(clocked) => self.waiting.add(clocked),
            }
        }
    }

    /// Lets all changes run their course.
    pub fn settle(&mut self) {
        for word in 0..self.unsettled.0.len() {
            while let Some(part) = self.unsettled.take(word) {
                match self.settled[part] {
                    Settled::Table { inputs, table, output } => {
                        let index = number(&self.values, &inputs);
                        self.change(output, (table >> index & 1) as u8);
                    }
                    Settled::Read { memory, address, outputs } => {
                        let word = self.memories[memory as usize][number(&self.values, &address) as usize];
                        for (bit, output) in outputs.into_iter().enumerate() {
                            self.change(output, word >> bit & 1);
                        }
                    }
                }
            }
        }
    }

    /// A rising edge of the clock, after everything has settled.
    pub fn clock(&mut self) {
        for word in 0..self.waiting.0.len() {
            let mut again = 0;
            while let Some(part) = self.waiting.take(word) {
                again |= u64::from(self.clock_part(part)) << (part % 64);
            }
            self.waiting.0[word] = again;
        }
        let mut changes = std::mem::take(&mut self.changes);
        changes.drain(..).for_each(|(net, value)| self.change(net, value));
        self.changes = changes;
    }

    /// What one part does at an edge; whether it may do more at the next one though no input changes.
    fn clock_part(&mut self, part: usize) -> bool {
        let (values, changes) = (&self.values, &mut self.changes);
        let high = |net: u32| values[net as usize] == 1;
        match &mut self.clocked[part] {
            Clocked::FlipFlop { input, enable, inverted, reset, reset_to, output } => {
                if high(*reset) {
                    changes.push((*output, u8::from(*reset_to)));
                } else if high(*enable) != *inverted {
                    changes.push((*output, values[*input as usize]));
                }
                false
            }
            Clocked::Write { memory, enable, address, data } => {
                if high(*enable) {
                    let place = number(values, address) as usize;
                    self.memories[*memory as usize][place] = number(values, data) as u8;
                    self.unsettled.add(self.readers[*memory as usize]);
                }
                false
            }
            Clocked::BlockRam(block) => block.clock(values, changes),
            Clocked::Multiplier(multiplier) => multiplier.clock(values, changes),
        }
    }
}
