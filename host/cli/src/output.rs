//! How numbers, tables, progress and JSON look.

use super::Failure;
use anstyle::{AnsiColor, Style};
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;
use std::fmt::Display;
use std::io::Write;
use std::time::Duration;

/// What is as it should be.
pub const GOOD: Style = AnsiColor::Green.on_default().bold();
/// What is wrong.
pub const BAD: Style = AnsiColor::Red.on_default().bold();
/// What may be wrong.
pub const WARNING: Style = AnsiColor::Yellow.on_default().bold();
/// What carries the message.
pub const STRONG: Style = Style::new().bold();
/// What may be passed over.
pub const FAINT: Style = Style::new().dimmed();

/// Text in a style; [`anstream`] drops the style where it has no place.
pub fn paint(style: Style, text: impl Display) -> String {
    format!("{style}{text}{style:#}")
}

/// A whole number with commas between thousands.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A rate: three digits or more of it.
pub fn rate(per_second: f64) -> String {
    match per_second {
        0.0..10.0 => format!("{per_second:.2}"),
        10.0..1000.0 => format!("{per_second:.1}"),
        _ => grouped(per_second.round() as u64),
    }
}

/// Frequencies as people say them.
pub fn megahertz(hertz: u64) -> String {
    format!("{} MHz", hertz as f64 / 1e6)
}

/// Writes a report as JSON to standard output.
pub fn json(report: &impl Serialize) -> Result<(), Failure> {
    let text = serde_json::to_string_pretty(report)
        .map_err(|error| Failure::machine(format!("the report cannot be written as JSON: {error}")))?;
    Ok(writeln!(anstream::stdout(), "{text}")?)
}

/// Tells something that is not part of the report.
pub fn note(text: impl Display) {
    // A note that nobody can read is no reason to stop.
    _ = writeln!(anstream::stderr(), "{text}");
}

/// Tells what may make a result another one than its reader expects: in the log where one is written, as `lpu serve` does.
pub fn warn(text: impl Display) {
    match tracing::dispatcher::has_been_set() {
        true => tracing::warn!("{text}"),
        false => note(format!("{}: {text}", paint(WARNING, "warning"))),
    }
}

/// Shows that something of unknown length goes on. Nothing is drawn when standard error is no terminal.
pub fn spinner(message: impl Into<String>) -> ProgressBar {
    let bar = ProgressBar::new_spinner().with_message(message.into());
    bar.enable_steady_tick(Duration::from_millis(100));
    bar
}

/// Shows how far `length` `unit`s of work have come.
pub fn progress(length: u64, message: &'static str, unit: &'static str) -> ProgressBar {
    let template = format!("{{msg}} {{bar:40}} {{human_pos}}/{{human_len}} {unit} {{eta}} left");
    let style = ProgressStyle::with_template(&template).expect("the template above is sound");
    ProgressBar::new(length).with_style(style).with_message(message)
}

/// Rows of text in columns: the first is left-aligned, the others are right-aligned.
pub fn table(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width =
        |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max();
    let widths: Vec<usize> = (0..columns).map(|column| width(column).unwrap_or(0)).collect();
    let mut text = String::new();
    for row in rows {
        let mut line = String::new();
        for (column, (cell, width)) in row.iter().zip(&widths).enumerate() {
            match column {
                0 => line.push_str(&format!("  {cell:<width$}")),
                _ => line.push_str(&format!("  {cell:>width$}")),
            }
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_are_grouped() {
        assert_eq!(
            [0, 7, 999, 1_000, 260_032, 1_234_567].map(grouped),
            ["0", "7", "999", "1,000", "260,032", "1,234,567"]
        );
    }

    #[test]
    fn rates_keep_three_digits() {
        assert_eq!([7.868, 44.12, 999.94, 30_409.4].map(rate), ["7.87", "44.1", "999.9", "30,409"]);
    }

    #[test]
    fn columns_line_up() {
        let rows = [vec!["a".into(), "1".into()], vec!["long".into(), "23".into()]];
        assert_eq!(table(&rows), "  a      1\n  long  23\n");
    }
}
