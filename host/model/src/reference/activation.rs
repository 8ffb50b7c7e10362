//! Activation functions in fp32.

use crate::Activation;

impl Activation {
    /// The function at `x`.
    pub fn of(self, x: f32) -> f32 {
        match self {
            Self::Silu => x / (1.0 + (-x).exp()),
            Self::GeluTanh => {
                let inner = (2.0 / std::f32::consts::PI).sqrt() * (x + 0.044_715 * x * x * x);
                0.5 * x * (1.0 + inner.tanh())
            }
            Self::Gelu => {
                let x = f64::from(x);
                (0.5 * x * (1.0 + erf(x * std::f64::consts::FRAC_1_SQRT_2))) as f32
            }
            Self::Relu => x.max(0.0),
        }
    }
}

/// The error function by the series `2/sqrt(pi) exp(-x^2) sum 2^n x^(2n+1) / (1 3 5 ... 2n+1)`, whose terms
/// all have one sign, so that nothing cancels. From 6 on the result is 1 to the last bit.
fn erf(x: f64) -> f64 {
    if x.abs() >= 6.0 {
        return x.signum();
    }
    let (mut term, mut sum, mut n) = (x, x, 0.0);
    while term.abs() > sum.abs() * f64::EPSILON {
        n += 1.0;
        term *= 2.0 * x * x / (2.0 * n + 1.0);
        sum += term;
    }
    std::f64::consts::FRAC_2_SQRT_PI * (-x * x).exp() * sum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn activations_match_published_values() {
        let near = |found: f32, expected: f32| assert!((found - expected).abs() < 1e-6, "{found} {expected}");
        near(Activation::Silu.of(1.0), 0.731_058_6);
        near(Activation::GeluTanh.of(1.0), 0.841_192);
        near(Activation::Gelu.of(1.0), 0.841_344_7);
        near(Activation::Gelu.of(-1.0), -0.158_655_3);
        near(Activation::Gelu.of(20.0), 20.0);
        near(Activation::Relu.of(-3.0), 0.0);
        assert!((erf(0.5) - 0.520_499_877_813_046_5).abs() < 1e-15);
        assert!((erf(3.0) - 0.999_977_909_503_001_4).abs() < 1e-15);
    }
}
