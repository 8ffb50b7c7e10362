//! Rows as external memory holds them: blocks of codes, nine-bit lanes without gaps, KV codes.

use lpu_isa::arith::{WEIGHT_BITS, kv_decode};
use lpu_isa::transfer::{BLOCK_CODES, OFFSET_SHIFT};
use multiversion::multiversion;

/// Reads rows of nine-bit lanes without gaps, eight lanes in nine bytes.
#[multiversion(targets("x86_64+avx2"))]
pub fn read_nines(bytes: &[u8], out: &mut [i16]) {
    for (bytes, lanes) in bytes.as_chunks::<9>().0.iter().zip(out.as_chunks_mut::<8>().0) {
        let [low @ .., high] = bytes;
        let low = u64::from_le_bytes(*low);
        for (index, lane) in lanes.iter_mut().enumerate() {
            *lane = (low >> (9 * index)) as i16;
        }
        lanes[7] |= i16::from(*high) << 1;
        for lane in lanes {
            *lane = *lane << 7 >> 7;
        }
    }
}

/// The values of KV codes.
#[multiversion(targets("x86_64+avx2"))]
pub fn kv_values(codes: &[i16], values: &mut [i16]) {
    for (value, &code) in values.iter_mut().zip(codes) {
        *value = kv_decode(code);
    }
}

/// What blocks of codes stand for.
#[derive(Clone, Copy, Debug)]
pub struct Codes {
    /// Bits of a code: 4, 5, 6 or 8.
    pub bits: u32,
    /// Whether blocks have an offset.
    pub offset: bool,
    /// Right shift.
    pub shift: u32,
}

/// Decodes the blocks that follow one another in memory to weights. Rows have `lanes` lanes; every `rows`-th, counted from number `first`,
/// holds only `last` lanes, and zeros.
#[multiversion(targets("x86_64+avx2"))]
pub fn decode_rows(bytes: &[u8], codes: Codes, shape: Shape, out: &mut [i16]) {
    match (codes.bits, codes.offset) {
        (4, false) => rows_of::<4, false>(bytes, codes.shift, shape, out),
        (5, false) => rows_of::<5, false>(bytes, codes.shift, shape, out),
        (6, false) => rows_of::<6, false>(bytes, codes.shift, shape, out),
        (8, false) => rows_of::<8, false>(bytes, codes.shift, shape, out),
        (4, true) => rows_of::<4, true>(bytes, codes.shift, shape, out),
        (5, true) => rows_of::<5, true>(bytes, codes.shift, shape, out),
        (6, true) => rows_of::<6, true>(bytes, codes.shift, shape, out),
        (8, true) => rows_of::<8, true>(bytes, codes.shift, shape, out),
        (bits, _) => unreachable!("no format has codes of {bits} bits"),
    }
}

/// How the codes of results lie in rows.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    /// Lanes of a row, whole blocks.
    pub lanes: usize,
    /// Rows of a result, and number of the first one among them.
    pub rows: usize,
    pub first: usize,
    /// Lanes of a result's last row that are not zeros to fill it.
    pub last: usize,
}

#[inline(always)]
fn rows_of<const BITS: usize, const OFFSET: bool>(bytes: &[u8], shift: u32, shape: Shape, out: &mut [i16]) {
    let header = if OFFSET { 4 } else { 2 };
    let mut blocks = bytes.chunks_exact(header + 4 * BITS);
    let mut number = shape.first;
    for row in out.chunks_exact_mut(shape.lanes) {
        number += 1;
        let filled = if number == shape.rows { shape.last } else { shape.lanes };
        let (codes, zeros) = row.split_at_mut(filled);
        for (lanes, block) in codes.as_chunks_mut::<BLOCK_CODES>().0.iter_mut().zip(&mut blocks) {
            decode_block::<BITS, OFFSET>(block, shift, lanes);
        }
        if number == shape.rows {
            zeros.fill(0);
            number = 0;
        }
    }
}

/// `(scale * q + offset * 2^4)`, rounded, shifted and saturated. 32 bits hold it: the product has less than 25, the rounding 30.
#[inline(always)]
fn decode_block<const BITS: usize, const OFFSET: bool>(
    block: &[u8],
    shift: u32,
    out: &mut [i16; BLOCK_CODES],
) {
    let [low, high, ..] = *block else { return };
    let (scale, base, codes) = if OFFSET {
        let offset = i32::from(i16::from_le_bytes([block[2], block[3]]));
        (i32::from(u16::from_le_bytes([low, high])), offset << OFFSET_SHIFT, &block[4..])
    } else {
        let scale = i32::from(i16::from_le_bytes([low, high]));
        (scale, -(scale << (BITS - 1)), &block[2..])
    };
    let rounded = base + if shift == 0 { 0 } else { 1 << (shift - 1) };
    let limit = 1 << (WEIGHT_BITS - 1);
    for (out, code) in out.iter_mut().zip(unpack::<BITS>(codes)) {
        *out = ((scale * i32::from(code) + rounded) >> shift).clamp(-limit, limit - 1) as i16;
    }
}

/// The codes of a block, a byte each. Eight codes, which are `BITS` bytes, move apart together: halves, quarters, bytes.
#[inline(always)]
fn unpack<const BITS: usize>(codes: &[u8]) -> [u8; BLOCK_CODES] {
    let mut groups = [0u64; BLOCK_CODES / 8];
    for (group, bytes) in groups.iter_mut().zip(codes.chunks_exact(BITS)) {
        let mut wide = [0; 8];
        wide[..BITS].copy_from_slice(bytes);
        *group = u64::from_le_bytes(wide);
    }
    let mut out = [0; BLOCK_CODES];
    for (group, out) in groups.iter_mut().zip(out.as_chunks_mut::<8>().0) {
        if BITS < 8 {
            *group = apart::<32>(*group, 4 * BITS);
            *group = apart::<16>(*group, 2 * BITS);
            *group = apart::<8>(*group, BITS);
        }
        *out = group.to_le_bytes();
    }
    out
}

/// Of fields of `2 * bits` bits, one in `2 * WIDE` bits each, takes the upper halves up to the middle.
#[inline(always)]
fn apart<const WIDE: usize>(x: u64, bits: usize) -> u64 {
    let mut low = 0;
    let mut at = 0;
    while at < 64 {
        low |= ((1u64 << bits) - 1) << at;
        at += 2 * WIDE;
    }
    x & low | (x & low << bits) << (WIDE - bits)
}

#[cfg(test)]
mod tests {
    use super::super::random;
    use super::*;
    use lpu_isa::transfer::{bits, decode};

    /// Every format and shift against [`decode`], in rows of 64 lanes whose third is half full.
    #[test]
    fn codes_are_decoded_as_the_instruction_set_says() {
        for (width, offset) in [4, 5, 6, 8].into_iter().flat_map(|width| [(width, false), (width, true)]) {
            for shift in 0..32 {
                let codes = Codes { bits: width, offset, shift };
                let shape = Shape { lanes: 64, rows: 3, first: 1, last: 32 };
                let size = if offset { 4 } else { 2 } + 4 * width as usize;
                let bytes = random(u64::from(shift) << 8 | u64::from(width), 8 * size);
                let mut out = vec![-1; 5 * 64];
                decode_rows(&bytes, codes, shape, &mut out);
                let mut expected = Vec::new();
                for (index, block) in bytes.chunks(size).enumerate() {
                    let header = if offset { 32 } else { 16 };
                    let scale = bits(block, 0, 16) as u16;
                    let base = offset.then(|| bits(block, 16, 16) as i16);
                    for code in 0..32 {
                        let code = bits(block, header + code * width as usize, width as usize) as u32;
                        expected.push(decode(scale, base, code, width, shift, WEIGHT_BITS) as i16);
                    }
                    // Rows 1 and 4 of five are the third of their result.
                    if index == 2 || index == 7 {
                        expected.resize(expected.len() + 32, 0);
                    }
                }
                assert_eq!(out, expected, "{codes:?}");
            }
        }
    }

    #[test]
    fn nine_bits_are_signed() {
        let bytes = random(9, 18);
        let mut lanes = [0; 16];
        read_nines(&bytes, &mut lanes);
        for (index, lane) in lanes.into_iter().enumerate() {
            let raw = bits(&bytes, index * 9, 9) as i16;
            assert_eq!(lane, if raw < 256 { raw } else { raw - 512 }, "lane {index}");
        }
    }
}
