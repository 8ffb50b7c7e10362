//! What is checked of an image before any cycle is counted: sizes, encodings, fields, the shape of loops.

use super::fields::check_fields;
use super::rules::{By, Rule, Site, Violation};
use super::walk::is_back;
use lpu_isa::instruction::*;
use lpu_isa::transfer::Layout;
use lpu_isa::{Geometry, arith, image::Image};

/// All queues, decoded.
pub(super) struct Program {
    matrix: Vec<Instruction>,
    vector: Vec<Instruction>,
    /// Empty on chips without external memory.
    transfer: Vec<Instruction>,
    /// For each instruction of the transfer queue: how its rows lie in a run.
    pub plans: Vec<Option<Plan>>,
}

/// How the rows of a transfer lie in a run.
pub(super) struct Plan {
    pub layout: Layout,
    /// Whether rows go back to external memory.
    pub back: bool,
    /// Granules of a run.
    pub granules: i64,
}

impl Plan {
    fn of(geometry: &Geometry, transfer: &Transfer) -> Self {
        let layout = Layout::of(geometry, transfer);
        Self { layout, back: is_back(transfer.way), granules: layout.run_granules() as i64 }
    }

    /// Rows of a run.
    pub fn rows(&self) -> usize {
        self.layout.run()
    }
}

impl Program {
    pub fn of(&self, queue: Queue) -> &[Instruction] {
        match queue {
            Queue::Matrix => &self.matrix,
            Queue::Vector => &self.vector,
            Queue::Transfer => &self.transfer,
        }
    }

    /// Instructions of all queues.
    pub fn instructions(&self) -> usize {
        Queue::ALL.iter().map(|&queue| self.of(queue).len()).sum()
    }
}

/// Decodes an image and checks all that does not depend on the position.
pub(super) fn load(image: &Image) -> Result<Program, Violation> {
    let geometry = &image.geometry;
    check_image(image).map_err(|rule| Violation { site: Site::Image, rule })?;
    let transfer = match geometry.has_external_memory() {
        true => load_queue(geometry, Queue::Transfer, &image.transfer)?,
        false => Vec::new(),
    };
    let plans = transfer.iter().map(|instruction| match &instruction.op {
        Op::Transfer(transfer) => Some(Plan::of(geometry, transfer)),
        _ => None,
    });
    Ok(Program {
        matrix: load_queue(geometry, Queue::Matrix, &image.matrix)?,
        vector: load_queue(geometry, Queue::Vector, &image.vector)?,
        plans: plans.collect(),
        transfer,
    })
}

fn check_image(image: &Image) -> Result<(), Rule> {
    let geometry = &image.geometry;
    let (context, positions) = (image.model.context as usize, geometry.positions);
    if !(1..=positions).contains(&context) {
        return Err(Rule::Context { context, positions });
    }
    let first = image.model.first_position as usize;
    if first >= context {
        return Err(Rule::FirstPosition { first, context });
    }
    check_external(image)?;
    let weights = image.weights.iter().map(|&value| i64::from(value));
    check_memory("weight memory", arith::WEIGHT_BITS, geometry.mxm_lanes, geometry.weight_rows, weights)?;
    let vmem = image.vmem.iter().map(|&value| i64::from(value));
    check_memory("vector memory", arith::WORD_BITS, geometry.vxm_lanes, geometry.vmem_rows, vmem)
}

fn check_external(image: &Image) -> Result<(), Rule> {
    let geometry = &image.geometry;
    let (found, most) = (image.dram.len(), geometry.dram_granules * geometry.granule_bytes());
    match geometry.has_external_memory() {
        true if found > most => Err(Rule::DramSize { most, found }),
        false if found > 0 => Err(Rule::NoExternalMemory { found: "contents" }),
        false if !image.transfer.is_empty() => Err(Rule::NoExternalMemory { found: "a transfer queue" }),
        _ => Ok(()),
    }
}

fn check_memory(
    memory: &'static str,
    bits: u32,
    lanes: usize,
    rows: usize,
    mut values: impl ExactSizeIterator<Item = i64>,
) -> Result<(), Rule> {
    let found = values.len();
    if !found.is_multiple_of(lanes) || found / lanes > rows {
        return Err(Rule::MemorySize { memory, lanes, rows, found });
    }
    let half = 1i64 << (bits - 1);
    let mut at = 0;
    let bad = values.find(|value| {
        at += 1;
        !(-half..half).contains(value)
    });
    bad.map_or(Ok(()), |value| Err(Rule::MemoryValue { memory, bits, row: (at - 1) / lanes, value }))
}

fn load_queue(geometry: &Geometry, queue: Queue, words: &[Word]) -> Result<Vec<Instruction>, Violation> {
    let whole = |rule| Violation { site: Site::Program(queue), rule };
    let depth = geometry.queue_depth(queue);
    if words.len() > depth {
        return Err(whole(Rule::QueueOverflow { found: words.len(), depth }));
    }
    let mut program = Vec::with_capacity(words.len());
    let mut shape = Shape { open_loop: None, ended: false };
    for (index, word) in words.iter().enumerate() {
        let by = By { queue, index };
        let at = |rule| Violation { site: Site::Instruction(by), rule };
        let instruction = Instruction::decode(word).ok_or_else(|| at(Rule::Undecodable))?;
        shape.step(by, &instruction.op)?;
        check_queue(queue, &instruction.op).map_err(at)?;
        check_fields(geometry, &instruction).map_err(at)?;
        program.push(instruction);
    }
    if !shape.ended {
        return Err(whole(Rule::NoEnd));
    }
    Ok(program)
}

/// Loops that close and an end that is the end.
struct Shape {
    open_loop: Option<By>,
    ended: bool,
}

impl Shape {
    fn step(&mut self, by: By, op: &Op) -> Result<(), Violation> {
        let at = |by, rule| Err(Violation { site: Site::Instruction(by), rule });
        if self.ended {
            return at(by, Rule::AfterEnd);
        }
        match (op, self.open_loop) {
            (Op::Loop(_), Some(_)) => return at(by, Rule::NestedLoop),
            (Op::Loop(_), None) => self.open_loop = Some(by),
            (Op::EndLoop(_), None) => return at(by, Rule::LoopNotBegun),
            (Op::EndLoop(_), Some(_)) => self.open_loop = None,
            (Op::End(_), Some(begin)) => return at(begin, Rule::OpenLoop),
            (Op::End(_), None) => self.ended = true,
            _ => {}
        }
        Ok(())
    }
}

fn check_queue(queue: Queue, op: &Op) -> Result<(), Rule> {
    let row = op.row();
    if row.on.includes(queue) { Ok(()) } else { Err(Rule::WrongQueue { name: row.name }) }
}
