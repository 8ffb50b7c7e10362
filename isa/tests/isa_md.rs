//! `ISA.md` is rendered from the instruction set itself: tables, and the documentation beside them. Locally this test
//! rewrites the file; with `CI` set it only compares.

#[path = "isa_md/pseudocode.rs"]
mod pseudocode;
#[path = "isa_md/source.rs"]
mod source;
#[path = "isa_md/timing.rs"]
mod timing;

use lpu_isa::host::{Fault, Register, Space};
use lpu_isa::image::MAGIC;
use lpu_isa::instruction::*;
use lpu_isa::{Geometry, host};
use source::{cell, constants, functions, header, members, prose};
use std::fmt::Write;

const INTRODUCTION: &str = "\
# The instruction set of the LPU

<!-- Rendered by `cargo test -p lpu-isa --test isa_md`: change the crate `isa`, not this file. -->

One program is two or three queues of instructions that run side by side: the *matrix* queue drives weight and KV memory and
the matrix unit, the *vector* queue drives vector memory, the vector unit and what distributes and reduces its results, the
*transfer* queue drives external memory, where a chip has one. Nothing
stalls and nothing is arbitrated. Every latency is a number below, and a program is legal when its result is that of
executing all issues completely, in order of their cycles; `lpu check` decides that.

L stands for the lanes of the matrix unit, V for those of the vector unit, G = L / V for the groups of lanes in a matrix
row. A *half* is V / 2 lanes. *blocks* is the number of blocks of V positions begun: `position / V + 1`.
";

fn main_text() -> String {
    let mut text = String::from(INTRODUCTION);
    text += &chips();
    text += &format!("\n## Number formats and arithmetic\n\n{}\n", prose(&header(source::ARITH)));
    text += &list("Constants", &constants(source::ARITH));
    text += &list("Functions", &functions(source::ARITH));
    text += &format!("\n## Instructions\n\n{}\n", prose(&header(source::INSTRUCTION)));
    text += &control();
    for row in TABLE {
        text += &operation(row);
    }
    text += &choices();
    text += &timing::render();
    text += &format!("\n## External memory\n\n{}\n", prose(&header(source::TRANSFER)));
    text += &list("Functions", &functions(source::TRANSFER));
    text += &host_port();
    text += &image();
    text
}

/// A table of two columns of names and their documentation.
fn list(title: &str, rows: &[(String, String)]) -> String {
    let mut text = format!("\n{title}:\n\n| name | meaning |\n|---|---|\n");
    for (name, doc) in rows {
        writeln!(text, "| `{name}` | {} |", cell(doc)).expect("text can be written to");
    }
    text
}

fn chips() -> String {
    let names: Vec<&str> = Geometry::known().map(|geometry| geometry.name).collect();
    let rules = "---:|".repeat(names.len());
    let mut text = format!("\n## Chips\n\n| size | {} | meaning |\n|---|{rules}---|\n", names.join(" | "));
    for (index, (name, doc)) in Geometry::SIZES.iter().enumerate() {
        let values: Vec<String> = Geometry::known().map(|chip| chip.sizes()[index].to_string()).collect();
        writeln!(text, "| `{name}` | {} | {} |", values.join(" | "), cell(doc)).expect("text");
    }
    text
}

/// Fields of a part from high to low, with the reserved bits between them: first bit, last bit, name.
fn cells(fields: &[Field], part: usize) -> Vec<(u32, u32, &'static str)> {
    let mut fields: Vec<&Field> = fields.iter().filter(|field| field.part == part).collect();
    fields.sort_by_key(|field| std::cmp::Reverse(field.low));
    let mut cells = Vec::new();
    let mut top = 64;
    for field in fields {
        if field.low + field.width < top {
            cells.push((top - 1, field.low + field.width, "0"));
        }
        cells.push((field.low + field.width - 1, field.low, field.name));
        top = field.low;
    }
    if top > 0 {
        cells.push((top - 1, 0, "0"));
    }
    cells
}

/// A box of the cells of one part.
fn diagram(part: usize, cells: &[(u32, u32, &str)]) -> String {
    let bits = |&(high, low, _): &(u32, u32, &str)| {
        if high == low { high.to_string() } else { format!("{high}..{low}") }
    };
    let widths: Vec<usize> = cells.iter().map(|cell| bits(cell).len().max(cell.2.len())).collect();
    let line = |text: &dyn Fn(usize) -> String| {
        let parts: Vec<String> =
            widths.iter().enumerate().map(|(index, &width)| format!(" {:width$} ", text(index))).collect();
        format!("|{}|\n", parts.join("|"))
    };
    let rule = line(&|index| "-".repeat(widths[index])).replace(' ', "-").replace('|', "+");
    let numbers = line(&|index| bits(&cells[index]));
    let names = line(&|index| cells[index].2.to_string());
    format!("part {part}\n{rule}{numbers}{names}{rule}")
}

fn control() -> String {
    let mut fields = CONTROL_FIELDS.to_vec();
    fields.push(Field {
        name: "opcode",
        part: 0,
        low: 0,
        width: 4,
        signed: false,
        unit: Unit::Number,
        external: false,
        doc: "",
    });
    let timing = members(source::INSTRUCTION, "Control");
    let mut text =
        format!("\n### Part 0 of every instruction\n\n```text\n{}```\n\n", diagram(0, &cells(&fields, 0)));
    text += &prose(&source::doc_of(source::INSTRUCTION, "pub struct Control {"));
    text += "\n\n";
    for (name, doc) in timing {
        writeln!(text, "* `{name}`: {}", prose(&doc)).expect("text");
    }
    text
}

fn operation(row: &Row) -> String {
    let queue = match row.on {
        On::All => "all queues",
        On::Matrix => "matrix queue",
        On::Vector => "vector queue",
        On::Transfer => "transfer queue",
    };
    let mut text = format!("\n### {} (opcode {}, {queue})\n\n{}\n", row.name, row.code, prose(row.doc));
    let parts = row.fields.iter().map(|field| field.part).max().unwrap_or(0);
    if parts > 0 {
        let boxes: Vec<String> = (1..=parts).map(|part| diagram(part, &cells(row.fields, part))).collect();
        write!(text, "\n```text\n{}```\n\n| field | bits | meaning |\n|---|---|---|\n", boxes.join("\n"))
            .expect("text");
    }
    for field in row.fields {
        let sign = if field.signed { " signed" } else { "" };
        let sign = if field.external { format!("{sign}, external memory") } else { sign.to_string() };
        writeln!(text, "| `{}` | {}{sign} | {} |", field.name, field.width, cell(field.doc)).expect("text");
    }
    write!(text, "\n```text\n{}```\n", pseudocode::of(row.name)).expect("text");
    text
}

fn choices() -> String {
    let mut text = String::from("\n### Choices\n\nFields that are a choice hold its number.\n");
    macro_rules! choices {
        ($($name:ident)+) => {
            $(
            write!(text, "\n`{}`:\n\n| code | name | meaning |\n|---:|---|---|\n", stringify!($name)).expect("text");
            for (code, (_, name, doc)) in $name::TABLE.iter().enumerate() {
                writeln!(text, "| {code} | {name} | {} |", cell(doc)).expect("text");
            }
            )+
        };
    }
    choices!(Memory Clear Emit Index Way Format StepBy X VmemIndex Function B C Destination Reduce Scaling);
    text
}

fn host_port() -> String {
    let mut text = format!("\n## Host port\n\n{}\n", prose(&header(source::HOST)));
    writeln!(
        text,
        "\n{}\n\nKinds: write 0x{:02x}, read 0x{:02x}.\n\n| space | number | meaning |\n|---|---:|---|",
        prose(&source::doc_of(source::COMMAND, "pub struct Command {")),
        host::COMMAND_WRITE,
        host::COMMAND_READ
    )
    .expect("text");
    for ((name, doc), space) in members(source::HOST, "Space").into_iter().zip(Space::ALL) {
        assert_eq!(name, format!("{space:?}"), "the spaces in their order");
        writeln!(text, "| {name} | {} | {} |", space as u8, cell(&doc)).expect("text");
    }
    text += "\n### Registers\n\n| register | number | access | bits | meaning |\n|---|---:|---|---:|---|\n";
    for row in Register::TABLE {
        let (number, access, doc) = (row.register as u8, row.access.name(), cell(row.doc));
        writeln!(text, "| {} | {number} | {access} | {} | {doc} |", row.name, row.width).expect("text");
    }
    for row in Register::TABLE.iter().filter(|row| !row.fields.is_empty()) {
        write!(text, "\n{}:\n\n| part | bits | meaning |\n|---|---|---|\n", row.name).expect("text");
        for field in row.fields {
            let high = field.low + field.width - 1;
            let bits = if field.width == 1 { high.to_string() } else { format!("{high}..{}", field.low) };
            writeln!(text, "| {} | {bits} | {} |", field.name, cell(field.doc)).expect("text");
        }
    }
    text +=
        "\n### Faults\n\nA legal program raises none of them. They stay set until the host clears them.\n\n";
    text += "| fault | bit | meaning |\n|---|---:|---|\n";
    for (fault, name, doc) in Fault::TABLE {
        writeln!(text, "| {name} | {} | {} |", fault.0.trailing_zeros(), cell(doc)).expect("text");
    }
    text += "\n### Record of a step\n\n";
    text += &prose(&source::doc_of(source::HOST, "pub struct Step {"));
    text += "\n\n";
    for (name, doc) in members(source::HOST, "Step") {
        writeln!(text, "* `{name}`: {}", prose(&doc)).expect("text");
    }
    text
}

fn image() -> String {
    let magic = std::str::from_utf8(&MAGIC).expect("ASCII");
    let mut text = format!("\n## Program image (`{magic}`)\n\n{}\n", prose(&header(source::IMAGE)));
    for (title, name) in [("Sections", "Image"), ("The model section holds", "ModelInfo")] {
        text += &list(title, &members(source::IMAGE, name));
    }
    text
}

#[test]
fn isa_md_says_what_the_crate_says() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../ISA.md");
    let (found, expected) = (std::fs::read_to_string(path).unwrap_or_default(), main_text());
    if std::env::var_os("CI").is_none() && found != expected {
        std::fs::write(path, &expected).expect("the repository can be written to");
    }
    assert!(found == expected, "ISA.md was stale: rerun the tests and commit the rendered file");
}

#[test]
fn the_choices_are_all_there() {
    let text = choices();
    let declared = source::choice_types();
    assert!(declared.len() >= 12, "{declared:?}");
    for name in declared {
        assert!(text.contains(&format!("\n`{name}`:\n")), "the choice {name} is missing in this test's list");
    }
}
