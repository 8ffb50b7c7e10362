//! The ladder as a table on a terminal, as Markdown, as comma-separated values and as a picture.

use super::measure::Row;
use crate::Failure;
use crate::output::{FAINT, STRONG, grouped, megahertz, paint, table};
use lpu_runtime::plot::{self, Bar, Group, Kind};
use std::io::Write;

const TITLES: [&str; 11] = [
    "model",
    "parameters",
    "machine",
    "kind",
    "cycles/token",
    "ideal",
    "utilisation",
    "tokens/s",
    "p50 / p99 / max us",
    "jitter us",
    "source",
];

/// One line of the table.
struct Line {
    model: String,
    parameters: u64,
    machine: String,
    kind: &'static str,
    cycles: Option<f64>,
    ideal: Option<f64>,
    utilisation: Option<f64>,
    tokens_per_second: Option<f64>,
    /// p50, p99, max, jitter.
    times_us: Option<[f64; 4]>,
    source: String,
}

/// The chip, this computer, and what was published.
fn lines(row: &Row) -> Vec<Line> {
    let line = |machine: String, kind, source: String| Line {
        model: row.model.clone(),
        parameters: row.parameters,
        machine,
        kind,
        cycles: None,
        ideal: None,
        utilisation: None,
        tokens_per_second: None,
        times_us: None,
        source,
    };
    let times =
        |times: &super::measure::Times| Some([times.p50_us, times.p99_us, times.max_us, times.jitter_us]);
    let executed = match row.executed == row.positions {
        true => format!("all {} positions executed", row.positions),
        false => format!("{} of {} positions executed, all predicted", row.executed, row.positions),
    };
    let machine = format!("LPU {} at {}", row.geometry, megahertz(row.clock_hz));
    let lpu = Line {
        cycles: Some(row.cycles_mean),
        ideal: Some(row.ideal_mean),
        utilisation: Some(row.mxm_utilisation),
        tokens_per_second: Some(row.tokens_per_second),
        times_us: times(&row.time),
        ..line(machine, "simulated", format!("{}; {executed}", row.remark))
    };
    let build = if row.cpu.optimised { "one thread" } else { "one thread, development build" };
    let cpu = Line {
        tokens_per_second: Some(row.cpu.tokens_per_second),
        times_us: times(&row.cpu.time),
        ..line("this computer, fp32".into(), "measured", build.into())
    };
    let published = row.published.iter().map(|found| Line {
        cycles: found.cycles,
        tokens_per_second: found.tokens_per_second,
        ..line(
            format!("{}, {}", found.design, found.machine),
            "published",
            format!("{}: {}", found.source, found.remark),
        )
    });
    [lpu, cpu].into_iter().chain(published).collect()
}

/// Numbers of three places or more without fraction, commas between thousands.
fn number(value: f64) -> String {
    if value >= 1000.0 { grouped(value.round() as u64) } else { format!("{value:.1}") }
}

/// A table for each model, narrow enough for a terminal.
pub fn terminal(out: &mut impl Write, rows: &[Row]) -> Result<(), Failure> {
    let titles = ["", "tokens/s", "cycles/token", "used", "p50 us", "p99 us", "jitter us"];
    for row in rows {
        writeln!(
            out,
            "{}  {} parameters, {}",
            paint(STRONG, &row.model),
            grouped(row.parameters),
            row.remark
        )?;
        let mut cells = vec![titles.map(String::from).to_vec()];
        cells.extend(lines(row).into_iter().map(|line| {
            let shown = |value: Option<f64>| value.map_or(String::new(), number);
            let time = |index: usize| shown(line.times_us.map(|times| times[index]));
            vec![
                format!("{}, {}", line.machine, line.kind),
                shown(line.tokens_per_second),
                shown(line.cycles),
                line.utilisation.map_or(String::new(), |share| format!("{:.0} %", 100.0 * share)),
                time(0),
                time(1),
                time(3),
            ]
        }));
        writeln!(out, "{}", table(&cells))?;
    }
    Ok(writeln!(out, "{}", paint(FAINT, "`--md` and `--csv` name the source of each figure"))?)
}

pub fn markdown(out: &mut impl Write, rows: &[Row]) -> Result<(), Failure> {
    writeln!(out, "| {} |", TITLES.join(" | "))?;
    writeln!(out, "|---|---:|---|---|---:|---:|---:|---:|---:|---:|---|")?;
    let shown = |value: Option<f64>| value.map_or(String::new(), number);
    for line in rows.iter().flat_map(lines) {
        let times = line.times_us.map_or(String::new(), |[p50, p99, max, _]| {
            format!("{} / {} / {}", number(p50), number(p99), number(max))
        });
        let jitter = line.times_us.map_or(String::new(), |times| match times[3] {
            0.0 => "0".into(),
            jitter => number(jitter),
        });
        let utilisation = line.utilisation.map_or(String::new(), |share| format!("{:.1} %", 100.0 * share));
        let cells = [
            line.model,
            grouped(line.parameters),
            line.machine,
            line.kind.into(),
            shown(line.cycles),
            shown(line.ideal),
            utilisation,
            shown(line.tokens_per_second),
            times,
            jitter,
            line.source,
        ];
        writeln!(out, "| {} |", cells.join(" | "))?;
    }
    Ok(())
}

pub fn csv(out: &mut impl Write, rows: &[Row]) -> Result<(), Failure> {
    writeln!(
        out,
        "model,parameters,machine,kind,cycles_mean,ideal_mean,mxm_utilisation,tokens_per_second,p50_us,p99_us,max_us,jitter_us,source"
    )?;
    let shown = |value: Option<f64>| value.map_or(String::new(), |value| value.to_string());
    for line in rows.iter().flat_map(lines) {
        let times = (0..4).map(|index| shown(line.times_us.map(|times| times[index])));
        let cells =
            [quoted(&line.model), line.parameters.to_string(), quoted(&line.machine), line.kind.into()]
                .into_iter()
                .chain([line.cycles, line.ideal, line.utilisation, line.tokens_per_second].map(shown))
                .chain(times)
                .chain([quoted(&line.source)]);
        writeln!(out, "{}", cells.collect::<Vec<_>>().join(","))?;
    }
    Ok(())
}

/// A text as a cell.
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('"', "\"\""))
}

pub fn picture(rows: &[Row]) -> Result<String, Failure> {
    let group = |row: &Row| {
        let bar = |line: Line| {
            let kind = match (line.kind, line.cycles) {
                ("published", _) => Kind::Published,
                (_, Some(_)) => Kind::Lpu,
                _ => Kind::Cpu,
            };
            let value = line.tokens_per_second?;
            let name = match kind {
                Kind::Cpu => line.machine,
                _ => format!("{} ({})", line.machine, line.kind),
            };
            Some(Bar { name, value, text: number(value), kind })
        };
        Group {
            title: format!("{}: {} parameters", row.model, grouped(row.parameters)),
            bars: lines(row).into_iter().filter_map(bar).collect(),
        }
    };
    let groups: Vec<Group> = rows.iter().map(group).collect();
    plot::bars("Tokens per second", "tokens/s, logarithmic", &groups).map_err(Failure::machine)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_and_numbers_are_written_for_their_readers() {
        assert_eq!(quoted("a \"b\", c"), "\"a \"\"b\"\", c\"");
        assert_eq!([8.71, 433.0, 29_812.4].map(number), ["8.7", "433.0", "29,812"]);
    }
}
