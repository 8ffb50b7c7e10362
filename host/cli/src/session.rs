//! A run on a device: what was executed, held against what was predicted.

use super::schedule::Schedule;
use super::{DeviceKind, Failure};
use lpu_isa::host::Fault;
use lpu_isa::image::Image;
use lpu_sim::device::{Device, RunRequest};
use lpu_sim::{Emulator, PortDevice};
use lpu_verifier::VerifiedProgram;
use serde::Serialize;
use sha2::{Digest, Sha256};
use std::time::{Duration, Instant};

/// One executed position.
#[derive(Clone, Debug, Serialize)]
pub struct Executed {
    pub position: usize,
    /// Token read.
    pub input: u16,
    /// Token chosen.
    pub token: u16,
    /// Cycles by the schedule alone.
    pub predicted: u64,
    /// Cycles by the device's counter.
    pub measured: u64,
    /// SHA-256 of the logits as little-endian 32-bit integers; absent when they were not read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub logits_sha256: Option<String>,
}

/// A finished run.
#[derive(Debug)]
pub struct Session {
    pub steps: Vec<Executed>,
    pub faults: Fault,
    /// Rows in which a lane saturated.
    pub saturations: u64,
    /// Time that the device took, without loading.
    pub wall: Duration,
}

/// A device of the image's geometry, with nothing loaded.
pub fn device(kind: DeviceKind, image: &Image) -> Result<Box<dyn Device>, Failure> {
    match kind {
        DeviceKind::Emu => Ok(Box::new(PortDevice::new(Emulator::new(image.geometry)))),
        DeviceKind::Rtl => Ok(Box::new(chip(image)?)),
        DeviceKind::Netlist => netlist(image),
    }
}

/// A device with the program loaded.
pub fn open(kind: DeviceKind, program: &VerifiedProgram) -> Result<Box<dyn Device>, Failure> {
    let mut device = device(kind, program)?;
    lpu_runtime::load(program, device.as_mut()).map_err(Failure::machine)?;
    Ok(device)
}

/// The Verilated chip that an image is for.
#[cfg(feature = "rtl")]
pub fn chip(image: &Image) -> Result<PortDevice<lpu_sim::rtl::Rtl>, Failure> {
    lpu_sim::rtl::chip(&image.geometry).ok_or_else(|| {
        Failure::input(format!(
            "expected a geometry that exists as RTL, found `{}`; choose `--device emu`",
            image.geometry.name
        ))
    })
}

#[cfg(not(feature = "rtl"))]
fn chip(_image: &Image) -> Result<PortDevice<Emulator>, Failure> {
    Err(without_rtl())
}

/// What a user reads who asks for the Verilog of a build that has none.
#[cfg(not(feature = "rtl"))]
pub fn without_rtl() -> Failure {
    Failure::input(
        "this `lpu` was built without the RTL device; expected `--device emu`. \
         To have it, install Verilator and build with `cargo build --release -p lpu-cli --features rtl`",
    )
}

/// The netlist of the chip that an image is for, made in the work folder of `lpu build` if it is not there.
#[cfg(feature = "fpga")]
fn netlist(image: &Image) -> Result<Box<dyn Device>, Failure> {
    use lpu_board::{Store, Tools, chip_netlist};
    let mut stages = super::build::Stages::default();
    let tell = &mut |event: lpu_board::Build| stages.show(event);
    let design = chip_netlist(&image.geometry, &Tools::of_user(), &Store::default_root()?, tell);
    stages.clear();
    Ok(Box::new(lpu_sim::netlist::chip(&design?).map_err(Failure::machine)?))
}

#[cfg(not(feature = "fpga"))]
fn netlist(_image: &Image) -> Result<Box<dyn Device>, Failure> {
    Err(Failure::input(
        "this `lpu` was built without netlists; expected `--device emu`. \
         To have them, install Yosys and build with the feature `fpga`, which is on by default",
    ))
}

/// Runs a request to its end and shows each position to `show` as soon as it is executed. A request that pauses has its
/// logits read and hashed.
pub fn drive(
    device: &mut dyn Device,
    image: &Image,
    request: &RunRequest,
    mut show: impl FnMut(&Executed) -> Result<(), Failure>,
) -> Result<Session, Failure> {
    let schedule = Schedule::new(image);
    let begin = Instant::now();
    let mut steps: Vec<Executed> = Vec::new();
    device.start(request).map_err(Failure::machine)?;
    while let Some(step) = device.next_step().map_err(Failure::machine)? {
        let prompt = request.prompt.get(steps.len()).copied();
        let chosen = steps.last().map(|last| last.token);
        let logits_sha256 = match request.pause {
            true => Some(sha256(&device.logits().map_err(Failure::machine)?)),
            false => None,
        };
        let position = usize::from(step.position);
        steps.push(Executed {
            position,
            input: prompt.or(chosen).unwrap_or(step.token),
            token: step.token,
            predicted: schedule.cycles(position),
            measured: u64::from(step.cycles),
            logits_sha256,
        });
        if let Some(last) = steps.last() {
            show(last)?;
        }
    }
    let faults = device.faults().map_err(Failure::machine)?;
    let saturations = device.saturations().map_err(Failure::machine)?;
    Ok(Session { steps, faults, saturations, wall: begin.elapsed() })
}

pub fn sha256(logits: &[i32]) -> String {
    let mut hash = Sha256::new();
    for logit in logits {
        hash.update(logit.to_le_bytes());
    }
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

impl Session {
    pub fn cycles_measured(&self) -> u64 {
        self.steps.iter().map(|step| step.measured).sum()
    }

    pub fn cycles_predicted(&self) -> u64 {
        self.steps.iter().map(|step| step.predicted).sum()
    }

    /// Mean cycles of a position.
    pub fn cycles_mean(&self) -> f64 {
        self.cycles_measured() as f64 / self.steps.len().max(1) as f64
    }

    /// Positions for each second of a chip with this clock.
    pub fn tokens_per_second(&self, clock_hz: u64) -> f64 {
        clock_hz as f64 / self.cycles_mean()
    }

    /// Executed positions for each second of the computer that runs the device.
    pub fn positions_per_second(&self) -> f64 {
        self.steps.len() as f64 / self.wall.as_secs_f64().max(1e-9)
    }

    /// Fails when the device did anything that was not predicted.
    pub fn check(&self) -> Result<(), Failure> {
        let differing: Vec<&Executed> =
            self.steps.iter().filter(|step| step.predicted != step.measured).collect();
        if let Some(Executed { position, predicted, measured, .. }) = differing.first() {
            return Err(Failure::machine(format!(
                "{} of {} positions took other than the predicted cycles; first at position {position}: \
                 expected {predicted}, found {measured}. Check the image with `lpu check`",
                differing.len(),
                self.steps.len()
            )));
        }
        if self.faults != Fault::default() {
            return Err(Failure::machine(format!(
                "the device raised faults; expected none, found {}. Check the image with `lpu check`",
                fault_names(self.faults)
            )));
        }
        Ok(())
    }
}

/// The raised flags, by name.
pub fn fault_names(faults: Fault) -> String {
    let raised = Fault::TABLE.iter().filter(|(fault, ..)| faults.contains(*fault));
    raised.map(|(_, name, _)| *name).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logits_are_hashed_as_little_endian_integers() {
        // `printf '\x01\0\0\0\xff\xff\xff\xff' | sha256sum`
        assert_eq!(sha256(&[1, -1]), "b15348c8f462384c01e83b6d499c6faf3f96808f5aa07c6bab4b65b36b4445d4");
    }

    fn session(predicted: u64, measured: u64, faults: Fault) -> Session {
        let step = Executed { position: 3, input: 1, token: 2, predicted, measured, logits_sha256: None };
        Session { steps: vec![step], faults, saturations: 0, wall: Duration::from_secs(1) }
    }

    #[test]
    fn a_run_that_differs_from_its_prediction_fails() {
        assert!(session(10, 10, Fault::default()).check().is_ok());
        let Err(Failure::Machine(text)) = session(10, 11, Fault::default()).check() else {
            panic!("accepted")
        };
        assert_eq!(
            text,
            "1 of 1 positions took other than the predicted cycles; first at position 3: expected 10, found 11. \
             Check the image with `lpu check`"
        );
    }

    #[test]
    fn faults_are_named() {
        let faults = Fault(Fault::VMEM_CONFLICT.0 | Fault::SYNC_LOST.0);
        let Err(Failure::Machine(text)) = session(10, 10, faults).check() else { panic!("accepted") };
        assert_eq!(
            text,
            "the device raised faults; expected none, found VMEM_CONFLICT, SYNC_LOST. Check the image with `lpu check`"
        );
    }
}
