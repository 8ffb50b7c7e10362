//! What a program's issues are, worked out instruction by instruction.

use lpu_isa::Geometry;
use lpu_isa::instruction::{Affine, Control, Instruction, Op};
use lpu_isa::timing::{MIN_PERIOD_CYCLES, SYNC_CYCLES, TRANSFER_LEAD, start_cycles};
use lpu_isa::transfer::Frames;

/// An issue: cycle, first, last, number of the instruction, loop offsets.
pub type Issue = (i64, bool, bool, usize, [i64; 2]);

/// What a token does.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Token {
    pub issues: Vec<Vec<Issue>>,
    /// Cycle of the latest `End`.
    pub over: i64,
    pub underruns: Vec<bool>,
    pub sync_lost: bool,
    /// Cycles in which segments begin.
    pub segments: Vec<i64>,
}

#[derive(Clone, Copy, Default)]
struct Place {
    index: usize,
    activation: i64,
    segment: i64,
    body: usize,
    trips: i64,
    offsets: [i64; 2],
}

/// Follows a queue to the instruction at which it stops: `Sync`, `EndLoop` or `End`.
fn follow(
    geometry: &Geometry,
    program: &[Instruction],
    at: &mut Place,
    blocks: usize,
    issues: &mut Vec<Issue>,
) -> bool {
    let mut underrun = false;
    loop {
        let Instruction { control: Control { delay, count, interval }, op } = program[at.index];
        let value = |affine: Affine| affine.at(blocks);
        let (count, interval) = (value(count).max(1), i64::from(interval).max(1));
        let first = at.activation + value(delay);
        let mut issue = |k, cycle| issues.push((cycle, k == 0, k + 1 == count, at.index, at.offsets));
        let due = match op {
            Op::Sync(_) | Op::EndLoop(_) | Op::End(_) => return underrun,
            Op::Nop(_) => first,
            Op::Loop(_) => {
                (at.body, at.trips) = (at.index + 1, count);
                first
            }
            Op::Dot(_) | Op::Gather(_) | Op::Vector(_) => {
                (0..count).for_each(|k| issue(k, first + k * interval));
                first + count * interval
            }
            Op::Transfer(_) => {
                let frames = Frames::of(geometry);
                let slot = frames.slot_from(first.max(at.activation) - at.segment + TRANSFER_LEAD);
                (0..count).for_each(|k| issue(k, at.segment + frames.begin(slot + k)));
                at.segment + frames.end(slot + count - 1) - TRANSFER_LEAD
            }
        };
        underrun |= due < at.activation + MIN_PERIOD_CYCLES;
        at.activation = due.max(at.activation + MIN_PERIOD_CYCLES);
        at.index += 1;
    }
}

/// Goes on after a meeting.
fn pass(op: Op, at: &mut Place, meeting: i64) {
    (at.index, at.activation) = (at.index + 1, meeting + SYNC_CYCLES);
    at.segment = at.activation;
    if let Op::EndLoop(end) = op {
        at.trips -= 1;
        if at.trips > 0 {
            at.index = at.body;
            at.offsets[0] += i64::from(end.first_step);
            at.offsets[1] += i64::from(end.second_step);
        } else {
            at.offsets = [0; 2];
        }
    }
}

/// The token of the programs of a chip's queues, which end.
pub fn token(geometry: &Geometry, programs: &[Vec<Instruction>], blocks: usize) -> Token {
    let queues = 0..programs.len();
    let start = start_cycles(geometry);
    let mut token = Token {
        issues: vec![vec![]; programs.len()],
        underruns: vec![false; programs.len()],
        segments: vec![start],
        ..Token::default()
    };
    let mut places = vec![Place { activation: start, segment: start, ..Place::default() }; programs.len()];
    loop {
        for queue in queues.clone() {
            token.underruns[queue] |=
                follow(geometry, &programs[queue], &mut places[queue], blocks, &mut token.issues[queue]);
        }
        let ops: Vec<Op> = queues.clone().map(|queue| programs[queue][places[queue].index].op).collect();
        let meeting = places.iter().map(|place| place.activation).max().unwrap_or(0);
        let ended = ops.iter().filter(|op| matches!(op, Op::End(_))).count();
        if ended > 0 {
            (token.over, token.sync_lost) = (meeting, ended < programs.len());
            return token;
        }
        queues.clone().for_each(|queue| pass(ops[queue], &mut places[queue], meeting));
        token.segments.push(meeting + SYNC_CYCLES);
    }
}
