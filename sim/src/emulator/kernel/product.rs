//! Sums of products: the matrix unit.

use lpu_isa::arith::dot;
use multiversion::multiversion;

/// Lanes whose products are added at once.
const WIDE: usize = 32;

/// Rows of a matrix with what multiplies them.
#[derive(Clone, Copy, Debug)]
pub struct Product<'a> {
    /// Rows that follow one another.
    pub matrix: &'a [i16],
    /// Entries of the activation file from the first one on.
    pub act: &'a [i16],
    /// Lanes of a row.
    pub lanes: usize,
    /// Lanes from the entry of one row to that of the next.
    pub step: usize,
    /// Rows that make results together. The rows after them have the next results, and begin with the first entry again if there are
    /// several.
    pub pieces: usize,
}

/// Adds the products to the sums, result after result.
#[multiversion(targets("x86_64+avx2"))]
pub fn multiply(product: Product<'_>, sums: &mut [i32]) {
    let Product { matrix, act, lanes, step, pieces } = product;
    let groups = matrix.len() / (lanes * pieces);
    let results = sums.len() / groups;
    if pieces > 1 && results == 1 && step == lanes && lanes.is_multiple_of(WIDE) {
        let act = &act[..lanes * pieces];
        for (rows, sum) in matrix.chunks_exact(lanes * pieces).zip(sums) {
            *sum = sum.wrapping_add(wide_dot(rows, act));
        }
        return;
    }
    for (group, (rows, sums)) in
        matrix.chunks_exact(lanes * pieces).zip(sums.chunks_exact_mut(results)).enumerate()
    {
        for (piece, row) in rows.chunks_exact(lanes).enumerate() {
            let entry = if pieces > 1 { piece } else { group };
            add_dots(row, &act[entry * step..][..lanes], sums);
        }
    }
}

/// The fixed width lets the compiler use the vector unit.
#[inline(always)]
fn add_dots(matrix: &[i16], act: &[i16], sums: &mut [i32]) {
    match matrix.len() / sums.len() {
        4 => add_dots_of::<4>(matrix, act, sums),
        8 => add_dots_of::<8>(matrix, act, sums),
        16 => add_dots_of::<16>(matrix, act, sums),
        width if width.is_multiple_of(WIDE) => {
            for (sum, (matrix, act)) in sums.iter_mut().zip(matrix.chunks(width).zip(act.chunks(width))) {
                *sum = sum.wrapping_add(wide_dot(matrix, act));
            }
        }
        width => {
            for (sum, (matrix, act)) in sums.iter_mut().zip(matrix.chunks(width).zip(act.chunks(width))) {
                *sum = sum.wrapping_add(dot(matrix, act));
            }
        }
    }
}

#[inline(always)]
fn add_dots_of<const CHUNK: usize>(matrix: &[i16], act: &[i16], sums: &mut [i32]) {
    let (matrix, _) = matrix.as_chunks::<CHUNK>();
    let (act, _) = act.as_chunks::<CHUNK>();
    for (sum, (matrix, act)) in sums.iter_mut().zip(matrix.iter().zip(act)) {
        *sum = sum.wrapping_add(dot(matrix, act));
    }
}

/// [`dot`] of a multiple of [`WIDE`] lanes: so many sums at once become two multiplying and adding vectors.
#[inline(always)]
fn wide_dot(matrix: &[i16], act: &[i16]) -> i32 {
    let mut sums = [0i32; WIDE];
    for (matrix, act) in matrix.as_chunks::<WIDE>().0.iter().zip(act.as_chunks::<WIDE>().0) {
        for (sum, (&weight, &act)) in sums.iter_mut().zip(matrix.iter().zip(act)) {
            *sum = sum.wrapping_add(i32::from(weight) * i32::from(act));
        }
    }
    sums.into_iter().fold(0, i32::wrapping_add)
}

#[cfg(test)]
mod tests {
    use super::super::random;
    use super::*;

    /// Sums wrap at 32 bits in whatever order they are added.
    #[test]
    fn products_are_summed_as_written_out() {
        let number = |byte: u8| i16::from(byte as i8);
        let matrix: Vec<i16> = random(3, 6 * 64).into_iter().map(number).collect();
        let act: Vec<i16> = random(4, 6 * 64).into_iter().map(|byte| number(byte) * 255).collect();
        for (results, step) in
            [1, 2, 4, 8, 16, 32].into_iter().flat_map(|results| [(results, 0), (results, 64)])
        {
            let width = 64 / results;
            let part = |row: usize, entry: usize, result: usize| -> i32 {
                (result * width..(result + 1) * width)
                    .map(|lane| i32::from(matrix[row * 64 + lane]) * i32::from(act[entry * step + lane]))
                    .sum()
            };
            let product = |pieces| Product { matrix: &matrix, act: &act, lanes: 64, step, pieces };
            let mut sums = vec![i32::MAX; results];
            multiply(product(6), &mut sums);
            for (result, sum) in sums.into_iter().enumerate() {
                let expected = (0..6).map(|row| part(row, row, result)).sum::<i32>();
                assert_eq!(sum, i32::MAX.wrapping_add(expected), "{results} results, step {step}");
            }
            let mut sums = vec![5; 6 * results];
            multiply(product(1), &mut sums);
            for (index, sum) in sums.into_iter().enumerate() {
                let row = index / results;
                assert_eq!(sum, 5 + part(row, row, index % results), "{results} results, step {step}");
            }
            let mut sums = vec![-9; 2 * results];
            multiply(product(3), &mut sums);
            for (index, sum) in sums.into_iter().enumerate() {
                let rows = index / results * 3..index / results * 3 + 3;
                let expected = rows.map(|row| part(row, row % 3, index % results)).sum::<i32>();
                assert_eq!(sum, expected - 9, "{results} results, step {step}, in pieces");
            }
        }
    }
}
