//! The suite that every device must pass: emulator, Verilated RTL, netlist and board.
//!
//! Expectations are worked out here from the protocol and the arithmetic contract, except for the attention program,
//! whose logits are compared with the emulator's.

pub mod programs;

use super::{Device, DeviceError, RunRequest, Step, run_to_end, run_with_logits};
use crate::prediction::Predictor;
use crate::{Emulator, PortDevice};
use lpu_isa::Geometry;
use lpu_isa::arith::Scalar;
use lpu_isa::host::Fault;
use lpu_isa::image::Image;
use lpu_isa::instruction::isa_hash;
use std::fmt;

/// A check that a device did not pass.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Name of the check.
    pub check: &'static str,
    /// What was expected and what was found.
    pub why: String,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "conformance check `{}`: {}", self.check, self.why)
    }
}

impl std::error::Error for Failure {}

type Check = fn(&mut dyn Device, &Geometry) -> Result<(), String>;

/// Every check with its name.
const CHECKS: &[(&str, Check)] = &[
    ("identity", identity),
    ("foreign images are refused", foreign_images),
    ("requests are checked", requests),
    ("greedy run", greedy_run),
    ("long prompt", long_prompt),
    ("stop tokens", stop_tokens),
    ("end of the context", end_of_context),
    ("pause and logits", pause_and_logits),
    ("sampling", sampling),
    ("cancel", cancel),
    ("address faults", address_faults),
    ("attention", attention),
];

/// Runs all checks on a device of a geometry; gives their names.
pub fn conformance(device: &mut dyn Device, geometry: &Geometry) -> Result<Vec<&'static str>, Failure> {
    for &(check, run) in CHECKS {
        run(device, geometry).map_err(|why| Failure { check, why })?;
    }
    Ok(CHECKS.iter().map(|check| check.0).collect())
}

fn expect<T: PartialEq + fmt::Debug>(what: &str, found: T, expected: T) -> Result<(), String> {
    if found == expected { Ok(()) } else { Err(format!("{what}: expected {expected:?}, found {found:?}")) }
}

fn text(error: DeviceError) -> String {
    error.to_string()
}

fn load(device: &mut dyn Device, image: &Image) -> Result<(), String> {
    device.load(image).map_err(text)?;
    expect("faults after loading", device.faults().map_err(text)?, Fault::default())
}

/// Tokens of a run that leaves no fault.
fn tokens(device: &mut dyn Device, request: &RunRequest) -> Result<Vec<u16>, String> {
    let outcome = run_to_end(device, request).map_err(text)?;
    expect("faults", device.faults().map_err(text)?, Fault::default())?;
    Ok(outcome.tokens())
}

fn identity(device: &mut dyn Device, geometry: &Geometry) -> Result<(), String> {
    let identity = device.identify().map_err(text)?;
    expect("instruction set", identity.isa_hash, isa_hash(geometry))?;
    expect("geometry", identity.geometry_hash, geometry.hash())
}

fn foreign_images(device: &mut dyn Device, geometry: &Geometry) -> Result<(), String> {
    let mut image = programs::counting(geometry);
    image.geometry = Geometry { name: "other", positions: geometry.positions / 2, ..*geometry };
    let expected = DeviceError::Geometry { image: "other", device: geometry.hash() };
    expect("loading an image for another geometry", device.load(&image), Err(expected))
}

fn requests(device: &mut dyn Device, geometry: &Geometry) -> Result<(), String> {
    load(device, &programs::counting(geometry))?;
    let context = programs::CONTEXT;
    let late = RunRequest { start_position: context, ..RunRequest::greedy(&[0], 1) };
    let expected = DeviceError::Position { found: context, context: context as u32 };
    expect("a run outside the context", device.start(&late), Err(expected))?;
    let vocab = geometry.vxm_lanes as u32;
    let unknown = RunRequest::greedy(&[vocab as u16], 1);
    expect(
        "an unknown token",
        device.start(&unknown),
        Err(DeviceError::Token { found: vocab as u16, vocab }),
    )?;
    expect("no limit", device.start(&RunRequest::greedy(&[0], 0)), Err(DeviceError::NothingToDo))
}

/// The counting program's steps.
fn counted(geometry: &Geometry, inputs: &[u16], first: usize, count: usize) -> Vec<Step> {
    let lanes = geometry.vxm_lanes as u16;
    let predictor = Predictor::new(&programs::counting(geometry));
    let mut token = 0;
    (0..count)
        .map(|step| {
            token = (inputs.get(step).copied().unwrap_or(token) + 1) % lanes;
            let position = first + step;
            Step { token, position: position as u16, cycles: predictor.cycles(position) as u32 }
        })
        .collect()
}

fn greedy_run(device: &mut dyn Device, geometry: &Geometry) -> Result<(), String> {
    load(device, &programs::counting(geometry))?;
    let outcome = run_to_end(device, &RunRequest::greedy(&[2], 12)).map_err(text)?;
    expect("steps", outcome.steps, counted(geometry, &[2], 0, 12))?;
    let again = RunRequest { start_position: 20, ..RunRequest::greedy(&[1, 1], 5) };
    let outcome = run_to_end(device, &again).map_err(text)?;
    expect("steps of a second run", outcome.steps, counted(geometry, &[1, 1], 20, 5))?;
    expect("faults", device.faults().map_err(text)?, Fault::default())
}

fn long_prompt(device: &mut dyn Device, geometry: &Geometry) -> Result<(), String> {
    load(device, &programs::counting(geometry))?;
    let prompt: Vec<u16> = (0..50).map(|k| k * 3 % geometry.vxm_lanes as u16).collect();
    let outcome = run_to_end(device, &RunRequest::greedy(&prompt, 54)).map_err(text)?;
    expect("steps", outcome.steps, counted(geometry, &prompt, 0, 54))
}

fn stop_tokens(device: &mut dyn Device, geometry: &Geometry) -> Result<(), String> {
    load(device, &programs::counting(geometry))?;
    for stop_tokens in [[Some(3), None], [None, Some(3)]] {
        // Choices are 3, 3, 1, 2, 3: those before the last prompt position do not count.
        let request = RunRequest { stop_tokens, ..RunRequest::greedy(&[2, 2, 0], 20) };
        expect("tokens", tokens(device, &request)?, vec![3, 3, 1, 2, 3])?;
    }
    let request = RunRequest { stop_tokens: [Some(1), None], ..RunRequest::greedy(&[2, 0], 20) };
    expect("stop at the last prompt position", tokens(device, &request)?, vec![3, 1])
}

fn end_of_context(device: &mut dyn Device, geometry: &Geometry) -> Result<(), String> {
    load(device, &programs::counting(geometry))?;
    let first = programs::CONTEXT - 3;
    let request = RunRequest { start_position: first, ..RunRequest::greedy(&[0], 20) };
    expect("tokens", tokens(device, &request)?, vec![1, 2, 3])
}

fn pause_and_logits(device: &mut dyn Device, geometry: &Geometry) -> Result<(), String> {
    load(device, &programs::counting(geometry))?;
    let mut found = Vec::new();
    let request = RunRequest::greedy(&[1, 0], 4);
    run_with_logits(device, &request, |step, logits| found.push((step.token, logits.to_vec())))
        .map_err(text)?;
    let expected = [2, 1, 2, 3].map(|token| {
        let mut logits = vec![0; geometry.vxm_lanes];
        logits[usize::from(token)] = 1;
        (token, logits)
    });
    expect("logits", found, expected.to_vec())?;
    expect("faults", device.faults().map_err(text)?, Fault::default())
}

fn sampling(device: &mut dyn Device, geometry: &Geometry) -> Result<(), String> {
    load(device, &programs::counting(geometry))?;
    let flat = Scalar { mantissa: 0, exponent: 0 };
    let request =
        |seed| RunRequest { sampling: Some(flat), seed, ..RunRequest::greedy(&[0], programs::CONTEXT) };
    let first = tokens(device, &request(1))?;
    expect("the same seed again", tokens(device, &request(1))?, first.clone())?;
    if tokens(device, &request(2))? == first {
        return Err("two seeds gave the same tokens".into());
    }
    let known = &mut PortDevice::new(Emulator::new(*geometry));
    load(known, &programs::counting(geometry))?;
    expect("tokens drawn", first, tokens(known, &request(1))?)
}

fn cancel(device: &mut dyn Device, geometry: &Geometry) -> Result<(), String> {
    load(device, &programs::counting(geometry))?;
    for pause in [false, true] {
        let request = RunRequest { pause, ..RunRequest::greedy(&[0, 1, 2], 40) };
        device.start(&request).map_err(text)?;
        device.next_step().map_err(text)?;
        device.cancel().map_err(text)?;
        expect("a step after cancelling", device.next_step().map_err(text)?, None)?;
        expect(
            "the next run",
            tokens(device, &RunRequest::greedy(&[3], 2))?,
            vec![0, 1].into_iter().map(|k| (4 + k) % geometry.vxm_lanes as u16).collect(),
        )?;
    }
    Ok(())
}

fn address_faults(device: &mut dyn Device, geometry: &Geometry) -> Result<(), String> {
    for (image, fault) in [
        (programs::outside_weights(geometry), Fault::MATRIX_ADDRESS),
        (programs::outside_vmem(geometry), Fault::VMEM_ADDRESS),
    ] {
        load(device, &image)?;
        run_to_end(device, &RunRequest::greedy(&[0], 1)).map_err(text)?;
        expect("faults", device.faults().map_err(text)?, fault)?;
    }
    // Loading clears them.
    load(device, &programs::counting(geometry))
}

fn attention(device: &mut dyn Device, geometry: &Geometry) -> Result<(), String> {
    let image = programs::attention(geometry);
    let scale = Scalar { exponent: 17, ..Scalar::ONE };
    let prompt = [1, 0, 2, 3, 1];
    let greedy = RunRequest::greedy(&prompt, 2 * geometry.vxm_lanes + 3);
    let sampled = RunRequest { sampling: Some(scale), seed: 77, ..greedy.clone() };
    let known = &mut PortDevice::new(Emulator::new(*geometry));
    for request in [greedy, sampled] {
        let run = |device: &mut dyn Device| -> Result<_, String> {
            load(device, &image)?;
            let mut logits = Vec::new();
            let outcome =
                run_with_logits(device, &request, |_, row| logits.push(row.to_vec())).map_err(text)?;
            expect("faults", device.faults().map_err(text)?, Fault::default())?;
            Ok((outcome.steps, logits, device.saturations().map_err(text)?))
        };
        let (steps, logits, saturations) = run(known)?;
        let (found_steps, found_logits, found_saturations) = run(device)?;
        for (position, (found, expected)) in found_logits.into_iter().zip(logits).enumerate() {
            expect(&format!("logits of position {position}"), found, expected)?;
        }
        expect("steps", found_steps, steps)?;
        expect("saturations", found_saturations, saturations)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_emulator_conforms_at_every_geometry() {
        for geometry in Geometry::known() {
            let mut device = PortDevice::new(Emulator::new(geometry));
            let passed = conformance(&mut device, &geometry).map_err(|failure| failure.to_string());
            assert_eq!(passed.map(|names| names.len()), Ok(CHECKS.len()), "{}", geometry.name);
        }
    }

    #[test]
    fn attention_depends_on_what_was_seen() {
        let geometry = Geometry::NANO;
        let last = |prompt: &[u16]| {
            let mut device = PortDevice::new(Emulator::new(geometry));
            device.load(&programs::attention(&geometry)).expect("loads");
            let mut last = Vec::new();
            run_with_logits(&mut device, &RunRequest::greedy(prompt, prompt.len()), |_, row| {
                last = row.to_vec()
            })
            .expect("runs");
            last
        };
        let text = [1, 5, 2, 7, 3, 0, 6, 4, 1, 1, 2];
        let mut other = text;
        other[4] = 6;
        assert_ne!(last(&text), last(&other), "a token six positions back is seen");
        assert_eq!(last(&text), last(&text));
    }
}
