//! Where the block RAMs and multipliers of a large chip lie, so that place and route begins from a good arrangement.
//!
//! ```text
//!  multipliers  y │  group 2    group 3    group 4      blocks in rows; neighbours in the adder tree are neighbours here
//!                 │  group 1    group 7    group 5
//!                 ▼  group 0 v  v  v  v  v group 6      vector lanes spread over the last row, their logic below it
//! ```
//!
//! A chip that fills its FPGA uses nearly all of these sites, and an analytic placer that may choose them shuffles them: a
//! memory then lies far from the lane it belongs to. Here the multipliers of a group lie side by side, in the order of their
//! lanes, and each memory lies as near to its lanes as the others allow. Everything else is left to the placer.
//!
//! # Invariants
//! 1. No site is taken twice; a cell that is not named here has sites left.
//! 2. Equal inputs have equal answers.

use lpu_hdl::emit::{Design, Path};
use serde::Deserialize;

/// Multipliers in a block: the lanes of a group, or the vector lanes.
const BLOCK_LANES: usize = 16;
/// Row of multipliers, and place in it, of the block of each group of lanes.
const GROUP_BLOCKS: [(usize, Place); 8] = [
    (2, Place::First),
    (1, Place::First),
    (0, Place::First),
    (0, Place::Middle),
    (0, Place::Last),
    (1, Place::Last),
    (2, Place::Last),
    (1, Place::Middle),
];
/// Row of multipliers of the vector lanes. Most tables of the chip are theirs, and most tables of the FPGA lie beyond it.
const VECTOR_ROW: usize = 2;
/// Row of multipliers of the instruction queues, which lie in the corners beside it. In the middle they would take the wires of all
/// others.
const QUEUE_ROW: usize = 1;
/// A memory that the machine writes as well as reads has twice the wires of one that it reads.
const WRITTEN_WEIGHT: f64 = 2.0;
/// Power of a distance that counts.
const DISTANCE_EXPONENT: f64 = 1.5;
/// Least gain for which two memories change places.
const GAIN_MIN: f64 = 1e-6;
/// Vector lanes that share a word of vector memory.
const LANES_PER_WORD: usize = 2;

/// Where in a row a block lies.
#[derive(Clone, Copy, Debug)]
enum Place {
    First,
    Middle,
    Last,
}

/// The columns of an FPGA in which its block RAMs and multipliers lie.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Floorplan {
    /// First tiles of the columns of sites.
    columns: Vec<usize>,
    block_ram: Sites,
    multiplier: Sites,
}

/// Sites of one kind: rows, and in each column the tiles and their names.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Sites {
    rows: Vec<usize>,
    tiles: Vec<usize>,
    names: Vec<String>,
}

#[derive(Clone, Debug)]
struct Site {
    x: usize,
    y: usize,
    name: String,
}

impl Site {
    fn bel(&self) -> String {
        format!("X{}/Y{}/{}", self.x, self.y, self.name)
    }
}

/// A cell with its site.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Placed {
    /// Path below the chip of the module that the cell stands in.
    pub path: String,
    /// The vendor's name of the cell.
    pub kind: &'static str,
    /// nextpnr's name of the site.
    pub bel: String,
}

/// What a cell is in the chip.
#[derive(Clone, Copy)]
enum Role {
    Multiplier {
        group: usize,
        lane: usize,
    },
    VectorMultiplier {
        group: usize,
        lane: usize,
    },
    /// A multiplier of its own: of the queues' offsets, of the reciprocal.
    SingleMultiplier,
    /// A memory of a pair of lanes.
    MatrixMemory {
        group: usize,
        pair: usize,
        is_written: bool,
    },
    VectorMemory {
        bank: usize,
    },
}

impl Role {
    /// The role of a cell by the instances that it stands in, such as lane 12 of group 3 of the matrix side.
    fn of(path: &Path) -> Option<Self> {
        match path.names()[..] {
            [("matrix", _), ("group", group), ("lane", lane), ..] => Some(Self::Multiplier { group, lane }),
            [("vector", _), ("group", group), ("lane", lane), ..] => {
                Some(Self::VectorMultiplier { group, lane })
            }
            [("matrix", _), ("group", group), ("bank", pair), (memory, _)] => {
                Some(Self::MatrixMemory { group, pair, is_written: memory == "kv" })
            }
            [("vector", _), ("memory", _), ("bank", bank)] => Some(Self::VectorMemory { bank }),
            [("icu", _), _, ("fetch", _), ..] | [("vector", _), ("reductions", _), ("unit", _), ..] => {
                Some(Self::SingleMultiplier)
            }
            _ => None,
        }
    }
}

/// Where a block begins in a row's sites. The sites that blocks leave are at both ends of the row of the queues' multipliers, and
/// between blocks elsewhere.
fn first_of(sites: &[Site], row: usize, place: Place) -> Option<usize> {
    let room = sites.len().checked_sub(BLOCK_LANES)?;
    let ends = if row == QUEUE_ROW { room.checked_sub(2 * BLOCK_LANES)? / 2 } else { 0 };
    Some(match place {
        Place::First => ends,
        Place::Middle => room / 2,
        Place::Last => room - ends,
    })
}

impl Floorplan {
    /// Every cell that has a site here; none for a chip of other shape than the plan.
    pub fn place(&self, chip: &Design) -> Vec<Placed> {
        let mut cells: Vec<(String, Role)> =
            chip.cells().iter().filter_map(|(path, _)| Some((path.to_string(), Role::of(path)?))).collect();
        cells.sort_by(|(one, _), (other, _)| one.cmp(other));
        let cells: Vec<(&str, Role)> = cells.iter().map(|(path, role)| (path.as_str(), *role)).collect();
        let Some(multipliers) = self.multipliers(&cells) else { return Vec::new() };
        let memories = self.memories(&cells, &multipliers);
        let cell = |kind: &'static str| {
            move |(path, site): (&str, Site)| Placed { path: path.to_owned(), kind, bel: site.bel() }
        };
        let multipliers = multipliers.into_iter().map(cell("MULT18X18D"));
        let mut placed: Vec<Placed> = multipliers.chain(memories.into_iter().map(cell("DP16KD"))).collect();
        placed.sort();
        placed
    }

    fn row(&self, sites: &Sites, y: usize) -> Vec<Site> {
        let column = |column: &usize| {
            let (column, tiles) = (*column, sites.tiles.iter().zip(&sites.names));
            tiles.map(move |(tile, name)| Site { x: column + tile, y, name: name.clone() })
        };
        self.columns.iter().flat_map(column).collect()
    }

    /// The multipliers in their blocks, and those of the vector unit.
    fn multipliers<'a>(&self, cells: &[(&'a str, Role)]) -> Option<Vec<(&'a str, Site)>> {
        let vector_lanes = |of: usize| {
            cells
                .iter()
                .filter(|(_, role)| matches!(role, Role::VectorMultiplier { group, .. } if *group < of))
                .count()
        };
        let mut single = self.beside_blocks()?.into_iter();
        cells
            .iter()
            .filter_map(|(path, role)| {
                let site = match role {
                    Role::SingleMultiplier => single.next(),
                    Role::Multiplier { group, lane } => {
                        GROUP_BLOCKS.get(*group).and_then(|&block| self.in_block(block, *lane))
                    }
                    Role::VectorMultiplier { group, lane } => self.of_vector(vector_lanes(*group) + lane),
                    _ => return None,
                };
                Some(site.map(|site| (*path, site)))
            })
            .collect()
    }

    /// A row's sites of multipliers: those for vector lanes, evenly spread, and the others.
    fn split_row(&self, row: usize) -> Option<(Vec<Site>, Vec<Site>)> {
        let sites = self.row(&self.multiplier, *self.multiplier.rows.get(row)?);
        if row != VECTOR_ROW {
            return Some((Vec::new(), sites));
        }
        let step = sites.len() / BLOCK_LANES;
        let is_vector = |at: usize| step > 0 && at % step == step / 2 && at / step < BLOCK_LANES;
        let (vector, others): (Vec<_>, Vec<_>) =
            sites.into_iter().enumerate().partition(|(at, _)| is_vector(*at));
        let plain = |sites: Vec<(usize, Site)>| sites.into_iter().map(|(_, site)| site).collect();
        Some((plain(vector), plain(others)))
    }

    /// Sites of the queues' multipliers, and then those between the vector lanes.
    fn beside_blocks(&self) -> Option<Vec<Site>> {
        let row = self.split_row(QUEUE_ROW)?.1;
        let before = row.get(..first_of(&row, QUEUE_ROW, Place::First)?)?;
        let after = row.get(first_of(&row, QUEUE_ROW, Place::Last)? + BLOCK_LANES..)?;
        let vector = self.split_row(VECTOR_ROW)?.1;
        let between = vector.get(BLOCK_LANES..first_of(&vector, VECTOR_ROW, Place::Last)?)?;
        Some(before.iter().chain(after).chain(between).cloned().collect())
    }

    fn of_vector(&self, lane: usize) -> Option<Site> {
        self.split_row(VECTOR_ROW)?.0.get(lane).cloned()
    }

    /// Site number `lane` of a block.
    fn in_block(&self, (row, place): (usize, Place), lane: usize) -> Option<Site> {
        let sites = self.split_row(row)?.1;
        let first = first_of(&sites, row, place)?;
        (lane < BLOCK_LANES).then(|| sites[first + lane].clone())
    }

    /// The memories at the sites nearest to their lanes.
    fn memories<'a>(
        &self,
        cells: &[(&'a str, Role)],
        multipliers: &[(&'a str, Site)],
    ) -> Vec<(&'a str, Site)> {
        let wishes: Vec<Wish> = cells.iter().filter_map(|(path, role)| {
            let of = |wanted: &dyn Fn(&Role) -> bool| -> Vec<&Site> {
                let chosen = cells.iter().filter(|(_, role)| wanted(role));
                chosen.filter_map(|(path, _)| Some(&multipliers.iter().find(|(other, _)| other == path)?.1)).collect()
            };
            let lanes = match *role {
                Role::MatrixMemory { group, pair, .. } => of(&|role| {
                    matches!(role, Role::Multiplier { group: other, lane } if *other == group && lane / 2 == pair)
                }),
                Role::VectorMemory { bank } => {
                    let all = of(&|role| matches!(role, Role::VectorMultiplier { .. }));
                    all.into_iter().skip(LANES_PER_WORD * bank).take(LANES_PER_WORD).collect()
                }
                _ => return None,
            };
            let count = lanes.len().max(1);
            let mean = |of: fn(&Site) -> usize| lanes.iter().map(|site| of(site)).sum::<usize>() / count;
            let weight = if matches!(role, Role::MatrixMemory { is_written: true, .. }) { WRITTEN_WEIGHT } else { 1.0 };
            Some(Wish { path, x: mean(|site| site.x), y: mean(|site| site.y), weight })
        }).collect();
        assign(&wishes, self.memory_sites(wishes.len()))
    }

    /// Sites for `count` memories. The board's own keep what is left, side by side: the first of the last row, near its pins.
    fn memory_sites(&self, count: usize) -> Vec<Site> {
        let Some((&last, rows)) = self.block_ram.rows.split_last() else { return Vec::new() };
        let mut sites: Vec<Site> = rows.iter().flat_map(|&y| self.row(&self.block_ram, y)).collect();
        let last = self.row(&self.block_ram, last);
        let spare = (sites.len() + last.len()).saturating_sub(count).min(last.len());
        sites.extend(last.into_iter().skip(spare));
        sites
    }
}

/// Where a memory would lie best, and how much that matters.
struct Wish<'a> {
    path: &'a str,
    x: usize,
    y: usize,
    weight: f64,
}

/// Gives each wish a site: the least sum of weighted distances, the longer ones counting for more, by exchanges until none helps.
fn assign<'a>(wishes: &[Wish<'a>], mut sites: Vec<Site>) -> Vec<(&'a str, Site)> {
    let cost = |wish: usize, site: &Site| {
        wishes.get(wish).map_or(0.0, |Wish { x, y, weight, .. }| {
            let distance = x.abs_diff(site.x) + y.abs_diff(site.y);
            weight * (distance as f64).powf(DISTANCE_EXPONENT)
        })
    };
    // Site `i` belongs to wish `i`; those behind the last wish are free.
    let mut better = true;
    while better {
        better = false;
        for one in 0..wishes.len().min(sites.len()) {
            for other in one + 1..sites.len() {
                let (a, b) = (&sites[one], &sites[other]);
                if cost(one, b) + cost(other, a) + GAIN_MIN < cost(one, a) + cost(other, b) {
                    sites.swap(one, other);
                    better = true;
                }
            }
        }
    }
    wishes.iter().zip(sites).map(|(wish, site)| (wish.path, site)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Board;
    use lpu_isa::Geometry;
    use std::collections::{BTreeMap, BTreeSet};

    fn plan() -> Floorplan {
        Board::find("ulx3s-85f").unwrap().device.floorplan.expect("the large board has one")
    }

    #[test]
    fn every_memory_and_lane_of_the_full_chip_has_a_site_of_its_own() {
        let placed = plan().place(&lpu_hdl::chip::emit(&Geometry::ULX3S_85F, "lpu").unwrap());
        assert_eq!(placed.len(), 128 + 16 + 5 + 200);
        let sites: BTreeSet<&str> = placed.iter().map(|cell| cell.bel.as_str()).collect();
        assert_eq!(sites.len(), placed.len());
        assert_eq!(sites.iter().filter(|site| site.contains("EBR")).count(), 200);
        let board = ["X4/Y82/EBR0", "X6/Y82/EBR1", "X8/Y82/EBR2", "X10/Y82/EBR3"];
        assert!(board.iter().all(|site| !sites.contains(site)), "the soft core's memory lies side by side");
    }

    #[test]
    fn memories_lie_near_their_lanes() {
        let placed = plan().place(&lpu_hdl::chip::emit(&Geometry::ULX3S_85F, "lpu").unwrap());
        let placed: BTreeMap<String, String> = placed.into_iter().map(|cell| (cell.path, cell.bel)).collect();
        let x = |site: &str| site[1..].split('/').next().unwrap().parse::<i64>().unwrap();
        for (path, site) in
            placed.iter().filter(|(path, _)| path.contains(".bank$") && path.starts_with("matrix"))
        {
            let (group, rest) = path.split_once(".bank$").unwrap();
            let pair: usize = rest.split('.').next().unwrap().parse().unwrap();
            let lane = placed
                .iter()
                .find(|(other, _)| other.starts_with(&format!("{group}.lane${}.", 2 * pair)))
                .unwrap();
            assert!((x(site) - x(lane.1)).abs() <= 45, "{path} at {site}, its lane at {}", lane.1);
        }
    }

    #[test]
    fn exchanges_find_the_nearest_sites() {
        let site = |x: usize| Site { x, y: 0, name: String::new() };
        let wish = |path, x| Wish { path, x, y: 0, weight: 1.0 };
        let given = assign(&[wish("a", 9), wish("b", 5), wish("c", 1)], [0, 4, 6, 10].map(site).to_vec());
        assert_eq!(given.iter().map(|(_, site)| site.x).collect::<Vec<_>>(), [10, 4, 0]);
    }
}
