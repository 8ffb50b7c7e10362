//! How a layer's queries and keys turn, where layers differ.

use super::attention::TURN_SHIFT;
use super::*;
use crate::turns::Turns;

impl Writer<'_> {
    /// Cosines and sines of the layer, where layers differ: those of its own way times one, those of the other times zero. What does
    /// not turn has a cosine of one.
    pub(super) fn layer_turn(&self) -> Vec<Placed> {
        let Plan { constants, vmem, vreg, rows, features, .. } = self.plan;
        let row = |constant: usize, vector: Vector| Vector {
            vmem: (vmem.layers + constant) as u32,
            vmem_offset: true,
            ..vector
        };
        let turned = |turn: usize| Vector {
            x: X::VregA,
            a: turn as u32,
            a_advance: true,
            b: B::Vmem,
            shift: TURN_SHIFT,
            ..Vector::default()
        };
        let plus =
            |base: usize, vector: Vector| Vector { c: C::VregB, bc: base as u32, bc_advance: true, ..vector };
        let own = |turn: usize| row(constants.own_turn, turned(turn));
        let other = |turn: usize| row(constants.other_turn, turned(turn));
        let (cos, sin) = (vreg.layer_cos, vreg.layer_sin);
        let vectors = match features.turns {
            Turns::Alike => Vec::new(),
            Turns::SomeNot => vec![
                (row(constants.other_turn, self.copied(0)), cos),
                (plus(cos, own(vreg.cos[0])), cos),
                (own(vreg.sin[0]), sin),
            ],
            Turns::TwoWays => vec![
                (other(vreg.cos[1]), cos),
                (plus(cos, own(vreg.cos[0])), cos),
                (other(vreg.sin[1]), sin),
                (plus(sin, own(vreg.sin[0])), sin),
            ],
        };
        let placed = |(vector, target)| (self.written(vector, target), Issues::burst(rows.head));
        vectors.into_iter().map(placed).collect()
    }
}
