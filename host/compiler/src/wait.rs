//! Waits that are late enough for every number of blocks.
//!
//! An instruction can wait `max(0, constant + slope * blocks)` cycles. What it must wait for is any function of the number of blocks, mostly
//! one of a few straight pieces: one delay, or a `Nop` and a delay, are fitted to it from above.

use lpu_isa::instruction::{Affine, Control};
use lpu_isa::timing::MIN_PERIOD_CYCLES;
use std::collections::HashSet;

/// Slopes tried for any delay; those of the pieces that it is fitted to are tried, too, as far as a delay can have them.
const SLOPES: std::ops::RangeInclusive<i64> = -80..=80;
const SLOPE_LIMITS: (i64, i64) = Control::DELAY_PER_BLOCK.range();
/// Longest constant part of one delay.
const CONSTANT_MAX: i32 = Control::DELAY.range().1 as i32;

/// Cycles to wait: a delay, and a `Nop` before it where one delay alone would be late.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Wait {
    pub nop: Option<Affine>,
    pub delay: Affine,
}

impl Wait {
    pub fn at(&self, blocks: usize) -> i64 {
        self.nop.map_or(0, |nop| nop.at(blocks)) + self.delay.at(blocks)
    }

    /// `Nop`s, and the delay behind them, that wait as long with up to `blocks` blocks begun. A delay has 16 bits.
    pub fn instructions(&self, blocks: usize) -> (Vec<Affine>, Affine) {
        let mut nops = Vec::new();
        if let Some(wait) = self.nop {
            let rest = split(wait, blocks, &mut nops);
            nops.push(rest);
        }
        let delay = split(self.delay, blocks, &mut nops);
        (nops, delay)
    }

    /// The wait that is at least `least` for each number of blocks, and as short as possible; the delay alone is at least `own`.
    pub fn fit(least: &[i64], own: &[i64]) -> Self {
        let needed: i64 = least.iter().sum();
        let (delay, total) = shortest_delay(least);
        let (mut best, mut best_total) = (Wait { nop: None, delay }, total);
        for nop in nops(least) {
            // Nothing is shorter than what is needed.
            if best_total == needed {
                break;
            }
            let rest = |(index, least): (usize, &i64)| (least - nop.at(index + 1)).max(own[index]);
            let rest: Vec<i64> = least.iter().enumerate().map(rest).collect();
            let (delay, rest_total) = shortest_delay(&rest);
            let total = total_of(nop, least.len()) + rest_total;
            if total < best_total {
                (best, best_total) = (Wait { nop: Some(nop), delay }, total);
            }
        }
        best
    }
}

/// `Nop`s worth a try, each once: they have the slope of a piece of `least`, or none, and are exact for some number of blocks. A `Nop` takes
/// the least period.
fn nops(least: &[i64]) -> impl Iterator<Item = Affine> {
    let slopes: HashSet<i64> = least.windows(2).map(|pair| pair[1] - pair[0]).chain([0]).collect();
    let mut slopes: Vec<i64> = slopes.into_iter().collect();
    slopes.sort_unstable();
    slopes.into_iter().flat_map(|slope| {
        let lowest = (slope * least.len() as i64).min(slope);
        let mut tried = HashSet::new();
        let constants = least
            .iter()
            .zip(1..)
            .map(move |(least, blocks)| (least - slope * blocks).max(MIN_PERIOD_CYCLES - lowest) as i32);
        let fresh = constants.filter(move |constant| tried.insert(*constant));
        fresh.map(move |constant| Affine { constant, per_block: slope as i32 })
    })
}

/// The delay that is at least `least` wherever that is positive, with the smallest sum over all numbers of blocks, and that sum.
///
/// For each slope the constant is the largest `least - slope * blocks`, which a vertex of the upper hull attains; as the slope grows, that
/// vertex moves to fewer blocks.
fn shortest_delay(least: &[i64]) -> (Affine, i64) {
    let mut hull = upper_hull(least);
    let slopes = slopes(&hull);
    let Some(mut vertex) = hull.pop() else { return (Affine::default(), 0) };
    let mut best = (Affine::default(), i64::MAX);
    for slope in slopes {
        let intercept = |(blocks, least): (i64, i64)| least - slope * blocks;
        while let Some(before) = hull.last().filter(|before| intercept(**before) >= intercept(vertex)) {
            vertex = *before;
            hull.pop();
        }
        let delay = Affine { constant: intercept(vertex) as i32, per_block: slope as i32 };
        let total = total_of(delay, least.len());
        if total < best.1 {
            best = (delay, total);
        }
    }
    best
}

/// Takes constant parts off a delay that is too long for one instruction, for numbers of blocks up to `blocks`.
fn split(mut delay: Affine, blocks: usize, nops: &mut Vec<Affine>) -> Affine {
    let shortest = |delay: Affine| delay.constant + (delay.per_block * blocks as i32).min(delay.per_block);
    while delay.constant > CONSTANT_MAX && shortest(delay) > CONSTANT_MAX + MIN_PERIOD_CYCLES as i32 {
        nops.push(Affine::fixed(CONSTANT_MAX));
        delay.constant -= CONSTANT_MAX;
    }
    delay
}

/// Slopes worth a try for points with this hull, in order.
fn slopes(hull: &[(i64, i64)]) -> Vec<i64> {
    let edges = hull.windows(2).flat_map(|edge| {
        let slope = (edge[1].1 - edge[0].1).div_euclid(edge[1].0 - edge[0].0);
        [slope, slope + 1]
    });
    let (least, largest) = SLOPE_LIMITS;
    let possible = edges.filter(|slope| (least..=largest).contains(slope));
    let mut slopes: Vec<i64> = SLOPES.chain(possible).collect();
    slopes.sort_unstable();
    slopes.dedup();
    slopes
}

/// The points `(blocks, least)` with a positive `least` that no line between two others passes above.
fn upper_hull(least: &[i64]) -> Vec<(i64, i64)> {
    let mut hull: Vec<(i64, i64)> = Vec::new();
    for point in (1..).zip(least.iter().copied()).filter(|(_, least)| *least > 0) {
        while let [.., first, second] = hull[..]
            && (second.1 - first.1) * (point.0 - first.0) <= (point.1 - first.1) * (second.0 - first.0)
        {
            hull.pop();
        }
        hull.push(point);
    }
    hull
}

/// The sum of a delay over 1 to `blocks` blocks, below zero counted as zero.
fn total_of(delay: Affine, blocks: usize) -> i64 {
    let (constant, slope, blocks) = (i64::from(delay.constant), i64::from(delay.per_block), blocks as i64);
    // The numbers of blocks for which it is positive.
    let (first, last) = match slope {
        0 => (1, if constant > 0 { blocks } else { 0 }),
        1.. => ((-constant).div_euclid(slope).max(0) + 1, blocks),
        _ => (1, (constant - 1).div_euclid(-slope).min(blocks)),
    };
    let count = (last - first + 1).max(0);
    count * constant + slope * count * (first + last) / 2
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sums by counting.
    fn counted(delay: Affine, blocks: usize) -> i64 {
        (1..=blocks).map(|blocks| delay.at(blocks)).sum()
    }

    /// Pieces of straight lines with a few odd points, as schedules make them.
    fn shapes() -> Vec<Vec<i64>> {
        let mut state = 7u64;
        let mut next = |below: u64| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            ((state >> 33) % below) as i64
        };
        let mut shape = |blocks: usize| {
            let [first, second, odd] =
                [(next(60), next(40) - 20), (next(400), next(60) - 40), (next(9), next(30))];
            let line = |(constant, slope): (i64, i64), blocks: i64| constant + slope * blocks;
            let at = |blocks: i64| {
                line(first, blocks).max(line(second, blocks)).max(0) + if blocks == odd.0 { odd.1 } else { 0 }
            };
            (1..=blocks as i64).map(at).collect()
        };
        (0..200).map(|number| shape(1 + number % 70)).collect()
    }

    #[test]
    fn sums_are_those_of_counting() {
        for constant in -40..40 {
            for per_block in -9..9 {
                let delay = Affine { constant, per_block };
                for blocks in [1, 2, 3, 10] {
                    assert_eq!(total_of(delay, blocks), counted(delay, blocks), "{delay:?}, {blocks} blocks");
                }
            }
        }
    }

    #[test]
    fn no_slope_has_a_shorter_delay() {
        for least in shapes() {
            let late_enough = |slope: i64| {
                let needs = least.iter().zip(1..).filter(|(least, _)| **least > 0);
                let constant = needs.map(|(least, blocks)| least - slope * blocks).max().unwrap_or(0);
                counted(Affine { constant: constant as i32, per_block: slope as i32 }, least.len())
            };
            let (delay, total) = shortest_delay(&least);
            assert!(least.iter().zip(1..).all(|(least, blocks)| delay.at(blocks) >= *least), "{least:?}");
            let none = least.iter().all(|least| *least == 0);
            assert_eq!(
                total,
                if none { 0 } else { (SLOPE_LIMITS.0..=SLOPE_LIMITS.1).map(late_enough).min().unwrap() },
                "{least:?}"
            );
        }
    }

    #[test]
    fn waits_are_late_enough_and_exact_for_two_lines() {
        for least in shapes() {
            let own = vec![0; least.len()];
            let wait = Wait::fit(&least, &own);
            assert!(least.iter().zip(1..).all(|(least, blocks)| wait.at(blocks) >= *least), "{least:?}");
        }
        let two_lines: Vec<i64> = (1..=64).map(|blocks| (300 - 7 * blocks).max(20 + blocks)).collect();
        let wait = Wait::fit(&two_lines, &vec![0; 64]);
        assert!(wait.nop.is_some());
        assert!(two_lines.iter().zip(1..).all(|(least, blocks)| wait.at(blocks) == *least), "{wait:?}");
    }
}
