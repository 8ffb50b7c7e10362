//! The token loop: begins a token when prompt, records, pause and limit allow it, and records how it ended.
//!
//! ```text
//!          start ─►┌─────────┐ run, token, room ┌─────────┐ over  ┌──────────┐
//!                  │ waiting │ ───────────────► │ running │ ────► │ settling │─► the run is over, or waiting again
//!                  └─────────┘  start strobe    └─────────┘       └──────────┘
//!                                cycle 0            ...      m        m+1, m+2     next start strobe: m+4 or later
//! ```
//!
//! | port                      | dir | width | meaning                                                   | cycle |
//! |---------------------------|-----|-------|-----------------------------------------------------------|-------|
//! | `start`, `stop`, `go_on`, `discard` | in | 1 | strobes of the control register                         |       |
//! | `start_position` ... `pause` | in | as registers | taken at `start`                                    |       |
//! | `push`, `prompt_token`    | in  | 1, 16 | a prompt token                                            |       |
//! | `pop`                     | in  | 1     | the host takes a record                                   | `t`   |
//! | `record`                  | out | 64    | [`Step`](lpu_isa::host::Step) taken last; zero if there was none | `t + 1` |
//! | `prompt_full`             | out | 1     | a token pushed now would be lost                          |       |
//! | `over`                    | in  | 1     | strobe: both queues have ended                            | `m`   |
//! | `chosen`                  | in  | 16    | the token chosen                                          | `m`   |
//! | `token_start`             | out | 1     | strobe: cycle 0 of a token                                | 0     |
//! | `token`, `position`, `blocks` | out | 16, 16, `BLOCKS` | of this token; change with the strobe only | from 0 |
//! | `run_start`               | out | 1     | strobe: a run begins                                      |       |
//! | `sampling`                | out | 1     | of this run                                               |       |
//! | `status`                  | out | 5     | bits 4..0 of the status register                          |       |
//! | `next_position`           | out | 16    | position executed next, or now                            |       |
//!
//! # Invariants
//! 1. The token after one that is over in cycle `m` starts in cycle `m +` [`Run::LATENCY`], if nothing holds it up.
//! 2. A record's cycles count from start strobe to the earliest next one, whether or not that comes.
//! 3. A token starts only when its record has room.

use super::fifo::Fifo;
use crate::dialect::*;
use crate::primitives::JoinLanes;
use crate::widths::BLOCKS;
use lpu_isa::Geometry;
use lpu_isa::host::{NO_TOKEN, TOKEN_QUEUE_BITS, status};

/// The lanes of the status word, in the order of the kernel.
const _: () = {
    let lanes = [status::RUNNING, status::ACTIVE, status::NEEDS_PROMPT, status::NEEDS_ROOM, status::PAUSED];
    let mut lane = 0;
    while lane < lanes.len() {
        assert!(lanes[lane].low as usize == lane && lanes[lane].width == 1);
        lane += 1;
    }
};

/// The token loop.
#[derive(LogicBlock, Default)]
pub struct Run {
    pub clock: Signal<In, Clock>,
    pub start: Signal<In, Bit>,
    pub stop: Signal<In, Bit>,
    pub go_on: Signal<In, Bit>,
    pub discard: Signal<In, Bit>,
    pub start_position: Signal<In, Bits<16>>,
    pub limit: Signal<In, Bits<32>>,
    pub prompt_length: Signal<In, Bits<32>>,
    pub stop_token: Signal<In, Bits<16>>,
    pub stop_token_too: Signal<In, Bits<16>>,
    pub sampling_wanted: Signal<In, Bit>,
    pub pause: Signal<In, Bit>,
    pub push: Signal<In, Bit>,
    pub prompt_token: Signal<In, Bits<16>>,
    pub pop: Signal<In, Bit>,
    pub record: Signal<Out, Bits<64>>,
    pub prompt_full: Signal<Out, Bit>,
    pub over: Signal<In, Bit>,
    pub chosen: Signal<In, Bits<16>>,
    pub token_start: Signal<Out, Bit>,
    pub token: Signal<Out, Bits<16>>,
    pub position: Signal<Out, Bits<16>>,
    pub blocks: Signal<Out, Bits<BLOCKS>>,
    pub run_start: Signal<Out, Bit>,
    pub sampling: Signal<Out, Bit>,
    pub status: Signal<Out, Bits<5>>,
    pub next_position: Signal<Out, Bits<16>>,
    block_bits: Setting<5>,
    last_position: Setting<16>,
    no_token: Fixed<{ NO_TOKEN as u64 }, 16>,
    turnaround: Fixed<{ Run::LATENCY as u64 }, 31>,
    record_mark: Fixed<0x8000, 16>,
    prompt: Fifo<TOKEN_QUEUE_BITS, 16>,
    records: Fifo<TOKEN_QUEUE_BITS, 64>,
    join_record: JoinLanes<4, 16, 64>,
    join_status: JoinLanes<5, 1, 5>,
    active: DFF<Bit>,
    busy: DFF<Bit>,
    paused: DFF<Bit>,
    stopping: DFF<Bit>,
    run_started: DFF<Bit>,
    token_started: DFF<Bit>,
    limit_left: DFF<Bits<32>>,
    prompt_left: DFF<Bits<32>>,
    stop_held: DFF<Bits<16>>,
    stop_too_held: DFF<Bits<16>>,
    sampling_held: DFF<Bit>,
    pause_held: DFF<Bit>,
    next_held: DFF<Bits<16>>,
    position_held: DFF<Bits<16>>,
    blocks_held: DFF<Bits<BLOCKS>>,
    token_held: DFF<Bits<16>>,
    chosen_held: DFF<Bits<16>>,
    elapsed: DFF<Bits<31>>,
    cycles: DFF<Bits<31>>,
    settling: DFF<Bit>,
    settled: DFF<Bit>,
    /// What ends a run, each compared one cycle before it is needed.
    limit_reached: DFF<Bit>,
    context_full: DFF<Bit>,
    prompt_done: DFF<Bit>,
    stop_met: DFF<Bit>,
    record_held: DFF<Bits<64>>,
    /// Prompt tokens are left.
    prompt_some: DFF<Bit>,
    prompt_waits: Signal<Local, Bit>,
    room_waits: Signal<Local, Bit>,
    begins: Signal<Local, Bit>,
    /// The prompt's head was taken in the cycle before.
    took: DFF<Bit>,
    kind: Kind<Self>,
}

impl Run {
    /// Cycles from `over` to the next `token_start`.
    pub const LATENCY: usize = 4;

    /// The token loop of a chip.
    pub fn new(geometry: &Geometry) -> Self {
        Self {
            block_bits: Setting::new(geometry.block().ilog2()),
            last_position: Setting::new(geometry.positions - 1),
            ..Self::default()
        }
    }
}

impl Logic for Run {
    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(self, clock, active, busy, paused, stopping, run_started, token_started, limit_left);
        dff_setup!(self, clock, prompt_some, prompt_left, stop_held, stop_too_held, sampling_held);
        dff_setup!(self, clock, pause_held, next_held, position_held, blocks_held, token_held, chosen_held);
        dff_setup!(self, clock, elapsed, cycles, settling, settled, limit_reached, context_full, prompt_done);
        dff_setup!(self, clock, stop_met, record_held, took);
        clock!(self, clock, prompt, records);

        // What a token waits for.
        self.prompt_waits.next =
            self.active.q.val() & !self.busy.q.val() & self.prompt.empty.val() & self.prompt_some.q.val();
        self.room_waits.next = self.active.q.val() & !self.busy.q.val() & self.records.full.val();
        self.begins.next = self.active.q.val()
            & !self.busy.q.val()
            & !self.paused.q.val()
            & !self.stopping.q.val()
            & !self.prompt_waits.val()
            & !self.room_waits.val();

        // Cycle m - 1 before the start strobe.
        self.token_started.d.next = self.begins.val();
        self.elapsed.d.next = self.elapsed.q.val() + 1;
        if self.begins.val() {
            self.busy.d.next = true;
            self.elapsed.d.next = self.turnaround.val();
            self.position_held.d.next = self.next_held.q.val();
            self.blocks_held.d.next =
                bit_cast::<BLOCKS, 16>(self.next_held.q.val() >> self.block_bits.val()) + 1;
            self.token_held.d.next = self.chosen_held.q.val();
            if self.prompt_some.q.val() {
                self.token_held.d.next = self.prompt.head.val();
            }
        }

        // Cycle m, then m + 1 and m + 2.
        self.settling.d.next = self.over.val() & self.busy.q.val();
        self.settled.d.next = self.settling.q.val();
        if self.over.val() & self.busy.q.val() {
            self.chosen_held.d.next = self.chosen.val();
            self.cycles.d.next = self.elapsed.q.val();
        }
        self.limit_reached.d.next = !self.limit_left.q.val().get_bits::<31>(1).any();
        self.prompt_done.d.next = !self.prompt_left.q.val().get_bits::<31>(1).any();
        self.context_full.d.next = self.position_held.q.val() >= self.last_position.val();
        self.stop_met.d.next = (self.chosen_held.q.val() != self.no_token.val())
            & ((self.chosen_held.q.val() == self.stop_held.q.val())
                | (self.chosen_held.q.val() == self.stop_too_held.q.val()));
        if self.settled.q.val() {
            self.busy.d.next = false;
            self.paused.d.next = self.pause_held.q.val();
            self.next_held.d.next = self.next_held.q.val() + 1;
            self.limit_left.d.next = self.limit_left.q.val() - 1;
            self.prompt_some.d.next = !self.prompt_done.q.val();
            if self.prompt_some.q.val() {
                self.prompt_left.d.next = self.prompt_left.q.val() - 1;
            }
            if self.limit_reached.q.val()
                | self.context_full.q.val()
                | (self.prompt_done.q.val() & self.stop_met.q.val())
            {
                self.active.d.next = false;
                self.paused.d.next = false;
            }
        }

        // Commands.
        if self.go_on.val() {
            self.paused.d.next = false;
        }
        if self.stop.val() & self.active.q.val() {
            self.stopping.d.next = true;
        }
        if self.stopping.q.val() & !self.busy.q.val() {
            self.active.d.next = false;
            self.paused.d.next = false;
            self.stopping.d.next = false;
        }
        self.run_started.d.next = false;
        if self.start.val() & !self.active.q.val() {
            self.run_started.d.next = true;
            self.active.d.next = true;
            self.paused.d.next = false;
            self.stopping.d.next = false;
            self.next_held.d.next = self.start_position.val();
            self.limit_left.d.next = self.limit.val();
            self.prompt_left.d.next = self.prompt_length.val();
            self.prompt_some.d.next = self.prompt_length.val().any();
            self.stop_held.d.next = self.stop_token.val();
            self.stop_too_held.d.next = self.stop_token_too.val();
            self.sampling_held.d.next = self.sampling_wanted.val();
            self.pause_held.d.next = self.pause.val();
        }

        // Prompt and records.
        self.prompt.clear.next = self.discard.val();
        self.prompt.push.next = self.push.val();
        self.prompt.word.next = self.prompt_token.val();
        self.took.d.next = self.begins.val() & self.prompt_some.q.val();
        self.prompt.pop.next = self.took.q.val();
        self.prompt_full.next = self.prompt.full.val();
        self.join_record.lane[0].next = self.chosen_held.q.val();
        self.join_record.lane[1].next = self.position_held.q.val();
        self.join_record.lane[2].next = self.cycles.q.val().get_bits::<16>(0);
        self.join_record.lane[3].next =
            bit_cast::<16, 15>(self.cycles.q.val().get_bits::<15>(16)) | self.record_mark.val();
        self.records.clear.next = self.discard.val();
        self.records.push.next = self.settling.q.val();
        self.records.word.next = self.join_record.bus.val();
        self.records.pop.next = self.pop.val();
        if self.pop.val() {
            self.record_held.d.next = self.records.head.val();
            if self.records.empty.val() {
                self.record_held.d.next = 0.into();
            }
        }
        self.record.next = self.record_held.q.val();

        self.join_status.lane[0].next = (self.busy.q.val() | self.begins.val()).into();
        self.join_status.lane[1].next = self.active.q.val().into();
        self.join_status.lane[2].next = self.prompt_waits.val().into();
        self.join_status.lane[3].next = self.room_waits.val().into();
        self.join_status.lane[4].next = self.paused.q.val().into();
        self.status.next = self.join_status.bus.val();
        self.next_position.next = self.next_held.q.val();
        self.token_start.next = self.token_started.q.val();
        self.token.next = self.token_held.q.val();
        self.position.next = self.position_held.q.val();
        self.blocks.next = self.blocks_held.q.val();
        self.run_start.next = self.run_started.q.val();
        self.sampling.next = self.sampling_held.q.val();
    }
}
