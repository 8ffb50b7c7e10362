//! Where rows come from and go to, and what multiplies them.

use super::*;
use lpu_isa::host::Fault;

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
        (Way::Weights, CHIP.weight_rows as u32 - 1, Fault::default()),
        (Way::Kv, CHIP.kv_rows as u32 - 1, Fault::MATRIX_ADDRESS),
        (Way::Vmem, CHIP.vmem_rows as u32 - 1, Fault::VMEM_ADDRESS),
        (Way::FromKv, CHIP.kv_rows as u32 - 1, Fault::MATRIX_ADDRESS),
        (Way::FromVmem, CHIP.vmem_rows as u32 - 1, Fault::VMEM_ADDRESS),
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
