//! Whole runs, and the scale of logits that a run asks for.

use super::{Device, DeviceError, RunRequest, Step};
use lpu_isa::arith::{NOISE_FRACTION_BITS, Scalar, WORD_MAX};
use lpu_isa::hash::Fnv;
use lpu_isa::image::ModelInfo;

/// A finished run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Executed positions.
    pub steps: Vec<Step>,
    /// Hash of the logits of each position; empty if the run did not pause.
    pub logits_hashes: Vec<u64>,
}

impl Outcome {
    /// The tokens chosen.
    pub fn tokens(&self) -> Vec<u16> {
        self.steps.iter().map(|step| step.token).collect()
    }

    /// Cycles of all positions.
    pub fn cycles(&self) -> u64 {
        self.steps.iter().map(|step| u64::from(step.cycles)).sum()
    }
}

/// Runs a request to its end. With `pause`, the logits of every position are hashed.
pub fn run_to_end(device: &mut dyn Device, request: &RunRequest) -> Result<Outcome, DeviceError> {
    let mut outcome = Outcome::default();
    device.start(request)?;
    while let Some(step) = device.next_step()? {
        outcome.steps.push(step);
        if request.pause {
            outcome.logits_hashes.push(hash(&device.logits()?));
        }
    }
    Ok(outcome)
}

/// Runs a request to its end, showing each position's step and logits.
pub fn run_with_logits(
    device: &mut dyn Device,
    request: &RunRequest,
    mut show: impl FnMut(Step, &[i32]),
) -> Result<Outcome, DeviceError> {
    let request = RunRequest { pause: true, ..request.clone() };
    let mut outcome = Outcome::default();
    device.start(&request)?;
    while let Some(step) = device.next_step()? {
        let logits = device.logits()?;
        show(step, &logits);
        outcome.steps.push(step);
        outcome.logits_hashes.push(hash(&logits));
    }
    Ok(outcome)
}

fn hash(logits: &[i32]) -> u64 {
    logits.iter().fold(Fnv::new(), |hash, &logit| hash.u64(logit as u64)).finish()
}

/// The inverse temperature for sampling: it takes logits to base-2 logarithms of likelihoods, in the unit of the
/// random numbers. `None` if the temperature is not a positive number that the machine can express.
pub fn inverse_temperature(model: &ModelInfo, temperature: f64) -> Option<Scalar> {
    let unit = f64::from(NOISE_FRACTION_BITS) - f64::from(model.logit_fraction_bits);
    let factor = std::f64::consts::LOG2_E / temperature * unit.exp2();
    if !(temperature > 0.0 && factor.is_finite() && factor > 0.0) {
        return None;
    }
    let mut exponent = 16 - factor.log2().floor() as i32;
    let mut mantissa = (factor * f64::from(exponent).exp2()).round();
    if mantissa > f64::from(WORD_MAX) {
        exponent -= 1;
        mantissa = (factor * f64::from(exponent).exp2()).round();
    }
    (0..64).contains(&exponent).then_some(Scalar { mantissa: mantissa as i32, exponent })
}
