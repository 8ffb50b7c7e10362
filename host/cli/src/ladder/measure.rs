//! One rung: a model on the chip by its schedule and on the emulator, and on this computer in fp32.

use super::published::Published;
use crate::schedule::Schedule;
use crate::{DeviceKind, Failure, session};
use lpu_compiler::Calibration;
use lpu_isa::Geometry;
use lpu_model::reference::argmax;
use lpu_model::{Model, Reference, Tokenizer};
use lpu_runtime::schedule::ideal_mean;
use lpu_sim::device::RunRequest;
use rayon::{ThreadPool, ThreadPoolBuilder};
use serde::Serialize;
use std::time::Instant;

/// Positions that a mean is taken over, at most the context.
const POSITIONS_MAX: usize = 256;
/// Multiply-accumulates that the emulator executes, which sets how many positions are checked against the schedule.
const EMULATED_MACS: usize = 100_000_000;
/// Multiply-accumulates of the fp32 run.
const CPU_MACS: usize = 600_000_000;
/// Times that each position runs on this computer, at least and at most.
const ROUNDS_MIN: usize = 3;
const ROUNDS_MAX: usize = 40;

/// A model on the ladder.
pub struct Rung {
    pub name: String,
    pub model: Model,
    pub tokenizer: Option<Tokenizer>,
    pub geometry: Geometry,
    pub remark: &'static str,
    pub published: &'static [Published],
}

/// What was found.
#[derive(Serialize)]
pub struct Row {
    pub model: String,
    pub parameters: u64,
    pub remark: &'static str,
    pub geometry: &'static str,
    pub clock_hz: u64,
    /// Positions of the means, from 0 on.
    pub positions: usize,
    /// Positions that the emulator executed, each in the predicted cycles; the others are predicted.
    pub executed: usize,
    pub cycles_mean: f64,
    pub ideal_mean: f64,
    pub mxm_utilisation: f64,
    pub tokens_per_second: f64,
    /// Time of a token on the chip at its clock.
    pub time: Times,
    pub cpu: Cpu,
    pub published: &'static [Published],
}

/// Microseconds of a token over all positions, and how much one position's time varies from run to run.
#[derive(Serialize)]
pub struct Times {
    pub p50_us: f64,
    pub p99_us: f64,
    pub max_us: f64,
    /// The largest difference between two runs of one position.
    pub jitter_us: f64,
}

/// This computer, one thread, fp32.
#[derive(Serialize)]
pub struct Cpu {
    pub positions: usize,
    /// Runs of each position.
    pub rounds: usize,
    /// Whether this build is optimised; a development build is not, and slower.
    pub optimised: bool,
    pub tokens_per_second: f64,
    pub time: Times,
}

impl Times {
    /// `runs[r][p]` is the time of position `p` in run `r`.
    fn new(runs: &[Vec<f64>]) -> Self {
        let mut all: Vec<f64> = runs.iter().flatten().copied().collect();
        all.sort_unstable_by(f64::total_cmp);
        let at = |share: f64| all.get(((all.len() as f64 * share) as usize).min(all.len() - 1));
        let spread = |position: usize| {
            let times = || runs.iter().map(|run| run[position]);
            times().fold(0.0, f64::max) - times().fold(f64::INFINITY, f64::min)
        };
        Self {
            p50_us: at(0.5).copied().unwrap_or(0.0),
            p99_us: at(0.99).copied().unwrap_or(0.0),
            max_us: all.last().copied().unwrap_or(0.0),
            jitter_us: (0..runs[0].len()).map(spread).fold(0.0, f64::max),
        }
    }
}

/// Compiles and measures.
pub fn measure(rung: &Rung) -> Result<Row, Failure> {
    let options = lpu_compiler::Options {
        name: rung.name.clone(),
        calibration: calibration(&rung.model),
        ..lpu_compiler::Options::default()
    };
    let compiled = lpu_compiler::compile(&rung.model, rung.tokenizer.as_ref(), &rung.geometry, &options);
    let image = compiled.map_err(|error| Failure::input(format!("{}: {error}", rung.name)))?.image;
    let schedule = Schedule::new(&image);
    let positions = POSITIONS_MAX.min(image.model.context as usize);
    let cycles: Vec<u64> = (0..positions).map(|position| schedule.cycles(position)).collect();
    let cycles_mean = cycles.iter().sum::<u64>() as f64 / positions as f64;
    let executed = (EMULATED_MACS / image.model.macs as usize).clamp(2, positions);
    let first = rung.tokenizer.as_ref().map_or(0, |tokenizer| tokenizer.bos() as u16);
    let runs = (0..2).map(|_| {
        let mut device = session::open(DeviceKind::Emu, &image)?;
        let request = RunRequest::greedy(&[first], executed);
        let session = session::drive(device.as_mut(), &image, &request, |_| Ok(()))?;
        session.check()?;
        Ok(session.steps.iter().map(|step| step.measured).collect())
    });
    let runs = runs.collect::<Result<Vec<Vec<u64>>, Failure>>()?;
    let micro = |cycles: &u64| *cycles as f64 * 1e6 / image.geometry.clock_hz as f64;
    let measured: Vec<Vec<f64>> = runs.iter().map(|run| run.iter().map(micro).collect()).collect();
    let all = Times::new(&[cycles.iter().map(micro).collect()]);
    let ideal_mean = ideal_mean(&image, positions);
    Ok(Row {
        model: rung.name.clone(),
        parameters: image.model.parameters,
        remark: rung.remark,
        geometry: image.geometry.name,
        clock_hz: image.geometry.clock_hz,
        positions,
        executed: runs[0].len(),
        cycles_mean,
        ideal_mean,
        mxm_utilisation: ideal_mean / cycles_mean,
        tokens_per_second: image.geometry.clock_hz as f64 / cycles_mean,
        time: Times { jitter_us: Times::new(&measured).jitter_us, ..all },
        cpu: one_thread()?.install(|| cpu(&rung.model, u32::from(first), positions))?,
        published: rung.published,
    })
}

/// A large model of random weights needs no long look at its ranges to be timed.
fn calibration(model: &Model) -> Calibration {
    match model.parameter_count() {
        count if count > 1_000_000 => Calibration { texts: 1, tokens: 16, ..Calibration::default() },
        _ => Calibration::default(),
    }
}

/// Where the fp32 reference, which uses all cores otherwise, runs on one.
fn one_thread() -> Result<ThreadPool, Failure> {
    ThreadPoolBuilder::new().num_threads(1).build().map_err(Failure::machine)
}

/// Greedy text of the fp32 reference, position by position, again and again.
fn cpu(model: &Model, first: u32, positions: usize) -> Result<Cpu, Failure> {
    let affordable = CPU_MACS / model.parameter_count().max(1);
    let positions = positions.min((affordable / ROUNDS_MIN).max(1));
    let rounds = (affordable / positions).clamp(ROUNDS_MIN, ROUNDS_MAX);
    let mut reference = Reference::new(model);
    let mut runs = Vec::new();
    // The first round fills caches and is not counted.
    for round in 0..=rounds {
        let (mut token, mut times) = (first, Vec::new());
        for position in 0..positions {
            let begin = Instant::now();
            let logits = reference.step(token, position).map_err(Failure::machine)?;
            token = argmax(logits) as u32;
            times.push(begin.elapsed().as_secs_f64() * 1e6);
        }
        if round > 0 {
            runs.push(times);
        }
    }
    let total_us: f64 = runs.iter().flatten().sum();
    Ok(Cpu {
        positions,
        rounds,
        optimised: !cfg!(debug_assertions),
        tokens_per_second: (positions * rounds) as f64 * 1e6 / total_us,
        time: Times::new(&runs),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jitter_compares_runs_of_one_position_only() {
        let times = Times::new(&[vec![1.0, 10.0], vec![1.5, 10.0]]);
        assert_eq!((times.jitter_us, times.max_us, times.p50_us), (0.5, 10.0, 10.0));
        assert_eq!(Times::new(&[vec![1.0, 10.0]]).jitter_us, 0.0);
    }
}
