//! What is checked of an instruction's fields, whatever the position.

use super::rules::Rule;
use super::walk::is_back;
use lpu_isa::instruction::*;
use lpu_isa::{Geometry, timing};

/// Checks an instruction's fields.
pub(super) fn check_fields(geometry: &Geometry, instruction: &Instruction) -> Result<(), Rule> {
    let Control { delay, count, interval } = instruction.control;
    match &instruction.op {
        // These wait for the other queues, or for nothing: a delay would promise what does not happen.
        Op::Sync(_) | Op::EndLoop(_) | Op::End(_) => {
            same("delay", i64::from(delay.constant), 0)?;
            same("delay_per_block", i64::from(delay.per_block), 0)
        }
        Op::Nop(_) | Op::Loop(_) => Ok(()),
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
        Op::Transfer(transfer) => {
            same("interval", i64::from(interval), 1)?;
            check_transfer(transfer)
        }
    }
}

/// Rows go back as they are, and to rows and granules that do not depend on the token: what it finds there later would too.
fn check_transfer(transfer: &Transfer) -> Result<(), Rule> {
    at_least("run", i64::from(transfer.run), 1)?;
    let rows = transfer.format == Format::Rows;
    let refuse = |field, found, expected: &str| Err(Rule::Field { field, found, expected: expected.into() });
    if is_back(transfer.way) && !rows {
        return refuse("format", transfer.format as i64, "0, `Rows`, on the way to external memory");
    }
    if rows && transfer.offset_codes {
        return refuse("offset_codes", 1, "0 with `Rows`, which have no blocks");
    }
    if !rows {
        at_least("blocks", i64::from(transfer.blocks), 1)?;
    }
    if transfer.step_by != StepBy::Token {
        return Ok(());
    }
    if is_back(transfer.way) {
        return refuse("step_by", StepBy::Token as i64, "not 1, `Token`, on the way to external memory");
    }
    same("row_number_step", i64::from(transfer.row_number_step), 0)
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
    if !geometry.has_external_memory() {
        same("pieces", i64::from(dot.pieces), 0)?;
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
    let moves = matches!(vector.destination, Destination::Vmem | Destination::Argmax);
    if moves && !geometry.has_external_memory() {
        same("row_offset", i64::from(vector.row_offset), 0)?;
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
