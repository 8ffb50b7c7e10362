//! Pass 0: the same function with fewer kinds of parts. What leaves here has RMSNorm with gains alone, and biases where an addition
//! follows anyway.
//!
//! | in the model | becomes |
//! |---|---|
//! | LayerNorm | RMSNorm of a residual whose mean is zero, because whatever is added to it is centred before |
//! | bias of a norm | biases of the matrices that read it |
//! | bias of v | bias of o: probabilities add up to one |
//! | scale of the embedding | part of the embedding |
//! | magnitude of a rotary embedding | part of q and k, or of their norms |
//! | gains of the norms before attention and MLP, where both read the same residual | part of the matrices behind them |
//!
//! Embedding and classifier part ways when the embedding is scaled, or the residual centred: the classifier reads the normalised
//! vector, whose mean is not zero.

use lpu_model::{Layer, Linear, Matrix, Model, Norm, NormKind, RopeScaling};

/// A model of the kind that programs are written for, and what the classifier adds to each logit.
pub struct Simplified {
    pub model: Model,
    pub logits_bias: Option<Vec<f32>>,
}

/// Rewrites a model. Logits stay the same but for rounding.
pub fn simplify(model: &Model) -> Simplified {
    let mut model = model.clone();
    if let NormKind::Layer { eps } = model.config.norm {
        centre(&mut model);
        model.config.norm = NormKind::Rms { eps };
    }
    scale_embedding(&mut model);
    scale_rotated(&mut model);
    let heads = Heads { count: model.config.heads, shared: model.config.heads / model.config.kv_heads };
    for layer in &mut model.layers {
        move_norm_biases(layer);
        move_value_bias(layer, &heads);
        if model.config.block.parallel {
            move_norm_gains(layer);
        }
    }
    let bias = model.final_norm.as_mut().and_then(|norm| norm.bias.take());
    let logits_bias = bias.map(|bias| product(model.classifier_matrix(), &bias));
    Simplified { model, logits_bias }
}

/// Takes the mean out of everything that is added to the residual: no norm sees it.
fn centre(model: &mut Model) {
    part_classifier(model);
    centre_rows(&mut model.embedding);
    if let Some(positions) = &mut model.positions {
        centre_rows(positions);
    }
    for layer in &mut model.layers {
        for linear in [&mut layer.o, &mut layer.down] {
            centre_outputs(&mut linear.weight);
            if let Some(bias) = &mut linear.bias {
                subtract_mean(bias);
            }
        }
    }
}

fn part_classifier(model: &mut Model) {
    if model.classifier.is_none() {
        model.classifier = Some(model.embedding.clone());
    }
}

fn scale_embedding(model: &mut Model) {
    let scale = std::mem::replace(&mut model.config.embedding_scale, 1.0);
    if scale != 1.0 {
        part_classifier(model);
        model.embedding.dense_mut().iter_mut().for_each(|value| *value *= scale);
    }
}

/// Makes the magnitudes of rotary embeddings part of q and k.
fn scale_rotated(model: &mut Model) {
    let config = model.config.clone();
    for (index, layer) in model.layers.iter_mut().enumerate() {
        let Some(rope) = config.rope_of(index).filter(|rope| rope.magnitude() != 1.0) else { continue };
        let mut factors = vec![1.0; config.head_dim];
        for pair in 0..rope.dims / 2 {
            let (first, second) = rope.pair_dims(pair);
            (factors[first], factors[second]) = (rope.magnitude(), rope.magnitude());
        }
        scale_heads(&mut layer.q, layer.q_norm.as_mut(), &factors);
        scale_heads(&mut layer.k, layer.k_norm.as_mut(), &factors);
    }
    for rope in model.config.rope.iter_mut().chain(model.config.block.ropes.iter_mut().flatten()) {
        if let RopeScaling::Divisors { magnitude, .. } = &mut rope.scaling {
            *magnitude = 1.0;
        }
    }
}

/// Multiplies each head's dimensions, behind the norm if there is one.
fn scale_heads(linear: &mut Linear, norm: Option<&mut Norm>, factors: &[f32]) {
    let multiply = |values: &mut [f32]| {
        values.iter_mut().zip(factors.iter().cycle()).for_each(|(value, factor)| *value *= factor);
    };
    match norm {
        Some(Norm { gain, bias }) => {
            multiply(gain.get_or_insert_with(|| vec![1.0; factors.len()]));
            bias.iter_mut().for_each(|bias| multiply(bias));
        }
        None => {
            let inputs = linear.weight.inputs();
            let rows = linear.weight.dense_mut().chunks_exact_mut(inputs);
            for (row, factor) in rows.zip(factors.iter().cycle()) {
                row.iter_mut().for_each(|value| *value *= factor);
            }
            linear.bias.iter_mut().for_each(|bias| multiply(bias));
        }
    }
}

/// Makes the gains of a layer's norms part of the matrices that read them.
fn move_norm_gains(layer: &mut Layer) {
    let Layer { attn_norm, mlp_norm, q, k, v, gate, up, .. } = layer;
    let attention = [q, k, v].into_iter().map(|linear| (&attn_norm.gain, linear));
    let mlp = gate.iter_mut().chain([up]).map(|linear| (&mlp_norm.gain, linear));
    for (gain, linear) in attention.chain(mlp) {
        let Some(gain) = gain else { continue };
        let inputs = linear.weight.inputs();
        for row in linear.weight.dense_mut().chunks_exact_mut(inputs) {
            row.iter_mut().zip(gain).for_each(|(value, gain)| *value *= gain);
        }
    }
    (attn_norm.gain, mlp_norm.gain) = (None, None);
}

fn subtract_mean(values: &mut [f32]) {
    let mean = values.iter().map(|value| f64::from(*value)).sum::<f64>() / values.len() as f64;
    values.iter_mut().for_each(|value| *value = (f64::from(*value) - mean) as f32);
}

fn centre_rows(matrix: &mut Matrix) {
    let inputs = matrix.inputs();
    matrix.dense_mut().chunks_exact_mut(inputs).for_each(subtract_mean);
}

/// Makes the outputs' mean zero, whatever the input.
fn centre_outputs(matrix: &mut Matrix) {
    let (outputs, inputs) = (matrix.outputs(), matrix.inputs());
    let data = matrix.dense_mut();
    for input in 0..inputs {
        let mean =
            (0..outputs).map(|output| f64::from(data[output * inputs + input])).sum::<f64>() / outputs as f64;
        for output in 0..outputs {
            let value = &mut data[output * inputs + input];
            *value = (f64::from(*value) - mean) as f32;
        }
    }
}

fn move_norm_biases(layer: &mut Layer) {
    let Layer { attn_norm, mlp_norm, q, k, v, gate, up, .. } = layer;
    if let Some(bias) = attn_norm.bias.take() {
        [q, k, v].into_iter().for_each(|linear| add_input(linear, &bias));
    }
    if let Some(bias) = mlp_norm.bias.take() {
        gate.iter_mut().chain([up]).for_each(|linear| add_input(linear, &bias));
    }
}

/// What a constant part of the input does becomes part of the bias.
fn add_input(linear: &mut Linear, input: &[f32]) {
    let added = product(&linear.weight, input);
    match &mut linear.bias {
        Some(bias) => bias.iter_mut().zip(added).for_each(|(bias, added)| *bias += added),
        None => linear.bias = Some(added),
    }
}

struct Heads {
    count: usize,
    shared: usize,
}

fn move_value_bias(layer: &mut Layer, heads: &Heads) {
    let Some(bias) = layer.v.bias.take() else { return };
    let width = layer.o.weight.inputs() / heads.count;
    let mixed: Vec<f32> =
        (0..heads.count).flat_map(|head| &bias[head / heads.shared * width..][..width]).copied().collect();
    add_input(&mut layer.o, &mixed);
}

fn product(matrix: &Matrix, input: &[f32]) -> Vec<f32> {
    let dot =
        |row: &[f32]| row.iter().zip(input).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum::<f64>() as f32;
    matrix.rows().map(|row| dot(&row)).collect()
}

/// The gain of a norm that may be absent.
pub fn gain(norm: Option<&Norm>, channel: usize) -> f64 {
    norm.and_then(|norm| norm.gain.as_ref()).map_or(1.0, |gain| f64::from(gain[channel]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use lpu_model::Reference;
    use lpu_model::synthetic::{Extras, synthetic_with, tiny_gpt2, tiny_llama};

    #[test]
    fn the_simplified_model_makes_the_same_logits() {
        let biased =
            Extras { norm_bias: true, qkv_bias: true, other_bias: true, ..Extras::usual(&tiny_llama()) };
        for (config, extras) in [(tiny_gpt2(), Extras::usual(&tiny_gpt2())), (tiny_llama(), biased)] {
            let model = synthetic_with(&config, extras, 3).expect("a possible shape");
            let Simplified { model: simple, logits_bias } = simplify(&model);
            assert!(matches!(simple.config.norm, NormKind::Rms { .. }));
            assert!(
                simple.layers.iter().all(|layer| layer.v.bias.is_none() && layer.attn_norm.bias.is_none())
            );
            let bias = logits_bias.expect("the final norm has a bias");
            let (mut reference, mut simplified) = (Reference::new(&model), Reference::new(&simple));
            for position in 0..8 {
                let token = (position * 31 + 5) as u32;
                let expected = reference.step(token, position).expect("positions in order");
                let found = simplified.step(token, position).expect("positions in order");
                for ((expected, found), bias) in expected.iter().zip(found).zip(&bias) {
                    assert!((expected - found - bias).abs() < 1e-3, "{expected} {found} {bias}");
                }
            }
        }
    }
}
