//! The fp32 forward pass: what every quantised number and every device is compared with.
//!
//! [`Reference::run`] is the definition of the model; read it top to bottom. It computes many tokens at a time, those of one text
//! or of several: each row of weights is decoded once for all of them. A token's logits do not depend, to the last bit, on what is
//! computed beside them.

mod activation;
mod attention;
mod product;
mod vectors;

use super::{Config, Layer, Model, Norm};
pub use attention::KeysValues;
use attention::{Place, attention};
use product::{linear, products};
use vectors::{add, add_each, cap, each, normalised};

/// Where in the model an observed vector stands. Sites inside a layer carry the index of the layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Site {
    /// The residual that enters a layer; index `layers` is the one before the final normalisation.
    Residual,
    /// The normalised vector that q, k and v read.
    AttnIn,
    /// q, k before head normalisation and rotation.
    QProjected,
    KProjected,
    /// q, k as the scores use them.
    Q,
    K,
    V,
    /// Scaled scores of one head over the positions that the layer sees, ascending; heads in ascending order.
    Scores,
    /// The same after the softmax.
    Probabilities,
    /// The mixed values of all heads, which `o` reads.
    Mix,
    /// What attention adds to the residual.
    AttnOut,
    /// The residual between attention and MLP.
    ResidualMid,
    /// The normalised vector that gate and up read.
    MlpIn,
    /// Before the activation function; gated models only.
    Gate,
    Up,
    /// What `down` reads.
    Hidden,
    /// What the MLP adds to the residual.
    MlpOut,
    /// What the classifier reads; index `layers`.
    FinalIn,
    /// Index `layers`.
    Logits,
}

/// Sees every intermediate vector, for calibration and for debugging.
pub trait Observer {
    /// `column` is the place of the vector's token among those that are computed together.
    fn observe(&mut self, site: Site, layer: usize, column: usize, values: &[f32]);
}

/// Looks at nothing and costs nothing.
pub struct Unobserved;

impl Observer for Unobserved {
    fn observe(&mut self, _: Site, _: usize, _: usize, _: &[f32]) {}
}

impl<F: FnMut(Site, usize, usize, &[f32])> Observer for F {
    fn observe(&mut self, site: Site, layer: usize, column: usize, values: &[f32]) {
        self(site, layer, column, values);
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StepError {
    #[error("token id {token} does not exist; expected 0 to {max}")]
    Token { token: u32, max: usize },
    #[error("position {position} is beyond the context of {context}; start again from position 0")]
    ContextFull { position: usize, context: usize },
    #[error(
        "position {position} comes too early; expected at most {next}, the number of positions already run"
    )]
    Gap { position: usize, next: usize },
}

/// A model with the keys and values of the texts that it has read.
///
/// # Invariants
/// Keys and values of a text are those of exactly its positions before the next one. Going back forgets the later ones.
pub struct Reference<'m> {
    model: &'m Model,
    texts: Vec<Text>,
    logits: Vec<Vec<f32>>,
}

#[derive(Clone)]
struct Text {
    /// Of each layer.
    keys_values: Vec<KeysValues>,
    /// The next one.
    position: usize,
}

/// The next token of one of the texts, which are numbered from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Next {
    pub text: usize,
    pub token: u32,
}

impl<'m> Reference<'m> {
    /// With one text, number 0. `model` must satisfy [`Model::check`], as every imported model does.
    pub fn new(model: &'m Model) -> Self {
        Self::with_texts(model, 1)
    }

    pub fn with_texts(model: &'m Model, count: usize) -> Self {
        let text = Text { keys_values: vec![KeysValues::default(); model.layers.len()], position: 0 };
        Self { model, texts: vec![text; count], logits: Vec::new() }
    }

    /// The next position of text 0.
    pub fn position(&self) -> usize {
        self.texts[0].position
    }

    /// Forgets every position of every text.
    pub fn reset(&mut self) {
        self.texts.iter_mut().for_each(|text| text.position = 0);
    }

    /// The logits that follow `token` at `position` of text 0.
    ///
    /// # Errors
    /// When the token does not exist, or the position is beyond the context or skips one.
    pub fn step(&mut self, token: u32, position: usize) -> Result<&[f32], StepError> {
        self.check(token, position)?;
        let next = self.position();
        if position > next {
            return Err(StepError::Gap { position, next });
        }
        self.texts[0].position = position;
        self.run(&[Next { text: 0, token }], &mut Unobserved).map(|logits| logits[0].as_slice())
    }

    /// Reads the next tokens of texts, several of one text in their order, and gives the logits that follow each. Every
    /// intermediate vector is shown to `observer`.
    ///
    /// # Errors
    /// When a token does not exist, or a text is longer than the context; nothing is read then.
    pub fn run(&mut self, tokens: &[Next], observer: &mut impl Observer) -> Result<&[Vec<f32>], StepError> {
        let places = self.places(tokens)?;
        let Model { config, layers, .. } = self.model;

        let embed = |(next, place): (&Next, &Place)| embed(self.model, next.token, place.position);
        let mut residual: Vec<Vec<f32>> = tokens.iter().zip(&places).map(embed).collect();
        for (index, layer) in layers.iter().enumerate() {
            let mut observe = |site, column, values: &[f32]| observer.observe(site, index, column, values);
            observe_all(&mut observe, Site::Residual, &residual);

            let attn_in = each(&residual, |_, residual| before(config, &layer.attn_norm, residual));
            observe_all(&mut observe, Site::AttnIn, &attn_in);
            let mut caches: Vec<&mut KeysValues> =
                self.texts.iter_mut().map(|text| &mut text.keys_values[index]).collect();
            let attn_out = attention(config, (index, layer), &places, &mut caches, &attn_in, &mut observe);
            observe_all(&mut observe, Site::AttnOut, &attn_out);
            let attn_added = after(config, layer.attn_post_norm.as_ref(), attn_out);

            let mut mid = residual.clone();
            if !config.block.parallel {
                add_each(&mut mid, &attn_added);
            }
            observe_all(&mut observe, Site::ResidualMid, &mid);
            let mlp_in = each(&mid, |_, mid| before(config, &layer.mlp_norm, mid));
            observe_all(&mut observe, Site::MlpIn, &mlp_in);
            let mlp_out = mlp(config, layer, &mlp_in, &mut observe);
            observe_all(&mut observe, Site::MlpOut, &mlp_out);
            add_each(&mut residual, &attn_added);
            add_each(&mut residual, &after(config, layer.mlp_post_norm.as_ref(), mlp_out));
        }
        let mut observe = |site, column, values: &[f32]| observer.observe(site, layers.len(), column, values);
        observe_all(&mut observe, Site::Residual, &residual);
        if let Some(norm) = &self.model.final_norm {
            residual = each(&residual, |_, residual| normalised(residual, norm, config.norm));
        }
        observe_all(&mut observe, Site::FinalIn, &residual);
        self.logits = products(self.model.classifier_matrix(), &residual);
        self.logits.iter_mut().for_each(|logits| cap(logits, config.block.logit_cap));
        observe_all(&mut observe, Site::Logits, &self.logits);
        places.iter().for_each(|place| self.texts[place.text].position = place.position + 1);
        Ok(&self.logits)
    }

    /// The logits that follow each of the tokens that were run last.
    pub fn logits(&self) -> &[Vec<f32>] {
        &self.logits
    }

    /// Where the next tokens of texts stand.
    fn places(&self, tokens: &[Next]) -> Result<Vec<Place>, StepError> {
        let mut positions: Vec<usize> = self.texts.iter().map(|text| text.position).collect();
        let place = |next: &Next| {
            let position = positions[next.text];
            positions[next.text] += 1;
            self.check(next.token, position).map(|()| Place { text: next.text, position })
        };
        tokens.iter().map(place).collect()
    }

    fn check(&self, token: u32, position: usize) -> Result<(), StepError> {
        let config = &self.model.config;
        if token as usize >= config.vocab {
            return Err(StepError::Token { token, max: config.vocab - 1 });
        }
        if position >= config.context {
            return Err(StepError::ContextFull { position, context: config.context });
        }
        Ok(())
    }
}

/// Keys and values of each layer at position 0 where `token` stands there: they are the same in every text that begins with it.
///
/// # Errors
/// When the token does not exist.
pub fn keys_and_values_of_position_zero(model: &Model, token: u32) -> Result<Vec<KeysValues>, StepError> {
    let mut reference = Reference::new(model);
    reference.step(token, 0)?;
    Ok(reference.texts.remove(0).keys_values)
}

fn observe_all(observe: &mut impl FnMut(Site, usize, &[f32]), site: Site, vectors: &[Vec<f32>]) {
    vectors.iter().enumerate().for_each(|(column, vector)| observe(site, column, vector));
}

fn embed(model: &Model, token: u32, position: usize) -> Vec<f32> {
    let scale = model.config.embedding_scale;
    let mut vector: Vec<f32> =
        model.embedding.row(token as usize).iter().map(|value| value * scale).collect();
    if let Some(positions) = &model.positions {
        add(&mut vector, &positions.row(position));
    }
    if model.config.embedding_norm {
        vector = normalised(&vector, &Norm::default(), model.config.norm);
    }
    vector
}

/// What attention or MLP reads of the residual.
fn before(config: &Config, norm: &Norm, residual: &[f32]) -> Vec<f32> {
    if config.block.norms.is_before() { normalised(residual, norm, config.norm) } else { residual.to_vec() }
}

/// What is added to the residual of the results of attention or MLP.
fn after(config: &Config, norm: Option<&Norm>, results: Vec<Vec<f32>>) -> Vec<Vec<f32>> {
    match norm {
        Some(norm) => each(&results, |_, result| normalised(result, norm, config.norm)),
        None => results,
    }
}

fn mlp(
    config: &Config,
    layer: &Layer,
    input: &[Vec<f32>],
    observe: &mut impl FnMut(Site, usize, &[f32]),
) -> Vec<Vec<f32>> {
    let up = linear(&layer.up, input);
    observe_all(observe, Site::Up, &up);
    let activation = config.activation;
    let hidden = match &layer.gate {
        Some(gate) => {
            let gate = linear(gate, input);
            observe_all(observe, Site::Gate, &gate);
            each(&gate, |column, gate| {
                gate.iter().zip(&up[column]).map(|(gate, up)| activation.of(*gate) * up).collect()
            })
        }
        None => each(&up, |_, up| up.iter().map(|up| activation.of(*up)).collect()),
    };
    observe_all(observe, Site::Hidden, &hidden);
    linear(&layer.down, &hidden)
}

/// The index of the largest logit; the lowest wins ties, as in llama2.c and on the chip.
pub fn argmax<T: PartialOrd>(logits: &[T]) -> usize {
    let mut best = 0;
    for (index, logit) in logits.iter().enumerate() {
        if *logit > logits[best] {
            best = index;
        }
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lowest_id_wins_ties() {
        assert_eq!(argmax(&[1.0, 4.0, 4.0, 2.0]), 1);
        assert_eq!(argmax::<f32>(&[]), 0);
    }
}
