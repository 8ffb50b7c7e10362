//! What the forward pass does with one vector at a time.

use crate::{Norm, NormKind, Rope};
use rayon::prelude::*;

/// Values from which on threads are worth their start.
const PARALLEL_MIN: usize = 1 << 13;

/// A result of each vector, on all cores where that is much work.
pub fn each<R: Send>(vectors: &[Vec<f32>], of: impl Fn(usize, &[f32]) -> R + Sync) -> Vec<R> {
    let values: usize = vectors.iter().map(Vec::len).sum();
    match values < PARALLEL_MIN || vectors.len() == 1 {
        true => vectors.iter().enumerate().map(|(column, vector)| of(column, vector)).collect(),
        false => vectors.par_iter().enumerate().map(|(column, vector)| of(column, vector)).collect(),
    }
}

pub fn add(sum: &mut [f32], term: &[f32]) {
    sum.iter_mut().zip(term).for_each(|(sum, term)| *sum += term);
}

pub fn add_each(sums: &mut [Vec<f32>], terms: &[Vec<f32>]) {
    sums.iter_mut().zip(terms).for_each(|(sum, term)| add(sum, term));
}

/// Squeezes values between minus and plus `cap`.
pub fn cap(values: &mut [f32], cap: Option<f32>) {
    if let Some(cap) = cap {
        values.iter_mut().for_each(|value| *value = cap * (*value / cap).tanh());
    }
}

/// Cosine and sine of every rotating pair at one position.
pub struct Rotation {
    pairs: Vec<PairRotation>,
}

struct PairRotation {
    dims: (usize, usize),
    cos: f32,
    sin: f32,
}

impl Rotation {
    pub fn at(rope: Option<&Rope>, position: usize) -> Self {
        let pairs = rope.into_iter().flat_map(|rope| {
            let magnitude = rope.magnitude();
            (0..rope.dims / 2).map(move |pair| {
                let (sin, cos) = (position as f32 * rope.radians_per_position(pair)).sin_cos();
                PairRotation { dims: rope.pair_dims(pair), cos: cos * magnitude, sin: sin * magnitude }
            })
        });
        Self { pairs: pairs.collect() }
    }

    pub fn turn(&self, head: &mut [f32]) {
        for &PairRotation { dims: (first, second), cos, sin } in &self.pairs {
            let (x, y) = (head[first], head[second]);
            head[first] = x * cos - y * sin;
            head[second] = x * sin + y * cos;
        }
    }
}

pub fn normalised(vector: &[f32], norm: &Norm, kind: NormKind) -> Vec<f32> {
    let length = vector.len() as f32;
    let mean = match kind {
        NormKind::Rms { .. } => 0.0,
        NormKind::Layer { .. } => vector.iter().sum::<f32>() / length,
    };
    let mean_square = vector.iter().map(|value| (value - mean) * (value - mean)).sum::<f32>() / length;
    let factor = 1.0 / (mean_square + kind.eps()).sqrt();
    let mut result: Vec<f32> = vector.iter().map(|value| (value - mean) * factor).collect();
    if let Some(gain) = &norm.gain {
        result.iter_mut().zip(gain).for_each(|(value, gain)| *value *= gain);
    }
    if let Some(bias) = &norm.bias {
        add(&mut result, bias);
    }
    result
}

/// The maximum is subtracted first, so that no exponential overflows.
pub fn softmax(scores: &mut [f32]) {
    let max = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    scores.iter_mut().for_each(|score| *score = (*score - max).exp());
    let sum: f32 = scores.iter().sum();
    scores.iter_mut().for_each(|score| *score /= sum);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layer_norm_subtracts_the_mean_and_rms_norm_does_not() {
        let vector = [1.0, 3.0];
        let plain = Norm::default();
        assert_eq!(normalised(&vector, &plain, NormKind::Layer { eps: 1e-20 }), [-1.0, 1.0]);
        let rms = normalised(&vector, &plain, NormKind::Rms { eps: 1e-20 });
        assert!((rms[0] * 5f32.sqrt() - 1.0).abs() < 1e-6 && (rms[1] / rms[0] - 3.0).abs() < 1e-6);
    }
}
