//! What nextpnr carries from one run to the next: its settings, in the netlist that it writes, and the clocks, in its log.

use super::Error;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::fmt::Write;

/// nextpnr's settings by name, such as `router2/bbMargin/x`.
pub type Settings = BTreeMap<String, Setting>;

/// A value as nextpnr writes it: whole numbers in bits, others as text.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(untagged)]
pub enum Setting {
    Whole(u32),
    Real(f64),
}

impl std::fmt::Display for Setting {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Whole(number) => write!(f, "{number:032b}"),
            Self::Real(number) => write!(f, "{number:.6}"),
        }
    }
}

/// Line before the settings in a netlist of nextpnr's.
const BEGIN: &str = "\"settings\": {\n";
/// What nextpnr says of a clock.
const CLOCK: &str = "Max frequency for clock ";

/// A netlist of nextpnr's with other settings.
pub fn changed(netlist: &str, settings: &Settings) -> Result<String, Error> {
    let unexpected = || Error::Failed("nextpnr's netlist is not as expected: it has no settings".into());
    let at = netlist.find(BEGIN).ok_or_else(unexpected)? + BEGIN.len();
    let (head, rest) = netlist.split_at(at);
    let length = rest.find('}').ok_or_else(unexpected)?;
    let (old, tail) = rest.split_at(length);
    let name =
        |line: &str| line.trim().trim_start_matches('"').split('"').next().unwrap_or_default().to_owned();
    let kept = old.lines().map(|line| line.trim().trim_end_matches(','));
    let kept = kept.filter(|line| !line.is_empty() && !settings.contains_key(&name(line)));
    let new = settings.iter().map(|(name, value)| format!("\"{name}\": \"{value}\""));
    let lines: Vec<String> = kept.map(str::to_owned).chain(new).collect();
    Ok(format!("{head}{}\n{tail}", lines.join(",\n")))
}

/// The clocks of a log, each as a constraint of its net, `goal` times as fast.
pub fn clocks(log: &str, goal: f64) -> String {
    let mut found = BTreeMap::new();
    for line in log.lines() {
        let words = line.split_once(CLOCK).and_then(|(_, rest)| rest.trim_start().strip_prefix('\''));
        let Some((net, rest)) = words.and_then(|words| words.split_once('\'')) else { continue };
        // ': 84.22 MHz (FAIL at 100.00 MHz)'
        let wanted =
            rest.split_once(" at ").and_then(|(_, rest)| rest.split(' ').next()?.parse::<f64>().ok());
        if let Some(wanted) = wanted {
            found.insert(net, wanted * goal);
        }
    }
    found.into_iter().fold(String::new(), |mut text, (net, wanted)| {
        _ = writeln!(text, "FREQUENCY NET \"{net}\" {wanted:.2} MHZ;");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_replaced_and_the_others_kept() {
        let netlist = "{\n  \"settings\": {\n    \"seed\": \"01\",\n    \"timing_driven\": \"01\"\n  },\n \"cells\": {}\n}";
        let settings = Settings::from([
            ("timing_driven".into(), Setting::Whole(0)),
            ("router2/bbMargin/x".into(), Setting::Whole(6)),
            ("router2/histCongWeight".into(), Setting::Real(0.5)),
        ]);
        let text = changed(netlist, &settings).unwrap();
        let value: serde_json::Value = serde_json::from_str(&text).unwrap();
        let expected = serde_json::json!({
            "seed": "01", "timing_driven": "0".repeat(32), "router2/bbMargin/x": format!("{}110", "0".repeat(29)),
            "router2/histCongWeight": "0.500000"
        });
        assert_eq!(value["settings"], expected);
        assert!(value["cells"].is_object());
        assert!(changed("{}", &settings).is_err());
    }

    #[test]
    fn the_last_word_on_each_clock_counts() {
        let log = "Info: Max frequency for clock '$glbnet$chip.clock': 84.22 MHz (FAIL at 100.00 MHz)\n\
                   Info: Max frequency for clock           'control': 60.00 MHz (PASS at 50.00 MHz)\n\
                   Info: Max frequency for clock '$glbnet$chip.clock': 85.22 MHz (FAIL at 100.00 MHz)\n";
        let expected =
            "FREQUENCY NET \"$glbnet$chip.clock\" 100.00 MHZ;\nFREQUENCY NET \"control\" 50.00 MHZ;\n";
        assert_eq!(clocks(log, 1.0), expected);
        let expected =
            "FREQUENCY NET \"$glbnet$chip.clock\" 102.00 MHZ;\nFREQUENCY NET \"control\" 51.00 MHZ;\n";
        assert_eq!(clocks(log, 1.02), expected);
    }
}
