//! The rules that every [`Model`] obeys, checked once after import so that no later stage has to.

use super::{Block, Config, Layer, Linear, Matrix, Model, Norm, Rope, RopeScaling};

#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ModelError {
    #[error("{field} is 0; expected at least 1")]
    Zero { field: &'static str },
    #[error(
        "{heads} query heads cannot be shared evenly by {kv_heads} key/value heads; \
         expected heads to be a multiple of kv_heads"
    )]
    HeadGroups { heads: usize, kv_heads: usize },
    #[error("{product} is too large for this computer; check the sizes in the configuration")]
    TooLarge { product: &'static str },
    #[error("rotary embedding over {dims} dimensions; expected an even number from 2 to head_dim {head_dim}")]
    RopeDims { dims: usize, head_dim: usize },
    #[error(
        "attention windows of {found} layers are given; expected one for each of the {layers} layers, or none"
    )]
    Windows { layers: usize, found: usize },
    #[error("rotary embeddings of {found} layers are given; expected one for each of the {layers} layers")]
    Ropes { layers: usize, found: usize },
    #[error("the norms behind attention and MLP of layer {layer} are not where the configuration says")]
    NormPlace { layer: usize },
    #[error("{found} rotary divisors are given; expected {expected}, one for each rotating pair")]
    RopeDivisors { expected: usize, found: usize },
    #[error("{field} is {found}; expected a finite number above 0")]
    NotPositive { field: &'static str, found: f32 },
    #[error("a matrix of {outputs} x {inputs} cannot hold {found} values")]
    MatrixLength { outputs: usize, inputs: usize, found: usize },
    #[error("the configuration has {expected} layers, the weights have {found}")]
    LayerCount { expected: usize, found: usize },
    #[error("{array} is {found}; expected {expected} by the configuration")]
    Shape { array: String, expected: String, found: String },
    #[error("{array} is missing; the configuration says the MLP is gated")]
    GateMissing { array: String },
    #[error("{array} is present; the configuration says the MLP is not gated")]
    GateUnexpected { array: String },
    #[error(
        "{array}[{index}] is {value}; expected a finite weight. \
         The file is damaged, or its training diverged"
    )]
    NotFinite { array: String, index: usize, value: f32 },
}

/// One weight array of a model under a readable name such as `layers[3].wq`.
pub(super) struct NamedArray<'m> {
    pub name: String,
    /// (outputs, inputs) of a matrix, (length, 1) of a vector.
    pub shape: (usize, usize),
    pub expected: (usize, usize),
    pub values: Values<'m>,
}

pub(super) enum Values<'m> {
    Vector(&'m [f32]),
    Matrix(&'m Matrix),
}

impl Values<'_> {
    /// Index and value of the first that is not finite.
    fn first_not_finite(&self) -> Option<(usize, f32)> {
        let find = |row: &[f32]| row.iter().copied().enumerate().find(|(_, value)| !value.is_finite());
        match self {
            Self::Vector(values) => find(values),
            Self::Matrix(matrix) => matrix.rows().enumerate().find_map(|(output, row)| {
                find(&row).map(|(input, value)| (output * matrix.inputs() + input, value))
            }),
        }
    }
}

struct Collector<'m> {
    prefix: String,
    arrays: Vec<NamedArray<'m>>,
}

impl<'m> Collector<'m> {
    fn matrix(&mut self, name: &str, matrix: &'m Matrix, outputs: usize, inputs: usize) {
        self.arrays.push(NamedArray {
            name: format!("{}{name}", self.prefix),
            shape: (matrix.outputs(), matrix.inputs()),
            expected: (outputs, inputs),
            values: Values::Matrix(matrix),
        });
    }

    fn vector(&mut self, name: String, values: Option<&'m Vec<f32>>, length: usize) {
        if let Some(values) = values {
            let name = format!("{}{name}", self.prefix);
            let (shape, expected, values) = ((values.len(), 1), (length, 1), Values::Vector(values));
            self.arrays.push(NamedArray { name, shape, expected, values });
        }
    }

    fn linear(&mut self, name: &str, linear: &'m Linear, outputs: usize, inputs: usize) {
        self.matrix(name, &linear.weight, outputs, inputs);
        self.vector(format!("{name}.bias"), linear.bias.as_ref(), outputs);
    }

    fn norm(&mut self, name: &str, norm: Option<&'m Norm>, length: usize) {
        if let Some(norm) = norm {
            self.vector(format!("{name}.gain"), norm.gain.as_ref(), length);
            self.vector(format!("{name}.bias"), norm.bias.as_ref(), length);
        }
    }

    fn layer(&mut self, layer: &'m Layer, config: &Config) {
        let (dim, hidden, q_dim, kv_dim) = (config.dim, config.hidden_dim, config.q_dim(), config.kv_dim());
        self.norm("attn_norm", Some(&layer.attn_norm), dim);
        self.linear("q", &layer.q, q_dim, dim);
        self.linear("k", &layer.k, kv_dim, dim);
        self.linear("v", &layer.v, kv_dim, dim);
        self.linear("o", &layer.o, dim, q_dim);
        let [q_norm, k_norm] =
            if config.block.whole_qk_norm { [q_dim, kv_dim] } else { [config.head_dim; 2] };
        self.norm("q_norm", layer.q_norm.as_ref(), q_norm);
        self.norm("k_norm", layer.k_norm.as_ref(), k_norm);
        self.norm("attn_post_norm", layer.attn_post_norm.as_ref(), dim);
        self.norm("mlp_norm", Some(&layer.mlp_norm), dim);
        if let Some(gate) = &layer.gate {
            self.linear("gate", gate, hidden, dim);
        }
        self.linear("up", &layer.up, hidden, dim);
        self.linear("down", &layer.down, dim, hidden);
        self.norm("mlp_post_norm", layer.mlp_post_norm.as_ref(), dim);
    }
}

impl Model {
    /// Every weight array with the shape that the configuration asks for.
    pub(super) fn arrays(&self) -> Vec<NamedArray<'_>> {
        let config = &self.config;
        let mut found = Collector { prefix: String::new(), arrays: Vec::new() };
        found.matrix("embedding", &self.embedding, config.vocab, config.dim);
        if let Some(positions) = &self.positions {
            found.matrix("positions", positions, config.context, config.dim);
        }
        for (index, layer) in self.layers.iter().enumerate() {
            found.prefix = format!("layers[{index}].");
            found.layer(layer, config);
        }
        found.prefix.clear();
        found.norm("final_norm", self.final_norm.as_ref(), config.dim);
        if let Some(classifier) = &self.classifier {
            found.matrix("classifier", classifier, config.vocab, config.dim);
        }
        found.arrays
    }

    /// Checks the configuration, every shape and every weight.
    ///
    /// # Errors
    /// The first rule that does not hold, naming the array and the index.
    pub fn check(&self) -> Result<(), ModelError> {
        self.config.check()?;
        if self.layers.len() != self.config.layers {
            return Err(ModelError::LayerCount { expected: self.config.layers, found: self.layers.len() });
        }
        for (index, layer) in self.layers.iter().enumerate() {
            let after = [layer.attn_post_norm.is_some(), layer.mlp_post_norm.is_some()];
            if after != [self.config.block.norms.is_after(); 2] {
                return Err(ModelError::NormPlace { layer: index });
            }
            let array = || format!("layers[{index}].gate");
            match (&layer.gate, self.config.gated) {
                (None, true) => return Err(ModelError::GateMissing { array: array() }),
                (Some(_), false) => return Err(ModelError::GateUnexpected { array: array() }),
                _ => {}
            }
        }
        self.arrays().iter().try_for_each(NamedArray::check)
    }
}

impl NamedArray<'_> {
    fn check(&self) -> Result<(), ModelError> {
        if self.shape != self.expected {
            let text = |(outputs, inputs): (usize, usize)| format!("{outputs} x {inputs}");
            return Err(ModelError::Shape {
                array: self.name.clone(),
                expected: text(self.expected),
                found: text(self.shape),
            });
        }
        match self.values.first_not_finite() {
            None => Ok(()),
            Some((index, value)) => Err(ModelError::NotFinite { array: self.name.clone(), index, value }),
        }
    }
}

impl Config {
    /// Checks what can be said without the weights.
    ///
    /// # Errors
    /// The first rule that does not hold.
    pub fn check(&self) -> Result<(), ModelError> {
        let sizes = [
            ("dim", self.dim),
            ("hidden_dim", self.hidden_dim),
            ("layers", self.layers),
            ("heads", self.heads),
            ("kv_heads", self.kv_heads),
            ("head_dim", self.head_dim),
            ("vocab", self.vocab),
            ("context", self.context),
        ];
        if let Some(&(field, _)) = sizes.iter().find(|(_, size)| *size == 0) {
            return Err(ModelError::Zero { field });
        }
        if !self.heads.is_multiple_of(self.kv_heads) {
            return Err(ModelError::HeadGroups { heads: self.heads, kv_heads: self.kv_heads });
        }
        if self.heads.checked_mul(self.head_dim).is_none() {
            return Err(ModelError::TooLarge { product: "heads * head_dim" });
        }
        if !self.windows.is_empty() && self.windows.len() != self.layers {
            return Err(ModelError::Windows { layers: self.layers, found: self.windows.len() });
        }
        if self.windows.contains(&Some(0)) {
            return Err(ModelError::Zero { field: "attention window" });
        }
        positive("the epsilon of the normalisation", self.norm.eps())?;
        positive("the factor on the embedding", self.embedding_scale)?;
        positive("the factor on the scores", self.attention_scale())?;
        self.block.check(self.layers)?;
        self.ropes().try_for_each(|rope| rope.check(self.head_dim))
    }

    /// Every rotary embedding that a layer may have.
    fn ropes(&self) -> impl Iterator<Item = &Rope> {
        self.rope.iter().chain(self.block.ropes.iter().flatten())
    }
}

impl Block {
    fn check(&self, layers: usize) -> Result<(), ModelError> {
        if !self.ropes.is_empty() && self.ropes.len() != layers {
            return Err(ModelError::Ropes { layers, found: self.ropes.len() });
        }
        positive("the cap of the scores", self.score_cap.unwrap_or(1.0))?;
        positive("the cap of the logits", self.logit_cap.unwrap_or(1.0))
    }
}

impl Rope {
    fn check(&self, head_dim: usize) -> Result<(), ModelError> {
        if self.dims == 0 || !self.dims.is_multiple_of(2) || self.dims > head_dim {
            return Err(ModelError::RopeDims { dims: self.dims, head_dim });
        }
        positive("theta of the rotary embedding", self.theta)?;
        match &self.scaling {
            RopeScaling::None => Ok(()),
            RopeScaling::Linear { factor } => positive("the factor of the rotary scaling", *factor),
            RopeScaling::Llama3 { factor, low_frequency_factor, high_frequency_factor, original_context } => {
                positive("the factor of the rotary scaling", *factor)?;
                positive("the low frequency factor of the rotary scaling", *low_frequency_factor)?;
                let distance = high_frequency_factor - low_frequency_factor;
                positive("the distance of the frequency factors of the rotary scaling", distance)?;
                positive("the original context of the rotary scaling", *original_context as f32)
            }
            RopeScaling::Divisors { divisors, .. } if divisors.len() != self.dims / 2 => {
                Err(ModelError::RopeDivisors { expected: self.dims / 2, found: divisors.len() })
            }
            RopeScaling::Divisors { divisors, magnitude } => {
                positive("the magnitude of the rotary scaling", *magnitude)?;
                divisors.iter().try_for_each(|divisor| positive("a rotary divisor", *divisor))
            }
        }
    }
}

fn positive(field: &'static str, found: f32) -> Result<(), ModelError> {
    if found.is_finite() && found > 0.0 { Ok(()) } else { Err(ModelError::NotPositive { field, found }) }
}

#[cfg(test)]
mod tests {
    use super::super::synthetic::{synthetic, tiny_gpt2, tiny_llama};
    use super::*;

    #[test]
    fn a_weight_that_is_not_finite_is_named() {
        let mut model = synthetic(&tiny_llama(), 1).unwrap();
        model.layers[1].up.weight.dense_mut()[7] = f32::NAN;
        assert_eq!(
            model.check().unwrap_err().to_string(),
            "layers[1].up[7] is NaN; expected a finite weight. \
             The file is damaged, or its training diverged"
        );
    }

    #[test]
    fn shapes_are_held_against_the_configuration() {
        let mut model = synthetic(&tiny_gpt2(), 1).unwrap();
        model.layers[0].k.bias.as_mut().unwrap().pop();
        let dim = model.config.kv_dim();
        assert_eq!(
            model.check().unwrap_err().to_string(),
            format!("layers[0].k.bias is {} x 1; expected {dim} x 1 by the configuration", dim - 1)
        );
    }

    #[test]
    fn a_gate_is_present_exactly_when_the_mlp_is_gated() {
        let mut model = synthetic(&tiny_llama(), 1).unwrap();
        let gate = model.layers[0].gate.take();
        assert!(matches!(model.check(), Err(ModelError::GateMissing { .. })));
        model.layers[0].gate = gate;
        model.config.gated = false;
        assert!(matches!(model.check(), Err(ModelError::GateUnexpected { .. })));
    }

    #[test]
    fn impossible_configurations_are_refused() {
        let good = tiny_llama();
        assert_eq!(good.check(), Ok(()));
        let zero = Config { context: 0, ..good.clone() };
        assert_eq!(zero.check(), Err(ModelError::Zero { field: "context" }));
        let groups = Config { heads: 4, kv_heads: 3, ..good.clone() };
        assert_eq!(groups.check(), Err(ModelError::HeadGroups { heads: 4, kv_heads: 3 }));
        let rope = good.rope.clone().map(|rope| Rope { dims: good.head_dim + 2, ..rope });
        assert!(matches!(Config { rope, ..good.clone() }.check(), Err(ModelError::RopeDims { .. })));
        let windows = Config { windows: vec![Some(4)], ..good.clone() };
        assert_eq!(windows.check(), Err(ModelError::Windows { layers: 2, found: 1 }));
        let scaling = RopeScaling::Divisors { divisors: vec![1.0], magnitude: 1.0 };
        let rope = good.rope.clone().map(|rope| Rope { scaling, ..rope });
        let divisors = Config { rope, ..good };
        assert_eq!(divisors.check(), Err(ModelError::RopeDivisors { expected: 2, found: 1 }));
    }
}
