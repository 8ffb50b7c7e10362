//! Properties of the arithmetic contract that do not repeat its code.

use lpu_isa::arith::*;

#[test]
fn kv_codes_are_monotone_and_their_own_nearest() {
    for code in -256..256i16 {
        let value = kv_decode(code);
        assert_eq!(kv_encode(i32::from(value)), code, "code {code} stands for {value}");
        if code > -256 {
            assert!(value > kv_decode(code - 1), "code {code}");
        }
        assert!((-512..512).contains(&value));
    }
}

#[test]
fn kv_encoding_is_nearest() {
    for value in -600..600i32 {
        let error = |code: i16| (i32::from(kv_decode(code)) - value).abs();
        let best = (-256..256).map(error).min().unwrap();
        assert_eq!(error(kv_encode(value)), best, "{value}");
    }
}

#[test]
fn exp2_is_within_its_error() {
    for score in -4000..=0 {
        let (first, second, shift) = exp2_factors(score);
        let value = f64::from(first) * f64::from(second) / 2f64.powi(32 + shift);
        let exact = (f64::from(score) / 128.0).exp2();
        assert!((value / exact - 1.0).abs() < 1.6e-5, "{score}: {value} {exact}");
    }
}

#[test]
fn sigmoid_is_monotone_symmetric_and_within_its_error() {
    let mut last = -1;
    for x in -131_072..131_072 {
        let value = sigmoid(x);
        assert!(value + 12 >= last, "{x}: {value} after {last}");
        assert_eq!(value + sigmoid(!x), SIGMOID_ONE);
        last = value;
        let exact = 131_072.0 / (1.0 + (-f64::from(x) / 8192.0).exp());
        assert!((f64::from(value) - exact).abs() < 16.0, "{x}: {value} {exact}");
    }
}

#[test]
fn reciprocals_are_within_their_error() {
    let samples = (1..5000u32).chain((0..100_000).map(|k| (k as u32).wrapping_mul(0x9e37_79b9) | 1));
    for sum in samples {
        let value = |scalar: Scalar| f64::from(scalar.mantissa) / 2f64.powi(17 + scalar.exponent);
        let exact = f64::from(sum);
        assert!((value(reciprocal(sum)) * exact - 1.0).abs() < 1.2e-4, "{sum}");
        assert!((value(reciprocal_sqrt(sum)) * exact.sqrt() - 1.0).abs() < 1.2e-4, "{sum}");
    }
}

#[test]
fn gumbel_numbers_are_distributed_as_their_name_says() {
    let mut generator = Taus88::new(1);
    let draws: Vec<f64> = (0..200_000).map(|_| f64::from(gumbel(generator.next())) / 2048.0).collect();
    // P(g <= x) = exp(-ln 2 * 2^-x) for -log2 of an exponential variable measured in base-2 logarithms.
    for x in [-2.0, -1.0, 0.0, 1.0, 3.0, 6.0f64] {
        let found = draws.iter().filter(|&&draw| draw <= x).count() as f64 / draws.len() as f64;
        let exact = (-std::f64::consts::LN_2 * (-x).exp2()).exp();
        assert!((found - exact).abs() < 0.006, "P(g <= {x}) is {exact}, found {found}");
    }
}

#[test]
fn shifts_round_half_up_and_saturate() {
    assert_eq!(round_shift(5, 1), 3);
    assert_eq!(round_shift(-5, 1), -2);
    assert_eq!(normalise(i32::MAX, 0), WORD_MAX);
    assert_eq!(normalise(i32::MIN, 0), WORD_MIN);
    assert_eq!(shift_product(1 << 30, -4), (1 << 24) - 1);
    assert_eq!(add(1 << 24, 0), (1 << 23) - 1);
}
