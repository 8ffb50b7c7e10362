//! Rotary embeddings that were stretched: the arithmetic of YaRN, and the factors of LongRoPE.

use super::super::RopeScaling;

/// How YaRN stretches, in the words of its paper.
#[derive(Clone, Copy, Debug)]
pub struct Yarn {
    pub factor: f32,
    pub original_context: usize,
    /// Pairs that turn more often than this in the original context are left alone.
    pub beta_fast: f32,
    /// Pairs that turn less often than this turn slower by the whole factor.
    pub beta_slow: f32,
    /// The pairs between which the ramp runs are rounded outwards.
    pub truncate: bool,
    /// What has turned is multiplied by this.
    pub magnitude: f32,
}

impl Yarn {
    /// The magnitude that the paper advises: `0.1 * weight * ln(factor) + 1`.
    pub fn magnitude(factor: f32, weight: f32) -> f32 {
        if factor <= 1.0 { 1.0 } else { 0.1 * weight * factor.ln() + 1.0 }
    }

    /// The divisor of each pair of `dims` rotating dimensions.
    pub fn scaling(self, theta: f32, dims: usize) -> RopeScaling {
        let (low, high) = self.ramp(theta, dims);
        let divisor = |pair: usize| {
            let slowed = ((pair as f32 - low) / (high - low)).clamp(0.0, 1.0);
            1.0 / (slowed / self.factor + (1.0 - slowed))
        };
        RopeScaling::Divisors { divisors: (0..dims / 2).map(divisor).collect(), magnitude: self.magnitude }
    }

    /// First and last pair of the ramp from left alone to slowed.
    fn ramp(&self, theta: f32, dims: usize) -> (f32, f32) {
        let pair = |turns: f32| {
            let wavelength = self.original_context as f32 / (turns * std::f32::consts::TAU);
            dims as f32 * wavelength.ln() / (2.0 * theta.ln())
        };
        let (mut low, mut high) = (pair(self.beta_fast), pair(self.beta_slow));
        if self.truncate {
            (low, high) = (low.floor(), high.ceil());
        }
        (low, high) = (low.max(0.0), high.min(dims as f32 - 1.0));
        (low, if low == high { high + 0.001 } else { high })
    }
}

/// The magnitude of LongRoPE for a context of `stretch` times the original one.
pub fn longrope_magnitude(stretch: f32, original_context: usize) -> f32 {
    if stretch <= 1.0 { 1.0 } else { (1.0 + stretch.ln() / (original_context as f32).ln()).sqrt() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn yarn_leaves_fast_pairs_alone_and_slows_slow_ones() {
        let yarn = Yarn {
            factor: 4.0,
            original_context: 4096,
            beta_fast: 32.0,
            beta_slow: 1.0,
            truncate: true,
            magnitude: Yarn::magnitude(4.0, 1.0),
        };
        let RopeScaling::Divisors { divisors, magnitude } = yarn.scaling(10_000.0, 128) else {
            unreachable!()
        };
        assert_eq!((divisors[0], divisors[20], divisors[46], divisors[63]), (1.0, 1.0, 4.0, 4.0));
        assert!(divisors.is_sorted() && divisors[33] > 1.5 && divisors[33] < 2.5, "{divisors:?}");
        assert!((magnitude - 1.138_629_4).abs() < 1e-6);
    }
}
