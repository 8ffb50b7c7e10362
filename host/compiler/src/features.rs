//! Which optional parts a simplified model has: what the plan makes room for and the program does.

use super::external::ModelCodes;
use super::supported;
use super::turns::Turns;
use lpu_model::{Activation, Layer, Model, Norm, NormKind};

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
    /// How weights are stored in external memory.
    pub codes: ModelCodes,
    /// A part that no program exists for.
    pub unsupported: Option<&'static str>,
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
            codes: ModelCodes::of(model),
            unsupported: unsupported(model),
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

/// The first part of a model that no program exists for.
fn unsupported(model: &Model) -> Option<&'static str> {
    let config = &model.config;
    if let Some(part) = supported::unsupported(config) {
        return Some(part);
    }
    let norm_bias = |layer: &Layer| layer.mlp_norm.bias.is_some();
    let parts = [
        (config.gated && config.activation == Activation::Relu, "a gated MLP with ReLU"),
        (
            config.gated && model.layers.iter().any(|layer| layer.up.bias.is_some() || norm_bias(layer)),
            "biases of a gated MLP's inner vector",
        ),
        (
            config.embedding_norm && !matches!(config.norm, NormKind::Rms { .. }),
            "an embedding with LayerNorm",
        ),
    ];
    let part = parts.into_iter().find_map(|(present, part)| present.then_some(part));
    part.or_else(|| unsupported_head_norm(model))
}

/// Heads are normalised where both q and k are, without biases, and turn.
fn unsupported_head_norm(model: &Model) -> Option<&'static str> {
    let normalised = |layer: &Layer| [layer.q_norm.is_some(), layer.k_norm.is_some()];
    if model.layers.iter().all(|layer| normalised(layer) == [false; 2]) {
        return None;
    }
    let norm_bias = |norm: &Option<Norm>| norm.as_ref().is_some_and(|norm| norm.bias.is_some());
    let biased = |layer: &Layer| {
        let added = layer.q.bias.is_some() || layer.k.bias.is_some() || layer.attn_norm.bias.is_some();
        added || norm_bias(&layer.q_norm) || norm_bias(&layer.k_norm)
    };
    let layer_norm = !matches!(model.config.norm, NormKind::Rms { .. });
    let parts = [
        (
            !model.layers.iter().all(|layer| normalised(layer) == [true; 2]),
            "head normalisation of q or k alone, or in some layers",
        ),
        (layer_norm || model.config.rope.is_none(), "head normalisation with LayerNorm or learned positions"),
        (model.layers.iter().any(biased), "head normalisation with biases of q or k"),
    ];
    parts.into_iter().find_map(|(present, part)| present.then_some(part))
}
