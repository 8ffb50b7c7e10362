//! Which activation entry each beat multiplies by.
//!
//! ```text
//!  payload ─►[reg]─► first? entry or the one after the last : advance? that : the last ─►[reg]─► entry
//!  cycle 0      1                                                                           2
//! ```
//!
//! | port             | dir | width   | meaning                                                    | cycle |
//! |------------------|-----|---------|------------------------------------------------------------|------:|
//! | `beat`           | in  | 1       | strobe: an issue of `Dot`                                  |     0 |
//! | `first`          | in  | 1       | its instruction's first                                    |     0 |
//! | `wanted`         | in  | `ENTRY` | `Dot`'s field `entry`                                      |     0 |
//! | `continues`      | in  | 1       | `entry_continue`: begin after the last entry of any beat   |     0 |
//! | `advance`        | in  | 1       | `entry_advance`: go on by one from beat to beat            |     0 |
//! | `returns`        | in  | 1       | with external memory: take the instruction's first entry again | 0 |
//! | `entry`          | out | `ENTRY` | entry of the beat                                          |     2 |
//! | `reads`          | out | 1       | strobe: a beat reads the entry, in cycle 3                 |     2 |
//!
//! # Invariants
//! 1. Entries count modulo their number. Before any beat, the entry after the last is 0.
//! 2. `entry` holds between beats.

use crate::dialect::*;
use crate::widths::ENTRY;
use lpu_isa::Geometry;

/// The read pointer of the activation file.
#[derive(LogicBlock, Default)]
pub struct EntryPointer {
    pub clock: Signal<In, Clock>,
    pub beat: Signal<In, Bit>,
    pub first: Signal<In, Bit>,
    pub wanted: Signal<In, Bits<ENTRY>>,
    pub continues: Signal<In, Bit>,
    pub advance: Signal<In, Bit>,
    pub returns: Vec<Signal<In, Bit>>,
    pub entry: Signal<Out, Bits<ENTRY>>,
    pub reads: Signal<Out, Bit>,
    last_entry: Setting<ENTRY>,
    beat_1: DFF<Bit>,
    wanted_1: DFF<Bits<ENTRY>>,
    takes_wanted_1: DFF<Bit>,
    takes_next_1: DFF<Bit>,
    chosen: Signal<Local, Bits<ENTRY>>,
    now: DFF<Bits<ENTRY>>,
    next: DFF<Bits<ENTRY>>,
    reads_2: DFF<Bit>,
    // With external memory, one of each.
    first_1: Vec<DFF<Bit>>,
    returns_1: Vec<DFF<Bit>>,
    first_entry: Vec<DFF<Bits<ENTRY>>>,
    kind: Kind<Self>,
}

impl EntryPointer {
    /// Cycles from beat to entry.
    pub const LATENCY: usize = 2;

    /// The pointer of a chip.
    pub fn new(geometry: &Geometry) -> Self {
        let external = usize::from(geometry.has_external_memory());
        Self {
            last_entry: Setting::new(geometry.act_entries - 1),
            returns: many(external),
            first_1: many(external),
            returns_1: many(external),
            first_entry: many(external),
            ..Self::default()
        }
    }
}

impl Logic for EntryPointer {
    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(self, clock, beat_1, wanted_1, takes_wanted_1, takes_next_1, now, next, reads_2);
        self.beat_1.d.next = self.beat.val();
        self.wanted_1.d.next = self.wanted.val();
        self.takes_wanted_1.d.next = self.first.val() & !self.continues.val();
        self.takes_next_1.d.next = self.first.val() | self.advance.val();

        self.chosen.next = self.now.q.val();
        if self.takes_wanted_1.q.val() {
            self.chosen.next = self.wanted_1.q.val();
        } else if self.takes_next_1.q.val() {
            self.chosen.next = self.next.q.val();
        }
        for e in 0..self.returns.len() {
            dff_setup!(self, clock, first_1[e], returns_1[e], first_entry[e]);
            self.first_1[e].d.next = self.first.val();
            self.returns_1[e].d.next = self.returns[e].val();
            if self.returns_1[e].q.val() {
                self.chosen.next = self.first_entry[e].q.val();
            }
            if self.beat_1.q.val() & self.first_1[e].q.val() {
                self.first_entry[e].d.next = self.chosen.val();
            }
        }
        if self.beat_1.q.val() {
            self.now.d.next = self.chosen.val();
            self.next.d.next = (self.chosen.val() + 1) & self.last_entry.val();
        }
        self.reads_2.d.next = self.beat_1.q.val();
        self.entry.next = self.now.q.val();
        self.reads.next = self.reads_2.q.val();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::{Bench, Random};
    use crate::emit::emit;
    use crate::mxm::schedule::slots;

    /// With external memory, a beat may go back to the first entry of its instruction, wherever that was.
    fn check(chip: &Geometry) {
        let bench = Bench::new(&emit(&mut EntryPointer::new(chip), "entry_pointer").unwrap()).unwrap();
        let mut random = Random::from_seed_variable();
        let slots = slots(&mut random, 2000);
        let fields: Vec<[u64; 3]> =
            (0..2000).map(|_| [random.below(16), random.below(2), random.below(2)]).collect();
        let (mut stimulus, mut expected) = (bench.stimulus(), vec![]);
        let (mut entry, mut next, mut first) = (0, 0, 0);
        for slot in &slots {
            // Between the issues the payload is whatever the queue shows.
            let returns = if chip.has_external_memory() { random.below(2) } else { 0 };
            stimulus.cycle().set("wanted", random.below(16)).set("continues", random.below(2));
            stimulus.set("advance", random.below(2)).set("first", random.below(2));
            if let Some(slot) = slot {
                let [wanted, continues, advance] = fields[slot.instruction];
                stimulus.set("beat", 1).set("first", u64::from(slot.k == 0)).set("wanted", wanted);
                stimulus.set("continues", continues).set("advance", advance);
                entry = match (slot.k, continues, advance) {
                    (0, 0, _) => wanted,
                    (0, _, _) => next,
                    _ if returns == 1 => first,
                    (_, _, 1) => next,
                    _ => entry,
                };
                first = if slot.k == 0 { entry } else { first };
                next = (entry + 1) % 16;
            }
            if chip.has_external_memory() {
                let begins = slot.as_ref().is_some_and(|slot| slot.k == 0);
                stimulus.set("returns$0", if begins { 0 } else { returns });
            }
            expected.push((u64::from(slot.is_some()), entry));
        }
        let response = bench.run(stimulus.idle(EntryPointer::LATENCY)).unwrap();
        for (t, (reads, entry)) in expected.into_iter().enumerate() {
            let at = t + EntryPointer::LATENCY;
            assert_eq!((response.get(at, "reads"), response.get(at, "entry")), (reads, entry), "cycle {t}");
        }
    }

    #[test]
    fn entries_are_those_of_the_model() {
        [Geometry::ULX3S_85F, Geometry { act_entries: 16, ..Geometry::NANO_SDRAM }].iter().for_each(check);
    }

    /// Needs no model: beats that always go on visit all entries in turn, across instructions.
    #[test]
    fn a_pointer_that_goes_on_visits_all_entries() {
        let chip = Geometry::NANO;
        let bench = Bench::new(&emit(&mut EntryPointer::new(&chip), "entry_pointer").unwrap()).unwrap();
        let mut random = Random::from_seed_variable();
        let mut stimulus = bench.stimulus();
        for _ in 0..100 {
            stimulus
                .cycle()
                .set("beat", 1)
                .set("continues", 1)
                .set("advance", 1)
                .set("first", random.below(2));
            stimulus.set("wanted", random.below(16));
        }
        let response = bench.run(stimulus.idle(EntryPointer::LATENCY)).unwrap();
        assert!((0..100).all(|t| response.get(t + EntryPointer::LATENCY, "entry") == t as u64 % 16));
    }
}
