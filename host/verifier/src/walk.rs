//! When everything happens: walks both queues from meeting to meeting and lists the issues between.

use super::program::Program;
use super::rules::{By, Rule, Site, Violation};
use lpu_isa::instruction::*;
use lpu_isa::timing;

/// Cycles that a token may take: a longer program is a mistake, and would take the verifier too long.
const TOKEN_CYCLES_MAX: i64 = 1 << 24;

/// One issue of an instruction.
#[derive(Clone, Copy)]
pub(super) struct Issue {
    pub by: By,
    /// Cycle of the token.
    pub cycle: i64,
    /// Number of the issue within its instruction.
    pub k: i64,
    /// Whether it is the instruction's last.
    pub last: bool,
    /// The loop's address offsets: first, second.
    pub offsets: [i64; 2],
}

/// Where a queue stops to meet the other.
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
    open: Option<OpenLoop>,
    offsets: [i64; 2],
}

/// Both queues at one position.
pub(super) struct Walk<'a> {
    cursors: [Cursor<'a>; 2],
    position: usize,
    blocks: usize,
    ended: bool,
}

/// Cycles in which the queues activated their `End`.
#[derive(Clone, Copy)]
pub(super) struct Ends {
    pub matrix: i64,
    pub vector: i64,
}

impl<'a> Walk<'a> {
    pub fn new(program: &'a Program, position: usize, blocks: usize) -> Self {
        let cursor = |queue| Cursor {
            program: program.of(queue),
            queue,
            next: 0,
            activation: timing::START_CYCLES,
            open: None,
            offsets: [0; 2],
        };
        Self { cursors: [cursor(Queue::Matrix), cursor(Queue::Vector)], position, blocks, ended: false }
    }

    /// The issues of each queue up to the next meeting, in order; false when the token has ended.
    pub fn segment(&mut self, issues: &mut [Vec<Issue>; 2]) -> Result<bool, Violation> {
        if self.ended {
            return Ok(false);
        }
        let mut stops = [Stop::End; 2];
        for ((cursor, issues), stop) in self.cursors.iter_mut().zip(issues).zip(&mut stops) {
            issues.clear();
            *stop = cursor.run(self.blocks, issues).map_err(|(by, rule)| Violation {
                site: Site::Activation { by, position: self.position },
                rule,
            })?;
        }
        self.check_meeting(stops)?;
        self.ended = stops[0] == Stop::End;
        if !self.ended {
            let meeting = self.cursors[0].activation.max(self.cursors[1].activation);
            for (cursor, stop) in self.cursors.iter_mut().zip(stops) {
                cursor.pass(stop, meeting + timing::SYNC_CYCLES);
            }
        }
        Ok(true)
    }

    /// When the queues ended; to be asked after the last segment.
    pub fn ends(&self) -> Ends {
        Ends { matrix: self.cursors[0].activation, vector: self.cursors[1].activation }
    }

    fn check_meeting(&self, [matrix, vector]: [Stop; 2]) -> Result<(), Violation> {
        let rule = match (matrix, vector) {
            (Stop::Sync, Stop::Sync) | (Stop::End, Stop::End) => return Ok(()),
            (Stop::EndLoop { trips, .. }, Stop::EndLoop { trips: other, .. }) if trips != other => {
                Rule::Trips { found: trips, other }
            }
            (Stop::EndLoop { trip, .. }, Stop::EndLoop { trip: other, .. }) if trip == other => return Ok(()),
            _ => Rule::Meeting { other: vector.name() },
        };
        let by = self.cursors[0].by();
        Err(Violation { site: Site::Activation { by, position: self.position }, rule })
    }
}

impl Cursor<'_> {
    fn by(&self) -> By {
        By { queue: self.queue, index: self.next }
    }

    /// Activates instructions until one that meets the other queue.
    fn run(&mut self, blocks: usize, issues: &mut Vec<Issue>) -> Result<Stop, (By, Rule)> {
        loop {
            let Instruction { control, op } = self.program[self.next];
            let by = self.by();
            let delay = control.delay.at(blocks);
            let mut following = self.activation + delay;
            match op {
                Op::Sync(_) => return Ok(Stop::Sync),
                Op::End(_) => return Ok(Stop::End),
                Op::EndLoop(_) => {
                    let OpenLoop { trip, trips, .. } =
                        self.open.expect("loops are closed: checked when loaded");
                    return Ok(Stop::EndLoop { trip, trips });
                }
                Op::Nop(_) | Op::Transfer(_) => {}
                Op::Loop(_) => {
                    let trips = count(control, blocks).map_err(|rule| (by, rule))?;
                    self.open = Some(OpenLoop { body: self.next + 1, trip: 0, trips });
                }
                Op::Dot(_) | Op::Gather(_) | Op::Vector(_) => {
                    let count = count(control, blocks).map_err(|rule| (by, rule))?;
                    let interval = i64::from(control.interval);
                    let first = following;
                    following += count * interval;
                    check_length(following).map_err(|rule| (by, rule))?;
                    issues.extend((0..count).map(|k| Issue {
                        by,
                        cycle: first + k * interval,
                        k,
                        last: k == count - 1,
                        offsets: self.offsets,
                    }));
                }
            }
            let found = following - self.activation;
            if found < timing::MIN_PERIOD_CYCLES {
                return Err((by, Rule::Period { least: timing::MIN_PERIOD_CYCLES, found }));
            }
            check_length(following).map_err(|rule| (by, rule))?;
            self.activation = following;
            self.next += 1;
        }
    }

    /// Goes on after a meeting.
    fn pass(&mut self, stop: Stop, activation: i64) {
        self.activation = activation;
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
}

fn count(control: Control, blocks: usize) -> Result<i64, Rule> {
    match control.count.at(blocks) {
        count @ 1.. => Ok(count),
        count => Err(Rule::Count { count }),
    }
}

fn check_length(cycle: i64) -> Result<(), Rule> {
    if cycle <= TOKEN_CYCLES_MAX { Ok(()) } else { Err(Rule::TooLong { most: TOKEN_CYCLES_MAX }) }
}
