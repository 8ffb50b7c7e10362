//! Test bench: an emitted design in Verilator, fed a new input every cycle.
//!
//! ```text
//!  Stimulus ── words ──► dut (verilated, own process) ── words ──► Response
//!  row t: inputs during cycle t                row t: outputs during cycle t
//! ```
//!
//! A *cycle* ends with a rising clock edge. Row `t` of the response is what the ports show after the inputs of row
//! `t` have settled and before that edge. A module of latency `L` therefore shows at row `t + L` what it makes of
//! the inputs at row `t`; a combinational one shows it at row `t`.
//!
//! # Invariants
//! 1. A design that draws any lint warning not listed in `waivers.vlt` is refused.
//! 2. The same design, harness and Verilator are built once; later benches reuse the executable.
//! 3. All state powers up at zero unless the design says otherwise.

mod build;
mod ports;
mod random;
mod rust;
mod yosys;

pub use build::BenchError;
pub use ports::{CLOCK, Response, Stimulus};
pub use random::Random;
pub use rust::simulate_rust;
pub use yosys::{Family, cells};

use crate::emit::Design;
use build::Optimisation;
use ports::Layout;
use std::io::{Read, Write};
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// A design, linted and built.
#[derive(Debug)]
pub struct Bench {
    executable: PathBuf,
    inputs: Layout,
    outputs: Layout,
}

impl Bench {
    /// Lints and builds `design` for short runs.
    ///
    /// # Errors
    /// Lint warnings, a missing tool, or a failing compiler, with the tool's own words.
    pub fn new(design: &Design) -> Result<Self, BenchError> {
        Self::build(design, Optimisation::Quick)
    }

    /// Lints and builds `design` for runs of many cycles: the build takes longer.
    ///
    /// # Errors
    /// As [`Bench::new`].
    pub fn optimised(design: &Design) -> Result<Self, BenchError> {
        Self::build(design, Optimisation::Full)
    }

    fn build(design: &Design, optimisation: Optimisation) -> Result<Self, BenchError> {
        Ok(Self {
            executable: build::executable(design, optimisation)?,
            inputs: Layout::new(design.inputs.iter().filter(|port| port.name != CLOCK)),
            outputs: Layout::new(&design.outputs),
        })
    }

    /// An empty stimulus for the ports of this design.
    pub fn stimulus(&self) -> Stimulus {
        Stimulus::new(self.inputs.clone())
    }

    /// Runs the design from power-up through all cycles of `stimulus`.
    ///
    /// # Errors
    /// The executable could not be started or ended early.
    pub fn run(&self, stimulus: &Stimulus) -> Result<Response, BenchError> {
        let cycles = stimulus.cycles();
        let mut child = Command::new(&self.executable)
            .arg(cycles.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|e| BenchError::tool(&self.executable.display().to_string(), &e))?;
        let (mut input, mut output) = match (child.stdin.take(), child.stdout.take()) {
            (Some(input), Some(output)) => (input, output),
            _ => return Err(BenchError::Run("the harness has no pipes".into())),
        };
        let bytes = stimulus.bytes();
        let mut answer = vec![];
        std::thread::scope(|scope| {
            // A closed pipe means that the harness ended early; the length of the answer tells that below.
            scope.spawn(move || input.write_all(&bytes));
            output.read_to_end(&mut answer)
        })
        .map_err(|e| BenchError::Run(e.to_string()))?;
        let status = child.wait().map_err(|e| BenchError::Run(e.to_string()))?;
        let expected = cycles * self.outputs.words * 4;
        if !status.success() || answer.len() != expected {
            let text = format!("expected {expected} bytes, found {}, {status}", answer.len());
            return Err(BenchError::Run(text));
        }
        Ok(Response::new(self.outputs.clone(), &answer))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::emit::Port;

    fn design(body: &str) -> Design {
        Design {
            preamble: format!(
                "module wide(input wire clock, input wire [287:0] a, input wire [35:0] b, input wire [4:0] s,\n\
                 output logic [287:0] q, output logic [35:0] r);\n{body}\nendmodule\n"
            ),
            top: "wide".into(),
            inputs: vec![Port::new("clock", 1), Port::new("a", 288), Port::new("b", 36), Port::new("s", 5)],
            outputs: vec![Port::new("q", 288), Port::new("r", 36)],
            ..Design::default()
        }
    }

    #[test]
    fn every_width_of_port_arrives_at_its_cycle() {
        let bench = Bench::new(&design("assign r = b >> s;\nalways_ff @(posedge clock) q <= a;")).unwrap();
        let mut stimulus = bench.stimulus();
        let lanes: Vec<Vec<i64>> = (0..100)
            .map(|t| (0..16).map(|i| (t * 7919 + i * 104_729) % 131_071 - 65_535).collect())
            .collect();
        for (t, lane) in lanes.iter().enumerate() {
            stimulus
                .cycle()
                .set_lanes("a", 18, lane)
                .set("b", 0xA_1234_5678 + t as u64)
                .set("s", t as u64 % 32);
        }
        let response = bench.run(&stimulus).unwrap();
        for t in 0..100 {
            assert_eq!(response.get(t, "r"), (0xA_1234_5678 + t as u64) >> (t % 32), "cycle {t}");
            let expected = if t == 0 { vec![0; 16] } else { lanes[t - 1].clone() };
            assert_eq!(response.signed_lanes(t, "q", 18), expected, "cycle {t}");
        }
    }

    #[test]
    fn lint_refuses_a_width_fault() {
        let error =
            Bench::new(&design("assign r = a >> s;\nalways_ff @(posedge clock) q <= {a[287:36], b};"))
                .unwrap_err();
        assert!(error.to_string().contains("%Warning-WIDTH"), "{error}");
    }
}
