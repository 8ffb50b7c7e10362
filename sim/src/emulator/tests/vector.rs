//! What `Vector` computes, and where its results go.

use super::*;
use lpu_isa::arith;
use lpu_isa::host::Fault;

/// Number of the first reduction scalar, of the scalar one, of the inverse temperature at nano geometry.
const REDUCTION: u32 = 16;
const ONE: u32 = 32;

fn image_with_vmem(vmem: &[i32], vectors: &[(i32, Vector)]) -> Image {
    let vectors: Vec<_> = vectors.iter().map(|&(count, fields)| vector(count, fields)).collect();
    let mut image = image(&[], &vectors);
    image.vmem = vmem.to_vec();
    image
}

/// `vreg[target..] = vmem[row..]`, as a product with one.
fn load(row: u32, target: u32) -> Vector {
    Vector {
        vmem: row,
        vmem_advance: true,
        b: B::Scalar,
        scalar: ONE,
        write: true,
        target,
        target_advance: true,
        ..Vector::default()
    }
}

#[test]
fn multiply_shifts_rounds_and_adds() {
    let vmem = numbers(11, 4 * V, 18);
    let product = Vector {
        vmem: 2,
        vmem_advance: true,
        a: 0,
        b: B::VregA,
        c: C::VregB,
        bc: 1,
        shift: 12,
        ..load(0, 8)
    };
    let product = Vector { scalar: 0, ..product };
    let emulator = run(&image_with_vmem(&vmem, &[(4, load(0, 0)), (2, product)]), 0, 0);
    for k in 0..2 {
        for lane in 0..V {
            let (x, b, c) = (vmem[(2 + k) * V + lane], vmem[lane], vmem[V + lane]);
            let exact = (i64::from(x) * i64::from(b) + (1 << 11)) >> 12;
            let expected =
                (exact.clamp(-(1 << 24), (1 << 24) - 1) + i64::from(c)).clamp(-(1 << 23), (1 << 23) - 1);
            assert_eq!(i64::from(emulator.state().vreg_row(8 + k)[lane]), expected, "row {k}, lane {lane}");
        }
    }
}

#[test]
fn first_operand_is_shifted_swapped_and_reduced_by_the_scalar() {
    let vmem = numbers(12, V, 18);
    // Register 0 holds the row times four; the reduction of lane 3 is the scalar subtracted.
    let fourfold = Vector { shift: -2, b: B::Scalar, scalar: ONE, ..load(0, 0) };
    let lane = Vector { reduce: Reduce::PositionLane, reduction: 5, ..load(0, 1) };
    let difference = Vector {
        x: X::VregA,
        x_shift: 2,
        swap: true,
        subtract: true,
        scalar: REDUCTION + 5,
        b: B::X,
        shift: 16,
        write: true,
        target: 2,
        ..Vector::default()
    };
    // A shift below zero counts as none, the exponent of one is 16: so 16 - 2 remain.
    let emulator = run(&image_with_vmem(&vmem, &[(1, fourfold), (1, lane), (1, difference)]), 0, 3);
    for lane in 0..V {
        let swapped = i64::from(vmem[lane ^ 1]);
        let x = (swapped - i64::from(vmem[3])).clamp(-131_072, 131_071);
        let expected = (x * x + (1 << 15)) >> 16;
        assert_eq!(i64::from(emulator.state().vreg_row(2)[lane]), expected, "lane {lane}");
    }
}

#[test]
fn reductions_sum_rows_into_scalars() {
    let vmem: Vec<i32> = (1..=4 * V as i32).collect();
    let plain = Vector { reduce: Reduce::All, reduction: 0, sum_shift: 2, bias: 2, ..load(0, 0) };
    let root = Vector { scaling: Scaling::ReciprocalSqrt, reduction: 1, bias: 0, ..plain };
    let inverse = Vector { scaling: Scaling::Reciprocal, reduction: 2, bias: 0, ..plain };
    let token = Vector { reduce: Reduce::TokenLane, reduction: 3, sum_shift: 0, bias: 0, ..plain };
    let emulator = run(&image_with_vmem(&vmem, &[(4, plain), (4, root), (4, inverse), (2, token)]), 21, 0);
    let sum = 32 * 33 / 2;
    let scalar = |number: usize| emulator.state().scalar(16 + number);
    assert_eq!((scalar(0).mantissa, scalar(0).exponent), ((sum + 2 + 2) / 4, 0));
    let value =
        |number: usize| f64::from(scalar(number).mantissa) / f64::from(17 + scalar(number).exponent).exp2();
    assert!((value(1) * f64::from(sum).sqrt() - 1.0).abs() < 1e-3);
    assert!((value(2) * f64::from(sum) - 1.0).abs() < 1e-3);
    // Token 21 is lane 5 of two rows.
    assert_eq!(scalar(3).mantissa, 6 + 14);
}

#[test]
fn a_scalar_pair_scales_the_halves_differently() {
    let vmem: Vec<i32> =
        [1000; V].into_iter().chain([3, 0, 0, 0, 0, 0, 0, 0]).chain([5, 0, 0, 0, 0, 0, 0, 0]).collect();
    let scalar = |row, reduction| Vector { reduce: Reduce::All, reduction, ..load(row, 9) };
    let pair = Vector { b: B::ScalarPair, scalar: REDUCTION, vmem_advance: false, ..load(0, 0) };
    let emulator = run(&image_with_vmem(&vmem, &[(1, scalar(1, 0)), (1, scalar(2, 1)), (1, pair)]), 0, 0);
    assert_eq!(emulator.state().vreg_row(0), [3000, 3000, 3000, 3000, 5000, 5000, 5000, 5000]);
    // With a step the next issue uses the next scalar.
    let step = Vector { b: B::Scalar, scalar: REDUCTION, scalar_step: 1, vmem_advance: false, ..load(0, 0) };
    let emulator = run(&image_with_vmem(&vmem, &[(1, scalar(1, 0)), (1, scalar(2, 1)), (2, step)]), 0, 0);
    assert_eq!((emulator.state().vreg_row(0)[0], emulator.state().vreg_row(1)[7]), (3000, 5000));
}

#[test]
fn exponential_and_sigmoid() {
    let vmem = [0, -128, -256, -64, -131_072, 5, -1, -1280, 0, 8192, -8192, 131_071, -131_072, 4096, 1, -1];
    let exponential = Vector { function: Function::Exp2, shift: 16, ..load(0, 0) };
    let sigmoid = Vector { function: Function::Sigmoid, ..load(1, 1) };
    let emulator = run(&image_with_vmem(&vmem, &[(1, exponential), (1, sigmoid)]), 0, 0);
    for lane in 0..V {
        let found = f64::from(emulator.state().vreg_row(0)[lane]);
        let score = f64::from(vmem[lane].min(0)) / f64::from(1 << arith::SCORE_FRACTION_BITS);
        let exact = 65_536.0 * score.exp2();
        assert!((found - exact).abs() <= 2.5, "lane {lane}: {found} {exact}");
        let found = f64::from(emulator.state().vreg_row(1)[lane]);
        let exact = 131_072.0 / (1.0 + (-f64::from(vmem[V + lane]) / 8192.0).exp());
        assert!((found - exact).abs() < 16.0, "lane {lane}: {found} {exact}");
    }
}

#[test]
fn relu_comes_after_the_addition_and_saturations_are_counted() {
    let vmem = [-5, 5, -131_072, 131_071, 0, 1, -1, 2];
    let relu = Vector { c: C::Vmem, relu: true, ..load(0, 0) };
    let emulator = run(&image_with_vmem(&vmem, &[(1, relu)]), 0, 0);
    assert_eq!(emulator.state().vreg_row(0), [0, 10, 0, 262_142, 0, 2, 0, 4]);
    assert_eq!(emulator.saturations(), 0);
    // 131,072^2 leaves 25 bits after a shift of 9: the product saturates, and so does the sum.
    let square = Vector { b: B::X, shift: 9, ..load(0, 0) };
    let emulator = run(&image_with_vmem(&vmem, &[(1, square)]), 0, 0);
    assert_eq!(emulator.state().vreg_row(0)[2], (1 << 23) - 1);
    assert_eq!(emulator.saturations(), 1);
}

#[test]
fn vector_memory_is_addressed_by_token_and_position() {
    let vmem: Vec<i32> = (0..40 * V as i32).map(|lane| lane / V as i32).collect();
    for (vmem_index, row) in [
        (VmemIndex::None, 3),
        (VmemIndex::TokenRow, 3 + 29),
        (VmemIndex::PositionRow, 3 + 2),
        (VmemIndex::PositionLane, 3 + 5),
    ] {
        let emulator =
            run(&image_with_vmem(&vmem, &[(1, Vector { vmem_index, ..load(3, 0) })]), 29 * 8 + 1, 21);
        assert_eq!(emulator.state().vreg_row(0)[0], row, "{vmem_index:?}");
    }
    // The result saturates to a word on its way into vector memory, row by row.
    let fourfold = Vector {
        shift: -4,
        destination: Destination::Vmem,
        row: 100,
        row_step: -2,
        write: false,
        ..load(38, 0)
    };
    let squares = Vector { b: B::Vmem, ..fourfold };
    let mut vmem = vmem;
    vmem[38 * V] = 1000;
    let emulator = run(&image_with_vmem(&vmem, &[(2, squares)]), 0, 0);
    assert_eq!(emulator.state().vmem_row(100)[..2], [131_071, 38 * 38]);
    assert_eq!(emulator.state().vmem_row(98)[0], 39 * 39);
    assert_eq!(emulator.saturations(), 1);
}

#[test]
fn activations_are_distributed_by_half_rows() {
    let vmem: Vec<i32> = (0..2 * V as i32).collect();
    // Half 1 of the result to half rows 1 and 3 of entry 4, then of entry 5.
    let act = Vector {
        destination: Destination::Act,
        half: true,
        sub: 1,
        entry: 4,
        entry_advance: true,
        start: 1,
        period: 1,
        write: false,
        ..load(0, 0)
    };
    // All lanes to half rows 2 and 3, after the entry used last.
    let more = Vector { half: false, entry_continue: true, start: 2, length: 1, period: 2, ..act };
    let emulator = run(&image_with_vmem(&vmem, &[(2, act), (1, more)]), 0, 0);
    assert_eq!(emulator.state().act_entry(4), [0, 0, 0, 0, 4, 5, 6, 7, 0, 0, 0, 0, 4, 5, 6, 7]);
    assert_eq!(emulator.state().act_entry(5), [0, 0, 0, 0, 12, 13, 14, 15, 0, 0, 0, 0, 12, 13, 14, 15]);
    assert_eq!(emulator.state().act_entry(6), [0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7]);
}

#[test]
fn activations_saturate_at_16_bits() {
    let vmem = [40_000, -40_000, 32_767, -32_768, 0, 0, 0, 0];
    let emulator = run(&image_with_vmem(&vmem, &[(1, to_act(0, 0))]), 0, 0);
    assert_eq!(emulator.state().act_entry(0)[..4], [32_767, -32_768, 32_767, -32_768]);
    assert_eq!(emulator.saturations(), 1);
}

#[test]
fn keys_of_several_positions_share_a_row() {
    // Keys of eight lanes, two positions a row: position 5 writes the upper half of row 10 + 2.
    let vmem = [-3, 127, 200, 201, 400, 511, -512, 7];
    let key = Vector {
        destination: Destination::Key,
        row: 10,
        positions: 1,
        start: 0,
        length: 1,
        period: 2,
        write: false,
        ..load(0, 0)
    };
    let emulator = run(&image_with_vmem(&vmem, &[(1, key)]), 0, 5);
    let row = emulator.state().kv_row(12);
    assert_eq!(row[..8], [0; 8]);
    // 200 and 201: steps of two from 128; 400: steps of four from 256; 511 is beyond the largest code.
    assert_eq!(row[8..], [-3, 127, 164, 165, 228, 255, -256, 7]);
    assert_eq!(emulator.saturations(), 0);
}

#[test]
fn values_are_written_transposed() {
    // Position 13 is lane 5 of block 1. Two groups: issue k writes elements 2k and 2k + 1.
    let vmem = [11, 12, 13, 14, 15, 16, 17, 18];
    let value = Vector {
        destination: Destination::Value,
        sub_advance: true,
        row: 20,
        row_step: 2,
        positions: 3,
        vmem_advance: false,
        write: false,
        ..load(0, 0)
    };
    let emulator = run(&image_with_vmem(&vmem, &[(4, value)]), 0, 13);
    for k in 0..4 {
        let mut expected = [0; L];
        expected[5] = 11 + 2 * k as i16;
        expected[8 + 5] = 12 + 2 * k as i16;
        assert_eq!(emulator.state().kv_row(21 + 2 * k), expected, "issue {k}");
    }
}

#[test]
fn scores_read_the_keys_that_were_written() {
    // Lanes 0..8 are position 0's key, 8..16 position 1's; the query is the same row.
    let vmem = [1, -2, 3, -4, 300, 6, 7, 8];
    let key = Vector {
        destination: Destination::Key,
        positions: 1,
        length: 1,
        period: 2,
        write: false,
        ..load(0, 0)
    };
    let query = Vector { length: 1, period: 1, ..to_act(0, 0) };
    let matrix = [
        op(control(200, 1, 1), Op::Nop(Nop {})),
        dot(
            1,
            Dot {
                memory: Memory::Kv,
                tap: 3,
                emit: Emit::Last,
                clear: Clear::Always,
                mask: true,
                store: 50,
                ..Dot::default()
            },
        ),
    ];
    let mut image = image(&matrix, &[vector(1, key), vector(1, query)]);
    image.vmem = vmem.to_vec();
    let mut emulator = Emulator::with_image(&image);
    emulator.execute(0, 0);
    emulator.execute(0, 1);
    let score: i32 = vmem.iter().map(|lane| lane * lane).sum();
    assert_eq!(emulator.state().vmem_row(50)[..2], [score, score]);
    assert!(emulator.state().vmem_row(50)[2..].iter().all(|&lane| lane == -131_072));
}

#[test]
fn the_largest_candidate_is_chosen_and_the_first_of_equals() {
    let mut vmem = vec![-9; 4 * V];
    let argmax =
        Vector { destination: Destination::Argmax, restart: true, row_step: 1, write: false, ..load(0, 0) };
    let chosen = |vmem: &[i32], fields: Vector| {
        let image = image_with_vmem(vmem, &[(4, fields)]);
        Emulator::with_image(&image).execute(0, 0).token
    };
    assert_eq!(chosen(&vmem, argmax), 0, "all equal");
    vmem[13] = 4;
    vmem[22] = 4;
    assert_eq!(chosen(&vmem, argmax), 13);
    vmem[30] = 5;
    assert_eq!(chosen(&vmem, argmax), 30);
    assert_eq!(chosen(&vmem, Vector { tail: 6, ..argmax }), 13, "lane 6 of the last row does not count");
    assert_eq!(chosen(&vmem, Vector { row: 100, ..argmax }), 830, "rows are numbered from 100");
}

#[test]
fn noise_is_gumbel_in_order_and_must_have_been_made() {
    let noisy = Vector { c: C::Noise, ..load(0, 0) };
    let image = image_with_vmem(&[0; V], &[(2, noisy)]);
    let mut emulator = Emulator::with_image(&image);
    emulator.state.noise.start(99, true);
    emulator.execute(0, 0);
    assert_eq!(emulator.faults(), Fault::default());
    let mut generator = arith::Taus88::new(99);
    let expected: Vec<i32> = (0..2 * V).map(|_| arith::gumbel(generator.next())).collect();
    let found: Vec<i32> = (0..2).flat_map(|row| emulator.state().vreg_row(row).to_vec()).collect();
    assert_eq!(found, expected);
    // A row takes eight cycles to make: the first instruction issues in cycle 44, so five rows are ready and the sixth is
    // taken five cycles later, when 49 numbers exist. The seventh comes too early.
    for (rows, faults) in [(6, Fault::default()), (7, Fault::NOISE_UNDERRUN)] {
        let mut emulator = Emulator::with_image(&image_with_vmem(&[0; V], &[(rows, noisy)]));
        emulator.execute(0, 0);
        assert_eq!(emulator.faults(), faults, "{rows} rows");
    }
}

#[test]
fn loops_move_vector_memory_and_kv_rows() {
    let vmem: Vec<i32> = (0..12 * V as i32).map(|lane| lane / V as i32).collect();
    let key = Vector {
        destination: Destination::Key,
        vmem_offset: true,
        row_offset: true,
        row: 30,
        length: 1,
        period: 1,
        write: false,
        ..load(1, 0)
    };
    let trips = op(control(4, 3, 1), Op::Loop(Loop {}));
    let tail = EndLoop { first_step: 4, second_step: 2 };
    let wait = op(control(40, 1, 1), Op::Nop(Nop {}));
    let mut image = image(
        &[trips, op(control(0, 1, 1), Op::EndLoop(EndLoop::default()))],
        &[trips, vector(1, key), wait, op(control(0, 1, 1), Op::EndLoop(tail))],
    );
    image.vmem = vmem;
    let emulator = run(&image, 0, 0);
    for (trip, value) in [1, 5, 9].into_iter().enumerate() {
        assert_eq!(emulator.state().kv_row(30 + 2 * trip), [value; L], "trip {trip}");
    }
}
