//! Products of a matrix and many vectors: each row is decoded once for all of them. Sums have one order, whatever the machine
//! and however many vectors there are, so results are the same to the last bit.

use super::vectors::add;
use crate::{Linear, Matrix};
use multiversion::multiversion;
use rayon::prelude::*;

/// Partial sums of a product: faster, and nearer to the true sum than one long chain.
const LANES: usize = 8;
/// Rows and vectors whose products are made together: their partial sums fill the registers of AVX2.
const ROWS: usize = 4;
const VECTORS: usize = 2;
/// Rows that a thread takes at a time, and multiplications from which on threads are worth their start.
const TASK_ROWS: usize = 32;
const PARALLEL_MIN: usize = 1 << 17;

/// For each vector, its products with all rows and the bias.
pub fn linear(linear: &Linear, vectors: &[Vec<f32>]) -> Vec<Vec<f32>> {
    let mut results = products(&linear.weight, vectors);
    if let Some(bias) = &linear.bias {
        results.iter_mut().for_each(|result| add(result, bias));
    }
    results
}

/// For each vector, its products with all rows.
pub fn products(matrix: &Matrix, vectors: &[Vec<f32>]) -> Vec<Vec<f32>> {
    let columns = vectors.len();
    // Row after row, the products with each vector: rows are what threads share out.
    let mut by_row = vec![0.0; matrix.outputs() * columns];
    let task = |(index, results): (usize, &mut [f32])| {
        let (mut first, mut buffer) = (index * TASK_ROWS, Vec::new());
        for results in results.chunks_mut(ROWS * columns) {
            let end = first + results.len() / columns;
            multiply(matrix.decoded(first..end, &mut buffer), vectors, results);
            first = end;
        }
    };
    let task_results = TASK_ROWS * columns.max(1);
    match matrix.outputs() * matrix.inputs() * columns < PARALLEL_MIN {
        true => by_row.chunks_mut(task_results).enumerate().for_each(task),
        false => by_row.par_chunks_mut(task_results).enumerate().for_each(task),
    }
    if columns == 1 {
        return vec![by_row];
    }
    let of = |column: usize| by_row.chunks_exact(columns).map(|row| row[column]).collect();
    (0..columns).map(of).collect()
}

/// The products of at most [`ROWS`] rows with all vectors, row after row.
#[multiversion(targets("x86_64+avx2"))]
fn multiply(rows: &[f32], vectors: &[Vec<f32>], results: &mut [f32]) {
    let (inputs, columns) = (vectors[0].len(), vectors.len());
    let whole = columns / VECTORS * VECTORS;
    if rows.len() == ROWS * inputs {
        for column in (0..whole).step_by(VECTORS) {
            tile::<ROWS, VECTORS>(rows, &vectors[column..], &mut results[column..], columns);
        }
        for column in whole..columns {
            tile::<ROWS, 1>(rows, &vectors[column..], &mut results[column..], columns);
        }
        return;
    }
    for (row, results) in rows.chunks_exact(inputs).zip(results.chunks_exact_mut(columns)) {
        for column in 0..columns {
            tile::<1, 1>(row, &vectors[column..], &mut results[column..], columns);
        }
    }
}

/// The products of `R` rows with the first `C` vectors; those of one row are `stride` after those of the one before.
#[inline(always)]
fn tile<const R: usize, const C: usize>(
    rows: &[f32],
    vectors: &[Vec<f32>],
    results: &mut [f32],
    stride: usize,
) {
    let inputs = vectors[0].len();
    let rows: [&[f32]; R] = std::array::from_fn(|row| &rows[row * inputs..][..inputs]);
    let vectors: [&[f32]; C] = std::array::from_fn(|column| &vectors[column][..inputs]);
    let sums = sums(rows.map(|row| row.as_chunks().0), vectors.map(|vector| vector.as_chunks().0));
    for row in 0..R {
        for column in 0..C {
            results[row * stride + column] = sums[row][column] + rest(rows[row], vectors[column]);
        }
    }
}

/// The sums of the products that fill whole lanes. Written so that the compiler keeps all partial sums in registers.
#[inline(always)]
fn sums<const R: usize, const C: usize>(
    rows: [&[[f32; LANES]]; R],
    vectors: [&[[f32; LANES]]; C],
) -> [[f32; C]; R] {
    let length = rows[0].len();
    let (rows, vectors) = (rows.map(|row| &row[..length]), vectors.map(|vector| &vector[..length]));
    let mut sums = [[[0.0f32; LANES]; C]; R];
    for at in 0..length {
        for column in 0..C {
            let values = vectors[column][at];
            for row in 0..R {
                let weights = rows[row][at];
                let sum = &mut sums[row][column];
                for lane in 0..LANES {
                    sum[lane] += weights[lane] * values[lane];
                }
            }
        }
    }
    let mut totals = [[0.0; C]; R];
    for row in 0..R {
        for column in 0..C {
            totals[row][column] = sums[row][column].iter().sum();
        }
    }
    totals
}

/// The sum of the products that fill no lanes.
#[inline(always)]
fn rest(a: &[f32], b: &[f32]) -> f32 {
    let whole = a.len() / LANES * LANES;
    a[whole..].iter().zip(&b[whole..]).map(|(a, b)| a * b).sum()
}

/// The product of two vectors.
#[inline(always)]
pub fn dot(a: &[f32], b: &[f32]) -> f32 {
    let [[sum]] = sums([a.as_chunks().0], [b.as_chunks().0]);
    sum + rest(a, b)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dot_product_covers_whole_lanes_and_the_rest() {
        let a: Vec<f32> = (0..19).map(|i| i as f32).collect();
        assert_eq!(dot(&a, &a), (0..19).map(|i| (i * i) as f32).sum::<f32>());
    }

    /// Rows, vectors and lanes that do not fill a tile, and enough of them for several threads.
    #[test]
    fn products_are_those_of_each_row_with_each_vector() {
        let values = |seed: usize, length: usize| -> Vec<f32> {
            (0..length).map(|i| ((i * 37 + seed * 101) % 255) as f32 / 127.0 - 1.0).collect()
        };
        for (outputs, inputs, columns) in [(3, 5, 1), (70, 37, 3), (129, 96, 21)] {
            let matrix =
                Matrix::new(outputs, inputs, values(7, outputs * inputs)).expect("the length is right");
            let vectors: Vec<Vec<f32>> = (0..columns).map(|column| values(column, inputs)).collect();
            let expected =
                |vector: &Vec<f32>| -> Vec<f32> { matrix.rows().map(|row| dot(&row, vector)).collect() };
            assert_eq!(products(&matrix, &vectors), vectors.iter().map(expected).collect::<Vec<_>>());
        }
    }
}
