//! Rounding that pays attention to the other weights of a row: what rounding one weight does to the result is taken out of the weights
//! that are rounded after it, as far as the inputs go together (the method of GPTQ). It costs no hardware.
//!
//! With `H` the second moments of the inputs, a row's error is `d H d^T`. For each column in turn the best answer of the later columns
//! to an error `e` of column `i` is `-e U_ij / U_ii`, where `U` is the upper Cholesky factor of the inverse of `H`.

use multiversion::multiversion;

/// Vectors longer than this are rounded to nearest: the inverse takes their cube in operations.
pub const LENGTH_MAX: usize = 1024;
/// Added to the diagonal, as a share of its mean: few calibration texts do not show every direction.
const DAMPING: f64 = 0.01;

/// Vectors that are added up at a time: their sums are then read from memory once.
const MANY: usize = 32;

/// Sums of products of a vector's elements over calibration texts.
#[derive(Clone, Debug, Default)]
pub struct Moments {
    length: usize,
    /// Row after row from the diagonal on: the matrix is symmetric.
    sums: Vec<f64>,
    /// Vectors that are not yet part of the sums.
    waiting: Vec<f32>,
}

impl Moments {
    /// Adds a vector; those that are too long are passed over.
    pub fn add(&mut self, values: &[f32]) {
        if values.len() <= LENGTH_MAX {
            self.length = values.len();
            self.waiting.extend_from_slice(values);
        }
    }

    /// Brings the sums up to date if many vectors wait.
    pub fn add_up_many(&mut self) {
        if self.waiting.len() >= MANY * self.length {
            self.add_up();
        }
    }

    /// Brings the sums up to date.
    pub fn add_up(&mut self) {
        self.sums.resize(self.length * (self.length + 1) / 2, 0.0);
        let mut rest = self.sums.as_mut_slice();
        for index in 0..self.length {
            let (row, after) = rest.split_at_mut(self.length - index);
            rest = after;
            self.waiting.chunks_exact(self.length).for_each(|values| add_products(row, &values[index..]));
        }
        self.waiting.clear();
    }

    fn sum(&self, a: usize, b: usize) -> f64 {
        let (low, high) = (a.min(b), a.max(b));
        self.sums[low * self.length + high - low * (low + 1) / 2]
    }

    /// How columns answer to each other's errors; column `c` holds input `columns[c]`, its weights multiplied by `scale(c)`. `None` when
    /// nothing was seen.
    pub fn answers(&self, columns: &[Option<usize>], scale: impl Fn(usize) -> f64) -> Option<Answers> {
        if self.sums.is_empty() {
            return None;
        }
        let diagonal = |input: usize| self.sum(input, input);
        let total: f64 = (0..self.length).map(diagonal).sum();
        if total <= 0.0 {
            return None;
        }
        let damping = DAMPING * total / self.length as f64;
        // Inputs that vary most are rounded first, while many columns can still answer.
        let mut used: Vec<(usize, usize)> =
            columns.iter().enumerate().filter_map(|(at, input)| input.map(|input| (at, input))).collect();
        used.sort_by(|a, b| diagonal(b.1).total_cmp(&diagonal(a.1)));
        let count = used.len();
        let mut matrix = vec![0.0; count * count];
        for (i, a) in used.iter().enumerate() {
            for (j, b) in used.iter().enumerate() {
                let damped = if i == j { damping } else { 0.0 };
                matrix[i * count + j] = (self.sum(a.1, b.1) + damped) / (scale(a.0) * scale(b.0));
            }
        }
        let upper = upper_factor_of_inverse(matrix, count)?;
        Some(Answers { order: used.into_iter().map(|(at, _)| at).collect(), upper })
    }
}

/// Adds the products of the first value with all.
#[multiversion(targets("x86_64+avx2"))]
fn add_products(sums: &mut [f64], values: &[f32]) {
    let first = f64::from(values[0]);
    // Inner vectors behind ReLU are mostly zeros.
    if first != 0.0 {
        sums.iter_mut().zip(values).for_each(|(sum, &value)| *sum += first * f64::from(value));
    }
}

/// The order in which columns are rounded, and the factor `U` in that order.
pub struct Answers {
    order: Vec<usize>,
    upper: Vec<f64>,
}

impl Answers {
    /// Rounds a row to whole multiples of `step`, at most `limit` of them.
    pub fn round(&self, row: &[f64], step: f64, limit: f64) -> Vec<i16> {
        let mut left: Vec<f64> = self.order.iter().map(|&at| row[at]).collect();
        let mut rounded = vec![0; row.len()];
        let count = left.len();
        for i in 0..count {
            let code = (left[i] / step).round().clamp(-limit, limit);
            rounded[self.order[i]] = code as i16;
            let factors = &self.upper[i * count..][..count];
            let error = (left[i] - code * step) / factors[i];
            subtract(&mut left[i + 1..], error, &factors[i + 1..]);
        }
        rounded
    }
}

/// `U` with `U^T U = A^-1`, row-major. With `A` reversed in both directions and `L L^T` its Cholesky factors, `U` is the inverse of `L`
/// reversed back. `None` when `A` is not positive definite.
fn upper_factor_of_inverse(matrix: Vec<f64>, count: usize) -> Option<Vec<f64>> {
    let reversed = |i: usize, j: usize| matrix[(count - 1 - i) * count + count - 1 - j];
    let mut lower = vec![0.0; count * count];
    for i in 0..count {
        for j in 0..=i {
            let known = dot(&lower[i * count..][..j], &lower[j * count..][..j]);
            let left = reversed(i, j) - known;
            lower[i * count + j] = if i == j { left.sqrt() } else { left / lower[j * count + j] };
        }
        if !lower[i * count + i].is_normal() {
            return None;
        }
    }
    // Row by row: `L X = 1`.
    let mut inverse = vec![0.0; count * count];
    for i in 0..count {
        let (known, row) = inverse.split_at_mut(i * count);
        row[i] = 1.0;
        for (k, known) in known.chunks_exact(count).enumerate() {
            subtract(&mut row[..=k], lower[i * count + k], &known[..=k]);
        }
        row[..=i].iter_mut().for_each(|value| *value /= lower[i * count + i]);
    }
    inverse.reverse();
    Some(inverse)
}

/// The product of two vectors, summed in lanes.
#[multiversion(targets("x86_64+avx2"))]
fn dot(a: &[f64], b: &[f64]) -> f64 {
    const LANES: usize = 8;
    let ((a, a_rest), (b, b_rest)) = (a.as_chunks::<LANES>(), b.as_chunks::<LANES>());
    let mut sums = [0.0; LANES];
    for (a, b) in a.iter().zip(b) {
        for lane in 0..LANES {
            sums[lane] += a[lane] * b[lane];
        }
    }
    sums.iter().sum::<f64>() + a_rest.iter().zip(b_rest).map(|(a, b)| a * b).sum::<f64>()
}

/// Subtracts a multiple of a vector.
#[multiversion(targets("x86_64+avx2"))]
fn subtract(from: &mut [f64], factor: f64, values: &[f64]) {
    from.iter_mut().zip(values).for_each(|(from, value)| *from -= factor * value);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Inputs that go together: three directions and a little of everything else.
    fn inputs() -> Vec<Vec<f32>> {
        let mut state = 1u32;
        let mut next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as f32 / (1 << 23) as f32 - 1.0
        };
        let vector = |next: &mut dyn FnMut() -> f32| {
            let (a, b, c) = (next(), next(), next());
            (0..12).map(|i| a + b * i as f32 + c * (i % 3) as f32 + 0.05 * next()).collect()
        };
        (0..200).map(|_| vector(&mut next)).collect()
    }

    #[test]
    fn the_factor_is_upper_and_gives_the_inverse() {
        let matrix = vec![4.0, 1.0, 0.5, 1.0, 3.0, 0.25, 0.5, 0.25, 2.0];
        let upper = upper_factor_of_inverse(matrix.clone(), 3).expect("positive definite");
        assert_eq!([upper[3], upper[6], upper[7]], [0.0; 3]);
        for i in 0..3 {
            for j in 0..3 {
                let inverse =
                    |i: usize, j: usize| (0..3).map(|k| upper[k * 3 + i] * upper[k * 3 + j]).sum::<f64>();
                let one: f64 = (0..3).map(|k| matrix[i * 3 + k] * inverse(k, j)).sum();
                assert!((one - f64::from(u8::from(i == j))).abs() < 1e-12, "{one} at {i}, {j}");
            }
        }
    }

    #[test]
    fn moments_are_the_sums_of_products() {
        let inputs = inputs();
        let mut moments = Moments::default();
        for input in &inputs {
            moments.add(input);
            moments.add_up_many();
        }
        moments.add_up();
        for (a, b) in (0..12).flat_map(|a| (0..12).map(move |b| (a, b))) {
            let expected: f64 = inputs.iter().map(|input| f64::from(input[a]) * f64::from(input[b])).sum();
            assert!((moments.sum(a, b) - expected).abs() < 1e-9, "{a}, {b}");
        }
    }

    #[test]
    fn results_suffer_less_than_from_rounding_to_nearest() {
        let inputs = inputs();
        let mut moments = Moments::default();
        inputs.iter().for_each(|input| moments.add(input));
        moments.add_up();
        let columns: Vec<_> = (0..12).map(Some).chain([None]).collect();
        let answers = moments.answers(&columns, |_| 1.0).expect("inputs were seen");
        let row: Vec<f64> = (0..12).map(|i| (f64::from(i) * 0.77).sin()).chain([0.0]).collect();
        let step = 0.1;
        let error = |codes: &[i16]| -> f64 {
            let wrong = |input: &Vec<f32>| {
                let pairs = row.iter().zip(codes).zip(input);
                pairs.map(|((w, code), x)| (w - f64::from(*code) * step) * f64::from(*x)).sum::<f64>().powi(2)
            };
            inputs.iter().map(wrong).sum()
        };
        let nearest: Vec<i16> = row.iter().map(|w| (w / step).round() as i16).collect();
        let compensated = answers.round(&row, step, 255.0);
        assert_eq!(compensated[12], 0);
        assert!(error(&compensated) < 0.3 * error(&nearest), "{} {}", error(&compensated), error(&nearest));
    }
}
