//! What blocks of codes become, held against codes written out bit by bit.

use super::*;

/// Rows of codes written out bit by bit, and what they stand for.
fn coded(
    transfer: &Transfer,
    width: usize,
    rows: usize,
    lanes: usize,
    lane_bits: u32,
) -> (Vec<u8>, Vec<Vec<i32>>) {
    let random = numbers(width as u32 * 7 + transfer.shift, 100_000, 16);
    let mut random = random.into_iter().map(i64::from);
    let mut next = |bits: usize| random.next().expect("numbers") & ((1 << bits) - 1);
    let codes = transfer.blocks as usize * 32;
    let per_result = codes.div_ceil(lanes);
    let mut bits = Bits(Vec::new());
    let mut expected = Vec::new();
    for _ in 0..rows / per_result {
        let mut result = Vec::new();
        for _ in 0..transfer.blocks {
            let (scale, offset) = (next(16), next(16));
            bits.put(16, scale);
            let signed = |number: i64| if number >= 1 << 15 { number - (1 << 16) } else { number };
            let offset = signed(offset);
            if transfer.offset_codes {
                bits.put(16, offset);
            }
            for _ in 0..32 {
                let code = next(width);
                bits.put(width, code);
                let exact = match transfer.offset_codes {
                    true => (scale * code + offset * 16) as f64,
                    false => (signed(scale) * (code - (1 << (width - 1)))) as f64,
                };
                let limit = f64::from(1 << (lane_bits - 1));
                let rounded = (exact / f64::from(transfer.shift).exp2() + 0.5).floor();
                result.push(rounded.clamp(-limit, limit - 1.0) as i32);
            }
        }
        result.resize(per_result * lanes, 0);
        expected.extend(result.chunks(lanes).map(<[i32]>::to_vec));
    }
    bits.pad(GRANULE);
    (bits.bytes(), expected)
}

/// Every way and format of codes, with a filled last row where vector memory's eight and the matrix unit's 16 lanes have one.
#[test]
fn codes_become_rows() {
    let formats = [(Format::Codes4, 4), (Format::Codes5, 5), (Format::Codes6, 6), (Format::Codes8, 8)];
    for (format, width) in formats {
        for (way, lanes, lane_bits) in [(Way::Weights, 16, 9), (Way::Kv, 16, 9), (Way::Vmem, 8, 18)] {
            for (offset_codes, blocks, shift) in [(false, 1, 9), (true, 3, 10), (true, 2, 0), (false, 3, 14)]
            {
                let rows = 2 * blocks as usize * 32 / lanes;
                let moved = Transfer {
                    way,
                    format,
                    offset_codes,
                    shift,
                    blocks,
                    run: rows as u32,
                    address: 3,
                    row: 20,
                    row_step: 1,
                    ..Transfer::default()
                };
                let (bytes, expected) = coded(&moved, width, rows, lanes, lane_bits);
                let granules = (bytes.len() / BYTES) as i32;
                let dram = [vec![0xaa; 3 * BYTES], bytes, vec![0x55; BYTES]].concat();
                let emulator = run(&external(&[], &[], &[transfer(granules, moved)], dram), 0, 0);
                let row = |row: usize| -> Vec<i32> {
                    match way {
                        Way::Weights => {
                            emulator.state().weight_row(row).iter().map(|&lane| lane.into()).collect()
                        }
                        Way::Kv => emulator.state().kv_row(row).iter().map(|&lane| lane.into()).collect(),
                        _ => emulator.state().vmem_row(row).to_vec(),
                    }
                };
                for (index, expected) in expected.iter().enumerate() {
                    assert_eq!(&row(20 + index), expected, "{way:?} {format:?} row {index}");
                }
                assert!(row(20 + rows).iter().chain(&row(19)).all(|&lane| lane == 0), "{way:?} {format:?}");
            }
        }
    }
}

/// A chip whose matrix rows take two blocks, so that the last row of three blocks is half zeros.
#[test]
fn what_fills_up_the_last_row_of_a_result_takes_no_room() {
    let chip = Geometry::ECP5_DDR3;
    for (format, width, offset_codes) in [(Format::Codes4, 4, true), (Format::Codes5, 5, false)] {
        let moved = Transfer {
            format,
            offset_codes,
            shift: 10,
            blocks: 3,
            run: 6,
            row_step: 1,
            ..Transfer::default()
        };
        let (mut bytes, expected) = coded(&moved, width, 6, 64, 9);
        bytes.resize(bytes.len().next_multiple_of(128), 0);
        let granules = (bytes.len() / 128) as i32;
        let image = Image { geometry: chip, ..external(&[], &[], &[transfer(granules, moved)], bytes) };
        let emulator = run(&image, 0, 0);
        for (index, expected) in expected.into_iter().enumerate() {
            assert_eq!(emulator.state().weight_row(index), narrow(&expected), "{format:?} row {index}");
        }
        assert!(emulator.state().weight_row(1)[32..].iter().all(|&lane| lane == 0));
    }
}
