//! Why a block has no Verilog.

use std::fmt;

/// Why a block cannot be emitted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EmitError {
    /// Signals that nothing drives, as `path.signal`.
    Open(Vec<String>),
    /// Local signals or outputs read before they are written.
    Loops(Vec<String>),
    /// A kernel assigns to an input of its own block.
    WrittenInputs(Vec<String>),
    /// A name in a kernel that is no signal of the block.
    Undeclared { module: String, name: String },
    /// An index or number that is not known while emitting.
    Index(String),
    /// A number that its place cannot hold.
    Literal { value: i128, width: usize },
    /// A slice of something other than a signal, or outside of it.
    Slice(String),
    /// An assignment whose two sides differ in width.
    Width { target: String, expected: usize, found: usize },
    /// `link` or `join` in a kernel.
    Link(String),
    /// An `InOut` signal or a black box.
    Unsupported(String),
}

impl fmt::Display for EmitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Open(names) => {
                write!(f, "nothing drives {}: assign each in every kernel path", names.join(", "))
            }
            Self::Loops(names) => {
                write!(f, "read before written: {}: order the kernel's lines", names.join(", "))
            }
            Self::WrittenInputs(names) => {
                write!(f, "inputs written by their own block: {}", names.join(", "))
            }
            Self::Undeclared { module, name } => write!(
                f,
                "`{name}` in the kernel of `{module}` is no signal: Rust constants do not reach the Verilog, \
                 put the value in a `Fixed` or `Setting` field"
            ),
            Self::Index(text) => write!(
                f,
                "`{text}` is not known while emitting: use loop indices, literals and `Fixed` fields in indices \
                 (a const generic may only be a loop bound)"
            ),
            Self::Literal { value, width } => write!(f, "{value} does not fit in {width} bits"),
            Self::Slice(text) => write!(f, "cannot slice `{text}`: slice a signal, within its width"),
            Self::Width { target, expected, found } => {
                write!(f, "`{target}` has {expected} bits and is assigned {found}: use bit_cast or get_bits")
            }
            Self::Link(module) => write!(f, "`{module}` uses link or join: assign the signals one by one"),
            Self::Unsupported(what) => write!(f, "{what} cannot be emitted: wrap it in a primitive"),
        }
    }
}

impl std::error::Error for EmitError {}
