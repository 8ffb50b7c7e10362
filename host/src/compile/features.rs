//! Which optional parts a simplified model has: what the plan makes room for and the program does.

use super::turns::Turns;
use crate::model::{Activation, Layer, Model, NormKind};

/// The optional parts of a model, the same in all layers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Features {
    /// q and k turn with the position.
    pub rotation: bool,
    /// How layers differ in that.
    pub turns: Turns,
    /// Attention and MLP read the same residual.
    pub parallel: bool,
    /// Learned positions join the embedding.
    pub positions: bool,
    pub embedding_norm: bool,
    /// Each head of q and k is normalised before it turns.
    pub head_norm: bool,
    pub final_norm: bool,
    /// The classifier is not the embedding.
    pub own_classifier: bool,
    pub activation: Activation,
    /// Biases.
    pub q: bool,
    pub k: bool,
    pub o: bool,
    pub gate: bool,
    pub up: bool,
    pub down: bool,
    pub logits: bool,
}

impl Features {
    /// What is left of a model once it is simplified.
    pub fn of(model: &Model) -> Self {
        let any = |has: fn(&Layer) -> bool| model.layers.iter().any(has);
        let attention = any(|layer| layer.attn_norm.bias.is_some());
        let mlp = any(|layer| layer.mlp_norm.bias.is_some());
        let centred = matches!(model.config.norm, NormKind::Layer { .. });
        let scaled = model.config.embedding_scale != 1.0;
        Self {
            rotation: model.config.rope.is_some(),
            turns: Turns::of(&model.config),
            parallel: model.config.block.parallel,
            positions: model.positions.is_some(),
            embedding_norm: model.config.embedding_norm,
            head_norm: any(|layer| layer.q_norm.is_some() || layer.k_norm.is_some()),
            final_norm: model.final_norm.is_some(),
            own_classifier: model.classifier.is_some() || centred || scaled,
            activation: model.config.activation,
            q: attention || any(|layer| layer.q.bias.is_some()),
            k: attention || any(|layer| layer.k.bias.is_some()),
            o: attention || any(|layer| layer.v.bias.is_some() || layer.o.bias.is_some()),
            gate: model.config.gated && mlp
                || any(|layer| layer.gate.as_ref().is_some_and(|gate| gate.bias.is_some())),
            up: mlp || any(|layer| layer.up.bias.is_some()),
            down: any(|layer| layer.down.bias.is_some()),
            logits: model.final_norm.as_ref().is_some_and(|norm| norm.bias.is_some()),
        }
    }

    /// Rotations that are worked out for every token.
    pub fn ways(&self) -> usize {
        match self.turns {
            _ if !self.rotation => 0,
            Turns::TwoWays => 2,
            _ => 1,
        }
    }

    /// The activation is a table and a polynomial.
    pub fn gelu(&self) -> bool {
        matches!(self.activation, Activation::Gelu | Activation::GeluTanh)
    }
}
