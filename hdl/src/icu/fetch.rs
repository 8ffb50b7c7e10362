//! The next instruction of a queue: found, decoded and timed while the one before it executes.
//!
//! ```text
//!              ┌─────────────── activate: place + 1, or the loop's body
//!              ▼
//!  place ─►[QueueStore]─┬─ part 0 ─►[reg]─► interval, kind ─►[reg]─► issues, meets, ...
//!                       ├─ part 0 ─► Affine x 2 ───────────────────► delay_less_one, count_less_one
//!                       └─ parts 1.. ─►[reg]───────────────────────► part[0], part[1], ...
//!  cycle 0                            1                     2                3
//! ```
//!
//! | port              | dir | width         | meaning                                              | cycle   |
//! |-------------------|-----|---------------|------------------------------------------------------|---------|
//! | `write`, `write_part`, `write_index`, `write_data` | in | 1, 3, `QUEUE_INDEX`, 64 | a part of an instruction; between tokens | `t` |
//! | `blocks`          | in  | `BLOCKS`      | stable during a token and in the cycle it starts     |         |
//! | `activate`        | in  | 1             | strobe: take the instruction shown                   | `a - 1` |
//! | `again`           | in  | 1             | the loop has trips left                              | `a - 1` |
//! | `rewind`          | in  | 1             | strobe: go to the first instruction                  |         |
//! | `opcode`          | out | 4             | of the next instruction                              | `a + 3` |
//! | `issues`, `loops`, `meets`, `ends` | out | 1 | it issues; is a `Loop`; waits for the other queue; ends the token | `a + 3` |
//! | `illegal`         | out | 1             | this queue has no such operation, or no more instructions | `a + 3` |
//! | `delay_less_one`, `count_less_one` | out | `COUNTER` | signed                                  | `a + 3` |
//! | `interval_less_one` | out | 8           |                                                      | `a + 3` |
//! | `part[p]`         | out | 64            | part `p + 1`                                         | `a + 2` |
//!
//! # Invariants
//! 1. The outputs hold from [`Fetch::LATENCY`] cycles after an activation, a rewind or a change of `blocks` to the next activation.
//! 2. The loop's body begins after the `Loop` activated last.

use super::affine::{Affine, COUNTER};
use super::layout;
use crate::dialect::*;
use crate::primitives::{LocalCopy, QueueStore};
use crate::widths::{BLOCKS, QUEUE_INDEX};
use lpu_isa::Geometry;
use lpu_isa::instruction::{End, EndLoop, Loop, On, Queue, Sync, TABLE};

/// Bits of a place in the program: one more than an index has, so that the end is seen.
const PLACE: usize = QUEUE_INDEX + 1;

/// The fetch unit of a queue.
#[derive(LogicBlock, Default)]
pub struct Fetch {
    pub clock: Signal<In, Clock>,
    pub write: Signal<In, Bit>,
    pub write_part: Signal<In, Bits<3>>,
    pub write_index: Signal<In, Bits<QUEUE_INDEX>>,
    pub write_data: Signal<In, Bits<64>>,
    pub blocks: Signal<In, Bits<BLOCKS>>,
    pub activate: Signal<In, Bit>,
    pub again: Signal<In, Bit>,
    pub rewind: Signal<In, Bit>,
    pub opcode: Signal<Out, Bits<4>>,
    pub issues: Signal<Out, Bit>,
    pub loops: Signal<Out, Bit>,
    pub meets: Signal<Out, Bit>,
    pub ends: Signal<Out, Bit>,
    pub illegal: Signal<Out, Bit>,
    pub delay_less_one: Signal<Out, Bits<COUNTER>>,
    pub count_less_one: Signal<Out, Bits<COUNTER>>,
    pub interval_less_one: Signal<Out, Bits<8>>,
    pub part: Vec<Signal<Out, Bits<64>>>,
    depth: Setting<PLACE>,
    code_loop: Fixed<{ Loop::CODE }, 4>,
    code_end_loop: Fixed<{ EndLoop::CODE }, 4>,
    code_sync: Fixed<{ Sync::CODE }, 4>,
    code_end: Fixed<{ End::CODE }, 4>,
    legal_codes: Vec<Setting<4>>,
    issuing_codes: Vec<Setting<4>>,
    store: QueueStore,
    write_here: Vec<LocalCopy<1>>,
    index_here: Vec<LocalCopy<QUEUE_INDEX>>,
    data_here: LocalCopy<64>,
    delay: Affine<12>,
    count: Affine<8>,
    control: Signal<Local, Bits<64>>,
    next_place: Signal<Local, Bits<PLACE>>,
    place: DFF<Bits<PLACE>>,
    /// The place once more for each part.
    places: Vec<LocalCopy<QUEUE_INDEX>>,
    part_held: Vec<DFF<Bits<64>>>,
    body: DFF<Bits<PLACE>>,
    code: DFF<Bits<4>>,
    interval: DFF<Bits<8>>,
    outside: DFF<Bit>,
    interval_held: DFF<Bits<8>>,
    issues_held: DFF<Bit>,
    loops_held: DFF<Bit>,
    meets_held: DFF<Bit>,
    ends_held: DFF<Bit>,
    returns_held: DFF<Bit>,
    legal_held: DFF<Bit>,
    _upper: usize,
    kind: Kind<Self>,
}

impl Fetch {
    /// Cycles from an activation to the next instruction's readiness: it can be activated in the cycle after.
    pub const LATENCY: usize = Affine::<12>::LATENCY;

    /// The fetch unit of a chip's queue.
    pub fn new(geometry: &Geometry, queue: Queue) -> Self {
        let (name, parts, depth) = (queue.to_string(), queue.parts(), geometry.queue_depth(queue));
        let codes = |issuing: bool| {
            let rows = TABLE.iter().filter(|row| row.on.includes(queue) && !(issuing && row.on == On::All));
            rows.map(|row| Setting::new(row.code)).collect()
        };
        Self {
            part: many(parts - 1),
            depth: Setting::new(depth),
            legal_codes: codes(false),
            issuing_codes: codes(true),
            write_here: many(parts + 1),
            index_here: many(parts + 1),
            store: QueueStore::new(&format!("{name}_store"), depth, banks(geometry, queue)),
            _upper: parts,
            places: many(parts + 1),
            part_held: many(parts - 1),
            kind: Kind::named(format!("{name}_fetch")),
            ..Self::default()
        }
    }
}

/// Masks of the stored banks: the parts, of which the first comes in two halves, the upper one last. What is counted from it
/// follows in the same cycle, so its memories share their index with as few others as may be.
fn banks(geometry: &Geometry, queue: Queue) -> Vec<u64> {
    let mut masks = layout::stored_masks(geometry, queue);
    masks.push(masks[0] & !u64::from(u32::MAX));
    masks[0] &= u64::from(u32::MAX);
    masks
}

impl Logic for Fetch {
    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(self, clock, place, body, code, interval, outside, interval_held, issues_held, loops_held);
        dff_setup!(self, clock, meets_held, ends_held, returns_held, legal_held);
        clock!(self, clock, store, data_here, delay, count);

        self.data_here.d.next = self.write_data.val();
        self.store.write_data.next = self.data_here.q.val();
        for p in 0..self.places.len() {
            clock!(self, clock, write_here[p], index_here[p], places[p]);
            self.write_here[p].d.next =
                (self.write.val() & (self.write_part.val() == p.to_bits::<3>())).into();
            self.store.write[p].next = self.write_here[p].q.val();
            self.index_here[p].d.next = self.write_index.val();
            self.store.write_index[p].next = self.index_here[p].q.val();
            self.store.read_index[p].next = self.places[p].q.val();
        }
        for u in self._upper..(self._upper + 1) {
            self.write_here[u].d.next = (self.write.val() & (self.write_part.val() == 0)).into();
            self.control.next = self.store.part[0].val() | self.store.part[u].val();
        }
        for p in 0..self.part.len() {
            clock!(self, clock, part_held[p]);
            self.part_held[p].d.next = self.store.part[p + 1].val();
            self.part[p].next = self.part_held[p].q.val();
        }

        self.delay.constant.next = self.control.val().get_bits::<16>(4);
        self.delay.per_block.next = self.control.val().get_bits::<12>(20);
        self.delay.blocks.next = self.blocks.val();
        self.delay_less_one.next = self.delay.less_one.val();
        self.count.constant.next = self.control.val().get_bits::<16>(32);
        self.count.per_block.next = self.control.val().get_bits::<8>(48);
        self.count.blocks.next = self.blocks.val();
        self.count_less_one.next = self.count.less_one.val();

        self.code.d.next = self.control.val().get_bits::<4>(0);
        self.interval.d.next = self.control.val().get_bits::<8>(56);
        self.outside.d.next = self.place.q.val() >= self.depth.val();

        // An interval of none counts as one.
        self.interval_held.d.next = 0.into();
        if self.interval.q.val() != 0 {
            self.interval_held.d.next = self.interval.q.val() - 1;
        }
        self.loops_held.d.next = self.code.q.val() == self.code_loop.val();
        self.returns_held.d.next = self.code.q.val() == self.code_end_loop.val();
        self.meets_held.d.next =
            (self.code.q.val() == self.code_sync.val()) | (self.code.q.val() == self.code_end_loop.val());
        self.ends_held.d.next = self.code.q.val() == self.code_end.val();
        self.issues_held.d.next = false;
        for i in 0..self.issuing_codes.len() {
            if self.code.q.val() == self.issuing_codes[i].val() {
                self.issues_held.d.next = true;
            }
        }
        self.legal_held.d.next = false;
        if !self.outside.q.val() {
            for i in 0..self.legal_codes.len() {
                if self.code.q.val() == self.legal_codes[i].val() {
                    self.legal_held.d.next = true;
                }
            }
        }

        self.opcode.next = self.code.q.val();
        self.interval_less_one.next = self.interval_held.q.val();
        self.issues.next = self.issues_held.q.val() & self.legal_held.q.val();
        self.loops.next = self.loops_held.q.val() & self.legal_held.q.val();
        self.meets.next = self.meets_held.q.val() & self.legal_held.q.val();
        self.ends.next = self.ends_held.q.val() & self.legal_held.q.val();
        self.illegal.next = !self.legal_held.q.val();

        self.next_place.next = self.place.q.val();
        if self.activate.val() {
            self.next_place.next = self.place.q.val() + 1;
            if self.loops_held.q.val() {
                self.body.d.next = self.place.q.val() + 1;
            }
            if self.returns_held.q.val() & self.again.val() {
                self.next_place.next = self.body.q.val();
            }
        }
        if self.rewind.val() {
            self.next_place.next = 0.into();
        }
        self.place.d.next = self.next_place.val();
        for p in 0..self.places.len() {
            self.places[p].d.next = self.next_place.val().get_bits::<QUEUE_INDEX>(0);
        }
    }
}
