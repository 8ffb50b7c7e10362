//! Attention windows: which blocks of positions a layer sees.
//!
//! A layer with a window sees the position itself and those before it, so many in all. Keys and values stay where they are, and
//! every position's score is computed; positions before the window are hidden by masks, one vector row a block. A block that
//! began `age` blocks before the current one is seen whole, in part or not at all:
//!
//! ```text
//!  age     0 .. edge-1    edge, edge+1                edge+2 ..
//!  seen    whole          by position mod lanes       hidden
//! ```
//!
//! The chip adds a position's block to an address and never subtracts it, so the masks are copied backwards out of a table by age.

use lpu_model::Config;

/// The word of a position that is hidden: no probability is larger, and a score is lessened by 512 bits, half of the range of words on
/// one side. A sum of both saturates only below scores of -512 bits, so hiding is never counted as saturation of the model's.
pub const HIDDEN: i32 = -(1 << 13);
/// A score less so many bits leaves an activation room for [`HIDDEN`].
pub const SCORE_SHIFT: u32 = 3;
/// Fraction bits of the words that say whether a layer has a window.
pub const UNIT_FRACTION_BITS: i32 = 16;

/// A window that some layers have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// Positions seen, the current one included.
    pub positions: usize,
    /// Blocks between the current one and the later block of which a part may be seen.
    pub edge: usize,
}

impl Window {
    fn new(positions: usize, lanes: usize) -> Self {
        Self { positions, edge: positions / lanes }
    }

    /// The different windows of the layers that hide any of `context` positions.
    pub fn of_layers(config: &Config, context: usize, lanes: usize) -> Vec<Self> {
        let mut lengths: Vec<usize> = config.windows.iter().flatten().copied().collect();
        lengths.retain(|length| *length < context);
        lengths.sort_unstable();
        lengths.dedup();
        lengths.into_iter().map(|length| Self::new(length, lanes)).collect()
    }

    /// The mask of a block at the edge: `row` is the position mod lanes, and as many lanes more for the earlier of the two.
    pub fn edge_mask(&self, row: usize, lanes: usize) -> impl Iterator<Item = i32> {
        let seen = self.positions % lanes;
        (0..lanes).map(move |lane| if row < lane + seen { 0 } else { HIDDEN })
    }

    /// The mask of all lanes of a block of this age, unless it is at the edge.
    pub fn mask(&self, age: usize) -> i32 {
        if age < self.edge { 0 } else { HIDDEN }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lpu_model::synthetic::tiny_llama;

    /// The masks say what the definition of a window says, for every position and window.
    #[test]
    fn masks_hide_exactly_what_lies_before_the_window() {
        for lanes in [8, 16] {
            for length in 1..4 * lanes {
                let window = Window::new(length, lanes);
                for position in 0..6 * lanes {
                    for block in 0..=position / lanes {
                        let age = position / lanes - block;
                        let mask: Vec<i32> = match age.checked_sub(window.edge) {
                            Some(edge @ (0 | 1)) => {
                                window.edge_mask(edge * lanes + position % lanes, lanes).collect()
                            }
                            _ => vec![window.mask(age); lanes],
                        };
                        for (lane, mask) in mask.into_iter().enumerate() {
                            let seen = block * lanes + lane + length > position;
                            assert_eq!(mask == 0, seen, "{length} of {lanes}: {position}, {block}, {lane}");
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn windows_that_hide_nothing_are_none() {
        let windows = vec![Some(64), None, Some(20), Some(64), Some(100)];
        let config = Config { windows, ..tiny_llama() };
        let lengths = |context| -> Vec<usize> {
            Window::of_layers(&config, context, 16).iter().map(|window| window.positions).collect()
        };
        assert_eq!(lengths(101), [20, 64, 100]);
        assert_eq!(lengths(64), [20]);
        assert!(lengths(20).is_empty());
    }
}
