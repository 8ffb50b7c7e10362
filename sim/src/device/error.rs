//! What can go wrong between a host and a device.

use lpu_isa::Geometry;
use std::fmt;

/// Why a device did not do what was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DeviceError {
    /// The identity register holds something else than `LPU1`.
    NotAnLpu(u64),
    /// The device executes another instruction set, whose hash this is.
    Isa { found: u64, expected: u64 },
    /// The image is for another geometry.
    Geometry {
        /// Name of the image's geometry.
        image: &'static str,
        /// Hash of the device's.
        device: u64,
    },
    /// A section of the image is larger than the device's memory for it.
    TooLarge(&'static str),
    /// No program is loaded.
    NothingLoaded,
    /// A run is in progress.
    Busy,
    /// The prompt holds a token that the model does not have.
    Token {
        /// The token.
        found: u16,
        /// Tokens of the model.
        vocab: u32,
    },
    /// The run would begin outside the model's context.
    Position {
        /// The first position.
        found: usize,
        /// Positions of the model.
        context: u32,
    },
    /// The run would have no position to execute.
    NothingToDo,
    /// A run gave no record for this number of cycles.
    Silent(u64),
    /// The line to the device failed.
    Line(String),
}

impl fmt::Display for DeviceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotAnLpu(found) => write!(
                f,
                "expected the identity `LPU1` from the device, found {found:016x}: check the port, and load the bitstream with `lpu flash`"
            ),
            Self::Isa { found, expected } => write!(
                f,
                "expected a device for instruction set {expected:016x}, found one for {found:016x}: its bitstream is of another version; \
                 build it again with `lpu build` and load it with `lpu flash`"
            ),
            Self::Geometry { image, device } => write!(
                f,
                "expected a device of geometry `{image}` for this image, found {}: compile the model for that device with \
                 `lpu compile --geometry`, or load the bitstream of a board with `{image}`",
                geometry_name(*device)
            ),
            Self::TooLarge(section) => {
                write!(
                    f,
                    "the image's section `{section}` is larger than the device's memory: compile it again"
                )
            }
            Self::NothingLoaded => write!(f, "expected a loaded program, found none: load an image first"),
            Self::Busy => {
                write!(f, "expected an idle device, found a run in progress: wait for it or cancel it")
            }
            Self::Token { found, vocab } => {
                write!(
                    f,
                    "expected prompt tokens below {vocab}, found {found}: encode the prompt with this model's tokenizer"
                )
            }
            Self::Position { found, context } => {
                write!(f, "expected a first position below {context}, found {found}: start a new text")
            }
            Self::NothingToDo => write!(f, "expected a limit of at least one position, found zero"),
            Self::Silent(cycles) => {
                write!(
                    f,
                    "expected a token, found none after {cycles} cycles: read the fault flags, then reset the device"
                )
            }
            Self::Line(why) => write!(f, "the line to the device failed: {why}"),
        }
    }
}

/// A geometry by its name, or by its hash if it has none here.
fn geometry_name(hash: u64) -> String {
    let known = Geometry::known().find(|geometry| geometry.hash() == hash);
    known.map_or_else(|| format!("geometry {hash:016x}"), |geometry| format!("`{}`", geometry.name))
}

impl std::error::Error for DeviceError {}
