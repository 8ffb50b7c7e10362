//! When everything happens: walks the queues from meeting to meeting and lists what each issues between.

use super::program::{Plan, Program};
use super::rules::{By, Rule, Site, Violation};
use lpu_isa::instruction::*;
use lpu_isa::transfer::Frames;
use lpu_isa::{Geometry, timing};
use std::ops::Range;

/// Cycles that a token may take: a longer program is a mistake, and would take the verifier too long. All of a large memory
/// at two bytes a cycle takes less.
const TOKEN_CYCLES_MAX: i64 = 1 << 24;
const TOKEN_CYCLES_MAX_EXTERNAL: i64 = 1 << 26;

/// One issue of an instruction: of a transfer, one row.
#[derive(Clone, Copy)]
pub(super) struct Issue {
    pub by: By,
    /// Cycle of the token.
    pub cycle: i64,
    /// Number of the issue within its instruction; of a row, within its run.
    pub k: i64,
    /// Whether it is the instruction's last.
    pub last: bool,
    /// The loop's address offsets: first, second.
    pub offsets: [i64; 2],
}

/// An instruction that issues something.
#[derive(Clone, Copy)]
pub(super) struct Run {
    pub by: By,
    /// Cycle of the first issue.
    pub first: i64,
    pub interval: i64,
    /// Issues; of a transfer, granules.
    pub count: i64,
    pub offsets: [i64; 2],
    /// Cycle in which its segment begins.
    pub segment: i64,
    /// The first slot of a transfer, counted from there.
    pub slot: i64,
}

/// Where a queue stops to meet the others.
#[derive(Clone, Copy, PartialEq)]
enum Stop {
    Sync,
    EndLoop { trip: i64, trips: i64 },
    End,
}

impl Stop {
    fn name(self) -> &'static str {
        match self {
            Stop::Sync => "a `Sync`",
            Stop::EndLoop { .. } => "an `EndLoop`",
            Stop::End => "its `End`",
        }
    }
}

#[derive(Clone, Copy)]
struct OpenLoop {
    /// First instruction of the body.
    body: usize,
    trip: i64,
    trips: i64,
}

/// One queue's place in its program.
struct Cursor<'a> {
    program: &'a [Instruction],
    queue: Queue,
    next: usize,
    activation: i64,
    segment: i64,
    open: Option<OpenLoop>,
    offsets: [i64; 2],
}

/// What is the same for all queues.
#[derive(Clone, Copy)]
struct Setting<'a> {
    plans: &'a [Option<Plan>],
    position: usize,
    blocks: usize,
    frames: Option<Frames>,
    cycles_max: i64,
}

/// All queues at one position.
pub(super) struct Walk<'a> {
    cursors: Vec<Cursor<'a>>,
    setting: Setting<'a>,
    stop: Stop,
}

/// A trip of a loop that begins, not the first one: with a segment.
pub(super) struct Trip {
    /// Its number, from 0, and that of all trips.
    pub trip: i64,
    pub trips: i64,
    /// Cycle in which it begins.
    pub cycle: i64,
    /// Each queue's instructions in the loop, and its offsets' steps.
    pub bodies: Vec<Range<usize>>,
    pub steps: Vec<[i64; 2]>,
    /// Each queue's offsets.
    pub offsets: Vec<[i64; 2]>,
}

impl<'a> Walk<'a> {
    pub fn new(program: &'a Program, geometry: &Geometry, position: usize) -> Self {
        let external = geometry.has_external_memory();
        let start = timing::start_cycles(geometry);
        let cursor = |&queue: &Queue| Cursor {
            program: program.of(queue),
            queue,
            next: 0,
            activation: start,
            segment: start,
            open: None,
            offsets: [0; 2],
        };
        let setting = Setting {
            plans: &program.plans,
            position,
            blocks: geometry.blocks(position),
            frames: external.then(|| Frames::of(geometry)),
            cycles_max: if external { TOKEN_CYCLES_MAX_EXTERNAL } else { TOKEN_CYCLES_MAX },
        };
        let cursors = Queue::ALL[..geometry.queues()].iter().map(cursor).collect();
        Self { cursors, setting, stop: Stop::Sync }
    }

    /// What each queue issues up to the next meeting, in order; false when the token has ended.
    pub fn segment(&mut self, runs: &mut [Vec<Run>; 3]) -> Result<bool, Violation> {
        if self.stop == Stop::End {
            return Ok(false);
        }
        let mut stops = [Stop::End; 3];
        for ((cursor, runs), stop) in self.cursors.iter_mut().zip(runs).zip(&mut stops) {
            runs.clear();
            *stop = cursor.run(&self.setting, runs).map_err(|(by, rule)| Violation {
                site: Site::Activation { by, position: self.setting.position },
                rule,
            })?;
        }
        self.check_meeting(&stops)?;
        self.stop = stops[0];
        if self.stop != Stop::End {
            let next = self.end() + timing::SYNC_CYCLES;
            for (cursor, stop) in self.cursors.iter_mut().zip(stops) {
                cursor.pass(stop, next);
            }
        }
        Ok(true)
    }

    /// The latest activation: of the `End`s, after the last segment.
    pub fn end(&self) -> i64 {
        self.cursors.iter().map(|cursor| cursor.activation).max().unwrap_or_default()
    }

    /// The activation of the vector queue's `End`, after the last segment.
    pub fn vector_end(&self) -> i64 {
        self.cursors[Queue::Vector as usize].activation
    }

    /// Whether the queues are inside a loop.
    pub fn in_loop(&self) -> bool {
        self.cursors[0].open.is_some()
    }

    /// The trip that the next segment begins, if the last one ended another trip of the same loop.
    pub fn trip(&self) -> Option<Trip> {
        let OpenLoop { trip, trips, .. } = self.cursors[0].open?;
        if !matches!(self.stop, Stop::EndLoop { .. }) {
            return None;
        }
        let (mut bodies, mut steps) = (Vec::new(), Vec::new());
        for cursor in &self.cursors {
            let (end, step) = cursor.end_loop()?;
            bodies.push(cursor.next..end);
            steps.push(step);
        }
        let offsets = self.cursors.iter().map(|cursor| cursor.offsets).collect();
        Some(Trip { trip, trips, cycle: self.cursors[0].activation, bodies, steps, offsets })
    }

    /// Whether the token may go on `cycles` later.
    pub fn bears(&self, cycles: i64) -> bool {
        check_length(self.end() + cycles, self.setting.cycles_max).is_ok()
    }

    /// Leaves the loop whose trip begins, as if the trips left had taken `cycles` together.
    pub fn leave_loop(&mut self, cycles: i64) {
        for cursor in &mut self.cursors {
            let Some((end, _)) = cursor.end_loop() else { continue };
            cursor.next = end + 1;
            cursor.begin_segment(cursor.activation + cycles);
            cursor.open = None;
            cursor.offsets = [0; 2];
        }
    }

    fn check_meeting(&self, stops: &[Stop; 3]) -> Result<(), Violation> {
        let first = stops[0];
        for (cursor, &other) in self.cursors.iter().zip(stops).skip(1) {
            let queue = cursor.queue;
            let rule = match (first, other) {
                (Stop::Sync, Stop::Sync) | (Stop::End, Stop::End) => continue,
                (Stop::EndLoop { trips, .. }, Stop::EndLoop { trips: other, .. }) if trips != other => {
                    Rule::Trips { queue, found: trips, other }
                }
                (Stop::EndLoop { trip, .. }, Stop::EndLoop { trip: other, .. }) if trip == other => continue,
                _ => Rule::Meeting { queue, other: other.name() },
            };
            let site = Site::Activation { by: self.cursors[0].by(), position: self.setting.position };
            return Err(Violation { site, rule });
        }
        Ok(())
    }
}

impl Cursor<'_> {
    fn by(&self) -> By {
        By { queue: self.queue, index: self.next }
    }

    /// Activates instructions until one that meets the other queues.
    fn run(&mut self, setting: &Setting<'_>, runs: &mut Vec<Run>) -> Result<Stop, (By, Rule)> {
        loop {
            let by = self.by();
            if let Some(stop) = self.stop() {
                return Ok(stop);
            }
            let following = self.activate(setting, runs).map_err(|rule| (by, rule))?;
            let found = following - self.activation;
            if found < timing::MIN_PERIOD_CYCLES {
                return Err((by, Rule::Period { least: timing::MIN_PERIOD_CYCLES, found }));
            }
            check_length(following, setting.cycles_max).map_err(|rule| (by, rule))?;
            self.activation = following;
            self.next += 1;
        }
    }

    fn stop(&self) -> Option<Stop> {
        match self.program[self.next].op {
            Op::Sync(_) => Some(Stop::Sync),
            Op::End(_) => Some(Stop::End),
            Op::EndLoop(_) => {
                let OpenLoop { trip, trips, .. } = self.open.expect("loops are closed: checked when loaded");
                Some(Stop::EndLoop { trip, trips })
            }
            _ => None,
        }
    }

    /// Activates the next instruction: the cycle in which the one after it is activated.
    fn activate(&mut self, setting: &Setting<'_>, runs: &mut Vec<Run>) -> Result<i64, Rule> {
        let Instruction { control, op } = self.program[self.next];
        let first = self.activation + control.delay.at(setting.blocks);
        match op {
            Op::Loop(_) => {
                let trips = count(control, setting.blocks)?;
                self.open = Some(OpenLoop { body: self.next + 1, trip: 0, trips });
                Ok(first)
            }
            Op::Dot(_) | Op::Gather(_) | Op::Vector(_) => {
                let count = count(control, setting.blocks)?;
                let interval = i64::from(control.interval);
                let following = first + count * interval;
                check_length(following, setting.cycles_max)?;
                runs.push(self.started(first, interval, count, 0));
                Ok(following)
            }
            Op::Transfer(transfer) => {
                let Some(frames) = setting.frames else { return Ok(first) };
                let count = count(control, setting.blocks)?;
                let granules = setting.plans[self.next].as_ref().map_or(1, |plan| plan.granules);
                if count % granules != 0 {
                    return Err(Rule::PartialRun { count, granules });
                }
                let slot = frames.slot_from(first + timing::TRANSFER_LEAD - self.segment);
                let begin = self.segment + frames.begin(slot);
                if let Some(last) = runs.last() {
                    self.check_turnaround(&frames, last, &transfer, begin)?;
                }
                runs.push(self.started(begin, frames.end(slot) - frames.begin(slot), count, slot));
                Ok(self.segment + frames.end(slot + count - 1) - timing::TRANSFER_LEAD)
            }
            Op::Nop(_) | Op::Sync(_) | Op::EndLoop(_) | Op::End(_) => Ok(first),
        }
    }

    fn started(&self, first: i64, interval: i64, count: i64, slot: i64) -> Run {
        let Self { offsets, segment, .. } = *self;
        Run { by: self.by(), first, interval, count, offsets, segment, slot }
    }

    /// The bus turns around while a slot stays empty, or in a refresh: then a slot does not begin where the one before it ends.
    fn check_turnaround(&self, frames: &Frames, last: &Run, next: &Transfer, begin: i64) -> Result<(), Rule> {
        let end = last.segment + frames.end(last.slot + last.count - 1);
        let Op::Transfer(before) = self.program[last.by.index].op else { return Ok(()) };
        if begin == end && is_back(before.way) != is_back(next.way) {
            return Err(Rule::Turnaround { other: last.by });
        }
        Ok(())
    }

    /// Goes on after a meeting.
    fn pass(&mut self, stop: Stop, activation: i64) {
        self.begin_segment(activation);
        if let (Stop::EndLoop { .. }, Op::EndLoop(end)) = (stop, &self.program[self.next].op)
            && let Some(open) = &mut self.open
        {
            open.trip += 1;
            if open.trip < open.trips {
                self.offsets[0] += i64::from(end.first_step);
                self.offsets[1] += i64::from(end.second_step);
                self.next = open.body;
                return;
            }
            self.open = None;
            self.offsets = [0; 2];
        }
        self.next += 1;
    }

    fn begin_segment(&mut self, activation: i64) {
        self.activation = activation;
        self.segment = activation;
    }

    /// The place of the `EndLoop` that comes next, and its steps.
    fn end_loop(&self) -> Option<(usize, [i64; 2])> {
        let ends = self.program.iter().enumerate().skip(self.next);
        ends.into_iter().find_map(|(index, instruction)| match instruction.op {
            Op::EndLoop(end) => Some((index, [end.first_step, end.second_step].map(i64::from))),
            _ => None,
        })
    }
}

/// Whether a transfer goes back to external memory.
pub(super) fn is_back(way: Way) -> bool {
    matches!(way, Way::FromKv | Way::FromVmem)
}

fn count(control: Control, blocks: usize) -> Result<i64, Rule> {
    match control.count.at(blocks) {
        count @ 1.. => Ok(count),
        count => Err(Rule::Count { count }),
    }
}

fn check_length(cycle: i64, most: i64) -> Result<(), Rule> {
    if cycle <= most { Ok(()) } else { Err(Rule::TooLong { most }) }
}
