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
    /// Base-2 logarithm of the lanes that make a result.
    pub tap: u32,
    /// Lanes from the entry of one row to that of the next.
    pub step: usize,
    /// Rows that make results together. The rows after them have the next results, and begin with the first entry again if there are
    /// several.
    pub pieces: usize,
    /// How often that happens.
    pub groups: usize,
}

/// Adds the products to the sums, result after result.
#[multiversion(targets("x86_64+avx2"))]
pub fn multiply(product: Product<'_>, sums: &mut [i32]) {
    // A fixed width lets the compiler use the vector unit.
    match product.tap {
        2 => multiply_by::<4>(product, sums),
        3 => multiply_by::<8>(product, sums),
        4 => multiply_by::<16>(product, sums),
        5 => multiply_by::<32>(product, sums),
        6 => multiply_by::<64>(product, sums),
        7 => multiply_by::<128>(product, sums),
        8 => multiply_by::<256>(product, sums),
        tap => multiply_widest(product, 1 << tap, sums),
    }
}

#[inline(always)]
fn multiply_by<const CHUNK: usize>(product: Product<'_>, sums: &mut [i32]) {
    let Product { matrix, act, lanes, step, pieces, groups, .. } = product;
    if lanes == CHUNK && step == lanes && pieces > 1 && CHUNK.is_multiple_of(WIDE) {
        // One sum over all pieces.
        let size = lanes * pieces;
        for (group, sum) in sums.iter_mut().enumerate().take(groups) {
            *sum = sum.wrapping_add(wide_dot(&matrix[group * size..][..size], &act[..size]));
        }
        return;
    }
    let results = lanes / CHUNK;
    for group in 0..groups {
        let sums = &mut sums[group * results..][..results];
        for piece in 0..pieces {
            let row = &matrix[(group * pieces + piece) * lanes..][..lanes];
            let entry = if pieces > 1 { piece } else { group };
            let act = &act[entry * step..][..lanes];
            for (sum, (row, act)) in
                sums.iter_mut().zip(row.as_chunks::<CHUNK>().0.iter().zip(act.as_chunks::<CHUNK>().0))
            {
                let added = if CHUNK.is_multiple_of(WIDE) { wide_dot(row, act) } else { dot(row, act) };
                *sum = sum.wrapping_add(added);
            }
        }
    }
}

/// As [`multiply_by`], for results of lanes that no chip with a name has.
fn multiply_widest(product: Product<'_>, chunk: usize, sums: &mut [i32]) {
    let Product { matrix, act, lanes, step, pieces, groups, .. } = product;
    let results = lanes / chunk;
    for row in 0..groups * pieces {
        let (group, piece) = (row / pieces, row % pieces);
        let entry = if pieces > 1 { piece } else { group };
        for result in 0..results {
            let row = &matrix[row * lanes + result * chunk..][..chunk];
            let act = &act[entry * step + result * chunk..][..chunk];
            let sum = &mut sums[group * results + result];
            *sum = sum.wrapping_add(dot(row, act));
        }
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
            let tap = (64 / results as u32).ilog2();
            let (matrix, act, lanes) = (&matrix[..], &act[..], 64);
            let product = |pieces| Product { matrix, act, lanes, tap, step, pieces, groups: 6 / pieces };
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
