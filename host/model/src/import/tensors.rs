//! Named tensors of any file, and the model that they make under the names of its architecture.

use super::super::{Config, Layer, Linear, Matrix, Model, Norm};
use super::error::{About, ImportError};
use crate::packed::Packed;
use std::path::Path;

/// A file, or several, with tensors by name.
pub trait Tensors {
    /// Where they come from, for messages.
    fn path(&self) -> &Path;
    /// The shape of a tensor, if there is one of this name.
    fn shape(&self, name: &str) -> Option<Vec<usize>>;
    /// Its values in row-major order.
    ///
    /// # Errors
    /// When it is missing, of an unsupported type, or lies outside the file.
    fn read(&self, name: &str) -> Result<Packed, ImportError>;
    /// All names, as the file has them.
    fn names(&self) -> Vec<String>;
    /// The name in the file of a tensor that its architecture calls `name`.
    fn name_in_file(&self, name: &str) -> String {
        name.to_owned()
    }
}

/// Where the configuration says that the classifier is; the key that says so stands in messages.
#[derive(Clone, Copy)]
pub enum Head {
    /// It is the embedding. A file that has another one all the same means that one, with a warning.
    Embedding(&'static str),
    /// The file must have one.
    Own(&'static str),
    /// It is the file's own if there is one, else the embedding.
    OwnOrEmbedding,
}

/// What an architecture calls its tensors. Names of layers stand after `layer` with the number in place of `{}`; an empty name
/// is a part that the architecture does not have.
pub struct Names {
    pub embedding: &'static str,
    pub positions: &'static str,
    pub final_norm: &'static str,
    pub classifier: &'static str,
    pub layer: &'static str,
    pub attn_norm: &'static str,
    /// Query, key and value in one matrix; empty when they are three.
    pub qkv: &'static str,
    /// In that matrix each head's query, key and value follow one another; else all queries, all keys, all values do.
    pub qkv_by_head: bool,
    pub q: &'static str,
    pub k: &'static str,
    pub v: &'static str,
    pub o: &'static str,
    pub q_norm: &'static str,
    pub k_norm: &'static str,
    /// The norm of what attention adds to the residual.
    pub attn_post_norm: &'static str,
    pub mlp_norm: &'static str,
    /// Gate and up in one matrix, one below the other; empty when they are two.
    pub gate_up: &'static str,
    pub gate: &'static str,
    pub up: &'static str,
    pub down: &'static str,
    /// The norm of what the MLP adds to the residual.
    pub mlp_post_norm: &'static str,
    /// What follows the name of a weight.
    pub weight: &'static str,
    /// Matrices of layers are stored inputs x outputs.
    pub transposed: bool,
    /// What gains are stored without: 1 for Gemma.
    pub gain_offset: f32,
    /// Ends of names that carry nothing to compute with.
    pub ignored: &'static [&'static str],
}

/// Makes the model of a configuration whose sizes were checked. The file's own shapes decide what is allocated, and must be
/// those of the configuration.
pub fn assemble(
    tensors: &dyn Tensors,
    names: &Names,
    config: Config,
    head: Head,
) -> Result<Model, ImportError> {
    let mut reader = Reader { tensors, names, used: Vec::new(), prefix: String::new() };
    let embedding = reader.matrix(names.embedding, config.vocab, config.dim, false)?;
    let positions = match names.positions {
        "" => None,
        name => Some(reader.matrix(name, config.context, config.dim, false)?),
    };
    let mut layers = Vec::new();
    for index in 0..config.layers {
        reader.prefix = names.layer.replace("{}", &index.to_string());
        layers.push(reader.layer(&config)?);
    }
    reader.prefix.clear();
    let final_norm = match names.final_norm {
        "" => None,
        name => Some(reader.norm(name, config.dim)?),
    };
    let classifier = reader.classifier(&config, head)?;
    reader.check_all_used()?;
    let mut model =
        Model { config, embedding, positions, layers, final_norm, classifier, warnings: Vec::new() };
    model.share_equal_matrices();
    if let (Head::Embedding(key), Some(_)) = (head, &model.classifier) {
        model.warnings.push(format!(
            "{}: {key} says that {} is the embedding, but the file has another one: the file's own is used",
            tensors.path().display(),
            tensors.name_in_file(&format!("{}{}", names.classifier, names.weight)),
        ));
    }
    model.check().map_err(|source| ImportError::Model { path: tensors.path().to_owned(), source })?;
    Ok(model)
}

struct Reader<'t> {
    tensors: &'t dyn Tensors,
    names: &'t Names,
    used: Vec<String>,
    prefix: String,
}

impl Reader<'_> {
    fn about(&self) -> About<'_> {
        About(self.tensors.path())
    }

    fn read(&mut self, name: String, expected: &[usize]) -> Result<Packed, ImportError> {
        let Some(found) = self.tensors.shape(&name) else {
            return Err(self
                .about()
                .damaged(format!("the tensor {name} is missing; expected one of shape {expected:?}")));
        };
        if found != expected {
            return Err(self.about().damaged(format!(
                "the tensor {name} has shape {found:?}; expected {expected:?} by the configuration"
            )));
        }
        let values = self.tensors.read(&name)?;
        self.used.push(self.tensors.name_in_file(&name));
        Ok(values)
    }

    fn has(&self, name: &str) -> bool {
        self.tensors.shape(name).is_some()
    }

    fn matrix(
        &mut self,
        name: &str,
        outputs: usize,
        inputs: usize,
        transposed: bool,
    ) -> Result<Matrix, ImportError> {
        let name = format!("{}{name}{}", self.prefix, self.names.weight);
        let matrix = match transposed {
            false => Matrix::of_packed(outputs, inputs, self.read(name, &[outputs, inputs])?),
            true => {
                let columns = self.read(name, &[inputs, outputs])?.values();
                Matrix::new(outputs, inputs, transpose(&columns, outputs, inputs))
            }
        };
        matrix.map_err(|source| ImportError::Model { path: self.tensors.path().to_owned(), source })
    }

    fn vector(&mut self, name: &str, suffix: &str, length: usize) -> Result<Option<Vec<f32>>, ImportError> {
        let name = format!("{}{name}{suffix}", self.prefix);
        if self.has(&name) {
            self.read(name, &[length]).map(|packed| Some(packed.values()))
        } else {
            Ok(None)
        }
    }

    fn linear(&mut self, name: &str, outputs: usize, inputs: usize) -> Result<Linear, ImportError> {
        let weight = self.matrix(name, outputs, inputs, self.names.transposed)?;
        Ok(Linear { weight, bias: self.vector(name, ".bias", outputs)? })
    }

    fn norm(&mut self, name: &str, length: usize) -> Result<Norm, ImportError> {
        if name.is_empty() {
            return Ok(Norm::default());
        }
        let weight = format!("{}{name}{}", self.prefix, self.names.weight);
        let mut gain = self.read(weight, &[length])?.values();
        gain.iter_mut().for_each(|gain| *gain += self.names.gain_offset);
        Ok(Norm { gain: Some(gain), bias: self.vector(name, ".bias", length)? })
    }

    /// A norm that not every architecture has.
    fn optional_norm(&mut self, name: &str, length: usize) -> Result<Option<Norm>, ImportError> {
        if name.is_empty() { Ok(None) } else { self.norm(name, length).map(Some) }
    }

    fn classifier(&mut self, config: &Config, head: Head) -> Result<Option<Matrix>, ImportError> {
        let name = format!("{}{}", self.names.classifier, self.names.weight);
        match (self.has(&name), head) {
            (false, Head::Own(key)) => Err(self.about().damaged(format!(
                "the tensor {name} is missing, and {key} does not say that it is the embedding; \
                 expected a model that predicts tokens, or {key}: true"
            ))),
            (false, _) => Ok(None),
            (true, _) => self.matrix(self.names.classifier, config.vocab, config.dim, false).map(Some),
        }
    }

    fn layer(&mut self, config: &Config) -> Result<Layer, ImportError> {
        let names = self.names;
        let (dim, hidden, q_dim, kv_dim) = (config.dim, config.hidden_dim, config.q_dim(), config.kv_dim());
        let attn_norm = self.norm(names.attn_norm, dim)?;
        let [q, k, v] = self.attention(config)?;
        let [q_norm, k_norm] =
            if config.block.whole_qk_norm { [q_dim, kv_dim] } else { [config.head_dim; 2] };
        let (gate, up) = match names.gate_up {
            "" if config.gated => {
                (Some(self.linear(names.gate, hidden, dim)?), self.linear(names.up, hidden, dim)?)
            }
            "" => (None, self.linear(names.up, hidden, dim)?),
            name => {
                let [gate, up] = split(&self.linear(name, 2 * hidden, dim)?, [0..hidden, hidden..2 * hidden]);
                (Some(gate), up)
            }
        };
        Ok(Layer {
            attn_norm,
            q,
            k,
            v,
            o: self.linear(names.o, dim, q_dim)?,
            q_norm: self.optional_norm(names.q_norm, q_norm)?,
            k_norm: self.optional_norm(names.k_norm, k_norm)?,
            attn_post_norm: self.optional_norm(names.attn_post_norm, dim)?,
            mlp_norm: self.norm(names.mlp_norm, dim)?,
            gate,
            up,
            down: self.linear(names.down, dim, hidden)?,
            mlp_post_norm: self.optional_norm(names.mlp_post_norm, dim)?,
        })
    }

    /// Query, key and value.
    fn attention(&mut self, config: &Config) -> Result<[Linear; 3], ImportError> {
        let names = self.names;
        let (dim, q_dim, kv_dim) = (config.dim, config.q_dim(), config.kv_dim());
        if names.qkv.is_empty() {
            return Ok([
                self.linear(names.q, q_dim, dim)?,
                self.linear(names.k, kv_dim, dim)?,
                self.linear(names.v, kv_dim, dim)?,
            ]);
        }
        let all = self.linear(names.qkv, q_dim + 2 * kv_dim, dim)?;
        if !names.qkv_by_head {
            return Ok(split(&all, [0..q_dim, q_dim..q_dim + kv_dim, q_dim + kv_dim..q_dim + 2 * kv_dim]));
        }
        let (heads, width) = (config.heads, config.head_dim);
        let part = move |part: usize| {
            (0..heads).flat_map(move |head| (0..width).map(move |row| (3 * head + part) * width + row))
        };
        Ok(split(&all, [part(0), part(1), part(2)]))
    }

    /// A weight that nothing reads would silently be left out of the result.
    fn check_all_used(&self) -> Result<(), ImportError> {
        let mut used = self.used.clone();
        used.sort();
        let is_extra = |name: &String| {
            used.binary_search(name).is_err() && !self.names.ignored.iter().any(|end| name.ends_with(end))
        };
        match self.tensors.names().into_iter().filter(is_extra).min() {
            None => Ok(()),
            Some(name) => Err(self
                .about()
                .unsupported(format!("the tensor {name}"), "only tensors of this architecture")),
        }
    }
}

fn transpose(values: &[f32], outputs: usize, inputs: usize) -> Vec<f32> {
    let column = |output: usize| (0..inputs).map(move |input| values[input * outputs + output]);
    (0..outputs).flat_map(column).collect()
}

/// Linear maps of some of the outputs each.
fn split<const PARTS: usize>(
    all: &Linear,
    parts: [impl Iterator<Item = usize> + Clone; PARTS],
) -> [Linear; PARTS] {
    parts.map(|rows| {
        let bias = all.bias.as_ref().map(|bias| rows.clone().map(|row| bias[row]).collect());
        Linear { weight: all.weight.selected(rows), bias }
    })
}

/// Factors that a configuration has besides the weights, as Granite's.
#[derive(Clone, Copy, Debug)]
pub struct Multipliers {
    /// Of what attention and MLP add to the residual.
    pub residual: f32,
    /// What logits are divided by.
    pub logits_divisor: f32,
}

impl Default for Multipliers {
    fn default() -> Self {
        Self { residual: 1.0, logits_divisor: 1.0 }
    }
}

impl Multipliers {
    /// Makes the factors part of the weights. The divisor joins the final norm, because the classifier may be the embedding.
    pub fn apply(&self, model: &mut Model) {
        let scale = |values: &mut [f32], factor: f32| values.iter_mut().for_each(|value| *value *= factor);
        for linear in model.layers.iter_mut().flat_map(|layer| [&mut layer.o, &mut layer.down]) {
            if self.residual != 1.0 {
                scale(linear.weight.dense_mut(), self.residual);
            }
            linear.bias.iter_mut().for_each(|bias| scale(bias, self.residual));
        }
        if let Some(Norm { gain, bias }) = &mut model.final_norm {
            [gain, bias].into_iter().flatten().for_each(|values| scale(values, 1.0 / self.logits_divisor));
        }
    }
}
