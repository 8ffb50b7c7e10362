//! The lanes of the matrix unit's sums.

use super::rules::{Location, Rule};

/// Which lanes hold a sum.
#[derive(Clone, Copy, Default)]
pub(super) struct Sums {
    /// Lanes that hold a sum of this token.
    driven: u128,
    /// Lanes whose sum has a part that nobody ever wrote, and a KV row it came from.
    unknown: u128,
    row: i64,
}

impl Sums {
    /// Whether the same accesses get the same verdict from both.
    pub fn is_like(&self, other: &Sums) -> bool {
        (self.driven, self.unknown) == (other.driven, other.unknown)
    }

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
