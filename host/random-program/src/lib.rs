//! Random legal programs for lockstep tests: short, with every mode of every instruction, random memories and a prompt.
//!
//! A program grows from one that is legal but does next to nothing: an instruction is proposed, begun later until nothing
//! is read too early, and kept if the verifier accepts the whole. So the program is legal at every moment, and
//! a proposal need not be clever.
//!
//! # Invariants
//! 1. Equal seeds give equal programs.
//! 2. Lanes of KV memory that no position wrote may be read: machines to be compared begin with equal KV memories.

mod propose;

use lpu_isa::Geometry;
use lpu_isa::arith::Scalar;
use lpu_isa::image::{Image, ModelInfo};
use lpu_isa::instruction::*;
use lpu_sim::RunRequest;
use lpu_verifier::{By, Report, Rule, Site, Violation, verify};
use propose::Pools;

/// Cycles that no token of a random program exceeds.
pub const TOKEN_CYCLES_MAX: u64 = 300;
/// The same on chips with external memory, which takes its time.
pub const TOKEN_CYCLES_MAX_EXTERNAL: u64 = 1200;
/// Times that a proposed instruction is begun later before it is given up.
const REPAIRS_MAX: usize = 24;
/// Largest delay that repairing may lead to.
const DELAY_MAX: i32 = 70;

/// A program with memories, and a run of it.
#[derive(Clone, Debug)]
pub struct RandomProgram {
    /// A legal image.
    pub image: Image,
    /// A run through its whole context.
    pub request: RunRequest,
    /// What the verifier said of it.
    pub report: Report,
}

/// A source of random numbers: splitmix64.
pub(crate) struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    /// A number below `limit`.
    fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit as u64) as usize
    }

    /// A number from `first` to `last`.
    fn within(&mut self, first: i32, last: i32) -> i32 {
        first + self.below((last - first + 1) as usize) as i32
    }

    /// True once in `times`.
    fn once_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }

    fn of<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len())]
    }
}

/// The random program of a seed.
pub fn random_program(seed: u64, geometry: &Geometry) -> RandomProgram {
    let mut random = Random(seed);
    let image = memories(&mut random, geometry);
    let mut growing = Growing::new(&mut random, image);
    for section in 0..random.within(2, 4) {
        growing.begin_section(&mut random, section);
        if section == 0 {
            for primer in propose::primers(&mut random, &growing.image, &growing.pools) {
                growing.propose(&mut random, primer);
            }
        }
        for _ in 0..random.within(6, 12) {
            if random.once_in(12) {
                growing.meet();
            }
            let proposal = propose::instruction(&mut random, &growing.image, &growing.pools);
            growing.propose(&mut random, proposal);
        }
    }
    let request = request(&mut random, &growing.image.model);
    // The image still holds the last proposal, perhaps a refused one: check() writes it anew.
    let report = growing.check().expect("only legal proposals were kept");
    RandomProgram { image: growing.image, request, report }
}

/// An image without a program. Most memories are small, so that loading them is quick.
fn memories(random: &mut Random, geometry: &Geometry) -> Image {
    let full = random.once_in(16);
    let rows = |random: &mut Random, most: usize, usual: usize| {
        if full { most } else { most.min(usual + random.below(usual)) }
    };
    let weight_rows = rows(random, geometry.weight_rows, 24);
    let vmem_rows = rows(random, geometry.vmem_rows / 2, 16);
    let bits = random.within(2, 9);
    // Weights that are zero would hide what they multiply, and let undriven lanes pass.
    let weights = (0..weight_rows * geometry.mxm_lanes).map(|_| {
        let weight = random.within(-(1 << (bits - 1)), (1 << (bits - 1)) - 1) as i16;
        if weight == 0 { 1 } else { weight }
    });
    let weights = weights.collect();
    let vmem = (0..vmem_rows * geometry.vxm_lanes).map(|_| {
        let bits = random.within(2, 18);
        random.within(-(1 << (bits - 1)), (1 << (bits - 1)) - 1)
    });
    let vmem = vmem.collect();
    let blocks = if random.once_in(6) { geometry.block() } else { 0 };
    let context = (blocks + random.below(3) + 2) as u32;
    let vocab = random.within(geometry.vxm_lanes as i32, 5 * geometry.vxm_lanes as i32) as u32;
    let model = ModelInfo { name: "random".into(), vocab, context, ..ModelInfo::default() };
    let dram = external(random, geometry);
    Image { model, weights, vmem, dram, ..Image::empty(*geometry) }
}

/// Some granules of external memory, where there is one.
fn external(random: &mut Random, geometry: &Geometry) -> Vec<u8> {
    if !geometry.has_external_memory() {
        return Vec::new();
    }
    let bytes = (propose::GRANULES as usize + random.below(8)) * geometry.granule_bytes();
    (0..bytes).map(|_| random.next() as u8).collect()
}

fn request(random: &mut Random, model: &ModelInfo) -> RunRequest {
    let limit = model.context as usize;
    let length = random.within(1, limit as i32);
    let prompt = (0..length).map(|_| random.below(model.vocab as usize) as u16).collect();
    let temperature =
        Scalar { mantissa: random.within(1 << 16, (1 << 17) - 1), exponent: random.within(0, 20) };
    let sampling = random.once_in(2).then_some(temperature);
    RunRequest {
        seed: random.next() as u32,
        sampling,
        ..RunRequest { prompt, ..RunRequest::greedy(&[], limit) }
    }
}

/// A legal program that grows.
struct Growing {
    image: Image,
    /// The chip's queues: matrix, vector, transfer.
    programs: Vec<Vec<Instruction>>,
    /// Where the section in work ends: the index of its `Sync`, `EndLoop` or last operation, in each queue.
    ends: Vec<usize>,
    pools: Pools,
}

impl Growing {
    /// The program that only chooses a token.
    fn new(random: &mut Random, image: Image) -> Self {
        let geometry = image.geometry;
        let one = 2 * geometry.scalars as u32;
        let tail = random.below(geometry.vxm_lanes + 1) as u32;
        let choose = Vector { b: B::Scalar, scalar: one, shift: 4, tail, restart: true, ..Vector::default() };
        let choose = Vector { destination: Destination::Argmax, write: random.once_in(2), ..choose };
        let end = instruction(Control::default(), Op::End(End {}));
        let wait = instruction(Control::after(40), Op::Nop(Nop {}));
        let choose = instruction(Control::after(4), Op::Vector(choose));
        let mut programs = vec![vec![wait, end], vec![choose, wait, end]];
        programs.resize(geometry.queues(), vec![end]);
        Self { pools: Pools::new(&image), image, ends: vec![0; programs.len()], programs }
    }

    /// Ends the section in work, if there is one, and begins another, perhaps a loop.
    fn begin_section(&mut self, random: &mut Random, section: i32) {
        if section > 0 {
            self.close();
        }
        if random.once_in(2) {
            self.open_loop(random);
        }
    }

    /// Leaves the loop in work, or lets the queues meet; what follows is the next section.
    fn close(&mut self) {
        let in_loop = matches!(self.programs[0][self.ends[0]].op, Op::EndLoop(_));
        if in_loop { self.ends.iter_mut().for_each(|end| *end += 1) } else { self.meet() }
    }

    /// Lets the queues meet in a `Sync`, if the next trip of a loop bears the delay.
    fn meet(&mut self) {
        self.try_change(|programs, ends| {
            for (program, end) in programs.iter_mut().zip(ends) {
                program.insert(*end, instruction(Control::default(), Op::Sync(Sync {})));
                *end += 1;
            }
        });
    }

    /// Makes a change, or none if the program would not be legal with it.
    fn try_change(&mut self, change: impl FnOnce(&mut [Vec<Instruction>], &mut [usize])) {
        let before = (self.programs.clone(), self.ends.clone());
        change(&mut self.programs, &mut self.ends);
        if !self.check().is_ok_and(|report| self.is_short(&report)) {
            (self.programs, self.ends) = before;
        }
    }

    /// A loop without a body in all queues; what follows grows inside.
    fn open_loop(&mut self, random: &mut Random) {
        let trips = random.within(1, 3);
        let per_block = random.within(-1, 1);
        let count = Affine { constant: trips - per_block, per_block };
        let delay = random.within(4, 7);
        let queues = 0..self.programs.len();
        let steps: Vec<EndLoop> = queues
            .map(|_| EndLoop { first_step: random.within(-2, 3), second_step: random.within(-2, 9) })
            .collect();
        // Trips that depend on the blocks begun may vanish at late positions; then there is no loop.
        self.try_change(|programs, ends| {
            let control = Control { delay: Affine::fixed(delay), count, interval: 0 };
            for ((program, end), steps) in programs.iter_mut().zip(ends).zip(steps) {
                let end_loop = instruction(Control::default(), Op::EndLoop(steps));
                program.splice(*end..*end, [instruction(control, Op::Loop(Loop {})), end_loop]);
                *end += 1;
            }
        });
    }

    /// Adds an instruction at the end of the section in work if it can be made legal.
    fn propose(&mut self, random: &mut Random, proposal: Instruction) {
        let queue = propose::queue(random, &proposal.op);
        let before = self.programs.clone();
        let at = self.ends[queue as usize];
        self.programs[queue as usize].insert(at, proposal);
        if self.repair(By { queue, index: at }) {
            self.ends[queue as usize] += 1;
            self.pools.add(&self.image.geometry, &proposal);
        } else {
            self.programs = before;
        }
    }

    /// Begins the new instruction, and the end of the token, later until the program is legal. Whether it became so.
    fn repair(&mut self, new: By) -> bool {
        for _ in 0..REPAIRS_MAX {
            let violation = match self.check() {
                Ok(report) => return self.is_short(&report),
                Err(violation) => violation,
            };
            let Some((place, wait)) = self.remedy(new, &violation) else { return false };
            let delay = &mut self.programs[place.queue as usize][place.index].control.delay;
            // A delay below zero counts as none: waiting begins at zero.
            let hidden = -(delay.constant + delay.per_block).min(0);
            delay.constant += wait + hidden;
            if delay.constant > DELAY_MAX {
                return false;
            }
        }
        false
    }

    /// Which instruction should begin how much later.
    fn remedy(&self, new: By, Violation { site, rule }: &Violation) -> Option<(By, i32)> {
        let vector = &self.programs[Queue::Vector as usize];
        let last_wait = By { queue: Queue::Vector, index: vector.len() - 2 };
        let wait = match *rule {
            Rule::ChoiceTooLate { ready, end } => return Some((last_wait, (ready - end) as i32)),
            Rule::AfterToken { effect, end } => return Some((last_wait, (effect - end) as i32)),
            Rule::TooEarly { ready, sampled, .. } => ready - sampled,
            Rule::Overtaken { theirs, ours, .. } => theirs - ours + 1,
            Rule::Period { least, found } => least - found,
            Rule::Collision { .. } | Rule::Port { .. } | Rule::SameCycle { .. } => 1,
            Rule::Turnaround { .. } => self.image.geometry.dram_granule_cycles as i64,
            Rule::Noise { .. } => self.image.geometry.vxm_lanes as i64,
            // The other queues may write it later in this section.
            Rule::Undriven { .. } => 11,
            _ => return None,
        };
        let by = match *site {
            Site::Activation { by, .. } | Site::Issue { by, .. } => by,
            Site::Image | Site::Program(_) | Site::Instruction(_) => return None,
        };
        (by == new).then_some((new, wait as i32))
    }

    fn check(&mut self) -> Result<Report, Violation> {
        let encode = |program: &Vec<Instruction>| {
            program
                .iter()
                .map(|instruction| instruction.encode().expect("proposals fit their fields"))
                .collect()
        };
        self.image.matrix = encode(&self.programs[Queue::Matrix as usize]);
        self.image.vector = encode(&self.programs[Queue::Vector as usize]);
        self.image.transfer = self.programs.get(Queue::Transfer as usize).map(encode).unwrap_or_default();
        verify(&self.image)
    }

    fn is_short(&self, report: &Report) -> bool {
        let external = self.image.geometry.has_external_memory();
        let most = if external { TOKEN_CYCLES_MAX_EXTERNAL } else { TOKEN_CYCLES_MAX };
        report.cycles.iter().all(|&cycles| cycles <= most)
    }
}

fn instruction(control: Control, op: Op) -> Instruction {
    Instruction { control, op }
}
