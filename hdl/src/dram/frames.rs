//! The memory's time: frames, each with a refresh and then slots for granules.
//!
//! ```text
//!  segment, or the end of a frame ─┬─►[left in frame]──► refresh
//!                       hold ──────┘
//!                                  └─►[cycles to slot, slots left]──► slot
//!
//!  |<-- refresh window -->|<- slot ->|<- slot ->| ... |  |<-- refresh window -->| ...
//!  |<---------------------------- frame --------------->|
//! ```
//!
//! | port      | dir | width | meaning                                                       | cycle                        |
//! |-----------|-----|------:|---------------------------------------------------------------|------------------------------|
//! | `segment` | in  | 1     | strobe: a segment begins, and a frame with it                 | `f - 1`                      |
//! | `hold`    | in  | 1     | no frame follows the present one: a start is pending          | `t`                          |
//! | `refresh` | out | 1     | strobe: the refresh of a frame that began in cycle `f`        | `f + refresh_cycle`          |
//! | `slot`    | out | 1     | strobe: slot `j` of that frame begins                         | `f + refresh + j * granule`  |
//!
//! # Invariants
//! 1. A frame that begins in cycle `f` has its strobes in the cycles above and no others, until the next frame begins: by `segment` or, unless
//!    `hold`, in `f + frame`.
//! 2. Neither data nor addresses come in here: the strobes depend on `segment` and `hold` alone.

use super::shape::Shape;
use crate::dialect::*;

/// Bits of a frame's cycle.
const FRAME: usize = 11;
/// Bits of a slot's cycle, and of the number of slots.
const SLOT: usize = 6;

/// The frame timer.
#[derive(LogicBlock, Default)]
pub struct Frames {
    pub clock: Signal<In, Clock>,
    pub segment: Signal<In, Bit>,
    pub hold: Signal<In, Bit>,
    pub refresh: Signal<Out, Bit>,
    pub slot: Signal<Out, Bit>,
    frame_last: Setting<FRAME>,
    /// What is left of the frame in the cycle before its refresh.
    before_refresh: Setting<FRAME>,
    first_slot: Setting<SLOT>,
    granule_last: Setting<SLOT>,
    slots: Setting<SLOT>,
    /// Cycles of the frame after this one.
    left: DFF<Bits<FRAME>>,
    /// Cycles until the cycle before a slot, and slots yet to come.
    to_slot: DFF<Bits<SLOT>>,
    slots_left: DFF<Bits<SLOT>>,
    refresh_held: DFF<Bit>,
    slot_held: DFF<Bit>,
    restart: Signal<Local, Bit>,
    kind: Kind<Self>,
}

impl Frames {
    /// Cycles from `segment` to the first cycle of its frame.
    pub const LATENCY: usize = 1;

    /// The timer of a port.
    pub fn new(shape: &Shape) -> Self {
        Self {
            frame_last: Setting::new(shape.frame - 1),
            before_refresh: Setting::new(shape.frame - shape.refresh_cycle),
            first_slot: Setting::new(shape.refresh - 1),
            granule_last: Setting::new(shape.granule() - 1),
            slots: Setting::new(shape.slots()),
            ..Self::default()
        }
    }
}

impl Logic for Frames {
    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(self, clock, left, to_slot, slots_left, refresh_held, slot_held);
        self.refresh.next = self.refresh_held.q.val();
        self.slot.next = self.slot_held.q.val();
        self.restart.next = self.segment.val() | ((self.left.q.val() == 0) & !self.hold.val());
        self.refresh_held.d.next = (self.left.q.val() == self.before_refresh.val()) & !self.restart.val();
        self.slot_held.d.next =
            (self.to_slot.q.val() == 0) & (self.slots_left.q.val() != 0) & !self.restart.val();
        if self.left.q.val() != 0 {
            self.left.d.next = self.left.q.val() - 1;
        }
        self.to_slot.d.next = self.to_slot.q.val() - 1;
        if self.to_slot.q.val() == 0 {
            self.to_slot.d.next = self.granule_last.val();
            if self.slots_left.q.val() != 0 {
                self.slots_left.d.next = self.slots_left.q.val() - 1;
            }
        }
        if self.restart.val() {
            self.left.d.next = self.frame_last.val();
            self.to_slot.d.next = self.first_slot.val();
            self.slots_left.d.next = self.slots.val();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::{Bench, Random, Response};
    use crate::dram::model::frames;
    use crate::dram::shape::chips::shapes;
    use crate::emit::emit;

    /// `segment` and `hold` of each cycle: segments of all lengths, some longer than a frame, and pauses.
    fn script(random: &mut Random, shape: &Shape, cycles: usize) -> Vec<(bool, bool)> {
        let mut script = vec![];
        while script.len() < cycles {
            let length = 1 + random.below(3 * shape.frame as u64) as usize;
            script.extend((0..length).map(|_| (false, false)));
            let pending = random.below(2) as usize * random.below(900) as usize;
            script.extend((0..pending).map(|_| (false, true)));
            script.push((true, pending > 0));
        }
        script
    }

    fn run(shape: &Shape, script: &[(bool, bool)]) -> Response {
        let bench = Bench::new(&emit(&mut Frames::new(shape), "dut").unwrap()).unwrap();
        let mut stimulus = bench.stimulus();
        for (begin, hold) in script {
            stimulus.cycle().set("segment", (*begin).into()).set("hold", (*hold).into());
        }
        bench.run(&stimulus).unwrap()
    }

    #[test]
    fn strobes_come_as_the_model_says() {
        for shape in shapes() {
            let script = script(&mut Random::from_seed_variable(), &shape, 100_000);
            let (response, expected) = (run(&shape, &script), frames(&shape, &script));
            for (t, time) in expected.iter().enumerate() {
                let found = ["refresh", "slot"].map(|port| response.get(t, port) == 1);
                assert_eq!(found, [time.refresh, time.slot], "cycle {t} of {shape:?}");
            }
        }
    }

    /// Needs no model: what may lie between two strobes, told from the outputs alone.
    #[test]
    fn strobes_keep_their_distances() {
        for shape in shapes() {
            let script = script(&mut Random::from_seed_variable(), &shape, 100_000);
            let response = run(&shape, &script);
            let (mut last_slot, mut last_refresh, mut begun) = (None, None, 0);
            let (mut slots, mut refreshes) = (0, 0);
            for (t, (begin, _)) in script.iter().enumerate() {
                if response.get(t, "slot") == 1 {
                    let distance = t - last_slot.filter(|last| *last > begun).unwrap_or(begun);
                    assert!(distance >= shape.granule().min(shape.refresh), "cycle {t}");
                    assert!(t - last_refresh.unwrap() >= shape.refresh - shape.refresh_cycle, "cycle {t}");
                    (last_slot, slots) = (Some(t), slots + 1);
                }
                if response.get(t, "refresh") == 1 {
                    let after_slot = last_slot
                        .is_none_or(|last| last < begun || t >= last + shape.granule() + shape.refresh_cycle);
                    assert!(after_slot, "cycle {t}");
                    let apart = last_refresh.is_none_or(|last| t > last + shape.refresh_cycle);
                    assert!(apart, "cycle {t}");
                    (last_refresh, refreshes) = (Some(t), refreshes + 1);
                }
                if *begin {
                    begun = t + 1;
                }
            }
            assert!(slots > 500 && refreshes > 50, "{slots} slots, {refreshes} refreshes");
        }
    }
}
