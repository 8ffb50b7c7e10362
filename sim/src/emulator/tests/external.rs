//! What transfers move and when, on a small chip with external memory: frames of 390 cycles with a refresh of 8 and eleven slots of 32.

use super::*;
use crate::device::{Device, HostPort, PortDevice, RunRequest, run_to_end};
use crate::emulator::queue::{self, Block, Program, QUEUES, TRANSFER, Walk};
use crate::prediction::Predictor;
use lpu_isa::host::{Fault, Register, Space};

const CHIP: Geometry = Geometry::NANO_SDRAM;
/// Bits and bytes of a granule.
const GRANULE: usize = 512;
const BYTES: usize = 64;
/// Activation of a token's first instructions.
const START: i64 = 4 + 8;

fn transfer(granules: i32, transfer: Transfer) -> Instruction {
    op(control(0, granules, 1), Op::Transfer(transfer))
}

/// As [`transfer`], with an empty slot before it.
fn turned(granules: i32, transfer: Transfer) -> Instruction {
    op(control(32, granules, 1), Op::Transfer(transfer))
}

/// A program of all queues for the chip with external memory.
pub fn external(
    matrix: &[Instruction],
    vector: &[Instruction],
    transfers: &[Instruction],
    dram: Vec<u8>,
) -> Image {
    let image = image(matrix, vector);
    let words: Vec<Word> =
        transfers.iter().chain(&end(40)).map(|instruction| instruction.encode().expect("fits")).collect();
    Image { geometry: CHIP, transfer: words, dram, ..image }
}

/// Bits of numbers one after the other, little endian, as bytes.
struct Bits(Vec<bool>);

impl Bits {
    fn put(&mut self, width: usize, value: i64) {
        self.0.extend((0..width).map(|bit| value >> bit & 1 == 1));
    }

    fn pad(&mut self, unit: usize) {
        self.0.resize(self.0.len().next_multiple_of(unit), false);
    }

    fn bytes(&self) -> Vec<u8> {
        let byte = |bits: &[bool]| bits.iter().rev().fold(0, |byte, &bit| byte << 1 | u8::from(bit));
        self.0.chunks(8).map(byte).collect()
    }
}

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

/// Rows of codes written out bit by bit, and what they stand for.
fn coded(
    transfer: &Transfer,
    width: usize,
    rows: usize,
    lanes: usize,
    lane_bits: u32,
) -> (Vec<u8>, Vec<Vec<i32>>) {
    let random = numbers(width as u32 * 7 + transfer.shift, 100_000, 16);
    let mut random = random.into_iter().map(i64::from);
    let mut next = |bits: usize| random.next().expect("numbers") & ((1 << bits) - 1);
    let codes = transfer.blocks as usize * 32;
    let per_result = codes.div_ceil(lanes);
    let mut bits = Bits(Vec::new());
    let mut expected = Vec::new();
    for _ in 0..rows / per_result {
        let mut result = Vec::new();
        for _ in 0..transfer.blocks {
            let (scale, offset) = (next(16), next(16));
            bits.put(16, scale);
            let offset = if offset >= 1 << 15 { offset - (1 << 16) } else { offset };
            if transfer.offset_codes {
                bits.put(16, offset);
            }
            for _ in 0..32 {
                let code = next(width);
                bits.put(width, code);
                let exact = match transfer.offset_codes {
                    true => (scale * code + offset * 16) as f64,
                    false => (scale * (code - (1 << (width - 1)))) as f64,
                };
                let limit = f64::from(1 << (lane_bits - 1));
                let rounded = (exact / f64::from(transfer.shift).exp2() + 0.5).floor();
                result.push(rounded.clamp(-limit, limit - 1.0) as i32);
            }
        }
        result.resize(per_result * lanes, 0);
        expected.extend(result.chunks(lanes).map(<[i32]>::to_vec));
    }
    bits.pad(GRANULE);
    (bits.bytes(), expected)
}

/// Every way and format of codes, with a filled last row where vector memory's eight and the matrix unit's 16 lanes have one.
#[test]
fn codes_become_rows() {
    let formats = [(Format::Codes4, 4), (Format::Codes5, 5), (Format::Codes6, 6), (Format::Codes8, 8)];
    for (format, width) in formats {
        for (way, lanes, lane_bits) in [(Way::Weights, 16, 9), (Way::Kv, 16, 9), (Way::Vmem, 8, 18)] {
            for (offset_codes, blocks, shift) in [(false, 1, 9), (true, 3, 10), (true, 2, 0), (false, 3, 14)]
            {
                let rows = 2 * blocks as usize * 32 / lanes;
                let moved = Transfer {
                    way,
                    format,
                    offset_codes,
                    shift,
                    blocks,
                    run: rows as u32,
                    address: 3,
                    row: 20,
                    row_step: 1,
                    ..Transfer::default()
                };
                let (bytes, expected) = coded(&moved, width, rows, lanes, lane_bits);
                let granules = (bytes.len() / BYTES) as i32;
                let dram = [vec![0xaa; 3 * BYTES], bytes, vec![0x55; BYTES]].concat();
                let emulator = run(&external(&[], &[], &[transfer(granules, moved)], dram), 0, 0);
                let row = |row: usize| -> Vec<i32> {
                    match way {
                        Way::Weights => {
                            emulator.state().weight_row(row).iter().map(|&lane| lane.into()).collect()
                        }
                        Way::Kv => emulator.state().kv_row(row).iter().map(|&lane| lane.into()).collect(),
                        _ => emulator.state().vmem_row(row).to_vec(),
                    }
                };
                for (index, expected) in expected.iter().enumerate() {
                    assert_eq!(&row(20 + index), expected, "{way:?} {format:?} row {index}");
                }
                assert!(row(20 + rows).iter().chain(&row(19)).all(|&lane| lane == 0), "{way:?} {format:?}");
            }
        }
    }
}

/// A chip whose matrix rows take two blocks, so that the last row of three blocks is half zeros.
#[test]
fn what_fills_up_the_last_row_of_a_result_takes_no_room() {
    let chip = Geometry::ECP5_DDR3;
    for (format, width, offset_codes) in [(Format::Codes4, 4, true), (Format::Codes5, 5, false)] {
        let moved = Transfer {
            format,
            offset_codes,
            shift: 10,
            blocks: 3,
            run: 6,
            row_step: 1,
            ..Transfer::default()
        };
        let (mut bytes, expected) = coded(&moved, width, 6, 64, 9);
        bytes.resize(bytes.len().next_multiple_of(128), 0);
        let granules = (bytes.len() / 128) as i32;
        let image = Image { geometry: chip, ..external(&[], &[], &[transfer(granules, moved)], bytes) };
        let emulator = run(&image, 0, 0);
        for (index, expected) in expected.into_iter().enumerate() {
            assert_eq!(emulator.state().weight_row(index), narrow(&expected), "{format:?} row {index}");
        }
        assert!(emulator.state().weight_row(1)[32..].iter().all(|&lane| lane == 0));
    }
}

/// Runs of three rows: they begin with a granule, rows and runs have steps, and rows of weight memory wrap.
#[test]
fn runs_and_rows_have_steps_and_the_ring_wraps() {
    let lanes = numbers(5, 6 * L, 9);
    let mut bits = Bits(Vec::new());
    for run in lanes.chunks(3 * L) {
        run.iter().for_each(|&lane| bits.put(9, lane.into()));
        bits.pad(GRANULE);
    }
    let moved = Transfer { run: 3, row: 2046, row_step: 2, run_step: -5, address: 1, ..Transfer::default() };
    let dram = [vec![0; BYTES], bits.bytes()].concat();
    let emulator = run(&external(&[], &[], &[transfer(2, moved)], dram), 0, 0);
    for (index, row) in [2046, 0, 2, 2041, 2043, 2045].into_iter().enumerate() {
        assert_eq!(emulator.state().weight_row(row), narrow(&lanes[index * L..][..L]), "row {row}");
    }
}

/// Granule `g` holds a row of vector memory whose lanes are `100 * g + lane`.
fn numbered(granules: usize) -> Vec<u8> {
    let mut bits = Bits(Vec::new());
    for granule in 0..granules as i64 {
        (0..V as i64).for_each(|lane| bits.put(18, 100 * granule + lane));
        bits.pad(GRANULE);
    }
    bits.bytes()
}

#[test]
fn addresses_and_rows_move_by_token_position_and_block() {
    let moved = Transfer {
        way: Way::Vmem,
        run: 1,
        address: 2,
        address_step: 3,
        row: 10,
        row_step: 1,
        row_number_step: 4,
        ..Transfer::default()
    };
    for (step_by, number) in
        [(StepBy::None, 0), (StepBy::Token, 7), (StepBy::Position, 19), (StepBy::Block, 2)]
    {
        let image = external(&[], &[], &[transfer(1, Transfer { step_by, ..moved })], numbered(64));
        let emulator = run(&image, 7, 19);
        let found = emulator.state().vmem_row(10 + 4 * number)[1];
        assert_eq!(found as usize, 100 * (2 + 3 * number) + 1, "{step_by:?}");
    }
}

#[test]
fn loops_move_addresses_and_rows() {
    let trips = op(control(4, 3, 1), Op::Loop(Loop {}));
    let tail =
        |first_step, second_step| op(control(0, 1, 1), Op::EndLoop(EndLoop { first_step, second_step }));
    let moved = Transfer { way: Way::Vmem, run: 1, row: 50, row_step: 1, ..Transfer::default() };
    let both = Transfer { address_offset: true, row_offset: true, ..moved };
    let address = Transfer { address_offset: true, row: 80, ..moved };
    let others = [trips, op(control(4, 1, 1), Op::Nop(Nop {})), tail(9, 9)];
    let transfers = [
        trips,
        transfer(1, both),
        transfer(1, address),
        tail(5, 2),
        transfer(1, Transfer { row: 90, ..both }),
    ];
    let emulator = run(&external(&others, &others, &transfers, numbered(16)), 0, 0);
    let first = |row: usize| emulator.state().vmem_row(row)[0];
    assert_eq!([first(50), first(52), first(54)], [0, 500, 1000]);
    // The last trip's address; after the loop the offsets are zero again.
    assert_eq!([first(80), first(90), first(51)], [1000, 0, 0]);
}

/// Vector memory and KV memory go to external memory and come back elsewhere; what is left of the last granule is zero.
#[test]
fn rows_that_went_back_can_be_read_again() {
    let vmem = numbers(8, 4 * V, 18);
    let back = Transfer { way: Way::FromVmem, run: 4, address: 2, row_step: 1, ..Transfer::default() };
    let again = Transfer { way: Way::Vmem, row: 300, ..back };
    // Two rows of vector memory become a key of 16 lanes: KV row 5, which goes back and comes again as row 77 and as a row of weights.
    let key = Vector {
        vmem: 0,
        b: B::Scalar,
        scalar: 32,
        shift: 8,
        destination: Destination::Key,
        length: 1,
        period: 2,
        row: 5,
        ..Vector::default()
    };
    let keys = [vector(1, key), vector(1, Vector { vmem: 1, start: 2, ..key })];
    let wait = op(control(200, 1, 1), Op::Nop(Nop {}));
    let kv_back =
        Transfer { way: Way::FromKv, run: 1, address: 9, row: 5, row_step: 1, ..Transfer::default() };
    let transfers = [
        wait,
        transfer(2, back),
        transfer(1, kv_back),
        turned(2, again),
        transfer(1, Transfer { way: Way::Kv, row: 77, ..kv_back }),
        transfer(1, Transfer { way: Way::Weights, row: 78, ..kv_back }),
    ];
    let mut image = external(&[], &keys, &transfers, vec![0xff; 16 * BYTES]);
    image.vmem = vmem.clone();
    let mut emulator = run(&image, 0, 0);
    for row in 0..4 {
        assert_eq!(emulator.state().vmem_row(300 + row), &vmem[row * V..][..V]);
    }
    let codes = emulator.state().kv_row(5).to_vec();
    assert!(codes.iter().any(|&code| code != 0));
    assert_eq!((emulator.state().kv_row(77), emulator.state().weight_row(78)), (&codes[..], &codes[..]));
    let mut bits = Bits(Vec::new());
    vmem.iter().for_each(|&word| bits.put(18, word.into()));
    bits.pad(GRANULE);
    assert_eq!(dram(&mut emulator, 2 * BYTES, 2 * BYTES), bits.bytes());
    assert_eq!(dram(&mut emulator, 4 * BYTES, 8), [0xff; 8]);
}

/// External memory as the host reads it.
fn dram(emulator: &mut Emulator, address: usize, count: usize) -> Vec<u8> {
    let words = emulator.read(Space::Dram, address as u32 / 8, count / 8).expect("it answers");
    words.iter().flat_map(|word| word[..8].to_vec()).collect()
}

/// A matrix as one `Dot` of pieces and as a `Dot` a result.
#[test]
fn pieces_are_what_a_dot_a_result_computes() {
    let (act, weights) = (numbers(21, 6 * V, 16), numbers(22, 24 * L, 9));
    // Entries 0, 1, 2 are two rows of vector memory each.
    let load: Vec<Instruction> = (0..6)
        .map(|row| {
            let to = to_act(row, row / 2);
            vector(1, Vector { start: row % 2 * 2, length: 1, period: 2, ..to })
        })
        .chain([op(control(40, 1, 1), Op::Nop(Nop {})), op(control(0, 1, 1), Op::Sync(Sync {}))])
        .collect();
    let sync = op(control(0, 1, 1), Op::Sync(Sync {}));
    let whole = Dot {
        row_step: 1,
        entry_advance: true,
        tap: 4,
        lane_advance: true,
        clear: Clear::First,
        emit: Emit::Wrap,
        shift: 9,
        store: 60,
        pieces: 3,
        ..Dot::default()
    };
    let mut matrix = vec![sync, dot(24, whole)];
    for result in 0..8 {
        let emit = if result == 7 { Emit::Last } else { Emit::Never };
        let one =
            Dot { row: 3 * result, lane: result, lane_advance: false, emit, pieces: 0, store: 61, ..whole };
        matrix.push(dot(3, one));
    }
    let idle = [sync];
    let mut image = external(&matrix, &load, &idle, Vec::new());
    (image.vmem, image.weights) = (act.clone(), narrow(&weights));
    let emulator = run(&image, 0, 0);
    let expected: Vec<i32> = (0..8)
        .map(|result| {
            let sum: i64 =
                (0..3 * L).map(|lane| i64::from(weights[result * 3 * L + lane]) * i64::from(act[lane])).sum();
            ((sum as f64 / 512.0 + 0.5).floor() as i32).clamp(-131_072, 131_071)
        })
        .collect();
    assert_eq!(emulator.state().vmem_row(60), expected);
    assert_eq!(emulator.state().vmem_row(61), expected);
}

#[test]
fn addresses_outside_external_memory_are_faults() {
    let granules = CHIP.dram_granules as u32;
    let moved = Transfer { way: Way::Vmem, run: 1, row_step: 1, ..Transfer::default() };
    for (count, address, fault) in [
        (1, granules - 1, Fault::default()),
        (2, granules - 1, Fault::DRAM_ADDRESS),
        (1, granules, Fault::DRAM_ADDRESS),
    ] {
        for way in [Way::Vmem, Way::Weights, Way::Kv, Way::FromVmem, Way::FromKv] {
            let image =
                external(&[], &[], &[transfer(count, Transfer { way, address, ..moved })], Vec::new());
            let mut emulator = Emulator::with_image(&image);
            emulator.execute(0, 0);
            assert_eq!(emulator.faults(), fault, "{way:?}, {count} from {address}");
        }
    }
    // Below zero, by a loop's offset.
    let trips = op(control(4, 2, 1), Op::Loop(Loop {}));
    let tail = op(control(0, 1, 1), Op::EndLoop(EndLoop { first_step: -1, second_step: 0 }));
    let others = [trips, op(control(4, 1, 1), Op::Nop(Nop {})), tail];
    let below = [trips, transfer(1, Transfer { address_offset: true, ..moved }), tail];
    let mut emulator = Emulator::with_image(&external(&others, &others, &below, Vec::new()));
    emulator.execute(0, 0);
    assert_eq!(emulator.faults(), Fault::DRAM_ADDRESS);
}

#[test]
fn rows_outside_their_memory_are_faults_but_in_the_ring() {
    for (way, row, fault) in [
        (Way::Weights, 2047, Fault::default()),
        (Way::Kv, 1023, Fault::MATRIX_ADDRESS),
        (Way::Vmem, 511, Fault::VMEM_ADDRESS),
        (Way::FromKv, 1023, Fault::MATRIX_ADDRESS),
        (Way::FromVmem, 511, Fault::VMEM_ADDRESS),
    ] {
        let moved = Transfer { way, row, row_step: 1, run: 2, ..Transfer::default() };
        for sink in [false, true] {
            let mut emulator = Emulator::with_image(&external(&[], &[], &[transfer(1, moved)], Vec::new()));
            if sink {
                emulator.execute_traced(0, 0, &mut Vec::new());
            } else {
                emulator.execute(0, 0);
            }
            assert_eq!(emulator.faults(), fault, "{way:?}");
        }
    }
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

/// The token after `t` is `(3 * t + 1) mod 16`: external memory holds a row of logits pair a token, and gets the logits of the last one.
#[test]
fn a_device_loads_external_memory_and_reads_logits_from_it() {
    let mut bits = Bits(Vec::new());
    for token in 0..16 {
        (0..16).for_each(|lane| bits.put(18, if lane == (3 * token + 1) % 16 { 90 } else { lane - 20 }));
        bits.pad(GRANULE);
    }
    let load = Transfer {
        way: Way::Vmem,
        run: 2,
        step_by: StepBy::Token,
        address_step: 1,
        row: 40,
        row_step: 1,
        ..Transfer::default()
    };
    let back = Transfer { way: Way::FromVmem, address: 30, address_step: 0, ..load };
    let choose = Vector {
        vmem: 40,
        vmem_advance: true,
        b: B::Scalar,
        scalar: 33,
        destination: Destination::Argmax,
        row_step: 1,
        restart: true,
        ..Vector::default()
    };
    let sync = op(control(0, 1, 1), Op::Sync(Sync {}));
    let wait = op(control(60, 1, 1), Op::Nop(Nop {}));
    let transfers = [transfer(1, load), wait, sync, transfer(1, back)];
    let mut image = external(&[sync], &[sync, vector(2, choose)], &transfers, bits.bytes());
    (image.model.vocab, image.model.logits_row) = (16, 30);
    let mut device = PortDevice::new(Emulator::new(CHIP));
    device.load(&image).expect("loads");
    let outcome = run_to_end(&mut device, &RunRequest::greedy(&[2], 6)).expect("runs");
    assert_eq!(outcome.tokens(), [7, 6, 3, 10, 15, 14]);
    assert_eq!(device.faults().expect("answers"), Fault::default());
    // The input of the last position was 15.
    let logits = device.logits().expect("answers");
    let expected: Vec<i32> = (0..16).map(|lane| if lane == 14 { 90 } else { lane - 20 }).collect();
    assert_eq!(logits, expected);
    // Beyond its end the port refuses.
    let words = (CHIP.dram_granules * 8) as u32;
    assert_eq!(device.port().read(Space::Dram, words, 1).expect("answers"), [[0; 9]]);
    assert_eq!(Fault(device.register(Register::Faults).expect("answers") as u32), Fault::HOST_ACCESS);
}

/// Loading by the host port and loading directly are the same to a program, also where an image's memory ends within a word.
#[test]
fn both_ways_of_loading_give_the_same_memory() {
    let dram_bytes: Vec<u8> = (0..200_003).map(|at| (at * 7 + at / 256) as u8).collect();
    let image = external(&[], &[], &[], dram_bytes.clone());
    let mut device = PortDevice::new(Emulator::new(CHIP));
    device.load(&image).expect("loads");
    let mut direct = Emulator::with_image(&image);
    let mut expected = dram_bytes;
    expected.resize(200_064, 0);
    assert_eq!(dram(&mut direct, 0, 65_536 * 2), expected[..65_536 * 2]);
    for address in [0, 65_528, 131_000, 199_936] {
        let wanted = &expected[address..address + 128];
        assert_eq!(dram(&mut direct, address, 128), wanted, "with_image, {address}");
        assert_eq!(dram(device.port(), address, 128), wanted, "host port, {address}");
    }
}
