//! How nextpnr's router gets on. Its passes go on until no wire is used twice, and if it is asked to, no net is late: for a placement
//! with too few wires, or a clock out of reach, for ever.

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
    /// Connections that were late after that pass, where the router looks.
    #[serde(default)]
    pub late_arcs: u64,
}

impl Unrouted {
    /// Whether the router of this log no longer gets on: what is wrong after the best of the last passes is hardly less than after
    /// the best before.
    pub fn stuck(log: &str) -> Option<Self> {
        let wrong: Vec<(u64, u64)> = log.lines().filter_map(wrong).collect();
        let (before, last) = wrong.split_at_checked(wrong.len().checked_sub(PATIENCE)?)?;
        let least = |passes: &[(u64, u64)]| passes.iter().copied().min_by_key(|(wires, arcs)| wires + arcs);
        let (before, last) = (least(before)?, least(last)?);
        let total = |(wires, arcs): (u64, u64)| (wires + arcs) as f64;
        let (overused_wires, late_arcs) = if total(last) < total(before) { last } else { before };
        let stuck = total(last) > total(before) * PROGRESS;
        stuck.then_some(Self { passes: wrong.len(), overused_wires, late_arcs })
    }

    /// As a file keeps it.
    pub fn json(&self) -> String {
        serde_json::to_string(self).expect("two numbers")
    }
}

/// The wires that a pass left overused, and the late connections where they are counted:
/// `Info:     iter=7 wires=1313433 overused=23085 overuse=23420 tmgfail=12 archfail=NA`.
fn wrong(line: &str) -> Option<(u64, u64)> {
    let number = |name: &str| line.split_once(name)?.1.split(' ').next()?.parse().ok();
    line.contains("iter=").then_some((number(" overused=")?, number(" tmgfail=").unwrap_or(0)))
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
        assert_eq!(
            Unrouted::stuck(&worse),
            Some(Unrouted { passes: 150 + PATIENCE, overused_wires: 50, late_arcs: 0 })
        );
        let still = log([90, 80].into_iter().chain(std::iter::repeat_n(79, PATIENCE)));
        assert_eq!(
            Unrouted::stuck(&still),
            Some(Unrouted { passes: PATIENCE + 2, overused_wires: 79, late_arcs: 0 })
        );
    }

    #[test]
    fn a_clock_out_of_reach_is_seen() {
        let line = |pass: u64, late: u64| {
            format!("Info:  iter={pass} wires=9 overused=0 overuse=0 tmgfail={late} archfail=NA\n")
        };
        let log: String =
            (0..100).map(|pass| line(pass, 30_u64.saturating_sub(pass).max(4 + pass % 3))).collect();
        let found = Unrouted::stuck(&log).expect("four connections stay late");
        assert_eq!((found.overused_wires, found.late_arcs), (0, 4));
    }
}
