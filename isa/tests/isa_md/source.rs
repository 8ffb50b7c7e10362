//! Reads documentation out of the crate's own source: a sentence stands there once.

pub const ARITH: &str = include_str!("../../src/arith.rs");
pub const COMMAND: &str = include_str!("../../src/host/command.rs");
pub const HOST: &str = include_str!("../../src/host/mod.rs");
pub const IMAGE: &str = include_str!("../../src/image.rs");
pub const CHOICES: &str = include_str!("../../src/instruction/choices.rs");
pub const INSTRUCTION: &str = include_str!("../../src/instruction/mod.rs");
pub const TIMING: &str = include_str!("../../src/timing.rs");
pub const TRANSFER: &str = include_str!("../../src/transfer.rs");

/// The documentation of a file: its lines that begin with `//!`.
pub fn header(source: &str) -> String {
    let lines = source.lines().map_while(|line| line.strip_prefix("//!"));
    let lines: Vec<&str> = lines.map(|line| line.strip_prefix(' ').unwrap_or(line)).collect();
    lines.join("\n")
}

/// Documentation as Markdown of a document: links to items become their names, headings become bold.
pub fn prose(doc: &str) -> String {
    let text =
        doc.replace("[`crate::host::", "[`").replace("[`crate::", "[`").replace("[`", "`").replace("`]", "`");
    let lines = text.trim().lines().map(|line| match line.strip_prefix("# ") {
        Some(heading) => format!("**{heading}**\n"),
        None => line.trim_end().to_string(),
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// Documentation as a cell of a Markdown table.
pub fn cell(doc: &str) -> String {
    prose(doc).replace('|', "\\|")
}

/// The documentation above the first line that begins with `declaration`.
pub fn doc_of(source: &str, declaration: &str) -> String {
    let lines: Vec<&str> = source.lines().collect();
    let at = lines.iter().position(|line| line.trim_start().starts_with(declaration));
    doc_above(&lines, at.unwrap_or_else(|| panic!("no `{declaration}` in the source")))
}

fn doc_above(lines: &[&str], at: usize) -> String {
    let above = lines[..at].iter().rev().map(|line| line.trim_start());
    let above = above.skip_while(|line| line.starts_with("#["));
    let mut doc: Vec<&str> = above.map_while(|line| line.strip_prefix("///")).map(str::trim).collect();
    doc.reverse();
    doc.split(|line| line.is_empty()).map(|lines| lines.join(" ")).collect::<Vec<_>>().join("<br>")
}

/// The fields of a struct or the variants of an enumeration, with their documentation.
pub fn members(source: &str, name: &str) -> Vec<(String, String)> {
    let lines: Vec<&str> = source.lines().collect();
    let opens =
        |line: &&str| ["struct", "enum"].iter().any(|kind| line.contains(&format!("pub {kind} {name} {{")));
    let first = lines.iter().position(opens).unwrap_or_else(|| panic!("no `{name}` in the source"));
    let body = (first + 1..lines.len()).take_while(|&at| !lines[at].starts_with('}'));
    let member = |at: usize| {
        let line = lines[at].trim_start().trim_start_matches("pub ");
        let name: String =
            line.chars().take_while(|&letter| letter.is_alphanumeric() || letter == '_').collect();
        (!name.is_empty()).then(|| (name, doc_above(&lines, at)))
    };
    body.filter_map(member).collect()
}

/// The constants of a file, `NAME = value`, with their documentation.
pub fn constants(source: &str) -> Vec<(String, String)> {
    let lines: Vec<&str> = source.lines().collect();
    let constant = |(at, line): (usize, &&str)| {
        let rest = line.strip_prefix("pub const ").filter(|rest| !rest.starts_with("fn "))?;
        let (name, value) = rest.split_once(':')?;
        let value = value.split_once(" = ")?.1.trim_end_matches(';');
        Some((format!("{name} = {value}"), doc_above(&lines, at)))
    };
    lines.iter().enumerate().filter_map(constant).collect()
}

/// The free functions of a file, with their documentation.
pub fn functions(source: &str) -> Vec<(String, String)> {
    let lines: Vec<&str> = source.lines().collect();
    let function = |(at, line): (usize, &&str)| {
        let rest = line.strip_prefix("pub const fn ").or_else(|| line.strip_prefix("pub fn "))?;
        Some((rest.strip_suffix(" {")?.to_string(), doc_above(&lines, at)))
    };
    lines.iter().enumerate().filter_map(function).collect()
}

/// The enumerations that are bit fields.
pub fn choice_types() -> Vec<String> {
    let from = CHOICES.find("\nchoice_types! {").expect("the choices");
    let body = CHOICES[from..].lines().skip(2).take_while(|line| !line.starts_with('}'));
    let opens = |line: &str| line.strip_prefix("    ")?.strip_suffix(" {").map(str::to_string);
    body.filter(|line| !line.starts_with("     ")).filter_map(opens).collect()
}
