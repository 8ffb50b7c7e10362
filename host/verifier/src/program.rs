//! What is checked of an image before any cycle is counted: sizes, encodings, fields, the shape of loops.

use super::rules::{By, Rule, Site, Violation};
use lpu_isa::instruction::*;
use lpu_isa::{Geometry, arith, image::Image, timing};

/// Both queues, decoded.
pub(super) struct Program {
    pub matrix: Vec<Instruction>,
    pub vector: Vec<Instruction>,
    /// Empty on chips without external memory.
    pub transfer: Vec<Instruction>,
}

impl Program {
    pub fn of(&self, queue: Queue) -> &[Instruction] {
        match queue {
            Queue::Matrix => &self.matrix,
            Queue::Vector => &self.vector,
            Queue::Transfer => &self.transfer,
        }
    }
}

/// Decodes an image and checks all that does not depend on the position.
pub(super) fn load(image: &Image) -> Result<Program, Violation> {
    check_image(image).map_err(|rule| Violation { site: Site::Image, rule })?;
    Ok(Program {
        matrix: load_queue(&image.geometry, Queue::Matrix, &image.matrix)?,
        vector: load_queue(&image.geometry, Queue::Vector, &image.vector)?,
        transfer: match image.geometry.has_external_memory() {
            true => load_queue(&image.geometry, Queue::Transfer, &image.transfer)?,
            false => Vec::new(),
        },
    })
}

fn check_image(image: &Image) -> Result<(), Rule> {
    let geometry = &image.geometry;
    let (context, positions) = (image.model.context as usize, geometry.positions);
    if !(1..=positions).contains(&context) {
        return Err(Rule::Context { context, positions });
    }
    let weights = image.weights.iter().map(|&value| i64::from(value));
    check_memory("weight memory", arith::WEIGHT_BITS, geometry.mxm_lanes, geometry.weight_rows, weights)?;
    let vmem = image.vmem.iter().map(|&value| i64::from(value));
    check_memory("vector memory", arith::WORD_BITS, geometry.vxm_lanes, geometry.vmem_rows, vmem)
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

fn check_fields(geometry: &Geometry, instruction: &Instruction) -> Result<(), Rule> {
    let Control { delay, count, interval } = instruction.control;
    match &instruction.op {
        // These wait for the other queue, or for nothing: a delay would promise what does not happen.
        Op::Sync(_) | Op::EndLoop(_) | Op::End(_) => {
            same("delay", i64::from(delay.constant), 0)?;
            same("delay_per_block", i64::from(delay.per_block), 0)
        }
        Op::Nop(_) | Op::Loop(_) | Op::Transfer(_) => Ok(()),
        Op::Dot(dot) => {
            at_least("interval", i64::from(interval), 1)?;
            check_dot(geometry, dot)
        }
        // The least period of instructions keeps single issues apart.
        Op::Gather(_) if count == Affine::fixed(1) => at_least("interval", i64::from(interval), 1),
        Op::Gather(_) => at_least("interval", i64::from(interval), timing::GATHER_INTERVAL),
        Op::Vector(vector) => {
            at_least("interval", i64::from(interval), 1)?;
            check_vector(geometry, vector)
        }
    }
}

fn check_dot(geometry: &Geometry, dot: &Dot) -> Result<(), Rule> {
    at_least("tap", i64::from(dot.tap), i64::from(geometry.groups().ilog2()))?;
    below("tap", dot.tap, geometry.mxm_lanes.ilog2() as usize + 1)?;
    below("lane", dot.lane, geometry.vxm_lanes)?;
    let results = geometry.mxm_lanes >> dot.tap;
    if !(dot.lane as usize).is_multiple_of(results) {
        let expected = format!("a multiple of {results}, the results of a beat");
        return Err(Rule::Field { field: "lane", found: i64::from(dot.lane), expected });
    }
    if !dot.entry_continue {
        below("entry", dot.entry, geometry.act_entries)?;
    }
    if dot.maximum { below("scalar", dot.scalar, geometry.scalars) } else { Ok(()) }
}

fn check_vector(geometry: &Geometry, vector: &Vector) -> Result<(), Rule> {
    if vector.function == Function::Sigmoid && vector.c == C::Noise {
        return Err(Rule::UnusedNoise);
    }
    if vector.reduce != Reduce::None {
        below("reduction", vector.reduction, geometry.scalars)?;
    }
    match vector.destination {
        Destination::Act | Destination::Key => check_halves(geometry, vector),
        Destination::Argmax => below("tail", vector.tail, geometry.vxm_lanes + 1),
        Destination::None | Destination::Value | Destination::Vmem => Ok(()),
    }
}

fn check_halves(geometry: &Geometry, vector: &Vector) -> Result<(), Rule> {
    below("start", vector.start, geometry.halves())?;
    below("period", vector.period, geometry.halves().ilog2() as usize + 1)?;
    if vector.destination == Destination::Key {
        return below("positions", vector.positions, geometry.halves().ilog2() as usize + 1);
    }
    if vector.entry_continue { Ok(()) } else { below("entry", vector.entry, geometry.act_entries) }
}

fn below(field: &'static str, found: u32, limit: usize) -> Result<(), Rule> {
    if (found as usize) < limit {
        return Ok(());
    }
    Err(Rule::Field { field, found: i64::from(found), expected: format!("below {limit}") })
}

fn at_least(field: &'static str, found: i64, least: i64) -> Result<(), Rule> {
    if found >= least {
        return Ok(());
    }
    Err(Rule::Field { field, found, expected: format!("at least {least}") })
}

fn same(field: &'static str, found: i64, expected: i64) -> Result<(), Rule> {
    if found == expected {
        return Ok(());
    }
    Err(Rule::Field { field, found, expected: expected.to_string() })
}
