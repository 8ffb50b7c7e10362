//! Programs as text: assembler and disassembler, both driven by the instruction table.
//!
//! ```text
//! queue matrix
//! dot delay=3 count=32 row_step=1 entry_advance=1 tap=6 clear=first emit=last shift=9 store=40   ; 0
//! sync
//! end
//! queue vector
//! vector delay=21 count=0+1b vmem=40 vmem_advance=1 function=exp2 destination=act
//! sync
//! end
//! ```
//!
//! One instruction a line: operation, then `field=value` in any order. A field that is not named is zero or its first
//! choice; `count` and `interval` of an operation that issues are one. Text after `;` is a comment. Numbers are decimal
//! or, with `0x`, hexadecimal; `3+2b` is 3, and 2 for each block begun. A word that encodes no instruction is written as
//! `word` and its six parts.
//!
//! # Invariants
//! 1. `assemble(disassemble(program)) == program`, for every queue memory.
//! 2. What assembles decodes; whether it is legal is the verifier's question.

mod parse;
mod print;

pub use parse::{AssemblyError, Problem, assemble, assemble_line};
pub use print::{disassemble, disassemble_line};

use lpu_isa::instruction::*;

/// All queues.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Program {
    /// Instructions of the matrix queue.
    pub matrix: Vec<Word>,
    /// Instructions of the vector queue.
    pub vector: Vec<Word>,
    /// Instructions of the transfer queue.
    pub transfer: Vec<Word>,
}

/// The ending of a control field that is the block's part of the one before it.
const PER_BLOCK: &str = "_per_block";
/// The operation that stands for a word that encodes none.
const RAW: &str = "word";

/// A name of the instruction table in text: `EndLoop` is `end_loop`.
fn snake(name: &str) -> String {
    let mut text = String::new();
    for letter in name.chars() {
        if letter.is_uppercase() && !text.is_empty() {
            text.push('_');
        }
        text.extend(letter.to_lowercase());
    }
    text
}

/// The names of a field's codes, if it is a choice.
pub fn choices(field: &str) -> Option<Vec<String>> {
    fn names<T>(table: &[(T, &str, &str)]) -> Option<Vec<String>> {
        Some(table.iter().map(|row| snake(row.1)).collect())
    }
    match field {
        "memory" => names(Memory::TABLE),
        "clear" => names(Clear::TABLE),
        "emit" => names(Emit::TABLE),
        "index" => names(Index::TABLE),
        "x" => names(X::TABLE),
        "vmem_index" => names(VmemIndex::TABLE),
        "function" => names(Function::TABLE),
        "b" => names(B::TABLE),
        "c" => names(C::TABLE),
        "destination" => names(Destination::TABLE),
        "reduce" => names(Reduce::TABLE),
        "scaling" => names(Scaling::TABLE),
        "way" => names(Way::TABLE),
        "format" => names(Format::TABLE),
        "step_by" => names(StepBy::TABLE),
        _ => None,
    }
}

/// What a control field is when it is not named: operations of one queue are those that issue, at least once.
fn default_of(row: &Row, field: &Field) -> i64 {
    i64::from(row.on != On::All && matches!(field.name, "count" | "interval"))
}

/// A field's number in a word.
fn get(word: &Word, field: &Field) -> i64 {
    let bits = word[field.part] >> field.low & ((1 << field.width) - 1);
    if field.signed { ((bits << (64 - field.width)) as i64) >> (64 - field.width) } else { bits as i64 }
}

/// Puts a number that is in range into a word whose field is zero.
fn set(word: &mut Word, field: &Field, number: i64) {
    word[field.part] |= (number as u64 & ((1 << field.width) - 1)) << field.low;
}
