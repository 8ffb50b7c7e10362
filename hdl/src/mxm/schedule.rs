//! Random issues for the tests of control: instructions of one to six issues, with gaps.

use crate::bench::Random;

/// An issue: of which instruction, which one, and whether it is the last.
#[derive(Clone, Copy, Debug)]
pub struct Slot {
    pub instruction: usize,
    pub k: i64,
    pub last: bool,
}

/// What is issued in each cycle, for `instructions` instructions.
pub fn slots(random: &mut Random, instructions: usize) -> Vec<Option<Slot>> {
    let mut slots = vec![];
    for instruction in 0..instructions {
        let (count, interval) = (1 + random.below(6) as i64, 1 + random.below(3) as usize / 2);
        slots.resize(slots.len() + random.below(4) as usize, None);
        for k in 0..count {
            slots.push(Some(Slot { instruction, k, last: k == count - 1 }));
            if k < count - 1 {
                slots.resize(slots.len() + interval - 1, None);
            }
        }
    }
    slots
}
