//! Where nobody watches, issues trade places and kernels do many at once: whatever the program, the result is that of the plain order.
//!
//! Programs are random and mostly illegal: rows are overwritten just before or after they are read, so that an exchange that a program can tell
//! is seen.

use super::external::external;
use super::*;
use lpu_isa::transfer::Layout;

/// Programs of each chip. Their numbers are their seeds, so that a failure names its program.
const PROGRAMS: u32 = 500;

struct Random(u64);

impl Random {
    fn below(&mut self, limit: i64) -> i64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        ((self.0 >> 16) % limit as u64) as i64
    }

    fn odds(&mut self, one_in: i64) -> bool {
        self.below(one_in) == 0
    }

    fn one_of<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len() as i64) as usize]
    }
}

/// A chip with a ring so small that transfers and beats catch each other up.
fn chip(base: Geometry) -> Geometry {
    Geometry { weight_rows: 32, kv_rows: 32, vmem_rows: 64, ..base }
}

fn random_dot(random: &mut Random, chip: &Geometry) -> Instruction {
    let tap =
        random.one_of(&[chip.tree_levels(), chip.tree_levels() - 1, chip.narrowest_tap().ilog2() as usize]);
    let results = chip.mxm_lanes >> tap;
    let dot = Dot {
        memory: if random.odds(4) { Memory::Kv } else { Memory::Weights },
        offset: random.odds(2),
        row: random.below(40) as u32,
        row_step: random.one_of(&[1, 1, 1, 1, 0, 2, -1]),
        entry: random.below(16) as u32,
        entry_continue: random.odds(4),
        entry_advance: !random.odds(3),
        tap: tap as u32,
        lane: (random.below((chip.vxm_lanes / results) as i64) as usize * results) as u32,
        lane_advance: !random.odds(3),
        clear: random.one_of(&[Clear::Never, Clear::Always, Clear::First]),
        emit: random.one_of(&[Emit::Never, Emit::Wrap, Emit::Last, Emit::WrapOrLast]),
        shift: random.below(12) as u32,
        mask: random.odds(4),
        maximum: random.odds(4),
        scalar: random.below(4) as u32,
        store: random.below(60) as u32,
        pieces: random.one_of(&[0, 0, 1, 2, 3, 9]),
    };
    let interval = random.one_of(&[1, 1, 2, 5, 20, 50]);
    op(control(random.below(80) as i32, 4 + random.below(60) as i32, interval), Op::Dot(dot))
}

fn random_vector(random: &mut Random) -> Instruction {
    let vector = Vector {
        vmem: random.below(40) as u32,
        vmem_advance: random.odds(2),
        b: random.one_of(&[B::Vmem, B::VregA, B::Scalar]),
        scalar: random.below(34) as u32,
        shift: 9 + random.below(9) as i32,
        write: true,
        target: random.below(20) as u32,
        destination: random.one_of(&[
            Destination::Act,
            Destination::Vmem,
            Destination::Key,
            Destination::Value,
        ]),
        entry: random.below(16) as u32,
        entry_advance: random.odds(2),
        length: 1,
        period: 1,
        row: random.below(20) as u32,
        row_step: 1,
        ..Vector::default()
    };
    op(
        control(random.below(100) as i32, 4 + random.below(6) as i32, 1 + random.below(9) as u32),
        Op::Vector(vector),
    )
}

fn random_transfer(random: &mut Random, chip: &Geometry) -> Instruction {
    if !chip.has_external_memory() {
        return op(control(4, 1, 1), Op::Nop(Nop {}));
    }
    let way = random.one_of(&[
        Way::Weights,
        Way::Weights,
        Way::Weights,
        Way::Kv,
        Way::Vmem,
        Way::FromKv,
        Way::FromVmem,
    ]);
    let transfer = Transfer {
        way,
        format: random.one_of(&[
            Format::Rows,
            Format::Codes4,
            Format::Codes5,
            Format::Codes6,
            Format::Codes8,
        ]),
        offset_codes: random.odds(2),
        step_by: random.one_of(&[StepBy::None, StepBy::Token, StepBy::Block]),
        address_offset: random.odds(2),
        row_offset: random.odds(2),
        shift: random.below(14) as u32,
        run: 1 + random.below(50) as u32,
        blocks: 1 + random.below(5) as u32,
        address: random.below(30) as u32,
        address_step: random.below(3) as u32,
        row: random.below(40) as u32,
        row_step: random.one_of(&[1, 1, 1, 1, 0, 2, -1]),
        run_step: random.below(20) as i32,
        row_number_step: random.below(3) as u32,
    };
    let granules = Layout::of(chip, &transfer).run_granules() as i32;
    op(control(random.below(60) as i32, granules * (1 + random.below(3) as i32), 1), Op::Transfer(transfer))
}

fn program(seed: u32, chip: Geometry) -> Image {
    let mut random = Random(u64::from(seed) * 0x9e37_79b9 + 1);
    let mut queues = [(); 3].map(|()| Vec::new());
    for (index, queue) in queues.iter_mut().enumerate() {
        queue.push(op(control(4 + random.below(99) as i32, 3, 1), Op::Loop(Loop {})));
        for _ in 0..3 + random.below(8) {
            queue.push(match index {
                0 => random_dot(&mut random, &chip),
                1 => random_vector(&mut random),
                _ => random_transfer(&mut random, &chip),
            });
        }
        let steps =
            EndLoop { first_step: random.below(9) as i32 - 3, second_step: random.below(9) as i32 - 3 };
        queue.push(op(control(0, 1, 1), Op::EndLoop(steps)));
    }
    let [matrix, vector, transfers] = queues;
    let bytes = numbers(seed + 1, 200 * 128, 8).into_iter().map(|byte| byte as u8).collect();
    let image = external(&matrix, &vector, &transfers, bytes);
    Image {
        geometry: chip,
        weights: narrow(&numbers(seed + 2, 32 * chip.mxm_lanes, 9)),
        vmem: numbers(seed + 3, 64 * chip.vxm_lanes, 18),
        ..image
    }
}

/// Everything that a token leaves behind.
fn assert_same(fast: &Emulator, plain: &Emulator, name: &str) {
    let (a, b) = (fast.state(), plain.state());
    assert_eq!(a.weights, b.weights, "{name}: weights");
    assert_eq!((&a.kv_codes, &a.kv_values), (&b.kv_codes, &b.kv_values), "{name}: KV memory");
    assert_eq!(a.vmem, b.vmem, "{name}: vector memory");
    assert_eq!((&a.vreg, &a.act, &a.sums), (&b.vreg, &b.act, &b.sums), "{name}: registers");
    assert_eq!((&a.maxima, &a.reductions), (&b.maxima, &b.reductions), "{name}: scalars");
    assert_eq!(
        (a.next_entry_read, a.next_entry_written),
        (b.next_entry_read, b.next_entry_written),
        "{name}"
    );
    assert_eq!((a.best, a.faults, a.saturations), (b.best, b.faults, b.saturations), "{name}");
    let dram = |emulator: &Emulator| emulator.state.dram.read(0, 1 << 18, &mut Vec::new()).to_vec();
    assert!(dram(fast) == dram(plain), "{name}: external memory");
}

#[test]
fn the_fast_order_gives_what_the_plain_order_gives() {
    for base in [Geometry::NANO_SDRAM, Geometry::ULX3S_85F_SDRAM, Geometry::ECP5_DDR3] {
        let chip = chip(base);
        let mut writes = 0;
        for seed in 0..PROGRAMS {
            let image = program(seed, chip);
            let (mut fast, mut plain) = (Emulator::with_image(&image), Emulator::with_image(&image));
            for (token, position) in [(3, 0), (1, 21)] {
                let mut trace = Vec::new();
                let expected = plain.execute_traced(token, position, &mut trace);
                assert_eq!(fast.execute(token, position), expected, "{}, program {seed}", base.name);
                writes += trace.len();
            }
            assert_same(&fast, &plain, &format!("{}, program {seed}", base.name));
        }
        assert!(writes > 100 * PROGRAMS as usize, "the programs do something");
    }
}

/// Chips without external memory execute beats at once too.
#[test]
fn the_same_without_external_memory() {
    let chip = chip(Geometry::NANO);
    for seed in 0..PROGRAMS {
        let image = program(seed, chip);
        let (mut fast, mut plain) = (Emulator::with_image(&image), Emulator::with_image(&image));
        let expected = plain.execute_traced(1, 9, &mut Vec::new());
        assert_eq!(fast.execute(1, 9), expected, "program {seed}");
        assert_same(&fast, &plain, &format!("program {seed}"));
    }
}
