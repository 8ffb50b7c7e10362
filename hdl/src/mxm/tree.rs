//! The adder tree: sums of 2, 4, ... all lanes, each level with its register, and every level that fits a row of sums as
//! an output.
//!
//! ```text
//!  product[0] ─┐
//!              (+)─[reg]─┐
//!  product[1] ─┘         (+)─[reg]─ ...
//!  product[2] ─┐         │
//!              (+)─[reg]─┘
//!  product[3] ─┘
//!    cycle 6     cycle 7      cycle 8 ... level k in cycle 6 + k
//! ```
//!
//! | port         | dir | width | meaning                                                        | cycle   |
//! |--------------|-----|------:|----------------------------------------------------------------|---------|
//! | `product[l]` | in  |    32 | product of lane `l`, 25 bits, sign-extended                    | 6       |
//! | `sum[i]`     | out |    32 | node `i + 1` of the tree, sign-extended                        | 6 + `k` |
//!
//! Nodes are numbered as in a heap: node 1 sums all lanes, node `i` is the sum of nodes `2i` and `2i + 1`. The level with
//! `n` results is nodes `n` to `2n - 1`, result `j` being node `n + j`, in cycle 6 + log2(lanes / n).
//!
//! # Invariants
//! 1. `sum[n - 1 + j]` is the exact sum of `lanes / n` neighbouring products, from lane `j * lanes / n` on.
//! 2. The level of `k` additions has 25 + `k` bits; 128 lanes fill 32.

use crate::dialect::*;
use crate::primitives::TreeAdder;
use lpu_isa::Geometry;

/// Bits of a product: see [`MatrixLane`](super::lane::MatrixLane).
const PRODUCT_BITS: usize = 25;

/// The tree over all lanes.
#[derive(LogicBlock, Default)]
pub struct AdderTree {
    pub clock: Signal<In, Clock>,
    pub product: Vec<Signal<In, Bits<32>>>,
    pub sum: Vec<Signal<Out, Bits<32>>>,
    node: Vec<TreeAdder>,
    _leaves: usize,
    kind: Kind<Self>,
}

impl AdderTree {
    /// The tree of a chip.
    pub fn new(geometry: &Geometry) -> Self {
        let lanes = geometry.mxm_lanes;
        // Node i adds numbers that are already sums of lanes / 2^(depth + 1) products.
        let bits = |node: usize| PRODUCT_BITS + geometry.tree_levels() - 1 - node.ilog2() as usize;
        Self {
            product: many(lanes),
            sum: many(2 * geometry.vxm_lanes - 1),
            node: (1..lanes).map(|node| TreeAdder::new(bits(node))).collect(),
            _leaves: lanes / 2,
            kind: Kind::named(format!("adder_tree_{lanes}")),
            ..Self::default()
        }
    }

    /// Cycles from products to the sums of `2^level` lanes.
    pub const fn latency(level: usize) -> usize {
        level * TreeAdder::LATENCY
    }
}

impl Logic for AdderTree {
    #[hdl_gen]
    fn update(&mut self) {
        for i in 0..self.node.len() {
            clock!(self, clock, node[i]);
        }
        for leaves in self._leaves..(self._leaves + 1) {
            for i in 1..self._leaves {
                self.node[i - 1].a.next = self.node[2 * i - 1].sum.val();
                self.node[i - 1].b.next = self.node[2 * i].sum.val();
            }
            for i in 0..self._leaves {
                self.node[leaves + i - 1].a.next = self.product[2 * i].val();
                self.node[leaves + i - 1].b.next = self.product[2 * i + 1].val();
            }
        }
        for i in 0..self.sum.len() {
            self.sum[i].next = self.node[i].sum.val();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::{Bench, Random, Response};
    use crate::emit::emit;

    fn stream(chip: &Geometry, rows: &[Vec<i64>]) -> Response {
        let bench = Bench::new(&emit(&mut AdderTree::new(chip), "adder_tree").unwrap()).unwrap();
        let mut stimulus = bench.stimulus();
        for row in rows {
            stimulus.cycle();
            for (l, product) in row.iter().enumerate() {
                stimulus.set_signed(&format!("product${l}"), *product);
            }
        }
        bench.run(stimulus.idle(AdderTree::latency(chip.tree_levels()))).unwrap()
    }

    fn rows(chip: &Geometry, count: usize) -> Vec<Vec<i64>> {
        let mut random = Random::from_seed_variable();
        // Rows of extremes make the widest sums.
        let mut row = |kind: u64| match kind {
            0 => vec![-(1 << 24); chip.mxm_lanes],
            1 => vec![(1 << 24) - 1; chip.mxm_lanes],
            _ => (0..chip.mxm_lanes).map(|_| random.signed(25)).collect(),
        };
        (0..count).map(|t| row(t as u64 % 8)).collect()
    }

    #[test]
    fn every_level_sums_neighbours() {
        for chip in Geometry::ALL {
            let rows = rows(&chip, 200);
            let response = stream(&chip, &rows);
            for level in chip.groups().ilog2() as usize..=chip.tree_levels() {
                let results = chip.mxm_lanes >> level;
                for (t, row) in rows.iter().enumerate() {
                    for (j, lanes) in row.chunks(1 << level).enumerate() {
                        let found = response
                            .signed(t + AdderTree::latency(level), &format!("sum${}", results - 1 + j));
                        assert_eq!(found, lanes.iter().sum::<i64>(), "level {level}, result {j}, cycle {t}");
                    }
                }
            }
        }
    }

    /// Needs no model: each node shows, one cycle later, the sum of its two children.
    #[test]
    fn nodes_add_their_children() {
        let chip = Geometry::NANO;
        let response = stream(&chip, &rows(&chip, 100));
        let node = |t: usize, i: usize| response.signed(t, &format!("sum${}", i - 1));
        for t in 8..100 {
            for i in 1..chip.vxm_lanes {
                assert_eq!(node(t + 1, i), node(t, 2 * i) + node(t, 2 * i + 1), "node {i} in cycle {t}");
            }
        }
    }
}
