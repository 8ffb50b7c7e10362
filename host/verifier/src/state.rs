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
    assert!(timing::TRANSFER_SAMPLE < timing::KV_EFFECT);
    assert!(timing::TRANSFER_SAMPLE < timing::GATHER_STORE_PORT);
    assert!(timing::TRANSFER_SAMPLE < timing::RESULT_STORE_PORT);
    assert!(timing::MATRIX_ROW_SAMPLE < timing::TRANSFER_DECODE);
    assert!(timing::VMEM_SAMPLE < timing::TRANSFER_DECODE);
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

    /// What of this counts from a cycle on when all issues to come are in it or later: whether this token wrote it, an earlier one or none,
    /// and how long the last write still takes to show.
    pub fn state(&self, token: u32, cycle: i64) -> (u8, i64) {
        match self.token {
            0 => (0, 0),
            written if written == token => (2, (self.effect - cycle).max(0)),
            _ => (1, 0),
        }
    }

    /// What shows after a cycle shows `cycles` later.
    pub fn shift(&mut self, token: u32, cycle: i64, cycles: i64) {
        if self.token == token && self.effect > cycle {
            self.effect += cycles;
            self.issue += cycles;
        }
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
