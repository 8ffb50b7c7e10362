//! How queries and keys turn where layers differ: in two ways, as Gemma 3 has it, or some not at all, as SmolLM3 has it. Layers run
//! the same instructions, so each mixes the two ways by words of its own: one and zero.

use lpu_model::{Config, Rope};

/// How layers differ in the rotation of q and k.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turns {
    Alike,
    /// Some do not turn.
    SomeNot,
    TwoWays,
}

impl Turns {
    pub fn of(config: &Config) -> Self {
        match second(config) {
            None => Self::Alike,
            Some(None) => Self::SomeNot,
            Some(Some(_)) => Self::TwoWays,
        }
    }
}

/// Whether a layer turns otherwise than the configuration's own rotary embedding says.
pub fn is_second(config: &Config, layer: usize) -> bool {
    config.rope_of(layer) != config.rope.as_ref()
}

/// The other way to turn, if there is one; `Some(None)` is not to turn.
pub fn second(config: &Config) -> Option<Option<&Rope>> {
    (0..config.layers).find(|layer| is_second(config, *layer)).map(|layer| config.rope_of(layer))
}

/// The part that no program exists for: layers that turn in more than two ways, or turn other dimensions.
pub fn unsupported(config: &Config) -> Option<&'static str> {
    let second = second(config)?;
    let mut others = (0..config.layers).filter(|layer| is_second(config, *layer));
    if others.any(|layer| config.rope_of(layer) != second) {
        return Some("layers with more than two rotary embeddings");
    }
    let dims = |rope: &Rope| (rope.dims, rope.pairing);
    match (&config.rope, second) {
        (None, _) => Some("rotary embeddings in some layers, with learned positions in the others"),
        (Some(first), Some(second)) if dims(first) != dims(second) => {
            Some("rotary embeddings that turn other dimensions in some layers")
        }
        _ => None,
    }
}
