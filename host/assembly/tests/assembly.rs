//! Text and words are the same program; wrong text is named by line and column.

use lpu_assembly::{Program, assemble, assemble_line, choices, disassemble, disassemble_line};
use lpu_isa::instruction::*;
use proptest::prelude::*;

/// A word of one of the operations with any bits in its fields, and only there.
fn words() -> impl Strategy<Value = Word> {
    (0..TABLE.len(), any::<Word>()).prop_map(|(row, bits)| {
        let row = &TABLE[row];
        let mut word = [0; PARTS];
        word[0] = row.code;
        for field in CONTROL_FIELDS.iter().chain(row.fields) {
            word[field.part] |= bits[field.part] & ((1 << field.width) - 1) << field.low;
        }
        word
    })
}

proptest! {
    #[test]
    fn instructions_survive_being_text(word in words()) {
        let line = disassemble_line(&word);
        prop_assert_eq!(assemble_line(&line), Ok(word), "{}", line);
        prop_assert_eq!(line.starts_with("word"), Instruction::decode(&word).is_none());
    }

    #[test]
    fn any_word_survives_being_text(word in any::<Word>()) {
        prop_assert_eq!(assemble_line(&disassemble_line(&word)), Ok(word));
    }

    #[test]
    fn programs_survive_being_text(matrix in prop::collection::vec(words(), 0..9), vector in prop::collection::vec(words(), 0..9)) {
        let only = |words: Vec<Word>, queue: Queue| {
            let here = |word: &Word| Instruction::decode(word).is_none_or(|found| found.op.row().on.includes(queue));
            words.into_iter().filter(here).collect()
        };
        let program = Program {
            transfer: only(matrix.clone(), Queue::Transfer),
            matrix: only(matrix, Queue::Matrix),
            vector: only(vector, Queue::Vector),
        };
        prop_assert_eq!(assemble(&disassemble(&program)), Ok(program));
    }

    #[test]
    fn no_text_is_too_much(text in ".*") {
        let _ = assemble(&format!("queue matrix\n{text}"));
        let _ = assemble_line(&text);
    }
}

#[test]
fn every_choice_has_names_and_every_name_a_choice() {
    for row in TABLE {
        for field in row.fields {
            let decodes = |code: &u64| {
                let mut word = [0; PARTS];
                word[0] = row.code;
                word[field.part] |= code << field.low;
                Instruction::decode(&word).is_some()
            };
            let codes = if field.width > 8 { 1 << 8 } else { 1 << field.width };
            let legal = (0..codes).filter(decodes).count();
            match choices(field.name) {
                Some(names) => assert_eq!(names.len(), legal, "{}.{}", row.name, field.name),
                None => assert_eq!(legal, codes as usize, "{}.{} is a choice", row.name, field.name),
            }
        }
    }
}

#[test]
fn a_line_reads_as_it_was_written() {
    let dot = Dot { row: 7, tap: 6, clear: Clear::First, emit: Emit::WrapOrLast, ..Dot::default() };
    let count = Affine { constant: 0, per_block: 1 };
    let delay = Affine { constant: -3, per_block: -2 };
    let word = Instruction { control: Control { delay, count, interval: 1 }, op: Op::Dot(dot) }.encode();
    let line = "dot delay=-3-2b count=0+1b row=7 tap=6 clear=first emit=wrap_or_last";
    assert_eq!(disassemble_line(&word.unwrap()), line);
    assert_eq!(
        assemble_line("  dot tap=6 emit=wrap_or_last row=0x7 clear=first count=0+1b delay=-3-2b ; why"),
        Ok(word.unwrap())
    );
    assert_eq!(disassemble_line(&[0, 1, 2, 0, 0, 0xff]), "word 0x0 0x1 0x2 0x0 0x0 0xff");
}

#[test]
fn issuing_operations_issue_once_unless_told() {
    let word = |control, op| Instruction { control, op }.encode().unwrap();
    assert_eq!(assemble_line("gather delay=4"), Ok(word(Control::after(4), Op::Gather(Gather::default()))));
    assert_eq!(assemble_line("sync"), Ok(word(Control::default(), Op::Sync(Sync {}))));
}

#[test]
fn errors_say_where_and_what() {
    let cases = [
        (
            "dot",
            "line 1, column 1: expected `queue matrix`, `queue vector` or `queue transfer` before the first instruction, found `dot`",
        ),
        (
            "queue tensor",
            "line 1, column 7: expected `matrix`, `vector` or `transfer` after `queue`, found `tensor`",
        ),
        (
            "queue matrix\n; nothing\n  dott row=1",
            "line 3, column 3: expected one of `nop`, `loop`, `end_loop`, `sync`, `end`, `dot`, `gather`, `vector`, \
             `transfer`, `word`, found `dott`",
        ),
        (
            "queue vector\ngather",
            "line 2, column 1: expected an operation of the vector queue, found `gather`, which another one has",
        ),
        ("queue matrix\ndot row", "line 2, column 5: expected `field=value`, found `row`"),
        (
            "queue matrix\ngather rows=1",
            "line 2, column 8: expected a field of `gather` (delay, count, interval, index, row, chunks, store), found \
             `rows`",
        ),
        (
            "queue matrix\ndot row=1 row=1",
            "line 2, column 11: expected `row` once, found it again: remove one",
        ),
        (
            "queue matrix\ndot tap=16",
            "line 2, column 9: expected a number from 0 to 15 for `tap`, found `16`",
        ),
        (
            "queue matrix\nnop delay=4+4000b",
            "line 2, column 12: expected a number from -2048 to 2047 for `delay_per_block`, found `+4000`",
        ),
        (
            "queue matrix\ndot emit=often",
            "line 2, column 10: expected one of `never`, `wrap`, `last`, `wrap_or_last` for `emit`, found `often`",
        ),
        ("queue matrix\nword 1 2", "line 2, column 1: expected 6 parts of 64 bits after `word`, found 2"),
        ("queue matrix\nword 1 2 3 4 5 x", "line 2, column 16: expected a part of 64 bits, found `x`"),
    ];
    for (text, message) in cases {
        assert_eq!(assemble(text).unwrap_err().to_string(), message);
    }
}
