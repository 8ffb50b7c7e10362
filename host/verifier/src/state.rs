//! What the verifier remembers of a location: who wrote it last, and when that shows.

use super::rules::{By, Location, Rule};
use super::walk::Issue;
use lpu_isa::instruction::Queue;
use lpu_isa::{Geometry, timing};

/// A location's last write and last read. Tokens are counted from 1, so that 0 says never.
#[derive(Clone, Copy)]
pub(super) struct Cell {
    /// Token of the last write.
    pub token: u32,
    /// Who wrote.
    pub by: By,
    issue: i64,
    effect: i64,
    read_token: u32,
    read_issue: i64,
    read_by: By,
}

/// Two accesses that the timed machine would not order as their issues are.
pub(super) enum Clash {
    TooEarly { writer: By, ready: i64, sampled: i64 },
    Collision { writer: By, cycle: i64 },
    SameCycle { other: By },
    Overtaken { other: By, theirs: i64, ours: i64 },
}

// A read never misses the overwriting of what it wants: every sample lies before every effect, so a write issued
// after a read takes effect after it. The verifier has no rule for that case.
const _: () = {
    assert!(timing::MATRIX_ROW_SAMPLE < timing::KV_EFFECT);
    assert!(timing::ACT_SAMPLE < timing::ACT_EFFECT);
    assert!(timing::VMEM_SAMPLE < timing::GATHER_STORE_PORT);
    assert!(timing::VMEM_SAMPLE < timing::RESULT_STORE_PORT);
    assert!(timing::VREG_SAMPLE < timing::VREG_EFFECT);
    let mut index = 0;
    while index < Geometry::ALL.len() {
        let geometry = &Geometry::ALL[index];
        assert!(timing::VMEM_SAMPLE < timing::dot_store_port(geometry));
        assert!(timing::SCALAR_SAMPLE < timing::maximum_effect(geometry));
        assert!(timing::SCALAR_SAMPLE < timing::reduction_effect(geometry));
        index += 1;
    }
};

impl Cell {
    pub const NEW: Cell = Cell {
        token: 0,
        by: By { queue: Queue::Matrix, index: 0 },
        issue: 0,
        effect: 0,
        read_token: 0,
        read_issue: 0,
        read_by: By { queue: Queue::Matrix, index: 0 },
    };

    /// Reads, sampling `sample` cycles after the issue. Whether the cell was written in this token.
    pub fn read(&mut self, token: u32, issue: &Issue, sample: i64) -> Result<bool, Clash> {
        self.read_token = token;
        self.read_issue = issue.cycle;
        self.read_by = issue.by;
        if self.token != token {
            return Ok(false);
        }
        if self.issue == issue.cycle && self.by.queue != issue.by.queue {
            return Err(Clash::SameCycle { other: self.by });
        }
        self.collides(token, issue, sample)?;
        let sampled = issue.cycle + sample;
        if sampled < self.effect {
            return Err(Clash::TooEarly { writer: self.by, ready: self.effect, sampled });
        }
        Ok(true)
    }

    /// The case that harms even a reader who does not want the value: sampled in the cycle of the write itself.
    pub fn collides(&self, token: u32, issue: &Issue, sample: i64) -> Result<(), Clash> {
        let sampled = issue.cycle + sample;
        if self.token == token && sampled == self.effect - 1 {
            return Err(Clash::Collision { writer: self.by, cycle: sampled });
        }
        Ok(())
    }

    /// Writes, with effect from cycle `effect` of the token on.
    pub fn write(&mut self, token: u32, issue: &Issue, effect: i64) -> Result<(), Clash> {
        let other_queue = |by: By| by.queue != issue.by.queue;
        if self.read_token == token && self.read_issue == issue.cycle && other_queue(self.read_by) {
            return Err(Clash::SameCycle { other: self.read_by });
        }
        if self.token == token {
            if self.issue == issue.cycle && other_queue(self.by) {
                return Err(Clash::SameCycle { other: self.by });
            }
            if effect <= self.effect {
                return Err(Clash::Overtaken { other: self.by, theirs: self.effect, ours: effect });
            }
        }
        *self = Cell { token, by: issue.by, issue: issue.cycle, effect, ..*self };
        Ok(())
    }
}

impl Clash {
    pub fn at(self, location: Location) -> Rule {
        match self {
            Clash::TooEarly { writer, ready, sampled } => Rule::TooEarly { location, writer, ready, sampled },
            Clash::Collision { writer, cycle } => Rule::Collision { location, writer, cycle },
            Clash::SameCycle { other } => Rule::SameCycle { location, other },
            Clash::Overtaken { other, theirs, ours } => Rule::Overtaken { location, other, theirs, ours },
        }
    }
}

/// Who uses the write port of vector memory in which cycle. Issues come in order and their stores fewer than
/// `WINDOW` cycles later, so a cycle's slot is free again when its turn comes.
pub(super) struct StorePort {
    users: [(i64, By); StorePort::WINDOW as usize],
}

impl StorePort {
    const WINDOW: i64 = 64;

    pub fn new() -> Self {
        Self { users: [(-1, Cell::NEW.by); Self::WINDOW as usize] }
    }

    pub fn take(&mut self, cycle: i64, by: By) -> Result<(), Rule> {
        let user = &mut self.users[(cycle % Self::WINDOW) as usize];
        if user.0 == cycle {
            return Err(Rule::VmemPort { other: user.1, cycle });
        }
        *user = (cycle, by);
        Ok(())
    }
}

/// Rows of random numbers: empty at the start of the token, which is the worst case.
pub(super) struct Noise {
    row_cycles: i64,
    rows: i64,
    /// Generator cycles that have passed without a full queue, up to `cycle`.
    progress: i64,
    cycle: i64,
    taken: i64,
}

impl Noise {
    pub fn new(geometry: &Geometry) -> Self {
        // The row being taken still holds its place for some cycles: one row less is sure to be kept.
        let rows = geometry.noise_rows as i64 - 1;
        let row_cycles = timing::noise_row_cycles(geometry);
        Self { row_cycles, rows: rows.max(1), progress: 0, cycle: timing::NOISE_START_CYCLES, taken: 0 }
    }

    /// Takes a row in a cycle not before the last one.
    pub fn take(&mut self, cycle: i64) -> Result<(), Rule> {
        let full = (self.taken + self.rows) * self.row_cycles;
        self.progress = (self.progress + (cycle - self.cycle).max(0)).min(full);
        self.cycle = self.cycle.max(cycle);
        let made = self.progress / self.row_cycles;
        if made <= self.taken {
            return Err(Rule::Noise { made, taken: self.taken });
        }
        self.taken += 1;
        Ok(())
    }
}

/// The lanes of the matrix unit's sums.
#[derive(Clone, Copy, Default)]
pub(super) struct Sums {
    /// Lanes that hold a sum of this token.
    driven: u128,
    /// Lanes whose sum has a part that nobody ever wrote, and a KV row it came from.
    unknown: u128,
    row: i64,
}

impl Sums {
    /// A beat adds to `lanes`, or replaces them; `unwritten` is its KV row if that holds nothing yet.
    pub fn add(&mut self, lanes: u128, clears: bool, unwritten: Option<i64>) -> Result<(), Rule> {
        if clears {
            self.unknown &= !lanes;
        } else {
            self.require(lanes)?;
        }
        self.driven |= lanes;
        if let Some(row) = unwritten {
            self.unknown |= lanes;
            self.row = row;
        }
        Ok(())
    }

    /// All lanes leave, those beyond `seen` as the mask's constant.
    pub fn emit(&self, lanes: u128, seen: u128) -> Result<(), Rule> {
        self.require(lanes)?;
        if self.unknown & seen == 0 {
            return Ok(());
        }
        Err(Rule::Undriven { location: Location::KvRow(self.row) })
    }

    fn require(&self, lanes: u128) -> Result<(), Rule> {
        let missing = lanes & !self.driven;
        if missing == 0 {
            return Ok(());
        }
        Err(Rule::Undriven { location: Location::SumsLane(i64::from(missing.trailing_zeros())) })
    }
}
