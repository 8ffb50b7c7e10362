//! How nextpnr's router gets on. Its passes go on until no wire is used twice, so for a placement with too few wires for ever.

use serde::{Deserialize, Serialize};

/// Passes in which the router has to get on, and by how much.
const PATIENCE: usize = 60;
const PROGRESS: f64 = 0.98;

/// A routing that was given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unrouted {
    pub passes: usize,
    /// Wires that more than one net used after the best pass.
    pub overused_wires: u64,
}

impl Unrouted {
    /// Whether the router of this log no longer gets on: the fewest overused wires of the last passes are hardly fewer than those
    /// of the passes before.
    pub fn stuck(log: &str) -> Option<Self> {
        let overused: Vec<u64> = log.lines().filter_map(overused).collect();
        let (before, last) = overused.split_at_checked(overused.len().checked_sub(PATIENCE)?)?;
        let (before, last) = (*before.iter().min()?, *last.iter().min()?);
        let stuck = last as f64 > before as f64 * PROGRESS;
        stuck.then_some(Self { passes: overused.len(), overused_wires: before.min(last) })
    }

    /// As a file keeps it.
    pub fn json(&self) -> String {
        serde_json::to_string(self).expect("two numbers")
    }
}

/// The wires that a pass left overused: `Info:     iter=7 wires=1313433 overused=23085 overuse=23420 archfail=NA`.
fn overused(line: &str) -> Option<u64> {
    line.contains("iter=").then_some(line.split_once(" overused=")?.1.split(' ').next()?.parse().ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The log of a router, from the wires that each pass leaves overused.
    fn log(passes: impl Iterator<Item = u64>) -> String {
        let line = |(pass, overused)| {
            format!("Info:     iter={pass} wires=900 overused={overused} overuse=9 archfail=NA\n")
        };
        std::iter::once("Info: Routing..\n".to_owned()).chain(passes.enumerate().map(line)).collect()
    }

    #[test]
    fn a_router_that_gets_on_is_left_alone() {
        assert_eq!(Unrouted::stuck(""), None);
        assert_eq!(Unrouted::stuck(&log(std::iter::repeat_n(100, PATIENCE))), None);
        assert_eq!(Unrouted::stuck(&log((1..400).rev())), None);
        // It may stand still for a while.
        assert_eq!(
            Unrouted::stuck(&log([90, 80].into_iter().chain(std::iter::repeat_n(70, PATIENCE - 1)))),
            None
        );
    }

    #[test]
    fn a_router_that_does_not_is_given_up() {
        let worse = log((50..200).rev().chain(50..50 + PATIENCE as u64));
        assert_eq!(Unrouted::stuck(&worse), Some(Unrouted { passes: 150 + PATIENCE, overused_wires: 50 }));
        let still = log([90, 80].into_iter().chain(std::iter::repeat_n(79, PATIENCE)));
        assert_eq!(Unrouted::stuck(&still), Some(Unrouted { passes: PATIENCE + 2, overused_wires: 79 }));
    }
}
