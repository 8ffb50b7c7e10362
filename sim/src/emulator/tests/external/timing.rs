//! When the granules of transfers move.

use super::*;
use crate::emulator::queue::{self, Block, Program, QUEUES, TRANSFER, Walk};
use crate::prediction::Predictor;
use lpu_isa::host::Fault;

/// Activation of a token's first instructions.
const START: i64 = 4 + 8;

fn walk(transfers: &[Instruction], others: &[Instruction], position: usize) -> (Vec<Block>, i64, Fault) {
    let program = |instructions: &[Instruction], queue| -> Program {
        let words: Vec<Word> = instructions.iter().map(|one| one.encode().expect("fits")).collect();
        queue::decode(&words, queue, &CHIP)
    };
    let programs =
        Queue::ALL.map(|queue| program(if queue == Queue::Transfer { transfers } else { others }, queue));
    let mut walk = Walk::new(&programs, &CHIP, position);
    let mut blocks = Vec::new();
    loop {
        for queue in 0..QUEUES {
            while let Some(block) = walk.next(queue) {
                assert_eq!(queue, TRANSFER);
                blocks.push(block);
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

fn begins(blocks: &[Block]) -> Vec<(i64, i64)> {
    blocks.iter().map(|block| (block.first, block.count)).collect()
}

#[test]
fn transfers_that_follow_one_another_leave_no_slot_empty() {
    let one = transfer(1, Transfer::default());
    let (blocks, cycles, faults) =
        walk(&[one, transfer(9, Transfer::default()), one, one, ended()], &[ended()], 0);
    // Slots 0, 1 to 9 and 10 of the first frame; then a refresh.
    let slot = |slot: i64| START + slot / 11 * 390 + 8 + slot % 11 * 32;
    assert_eq!(begins(&blocks), [(slot(0), 1), (slot(1), 9), (slot(10), 1), (slot(11), 1)]);
    assert_eq!((slot(10) + 32, slot(11)), (START + 360, START + 398));
    // The last activation is 4 cycles before the end of the last slot.
    assert_eq!((cycles, faults), (slot(11) + 32 - 4 + 7, Fault::default()));
}

#[test]
fn a_delay_that_misses_a_slot_waits_for_the_next() {
    let after = |delay| op(control(delay, 2, 1), Op::Transfer(Transfer::default()));
    // The first slot begins 8 cycles after the start, so that 4 of delay and 4 of lead still reach it.
    for (delay, slot) in [(0, 0), (4, 0), (5, 1), (36, 1), (37, 2), (356, 11), (400, 12)] {
        let (blocks, _, _) = walk(&[after(delay), ended()], &[ended()], 0);
        let begin = START + slot / 11 * 390 + 8 + slot % 11 * 32;
        assert_eq!((blocks[0].first, blocks[0].slot), (begin, slot), "delay {delay}");
    }
    let per_block = Control {
        delay: Affine { constant: 0, per_block: 32 },
        count: Affine { constant: -1, per_block: 3 },
        interval: 1,
    };
    let (blocks, _, _) = walk(&[op(per_block, Op::Transfer(Transfer::default())), ended()], &[ended()], 17);
    // Three blocks are begun: 96 cycles of delay, eight granules.
    assert_eq!(begins(&blocks), [(START + 8 + 3 * 32, 8)]);
}

#[test]
fn frames_begin_anew_where_the_queues_meet() {
    let sync = op(control(0, 1, 1), Op::Sync(Sync {}));
    let wait = op(control(500, 1, 1), Op::Nop(Nop {}));
    let one = transfer(1, Transfer::default());
    let (blocks, cycles, faults) = walk(&[one, sync, one, ended()], &[wait, sync, ended()], 0);
    let met = START + 500 + 4;
    assert_eq!(begins(&blocks), [(START + 8, 1), (met + 8, 1)]);
    assert_eq!((blocks[1].segment, blocks[1].slot), (met, 0));
    assert_eq!((cycles, faults), (met + 8 + 32 - 4 + 7, Fault::default()));
    // All three queues go through a loop together.
    let trips = op(control(4, 3, 1), Op::Loop(Loop {}));
    let tail =
        |first_step, second_step| op(control(0, 1, 1), Op::EndLoop(EndLoop { first_step, second_step }));
    let nop = op(control(4, 1, 1), Op::Nop(Nop {}));
    let (blocks, _, faults) =
        walk(&[trips, one, tail(5, -1), ended()], &[trips, nop, tail(0, 0), ended()], 0);
    let offsets: Vec<_> = blocks.iter().map(|block| (block.first, block.offsets)).collect();
    // A trip lasts from its meeting to four cycles before the end of its slot, and four more.
    let trip = 8 + 32 - 4 + 4;
    assert_eq!(offsets, [(START + 8, [0, 0]), (START + 8 + trip, [5, -1]), (START + 8 + 2 * trip, [10, -2])]);
    assert_eq!(faults, Fault::default());
}

#[test]
fn a_chip_without_external_memory_has_no_third_queue() {
    let mut image = image(&[], &[]);
    image.transfer = vec![[u64::MAX; PARTS]];
    let mut emulator = Emulator::with_image(&image);
    assert_eq!(emulator.execute(0, 0).cycles, 4 + 40 + 7);
    assert_eq!(emulator.faults(), Fault::default());
}

#[test]
fn the_transfer_queue_too_must_not_come_too_early() {
    let nop = |delay| op(control(delay, 1, 1), Op::Nop(Nop {}));
    let (_, _, faults) = walk(&[nop(3), ended()], &[ended()], 0);
    assert_eq!(faults, Fault::TRANSFER_UNDERRUN);
    let (_, _, faults) = walk(&[dot(4, Dot::default()), ended()], &[ended()], 0);
    assert_eq!(faults, Fault::ILLEGAL_INSTRUCTION);
}

#[test]
fn the_emulator_takes_the_predicted_cycles() {
    let per_block =
        Control { delay: Affine::fixed(3), count: Affine { constant: 2, per_block: 4 }, interval: 1 };
    let moved = Transfer { way: Way::Kv, run: 1, ..Transfer::default() };
    let sync = op(control(0, 1, 1), Op::Sync(Sync {}));
    let transfers = [op(per_block, Op::Transfer(moved)), sync, transfer(20, moved)];
    let image = external(&[sync, dot(9, Dot { tap: 4, ..Dot::default() })], &[sync], &transfers, Vec::new());
    let predictor = Predictor::new(&image);
    let mut emulator = Emulator::with_image(&image);
    for position in [0, 7, 8, 100, 700] {
        assert_eq!(emulator.execute(0, position).cycles, predictor.cycles(position), "position {position}");
    }
    assert!(predictor.cycles(100) > predictor.cycles(0));
}
