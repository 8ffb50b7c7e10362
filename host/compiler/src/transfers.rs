//! Pass 5, transfers: each takes the first slots in which its rows may be overwritten, or read, and its ports are free.
//!
//! The slots of a segment are a closed form ([`Frames`]), whatever the transfers do; so a transfer is tried slot by slot, for each number of
//! blocks, and its delay is fitted like that of any instruction.

use super::access::{Kind, Location, Port, vmem_port};
use super::external::run_granules;
use super::schedule::{Issues, NEVER, Scheduler, Times, nop};
use super::stream::{Arrival, Reads};
use super::wait::Wait;
use lpu_isa::instruction::{Affine, Control, Dot, Instruction, Op, Queue, StepBy, Transfer, Way};
use lpu_isa::timing::{self, TRANSFER_LEAD, TRANSFER_SAMPLE};
use lpu_isa::transfer::{Frames, Layout};

/// A transfer with how its rows lie and which slots there are.
struct Moving {
    transfer: Transfer,
    layout: Layout,
    frames: Frames,
    count: Affine,
    /// Cycles from a row's issue to its use of a port.
    port: i64,
}

/// One row: its number in the chip's memory, and the granule and word with which it is issued.
struct Row {
    row: usize,
    granule: i64,
    word: i64,
}

impl Moving {
    fn is_back(&self) -> bool {
        matches!(self.transfer.way, Way::FromKv | Way::FromVmem)
    }

    fn granules(&self, index: usize) -> i64 {
        self.count.at(index + 1)
    }

    fn rows(&self, index: usize) -> impl Iterator<Item = Row> + '_ {
        let Transfer { row, row_step, run_step, step_by, row_number_step, .. } = self.transfer;
        let number = if step_by == StepBy::Block { index } else { 0 };
        let first = i64::from(row) + i64::from(row_number_step) * number as i64;
        let run_granules = self.layout.run_granules() as i64;
        let is_back = self.is_back();
        (0..self.granules(index) / run_granules).flat_map(move |run| {
            (0..self.layout.run()).map(move |k| {
                let (begin, end) = self.layout.row_bits(k);
                let (granule, word) = self.layout.word_of(if is_back { begin } else { end - 1 });
                let row = first + run * i64::from(run_step) + k as i64 * i64::from(row_step);
                Row { row: row as usize, granule: run * run_granules + granule as i64, word: word as i64 }
            })
        })
    }

    fn issue(&self, slot: i64, row: &Row) -> i64 {
        self.frames.begin(slot + row.granule) + row.word
    }
}

impl Scheduler {
    /// Adds a transfer of `count` granules to the end of its queue, not before `earliest` (none when empty), and returns its first slots.
    pub fn place_transfer(&mut self, transfer: Transfer, count: Affine, earliest: &[i64]) -> Times {
        let moving = self.moving(transfer, count);
        let frames = moving.frames;
        let turns = self.stream.back.is_some_and(|back| back != moving.is_back());
        let empty = if turns { self.geometry.dram_granule_cycles as i64 } else { 0 };
        let free = self.queue(Queue::Transfer).free.clone();
        let soonest = |index: usize| {
            let asked = earliest.get(index).copied().unwrap_or(NEVER);
            frames.slot_from((free[index] + empty + TRANSFER_LEAD).max(asked))
        };
        let mut slots: Times = (0..self.blocks()).map(soonest).collect();
        let (wait, slots) = loop {
            let wanted: Times =
                slots.iter().enumerate().map(|(index, slot)| self.first_fit(&moving, *slot, index)).collect();
            let least = |(index, slot): (usize, &i64)| {
                // The shortest delay that reaches the slot is the shortest that misses the one before it.
                let missed = if *slot == 0 { NEVER } else { frames.begin(slot - 1) };
                (missed + 1 - TRANSFER_LEAD - free[index]).max(empty)
            };
            let least: Times = wanted.iter().enumerate().map(least).collect();
            let wait = Wait::fit(&least, &vec![empty; free.len()]);
            let reached = |index: usize| frames.slot_from(free[index] + wait.at(index + 1) + TRANSFER_LEAD);
            slots = (0..self.blocks()).map(reached).collect();
            if slots == wanted || (0..self.blocks()).all(|i| self.first_fit(&moving, slots[i], i) == slots[i])
            {
                break (wait, slots);
            }
        };
        self.commit_transfer(&moving, wait, &slots);
        slots
    }

    /// Adds a transfer of one run.
    pub fn place_run(&mut self, transfer: Transfer) {
        let granules = run_granules(&self.geometry, &transfer);
        self.place_transfer(transfer, Affine::fixed(granules as i32), &[]);
    }

    /// Adds the transfer of a matrix's rows and the beats that read them, one row a beat, as many as `dot_issues` counts. The ring goes on
    /// where it is; the beats are late enough to find every row, and the transfer late enough to overwrite none that is still to be read.
    pub fn place_stream(&mut self, transfer: Transfer, granules: usize, dot: Dot, issues: Issues) {
        let ring = self.geometry.weight_rows;
        let first = self.stream.next;
        let row = (first % ring) as u32;
        let (transfer, dot) = (Transfer { row, row_step: 1, ..transfer }, Dot { row, row_step: 1, ..dot });
        let rows = issues.count.at(1) as usize;
        let mut earliest: Times = Vec::new();
        loop {
            let mut trial = self.clone();
            let slots = trial.place_transfer(transfer, Affine::fixed(granules as i32), &earliest);
            let arrival = trial.stream.arrivals.last().expect("a transfer to weight memory").clone();
            let bound = trial.last_arrivals(&arrival, i64::from(issues.interval));
            let start = trial.place_after(dot, issues, &bound);
            trial.stream.reads.push(Reads { first, rows, interval: i64::from(issues.interval), start });
            let late: Times = (0..self.blocks()).map(|index| trial.overwritten(&arrival, index)).collect();
            if late.iter().all(|late| *late <= 0) {
                *self = trial;
                return;
            }
            let frames = Frames::of(&self.geometry);
            earliest =
                slots.iter().zip(&late).map(|(slot, late)| frames.begin(*slot) + (*late).max(0)).collect();
        }
    }

    fn moving(&self, transfer: Transfer, count: Affine) -> Moving {
        let mut moving = Moving {
            transfer,
            layout: Layout::of(&self.geometry, &transfer),
            frames: Frames::of(&self.geometry),
            count,
            port: timing::transfer_store_port(&self.geometry),
        };
        if moving.is_back() {
            moving.port = TRANSFER_SAMPLE;
        }
        moving
    }

    /// The first slot from `slot` on in which a transfer may begin.
    fn first_fit(&self, moving: &Moving, mut slot: i64, index: usize) -> i64 {
        loop {
            let late = moving.rows(index).map(|row| self.too_early(moving, slot, &row, index)).max();
            let late = late.unwrap_or(0);
            if late > 0 {
                slot = moving.frames.slot_from(moving.frames.begin(slot) + late).max(slot + 1);
            } else if self.port_taken(moving, slot, index) {
                slot += 1;
            } else {
                return slot;
            }
        }
    }

    /// Cycles by which a row would move too early.
    fn too_early(&self, moving: &Moving, slot: i64, row: &Row, index: usize) -> i64 {
        let issue = moving.issue(slot, row);
        if moving.transfer.way == Way::Weights {
            return 0;
        }
        let Some(past) = self.past.get(&location(moving.transfer.way, row.row)) else { return 0 };
        let (write, shown, read) = (past.write[index], past.shown[index], past.read[index]);
        let bound = match moving.is_back() {
            true => (write + 1).max(shown - TRANSFER_SAMPLE),
            false => (read + 1).max(write + 1).max(shown + 1 - (moving.port + 1)),
        };
        bound - issue
    }

    fn port_taken(&self, moving: &Moving, slot: i64, index: usize) -> bool {
        moving.rows(index).any(|row| {
            let cycle = moving.issue(slot, &row) + moving.port;
            self.port_of(moving.transfer.way, row.row)
                .is_some_and(|port| self.ports[index].contains(&(port, cycle)))
        })
    }

    fn port_of(&self, way: Way, row: usize) -> Option<Port> {
        match way {
            Way::Weights => None,
            Way::Kv | Way::FromKv => Some(Port::Kv),
            Way::Vmem | Way::FromVmem => Some(vmem_port(&self.geometry, row)),
        }
    }

    fn commit_transfer(&mut self, moving: &Moving, wait: Wait, slots: &[i64]) {
        let (nops, delay) = wait.instructions(self.blocks());
        let control = Control { delay, count: moving.count, interval: 1 };
        let queue = self.queue_mut(Queue::Transfer);
        queue.instructions.extend(nops.into_iter().map(nop));
        queue.instructions.push(Instruction { control, op: Op::Transfer(moving.transfer) });
        for (index, slot) in slots.iter().enumerate() {
            let last = slot + moving.granules(index) - 1;
            self.queue_mut(Queue::Transfer).free[index] = moving.frames.end(last) - TRANSFER_LEAD;
        }
        self.stream.back = Some(moving.is_back());
        if moving.transfer.way == Way::Weights {
            let rows = moving.layout.run();
            let arrival =
                Arrival { first: self.stream.next, rows, layout: moving.layout, slots: slots.to_vec() };
            self.stream.next += rows;
            return self.stream.arrivals.push(arrival);
        }
        let kind = if moving.is_back() { Kind::Read } else { Kind::Write };
        for (index, slot) in slots.iter().enumerate() {
            for row in moving.rows(index) {
                let issue = moving.issue(*slot, &row);
                self.remember(index, location(moving.transfer.way, row.row), kind, issue, moving.port + 1);
                if let Some(port) = self.port_of(moving.transfer.way, row.row) {
                    self.ports[index].insert((port, issue + moving.port));
                }
            }
        }
    }

    /// The earliest first beat of a `Dot` that finds every row of an arrival.
    fn last_arrivals(&self, arrival: &Arrival, interval: i64) -> Times {
        let frames = Frames::of(&self.geometry);
        let shown = timing::transfer_store_port(&self.geometry) + 1 - timing::MATRIX_ROW_SAMPLE;
        let bound = |index: usize| {
            let beat = |row: usize| arrival.issue(&frames, row, index) + shown - row as i64 * interval;
            (0..arrival.rows).map(beat).max().unwrap_or(NEVER)
        };
        (0..self.blocks()).map(bound).collect()
    }

    /// Cycles by which rows of an arrival come before those that they overwrite have been read.
    fn overwritten(&self, arrival: &Arrival, index: usize) -> i64 {
        let frames = Frames::of(&self.geometry);
        let ring = self.geometry.weight_rows;
        let late = |row: usize| {
            let before = (arrival.first + row).checked_sub(ring)?;
            Some(self.stream.read(before, index)? - arrival.issue(&frames, row, index))
        };
        (0..arrival.rows).filter_map(late).max().unwrap_or(0)
    }
}

fn location(way: Way, row: usize) -> Location {
    match way {
        Way::Vmem | Way::FromVmem => Location::Vmem(row),
        Way::Weights | Way::Kv | Way::FromKv => Location::Kv(row),
    }
}
