//! What `Dot` and `Gather` compute, held against sums written out.

use super::*;
use lpu_isa::host::Fault;

fn load_act(rows: &[i32]) -> Vec<Instruction> {
    // Row 2e goes to the lower half of entry e's lanes, row 2e + 1 to the upper half.
    (0..rows.len() / V)
        .map(|row| {
            let start = if row % 2 == 0 { 0 } else { 2 };
            let act = Vector { start, length: 1, period: 2, ..to_act(row as u32, row as u32 / 2) };
            vector(1, act)
        })
        .collect()
}

/// A program that first fills activation entries from vector memory, then has the matrix unit work.
fn image_with_act(act: &[i32], weights: &[i32], dots: &[Instruction]) -> Image {
    let mut vector = load_act(act);
    vector.push(op(control(40, 1, 1), Op::Nop(Nop {})));
    vector.push(op(control(0, 1, 1), Op::Sync(Sync {})));
    let mut matrix = vec![op(control(0, 1, 1), Op::Sync(Sync {}))];
    matrix.extend_from_slice(dots);
    let mut image = image(&matrix, &vector);
    image.vmem = act.to_vec();
    image.weights = narrow(weights);
    image
}

fn naive(weights: &[i32], act: &[i32], lanes: std::ops::Range<usize>) -> i64 {
    lanes.map(|lane| i64::from(weights[lane]) * i64::from(act[lane])).sum()
}

fn rounded(sum: i64, shift: u32) -> i32 {
    let value = (sum as f64 / f64::from(1u32 << shift) + 0.5).floor();
    value.clamp(-131_072.0, 131_071.0) as i32
}

#[test]
fn gather_takes_chunks_of_the_token_s_row() {
    let weights = numbers(7, 64 * L, 9);
    // Items of four chunks: token 5 begins at lane 5 * 32 counted from row 2.
    let matrix = gather(4, Gather { index: Index::Token, row: 2, chunks: 2, store: 9 });
    let mut image = image(&[matrix], &[]);
    image.weights = narrow(&weights);
    let emulator = run(&image, 5, 0);
    let found: Vec<i32> = (9..13).flat_map(|row| emulator.state().vmem_row(row).to_vec()).collect();
    assert_eq!(found, weights[2 * L + 5 * 32..][..32]);
}

#[test]
fn a_matrix_of_narrow_rows_leaves_as_one_vector_row() {
    // tap 2^3: two results a beat, four beats fill the eight lanes.
    let (act, weights) = (numbers(1, 2 * V, 16), numbers(2, 4 * L, 9));
    let fields = Dot {
        tap: 3,
        lane_advance: true,
        row_step: 1,
        emit: Emit::Wrap,
        shift: 7,
        store: 20,
        ..Dot::default()
    };
    let beats = dot(4, Dot { clear: Clear::Always, ..fields });
    let emulator = run(&image_with_act(&act, &weights, &[beats]), 0, 0);
    let expected: Vec<i32> = (0..8)
        .map(|result| {
            let (beat, part) = (result / 2, result % 2);
            let lanes = part * 8..part * 8 + 8;
            rounded(naive(&weights[beat * L..][..L], &act, lanes), 7)
        })
        .collect();
    assert_eq!(emulator.state().vmem_row(20), expected);
}

#[test]
fn wide_rows_accumulate_over_entries() {
    // One result from two beats with consecutive entries, twice, in lanes 3 and then 4.
    let (act, weights) = (numbers(3, 4 * V, 16), numbers(4, 4 * L, 9));
    let first = Dot {
        tap: 4,
        lane: 3,
        row_step: 1,
        entry_advance: true,
        clear: Clear::First,
        shift: 9,
        store: 30,
        ..Dot::default()
    };
    let second = Dot { lane: 4, row: 2, emit: Emit::Last, ..first };
    let emulator = run(&image_with_act(&act, &weights, &[dot(2, first), dot(2, second)]), 0, 0);
    let sum = |rows: std::ops::Range<usize>| -> i64 {
        rows.map(|row| naive(&weights[row * L..][..L], &act[row % 2 * L..][..L], 0..L)).sum()
    };
    let out = emulator.state().vmem_row(30);
    assert_eq!((out[3], out[4]), (rounded(sum(0..2), 9), rounded(sum(2..4), 9)));
}

#[test]
fn entry_continue_goes_on_where_the_last_beat_ended() {
    // Beat 1 uses entry 15, the next instruction must wrap to entry 0.
    let act = numbers(5, 2 * V, 12);
    let weights = numbers(6, L, 9);
    let never = Dot { tap: 4, entry: 15, clear: Clear::Always, ..Dot::default() };
    let next = Dot { entry: 9, entry_continue: true, emit: Emit::Last, store: 40, shift: 3, ..never };
    let emulator = run(&image_with_act(&act, &weights, &[dot(1, never), dot(1, next)]), 0, 0);
    assert_eq!(emulator.state().vmem_row(40)[0], rounded(naive(&weights, &act, 0..L), 3));
}

#[test]
fn clear_and_emit_modes() {
    // Entry 0 is all ones in lane 0 only, so that a beat's first result is the row's first weight: 1, 2, 4, 8.
    let mut act = vec![0; 2 * V];
    act[0] = 1;
    let mut weights = vec![0; 4 * L];
    for (row, value) in [1, 2, 4, 8].into_iter().enumerate() {
        weights[row * L] = value;
    }
    let lane = |clear: Clear, emit: Emit, store: u32| {
        let fields = Dot { tap: 4, lane: 7, row_step: 1, clear, emit, store, ..Dot::default() };
        let image = image_with_act(&act, &weights, &[dot(4, fields)]);
        let emulator = run(&image, 0, 0);
        (0..4).map(|row| emulator.state().vmem_row(store as usize + row)[7]).collect::<Vec<_>>()
    };
    assert_eq!(lane(Clear::Never, Emit::Wrap, 50), [1, 3, 7, 15]);
    assert_eq!(lane(Clear::First, Emit::Wrap, 50), [1, 3, 7, 15]);
    assert_eq!(lane(Clear::Always, Emit::WrapOrLast, 50), [1, 2, 4, 8]);
    assert_eq!(lane(Clear::Never, Emit::Last, 50), [15, 0, 0, 0]);
    assert_eq!(lane(Clear::Always, Emit::Never, 50), [0, 0, 0, 0]);
}

#[test]
fn the_maximum_ignores_positions_that_do_not_exist() {
    let mut act = vec![0; 2 * V];
    act[0] = 1;
    act[8] = 1;
    // Scores of ten positions, two a beat: 3, 4, .. 12; position 8 is the last that exists.
    let weights: Vec<i32> =
        (0..5 * L).map(|lane| if lane % 8 == 0 { 3 + lane as i32 / 8 } else { 0 }).collect();
    let fields = Dot {
        tap: 3,
        lane_advance: true,
        row_step: 1,
        clear: Clear::Always,
        emit: Emit::WrapOrLast,
        mask: true,
        maximum: true,
        scalar: 2,
        store: 60,
        ..Dot::default()
    };
    let emulator = run(&image_with_act(&act, &weights, &[dot(5, fields)]), 0, 8);
    assert_eq!(emulator.state().vmem_row(60), [3, 4, 5, 6, 7, 8, 9, 10]);
    let tail = emulator.state().vmem_row(61);
    assert_eq!(tail[0], 11);
    assert!(tail[1..].iter().all(|&lane| lane == -131_072), "{tail:?}");
    assert_eq!(emulator.state().scalar(2).mantissa, 11);
}

#[test]
fn sums_saturate_and_are_counted() {
    let act = vec![32_767; 2 * V];
    let weights = vec![255; L];
    let fields = Dot { tap: 4, clear: Clear::Always, emit: Emit::Last, store: 70, ..Dot::default() };
    let emulator = run(&image_with_act(&act, &weights, &[dot(1, fields)]), 0, 0);
    assert_eq!(emulator.state().vmem_row(70)[0], 131_071);
    assert_eq!(emulator.saturations(), 1);
}

#[test]
fn loops_move_matrix_rows() {
    // Three trips: rows 0, 3, 6 into vector memory row 80, whose lane 5 keeps the last.
    let mut act = vec![0; 2 * V];
    act[0] = 1;
    let mut weights = vec![0; 8 * L];
    for row in 0..8 {
        weights[row * L] = 10 + row as i32;
    }
    let fields = Dot { tap: 4, lane: 5, offset: true, emit: Emit::Last, store: 80, ..Dot::default() };
    let mut vector = load_act(&act);
    vector.push(op(control(40, 1, 1), Op::Nop(Nop {})));
    vector.push(op(control(0, 1, 1), Op::Sync(Sync {})));
    vector.push(op(control(4, 3, 1), Op::Loop(Loop {})));
    vector.push(op(control(0, 1, 1), Op::EndLoop(EndLoop::default())));
    let matrix = [
        op(control(0, 1, 1), Op::Sync(Sync {})),
        op(control(4, 3, 1), Op::Loop(Loop {})),
        dot(1, fields),
        op(control(0, 1, 1), Op::EndLoop(EndLoop { first_step: 3, second_step: 0 })),
        // After the loop the offset is zero again: row 0 is added once more.
        dot(1, Dot { store: 81, ..fields }),
    ];
    let mut image = image(&matrix, &vector);
    image.vmem = act;
    image.weights = narrow(&weights);
    let emulator = run(&image, 0, 0);
    assert_eq!(emulator.state().vmem_row(80)[5], 10 + 13 + 16);
    assert_eq!(emulator.state().vmem_row(81)[5], 10 + 13 + 16 + 10);
}

#[test]
fn addresses_outside_memory_are_faults() {
    let outside = [
        (gather(1, Gather { row: 2048, ..Gather::default() }), Fault::MATRIX_ADDRESS),
        (gather(1, Gather { store: 512, ..Gather::default() }), Fault::VMEM_ADDRESS),
        (dot(2, Dot { tap: 4, row_step: -1, ..Dot::default() }), Fault::MATRIX_ADDRESS),
        (dot(1, Dot { tap: 4, row: 1024, memory: Memory::Kv, ..Dot::default() }), Fault::MATRIX_ADDRESS),
    ];
    for (instruction, fault) in outside {
        let mut emulator = Emulator::with_image(&image(&[instruction], &[]));
        emulator.execute(0, 0);
        assert_eq!(emulator.faults(), fault, "{instruction:?}");
    }
}
