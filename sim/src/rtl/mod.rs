//! The Verilated RTL as a device, reached through the chip's own byte port.
//!
//! ```
//! use lpu_isa::Geometry;
//! use lpu_sim::device::conformance::programs;
//! use lpu_sim::device::{Device, RunRequest, run_to_end};
//! use lpu_sim::{prediction::predict, rtl::chip};
//!
//! let image = programs::counting(&Geometry::NANO);
//! let mut device = chip(&image.geometry).expect("RTL of this chip exists");
//! device.load(&image)?;
//! let outcome = run_to_end(&mut device, &RunRequest::greedy(&[1, 2], 4))?;
//! assert_eq!(outcome.tokens().len(), 4);
//! assert_eq!(i64::from(outcome.steps[3].cycles), predict(&image, 3));
//! # Ok::<(), lpu_sim::device::DeviceError>(())
//! ```

pub(crate) mod bridge;
mod part;

use crate::device::{BytePort, DeviceError, Framed, HostPort, HostWord, PATIENCE_CYCLES, PortDevice};
use crate::trace::{Location, Tap, Trace};
use bridge::ffi::{Chip, RawEvent, WavesState, new_chip};
use cxx::UniquePtr;
use lpu_isa::Geometry;
use lpu_isa::host::Space;
use std::fmt;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

/// A Verilated chip's byte port.
pub struct Verilated {
    chip: UniquePtr<Chip>,
    geometry: Geometry,
    /// What the chip did wrong to its external memory was told.
    told: bool,
}

/// The Verilated chip of a geometry after power-up; `None` when no RTL of that geometry exists.
pub fn chip(geometry: &Geometry) -> Option<PortDevice<Rtl>> {
    let line = Verilated::new(geometry)?;
    Some(PortDevice::new(Rtl { port: Framed { line } }))
}

impl Verilated {
    fn new(geometry: &Geometry) -> Option<Self> {
        let number = Geometry::known().position(|known| known == *geometry)?;
        let chip = new_chip(number);
        (!chip.is_null()).then_some(Self { chip, geometry: *geometry, told: false })
    }

    /// What the chip did, unless it mistreated its external memory. That is told once: flags can still be read.
    fn answered(&mut self, done: bool) -> Result<(), DeviceError> {
        let violation = self.chip.violation();
        if !violation.is_empty() && !self.told {
            self.told = true;
            return Err(DeviceError::Line(format!("external memory, {violation}")));
        }
        if done { Ok(()) } else { Err(DeviceError::Silent(PATIENCE_CYCLES)) }
    }
}

impl BytePort for Verilated {
    fn send(&mut self, bytes: &[u8]) -> Result<(), DeviceError> {
        let sent = self.chip.pin_mut().send(bytes, PATIENCE_CYCLES);
        self.answered(sent)
    }

    fn receive(&mut self, bytes: &mut [u8]) -> Result<(), DeviceError> {
        let received = self.chip.pin_mut().receive(bytes, PATIENCE_CYCLES);
        self.answered(received)
    }
}

/// Why there are no waves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WavesError {
    /// The file cannot be created.
    Unwritable(PathBuf),
    /// This chip was built without them.
    NotBuilt(&'static str),
}

impl fmt::Display for WavesError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unwritable(file) => {
                write!(f, "cannot write {}: name a file in a folder that you may write", file.display())
            }
            Self::NotBuilt(geometry) => write!(
                f,
                "the chip `{geometry}` was built without waves; expected one with them: build again with the feature \
                 `waves`, and LPU_WAVES_GEOMETRY unset or naming `{geometry}`"
            ),
        }
    }
}

impl std::error::Error for WavesError {}

/// The host port of the Verilated chip, whose writes can be recorded.
pub struct Rtl {
    port: Framed<Verilated>,
}

impl Rtl {
    /// Clock cycles since power-up.
    pub fn cycles(&self) -> u64 {
        self.port.line.chip.cycles()
    }

    /// Writes the waves of all signals to an FST file, while tokens at these positions run. The file is whole when this is
    /// dropped. Its time counts the cycles of these tokens alone, from zero: 10 ns a cycle, whatever the board's clock.
    ///
    /// # Errors
    /// The file cannot be created, or the chip was built without waves.
    pub fn waves(&mut self, file: &Path, positions: RangeInclusive<u16>) -> Result<(), WavesError> {
        let path = file.to_str().ok_or_else(|| WavesError::Unwritable(file.to_owned()))?;
        let chip = self.port.line.chip.pin_mut();
        match chip.waves(path, *positions.start(), *positions.end()) {
            WavesState::Open => Ok(()),
            WavesState::NotBuilt => Err(WavesError::NotBuilt(self.port.line.geometry.name)),
            _ => Err(WavesError::Unwritable(file.to_owned())),
        }
    }
}

impl HostPort for Rtl {
    fn write(&mut self, space: Space, address: u32, words: &[HostWord]) -> Result<(), DeviceError> {
        self.port.write(space, address, words)
    }

    fn read(&mut self, space: Space, address: u32, count: usize) -> Result<Vec<HostWord>, DeviceError> {
        self.port.read(space, address, count)
    }
}

impl Tap for Rtl {
    fn record(&mut self, on: bool) {
        self.port.line.chip.pin_mut().record(on);
    }

    fn take(&mut self) -> Vec<Trace> {
        let geometry = self.port.line.geometry;
        let events = self.port.line.chip.pin_mut().take();
        events.into_iter().flat_map(|event| traces(&geometry, event)).collect()
    }
}

/// The events of one write port in one cycle: one for each half row of activations or keys, one for each lane of values.
fn traces(geometry: &Geometry, event: RawEvent) -> Vec<Trace> {
    let half = geometry.vxm_lanes / 2;
    let place = event.place as usize;
    let lanes = &event.lanes;
    let halves = || (0..geometry.halves()).filter(|half| event.mask >> half & 1 == 1);
    let half_lanes = |index: usize| lanes[(index % 2) * half..][..half].to_vec();
    let one = |location: Location, lanes: Vec<i32>| Trace {
        position: usize::from(event.position),
        cycle: i64::from(event.cycle),
        origin: None,
        location,
        lanes,
    };
    match event.kind {
        0 => vec![one(Location::Vmem(place), lanes.clone())],
        1 => vec![one(Location::Vreg(place), lanes.clone())],
        2 => vec![one(Location::Scalar(place), vec![lanes[0], 0])],
        3 => vec![one(Location::Scalar(geometry.scalars + place), lanes.clone())],
        4 => halves()
            .map(|index| one(Location::Act { entry: place, lane: index * half }, half_lanes(index)))
            .collect(),
        5 => halves()
            .map(|index| one(Location::Kv { row: place, lane: index * half }, half_lanes(index)))
            .collect(),
        7 => vec![one(Location::Weights(place), lanes[..geometry.mxm_lanes].to_vec())],
        8 => vec![one(Location::Kv { row: place, lane: 0 }, lanes[..geometry.mxm_lanes].to_vec())],
        9 => vec![one(Location::Vmem(place), lanes[..geometry.vxm_lanes].to_vec())],
        _ => (0..geometry.groups())
            .map(|group| {
                let lane = group * geometry.vxm_lanes + event.mask as usize;
                one(Location::Kv { row: place, lane }, vec![lanes[group]])
            })
            .collect(),
    }
}
