//! A device that runs programs, in plain verbs: emulator, Verilated RTL, netlist and board are used in one way.
//!
//! [`PortDevice`] speaks the protocol of [`lpu_isa::host`] over any [`HostPort`]. A device with only a line of bytes
//! implements [`BytePort`] and is used as `PortDevice<Framed<...>>`.

pub mod conformance;
mod error;
mod port;
mod program;
mod protocol;
mod session;

pub use error::DeviceError;
pub use lpu_isa::host::Step;
pub use port::{BytePort, Framed, HostPort, HostWord, PATIENCE_CYCLES, from_number, number_of};
pub use program::{Loaded, program_words, spread};
pub use protocol::PortDevice;
pub use session::{Outcome, inverse_temperature, run_to_end, run_with_logits};

use lpu_isa::Geometry;
use lpu_isa::arith::Scalar;
use lpu_isa::host::Fault;
use lpu_isa::image::Image;

/// What a device says it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Hash of its instruction set.
    pub isa_hash: u64,
    /// Hash of its geometry.
    pub geometry_hash: u64,
    /// The bitstream's own number; zero where there is none.
    pub bitstream: u64,
}

impl Identity {
    /// The device's geometry, if it is one that this crate knows by name.
    pub fn geometry(&self) -> Option<Geometry> {
        Geometry::known().find(|geometry| geometry.hash() == self.geometry_hash)
    }
}

/// A run: positions executed one after the other without the host between them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunRequest {
    /// Inputs of the first positions. May be empty: then the run goes on from the token chosen last.
    pub prompt: Vec<u16>,
    /// Positions that are executed at most, those of the prompt included.
    pub limit: usize,
    /// Position of the first one.
    pub start_position: usize,
    /// Tokens that end the run when they are chosen at or after the last position of the prompt.
    pub stop_tokens: [Option<u16>; 2],
    /// Names the random numbers of the run; any number, they are spread on their way to the generator.
    pub seed: u32,
    /// The inverse temperature for sampling; `None` takes the most likely token.
    pub sampling: Option<Scalar>,
    /// Wait after every position until the next step is asked for, so that logits can be read.
    pub pause: bool,
}

impl RunRequest {
    /// The most likely tokens after a prompt, from position 0.
    pub fn greedy(prompt: &[u16], limit: usize) -> Self {
        Self {
            prompt: prompt.to_vec(),
            limit,
            start_position: 0,
            stop_tokens: [None; 2],
            seed: 0,
            sampling: None,
            pause: false,
        }
    }
}

/// A device.
pub trait Device {
    /// What it is.
    fn identify(&mut self) -> Result<Identity, DeviceError>;
    /// Loads a program with its memories, after checking that it is for this device. Ends a run in progress, clears faults.
    fn load(&mut self, image: &Image) -> Result<(), DeviceError>;
    /// Starts a run of the loaded program.
    fn start(&mut self, request: &RunRequest) -> Result<(), DeviceError>;
    /// Waits for the next executed position; `None` when the run is over.
    fn next_step(&mut self) -> Result<Option<Step>, DeviceError>;
    /// The logits of the position executed last, as the chip's words. Only while the run is paused or over.
    fn logits(&mut self) -> Result<Vec<i32>, DeviceError>;
    /// Sticky faults.
    fn faults(&mut self) -> Result<Fault, DeviceError>;
    /// Rows in which a lane saturated since the start of the run.
    fn saturations(&mut self) -> Result<u64, DeviceError>;
    /// Ends the run after the current token and forgets its records.
    fn cancel(&mut self) -> Result<(), DeviceError>;
}
