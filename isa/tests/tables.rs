//! The function tables are rendered from the functions that they name. Locally this test rewrites `src/tables.rs`;
//! with `CI` set it only compares.

use std::fmt::Write;

/// Largest positive word: tables hold multiplier operands.
const WORD_MAX: f64 = 131_071.0;

fn fixed(value: f64, fraction_bits: i32) -> i32 {
    (value * f64::from(fraction_bits).exp2() + 0.5).floor().min(WORD_MAX) as i32
}

fn single(doc: &str, name: &str, values: &[i32]) -> String {
    let mut text = format!("/// {doc}\n#[rustfmt::skip]\npub const {name}: [i32; {}] = [\n", values.len());
    for row in values.chunks(12) {
        let cells: Vec<String> = row.iter().map(i32::to_string).collect();
        writeln!(text, "    {},", cells.join(", ")).unwrap();
    }
    text + "];\n\n"
}

fn pairs(doc: &str, name: &str, values: &[(i32, i32)]) -> String {
    let mut text =
        format!("/// {doc}\n#[rustfmt::skip]\npub const {name}: [(i32, i32); {}] = [\n", values.len());
    for row in values.chunks(6) {
        let cells: Vec<String> = row.iter().map(|(base, slope)| format!("({base}, {slope})")).collect();
        writeln!(text, "    {},", cells.join(", ")).unwrap();
    }
    text + "];\n\n"
}

/// Bases and slopes of chords between `points`, lowered or raised by half of the chord's error in its middle.
fn chords(points: &[f64], function: impl Fn(f64) -> f64) -> Vec<(i32, i32)> {
    points
        .windows(2)
        .map(|ends| {
            let [low, high] = [function(ends[0]), function(ends[1])];
            let middle = function((ends[0] + ends[1]) / 2.0);
            let lift = (middle - (low + high) / 2.0) / 2.0;
            let base = fixed(low + lift, 17);
            (base, fixed(high + lift, 17) - base)
        })
        .collect()
}

fn steps(start: f64, step: f64, count: usize) -> Vec<f64> {
    (0..=count).map(|index| start + step * index as f64).collect()
}

fn sigmoid_table() -> Vec<(i32, i32)> {
    let sigmoid = |x: f64| 1.0 / (1.0 + (-x).exp());
    [(0.0, 0.125, 32), (4.0, 0.25, 16), (8.0, 0.5, 16)]
        .into_iter()
        .flat_map(|(start, step, count)| chords(&steps(start, step, count), sigmoid))
        .collect()
}

fn render() -> String {
    let exp2: Vec<i32> = (0..128).map(|index| fixed((-f64::from(index) / 128.0).exp2(), 16)).collect();
    let middle = |index: usize| (index as f64 + 0.5) / 256.0;
    let log2: Vec<i32> = (0..256).map(|index| fixed((1.0 + middle(index)).log2(), 11)).collect();
    let tail: Vec<i32> =
        (0..256).map(|index| fixed((-(1.0 - middle(index)).log2() / middle(index)).log2(), 11)).collect();
    let inverse_root = |x: f64| 1.0 / x.sqrt();
    let mut roots = chords(&steps(1.0, 1.0 / 64.0, 64), inverse_root);
    roots.extend(chords(&steps(2.0, 2.0 / 64.0, 64), inverse_root));
    let mut text = String::from(
        "// Rendered by `cargo test -p lpu-isa --test tables`: change that test, not this file.\n\n",
    );
    text += &single("`2^(-i/128)`, 16 fraction bits.", "EXP2", &exp2);
    text += &pairs("Sigmoid: base and slope of each segment, 17 fraction bits.", "SIGMOID", &sigmoid_table());
    text += &pairs(
        "`1/x` on 64 segments of [1, 2): base and slope, 17 fraction bits.",
        "RECIPROCAL",
        &chords(&steps(1.0, 1.0 / 64.0, 64), |x| 1.0 / x),
    );
    text += &pairs(
        "`1/sqrt(x)` on 64 segments of [1, 2), then 64 of [2, 4): base and slope, 17 fraction bits.",
        "RECIPROCAL_SQRT",
        &roots,
    );
    text += &single("`log2(1 + (i + 1/2)/256)`, 11 fraction bits.", "LOG2", &log2);
    text +=
        &single("`log2(-log2(1 - u) / u)` at `u = (i + 1/2)/256`, 11 fraction bits.", "GUMBEL_TAIL", &tail);
    text.trim_end().to_string() + "\n"
}

#[test]
fn tables_are_the_functions_they_name() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/src/tables.rs");
    let (found, expected) = (std::fs::read_to_string(path).unwrap_or_default(), render());
    if std::env::var_os("CI").is_none() && found != expected {
        std::fs::write(path, &expected).unwrap();
    }
    assert!(found == expected, "src/tables.rs was stale: rerun the tests and commit the rendered file");
}
