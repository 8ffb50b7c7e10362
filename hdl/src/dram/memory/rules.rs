//! What a memory forbids, and the message that tells which command broke which rule when.

use super::command::Command;
use std::fmt;

/// A rule of the data sheet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Rule {
    ClockPeriod,
    ClockEnable,
    PowerUpWait,
    PowerUpPrecharge,
    PowerUpRefreshes,
    PowerUpMode,
    ModeValue,
    Mrd,
    Rcd,
    Rp,
    Ras,
    RasMost,
    Rc,
    Rrd,
    Faw,
    Rfc,
    Wr,
    Rtp,
    Wtr,
    BankClosed,
    BankOpen,
    BanksOpen,
    RowRange,
    ColumnRange,
    BurstCut,
    BusConflict,
    WriteData,
    RefreshWindow,
}

impl Rule {
    /// What was expected.
    fn text(self) -> &'static str {
        match self {
            Self::ClockPeriod => "the clock is no faster than the read latency allows",
            Self::ClockEnable => "the clock is enabled",
            Self::PowerUpWait => "no command before the supply has settled",
            Self::PowerUpPrecharge => "all banks are precharged first after power-up",
            Self::PowerUpRefreshes => "refreshes come before the first activation after power-up",
            Self::PowerUpMode => "the mode register is written before the first activation",
            Self::ModeValue => {
                "the mode register selects whole sequential bursts of eight and the read latency of the sheet"
            }
            Self::Mrd => "tMRD from mode register to command",
            Self::Rcd => "tRCD from activation to read or write",
            Self::Rp => "tRP from precharge to activation or refresh",
            Self::Ras => "tRAS from activation to precharge",
            Self::RasMost => "a bank stays open for tRAS(max) at most",
            Self::Rc => "tRC from activation to activation of a bank",
            Self::Rrd => "tRRD from activation to activation of another bank",
            Self::Faw => "at most four activations in tFAW",
            Self::Rfc => "tRFC from refresh to command",
            Self::Wr => "tWR from the last written word to precharge",
            Self::Rtp => "tRTP from read to precharge",
            Self::Wtr => "tWTR from the last written word to a read",
            Self::BankClosed => "the bank is open",
            Self::BankOpen => "the bank is closed",
            Self::BanksOpen => "all banks are closed",
            Self::RowRange => "the row exists",
            Self::ColumnRange => "the column exists and begins a burst",
            Self::BurstCut => "no burst is cut short",
            Self::BusConflict => "one side drives the data pins, a cycle after the other at least",
            Self::WriteData => "the controller drives the data pins for each word of a write, and else not",
            Self::RefreshWindow => "each row is refreshed once in the refresh period",
        }
    }
}

/// A command and the time from which intervals count: its own, or that of what it does later.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event {
    pub cycle: u64,
    pub command: Command,
    pub at_ps: u64,
}

/// A rule that was broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Violation {
    pub rule: Rule,
    pub cycle: u64,
    pub at_ps: u64,
    pub command: Command,
    /// The command that it comes too close to, or that it contradicts.
    pub earlier: Option<Event>,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { rule, cycle, at_ps, command, earlier } = self;
        write!(f, "cycle {cycle} ({} ns): expected: {}; found: {command}", at_ps / 1000, rule.text())?;
        match earlier {
            Some(earlier) => write!(f, ", after {} in cycle {}", earlier.command, earlier.cycle),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Violation {}
