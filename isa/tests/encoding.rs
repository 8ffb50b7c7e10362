//! Round trips of the instruction table and its shape.

use lpu_isa::instruction::*;

/// A small generator, so that a failing case is named by its seed.
struct Random(u64);

impl Random {
    fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 32) ^ (self.0 << 32)
    }
}

/// A word with random bits in all fields of a row and none elsewhere.
fn random_word(row: &Row, random: &mut Random) -> Word {
    let mut word = [0; PARTS];
    word[0] = row.code | random.bits() & !0xf;
    for field in row.fields {
        word[field.part] |= (random.bits() & ((1 << field.width) - 1)) << field.low;
    }
    word
}

#[test]
fn words_decode_to_what_encodes_to_them() {
    for seed in 0..2000 {
        let mut random = Random(seed);
        for row in TABLE {
            let word = random_word(row, &mut random);
            if let Some(instruction) = Instruction::decode(&word) {
                assert_eq!(instruction.encode(), Ok(word), "seed {seed}, {}", row.name);
                assert_eq!(instruction.op.row().code, row.code);
            }
        }
    }
}

#[test]
fn reserved_bits_and_unknown_opcodes_are_illegal() {
    for row in TABLE {
        let mut used = [0u64; PARTS];
        used[0] = u64::MAX;
        for field in row.fields {
            let mask = ((1u64 << field.width) - 1) << field.low;
            assert_eq!(used[field.part] & mask, 0, "{}.{} overlaps", row.name, field.name);
            used[field.part] |= mask;
        }
        for (part, bits) in used.into_iter().enumerate() {
            for bit in (0..64).filter(|bit| bits >> bit & 1 == 0) {
                let mut word = [0; PARTS];
                word[0] = row.code;
                word[part] |= 1 << bit;
                assert_eq!(Instruction::decode(&word), None, "{} part {part} bit {bit}", row.name);
            }
        }
    }
    for code in 0..16u64 {
        let known = TABLE.iter().any(|row| row.code == code);
        assert_eq!(Instruction::decode(&[code, 0, 0, 0, 0, 0]).is_some(), known, "opcode {code}");
    }
}

#[test]
fn opcodes_ascend_and_matrix_operations_fit_their_parts() {
    assert!(TABLE.windows(2).all(|rows| rows[0].code < rows[1].code));
    assert_eq!(MATRIX_PARTS, TRANSFER_PARTS);
    for row in TABLE.iter().filter(|row| row.on != On::Vector) {
        assert!(row.fields.iter().all(|field| field.part < MATRIX_PARTS), "{}", row.name);
    }
}

#[test]
fn a_field_that_does_not_fit_is_named() {
    let op = Op::Dot(Dot { tap: 16, ..Dot::default() });
    let instruction = Instruction { control: Control::after(4), op };
    assert_eq!(instruction.encode(), Err("tap"));
}
