//! From text to words.

use super::print::{control_fields, is_per_block};
use super::{Program, RAW, choices, default_of, set, snake};
use lpu_isa::instruction::*;

/// Why a text is not a program, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, column {column}: {problem}")]
pub struct AssemblyError {
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// What is wrong there.
    pub problem: Problem,
}

/// What can be wrong with a text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    #[error(
        "expected `queue matrix`, `queue vector` or `queue transfer` before the first instruction, found `{found}`"
    )]
    NoQueue { found: String },
    #[error("expected `matrix`, `vector` or `transfer` after `queue`, found `{found}`")]
    UnknownQueue { found: String },
    #[error("expected one of {known}, found `{found}`")]
    UnknownOperation { found: String, known: String },
    #[error("expected an operation of the {queue} queue, found `{found}`, which another one has")]
    OtherQueue { found: String, queue: Queue },
    #[error("expected `field=value`, found `{found}`")]
    NotAField { found: String },
    #[error("expected a field of `{operation}` ({known}), found `{found}`")]
    UnknownField { operation: String, found: String, known: String },
    #[error("expected `{field}` once, found it again: remove one")]
    Repeated { field: &'static str },
    #[error("expected a number from {first} to {last} for `{field}`, found `{found}`")]
    Number { field: &'static str, first: i64, last: i64, found: String },
    #[error("expected one of {known} for `{field}`, found `{found}`")]
    Choice { field: &'static str, known: String, found: String },
    #[error("expected {PARTS} parts of 64 bits after `word`, found {found}")]
    RawParts { found: usize },
    #[error("expected a part of 64 bits, found `{found}`")]
    RawPart { found: String },
}

/// A piece of a line and its column, from 1.
#[derive(Clone, Copy)]
struct Token<'a> {
    text: &'a str,
    column: usize,
}

type Found<T> = Result<T, (usize, Problem)>;

/// Both queues of a text.
pub fn assemble(text: &str) -> Result<Program, AssemblyError> {
    let mut program = Program::default();
    let mut queue = None;
    for (index, line) in text.lines().enumerate() {
        let at = |(column, problem)| AssemblyError { line: index + 1, column, problem };
        let tokens = tokens(line);
        let Some(first) = tokens.first() else { continue };
        if first.text == "queue" {
            queue = Some(queue_named(&tokens).map_err(at)?);
            continue;
        }
        let Some(queue) = queue else {
            return Err(at((first.column, Problem::NoQueue { found: first.text.into() })));
        };
        let word = instruction(&tokens, Some(queue)).map_err(at)?;
        match queue {
            Queue::Matrix => program.matrix.push(word),
            Queue::Vector => program.vector.push(word),
            Queue::Transfer => program.transfer.push(word),
        }
    }
    Ok(program)
}

/// The word of one line, whichever queue it is for. Errors name line 1.
pub fn assemble_line(line: &str) -> Result<Word, AssemblyError> {
    let tokens = tokens(line);
    let word = if tokens.is_empty() { Err((1, unknown_operation(""))) } else { instruction(&tokens, None) };
    word.map_err(|(column, problem)| AssemblyError { line: 1, column, problem })
}

fn tokens(line: &str) -> Vec<Token<'_>> {
    let line = line.split(';').next().unwrap_or_default();
    let mut rest = line;
    let mut tokens = Vec::new();
    loop {
        rest = rest.trim_start();
        let text = rest.split_whitespace().next().unwrap_or_default();
        if text.is_empty() {
            return tokens;
        }
        let column = line[..line.len() - rest.len()].chars().count() + 1;
        tokens.push(Token { text, column });
        rest = &rest[text.len()..];
    }
}

fn queue_named(tokens: &[Token]) -> Found<Queue> {
    let name = tokens.get(1).copied().unwrap_or(Token { text: "", column: tokens[0].column + 5 });
    match (name.text, tokens.get(2)) {
        ("matrix", None) => Ok(Queue::Matrix),
        ("vector", None) => Ok(Queue::Vector),
        ("transfer", None) => Ok(Queue::Transfer),
        (_, None) => Err((name.column, Problem::UnknownQueue { found: name.text.into() })),
        (_, Some(more)) => Err((more.column, Problem::UnknownQueue { found: more.text.into() })),
    }
}

fn unknown_operation(found: &str) -> Problem {
    let mut known: Vec<String> = TABLE.iter().map(|row| format!("`{}`", snake(row.name))).collect();
    known.push(format!("`{RAW}`"));
    Problem::UnknownOperation { found: found.into(), known: known.join(", ") }
}

fn instruction(tokens: &[Token], queue: Option<Queue>) -> Found<Word> {
    let (name, fields) = (tokens[0], &tokens[1..]);
    if name.text == RAW {
        return raw(name.column, fields);
    }
    let row = TABLE.iter().find(|row| snake(row.name) == name.text);
    let row = row.ok_or_else(|| (name.column, unknown_operation(name.text)))?;
    if let Some(queue) = queue.filter(|queue| !row.on.includes(*queue)) {
        return Err((name.column, Problem::OtherQueue { found: name.text.into(), queue }));
    }
    let mut word = [0; PARTS];
    word[0] = row.code;
    let mut named: Vec<&str> = Vec::new();
    for &token in fields {
        named.push(field_of(row, token, &named, &mut word)?);
    }
    for field in control_fields().filter(|field| !named.contains(&field.name)) {
        set(&mut word, field, default_of(row, field));
    }
    Ok(word)
}

fn raw(column: usize, parts: &[Token]) -> Found<Word> {
    let mut word = [0; PARTS];
    if parts.len() != PARTS {
        return Err((column, Problem::RawParts { found: parts.len() }));
    }
    for (part, token) in word.iter_mut().zip(parts) {
        let value = match token.text.strip_prefix("0x") {
            Some(digits) => u64::from_str_radix(digits, 16),
            None => token.text.parse(),
        };
        *part = value.map_err(|_| (token.column, Problem::RawPart { found: token.text.into() }))?;
    }
    Ok(word)
}

/// Puts one `field=value` into a word; the field's name.
fn field_of(row: &Row, token: Token, named: &[&str], word: &mut Word) -> Found<&'static str> {
    let not_a_field = || (token.column, Problem::NotAField { found: token.text.into() });
    let (name, text) = token.text.split_once('=').ok_or_else(not_a_field)?;
    let field = control_fields().chain(row.fields).find(|field| field.name == name);
    let field = field.ok_or_else(|| (token.column, unknown_field(row, name)))?;
    if named.contains(&field.name) {
        return Err((token.column, Problem::Repeated { field: field.name }));
    }
    let value = Token { text, column: token.column + name.chars().count() + 1 };
    match CONTROL_FIELDS.iter().find(|other| is_per_block(field, other)) {
        Some(blocks) if field.part == 0 => affine(field, blocks, value, word)?,
        _ => set(word, field, number_or_choice(field, value)?),
    }
    Ok(field.name)
}

fn unknown_field(row: &Row, found: &str) -> Problem {
    let known: Vec<&str> = control_fields().chain(row.fields).map(|field| field.name).collect();
    Problem::UnknownField { operation: snake(row.name), found: found.into(), known: known.join(", ") }
}

/// `7`, `7+2b` or `7-2b`.
fn affine(field: &'static Field, blocks: &'static Field, value: Token, word: &mut Word) -> Found<()> {
    let Some(text) = value.text.strip_suffix('b').filter(|text| !text.starts_with("0x")) else {
        set(word, field, number(field, value)?);
        return Ok(());
    };
    // The sign in front of the second number; the first number may have one too.
    let split = text.rfind(['+', '-']).filter(|&at| at > 0);
    let split = split.ok_or_else(|| (value.column, wrong_number(field, value)))?;
    set(word, field, number(field, Token { text: &text[..split], ..value })?);
    let per_block = Token { text: &text[split..], column: value.column + text[..split].chars().count() };
    set(word, blocks, number(blocks, per_block)?);
    Ok(())
}

fn number_or_choice(field: &'static Field, value: Token) -> Found<i64> {
    let Some(names) = choices(field.name) else { return number(field, value) };
    names.iter().position(|name| name == value.text).map(|code| code as i64).ok_or_else(|| {
        let known: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
        let problem =
            Problem::Choice { field: field.name, known: known.join(", "), found: value.text.into() };
        (value.column, problem)
    })
}

fn number(field: &'static Field, value: Token) -> Found<i64> {
    let number = match value.text.strip_prefix("0x") {
        Some(digits) => i64::from_str_radix(digits, 16).ok(),
        None => value.text.parse().ok(),
    };
    let (first, last) = field.range();
    number
        .filter(|number| (first..=last).contains(number))
        .ok_or_else(|| (value.column, wrong_number(field, value)))
}

fn wrong_number(field: &'static Field, value: Token) -> Problem {
    let (first, last) = field.range();
    Problem::Number { field: field.name, first, last, found: value.text.into() }
}
