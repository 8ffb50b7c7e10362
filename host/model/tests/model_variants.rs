//! The forward pass in every supported style, and the measures that compare two sources of logits.

use lpu_model::eval::{self, BoxError, EvalError, LogitSource};
use lpu_model::reference::{Next, Site, StepError, Unobserved, argmax, keys_and_values_of_position_zero};
use lpu_model::synthetic::{Extras, micro_gpt, synthetic, synthetic_with, tiny_gpt2, tiny_llama};
use lpu_model::{
    Activation, Config, Linear, Matrix, Model, ModelError, Norm, ReadAhead, Reference, Rope, RopePairing,
    RopeScaling,
};

const SEED: u64 = 42;
const TOKENS: [u32; 5] = [1, 5, 2, 26, 5];

/// Head normalisation, q/k/v biases, partial rotation of halves, heads wider than the residual, exact
/// GELU and a classifier of its own, all at once.
fn everything() -> Result<Model, ModelError> {
    let config = Config {
        head_dim: 8,
        rope: Some(Rope {
            theta: 10_000.0,
            pairing: RopePairing::Halves,
            dims: 6,
            scaling: RopeScaling::None,
        }),
        activation: Activation::Gelu,
        ..tiny_llama()
    };
    let extras = Extras { qkv_bias: true, head_norm: true, tied: false, ..Extras::usual(&config) };
    synthetic_with(&config, extras, SEED)
}

fn last_logits(model: &Model, tokens: &[u32]) -> Vec<f32> {
    let mut reference = Reference::new(model);
    let mut logits = Vec::new();
    for (position, token) in tokens.iter().enumerate() {
        logits = reference.step(*token, position).unwrap().to_vec();
    }
    logits
}

fn assert_near(found: &[f32], expected: &[f32]) {
    assert!(!expected.is_empty() && found.len() >= expected.len());
    for (found, expected) in found.iter().zip(expected) {
        assert!((found - expected).abs() < 1e-4, "{found}, expected {expected}");
    }
}

/// The expected values come from a double-precision program written apart from this one, which has no cache:
/// it computes all positions of all layers anew.
#[test]
fn every_style_matches_an_independent_computation() {
    let check = |model: Model, first: [f32; 6], best: usize| {
        let logits = last_logits(&model, &TOKENS);
        assert_near(&logits, &first);
        assert_eq!(argmax(&logits), best);
    };
    let llama = [0.38163, 2.39673, -2.98238, 2.38807, 1.39848, 4.4746];
    check(synthetic(&tiny_llama(), SEED).unwrap(), llama, 116);
    let gpt2 = [2.44715, -5.51863, 5.97743, 3.35532, -4.63871, -1.98883];
    check(synthetic(&tiny_gpt2(), SEED).unwrap(), gpt2, 218);
    let micro = [3.96405, -1.43249, 3.41101, 0.10937, -0.7066, -0.34056];
    check(synthetic(&micro_gpt(), SEED).unwrap(), micro, 0);
    let all = [1.35919, 2.66912, 4.3358, -1.65749, -1.57392, 2.32436];
    check(everything().unwrap(), all, 299);
}

/// Rows of q and k in another order, with the pairing that belongs to it, are the same model.
#[test]
fn both_rotary_pairings_say_the_same_of_permuted_weights() {
    let adjacent = synthetic(&tiny_llama(), 8).unwrap();
    let mut halves = adjacent.clone();
    let rope = adjacent.config.rope.clone().unwrap();
    halves.config.rope = Some(Rope { pairing: RopePairing::Halves, ..rope });
    for layer in &mut halves.layers {
        for linear in [&mut layer.q, &mut layer.k] {
            let (outputs, inputs) = (linear.weight.outputs(), linear.weight.inputs());
            let from = |row: usize| row / 4 * 4 + [0, 2, 1, 3][row % 4];
            let data = (0..outputs).flat_map(|row| linear.weight.row(from(row)).to_vec()).collect();
            *linear = Linear::without_bias(Matrix::new(outputs, inputs, data).unwrap());
        }
    }
    assert_near(&last_logits(&halves, &TOKENS), &last_logits(&adjacent, &TOKENS));
    halves.config.rope = adjacent.config.rope.clone();
    assert_ne!(last_logits(&halves, &TOKENS), last_logits(&adjacent, &TOKENS));
}

#[test]
fn a_step_back_forgets_what_came_later() {
    let model = synthetic(&tiny_gpt2(), SEED).unwrap();
    let mut reference = Reference::new(&model);
    for (position, token) in [1, 5, 99, 98].into_iter().enumerate() {
        reference.step(token, position).unwrap();
    }
    for (position, token) in TOKENS.into_iter().enumerate().skip(2) {
        reference.step(token, position).unwrap();
    }
    let position = TOKENS.len() - 1;
    assert_eq!(reference.position(), TOKENS.len());
    assert_eq!(reference.step(TOKENS[position], position).unwrap(), last_logits(&model, &TOKENS));
}

/// Whatever is computed beside a token: other positions of its text, or another text.
#[test]
fn tokens_together_are_those_one_by_one() {
    let windowed = Config { windows: vec![Some(2), None], ..tiny_llama() };
    let models =
        [synthetic(&tiny_gpt2(), SEED).unwrap(), synthetic(&windowed, SEED).unwrap(), everything().unwrap()];
    for model in models {
        let alone = |tokens: &[u32]| -> Vec<Vec<f32>> {
            (1..=tokens.len()).map(|count| last_logits(&model, &tokens[..count])).collect()
        };
        let (one, other) = (alone(&TOKENS), alone(&[7, 7, 1]));
        let of = |text: usize, tokens: &[u32]| -> Vec<Next> {
            tokens.iter().map(|&token| Next { text, token }).collect()
        };
        let mut reference = Reference::with_texts(&model, 2);
        let whole = reference.run(&of(0, &TOKENS), &mut Unobserved).unwrap();
        assert_eq!(whole, one);
        reference.reset();
        let first = [of(0, &TOKENS[..2]), of(1, &[7])].concat();
        assert_eq!(reference.run(&first, &mut Unobserved).unwrap(), [&one[..2], &other[..1]].concat());
        let mixed = [of(1, &[7]), of(0, &TOKENS[2..]), of(1, &[1])].concat();
        let expected = [&other[1..2], &one[2..], &other[2..]].concat();
        assert_eq!(reference.run(&mixed, &mut Unobserved).unwrap(), expected);
        assert_eq!(reference.position(), TOKENS.len());
    }
}

#[test]
fn position_zero_has_the_keys_and_values_that_a_step_shows() {
    let model = everything().unwrap();
    let mut seen = [Vec::new(), Vec::new()];
    let mut note = |site, _, _, values: &[f32]| match site {
        Site::K => seen[0].push(values.to_vec()),
        Site::V => seen[1].push(values.to_vec()),
        _ => {}
    };
    Reference::new(&model).run(&[Next { text: 0, token: 9 }], &mut note).unwrap();
    let found = keys_and_values_of_position_zero(&model, 9).unwrap();
    assert_eq!(found.len(), model.layers.len());
    for (layer, found) in found.iter().enumerate() {
        assert_eq!([&found.keys, &found.values], [&seen[0][layer], &seen[1][layer]]);
    }
    assert!(keys_and_values_of_position_zero(&model, 300).is_err());
}

#[test]
fn impossible_steps_are_told() {
    let model = synthetic(&micro_gpt(), SEED).unwrap();
    let mut reference = Reference::new(&model);
    assert_eq!(reference.step(27, 0), Err(StepError::Token { token: 27, max: 26 }));
    assert_eq!(reference.step(0, 1), Err(StepError::Gap { position: 1, next: 0 }));
    for position in 0..16 {
        reference.step(26, position).unwrap();
    }
    let full = reference.step(26, 16).unwrap_err();
    assert_eq!(full.to_string(), "position 16 is beyond the context of 16; start again from position 0");
}

#[test]
fn an_observer_sees_every_vector_and_changes_nothing() {
    let model = synthetic(&tiny_llama(), SEED).unwrap();
    let mut seen = Vec::new();
    let mut reference = Reference::new(&model);
    reference.step(1, 0).unwrap();
    let mut note = |site, layer, column, values: &[f32]| {
        assert_eq!(column, 0);
        seen.push((site, layer, values.len()));
    };
    let logits = reference.run(&[Next { text: 0, token: 5 }], &mut note).unwrap().to_vec();
    assert_eq!(logits, [last_logits(&model, &[1, 5])]);

    use Site::*;
    let head = [(Scores, 2), (Probabilities, 2)];
    let mut layer =
        vec![(Residual, 16), (AttnIn, 16), (QProjected, 16), (KProjected, 8), (Q, 16), (K, 8), (V, 8)];
    layer.extend(head.repeat(4));
    layer.extend([(Mix, 16), (AttnOut, 16), (ResidualMid, 16), (MlpIn, 16), (Up, 44), (Gate, 44)]);
    layer.extend([(Hidden, 44), (MlpOut, 16)]);
    let mut expected: Vec<(Site, usize, usize)> = Vec::new();
    for index in 0..2 {
        expected.extend(layer.iter().map(|(site, length)| (*site, index, *length)));
    }
    expected.extend([(Residual, 2, 16), (FinalIn, 2, 16), (Logits, 2, 300)]);
    assert_eq!(seen, expected);
}

/// Says the same logits whatever it reads.
struct Fixed(Vec<f64>);

impl LogitSource for Fixed {
    fn reset(&mut self) -> Result<(), BoxError> {
        Ok(())
    }

    fn step(&mut self, _: u32, logits: &mut Vec<f64>) -> Result<(), BoxError> {
        logits.clone_from(&self.0);
        Ok(())
    }
}

#[test]
fn scores_follow_their_definition() {
    let ln = |p: &[f64]| Fixed(p.iter().map(|p| p.ln() + 3.0).collect());
    let (mut p, mut q) = (ln(&[0.5, 0.25, 0.25]), ln(&[0.25, 0.5, 0.25]));
    let stories = [vec![0, 0, 1], vec![2, 2]];
    let found = eval::compare(&mut p, &mut q, &stories).unwrap();
    assert_eq!((found.reference.predictions, found.top1_agreement), (3, 0.0));
    assert!((found.reference.nll_nats - (0.5f64 * 0.25 * 0.25).ln() / -3.0).abs() < 1e-12);
    assert!((found.other.perplexity() - (0.25f64 * 0.5 * 0.25).powf(-1.0 / 3.0)).abs() < 1e-12);
    assert!((found.kl_nats - 0.25 * 2f64.ln()).abs() < 1e-12);
    assert_eq!(eval::score(&mut p, &stories).unwrap(), found.reference);
}

#[test]
fn a_source_compared_with_itself_agrees() {
    let model = synthetic(&tiny_llama(), SEED).unwrap();
    let stories = [TOKENS.to_vec(), vec![1], vec![7; 20]];
    let found = eval::compare(&mut Reference::new(&model), &mut Reference::new(&model), &stories).unwrap();
    assert_eq!((found.top1_agreement, found.kl_nats, found.reference), (1.0, 0.0, found.other));
    assert_eq!(found.reference.predictions, 23);
}

#[test]
fn a_reference_that_reads_ahead_says_the_same() {
    let config = Config { context: 200, ..tiny_llama() };
    let model = synthetic(&config, SEED).unwrap();
    let long: Vec<u32> = (0..150).map(|position| position * 7 % 300).collect();
    let stories = [TOKENS.to_vec(), long];
    let found = eval::compare(&mut Reference::new(&model), &mut ReadAhead::new(&model), &stories).unwrap();
    assert_eq!((found.kl_nats, found.reference), (0.0, found.other));
    assert_eq!(found.reference.predictions, 153);

    let mut ahead = ReadAhead::new(&model);
    ahead.begin(&[3, 4]).unwrap();
    let mut logits = Vec::new();
    ahead.step(3, &mut logits).unwrap();
    let error = ahead.step(5, &mut logits).unwrap_err().to_string();
    assert_eq!(error, "token 5 is read where 4 was announced");
}

#[test]
fn unusable_logits_are_told() {
    let stories = [vec![0, 1]];
    let error = eval::score(&mut Fixed(vec![0.0, f64::NAN]), &stories).unwrap_err().to_string();
    assert!(error.starts_with("story 0, position 0: the logit of id 1 is NaN"), "{error}");
    let error = eval::compare(&mut Fixed(vec![0.0; 3]), &mut Fixed(vec![0.0; 2]), &stories).unwrap_err();
    assert!(matches!(error, EvalError::Vocabulary { expected: 3, found: 2, .. }), "{error}");
    let error = eval::score(&mut Fixed(vec![0.0; 2]), &[vec![0, 2]]).unwrap_err();
    assert!(matches!(error, EvalError::NextId { next: 2, found: 2, .. }), "{error}");
    let error = eval::score(&mut Fixed(vec![0.0; 2]), &[vec![0]]).unwrap_err();
    assert!(matches!(error, EvalError::NothingToPredict), "{error}");
    let model = synthetic(&micro_gpt(), SEED).unwrap();
    let sources: [&mut dyn LogitSource; 2] = [&mut Reference::new(&model), &mut ReadAhead::new(&model)];
    for source in sources {
        let error = eval::score(source, &[vec![0; 18]]).unwrap_err().to_string();
        assert!(
            error.starts_with("story 0, position 16: position 16 is beyond the context of 16"),
            "{error}"
        );
    }
}

#[test]
fn stories_are_cut_at_separator_lines() {
    let text = "One.\nTwo.\n<|story|>\nThree.\n";
    assert_eq!(eval::stories(text).collect::<Vec<_>>(), ["One.\nTwo.", "Three."]);
}

/// A gain of one and a bias of zero are no gain and no bias.
#[test]
fn absent_gains_and_biases_are_neutral() {
    let bare = synthetic(&micro_gpt(), SEED).unwrap();
    let mut explicit = bare.clone();
    let dim = bare.config.dim;
    for layer in &mut explicit.layers {
        layer.attn_norm = Norm { gain: Some(vec![1.0; dim]), bias: Some(vec![0.0; dim]) };
        layer.up.bias = Some(vec![0.0; bare.config.hidden_dim]);
    }
    assert_eq!(last_logits(&explicit, &TOKENS), last_logits(&bare, &TOKENS));
}
