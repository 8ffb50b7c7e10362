//! From words to text.

use super::{PER_BLOCK, Program, RAW, choices, default_of, get, snake};
use lpu_isa::instruction::*;
use std::fmt::Write;

/// A program as text, each instruction with its number.
pub fn disassemble(program: &Program) -> String {
    let mut text = String::new();
    let queues = [("matrix", &program.matrix), ("vector", &program.vector), ("transfer", &program.transfer)];
    // Chips without external memory have two.
    let transfers = usize::from(!program.transfer.is_empty());
    for (queue, words) in queues.into_iter().take(2 + transfers) {
        writeln!(text, "queue {queue}").expect("text can be written to");
        for (index, word) in words.iter().enumerate() {
            let line = disassemble_line(word);
            writeln!(text, "{line:<100} ; {index}").expect("text can be written to");
        }
    }
    text
}

/// One word as text.
pub fn disassemble_line(word: &Word) -> String {
    let Some(instruction) = Instruction::decode(word) else {
        let parts: Vec<String> = word.iter().map(|part| format!("{part:#x}")).collect();
        return format!("{RAW} {}", parts.join(" "));
    };
    let row = instruction.op.row();
    let mut text = snake(row.name);
    for field in control_fields() {
        let number = get(word, field);
        let blocks = CONTROL_FIELDS.iter().find(|other| is_per_block(field, other));
        let blocks = blocks.map_or(0, |field| get(word, field));
        let value = if blocks == 0 { number.to_string() } else { format!("{number}{blocks:+}b") };
        if blocks != 0 || number != default_of(row, field) {
            write!(text, " {}={value}", field.name).expect("text can be written to");
        }
    }
    for field in row.fields {
        let number = get(word, field);
        if number != 0 {
            let name = choices(field.name).map(|names| names[number as usize].clone());
            let value = name.unwrap_or_else(|| number.to_string());
            write!(text, " {}={value}", field.name).expect("text can be written to");
        }
    }
    text
}

/// The control fields that have a name of their own in text.
pub(super) fn control_fields() -> impl Iterator<Item = &'static Field> {
    CONTROL_FIELDS.iter().filter(|field| !field.name.ends_with(PER_BLOCK))
}

/// Whether `other` is the part of `field` that is counted per block.
pub(super) fn is_per_block(field: &Field, other: &Field) -> bool {
    other.name.strip_suffix(PER_BLOCK) == Some(field.name)
}
