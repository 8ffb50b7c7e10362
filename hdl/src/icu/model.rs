//! What a program's issues are, worked out instruction by instruction.

use lpu_isa::instruction::{Affine, Control, Instruction, Op};
use lpu_isa::timing::{MIN_PERIOD_CYCLES, START_CYCLES, SYNC_CYCLES};

/// An issue: cycle, first, last, number of the instruction, loop offsets.
pub type Issue = (i64, bool, bool, usize, [i64; 2]);

/// What a token does.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Token {
    pub issues: [Vec<Issue>; 2],
    /// Cycle of the later `End`.
    pub over: i64,
    pub underruns: [bool; 2],
    pub sync_lost: bool,
}

#[derive(Clone, Copy, Default)]
struct Place {
    index: usize,
    activation: i64,
    body: usize,
    trips: i64,
    offsets: [i64; 2],
}

/// Follows a queue to the instruction at which it stops: `Sync`, `EndLoop` or `End`.
fn follow(program: &[Instruction], at: &mut Place, blocks: usize, issues: &mut Vec<Issue>) -> bool {
    let mut underrun = false;
    loop {
        let Instruction { control: Control { delay, count, interval }, op } = program[at.index];
        let value = |affine: Affine| affine.at(blocks);
        let (count, interval) = (value(count).max(1), i64::from(interval).max(1));
        let first = at.activation + value(delay);
        let due = match op {
            Op::Sync(_) | Op::EndLoop(_) | Op::End(_) => return underrun,
            Op::Nop(_) => first,
            Op::Loop(_) => {
                (at.body, at.trips) = (at.index + 1, count);
                first
            }
            Op::Transfer(_) => unreachable!("neither of these queues has transfers"),
            Op::Dot(_) | Op::Gather(_) | Op::Vector(_) => {
                let issue = |k| (first + k * interval, k == 0, k + 1 == count, at.index, at.offsets);
                issues.extend((0..count).map(issue));
                first + count * interval
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

/// The token of two programs whose queues end.
pub fn token(programs: [&[Instruction]; 2], blocks: usize) -> Token {
    let mut token = Token::default();
    let mut places = [Place { activation: START_CYCLES, ..Place::default() }; 2];
    loop {
        for queue in 0..2 {
            token.underruns[queue] |=
                follow(programs[queue], &mut places[queue], blocks, &mut token.issues[queue]);
        }
        let ops = [0, 1].map(|queue| programs[queue][places[queue].index].op);
        let meeting = places[0].activation.max(places[1].activation);
        let ended = ops.map(|op| matches!(op, Op::End(_)));
        if ended != [false; 2] {
            (token.over, token.sync_lost) = (meeting, ended != [true; 2]);
            return token;
        }
        (0..2).for_each(|queue| pass(ops[queue], &mut places[queue], meeting));
    }
}
