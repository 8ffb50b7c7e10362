//! The issues of a segment one after another, without a list of them: a segment may have millions.

use super::program::{Plan, Program};
use super::walk::{Issue, Run};
use lpu_isa::instruction::Queue;
use lpu_isa::transfer::Frames;
use std::slice::Iter;

/// Later than any issue.
pub(super) const NEVER: i64 = i64::MAX;

/// The issues of the matrix or the vector queue.
pub(super) struct Stream<'a> {
    runs: Iter<'a, Run>,
    run: Option<&'a Run>,
    k: i64,
    due: i64,
}

impl<'a> Stream<'a> {
    pub fn new(runs: &'a [Run]) -> Self {
        let mut stream = Self { runs: runs.iter(), run: None, k: 0, due: NEVER };
        stream.begin();
        stream
    }

    fn begin(&mut self) {
        self.run = self.runs.next();
        self.k = 0;
        self.due = self.run.map_or(NEVER, |run| run.first);
    }

    /// Cycle of the next issue.
    pub fn due(&self) -> i64 {
        self.due
    }

    /// The next issue; then the one after it is.
    pub fn take(&mut self) -> Option<Issue> {
        let run = self.run?;
        let last = self.k + 1 == run.count;
        let issue = Issue { by: run.by, cycle: self.due, k: self.k, last, offsets: run.offsets };
        if last {
            self.begin();
        } else {
            self.k += 1;
            self.due += run.interval;
        }
        Some(issue)
    }
}

/// A row of a transfer.
pub(super) struct RowIssue<'a> {
    pub issue: Issue,
    pub run: &'a Run,
    pub plan: &'a Plan,
    /// Number of its run within the transfer.
    pub number: i64,
}

/// The rows of the transfer queue.
pub(super) struct Rows<'a> {
    plans: &'a [Option<Plan>],
    frames: Frames,
    runs: Iter<'a, Run>,
    current: Option<(&'a Run, &'a Plan)>,
    /// The next row: its run, and its number in it.
    number: i64,
    k: usize,
    /// The granule of the transfer that it is issued in, and when that begins.
    granule: i64,
    begin: i64,
    due: i64,
}

impl<'a> Rows<'a> {
    pub fn new(program: &'a Program, frames: Frames, runs: &'a [Run]) -> Self {
        let plans = &program.plans;
        let (current, due) = (None, NEVER);
        let mut rows =
            Self { plans, frames, runs: runs.iter(), current, number: 0, k: 0, granule: 0, begin: 0, due };
        rows.begin();
        rows
    }

    fn begin(&mut self) {
        let run = self.runs.next();
        self.current = run.and_then(|run| Some((run, self.plans[run.by.index].as_ref()?)));
        (self.number, self.k) = (0, 0);
        match run {
            Some(run) => (self.granule, self.begin) = (0, run.first),
            None => self.due = NEVER,
        }
        self.place();
    }

    /// When the next row is issued.
    fn place(&mut self) {
        let Some((run, plan)) = self.current else { return };
        let place = plan.places[self.k];
        let granule = self.number * plan.granules + i64::from(place.granule);
        if granule != self.granule {
            self.granule = granule;
            self.begin = run.segment + self.frames.begin(run.slot + granule);
        }
        self.due = self.begin + i64::from(place.word);
    }

    /// Cycle of the next row.
    pub fn due(&self) -> i64 {
        self.due
    }

    /// The next row; then the one after it is.
    pub fn take(&mut self) -> Option<RowIssue<'a>> {
        let (run, plan) = self.current?;
        let ends = self.k + 1 == plan.places.len();
        let last = ends && (self.number + 1) * plan.granules >= run.count;
        let issue = Issue { by: run.by, cycle: self.due, k: self.k as i64, last, offsets: run.offsets };
        let row = RowIssue { issue, run, plan, number: self.number };
        if last {
            self.begin();
            return Some(row);
        }
        if ends {
            (self.number, self.k) = (self.number + 1, 0);
        } else {
            self.k += 1;
        }
        self.place();
        Some(row)
    }
}

/// The issues of a segment in order of their cycles; in one cycle the matrix queue's first, then the vector queue's.
pub(super) struct Merged<'a> {
    matrix: Stream<'a>,
    vector: Stream<'a>,
    rows: Option<Rows<'a>>,
}

/// The next issue, of one of the queues.
pub(super) enum Next<'a> {
    Issue(Issue),
    Row(RowIssue<'a>),
}

impl<'a> Merged<'a> {
    pub fn new(program: &'a Program, frames: Option<Frames>, runs: &'a [Vec<Run>; 3]) -> Self {
        let rows = frames.map(|frames| Rows::new(program, frames, &runs[Queue::Transfer as usize]));
        let stream = |queue: Queue| Stream::new(&runs[queue as usize]);
        Self { matrix: stream(Queue::Matrix), vector: stream(Queue::Vector), rows }
    }
}

impl<'a> Iterator for Merged<'a> {
    type Item = Next<'a>;

    fn next(&mut self) -> Option<Next<'a>> {
        let (matrix, vector) = (self.matrix.due(), self.vector.due());
        let rows = self.rows.as_ref().map_or(NEVER, Rows::due);
        if rows < matrix.min(vector) {
            return self.rows.as_mut()?.take().map(Next::Row);
        }
        let stream = if matrix <= vector { &mut self.matrix } else { &mut self.vector };
        stream.take().map(Next::Issue)
    }
}
