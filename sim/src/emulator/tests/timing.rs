//! When instructions issue, and what a token takes.

use super::*;
use crate::emulator::queue::{self, Block, MATRIX, Program, VECTOR, Walk};
use lpu_isa::host::Fault;

fn nop(delay: i32) -> Instruction {
    op(control(delay, 1, 1), Op::Nop(Nop {}))
}

fn program(instructions: &[Instruction], queue: Queue) -> Program {
    let words: Vec<Word> = instructions.iter().map(|instruction| instruction.encode().unwrap()).collect();
    queue::decode(&words, queue, &Geometry::NANO)
}

/// All blocks of both queues, the cycles of the token, the faults.
fn walk(matrix: &[Instruction], vector: &[Instruction], position: usize) -> ([Vec<Block>; 2], i64, Fault) {
    let programs = [program(matrix, Queue::Matrix), program(vector, Queue::Vector), Program::new()];
    let mut walk = Walk::new(&programs, &Geometry::NANO, position);
    let mut blocks = [Vec::new(), Vec::new()];
    loop {
        for queue in [MATRIX, VECTOR] {
            while let Some(block) = walk.next(queue) {
                blocks[queue].push(block);
            }
        }
        if !walk.meet() {
            return (blocks, walk.token_cycles(), walk.faults());
        }
    }
}

fn ended() -> Instruction {
    op(control(0, 1, 1), Op::End(End {}))
}

#[test]
fn issues_follow_delay_count_and_interval() {
    let matrix = [nop(10), op(control(3, 5, 2), Op::Gather(Gather::default())), nop(7), ended()];
    let (blocks, cycles, faults) = walk(&matrix, &[ended()], 0);
    // Activations: 4, 14, 14 + 3 + 10 = 27, 34; then the turnaround of 7.
    let expected = Block { index: 1, first: 17, interval: 2, count: 5, offsets: [0, 0], segment: 4, slot: 0 };
    assert_eq!(blocks[MATRIX], [expected]);
    assert_eq!((cycles, faults), (41, Fault::default()));
}

#[test]
fn delay_and_count_follow_the_blocks_begun() {
    let affine = Control {
        delay: Affine { constant: 20, per_block: -6 },
        count: Affine { constant: 2, per_block: 3 },
        interval: 4,
    };
    let matrix = [op(affine, Op::Gather(Gather::default())), ended()];
    for (position, blocks_begun) in [(0, 1), (7, 1), (8, 2), (33, 5)] {
        let (blocks, cycles, _) = walk(&matrix, &[ended()], position);
        let delay = (20 - 6 * blocks_begun).max(0);
        let count = 2 + 3 * blocks_begun;
        assert_eq!((blocks[MATRIX][0].first, blocks[MATRIX][0].count), (4 + delay, count), "{position}");
        assert_eq!(cycles, 4 + delay + 4 * count + 7);
    }
}

#[test]
fn a_sync_waits_for_the_later_queue() {
    let sync = op(control(0, 1, 1), Op::Sync(Sync {}));
    let issue = op(control(0, 4, 1), Op::Gather(Gather::default()));
    let row = op(control(2, 4, 1), Op::Vector(Vector::default()));
    let (blocks, cycles, faults) = walk(&[nop(50), sync, issue, ended()], &[nop(20), sync, row, ended()], 0);
    // The later queue meets in cycle 54; both go on in 58.
    assert_eq!((blocks[MATRIX][0].first, blocks[VECTOR][0].first), (58, 60));
    assert_eq!((cycles, faults), (64 + 7, Fault::default()));
}

#[test]
fn loops_of_both_queues_meet_at_their_ends() {
    let trips = op(control(5, 3, 1), Op::Loop(Loop {}));
    let tail =
        |first_step, second_step| op(control(0, 1, 1), Op::EndLoop(EndLoop { first_step, second_step }));
    let issue = op(control(0, 4, 1), Op::Gather(Gather::default()));
    let row = op(control(0, 9, 1), Op::Vector(Vector::default()));
    let matrix = [trips, issue, tail(7, -2), issue, ended()];
    let (blocks, cycles, faults) = walk(&matrix, &[trips, row, tail(1, 0), nop(30), ended()], 0);
    // A trip lasts as long as the vector queue's nine issues, plus four cycles for the meeting.
    let firsts: Vec<_> = blocks[MATRIX].iter().map(|block| (block.first, block.offsets)).collect();
    assert_eq!(firsts, [(9, [0, 0]), (22, [7, -2]), (35, [14, -4]), (48, [0, 0])]);
    assert_eq!(blocks[VECTOR].iter().map(|block| block.first).collect::<Vec<_>>(), [9, 22, 35]);
    assert_eq!((cycles, faults), (48 + 30 + 7, Fault::default()));
}

#[test]
fn activations_too_close_are_an_underrun() {
    let short = op(control(0, 3, 1), Op::Gather(Gather::default()));
    let (_, _, faults) = walk(&[short, ended()], &[ended()], 0);
    assert_eq!(faults, Fault::MATRIX_UNDERRUN);
    let short = op(control(0, 3, 1), Op::Vector(Vector::default()));
    let (_, _, faults) = walk(&[ended()], &[short, ended()], 0);
    assert_eq!(faults, Fault::VECTOR_UNDERRUN);
}

#[test]
fn a_queue_that_ends_alone_loses_the_other() {
    let sync = op(control(0, 1, 1), Op::Sync(Sync {}));
    let (_, _, faults) = walk(&[sync, ended()], &[nop(9), ended()], 0);
    assert_eq!(faults, Fault::SYNC_LOST);
}

#[test]
fn what_a_queue_does_not_have_is_illegal() {
    let row = op(control(0, 4, 1), Op::Vector(Vector::default()));
    let (_, _, faults) = walk(&[row, ended()], &[ended()], 0);
    assert_eq!(faults, Fault::ILLEGAL_INSTRUCTION);
    // No tap sums 32 of 16 lanes, and a queue may not run out of instructions.
    let (_, _, faults) = walk(&[dot(4, Dot { tap: 5, ..Dot::default() }), ended()], &[ended()], 0);
    assert_eq!(faults, Fault::ILLEGAL_INSTRUCTION);
    let (_, _, faults) = walk(&[nop(4)], &[ended()], 0);
    assert_eq!(faults, Fault::ILLEGAL_INSTRUCTION);
}
