//! Pass 5: when each instruction is issued. `transfers.rs` places those of the transfer queue.
//!
//! Instructions are placed one after another in program order, each as early as its operands, its queue and the write port of
//! vector memory allow. Times depend on the position through the number of blocks alone, so every time is a vector
//! with one entry per number of blocks, and `wait.rs` fits a delay to it. Random numbers are waited for as `noise.rs` says.
//!
//! A loop's body is scheduled once, for the worst of its first and its further trips: what the body leaves unfinished is what
//! the next trip finds. The rules that this follows are checked again, without this code, by the verifier.

use super::access::{Context, Effects, Kind, Location, Port, effects};
use super::noise::Noise;
use super::stream::Stream;
use super::wait::Wait;
use lpu_isa::instruction::{
    Affine, C, Control, Destination, Dot, End, EndLoop, Instruction, Loop, Nop, Op, Queue, Sync, Vector,
};
use lpu_isa::timing::{MIN_PERIOD_CYCLES, SYNC_CYCLES};
use lpu_isa::{Geometry, timing};
use std::collections::{HashMap, HashSet};

/// Cycles by which an instruction is put off for all numbers of blocks at once when the write port is taken.
const UNIFORM_TRIES: i64 = 64;
/// Trips after which a loop's body must have settled.
const BODY_TRIALS: usize = 8;

/// Cycles from the issue of a row for the activation file to the beat that may read it.
const PASSING_CYCLES: i64 = timing::ACT_EFFECT - timing::ACT_SAMPLE;

/// One number per number of blocks, from one block upward.
pub(super) type Times = Vec<i64>;

/// What the past holds of a location: cycles are counted from the start of the current segment.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Past {
    /// Issue of the last write, and the cycle from which it shows.
    pub write: Times,
    pub shown: Times,
    /// Issue of the last read.
    pub read: Times,
}

/// Long ago: no constraint follows from it.
pub(super) const NEVER: i64 = i64::MIN / 4;

/// Places instructions in the queues.
#[derive(Clone)]
pub struct Scheduler {
    pub(super) geometry: Geometry,
    queues: [QueueState; Queue::ALL.len()],
    pub(super) past: HashMap<Location, Past>,
    /// Cycles in which ports are used, for each number of blocks.
    pub(super) ports: Vec<HashSet<(Port, i64)>>,
    /// What passes through weight memory.
    pub(super) stream: Stream,
    noise: Noise,
    /// Entry pointers for each number of blocks.
    entries: Vec<(usize, usize)>,
}

#[derive(Clone, Default)]
pub(super) struct QueueState {
    pub instructions: Vec<Instruction>,
    /// Activation of the next instruction.
    pub free: Times,
}

/// Issues of an instruction.
#[derive(Clone, Copy, Debug)]
pub struct Issues {
    pub count: Affine,
    pub interval: u32,
}

/// A vector operation and its issues.
pub type Placed = (Vector, Issues);

impl Issues {
    /// `count` issues in consecutive cycles.
    pub const fn burst(count: usize) -> Self {
        Self { count: Affine::fixed(count as i32), interval: 1 }
    }

    /// `count` issues, one every `interval` cycles.
    pub const fn spaced(count: usize, interval: i64) -> Self {
        Self { count: Affine::fixed(count as i32), interval: interval as u32 }
    }

    /// `per_block` issues for each block begun, in consecutive cycles.
    pub const fn per_block(per_block: usize) -> Self {
        Self { count: Affine { constant: 0, per_block: per_block as i32 }, interval: 1 }
    }
}

impl Scheduler {
    /// An empty program for positions with up to `blocks` blocks.
    pub fn new(geometry: Geometry, blocks: usize) -> Self {
        let queue = QueueState { instructions: Vec::new(), free: vec![0; blocks] };
        Self {
            geometry,
            queues: std::array::from_fn(|_| queue.clone()),
            past: HashMap::new(),
            ports: vec![HashSet::new(); blocks],
            stream: Stream::default(),
            noise: Noise::new(&geometry, blocks),
            entries: vec![(0, 0); blocks],
        }
    }

    /// Adds an operation to the end of its queue and returns the cycles of its first issue.
    pub fn place(&mut self, op: impl Into<Op>, issues: Issues) -> Times {
        self.place_after(op, issues, &[])
    }

    /// The cycle in which an operation could be issued if its queue had nothing else to do, for each number of blocks.
    pub fn earliest(&self, op: impl Into<Op>, issues: Issues) -> Times {
        let all = self.effects(&op.into(), issues);
        all.iter().enumerate().map(|(index, effects)| self.bound(effects, index)).collect()
    }

    /// As [`Scheduler::place`], not before `earliest` (none when empty).
    pub fn place_after(&mut self, op: impl Into<Op>, issues: Issues, earliest: &[i64]) -> Times {
        let op = op.into();
        let all = self.effects(&op, issues);
        let mut bound: Times = (0..self.blocks())
            .map(|index| self.bound(&all[index], index).max(earliest.get(index).copied().unwrap_or(NEVER)))
            .collect();
        let queue = queue_of(&op);
        let mut tries = 0;
        loop {
            let wait = self.fit(queue, &bound, issues);
            let start: Times =
                (0..self.blocks()).map(|index| self.queue(queue).free[index] + wait.at(index + 1)).collect();
            let clashes =
                |shift: i64, index: usize| self.port_clash(&all[index], start[index] + shift, index);
            let clashing: Vec<usize> = (0..self.blocks()).filter(|&index| clashes(0, index)).collect();
            if clashing.is_empty() {
                self.commit(op, issues, wait, &start, all);
                return start;
            }
            // All alike while that may help: times that differ from block to block need long waits.
            if tries < UNIFORM_TRIES {
                let free = |shift: &i64| !(0..self.blocks()).any(|index| clashes(*shift, index));
                let shift = (1..UNIFORM_TRIES - tries).find(free).unwrap_or(UNIFORM_TRIES - tries);
                tries += shift;
                bound.iter_mut().zip(&start).for_each(|(bound, start)| *bound = start + shift);
                continue;
            }
            for index in clashing {
                let shift =
                    (1..).find(|shift| !clashes(*shift, index)).expect("the port is not used for ever");
                bound[index] = start[index] + shift;
            }
        }
    }

    /// Adds vector operations in the order in which they can be issued earliest; where several can, in the order given, which is also
    /// the order of what they mean.
    pub fn place_soonest(&mut self, mut pending: Vec<Placed>) {
        // The order is the same for all positions, so one number of blocks decides.
        let index = (self.blocks() - 1) / 2;
        while !pending.is_empty() {
            let all: Vec<Effects> =
                pending.iter().map(|(op, issues)| self.effects_at(&(*op).into(), *issues, index)).collect();
            let ready = |number: &usize| {
                let before = 0..*number;
                before.into_iter().all(|before| {
                    !all[before].conflicts(&all[*number]) && !in_turn(&pending[before].0, &pending[*number].0)
                })
            };
            let starts: Vec<(usize, i64)> = (0..pending.len())
                .filter(ready)
                .map(|number| {
                    (number, self.bound(&all[number], index).max(self.queue(Queue::Vector).free[index]))
                })
                .collect();
            let soonest = starts.iter().map(|(_, start)| *start).min().expect("the first is ready");
            let chosen = starts.iter().find(|(_, start)| *start < soonest + MIN_PERIOD_CYCLES);
            let (op, issues) = pending.remove(chosen.expect("the soonest").0);
            self.place(op, issues);
        }
    }

    /// Adds an operation, and before it another that may be issued at any time and takes the part of the wait that depends on the
    /// position: a short instruction could not, for it must wait some cycles anyway.
    pub fn place_filled(&mut self, filler: Placed, op: Placed, earliest: &[i64]) -> Times {
        let duration = |issues: Issues, index: usize| issues.count.at(index + 1) * i64::from(issues.interval);
        let times = 0..self.blocks();
        let own = times.clone().map(|index| MIN_PERIOD_CYCLES - duration(op.1, index)).max().unwrap_or(0);
        let bound: Times = self.earliest(op.0, op.1);
        let bound: Times = times
            .clone()
            .map(|index| bound[index].max(earliest.get(index).copied().unwrap_or(NEVER)))
            .collect();
        let left =
            |index: usize| bound[index] - self.queue(Queue::Vector).free[index] - duration(filler.1, index);
        let fixed = times.clone().map(left).min().unwrap_or(0).max(own);
        let filled: Times = times.map(|index| bound[index] - fixed - duration(filler.1, index)).collect();
        self.place_after(filler.0, filler.1, &filled);
        self.place_after(op.0, op.1, earliest)
    }

    /// Adds rows that pass through the activation entries and the beats that read them, one after another. The rows come as late as
    /// the beats allow: the activation file holds few.
    pub fn place_passing(&mut self, filler: Option<Placed>, rows: Placed, beats: (Dot, Issues)) {
        let entries = self.geometry.act_entries as i64;
        // Few rows find free entries whatever the beats do.
        let few = |index: usize| 2 * rows.1.count.at(index + 1) <= entries;
        let lead = |(index, free): (usize, &i64)| if few(index) { NEVER } else { free - PASSING_CYCLES };
        let mut earliest: Times = self.queue(Queue::Matrix).free.iter().enumerate().map(lead).collect();
        loop {
            let mut trial = self.clone();
            let written = match filler {
                Some(filler) => trial.place_filled(filler, rows, &earliest),
                None => trial.place_after(rows.0, rows.1, &earliest),
            };
            let read = trial.place(beats.0, beats.1);
            // A row takes the entry of the row that many before it, which must have been read.
            let late = |index: usize| match rows.1.count.at(index + 1) > entries {
                true => (read[index] + 1 - written[index] - entries).max(0),
                false => 0,
            };
            let late: Times = (0..self.blocks()).map(late).collect();
            if late.iter().all(|late| *late == 0) {
                *self = trial;
                return;
            }
            for ((earliest, written), late) in earliest.iter_mut().zip(&written).zip(&late) {
                *earliest = (*earliest).max(written + late);
            }
        }
    }

    /// Makes the queues meet; all continue from cycle 0 of a new segment.
    pub fn sync(&mut self) {
        self.meet([Instruction { control: Control::default(), op: Op::Sync(Sync {}) }; 3]);
    }

    /// Adds a loop of `trips` trips around what `body` places; address offsets of each queue grow by its `steps`.
    /// Returns false when the body does not settle.
    pub fn repeat(
        &mut self,
        trips: usize,
        steps: [EndLoop; Queue::ALL.len()],
        body: impl Fn(&mut Scheduler),
    ) -> bool {
        if trips == 1 {
            body(self);
            return true;
        }
        self.begin_loop(trips);
        let end = steps.map(|steps| Instruction { control: Control::default(), op: Op::EndLoop(steps) });
        for _ in 0..BODY_TRIALS {
            let mut trial = self.clone();
            if self.geometry.has_external_memory() {
                // Frames of further trips begin with the body, and so must those of the first.
                trial.sync();
            }
            body(&mut trial);
            let trip = trial.meet(end);
            if !self.absorb(&trial) {
                // Random numbers are made during all trips; where trips take some, the first finds the fewest.
                let brought = trial.stream.next - self.stream.next;
                trial.stream.next += brought * (trips - 1);
                if trial.noise.taken == self.noise.taken {
                    let others: Times = trip.iter().map(|cycles| cycles * (trips as i64 - 1)).collect();
                    trial.noise.shift(&others);
                }
                *self = trial;
                return true;
            }
        }
        false
    }

    /// Begins a loop in the queues in the same cycle, from which its body counts. What came before is as old then as the end of a trip,
    /// which `SYNC_CYCLES` more precede, is at the next: later trips do not pay for the first.
    fn begin_loop(&mut self, trips: usize) {
        let mut latest = self.latest();
        latest.iter_mut().for_each(|latest| *latest += MIN_PERIOD_CYCLES + SYNC_CYCLES);
        let fixed = |queue: &QueueState| queue.free.windows(2).all(|pair| pair[0] == pair[1]);
        if self.queues().iter().all(fixed) && !self.geometry.has_external_memory() {
            for queue in self.queues_mut() {
                let delay = Affine::fixed((latest[0] - queue.free[0]) as i32);
                queue.instructions.push(begin_loop(delay, trips));
            }
            self.shift(&latest);
            return self.reset_time();
        }
        // What came before takes a time that depends on the position: the queues must meet.
        self.sync();
        for queue in self.queues_mut() {
            queue.instructions.push(begin_loop(Affine::fixed(MIN_PERIOD_CYCLES as i32), trips));
        }
        self.shift(&vec![MIN_PERIOD_CYCLES; self.blocks()]);
        self.reset_time();
    }

    /// Ends the queues once the choice is known and every effect has shown, and returns their instructions.
    pub fn finish(mut self) -> [Vec<Instruction>; Queue::ALL.len()] {
        let mut bound: Times = vec![0; self.blocks()];
        for (location, past) in &self.past {
            // The choice must be known when the program ends, all else when the next token begins.
            let grace = if *location == Location::Choice { 0 } else { timing::TURNAROUND_CYCLES };
            for (bound, shown) in bound.iter_mut().zip(&past.shown) {
                *bound = (*bound).max(shown - grace);
            }
        }
        for queue in Queue::ALL.into_iter().take(self.geometry.queues()) {
            let wait = self.fit(queue, if queue == Queue::Vector { &bound } else { &[] }, Issues::burst(0));
            let (nops, delay) = wait.instructions(self.blocks());
            let queue = &mut self.queues[queue as usize];
            queue.instructions.extend(nops.into_iter().chain([delay]).map(nop));
            queue.instructions.push(Instruction { control: Control::default(), op: Op::End(End {}) });
        }
        self.queues.map(|queue| queue.instructions)
    }

    pub(super) fn blocks(&self) -> usize {
        self.ports.len()
    }

    pub(super) fn queue(&self, queue: Queue) -> &QueueState {
        &self.queues[queue as usize]
    }

    pub(super) fn queue_mut(&mut self, queue: Queue) -> &mut QueueState {
        &mut self.queues[queue as usize]
    }

    /// The queues that the chip has.
    fn queues(&self) -> &[QueueState] {
        &self.queues[..self.geometry.queues()]
    }

    fn queues_mut(&mut self) -> &mut [QueueState] {
        &mut self.queues[..self.geometry.queues()]
    }

    /// When the last queue is free.
    fn latest(&self) -> Times {
        let latest = |index: usize| self.queues().iter().map(|queue| queue.free[index]).max().unwrap_or(0);
        (0..self.blocks()).map(latest).collect()
    }

    fn effects(&self, op: &Op, issues: Issues) -> Vec<Effects> {
        (0..self.blocks()).map(|index| self.effects_at(op, issues, index)).collect()
    }

    fn effects_at(&self, op: &Op, issues: Issues, index: usize) -> Effects {
        let context = Context { blocks: index + 1, entries: self.entries[index] };
        let count = issues.count.at(index + 1) as usize;
        effects(&self.geometry, op, count, i64::from(issues.interval), context)
    }

    /// The earliest first issue that the past allows.
    fn bound(&self, effects: &Effects, index: usize) -> i64 {
        let bounds = effects.accesses.iter().filter_map(|access| {
            let past = self.past.get(&access.location)?;
            let (write, shown, read) = (past.write[index], past.shown[index], past.read[index]);
            let issue = match access.kind {
                Kind::Read => (write + 1).max(shown - access.cycle),
                Kind::Write => (read + 1).max(write + 1).max(shown + 1 - access.cycle),
                Kind::Replace => read + 1,
                Kind::Hold => return None,
            };
            Some(issue - access.issue)
        });
        bounds.chain(self.noise.bound(&effects.noise, index)).max().unwrap_or(NEVER)
    }

    /// The smallest wait that reaches `bound` and keeps activations apart.
    pub(super) fn fit(&self, queue: Queue, bound: &[i64], issues: Issues) -> Wait {
        let free = &self.queue(queue).free;
        let duration = |index: usize| issues.count.at(index + 1) * i64::from(issues.interval);
        let own: Times =
            (0..self.blocks()).map(|index| (MIN_PERIOD_CYCLES - duration(index)).max(0)).collect();
        let wait = |index: usize| bound.get(index).map_or(0, |bound| bound.saturating_sub(free[index]));
        let least: Times = own.iter().enumerate().map(|(index, own)| wait(index).max(*own)).collect();
        Wait::fit(&least, &own)
    }

    fn port_clash(&self, effects: &Effects, start: i64, index: usize) -> bool {
        effects.ports.iter().any(|(port, cycle)| self.ports[index].contains(&(*port, start + cycle)))
    }

    fn commit(&mut self, op: Op, issues: Issues, wait: Wait, start: &[i64], all: Vec<Effects>) {
        let (nops, delay) = wait.instructions(self.blocks());
        let control = Control { delay, count: issues.count, interval: issues.interval };
        let queue = self.queue_mut(queue_of(&op));
        queue.instructions.extend(nops.into_iter().map(nop));
        queue.instructions.push(Instruction { control, op });
        for (index, start) in start.iter().enumerate() {
            queue.free[index] = start + issues.count.at(index + 1) * i64::from(issues.interval);
        }
        for (index, (effects, start)) in all.into_iter().zip(start).enumerate() {
            self.entries[index] = effects.entries;
            self.ports[index].extend(effects.ports.iter().map(|(port, cycle)| (*port, start + cycle)));
            effects.noise.iter().for_each(|take| self.noise.take(start + take, index));
            for access in effects.accesses {
                self.remember(index, access.location, access.kind, start + access.issue, access.cycle);
            }
        }
    }

    /// Notes an access of issue `issue`, with `blocks` blocks begun; a write shows `cycle` cycles later.
    pub(super) fn remember(&mut self, index: usize, location: Location, kind: Kind, issue: i64, cycle: i64) {
        let blocks = self.blocks();
        let past = self.past.entry(location).or_insert_with(|| Past::empty(blocks));
        match kind {
            Kind::Read | Kind::Hold => past.read[index] = past.read[index].max(issue),
            Kind::Write => {
                past.write[index] = past.write[index].max(issue);
                past.shown[index] = past.shown[index].max(issue + cycle);
            }
            Kind::Replace => {}
        }
    }

    /// The queues wait for one another, then time starts anew: in which cycle.
    fn meet(&mut self, instructions: [Instruction; Queue::ALL.len()]) -> Times {
        for (queue, instruction) in self.queues_mut().iter_mut().zip(instructions) {
            queue.instructions.push(instruction);
        }
        let mut resumed = self.latest();
        resumed.iter_mut().for_each(|resumed| *resumed += SYNC_CYCLES);
        self.shift(&resumed);
        self.stream.end_segment();
        self.reset_time();
        resumed
    }

    /// Counts cycles from `origin` on.
    fn shift(&mut self, origin: &[i64]) {
        for past in self.past.values_mut() {
            for times in [&mut past.write, &mut past.shown, &mut past.read] {
                times.iter_mut().zip(origin).for_each(|(time, origin)| *time = (*time - origin).max(NEVER));
            }
        }
        self.noise.shift(origin);
        for (ports, origin) in self.ports.iter_mut().zip(origin) {
            let moved = ports.iter().map(|(port, cycle)| (*port, cycle - origin));
            *ports = moved.filter(|(_, cycle)| *cycle >= 0).collect();
        }
    }

    fn reset_time(&mut self) {
        self.queues.iter_mut().for_each(|queue| queue.free.fill(0));
    }

    /// Takes over what a trial's body left unfinished; true when that adds a constraint.
    fn absorb(&mut self, trial: &Scheduler) -> bool {
        let mut changed = false;
        let blocks = self.blocks();
        for (location, left) in &trial.past {
            let past = self.past.entry(*location).or_insert_with(|| Past::empty(blocks));
            for (mine, theirs) in
                [(&mut past.write, &left.write), (&mut past.shown, &left.shown), (&mut past.read, &left.read)]
            {
                for (mine, theirs) in mine.iter_mut().zip(theirs) {
                    // Nothing placed from cycle 0 on can be too early for what ended long before.
                    changed |= *theirs > (*mine).max(-timing::RESULT);
                    *mine = (*mine).max(*theirs);
                }
            }
        }
        for (mine, theirs) in self.ports.iter_mut().zip(&trial.ports) {
            changed |= !theirs.is_subset(mine);
            mine.extend(theirs);
        }
        if trial.noise.taken > self.noise.taken {
            changed |= self.noise.wait_for(&trial.noise);
        }
        changed
    }
}

/// The queue of an operation that issues something.
fn queue_of(op: &Op) -> Queue {
    match op {
        Op::Dot(_) | Op::Gather(_) => Queue::Matrix,
        Op::Transfer(_) => Queue::Transfer,
        _ => Queue::Vector,
    }
}

/// Whether two operations go through the activation entries or the random numbers in turn.
fn in_turn(first: &Vector, second: &Vector) -> bool {
    let both = |of: fn(&Vector) -> bool| of(first) && of(second);
    both(|op| op.destination == Destination::Act) && second.entry_continue || both(|op| op.c == C::Noise)
}

impl Past {
    pub fn empty(blocks: usize) -> Self {
        Self { write: vec![NEVER; blocks], shown: vec![NEVER; blocks], read: vec![NEVER; blocks] }
    }
}

fn begin_loop(delay: Affine, trips: usize) -> Instruction {
    let control = Control { delay, count: Affine::fixed(trips as i32), interval: 0 };
    Instruction { control, op: Op::Loop(Loop {}) }
}

pub(super) fn nop(delay: Affine) -> Instruction {
    let control = Control { delay, count: Affine::fixed(0), interval: 0 };
    Instruction { control, op: Op::Nop(Nop {}) }
}
