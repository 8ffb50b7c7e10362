//! How long a token takes, and when each instruction issues, from the instructions' timing alone: no data, no memories.
//!
//! The number of cycles depends on the position only through the blocks begun, so that a whole context is predicted in a
//! few walks.

use crate::emulator::queue::{self, Block, Program, QUEUES, Walk};
use lpu_isa::Geometry;
use lpu_isa::host::Fault;
use lpu_isa::image::Image;
use lpu_isa::instruction::{Instruction, Queue};

/// The timing of a program.
#[derive(Clone, Debug)]
pub struct Predictor {
    geometry: Geometry,
    programs: [Program; QUEUES],
}

/// The issues of one token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Timeline {
    /// Issuing instructions of each queue, in order.
    pub blocks: [Vec<Block>; QUEUES],
    /// Cycles from the start of this token to the start of the next.
    pub cycles: i64,
    /// Faults that the timing shows: underrun, lost synchronisation, illegal instruction.
    pub faults: Fault,
}

impl Timeline {
    /// Part of the token's cycles in which a queue issues.
    pub fn utilisation(&self, queue: usize) -> f64 {
        let issues: i64 = self.blocks[queue].iter().map(|block| block.count).sum();
        issues as f64 / self.cycles as f64
    }
}

/// Cycles that the token at a position takes.
pub fn predict(image: &Image, position: usize) -> i64 {
    Predictor::new(image).cycles(position)
}

impl Predictor {
    /// The timing of an image's program.
    pub fn new(image: &Image) -> Self {
        let programs = Queue::ALL.map(|queue| queue::decode(image.queue(queue), queue, &image.geometry));
        Self { geometry: image.geometry, programs }
    }

    /// An instruction by queue and number, if the queue has it.
    pub fn instruction(&self, queue: Queue, index: usize) -> Option<&Instruction> {
        self.programs[queue as usize].get(index)?.as_ref()
    }

    /// Cycles that the token at a position takes.
    pub fn cycles(&self, position: usize) -> i64 {
        self.walk(position, |_, _| {}).token_cycles()
    }

    /// Cycles of all tokens of a range of positions.
    pub fn total_cycles(&self, positions: std::ops::Range<usize>) -> i64 {
        let mut known = None;
        let mut total = 0;
        for position in positions {
            let blocks_begun = self.geometry.blocks(position);
            let cycles = match known {
                Some((begun, cycles)) if begun == blocks_begun => cycles,
                _ => self.cycles(position),
            };
            known = Some((blocks_begun, cycles));
            total += cycles;
        }
        total
    }

    /// All issues of the token at a position.
    pub fn timeline(&self, position: usize) -> Timeline {
        let mut blocks = [const { Vec::new() }; QUEUES];
        let walk = self.walk(position, |queue, block| blocks[queue].push(block));
        let (cycles, faults) = (walk.token_cycles(), walk.faults());
        Timeline { blocks, cycles, faults }
    }

    fn walk(&self, position: usize, mut show: impl FnMut(usize, Block)) -> Walk<'_> {
        let mut walk = Walk::new(&self.programs, &self.geometry, position);
        loop {
            for queue in 0..QUEUES {
                while let Some(block) = walk.next(queue) {
                    show(queue, block);
                }
            }
            if !walk.meet() {
                return walk;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Emulator;
    use crate::emulator::queue::MATRIX;
    use lpu_isa::image::ModelInfo;
    use lpu_isa::instruction::{Affine, Control, End, Gather, Nop, Op, Vector};

    fn image() -> Image {
        let affine = Control {
            delay: Affine { constant: 9, per_block: 2 },
            count: Affine { constant: 1, per_block: 3 },
            interval: 4,
        };
        let words = |op: Op, wait: i32| {
            [(affine, op), (Control::after(wait), Op::Nop(Nop {})), (Control::after(0), Op::End(End {}))]
                .map(|(control, op)| Instruction { control, op }.encode().expect("fields fit"))
                .to_vec()
        };
        Image {
            geometry: Geometry::NANO,
            model: ModelInfo::default(),
            matrix: words(Op::Gather(Gather::default()), 30),
            vector: words(Op::Vector(Vector::default()), 10),
            weights: Vec::new(),
            vmem: Vec::new(),
            transfer: Vec::new(),
            dram: Vec::new(),
            tokenizer: Vec::new(),
        }
    }

    #[test]
    fn prediction_is_the_formula_of_the_program() {
        // Start 4, delay 9 + 2n, 1 + 3n issues every 4 cycles, wait 30, turnaround 7.
        let formula = |position: i64| {
            let blocks_begun = position / 8 + 1;
            4 + 9 + 2 * blocks_begun + 4 * (1 + 3 * blocks_begun) + 30 + 7
        };
        let predictor = Predictor::new(&image());
        for position in [0, 7, 8, 100, 1023] {
            assert_eq!(predictor.cycles(position), formula(position as i64), "position {position}");
            assert_eq!(predict(&image(), position), formula(position as i64));
        }
        assert_eq!(predictor.total_cycles(5..40), (5..40).map(formula).sum::<i64>());
    }

    #[test]
    fn the_emulator_takes_the_predicted_cycles() {
        let image = image();
        let mut emulator = Emulator::with_image(&image);
        for position in [0, 31, 900] {
            assert_eq!(emulator.execute(0, position).cycles, predict(&image, position));
        }
    }

    #[test]
    fn the_timeline_lists_issues() {
        let timeline = Predictor::new(&image()).timeline(8);
        assert_eq!(timeline.faults, Fault::default());
        let expected =
            Block { index: 0, first: 4 + 9 + 4, interval: 4, count: 7, offsets: [0, 0], segment: 4, slot: 0 };
        assert_eq!(timeline.blocks, [vec![expected], vec![expected], vec![]]);
        assert_eq!(timeline.utilisation(MATRIX), 7.0 / timeline.cycles as f64);
    }
}
