//! Which piece of its result a beat is: `Dot.pieces` beats add to one result before the next one begins.
//!
//! ```text
//!  issue, first, pieces ─►[pieces left of the result]─► begins, returns, moves, ends
//!            cycle -1                                        0
//! ```
//!
//! | port     | dir | width | meaning                                                          | cycle |
//! |----------|-----|------:|------------------------------------------------------------------|------:|
//! | `issue`  | in  | 1     | strobe: an issue of the matrix queue                             |    -1 |
//! | `first`  | in  | 1     | its instruction's first                                          |    -1 |
//! | `pieces` | in  | 8     | `Dot`'s field: beats of each result; 0 counts as 1               |    -1 |
//! | `begins` | out | 1     | `Clear::First` clears with this beat                             |     0 |
//! | `returns` | out | 1    | the beat takes the first entry again                             |     0 |
//! | `moves`  | out | 1     | the lane advances before this beat, if it does at all            |     0 |
//! | `ends`   | out | 1     | the beat is the last piece of its result: `Emit::Wrap` may emit  |     0 |
//!
//! # Invariants
//! 1. With one piece a result, every beat moves and ends, and the first one alone begins: as without the field.
//! 2. Outputs hold from issue to issue.

use crate::dialect::*;

/// The counter of pieces.
#[derive(LogicBlock, Default)]
pub struct Pieces {
    pub clock: Signal<In, Clock>,
    pub issue: Signal<In, Bit>,
    pub first: Signal<In, Bit>,
    pub pieces: Signal<In, Bits<8>>,
    pub begins: Signal<Out, Bit>,
    pub returns: Signal<Out, Bit>,
    pub moves: Signal<Out, Bit>,
    pub ends: Signal<Out, Bit>,
    several: Signal<Local, Bit>,
    fresh: Signal<Local, Bit>,
    now: Signal<Local, Bits<8>>,
    /// Pieces of the result that come after the last beat.
    left: DFF<Bits<8>>,
    begins_held: DFF<Bit>,
    returns_held: DFF<Bit>,
    moves_held: DFF<Bit>,
    ends_held: DFF<Bit>,
    kind: Kind<Self>,
}

impl Pieces {
    /// Cycles from issue to outputs.
    pub const LATENCY: usize = 1;
}

impl Logic for Pieces {
    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(self, clock, left, begins_held, returns_held, moves_held, ends_held);
        self.several.next = self.pieces.val().get_bits::<7>(1).any();
        self.fresh.next = self.first.val() | (self.left.q.val() == 0);
        self.now.next = self.left.q.val() - 1;
        if self.fresh.val() {
            self.now.next = 0.into();
            if self.several.val() {
                self.now.next = self.pieces.val() - 1;
            }
        }
        if self.issue.val() {
            self.left.d.next = self.now.val();
            self.begins_held.d.next = self.first.val() | (self.fresh.val() & self.several.val());
            self.returns_held.d.next = self.fresh.val() & !self.first.val() & self.several.val();
            self.moves_held.d.next = self.fresh.val();
            self.ends_held.d.next = self.now.val() == 0;
        }
        self.begins.next = self.begins_held.q.val();
        self.returns.next = self.returns_held.q.val();
        self.moves.next = self.moves_held.q.val();
        self.ends.next = self.ends_held.q.val();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::{Bench, Random};
    use crate::emit::emit;

    const PORTS: [&str; 4] = ["begins", "returns", "moves", "ends"];

    /// What the outputs are at beat `k`.
    fn model(pieces: u64, k: u64) -> [bool; 4] {
        let several = pieces > 1;
        let piece = k % pieces.max(1);
        [
            piece == 0 && (several || k == 0),
            piece == 0 && several && k > 0,
            piece == 0,
            piece + 1 == pieces.max(1),
        ]
    }

    #[test]
    fn beats_are_the_pieces_of_the_model() {
        let bench = Bench::new(&emit(&mut Pieces::default(), "dut").unwrap()).unwrap();
        let mut random = Random::from_seed_variable();
        let (mut stimulus, mut expected) = (bench.stimulus(), vec![]);
        for _ in 0..2_000 {
            let few = random.below(3) > 0;
            let pieces = if few { random.below(4) } else { random.unsigned(8) };
            // An instruction may end in the middle of a result.
            for k in 0..1 + random.below(12) {
                for _ in 0..random.below(2) {
                    stimulus.cycle().set("first", random.below(2)).set("pieces", random.unsigned(8));
                    let held = expected.last().copied().unwrap_or_default();
                    expected.push(held);
                }
                stimulus.cycle().set("issue", 1).set("first", (k == 0).into()).set("pieces", pieces);
                expected.push(model(pieces, k));
            }
        }
        let response = bench.run(stimulus.idle(Pieces::LATENCY)).unwrap();
        for (t, expected) in expected.iter().enumerate() {
            let found = PORTS.map(|port| response.get(t + Pieces::LATENCY, port) == 1);
            assert_eq!(found, *expected, "cycle {t}");
        }
    }

    /// Needs no model: among the beats of one instruction, results begin and end in turn, `pieces` beats apart.
    #[test]
    fn results_follow_one_another() {
        let bench = Bench::new(&emit(&mut Pieces::default(), "dut").unwrap()).unwrap();
        for pieces in [2, 3, 7, 255] {
            let mut stimulus = bench.stimulus();
            for k in 0..600u64 {
                stimulus.cycle().set("issue", 1).set("first", (k == 0).into()).set("pieces", pieces);
            }
            let response = bench.run(&stimulus).unwrap();
            let beats = |port: &str| -> Vec<u64> {
                (1..600).filter(|t| response.get(*t as usize, port) == 1).map(|t| t - 1).collect()
            };
            assert_eq!(beats("begins"), (0..599).step_by(pieces as usize).collect::<Vec<_>>());
            assert_eq!(
                beats("ends"),
                beats("moves").iter().map(|k| k + pieces - 1).filter(|k| *k < 599).collect::<Vec<_>>()
            );
            assert_eq!(beats("returns"), beats("begins")[1..]);
        }
    }
}
