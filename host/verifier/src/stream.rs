//! The issues of a segment one after another, without a list of them: a segment may have millions.

use super::program::{Plan, Program};
use super::walk::{Issue, Run};
use lpu_isa::Geometry;
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
    /// Lanes that are not fill.
    pub lanes: usize,
}

/// A row of a result.
struct Line {
    /// The bit with which it is issued, counted from the result's first: its last one on the way to the chip, its first one back.
    bit: usize,
    lanes: usize,
}

/// The rows of the transfer queue.
pub(super) struct Rows<'a> {
    plans: &'a [Option<Plan>],
    frames: Frames,
    /// Base-2 logarithm of the bits of a word.
    word: u32,
    runs: Iter<'a, Run>,
    current: Option<(&'a Run, &'a Plan)>,
    /// The rows of a result, all results being alike.
    lines: Vec<Line>,
    /// The next row: its run, its number in it, and that in its result, which begins with this bit of the run.
    number: i64,
    k: usize,
    line: usize,
    result: usize,
    /// The granule of the transfer in which it is issued, the granule's first bit in the run, and its slot's cycle.
    granule: i64,
    bit: usize,
    begin: i64,
    due: i64,
}

impl<'a> Rows<'a> {
    pub fn new(program: &'a Program, geometry: &Geometry, runs: &'a [Run]) -> Self {
        let mut rows = Self {
            plans: &program.plans,
            frames: Frames::of(geometry),
            word: geometry.dram_bits.trailing_zeros(),
            runs: runs.iter(),
            current: None,
            lines: Vec::new(),
            number: 0,
            k: 0,
            line: 0,
            result: 0,
            granule: 0,
            bit: 0,
            begin: 0,
            due: NEVER,
        };
        rows.begin();
        rows
    }

    /// Goes to the next transfer.
    fn begin(&mut self) {
        let run = self.runs.next();
        self.current = run.and_then(|run| Some((run, self.plans[run.by.index].as_ref()?)));
        self.due = NEVER;
        let Some((_, plan)) = self.current else { return };
        let layout = &plan.layout;
        let line = |row| {
            let (first, end) = layout.row_bits(row);
            Line { bit: if plan.back { first } else { end - 1 }, lanes: layout.row_codes(row).1 }
        };
        self.lines.clear();
        self.lines.extend((0..layout.rows_per_result().min(plan.rows())).map(line));
        self.begin_run(0);
    }

    fn begin_run(&mut self, number: i64) {
        let Some((run, plan)) = self.current else { return };
        self.number = number;
        (self.k, self.line, self.result) = (0, 0, 0);
        self.bit = 0;
        self.granule = number * plan.granules;
        self.begin = run.segment + self.frames.begin(run.slot + self.granule);
        self.place();
    }

    /// When the next row is issued.
    fn place(&mut self) {
        let Some((run, plan)) = self.current else { return };
        let bit = self.result + self.lines[self.line].bit;
        let granule_bits = plan.layout.granule_bits();
        if bit >= self.bit + granule_bits {
            let granules = (bit - self.bit) / granule_bits;
            self.bit += granules * granule_bits;
            self.granule += granules as i64;
            self.begin = run.segment + self.frames.begin(run.slot + self.granule);
        }
        self.due = self.begin + ((bit - self.bit) >> self.word) as i64;
    }

    /// Cycle of the next row.
    pub fn due(&self) -> i64 {
        self.due
    }

    /// The next row; then the one after it is.
    pub fn take(&mut self) -> Option<RowIssue<'a>> {
        let (run, plan) = self.current?;
        let ends = self.k + 1 == plan.rows();
        let last = ends && (self.number + 1) * plan.granules >= run.count;
        let issue = Issue { by: run.by, cycle: self.due, k: self.k as i64, last, offsets: run.offsets };
        let row = RowIssue { issue, run, plan, number: self.number, lanes: self.lines[self.line].lanes };
        match (last, ends) {
            (true, _) => self.begin(),
            (false, true) => self.begin_run(self.number + 1),
            (false, false) => self.step(plan),
        }
        Some(row)
    }

    /// Goes to the next row of the run.
    fn step(&mut self, plan: &Plan) {
        self.k += 1;
        self.line += 1;
        if self.line == self.lines.len() {
            self.line = 0;
            self.result = plan.layout.result_begin(self.k);
        }
        self.place();
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
    pub fn new(program: &'a Program, geometry: &Geometry, runs: &'a [Vec<Run>; 3]) -> Self {
        let external = geometry.has_external_memory();
        let rows = external.then(|| Rows::new(program, geometry, &runs[Queue::Transfer as usize]));
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
